/* flow.h - segments -> connections: the table, its limits, its clock.
 *
 * An index (flow_index.h) over records in fixed chunks.  Several incarnations
 * of one socket pair hang behind the newest one.  Connections of which nothing but a SYN was seen have small records of their own
 * (embryo.h), and never more than half of the memory that there is: a flood of them takes nothing from the others. */
#ifndef FLOW_H
#define FLOW_H

#include <stddef.h>

#include <tcpaudit/audit.h>

#include "flow_entry.h"
#include "mirror/brief.h"
#include "mirror/history.h"
#include "mirror/tcb.h"

/* The handshake's frames, kept small until somebody asks. */
enum { MARK_SYN, MARK_SYN_ACK, MARK_ACK, MARK_RESPONSE, MARKS };

/* One behind the first frame: most are near it in all ways. */
struct mark {
	uint32_t frames; /* further on, and one, and MARK_COARSE; 0: not seen */
	uint32_t after;  /* ns, with MARK_COARSE microseconds */
};

#define MARK_COARSE 0x80000000u
#define MARK_FINE   4294967000 /* ns behind the start; from there on times are rounded down to microseconds, wherever they are kept */
#define MARK_FRAMES 0x7fffffffu

/* One that is not. */
struct far_mark {
	uint64_t frame; /* and input << 48; 0: not seen */
	int64_t time;
};

#define FRAME_BITS 46         /* of an ordinal; what is above tells whose it is */
#define APART_MOST UINT32_MAX /* no first frame: no mark is near */

enum {
	CONN_CROSSED = 0x0001, /* the client is the pair's second socket */
	CONN_SYN = 0x0002,
	CONN_SYN_ACK = 0x0004,
	CONN_ESTABLISHED = 0x0008, /* the client acknowledged the server's SYN, or both did in a simultaneous open */
	CONN_MIDSTREAM = 0x0010,
	CONN_SIMULTANEOUS_OPEN = 0x0020,
	CONN_FAST_OPEN = 0x0040,
	CONN_DATA = 0x0080,
	CONN_FIN = 0x0100,
	CONN_RST = 0x0200,
	CONN_ACK = 0x0400, /* Wireshark's third completeness bit */
	CONN_MP_FASTCLOSE = 0x0800,
	CONN_ICMP = 0x1000,       /* a hard ICMP error quoted it */
	CONN_SUPERSEDED = 0x2000, /* a new incarnation was accepted */
	CONN_SETTLED = 0x4000,    /* nothing more is due: connection_settled() */
	CONN_WATCHED = 0x8000,
	CONN_EVICTED = 0x10000,
	CONN_SYN_ACK_REPEATED = 0x20000,
	CONN_CLOSED = 0x40000, /* both FINs were acknowledged: said here, where deadlines are found */
	CONN_UNLABELLED = 0x40000000,   /* a labeller wants its text */
	CONN_UNPLACED = 0x100000,       /* a frame had numbers that fit nowhere */
	CONN_ICMP_SOFT = 0x10000000, /* an ICMP error that is only a hint quoted it (RFC 9293 MUST-56) */
	CONN_SYN_REPEATED = 0x8000000,
	CONN_ATTENTION = 0x7000000,     /* how many more segments are to be kept, whatever they are */
	CONN_MARKED_ACK = 0x400000,      /* MARK_ACK has been met: said here, where every segment looks */
	CONN_MARKED_RESPONSE = 0x800000, /* MARK_RESPONSE */
	CONN_BRIEF = 0x20000000,         /* what is kept of its close is a brief, and no history */
	CONN_ICMP_BY_CLIENT = 0x200000, /* the error quoted the client's segment: the server's side is unreachable */
	CONN_RARE = 0x80000,            /* it has a rarity */
};

#define SLOT_NONE      UINT32_MAX
#define SLOT_TOMBSTONE 0x80000000u /* these bits of a slot tell which of the three it is */
#define SLOT_EMBRYO    0x40000000u

/* The other incarnations of its socket pair. */
struct links {
	uint32_t older; /* slot of the one before, SLOT_NONE */
	uint32_t newer; /* slot of the one in front of it, SLOT_NONE: it is in the index */
};

struct rarity;

