/* fields.c - every field of every record: path, type, unit, meaning, and the function that fetches it.
 *
 * Getters are one line each where the value is one expression.  They are called in table order for each record, so they
 * compute nothing that is not in the record. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "report/measures.h"
#include "report/page.h"
#include "report/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/community.h"
#include "report/record_row.h"

/* A getter of a number (or a time), and of a text: present if `present`. */
#define NUMBER(name, present, expression)                                                                                        \
	static bool get_##name(struct record *r, struct field_value *v)                                                          \
	{                                                                                                                        \
		if (!(present))                                                                                                  \
			return false;                                                                                            \
		v->number = (int64_t)(expression);                                                                               \
		(void)r;                                                                                                         \
		return true;                                                                                                     \
	}
#define TEXT(name, present, expression)                                                                                          \
	static bool get_##name(struct record *r, struct field_value *v)                                                          \
	{                                                                                                                        \
		if (!(present))                                                                                                  \
			return false;                                                                                            \
		v->text = expression;                                                                                            \
		(void)r;                                                                                                         \
		return true;                                                                                                     \
	}
/* The same for both ends: get_client_NAME and get_server_NAME; `e` is the end. */
#define END_NUMBER(name, present, expression)                                                                                    \
	static bool of_end_##name(const struct tcpaudit_end *e, struct field_value *v)                                           \
	{                                                                                                                        \
		if (!(present))                                                                                                  \
			return false;                                                                                            \
		v->number = (int64_t)(expression);                                                                               \
		return true;                                                                                                     \
	}                                                                                                                        \
	static bool get_client_##name(struct record *r, struct field_value *v)                                                   \
	{                                                                                                                        \
		return of_end_##name(&r->connection->end[TCPAUDIT_CLIENT], v);                                                   \
	}                                                                                                                        \
	static bool get_server_##name(struct record *r, struct field_value *v)                                                   \
	{                                                                                                                        \
		return of_end_##name(&r->connection->end[TCPAUDIT_SERVER], v);                                                   \
	}

/* Several inputs: only then a frame number needs its input beside it. */
static bool has_inputs(const struct record *r)
{
	return r->report->input_count > 1;
}

static const char *input_path(const struct record *r, size_t input)
{
	return input < r->report->input_count ? r->report->inputs[input].path : NULL;
}

/* The next check or rule of a set, from row v->index on. */
static bool next_check(const struct report *report, const uint64_t *set, struct field_value *v)
{
	const struct tcpaudit_check *check;

	for (size_t word = v->index >> 6; word < TCPAUDIT_CHECK_WORDS; word++) {
		uint64_t bits = set[word];

		if (word == v->index >> 6)
			bits &= ~UINT64_C(0) << (v->index & 63);
		if (bits == 0)
			continue;
		v->index = (word << 6) + (size_t)__builtin_ctzll(bits);
		if ((check = report_check(report, v->index)) == NULL)
			return false;
		v->text = check->id;
		v->constant = v->index++ < report->built_in;
		return true;
	}
	return false;
}

/* CLOSED, the enumeration's first, is named last: that is where a connection goes. */
static bool next_state(tcpaudit_state_set set, struct field_value *v)
{
	while (v->index < TCPAUDIT_STATE_COUNT) {
		unsigned state = (unsigned)++v->index % TCPAUDIT_STATE_COUNT;

		if (set >> state & 1) {
			v->text = tcpaudit_state_name((enum tcpaudit_state)state);
			return true;
		}
	}
	return false;
}

static bool next_count(const uint64_t *counts, size_t size, struct field_value *v)
{
	while (v->index < size && counts[v->index] == 0)
		v->index++;
	if (v->index == size)
		return false;
	v->number = (int64_t)counts[v->index];
	return true;
}

static bool next_check_count(const struct report *report, const uint64_t *counts, struct field_value *v)
{
	const struct tcpaudit_check *check;

	if (!next_count(counts, TCPAUDIT_CHECK_WORDS * 64, v) || (check = report_check(report, v->index++)) == NULL)
		return false;
	v->name = check->id;
	return true;
}

/* All records. */
TEXT(event_type, true, fields_record_name(r->kind))

static bool get_timestamp(struct record *r, struct field_value *v)
{
	if (r->kind == RECORD_FLOW)
		v->number = r->connection->last;
	else if (r->kind == RECORD_FINDING)
		v->number = r->finding->time;
	else
		v->number = r->state->time;
	return true;
}

/* Records about a connection. */
NUMBER(flow_id, true, r->connection->id)

static bool get_community_id(struct record *r, struct field_value *v)
{
	community_id(r->scratch, r->connection->end, r->connection->ip_version);
	v->text = r->scratch;
	return true;
}

static bool of_address(struct record *r, struct field_value *v, unsigned end)
{
	v->address = &r->connection->end[end].address;
	v->ip_version = r->connection->ip_version;
	return true;
}

static bool get_src_ip(struct record *r, struct field_value *v)
{
	return of_address(r, v, TCPAUDIT_CLIENT);
}

static bool get_dest_ip(struct record *r, struct field_value *v)
{
	return of_address(r, v, TCPAUDIT_SERVER);
}

END_NUMBER(port, true, e->port)
TEXT(proto, true, "TCP")
NUMBER(vlan, r->connection->vlan != 0, r->connection->vlan)
NUMBER(network, r->connection->network != 0, r->connection->network - 1)

static bool of_input(struct record *r, struct field_value *v, bool live)
{
	size_t input = r->connection->input;

	if (input >= r->report->input_count || r->report->inputs[input].live != live)
		return false;
	v->text = r->report->inputs[input].path;
	return true;
}

static bool get_in_iface(struct record *r, struct field_value *v)
{
	return of_input(r, v, true);
}

static bool get_pcap_filename(struct record *r, struct field_value *v)
{
	return of_input(r, v, false);
}

TEXT(app_proto, r->connection->label.proto != NULL, r->connection->label.proto)
TEXT(app_service, r->connection->label.service != NULL, r->connection->label.service)
TEXT(app_confidence, r->connection->label.proto != NULL,
     tcpaudit_label_confidence_name((enum tcpaudit_label_confidence)r->connection->label.confidence))

/* Flow records. */
NUMBER(flow_start, true, r->connection->start)
NUMBER(flow_end, true, r->connection->last)
NUMBER(flow_duration, true, (r->connection->last - r->connection->start) / 1000)
END_NUMBER(packets, true, e->packets)
END_NUMBER(bytes, true, e->bytes)
END_NUMBER(text, true, e->text)
TEXT(client_vantage, true, tcpaudit_vantage_name((enum tcpaudit_vantage)r->connection->end[TCPAUDIT_CLIENT].vantage))
TEXT(server_vantage, true, tcpaudit_vantage_name((enum tcpaudit_vantage)r->connection->end[TCPAUDIT_SERVER].vantage))

static bool get_state_client(struct record *r, struct field_value *v)
{
	return next_state(r->connection->end[TCPAUDIT_CLIENT].states, v);
}

static bool get_state_server(struct record *r, struct field_value *v)
{
	return next_state(r->connection->end[TCPAUDIT_SERVER].states, v);
}

END_NUMBER(isn, e->isn_known, e->isn)
NUMBER(rtt, r->connection->rtt >= 0, r->connection->rtt / 1000)
NUMBER(syn_retries, r->connection->syn_retries > 0, r->connection->syn_retries)
NUMBER(syn_ack_retries, r->connection->syn_ack_retries > 0, r->connection->syn_ack_retries)
END_NUMBER(retransmissions, true, e->retransmissions)
END_NUMBER(resets, true, e->resets)
NUMBER(completeness, true, r->connection->completeness)

