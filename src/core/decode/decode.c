/* decode.c - takes frames apart: the walk, IP with its extensions and fragments, the TCP header, ICMP errors.
 *
 * A walk goes from header to header.  Each step reads one, moves on behind it and names the next step, so that nesting
 * costs no stack; `depth` bounds it.  Nothing is read beyond the captured octets, and captured octets never say how long
 * something is: lengths are those of the IP header (RFC 791, RFC 8200), or of the wire where that has none.
 * Link layers are read by link_layer.c, tunnels by tunnel.c, TCP options by tcp_options.c; defrag.c puts fragments together. */
#include "decode.h"

#include "checksum.h"
#include "decode_usual.h"
#include "defrag.h"
#include "link_layer.h"
#include "tcp_options.h"
#include "tunnel.h"
#include "walk.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

#define EXTENSIONS_MAX 256 /* extension headers of one packet */

static enum step ip(struct walk *w)
{
	if (w->cap < 1)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	switch (w->p[0] >> 4) {
	case 4:
		return STEP_IPV4;
	case 6:
		return STEP_IPV6;
	default:
		return done(w, TCPAUDIT_FATE_IP_BAD);
	}
}

/* Whether a fragment is worth keeping: TCP may be in its datagram. */
static bool leads_to_tcp(const struct walk *w)
{
	uint32_t tunnels = w->decoder->tunnels;

	switch (w->protocol) {
	case PROTOCOL_TCP:
	case PROTOCOL_AH:
		return true;
	case PROTOCOL_UDP:
		return (tunnels & (TCPAUDIT_TUNNEL_VXLAN | TCPAUDIT_TUNNEL_GENEVE | TCPAUDIT_TUNNEL_GTPU)) != 0;
	case PROTOCOL_IPV4:
		return (tunnels & TCPAUDIT_TUNNEL_IPIP) != 0;
	case PROTOCOL_IPV6:
		return (tunnels & (TCPAUDIT_TUNNEL_IPIP | TCPAUDIT_TUNNEL_6IN4)) != 0;
	case PROTOCOL_GRE:
		return (tunnels & TCPAUDIT_TUNNEL_GRE) != 0;
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_FRAGMENT:
	case PROTOCOL_DESTINATION:
	case PROTOCOL_SHIM6:
		return w->segment->ip_version == 6;
	default:
		return false;
	}
}

/* The walk stands behind the IP header, w->protocol follows. */
static enum step fragment(struct walk *w, uint32_t id, uint16_t offset, bool more)
{
	struct tcpaudit_segment *segment = w->segment;
	struct piece piece;
	struct datagram whole;

	if (w->protocol == PROTOCOL_ICMP || w->protocol == PROTOCOL_ICMPV6) {
		segment->icmp_quotes = false;
		return done(w, TCPAUDIT_FATE_ICMP);
	}
	if (!leads_to_tcp(w))
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	if (w->cap < w->wire || w->quoted) { /* it cannot be put together, but a first fragment shows the header */
		if (offset != 0 || (segment->ip_version == 6 && !w->quoted)) /* IPv6: as Wireshark counts */
			return done(w, TCPAUDIT_FATE_FRAGMENT_LOST);
		w->partial = true;
		return STEP_PROTOCOL;
	}
	memset(&piece.key, 0, sizeof piece.key);
	piece.key.src = segment->src;
	piece.key.dst = segment->dst;
	piece.key.id = id;
	piece.key.network = w->network;
	piece.key.vlan = w->vlan;
	piece.key.version = segment->ip_version;
	piece.key.protocol = segment->ip_version == 4 ? w->protocol : 0;
	piece.data = w->p;
	piece.len = (uint32_t)w->cap;
	piece.offset = offset;
	piece.more = more;
	piece.protocol = w->protocol;
	piece.time = w->frame->time;
	piece.clock = *w->decoder->clock;
	switch (defrag_add(w->decoder->defrag, &piece, &whole)) {
	case DEFRAG_KEPT:
		return done(w, TCPAUDIT_FATE_FRAGMENT);
	case DEFRAG_LOST:
		return done(w, TCPAUDIT_FATE_FRAGMENT_LOST);
	case DEFRAG_NO_MEMORY:
		return done(w, TCPAUDIT_FATE_NO_MEMORY);
	case DEFRAG_WHOLE:
		break;
	}
	w->p = whole.data;
	w->cap = w->wire = whole.len;
	w->protocol = whole.protocol;
	w->noticed |= TCPAUDIT_SAW_REASSEMBLED;
	return STEP_PROTOCOL;
}

