/* flow_key.h - what names a connection, and its hash.
 *
 * The hash is keyed: nobody can aim at a bucket.  It runs over the two sockets in canonical order, so that neither direction nor
 * the network decides where a connection is found. */
#ifndef FLOW_KEY_H
#define FLOW_KEY_H

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

/* Fills the canonical pair of a segment; the return value says whether the sender is its second socket. */
bool socket_pair_of(const struct tcpaudit_segment *segment, struct socket_pair *pair);

/* The secret of the hash. */
struct flow_key {
	uint64_t word[2];
};

struct flow_key flow_key(const uint8_t key[16]);
uint32_t flow_key_hash(const struct flow_key *key, const struct socket_pair *pair);

#endif
