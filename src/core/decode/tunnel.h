/* tunnel.h - tunnels: packets and frames inside packets, where the settings ask for them.
 *
 * Steps of a walk that stands behind an IP header, at what its protocol field announces. */
#ifndef TUNNEL_H
#define TUNNEL_H

#include "walk.h"

/* IPv4 in IP (RFC 2003, RFC 2473). */
enum step tunnel_ipv4(struct walk *w);
/* IPv6 in IPv4 (RFC 4213) or in IPv6 (RFC 2473). */
enum step tunnel_ipv6(struct walk *w);
/* Tunnels over UDP, by destination port. */
enum step tunnel_udp(struct walk *w);
/* Only where the settings ask for it: the caller looks. */
enum step tunnel_gre(struct walk *w);

#endif
