/* mirror.c - follows both ends through the state diagram as sets of hypotheses: mirror.h says how. */
#include <string.h>

#include "mirror.h"

/* What a hypothesis must pay for.  Figures only rank routes; what is proven does not depend on them. */
enum {
	COST_ORDER = 2,     /* a stimulus overtaken by one captured later */
	COST_LOSS = 4,      /* a stimulus that had time to arrive, and would have changed the state, did not */
	COST_FIRST_LOSS = 12, /* ... where nothing else was lost, repeated or out of order */
	COST_OVERTAKEN = 4, /* ... and by one that is answered */
	COST_OLD_COPY = 2,  /* an earlier copy of the FIN was taken although a later one fits */
	COST_HASTE = 4,     /* arrived faster than this end ever answered; twice that, if in half the time */
	COST_GIVEN_UP = 20, /* arrived when it had been given up for lost */
	COST_LATE = 6,      /* arrived after a frame that should have known of it */
	COST_HOLE = 10,     /* a FIN was accepted although text before it was missing */
	COST_UNHEARD = 6,   /* text and the FIN behind it arrived, and nothing was heard of it */
	COST_FILL = 2,      /* text is presumed to have filled the hole before a FIN */
	COST_ECHO = 6,      /* the end's timestamp echo is older than the stimulus (RFC 7323 4.3), or another's */
	COST_ECHO_COPY = 12, /* ... where that is another copy of the FIN */
	COST_ECHO_ACK = 8,   /* ... where that is no copy of the FIN */
	COST_SHORTCUT = 12, /* FIN sent from SYN-RECEIVED (legal, rare) */
	COST_TIMEOUT = 12,  /* a timer fired unseen */
	COST_QUEUED = 40,   /* a FIN waited behind text: what is shown is the way on the wire, unless that is refuted */
	COST_COPY = 14,     /* the network made a copy: a retransmission is likelier, whatever must have been lost for it */
	COST_UNSEEN = 1,    /* sent, or arrived, and not captured */
	COST_REFUSED = 6,   /* the FIN was taken although the text before it was what a reset answered */
	COST_SILENCE = 5,   /* a FIN that was accepted was never acknowledged, as far as we saw */
	COST_SILENCE_AGAIN = 2, /* ... nor a further copy: losses both ways are likelier than many one way */
};

#define SETTLED_MARGIN 20000000 /* ns */

void mirror_enter(struct hypothesis *h, enum tcpaudit_state state, int at)
{
	if (h->state == state)
		return;
	h->state = (uint8_t)state;
	if (h->count == ROUTE_MOST && h->step[--h->count - 1].to == state)
		return; /* a route longer than any close: its newest step gives way */
	h->step[h->count++] = (struct step){.to = (uint8_t)state, .at = (int8_t)at, .proof = -1};
}

static bool same_route(const struct hypothesis *a, const struct hypothesis *b)
{
	if (a->state != b->state || a->count != b->count || a->first != b->first)
		return false;
	for (int i = 0; i < a->count; i++)
		if (a->step[i].to != b->step[i].to)
			return false;
	return true;
}

/* Adds a hypothesis unless its route is there already; of two alike, the cheaper one stays. */
static void keep(struct hypothesis *set, uint8_t *count, bool *overflowed, const struct hypothesis *h)
{
	int dearest = 0;
	for (int i = 0; i < *count; i++) {
		if (same_route(&set[i], h)) {
			if (h->cost < set[i].cost)
				set[i] = *h;
			return;
		}
		if (set[i].cost > set[dearest].cost)
			dearest = i;
	}
	if (*count < HYPOTHESES_MOST) {
		set[(*count)++] = *h;
		return;
	}
	*overflowed = true;
	if (h->cost < set[dearest].cost)
		set[dearest] = *h;
}

/* Text behind the peer's FIN in time, and before it by number: where the FIN waits behind a hole, it is accepted with the
 * text that fills it. */
bool mirror_fills(const struct mirror *m, unsigned x, int at)
{
	const struct event *e = &m->event[at];
	const struct fin_facts *peer = &m->fin[!x];

	return e->len && peer->sent && peer->first >= 0 && at > peer->first && e->from != x &&
	       !(e->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST)) && !(e->is & EVENT_STRAY) &&
	       seq_le(seq_add(e->seq, e->len), peer->u);
}

/* Notes, once, which events can change the end at all: everything of a handshake; of a close, FINs, resets, and what
 * acknowledges the end's own FIN. */
static void find_stimuli(const struct mirror *m, unsigned x, struct mirror_end *end)
{
	const struct fin_facts *own = &m->fin[x];

	end->opening = end->closing = 0;
	for (int i = 0; i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (e->from == x || e->is & EVENT_STRAY)
			continue;
		bool acks_fin = own->sent && e->flags & TCPAUDIT_ACK && seq_gt(e->ack, own->u);
		if (e->flags & (TCPAUDIT_SYN | TCPAUDIT_RST | TCPAUDIT_FIN | TCPAUDIT_ACK))
			end->opening |= 1ull << i;
		if (e->flags & (TCPAUDIT_RST | TCPAUDIT_FIN) || acks_fin || mirror_fills(m, x, i))
			end->closing |= 1ull << i;
	}
}

/* The events before `by` that can have reached the end in this state, and may matter to it. */
static uint64_t stimuli(const struct mirror_end *end, uint8_t state, int by)
{
	uint64_t before = by < 64 ? (1ull << by) - 1 : ~0ull;

	if (state == TCPAUDIT_CLOSED)
		return 0;
	return (state_in((enum tcpaudit_state)state, SYNCHRONIZED) ? end->closing : end->opening) & before;
}

/* Would it do anything, in that state?  A quick refusal of what segment_arrives() would ignore. */
static bool is_stimulus(const struct mirror *m, unsigned x, int i, uint8_t state)
{
	const struct event *e = &m->event[i];

	if (e->flags & TCPAUDIT_RST || !state_in((enum tcpaudit_state)state, SYNCHRONIZED))
		return true;
	if ((e->flags & TCPAUDIT_FIN || mirror_fills(m, x, i)) && !state_in((enum tcpaudit_state)state, FIN_RECEIVED))
		return true;
	return m->fin[x].sent && e->flags & TCPAUDIT_ACK && seq_gt(e->ack, m->fin[x].u) &&
	       state_in((enum tcpaudit_state)state, FIN_SENT & ~FIN_ACKED);
}

