/* capture.c - cap-: what the capture hides of a connection.  Each lowers what others may claim. */
#include "check.h"
#include "flow/unusual.h"

static void note_if(struct judging *j, bool holds)
{
	if (holds)
		note(j);
}

void check_cap_midstream(struct judging *j)
{
	note_if(j, j->c->entry.bits & CONN_MIDSTREAM);
}

void check_cap_handshake_part(struct judging *j)
{
	uint32_t bits = j->c->entry.bits;
	if (bits & CONN_MIDSTREAM || bits & CONN_SIMULTANEOUS_OPEN)
		return;
	note_if(j, !(bits & CONN_SYN) || (!(bits & CONN_SYN_ACK) && bits & (CONN_ESTABLISHED | CONN_DATA | CONN_FIN)));
}

void check_cap_one_direction(struct judging *j)
{
	unsigned sender = connection_heard(j->c, 0) ? 0 : 1;
	if (entry_is_self(&j->c->entry) || connection_heard(j->c, !sender) || tcb_packets(&j->c->end[sender], connection_rare(j->c, sender)) < 3)
		return;
	note_if(j, j->c->end[sender].bits & TCB_ACK); /* a silent peer cannot be acknowledged */
}

void check_cap_gap_acked(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_GAP_ACKED);
}

void check_cap_drops(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_DROPS);
}

void check_cap_snaplen(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_SNAPLEN);
}

void check_cap_duplicate(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_DUPLICATE);
}

void check_cap_offload_tx(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_OFFLOAD_TX);
}

void check_cap_gro(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_GRO);
}

void check_cap_checksum_bad(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_CHECKSUM_BAD);
}

void check_cap_reordered(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_REORDERED);
}

void check_cap_clock_step(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_CLOCK_STEP);
}

void check_cap_multi_if(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_MULTI_IF);
}

void check_cap_tunnel(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_TUNNEL);
}

void check_cap_vlan_asymmetric(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_VLAN_ASYMMETRIC);
}

void check_cap_nat_twin(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_NAT_TWIN);
}

/* Does what the peer of x acknowledges lie the same distance off what x sent, however far that has gone on?  Loss and long gaps
 * end with acknowledgments that fit again. */
static bool is_rewritten(const struct history *h, unsigned x)
{
	const int32_t far = 1 << 24;
	tcp_seq sent = 0, acked = 0;
	int32_t distance = 0;
	bool any = false;

	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->flags & TCPAUDIT_RST || e->is & EVENT_DUPLICATE || e->unusual & UNUSUAL_OLD_INCARNATION)
			continue;
		if (e->from == x) {
			sent = any ? seq_max(sent, event_end(e)) : event_end(e);
			any = true;
			continue;
		}
		if (!any || !(e->flags & TCPAUDIT_ACK))
			continue;
		int32_t off = seq_diff(e->ack, sent);
		if (off < far && off > -far)
			return false;
		if (distance && off == distance && e->ack != acked)
			return true;
		if (!distance) {
			distance = off;
			acked = e->ack;
		}
	}
	return false;
}

void check_cap_seq_rewrite(struct judging *j)
{
	note_if(j, (j->h->odd && (is_rewritten(j->h, 0) || is_rewritten(j->h, 1))) || twin_numbers(j));
}

void check_cap_fragments(struct judging *j)
{
	note_if(j, j->c->entry.capture & CAPTURE_FRAGMENTS);
}

void check_cap_truncated(struct judging *j)
{
	if (!j->file->ended || connection_settled(j->c))
		return;
	note_if(j, j->file->now - connection_last(j->c) < CHECK_BEHIND);
}

/* Both SYNs are needed to know, whole, and only what comes behind them is scaled. */
void check_cap_scale_unknown(struct judging *j)
{
	const uint32_t behind = CONN_ESTABLISHED | CONN_DATA | CONN_FIN | CONN_ACK;
	uint32_t bits = j->c->entry.bits;
	const struct tcb *end = j->c->end;
	bool cut = (end[0].bits | end[1].bits) & TCB_OPTIONS_CUT && !(end[0].bits & end[1].bits & TCB_WSCALE);
	bool both = bits & CONN_SYN && bits & CONN_SYN_ACK && !cut;

	note_if(j, bits & CONN_MIDSTREAM || (!(bits & CONN_SIMULTANEOUS_OPEN) && bits & behind && !both));
}

void check_cap_evicted(struct judging *j)
{
	note_if(j, j->c->entry.bits & CONN_EVICTED || j->h->dropped);
}
