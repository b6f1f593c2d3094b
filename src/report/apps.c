/* apps.c - counting closes by application. */
#include <stdlib.h>
#include <string.h>

#include "report/apps.h"
#include "report/report.h"

static struct app *find_app(struct apps *apps, const char *name)
{
	for (unsigned i = 0; i < apps->count && i < APPS; i++)
		if (apps->app[i].name == name || strcmp(apps->app[i].name, name) == 0)
			return &apps->app[i];
	if (apps->count < APPS) {
		apps->app[apps->count].name = name;
		return &apps->app[apps->count++];
	}
	apps->app[APPS].name = "other";
	apps->count = APPS + 1;
	return &apps->app[APPS];
}

void apps_connection(struct apps *apps, const struct tcpaudit_connection *connection)
{
	if (connection->label.proto == NULL)
		return;
	struct app *app = find_app(apps, connection->label.proto);
	app->connections++;
	app->aborted += report_ended_by_reset(connection);
	app->half_close += connection->half_close_by <= TCPAUDIT_WHO_SERVER && connection->half_close_bytes > 0;
	app->by_kind[connection->kind]++;
}

static int by_frequency(const void *a, const void *b)
{
	const struct app *x = a, *y = b;

	if (x->connections != y->connections)
		return x->connections < y->connections ? 1 : -1;
	return strcmp(x->name, y->name);
}

void apps_sort(struct apps *apps)
{
	qsort(apps->app, apps->count < APPS ? apps->count : APPS, sizeof *apps->app, by_frequency);
}

unsigned apps_kind(const struct app *app, unsigned rank)
{
	for (unsigned kind = 0; kind < TCPAUDIT_KIND_COUNT; kind++) {
		unsigned before = 0;

		for (unsigned i = 0; i < TCPAUDIT_KIND_COUNT; i++)
			before += app->by_kind[i] > app->by_kind[kind] || (app->by_kind[i] == app->by_kind[kind] && i < kind);
		if (before == rank && app->by_kind[kind] > 0)
			return kind;
	}
	return TCPAUDIT_KIND_COUNT;
}
