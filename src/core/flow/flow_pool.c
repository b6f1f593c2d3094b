/* flow_pool.c - where records come from: chunks of memory, and the places in them.
 *
 * A chunk with places that are free is open.  The one opened last is used first, so that the others may become empty: one that is
 * stays as it is, against a flood that comes and goes, and all others give their memory back until they are needed again. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "flow_order.h"
#include "flow_table.h"

#define LARGEST_PAGE ((size_t)64 << 10) /* of any system: what is given back is a multiple */
#define RESERVED_FOR 4 /* chunks of connections: a chunk of histories */
#define ARENA        (16u << 20)
#define ARENA_CHUNKS 8 /* so many of connections or embryos fill huge pages */

struct arena {
	struct arena *next;
	char *memory;
	size_t size;
	size_t used;
};

/* For histories, so that one connection in some can have one when all the rest is taken: to give up connections that have none would
 * bring none. */
static uint64_t reserve(const struct flow_table *t)
{
	uint64_t kept = (t->pool[CONNECTIONS].resident / RESERVED_FOR + 1) * HISTORIES * t->histories.size;

	if (kept > t->memcap / 8)
		kept = t->memcap / 8;
	return kept > t->histories.cut ? kept - t->histories.cut : 0;
}

bool table_over(const struct flow_table *t, uint64_t more)
{
	return t->memcap && t->memory + reserve(t) + more > t->memcap;
}

/* Of a large table few small pages are among those that the processor knows by heart, and each is a fault at first.  Small tables
 * would only take more memory. */
static struct arena *arena_new(const struct flow_table *t, size_t size)
{
	struct arena *arena = malloc(sizeof *arena);
	char *memory = NULL;

