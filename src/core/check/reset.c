/* reset.c - rst-: resets (RFC 9293 3.5.2, 3.5.3; RFC 5961). */
#include "check.h"

/* Outside the window by every number that we know of the receiver: at or beyond its right edge, or behind what it has
 * acknowledged by more than the FIN that Linux forgives. */
void check_rst_out_of_window(struct judging *j)
{
	uint32_t count = 0;
	int at = -1;

	if (!(j->premises & PREMISE_SCALE) || j->h->first_reset_any < 0)
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (!(e->flags & TCPAUDIT_RST) || e->is & (EVENT_RST_EXACT | EVENT_RST_WINDOW | EVENT_REFUSAL) ||
		    e->is & EVENT_DUPLICATE)
			continue;
		count++;
		if (at < 0)
			at = i;
	}
	if (at < 0 || !(j->c->entry.bits & CONN_ESTABLISHED))
		return;
	const struct event *e = &j->h->event[at];
	/* a reset that answers an older segment names that segment's acknowledgment: late, but nobody's fault */
	const struct tcb *receiver = &j->c->end[!e->from];
	if (!(e->flags & TCPAUDIT_ACK) && receiver->bits & TCB_ACK && seq_le(e->seq, receiver->hiack))
		return;
	struct claim c = {.endpoint = e->from,
	                  .count = count,
	                  .evidence = {at, -1},
	                  .observed = {{"seq", e->seq}},
	                  .expected = {{"seq_low", receiver->hiack}, {"seq_high", receiver->redge}}};
	claim(j, &c);
}