static bool is_fin_copy(const struct mirror *m, int i)
{
	const struct event *e = &m->event[i];
	return e->flags & TCPAUDIT_FIN && !(e->flags & TCPAUDIT_RST) && m->fin[e->from].sent &&
	       seq_add(e->seq, e->len) == m->fin[e->from].u;
}

static bool later_copy_fits(const struct mirror *m, int i, int before, int64_t deadline)
{
	for (int k = i + 1; k < before; k++)
		if (m->event[k].from == m->event[i].from && is_fin_copy(m, k) && m->event[k].time <= deadline)
			return true;
	return false;
}

/* Without ACK: the answer of an end that has no connection, or no reader any more (RFC 9293 3.10.7.1, 3.5.2). */
static bool is_stateless_reset(const struct event *e)
{
	return (e->flags & (TCPAUDIT_RST | TCPAUDIT_ACK)) == TCPAUDIT_RST;
}

/* Capture order.  Events stand where their senders built them, which is another order where the network swaps them. */
static bool captured_before(const struct mirror *m, int i, int k)
{
	return m->event[i].time != m->event[k].time ? m->event[i].time < m->event[k].time : i < k;
}

static int64_t turnaround_of(const struct mirror_end *end)
{
	return end->turnaround == TURNAROUND_UNKNOWN ? 0 : (int64_t)end->turnaround * 1000;
}

/* Had the stimulus the time to show in frame e, as a rule?  Where e echoes what was sent later, it had
 * (RFC 7323 4.3). */
static bool is_due(const struct mirror *m, unsigned x, const struct event *s, const struct event *e)
{
	int64_t passed = e->time - s->time, turnaround = turnaround_of(&m->end[x]);

	if (passed > turnaround + turnaround / 2 + 2000000)
		return true;
	return s->is & e->is & EVENT_TIMESTAMPS && e->flags & TCPAUDIT_ACK && seq_gt(e->tsecr, s->tsval) && passed >= turnaround;
}

/* The end's newest frame before `by` that does not acknowledge the peer's FIN; NULL if there is none. */
static const struct event *refusal_before(const struct mirror *m, unsigned x, int by)
{
	for (int i = by - 1; i >= 0; i--) {
		const struct event *e = &m->event[i];
		if (e->from == x && e->flags & TCPAUDIT_ACK && !(e->is & (EVENT_PREDATES | EVENT_STRAY)) && !(e->flags & TCPAUDIT_SYN))
			return seq_le(e->ack, m->fin[!x].u) ? e : NULL;
	}
	return NULL;
}

/* Does a reset without ACK, by the acknowledgment that it names, answer something that came after stimulus i?  If not, it
 * answers that, and its end had no connection any more. */
static bool other_answered(const struct mirror *m, int i, int reset)
{
	for (int k = 0; k < reset; k++) {
		const struct event *e = &m->event[k];
		if (e->from == m->event[i].from && e->flags & TCPAUDIT_ACK && e->ack == m->event[reset].seq && captured_before(m, i, k))
			return true;
	}
	return false;
}

/* RCV.NXT of the end when it built q, its newest frame before `by`; when nothing follows, not all of its frames were kept. */
static tcp_seq received(const struct mirror *m, unsigned x, const struct event *q, int by)
{
	return by == m->count && seq_gt(m->end[x].hiack, q->ack) && seq_le(m->end[x].hiack, m->fin[!x].u) ? m->end[x].hiack : q->ack;
}

/* What it costs to believe that stimulus i brought the peer's FIN to RCV.NXT, before `by`. */
static int acceptance_cost(const struct mirror *m, unsigned x, int i, int by)
{
	const struct event *s = &m->event[i], *q = refusal_before(m, x, by);
	bool fills = !(s->flags & TCPAUDIT_FIN);

	if (by < m->count && is_stateless_reset(&m->event[by]) && !other_answered(m, i, by))
		return COST_REFUSED;
	if (!q)
		return fills ? COST_HOLE : 0;
	tcp_seq next = received(m, x, q, by);
	bool hole = q->is & EVENT_HOLE;
	if (!fills && q->is & EVENT_FIN_QUEUED && seq_gt(s->seq, next))
		return COST_HOLE;
	bool late = q->time - s->time > 3 * turnaround_of(&m->end[x]) + (m->loss > COST_LOSS ? 20000000 : 1000000) ||
	            (s->is & EVENT_TIMESTAMPS && m->loss == COST_LOSS && is_due(m, x, s, q));
	if (next == m->fin[!x].u) /* nothing was missing but the FIN */
		return fills ? COST_HOLE : late ? COST_LATE : 0;
	if (by < m->count && is_stateless_reset(&m->event[by]) && (fills || seq_gt(s->seq, next)))
		return COST_REFUSED;
	bool silent = by == m->count && m->loss == COST_LOSS; /* nothing came of it any more */
	if (!fills && seq_le(s->seq, next))
		return late ? COST_LATE : silent ? COST_UNHEARD : 0;
	if (!fills)
		return late ? COST_HOLE : hole || silent ? COST_FILL : 0;
	if (!seq_gt(seq_add(s->seq, s->len), next))
		return COST_HOLE;
	return (late ? COST_LATE : 0) + (hole && seq_le(s->seq, next) ? COST_FILL / 2 : COST_FILL);
}

/* Turnarounds vary, and short ones by more than they last: what is below this was too fast. */
static int64_t in_haste(int64_t turnaround)
{
	return turnaround - turnaround / 8 - 500000;
}

static bool is_only_tsval(const struct mirror *m, int i)
{
	for (int k = 0; k < m->count; k++)
		if (k != i && m->event[k].from == m->event[i].from && m->event[k].is & EVENT_TIMESTAMPS &&
		    m->event[k].tsval == m->event[i].tsval && !(m->event[k].is & EVENT_DUPLICATE))
			return false;
	return true;
}

/* Does frame `by` echo another copy of the FIN of event i? */
static bool echoes_other_copy(const struct mirror *m, int i, int by)
{
	const struct event *e = &m->event[by];

	for (int k = 0; k < by; k++)
		if (k != i && m->event[k].from != e->from && is_fin_copy(m, k) && m->event[k].is & e->is & EVENT_TIMESTAMPS &&
		    m->event[k].tsval == e->tsecr && m->event[k].tsval != m->event[i].tsval)
			return true;
	return false;
}

/* Does the echo in frame `by` fit what stimulus i made of TS.Recent (RFC 7323 5.3 R3)?  It is renewed by what stands at or
 * before the newest acknowledgment that was sent; by Linux not where SEG.ACK is old, but for an orphan in FIN-WAIT-2. */
