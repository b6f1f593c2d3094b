/* link_layer.h - link layers: from the first octet of a frame to its packet.
 *
 * All are steps of a walk.  The first is taken once, by the frame's link type; tags, tunnels and other steps lead to the
 * others. */
#ifndef LINK_H
#define LINK_H

#include "walk.h"

/* The outermost header, by the LINKTYPE_ number of w->frame. */
enum step link_layer(struct walk *w);

enum step link_ethernet(struct walk *w);
/* What w->ethertype announces. */
enum step link_ethertype(struct walk *w);
enum step link_llc(struct walk *w);
enum step link_mpls(struct walk *w);
enum step link_ppp(struct walk *w);

#endif
