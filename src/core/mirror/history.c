/* history.c - what each of the segments is on which judgments rest, and the facts about both FINs (RFC 9293 3.6).
 *
 * Where they are kept, history_room.c decides. */
#include <stdlib.h>

#include "history_room.h"

#define SYN_ACK (TCPAUDIT_SYN | TCPAUDIT_ACK)

struct tcpaudit_evidence event_evidence(const struct event *e)
{
	return (struct tcpaudit_evidence){.time = e->time,
	                                  .frame = e->frame,
	                                  .seq = e->seq,
	                                  .ack = e->ack,
	                                  .len = e->len,
	                                  .flags = e->flags,
	                                  .input = e->input,
	                                  .from = e->from};
}

bool reset_knows_more(const struct tcb end[2], tcp_seq seq, tcp_seq ack, unsigned from)
{
	const struct tcb *own = &end[from], *peer = &end[!from];
	const int32_t text = seq_diff(seq, own->maxseq), answered = seq_diff(ack, peer->maxseq);

	return !(~(own->bits & peer->bits) & (TCB_ISS | TCB_SEQ)) && (text || answered) && text >= 0 && text < 1 << 30 && answered >= 0 &&
	       answered < 1 << 30;
}

/* A reset is obeyed at RCV.NXT exactly, challenged elsewhere in the window, ignored outside (RFC 9293 3.10.7.4 first and
 * second, RFC 5961 3.2).  We know RCV.NXT of the receiver within [highest ack it sent, highest end sent to it].  While a
 * FIN of the reset's sender is among that, so is RCV.NXT-1: Linux obeys it in the states that have received the FIN. */
static unsigned reset_bits(const struct tcb end[2], const struct tcpaudit_segment *s, unsigned from, const struct history *h)
{
	const struct tcb *sender = &end[from], *receiver = &end[!from];
	bool acks_syn = s->flags & TCPAUDIT_ACK && receiver->bits & TCB_ISS && s->ack == receiver->maxseq;

	if (acks_syn && !s->seq && sender->bits & TCB_SEQ && !(receiver->bits & TCB_ACK)) /* it has given its own SYN up */
		return EVENT_RST_EXACT | EVENT_REFUSAL;
	if (!(sender->bits & TCB_SEQ)) { /* it never sent anything else: SYN-SENT goes by the ACK, RFC 9293 3.10.7.3 second */
		if (s->flags & TCPAUDIT_ACK && receiver->bits & TCB_ISS && !(receiver->bits & TCB_ACK))
			return acks_syn ? EVENT_RST_EXACT | EVENT_REFUSAL : 0;
		if (receiver->bits & TCB_ACK)
			return s->seq == receiver->hiack ? EVENT_RST_EXACT : 0;
		return receiver->bits & TCB_ISS ? 0 : EVENT_RST_EXACT;
	}
	tcp_seq low = receiver->bits & TCB_ACK ? receiver->hiack : sender->maxseq;
	if (tcb_begins_at_iss(sender) && !sender->text) /* who acknowledged less than the SYN has no RCV.NXT there */
		low = seq_max(low, seq_add(sender->iss, 1));
	tcp_seq high = seq_max(sender->maxseq, low);
	if (h->fin[from].sent && low == seq_add(h->fin[from].u, 1))
		low = h->fin[from].u;
	if (seq_ge(s->seq, low) && seq_le(s->seq, high))
		return EVENT_RST_EXACT;
	if (s->flags & TCPAUDIT_ACK && !(receiver->bits & TCB_ACK) && reset_knows_more(end, s->seq, s->ack, from))
		return EVENT_RST_EXACT; /* of its receiver nothing is known but the SYN */
	if (receiver->bits & TCB_ACK && seq_ge(s->seq, low) && seq_lt(s->seq, receiver->redge))
		return EVENT_RST_WINDOW;
	return 0;
}

/* Where both SYNs were signed, what is not is dropped, resets too (RFC 2385 4.1, RFC 5925 7.3). */
static bool lacks_signature(const struct tcb end[2], const struct tcpaudit_segment *s)
{
	return end[0].bits & end[1].bits & TCB_SIGNED && !(s->options & (TCPAUDIT_OPT_MD5 | TCPAUDIT_OPT_AO)) &&
	       !(s->noticed & TCPAUDIT_SAW_OPTIONS_CUT);
}

