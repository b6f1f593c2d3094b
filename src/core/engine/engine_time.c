/* engine_time.c - when a connection is over: deadlines, what is due, and time that goes on without a frame. */
#include "engine.h"
#include "shards.h"
#include "flow/connection.h"
#include "flow/embryo.h"

#define SECOND        1000000000ll
#define RESET_SETTLED (15 * SECOND)  /* ... by a reset: nothing acknowledges it, and its receiver may go on without it */
#define DUE_AT_ONCE   256            /* connections and tombstones looked at when time goes on without a frame */

static int64_t patience(const struct tcpaudit *e, const struct connection *c)
{
	if (connection_settled(c))
		return (c->entry.bits & (CONN_ESTABLISHED | CONN_CLOSED)) == CONN_ESTABLISHED ? RESET_SETTLED : SETTLING;
	if (!(c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM | CONN_DATA | CONN_FIN)))
		return HALF_OPEN_FOR;
	return e->settings.idle_timeout;
}

int64_t engine_deadline_of(const struct tcpaudit *e, const struct connection *c)
{
	return connection_last(c) + engine_lag(c) + patience(e, c);
}

int64_t engine_calm(const struct tcpaudit *e)
{
	int64_t calm = e->soonest - LAG_NOTED;

	return calm > 0 ? calm : 0;
}

int64_t engine_deadline(const struct tcpaudit *e, uint32_t slot)
{
	if (slot_is_embryo(slot))
		return flow_embryo(e->table, slot)->start + HALF_OPEN_FOR;
	return engine_deadline_of(e, flow_connection(e->table, slot));
}

void engine_note_lag(struct tcpaudit *e, uint32_t slot, int64_t time)
{
	struct connection *c = flow_connection(e->table, slot);
	int64_t last = connection_last(c), lag = e->now - (time > last ? time : last);

	if (lag > LAG_NOTED && flow_rarity(e->table, c))
		connection_rarity(c)->lag = lag;
	else if (connection_rarity(c))
		connection_rarity(c)->lag = 0;
	flow_schedule_by(e->table, slot, engine_deadline_of(e, c)); /* it lags less, perhaps */
}

/* It ends at the first tick behind its deadline: which others are looked at with it depends on nothing else. */
static bool is_over(const struct tcpaudit *e, int64_t due)
{
	return flow_next_tick(due) <= e->now;
}

/* Reports what is over, in the order of ticks. */
static void end_in_turn(struct tcpaudit *e, uint32_t slot, int64_t due)
{
	if (e->part)
		part_orders(e->part, flow_tick_behind(due), flow_entry(e->table, slot)->id);
	engine_report(e, slot, due);
}

/* A record that may be due. */
static void look_at(struct tcpaudit *e, uint32_t slot)
{
	if (slot_buried(slot)) {
		const struct tombstone *t = flow_tombstone(e->table, slot);
		if (tombstone_until(t) <= e->now)
			flow_remove(e->table, slot);
		else
			flow_schedule(e->table, slot, tombstone_until(t));
		return;
	}
	int64_t due = engine_deadline(e, slot);
	struct ending ending = {.tick = flow_tick_behind(due), .slot = slot, .id = flow_entry(e->table, slot)->id};
	if (!is_over(e, due))
		flow_schedule(e->table, slot, due);
	else if (!endings_add(&e->endings, e->table, ending))
		end_in_turn(e, slot, due);
}

/* Ends the first of those that were found due, unless something has happened to it since.  False if none is left. */
static bool end_next(struct tcpaudit *e)
{
	struct ending ending;

	if (!endings_take(&e->endings, e->table, &ending))
		return false;
	if (flow_entry(e->table, ending.slot)->id != ending.id)
		return true;
	int64_t due = engine_deadline(e, ending.slot);
	if (is_over(e, due))
		end_in_turn(e, ending.slot, due);
	else
		flow_schedule(e->table, ending.slot, due);
	return true;
}

/* Looks at so many of those whose time has come, at most: whoever waits for the next frame must not wait for a whole tick's.
 * First all are found, and then reported in their order.  True: there may be more. */
bool engine_expire(struct tcpaudit *e, uint64_t most)
{
	if (e->now < e->quiet_until)
		return false;
	for (; most > 0; most--) {
		if (e->ending) {
			e->ending = end_next(e);
			continue;
		}
		uint32_t slot = flow_due(e->table, e->now);
		if (slot != SLOT_NONE) {
			look_at(e, slot);
			continue;
		}
		e->ending = end_next(e);
		if (!e->ending) {
			e->quiet_until = flow_next_tick(e->now);
			return false;
		}
	}
	return true;
}

/* The time of the first frame: nothing was due before. */
void engine_start(struct tcpaudit *e, int64_t now)
{
	e->started = true;
	e->now = now;
	flow_start_clock(e->table, now);
}

static bool advance(struct tcpaudit *e, int64_t now, uint64_t most)
{
	if (!e->started)
		return false;
	if (bounded(now) > e->now)
		e->front.now = e->now = bounded(now);
	bool more = engine_expire(e, most);
	engine_sweep(e, false);
	front_release(&e->front);
	return more;
}

void tcpaudit_advance(struct tcpaudit *e, int64_t now)
{
	advance(e, now, UINT64_MAX);
}

bool tcpaudit_advance_some(struct tcpaudit *e, int64_t now)
{
	return advance(e, now, DUE_AT_ONCE);
}
