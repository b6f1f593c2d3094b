/* hosts.c - see hosts.h. */
#include "hosts.h"

#include "close.h"
#include "connection.h"

/* Is this connection there already, on the other side of a NAT? */
static void look_for_twin(struct hosts *hosts, struct flow_table *table, uint32_t slot, int64_t time,
                          struct tcpaudit_counters *counters)
{
	struct connection *twin = twins_meet(&hosts->twins, table, slot, time, &counters->twins_forgotten);

	if (!twin)
		return;
	flow_connection(table, slot)->capture |= CAPTURE_NAT_TWIN;
	twin->capture |= CAPTURE_NAT_TWIN;
}

/* One end is told of: the other will be with its next connection. */
static void compare_isns(struct hosts *hosts, struct flow_table *table, struct connection *c, struct tcpaudit_counters *counters)
{
	if (!c->mark[MARK_SYN] || !c->mark[MARK_SYN_ACK] || c->capture & CAPTURE_NAT_TWIN)
		return; /* on the other side of a NAT it would be counted twice */
	for (unsigned x = 0; x < 2; x++) {
		struct isn_habit habit = isn_count(&hosts->isns, table, c, x, &counters->isns_forgotten);
		if (habit.kind)
			connection_has_habit(c, table, &habit);
	}
}

/* Its client had held TIME-WAIT on this very socket pair, for less than 2MSL and a tenth. */
static bool takes_again(const struct flow_table *table, const struct connection *c, int64_t time_wait)
{
	const struct former *was = connection_former(c);
	uint32_t older = c->entry.older;
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

/* A server's TIME-WAITs cost no ports. */
static void count_time_wait(struct hosts *hosts, struct flow_table *table, struct connection *c,
                            const struct tcpaudit_settings *settings, struct tcpaudit_counters *counters)
{
	int64_t since, time_wait = 2 * settings->msl;

	if (close_plain_holder(c, &since) != TCPAUDIT_WHO_CLIENT)
		return;
	struct pressure_view view = pressure_count(&hosts->pressure, table, c, since, takes_again(table, c, time_wait), settings,
	                                           &counters->pressure_forgotten);
	if ((view.held || view.reused) && flow_rarity(table, c))
		c->rarity->pressure = view;
}

void hosts_compare(struct hosts *hosts, struct flow_table *table, uint32_t slot, unsigned known, int64_t time,
                   const struct tcpaudit_settings *settings, struct tcpaudit_counters *counters)
{
	if (known & HOSTS_ANSWERED)
		look_for_twin(hosts, table, slot, time, counters);
	if (known & HOSTS_ESTABLISHED)
		compare_isns(hosts, table, flow_connection(table, slot), counters);
	if (known & HOSTS_CLOSED)
		count_time_wait(hosts, table, flow_connection(table, slot), settings, counters);
}