/* A reset that names an acknowledgment which its receiver has sent (RFC 9293 3.5.2): late, but nobody else could know it. */
static bool answers_older(const struct tcb *receiver, const struct tcpaudit_segment *s)
{
	return !(s->flags & TCPAUDIT_ACK) && receiver->bits & TCB_ACK && seq_le(s->seq, receiver->hiack) &&
	       seq_diff(receiver->hiack, s->seq) < 1 << 24;
}

static unsigned id_bits(const struct tcb *sender)
{
	return sender->bits & TCB_ID_LEAPS ? EVENT_ID_LEAPS : 0;
}

static unsigned event_bits(const struct tcb end[2], const struct tcpaudit_segment *s, unsigned from, const struct sent *sent,
                           const struct history *h)
{
	unsigned is = 0;
	if (sent->new_text)
		is |= EVENT_NEW_TEXT;
	if (sent->repeat)
		is |= EVENT_REPEAT;
	if (sent->probe)
		is |= EVENT_PROBE;
	if (sent->duplicate)
		is |= EVENT_DUPLICATE;
	if (sent->ack_unsent)
		is |= EVENT_ACK_UNSENT;
	if (s->flags & TCPAUDIT_ACK && end[from].bits & TCB_ACK && seq_lt(s->ack, end[from].hiack))
		is |= EVENT_OLD_ACK;
	if (s->options & TCPAUDIT_OPT_TIMESTAMPS) {
		is |= EVENT_TIMESTAMPS;
		if (end[from].tsval && seq_gt(s->tsval, end[from].tsval))
			is |= EVENT_TSVAL_FRESH;
	}
	for (unsigned i = 0; i < s->sack_count; i++)
		if (seq_gt(s->sack[i][1], s->ack))
			is |= h->fin[!from].sent && seq_gt(s->sack[i][1], h->fin[!from].u) ? EVENT_HOLE | EVENT_FIN_QUEUED : EVENT_HOLE;
	is |= id_bits(&end[from]);
	if (s->noticed & TCPAUDIT_SAW_OUTBOUND)
		is |= EVENT_OUTBOUND;
	if (s->noticed & TCPAUDIT_SAW_CHECKSUM_BAD)
		is |= EVENT_SUM_BAD;
	if (s->flags & TCPAUDIT_RST)
		is |= reset_bits(end, s, from, h);
	if (s->flags & TCPAUDIT_RST && tcb_first_outbound(&end[from], s))
		is |= EVENT_MADE_HERE;
	if (is & EVENT_RST_EXACT && lacks_signature(end, s))
		is = (is & ~(unsigned)EVENT_RST_EXACT) | EVENT_RST_SURVIVED | EVENT_STRAY;
	if (s->flags & TCPAUDIT_RST ? !(is & (EVENT_RST_EXACT | EVENT_RST_WINDOW)) && !answers_older(&end[!from], s)
	                            : !sent->fits)
		is |= EVENT_STRAY;
	return is;
}

/* Of a handshake that predates the history, much is not known. */
bool history_is_alike(const struct event *o, const struct event *e)
{
	if (o->from != e->from || o->seq != e->seq || o->ack != e->ack || o->flags != e->flags || o->len != e->len)
		return false;
	if (o->is & EVENT_PREDATES)
		return o->flags & TCPAUDIT_SYN && (!(o->is & EVENT_TIMESTAMPS) || o->tsval == e->tsval);
	return o->ip_id == e->ip_id && o->tsval == e->tsval && (o->ip_id || (o->tsecr == e->tsecr && o->window == e->window));
}

/* By other segments of its sender, has the timestamp clock ticked since o was built?  Then e, with the same TSval (RFC 7323 5.4), was
 * built when o was, and came late. */
