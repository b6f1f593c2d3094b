/* flow_index.c - see flow_index.h. */
#include "flow_index.h"

#include <sys/mman.h>

#include "pages.h"

#define LEAST 1024 /* buckets */
#define LARGE (1u << 19) /* buckets, 32 MiB: from there on memory counts for more than what overflows */
#define STEP  4    /* home buckets that each new entry moves: it has grown long before it is crowded again */

/* It is visited at random: huge pages spare the misses of the address translation.  They are cleared one by one as they are touched;
 * those of millions of connections would take too long at once. */
static struct bucket *buckets_new(size_t size)
{
	struct bucket *b = pages_new_huge(size);

	if (b && size >= HUGE_PAGE)
		madvise(b, size, MADV_HUGEPAGE);
	return b;
}

static size_t side_size(const struct index_side *side)
{
	return side->bucket ? side->buckets * sizeof *side->bucket : 0;
}

static bool side_init(struct index_side *side, uint32_t buckets)
{
	*side = (struct index_side){.buckets = buckets, .bucket = buckets_new(buckets * sizeof(struct bucket))};
	return side->bucket;
}

static void side_free(struct index_side *side)
{
	pages_free(side->bucket, side_size(side));
	*side = (struct index_side){0};
}

bool index_init(struct flow_index *x)
{
	return side_init(&x->now, LEAST);
}

size_t index_least_memory(void)
{
	return LEAST * sizeof(struct bucket);
}

void index_free(struct flow_index *x)
{
	side_free(&x->old);
	side_free(&x->now);
}

size_t index_memory(const struct flow_index *x)
{
	return side_size(&x->now) + side_size(&x->old);
}

bool index_crowded(const struct flow_index *x)
{
	return !x->old.bucket && x->now.indexed >= x->now.buckets / 8 * WAYS * (x->now.buckets < LARGE ? 5 : 6);
}

bool index_crammed(const struct flow_index *x)
{
	return x->now.indexed >= x->now.buckets / 8 * WAYS * 7;
}

bool index_double(struct flow_index *x)
{
	struct index_side grown;

	if (x->now.buckets >= 1u << 30 || !side_init(&grown, x->now.buckets * 2))
		return false;
	x->old = x->now;
	x->now = grown;
	x->moved = 0;
	return true;
}

static void put(struct index_side *side, uint32_t hash, uint32_t slot)
{
	for (uint32_t i = index_home(side, hash);; i = index_behind(side, hash, i)) {
		struct bucket *b = &side->bucket[i];
		if (b->used == (1u << WAYS) - 1) {
			b->passed++;
			continue;
		}
		unsigned k = (unsigned)__builtin_ctz(~b->used);
		b->tag[k] = hash;
		b->slot[k] = slot;
		b->used |= 1u << k;
		side->indexed++;
		return;
	}
}

/* Where it is, and as long as it takes to get there, one less lies further on. */
static void take(struct index_side *side, uint32_t hash, uint32_t slot)
{
	for (uint32_t i = index_home(side, hash);; i = index_behind(side, hash, i)) {
		struct bucket *b = &side->bucket[i];
		for (unsigned found = index_matches(b, hash); found; found &= found - 1) {
			if (b->slot[__builtin_ctz(found)] != slot)
				continue;
			b->used &= ~(found & -found);
			side->indexed--;
			return;
		}
		b->passed--;
	}
}

/* All that belong to the next bucket, wherever they lie. */
static void move_home(struct flow_index *x)
{
	struct index_side *old = &x->old;
	const uint32_t home = x->moved++;

	for (uint32_t i = home, left = old->buckets; left; left--, i = index_behind(old, home, i)) {
		struct bucket *b = &old->bucket[i];
		for (unsigned k = 0; k < WAYS; k++)
			if (b->used >> k & 1 && index_home(old, b->tag[k]) == home) {
				const uint32_t tag = b->tag[k], slot = b->slot[k];
				take(old, tag, slot);
				put(&x->now, tag, slot);
			}
		if (!b->passed)
			break;
	}
	if (x->moved == old->buckets)
		side_free(old);
}

void index_put(struct flow_index *x, uint32_t hash, uint32_t slot)
{
	const struct index_side *side;

	for (unsigned k = 0; x->old.bucket && k < STEP; k++)
		move_home(x);
	while ((side = index_side_of(x, hash)) == &x->old && side->indexed == side->buckets * WAYS)
		move_home(x);
	put(side == &x->old ? &x->old : &x->now, hash, slot);
}

void index_take(struct flow_index *x, uint32_t hash, uint32_t slot)
{
	take(index_side_of(x, hash) == &x->old ? &x->old : &x->now, hash, slot);
}

void index_replace(struct flow_index *x, uint32_t hash, uint32_t slot, uint32_t by)
{
	const struct index_side *side = index_side_of(x, hash);

	for (uint32_t i = index_home(side, hash);; i = index_behind(side, hash, i)) {
		struct bucket *b = &side->bucket[i];
		for (unsigned found = index_matches(b, hash); found; found &= found - 1)
			if (b->slot[__builtin_ctz(found)] == slot) {
				b->slot[__builtin_ctz(found)] = by;
				return;
			}
	}
}