TEXT(close_kind, true, tcpaudit_kind_name((enum tcpaudit_kind)r->connection->kind))
TEXT(closed_first, true, tcpaudit_who_name((enum tcpaudit_who)r->connection->closed_first))
TEXT(close_confidence, true, tcpaudit_confidence_name((enum tcpaudit_confidence)r->connection->confidence))
TEXT(aborted_by, r->connection->aborted_by != TCPAUDIT_WHO_NONE, tcpaudit_who_name((enum tcpaudit_who)r->connection->aborted_by))
NUMBER(reset_frame, r->connection->reset.frame != 0, r->connection->reset.frame)
NUMBER(post_close_reset, r->connection->post_close_reset, 1)
NUMBER(forged_suspect, r->connection->forged_suspect, 1)
NUMBER(close_latency, r->connection->close_latency >= 0, r->connection->close_latency / 1000)
NUMBER(close_idle, r->connection->idle >= 0, r->connection->idle / 1000)

/* An acknowledgment that was captured before its FIN tells nothing of how long it took. */
static bool has_ack_delay(const struct tcpaudit_end *e)
{
	return e->fin_sent && e->fin_acked && e->fin.frame != 0 && e->fin_ack.time >= e->fin.time;
}

END_NUMBER(fin_seq, e->fin_sent, e->fin_seq)
END_NUMBER(fin_frame, e->fin_sent && e->fin.frame != 0, e->fin.frame)
END_NUMBER(ack_expected, e->fin_sent, (uint32_t)(e->fin_seq + 1))
END_NUMBER(ack_seen, e->fin_sent && e->fin_ack.frame != 0, e->fin_ack.ack)
END_NUMBER(ack_frame, e->fin_sent && e->fin_ack.frame != 0, e->fin_ack.frame)
END_NUMBER(fin_copies, e->fin_sent, e->fin_copies)
END_NUMBER(ack_delay, has_ack_delay(e), (e->fin_ack.time - e->fin.time) / 1000)
END_NUMBER(in_flight_at_fin, e->fin_sent && e->in_flight_at_fin > 0, e->in_flight_at_fin)
END_NUMBER(zero_window_at_fin, e->fin_sent && e->zero_window_at_fin, 1)
END_NUMBER(lost, true, e->lost)

static bool is_end(unsigned who)
{
	return who == TCPAUDIT_WHO_CLIENT || who == TCPAUDIT_WHO_SERVER;
}

static bool has_holder(const struct record *r)
{
	return r->connection->time_wait_holder < TCPAUDIT_WHO_NONE;
}

TEXT(half_close_by, is_end(r->connection->half_close_by), tcpaudit_who_name((enum tcpaudit_who)r->connection->half_close_by))
NUMBER(half_close_duration, is_end(r->connection->half_close_by), r->connection->half_close_duration / 1000)
NUMBER(half_close_bytes, is_end(r->connection->half_close_by), r->connection->half_close_bytes)
TEXT(close_wait_holder, is_end(r->connection->close_wait_holder), tcpaudit_who_name((enum tcpaudit_who)r->connection->close_wait_holder))
NUMBER(close_wait_duration, is_end(r->connection->close_wait_holder), r->connection->close_wait_duration / 1000)
NUMBER(close_wait_still_open, is_end(r->connection->close_wait_holder) && r->connection->close_wait_open, 1)
TEXT(time_wait_holder, has_holder(r), tcpaudit_who_name((enum tcpaudit_who)r->connection->time_wait_holder))
TEXT(time_wait_undecided, r->connection->time_wait_undecided != 0,
     tcpaudit_who_name((enum tcpaudit_who)(r->connection->time_wait_undecided - 1)))
NUMBER(time_wait_since, has_holder(r), r->connection->time_wait_since)
NUMBER(time_wait_until, has_holder(r), r->connection->time_wait_until)
NUMBER(time_wait_restarts, has_holder(r) && r->connection->time_wait_restarts > 0, r->connection->time_wait_restarts)

#define REUSED (r->connection->reuse_of != 0)
NUMBER(reuse_of, REUSED, r->connection->reuse_of)
NUMBER(reuse_interval, REUSED, r->connection->reuse_interval / 1000)
NUMBER(isn_delta, REUSED && r->connection->isn_delta_known, r->connection->isn_delta)
NUMBER(ts_delta, REUSED && r->connection->ts_delta_known, r->connection->ts_delta)
TEXT(reuse_verdict, REUSED && r->connection->reuse_verdict > 0, tcpaudit_checks(&(size_t){0})[r->connection->reuse_verdict - 1].id)

static bool get_capture(struct record *r, struct field_value *v)
{
	return next_check(r->report, r->kind == RECORD_FLOW ? r->connection->capture : r->finding->capture, v);
}

static bool get_flow_findings(struct record *r, struct field_value *v)
{
	return next_check(r->report, r->connection->findings, v);
}

#define STEP (&r->connection->transitions[r->row])
NUMBER(transitions, r->report->options->transitions, r->connection->transitions == NULL ? 0 : r->connection->transition_count)
TEXT(step_end, true, tcpaudit_who_name((enum tcpaudit_who)STEP->end))
TEXT(step_from, true, tcpaudit_state_name((enum tcpaudit_state)STEP->from))
TEXT(step_to, true, tcpaudit_state_name((enum tcpaudit_state)STEP->to))
NUMBER(step_frame, true, STEP->at.frame)
NUMBER(step_proof, true, STEP->proof.frame)
TEXT(step_input, has_inputs(r) && STEP->at.frame != 0 && input_path(r, STEP->at.input) != NULL, input_path(r, STEP->at.input))

/* Finding records. */
TEXT(rule_id, true, r->finding->check->id)
TEXT(severity, true, tcpaudit_severity_name((enum tcpaudit_severity)r->finding->severity))
TEXT(normative, true, tcpaudit_normative_name((enum tcpaudit_normative)r->finding->check->normative))
TEXT(confidence, true, tcpaudit_confidence_name((enum tcpaudit_confidence)r->finding->confidence))
TEXT(title, true, r->finding->check->title)
TEXT(endpoint, r->finding->endpoint < TCPAUDIT_WHO_NONE, tcpaudit_who_name((enum tcpaudit_who)r->finding->endpoint))
TEXT(basis, true, r->finding->check->basis == TCPAUDIT_PRESENCE ? "presence" : "absence")
TEXT(deliberate, r->finding->deliberate != NULL, r->finding->deliberate)
NUMBER(count, true, r->finding->count == 0 ? 1 : r->finding->count)
TEXT(advice, r->finding->check->advice[0] != '\0', r->finding->check->advice)

static bool get_before_client(struct record *r, struct field_value *v)
{
	return next_state(r->finding->before[TCPAUDIT_CLIENT], v);
}

static bool get_before_server(struct record *r, struct field_value *v)
{
	return next_state(r->finding->before[TCPAUDIT_SERVER], v);
}

static bool get_after_client(struct record *r, struct field_value *v)
{
	return next_state(r->finding->after[TCPAUDIT_CLIENT], v);
}

static bool get_after_server(struct record *r, struct field_value *v)
{
	return next_state(r->finding->after[TCPAUDIT_SERVER], v);
}

static bool next_fact(const struct tcpaudit_fact *fact, struct field_value *v)
{
	if (v->index == TCPAUDIT_FACTS || fact[v->index].name == NULL)
		return false;
	v->name = fact[v->index].name;
	v->number = fact[v->index++].value;
	return true;
}

static bool get_expected(struct record *r, struct field_value *v)
{
	return next_fact(r->finding->expected, v);
}

static bool get_observed(struct record *r, struct field_value *v)
{
	return next_fact(r->finding->observed, v);
}

#define EVIDENCE (&r->finding->evidence[r->row])
NUMBER(evidence, true, r->finding->evidence_count)
NUMBER(evidence_frame, true, EVIDENCE->frame)
TEXT(evidence_input, has_inputs(r) && input_path(r, EVIDENCE->input) != NULL, input_path(r, EVIDENCE->input))
NUMBER(evidence_time, true, EVIDENCE->time)
TEXT(evidence_from, true, tcpaudit_who_name((enum tcpaudit_who)EVIDENCE->from))
TEXT(evidence_flags, true, fields_flag_names(r->scratch, EVIDENCE->flags))
NUMBER(evidence_seq, true, EVIDENCE->seq)
NUMBER(evidence_ack, EVIDENCE->flags &TCPAUDIT_ACK, EVIDENCE->ack)
NUMBER(evidence_len, true, EVIDENCE->len)