static bool clock_has_ticked(const struct history *h, const struct event *o, const struct event *e)
{
	const int64_t passed = e->time - o->time;

	if (!(o->is & e->is & EVENT_TIMESTAMPS) || passed < TICKS_WITHIN)
		return false;
	for (int i = 0; i < h->count; i++) {
		const struct event *a = &h->event[i];
		if (a->from != e->from || !(a->is & EVENT_TIMESTAMPS) || a->is & EVENT_STRAY)
			continue;
		int64_t between = a->time < o->time ? o->time - a->time : a->time - o->time;
		int64_t ticks = seq_gt(a->tsval, o->tsval) ? seq_diff(a->tsval, o->tsval) : seq_diff(o->tsval, a->tsval);
		if (ticks > 1 && passed / 4 > between / (ticks - 1)) /* a tick takes no longer than that */
			return true;
	}
	return false;
}

/* A SYN or FIN again, before any timer of its sender can have run (RFC 6298 2.1, 2.4), and nothing asks for it. */
static bool is_too_soon(const struct event *o, const struct event *e)
{
	const bool long_timer = e->flags & TCPAUDIT_SYN || e->is & EVENT_TIMESTAMPS; /* without, a probe for lost text may be that soon */

	return e->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN) && !e->len && e->time - o->time < (long_timer ? TICKS_WITHIN : FORWARDED_WITHIN);
}

/* The network may copy a segment, too, and later than a capture does: one IP identification, one segment.  Without any, what has been
 * forwarded in between is, what comes too soon to have been sent again, and what came late by its sender's clock. */
static bool seen_before(const struct history *h, const struct event *e)
{
	for (int i = h->count - 1; i >= 0; i--) {
		const struct event *o = &h->event[i];
		if (!history_is_alike(o, e))
			continue;
		if ((o->ip_id && e->ip_id) || (e->time - o->time <= FORWARDED_WITHIN && hop_apart(e->ttl, o->ttl)) ||
		    is_too_soon(o, e) || clock_has_ticked(h, o, e))
			return true;
	}
	return false;
}

/* Without an IP identification, and a TSval of its own: perhaps a copy, too, if its sender had said all of it before.  A FIN, and what
 * is like segments that have one, can only be a copy of what stands here. */
static bool may_be_copy(const struct history *h, const struct tcb *sender, const struct event *e)
{
	if (e->ip_id || e->is & (EVENT_TSVAL_FRESH | EVENT_STRAY) || e->flags & TCPAUDIT_RST || !(sender->bits & TCB_SEQ) ||
	    seq_gt(event_end(e), sender->maxseq) || (e->flags & TCPAUDIT_ACK && (!(sender->bits & TCB_ACK) || seq_gt(e->ack, sender->hiack))))
		return false;
	if (!(e->flags & TCPAUDIT_FIN) && !sender->ip_id)
		return true;
	for (int i = 0; i < h->count; i++)
		if (history_is_alike(&h->event[i], e))
			return true;
	return false;
}

/* Was e built before o, by their one sender?  A reset without ACK may come from no block at all, with numbers of its own. */
static bool built_before(const struct event *e, const struct event *o)
{
	const uint16_t stateless = TCPAUDIT_RST | TCPAUDIT_ACK;
	if ((o->flags & stateless) == TCPAUDIT_RST || (e->flags & stateless) == TCPAUDIT_RST)
		return false;
	if (o->is & e->is & EVENT_TIMESTAMPS && o->tsval != e->tsval)
		return seq_gt(o->tsval, e->tsval);
	if (!o->ip_id || !e->ip_id || (o->is | e->is) & EVENT_ID_LEAPS || e->time - o->time >= 1000000000)
		return false;
	return (uint16_t)(o->ip_id - e->ip_id - 1) < 255;
}

/* A FIN right behind a reset of the same end: nobody closes what he has reset, so it was built before, and overtaken. */
static bool follows_reset(const struct event *e, const struct event *o)
{
	return e->flags & TCPAUDIT_FIN && !(e->flags & TCPAUDIT_RST) && o->flags & TCPAUDIT_RST && e->time - o->time < 100000000;
}

