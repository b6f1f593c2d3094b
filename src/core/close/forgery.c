/* forgery.c - signals that a reset was injected. */
#include "forgery.h"

#define MILLISECOND 1000000ll
#define SECOND      1000000000ll

/* Nothing had happened that it could follow from: its receiver had been silent, and so had its sender, or the reset does not
 * even know of what that had just sent (Linux sends SND.UNA+SND.WND when the window has shrunk). */
static bool is_unprovoked(const struct history *h, const struct event *reset)
{
	const struct before_reset *was = h->before_reset;

	if (!was || was->since[!reset->from] < SECOND)
		return false;
	return was->since[reset->from] >= SECOND || (seq_lt(reset->seq, reset->nxt) && !h->fin[reset->from].sent &&
	                                             reset->seq != was->redge[!reset->from]);
}

/* Resets in both directions, faster than either could know of the other, and at least one of them answers nothing: a box between
 * the ends let go of the connection.  Both users aborting in the same moment looks alike. */
bool resets_both_ways(const struct history *h)
{
	int first[2] = {-1, -1};

	if (h->first_reset < 0)
		return false;
	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->flags & TCPAUDIT_RST && e->is & EVENT_RST_EXACT && first[e->from] < 0)
			first[e->from] = i;
	}
	if (first[0] < 0 || first[1] < 0)
		return false;
	const struct event *cause = &h->event[h->first_reset], *other = &h->event[first[!cause->from]];
	bool answers = cause->flags & TCPAUDIT_ACK && !(other->flags & TCPAUDIT_ACK) && other->seq == cause->ack;
	for (int i = first[cause->from]; i < first[other->from]; i++)
		answers |= h->event[i].from == cause->from && !(h->event[i].flags & TCPAUDIT_RST);
	return !answers && (is_unprovoked(h, cause) || is_unprovoked(h, other)) && other->time - cause->time < 2000000;
}

static bool is_reset(const struct event *e)
{
	return e->flags & TCPAUDIT_RST && !(e->is & EVENT_DUPLICATE);
}

static int64_t round_trip(const struct connection *c)
{
	const struct turnaround took = connection_turnaround(c);

	if (took.of[0] == TURNAROUND_UNKNOWN || took.of[1] == TURNAROUND_UNKNOWN)
		return 0;
	return ((int64_t)took.of[0] + took.of[1]) * 1000;
}

int reset_plausible(const struct connection *c, const struct history *h)
{
	if (h->first_reset_any < 0 || !(c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM)))
		return -1;
	for (int i = h->first_reset_any; i < h->count; i++)
		if (is_reset(&h->event[i]) && h->event[i].is & (EVENT_RST_EXACT | EVENT_RST_SURVIVED))
			return i;
	return -1;
}

/* What overtakes comes within that (checks.md rst-sender-alive). */
static int64_t reorder_bound(const struct connection *c)
{
	int64_t half = round_trip(c) / 2;

	return half > 3 * MILLISECOND ? half : 3 * MILLISECOND;
}

/* Without ACK flag, and at the number that acknowledges the SYN-ACK: it tells nothing of its order, and may have left before the segments
 * that it comes behind.  A listener that has sent a SYN cookie answers so to what is none, a FIN that comes first (RFC 9293 3.10.7.2). */
static bool may_have_been_overtaken(const struct connection *c, const struct event *reset)
{
	const struct tcb *own = &c->end[reset->from];

	return !(reset->flags & TCPAUDIT_ACK) && reset->from == TCPAUDIT_SERVER && own->bits & TCB_ISS &&
	       reset->seq == seq_add(own->iss, 1);
}

/* Had it left the handshake behind?  Only then is there nobody who resets and goes on: a bad acknowledgment is answered from a
 * state that is not synchronized, and the attempt continues (RFC 9293 3.10.7.3 first, figures 8 and 9). */
static bool was_synchronized(const struct connection *c, const struct event *reset)
{
	int mark = reset->from == TCPAUDIT_CLIENT ? MARK_ACK : MARK_RESPONSE;
	int64_t within = may_have_been_overtaken(c, reset) ? reorder_bound(c) : 0;

	if (c->entry.bits & CONN_MIDSTREAM)
		return !(reset->is & EVENT_NXT_UNKNOWN);
	return connection_marked(c, mark) && connection_mark_time(c, mark) <= reset->time - within;
}

/* Below the number of an abort (RFC 9293 3.10.5: SND.NXT), text was built before that, however late it comes. */
static bool precedes_abort(const struct history *h, const struct event *text)
{
	for (const struct event *o = h->event; o < text; o++)
		if (is_reset(o) && o->from == text->from && o->flags & TCPAUDIT_ACK && !(o->is & EVENT_STRAY) && seq_ge(o->seq, event_end(text)))
			return true;
	return false;
}

