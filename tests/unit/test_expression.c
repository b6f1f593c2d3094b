/* Expressions over records: every operator with every type, every error, and what absence means. */
#include "records.h"

#include <stdio.h>
#include <time.h>

#include "rules/expression.h"
#include "rules/literal.h"
#include "rules/names.h"

TestSuite(expression, .init = begin);

static struct expression *compile(const char *text, unsigned records)
{
	char *error;
	size_t column;
	struct expression *expression = expression_new(text, records, &column, &error);

	cr_assert_not_null(expression, "%s: %zu: %s", text, column, error);
	cr_assert_null(error);
	return expression;
}

static bool holds_of(const char *text, unsigned kind)
{
	struct expression *expression = compile(text, kind);
	struct record record = record_of(kind);
	bool holds = expression_holds(expression, &record);

	cr_assert_eq(expression_holds(expression, &record), holds, "%s: not the same twice", text);
	expression_free(expression);
	return holds;
}

static bool holds(const char *text)
{
	return holds_of(text, RECORD_FLOW);
}

/* Texts that are true and texts that are false, each list ended by NULL. */
static void all(bool wanted, const char *const *text)
{
	for (; *text != NULL; text++)
		cr_expect_eq(holds(*text), wanted, "%s is %s", *text, wanted ? "false" : "true");
}
#define TRUE(...)  all(true, (const char *const[]){__VA_ARGS__, NULL})
#define FALSE(...) all(false, (const char *const[]){__VA_ARGS__, NULL})

static void refused_for(const char *text, unsigned records, size_t wanted_column, const char *wanted)
{
	char *error = NULL;
	size_t column = 0;
	struct expression *expression = expression_new(text, records, &column, &error);

	cr_assert_null(expression, "%.60s is taken", text);
	cr_assert_not_null(error, "%.60s", text);
	cr_expect_str_eq(error, wanted, "%.60s: %s", text, error);
	cr_expect_eq(column, wanted_column, "%.60s: column %zu (%s)", text, column, error);
	free(error);
}

static void refused(const char *text, size_t column, const char *error)
{
	refused_for(text, RECORD_FLOW, column, error);
}

Test(expression, numbers)
{
	TRUE("dest_port == 5432", "dest_port eq 5432", "dest_port != 5433", "dest_port ne 80", "dest_port < 5433",
	     "dest_port lt 5433", "dest_port <= 5432", "dest_port le 5432", "dest_port > 5431", "dest_port gt 0",
	     "dest_port >= 5432", "dest_port ge 5432", "dest_port == 0x1538", "dest_port == 0X1538", "dest_port==5432",
	     "dest_port in {5432}", "dest_port in {80, 5000..5432}", "dest_port in {5432..5432}", "dest_port in{80,5432..6000}",
	     "dest_port not in {80, 443}", "flow.pkts_toserver <= 9223372036854775807", "flow.pkts_toserver < 0x7fffffffffffffff");
	FALSE("dest_port == 80", "dest_port != 5432", "dest_port < 5432", "dest_port <= 5431", "dest_port > 5432",
	      "dest_port >= 5433", "dest_port in {80, 5433..6000}", "dest_port not in {5000..6000}",
	      "flow.pkts_toserver >= 9223372036854775807");
}

Test(expression, durations)
{
	TRUE("tcp.rtt_us == 310us", "tcp.rtt == 310us", "tcp.rtt < 1ms", "tcp.rtt == 0.31ms", "tcp.rtt >= 0.00031s",
	     "close.half_close.duration == 4.2s", "close.half_close.duration in {4s..5s}", "close.half_close.duration < 1m",
	     "close.half_close.duration < 1min", "close.half_close.duration < 0.5h", "close.half_close.duration < 106751991d",
	     "close.half_close.duration > 4199999us");
	FALSE("tcp.rtt > 310us", "tcp.rtt != 310us", "close.half_close.duration > 1h", "close.half_close.duration >= 1d");
}

Test(expression, sizes)
{
	TRUE("close.half_close.bytes == 65536", "close.half_close.bytes == 64KiB", "close.half_close.bytes == 65536B",
	     "close.half_close.bytes == 65.536KB", "close.half_close.bytes == 65.536kB", "close.half_close.bytes == 0.0625MiB",
	     "close.half_close.bytes < 1MB", "close.half_close.bytes < 1GB", "close.half_close.bytes < 1GiB",
	     "close.half_close.bytes < 1TB", "close.half_close.bytes < 1TiB", "close.half_close.bytes == 0x10000",
	     "close.half_close.bytes in {64KB..64KiB}");
	FALSE("close.half_close.bytes == 64KB", "close.half_close.bytes > 64KiB");
}

