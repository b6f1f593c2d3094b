/* session.c - one run: frames from the capture to the engine, findings from the engine to the report.
 *
 * One worker runs on this thread; several have their own, and this one looks after signals and the clock (crew.h).
 *
 * A run ends with its input, by a signal, by -c or -a, or when nobody reads the output any more.  Then the capture is
 * drained, so that every packet that the kernel counted is accounted for, and the report is completed. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/session.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cli/crew.h"
#include "cli/label.h"
#include "cli/links.h"
#include "cli/progress.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "report/output.h"

#define SECOND   INT64_C(1000000000)
#define PATIENCE 50 /* ms until several workers' run looks for signals */

struct session {
	struct options *options;
	struct crew crew;
	size_t input_count;
	struct report_dpi dpi;
	struct output *output;
	struct report *report;
	struct progress progress;
	struct links links;
	bool output_fails; /* as far as that was told */
	struct worker_state state; /* as of the last state_now() */
	struct report_workers workers;
	bool scopes; /* are asked for */
	int64_t begun; /* monotonic ns, as the following */
	int64_t tick;  /* when to look at the clock's duties again */
	int64_t next_stats;
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec time;

	clock_gettime(id, &time);
	return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

static int complain(const char *what)
{
	say("%s", what != NULL ? what : "out of memory");
	return REPORT_EXIT_USAGE;
}

/* The worker that runs on this thread, if there is only one. */
static struct worker *only_worker(struct session *session)
{
	return &session->crew.member[0].worker;
}

/* How labels go, by the state; NULL without them. */
static const struct report_dpi *dpi_now(struct session *session)
{
	const struct label_counters *counters = &session->state.labels;

	if (only_worker(session)->labeller == NULL)
		return NULL;
	session->dpi = (struct report_dpi){.library = label_library(),
	                                   .named = counters->named,
	                                   .unnamed = counters->unnamed,
	                                   .off = counters->off,
	                                   .shed = counters->shed,
	                                   .memory = counters->memory};
	return &session->dpi;
}

/* How things stand now. */
static struct report_state state_now(struct session *session)
{
	struct report_state state = {.live = session->options->live};

