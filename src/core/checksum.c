/* checksum.c - verifies the checksum of a TCP segment (RFC 9293 3.1, RFC 1071), and tells what offload left in it.
 *
 * Whether a bad one matters is the connection's question. */
#include "checksum.h"

#include "decode.h"
#include "wire.h"

static uint64_t add_with_carry(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

static uint64_t get_native64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint16_t get_native16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* Adds octets, in the order of this machine, to a one's complement sum of 64 bits; RFC 1071 2(B) allows any order. */
static uint64_t sum_octets(uint64_t sum, const uint8_t *p, size_t n)
{
	for (; n >= 32; p += 32, n -= 32) { /* two chains of carries side by side */
		uint64_t a = add_with_carry(get_native64(p), get_native64(p + 8));
		uint64_t b = add_with_carry(get_native64(p + 16), get_native64(p + 24));

		sum = add_with_carry(sum, add_with_carry(a, b));
	}
	for (; n >= 8; p += 8, n -= 8)
		sum = add_with_carry(sum, get_native64(p));
	if (n >= 4) {
		sum = add_with_carry(sum, get_native32(p));
		p += 4;
		n -= 4;
	}
	if (n >= 2) {
		sum = add_with_carry(sum, get_native16(p));
		p += 2;
		n -= 2;
	}
	if (n == 1) {
		const uint8_t padded[2] = {p[0], 0};

		sum = add_with_carry(sum, get_native16(padded));
	}
	return sum;
}

/* The pseudo header of RFC 9293 3.1, for a segment of `length` octets. */
static uint64_t sum_pseudo_header(const struct tcpaudit_segment *segment, uint32_t length)
{
	const uint8_t *src = segment->src.byte, *dst = segment->dst.byte;
	const uint8_t tail[8] = {
	        (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, 0, 0, 0, PROTOCOL_TCP,
	};
	uint64_t sum = get_native64(tail);

	if (segment->ip_version == 4)
		return add_with_carry(sum, (uint64_t)get_native32(src) + get_native32(dst));
	sum = add_with_carry(sum, add_with_carry(get_native64(src), get_native64(src + 8)));
	return add_with_carry(sum, add_with_carry(get_native64(dst), get_native64(dst + 8)));
}

uint16_t segment_verify(const struct tcpaudit_segment *segment)
{
	uint32_t length = segment->header_len + segment->len;
	uint16_t field;
	uint64_t pseudo;

	if (segment->unusable == TCPAUDIT_UNUSABLE_SHORT || segment->unusable == TCPAUDIT_UNUSABLE_OFFSET ||
	    (segment->noticed & TCPAUDIT_SAW_CUT) != 0)
		return TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	pseudo = sum_pseudo_header(segment, length);
	if (checksum_fold(sum_octets(pseudo, segment->header, length)) == 0xffff)
		return 0;
	/* Offload wants the sum of the pseudo header in the field; for segments to be cut (NDIS LSO) with length 0. */
	memcpy(&field, segment->header + 16, sizeof field);
	if (field == checksum_fold(pseudo) || field == checksum_fold(sum_pseudo_header(segment, 0)))
		return TCPAUDIT_SAW_CHECKSUM_PARTIAL;
	/* A length taken from the frame may include its padding. */
	if ((segment->noticed & TCPAUDIT_SAW_LENGTH_GUESSED) != 0)
		return TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	return TCPAUDIT_SAW_CHECKSUM_BAD;
}