static int renewal_cost(const struct mirror *m, unsigned x, const struct hypothesis *h, int i, int by)
{
	const struct event *s = &m->event[i], *e = &m->event[by];
	bool old_ack = state_in((enum tcpaudit_state)h->state, FIN_ACKED) && s->flags & TCPAUDIT_ACK && seq_le(s->ack, m->fin[x].u);

	if (!(s->is & e->is & EVENT_TIMESTAMPS))
		return 0;
	for (int k = by - 1; k >= 0; k--) {
		const struct event *last = &m->event[k];
		if (last->from != x || !(last->flags & TCPAUDIT_ACK) || last->is & EVENT_STRAY)
			continue;
		if (old_ack)
			return e->ip_id && e->tsecr == s->tsval && last->tsecr != s->tsval && is_only_tsval(m, i) ? COST_ECHO : 0;
		return seq_gt(s->tsval, e->tsecr) && seq_le(s->seq, last->ack) ? COST_ECHO : 0;
	}
	return 0;
}

/* What it costs to believe that stimulus i had arrived when the end built `by`. */
static int delivery_cost(const struct mirror *m, unsigned x, const struct hypothesis *h, int i, int by)
{
	const struct event *s = &m->event[i];
	int cost = 0;

	if (h->delivered >= 0 && captured_before(m, i, h->delivered))
		cost += COST_ORDER;
	if (m->end[x].lost >> i & 1)
		cost += COST_GIVEN_UP;
	if (h->missed >> i & 1 && s->flags & TCPAUDIT_RST)
		cost += COST_TIMEOUT; /* the end went on after it: it was lost */
	if (by == m->count)
		return cost; /* nothing was built that could tell */
	const struct event *e = &m->event[by];
	int64_t turnaround = turnaround_of(&m->end[x]);
	int64_t passed = e->time - s->time;
	if (!(s->is & e->is & EVENT_TIMESTAMPS) || e->tsecr != s->tsval || !is_only_tsval(m, i)) /* else it is known to have arrived */
		cost += (passed < in_haste(turnaround)) * COST_HASTE + (passed < in_haste(turnaround / 2)) * COST_HASTE;
	if (is_fin_copy(m, i) && later_copy_fits(m, i, by, e->time - in_haste(turnaround)))
		cost += COST_OLD_COPY;
	return cost + renewal_cost(m, x, h, i, by);
}

/* Does text before the FIN of event i miss, by the end's newest frame before `by`, so that its arrival would not show? */
static bool waits(const struct mirror *m, unsigned x, int i, int by)
{
	const struct event *q = is_fin_copy(m, i) ? refusal_before(m, x, by) : NULL;
	return q && seq_gt(m->event[i].seq, received(m, x, q, by)) &&
	       (q->is & EVENT_HOLE || (by == m->count && m->loss == COST_LOSS));
}

/* Counts the stimuli that had the time to arrive before frame `by`, would have changed this state, and have not; each once. */
static int losses(const struct mirror *m, unsigned x, struct hypothesis *h, int by)
{
	int lost = 0;

	if (h->state == TCPAUDIT_LISTEN && h->count) /* a reset brought it back: the SYN is behind it */
		return 0;
	for (uint64_t left = stimuli(&m->end[x], h->state, by) & ~(h->missed | m->end[x].lost); left; left &= left - 1) {
		int i = __builtin_ctzll(left);
		if (!is_stimulus(m, x, i, h->state) || mirror_fills(m, x, i) || waits(m, x, i, by) ||
		    (by < m->count && !is_due(m, x, &m->event[i], &m->event[by])))
			continue;
		struct hypothesis t = *h;
		segment_arrives(m, x, &t, i);
		if (t.state == h->state)
			continue;
		h->missed |= 1ull << i;
		lost++;
	}
	return lost;
}

/* A reset ends it: what was captured before that one and has not arrived never will. */
static int passed_over(const struct mirror *m, unsigned x, const struct hypothesis *h, int i, int by)
{
	int lost = 0;

	for (uint64_t left = stimuli(&m->end[x], h->state, m->count) & ~(h->missed | m->end[x].lost); left; left &= left - 1) {
		int k = __builtin_ctzll(left);
		bool built_before = h->state == TCPAUDIT_SYN_RECEIVED && m->event[k].is & EVENT_REORDERED;
		if (!(captured_before(m, k, i) || built_before) || !is_stimulus(m, x, k, h->state) || m->event[k].flags & TCPAUDIT_RST ||
		    mirror_fills(m, x, k) || waits(m, x, k, by))
			continue;
		struct hypothesis t = *h;
		segment_arrives(m, x, &t, k);
		lost += t.state != h->state;
	}
	return lost;
}

/* What it costs to believe that stimulus i arrived before `by`, and has made `to` of h. */
static int arrival_cost(const struct mirror *m, unsigned x, const struct hypothesis *h, uint8_t to, int i, int by)
{
	int cost = delivery_cost(m, x, h, i, by);

	if (m->event[i].flags & TCPAUDIT_RST)
		cost += m->loss * passed_over(m, x, h, i, by);
	if (state_in((enum tcpaudit_state)to, FIN_RECEIVED) && !state_in((enum tcpaudit_state)h->state, FIN_RECEIVED))
		cost += acceptance_cost(m, x, i, by);
	if (to == TCPAUDIT_TIME_WAIT && h->state == TCPAUDIT_FIN_WAIT_2 && by < m->count && echoes_other_copy(m, i, by))
		cost += COST_ECHO_COPY;
	return cost;
}

#define BRANCHES 8

/* Adds what stimulus i makes of h, unless that is nothing, or there is the same already for less. */
static uint8_t branch(const struct mirror *m, unsigned x, const struct hypothesis *h, struct hypothesis *t, int i, int by,
                      struct hypothesis next[BRANCHES], uint8_t n)
{
	if (t->count == h->count && t->state == h->state)
		return n;
	t->cost = (int16_t)(t->cost + arrival_cost(m, x, h, t->state, i, by));
	t->late |= m->end[x].lost >> i & 1;
	if (t->delivered < 0 || captured_before(m, t->delivered, i))
		t->delivered = (int8_t)i;
	for (int k = 0; k < n; k++) {
		if (!same_route(&next[k], t))
			continue;
		if (t->cost < next[k].cost)
			next[k] = *t;
		return n;
	}
	if (n < BRANCHES)
		next[n++] = *t;
	return n;
}

