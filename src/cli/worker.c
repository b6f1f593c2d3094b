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
	handover_free(worker->handover);
	tcpaudit_free(worker->engine);
	label_free(worker->labeller);
	capture_close(worker->capture);
	free(worker->surplus);
}

void worker_stop(struct worker_quota *quota, enum worker_stop how)
{
	unsigned go = WORKER_GO;

	atomic_compare_exchange_strong(&quota->stop, &go, how);
}

static void obey(struct worker *worker)
{
	unsigned stop = worker->stopping ? WORKER_GO : atomic_load_explicit(&worker->quota->stop, memory_order_relaxed);

	if (stop == WORKER_GO)
		return;
	capture_stop(worker->capture, stop == WORKER_DISCARD);
	worker->stopping = true;
}

enum capture_status worker_read(struct worker *worker)
{
	enum capture_status status;

	obey(worker);
	if (worker->quota->live)
		worker->looked = wall_clock();
	if (worker->handover != NULL)
		handover_tidy(worker->handover);
	status = capture_read(worker->capture, &worker->batch);
	worker->gone |= status == CAPTURE_GONE;
	return status;
}

static bool passes(const struct capture_batch *batch, size_t i)
{
	return batch->fate[i] != TCPAUDIT_FATE_FILTER && batch->fate[i] != TCPAUDIT_FATE_NOT_PACKET;
}

/* How many frames of the batch may be used before -c is reached, by all workers together. */
static size_t allowed(struct worker *worker)
{
	const struct capture_batch *batch = &worker->batch;
	struct worker_quota *quota = worker->quota;
	uint64_t passing = 0, before;
	size_t i;

	if (quota->limit == 0 || worker->stopping)
		return batch->count;
	for (i = 0; i < batch->count; i++)
		passing += passes(batch, i);
	before = atomic_fetch_add_explicit(&quota->passed, passing, memory_order_relaxed);
	if (before + passing >= quota->limit)
		worker_stop(quota, WORKER_DISCARD);
	for (i = 0; i < batch->count && before < quota->limit; i++)
		before += passes(batch, i);
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

/* Time goes on without frames too.  A second is more than frames of several interfaces are held back, and the clock was read
 * before the ring was found empty: no frame that comes now is older.  If much is due, the ring is looked at in between. */
static void pass_time(struct worker *worker)
{
	bool more = worker->batch.count == 0 && tcpaudit_advance_some(worker->engine, worker->looked - SECOND);

	if (more != worker->busy)
		capture_hurry(worker->capture, more);
	worker->busy = more;
}

#define CROWDED 50 /* percent of a ring from which on the least urgent work is left undone */
#define CLEAR   10 /* ... until there is no more than this */

/* Labels are the first to go: nothing is judged by them, and a lost packet makes all that is judged doubtful. */
static void shed_load(struct worker *worker)
{
	unsigned full = capture_fullness(worker->capture);

	if (full >= CROWDED)
		label_hurry(worker->labeller, true);
	else if (full <= CLEAR)
		label_hurry(worker->labeller, false);
}

static void take_frames(struct worker *worker, const struct tcpaudit_frame *frames, size_t count)
{
	if (worker->handover != NULL)
		handover_frames(worker->handover, frames, count);
	else
		tcpaudit_frames(worker->engine, frames, count);
}

static void take_count(struct worker *worker, enum tcpaudit_fate fate)
{
	if (worker->handover != NULL)
		handover_count(worker->handover, fate);
	else
		tcpaudit_count(worker->engine, fate);
}

_Static_assert(TCPAUDIT_FATE_TCP == 0, "the fates of many are looked at together");

/* How many frames from i on go to the engine?  All of them, as nearly always. */
static size_t run_from(const struct capture_batch *batch, size_t i, size_t count)
{
	unsigned any = 0;
	size_t run = 0;

	for (size_t k = i; k < count; k++)
		any |= batch->fate[k];
	if (any == TCPAUDIT_FATE_TCP)
		return count - i;
	while (i + run < count && capture_is_read(batch, i + run))
		run++;
	return run;
}

/* Runs of frames with work in them go to the engine together; the others only count. */
void worker_judge(struct worker *worker)
{
	const struct capture_batch *batch = &worker->batch;
	size_t count = allowed(worker);

	if (worker->quota->live && worker->labeller != NULL)
		shed_load(worker);
	for (size_t i = 0, run; i < count; i += run) {
		run = run_from(batch, i, count);
		if (run > 0) {
			take_frames(worker, &batch->frame[i], run);
		} else {
			take_count(worker, (enum tcpaudit_fate)batch->fate[i]);
			if (batch->frame[i].time > worker->counted)
				worker->counted = batch->frame[i].time;
			run = 1;
		}
	}
	leave(worker, count);
	if (worker->quota->live)
		pass_time(worker);
}

void worker_settle(struct worker *worker)
{
	if (worker->handover != NULL)
		handover_settle(worker->handover);
}

void worker_finish(struct worker *worker)
{
	handover_end(worker->handover);
	if (capture_lost(worker->capture))
		tcpaudit_lost(worker->engine);
	tcpaudit_finish(worker->engine);
}

bool worker_state_init(struct worker_state *state, size_t input_count)
{
	state->inputs = calloc(input_count + 1, sizeof *state->inputs);
	return state->inputs != NULL;
}

void worker_state_fini(struct worker_state *state)
{
	free(state->inputs);
}

void worker_state(struct worker *worker, struct worker_state *state)
{
	const struct capture_input *inputs = capture_inputs(worker->capture, &worker->input_count);

	worker_settle(worker);
	memcpy(state->inputs, inputs, worker->input_count * sizeof *inputs);
	for (size_t i = 0; i < worker->input_count; i++)
		state->inputs[i].packets -= worker->surplus[i];
	tcpaudit_counters(worker->engine, &state->counters);
	if (worker->handover != NULL)
		state->counters.memory += handover_memory(worker->handover);
	capture_kernel_counters(worker->capture, &state->kernel);
	label_count(worker->labeller, &state->labels);
	state->counted = worker->counted;
	state->gone = worker->gone;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void add_input(struct capture_input *sum, const struct capture_input *input)
{
	sum->packets += input->packets;
	sum->bytes += input->bytes;
	sum->recorded_drops += input->recorded_drops;
	sum->odd += input->odd;
	if (sum->error == NULL)
		sum->error = input->error;
}

void worker_state_add(struct worker_state *sum, const struct worker_state *state, size_t input_count)
{
	tcpaudit_counters_add(&sum->counters, &state->counters);
	for (size_t i = 0; i < input_count; i++)
		add_input(&sum->inputs[i], &state->inputs[i]);
	sum->kernel.received += state->kernel.received;
	sum->kernel.dropped += state->kernel.dropped;
	sum->kernel.interface_dropped += state->kernel.interface_dropped;
	sum->kernel.longest_pause = later(sum->kernel.longest_pause, state->kernel.longest_pause);
	label_counters_add(&sum->labels, &state->labels);
	sum->counted = later(sum->counted, state->counted);
	sum->gone |= state->gone;
}
