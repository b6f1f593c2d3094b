/* history_read.c - what a history as a whole says, when somebody asks: whether a FIN is its sender's, whether all of it is plain, and
 * whether clocks went on.
 *
 * history.c takes segments one by one; this looks back at what it kept. */
#include "history.h"

/* With timestamps where none were agreed on, or without (RFC 7323 3.2); what was agreed on, the handshake says. */
static bool has_other_options(const struct tcb end[2], const struct event *e)
{
	return end[e->from].bits & TCB_ISS && !tcb_stamps_vary(end) &&
	       !(end[0].bits & end[1].bits & TCB_TS) != !(e->is & EVENT_TIMESTAMPS);
}

/* How many of its neighbours say that a FIN is not its sender's.  Two segments that differ tell nothing of which is genuine: what
 * its sender's others are like does. */
static unsigned forgery_signals(const struct history *h, const struct tcb end[2], const struct fin_facts *f)
{
	const struct event *fin = &h->event[f->first], *after = &h->event[f->data_after];
	const struct tcb *own = &end[fin->from];
	unsigned signals = seq_le(after->seq, f->u); /* the real sender goes on where the FIN stands */
	signals += ttl_differs(fin->ttl, after->ttl) && ttl_differs(fin->ttl, own->ttl);
	signals += (fin->is & EVENT_TIMESTAMPS) != (after->is & EVENT_TIMESTAMPS) &&
	           (!(own->bits & TCB_ISS) || has_other_options(end, fin));
	signals += f->acked_wrong >= 0;
	return signals;
}

/* Text behind the FIN that is unlike its sender's segments in both ways is not its sender's. */
static void disown_text(struct history *h, const struct tcb end[2], struct fin_facts *f)
{
	unsigned x = h->event[f->first].from;
	int first = -1;

	if (ttl_differs(h->event[f->first].ttl, end[x].ttl) || has_other_options(end, &h->event[f->first]) || f->acked_wrong >= 0)
		return;
	for (int i = f->data_after; i < h->count; i++) {
		struct event *e = &h->event[i];
		if (e->from != x || !e->len || e->is & EVENT_STRAY || !seq_gt(seq_add(e->seq, e->len), f->u))
			continue;
		if (ttl_differs(e->ttl, end[x].ttl) && has_other_options(end, e))
			e->is |= EVENT_STRAY;
		else if (first < 0)
			first = i;
	}
	f->data_after = (int8_t)first;
}

void history_disown_forged(struct history *h, const struct tcb end[2])
{
	for (int x = 0; x < 2; x++) {
		struct fin_facts *f = &h->fin[x];
		if (!f->sent || f->first < 0 || f->data_after < 0)
			continue;
		disown_text(h, end, f);
		if (f->data_after < 0 || forgery_signals(h, end, f) < 2)
			continue;
		/* acknowledged before there was text at its number: the other end took it, whoever sent it */
		bool taken = f->acked >= 0 && f->acked < f->data_after && h->event[f->acked].ack == seq_add(f->u, 1);
		for (int i = 0; i < h->count; i++) {
			struct event *e = &h->event[i];
			if (e->from == x && e->flags & TCPAUDIT_FIN && seq_add(e->seq, e->len) == f->u)
				e->is |= taken ? EVENT_FOREIGN : EVENT_STRAY;
		}
		f->forged = true;
		if (taken)
			continue;
		f->sent = false;
		f->acked = -1;
	}
}

/* All that its peer ever acknowledged of its stream ends with the second of its FINs, and nothing of the first one. */
static bool second_was_taken(const struct history *h, const struct tcb end[2], unsigned x)
{
	const struct fin_facts *f = &h->fin[x];

	return f->sent && f->first >= 0 && f->moved >= 0 && f->acked < 0 && end[!x].bits & TCB_ACK &&
	       end[!x].hiack == event_end(&h->event[f->moved]);
}

static void take_second(struct history *h, const struct tcb end[2], unsigned x)
{
	struct fin_facts *f = &h->fin[x];
	const int8_t first = f->first;
	const struct event *fin = &h->event[f->moved];
	const tcp_seq u = seq_add(fin->seq, fin->len), behind = h->fin[!x].sent ? h->fin[!x].u : end[!x].maxseq; /* the peer's text */
	const int64_t less = seq_diff(f->u, u);

	f->in_flight = less < (int64_t)f->in_flight ? (uint32_t)((int64_t)f->in_flight - less) : 0;
	f->u = u;
	f->first = f->moved;
	f->moved = first;
	f->copies = 0;
	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->from == x && e->flags & TCPAUDIT_FIN && !(e->is & (EVENT_STRAY | EVENT_DUPLICATE)) && event_end(e) == event_end(fin))
			f->copies += e->run + 1u;
		if (e->from == x || f->acked >= 0 || e->is & (EVENT_STRAY | EVENT_REFUSAL) || !event_acks_fin(h->event, i, f))
			continue;
		f->acked = (int8_t)i;
		f->acked_time = e->time;
		f->peer_maxseq = seq_max(e->nxt, e->seq);
		f->peer_text = seq_gt(behind, f->peer_maxseq) ? (uint32_t)seq_diff(behind, f->peer_maxseq) : 0;
		f->peer_last = h->event[h->count - 1].time;
	}
}

