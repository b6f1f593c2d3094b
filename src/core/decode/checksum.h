/* checksum.h - one's complement sums (RFC 1071): that of the IP header, which every packet needs.
 *
 * That of a TCP segment is segment_verify() of decode.h. */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t get_native32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint64_t get_native64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint64_t add_with_carry(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

/* Is it that of octets and their checksum?  To add carries again is to count modulo 0xffff, whatever the width of what is added and
 * the order of this machine; and what is not 0 never adds up to 0.  A multiple of 0xffff, and no other number, makes a product with
 * its inverse modulo 2^64 that is no larger than the largest quotient. */
static inline bool checksum_holds(uint64_t sum)
{
	const uint64_t largest = UINT64_MAX / 0xffff, inverse = -largest;

	return sum * inverse <= largest;
}

/* Of `units` times 4 octets, 5 at least. */
static inline bool ip_checksum_holds(const uint8_t *p, size_t units)
{
	uint64_t sum = add_with_carry(get_native64(p), get_native64(p + 8));

	for (size_t i = 4; i < units; i++)
		sum = add_with_carry(sum, get_native32(p + i * 4));
	return checksum_holds(sum);
}

#endif
