/* arrives.c - SEGMENT ARRIVES, RFC 9293 3.10.7, paragraph by paragraph: what an end becomes if a segment reaches it, and
 * what it must send in answer, if all that its peer had sent before had reached it, too.
 *
 * The facts have names and are found first; then each step is one switch on the state, in the RFC's order.  Who pays the
 * debts that follow is owes.c's. */
#include "mirror.h"

struct arrival {
	const struct event *segment;
	int at;
	bool passive; /* the end opened passively */
	bool syn;
	bool ack;
	bool rst;
	bool fin;          /* at the number of the peer's FIN */
	bool acceptable;   /* 3.10.7.4 first */
	bool old;          /* its sender has sent all of it before: left of RCV.NXT, if that arrived */
	bool ahead;        /* text before it was not seen */
	bool syn_acked;    /* SEG.ACK is above our ISS */
	bool fin_acked;    /* SEG.ACK = SND.NXT, behind our FIN */
	bool unsent_acked; /* SEG.ACK is above SND.NXT, as far as that is known */
	bool fin_accepted; /* we have had the peer's FIN: RCV.NXT is behind it */
	bool rst_exact;    /* SEG.SEQ = RCV.NXT */
	enum reply reply;  /* the debt of the steps so far */
};

/* The first debt stands: where the mirror goes on, the RFC's end might have stopped. */
static void owe(struct arrival *a, enum reply reply)
{
	if (a->reply == REPLY_NONE)
		a->reply = reply;
}

/* Does the end's SACK show that the peer's FIN waits behind a hole?  Linux obeys a reset at the right edge of its highest block,
 * too: that is where a sender that has sent all of it stands. */
static bool fin_is_queued(const struct mirror *m, unsigned x)
{
	for (int i = 0; i < m->count; i++)
		if (m->event[i].from == x && m->event[i].is & EVENT_FIN_QUEUED)
			return true;
	return false;
}

/* RCV.NXT is u' before the peer's FIN is accepted and u'+1 after; a reset at u' is obeyed after it, too, by Linux, in
 * CLOSE-WAIT, CLOSING and LAST-ACK (a reset that overtook nothing but was built before the FIN).  3.10.7.4 second. */
static bool reset_is_exact(const struct mirror *m, unsigned x, const struct arrival *a, const struct fin_facts *peer,
                           enum tcpaudit_state state)
{
	if (!(a->segment->is & EVENT_RST_EXACT))
		return false;
	if (!peer->sent || a->segment->is & EVENT_REFUSAL)
		return true;
	if (a->segment->seq == seq_add(peer->u, 1))
		return a->fin_accepted || fin_is_queued(m, x);
	if (a->segment->seq == peer->u && a->fin_accepted)
		return state != TCPAUDIT_TIME_WAIT;
	return true;
}

/* 3.10.7.3 first: is it above all that the end's SYNs have sent?  Behind a SYN there is nothing before the peer's has come. */
static bool acks_beyond_syn(const struct mirror *m, unsigned x, const struct event *e)
{
	bool seen = false;

	for (int i = 0; i < m->count; i++) {
		const struct event *syn = &m->event[i];
		if (syn->from != x || !(syn->flags & TCPAUDIT_SYN) || syn->is & EVENT_STRAY)
			continue;
		if (seq_le(e->ack, event_end(syn)))
			return false;
		seen = true;
	}
	return seen;
}

static struct arrival arrival_facts(const struct mirror *m, unsigned x, const struct hypothesis *h, int at)
{
	const struct event *e = &m->event[at];
	const struct fin_facts *own = &m->fin[x], *peer = &m->fin[!x];
	struct arrival a = {.segment = e, .at = at, .passive = h->first == TCPAUDIT_LISTEN};

