/* events.h - what checks ask of single events of a history. */
#ifndef EVENTS_H
#define EVENTS_H

#include "flow/unusual.h"
#include "mirror/history.h"

static inline bool is_fin(const struct event *e)
{
	return (e->flags & (TCPAUDIT_FIN | TCPAUDIT_ACK | TCPAUDIT_RST | TCPAUDIT_SYN)) == (TCPAUDIT_FIN | TCPAUDIT_ACK) &&
	       !(e->is & (EVENT_STRAY | EVENT_DUPLICATE));
}

static inline bool is_pure_ack(const struct event *e)
{
	return e->flags & TCPAUDIT_ACK && !(e->flags & (TCPAUDIT_FIN | TCPAUDIT_RST | TCPAUDIT_SYN)) && e->len == 0 &&
	       !(e->is & (EVENT_STRAY | EVENT_DUPLICATE));
}

/* The sender's next incarnation has begun: it is SYN-SENT that answers the old one's segments now, with resets without ACK whose
 * number is their acknowledgment (RFC 9293 3.10.7.3 first). */
static inline bool is_next_syn(const struct event *e)
{
	return e->unusual & UNUSUAL_SYN_SYNCHRONIZED;
}

/* How many segments an event stands for, of those since `first`, -1 if it is the first one itself: then the rest of its run came
 * before, and may have been answered. */
static inline uint32_t segments_since(int first, const struct event *e)
{
	return first < 0 ? 1 : 1u + e->run;
}

/* Has the end itself sent a reset with all these control bits, of any number?  With RST alone: it has no connection, and has said so.
 * With ACK, too: its user has aborted, which deletes the block in any state (RFC 9293 3.10.5), or it answers from CLOSED. */
static inline bool has_reset(const struct history *h, unsigned x, unsigned flags)
{
	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->from == x && (e->flags & flags) == flags && !(e->is & (EVENT_FOREIGN | EVENT_SUSPECT)) &&
		    !(e->unusual & UNUSUAL_OLD_INCARNATION))
			return true;
	}
	return false;
}

#endif
