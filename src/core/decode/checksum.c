/* checksum.c - verifies the checksum of a TCP segment (RFC 9293 3.1, RFC 1071), and tells what offload left in it.
 *
 * Whether a bad one matters is the connection's question. */
#include "checksum.h"

#include "decode.h"
#include "wire.h"
#include "aside.h"

/* The last 1 to 8 octets of many, as if zeros came behind them: what is read along before them is shifted out. */
static uint64_t last_octets(const uint8_t *end, size_t n)
{
	const uint64_t word = get_native64(end - 8);
	const unsigned others = -8 * (unsigned)n % 64; /* bits */

	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word >> others : word << others;
}

/* Words added up, and how often they carried: that is added at the end. */
struct sum {
	uint64_t words;
	uint64_t carries;
};

static inline void add(struct sum *sum, uint64_t word)
{
	sum->words += word;
	sum->carries += sum->words < word;
}

/* Adds octets, 8 at least, in the order of this machine; RFC 1071 2(B) allows any. */
static inline uint64_t sum_octets(uint64_t start, const uint8_t *p, size_t n)
{
	const uint8_t *const end = p + n;
	struct sum even = {.words = start}, odd = {0}; /* neither waits for the other */

	for (; end - p > 32; p += 32) {
		add(&even, get_native64(p));
		add(&odd, get_native64(p + 8));
		add(&even, get_native64(p + 16));
		add(&odd, get_native64(p + 24));
	}
	if (end - p > 16) {
		add(&even, get_native64(p));
		add(&odd, get_native64(p + 8));
		p += 16;
	}
	if (end - p > 8) {
		add(&even, get_native64(p));
		p += 8;
	}
	add(&odd, last_octets(end, (size_t)(end - p)));
	return add_with_carry(add_with_carry(even.words, odd.words), even.carries + odd.carries);
}

static uint32_t network32(uint32_t v)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(v) : v;
}

/* The pseudo header of RFC 9293 3.1, for a segment of `length` octets. */
static uint64_t sum_pseudo_header(const struct tcpaudit_segment *segment, uint32_t length)
{
	const uint8_t *src = segment->src.byte, *dst = segment->dst.byte;
	const uint64_t sum = (uint64_t)network32(length) + network32(PROTOCOL_TCP);

	if (__builtin_expect(segment->ip_version == 4, true))
		return sum + get_native32(src) + get_native32(dst);
	return add_with_carry(add_with_carry(sum, add_with_carry(get_native64(src), get_native64(src + 8))),
	                      add_with_carry(get_native64(dst), get_native64(dst + 8)));
}

/* The sum in 16 bits.  A number and its halves swapped add up to the sum of both halves in the upper one, the carry included. */
static uint16_t fold(uint64_t sum)
{
	sum += sum >> 32 | sum << 32;
	uint32_t half = (uint32_t)(sum >> 32);
	half += half >> 16 | half << 16;
	return (uint16_t)(half >> 16);
}

static inline uint32_t segment_length(const struct tcpaudit_segment *segment)
{
	return segment->header_len + segment->len;
}

/* What is in the field of a checksum that does not hold. */
ASIDE static uint16_t what_else(const struct tcpaudit_segment *segment)
{
	const uint32_t length = segment_length(segment);
	uint16_t field;

	/* Offload wants the sum of the pseudo header in the field; for segments to be cut (NDIS LSO) with length 0. */
	memcpy(&field, segment->header + 16, sizeof field);
	if (field == fold(sum_pseudo_header(segment, length)) || field == fold(sum_pseudo_header(segment, 0)))
		return TCPAUDIT_SAW_CHECKSUM_PARTIAL;
	/* A length taken from the frame may include its padding. */
	if ((segment->noticed & TCPAUDIT_SAW_LENGTH_GUESSED) != 0)
		return TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	return TCPAUDIT_SAW_CHECKSUM_BAD;
}

uint16_t segment_verify(const struct tcpaudit_segment *segment)
{
	const uint32_t length = segment_length(segment);

	if (segment->unusable != TCPAUDIT_UNUSABLE_NONE || (segment->noticed & TCPAUDIT_SAW_CUT) != 0)
		return TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	if (checksum_holds(sum_octets(sum_pseudo_header(segment, length), segment->header, length)))
		return 0;
	return what_else(segment);
}
