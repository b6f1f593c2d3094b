/* test_seq.c - arithmetic modulo 2^32 (RFC 9293 3.4). */
#include <criterion/criterion.h>

#include "seq.h"

/* Where circles are apt to go wrong. */
static const tcp_seq points[] = {0, 1, 2, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 1460, 0xdeadbeef};
#define POINTS (sizeof points / sizeof points[0])

Test(seq, order_is_the_same_everywhere_on_the_circle)
{
	for (size_t i = 0; i < POINTS; i++) {
		tcp_seq p = points[i];
		cr_assert(seq_le(p, p) && seq_ge(p, p) && !seq_lt(p, p) && !seq_gt(p, p));
		for (uint32_t d = 1; d != 0 && d < 0x80000000u; d = d * 2 + 1) {
			tcp_seq q = seq_add(p, d);
			cr_assert(seq_lt(p, q) && seq_le(p, q) && !seq_gt(p, q) && !seq_ge(p, q), "%u + %u", p, d);
			cr_assert(seq_gt(q, p) && seq_ge(q, p) && !seq_lt(q, p) && !seq_le(q, p), "%u + %u", p, d);
			cr_assert_eq(seq_diff(q, p), (int32_t)d);
			cr_assert_eq(seq_diff(p, q), -(int32_t)d);
			cr_assert_eq(seq_max(p, q), q);
			cr_assert_eq(seq_max(q, p), q);
		}
	}
}

Test(seq, half_of_the_circle_lies_ahead)
{
	for (size_t i = 0; i < POINTS; i++) {
		cr_assert(seq_lt(points[i], seq_add(points[i], 0x7fffffff)));
		cr_assert(seq_gt(points[i], seq_add(points[i], 0x80000001)));
	}
}

Test(seq, within_is_half_open_and_wraps)
{
	for (size_t i = 0; i < POINTS; i++) {
		tcp_seq low = points[i], high = seq_add(low, 100);
		cr_assert(seq_within(low, low, high));
		cr_assert(seq_within(seq_add(low, 99), low, high));
		cr_assert_not(seq_within(high, low, high));
		cr_assert_not(seq_within(seq_add(low, (uint32_t)-1), low, high));
		cr_assert_not(seq_within(low, low, low), "nothing lies in an empty range");
	}
}

Test(seq, within_takes_more_than_half_of_the_circle)
{
	cr_assert(seq_within(0xfffffff0, 0, 0xfffffff1));
	cr_assert_not(seq_within(0xfffffff1, 0, 0xfffffff1));
}

Test(seq, max_of_equals)
{
	for (size_t i = 0; i < POINTS; i++)
		cr_assert_eq(seq_max(points[i], points[i]), points[i]);
}