/* A new IP header says what its packet is; what enclosing ones said of theirs no longer matters. */
static void begin_packet(struct walk *w)
{
	w->noticed &= (uint16_t)~TCPAUDIT_SAW_LENGTH_GUESSED;
	w->partial = false;
	w->extensions = 0;
}

/* RFC 791 3.1: as long as the pointer is inside a source route, the last address of the route is the destination, and the pseudo
 * header's (RFC 1122 4.2.3.8).  These are the options, all of which are captured. */
static void source_routed_destination(struct tcpaudit_segment *segment, const uint8_t *p, size_t left)
{
	while (left > 0 && p[0] != 0) { /* end of option list */
		size_t length = p[0] == 1 ? 1 : left >= 2 ? p[1] : 0; /* no-operation has none */

		if (length > left || length < (p[0] == 1 ? 1 : 2))
			return;
		if (p[0] == 131 || p[0] == 137) { /* loose, strict */
			if (length >= 7 && length % 4 == 3 && p[2] >= 4 && p[2] % 4 == 0 && p[2] < length)
				segment->dst = ipv4_address_of(get_native32(p + length - 4));
			return;
		}
		p += length;
		left -= length;
	}
}

static enum step ipv4(struct walk *w)
{
	const uint8_t *p = w->p;
	struct tcpaudit_segment *segment = w->segment;
	size_t header_len, length;
	uint16_t fragmentation;

	if (w->cap < 1)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	header_len = (size_t)(p[0] & 0x0f) * 4;
	if (p[0] >> 4 == 6 && !w->quoted) /* under the name of IPv4, as some devices send it */
		return STEP_IPV6;
	if (p[0] >> 4 != 4 || header_len < 20)
		return done(w, TCPAUDIT_FATE_IP_BAD);
	if (w->cap < header_len)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	begin_packet(w);
	length = get_be16(p + 2);
	if (length == 0) { /* segmentation offload: the length did not fit */
		length = w->wire;
		w->noticed |= TCPAUDIT_SAW_LENGTH_GUESSED;
	}
	if (length < header_len)
		return done(w, TCPAUDIT_FATE_IP_BAD);
	/* A field of 0 was left to the interface. */
	if (!ip_checksum_holds(p, header_len / 4) && (p[10] | p[11]) != 0)
		w->noticed |= TCPAUDIT_SAW_IP_CHECKSUM_BAD;
	segment->ip_version = 4;
	segment->ttl = p[8];
	segment->ip_id = get_be16(p + 4);
	segment->src = ipv4_address_of(get_native32(p + 12));
	segment->dst = ipv4_address_of(get_native32(p + 16));
	if (header_len > 20)
		source_routed_destination(segment, p + 20, header_len - 20);
	w->protocol = p[9];
	fragmentation = get_be16(p + 6);
	w->wire = length;
	if (w->cap > length)
		w->cap = length;
	skip(w, header_len);
	if ((fragmentation & 0x3fff) != 0)
		return fragment(w, segment->ip_id, (uint16_t)((fragmentation & 0x1fff) * 8), (fragmentation & 0x2000) != 0);
	return w->protocol == PROTOCOL_TCP ? STEP_TCP : STEP_PROTOCOL;
}

static enum step ipv6(struct walk *w)
{
	const uint8_t *p = w->p;
	struct tcpaudit_segment *segment = w->segment;
	size_t length;

	if (w->cap < 1)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	if (p[0] >> 4 != 6)
		return done(w, TCPAUDIT_FATE_IP_BAD);
	if (w->cap < 40)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	begin_packet(w);
	length = 40 + (size_t)get_be16(p + 4);
	if (length == 40 && w->wire > 40) { /* a jumbogram (RFC 2675, BIG TCP) or offload */
		length = w->wire;
		w->noticed |= TCPAUDIT_SAW_LENGTH_GUESSED;
	}
	segment->ip_version = 6;
	segment->ttl = p[7];
	segment->ip_id = 0;
	memcpy(segment->src.byte, p + 8, 16);
	memcpy(segment->dst.byte, p + 24, 16);
	w->protocol = p[6];
	w->wire = length;
	if (w->cap > length)
		w->cap = length;
	skip(w, 40);
	return w->protocol == PROTOCOL_TCP ? STEP_TCP : STEP_PROTOCOL;
}

