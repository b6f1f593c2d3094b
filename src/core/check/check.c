/* check.c - runs the catalogue, and decides what a claim is worth (design: classes S C X A T, premises, presence and absence). */
#include <string.h>

#include "check.h"
#include "flow/unusual.h"
#include "mirror/places.h"

static const struct tcpaudit_check rows[] = {
#define CHECK(id, name, wakes, severity, normative, rests_on, basis, title, rfc, advice)                                         \
	{id,    TCPAUDIT_##severity, TCPAUDIT_NORMATIVE_##normative, TCPAUDIT_CLASS_##rests_on, TCPAUDIT_##basis, title, rfc,    \
	 advice},
#include "rows.h"
#undef CHECK
};

static check_function *const functions[] = {
#define CHECK(id, name, wakes, severity, normative, rests_on, basis, title, rfc, advice) check_##name,
#include "rows.h"
#undef CHECK
};

enum { ODD = 0x01, RESET = 0x02, UNUSUAL = 0x04, FORMER = 0x08, FIN = 0x10, NOTED = 0x20, LOOSE = 0x40, RARE = 0x80 };
static const uint8_t wakes_on[] = {
#define CHECK(id, name, wakes, severity, normative, rests_on, basis, title, rfc, advice) wakes,
#include "rows.h"
#undef CHECK
};

/* What is beyond these is a mistake. */
#define MOST_DURATION 2592000000000000 /* 30 days */
#define MOST_COUNT    65535
#define MOST_PERCENT  100

static const struct tcpaudit_threshold thresholds[] = {
#define X(name, check, key, unit, normal, least, text) {check, key, TCPAUDIT_UNIT_##unit, normal, least, MOST_##unit, text},
        TCPAUDIT_THRESHOLDS(X)
#undef X
};

_Static_assert(ROWS + TCPAUDIT_OWN <= TCPAUDIT_CHECK_WORDS * 64, "a set of checks has no room for all rows and the user's");

const struct tcpaudit_check *tcpaudit_checks(size_t *count)
{
	*count = (size_t)ROWS;
	return rows;
}

const struct tcpaudit_threshold *tcpaudit_thresholds(void)
{
	return thresholds;
}

int tcpaudit_check_index(const char *id)
{
	for (int i = 0; i < ROWS; i++)
		if (strcmp(rows[i].id, id) == 0)
			return i;
	return -1;
}

/* A checksum covers the text; fragments are put together whole; and what lacks an option may have been cut there. */
bool tcpaudit_check_needs_text(int row)
{
	return row == ROW_cap_checksum_bad || row == ROW_cap_fragments || row == ROW_rst_ts_missing;
}

int check_severity(const struct tcpaudit_settings *settings, int row)
{
	int8_t set = settings->check[row].severity;
	return set < 0 ? -1 : set > 0 ? set - 1 : row < ROWS ? rows[row].severity : settings->own[row - ROWS].severity;
}

static void add(uint64_t set[TCPAUDIT_CHECK_WORDS], int row)
{
	set[row >> 6] |= 1ull << (row & 63);
}

/* Premises that each class needs (checks.md 1.3). */
static unsigned needed_by(uint8_t rests_on, const struct claim *cl)
{
	switch ((enum tcpaudit_class)rests_on) {
	case TCPAUDIT_CLASS_SEGMENT:
		return TCPAUDIT_PREMISE_GENUINE | TCPAUDIT_PREMISE_HEADERS;
	case TCPAUDIT_CLASS_CONTRADICTION:
		return TCPAUDIT_PREMISE_ONE_INCARNATION | TCPAUDIT_PREMISE_GENUINE | TCPAUDIT_PREMISE_HEADERS;
	case TCPAUDIT_CLASS_REACTION:
		return TCPAUDIT_PREMISE_ONE_INCARNATION | TCPAUDIT_PREMISE_GENUINE | (cl->proven ? 0 : TCPAUDIT_PREMISE_NO_LOSS);
	case TCPAUDIT_CLASS_ABSENCE:
		return TCPAUDIT_PREMISE_ONE_INCARNATION | TCPAUDIT_PREMISE_NO_LOSS;
	case TCPAUDIT_CLASS_TIME:
		return TCPAUDIT_PREMISE_CLOCK | TCPAUDIT_PREMISE_NO_LOSS;
	case TCPAUDIT_CLASS_CAPTURE:
		return 0;
	}
	return 0;
}

#define CHANCE 0.002 /* that the path took all of them: three where it takes one in ten */