/* What it costs that a FIN arrived without being taken - behind a hole, or at an end whose reader is gone - so that only its
 * acknowledgment counted.  Only where the frame that was built then says so, or the newest one at the end; -1 if not. */
static int left_out_cost(const struct mirror *m, unsigned x, int i, int by, state_set was)
{
	if (mirror_fills(m, x, i))
		return 0;
	if (by < m->count)
		return m->event[by].flags & TCPAUDIT_RST || !(was & FIN_RECEIVED) ? COST_ORDER : -1;
	const struct event *q = refusal_before(m, x, by);
	return q && seq_lt(q->ack, m->fin[!x].u) && seq_gt(m->event[i].seq, q->ack) ? COST_ORDER : -1;
}

/* Into which states, next, by what the capture does not have: the user's CLOSE and its FIN, the acknowledgment of that, and
 * the peer's FIN; of a peer that was not heard at all, whatever could arrive. */
static state_set unseen_moves(const struct mirror *m, unsigned x, uint8_t state, int by)
{
	const struct mirror_end *end = &m->end[x], *peer = &m->end[!x];
	bool opens = by < m->count && m->event[by].from == x && m->event[by].flags & TCPAUDIT_SYN; /* and so has not closed */
	bool closes = may_hide_fin(m, x) && !end->may_have_closed && !end->closed && !opens;
	bool acked = peer->unheard || (closes && (!end->unheard || !mirror_acks_no_more_than_syn(m, !x, peer->hiack)));
	bool may_arrive = peer->unheard || (peer->ends_unseen && (by < m->count || seq_lt(end->hiack, peer->maxseq)));
	bool takes_fin = may_arrive && may_hide_fin(m, !x);
	state_set to = NO_STATE;

	if (!closes && !acked && !takes_fin && !end->unheard)
		return NO_STATE;
	switch ((enum tcpaudit_state)state) {
	case TCPAUDIT_CLOSED:
	case TCPAUDIT_LISTEN:
	case TCPAUDIT_STATE_COUNT:
		return NO_STATE;
	case TCPAUDIT_SYN_SENT:
	case TCPAUDIT_SYN_RECEIVED:
		to = peer->unheard ? SET(ESTABLISHED) : NO_STATE;
		break;
	case TCPAUDIT_ESTABLISHED:
		to = (closes ? SET(FIN_WAIT_1) : NO_STATE) | (takes_fin ? SET(CLOSE_WAIT) : NO_STATE);
		break;
	case TCPAUDIT_FIN_WAIT_1:
		to = (acked ? SET(FIN_WAIT_2) : NO_STATE) | (takes_fin ? SET(CLOSING) : NO_STATE);
		break;
	case TCPAUDIT_FIN_WAIT_2:
		to = takes_fin ? SET(TIME_WAIT) : NO_STATE;
		break;
	case TCPAUDIT_CLOSE_WAIT:
		to = closes ? SET(LAST_ACK) : NO_STATE;
		break;
	case TCPAUDIT_CLOSING:
		to = acked ? SET(TIME_WAIT) : NO_STATE;
		break;
	case TCPAUDIT_LAST_ACK:
		to = acked ? SET(CLOSED) : NO_STATE;
		break;
	case TCPAUDIT_TIME_WAIT:
		break;
	}
	return to | (peer->unheard || end->unheard ? SET(CLOSED) : NO_STATE); /* a reset, or what leaves no trace */
}

/* Everything that h can have become before event `by`, by any stimuli in any order, as far as a state in `was` is reached. */
static void explore(const struct mirror *m, unsigned x, const struct hypothesis *h, int by, state_set was, struct hypothesis *out,
                    uint8_t *count, bool *overflowed, int depth)
{
	struct hypothesis next[BRANCHES];
	uint8_t n = 0;

	if (state_in(h->state, was))
		keep(out, count, overflowed, h);
	if (depth == 0)
		return;
	for (unsigned to = unseen_moves(m, x, h->state, by); to; to &= to - 1) {
		struct hypothesis t = *h;
		int at = by < m->count || !m->count ? by : m->count - 1; /* no frame brings it about: by then, it has */
		mirror_enter(&t, (enum tcpaudit_state)__builtin_ctz(to), at);
		t.cost += t.state == TCPAUDIT_CLOSED && h->state != TCPAUDIT_LAST_ACK ? COST_TIMEOUT : COST_UNSEEN;
		next[n++] = t;
	}
	for (uint64_t left = stimuli(&m->end[x], h->state, by); left; left &= left - 1) {
		int i = __builtin_ctzll(left);
		if (!is_stimulus(m, x, i, h->state))
			continue;
		struct hypothesis t = *h;
		segment_arrives(m, x, &t, i);
		n = branch(m, x, h, &t, i, by, next, n);
		int left_out = m->event[i].flags & TCPAUDIT_FIN || mirror_fills(m, x, i) ? left_out_cost(m, x, i, by, was) : -1;
		if (left_out < 0)
			continue;
		t = *h;
		segment_acknowledges(m, x, &t, i);
		t.cost = (int16_t)(t.cost + left_out);
		n = branch(m, x, h, &t, i, by, next, n);
	}
	for (int k = 0; k < n; k++)
		explore(m, x, &next[k], by, was, out, count, overflowed, depth - 1);
}

/* What the end's own call does with the hypothesis that built the frame. */
static void apply_call(struct hypothesis *h, enum user_call call, int at)
{
	switch (call) {
	case CALL_NONE:
		return;
	case CALL_OPEN: /* 3.10.1 */
		mirror_enter(h, TCPAUDIT_SYN_SENT, at);
		return;
	case CALL_CLOSE: /* 3.10.4 */
		if (h->state == TCPAUDIT_SYN_RECEIVED)
			h->cost += COST_SHORTCUT;
		mirror_enter(h, h->state == TCPAUDIT_CLOSE_WAIT ? TCPAUDIT_LAST_ACK : TCPAUDIT_FIN_WAIT_1, at);
		return;
	case CALL_ABORT: /* 3.10.5, or an answer from no connection at all */
		if (h->state == TCPAUDIT_TIME_WAIT)
			h->cost += COST_TIMEOUT;
		if (h->state == TCPAUDIT_SYN_RECEIVED)
			h->cost += COST_SHORTCUT;
		if (h->state != TCPAUDIT_LISTEN)
			mirror_enter(h, TCPAUDIT_CLOSED, at);
		return;
	}
}

static bool passes(const struct hypothesis *h, uint8_t state)
{
	for (int k = 0; k < h->count; k++)
		if (h->step[k].to == state)
			return true;
	return false;
}

