/* splits.h - connections of which two workers saw one direction each: what the kernel's choice (capture/fanout.h) should not do.
 *
 * It does where it cannot see the sockets in one direction: fragments, tunnels deeper than it looks.  Neither half can be judged
 * well, so they are counted.  Bounded: a half that finds no room takes the place of an older one, and that is counted too. */
#ifndef SPLITS_H
#define SPLITS_H

#include <tcpaudit/connection.h>

#define SPLITS_PLACES 32768
#define SPLITS_WAYS   8 /* places where one pair of sockets may be found */

struct splits {
	struct split {
		uint64_t pair;      /* keyed hash of the two sockets, 0 none */
		int64_t start, last; /* of the half */
		uint8_t sender;     /* the only end that was heard: 0 or 1, in canonical order */
		uint8_t worker;
	} place[SPLITS_PLACES];
	uint64_t key[2];    /* secret: nobody can aim at a place */
	uint64_t found;     /* connections */
	uint64_t forgotten; /* halves that lost their place */
};

/* NULL and *error (caller frees). */
struct splits *splits_new(char **error);

/* A connection was reported by this worker. */
void splits_connection(struct splits *splits, const struct tcpaudit_connection *connection, size_t worker);

#endif
