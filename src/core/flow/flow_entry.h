/* flow_entry.h - what names a connection, in the little room that most need.
 *
 * Two IPv4 sockets outside any tunnel take 12 octets; all else that names one lies beside, in a block of its own. */
#ifndef FLOW_ENTRY_H
#define FLOW_ENTRY_H

#include "flow_key.h"
#include "decode/wire.h"

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

static inline uint16_t place_by(uint16_t vlan, uint32_t network, uint8_t ip_version)
{
	if (!(vlan | network | (ip_version ^ 4u))) /* as nearly always */
		return 0;
	return (uint16_t)((vlan & PLACE_VLAN) | (ip_version == 6 ? PLACE_IPV6 : 0) | (network ? PLACE_TUNNEL : 0));
}

static inline uint16_t place_of(const struct socket_pair *p)
{
	return place_by(p->vlan, p->network, p->ip_version);
}

static inline uint32_t ipv4_word(const struct tcpaudit_address *address)
{
	uint32_t word;

	memcpy(&word, address, sizeof word);
	return word;
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

/* A segment's two sockets, as entries have them.  Of wide ones, the segment itself has the addresses. */
struct sockets {
	uint32_t ipv4[2];
	uint16_t port[2]; /* canonical order */
	uint16_t place;
	bool crossed; /* the sender is the second */
};

/* The order of IPv4 sockets is the same as that of all. */
static inline struct sockets sockets_of(const struct tcpaudit_segment *s)
{
	struct sockets n = {.place = place_by(s->vlan, s->network, s->ip_version)};

	if (n.place & PLACE_WIDE) {
		n.crossed = socket_pair_is_crossed(s);
		n.port[0] = n.crossed ? s->dst_port : s->src_port;
		n.port[1] = n.crossed ? s->src_port : s->dst_port;
		return n;
	}
	const uint64_t src = (uint64_t)ipv4_word(&s->src) << 16 | s->src_port, dst = (uint64_t)ipv4_word(&s->dst) << 16 | s->dst_port;
	const uint64_t first = src < dst ? src : dst, second = src < dst ? dst : src; /* the least and the most: no branches */
	n.crossed = src > dst;
	n.ipv4[0] = (uint32_t)(first >> 16);
	n.ipv4[1] = (uint32_t)(second >> 16);
	n.port[0] = (uint16_t)first;
	n.port[1] = (uint16_t)second;
	return n;
}

/* That of their pair. */
static inline uint32_t sockets_hash(const struct sockets *n, const struct tcpaudit_segment *s, const struct flow_key *key)
{
	if (!(n->place & PLACE_WIDE))
		return flow_key_end(flow_key_sum(key, n->port, n->ipv4[0], n->ipv4[1]));
	struct socket_pair pair;
	socket_pair_fill(&pair, s, n->crossed);
	return flow_key_hash(key, &pair);
}

/* Are they exactly those of an entry? */
static inline bool entry_has(const struct entry *e, const struct sockets *n, const struct tcpaudit_segment *s)
{
	if ((uint16_t)(e->port[0] ^ n->port[0]) | (uint16_t)(e->port[1] ^ n->port[1]) | (e->place ^ n->place))
		return false;
	if (!(n->place & PLACE_WIDE))
		return !((e->name.ipv4[0] ^ n->ipv4[0]) | (e->name.ipv4[1] ^ n->ipv4[1]));
	const struct wide *w = e->name.wide;
	return w->network == s->network && !memcmp(&w->address[n->crossed], &s->src, sizeof s->src) &&
	       !memcmp(&w->address[!n->crossed], &s->dst, sizeof s->dst);
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

/* A socket connected to itself: RFC 9293 3.10.7.3 has it open simultaneously, and one block is both ends. */
static inline bool entry_is_self(const struct entry *e)
{
	const struct tcpaudit_address a = entry_address(e, 0), b = entry_address(e, 1);

	return e->port[0] == e->port[1] && !memcmp(&a, &b, sizeof a);
}

/* Part by part, as socket_pair_fill(). */
static inline void entry_tell_pair(const struct entry *e, struct socket_pair *p)
{
	p->address[0] = entry_address(e, 0);
	p->address[1] = entry_address(e, 1);
	p->port[0] = e->port[0];
	p->port[1] = e->port[1];
	p->network = entry_network(e);
	p->vlan = entry_vlan(e);
	p->ip_version = entry_ip_version(e);
	p->pad = 0;
}

static inline struct socket_pair entry_pair(const struct entry *e)
{
	struct socket_pair p;

	entry_tell_pair(e, &p);
	return p;
}

/* That of its pair. */
static inline uint32_t entry_hash(const struct entry *e, const struct flow_key *key)
{
	if (!(e->place & PLACE_WIDE))
		return flow_key_end(flow_key_sum(key, e->port, e->name.ipv4[0], e->name.ipv4[1]));
	const struct socket_pair pair = entry_pair(e);
	return flow_key_hash(key, &pair);
}

#endif
