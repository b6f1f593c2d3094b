/* decode_usual.h - what nearly every frame is, read in line: TCP in one whole IP packet on Ethernet, with nothing to notice.
 *
 * The walk of decode.c reads any frame.  Of these it would make the same segment, by seven steps: tests hold both ways against each
 * other. */
#ifndef DECODE_USUAL_H
#define DECODE_USUAL_H

#include "checksum.h"
#include "decode.h"
#include "tcp_options.h"
#include "wire.h"

enum { ETHERNET_HEADER = 14, VLAN_TAG = 4, IPV4_HEADER = 20, IPV6_HEADER = 40, TCP_HEADER = 20 };

/* The fields that every segment has from its frame. */
static inline void segment_from(struct tcpaudit_segment *segment, const struct tcpaudit_frame *frame)
{
	segment->time = frame->time;
	segment->ordinal = frame->ordinal;
	segment->frame = frame->number;
	segment->input = frame->input;
	segment->wirelen = frame->wirelen;
}

/* Those that most leave empty, one behind the other. */
static inline void segment_of_nothing_else(struct tcpaudit_segment *segment, uint8_t ip_version)
{
	segment->options = 0;
	segment->mss = 0;
	segment->sum = 0;
	segment->vlan = 0;
	segment->wscale = 0;
	segment->ip_version = ip_version;
	segment->sack_count = 0;
	segment->unusable = TCPAUDIT_UNUSABLE_NONE;
	segment->icmp_type = 0;
	segment->icmp_code = 0;
	segment->icmp_quotes = false;
	segment->tsval = 0;
	segment->tsecr = 0;
	segment->network = 0;
}

/* The 20 octets that every TCP header has. */
static inline void segment_fixed_header(struct tcpaudit_segment *segment, const uint8_t *p)
{
	segment->src_port = get_be16(p);
	segment->dst_port = get_be16(p + 2);
	segment->seq = get_be32(p + 4);
	segment->ack = get_be32(p + 8);
	segment->flags = get_be16(p + 12) & 0x0fff;
	segment->window = get_be16(p + 14);
}

/* Those that close or open a connection are verified at once, the others when it matters. */
static inline uint16_t segment_verify_or_not(const struct tcpaudit_segment *segment, enum tcpaudit_checksum_mode mode)
{
	if (mode == TCPAUDIT_CHECKSUM_STRICT ||
	    (mode == TCPAUDIT_CHECKSUM_AUTO && (segment->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST)) != 0))
		return segment_verify(segment);
	return TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
}

/* TCP behind an IP header, `length` octets that are all there; less than nothing, too. */
static inline bool usual_tcp(const struct tcpaudit_frame *frame, const uint8_t *tcp, int length, struct tcpaudit_segment *segment)
{
	const uint32_t header_len = (tcp[12] & 0xf0u) >> 2;

	if (header_len < TCP_HEADER || (int)header_len > length)
		return false;
	segment_fixed_header(segment, tcp);
	segment->header = tcp;
	segment->header_len = (uint8_t)header_len;
	segment->text_caplen = segment->len = (uint32_t)length - header_len;
	segment->noticed = frame->flags & TCPAUDIT_FRAME_OUTBOUND ? TCPAUDIT_SAW_OUTBOUND : 0;
	return true;
}

/* Octets as one number of this machine, to compare several fields at once. */
static inline uint32_t native32_of(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return get_native32((const uint8_t[]){a, b, c, d});
}

static inline bool is_ethernet_with(const struct tcpaudit_frame *frame, size_t least)
{
	return frame->linktype == 1 && frame->caplen >= least && frame->caplen <= frame->wirelen;
}

/* Is it announced by the two octets before it, of version 4, without options, no fragment, and TCP in it? */
static inline bool is_usual_ipv4(const uint8_t *ip)
{
	const uint32_t announced = native32_of(ETHERTYPE_IPV4 >> 8, ETHERTYPE_IPV4 & 0xff, 0x45, 0);

	return (get_native32(ip - 2) & native32_of(0xff, 0xff, 0xff, 0)) == announced &&
	       (get_native32(ip + 6) & native32_of(0x3f, 0xff, 0, 0xff)) == native32_of(0, 0, 0, PROTOCOL_TCP);
}

