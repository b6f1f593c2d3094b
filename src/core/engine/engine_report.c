/* engine_report.c - what is said of a connection: what has ended goes through mirror, close and checks to the sink. */
#include <string.h>

#include "engine.h"
#include "late.h"
#include "shards.h"
#include "close/forgery.h"
#include "flow/connection.h"
#include "flow/embryo.h"
#include "mirror/places.h"
#include "aside.h"

#define SECOND        1000000000ll
#define SWEEP_SLICES  1024
#define GROWN_A_FRAME 4 /* embryos, where rules ask now and then */

/* ---- labels ---- */

void engine_offer_text(struct tcpaudit *e, struct connection *c, const struct tcpaudit_segment *s, unsigned from, uint32_t fresh)
{
	uint32_t known = s->len - fresh;

	if (!fresh || s->text_caplen <= known)
		return;
	if (e->labeller.text(e->labeller.user, &c->entry.label, s, from, s->header + s->header_len + known, s->text_caplen - known))
		c->entry.bits &= ~(uint32_t)CONN_UNLABELLED;
}

void engine_end_label(struct tcpaudit *e, struct connection *c)
{
	if (c->entry.bits & CONN_UNLABELLED && c->entry.label)
		e->labeller.end(e->labeller.user, &c->entry.label);
	c->entry.bits &= ~(uint32_t)CONN_UNLABELLED;
}

/* While it is undecided, the note is the labeller's alone. */
static struct tcpaudit_label label_so_far(const struct tcpaudit *e, const struct connection *c)
{
	return check_label(&e->labeller, c->entry.bits & CONN_UNLABELLED ? 0 : c->entry.label);
}

/* ---- what the capture lost ---- */

#define ANSWERED SECOND /* an acknowledgment waits half of that at most (RFC 9293 MUST-40); the path takes time, too */

/* Whichever connection it was that lost some: what was there cannot be told from what was not, for all that were open, and are told
 * of as they were `at` a time.  One that has closed still owes an answer to its last segment.  Losses are known by packet time. */
static void note_losses(const struct tcpaudit *e, struct connection *c, int64_t at)
{
	int64_t until = (connection_settled(c) ? connection_last(c) + ANSWERED : at) + engine_lag(c);

	if (losses_within(&e->losses, c->start, until))
		c->entry.capture |= CAPTURE_DROPS;
}

/* Only what happened tells, so that it is known when that is looked at. */
static void note_clock(struct connection *c)
{
	const struct history *h = c->entry.bits & CONN_BRIEF ? NULL : connection_kept(c).history;

	if (h && (history_clock_jumped(h) || (c->entry.capture & CAPTURE_MULTI_IF && places_disagree(h))))
		c->entry.capture |= CAPTURE_CLOCK_STEP;
}

bool engine_lost_since(const struct tcpaudit *e, int64_t time)
{
	return losses_within(&e->losses, time, INT64_MAX);
}

/* ---- reports ---- */

/* An end that was open aborts, by a reset that the other one obeys. */
static bool is_abort(const struct connection *c, const struct history *h)
{
	const uint32_t is = CONN_SYN | CONN_SYN_ACK | CONN_ESTABLISHED | CONN_SETTLED,
	               may_be = CONN_CROSSED | CONN_ACK | CONN_DATA | CONN_RST | CONN_WATCHED | CONN_UNLABELLED | CONN_SUPERSEDED |
	                        CONN_MARKED_ACK | CONN_MARKED_RESPONSE;

	return (c->entry.bits & ~may_be) == is && !c->entry.capture &&
	       !((c->end[0].bits | c->end[1].bits) & (TCB_GAP | TCB_HOLE)) && history_is_abort(h);
}

