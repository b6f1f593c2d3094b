/* flow.c - the connection table: what is found where. */
#include <stdlib.h>
#include <string.h>

#include "flow_table.h"

#define LARGE_TABLE      (64u << 20)
#define CAP_OF_LARGE     (256u << 20) /* with less, huge pages that are not full would exceed it by too much */
#define GIVEN_UP_FOR_ONE 32

uint32_t flow_hash(const struct flow_table *t, const struct socket_pair *p)
{
	return flow_key_hash(&t->key, p);
}

struct flow_table *flow_table_new(const uint8_t key[16], uint64_t memcap)
{
	struct flow_table *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->key = flow_key(key);
	t->memcap = memcap;
	t->large = LARGE_TABLE;
	if (!index_init(&t->index)) {
		free(t);
		return NULL;
	}
	pools_init(t);
	t->embryos = (struct ages){.oldest = SLOT_NONE, .youngest = SLOT_NONE, .scout = SLOT_NONE};
	t->turn.pool = POOLS;
	t->memory = sizeof *t + index_memory(&t->index);
	return t;
}

uint64_t flow_least_memory(void)
{
	struct flow_table blank = {0};

	pools_init(&blank);
	uint64_t bytes = sizeof blank + index_least_memory();
	for (int kind = 0; kind < POOLS; kind++)
		bytes += pool_more(&blank, kind);
	return bytes + stock_more(&blank.histories) + stock_more(&blank.briefs) + stock_more(&blank.names) + stock_more(&blank.asked);
}

void flow_table_shares(struct flow_table *t, unsigned tables)
{
	if (!t->memcap || t->memcap >= CAP_OF_LARGE)
		t->large = LARGE_TABLE / tables;
}

static void brief_drop(struct flow_table *t, struct connection *c)
{
	stock_give(&t->briefs, connection_kept(c).brief);
	c->entry.bits &= ~(uint32_t)CONN_BRIEF;
	connection_keep(c, (union kept){.history = NULL});
}

void flow_history_drop(struct flow_table *t, struct connection *c)
{
	struct history *h = connection_kept(c).history;

	if (c->entry.bits & CONN_BRIEF)
		return brief_drop(t, c);
	connection_keep(c, (union kept){.history = NULL});
	if (!h)
		return;
	t->memory -= history_memory(h);
	history_fini(h);
	stock_give(&t->histories, h);
}

struct rarity *flow_rarity(struct flow_table *t, struct connection *c)
{
	struct rarity *r = connection_rarity(c);

	if (r || table_over(t, sizeof *r))
		return r;
	r = malloc(sizeof *r);
	if (!r)
		return NULL;
	t->memory += sizeof *r;
	*r = rarity_of(c->kept);
	c->kept.rarity = r;
	c->entry.bits |= CONN_RARE;
	return r;
}

void flow_strip(struct flow_table *t, struct connection *c)
{
	struct rarity *r;

	flow_history_drop(t, c);
	r = connection_rarity(c);
	if (!r)
		return;
	t->memory -= sizeof *r;
	free(r);
	c->kept.rarity = NULL;
	c->entry.bits &= ~(uint32_t)CONN_RARE;
}

/* What belongs to records that are there already may be above the cap, up to a 32nd of it. */
static bool lacks(const struct flow_table *t, const struct stock *s)
{
	uint64_t more = stock_more(s);

	return more && t->memcap && t->memory + more > t->memcap + t->memcap / 32;
}

void flow_set_asked(struct flow_table *t, struct tombstone *tombstone, const struct tcpaudit_evidence *segment)
{
	if (tombstone->asked && !segment) {
		stock_give(&t->asked, tombstone->asked);
		tombstone->asked = NULL;
	}
	if (!tombstone->asked && segment && !lacks(t, &t->asked))
		tombstone->asked = stock_take(t, &t->asked);
	if (tombstone->asked)
		*tombstone->asked = *segment;
}

