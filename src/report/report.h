/* report.h - what a run found, for people and programs.
 *
 * A report takes what the engine finds through a sink and writes it in one format.  Formats are const tables of functions;
 * adding one touches no caller. */
#ifndef REPORT_H
#define REPORT_H

#include <tcpaudit/audit.h>

#include "capture/capture.h"
#include "report/apps.h"

struct output;
struct report;

enum report_flows { REPORT_FLOWS_ALL, REPORT_FLOWS_FLAGGED, REPORT_FLOWS_NONE };
enum report_verdict { REPORT_OK, REPORT_FINDINGS, REPORT_INCOMPLETE };

/* Exit statuses; the highest number wins. */
enum {
	REPORT_EXIT_OK = 0,
	REPORT_EXIT_FOUND = 1,    /* a finding at or above --fail-on */
	REPORT_EXIT_USAGE = 2,    /* or it could not start */
	REPORT_EXIT_DAMAGED = 3,  /* an input is damaged or partly read */
	REPORT_EXIT_GONE = 4,     /* an interface went away */
	REPORT_EXIT_LOST = 5,     /* output records were lost */
	REPORT_EXIT_INTERNAL = 6, /* internal failure, or the packet ledger does not add up */
};

#define REPORT_NEVER 4 /* a severity that no finding has */

/* Where text goes and what can be shown there. */
struct report_page {
	unsigned width; /* columns, at least 60 */
	bool color;
	bool utf8;
};

struct record;

/* What the user's rules tell a report. */
struct report_rules {
	void *user;
	/* The message of an own rule's finding; false if it has none. */
	bool (*message)(void *user, size_t row, struct record *record, char *out, size_t size);
	const uint64_t *limited;          /* by row: findings that a limit kept back */
	const uint64_t *limits_forgotten; /* windows of limits that lost their place */
	const char *const *files;         /* that were read, in order */
	size_t file_count;
};

struct report_options {
	enum report_flows flows;
	uint8_t min_severity; /* enum tcpaudit_severity: of finding records and of text */
	uint8_t fail_on;      /* or REPORT_NEVER */
	bool transitions;
	bool verbose;    /* text: more examples, more connections */
	uint64_t ladder; /* the connection that the ladder format draws */
	struct report_page page;
	const char *const *args; /* the command line without the program's name */
	size_t arg_count;
	const char *filter; /* "" none */
	const struct tcpaudit_settings *settings;
	const struct report_rules *rules; /* NULL none */
};

/* How application labels go. */
struct report_dpi {
	const char *library;
	uint64_t named;   /* connections with a label */
	uint64_t unnamed; /* in whose text nothing was recognised */
	uint64_t off;     /* not looked at for want of memory */
	uint64_t shed;    /* ... for want of time */
	uint64_t memory;  /* bytes held for it */
};

/* Of a run with several workers. */
struct report_workers {
	struct report_worker {
		uint64_t packets;      /* frames read */
		uint64_t connections;  /* begun */
		uint64_t dropped;      /* from its rings */
		int64_t longest_pause; /* as in struct capture_kernel */
	} * worker;
	size_t count;
	uint64_t split;            /* connections of which two workers saw one direction each */
	uint64_t splits_forgotten; /* single directions whose other half may not have been recognised: too many at once */
};

/* How far a run has come.  Borrowed for the length of a call. */
struct report_state {
	int64_t time; /* ns; of the last frame of a file, of the clock live */
	bool live;
	bool gone; /* an interface went away */
	const struct tcpaudit_counters *counters;
	const struct capture_input *inputs;
	size_t input_count;
	struct capture_kernel kernel;
	const struct report_dpi *dpi; /* NULL: no labels */
	const struct report_workers *workers; /* NULL: there is one */
	/* set by the report */
	enum report_verdict verdict;
	int exit_status;
	uint64_t records; /* taken so far, and of them lost */
	uint64_t lost;
};

/* A format.  Any function but `begin` may be NULL.  `begin` returns its state, NULL when out of memory; `end` frees it,
 * and writes what is left only if `state` is not NULL. */
