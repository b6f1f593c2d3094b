/* packets.h - frames of every kind: link layers, tunnels, and what is in them.
 *
 * Packets are built from the inside out: each put_...() sets a header before what is there. */
#ifndef PACKETS_H
#define PACKETS_H

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include <tcpaudit/audit.h>

#define ALL  TCPAUDIT_TUNNEL_ALL
#define TEXT "hello"

struct packet {
	uint8_t octet[1 << 17];
	size_t start;
};

static struct packet packet;

static const uint8_t a4[4] = {192, 0, 2, 1}, b4[4] = {192, 0, 2, 2};
static const uint8_t a6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1}, b6[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};

static inline uint8_t *put(const void *octets, size_t n)
{
	cr_assert_leq(n, packet.start);
	packet.start -= n;
	if (n > 0)
		memcpy(packet.octet + packet.start, octets, n);
	return packet.octet + packet.start;
}

static inline size_t length(void)
{
	return sizeof packet.octet - packet.start;
}

static inline void set16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint32_t sum16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Everything anew: a TCP segment from port 1000 to 2000, SEQ 100, ACK 200. */
static inline uint8_t *put_tcp(int version, unsigned flags, const void *options, size_t options_len, const void *text, size_t text_len)
{
	uint8_t header[20] = {0x03, 0xe8, 0x07, 0xd0, 0, 0, 0, 100, 0, 0, 0, 200, 0, 0, 0x02, 0x00};
	uint32_t sum;
	uint8_t *p;

	packet.start = sizeof packet.octet;
	put(text, text_len);
	put(options, options_len);
	set16(header + 12, (5 + options_len / 4) << 12 | flags);
	p = put(header, 20);
	sum = sum16(0, version == 4 ? a4 : a6, version == 4 ? 4 : 16);
	sum = sum16(sum, version == 4 ? b4 : b6, version == 4 ? 4 : 16);
	sum = sum16(sum + 6 + (uint32_t)(length() >> 16) + (uint32_t)(length() & 0xffff), p, length());
	set16(p + 16, ~sum & 0xffff);
	return p;
}

static inline uint8_t *put_ipv4(uint8_t protocol)
{
	uint8_t header[20] = {0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, protocol};
	uint8_t *p;

	set16(header + 2, length() + 20);
	memcpy(header + 12, a4, 4);
	memcpy(header + 16, b4, 4);
	p = put(header, 20);
	set16(p + 10, ~sum16(0, p, 20) & 0xffff);
	return p;
}

static inline uint8_t *put_ipv6(uint8_t next)
{
	uint8_t header[40] = {0x60, 0, 0, 0, 0, 0, next, 63};

	set16(header + 4, length());
	memcpy(header + 8, a6, 16);
	memcpy(header + 24, b6, 16);
	return put(header, 40);
}

static inline void put_ethernet(uint16_t type)
{
	uint8_t header[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};

	set16(header + 12, type);
	put(header, 14);
}

static inline void put_udp(uint16_t port)
{
	uint8_t header[8] = {0x11, 0x22};

	set16(header + 2, port);
	set16(header + 4, length() + 8);
	put(header, 8);
}

static inline void put_plain(int version)
{
	put_tcp(version, 0x10, NULL, 0, TEXT, 5);
	if (version == 4)
		put_ipv4(6);
	else
		put_ipv6(6);
}

#define OCTETS(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define SNAP4       0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00, 0x08, 0x00
#define MACS        1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 0x10, 0x00
#define MACS12      2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1
#define SLL_REST    6, 2, 0, 0, 0, 0, 1, 0, 0