struct history *flow_history_new(struct flow_table *t)
{
	if (lacks(t, &t->histories))
		return NULL; /* the engine makes room when a connection begins; this one has none any more */
	struct history *h = stock_take(t, &t->histories);
	if (!h)
		return NULL;
	if (t->histories.first)
		prefetch_lines(t->histories.first, 4 * 64); /* for the next one who asks: it has long left all caches */
	history_init(h);
	return h;
}

bool flow_brief_new(struct flow_table *t, struct connection *c)
{
	uint64_t more = stock_more(&t->briefs);
	struct brief *brief = more && table_over(t, more) ? NULL : stock_take(t, &t->briefs);

	if (!brief)
		return false;
	if (t->briefs.first)
		prefetch_lines(t->briefs.first, offsetof(struct brief, stamps));
	memset(brief, 0, offsetof(struct brief, event));
	connection_keep(c, (union kept){.brief = brief});
	c->entry.bits |= CONN_BRIEF;
	return true;
}

void flow_table_free(struct flow_table *t)
{
	if (!t)
		return;
	for (uint32_t cursor = 0, slot; (slot = flow_next(t, &cursor)) != SLOT_NONE && slot_is_whole(slot);)
		flow_strip(t, flow_connection(t, slot));
	pools_free(t);
	pages_free(t->half_open.ring, t->half_open.room * sizeof *t->half_open.ring);
	index_free(&t->index);
	free(t);
}

struct connection *flow_connection(const struct flow_table *t, uint32_t slot)
{
	return (struct connection *)(void *)t->pool[CONNECTIONS].chunk[slot >> CHUNK_BITS].record + (slot & (CHUNK - 1));
}

struct tombstone *flow_tombstone(const struct flow_table *t, uint32_t slot)
{
	uint32_t i = slot & PLACE;
	return (struct tombstone *)(void *)t->pool[TOMBSTONES].chunk[i >> CHUNK_BITS].record + (i & (CHUNK - 1));
}

struct embryo *flow_embryo(const struct flow_table *t, uint32_t slot)
{
	uint32_t i = slot & PLACE;
	return (struct embryo *)(void *)t->pool[EMBRYOS].chunk[i >> CHUNK_BITS].record + (i & (CHUNK - 1));
}

struct entry *flow_entry(const struct flow_table *t, uint32_t slot)
{
	if (__builtin_expect(slot_is_whole(slot), true))
		return &flow_connection(t, slot)->entry;
	return pool_at(&t->pool[slot >> KIND_SHIFT], slot & PLACE);
}

void flow_prefetch_bucket(const struct flow_table *t, uint32_t hash)
{
	prefetch_bucket(&t->index, hash);
	HAPPENS;
}

void flow_prefetch_buckets(const struct flow_table *t, const uint32_t *hash, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		prefetch_bucket(&t->index, hash[i]);
	HAPPENS;
}

static struct likely likely_slot(const struct flow_table *t, uint32_t slot)
{
	return (struct likely){.slot = slot, .record = pool_at(&t->pool[slot >> KIND_SHIFT], slot & PLACE)};
}

struct likely flow_likely(const struct flow_table *t, uint32_t hash)
{
	struct probe probe = index_probe(&t->index, hash);
	uint32_t slot;

	return index_next(hash, &probe, &slot) ? likely_slot(t, slot) : (struct likely){.slot = SLOT_NONE};
}

uint32_t flow_likely_at_once(const struct flow_table *t, const uint32_t *hash, unsigned count, struct likely *likely)
{
	const struct flow_index index = t->index; /* need not be read again behind each */
	uint32_t behind = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct index_side *side = index_side_of(&index, hash[i]);
		const struct bucket *home = &side->bucket[index_home(side, hash[i])];
		const unsigned found = index_matches(home, hash[i]);

		likely[i] = found ? likely_slot(t, home->slot[__builtin_ctz(found)]) : (struct likely){.slot = SLOT_NONE};
		if (found || !home->passed)
			continue;
		__builtin_prefetch(&side->bucket[index_home(side, hash[i]) ^ 1]);
		behind |= UINT32_C(1) << i;
	}
	return behind;
}

