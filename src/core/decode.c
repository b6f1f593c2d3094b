/* decode.c - takes frames apart: link layer, tags, tunnels, IP, TCP header and options.
 *
 * A walk goes from header to header.  Each step reads one, moves on behind it and names the next step, so that nesting
 * costs no stack; `depth` bounds it.  Nothing is read beyond the captured octets, and captured octets never say how long
 * something is: lengths are those of the IP header (RFC 791, RFC 8200), or of the wire where that has none. */
#include "decode.h"

#include "defrag.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX      16  /* tags, labels and tunnels in one frame */
#define EXTENSIONS_MAX 256 /* extension headers of one packet */

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

struct decoder {
	struct defrag *defrag;
	uint32_t tunnels;
	enum tcpaudit_checksum_mode checksum;
};

/* What comes next in a frame. */
enum step {
	STEP_DONE, /* the fate is known */
	STEP_ETHERNET,
	STEP_ETHERTYPE,
	STEP_LLC,
	STEP_MPLS,
	STEP_PPP,
	STEP_IP,
	STEP_IPV4,
	STEP_IPV6,
	STEP_EXTENSION,
	STEP_PROTOCOL,
	STEP_AH,
	STEP_UDP,
	STEP_GRE,
	STEP_ICMP,
	STEP_TCP,
};

struct walk {
	struct decoder *decoder;
	const struct tcpaudit_frame *frame;
	struct tcpaudit_segment *segment;
	const uint8_t *p; /* the next header */
	size_t cap;       /* captured octets from there on, none beyond the packet */
	size_t wire;      /* octets that were on the wire from there on */
	uint32_t network;
	uint16_t ethertype;
	uint16_t vlan;
	uint16_t noticed;
	uint16_t extensions;
	uint8_t protocol;
	uint8_t depth;
	bool tunnel;
	bool partial; /* the first fragment of a datagram that cannot be put together */
	bool quoted;  /* by an ICMP error */
	enum tcpaudit_fate fate;
};

static uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[1] << 8 | p[0]);
}

static enum step done(struct walk *w, enum tcpaudit_fate fate)
{
	w->fate = fate;
	return STEP_DONE;
}

/* The caller has seen that n octets are captured. */
static void skip(struct walk *w, size_t n)
{
	w->p += n;
	w->cap -= n;
	w->wire = w->wire > n ? w->wire - n : 0;
}

/* What follows is n octets long at most: the rest is padding. */
static void confine(struct walk *w, size_t n)
{
	if (w->wire > n)
		w->wire = n;
	if (w->cap > n)
		w->cap = n;
}

/* One more tag, label or tunnel; false if it is one too many. */
static bool deeper(struct walk *w)
{
	return ++w->depth <= DEPTH_MAX;
}

static enum step into_tunnel(struct walk *w, enum step next)
{
	if (!deeper(w))
		return done(w, TCPAUDIT_FATE_ENCAP_DEPTH);
	w->tunnel = true;
	w->noticed |= TCPAUDIT_SAW_TUNNEL;
	return next;
}

