/* The command line: what each option sets, and how wrong ones are answered. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/values.h"

static struct options options;
static char *error;
static char line[512];
static char *words[48];

/* Parses a command line that is written as one string. */
static bool parse(const char *text)
{
	int count = 0;

	snprintf(line, sizeof line, "tcpaudit %s", text);
	for (char *rest = line, *word; (word = strsep(&rest, " ")) != NULL;)
		if (*word != '\0')
			words[count++] = word;
	words[count] = NULL;
	return options_parse(&options, count, words, &error);
}

static void accept(const char *text)
{
	cr_assert(parse(text), "%s: %s", text, error);
}

static void end(void)
{
	free(error);
	options_fini(&options);
}

static void refuse(const char *text, const char *answer)
{
	cr_assert_not(parse(text), "%s", text);
	cr_assert_not_null(error);
	cr_assert_not_null(strstr(error, answer), "%s: %s", text, error);
	cr_assert_null(strchr(error, '\n'), "%s", error);
	end();
	error = NULL;
	memset(&options, 0, sizeof options);
}

TestSuite(options, .fini = end);

Test(options, defaults)
{
	accept("-r x.pcap");
	cr_assert_eq(options.action, OPTIONS_RUN);
	cr_assert_eq(options.input_count, 1);
	cr_assert_not(options.live);
	cr_assert_str_eq(options.inputs[0], "x.pcap");
	cr_assert_str_eq(options.filter, "");
	cr_assert_null(options.format);
	cr_assert_null(options.output);
	cr_assert(options.capture.promiscuous);
	cr_assert_eq(options.report.flows, REPORT_FLOWS_ALL);
	cr_assert_eq(options.report.fail_on, REPORT_NEVER);
	cr_assert_eq(options.report.min_severity, TCPAUDIT_NOTE);
	cr_assert_eq(options.settings.tunnels, TCPAUDIT_TUNNEL_ALL);
	cr_assert_eq(options.settings.msl, INT64_C(30000000000));
	cr_assert_eq(options.settings.idle_timeout, INT64_C(7440000000000));
	cr_assert_geq(options.settings.memcap, UINT64_C(512) << 20);
	cr_assert_eq(options.settings.max_flows, 0);
}

Test(options, interfaces_flag_by_default)
{
	accept("-i eth0 -i any");
	cr_assert(options.live);
	cr_assert_eq(options.input_count, 2);
	cr_assert_eq(options.report.flows, REPORT_FLOWS_FLAGGED);
}

Test(options, long_names_and_values)
{
	accept("--read-file=a --read-file b --checksum strict --vantage server --msl 2m --idle-timeout 1h --max-flows 9 --memcap "
	       "256M "
	       "--tunnels gre,vxlan --flows none --min-severity error --fail-on warning -T json -o out --color never --progress "
	       "never -q -v");
	cr_assert_eq(options.input_count, 2);
	cr_assert_eq(options.settings.checksum, TCPAUDIT_CHECKSUM_STRICT);
	cr_assert_eq(options.settings.vantage, 1 << TCPAUDIT_SERVER);
	cr_assert_eq(options.settings.msl, INT64_C(120000000000));
	cr_assert_eq(options.settings.idle_timeout, INT64_C(3600000000000));
	cr_assert_eq(options.settings.max_flows, 9);
	cr_assert_eq(options.settings.memcap, UINT64_C(256) << 20);
	cr_assert_eq(options.settings.tunnels, TCPAUDIT_TUNNEL_GRE | TCPAUDIT_TUNNEL_VXLAN);
	cr_assert_eq(options.report.flows, REPORT_FLOWS_NONE);
	cr_assert_eq(options.report.min_severity, TCPAUDIT_ERROR);
	cr_assert_eq(options.report.fail_on, TCPAUDIT_WARNING);
	cr_assert_eq(options.format, &report_json);
	cr_assert_str_eq(options.output, "out");
	cr_assert_eq(options.color, OPTIONS_COLOR_NEVER);
	cr_assert_eq(options.progress, OPTIONS_PROGRESS_NEVER);
	cr_assert(options.quiet && options.report.verbose);
}

Test(options, capture_options)
{
	accept("-i lo -s 128 -B 4096 -p -c 10 -a duration:2m --stats-interval 500ms");
	cr_assert_eq(options.capture.snaplen, 128);
	cr_assert_eq(options.capture.buffer, 4096 * 1024);
	cr_assert_not(options.capture.promiscuous);
	cr_assert_eq(options.count, 10);
	cr_assert_eq(options.duration, INT64_C(120000000000));
	cr_assert_eq(options.stats_interval, 500000000);
}

Test(options, trailing_words_are_the_filter)
{
	accept("-r x tcp port 80 -T text");
	cr_assert_str_eq(options.filter, "tcp port 80");
	cr_assert_eq(options.format, &report_text);
	cr_assert_str_eq(options.capture.filter, "tcp port 80");
	cr_assert_str_eq(options.report.filter, "tcp port 80");
}