void flow_prefetch_record(const struct likely *likely)
{
	prefetch_lines(either(likely->record, likely), sizeof(struct connection));
	HAPPENS;
}

/* What is likely, or nobody, where it is no whole connection: which nobody can foresee, so there is no branch. */
static inline const struct connection *whole_or_nobody(struct likely likely)
{
	static const struct connection nobody;
	const uintptr_t whole = -(uintptr_t)slot_is_whole(likely.slot);

	return (const struct connection *)(((uintptr_t)likely.record & whole) | ((uintptr_t)&nobody & ~whole));
}

void flow_prefetch_history(struct likely likely)
{
	const struct connection *c = whole_or_nobody(likely);

	prefetch_close(c);
	if (c->entry.place & PLACE_WIDE)
		__builtin_prefetch(c->entry.name.wide);
	HAPPENS;
}

void flow_prefetch_due(const struct flow_table *t, uint32_t likely)
{
	if (slot_is_whole(likely))
		__builtin_prefetch(&t->pool[CONNECTIONS].chunk[likely >> CHUNK_BITS].due[likely & (CHUNK - 1)]);
	HAPPENS;
}

void flow_prefetch_slots(const struct flow_table *t, uint32_t record, uint32_t history)
{
	prefetch_slots(t, record, history);
	HAPPENS;
}

void flow_prefetch_ending(const struct flow_table *t, uint32_t slot)
{
	prefetch_buckets(t, flow_entry_hash(t, slot));
	prefetch_slots(t, SLOT_NONE, slot);
	HAPPENS;
}

uint32_t flow_entry_hash(const struct flow_table *t, uint32_t slot)
{
	if (slot_is_embryo(slot))
		return flow_embryo(t, slot)->hash;
	return entry_hash(flow_entry(t, slot), &t->key);
}

struct links flow_links(const struct flow_table *t, uint32_t slot)
{
	if (slot_is_whole(slot))
		return connection_links(flow_connection(t, slot));
	return slot_buried(slot) ? flow_tombstone(t, slot)->links : (struct links){SLOT_NONE, SLOT_NONE};
}

/* Where they can be changed; NULL: it has none, and there is no memory for any.  An embryo cannot have any. */
static struct links *links_of(struct flow_table *t, uint32_t slot)
{
	if (slot_buried(slot))
		return &flow_tombstone(t, slot)->links;
	struct rarity *r = flow_rarity(t, flow_connection(t, slot));
	return r ? &r->links : NULL;
}

/* `newer`, or the index if that is SLOT_NONE, leads to one slot in place of another, and back. */
static void relink(struct flow_table *t, uint32_t hash, uint32_t slot, struct links links, uint32_t by)
{
	if (links.newer != SLOT_NONE)
		links_of(t, links.newer)->older = by;
	else if (t->index.now.bucket && by != SLOT_NONE)
		index_replace(&t->index, hash, slot, by);
	else if (t->index.now.bucket)
		index_take(&t->index, hash, slot);
}

static bool same_sockets(const struct entry *e, const struct socket_pair *p)
{
	const struct socket_pair own = entry_pair(e);

	return own.ip_version == p->ip_version && memcmp(&own, p, offsetof(struct socket_pair, network)) == 0;
}

uint32_t flow_find(const struct flow_table *t, const struct socket_pair *p, uint32_t hash, uint32_t likely)
{
	if (likely != SLOT_NONE) {
		const struct entry *e = flow_entry(t, likely);
		if (e->id && entry_is_of(e, p) && flow_links(t, likely).newer == SLOT_NONE)
			return likely;
	}
	struct probe probe = index_probe(&t->index, hash);
	for (uint32_t slot; index_next(hash, &probe, &slot);)
		if (entry_is_of(flow_entry(t, slot), p))
			return slot;
	return SLOT_NONE;
}