Test(expression, times)
{
	TRUE("flow.start == \"2023-11-14T22:13:20Z\"", "flow.start == 2023-11-14T22:13:20Z",
	     "flow.start == \"2023-11-14 23:13:20.000000000+01:00\"", "flow.start == \"2023-11-14t17:43:20.0-04:30\"",
	     "flow.end > \"2023-11-14T22:13:21.499999999Z\"", "flow.end == \"2023-11-14T22:13:21.5z\"",
	     "flow.end <= 2023-11-14T22:13:21.500000000Z", "flow.end != \"2023-11-14T22:13:21Z\"",
	     "flow.start in {\"2023-11-14T00:00:00Z\"..\"2023-11-14T23:59:60Z\"}", "flow.start < \"2261-12-31T23:59:59Z\"",
	     "flow.start > \"1970-01-01T00:00:00Z\"");
	FALSE("flow.end < \"2023-11-14T22:13:21.5Z\"", "flow.start >= \"2024-02-29T00:00:00Z\"");
}

/* The calendar against the C library's. */
Test(expression, times_of_many_days)
{
	for (time_t day = 0; day < 106000; day += 13) {
		time_t second = day * 86400 + day % 86400;
		struct tm tm;
		char text[40];
		int64_t ns;

		gmtime_r(&second, &tm);
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
		cr_assert_null(literal_time(text, &ns), "%s", text);
		cr_assert_eq(ns, (int64_t)second * 1000000000, "%s is %lld", text, (long long)ns);
	}
}

Test(expression, addresses)
{
	TRUE("src_ip == 10.1.2.3", "ip.src == 10.1.2.3", "ip.dst == 192.0.2.128", "src_ip != 10.1.2.4", "src_ip == 10.0.0.0/8",
	     "src_ip == 10.255.255.255/8", "src_ip in {192.0.2.0/24, 10.1.2.0/30}", "ip.dst in {192.0.2.128/25}",
	     "ip.dst == 192.0.2.128/32", "ip.dst == 0.0.0.0/0", "ip.dst in {192.0.2.127..192.0.2.129}",
	     "ip.dst in {192.0.2.128..192.0.2.128}", "ip.dst != 192.0.2.0/25", "ip.src not in {192.168.0.0/16, fe80::/10}");
	FALSE("src_ip == 10.1.2.4", "src_ip != 10.0.0.0/8", "ip.dst == 192.0.2.0/25", "ip.dst == 192.0.2.129/32",
	      "ip.dst in {192.0.2.129..192.0.2.255, 10.0.0.0/8}", "ip.dst == ::/0", "ip.dst == ::ffff:192.0.2.128",
	      "src_ip in {::..ffff::}");
}

Test(expression, addresses_of_version_6)
{
	connection.ip_version = 6;
	inet_pton(AF_INET6, "2001:db8::fffe", connection.end[0].address.byte);
	inet_pton(AF_INET6, "fe80::1", connection.end[1].address.byte);
	TRUE("ip.src == 2001:db8::fffe", "ip.src == 2001:DB8:0::fffe", "ip.src == 2001:db8::/32", "ip.src == 2001:db8::ffff/127",
	     "ip.src != 2001:db8::ffff/128", "ip.src in {2001:db8::..2001:db8::ffff}", "ip.src == ::/0", "ip.dst == fe80::/10",
	     "ip.src == 2001:db8::fffe/128");
	FALSE("ip.src == 2001:db8::fffc/127", "ip.src == 2001:db9::/32", "ip.src == 0.0.0.0/0", "ip.dst == fec0::/10",
	      "ip.src in {32.1.13.184}");
}

Test(expression, texts)
{
	TRUE("close.kind == half-closed", "close.kind == \"half-closed\"", "close.kind != four-way",
	     "close.kind in {four-way, half-closed}", "close.kind contains half", "close.kind not in {four-way, three-way}",
	     "close.kind contains \"-clos\"", "proto == TCP", "community_id contains \"1:\"");
	FALSE("close.kind == four-way", "close.kind != half-closed", "close.kind in {four-way}", "close.kind contains rst",
	      "community_id == \"\"", "community_id == 5432");
	inputs[0].path = "a \"b\"\n\\\t\r\x01\xc3\xa9";
	TRUE("pcap_filename == \"a \\\"b\\\"\\n\\\\\\t\\r\\x01\xc3\xa9\"", "pcap_filename contains \"\xc3\xa9\"",
	     "pcap_filename contains \"\\x62\"");
	FALSE("pcap_filename contains \"B\"");
}