/* How often it has come into the state, in so many steps. */
static int times(const struct hypothesis *h, uint8_t state, int steps)
{
	int n = 0;
	for (int k = 0; k < steps; k++)
		n += h->step[k].to == state;
	return n;
}

/* A state that every hypothesis has passed, and as often, is proven by the frame that left no other; unless some had no room, which
 * may not have. */
static void prove(struct mirror_end *end, int at)
{
	if (end->overflowed)
		return;
	for (int i = 0; i < end->count; i++) {
		struct hypothesis *h = &end->h[i];
		for (int k = 0; k < h->count; k++) {
			bool all = h->step[k].proof < 0;
			for (int o = 0; o < end->count && all; o++)
				all = times(&end->h[o], h->step[k].to, end->h[o].count) >= times(h, h->step[k].to, k + 1);
			if (all)
				h->step[k].proof = (int8_t)at;
		}
	}
}

static struct hypothesis cheapest(const struct mirror_end *end)
{
	struct hypothesis best = end->h[0];
	for (int i = 1; i < end->count; i++)
		if (end->h[i].cost < best.cost)
			best = end->h[i];
	return best;
}

static void take_back(struct hypothesis *h)
{
	h->count--;
	h->state = h->count ? h->step[h->count - 1].to : h->first;
}

/* No hypothesis can have built this frame: something was unseen or forged.  Start again from what the frame itself says.  Who goes on
 * after the reset of a connection that was open has not sent it, or the frame was long under way: then CLOSED is not proven. */
static void restart(struct mirror_end *end, const struct emission *is, int at)
{
	struct hypothesis base = cheapest(end);
	bool reset = base.state == TCPAUDIT_CLOSED && passes(&base, TCPAUDIT_ESTABLISHED) && base.count < ROUTE_MOST;
	bool opening = !reset && state_in((enum tcpaudit_state)base.state, (state_set)~SYNCHRONIZED);

	end->contradicted |= !opening; /* a handshake of which a frame was not captured contradicts nothing */
	end->count = 0;
	if (reset) {
		struct hypothesis gone = base;
		gone.step[gone.count - 1].proof = -1;
		gone.cost += COST_ORDER;
		keep(end->h, &end->count, &end->overflowed, &gone);
		take_back(&base);
	}
	if (reset && state_in((enum tcpaudit_state)base.state, is->was)) {
		apply_call(&base, is->call, at);
		keep(end->h, &end->count, &end->overflowed, &base);
		return;
	}
	for (int s = 0; s < TCPAUDIT_STATE_COUNT; s++) {
		if (!state_in((enum tcpaudit_state)s, is->was) || (s == TCPAUDIT_SYN_RECEIVED && is->was & SYNCHRONIZED))
			continue;
		struct hypothesis h = base;
		if (opening && s != TCPAUDIT_ESTABLISHED && state_in((enum tcpaudit_state)s, SYNCHRONIZED))
			mirror_enter(&h, TCPAUDIT_ESTABLISHED, at);
		mirror_enter(&h, (enum tcpaudit_state)s, at);
		apply_call(&h, is->call, at);
		keep(end->h, &end->count, &end->overflowed, &h);
	}
	if (!end->count)
		end->h[end->count++] = base;
}

/* Time after which what has not arrived will not: far above reordering, far below any retransmission timeout. */
static int64_t settled_margin(const struct mirror_end *end)
{
	int64_t turnaround = end->turnaround == TURNAROUND_UNKNOWN ? 0 : (int64_t)end->turnaround * 1000;
	return 2 * turnaround > SETTLED_MARGIN ? 2 * turnaround : SETTLED_MARGIN;
}

/* What was given up for lost, and is echoed, was late: then nothing is known to be lost. */
static void mark_found(const struct mirror *m, struct mirror_end *end, int at)
{
	const struct event *e = &m->event[at];

	for (uint64_t left = end->lost; left; left &= left - 1) {
		int i = __builtin_ctzll(left);
		if (m->event[i].is & e->is & EVENT_TIMESTAMPS && e->tsecr == m->event[i].tsval && is_only_tsval(m, i))
			end->lost = 0;
	}
	for (int i = 0; i < end->count && !end->lost; i++)
		end->h[i].late = false;
}

/* Stimuli that had all the time to arrive, and that the frame says did not, never will. */
static void mark_lost(const struct mirror *m, unsigned x, struct mirror_end *end, const struct emission *is, int at)
{
	if (!is->fin_refused && !is->ack_refused)
		return;
	for (int i = 0; i < at; i++) {
		const struct event *s = &m->event[i];
		if (s->from == x || m->event[at].time - s->time < settled_margin(end))
			continue;
		if (is->fin_refused && is_fin_copy(m, i))
			end->lost |= 1ull << i;
		if (is->ack_refused && s->flags & TCPAUDIT_ACK && m->fin[x].sent && seq_gt(s->ack, m->fin[x].u) &&
		    !is_fin_copy(m, i))
			end->lost |= 1ull << i;
	}
}

/* A late copy of the handshake, or what was under way when its sender reset the connection: proves nothing any more. */
static bool is_straggler(const struct mirror *m, unsigned x, int at)
{
	const struct mirror_end *end = &m->end[x];
	enum tcpaudit_state state = (enum tcpaudit_state)cheapest(end).state;

	if (m->event[at].is & EVENT_MAY_BE_COPY)
		return true;
	if (m->event[at].flags & TCPAUDIT_SYN)
		return state_in(state, SYNCHRONIZED | SET(CLOSED));
	for (int i = at - 1; i >= 0; i--) /* RCV.NXT never goes back */
		if (m->event[i].from == x && m->event[i].flags & m->event[at].flags & TCPAUDIT_ACK &&
		    !(m->event[i].is & EVENT_STRAY) && seq_gt(m->event[i].ack, m->event[at].ack))
			return true;
	if (state != TCPAUDIT_CLOSED)
		return false;
	for (int i = at - 1; i >= 0; i--)
		if (m->event[i].from == x && m->event[i].flags & TCPAUDIT_RST)
			return m->event[at].time - m->event[i].time < settled_margin(end) * 5;
	return false;
}

/* Can the one hypothesis have built the frame, with nothing under way that could have made it another? */
static bool is_alone(const struct mirror *m, unsigned x, const struct hypothesis *h, int at, state_set was)
{
	if (!state_in((enum tcpaudit_state)h->state, was) || unseen_moves(m, x, h->state, at))
		return false;
	for (uint64_t left = stimuli(&m->end[x], h->state, at); left; left &= left - 1)
		if (is_stimulus(m, x, __builtin_ctzll(left), h->state))
			return false;
	return true;
}

