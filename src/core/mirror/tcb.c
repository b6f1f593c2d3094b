/* tcb.c - one end's variables, kept from the segments that it sends (RFC 9293 3.3.1).
 *
 * tcb_judge() says what a segment is, tcb_sent() takes it into account; which states follow is mirror.c's business. */
#include "tcb.h"

#include <string.h>

/* A sequence number this far above everything known belongs to something else, or to a capture with a long gap. */
#define SLACK 65536u
/* Old text may come again this far back. */
#define BACK (1u << 30)

_Static_assert(sizeof(struct tcb) == 48, "two of them are most of a connection");

void tcb_open(struct tcb *tcb, const struct tcpaudit_segment *s)
{
	tcb->iss = s->seq;
	tcb->maxseq = s->seq;
	tcb->bits |= TCB_SEQ;
	tcb->ttl = s->ttl;
	if (s->flags & TCPAUDIT_SYN)
		tcb->bits |= TCB_ISS;
	else if (s->flags & TCPAUDIT_RST)
		tcb->bits &= ~(uint32_t)TCB_SEQ; /* a reset of a host without state says nothing of a stream */
}

/* Where the peer's window ends for this sender, as far as we saw; without the scale, the widest it can be. */
static tcp_seq right_edge(const struct tcb *tcb, const struct tcb *peer)
{
	tcp_seq edge = tcb->maxseq;
	if (peer->bits & TCB_ACK)
		edge = seq_max(edge, peer->redge);
	return seq_add(edge, SLACK);
}

/* Nothing of a stream lies before its ISS; of a long one, or one whose beginning was not seen, not further back than BACK. */
static bool not_before(const struct tcb *tcb, tcp_seq number)
{
	if (tcb_begins_at_iss(tcb))
		return seq_ge(number, tcb->iss);
	return seq_diff(tcb->maxseq, number) <= (int32_t)BACK;
}

static bool sequence_fits(const struct tcb *tcb, const struct tcb *peer, const struct tcpaudit_segment *s)
{
	if (!(tcb->bits & TCB_SEQ))
		return true;
	if (seq_gt(s->seq, tcb->maxseq))
		return seq_le(s->seq, right_edge(tcb, peer));
	return not_before(tcb, s->seq);
}

static bool acknowledgment_fits(const struct tcb *tcb, const struct tcb *peer, const struct tcpaudit_segment *s)
{
	if (!(s->flags & TCPAUDIT_ACK) || s->flags & TCPAUDIT_RST || !(peer->bits & TCB_SEQ))
		return true;
	if (seq_gt(s->ack, peer->maxseq))
		return seq_le(s->ack, right_edge(peer, tcb));
	return not_before(peer, s->ack);
}

/* A keep-alive repeats SND.NXT-1 (RFC 9293 3.8.4); a window probe sends at most one octet at a closed window's edge
 * (3.8.6.1), Linux' one none at all at SND.UNA-1. */
static bool is_probe(const struct tcb *tcb, const struct tcb *peer, const struct tcpaudit_segment *s)
{
	if (s->len > 1 || s->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST) || !(tcb->bits & TCB_SEQ))
		return false;
	if (s->seq == seq_add(tcb->maxseq, (uint32_t)-1))
		return true;
	if (!(peer->bits & TCB_ACK))
		return false;
	if (s->len == 1 && s->seq == peer->hiack && peer->bits & TCB_ZERO_WINDOW)
		return true;
	return s->len == 0 && s->seq == seq_add(peer->hiack, (uint32_t)-1);
}

static bool reaches_hole(const struct tcb_rare *rare, tcp_seq low, tcp_seq high)
{
	for (uint32_t i = 0; i < rare->holes; i++)
		if (seq_lt(low, rare->hole[i].high) && seq_gt(high, rare->hole[i].low))
			return true;
	return false;
}