/* Any of several values is enough; != asks all. */
Test(expression, several_values)
{
	connection.findings[row_of("rst-inexact") / 64] |= UINT64_C(1) << row_of("rst-inexact") % 64;
	connection.findings[row_of("fin-ack-beyond") / 64] |= UINT64_C(1) << row_of("fin-ack-beyond") % 64;
	TRUE("tcp.state_server == CLOSE-WAIT", "tcp.state_server == LAST-ACK", "tcp.state_server != TIME-WAIT",
	     "tcp.state_server in {CLOSED, LAST-ACK}", "tcp.state_server contains WAIT", "tcp.state_client == FIN-WAIT-2",
	     "findings == rst-inexact", "findings == fin-ack-beyond", "findings contains \"rst-\"",
	     "findings in {rst-nothing, fin-ack-beyond}", "tcp.port == 5432", "tcp.port == 40000", "tcp.port > 39999",
	     "ip.addr == 10.0.0.0/8", "ip.addr == 192.0.2.0/24", "ip.addr != 198.51.100.1", "tcp.port in {1..5432}",
	     "tcp.port != 80", "tcp.srcport == 40000", "tcp.dstport == 5432");
	FALSE("tcp.state_server != CLOSE-WAIT", "tcp.state_server != LAST-ACK", "tcp.state_server == TIME-WAIT",
	      "tcp.state_server contains FIN", "findings == rst-nothing", "findings != fin-ack-beyond", "tcp.port == 80",
	      "tcp.port != 5432", "tcp.port != 40000", "ip.addr != 10.1.2.3", "tcp.port > 40000", "ip.addr not in {10.1.2.3}",
	      "tcp.srcport == 5432");
	cr_expect(holds_of("linktypes == 101", RECORD_META));
	cr_expect(holds_of("linktypes == 1", RECORD_META));
	cr_expect(holds_of("linktypes in {2..101}", RECORD_META));
	cr_expect_not(holds_of("linktypes in {2..100}", RECORD_META));
	cr_expect_not(holds_of("linktypes != 101", RECORD_META));
}

Test(expression, booleans)
{
	TRUE("close.forged_suspect", "close.forged_suspect == true", "close.forged_suspect == 1", "not close.post_close_rst");
	FALSE("close.post_close_rst", "close.post_close_rst == true", "!close.forged_suspect");
}

/* That an end can be in no other state is another question than whether it can be in this one. */
Test(expression, all_of_several_values)
{
	TRUE("tcp.state_client === FIN-WAIT-2", "tcp.state_client all_eq FIN-WAIT-2", "tcp.state_server !== CLOSE-WAIT",
	     "tcp.state_server any_ne LAST-ACK", "tcp.state_server !== TIME-WAIT", "tcp.state_server any_eq LAST-ACK",
	     "tcp.state_server all_ne TIME-WAIT", "dest_port === 5432", "dest_port !== 80", "ip.addr === 0.0.0.0/0",
	     "ip.addr !== 10.0.0.0/8", "tcp.rtt === 310us", "close.kind === half-closed");
	FALSE("tcp.state_server === CLOSE-WAIT", "tcp.state_server all_eq LAST-ACK", "tcp.state_client !== FIN-WAIT-2",
	      "tcp.state_client === CLOSED", "ip.addr === 10.0.0.0/8", "ip.addr !== 0.0.0.0/0", "dest_port !== 5432",
	      "tcp.port === 5432");
	connection.end[1].states = 0;
	connection.rtt = -1;
	FALSE("tcp.state_server === CLOSE-WAIT", "tcp.state_server !== CLOSE-WAIT", "tcp.rtt === 310us", "tcp.rtt !== 310us");
}

/* What is absent makes each comparison false, and its negation true. */
Test(expression, absent_fields)
{
	connection.rtt = -1;
	connection.end[0].states = 0;
	FALSE("tcp.rtt", "tcp.rtt == 1us", "tcp.rtt != 1us", "tcp.rtt < 1d", "tcp.rtt >= 0us", "tcp.rtt in {0us..1d}",
	      "tcp.state_client", "tcp.state_client == CLOSED", "tcp.state_client != CLOSED", "tcp.state_client contains C",
	      "close.aborted_by != client", "close.time_wait.since > \"1970-01-01T00:00:00Z\"", "vlan", "vlan != 1", "findings",
	      "findings != x", "capture", "transitions");
	TRUE("not tcp.rtt", "not tcp.rtt == 1us", "not tcp.rtt != 1us", "!(tcp.rtt < 1d)", "tcp.rtt not in {1us}",
	     "not tcp.state_client == CLOSED", "tcp.isn_server or not tcp.isn_client", "flow_id", "src_ip", "flow.start",
	     "tcp.state_server", "close.kind", "tcp.text_toserver");
	options.transitions = true;
	FALSE("transitions");
	connection.transition_count = 1;
	connection.transitions = &(struct tcpaudit_transition){.end = 0};
	TRUE("transitions");
}

