/* The report as a whole: text for people, the ladder, what reaches the output, the verdict and the exit status. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/output.h"
#include "report/page.h"
#include "report/report.h"

static char path[] = "/tmp/test_text.XXXXXX";
static struct tcpaudit_settings settings;
static struct report_options options;
static struct tcpaudit_counters counters;
static struct capture_input input;
static struct report_state state;
static struct output *output;
static struct report *report;
static struct tcpaudit_sink sink;

static void begin(void)
{
	char *error;

	strcpy(path, "/tmp/test_text.XXXXXX");
	close(mkstemp(path));
	output = output_open(path, &error);
	tcpaudit_settings_init(&settings);
	options = (struct report_options){.settings = &settings,
	                                  .filter = "",
	                                  .fail_on = REPORT_NEVER,
	                                  .min_severity = TCPAUDIT_NOTE,
	                                  .page = {.width = 80}};
	memset(&counters, 0, sizeof counters);
	input = (struct capture_input){.path = "incident.pcapng", .format = "pcapng", .time_digits = 6};
	state = (struct report_state){.counters = &counters, .inputs = &input, .input_count = 1};
}

static void end(void)
{
	report_free(report);
	report = NULL;
	output_close(output, NULL);
	unlink(path);
}

TestSuite(text, .init = begin, .fini = end);
TestSuite(output, .init = begin, .fini = end);

static void start(const struct report_format *format)
{
	report = report_new(format, &options, &input, 1, output);
	cr_assert(report_begin(report, &state));
	sink = report_sink(report);
}

/* Ends the report and returns what was written. */
static char *finish(int *status)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY);
	int result = report_end(report, &state);

	if (status != NULL)
		*status = result;
	ssize_t length = read(fd, text, sizeof text - 1);
	cr_assert_geq(length, 0);
	text[length] = '\0';
	close(fd);
	return text;
}

static struct tcpaudit_connection connection(uint64_t id, enum tcpaudit_kind kind)
{
	struct tcpaudit_connection c = {.id = id,
	                                .ip_version = 4,
	                                .kind = (uint8_t)kind,
	                                .confidence = TCPAUDIT_CERTAIN,
	                                .rtt = -1,
	                                .start = 1000000000,
	                                .last = 2000000000,
	                                .closed_first = TCPAUDIT_WHO_CLIENT,
	                                .aborted_by = TCPAUDIT_WHO_NONE,
	                                .half_close_by = TCPAUDIT_WHO_NONE,
	                                .close_wait_holder = TCPAUDIT_WHO_NONE,
	                                .time_wait_holder = TCPAUDIT_WHO_NONE};

	inet_pton(AF_INET, "10.1.2.3", c.end[0].address.byte);
	inet_pton(AF_INET, "10.0.0.7", c.end[1].address.byte);
	c.end[0].port = 51234;
	c.end[1].port = 443;
	c.end[0].isn = 4294967290u;
	c.end[0].isn_known = c.end[1].isn_known = true;
	return c;
}

static void make_ipv6(struct tcpaudit_connection *c)
{
	c->ip_version = 6;
	inet_pton(AF_INET6, "2001:db8:1234:5678:9abc:def0:1234:5678", c->end[0].address.byte);
	inet_pton(AF_INET6, "2001:db8:1234:5678:9abc:def0:1234:9999", c->end[1].address.byte);
}

/* A server that acknowledges one number past the client's FIN. */
static struct tcpaudit_finding finding(const struct tcpaudit_connection *c, const char *id, enum tcpaudit_severity severity)
{
	size_t count;
	int row = tcpaudit_check_index(id);

	cr_assert_geq(row, 0, "%s", id);
	return (struct tcpaudit_finding){
	        .check = tcpaudit_checks(&count) + row,
	        .row = (uint16_t)row,
	        .connection = c,
	        .time = 2000000000,
	        .severity = (uint8_t)severity,
	        .confidence = TCPAUDIT_CERTAIN,
	        .endpoint = TCPAUDIT_WHO_SERVER,
	        .expected = {{"ack", 95}},
	        .observed = {{"ack", 96}},
	        .evidence = {{.frame = 790, .time = 1},
	                     {.frame = 812, .time = 2000000000, .from = TCPAUDIT_SERVER, .flags = TCPAUDIT_ACK}},
	        .evidence_count = 2,
	        .count = 1,
	};
}

static void give(struct tcpaudit_connection c)
{
	counters.connections++;
	counters.by_kind[c.kind]++;
	sink.connection_end(sink.user, &c);
}

