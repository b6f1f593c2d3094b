/* dialogue_expect.c - what a dialogue asks of the engine: state sets, findings, ends, routes, and the ledger. */
#include "dialogue.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void check_states(struct dialogue *d, char **cursor)
{
	char *party_word, *word, want[128], got[128];
	unsigned party;
	tcpaudit_state_set set;

	if (d->pcap)
		return;
	if (!d->states_known)
		fail(d, d->line, "the engine reported no segment");
	while ((party_word = next_word(cursor))) {
		if (!to_party(party_word, &party) || party == PARTY_ROUTER || !(word = next_word(cursor)) ||
		    !to_states(word, &set)) {
			fail(d, d->line, "expected ? A STATE|STATE B STATE|STATE");
			return;
		}
		if (d->states_known && set != d->states[party])
			fail(d, d->line, "expected %s in %s, got %s", party_word, set_name(set, want),
			     set_name(d->states[party], got));
	}
}

static unsigned end_of(const struct tcpaudit_connection *connection, unsigned party)
{
	uint8_t address[16] = {0};

	packet_address(party, connection->ip_version == 6, address);
	return memcmp(address, connection->end[0].address.byte, sizeof address) ? 1 : 0;
}

static bool in_set(const uint64_t set[TCPAUDIT_CHECK_WORDS], int row)
{
	return row >= 0 && set[row / 64] >> row % 64 & 1;
}

static bool was_raised(const struct dialogue *d, const char *id)
{
	for (size_t i = 0; i < d->raised_count; i++)
		if (!strcmp(d->raised[i].check->id, id))
			return true;
	for (size_t i = 0; i < d->connections; i++)
		if (in_set(d->connection[i].capture, tcpaudit_check_index(id)) ||
		    in_set(d->connection[i].findings, tcpaudit_check_index(id)))
			return true;
	return false;
}

static bool known_id(struct dialogue *d, int line, const char *id)
{
	if (id && tcpaudit_check_index(id) >= 0)
		return true;
	fail(d, line, "no check is called `%s`", id ? id : "");
	return false;
}

static bool word_fits(const char *word, const struct raised *raised)
{
	return !strcmp(word, tcpaudit_severity_name((enum tcpaudit_severity)raised->severity)) ||
	       !strcmp(word, tcpaudit_confidence_name((enum tcpaudit_confidence)raised->confidence));
}

static bool fits(const struct raised *raised, const char *id, const char *first, const char *second)
{
	return raised->severity >= TCPAUDIT_NOTE && !strcmp(raised->check->id, id) && (!first || word_fits(first, raised)) &&
	       (!second || word_fits(second, raised));
}

static void check_finding(struct dialogue *d, struct wish *wish)
{
	char *cursor = wish->text, *id = next_word(&cursor), *first = next_word(&cursor), *second = next_word(&cursor);
	bool found = false;

	if (!known_id(d, wish->line, id))
		return;
	for (size_t i = 0; i < d->raised_count; i++) {
		if (!fits(&d->raised[i], id, first, second))
			continue;
		found = d->raised[i].named = true;
	}
	if (!found)
		fail(d, wish->line, "expected finding %s%s%s%s%s, got none", id, first ? " " : "", first ? first : "",
		     second ? " " : "", second ? second : "");
	for (size_t i = 0; !found && i < d->raised_count; i++)
		if (!strcmp(d->raised[i].check->id, id))
			fail(d, wish->line, "  ... but %s %s %s", id,
			     tcpaudit_severity_name((enum tcpaudit_severity)d->raised[i].severity),
			     tcpaudit_confidence_name((enum tcpaudit_confidence)d->raised[i].confidence));
}

static void tolerate(struct dialogue *d, struct wish *wish)
{
	char *cursor = wish->text, *id = next_word(&cursor);

	if (!known_id(d, wish->line, id))
		return;
	for (size_t i = 0; i < d->raised_count; i++)
		d->raised[i].named |= !strcmp(d->raised[i].check->id, id);
}

static void check_findings(struct dialogue *d)
{
	for (size_t i = 0; i < d->tolerated.count; i++)
		tolerate(d, &d->tolerated.wish[i]);
	for (size_t i = 0; i < d->findings.count; i++)
		check_finding(d, &d->findings.wish[i]);
	for (size_t i = 0; i < d->raised_count; i++)
		if (d->raised[i].severity >= TCPAUDIT_NOTE && !d->raised[i].named)
			fail(d, d->line, "expected no other finding, got %s %s %s", d->raised[i].check->id,
			     tcpaudit_severity_name((enum tcpaudit_severity)d->raised[i].severity),
			     tcpaudit_confidence_name((enum tcpaudit_confidence)d->raised[i].confidence));
}

