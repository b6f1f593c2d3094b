/* flow_entry.h - what names a connection, in the little room that most need.
 *
 * Two IPv4 sockets outside any tunnel take 12 octets; all else that names one lies beside, in a block of its own. */
#ifndef FLOW_ENTRY_H
#define FLOW_ENTRY_H

#include "flow_key.h"

enum {
	PLACE_VLAN = 0x0fff,
	PLACE_TUNNEL = 0x4000,
	PLACE_IPV6 = 0x8000,
	PLACE_WIDE = PLACE_TUNNEL | PLACE_IPV6, /* either: entry.name.wide */
};

struct wide {
	struct tcpaudit_address address[2];
	uint32_t network;
};

/* What connections, embryos and tombstones have in common: all that finding and expiring one needs. */
struct entry {
	union {
		uint32_t ipv4[2]; /* of both sockets in canonical order, as in the packet */
		struct wide *wide;
	} name;
	uint64_t id;      /* ordinal of its first frame; 0: a free record */
	uint32_t bits;    /* CONN_ */
	uint16_t port[2]; /* canonical order */
	uint16_t place;   /* PLACE_ bits */
	uint16_t input;   /* of its first frame */
	uint16_t capture; /* CAPTURE_ bits (connection.h) */
	uint16_t label;   /* the labeller's note */
};

_Static_assert(sizeof(struct entry) == 32, "half a cache line");

static inline uint16_t place_of(const struct socket_pair *p)
{
	if (!(p->vlan | p->network | (p->ip_version ^ 4u))) /* as nearly always */
		return 0;
	return (uint16_t)((p->vlan & PLACE_VLAN) | (p->ip_version == 6 ? PLACE_IPV6 : 0) | (p->network ? PLACE_TUNNEL : 0));
}

static inline uint32_t ipv4_word(const struct tcpaudit_address *address)
{
	uint32_t word;

	memcpy(&word, address, sizeof word);
	return word;
}

static inline struct tcpaudit_address ipv4_address_of(uint32_t word)
{
	struct tcpaudit_address address = {{0}};

	memcpy(&address, &word, sizeof word);
	return address;
}

/* Is it of exactly this pair, network and VLAN included? */
static inline bool entry_is_of(const struct entry *e, const struct socket_pair *p)
{
	if ((uint16_t)(e->port[0] ^ p->port[0]) | (uint16_t)(e->port[1] ^ p->port[1]) | (e->place ^ place_of(p)))
		return false;
	if (!(e->place & PLACE_WIDE))
		return !((e->name.ipv4[0] ^ ipv4_word(&p->address[0])) | (e->name.ipv4[1] ^ ipv4_word(&p->address[1])));
	return e->name.wide->network == p->network && !memcmp(e->name.wide->address, p->address, sizeof p->address);
}

static inline struct tcpaudit_address entry_address(const struct entry *e, unsigned socket)
{
	return e->place & PLACE_WIDE ? e->name.wide->address[socket] : ipv4_address_of(e->name.ipv4[socket]);
}

static inline uint32_t entry_network(const struct entry *e)
{
	return e->place & PLACE_WIDE ? e->name.wide->network : 0;
}

static inline uint16_t entry_vlan(const struct entry *e)
{
	return e->place & PLACE_VLAN;
}

static inline uint8_t entry_ip_version(const struct entry *e)
{
	return e->place & PLACE_IPV6 ? 6 : 4;
}

static inline struct socket_pair entry_pair(const struct entry *e)
{
	return (struct socket_pair){.address = {entry_address(e, 0), entry_address(e, 1)},
	                            .port = {e->port[0], e->port[1]},
	                            .network = entry_network(e),
	                            .vlan = entry_vlan(e),
	                            .ip_version = entry_ip_version(e)};
}

#endif
