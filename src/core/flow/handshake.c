/* handshake.c - see handshake.h. */
#include "handshake.h"

#include <string.h>

/* Without memory for that, no mark is there any more. */
static struct far_mark *take_far(struct connection *c, struct flow_table *table)
{
	struct far_mark far[MARKS] = {{0}};
	struct rarity *r = flow_rarity(table, c);

	if (r && r->is_far)
		return r->mark;
	for (int i = 0; i < MARKS; i++)
		if (connection_marked(c, i))
			far[i] = (struct far_mark){.frame = connection_mark_frame(c, i), .time = connection_mark_time(c, i)};
	memset(c->mark, 0, sizeof c->mark);
	c->apart = APART_MOST;
	if (!r)
		return NULL;
	r->is_far = true;
	return memcpy(r->mark, far, sizeof far);
}

/* Remembers a segment as one of the handshake's marks. */
static void mark(struct connection *c, struct flow_table *table, int which, const struct tcpaudit_segment *s)
{
	if (mark_is_near(c, which, s)) {
		connection_mark_near(c, which, s);
		return;
	}
	struct far_mark *far = take_far(c, table);
	int64_t after = s->time - c->start;
	if (far)
		far[which] = (struct far_mark){.frame = connection_frame(s), .time = s->time - (after >= MARK_FINE ? after % 1000 : 0)};
}

/* An end has answered; most take as long as lies between the marks.  Of several copies it is the newest that was answered, unless an
 * echoed timestamp is older: then the path is longer than a timeout (RFC 7323 4.3). */
static void note_answer(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned end)
{
	const int stimulus = end == TCPAUDIT_SERVER ? MARK_SYN : MARK_SYN_ACK;
	const bool older = c->end[!end].bits & TCB_TS && s->options & TCPAUDIT_OPT_TIMESTAMPS && seq_lt(s->tsecr, c->end[!end].tsval);
	const int64_t from = older ? connection_mark_time(c, stimulus) : c->last_from[!end];
	const int64_t took = (s->time - from) / 1000;

	if (connection_mark_is_of(c, stimulus, from) && connection_mark_is_of(c, stimulus + 1, s->time))
		return;
	c->end[end].bits |= TCB_TOOK_APART;
	if (flow_rarity(table, c))
		connection_rare(c, end)->took = took >= 0 && took < TURNAROUND_UNKNOWN ? (uint32_t)took : TURNAROUND_UNKNOWN;
}

/* RFC 7323 2.2, 3.2 */
void handshake_agree_options(struct connection *c)
{
	struct tcb *a = &c->end[0], *b = &c->end[1];
	if (!(a->bits & b->bits & TCB_WSCALE)) {
		a->wscale = b->wscale = (a->bits | b->bits) & TCB_OPTIONS_CUT ? 14 : 0; /* unknown: the widest */
		a->bits &= ~(uint32_t)TCB_WSCALE;
		b->bits &= ~(uint32_t)TCB_WSCALE;
	}
	if (!(a->bits & b->bits & TCB_TS)) {
		a->bits &= ~(uint32_t)TCB_TS;
		b->bits &= ~(uint32_t)TCB_TS;
	}
}

void handshake_syn(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from, bool *odd)
{
	bool first = !(c->end[from].bits & TCB_ISS);

	if (s->options & TCPAUDIT_OPT_FAST_OPEN && s->len)
		c->entry.bits |= CONN_FAST_OPEN;
	if (!(s->flags & TCPAUDIT_ACK)) {
		if (from == TCPAUDIT_CLIENT && first && !connection_marked(c, MARK_SYN)) {
			c->entry.bits |= CONN_SYN;
			c->syn_tsval = s->options & TCPAUDIT_OPT_TIMESTAMPS ? s->tsval : 0;
			mark(c, table, MARK_SYN, s);
			if (connection_marked(c, MARK_SYN_ACK)) /* whatever that took, it is not known */
				c->end[TCPAUDIT_SERVER].bits |= TCB_TOOK_APART;
			*odd |= s->len > 0;
		} else {
			*odd = true;
			if (from == TCPAUDIT_CLIENT)
				c->entry.bits |= CONN_SYN_REPEATED;
			if (from == TCPAUDIT_SERVER && first && !(c->entry.bits & CONN_SYN_ACK))
				c->entry.bits |= CONN_SIMULTANEOUS_OPEN;
		}
		return;
	}
	if (from == TCPAUDIT_SERVER && first && !(c->entry.bits & CONN_SIMULTANEOUS_OPEN)) {
		c->entry.bits |= CONN_SYN_ACK;
		mark(c, table, MARK_SYN_ACK, s);
		if (connection_marked(c, MARK_SYN))
			note_answer(c, table, s, from);
		if (!(c->end[TCPAUDIT_CLIENT].bits & TCB_SEQ) || s->ack != c->end[TCPAUDIT_CLIENT].maxseq || s->len)
			*odd = true; /* fast open acknowledged in part, or not at all */
		return;
	}
	*odd = true;
	c->entry.bits |= CONN_SYN_ACK;
	if (!first && from == TCPAUDIT_SERVER)
		c->entry.bits |= CONN_SYN_ACK_REPEATED;
	const struct tcb *peer = &c->end[!from];
	bool acknowledged = peer->bits & TCB_ACK && c->end[from].bits & TCB_ISS && seq_gt(peer->hiack, c->end[from].iss);
	if (c->entry.bits & CONN_SIMULTANEOUS_OPEN && acknowledged && peer->bits & TCB_ISS && seq_gt(s->ack, peer->iss))
		c->entry.bits |= CONN_ESTABLISHED;
}

