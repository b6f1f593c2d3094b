/* close_lone.c - the record of a connection that is nothing but one SYN, by a short way: a flood leaves millions of them.
 *
 * It differs from another one's in who, when and how many octets; everything else follows from there being one SYN, and from
 * settings that hold as long as the engine. */
#include "close.h"
#include "flow/embryo.h"

static uint8_t kind_of(const struct embryo *e, int64_t silence)
{
	if (e->entry.bits & CONN_EVICTED)
		return TCPAUDIT_KIND_EVICTED;
	return silence > CLOSE_PATIENCE ? TCPAUDIT_KIND_SYN_TIMEOUT : TCPAUDIT_KIND_SYN_PENDING;
}

void close_describe_lone(const struct embryo *e, int64_t now, struct tcpaudit_connection *r)
{
	r->id = e->entry.id;
	r->input = e->entry.input;
	r->vlan = entry_vlan(&e->entry);
	r->network = entry_network(&e->entry);
	r->ip_version = entry_ip_version(&e->entry);
	r->start = r->last = e->start;
	for (unsigned x = 0; x < 2; x++) {
		unsigned socket = x ^ !!(e->entry.bits & CONN_CROSSED);
		r->end[x].address = entry_address(&e->entry, socket);
		r->end[x].port = e->entry.port[socket];
	}
	r->end[TCPAUDIT_CLIENT].bytes = e->bytes;
	r->end[TCPAUDIT_CLIENT].isn = e->iss;
	r->kind = kind_of(e, now - e->start);
	r->idle = now > e->start ? now - e->start : 0;
}