/* Plain numbers do not tell what became of its ends.  Rules of the user may ask for what they leave open. */
static bool is_odd(const struct tcpaudit *e, const struct connection *c)
{
	if (c->entry.bits & (CONN_MIDSTREAM | CONN_BRIEF))
		return c->entry.bits & CONN_MIDSTREAM || !(c->entry.bits & CONN_CLOSED) || !brief_answers(connection_kept(c).brief) ||
		       brief_may_have_queued(connection_kept(c).brief);
	const struct history *h = connection_kept(c).history;
	return h && !history_is_plain(h) && (e->settings.points || !is_abort(c, h));
}

/* Where plain numbers tell all that is asked for, there is no need to follow the states: of a close they tell those at its end. */
static bool needs_mirror(const struct tcpaudit *e, const struct connection *c, bool odd)
{
	return e->settings.transitions || odd || (e->settings.states && !(c->entry.bits & CONN_CLOSED));
}

/* What is known of it at packet time `at`.  `mirror`: to be run for it; NULL if nobody needs it. */
static void open_case(struct tcpaudit *e, const struct connection *c, int64_t at, struct mirror *mirror, bool odd,
                      struct case_file *file)
{
	file->connection = c;
	file->history = connection_kept(c).history;
	file->mirror = mirror;
	file->settings = &e->settings;
	file->now = at;
	file->odd = odd;
	file->ended = e->ended;
	if (!mirror)
		return;
	const struct captured captured = connection_captured(c);
	places_follow(mirror, &captured, at, file->route);
}

/* Asks the user's own rules.  Without memory for what was told, it is told again. */
static void ask_own(struct tcpaudit *e, struct connection *c, const struct check_result *result, enum tcpaudit_point point,
                    int64_t at, struct tcpaudit_connection *record)
{
	uint64_t told = connection_rarity(c) ? connection_rarity(c)->told : 0, before = told;

	check_own(result, point, record, at, connection_scopes(c), &told);
	if (told != before && flow_rarity(e->table, c))
		connection_rarity(c)->told = told;
}

/* Asks the user's own rules about a connection that goes on. */
void engine_ask_midway(struct tcpaudit *e, struct connection *c, enum tcpaudit_point point)
{
	struct check_result result = {.settings = &e->settings, .counters = &e->counters, .sink = &e->sink};
	struct tcpaudit_connection record;
	struct mirror mirror;
	struct case_file file;
	struct history room;
	engine_conclude(e); /* before anything of it is lent or looked at */
	bool odd = is_odd(e, c), needed = needs_mirror(e, c, odd);
	struct loan loan = connection_lend(c, e->table, needed || e->settings.states, &room);

	note_losses(e, c, e->now - engine_lag(c));
	note_clock(c);
	open_case(e, c, e->now, needed ? &mirror : NULL, odd, &file);
	close_describe(&file, &record, NULL);
	record.label = label_so_far(e, c);
	ask_own(e, c, &result, point, e->now, &record);
	connection_give_back(c, loan);
}

/* For the last time: nobody needs to know any more what has been told.  A part's sink is not asked; the whole is, when this is told.  The
 * path of those who have no rules is better kept free of it. */
ASIDE void engine_ask_at_the_end(struct tcpaudit *e, uint32_t scopes, uint64_t told, int64_t at,
                                 struct tcpaudit_connection *record)
{
	const struct check_result result = {.settings = &e->settings, .counters = &e->counters, .sink = &e->sink};

	check_own(&result, TCPAUDIT_ON_TICK, record, at, scopes, &told); /* it may never have met one */
	check_own(&result, TCPAUDIT_ON_CLOSE, record, at, scopes, &told);
}

static inline void ask_at_the_end(struct tcpaudit *e, uint32_t scopes, uint64_t told, int64_t at, struct tcpaudit_connection *record)
{
	if (e->settings.points || told)
		engine_ask_at_the_end(e, scopes, told, at, record);
}

/* Rules that ask now and then may have come when embryos were there already: bit by bit they become what is visited. */
static void grow_some(struct tcpaudit *e)
{
	uint32_t slot;

	for (int i = 0; i < GROWN_A_FRAME && (slot = flow_oldest_embryo(e->table)) != SLOT_NONE && !flow_full(e->table); i++)
		engine_grow(e, slot);
}