/* Built by the reset's sender neither before what it had sent then, nor a late copy of that: by its timestamp, its text, or
 * its IP identification. */
static bool is_fresh(const struct history *h, int reset, const struct event *e)
{
	if (e->is & EVENT_TIMESTAMPS)
		return e->is & EVENT_TSVAL_FRESH;
	if (seq_gt(event_end(e), h->event[reset].nxt) && !precedes_abort(h, e))
		return true;
	for (int i = reset - 1; i >= 0; i--)
		if (h->event[i].from == e->from && !(h->event[i].flags & TCPAUDIT_RST))
			return built_later(&h->event[i], e);
	return false;
}

static bool is_later_segment(const struct event *r, const struct event *e)
{
	return e->from == r->from && !(e->flags & (TCPAUDIT_RST | TCPAUDIT_SYN)) && !(e->is & (EVENT_STRAY | EVENT_DUPLICATE));
}

/* An end that resets a synchronized connection has none afterwards (RFC 9293 3.10.5, 3.10.7.1).  A reset without ACK has neither
 * timestamp nor number that would put it in order: what comes later than any path delays a segment was not overtaken. */
static int goes_on(const struct connection *c, const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];
	int64_t bound = 2 * round_trip(c) > SECOND ? 2 * round_trip(c) : SECOND;

	if (r->is & EVENT_REFUSAL || !was_synchronized(c, r))
		return -1;
	for (int i = reset + 1; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (is_later_segment(r, e) && e->flags & TCPAUDIT_ACK && e->time - r->time > bound && is_fresh(h, reset, e))
			return i;
	}
	return -1;
}

/* How long after its sender's newest segment before the first effective reset it was built, by the sender's timestamp clock, of
 * which a tick lasts a millisecond at least (RFC 7323 5.4).  -1: this one's are shorter, or it tells nothing. */
static int64_t built_after(const struct history *h, const struct event *e)
{
	const struct before_reset *was = h->before_reset;

	if (!was->tsval[e->from] || was->since[e->from] < 0 || !(e->is & EVENT_TIMESTAMPS))
		return -1;
	int64_t ticks = seq_diff(e->tsval, was->tsval[e->from]) * MILLISECOND;
	int64_t passed = e->time - h->event[h->first_reset].time + was->since[e->from];
	return ticks <= passed + passed / 16 + 10 * MILLISECOND ? ticks : -1;
}

/* A reset without ACK may come from no block at all, with numbers of its own: only time speaks for what its sender built after it. */
static int follows_bare(const struct connection *c, const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];

	if (reset != h->first_reset || !h->before_reset || r->flags & TCPAUDIT_ACK || h->fin[r->from].sent ||
	    !was_synchronized(c, r))
		return -1;
	for (int i = reset + 1; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (is_later_segment(r, e) && e->flags & TCPAUDIT_ACK && e->time - r->time > reorder_bound(c) &&
		    is_fresh(h, reset, e) && built_after(h, e) - h->before_reset->since[r->from] > reorder_bound(c))
			return i;
	}
	return -1;
}

/* A SYN-ACK that acknowledges its SYN gives a client in SYN-SENT what it wants: it resets only another one (RFC 9293 3.10.7.3 first).
 * Whoever reset that, the client did not have it, and asks again. */
static int asks_again(const struct connection *c, const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];

	if (r->from != TCPAUDIT_CLIENT || was_synchronized(c, r))
		return -1;
	for (int i = reset + 1; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->from == r->from && (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST)) == TCPAUDIT_SYN &&
		    seq_add(e->seq, 1) == r->seq && e->time - r->time > reorder_bound(c) &&
		    !(e->is & (EVENT_STRAY | EVENT_DUPLICATE | EVENT_REORDERED | EVENT_MAY_BE_COPY)))
			return i;
	}
	return -1;
}

/* Order by timestamps or IP identifications. */
int reset_outlived(const struct connection *c, const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];
	int64_t slack = reorder_bound(c);
	bool survived = r->is & EVENT_RST_SURVIVED;

	for (int i = reset + 1; i < h->count && (r->flags & TCPAUDIT_ACK || survived); i++) {
		const struct event *e = &h->event[i];
		if (!is_later_segment(r, e))
			continue;
		if (survived ? seq_gt(event_end(e), r->nxt) && !precedes_abort(h, e) : e->time - r->time > slack && built_later(r, e))
			return i;
	}
	int later = goes_on(c, h, reset);
	later = later >= 0 ? later : follows_bare(c, h, reset);
	return later >= 0 ? later : asks_again(c, h, reset);
}