Test(expression, findings_and_other_records)
{
	cr_expect(
	        holds_of("severity == error and endpoint == server and evidence and expected and not observed", RECORD_FINDING));
	cr_expect(holds_of("rule_id == fin-ack-beyond and dest_port == 5432 and rfc contains 9293", RECORD_FINDING));
	cr_expect_not(holds_of("observed or severity in {note, info}", RECORD_FINDING));
	cr_expect(holds_of("packets.read == 0 and findings or not findings", RECORD_SUMMARY));
}

/* A field of one kind of record is absent in another, where its getter would have nothing to look at. */
Test(expression, of_two_kinds_of_records)
{
	struct expression *expression = compile("severity == error or close.kind == half-closed", RECORD_FLOW | RECORD_FINDING);
	struct record flow = record_of(RECORD_FLOW), found = record_of(RECORD_FINDING);

	flow.finding = NULL;
	cr_expect(expression_holds(expression, &flow));
	cr_expect(expression_holds(expression, &found));
	connection.kind = TCPAUDIT_KIND_FOUR_WAY;
	finding.severity = TCPAUDIT_NOTE;
	cr_expect_not(expression_holds(expression, &flow));
	cr_expect_not(expression_holds(expression, &found));
	expression_free(expression);
}

/* What and, or and not make of any truth of their operands, written by C. */
Test(expression, precedence)
{
	static const char *const truth[] = {"vlan", "flow_id"};

	for (unsigned bits = 0; bits < 8; bits++) {
		bool a = bits & 1, b = bits & 2, c = bits & 4;
		const struct {
			const char *format;
			bool wanted;
		} row[] = {{"%s or %s and %s", a || (b && c)},
		           {"%s and %s or %s", (a && b) || c},
		           {"%s || %s && %s", a || (b && c)},
		           {"(%s or %s) and %s", (a || b) && c},
		           {"%s and (%s or %s)", a && (b || c)},
		           {"not %s and %s or %s", (!a && b) || c},
		           {"not (%s and %s) or %s", !(a && b) || c},
		           {"!%s && !%s || %s", (!a && !b) || c},
		           {"not not %s or %s or %s", a || b || c},
		           {"not (%s or not (%s and not %s))", !(a || !(b && !c))},
		           {"! (! %s and (%s or %s))", !(!a && (b || c))},
		           {"%s and %s and not %s", a && b && !c}};

		for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
			char text[128];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(text, sizeof text, row[i].format, truth[a], truth[b], truth[c]);
#pragma GCC diagnostic pop
			cr_expect_eq(holds(text), row[i].wanted, "%s", text);
		}
	}
	/* "not" takes the comparison, not the field */
	TRUE("not dest_port == 80", "! dest_port == 80 and flow_id == 7");
}

/* Getters that count how often they are asked are not in the table: a state that would be read through NULL is. */
Test(expression, what_cannot_matter_is_not_asked)
{
	struct expression *expression = compile("flow_id or linktypes", RECORD_FLOW | RECORD_META);
	struct record record = record_of(RECORD_FLOW);

	record.state = NULL;
	cr_expect(expression_holds(expression, &record));
	expression_free(expression);
}

Test(expression, spaces_do_not_matter)
{
	TRUE("dest_port==5432&&!vlan||vlan", "\n dest_port\t==\r\n5432 ", "(dest_port in{1 ,5432 .. 5433})", "!(vlan)&&flow_id");
}

