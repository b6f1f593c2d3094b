/* hosts.h - what is compared between connections: the two sides of a NAT, the numbers that a host begins with, the ports that its
 * TIME-WAITs hold.
 *
 * What a connection has to tell of its hosts is copied when it becomes known, so that it can be compared later, while the
 * connection goes on elsewhere: in the order in which it became known. */
#ifndef HOSTS_H
#define HOSTS_H

#include "flow/flow_twins.h"
#include "flow/isn.h"
#include "flow/pressure.h"

/* Zeroed: nothing was seen. */
struct hosts {
	struct twins twins;
	struct isns isns;
	struct pressure pressure;
	bool met; /* a twin, ever */
};

/* What has just become known of a connection. */
enum {
	HOSTS_ANSWERED = 1,    /* both ISS */
	HOSTS_ESTABLISHED = 2, /* both ISS are acknowledged */
	HOSTS_CLOSED = 4,      /* both FINs are */
};

struct learnt {
	struct flow_table *table;
	uint32_t slot;
	unsigned known;
	uint64_t id;
	int64_t time;  /* of the segment that told */
	tcp_seq iss[2];
	bool isns;     /* with ESTABLISHED: of a handshake that was captured whole, and once */
	bool holds;    /* with CLOSED: its client is left in TIME-WAIT, */
	bool again;    /* ... and had held it on this socket pair before */
	int64_t since; /* ... from then on */
	int64_t start;
	struct isn_chosen chosen[2]; /* with ESTABLISHED */
	struct socket_pair service;  /* the pair without the client's port */
} __attribute__((aligned(64)));      /* threads hand it on: hosts_meet() needs its first cache line only */

/* What came of it. */
struct verdict {
	struct isn_habit habit;
	struct pressure_view pressure;
};

/* Takes down what has become known. */
void hosts_learn(struct learnt *learnt, struct flow_table *table, uint32_t slot, unsigned known, int64_t time, int64_t msl);

/* Finds the twin of a connection, and notes that with both: while nobody else has to do with either. */
void hosts_meet(struct hosts *hosts, struct learnt *learnt, struct tcpaudit_counters *counters);

/* Compares the rest, behind hosts_meet().  Touches no connection.  False: nothing came of it. */
bool hosts_compare(struct hosts *hosts, const struct learnt *learnt, const struct tcpaudit_settings *settings,
                   struct tcpaudit_counters *counters, struct verdict *verdict);

/* Notes what came of it, if the connection is still there. */
void hosts_tell(const struct learnt *learnt, const struct verdict *verdict);

#endif