/* Visits open connections for the user's rules.  The table's places pass by once in a tick, some at a time: nobody waits for a
 * million of them.  `all`: what is left of this turn. */
void engine_sweep(struct tcpaudit *e, bool all)
{
	struct sweep *s = &e->sweep;
	int64_t tick = e->settings.tick;

	if (!(e->settings.points >> TCPAUDIT_ON_TICK & 1) || tick <= 0 || (!all && e->now < s->next))
		return;
	grow_some(e);
	uint32_t places = flow_places(e->table), until = places;
	if (!all && e->now - s->since < tick)
		until = (uint32_t)((double)places * (double)(e->now - s->since) / (double)tick);
	for (; s->cursor < until; s->cursor++)
		if (flow_entry(e->table, s->cursor)->id)
			engine_ask_midway(e, flow_connection(e->table, s->cursor), TCPAUDIT_ON_TICK);
	if (until == places) {
		s->since = e->now;
		s->cursor = 0;
	}
	s->next = e->now + tick / SWEEP_SLICES;
}

static uint32_t in_seconds(int64_t lag)
{
	return lag / SECOND < UINT32_MAX ? (uint32_t)((lag + SECOND - 1) / SECOND) : UINT32_MAX;
}

/* How old the clock's time is that an end's number shows, when its newest frame comes: one that continues the number of the
 * incarnation before shows no other time than that did. */
static uint8_t iss_age_of(const struct connection *c, const struct former *before, unsigned x)
{
	int64_t since = c->start;
	uint8_t age = 0;

	if (c->entry.bits & CONN_MIDSTREAM || !(c->end[x].bits & TCB_ISS))
		return ISS_AGE_UNKNOWN;
	if (before && former_knows(before, x) && iss_recycles(c->end[x].iss, before->next[x])) {
		age = before->iss_age[x];
		since = before->last;
	}
	return iss_aged(age, connection_last(c) - since);
}

void engine_remains(const struct connection *c, struct former *was)
{
	const bool brief = c->entry.bits & CONN_BRIEF;
	const struct history *h = brief ? NULL : connection_kept(c).history;

	memset(was, 0, sizeof *was);
	was->id = c->entry.id;
	was->scopes = connection_scopes(c);
	was->last = connection_last(c);
	was->holder = TCPAUDIT_WHO_NONE;
	was->timestamps = c->end[0].bits & c->end[1].bits & TCB_TS;
	was->agreed = c->entry.bits & CONN_SYN && c->entry.bits & CONN_SYN_ACK;
	was->established = c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM);
	was->closing = brief || (h && (h->fin[0].sent || h->fin[1].sent));
	was->closed = brief ? c->entry.bits & CONN_CLOSED : h && history_closed(h);
	was->reset = h && h->first_reset >= 0;
	was->answered = c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM | CONN_ACK | CONN_FIN);
	was->doubtful = true;
	was->spoiled = tcb_took_spoiled(&c->end[0]) || tcb_took_spoiled(&c->end[1]);
	was->lag = in_seconds(engine_lag(c));
	if (was->reset)
		was->reset_by = h->event[h->first_reset].from;
	if (h && h->first_reset_any >= 0)
		was->reset_at = h->event[h->first_reset_any].time;
	for (unsigned x = 0; x < 2; x++) {
		was->known |= !!(c->end[x].bits & TCB_SEQ) << x;
		was->next[x] = c->end[x].maxseq;
		was->iss[x] = c->end[x].iss;
		was->tsval[x] = c->end[x].tsval;
		was->ttl[x] = c->end[x].ttl;
		was->iss_age[x] = iss_age_of(c, h ? h->former : NULL, x);
	}
}

/* Who is told borrows the record, which is as of `at`. */
static void tell(struct tcpaudit *e, int64_t at, const struct tcpaudit_connection *record)
{
	if (e->part)
		part_tells(e->part, at);
	e->counters.by_kind[record->kind]++;
	if (e->sink.connection_end)
		e->sink.connection_end(e->sink.user, record);
}

