/* flow_order.c - see flow_order.h.  Ages and slots share a word; the words are sorted where they are, octet by octet. */
#include "flow_order.h"

#define SLOT_BITS 31
#define MOST_AGE  ((UINT64_C(1) << (64 - SLOT_BITS)) - 1)
#define FEW       32

static void insert_sorted(uint64_t *a, uint64_t n)
{
	for (uint64_t i = 1; i < n; i++) {
		uint64_t element = a[i], at = i;
		for (; at && a[at - 1] > element; at--)
			a[at] = a[at - 1];
		a[at] = element;
	}
}

static void sort(uint64_t *a, uint64_t n, unsigned shift);

/* Each element goes to the part of its octet, and what was there goes on likewise. */
static void sort_many(uint64_t *a, uint64_t n, unsigned shift)
{
	uint64_t end[256] = {0}, next[256], begin = 0;

	for (uint64_t i = 0; i < n; i++)
		end[a[i] >> shift & 255]++;
	for (unsigned k = 0; k < 256; k++) {
		next[k] = begin;
		begin = end[k] += begin;
	}
	for (unsigned k = 0; k < 256; k++)
		while (next[k] < end[k]) {
			uint64_t element = a[next[k]], other;
			for (unsigned home; (home = element >> shift & 255) != k; element = other) {
				other = a[next[home]];
				a[next[home]++] = element;
			}
			a[next[k]++] = element;
		}
	for (unsigned k = 0; shift && k < 256; k++) {
		uint64_t from = k ? end[k - 1] : 0;
		sort(a + from, end[k] - from, shift - 8);
	}
}

/* Most parts are small: for those, the counts of all octets would cost more than sorting does. */
static void sort(uint64_t *a, uint64_t n, unsigned shift)
{
	if (n > FEW)
		sort_many(a, n, shift);
	else
		insert_sorted(a, n);
}

uint64_t flow_order(const struct flow_table *table, uint64_t *out)
{
	uint64_t n = 0, oldest = UINT64_MAX;
	uint32_t cursor = 0, slot;

	while ((slot = flow_next(table, &cursor)) != SLOT_NONE)
		if (flow_entry(table, slot)->id < oldest)
			oldest = flow_entry(table, slot)->id;
	for (cursor = 0; (slot = flow_next(table, &cursor)) != SLOT_NONE;) {
		uint64_t age = flow_entry(table, slot)->id - oldest;
		out[n++] = (age < MOST_AGE ? age : MOST_AGE) << SLOT_BITS | slot;
	}
	sort(out, n, 56);
	return n;
}
