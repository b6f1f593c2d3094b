/* wire.h - how protocols write: octets in network order, and the assigned numbers that say what comes next. */
#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>
#include <string.h>

#include <tcpaudit/segment.h>

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_TEB = 0x6558, /* transparent Ethernet bridging */
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_PPP = 0x880b,
	ETHERTYPE_WCCP = 0x883e,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_UPSTREAM = 0x8848,
	ETHERTYPE_PPPOE_SESSION = 0x8864,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_ERSPAN2 = 0x88be,
	ETHERTYPE_ERSPAN3 = 0x22eb,
	ETHERTYPE_QINQ_OLD = 0x9100,
	ETHERTYPE_LEAST = 0x0600, /* below, the field is a length (IEEE 802.3 3.2.6) */
};

enum {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_IPV4 = 4,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_IPV6 = 41,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_GRE = 47,
	PROTOCOL_AH = 51,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_DESTINATION = 60,
	PROTOCOL_SHIM6 = 140,
};

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* An IPv4 address as it stands in a packet.  One store of the whole: whoever reads it soon, as a whole, need not wait for its parts. */
static inline struct tcpaudit_address ipv4_address_of(uint32_t word)
{
	typedef uint32_t words __attribute__((vector_size(16)));
	const words all = {word};
	struct tcpaudit_address address;

	memcpy(&address, &all, sizeof address);
	return address;
}

#endif
