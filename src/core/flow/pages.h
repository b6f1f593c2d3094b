/* pages.h - memory from the system: zeroed, a page at a time when it is touched, and given back at once. */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* NULL when out of memory. */
void *pages_new(size_t size);

/* Beginning with a huge page, as malloc()'s do not; whether they are huge is left to madvise(). */
void *pages_new_huge(size_t size);

/* Of so many octets; NULL, too. */
void pages_free(void *pages, size_t size);

#endif
