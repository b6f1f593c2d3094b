/* arena.h - bounded memory for somebody else's code: counted, and freed as a whole. */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_CLASSES 344

struct arena {
	uint64_t cap;   /* bytes that may be taken from the system */
	uint64_t taken; /* of them, taken: never given back before arena_fini() */
	void *(*allocate)(size_t size);
	struct arena_chunk *chunk;
	struct arena_block *free[ARENA_CLASSES];
};

/* `allocate` is what chunks come from, and free() takes: NULL for malloc(). */
void arena_init(struct arena *arena, uint64_t cap, void *(*allocate)(size_t size));

/* Frees every block. */
void arena_fini(struct arena *arena);

/* NULL if the cap or the system does not allow it. */
void *arena_get(struct arena *arena, size_t size);

/* Accepts NULL. */
void arena_put(struct arena *arena, void *block);

/* Octets that fit into the block. */
size_t arena_room(const void *block);

/* Bytes that have not been in any block yet. */
uint64_t arena_fresh(const struct arena *arena);

/* Can so many blocks of this size be had, one after the other, even if nothing fresh is left? */
bool arena_spares(const struct arena *arena, size_t size, unsigned count);

#endif