uint32_t flow_find_elsewhere(const struct flow_table *t, const struct socket_pair *p, uint32_t hash, unsigned n)
{
	struct probe probe = index_probe(&t->index, hash);

	for (uint32_t slot; index_next(hash, &probe, &slot);)
		if (same_sockets(flow_entry(t, slot), p) && !n--)
			return slot;
	return SLOT_NONE;
}

unsigned flow_find_all_elsewhere(const struct flow_table *t, const struct socket_pair *p, uint32_t hash, uint32_t *slots,
                                 unsigned most)
{
	struct probe probe = index_probe(&t->index, hash);
	unsigned n = 0;

	for (uint32_t slot; n < most && index_next(hash, &probe, &slot);)
		if (same_sockets(flow_entry(t, slot), p))
			slots[n++] = slot;
	return n;
}

/* Is there a place for another entry?  The index doubles when buckets begin to overflow; with no memory for that, lookups only grow
 * longer, until it is full. */
static bool index_has_place(struct flow_table *t)
{
	uint64_t size = index_memory(&t->index);

	if (index_crowded(&t->index) && (index_crammed(&t->index) || !table_over(t, 2 * size)))
		index_double(&t->index);
	t->memory += index_memory(&t->index) - size;
	return !index_full(&t->index);
}

/* It may have grown up then. */
static void index_entry(struct flow_table *t, uint32_t hash, uint32_t slot)
{
	uint64_t size = index_memory(&t->index);

	index_put(&t->index, hash, slot);
	t->memory -= size - index_memory(&t->index);
}

/* Histories are given up for others only where so many have one that few have to go. */
bool flow_full(const struct flow_table *t)
{
	const struct pool *p = &t->pool[CONNECTIONS];

	if (!t->memcap || !p->live)
		return false;
	uint64_t more = pool_more(t, CONNECTIONS);
	if (more)
		return table_over(t, more);
	return lacks(t, &t->histories) && t->histories.used >= p->live / GIVEN_UP_FOR_ONE;
}

static void ages_join(struct flow_table *t, uint32_t slot)
{
	struct ages *a = &t->embryos;
	struct embryo *e = flow_embryo(t, slot);

	e->elder = a->youngest;
	e->younger = SLOT_NONE;
	if (e->elder == SLOT_NONE)
		a->oldest = slot;
	else
		flow_embryo(t, e->elder)->younger = slot;
	a->youngest = slot;
}

static void ages_leave(struct flow_table *t, uint32_t slot)
{
	struct ages *a = &t->embryos;
	const struct embryo *e = flow_embryo(t, slot);

	if (e->elder == SLOT_NONE) {
		a->oldest = e->younger;
		a->ahead -= a->ahead > 0;
	} else {
		flow_embryo(t, e->elder)->younger = e->younger;
	}
	if (e->younger == SLOT_NONE)
		a->youngest = e->elder;
	else
		flow_embryo(t, e->younger)->elder = e->elder;
	if (a->scout == slot) {
		a->scout = SLOT_NONE;
		a->ahead = 0;
	}
}

bool flow_names_full(const struct flow_table *t, const struct socket_pair *p)
{
	return place_of(p) & PLACE_WIDE && lacks(t, &t->names);
}

/* False when out of memory. */
static bool give_name(struct flow_table *t, struct entry *e, const struct socket_pair *p)
{
	const uint16_t place = place_of(p);

	memcpy(e->port, p->port, sizeof e->port);
	for (unsigned i = 0; !(place & PLACE_WIDE) && i < 2; i++)
		e->name.ipv4[i] = ipv4_word(&p->address[i]);
	if (place & PLACE_WIDE) {
		e->name.wide = lacks(t, &t->names) ? NULL : stock_take(t, &t->names);
		if (!e->name.wide)
			return false;
		*e->name.wide = (struct wide){.address = {p->address[0], p->address[1]}, .network = p->network};
	}
	e->place = place;
	return true;
}

