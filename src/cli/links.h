/* links.h - says when an interface goes down, through which nothing comes then, when it is up again, and when it is gone.
 *
 * One that is down is there all the while: its capture goes on, and no counter tells.  One that is gone ends the run, which says
 * so, unless there are others. */
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
		bool down, gone;
	} * link;
};

/* Takes note of how the interfaces are now.  Borrows the names.  Without memory, or a socket, nothing will be said. */
void links_init(struct links *links, const char *const *names, size_t count);

/* The first interface that has gone down, come up or gone away since it was looked at last; NULL: none. */
const struct link *links_changed(struct links *links);

/* Accepts a zeroed one. */
void links_fini(struct links *links);

#endif
