/* unusual.c - finds what is unusual about one segment (the conditions of the checks that go by single segments). */
#include "unusual.h"

#define SYN_ONLY (TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_WSCALE | TCPAUDIT_OPT_SACK_PERMITTED | TCPAUDIT_OPT_FAST_OPEN)

/* RFC 9293 MUST-15, MUST-16: what may be sent to an end that announced no MSS. */
static uint32_t default_mss(const struct tcpaudit_segment *s)
{
	return s->ip_version == 4 ? 536 : 1220;
}

static bool whole_options(const struct tcpaudit_segment *s)
{
	return !(s->noticed & TCPAUDIT_SAW_OPTIONS_CUT) && !(s->options & TCPAUDIT_OPT_BROKEN);
}

/* RFC 9293 3.9.2.3, MUST-57, MUST-63.  What is neither multicast nor broadcast but reserved, 240.0.0.0/4, can be a host's: Linux takes
 * it, and networks use it inside. */
static bool is_multicast(const struct tcpaudit_segment *s, const struct tcpaudit_address *a)
{
	if (s->ip_version == 6)
		return a->byte[0] == 0xff;
	return (a->byte[0] & 0xf0) == 224 || (a->byte[0] & a->byte[1] & a->byte[2] & a->byte[3]) == 255;
}

static bool is_unspecified(const struct tcpaudit_segment *s, const struct tcpaudit_address *a)
{
	if (s->ip_version == 4)
		return a->byte[0] == 0;
	for (size_t i = 0; i < sizeof a->byte; i++)
		if (a->byte[i])
			return false;
	return true;
}

static bool same_address(const struct tcpaudit_address *a, const struct tcpaudit_address *b)
{
	for (size_t i = 0; i < sizeof a->byte; i++)
		if (a->byte[i] != b->byte[i])
			return false;
	return true;
}

static unsigned flags_and_addresses(const struct tcpaudit_segment *s)
{
	const uint16_t purpose = TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST | TCPAUDIT_FIN;
	unsigned is = 0;

	if ((s->flags & TCPAUDIT_SYN && s->flags & (TCPAUDIT_FIN | TCPAUDIT_RST)) || !(s->flags & purpose))
		is |= UNUSUAL_SYN_FLAGS;
	if (s->flags & TCPAUDIT_RESERVED)
		is |= UNUSUAL_RESERVED;
	if (s->flags & TCPAUDIT_SYN && s->src_port == s->dst_port && same_address(&s->src, &s->dst))
		is |= UNUSUAL_SELF;
	if (s->flags & TCPAUDIT_SYN && (is_multicast(s, &s->dst) || is_multicast(s, &s->src) || is_unspecified(s, &s->src)))
		is |= UNUSUAL_ADDRESS;
	return is;
}

/* RFC 3168 6.1.1, RFC 9768 3.1: ECE without CWR on a SYN-ACK answers a SYN with both; both on it are a broken reflection. */
static bool ecn_answer_refuted(const struct connection *c, const struct tcpaudit_segment *s)
{
	const uint16_t both = TCPAUDIT_ECE | TCPAUDIT_CWR;

	if (!connection_marked(c, MARK_SYN) || s->flags & TCPAUDIT_AE || c->end[TCPAUDIT_CLIENT].bits & TCB_ACCURATE_ECN)
		return false;
	if ((s->flags & both) == both)
		return true;
	return (s->flags & both) == TCPAUDIT_ECE && !(c->end[TCPAUDIT_CLIENT].bits & TCB_ECN_SETUP);
}

static unsigned odd_options(const struct tcpaudit_segment *s)
{
	return (s->options & TCPAUDIT_OPT_WSCALE && s->wscale > 14 ? UNUSUAL_SCALE : 0u) |
	       (s->options & TCPAUDIT_OPT_MSS && s->mss < 64 ? UNUSUAL_MSS : 0u);
}

