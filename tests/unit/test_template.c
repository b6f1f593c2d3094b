/* Messages with fields in them: how values are written, what is cut, what is refused. */
#include "records.h"

#include "rules/literal.h"
#include "rules/template.h"

TestSuite(template, .init = begin);

static void message_of(const char *text, unsigned kind, const char *wanted)
{
	char out[512], *error;
	size_t column;
	struct template *template = template_new(text, kind, &column, &error);
	struct record record = record_of(kind);

	cr_assert_not_null(template, "%s: %zu: %s", text, column, error);
	template_write(template, &record, out, sizeof out);
	cr_expect_str_eq(out, wanted, "%s: %s", text, out);
	template_free(template);
}

static void message(const char *text, const char *wanted)
{
	message_of(text, RECORD_FLOW, wanted);
}

Test(template, values)
{
	message("", "");
	message("plain", "plain");
	message("{close.kind}", "half-closed");
	message("{src_ip}:{src_port} to {dest_ip}:{tcp.dstport}", "10.1.2.3:40000 to 192.0.2.128:5432");
	message("half closed for {close.half_close.duration_us}, rtt {tcp.rtt}", "half closed for 4.2 s, rtt 310 us");
	message("{close.half_close.bytes} bytes, {flow.pkts_toserver} packets", "65536 bytes, 1500 packets");
	message("{flow.end}", "2023-11-14T22:13:21.500000Z");
	message("{tcp.state_server} and {ip.addr}", "CLOSE-WAIT, LAST-ACK and 10.1.2.3, 192.0.2.128");
	message("{close.forged_suspect} {close.post_close_rst} {vlan} {findings}", "true - - -");
	message("{{{flow_id}}} {{}} }}{{", "{7} {} }{");
	message("\xc3\xa9{flow_id}\xe2\x82\xac", "\xc3\xa9"
	                                         "7\xe2\x82\xac");
	message_of("{expected}; {observed}; {severity}", RECORD_FINDING, "ack 4101, len 2; -; error");
	message_of("{linktypes}", RECORD_META, "1, 101");
}

Test(template, what_a_record_has_of_others)
{
	message("{pcap_filename}", "a \"b\"??.pcap");
	inputs[0].path = "\xc2\x9b\x1b[2J \xe2\x82\xac \xf0\x9f\x98";
	message("{pcap_filename}", "??[2J \xe2\x82\xac ???");
}

Test(template, leaves_out_what_has_no_room)
{
	char *error;
	size_t column;
	struct template *template = template_new("a\xe2\x82\xac{close.kind}\xc3\xa9", RECORD_FLOW, &column, &error);
	static const char *const wanted[] = {"", "a", "a", "a", "a\xe2\x82\xac", "a\xe2\x82\xach", "a\xe2\x82\xacha"};
	struct record record = record_of(RECORD_FLOW);
	char whole[] = "a\xe2\x82\xachalf-closed\xc3\xa9";

	for (size_t size = 1; size <= sizeof whole; size++) {
		char *out = malloc(size);

		template_write(template, &record, out, size);
		if (size <= 7)
			cr_expect_str_eq(out, wanted[size - 1], "%zu: %s", size, out);
		cr_expect_eq(strncmp(whole, out, strlen(out)), 0);
		cr_expect(literal_is_utf8(out));
		if (size == sizeof whole)
			cr_expect_str_eq(out, whole);
		if (size == sizeof whole - 1)
			cr_expect_eq(strlen(out), strlen(whole) - 2, "half a character has no place");
		free(out);
	}
	template_free(template);
}

static void no_message(const char *text, size_t wanted_column, const char *wanted)
{
	char *error = NULL;
	size_t column;

	cr_assert_null(template_new(text, RECORD_FLOW, &column, &error), "%.60s", text);
	cr_assert_not_null(error);
	cr_expect_str_eq(error, wanted, "%.60s: %s", text, error);
	cr_expect_eq(column, wanted_column, "%.60s: %zu", text, column);
	free(error);
}

Test(template, errors)
{
	no_message("a {", 3, "a brace that is not closed; {{ is a brace");
	no_message("a {flow_id", 3, "a brace that is not closed; {{ is a brace");
	no_message("{flow{_id}", 1, "a brace that is not closed; {{ is a brace");
	no_message("a } b", 3, "a brace that closes nothing; }} is a brace");
	no_message("{}", 2, "the name of a field is missing between the braces");
	no_message("\xc3\xa9 {close.kimd}", 4, "there is no field close.kimd; did you mean close.kind?");
	no_message("{\xc3\xa9\n}", 2, "there is no field \xc3\xa9?; tcpaudit --list-fields names them all");
	no_message("{ flow_id }", 2, "there is no field  flow_id ; did you mean flow_id?");
	no_message("{severity}", 2, "severity is a field of finding records, not of flow records");
	no_message("{transitions}", 2, "a list of objects cannot be put into a message");
	no_message("\xff", 1, "not UTF-8");
}

Test(template, limits)
{
	char *text = repeated("", "x", TEMPLATE_LONGEST + 1, "");

	no_message(text, 1, "too long for a message");
	free(text);
	text = repeated("", "{flow_id}", TEMPLATE_FIELDS + 1, "");
	no_message(text, 9 * TEMPLATE_FIELDS + 2, "too many fields for a message");
	text[9 * TEMPLATE_FIELDS] = '\0';
	char *wanted = repeated("", "7", TEMPLATE_FIELDS, "");
	message(text, wanted);
	free(wanted);
	/* a name so long that a character of it is cut */
	free(text);
	text = repeated("{x", "\xe2\x82\xac", 500, "}");
	char *error, *said = repeated("there is no field x", "\xe2\x82\xac", 19, "...");
	size_t column;
	cr_assert_null(template_new(text, RECORD_FLOW, &column, &error));
	cr_expect_eq(strncmp(error, said, strlen(said)), 0, "%s", error);
	cr_expect(literal_is_utf8(error));
	free(error);
	free(said);
	free(text);
}
