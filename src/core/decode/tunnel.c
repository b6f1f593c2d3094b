/* tunnel.c - tunnels: IP in IP, VXLAN, GENEVE, GTP-U, GRE and ERSPAN.
 *
 * A tunnel over UDP is a row of udp_tunnels[].  Each names the step that reads what it carries, and counts in w->depth. */
#include "tunnel.h"

#include "wire.h"

static enum step into_tunnel(struct walk *w, enum step next)
{
	if (!deeper(w))
		return done(w, TCPAUDIT_FATE_ENCAP_DEPTH);
	w->tunnel = true;
	w->noticed |= TCPAUDIT_SAW_TUNNEL;
	return next;
}

enum step tunnel_ipv4(struct walk *w)
{
	return (w->decoder->tunnels & TCPAUDIT_TUNNEL_IPIP) != 0 ? into_tunnel(w, STEP_IPV4) : done(w, TCPAUDIT_FATE_NOT_TCP);
}

enum step tunnel_ipv6(struct walk *w)
{
	uint32_t asked = w->decoder->tunnels;

	asked &= w->segment->ip_version == 4 ? TCPAUDIT_TUNNEL_6IN4 : TCPAUDIT_TUNNEL_IPIP;
	return asked != 0 ? into_tunnel(w, STEP_IPV6) : done(w, TCPAUDIT_FATE_NOT_TCP);
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

enum step tunnel_udp(struct walk *w)
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
enum step tunnel_gre(struct walk *w)
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