	size = (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	if (arena)
		memory = pages_new_huge(size);
	if (!memory) {
		free(arena);
		return NULL;
	}
	if (t->memory > t->large)
		madvise(memory, size, MADV_HUGEPAGE);
	*arena = (struct arena){.memory = memory, .size = size};
	return arena;
}

void *table_carve(struct flow_table *t, int which, size_t size)
{
	struct arena *arena = t->arena[which];
	size_t grain = which == OTHERS ? 64 : LARGEST_PAGE;

	size = (size + grain - 1) & ~(grain - 1);
	if (!arena || arena->used + size > arena->size) {
		arena = arena_new(t, which == OTHERS ? ARENA : ARENA_CHUNKS * size);
		if (!arena)
			return NULL;
		arena->next = t->arena[which];
		t->arena[which] = arena;
	}
	void *p = arena->memory + arena->used;
	arena->used += size;
	return p;
}

static void put_back(struct stock *s, void *piece)
{
	memcpy(piece, &s->first, sizeof s->first);
	s->first = piece;
}

void *stock_take(struct flow_table *t, struct stock *s)
{
	char *chunk = s->first ? NULL : table_carve(t, OTHERS, HISTORIES * s->size);

	if (!s->first && !chunk)
		return NULL;
	t->memory += stock_more(s);
	s->cut += stock_more(s);
	for (size_t at = HISTORIES * s->size; chunk && at; at -= s->size)
		put_back(s, chunk + at - s->size);
	void *piece = s->first;
	memcpy(&s->first, piece, sizeof s->first);
	s->used++;
	return piece;
}

void stock_give(struct stock *s, void *piece)
{
	put_back(s, piece);
	s->used--;
}

void pools_init(struct flow_table *t)
{
	static const size_t size[POOLS] = {sizeof(struct connection), sizeof(struct embryo), sizeof(struct tombstone)};

	for (int k = 0; k < POOLS; k++)
		t->pool[k] = (struct pool){.size = size[k], .open = NO_CHUNK, .idle = NO_CHUNK, .vacant = NO_CHUNK};
	t->histories.size = sizeof(struct history);
	t->briefs.size = sizeof(struct brief);
	t->names.size = sizeof(struct wide);
	t->asked.size = sizeof(struct tcpaudit_evidence);
}

void pools_free(struct flow_table *t)
{
	for (int k = 0; k < ARENAS; k++)
		for (struct arena *arena = t->arena[k], *next; arena; arena = next) {
			next = arena->next;
			pages_free(arena->memory, arena->size);
			free(arena);
		}
	for (int k = 0; k < POOLS; k++)
		free(t->pool[k].chunk);
}

static size_t records_size(const struct pool *p)
{
	return CHUNK * p->size;
}

static size_t dues_size(void)
{
	return CHUNK * sizeof(uint32_t);
}

/* With what it takes to put connections in order at the end. */
static size_t records_cost(const struct flow_table *t, int kind)
{
	return records_size(&t->pool[kind]) + (kind == TOMBSTONES ? 0 : CHUNK * FLOW_ORDER_EACH);
}

uint64_t pool_more(const struct flow_table *t, int kind)
{
	const struct pool *p = &t->pool[kind];

	if ((p->open & p->idle) != NO_CHUNK)
		return 0;
	return records_cost(t, kind) + (p->vacant == NO_CHUNK ? dues_size() : 0);
}

static void charge(struct flow_table *t, int kind, uint64_t bytes)
{
	t->memory += bytes;
	t->pool[kind].memory += bytes;
}

void chunk_open(struct pool *p, uint32_t i)
{
	p->chunk[i].below = p->open;
	p->chunk[i].above = NO_CHUNK;
	if (p->open != NO_CHUNK)
		p->chunk[p->open].above = i;
	p->open = i;
}

void chunk_close(struct pool *p, uint32_t i)
{
	const struct chunk *c = &p->chunk[i];

	if (c->above == NO_CHUNK)
		p->open = c->below;
	else
		p->chunk[c->above].below = c->below;
	if (c->below != NO_CHUNK)
		p->chunk[c->below].above = c->above;
}

static uint32_t add_chunk(struct flow_table *t, int kind)
{
	struct pool *p = &t->pool[kind];

	if (p->chunks >= PLACE >> CHUNK_BITS)
		return NO_CHUNK;
	if ((p->chunks & (p->chunks - 1)) == 0) { /* room doubles at each power of two */
		size_t room = p->chunks ? p->chunks * 2u : 1u;
		struct chunk *grown = realloc(p->chunk, room * sizeof *grown);
		if (!grown)
			return NO_CHUNK;
		p->chunk = grown;
	}
	uint32_t *due = table_carve(t, OTHERS, dues_size());
	char *record = due ? table_carve(t, kind, records_size(p)) : NULL;
	if (!record)
		return NO_CHUNK;
	p->chunk[p->chunks] = (struct chunk){.record = record, .due = due, .soonest = NEVER, .free = SLOT_NONE};
	for (uint32_t i = 0; i < CHUNK; i++)
		due[i] = NEVER;
	charge(t, kind, records_cost(t, kind) + dues_size());
	p->resident++;
	return p->chunks++;
}

/* There is no open chunk: makes one of what is there, if possible. */
static bool need_chunk(struct flow_table *t, int kind)
{
	struct pool *p = &t->pool[kind];
	uint32_t i = p->idle;

	if (i != NO_CHUNK) {
		p->idle = NO_CHUNK;
	} else if ((i = p->vacant) != NO_CHUNK) {
		p->vacant = p->chunk[i].below;
		p->resident++;
		charge(t, kind, records_cost(t, kind));
	} else if ((i = add_chunk(t, kind)) == NO_CHUNK) {
		return false;
	}
	chunk_open(p, i);
	return true;
}

/* Nothing is alive in it.  Whoever has a slot there still finds memory, and no record in it; its deadlines say NEVER as they are. */
static void quit_chunk(struct flow_table *t, int kind, uint32_t i)
{
	struct pool *p = &t->pool[kind];
	struct chunk *c = &p->chunk[i];

	if (p->idle == NO_CHUNK) {
		chunk_close(p, i);
		p->idle = i;
		return;
	}
	if (!t->index.now.bucket) /* the end: nobody needs the memory any more */
		return;
	if (madvise(c->record, (records_size(p) + LARGEST_PAGE - 1) & ~(LARGEST_PAGE - 1), MADV_DONTNEED) != 0)
		return;
	chunk_close(p, i);
	c->free = SLOT_NONE;
	c->used = 0;
	c->soonest = NEVER;
	c->below = p->vacant;
	p->vacant = i;
	p->resident--;
	charge(t, kind, -(uint64_t)records_cost(t, kind));
}

/* Free places are a list through the beginnings of their records; what tells that they are free lies behind. */
_Static_assert(offsetof(struct entry, id) >= sizeof(uint32_t), "the list does not touch it");

static uint32_t next_free(const struct pool *p, uint32_t i)
{
	uint32_t next;

	memcpy(&next, pool_at(p, i), sizeof next);
	return next;
}

uint32_t slot_take(struct flow_table *t, int kind)
{
	struct pool *p = &t->pool[kind];

	if (p->open == NO_CHUNK && !need_chunk(t, kind))
		return SLOT_NONE;
	struct chunk *c = &p->chunk[p->open];
	uint32_t i = c->free;
	if (i != SLOT_NONE) {
		c->free = next_free(p, i);
		if (c->free != SLOT_NONE)
			prefetch_lines(pool_at(p, c->free), p->size);
	} else {
		i = p->open << CHUNK_BITS | c->used++;
		p->fresh += i == p->fresh;
	}
	p->live++;
	if (++c->live == CHUNK)
		chunk_close(p, p->open);
	struct entry *e = pool_at(p, i);
	memset(e, 0, p->size);
	return i | (uint32_t)kind << KIND_SHIFT;
}

void slot_give(struct flow_table *t, uint32_t slot)
{
	struct pool *p = &t->pool[slot >> KIND_SHIFT];
	uint32_t i = slot & PLACE;
	struct chunk *c = &p->chunk[i >> CHUNK_BITS];
	struct entry *e = flow_entry(t, slot);

	*due_of(t, slot) = NEVER;
	e->id = 0;
	memcpy(e, &c->free, sizeof c->free);
	c->free = i;
	p->live--;
	if (c->live-- == CHUNK)
		chunk_open(p, i >> CHUNK_BITS);
	if (!c->live)
		quit_chunk(t, (int)(slot >> KIND_SHIFT), i >> CHUNK_BITS);
}
