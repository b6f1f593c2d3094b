/* audit.h - the engine: frames in, connections and findings out.
 *
 * An engine shares nothing with another one and keeps no clock: time is what the frames say, and what
 * tcpaudit_advance() is told.  It does no input or output; all results go to the sink, on the caller's thread. */
#ifndef TCPAUDIT_AUDIT_H
#define TCPAUDIT_AUDIT_H

#include <tcpaudit/check.h>
#include <tcpaudit/connection.h>
#include <tcpaudit/label.h>
#include <tcpaudit/segment.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tcpaudit_checksum_mode { TCPAUDIT_CHECKSUM_AUTO, TCPAUDIT_CHECKSUM_STRICT, TCPAUDIT_CHECKSUM_OFF };

/* Tunnels that are looked through. */
enum {
	TCPAUDIT_TUNNEL_IPIP = 0x01, /* IPv4 in IPv4, IPv6 in IPv6, 4in6 */
	TCPAUDIT_TUNNEL_6IN4 = 0x02,
	TCPAUDIT_TUNNEL_GRE = 0x04,
	TCPAUDIT_TUNNEL_VXLAN = 0x08,
	TCPAUDIT_TUNNEL_GENEVE = 0x10,
	TCPAUDIT_TUNNEL_GTPU = 0x20,
	TCPAUDIT_TUNNEL_ALL = 0x3f,
};

/* When the user's own rules are asked. */
enum tcpaudit_point {
	TCPAUDIT_ON_CLOSE, /* a connection is about to be reported: everything is known */
	TCPAUDIT_ON_REUSE, /* one has begun on a socket pair that another one had before */
	TCPAUDIT_ON_TICK,  /* now and then while it is open */
	TCPAUDIT_POINTS
};

/* What the user has decided about one check, or one rule. */
struct tcpaudit_policy {
	int8_t severity; /* -1 disabled, else severity + 1 to use instead; 0 as the catalogue says */
	uint8_t scope;   /* only for connections that sink->scopes gave this bit - 1; 0: for all */
	uint8_t needs;   /* TCPAUDIT_PREMISE_ bits without which a claim is undetermined: counted, no more */
	bool suppressed; /* perhaps: sink->suppressed knows */
};

/* What the user's policy makes of a finding. */
enum tcpaudit_ruling {
	TCPAUDIT_RULING_STANDS,
	TCPAUDIT_RULING_PASSED_OVER, /* known and accepted: counted as that, and nowhere else */
	TCPAUDIT_RULING_NO_CONCERN,  /* not where the user wants this check: as if it had not spoken */
};

#define TCPAUDIT_SCOPES 32
#define TCPAUDIT_OWN    64 /* own rules at most */

struct tcpaudit_settings {
	uint8_t hash_key[16]; /* of the keyed hash over socket pairs: random, secret */
	uint64_t max_flows;   /* connections in memory at once; 0 none but memcap */
	uint64_t memcap;      /* bytes that an engine holds; 0 none */
	int64_t idle_timeout; /* ns without a frame until an open connection is given up */
	int64_t msl;          /* ns; TIME-WAIT is presumed to last twice this */
	uint32_t tunnels;     /* TCPAUDIT_TUNNEL_ bits */
	uint8_t checksum;     /* enum tcpaudit_checksum_mode */
	uint8_t vantage;      /* what the user says: 1 << end for each end at which the capture was taken, or
	                       * TCPAUDIT_IN_THE_MIDDLE; 0 find out */
	bool transitions;     /* compute routes */
	bool states;              /* tell the states of both ends of every connection; otherwise only where judging needs them */
	bool in_order;            /* what segments report comes behind all that was due before, however long that takes */
	uint8_t min_severity;     /* enum tcpaudit_severity: findings below it are counted, but not handed to the sink */
	uint64_t watch;       /* flow_id whose segments go to sink->segment; 0 none */
	bool watch_all;       /* ... all segments of all connections (slow; tests) */
	int64_t threshold[TCPAUDIT_THRESHOLD_COUNT]; /* in their units */
	struct tcpaudit_policy check[TCPAUDIT_CHECK_WORDS * 64]; /* by row */
	/* The user's own rules: rows behind the catalogue's.  Borrowed for the life of the engine. */
	const struct tcpaudit_check *own;
	size_t own_count;
	uint8_t points; /* 1 << enum tcpaudit_point for each at which sink->ask is to be called */
	int64_t tick;   /* ns from one visit of an open connection to the next */
};

#define TCPAUDIT_IN_THE_MIDDLE 0x80 /* at neither end, whatever checksums say */

/* Fills in the defaults of report.md 1; the key is left zero. */
void tcpaudit_settings_init(struct tcpaudit_settings *settings);