/* How far away the sender of a TTL is, by the initial values in use. */
static unsigned hops(uint8_t ttl)
{
	return ttl <= 64 ? 64u - ttl : ttl <= 128 ? 128u - ttl : 255u - ttl;
}

/* A host may send resets with another initial TTL, but from the same distance.  On both sides of a router there are two. */
static bool is_from_distance(const struct connection *c, const struct event *r)
{
	const struct tcb *own = &c->end[r->from];

	return own->packets <= 1 || !r->ttl || !own->ttl || hops(r->ttl) == hops(own->ttl) || c->entry.capture & CAPTURE_DUPLICATE;
}

/* Paths may change by a hop or two; but not behind a reset of an end that goes on. */
static bool from_elsewhere(const struct connection *c, const struct event *r, bool outlived)
{
	const struct tcb *own = &c->end[r->from];
	unsigned near = hops(r->ttl), usual = hops(own->ttl);

	return (own->packets > 1 && r->ttl && own->ttl && ttl_differs(near, usual)) || (outlived && !is_from_distance(c, r));
}

bool reset_is_doubtful(const struct connection *c, const struct history *h, int reset)
{
	return !is_from_distance(c, &h->event[reset]) || follows_bare(c, h, reset) >= 0;
}

/* Three or more, with numbers that climb beyond all that anybody acknowledged: whoever sends them guesses. */
static bool guesses_numbers(const struct history *h, int reset, const struct tcb *peer)
{
	const struct event *r = &h->event[reset];
	tcp_seq last = r->seq;
	unsigned climbing = 1;

	for (int i = reset + 1; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (!is_reset(e) || e->from != r->from || e->time - r->time >= SECOND || !seq_gt(e->seq, last))
			continue;
		if (peer->bits & TCB_ACK && !seq_gt(e->seq, peer->hiack))
			continue; /* it names an acknowledgment (RFC 9293 3.5.2) */
		climbing++;
		last = e->seq;
	}
	return climbing >= 3;
}

/* Is `other`, behind the reset, what its receiver answers from CLOSED to a segment that the reset overtook (RFC 9293 3.10.7.1)? */
static bool answers_late(const struct history *h, int reset, int other)
{
	const struct event *r = &h->event[reset], *e = &h->event[other];

	if (!(r->flags & TCPAUDIT_ACK))
		return false;
	if (is_stateless_reset(e))
		return e->seq == r->ack || (other > reset && seq_le(e->seq, r->ack));
	return other > reset && event_may_be_echo(h->event, other) && seq_le(e->seq, r->ack) && e->ack != r->seq;
}

/* Neither can have heard of the other, nor answers it.  Behind an earlier reset of the same sender, the other one has no connection. */
static bool in_both_directions(const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];
	bool before = false;

	for (int i = 0; i < h->count && !before; i++) {
		const struct event *e = &h->event[i];
		before = is_reset(e) && e->from == r->from && i < reset;
		int64_t apart = e->time > r->time ? e->time - r->time : r->time - e->time;
		if (is_reset(e) && e->from != r->from && apart < MILLISECOND && !answers_late(h, reset, i))
			return true;
	}
	return false;
}

/* An abort has SND.NXT: this one does not know of what its sender had sent a moment ago. */
static bool lags_behind(const struct connection *c, const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];
	int64_t since = h->before_reset ? h->before_reset->since[r->from] : -1;

	return r->flags & TCPAUDIT_ACK && seq_lt(r->seq, r->nxt) && since >= 0 && since < round_trip(c) &&
	       !h->fin[r->from].sent && c->end[r->from].bits & TCB_SEQ && r->seq != c->end[!r->from].redge;
}

/* An abort is its block's own segment, and numbered like its others; only what comes from no block at all has no number.  Those
 * that count pass 0, too. */
static bool is_unnumbered(const struct history *h, const struct event *r)
{
	uint16_t before = h->before_reset ? h->before_reset->ip_id[r->from] : 0;

	return r->flags & TCPAUDIT_ACK && !(r->is & EVENT_REFUSAL) && !r->ip_id && before && (uint16_t)(r->ip_id - before) >= 1024;
}

/* RFC 7323 3.2: likewise, an abort has the timestamps that were agreed on. */
static bool lacks_timestamps(const struct connection *c, const struct event *r)
{
	return r->flags & TCPAUDIT_ACK && !(r->is & (EVENT_REFUSAL | EVENT_TIMESTAMPS)) && c->entry.bits & CONN_ESTABLISHED &&
	       c->end[0].bits & c->end[1].bits & TCB_TS && !tcb_stamps_vary(c->end) && !(c->entry.capture & CAPTURE_SNAPLEN);
}

