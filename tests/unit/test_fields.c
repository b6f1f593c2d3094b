/* The table of fields and what is made from it: records, which json-c must parse, the schema and the lists. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/measures.h"
#include "report/community.h"
#include "report/output.h"
#include "report/record.h"
#include "report/record_row.h"

static struct tcpaudit_settings settings;
static struct report_options options;
static struct capture_input inputs[2];
static struct measures measures = {.close_wait_open = 1,
                                   .close_wait_longest = 3000,
                                   .close_wait.count = 1,
                                   .time_waits = 1,
                                   .top = &measures.host[0],
                                   .host[0] = {.ip_version = 4, .peak = 1}};
static struct report report = {.measures = &measures};
static struct report_state state;
static struct tcpaudit_counters counters;
static struct tcpaudit_connection connection;
static struct tcpaudit_finding finding;

static struct tcpaudit_evidence evidence(uint64_t frame, unsigned from, unsigned flags, uint32_t seq, uint32_t ack)
{
	return (struct tcpaudit_evidence){.time = (int64_t)frame * 1000,
	                                  .frame = frame,
	                                  .seq = seq,
	                                  .ack = ack,
	                                  .flags = (uint16_t)flags,
	                                  .from = (uint8_t)from};
}

/* A four-way close, client first, in a file of its own. */
static void begin(void)
{
	static const char *const args[] = {"-r", "a\"b"};

	tcpaudit_settings_init(&settings);
	options = (struct report_options){.settings = &settings, .filter = "tcp", .args = args, .arg_count = 2};
	inputs[0] = (struct capture_input){
	        .path = "x.pcap", .format = "pcap", .packets = 12, .time_digits = 6, .linktype = {1}, .linktypes = 1};
	inputs[1] =
	        (struct capture_input){.path = "y.pcapng", .time_digits = 9, .linktype = {1, 101}, .linktypes = 2, .snaplen = 96};
	report = (struct report){.options = &options, .measures = &measures, .inputs = inputs, .input_count = 1};
	state = (struct report_state){.counters = &counters, .inputs = inputs, .input_count = 1};
	memset(&counters, 0, sizeof counters);
	memset(&connection, 0, sizeof connection);
	connection.id = 7;
	connection.ip_version = 4;
	connection.start = 1000000000;
	connection.last = 1500000000;
	connection.rtt = 310000;
	connection.completeness = 31;
	connection.kind = TCPAUDIT_KIND_FOUR_WAY;
	connection.closed_first = TCPAUDIT_WHO_CLIENT;
	connection.aborted_by = TCPAUDIT_WHO_NONE;
	connection.confidence = TCPAUDIT_CERTAIN;
	connection.half_close_by = TCPAUDIT_WHO_CLIENT;
	connection.time_wait_holder = TCPAUDIT_WHO_CLIENT;
	connection.time_wait_since = 1500000000;
	connection.time_wait_until = 61500000000;
	connection.close_wait_holder = TCPAUDIT_WHO_SERVER;
	connection.close_wait_duration = 1000;
	connection.close_latency = 3000;
	connection.idle = 20000000;
	for (unsigned end = 0; end < 2; end++) {
		struct tcpaudit_end *x = &connection.end[end];

		inet_pton(AF_INET, end == 0 ? "198.18.0.1" : "198.18.0.2", x->address.byte);
		x->port = (uint16_t)(20000 + end);
		x->isn = end == 0 ? 4294967195u : 300;
		x->isn_known = true;
		x->fin_sent = true;
		x->fin_seq = end == 0 ? 4294967295u : 301;
		x->fin_copies = 1;
		x->fin = evidence(7 + 2 * end, end, TCPAUDIT_FIN | TCPAUDIT_ACK, x->fin_seq, 0);
		x->fin_acked = true;
		x->fin_ack = evidence(8 + 2 * end, !end, TCPAUDIT_ACK, 0, x->fin_seq + 1);
	}
	connection.end[0].states = 1 << TCPAUDIT_TIME_WAIT;
	connection.end[1].states = 1 << TCPAUDIT_LAST_ACK | 1 << TCPAUDIT_CLOSED;
	memset(&finding, 0, sizeof finding);
	finding.check = tcpaudit_checks(&(size_t){0});
	finding.connection = &connection;
	finding.time = 9000;
	finding.severity = TCPAUDIT_ERROR;
	finding.confidence = TCPAUDIT_CERTAIN;
	finding.endpoint = TCPAUDIT_WHO_SERVER;
	finding.expected[0] = (struct tcpaudit_fact){"ack", 4101};
	finding.observed[0] = (struct tcpaudit_fact){"ack", 4102};
	finding.evidence[0] = evidence(9, 1, TCPAUDIT_ACK, 1, 4102);
	finding.evidence[1] = evidence(7, 0, TCPAUDIT_FIN | TCPAUDIT_ACK, 4100, 1);
	finding.evidence[2] = evidence(7, 0, TCPAUDIT_FIN, 4100, 1);
	finding.evidence_count = 3;
}

