/* team.c - see team.h.  Jobs come a few hundred microseconds apart: who finds none looks a few times more, and then sleeps.
 *
 * Whoever has done a part before has what it needs in the caches of its processor: each begins with parts of its own, the same in
 * every job, and takes over those of others when there are no more of them. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKS 2000 /* before going to sleep: some 50 microseconds */

enum { CALLER, HELPER, OTHERS }; /* who does parts, beside threads of the team's own: the first numbers */

struct team {
	const struct pin *pin;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	void (*part)(void *user, unsigned i);
	void *user;
	uint64_t unclaimed; /* parts that nobody does yet: a bit each */
	_Atomic bool open; /* there are such */
	_Atomic unsigned left; /* of the job's parts */
	_Atomic bool ended;
	unsigned wanted;  /* threads of its own */
	unsigned threads; /* that there are */
	struct member {
		struct team *team;
		size_t number;
		pthread_t thread;
	} member[];
};

static inline void relax(void)
{
#if defined __x86_64__ || defined __i386__
	__builtin_ia32_pause();
#endif
}

/* Every so manyth is of one's own, `who` the first of them. */
static uint64_t own_parts(const struct team *t, size_t who)
{
	uint64_t own = 0;

	for (size_t i = who; i < TEAM_PARTS; i += t->wanted + OTHERS)
		own |= UINT64_C(1) << i;
	return own;
}

/* The highest first.  The lock is held. */
static unsigned claim(struct team *t, uint64_t own)
{
	uint64_t from = t->unclaimed & own ? t->unclaimed & own : t->unclaimed;
	unsigned i = 63 - (unsigned)__builtin_clzll(from);

	t->unclaimed &= ~(UINT64_C(1) << i);
	if (t->unclaimed == 0)
		atomic_store(&t->open, false);
	return i;
}

/* The lock is held, and is free meanwhile. */
static bool do_parts(struct team *t, uint64_t own)
{
	bool any = false;

	while (t->unclaimed != 0) {
		unsigned i = claim(t, own);
		pthread_mutex_unlock(&t->lock);
		t->part(t->user, i);
		pthread_mutex_lock(&t->lock);
		if (atomic_fetch_sub(&t->left, 1) == 1)
			pthread_cond_signal(&t->done);
		any = true;
	}
	return any;
}

static bool help(struct team *t, uint64_t own)
{
	if (!atomic_load(&t->open))
		return false;
	pthread_mutex_lock(&t->lock);
	bool any = do_parts(t, own);
	pthread_mutex_unlock(&t->lock);
	return any;
}

bool team_help(struct team *t)
{
	return help(t, own_parts(t, HELPER));
}

static void run(void *user, void (*part)(void *user, unsigned i), void *parts_user, unsigned parts)
{
	struct team *t = user;

	pthread_mutex_lock(&t->lock);
	t->part = part;
	t->user = parts_user;
	t->unclaimed = parts < TEAM_PARTS ? (UINT64_C(1) << parts) - 1 : UINT64_MAX;
	atomic_store(&t->left, parts);
	atomic_store(&t->open, true);
	pthread_cond_broadcast(&t->work);
	do_parts(t, own_parts(t, CALLER));
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < LOOKS && atomic_load(&t->left); i++)
		relax();
	pthread_mutex_lock(&t->lock);
	while (atomic_load(&t->left))
		pthread_cond_wait(&t->done, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

void team_wake(struct team *t)
{
	pthread_mutex_lock(&t->lock);
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
}

void team_sleep(struct team *t, bool (*waits)(void *user), void *user)
{
	for (unsigned i = 0; i < LOOKS; i++) {
		if (atomic_load(&t->open) || !waits(user))
			return;
		relax();
	}
	pthread_mutex_lock(&t->lock);
	while (!atomic_load(&t->open) && waits(user))
		pthread_cond_wait(&t->work, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static bool goes_on(void *user)
{
	return !atomic_load(&((struct team *)user)->ended);
}

static void *serve(void *user)
{
	struct member *m = user;
	struct team *t = m->team;

	const uint64_t own = own_parts(t, m->number);

	pin_worker(t->pin, m->number);
	while (goes_on(t)) {
		team_sleep(t, goes_on, t);
		help(t, own);
	}
	return NULL;
}

struct tcpaudit_team team_functions(struct team *t)
{
	return (struct tcpaudit_team){.user = t, .run = run};
}

/* Signals are the caller's: its thread alone gets them. */
static int start(struct team *t, unsigned threads)
{
	sigset_t all, before;
	int reason = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (; t->threads < threads && reason == 0; t->threads += reason == 0) {
		struct member *m = &t->member[t->threads];
		*m = (struct member){.team = t, .number = OTHERS + t->threads};
		reason = pthread_create(&m->thread, NULL, serve, m);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return reason;
}

struct team *team_new(unsigned threads, const struct pin *pin, char **error)
{
	struct team *t = calloc(1, sizeof *t + threads * sizeof t->member[0]);
	int reason;

	if (t == NULL)
		return NULL;
	t->pin = pin;
	t->wanted = threads;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	pthread_cond_init(&t->done, NULL);
	reason = start(t, threads);
	if (reason == 0)
		return t;
	team_free(t);
	if (asprintf(error, "cannot start a worker: %s", strerror(reason)) < 0)
		*error = NULL;
	return NULL;
}

void team_free(struct team *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	atomic_store(&t->ended, true);
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < t->threads; i++)
		pthread_join(t->member[i].thread, NULL);
	pthread_cond_destroy(&t->done);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
