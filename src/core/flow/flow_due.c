/* flow_due.c - when which record is to be looked at. */
#include "flow_table.h"

/* The tick behind a time, and none that is over. */
static uint32_t tick_behind(const struct flow_table *t, int64_t due)
{
	int64_t tick = (due >> TICK_SHIFT) + 1 - t->origin;

	return tick < t->tick ? t->tick : tick >= NEVER ? NEVER - 1 : (uint32_t)tick;
}

void flow_schedule(struct flow_table *t, uint32_t slot, int64_t due)
{
	struct chunk *chunk = &pool_of(t, slot)->chunk[(slot & PLACE) >> CHUNK_BITS];
	uint32_t tick = tick_behind(t, due);

	*due_of(t, slot) = tick;
	if (tick < chunk->soonest)
		chunk->soonest = tick;
}

void flow_schedule_by(struct flow_table *t, uint32_t slot, int64_t due)
{
	if (tick_behind(t, due) < *due_of(t, slot))
		flow_schedule(t, slot, due);
}

void flow_hasten(struct flow_table *t, int64_t due)
{
	const uint32_t tick = tick_behind(t, due);

	for (uint32_t i = 0; i < t->pool[CONNECTIONS].chunks; i++) {
		struct chunk *chunk = &t->pool[CONNECTIONS].chunk[i];
		if (!chunk->live)
			continue;
		for (uint32_t k = 0; k < CHUNK; k++)
			if (chunk->due[k] != NEVER && chunk->due[k] > tick)
				chunk->due[k] = tick;
		chunk->soonest = tick < chunk->soonest ? tick : chunk->soonest;
	}
}

void flow_start_clock(struct flow_table *t, int64_t now)
{
	t->ticking = true;
	t->origin = now >> TICK_SHIFT;
}

uint32_t flow_tick_behind(int64_t now)
{
	return (uint32_t)((now >> TICK_SHIFT) + 1);
}

int64_t flow_next_tick(int64_t now)
{
	return (int64_t)flow_tick_behind(now) << TICK_SHIFT;
}

/* Gathers what a chunk has, and finds out when it has more. */
static void look_through(struct turn *turn, struct chunk *chunk, uint32_t first)
{
	uint32_t soonest = NEVER;

	turn->count = turn->at = turn->fetched = 0;
	for (uint32_t i = 0; i < CHUNK; i++) {
		uint32_t due = chunk->due[i];
		bool now = due <= turn->until;
		turn->slot[turn->count] = first + i;
		turn->count += now;
		soonest = !now && due < soonest ? due : soonest;
	}
	chunk->soonest = soonest;
}

/* Goes on to the next chunk that has something. */
static bool next_chunk(struct flow_table *t)
{
	struct turn *turn = &t->turn;

	for (; turn->pool < POOLS; turn->pool++, turn->chunk = 0) {
		struct pool *p = &t->pool[turn->pool];
		while (turn->chunk < p->chunks) {
			uint32_t i = turn->chunk++;
			if (p->chunk[i].soonest > turn->until)
				continue;
			look_through(turn, &p->chunk[i], i << CHUNK_BITS | (uint32_t)turn->pool << KIND_SHIFT);
			if (turn->count)
				return true;
		}
	}
	return false;
}

/* What is due was quiet for a while, and lies in no cache.  Whatever else of a connection is needed, it is not yet. */
static void prefetch_turn(struct flow_table *t)
{
	struct turn *turn = &t->turn;
	uint32_t half = turn->at + AHEAD / 2, end = turn->at + AHEAD < turn->count ? turn->at + AHEAD : turn->count;

	for (; turn->fetched < end; turn->fetched++)
		prefetch_lines(flow_entry(t, turn->slot[turn->fetched]), offsetof(struct connection, end));
	if (half >= turn->count)
		return;
	if (slot_buried(turn->slot[half]))
		prefetch_buckets(t, flow_entry_hash(t, turn->slot[half]));
}

uint32_t flow_due(struct flow_table *t, int64_t now)
{
	struct turn *turn = &t->turn;
	int64_t until = (now >> TICK_SHIFT) - t->origin;

	if (!t->ticking)
		return SLOT_NONE;
	if (until >= NEVER)
		until = NEVER - 1;
	for (;;) {
		while (turn->at < turn->count) {
			uint32_t slot = turn->slot[turn->at++], *due = due_of(t, slot);
			prefetch_turn(t);
			if (*due > turn->until) /* removed meanwhile, or put off */
				continue;
			*due = NEVER;
			return slot;
		}
		if (next_chunk(t))
			continue;
		if (until < t->tick)
			return SLOT_NONE;
		turn->until = (uint32_t)until;
		turn->pool = CONNECTIONS;
		turn->chunk = turn->count = turn->at = 0;
		t->tick = turn->until + 1;
	}
}
