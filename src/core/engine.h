/* engine.h - the engine's own data. */
#ifndef ENGINE_H
#define ENGINE_H

#include "check/check.h"
#include "endings.h"
#include "front.h"
#include "hosts.h"
#include "losses.h"

struct tcpaudit {
	struct tcpaudit_settings settings;
	struct check_plan plan;
	struct tcpaudit_sink sink;
	struct tcpaudit_labeller labeller;
	struct front front;
	struct flow_table *table;
	struct tcpaudit_counters counters; /* but those of the front */
	int64_t now;
	int64_t quiet_until; /* nothing is due before */
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
	struct losses losses;
	struct tcpaudit_connection lone; /* record of the last embryo that was reported */
	bool lone_known;
	struct batch batch; /* of its own front */
	struct shards *shards; /* it has been split: all connections are theirs; NULL: not */
	struct part *part;     /* of another engine this is one; NULL: not */
};

/* `part`: what it is of another engine, and gets batches from there: it has no front of its own.  NULL: it is no part. */
struct tcpaudit *engine_new(const struct tcpaudit_settings *settings, const struct tcpaudit_sink *sink, struct part *part);

/* Connections that frames are seen of within so short a time, ns, cannot be reported between them; 0: all can. */
int64_t engine_calm(const struct tcpaudit *engine);

/* Packet time begins. */
void engine_start(struct tcpaudit *engine, int64_t now);

/* Judges segment i of the batch, at the engine's time. */
void engine_judge(struct tcpaudit *engine, struct batch *batch, unsigned i);

/* Looks at so many of those whose time has come, at most.  True: there may be more. */
bool engine_expire(struct tcpaudit *engine, uint64_t most);

/* Ends a connection that the end of the capture has found open. */
void engine_end(struct tcpaudit *engine, uint32_t slot);

#endif
