/* flow_key.h - what names a connection, and its hash.
 *
 * The hash is keyed: nobody can aim at a bucket.  It runs over the two sockets in canonical order, so that neither direction nor
 * the network decides where a connection is found.  Both are done for every segment, and so are here to be inlined. */
#ifndef FLOW_KEY_H
#define FLOW_KEY_H

#include <string.h>

#include <tcpaudit/segment.h>

/* The two sockets that name a connection, in canonical order, and the tunnel and VLAN that tell equal ones apart. */
struct socket_pair {
	struct tcpaudit_address address[2];
	uint16_t port[2];
	uint32_t network;
	uint16_t vlan;
	uint8_t ip_version;
	uint8_t pad;
};

/* Whose order it is does not matter, only that it is always the same: that of addresses, as numbers of this machine. */
static inline bool socket_pair_is_crossed(const struct tcpaudit_segment *s)
{
	uint64_t src[2], dst[2];

	memcpy(src, &s->src, sizeof src);
	memcpy(dst, &s->dst, sizeof dst);
	if (src[0] != dst[0])
		return src[0] > dst[0];
	return src[1] != dst[1] ? src[1] > dst[1] : s->src_port > s->dst_port;
}

/* The canonical pair of a segment whose sender is its second socket, or not.  Nobody can foresee that: so there is no branch, even
 * where the compiler would see one; and each part goes where it belongs, since whoever copies a pair that was just put together has to
 * wait for its parts. */
static inline void socket_pair_fill(struct socket_pair *p, const struct tcpaudit_segment *s, bool crossed)
{
	const uint64_t swap = -(uint64_t)crossed;
	const uint16_t ports = (uint16_t)((s->src_port ^ s->dst_port) & swap);
	uint64_t src[2], dst[2];

	memcpy(src, &s->src, sizeof src);
	memcpy(dst, &s->dst, sizeof dst);
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t both = (src[i] ^ dst[i]) & swap;
		src[i] ^= both;
		dst[i] ^= both;
	}
	memcpy(&p->address[0], src, sizeof src);
	memcpy(&p->address[1], dst, sizeof dst);
	p->port[0] = s->src_port ^ ports;
	p->port[1] = s->dst_port ^ ports;
	p->network = s->network;
	p->vlan = s->vlan;
	p->ip_version = s->ip_version;
	p->pad = 0;
}

/* Fills the canonical pair of a segment; the return value says whether the sender is its second socket. */
static inline bool socket_pair_of(const struct tcpaudit_segment *s, struct socket_pair *p)
{
	const bool crossed = socket_pair_is_crossed(s);

	socket_pair_fill(p, s, crossed);
	return crossed;
}

static inline uint64_t socket_pair_word(const struct socket_pair *p, size_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)p + offset, sizeof word);
	return word;
}

/* Compared word by word.  The last word overlaps the one before. */
static inline bool same_socket_pair(const struct socket_pair *a, const struct socket_pair *b)
{
	const size_t last = sizeof *a - 8;
	uint64_t differs = socket_pair_word(a, last) ^ socket_pair_word(b, last);

	for (size_t offset = 0; offset + 8 <= sizeof *a; offset += 8)
		differs |= socket_pair_word(a, offset) ^ socket_pair_word(b, offset);
	return !differs;
}

#define FLOW_KEY_WORDS 11

/* The secret of the hash. */
struct flow_key {
	uint64_t word[FLOW_KEY_WORDS];
};

/* Of a random secret. */
struct flow_key flow_key(const uint8_t secret[16]);

static inline uint64_t flow_key_part(const uint8_t *p)
{
	uint32_t part;

	memcpy(&part, p, sizeof part);
	return part;
}

/* Multilinear-HM (Lemire, Kaser: Strongly universal string hashing is fast, 2014) over words of 32 bits: whatever two pairs somebody
 * sends who does not know the key, they meet no more often than by chance, and so do many.  SipHash would withstand one who sees
 * hashes, too, but nobody does, and it takes six times the instructions. */
static inline uint64_t flow_key_sum(const struct flow_key *key, const uint16_t port[2], uint64_t a, uint64_t b)
{
	const uint64_t *m = key->word;

	return m[0] + (m[1] + (uint64_t)((uint32_t)port[0] << 16 | port[1])) * m[2] + (m[3] + a) * (m[4] + b);
}

static inline uint32_t flow_key_end(uint64_t sum)
{
	uint32_t x = (uint32_t)(sum >> 32);

	x ^= x >> 16; /* still as likely as any other; sums of steps, as ports in a row make, are mixed */
	x *= 0x7feb352du;
	return x ^ x >> 15;
}

static inline uint32_t flow_key_hash(const struct flow_key *key, const struct socket_pair *p)
{
	const uint64_t *m = key->word;
	const uint8_t *a = p->address[0].byte, *b = p->address[1].byte;
	uint64_t h = flow_key_sum(key, p->port, flow_key_part(a), flow_key_part(b));

	if (p->ip_version != 4)
		for (unsigned i = 1; i < 4; i++)
			h += (m[3 + 2 * i] + flow_key_part(a + 4 * i)) * (m[4 + 2 * i] + flow_key_part(b + 4 * i));
	return flow_key_end(h);
}

#endif
