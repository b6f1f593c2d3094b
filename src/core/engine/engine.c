/* engine.c - an engine as a whole: how it is made, configured, split into parts and brought to its end, and what it has counted.
 *
 * What it does with frames is in audit.c. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "shards.h"
#include "flow/flow_order.h"

#define SECOND     1000000000ll
#define PART_WORTH (UINT64_C(16) << 20) /* bytes of memory: with less, a part gives up connections for want of it too soon */

void tcpaudit_settings_init(struct tcpaudit_settings *settings)
{
	*settings = (struct tcpaudit_settings){.idle_timeout = 7440 * SECOND,
	                                       .msl = 30 * SECOND,
	                                       .tunnels = TCPAUDIT_TUNNEL_ALL,
	                                       .checksum = TCPAUDIT_CHECKSUM_AUTO,
	                                       .states = true};
	for (size_t i = 0; i < TCPAUDIT_THRESHOLD_COUNT; i++)
		settings->threshold[i] = tcpaudit_thresholds()[i].normal;
}

/* Twice of it is a number, too. */
static int64_t bounded_msl(const struct tcpaudit_settings *settings)
{
	return settings->msl > LATEST / 2 ? LATEST / 2 : bounded(settings->msl);
}

/* Whoever reads the reports may not, but the user's own rules may ask for them. */
static bool tells_states(const struct tcpaudit_settings *settings)
{
	return settings->states || settings->points;
}

static void set_idle_timeout(struct tcpaudit *e, const struct tcpaudit_settings *settings)
{
	e->settings.idle_timeout = bounded(settings->idle_timeout);
	e->handed_on = CONN_SETTLED | CONN_CLOSED | CONN_SYN_ACK | CONN_ESTABLISHED;
	if (e->settings.idle_timeout < HALF_OPEN_FOR)
		e->handed_on = UINT32_MAX; /* of any, it may be over sooner than was foreseen */
	e->soonest = e->settings.idle_timeout < SETTLING ? e->settings.idle_timeout : SETTLING;
}

/* What the cap leaves for connections: beside them there are the engine, and the fragments that wait in front of it. */
static uint64_t table_share(const struct tcpaudit_settings *settings, const struct part *part)
{
	uint64_t aside = sizeof(struct tcpaudit) + (part ? 0 : front_share(settings->memcap));

	if (!settings->memcap)
		return 0;
	return settings->memcap > aside ? settings->memcap - aside : 1;
}

uint64_t tcpaudit_least_memcap(void)
{
	uint64_t least = (sizeof(struct tcpaudit) + flow_least_memory()) * FRONT_SHARE / (FRONT_SHARE - 1);

	return (least / 1024 + 1) * 1024; /* a figure that can be typed */
}

struct tcpaudit *engine_new(const struct tcpaudit_settings *settings, const struct tcpaudit_sink *sink, struct part *part)
{
	struct tcpaudit *e = calloc(1, sizeof *e);
	if (!e)
		return NULL;
	e->settings = *settings;
	set_idle_timeout(e, settings);
	e->settings.msl = bounded_msl(settings);
	e->settings.states = tells_states(settings);
	e->sink = *sink;
	e->part = part;
	check_plan_init(&e->plan, settings);
	e->table = flow_table_new(settings->hash_key, table_share(settings, part));
	if ((!part && !front_init(&e->front, settings)) || !e->table) {
		tcpaudit_free(e);
		return NULL;
	}
	return e;
}

struct tcpaudit *tcpaudit_new(const struct tcpaudit_settings *settings, const struct tcpaudit_sink *sink)
{
	return engine_new(settings, sink, NULL);
}

/* Do these settings ask for what depends on all connections in turn? */
static bool needs_one_piece(const struct tcpaudit_settings *settings)
{
	if (settings->max_flows || settings->points & ~(1u << TCPAUDIT_ON_CLOSE) || settings->watch || settings->watch_all)
		return true;
	for (size_t i = 0; i < sizeof settings->check / sizeof settings->check[0]; i++)
		if (settings->check[i].suppressed)
			return true;
	return false;
}

bool tcpaudit_configure(struct tcpaudit *e, const struct tcpaudit_settings *settings)
{
	memcpy(e->settings.threshold, settings->threshold, sizeof settings->threshold);
	memcpy(e->settings.check, settings->check, sizeof settings->check);
	check_plan_init(&e->plan, settings);
	if (e->shards)
		shards_configure(e->shards, settings);
	if (e->settings.msl != bounded_msl(settings)) /* its slices are parts of the MSL */
		memset(&e->hosts.pressure, 0, sizeof e->hosts.pressure);
	e->settings.msl = bounded_msl(settings);
	if (bounded(settings->idle_timeout) < e->settings.idle_timeout)
		flow_hasten(e->table, e->now + bounded(settings->idle_timeout));
	set_idle_timeout(e, settings);
	e->settings.own = settings->own;
	e->settings.own_count = settings->own_count;
	e->settings.points = settings->points;
	e->settings.tick = settings->tick;
	e->settings.states = tells_states(settings);
	e->lone_known = false;
	return !e->shards || !needs_one_piece(&e->settings);
}