	crew_state(&session->crew, &session->state, &session->workers);
	if (session->crew.count > 1)
		state.workers = &session->workers;
	state.gone = session->state.gone;
	state.counters = &session->state.counters;
	state.kernel = session->state.kernel;
	state.inputs = session->state.inputs;
	state.input_count = session->input_count;
	state.dpi = dpi_now(session);
	state.time = state.live ? clock_ns(CLOCK_REALTIME)
	             : state.counters->newest != 0 ? state.counters->newest
	                                           : session->state.counted; /* no frame was judged */
	return state;
}

static void stop(struct session *session, enum worker_stop how)
{
	crew_stop(&session->crew, how);
}

/* New rules hold for what is judged from now on. */
static void reread_rules(struct session *session)
{
	struct options *options = session->options;
	char *error;
	bool good, all = false;

	crew_halt(&session->crew);
	if ((good = rulebook_reload(options->rules, &error))) {
		rulebook_apply(options->rules, &options->settings);
		all = crew_configure(&session->crew, &options->settings) && (session->scopes || !rulebook_has_scopes(options->rules));
		report_rules_changed(session->report);
	}
	crew_resume(&session->crew);
	if (good)
		say("SIGHUP: the rules were read again%s",
		    all ? "" : ", but while a file is read, some with scope, suppress or on other than close need to be there from the start");
	else
		say("SIGHUP: the old rules stay: %s", error != NULL ? error : "out of memory");
	free(error);
}

/* Whatever one worker's second thread has in hand is done with (handover.h). */
static void settle(struct session *session)
{
	if (session->crew.count == 1)
		worker_settle(only_worker(session));
}

static void reopen(struct session *session)
{
	char *error;

	settle(session);
	reread_rules(session);
	if (session->report->format != &report_jsonl) {
		if (session->options->output != NULL)
			complain("SIGHUP: only -T jsonl can go on in a new file");
		return;
	}
	crew_lock(&session->crew);
	if (!output_reopen(session->output, &error))
		complain(error);
	crew_unlock(&session->crew);
	free(error);
}

static void show_stats(struct session *session)
{
	struct report_state state = state_now(session);

	progress_clear(&session->progress);
	crew_lock(&session->crew);
	report_stats(session->report, &state);
	crew_unlock(&session->crew);
}

static void obey_signals(struct session *session)
{
	if (signals_stop())
		stop(session, WORKER_STOP);
	if (signals_stats())
		show_stats(session);
	if (signals_reopen())
		reopen(session);
}

/* Nothing comes, and nobody else would say why. */
static void tell_links(struct session *session)
{
	const struct link *link;

	while ((link = links_changed(&session->links)) != NULL) {
		progress_clear(&session->progress);
		say("%s: the interface %s", link->name,
		    link->gone   ? "is gone: nothing comes from it any more"
		    : link->down ? "went down: nothing comes until it is up again"
		                 : "is up again");
	}
}

/* Where nobody asks for stats, nothing else would say that the disk is full before the end. */
static void tell_output(struct session *session)
{
	bool fails = output_fails(session->output);

	if (fails == session->output_fails)
		return;
	session->output_fails = fails;
	progress_clear(&session->progress);
	say("%s: %s%s", session->options->output != NULL ? session->options->output : "standard output",
	    fails ? output_error(session->output) : "it can be written to again", fails ? ": it is tried again each second" : "");
}

/* What depends on the time: a few times a second. */
static void on_tick(struct session *session, int64_t now)
{
	const struct options *options = session->options;

	if (options->duration > 0 && now - session->begun >= options->duration)
		stop(session, WORKER_DISCARD);
	if (options->live && options->stats_interval > 0 && now >= session->next_stats) {
		show_stats(session);
		/* those that were due while the program stood still are not made up for */
		session->next_stats += ((now - session->next_stats) / options->stats_interval + 1) * options->stats_interval;
	}
	tell_links(session);
	settle(session);
	crew_lock(&session->crew);
	output_push(session->output);
	if (output_broken(session->output))
		stop(session, WORKER_DISCARD);
	if (session->options->live)
		tell_output(session);
	crew_unlock(&session->crew);
	if (session->progress.on) {
		struct report_state state = state_now(session);

		progress_show(&session->progress, now, &state,
		              state.counters->by_severity[TCPAUDIT_WARNING] + state.counters->by_severity[TCPAUDIT_ERROR]);
	}
	session->tick = now + SECOND / 4;
}

/* Of blocks that are no packets nobody knows the time before one that is. */
static int64_t first_time(const struct capture_batch *batch)
{
	size_t i = 0;

	while (i + 1 < batch->count && batch->fate[i] == TCPAUDIT_FATE_NOT_PACKET)
		i++;
	return batch->frame[i].time;
}

/* The first batch comes before the report begins: then the inputs know what they are. */
static bool begin(struct session *session)
{
	const struct capture_batch *batch = &only_worker(session)->batch;
	struct report_state state = state_now(session);

	if (!state.live && batch->count > 0)
		state.time = first_time(batch);
	session->begun = clock_ns(CLOCK_MONOTONIC);
	session->progress.begun = session->begun;
	session->tick = session->begun + SECOND / 2;
	session->next_stats = session->begun + session->options->stats_interval;
	if (!report_begin(session->report, &state))
		return false;
	return output_flush(session->output) || !output_broken(session->output);
}

/* If another thread writes the report, its inputs are a copy: what it reads of them changes between two batches. */
static void renew_inputs(struct session *session)
{
	const struct capture_input *inputs = capture_inputs(only_worker(session)->capture, &session->input_count);

	for (size_t i = 0; i < session->input_count; i++) {
		if (inputs[i].time_digits == session->state.inputs[i].time_digits)
			continue;
		settle(session);
		session->state.inputs[i].time_digits = inputs[i].time_digits;
	}
}

static bool run_alone(struct session *session)
{
	struct worker *worker = only_worker(session);
	bool begun = false;

	pin_worker(session->crew.pin, 0);

	for (;;) {
		enum capture_status status = worker_read(worker);
		int64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);

		if (!begun && !(begun = begin(session)))
			return false;
		if (worker->handover != NULL)
			renew_inputs(session);
		worker_judge(worker);
		if (worker->batch.count == 0 && session->options->live)
			output_push(session->output);
		if (status != CAPTURE_MORE)
			break;
		obey_signals(session);
		if (now >= session->tick)
			on_tick(session, now);
	}
	output_may_wait(session->output);
	worker_finish(worker);
	return true;
}

