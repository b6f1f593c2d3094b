/* text_findings.c - the findings of a text report: each check with what it says, where it speaks most, and examples. */
#include "report/text_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FEW_EXAMPLES 3 /* of each check, without -v */
#define FEW_PLACES   4 /* at which a check speaks most */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length > tail && strcmp(text + length - tail, end) == 0;
}

/* Is it about where a stream begins?  Relative to that, it says nothing. */
static bool is_about_syn(const struct tally_example *example)
{
	const struct tcpaudit_evidence *decisive = report_decisive(example->evidence, example->evidence_count, example->time);

	return decisive != NULL && decisive->flags & TCPAUDIT_SYN;
}

static bool is_sequence_number(const char *name)
{
	return strcmp(name, "seq") == 0 || strcmp(name, "seq_low") == 0 || strcmp(name, "seq_high") == 0 || ends_with(name, "_seq");
}

/* A number of a check as people want it: sequence numbers relative, times and bytes with units. */
static const char *format_fact(char out[PAGE_TOKEN], const struct tally_example *example, const struct tcpaudit_fact *fact)
{
	bool seq = is_sequence_number(fact->name) && !is_about_syn(example);
	bool ack = strcmp(fact->name, "ack") == 0 || ends_with(fact->name, "_ack") || strncmp(fact->name, "sack_", 5) == 0;
	unsigned whose = seq ? example->endpoint : !example->endpoint;

	if (ends_with(fact->name, "_us"))
		return page_duration(out, fact->value * 1000);
	if (ends_with(fact->name, "bytes"))
		return page_bytes(out, (uint64_t)fact->value);
	if ((seq || ack) && example->endpoint <= TCPAUDIT_WHO_SERVER && example->isn_known[whose])
		snprintf(out, PAGE_TOKEN, "%" PRIu32, (uint32_t)fact->value - example->isn[whose]);
	else
		snprintf(out, PAGE_TOKEN, "%" PRId64, fact->value);
	return out;
}

/* "fin_ack" as words, without the unit. */
static void fact_words(char out[PAGE_TOKEN], const char *name)
{
	snprintf(out, PAGE_TOKEN, "%.*s", (int)(strlen(name) - (ends_with(name, "_us") ? 3 : 0)), name);
	for (char *c = out; *c != '\0'; c++)
		if (*c == '_')
			*c = ' ';
}

static const struct tcpaudit_fact *find_fact(const struct tcpaudit_fact *facts, const char *name)
{
	for (size_t i = 0; i < TCPAUDIT_FACTS && facts[i].name != NULL; i++)
		if (strcmp(facts[i].name, name) == 0)
			return &facts[i];
	return NULL;
}

/* "the server: ack 4102, expected 4101", each fact in one piece. */
static void show_facts(struct page *page, const struct tally_example *example)
{
	char name[PAGE_TOKEN], value[PAGE_TOKEN], wanted[PAGE_TOKEN];
	const bool any = example->observed[0].name != NULL || example->expected[0].name != NULL;
	const bool one = example->endpoint <= TCPAUDIT_WHO_SERVER;
	unsigned gap = one ? 1 : 2;

	if (one)
		page_put(page, 2, "the %s%s", tcpaudit_who_name((enum tcpaudit_who)example->endpoint), any ? ":" : "");
	for (size_t i = 0; i < TCPAUDIT_FACTS && example->observed[i].name != NULL; i++) {
		const struct tcpaudit_fact *fact = &example->observed[i], *expected = find_fact(example->expected, fact->name);

		fact_words(name, fact->name);
		format_fact(value, example, fact);
		if (expected != NULL)
			page_put(page, gap, "%s %s, expected %s", name, value, format_fact(wanted, example, expected));
		else
			page_put(page, gap, "%s %s", name, value);
		gap = 2;
	}
	for (size_t i = 0; i < TCPAUDIT_FACTS && example->expected[i].name != NULL; i++) {
		const struct tcpaudit_fact *fact = &example->expected[i];

		if (find_fact(example->observed, fact->name) != NULL)
			continue;
		fact_words(name, fact->name);
		page_put(page, gap, "expected %s %s", name, format_fact(wanted, example, fact));
		gap = 2;
	}
}

static void show_filter(struct page *page, const struct tally_example *example)
{
	char filter[REPORT_FILTER];

	if (report_filter(filter, example->evidence, example->evidence_count, example->time)[0] == '\0')
		return;
	page_end(page);
	page_color(page, PAGE_DIM);
	page_put(page, 0, "wireshark:");
	page_words(page, 1, filter);
	page_color(page, PAGE_PLAIN);
}

/* One example: the connection, the decisive frame, how sure it is, the numbers. */
static void show_example(struct page *page, const struct report_state *state, const struct tally_example *example)
{
	const struct tcpaudit_evidence *decisive = report_decisive(example->evidence, example->evidence_count, example->time);
	char socket[PAGE_TOKEN];

	page->indent = 10;
	page_put(page, 0, "%s", page_socket(socket, &example->address[0], example->ip_version, example->port[0]));
	page_put(page, 1, "%s %s", page_arrow(page),
	         page_socket(socket, &example->address[1], example->ip_version, example->port[1]));
	page->indent = 12;
	page_put(page, 2, "flow %" PRIu64, example->flow_id);
	if (decisive != NULL) {
		page_put(page, 0, ",");
		page_put(page, 1, "frame %" PRIu64, decisive->frame);
		if (state->input_count > 1 && decisive->input < state->input_count)
			page_foreign(page, 1, state->inputs[decisive->input].path, 30);
	}
	page_put(page, 2, "%s", tcpaudit_confidence_name((enum tcpaudit_confidence)example->confidence));
	show_facts(page, example);
	if (example->message[0] != '\0') {
		page_end(page);
		page_words(page, 0, example->message);
	}
	if (example->deliberate != NULL)
		page_words(page, 2, example->deliberate);
	show_filter(page, example);
	page_end(page);
}

