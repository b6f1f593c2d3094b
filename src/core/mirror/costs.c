/* costs.c - see costs.h. */
#include "costs.h"

#include "stimuli.h"

static bool later_copy_fits(const struct mirror *m, int i, int before, int64_t deadline)
{
	for (int k = i + 1; k < before; k++)
		if (m->event[k].from == m->event[i].from && is_fin_copy(m, k) && m->event[k].time <= deadline)
			return true;
	return false;
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

/* Does a frame acknowledge the FIN of its sender's peer? */
static bool acknowledges_fin(const struct mirror *m, int i)
{
	return event_acks_fin(m->event, i, &m->fin[!m->event[i].from]);
}

/* The end's newest frame before `by` that does not acknowledge the peer's FIN; NULL if there is none. */
static const struct event *refusal_before(const struct mirror *m, unsigned x, int by)
{
	for (int i = by - 1; i >= 0; i--) {
		const struct event *e = &m->event[i];
		if (e->from == x && e->flags & TCPAUDIT_ACK && !(e->is & (EVENT_PREDATES | EVENT_STRAY)) && !(e->flags & TCPAUDIT_SYN))
			return acknowledges_fin(m, i) ? NULL : e;
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

	if (s->is & EVENT_ELSEWHERE)
		cost += COST_ELSEWHERE;
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
		if (!is_stimulus(m, x, i, h->state) || mirror_fills(m, x, i) || waits(m, x, i, by) || m->event[i].is & EVENT_ELSEWHERE ||
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
		    mirror_fills(m, x, k) || waits(m, x, k, by) || m->event[k].is & EVENT_ELSEWHERE)
			continue;
		struct hypothesis t = *h;
		segment_arrives(m, x, &t, k);
		lost += t.state != h->state;
	}
	return lost;
}

int arrival_cost(const struct mirror *m, unsigned x, const struct hypothesis *h, uint8_t to, int i, int by)
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

int left_out_cost(const struct mirror *m, unsigned x, int i, int by, state_set was)
{
	if (mirror_fills(m, x, i))
		return 0;
	if (by < m->count)
		return m->event[by].flags & TCPAUDIT_RST || !(was & FIN_RECEIVED) ? COST_ORDER : -1;
	const struct event *q = refusal_before(m, x, by);
	return q && m->fin[!x].sent && seq_lt(q->ack, m->fin[!x].u) && seq_gt(m->event[i].seq, q->ack) ? COST_ORDER : -1;
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
		if (m->event[i].from == x && mirror_has_no_socket(m, x, &m->event[i]) && acknowledges_fin(m, i))
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
		if (m->event[i].from != x && acknowledges_fin(m, i) && !(m->event[i].is & EVENT_STRAY) &&
		    other_answered(m, i, at))
			return COST_ORDER; /* it answers what came behind the acknowledgment of its FIN */
	if (!state_in((enum tcpaudit_state)h->state, SYNCHRONIZED & ~FIN_RECEIVED))
		return 0;
	for (int i = 0; i < at; i++)
		copies += m->event[i].from != x && is_fin_copy(m, i) && !(m->event[i].is & EVENT_DUPLICATE) && !waits(m, x, i, at);
	return copies > 1 ? COST_ORDER : 0;
}

int building_cost(const struct mirror *m, unsigned x, struct hypothesis *h, int at, state_set unlikely)
{
	int cost = is_stateless_reset(&m->event[at]) ? absence_cost(m, x, h, at) : m->loss * losses(m, x, h, at);

	if (state_in((enum tcpaudit_state)h->state, unlikely))
		cost += COST_TIMEOUT;
	return cost + echo_cost(m, h, at) + answer_cost(m, h, at);
}

/* Has the end acknowledged the peer's FIN, by any frame? */
static bool has_answered(const struct mirror *m, unsigned x)
{
	for (int i = 0; i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (e->from == x && !(e->is & (EVENT_STRAY | EVENT_REFUSAL)) && acknowledges_fin(m, i))
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
		    e->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST) || !acknowledges_fin(m, i))
			continue;
		none += mirror_has_no_socket(m, x, e);
		socket += e->ip_id ? 1 + e->run : 0;
	}
	return none && socket > 1;
}

int ending_cost(const struct mirror *m, unsigned x, struct hypothesis *h, int64_t now)
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