TestSuite(fields, .init = begin);

/* Writes the record and parses it; the caller puts it. */
static json_object *parse(unsigned kind)
{
	struct record_plan *plan = record_plan_new(kind);
	struct record record = {.report = &report, .connection = &connection, .finding = &finding, .state = &state, .kind = kind};
	struct json_tokener *tokener = json_tokener_new();
	struct json json;

	json_init(&json);
	record_write(plan, &json, &record);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json_object *object = json_tokener_parse_ex(tokener, json.data, (int)json.length);
	cr_assert_eq(json_tokener_get_error(tokener), json_tokener_success, "%.*s", (int)json.length, json.data);
	cr_assert_eq(json_tokener_get_parse_end(tokener), json.length);
	json_tokener_free(tokener);
	json_fini(&json);
	record_plan_free(plan);
	return object;
}

/* A member by its dotted path, or NULL. */
static json_object *find(json_object *object, const char *path)
{
	char name[64];

	for (size_t length; object != NULL && *path != '\0'; path += length + (path[length] == '.')) {
		length = strcspn(path, ".");
		snprintf(name, sizeof name, "%.*s", (int)length, path);
		json_object *member = NULL;
		json_object_object_get_ex(object, name, &member);
		object = member;
	}
	return object;
}

static void expect(json_object *object, const char *path, const char *value)
{
	json_object *member = find(object, path);

	cr_assert_not_null(member, "%s is absent", path);
	cr_assert_str_eq(json_object_to_json_string_ext(member, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), value,
	                 "%s is %s", path, json_object_to_json_string(member));
}

Test(fields, paths_are_well_formed_and_unique_in_each_record)
{
	size_t count;
	const struct field *table = fields_table(&count);

	for (size_t i = 0; i < count; i++) {
		cr_assert_neq(table[i].records, 0, "%s", table[i].path);
		cr_assert_eq(table[i].always & ~table[i].records, 0, "%s", table[i].path);
		cr_assert_not_null(table[i].get, "%s", table[i].path);
		cr_assert(strlen(table[i].text) > 3 && table[i].text[strlen(table[i].text) - 1] != '.', "%s", table[i].path);
		for (const char *c = table[i].path; *c != '\0'; c++)
			cr_assert((*c >= 'a' && *c <= 'z') || strchr("_.[]0123456789", *c) != NULL, "%s", table[i].path);
		for (size_t j = 0; j < i; j++)
			cr_assert(strcmp(table[i].path, table[j].path) != 0 || !(table[i].records & table[j].records), "%s",
			          table[i].path);
	}
}

Test(fields, fields_of_an_object_stand_together)
{
	size_t count;
	const struct field *table = fields_table(&count);

	for (unsigned kind = 1; kind < 1u << RECORD_KINDS; kind <<= 1)
		for (size_t i = 0; i < count; i++) {
			size_t object = strcspn(table[i].path, ".");
			bool left = false;

			for (size_t j = i + 1; j < count; j++) {
				if (!(table[i].records & table[j].records & kind))
					continue;
				bool same =
				        table[i].path[object] == '.' && strncmp(table[i].path, table[j].path, object + 1) == 0;
				cr_assert(!(same && left), "%s and %s", table[i].path, table[j].path);
				left |= !same;
			}
		}
}

Test(fields, a_flow_record_has_the_promised_names)
{
	json_object *flow = parse(RECORD_FLOW);

	expect(flow, "event_type", "\"flow\"");
	expect(flow, "timestamp", "\"1970-01-01T00:00:01.500000Z\"");
	expect(flow, "flow_id", "7");
	expect(flow, "src_ip", "\"198.18.0.1\"");
	expect(flow, "dest_port", "20001");
	expect(flow, "proto", "\"TCP\"");
	expect(flow, "pcap_filename", "\"x.pcap\"");
	expect(flow, "flow.start", "\"1970-01-01T00:00:01.000000Z\"");
	expect(flow, "flow.vantage.client", "\"unknown\"");
	expect(flow, "tcp.state_client", "[\"TIME-WAIT\"]");
	expect(flow, "tcp.state_server", "[\"LAST-ACK\",\"CLOSED\"]");
	expect(flow, "tcp.isn_client", "4294967195");
	expect(flow, "tcp.rtt_us", "310");
	expect(flow, "close.kind", "\"four-way\"");
	expect(flow, "close.closed_first", "\"client\"");
	expect(flow, "close.client",
	       "{\"fin_seq\":4294967295,\"fin_frame\":7,\"ack_expected\":0,\"ack_seen\":0,\"ack_frame\":8,\"fin_copies\":1,\"ack_delay_us\":1}");
	expect(flow, "close.server.ack_expected", "302");
	expect(flow, "close.server.ack_delay_us", "1");
	expect(flow, "close.latency_us", "3");
	expect(flow, "close.idle_us", "20000");
	expect(flow, "close.close_wait", "{\"holder\":\"server\",\"duration_us\":1}");
	expect(flow, "close.time_wait.expected_end", "\"1970-01-01T00:01:01.500000Z\"");
	expect(flow, "flow.duration_us", "500000");
	expect(flow, "close.half_close", "{\"by\":\"client\",\"duration_us\":0,\"bytes\":0}");
	expect(flow, "close.time_wait.holder", "\"client\"");
	expect(flow, "close.lost_bytes", "{\"toserver\":0,\"toclient\":0}");
	expect(flow, "capture", "[]");
	expect(flow, "findings", "[]");
	json_object_put(flow);
}