/* The sockets that a check speaks of most, if they are not all in the examples. */
static void show_places(struct page *page, struct tally_check *check, unsigned examples)
{
	char socket[PAGE_TOKEN], number[PAGE_TOKEN];

	page->indent = 10;
	for (unsigned shown = 0; shown < FEW_PLACES && check->count > examples; shown++) {
		struct tally_place *most = &check->place[0];

		for (unsigned i = 1; i < check->places; i++)
			if (check->place[i].count > most->count)
				most = &check->place[i];
		if (check->places == 0 || most->count < 2 || most->count < check->count / 20)
			break;
		page_put(page, 0, shown == 0 ? "most at" : ",");
		if (most->port != 0)
			page_socket(socket, &most->address, most->ip_version, most->port);
		else
			page_address(socket, &most->address, most->ip_version);
		page_put(page, 1, "%s (%s%s)", socket, page_number(number, most->count), check->places_left_out ? "+" : "");
		most->count = 0;
	}
	if (page->column > 0)
		page_end(page);
}

/* Findings of this check that a limit of the rules kept back. */
static uint64_t limited_of(const struct report *report, const struct tcpaudit_check *row)
{
	if (report->options->rules == NULL)
		return 0;
	for (size_t i = 0; report_check(report, i) != NULL; i++)
		if (report_check(report, i) == row)
			return report->options->rules->limited[i];
	return 0;
}

static void show_check(struct page *page, const struct report *report, const struct report_state *state,
                       const struct tcpaudit_check *row, struct tally_check *check)
{
	unsigned examples = report->options->verbose ? TALLY_EXAMPLES : FEW_EXAMPLES;
	uint64_t limited = limited_of(report, row);
	char number[PAGE_TOKEN];

	if (examples > check->examples)
		examples = check->examples;
	page->indent = 2;
	page_color(page, page_severity_color(check->severity));
	page_put(page, 0, "%-7s", tcpaudit_severity_name((enum tcpaudit_severity)check->severity));
	page_color(page, PAGE_HEADING);
	page_put(page, 1, "%-22s", row->id);
	page_color(page, PAGE_PLAIN);
	page_put(page, 1, "%6s", page_number(number, check->count + limited));
	page->indent = 10;
	if (page->column + 2 + strlen(row->title) > page->look.width)
		page_end(page);
	page_words(page, 2, row->title);
	page_end(page);
	show_places(page, check, examples);
	for (unsigned i = 0; i < examples; i++)
		show_example(page, state, &check->example[i]);
	if (row->advice[0] != '\0') {
		page->indent = 10;
		page_color(page, PAGE_DIM);
		page_put(page, 0, "next:");
		page_words(page, 1, row->advice);
		page_color(page, PAGE_PLAIN);
		page_end(page);
	}
}

/* How many there are of each severity, and what is not shown. */
static void show_finding_counts(struct page *page, const struct report *report, const struct report_state *state)
{
	static const char *const noun[] = {"info", "note", "warning", "error"};
	uint64_t suppressed = 0;
	char number[PAGE_TOKEN];
	bool hiding = false;

	page->indent = NAME_COLUMN;
	page_column(page, NAME_COLUMN);
	for (int severity = TCPAUDIT_ERROR; severity >= TCPAUDIT_INFO; severity--) {
		bool hidden = severity < report->options->min_severity;
		uint64_t found = state->counters->by_severity[severity];

		if (hidden && !hiding)
			page_put(page, 0, "; not shown:");
		else if (severity < TCPAUDIT_ERROR)
			page_put(page, 0, ",");
		hiding = hidden;
		if (severity == TCPAUDIT_INFO)
			page_put(page, 1, "%s info", page_number(number, found));
		else
			page_put(page, severity < TCPAUDIT_ERROR, "%s", page_count(number, found, noun[severity]));
	}
	for (size_t i = 0; i < TCPAUDIT_CHECK_WORDS * 64; i++)
		suppressed += state->counters->suppressed[i];
	if (suppressed > 0) {
		page_put(page, 0, ";");
		page_put(page, 1, "%s undetermined", page_number(number, suppressed));
		page_put(page, 1, "(one-sided or gaps)");
	}
	page_end(page);
}

/* The checks that found something, the worst first, then the most frequent. */
void text_findings(struct page *page, const struct report *report, const struct report_state *state, struct tally *tally)
{
	const size_t count = TCPAUDIT_CHECK_WORDS * 64;

	page_heading(page, "Findings");
	show_finding_counts(page, report, state);
	for (;;) {
		size_t worst = count;

		for (size_t i = 0; i < count; i++)
			if (tally->check[i] != NULL &&
			    (worst == count || tally->check[i]->severity > tally->check[worst]->severity ||
			     (tally->check[i]->severity == tally->check[worst]->severity &&
			      tally->check[i]->count > tally->check[worst]->count)))
				worst = i;
		if (worst == count)
			break;
		show_check(page, report, state, report_check(report, worst), tally->check[worst]);
		free(tally->check[worst]);
		tally->check[worst] = NULL;
	}
}