/* What a connection has beside its record, as its bits say. */
union kept {
	struct history *history; /* NULL until something happens that is worth keeping */
	struct brief *brief;     /* with CONN_BRIEF */
	struct rarity *rarity;   /* with CONN_RARE: that has the others */
	uint64_t room;           /* where pointers are smaller, a connection has its ends at the same place */
};

/* What is told of the host whose connection made it too many. */
struct pressure_view {
	uint32_t held;   /* TIME-WAITs at once, at least; 0: not too many */
	uint32_t reused; /* socket pairs taken again while TIME-WAIT lasted, within a minute; 0: not too many */
};

/* What a SYN-ACK says whose ISS is another than that of the one before it; its numbers are in the history. */
struct other_syn_ack {
	tcp_seq iss;
	uint32_t bits; /* TCB_; without TCB_ISS there was none */
	uint16_t mss;
	uint8_t wscale;
	uint8_t again; /* how often it was repeated, up to UINT8_MAX */
};

/* Of an end whose peer has closed its window: what it has sent there (RFC 9293 3.8.6.1). */
struct window_probes {
	tcp_seq edge; /* right edge of that window */
	uint16_t count;
	uint8_t from; /* which end */
};

/* Repeats of one segment by an end that hears nothing of the other meanwhile (series.h). */
struct repeats {
	int64_t time; /* of the newest */
	int64_t gap;  /* ns from the one before it; 0: it is the first */
	tcp_seq seq;
	uint32_t packets[2]; /* sent by itself, and by the other end, when it had been sent */
	uint8_t from;
	uint8_t flat; /* how often in a row the gap did not grow */
};

/* Acknowledgments of an end that are answered and say the same again (series.h). */
struct storm {
	int64_t since, last;
	tcp_seq seq, ack;           /* theirs */
	tcp_seq peer_nxt, peer_ack; /* what the other end has sent, and acknowledged */
	uint32_t count;             /* of them, 0: none */
	uint8_t from;
};

/* What the first segment of each end said that is UNUSUAL_ACK_REGRESS, or has an UNUSUAL_SACK or UNUSUAL_SACK_UNASKED block. */
struct odd_numbers {
	tcp_seq acked;    /* highest that this end had acknowledged before */
	tcp_seq block[2]; /* left and right edge */
	bool acked_known, block_known;
};

/* What few connections have. */
struct rarity {
	union kept kept;
	struct links links;
	struct tcpaudit_evidence odd; /* the first frame that a capture note is about; valid with CONN_ICMP or CONN_ICMP_SOFT */
	uint64_t told;                /* own rules of the user that were told already */
	tcp_seq stray[2];             /* where a segment of each end that did not fit would go on; valid with TCB_STRAY */
	struct pressure_view pressure;
	struct isn_habit isn;
	int64_t lag; /* ns by which its newest frame was behind packet time; 0: not by much */
	struct tcb_rare end[2];
	struct other_syn_ack other; /* the newest */
	uint32_t scopes;     /* of the user's policy, by the first frame */
	int64_t tried;       /* newest frame of the end that repeats, before the first of those; INT64_MIN not known */
	struct window_probes probed;
	struct repeats repeats;
	struct storm storm;
	struct odd_numbers odd_numbers[2];
	uint16_t unanswered; /* repeats since the other end was heard, beyond what TCB_UNANSWERED tells */
	bool is_far;         /* all marks are here */
	struct far_mark mark[MARKS];
};

/* Three cache lines: whose it is, and when; its ends, of which every segment touches both; and, last, what the handshake leaves. */
struct connection {
	struct entry entry;
	union kept kept;
	int64_t start;               /* first frame */
	int64_t last_from[2];        /* newest frame of each end; INT64_MIN none */
	struct tcb end[2];           /* client, server */
	struct mark mark[MARKS - 1]; /* but MARK_SYN, which is the first frame, with CONN_SYN */
	uint32_t apart;              /* ordinal of the first frame less its number, within FRAME_BITS; APART_MOST */
	uint32_t syn_tsval;          /* timestamp of the client's SYN, valid with its TCB_TS */
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct connection, end) == 64, "each end lies in its own line and half of another");
_Static_assert(sizeof(struct connection) == 192, "ten million of them are noticed");

/* A new one, which takes over what a connection keeps. */
static inline struct rarity rarity_of(union kept kept)
{
	return (struct rarity){.kept = kept,
	                       .links = {SLOT_NONE, SLOT_NONE},
	                       .tried = INT64_MIN,
	                       .end = {{.took = TURNAROUND_UNKNOWN}, {.took = TURNAROUND_UNKNOWN}}};
}

