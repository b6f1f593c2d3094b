/* label_none.c - label.h in a build without nDPI: no labels. */
#include <string.h>

#include "cli/label.h"

const char *label_library(void)
{
	return NULL;
}

struct labeller *label_new(const struct label_options *options, char **error)
{
	(void)options;
	*error = NULL;
	return NULL;
}

struct tcpaudit_labeller label_functions(struct labeller *labeller)
{
	(void)labeller;
	return (struct tcpaudit_labeller){0};
}

void label_hurry(struct labeller *labeller, bool hurry)
{
	(void)labeller;
	(void)hurry;
}

void label_count(const struct labeller *labeller, struct label_counters *counters)
{
	(void)labeller;
	memset(counters, 0, sizeof *counters);
}

void label_free(struct labeller *labeller)
{
	(void)labeller;
}