/* RFC 8200 4.4: as long as segments are left, the last address of the route is the destination, and the pseudo header's. */
static void routed_destination(struct walk *w, size_t length)
{
	const uint8_t *p = w->p;
	size_t at;

	if (p[3] == 0)
		return;
	switch (p[2]) {
	case 0: /* source route (RFC 5095 forbids it) */
		at = length - 16;
		break;
	case 2: /* mobile IPv6, RFC 6275 */
	case 4: /* segment routing, RFC 8754: the first entry is the last segment */
		at = 8;
		break;
	default:
		return;
	}
	if (length >= 24 && at + 16 <= length)
		memcpy(w->segment->dst.byte, p + at, 16);
}

/* An IPv6 extension header, w->protocol. */
static enum step extension(struct walk *w)
{
	size_t length;
	uint8_t protocol = w->protocol;

	if (++w->extensions > EXTENSIONS_MAX)
		return done(w, TCPAUDIT_FATE_ENCAP_DEPTH);
	if (w->cap < 8)
		return done(w, w->cap < w->wire ? TCPAUDIT_FATE_IP_SHORT : TCPAUDIT_FATE_IP_BAD);
	length = protocol == PROTOCOL_FRAGMENT ? 8 : ((size_t)w->p[1] + 1) * 8;
	if (w->wire < length)
		return done(w, TCPAUDIT_FATE_IP_BAD);
	if (w->cap < length)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	w->protocol = w->p[0];
	if (protocol == PROTOCOL_FRAGMENT) {
		uint16_t field = get_be16(w->p + 2);
		uint32_t id = get_be32(w->p + 4);

		skip(w, 8);
		if ((field & 0xfff9) != 0) /* otherwise an atomic fragment, RFC 6946 */
			return fragment(w, id, field & 0xfff8, (field & 1) != 0);
		return STEP_PROTOCOL;
	}
	if (protocol == PROTOCOL_ROUTING)
		routed_destination(w, length);
	skip(w, length);
	return STEP_PROTOCOL;
}

/* RFC 4302; counted in units of 4, less 2. */
static enum step ah(struct walk *w)
{
	size_t length;

	if (++w->extensions > EXTENSIONS_MAX)
		return done(w, TCPAUDIT_FATE_ENCAP_DEPTH);
	if (w->cap < 12)
		return done(w, w->cap < w->wire ? TCPAUDIT_FATE_IP_SHORT : TCPAUDIT_FATE_IP_BAD);
	length = ((size_t)w->p[1] + 2) * 4;
	if (length < 12 || w->wire < length)
		return done(w, TCPAUDIT_FATE_IP_BAD);
	if (w->cap < length)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	w->protocol = w->p[0];
	skip(w, length);
	return STEP_PROTOCOL;
}

static enum step protocol(struct walk *w)
{
	switch (w->protocol) {
	case PROTOCOL_TCP:
		return STEP_TCP;
	case PROTOCOL_UDP:
		return STEP_UDP;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		return STEP_ICMP;
	case PROTOCOL_AH:
		return STEP_AH;
	case PROTOCOL_IPV4:
		return tunnel_ipv4(w);
	case PROTOCOL_IPV6:
		return tunnel_ipv6(w);
	case PROTOCOL_GRE:
		return (w->decoder->tunnels & TCPAUDIT_TUNNEL_GRE) != 0 ? STEP_GRE : done(w, TCPAUDIT_FATE_NOT_TCP);
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_FRAGMENT:
	case PROTOCOL_DESTINATION:
	case PROTOCOL_SHIM6:
		return w->segment->ip_version == 6 ? STEP_EXTENSION : done(w, TCPAUDIT_FATE_NOT_TCP);
	default:
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	}
}

/* As much of a header under 20 octets as was captured: the ports at least. */
static void short_header(struct tcpaudit_segment *segment, const uint8_t *p, size_t cap)
{
	segment->src_port = get_be16(p);
	segment->dst_port = get_be16(p + 2);
	segment->seq = cap >= 8 ? get_be32(p + 4) : 0;
	segment->ack = cap >= 12 ? get_be32(p + 8) : 0;
	segment->flags = cap >= 14 ? get_be16(p + 12) & 0x0fff : 0;
	segment->window = cap >= 16 ? get_be16(p + 14) : 0;
}

