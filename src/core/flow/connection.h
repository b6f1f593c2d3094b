/* connection.h - takes a segment into a connection: accounts, handshake, and what is kept for judgment. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "flow.h"
#include "mirror/mirror.h"

/* What the capture hides of a connection; each is a cap- check. */
enum {
	CAPTURE_GAP_ACKED = 0x0001,
	CAPTURE_SNAPLEN = 0x0002,
	CAPTURE_DUPLICATE = 0x0004,
	CAPTURE_OFFLOAD_TX = 0x0008,
	CAPTURE_GRO = 0x0010,
	CAPTURE_CHECKSUM_BAD = 0x0020,
	CAPTURE_REORDERED = 0x0040,
	CAPTURE_CLOCK_STEP = 0x0080,
	CAPTURE_MULTI_IF = 0x0100,
	CAPTURE_TUNNEL = 0x0200,
	CAPTURE_VLAN_ASYMMETRIC = 0x0400,
	CAPTURE_FRAGMENTS = 0x0800,
	CAPTURE_DROPS = 0x1000,
	CAPTURE_NAT_TWIN = 0x2000,       /* it is there a second time, with other addresses or ports */
	CAPTURE_RESYNC = 0x4000,         /* numbers jumped, and went on from there: a long gap */
	CAPTURE_LENGTH_GUESSED = 0x8000, /* IP said 0: where text ends, and with it a FIN's number, is the frame's word */
};

/* Whom the engine must tell what it found out about a segment. */
struct taken {
	enum tcpaudit_unusable unusable;
	uint32_t fresh; /* octets at the end of its text that are new, and part of the stream */
	bool settles; /* the connection has just come to its end: look again after the settling time */
};

/* Begins a connection with its first segment. `from`: which end sent it. */
void connection_begin(struct connection *c, const struct tcpaudit_segment *segment, unsigned from);

/* Which end sends the first captured segment, if the handshake was not captured. */
unsigned connection_guess_sender(const struct tcpaudit_segment *segment);

/* Do the segment's numbers belong to this connection? */
bool connection_fits(const struct connection *c, const struct tcpaudit_segment *segment, unsigned from);

/* Takes the segment.  Histories are accounted in `table`; `verify` asks for checksums that were not looked at yet. */
struct taken connection_take(struct connection *c, struct flow_table *table, struct tcpaudit_segment *segment, unsigned from,
                             bool verify);

/* A frame as marks name it. */
static inline uint64_t connection_frame(const struct tcpaudit_segment *s)
{
	return s->frame | (uint64_t)s->input << 48;
}

/* CAPTURE_ bits: what its frame alone says of the capture. */
static inline uint16_t connection_noticed(const struct tcpaudit_segment *s)
{
	return (uint16_t)((s->noticed & TCPAUDIT_SAW_CUT ? CAPTURE_SNAPLEN : 0u) |
	                  (s->noticed & TCPAUDIT_SAW_LENGTH_GUESSED ? CAPTURE_LENGTH_GUESSED : 0u) |
	                  (s->noticed & TCPAUDIT_SAW_REASSEMBLED ? CAPTURE_FRAGMENTS : 0u) |
	                  (s->noticed & TCPAUDIT_SAW_TUNNEL ? CAPTURE_TUNNEL : 0u));
}

/* Which end of the connection the canonical sender is. */
static inline unsigned connection_sender(const struct entry *e, bool crossed)
{
	return crossed != !!(e->bits & CONN_CROSSED);
}

/* Another incarnation was there before on this socket pair. `crossed`: who was its client is the server now. */
void connection_follows(struct connection *c, struct flow_table *table, const struct former *former, bool crossed);

/* What its ISS, and those of its host's connections before it, have in common; NULL: nothing. */
static inline const struct isn_habit *connection_habit(const struct connection *c)
{
	return connection_rarity(c) && connection_rarity(c)->isn.kind ? &connection_rarity(c)->isn : NULL;
}

/* A segment of another incarnation of the socket pair tells something about this one: UNUSUAL_ bits say what. */
void connection_witness(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *segment, unsigned from,
                        unsigned unusual);

/* The history with the handshake in front, made if there is none yet; NULL when out of memory. */
struct history *connection_history(struct connection *c, struct flow_table *table);

/* What is kept of a connection while somebody looks at another history in its place. */
struct loan {
	struct history *own;
	uint32_t brief; /* CONN_BRIEF, if it is one */
};

/* Sees to it that there is a history to look at, `whole` with the handshake in front: unless the connection's own will do, one in
 * `room`, which borrows from it.  To be given back before the connection takes anything more. */
struct loan connection_lend(struct connection *c, struct flow_table *table, bool whole, struct history *room);
void connection_give_back(struct connection *c, struct loan loan);