static void take_name(struct flow_table *t, struct entry *e)
{
	if (!(e->place & PLACE_WIDE))
		return;
	stock_give(&t->names, e->name.wide);
	e->place = 0;
}

/* A free place is left, with nothing behind it; behind an embryo, others may have moved. */
static void release(struct flow_table *t, uint32_t slot)
{
	if (slot_is_whole(slot))
		flow_strip(t, flow_connection(t, slot));
	else if (slot_buried(slot))
		flow_set_asked(t, flow_tombstone(t, slot), NULL);
	else if (slot_is_embryo(slot))
		ages_leave(t, slot);
	take_name(t, flow_entry(t, slot));
	slot_give(t, slot);
	if (slot_is_embryo(slot))
		gather_embryos(t);
}

uint32_t flow_insert(struct flow_table *t, const struct socket_pair *p, uint32_t hash, uint32_t older)
{
	uint32_t slot = older != SLOT_NONE || index_has_place(t) ? slot_take(t, CONNECTIONS) : SLOT_NONE;
	if (slot == SLOT_NONE)
		return SLOT_NONE;
	if (!give_name(t, flow_entry(t, slot), p)) {
		slot_give(t, slot);
		return SLOT_NONE;
	}
	if (older == SLOT_NONE) {
		index_entry(t, hash, slot);
		return slot;
	}
	struct links *own = links_of(t, slot), *others = links_of(t, older);
	if (!own || !others) {
		release(t, slot);
		return SLOT_NONE;
	}
	own->older = older;
	others->newer = slot;
	index_replace(&t->index, hash, older, slot);
	return slot;
}

void flow_close(struct flow_table *t)
{
	t->memory -= index_memory(&t->index) + t->half_open.room * sizeof *t->half_open.ring;
	index_free(&t->index);
	pages_free(t->half_open.ring, t->half_open.room * sizeof *t->half_open.ring);
	t->half_open = (struct queue){0};
}

void flow_remove(struct flow_table *t, uint32_t slot)
{
	struct links links = flow_links(t, slot);

	relink(t, flow_entry_hash(t, slot), slot, links, links.older);
	if (links.older != SLOT_NONE)
		links_of(t, links.older)->newer = links.newer;
	release(t, slot);
}

/* The next tombstone under the hand. */
static void evict_tombstone(struct flow_table *t)
{
	const struct pool *graves = &t->pool[TOMBSTONES];

	for (uint32_t looks = 0; looks < graves->fresh; looks++) {
		uint32_t slot = t->grave_hand++ % graves->fresh | SLOT_TOMBSTONE;
		if (!flow_entry(t, slot)->id)
			continue;
		flow_remove(t, slot);
		t->tombstones_evicted++;
		return;
	}
}

uint32_t flow_bury(struct flow_table *t, uint32_t slot)
{
	uint64_t more = pool_more(t, TOMBSTONES);

	if (more && table_over(t, more)) {
		if (!t->pool[TOMBSTONES].live) {
			flow_remove(t, slot);
			return SLOT_NONE;
		}
		evict_tombstone(t);
	}
	uint32_t grave = slot_take(t, TOMBSTONES);
	if (grave == SLOT_NONE) {
		flow_remove(t, slot);
		return SLOT_NONE;
	}
	struct links links = flow_links(t, slot);
	relink(t, flow_entry_hash(t, slot), slot, links, grave);
	move_entry(flow_entry(t, slot), flow_entry(t, grave));
	flow_entry(t, grave)->bits &= ~(uint32_t)CONN_RARE;
	flow_tombstone(t, grave)->links = links;
	if (links.older != SLOT_NONE)
		links_of(t, links.older)->newer = grave;
	release(t, slot);
	return grave;
}

