/* isn.c - see isn.h. */
#include <string.h>

#include "isn.h"

static int64_t newest(const struct isn_host *h)
{
	return h->recent[h->count - 1].time;
}

/* Free, or of no more use: the older, the better. */
static bool gives_way(const struct isn_host *a, const struct isn_host *b)
{
	return b->used && (!a->used || newest(a) < newest(b));
}

static struct isn_host *take_over(struct isn_host *h, const struct isn_chosen *c, uint64_t *forgotten)
{
	*forgotten += h->used && newest(h) + ISN_WITHIN > c->time;
	memset(h, 0, sizeof *h);
	h->used = true;
	h->address = c->address;
	h->network = c->network;
	h->vlan = c->vlan;
	h->ip_version = c->ip_version;
	return h;
}

static bool has_chosen(const struct isn_host *h, const struct isn_chosen *c)
{
	return h->used && h->network == c->network && h->vlan == c->vlan && h->ip_version == c->ip_version &&
	       !memcmp(&h->address, &c->address, sizeof h->address);
}

/* A table's hash leaves tunnel and VLAN out, but here are no ports. */
static uint32_t hash(const struct flow_table *table, const struct isn_chosen *c)
{
	return flow_hash(table, &(struct socket_pair){.address = {c->address},
	                                              .port = {(uint16_t)(c->network >> 16 ^ c->vlan), (uint16_t)c->network},
	                                              .ip_version = c->ip_version});
}

static struct isn_host *give_place(struct isns *isns, uint32_t tag, const struct isn_chosen *c, uint64_t *forgotten)
{
	unsigned set = tag % (ISN_PLACES / ISN_WAYS) * ISN_WAYS, best = set;

	for (unsigned i = set; i < set + ISN_WAYS; i++)
		if (gives_way(&isns->host[i], &isns->host[best]))
			best = i;
	isns->tag[best] = tag;
	return take_over(&isns->host[best], c, forgotten);
}

/* The hash is keyed: nobody can aim at a place. */
static struct isn_host *find(struct isns *isns, const struct flow_table *table, const struct isn_chosen *c, uint64_t *forgotten)
{
	uint32_t tag = hash(table, c);
	unsigned set = tag % (ISN_PLACES / ISN_WAYS) * ISN_WAYS;

	for (unsigned i = set; i < set + ISN_WAYS; i++)
		if (isns->tag[i] == tag && has_chosen(&isns->host[i], c))
			return &isns->host[i];
	return give_place(isns, tag, c, forgotten);
}

static void drop(struct isn_host *h, unsigned at)
{
	h->count--;
	memmove(&h->recent[at], &h->recent[at + 1], (h->count - at) * sizeof h->recent[0]);
}

/* By the time of the SYN, which is when it was chosen: handshakes may end in another order.  Of one socket pair the newest. */
static void keep(struct isn_host *h, struct isn chosen)
{
	unsigned at = 0;

	while (at < h->count && h->recent[at].pair != chosen.pair)
		at++;
	if (at < h->count)
		drop(h, at);
	if (h->count == ISN_MANY) {
		if (chosen.time < h->recent[0].time)
			return;
		drop(h, 0);
	}
	for (at = h->count; at && h->recent[at - 1].time > chosen.time; at--)
		h->recent[at] = h->recent[at - 1];
	h->recent[at] = chosen;
	h->count++;
}

static int64_t between(const struct isn_host *h)
{
	return newest(h) - h->recent[0].time;
}

static struct isn_habit habit(const struct isn_host *h)
{
	int32_t step = seq_diff(h->recent[1].iss, h->recent[0].iss);
	bool even = true, small = true;

	if (h->count < ISN_MANY || between(h) > ISN_WITHIN)
		return (struct isn_habit){.kind = ISN_NO_HABIT};
	for (unsigned i = 0; i < ISN_MANY && (even || small); i++) {
		even &= i == 0 || seq_diff(h->recent[i].iss, h->recent[i - 1].iss) == step;
		small &= seq_within(h->recent[i].iss, 0, ISN_SMALL);
	}
	if (even)
		return (struct isn_habit){.kind = ISN_EVEN_STEPS, .step = step};
	return (struct isn_habit){.kind = small ? ISN_ALL_SMALL : ISN_NO_HABIT};
}

void isn_choose(struct isn_chosen *chosen, const struct connection *c, uint32_t pair, unsigned end, int64_t time)
{
	chosen->time = time;
	chosen->iss = c->end[end].iss;
	chosen->pair = pair;
	chosen->address = entry_address(&c->entry, end ^ !!(c->entry.bits & CONN_CROSSED));
	chosen->network = entry_network(&c->entry);
	chosen->vlan = entry_vlan(&c->entry);
	chosen->ip_version = entry_ip_version(&c->entry);
}

struct isn_habit isn_count(struct isns *isns, const struct flow_table *table, const struct isn_chosen *c, uint64_t *forgotten)
{
	struct isn_host *h = find(isns, table, c, forgotten);

	keep(h, (struct isn){.time = c->time, .iss = c->iss, .pair = c->pair});
	struct isn_habit found = habit(h);
	if (!found.kind || (h->told && c->time - h->told_at < ISN_WITHIN))
		return (struct isn_habit){.kind = ISN_NO_HABIT};
	h->told = true;
	h->told_at = c->time;
	return found;
}