Test(fields, absent_facts_are_absent_keys)
{
	connection.end[0].fin_sent = connection.end[1].fin_sent = false;
	connection.end[0].isn_known = false;
	connection.rtt = -1;
	connection.half_close_by = connection.time_wait_holder = connection.close_wait_holder = TCPAUDIT_WHO_NONE;
	connection.close_latency = connection.idle = -1;
	report.input_count = 0;
	json_object *flow = parse(RECORD_FLOW);
	static const char *const absent[] = {"close.client",
	                                     "close.server",
	                                     "close.half_close",
	                                     "close.close_wait",
	                                     "reuse",
	                                     "close.latency_us",
	                                     "close.idle_us",
	                                     "tcp.syn_retries",
	                                     "tcp.synack_retries",
	                                     "close.time_wait",
	                                     "close.time_wait_undecided",
	                                     "close.aborted_by",
	                                     "tcp.isn_client",
	                                     "tcp.rtt_us",
	                                     "vlan",
	                                     "vni",
	                                     "in_iface",
	                                     "pcap_filename",
	                                     "transitions"};

	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
		cr_assert_null(find(flow, absent[i]), "%s", absent[i]);
	json_object_put(flow);
}

Test(fields, a_fin_without_an_acknowledgment_has_no_ack_seen)
{
	connection.end[1].fin_ack.frame = 0;
	connection.end[1].fin_acked = false;
	json_object *flow = parse(RECORD_FLOW);

	expect(flow, "close.server", "{\"fin_seq\":301,\"fin_frame\":9,\"ack_expected\":302,\"fin_copies\":1}");
	json_object_put(flow);
}

/* Two captures merged, or a network that reorders: there is no telling. */
Test(fields, an_acknowledgment_captured_before_its_fin_has_no_delay)
{
	connection.end[1].fin_ack.time = connection.end[1].fin.time - 1;
	json_object *flow = parse(RECORD_FLOW);

	cr_assert_null(find(flow, "close.server.ack_delay_us"));
	expect(flow, "close.client.ack_delay_us", "1");
	json_object_put(flow);
}

Test(fields, a_reuse_has_what_is_known_of_it)
{
	connection.reuse_of = 3;
	connection.reuse_interval = 1500000;
	connection.isn_delta = -5;
	connection.ts_delta = 9;
	json_object *flow = parse(RECORD_FLOW);
	expect(flow, "reuse", "{\"flow_before\":3,\"interval_us\":1500}");
	json_object_put(flow);
	connection.isn_delta_known = connection.ts_delta_known = true;
	connection.reuse_verdict = (uint8_t)(1 + tcpaudit_check_index("reuse-early"));
	flow = parse(RECORD_FLOW);
	expect(flow, "reuse", "{\"flow_before\":3,\"interval_us\":1500,\"isn_delta\":-5,\"ts_delta\":9,\"verdict\":\"reuse-early\"}");
	json_object_put(flow);
}

Test(fields, optional_facts)
{
	connection.vlan = 12;
	connection.network = 6;
	connection.aborted_by = TCPAUDIT_WHO_SERVER;
	connection.post_close_reset = true;
	connection.time_wait_restarts = 2;
	connection.time_wait_undecided = 1u << TCPAUDIT_SERVER;
	connection.close_wait_open = true;
	connection.syn_retries = 3;
	connection.syn_ack_retries = 4;
	connection.end[0].in_flight_at_fin = 1460;
	connection.end[1].zero_window_at_fin = true;
	inputs[0].live = true;
	connection.capture[0] = 1;
	json_object *flow = parse(RECORD_FLOW);

	expect(flow, "vlan", "12");
	expect(flow, "vni", "5");
	expect(flow, "in_iface", "\"x.pcap\"");
	expect(flow, "close.aborted_by", "\"server\"");
	expect(flow, "close.post_close_rst", "true");
	expect(flow, "close.time_wait.restarts", "2");
	expect(flow, "close.time_wait_undecided", "\"server\"");
	expect(flow, "close.close_wait.open", "true");
	expect(flow, "tcp.syn_retries", "3");
	expect(flow, "tcp.synack_retries", "4");
	expect(flow, "close.client.in_flight_at_fin", "1460");
	expect(flow, "close.server.zero_window_at_fin", "true");
	cr_assert_null(find(flow, "close.client.zero_window_at_fin"));
	cr_assert_null(find(flow, "close.server.in_flight_at_fin"));
	cr_assert_eq(json_object_array_length(find(flow, "capture")), 1);
	json_object_put(flow);
}

