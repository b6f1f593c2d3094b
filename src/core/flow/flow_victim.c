/* flow_victim.c - which of the whole connections gives way when there is no more room. */
#include "flow_table.h"

#define QUEUE_LEAST 1024

/* Frames are numbered from 1, and a free record has 0; who is 2^32 frames younger is taken for its predecessor, half-open as both are. */
static bool still_half_open(const struct entry *c, uint32_t id)
{
	return c->id && (uint32_t)c->id == id && !(c->bits & (CONN_ESTABLISHED | CONN_DATA | CONN_FIN | CONN_RST));
}

static struct queued *queued(const struct queue *q, uint32_t i)
{
	uint64_t at = (uint64_t)q->head + i;

	return &q->ring[at < q->room ? at : at - q->room];
}

/* In a flood, one gives way for each that comes, and by then it lies in no cache: what lies ahead is sent for. */
IN_PLACE void prefetch_queue(const struct flow_table *t)
{
	const struct queue *q = &t->half_open;

	if (q->count <= AHEAD)
		return;
	prefetch_lines(flow_connection(t, queued(q, AHEAD)->slot), sizeof(struct connection));
	prefetch_buckets(t, flow_entry_hash(t, queued(q, AHEAD / 2)->slot));
}

/* The queue's front, without those that are no longer half-open. */
static uint32_t oldest_half_open(struct flow_table *t)
{
	struct queue *q = &t->half_open;
	while (q->count) {
		const struct queued *front = queued(q, 0);
		if (still_half_open(flow_entry(t, front->slot), front->id))
			return front->slot;
		q->head = q->head + 1 < q->room ? q->head + 1 : 0;
		q->count--;
	}
	return SLOT_NONE;
}

/* One SYN at the head that nobody answers must not keep the places of all that have moved on behind it.  They did so a while ago, and
 * lie in no cache. */
static void compact(struct flow_table *t)
{
	struct queue *q = &t->half_open;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < q->count; i++) {
		struct queued entry = *queued(q, i);
		if (i + AHEAD < q->count)
			__builtin_prefetch(flow_entry(t, queued(q, i + AHEAD)->slot));
		if (still_half_open(flow_entry(t, entry.slot), entry.id))
			*queued(q, kept++) = entry;
	}
	q->count = kept;
}

/* Room for so many, and for all that are there. */
static bool resize(struct flow_table *t, uint32_t room)
{
	struct queue *q = &t->half_open;
	struct queued *ring = pages_new(room * sizeof *ring);

	if (!ring)
		return false;
	for (uint32_t i = 0; i < q->count; i++)
		ring[i] = *queued(q, i);
	t->memory += room * sizeof *ring - q->room * sizeof *ring;
	pages_free(q->ring, q->room * sizeof *ring);
	*q = (struct queue){.ring = ring, .count = q->count, .room = room};
	return true;
}

/* Half as many again, at least: so few that have moved on are kept, and those that join pay for looking at all. */
static uint32_t room_for(uint32_t count)
{
	return ((count + count / 2) / QUEUE_LEAST + 1) * QUEUE_LEAST;
}

/* False: there is no place for another. */
static bool make_place(struct flow_table *t)
{
	struct queue *q = &t->half_open;

	compact(t);
	uint32_t room = room_for(q->count);
	if (room > q->room || room < q->room / 4 * 3)
		resize(t, room);
	return q->count < q->room;
}

void flow_half_open(struct flow_table *t, uint32_t slot)
{
	struct queue *q = &t->half_open;

	oldest_half_open(t);
	if (q->count == q->room && !make_place(t))
		return; /* it will be found by the clock's hand instead */
	if (q->room > QUEUE_LEAST && q->count < q->room / 8)
		resize(t, room_for(q->count)); /* a flood is over; without memory for that, later */
	*queued(q, q->count++) = (struct queued){.slot = slot, .id = (uint32_t)flow_entry(t, slot)->id};
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
		if (!pool->chunk[slot >> CHUNK_BITS].live) {
			t->hand = (slot | (CHUNK - 1)) + 1;
			continue;
		}
		const struct connection *c = flow_connection(t, slot);
		if (c->entry.id && (victim == SLOT_NONE || connection_last(c) < connection_last(flow_connection(t, victim))))
			victim = slot;
	}
	return victim;
}