uint32_t flow_next(const struct flow_table *t, uint32_t *cursor)
{
	for (uint32_t kind = *cursor >> KIND_SHIFT; kind < TOMBSTONES; *cursor = ++kind << KIND_SHIFT) {
		const struct pool *p = &t->pool[kind];
		while ((*cursor & PLACE) < p->fresh) {
			if (!p->chunk[(*cursor & PLACE) >> CHUNK_BITS].live) {
				*cursor = (*cursor | (CHUNK - 1)) + 1;
				continue;
			}
			uint32_t slot = (*cursor)++;
			if (((const struct entry *)pool_at(p, slot & PLACE))->id)
				return slot;
		}
	}
	return SLOT_NONE;
}

uint32_t flow_places(const struct flow_table *t)
{
	return t->pool[CONNECTIONS].fresh;
}

/* ---- embryos ---- */

bool flow_embryos_full(const struct flow_table *t)
{
	const struct pool *p = &t->pool[EMBRYOS];
	uint64_t more = pool_more(t, EMBRYOS);

	return more && (table_over(t, more) || (t->memcap && p->memory + more > t->memcap / 2));
}

uint32_t flow_conceive(struct flow_table *t, const struct socket_pair *p, uint32_t hash)
{
	uint32_t slot = flow_embryos_full(t) || !index_has_place(t) ? SLOT_NONE : slot_take(t, EMBRYOS);

	if (slot == SLOT_NONE)
		return SLOT_NONE;
	if (!give_name(t, flow_entry(t, slot), p)) {
		slot_give(t, slot);
		return SLOT_NONE;
	}
	flow_embryo(t, slot)->hash = hash;
	ages_join(t, slot);
	index_entry(t, hash, slot);
	return slot;
}

/* In a flood, one gives way for each that comes, and by then it lies in no cache. */
IN_PLACE void look_ahead(struct flow_table *t)
{
	struct ages *a = &t->embryos;

	for (unsigned steps = 0; steps < 2 && a->ahead < AHEAD; steps++) {
		uint32_t next = a->scout == SLOT_NONE ? a->oldest : flow_embryo(t, a->scout)->younger;
		if (next == SLOT_NONE)
			return;
		a->scout = next;
		a->ahead++;
		a->coming[a->sighted++ % AHEAD] = next;
		prefetch_lines(flow_embryo(t, next), sizeof(struct embryo));
		if (a->sighted > AHEAD / 2)
			prefetch_buckets(t, flow_entry_hash(t, a->coming[(a->sighted + AHEAD / 2) % AHEAD]));
	}
}

uint32_t flow_oldest_embryo(struct flow_table *t)
{
	look_ahead(t);
	return t->embryos.oldest;
}

uint32_t flow_grow(struct flow_table *t, uint32_t slot)
{
	uint32_t whole = slot_take(t, CONNECTIONS);

	if (whole == SLOT_NONE)
		return SLOT_NONE;
	const struct embryo *e = flow_embryo(t, slot);
	index_replace(&t->index, flow_entry_hash(t, slot), slot, whole);
	embryo_grow(e, flow_connection(t, whole));
	move_entry(flow_entry(t, slot), flow_entry(t, whole));
	release(t, slot);
	return whole;
}

uint64_t flow_tombstones_evicted(const struct flow_table *t)
{
	return t->tombstones_evicted;
}

uint64_t flow_count(const struct flow_table *t)
{
	return t->pool[CONNECTIONS].live + t->pool[EMBRYOS].live;
}

uint64_t flow_tombstones(const struct flow_table *t)
{
	return t->pool[TOMBSTONES].live;
}

uint64_t flow_memory(const struct flow_table *t)
{
	return t->memory;
}

void flow_account(struct flow_table *t, int64_t bytes)
{
	t->memory += (uint64_t)bytes;
}