static void raise_on(const struct tcpaudit_connection *c, const char *id, enum tcpaudit_severity severity)
{
	counters.by_severity[severity]++; /* the engine counts what it hands out */
	struct tcpaudit_finding f = finding(c, id, severity);

	sink.finding(sink.user, &f);
}

static void expect(const char *text, const char *part)
{
	cr_assert_not_null(strstr(text, part), "no '%s' in:\n%s", part, text);
}

/* The same where lines may be broken. */
static void expect_words(const char *text, const char *part)
{
	char *words = strdup(text), *to = words;

	for (const char *c = words; *c != '\0'; c++)
		if ((*c != ' ' && *c != '\n') || (to > words && to[-1] != ' '))
			*to++ = *c == '\n' ? ' ' : *c;
	*to = '\0';
	expect(words, part);
	free(words);
}

static void expect_not(const char *text, const char *part)
{
	cr_assert_null(strstr(text, part), "'%s' in:\n%s", part, text);
}

static void check_lines(const char *text, size_t width)
{
	char *copy = strdup(text);

	for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
		cr_assert_leq(strlen(line), width, "%s", line);
		cr_assert(*line == '\0' || line[strlen(line) - 1] != ' ', "'%s' ends with a space", line);
	}
	for (const char *c = text; *c != '\0'; c++)
		cr_assert(*c == '\n' || (*c >= ' ' && *c < 0x7f), "byte %02x", (unsigned char)*c);
	free(copy);
}

/* One of everything. */
static void fill(void)
{
	for (unsigned kind = 0; kind < TCPAUDIT_KIND_COUNT; kind++) {
		struct tcpaudit_connection c = connection(100 + kind, (enum tcpaudit_kind)kind);

		if (kind % 3 == 0)
			make_ipv6(&c);
		c.half_close_duration = 1200000000;
		c.half_close_bytes = 38 << 10;
		c.time_wait_holder = TCPAUDIT_WHO_BOTH;
		c.label.proto = kind % 3 ? "A protocol with a very long name" : "TLS";
		c.aborted_by = kind % 2 ? TCPAUDIT_WHO_SERVER : TCPAUDIT_WHO_CLIENT;
		c.end[kind % 2].states = 1 << TCPAUDIT_CLOSE_WAIT;
		raise_on(&c, "fin-ack-beyond", (enum tcpaudit_severity)(kind % 4));
		raise_on(&c, "close-orderly", TCPAUDIT_INFO);
		give(c);
	}
	counters.frames = 1284311;
	counters.fate[TCPAUDIT_FATE_TCP] = 1284000;
	counters.fate[TCPAUDIT_FATE_NOT_IP] = 311;
	counters.unusable[TCPAUDIT_UNUSABLE_CHECKSUM] = 3;
	counters.suppressed[0] = 48;
	counters.newest = INT64_C(312000000000);
}

Test(text, fits_the_width_in_plain_ascii)
{
	static const unsigned widths[] = {60, 72, 80, 100, 132, 200};

	for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
		memset(&counters, 0, sizeof counters);
		options.page.width = widths[i];
		options.verbose = i % 2;
		options.min_severity = TCPAUDIT_INFO;
		start(&report_text);
		fill();
		check_lines(finish(NULL), widths[i]);
		report_free(report);
		report = NULL;
		cr_assert_eq(truncate(path, 0), 0);
	}
}

Test(text, header_and_accounting)
{
	start(&report_text);
	fill();
	const char *text = finish(NULL);
	expect(text, "incident.pcapng    1,284,311 packets   34 connections   5 min 12 s");
	expect_words(text, "all packets accounted for");
	expect_words(text, "no drops recorded");
	expect_words(text, "311 not analysed:");
	expect_words(text, "3 TCP packets with a bad checksum");
	expect_words(text, "48 undetermined");
}

/* The names of the records are not for people. */
Test(text, what_was_not_analysed_is_told_in_words)
{
	for (size_t i = 1; i < TCPAUDIT_FATE_COUNT; i++)
		counters.frames += counters.fate[i] = 1000 * i;
	for (size_t i = 1; i < TCPAUDIT_UNUSABLE_COUNT; i++)
		counters.unusable[i] = 100 * i + 1;
	start(&report_text);
	const char *text = finish(NULL);
	for (size_t i = 1; i < TCPAUDIT_FATE_COUNT; i++) {
		const char *name = tcpaudit_fate_name((enum tcpaudit_fate)i);
		cr_expect(strchr(name, '-') == NULL || strstr(text, name) == NULL, "%s", name);
	}
	for (size_t i = 1; i < TCPAUDIT_UNUSABLE_COUNT; i++) {
		const char *name = tcpaudit_unusable_name((enum tcpaudit_unusable)i);
		cr_expect(strchr(name, '-') == NULL || strstr(text, name) == NULL, "%s", name);
	}
	cr_expect_null(strstr(text, "linktype"));
	cr_expect_null(strstr(text, "null"));
	expect_words(text, "2,000 of a link type that is not read");
	expect_words(text, "401 TCP packets without room for their connection");
}