/* RCV.NXT never goes back: who acknowledges more has built it later. */
static bool acknowledges_more(const struct event *e, const struct event *o)
{
	return e->flags & o->flags & TCPAUDIT_ACK && seq_gt(e->ack, o->ack);
}

/* Does an event stand behind a reset of its own sender, and is overtaken itself?  A reset without ACK may come from no block: there, what
 * the FIN was built behind was not overtaken, nor was the FIN. */
static bool stands_behind_reset(const struct history *h, int at, const struct event *fin)
{
	for (int i = at - 1; i >= 0; i--) {
		const struct event *o = &h->event[i];
		if (o->from == h->event[at].from && o->flags & (TCPAUDIT_RST | TCPAUDIT_SYN))
			return o->flags & TCPAUDIT_RST && h->event[at].time - o->time < 100000000 &&
			       (o->flags & TCPAUDIT_ACK || !acknowledges_more(fin, &h->event[at]));
	}
	return false;
}

/* The first event that stands here already although its sender built it later; -1 none.  What stands before a SYN of the same end
 * is of no block that sent this: its reset answered an old connection's segment (RFC 9293 figures 8 and 9). */
static int overtaker(const struct history *h, const struct event *e)
{
	int first = -1;
	for (int i = h->count - 1; i >= 0; i--) {
		const struct event *o = &h->event[i];
		if (o->from != e->from || o->is & EVENT_PREDATES)
			continue;
		if (o->flags & TCPAUDIT_SYN && e->flags & TCPAUDIT_FIN && !built_before(e, o))
			break;
		if (!built_before(e, o) && !follows_reset(e, o)) {
			if ((o->flags & (TCPAUDIT_RST | TCPAUDIT_ACK)) != TCPAUDIT_RST &&
			    !(e->flags & TCPAUDIT_FIN && stands_behind_reset(h, i, e)))
				break;
			continue;
		}
		first = i;
	}
	return first;
}

/* Without ACK it is dropped by its receiver (RFC 9293 3.10.7.4 fifth), with numbers that do not fit (first) likewise: then it
 * is nobody's FIN. */
static bool is_fin(const struct event *e)
{
	return (e->flags & (TCPAUDIT_FIN | TCPAUDIT_ACK | TCPAUDIT_RST | TCPAUDIT_SYN)) == (TCPAUDIT_FIN | TCPAUDIT_ACK) &&
	       !(e->is & EVENT_STRAY);
}

/* A first FIN at a number where its sender was seen to have sent text, which the receiver acknowledged: unacceptable (RFC 9293
 * 3.10.7.4 first).  Where numbers went by unseen, or before the capture began, it may as well be a repeat of an earlier FIN. */
static bool is_behind(const struct history *h, const struct tcb end[2], const struct event *e)
{
	const struct tcb *sender = &end[e->from], *receiver = &end[!e->from];
	tcp_seq u = seq_add(e->seq, e->len);

	return is_fin(e) && !h->fin[e->from].sent && sender->bits & TCB_SEQ && !(sender->bits & (TCB_GAP | TCB_HOLE)) &&
	       receiver->bits & TCB_ACK && (sender->bits & TCB_LONG || seq_ge(u, sender->iss)) && seq_lt(u, sender->maxseq) &&
	       seq_lt(u, receiver->hiack);
}

static void note_fin(struct history *h, const struct tcb end[2], struct event *e)
{
	struct fin_facts *f = &h->fin[e->from];
	tcp_seq u = seq_add(e->seq, e->len);

	if (!f->sent) {
		const struct tcb *peer = &end[!e->from];
		f->sent = true;
		f->u = u;
		f->peer_edge = peer->bits & TCB_ACK;
		f->peer_redge = peer->redge;
		f->zero_window = peer->bits & TCB_ZERO_WINDOW;
		f->in_flight = f->peer_edge && seq_gt(u, peer->hiack) ? (uint32_t)seq_diff(u, peer->hiack) : 0;
		e->is |= EVENT_FIRST_FIN;
	}
	if (u == f->u && !(e->is & EVENT_DUPLICATE))
		f->copies++;
}

