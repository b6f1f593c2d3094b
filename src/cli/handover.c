/* handover.c - the ring of batches between the thread that reads and the thread that judges, with what others help.
 *
 * One writes `filled`, the other `judged`; both only grow, and what lies between them is the judge's.  Who finds nothing to do
 * looks a few times more and then sleeps.  Whoever is asleep is not woken for each batch: the judge when there is some work,
 * the reader when there is some room, since waking takes longer than either. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/handover.h"

#include "cli/team.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES     512u
#define ENOUGH     (2 * TCPAUDIT_ROUND) /* on their way, to rather help than read: what is being judged, and the next round */
#define WORTH      8u                   /* batches for which the judge is woken */
#define BYTES      ((size_t)32 << 20)   /* on their way at once, unless a single batch has more */
#define PARTS_EACH 4u                   /* so that nobody waits long for the others */
#define PARTS_MOST 32u                  /* they make what each has to do smaller */
_Static_assert(PARTS_MOST < TEAM_PARTS, "each, and what they have in common");
#define LOOKS 2000 /* before going to sleep: some 50 microseconds */

struct handover {
	struct tcpaudit *engine;
	struct capture *capture;
	bool keeps; /* the octets of frames, until they have been judged */
	struct tcpaudit_reader *reader;
	struct tcpaudit_batch *place[PLACES];
	const struct pin *pin;
	pthread_t thread;
	bool started;
	struct team *team;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct { /* the reading thread's own */
		size_t bytes[PLACES];
		uint64_t read[PLACES]; /* by which call of capture_read() */
		size_t held;           /* by batches that were not seen judged yet */
		unsigned released;     /* batches up to here were */
		bool counted;          /* something that no batch has told yet */
	} own;
	alignas(64) _Atomic unsigned filled;
	_Atomic bool ended; /* nothing more will be */
	_Atomic bool judge_sleeps;
	alignas(64) _Atomic unsigned judged;
	_Atomic bool reader_sleeps; /* until no more than `wanted` are on their way */
	_Atomic unsigned wanted;
};

static inline void relax(void)
{
#if defined __x86_64__ || defined __i386__
	__builtin_ia32_pause();
#endif
}

/* ---- the thread that judges ---- */

static void wake_judge(struct handover *h)
{
	pthread_mutex_lock(&h->lock);
	pthread_cond_signal(&h->work);
	pthread_mutex_unlock(&h->lock);
}

static bool nothing(struct handover *h, unsigned judged)
{
	return atomic_load(&h->filled) == judged && !atomic_load(&h->ended);
}

/* How many were filled; as many as were judged: it is over. */
static unsigned await_work(struct handover *h, unsigned judged)
{
	for (unsigned i = 0; i < LOOKS && nothing(h, judged); i++)
		relax();
	if (nothing(h, judged)) {
		pthread_mutex_lock(&h->lock);
		atomic_store(&h->judge_sleeps, true);
		while (nothing(h, judged))
			pthread_cond_wait(&h->work, &h->lock);
		atomic_store(&h->judge_sleeps, false);
		pthread_mutex_unlock(&h->lock);
	}
	return atomic_load(&h->filled);
}

/* What lies together of what was filled; returns how many that were. */
static unsigned judge_some(struct handover *h, unsigned judged, unsigned filled)
{
	unsigned first = judged % PLACES, count = filled - judged;

	if (count > PLACES - first)
		count = PLACES - first;
	if (count > TCPAUDIT_ROUND)
		count = TCPAUDIT_ROUND;
	tcpaudit_judge_many(h->engine, &h->place[first], count);
	return count;
}

static void *run(void *user)
{
	struct handover *h = user;
	unsigned judged = 0, filled;

	pin_worker(h->pin, 1);
	while ((filled = await_work(h, judged)) != judged) {
		judged += judge_some(h, judged, filled);
		atomic_store(&h->judged, judged);
		if (atomic_load(&h->reader_sleeps) && filled - judged <= atomic_load(&h->wanted))
			team_wake(h->team);
	}
	return NULL;
}

/* ---- the thread that reads ---- */

static unsigned on_their_way(struct handover *h)
{
	return atomic_load(&h->filled) - atomic_load(&h->judged);
}

static bool is_too_much(void *user)
{
	struct handover *h = user;

	return on_their_way(h) > atomic_load(&h->wanted);
}

/* Until no more than `most` are on their way, there is time to help.  What waits is worth waking the judge for, however little it
 * is. */
static void await_judge(struct handover *h, unsigned most)
{
	atomic_store(&h->wanted, most);
	if (atomic_load(&h->judge_sleeps))
		wake_judge(h);
	while (is_too_much(h)) {
		if (team_help(h->team))
			continue;
		atomic_store(&h->reader_sleeps, true);
		team_sleep(h->team, is_too_much, h);
		atomic_store(&h->reader_sleeps, false);
	}
}

static void release(struct handover *h)
{
	for (unsigned judged = atomic_load(&h->judged); h->own.released != judged; h->own.released++)
		h->own.held -= h->own.bytes[h->own.released % PLACES];
}

