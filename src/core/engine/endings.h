/* endings.h - connections whose time was up within the same tick, in the order in which they are to be reported.
 *
 * Their places in the table mean nothing: they depend on what else was captured.  The order is by tick, and then by age. */
#ifndef ENDINGS_H
#define ENDINGS_H

#include "flow/flow.h"

#define ENDINGS_READY 16 /* whose memory is on its way */

struct ending {
	uint32_t tick; /* at whose begin it is reported */
	uint32_t slot;
	uint64_t id; /* of the connection that had the slot */
};

/* Zeroed: empty. */
struct endings {
	struct ending *heap;
	uint32_t count;
	uint32_t room;
	uint32_t taken, ready; /* of those that come next; both only grow */
	struct ending next[ENDINGS_READY];
};

/* False, with nothing kept, when out of memory. */
bool endings_add(struct endings *endings, struct flow_table *table, struct ending ending);

/* The first of them, which is taken out.  False if there is none.  The connection may have gone meanwhile.
 * Nothing is to be added before all have been taken. */
bool endings_take(struct endings *endings, struct flow_table *table, struct ending *first);

void endings_free(struct endings *endings);

#endif
