/* crew.c - threads, the lock in front of the sink, and how workers are asked for something between two of their batches.
 *
 * A call is a number that grows.  Each worker looks at it before it reads, which costs a load, and answers a new one by
 * leaving a copy of its counters under the lock; if the crew is halted, it then waits. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/crew.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void crew_lock(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
}

void crew_unlock(struct crew *crew)
{
	pthread_mutex_unlock(&crew->lock);
}

/* ---- the sink of each worker ---- */

static void take_connection(void *user, const struct tcpaudit_connection *connection)
{
	struct crew_member *member = user;
	struct crew *crew = member->crew;

	crew_lock(crew);
	splits_connection(crew->splits, connection, (size_t)(member - crew->member));
	crew->sink.connection_end(crew->sink.user, connection);
	crew_unlock(crew);
}

static void take_finding(void *user, const struct tcpaudit_finding *finding)
{
	struct crew *crew = ((struct crew_member *)user)->crew;

	crew_lock(crew);
	crew->sink.finding(crew->sink.user, finding);
	crew_unlock(crew);
}

/* Asked for every new connection.  Scopes come and go while all workers are halted, so that "none" needs no lock. */
static uint32_t find_scopes(void *user, const struct tcpaudit_frame *frame)
{
	struct crew *crew = ((struct crew_member *)user)->crew;
	uint32_t bits = 0;

	if (crew->rules != NULL && !rulebook_has_scopes(crew->rules))
		return 0;
	crew_lock(crew);
	bits = crew->sink.scopes(crew->sink.user, frame);
	crew_unlock(crew);
	return bits;
}

static void ask(void *user, enum tcpaudit_point point, const struct tcpaudit_connection *connection,
                uint64_t held[TCPAUDIT_CHECK_WORDS])
{
	struct crew *crew = ((struct crew_member *)user)->crew;

	crew_lock(crew);
	crew->sink.ask(crew->sink.user, point, connection, held);
	crew_unlock(crew);
}

static enum tcpaudit_ruling rule(void *user, const struct tcpaudit_finding *finding)
{
	struct crew *crew = ((struct crew_member *)user)->crew;
	enum tcpaudit_ruling ruling;

	crew_lock(crew);
	ruling = crew->sink.suppressed(crew->sink.user, finding);
	crew_unlock(crew);
	return ruling;
}

static void take_segment(void *user, uint64_t flow_id, const struct tcpaudit_segment *segment, unsigned from,
                         const tcpaudit_state_set states[2])
{
	struct crew *crew = ((struct crew_member *)user)->crew;

	crew_lock(crew);
	crew->sink.segment(crew->sink.user, flow_id, segment, from, states);
	crew_unlock(crew);
}

static struct tcpaudit_sink sink_of(struct crew_member *member)
{
	const struct tcpaudit_sink *inner = &member->crew->sink;

	return (struct tcpaudit_sink){
	        .user = member,
	        .connection_end = inner->connection_end == NULL ? NULL : take_connection,
	        .finding = inner->finding == NULL ? NULL : take_finding,
	        .scopes = inner->scopes == NULL ? NULL : find_scopes,
	        .ask = inner->ask == NULL ? NULL : ask,
	        .suppressed = inner->suppressed == NULL ? NULL : rule,
	        .segment = inner->segment == NULL ? NULL : take_segment,
	};
}

/* ---- building ---- */

bool crew_init(struct crew *crew, struct capture **captures, size_t count, char **error)
{
	pthread_mutexattr_t spinning; /* it is held for microseconds, most of the time */
	pthread_condattr_t steady;
	bool good;

	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_mutexattr_init(&spinning);
	pthread_mutexattr_settype(&spinning, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&crew->lock, &spinning);
	pthread_mutexattr_destroy(&spinning);
	pthread_cond_init(&crew->answered, &steady);
	pthread_condattr_destroy(&steady);
	pthread_cond_init(&crew->released, NULL);
	crew->member = calloc(count, sizeof *crew->member);
	good = crew->member != NULL;
	for (size_t i = 0; i < count; i++) {
		if (crew->member == NULL) {
			capture_close(captures[i]);
			continue;
		}
		struct crew_member *member = &crew->member[crew->count++];

		member->crew = crew;
		good = worker_init(&member->worker, &crew->quota, captures[i]) && good;
		good = good && worker_state_init(&member->now, member->worker.input_count);
	}
	return good && (count == 1 || (crew->splits = splits_new(error)) != NULL);
}

void crew_fini(struct crew *crew)
{
	if (crew->member == NULL)
		return;
	for (size_t i = 0; i < crew->count; i++) {
		worker_fini(&crew->member[i].worker);
		worker_state_fini(&crew->member[i].now);
	}
	free(crew->member);
	free(crew->splits);
	pthread_cond_destroy(&crew->released);
	pthread_cond_destroy(&crew->answered);
	pthread_mutex_destroy(&crew->lock);
}

/* 0 is no limit, and stays so. */
static uint64_t part_of_limit(const struct crew *crew, uint64_t limit)
{
	return limit > 0 && limit < crew->count ? 1 : limit / crew->count;
}

/* Connections fall to the workers evenly, so each has its part of what all may hold. */
static struct tcpaudit_settings part_of(const struct crew *crew, const struct tcpaudit_settings *settings)
{
	struct tcpaudit_settings part = *settings;

	part.memcap = part_of_limit(crew, settings->memcap);
	part.max_flows = part_of_limit(crew, settings->max_flows);
	return part;
}

