/* measures.h - what a whole capture tells of closing: how long ends stay in CLOSE-WAIT, how many TIME-WAITs a host holds at once,
 * and how the connections of each service end (services.h).
 *
 * Bounded: classes for times, a table of hosts.  What finds no room is counted. */
#ifndef MEASURES_H
#define MEASURES_H

#include "report/services.h"
#include "report/tally.h"

#define MEASURES_HOSTS 1024
#define MEASURES_SLOTS 64 /* of an eighth of 2MSL each */

struct measures_host {
	struct tcpaudit_address address;
	uint8_t ip_version;             /* 0: free */
	int64_t newest;                 /* slot that is known last */
	uint32_t alive[MEASURES_SLOTS]; /* TIME-WAITs that live in a slot, at slot % MEASURES_SLOTS */
	uint32_t peak;
};

struct measures {
	int64_t slot;                   /* ns */
	struct tally_median close_wait; /* ns that ends spent in CLOSE-WAIT, or have been there at the end */
	int64_t close_wait_longest;
	uint64_t close_wait_open;        /* of them, never left */
	uint64_t time_waits;             /* ends that were left in TIME-WAIT */
	uint64_t hosts_left_out;         /* TIME-WAITs of hosts that found no room */
	const struct measures_host *top; /* the host with the highest peak; NULL none */
	struct measures_host host[MEASURES_HOSTS];
	struct services services;
	int leak_row; /* of close-wait-leak; -1: there is none */
};

/* NULL when out of memory.  msl: ns. */
struct measures *measures_new(int64_t msl);

void measures_connection(struct measures *measures, const struct tcpaudit_connection *connection);

#endif