Test(fields, transitions_have_null_where_there_is_no_frame)
{
	struct tcpaudit_transition steps[] = {
	        {TCPAUDIT_CLIENT, TCPAUDIT_CLOSED, TCPAUDIT_SYN_SENT, evidence(1, 0, 2, 0, 0), evidence(1, 0, 2, 0, 0)},
	        {TCPAUDIT_SERVER, TCPAUDIT_LAST_ACK, TCPAUDIT_CLOSED, evidence(9, 0, 2, 0, 0), evidence(0, 0, 0, 0, 0)},
	};

	options.transitions = true;
	connection.transitions = steps;
	connection.transition_count = 2;
	json_object *flow = parse(RECORD_FLOW);
	expect(flow, "transitions",
	       "[{\"end\":\"client\",\"from\":\"CLOSED\",\"to\":\"SYN-SENT\",\"frame\":1,\"proven_by\":1},"
	       "{\"end\":\"server\",\"from\":\"LAST-ACK\",\"to\":\"CLOSED\",\"frame\":9,\"proven_by\":null}]");
	json_object_put(flow);
	connection.transition_count = 0;
	flow = parse(RECORD_FLOW);
	expect(flow, "transitions", "[]");
	json_object_put(flow);
}

Test(fields, a_finding_record_has_the_promised_names)
{
	json_object *record = parse(RECORD_FINDING);

	expect(record, "event_type", "\"finding\"");
	expect(record, "flow_id", "7");
	expect(record, "severity", "\"error\"");
	expect(record, "confidence", "\"certain\"");
	expect(record, "endpoint", "\"server\"");
	expect(record, "state_before", "{\"client\":[],\"server\":[]}");
	expect(record, "expected", "{\"ack\":4101}");
	expect(record, "observed", "{\"ack\":4102}");
	expect(record, "count", "1");
	expect(record, "wireshark", "\"frame.number in {7, 9}\"");
	json_object *first = json_object_array_get_idx(find(record, "evidence"), 1);
	expect(first, "flags", "\"FIN,ACK\"");
	expect(first, "timestamp", "\"1970-01-01T00:00:00.000007Z\"");
	expect(first, "ack", "1");
	cr_assert_null(find(json_object_array_get_idx(find(record, "evidence"), 2), "ack"));
	cr_assert_null(find(first, "input"));
	json_object_put(record);
}

Test(fields, several_inputs_are_named_beside_frames_and_lengthen_times)
{
	report.input_count = 2;
	finding.evidence[1].input = 1;
	json_object *record = parse(RECORD_FINDING);

	expect(json_object_array_get_idx(find(record, "evidence"), 0), "input", "\"x.pcap\"");
	expect(json_object_array_get_idx(find(record, "evidence"), 1), "input", "\"y.pcapng\"");
	expect(record, "timestamp", "\"1970-01-01T00:00:00.000009000Z\"");
	expect(record, "wireshark", "\"frame.number in {7, 9}\""); /* those of the decisive frame's input */
	json_object_put(record);
}

Test(fields, an_unknown_endpoint_and_no_evidence_leave_no_keys)
{
	finding.endpoint = TCPAUDIT_WHO_NONE;
	finding.evidence_count = 0;
	json_object *record = parse(RECORD_FINDING);

	cr_assert_null(find(record, "endpoint"));
	cr_assert_null(find(record, "wireshark"));
	expect(record, "evidence", "[]");
	json_object_put(record);
}

Test(fields, every_check_makes_a_record)
{
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);

	for (size_t i = 0; i < count; i++) {
		finding.check = &check[i];
		json_object *record = parse(RECORD_FINDING);
		cr_assert_str_eq(json_object_get_string(find(record, "rule_id")), check[i].id);
		json_object *rfc = find(record, "rfc");
		for (size_t j = 0; j < json_object_array_length(rfc); j++)
			cr_assert_eq(strncmp(json_object_get_string(json_object_array_get_idx(rfc, j)), "RFC ", 4), 0, "%s",
			             check[i].id);
		cr_assert_eq(json_object_array_length(rfc) == 0, check[i].rfc[0] == '\0', "%s", check[i].id);
		json_object_put(record);
	}
}