static bool acks_fin(const struct fin_facts *f, const struct event *e)
{
	return f->sent && e->flags & TCPAUDIT_ACK && !(e->is & (EVENT_STRAY | EVENT_REFUSAL)) && seq_gt(e->ack, f->u);
}

/* How far its sender's stream goes: it may have overtaken what is before it. */
static tcp_seq furthest(const struct tcb *sender, const struct event *e)
{
	return sender->bits & TCB_SEQ ? seq_max(sender->maxseq, e->seq) : e->seq;
}

/* Several taps, or a network that reorders, can show the acknowledgment of a FIN before the FIN: numbers decide. */
static void find_early_ack(struct history *h, const struct tcb end[2], int fin)
{
	struct fin_facts *f = &h->fin[h->event[fin].from];
	for (int i = 0; i < fin && f->acked < 0; i++) {
		const struct event *e = &h->event[i];
		if (e->from == h->event[fin].from || !event_acks_fin(h->event, i, f) ||
		    e->is & (EVENT_PREDATES | EVENT_STRAY | EVENT_REFUSAL))
			continue;
		f->acked = (int8_t)i;
		f->acked_time = e->time;
		f->peer_maxseq = furthest(&end[e->from], e);
	}
}

/* What the event at i says of the peer's FIN and of its sender's own. */
static void note_close(struct history *h, const struct tcb end[2], int i)
{
	const struct event *e = &h->event[i];
	struct fin_facts *own = &h->fin[e->from], *peer = &h->fin[!e->from];

	if (e->is & EVENT_FIRST_FIN) {
		own->first = (int8_t)i;
		find_early_ack(h, end, i);
	} else if (is_fin(e) && own->sent && seq_add(e->seq, e->len) != own->u && own->moved < 0)
		own->moved = (int8_t)i;
	if (own->sent && e->len && !(e->flags & TCPAUDIT_RST) && !(e->is & EVENT_STRAY) &&
	    seq_gt(seq_add(e->seq, e->len), own->u) && own->data_after < 0 && !(e->is & EVENT_PROBE) &&
	    !(e->len == 1 && e->seq == own->u))
		own->data_after = (int8_t)i;
	if (!acks_fin(peer, e))
		return;
	if (seq_gt(e->ack, seq_add(peer->u, 1)) && !(e->flags & TCPAUDIT_RST) && peer->acked_wrong < 0)
		peer->acked_wrong = (int8_t)i;
	if (peer->acked < 0) {
		peer->acked = (int8_t)i;
		peer->acked_time = e->time;
		peer->peer_maxseq = furthest(&end[e->from], e);
	}
}

void history_before_reset(struct history *h, const struct tcb end[2], const uint64_t text[2], const int64_t last_from[2], int64_t now,
                          struct trying trying)
{
	if (h->first_reset >= 0)
		return;
	if (!h->before_reset)
		h->before_reset = malloc(sizeof *h->before_reset);
	if (!h->before_reset)
		return;
	*h->before_reset = (struct before_reset){.unanswered = trying.unanswered,
	                                         .window_probes = trying.window_probes,
	                                         .tried = trying.since == INT64_MIN ? -1 : now - trying.since};
	for (int x = 0; x < 2; x++) {
		h->before_reset->nxt[x] = end[x].maxseq;
		h->before_reset->ack[x] = end[x].hiack;
		h->before_reset->redge[x] = end[x].redge;
		h->before_reset->bits[x] = end[x].bits;
		h->before_reset->tsval[x] = end[x].tsval;
		h->before_reset->text[x] = text[x];
		h->before_reset->ip_id[x] = end[x].ip_id;
		h->before_reset->since[x] = last_from[x] == INT64_MIN ? -1 : now - last_from[x];
	}
}

static void note_reset(struct history *h, int i)
{
	const struct event *e = &h->event[i];
	if (h->first_reset_any < 0)
		h->first_reset_any = (int8_t)i;
	if (e->is & EVENT_RST_EXACT && h->first_reset < 0)
		h->first_reset = (int8_t)i;
}

