/* mirror.c - follows both ends through the state diagram as sets of hypotheses: mirror.h says how. */
#include <string.h>

#include "mirror.h"

/* What a hypothesis must pay for.  Figures only rank routes; what is proven does not depend on them. */
enum {
	COST_ORDER = 1,    /* a stimulus overtaken by one captured later */
	COST_LOSS = 2,     /* a stimulus that had time to arrive, and would have changed the state, did not */
	COST_OLD_COPY = 1, /* an earlier copy of the FIN was taken although a later one fits */
	COST_HASTE = 4,    /* arrived faster than this end ever answered */
	COST_ECHO = 3,     /* the end's timestamp echo is older than the stimulus (RFC 7323 4.3) */
	COST_REFUSED = 3,  /* the FIN was taken although the text before it was what a reset answered */
	COST_SHORTCUT = 2, /* FIN sent from SYN-RECEIVED (legal, rare) */
	COST_TIMEOUT = 6,  /* a timer fired unseen */
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
		if (e->flags & (TCPAUDIT_RST | TCPAUDIT_FIN) || acks_fin)
			end->closing |= 1ull << i;
	}
}

/* The events before `by` that can have reached the end in this state, and may matter to it. */
static uint64_t stimuli(const struct mirror_end *end, uint8_t state, int by)
{
	uint64_t before = by < 64 ? (1ull << by) - 1 : ~0ull;

	if (state == TCPAUDIT_CLOSED)
		return 0;
	return (state_in((enum tcpaudit_state)state, SYNCHRONIZED) ? end->closing : end->opening) & before & ~end->lost;
}