static void check_notes(struct dialogue *d, struct wishes *wishes, bool wanted)
{
	for (size_t i = 0; i < wishes->count; i++) {
		char *cursor = wishes->wish[i].text, *id = next_word(&cursor);

		if (known_id(d, wishes->wish[i].line, id) && was_raised(d, id) != wanted)
			fail(d, wishes->wish[i].line, "expected %s%s, got %s", wanted ? "" : "no ", id,
			     wanted ? "nothing" : "it");
	}
}

enum fact_type { FACT_WHO, FACT_CONFIDENCE, FACT_NUMBER };

/* Sequence numbers would need the dialogue's ISS; everything else that `end` can ask for. */
static const struct fact {
	const char *name;
	enum fact_type type;
} facts[] = {
        {"closed_first", FACT_WHO},      {"holder", FACT_WHO},
        {"aborted_by", FACT_WHO},        {"half_close_by", FACT_WHO},
        {"confidence", FACT_CONFIDENCE}, {"half_close_bytes", FACT_NUMBER},
        {"restarts", FACT_NUMBER},       {"lost_client", FACT_NUMBER},
        {"lost_server", FACT_NUMBER},    {"copies_client", FACT_NUMBER},
        {"copies_server", FACT_NUMBER},  {"text_client", FACT_NUMBER},
        {"text_server", FACT_NUMBER},    {"rexmit_client", FACT_NUMBER},
        {"rexmit_server", FACT_NUMBER},  {"resets_client", FACT_NUMBER},
        {"resets_server", FACT_NUMBER},  {"post_close_reset", FACT_NUMBER},
        {"completeness", FACT_NUMBER},   {"forged_suspect", FACT_NUMBER},
        {"latency_us", FACT_NUMBER},     {"idle_us", FACT_NUMBER},
        {"close_wait", FACT_WHO},        {"close_wait_open", FACT_NUMBER},
        {"close_wait_us", FACT_NUMBER},  {"syn_retries", FACT_NUMBER},
        {"synack_retries", FACT_NUMBER}, {"reuse_us", FACT_NUMBER},
        {"isn_delta", FACT_NUMBER},      {"ts_delta", FACT_NUMBER},
        {"undecided", FACT_WHO},
};

static int64_t fact_value(const struct tcpaudit_connection *c, size_t fact)
{
	const int64_t value[] = {
	        c->closed_first,
	        c->time_wait_holder,
	        c->aborted_by,
	        c->half_close_by,
	        c->confidence,
	        (int64_t)c->half_close_bytes,
	        c->time_wait_restarts,
	        (int64_t)c->end[0].lost,
	        (int64_t)c->end[1].lost,
	        c->end[0].fin_sent ? c->end[0].fin_copies : 0,
	        c->end[1].fin_sent ? c->end[1].fin_copies : 0,
	        (int64_t)c->end[0].text,
	        (int64_t)c->end[1].text,
	        c->end[0].retransmissions,
	        c->end[1].retransmissions,
	        c->end[0].resets,
	        c->end[1].resets,
	        c->post_close_reset,
	        c->completeness,
	        c->forged_suspect,
	        c->close_latency < 0 ? -1 : c->close_latency / 1000,
	        c->idle < 0 ? -1 : c->idle / 1000,
	        c->close_wait_holder,
	        c->close_wait_open,
	        c->close_wait_duration / 1000,
	        c->syn_retries,
	        c->syn_ack_retries,
	        c->reuse_interval / 1000,
	        c->isn_delta,
	        c->ts_delta,
	        c->time_wait_undecided ? c->time_wait_undecided - 1 : TCPAUDIT_WHO_NONE,
	};

	return value[fact];
}

static const char *fact_text(size_t fact, int64_t value, char number[24])
{
	switch (facts[fact].type) {
	case FACT_WHO:
		return tcpaudit_who_name((enum tcpaudit_who)value);
	case FACT_CONFIDENCE:
		return tcpaudit_confidence_name((enum tcpaudit_confidence)value);
	case FACT_NUMBER:
		break;
	}
	snprintf(number, 24, "%" PRId64, value);
	return number;
}

static void check_fact(struct dialogue *d, int line, const struct tcpaudit_connection *c, const char *key, const char *want)
{
	char number[24];

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		const char *got;

		if (strcmp(facts[i].name, key))
			continue;
		got = fact_text(i, fact_value(c, i), number);
		if (!want || strcmp(got, want))
			fail(d, line, "expected %s %s, got %s", key, want ? want : "?", got);
		return;
	}
	fail(d, line, "nothing is called `%s`", key);
}

