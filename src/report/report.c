/* report.c - what all formats have in common: the sink, what is left out, the verdict, the ledger and the exit status. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "report/measures.h"
#include "report/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/fields.h"
#include "report/json.h"
#include "report/output.h"

const struct tcpaudit_check *report_check(const struct report *report, size_t row)
{
	const struct tcpaudit_settings *settings = report->options->settings;
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);

	return row < count ? &check[row] : row - count < settings->own_count ? &settings->own[row - count] : NULL;
}

#define WHOLE 65535 /* bytes: IP packets are no longer, but for those that offload has joined */

static bool cuts(const struct report_state *state)
{
	for (size_t i = 0; i < state->input_count; i++)
		if (state->inputs[i].live && state->inputs[i].snaplen < WHOLE)
			return true;
	return false;
}

const struct tcpaudit_check *report_check_cut(const struct report *report, const struct report_state *state, size_t *row)
{
	const struct tcpaudit_check *check;

	while (cuts(state) && (check = report_check(report, (*row)++)) != NULL)
		if (report->options->settings->check[*row - 1].severity >= 0 && tcpaudit_check_needs_text((int)*row - 1))
			return check;
	return NULL;
}

/* The checks whose severity, by the catalogue or the command line, is above info. */
void report_rules_changed(struct report *report)
{
	const struct tcpaudit_settings *settings = report->options->settings;
	const struct tcpaudit_check *check;

	memset(report->flagging, 0, sizeof report->flagging);
	for (size_t i = 0; (check = report_check(report, i)) != NULL; i++)
		if ((settings->check[i].severity > 0 ? settings->check[i].severity - 1 : check->severity) > TCPAUDIT_INFO)
			report->flagging[i >> 6] |= UINT64_C(1) << (i & 63);
}

struct report *report_new(const struct report_format *format, const struct report_options *options,
                          const struct capture_input *inputs, size_t input_count, struct output *output)
{
	struct report *report = calloc(1, sizeof *report);

	if (report == NULL)
		return NULL;
	report->format = format;
	report->options = options;
	report->inputs = inputs;
	report->input_count = input_count;
	report->output = output;
	tcpaudit_checks(&report->built_in);
	report_rules_changed(report);
	report->measures = measures_new(options->settings->msl);
	if (report->measures == NULL) {
		free(report);
		return NULL;
	}
	return report;
}

bool report_set_has(const uint64_t *set, size_t row)
{
	return set[row >> 6] >> (row & 63) & 1;
}

bool report_past_handshake(const struct tcpaudit_connection *c)
{
	const unsigned opening = TCPAUDIT_COMPLETE_SYN | TCPAUDIT_COMPLETE_SYN_ACK;

	if (c->kind >= TCPAUDIT_KIND_REFUSED && c->kind <= TCPAUDIT_KIND_HS_PENDING)
		return false;
	return !(c->completeness & opening) || c->completeness & ~(opening | TCPAUDIT_COMPLETE_RST); /* else: given up before that */
}

bool report_ended_by_reset(const struct tcpaudit_connection *c)
{
	return c->aborted_by != TCPAUDIT_WHO_NONE && !(c->end[0].fin_acked && c->end[1].fin_acked);
}

const char *report_verdict_name(enum report_verdict verdict)
{
	static const char *const name[] = {
	        [REPORT_OK] = "ok", [REPORT_FINDINGS] = "findings", [REPORT_INCOMPLETE] = "incomplete"};

	return name[verdict];
}

static bool is_flagged(const struct report *report, const struct tcpaudit_connection *connection)
{
	for (size_t word = 0; word < TCPAUDIT_CHECK_WORDS; word++)
		if (connection->findings[word] & report->flagging[word])
			return true;
	return false;
}

const char *report_message(const struct report *report, const struct tcpaudit_finding *finding, char *out, size_t size)
{
	const struct report_rules *rules = report->options->rules;
	struct record record = {
	        .report = report, .connection = finding->connection, .finding = finding, .kind = RECORD_FINDING};

	out[0] = '\0';
	if (finding->check->normative == TCPAUDIT_NORMATIVE_RULE && rules != NULL &&
	    !rules->message(rules->user, finding->row, &record, out, size))
		out[0] = '\0';
	return out;
}

