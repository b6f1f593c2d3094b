/* flow_table.h - the table's own data: flow_index.c has the index, flow.c the records,
 * flow_pool.c their memory, flow_gather.c how little of it embryos take, flow_due.c the deadlines, flow_victim.c who gives way. */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include "embryo.h"
#include "flow.h"
#include "flow_index.h"
#include "pages.h"
#include "prefetch.h"
#include "mirror/brief.h"

#define CHUNK_BITS   12
#define CHUNK        (1u << CHUNK_BITS)
#define TICK_SHIFT   30 /* about a second */
#define NEVER        UINT32_MAX
#define AHEAD        16 /* records that are on their way while one is looked at */
#define VICTIM_LOOKS 16
#define HISTORIES    256 /* in a chunk */
#define NO_CHUNK     UINT32_MAX

struct queued {
	uint32_t slot;
	uint32_t id; /* of its connection, the low half */
};

/* SYNs in order of age, in a ring; those whose connection has moved on are skipped when they are met. */
struct queue {
	struct queued *ring;
	uint32_t head;
	uint32_t count;
	uint32_t room;
};

/* Records of one size that never move, and beside them when each is due. */
struct chunk {
	char *record;
	uint32_t *due;    /* ticks; NEVER: free, or nobody asked */
	uint32_t soonest; /* nothing in it is due before */
	uint32_t live;
	uint32_t used;  /* the places behind these are blank */
	uint32_t free;  /* list of places before that, SLOT_NONE */
	uint32_t above; /* of those that are open: the one opened after it, NO_CHUNK */
	uint32_t below; /* the one opened before; or of those that are vacant, the next */
};

struct pool {
	struct chunk *chunk;
	size_t size;
	uint32_t chunks;
	uint32_t resident; /* those of them that are not vacant */
	uint32_t fresh;  /* the places from here on were never used */
	uint32_t open;   /* the chunk with free places that was opened last, NO_CHUNK */
	uint32_t idle;   /* one that is empty, NO_CHUNK */
	uint32_t vacant; /* list of those that are empty and have no memory */
	uint64_t live;
	uint64_t memory; /* as accounted for */
};

enum { CONNECTIONS, EMBRYOS, TOMBSTONES, POOLS }; /* as the two highest bits of a slot tell them apart */

#define KIND_SHIFT 30
#define PLACE      ((1u << KIND_SHIFT) - 1) /* the rest of a slot */

_Static_assert(SLOT_EMBRYO == (uint32_t)EMBRYOS << KIND_SHIFT && SLOT_TOMBSTONE == (uint32_t)TOMBSTONES << KIND_SHIFT,
               "a slot names its pool");

/* Embryos by age. */
struct ages {
	uint32_t oldest;
	uint32_t youngest;
	uint32_t scout;         /* runs ahead of the oldest, for what is evicted next */
	uint32_t ahead;         /* how far, about */
	uint32_t sighted;       /* how many it has met */
	uint32_t coming[AHEAD]; /* the last of them */
};

/* Deadlines are looked up chunk by chunk, in arrays that hold nothing else: a list through the records themselves would fetch
 * each from memory only to learn where the next one is. */
struct turn {
	uint32_t until; /* ticks that it is about */
	int pool;       /* chunk that comes next; POOLS: it is over */
	uint32_t chunk;
	uint32_t count; /* of what the last chunk had */
	uint32_t at;
	uint32_t fetched; /* records up to here are on their way */
	uint32_t slot[CHUNK];
};

/* Large pieces of memory that chunks are cut from, those of each pool apart, so that what becomes empty lies together. */
enum { OTHERS = POOLS, ARENAS };

struct arena;

/* Pieces of one size, HISTORIES of them cut at once.  Those that are not in use are a list through their beginnings. */
struct stock {
	void *first;
	size_t size;
	uint64_t cut;  /* bytes */
	uint32_t used; /* pieces */
};

