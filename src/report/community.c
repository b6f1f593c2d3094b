/* community.c - Community ID: base64 of SHA-1 over seed, addresses, protocol and ports, the smaller socket first.
 *
 * What is hashed is 16 or 40 octets, so it always fits one block: the SHA-1 here is one compression (FIPS 180-4, 6.1.2).
 * nDPI 4.2 orders the sockets wrongly when both addresses are equal, so its function is of no use here. */
#include "report/community.h"

#include <string.h>

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
	static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
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

void community_id(char out[COMMUNITY_ID], const struct tcpaudit_end end[2], unsigned ip_version)
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
	sha1_block(digest, block);
	out[0] = '1';
	out[1] = ':';
	base64(out + 2, digest);
}