/* Reads the TCP header at w->p: all fields of the segment that it tells of, and none beyond. */
static void header(struct walk *w)
{
	struct tcpaudit_segment *segment = w->segment;
	const uint8_t *p = w->p;
	size_t header_len = w->cap >= 13 ? (size_t)(p[12] >> 4) * 4 : 0;

	segment_of_nothing_else(segment, segment->ip_version);
	segment->header = p;
	segment->unusable = w->partial ? TCPAUDIT_UNUSABLE_SHORT : TCPAUDIT_UNUSABLE_NONE;
	if (w->cap < w->wire)
		w->noticed |= TCPAUDIT_SAW_CUT;
	if (w->cap < 20) {
		short_header(segment, p, w->cap);
		segment->unusable = TCPAUDIT_UNUSABLE_SHORT;
	} else {
		segment_fixed_header(segment, p);
		if (header_len < 20 || header_len > w->wire)
			segment->unusable = TCPAUDIT_UNUSABLE_OFFSET;
		else if (header_len > 20)
			options_read(segment, p + 20, header_len - 20, (w->cap < header_len ? w->cap : header_len) - 20);
	}
	if (w->cap < header_len && header_len <= w->wire)
		w->noticed |= TCPAUDIT_SAW_OPTIONS_CUT;
	segment->header_len = (uint8_t)header_len;
	if (header_len >= 20 && header_len <= w->wire) {
		segment->len = (uint32_t)(w->wire - header_len);
		segment->text_caplen = w->cap > header_len ? (uint32_t)(w->cap - header_len) : 0;
	} else {
		segment->len = 0;
		segment->text_caplen = 0;
	}
}

static inline void surroundings(const struct walk *w)
{
	segment_from(w->segment, w->frame);
	w->segment->vlan = w->vlan;
	w->segment->network = w->network;
	w->segment->noticed = w->noticed;
}

static enum step tcp(struct walk *w)
{
	if (w->cap < 4) /* less than the ports is no TCP header, as Wireshark counts */
		return done(w, w->cap < w->wire ? TCPAUDIT_FATE_IP_SHORT : TCPAUDIT_FATE_NOT_TCP);
	header(w);
	surroundings(w);
	w->segment->noticed |= segment_verify_or_not(w->segment, w->decoder->checksum);
	return done(w, TCPAUDIT_FATE_TCP);
}

static bool is_error(uint8_t version, uint8_t type)
{
	if (version == 6) /* RFC 4443 2.1 */
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12; /* RFC 1122 3.2.2 */
}

/* Walks over the quoted IP headers with the steps of the outer ones; true when TCP follows. */
static bool quoted_headers(struct walk *w, uint8_t version)
{
	uint16_t noticed = w->noticed;
	enum step step;

	w->quoted = true;
	step = version == 4 ? ipv4(w) : ipv6(w);
	while (step == STEP_PROTOCOL || step == STEP_EXTENSION)
		step = step == STEP_PROTOCOL ? protocol(w) : extension(w);
	/* Routers change what they quote: a bad checksum in there means nothing. */
	w->noticed = noticed;
	return step == STEP_TCP;
}

static void set_icmp(struct tcpaudit_segment *segment, uint8_t type, uint8_t code, bool quotes)
{
	segment->icmp_type = type;
	segment->icmp_code = code;
	segment->icmp_quotes = quotes;
}

/* An error quotes the packet that caused it: at least 8 octets of its text (RFC 792), ports and SEG.SEQ. */
static enum step icmp(struct walk *w)
{
	struct tcpaudit_segment *segment = w->segment;
	const uint8_t version = segment->ip_version, type = w->cap >= 1 ? w->p[0] : 0, code = w->cap >= 2 ? w->p[1] : 0;

	set_icmp(segment, type, code, false);
	if (w->protocol != (version == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6) || w->cap < 8 || !is_error(version, type))
		return done(w, TCPAUDIT_FATE_ICMP);
	skip(w, 8);
	if (quoted_headers(w, version) && w->cap >= 8) {
		header(w);
		surroundings(w);
		segment->noticed |= TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
		set_icmp(segment, type, code, true);
	}
	return done(w, TCPAUDIT_FATE_ICMP);
}

