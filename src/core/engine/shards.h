/* shards.h - one engine in several parts: each has the connections of a part of the socket pairs, and may be judged by a thread of
 * its own.
 *
 * Batches are taken together as long as time brings no reports (endings.h) and no connection can be reported that has learnt
 * something of others: then the parts need nothing of each other.  What connections learn of others (hosts.h) is found out beside the
 * next round, in the order of frames; what is reported is told between rounds, in the one order that a single engine keeps. */
#ifndef SHARDS_H
#define SHARDS_H

#include "engine.h"

/* Parts of `engine`, whose settings and sink they get.  NULL when out of memory. */
struct shards *shards_new(struct tcpaudit *engine, unsigned parts, const struct tcpaudit_team *team);
void shards_free(struct shards *shards);

/* `engine` is the whole. */
void shards_judge(struct tcpaudit *engine, struct tcpaudit_batch *const *batches, unsigned count);
void shards_finish(struct tcpaudit *engine);
void shards_lost(struct shards *shards, const struct losses *losses);
void shards_configure(struct shards *shards, const struct tcpaudit_settings *settings);

/* Adds those of all parts. */
void shards_count(const struct shards *shards, struct tcpaudit_counters *counters);

/* ---- for a part's engine ---- */

/* A segment is being judged: what is reported now, it brings about. */
void part_is_judging(struct part *part, int64_t now, uint64_t ordinal);

/* The next report has its place here in the order. */
void part_orders(struct part *part, uint32_t tick, uint64_t number);

/* A connection that is told of now is as it was at this time. */
void part_tells(struct part *part, int64_t at);

/* Room for what the segment has told of hosts: hosts_learn(). */
struct learnt *part_learns(struct part *part);

#endif