/* Interfaces only: they know what they are before their first batch. */
static bool run_together(struct session *session, char **error)
{
	int64_t now;

	session->crew.output = session->output;
	if (!begin(session) || !crew_start(&session->crew, error))
		return false;
	while (crew_wait(&session->crew, PATIENCE)) {
		obey_signals(session);
		if ((now = clock_ns(CLOCK_MONOTONIC_COARSE)) >= session->tick)
			on_tick(session, now);
	}
	crew_join(&session->crew);
	return true;
}

static void report_damage(const struct session *session)
{
	for (size_t i = 0; i < session->input_count; i++) {
		const struct capture_input *input = &session->state.inputs[i];
		if (input->error != NULL && input->live)
			say("%s: %s", input->path, input->error);
		else if (input->error != NULL)
			say("%s: offset %" PRIu64 "%s: %s", strcmp(input->path, "-") == 0 ? "standard input" : input->path,
			    input->damage_offset, input->packed ? " of the unpacked data" : "", input->error);
	}
}

/* What was not judged, and not because an input is damaged, which has a line of its own. */
static void report_gaps(const struct report_state *state)
{
	const struct tcpaudit_counters *counters = state->counters;
	uint64_t recorded = 0;

	for (size_t i = 0; i < state->input_count; i++)
		recorded += state->inputs[i].recorded_drops;
	const struct {
		uint64_t count;
		const char *what;
	} gap[] = {
	        {state->kernel.dropped, "packets dropped by the kernel"},
	        {state->kernel.interface_dropped, "packets dropped by the interface"},
	        {recorded, "packets dropped when the file was recorded"},
	        {counters->evicted, "connections given up for want of memory (--memcap, --max-flows)"},
	        {counters->unusable[TCPAUDIT_UNUSABLE_FLOW_CAP], "TCP packets without room for their connection (--memcap, --max-flows)"},
	        {counters->unusable[TCPAUDIT_UNUSABLE_TENANTS], "TCP packets of sockets that are in too many VLANs and tunnels at once"},
	        {counters->fate[TCPAUDIT_FATE_NO_MEMORY], "packets without memory to decode them"},
	        {counters->fate[TCPAUDIT_FATE_LINKTYPE], "packets of a link type that is not read"},
	};

	for (size_t i = 0; i < sizeof gap / sizeof *gap; i++)
		if (gap[i].count > 0)
			say("incomplete: %s: %" PRIu64, gap[i].what, gap[i].count);
}

/* As tcpdump prints them. */
static void print_counters(const struct report_state *state)
{
	fprintf(stderr,
	        "%" PRIu64 " packets captured\n%" PRIu64 " packets received by filter\n%" PRIu64 " packets dropped by kernel\n",
	        state->counters->frames, state->kernel.received, state->kernel.dropped);
	if (state->kernel.interface_dropped > 0)
		fprintf(stderr, "%" PRIu64 " packets dropped by interface\n", state->kernel.interface_dropped);
}

/* Halves of connections say less than whole ones: whoever runs it must know how to get these. */
static void report_splits(const struct report_state *state)
{
	if (state->workers == NULL || state->workers->split == 0)
		return;
	say("%" PRIu64 " connections were seen by two workers, one direction each: their sockets were hidden in one direction"
	    " (fragments, deep tunnels); --workers 1 sees them whole",
	    state->workers->split);
}

/* Completes the report and says on standard error what a reader of it must know.  Returns the exit status. */
static int finish(struct session *session)
{
	struct report_state state = state_now(session);
	uint64_t lost;
	char *error;
	int status;

	progress_clear(&session->progress);
	session->report->out_of_memory |= state.counters->untold > 0;
	status = report_end(session->report, &state);
	if (!session->options->quiet && state.live)
		print_counters(&state);
	report_damage(session);
	report_gaps(&state);
	report_splits(&state);
	if (session->report->nothing_drawn)
		say("--ladder: no connection has the flow_id %" PRIu64 ", which is the number of its first frame", session->options->report.ladder);
	if (!report_ledger(&state, &error))
		complain(error);
	free(error);
	const char *failed = output_error(session->output);
	bool reader_gone = output_reader_gone(session->output);
	output_close(session->output, &lost);
	session->output = NULL;
	if (lost > 0 && !reader_gone)
		say("%s: %" PRIu64 " records lost: %s", session->options->output != NULL ? session->options->output : "standard output", lost,
		    failed != NULL ? failed : "they came faster than they could be written");
	return lost > 0 && status < REPORT_EXIT_LOST ? REPORT_EXIT_LOST : status;
}