/* Would it do anything, in that state?  A quick refusal of what segment_arrives() would ignore. */
static bool is_stimulus(const struct mirror *m, unsigned x, int i, uint8_t state)
{
	const struct event *e = &m->event[i];

	if (e->flags & TCPAUDIT_RST || !state_in((enum tcpaudit_state)state, SYNCHRONIZED))
		return true;
	if (e->flags & TCPAUDIT_FIN && !state_in((enum tcpaudit_state)state, FIN_RECEIVED))
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

/* The end's newest acknowledgment before `by` asks for text that stands before the peer's FIN. */
static bool text_was_missing(const struct mirror *m, unsigned x, int by)
{
	for (int i = by - 1; i >= 0; i--)
		if (m->event[i].from == x && m->event[i].flags & TCPAUDIT_ACK && !(m->event[i].is & EVENT_PREDATES))
			return seq_lt(m->event[i].ack, m->fin[!x].u);
	return false;
}

/* What it costs to believe that stimulus i had arrived when the end built `by`. */
static int delivery_cost(const struct mirror *m, unsigned x, const struct hypothesis *h, int i, int by)
{
	if (by == m->count)
		return 0; /* nothing was built that could tell */
	const struct event *s = &m->event[i], *e = &m->event[by];
	int64_t turnaround = m->end[x].turnaround == TURNAROUND_UNKNOWN ? 0 : (int64_t)m->end[x].turnaround * 1000;
	int cost = 0;

	if (e->time - s->time < turnaround - turnaround / 8)
		cost += COST_HASTE;
	if (i < h->delivered)
		cost += COST_ORDER;
	for (uint64_t left = stimuli(&m->end[x], h->state, i); left; left &= left - 1) {
		int k = __builtin_ctzll(left);
		if (k <= h->delivered || !is_stimulus(m, x, k, h->state) || (is_fin_copy(m, k) && is_fin_copy(m, i)))
			continue;
		cost += COST_LOSS; /* passed over */
		break;
	}
	if (is_fin_copy(m, i) && later_copy_fits(m, i, by, e->time - turnaround + turnaround / 8))
		cost += COST_OLD_COPY;
	if (s->is & e->is & EVENT_TIMESTAMPS && seq_gt(s->tsval, e->tsecr))
		cost += COST_ECHO;
	if (is_fin_copy(m, i) && (e->flags & (TCPAUDIT_RST | TCPAUDIT_ACK)) == TCPAUDIT_RST && text_was_missing(m, x, by))
		cost += COST_REFUSED;
	return cost;
}

#define BRANCHES 8

/* Adds what stimulus i makes of h, unless that is nothing, or there is the same already for less. */
static uint8_t branch(const struct mirror *m, unsigned x, const struct hypothesis *h, struct hypothesis *t, int i, int by,
                      struct hypothesis next[BRANCHES], uint8_t n)
{
	if (t->count == h->count && t->state == h->state)
		return n;
	t->cost = (int16_t)(t->cost + delivery_cost(m, x, h, i, by));
	if (i > t->delivered)
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

/* Can a FIN have arrived without being taken - behind a hole, or at an end whose reader is gone - so that only its
 * acknowledgment counted?  Only where the frame that was built then says so. */
static bool left_fin_out(const struct mirror *m, int by, state_set was)
{
	return by < m->count && (m->event[by].flags & TCPAUDIT_RST || !(was & FIN_RECEIVED));
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
	for (uint64_t left = stimuli(&m->end[x], h->state, by); left; left &= left - 1) {
		int i = __builtin_ctzll(left);
		if (!is_stimulus(m, x, i, h->state))
			continue;
		struct hypothesis t = *h;
		segment_arrives(m, x, &t, i);
		n = branch(m, x, h, &t, i, by, next, n);
		if (!(m->event[i].flags & TCPAUDIT_FIN) || !left_fin_out(m, by, was))
			continue;
		t = *h;
		segment_acknowledges(m, x, &t, i);
		t.cost += COST_ORDER;
		n = branch(m, x, h, &t, i, by, next, n);
	}
	for (int k = 0; k < n; k++)
		explore(m, x, &next[k], by, was, out, count, overflowed, depth - 1);
}

/* Would an undelivered stimulus that had time to arrive have changed this state?  Then it was lost. */
static int loss_cost(const struct mirror *m, unsigned x, const struct hypothesis *h, int by)
{
	const struct event *e = &m->event[by];
	int64_t turnaround = m->end[x].turnaround == TURNAROUND_UNKNOWN ? 0 : (int64_t)m->end[x].turnaround * 1000;

	for (uint64_t left = stimuli(&m->end[x], h->state, by); left; left &= left - 1) {
		int i = __builtin_ctzll(left);
		if (i <= h->delivered || !is_stimulus(m, x, i, h->state))
			continue;
		if (e->time - m->event[i].time <= turnaround + turnaround / 2 + 100000)
			continue;
		struct hypothesis t = *h;
		segment_arrives(m, x, &t, i);
		if (t.state != h->state)
			return COST_LOSS;
	}
	return 0;
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

/* A state that every hypothesis has passed is proven by the frame that left no other. */
static void prove(struct mirror_end *end, int at)
{
	for (int i = 0; i < end->count; i++) {
		struct hypothesis *h = &end->h[i];
		for (int k = 0; k < h->count; k++) {
			bool all = h->step[k].proof < 0;
			for (int o = 0; o < end->count && all; o++)
				all = passes(&end->h[o], h->step[k].to);
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

/* No hypothesis can have built this frame: something was unseen or forged.  Start again from what the frame itself says. */
static void restart(struct mirror_end *end, const struct emission *is, int at)
{
	struct hypothesis base = cheapest(end);
	bool opening = state_in((enum tcpaudit_state)base.state, (state_set)~SYNCHRONIZED);

	end->contradicted |= !opening; /* a handshake of which a frame was not captured contradicts nothing */
	end->count = 0;
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
	if (!state_in((enum tcpaudit_state)h->state, was))
		return false;
	for (uint64_t left = stimuli(&m->end[x], h->state, at); left; left &= left - 1)
		if (is_stimulus(m, x, __builtin_ctzll(left), h->state))
			return false;
	return true;
}

/* The end built frame `at`, and so was what `is` says. */
static void built(struct mirror *m, unsigned x, int at, const struct emission *emission)
{
	struct mirror_end *end = &m->end[x];
	struct emission is = *emission;
	struct hypothesis out[HYPOTHESES_MOST];
	uint8_t n = 0;

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
			out[i].cost = (int16_t)(out[i].cost + loss_cost(m, x, &out[i], at));
			if (state_in((enum tcpaudit_state)out[i].state, is.unlikely))
				out[i].cost += COST_TIMEOUT;
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

static void begin(struct mirror_end *end, const struct tcb *tcb, unsigned x, bool midstream)
{
	static const uint8_t any[] = {TCPAUDIT_ESTABLISHED, TCPAUDIT_CLOSE_WAIT, TCPAUDIT_FIN_WAIT_1, TCPAUDIT_FIN_WAIT_2,
	                              TCPAUDIT_CLOSING,     TCPAUDIT_LAST_ACK,   TCPAUDIT_TIME_WAIT};
	end->count = 0;
	end->lost = 0;
	end->contradicted = end->overflowed = end->closed = false;
	end->turnaround = tcb->turnaround;
	end->iss = tcb->iss;
	end->iss_known = tcb->bits & TCB_ISS;
	end->may_have_closed = midstream && !(tcb->bits & TCB_TEXT); /* who still sends text had not */
	if (!midstream) {
		if (x == TCPAUDIT_SERVER)
			end->h[end->count++] =
			        (struct hypothesis){.first = TCPAUDIT_LISTEN, .state = TCPAUDIT_LISTEN, .delivered = -1};
		end->h[end->count++] =
		        (struct hypothesis){.first = TCPAUDIT_CLOSED, .state = TCPAUDIT_CLOSED, .delivered = -1, .cost = x};
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

void mirror_run(struct mirror *m, const struct history *history, unsigned count, const struct tcb end[2], bool midstream)
{
	m->event = history->event;
	m->count = (uint8_t)(count < history->count ? count : history->count);
	m->fin = history->fin;
	for (unsigned x = 0; x < 2; x++) {
		begin(&m->end[x], &end[x], x, midstream);
		find_stimuli(m, x, &m->end[x]);
	}
	for (int i = midstream ? 0 : begin_established(m); i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (!(e->is & (EVENT_DUPLICATE | EVENT_REORDERED | EVENT_STRAY)))
			emission(m, e->from, i);
	}
}

state_set mirror_states(const struct mirror *m, unsigned x)
{
	struct hypothesis out[HYPOTHESES_MOST];
	uint8_t n = 0;
	bool overflowed = false;
	state_set set = NO_STATE;

	for (int i = 0; i < m->end[x].count; i++)
		explore(m, x, &m->end[x].h[i], m->count, ALL_STATES, out, &n, &overflowed, 4);
	for (int i = 0; i < n; i++)
		set |= (state_set)(1u << out[i].state);
	return set;
}

struct hypothesis mirror_route(const struct mirror *m, unsigned x)
{
	const struct mirror_end *end = &m->end[x];
	struct hypothesis best = cheapest(end);

	for (int i = 0; i < m->count; i++)
		if (stimuli(end, best.state, m->count) >> i & 1 && is_stimulus(m, x, i, best.state))
			segment_arrives(m, x, &best, i);
	return best;
}
