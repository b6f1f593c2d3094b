/* flow_index.c - see flow_index.h. */
#include "flow_index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LEAST     1024 /* buckets */

/* It is visited at random: huge pages spare the misses of the address translation. */
static struct bucket *buckets_new(uint32_t count)
{
	size_t size = count * sizeof(struct bucket);
	struct bucket *b = aligned_alloc(size < HUGE_PAGE ? 64 : HUGE_PAGE, size);

	if (b && size >= HUGE_PAGE)
		madvise(b, size, MADV_HUGEPAGE);
	if (b)
		memset(b, 0, size);
	return b;
}

bool index_init(struct flow_index *x)
{
	x->buckets = LEAST;
	x->bucket = buckets_new(x->buckets);
	return x->bucket;
}

void index_free(struct flow_index *x)
{
	free(x->bucket);
	x->bucket = NULL;
}

size_t index_memory(const struct flow_index *x)
{
	return x->bucket ? x->buckets * sizeof *x->bucket : 0;
}

bool index_crowded(const struct flow_index *x)
{
	return x->indexed >= x->buckets / 4 * WAYS * 3;
}

bool index_crammed(const struct flow_index *x)
{
	return x->indexed >= x->buckets / 8 * WAYS * 7;
}

bool index_double(struct flow_index *x)
{
	struct flow_index grown = {.bucket = x->buckets < 1u << 30 ? buckets_new(x->buckets * 2) : NULL, .buckets = x->buckets * 2};

	if (!grown.bucket)
		return false;
	for (uint32_t i = 0; i < x->buckets; i++)
		for (unsigned k = 0; k < WAYS; k++)
			if (x->bucket[i].used >> k & 1)
				index_put(&grown, x->bucket[i].tag[k], x->bucket[i].slot[k]);
	free(x->bucket);
	*x = grown;
	return true;
}

void index_put(struct flow_index *x, uint32_t hash, uint32_t slot)
{
	for (uint32_t i = index_home(x, hash);; i = index_behind(x, hash, i)) {
		struct bucket *b = &x->bucket[i];
		if (b->used == (1u << WAYS) - 1) {
			b->passed++;
			continue;
		}
		unsigned k = (unsigned)__builtin_ctz(~b->used);
		b->tag[k] = hash;
		b->slot[k] = slot;
		b->used |= 1u << k;
		x->indexed++;
		return;
	}
}

void index_take(struct flow_index *x, uint32_t hash, uint32_t slot)
{
	for (uint32_t i = index_home(x, hash);; i = index_behind(x, hash, i)) {
		struct bucket *b = &x->bucket[i];
		for (unsigned found = index_matches(b, hash); found; found &= found - 1) {
			if (b->slot[__builtin_ctz(found)] != slot)
				continue;
			b->used &= ~(found & -found);
			x->indexed--;
			return;
		}
		b->passed--;
	}
}

void index_replace(struct flow_index *x, uint32_t hash, uint32_t slot, uint32_t by)
{
	for (uint32_t i = index_home(x, hash);; i = index_behind(x, hash, i)) {
		struct bucket *b = &x->bucket[i];
		for (unsigned found = index_matches(b, hash); found; found &= found - 1)
			if (b->slot[__builtin_ctz(found)] == slot) {
				b->slot[__builtin_ctz(found)] = by;
				return;
			}
	}
}
