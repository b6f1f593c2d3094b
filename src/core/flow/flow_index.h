/* flow_index.h - from a hash to the slots of those who have it.
 *
 * Buckets of one cache line each: seven pairs of hash tag and slot.  What has no room in its own lies further on.  When it
 * doubles, each new entry takes a few old ones along: nobody waits for all of them. */
#ifndef FLOW_INDEX_H
#define FLOW_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define WAYS 7

struct bucket {
	uint32_t tag[WAYS];
	uint32_t slot[WAYS];
	uint32_t passed; /* how many entries that belong here, or before, lie further on */
	uint32_t used;   /* bits */
};

struct index_side {
	struct bucket *bucket;
	uint32_t buckets; /* power of two */
	uint32_t indexed;
};

struct flow_index {
	struct index_side now;
	struct index_side old; /* what is yet to be moved, while it grows; without buckets: nothing */
	uint32_t moved;        /* home buckets of old whose entries are in now */
};

static inline uint32_t index_home(const struct index_side *side, uint32_t hash)
{
	return hash & (side->buckets - 1);
}

/* Where an entry is, or belongs. */
static inline const struct index_side *index_side_of(const struct flow_index *x, uint32_t hash)
{
	return __builtin_expect(x->old.bucket != NULL, false) && index_home(&x->old, hash) >= x->moved ? &x->old : &x->now;
}

/* Where an entry lies that has no room in bucket i: first its neighbour, which is in the same pair of cache lines. */
static inline uint32_t index_behind(const struct index_side *side, uint32_t hash, uint32_t i)
{
	uint32_t home = index_home(side, hash);

	if (i == home)
		return home ^ 1;
	return (i == (home ^ 1) ? (home | 1) + 1 : i + 1) & (side->buckets - 1);
}

/* A search for all entries with a hash. */
struct probe {
	const struct index_side *side;
	uint32_t bucket;
	uint32_t left;  /* behind */
	unsigned found; /* in this bucket: bits */
};

/* Which entries of a bucket have the tag; without a branch, since nobody can foresee where one lies. */
static inline unsigned index_matches(const struct bucket *b, uint32_t hash)
{
	unsigned found = 0;

#ifdef __SSE2__
	const __m128i tag = _mm_set1_epi32((int)hash), *four = (const __m128i *)b; /* the eighth is none: `used` knows */

	for (int k = 0; k < 2; k++)
		found |= (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(four[k], tag))) << 4 * k;
#else
#pragma GCC unroll 7
	for (unsigned k = 0; k < WAYS; k++)
		found |= (unsigned)(b->tag[k] == hash) << k;
#endif
	return found & b->used;
}

static inline struct probe index_probe(const struct flow_index *x, uint32_t hash)
{
	const struct index_side *side = index_side_of(x, hash);
	uint32_t home = index_home(side, hash);

	return (struct probe){
	        .side = side, .bucket = home, .left = side->buckets - 1, .found = index_matches(&side->bucket[home], hash)};
}

/* Is there another one?  Then it is *slot. */
static inline bool index_next(uint32_t hash, struct probe *p, uint32_t *slot)
{
	const struct bucket *bucket = p->side->bucket;

	while (!p->found) {
		if (!bucket[p->bucket].passed || !p->left--)
			return false;
		p->bucket = index_behind(p->side, hash, p->bucket);
		p->found = index_matches(&bucket[p->bucket], hash);
	}
	*slot = bucket[p->bucket].slot[__builtin_ctz(p->found)];
	p->found &= p->found - 1;
	return true;
}

/* Of a zeroed one.  False when out of memory. */
bool index_init(struct flow_index *index);
void index_free(struct flow_index *index);

/* Bytes of one that is empty. */
size_t index_least_memory(void);

size_t index_memory(const struct flow_index *index);

/* Buckets begin to overflow; searches have become long. */
bool index_crowded(const struct flow_index *index);
bool index_crammed(const struct flow_index *index);

/* Begins to double it; index_put() goes on.  False when out of memory: then it stays as it is. */
bool index_double(struct flow_index *index);

/* It must not be full. */
void index_put(struct flow_index *index, uint32_t hash, uint32_t slot);

/* They must be there. */
void index_take(struct flow_index *index, uint32_t hash, uint32_t slot);
void index_replace(struct flow_index *index, uint32_t hash, uint32_t slot, uint32_t by);

/* Has it no place left at all? */
static inline bool index_full(const struct flow_index *x)
{
	return !x->old.bucket && x->now.indexed == x->now.buckets * WAYS;
}

#endif
