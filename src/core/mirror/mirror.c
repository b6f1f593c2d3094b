/* mirror.c - follows both ends through the state diagram as sets of hypotheses: mirror.h says how. */
#include "mirror.h"

#include "costs.h"
#include "stimuli.h"

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
		if (e->flags & (TCPAUDIT_SYN | TCPAUDIT_RST | TCPAUDIT_FIN | TCPAUDIT_ACK))
			end->opening |= 1ull << i;
		if (e->flags & (TCPAUDIT_RST | TCPAUDIT_FIN) || event_acks_fin(m->event, i, own) || mirror_fills(m, x, i))
			end->closing |= 1ull << i;
	}
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

	if (!closes && !acked && !takes_fin && !end->unheard && !end->was_answered)
		return NO_STATE;
	switch ((enum tcpaudit_state)state) {
	case TCPAUDIT_CLOSED:
	case TCPAUDIT_LISTEN:
	case TCPAUDIT_STATE_COUNT:
		return NO_STATE;
	case TCPAUDIT_SYN_SENT:
	case TCPAUDIT_SYN_RECEIVED:
		to = peer->unheard || peer->ends_unseen || closes || end->was_answered ? SET(ESTABLISHED) : NO_STATE;
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

/* How often it has come into the state, in so many steps. */
static int times(const struct hypothesis *h, uint8_t state, int steps)
{
	int n = 0;
	for (int k = 0; k < steps; k++)
		n += h->step[k].to == state;
	return n;
}

/* Has an end closed at two numbers by then?  Which of them the other one took, if it took any, nothing tells for certain: it may have
 * acknowledged text. */
static bool has_closed_twice(const struct mirror *m, int at)
{
	for (unsigned x = 0; x < 2; x++)
		if (m->fin[x].moved >= 0 && (at >= m->fin[x].moved || at >= m->fin[x].first))
			return true;
	return false;
}

/* A state that every hypothesis has passed, and as often, is proven by the frame that left no other; unless some had no room, which
 * may not have. */
static void prove(const struct mirror *m, struct mirror_end *end, int at)
{
	if (end->overflowed || has_closed_twice(m, at))
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
		if (is->ack_refused && event_acks_fin(m->event, i, &m->fin[x]) && !is_fin_copy(m, i))
			end->lost |= 1ull << i;
	}
}

/* Has it acknowledged the peer's FIN before this frame, which does not?  RCV.NXT never goes back. */
static bool has_gone_beyond(const struct mirror *m, unsigned x, int at)
{
	const struct fin_facts *peer = &m->fin[!x];

	if (!peer->sent || !(m->event[at].flags & TCPAUDIT_ACK) || event_acks_fin(m->event, at, peer))
		return false;
	for (int i = 0; i < at; i++)
		if (m->event[i].from == x && !(m->event[i].is & (EVENT_STRAY | EVENT_FOREIGN | EVENT_SUSPECT)) && event_acks_fin(m->event, i, peer))
			return true;
	return false;
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
	if (m->event[at].is & EVENT_OLD_ACK || has_gone_beyond(m, x, at))
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
	prove(m, end, at);
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

/* Acknowledged beyond what was captured: text, or its FIN. */
static bool acked_beyond(const struct tcb *tcb, const struct tcb *peer)
{
	return tcb->bits & TCB_SEQ && peer->bits & TCB_ACK && seq_gt(peer->hiack, tcb->maxseq);
}

/* Neither its ISS was captured nor text: what it had sent before the first number that was may have been its FIN. */
static bool begins_unseen(const struct tcb *tcb)
{
	return (tcb->bits & (TCB_SEQ | TCB_ISS | TCB_TEXT)) == TCB_SEQ;
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
	end->hiack = tcb->bits & TCB_ACK ? tcb->hiack : peer->iss;
	end->maxseq = tcb->maxseq;
	end->may_have_closed = midstream && !(tcb->bits & TCB_TEXT); /* who still sends text had not */
	end->ends_unseen = tcb->bits & TCB_ENDS_UNSEEN || acked_beyond(tcb, peer) || (!midstream && begins_unseen(tcb));
	end->was_answered = x == TCPAUDIT_CLIENT && tcb->bits & TCB_ACK && !(peer->bits & TCB_ISS);
	end->unheard = !(tcb->bits & TCB_SEQ) && peer->bits & TCB_ACK;
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

void mirror_run(struct mirror *m, const struct captured *captured, unsigned ends)
{
	const struct history *history = captured->history;
	const struct tcb *end = captured->end;
	const bool midstream = captured->midstream;

	m->event = history->event;
	m->count = (uint8_t)(captured->count < history->count ? captured->count : history->count);
	m->fin = history->fin;
	for (unsigned x = 0; x < 2; x++)
		m->queued[x] = history_may_have_queued(history, x);
	m->loss = has_trouble(m, end) ? COST_LOSS : COST_FIRST_LOSS;
	for (unsigned x = 0; x < 2; x++) {
		begin(&m->end[x], &end[x], &end[!x], captured->turnaround.of[x], x, midstream);
		find_stimuli(m, x, &m->end[x]);
	}
	for (int i = midstream ? 0 : begin_established(m); i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (!(ends >> e->from & 1) || e->is & (EVENT_DUPLICATE | EVENT_REORDERED | EVENT_STRAY | EVENT_FOREIGN))
			continue;
		if (e->is & (EVENT_SUSPECT | EVENT_MADE_HERE))
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
		if (out[i].late != out[best].late ? out[best].late : out[i].cost < out[best].cost) /* the state is one of those that are told */
			best = i;
	}
	return out[best];
}