struct sent tcb_judge(const struct tcb *tcb, const struct tcb_rare *rare, const struct tcb *peer,
                      const struct tcpaudit_segment *s, int64_t since_last)
{
	struct sent is = {.end = segment_end(s)};
	uint32_t occupies = s->len + !!(s->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN));

	bool old = tcb->bits & TCB_SEQ && seq_le(is.end, tcb->maxseq); /* a copy brings nothing new */
	bool forwarded = !s->ip_id && since_last <= FORWARDED_WITHIN &&
	                 (hop_apart(s->ttl, tcb->ttl) || (tcb_first_outbound(tcb, s) && !(tcb->bits & TCB_NAME_USED)));
	if ((old || s->flags & TCPAUDIT_RST) && tcb->packets && since_last <= 2000000 && tcb->fingerprint == tcb_fingerprint(s) &&
	    (s->ip_id || forwarded || (occupies == 0 && s->options & TCPAUDIT_OPT_TIMESTAMPS && since_last <= 50000)))
		is.duplicate = true;
	is.leaps = tcb_id_leaps(tcb, s, since_last);
	is.fits = sequence_fits(tcb, peer, s) && acknowledgment_fits(tcb, peer, s);
	if (!(tcb->bits & TCB_SEQ)) {
		is.new_text = s->len > 0;
		is.fresh = s->len;
		return is;
	}
	is.probe = is_probe(tcb, peer, s);
	if (seq_gt(is.end, tcb->maxseq)) {
		uint32_t above = (uint32_t)seq_diff(is.end, tcb->maxseq) - !!(s->flags & (TCPAUDIT_FIN | TCPAUDIT_SYN));
		is.fresh = above < s->len ? above : s->len;
		is.new_text = is.fresh > 0 && !is.probe;
	} else {
		is.repeat = occupies > 0 && !is.probe;
	}
	if (s->flags & TCPAUDIT_ACK && peer->bits & TCB_SEQ)
		is.ack_unsent = seq_gt(s->ack, peer->maxseq);
	is.fills_hole = tcb->bits & TCB_HOLE && rare && s->len && reaches_hole(rare, s->seq, is.end);
	if (is.fills_hole)
		is.repeat = false;
	if (s->options & TCPAUDIT_OPT_TIMESTAMPS && tcb->tsval)
		is.reordered = seq_lt(s->tsval, tcb->tsval);
	else if (seq_lt(s->seq, tcb->maxseq) && s->ip_id && tcb->ip_id && !(tcb->bits & TCB_ID_LEAPS))
		is.reordered = (uint16_t)(tcb->ip_id - s->ip_id - 1) < 255;
	is.reordered |= is.repeat && forwarded; /* nobody repeats that soon what he has just sent: others came in between */
	return is;
}

static void note_window(struct tcb *tcb, const struct tcpaudit_segment *s)
{
	uint32_t window = (uint32_t)s->window << (s->flags & TCPAUDIT_SYN ? 0 : tcb->wscale);
	tcp_seq edge = seq_add(s->ack, window);

	if (!(tcb->bits & TCB_ACK)) {
		tcb->hiack = s->ack;
		tcb->redge = edge;
		tcb->bits |= TCB_ACK;
	}
	if (seq_ge(s->ack, tcb->hiack)) {
		tcb->hiack = s->ack;
		tcb->bits = window ? tcb->bits & ~(uint32_t)TCB_ZERO_WINDOW : tcb->bits | TCB_ZERO_WINDOW;
	}
	tcb->redge = seq_max(tcb->redge, edge);
}

void tcb_options(struct tcb *tcb, const struct tcpaudit_segment *s)
{
	if (s->options & TCPAUDIT_OPT_TIMESTAMPS)
		tcb->bits |= TCB_TS;
	if (s->options & TCPAUDIT_OPT_SACK_PERMITTED)
		tcb->bits |= TCB_SACK;
	if (s->options & (TCPAUDIT_OPT_MD5 | TCPAUDIT_OPT_AO))
		tcb->bits |= TCB_SIGNED;
	if (s->options & TCPAUDIT_OPT_MSS)
		tcb->mss = s->mss;
	tcb->bits |= tcb_ecn_bits(s);
	if (s->options & TCPAUDIT_OPT_WSCALE) {
		tcb->bits |= TCB_WSCALE;
		tcb->wscale = s->wscale > 14 ? 14 : s->wscale; /* RFC 7323 2.3 */
	}
}

/* A count of 32 bits and what it carries over; without memory for that it stays at its highest. */
static void add(uint32_t *low, uint32_t *high, uint32_t more)
{
	if (!__builtin_add_overflow(*low, more, low))
		return;
	if (high)
		++*high;
	else
		*low = UINT32_MAX;
}

