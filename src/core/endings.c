/* endings.c - see endings.h.  A binary heap: a million may come at once, and nobody shall wait until all are sorted. */
#include "endings.h"

#include <stdlib.h>

#define ROOM_KEPT 4096

static bool comes_before(const struct ending *a, const struct ending *b)
{
	return a->tick != b->tick ? a->tick < b->tick : a->id < b->id;
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

bool endings_add(struct endings *e, struct flow_table *table, struct ending ending)
{
	uint32_t at = e->count;

	if (at == e->room && !resize(e, table, at ? 2 * at : 64))
		return false;
	for (; at && comes_before(&ending, &e->heap[(at - 1) / 2]); at = (at - 1) / 2)
		e->heap[at] = e->heap[(at - 1) / 2];
	e->heap[at] = ending;
	e->count++;
	return true;
}

static struct ending take(struct endings *e)
{
	struct ending first = e->heap[0], last = e->heap[--e->count];
	uint32_t at = 0;

	for (uint32_t child; (child = 2 * at + 1) < e->count; at = child) {
		child += child + 1 < e->count && comes_before(&e->heap[child + 1], &e->heap[child]);
		if (!comes_before(&e->heap[child], &last))
			break;
		e->heap[at] = e->heap[child];
	}
	e->heap[at] = last;
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
