/* outbox.c - see outbox.h. */
#include "outbox.h"

#include <stdlib.h>
#include <string.h>

#include "flow/prefetch.h"

#define ALIGNED(size) (((size) + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1))

/* In one piece, since what is inside has pointers to other parts of it only when it is told. */
struct kept_connection {
	struct tcpaudit_connection connection;
	struct tcpaudit_transition transition[];
};

static size_t size_of(const struct tcpaudit_connection *c)
{
	size_t steps = c->transitions ? c->transition_count : 0;

	return ALIGNED(sizeof(struct kept_connection) + steps * sizeof(struct tcpaudit_transition));
}

static bool grow(void **memory, size_t *room, size_t needed, size_t each, size_t first)
{
	size_t more = *room ? *room : first;

	if (needed <= *room)
		return true;
	while (more < needed)
		more *= 2;
	void *grown = realloc(*memory, more * each);
	if (!grown)
		return false;
	*memory = grown;
	*room = more;
	return true;
}

/* A new letter of so many octets; NULL without memory. */
static char *begin(struct outbox *o, size_t size, bool finding)
{
	void *letters = o->letter, *bytes = o->bytes;
	bool good = grow(&letters, &o->room, o->count + 1, sizeof *o->letter, 64) && grow(&bytes, &o->size, o->used + size, 1, 65536);

	o->letter = letters;
	o->bytes = bytes;
	if (!good) {
		o->untold++;
		return NULL;
	}
	o->letter[o->count++] = (struct letter){.order = o->order, .time = o->time, .at = o->used, .finding = finding};
	o->used += size;
	return o->bytes + o->used - size;
}

static void keep_connection(char *to, const struct tcpaudit_connection *c)
{
	struct kept_connection *kept = (void *)to;

	kept->connection = *c;
	if (c->transitions)
		memcpy(kept->transition, c->transitions, c->transition_count * sizeof *c->transitions);
}

void outbox_connection(struct outbox *o, const struct tcpaudit_connection *c)
{
	char *to = begin(o, size_of(c), false);

	if (to)
		keep_connection(to, c);
}

void outbox_finding(struct outbox *o, const struct tcpaudit_finding *f)
{
	char *to = begin(o, ALIGNED(sizeof *f) + size_of(f->connection), true);

	if (!to)
		return;
	memcpy(to, f, sizeof *f);
	keep_connection(to + ALIGNED(sizeof *f), f->connection);
}

void outbox_sort(struct outbox *o)
{
	for (size_t i = o->told + 1; i < o->count; i++) {
		struct letter letter = o->letter[i];
		size_t at = i;
		for (; at > o->told && order_before(letter.order, o->letter[at - 1].order); at--)
			o->letter[at] = o->letter[at - 1];
		o->letter[at] = letter;
	}
}

static struct tcpaudit_connection *connection_in(char *at)
{
	struct kept_connection *kept = (void *)at;

	if (kept->connection.transitions)
		kept->connection.transitions = kept->transition;
	return &kept->connection;
}

struct tcpaudit_connection *outbox_ended(struct outbox *o)
{
	const struct letter *letter = outbox_next(o);

	return letter && !letter->finding ? connection_in(o->bytes + letter->at) : NULL;
}

void outbox_tell(struct outbox *o, const struct tcpaudit_sink *sink)
{
	const struct letter *letter = &o->letter[o->told++];
	char *at = o->bytes + letter->at;

	if (o->told < o->count) /* another processor has written it */
		prefetch_lines(o->bytes + letter[1].at, sizeof(struct tcpaudit_connection));
	if (!letter->finding) {
		sink->connection_end(sink->user, connection_in(at));
		return;
	}
	struct tcpaudit_finding *finding = (void *)at;
	finding->connection = connection_in(at + ALIGNED(sizeof *finding));
	sink->finding(sink->user, finding);
}

void outbox_clear(struct outbox *o)
{
	size_t left = o->count - o->told, first = o->used;

	if (!o->told)
		return;
	for (size_t i = 0; i < left; i++) {
		o->letter[i] = o->letter[o->told + i];
		first = o->letter[i].at < first ? o->letter[i].at : first;
	}
	for (size_t i = 0; i < left; i++)
		o->letter[i].at -= first;
	memmove(o->bytes, o->bytes + first, o->used - first);
	o->used -= first;
	o->count = left;
	o->told = 0;
}

void outbox_free(struct outbox *o)
{
	free(o->letter);
	free(o->bytes);
}
