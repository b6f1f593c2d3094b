/* incarnation.h - which connection on a socket pair a segment belongs to: one that goes on, one that is over, or none of them. */
#ifndef INCARNATION_H
#define INCARNATION_H

#include "flow.h"

#define INCARNATIONS 8 /* of one socket pair that a segment may be of: anybody can begin any number of them */

static inline bool is_syn(const struct tcpaudit_segment *s)
{
	return s->flags & TCPAUDIT_SYN && !(s->flags & (TCPAUDIT_RST | TCPAUDIT_FIN));
}

/* By its ISS, of a SYN or SYN-ACK; else by its numbers.  `crossed`: its sender is the pair's second socket. */
bool incarnation_fits(const struct flow_table *table, uint32_t slot, const struct tcpaudit_segment *segment, bool crossed);

/* By its numbers, whatever it is. */
bool incarnation_numbers_fit(const struct flow_table *table, uint32_t slot, const struct tcpaudit_segment *segment, bool crossed);

/* Walks back through the incarnations to the one that the segment belongs to; SLOT_NONE: to none of them. */
uint32_t incarnation_of(const struct flow_table *table, uint32_t newest, const struct tcpaudit_segment *segment, bool crossed);

#endif