	a.syn = e->flags & TCPAUDIT_SYN;
	a.ack = e->flags & TCPAUDIT_ACK;
	a.rst = e->flags & TCPAUDIT_RST;
	a.fin_accepted = state_in(h->state, FIN_RECEIVED);
	a.fin = (e->flags & TCPAUDIT_FIN && peer->sent && seq_add(e->seq, e->len) == peer->u) || mirror_fills(m, x, at);
	a.acceptable = !(e->is & EVENT_STRAY);
	a.old = seq_lt(e->seq, e->nxt) && seq_le(event_end(e), e->nxt) && !(e->is & EVENT_PREDATES);
	a.ahead = seq_gt(e->seq, e->nxt) && !(e->is & EVENT_PREDATES);
	a.syn_acked = a.ack && (!m->end[x].iss_known || seq_gt(e->ack, m->end[x].iss));
	a.fin_acked = a.ack && own->sent && e->ack == seq_add(own->u, 1);
	if (own->sent && state_in(h->state, FIN_SENT)) /* an end may have sent text unseen, but none behind its FIN */
		a.unsent_acked = event_acks_fin(m->event, at, own) && !a.fin_acked;
	else if (h->state == TCPAUDIT_SYN_SENT)
		a.unsent_acked = a.ack && acks_beyond_syn(m, x, e);
	a.rst_exact = a.rst && reset_is_exact(m, x, &a, peer, h->state);
	return a;
}

/* 3.10.7.1: no connection; everything is discarded, and all but a reset earns one. */
static void closed_state(struct hypothesis *h, struct arrival *a)
{
	(void)h;
	if (!a->rst)
		owe(a, a->ack ? REPLY_RST_AT_ACK : REPLY_RST_AT_ZERO);
}

/* 3.10.7.2 */
static void listen_state(struct hypothesis *h, struct arrival *a)
{
	if (a->rst)
		return; /* first */
	if (a->ack) {
		owe(a, REPLY_RST_AT_ACK); /* second */
		return;
	}
	if (!a->syn)
		return;        /* fourth */
	owe(a, REPLY_SYN_ACK); /* third */
	mirror_enter(h, TCPAUDIT_SYN_RECEIVED, a->at);
}

/* 3.10.7.3 */
static void syn_sent_state(struct hypothesis *h, struct arrival *a)
{
	if (a->ack && (!a->syn_acked || a->unsent_acked)) { /* first: unacceptable ACK */
		if (!a->rst)
			owe(a, REPLY_RST_AT_ACK);
		return;
	}
	if (a->rst) {
		if (a->ack) /* second: acceptable, or it was not for us */
			mirror_enter(h, TCPAUDIT_CLOSED, a->at);
		return;
	}
	if (!a->syn)
		return; /* fifth: neither SYN nor RST */
	owe(a, a->ack ? REPLY_ACK : REPLY_SYN_ACK);
	mirror_enter(h, a->ack ? TCPAUDIT_ESTABLISHED : TCPAUDIT_SYN_RECEIVED, a->at); /* fourth */
}

/* 3.10.7.4, a step each: false when the segment goes no further. */

/* 3.10.7.4 first */
static bool first_check_sequence_number(struct hypothesis *h, struct arrival *a)
{
	(void)h;
	if (!a->rst && (!a->acceptable || a->old))
		owe(a, REPLY_ACK);
	/* A repeat of what was received is unacceptable, and dropped after an ACK; but its acknowledgment still counts in
	 * most stacks (9293 appendix A.2 tells why it should), so only what fits nowhere ends here. */
	return a->acceptable;
}

