/* series.c - repeats that come at even intervals (RFC 6298 5.5), and acknowledgments that answer each other (RFC 1337 2, RFC 5961 7). */
#include "series.h"
#include "connection.h"
#include "unusual.h"

#define SECOND     1000000000ll
#define GAP_LEAST  200000000ll  /* ns: what comes sooner is no timeout's */
#define GAP_MOST   (60 * SECOND) /* RFC 6298 2.5: from there on it may stay as it is */

/* A repeat of text whose sender hears nothing of the other end: by its timer, then.  Behind a FIN it is fin-rexmit-timing's. */
static bool is_by_timer(const struct connection *c, const struct tcpaudit_segment *s, unsigned from, const struct sent *sent)
{
	const struct tcb *own = &c->end[from];

	return sent->repeat && !sent->duplicate && !sent->reordered && sent->fits && s->len &&
	       !(s->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST)) && !(c->entry.bits & (CONN_FIN | CONN_RST)) &&
	       c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM) && !(c->end[!from].bits & TCB_ZERO_WINDOW) &&
	       !(s->options & TCPAUDIT_OPT_TIMESTAMPS && s->tsval == own->tsval); /* a copy that the path has made */
}

static bool stays_flat(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from)
{
	const uint32_t own = c->end[from].packets, peer = c->end[!from].packets;
	struct repeats *r = flow_rarity(table, c) ? &connection_rarity(c)->repeats : NULL;

	if (!r)
		return false;
	bool again = r->time && r->from == from && r->seq == s->seq && r->packets[0] == own && r->packets[1] == peer;
	int64_t gap = again ? s->time - r->time : 0;
	bool flat = gap >= GAP_LEAST && gap < GAP_MOST && r->gap >= GAP_LEAST && gap < r->gap + r->gap / 2;
	unsigned times = !flat ? 0u : r->flat < UINT8_MAX ? r->flat + 1u : UINT8_MAX;
	*r = (struct repeats){.time = s->time, .gap = gap, .seq = s->seq, .packets = {own + 1, peer}, .from = (uint8_t)from, .flat = (uint8_t)times};
	return times == FLAT_ENOUGH;
}

/* An acknowledgment and nothing else, with a number that its receiver cannot take, soon after the last one, which had an answer. */
static bool may_storm(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *own = &c->end[from], *peer = &c->end[!from];

	if (s->len || (s->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST | TCPAUDIT_ACK)) != TCPAUDIT_ACK)
		return false;
	if (s->seq == own->maxseq && seq_ge(s->ack, own->hiack) && seq_le(s->ack, peer->maxseq))
		return false;
	return connection_heard(c, from) && c->last_from[!from] > c->last_from[from] && s->time - c->last_from[from] <= STORM_WITHIN;
}

/* The numbers of both ends stand still. */
static bool storms_on(const struct connection *c, const struct storm *storm, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *peer = &c->end[!from];

	return storm->count && storm->from == from && storm->seq == s->seq && storm->ack == s->ack && storm->peer_nxt == peer->maxseq &&
	       storm->peer_ack == peer->hiack && (storm->count >= STORM_ENOUGH || s->time - storm->since <= STORM_WITHIN);
}

static bool storms(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *peer = &c->end[!from];
	struct storm *storm = flow_rarity(table, c) ? &connection_rarity(c)->storm : NULL;

	if (!storm)
		return false;
	if (!storms_on(c, storm, s, from)) {
		if (storm->count < STORM_ENOUGH)
			*storm = (struct storm){.since = s->time, .last = s->time, .seq = s->seq, .ack = s->ack, .peer_nxt = peer->maxseq,
			                        .peer_ack = peer->hiack, .count = 1, .from = (uint8_t)from};
		return false;
	}
	storm->last = s->time;
	storm->count += storm->count < UINT32_MAX;
	return storm->count == STORM_ENOUGH;
}

unsigned series_unusual(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from,
                        const struct sent *sent)
{
	unsigned is = 0;

	if (is_by_timer(c, s, from, sent) && stays_flat(c, table, s, from))
		is |= UNUSUAL_NO_BACKOFF;
	if (may_storm(c, s, from) && storms(c, table, s, from))
		is |= UNUSUAL_ACK_STORM;
	return is;
}