Test(expression, errors_of_the_grammar)
{
	refused("", 1, "the name of a field is missing at the end");
	refused("flow_id and", 12, "the name of a field is missing at the end");
	refused("flow_id and or", 13, "the name of a field is expected, not \"or\"");
	refused("80 == dest_port", 1, "the name of a field is expected, not \"80\"");
	refused("\"x\" == proto", 1, "the name of a field is expected, not \"x\"");
	refused("dest_port ==", 13, "a value is missing at the end");
	refused("dest_port == and", 14, "a value is expected, not \"and\"");
	refused("dest_port == (80)", 14, "a value is expected, not \"(\"");
	refused("dest_port 80", 11, "\"and\", \"or\" or the end is expected, not \"80\"");
	refused("flow_id AND vlan", 9, "\"and\", \"or\" or the end is expected, not \"AND\"");
	refused("flow_id)", 8, "\"and\", \"or\" or the end is expected, not \")\"");
	refused("(flow_id", 9, "\"and\", \"or\" or \")\" is missing at the end");
	refused("(flow_id vlan)", 10, "\"and\", \"or\" or \")\" is expected, not \"vlan\"");
	refused("()", 2, "the name of a field is expected, not \")\"");
	refused("dest_port in 80", 14, "\"{\" is expected, not \"80\"");
	refused("dest_port in {}", 15, "a value is expected, not \"}\"");
	refused("dest_port in {80 443}", 18, "\",\" or \"}\" is expected, not \"443\"");
	refused("dest_port in {80, }", 19, "a value is expected, not \"}\"");
	refused("dest_port in {80..}", 19, "a value is expected, not \"}\"");
	refused("dest_port in {80", 17, "\",\" or \"}\" is missing at the end");
	refused("dest_port not == 80", 15, "\"in\" behind \"not\" is expected, not \"==\"");
	refused("dest_port = 80", 11, "use == to compare");
	refused("dest_port =! 80", 11, "use == to compare");
	refused("dest_port ==== 80", 14, "use == to compare");
	refused("flow_id & vlan", 9, "use && or \"and\"");
	refused("flow_id | vlan", 9, "use || or \"or\"");
	refused("proto == 'TCP'", 10, "strings are written in double quotes");
	refused("flow_id; vlan", 8, "this character belongs into a string in double quotes");
	refused("proto == \"TCP", 10, "the string has no end: a quote is missing");
	refused("proto == \"T\\\"", 10, "the string has no end: a quote is missing");
	refused("proto == \"\\q\"", 11, "unknown escape; there are \\\", \\\\, \\n, \\r, \\t and \\x01 to \\x7f");
	refused("proto == \"\\x00\"", 11, "unknown escape; there are \\\", \\\\, \\n, \\r, \\t and \\x01 to \\x7f");
	refused("proto == \"\\x80\"", 11, "unknown escape; there are \\\", \\\\, \\n, \\r, \\t and \\x01 to \\x7f");
	refused("proto == \"\\x1", 11, "unknown escape; there are \\\", \\\\, \\n, \\r, \\t and \\x01 to \\x7f");
	refused("proto == \"\\", 11, "unknown escape; there are \\\", \\\\, \\n, \\r, \\t and \\x01 to \\x7f");
	refused("vlan\xff", 1, "not UTF-8");
	refused("vlan == \"\xed\xa0\x80\"", 1, "not UTF-8");
	/* columns count characters */
	refused("community_id == \"\xc3\xa9\xe2\x82\xac\" and x", 26,
	        "there is no field x; tcpaudit --list-fields names them all");
}

Test(expression, errors_of_names)
{
	refused("dst_port == 80", 1, "there is no field dst_port; did you mean dest_port?");
	refused("flow_id and close.kimd == four-way", 13, "there is no field close.kimd; did you mean close.kind?");
	refused("rtt < 1s", 1, "there is no field rtt; did you mean tcp.rtt?");
	refused("kind == four-way", 1, "there is no field kind; did you mean close.kind?");
	refused("ip.adr == 1.2.3.4", 1, "there is no field ip.adr; did you mean ip.addr?");
	refused("http.host", 1, "there is no field http.host; tcpaudit --list-fields names them all");
	refused("verdict == ok", 1, "verdict is a field of stats records, not of flow records");
	refused("evidence", 1, "evidence is a field of finding records, not of flow records");
	refused("transitions[].frame == 5", 1,
	        "transitions[].frame belongs to the objects of a list, of which there may be many");
	refused_for("findings", RECORD_FLOW | RECORD_STATS, 1, "findings is not of one type in all these records");
	char name[200];
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	refused(name, 1,
	        "there is no field xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; tcpaudit --list-fields "
	        "names "
	        "them all");
}