/* NULL: nothing of it is rare; flow_rarity(). */
static inline struct rarity *connection_rarity(const struct connection *c)
{
	return c->entry.bits & CONN_RARE ? c->kept.rarity : NULL;
}

/* The same of one end. */
static inline struct tcb_rare *connection_rare(const struct connection *c, unsigned x)
{
	return c->entry.bits & CONN_RARE ? &c->kept.rarity->end[x] : NULL;
}

/* Its history, or its brief. */
static inline union kept connection_kept(const struct connection *c)
{
	return c->entry.bits & CONN_RARE ? c->kept.rarity->kept : c->kept;
}

static inline void connection_keep(struct connection *c, union kept kept)
{
	*(c->entry.bits & CONN_RARE ? &c->kept.rarity->kept : &c->kept) = kept;
}

/* Newest frame. */
static inline int64_t connection_last(const struct connection *c)
{
	int64_t last = c->last_from[0] > c->last_from[1] ? c->last_from[0] : c->last_from[1];

	return last > c->start ? last : c->start;
}

/* By how much a frame's number is behind its ordinal; APART_MOST: too much. */
static inline uint32_t frame_apart(uint64_t ordinal, uint64_t frame)
{
	uint64_t apart = (ordinal - frame) & ((UINT64_C(1) << FRAME_BITS) - 1);

	return apart < APART_MOST && !(frame >> FRAME_BITS) ? (uint32_t)apart : APART_MOST;
}

/* The number of the first frame, unless apart is APART_MOST. */
static inline uint64_t connection_first(const struct connection *c)
{
	return (c->entry.id - c->apart) & ((UINT64_C(1) << FRAME_BITS) - 1);
}

static inline const struct far_mark *connection_far(const struct connection *c)
{
	return c->entry.bits & CONN_RARE && c->kept.rarity->is_far ? c->kept.rarity->mark : NULL;
}

/* Was there no memory for them? */
static inline bool connection_lost_marks(const struct connection *c)
{
	return c->apart == APART_MOST && !connection_far(c);
}

/* Was one of the handshake's frames seen, which one, and when? */
static inline bool connection_marked(const struct connection *c, int which)
{
	const struct far_mark *far = connection_far(c);

	if (far)
		return far[which].frame;
	return c->apart != APART_MOST && (which == MARK_SYN ? c->entry.bits & CONN_SYN : c->mark[which - 1].frames);
}

/* Its number, and input << 48; 0: it was not seen. */
static inline uint64_t connection_mark_frame(const struct connection *c, int which)
{
	const struct far_mark *far = connection_far(c);

	if (far)
		return far[which].frame;
	if (!connection_marked(c, which))
		return 0;
	return (connection_first(c) + (which == MARK_SYN ? 0 : (c->mark[which - 1].frames & MARK_FRAMES) - 1)) | (uint64_t)c->entry.input << 48;
}

static inline int64_t connection_mark_time(const struct connection *c, int which)
{
	const struct far_mark *far = connection_far(c);

	if (far)
		return far[which].time;
	if (which == MARK_SYN)
		return c->start;
	const struct mark *mark = &c->mark[which - 1];
	return c->start + (int64_t)mark->after * (mark->frames & MARK_COARSE ? 1000 : 1);
}

/* Is it the mark of what was seen then? */
static inline bool connection_mark_is_of(const struct connection *c, int which, int64_t time)
{
	int64_t marked = connection_mark_time(c, which), later = time - marked;

	return later >= 0 && later < (marked - c->start >= MARK_FINE ? 1000 : 1);
}

/* What stays of a connection that was reported, so that late segments find it: report.md's flow_id goes with them. */
struct tombstone {
	struct entry entry;
	struct links links;
	struct former was;
	struct tcpaudit_evidence *asked; /* newest late segment that asks for an answer; NULL: none, or it was answered */
	bool reset;                      /* one came after its close */
};

_Static_assert(sizeof(struct tombstone) == 128, "two cache lines");

static inline bool slot_buried(uint32_t slot)
{
	return slot & SLOT_TOMBSTONE;
}

static inline bool slot_is_embryo(uint32_t slot)
{
	return (slot & (SLOT_TOMBSTONE | SLOT_EMBRYO)) == SLOT_EMBRYO;
}

