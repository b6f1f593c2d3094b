/* isn.h - the initial sequence numbers that a host has chosen lately: can the next one be told from them?
 *
 * RFC 9293 3.4.1 (SHLD-1, MUST-9): ISN = M + F(socket pair, secret), so on another socket pair the number says nothing.  Kept by
 * host and network in a table that never grows: what finds its place taken by another one takes it over, and what was still of
 * use there is counted. */
#ifndef ISN_H
#define ISN_H

#include "connection.h"

#define ISN_PLACES 1024
#define ISN_WAYS   4             /* places where a host may be found */
#define ISN_MANY   8             /* connections on as many socket pairs are needed */
#define ISN_WITHIN 60000000000ll /* ns between the first of them and the last */
#define ISN_SMALL  65536         /* numbers below it all */

struct isns {
	uint32_t tag[ISN_PLACES]; /* of the place; looked at first, since they lie together */
	struct isn_host {
		struct tcpaudit_address address;
		uint32_t network;
		uint16_t vlan;
		uint8_t ip_version;
		bool used;
		bool told; /* once in ISN_WITHIN */
		uint8_t count;
		int64_t told_at;
		struct isn {
			int64_t time; /* of the SYN, ns */
			tcp_seq iss;
			uint32_t pair; /* hash of its socket pair */
		} recent[ISN_MANY];    /* by time; the newest ones */
	} host[ISN_PLACES];
};

/* The ISS that one end of a connection has chosen, and when. */
struct isn_chosen {
	int64_t time;
	tcp_seq iss;
	uint32_t pair; /* hash of the socket pair */
	struct tcpaudit_address address;
	uint32_t network;
	uint16_t vlan;
	uint8_t ip_version;
};

/* `pair`: the hash of its socket pair. */
void isn_choose(struct isn_chosen *chosen, const struct connection *c, uint32_t pair, unsigned end, int64_t time);

/* Counts the ISS of one end of a connection whose handshake was captured and is over: a scanner's own numbers, which are not its
 * host's stack's, are none of its host's.  The habit that it shows, whose `end` is the caller's: told once in ISN_WITHIN.
 * `forgotten` counts hosts that were lost to others. */
struct isn_habit isn_count(struct isns *isns, const struct flow_table *table, const struct isn_chosen *chosen, uint64_t *forgotten);

#endif
