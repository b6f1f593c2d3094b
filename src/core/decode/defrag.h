/* defrag.h - IP fragments (RFC 791 3.2, RFC 8200 4.5, RFC 5722).
 *
 * Holds pieces until their datagram is complete, has waited too long, contradicts itself, or room is needed.  Knows
 * nothing of headers: decode.c takes pieces out of packets and looks into the datagrams that come back. */
#ifndef DEFRAG_H
#define DEFRAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tcpaudit/segment.h>

#define DEFRAG_DATAGRAMS 4096                 /* held at once */
#define DEFRAG_BYTES     ((size_t)16 << 20)   /* held at most, including those completed in this batch */
#define DEFRAG_PIECES    256                  /* of one datagram: 64 KiB over links of 296 octets */
#define DEFRAG_WAIT      INT64_C(30000000000) /* ns, as Linux waits */

struct defrag;

/* What says to which datagram a piece belongs. */
struct datagram_key {
	struct tcpaudit_address src;
	struct tcpaudit_address dst;
	uint32_t id;
	uint32_t network; /* as in struct tcpaudit_segment */
	uint16_t vlan;
	uint8_t version;
	uint8_t protocol; /* IPv4 only; 0 for IPv6, whose pieces may differ in it */
};

struct piece {
	struct datagram_key key;
	const uint8_t *data; /* all of it was captured */
	uint32_t len;
	uint16_t offset;  /* octets */
	bool more;        /* the M flag */
	uint8_t protocol; /* of what follows; that of the first piece counts */
	int64_t time;     /* of its frame, ns */
	int64_t clock;    /* packet time when it came */
};

/* A whole datagram without its IP header; valid until defrag_release(). */
struct datagram {
	const uint8_t *data;
	size_t len;
	uint8_t protocol;
};

enum defrag_result {
	DEFRAG_KEPT,      /* more pieces are needed */
	DEFRAG_WHOLE,     /* this piece completed *whole */
	DEFRAG_LOST,      /* this piece is of no use: malformed, or it contradicts the others */
	DEFRAG_NO_MEMORY, /* this piece could not be kept */
};

/* NULL when out of memory. */
struct defrag *defrag_new(void);
/* From now on it holds so many bytes at most, where that is less than DEFRAG_BYTES. */
void defrag_limit(struct defrag *defrag, size_t bytes);

/* Accepts NULL. */
void defrag_free(struct defrag *defrag);

/* Copies the piece. */
enum defrag_result defrag_add(struct defrag *defrag, const struct piece *piece, struct datagram *whole);

/* Frees the datagrams that were returned whole. */
void defrag_release(struct defrag *defrag);

/* Gives up datagrams whose first piece came more than DEFRAG_WAIT before `now`; INT64_MAX: all. */
void defrag_expire(struct defrag *defrag, int64_t now);

/* How many pieces answered with DEFRAG_KEPT have been lost since the last call. */
uint64_t defrag_take_lost(struct defrag *defrag);

/* How many of them may still be completed. */
uint64_t defrag_waiting(const struct defrag *defrag);

/* Bytes held. */
size_t defrag_memory(const struct defrag *defrag);

#endif
