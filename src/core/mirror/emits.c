/* emits.c - what an end must have been, to send this segment (certain, unless a frame of it is forged or unseen).
 *
 * Rows after RFC 9293 3.3.2 and 3.10: a segment carries the sender's RCV.NXT (3.8: every segment after the handshake does),
 * so it tells whether the peer's FIN had been accepted when it was built; and a repeat tells that its own FIN was not yet
 * known to be acknowledged. */
#include "mirror.h"

/* Has the sender accepted the peer's FIN?  By number, never by time. */
enum accepted { ACCEPTED_UNKNOWN, ACCEPTED_NO, ACCEPTED_YES };

static enum accepted fin_accepted(const struct mirror *m, unsigned x, int at)
{
	const struct event *e = &m->event[at];
	const struct fin_facts *peer = &m->fin[!x];

	if (!(e->flags & TCPAUDIT_ACK) || e->is & (EVENT_REFUSAL | EVENT_STRAY))
		return ACCEPTED_UNKNOWN;
	if (!peer->sent) { /* one that the capture does not have is the last number that was ever acknowledged */
		const struct mirror_end *other = &m->end[!x];
		bool last = e->ack == m->end[x].hiack && (other->unheard || seq_ge(e->ack, other->maxseq));
		return other->may_have_closed || (last && may_hide_fin(m, !x)) ? ACCEPTED_UNKNOWN : ACCEPTED_NO;
	}
	return event_acks_fin(m->event, at, peer) ? ACCEPTED_YES : ACCEPTED_NO;
}

/* Has the end sent anything but SYNs and resets before? */
static bool has_spoken(const struct mirror *m, unsigned x, const struct event *e)
{
	for (const struct event *o = m->event; o < e; o++)
		if (o->from == x && !(o->flags & (TCPAUDIT_SYN | TCPAUDIT_RST)))
			return true;
	return false;
}

/* E1, E2: SYN (3.10.1 OPEN, 3.10.2 SEND of a listener) and SYN-ACK (3.10.7.2 third, 3.10.7.3 fourth).  Nobody opens again with the
 * ISS of what has ended (3.4.1). */
static struct emission emitted_syn(const struct mirror *m, unsigned x, const struct event *e)
{
	if (e->flags & TCPAUDIT_ACK)
		return (struct emission){.was = SET(SYN_RECEIVED)};
	if (m->end[x].iss_known && e->seq == m->end[x].iss && has_spoken(m, x, e))
		return (struct emission){.was = SET(SYN_SENT)};
	return (struct emission){.was = SET(CLOSED) | SET(LISTEN) | SET(SYN_SENT), .call = CALL_OPEN};
}

/* R3: a timestamp echo (RFC 7323 4.3) younger than every SYN, and than what the SYN-ACKs echo, proves that something behind
 * the SYN arrived; and everything behind a SYN acknowledges (3.10.7.4 fifth). */
static bool echoes_beyond_syn(const struct mirror *m, unsigned x, const struct event *e)
{
	bool known = false;

	if (!(e->is & EVENT_TIMESTAMPS))
		return false;
	for (const struct event *syn = m->event; syn < e; syn++) {
		if (!(syn->flags & TCPAUDIT_SYN) || !(syn->is & EVENT_TIMESTAMPS))
			continue;
		known |= syn->from != x;
		if (!seq_gt(e->tsecr, syn->from != x ? syn->tsval : syn->tsecr))
			return false;
	}
	return known;
}

bool mirror_acks_no_more_than_syn(const struct mirror *m, unsigned x, tcp_seq ack)
{
	for (int i = 0; i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (e->from == x && e->flags & TCPAUDIT_SYN && e->flags & TCPAUDIT_ACK && !(e->is & EVENT_STRAY) && seq_le(ack, e->ack))
			return true;
	}
	return false;
}

static bool has_acked_syn(const struct mirror *m, unsigned x, const struct event *before)
{
	for (const struct event *e = m->event; e < before; e++)
		if (e->from == x && e->flags & TCPAUDIT_SYN && e->flags & TCPAUDIT_ACK && !(e->is & EVENT_STRAY))
			return true;
	return false;
}

/* E4: who acknowledges more than its SYN-ACK did has accepted a segment behind the SYN, and with it the acknowledgment that it
 * carried (3.10.7.4 fifth). */
static bool has_left_syn_received(const struct mirror *m, unsigned x, const struct event *e)
{
	return e->flags & TCPAUDIT_ACK && !(e->is & (EVENT_STRAY | EVENT_PREDATES)) && has_acked_syn(m, x, e) &&
	       !mirror_acks_no_more_than_syn(m, x, e->ack);
}

/* Did the end live when the acknowledgment came that its reset names?  Text or a FIN with it is what it was reset for; a bare one finds
 * an end without a reader as it was, if that had been reset for text before, or ends FIN-WAIT-2 as soon as it begins (Linux' TCP_LINGER2
 * below zero): all that there was of the other end's had been taken. */