static unsigned on_syn(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *peer = &c->end[!from];
	unsigned is = odd_options(s);

	if (s->len)
		is |= UNUSUAL_SYN_TEXT;
	if (!(s->flags & TCPAUDIT_ACK) || from != TCPAUDIT_SERVER || !connection_marked(c, MARK_SYN))
		return is;
	if ((s->options & TCPAUDIT_OPT_WSCALE && !(peer->bits & TCB_WSCALE)) ||
	    (s->options & TCPAUDIT_OPT_TIMESTAMPS && !(peer->bits & TCB_TS)))
		is |= UNUSUAL_UNOFFERED;
	if (ecn_answer_refuted(c, s))
		is |= UNUSUAL_ECN_SETUP;
	if (seq_le(s->ack, peer->iss) || seq_gt(s->ack, peer->maxseq))
		is |= UNUSUAL_SYN_ACK_NUMBER;
	else if (c->end[from].bits & TCB_ISS && s->seq != c->end[from].iss &&
	         (s->ack == seq_add(peer->iss, 1) || !(c->entry.bits & CONN_ESTABLISHED)))
		is |= UNUSUAL_ISS_CHANGED;
	return is;
}

/* RFC 9293 3.10.7.3: behind a SYN-ACK the client sends <SEQ=SND.NXT><ACK=RCV.NXT>. */
static bool third_is_wrong(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];

	if (from != TCPAUDIT_CLIENT || connection_marked(c, MARK_ACK) || !connection_marked(c, MARK_SYN) ||
	    !connection_marked(c, MARK_SYN_ACK) || !(s->flags & TCPAUDIT_ACK))
		return false;
	return seq_le(s->ack, peer->iss) || seq_gt(s->ack, peer->maxseq) || (!s->len && s->seq != own->maxseq);
}

/* Not an older segment that was delayed: IP identifications say so, where there are any. */
static bool built_behind(const struct tcb *tcb, const struct tcpaudit_segment *s)
{
	return !s->ip_id || !tcb->ip_id || tcb->bits & TCB_ID_LEAPS || (uint16_t)(s->ip_id - tcb->ip_id - 1) < 255;
}

/* RFC 7413 4.2.2: text of the SYN that was not acknowledged is sent again, first of all. */
static bool skips_syn_text(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];

	return from == TCPAUDIT_CLIENT && own->bits & TCB_ISS && own->bits & TCB_TEXT && !(own->bits & TCB_TEXT_BEHIND_SYN) &&
	       peer->bits & TCB_ACK && peer->hiack == seq_add(own->iss, 1) && seq_ge(s->seq, own->maxseq);
}

#define FAR (1u << 24) /* octets: further than any window has moved since it was captured */

/* What nobody can have sent: before the ISS, or far beyond the window that the block's own sender offers. */
static bool is_far_off(const struct connection *c, const struct tcpaudit_segment *s, unsigned from, tcp_seq low, tcp_seq high)
{
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];
	tcp_seq edge = seq_add(s->ack, (uint32_t)s->window << own->wscale);

	if (own->bits & TCB_ACK)
		edge = seq_max(edge, own->redge);
	return tcb_begins_at_iss(peer) && (seq_lt(low, peer->iss) || seq_gt(high, seq_add(edge, FAR)));
}

/* RFC 2018 3, RFC 2883 4: a block is text that arrived above a hole; only the first may name what came twice, below the acknowledgment.
 * What is above all that was seen of the peer is no fault: the capture may have missed it. */
int unusual_block(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	for (int i = 0; i < s->sack_count; i++) {
		tcp_seq low = s->sack[i][0], high = s->sack[i][1];
		if (!seq_lt(low, high) || (i && seq_le(high, s->ack)) || is_far_off(c, s, from, low, high))
			return i;
	}
	return -1;
}

/* RFC 2018 4: a SYN permits it, and that was captured. */
static bool sack_is_unasked(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	return s->sack_count && !(c->end[!from].bits & (TCB_SACK | TCB_OPTIONS_CUT)) &&
	       connection_marked(c, from == TCPAUDIT_SERVER ? MARK_SYN : MARK_SYN_ACK);
}

/* RCV.NXT never decreases (RFC 9293 3.10.7.4 seventh), and only the timestamp tells which of two segments was built later.  Behind a
 * reset, or made by a SYN cookie (RFC 4987 3.6), there is another block that knows of nothing but the handshake: where the ISS is not
 * known, any number may be its. */
static bool ack_regresses(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];

	return s->flags & TCPAUDIT_ACK && own->bits & TCB_ACK && s->options & TCPAUDIT_OPT_TIMESTAMPS && own->tsval &&
	       seq_gt(s->tsval, own->tsval) && seq_lt(s->ack, own->hiack) && !(c->entry.bits & CONN_RST) && peer->bits & TCB_ISS &&
	       s->ack != seq_add(peer->iss, 1);
}