Test(text, kinds_are_counted_with_shares)
{
	start(&report_text);
	for (int i = 0; i < 3; i++)
		give(connection(1, TCPAUDIT_KIND_FOUR_WAY));
	give(connection(2, TCPAUDIT_KIND_ABORT_CLIENT));
	const char *text = finish(NULL);
	expect(text, "four-way                   3  75.0 %  ############");
	expect(text, "abort-client               1  25.0 %  ####");
	expect(text, "closed first: client 100.0 %");
}

Test(text, applications_are_told_apart)
{
	struct tcpaudit_connection c = connection(1, TCPAUDIT_KIND_ABORT_CLIENT);

	start(&report_text);
	c.label.proto = "TLS";
	c.aborted_by = TCPAUDIT_WHO_CLIENT;
	give(c);
	c = connection(2, TCPAUDIT_KIND_FOUR_WAY);
	c.label.proto = "TLS";
	for (int i = 0; i < 3; i++)
		give(c);
	c.label.proto = "SSH";
	c.half_close_by = TCPAUDIT_WHO_CLIENT;
	c.half_close_bytes = 7;
	give(c);
	const char *text = finish(NULL);
	expect(text, "By application     connections    reset half-close   most often\n"
	             "  TLS                        4   25.0 %      0.0 %   four-way, abort-client\n"
	             "  SSH                        1    0.0 %    100.0 %   four-way\n");
}

Test(text, few_applications_are_shown)
{
	static char name[12][8];

	start(&report_text);
	for (unsigned i = 0; i < 12; i++) {
		struct tcpaudit_connection c = connection(1, TCPAUDIT_KIND_FOUR_WAY);

		snprintf(name[i], sizeof name[i], "app%02u", i);
		c.label.proto = name[i];
		give(c);
	}
	const char *text = finish(NULL);
	expect(text, "  app07 ");
	expect_not(text, "app08");
	expect(text, "  and 4 more (-v, or apps in JSON)");
}

Test(text, without_labels_there_are_no_applications)
{
	start(&report_text);
	give(connection(1, TCPAUDIT_KIND_FOUR_WAY));
	expect_not(finish(NULL), "By application");
}

Test(text, what_was_not_looked_at_is_told)
{
	static const struct report_dpi dpi = {.library = "x", .off = 2};

	state.dpi = &dpi;
	start(&report_text);
	expect_words(finish(NULL), "2 connections without a label for want of memory");
}

Test(text, findings_show_relative_numbers_and_a_filter)
{
	struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_FOUR_WAY);

	options.min_severity = TCPAUDIT_WARNING;
	start(&report_text);
	raise_on(&c, "fin-ack-beyond", TCPAUDIT_ERROR);
	raise_on(&c, "fin-ack-short", TCPAUDIT_NOTE);
	give(c);
	const char *text = finish(NULL);
	expect(text, "1 error, 0 warnings; not shown: 1 note, 0 info");
	expect(text, "error   fin-ack-beyond");
	expect(text, "10.1.2.3:51234 -> 10.0.0.7:443  flow 7, frame 812  certain");
	expect_words(text, "the server: ack 102, expected 101"); /* 96 - (2^32 - 6) */
	expect(text, "wireshark: frame.number in {790, 812}");
	expect_not(text, "fin-ack-short");
}

Test(text, the_worst_come_first)
{
	struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_FOUR_WAY);

	options.min_severity = TCPAUDIT_INFO;
	start(&report_text);
	for (int i = 0; i < 5; i++)
		raise_on(&c, "close-orderly", TCPAUDIT_INFO);
	raise_on(&c, "fin-ack-beyond", TCPAUDIT_ERROR);
	const char *text = finish(NULL);
	cr_assert_lt(strstr(text, "fin-ack-beyond"), strstr(text, "close-orderly"));
	expect(text, "most at 10.0.0.7:443 (5)");
}

Test(text, few_connections_are_listed)
{
	struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_HALF_CLOSED);
	size_t row = (size_t)tcpaudit_check_index("fin-ack-beyond");

	c.findings[row >> 6] |= UINT64_C(1) << (row & 63);
	start(&report_text);
	give(c);
	for (int i = 0; i < 19; i++)
		give(connection(8, TCPAUDIT_KIND_FOUR_WAY));
	const char *text = finish(NULL);
	expect(text, "       7  10.1.2.3:51234 -> 10.0.0.7:443  half-closed    client    1.0 s");
	expect(text, "fin-ack-beyond");
}

