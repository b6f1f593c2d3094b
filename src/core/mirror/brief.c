/* brief.c - see brief.h. */
#include <string.h>

#include "brief.h"

/* By IP identifications, perhaps sent before, or built before something that stands here already. */
static bool may_lag(const struct brief *b, const struct tcpaudit_segment *s, unsigned from)
{
	for (unsigned i = 0; i < b->count; i++) {
		uint16_t id = b->event[i].ip_id;

		if (b->event[i].from == from && id && s->ip_id && (uint16_t)(id - s->ip_id) < 256)
			return true;
	}
	return false;
}

/* Without an IP identification, does it say anything that its sender has not said before? */
static bool may_be_copy(const struct tcb *own, const struct tcpaudit_segment *s)
{
	return !s->ip_id && !s->len && !(s->flags & TCPAUDIT_FIN) && s->ack == own->hiack && !(s->options && seq_gt(s->tsval, own->tsval));
}

static bool has_room(const struct brief *b, uint64_t after, uint64_t idle, const struct tcpaudit_segment *s)
{
	return b->count < BRIEF_MOST && !((after | idle | s->frame) >> 48) && s->len <= UINT16_MAX;
}

bool brief_add(struct brief *b, const struct tcb end[2], int64_t start, int64_t last, const struct tcpaudit_segment *s,
               unsigned from)
{
	const struct tcb *peer = &end[!from];
	unsigned fin = !!(s->flags & TCPAUDIT_FIN), own = 1u << from, other = own ^ 3;
	uint64_t after = (uint64_t)(s->time - start), idle = (uint64_t)(s->time - last);
	bool acks = b->fins & other && seq_gt(s->ack, b->u[!from]);

	if (!has_room(b, after, idle, s) || (b->fins & own && (s->len || fin)) || (acks && s->ack != seq_add(b->u[!from], 1)) ||
	    may_lag(b, s, from) || may_be_copy(&end[from], s))
		return false;
	b->stamps[b->count][0] = s->options ? s->tsval : 0;
	b->stamps[b->count][1] = s->options ? s->tsecr : 0;
	b->event[b->count++] = (struct brief_event){.time = after,
	                                            .ip_id = s->ip_id,
	                                            .frame = s->frame,
	                                            .window = s->window,
	                                            .seq = s->seq,
	                                            .ack = s->ack,
	                                            .len = (uint16_t)s->len,
	                                            .flags = (uint8_t)s->flags,
	                                            .ttl = s->ttl,
	                                            .from = (uint8_t)from,
	                                            .fresh = s->options && seq_gt(s->tsval, end[from].tsval)};
	if (acks)
		b->acked |= other;
	if (!fin)
		return true;
	if (!b->fins)
		b->idle = idle;
	b->fins |= own;
	b->zero |= peer->bits & TCB_ZERO_WINDOW ? own : 0;
	b->u[from] = seq_add(s->seq, s->len);
	b->hiack[from] = peer->hiack;
	b->redge[from] = peer->redge;
	return true;
}

bool brief_answers(const struct brief *b)
{
	unsigned fins = 0;

	for (unsigned i = 0; i < b->count; i++) {
		const struct brief_event *e = &b->event[i];
		if (leaves_fin_unanswered(&fins, b->u[!e->from], e->from, e->ack, e->flags))
			return false;
	}
	return true;
}

bool brief_may_have_queued(const struct brief *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		const struct brief_event *fin = &b->event[i];
		bool under_way = false, first = true;

		if (!(fin->flags & TCPAUDIT_FIN))
			continue;
		for (unsigned k = i + 1; k < b->count; k++) {
			const struct brief_event *e = &b->event[k];
			if (e->from == fin->from || !seq_gt(e->ack, b->u[fin->from]))
				continue;
			under_way |= first && seq_gt(e->seq, fin->ack);
			first = false;
			if (!fin->window || (under_way && e->len))
				return true;
		}
	}
	return false;
}

uint8_t brief_holder(const struct brief *b, int64_t start, int64_t *since)
{
	bool second[2] = {false, false}; /* its FIN acknowledges the other one */
	int64_t done[2] = {0, 0};        /* when it first acknowledged that */

	if (b->acked != 3)
		return TCPAUDIT_WHO_NONE;
	for (unsigned i = 0; i < b->count; i++) {
		const struct brief_event *e = &b->event[i];
		unsigned x = e->from;

		if (!seq_gt(e->ack, b->u[!x]))
			continue;
		second[x] |= !!(e->flags & TCPAUDIT_FIN);
		done[x] = done[x] ? done[x] : start + (int64_t)e->time;
	}
	*since = done[second[0]];
	return second[0] ? (second[1] ? TCPAUDIT_WHO_NONE : TCPAUDIT_WHO_SERVER) : second[1] ? TCPAUDIT_WHO_CLIENT : TCPAUDIT_WHO_BOTH;
}

void brief_tell(const struct brief *b, const struct tcb end[2], int64_t start, uint16_t input, struct history *h)
{
	/* of what the FINs met, all that is looked at where every segment is at its sender's next number */
	struct tcb then[2] = {0};

	for (unsigned x = 0; x < 2; x++) {
		then[!x].bits = b->zero >> x & 1 ? TCB_ACK | TCB_ZERO_WINDOW : TCB_ACK;
		then[!x].hiack = b->hiack[x];
		then[!x].redge = b->redge[x];
	}
	for (unsigned i = 0; i < b->count; i++) {
		const struct brief_event *told = &b->event[i];
		unsigned from = told->from;
		bool stamped = end[from].bits & TCB_TS;

		history_put_plain(
		        h, then,
		        &(struct event){.time = start + (int64_t)told->time,
		                        .frame = told->frame,
		                        .seq = told->seq,
		                        .ack = told->ack,
		                        .len = told->len,
		                        .tsval = b->stamps[i][0],
		                        .tsecr = b->stamps[i][1],
		                        .window = (uint32_t)told->window << end[from].wscale,
		                        .flags = told->flags,
		                        .input = input,
		                        .is = (stamped ? EVENT_TIMESTAMPS : 0u) | (told->fresh ? EVENT_TSVAL_FRESH : 0u) |
		                              (end[from].bits & TCB_ID_LEAPS ? EVENT_ID_LEAPS : 0u),
		                        .ip_id = told->ip_id,
		                        .from = told->from,
		                        .ttl = told->ttl,
		                        .options = stamped ? TCPAUDIT_OPT_TIMESTAMPS : 0,
		                        .nxt = told->seq});
	}
	h->idle = b->fins ? b->idle : h->idle;
}