/* How many stimuli without an answer are more than the path explains, by the share of an end's segments that had to be repeated before.
 * One acknowledgment makes up for those that were lost before it, so that share is about what is lost one way; an answer takes both. */
static unsigned silences_that_tell(const struct judging *j, const struct claim *cl)
{
	double share = 0.1, chance = 1;
	unsigned count = 0;

	for (unsigned x = 0; x < 2; x++) {
		const struct tcpaudit_end *end = &j->record->end[x];
		if (end->packets > cl->unanswered && end->retransmissions > cl->unanswered) {
			double repeated = (double)(end->retransmissions - cl->unanswered) / (double)(end->packets - cl->unanswered);
			repeated *= 2 - repeated;
			share = repeated > share ? repeated : share;
		}
	}
	while (chance > CHANCE && count < UINT8_MAX) {
		chance *= share;
		count++;
	}
	return count;
}

/* `vouched_for`: the user says that whatever this host sends is captured.  To be inside it is not enough for that: there may be
 * another interface.  Nor has what was captured there arrived for certain: a firewall, or a full buffer, comes behind. */
static int starting_confidence(const struct judging *j, uint8_t rests_on, const struct claim *cl, bool at, bool vouched_for)
{
	switch ((enum tcpaudit_class)rests_on) {
	case TCPAUDIT_CLASS_SEGMENT:
	case TCPAUDIT_CLASS_CAPTURE:
		return TCPAUDIT_CERTAIN;
	case TCPAUDIT_CLASS_CONTRADICTION:
		return TCPAUDIT_CERTAIN;
	case TCPAUDIT_CLASS_REACTION:
		return cl->proven ? TCPAUDIT_CERTAIN : at ? TCPAUDIT_LIKELY : TCPAUDIT_POSSIBLE;
	case TCPAUDIT_CLASS_ABSENCE:
		if (at && cl->proven)
			return vouched_for ? TCPAUDIT_CERTAIN : TCPAUDIT_LIKELY;
		return cl->unanswered >= silences_that_tell(j, cl) ? TCPAUDIT_LIKELY : TCPAUDIT_POSSIBLE;
	case TCPAUDIT_CLASS_TIME:
		if (vouched_for && cl->over_in_time)
			return TCPAUDIT_CERTAIN;
		return cl->over_in_time ? TCPAUDIT_LIKELY : TCPAUDIT_POSSIBLE;
	}
	return TCPAUDIT_POSSIBLE;
}

/* It shows in the handshake.  Of several copies the first may have been answered, where no timestamp says which (RFC 6298 3). */
int64_t way_to_and_back(const struct judging *j, unsigned x)
{
	const int stimulus = x == TCPAUDIT_SERVER ? MARK_SYN : MARK_SYN_ACK;
	int64_t way = j->record->end[x].turnaround;

	if (j->at[x])
		return 0;
	if (!(j->c->end[0].bits & j->c->end[1].bits & TCB_TS) && connection_marked(j->c, stimulus) &&
	    connection_marked(j->c, stimulus + 1)) {
		int64_t most = connection_mark_time(j->c, stimulus + 1) - connection_mark_time(j->c, stimulus);
		way = most > way ? most : way;
	}
	return way > 0 ? way : 0;
}

static bool at_its_end(const struct judging *j, const struct claim *cl)
{
	return cl->endpoint <= TCPAUDIT_WHO_SERVER && j->at[cl->endpoint ^ cl->whole_at_peer];
}

/* What was spoiled on its way may not be what its sender sent.  Claims that hold segments against each other
 * rest on both ends'; what a segment shows by itself, on its sender's alone. */
static unsigned premises_for(const struct judging *j, const struct claim *cl)
{
	bool alone = rows[j->row].rests_on == TCPAUDIT_CLASS_SEGMENT && cl->endpoint <= TCPAUDIT_WHO_SERVER;
	bool spoiled = alone ? j->spoiled[cl->endpoint] : j->spoiled[0] || j->spoiled[1];

	return spoiled ? j->premises & ~(unsigned)TCPAUDIT_PREMISE_GENUINE : j->premises;
}

static bool is_vouched_for(const struct judging *j, const struct claim *cl)
{
	return at_its_end(j, cl) && j->file->settings->vantage >> (cl->endpoint ^ cl->whole_at_peer) & 1;
}

