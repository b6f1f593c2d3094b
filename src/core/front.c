/* front.c - packet time, decoding, socket pairs and their hashes: all that a frame needs before its connection is looked up. */
#include "front.h"

#include <string.h>

#include "aside.h"

#define JUMP     (3600ll * 1000000000) /* ns */
#define TOGETHER 8                     /* buckets that are asked for in a row */

bool front_init(struct front *front, const struct tcpaudit_settings *settings)
{
	front->decoder = decoder_new(settings->tunnels, (enum tcpaudit_checksum_mode)settings->checksum, &front->now);
	front->key = flow_key(settings->hash_key);
	for (size_t i = 0; i < sizeof front->source / sizeof front->source[0]; i++)
		front->source[i] = (struct clock){INT64_MIN, INT64_MIN};
	return front->decoder != NULL;
}

void front_fini(struct front *front)
{
	decoder_free(front->decoder);
}

/* A time more than an hour ahead moves the clock only when the next frame of that source confirms it; what it stamped is
 * judged at the time that is believed. */
ASIDE static int64_t weigh(struct front *front, struct clock *clock, int64_t time)
{
	time = bounded(time);
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

/* Packet time of a frame. */
static inline int64_t believe(struct front *front, const struct tcpaudit_frame *f)
{
	struct clock *clock = &front->source[f->source & 63];
	const int64_t time = f->time;

	if (time < clock->newest || (uint64_t)time - (uint64_t)front->now > JUMP || clock->held != INT64_MIN || time > LATEST ||
	    !front->started)
		return weigh(front, clock, time);
	return clock->newest = front->now = time; /* as nearly always */
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

void front_fill(struct front *front, struct batch *batch, const struct tcpaudit_frame *frames, unsigned count,
                const struct flow_table *table)
{
	unsigned n = 0;
	uint32_t lost = 0;

	for (unsigned i = 0; i < count; i++) {
		struct tcpaudit_segment *s = &batch->segment[n];
		int64_t time = believe(front, &frames[i]);
		batch->clock[i] = front->now;
		lost |= (frames[i].flags & TCPAUDIT_FRAME_LOST ? UINT32_C(1) : 0) << i;
		enum tcpaudit_fate fate = decoder_decode(front->decoder, &frames[i], s);
		if (!has_segment(front, fate, s))
			continue;
		s->time = time;
		batch->icmp[n] = fate == TCPAUDIT_FATE_ICMP;
		batch->frame[n] = &frames[i];
		batch->place[n] = (uint8_t)i;
		batch->sockets[n] = sockets_of(s);
		batch->hash[n] = sockets_hash(&batch->sockets[n], s, &front->key);
		if (++n % TOGETHER == 0 && table)
			flow_prefetch_buckets(table, &batch->hash[n - TOGETHER], TOGETHER);
	}
	if (table)
		flow_prefetch_buckets(table, &batch->hash[n - n % TOGETHER], n % TOGETHER);
	front->counters.frames += count;
	batch->lost = lost;
	batch->buckets = table;
	batch->frames = count;
	batch->count = n;
	batch->first = front->counters.first;
	batch->now = front->now;
}

static void count_lost(struct front *front)
{
	uint64_t lost = decoder_take_lost(front->decoder);

	front->counters.fate[TCPAUDIT_FATE_FRAGMENT] -= lost;
	front->counters.fate[TCPAUDIT_FATE_FRAGMENT_LOST] += lost;
}

void front_release(struct front *front)
{
	decoder_expire(front->decoder, front->now);
	count_lost(front);
	decoder_release(front->decoder);
}

void front_end(struct front *front)
{
	decoder_expire(front->decoder, INT64_MAX);
	count_lost(front);
}

void front_count(struct front *front, enum tcpaudit_fate fate)
{
	front->counters.frames++;
	front->counters.fate[fate]++;
}
