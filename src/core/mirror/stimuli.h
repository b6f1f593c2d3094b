/* stimuli.h - what was sent to an end, as far as it can change that end, and how events stand to each other. */
#ifndef STIMULI_H
#define STIMULI_H

#include "mirror.h"
#include "state.h"

/* The events before `by` that can have reached the end in this state, and may matter to it. */
static inline uint64_t stimuli(const struct mirror_end *end, uint8_t state, int by)
{
	uint64_t before = by < 64 ? (1ull << by) - 1 : ~0ull;

	if (state == TCPAUDIT_CLOSED)
		return 0;
	return (state_in((enum tcpaudit_state)state, SYNCHRONIZED) ? end->closing : end->opening) & before;
}

/* Would it do anything, in that state?  A quick refusal of what segment_arrives() would ignore. */
static inline bool is_stimulus(const struct mirror *m, unsigned x, int i, uint8_t state)
{
	const struct event *e = &m->event[i];

	if (e->flags & TCPAUDIT_RST || !state_in((enum tcpaudit_state)state, SYNCHRONIZED))
		return true;
	if ((e->flags & TCPAUDIT_FIN || mirror_fills(m, x, i)) && !state_in((enum tcpaudit_state)state, FIN_RECEIVED))
		return true;
	return event_acks_fin(m->event, i, &m->fin[x]) && state_in((enum tcpaudit_state)state, FIN_SENT & ~FIN_ACKED);
}

static inline bool is_fin_copy(const struct mirror *m, int i)
{
	const struct event *e = &m->event[i];
	return e->flags & TCPAUDIT_FIN && !(e->flags & TCPAUDIT_RST) && m->fin[e->from].sent &&
	       seq_add(e->seq, e->len) == m->fin[e->from].u;
}

/* Capture order.  Events stand where their senders built them, which is another order where the network swaps them. */
static inline bool captured_before(const struct mirror *m, int i, int k)
{
	return m->event[i].time != m->event[k].time ? m->event[i].time < m->event[k].time : i < k;
}

static inline int64_t turnaround_of(const struct mirror_end *end)
{
	return end->turnaround == TURNAROUND_UNKNOWN ? 0 : (int64_t)end->turnaround * 1000;
}

static inline bool is_only_tsval(const struct mirror *m, int i)
{
	for (int k = 0; k < m->count; k++)
		if (k != i && m->event[k].from == m->event[i].from && m->event[k].is & EVENT_TIMESTAMPS &&
		    m->event[k].tsval == m->event[i].tsval && !(m->event[k].is & EVENT_DUPLICATE))
			return false;
	return true;
}

static inline bool passes(const struct hypothesis *h, uint8_t state)
{
	for (int k = 0; k < h->count; k++)
		if (h->step[k].to == state)
			return true;
	return false;
}

#endif