/* What holds segments against each other rests on their order, which of two captures is that of two clocks. */
static unsigned needed_for_order(const struct judging *j, uint8_t rests_on)
{
	if (rests_on == TCPAUDIT_CLASS_SEGMENT || rests_on == TCPAUDIT_CLASS_CAPTURE)
		return 0;
	return j->c->entry.capture & CAPTURE_MULTI_IF ? TCPAUDIT_PREMISE_CLOCK : 0;
}

/* One failed premise lowers one level, and so does each look-alike that matches. */
static int unbounded_confidence(const struct judging *j, const struct claim *cl)
{
	const struct tcpaudit_check *row = &rows[j->row];
	bool at = at_its_end(j, cl);
	unsigned missing = (needed_by(row->rests_on, cl) | needed_for_order(j, row->rests_on)) & ~premises_for(j, cl);

	return starting_confidence(j, row->rests_on, cl, at, is_vouched_for(j, cl)) - (missing ? __builtin_popcount(missing) : 0) - cl->alike;
}

/* Is the decisive frame a reset that its end perhaps has not sent? */
static bool rests_on_suspect(const struct judging *j, const struct claim *cl)
{
	const struct event *decisive = NULL;

	for (int i = 0; i < TCPAUDIT_EVIDENCE && cl->evidence[i] >= 0; i++)
		decisive = &j->h->event[cl->evidence[i]];
	return decisive && decisive->from == cl->endpoint && decisive->flags & TCPAUDIT_RST &&
	       decisive->is & (EVENT_SUSPECT | EVENT_FOREIGN);
}

static int confidence_of(const struct judging *j, const struct claim *cl)
{
	int confidence = unbounded_confidence(j, cl);

	if (cl->at_most && confidence > cl->at_most)
		confidence = cl->at_most;
	if (confidence > TCPAUDIT_LIKELY && rests_on_suspect(j, cl))
		confidence = TCPAUDIT_LIKELY;
	return confidence < TCPAUDIT_SUPPRESSED ? TCPAUDIT_SUPPRESSED : confidence;
}

/* Presence: certain as listed, likely at most a warning, possible at most a note.  Absence: at most a note, except where the
 * capture is known to be whole at that end. */
int check_weigh(const struct tcpaudit_settings *settings, int row, int confidence, bool whole)
{
	int severity = check_severity(settings, row);
	int most = confidence == TCPAUDIT_CERTAIN  ? TCPAUDIT_ERROR
	           : confidence == TCPAUDIT_LIKELY ? TCPAUDIT_WARNING
	                                           : TCPAUDIT_NOTE;

	if (rows[row].basis == TCPAUDIT_ABSENCE && !whole)
		most = TCPAUDIT_NOTE;
	return severity > most ? most : severity;
}

static int severity_of(const struct judging *j, const struct claim *cl, int confidence)
{
	bool whole = is_vouched_for(j, cl) && (cl->whole_at_peer || j->premises & TCPAUDIT_PREMISE_NO_LOSS);
	int severity = check_weigh(j->file->settings, j->row, confidence, whole);

	if (cl->severity_at_most && severity > cl->severity_at_most - 1)
		severity = cl->severity_at_most - 1;
	return severity;
}

/* The sets before and after the decisive frame: the mirror is run again up to it.  Only findings that are shown pay. */
static void states_around(const struct judging *j, int at, struct tcpaudit_finding *f)
{
	struct mirror before, after;
	struct captured captured = connection_captured(j->c);
	bool last = at + 1 >= j->h->count; /* the end of all: known already */

	captured.count = (unsigned)at;
	places_follow(&before, &captured, j->file->now, NULL);
	captured.count = (unsigned)at + 1;
	if (!last)
		places_follow(&after, &captured, j->file->now, NULL);
	for (unsigned x = 0; x < 2; x++) {
		f->before[x] = mirror_states(&before, x);
		f->after[x] = last ? j->record->end[x].states : mirror_states(&after, x);
	}
}

/* Where the beginning was not captured, or not all of it, that is what lets a look-alike in. */
static void lowering_notes(const struct judging *j, const struct claim *cl, struct tcpaudit_finding *f)
{
	bool begun = !(j->c->entry.bits & CONN_MIDSTREAM) && connection_marked(j->c, MARK_SYN) && connection_marked(j->c, MARK_SYN_ACK);
	bool alike = !begun && (cl->alike || cl->at_most);
	unsigned missing = (TCPAUDIT_PREMISE_ONE_INCARNATION | TCPAUDIT_PREMISE_GENUINE | TCPAUDIT_PREMISE_NO_LOSS |
	                    TCPAUDIT_PREMISE_HEADERS | TCPAUDIT_PREMISE_CLOCK) &
	                   ~premises_for(j, cl);

	if (missing || alike)
		memcpy(f->capture, j->result->capture, sizeof f->capture);
}

