/* services.h - how the connections of each service end: a row for each of the ten that have most of them.
 *
 * Bounded: a table of services, classes for times.  Only connections that got past the handshake count, so that a scan of
 * ports leaves the table to services.  What finds no room, or gave it up, is counted. */
#ifndef SERVICES_H
#define SERVICES_H

#include <tcpaudit/connection.h>

#define SERVICES        1024
#define SERVICES_SHOWN  10
#define SERVICE_OCTAVES 40                          /* of microseconds: 12 days, and all that is longer */
#define SERVICE_STAYS   (8 * (SERVICE_OCTAVES - 2)) /* classes, eight an octave */

/* A server's socket. */
struct service {
	struct tcpaudit_address address;
	uint16_t port;
	uint8_t ip_version;   /* 0: free */
	uint64_t connections; /* that got past the handshake */
	uint64_t reset;       /* of them, ended by an effective reset */
	uint64_t server_first;
	uint64_t close_waits; /* in which the server was in CLOSE-WAIT */
	uint64_t close_wait_open;
	uint64_t leaks;               /* of these, that were found to stay there for long */
	uint32_t stay[SERVICE_STAYS]; /* how long it was there */
	uint64_t least;               /* of that, us */
	uint64_t most;
};

struct services {
	const struct service *top[SERVICES_SHOWN]; /* by number of connections, once services_rank() has been called */
	size_t shown;
	uint64_t left_out; /* connections of services that have no row in the table */
	struct service row[SERVICES];
};

/* Where so many connections of a service, and such a share of them, show what a finding says (design: aggregates over a service),
 * it means more. */
#define SERVICE_MANY  5
#define SERVICE_SHARE 4 /* a quarter */

/* `leak`: the row of close-wait-leak was raised. */
void services_connection(struct services *services, const struct tcpaudit_connection *connection, bool leak);

/* Does the service of this connection, which is told of only after this, leave many in CLOSE-WAIT?  Where it found no room that
 * is not known. */
bool services_leak(const struct services *services, const struct tcpaudit_connection *connection);

/* Finds the services to be shown. */
void services_rank(struct services *services);

/* The time that `percent` of 100 CLOSE-WAITs of the server did not exceed, to a sixteenth, and never outside of those that there were;
 * microseconds, 0 if there was none. */
uint64_t service_stay(const struct service *service, unsigned percent);

#endif