#define KEEP_ALIVE_APART 900000000 /* ns: no keep-alive comes sooner; an acknowledgment that one octet of text has overtaken does */

/* RFC 9293 3.8.4 MUST-26.  Without text: one octet may be repeated text.  Linux probes a window at SND.UNA-1, which is elsewhere.  And
 * the number before a FIN is any acknowledgment's that the FIN has overtaken. */
static bool is_keep_alive_amid(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];

	return !s->len && s->seq == seq_add(own->maxseq, (uint32_t)-1) && peer->bits & TCB_ACK && seq_lt(peer->hiack, own->maxseq) &&
	       !(c->entry.bits & CONN_FIN) && s->time - c->last_from[from] >= KEEP_ALIVE_APART;
}

static unsigned synchronized_behind_syn(const struct connection *c, const struct tcpaudit_segment *s, unsigned from,
                                        const struct sent *sent)
{
	unsigned is = 0;

	if (!(s->flags & TCPAUDIT_ACK))
		is |= UNUSUAL_NO_ACK;
	if (!sent->fits || !whole_options(s))
		return is;
	if (unusual_block(c, s, from) >= 0)
		is |= UNUSUAL_SACK;
	if (c->entry.bits & CONN_ESTABLISHED && sack_is_unasked(c, s, from))
		is |= UNUSUAL_SACK_UNASKED;
	if (ack_regresses(c, s, from))
		is |= UNUSUAL_ACK_REGRESS;
	if (sent->probe && is_keep_alive_amid(c, s, from))
		is |= UNUSUAL_KEEP_ALIVE;
	return is;
}

static unsigned behind_syn(const struct connection *c, const struct tcpaudit_segment *s, unsigned from, const struct sent *sent)
{
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];
	unsigned is = c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM) ? synchronized_behind_syn(c, s, from, sent) : 0;

	if (s->options & TCPAUDIT_OPT_MP_FASTCLOSE)
		is |= UNUSUAL_FAST_CLOSE;
	if (s->options & SYN_ONLY)
		is |= UNUSUAL_LATE_OPTION;
	if (c->entry.bits & CONN_ESTABLISHED && own->bits & peer->bits & TCB_TS && whole_options(s)) {
		if (!(s->options & TCPAUDIT_OPT_TIMESTAMPS))
			is |= tcb_stamps_vary(c->end) ? 0 : UNUSUAL_TS_MISSING;
		else if (sent->new_text && own->bits & TCB_TEXT_TS && seq_ge(s->seq, own->maxseq) &&
		         seq_lt(s->tsval, tcb_text_tsval(own, connection_rare(c, from))) && built_behind(own, s))
			is |= UNUSUAL_TS_REGRESS;
	}
	if (sent->ack_unsent)
		is |= UNUSUAL_ACK_UNSENT;
	if (sent->new_text && !peer->mss && s->len > default_mss(s) &&
	    connection_marked(c, from == TCPAUDIT_SERVER ? MARK_SYN : MARK_SYN_ACK))
		is |= UNUSUAL_MSS;
	if (from == TCPAUDIT_SERVER && (c->entry.bits & (CONN_SYN | CONN_SYN_ACK | CONN_ESTABLISHED)) == CONN_SYN &&
	    s->flags & TCPAUDIT_ACK)
		is |= UNUSUAL_TO_SYN_SENT;
	if (sent->new_text && skips_syn_text(c, s, from))
		is |= UNUSUAL_TEXT_SKIPPED;
	if (sent->repeat && s->len && c->entry.bits & CONN_SYN_REPEATED && from == TCPAUDIT_CLIENT &&
	    s->time - c->last_from[from] < 2700000000)
		is |= UNUSUAL_EARLY_REPEAT;
	if (third_is_wrong(c, s, from))
		is |= UNUSUAL_THIRD_ACK;
	return is;
}

unsigned unusual_syn(const struct tcpaudit_segment *s)
{
	return flags_and_addresses(s) | odd_options(s);
}

unsigned unusual_segment(const struct connection *c, const struct tcpaudit_segment *s, unsigned from, const struct sent *sent)
{
	unsigned is = flags_and_addresses(s);

	if (s->flags & TCPAUDIT_RST)
		return is;
	if (s->flags & TCPAUDIT_SYN)
		return is | (s->flags & TCPAUDIT_FIN ? 0 : on_syn(c, s, from));
	return is | behind_syn(c, s, from, sent);
}