/* The claim as a finding, without what costs. */
static void outline(const struct judging *j, const struct claim *cl, int confidence, int severity, struct tcpaudit_finding *f)
{
	*f = (struct tcpaudit_finding){.check = &rows[j->row],
	                               .row = (uint16_t)j->row,
	                               .connection = j->record,
	                               .endpoint = cl->endpoint,
	                               .severity = (uint8_t)severity,
	                               .confidence = (uint8_t)confidence,
	                               .count = cl->count ? cl->count : 1,
	                               .deliberate = cl->deliberate};
	if (cl->on_many && unbounded_confidence(j, cl) >= cl->on_many)
		f->on_many = cl->on_many;
	for (int i = 0; i < TCPAUDIT_EVIDENCE && cl->evidence[i] >= 0; i++)
		f->evidence[f->evidence_count++] = event_evidence(&j->h->event[cl->evidence[i]]);
	f->time = f->evidence_count ? f->evidence[f->evidence_count - 1].time : connection_last(j->c);
}

/* Between two frames whose clock was set back there is no time that could be told. */
static void observe(struct tcpaudit_finding *f, const struct tcpaudit_fact *fact)
{
	for (size_t i = 0, n = 0; i < TCPAUDIT_FACTS && fact[i].name; i++) {
		size_t length = strlen(fact[i].name);
		bool time = length > 3 && !strcmp(fact[i].name + length - 3, "_us");
		if (!time || fact[i].value >= 0)
			f->observed[n++] = fact[i];
	}
}

/* Counted already: what the sink sees of it. */
static void show(struct judging *j, const struct claim *cl, struct tcpaudit_finding *f)
{
	memcpy(f->expected, cl->expected, sizeof f->expected);
	observe(f, cl->observed);
	if (f->severity >= TCPAUDIT_NOTE && f->evidence_count && (j->file->mirror || j->file->settings->states))
		states_around(j, cl->evidence[f->evidence_count - 1], f);
	lowering_notes(j, cl, f);
	j->result->sink->finding(j->result->sink->user, f);
}

bool check_undetermined(const struct check_result *result, int row, unsigned holds)
{
	bool missing = result->settings->check[row].needs & ~holds;

	result->counters->undetermined[row] += missing;
	return missing;
}

static bool is_wanted(const struct check_result *result, int severity)
{
	return result->sink->finding && severity >= result->settings->min_severity;
}

/* Is the connection, and what is known of it, such that the user wants this row's word? */
bool check_applies(const struct tcpaudit_settings *settings, int row, uint32_t scopes)
{
	const struct tcpaudit_policy *policy = &settings->check[row];

	return policy->severity >= 0 && (!policy->scope || scopes >> (policy->scope - 1) & 1);
}

static bool is_passed_over(const struct check_result *result, int row, const struct tcpaudit_finding *finding)
{
	if (!result->settings->check[row].suppressed || !result->sink->suppressed)
		return false;
	enum tcpaudit_ruling ruling = result->sink->suppressed(result->sink->user, finding);
	result->counters->passed_over[row] += ruling == TCPAUDIT_RULING_PASSED_OVER;
	return ruling != TCPAUDIT_RULING_STANDS;
}

static void count(const struct check_result *result, int row, int severity)
{
	result->counters->findings[row]++;
	result->counters->by_severity[severity]++;
}

bool check_hand_out(const struct check_result *result, int row, const struct tcpaudit_finding *finding)
{
	if (is_passed_over(result, row, finding))
		return false;
	count(result, row, finding->severity);
	if (is_wanted(result, finding->severity))
		result->sink->finding(result->sink->user, finding);
	return true;
}

void claim(struct judging *j, const struct claim *cl)
{
	int confidence = confidence_of(j, cl);

	if (confidence == TCPAUDIT_SUPPRESSED) {
		j->result->counters->suppressed[j->row]++;
		return;
	}
	if (check_undetermined(j->result, j->row, premises_for(j, cl) | (at_its_end(j, cl) ? TCPAUDIT_PREMISE_VANTAGE : 0u)))
		return;
	int severity = severity_of(j, cl, confidence);
	bool wanted = is_wanted(j->result, severity);
	struct tcpaudit_finding f;
	if (wanted || j->file->settings->check[j->row].suppressed)
		outline(j, cl, confidence, severity, &f);
	if (j->file->settings->check[j->row].suppressed && is_passed_over(j->result, j->row, &f))
		return;
	add(j->result->raised, j->row);
	count(j->result, j->row, severity);
	if (wanted)
		show(j, cl, &f);
}

