/* front.c - packet time, decoding, socket pairs and their hashes: all that a frame needs before its connection is looked up. */
#include "front.h"

#include <string.h>

#include "decode/decode_usual.h"
#include "decode/defrag.h"
#include "aside.h"

#define JUMP     (3600ll * 1000000000)                             /* ns */
#define DECIDED  (TCPAUDIT_FRAME_REJECTED | TCPAUDIT_FRAME_OPAQUE) /* by the filter: there is nothing to decode */
#define UNSTEADY (TCPAUDIT_FRAME_LOST | DECIDED)
#define TOGETHER 8 /* buckets that are asked for in a row */

uint64_t front_share(uint64_t memcap)
{
	return memcap / FRONT_SHARE < DEFRAG_BYTES ? memcap / FRONT_SHARE : DEFRAG_BYTES;
}

bool front_init(struct front *front, const struct tcpaudit_settings *settings)
{
	front->checksum = (enum tcpaudit_checksum_mode)settings->checksum;
	front->decoder = decoder_new(settings->tunnels, front->checksum, &front->now);
	front->key = flow_key(settings->hash_key);
	for (size_t i = 0; i < sizeof front->source / sizeof front->source[0]; i++)
		front->source[i] = (struct clock){INT64_MIN, INT64_MIN};
	if (front->decoder != NULL && settings->memcap)
		decoder_limit(front->decoder, front_share(settings->memcap));
	return front->decoder != NULL;
}

void front_fini(struct front *front)
{
	decoder_free(front->decoder);
}

/* A time more than an hour ahead moves the clock only when the next frame of that source confirms it; what it stamped is
 * judged at the time that is believed. */
ASIDE static int64_t believe(struct front *front, const struct tcpaudit_frame *f)
{
	struct clock *clock = &front->source[f->source & 63];
	int64_t time = bounded(f->time);

	if (!front->started) {
		front->started = true;
		front->counters.first = front->now = time;
	}
	front->counters.time_backwards += time < clock->newest;
	clock->newest = time;
	bool far = time - front->now > JUMP;
	bool confirmed = clock->held >= 0 && time - clock->held < JUMP && clock->held - time < JUMP;
	clock->held = far && !confirmed ? time : INT64_MIN;
	if (far && !confirmed) {
		front->counters.time_held++;
		return front->now;
	}
	if (time > front->now)
		front->now = time;
	return time;
}

/* Do these frames come one behind the other, none of them lost or rejected, by one clock, and not long behind the one before, as
 * nearly always?  Then each has the packet time that it says. */
static bool is_steady(struct front *front, const struct tcpaudit_frame *frames, unsigned count)
{
	if (count == 0 || !front->started)
		return false;
	struct clock *clock = &front->source[frames[0].source & 63];
	int64_t last = clock->newest > front->now ? clock->newest : front->now;
	unsigned flags = 0;
	bool odd = clock->held != INT64_MIN;
	for (unsigned i = 0; i < count; i++) {
		odd |= frames[i].source != frames[0].source || frames[i].time < last;
		flags |= frames[i].flags;
		last = frames[i].time;
	}
	if (odd || flags & UNSTEADY || last - front->now > JUMP || last > LATEST)
		return false;
	clock->newest = last;
	return true;
}

/* Is there a segment to judge, or one that an ICMP error quotes? */
static inline bool has_segment(struct front *front, enum tcpaudit_fate fate, const struct tcpaudit_segment *s)
{
	front->counters.fate[fate]++;
	if (fate != TCPAUDIT_FATE_TCP)
		return fate == TCPAUDIT_FATE_ICMP && s->icmp_quotes;
	if (s->unusable == TCPAUDIT_UNUSABLE_NONE)
		return true;
	front->counters.unusable[s->unusable]++;
	return false;
}

/* Before which frames were others lost?  A bit each. */
static uint32_t losses_of(const struct tcpaudit_frame *frames, unsigned count)
{
	uint32_t lost = 0;

	for (unsigned i = 0; i < count; i++)
		lost |= (uint32_t)!!(frames[i].flags & TCPAUDIT_FRAME_LOST) << i;
	return lost;
}

static enum tcpaudit_fate decision(const struct tcpaudit_frame *frame)
{
	return frame->flags & TCPAUDIT_FRAME_REJECTED ? TCPAUDIT_FATE_FILTER : TCPAUDIT_FATE_LINKTYPE;
}