static void report_any(struct tcpaudit *e, struct connection *c, int64_t at, struct tcpaudit_connection *record,
                       struct former *was)
{
	struct mirror mirror;
	struct case_file file;
	struct check_result result = {.plan = &e->plan, .settings = &e->settings, .counters = &e->counters, .sink = &e->sink};
	struct history room;
	bool odd = is_odd(e, c), needed = needs_mirror(e, c, odd);
	struct loan loan = connection_lend(c, e->table, needed || e->settings.states || connection_habit(c), &room);

	history_disown_forged(connection_kept(c).history, c->end);
	history_settle_fins(connection_kept(c).history, c->end);
	note_clock(c);
	reset_disown(c, connection_kept(c).history);
	open_case(e, c, at, needed ? &mirror : NULL, odd, &file);
	close_describe(&file, record, e->settings.transitions ? &e->routes : NULL);
	engine_end_label(e, c);
	record->label = label_so_far(e, c);
	check_connection(&file, record, &result);
	ask_at_the_end(e, connection_scopes(c), connection_rarity(c) ? connection_rarity(c)->told : 0, at, record);
	tell(e, at, record);
	if (was)
		engine_remains(c, was);
	connection_give_back(c, loan);
}

#ifdef TCPAUDIT_BOTH_WAYS
#include <assert.h>

/* What lies behind its last member was never said. */
static void blank_evidence(struct tcpaudit_connection *r)
{
	const size_t said = offsetof(struct tcpaudit_evidence, from) + sizeof r->reset.from;
	struct tcpaudit_evidence *evidence[] = {&r->reset, &r->end[0].fin, &r->end[0].fin_ack, &r->end[1].fin, &r->end[1].fin_ack};

	for (size_t i = 0; i < sizeof evidence / sizeof *evidence; i++)
		memset((char *)evidence[i] + said, 0, sizeof *evidence[i] - said);
}

/* For tests: the short way must lead where the long way does. */
static void report_both_ways(struct tcpaudit *e, struct connection *c, int64_t at, const struct tcpaudit_connection *record)
{
	struct tcpaudit_counters counters = e->counters, counted;
	struct tcpaudit_sink sink = e->sink;
	struct tcpaudit_connection once = *record, again;

	e->sink = (struct tcpaudit_sink){0};
	memset(&e->counters, 0, sizeof e->counters);
	struct former was, is;
	engine_remains(c, &is);
	report_any(e, c, at, &again, &was);
	counted = e->counters;
	memset(&e->counters, 0, sizeof e->counters);
	tell(e, at, &once);
	check_orderly(&e->settings, &e->counters, &once);
	assert(memcmp(&counted, &e->counters, sizeof counted) == 0);
	blank_evidence(&once);
	blank_evidence(&again);
	assert(memcmp(&once, &again, sizeof once) == 0);
	assert(was.last == is.last && was.closing == is.closing && was.closed == is.closed && was.reset == is.reset &&
	       was.reset_at == is.reset_at);
	e->counters = counters;
	e->sink = sink;
}
#else
static void report_both_ways(struct tcpaudit *e, struct connection *c, int64_t at, const struct tcpaudit_connection *record)
{
	(void)e;
	(void)c;
	(void)at;
	(void)record;
}
#endif

/* Is there nothing to be found out that needs a history?  Then the record is described. */
static bool describe_brief(const struct tcpaudit *e, const struct connection *c, struct tcpaudit_connection *record)
{
	return !e->settings.transitions && check_counts_orderly(&e->plan, &e->settings) && close_describe_brief(c, &e->settings, record);
}

/* Tells the sink of a connection that has ended, as it was at packet time `at`; the record stays the caller's, and so does what
 * will be remembered.  `was`: NULL: nothing will. */
