/* packed.c - see packed.h. */
#include "packed.h"

#include <string.h>

#define USUAL (TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_WSCALE | TCPAUDIT_OPT_SACK_PERMITTED | TCPAUDIT_OPT_TIMESTAMPS)

/* Do the numbers of these frames follow from those of the first? */
static bool are_in_a_row(const struct tcpaudit_frame *frames, unsigned count)
{
	bool odd = false;

	for (unsigned i = 1; i < count; i++)
		odd |= frames[i].input != frames[0].input || frames[i].ordinal != frames[0].ordinal + i ||
		       frames[i].number != frames[0].number + i;
	return !odd;
}

static inline bool is_usual(const struct packed *p, const struct tcpaudit_segment *s, unsigned place)
{
	return !s->network && !(s->options & ~USUAL) && !s->sack_count && s->len <= UINT16_MAX && s->wirelen <= UINT16_MAX &&
	       (p->row || (s->input == p->input && s->ordinal == p->ordinal + place && s->frame == p->number + place));
}

static inline void pack_sockets(struct packed *p, unsigned i, const struct tcpaudit_segment *s, const struct sockets *sockets)
{
	struct packed_segment *to = &p->segment[i];

	memcpy(to->port, sockets->port, sizeof to->port);
	to->is |= sockets->crossed ? PACKED_CROSSED : 0;
	memcpy(to->address, sockets->ipv4, sizeof to->address);
	if (s->ip_version == 4)
		return;
	p->address[i][0] = s->src;
	p->address[i][1] = s->dst;
	to->is |= PACKED_IPV6;
	p->ipv6 = true;
}

static inline void pack(struct packed_segment *to, const struct tcpaudit_segment *s)
{
	to->time = s->time;
	to->seq = s->seq;
	to->ack = s->ack;
	to->tsval = s->tsval;
	to->tsecr = s->tsecr;
	to->len = (uint16_t)s->len;
	to->wirelen = (uint16_t)s->wirelen;
	to->flags = s->flags;
	to->window = s->window;
	to->noticed = s->noticed;
	to->ip_id = s->ip_id;
	to->options = s->options;
	to->mss = s->mss;
	to->sum = s->sum;
	to->vlan = s->vlan;
	to->ttl = s->ttl;
	to->wscale = s->wscale;
}

/* What an error quotes says nothing. */
static inline void pack_text(struct packed *p, const struct batch *b, unsigned i)
{
	const struct tcpaudit_segment *s = &b->segment[i];

	if (b->icmp[i] || !s->text_caplen)
		return;
	p->texts[i].header = s->header;
	p->texts[i].text_caplen = s->text_caplen;
	p->texts[i].header_len = s->header_len;
	p->segment[i].is |= PACKED_TEXT;
	p->text = true;
}

void packed_fill(struct packed *p, const struct batch *b, const struct tcpaudit_frame *frames, bool text)
{
	p->frames = b->frames;
	p->count = b->count;
	p->ordinal = b->frames ? frames[0].ordinal : 0;
	p->number = b->frames ? frames[0].number : 0;
	p->input = b->frames ? frames[0].input : 0;
	p->lost = b->lost;
	p->first = b->first;
	p->now = b->now;
	p->begin = b->frames ? b->clock[0] : b->now;
	p->ipv6 = p->text = false;
	memcpy(p->clock, b->clock, b->frames * sizeof b->clock[0]);
	p->row = are_in_a_row(frames, b->frames);
	for (unsigned i = 0; i < b->count; i++) {
		const struct tcpaudit_segment *s = &b->segment[i];
		struct packed_segment *to = &p->segment[i];
		to->is = (uint8_t)((b->icmp[i] || !is_usual(p, s, b->place[i]) ? PACKED_WHOLE : 0) |
		                   (b->clock[b->place[i]] != s->time ? PACKED_LATE : 0));
		if (to->is & PACKED_WHOLE) {
			p->whole[i].segment = *s;
			p->whole[i].icmp = b->icmp[i];
		} else {
			pack(to, s);
			pack_sockets(p, i, s, &b->sockets[i]);
		}
		if (text)
			pack_text(p, b, i);
		to->hash = b->hash[i];
		to->place = b->place[i];
		p->high[i] = (uint8_t)(b->hash[i] >> 24);
	}
}