static bool acknowledges_nonsense(const struct connection *c, const struct event *r)
{
	const struct tcb *peer = &c->end[!r->from];

	return r->flags & TCPAUDIT_ACK && peer->bits & TCB_SEQ && seq_gt(r->ack, seq_add(peer->maxseq, 65536)) &&
	       !(c->entry.capture & (CAPTURE_GAP_ACKED | CAPTURE_DROPS | CAPTURE_RESYNC));
}

/* A router rejects in the name of an end, and where it captures itself, that shows: it goes out, and never came in.  Losses of the
 * capture, and the clocks of several, look alike. */
static bool is_made_here(const struct connection *c, const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];

	if (!(r->is & EVENT_MADE_HERE) || c->entry.capture & (CAPTURE_DROPS | CAPTURE_MULTI_IF))
		return false;
	for (int i = 0; i < reset; i++) { /* a queue in between makes it late */
		const struct event *o = &h->event[i];
		if (o->from == r->from && o->flags == r->flags && o->seq == r->seq && o->ack == r->ack && !(o->is & EVENT_OUTBOUND))
			return false;
	}
	return true;
}

unsigned reset_forgery_signals(const struct connection *c, const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];
	const bool outlived = reset_outlived(c, h, reset) >= 0;

	return (is_made_here(c, h, reset) ? FORGERY_SIGNALS : 0) + (unsigned)from_elsewhere(c, r, outlived) + guesses_numbers(h, reset, &c->end[!r->from]) +
	       in_both_directions(h, reset) + lags_behind(c, h, reset) + acknowledges_nonsense(c, r) +
	       is_unnumbered(h, r) + lacks_timestamps(c, r) +
	       outlived + (goes_on(c, h, reset) >= 0); /* an end that has none cannot go on */
}

/* Those that come with it in the same name are as doubtful. */
static void suspect(struct history *h, int reset)
{
	const struct event *r = &h->event[reset];

	for (int i = reset; i < h->count; i++)
		if (is_reset(&h->event[i]) && h->event[i].from == r->from && h->event[i].time - r->time < SECOND)
			h->event[i].is |= EVENT_SUSPECT;
}

/* Who is heard behind a reset in his name has a block: he did not send it, or from a state that is not synchronized (RFC 9293 3.10.7.3
 * first), or without a block yet, as behind SYN cookies (RFC 4987 3.6); or the path swapped the two. */
static bool is_heard_behind(const struct history *h, int reset)
{
	const uint32_t proves_nothing =
	        EVENT_REORDERED | EVENT_OLD_ACK | EVENT_FOREIGN | EVENT_SUSPECT | EVENT_MAY_BE_COPY; /* stray ones and duplicates are no segments here */

	for (int i = reset + 1; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (is_later_segment(&h->event[reset], e) && e->flags & TCPAUDIT_ACK && !(e->is & proves_nothing) &&
		    !built_later(e, &h->event[reset]))
			return true;
	}
	return false;
}

/* One hop more or less is no sign of forgery, paths change; but what a router rejects in an end's name comes from nearer than that end,
 * has no timestamp, and does not prove what that end was. */
static bool comes_another_way(const struct connection *c, const struct event *r)
{
	return !is_from_distance(c, r) && !(r->is & EVENT_TIMESTAMPS);
}

/* Like one that its sender has not sent: by the same, or now by that end, which may have given up. */
static bool repeats_foreign(const struct history *h, int reset)
{
	const struct event *r = &h->event[reset];

	for (int i = h->first_reset_any; i < reset; i++)
		if (is_reset(&h->event[i]) && h->event[i].is & EVENT_FOREIGN && h->event[i].from == r->from && h->event[i].seq == r->seq)
			return true;
	return false;
}

void reset_disown(const struct connection *c, struct history *h)
{
	const bool both_ways = h->first_reset_any >= 0 && resets_both_ways(h);

	for (int i = h->first_reset_any; i >= 0 && i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (!is_reset(e) || e->is & EVENT_STRAY)
			continue;
		if (is_made_here(c, h, i) || asks_again(c, h, i) >= 0 || (e->is & EVENT_RST_EXACT && goes_on(c, h, i) >= 0))
			h->event[i].is |= EVENT_FOREIGN;
		else if (both_ways || reset_forgery_signals(c, h, i) >= FORGERY_SIGNALS)
			suspect(h, i);
		else if (is_heard_behind(h, i) || comes_another_way(c, e) || repeats_foreign(h, i))
			h->event[i].is |= EVENT_SUSPECT;
	}
}