static uint64_t add_with_carry(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

static uint64_t get_native64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint32_t get_native32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint16_t get_native16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* Adds octets, in the order of this machine, to a one's complement sum of 64 bits; RFC 1071 2(B) allows any order. */
static uint64_t sum_octets(uint64_t sum, const uint8_t *p, size_t n)
{
	for (; n >= 32; p += 32, n -= 32) { /* two chains of carries side by side */
		uint64_t a = add_with_carry(get_native64(p), get_native64(p + 8));
		uint64_t b = add_with_carry(get_native64(p + 16), get_native64(p + 24));

		sum = add_with_carry(sum, add_with_carry(a, b));
	}
	for (; n >= 8; p += 8, n -= 8)
		sum = add_with_carry(sum, get_native64(p));
	if (n >= 4) {
		sum = add_with_carry(sum, get_native32(p));
		p += 4;
		n -= 4;
	}
	if (n >= 2) {
		sum = add_with_carry(sum, get_native16(p));
		p += 2;
		n -= 2;
	}
	if (n == 1) {
		const uint8_t padded[2] = {p[0], 0};

		sum = add_with_carry(sum, get_native16(padded));
	}
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/* Of `units` times 4 octets, 5 at least. */
static bool ip_checksum_holds(const uint8_t *p, size_t units)
{
	uint64_t sum = (uint64_t)get_native32(p) + get_native32(p + 4) + get_native32(p + 8) + get_native32(p + 12) +
	               get_native32(p + 16);

	for (size_t i = 5; i < units; i++)
		sum += get_native32(p + i * 4);
	return fold(sum) == 0xffff;
}

/* The pseudo header of RFC 9293 3.1, for a segment of `length` octets. */
static uint64_t sum_pseudo_header(const struct tcpaudit_segment *segment, uint32_t length)
{
	size_t n = segment->ip_version == 4 ? 4 : 16;
	const uint8_t tail[8] = {
	        (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, 0, 0, 0, PROTOCOL_TCP,
	};
	uint64_t sum = sum_octets(0, segment->src.byte, n);

	sum = sum_octets(sum, segment->dst.byte, n);
	return sum_octets(sum, tail, sizeof tail);
}

uint16_t segment_verify(const struct tcpaudit_segment *segment)
{
	uint32_t length = segment->header_len + segment->len;
	uint16_t field;
	uint64_t pseudo;

	if (segment->unusable == TCPAUDIT_UNUSABLE_SHORT || segment->unusable == TCPAUDIT_UNUSABLE_OFFSET ||
	    (segment->noticed & TCPAUDIT_SAW_CUT) != 0)
		return TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	pseudo = sum_pseudo_header(segment, length);
	if (fold(sum_octets(pseudo, segment->header, length)) == 0xffff)
		return 0;
	/* Offload wants the sum of the pseudo header in the field; for segments to be cut (NDIS LSO) with length 0. */
	memcpy(&field, segment->header + 16, sizeof field);
	if (field == fold(pseudo) || field == fold(sum_pseudo_header(segment, 0)))
		return TCPAUDIT_SAW_CHECKSUM_PARTIAL;
	/* A length taken from the frame may include its padding. */
	if ((segment->noticed & TCPAUDIT_SAW_LENGTH_GUESSED) != 0)
		return TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	return TCPAUDIT_SAW_CHECKSUM_BAD;
}

static enum step vlan(struct walk *w)
{
	uint16_t id;

	if (w->cap < 4)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if (!deeper(w))
		return done(w, TCPAUDIT_FATE_ENCAP_DEPTH);
	id = get_be16(w->p) & 0x0fff;
	if (id != 0 && !w->tunnel) /* 0 is a priority, no VLAN */
		w->vlan = id;
	w->ethertype = get_be16(w->p + 2);
	skip(w, 4);
	return STEP_ETHERTYPE;
}

/* RFC 2516; the length field leaves out the padding. */
static enum step pppoe(struct walk *w)
{
	size_t length;

	if (w->cap < 6)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if (!deeper(w))
		return done(w, TCPAUDIT_FATE_ENCAP_DEPTH);
	length = get_be16(w->p + 4);
	skip(w, 6);
	confine(w, length);
	return STEP_PPP;
}

static enum step follow_ethertype(struct walk *w)
{
	switch (w->ethertype) {
	case ETHERTYPE_IPV4:
		return STEP_IPV4;
	case ETHERTYPE_IPV6:
		return STEP_IPV6;
	case ETHERTYPE_VLAN:
	case ETHERTYPE_QINQ:
	case ETHERTYPE_QINQ_OLD:
		return vlan(w);
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_UPSTREAM:
		return STEP_MPLS;
	case ETHERTYPE_PPPOE_SESSION:
		return pppoe(w);
	default:
		if (w->ethertype >= ETHERTYPE_LEAST)
			return done(w, TCPAUDIT_FATE_NOT_IP);
		confine(w, w->ethertype);
		return STEP_LLC;
	}
}

static enum step ethernet(struct walk *w)
{
	if (w->cap < 14)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	w->ethertype = get_be16(w->p + 12);
	skip(w, 14);
	if (w->ethertype == ETHERTYPE_IPV4)
		return STEP_IPV4;
	return follow_ethertype(w);
}

static enum step llc(struct walk *w)
{
	static const uint8_t ip_sap[] = {0x06, 0x06, 0x03};
	static const uint8_t snap[] = {0xaa, 0xaa, 0x03, 0x00, 0x00};

	if (w->cap < 3)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if (memcmp(w->p, ip_sap, sizeof ip_sap) == 0) {
		skip(w, 3);
		return STEP_IP;
	}
	if (memcmp(w->p, snap, 3) != 0)
		return done(w, TCPAUDIT_FATE_NOT_IP);
	if (w->cap < 8)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	/* Organisation 00-00-00, or 00-00-F8 (IEEE 802.1H). */
	if (memcmp(w->p, snap, 5) != 0 || (w->p[5] != 0x00 && w->p[5] != 0xf8))
		return done(w, TCPAUDIT_FATE_NOT_IP);
	w->ethertype = get_be16(w->p + 6);
	skip(w, 8);
	if (w->ethertype < ETHERTYPE_LEAST)
		return done(w, TCPAUDIT_FATE_NOT_IP);
	return STEP_ETHERTYPE;
}

/* One label; what is under the last one is not told, but IP begins with its version. */
static enum step mpls(struct walk *w)
{
	bool bottom;

	if (w->cap < 4)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if (!deeper(w))
		return done(w, TCPAUDIT_FATE_ENCAP_DEPTH);
	bottom = (w->p[2] & 1) != 0;
	skip(w, 4);
	if (!bottom)
		return STEP_MPLS;
	if (w->cap < 1)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	if (w->p[0] >> 4 != 4 && w->p[0] >> 4 != 6)
		return done(w, TCPAUDIT_FATE_NOT_IP);
	return STEP_IP;
}

/* RFC 1661; address and control may be there (RFC 1662), the protocol may be one octet. */
static enum step ppp(struct walk *w)
{
	uint16_t protocol;

	if (w->cap >= 2 && w->p[0] == 0xff && w->p[1] == 0x03)
		skip(w, 2);
	if (w->cap < 1 || (w->cap < 2 && (w->p[0] & 1) == 0))
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if ((w->p[0] & 1) != 0) {
		protocol = w->p[0];
		skip(w, 1);
	} else {
		protocol = get_be16(w->p);
		skip(w, 2);
	}
	switch (protocol) {
	case 0x0021:
		return STEP_IPV4;
	case 0x0057:
		return STEP_IPV6;
	case 0x0281:
	case 0x0283:
		return STEP_MPLS;
	default:
		return done(w, TCPAUDIT_FATE_NOT_IP);
	}
}

/* Cisco HDLC: address, control, EtherType. */
static enum step cisco_hdlc(struct walk *w)
{
	if (w->cap < 4)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	w->ethertype = get_be16(w->p + 2);
	skip(w, 4);
	return w->ethertype >= ETHERTYPE_LEAST ? STEP_ETHERTYPE : done(w, TCPAUDIT_FATE_NOT_IP);
}

/* Cisco's framing comes under the names of PPP, too. */
static enum step ppp_or_cisco(struct walk *w)
{
	if (w->cap < 2)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if (w->p[0] == 0x0f || w->p[0] == 0x8f)
		return cisco_hdlc(w);
	return STEP_PPP;
}

static enum step raw_ip(struct walk *w)
{
	(void)w;
	return STEP_IP;
}

static enum step raw_ipv4(struct walk *w)
{
	(void)w;
	return STEP_IPV4;
}

static enum step raw_ipv6(struct walk *w)
{
	(void)w;
	return STEP_IPV6;
}

/* The address family of the writer, in its byte order. */
static enum step loopback(struct walk *w)
{
	uint32_t family;

	if (w->cap < 4)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	family = get_be32(w->p);
	if (family > 0xffff)
		family = get_le32(w->p);
	skip(w, 4);
	switch (family) {
	case 2:
		return STEP_IPV4;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		return STEP_IPV6;
	default:
		if (family < ETHERTYPE_LEAST || family > 0xffff)
			return done(w, TCPAUDIT_FATE_NOT_IP);
		w->ethertype = (uint16_t)family; /* some writers put this there */
		return STEP_ETHERTYPE;
	}
}

/* `header_len` octets of a Linux cooked header, whose fields these are. */
static enum step cooked_fields(struct walk *w, size_t header_len, uint16_t type, uint16_t hardware, uint16_t ethertype)
{
	if (type == 4) /* sent by this host */
		w->noticed |= TCPAUDIT_SAW_OUTBOUND;
	skip(w, header_len);
	w->ethertype = ethertype;
	if (hardware == 824) /* netlink: no EtherType */
		return done(w, TCPAUDIT_FATE_NOT_IP);
	if (ethertype == 0x0004) /* 802.2 LLC */
		return STEP_LLC;
	return ethertype >= ETHERTYPE_LEAST ? STEP_ETHERTYPE : done(w, TCPAUDIT_FATE_NOT_IP);
}

static enum step cooked(struct walk *w)
{
	const uint8_t *p = w->p;

	if (w->cap < 16)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	return cooked_fields(w, 16, get_be16(p), get_be16(p + 2), get_be16(p + 14));
}

static enum step cooked2(struct walk *w)
{
	const uint8_t *p = w->p;

	if (w->cap < 20)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	return cooked_fields(w, 20, p[10], get_be16(p + 8), get_be16(p));
}

/* IEEE 802.11 data frames; `padded`: the header is filled up to a multiple of 4. */
static enum step wlan_data(struct walk *w, bool padded)
{
	size_t length = 24;
	uint8_t control, flags;
	bool qos;

	if (w->cap < 2)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	control = w->p[0];
	flags = w->p[1];
	if ((control & 0x0f) != 0x08 || (control & 0x40) != 0) /* no data frame, or one without data */
		return done(w, TCPAUDIT_FATE_NOT_IP);
	qos = (control & 0x80) != 0;
	if ((flags & 0x03) == 0x03) /* to and from the distribution system: a fourth address */
		length += 6;
	if (w->cap < length + (qos ? 2 : 0))
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if ((flags & 0x40) != 0)
		return done(w, TCPAUDIT_FATE_L2_ENCRYPTED);
	if ((flags & 0x04) != 0 || (w->p[22] & 0x0f) != 0) /* fragments of this layer are not put together */
		return done(w, TCPAUDIT_FATE_FRAGMENT_LOST);
	if (qos) {
		if ((w->p[length] & 0x80) != 0) /* A-MSDU: several packets in one frame */
			return done(w, TCPAUDIT_FATE_NOT_IP);
		length += (flags & 0x80) != 0 ? 6 : 2; /* with HT control */
	}
	if (padded)
		length = (length + 3) & ~(size_t)3;
	if (w->cap < length)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	skip(w, length);
	return STEP_LLC;
}

static enum step wlan(struct walk *w)
{
	return wlan_data(w, false);
}

static enum step radiotap(struct walk *w)
{
	size_t length, at = 8;
	uint8_t flags = 0;

	if (w->cap < 8)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	length = get_le16(w->p + 2);
	if (length < 8 || w->cap < length)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if ((w->p[4] & 0x02) != 0) { /* flags, behind more bitmaps and the time */
		for (size_t word = 4; (w->p[word + 3] & 0x80) != 0 && at + 4 <= length; word += 4)
			at += 4;
		if ((w->p[4] & 0x01) != 0)
			at = ((at + 7) & ~(size_t)7) + 8;
		if (at < length)
			flags = w->p[at];
	}
	skip(w, length);
	if ((flags & 0x10) != 0 && w->wire >= 4) /* frame check sequence */
		confine(w, w->wire - 4);
	return wlan_data(w, (flags & 0x20) != 0);
}

static enum step wlan_avs(struct walk *w)
{
	size_t length;

	if (w->cap < 8)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	length = get_be32(w->p + 4);
	if (length < 8 || w->cap < length)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	skip(w, length);
	return wlan_data(w, false);
}

static enum step prism(struct walk *w)
{
	size_t length;

	if (w->cap < 8)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	if ((get_be32(w->p) & 0xfffff000) == 0x80211000) /* some drivers send AVS under this name */
		return wlan_avs(w);
	length = get_le32(w->p + 4);
	if (length > 0xffff)
		length = get_be32(w->p + 4);
	if (length < 8 || w->cap < length)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	skip(w, length);
	return wlan_data(w, false);
}

/* By LINKTYPE_ number. */
static enum step (*const link_layers[])(struct walk *w) = {
        [0] = loopback,      /* NULL */
        [1] = ethernet,      /* ETHERNET */
        [9] = ppp_or_cisco,  /* PPP */
        [12] = raw_ip,       /* DLT_RAW of most systems, seen in files */
        [14] = raw_ip,       /* DLT_RAW of OpenBSD */
        [50] = ppp_or_cisco, /* PPP_HDLC */
        [51] = pppoe,        /* PPP_ETHER */
        [101] = raw_ip,      /* RAW */
        [104] = cisco_hdlc,  /* C_HDLC */
        [105] = wlan,        /* IEEE802_11 */
        [108] = loopback,    /* LOOP */
        [113] = cooked,      /* LINUX_SLL */
        [119] = prism,       /* IEEE802_11_PRISM */
        [127] = radiotap,    /* IEEE802_11_RADIOTAP */
        [163] = wlan_avs,    /* IEEE802_11_AVS */
        [228] = raw_ipv4,    /* IPV4 */
        [229] = raw_ipv6,    /* IPV6 */
        [276] = cooked2,     /* LINUX_SLL2 */
};

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
	memset(segment->src.byte, 0, sizeof segment->src.byte);
	memcpy(segment->src.byte, p + 12, 4);
	memset(segment->dst.byte, 0, sizeof segment->dst.byte);
	memcpy(segment->dst.byte, p + 16, 4);
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
	uint32_t tunnels = w->decoder->tunnels;

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
		return (tunnels & TCPAUDIT_TUNNEL_IPIP) != 0 ? into_tunnel(w, STEP_IPV4) : done(w, TCPAUDIT_FATE_NOT_TCP);
	case PROTOCOL_IPV6:
		tunnels &= w->segment->ip_version == 4 ? TCPAUDIT_TUNNEL_6IN4 : TCPAUDIT_TUNNEL_IPIP;
		return tunnels != 0 ? into_tunnel(w, STEP_IPV6) : done(w, TCPAUDIT_FATE_NOT_TCP);
	case PROTOCOL_GRE:
		return (tunnels & TCPAUDIT_TUNNEL_GRE) != 0 ? STEP_GRE : done(w, TCPAUDIT_FATE_NOT_TCP);
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

/* RFC 7348 */
static enum step vxlan(struct walk *w)
{
	if (w->cap < 8 || (w->p[0] & 0x08) == 0)
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	w->network = (get_be32(w->p + 4) >> 8) + 1;
	skip(w, 8);
	return into_tunnel(w, STEP_ETHERNET);
}

/* What GRE and GENEVE carry, by EtherType. */
static enum step carried(struct walk *w)
{
	switch (w->ethertype) {
	case ETHERTYPE_TEB:
		return into_tunnel(w, STEP_ETHERNET);
	case ETHERTYPE_PPP:
		return into_tunnel(w, STEP_PPP);
	default:
		if (w->ethertype < ETHERTYPE_LEAST)
			return done(w, TCPAUDIT_FATE_NOT_IP);
		return into_tunnel(w, STEP_ETHERTYPE);
	}
}

/* RFC 8926 */
static enum step geneve(struct walk *w)
{
	size_t length;

	if (w->cap < 8 || w->p[0] >> 6 != 0)
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	length = 8 + (size_t)(w->p[0] & 0x3f) * 4;
	if (w->cap < length)
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	w->network = (get_be32(w->p + 4) >> 8) + 1;
	w->ethertype = get_be16(w->p + 2);
	skip(w, length);
	return carried(w);
}

/* 3GPP TS 29.281 */
static enum step gtpu(struct walk *w)
{
	const uint8_t *p = w->p;
	size_t length = 8;
	uint8_t next = 0;

	if (w->cap < 8 || (p[0] & 0xf0) != 0x30 || p[1] != 255)
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	if ((p[0] & 0x07) != 0) {
		length = 12;
		if (w->cap < length)
			return done(w, TCPAUDIT_FATE_NOT_TCP);
		next = (p[0] & 0x04) != 0 ? p[11] : 0;
	}
	while (next != 0) {
		size_t units = length < w->cap ? p[length] : 0;

		if (units == 0 || units * 4 > w->cap - length)
			return done(w, TCPAUDIT_FATE_NOT_TCP);
		length += units * 4;
		next = p[length - 1];
	}
	skip(w, length);
	if (w->cap < 1)
		return done(w, TCPAUDIT_FATE_IP_SHORT);
	if (p[length] >> 4 != 4 && p[length] >> 4 != 6)
		return done(w, TCPAUDIT_FATE_NOT_IP);
	return into_tunnel(w, STEP_IP);
}

static const struct {
	uint16_t port;
	uint32_t tunnel;
	enum step (*step)(struct walk *w);
} udp_tunnels[] = {
        {4789, TCPAUDIT_TUNNEL_VXLAN, vxlan},
        {8472, TCPAUDIT_TUNNEL_VXLAN, vxlan}, /* Linux before the assignment */
        {6081, TCPAUDIT_TUNNEL_GENEVE, geneve},
        {2152, TCPAUDIT_TUNNEL_GTPU, gtpu},
};

static enum step udp(struct walk *w)
{
	uint16_t port;

	if (w->cap < 8)
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	port = get_be16(w->p + 2);
	for (size_t i = 0; i < sizeof udp_tunnels / sizeof udp_tunnels[0]; i++) {
		if (udp_tunnels[i].port != port || (w->decoder->tunnels & udp_tunnels[i].tunnel) == 0)
			continue;
		skip(w, 8);
		return udp_tunnels[i].step(w);
	}
	return done(w, TCPAUDIT_FATE_NOT_TCP);
}

/* A mirrored Ethernet frame behind `length` octets of ERSPAN. */
static enum step erspan(struct walk *w, size_t length)
{
	if (w->cap < length)
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	skip(w, length);
	return into_tunnel(w, STEP_ETHERNET);
}

/* RFC 2784, RFC 2890; version 1 is PPTP's (RFC 2637). */
static enum step gre(struct walk *w)
{
	uint16_t flags;
	size_t length = 4;

	if (w->cap < 4)
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	flags = get_be16(w->p);
	w->ethertype = get_be16(w->p + 2);
	if ((flags & 0x4000) != 0 || (flags & 0x0007) > 1) /* routing, long given up; other versions */
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	length += (flags & 0x8000) != 0 ? 4 : 0; /* checksum */
	length += (flags & 0x2000) != 0 ? 4 : 0; /* key */
	length += (flags & 0x1000) != 0 ? 4 : 0; /* sequence number */
	if ((flags & 0x0007) == 1) {
		length += (flags & 0x0080) != 0 ? 4 : 0; /* acknowledgment number */
		if ((flags & 0x1000) == 0)               /* no data */
			return done(w, TCPAUDIT_FATE_NOT_TCP);
	}
	if (w->cap < length)
		return done(w, TCPAUDIT_FATE_NOT_TCP);
	skip(w, length);
	switch (w->ethertype) {
	case ETHERTYPE_ERSPAN2:
		return erspan(w, (flags & 0x1000) != 0 ? 8 : 0); /* without sequence numbers it is type I: no header */
	case ETHERTYPE_WCCP: /* version 2 has 4 octets of its own, which never look like IPv4 */
		if (w->cap >= 4 && w->p[0] >> 4 != 4)
			skip(w, 4);
		return into_tunnel(w, STEP_IPV4);
	case ETHERTYPE_ERSPAN3:
		return erspan(w, w->cap >= 12 && (w->p[11] & 1) != 0 ? 20 : 12);
	default:
		return carried(w);
	}
}

static void read_mss(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	(void)length;
	segment->mss = get_be16(p + 2);
}

static void read_wscale(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	(void)length;
	segment->wscale = p[2];
}

static void read_sack(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	if ((length - 2) % 8 != 0) {
		segment->options = (uint16_t)((segment->options & ~TCPAUDIT_OPT_SACK) | TCPAUDIT_OPT_UNKNOWN);
		return;
	}
	segment->sack_count = (uint8_t)((length - 2) / 8);
	for (size_t i = 0; i < segment->sack_count; i++) {
		segment->sack[i][0] = get_be32(p + 2 + i * 8);
		segment->sack[i][1] = get_be32(p + 6 + i * 8);
	}
}

static void read_timestamps(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	(void)length;
	segment->tsval = get_be32(p + 2);
	segment->tsecr = get_be32(p + 6);
}

static void read_mptcp(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	(void)length;
	if (p[2] >> 4 == 7) /* RFC 8684 3.5 */
		segment->options |= TCPAUDIT_OPT_MP_FASTCLOSE;
}

static void read_experiment(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	if (length >= 4 && get_be16(p + 2) == 0xf989) /* RFC 7413 4.1.1, before its number */
		segment->options |= TCPAUDIT_OPT_FAST_OPEN;
	else
		segment->options |= TCPAUDIT_OPT_UNKNOWN;
}

/* Options by kind; one with a length outside [least, most] is unknown to every end, and so to us. */
static const struct {
	uint16_t bit; /* 0: told by `read`, or nothing to tell */
	uint8_t least, most;
	void (*read)(struct tcpaudit_segment *segment, const uint8_t *p, size_t length);
} option_kinds[256] = {
        [2] = {TCPAUDIT_OPT_MSS, 4, 4, read_mss},
        [3] = {TCPAUDIT_OPT_WSCALE, 3, 3, read_wscale},
        [4] = {TCPAUDIT_OPT_SACK_PERMITTED, 2, 2, NULL},
        [5] = {TCPAUDIT_OPT_SACK, 10, 34, read_sack},
        [8] = {TCPAUDIT_OPT_TIMESTAMPS, 10, 10, read_timestamps},
        [19] = {TCPAUDIT_OPT_MD5, 18, 18, NULL},
        [28] = {0, 4, 4, NULL}, /* user timeout, RFC 5482 */
        [29] = {TCPAUDIT_OPT_AO, 4, 40, NULL},
        [30] = {TCPAUDIT_OPT_MPTCP, 3, 40, read_mptcp},
        [34] = {TCPAUDIT_OPT_FAST_OPEN, 2, 18, NULL},
        [172] = {0, 2, 11, NULL}, /* accurate ECN, RFC 9768 */
        [174] = {0, 2, 11, NULL},
        [254] = {0, 2, 40, read_experiment},
};

/* `captured` of `length` octets of options are there. */
static void read_options(struct tcpaudit_segment *segment, const uint8_t *p, size_t length, size_t captured)
{
	static const uint8_t usual[] = {1, 1, 8, 10}; /* RFC 7323 appendix A */
	size_t at = 0;

	if (captured == 12 && memcmp(p, usual, sizeof usual) == 0) {
		segment->options = TCPAUDIT_OPT_TIMESTAMPS;
		read_timestamps(segment, p + 2, 10);
		return;
	}
	while (at < captured) {
		uint8_t kind = p[at];
		size_t n;

		if (kind == 0) /* end of option list */
			return;
		if (kind == 1) { /* no-operation */
			at++;
			continue;
		}
		if (at + 1 < captured)
			n = p[at + 1];
		else if (captured < length)
			return;
		else
			n = 0;
		if (n < 2 || n > length - at) {
			segment->options |= TCPAUDIT_OPT_BROKEN;
			return;
		}
		if (n > captured - at)
			return;
		if (option_kinds[kind].most == 0 || n < option_kinds[kind].least || n > option_kinds[kind].most) {
			segment->options |= TCPAUDIT_OPT_UNKNOWN;
		} else {
			segment->options |= option_kinds[kind].bit;
			if (option_kinds[kind].read != NULL)
				option_kinds[kind].read(segment, p + at, n);
		}
		at += n;
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

	segment->header = p;
	segment->unusable = w->partial ? TCPAUDIT_UNUSABLE_SHORT : TCPAUDIT_UNUSABLE_NONE;
	segment->options = 0;
	segment->mss = 0;
	segment->wscale = 0;
	segment->sack_count = 0;
	segment->tsval = 0;
	segment->tsecr = 0;
	memset(segment->sack, 0, sizeof segment->sack);
	if (w->cap < w->wire)
		w->noticed |= TCPAUDIT_SAW_CUT;
	if (w->cap < 20) {
		short_header(segment, p, w->cap);
		segment->unusable = TCPAUDIT_UNUSABLE_SHORT;
	} else {
		segment->src_port = get_be16(p);
		segment->dst_port = get_be16(p + 2);
		segment->seq = get_be32(p + 4);
		segment->ack = get_be32(p + 8);
		segment->flags = get_be16(p + 12) & 0x0fff;
		segment->window = get_be16(p + 14);
		if (header_len < 20 || header_len > w->wire)
			segment->unusable = TCPAUDIT_UNUSABLE_OFFSET;
		else if (header_len > 20)
			read_options(segment, p + 20, header_len - 20, (w->cap < header_len ? w->cap : header_len) - 20);
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

/* The fields that every segment has from its frame. */
static void origin(const struct walk *w)
{
	struct tcpaudit_segment *segment = w->segment;

	segment->time = w->frame->time;
	segment->ordinal = w->frame->ordinal;
	segment->frame = w->frame->number;
	segment->input = w->frame->input;
	segment->wirelen = w->frame->wirelen;
	segment->vlan = w->vlan;
	segment->network = w->network;
	segment->noticed = w->noticed;
}

static enum step tcp(struct walk *w)
{
	struct tcpaudit_segment *segment = w->segment;
	enum tcpaudit_checksum_mode mode = w->decoder->checksum;

	if (w->cap < 4) /* less than the ports is no TCP header, as Wireshark counts */
		return done(w, w->cap < w->wire ? TCPAUDIT_FATE_IP_SHORT : TCPAUDIT_FATE_NOT_TCP);
	header(w);
	segment->icmp_type = 0;
	segment->icmp_code = 0;
	segment->icmp_quotes = false;
	origin(w);
	if (mode == TCPAUDIT_CHECKSUM_STRICT ||
	    (mode == TCPAUDIT_CHECKSUM_AUTO && (segment->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST)) != 0))
		segment->noticed |= segment_verify(segment);
	else
		segment->noticed |= TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
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

/* An error quotes the packet that caused it: at least 8 octets of its text (RFC 792), ports and SEG.SEQ. */
static enum step icmp(struct walk *w)
{
	struct tcpaudit_segment *segment = w->segment;
	uint8_t version = segment->ip_version;

	segment->icmp_quotes = false;
	segment->icmp_type = w->cap >= 1 ? w->p[0] : 0;
	segment->icmp_code = w->cap >= 2 ? w->p[1] : 0;
	if (w->protocol != (version == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6) || w->cap < 8 ||
	    !is_error(version, segment->icmp_type))
		return done(w, TCPAUDIT_FATE_ICMP);
	skip(w, 8);
	if (quoted_headers(w, version) && w->cap >= 8) {
		header(w);
		origin(w);
		segment->noticed |= TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
		segment->icmp_quotes = true;
	}
	return done(w, TCPAUDIT_FATE_ICMP);
}

static enum step (*const steps[])(struct walk *w) = {
        [STEP_ETHERNET] = ethernet,
        [STEP_ETHERTYPE] = follow_ethertype,
        [STEP_LLC] = llc,
        [STEP_MPLS] = mpls,
        [STEP_PPP] = ppp,
        [STEP_IP] = ip,
        [STEP_IPV4] = ipv4,
        [STEP_IPV6] = ipv6,
        [STEP_EXTENSION] = extension,
        [STEP_PROTOCOL] = protocol,
        [STEP_AH] = ah,
        [STEP_UDP] = udp,
        [STEP_GRE] = gre,
        [STEP_ICMP] = icmp,
        [STEP_TCP] = tcp,
};

enum tcpaudit_fate decoder_decode(struct decoder *decoder, const struct tcpaudit_frame *frame, struct tcpaudit_segment *segment)
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
	if ((frame->flags & TCPAUDIT_FRAME_LOST) != 0)
		w.noticed |= TCPAUDIT_SAW_LOSS_BEFORE;
	if (frame->linktype >= sizeof link_layers / sizeof link_layers[0] || link_layers[frame->linktype] == NULL)
		return TCPAUDIT_FATE_LINKTYPE;
	step = link_layers[frame->linktype](&w);
	while (step != STEP_DONE)
		step = steps[step](&w);
	return w.fate;
}

struct decoder *decoder_new(uint32_t tunnels, enum tcpaudit_checksum_mode checksum)
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
	return decoder;
}

void decoder_free(struct decoder *decoder)
{
	if (decoder == NULL)
		return;
	defrag_free(decoder->defrag);
	free(decoder);
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

size_t decoder_memory(const struct decoder *decoder)
{
	return sizeof *decoder + defrag_memory(decoder->defrag);
}
