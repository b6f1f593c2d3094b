/* flow_key.c - SipHash-1-3 (Aumasson, Bernstein) over the sockets of a connection. */
#include "flow_key.h"

#include <string.h>

bool socket_pair_of(const struct tcpaudit_segment *s, struct socket_pair *p)
{
	uint64_t src[2], dst[2];

	/* whose order it is does not matter, only that it is always the same */
	memcpy(src, &s->src, sizeof src);
	memcpy(dst, &s->dst, sizeof dst);
	bool same = src[0] == dst[0] && src[1] == dst[1];
	bool crossed = same ? s->src_port > s->dst_port : src[0] > dst[0] || (src[0] == dst[0] && src[1] > dst[1]);

	p->address[crossed] = s->src;
	p->address[!crossed] = s->dst;
	p->port[crossed] = s->src_port;
	p->port[!crossed] = s->dst_port;
	p->network = s->network;
	p->vlan = s->vlan;
	p->ip_version = s->ip_version;
	p->pad = 0;
	return crossed;
}

static inline uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

__attribute__((always_inline)) static inline void sip_round(uint64_t v[4])
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

/* SipHash-1-3 over whole words and `tail`, four octets behind them. */
__attribute__((always_inline)) static inline uint64_t sip_hash(const uint64_t key[2], const uint64_t *word, size_t words, uint32_t tail)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
	                 key[1] ^ 0x7465646279746573u};
	for (size_t i = 0; i < words; i++) {
		v[3] ^= word[i];
		sip_round(v);
		v[0] ^= word[i];
	}
	uint64_t last = (uint64_t)(words * 8 + 4) << 56 | tail;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct flow_key flow_key(const uint8_t key[16])
{
	struct flow_key words;

	memcpy(words.word, key, sizeof words.word);
	return words;
}

uint32_t flow_key_hash(const struct flow_key *key, const struct socket_pair *p)
{
	uint64_t word[4];
	uint32_t ports = (uint32_t)p->port[0] << 16 | p->port[1];
	uint64_t h;

	if (p->ip_version == 4) {
		uint32_t a, b;
		memcpy(&a, &p->address[0], 4);
		memcpy(&b, &p->address[1], 4);
		word[0] = (uint64_t)a << 32 | b;
		h = sip_hash(key->word, word, 1, ports);
	} else {
		memcpy(word, p->address, 32);
		h = sip_hash(key->word, word, 4, ports);
	}
	return (uint32_t)(h ^ h >> 32);
}