struct report_format {
	const char *name;
	void *(*begin)(struct report *report, const struct report_state *state);
	void (*connection)(struct report *report, const struct tcpaudit_connection *connection);
	void (*finding)(struct report *report, const struct tcpaudit_finding *finding);
	void (*segment)(struct report *report, const struct tcpaudit_segment *segment, unsigned from,
	                const tcpaudit_state_set states[2]);
	void (*stats)(struct report *report, const struct report_state *state);
	void (*end)(struct report *report, const struct report_state *state);
};

extern const struct report_format report_text, report_jsonl, report_json, report_ladder;

/* What every format may look at. */
struct report {
	const struct report_format *format;
	const struct report_options *options;
	struct output *output;
	const struct capture_input *inputs; /* grow while they are read */
	size_t input_count;
	size_t built_in;  /* rows of the catalogue; behind them come the user's */
	uint64_t flagging[TCPAUDIT_CHECK_WORDS];  /* checks above info: what makes a connection flagged */
	bool out_of_memory;
	bool nothing_drawn; /* no connection has the flow_id that the ladder asks for */
	struct measures *measures; /* over all connections */
	struct apps apps;
	void *state;               /* the format's own */
};

/* NULL when out of memory.  Everything is borrowed for the life of the report. */
struct report *report_new(const struct report_format *format, const struct report_options *options,
                          const struct capture_input *inputs, size_t input_count, struct output *output);

/* Severities, or the user's own rules, have changed. */
void report_rules_changed(struct report *report);

/* Before the engine gets its first frame. */
bool report_begin(struct report *report, struct report_state *state);

/* The sink through which the engine fills the report. */
struct tcpaudit_sink report_sink(struct report *report);

/* How things stand; formats without a place for that in the middle write lines to standard error. */
void report_stats(struct report *report, struct report_state *state);

/* After tcpaudit_finish().  Returns the exit status. */
int report_end(struct report *report, struct report_state *state);

/* Accepts NULL. */
void report_free(struct report *report);

/* Whether read = tcp + not analysed and, live, received = read + dropped; if not, *error says so (caller frees). */
bool report_ledger(const struct report_state *state, char **error);

const char *report_verdict_name(enum report_verdict verdict);

/* The check, or rule of the user, of a row; NULL behind the last. */
const struct tcpaudit_check *report_check(const struct report *report, size_t row);

/* The first check from `row` on that is not disabled and that the snapshot length of an interface silences, NULL none; `row`
 * becomes the one behind it.  What cut the frames of a file, its connections tell. */
const struct tcpaudit_check *report_check_cut(const struct report *report, const struct report_state *state, size_t *row);

/* What a rule of the user says of its finding; "" if it has no message, or no rule spoke. */
const char *report_message(const struct report *report, const struct tcpaudit_finding *finding, char *out, size_t size);

/* Whether a set of checks has this row. */
bool report_set_has(const uint64_t *set, size_t row);

/* Whether the connection got past its handshake, as far as was seen; one that began before the capture did. */
bool report_past_handshake(const struct tcpaudit_connection *connection);

/* Whether a reset ended it.  Behind both FINs, acknowledged, there was nothing left to end. */
bool report_ended_by_reset(const struct tcpaudit_connection *connection);

/* Whether --flows asks for a record of this connection. */
bool report_wants_flow(const struct report *report, const struct tcpaudit_connection *connection);

/* The evidence of the decisive frame, that of `time`; NULL if there is none at all. */
const struct tcpaudit_evidence *report_decisive(const struct tcpaudit_evidence *evidence, size_t count, int64_t time);

/* A Wireshark display filter that shows the evidence: frames of one input, that of the decisive one.  "" if there are none. */
#define REPORT_FILTER 256
#define REPORT_MESSAGE 512
const char *report_filter(char out[REPORT_FILTER], const struct tcpaudit_evidence *evidence, size_t count, int64_t time);

/* Documents; each caller frees.  NULL when out of memory. */
char *report_schema(void);
char *report_field_list(void);

#endif
