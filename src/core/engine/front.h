/* front.h - the front of the engine: frames become batches of segments, each with the packet time at which it is judged.
 *
 * Knows nothing of connections: so it may run ahead of what judges its batches, on another thread. */
#ifndef FRONT_H
#define FRONT_H

#include "decode/decode.h"
#include "flow/flow.h"

#define BATCH TCPAUDIT_BATCH
_Static_assert(BATCH <= 32, "a bit for each frame");

/* What is counted before anything is judged; as in struct tcpaudit_counters. */
struct front_counters {
	uint64_t frames;
	uint64_t fate[TCPAUDIT_FATE_COUNT];
	uint64_t unusable[TCPAUDIT_UNUSABLE_COUNT];
	uint64_t time_backwards;
	uint64_t time_held;
	int64_t first;
};

/* Frames that were decoded together.  Of those without a segment nothing but their time is kept. */
struct batch {
	unsigned frames;
	unsigned count; /* of segments */
	int64_t first;  /* packet time of the first frame of all */
	int64_t now;    /* ... behind the last one of this batch */
	int64_t clock[BATCH]; /* ... when each frame is looked at */
	uint32_t lost;        /* frames before which others were lost: a bit each */
	uint8_t place[BATCH]; /* of each segment, among the frames */
	struct tcpaudit_segment segment[BATCH];
	const struct tcpaudit_frame *frame[BATCH]; /* of each segment */
	struct sockets sockets[BATCH];
	uint32_t hash[BATCH]; /* of their pair */
	bool icmp[BATCH]; /* it is only quoted, by an ICMP error */
	bool buckets;          /* of the table are on their way */
};

struct front {
	struct decoder *decoder;
	enum tcpaudit_checksum_mode checksum;
	struct flow_key key;
	struct front_counters counters;
	int64_t now;
	bool started;
	struct clock {
		int64_t newest; /* time of the newest frame, INT64_MIN none yet */
		int64_t held;   /* a time far ahead that waits for its confirmation, INT64_MIN none */
	} source[64];           /* by the low bits of the source's number */
};

/* Packet times are whatever the capture says.  Within these bounds, sums and differences of them are numbers. */
#define LATEST (INT64_MAX / 2) /* the year 2116 */

static inline int64_t bounded(int64_t time)
{
	return time < 0 ? 0 : time > LATEST ? LATEST : time;
}

/* Of a zeroed one.  false when out of memory. */
bool front_init(struct front *front, const struct tcpaudit_settings *settings);

#define FRONT_SHARE 8 /* one in so many bytes of the memcap is its own, or less of a large one: fragments wait there */

/* Bytes of it. */
uint64_t front_share(uint64_t memcap);

/* Accepts a zeroed one. */
void front_fini(struct front *front);

/* Decodes up to BATCH frames.  The segments borrow from them and from the decoder, until front_release().  `table`, unless NULL:
 * has its buckets brought on their way meanwhile. */
void front_fill(struct front *front, struct batch *batch, const struct tcpaudit_frame *frames, unsigned count,
                const struct flow_table *table);

/* Between batches. */
void front_release(struct front *front);

/* No more frames come: gives up the fragments that wait. */
void front_end(struct front *front);

void front_count(struct front *front, enum tcpaudit_fate fate);

#endif
