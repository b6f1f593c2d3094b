/* flow_victim.c - which of the whole connections gives way when there is no more room. */
#include <stdlib.h>

#include "flow_table.h"

static bool still_half_open(const struct entry *c, uint64_t id)
{
	return c->id == id && !(c->bits & (CONN_ESTABLISHED | CONN_DATA | CONN_FIN | CONN_RST));
}

/* In a flood, one gives way for each that comes, and by then it lies in no cache: what lies ahead is sent for. */
IN_PLACE void prefetch_queue(const struct flow_table *t)
{
	const struct queue *q = &t->half_open;

	if (q->count <= AHEAD)
		return;
	prefetch_lines(flow_connection(t, q->slot[(q->head + AHEAD) & (q->room - 1)]), sizeof(struct connection));
	prefetch_buckets(t, flow_entry_hash(t, q->slot[(q->head + AHEAD / 2) & (q->room - 1)]));
}

/* The queue's front, without those that are no longer half-open. */
static uint32_t oldest_half_open(struct flow_table *t)
{
	struct queue *q = &t->half_open;
	while (q->count) {
		if (still_half_open(flow_entry(t, q->slot[q->head]), q->id[q->head]))
			return q->slot[q->head];
		q->head = (q->head + 1) & (q->room - 1);
		q->count--;
	}
	return SLOT_NONE;
}

/* One SYN at the head that nobody answers must not keep the places of all that have moved on behind it. */
static void compact(struct flow_table *t)
{
	struct queue *q = &t->half_open;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < q->count; i++) {
		uint32_t from = (q->head + i) & (q->room - 1), to = (q->head + kept) & (q->room - 1);
		if (!still_half_open(flow_entry(t, q->slot[from]), q->id[from]))
			continue;
		q->slot[to] = q->slot[from];
		q->id[to] = q->id[from];
		kept++;
	}
	q->count = kept;
}

/* Most are open still: the queue grows with the table. */
static bool grow_queue(struct flow_table *t)
{
	struct queue *q = &t->half_open;
	uint32_t room = q->room ? q->room * 2 : 1024;
	uint32_t *slots = malloc(room * sizeof *slots);
	uint64_t *ids = malloc(room * sizeof *ids);

	if (!slots || !ids) {
		free(slots);
		free(ids);
		return false;
	}
	for (uint32_t i = 0; i < q->count; i++) {
		slots[i] = q->slot[(q->head + i) & (q->room - 1)];
		ids[i] = q->id[(q->head + i) & (q->room - 1)];
	}
	t->memory += (room - q->room) * (sizeof *slots + sizeof *ids);
	free(q->slot);
	free(q->id);
	*q = (struct queue){.slot = slots, .id = ids, .count = q->count, .room = room};
	return true;
}

void flow_half_open(struct flow_table *t, uint32_t slot)
{
	struct queue *q = &t->half_open;

	oldest_half_open(t);
	if (q->count * 4 >= q->room * 3) {
		compact(t);
		if (q->count * 2 >= q->room && !grow_queue(t))
			return; /* it will be found by the clock's hand instead */
	}
	uint32_t i = (q->head + q->count++) & (q->room - 1);
	q->slot[i] = slot;
	q->id[i] = flow_entry(t, slot)->id;
}

uint32_t flow_victim(struct flow_table *t)
{
	const struct pool *pool = &t->pool[CONNECTIONS];
	uint32_t victim = oldest_half_open(t);

	if (victim != SLOT_NONE || !pool->live) {
		prefetch_queue(t);
		return victim;
	}
	for (unsigned looks = 0; looks < VICTIM_LOOKS || victim == SLOT_NONE; looks++) {
		uint32_t slot = t->hand++ % pool->fresh;
		const struct connection *c = flow_connection(t, slot);
		if (c->entry.id && (victim == SLOT_NONE || connection_last(c) < connection_last(flow_connection(t, victim))))
			victim = slot;
	}
	return victim;
}