/* The first step by which the end had the peer's FIN; -1 if it has not. */
static int accepted_by(const struct hypothesis *h)
{
	for (int k = 0; k < h->count; k++)
		if (state_in((enum tcpaudit_state)h->step[k].to, FIN_RECEIVED))
			return h->step[k].at;
	return -1;
}

/* How many acknowledgments of the peer's FIN no socket built, up to that frame; 0 if a socket built that one. */
static int answers_without_socket(const struct mirror *m, int at)
{
	unsigned x = m->event[at].from;
	int n = 0;

	if (!mirror_has_no_socket(m, x, &m->event[at]))
		return 0;
	for (int i = 0; i <= at; i++)
		if (m->event[i].from == x && mirror_has_no_socket(m, x, &m->event[i]) && seq_gt(m->event[i].ack, m->fin[!x].u))
			n += 1 + m->event[i].run;
	return n;
}

/* Copies of the FIN of event `fin` that had been captured by then, itself included; 1 at least. */
static int copies_before(const struct mirror *m, int fin, int at)
{
	int n = 0;

	for (int i = 0; i < at; i++)
		n += is_fin_copy(m, i) && m->event[i].from == m->event[fin].from;
	return n ? n : 1;
}

/* A FIN that was accepted already is outside the window, and a TIME-WAIT without a socket takes no timestamp from it (RFC 7323
 * 5.3 R2 before R3): the copy that it echoes is the one that it accepted. */
static int echo_cost(const struct mirror *m, const struct hypothesis *h, int at)
{
	const struct event *e = &m->event[at];
	int fin = accepted_by(h);

	if (h->state != TCPAUDIT_TIME_WAIT || fin < 0)
		return 0;
	if (passes(h, TCPAUDIT_CLOSING) && answers_without_socket(m, at) >= copies_before(m, fin, at))
		return COST_ECHO; /* CLOSING has a socket, and a TIME-WAIT answers only a further copy */
	if (!(e->is & m->event[fin].is & EVENT_TIMESTAMPS) || m->event[fin].tsval == e->tsecr)
		return 0;
	if (passes(h, TCPAUDIT_CLOSING))
		return echoes_other_copy(m, fin, at) ? COST_ECHO_COPY : 0;
	if (!echoes_other_copy(m, fin, at) && seq_gt(e->tsecr, m->event[fin].tsval) && mirror_has_no_socket(m, e->from, e))
		return COST_ECHO_ACK; /* what an orphan in FIN-WAIT-2 leaves behind echoes the FIN; CLOSING took more before it left */
	return 0;
}

/* A reset without ACK names the acknowledgment of what it answers (RFC 9293 3.5.2): of the newest, unless it was overtaken. */
static int answer_cost(const struct mirror *m, const struct hypothesis *h, int at)
{
	const struct event *e = &m->event[at];

	if (!is_stateless_reset(e) || h->state == TCPAUDIT_CLOSED || h->delivered < 0)
		return 0;
	const struct event *newest = &m->event[h->delivered];
	return newest->flags & TCPAUDIT_ACK && seq_gt(newest->ack, e->seq) && !other_answered(m, h->delivered, at) ? COST_OVERTAKEN : 0;
}

/* Before a reset without ACK, its end may have been gone for long: what it did not take was not lost.  But what came before
 * the one that it answers has come, too; and of several copies of a FIN that nothing kept waiting, the first. */
static int absence_cost(const struct mirror *m, unsigned x, const struct hypothesis *h, int at)
{
	int copies = 0;

	for (int i = 0; state_in((enum tcpaudit_state)h->state, FIN_SENT & ~FIN_ACKED) && i < at; i++)
		if (m->event[i].from != x && m->event[i].flags & TCPAUDIT_ACK && seq_gt(m->event[i].ack, m->fin[x].u) &&
		    !(m->event[i].is & EVENT_STRAY) && other_answered(m, i, at))
			return COST_ORDER; /* it answers what came behind the acknowledgment of its FIN */
	if (!state_in((enum tcpaudit_state)h->state, SYNCHRONIZED & ~FIN_RECEIVED))
		return 0;
	for (int i = 0; i < at; i++)
		copies += m->event[i].from != x && is_fin_copy(m, i) && !(m->event[i].is & EVENT_DUPLICATE) && !waits(m, x, i, at);
	return copies > 1 ? COST_ORDER : 0;
}

/* What it costs to believe that the end, as h has it, built frame `at`; `unlikely`: in these states rather not. */
static int building_cost(const struct mirror *m, unsigned x, struct hypothesis *h, int at, state_set unlikely)
{
	int cost = is_stateless_reset(&m->event[at]) ? absence_cost(m, x, h, at) : m->loss * losses(m, x, h, at);

	if (state_in((enum tcpaudit_state)h->state, unlikely))
		cost += COST_TIMEOUT;
	return cost + echo_cost(m, h, at) + answer_cost(m, h, at);
}

/* The end built frame `at`, and so was what `is` says. */
static void built(struct mirror *m, unsigned x, int at, const struct emission *emission)
{
	struct mirror_end *end = &m->end[x];
	struct emission is = *emission;
	struct hypothesis out[HYPOTHESES_MOST];
	uint8_t n = 0;

	mark_found(m, end, at);
	mark_lost(m, x, end, &is, at);
	if (end->count == 1 && is_alone(m, x, &end->h[0], at, is.was))
		out[n++] = end->h[0];
	else
		for (int i = 0; i < end->count; i++)
			explore(m, x, &end->h[i], at, is.was, out, &n, &end->overflowed, 4);
	if (!n && is.call == CALL_NONE) { /* a timer that no segment shows may explain it */
		for (int i = 0; i < end->count; i++) {
			struct hypothesis t = end->h[i];
			mirror_enter(&t, timeout_to((enum tcpaudit_state)t.state), at);
			t.cost += COST_TIMEOUT;
			if (state_in((enum tcpaudit_state)t.state, is.was))
				keep(out, &n, &end->overflowed, &t);
		}
	}
	if (!n && is_straggler(m, x, at))
		return;
	if (!n) {
		restart(end, &is, at);
	} else {
		end->count = 0;
		for (int i = 0; i < n; i++) {
			out[i].cost = (int16_t)(out[i].cost + building_cost(m, x, &out[i], at, is.unlikely));
			if (is.may_be_queued && out[i].state == TCPAUDIT_CLOSE_WAIT) { /* E7: on the wire LAST-ACK, for its end CLOSING */
				struct hypothesis t = out[i];
				mirror_enter(&t, TCPAUDIT_CLOSING, at);
				t.cost += COST_QUEUED;
				keep(end->h, &end->count, &end->overflowed, &t);
			}
			apply_call(&out[i], is.call, at);
			keep(end->h, &end->count, &end->overflowed, &out[i]);
		}
	}
	if (is.call == CALL_CLOSE)
		end->closed = true;
	prove(end, at);
}

