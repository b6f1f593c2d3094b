/* brief.h - a close of which nothing is odd, in little room: what its few segments say that the connection does not know anyway.
 *
 * Most connections are read once, when they have ended; a whole history for each until then would be written to memory, and come
 * from there again.  A history is made of it when somebody asks. */
#ifndef BRIEF_H
#define BRIEF_H

#include "history.h"

#define BRIEF_MOST 4 /* segments: as many as a close needs (RFC 9293 figure 12) */

struct brief_event {
	uint64_t time : 48; /* ns after the connection's start */
	uint64_t ip_id : 16;
	uint64_t frame : 48;
	uint64_t window : 16; /* as in the header */
	tcp_seq seq;
	tcp_seq ack;
	uint16_t len;
	uint8_t flags;
	uint8_t ttl;
	uint8_t from;
	bool fresh; /* EVENT_TSVAL_FRESH */
};

struct brief {
	uint64_t idle : 48; /* as in struct history */
	uint64_t count : 4;
	uint64_t fins : 2;  /* ends that sent one */
	uint64_t acked : 2; /* ends whose FIN was acknowledged */
	uint64_t zero : 2;  /* ends whose FIN met a closed window */
	tcp_seq u[2];       /* of each end's FIN */
	tcp_seq hiack[2];   /* how its peer stood then: struct tcb */
	tcp_seq redge[2];
	struct brief_event event[BRIEF_MOST];
	uint32_t stamps[BRIEF_MOST][2]; /* TSval and TSecr, with timestamps */
};

_Static_assert(sizeof(struct brief) == 192, "three cache lines, of which timestamps need half a one");

/* Adds a segment at its sender's next number: with a FIN or behind one, without options but timestamps, of the input on which the
 * connection began.  `end`: both blocks before it; `last`: the newest frame before it; `start`: the connection's, ns.  False, and
 * nothing has changed: it needs more room, or a closer look. */
bool brief_add(struct brief *brief, const struct tcb end[2], int64_t start, int64_t last, const struct tcpaudit_segment *segment,
               unsigned from);

/* Does each end acknowledge the other's FIN with whatever comes behind it? */
bool brief_answers(const struct brief *brief);

/* May a FIN have waited when the other one came?  As history_may_have_queued(), of either end. */
bool brief_may_have_queued(const struct brief *brief);

/* The end that is left in TIME-WAIT, and `since` when; BOTH, or NONE, too (enum tcpaudit_who). */
uint8_t brief_holder(const struct brief *brief, int64_t start, int64_t *since);

/* Puts all of it into a new history, as history_add() would have. */
void brief_tell(const struct brief *brief, const struct tcb end[2], int64_t start, uint16_t input, struct history *history);

#endif
