/* close_senders.c - what a record says of the two ends without any history: their sockets and counts, and where the capture stands. */
#include <string.h>

#include "close.h"

/* It leaves the checksums of its stream to a card, and those of its peer's are right: they came over a wire.  A virtual link hands its
 * receiver unfilled ones, too, where resets and what answers from TIME-WAIT are filled; and a peer whose are filled all the same would be
 * the nearer one. */
static bool offloads_alone(const struct connection *c, const struct turnaround *took, unsigned x)
{
	const struct tcb *own = &c->end[x], *peer = &c->end[!x];

	return own->bits & TCB_CHECKSUM_PARTIAL && !(peer->bits & TCB_CHECKSUM_PARTIAL) &&
	       peer->bits & TCB_CHECKSUM_GOOD && peer->bits & (TCB_ISS | TCB_TEXT) &&
	       (took->of[x] == TURNAROUND_UNKNOWN || took->of[x] <= took->of[!x]);
}

/* Where the capture stands towards this end, as far as the connection shows it. */
static uint8_t vantage_shown(const struct connection *c, const struct tcpaudit_settings *settings, const struct turnaround *took,
                             unsigned x)
{
	const struct tcb *own = &c->end[x];
	const bool forwarded = c->end[0].bits & c->end[1].bits & TCB_OUTBOUND; /* between two local sockets, nothing leaves */

	if (own->bits & TCB_OUTBOUND && own->bits & TCB_SEQ && !forwarded) /* what only resets, a router may reject in its name */
		return TCPAUDIT_VANTAGE_AT;
	if (!(settings->vantage & TCPAUDIT_IN_THE_MIDDLE) && !forwarded && offloads_alone(c, took, x))
		return TCPAUDIT_VANTAGE_AT;
	if (took->of[x] == TURNAROUND_UNKNOWN || took->of[!x] == TURNAROUND_UNKNOWN)
		return TCPAUDIT_VANTAGE_UNKNOWN;
	if ((uint64_t)took->of[x] * 20 <= took->of[!x] && (own->ttl == 64 || own->ttl == 128 || own->ttl == 255))
		return TCPAUDIT_VANTAGE_NEAR;
	return TCPAUDIT_VANTAGE_FAR;
}

/* Who opened the connection is shown by its handshake.  Where that was not captured, a port tells, but only one below 512: those up to
 * 1023 are clients' as well, of NFS and rlogin, and above there is nothing but a guess. */
static bool roles_are_known(const struct connection *c)
{
	return !(c->entry.bits & CONN_MIDSTREAM) || (c->entry.port[0] < 512) != (c->entry.port[1] < 512);
}

/* A proxy accepts some connections and opens others: `--vantage server` holds for the former.  What shows that the capture stands at
 * the other end is none of those meant; a quick answer shows it not, hosts are slow at times. */
static uint8_t vantage_of(const struct connection *c, const struct tcpaudit_settings *settings, const struct turnaround *took,
                          unsigned x)
{
	if (settings->vantage >> x & 1 && roles_are_known(c) && vantage_shown(c, settings, took, !x) != TCPAUDIT_VANTAGE_AT)
		return TCPAUDIT_VANTAGE_AT;
	return vantage_shown(c, settings, took, x);
}

static void describe_sender(const struct connection *c, const struct tcpaudit_settings *settings, const struct turnaround *took,
                            unsigned x, struct tcpaudit_end *end)
{
	const struct tcb *tcb = &c->end[x];
	const struct tcb_rare *rare = connection_rare(c, x);
	unsigned socket = x ^ !!(c->entry.bits & CONN_CROSSED);

	end->address = entry_address(&c->entry, socket);
	end->port = c->entry.port[socket];
	end->packets = tcb_packets(tcb, rare);
	end->bytes = tcb_bytes(tcb, rare);
	end->text = tcb_text(tcb, rare);
	end->isn_known = tcb->bits & TCB_ISS;
	end->isn = tcb->iss;
	end->retransmissions = rare ? rare->retransmissions : 0;
	end->turnaround = took->of[x] == TURNAROUND_UNKNOWN ? -1 : (int64_t)took->of[x] * 1000;
	end->vantage = vantage_of(c, settings, took, x);
}

static uint8_t completeness(uint32_t bits)
{
	return (uint8_t)((bits & CONN_SYN ? TCPAUDIT_COMPLETE_SYN : 0) | (bits & CONN_SYN_ACK ? TCPAUDIT_COMPLETE_SYN_ACK : 0) |
	                 (bits & CONN_ACK ? TCPAUDIT_COMPLETE_ACK : 0) | (bits & CONN_DATA ? TCPAUDIT_COMPLETE_DATA : 0) |
	                 (bits & CONN_FIN ? TCPAUDIT_COMPLETE_FIN : 0) | (bits & CONN_RST ? TCPAUDIT_COMPLETE_RST : 0));
}

void close_describe_senders(const struct connection *c, const struct tcpaudit_settings *settings,
                            struct tcpaudit_connection *r)
{
	const struct turnaround took = connection_turnaround(c);

	memset(r, 0, sizeof *r);
	r->id = c->entry.id;
	r->input = c->entry.input;
	r->vlan = entry_vlan(&c->entry);
	r->network = entry_network(&c->entry);
	r->ip_version = entry_ip_version(&c->entry);
	r->start = c->start;
	r->last = connection_last(c);
	for (unsigned x = 0; x < 2; x++)
		describe_sender(c, settings, &took, x, &r->end[x]);
	r->rtt = r->end[0].turnaround >= 0 && r->end[1].turnaround >= 0 ? r->end[0].turnaround + r->end[1].turnaround : -1;
	r->completeness = completeness(c->entry.bits);
}
