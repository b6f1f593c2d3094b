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

#endif
