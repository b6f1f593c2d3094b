/* embryo.h - a connection of which nothing but one SYN was seen: all that is known of it, in one cache line and a half.
 *
 * A flood of SYNs from forged sources makes nothing else, so it must cost little to begin one and to forget it.  Whatever comes
 * behind the SYN, its repeat included, makes a whole connection of it (embryo_grow()), the same as if it had been one from the
 * beginning: nobody but the table and the engine knows of embryos. */
#ifndef EMBRYO_H
#define EMBRYO_H

#include "flow.h"

struct embryo {
	struct entry entry; /* no other incarnation is in front of it or behind it */
	int64_t start;
	tcp_seq iss;   /* the rest is its client's block, as far as a SYN can fill it */
	uint32_t fingerprint;
	uint32_t tsval;   /* 0 without timestamps */
	uint32_t tcb;     /* TCB_ bits */
	uint32_t bytes;   /* of its frame on the wire */
	uint32_t apart;   /* as in struct connection */
	uint32_t scopes;  /* of the user's policy, by its frame */
	uint32_t hash;    /* the table's: a flood has no time to compute it again */
	uint32_t elder;   /* likewise: the next older embryo, SLOT_NONE; and the next younger one */
	uint32_t younger;
	uint16_t mss;
	uint16_t ip_id;
	uint8_t wscale;
	uint8_t ttl;
	uint8_t verified;
} __attribute__((aligned(32)));

_Static_assert(sizeof(struct embryo) == 96, "a flood of them is what the table must bear");

/* Is it a SYN of which an embryo can tell all?  Its checksum is looked at if it is to be and was not yet (`verify`). */
bool embryo_tells(struct tcpaudit_segment *segment, bool verify);

/* Fills in what the SYN says, behind a pair and a hash.  `crossed`: the client is the pair's second socket. */
void embryo_begin(struct embryo *embryo, const struct tcpaudit_segment *syn, bool crossed, bool verify);

/* The connection that it would have been, but for the table's links: with everything else zeroed or unknown. */
void embryo_grow(const struct embryo *embryo, struct connection *connection);

#endif