/* The connection that `end#2` or `route#2` names: the second that began. */
static const struct tcpaudit_connection *which_connection(struct dialogue *d, const struct wish *wish, char **cursor,
                                                          size_t *index)
{
	int64_t n = 1;

	if (**cursor == '#' && (!to_number(next_word(cursor) + 1, &n) || n < 1)) {
		fail(d, wish->line, "expected a number after `#`");
		return NULL;
	}
	*index = (size_t)n;
	if (*index > d->connections) {
		fail(d, wish->line, "expected connection %zu, got %zu connections", *index, d->connections);
		return NULL;
	}
	return &d->connection[n - 1];
}

static void check_end(struct dialogue *d, struct wish *wish, bool named[MAX_CONNECTIONS])
{
	char *cursor = wish->text, *kind, *key;
	size_t index;
	const struct tcpaudit_connection *c = which_connection(d, wish, &cursor, &index);

	if (!c)
		return;
	named[index - 1] = true;
	kind = next_word(&cursor);
	if (!kind || strcmp(kind, tcpaudit_kind_name((enum tcpaudit_kind)c->kind)))
		fail(d, wish->line, "expected %s, got %s", kind ? kind : "?", tcpaudit_kind_name((enum tcpaudit_kind)c->kind));
	while ((key = next_word(&cursor)))
		check_fact(d, wish->line, c, key, next_word(&cursor));
}

static void check_ends(struct dialogue *d)
{
	bool named[MAX_CONNECTIONS] = {false};

	for (size_t i = 0; i < d->ends.count; i++)
		check_end(d, &d->ends.wish[i], named);
	for (size_t i = 0; i < d->connections; i++)
		if (!named[i])
			fail(d, d->line, "expected no connection %zu, got one (%s)", i + 1,
			     tcpaudit_kind_name((enum tcpaudit_kind)d->connection[i].kind));
}

static void route_text(const struct tcpaudit_connection *c, unsigned end, char *text, size_t size)
{
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < c->transition_count && n < size; i++)
		if (c->transitions[i].end == end)
			n += (size_t)snprintf(text + n, size - n, "%s%s%s", n ? " " : "",
			                      tcpaudit_state_name((enum tcpaudit_state)c->transitions[i].to),
			                      c->transitions[i].proof.frame ? "!" : "?");
}

/* States without a mark fit both. */
static bool route_fits(const char *want, const char *got)
{
	for (;; want++, got++) {
		if (*want == *got && *want)
			continue;
		if ((*got == '!' || *got == '?') && (*want == ' ' || !*want))
			got++;
		if (*want != *got)
			return false;
		if (!*want)
			return true;
	}
}

static void check_route(struct dialogue *d, struct wish *wish)
{
	char *cursor = wish->text, *party_word, *word, want[512] = "", got[512];
	size_t index;
	unsigned party;
	const struct tcpaudit_connection *c = which_connection(d, wish, &cursor, &index);

	if (!c)
		return;
	party_word = next_word(&cursor);
	if (!to_party(party_word, &party) || party == PARTY_ROUTER) {
		fail(d, wish->line, "expected route A|B STATE...");
		return;
	}
	while ((word = next_word(&cursor)) && strlen(want) + strlen(word) + 2 < sizeof want) {
		unsigned state;

		if (!to_state(word, strcspn(word, "!?"), &state))
			fail(d, wish->line, "no state is called `%s`", word);
		strcat(strcat(want, *want ? " " : ""), word);
	}
	route_text(c, end_of(c, party), got, sizeof got);
	if (!route_fits(want, got))
		fail(d, wish->line, "expected %s by %s, got %s", party_word, want, *got ? got : "(nothing)");
}

/* The packet ledger, and that nothing is left behind. */
static void check_counters(struct dialogue *d)
{
	struct tcpaudit_counters counters;
	uint64_t sum = 0;

	tcpaudit_counters(d->engine, &counters);
	for (unsigned i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		sum += counters.fate[i];
	if (counters.frames != d->frames || sum != d->frames)
		fail(d, d->line, "expected %" PRIu64 " frames in the ledger, got %" PRIu64 " with %" PRIu64 " fates", d->frames,
		     counters.frames, sum);
	if (counters.open || counters.connections != d->connections)
		fail(d, d->line, "expected %" PRIu64 " connections reported and none open, got %zu and %" PRIu64,
		     counters.connections, d->connections, counters.open);
}

static int by_id(const void *a, const void *b)
{
	const struct tcpaudit_connection *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

void check_all(struct dialogue *d)
{
	start(d);
	tcpaudit_finish(d->engine);
	qsort(d->connection, d->connections, sizeof *d->connection, by_id);
	check_findings(d);
	check_notes(d, &d->notes, true);
	check_notes(d, &d->absent, false);
	check_ends(d);
	for (size_t i = 0; i < d->routes.count; i++)
		check_route(d, &d->routes.wish[i]);
	check_counters(d);
}
