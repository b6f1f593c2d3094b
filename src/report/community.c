/* community.c - Community ID: base64 of SHA-1 over seed, addresses, protocol and ports, the smaller socket first.
 *
 * What is hashed is 16 or 40 octets, so it always fits one block: the SHA-1 here is one compression (FIPS 180-4, 6.1.2), by the
 * processor's own instructions where it has them: each record of a connection needs one.
 * nDPI 4.2 orders the sockets wrongly when both addresses are equal, so its function is of no use here. */
#include "report/community.h"

#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void put_be32(uint8_t *p, uint32_t n)
{
	p[0] = (uint8_t)(n >> 24);
	p[1] = (uint8_t)(n >> 16);
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Twenty rounds with one of the functions of FIPS 180-4, 4.1.1. */
#define ROUNDS(first, function, constant)                                                                                        \
	for (unsigned t = first; t < first + 20; t++) {                                                                          \
		uint32_t next = rotate(a, 5) + (function) + e + constant + w[t];                                                 \
		e = d;                                                                                                           \
		d = c;                                                                                                           \
		c = rotate(b, 30);                                                                                               \
		b = a;                                                                                                           \
		a = next;                                                                                                        \
	}

/* SHA-1 of a message that was padded to one block. */
static void sha1_block(uint8_t digest[20], const uint8_t block[64])
{
	uint32_t w[80], a = initial[0], b = initial[1], c = initial[2], d = initial[3], e = initial[4];

	for (unsigned t = 0; t < 16; t++)
		w[t] = get_be32(block + 4 * t);
	for (unsigned t = 16; t < 80; t++)
		w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	ROUNDS(0, d ^ (b & (c ^ d)), 0x5a827999)
	ROUNDS(20, b ^ c ^ d, 0x6ed9eba1)
	ROUNDS(40, (b & c) | (d & (b | c)), 0x8f1bbcdc)
	ROUNDS(60, b ^ c ^ d, 0xca62c1d6)
	put_be32(digest, initial[0] + a);
	put_be32(digest + 4, initial[1] + b);
	put_be32(digest + 8, initial[2] + c);
	put_be32(digest + 12, initial[3] + d);
	put_be32(digest + 16, initial[4] + e);
}

#ifdef __x86_64__
/* Four rounds: the vector `abcd` has a in its highest lane, and each of `w` four words of the schedule, the first in the highest. */
#define FOUR_ROUNDS(g, function)                                                                                                 \
	if ((g) >= 4)                                                                                                            \
		w[(g) % 4] = _mm_sha1msg2_epu32(                                                                                 \
		        _mm_xor_si128(_mm_sha1msg1_epu32(w[(g) % 4], w[((g) + 1) % 4]), w[((g) + 2) % 4]), w[((g) + 3) % 4]);    \
	e = (g) == 0 ? _mm_add_epi32(e, w[0]) : _mm_sha1nexte_epu32(before, w[(g) % 4]);                                         \
	before = abcd;                                                                                                           \
	abcd = _mm_sha1rnds4_epu32(abcd, e, function);
#define TWENTY_ROUNDS(g, function)                                                                                               \
	FOUR_ROUNDS(g, function)                                                                                                 \
	FOUR_ROUNDS((g) + 1, function)                                                                                           \
	FOUR_ROUNDS((g) + 2, function)                                                                                           \
	FOUR_ROUNDS((g) + 3, function)                                                                                           \
	FOUR_ROUNDS((g) + 4, function)

__attribute__((target("sha,sse4.1"))) static void sha1_block_by_processor(uint8_t digest[20], const uint8_t block[64])
{
	const __m128i reversed = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	const __m128i first = _mm_set_epi32((int)initial[0], (int)initial[1], (int)initial[2], (int)initial[3]);
	const __m128i fifth = _mm_set_epi32((int)initial[4], 0, 0, 0);
	__m128i abcd = first, e = fifth, before = first, w[4];

	for (unsigned i = 0; i < 4; i++)
		w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i)), reversed);
	TWENTY_ROUNDS(0, 0)
	TWENTY_ROUNDS(5, 1)
	TWENTY_ROUNDS(10, 2)
	TWENTY_ROUNDS(15, 3)
	e = _mm_sha1nexte_epu32(before, fifth);
	_mm_storeu_si128((__m128i *)(void *)digest, _mm_shuffle_epi8(_mm_add_epi32(abcd, first), reversed));
	put_be32(digest + 16, (uint32_t)_mm_extract_epi32(e, 3));
}

/* Whether this processor has the instructions above.  CPUID is slow, above all in a virtual machine, so it is asked once. */
static bool has_sha1(void)
{
	static int known; /* 0 not yet, 1 no, 2 yes */
	int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (answer == 0) {
		unsigned a, b, c, d;
		bool sse = __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSE4_1 && c & bit_SSSE3;

		answer = sse && __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1 ? 2 : 1;
		__atomic_store_n(&known, answer, __ATOMIC_RELAXED);
	}
	return answer == 2;
}
#endif

static void sha1(uint8_t digest[20], const uint8_t block[64], bool plainly)
{
#ifdef __x86_64__
	if (!plainly && has_sha1()) {
		sha1_block_by_processor(digest, block);
		return;
	}
#endif
	(void)plainly;
	sha1_block(digest, block);
}

static void base64(char *out, const uint8_t digest[21])
{
	static const char letter[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (unsigned i = 0; i < 21; i += 3) {
		uint32_t n = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 | digest[i + 2];

		*out++ = letter[n >> 18];
		*out++ = letter[n >> 12 & 63];
		*out++ = letter[n >> 6 & 63];
		*out++ = letter[n & 63];
	}
	out[-1] = '='; /* 20 octets: the last one of the 21 is padding */
	*out = '\0';
}

static void identify(char out[COMMUNITY_ID], const struct tcpaudit_end end[2], unsigned ip_version, bool plainly)
{
	size_t size = ip_version == 6 ? 16 : 4, at = 2;
	uint8_t block[64] = {0}, digest[21] = {0};
	int order = memcmp(end[0].address.byte, end[1].address.byte, size);
	unsigned first = order > 0 || (order == 0 && end[0].port >= end[1].port);

	memcpy(block + at, end[first].address.byte, size);
	memcpy(block + at + size, end[!first].address.byte, size);
	at += 2 * size;
	block[at++] = 6;
	at++;
	put_be32(block + at, (uint32_t)end[first].port << 16 | end[!first].port);
	at += 4;
	block[at] = 0x80;
	put_be32(block + 60, (uint32_t)at * 8);
	sha1(digest, block, plainly);
	out[0] = '1';
	out[1] = ':';
	base64(out + 2, digest);
}

void community_id(char out[COMMUNITY_ID], const struct tcpaudit_end end[2], unsigned ip_version)
{
	identify(out, end, ip_version, false);
}

void community_id_plainly(char out[COMMUNITY_ID], const struct tcpaudit_end end[2], unsigned ip_version)
{
	identify(out, end, ip_version, true);
}
