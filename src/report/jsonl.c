/* jsonl.c - JSON Lines, one record a line; and the same records as one JSON object.
 *
 * The object has all flows before all findings, though they come mixed: findings wait in a temporary file.  Every line
 * of both formats ends one record, as output.c wants it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/json.h"
#include "report/output.h"
#include "report/record.h"
#include "report/report.h"

struct writer {
	struct record_plan *plan[RECORD_KINDS];
	struct json json;
	struct record record;
	bool one_object;  /* -T json */
	bool some_flows;  /* a flow was written: the next needs a comma */
	uint64_t spooled; /* findings that wait ... */
	FILE *spool;      /* ... here */
	bool spool_full;  /* or it could not be made: the others are lost */
};

static void writer_free(struct writer *writer)
{
	for (size_t i = 0; i < RECORD_KINDS; i++)
		record_plan_free(writer->plan[i]);
	json_fini(&writer->json);
	if (writer->spool != NULL)
		fclose(writer->spool);
	free(writer);
}

static struct writer *writer_new(const struct report *report)
{
	struct writer *writer = calloc(1, sizeof *writer);

	if (writer == NULL)
		return NULL;
	json_init(&writer->json);
	writer->record.report = report;
	for (unsigned i = 0; i < RECORD_KINDS; i++)
		if ((writer->plan[i] = record_plan_new(1u << i)) == NULL) {
			writer_free(writer);
			return NULL;
		}
	return writer;
}

/* Appends a record of this kind to the buffer. */
static void compose(struct writer *writer, unsigned kind)
{
	writer->record.kind = kind;
	record_write(writer->plan[__builtin_ctz(kind)], &writer->json, &writer->record);
}

static void text(struct writer *writer, const char *raw)
{
	json_raw(&writer->json, raw, strlen(raw));
}

/* Begins a line, in the output's own memory if there is some. */
static void begin_line(struct writer *writer, struct report *report)
{
	size_t size;
	char *memory = output_lend(report->output, &size);

	if (memory != NULL)
		json_lend(&writer->json, memory, size);
}

/* Ends the line and hands the buffer over.  false when out of memory: then nothing was written. */
static bool emit(struct writer *writer, struct report *report)
{
	bool ok;

	json_byte(&writer->json, '\n');
	ok = !writer->json.failed;
	if (!ok)
		report->out_of_memory = true;
	else if (json_is_lent(&writer->json))
		output_commit(report->output, writer->json.length);
	else
		output_write(report->output, writer->json.data, writer->json.length);
	json_reset(&writer->json);
	return ok;
}

static void *begin_lines(struct report *report, const struct report_state *state)
{
	struct writer *writer = writer_new(report);

	if (writer == NULL)
		return NULL;
	writer->record.state = state;
	compose(writer, RECORD_META);
	emit(writer, report);
	return writer;
}

static void *begin_object(struct report *report, const struct report_state *state)
{
	struct writer *writer = writer_new(report);

	if (writer == NULL)
		return NULL;
	writer->one_object = true;
	writer->spool = tmpfile();
	writer->spool_full = writer->spool == NULL;
	writer->record.state = state;
	text(writer, "{\"meta\":");
	compose(writer, RECORD_META);
	text(writer, ",\"flows\":[");
	emit(writer, report);
	return writer;
}

static void write_connection(struct report *report, const struct tcpaudit_connection *connection)
{
	struct writer *writer = report->state;

	if (!report_wants_flow(report, connection))
		return;
	begin_line(writer, report);
	if (writer->some_flows && writer->one_object)
		text(writer, ",");
	writer->record.connection = connection;
	compose(writer, RECORD_FLOW);
	writer->some_flows |= emit(writer, report);
}

static void compose_finding(struct writer *writer, const struct tcpaudit_finding *finding)
{
	writer->record.connection = finding->connection;
	writer->record.finding = finding;
	compose(writer, RECORD_FINDING);
}

static void write_finding(struct report *report, const struct tcpaudit_finding *finding)
{
	struct writer *writer = report->state;

	if (finding->severity < report->options->min_severity)
		return;
	begin_line(writer, report);
	compose_finding(writer, finding);
	emit(writer, report);
}

static void spool_finding(struct report *report, const struct tcpaudit_finding *finding)
{
	struct writer *writer = report->state;

	if (finding->severity < report->options->min_severity)
		return;
	if (writer->spooled > 0)
		text(writer, ",");
	compose_finding(writer, finding);
	text(writer, "\n");
	if (writer->json.failed) {
		report->out_of_memory = true;
	} else {
		writer->spooled++;
		if (!writer->spool_full &&
		    fwrite(writer->json.data, 1, writer->json.length, writer->spool) != writer->json.length)
			writer->spool_full = true;
	}
	json_reset(&writer->json);
}

/* Copies the whole lines that the temporary file holds; the others were lost. */
static void copy_spool(struct writer *writer, struct report *report)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	uint64_t copied = 0;

	if (writer->spool != NULL) {
		rewind(writer->spool);
		while ((length = getline(&line, &size, writer->spool)) > 0 && line[length - 1] == '\n') {
			output_write(report->output, line, (size_t)length);
			copied++;
		}
		free(line);
	}
	output_lose(report->output, writer->spooled - copied);
}

static void write_stats(struct report *report, const struct report_state *state)
{
	struct writer *writer = report->state;

	writer->record.state = state;
	compose(writer, RECORD_STATS);
	emit(writer, report);
}

static void end_lines(struct report *report, const struct report_state *state)
{
	struct writer *writer = report->state;

	if (state != NULL) {
		writer->record.state = state;
		compose(writer, RECORD_SUMMARY);
		emit(writer, report);
	}
	writer_free(writer);
}

static void end_object(struct report *report, const struct report_state *state)
{
	struct writer *writer = report->state;

	if (state != NULL) {
		struct report_state late = *state;

		output_write(report->output, "],\"findings\":[", 14);
		copy_spool(writer, report);
		output_counters(report->output, &late.records, &late.lost);
		writer->record.state = &late;
		text(writer, "],\"summary\":");
		compose(writer, RECORD_SUMMARY);
		text(writer, "}");
		emit(writer, report);
	}
	writer_free(writer);
}

const struct report_format report_jsonl = {
        .name = "jsonl",
        .begin = begin_lines,
        .connection = write_connection,
        .finding = write_finding,
        .stats = write_stats,
        .end = end_lines,
};

const struct report_format report_json = {
        .name = "json",
        .begin = begin_object,
        .connection = write_connection,
        .finding = spool_finding,
        .end = end_object,
};