/* "RFC 9293 3.10.7.4; RFC 5961 3" as an array. */
static bool get_rfc(struct record *r, struct field_value *v)
{
	const char *begin = r->finding->check->rfc + v->index;
	size_t length = strcspn(begin, ";");

	if (*begin == '\0' || length >= sizeof r->scratch)
		return false;
	memcpy(r->scratch, begin, length);
	r->scratch[length] = '\0';
	v->text = r->scratch;
	v->index += length + (begin[length] == ';');
	v->index += strspn(r->finding->check->rfc + v->index, " ");
	return true;
}

static bool get_wireshark(struct record *r, struct field_value *v)
{
	v->text = report_filter(r->scratch, r->finding->evidence, r->finding->evidence_count, r->finding->time);
	return v->text[0] != '\0';
}

/* Meta, stats and summary records. */
#define INPUT (&r->state->inputs[r->row])
TEXT(schema, true, "tcpaudit/1")
TEXT(version, true, tcpaudit_version())
NUMBER(inputs, true, r->state->input_count)
TEXT(input_path, true, INPUT->path)
TEXT(input_format, INPUT->format != NULL, INPUT->format)
NUMBER(input_packets, true, INPUT->packets)
NUMBER(input_bytes_unread, true, INPUT->bytes_unread)
NUMBER(input_offset, INPUT->error != NULL && !INPUT->live, INPUT->damage_offset)
TEXT(input_error, INPUT->error != NULL, INPUT->error)
NUMBER(input_recorded_drops, INPUT->recorded_drops != 0, INPUT->recorded_drops)
NUMBER(input_odd, INPUT->odd != 0, INPUT->odd)

static bool get_args(struct record *r, struct field_value *v)
{
	if (v->index >= r->report->options->arg_count)
		return false;
	v->text = r->report->options->args[v->index++];
	return true;
}

static bool get_rules(struct record *r, struct field_value *v)
{
	const struct report_rules *rules = r->report->options->rules;

	if (rules == NULL || v->index >= rules->file_count)
		return false;
	v->text = rules->files[v->index++];
	return true;
}

static bool get_checks(struct record *r, struct field_value *v)
{
	const struct tcpaudit_check *check;

	while ((check = report_check(r->report, v->index)) != NULL && r->report->options->settings->check[v->index].severity < 0)
		v->index++;
	v->index++;
	if (check == NULL)
		return false;
	v->text = check->id;
	return true;
}

static bool get_checks_cut(struct record *r, struct field_value *v)
{
	const struct tcpaudit_check *check = report_check_cut(r->report, r->state, &v->index);

	if (check != NULL)
		v->text = check->id;
	return check != NULL;
}

/* The link types of all inputs, each once. */
static bool get_linktypes(struct record *r, struct field_value *v)
{
	size_t at = 0;

	for (size_t i = 0; i < r->state->input_count; i++) {
		const struct capture_input *input = &r->state->inputs[i];

		for (size_t j = 0; j < input->linktypes; j++, at++) {
			bool known = false;

			for (size_t k = 0; k < i && !known; k++)
				known = memmem(r->state->inputs[k].linktype,
				               r->state->inputs[k].linktypes * sizeof *input->linktype, &input->linktype[j],
				               sizeof *input->linktype) != NULL;
			if (at < v->index || known)
				continue;
			v->number = input->linktype[j];
			v->index = at + 1;
			return true;
		}
	}
	return false;
}

static bool get_snaplen(struct record *r, struct field_value *v)
{
	v->number = 0;
	for (size_t i = 0; i < r->state->input_count; i++)
		if (r->state->inputs[i].snaplen > v->number)
			v->number = r->state->inputs[i].snaplen;
	return v->number > 0;
}

TEXT(filter, true, r->report->options->filter)

static bool get_checksum(struct record *r, struct field_value *v)
{
	static const char *const name[] = {
	        [TCPAUDIT_CHECKSUM_AUTO] = "auto", [TCPAUDIT_CHECKSUM_STRICT] = "strict", [TCPAUDIT_CHECKSUM_OFF] = "off"};

	v->text = name[r->report->options->settings->checksum];
	return true;
}

#define COUNTERS (r->state->counters)
TEXT(verdict, true, report_verdict_name(r->state->verdict))
NUMBER(exit_status, true, r->state->exit_status)
NUMBER(packets_read, true, COUNTERS->frames)
NUMBER(packets_tcp, true, COUNTERS->fate[TCPAUDIT_FATE_TCP])

static bool get_not_analysed(struct record *r, struct field_value *v)
{
	if (v->index == TCPAUDIT_FATE_TCP)
		v->index++;
	if (!next_count(COUNTERS->fate, TCPAUDIT_FATE_COUNT, v))
		return false;
	v->name = tcpaudit_fate_name((enum tcpaudit_fate)v->index++);
	return true;
}

static bool get_unusable(struct record *r, struct field_value *v)
{
	if (v->index == TCPAUDIT_UNUSABLE_NONE)
		v->index++;
	if (!next_count(COUNTERS->unusable, TCPAUDIT_UNUSABLE_COUNT, v))
		return false;
	v->name = tcpaudit_unusable_name((enum tcpaudit_unusable)v->index++);
	return true;
}

static bool get_by_close(struct record *r, struct field_value *v)
{
	if (!next_count(COUNTERS->by_kind, TCPAUDIT_KIND_COUNT, v))
		return false;
	v->name = tcpaudit_kind_name((enum tcpaudit_kind)v->index++);
	return true;
}

NUMBER(kernel_received, r->state->live, r->state->kernel.received)
NUMBER(kernel_dropped, r->state->live, r->state->kernel.dropped)
NUMBER(kernel_interface_dropped, r->state->live, r->state->kernel.interface_dropped)
NUMBER(kernel_longest_pause, r->state->live, r->state->kernel.longest_pause / 1000)
#define WORKERS (r->state->workers)
#define WORKER  (WORKERS->worker[r->row])
NUMBER(workers, WORKERS != NULL, WORKERS->count)
NUMBER(worker_packets, true, WORKER.packets)
NUMBER(worker_connections, true, WORKER.connections)
NUMBER(worker_dropped, true, WORKER.dropped)
NUMBER(worker_longest_pause, true, WORKER.longest_pause / 1000)
NUMBER(connections_split, WORKERS != NULL, WORKERS->split)
NUMBER(splits_forgotten, WORKERS != NULL && WORKERS->splits_forgotten != 0, WORKERS->splits_forgotten)
NUMBER(connections_total, true, COUNTERS->connections)
NUMBER(connections_open, true, COUNTERS->open)
#define MEASURES r->report->measures
NUMBER(close_wait_ends, MEASURES->close_wait.count > 0, MEASURES->close_wait.count)
NUMBER(close_wait_open, MEASURES->close_wait.count > 0, MEASURES->close_wait_open)
NUMBER(close_wait_median, MEASURES->close_wait.count > 0, (int64_t)tally_median(&MEASURES->close_wait) / 1000)
NUMBER(close_wait_p95, MEASURES->close_wait.count > 0, (int64_t)tally_percentile(&MEASURES->close_wait, 95) / 1000)
NUMBER(close_wait_longest, MEASURES->close_wait.count > 0, MEASURES->close_wait_longest / 1000)
NUMBER(time_wait_ends, MEASURES->time_waits > 0, MEASURES->time_waits)
NUMBER(time_wait_peak, MEASURES->top != NULL, MEASURES->top->peak)
NUMBER(time_wait_left_out, MEASURES->hosts_left_out > 0, MEASURES->hosts_left_out)
#define SERVICE (MEASURES->services.top[r->row])
NUMBER(services, true, MEASURES->services.shown)
NUMBER(service_port, true, SERVICE->port)
NUMBER(service_connections, true, SERVICE->connections)
NUMBER(service_reset, true, SERVICE->reset)
NUMBER(service_server_first, true, SERVICE->server_first)
NUMBER(service_open, true, SERVICE->close_wait_open)
NUMBER(service_median, SERVICE->close_waits > 0, service_stay(SERVICE, 50))
NUMBER(service_p95, SERVICE->close_waits > 0, service_stay(SERVICE, 95))
NUMBER(services_left_out, MEASURES->services.left_out > 0, MEASURES->services.left_out)

