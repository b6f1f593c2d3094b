/* close.h - how the connection ended: the ordered predicates of the close kinds, and the record that tells it. */
#ifndef CLOSE_H
#define CLOSE_H

#include "flow/connection.h"
#include "flow/pressure.h"
#include "mirror/mirror.h"

/* Everything a judgment may look at. `history` is never NULL here: a connection without one is given an empty or
 * handshake-only one for the occasion. */
struct case_file {
	const struct connection *connection;
	const struct history *history;
	const struct mirror *mirror; /* NULL where plain numbers tell all that is asked */
	struct hypothesis route[2];  /* of each end, as it is presumed to have gone */
	const struct tcpaudit_settings *settings;
	int64_t now; /* packet time: how far the capture goes on behind the last frame */
	bool odd;    /* plain numbers do not tell all: the mirror has run, whoever asked for it */
	bool ended;  /* the capture has ended */
};

/* Room for both ends' routes. */
struct routes {
	struct tcpaudit_transition step[2 * ROUTE_MOST];
	size_t count;
};

/* Fills the record, all but findings and capture notes.  `routes` may be NULL. */
void close_describe(const struct case_file *file, struct tcpaudit_connection *record, struct routes *routes);

/* The part of it that needs no history (close_senders.c): clears the record, and tells what the connection knows of its ends. */
void close_describe_senders(const struct connection *connection, const struct tcpaudit_settings *settings,
                            struct tcpaudit_connection *record);

/* The same as close_describe() straight from the brief of an orderly close (close_brief.c), and no capture notes.  False: there is
 * more to be said, and the record is none. */
bool close_describe_brief(const struct connection *connection, const struct tcpaudit_settings *settings,
                          struct tcpaudit_connection *record);

#define CLOSE_PATIENCE 30000000000ll /* ns without an answer, at least, that count as none */

/* Of an embryo of which nothing else is known (close_lone.c): turns the whole record of another such one, with the same settings,
 * into its own, all but findings and capture notes. */
void close_describe_lone(const struct embryo *embryo, int64_t now, struct tcpaudit_connection *record);

/* The part of it that close_measures.c fills in, when all else is described. */
void close_measure(const struct case_file *file, struct tcpaudit_connection *record);

/* The same where there is nothing but two FINs, and the `idle` time before them. */
void close_measure_fins(int64_t idle, struct tcpaudit_connection *record);

/* The end that is left in TIME-WAIT as far as plain numbers tell, and `since` when; BOTH, or NONE, too. */
uint8_t close_plain_holder(const struct connection *c, int64_t *since);

/* First effective reset of the history, NULL none. */
const struct event *close_reset(const struct history *history);

#endif