void history_settle_fins(struct history *h, const struct tcb end[2])
{
	for (unsigned x = 0; x < 2; x++)
		if (second_was_taken(h, end, x))
			take_second(h, end, x);
}

static bool answers_fins(const struct history *h)
{
	unsigned fins = 0;

	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (leaves_fin_unanswered(&fins, h->fin[!e->from].u, e->from, e->ack, e->flags))
			return false;
	}
	return true;
}

bool history_may_have_queued(const struct history *h, unsigned x)
{
	const struct fin_facts *own = &h->fin[x], *peer = &h->fin[!x];

	if (!own->sent || own->first < 0 || !peer->sent || peer->first < 0 || peer->acked < 0 || peer->acked > own->first)
		return false;
	const struct event *fin = &h->event[peer->first]; /* what its receiver knew of its own text then */
	return !fin->window || (peer->peer_text && seq_gt(peer->peer_maxseq, fin->ack));
}

bool history_is_plain(const struct history *h)
{
	if (h->first_reset_any >= 0 || h->dropped || h->odd || h->unusual || h->seen >> 8 || !answers_fins(h))
		return false;
	if (history_may_have_queued(h, 0) || history_may_have_queued(h, 1))
		return false;
	if ((h->fin[0].sent || h->fin[1].sent) && (h->fin[0].acked < 0 || h->fin[1].acked < 0))
		return false;
	for (int x = 0; x < 2; x++)
		if (h->fin[x].forged || h->fin[x].copies > 1 || h->fin[x].moved >= 0 || h->fin[x].data_after >= 0 ||
		    h->fin[x].acked_wrong >= 0)
			return false;
	return true;
}

bool history_is_abort(const struct history *h)
{
	const uint32_t harmless = EVENT_RST_EXACT | EVENT_TIMESTAMPS | EVENT_TSVAL_FRESH | EVENT_OUTBOUND | EVENT_ID_LEAPS;
	const struct event *e = h->event;

	return h->count == 1 && h->front_due && h->first_reset == 0 && !h->dropped && !h->odd && !h->unusual && !h->former &&
	       !e->len && !(e->flags & ~(TCPAUDIT_RST | TCPAUDIT_ACK)) && !(e->is & ~harmless);
}

#define MS         1000000ll
#define DAY        (86400000 * MS)
#define LONG_GAP   2000 /* ms */
#define TELLING    5    /* ticks from which on a rate is known */
#define MUCH_LESS  4    /* times */

/* What one end's timestamps say of the time between two segments. */
struct pace {
	int64_t ticks;
	int64_t ms;
};

static bool is_slower(struct pace a, struct pace b, int64_t times)
{
	return a.ticks * b.ms * times < b.ticks * a.ms;
}

/* Ticks come once in a second at least (RFC 7323 5.4), and as often in one gap as in another. */
static bool stands_still(const struct history *h, unsigned from)
{
	struct pace fastest = {.ticks = 1, .ms = 1000}, slowest = fastest;
	const struct event *before = NULL;
	bool long_gap = false;

	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->from != from || !(e->is & EVENT_TIMESTAMPS) || e->is & (EVENT_STRAY | EVENT_DUPLICATE | EVENT_REORDERED))
			continue;
		const int64_t gap = before && e->time > before->time && e->time - before->time < DAY ? e->time - before->time : 0;
		const struct pace p = {before ? seq_diff(e->tsval, before->tsval) : 0, gap / MS};
		before = e;
		if (p.ms == 0 || p.ticks < 0)
			continue;
		if (p.ticks >= TELLING && is_slower(fastest, p, 1))
			fastest = p;
		if (p.ms >= LONG_GAP && (!long_gap || is_slower(p, slowest, 1))) {
			slowest = p;
			long_gap = true;
		}
	}
	return long_gap && is_slower(slowest, fastest, fastest.ticks < TELLING ? 1 : MUCH_LESS);
}

bool history_clock_jumped(const struct history *h)
{
	return stands_still(h, 0) || stands_still(h, 1);
}

/* Did its sender send it, and leave nothing behind? */
static bool has_reset(const struct event *e)
{
	return e->flags & TCPAUDIT_RST && !(e->is & (EVENT_STRAY | EVENT_DUPLICATE | EVENT_FOREIGN | EVENT_SUSPECT | EVENT_REFUSAL));
}

int event_answered(const struct event *events, int i)
{
	const struct event *reset = &events[i];

	if (!(reset->flags & TCPAUDIT_RST) || !(reset->flags & TCPAUDIT_ACK))
		return -1;
	for (int k = i - 1; k >= 0; k--) {
		const struct event *e = &events[k];
		if (e->from != reset->from && (e->flags & (TCPAUDIT_ACK | TCPAUDIT_RST)) == TCPAUDIT_ACK && e->ack == reset->seq &&
		    event_end(e) == reset->ack)
			return k;
	}
	return -1;
}

bool event_may_be_echo(const struct event *events, int i)
{
	const struct event *reset = &events[i];

	if (!(reset->flags & TCPAUDIT_RST) || !(reset->flags & TCPAUDIT_ACK) || reset->is & EVENT_TIMESTAMPS)
		return false;
	for (const struct event *e = events; e < reset; e++)
		if (e->from == reset->from && has_reset(e) && (e->seq != reset->seq || e->ack != reset->ack))
			return true;
	return event_answered(events, i) >= 0;
}
