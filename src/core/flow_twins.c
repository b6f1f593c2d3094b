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

struct connection *twins_meet(struct twins *twins, struct flow_table *table, uint32_t slot, int64_t now, uint64_t *forgotten)
{
	const struct connection *c = flow_connection(table, slot);
	const tcp_seq iss[2] = {c->end[0].iss, c->end[1].iss};
	struct twin *t = &twins->entry[(iss[0] * 2654435761u ^ iss[1] * 2246822519u) >> 22];
	bool young = is_young(t, now), same = t->iss[0] == iss[0] && t->iss[1] == iss[1];
	struct connection *found = NULL;

	if (young && same) {
		struct connection *other = flow_connection(t->table, t->slot);
		if (other->entry.id == t->id && other_sockets(&other->entry.pair, &c->entry.pair))
			found = other;
	}
	*forgotten += young && !same;
	*t = (struct twin){.iss = {iss[0], iss[1]}, .table = table, .slot = slot, .id = c->entry.id, .time = now};
	return found;
}
