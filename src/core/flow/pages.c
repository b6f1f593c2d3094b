/* pages.c - see pages.h. */
#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>

void *pages_new(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

void *pages_new_huge(size_t size)
{
	char *pages = pages_new(size + HUGE_PAGE);

	if (!pages)
		return NULL;
	size_t before = -(uintptr_t)pages & (HUGE_PAGE - 1);
	if (before)
		munmap(pages, before);
	munmap(pages + before + size, HUGE_PAGE - before);
	return pages + before;
}

void pages_free(void *pages, size_t size)
{
	if (pages)
		munmap(pages, size);
}
