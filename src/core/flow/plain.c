/* plain.c - the short way: the handshake, text in order, and the close, as long as nobody could ask about any of it.
 *
 * What tcb_judge() and the rest of the long way would find out is then known beforehand, and so is all that changes. */
#include "plain.h"
#include "handshake.h"
#include "unusual.h"
#include "decode/decode.h"
#include "aside.h"

#define HANDSHAKE (CONN_ESTABLISHED | CONN_MARKED_ACK)
#define OPEN      (HANDSHAKE | CONN_MARKED_RESPONSE)
#define TROUBLE   (CONN_RST | CONN_ATTENTION | CONN_FAST_OPEN | CONN_SYN_REPEATED | CONN_SETTLED)
#define OF_NOTE   (CONN_CROSSED | CONN_UNLABELLED | CONN_WATCHED) /* says nothing of what was sent */

/* Does it carry nothing over into struct tcb_rare? */
static inline bool fits_counts(const struct tcb *tcb, const struct tcpaudit_segment *s)
{
	uint32_t sum;

	return tcb->packets != UINT32_MAX && !__builtin_add_overflow(tcb->bytes, s->wirelen, &sum) &&
	       !__builtin_add_overflow(tcb->text, s->len, &sum) &&
	       (s->len || !s->options || !(tcb->bits & TCB_TEXT_TS) || tcb_text_behind(tcb, s->tsval) < TEXT_FAR_BEHIND);
}

/* At its sender's next number, acknowledges what was sent and no less than before, and nothing hides anything of it.  `acked`:
 * TCB_ACK where its sender has acknowledged something before. */
static inline bool in_order(const struct connection *c, const struct tcpaudit_segment *s, unsigned from, uint32_t acked)
{
	const struct tcb *tcb = &c->end[from], *peer = &c->end[!from];

	if (s->seq != tcb->maxseq || (acked && seq_lt(s->ack, tcb->hiack)) || seq_gt(s->ack, peer->maxseq) ||
	    seq_diff(peer->maxseq, s->ack) > 1 << 28 || seq_gt(peer->hiack, s->seq))
		return false;
	if ((tcb->bits & (TCB_SEQ | TCB_ACK | TCB_HOLE | TCB_STRAY | TCB_CHECKSUM_BAD | TCB_ENDS_UNSEEN)) != (TCB_SEQ | acked) ||
	    (peer->bits & (TCB_SEQ | TCB_HOLE | TCB_ZERO_WINDOW)) != TCB_SEQ)
		return false;
	if (s->noticed & ~(TCPAUDIT_SAW_CHECKSUM_UNKNOWN | TCPAUDIT_SAW_CUT) || s->input != c->entry.input)
		return false;
	if (s->noticed & TCPAUDIT_SAW_CUT && !(c->entry.capture & CAPTURE_SNAPLEN))
		return false;
	if (s->options != (tcb->bits & TCB_TS ? TCPAUDIT_OPT_TIMESTAMPS : 0) ||
	    (s->options && (!tcb->tsval || seq_lt(s->tsval, tcb->tsval))))
		return false;
	return s->time >= connection_last(c) && s->len <= peer->mss && fits_counts(tcb, s);
}

/* As the long way's checksum_refused(), for a segment whose checksum is right or need not be known: nothing has changed yet. */
static inline bool checksum_good(const struct tcb *tcb, struct tcpaudit_segment *s, bool verify, bool matters)
{
	if (!verify || !(s->noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN) || (tcb->verified >= VERIFIED_ENOUGH && !matters) ||
	    s->noticed & TCPAUDIT_SAW_CUT)
		return true;
	s->noticed &= (uint16_t)~TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	s->noticed |= segment_sum(s);
	return !s->noticed;
}

static inline void count_checksum(struct tcb *tcb, const struct tcpaudit_segment *s, bool verify)
{
	if (!verify || s->noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN)
		return;
	tcb->verified += tcb->verified < VERIFIED_ENOUGH;
	tcb->bits |= TCB_CHECKSUM_GOOD;
}