Test(fields, meta_and_summary)
{
	report.input_count = state.input_count = 2;
	state.live = true;
	state.kernel = (struct capture_kernel){12, 2, 0, 7999};
	counters.frames = 10;
	counters.fate[TCPAUDIT_FATE_TCP] = 7;
	counters.fate[TCPAUDIT_FATE_NOT_IP] = 3;
	counters.unusable[TCPAUDIT_UNUSABLE_CHECKSUM] = 1;
	counters.unusable[TCPAUDIT_UNUSABLE_NONE] = 6;
	counters.by_kind[TCPAUDIT_KIND_FOUR_WAY] = 2;
	counters.findings[0] = 5;
	counters.suppressed[1] = 4;
	settings.check[0].severity = -1;
	inputs[1].error = (char *)(uintptr_t) "cut";
	inputs[1].damage_offset = 99;
	state.records = 4;
	json_object *meta = parse(RECORD_META), *summary = parse(RECORD_SUMMARY);
	size_t count;
	tcpaudit_checks(&count);

	expect(meta, "schema", "\"tcpaudit/1\"");
	expect(meta, "args", "[\"-r\",\"a\\\"b\"]");
	expect(meta, "linktypes", "[1,101]");
	expect(meta, "snaplen", "96");
	expect(meta, "filter", "\"tcp\"");
	cr_assert_eq(json_object_array_length(find(meta, "checks")), count - 1);
	expect(summary, "packets", "{\"read\":10,\"tcp\":7,\"not_analysed\":{\"not-ip\":3},\"tcp_unusable\":{\"checksum\":1}}");
	expect(summary, "kernel", "{\"received\":12,\"dropped\":2,\"interface_dropped\":0,\"longest_pause_us\":7}");
	expect(summary, "connections.by_close", "{\"four-way\":2}");
	cr_assert_eq(json_object_object_length(find(summary, "findings")), 1);
	cr_assert_eq(json_object_object_length(find(summary, "suppressed")), 1);
	expect(json_object_array_get_idx(find(summary, "inputs"), 1), "error", "\"cut\"");
	expect(json_object_array_get_idx(find(summary, "inputs"), 1), "offset", "99");
	expect(summary, "output", "{\"records\":5,\"lost\":0}");
	json_object_put(meta);
	json_object_put(summary);
}

Test(fields, an_interface_that_went_away_has_no_offset)
{
	inputs[0].live = true;
	inputs[0].error = (char *)(uintptr_t) "the interface disappeared";
	json_object *summary = parse(RECORD_SUMMARY), *input = json_object_array_get_idx(find(summary, "inputs"), 0);

	expect(input, "error", "\"the interface disappeared\"");
	cr_assert_null(find(input, "offset"));
	json_object_put(summary);
}

Test(fields, the_summary_has_a_row_for_each_service)
{
	static struct measures some;

	report.measures = &some;
	connection.close_wait_duration = 5000000;
	services_connection(&some.services, &connection, false);
	connection.close_wait_holder = TCPAUDIT_WHO_CLIENT;
	connection.closed_first = TCPAUDIT_WHO_SERVER;
	connection.end[TCPAUDIT_SERVER].port = 99;
	services_connection(&some.services, &connection, false);
	services_connection(&some.services, &connection, false);
	some.services.left_out = 3;
	services_rank(&some.services);
	json_object *summary = parse(RECORD_SUMMARY);
	expect(summary, "services",
	       "[{\"ip\":\"198.18.0.2\",\"port\":99,\"connections\":2,\"reset\":0,\"server_first\":2,\"close_wait_open\":0},"
	       "{\"ip\":\"198.18.0.2\",\"port\":20001,\"connections\":1,\"reset\":0,\"server_first\":0,\"close_wait_open\":0,"
	       "\"close_wait_median_us\":5000,\"close_wait_p95_us\":5000}]");
	expect(summary, "services_left_out", "3");
	json_object_put(summary);
}

Test(fields, each_of_several_workers_has_a_row)
{
	struct report_worker each[] = {{60, 6, 0, 1500}, {40, 4, 2, 900999}};
	struct report_workers workers = {each, 2, 3, 0};
	json_object *alone = parse(RECORD_SUMMARY);

	cr_assert_null(find(alone, "workers"));
	cr_assert_null(find(alone, "connections.split"));
	json_object_put(alone);
	state.workers = &workers;
	for (unsigned kind = RECORD_STATS; kind != 0; kind = kind == RECORD_STATS ? RECORD_SUMMARY : 0) {
		json_object *record = parse(kind);

		expect(record, "workers",
		       "[{\"packets\":60,\"connections\":6,\"dropped\":0,\"longest_pause_us\":1},"
		       "{\"packets\":40,\"connections\":4,\"dropped\":2,\"longest_pause_us\":900}]");
		expect(record, "connections.split", "3");
		cr_assert_null(find(record, "connections.splits_forgotten"));
		json_object_put(record);
	}
	workers.splits_forgotten = 5;
	json_object *record = parse(RECORD_SUMMARY);
	expect(record, "connections.splits_forgotten", "5");
	json_object_put(record);
}

