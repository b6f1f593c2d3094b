/* arena.c - blocks in size classes, cut from chunks.
 *
 * Classes are 16 octets apart up to 4 KiB, then a quarter of a power of two.  A freed block waits for the next one of its class:
 * whoever asks for the same sizes again and again takes no more from the system.  When nothing fresh is left, a larger one will
 * do. */
#include <stdlib.h>

#include "cli/arena.h"

#define CHUNK   (256u << 10)
#define FINE    4096u /* up to here, classes are 16 octets apart */
#define LARGEST (UINT64_C(1) << 32)

/* In front of what is handed out, which stays aligned for any type. */
struct arena_block {
	struct arena_block *next; /* while it is free */
	uint32_t size;            /* in units of 16, with this */
	uint32_t class;
} __attribute__((aligned(16)));

struct arena_chunk {
	struct arena_chunk *next;
	uint64_t used;
	uint64_t size;
} __attribute__((aligned(16)));

_Static_assert(sizeof(struct arena_block) == 16 && sizeof(struct arena_chunk) == 32, "what is handed out is aligned");

void arena_init(struct arena *arena, uint64_t cap, void *(*allocate)(size_t size))
{
	*arena = (struct arena){.cap = cap, .allocate = allocate != NULL ? allocate : malloc};
}

void arena_fini(struct arena *arena)
{
	for (struct arena_chunk *chunk = arena->chunk, *next; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	*arena = (struct arena){0};
}

/* Rounds the size up to that of its class. */
static uint32_t class_of(uint64_t *size)
{
	if (*size <= FINE) {
		*size = (*size + 15) & ~UINT64_C(15);
		return (uint32_t)(*size / 16);
	}
	unsigned power = 63 - (unsigned)__builtin_clzll(*size - 1); /* 2^power < size <= 2^(power+1) */
	uint64_t quarter = UINT64_C(1) << (power - 2), above = (*size - 1 - (UINT64_C(1) << power)) / quarter;

	*size = (UINT64_C(1) << power) + (above + 1) * quarter;
	_Static_assert(FINE / 16 + 1 + (32 - 12) * 4 + 4 <= ARENA_CLASSES, "a class for LARGEST and its head");
	return FINE / 16 + 1 + (power - 12) * 4 + (uint32_t)above;
}

/* A chunk of its own for what is larger than that. */
static struct arena_chunk *chunk_for(struct arena *arena, uint64_t size)
{
	uint64_t whole = size + sizeof(struct arena_chunk) > CHUNK ? size + sizeof(struct arena_chunk) : CHUNK;

	if (arena->chunk != NULL && arena->chunk->used + size <= arena->chunk->size)
		return arena->chunk;
	if (whole > arena->cap - arena->taken)
		return NULL;
	struct arena_chunk *chunk = arena->allocate(whole);
	if (chunk == NULL)
		return NULL;
	*chunk = (struct arena_chunk){.next = arena->chunk, .used = sizeof *chunk, .size = whole};
	arena->chunk = chunk;
	arena->taken += whole;
	return chunk;
}

static struct arena_block *fresh_block(struct arena *arena, uint64_t size, uint32_t class)
{
	struct arena_chunk *chunk = chunk_for(arena, size);

	if (chunk == NULL)
		return NULL;
	struct arena_block *block = (struct arena_block *)((char *)chunk + chunk->used);
	*block = (struct arena_block){.size = (uint32_t)(size / 16), .class = class};
	chunk->used += size;
	return block;
}

static struct arena_block *freed_block(struct arena *arena, uint32_t class)
{
	struct arena_block *block = arena->free[class];

	if (block != NULL)
		arena->free[class] = block->next;
	return block;
}

void *arena_get(struct arena *arena, size_t size)
{
	uint64_t whole = (uint64_t)size + sizeof(struct arena_block);

	if (size > LARGEST)
		return NULL;
	uint32_t class = class_of(&whole);
	struct arena_block *block = freed_block(arena, class);
	if (block == NULL)
		block = fresh_block(arena, whole, class);
	while (block == NULL && ++class < ARENA_CLASSES)
		block = freed_block(arena, class);
	return block == NULL ? NULL : block + 1;
}

void arena_put(struct arena *arena, void *data)
{
	if (data == NULL)
		return;
	struct arena_block *block = (struct arena_block *)data - 1;
	block->next = arena->free[block->class];
	arena->free[block->class] = block;
}

size_t arena_room(const void *data)
{
	const struct arena_block *block = (const struct arena_block *)data - 1;

	return (size_t)block->size * 16 - sizeof *block;
}

uint64_t arena_fresh(const struct arena *arena)
{
	return arena->cap - arena->taken + (arena->chunk != NULL ? arena->chunk->size - arena->chunk->used : 0);
}

bool arena_spares(const struct arena *arena, size_t size, unsigned count)
{
	uint64_t whole = (uint64_t)size + sizeof(struct arena_block);

	for (uint32_t class = class_of(&whole); class < ARENA_CLASSES && count > 0; class ++)
		for (const struct arena_block *block = arena->free[class]; block != NULL && count > 0; block = block->next)
			count--;
	return count == 0;
}