void tcb_add_text(struct tcb *tcb, struct tcb_rare *rare, uint32_t octets)
{
	add(&tcb->text, rare ? &rare->text_high : NULL, octets);
	tcb->bits |= tcb->text >= BACK ? TCB_LONG : 0;
}

bool tcb_needs_rare(const struct tcb *tcb, const struct tcpaudit_segment *s, const struct sent *is)
{
	uint32_t sum;

	return is->repeat || (tcb->bits & TCB_SEQ && seq_gt(s->seq, tcb->maxseq)) || tcb->packets == UINT32_MAX ||
	       __builtin_add_overflow(tcb->bytes, s->wirelen, &sum) || __builtin_add_overflow(tcb->text, is->fresh, &sum) ||
	       (is->new_text && s->options & TCPAUDIT_OPT_TIMESTAMPS && tcb->tsval && seq_gt(tcb->tsval, s->tsval) &&
	        (uint32_t)seq_diff(tcb->tsval, s->tsval) >= TEXT_FAR_BEHIND);
}

/* Where the TSval of its newest new text is remembered.  Without memory for one that is far behind, it is not known any more. */
static void remember_text_tsval(struct tcb *tcb, struct tcb_rare *rare, uint32_t tsval)
{
	uint32_t behind = (uint32_t)seq_diff(tcb->tsval, tsval);

	tcb->bits |= TCB_TEXT_TS;
	if (behind < TEXT_FAR_BEHIND) {
		tcb->text_behind = (uint16_t)behind;
	} else if (rare) {
		tcb->text_behind = TEXT_FAR_BEHIND;
		rare->text_tsval = tsval;
	} else {
		tcb->bits &= ~(uint32_t)TCB_TEXT_TS;
		tcb->text_behind = 0;
	}
}

/* What was said with text that is long past is not held against what comes: it would need memory on each idle connection. */
static void note_tsval(struct tcb *tcb, uint32_t tsval)
{
	if (tcb->tsval && !seq_gt(tsval, tcb->tsval))
		return;
	uint32_t behind = tcb_text_behind(tcb, tsval);
	if (behind >= TEXT_FAR_BEHIND)
		tcb->bits &= ~(uint32_t)TCB_TEXT_TS;
	tcb->text_behind = tcb->bits & TCB_TEXT_TS ? (uint16_t)behind : 0;
	tcb->tsval = tsval;
}

static void remove_hole(struct tcb *tcb, struct tcb_rare *rare, uint32_t at)
{
	rare->holes--;
	memmove(&rare->hole[at], &rare->hole[at + 1], (rare->holes - at) * sizeof rare->hole[0]);
	tcb->bits &= rare->holes ? ~0u : ~(uint32_t)TCB_HOLE;
}

/* Above all that there are.  One too many is taken together with the last one, and the text between them is missing, too. */
static void add_hole(struct tcb *tcb, struct tcb_rare *rare, tcp_seq low, tcp_seq high)
{
	if (!(tcb->bits & TCB_HOLE))
		rare->holes = 0;
	if (rare->holes < HOLES)
		rare->hole[rare->holes++] = (struct hole){low, high};
	else
		rare->hole[HOLES - 1].high = high;
	tcb->bits |= TCB_HOLE;
}

/* What is from low to high came after all.  From the middle of one it makes two, if there is room. */
static void fill_holes(struct tcb *tcb, struct tcb_rare *rare, tcp_seq low, tcp_seq high)
{
	for (uint32_t i = 0; i < rare->holes; i++) {
		struct hole *h = &rare->hole[i];
		if (!seq_lt(low, h->high) || !seq_gt(high, h->low))
			continue;
		if (seq_le(low, h->low) && seq_ge(high, h->high)) {
			remove_hole(tcb, rare, i--);
		} else if (seq_le(low, h->low)) {
			h->low = high;
		} else if (seq_ge(high, h->high)) {
			h->high = low;
		} else if (rare->holes < HOLES) {
			memmove(h + 1, h, (rare->holes++ - i) * sizeof *h);
			h[0].high = low;
			h[1].low = high;
			return;
		}
	}
}

bool tcb_passes_holes(struct tcb *tcb, struct tcb_rare *rare, tcp_seq ack)
{
	bool any = false;

	while (tcb->bits & TCB_HOLE && seq_lt(rare->hole[0].low, ack)) {
		any = true;
		if (seq_gt(rare->hole[0].high, ack))
			rare->hole[0].low = ack;
		else
			remove_hole(tcb, rare, 0);
	}
	return any;
}