/* Frames go, when all of the call that brought them has been judged. */
static void let_go(struct handover *h)
{
	unsigned judged = atomic_load(&h->judged);

	if (on_their_way(h) > 0)
		capture_let_go(h->capture, h->own.read[judged % PLACES] - 1);
	else
		capture_let_go(h->capture, capture_reads(h->capture));
}

void handover_tidy(struct handover *h)
{
	if (!h->keeps)
		return;
	let_go(h);
	while (capture_crowded(h->capture)) {
		await_judge(h, on_their_way(h) / 2);
		let_go(h);
	}
}

/* The next batch to be filled.  Who has read enough helps, as long as there is something to help with; when there is not, there is
 * room for more, so that nobody waits for the other one between two rounds. */
static struct tcpaudit_batch *await_room(struct handover *h)
{
	while (on_their_way(h) >= ENOUGH && team_help(h->team))
		;
	release(h);
	while (on_their_way(h) == PLACES || (h->own.held > BYTES && on_their_way(h) > 0)) {
		await_judge(h, on_their_way(h) / 2);
		release(h);
	}
	return h->place[atomic_load_explicit(&h->filled, memory_order_relaxed) % PLACES];
}

static void hand_over(struct handover *h, struct tcpaudit_batch *batch)
{
	unsigned filled = atomic_load_explicit(&h->filled, memory_order_relaxed);
	size_t bytes = tcpaudit_batch_memory(batch);

	h->own.bytes[filled % PLACES] = bytes;
	h->own.read[filled % PLACES] = capture_reads(h->capture);
	h->own.held += bytes;
	h->own.counted = false;
	atomic_store(&h->filled, filled + 1);
	if (atomic_load(&h->judge_sleeps) && on_their_way(h) >= WORTH)
		wake_judge(h);
}

void handover_frames(struct handover *h, const struct tcpaudit_frame *frames, size_t count)
{
	struct tcpaudit_batch *batch = await_room(h);

	tcpaudit_read(h->reader, batch, frames, count);
	hand_over(h, batch);
}

void handover_count(struct handover *h, enum tcpaudit_fate fate)
{
	tcpaudit_read_count(h->reader, fate);
	h->own.counted = true;
}

void handover_settle(struct handover *h)
{
	if (!h->started)
		return;
	if (h->own.counted)
		handover_frames(h, NULL, 0);
	await_judge(h, 0);
}

uint64_t handover_memory(const struct handover *h)
{
	uint64_t memory = sizeof *h + tcpaudit_reader_memory(h->reader);

	for (unsigned i = 0; i < PLACES; i++)
		memory += tcpaudit_batch_memory(h->place[i]);
	return memory;
}

/* ---- beginning and end ---- */

static bool allocate(struct handover *h, const struct tcpaudit_settings *settings)
{
	const enum tcpaudit_octets octets = tcpaudit_needs_octets(h->engine);

	h->keeps = octets != TCPAUDIT_OCTETS_NONE;
	if (h->keeps)
		capture_keep(h->capture);
	h->reader = tcpaudit_reader_new(settings, octets);
	for (unsigned i = 0; i < PLACES; i++)
		if ((h->place[i] = tcpaudit_batch_new()) == NULL)
			return false;
	return h->reader != NULL;
}

/* Signals are the caller's: its thread alone gets them. */
static int start(struct handover *h)
{
	sigset_t all, before;
	int reason;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	reason = pthread_create(&h->thread, NULL, run, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	h->started = reason == 0;
	return reason;
}

void handover_end(struct handover *h)
{
	struct tcpaudit_batch *last;

	if (h == NULL || !h->started)
		return;
	last = await_room(h);
	tcpaudit_read_end(h->reader, last);
	hand_over(h, last);
	atomic_store(&h->ended, true);
	wake_judge(h);
	await_judge(h, 0);
	pthread_join(h->thread, NULL);
	h->started = false;
}

static bool split(struct handover *h, unsigned workers, char **error)
{
	struct tcpaudit_team team;

	if ((h->team = team_new(workers - 2, h->pin, error)) == NULL)
		return false;
	team = team_functions(h->team);
	return tcpaudit_split(h->engine, workers * PARTS_EACH < PARTS_MOST ? workers * PARTS_EACH : PARTS_MOST, &team);
}

struct handover *handover_new(struct tcpaudit *engine, const struct tcpaudit_settings *settings, struct capture *capture,
                              unsigned workers, const struct pin *pin, char **error)
{
	struct handover *h = aligned_alloc(alignof(struct handover), sizeof *h);
	int reason;

	if (h == NULL)
		return NULL;
	memset(h, 0, sizeof *h);
	h->engine = engine;
	h->capture = capture;
	h->pin = pin;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->work, NULL);
	reason = allocate(h, settings) && split(h, workers, error) ? start(h) : ENOMEM;
	if (reason == 0)
		return h;
	handover_free(h);
	if (*error == NULL && asprintf(error, "cannot start a worker: %s", strerror(reason)) < 0)
		*error = NULL;
	return NULL;
}

void handover_free(struct handover *h)
{
	if (h == NULL)
		return;
	handover_end(h);
	team_free(h->team);
	tcpaudit_reader_free(h->reader);
	for (unsigned i = 0; i < PLACES; i++)
		tcpaudit_batch_free(h->place[i]);
	pthread_cond_destroy(&h->work);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
