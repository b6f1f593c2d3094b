/* worker.h - a worker: one engine and the capture that feeds it.
 *
 * What an engine needs for itself, one for each, has its place here; what a run has once is in session.c. */
#ifndef WORKER_H
#define WORKER_H

#include "cli/label.h"
#include "report/report.h"

/* What the workers of a run have in common. */
struct worker_quota {
	bool live;
	uint64_t limit;  /* frames that may pass the filter (-c); 0 any */
	uint64_t passed; /* of them, have */
};

struct worker {
	struct worker_quota *quota;
	struct capture *capture;
	struct tcpaudit *engine;
	struct labeller *labeller; /* NULL: no labels */
	struct capture_batch batch;
	size_t input_count;
	uint64_t *surplus; /* frames that were handed out and left unread behind -c, by input */
	int64_t counted;   /* newest time of the frames that were only counted; 0 none */
	int64_t looked;    /* ns on the clock of frames, before the batch was read: live only */
	bool stopping;
	bool gone;
};

/* How a worker stands: its parts of a report_state. */
struct worker_state {
	struct tcpaudit_counters counters;
	struct capture_kernel kernel;
	struct label_counters labels;
	struct capture_input *inputs; /* the caller's, input_count of them */
	int64_t counted;
};

/* Takes over the capture.  false when out of memory. */
bool worker_init(struct worker *worker, struct worker_quota *quota, struct capture *capture);

/* Accepts a zeroed one. */
void worker_fini(struct worker *worker);

/* Fills the batch. */
enum capture_status worker_read(struct worker *worker);

/* Judges the batch; without one, live, lets time go on. */
void worker_judge(struct worker *worker);

/* Lets nothing more in.  With `discard`, what the kernel still holds is counted, not judged. */
void worker_stop(struct worker *worker, bool discard);

/* `state->inputs` must have room. */
void worker_state(struct worker *worker, struct worker_state *state);

#endif
