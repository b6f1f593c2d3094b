/* reader.c - a front of its own, for an engine on another thread.
 *
 * If nobody there looks at octets, segments say everything, with their sums. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_KEPT ((size_t)64 << 10) /* bytes of a batch */

struct tcpaudit_reader {
	struct front front;
	bool verifies;
	enum tcpaudit_octets octets; /* that are needed by who judges */
	struct batch batch;          /* what is to be packed, if frames are not needed */
};

struct tcpaudit_reader *tcpaudit_reader_new(const struct tcpaudit_settings *settings, enum tcpaudit_octets octets)
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

static bool is_to_be_copied(const struct batch *b, unsigned i)
{
	return !b->icmp[i] && elsewhere(&b->segment[i], b->frame[i]);
}

/* So many bytes. */
static bool make_room(struct tcpaudit_batch *batch, size_t room)
{
	if (room <= batch->room)
		return true;
	uint8_t *bytes = malloc(room);
	if (!bytes)
		return false;
	free(batch->bytes);
	batch->bytes = bytes;
	batch->room = room;
	return true;
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

#define SHORT 256 /* octets of text whose sum is found sooner than asked for: who judges has more to do than who reads */

static void verify_ahead(struct batch *b, uint32_t longest)
{
	for (unsigned i = 0; i < b->count; i++) {
		struct tcpaudit_segment *s = &b->segment[i];
		if (!b->icmp[i] && s->noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN && s->len <= longest)
			s->sum = TCPAUDIT_SUM_KNOWN | segment_verify(s);
	}
}

/* Octets that stay with whoever handed the frames in need no copy; what the decoder put together goes with the next batch. */
static void own_datagrams(struct front *front, struct tcpaudit_batch *batch, struct batch *b)
{
	size_t room = 0;

	for (unsigned i = 0; i < b->count; i++)
		room += is_to_be_copied(b, i) ? extent(&b->segment[i]) : 0;
	if (!make_room(batch, room))
		give_up(front, b);
	uint8_t *to = batch->bytes;
	for (unsigned i = 0; i < b->count; i++) {
		struct tcpaudit_segment *s = &b->segment[i];
		if (!is_to_be_copied(b, i))
			continue;
		s->header = memcpy(to, s->header, extent(s));
		to += extent(s);
	}
}

static void own_frames(struct tcpaudit_batch *batch)
{
	struct batch *b = &batch->batch;

	for (unsigned i = 0; i < b->count; i++) {
		batch->frame[i] = *b->frame[i];
		b->frame[i] = &batch->frame[i];
		if (b->icmp[i])
			b->segment[i].header = NULL; /* nobody asks for it, and its datagram may go */
	}
}

void tcpaudit_read(struct tcpaudit_reader *reader, struct tcpaudit_batch *batch, const struct tcpaudit_frame *frames,
                   size_t count)
{
	struct front *front = &reader->front;
	const bool none = reader->octets == TCPAUDIT_OCTETS_NONE;
	batch->frames = reader->octets == TCPAUDIT_OCTETS_FRAMES;
	struct batch *read = batch->frames ? &batch->batch : &reader->batch;

	front_fill(front, read, frames, (unsigned)count, NULL);
	if (reader->verifies)
		verify_ahead(read, none ? UINT32_MAX : SHORT);
	if (!none)
		own_datagrams(front, batch, read);
	if (batch->frames)
		own_frames(batch);
	else
		packed_fill(&batch->packed, read, frames, !none);
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