static inline void unpack_sockets(const struct packed *p, unsigned i, struct tcpaudit_segment *s, struct sockets *sockets)
{
	const struct packed_segment *from = &p->segment[i];
	const bool ipv6 = from->is & PACKED_IPV6, crossed = from->is & PACKED_CROSSED;

	s->src_port = from->port[crossed];
	s->dst_port = from->port[!crossed];
	s->ip_version = ipv6 ? 6 : 4;
	s->src = ipv6 ? p->address[i][0] : ipv4_address_of(from->address[crossed]);
	s->dst = ipv6 ? p->address[i][1] : ipv4_address_of(from->address[!crossed]);
	memcpy(sockets->ipv4, from->address, sizeof sockets->ipv4);
	memcpy(sockets->port, from->port, sizeof sockets->port);
	sockets->place = place_by(from->vlan, 0, s->ip_version);
	sockets->crossed = crossed;
}

static inline void unpack_text(const struct packed *p, unsigned i, struct tcpaudit_segment *s)
{
	const bool text = p->segment[i].is & PACKED_TEXT;

	s->header = text ? p->texts[i].header : NULL;
	s->header_len = text ? p->texts[i].header_len : 0;
	s->text_caplen = text ? p->texts[i].text_caplen : 0;
}

/* All but its sockets, its text, and its SACK blocks, of which there are none. */
static inline void unpack(const struct packed *p, const struct packed_segment *from, struct tcpaudit_segment *s)
{
	s->time = from->time;
	s->ordinal = p->ordinal + from->place;
	s->frame = p->number + from->place;
	s->input = p->input;
	s->seq = from->seq;
	s->ack = from->ack;
	s->tsval = from->tsval;
	s->tsecr = from->tsecr;
	s->flags = from->flags;
	s->window = from->window;
	s->noticed = from->noticed;
	s->ip_id = from->ip_id;
	s->options = from->options;
	s->mss = from->mss;
	s->sum = from->sum;
	s->vlan = from->vlan;
	s->ttl = from->ttl;
	s->wscale = from->wscale;
	s->len = from->len;
	s->wirelen = from->wirelen;
	s->network = 0;
	s->sack_count = 0;
	s->unusable = TCPAUDIT_UNUSABLE_NONE;
	s->icmp_type = 0;
	s->icmp_code = 0;
	s->icmp_quotes = false;
}

void packed_open(const struct packed *p, unsigned i, struct batch *b, unsigned k)
{
	const struct packed_segment *from = &p->segment[i];
	struct tcpaudit_segment *s = &b->segment[k];

	if (from->is & PACKED_WHOLE) {
		*s = p->whole[i].segment;
		b->sockets[k] = sockets_of(s);
	} else {
		unpack(p, from, s);
		unpack_sockets(p, i, s, &b->sockets[k]);
	}
	unpack_text(p, i, s);
	b->icmp[k] = from->is & PACKED_WHOLE && p->whole[i].icmp;
	b->frame[k] = NULL;
	b->place[k] = from->place;
	b->hash[k] = from->hash;
}

void packed_open_all(const struct packed *p, struct batch *b)
{
	b->frames = p->frames;
	b->count = p->count;
	b->first = p->first;
	b->now = p->now;
	b->lost = p->lost;
	b->buckets = false;
	memcpy(b->clock, p->clock, p->frames * sizeof p->clock[0]);
	for (unsigned i = 0; i < p->count; i++)
		packed_open(p, i, b, i);
}
