/* places.h - a connection that was captured at both of its ends, or on both sides of something between them.
 *
 * Where a segment was sent, it was captured as it left, and where it was sent to, as it came, if it did.  A history has both copies, in
 * the order of their times, which may be those of two clocks.  Each end is told by what its own place has: there, what is missing did
 * not come, and the order is that in which the end had it. */
#ifndef PLACES_H
#define PLACES_H

#include "mirror.h"

/* To be called behind mirror_run(), and behind mirror_route() of both ends if `route` is not NULL: if the history has two places, tells
 * each end again from its own.  The first `count` events count, `now` is packet time. */
void places_follow(struct mirror *mirror, const struct history *history, unsigned count, const struct tcb end[2], bool midstream,
                   int64_t now, struct hypothesis route[2]);

/* Was it captured at two places whose clocks differ by more than segments take from one to the other? */
bool places_disagree(const struct history *history);

#endif
