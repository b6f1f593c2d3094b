/* dialogue_frame.c - writes the frame of one packet: Ethernet or nothing, IPv4 or IPv6, then TCP, ICMP or UDP.
 *
 * Text is a function of its sequence numbers, so that a repeat carries the same octets. */
#include "dialogue_frame.h"

#include <string.h>
#include <tcpaudit/segment.h>

enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58 };

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t add_words(const uint8_t *p, size_t n, uint32_t sum)
{
	for (; n > 1; n -= 2, p += 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	return n ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

void packet_address(unsigned party, bool ipv6, uint8_t *address)
{
	static const uint8_t host[] = {1, 2, 254};
	static const uint8_t v4[3] = {198, 18, 0};
	static const uint8_t v6[15] = {0x20, 0x01, 0x00, 0x02}; /* 2001:2::/48, benchmarking as 198.18/15 is */
	size_t n = ipv6 ? 15 : 3;

	memcpy(address, ipv6 ? v6 : v4, n);
	address[n] = host[party];
}

static void place(const struct packet *packet, unsigned party, uint8_t *address)
{
	packet_address(packet->self ? PARTY_A : party, packet->ipv6, address);
	if (packet->multicast && party == PARTY_B)
		address[0] = packet->ipv6 ? 0xff : 224;
	if (packet->reserved && party == PARTY_B)
		address[0] = 240;
}

/* The sum of the pseudo header of RFC 9293 3.1. */
static uint32_t pseudo_header(const uint8_t *addresses, size_t address_len, unsigned protocol, size_t len)
{
	return add_words(addresses, 2 * address_len, (uint32_t)(protocol + len));
}

static size_t put_tcp(const struct packet *packet, uint8_t *p)
{
	size_t header = 20u + packet->option_len;

	memset(p, 0, header);
	put16(p, packet->port[packet->from]);
	put16(p + 2, packet->port[packet->to]);
	put32(p + 4, packet->seq);
	put32(p + 8, packet->ack);
	p[12] = (uint8_t)(header / 4 << 4 | (packet->flags >> 8 & 15));
	p[13] = (uint8_t)packet->flags;
	put16(p + 14, packet->window);
	memcpy(p + 20, packet->option, packet->option_len);
	for (uint32_t i = 0; i < packet->len && !packet->bulk; i++)
		p[header + i] = (uint8_t)('a' + (packet->seq + i) % 26);
	return header + packet->len;
}

static void set_tcp_checksum(const struct packet *packet, uint8_t *tcp, size_t len, uint32_t pseudo)
{
	uint16_t sum = packet->bulk ? 0 : (uint16_t)~fold(add_words(tcp, len, pseudo));

	if (packet->checksum == CHECKSUM_PARTIAL)
		sum = fold(pseudo);
	else if (packet->checksum == CHECKSUM_BAD)
		sum ^= 0x5555;
	put16(tcp + 16, sum);
}

/* What the error quotes: the IP header and eight octets of a segment that its receiver sent. */
static size_t put_quoted(const struct packet *packet, uint8_t *p)
{
	struct packet quoted = {.from = packet->to,
	                        .to = !packet->to,
	                        .ipv6 = packet->ipv6,
	                        .ttl = 60,
	                        .id = 1,
	                        .seq = packet->seq,
	                        .flags = TCPAUDIT_SYN};
	uint8_t frame[128];

	memcpy(quoted.port, packet->port, sizeof quoted.port);
	packet_frame(&quoted, frame);
	memcpy(p, frame, packet->ipv6 ? 48 : 28);
	return packet->ipv6 ? 48 : 28;
}

static size_t put_icmp(const struct packet *packet, uint8_t *p, uint32_t pseudo_without_len)
{
	size_t len;

	memset(p, 0, 8);
	p[0] = packet->icmp_type;
	p[1] = packet->icmp_code;
	len = 8 + put_quoted(packet, p + 8);
	put16(p + 2, (uint16_t)~fold(add_words(p, len, packet->ipv6 ? pseudo_without_len + (uint32_t)len : 0)));
	return len;
}

static size_t put_udp(uint8_t *p)
{
	static const uint8_t datagram[8] = {0, 9, 0, 9, 0, 8, 0, 0}; /* discard to discard, no checksum */

	memcpy(p, datagram, sizeof datagram);
	return sizeof datagram;
}

static size_t put_ip_header(const struct packet *packet, unsigned protocol, size_t payload, uint8_t *p)
{
	size_t header = packet->ipv6 ? 40 : 20;

	memset(p, 0, header);
	if (packet->ipv6) {
		p[0] = 0x60;
		put16(p + 4, (unsigned)payload);
		p[6] = (uint8_t)protocol;
		p[7] = packet->ttl;
		place(packet, packet->from, p + 8);
		place(packet, packet->to, p + 24);
		return header;
	}
	p[0] = 0x45;
	put16(p + 2, (unsigned)(header + payload));
	put16(p + 4, packet->id);
	p[6] = 0x40; /* do not fragment */
	p[8] = packet->ttl;
	p[9] = (uint8_t)protocol;
	place(packet, packet->from, p + 12);
	place(packet, packet->to, p + 16);
	put16(p + 10, (uint16_t)~fold(add_words(p, header, 0)));
	return header;
}

static size_t put_ethernet(const struct packet *packet, uint8_t *p)
{
	size_t len = 12;

	memcpy(p, "\x02\0\0\0\0\x0b\x02\0\0\0\0\x0a", 12);
	if (packet->from == PARTY_B)
		memcpy(p, "\x02\0\0\0\0\x0a\x02\0\0\0\0\x0b", 12);
	if (packet->vlan) {
		put16(p + len, 0x8100);
		put16(p + len + 2, packet->vlan);
		len += 4;
	}
	put16(p + len, packet->ipv6 ? 0x86dd : 0x0800);
	return len + 2;
}

size_t packet_frame(const struct packet *packet, uint8_t *frame)
{
	unsigned protocol = packet->icmp ? (packet->ipv6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP) : PROTOCOL_TCP;
	size_t link = packet->ethernet ? put_ethernet(packet, frame) : 0;
	uint8_t *ip = frame + link, *body = ip + (packet->ipv6 ? 40 : 20);
	const uint8_t *addresses = ip + (packet->ipv6 ? 8 : 12);
	size_t address_len = packet->ipv6 ? 16 : 4, len;

	if (packet->silence)
		protocol = PROTOCOL_UDP;
	put_ip_header(packet, protocol, 0, ip); /* the addresses, for the sums */
	if (packet->silence)
		len = put_udp(body);
	else if (packet->icmp)
		len = put_icmp(packet, body, pseudo_header(addresses, address_len, protocol, 0));
	else {
		len = put_tcp(packet, body);
		set_tcp_checksum(packet, body, len, pseudo_header(addresses, address_len, protocol, len));
	}
	return link + put_ip_header(packet, protocol, len, ip) + len;
}