static bool get_service_ip(struct record *r, struct field_value *v)
{
	v->address = &SERVICE->address;
	v->ip_version = SERVICE->ip_version;
	return true;
}

TEXT(time_wait_peak_ip, MEASURES->top != NULL, page_address(r->scratch, &MEASURES->top->address, MEASURES->top->ip_version))

NUMBER(connections_evicted, true, COUNTERS->evicted)
NUMBER(twins_forgotten, COUNTERS->twins_forgotten != 0, COUNTERS->twins_forgotten)
NUMBER(pressure_forgotten, COUNTERS->pressure_forgotten != 0, COUNTERS->pressure_forgotten)
NUMBER(isns_forgotten, COUNTERS->isns_forgotten != 0, COUNTERS->isns_forgotten)
NUMBER(time_backwards, COUNTERS->time_backwards != 0, COUNTERS->time_backwards)
NUMBER(time_held, COUNTERS->time_held != 0, COUNTERS->time_held)
NUMBER(memory, true, COUNTERS->memory)
#define APP (&r->report->apps.app[r->row])
NUMBER(apps, r->report->apps.count > 0, r->report->apps.count)
TEXT(app_name, true, APP->name)
NUMBER(app_connections, true, APP->connections)
NUMBER(app_aborted, true, APP->aborted)
NUMBER(app_half_close, true, APP->half_close)

static bool get_app_by_close(struct record *r, struct field_value *v)
{
	if (!next_count(APP->by_kind, TCPAUDIT_KIND_COUNT, v))
		return false;
	v->name = tcpaudit_kind_name((enum tcpaudit_kind)v->index++);
	return true;
}

#define DPI (r->state->dpi)
TEXT(dpi_library, DPI != NULL, DPI->library)
NUMBER(dpi_named, DPI != NULL, DPI->named)
NUMBER(dpi_unnamed, DPI != NULL, DPI->unnamed)
NUMBER(dpi_off, DPI != NULL, DPI->off)
NUMBER(dpi_shed, DPI != NULL, DPI->shed)
NUMBER(dpi_memory, DPI != NULL, DPI->memory)

NUMBER(output_records, true, r->state->records + 1)
NUMBER(output_lost, true, r->state->lost)

static bool get_finding_counts(struct record *r, struct field_value *v)
{
	return next_check_count(r->report, COUNTERS->findings, v);
}

static bool get_suppressed(struct record *r, struct field_value *v)
{
	return next_check_count(r->report, COUNTERS->suppressed, v);
}

static bool get_undetermined(struct record *r, struct field_value *v)
{
	return next_check_count(r->report, COUNTERS->undetermined, v);
}

static bool get_passed_over(struct record *r, struct field_value *v)
{
	return next_check_count(r->report, COUNTERS->passed_over, v);
}

static bool get_limited(struct record *r, struct field_value *v)
{
	const struct report_rules *rules = r->report->options->rules;

	return rules != NULL && next_check_count(r->report, rules->limited, v);
}

static bool get_limits_forgotten(struct record *r, struct field_value *v)
{
	const struct report_rules *rules = r->report->options->rules;

	v->number = rules == NULL ? 0 : (int64_t)*rules->limits_forgotten;
	return v->number != 0;
}

/* What a rule of the user says of its finding. */
static bool get_message(struct record *r, struct field_value *v)
{
	v->text = report_message(r->report, r->finding, r->text, sizeof r->text);
	return v->text[0] != '\0';
}

/* Values of strings that come from a closed set. */
#define TEXT_OF(name, text) text,
static const char *const states[] = {TCPAUDIT_STATES(TEXT_OF) NULL};
static const char *const kinds[] = {TCPAUDIT_KINDS(TEXT_OF) NULL};
#undef TEXT_OF
static const char *const ends[] = {"client", "server", NULL};
static const char *const ends_or_both[] = {"client", "server", "both", NULL};
static const char *const anyone[] = {"client", "server", "both", "none", "unknown", NULL};
static const char *const severities[] = {"error", "warning", "note", "info", NULL};
static const char *const normatives[] = {"MUST", "text", "SHOULD", "risk", "info", "rule", NULL};
static const char *const confidences[] = {"certain", "likely", "possible", NULL};
static const char *const any_confidence[] = {"certain", "likely", "possible", "suppressed", NULL};
static const char *const label_confidences[] = {"dpi", "dpi-cache", "dpi-partial", NULL};
static const char *const vantages[] = {"at", "near", "far", "unknown", NULL};
static const char *const bases[] = {"presence", "absence", NULL};
static const char *const verdicts[] = {"ok", "findings", "incomplete", NULL};
static const char *const tcp[] = {"TCP", NULL};

#define META RECORD_META
#define FLOW RECORD_FLOW
#define FIND RECORD_FINDING
#define SUMS (RECORD_STATS | RECORD_SUMMARY)
#define LAST RECORD_SUMMARY
#define BOTH (FLOW | FIND)
#define EACH (META | FLOW | FIND | SUMS)

