/* worker.h - a worker: one engine and the capture that feeds it.
 *
 * What an engine needs for itself, one for each, has its place here; what a run has once is in session.c. */
#ifndef WORKER_H
#define WORKER_H

#include <stdatomic.h>

#include "cli/handover.h"
#include "cli/label.h"
#include "report/report.h"

enum worker_stop {
	WORKER_GO,
	WORKER_STOP,   /* let nothing more in, and judge what is there */
	WORKER_DISCARD /* ... and only count what is there */
};

/* What the workers of a run have in common. */
struct worker_quota {
	bool live;
	uint64_t limit;          /* frames that may pass the filter (-c); 0 any */
	_Atomic uint64_t passed; /* of them, have, or would have */
	_Atomic unsigned stop;   /* enum worker_stop */
};

struct worker {
	struct worker_quota *quota;
	struct capture *capture;
	struct tcpaudit *engine;
	struct labeller *labeller; /* NULL: no labels */
	struct handover *handover; /* to a thread that judges; NULL: this one does */
	struct capture_batch batch;
	size_t input_count;
	uint64_t *surplus; /* frames that were handed out and left unread behind -c, by input */
	int64_t counted;   /* newest time of the frames that were only counted; 0 none */
	int64_t looked;    /* ns on the clock of frames, before the batch was read: live only */
	bool busy;         /* much was due: the next reading does not wait */
	bool stopping;
	bool gone; /* an interface went away */
};

/* How a worker stands: its parts of a report_state. */
struct worker_state {
	struct tcpaudit_counters counters;
	struct capture_kernel kernel;
	struct label_counters labels;
	struct capture_input *inputs; /* as many as the worker has */
	int64_t counted;
	bool gone; /* an interface went away */
};

/* Takes over the capture.  false when out of memory. */
bool worker_init(struct worker *worker, struct worker_quota *quota, struct capture *capture);

/* Accepts a zeroed one. */
void worker_fini(struct worker *worker);

/* Fills the batch; stops first, if that was asked for. */
enum capture_status worker_read(struct worker *worker);

/* Judges the batch; without one, live, lets time go on. */
void worker_judge(struct worker *worker);

/* Waits until all that was read has been judged: until the next worker_judge(), nobody else touches anything of the worker's. */
void worker_settle(struct worker *worker);

/* The input has ended: judges what is left. */
void worker_finish(struct worker *worker);

/* Has all workers of the quota stop at their next reading; what was asked for first, holds. */
void worker_stop(struct worker_quota *quota, enum worker_stop how);

/* Room for the state of a run with so many inputs.  false when out of memory. */
bool worker_state_init(struct worker_state *state, size_t input_count);

/* Accepts a zeroed one. */
void worker_state_fini(struct worker_state *state);

/* How this worker stands now. */
void worker_state(struct worker *worker, struct worker_state *state);

/* Adds the state of another worker with the same inputs. */
void worker_state_add(struct worker_state *sum, const struct worker_state *state, size_t input_count);

#endif
