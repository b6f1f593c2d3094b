/* forgery.h - what speaks against a reset being its sender's (Weaver, Sommer and Paxson, NDSS 2009).
 *
 * Each signal alone has innocent causes; two are taken for a suspicion, and no number of them for proof. */
#ifndef FORGERY_H
#define FORGERY_H

#include "flow/connection.h"

#define FORGERY_SIGNALS 2

/* The first segment that the reset's sender built after it, or that shows that it went on; -1 none. */
int reset_outlived(const struct connection *c, const struct history *h, int reset);

/* The first reset that could have ended the connection, whether it did or not; -1 none. */
int reset_plausible(const struct connection *c, const struct history *h);

/* Effective resets in both directions that neither end can have caused: somebody between them let go of the connection. */
bool resets_both_ways(const struct history *h);

/* Resets whose sender goes on: the route of the end that they name leaves them out, whatever the other one made of them.  Those that
 * are merely suspected prove nothing of that end: it has sent them, or is as it was. */
void reset_disown(const struct connection *c, struct history *h);

/* It came from another distance than its sender's other segments, if only by a hop, or its sender went on, as far as time tells: no
 * suspicion, but nothing rests on it for certain. */
bool reset_is_doubtful(const struct connection *c, const struct history *h, int reset);

/* How many signals there are. */
unsigned reset_forgery_signals(const struct connection *c, const struct history *h, int reset);

#endif