static void take_connection(void *user, const struct tcpaudit_connection *connection)
{
	struct report *report = user;

	measures_connection(report->measures, connection);
	apps_connection(&report->apps, connection);
	if (report->format->connection != NULL)
		report->format->connection(report, connection);
}

static void take_finding(void *user, const struct tcpaudit_finding *finding)
{
	struct report *report = user;
	struct tcpaudit_finding many;

	if (report->format->finding == NULL)
		return;
	if (finding->on_many > finding->confidence && services_leak(&report->measures->services, finding->connection)) {
		many = *finding;
		many.confidence = finding->on_many;
		finding = &many;
	}
	report->format->finding(report, finding);
}

static void take_segment(void *user, uint64_t flow_id, const struct tcpaudit_segment *segment, unsigned from,
                         const tcpaudit_state_set states[2])
{
	struct report *report = user;

	if (flow_id == report->options->ladder)
		report->format->segment(report, segment, from, states);
}

struct tcpaudit_sink report_sink(struct report *report)
{
	return (struct tcpaudit_sink){
	        .user = report,
	        .connection_end = take_connection,
	        .finding = take_finding,
	        .segment = report->format->segment == NULL ? NULL : take_segment,
	};
}

bool report_wants_flow(const struct report *report, const struct tcpaudit_connection *connection)
{
	switch (report->options->flows) {
	case REPORT_FLOWS_ALL:
		return true;
	case REPORT_FLOWS_FLAGGED:
		return is_flagged(report, connection);
	case REPORT_FLOWS_NONE:
		break;
	}
	return false;
}

const struct tcpaudit_evidence *report_decisive(const struct tcpaudit_evidence *evidence, size_t count, int64_t time)
{
	for (size_t i = count; i > 0; i--)
		if (evidence[i - 1].time == time && evidence[i - 1].frame != 0)
			return &evidence[i - 1];
	return count > 0 && evidence[count - 1].frame != 0 ? &evidence[count - 1] : NULL;
}

/* Puts the frame at its place among the others, in order, unless it is there. */
static size_t insert_frame(uint64_t *frame, size_t frames, uint64_t number)
{
	size_t place = frames;

	while (place > 0 && frame[place - 1] > number)
		place--;
	if (place > 0 && frame[place - 1] == number)
		return frames;
	memmove(frame + place + 1, frame + place, (frames - place) * sizeof *frame);
	frame[place] = number;
	return frames + 1;
}

const char *report_filter(char out[REPORT_FILTER], const struct tcpaudit_evidence *evidence, size_t count, int64_t time)
{
	const struct tcpaudit_evidence *decisive = report_decisive(evidence, count, time);
	uint64_t frame[TCPAUDIT_EVIDENCE];
	size_t frames = 0;
	char *to = out;

	for (size_t i = 0; i < count && decisive != NULL; i++)
		if (evidence[i].frame != 0 && evidence[i].input == decisive->input)
			frames = insert_frame(frame, frames, evidence[i].frame);
	for (size_t i = 0; i < frames; i++) {
		to = stpcpy(to, i == 0 ? "frame.number in {" : ", ");
		to += json_format_integer(to, (int64_t)frame[i]);
	}
	strcpy(to, frames > 0 ? "}" : "");
	return out;
}

static bool is_damaged(const struct report_state *state)
{
	for (size_t i = 0; i < state->input_count; i++)
		if (state->inputs[i].error != NULL)
			return true;
	return false;
}

/* Whether frames are missing from what was judged: dropped, unreadable, or given up for want of room. */
static bool is_incomplete(const struct report_state *state)
{
	const struct tcpaudit_counters *counters = state->counters;

	for (size_t i = 0; i < state->input_count; i++)
		if (state->inputs[i].recorded_drops > 0)
			return true;
	return state->kernel.dropped > 0 || state->kernel.interface_dropped > 0 || is_damaged(state) || state->lost > 0 ||
	       counters->evicted > 0 || counters->unusable[TCPAUDIT_UNUSABLE_FLOW_CAP] > 0 ||
	       counters->unusable[TCPAUDIT_UNUSABLE_TENANTS] > 0 ||
	       counters->fate[TCPAUDIT_FATE_LINKTYPE] > 0 || counters->fate[TCPAUDIT_FATE_NO_MEMORY] > 0;
}