int first_timestamps(const struct judging *j)
{
	for (int i = 0; i < j->h->count; i++)
		if (!(j->h->event[i].flags & TCPAUDIT_SYN) && (j->h->event[i].is & (EVENT_TIMESTAMPS | EVENT_STRAY)) == EVENT_TIMESTAMPS)
			return i;
	return -1;
}

bool goes_by_timestamps(const struct judging *j)
{
	return first_timestamps(j) >= 0 || (j->c->end[0].bits | j->c->end[1].bits) & TCB_TEXT_TS;
}

/* RFC 9293 MUST-3: what was spoiled on its way is nobody's doing. */
int first_unusual(const struct judging *j, unsigned from, unsigned bits)
{
	const unsigned no = tcb_took_spoiled(&j->c->end[from]) ? EVENT_DUPLICATE | EVENT_SUM_BAD : EVENT_DUPLICATE;

	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == from && e->unusual & bits && !(e->unusual & UNUSUAL_OLD_INCARNATION) && !(e->is & no))
			return i;
	}
	return -1;
}

/* What came before the history has no TTL there. */
bool from_elsewhere(const struct judging *j, int at)
{
	const struct event *e = &j->h->event[at];

	return e->ttl && ttl_differs(e->ttl, j->c->end[e->from].ttl);
}

/* RFC 7323 3.2: timestamps that were agreed on are on all segments, except that a reset may go without.  Where options were cut, so
 * is what would tell. */
bool may_be_injected(const struct judging *j, int at)
{
	const struct event *e = &j->h->event[at];
	const uint32_t client = j->c->end[0].bits, server = j->c->end[1].bits;
	bool stamped = (client & server & TCB_TS && !tcb_stamps_vary(j->c->end)) || (client | server) & TCB_OPTIONS_CUT;
	bool bare = !(e->is & (EVENT_TIMESTAMPS | EVENT_PREDATES)) && !(e->flags & TCPAUDIT_RST);

	return from_elsewhere(j, at) || (stamped && bare);
}

/* The client goes on with an attempt that was open when it began this one. */
bool twin_numbers(const struct judging *j)
{
	if (!j->h->former || j->h->former->answered || !j->h->former->client_again)
		return false;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == TCPAUDIT_CLIENT && e->unusual & UNUSUAL_OLD_INCARNATION &&
		    (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST)) == TCPAUDIT_ACK)
			return true;
	}
	return false;
}

void claim_segments(struct judging *j, unsigned from, unsigned bits, const struct claim *model)
{
	int at = first_unusual(j, from, bits);
	struct claim c = *model;

	if (at < 0)
		return;
	c.endpoint = (uint8_t)from;
	c.count = 0;
	for (int i = at; i < j->h->count; i++)
		if (j->h->event[i].from == from && j->h->event[i].unusual & bits && !(j->h->event[i].is & EVENT_DUPLICATE))
			c.count += 1u + j->h->event[i].run;
	if (j->h->event[at].is & (EVENT_STRAY | EVENT_FOREIGN)) {
		c.alike++;
		c.severity_at_most = 1 + TCPAUDIT_NOTE;
	}
	if (bits == UNUSUAL_TS_MISSING ? from_elsewhere(j, at) : may_be_injected(j, at))
		c.at_most = TCPAUDIT_POSSIBLE;
	int n = 0;
	if (model->rests_on)
		c.evidence[n++] = model->rests_on - 1;
	c.evidence[n] = at;
	c.evidence[n + 1] = -1;
	claim(j, &c);
}

void note(struct judging *j)
{
	add(j->result->capture, j->row);
}

/* Begun in the middle, and what one end sends lies nowhere near what the other acknowledges: not one conversation. */
static bool speaks_past(const struct connection *c, unsigned x)
{
	const struct tcb *own = &c->end[x], *peer = &c->end[!x];

	return c->entry.bits & CONN_MIDSTREAM && own->bits & TCB_SEQ && peer->bits & TCB_ACK &&
	       seq_diff(own->iss, peer->hiack) > 1 << 24;
}

