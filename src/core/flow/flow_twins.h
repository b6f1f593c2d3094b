/* flow_twins.h - one connection under two socket pairs: a capture on both sides of a NAT sees each segment twice.
 *
 * A NAT keeps both ISS; a proxy has its own, and even a scanner that always sends the same one gets others in answer.  So the
 * pair of them is looked up among those of the last handshakes: once for each connection, in a table that never grows. */
#ifndef FLOW_TWINS_H
#define FLOW_TWINS_H

#include "flow.h"

#define TWINS        1024
#define TWINS_WITHIN 5000000 /* ns between the two SYN-ACKs */

struct twins {
	struct twin {
		tcp_seq iss[2];
		struct flow_table *table; /* of a split engine, each part has one */
		uint32_t slot;
		uint64_t id;
		int64_t time;
	} entry[TWINS];
};

/* The connection that had these ISS a moment ago under another socket pair, NULL if there was none.  Remembers this one, in the place
 * of another; `forgotten` counts those whose twin could still have come. */
struct connection *twins_meet(struct twins *twins, const struct twin *met, uint64_t *forgotten);

#endif
