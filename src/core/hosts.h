/* hosts.h - what is compared between connections: the two sides of a NAT, the numbers that a host begins with, the ports that its
 * TIME-WAITs hold. */
#ifndef HOSTS_H
#define HOSTS_H

#include "flow_twins.h"
#include "isn.h"
#include "pressure.h"

/* Zeroed: nothing was seen. */
struct hosts {
	struct twins twins;
	struct isns isns;
	struct pressure pressure;
};

/* What has just become known of a connection. */
enum {
	HOSTS_ANSWERED = 1,    /* both ISS */
	HOSTS_ESTABLISHED = 2, /* both ISS are acknowledged */
	HOSTS_CLOSED = 4,      /* both FINs are */
};

/* Compares it with what others have done before; what it finds is noted with the connection.  To be called in the order in which
 * these things became known; `time`: of the segment that told. */
void hosts_compare(struct hosts *hosts, struct flow_table *table, uint32_t slot, unsigned known, int64_t time,
                   const struct tcpaudit_settings *settings, struct tcpaudit_counters *counters);

#endif