/* Such a packet, of which so many octets were captured, and room for the least headers. */
static inline bool usual_ipv4(const struct tcpaudit_frame *frame, const uint8_t *ip, uint32_t captured,
                              struct tcpaudit_segment *segment)
{
	const uint32_t length = get_be16(ip + 2);

	if (length > captured || !ip_checksum_holds(ip, 5))
		return false;
	segment_from(segment, frame);
	segment_of_nothing_else(segment, 4);
	segment->ttl = ip[8];
	segment->ip_id = get_be16(ip + 4);
	segment->src = ipv4_address_of(get_native32(ip + 12));
	segment->dst = ipv4_address_of(get_native32(ip + 16));
	return usual_tcp(frame, ip + IPV4_HEADER, (int)length - IPV4_HEADER, segment);
}

/* The most frequent of them, IPv4 in no VLAN.  True: `segment` is filled in, but for what decode_usual_rest() does.  False: it is
 * something else, and `segment` is undefined. */
static inline bool decode_usual(const struct tcpaudit_frame *frame, struct tcpaudit_segment *segment)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER;

	return is_ethernet_with(frame, ETHERNET_HEADER + IPV4_HEADER + TCP_HEADER) && is_usual_ipv4(ip) &&
	       usual_ipv4(frame, ip, frame->caplen - ETHERNET_HEADER, segment);
}

/* Announced, of version 6, and with TCP at once. */
static inline bool is_usual_ipv6(const uint8_t *ip)
{
	const uint32_t announced = native32_of(ETHERTYPE_IPV6 >> 8, ETHERTYPE_IPV6 & 0xff, 0x60, 0);

	return (get_native32(ip - 2) & native32_of(0xff, 0xff, 0xf0, 0)) == announced && ip[6] == PROTOCOL_TCP;
}

static inline bool usual_ipv6(const struct tcpaudit_frame *frame, const uint8_t *ip, uint32_t captured,
                              struct tcpaudit_segment *segment)
{
	const uint32_t length = get_be16(ip + 4);

	if (length < TCP_HEADER || IPV6_HEADER + length > captured)
		return false;
	segment_from(segment, frame);
	segment_of_nothing_else(segment, 6);
	segment->ttl = ip[7];
	segment->ip_id = 0;
	memcpy(segment->src.byte, ip + 8, 16);
	memcpy(segment->dst.byte, ip + 24, 16);
	return usual_tcp(frame, ip + IPV6_HEADER, (int)length, segment);
}

/* The same of IPv6, and of either in a VLAN. */
static inline bool decode_usual_other(const struct tcpaudit_frame *frame, struct tcpaudit_segment *segment)
{
	if (!is_ethernet_with(frame, ETHERNET_HEADER + VLAN_TAG + IPV4_HEADER + TCP_HEADER))
		return false;
	const uint8_t *ethertype = frame->data + ETHERNET_HEADER - 2;
	const bool tagged = get_be16(ethertype) == ETHERTYPE_VLAN;
	const uint8_t *ip = ethertype + 2 + (tagged ? VLAN_TAG : 0);
	const uint32_t captured = frame->caplen - (uint32_t)(ip - frame->data);
	const bool usual = is_usual_ipv4(ip) ? usual_ipv4(frame, ip, captured, segment)
	                                     : is_usual_ipv6(ip) && usual_ipv6(frame, ip, captured, segment);

	segment->vlan = tagged ? get_be16(ethertype + 2) & 0x0fff : 0;
	return usual;
}

/* Options, which few have, and the checksum, which is verified of some: behind what the compiler had better do before, while it
 * still knows all the rest. */
static inline void decode_usual_rest(enum tcpaudit_checksum_mode mode, struct tcpaudit_segment *segment)
{
	const size_t options = segment->header_len - (size_t)TCP_HEADER;

	if (options)
		options_read(segment, segment->header + TCP_HEADER, options, options);
	segment->noticed |= segment_verify_or_not(segment, mode);
}

#endif
