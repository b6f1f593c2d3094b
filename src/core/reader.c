/* reader.c - a front of its own: batches that own all that judging may look at, for an engine on another thread.
 *
 * That is octets, if the engine has a labeller or scopes; otherwise segments, with their sums, say everything. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_KEPT ((size_t)64 << 10) /* bytes of a batch: frames of 2 KiB */

struct tcpaudit_reader {
	struct front front;
	bool verifies;
	bool octets;        /* are needed by who judges */
	struct batch batch; /* if they are not: what is to be packed */
};

struct tcpaudit_reader *tcpaudit_reader_new(const struct tcpaudit_settings *settings, bool octets)
{
	struct tcpaudit_reader *reader = calloc(1, sizeof *reader);

	if (reader && front_init(&reader->front, settings)) {
		reader->verifies = settings->checksum != TCPAUDIT_CHECKSUM_OFF;
		reader->octets = octets;
		return reader;
	}
	tcpaudit_reader_free(reader);
	return NULL;
}

void tcpaudit_reader_free(struct tcpaudit_reader *reader)
{
	if (!reader)
		return;
	front_fini(&reader->front);
	free(reader);
}

size_t tcpaudit_reader_memory(const struct tcpaudit_reader *reader)
{
	return sizeof *reader + decoder_memory(reader->front.decoder);
}

struct tcpaudit_batch *tcpaudit_batch_new(void)
{
	struct tcpaudit_batch *batch = aligned_alloc(_Alignof(struct tcpaudit_batch), sizeof *batch);

	return batch ? memset(batch, 0, sizeof *batch) : NULL;
}

void tcpaudit_batch_free(struct tcpaudit_batch *batch)
{
	if (!batch)
		return;
	free(batch->bytes);
	free(batch);
}

size_t tcpaudit_batch_memory(const struct tcpaudit_batch *batch)
{
	return sizeof *batch + batch->room;
}

/* Captured octets of the TCP header and the text behind it.  Of a header that was cut, at least its fixed part is there: without
 * that, a segment is unusable. */
static size_t extent(const struct tcpaudit_segment *s)
{
	return s->noticed & TCPAUDIT_SAW_OPTIONS_CUT ? 20 : s->header_len + (size_t)s->text_caplen;
}

/* Not in the frame: put together out of fragments. */
static bool elsewhere(const struct tcpaudit_segment *s, const struct tcpaudit_frame *f)
{
	return (uintptr_t)s->header < (uintptr_t)f->data || (uintptr_t)s->header >= (uintptr_t)f->data + f->caplen;
}

static size_t needed(const struct batch *b, unsigned i)
{
	const struct tcpaudit_segment *s = &b->segment[i];

	return b->frame[i]->caplen + (!b->icmp[i] && elsewhere(s, b->frame[i]) ? extent(s) : 0);
}

static bool make_room(struct tcpaudit_batch *batch)
{
	size_t room = 0;

	for (unsigned i = 0; i < batch->batch.count; i++)
		room += needed(&batch->batch, i);
	if (room <= batch->room)
		return true;
	room = room < ROOM_KEPT ? ROOM_KEPT : room;
	uint8_t *bytes = malloc(room);
	if (!bytes)
		return false;
	free(batch->bytes);
	batch->bytes = bytes;
	batch->room = room;
	return true;
}

/* Copies what segment i borrows to `to`, and has it point there.  Returns where the next one has place. */
static uint8_t *own(struct tcpaudit_batch *batch, unsigned i, uint8_t *to)
{
	struct tcpaudit_segment *s = &batch->batch.segment[i];
	const struct tcpaudit_frame *f = batch->batch.frame[i];

	batch->frame[i] = *f;
	batch->frame[i].data = to;
	batch->batch.frame[i] = &batch->frame[i];
	memcpy(to, f->data, f->caplen);
	uint8_t *next = to + f->caplen;
	if (!elsewhere(s, f)) {
		s->header = to + (s->header - f->data);
	} else if (batch->batch.icmp[i]) {
		s->header = NULL; /* nobody asks for it */
	} else {
		memcpy(next, s->header, extent(s));
		s->header = next;
		next += extent(s);
	}
	return next;
}

/* Without memory for their octets, segments cannot be judged later. */
static void give_up(struct front *front, struct batch *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		front->counters.fate[b->icmp[i] ? TCPAUDIT_FATE_ICMP : TCPAUDIT_FATE_TCP]--;
		front->counters.fate[TCPAUDIT_FATE_NO_MEMORY]++;
	}
	b->count = 0;
}

#define SHORT 256 /* octets of text whose sum is found sooner than asked for */

/* Who judges has more to do than who reads; and to sum octets up does not take longer than to copy them. */
static void verify_ahead(struct batch *b, uint32_t longest)
{
	for (unsigned i = 0; i < b->count; i++) {
		struct tcpaudit_segment *s = &b->segment[i];
		if (!b->icmp[i] && s->noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN && s->len <= longest)
			s->sum = TCPAUDIT_SUM_KNOWN | segment_verify(s);
	}
}

static void own_all(struct front *front, struct tcpaudit_batch *batch)
{
	if (!make_room(batch))
		give_up(front, &batch->batch);
	uint8_t *to = batch->bytes;
	for (unsigned i = 0; i < batch->batch.count; i++)
		to = own(batch, i, to);
}

void tcpaudit_read(struct tcpaudit_reader *reader, struct tcpaudit_batch *batch, const struct tcpaudit_frame *frames,
                   size_t count)
{
	struct front *front = &reader->front;
	struct batch *read = reader->octets ? &batch->batch : &reader->batch;

	front_fill(front, read, frames, (unsigned)count, NULL);
	if (reader->verifies)
		verify_ahead(read, reader->octets ? SHORT : UINT32_MAX);
	batch->octets = reader->octets;
	if (reader->octets)
		own_all(front, batch);
	else
		packed_fill(&batch->packed, read, frames);
	front_release(front);
	batch->counters = front->counters;
}

void tcpaudit_read_count(struct tcpaudit_reader *reader, enum tcpaudit_fate fate)
{
	front_count(&reader->front, fate);
}

void tcpaudit_read_end(struct tcpaudit_reader *reader, struct tcpaudit_batch *batch)
{
	front_end(&reader->front);
	tcpaudit_read(reader, batch, NULL, 0);
}

void batch_judged(struct tcpaudit_batch *batch)
{
	if (batch->room <= ROOM_KEPT)
		return;
	free(batch->bytes);
	batch->bytes = NULL;
	batch->room = 0;
}