/* A whole connection. */
static inline bool slot_is_whole(uint32_t slot)
{
	return !(slot & (SLOT_TOMBSTONE | SLOT_EMBRYO));
}

struct flow_table;
struct embryo;

/* `memcap`: bytes that the table may take, 0 any; it is kept for as long as flow_full() is asked before an insertion. */
struct flow_table *flow_table_new(const uint8_t key[16], uint64_t memcap);

/* The least memcap with which there is a place for records of each kind. */
uint64_t flow_least_memory(void);
void flow_table_free(struct flow_table *table);

/* It is one of so many tables that share what there is to be kept: what is large for all of them is large for each. */
void flow_table_shares(struct flow_table *table, unsigned tables);

/* The same by the table's own key. */
uint32_t flow_hash(const struct flow_table *table, const struct socket_pair *pair);

/* Brings the index bucket of a hash on its way; of many. */
void flow_prefetch_bucket(const struct flow_table *table, uint32_t hash);
void flow_prefetch_buckets(const struct flow_table *table, const uint32_t *hash, unsigned count);

/* Where a hash leads most likely; records never move, but what is in one may be another connection by and by. */
struct likely {
	uint32_t slot; /* SLOT_NONE: there is none */
	void *record;  /* NULL then */
};

/* When that is there: which record is it most likely? */
struct likely flow_likely(const struct flow_table *table, uint32_t hash);

/* The same of many, but for those that may be in a bucket behind, which is on its way: a bit for each of these. */
uint32_t flow_likely_at_once(const struct flow_table *table, const uint32_t *hash, unsigned count, struct likely *likely);

/* Brings its record on the way. */
void flow_prefetch_record(const struct likely *likely);

/* When that is there: its history. */
void flow_prefetch_history(struct likely likely);

/* When it is due, for a segment that may settle it. */
void flow_prefetch_due(const struct flow_table *table, uint32_t likely);

/* For walks that know their way: the record of one slot, the history of another, whose record is there. */
void flow_prefetch_slots(const struct flow_table *table, uint32_t record, uint32_t history);

/* For a connection that is about to be reported, and whose record is there. */
void flow_prefetch_ending(const struct flow_table *table, uint32_t slot);

/* The other incarnations of a connection's pair. */
static inline struct links connection_links(const struct connection *c)
{
	return c->entry.bits & CONN_RARE ? c->kept.rarity->links : (struct links){SLOT_NONE, SLOT_NONE};
}

/* Is it the only incarnation of exactly this segment's pair? */
static inline bool flow_is_alone(const struct connection *c, const struct sockets *sockets, const struct tcpaudit_segment *s)
{
	struct links links = connection_links(c);

	return c->entry.id && (links.older & links.newer) == SLOT_NONE && entry_has(&c->entry, sockets, s);
}

/* The newest incarnation of exactly this pair, network and VLAN included; SLOT_NONE.  `likely`: where to look first. */
uint32_t flow_find(const struct flow_table *table, const struct socket_pair *pair, uint32_t hash, uint32_t likely);

/* The n-th, from 0, of the newest incarnations of these two sockets under whatever VLAN and network; SLOT_NONE: there are no more. */
uint32_t flow_find_elsewhere(const struct flow_table *table, const struct socket_pair *pair, uint32_t hash, unsigned n);

/* All of these, up to so many: how many there are. */
unsigned flow_find_all_elsewhere(const struct flow_table *table, const struct socket_pair *pair, uint32_t hash, uint32_t *slots,
                                 unsigned most);

/* A zeroed record, in front of `older` if that is not SLOT_NONE.  SLOT_NONE when out of memory, for what remembers `older`, too. */
uint32_t flow_insert(struct flow_table *table, const struct socket_pair *pair, uint32_t hash, uint32_t older);

/* Has another connection no room, or its history, without exceeding memcap? */
bool flow_full(const struct flow_table *table);

/* Has the name of another pair no room?  That of another one that goes may leave some. */
bool flow_names_full(const struct flow_table *table, const struct socket_pair *pair);

/* A zeroed embryo, the youngest, of a pair that is not in the table.  SLOT_NONE when it has no room. */
uint32_t flow_conceive(struct flow_table *table, const struct socket_pair *pair, uint32_t hash);

/* Has another embryo no room?  Only its like can make some then: flow_oldest_embryo(). */
bool flow_embryos_full(const struct flow_table *table);

