/* events.h - what checks ask of single events of a history. */
#ifndef EVENTS_H
#define EVENTS_H

#include "../history.h"

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

/* Was b built after a by the same end?  Timestamps say so, or the IP identification; capture order alone does not. */
static inline bool built_later(const struct event *a, const struct event *b)
{
	if (a->is & b->is & EVENT_TIMESTAMPS && a->tsval != b->tsval)
		return seq_gt(b->tsval, a->tsval);
	if (a->ip_id && b->ip_id && a->ip_id != b->ip_id)
		return (uint16_t)(b->ip_id - a->ip_id) < 1024;
	return false;
}

#endif
