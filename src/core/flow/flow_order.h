/* flow_order.h - the connections of a table by age, in little memory: there may be millions of them when a capture ends. */
#ifndef FLOW_ORDER_H
#define FLOW_ORDER_H

#include "flow.h"

#define FLOW_ORDER_EACH sizeof(uint64_t) /* bytes that ordering takes for each connection */

/* Slots of all connections, the oldest first: out[] has room for flow_count() of them.  Ages within 2^33 frames of the oldest are
 * told apart; what is younger comes last, in no order. */
uint64_t flow_order(const struct flow_table *table, uint64_t *out);

/* The slot in an element of out[]. */
static inline uint32_t flow_ordered(uint64_t element)
{
	return (uint32_t)(element & (SLOT_TOMBSTONE - 1));
}

#endif