Test(options, words_behind_two_dashes_are_the_filter)
{
	accept("-r x -- -1 > 0");
	cr_assert_str_eq(options.filter, "-1 > 0");
}

Test(options, a_filter_by_option_and_by_file)
{
	char path[] = "/tmp/test_options.XXXXXX", text[64];
	int fd = mkstemp(path);

	cr_assert_eq(write(fd, "# a comment\ntcp and\nport 443\r\n", 30), 30);
	close(fd);
	accept("-r x -f udp");
	cr_assert_str_eq(options.filter, "udp");
	end();
	error = NULL;
	snprintf(text, sizeof text, "-r x -F %s", path);
	accept(text);
	cr_assert_str_eq(options.filter, "tcp and port 443");
	unlink(path);
}

Test(options, the_command_line_is_kept_as_it_was_written)
{
	accept("-r x tcp -T json");
	cr_assert_eq(options.report.arg_count, 5);
	cr_assert_str_eq(options.report.args[2], "tcp");
	cr_assert_str_eq(options.report.args[4], "json");
}

Test(options, checks_are_disabled_and_weighed)
{
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);
	char text[128];

	snprintf(text, sizeof text, "-r x --disable %s,%s --severity %s=error", check[0].id, check[1].id, check[2].id);
	accept(text);
	cr_assert_eq(options.settings.check[0].severity, -1);
	cr_assert_eq(options.settings.check[1].severity, -1);
	cr_assert_eq(options.settings.check[2].severity, TCPAUDIT_ERROR + 1);
	cr_assert_eq(options.settings.check[3].severity, 0);
}

Test(options, patterns_disable_many_checks)
{
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);

	accept("-r x --disable cap-*");
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(options.settings.check[i].severity, strncmp(check[i].id, "cap-", 4) == 0 ? -1 : 0, "%s", check[i].id);
}

Test(options, a_ladder_watches_its_connection)
{
	accept("-r x --ladder 71");
	cr_assert_eq(options.format, &report_ladder);
	cr_assert_eq(options.report.ladder, 71);
	cr_assert_eq(options.settings.watch, 71);
}

Test(options, transitions_are_computed_only_when_wanted)
{
	accept("-r x");
	cr_assert_not(options.settings.transitions);
	end();
	error = NULL;
	accept("-r x --transitions");
	cr_assert(options.settings.transitions && options.report.transitions);
}

Test(options, actions)
{
	static const struct {
		const char *option;
		enum options_action action;
	} rows[] = {{"-h", OPTIONS_HELP},
	            {"--version", OPTIONS_VERSION},
	            {"--list-checks", OPTIONS_LIST_CHECKS},
	            {"--list-fields", OPTIONS_LIST_FIELDS},
	            {"--schema", OPTIONS_SCHEMA},
	            {"-D", OPTIONS_LIST_INTERFACES}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		accept(rows[i].option);
		cr_assert_eq(options.action, rows[i].action);
		end();
		error = NULL;
		memset(&options, 0, sizeof options);
	}
}

Test(options, workers_and_their_processors)
{
	accept("-i lo");
	cr_assert_eq(options.workers, 1);
	cr_assert_eq(options.pin.count, 0);
	end();
	accept("-i lo --workers 64 --pin auto");
	cr_assert_eq(options.workers, 64);
	cr_assert_geq(options.pin.count, 1);
	int first = options.pin.processor[0], count = (int)options.pin.count;
	for (int i = 1; i < count; i++)
		cr_assert_gt(options.pin.processor[i], options.pin.processor[i - 1]);
	end();
	char pins[64];
	snprintf(pins, sizeof pins, "-i lo --pin %d,%d-%d", first, first, first);
	accept(pins);
	cr_assert_eq(options.pin.count, 2);
	cr_assert_eq(options.pin.processor[1], first);
}

Test(options, what_changes_nothing_is_accepted)
{
	accept("-r x -n -l --no-dpi --workers 1 --sandbox off");
}

Test(options, wrong_values_are_refused)
{
	refuse("-r x -c 0", "'0'");
	refuse("-r x -c many", "'many'");
	refuse("-r x -s 99999999", "-s");
	refuse("-r x --memcap 12Q", "--memcap");
	refuse("-r x --memcap 2", "is the least");
	refuse("-r x --msl fast", "--msl");
	refuse("-r x -a 10", "duration:");
	refuse("-i lo --stats-interval often", "'often' is not a time");
	refuse("-i lo --stats-interval 9223372036s", "up to 365d");
	refuse("-r x -T xml", "text, jsonl or json");
	refuse("-r x --flows some", "all flagged none");
	refuse("-r x --fail-on never", "none");
	refuse("-r x --tunnels teredo", "geneve");
	refuse("-r x --disable no-such-check", "--list-checks");
	refuse("-r x --severity no-such-check=note", "--list-checks");
	refuse("-r x --severity fin-ack-beyond", "ID=SEVERITY");
	refuse("-r x --ladder 0", "--ladder");
	refuse("-i lo --workers 0", "1 to 64");
	refuse("-i lo --workers 65", "1 to 64");
	refuse("-i lo --workers two", "1 to 64");
	refuse("-i lo --pin 0,", "a list of processors");
	refuse("-i lo --pin 1-0", "a list of processors");
	refuse("-i lo --pin 0:1", "a list of processors");
	refuse("-i lo --pin 1023", "may use");
	refuse("-i lo --pin all", "auto");
	refuse("-r", "needs a value");
	refuse("-r x --memcap", "needs a value");
}