/* Whether the record has what the schema requires, and nothing that it does not know. */
static void follow_schema(json_object *schema, json_object *value, const char *path)
{
	json_object *properties = find(schema, "properties"), *required = find(schema, "required"),
	            *items = find(schema, "items");

	for (size_t i = 0; required != NULL && i < json_object_array_length(required); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(required, i));
		cr_assert_not_null(find(value, name), "%s lacks %s", path, name);
	}
	if (properties != NULL) {
		json_object_object_foreach(value, key, member)
		{
			json_object *known = NULL;
			cr_assert(json_object_object_get_ex(properties, key, &known), "%s has an unknown %s", path, key);
			follow_schema(known, member, key);
		}
	}
	for (size_t i = 0; items != NULL && i < json_object_array_length(value); i++)
		follow_schema(items, json_object_array_get_idx(value, i), path);
}

/* The record, held against the schema of its kind. */
static void held_against_schema(unsigned kind)
{
	char *text = report_schema();
	json_object *schema = json_tokener_parse(text), *kinds = NULL, *record = parse(kind);

	cr_assert(json_object_object_get_ex(schema, "$defs", &kinds));
	follow_schema(find(kinds, fields_record_name(kind)), record, fields_record_name(kind));
	json_object_put(record);
	json_object_put(schema);
	free(text);
}

Test(fields, labels_are_there_if_there_is_one)
{
	static const char *const keys[] = {"app_proto", "app_service", "app_confidence"};
	static const unsigned kinds[] = {RECORD_FLOW, RECORD_FINDING};

	for (unsigned i = 0; i < 2; i++) {
		connection.label = (struct tcpaudit_label){0};
		json_object *record = parse(kinds[i]);
		for (unsigned j = 0; j < 3; j++)
			cr_assert_null(find(record, keys[j]));
		json_object_put(record);
		connection.label = (struct tcpaudit_label){.proto = "TLS", .confidence = TCPAUDIT_LABEL_PARTIAL};
		record = parse(kinds[i]);
		expect(record, "app_proto", "\"TLS\"");
		expect(record, "app_confidence", "\"dpi-partial\"");
		cr_assert_null(find(record, "app_service"));
		json_object_put(record);
		connection.label.service = "Wikipedia";
		record = parse(kinds[i]);
		expect(record, "app_service", "\"Wikipedia\"");
		json_object_put(record);
	}
}

Test(fields, the_summary_has_a_row_for_each_application)
{
	static const struct report_dpi dpi = {.library = "nDPI 4.2.0", .named = 3, .unnamed = 2, .off = 1, .shed = 5, .memory = 4096};

	connection.half_close_bytes = 10;
	connection.label = (struct tcpaudit_label){.proto = "SSH", .confidence = TCPAUDIT_LABEL_TEXT};
	apps_connection(&report.apps, &connection);
	connection.label.proto = "TLS";
	connection.half_close_bytes = 0;
	connection.kind = TCPAUDIT_KIND_ABORT_CLIENT;
	connection.aborted_by = TCPAUDIT_WHO_CLIENT;
	apps_connection(&report.apps, &connection); /* behind both FINs: it ended nothing */
	connection.end[0].fin_acked = connection.end[1].fin_acked = false;
	apps_connection(&report.apps, &connection);
	apps_connection(&report.apps, &connection);
	connection.label = (struct tcpaudit_label){0};
	apps_connection(&report.apps, &connection);
	apps_sort(&report.apps);
	state.dpi = &dpi;
	json_object *summary = parse(RECORD_SUMMARY), *meta = parse(RECORD_META);
	expect(summary, "apps",
	       "[{\"app_proto\":\"TLS\",\"connections\":3,\"by_close\":{\"abort-client\":3},\"half_close\":0,\"aborted\":2},"
	       "{\"app_proto\":\"SSH\",\"connections\":1,\"by_close\":{\"four-way\":1},\"half_close\":1,\"aborted\":0}]");
	expect(summary, "dpi", "{\"named\":3,\"unnamed\":2,\"off\":1,\"shed\":5,\"memory_bytes\":4096}");
	expect(meta, "dpi_library", "\"nDPI 4.2.0\"");
	json_object_put(summary);
	json_object_put(meta);
	held_against_schema(RECORD_SUMMARY);
}

