/* link_layer.c - link layers: Ethernet with its tags and labels, PPP, cooked, loopback and 802.11 headers.
 *
 * A link type is a row of link_layers[], an EtherType a case of link_ethertype().  IP is left to decode.c. */
#include "link_layer.h"

#include "wire.h"

#include <string.h>

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[1] << 8 | p[0]);
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

enum step link_ethertype(struct walk *w)
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

enum step link_ethernet(struct walk *w)
{
	if (w->cap < 14)
		return done(w, TCPAUDIT_FATE_L2_SHORT);
	w->ethertype = get_be16(w->p + 12);
	skip(w, 14);
	if (w->ethertype == ETHERTYPE_IPV4)
		return STEP_IPV4;
	return link_ethertype(w);
}

enum step link_llc(struct walk *w)
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
enum step link_mpls(struct walk *w)
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
enum step link_ppp(struct walk *w)
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
        [1] = link_ethernet, /* ETHERNET */
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

enum step link_layer(struct walk *w)
{
	uint16_t type = w->frame->linktype;

	if (type >= sizeof link_layers / sizeof link_layers[0] || link_layers[type] == NULL)
		return done(w, TCPAUDIT_FATE_LINKTYPE);
	return link_layers[type](w);
}
