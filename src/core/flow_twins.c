/* flow_twins.c - finds the two halves of what a NAT has translated. */
#include <string.h>

#include "flow_twins.h"

static bool is_young(const struct twin *t, int64_t now)
{
	return t->id && now - t->time <= TWINS_WITHIN && t->time - now <= TWINS_WITHIN;
}

/* The same sockets in another tunnel or VLAN are no translation. */
static bool other_sockets(const struct socket_pair *a, const struct socket_pair *b)
{
	return memcmp(a->address, b->address, sizeof a->address) || memcmp(a->port, b->port, sizeof a->port);
}

struct connection *twins_meet(struct twins *twins, const struct twin *met, uint64_t *forgotten)
{
	struct twin *t = &twins->entry[(met->iss[0] * 2654435761u ^ met->iss[1] * 2246822519u) >> 22];
	bool young = is_young(t, met->time), same = t->iss[0] == met->iss[0] && t->iss[1] == met->iss[1];
	struct connection *found = NULL;

	if (young && same) {
		struct connection *other = flow_connection(t->table, t->slot);
		if (other->entry.id == t->id && other_sockets(&other->entry.pair, &flow_connection(met->table, met->slot)->entry.pair))
			found = other;
	}
	*forgotten += young && !same;
	*t = *met;
	return found;
}