/* 3.10.7.4 second, RFC 5961 3.2 */
static bool second_check_rst_bit(struct hypothesis *h, struct arrival *a)
{
	if (!a->rst)
		return true;
	if (!a->rst_exact) {
		if (a->segment->is & EVENT_RST_WINDOW)
			owe(a, REPLY_ACK); /* 3) elsewhere in the window: a challenge ACK */
		return false;              /* 1) outside the window: discard */
	}
	switch ((enum tcpaudit_state)h->state) {
	case TCPAUDIT_CLOSED:
	case TCPAUDIT_LISTEN:
	case TCPAUDIT_SYN_SENT:
		break;
	case TCPAUDIT_SYN_RECEIVED:
		mirror_enter(h, a->passive ? TCPAUDIT_LISTEN : TCPAUDIT_CLOSED, a->at);
		break;
	case TCPAUDIT_ESTABLISHED:
	case TCPAUDIT_FIN_WAIT_1:
	case TCPAUDIT_FIN_WAIT_2:
	case TCPAUDIT_CLOSE_WAIT:
	case TCPAUDIT_CLOSING:
	case TCPAUDIT_LAST_ACK:
	case TCPAUDIT_TIME_WAIT: /* RFC 1337 3 would ignore it; the RFC and Linux by default do not */
		mirror_enter(h, TCPAUDIT_CLOSED, a->at);
		break;
	case TCPAUDIT_STATE_COUNT:
		break;
	}
	return false;
}

/* 3.10.7.4 third */
static bool third_check_security(struct hypothesis *h, struct arrival *a)
{
	(void)h;
	(void)a;
	return true; /* IP security compartments: not on today's wire */
}

/* 3.10.7.4 fourth, RFC 5961 4.2 */
static bool fourth_check_syn_bit(struct hypothesis *h, struct arrival *a)
{
	if (!a->syn)
		return true;
	owe(a, REPLY_ACK); /* challenge ACK (RFC 5961 4.2) */
	switch ((enum tcpaudit_state)h->state) {
	case TCPAUDIT_SYN_RECEIVED:
		return a->ack &&
		       !a->passive; /* simultaneous open: the peer's SYN-ACK acknowledges our SYN; a bare repeat is answered */
	case TCPAUDIT_CLOSED:
	case TCPAUDIT_LISTEN:
	case TCPAUDIT_SYN_SENT:
	case TCPAUDIT_ESTABLISHED:
	case TCPAUDIT_FIN_WAIT_1:
	case TCPAUDIT_FIN_WAIT_2:
	case TCPAUDIT_CLOSE_WAIT:
	case TCPAUDIT_CLOSING:
	case TCPAUDIT_LAST_ACK:
	case TCPAUDIT_TIME_WAIT: /* a new incarnation is another connection's history */
	case TCPAUDIT_STATE_COUNT:
		break;
	}
	return false;
}

/* 3.10.7.4 fifth; of RFC 5961 5.2 its upper bound */
static bool fifth_check_ack_field(struct hypothesis *h, struct arrival *a)
{
	if (!a->ack)
		return false;
	if (a->unsent_acked) {
		owe(a, REPLY_ACK);
		return false;
	}
	switch ((enum tcpaudit_state)h->state) {
	case TCPAUDIT_SYN_RECEIVED:
		if (!a->syn_acked) {
			owe(a, REPLY_RST_AT_ACK);
			return false;
		}
		mirror_enter(h, TCPAUDIT_ESTABLISHED, a->at);
		break;
	case TCPAUDIT_FIN_WAIT_1:
		if (a->fin_acked)
			mirror_enter(h, TCPAUDIT_FIN_WAIT_2, a->at); /* and continue processing in that state */
		break;
	case TCPAUDIT_CLOSING:
		if (!a->fin_acked)
			return false; /* otherwise, ignore the segment */
		mirror_enter(h, TCPAUDIT_TIME_WAIT, a->at);
		break;
	case TCPAUDIT_LAST_ACK:
		if (!a->fin_acked)
			break;
		mirror_enter(h, TCPAUDIT_CLOSED, a->at);
		return false;
	case TCPAUDIT_CLOSED:
	case TCPAUDIT_LISTEN:
	case TCPAUDIT_SYN_SENT:
	case TCPAUDIT_ESTABLISHED:
	case TCPAUDIT_FIN_WAIT_2:
	case TCPAUDIT_CLOSE_WAIT:
	case TCPAUDIT_TIME_WAIT: /* only a repeat of the peer's FIN can arrive: acknowledge it, restart 2 MSL */
	case TCPAUDIT_STATE_COUNT:
		break;
	}
	return true;
}

