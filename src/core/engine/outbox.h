/* outbox.h - what an engine has to tell, kept until it is its turn among what other engines tell. */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stddef.h>
#include <tcpaudit/audit.h>

/* By tick, and within it by number: of what ends the ordinals of first frames; behind them, of what segments brought about. */
struct order {
	uint32_t tick;
	uint64_t number;
};

struct letter {
	struct order order;
	int64_t time; /* ns: as of when it is told */
	size_t at;    /* where it is among the octets */
	bool finding;
};

/* Zeroed: empty. */
struct outbox {
	struct order order; /* of what comes in */
	int64_t time;       /* ... and its own */
	struct letter *letter;
	size_t count;
	size_t room;
	size_t told; /* of them */
	char *bytes;
	size_t used;
	size_t size;
	uint64_t untold; /* could not be kept: no memory */
};

static inline bool order_before(struct order a, struct order b)
{
	return a.tick != b.tick ? a.tick < b.tick : a.number < b.number;
}

/* Keeps copies. */
void outbox_connection(struct outbox *outbox, const struct tcpaudit_connection *connection);
void outbox_finding(struct outbox *outbox, const struct tcpaudit_finding *finding);

/* Puts what came in any order in its own; what has the same place stays as it came. */
void outbox_sort(struct outbox *outbox);

/* The next that is to be told, NULL if there is none. */
static inline const struct letter *outbox_next(const struct outbox *outbox)
{
	return outbox->told < outbox->count ? &outbox->letter[outbox->told] : NULL;
}

/* That, if it is a connection that has ended, to be completed before it is told; NULL if not. */
struct tcpaudit_connection *outbox_ended(struct outbox *outbox);

/* Tells the sink the next one. */
void outbox_tell(struct outbox *outbox, const struct tcpaudit_sink *sink);

/* What was told is forgotten. */
void outbox_clear(struct outbox *outbox);

void outbox_free(struct outbox *outbox);

#endif