Test(expression, errors_of_operators)
{
	refused("proto matches \"T.P\"", 7, "regular expressions are not supported: use contains, or in with the values");
	refused("proto ~ T", 7, "regular expressions are not supported: use contains, or in with the values");
	refused("dest_port contains 80", 11, "contains looks into text, but dest_port is a number");
	refused("tcp.rtt contains 1ms", 9, "contains looks into text, but tcp.rtt is a duration");
	refused("flow.start contains 1", 12, "contains looks into text, but flow.start is a time");
	refused("ip.addr contains 10", 9, "contains looks into text, but ip.addr is an address");
	refused("close.forged_suspect contains x", 22, "contains looks into text, but close.forged_suspect is true or absent");
	refused("close.kind < four-way", 12, "close.kind is text, which has no order: use ==, !=, in or contains");
	refused("tcp.state_client ge CLOSED", 18, "tcp.state_client is text, which has no order: use ==, !=, in or contains");
	refused("src_ip > 10.0.0.1", 8, "src_ip is an address: use ==, != or in, with a prefix or a range");
	refused("close.forged_suspect != true", 22, "close.forged_suspect is true or absent: write it alone, or behind \"not\"");
	refused("close.forged_suspect in {true}", 22,
	        "close.forged_suspect is true or absent: write it alone, or behind \"not\"");
	refused("transitions == 1", 13, "transitions is a list of objects: only whether it is present can be asked");
	refused_for("expected > 1", RECORD_FINDING, 10,
	            "expected is a number for each of several names: only whether it is present can be asked");
}

Test(expression, errors_of_numbers)
{
	refused("dest_port == http", 14, "dest_port: \"http\" is not a whole number");
	refused("dest_port == 80x", 14, "dest_port: \"80x\" is not a whole number");
	refused("dest_port == 0x", 14, "dest_port: \"0x\" is not a whole number");
	refused("dest_port == 0xg", 14, "dest_port: \"0xg\" is not a whole number");
	refused("dest_port == 80.5", 14, "dest_port: \"80.5\" is not a whole number");
	refused("dest_port == -1", 14, "dest_port: \"-1\" is not a whole number");
	refused("dest_port == \"80\"", 14, "dest_port is a number: write the value without quotes");
	refused("dest_port == 9223372036854775808", 14, "dest_port: \"9223372036854775808\" is too large");
	refused("dest_port == 0x8000000000000000", 14, "dest_port: \"0x8000000000000000\" is too large");
	refused("flow.pkts_toserver > 9223372036854775807", 22, "flow.pkts_toserver: \"9223372036854775807\" has nothing above it");
	refused("dest_port == 65536", 14, "dest_port: \"65536\" is no port: they end at 65535");
	refused("tcp.port in {80, 8000..80000}", 24, "tcp.port: \"80000\" is no port: they end at 65535");
	refused("dest_port > 65535", 13, "dest_port: \"65535\" has nothing above it");
	refused("dest_port < 0", 13, "dest_port: \"0\" has nothing below it");
	refused("tcp.rtt < 0s", 11, "tcp.rtt: \"0s\" has nothing below it");
	refused("dest_port in {90..80}", 15, "the range begins behind its end");
	refused("dest_port in {80..x}", 19, "dest_port: \"x\" is not a whole number");
	refused("flow.pkts_toserver > 5s", 22, "flow.pkts_toserver: \"5s\" is not a whole number");
	refused("src_port == dest_port", 13, "src_port is compared with a value, not with another field");
	refused("ip.src == ip.dst", 11, "ip.src is compared with a value, not with another field");
}

Test(expression, errors_of_units)
{
	refused("tcp.rtt_us > 50", 14, "tcp.rtt_us: \"50\" needs a unit: us, ms, s, m, h or d");
	refused("tcp.rtt > 50sec", 11, "tcp.rtt: \"50sec\" has an unknown unit: there are us, ms, s, m, h and d");
	refused("tcp.rtt > 50KB", 11, "tcp.rtt: \"50KB\" has an unknown unit: there are us, ms, s, m, h and d");
	refused("tcp.rtt > ms", 11, "tcp.rtt: \"ms\" is not a duration, such as 50ms or 1.5h");
	refused("tcp.rtt > 1.s", 11, "tcp.rtt: \"1.s\" has no digit behind the point");
	refused("tcp.rtt > 0.0000001s", 11, "tcp.rtt: \"0.0000001s\" has more than six digits behind the point");
	refused("tcp.rtt > 0.5us", 11, "tcp.rtt: \"0.5us\" is not a whole number of microseconds");
	refused("tcp.rtt > 106751992d", 11, "tcp.rtt: \"106751992d\" is too large");
	refused("tcp.rtt > 99999999999999999999s", 11, "tcp.rtt: \"99999999999999999999s\" is too large");
	refused("tcp.rtt > \"5s\"", 11, "tcp.rtt is a duration: write the value without quotes");
	refused("tcp.text_toclient > 5K", 21,
	        "tcp.text_toclient: \"5K\" has an unknown unit: there are B, KB, MB, GB, TB and KiB, MiB, GiB, TiB");
	refused("tcp.text_toclient > much", 21, "tcp.text_toclient: \"much\" is not a number of bytes, such as 1500 or 64KiB");
	refused("tcp.text_toclient > 1.5", 21, "tcp.text_toclient: \"1.5\" is not a whole number of bytes");
	refused("tcp.text_toclient > 8388608TiB", 21, "tcp.text_toclient: \"8388608TiB\" is too large");
}

