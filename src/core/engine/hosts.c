/* hosts.c - see hosts.h. */
#include "hosts.h"

#include "close/close.h"
#include "flow/connection.h"

/* Its client had held TIME-WAIT on this very socket pair, for less than 2MSL and a tenth. */
static bool takes_again(const struct flow_table *table, const struct connection *c, int64_t time_wait)
{
	const struct former *was = connection_former(c);
	uint32_t older = connection_links(c).older;
	int64_t since;

	if (!was || !was->closed || was->reset)
		return false;
	uint8_t holder = was->holder;
	since = was->time_wait_since;
	if (older != SLOT_NONE && !slot_buried(older) && flow_entry(table, older)->id == was->id) { /* it was not reported yet */
		holder = close_plain_holder(flow_connection(table, older), &since);
		if (holder <= TCPAUDIT_WHO_SERVER && !was->client_again)
			holder = !holder;
	}
	return holder == TCPAUDIT_CLIENT && c->start - since < time_wait + time_wait / 10;
}

static void learn_isns(struct learnt *l, const struct connection *c)
{
	const int mark[2] = {[TCPAUDIT_CLIENT] = MARK_SYN, [TCPAUDIT_SERVER] = MARK_SYN_ACK};
	const uint32_t pair = flow_entry_hash(l->table, l->slot);

	l->isns = connection_marked(c, MARK_SYN) && connection_marked(c, MARK_SYN_ACK) && !(c->entry.capture & CAPTURE_NAT_TWIN);
	for (unsigned x = 0; x < 2; x++)
		isn_choose(&l->chosen[x], c, pair, x, connection_mark_time(c, mark[x]));
}

/* A server's TIME-WAITs cost no ports. */
static void learn_close(struct learnt *l, const struct connection *c, int64_t msl)
{
	l->holds = close_plain_holder(c, &l->since) == TCPAUDIT_WHO_CLIENT;
	if (!l->holds)
		return;
	l->again = takes_again(l->table, c, 2 * msl);
	l->start = c->start;
	entry_tell_pair(&c->entry, &l->service);
	l->service.port[!!(c->entry.bits & CONN_CROSSED)] = 0;
}

void hosts_learn(struct learnt *l, struct flow_table *table, uint32_t slot, unsigned known, int64_t time, int64_t msl)
{
	const struct connection *c = flow_connection(table, slot);

	l->table = table;
	l->slot = slot;
	l->known = known;
	l->id = c->entry.id;
	l->time = time;
	l->iss[0] = c->end[0].iss;
	l->iss[1] = c->end[1].iss;
	if (known & HOSTS_ESTABLISHED)
		learn_isns(l, c);
	if (known & HOSTS_CLOSED)
		learn_close(l, c, msl);
}

static bool is_there(const struct learnt *l)
{
	return flow_entry(l->table, l->slot)->id == l->id;
}

void hosts_meet(struct hosts *hosts, struct learnt *l, struct tcpaudit_counters *counters)
{
	if (l->known & HOSTS_ANSWERED && is_there(l)) {
		const struct twin twin = {.iss = {l->iss[0], l->iss[1]},
		                          .table = l->table,
		                          .slot = l->slot,
		                          .id = l->id,
		                          .time = l->time};
		struct connection *other = twins_meet(&hosts->twins, &twin, &counters->twins_forgotten);
		if (other) {
			flow_connection(l->table, l->slot)->entry.capture |= CAPTURE_NAT_TWIN;
			other->entry.capture |= CAPTURE_NAT_TWIN;
			hosts->met = true;
		}
	}
	if (l->known & HOSTS_ESTABLISHED && hosts->met && is_there(l))
		l->isns &= !(flow_connection(l->table, l->slot)->entry.capture & CAPTURE_NAT_TWIN); /* else it would be counted twice */
}

/* One end is told of: the other will be with its next connection. */
static void compare_isns(struct hosts *hosts, const struct learnt *l, struct tcpaudit_counters *counters, struct verdict *v)
{
	for (unsigned x = 0; x < 2; x++) {
		struct isn_habit habit = isn_count(&hosts->isns, l->table, &l->chosen[x], &counters->isns_forgotten);
		habit.end = (uint8_t)x;
		if (habit.kind)
			v->habit = habit;
	}
}

bool hosts_compare(struct hosts *hosts, const struct learnt *l, const struct tcpaudit_settings *settings,
                   struct tcpaudit_counters *counters, struct verdict *v)
{
	const bool isns = l->known & HOSTS_ESTABLISHED && l->isns, holds = l->known & HOSTS_CLOSED && l->holds;

	if (!isns && !holds)
		return false;
	*v = (struct verdict){.habit = {.kind = ISN_NO_HABIT}};
	if (isns)
		compare_isns(hosts, l, counters, v);
	if (holds)
		v->pressure = pressure_count(&hosts->pressure, l->table, &l->service, l->since, l->again ? l->start : 0, settings,
		                             &counters->pressure_forgotten);
	return v->habit.kind || v->pressure.held || v->pressure.reused;
}

void hosts_tell(const struct learnt *l, const struct verdict *v)
{
	struct connection *c = is_there(l) ? flow_connection(l->table, l->slot) : NULL;

	if (!c || !flow_rarity(l->table, c))
		return;
	if (v->habit.kind)
		connection_rarity(c)->isn = v->habit;
	if (v->pressure.held || v->pressure.reused)
		connection_rarity(c)->pressure = v->pressure;
}
