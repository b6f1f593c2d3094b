/* records.h - a connection, a finding and what else records are made from. */
#ifndef RECORDS_H
#define RECORDS_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "report/fields.h"
#include "report/measures.h"

static struct tcpaudit_settings settings;
static struct report_options options;
static struct capture_input inputs[1];
static struct measures measures;
static struct report report;
static struct report_state state;
static struct tcpaudit_counters counters;
static struct tcpaudit_connection connection;
static struct tcpaudit_finding finding;

static size_t row_of(const char *id)
{
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(check[i].id, id) == 0)
			return i;
	cr_assert_fail("no check %s", id);
	return 0;
}

/* A client that closed first 1.5 s after its first frame, and a server that may be in CLOSE-WAIT or LAST-ACK. */
static void begin(void)
{
	tcpaudit_settings_init(&settings);
	options = (struct report_options){.settings = &settings, .filter = ""};
	inputs[0] = (struct capture_input){
	        .path = "a \"b\"\n\xff.pcap", .format = "pcap", .time_digits = 6, .linktype = {1, 101}, .linktypes = 2};
	report = (struct report){.options = &options, .measures = &measures, .inputs = inputs, .input_count = 1};
	state = (struct report_state){.counters = &counters, .inputs = inputs, .input_count = 1};
	memset(&connection, 0, sizeof connection);
	connection.id = 7;
	connection.ip_version = 4;
	connection.start = INT64_C(1700000000000000000);
	connection.last = INT64_C(1700000001500000000);
	connection.rtt = 310999;
	connection.completeness = 31;
	connection.kind = TCPAUDIT_KIND_HALF_CLOSED;
	connection.aborted_by = TCPAUDIT_WHO_NONE;
	connection.confidence = TCPAUDIT_CERTAIN;
	connection.half_close_by = TCPAUDIT_WHO_CLIENT;
	connection.half_close_duration = INT64_C(4200000000);
	connection.half_close_bytes = 65536;
	connection.time_wait_holder = TCPAUDIT_WHO_NONE;
	connection.forged_suspect = true;
	connection.end[0].port = 40000;
	connection.end[1].port = 5432;
	connection.end[0].packets = 1500;
	connection.end[0].states = 1 << TCPAUDIT_FIN_WAIT_2;
	connection.end[1].states = 1 << TCPAUDIT_CLOSE_WAIT | 1 << TCPAUDIT_LAST_ACK;
	inet_pton(AF_INET, "10.1.2.3", connection.end[0].address.byte);
	inet_pton(AF_INET, "192.0.2.128", connection.end[1].address.byte);
	memset(&finding, 0, sizeof finding);
	finding.check = &tcpaudit_checks(&(size_t){0})[row_of("fin-ack-beyond")];
	finding.connection = &connection;
	finding.time = connection.last;
	finding.severity = TCPAUDIT_ERROR;
	finding.endpoint = TCPAUDIT_WHO_SERVER;
	finding.expected[0] = (struct tcpaudit_fact){"ack", 4101};
	finding.expected[1] = (struct tcpaudit_fact){"len", 2};
	finding.evidence[0].frame = 9;
	finding.evidence_count = 1;
}

static struct record record_of(unsigned kind)
{
	return (struct record){.report = &report, .connection = &connection, .finding = &finding, .state = &state, .kind = kind};
}

/* `count` times `piece` between what is before and behind. */
static char *repeated(const char *before, const char *piece, size_t count, const char *behind)
{
	size_t length = strlen(piece);
	char *text = malloc(strlen(before) + count * length + strlen(behind) + 1), *to = stpcpy(text, before);

	for (size_t i = 0; i < count; i++)
		to = stpcpy(to, piece);
	strcpy(to, behind);
	return text;
}

#endif
