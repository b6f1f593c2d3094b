/* incarnation.c - see incarnation.h. */
#include "incarnation.h"

#include "connection.h"

/* A SYN-ACK for the SYN of this record, from another host behind the same address, or in its name. */
static bool answers_syn(const struct tcpaudit_segment *s, bool known, tcp_seq iss)
{
	return s->flags & TCPAUDIT_ACK && known && s->ack == seq_add(iss, 1);
}

#define IN_FLIGHT 65536 /* octets by which somebody who guesses, or looks on, may be behind */

/* A SYN-ACK with the numbers at which an open connection stands, which begins nothing: it is challenged (RFC 5961 4.2). */
static bool stands_there(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];

	return s->flags & TCPAUDIT_ACK && (c->entry.bits & (CONN_ESTABLISHED | CONN_SETTLED)) == CONN_ESTABLISHED &&
	       own->bits & peer->bits & TCB_SEQ && seq_within(s->ack, seq_add(peer->maxseq, 0u - IN_FLIGHT), seq_add(peer->maxseq, 1)) &&
	       seq_within(s->seq, seq_add(own->maxseq, 0u - IN_FLIGHT), seq_add(seq_max(own->maxseq, peer->redge), 1));
}

/* Does a SYN or SYN-ACK belong to this record, by its ISS, or by that of the SYN that it answers? */
static bool same_incarnation(const struct flow_table *t, uint32_t slot, const struct tcpaudit_segment *s, bool crossed)
{
	const struct entry *entry = flow_entry(t, slot);
	unsigned from = connection_sender(entry, crossed);

	if (slot_buried(slot)) {
		const struct former *was = &flow_tombstone(t, slot)->was;
		return !(entry->bits & CONN_MIDSTREAM) &&
		       ((former_knows(was, from) && was->iss[from] == s->seq) || answers_syn(s, former_knows(was, !from), was->iss[!from]));
	}
	const struct connection *c = flow_connection(t, slot);
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];
	if (own->bits & TCB_ISS)
		return own->iss == s->seq || answers_syn(s, peer->bits & TCB_ISS, peer->iss) || stands_there(c, s, from);
	if (own->bits & TCB_SEQ) /* its stream is known, its SYN was not captured: a late copy fits in front */
		return entry->bits & CONN_MIDSTREAM ? false : seq_lt(s->seq, own->maxseq);
	if (s->flags & TCPAUDIT_ACK)
		return !(peer->bits & TCB_ISS) || (seq_gt(s->ack, peer->iss) && seq_le(s->ack, peer->maxseq));
	return peer->bits & TCB_ISS && !(entry->bits & CONN_ESTABLISHED); /* simultaneous open */
}

/* What is not known of a stream fits. */
static bool former_fits(const struct former *was, unsigned from, tcp_seq number, uint32_t ahead)
{
	tcp_seq next = was->next[from];

	return !former_knows(was, from) ||
	       (seq_le(number, seq_add(next, ahead)) && seq_ge(number, seq_add(next, (uint32_t) - (1 << 30))));
}

static bool tombstone_fits(const struct tombstone *t, const struct tcpaudit_segment *s, unsigned from)
{
	return former_fits(&t->was, from, s->seq, 65536) &&
	       (!(s->flags & TCPAUDIT_ACK) || former_fits(&t->was, !from, s->ack, 1));
}

bool incarnation_numbers_fit(const struct flow_table *t, uint32_t slot, const struct tcpaudit_segment *s, bool crossed)
{
	unsigned from = connection_sender(flow_entry(t, slot), crossed);
	if (slot_buried(slot))
		return tombstone_fits(flow_tombstone(t, slot), s, from);
	return connection_fits(flow_connection(t, slot), s, from);
}

/* A reset without ACK, from an end of which nothing is known: its number could be that of an incarnation before. */
static bool fits_anything(const struct flow_table *t, uint32_t slot, const struct tcpaudit_segment *s, bool crossed)
{
	if (slot_buried(slot) || s->flags & (TCPAUDIT_ACK | TCPAUDIT_SYN))
		return false;
	const struct connection *c = flow_connection(t, slot);
	return !(c->end[connection_sender(&c->entry, crossed)].bits & TCB_SEQ);
}

