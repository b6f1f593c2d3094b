/* flow_key.c - the words of a hash's key, out of a short secret: SipHash-1-3 (Aumasson, Bernstein) of their numbers. */
#include "flow_key.h"

static inline uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* Of the eight octets of one word. */
static uint64_t sip_hash(const uint64_t key[2], uint64_t word)
{
	const uint64_t words[2] = {word, UINT64_C(8) << 56};
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
	                 key[1] ^ 0x7465646279746573u};

	for (unsigned i = 0; i < 2; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct flow_key flow_key(const uint8_t secret[16])
{
	uint64_t seed[2];
	struct flow_key key;

	memcpy(seed, secret, sizeof seed);
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		key.word[i] = sip_hash(seed, i);
	return key;
}