/* From here on nothing is missed: scripts wait for this line, as for tcpdump's. */
static void announce(const struct session *session)
{
	if (!session->options->live || session->options->quiet)
		return;
	fputs("tcpaudit: listening on", stderr);
	for (size_t i = 0; i < session->options->input_count; i++)
		fprintf(stderr, "%s %s", i ? "," : "", session->options->inputs[i]);
	if (session->crew.count > 1)
		fprintf(stderr, "; %zu workers", session->crew.count);
	fputc('\n', stderr);
}

/* Files have one reader and one engine; a second worker is a thread between them. */
static bool reads_ahead(const struct options *options)
{
	return !options->live && options->workers > 1;
}

#define HEADERS 256 /* bytes: what link layer, tags, a tunnel, IPv6 and TCP options take, and an error that quotes them */

/* Names of applications are found in the text, and checksums cover it; whatever else is judged stands in headers. */
static bool needs_text(const struct options *options)
{
	return (!options->no_dpi && label_library() != NULL) || options->settings.checksum != TCPAUDIT_CHECKSUM_OFF;
}

/* For all hashes over what the network sends. */
static bool draw_keys(struct session *session, char **error)
{
	struct tcpaudit_settings *settings = &session->options->settings;
	struct capture_options *capture = &session->options->capture;

	if (getrandom(settings->hash_key, sizeof settings->hash_key, 0) == (ssize_t)sizeof settings->hash_key &&
	    getrandom(capture->key, sizeof capture->key, 0) == (ssize_t)sizeof capture->key)
		return true;
	if (asprintf(error, "no random key: %s", strerror(errno)) < 0)
		*error = NULL;
	return false;
}

/* A capture for each worker; files have one. */
static bool open_captures(struct session *session, struct capture **captures, size_t workers, char **error)
{
	const struct options *options = session->options;
	struct capture_options capture = options->capture;

	capture.tunnels = options->settings.tunnels;
	if (!options->snaplen_given && !needs_text(options))
		capture.snaplen = HEADERS;
	if (options->live)
		return capture_open_shared(options->inputs, options->input_count, &capture, workers, captures, error);
	captures[0] = capture_open_files(options->inputs, options->input_count, &options->capture, error);
	return captures[0] != NULL;
}

static bool open_crew(struct session *session, char **error)
{
	const struct options *options = session->options;
	struct capture *captures[CAPTURE_WORKERS_MOST];
	size_t workers = options->live ? options->workers : 1;

	session->crew.quota.live = options->live;
	session->crew.quota.limit = options->count;
	session->crew.rules = options->rules;
	session->crew.pin = &options->pin;
	if (!open_captures(session, captures, workers, error) || !crew_init(&session->crew, captures, workers, error))
		return false;
	session->input_count = only_worker(session)->input_count;
	session->workers.worker = calloc(workers, sizeof *session->workers.worker);
	return session->workers.worker != NULL && worker_state_init(&session->state, session->input_count);
}

/* Is the output something that is read, or was? */
static bool would_destroy(const struct options *options)
{
	const struct report_rules *rules = rulebook_report(options->rules);

	for (size_t i = 0; !options->live && i < options->input_count; i++)
		if (output_would_overwrite(options->output, options->inputs[i]))
			return true;
	for (size_t i = 0; i < rules->file_count; i++)
		if (output_would_overwrite(options->output, rules->files[i]))
			return true;
	return options->filter_file != NULL && output_would_overwrite(options->output, options->filter_file);
}

/* After the inputs: a run that cannot start must not empty the file of the last one. */
static bool open_output(struct session *session, char **error)
{
	const struct options *options = session->options;

	if (would_destroy(options)) {
		if (asprintf(error, "%s: is also an input", options->output) < 0)
			*error = NULL;
		return false;
	}
	session->output = output_open(options->output, error);
	if (session->output != NULL && options->live)
		output_never_wait(session->output);
	return session->output != NULL;
}

/* One that shows neither colour nor a line that is drawn again. */
static bool dumb_terminal(void)
{
	const char *term = getenv("TERM");

	return term != NULL && strcmp(term, "dumb") == 0;
}

