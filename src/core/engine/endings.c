/* endings.c - see endings.h.  A binary heap: a million may come at once, and nobody shall wait until all are sorted. */
#include "endings.h"

#include <stdlib.h>

#define ROOM_KEPT 4096

/* Nobody can foresee that: so there is no branch. */
static bool comes_before(const struct ending *a, const struct ending *b)
{
	return (a->tick < b->tick) | ((a->tick == b->tick) & (a->id < b->id));
}

static bool resize(struct endings *e, struct flow_table *table, uint32_t room)
{
	struct ending *heap = realloc(e->heap, room * sizeof *heap);

	if (!heap)
		return false;
	flow_account(table, ((int64_t)room - e->room) * (int64_t)sizeof *heap);
	e->heap = heap;
	e->room = room;
	return true;
}

/* Puts an ending in a place that is free, or above. */
static void rise(struct endings *e, uint32_t at, struct ending ending)
{
	for (; at && comes_before(&ending, &e->heap[(at - 1) / 2]); at = (at - 1) / 2)
		e->heap[at] = e->heap[(at - 1) / 2];
	e->heap[at] = ending;
}

bool endings_add(struct endings *e, struct flow_table *table, struct ending ending)
{
	if (e->count == e->room && !resize(e, table, e->count ? 2 * e->count : 64))
		return false;
	rise(e, e->count++, ending);
	return true;
}

/* The last one fills the gap.  It came from the bottom and nearly always belongs there: so the gap goes all the way down first, without
 * a look at it. */
static struct ending take(struct endings *e)
{
	struct ending first = e->heap[0], last = e->heap[--e->count];
	uint32_t at = 0;

	for (uint32_t child; (child = 2 * at + 1) < e->count; at = child) {
		__builtin_prefetch(&e->heap[2 * child + 1]); /* its four children lie together */
		child += child + 1 < e->count && comes_before(&e->heap[child + 1], &e->heap[child]);
		e->heap[at] = e->heap[child];
	}
	rise(e, at, last);
	return first;
}

/* What ends was quiet for a while, and lies in no cache: first its record comes, then what that leads to. */
static void make_ready(struct endings *e, struct flow_table *table)
{
	while (e->ready - e->taken < ENDINGS_READY && e->count) {
		struct ending *next = &e->next[e->ready++ % ENDINGS_READY];
		*next = take(e);
		flow_prefetch_slots(table, next->slot, SLOT_NONE);
	}
	if (e->ready - e->taken > ENDINGS_READY / 2)
		flow_prefetch_ending(table, e->next[(e->taken + ENDINGS_READY / 2) % ENDINGS_READY].slot);
}

bool endings_take(struct endings *e, struct flow_table *table, struct ending *first)
{
	make_ready(e, table);
	if (e->taken == e->ready) {
		if (e->room > ROOM_KEPT)
			resize(e, table, ROOM_KEPT);
		return false;
	}
	*first = e->next[e->taken++ % ENDINGS_READY];
	return true;
}

void endings_free(struct endings *e)
{
	free(e->heap);
	*e = (struct endings){0};
}