struct flow_table {
	struct flow_key key;
	struct flow_index index;
	struct pool pool[POOLS];
	uint64_t memory;
	int64_t origin; /* tick 0 */
	uint32_t tick;  /* next to be looked at */
	bool ticking;
	struct turn turn;
	uint32_t hand;
	uint32_t grave_hand;
	struct queue half_open;
	struct ages embryos;
	uint32_t departed; /* embryos that are gone, for gather_embryos() */
	uint64_t memcap;
	uint64_t large; /* bytes from which on it is in huge pages */
	uint64_t tombstones_evicted;
	struct arena *arena[ARENAS];
	struct stock histories;
	struct stock briefs;
	struct stock names; /* wide ones */
	struct stock asked; /* late segments */
};

/* Would so much more exceed the cap, or take the room that is kept for histories? */
bool table_over(const struct flow_table *table, uint64_t more);

/* Cuts a chunk off the newest arena of a pool or of others, at a cache line. */
void *table_carve(struct flow_table *table, int arena, size_t size);

/* What the table grows by with another piece. */
static inline uint64_t stock_more(const struct stock *stock)
{
	return stock->first ? 0 : HISTORIES * stock->size;
}

/* A piece, whatever is in it; NULL when out of memory.  Above the cap, too. */
void *stock_take(struct flow_table *table, struct stock *stock);
void stock_give(struct stock *stock, void *piece);

void pools_init(struct flow_table *table);
void pools_free(struct flow_table *table);

/* What the table grows by with another record of the pool. */
uint64_t pool_more(const struct flow_table *table, int kind);

/* A zeroed record of the pool. */
uint32_t slot_take(struct flow_table *table, int kind);

void slot_give(struct flow_table *table, uint32_t slot);

/* From here on slot_take() finds its free places, the first of all; or, until then, it does not. */
void chunk_open(struct pool *pool, uint32_t chunk);
void chunk_close(struct pool *pool, uint32_t chunk);

/* To be called when an embryo has gone: where few are left of many, they move together, and the rest of their memory goes back.  No
 * slot of an embryo is the same behind it, unless it has no deadline, or one that has passed. */
void gather_embryos(struct flow_table *table);

/* With its name, which is then no longer `from`'s. */
static inline void move_entry(struct entry *from, struct entry *to)
{
	*to = *from;
	from->place = 0;
}

static inline void *pool_at(const struct pool *p, uint32_t i)
{
	return p->chunk[i >> CHUNK_BITS].record + (i & (CHUNK - 1)) * p->size;
}

static inline const struct pool *pool_of(const struct flow_table *t, uint32_t slot)
{
	return &t->pool[slot >> KIND_SHIFT];
}

static inline uint32_t *due_of(struct flow_table *t, uint32_t slot)
{
	uint32_t i = slot & PLACE;
	return &pool_of(t, slot)->chunk[i >> CHUNK_BITS].due[i & (CHUNK - 1)];
}

IN_PLACE void prefetch_bucket(const struct flow_index *x, uint32_t hash)
{
	const struct index_side *side = index_side_of(x, hash);

	__builtin_prefetch(&side->bucket[index_home(side, hash)]);
}

/* To be changed, which may mean the neighbour. */
IN_PLACE void prefetch_buckets(const struct flow_table *t, uint32_t hash)
{
	const struct index_side *side = index_side_of(&t->index, hash);

	__builtin_prefetch(&side->bucket[index_home(side, hash)]);
	__builtin_prefetch(&side->bucket[index_home(side, hash) ^ 1]);
}

/* What is kept of its close: mostly nothing, or a brief. */
IN_PLACE void prefetch_close(const struct connection *c)
{
	const size_t most = offsetof(struct brief, stamps);

	prefetch_lines(either(c->kept.history, c), most);
	if (c->entry.bits & CONN_RARE)
		prefetch_lines((const char *)c->kept.rarity + most, sizeof(struct rarity) - most);
	else if ((c->kept.history != NULL) & !(c->entry.bits & CONN_BRIEF))
		prefetch_lines((const char *)c->kept.history + most, offsetof(struct history, inside) + 4 * sizeof(struct event) - most);
}

IN_PLACE void prefetch_slots(const struct flow_table *t, uint32_t record, uint32_t history)
{
	if (record != SLOT_NONE)
		prefetch_lines(flow_entry(t, record), t->pool[record >> KIND_SHIFT].size);
	if (slot_is_whole(history))
		prefetch_close(flow_connection(t, history));
}

#endif