void tcpaudit_free(struct tcpaudit *e)
{
	if (!e)
		return;
	shards_free(e->shards);
	front_fini(&e->front);
	endings_free(&e->endings);
	flow_table_free(e->table);
	free(e);
}

void tcpaudit_set_labeller(struct tcpaudit *e, const struct tcpaudit_labeller *labeller)
{
	e->labeller = *labeller;
}

enum tcpaudit_octets tcpaudit_needs_octets(const struct tcpaudit *e)
{
	if (e->sink.scopes)
		return TCPAUDIT_OCTETS_FRAMES;
	return e->labeller.text ? TCPAUDIT_OCTETS_TEXT : TCPAUDIT_OCTETS_NONE;
}

bool tcpaudit_split(struct tcpaudit *e, unsigned parts, const struct tcpaudit_team *team)
{
	const struct tcpaudit_settings *settings = &e->settings;

	if (settings->memcap && settings->memcap / PART_WORTH < parts)
		parts = (unsigned)(settings->memcap / PART_WORTH);
	if (parts < 2 || needs_one_piece(settings) || e->sink.scopes || (e->labeller.text && !e->labeller.part))
		return true;
	e->shards = shards_new(e, parts, team);
	return e->shards != NULL;
}

void tcpaudit_count(struct tcpaudit *e, enum tcpaudit_fate fate)
{
	front_count(&e->front, fate);
}

void tcpaudit_lost(struct tcpaudit *e)
{
	e->losses = (struct losses){.count = 1, .span = {{0, e->now}}};
	if (e->shards)
		shards_lost(e->shards, &e->losses);
}

/* The capture has ended before it was reported; perhaps its time was up already. */
void engine_end(struct tcpaudit *e, uint32_t slot)
{
	int64_t due = engine_deadline(e, slot);

	engine_report(e, slot, due < e->now ? due : e->now);
}

void tcpaudit_finish(struct tcpaudit *e)
{
	uint32_t slot;

	if (e->shards) {
		shards_finish(e);
		return;
	}
	engine_expire(e, UINT64_MAX);
	engine_sweep(e, true);
	e->ended = true;
	front_end(&e->front);
	flow_close(e->table);
	uint64_t count = flow_count(e->table);
	uint64_t *order = malloc((count ? count : 1) * FLOW_ORDER_EACH);
	uint64_t n = order ? flow_order(e->table, order) : 0;
	for (uint64_t i = 0; i < n; i++) {
		flow_prefetch_slots(e->table, i + 2 < n ? flow_ordered(order[i + 2]) : SLOT_NONE,
		                    i + 1 < n ? flow_ordered(order[i + 1]) : SLOT_NONE);
		engine_end(e, flow_ordered(order[i]));
	}
	free(order);
	for (uint32_t cursor = 0; !n && (slot = flow_next(e->table, &cursor)) != SLOT_NONE;) /* no memory for the order */
		engine_end(e, slot);
}

void tcpaudit_counters(const struct tcpaudit *e, struct tcpaudit_counters *counters)
{
	const struct front_counters *front = &e->front.counters;

	*counters = e->counters;
	counters->frames = front->frames;
	memcpy(counters->fate, front->fate, sizeof front->fate);
	for (size_t i = 0; i < TCPAUDIT_UNUSABLE_COUNT; i++)
		counters->unusable[i] += front->unusable[i];
	counters->time_backwards = front->time_backwards;
	counters->time_held = front->time_held;
	counters->first = front->first;
	counters->newest = e->now;
	counters->open = flow_count(e->table);
	counters->tombstones_evicted = flow_tombstones_evicted(e->table);
	counters->memory = flow_memory(e->table) + (e->part ? 0 : decoder_memory(e->front.decoder)) + sizeof *e;
	if (e->shards)
		shards_count(e->shards, counters);
}

void tcpaudit_counters_add(struct tcpaudit_counters *sum, const struct tcpaudit_counters *counters)
{
	enum { SUMS = offsetof(struct tcpaudit_counters, first) / sizeof(uint64_t) };
	uint64_t to[SUMS], from[SUMS];

	_Static_assert(sizeof *sum == SUMS * sizeof(uint64_t) + 2 * sizeof(int64_t), "a counter that is no sum");
	memcpy(to, sum, sizeof to);
	memcpy(from, counters, sizeof from);
	for (size_t i = 0; i < SUMS; i++)
		to[i] += from[i];
	memcpy(sum, to, sizeof to);
	if (sum->first == 0 || (counters->first != 0 && counters->first < sum->first))
		sum->first = counters->first;
	if (counters->newest > sum->newest)
		sum->newest = counters->newest;
}
