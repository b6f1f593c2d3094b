/* flow_pool.c - where records come from: chunks of memory, and the places in them. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "flow_order.h"
#include "flow_table.h"

bool table_over(const struct flow_table *t, uint64_t more)
{
	return t->memcap && t->memory + more > t->memcap;
}

/* Where a table grows to gigabytes, faults of small pages become a third of the time.  Below, huge ones were no better, and for all
 * that is allocated worse. */
static struct arena *arena_new(const struct flow_table *t)
{
	struct arena *arena = aligned_alloc(HUGE_PAGE, ARENA);

	if (arena && t->memory > LARGE_TABLE)
		madvise(arena, ARENA, MADV_HUGEPAGE);
	return arena;
}

void *table_carve(struct flow_table *t, size_t size)
{
	size = (size + 63) & ~(size_t)63;
	if (!t->arena || t->arena->used + size > ARENA) {
		struct arena *arena = arena_new(t);
		if (!arena)
			return NULL;
		arena->next = t->arena;
		arena->used = 64;
		t->arena = arena;
	}
	void *p = (char *)t->arena + t->arena->used;
	t->arena->used += size;
	return p;
}

static size_t chunk_size(const struct pool *p)
{
	return CHUNK * (p->size + sizeof(uint32_t));
}

size_t chunk_cost(const struct flow_table *t, int kind)
{
	return chunk_size(&t->pool[kind]) + (kind == TOMBSTONES ? 0 : CHUNK * FLOW_ORDER_EACH);
}

bool needs_chunk(const struct pool *p)
{
	return p->free == SLOT_NONE && p->fresh >> CHUNK_BITS == p->chunks;
}

static bool add_chunk(struct flow_table *t, int kind)
{
	struct pool *p = &t->pool[kind];

	if (p->chunks > PLACE >> CHUNK_BITS)
		return false;
	if ((p->chunks & (p->chunks - 1)) == 0) { /* room doubles at each power of two */
		size_t room = p->chunks ? p->chunks * 2u : 1u;
		struct chunk *grown = realloc(p->chunk, room * sizeof *grown);
		if (!grown)
			return false;
		p->chunk = grown;
	}
	char *memory = table_carve(t, chunk_size(p));
	if (!memory)
		return false;
	struct chunk *c = &p->chunk[p->chunks++];
	*c = (struct chunk){.record = memory, .due = (uint32_t *)(void *)(memory + CHUNK * p->size), .soonest = NEVER};
	for (uint32_t i = 0; i < CHUNK; i++)
		c->due[i] = NEVER;
	t->memory += chunk_cost(t, kind);
	return true;
}

uint32_t slot_take(struct flow_table *t, int kind)
{
	struct pool *p = &t->pool[kind];
	uint32_t i = p->free;

	if (i != SLOT_NONE) {
		p->free = ((struct vacancy *)pool_at(p, i))->next;
		if (p->free != SLOT_NONE)
			prefetch_lines(pool_at(p, p->free), p->size);
	} else {
		if (p->fresh >> CHUNK_BITS == p->chunks && !add_chunk(t, kind))
			return SLOT_NONE;
		i = p->fresh++;
	}
	struct entry *e = pool_at(p, i);
	memset(e, 0, p->size);
	p->live++;
	return i | (uint32_t)kind << KIND_SHIFT;
}

void slot_give(struct flow_table *t, uint32_t slot)
{
	struct pool *p = &t->pool[slot >> KIND_SHIFT];
	struct entry *e = flow_entry(t, slot);

	*due_of(t, slot) = NEVER;
	e->id = 0;
	((struct vacancy *)(void *)e)->next = p->free;
	p->free = slot & PLACE;
	p->live--;
}