static bool lived_to_be_acknowledged(const struct mirror *m, unsigned x, const struct event *reset)
{
	for (const struct event *e = m->event; e < reset; e++)
		if (e->from != x && e->flags & TCPAUDIT_ACK && e->ack == reset->seq &&
		    (e->len || e->flags & (TCPAUDIT_FIN | TCPAUDIT_RST) || e->seq == m->end[x].hiack))
			return true;
	return false;
}

/* Does the reset acknowledge text or a FIN that came with the acknowledgment of the end's own? */
static bool acknowledges_carrier(const struct mirror *m, unsigned x, int at)
{
	int answered = event_answered(m->event, at);
	return answered >= 0 && (m->event[answered].len || m->event[answered].flags & TCPAUDIT_FIN) &&
	       event_acks_fin(m->event, answered, &m->fin[x]);
}

/* E12: where the user's ABORT found the block (3.10.5), by the RCV.NXT that it names. */
static state_set aborted_in(const struct mirror *m, unsigned x, int at)
{
	state_set was = SYNCHRONIZED | SET(SYN_RECEIVED) | SET(CLOSED); /* who has no RCV.NXT cannot send one */
	enum accepted fin = fin_accepted(m, x, at);

	if (fin == ACCEPTED_YES)
		was &= FIN_RECEIVED | SET(CLOSED);
	else if (fin == ACCEPTED_NO && m->fin[!x].sent)
		was &= (state_set)~FIN_RECEIVED;
	if (m->end[x].closed && (m->event[at].is & EVENT_KNOWS_ACK || acknowledges_carrier(m, x, at))) /* R1 */
		was &= FIN_ACKED | SET(CLOSED);
	if (echoes_beyond_syn(m, x, &m->event[at]))
		was &= (state_set)~SET(SYN_RECEIVED);
	return was;
}

/* E12, E13, E15: an end that resets is CLOSED afterwards (3.10.5 ABORT, 3.10.7.1).  A reset with ACK comes from a block that is being deleted and
 * carries its RCV.NXT; one without answers a segment, whose SEG.ACK it took as its number (3.5.2): if that is behind our
 * FIN, then the acknowledgment of the FIN was processed first (3.10.7.4 fifth) - unless the block was gone by then, by an
 * abort whose reset we did not see.  A number that is not above the ISS answers an ACK of nothing: the end goes on opening. */
static struct emission emitted_rst(const struct mirror *m, unsigned x, int at)
{
	const struct event *e = &m->event[at];
	const struct fin_facts *own = &m->fin[x];
	state_set was = ALL_STATES, unlikely = NO_STATE;

	if (e->is & EVENT_REFUSAL) /* 3.10.7.1: no connection at all */
		return (struct emission){.was = SET(CLOSED), .call = CALL_NONE};
	if (!(e->flags & TCPAUDIT_ACK) && m->end[x].iss_known && e->nxt == seq_add(m->end[x].iss, 1) &&
	    seq_le(e->seq, m->end[x].iss)) /* 3.10.7.4 fifth, 3.10.7.3 first */
		return (struct emission){.was = SET(CLOSED) | SET(LISTEN) | SET(SYN_SENT) | SET(SYN_RECEIVED), .call = CALL_NONE};
	if (e->flags & TCPAUDIT_ACK && (e->seq != 0 || e->is & (EVENT_RST_EXACT | EVENT_RST_WINDOW))) {
		was = aborted_in(m, x, at);
		unlikely = SET(CLOSED);
		if (event_may_be_echo(m->event, at)) {
			unlikely |= (state_set)~was;
			was = ALL_STATES;
		}
	} else if (x == TCPAUDIT_CLIENT && !has_spoken(m, x, e)) {
		unlikely = SYNCHRONIZED; /* it answers the SYN-ACK: the attempt was given up before */
	} else if (!(e->flags & TCPAUDIT_ACK) && m->end[x].closed && e->seq == seq_add(own->u, 1) && lived_to_be_acknowledged(m, x, e)) {
		unlikely = SET(FIN_WAIT_1) | SET(CLOSING) | SET(LAST_ACK) | SET(ESTABLISHED) | SET(CLOSE_WAIT);
	}
	return (struct emission){.was = was, .unlikely = unlikely, .call = CALL_ABORT};
}

/* E6, E7: the first FIN is the user's CLOSE (3.10.4). */
static struct emission emitted_first_fin(enum accepted peer_fin)
{
	state_set was = SET(SYN_RECEIVED) | SET(ESTABLISHED) | SET(CLOSE_WAIT);
	if (peer_fin == ACCEPTED_NO)
		was = SET(SYN_RECEIVED) | SET(ESTABLISHED);
	if (peer_fin == ACCEPTED_YES)
		was = SET(CLOSE_WAIT);
	return (struct emission){.was = was, .call = CALL_CLOSE};
}

