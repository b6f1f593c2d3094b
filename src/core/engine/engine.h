/* engine.h - the engine's own data. */
#ifndef ENGINE_H
#define ENGINE_H

#include "endings.h"
#include "front.h"
#include "hosts.h"
#include "losses.h"
#include "check/check.h"

struct tcpaudit {
	struct tcpaudit_settings settings;
	struct check_plan plan;
	struct tcpaudit_sink sink;
	struct tcpaudit_labeller labeller;
	struct front front;
	struct flow_table *table;
	struct tcpaudit_counters counters; /* but those of the front */
	int64_t now;
	int64_t soonest;     /* ns from a segment of a whole connection to its deadline, at least */
	int64_t quiet_until; /* nothing is due before */
	uint32_t handed_on;  /* CONN_ bits: somebody else wants to know when a segment sets them */
	bool started;
	bool ended;
	bool ending; /* those of this turn are all there */
	struct endings endings;
	struct sweep {
		int64_t since;   /* begin of this turn */
		int64_t next;    /* nothing is to be done before */
		uint32_t cursor; /* place that is to be visited next */
	} sweep;
	struct routes routes;
	struct hosts hosts;
	struct {
		struct learnt learnt[BATCH]; /* a segment tells of one thing at most */
		unsigned count;
	} lesson; /* of this batch, and not compared yet */
	struct losses losses;
	struct tcpaudit_connection lone; /* record of the last embryo that was reported */
	bool lone_known;
	struct batch batch[2]; /* of its own front; or what a reader has packed, and what comes behind it */
	unsigned opened;       /* which of the two */
	const struct tcpaudit_batch *opened_ahead; /* is in the other one; NULL: nothing */
	struct shards *shards; /* it has been split: all connections are theirs; NULL: not */
	struct part *part;     /* of another engine this is one; NULL: not */
};

#define SETTLING      5000000000ll   /* ns, after the last frame of a connection that has closed */
#define HALF_OPEN_FOR 200000000000ll /* ns: RFC 9293 MUST-23 asks a SYN for 3 minutes */
#define TOMBSTONE_FOR 256000000000ll /* 2 MSL of the RFC, and slack */
#define LAG_NOTED     500000000ll    /* the least by which a frame is late: captures of several interfaces are hardly in order */

/* Until when, in packet time, late segments find it. */
static inline int64_t tombstone_until(const struct tombstone *t)
{
	return t->was.last + t->was.lag * 1000000000ll + TOMBSTONE_FOR;
}

/* ---- engine.c ---- */

/* `part`: what it is of another engine, and gets batches from there: it has no front of its own.  NULL: it is no part. */
struct tcpaudit *engine_new(const struct tcpaudit_settings *settings, const struct tcpaudit_sink *sink, struct part *part);

/* Ends a connection that the end of the capture has found open. */
void engine_end(struct tcpaudit *engine, uint32_t slot);

/* ---- audit.c ---- */

/* Finds out where the connections of a batch are, as far as their buckets are there, and has the first of them brought on their way. */
void engine_find(const struct tcpaudit *engine, const struct batch *batch, struct likely likely[BATCH]);

/* Before segment i of it is judged: has that of a later one brought. */
void engine_fetch(const struct tcpaudit *engine, const struct batch *batch, const struct likely likely[BATCH], unsigned i);

/* Judges segment i of the batch, at the engine's time.  `likely`: where its connection was a moment ago. */
void engine_judge(struct tcpaudit *engine, struct batch *batch, unsigned i, struct likely likely);

/* Compares what connections have told of their hosts in this batch: before any of them is reported, and at its end. */
void engine_conclude(struct tcpaudit *engine);

/* Makes a whole connection of an embryo: something comes behind its SYN, or somebody asks for it.  Its new slot; without memory for
 * that it goes, and SLOT_NONE comes back. */
uint32_t engine_grow(struct tcpaudit *engine, uint32_t slot);

/* ---- engine_time.c ---- */

/* Packet time begins. */
void engine_start(struct tcpaudit *engine, int64_t now);

/* Deadlines go by packet time, which is that of the newest frame of all; what is said of a connection goes by its own frames. */
int64_t engine_deadline(const struct tcpaudit *engine, uint32_t slot);
int64_t engine_deadline_of(const struct tcpaudit *engine, const struct connection *c);

/* Has it passed?  Not so soon behind a segment of either end, as nearly always. */
static inline bool engine_is_overdue(const struct tcpaudit *e, const struct connection *c)
{
	const int64_t before = e->now - e->soonest;

	return c->last_from[0] <= before && c->last_from[1] <= before && engine_deadline_of(e, c) <= e->now;
}

/* Connections that frames are seen of within so short a time, ns, cannot be reported between them; 0: all can. */
int64_t engine_calm(const struct tcpaudit *engine);

/* Interfaces whose clocks differ, and captures that were put together: nothing of a connection is over before it was seen, whatever
 * time that tells.  `time`: of a frame that a whole connection is about to take. */
void engine_note_lag(struct tcpaudit *engine, uint32_t slot, int64_t time);

/* Looks at so many of those whose time has come, at most.  True: there may be more. */
bool engine_expire(struct tcpaudit *engine, uint64_t most);

/* ---- engine_report.c ---- */

/* Offers the new text of a segment, `fresh` octets, to the labeller, as far as it was captured; its last word, when no more comes. */
void engine_offer_text(struct tcpaudit *engine, struct connection *c, const struct tcpaudit_segment *segment, unsigned from,
                       uint32_t fresh);
void engine_end_label(struct tcpaudit *engine, struct connection *c);

/* Did the capture lose anything since? */
bool engine_lost_since(const struct tcpaudit *engine, int64_t time);

/* Asks the user's own rules about a connection that has ended; `told`: those that have told of it before. */
void engine_ask_at_the_end(struct tcpaudit *engine, uint32_t scopes, uint64_t told, int64_t at, struct tcpaudit_connection *record);

/* The same of one that goes on; of all of them, bit by bit, or what is left of them. */
void engine_ask_midway(struct tcpaudit *engine, struct connection *c, enum tcpaudit_point point);
void engine_sweep(struct tcpaudit *engine, bool all);

/* Fills in what is remembered of a connection; of its close only that which is known before it is reported. */
void engine_remains(const struct connection *c, struct former *was);

/* By how much its frames are behind packet time, ns. */
int64_t engine_lag(const struct connection *c);

/* The connection was over at packet time `at`: reports it and keeps a tombstone. */
void engine_report(struct tcpaudit *engine, uint32_t slot, int64_t at);

/* Reports it because its place is needed. */
void engine_evict(struct tcpaudit *engine, uint32_t slot);

#endif
