/* series.h - what is unusual about a segment only together with those before it.
 *
 * What is remembered for that is in the connection's rarity: a connection of which nothing is repeated, and whose numbers fit, needs
 * none, and no plain segment comes here. */
#ifndef SERIES_H
#define SERIES_H

#include "flow.h"

#define STORM_ENOUGH 10            /* acknowledgments of one end, each of them answered, ... */
#define STORM_WITHIN 1000000000ll  /* ... in that time (ns) */
#define FLAT_ENOUGH  3             /* gaps in a row that do not grow by half */

/* Takes the segment into account, before it is counted; UNUSUAL_ACK_STORM or UNUSUAL_NO_BACKOFF, where it makes the series long enough. */
unsigned series_unusual(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from,
                        const struct sent *sent);

#endif
