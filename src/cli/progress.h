/* progress.h - the line on standard error that says how far a run has come. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "report/report.h"

struct progress {
	bool on;
	bool shown;    /* there is a line to take away */
	int64_t begun; /* monotonic ns */
};

/* Overwrites the line.  `findings` are warnings and errors. */
void progress_show(struct progress *progress, int64_t now, const struct report_state *state, uint64_t findings);

/* Takes the line away, before anything else goes to standard error. */
void progress_clear(struct progress *progress);

#endif
