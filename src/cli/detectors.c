/* detectors.c - see detectors.h.
 *
 * nDPI is never told that there is no memory left: it leaves by longjmp() instead. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/detectors.h"

#include <ndpi_api.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/label.h>

#include "cli/label_ndpi.h"

struct detectors {
	pthread_mutex_t lock;
	struct detector *free;
	struct detector *newest; /* of all: a list */
	uint64_t cap;            /* bytes of each */
	void *(*allocate)(size_t size);
	uint64_t each; /* bytes that the first has taken */
};

/* ---- memory ---- */

/* nDPI's memory functions have no argument that says for whom. */
static _Thread_local struct {
	struct arena *arena;
	jmp_buf escape;
} current;

static void *get_memory(size_t size)
{
	void *block = arena_get(current.arena, size);

	if (block == NULL)
		longjmp(current.escape, 1);
	return block;
}

static void put_memory(void *block)
{
	arena_put(current.arena, block);
}

static void *get_zeroed(size_t count, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(count, size, &whole))
		longjmp(current.escape, 1);
	return memset(get_memory(whole), 0, whole);
}

static void *resize_memory(void *block, size_t size)
{
	if (block != NULL && arena_room(block) >= size)
		return block;
	void *larger = get_memory(size);
	if (block != NULL)
		memcpy(larger, block, arena_room(block));
	put_memory(block);
	return larger;
}

bool detectors_call(struct arena *arena, void (*call)(void *user), void *user)
{
	current.arena = arena;
	if (setjmp(current.escape) != 0)
		return false;
	call(user);
	return true;
}

/* ---- beginning ---- */

/* nDPI keeps them in variables of its own: once for all. */
static void use_memory(void)
{
	static bool done;

	if (!done)
		ndpi_use_memory(get_memory, put_memory, get_zeroed, resize_memory);
	done = true;
}

static void begin(void *user)
{
	((struct detector *)user)->module = ndpi_begin();
}

/* nDPI's modules cannot begin at the same time: nDPI 4.2 counts patricia trees in a variable of its own. */
static bool begin_alone(struct detector *d)
{
	static pthread_mutex_t alone = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&alone);
	use_memory();
	bool good = detectors_call(&d->arena, begin, d) && d->module != NULL;
	pthread_mutex_unlock(&alone);
	return good;
}

static struct detector *detector_new(const struct detectors *ds)
{
	struct detector *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	arena_init(&d->arena, ds->cap, ds->allocate);
	if (begin_alone(d))
		return d;
	arena_fini(&d->arena);
	free(d);
	return NULL;
}

/* ---- who uses which ---- */

struct detector *detectors_borrow(struct detectors *ds)
{
	pthread_mutex_lock(&ds->lock);
	struct detector *d = ds->free;
	if (d != NULL)
		ds->free = d->next;
	pthread_mutex_unlock(&ds->lock);
	if (d != NULL || (d = detector_new(ds)) == NULL)
		return d;
	pthread_mutex_lock(&ds->lock);
	d->older = ds->newest;
	ds->newest = d;
	pthread_mutex_unlock(&ds->lock);
	return d;
}

void detectors_give_back(struct detectors *ds, struct detector *d)
{
	pthread_mutex_lock(&ds->lock);
	d->next = ds->free;
	ds->free = d;
	pthread_mutex_unlock(&ds->lock);
}

struct detectors *detectors_new(uint64_t memory, void *(*allocate)(size_t size))
{
	struct detectors *ds = calloc(1, sizeof *ds);
	struct detector *first;

	if (ds == NULL)
		return NULL;
	pthread_mutex_init(&ds->lock, NULL);
	ds->cap = memory;
	ds->allocate = allocate;
	if ((first = detectors_borrow(ds)) == NULL) {
		detectors_free(ds);
		return NULL;
	}
	ds->each = first->arena.taken;
	detectors_give_back(ds, first);
	return ds;
}

uint64_t detectors_memory_each(const struct detectors *ds)
{
	return ds->each;
}

uint64_t detectors_memory(struct detectors *ds)
{
	uint64_t memory = sizeof *ds;

	pthread_mutex_lock(&ds->lock);
	for (const struct detector *d = ds->newest; d != NULL; d = d->older)
		memory += sizeof *d + d->arena.taken;
	pthread_mutex_unlock(&ds->lock);
	return memory;
}

/* The modules go with their memory: to take them apart would only cost time. */
void detectors_free(struct detectors *ds)
{
	struct detector *older;

	if (ds == NULL)
		return;
	for (struct detector *d = ds->newest; d != NULL; d = older) {
		older = d->older;
		arena_fini(&d->arena);
		free(d);
	}
	pthread_mutex_destroy(&ds->lock);
	free(ds);
}