static void emission(struct mirror *m, unsigned x, int at)
{
	struct emission is;

	if (closed_unseen(m, x, at, &is))
		built(m, x, at, &is);
	is = segment_emitted(m, x, at);
	built(m, x, at, &is);
}

/* Its sender, or somebody else - a forger, or the network by a copy - who leaves that end as it was: either is possible, and it
 * proves nothing. */
static void doubtful_emission(struct mirror *m, unsigned x, int at, int cost_sent, int cost_not)
{
	struct mirror_end *end = &m->end[x];
	const struct mirror_end before = *end;
	struct mirror_end sent;

	emission(m, x, at);
	sent = *end;
	*end = before;
	end->overflowed |= sent.overflowed;
	for (int i = 0; i < end->count; i++)
		end->h[i].cost = (int16_t)(end->h[i].cost + cost_not);
	for (int i = 0; i < sent.count; i++) {
		struct hypothesis *h = &sent.h[i];
		for (int k = 0; k < h->count; k++)
			if (h->step[k].proof == at)
				h->step[k].proof = -1;
		h->cost = (int16_t)(h->cost + cost_sent);
		keep(end->h, &end->count, &end->overflowed, h);
	}
}

static void begin(struct mirror_end *end, const struct tcb *tcb, const struct tcb *peer, uint32_t turnaround, unsigned x,
                  bool midstream)
{
	static const uint8_t any[] = {TCPAUDIT_ESTABLISHED, TCPAUDIT_CLOSE_WAIT, TCPAUDIT_FIN_WAIT_1, TCPAUDIT_FIN_WAIT_2,
	                              TCPAUDIT_CLOSING,     TCPAUDIT_LAST_ACK,   TCPAUDIT_TIME_WAIT};
	end->count = 0;
	end->lost = 0;
	end->states = NO_STATE;
	end->contradicted = end->overflowed = end->closed = end->may_hold = end->may_not_hold = false;
	end->turnaround = turnaround;
	end->iss = tcb->iss;
	end->iss_known = tcb->bits & TCB_ISS;
	end->hiack = tcb->hiack;
	end->maxseq = tcb->maxseq;
	end->may_have_closed = midstream && !(tcb->bits & TCB_TEXT); /* who still sends text had not */
	end->ends_unseen = tcb->bits & TCB_ENDS_UNSEEN;
	end->unheard = !tcb->packets && !(tcb->bits & TCB_SEQ) && peer->bits & TCB_ACK;
	if (!midstream) {
		if (x == TCPAUDIT_SERVER)
			end->h[end->count++] =
			        (struct hypothesis){.first = TCPAUDIT_LISTEN, .state = TCPAUDIT_LISTEN, .delivered = -1};
		if (x == TCPAUDIT_CLIENT && end->unheard) /* its SYN was answered */
			end->h[end->count++] =
			        (struct hypothesis){.first = TCPAUDIT_SYN_SENT, .state = TCPAUDIT_SYN_SENT, .delivered = -1};
		end->h[end->count++] =
		        (struct hypothesis){.first = TCPAUDIT_CLOSED, .state = TCPAUDIT_CLOSED, .delivered = -1, .cost = x || end->unheard};
		return;
	}
	for (size_t i = 0; i < (end->may_have_closed ? sizeof any : 2); i++)
		end->h[end->count++] = (struct hypothesis){.first = any[i], .state = any[i], .delivered = -1, .cost = i ? 1 : 0};
}

/* A handshake that was captured whole and in order needs no search: RFC 9293 figure 6.  Returns how many events it took. */
static int begin_established(struct mirror *m)
{
	static const struct {
		uint8_t from, flags;
	} figure_6[] = {
	        {TCPAUDIT_CLIENT, TCPAUDIT_SYN}, {TCPAUDIT_SERVER, TCPAUDIT_SYN | TCPAUDIT_ACK}, {TCPAUDIT_CLIENT, TCPAUDIT_ACK}};

	for (int i = 0; i < 3; i++)
		if (i >= m->count || !(m->event[i].is & EVENT_PREDATES) || m->event[i].from != figure_6[i].from ||
		    m->event[i].flags != figure_6[i].flags)
			return 0;
	struct hypothesis *client = m->end[TCPAUDIT_CLIENT].h, *server = m->end[TCPAUDIT_SERVER].h;
	mirror_enter(client, TCPAUDIT_SYN_SENT, 0);
	mirror_enter(client, TCPAUDIT_ESTABLISHED, 1);
	mirror_enter(server, TCPAUDIT_SYN_RECEIVED, 0);
	client->step[0].proof = 0;
	client->step[1].proof = 2;
	server->step[0].proof = 1;
	client->delivered = 1;
	server->delivered = 0;
	m->end[TCPAUDIT_SERVER].count = 1; /* LISTEN, not CLOSED */
	return 3;
}

/* Does anything show that the path loses segments, or swaps them? */
static bool has_trouble(const struct mirror *m, const struct tcb end[2])
{
	if ((end[0].bits | end[1].bits) & TCB_REPEATED)
		return true;
	for (int i = 0; i < m->count; i++)
		if (m->event[i].is & (EVENT_REPEAT | EVENT_DUPLICATE | EVENT_REORDERED | EVENT_HOLE))
			return true;
	return false;
}

void mirror_run(struct mirror *m, const struct history *history, unsigned count, const struct tcb end[2],
                const struct turnaround *turnaround, bool midstream)
{
	m->event = history->event;
	m->count = (uint8_t)(count < history->count ? count : history->count);
	m->fin = history->fin;
	for (unsigned x = 0; x < 2; x++)
		m->queued[x] = history_may_have_queued(history, x);
	m->loss = has_trouble(m, end) ? COST_LOSS : COST_FIRST_LOSS;
	for (unsigned x = 0; x < 2; x++) {
		begin(&m->end[x], &end[x], &end[!x], turnaround->of[x], x, midstream);
		find_stimuli(m, x, &m->end[x]);
	}
	for (int i = midstream ? 0 : begin_established(m); i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (e->is & (EVENT_DUPLICATE | EVENT_REORDERED | EVENT_STRAY | EVENT_FOREIGN))
			continue;
		if (e->is & EVENT_SUSPECT)
			doubtful_emission(m, e->from, i, COST_UNSEEN, 0);
		else if (e->is & EVENT_MAY_BE_COPY)
			doubtful_emission(m, e->from, i, 0, COST_COPY);
		else
			emission(m, e->from, i);
	}
}