Test(text, many_connections_are_not_listed)
{
	start(&report_text);
	for (int i = 0; i < 21; i++)
		give(connection(8, TCPAUDIT_KIND_FOUR_WAY));
	expect_not(finish(NULL), "Connections");
}

Test(text, hosts_that_stand_out)
{
	struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_HALF_CLOSED);

	c.end[1].states = 1 << TCPAUDIT_CLOSE_WAIT;
	c.end[0].fin_ack.time = 5000000000;
	counters.newest = INT64_C(1085000000000);
	start(&report_text);
	for (int i = 0; i < 30; i++)
		give(c);
	const char *text = finish(NULL);
	expect(text, "10.0.0.7:443");
	expect_words(text, "did not close 30");
	expect(text, "18 min");
}

Test(text, more_hosts_than_room_are_counted)
{
	struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_FOUR_WAY);

	start(&report_text);
	for (uint32_t i = 0; i < 20000; i++) {
		memcpy(c.end[0].address.byte, &i, sizeof i);
		give(c);
	}
	expect_words(finish(NULL),
	             "3,617 ends of connections were not counted"); /* 20,000 clients and a server, room for 16,384 */
}

Test(text, damage_and_drops_are_said)
{
	int status;

	input.error = (char *)(uintptr_t) "ends inside a record";
	input.damage_offset = 99861;
	input.bytes_unread = 139;
	input.recorded_drops = 5;
	start(&report_text);
	const char *text = finish(&status);
	expect_words(text, "damaged at offset 99,861: ends inside a record, 139 B not read");
	expect_words(text, "5 packets dropped, as the capture itself says");
	expect(text, "verdict: incomplete");
	cr_assert_eq(status, REPORT_EXIT_DAMAGED);
}

Test(text, foreign_text_cannot_move_the_cursor)
{
	input.path = "evil\033[2J\xc2\x9b.pcap";
	options.filter = "host \033[31m";
	start(&report_text);
	check_lines(finish(NULL), 80);
}

Test(text, color_only_when_asked_for)
{
	options.page.color = true;
	start(&report_text);
	fill();
	expect(finish(NULL), "\033[1;31merror");
}

Test(text, numbers_with_units)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {{0, "0 us"},
	            {999, "0 us"},
	            {310000, "310 us"},
	            {999600, "1.0 ms"},
	            {31400000, "31 ms"},
	            {1240000000, "1.2 s"},
	            {59900000000, "60 s"},
	            {60000000000, "1 min"},
	            {312000000000, "5 min 12 s"},
	            {1080000000000, "18 min"},
	            {7440000000000, "2 h 4 min"},
	            {90000000000000, "1 d 1 h"},
	            {-2500000000, "-2.5 s"}};
	char text[PAGE_TOKEN];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_str_eq(page_duration(text, rows[i].ns), rows[i].text);
	cr_assert_str_eq(page_number(text, 1284311), "1,284,311");
	cr_assert_str_eq(page_number(text, 100), "100");
	cr_assert_str_eq(page_bytes(text, 1023), "1023 B");
	cr_assert_str_eq(page_bytes(text, 38 << 10), "38 KiB");
	cr_assert_str_eq(page_bytes(text, 1536 << 10), "1.5 MiB");
	cr_assert_str_eq(page_share(text, 1, 100000), "<0.1 %");
	cr_assert_str_eq(page_share(text, 99999, 100000), ">99.9 %");
	cr_assert_str_eq(page_share(text, 0, 0), "0.0 %");
}

static void segment(unsigned from, unsigned flags, uint32_t seq, uint32_t ack, uint32_t len, tcpaudit_state_set client,
                    tcpaudit_state_set server)
{
	static uint64_t frame;

	frame++;
	struct tcpaudit_segment s = {.time = (int64_t)frame * 1000000,
	                             .frame = frame,
	                             .ip_version = 4,
	                             .seq = seq,
	                             .ack = ack,
	                             .len = len,
	                             .flags = (uint16_t)flags,
	                             .src_port = from == 0 ? 51234 : 443,
	                             .dst_port = from == 0 ? 443 : 51234};
	const tcpaudit_state_set states[2] = {client, server};

	inet_pton(AF_INET, from == 0 ? "10.1.2.3" : "10.0.0.7", s.src.byte);
	inet_pton(AF_INET, from == 0 ? "10.0.0.7" : "10.1.2.3", s.dst.byte);
	sink.segment(sink.user, 7, &s, from, states);
}

