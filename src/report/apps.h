/* apps.h - how the connections of each application closed.
 *
 * Bounded: APPS names; what comes beyond them is one more, called "other". */
#ifndef APPS_H
#define APPS_H

#include <tcpaudit/audit.h>

#define APPS 64

struct app {
	const char *name; /* borrowed from the labels */
	uint64_t connections;
	uint64_t aborted;    /* ended by an effective reset */
	uint64_t half_close; /* text flowed towards an end that had sent its FIN */
	uint64_t by_kind[TCPAUDIT_KIND_COUNT];
};

struct apps {
	unsigned count;
	struct app app[APPS + 1]; /* the last is "other" */
};

/* Connections without a label are left out. */
void apps_connection(struct apps *apps, const struct tcpaudit_connection *connection);

/* The most frequent first, equal ones by name; "other" stays the last. */
void apps_sort(struct apps *apps);

/* The kind that is `rank`th (from 0) most frequent; TCPAUDIT_KIND_COUNT if there are not so many. */
unsigned apps_kind(const struct app *app, unsigned rank);

#endif
