/* prefetch.h - asking for memory in advance, so that it is asked for.
 *
 * gcc takes a function that does nothing else for one without an effect, and leaves out its calls: so it is done where it is called,
 * or has HAPPENS in it. */
#ifndef PREFETCH_H
#define PREFETCH_H

#include <stddef.h>
#include <stdint.h>

#define IN_PLACE __attribute__((always_inline)) static inline
#define HAPPENS  __asm__ volatile("")

/* One of two addresses, if nobody can foresee which: the compiler would take a branch. */
IN_PLACE const void *either(const void *p, const void *if_null)
{
	return (const void *)((uintptr_t)p | ((uintptr_t)if_null & -(uintptr_t)(p == NULL)));
}

IN_PLACE void prefetch_lines(const void *p, size_t size)
{
	for (size_t line = 0; line < size; line += 64)
		__builtin_prefetch((const char *)p + line);
}

#endif