/* clang-format off */
static const struct field table[] = {
	{"event_type", EACH, FIELD_STRING, EACH, "", "kind of record: meta, flow, finding, stats or summary", get_event_type, NULL},
	{"timestamp", EACH, FIELD_TIME, EACH, "", "last frame of a flow, decisive frame of a finding, otherwise when the record was made (files: the newest frame so far, the beginning of 1970 if there is none)", get_timestamp, NULL},

	{"flow_id", BOTH, FIELD_INTEGER, BOTH, "", "connection: the ordinal, among all frames read, of the frame that began it; with several workers, among those of its worker, whose number (from 1) times 2^46 is added", get_flow_id, NULL},
	{"community_id", BOTH, FIELD_STRING, BOTH, "", "Community ID version 1 with seed 0", get_community_id, NULL},
	{"src_ip", BOTH, FIELD_ADDRESS, BOTH, "", "address of the client, which sent the first SYN or is presumed to have", get_src_ip, NULL},
	{"src_port", BOTH, FIELD_INTEGER, BOTH, "", "port of the client", get_client_port, NULL},
	{"dest_ip", BOTH, FIELD_ADDRESS, BOTH, "", "address of the server", get_dest_ip, NULL},
	{"dest_port", BOTH, FIELD_INTEGER, BOTH, "", "port of the server", get_server_port, NULL},
	{"proto", BOTH, FIELD_STRING, BOTH, "", "always TCP", get_proto, tcp},
	{"vlan", BOTH, FIELD_INTEGER, 0, "", "VLAN identifier, outside any tunnel", get_vlan, NULL},
	{"vni", BOTH, FIELD_INTEGER, 0, "", "VXLAN or GENEVE network identifier", get_network, NULL},
	{"in_iface", BOTH, FIELD_STRING, 0, "", "interface on which it began", get_in_iface, NULL},
	{"pcap_filename", BOTH, FIELD_STRING, 0, "", "file in which it began", get_pcap_filename, NULL},
	{"app_proto", BOTH, FIELD_STRING, 0, "", "application protocol, as nDPI calls it, if the text shows it (not with --no-dpi)", get_app_proto, NULL},
	{"app_service", BOTH, FIELD_STRING, 0, "", "service that is reached by it, if the text names it", get_app_service, NULL},
	{"app_confidence", BOTH, FIELD_STRING, 0, "", "what app_proto rests on: the text (dpi), a part of what identifies it (dpi-partial), or an earlier connection that was identified (dpi-cache)", get_app_confidence, label_confidences},

	{"flow.start", FLOW, FIELD_TIME, FLOW, "", "first frame", get_flow_start, NULL},
	{"flow.end", FLOW, FIELD_TIME, FLOW, "", "last frame", get_flow_end, NULL},
	{"flow.duration_us", FLOW, FIELD_INTEGER, FLOW, "us", "from the first frame to the last", get_flow_duration, NULL},
	{"flow.pkts_toserver", FLOW, FIELD_INTEGER, FLOW, "packets", "sent by the client", get_client_packets, NULL},
	{"flow.pkts_toclient", FLOW, FIELD_INTEGER, FLOW, "packets", "sent by the server", get_server_packets, NULL},
	{"flow.bytes_toserver", FLOW, FIELD_INTEGER, FLOW, "bytes", "of the client's frames on the wire", get_client_bytes, NULL},
	{"flow.bytes_toclient", FLOW, FIELD_INTEGER, FLOW, "bytes", "of the server's frames on the wire", get_server_bytes, NULL},
	{"flow.vantage.client", FLOW, FIELD_STRING, FLOW, "", "where the capture stands towards the client", get_client_vantage, vantages},
	{"flow.vantage.server", FLOW, FIELD_STRING, FLOW, "", "where the capture stands towards the server", get_server_vantage, vantages},

	{"tcp.state_client", FLOW, FIELD_STRINGS, FLOW, "", "states in which the client can be, after all that was seen", get_state_client, states},
	{"tcp.state_server", FLOW, FIELD_STRINGS, FLOW, "", "states in which the server can be", get_state_server, states},
	{"tcp.isn_client", FLOW, FIELD_INTEGER, 0, "", "initial sequence number of the client", get_client_isn, NULL},
	{"tcp.isn_server", FLOW, FIELD_INTEGER, 0, "", "initial sequence number of the server", get_server_isn, NULL},
	{"tcp.rtt_us", FLOW, FIELD_INTEGER, 0, "us", "round-trip time of the handshake, from the SYN to the ACK of the SYN-ACK", get_rtt, NULL},
	{"tcp.syn_retries", FLOW, FIELD_INTEGER, 0, "segments", "SYNs that the client sent beyond the first; absent: none", get_syn_retries, NULL},
	{"tcp.synack_retries", FLOW, FIELD_INTEGER, 0, "segments", "SYN-ACKs that the server sent beyond the first; absent: none", get_syn_ack_retries, NULL},
	{"tcp.retransmissions_toserver", FLOW, FIELD_INTEGER, FLOW, "segments", "with nothing but text, SYN or FIN that the client had sent before", get_client_retransmissions, NULL},
	{"tcp.retransmissions_toclient", FLOW, FIELD_INTEGER, FLOW, "segments", "with nothing but text, SYN or FIN that the server had sent before", get_server_retransmissions, NULL},
	{"tcp.resets_toserver", FLOW, FIELD_INTEGER, FLOW, "segments", "resets sent by the client", get_client_resets, NULL},
	{"tcp.resets_toclient", FLOW, FIELD_INTEGER, FLOW, "segments", "resets sent by the server", get_server_resets, NULL},
	{"tcp.text_toserver", FLOW, FIELD_INTEGER, FLOW, "bytes", "octets of text that the client sent, each counted once, parts that the capture missed included", get_client_text, NULL},
	{"tcp.text_toclient", FLOW, FIELD_INTEGER, FLOW, "bytes", "octets of text that the server sent", get_server_text, NULL},
	{"tcp.completeness", FLOW, FIELD_INTEGER, FLOW, "", "what was seen, in Wireshark's bits: SYN 1, SYN-ACK 2, ACK 4, data 8, FIN 16, RST 32", get_completeness, NULL},

	{"close.kind", FLOW, FIELD_STRING, FLOW, "", "how it ended", get_close_kind, kinds},
	{"close.closed_first", FLOW, FIELD_STRING, FLOW, "", "end whose first FIN does not acknowledge the other's", get_closed_first, anyone},
	{"close.confidence", FLOW, FIELD_STRING, FLOW, "", "how far kind is proven", get_close_confidence, any_confidence},
	{"close.reset_frame", FLOW, FIELD_INTEGER, 0, "", "frame of the first effective reset", get_reset_frame, NULL},
	{"close.aborted_by", FLOW, FIELD_STRING, 0, "", "sender of the reset that ended it, before both FINs were acknowledged; unknown if it was probably neither end", get_aborted_by, anyone},
	{"close.post_close_rst", FLOW, FIELD_BOOLEAN, 0, "", "a reset followed after both FINs were acknowledged", get_post_close_reset, NULL},
	{"close.forged_suspect", FLOW, FIELD_BOOLEAN, 0, "", "a FIN or reset is probably not from whom it says", get_forged_suspect, NULL},
	{"close.latency_us", FLOW, FIELD_INTEGER, 0, "us", "from the first FIN to the acknowledgment of the last one to be acknowledged; absent unless both were", get_close_latency, NULL},
	{"close.idle_us", FLOW, FIELD_INTEGER, 0, "us", "for which neither end had sent anything before the first FIN or effective reset, or else before the end of what was seen; keep-alives are no silence", get_close_idle, NULL},
	{"close.client.fin_seq", FLOW, FIELD_INTEGER, FLOW, "", "sequence number that the client's FIN occupies; the object is there only if it sent a FIN", get_client_fin_seq, NULL},
	{"close.client.fin_frame", FLOW, FIELD_INTEGER, 0, "", "frame of its first copy", get_client_fin_frame, NULL},
	{"close.client.ack_expected", FLOW, FIELD_INTEGER, FLOW, "", "acknowledgment number that confirms it: fin_seq + 1", get_client_ack_expected, NULL},
	{"close.client.ack_seen", FLOW, FIELD_INTEGER, 0, "", "acknowledgment number with which the server first answered it", get_client_ack_seen, NULL},
	{"close.client.ack_frame", FLOW, FIELD_INTEGER, 0, "", "frame of that acknowledgment", get_client_ack_frame, NULL},
	{"close.client.fin_copies", FLOW, FIELD_INTEGER, FLOW, "segments", "how often the FIN was sent", get_client_fin_copies, NULL},
	{"close.client.ack_delay_us", FLOW, FIELD_INTEGER, 0, "us", "from its first captured copy to the first acknowledgment of it", get_client_ack_delay, NULL},
	{"close.client.in_flight_at_fin", FLOW, FIELD_INTEGER, 0, "bytes", "octets of text up to it that the server had not been seen to acknowledge when it was first sent; absent: none", get_client_in_flight_at_fin, NULL},
	{"close.client.zero_window_at_fin", FLOW, FIELD_BOOLEAN, 0, "", "the server had closed its window then", get_client_zero_window_at_fin, NULL},
	{"close.server.fin_seq", FLOW, FIELD_INTEGER, FLOW, "", "the same for the server's FIN", get_server_fin_seq, NULL},
	{"close.server.fin_frame", FLOW, FIELD_INTEGER, 0, "", "frame of its first copy", get_server_fin_frame, NULL},
	{"close.server.ack_expected", FLOW, FIELD_INTEGER, FLOW, "", "acknowledgment number that confirms it: fin_seq + 1", get_server_ack_expected, NULL},
	{"close.server.ack_seen", FLOW, FIELD_INTEGER, 0, "", "acknowledgment number with which the client first answered it", get_server_ack_seen, NULL},
	{"close.server.ack_frame", FLOW, FIELD_INTEGER, 0, "", "frame of that acknowledgment", get_server_ack_frame, NULL},
	{"close.server.fin_copies", FLOW, FIELD_INTEGER, FLOW, "segments", "how often the FIN was sent", get_server_fin_copies, NULL},
	{"close.server.ack_delay_us", FLOW, FIELD_INTEGER, 0, "us", "from its first captured copy to the first acknowledgment of it", get_server_ack_delay, NULL},
	{"close.server.in_flight_at_fin", FLOW, FIELD_INTEGER, 0, "bytes", "octets of text up to it that the client had not been seen to acknowledge when it was first sent; absent: none", get_server_in_flight_at_fin, NULL},
	{"close.server.zero_window_at_fin", FLOW, FIELD_BOOLEAN, 0, "", "the client had closed its window then", get_server_zero_window_at_fin, NULL},
	{"close.half_close.by", FLOW, FIELD_STRING, FLOW, "", "end that closed its sending direction first", get_half_close_by, ends},
	{"close.half_close.duration_us", FLOW, FIELD_INTEGER, FLOW, "us", "from the first acknowledgment of its FIN to the other FIN, or to the end", get_half_close_duration, NULL},
	{"close.half_close.bytes", FLOW, FIELD_INTEGER, FLOW, "bytes", "new text that the other end sent meanwhile, knowing of the FIN", get_half_close_bytes, NULL},
	{"close.close_wait.holder", FLOW, FIELD_STRING, FLOW, "", "end that was, or is, in CLOSE-WAIT: the second closer", get_close_wait_holder, ends},
	{"close.close_wait.duration_us", FLOW, FIELD_INTEGER, FLOW, "us", "from the acknowledgment of the first FIN to its own FIN, or to the reset, or to the end", get_close_wait_duration, NULL},
	{"close.close_wait.open", FLOW, FIELD_BOOLEAN, 0, "", "it was not seen to leave", get_close_wait_still_open, NULL},
	{"close.time_wait.holder", FLOW, FIELD_STRING, FLOW, "", "end that is left in TIME-WAIT", get_time_wait_holder, ends_or_both},
	{"close.time_wait.since", FLOW, FIELD_TIME, FLOW, "", "when its TIME-WAIT began", get_time_wait_since, NULL},
	{"close.time_wait.expected_end", FLOW, FIELD_TIME, FLOW, "", "2MSL after it began, or last began anew", get_time_wait_until, NULL},
	{"close.time_wait.restarts", FLOW, FIELD_INTEGER, 0, "", "repeated FINs that started it anew", get_time_wait_restarts, NULL},
	{"close.time_wait_undecided", FLOW, FIELD_STRING, 0, "", "end of which the capture does not tell whether it is left in TIME-WAIT; the holder leaves it out", get_time_wait_undecided, ends_or_both},
	{"close.lost_bytes.toserver", FLOW, FIELD_INTEGER, FLOW, "bytes", "sent by the client and not acknowledged when the connection died", get_client_lost, NULL},
	{"close.lost_bytes.toclient", FLOW, FIELD_INTEGER, FLOW, "bytes", "sent by the server and not acknowledged when the connection died", get_server_lost, NULL},

	{"reuse.flow_before", FLOW, FIELD_INTEGER, FLOW, "", "flow_id of the connection before on the same socket pair; the object is there only if one is known", get_reuse_of, NULL},
	{"reuse.interval_us", FLOW, FIELD_INTEGER, FLOW, "us", "from its last frame to the first of this one", get_reuse_interval, NULL},
	{"reuse.isn_delta", FLOW, FIELD_INTEGER, 0, "", "initial sequence number of the client minus the SND.NXT that this end had before, modulo 2^32 and signed", get_isn_delta, NULL},
	{"reuse.ts_delta", FLOW, FIELD_INTEGER, 0, "", "TSval of the SYN minus the highest that this end had sent before, in ticks of its clock, if both connections have timestamps", get_ts_delta, NULL},
	{"reuse.verdict", FLOW, FIELD_STRING, 0, "", "id of the gravest check that spoke of the reuse, reuse-interval apart", get_reuse_verdict, NULL},

	{"rule_id", FIND, FIELD_STRING, FIND, "", "id of the check", get_rule_id, NULL},
	{"severity", FIND, FIELD_STRING, FIND, "", "severity, after confidence and basis have lowered it", get_severity, severities},
	{"normative", FIND, FIELD_STRING, FIND, "", "what the check stands on: a numbered MUST or SHOULD, the RFC's text, a risk, a mere fact, or a rule of the user", get_normative, normatives},
	{"confidence", FIND, FIELD_STRING, FIND, "", "how far it is proven", get_confidence, confidences},
	{"title", FIND, FIELD_STRING, FIND, "", "the check in one clause", get_title, NULL},
	{"message", FIND, FIELD_STRING, 0, "", "what a rule of the user says of it", get_message, NULL},
	{"endpoint", FIND, FIELD_STRING, 0, "", "end that it speaks of", get_endpoint, ends_or_both},
	{"basis", FIND, FIELD_STRING, FIND, "", "presence: no unseen frame could refute it; absence: one could", get_basis, bases},
	{"deliberate", FIND, FIELD_STRING, 0, "", "behaviour of a known stack that explains it", get_deliberate, NULL},
	{"state_before.client", FIND, FIELD_STRINGS, FIND, "", "states in which the client could be before the decisive frame", get_before_client, states},
	{"state_before.server", FIND, FIELD_STRINGS, FIND, "", "the same for the server", get_before_server, states},
	{"state_after.client", FIND, FIELD_STRINGS, FIND, "", "states in which the client could be after it", get_after_client, states},
	{"state_after.server", FIND, FIELD_STRINGS, FIND, "", "the same for the server", get_after_server, states},
	{"expected", FIND, FIELD_COUNTS, FIND, "", "numbers that the check expected, by name", get_expected, NULL},
	{"observed", FIND, FIELD_COUNTS, FIND, "", "numbers that it found instead", get_observed, NULL},
	{"evidence", FIND, FIELD_ROWS, FIND, "", "frames that prove it", get_evidence, NULL},
	{"evidence[].frame", FIND, FIELD_INTEGER, FIND, "", "frame number in its input, as Wireshark counts", get_evidence_frame, NULL},
	{"evidence[].input", FIND, FIELD_STRING, 0, "", "its input, if there are several", get_evidence_input, NULL},
	{"evidence[].timestamp", FIND, FIELD_TIME, FIND, "", "its time", get_evidence_time, NULL},
	{"evidence[].from", FIND, FIELD_STRING, FIND, "", "end that sent it", get_evidence_from, ends},
	{"evidence[].flags", FIND, FIELD_STRING, FIND, "", "control bits, separated by commas", get_evidence_flags, NULL},
	{"evidence[].seq", FIND, FIELD_INTEGER, FIND, "", "SEG.SEQ, raw", get_evidence_seq, NULL},
	{"evidence[].ack", FIND, FIELD_INTEGER, 0, "", "SEG.ACK, raw, if the ACK bit is set", get_evidence_ack, NULL},
	{"evidence[].len", FIND, FIELD_INTEGER, FIND, "bytes", "octets of text", get_evidence_len, NULL},

	{"capture", BOTH, FIELD_STRINGS, BOTH, "", "notes on how it was captured; in a finding, those that lowered it", get_capture, NULL},
	{"findings", FLOW, FIELD_STRINGS, FLOW, "", "ids of the checks that it raised, of any severity", get_flow_findings, NULL},
	{"transitions", FLOW, FIELD_ROWS, 0, "", "way of each end through the state diagram (--transitions)", get_transitions, NULL},
	{"transitions[].end", FLOW, FIELD_STRING, FLOW, "", "which end", get_step_end, ends},
	{"transitions[].from", FLOW, FIELD_STRING, FLOW, "", "state that it left", get_step_from, states},
	{"transitions[].to", FLOW, FIELD_STRING, FLOW, "", "state that it entered", get_step_to, states},
	{"transitions[].frame", FLOW, FIELD_FRAME, FLOW, "", "frame with which that could first happen", get_step_frame, NULL},
	{"transitions[].proven_by", FLOW, FIELD_FRAME, FLOW, "", "frame that proves it; null if it is presumed", get_step_proof, NULL},
	{"transitions[].input", FLOW, FIELD_STRING, 0, "", "input of that frame, if there are several", get_step_input, NULL},

	{"count", FIND, FIELD_INTEGER, FIND, "", "how often it happened on this connection", get_count, NULL},
	{"rfc", FIND, FIELD_STRINGS, FIND, "", "paragraphs that it rests on", get_rfc, NULL},
	{"advice", FIND, FIELD_STRING, 0, "", "what to look at next", get_advice, NULL},
	{"wireshark", FIND, FIELD_STRING, 0, "", "display filter that shows the evidence", get_wireshark, NULL},

	{"schema", META, FIELD_STRING, META, "", "name and version of this format", get_schema, NULL},
	{"version", META, FIELD_STRING, META, "", "version of tcpaudit", get_version, NULL},
	{"dpi_library", META, FIELD_STRING, 0, "", "what names applications, with its version", get_dpi_library, NULL},
	{"args", META, FIELD_STRINGS, META, "", "command line", get_args, NULL},
	{"verdict", SUMS, FIELD_STRING, SUMS, "", "incomplete if there were drops, damage, eviction or lost records; else findings if any warning or error; else ok", get_verdict, verdicts},
	{"exit_status", LAST, FIELD_INTEGER, LAST, "", "of the program", get_exit_status, NULL},
	{"packets.read", SUMS, FIELD_INTEGER, SUMS, "packets", "frames read: tcp and all of not_analysed together", get_packets_read, NULL},
	{"packets.tcp", SUMS, FIELD_INTEGER, SUMS, "packets", "frames in which a TCP header begins", get_packets_tcp, NULL},
	{"packets.not_analysed", SUMS, FIELD_COUNTS, SUMS, "packets", "the others, by reason; fragment-waiting: whose datagram is not complete now, the other numbers only grow", get_not_analysed, NULL},
	{"packets.tcp_unusable", SUMS, FIELD_COUNTS, SUMS, "packets", "part of tcp whose numbers could not be used, by reason", get_unusable, NULL},
	{"kernel.received", SUMS, FIELD_INTEGER, SUMS, "packets", "passed the filter: read and dropped together, and in stats what the ring still holds (live)", get_kernel_received, NULL},
	{"kernel.dropped", SUMS, FIELD_INTEGER, SUMS, "packets", "no room in the ring (live)", get_kernel_dropped, NULL},
	{"kernel.interface_dropped", SUMS, FIELD_INTEGER, SUMS, "packets", "dropped by the interface or its driver (live)", get_kernel_interface_dropped, NULL},
	{"kernel.longest_pause_us", SUMS, FIELD_INTEGER, 0, "us", "longest time for which a ring was not read while its worker had other things to do (live)", get_kernel_longest_pause, NULL},
	{"connections.total", SUMS, FIELD_INTEGER, SUMS, "connections", "incarnations begun", get_connections_total, NULL},
	{"connections.open", SUMS, FIELD_INTEGER, SUMS, "connections", "of them, not reported yet", get_connections_open, NULL},
	{"connections.by_close", SUMS, FIELD_COUNTS, SUMS, "connections", "reported ones, by close.kind", get_by_close, NULL},
	{"connections.evicted", SUMS, FIELD_INTEGER, SUMS, "connections", "removed by a limit before their end", get_connections_evicted, NULL},
	{"connections.twins_forgotten", SUMS, FIELD_INTEGER, 0, "connections", "too many handshakes at once to tell whether they are there on the other side of a NAT, too", get_twins_forgotten, NULL},
	{"connections.pressure_forgotten", SUMS, FIELD_INTEGER, 0, "connections", "too many hosts at once to count the TIME-WAITs of each", get_pressure_forgotten, NULL},
	{"connections.isns_forgotten", SUMS, FIELD_INTEGER, 0, "connections", "too many hosts at once to compare the initial sequence numbers of each", get_isns_forgotten, NULL},
	{"connections.split", SUMS, FIELD_INTEGER, 0, "connections", "of which two workers saw one direction each (--workers)", get_connections_split, NULL},
	{"connections.splits_forgotten", SUMS, FIELD_INTEGER, 0, "connections", "seen in one direction, too many at once to tell whether another worker saw the other", get_splits_forgotten, NULL},
	{"close_wait.ends", LAST, FIELD_INTEGER, 0, "ends", "that have been in CLOSE-WAIT", get_close_wait_ends, NULL},
	{"close_wait.open", LAST, FIELD_INTEGER, 0, "ends", "of them, were not seen to leave it", get_close_wait_open, NULL},
	{"close_wait.median_us", LAST, FIELD_INTEGER, 0, "us", "that they stayed there, or have been there at the end, to a sixty-fourth", get_close_wait_median, NULL},
	{"close_wait.p95_us", LAST, FIELD_INTEGER, 0, "us", "95 of 100 stayed no longer", get_close_wait_p95, NULL},
	{"close_wait.longest_us", LAST, FIELD_INTEGER, 0, "us", "the longest stay", get_close_wait_longest, NULL},
	{"time_wait.ends", LAST, FIELD_INTEGER, 0, "ends", "that were left in TIME-WAIT", get_time_wait_ends, NULL},
	{"time_wait.peak", LAST, FIELD_INTEGER, 0, "ends", "most TIME-WAITs that one host held at once, 2MSL each", get_time_wait_peak, NULL},
	{"time_wait.peak_ip", LAST, FIELD_STRING, 0, "", "that host", get_time_wait_peak_ip, NULL},
	{"time_wait.left_out", LAST, FIELD_INTEGER, 0, "ends", "TIME-WAITs of hosts that found no room in the table", get_time_wait_left_out, NULL},
	{"services", LAST, FIELD_ROWS, LAST, "", "servers' sockets with most connections that got past the handshake, at most 10", get_services, NULL},
	{"services[].ip", LAST, FIELD_ADDRESS, LAST, "", "address of the server", get_service_ip, NULL},
	{"services[].port", LAST, FIELD_INTEGER, LAST, "", "port of the server", get_service_port, NULL},
	{"services[].connections", LAST, FIELD_INTEGER, LAST, "connections", "to it that got past the handshake", get_service_connections, NULL},
	{"services[].reset", LAST, FIELD_INTEGER, LAST, "connections", "of them, ended by an effective reset", get_service_reset, NULL},
	{"services[].server_first", LAST, FIELD_INTEGER, LAST, "connections", "of them, closed first by the server", get_service_server_first, NULL},
	{"services[].close_wait_open", LAST, FIELD_INTEGER, LAST, "connections", "of them, in which the server was not seen to leave CLOSE-WAIT", get_service_open, NULL},
	{"services[].close_wait_median_us", LAST, FIELD_INTEGER, 0, "us", "that the server stayed in CLOSE-WAIT, or has been there at the end, to a sixteenth", get_service_median, NULL},
	{"services[].close_wait_p95_us", LAST, FIELD_INTEGER, 0, "us", "95 of 100 stayed no longer", get_service_p95, NULL},
	{"services_left_out", LAST, FIELD_INTEGER, 0, "connections", "to servers' sockets that found no room in the table, or gave it up", get_services_left_out, NULL},
	{"apps", LAST, FIELD_ROWS, 0, "", "how the connections of each application closed, the most frequent first; beyond 64 they are one, other", get_apps, NULL},
	{"apps[].app_proto", LAST, FIELD_STRING, LAST, "", "the application, as in flow records", get_app_name, NULL},
	{"apps[].connections", LAST, FIELD_INTEGER, LAST, "connections", "reported ones", get_app_connections, NULL},
	{"apps[].by_close", LAST, FIELD_COUNTS, LAST, "connections", "of them, by close.kind", get_app_by_close, NULL},
	{"apps[].half_close", LAST, FIELD_INTEGER, LAST, "connections", "of them, in which text flowed towards an end that had sent its FIN", get_app_half_close, NULL},
	{"apps[].aborted", LAST, FIELD_INTEGER, LAST, "connections", "of them, that an effective reset ended", get_app_aborted, NULL},
	{"dpi.named", SUMS, FIELD_INTEGER, 0, "connections", "that got an app_proto; the object is there only if applications are looked for", get_dpi_named, NULL},
	{"dpi.unnamed", SUMS, FIELD_INTEGER, 0, "connections", "in whose text nothing was recognised", get_dpi_unnamed, NULL},
	{"dpi.off", SUMS, FIELD_INTEGER, 0, "connections", "not looked at, or not to the end, for want of memory", get_dpi_off, NULL},
	{"dpi.shed", SUMS, FIELD_INTEGER, 0, "connections", "not looked at, or not to the end, because packets would have been lost", get_dpi_shed, NULL},
	{"dpi.memory_bytes", SUMS, FIELD_INTEGER, 0, "bytes", "held for recognition", get_dpi_memory, NULL},
	{"findings", SUMS, FIELD_COUNTS, SUMS, "findings", "raised, by rule_id, of any severity", get_finding_counts, NULL},
	{"suppressed", SUMS, FIELD_COUNTS, SUMS, "findings", "too uncertain to be shown, by rule_id", get_suppressed, NULL},
	{"undetermined", SUMS, FIELD_COUNTS, SUMS, "findings", "without a premise that the rules call indispensable, by rule_id", get_undetermined, NULL},
	{"passed_over", SUMS, FIELD_COUNTS, SUMS, "findings", "suppressed by the rules, by rule_id", get_passed_over, NULL},
	{"limited", SUMS, FIELD_COUNTS, SUMS, "findings", "only counted, because a limit of the rules was reached, by rule_id", get_limited, NULL},
	{"limits_forgotten", SUMS, FIELD_INTEGER, 0, "limits", "too many at once: the oldest began anew", get_limits_forgotten, NULL},
	{"inputs", META | SUMS, FIELD_ROWS, META | SUMS, "", "files or interfaces, in the order of the command line", get_inputs, NULL},
	{"inputs[].path", META | SUMS, FIELD_STRING, META | SUMS, "", "as it was written; - is standard input", get_input_path, NULL},
	{"inputs[].format", META | SUMS, FIELD_STRING, 0, "", "pcap, pcapng or interface, with the compression", get_input_format, NULL},
	{"inputs[].packets", SUMS, FIELD_INTEGER, SUMS, "packets", "frames read from it", get_input_packets, NULL},
	{"inputs[].bytes_unread", SUMS, FIELD_INTEGER, SUMS, "bytes", "behind the damage", get_input_bytes_unread, NULL},
	{"inputs[].offset", SUMS, FIELD_INTEGER, 0, "bytes", "where the damage begins; in a compressed file, where it is unpacked", get_input_offset, NULL},
	{"inputs[].error", SUMS, FIELD_STRING, 0, "", "what is damaged", get_input_error, NULL},
	{"inputs[].recorded_drops", SUMS, FIELD_INTEGER, 0, "packets", "losses that the file itself tells of", get_input_recorded_drops, NULL},
	{"inputs[].odd", SUMS, FIELD_INTEGER, 0, "packets", "with an impossible length or time", get_input_odd, NULL},
	{"rules", META, FIELD_STRINGS, META, "", "rule files", get_rules, NULL},
	{"checks", META, FIELD_STRINGS, META, "", "ids of the checks that are not disabled", get_checks, NULL},
	{"workers", SUMS, FIELD_ROWS, 0, "", "each of several workers (--workers)", get_workers, NULL},
	{"workers[].packets", SUMS, FIELD_INTEGER, SUMS, "packets", "frames that it read", get_worker_packets, NULL},
	{"workers[].connections", SUMS, FIELD_INTEGER, SUMS, "connections", "incarnations that began with it", get_worker_connections, NULL},
	{"workers[].dropped", SUMS, FIELD_INTEGER, SUMS, "packets", "no room in its rings", get_worker_dropped, NULL},
	{"workers[].longest_pause_us", SUMS, FIELD_INTEGER, SUMS, "us", "longest time for which its rings were not read", get_worker_longest_pause, NULL},
	{"linktypes", META, FIELD_INTEGERS, META, "", "LINKTYPE_ values of the inputs, as far as known at the start", get_linktypes, NULL},
	{"snaplen", META, FIELD_INTEGER, 0, "bytes", "largest snapshot length of the inputs", get_snaplen, NULL},
	{"checks_cut", META, FIELD_STRINGS, META, "", "of the checks, those that are silent where an interface's snapshot length cuts text", get_checks_cut, NULL},
	{"filter", META, FIELD_STRING, META, "", "BPF expression; empty: none", get_filter, NULL},
	{"checksum", META, FIELD_STRING, META, "", "which checksums are verified (--checksum)", get_checksum, NULL},
	{"time.backwards", SUMS, FIELD_INTEGER, 0, "packets", "stamped before their predecessor of the same source", get_time_backwards, NULL},
	{"time.held", SUMS, FIELD_INTEGER, 0, "packets", "more than an hour ahead, not believed at once", get_time_held, NULL},
	{"memory_bytes", RECORD_STATS, FIELD_INTEGER, RECORD_STATS, "bytes", "held for connections now", get_memory, NULL},
	{"output.records", SUMS, FIELD_INTEGER, SUMS, "records", "made so far, this one included", get_output_records, NULL},
	{"output.lost", SUMS, FIELD_INTEGER, SUMS, "records", "of them, could not be written", get_output_lost, NULL},
};
/* clang-format on */