enum {
	ESTABLISHED = 1 << TCPAUDIT_ESTABLISHED,
	FIN_WAIT_1 = 1 << TCPAUDIT_FIN_WAIT_1,
	CLOSE_WAIT = 1 << TCPAUDIT_CLOSE_WAIT,
};

Test(text, a_ladder_has_arrows_states_and_findings)
{
	struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_FOUR_WAY);
	struct tcpaudit_finding f = finding(&c, "fin-ack-beyond", TCPAUDIT_ERROR);

	options.ladder = 7;
	start(&report_ladder);
	segment(0, TCPAUDIT_SYN, 4294967290u, 0, 0, 1 << TCPAUDIT_SYN_SENT, 1 << TCPAUDIT_LISTEN);
	segment(1, TCPAUDIT_SYN | TCPAUDIT_ACK, 500, 4294967291u, 0, ESTABLISHED, 1 << TCPAUDIT_SYN_RECEIVED);
	segment(0, TCPAUDIT_FIN | TCPAUDIT_ACK, 4294967291u, 501, 100, FIN_WAIT_1, ESTABLISHED | CLOSE_WAIT);
	segment(1, TCPAUDIT_ACK, 501, 96, 0, FIN_WAIT_1, CLOSE_WAIT);
	f.evidence[1].frame = 4;
	sink.finding(sink.user, &f);
	sink.connection_end(sink.user, &c);
	const char *text = finish(NULL);
	check_lines(text, 80);
	expect(text, "flow 7   10.1.2.3:51234 -> 10.0.0.7:443");
	expect(text, "four-way   closed first: client   certain");
	expect(text, "SYN-SENT      SYN 0 ------------------------> LISTEN");
	expect(text, "<------------------ SYN 0 ack 1 SYN-RECEIVED");
	expect(text, "FIN-WAIT-1    FIN 1:101(100) ack 1 ---------> ESTABLISHED|");
	expect(text, "ACK 1 ack 102");
	expect(text, "! error fin-ack-beyond (certain)");
}

/* As narrow as it gets, with the longest numbers: nothing touches what stands beside it, and no line is longer. */
Test(text, a_narrow_ladder_keeps_its_columns)
{
	options.ladder = 7;
	options.page.width = 60;
	start(&report_ladder);
	segment(0, TCPAUDIT_SYN, 0, 0, 0, 1 << TCPAUDIT_SYN_SENT, 1 << TCPAUDIT_LISTEN);
	segment(1, TCPAUDIT_SYN | TCPAUDIT_ACK, 0, 1, 0, ESTABLISHED, 1 << TCPAUDIT_SYN_RECEIVED);
	segment(1, TCPAUDIT_ACK | TCPAUDIT_FIN, 1, 100, 700, ESTABLISHED, ESTABLISHED | CLOSE_WAIT);
	segment(1, TCPAUDIT_ACK | TCPAUDIT_FIN, 4000000000u, 3999999999u, 65535, FIN_WAIT_1, CLOSE_WAIT);
	segment(0, TCPAUDIT_ACK | TCPAUDIT_FIN, 4000000000u, 3999999999u, 65535, FIN_WAIT_1 | ESTABLISHED,
	        ESTABLISHED | FIN_WAIT_1);
	const char *text = finish(NULL);
	check_lines(text, 60);
	expect(text, "< FIN 1:701(700)\n                                   ack 100     ESTABLISHED|\n");
	expect(text, "< FIN 4000000000(65535)\n                                   ack 3999999999\n");
	expect_words(text, "ack 3999999999 ESTABLISHED|");
	for (const char *at = text; (at = strstr(at, "ESTABLISHED")) != NULL; at++)
		cr_assert(at[-1] == ' ' || at[-1] == '\n', "%.40s", at - 20);
}

Test(text, a_ladder_collapses_plain_data_and_is_bounded)
{
	options.ladder = 7;
	start(&report_ladder);
	for (uint32_t i = 0; i < 100000; i++)
		segment(0, TCPAUDIT_ACK, 1 + i * 1000, 1, 1000, ESTABLISHED, ESTABLISHED);
	for (uint32_t i = 0; i < 3000; i++)
		segment(i & 1, TCPAUDIT_FIN, 1, 1, 0, ESTABLISHED, ESTABLISHED);
	const char *text = finish(NULL);
	check_lines(text, 80);
	expect(text, "... 99,999 segments, 95 MiB ->");
	expect(text, "lines left out)");
	cr_assert_lt(strlen(text), 50000);
}

