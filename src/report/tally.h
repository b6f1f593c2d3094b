/* tally.h - what the text report keeps of a run, in bounded memory: counts, medians, examples, and the hosts that stand out.
 *
 * Whatever a limit leaves out is counted, so that the report can say so. */
#ifndef TALLY_H
#define TALLY_H

#include "report/report.h"

#define TALLY_MESSAGE     256 /* bytes */
#define TALLY_EXAMPLES    10    /* of a check */
#define TALLY_PLACES      16    /* of a check: the sockets that it speaks of most */
#define TALLY_HOSTS       16384 /* that stand out */
#define TALLY_CONNECTIONS 200   /* kept for the list */

/* A service by its socket, or a client by its address (port 0). */
struct tally_place {
	struct tcpaudit_address address;
	uint16_t port;
	uint8_t ip_version;
	uint64_t count;
};

/* A finding, with what is shown of its connection. */
struct tally_example {
	uint64_t flow_id;
	int64_t time;  /* of the decisive frame */
	unsigned rank; /* severity, then confidence: the best ones are kept */
	uint8_t ip_version;
	uint8_t severity;
	uint8_t confidence;
	uint8_t endpoint;
	struct tcpaudit_address address[2];
	uint16_t port[2];
	uint32_t isn[2];
	bool isn_known[2];
	const char *deliberate;
	struct tcpaudit_fact expected[TCPAUDIT_FACTS];
	struct tcpaudit_fact observed[TCPAUDIT_FACTS];
	struct tcpaudit_evidence evidence[TCPAUDIT_EVIDENCE];
	size_t evidence_count;
	char message[TALLY_MESSAGE]; /* of a rule of the user; "" none */
};

/* What is shown of one check. */
struct tally_check {
	uint64_t count;
	uint8_t severity; /* the worst */
	unsigned examples;
	unsigned places;
	bool places_left_out; /* counts of places are lower bounds */
	struct tally_place place[TALLY_PLACES];
	struct tally_example example[TALLY_EXAMPLES];
};

enum { TALLY_RESETS, TALLY_CLOSE_WAIT, TALLY_TIME_WAIT, TALLY_REFUSED, TALLY_MEASURES };

struct tally_host {
	struct tally_place place; /* count: connections that got past the handshake, or were aborted */
	uint64_t measure[TALLY_MEASURES];
	int64_t oldest; /* when the first of its ends in CLOSE-WAIT came there */
};

/* A connection as the list shows it. */
struct tally_connection {
	uint64_t flow_id;
	uint8_t ip_version;
	uint8_t kind;
	uint8_t closed_first;
	uint8_t aborted_by;
	struct tcpaudit_address address[2];
	uint16_t port[2];
	int64_t duration;
	uint64_t notable[TCPAUDIT_CHECK_WORDS]; /* findings */
};

/* Values in classes 3 % wide: their median is near enough for people. */
struct tally_median {
	uint64_t count;
	uint64_t least;
	uint64_t most;
	uint64_t class[64 * 32];
};

struct tally {
	const uint64_t *notable; /* the checks that deserve a mention beside a connection */
	int midstream_row;       /* of the check that says so; -1: there is none */
	uint64_t connections;
	uint64_t closed_first[TCPAUDIT_WHO_UNKNOWN + 1];
	uint64_t midstream; /* began before the capture */
	struct tally_median half_close_duration;
	struct tally_median half_close_bytes;
	struct tally_check *check[TCPAUDIT_CHECK_WORDS * 64]; /* made when it is first raised */
	struct tally_host *host; /* in the order in which they were first told of */
	uint16_t *index;         /* hash table of them: 1 + which, 0 none */
	uint64_t key[2];
	uint64_t hosts;
	uint64_t hosts_left_out; /* connections whose end found no room */
	struct tally_connection connection[TALLY_CONNECTIONS];
	bool out_of_memory;
};

/* NULL when out of memory.  `notable` is a set of checks, borrowed; `key` is secret. */
struct tally *tally_new(const uint64_t *notable, const uint8_t key[16]);

/* Accepts NULL. */
void tally_free(struct tally *tally);

void tally_connection(struct tally *tally, const struct tcpaudit_connection *connection);

/* A finding that is to be shown. */
void tally_finding(struct tally *tally, const struct report *report, const struct tcpaudit_finding *finding);

void tally_median_add(struct tally_median *median, int64_t number);
uint64_t tally_median(const struct tally_median *median);

/* The value that `percent` of 100 do not exceed, to a sixty-fourth; never outside of those that there were. */
uint64_t tally_percentile(const struct tally_median *median, unsigned percent);

/* The hosts with the highest measure, at most `room` of them, in that order; of equal ones, those first that were told of first.
 * Returns how many. */
size_t tally_top(const struct tally *tally, unsigned measure, const struct tally_host **top, size_t room);

#endif
