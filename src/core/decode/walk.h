/* walk.h - a walk through a frame: where it stands, and how its steps move it.
 *
 * Shared by decode.c, link.c and tunnel.c.  A step reads the header at w->p, when all of it is captured, skips it and
 * names the next step; or it is done(), and the frame has its fate. */
#ifndef WALK_H
#define WALK_H

#include "decode.h"

#define DEPTH_MAX 16 /* tags, labels and tunnels in one frame */

struct decoder {
	struct defrag *defrag;
	uint32_t tunnels;
	enum tcpaudit_checksum_mode checksum;
	const int64_t *clock;
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

static inline enum step done(struct walk *w, enum tcpaudit_fate fate)
{
	w->fate = fate;
	return STEP_DONE;
}

/* The caller has seen that n octets are captured. */
static inline void skip(struct walk *w, size_t n)
{
	w->p += n;
	w->cap -= n;
	w->wire = w->wire > n ? w->wire - n : 0;
}

/* What follows is n octets long at most: the rest is padding. */
static inline void confine(struct walk *w, size_t n)
{
	if (w->wire > n)
		w->wire = n;
	if (w->cap > n)
		w->cap = n;
}

/* One more tag, label or tunnel; false if it is one too many. */
static inline bool deeper(struct walk *w)
{
	return ++w->depth <= DEPTH_MAX;
}

#endif