/* It acknowledges another SYN than the one of this record, whose number nobody else would know. */
static bool answers_another(const struct flow_table *t, uint32_t slot, const struct tcpaudit_segment *s, bool crossed)
{
	if (slot_buried(slot) || (s->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK)) != (TCPAUDIT_SYN | TCPAUDIT_ACK))
		return false;
	const struct connection *c = flow_connection(t, slot);
	const struct tcb *peer = &c->end[!connection_sender(&c->entry, crossed)];

	return peer->bits & TCB_ISS && !(seq_gt(s->ack, peer->iss) && seq_le(s->ack, peer->maxseq));
}

static bool awaits_syn_ack(const struct flow_table *t, uint32_t slot, bool crossed)
{
	if (slot_buried(slot))
		return false;
	const struct entry *entry = flow_entry(t, slot);
	return (entry->bits & (CONN_SYN | CONN_SYN_ACK | CONN_ESTABLISHED | CONN_RST)) == CONN_SYN &&
	       connection_sender(entry, crossed) == TCPAUDIT_SERVER;
}

bool incarnation_fits(const struct flow_table *t, uint32_t slot, const struct tcpaudit_segment *s, bool crossed)
{
	return is_syn(s) ? same_incarnation(t, slot, s, crossed) : incarnation_numbers_fit(t, slot, s, crossed);
}

/* An attempt that nobody has answered: what acknowledges anything is not of it, as long as the connection before may go on (RFC 5961
 * 4.2: a SYN in a synchronized state is challenged, and changes nothing). */
static bool is_unanswered(const struct flow_table *t, uint32_t slot)
{
	return slot_is_whole(slot) && (flow_entry(t, slot)->bits & (CONN_SYN | CONN_SYN_ACK | CONN_ESTABLISHED)) == CONN_SYN;
}

/* From where it stood, without a jump: an answer to the attempt that the capture missed would begin one. */
static bool goes_on(const struct flow_table *t, uint32_t slot, const struct tcpaudit_segment *s, bool crossed)
{
	if (slot == SLOT_NONE || !slot_is_whole(slot) || (s->flags & (TCPAUDIT_ACK | TCPAUDIT_SYN)) != TCPAUDIT_ACK)
		return false;
	const struct connection *c = flow_connection(t, slot);
	const unsigned from = connection_sender(&c->entry, crossed);
	return (c->entry.bits & (CONN_ESTABLISHED | CONN_CLOSED | CONN_RST)) == CONN_ESTABLISHED &&
	       seq_le(s->seq, c->end[from].maxseq) && seq_le(s->ack, c->end[!from].maxseq) && connection_fits(c, s, from);
}

uint32_t incarnation_of(const struct flow_table *t, uint32_t newest, const struct tcpaudit_segment *s, bool crossed)
{
	uint32_t slot = newest, vague = SLOT_NONE;

	if (is_unanswered(t, newest) && goes_on(t, flow_links(t, newest).older, s, crossed))
		return flow_links(t, newest).older;
	for (int i = 0; slot != SLOT_NONE && i < INCARNATIONS; i++, slot = flow_links(t, slot).older) {
		if (!incarnation_fits(t, slot, s, crossed))
			continue;
		if (!fits_anything(t, slot, s, crossed) && !answers_another(t, slot, s, crossed))
			return slot;
		if (vague == SLOT_NONE)
			vague = slot;
	}
	if (vague != SLOT_NONE)
		return vague;
	if (is_syn(s)) /* whatever a SYN-ACK acknowledges: it comes from whom a SYN without an answer was sent to */
		return s->flags & TCPAUDIT_ACK && awaits_syn_ack(t, newest, crossed) ? newest : SLOT_NONE;
	if (slot_buried(newest)) /* a reset need not carry anything that fits; text that fits nowhere is another connection's */
		return s->flags & TCPAUDIT_RST ? newest : SLOT_NONE;
	return newest;
}