/* A FIN's number may be all that was missing.  What was jumped over had been taken for text. */
static void fill_with_fin(struct tcb *tcb, struct tcb_rare *rare, tcp_seq low, tcp_seq fin)
{
	const tcp_seq end = seq_add(fin, 1);
	bool missing = reaches_hole(rare, fin, end);

	fill_holes(tcb, rare, low, end);
	if (!missing || reaches_hole(rare, fin, end))
		return;
	rare->text_high -= tcb->text == 0 && rare->text_high;
	tcb->text--;
}

static void follow_hole(struct tcb *tcb, struct tcb_rare *rare, const struct tcpaudit_segment *s, const struct sent *is)
{
	if (seq_gt(s->seq, tcb->maxseq)) {
		tcb->bits |= s->len ? 0 : TCB_ENDS_UNSEEN;
		tcb_add_text(tcb, rare, (uint32_t)seq_diff(s->seq, tcb->maxseq));
		if (!rare) {
			tcb->bits |= TCB_GAP;
			return;
		}
		add_hole(tcb, rare, tcb->maxseq, s->seq);
	} else if (tcb->bits & TCB_HOLE && rare && s->flags & TCPAUDIT_FIN) {
		fill_with_fin(tcb, rare, s->seq, seq_add(s->seq, s->len));
	} else if (is->fills_hole && rare) {
		fill_holes(tcb, rare, s->seq, seq_add(s->seq, s->len));
	}
}

void tcb_sent(struct tcb *tcb, struct tcb_rare *rare, struct tcb *peer, const struct tcpaudit_segment *s, const struct sent *is,
              bool numbers)
{
	const uint32_t outbound = s->flags & TCPAUDIT_RST && tcb_first_outbound(tcb, s) ? TCB_NAME_USED : TCB_OUTBOUND;

	add(&tcb->packets, rare ? &rare->packets_high : NULL, 1);
	add(&tcb->bytes, rare ? &rare->bytes_high : NULL, s->wirelen);
	tcb->fingerprint = tcb_fingerprint(s);
	tcb->bits |= is->leaps ? TCB_ID_LEAPS : 0;
	if (!is->reordered)
		tcb->ip_id = s->ip_id;
	if (s->noticed & TCPAUDIT_SAW_OUTBOUND)
		tcb->bits |= outbound;
	if (s->noticed & TCPAUDIT_SAW_OPTIONS_CUT)
		tcb->bits |= TCB_OPTIONS_CUT;
	if (!numbers)
		return;
	if (s->flags & TCPAUDIT_SYN)
		tcb_options(tcb, s);
	if (s->options & TCPAUDIT_OPT_TIMESTAMPS)
		note_tsval(tcb, s->tsval);
	if (s->flags & TCPAUDIT_RST)
		return; /* its numbers may be another's, and its text is no part of the stream */
	if (!(tcb->bits & TCB_SEQ))
		tcb_open(tcb, s);
	if (is->repeat && !is->reordered && !is->duplicate) {
		tcb->bits |= TCB_REPEATED;
		if (rare)
			rare->retransmissions++;
	}
	if (s->len && !is->probe && seq_ge(seq_add(s->seq, s->len), tcb->maxseq))
		tcb->bits &= ~(uint32_t)TCB_ENDS_UNSEEN;
	if (!is->probe)
		follow_hole(tcb, rare, s, is);
	if (is->new_text) {
		tcb->bits |= s->flags & TCPAUDIT_SYN ? TCB_TEXT : TCB_TEXT | TCB_TEXT_BEHIND_SYN;
		tcb_add_text(tcb, rare, is->fresh);
		if (s->options & TCPAUDIT_OPT_TIMESTAMPS)
			remember_text_tsval(tcb, rare, s->tsval);
		if (peer->mss && s->len > peer->mss)
			tcb->bits |= TCB_BIG;
	}
	if (!is->probe)
		tcb->maxseq = seq_max(tcb->maxseq, is->end);
	if (s->flags & TCPAUDIT_ACK)
		note_window(tcb, s);
	tcb->bits &= ~(uint32_t)TCB_STRAY;
}
