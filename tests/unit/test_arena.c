/* test_arena.c - blocks, their reuse, and the limits. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "cli/arena.h"

#define MIB (1u << 20)

static size_t asked, allowed;

static void *limited(size_t size)
{
	return asked++ < allowed ? malloc(size) : NULL;
}

Test(arena, blocks_are_aligned_apart_and_large_enough)
{
	struct arena arena;
	unsigned char *block[400];

	arena_init(&arena, 64 * MIB, NULL);
	for (size_t i = 0; i < 400; i++) {
		size_t size = i * i;
		block[i] = arena_get(&arena, size);
		cr_assert_not_null(block[i]);
		cr_assert_eq((uintptr_t)block[i] % 16, 0);
		cr_assert_geq(arena_room(block[i]), size);
		memset(block[i], (int)i, arena_room(block[i]));
	}
	for (size_t i = 0; i < 400; i++)
		for (size_t j = 0; j < arena_room(block[i]); j++)
			cr_assert_eq(block[i][j], (unsigned char)i);
	arena_fini(&arena);
}

Test(arena, room_is_never_more_than_a_quarter_above)
{
	struct arena arena;

	arena_init(&arena, 1024 * MIB, NULL);
	for (size_t size = 5000; size < 40 * MIB; size = size * 9 / 8 + 1) {
		void *block = arena_get(&arena, size);
		cr_assert_geq(arena_room(block), size);
		cr_assert_leq(arena_room(block), size + size / 4 + 16);
		arena_put(&arena, block);
	}
	arena_fini(&arena);
}

Test(arena, a_freed_block_comes_back)
{
	struct arena arena;

	arena_init(&arena, 4 * MIB, NULL);
	for (size_t i = 0; i < 100000; i++)
		arena_put(&arena, arena_get(&arena, 2048));
	cr_assert_leq(arena.taken, MIB);
	arena_put(&arena, NULL);
	arena_fini(&arena);
}

Test(arena, the_cap_is_kept)
{
	struct arena arena;
	uint64_t sum = 0;

	arena_init(&arena, 4 * MIB, NULL);
	while (arena_get(&arena, 1000) != NULL)
		sum += 1000;
	cr_assert_leq(arena.taken, 4 * MIB);
	cr_assert_geq(sum, 3 * MIB);
	cr_assert_null(arena_get(&arena, SIZE_MAX));
	cr_assert_null(arena_get(&arena, 5 * MIB));
	arena_fini(&arena);
}

Test(arena, without_anything_fresh_a_larger_one_will_do)
{
	struct arena arena;
	void *large[4];

	arena_init(&arena, MIB, NULL);
	for (size_t i = 0; i < 4; i++)
		large[i] = arena_get(&arena, 32 << 10);
	cr_assert_not(arena_spares(&arena, 32 << 10, 1));
	for (size_t i = 0; i < 4; i++)
		arena_put(&arena, large[i]);
	cr_assert(arena_spares(&arena, 32 << 10, 4));
	cr_assert_not(arena_spares(&arena, 32 << 10, 5));
	while (arena_fresh(&arena) > 4096)
		cr_assert_not_null(arena_get(&arena, 2000));
	while (arena_spares(&arena, 32 << 10, 1))
		cr_assert_geq(arena_room(arena_get(&arena, 3000)), 3000);
	arena_fini(&arena);
}

Test(arena, a_system_without_memory_is_an_answer)
{
	struct arena arena;

	asked = 0;
	allowed = 1;
	arena_init(&arena, 64 * MIB, limited);
	cr_assert_not_null(arena_get(&arena, 100));
	cr_assert_null(arena_get(&arena, 10 * MIB));
	cr_assert_not_null(arena_get(&arena, 100));
	arena_fini(&arena);
}