/* All that the end can have become, with what is left delivered or not. */
static uint8_t explore_rest(const struct mirror *m, unsigned x, struct hypothesis out[HYPOTHESES_MOST])
{
	const struct mirror_end *end = &m->end[x];
	bool overflowed = false;
	uint8_t n = 0;

	for (int i = 0; i < end->count; i++)
		explore(m, x, &end->h[i], m->count, ALL_STATES, out, &n, &overflowed, 4);
	return n;
}

static state_set states_of(const struct hypothesis *h, uint8_t count)
{
	state_set in_time = NO_STATE, late = NO_STATE;

	for (int i = 0; i < count; i++)
		*(h[i].late ? &late : &in_time) |= (state_set)(1u << h[i].state);
	return in_time != NO_STATE ? in_time : late;
}

state_set mirror_states(const struct mirror *m, unsigned x)
{
	struct hypothesis out[HYPOTHESES_MOST];

	return m->end[x].states != NO_STATE ? m->end[x].states : states_of(out, explore_rest(m, x, out));
}

/* Has the end acknowledged the peer's FIN, by any frame? */
static bool has_answered(const struct mirror *m, unsigned x)
{
	for (int i = 0; i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (e->from == x && e->flags & TCPAUDIT_ACK && !(e->is & (EVENT_STRAY | EVENT_REFUSAL)) && seq_gt(e->ack, m->fin[!x].u))
			return true;
	}
	return false;
}

#define ANSWER_WITHIN 200000000 /* ns: a delayed acknowledgment (RFC 9293 3.8.6.3 allows 0.5 s; stacks take 0.04 to 0.2) */

#define REPEAT_WITHIN 400000000 /* ns: a first retransmission timeout, as a rule: RFC 6298 says 1 s, stacks 0.2 to 0.3 */

/* An end whose FIN is not acknowledged repeats it, later and later (RFC 6298 5.5): how many of its copies must have been lost
 * before us, for it to be in this state. */
static int repeats_missed(const struct mirror *m, unsigned x, const struct hypothesis *h, int64_t now)
{
	int64_t newest = 0, interval = REPEAT_WITHIN + 2 * turnaround_of(&m->end[x]);
	int missed = 0;

	if (!state_in((enum tcpaudit_state)h->state, FIN_SENT & ~FIN_ACKED))
		return 0;
	for (int i = 0; i < m->count; i++) {
		if (m->event[i].from != x || !is_fin_copy(m, i))
			continue;
		if (newest && m->event[i].time - newest > interval / 2)
			interval = 2 * (m->event[i].time - newest);
		newest = m->event[i].time;
	}
	for (newest += interval + interval / 4; newest < now && missed < 6; newest += interval) {
		interval *= 2;
		missed++;
	}
	return missed;
}

/* Linux acknowledges a FIN with the socket at most once before it is a TIME-WAIT: from FIN-WAIT-2; CLOSING may do so again. */
static bool acked_by_socket_again(const struct mirror *m, unsigned x)
{
	int socket = 0, none = 0;

	for (int i = 0; i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (e->from != x || e->len || e->is & (EVENT_DUPLICATE | EVENT_STRAY) ||
		    (e->flags & (TCPAUDIT_ACK | TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST)) != TCPAUDIT_ACK || !seq_gt(e->ack, m->fin[!x].u))
			continue;
		none += mirror_has_no_socket(m, x, e);
		socket += e->ip_id ? 1 + e->run : 0;
	}
	return none && socket > 1;
}

/* What is left to pay when nothing more was captured: what never arrived, and answers that never came. */
static int ending_cost(const struct mirror *m, unsigned x, struct hypothesis *h, int64_t now)
{
	uint64_t paid = h->missed;
	int cost = m->loss * losses(m, x, h, m->count);
	for (uint64_t left = stimuli(&m->end[x], h->state, m->count) & paid & ~m->end[x].lost; left; left &= left - 1)
		cost += !(m->event[__builtin_ctzll(left)].flags & TCPAUDIT_RST) &&
		        is_stimulus(m, x, __builtin_ctzll(left), h->state); /* rather late than never */
	int fin = accepted_by(h), copies = 0;

	cost += COST_LOSS * repeats_missed(m, x, h, now);
	if (fin >= 0 && passes(h, TCPAUDIT_FIN_WAIT_2) && h->state == TCPAUDIT_TIME_WAIT && acked_by_socket_again(m, x))
		cost += COST_ECHO;
	if (fin < 0 || has_answered(m, x))
		return cost;
	int64_t until = h->state == TCPAUDIT_CLOSED && h->delivered >= 0 ? m->event[h->delivered].time : now;
	for (int i = 0; i < m->count; i++)
		if (is_fin_copy(m, i) && m->event[i].from != x && !captured_before(m, i, fin) &&
		    until - m->event[i].time > ANSWER_WITHIN + turnaround_of(&m->end[x]))
			cost += copies++ ? COST_SILENCE_AGAIN : COST_SILENCE;
	return cost;
}

/* CLOSING leads nowhere else, but by a reset or a timer; a FIN that was queued is what leads there (RFC 9293 3.10.4). */
static bool holds_time_wait(const struct hypothesis *h)
{
	return h->state == TCPAUDIT_CLOSING || passes(h, TCPAUDIT_TIME_WAIT);
}

struct hypothesis mirror_route(struct mirror *m, unsigned x, int64_t now)
{
	struct hypothesis out[HYPOTHESES_MOST];
	uint8_t n = explore_rest(m, x, out);
	int best = 0;

	m->end[x].states = states_of(out, n);
	for (int i = 0; i < n; i++)
		*(holds_time_wait(&out[i]) ? &m->end[x].may_hold : &m->end[x].may_not_hold) = true;
	for (int i = 0; i < n && n > 1; i++) { /* one alone needs no rank */
		out[i].cost = (int16_t)(out[i].cost + ending_cost(m, x, &out[i], now));
		if (out[i].cost < out[best].cost)
			best = i;
	}
	return out[best];
}