/* The batch's segment n is there, from frame i: what is yet to be said of it. */
static inline void add(const struct front *front, struct batch *batch, unsigned n, unsigned i, const struct tcpaudit_frame *frame,
                       const struct tcpaudit_segment *s, bool icmp)
{
	const struct sockets sockets = sockets_of(s);

	batch->icmp[n] = icmp;
	batch->frame[n] = frame;
	batch->place[n] = (uint8_t)i;
	batch->sockets[n] = sockets;
	batch->hash[n] = sockets_hash(&sockets, s, &front->key);
}

/* False: frame i has no segment n. */
static bool decode_any(struct front *front, struct batch *batch, unsigned n, unsigned i, const struct tcpaudit_frame *frame,
                       int64_t time)
{
	struct tcpaudit_segment *s = &batch->segment[n];
	enum tcpaudit_fate fate = frame->flags & DECIDED ? decision(frame) : decoder_decode(front->decoder, frame, s);

	if (!has_segment(front, fate, s))
		return false;
	s->time = time;
	add(front, batch, n, i, frame, s, fate == TCPAUDIT_FATE_ICMP);
	return true;
}

/* The same of a frame that is not IPv4 without a tag, or not quite usual. */
ASIDE static bool decode_other(struct front *front, struct batch *batch, unsigned n, unsigned i, const struct tcpaudit_frame *frame)
{
	struct tcpaudit_segment *s = &batch->segment[n];

	if (decode_usual_other(frame, s)) {
		add(front, batch, n, i, frame, s, false);
		decode_usual_rest(front->checksum, s);
		front->counters.fate[TCPAUDIT_FATE_TCP]++;
		return true;
	}
	enum tcpaudit_fate fate = decoder_walk(front->decoder, frame, s);
	if (!has_segment(front, fate, s))
		return false;
	add(front, batch, n, i, frame, s, fate == TCPAUDIT_FATE_ICMP);
	return true;
}

/* How many segments there are. */
static inline unsigned fill_steady(struct front *front, struct batch *batch, const struct tcpaudit_frame *frames, unsigned count,
                                   const struct flow_table *table)
{
	struct tcpaudit_segment *s = batch->segment;
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct tcpaudit_frame *frame = &frames[i];
		batch->clock[i] = front->now = frame->time;
		if (decode_usual(frame, s)) {
			add(front, batch, n, i, frame, s, false);
			decode_usual_rest(front->checksum, s);
			front->counters.fate[TCPAUDIT_FATE_TCP]++;
		} else if (!decode_other(front, batch, n, i, frame)) {
			continue;
		}
		s++;
		if (++n % TOGETHER == 0 && table)
			flow_prefetch_buckets(table, &batch->hash[n - TOGETHER], TOGETHER);
	}
	if (table)
		flow_prefetch_buckets(table, &batch->hash[n - n % TOGETHER], n % TOGETHER);
	return n;
}

ASIDE static unsigned fill_unsteady(struct front *front, struct batch *batch, const struct tcpaudit_frame *frames, unsigned count,
                                    const struct flow_table *table)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		const int64_t time = believe(front, &frames[i]);
		batch->clock[i] = front->now;
		n += decode_any(front, batch, n, i, &frames[i], time);
	}
	if (table)
		flow_prefetch_buckets(table, batch->hash, n);
	return n;
}

void front_fill(struct front *front, struct batch *batch, const struct tcpaudit_frame *frames, unsigned count,
                const struct flow_table *table)
{
	const bool steady = is_steady(front, frames, count);

	batch->count = (steady ? fill_steady : fill_unsteady)(front, batch, frames, count, table);
	front->counters.frames += count;
	batch->lost = steady ? 0 : losses_of(frames, count);
	batch->buckets = table;
	batch->frames = count;
	batch->first = front->counters.first;
	batch->now = front->now;
}

/* Of fragments that wait nobody knows yet what will become of them, and what was counted once stays so. */
static void count_fragments(struct front *front)
{
	uint64_t *fate = front->counters.fate, lost = decoder_take_lost(front->decoder), waiting = decoder_waiting(front->decoder);

	fate[TCPAUDIT_FATE_FRAGMENT] += fate[TCPAUDIT_FATE_FRAGMENT_WAITING] - lost - waiting;
	fate[TCPAUDIT_FATE_FRAGMENT_LOST] += lost;
	fate[TCPAUDIT_FATE_FRAGMENT_WAITING] = waiting;
}

void front_release(struct front *front)
{
	decoder_expire(front->decoder, front->now);
	count_fragments(front);
	decoder_release(front->decoder);
}

void front_end(struct front *front)
{
	decoder_expire(front->decoder, INT64_MAX);
	count_fragments(front);
}

void front_count(struct front *front, enum tcpaudit_fate fate)
{
	front->counters.frames++;
	front->counters.fate[fate]++;
}