Test(fields, applications_beyond_the_table_are_one)
{
	static char name[APPS + 3][8];
	uint64_t connections = 0;

	for (unsigned i = 0; i < APPS + 3; i++) {
		snprintf(name[i], sizeof name[i], "app%u", i);
		connection.label = (struct tcpaudit_label){.proto = name[i], .confidence = TCPAUDIT_LABEL_TEXT};
		for (unsigned j = 0; j <= i; j++)
			apps_connection(&report.apps, &connection);
	}
	apps_sort(&report.apps);
	cr_assert_eq(report.apps.count, APPS + 1);
	cr_assert_str_eq(report.apps.app[0].name, "app63");
	cr_assert_str_eq(report.apps.app[APPS].name, "other");
	cr_assert_eq(report.apps.app[APPS].connections, 65 + 66 + 67);
	for (unsigned i = 0; i < report.apps.count; i++)
		connections += report.apps.app[i].connections;
	cr_assert_eq(connections, 67 * 68 / 2);
}

Test(fields, files_have_no_kernel_counters)
{
	json_object *summary = parse(RECORD_SUMMARY);

	cr_assert_null(find(summary, "kernel"));
	expect(summary, "packets.not_analysed", "{}");
	json_object_put(summary);
}

Test(fields, where_little_is_known_the_schema_is_followed)
{
	connection.end[0].fin_sent = connection.end[1].fin_sent = false;
	connection.half_close_by = connection.time_wait_holder = connection.close_wait_holder = TCPAUDIT_WHO_NONE;
	held_against_schema(RECORD_FLOW);
	static struct measures nothing;
	report.measures = &nothing;
	held_against_schema(RECORD_SUMMARY);
}

Test(fields, records_follow_the_schema)
{
	options.transitions = true;
	for (unsigned kind = 1; kind < 1u << RECORD_KINDS; kind <<= 1)
		held_against_schema(kind);
}

Test(fields, the_list_names_every_field)
{
	size_t count;
	const struct field *table = fields_table(&count);
	char *list = report_field_list();

	for (size_t i = 0; i < count; i++)
		cr_assert_not_null(strstr(list, table[i].path), "%s", table[i].path);
	free(list);
}