const struct field *fields_table(size_t *count)
{
	*count = sizeof table / sizeof *table;
	return table;
}

_Static_assert(sizeof table / sizeof *table <= RECORD_ROWS, "the writer has room for every row");

/* record_row() once for each row of the kind, which is a constant: so each getter is known where it is called, and what its type asks for. */
#define WRITE(i)                                                                                                                 \
	if ((i) < sizeof table / sizeof *table && FIELD_OF(i).records & kind && !plan->row[i].inner)                             \
		to = record_row(plan, i, &FIELD_OF(i), json, record, to);
#define FIELD_OF(i) table[(i) < sizeof table / sizeof *table ? (i) : 0]
#define WRITE_4(i) WRITE(i) WRITE((i) + 1) WRITE((i) + 2) WRITE((i) + 3)
#define WRITE_16(i) WRITE_4(i) WRITE_4((i) + 4) WRITE_4((i) + 8) WRITE_4((i) + 12)
#define WRITE_64(i) WRITE_16(i) WRITE_16((i) + 16) WRITE_16((i) + 32) WRITE_16((i) + 48)

static inline __attribute__((always_inline)) char *write_all(const struct record_plan *plan, unsigned kind, struct json *json,
                                                             struct record *record, char *to)
{
	WRITE_64(0)
	WRITE_64(64)
	WRITE_64(128)
	WRITE_64(192)
	return to;
}

