/* links.c - see links.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/links.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* false: it is not known. */
static bool is_down(const struct links *links, const struct link *link, bool *down)
{
	struct ifreq request = {0};

	if (if_indextoname(link->index, request.ifr_name) == NULL || ioctl(links->fd, SIOCGIFFLAGS, &request) != 0)
		return false;
	*down = (request.ifr_flags & IFF_UP) == 0;
	return true;
}

/* Deleted, or in another namespace. */
static bool is_gone(const struct link *link)
{
	char name[IF_NAMESIZE];

	return if_indextoname(link->index, name) == NULL && errno == ENXIO;
}

void links_init(struct links *links, const char *const *names, size_t count)
{
	*links = (struct links){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	                        .link = calloc(count + 1, sizeof *links->link)};
	if (links->fd < 0 || links->link == NULL)
		return;
	for (; links->count < count; links->count++) {
		struct link *link = &links->link[links->count];

		*link = (struct link){.name = names[links->count], .index = if_nametoindex(names[links->count])};
		is_down(links, link, &link->down);
	}
}

const struct link *links_changed(struct links *links)
{
	for (size_t i = 0; i < links->count; i++) {
		struct link *link = &links->link[i];
		bool down;

		if (link->index == 0 || link->gone)
			continue;
		if (is_down(links, link, &down)) {
			if (down == link->down)
				continue;
			link->down = down;
			return link;
		}
		link->gone = is_gone(link);
		if (link->gone && links->count > 1)
			return link;
	}
	return NULL;
}

void links_fini(struct links *links)
{
	if (links->fd > STDERR_FILENO)
		close(links->fd);
	free(links->link);
}
