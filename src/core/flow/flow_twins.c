/* flow_twins.c - finds the two halves of what a NAT has translated. */
#include <string.h>

#include "flow_twins.h"

static bool is_young(const struct twin *t, int64_t now)
{
	return t->id && now - t->time <= TWINS_WITHIN && t->time - now <= TWINS_WITHIN;
}

/* The same sockets in another tunnel or VLAN are no translation. */
static bool other_sockets(const struct entry *a, const struct entry *b)
{
	const struct socket_pair first = entry_pair(a), second = entry_pair(b);

	return memcmp(first.address, second.address, sizeof first.address) || memcmp(first.port, second.port, sizeof first.port);
}

struct connection *twins_meet(struct twins *twins, const struct twin *met, uint64_t *forgotten)
{
	struct twin *t = &twins->entry[(met->iss[0] * 2654435761u ^ met->iss[1] * 2246822519u) >> 22];
	bool young = is_young(t, met->time), same = t->iss[0] == met->iss[0] && t->iss[1] == met->iss[1];
	struct connection *found = NULL;

	if (young && same) {
		struct connection *other = flow_connection(t->table, t->slot);
		if (other->entry.id == t->id && other_sockets(&other->entry, &flow_connection(met->table, met->slot)->entry))
			found = other;
	}
	*forgotten += young && !same;
	*t = *met;
	return found;
}
