/* losses.c - when the capture lost frames: a few spans of packet time. */
#include "losses.h"

#include <string.h>

/* Makes one of the two spans that are nearest to each other. */
static void join_nearest(struct losses *l)
{
	unsigned nearest = 0;

	for (unsigned i = 1; i + 1 < l->count; i++)
		if (l->span[i + 1].from - l->span[i].to < l->span[nearest + 1].from - l->span[nearest].to)
			nearest = i;
	l->span[nearest].to = l->span[nearest + 1].to;
	l->count--;
	memmove(&l->span[nearest + 1], &l->span[nearest + 2], (l->count - nearest - 1) * sizeof l->span[0]);
}

void losses_add(struct losses *l, int64_t from, int64_t to)
{
	struct loss *last = l->count ? &l->span[l->count - 1] : NULL;

	if (last && from <= last->to) {
		last->to = to > last->to ? to : last->to;
		return;
	}
	if (l->count == LOSSES_MOST)
		join_nearest(l);
	l->span[l->count++] = (struct loss){from, to};
}

/* From the newest on: most who ask have begun a moment ago. */
bool losses_within(const struct losses *l, int64_t from, int64_t to)
{
	for (unsigned i = l->count; i > 0 && l->span[i - 1].to >= from; i--)
		if (l->span[i - 1].from <= to)
			return true;
	return false;
}
