/* test_losses.c - spans of time in which frames were lost. */
#include <criterion/criterion.h>

#include "engine/losses.h"

Test(losses, nothing)
{
	struct losses l = {0};
	cr_assert_not(losses_within(&l, 0, INT64_MAX));
}

Test(losses, ends_are_included)
{
	struct losses l = {0};
	losses_add(&l, 10, 20);
	losses_add(&l, 30, 30);
	static const struct {
		int64_t from, to;
		bool within;
	} cases[] = {{0, 9, false}, {0, 10, true}, {12, 13, true}, {20, 21, true}, {21, 29, false}, {21, 30, true}, {30, 30, true}, {31, 99, false}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_assert_eq(losses_within(&l, cases[i].from, cases[i].to), cases[i].within, "case %zu", i);
}

Test(losses, what_touches_is_one)
{
	struct losses l = {0};
	losses_add(&l, 10, 20);
	losses_add(&l, 20, 25);
	losses_add(&l, 25, 25);
	cr_assert_eq(l.count, 1);
	cr_assert(losses_within(&l, 25, 25));
}

/* However many, none is forgotten; the nearest pair becomes one. */
Test(losses, room)
{
	struct losses l = {0};
	for (int64_t i = 0; i < LOSSES_MOST; i++)
		losses_add(&l, i * 1000, i * 1000 + 1);
	losses_add(&l, LOSSES_MOST * 1000 - 500, LOSSES_MOST * 1000 - 500);
	cr_assert_eq(l.count, LOSSES_MOST);
	cr_assert(losses_within(&l, 500, 500), "between the first two, all being equally far apart");
	losses_add(&l, 100000, 100000);
	cr_assert_eq(l.count, LOSSES_MOST);
	cr_assert(losses_within(&l, LOSSES_MOST * 1000 - 700, LOSSES_MOST * 1000 - 600), "between those 499 apart");
	cr_assert_not(losses_within(&l, 2002, 2999));
	for (int64_t i = 0; i < 10000; i++)
		losses_add(&l, 200000 + i * i, 200000 + i * i);
	cr_assert_eq(l.count, LOSSES_MOST);
	for (int64_t i = 0; i < 10000; i++)
		cr_assert(losses_within(&l, 200000 + i * i, 200000 + i * i));
	cr_assert(losses_within(&l, 0, 0));
}
