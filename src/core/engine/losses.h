/* losses.h - when the capture lost frames.  Whose they were nobody knows: whatever was open then may have lost some. */
#ifndef LOSSES_H
#define LOSSES_H

#include <stdbool.h>
#include <stdint.h>

#define LOSSES_MOST 32 /* spans that are told apart; beyond, the two nearest become one, with what lies between them */

/* Zeroed: nothing was lost. */
struct losses {
	unsigned count;
	struct loss {
		int64_t from, to; /* packet time, ns: of the frames before and behind */
	} span[LOSSES_MOST];  /* in order, apart from each other */
};

/* from <= to; neither goes back from call to call. */
void losses_add(struct losses *losses, int64_t from, int64_t to);

/* Whether some may lie in this time, its ends included. */
bool losses_within(const struct losses *losses, int64_t from, int64_t to);

#endif
