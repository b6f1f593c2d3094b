/* ladder.c - first version. */
#include "report/report.h"

#include <stdlib.h>

static void *begin(struct report *report, const struct report_state *state)
{
	(void)report;
	(void)state;
	return malloc(1);
}

static void end(struct report *report, const struct report_state *state)
{
	(void)state;
	free(report->state);
}

const struct report_format report_ladder = {.name = "ladder", .begin = begin, .end = end};