/* The baseline of corelight/community-id-spec, and its tie-break: equal addresses are ordered by port. */
Test(fields, community_ids_of_the_specification)
{
	static const struct {
		int family;
		const char *client, *server;
		uint16_t ports[2];
		const char *id;
	} rows[] = {
	        {AF_INET, "128.232.110.120", "66.35.250.204", {34855, 80}, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	        {AF_INET, "66.35.250.204", "128.232.110.120", {80, 34855}, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	        {AF_INET, "10.0.0.1", "10.0.0.1", {40001, 40000}, "1:iJjw7neBCpNBrE8FMNIuaHTi59E="},
	        {AF_INET, "10.0.0.1", "10.0.0.1", {40000, 40001}, "1:iJjw7neBCpNBrE8FMNIuaHTi59E="},
	        {AF_INET6, "2001:db8::1", "2001:db8::2", {40001, 443}, "1:VGhuwRWPDCx6WElJiqOoWElQUAk="},
	        {AF_INET6, "::1", "::1", {443, 40001}, "1:lmn64sOxqnx0oPaWC3fNRNGrNKg="},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char id[COMMUNITY_ID];

		memset(connection.end, 0, sizeof connection.end);
		inet_pton(rows[i].family, rows[i].client, connection.end[0].address.byte);
		inet_pton(rows[i].family, rows[i].server, connection.end[1].address.byte);
		connection.end[0].port = rows[i].ports[0];
		connection.end[1].port = rows[i].ports[1];
		community_id(id, connection.end, rows[i].family == AF_INET6 ? 6 : 4);
		cr_assert_str_eq(id, rows[i].id);
		community_id_plainly(id, connection.end, rows[i].family == AF_INET6 ? 6 : 4);
		cr_assert_str_eq(id, rows[i].id);
	}
}

/* The processor's SHA-1, where there is one, and the portable one. */
Test(fields, community_ids_are_the_same_on_every_processor)
{
	srandom(4);
	for (unsigned i = 0; i < 20000; i++) {
		char a[COMMUNITY_ID], b[COMMUNITY_ID];

		for (unsigned end = 0; end < 2; end++) {
			for (unsigned j = 0; j < 16; j++)
				connection.end[end].address.byte[j] = (uint8_t)random();
			connection.end[end].port = (uint16_t)random();
		}
		community_id(a, connection.end, i % 2 ? 6 : 4);
		community_id_plainly(b, connection.end, i % 2 ? 6 : 4);
		cr_assert_str_eq(a, b);
	}
}

/* Flow and finding records have a writer of their own: it says what the loop over the table says, field by field. */
Test(fields, the_writer_of_each_row_agrees_with_the_loop)
{
	static const unsigned kinds[] = {RECORD_FLOW, RECORD_FINDING};
	static struct tcpaudit_transition steps[1] = {{.at.frame = 0, .proof.frame = 4}};

	srandom(5);
	connection.transitions = steps;
	connection.transition_count = 1;
	for (unsigned round = 0; round < 400; round++) {
		options.transitions = round & 1;
		report.input_count = 1 + (round >> 1 & 1);
		connection.rtt = random() % 3 - 1;
		connection.vlan = (uint16_t)(random() % 2 * 7);
		connection.reuse_of = (uint64_t)random() % 2;
		connection.half_close_by = (uint8_t)(random() % 5);
		connection.time_wait_holder = (uint8_t)(random() % 4);
		connection.end[random() % 2].fin_sent = random() % 2;
		connection.end[random() % 2].states = (tcpaudit_state_set)(random() % (1 << TCPAUDIT_STATE_COUNT));
		connection.findings[0] = (uint64_t)random();
		finding.evidence_count = (uint8_t)(random() % 4);
		finding.deliberate = random() % 2 ? "a \"stack\"" : NULL;
		for (unsigned i = 0; i < 2; i++) {
			struct record_plan *plan = record_plan_new(kinds[i]);
			struct record record = {.report = &report, .connection = &connection, .finding = &finding, .kind = kinds[i]};
			struct json a, b;

			json_init(&a);
			json_init(&b);
			record_write(plan, &a, &record);
			cr_assert(json_room(&b, 100000));
			char *to = b.data;
			*to++ = '{';
			to = record_rows(plan, 0, RECORD_ROWS, false, &b, &record, to);
			to = record_close(record_move(&plan->end, to), '}');
			cr_assert_eq((size_t)(to - b.data), a.length);
			cr_assert_eq(memcmp(a.data, b.data, a.length), 0, "%.*s", (int)a.length, a.data);
			json_fini(&a);
			json_fini(&b);
			record_plan_free(plan);
		}
	}
}

/* The writer copies keys as a whole, and reserves a fixed room for what is bounded. */
Test(fields, names_fit_where_the_writer_copies_them)
{
	size_t count;
	const struct field *table = fields_table(&count);

	cr_assert_leq(count, RECORD_ROWS);
	for (size_t i = 0; i < count; i++) {
		const char *rows = strstr(table[i].path, "[]."), *name = strrchr(table[i].path, '.');
		unsigned depth = 0;

		for (const char *c = rows == NULL ? table[i].path : rows + 3; *c != '\0'; c++)
			depth += *c == '.';
		cr_assert_leq(depth, rows == NULL ? RECORD_DEPTH : 0, "%s", table[i].path);
		cr_assert_leq(strlen(name == NULL ? table[i].path : name + 1) + 3, RECORD_KEY, "%s", table[i].path);
		cr_assert_leq((size_t)(name == NULL ? 0 : name - table[i].path) + 4 * depth, RECORD_OPEN, "%s", table[i].path);
		for (size_t k = 0; table[i].values != NULL && table[i].values[k] != NULL; k++)
			cr_assert_leq(strlen(table[i].values[k]) + 3, JSON_TOKEN);
	}
	const struct tcpaudit_check *checks = tcpaudit_checks(&count);
	for (size_t i = 0; i < count; i++) {
		cr_assert_leq(strlen(checks[i].id) + 3, JSON_TOKEN);
		cr_assert_eq(strspn(checks[i].id, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(checks[i].id), "%s", checks[i].id);
	}
}

/* A line that is composed in the output's memory counts and is written like one that is copied; one that is dropped leaves no trace. */
Test(fields, lines_in_lent_memory_are_written_in_their_order)
{
	char path[] = "/tmp/tcpaudit-lend-XXXXXX", *error, line[32], expected[32];
	int fd = mkstemp(path);
	struct output *output = output_open(path, &error);
	uint64_t records, lost = 1, number = 0;
	FILE *file = fdopen(fd, "r");

	cr_assert_not_null(output);
	for (unsigned i = 0; i < 100000; i++) { /* more than the buffer holds */
		size_t size;
		char *memory = output_lend(output, &size);

		cr_assert_not_null(memory);
		cr_assert_geq(size, OUTPUT_LEND);
		memcpy(memory, "dropped\n", 8);
		if (i % 3 == 0)
			output_write(output, line, (size_t)sprintf(line, "%u\n", i));
		else
			output_commit(output, (size_t)sprintf(memory, "%u\n", i));
	}
	output_counters(output, &records, &lost);
	cr_assert_eq(records, 100000);
	cr_assert_eq(lost, 0);
	output_close(output, &lost);
	cr_assert_eq(lost, 0);
	while (fgets(line, sizeof line, file) != NULL) {
		sprintf(expected, "%u\n", (unsigned)number++);
		cr_assert_str_eq(line, expected);
	}
	cr_assert_eq(number, 100000);
	fclose(file);
	unlink(path);
}
