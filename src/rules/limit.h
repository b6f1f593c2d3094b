/* limit.h - how many findings of a kind were shown in a window of time: the others are only counted.
 *
 * A table that never grows: what finds its place taken by a newer one takes the oldest over, and that is counted. */
#ifndef LIMIT_H
#define LIMIT_H

#include "rules/policy.h"

#define LIMIT_PLACES 4096
#define LIMIT_WAYS   8 /* places where one kind may be found */

struct limits {
	struct limit_place {
		int64_t since; /* begin of the window */
		uint32_t shown;
		uint16_t row;
		uint8_t per; /* enum limit_per */
		bool used;
		uint16_t port;
		uint8_t address[2][16];
	} place[LIMIT_PLACES];
	uint64_t key;       /* secret: nobody can aim at a place */
	uint64_t forgotten; /* windows that were still open when their place was taken */
};

/* May this finding be shown?  Counts it if so. */
bool limit_allows(struct limits *limits, const struct limit *limit, const struct tcpaudit_finding *finding);

#endif