/* Can a mark say where a frame is, beside the first one? */
static inline bool mark_is_near(const struct connection *c, int which, const struct tcpaudit_segment *s)
{
	if (which == MARK_SYN)
		return s->ordinal == c->entry.id && c->apart != APART_MOST;
	return !connection_far(c) && c->apart != APART_MOST && s->input == c->entry.input && s->time >= c->start &&
	       s->time - c->start < (int64_t)UINT32_MAX * 1000 && s->frame >= connection_first(c) &&
	       s->frame - connection_first(c) < MARK_FRAMES;
}

/* Marks one that is; of MARK_SYN there is nothing more to say. */
static inline void connection_mark_near(struct connection *c, int which, const struct tcpaudit_segment *s)
{
	const int64_t after = s->time - c->start;
	const bool coarse = after >= MARK_FINE;

	if (which == MARK_SYN)
		return;
	c->mark[which - 1].frames = ((uint32_t)(s->frame - connection_first(c)) + 1) | (coarse ? MARK_COARSE : 0);
	c->mark[which - 1].after = (uint32_t)(coarse ? after / 1000 : after);
}

/* Was anything of an end seen? */
static inline bool connection_heard(const struct connection *c, unsigned x)
{
	return c->end[x].packets || (connection_rare(c, x) && connection_rare(c, x)->packets_high);
}

/* How long each end took for its answer in the handshake. */
static inline struct turnaround connection_turnaround(const struct connection *c)
{
	const bool marked[] = {connection_marked(c, MARK_SYN), connection_marked(c, MARK_SYN_ACK), connection_marked(c, MARK_ACK)};
	struct turnaround t;

	for (unsigned x = 0; x < 2; x++) {
		const int from = x == TCPAUDIT_SERVER ? MARK_SYN : MARK_SYN_ACK;
		const bool apart = c->end[x].bits & TCB_TOOK_APART;
		int64_t took = -1;
		if (!apart && marked[from] && marked[from + 1])
			took = (connection_mark_time(c, from + 1) - connection_mark_time(c, from)) / 1000;
		t.of[x] = took >= 0 && took < TURNAROUND_UNKNOWN ? (uint32_t)took : TURNAROUND_UNKNOWN;
		if (apart && connection_rare(c, x))
			t.of[x] = connection_rare(c, x)->took;
	}
	return t;
}

/* Octets of new text of an end. */
static inline uint64_t connection_text(const struct connection *c, unsigned x)
{
	return tcb_text(&c->end[x], connection_rare(c, x));
}

/* The other end was heard. */
static inline void connection_answered(struct connection *c)
{
	if ((c->end[0].bits | c->end[1].bits) & TCB_TRIES) {
		c->end[0].bits &= ~(uint32_t)TCB_TRIES;
		c->end[1].bits &= ~(uint32_t)TCB_TRIES;
		if (connection_rarity(c)) {
			connection_rarity(c)->unanswered = 0;
			connection_rarity(c)->tried = INT64_MIN;
		}
	}
}

/* All of it, for the mirror; there must be a history. */
static inline struct captured connection_captured(const struct connection *c)
{
	return (struct captured){.history = connection_kept(c).history,
	                         .count = HISTORY_MOST,
	                         .end = c->end,
	                         .turnaround = connection_turnaround(c),
	                         .midstream = c->entry.bits & CONN_MIDSTREAM};
}

/* Repeats by one end since the other was heard. */
static inline uint16_t connection_unanswered(const struct connection *c)
{
	unsigned more = connection_rarity(c) ? connection_rarity(c)->unanswered : 0;

	return (uint16_t)(more + !!(c->end[0].bits & TCB_UNANSWERED) + !!(c->end[1].bits & TCB_UNANSWERED));
}

/* What an end has done to be heard by the other. */
static inline struct trying connection_trying(const struct connection *c, unsigned x)
{
	const struct rarity *rarity = connection_rarity(c);
	const bool closed = c->end[!x].bits & TCB_ZERO_WINDOW && rarity && rarity->probed.from == x && rarity->probed.edge == c->end[!x].redge;

	return (struct trying){.since = rarity && c->end[x].bits & TCB_UNANSWERED ? rarity->tried : INT64_MIN,
	                       .unanswered = connection_unanswered(c),
	                       .window_probes = closed ? rarity->probed.count : 0};
}

static inline uint32_t connection_scopes(const struct connection *c)
{
	return connection_rarity(c) ? connection_rarity(c)->scopes : 0;
}

/* The incarnation before it, NULL if none is known. */
static inline struct former *connection_former(const struct connection *c)
{
	return connection_kept(c).history && !(c->entry.bits & CONN_BRIEF) ? connection_kept(c).history->former : NULL;
}

/* Both FINs acknowledged, or an effective reset: nothing more is due. */
static inline bool connection_settled(const struct connection *c)
{
	return c->entry.bits & CONN_SETTLED;
}

#endif