/* The width and abilities of what text goes to. */
static struct report_page page_of(const struct session *session)
{
	const struct options *options = session->options;
	const char *columns = getenv("COLUMNS"), *no_color = getenv("NO_COLOR");
	bool terminal = output_is_terminal(session->output);
	struct winsize size;
	long width = columns != NULL ? strtol(columns, NULL, 10) : 0;

	if (width <= 0 && terminal && options->output == NULL && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	return (struct report_page){
	        .width = width <= 0    ? 80
	                 : width < 60  ? 60
	                 : width > 200 ? 200
	                               : (unsigned)width,
	        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	        .color = options->color == OPTIONS_COLOR_ALWAYS ||
	                 (options->color == OPTIONS_COLOR_AUTO && terminal && (no_color == NULL || *no_color == '\0') &&
	                  !dumb_terminal()),
	};
}

static bool open_report(struct session *session)
{
	struct options *options = session->options;
	const struct report_format *format = options->format;
	const struct capture_input *inputs = session->state.inputs;

	if (format == NULL)
		format = output_is_terminal(session->output) ? &report_text : &report_jsonl;
	if (!options->severity_given && format == &report_text)
		options->report.min_severity = TCPAUDIT_WARNING;
	options->report.page = page_of(session);
	if (session->crew.count == 1 && !reads_ahead(options)) /* they may learn more of themselves at any time */
		inputs = capture_inputs(only_worker(session)->capture, &session->input_count);
	session->report = report_new(format, &options->report, inputs, session->input_count, session->output);
	return session->report != NULL;
}

static bool open_engines(struct session *session)
{
	struct tcpaudit_settings *settings = &session->options->settings;
	struct tcpaudit_sink report = report_sink(session->report);
	struct tcpaudit_sink sink = rulebook_sink(session->options->rules, session->report, &report);

	settings->min_severity = session->options->report.min_severity;
	settings->states = session->report->format != &report_text;
	settings->in_order = !session->options->live;
	if (!session->options->live && !rulebook_has_scopes(session->options->rules)) /* then a file need not stay in one part */
		sink.scopes = NULL;
	session->scopes = sink.scopes != NULL;
	return crew_equip(&session->crew, settings, &sink);
}

static bool open_labeller(const struct options *options, struct worker *worker, char **error)
{
	struct tcpaudit_labeller functions;

	if (options->no_dpi || label_library() == NULL)
		return true;
	if ((worker->labeller = label_new(&(struct label_options){0}, error)) == NULL)
		return false;
	functions = label_functions(worker->labeller);
	tcpaudit_set_labeller(worker->engine, &functions);
	return true;
}

/* nDPI has much state: each engine has one of its own. */
static bool open_labellers(struct session *session, char **error)
{
	for (size_t i = 0; i < session->crew.count; i++)
		if (!open_labeller(session->options, &session->crew.member[i].worker, error))
			return false;
	return true;
}

static bool open_handover(struct session *session, char **error)
{
	const struct options *options = session->options;
	struct worker *worker = only_worker(session);

	if (!reads_ahead(options))
		return true;
	worker->handover = handover_new(worker->engine, &options->settings, worker->capture, (unsigned)options->workers, &options->pin, error);
	return worker->handover != NULL;
}

static bool run(struct session *session, char **error)
{
	return session->crew.count == 1 ? run_alone(session) : run_together(session, error);
}

int session_run(struct options *options)
{
	struct session session = {.options = options};
	char *error = NULL;
	int status;

	session.progress.on = options->progress == OPTIONS_PROGRESS_AUTO && !options->quiet &&
	                      isatty(STDERR_FILENO) == 1 && !dumb_terminal();
	if (draw_keys(&session, &error) && open_crew(&session, &error) && open_output(&session, &error) && open_report(&session) &&
	    open_engines(&session) && open_labellers(&session, &error) && open_handover(&session, &error)) {
		if (options->live)
			links_init(&session.links, options->inputs, options->input_count);
		announce(&session);
		signals_admit();
		if (!run(&session, &error)) {
			session.report->out_of_memory |= !output_broken(session.output);
			if (error != NULL)
				complain(error);
		}
		status = finish(&session);
	} else {
		status = complain(error);
	}
	free(error);
	links_fini(&session.links);
	report_free(session.report);
	crew_fini(&session.crew);
	output_close(session.output, NULL);
	worker_state_fini(&session.state);
	free(session.workers.worker);
	return status;
}