/* SLOT_NONE if there is none. */
uint32_t flow_oldest_embryo(struct flow_table *table);

/* Makes a whole connection of an embryo, in its place: the new slot.  SLOT_NONE when out of memory: then it stays what it is. */
uint32_t flow_grow(struct flow_table *table, uint32_t slot);

/* Nothing more will be looked for, inserted or buried: gives back what that takes. */
void flow_close(struct flow_table *table);

/* Frees what a connection has beside its record. */
void flow_strip(struct flow_table *table, struct connection *c);

/* Forgets a record; its history is freed. */
void flow_remove(struct flow_table *table, uint32_t slot);

struct entry *flow_entry(const struct flow_table *table, uint32_t slot);

/* The other incarnations of its pair. */
struct links flow_links(const struct flow_table *table, uint32_t slot);

/* Its pair's. */
uint32_t flow_entry_hash(const struct flow_table *table, uint32_t slot);

struct connection *flow_connection(const struct flow_table *table, uint32_t slot); /* of a whole one */
struct embryo *flow_embryo(const struct flow_table *table, uint32_t slot);
struct tombstone *flow_tombstone(const struct flow_table *table, uint32_t slot);

/* Puts a zeroed tombstone in the place of a connection or an embryo and forgets the connection.  Without room for another, an older tombstone
 * gives way.  SLOT_NONE when there is no memory at all: then the connection is simply forgotten. */
uint32_t flow_bury(struct flow_table *table, uint32_t slot);

/* The first packet's time: nothing is due before.  To be called once, before anything is scheduled. */
void flow_start_clock(struct flow_table *table, int64_t now);

/* Has a record looked at when packet time reaches `due`. */
void flow_schedule(struct flow_table *table, uint32_t slot, int64_t due);

/* The same, unless it will be looked at before that anyway. */
void flow_schedule_by(struct flow_table *table, uint32_t slot, int64_t due);

/* The same for all connections that are to be looked at at all. */
void flow_hasten(struct flow_table *table, int64_t due);

/* The next record whose time has come, SLOT_NONE if none: schedule or remove it. Call until none is left. */
uint32_t flow_due(struct flow_table *table, int64_t now);

/* The tick that comes next, a number that `now` has no part in; whatever is due at `now` is found when it begins. */
uint32_t flow_tick_behind(int64_t now);

/* When it begins: before that nothing more can be due, once flow_due() has had nothing left at `now`. */
int64_t flow_next_tick(int64_t now);

/* The next connection or embryo that is not buried, in no useful order; SLOT_NONE at the end.  `cursor` begins at 0. */
uint32_t flow_next(const struct flow_table *table, uint32_t *cursor);

/* How many places for whole connections there are, free ones included: slots 0 and up. */
uint32_t flow_places(const struct flow_table *table);

/* Half-open connections queue up by age, so that a flood of SYNs evicts only SYNs. */
void flow_half_open(struct flow_table *table, uint32_t slot);

/* Whom to sacrifice of the whole ones: the oldest half-open connection, else one that has been silent for long.  SLOT_NONE if there is none. */
uint32_t flow_victim(struct flow_table *table);

uint64_t flow_count(const struct flow_table *table); /* connections and embryos */
uint64_t flow_tombstones(const struct flow_table *table);
uint64_t flow_tombstones_evicted(const struct flow_table *table);
uint64_t flow_memory(const struct flow_table *table);
void flow_account(struct flow_table *table, int64_t bytes); /* of histories, as they grow */

/* An empty history, accounted for; NULL when out of memory.  Goes with its connection. */
struct history *flow_history_new(struct flow_table *table);

/* A brief for a connection that has no history: sets CONN_BRIEF.  False when out of memory.  Goes with its connection. */
bool flow_brief_new(struct flow_table *table, struct connection *c);

/* Gives back either. */
void flow_history_drop(struct flow_table *table, struct connection *c);

/* Remembers the late segment that asks for an answer; NULL: none does.  Without memory for it, none is remembered.  Goes with its
 * tombstone. */
void flow_set_asked(struct flow_table *table, struct tombstone *tombstone, const struct tcpaudit_evidence *segment);

/* Its rarity, zeroed if it is new, accounted for; NULL when out of memory.  Goes with its connection. */
struct rarity *flow_rarity(struct flow_table *table, struct connection *c);

#endif
