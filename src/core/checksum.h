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

/* The sum in 16 bits; of octets and their checksum: 0xffff.  A number and its halves swapped add up to the sum of both halves in the
 * upper one, the carry included. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	sum += sum >> 32 | sum << 32;
	uint32_t half = (uint32_t)(sum >> 32);
	half += half >> 16 | half << 16;
	return (uint16_t)(half >> 16);
}

/* Of `units` times 4 octets, 5 at least. */
static inline bool ip_checksum_holds(const uint8_t *p, size_t units)
{
	uint64_t sum = (uint64_t)get_native32(p) + get_native32(p + 4) + get_native32(p + 8) + get_native32(p + 12) +
	               get_native32(p + 16);

	for (size_t i = 5; i < units; i++)
		sum += get_native32(p + i * 4);
	return checksum_fold(sum) == 0xffff;
}

#endif