/* All that a segment in order changes in the numbers; its FIN is not counted. */
static inline void count_segment(struct connection *c, const struct tcpaudit_segment *s, unsigned from, uint32_t fingerprint)
{
	struct tcb *tcb = &c->end[from];
	uint32_t window = (uint32_t)s->window << tcb->wscale;

	tcb->packets++;
	tcb->bytes += s->wirelen;
	tcb->fingerprint = fingerprint;
	tcb->bits |= tcb_id_leaps(tcb, s, s->time - c->last_from[from]) ? TCB_ID_LEAPS : 0;
	tcb->ip_id = s->ip_id;
	tcb->hiack = s->ack;
	tcb->redge = seq_max(tcb->redge, seq_add(s->ack, window));
	tcb->bits = window ? tcb->bits & ~(uint32_t)TCB_ZERO_WINDOW : tcb->bits | TCB_ZERO_WINDOW;
	if (s->options) {
		if (tcb->bits & TCB_TEXT_TS)
			tcb->text_behind = (uint16_t)tcb_text_behind(tcb, s->tsval);
		tcb->tsval = s->tsval;
	}
	c->entry.bits |= s->len ? CONN_ACK | CONN_DATA : CONN_ACK;
	tcb->bits |= !s->len ? 0 : s->options ? TCB_TEXT | TCB_TEXT_BEHIND_SYN | TCB_TEXT_TS : TCB_TEXT | TCB_TEXT_BEHIND_SYN;
	tcb->text_behind = s->len && s->options ? 0 : tcb->text_behind;
	tcb->text += s->len;
	tcb->bits |= tcb->text >> 30 ? TCB_LONG : 0;
	tcb->maxseq = seq_add(s->seq, s->len);
	if ((tcb->bits | c->end[!from].bits) & TCB_TRIES && c->last_from[!from] > c->last_from[from])
		connection_answered(c);
	c->last_from[from] = s->time;
}

/* ---- the handshake ---- */

/* The first SYN, or the first SYN-ACK behind it, of a connection that nothing else is known of. */
ASIDE static bool take_syn(struct connection *c, struct tcpaudit_segment *s, unsigned from, bool verify)
{
	const uint16_t usual = TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_WSCALE | TCPAUDIT_OPT_SACK_PERMITTED | TCPAUDIT_OPT_TIMESTAMPS;
	bool answers = s->flags & TCPAUDIT_ACK;
	int mark = answers ? MARK_SYN_ACK : MARK_SYN;
	struct tcb *tcb = &c->end[from], *peer = &c->end[!from];

	if ((s->flags & ~TCPAUDIT_ACK) != TCPAUDIT_SYN || from != (answers ? TCPAUDIT_SERVER : TCPAUDIT_CLIENT) ||
	    (c->entry.bits & ~(uint32_t)OF_NOTE) != (answers ? CONN_SYN : 0) || connection_kept(c).history || tcb->packets || tcb->bits)
		return false;
	if (s->len || s->options & ~usual || s->noticed & ~TCPAUDIT_SAW_CHECKSUM_UNKNOWN || s->input != c->entry.input ||
	    s->time < connection_last(c))
		return false;
	if (answers && ((peer->bits & (TCB_SEQ | TCB_ISS | TCB_TEXT | TCB_HOLE)) != (TCB_SEQ | TCB_ISS) ||
	                s->ack != peer->maxseq || s->ack != seq_add(peer->iss, 1)))
		return false;
	if (!mark_is_near(c, mark, s) || (answers && c->last_from[TCPAUDIT_CLIENT] != c->start))
		return false;
	if (unusual_segment(c, s, from, &(struct sent){.end = segment_end(s), .fits = true}) ||
	    !checksum_good(tcb, s, verify, true))
		return false;
	count_checksum(tcb, s, verify);
	tcb_open(tcb, s);
	c->entry.bits |= answers ? CONN_SYN_ACK : CONN_SYN;
	connection_mark_near(c, mark, s);
	if (answers) {
		connection_answered(c);
		tcb->hiack = s->ack;
		tcb->redge = seq_add(s->ack, s->window);
		tcb->bits |= s->window ? TCB_ACK : TCB_ACK | TCB_ZERO_WINDOW;
	} else if (s->options & TCPAUDIT_OPT_TIMESTAMPS)
		c->syn_tsval = s->tsval;
	tcb_options(tcb, s);
	tcb->packets = 1;
	tcb->bytes = s->wirelen;
	tcb->fingerprint = tcb_fingerprint(s);
	tcb->ip_id = s->ip_id;
	if (s->options & TCPAUDIT_OPT_TIMESTAMPS)
		tcb->tsval = s->tsval;
	tcb->maxseq = seq_add(s->seq, 1);
	c->last_from[from] = s->time;
	return true;
}

/* The client's first segment behind the SYN-ACK: is all that it could make of a handshake made already? */
static bool completes_handshake(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const uint32_t client = c->end[TCPAUDIT_CLIENT].bits, server = c->end[TCPAUDIT_SERVER].bits;

	return from == TCPAUDIT_CLIENT && (c->entry.bits & ~(uint32_t)OF_NOTE) == (CONN_SYN | CONN_SYN_ACK) &&
	       !connection_kept(c).history && !(s->flags & TCPAUDIT_FIN) && connection_marked(c, MARK_SYN) && connection_marked(c, MARK_SYN_ACK) &&
	       connection_mark_is_of(c, MARK_SYN_ACK, c->last_from[TCPAUDIT_SERVER]) && client & server & TCB_ISS &&
	       !(client & (TCB_TEXT | TCB_ACK)) && s->ack == c->end[TCPAUDIT_SERVER].maxseq &&
	       s->ack == seq_add(c->end[TCPAUDIT_SERVER].iss, 1) && in_order(c, s, from, 0);
}

