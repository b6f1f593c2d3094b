/* worker.c - frames from a capture to its engine, until the input ends or enough have passed. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/worker.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

static int64_t wall_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

bool worker_init(struct worker *worker, struct worker_quota *quota, struct capture *capture)
{
	worker->quota = quota;
	worker->capture = capture;
	capture_inputs(capture, &worker->input_count);
	worker->surplus = calloc(worker->input_count + 1, sizeof *worker->surplus);
	return worker->surplus != NULL;
}

void worker_fini(struct worker *worker)
{
	tcpaudit_free(worker->engine);
	label_free(worker->labeller);
	capture_close(worker->capture);
	free(worker->surplus);
}

enum capture_status worker_read(struct worker *worker)
{
	enum capture_status status;

	if (worker->quota->live)
		worker->looked = wall_clock();
	status = capture_read(worker->capture, &worker->batch);
	worker->gone |= status == CAPTURE_GONE;
	return status;
}

void worker_stop(struct worker *worker, bool discard)
{
	if (!worker->stopping)
		capture_stop(worker->capture, discard);
	worker->stopping = true;
}

/* How many frames of the batch may be used before -c is reached. */
static size_t allowed(struct worker *worker)
{
	const struct capture_batch *batch = &worker->batch;
	struct worker_quota *quota = worker->quota;
	size_t i = 0;

	if (quota->limit == 0 || worker->stopping)
		return batch->count;
	while (i < batch->count && quota->passed < quota->limit) {
		quota->passed += batch->fate[i] != TCPAUDIT_FATE_FILTER && batch->fate[i] != TCPAUDIT_FATE_NOT_PACKET;
		i++;
	}
	return i;
}

/* Frames behind the last that -c allows: in a file they were not read, live the kernel has counted them. */
static void leave(struct worker *worker, size_t from)
{
	for (size_t i = from; i < worker->batch.count; i++)
		if (worker->quota->live)
			tcpaudit_count(worker->engine, TCPAUDIT_FATE_AFTER_STOP);
		else
			worker->surplus[worker->batch.frame[i].input]++;
}

/* Runs of frames with work in them go to the engine together; the others only count. */
void worker_judge(struct worker *worker)
{
	const struct capture_batch *batch = &worker->batch;
	size_t count = allowed(worker);

	for (size_t i = 0, run; i < count; i += run) {
		for (run = 0; i + run < count && batch->fate[i + run] == TCPAUDIT_FATE_TCP; run++)
			;
		if (run > 0) {
			tcpaudit_frames(worker->engine, &batch->frame[i], run);
		} else {
			tcpaudit_count(worker->engine, (enum tcpaudit_fate)batch->fate[i]);
			if (batch->frame[i].time > worker->counted)
				worker->counted = batch->frame[i].time;
			run = 1;
		}
	}
	leave(worker, count);
	if (worker->quota->limit > 0 && worker->quota->passed >= worker->quota->limit)
		worker_stop(worker, true);
	/* Time goes on without frames too.  A second is more than frames of several interfaces are held back, and the clock was
	 * read before the ring was found empty: no frame that comes now is older. */
	if (batch->count == 0 && worker->quota->live)
		tcpaudit_advance(worker->engine, worker->looked - SECOND);
}

void worker_state(struct worker *worker, struct worker_state *state)
{
	const struct capture_input *inputs = capture_inputs(worker->capture, &worker->input_count);

	memcpy(state->inputs, inputs, worker->input_count * sizeof *inputs);
	for (size_t i = 0; i < worker->input_count; i++)
		state->inputs[i].packets -= worker->surplus[i];
	tcpaudit_counters(worker->engine, &state->counters);
	capture_kernel_counters(worker->capture, &state->kernel);
	label_count(worker->labeller, &state->labels);
	state->counted = worker->counted;
}