bool handshake_ack(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from,
                       const struct sent *sent)
{
	const struct tcb *peer = &c->end[!from];

	if (!(s->flags & TCPAUDIT_ACK) || !sent->fits || !(peer->bits & TCB_ISS) || !seq_gt(s->ack, peer->iss))
		return false;
	if (from == TCPAUDIT_CLIENT) {
		if (c->entry.bits & CONN_MARKED_ACK)
			return false;
		if (!(c->entry.bits & CONN_ESTABLISHED))
			handshake_agree_options(c);
		c->entry.bits |= CONN_ESTABLISHED | CONN_ACK | CONN_MARKED_ACK;
		mark(c, table, MARK_ACK, s);
		if (connection_marked(c, MARK_SYN_ACK))
			note_answer(c, table, s, from);
		return true;
	}
	if (c->entry.bits & CONN_MARKED_RESPONSE || !(sent->new_text || s->flags & TCPAUDIT_FIN || seq_gt(s->ack, seq_add(peer->iss, 1))))
		return false;
	if (c->entry.bits & CONN_FAST_OPEN && !(c->entry.bits & CONN_ESTABLISHED))
		return false; /* RFC 7413 4.2: a server may send from SYN-RECEIVED */
	if (!(c->entry.bits & CONN_ESTABLISHED))
		handshake_agree_options(c);
	c->entry.bits |= CONN_MARKED_RESPONSE;
	mark(c, table, MARK_RESPONSE, s);
	return true;
}

/* ---- several answers ---- */

/* What the client's SYN is followed by; RFC 9293 3.10.7.4 first. */
static bool is_of_first_flight(const struct tcb *tcb, tcp_seq number)
{
	return seq_within(number, seq_add(tcb->iss, 1), seq_add(tcb->maxseq, 65536));
}

void handshake_other_syn(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *client = &c->end[TCPAUDIT_CLIENT];
	struct tcb says = {.bits = 0};
	struct rarity *r;

	if (from != TCPAUDIT_SERVER || !(s->flags & TCPAUDIT_ACK) || s->len || !(client->bits & c->end[from].bits & TCB_ISS) ||
	    !is_of_first_flight(client, s->ack) || c->entry.bits & CONN_ESTABLISHED)
		return;
	if (!(r = flow_rarity(table, c)))
		return;
	if (r->other.bits & TCB_ISS && s->seq == r->other.iss) {
		r->other.again += r->other.again < UINT8_MAX;
		return;
	}
	tcb_options(&says, s);
	r->other = (struct other_syn_ack){.iss = s->seq, .bits = says.bits | TCB_ISS, .mss = says.mss, .wscale = says.wscale};
}

/* The server's numbers, options and mark are those of its other SYN-ACK. */
static void change_server(struct connection *c, struct flow_table *table, struct other_syn_ack other)
{
	const uint32_t options = TCB_TS | TCB_SACK | TCB_WSCALE | TCB_SIGNED | TCB_ECN_SETUP | TCB_ACCURATE_ECN;
	struct tcb *tcb = &c->end[TCPAUDIT_SERVER];
	struct history *h = connection_history(c, table);
	const struct event *syn_ack = h ? history_take_syn_ack(h, other.iss) : NULL;

	tcb->iss = other.iss;
	tcb->maxseq = seq_add(other.iss, 1);
	tcb->bits = (tcb->bits & ~(options | TCB_STRAY | TCB_HOLE | TCB_TS_VARIES)) | other.bits;
	tcb->mss = other.mss;
	tcb->wscale = other.wscale & 15;
	if (other.again) {
		c->entry.bits |= CONN_SYN_ACK_REPEATED;
		tcb->bits |= TCB_REPEATED;
		connection_rare(c, TCPAUDIT_SERVER)->retransmissions += other.again;
	}
	if (!syn_ack)
		return;
	const struct tcpaudit_segment seen = {.time = syn_ack->time,
	                                      .frame = syn_ack->frame,
	                                      .input = syn_ack->input,
	                                      .options = syn_ack->options,
	                                      .tsecr = syn_ack->tsecr};
	tcb->tsval = syn_ack->tsval;
	tcb->hiack = syn_ack->ack;
	tcb->redge = seq_add(syn_ack->ack, syn_ack->window);
	tcb->bits = syn_ack->window ? tcb->bits & ~(uint32_t)TCB_ZERO_WINDOW : tcb->bits | TCB_ZERO_WINDOW;
	mark(c, table, MARK_SYN_ACK, &seen);
	note_answer(c, table, &seen, TCPAUDIT_SERVER);
}

bool handshake_choose(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *client = &c->end[TCPAUDIT_CLIENT], *server = &c->end[TCPAUDIT_SERVER];
	struct rarity *r = connection_rarity(c);

	if (!r || !(r->other.bits & TCB_ISS) || c->entry.bits & (CONN_ESTABLISHED | CONN_FIN) ||
	    (s->flags & (TCPAUDIT_ACK | TCPAUDIT_SYN | TCPAUDIT_RST)) != TCPAUDIT_ACK || server->maxseq != seq_add(server->iss, 1))
		return false;
	const tcp_seq begins = seq_add(r->other.iss, 1);
	const bool chosen = from == TCPAUDIT_CLIENT ? s->ack == begins && is_of_first_flight(client, s->seq)
	                                            : s->seq == begins && is_of_first_flight(client, s->ack);
	if (!chosen)
		return false;
	change_server(c, table, r->other);
	r->other.bits = 0;
	return true;
}
