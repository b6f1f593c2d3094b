/* late.h - segments of a connection that was reported already. */
#ifndef LATE_H
#define LATE_H

#include "check/check.h"

/* Takes it, and hands out what it proves.  `table`: that the tombstone is of. */
void late_segment(const struct check_result *result, struct flow_table *table, struct tombstone *t, const struct tcpaudit_segment *s, unsigned from);

/* A segment as evidence. */
static inline struct tcpaudit_evidence segment_evidence(const struct tcpaudit_segment *s, unsigned from)
{
	return (struct tcpaudit_evidence){.time = s->time,
	                                  .frame = s->frame,
	                                  .seq = s->seq,
	                                  .ack = s->ack,
	                                  .len = s->len,
	                                  .flags = s->flags,
	                                  .input = s->input,
	                                  .from = (uint8_t)from};
}

#endif