bool crew_equip(struct crew *crew, const struct tcpaudit_settings *settings, const struct tcpaudit_sink *sink)
{
	struct tcpaudit_settings part = part_of(crew, settings);

	crew->sink = *sink;
	for (size_t i = 0; i < crew->count; i++) {
		struct tcpaudit_sink locked = sink_of(&crew->member[i]);

		crew->member[i].worker.engine = tcpaudit_new(&part, crew->count == 1 ? sink : &locked);
		if (crew->member[i].worker.engine == NULL)
			return false;
	}
	return true;
}

/* ---- a worker's thread ---- */

/* Leaves a copy of its counters, and waits as long as the crew is halted. */
static void answer(struct crew_member *member, bool finished)
{
	struct crew *crew = member->crew;

	crew_lock(crew);
	worker_state(&member->worker, &member->now);
	member->heard = atomic_load(&crew->call);
	member->finished = finished;
	pthread_cond_broadcast(&crew->answered);
	while (crew->halted && !finished)
		pthread_cond_wait(&crew->released, &crew->lock);
	crew_unlock(crew);
}

static void *run(void *user)
{
	struct crew_member *member = user;
	struct worker *worker = &member->worker;
	unsigned heard = 0;
	enum capture_status status;

	pin_worker(member->crew->pin, (size_t)(member - member->crew->member));
	do {
		unsigned call = atomic_load_explicit(&member->crew->call, memory_order_relaxed);

		if (call != heard) {
			answer(member, false);
			heard = call;
		}
		status = worker_read(worker);
		worker_judge(worker);
	} while (status == CAPTURE_MORE);
	crew_lock(member->crew);
	if (member->crew->output != NULL)
		output_may_wait(member->crew->output);
	crew_unlock(member->crew);
	worker_finish(worker);
	answer(member, true);
	return NULL;
}

/* Signals are the caller's: its thread alone gets them. */
bool crew_start(struct crew *crew, char **error)
{
	sigset_t all, before;
	int reason = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 0; i < crew->count && reason == 0; i++)
		if ((reason = pthread_create(&crew->member[i].thread, NULL, run, &crew->member[i])) == 0)
			crew->member[i].started = true;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (reason == 0)
		return true;
	crew_stop(crew, WORKER_DISCARD);
	crew_join(crew);
	if (asprintf(error, "cannot start a worker: %s", strerror(reason)) < 0)
		*error = NULL;
	return false;
}

void crew_join(struct crew *crew)
{
	for (size_t i = 0; i < crew->count; i++)
		if (crew->member[i].started)
			pthread_join(crew->member[i].thread, NULL);
}

/* ---- the caller's thread ---- */

static bool all_finished(const struct crew *crew)
{
	for (size_t i = 0; i < crew->count; i++)
		if (!crew->member[i].finished)
			return false;
	return true;
}

bool crew_wait(struct crew *crew, unsigned ms)
{
	struct timespec until;
	bool finished;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	crew_lock(crew);
	while (!(finished = all_finished(crew)) && pthread_cond_timedwait(&crew->answered, &crew->lock, &until) == 0)
		;
	crew_unlock(crew);
	return !finished;
}

/* So that nobody goes on waiting for packets. */
static void wake(struct crew *crew)
{
	for (size_t i = 0; i < crew->count; i++)
		if (crew->member[i].started)
			capture_wake(crew->member[i].worker.capture);
}

void crew_stop(struct crew *crew, enum worker_stop how)
{
	worker_stop(&crew->quota, how);
	wake(crew);
}

/* Waits until all have answered; the lock is held, and is free while waiting. */
static void call(struct crew *crew)
{
	unsigned number = atomic_fetch_add(&crew->call, 1) + 1;

	wake(crew);
	for (size_t i = 0; i < crew->count; i++)
		while (crew->member[i].started && !crew->member[i].finished && crew->member[i].heard != number)
			pthread_cond_wait(&crew->answered, &crew->lock);
}

/* The lock is held. */
static void tell_apart(const struct crew *crew, struct report_workers *workers)
{
	workers->count = crew->count;
	for (size_t i = 0; i < crew->count; i++) {
		const struct worker_state *now = &crew->member[i].now;

		workers->worker[i] = (struct report_worker){
		        .packets = now->counters.frames,
		        .connections = now->counters.connections,
		        .dropped = now->kernel.dropped,
		        .longest_pause = now->kernel.longest_pause,
		};
	}
	if (crew->splits != NULL) {
		workers->split = crew->splits->found;
		workers->splits_forgotten = crew->splits->forgotten;
	}
}

void crew_state(struct crew *crew, struct worker_state *state, struct report_workers *workers)
{
	if (!crew->member[0].started) {
		for (size_t i = 0; i < crew->count; i++)
			worker_state(&crew->member[i].worker, &crew->member[i].now);
	}
	crew_lock(crew);
	call(crew);
	const struct worker_state *first = &crew->member[0].now;
	struct capture_input *inputs = state->inputs;

	*state = *first;
	state->inputs = inputs;
	memcpy(inputs, first->inputs, crew->member[0].worker.input_count * sizeof *inputs);
	for (size_t i = 1; i < crew->count; i++)
		worker_state_add(state, &crew->member[i].now, crew->member[0].worker.input_count);
	tell_apart(crew, workers);
	crew_unlock(crew);
}

void crew_halt(struct crew *crew)
{
	crew_lock(crew);
	crew->halted = true;
	call(crew);
}

bool crew_configure(struct crew *crew, const struct tcpaudit_settings *settings)
{
	struct tcpaudit_settings part = part_of(crew, settings);
	bool all = true;

	for (size_t i = 0; i < crew->count; i++)
		all &= tcpaudit_configure(crew->member[i].worker.engine, &part);
	return all;
}

void crew_resume(struct crew *crew)
{
	crew->halted = false;
	pthread_cond_broadcast(&crew->released);
	crew_unlock(crew);
}