/* One end was never heard, although the other acknowledges what it sent. */
static bool is_one_way(const struct connection *c)
{
	return (!connection_heard(c, 1) && c->end[0].bits & TCB_ACK) || (!connection_heard(c, 0) && c->end[1].bits & TCB_ACK);
}

static unsigned premises_of(const struct case_file *file)
{
	const struct connection *c = file->connection;
	unsigned holds = TCPAUDIT_PREMISE_ONE_INCARNATION | TCPAUDIT_PREMISE_GENUINE | TCPAUDIT_PREMISE_NO_LOSS |
	                 TCPAUDIT_PREMISE_SCALE | TCPAUDIT_PREMISE_HEADERS | TCPAUDIT_PREMISE_CLOCK;

	if (c->entry.bits & CONN_UNPLACED || c->entry.capture & CAPTURE_RESYNC || speaks_past(c, 0) || speaks_past(c, 1))
		holds &= ~(unsigned)(TCPAUDIT_PREMISE_ONE_INCARNATION | TCPAUDIT_PREMISE_GENUINE);
	if (c->entry.capture & CAPTURE_NAT_TWIN)
		holds &= ~(unsigned)TCPAUDIT_PREMISE_GENUINE;
	if (c->entry.capture & (CAPTURE_GAP_ACKED | CAPTURE_DROPS | CAPTURE_RESYNC) || is_one_way(c) ||
	    (c->end[0].bits | c->end[1].bits) & (TCB_GAP | TCB_HOLE) || file->history->dropped)
		holds &= ~(unsigned)TCPAUDIT_PREMISE_NO_LOSS;
	if (c->entry.bits & CONN_MIDSTREAM || !connection_marked(c, MARK_SYN) || !connection_marked(c, MARK_SYN_ACK))
		holds &= ~(unsigned)TCPAUDIT_PREMISE_SCALE;
	if ((c->end[0].bits | c->end[1].bits) & TCB_OPTIONS_CUT && !(c->end[0].bits & c->end[1].bits & TCB_WSCALE))
		holds &= ~(unsigned)TCPAUDIT_PREMISE_SCALE;
	if (c->entry.capture & CAPTURE_LENGTH_GUESSED || (c->end[0].bits | c->end[1].bits) & TCB_OPTIONS_CUT)
		holds &= ~(unsigned)TCPAUDIT_PREMISE_HEADERS;
	if (c->entry.capture & CAPTURE_CLOCK_STEP)
		holds &= ~(unsigned)TCPAUDIT_PREMISE_CLOCK;
	return holds;
}

/* Not there from its SYN to its end, or of a host whose sequence numbers say something. */
static bool is_rare(const struct case_file *file)
{
	const struct connection *c = file->connection;
	const uint32_t begun = CONN_SYN | CONN_SYN_ACK;

	return (c->entry.bits & (begun | CONN_MIDSTREAM | CONN_EVICTED)) != begun || !connection_heard(c, 0) || !connection_heard(c, 1) ||
	       file->history->dropped || connection_habit(c) || (file->ended && !connection_settled(c));
}

/* What there is to look at. */
static unsigned awake_for(const struct case_file *file)
{
	const struct history *h = file->history;
	const struct connection *c = file->connection;

	unsigned fin = c->entry.bits & CONN_FIN || h->seen & TCPAUDIT_FIN ? (h->orderly ? FIN : FIN | LOOSE) : 0u;

	return (file->odd ? ODD : 0u) | (h->first_reset_any >= 0 ? RESET : 0u) | (h->unusual ? UNUSUAL : 0u) |
	       (h->former ? FORMER : 0u) | fin | (c->entry.capture ? NOTED : 0u) | (is_rare(file) ? RARE : 0u);
}

/* Rows that speak of the incarnation before, and not merely that there was one. */
static bool is_of_reuse(int row)
{
	return row != ROW_reuse_interval && (row > ROW_reuse_interval || (row >= ROW_tw_holder && wakes_on[row] & FORMER));
}

/* Of equal ones the first of the catalogue. */
static uint8_t reuse_verdict(const uint64_t raised[TCPAUDIT_CHECK_WORDS])
{
	int gravest = -1;

	for (int row = 0; row < ROW_cap_midstream; row++)
		if (is_of_reuse(row) && raised[row >> 6] >> (row & 63) & 1 &&
		    (gravest < 0 || rows[row].severity > rows[gravest].severity))
			gravest = row;
	return (uint8_t)(gravest + 1);
}