Test(text, a_ladder_of_nothing_says_so)
{
	int status;

	options.ladder = 7;
	start(&report_ladder);
	cr_assert_str_eq(finish(&status), "");
	cr_assert(report->nothing_drawn);
	cr_assert_eq(status, REPORT_EXIT_USAGE);
}

Test(text, verdicts_and_exit_statuses)
{
	static const struct {
		const char *what;
		int status;
		enum report_verdict verdict;
	} rows[] = {{"nothing", 0, REPORT_OK},         {"note", 0, REPORT_OK},
	            {"warning", 1, REPORT_FINDINGS},   {"linktype", 0, REPORT_INCOMPLETE},
	            {"evicted", 0, REPORT_INCOMPLETE}, {"gone", 4, REPORT_OK},
	            {"ledger", 6, REPORT_OK},          {"drops", 0, REPORT_INCOMPLETE}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_FOUR_WAY);
		const char *what = rows[i].what;

		begin();
		options.fail_on = TCPAUDIT_WARNING;
		start(&report_jsonl);
		if (strcmp(what, "note") == 0 || strcmp(what, "warning") == 0)
			raise_on(&c, "fin-ack-beyond", strcmp(what, "note") == 0 ? TCPAUDIT_NOTE : TCPAUDIT_WARNING);
		counters.frames = counters.fate[TCPAUDIT_FATE_LINKTYPE] = strcmp(what, "linktype") == 0;
		counters.evicted = strcmp(what, "evicted") == 0;
		counters.frames += strcmp(what, "ledger") == 0;
		state.gone = strcmp(what, "gone") == 0;
		state.live = strcmp(what, "drops") == 0;
		state.kernel.received = state.kernel.dropped = state.live;
		cr_assert_eq(report_end(report, &state), rows[i].status, "%s: %d", what, state.exit_status);
		cr_assert_eq(state.verdict, rows[i].verdict, "%s", what);
		end();
	}
	begin();
}

Test(text, the_live_ledger_is_exact)
{
	char *error;

	state.live = true;
	counters.frames = counters.fate[TCPAUDIT_FATE_TCP] = 10;
	state.kernel = (struct capture_kernel){.received = 12, .dropped = 2};
	cr_assert(report_ledger(&state, &error));
	cr_assert_null(error);
	state.kernel.received = 13;
	cr_assert_not(report_ledger(&state, &error));
	cr_assert_not_null(strstr(error, "13"));
	free(error);
	start(&report_text);
}

Test(text, one_json_object_has_flows_before_findings)
{
	struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_FOUR_WAY);

	start(&report_json);
	for (int i = 0; i < 3; i++) {
		raise_on(&c, "fin-ack-beyond", TCPAUDIT_ERROR);
		raise_on(&c, "close-orderly", TCPAUDIT_INFO); /* below --min-severity */
		give(c);
	}
	json_object *object = json_tokener_parse(finish(NULL)), *member;
	cr_assert_not_null(object);
	cr_assert(json_object_object_get_ex(object, "flows", &member));
	cr_assert_eq(json_object_array_length(member), 3);
	cr_assert(json_object_object_get_ex(object, "findings", &member));
	cr_assert_eq(json_object_array_length(member), 3);
	cr_assert(json_object_object_get_ex(object, "summary", &member));
	cr_assert(json_object_object_get_ex(member, "output", &member));
	cr_assert_str_eq(json_object_to_json_string_ext(member, JSON_C_TO_STRING_PLAIN), "{\"records\":8,\"lost\":0}");
	json_object_put(object);
}

Test(text, an_empty_json_object_parses)
{
	start(&report_json);
	json_object *object = json_tokener_parse(finish(NULL));
	cr_assert_not_null(object);
	json_object_put(object);
}

Test(text, flows_are_left_out_when_not_wanted)
{
	static const size_t lines[] = {[REPORT_FLOWS_ALL] = 4, [REPORT_FLOWS_FLAGGED] = 3, [REPORT_FLOWS_NONE] = 2};

	for (unsigned flows = 0; flows < 3; flows++) {
		struct tcpaudit_connection c = connection(7, TCPAUDIT_KIND_FOUR_WAY);
		size_t row = (size_t)tcpaudit_check_index("fin-ack-beyond"), count = 0;

		cr_assert_eq(truncate(path, 0), 0);
		options.flows = (enum report_flows)flows;
		start(&report_jsonl);
		give(c);
		c.findings[row >> 6] |= UINT64_C(1) << (row & 63);
		give(c);
		for (const char *text = finish(NULL); (text = strchr(text, '\n')) != NULL; text++)
			count++;
		cr_assert_eq(count, lines[flows]);
		report_free(report);
		report = NULL;
	}
}

