/* plain.h - the short way of a segment into its connection: for what is expected next, which nearly all segments are.
 *
 * It leads exactly where connection.c's long way does, or does nothing.  Builds with TCPAUDIT_BOTH_WAYS go both ways, and
 * compare. */
#ifndef PLAIN_H
#define PLAIN_H

#include "connection.h"

/* Takes a segment of which everything is known beforehand.  False: it is none, and nothing has changed that the long way would
 * not change likewise.  All its text is new then; CONN_SETTLED, which was not there before, says whether it settles. */
bool plain_take(struct connection *c, struct flow_table *table, struct tcpaudit_segment *segment, unsigned from, bool verify);

/* ---- of the long way, what both share (connection.c) ---- */

#define VERIFIED_ENOUGH 8 /* segments of each end whose checksums are looked at to learn of offload */

/* Its history, begun if there is none yet; what came before is put in front sooner or later.  `without`: the connection_frame() of
 * a segment that is about to be added itself.  NULL when out of memory. */
struct history *connection_begin_history(struct connection *c, struct flow_table *table, uint64_t without);

#endif