/* What an orderly close raises of which no number is remarkable: always, and the last one where text followed a FIN. */
static const int raised_by_orderly[] = {ROW_fin_consumed, ROW_close_orderly, ROW_tw_holder, ROW_half_close_used};
#define RAISED_BY_ORDERLY (sizeof raised_by_orderly / sizeof *raised_by_orderly)

static uint8_t severity_of_orderly(const struct tcpaudit_settings *settings)
{
	int most = 0;

	for (size_t i = 0; i < RAISED_BY_ORDERLY; i++) {
		const struct tcpaudit_policy *policy = &settings->check[raised_by_orderly[i]];
		int severity = check_severity(settings, raised_by_orderly[i]);

		if (policy->scope || policy->needs || policy->suppressed)
			return ANY_SEVERITY;
		most = severity > most ? severity : most;
	}
	return (uint8_t)most;
}

void check_plan_init(struct check_plan *plan, const struct tcpaudit_settings *settings)
{
	memset(plan, 0, sizeof *plan);
	plan->orderly = severity_of_orderly(settings);
	for (int row = 0; row < ROWS; row++) {
		if (settings->check[row].severity < 0)
			continue;
		if (settings->check[row].scope)
			add(plan->scoped, row);
		if (rows[row].rests_on == TCPAUDIT_CLASS_SEGMENT)
			add(plan->alone, row);
		for (unsigned awake = 0; awake < CHECK_AWAKE; awake++)
			if (wakes_on[row] & awake)
				add(row >= ROW_cap_midstream ? plan->awake[awake].capture : plan->awake[awake].others, row);
	}
}

static void ask_rows(struct judging *j, const uint64_t set[TCPAUDIT_CHECK_WORDS])
{
	const uint64_t *scoped = j->result->plan->scoped;

	for (int word = 0; word < TCPAUDIT_CHECK_WORDS; word++)
		for (uint64_t left = set[word]; left; left &= left - 1) {
			j->row = word * 64 + __builtin_ctzll(left);
			if (left & -left & scoped[word] && !check_applies(j->file->settings, j->row, connection_scopes(j->c)))
				continue;
			functions[j->row](j);
		}
}

/* Where a socket is connected to itself, what one end did cannot be held against the other: only what a segment shows by itself is
 * told. */
static void ask_others(struct judging *j, unsigned awake)
{
	uint64_t set[TCPAUDIT_CHECK_WORDS];
	bool self = entry_is_self(&j->c->entry);

	for (int word = 0; word < TCPAUDIT_CHECK_WORDS; word++)
		set[word] = j->result->plan->awake[awake].others[word] & (self ? j->result->plan->alone[word] : ~0ull);
	ask_rows(j, set);
}

#ifdef TCPAUDIT_BOTH_WAYS
#include <assert.h>

/* For tests: what is not asked for want of something LOOSE or RARE would have found nothing; nor what is of an abort, which is not
 * ODD. */
static void ask_sleepers(const struct judging *awake_one, unsigned awake)
{
	struct tcpaudit_counters counters = {0};
	struct tcpaudit_sink silent = {0};
	struct check_result result = *awake_one->result;
	struct judging j = *awake_one;
	const unsigned compared = j.h->first_reset_any >= 0 ? ODD | LOOSE | RARE : LOOSE | RARE;

	j.result = &result;
	result.counters = &counters;
	result.sink = &silent;
	for (j.row = 0; j.row < ROWS; j.row++) {
		if (!(wakes_on[j.row] & compared) || wakes_on[j.row] & awake)
			continue;
		functions[j.row](&j);
		assert(!counters.findings[j.row] && !counters.suppressed[j.row] && !counters.undetermined[j.row]);
		assert(!memcmp(result.capture, awake_one->result->capture, sizeof result.capture));
	}
}
#else
static void ask_sleepers(const struct judging *j, unsigned awake)
{
	(void)j;
	(void)awake;
}
#endif

void check_connection(const struct case_file *file, struct tcpaudit_connection *record, struct check_result *result)
{
	struct judging j = {.file = file, .c = file->connection, .h = file->history, .record = record, .result = result};

	unsigned awake = awake_for(file);

	j.premises = premises_of(file);
	for (unsigned x = 0; x < 2; x++) {
		j.at[x] = record->end[x].vantage == TCPAUDIT_VANTAGE_AT;
		j.spoiled[x] = tcb_took_spoiled(&file->connection->end[x]);
	}
	ask_rows(&j, result->plan->awake[awake].capture); /* first: what they lower must be known */
	memcpy(record->capture, result->capture, sizeof record->capture);
	ask_others(&j, awake);
	memcpy(record->findings, result->raised, sizeof record->findings);
	ask_sleepers(&j, awake);
	if (j.h->former)
		record->reuse_verdict = reuse_verdict(result->raised);
}