/* Where results go.  Any function may be NULL. */
struct tcpaudit_sink {
	void *user;
	/* A connection is settled, expired or evicted, or the capture ended.  Called once an incarnation. */
	void (*connection_end)(void *user, const struct tcpaudit_connection *connection);
	/* A finding of at least min_severity.  Those of a connection come before its connection_end, except those that late
	 * segments raise against a connection that was already reported. */
	void (*finding)(void *user, const struct tcpaudit_finding *finding);
	/* The scopes that a connection is in, by its first frame: bit n is scope n. */
	uint32_t (*scopes)(void *user, const struct tcpaudit_frame *frame);
	/* Which of the user's own rules hold at this point: sets their rows in `held`. */
	void (*ask)(void *user, enum tcpaudit_point point, const struct tcpaudit_connection *connection,
	            uint64_t held[TCPAUDIT_CHECK_WORDS]);
	/* Of rows whose policy says `suppressed`, for each finding before it is counted. */
	enum tcpaudit_ruling (*suppressed)(void *user, const struct tcpaudit_finding *finding);
	/* A watched segment and the states in which the ends can be after it; 0 where there is no memory to tell. */
	void (*segment)(void *user, uint64_t flow_id, const struct tcpaudit_segment *segment, unsigned from,
	                const tcpaudit_state_set states[2]);
};

/* Cumulative counters. */
struct tcpaudit_counters {
	uint64_t frames;                                /* handed in */
	uint64_t fate[TCPAUDIT_FATE_COUNT];             /* sums to `frames` */
	uint64_t unusable[TCPAUDIT_UNUSABLE_COUNT];     /* part of fate[TCPAUDIT_FATE_TCP] */
	uint64_t connections;                           /* incarnations begun */
	uint64_t open;                                  /* of them, still in memory */
	uint64_t by_kind[TCPAUDIT_KIND_COUNT];          /* reported */
	uint64_t findings[TCPAUDIT_CHECK_WORDS * 64];   /* raised, by row */
	uint64_t by_severity[TCPAUDIT_ERROR + 1];        /* the same by the severity that they were given */
	uint64_t suppressed[TCPAUDIT_CHECK_WORDS * 64]; /* below `possible`, by row */
	uint64_t undetermined[TCPAUDIT_CHECK_WORDS * 64]; /* without a premise that its policy needs */
	uint64_t passed_over[TCPAUDIT_CHECK_WORDS * 64];  /* sink->suppressed said so */
	uint64_t evicted;
	uint64_t tombstones_evicted;
	uint64_t twins_forgotten; /* handshakes whose copy behind a NAT may not be recognised: too many at once */
	uint64_t pressure_forgotten; /* hosts whose TIME-WAITs are not counted any more: too many hosts at once */
	uint64_t isns_forgotten;     /* hosts whose ISNs are not compared any more: too many hosts at once */
	uint64_t late;           /* segments that found only a tombstone */
	uint64_t untold;         /* reports that could not be kept until it was their turn (tcpaudit_split()): no memory */
	uint64_t memory;         /* bytes held now */
	uint64_t time_backwards; /* frames stamped before their predecessor of the same source */
	uint64_t time_held;      /* frames more than an hour ahead, not believed at once */
	int64_t first;           /* time of the first and of the newest frame, ns */
	int64_t newest;
};

struct tcpaudit;

/* NULL when out of memory.  Both arguments are copied. */
struct tcpaudit *tcpaudit_new(const struct tcpaudit_settings *settings, const struct tcpaudit_sink *sink);

/* The least memcap that an engine keeps to: with less, connections are given up as soon as they begin. */
uint64_t tcpaudit_least_memcap(void);

/* Has applications named; the argument is copied.  To be called before the first frame, if at all. */
void tcpaudit_set_labeller(struct tcpaudit *engine, const struct tcpaudit_labeller *labeller);

#define TCPAUDIT_BATCH 32 /* frames that are decoded together */

/* Judges frames in the order given.  Any number; multiples of TCPAUDIT_BATCH are best.  Frames whose fate is already known to the
 * caller (rejected by its filter, no packet) are counted with tcpaudit_count instead. */
void tcpaudit_frames(struct tcpaudit *engine, const struct tcpaudit_frame *frames, size_t count);

/* Counts a frame that is not handed in. */
void tcpaudit_count(struct tcpaudit *engine, enum tcpaudit_fate fate);

/* ---- reading on one thread, judging on another ---- */

/* Decodes frames for an engine that judges elsewhere.  What both find out together is what tcpaudit_frames() finds, to the last
 * bit, if the batches are judged in the order in which they were read, and nothing else is handed to that engine. */
struct tcpaudit_reader;

/* TCPAUDIT_BATCH frames at most, read but not judged yet.  Whoever has it may read into it or have it judged, one at a time. */
struct tcpaudit_batch;

enum tcpaudit_octets {
	TCPAUDIT_OCTETS_NONE,
	TCPAUDIT_OCTETS_TEXT, /* of segments */
	TCPAUDIT_OCTETS_FRAMES,
};

/* At which octets does the engine, as it is now, look when it judges?  Labellers want text, scopes whole frames.  They must stay until
 * their batch has been judged. */