static enum report_verdict verdict_of(const struct report_state *state)
{
	if (is_incomplete(state))
		return REPORT_INCOMPLETE;
	if (state->counters->by_severity[TCPAUDIT_WARNING] + state->counters->by_severity[TCPAUDIT_ERROR] > 0)
		return REPORT_FINDINGS;
	return REPORT_OK;
}

bool report_ledger(const struct report_state *state, char **error)
{
	const struct tcpaudit_counters *counters = state->counters;
	uint64_t sum = 0;
	int printed = 0;

	*error = NULL;
	for (size_t i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		sum += counters->fate[i];
	if (sum != counters->frames)
		printed = asprintf(error, "the packet ledger does not add up: %" PRIu64 " read, %" PRIu64 " accounted for",
		                   counters->frames, sum);
	else if (state->live && state->kernel.received != counters->frames + state->kernel.dropped)
		printed = asprintf(error,
		                   "the packet ledger does not add up: kernel received %" PRIu64 ", read %" PRIu64
		                   " and dropped %" PRIu64,
		                   state->kernel.received, counters->frames, state->kernel.dropped);
	else
		return true;
	if (printed < 0)
		*error = NULL;
	return false;
}

static int exit_status_of(const struct report *report, const struct report_state *state)
{
	char *error;
	bool adds_up = report_ledger(state, &error);
	int status = REPORT_EXIT_OK;

	free(error);
	for (size_t severity = report->options->fail_on; severity <= TCPAUDIT_ERROR; severity++)
		if (state->counters->by_severity[severity] > 0)
			status = REPORT_EXIT_FOUND;
	if (report->nothing_drawn)
		status = REPORT_EXIT_USAGE;
	if (is_damaged(state))
		status = REPORT_EXIT_DAMAGED;
	if (state->gone)
		status = REPORT_EXIT_GONE;
	if (state->lost > 0)
		status = REPORT_EXIT_LOST;
	if (!adds_up || report->out_of_memory)
		status = REPORT_EXIT_INTERNAL;
	return status;
}

static void judge(struct report *report, struct report_state *state)
{
	output_counters(report->output, &state->records, &state->lost);
	state->verdict = verdict_of(state);
	state->exit_status = exit_status_of(report, state);
}

bool report_begin(struct report *report, struct report_state *state)
{
	judge(report, state);
	report->state = report->format->begin(report, state);
	return report->state != NULL;
}

void report_stats(struct report *report, struct report_state *state)
{
	judge(report, state);
	if (report->format->stats != NULL) {
		report->format->stats(report, state);
		output_push(report->output);
		return;
	}
	fprintf(stderr,
	        "tcpaudit: %" PRIu64 " packets, %" PRIu64 " TCP, %" PRIu64 " dropped; %" PRIu64 " connections, %" PRIu64
	        " open; %" PRIu64 " errors, %" PRIu64 " warnings; %.1f MiB\n",
	        state->counters->frames, state->counters->fate[TCPAUDIT_FATE_TCP], state->kernel.dropped,
	        state->counters->connections, state->counters->open, state->counters->by_severity[TCPAUDIT_ERROR],
	        state->counters->by_severity[TCPAUDIT_WARNING], (double)state->counters->memory / 1048576);
}

int report_end(struct report *report, struct report_state *state)
{
	if (report->state != NULL) {
		output_flush(report->output); /* so that the last record knows what was lost before it */
		judge(report, state);
		services_rank(&report->measures->services);
		apps_sort(&report->apps);
		report->format->end(report, state);
		report->state = NULL;
	}
	output_flush(report->output);
	judge(report, state);
	return state->exit_status;
}

void report_free(struct report *report)
{
	if (report == NULL)
		return;
	if (report->state != NULL)
		report->format->end(report, NULL);
	free(report->measures);
	free(report);
}
