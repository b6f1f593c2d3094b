/* embryo.c - what a lone SYN says, and the connection that it stands for.
 *
 * Few kinds of SYN will do, those of which connection_begin() and connection_take() make nothing but numbers: no text, nothing
 * unusual (unusual.h), no odd checksum.  They must leave the same behind as this does. */
#include "embryo.h"

#include <string.h>

#include "connection.h"
#include "unusual.h"
#include "decode/decode.h"

#define PLAIN_FLAGS   (TCPAUDIT_ECE | TCPAUDIT_CWR | TCPAUDIT_AE)
#define PLAIN_OPTIONS (TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_WSCALE | TCPAUDIT_OPT_SACK_PERMITTED | TCPAUDIT_OPT_TIMESTAMPS)
#define PLAIN_NOTICED (TCPAUDIT_SAW_CUT | TCPAUDIT_SAW_OPTIONS_CUT | TCPAUDIT_SAW_TUNNEL | TCPAUDIT_SAW_OUTBOUND)

/* A control segment's checksum matters: connection.c's checksum_refused(). */
static void sum_up(struct tcpaudit_segment *s)
{
	if (!(s->noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN))
		return;
	s->noticed &= (uint16_t)~TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	s->noticed |= segment_sum(s);
}

bool embryo_tells(struct tcpaudit_segment *s, bool verify)
{
	if ((s->flags & ~PLAIN_FLAGS) != TCPAUDIT_SYN || s->len || s->options & ~PLAIN_OPTIONS)
		return false;
	if (unusual_syn(s))
		return false;
	if (verify)
		sum_up(s);
	return !(s->noticed & ~(PLAIN_NOTICED | TCPAUDIT_SAW_CHECKSUM_UNKNOWN)) && frame_apart(s->ordinal, s->frame) != APART_MOST;
}

static uint32_t block_bits(const struct tcpaudit_segment *s, bool good)
{
	uint32_t bits = TCB_SEQ | TCB_ISS;

	if (good)
		bits |= TCB_CHECKSUM_GOOD;
	if (s->noticed & TCPAUDIT_SAW_OUTBOUND)
		bits |= TCB_OUTBOUND;
	if (s->noticed & TCPAUDIT_SAW_OPTIONS_CUT)
		bits |= TCB_OPTIONS_CUT;
	if (s->options & TCPAUDIT_OPT_TIMESTAMPS)
		bits |= TCB_TS;
	if (s->options & TCPAUDIT_OPT_SACK_PERMITTED)
		bits |= TCB_SACK;
	if (s->options & TCPAUDIT_OPT_WSCALE)
		bits |= TCB_WSCALE;
	return bits | tcb_ecn_bits(s);
}

#ifdef TCPAUDIT_BOTH_WAYS
#include <assert.h>

/* For tests: the short way must lead where the long way does. */
static void take_long_way(const struct embryo *e, const struct tcpaudit_segment *s, bool verify)
{
	struct connection whole, grown;
	struct tcpaudit_segment same = *s;

	memset(&whole, 0, sizeof whole);
	whole.entry = e->entry;
	whole.entry.bits &= CONN_CROSSED;
	whole.entry.capture = 0;
	connection_begin(&whole, &same, TCPAUDIT_CLIENT);
	struct taken taken = connection_take(&whole, NULL, &same, TCPAUDIT_CLIENT, verify);
	embryo_grow(e, &grown);
	assert(!taken.unusable && !taken.settles && !taken.fresh && memcmp(&grown, &whole, sizeof whole) == 0);
}
#else
static void take_long_way(const struct embryo *e, const struct tcpaudit_segment *s, bool verify)
{
	(void)e;
	(void)s;
	(void)verify;
}
#endif

void embryo_begin(struct embryo *e, const struct tcpaudit_segment *s, bool crossed, bool verify)
{
	bool good = verify && !(s->noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN);

	e->entry.id = s->ordinal;
	e->entry.bits = CONN_SYN | (crossed ? CONN_CROSSED : 0);
	e->start = s->time;
	e->apart = frame_apart(s->ordinal, s->frame);
	e->entry.input = s->input;
	e->iss = s->seq;
	e->fingerprint = tcb_fingerprint(s);
	e->tsval = s->options & TCPAUDIT_OPT_TIMESTAMPS ? s->tsval : 0;
	e->tcb = block_bits(s, good);
	e->bytes = s->wirelen;
	e->entry.capture = connection_noticed(s);
	e->mss = s->options & TCPAUDIT_OPT_MSS ? s->mss : 0;
	e->ip_id = s->ip_id;
	e->wscale = s->options & TCPAUDIT_OPT_WSCALE ? s->wscale : 0;
	e->ttl = s->ttl;
	e->verified = good;
	take_long_way(e, s, verify);
}

void embryo_grow(const struct embryo *e, struct connection *c)
{
	struct tcb *client = &c->end[TCPAUDIT_CLIENT];

	memset(c, 0, sizeof *c);
	c->entry = e->entry;
	c->start = c->last_from[TCPAUDIT_CLIENT] = e->start;
	c->last_from[TCPAUDIT_SERVER] = INT64_MIN;
	c->apart = e->apart;
	c->syn_tsval = e->tsval;
	client->iss = e->iss;
	client->maxseq = seq_add(e->iss, 1);
	client->tsval = e->tsval;
	client->fingerprint = e->fingerprint;
	client->bits = e->tcb;
	client->packets = 1;
	client->bytes = e->bytes;
	client->wscale = e->wscale;
	client->ttl = e->ttl;
	client->verified = e->verified;
	client->mss = e->mss;
	client->ip_id = e->ip_id;
}