/* E5: has the server taken the text of a SYN?  It may send its own before the third segment then (RFC 7413 4.2). */
static bool takes_fast_open(const struct mirror *m, unsigned x)
{
	for (int i = 0; i < m->count; i++) {
		const struct event *e = &m->event[i];
		if (e->from == x && e->flags & TCPAUDIT_SYN && e->flags & TCPAUDIT_ACK && !(e->is & EVENT_STRAY) &&
		    m->end[!x].iss_known && seq_gt(e->ack, seq_add(m->end[!x].iss, 1)))
			return true;
	}
	return false;
}

/* E3, E4, E5, E8 - E11: text (3.10.2 SEND), its repeats (3.10.8) and acknowledgments; from SYN-RECEIVED, too (RFC 7413 4.2). */
static state_set emitted_other(const struct mirror *m, unsigned x, const struct event *e, enum accepted peer_fin)
{
	bool after_own_fin = m->end[x].closed;
	bool text = e->is & EVENT_NEW_TEXT && (e->len || e->is & EVENT_PREDATES); /* a responder's first acknowledgment is marked so, too */
	bool behind_unseen_fin = may_hide_fin(m, x) && !text &&
	                         (m->end[x].may_have_closed || seq_ge(e->seq, m->end[x].maxseq));
	state_set was = SYNCHRONIZED;

	if (!after_own_fin && !behind_unseen_fin)
		was &= (state_set)~FIN_SENT;
	else if (after_own_fin)
		was &= FIN_SENT;
	if (peer_fin == ACCEPTED_NO)
		was &= (state_set)~FIN_RECEIVED;
	if (peer_fin == ACCEPTED_YES)
		was &= FIN_RECEIVED;
	if (text && !after_own_fin)
		was &= SET(ESTABLISHED) | SET(CLOSE_WAIT);
	if (after_own_fin && (e->is & EVENT_REPEAT || e->flags & TCPAUDIT_FIN)) /* E10: nobody repeats what is acknowledged */
		was &= (state_set)~FIN_ACKED;
	if (after_own_fin && e->is & EVENT_KNOWS_ACK) /* R1: it acknowledges what came with the acknowledgment */
		was &= FIN_ACKED;
	/* a responder may acknowledge from SYN-RECEIVED what it does not accept; progress proves that it left it (E4) */
	if (!after_own_fin && (!(e->is & (EVENT_NEW_TEXT | EVENT_PREDATES)) || takes_fast_open(m, x)) && peer_fin != ACCEPTED_YES)
		was |= SET(SYN_RECEIVED);
	return was;
}

/* Linux numbers the packets of a socket, but not those of a TIME-WAIT or of an orphan in FIN-WAIT-2: they have none any more. */
bool mirror_has_no_socket(const struct mirror *m, unsigned x, const struct event *e)
{
	if (e->ip_id || e->len || e->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST) || !m->end[x].closed)
		return false;
	for (int i = 0; i < m->count; i++)
		if (m->event[i].from == x && m->event[i].ip_id && !(m->event[i].flags & (TCPAUDIT_SYN | TCPAUDIT_RST)))
			return true;
	return false;
}

struct emission segment_emitted(const struct mirror *m, unsigned x, int at)
{
	const struct event *e = &m->event[at];
	const struct fin_facts *peer = &m->fin[!x];

	if (e->flags & TCPAUDIT_RST)
		return emitted_rst(m, x, at);
	if (e->flags & TCPAUDIT_SYN)
		return emitted_syn(m, x, e);
	enum accepted peer_fin = fin_accepted(m, x, at);
	bool first_fin = e->is & EVENT_FIRST_FIN && !m->end[x].closed;
	struct emission is = first_fin ? emitted_first_fin(peer_fin) : (struct emission){.was = emitted_other(m, x, e, peer_fin)};
	if (is.was & SYNCHRONIZED && (has_left_syn_received(m, x, e) || echoes_beyond_syn(m, x, e)))
		is.was &= (state_set)~SET(SYN_RECEIVED);
	is.may_be_queued = first_fin && m->queued[x];
	if (is.call == CALL_CLOSE)
		return is;
	if (mirror_has_no_socket(m, x, e))
		is.unlikely = (state_set)~FIN_ACKED;
	is.fin_refused = peer->sent && peer->first < at && e->flags & TCPAUDIT_ACK && e->ack == peer->u;
	is.ack_refused = m->end[x].closed && (e->is & EVENT_REPEAT || e->flags & TCPAUDIT_FIN);
	return is;
}

bool closed_unseen(const struct mirror *m, unsigned x, int at, struct emission *close)
{
	const struct event *e = &m->event[at];
	const struct fin_facts *own = &m->fin[x];

	if (m->end[x].closed || !own->sent || own->forged || e->flags & (TCPAUDIT_SYN | TCPAUDIT_RST) || !fin_is_below(own, e->seq, at))
		return false;
	*close = emitted_first_fin(ACCEPTED_UNKNOWN);
	if (own->first > at && fin_accepted(m, x, own->first) == ACCEPTED_YES)
		close->unlikely = SET(SYN_RECEIVED) | SET(ESTABLISHED); /* the unseen copy is taken to say what the seen one says */
	return true;
}
