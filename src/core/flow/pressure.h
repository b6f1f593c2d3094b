/* pressure.h - how many TIME-WAITs of one host towards one service there are at once, as far as was captured.
 *
 * Who closes first and often runs out of ports: each TIME-WAIT keeps its socket pair for 2MSL (RFC 9293 3.6.1, MUST-13).  Counted
 * by host, service and network in a table that never grows: what finds its place taken by another one takes it over, and what
 * was still of use there is counted. */
#ifndef PRESSURE_H
#define PRESSURE_H

#include "connection.h"

#define PRESSURE_PLACES 512
#define PRESSURE_WAYS   16    /* places where a host may be found */
#define PRESSURE_SLICES 8     /* of 2MSL */
#define PRESSURE_REUSES 10    /* within a minute */

struct pressure {
	uint32_t tag[PRESSURE_PLACES];   /* of the place; looked at first, since they lie together */
	int64_t newest[PRESSURE_PLACES]; /* slice; likewise */
	struct pressure_place {
		struct socket_pair key; /* its client port is 0 */
		bool used;
		bool told[2]; /* held, reused: once in 2MSL */
		int64_t told_at[2];
		uint32_t slice[PRESSURE_SLICES]; /* TIME-WAITs that began in it */
		int64_t reuse[PRESSURE_REUSES];  /* the newest ones, in no order */
		unsigned reuses;
	} place[PRESSURE_PLACES];
};

/* Counts a connection of this service (its socket pair without the client's port) whose client holds TIME-WAIT, which lasts 2MSL,
 * since `since`; `again`: when it began on a socket pair on which it had held it before, 0 if it had not.  `forgotten` counts places
 * that were lost to others. */
struct pressure_view pressure_count(struct pressure *pressure, const struct flow_table *table, const struct socket_pair *service,
                                    int64_t since, int64_t again, const struct tcpaudit_settings *settings, uint64_t *forgotten);

#endif
