/* links.h - says when an interface goes down, through which nothing comes then, and when it is up again.
 *
 * It is there all the while: its capture goes on, and no counter tells. */
#ifndef LINKS_H
#define LINKS_H

#include <stdbool.h>
#include <stddef.h>

struct links {
	int fd; /* a socket to ask with; -1: nobody is asked */
	size_t count;
	struct link {
		const char *name;
		unsigned index; /* of the interface, whatever it is called later; 0: of none, like any */
		bool down;
	} * link;
};

/* Takes note of how the interfaces are now.  Borrows the names.  Without memory, or a socket, nothing will be said. */
void links_init(struct links *links, const char *const *names, size_t count);

/* The first interface that has gone down, or come up, since it was looked at last; NULL: none. */
const struct link *links_changed(struct links *links);

/* Accepts a zeroed one. */
void links_fini(struct links *links);

#endif