void check_lone(const struct check_plan *plan, const struct tcpaudit_settings *settings, uint32_t scopes, bool ended, int64_t now,
                struct tcpaudit_connection *record)
{
	const bool holds[] = {record->kind == TCPAUDIT_KIND_EVICTED, ended && now - record->last < CHECK_BEHIND};
	static const int row[] = {ROW_cap_evicted, ROW_cap_truncated};

	memset(record->capture, 0, sizeof record->capture);
	memset(record->findings, 0, sizeof record->findings);
	for (int i = 0; i < 2; i++)
		if (holds[i] && plan->awake[RARE].capture[row[i] >> 6] >> (row[i] & 63) & 1 && check_applies(settings, row[i], scopes))
			add(record->capture, row[i]);
}

/* Of either FIN it is raised that it was consumed.  All of them rest on numbers, of which no premise is missing. */
void check_orderly(const struct tcpaudit_settings *settings, struct tcpaudit_counters *counters,
                   struct tcpaudit_connection *record)
{
	const uint8_t times[RAISED_BY_ORDERLY] = {2, 1, 1, record->half_close_bytes > 0};

	for (size_t i = 0; i < RAISED_BY_ORDERLY; i++) {
		int row = raised_by_orderly[i], severity = check_severity(settings, row);

		if (!times[i] || severity < 0)
			continue;
		add(record->findings, row);
		counters->findings[row] += times[i];
		counters->by_severity[severity] += times[i];
	}
}

/* What the connection's own record proves of its end. */
static void take_evidence(struct tcpaudit_finding *f)
{
	const struct tcpaudit_connection *c = f->connection;
	const struct tcpaudit_evidence *known[] = {c->end[0].fin_sent ? &c->end[0].fin : NULL,
	                                           c->end[1].fin_sent ? &c->end[1].fin : NULL, &c->reset};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!known[i] || !known[i]->frame)
			continue;
		size_t at = f->evidence_count++;
		for (; at && f->evidence[at - 1].time > known[i]->time; at--)
			f->evidence[at] = f->evidence[at - 1];
		f->evidence[at] = *known[i];
	}
}

/* A rule speaks of the record: it is as certain as that is. */
static void tell_own(const struct check_result *result, enum tcpaudit_point point, int row, struct tcpaudit_connection *record,
                     int64_t time)
{
	uint8_t confidence = point == TCPAUDIT_ON_CLOSE ? record->confidence : TCPAUDIT_CERTAIN;
	struct tcpaudit_finding f = {.check = &result->settings->own[row - ROWS],
	                             .row = (uint16_t)row,
	                             .connection = record,
	                             .time = time,
	                             .endpoint = TCPAUDIT_WHO_NONE,
	                             .severity = (uint8_t)check_severity(result->settings, row),
	                             .confidence = confidence < TCPAUDIT_POSSIBLE ? TCPAUDIT_POSSIBLE : confidence,
	                             .count = 1};

	take_evidence(&f);
	for (unsigned x = 0; x < 2; x++)
		f.before[x] = f.after[x] = record->end[x].states;
	memcpy(f.capture, record->capture, sizeof f.capture);
	if (check_hand_out(result, row, &f))
		add(record->findings, row);
}

void check_own(const struct check_result *result, enum tcpaudit_point point, struct tcpaudit_connection *record, int64_t time,
               uint32_t scopes, uint64_t *told)
{
	uint64_t held[TCPAUDIT_CHECK_WORDS] = {0};

	for (uint64_t set = *told; set; set &= set - 1)
		add(record->findings, ROWS + __builtin_ctzll(set));
	if (!(result->settings->points >> point & 1) || !result->sink->ask)
		return;
	result->sink->ask(result->sink->user, point, record, held);
	for (size_t i = 0; i < result->settings->own_count && i < TCPAUDIT_OWN; i++) {
		int row = ROWS + (int)i;

		if (*told >> i & 1 || !(held[row >> 6] >> (row & 63) & 1) || !check_applies(result->settings, row, scopes))
			continue;
		tell_own(result, point, row, record, time);
		*told |= UINT64_C(1) << i;
	}
}