static void report(struct tcpaudit *e, struct connection *c, int64_t at, struct tcpaudit_connection *record, struct former *was)
{
	note_losses(e, c, at);
	if (!describe_brief(e, c, record)) {
		report_any(e, c, at, record, was);
		return;
	}
	engine_end_label(e, c);
	record->label = label_so_far(e, c);
	check_orderly(&e->settings, &e->counters, record);
	report_both_ways(e, c, at, record);
	ask_at_the_end(e, 0, 0, at, record); /* scopes, and what was told before, would be in its rarity, and it has none */
	tell(e, at, record);
	if (was)
		engine_remains(c, was);
}

/* What its report has found out about its close. */
static void conclude(struct former *was, const struct tcpaudit_connection *record, unsigned vantage)
{
	was->held = record->time_wait_holder;
	was->holder = record->time_wait_holder;
	was->doubtful = record->confidence < TCPAUDIT_CERTAIN;
	was->time_wait_since = record->time_wait_since;
	for (unsigned x = 0; x < 2; x++) {
		was->elsewhere |= vantage >> x & 1 && record->end[x].vantage != TCPAUDIT_VANTAGE_AT;
		if (record->end[x].resets) /* the holder's, who has aborted or said that it is gone; or the peer's, which may have ended it */
			was->holder = TCPAUDIT_WHO_NONE;
	}
}

static bool has_successor(const struct connection *c)
{
	uint32_t newer = connection_links(c).newer;

	return newer != SLOT_NONE && !slot_buried(newer);
}

/* The incarnation that follows may have begun before this one was reported. */
static void tell_successor(struct tcpaudit *e, const struct connection *c, const struct former *was)
{
	uint32_t newer = connection_links(c).newer;

	if (!has_successor(c))
		return;
	struct former *known = connection_former(flow_connection(e->table, newer));
	if (!known || known->id != c->entry.id)
		return;
	const struct connection *successor = flow_connection(e->table, newer);
	uint8_t holder = was->reset_at > successor->start ? was->held : was->holder; /* what came later had not happened then */
	bool turned = !known->client_again && holder <= TCPAUDIT_WHO_SERVER;
	known->holder = turned ? !holder : holder;
	known->doubtful = was->doubtful;
	known->time_wait_since = was->time_wait_since;
}

/* Is it told from others by nothing but what close_describe_lone() fills in? */
static bool is_lone(const struct tcpaudit *e, const struct embryo *embryo, int64_t at)
{
	return !embryo->entry.capture && !(embryo->tcb & TCB_OUTBOUND) && !e->settings.transitions &&
	       !losses_within(&e->losses, embryo->start, at);
}

/* The connection that an embryo stands for, while it is reported. */
struct stand_in {
	struct connection connection;
	struct rarity rarity;
};

static struct connection *stand_in(struct stand_in *room, const struct embryo *embryo)
{
	struct connection *c = &room->connection;

	embryo_grow(embryo, c);
	if (embryo->scopes) {
		room->rarity = rarity_of(c->kept);
		room->rarity.scopes = embryo->scopes;
		c->kept.rarity = &room->rarity;
		c->entry.bits |= CONN_RARE;
	}
	return c;
}

static void stand_down(struct flow_table *table, struct stand_in *room)
{
	struct connection *c = &room->connection;

	if (c->entry.bits & CONN_RARE && c->kept.rarity == &room->rarity) {
		c->kept = room->rarity.kept;
		c->entry.bits &= ~(uint32_t)CONN_RARE;
	}
	flow_strip(table, c);
}

