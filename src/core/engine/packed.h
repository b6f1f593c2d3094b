/* packed.h - segments on their way from the thread that reads to those that judge.
 *
 * To fetch a line of cache that another processor has written takes longer than to decode what is in it: so nearly every segment
 * travels in a single one.  What says nothing without the octets of its frame is left behind: of those, text at most is there. */
#ifndef PACKED_H
#define PACKED_H

#include "front.h"
#include "flow/prefetch.h"

enum {
	PACKED_WHOLE = 1, /* it is elsewhere */
	PACKED_LATE = 2,  /* packet time is not its own time */
	PACKED_IPV6 = 4,  /* its addresses are elsewhere */
	PACKED_TEXT = 8,  /* it has text, and its octets are there, too */
	PACKED_CROSSED = 16, /* its sender is the second socket */
};

/* A segment outside tunnels, with no options but those that nearly all have; or the note that it is elsewhere. */
struct packed_segment {
	int64_t time;
	uint32_t address[2]; /* IPv4, of both sockets in canonical order, as in the packet */
	uint16_t port[2];    /* canonical order */
	uint32_t seq; /* from here to tsecr, from flags to vlan, and ttl and wscale: as they follow each other in struct tcpaudit_segment */
	uint32_t ack;
	uint32_t tsval;
	uint32_t tsecr;
	uint32_t hash; /* of its socket pair; if it is whole, too */
	uint16_t len;
	uint16_t wirelen;
	uint16_t flags;
	uint16_t window;
	uint16_t noticed;
	uint16_t ip_id;
	uint16_t options;
	uint16_t mss;
	uint16_t sum;
	uint16_t vlan;
	uint8_t ttl;
	uint8_t wscale;
	uint8_t place; /* among the frames; if it is whole, too */
	uint8_t is;    /* PACKED_ bits */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct packed_segment) == 64, "a cache line");

/* A batch without its frames. */
struct packed {
	unsigned frames;
	unsigned count;   /* of segments */
	uint64_t ordinal; /* of the first frame */
	uint64_t number;
	uint16_t input;
	uint32_t lost; /* and the following: as in struct batch */
	int64_t first;
	int64_t now;
	int64_t begin;       /* packet time of the first frame, or now */
	bool row;            /* the frames' numbers follow from those of the first */
	bool ipv6;           /* is among what is packed */
	bool text;           /* likewise */
	uint8_t high[BATCH]; /* the highest octet of each hash: whose it is can be told without a look at each segment */
	int64_t clock[BATCH];
	struct packed_segment segment[BATCH];
	struct tcpaudit_address address[BATCH][2]; /* IPv6: source and destination */
	struct {
		const uint8_t *header; /* of TCP, with the text behind it; borrowed */
		uint32_t text_caplen;
		uint8_t header_len;
	} texts[BATCH];
	struct {
		struct tcpaudit_segment segment;
		bool icmp;
	} whole[BATCH];
};

/* Packs what was read from these frames.  `text`: those octets stay, and somebody looks at them. */
void packed_fill(struct packed *packed, const struct batch *batch, const struct tcpaudit_frame *frames, bool text);

/* Puts segment i to place k of a batch. */
void packed_open(const struct packed *packed, unsigned i, struct batch *batch, unsigned k);

/* All of them, and what is known of their frames. */
void packed_open_all(const struct packed *packed, struct batch *batch);

/* Packet time when segment i is looked at. */
static inline int64_t packed_clock(const struct packed *packed, unsigned i)
{
	const struct packed_segment *s = &packed->segment[i];

	return s->is & (PACKED_WHOLE | PACKED_LATE) ? packed->clock[s->place] : s->time;
}

/* What there is to be known of the batch. */
IN_PLACE void packed_prefetch_head(const struct packed *packed)
{
	prefetch_lines(packed, offsetof(struct packed, clock));
}

IN_PLACE void packed_prefetch(const struct packed *packed, unsigned i)
{
	__builtin_prefetch(&packed->segment[i]);
	if (packed->ipv6)
		__builtin_prefetch(packed->address[i]);
	if (packed->text)
		__builtin_prefetch(&packed->texts[i]);
}

#endif
