/* fuzz_expression.c - any text as an expression and as a message: it is compiled or refused with a place and a sentence, and
 * what is compiled obeys the laws of logic.
 *
 * Input: which records (1 octet), what is absent from them (1), then the text. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/expression.h"
#include "rules/literal.h"
#include "rules/template.h"

#ifdef NDEBUG
#error "the invariants are assertions"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tcpaudit_settings settings;
static const struct report_options options = {.settings = &settings, .filter = "tcp", .transitions = true};
static const struct capture_input input = {.path = "a\xff\n.pcap", .format = "pcap", .linktype = {1, 101}, .linktypes = 2};
static const struct report report = {.options = &options, .inputs = &input, .input_count = 1};
static struct tcpaudit_connection connection;
static struct tcpaudit_finding finding;

/* A connection that has nearly nothing, or (bits) the parts named here. */
static void make_connection(unsigned bits)
{
	connection = (struct tcpaudit_connection){.id = 7,
	                                          .ip_version = bits & 1 ? 6 : 4,
	                                          .start = INT64_C(1700000000000000000),
	                                          .last = INT64_C(1700000001500000000),
	                                          .rtt = bits & 2 ? 310000 : -1,
	                                          .kind = bits % TCPAUDIT_KIND_COUNT,
	                                          .aborted_by = bits & 4 ? TCPAUDIT_WHO_CLIENT : TCPAUDIT_WHO_NONE,
	                                          .half_close_by = bits & 8 ? TCPAUDIT_WHO_SERVER : TCPAUDIT_WHO_NONE,
	                                          .half_close_bytes = 65536,
	                                          .time_wait_holder = bits & 16 ? TCPAUDIT_WHO_BOTH : TCPAUDIT_WHO_NONE,
	                                          .forged_suspect = bits & 32};
	connection.end[0].port = 40000;
	connection.end[1].port = 80;
	connection.end[0].states = bits & 64 ? 0x7ff : 1 << TCPAUDIT_TIME_WAIT;
	connection.end[1].states = bits & 128 ? 1 << TCPAUDIT_CLOSE_WAIT : 0;
	memset(connection.end[0].address.byte, 10, 16);
	connection.findings[0] = bits & 2 ? 5 : 0;
	finding = (struct tcpaudit_finding){
	        .check = tcpaudit_checks(&(size_t){0}), .connection = &connection, .endpoint = bits & 1, .severity = bits % 4};
	finding.expected[0] = (struct tcpaudit_fact){"ack", 4101};
}

static struct record record_of(unsigned kind)
{
	static const struct tcpaudit_counters counters;
	static const struct report_state state = {.counters = &counters, .inputs = &input, .input_count = 1};

	return (struct record){.report = &report, .connection = &connection, .finding = &finding, .state = &state, .kind = kind};
}

/* Every refusal has a sentence of one line and a place in the text or just behind it. */
static void check_refusal(const char *text, size_t column, char *error)
{
	assert(error != NULL && error[0] != '\0');
	assert(literal_is_utf8(error));
	for (const char *c = error; *c != '\0'; c++)
		assert(!literal_is_control(c) || (unsigned char)*c >= 0x80);
	assert(column >= 1 && column <= strlen(text) + 1);
	free(error);
}

/* A text that was compiled, once or twice within others, compiled; NULL if a limit stands against it. */
static struct expression *wrap(const char *before, const char *text, const char *between, const char *again, const char *behind,
                               unsigned records)
{
	char *wrapped, *error;
	size_t column;
	struct expression *expression;

	if (asprintf(&wrapped, "%s%s%s%s%s", before, text, between, again, behind) < 0)
		abort();
	expression = expression_new(wrapped, records, &column, &error);
	if (expression == NULL) {
		assert(strncmp(error, "longer than ", 12) == 0 || strncmp(error, "more than ", 10) == 0);
		check_refusal(wrapped, column, error);
	}
	free(wrapped);
	return expression;
}

static void expect(struct expression *expression, struct record *record, bool wanted)
{
	if (expression != NULL)
		assert(expression_holds(expression, record) == wanted);
	expression_free(expression);
}

static void try_expression(const char *text, unsigned records, unsigned kind)
{
	char *error;
	size_t column;
	struct expression *expression = expression_new(text, records, &column, &error);
	struct record record = record_of(kind);
	bool holds;

	if (expression == NULL) {
		check_refusal(text, column, error);
		return;
	}
	assert(error == NULL);
	memset(record.scratch, 0xa5, sizeof record.scratch);
	holds = expression_holds(expression, &record);
	expression_free(expression);
	expect(wrap("(", text, ")", "", "", records), &record, holds);
	expect(wrap("!(", text, ")", "", "", records), &record, !holds);
	expect(wrap("!(!(", text, ") or !(", text, "))", records), &record, holds);
	expect(wrap("(", text, ") or !(", text, ")", records), &record, true);
	expect(wrap("(", text, ") and !(", text, ")", records), &record, false);
}

static void try_template(const char *text, unsigned records, unsigned kind)
{
	char whole[512], *error;
	size_t column;
	struct template *template = template_new(text, records, &column, &error);
	struct record record = record_of(kind);

	if (template == NULL) {
		check_refusal(text, column, error);
		return;
	}
	template_write(template, &record, whole, sizeof whole);
	assert(strlen(whole) < sizeof whole && literal_is_utf8(whole));
	for (size_t room = 1; room < 40; room += 7) {
		char *out = malloc(room);

		template_write(template, &record, out, room);
		assert(strlen(out) < room && literal_is_utf8(out) && strncmp(whole, out, strlen(out)) == 0);
		/* no character is left out that would have had room */
		assert(strlen(out) + 4 >= room || strcmp(out, whole) == 0);
		free(out);
	}
	template_free(template);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned kinds[] = {RECORD_FLOW, RECORD_FINDING, RECORD_FLOW | RECORD_FINDING, RECORD_META};
	unsigned records, kind;
	char *text;

	if (size < 2)
		return 0;
	records = kinds[data[0] & 3];
	kind = records & RECORD_FLOW && data[0] & 4 ? RECORD_FLOW : 1u << (31 - __builtin_clz(records));
	tcpaudit_settings_init(&settings);
	make_connection(data[1]);
	text = malloc(size - 1);
	if (text == NULL)
		return 0;
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	try_expression(text, records, kind);
	try_template(text, records, kind);
	free(text);
	return 0;
}