char *fields_write_flow(const struct record_plan *plan, struct json *json, struct record *record, char *to)
{
	return write_all(plan, RECORD_FLOW, json, record, to);
}

char *fields_write_finding(const struct record_plan *plan, struct json *json, struct record *record, char *to)
{
	return write_all(plan, RECORD_FINDING, json, record, to);
}

const char *fields_type_name(enum field_type type)
{
	static const char *const name[] = {
	        [FIELD_STRING] = "string",         [FIELD_BOOLEAN] = "boolean",   [FIELD_INTEGER] = "integer",
	        [FIELD_FRAME] = "integer or null", [FIELD_TIME] = "time",         [FIELD_ADDRESS] = "address",
	        [FIELD_STRINGS] = "strings",       [FIELD_INTEGERS] = "integers", [FIELD_COUNTS] = "counts",
	        [FIELD_ROWS] = "objects",
	};

	return name[type];
}

const char *fields_record_name(unsigned kind)
{
	static const char *const name[RECORD_KINDS] = {"meta", "flow", "finding", "stats", "summary"};

	return name[__builtin_ctz(kind)];
}

const char *fields_flag_names(char out[FIELDS_FLAGS], unsigned flags)
{
	static const char *const name[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"};
	char *to = out;

	*to = '\0';
	for (size_t i = 0; i < sizeof name / sizeof *name; i++)
		if (flags >> i & 1)
			to = stpcpy(stpcpy(to, to == out ? "" : ","), name[i]);
	if (flags & TCPAUDIT_RESERVED)
		stpcpy(stpcpy(to, to == out ? "" : ","), "reserved");
	return out;
}

unsigned fields_time_digits(const struct record *record)
{
	const struct report *report = record->report;
	unsigned digits = 0;

	for (size_t i = 0; i < report->input_count && i < 64; i++)
		if (report->inputs[i].time_digits > digits)
			digits = report->inputs[i].time_digits;
	return digits > 6 ? 9 : 6;
}