static void disk_holds(rlim_t octets)
{
	struct rlimit limit = {octets, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN); /* then a write beyond the limit fails with EFBIG */
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(output, whole_lines_survive_a_full_disk)
{
	char line[300], text[2000];
	uint64_t records, lost;

	disk_holds(1000);
	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\n';
	for (int i = 0; i < 5; i++)
		output_write(output, line, sizeof line);
	cr_assert_not(output_flush(output));
	output_counters(output, &records, &lost);
	cr_assert_eq(records, 5);
	output_close(output, &lost);
	output = NULL;
	cr_assert_eq(lost, 2);
	int fd = open(path, O_RDONLY);
	cr_assert_eq(read(fd, text, sizeof text), 900); /* three whole lines, no part of the fourth */
	close(fd);
}

/* Numbered lines of many lengths, until so many octets were given. */
static unsigned give_lines(unsigned number, size_t octets)
{
	char line[400];

	for (size_t given = 0; given < octets; number++) {
		int length = snprintf(line, sizeof line, "%u %*s\n", number, (int)(number * 7 % 300), "|");
		output_write(output, line, (size_t)length);
		given += (size_t)length;
	}
	return number;
}

/* How many numbers, from 0, stand at the beginnings of whole lines and in a row. */
static unsigned lines_in_order(void)
{
	FILE *file = fopen(path, "r");
	char line[500];
	unsigned count = 0;

	while (fgets(line, sizeof line, file) != NULL && (unsigned)strtoul(line, NULL, 10) == count && strstr(line, "|\n") != NULL)
		count++;
	cr_assert_eq(fgetc(file), EOF, "behind line %u", count);
	fclose(file);
	return count;
}

Test(output, much_is_written_beside_and_in_order)
{
	unsigned lines = give_lines(0, 12 << 20);
	uint64_t lost;

	output_push(output);
	lines = give_lines(lines, 1000);
	cr_assert(output_flush(output));
	cr_assert_eq(lines_in_order(), lines);
	lines = give_lines(lines, 3 << 20);
	output_close(output, &lost);
	output = NULL;
	cr_assert_eq(lost, 0);
	cr_assert_eq(lines_in_order(), lines);
}

Test(output, what_waits_for_a_full_disk_stays_in_order)
{
	uint64_t lost;

	disk_holds(3 << 20);
	unsigned lines = give_lines(0, 6 << 20);
	cr_assert_not(output_flush(output));
	cr_assert_lt(lines_in_order(), lines, "as many as fit, and no torn one");
	disk_holds(RLIM_INFINITY);
	lines = give_lines(lines, 1000);
	output_close(output, &lost);
	output = NULL;
	cr_assert_eq(lost, 0);
	cr_assert_eq(lines_in_order(), lines);
}

Test(output, a_disk_that_stays_full_loses_whole_records)
{
	uint64_t records, lost, closed;

	disk_holds(3 << 20);
	unsigned lines = give_lines(0, 30 << 20);
	output_counters(output, &records, &lost);
	cr_assert_eq(records, lines);
	cr_assert_gt(lost, 0, "memory is bounded");
	output_close(output, &closed);
	output = NULL;
	cr_assert_gt(closed, lost);
	cr_assert_eq(lines_in_order(), lines - closed);
}

/* A sanitizer ends the program instead. */
#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define NEVER_WITHOUT_MEMORY 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define NEVER_WITHOUT_MEMORY 1
#endif

#ifndef NEVER_WITHOUT_MEMORY
static void no_more_memory(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages;

	cr_assert_not_null(file);
	cr_assert_eq(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	struct rlimit limit = {pages * (rlim_t)sysconf(_SC_PAGESIZE), RLIM_INFINITY};
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

Test(output, what_has_no_room_in_memory_is_written)
{
	uint64_t lost;

	no_more_memory();
	unsigned lines = give_lines(0, 4 << 20);
	output_close(output, &lost);
	output = NULL;
	cr_assert_eq(lost, 0, "%" PRIu64 " of %u", lost, lines);
	cr_assert_eq(lines_in_order(), lines);
}
#endif

Test(output, a_reader_that_went_away_ends_it_quietly)
{
	int ends[2];
	char *error;
	uint64_t lost;

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(pipe(ends), 0);
	close(ends[0]);
	cr_assert_geq(dup2(ends[1], STDOUT_FILENO), 0);
	struct output *standard = output_open("-", &error);
	output_write(standard, "one\n", 4);
	cr_assert_not(output_flush(standard));
	cr_assert(output_broken(standard));
	output_write(standard, "two\n", 4);
	output_close(standard, &lost);
	cr_assert_eq(lost, 2);
}

/* Records whose numbers rise, until the end of a pipe; the last one's number, and how many there are. */
struct heard {
	int fd;
	unsigned count, last;
	bool torn;
};

static void *hear(void *user)
{
	struct heard *h = user;
	FILE *pipe = fdopen(h->fd, "r");
	char line[500];

	while (fgets(line, sizeof line, pipe) != NULL) {
		unsigned number = (unsigned)strtoul(line, NULL, 10);
		h->torn |= strstr(line, "|\n") == NULL || (h->count > 0 && number <= h->last);
		h->last = number;
		h->count++;
	}
	fclose(pipe);
	return NULL;
}

Test(output, a_live_capture_does_not_wait_for_its_reader)
{
	int ends[2];
	char *error;
	uint64_t lost, records, closed;
	pthread_t reader;

	cr_assert_eq(pipe(ends), 0);
	cr_assert_geq(dup2(ends[1], STDOUT_FILENO), 0);
	close(ends[1]);
	output_close(output, NULL);
	output = output_open("-", &error);
	output_never_wait(output);
	unsigned lines = give_lines(0, 100 << 20); /* and nobody reads */
	output_push(output);
	output_counters(output, &records, &lost);
	cr_assert_eq(records, lines);
	cr_assert(lost > 0 && lost < lines / 2, "64 of 100 MiB are kept: %ju of %u lost", (uintmax_t)lost, lines);
	struct heard heard = {.fd = ends[0]};
	cr_assert_eq(pthread_create(&reader, NULL, hear, &heard), 0);
	output_may_wait(output); /* the capture has ended: what is told of those that are open comes at once */
	lines = give_lines(lines, 100 << 20);
	output_close(output, &closed);
	output = NULL;
	close(STDOUT_FILENO);
	pthread_join(reader, NULL);
	cr_assert_eq(closed, lost);
	cr_assert_not(heard.torn);
	cr_assert_eq(heard.count, lines - lost);
	cr_assert_eq(heard.last, lines - 1);
}

Test(output, rotation_goes_on_in_a_new_file)
{
	char other[64], text[16], *error;

	snprintf(other, sizeof other, "%s.1", path);
	output_write(output, "old\n", 4);
	cr_assert_eq(rename(path, other), 0);
	cr_assert(output_reopen(output, &error));
	output_write(output, "new\n", 4);
	output_flush(output);
	int fd = open(other, O_RDONLY);
	cr_assert_eq(read(fd, text, sizeof text), 4);
	cr_assert_eq(memcmp(text, "old\n", 4), 0);
	close(fd);
	fd = open(path, O_RDONLY);
	cr_assert_eq(read(fd, text, sizeof text), 4);
	cr_assert_eq(memcmp(text, "new\n", 4), 0);
	close(fd);
	unlink(other);
}

/* A live capture would stand still as long as nobody reads. */
Test(output, rotation_waits_for_no_reader, .timeout = 10)
{
	char fifo[64], *error;
	uint64_t lost;
	pthread_t reader;

	snprintf(fifo, sizeof fifo, "%s.fifo", path);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	struct heard heard = {.fd = open(fifo, O_RDONLY | O_NONBLOCK)};
	output_close(output, NULL);
	output = output_open(fifo, &error);
	output_never_wait(output);
	unsigned lines = give_lines(0, 2 << 20); /* a pipe holds 64 KiB */
	cr_assert(output_reopen(output, &error));
	output_push(output);
	fcntl(heard.fd, F_SETFL, 0);
	cr_assert_eq(pthread_create(&reader, NULL, hear, &heard), 0);
	output_close(output, &lost);
	pthread_join(reader, NULL);
	cr_assert_eq(lost, 0);
	cr_assert_eq(heard.count, lines);

	cr_assert_not_null(output = output_open(path, &error));
	cr_assert_eq(rename(fifo, path), 0);
	cr_assert_not(output_reopen(output, &error));
	cr_assert_not_null(strstr(error, path));
	free(error);
}

Test(output, an_input_is_never_overwritten)
{
	cr_assert(output_would_overwrite(path, path));
	cr_assert_not(output_would_overwrite(path, "/dev/null"));
	cr_assert_not(output_would_overwrite("-", path));
	cr_assert_not(output_would_overwrite(NULL, path));
}

Test(output, a_file_that_cannot_be_opened_says_why)
{
	char *error = NULL;

	cr_assert_null(output_open("/nonexistent/x", &error));
	cr_assert_str_eq(error, "/nonexistent/x: No such file or directory");
	free(error);
}
