/* flow_index.h - from a hash to the slots of those who have it.
 *
 * Buckets of one cache line each: seven pairs of hash tag and slot.  What has no room in its own lies further on. */
#ifndef FLOW_INDEX_H
#define FLOW_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAYS      7
#define HUGE_PAGE ((size_t)2 << 20)

struct bucket {
	uint32_t tag[WAYS];
	uint32_t slot[WAYS];
	uint32_t passed; /* how many entries that belong here, or before, lie further on */
	uint32_t used;   /* bits */
};

struct flow_index {
	struct bucket *bucket;
	uint32_t buckets; /* power of two */
	uint32_t indexed;
};

static inline uint32_t index_home(const struct flow_index *x, uint32_t hash)
{
	return hash & (x->buckets - 1);
}

/* Where an entry lies that has no room in bucket i: first its neighbour, which is in the same pair of cache lines. */
static inline uint32_t index_behind(const struct flow_index *x, uint32_t hash, uint32_t i)
{
	uint32_t home = index_home(x, hash);

	if (i == home)
		return home ^ 1;
	return (i == (home ^ 1) ? (home | 1) + 1 : i + 1) & (x->buckets - 1);
}

/* A search for all entries with a hash. */
struct probe {
	uint32_t bucket;
	uint32_t left;  /* behind */
	unsigned found; /* in this bucket: bits */
};

/* Which entries of a bucket have the tag; without a branch, since nobody can foresee where one lies. */
static inline unsigned index_matches(const struct bucket *b, uint32_t hash)
{
	unsigned found = 0;

#pragma GCC unroll 7
	for (unsigned k = 0; k < WAYS; k++)
		found |= (unsigned)(b->tag[k] == hash) << k;
	return found & b->used;
}

static inline struct probe index_probe(const struct flow_index *x, uint32_t hash)
{
	uint32_t home = index_home(x, hash);

	return (struct probe){.bucket = home, .left = x->buckets - 1, .found = index_matches(&x->bucket[home], hash)};
}

/* Is there another one?  Then it is *slot. */
static inline bool index_next(const struct flow_index *x, uint32_t hash, struct probe *p, uint32_t *slot)
{
	while (!p->found) {
		if (!x->bucket[p->bucket].passed || !p->left--)
			return false;
		p->bucket = index_behind(x, hash, p->bucket);
		p->found = index_matches(&x->bucket[p->bucket], hash);
	}
	*slot = x->bucket[p->bucket].slot[__builtin_ctz(p->found)];
	p->found &= p->found - 1;
	return true;
}

/* Of a zeroed one.  False when out of memory. */
bool index_init(struct flow_index *index);
void index_free(struct flow_index *index);

size_t index_memory(const struct flow_index *index);

/* Buckets begin to overflow; searches have become long. */
bool index_crowded(const struct flow_index *index);
bool index_crammed(const struct flow_index *index);

/* False when out of memory: then it stays as it is.  Both are there while it moves. */
bool index_double(struct flow_index *index);

/* It must not be full. */
void index_put(struct flow_index *index, uint32_t hash, uint32_t slot);

/* They must be there. */
void index_take(struct flow_index *index, uint32_t hash, uint32_t slot);
void index_replace(struct flow_index *index, uint32_t hash, uint32_t slot, uint32_t by);

/* Has it no place left at all? */
static inline bool index_full(const struct flow_index *x)
{
	return x->indexed == x->buckets * WAYS;
}

#endif