Test(options, contradictions_are_refused)
{
	refuse("-r x -i lo", "exclude each other");
	refuse("-r - -r -", "only once");
	refuse("-r x -f tcp udp", "more than one filter");
	refuse("-r x -F /nonexistent", "/nonexistent");
	refuse("-r x --ladder 7 -T json", "--ladder");
}

Test(options, options_of_later_versions_are_refused)
{
	refuse("--explain fin-ack-beyon", "near it: fin-ack-beyond");
	refuse("-r x --sandbox on", "sandbox");
	refuse("-i lo -Z nobody", "-Z");
}

Test(options, unknown_options_point_to_the_help)
{
	refuse("--frobnicate", "unknown option --frobnicate (see tcpaudit --help)");
	refuse("-r x -k", "unknown option -k (see tcpaudit --help)");
	refuse("--i lo", "--i: --interface or --idle-timeout? (see tcpaudit --help)");
	refuse("-r x --list", "--list: --list-");
}

Test(options, a_value_of_an_option_that_takes_none)
{
	refuse("-r x --transitions=all", "--transitions takes no value (see tcpaudit --help)");
	refuse("-r x --no-dpi=", "--no-dpi takes no value (see tcpaudit --help)");
	refuse("-r x --no-promiscuous-mode=no", "--no-promiscuous-mode takes no value (see tcpaudit --help)");
}

Test(options, options_of_other_tools_are_answered)
{
	refuse("-r x -Y tcp", "-Y: display filters");
	refuse("-r x -w y", "tcpdump -w");
	refuse("-r x -T fields", "jq");
	refuse("-r x -e tcp.flags", "jq");
	refuse("-r x --display-filter tcp", "--display-filter: display filters are Wireshark's");
	refuse("-r x --read-filter=tcp", "--read-filter: display filters are Wireshark's");
	refuse("-r x --ring-buffer files:3", "--ring-buffer: files are not rotated here");
	refuse("-r x --linktype EN10MB", "--linktype: link types are found out");
	refuse("-r x --print", "--print: single packets are not printed");
	refuse("-r x --prin", "unknown option --prin (see");
	refuse("-r x --displays", "unknown option --displays (see");
	refuse("-r x -qz io,stat", "-z");
	refuse("-r x -X", "--ladder");
}

Test(options, help_fits_eighty_columns)
{
	char *help = options_help();

	for (char *rest = help, *text; (text = strsep(&rest, "\n")) != NULL;)
		cr_assert_leq(strlen(text), 80, "%s", text);
	free(help);
}

Test(options, the_list_of_checks_has_them_all)
{
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);
	char *list = options_check_list();

	for (size_t i = 0; i < count; i++)
		cr_assert_not_null(strstr(list, check[i].id));
	free(list);
}

Test(values, sizes)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {{"0", 0},
	            {"10", 10},
	            {"1K", 1024},
	            {"1k", 1024},
	            {"3M", 3 << 20},
	            {"2GiB", UINT64_C(2) << 30},
	            {"1TB", UINT64_C(1) << 40}};
	static const char *const wrong[] = {"", "K", "-1", "1.5G", "1KK", "1Q", "99999999999999999999", "9999999999G", " 1"};
	uint64_t bytes;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_assert(value_size(rows[i].text, 1, &bytes), "%s", rows[i].text);
		cr_assert_eq(bytes, rows[i].bytes, "%s", rows[i].text);
	}
	cr_assert(value_size("10", 1024, &bytes));
	cr_assert_eq(bytes, 10240);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		cr_assert_not(value_size(wrong[i], 1, &bytes), "%s", wrong[i]);
}

Test(values, durations)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {{"0", 0},      {"30", 30000000000},  {"30s", 30000000000},   {"1.5s", 1500000000},  {"250ms", 250000000},
	            {"7us", 7000}, {"5m", 300000000000}, {"5min", 300000000000}, {"1h", 3600000000000}, {"1d", 86400000000000}};
	static const char *const wrong[] = {"", "s", "-1s", "1x", "1e3", "0x10", "1 s", "inf", "nan", "1..5", "999999999999d"};
	int64_t ns;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_assert(value_duration(rows[i].text, &ns), "%s", rows[i].text);
		cr_assert_eq(ns, rows[i].ns, "%s", rows[i].text);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		cr_assert_not(value_duration(wrong[i], &ns), "%s", wrong[i]);
}