Test(expression, errors_of_times)
{
	static const char *const none[] = {"yesterday",
	                                   "2023",
	                                   "2023-11-14",
	                                   "2023-13-14T00:00:00Z",
	                                   "2023-11-14T24:00:00Z",
	                                   "2023-11-14T22:60:00Z",
	                                   "2023-11-14T22:13:61Z",
	                                   "2023-11-14T22:13:20.Z",
	                                   "2023-11-14T22:13:20.1234567890Z",
	                                   "2023-11-14T22:13:20Zx",
	                                   "2023-11-14T22:13:20+1:00",
	                                   "2023-11-14T22:13:20+24:00",
	                                   "2023-11-14T22:13:20+01:60",
	                                   "2023/11/14T22:13:20Z"};
	int64_t ns;

	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		cr_expect_str_eq(literal_time(none[i], &ns), "is not a time, such as \"2026-01-31T23:59:59Z\"", "%s", none[i]);
	refused("flow.start > yesterday", 14, "flow.start: \"yesterday\" is not a time, such as \"2026-01-31T23:59:59Z\"");
	refused("flow.start > \"2023-11-14T22:13:20\"", 14,
	        "flow.start: \"2023-11-14T22:13:20\" has no time zone: Z for UTC, or an offset such as +01:00");
	refused("flow.start > \"2023-02-29T00:00:00Z\"", 14,
	        "flow.start: \"2023-02-29T00:00:00Z\" is not a date between 1970 and 2261");
	refused("flow.start > \"1969-12-31T23:59:59Z\"", 14,
	        "flow.start: \"1969-12-31T23:59:59Z\" is not a date between 1970 and 2261");
	refused("flow.start > \"2262-01-01T00:00:00Z\"", 14,
	        "flow.start: \"2262-01-01T00:00:00Z\" is not a date between 1970 and 2261");
	refused("flow.start > \"2023-00-10T00:00:00Z\"", 14,
	        "flow.start: \"2023-00-10T00:00:00Z\" is not a date between 1970 and 2261");
}

Test(expression, errors_of_addresses)
{
	refused("src_ip == 10.0.0", 11, "src_ip: \"10.0.0\" is not an IP address");
	refused("src_ip == 10.0.0.256", 11, "src_ip: \"10.0.0.256\" is not an IP address");
	refused("src_ip == example.com", 11, "src_ip: \"example.com\" is not an IP address");
	refused("src_ip == 2001:db8:::1", 11, "src_ip: \"2001:db8:::1\" is not an IP address");
	refused("src_ip == fe80::1%eth0", 11, "src_ip: \"fe80::1%eth0\" is not an IP address");
	refused("src_ip == 10.0.0.0/33", 11, "src_ip: \"10.0.0.0/33\" has no prefix length from 0 to 32");
	refused("src_ip == 10.0.0.0/", 11, "src_ip: \"10.0.0.0/\" has no prefix length from 0 to 32");
	refused("src_ip == 10.0.0.0/255.0.0.0", 11, "src_ip: \"10.0.0.0/255.0.0.0\" has no prefix length from 0 to 32");
	refused("src_ip == ::/129", 11, "src_ip: \"::/129\" has no prefix length from 0 to 128");
	refused("src_ip == \"10.0.0.1\"", 11, "src_ip is an address: write the value without quotes");
	refused("src_ip in {10.0.0.9..10.0.0.1}", 12, "the range begins behind its end");
	refused("src_ip in {10.0.0.0/8..10.0.0.1}", 12, "a range goes from one address to another of the same version");
	refused("src_ip in {10.0.0.1..::1}", 12, "a range goes from one address to another of the same version");
}