#ifdef TCPAUDIT_BOTH_WAYS
/* The same. */
static void report_long_way(struct tcpaudit *e, const struct embryo *embryo, int64_t at)
{
	struct tcpaudit_counters counters = e->counters;
	struct tcpaudit_sink sink = e->sink;
	struct tcpaudit_connection record;
	struct stand_in room;

	e->sink = (struct tcpaudit_sink){0};
	report(e, stand_in(&room, embryo), at, &record, NULL);
	stand_down(e->table, &room);
	assert(memcmp(&record, &e->lone, sizeof record) == 0);
	counters.by_kind[record.kind]++;
	assert(memcmp(&counters, &e->counters, sizeof counters) == 0);
	e->counters.by_kind[record.kind]--;
	e->sink = sink;
}
#else
static void report_long_way(struct tcpaudit *e, const struct embryo *embryo, int64_t at)
{
	(void)e;
	(void)embryo;
	(void)at;
}
#endif

/* As report(), in few steps: nearly all that is to be said was said of the one before. */
static void report_lone(struct tcpaudit *e, const struct embryo *embryo, int64_t at)
{
	struct tcpaudit_connection *record = &e->lone;

	close_describe_lone(embryo, at, record);
	check_lone(&e->plan, &e->settings, embryo->scopes, e->ended, at, record);
	report_long_way(e, embryo, at);
	ask_at_the_end(e, embryo->scopes, 0, at, record);
	tell(e, at, record);
}

/* `was`: to be filled in with what will be remembered; NULL: nothing will. */
static void report_embryo(struct tcpaudit *e, const struct embryo *embryo, int64_t at, struct former *was)
{
	bool lone = is_lone(e, embryo, at), known = lone && e->lone_known;
	struct tcpaudit_connection record;
	struct stand_in room;

	if (known)
		report_lone(e, embryo, at);
	if (known && !was)
		return;
	struct connection *c = stand_in(&room, embryo);
	if (known)
		engine_remains(c, was);
	else
		report(e, c, at, &record, was);
	stand_down(e->table, &room);
	if (was)
		conclude(was, known ? &e->lone : &record, e->settings.vantage);
	if (lone && !known) {
		e->lone = record;
		e->lone_known = true;
	}
}

/* A tombstone in its place. */
static struct tombstone *bury(struct tcpaudit *e, uint32_t slot, const struct former *was)
{
	uint32_t grave = flow_bury(e->table, slot);
	if (grave == SLOT_NONE)
		return NULL;
	struct tombstone *t = flow_tombstone(e->table, grave);
	t->was = *was;
	flow_schedule(e->table, grave, tombstone_until(t));
	return t;
}

static void end_embryo(struct tcpaudit *e, uint32_t slot, int64_t at)
{
	struct former was;

	report_embryo(e, flow_embryo(e->table, slot), at, e->ended ? NULL : &was);
	if (e->ended)
		flow_remove(e->table, slot);
	else
		bury(e, slot, &was);
}

int64_t engine_lag(const struct connection *c)
{
	return connection_rarity(c) ? connection_rarity(c)->lag : 0;
}

void engine_report(struct tcpaudit *e, uint32_t slot, int64_t at)
{
	struct tcpaudit_connection record;
	engine_conclude(e);
	if (slot_is_embryo(slot)) {
		end_embryo(e, slot, at);
		return;
	}
	struct connection *c = flow_connection(e->table, slot);
	struct former was, *asked = e->ended && !has_successor(c) ? NULL : &was;
	report(e, c, at - engine_lag(c), &record, asked);
	if (asked) {
		conclude(asked, &record, e->settings.vantage);
		tell_successor(e, c, asked);
	}
	if (e->ended) {
		flow_remove(e->table, slot);
		return;
	}
	struct tombstone *t = bury(e, slot, &was);
	if (!t)
		return;
	t->reset = record.post_close_reset;
}

void engine_evict(struct tcpaudit *e, uint32_t slot)
{
	struct tcpaudit_connection record;

	engine_conclude(e);
	flow_entry(e->table, slot)->bits |= CONN_EVICTED;
	e->counters.evicted++;
	if (slot_is_embryo(slot))
		report_embryo(e, flow_embryo(e->table, slot), e->now, NULL);
	else
		report(e, flow_connection(e->table, slot), e->now - engine_lag(flow_connection(e->table, slot)), &record, NULL);
	flow_remove(e->table, slot);
}