/* Link-layer headers before a packet of IP `version`, and what becomes of the frame. */
static const struct link_case {
	const char *name;
	uint16_t linktype;
	uint8_t version;
	const uint8_t *octets;
	size_t n;
	enum tcpaudit_fate fate;
	uint16_t vlan;
} link_cases[] = {
        {"ethernet", 1, 4, OCTETS(MACS12, 8, 0), TCPAUDIT_FATE_TCP, 0},
        {"ethernet v6", 1, 6, OCTETS(MACS12, 0x86, 0xdd), TCPAUDIT_FATE_TCP, 0},
        {"ethernet v6 as v4", 1, 6, OCTETS(MACS12, 8, 0), TCPAUDIT_FATE_TCP, 0},
        {"ethernet v4 as v6", 1, 4, OCTETS(MACS12, 0x86, 0xdd), TCPAUDIT_FATE_IP_BAD, 0},
        {"arp", 1, 4, OCTETS(MACS12, 8, 6), TCPAUDIT_FATE_NOT_IP, 0},
        {"vlan", 1, 4, OCTETS(MACS12, 0x81, 0, 0x20, 5, 8, 0), TCPAUDIT_FATE_TCP, 5},
        {"priority tag", 1, 4, OCTETS(MACS12, 0x81, 0, 0xe0, 0, 8, 0), TCPAUDIT_FATE_TCP, 0},
        {"802.1ad", 1, 6, OCTETS(MACS12, 0x88, 0xa8, 0, 5, 0x81, 0, 0x0f, 0xff, 0x86, 0xdd), TCPAUDIT_FATE_TCP, 4095},
        {"9100", 1, 4, OCTETS(MACS12, 0x91, 0, 0, 5, 0x91, 0, 0, 0, 8, 0), TCPAUDIT_FATE_TCP, 5},
        {"mpls", 1, 4, OCTETS(MACS12, 0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64), TCPAUDIT_FATE_TCP, 0},
        {"mpls upstream v6", 1, 6, OCTETS(MACS12, 0x88, 0x48, 0, 2, 1, 64), TCPAUDIT_FATE_TCP, 0},
        {"mpls pseudowire", 1, 4, OCTETS(MACS12, 0x88, 0x47, 0, 2, 1, 64, 0, 0, 0, 0), TCPAUDIT_FATE_NOT_IP, 0},
        {"pppoe", 1, 4, OCTETS(MACS12, 0x88, 0x64, 0x11, 0, 0, 7, 0, 47, 0, 0x21), TCPAUDIT_FATE_TCP, 0},
        {"pppoe v6", 1, 6, OCTETS(MACS12, 0x88, 0x64, 0x11, 0, 0, 7, 0, 67, 0, 0x57), TCPAUDIT_FATE_TCP, 0},
        {"pppoe lcp", 1, 4, OCTETS(MACS12, 0x88, 0x64, 0x11, 0, 0, 7, 0, 47, 0xc0, 0x21), TCPAUDIT_FATE_NOT_IP, 0},
        {"pppoe discovery", 1, 4, OCTETS(MACS12, 0x88, 0x63, 0x11, 9, 0, 0, 0, 0), TCPAUDIT_FATE_NOT_IP, 0},
        {"snap", 1, 4, OCTETS(MACS12, 0, 53, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"snap 802.1H", 1, 4, OCTETS(MACS12, 0, 53, 0xaa, 0xaa, 3, 0, 0, 0xf8, 8, 0), TCPAUDIT_FATE_TCP, 0},
        {"snap of an organisation", 1, 4, OCTETS(MACS12, 0, 53, 0xaa, 0xaa, 3, 0, 0, 0x0c, 8, 0), TCPAUDIT_FATE_NOT_IP, 0},
        {"llc ip", 1, 4, OCTETS(MACS12, 0, 48, 6, 6, 3), TCPAUDIT_FATE_TCP, 0},
        {"llc stp", 1, 4, OCTETS(MACS12, 0, 48, 0x42, 0x42, 3), TCPAUDIT_FATE_NOT_IP, 0},
        {"null little-endian", 0, 4, OCTETS(2, 0, 0, 0), TCPAUDIT_FATE_TCP, 0},
        {"null big-endian", 0, 4, OCTETS(0, 0, 0, 2), TCPAUDIT_FATE_TCP, 0},
        {"null Linux", 0, 6, OCTETS(10, 0, 0, 0), TCPAUDIT_FATE_TCP, 0},
        {"null NetBSD", 0, 6, OCTETS(0, 0, 0, 24), TCPAUDIT_FATE_TCP, 0},
        {"null FreeBSD", 0, 6, OCTETS(28, 0, 0, 0), TCPAUDIT_FATE_TCP, 0},
        {"null Darwin", 0, 6, OCTETS(30, 0, 0, 0), TCPAUDIT_FATE_TCP, 0},
        {"null ISO", 0, 4, OCTETS(7, 0, 0, 0), TCPAUDIT_FATE_NOT_IP, 0},
        {"loop", 108, 4, OCTETS(0, 0, 0, 2), TCPAUDIT_FATE_TCP, 0},
        {"loop v6", 108, 6, OCTETS(0, 0, 0, 24), TCPAUDIT_FATE_TCP, 0},
        {"ppp", 9, 4, OCTETS(0xff, 3, 0, 0x21), TCPAUDIT_FATE_TCP, 0},
        {"ppp bare", 9, 6, OCTETS(0, 0x57), TCPAUDIT_FATE_TCP, 0},
        {"ppp compressed", 9, 4, OCTETS(0xff, 3, 0x21), TCPAUDIT_FATE_TCP, 0},
        {"ppp mpls", 9, 4, OCTETS(0xff, 3, 2, 0x81, 0, 0, 1, 64), TCPAUDIT_FATE_TCP, 0},
        {"ppp lcp", 9, 4, OCTETS(0xff, 3, 0xc0, 0x21), TCPAUDIT_FATE_NOT_IP, 0},
        {"ppp hdlc", 50, 4, OCTETS(0xff, 3, 0, 0x21), TCPAUDIT_FATE_TCP, 0},
        {"ppp hdlc cisco", 50, 6, OCTETS(0x0f, 0, 0x86, 0xdd), TCPAUDIT_FATE_TCP, 0},
        {"ppp ether", 51, 4, OCTETS(0x11, 0, 0, 7, 0, 47, 0, 0x21), TCPAUDIT_FATE_TCP, 0},
        {"cisco hdlc", 104, 4, OCTETS(0x8f, 0, 8, 0), TCPAUDIT_FATE_TCP, 0},
        {"cisco slarp", 104, 4, OCTETS(0x8f, 0, 0x80, 0x35), TCPAUDIT_FATE_NOT_IP, 0},
        {"raw", 101, 4, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"raw v6", 101, 6, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"raw 12", 12, 4, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"raw 14", 14, 6, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"raw version 0", 101, 4, OCTETS(0), TCPAUDIT_FATE_IP_BAD, 0},
        {"ipv4", 228, 4, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"ipv6", 229, 6, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"ipv6 that is not", 229, 4, NULL, 0, TCPAUDIT_FATE_IP_BAD, 0},
        {"cooked", 113, 4, OCTETS(0, 0, 0, 1, 0, SLL_REST, 8, 0), TCPAUDIT_FATE_TCP, 0},
        {"cooked v6", 113, 6, OCTETS(0, 0, 0, 1, 0, SLL_REST, 0x86, 0xdd), TCPAUDIT_FATE_TCP, 0},
        {"cooked vlan", 113, 4, OCTETS(0, 0, 0, 1, 0, SLL_REST, 0x81, 0, 0, 6, 8, 0), TCPAUDIT_FATE_TCP, 6},
        {"cooked llc", 113, 4, OCTETS(0, 0, 0, 1, 0, SLL_REST, 0, 4, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"cooked novell", 113, 4, OCTETS(0, 0, 0, 1, 0, SLL_REST, 0, 1), TCPAUDIT_FATE_NOT_IP, 0},
        {"cooked netlink", 113, 4, OCTETS(0, 0, 3, 0x38, 0, SLL_REST, 8, 0), TCPAUDIT_FATE_NOT_IP, 0},
        {"cooked 2", 276, 4, OCTETS(8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, SLL_REST), TCPAUDIT_FATE_TCP, 0},
        {"cooked 2 v6", 276, 6, OCTETS(0x86, 0xdd, 0, 0, 0, 0, 0, 3, 0, 1, 0, SLL_REST), TCPAUDIT_FATE_TCP, 0},
        {"cooked 2 arp", 276, 4, OCTETS(8, 6, 0, 0, 0, 0, 0, 3, 0, 1, 0, SLL_REST), TCPAUDIT_FATE_NOT_IP, 0},
        {"802.11", 105, 4, OCTETS(0x08, 1, 0, 0, MACS, 0, 0, SNAP4), TCPAUDIT_FATE_NOT_IP, 0},
        {"802.11 to DS", 105, 4, OCTETS(0x08, 1, 0, 0, MACS, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"802.11 QoS", 105, 4, OCTETS(0x88, 2, 0, 0, MACS, 0, 0, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"802.11 four addresses", 105, 4, OCTETS(0x08, 3, 0, 0, MACS, 1, 2, 3, 4, 5, 6, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"802.11 QoS four addresses", 105, 4, OCTETS(0x88, 3, 0, 0, MACS, 1, 2, 3, 4, 5, 6, 0, 0, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"802.11 QoS HT control", 105, 4, OCTETS(0x88, 0x81, 0, 0, MACS, 0, 0, 0, 0, 0, 0, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"802.11 A-MSDU", 105, 4, OCTETS(0x88, 1, 0, 0, MACS, 0x80, 0, SNAP4), TCPAUDIT_FATE_NOT_IP, 0},
        {"802.11 protected", 105, 4, OCTETS(0x08, 0x41, 0, 0, MACS, SNAP4), TCPAUDIT_FATE_L2_ENCRYPTED, 0},
        {"802.11 beacon", 105, 4, OCTETS(0x80, 0, 0, 0, MACS), TCPAUDIT_FATE_NOT_IP, 0},
        {"802.11 null", 105, 4, OCTETS(0x48, 1, 0, 0, MACS), TCPAUDIT_FATE_NOT_IP, 0},
        {"802.11 fragment", 105, 4, OCTETS(0x08, 5, 0, 0, MACS, SNAP4), TCPAUDIT_FATE_FRAGMENT_LOST, 0},
        {"radiotap", 127, 4, OCTETS(0, 0, 8, 0, 0, 0, 0, 0, 0x08, 1, 0, 0, MACS, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"radiotap padded", 127, 4, OCTETS(0, 0, 9, 0, 2, 0, 0, 0, 0x20, 0x88, 1, 0, 0, MACS, 0, 0, 0, 0, SNAP4),
         TCPAUDIT_FATE_TCP, 0},
        {"radiotap time padded", 127, 4,
         OCTETS(0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20, 0x88, 1, 0, 0, MACS, 0, 0, 0, 0,
                SNAP4),
         TCPAUDIT_FATE_TCP, 0},
        {"radiotap too short", 127, 4, OCTETS(0, 0, 7, 0, 0, 0, 0, 0), TCPAUDIT_FATE_L2_SHORT, 0},
        {"avs", 163, 4, OCTETS(0x80, 0x21, 0x10, 1, 0, 0, 0, 12, 0, 0, 0, 0, 0x08, 1, 0, 0, MACS, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"prism", 119, 4, OCTETS(0x44, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0x08, 1, 0, 0, MACS, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"prism big-endian", 119, 4, OCTETS(0, 0, 0, 0x44, 0, 0, 0, 12, 0, 0, 0, 0, 0x08, 1, 0, 0, MACS, SNAP4),
         TCPAUDIT_FATE_TCP, 0},
        {"prism that is avs", 119, 4, OCTETS(0x80, 0x21, 0x10, 2, 0, 0, 0, 8, 0x08, 1, 0, 0, MACS, SNAP4), TCPAUDIT_FATE_TCP, 0},
        {"usb", 189, 4, NULL, 0, TCPAUDIT_FATE_LINKTYPE, 0},
        {"unknown", 147, 4, NULL, 0, TCPAUDIT_FATE_LINKTYPE, 0},
        {"beyond the table", 0xfff0, 4, NULL, 0, TCPAUDIT_FATE_LINKTYPE, 0},
};

#define LINK_CASES (sizeof link_cases / sizeof link_cases[0])

static inline void build_link(const struct link_case *c)
{
	put_plain(c->version);
	put(c->octets, c->n);
}

/* A frame in a tunnel, by the headers between the outer IP header and the inner packet. */
static const struct tunnel_case {
	const char *name;
	uint32_t tunnel;
	uint8_t outer, protocol, inner; /* IP versions */
	bool ethernet;
	uint16_t port; /* UDP */
	const uint8_t *octets;
	size_t n;
	enum tcpaudit_fate fate;
	uint32_t network;
} tunnel_cases[] = {
        {"ipip", TCPAUDIT_TUNNEL_IPIP, 4, 4, 4, false, 0, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"6in4", TCPAUDIT_TUNNEL_6IN4, 4, 41, 6, false, 0, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"4in6", TCPAUDIT_TUNNEL_IPIP, 6, 4, 4, false, 0, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"6in6", TCPAUDIT_TUNNEL_IPIP, 6, 41, 6, false, 0, NULL, 0, TCPAUDIT_FATE_TCP, 0},
        {"gre", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0, 0, 8, 0), TCPAUDIT_FATE_TCP, 0},
        {"gre v6 in v6", TCPAUDIT_TUNNEL_GRE, 6, 47, 6, false, 0, OCTETS(0, 0, 0x86, 0xdd), TCPAUDIT_FATE_TCP, 0},
        {"gre checksum", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0x80, 0, 8, 0, 0, 0, 0, 0), TCPAUDIT_FATE_TCP, 0},
        {"gre all", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2),
         TCPAUDIT_FATE_TCP, 0},
        {"gre ethernet", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, true, 0, OCTETS(0x20, 0, 0x65, 0x58, 0, 0, 5, 1), TCPAUDIT_FATE_TCP, 0},
        {"gre mpls", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0, 0, 0x88, 0x47, 0, 0, 1, 64), TCPAUDIT_FATE_TCP, 0},
        {"gre wccp", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0, 0, 0x88, 0x3e), TCPAUDIT_FATE_TCP, 0},
        {"gre wccp 2", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0, 0, 0x88, 0x3e, 0, 0, 0, 0), TCPAUDIT_FATE_TCP, 0},
        {"pptp", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0,
         OCTETS(0x30, 0x81, 0x88, 0x0b, 0, 49, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21), TCPAUDIT_FATE_TCP, 0},
        {"pptp acknowledgment", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 7, 0, 0, 0, 1),
         TCPAUDIT_FATE_NOT_TCP, 0},
        {"erspan 1", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, true, 0, OCTETS(0, 0, 0x88, 0xbe), TCPAUDIT_FATE_TCP, 0},
        {"erspan 2", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, true, 0, OCTETS(0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0),
         TCPAUDIT_FATE_TCP, 0},
        {"erspan 3", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, true, 0,
         OCTETS(0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), TCPAUDIT_FATE_TCP, 0},
        {"gre routing", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0x40, 0, 8, 0, 0, 0, 0, 0), TCPAUDIT_FATE_NOT_TCP, 0},
        {"gre arp", TCPAUDIT_TUNNEL_GRE, 4, 47, 4, false, 0, OCTETS(0, 0, 8, 6), TCPAUDIT_FATE_NOT_IP, 0},
        {"vxlan", TCPAUDIT_TUNNEL_VXLAN, 4, 17, 4, true, 4789, OCTETS(8, 0, 0, 0, 0, 0x12, 0x34, 0), TCPAUDIT_FATE_TCP, 0x1235},
        {"vxlan 0", TCPAUDIT_TUNNEL_VXLAN, 6, 17, 6, true, 8472, OCTETS(8, 0, 0, 0, 0, 0, 0, 0), TCPAUDIT_FATE_TCP, 1},
        {"vxlan highest", TCPAUDIT_TUNNEL_VXLAN, 4, 17, 4, true, 4789, OCTETS(8, 0, 0, 0, 0xff, 0xff, 0xff, 0), TCPAUDIT_FATE_TCP,
         0x1000000},
        {"vxlan without network", TCPAUDIT_TUNNEL_VXLAN, 4, 17, 4, true, 4789, OCTETS(0, 0, 0, 0, 0, 0, 0, 0),
         TCPAUDIT_FATE_NOT_TCP, 0},
        {"geneve", TCPAUDIT_TUNNEL_GENEVE, 4, 17, 4, true, 6081, OCTETS(0, 0, 0x65, 0x58, 0, 0, 77, 0), TCPAUDIT_FATE_TCP, 78},
        {"geneve options", TCPAUDIT_TUNNEL_GENEVE, 4, 17, 6, false, 6081,
         OCTETS(2, 0, 0x86, 0xdd, 0, 0, 77, 0, 1, 2, 3, 1, 0, 0, 0, 0), TCPAUDIT_FATE_TCP, 78},
        {"geneve version 1", TCPAUDIT_TUNNEL_GENEVE, 4, 17, 4, true, 6081, OCTETS(0x40, 0, 0x65, 0x58, 0, 0, 77, 0),
         TCPAUDIT_FATE_NOT_TCP, 0},
        {"gtp-u", TCPAUDIT_TUNNEL_GTPU, 4, 17, 4, false, 2152, OCTETS(0x30, 255, 0, 45, 0, 0, 0, 9), TCPAUDIT_FATE_TCP, 0},
        {"gtp-u sequence", TCPAUDIT_TUNNEL_GTPU, 4, 17, 6, false, 2152, OCTETS(0x32, 255, 0, 69, 0, 0, 0, 9, 0, 1, 0, 0x85),
         TCPAUDIT_FATE_TCP, 0},
        {"gtp-u extensions", TCPAUDIT_TUNNEL_GTPU, 4, 17, 4, false, 2152,
         OCTETS(0x34, 255, 0, 57, 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 5, 0xc0, 1, 0, 0, 0), TCPAUDIT_FATE_TCP, 0},
        {"gtp-u extension of length 0", TCPAUDIT_TUNNEL_GTPU, 4, 17, 4, false, 2152,
         OCTETS(0x34, 255, 0, 57, 0, 0, 0, 9, 0, 0, 0, 0x85, 0, 0, 5, 0), TCPAUDIT_FATE_NOT_TCP, 0},
        {"gtp-u echo", TCPAUDIT_TUNNEL_GTPU, 4, 17, 4, false, 2152, OCTETS(0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0),
         TCPAUDIT_FATE_NOT_TCP, 0},
        {"dns", 0, 4, 17, 4, false, 53, NULL, 0, TCPAUDIT_FATE_NOT_TCP, 0},
        {"sctp", 0, 4, 132, 4, false, 0, NULL, 0, TCPAUDIT_FATE_NOT_TCP, 0},
};

#define TUNNEL_CASES (sizeof tunnel_cases / sizeof tunnel_cases[0])

static inline void build_tunnel(const struct tunnel_case *c)
{
	put_plain(c->inner);
	if (c->ethernet)
		put_ethernet(c->inner == 4 ? 0x0800 : 0x86dd);
	put(c->octets, c->n);
	if (c->port != 0)
		put_udp(c->port);
	if (c->outer == 4)
		put_ipv4(c->protocol);
	else
		put_ipv6(c->protocol);
}

#endif