/* 3.10.7.4 sixth */
static bool sixth_check_urg_bit(struct hypothesis *h, struct arrival *a)
{
	(void)h;
	(void)a;
	return true;
}

/* 3.10.7.4 seventh */
static bool seventh_process_segment_text(struct hypothesis *h, struct arrival *a)
{
	/* text moves RCV.NXT, not the state; what comes before its turn may be acknowledged (MAY-13) */
	if (a->segment->len && !a->ahead && state_in((enum tcpaudit_state)h->state, SYNCHRONIZED & ~FIN_RECEIVED))
		owe(a, REPLY_ACK);
	return true;
}

/* 3.10.7.4 eighth */
static bool eighth_check_fin_bit(struct hypothesis *h, struct arrival *a)
{
	if (a->segment->flags & TCPAUDIT_FIN && !a->ahead && state_in((enum tcpaudit_state)h->state, SYNCHRONIZED))
		owe(a, REPLY_ACK);
	if (!a->fin)
		return true;
	switch ((enum tcpaudit_state)h->state) {
	case TCPAUDIT_CLOSED:
	case TCPAUDIT_LISTEN:
	case TCPAUDIT_SYN_SENT:
		break; /* SEG.SEQ cannot be validated: drop */
	case TCPAUDIT_SYN_RECEIVED:
	case TCPAUDIT_ESTABLISHED:
		mirror_enter(h, TCPAUDIT_CLOSE_WAIT, a->at);
		break;
	case TCPAUDIT_FIN_WAIT_1: /* our FIN was not acknowledged: the fifth step would have left this state */
		mirror_enter(h, TCPAUDIT_CLOSING, a->at);
		break;
	case TCPAUDIT_FIN_WAIT_2:
		mirror_enter(h, TCPAUDIT_TIME_WAIT, a->at);
		break;
	case TCPAUDIT_CLOSE_WAIT:
	case TCPAUDIT_CLOSING:
	case TCPAUDIT_LAST_ACK:
	case TCPAUDIT_TIME_WAIT: /* remain; TIME-WAIT restarts its timer */
	case TCPAUDIT_STATE_COUNT:
		break;
	}
	return true;
}

/* 3.10.7.4 */
static void other_states(struct hypothesis *h, struct arrival *a)
{
	(void)(first_check_sequence_number(h, a) && second_check_rst_bit(h, a) && third_check_security(h, a) &&
	       fourth_check_syn_bit(h, a) && fifth_check_ack_field(h, a) && sixth_check_urg_bit(h, a) &&
	       seventh_process_segment_text(h, a) && eighth_check_fin_bit(h, a));
}

static enum reply arrive(struct hypothesis *h, struct arrival a)
{
	switch ((enum tcpaudit_state)h->state) {
	case TCPAUDIT_CLOSED:
		closed_state(h, &a);
		break;
	case TCPAUDIT_LISTEN:
		listen_state(h, &a);
		break;
	case TCPAUDIT_SYN_SENT:
		syn_sent_state(h, &a);
		break;
	case TCPAUDIT_SYN_RECEIVED:
	case TCPAUDIT_ESTABLISHED:
	case TCPAUDIT_FIN_WAIT_1:
	case TCPAUDIT_FIN_WAIT_2:
	case TCPAUDIT_CLOSE_WAIT:
	case TCPAUDIT_CLOSING:
	case TCPAUDIT_LAST_ACK:
	case TCPAUDIT_TIME_WAIT:
		other_states(h, &a);
		break;
	case TCPAUDIT_STATE_COUNT:
		break;
	}
	return a.reply;
}

enum reply segment_arrives(const struct mirror *m, unsigned x, struct hypothesis *h, int at)
{
	return arrive(h, arrival_facts(m, x, h, at));
}

/* Of a segment that is held, 3.10.7.4 first, stacks take the acknowledgment. */
enum reply segment_acknowledges(const struct mirror *m, unsigned x, struct hypothesis *h, int at)
{
	struct arrival a = arrival_facts(m, x, h, at);
	a.fin = false;
	return arrive(h, a);
}