enum tcpaudit_octets tcpaudit_needs_octets(const struct tcpaudit *engine);

/* The settings must be those of the engine, its hash_key included.  `octets`: those that it needs.  NULL when out of memory; the
 * settings are copied. */
struct tcpaudit_reader *tcpaudit_reader_new(const struct tcpaudit_settings *settings, enum tcpaudit_octets octets);

/* Both accept NULL. */
void tcpaudit_reader_free(struct tcpaudit_reader *reader);
void tcpaudit_batch_free(struct tcpaudit_batch *batch);

/* NULL when out of memory. */
struct tcpaudit_batch *tcpaudit_batch_new(void);

/* Fills the batch, whatever it held, with up to TCPAUDIT_BATCH frames; none: only with what was counted.  The frames may go then, and
 * their octets, too, unless the engine needs them.  Datagrams that were put together are copied if it does; without memory for that,
 * their segments have the fate NO_MEMORY. */
void tcpaudit_read(struct tcpaudit_reader *reader, struct tcpaudit_batch *batch, const struct tcpaudit_frame *frames,
                   size_t count);

/* Counts a frame that is not handed in: the next batch tells the engine. */
void tcpaudit_read_count(struct tcpaudit_reader *reader, enum tcpaudit_fate fate);

/* No more frames come: fills the last batch, to be judged before tcpaudit_finish(). */
void tcpaudit_read_end(struct tcpaudit_reader *reader, struct tcpaudit_batch *batch);

/* Judges the batch, and counts what its reader has counted.  `next`: the one that will be judged next, if it is there already:
 * what it needs is fetched from memory meanwhile, and it must be judged next, as it is; or NULL. */
void tcpaudit_judge(struct tcpaudit *engine, struct tcpaudit_batch *batch, struct tcpaudit_batch *next);

#define TCPAUDIT_ROUND 128 /* batches that are judged together */

/* Threads of the caller's.  run() has part(user, i) done for each i below `parts`, by whom and in whichever order it likes, and
 * returns when all are done; what they wrote is then visible to the caller, and before to them what the caller wrote. */
struct tcpaudit_team {
	void *user;
	void (*run)(void *user, void (*part)(void *user, unsigned i), void *parts_user, unsigned parts);
};

/* Splits the engine, before its first frame, into parts for the threads of a team; from then on frames come through
 * tcpaudit_judge_many() alone, and time with them.  What is told, in which order and by which thread (the caller's) does not change, except that each
 * part has its part of `memcap`, and a labeller of its own.  With little of that, or max_flows, an engine stays in one piece; so
 * does one that asks its sink something (scopes, own rules but at the end of connections, suppressions), shows segments or has a labeller
 * for one thread alone.
 * false when out of memory. */
bool tcpaudit_split(struct tcpaudit *engine, unsigned parts, const struct tcpaudit_team *team);

/* As tcpaudit_judge() for each.  Multiples of TCPAUDIT_ROUND are best. */
void tcpaudit_judge_many(struct tcpaudit *engine, struct tcpaudit_batch *const *batches, unsigned count);

/* Bytes held now.  The engine's own counter knows nothing of them. */
size_t tcpaudit_reader_memory(const struct tcpaudit_reader *reader);
size_t tcpaudit_batch_memory(const struct tcpaudit_batch *batch);

/* ---- time, and the end ---- */

/* Moves time on without a frame (live captures when nothing arrives), so that connections settle and expire. */
void tcpaudit_advance(struct tcpaudit *engine, int64_t now);

/* The same, in small parts, for a caller that has frames to fetch: true if there may be more to do at once, so that it calls again
 * soon. */
bool tcpaudit_advance_some(struct tcpaudit *engine, int64_t now);

/* Frames were lost, nobody knows when, and none that comes will say so with TCPAUDIT_FRAME_LOST. */
void tcpaudit_lost(struct tcpaudit *engine);

/* The capture has ended: reports every connection that is left. */
void tcpaudit_finish(struct tcpaudit *engine);

/* From now on these settings hold: those of checks, rules, thresholds, MSL and idle timeout; the others stay as they were.  Rows of
 * own rules must keep their meaning.  false: all of that holds, but an engine that was split does not ask its sink what it would
 * have stayed in one piece for (suppressions, own rules while connections are open). */
bool tcpaudit_configure(struct tcpaudit *engine, const struct tcpaudit_settings *settings);

void tcpaudit_counters(const struct tcpaudit *engine, struct tcpaudit_counters *counters);

/* Adds those of another engine; the first and the newest time are those of both. */
void tcpaudit_counters_add(struct tcpaudit_counters *sum, const struct tcpaudit_counters *counters);

/* Accepts NULL.  Reports nothing. */
void tcpaudit_free(struct tcpaudit *engine);

const char *tcpaudit_version(void);

#ifdef __cplusplus
}
#endif
#endif
