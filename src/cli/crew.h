/* crew.h - the workers of a run.
 *
 * One worker runs on the caller's thread.  Several run on threads of their own and share nothing but what goes through their
 * sinks, one at a time: so the report, the rules and their limits know nothing of threads.  The caller's thread looks after
 * what depends on the clock and on signals; whatever of the run's it touches meanwhile, it touches with the lock held. */
#ifndef CREW_H
#define CREW_H

#include <pthread.h>

#include "cli/pin.h"
#include "cli/splits.h"
#include "cli/worker.h"
#include "report/output.h"
#include "rules/rulebook.h"

struct crew;

struct crew_member {
	struct crew *crew;
	struct worker worker;
	pthread_t thread;
	bool started;
	/* under the lock */
	unsigned heard;          /* the last call that it answered */
	bool finished;           /* it answers no more */
	struct worker_state now; /* as of then */
};

struct crew {
	struct worker_quota quota;
	struct crew_member *member;
	size_t count;
	struct tcpaudit_sink sink; /* where all results go */
	const struct rulebook *rules; /* NULL, or behind the sink */
	struct splits *splits; /* NULL with one worker */
	const struct pin *pin;
	struct output *output; /* what the results become: may wait when a worker has nothing more to read; NULL none */
	pthread_mutex_t lock;
	pthread_cond_t answered, released;
	_Atomic unsigned call; /* counts what the workers are asked for */
	bool halted;           /* under the lock: who answers, waits */
};

/* For `count` workers, with room for the captures in `captures`, which it takes over.  false when out of memory, or with
 * *error. */
bool crew_init(struct crew *crew, struct capture **captures, size_t count, char **error);

/* Accepts a zeroed one. */
void crew_fini(struct crew *crew);

/* Gives each worker an engine.  Limits of the settings are those of all together.  false when out of memory. */
bool crew_equip(struct crew *crew, const struct tcpaudit_settings *settings, const struct tcpaudit_sink *sink);

/* Several workers: starts them, on processors of their own if there are any.  false and *error: none runs. */
bool crew_start(struct crew *crew, char **error);

/* Sleeps for at most so many ms.  false: all workers have finished. */
bool crew_wait(struct crew *crew, unsigned ms);

/* Has all workers stop, as worker_stop(), and now. */
void crew_stop(struct crew *crew, enum worker_stop how);

/* Waits for the end of the threads.  Afterwards nothing is shared any more. */
void crew_join(struct crew *crew);

void crew_lock(struct crew *crew);
void crew_unlock(struct crew *crew);

/* How all stand together, and each alone; `state->inputs` and `workers->worker` must have room.  Waits until each has come to the
 * end of its batch. */
void crew_state(struct crew *crew, struct worker_state *state, struct report_workers *workers);

/* Stops all workers between two of their batches, takes the lock, and gives them new settings (false: not all of them are
 * followed, see tcpaudit_configure()); until crew_resume(). */
void crew_halt(struct crew *crew);
bool crew_configure(struct crew *crew, const struct tcpaudit_settings *settings);
void crew_resume(struct crew *crew);

#endif
