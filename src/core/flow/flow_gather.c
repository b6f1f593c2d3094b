/* flow_gather.c - embryos that are left of many move together, so that the chunks between them give their memory back.
 *
 * Handshakes that come all at once end in any order: of the last tenth of their embryos, some are in each chunk.  Whoever moves
 * gets another slot, which means nothing by itself: neither deadlines nor ages nor the order of reports depend on it.
 *
 * Nobody else keeps an embryo's slot while others go, but for the engine's list of endings, whose deadline is NEVER, and a turn of
 * the clock, whose deadline is below the tick; both stay where they are.  What a batch foresees (struct likely) is verified when it
 * is used; and behind flow_close(), with all in order of age already, nobody moves. */
#include "flow_table.h"

#define FEW_CHUNKS    8           /* are not worth it */
#define MOST_MOVED    (CHUNK / 2)
#define DEPARTURES    (CHUNK / 8) /* at least, between one chunk and the next */

struct moving {
	uint32_t count;
	uint32_t slot[MOST_MOVED];
};

/* A quarter of all places is free.  No chunk is begun anew before all are full, so each that moves stands for others that have come
 * and gone. */
static bool are_sparse(const struct pool *p)
{
	return p->resident > FEW_CHUNKS && p->live < (uint64_t)p->resident * (CHUNK / 4 * 3);
}

/* The one with the fewest, but for that which is filled next; NO_CHUNK. */
static uint32_t sparsest(const struct pool *p)
{
	uint32_t found = NO_CHUNK, least = MOST_MOVED + 1;

	for (uint32_t i = 0; i < p->chunks; i++) {
		uint32_t live = p->chunk[i].live;
		if (live && live < least && i != p->open) {
			least = live;
			found = i;
		}
	}
	return found;
}

/* Who is in a chunk.  False: somebody has to stay. */
static bool all_may_move(const struct flow_table *t, uint32_t chunk, struct moving *m)
{
	const struct chunk *c = &t->pool[EMBRYOS].chunk[chunk];

	m->count = 0;
	for (uint32_t i = 0; i < c->used; i++) {
		if (c->due[i] == NEVER) /* free, in most cases */
			continue;
		if (c->due[i] < t->tick)
			return false;
		m->slot[m->count++] = SLOT_EMBRYO | chunk << CHUNK_BITS | i;
	}
	return m->count == c->live;
}

/* What ages.coming has of it is only good for a prefetch. */
static void ages_follow(struct flow_table *t, uint32_t slot, uint32_t to)
{
	struct ages *a = &t->embryos;
	const struct embryo *e = flow_embryo(t, to);

	*(e->elder == SLOT_NONE ? &a->oldest : &flow_embryo(t, e->elder)->younger) = to;
	*(e->younger == SLOT_NONE ? &a->youngest : &flow_embryo(t, e->younger)->elder) = to;
	if (a->scout == slot)
		a->scout = to;
}

static void move(struct flow_table *t, uint32_t slot, uint32_t to)
{
	struct chunk *chunk = &t->pool[EMBRYOS].chunk[(to & PLACE) >> CHUNK_BITS];
	struct embryo *from = flow_embryo(t, slot);
	uint32_t due = *due_of(t, slot);

	*flow_embryo(t, to) = *from;
	move_entry(&from->entry, flow_entry(t, to));
	ages_follow(t, slot, to);
	index_replace(&t->index, flow_entry_hash(t, to), slot, to);
	*due_of(t, to) = due;
	if (due < chunk->soonest)
		chunk->soonest = due;
}

/* First the record comes, then what that leads to. */
IN_PLACE void prefetch_move(const struct flow_table *t, const struct moving *m, uint32_t i)
{
	if (i + AHEAD < m->count)
		prefetch_lines(flow_embryo(t, m->slot[i + AHEAD]), sizeof(struct embryo));
	if (i + AHEAD / 2 >= m->count)
		return;
	const struct embryo *e = flow_embryo(t, m->slot[i + AHEAD / 2]);
	prefetch_buckets(t, flow_entry_hash(t, m->slot[i + AHEAD / 2]));
	if (e->elder != SLOT_NONE)
		__builtin_prefetch(&flow_embryo(t, e->elder)->younger);
	if (e->younger != SLOT_NONE)
		__builtin_prefetch(&flow_embryo(t, e->younger)->elder);
}

/* The others have room: they are FEW_CHUNKS at least, one of them is idle perhaps, and a quarter of all is free. */
static void empty_chunk(struct flow_table *t, uint32_t chunk, const struct moving *m)
{
	struct pool *p = &t->pool[EMBRYOS];

	chunk_close(p, chunk);
	for (uint32_t i = 0; i < m->count; i++) {
		prefetch_move(t, m, i);
		move(t, m->slot[i], slot_take(t, EMBRYOS));
	}
	chunk_open(p, chunk);
	for (uint32_t i = 0; i < m->count; i++)
		slot_give(t, m->slot[i]);
}

void gather_embryos(struct flow_table *t)
{
	const struct pool *p = &t->pool[EMBRYOS];
	struct moving moving;

	if (++t->departed % DEPARTURES || !are_sparse(p) || !t->index.now.bucket)
		return;
	uint32_t chunk = sparsest(p);
	if (chunk != NO_CHUNK && all_may_move(t, chunk, &moving))
		empty_chunk(t, chunk, &moving);
}