/* Did the reset end nothing, as `e` shows: an acknowledgment of what its sender sent behind it, or a later segment of its own? */
static bool survived(const struct history *h, const struct event *reset, const struct event *e)
{
	if (reset->from == e->from)
		return built_later(reset, e);
	if (h->before_reset->bits[reset->from] & TCB_SEQ && seq_le(e->ack, h->before_reset->nxt[reset->from]))
		return false;
	return seq_gt(e->ack, seq_add(reset->seq, 1));
}

/* Whoever sent the resets: an end that acknowledges what was sent behind them has not obeyed. */
static void note_survival(struct history *h, const struct event *e)
{
	if (h->first_reset < 0 || !h->before_reset || e->flags & (TCPAUDIT_RST | TCPAUDIT_SYN) || !(e->flags & TCPAUDIT_ACK) ||
	    e->is & (EVENT_STRAY | EVENT_DUPLICATE | EVENT_ACK_UNSENT))
		return;
	const struct event *first = &h->event[h->first_reset];
	if (first->from == e->from || first->is & EVENT_REFUSAL || !(h->before_reset->bits[first->from] & TCB_SEQ) ||
	    !survived(h, first, e))
		return;
	h->odd = true;
	h->first_reset = -1;
	for (int i = 0; i < h->count; i++) {
		struct event *o = &h->event[i];
		if (!(o->flags & TCPAUDIT_RST) || !(o->is & EVENT_RST_EXACT))
			continue;
		if (survived(h, o, e))
			o->is = (o->is & ~(uint32_t)EVENT_RST_EXACT) | EVENT_RST_SURVIVED | EVENT_STRAY;
		else if (h->first_reset < 0)
			h->first_reset = (int8_t)i;
	}
	if (h->first_reset < 0)
		return;
	free(h->before_reset); /* it is about another reset than this one */
	h->before_reset = NULL;
}

/* RCV.NXT never goes back: a server that acknowledges less than it has, in a segment that it built after its reset, has another block
 * since.  Behind SYN cookies whatever acknowledges the SYN-ACK makes one, also when it comes late, or again (RFC 4987 3.6).  Where the
 * reset was not captured, a FIN at a number that the stream has passed (`behind`), younger than the whole stream, tells the same. */
static bool is_of_another_block(const struct history *h, const struct tcb *server, const struct event *e, bool behind)
{
	const int reset = h->first_reset >= 0 ? h->first_reset : h->first_reset_any;

	if (e->from != TCPAUDIT_SERVER || (e->flags & (TCPAUDIT_ACK | TCPAUDIT_SYN | TCPAUDIT_RST)) != TCPAUDIT_ACK ||
	    !(server->bits & TCB_ACK) || !seq_lt(e->ack, server->hiack))
		return false;
	if (e->is & EVENT_TIMESTAMPS && seq_lt(e->tsval, server->tsval)) /* the path has swapped it with what acknowledges more */
		return false;
	return (reset >= 0 && h->event[reset].from == TCPAUDIT_SERVER && built_later(&h->event[reset], e)) ||
	       (behind && e->is & EVENT_TSVAL_FRESH);
}

static struct event event_of(const struct tcb end[2], const struct tcpaudit_segment *s, unsigned from, unsigned unusual)
{
	bool ts = s->options & TCPAUDIT_OPT_TIMESTAMPS, known = end[from].bits & TCB_SEQ;

	return (struct event){.time = s->time,
	                      .frame = s->frame,
	                      .seq = s->seq,
	                      .ack = s->ack,
	                      .len = s->len,
	                      .tsval = ts ? s->tsval : 0,
	                      .tsecr = ts ? s->tsecr : 0,
	                      .window = (uint32_t)s->window << (s->flags & TCPAUDIT_SYN ? 0 : end[from].wscale),
	                      .flags = s->flags,
	                      .input = s->input,
	                      .is = (ts ? EVENT_TIMESTAMPS : 0u) | (known ? 0u : EVENT_NXT_UNKNOWN) | id_bits(&end[from]),
	                      .ip_id = s->ip_id,
	                      .from = (uint8_t)from,
	                      .ttl = s->ttl,
	                      .options = s->options,
	                      .unusual = unusual,
	                      .nxt = known ? end[from].maxseq : s->seq};
}

