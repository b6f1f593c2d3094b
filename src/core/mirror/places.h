/* places.h - a connection that was captured at both of its ends, or on both sides of something between them.
 *
 * Where a segment was sent, it was captured as it left, and where it was sent to, as it came, if it did.  A history has both copies, in
 * the order of their times, which may be those of two clocks.  Each end is told by what its own place has: there, what is missing did
 * not come, and the order is that in which the end had it. */
#ifndef PLACES_H
#define PLACES_H

#include "mirror.h"

/* Follows each end by what its own place has; what was captured at one place is all that both have.  Tells the states of both, and
 * writes their routes by packet time `now`, if `route` is not NULL. */
void places_follow(struct mirror *mirror, const struct captured *captured, int64_t now, struct hypothesis route[2]);

/* Was it captured at two places whose clocks differ by more than segments take from one to the other? */
bool places_disagree(const struct history *history);

#endif