static enum step (*const steps[])(struct walk *w) = {
        [STEP_ETHERNET] = link_ethernet,
        [STEP_ETHERTYPE] = link_ethertype,
        [STEP_LLC] = link_llc,
        [STEP_MPLS] = link_mpls,
        [STEP_PPP] = link_ppp,
        [STEP_IP] = ip,
        [STEP_IPV4] = ipv4,
        [STEP_IPV6] = ipv6,
        [STEP_EXTENSION] = extension,
        [STEP_PROTOCOL] = protocol,
        [STEP_AH] = ah,
        [STEP_UDP] = tunnel_udp,
        [STEP_GRE] = tunnel_gre,
        [STEP_ICMP] = icmp,
        [STEP_TCP] = tcp,
};

enum tcpaudit_fate decoder_walk(struct decoder *decoder, const struct tcpaudit_frame *frame, struct tcpaudit_segment *segment)
{
	struct walk w = {
	        .decoder = decoder,
	        .frame = frame,
	        .segment = segment,
	        .p = frame->data,
	        .cap = frame->caplen,
	        .wire = frame->wirelen,
	        .fate = TCPAUDIT_FATE_LINKTYPE,
	};
	enum step step;

	if (frame->caplen > frame->wirelen) { /* what was captured was there */
		w.wire = frame->caplen;
		w.noticed = TCPAUDIT_SAW_CAPLEN_ODD;
	}
	if ((frame->flags & TCPAUDIT_FRAME_OUTBOUND) != 0)
		w.noticed |= TCPAUDIT_SAW_OUTBOUND;
	step = link_layer(&w);
	while (step != STEP_DONE)
		step = steps[step](&w);
	return w.fate;
}

#ifdef TCPAUDIT_BOTH_WAYS
#include <assert.h>

/* For tests: the short way must lead where the long way does. */
enum tcpaudit_fate decoder_decode(struct decoder *decoder, const struct tcpaudit_frame *frame, struct tcpaudit_segment *segment)
{
	struct tcpaudit_segment same;

	memset(&same, 0, sizeof same);
	memset(segment, 0, sizeof *segment);
	bool usual = decode_usual(frame, &same) || decode_usual_other(frame, &same);
	if (usual)
		decode_usual_rest(decoder->checksum, &same);
	enum tcpaudit_fate fate = decoder_walk(decoder, frame, segment);
	if (usual)
		assert(fate == TCPAUDIT_FATE_TCP && memcmp(&same, segment, sizeof same) == 0);
	return fate;
}
#else
enum tcpaudit_fate decoder_decode(struct decoder *decoder, const struct tcpaudit_frame *frame, struct tcpaudit_segment *segment)
{
	if (!decode_usual(frame, segment) && !decode_usual_other(frame, segment))
		return decoder_walk(decoder, frame, segment);
	decode_usual_rest(decoder->checksum, segment);
	return TCPAUDIT_FATE_TCP;
}
#endif

struct decoder *decoder_new(uint32_t tunnels, enum tcpaudit_checksum_mode checksum, const int64_t *clock)
{
	struct decoder *decoder = malloc(sizeof *decoder);

	if (decoder == NULL)
		return NULL;
	decoder->defrag = defrag_new();
	if (decoder->defrag == NULL) {
		free(decoder);
		return NULL;
	}
	decoder->tunnels = tunnels;
	decoder->checksum = checksum;
	decoder->clock = clock;
	return decoder;
}

void decoder_free(struct decoder *decoder)
{
	if (decoder == NULL)
		return;
	defrag_free(decoder->defrag);
	free(decoder);
}

void decoder_limit(struct decoder *decoder, size_t bytes)
{
	defrag_limit(decoder->defrag, bytes);
}

void decoder_release(struct decoder *decoder)
{
	defrag_release(decoder->defrag);
}

void decoder_expire(struct decoder *decoder, int64_t now)
{
	defrag_expire(decoder->defrag, now);
}

uint64_t decoder_take_lost(struct decoder *decoder)
{
	return defrag_take_lost(decoder->defrag);
}

uint64_t decoder_waiting(const struct decoder *decoder)
{
	return defrag_waiting(decoder->defrag);
}

size_t decoder_memory(const struct decoder *decoder)
{
	return sizeof *decoder + defrag_memory(decoder->defrag);
}