bool history_witness(struct history *h, const struct tcb end[2], const struct tcpaudit_segment *s, unsigned from,
                     unsigned unusual)
{
	struct event e = event_of(end, s, from, unusual);

	if (h->count >= HISTORY_MOST - HISTORY_RESERVE)
		return false;
	e.is |= EVENT_STRAY;
	h->odd = true;
	h->unusual |= unusual;
	return history_append(h, &e) >= 0;
}

bool history_add(struct history *h, const struct tcb end[2], const struct tcpaudit_segment *s, unsigned from,
                 struct sent *sent, unsigned extra, unsigned unusual)
{
	struct event e = event_of(end, s, from, unusual);
	struct fin_facts *peer = &h->fin[!from];
	int overtaken_by = -1;

	e.is = event_bits(end, s, from, sent, h) | extra;
	sent->duplicate |= seen_before(h, &e);
	if (sent->duplicate)
		e.is |= EVENT_DUPLICATE;
	else
		overtaken_by = overtaker(h, &e);
	if (!sent->duplicate && may_be_copy(h, &end[from], &e))
		e.is |= EVENT_MAY_BE_COPY;
	if (acks_fin(peer, &e) && sent->new_text) {
		peer->peer_text += sent->fresh;
		peer->peer_last = s->time;
	}
	const struct fin_facts *own = &h->fin[from];
	if (own->acked >= 0 && s->flags & TCPAUDIT_ACK && !(e.is & (EVENT_STRAY | EVENT_ACK_UNSENT)) &&
	    !(h->event[own->acked].flags & TCPAUDIT_RST) && /* from CLOSED, it may overtake text that was built before */
	    seq_gt(s->ack, own->peer_maxseq))
		e.is |= EVENT_KNOWS_ACK;
	bool behind = is_behind(h, end, &e), another = is_of_another_block(h, &end[TCPAUDIT_SERVER], &e, behind);
	if (another || behind)
		e.is |= EVENT_STRAY;
	if (is_fin(&e))
		note_fin(h, end, &e);
	h->odd |= e.is & (EVENT_STRAY | EVENT_REPEAT | EVENT_DUPLICATE | EVENT_ACK_UNSENT) || overtaken_by >= 0 ||
	          s->flags & TCPAUDIT_SYN;
	h->unusual |= unusual;
	h->seen |= (uint16_t)(s->flags & 0xff) | (uint16_t)(s->flags & TCPAUDIT_ACK ? 0 : (s->flags & 0xff) << 8);
	if (s->flags & TCPAUDIT_RST && !sent->duplicate)
		h->resets[from]++;
	note_survival(h, &e);
	bool first = e.is & EVENT_FIRST_FIN || (peer->acked < 0 && acks_fin(peer, &e)) ||
	             (e.is & EVENT_RST_EXACT && h->first_reset < 0);
	if (!first && !history_has_place(h, &e)) {
		h->dropped += h->dropped < UINT16_MAX;
		return false;
	}
	/* a FIN counts from where it was built; of other stragglers it is enough to know that they are */
	bool early_fin = overtaken_by >= 0 && s->flags & TCPAUDIT_FIN;
	if (early_fin)
		overtaken_by = overtaker(h, &e); /* what stands before it may have become less */
	early_fin &= overtaken_by >= 0;
	if (overtaken_by >= 0 && !early_fin)
		e.is |= EVENT_REORDERED;
	/* refused, tried again and accepted: the refusal ended nothing (RFC 9293 3.10.7.3, RFC 3168 6.1.1.1) */
	if (s->flags & TCPAUDIT_SYN && s->flags & TCPAUDIT_ACK && !(e.is & EVENT_STRAY) && h->first_reset >= 0 &&
	    h->event[h->first_reset].is & EVENT_REFUSAL && h->event[h->first_reset].from == from)
		h->first_reset = -1;
	int i = early_fin ? history_insert(h, &e, overtaken_by) : history_append(h, &e);
	if (i < 0)
		return false;
	note_close(h, end, i);
	if (behind && !another && !sent->duplicate && h->fin[from].behind < 0)
		h->fin[from].behind = (int8_t)i;
	if (s->flags & TCPAUDIT_RST)
		note_reset(h, i);
	return true;
}