Test(expression, errors_of_texts)
{
	refused("close.kind == fourway", 15, "close.kind is never \"fourway\"; did you mean four-way?");
	refused("tcp.state_server == close_wait", 21, "tcp.state_server is never \"close_wait\"; did you mean CLOSE-WAIT?");
	refused("close.closed_first != nobody", 23,
	        "close.closed_first is never \"nobody\", but one of client, server, both, none, unknown");
	refused("close.kind in {four-way, nothing-like-it}", 26,
	        "close.kind is never \"nothing-like-it\", but one of evicted, oneway-fin, oneway-rst, oneway-open, refused, "
	        "refused-icmp, syn-aborted, syn-timeout, ...");
	refused("close.kind contains reset", 21, "no value of close.kind contains \"reset\"");
	refused("close.kind contains \"\"", 21, "every text contains the empty one");
	refused("close.kind in {four-way..half-close}", 16, "close.kind is text, which has no ranges");
	refused("close.kind == \"\xc2\x9b\x1b[2J\"", 15,
	        "close.kind is never \"??[2J\", but one of evicted, oneway-fin, oneway-rst, oneway-open, refused, refused-icmp, "
	        "syn-aborted, syn-timeout, ...");
	refused("close.forged_suspect == false", 25,
	        "close.forged_suspect is absent where it is not true: write \"not close.forged_suspect\"");
	refused("close.forged_suspect == yes", 25, "close.forged_suspect: \"yes\" is not true");
	refused("close.forged_suspect == \"true\"", 25, "close.forged_suspect is true or absent: write the value without quotes");
}

static void limit(char *text, const char *error)
{
	if (error == NULL) {
		cr_expect(holds(text), "%.40s...", text);
	} else {
		char *said = NULL;
		size_t column;

		cr_assert_null(expression_new(text, RECORD_FLOW, &column, &said), "%.40s...", text);
		cr_expect_str_eq(said, error);
		free(said);
	}
	free(text);
}

Test(expression, limits)
{
	limit(repeated("flow_id", " ", EXPRESSION_LONGEST - 7, ""), NULL);
	limit(repeated("flow_id", " ", EXPRESSION_LONGEST - 6, ""), "longer than 4096 bytes");
	limit(repeated("", "!", EXPRESSION_DEEPEST, "flow_id"), NULL);
	limit(repeated("", "!", EXPRESSION_DEEPEST + 1, "flow_id"), "more than 64 parentheses and nots within each other");
	limit(repeated("", "(", 4096, ""), "more than 64 parentheses and nots within each other");
	/* each further comparison brings an "and" with it */
	limit(repeated("flow_id", " and flow_id", 127, ""), NULL);
	limit(repeated("flow_id", " and flow_id", 128, ""), "more than 256 comparisons, ands, ors and nots");
	limit(repeated("vlan", " or vlan", 126, " or flow_id"), NULL);
	limit(repeated("dest_port in {", "1,", 2038, "5432}"), NULL);
}

static unsigned names;
static void use_name(void *user, const char *name)
{
	struct named named;
	char *error;

	(void)user;
	names++;
	cr_assert(strlen(name) < NAMES_LONGEST, "%s", name);
	cr_assert(names_find(name, RECORD_FLOW, &named, &error), "%s", name);
	cr_assert_geq(named.count, 1);
	expression_free(compile(name, RECORD_FLOW));
}

Test(expression, all_names_can_be_used)
{
	names_each(RECORD_FLOW, use_name, NULL);
	cr_expect_gt(names, 60);
	for (unsigned kind = 1; kind < 1u << RECORD_KINDS; kind <<= 1) {
		size_t count;
		const struct field *table = fields_table(&count);

		/* no other field is called as a short form */
		for (size_t i = 0; i < count; i++)
			if ((table[i].records & kind) && strstr(table[i].path, "[]") == NULL) {
				struct named named;
				char *error;

				cr_assert(names_find(table[i].path, kind, &named, &error), "%s", table[i].path);
				cr_expect_eq(named.count, 1, "%s", table[i].path);
				cr_expect_eq(named.field[0], &table[i]);
			}
	}
}

Test(expression, costs_less_than_a_microsecond)
{
	struct expression *expression = compile("dest_port == 5432 and tcp.state_server == CLOSE-WAIT and "
	                                        "close.half_close.duration > 1.5s",
	                                        RECORD_FLOW);
	struct record record = record_of(RECORD_FLOW);
	const unsigned times = 1000000;
	struct timespec from, to;
	unsigned held = 0;
	double ns;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (unsigned i = 0; i < times; i++)
		held += expression_holds(expression, &record);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	fprintf(stderr, "# three comparisons: %.0f ns\n", ns / times);
	cr_expect_eq(held, times);
	cr_expect_lt(ns / times, 1000);
	expression_free(expression);
}
