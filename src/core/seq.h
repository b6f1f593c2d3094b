/* seq.h - sequence numbers, RFC 9293 3.4: arithmetic modulo 2^32.
 *
 * The only place that subtracts or compares them; a test greps for offenders. */
#ifndef SEQ_H
#define SEQ_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t tcp_seq;

/* a - b, as the signed distance on the circle. */
static inline int32_t seq_diff(tcp_seq a, tcp_seq b)
{
	return (int32_t)(a - b);
}

static inline bool seq_lt(tcp_seq a, tcp_seq b)
{
	return seq_diff(a, b) < 0;
}

static inline bool seq_le(tcp_seq a, tcp_seq b)
{
	return seq_diff(a, b) <= 0;
}

static inline bool seq_gt(tcp_seq a, tcp_seq b)
{
	return seq_diff(a, b) > 0;
}

static inline bool seq_ge(tcp_seq a, tcp_seq b)
{
	return seq_diff(a, b) >= 0;
}

static inline tcp_seq seq_add(tcp_seq a, uint32_t n)
{
	return a + n;
}

/* low <= s < high */
static inline bool seq_within(tcp_seq s, tcp_seq low, tcp_seq high)
{
	return (uint32_t)(s - low) < (uint32_t)(high - low);
}

static inline tcp_seq seq_max(tcp_seq a, tcp_seq b)
{
	return seq_lt(a, b) ? b : a;
}

#endif