static void complete_handshake(struct connection *c, const struct tcpaudit_segment *s)
{
	struct tcb *tcb = &c->end[TCPAUDIT_CLIENT];

	handshake_agree_options(c);
	c->entry.bits |= HANDSHAKE;
	connection_mark_near(c, MARK_ACK, s);
	tcb->redge = seq_add(s->ack, (uint32_t)s->window << tcb->wscale);
	tcb->bits |= TCB_ACK;
}

/* Does it show the server's progress behind the handshake, and nothing has yet? */
static bool responds(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	tcp_seq iss = c->end[TCPAUDIT_CLIENT].iss;

	return from == TCPAUDIT_SERVER && seq_gt(s->ack, iss) && (s->len || seq_gt(s->ack, seq_add(iss, 1)));
}

/* ---- the close ---- */

/* Keeps what belongs to the close, in brief if that will do.  False: it is not plain. */
static bool keep_plain(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from)
{
	if (!(c->entry.bits & CONN_BRIEF) && !connection_kept(c).history)
		flow_brief_new(table, c);
	if (c->entry.bits & CONN_BRIEF && brief_add(connection_kept(c).brief, c->end, c->start, connection_last(c), s, from))
		return true;
	struct history *h = connection_begin_history(c, table, connection_frame(s));
	if (!h)
		return true; /* there is no memory for it */
	bool begins = s->flags & TCPAUDIT_FIN && !h->fin[0].sent && !h->fin[1].sent;
	if (!history_add_plain(h, c->end, s, from))
		return false;
	if (begins)
		h->idle = s->time - connection_last(c);
	return true;
}

static bool closed(const struct connection *c)
{
	const union kept kept = connection_kept(c);

	return c->entry.bits & CONN_BRIEF ? kept.brief->acked == 3 : kept.history && history_closed(kept.history);
}

/* The last of the handshake, the server's first answer, FINs, and what follows them. */
ASIDE static bool take_mark_or_close(struct connection *c, struct flow_table *table, struct tcpaudit_segment *s, unsigned from,
                               bool verify)
{
	struct tcb *tcb = &c->end[from];
	bool fin = s->flags & TCPAUDIT_FIN, closing = fin || c->entry.bits & CONN_FIN;
	bool completes = (c->entry.bits & HANDSHAKE) != HANDSHAKE, answer = false;
	uint32_t fingerprint = tcb_fingerprint(s);

	if (completes ? !completes_handshake(c, s, from)
	              : c->entry.bits & TROUBLE || !(c->end[!from].bits & TCB_ACK) || !in_order(c, s, from, TCB_ACK))
		return false;
	if (!completes && !(c->entry.bits & CONN_MARKED_RESPONSE)) {
		if (closing || connection_kept(c).history || !(c->end[!from].bits & TCB_ISS))
			return false;
		answer = responds(c, s, from);
	}
	if ((completes && !mark_is_near(c, MARK_ACK, s)) || (answer && !mark_is_near(c, MARK_RESPONSE, s)))
		return false;
	if (fingerprint == tcb->fingerprint && !s->len && !fin)
		return false; /* perhaps the same frame again */
	if (!checksum_good(tcb, s, verify, closing) || (closing && !keep_plain(c, table, s, from)))
		return false;
	count_checksum(tcb, s, verify);
	if (completes)
		complete_handshake(c, s);
	if (answer) {
		c->entry.bits |= CONN_MARKED_RESPONSE;
		connection_mark_near(c, MARK_RESPONSE, s);
	}
	count_segment(c, s, from, fingerprint);
	if (fin) {
		c->entry.bits |= CONN_FIN;
		tcb->maxseq = seq_add(tcb->maxseq, 1);
	}
	if (closing && closed(c))
		c->entry.bits |= CONN_CLOSED | CONN_SETTLED;
	return true;
}

bool plain_take(struct connection *c, struct flow_table *table, struct tcpaudit_segment *s, unsigned from, bool verify)
{
	struct tcb *tcb = &c->end[from];

	if (s->flags & TCPAUDIT_SYN)
		return take_syn(c, s, from, verify);
	if ((s->flags & ~(TCPAUDIT_PSH | TCPAUDIT_FIN)) != TCPAUDIT_ACK)
		return false;
	if ((c->entry.bits & (OPEN | TROUBLE | CONN_FIN)) != OPEN || s->flags & TCPAUDIT_FIN)
		return take_mark_or_close(c, table, s, from, verify);
	if (!in_order(c, s, from, TCB_ACK))
		return false;
	uint32_t fingerprint = tcb_fingerprint(s);
	if (fingerprint == tcb->fingerprint && !s->len)
		return false;
	if (!checksum_good(tcb, s, verify, false))
		return false;
	count_checksum(tcb, s, verify);
	count_segment(c, s, from, fingerprint);
	return true;
}