void history_add_copy(struct history *h, const struct tcb end[2], const struct tcpaudit_segment *s, unsigned from)
{
	struct event e = event_of(end, s, from, 0);

	for (int i = h->count - 1; i >= 0; i--) {
		if (!history_is_alike(&h->event[i], &e) || h->event[i].input == e.input)
			continue;
		e.is |= EVENT_DUPLICATE | EVENT_REPEAT;
		h->copies_dropped |= !history_has_place(h, &e) || history_append(h, &e) < 0;
		return;
	}
}

/* They ended another attempt, if any: the first effective reset is one behind that event. */
static void forget_resets_before(struct history *h, int at)
{
	if (h->first_reset < 0 || h->first_reset > at)
		return;
	h->first_reset = -1;
	for (int i = at + 1; i < h->count && h->first_reset < 0; i++)
		if (h->event[i].flags & TCPAUDIT_RST && h->event[i].is & EVENT_RST_EXACT)
			h->first_reset = (int8_t)i;
}

const struct event *history_take_syn_ack(struct history *h, tcp_seq iss)
{
	const struct event *first = NULL;

	for (int i = 0; i < h->count; i++) {
		struct event *e = &h->event[i];
		if (e->from != TCPAUDIT_SERVER || (e->flags & SYN_ACK) != SYN_ACK)
			continue;
		if (e->seq != iss) {
			e->is |= EVENT_STRAY;
			continue;
		}
		/* what it was held against was the other stream */
		e->is &= ~(uint32_t)(EVENT_STRAY | EVENT_REPEAT | EVENT_NEW_TEXT | EVENT_PROBE);
		e->is |= first ? EVENT_REPEAT : EVENT_NXT_UNKNOWN;
		e->nxt = first ? event_end(e) : e->seq;
		first = first ? first : e;
	}
	h->odd = true;
	if (first)
		forget_resets_before(h, (int)(first - h->event));
	return first;
}

/* Did its sender send it before, or build it before what stands here already? */
static bool repeats_or_lags(const struct history *h, const struct event *e)
{
	const struct event *newest = NULL;

	for (int i = h->count - 1; i >= 0 && !newest; i--)
		if (h->event[i].from == e->from && !(h->event[i].is & EVENT_PREDATES))
			newest = &h->event[i];
	return newest && (built_before(e, newest) || seen_before(h, e));
}

void history_put_plain(struct history *h, const struct tcb end[2], struct event *e)
{
	struct fin_facts *own = &h->fin[e->from], *peer = &h->fin[!e->from];

	if (e->len)
		e->is |= EVENT_NEW_TEXT;
	if (own->acked >= 0 && seq_gt(e->ack, own->peer_maxseq))
		e->is |= EVENT_KNOWS_ACK;
	if (e->len && acks_fin(peer, e)) {
		peer->peer_text += e->len;
		peer->peer_last = e->time;
	}
	if (e->flags & TCPAUDIT_FIN)
		note_fin(h, end, e);
	h->seen |= e->flags & 0xff;
	note_close(h, end, history_append(h, e));
}

bool history_add_plain(struct history *h, const struct tcb end[2], const struct tcpaudit_segment *s, unsigned from)
{
	struct fin_facts *own = &h->fin[from], *peer = &h->fin[!from];
	bool acks = peer->sent && seq_gt(s->ack, peer->u), fin = s->flags & TCPAUDIT_FIN;

	if (h->count >= HISTORY_INLINE || h->odd || h->first_reset_any >= 0 || (own->sent && (s->len || fin)) ||
	    (acks && s->ack != seq_add(peer->u, 1)))
		return false;
	struct event e = event_of(end, s, from, 0);
	if (e.is & EVENT_TIMESTAMPS && seq_gt(s->tsval, end[from].tsval))
		e.is |= EVENT_TSVAL_FRESH;
	if (repeats_or_lags(h, &e) || may_be_copy(h, &end[from], &e))
		return false;
	history_put_plain(h, end, &e);
	return true;
}
