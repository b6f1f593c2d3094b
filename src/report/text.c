/* text.c - the report for a person in a hurry: what was captured and how well, how connections ended, the findings with the
 * worst first, and the hosts that stand out.  All of it is written at the end.
 *
 * The findings are text_findings.c's. */
#include "report/measures.h"
#include "report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/apps.h"
#include "report/text_parts.h"

#define FEW_CONNECTIONS 20 /* that are listed one by one */
#define FEW_INPUTS      8  /* that get a line of their own */
#define TOP_HOSTS       3
#define FEW_APPS        8
#define WIDE_APPS       72 /* columns at which there is room for the longest kind of close */

/* Least values of a host's measures that are worth a line: TIME-WAIT is normal, so only many. */
static const uint64_t normal[TALLY_MEASURES] = {
        [TALLY_RESETS] = 3, [TALLY_CLOSE_WAIT] = 2, [TALLY_TIME_WAIT] = 100, [TALLY_REFUSED] = 3};

/* What each kind means, in the width that a table of 80 columns leaves. */
static const char *const meaning[TCPAUDIT_KIND_COUNT] = {
        [TCPAUDIT_KIND_EVICTED] = "a limit of tcpaudit's",
        [TCPAUDIT_KIND_ONEWAY_FIN] = "one direction seen, FIN",
        [TCPAUDIT_KIND_ONEWAY_RST] = "one direction seen, reset",
        [TCPAUDIT_KIND_ONEWAY_OPEN] = "one direction seen, open",
        [TCPAUDIT_KIND_REFUSED] = "SYN answered by a reset",
        [TCPAUDIT_KIND_REFUSED_ICMP] = "SYN answered by ICMP",
        [TCPAUDIT_KIND_SYN_ABORTED] = "client reset its own SYN",
        [TCPAUDIT_KIND_SYN_TIMEOUT] = "SYN never answered",
        [TCPAUDIT_KIND_SYN_PENDING] = "SYN not answered yet",
        [TCPAUDIT_KIND_HS_RST_INITIATOR] = "client reset the SYN-ACK",
        [TCPAUDIT_KIND_HS_RST_RESPONDER] = "server reset its SYN-ACK",
        [TCPAUDIT_KIND_HS_TIMEOUT] = "SYN-ACK never answered",
        [TCPAUDIT_KIND_HS_PENDING] = "SYN-ACK not answered yet",
        [TCPAUDIT_KIND_SIMULTANEOUS] = "FINs crossed",
        [TCPAUDIT_KIND_HALF_CLOSE] = "data after the first FIN",
        [TCPAUDIT_KIND_THREE_WAY] = "FIN, FIN-ACK, ACK",
        [TCPAUDIT_KIND_FOUR_WAY] = "FIN, ACK, FIN, ACK",
        [TCPAUDIT_KIND_FIN_FIN_RST] = "both FINs, then a reset",
        [TCPAUDIT_KIND_LAST_ACK_MISSING] = "last ACK missing",
        [TCPAUDIT_KIND_FIN_FIN_UNACKED] = "FINs unacknowledged",
        [TCPAUDIT_KIND_MPTCP_FASTCLOSE] = "MPTCP connection aborted",
        [TCPAUDIT_KIND_FIN_RST_CLOSER] = "FIN, then its own reset",
        [TCPAUDIT_KIND_FIN_RST_PEER] = "FIN answered by a reset",
        [TCPAUDIT_KIND_FIN_RST_THIRD] = "FIN, reset by a third party",
        [TCPAUDIT_KIND_HALF_CLOSED] = "other FIN never came",
        [TCPAUDIT_KIND_FIN_UNACKED] = "FIN never acknowledged",
        [TCPAUDIT_KIND_ABORT_THIRD_PARTY] = "reset by a third party",
        [TCPAUDIT_KIND_ABORT_CLIENT] = "client sent a reset",
        [TCPAUDIT_KIND_ABORT_SERVER] = "server sent a reset",
        [TCPAUDIT_KIND_ABORT_ICMP] = "ICMP error, then silence",
        [TCPAUDIT_KIND_VANISHED] = "one end fell silent",
        [TCPAUDIT_KIND_SUPERSEDED] = "a new one took its ports",
        [TCPAUDIT_KIND_OPEN_IDLE] = "still open, idle",
        [TCPAUDIT_KIND_OPEN_ACTIVE] = "still open",
};

static void *begin(struct report *report, const struct report_state *state)
{
	(void)state;
	return tally_new(report->flagging, report->options->settings->hash_key);
}

static void take_connection(struct report *report, const struct tcpaudit_connection *connection)
{
	tally_connection(report->state, connection);
}

static void take_finding(struct report *report, const struct tcpaudit_finding *finding)
{
	if (finding->severity >= report->options->min_severity)
		tally_finding(report->state, report, finding);
}

/* The inputs' names; of many, the first ones. */
static void show_inputs(struct page *page, const struct report_state *state)
{
	char number[PAGE_TOKEN];
	size_t shown = state->input_count > FEW_INPUTS + 1 ? FEW_INPUTS : state->input_count;

	for (size_t i = 0; i < shown; i++) {
		page_color(page, PAGE_HEADING);
		page_foreign(page, 0, strcmp(state->inputs[i].path, "-") == 0 ? "standard input" : state->inputs[i].path,
		             page->look.width - 24);
		page_color(page, PAGE_PLAIN);
		if (state->input_count == 1)
			return;
		page_column(page, NAME_COLUMN - 1);
		page_put(page, 1, "%s", page_count(number, state->inputs[i].packets, "packet"));
		page_end(page);
	}
	if (shown < state->input_count) {
		page_put(page, 0, "and %s more inputs", page_number(number, state->input_count - shown));
		page_end(page);
	}
}

/* A clause of the sentence on how well it was captured. */
static void clause(struct page *page, bool *some, enum page_color color, const char *text)
{
	if (*some)
		page_put(page, 0, ";");
	page_color(page, color);
	page_words(page, *some ? 1 : 0, text);
	page_color(page, PAGE_PLAIN);
	*some = true;
}

static void count_clause(struct page *page, bool *some, enum page_color color, uint64_t count, const char *noun, const char *rest)
{
	char number[PAGE_TOKEN], text[2 * PAGE_TOKEN];

	if (count == 0)
		return;
	snprintf(text, sizeof text, "%s%s%s", noun[0] == '\0' ? page_number(number, count) : page_count(number, count, noun),
	         rest[0] == '\0' ? "" : " ", rest);
	clause(page, some, color, text);
}

/* The reasons behind a number of frames. */
static const char *const fate_words[TCPAUDIT_FATE_COUNT] = {
        [TCPAUDIT_FATE_NOT_PACKET] = "blocks without a packet",
        [TCPAUDIT_FATE_LINKTYPE] = "of a link type that is not read",
        [TCPAUDIT_FATE_L2_SHORT] = "cut in the link-layer header",
        [TCPAUDIT_FATE_L2_ENCRYPTED] = "encrypted",
        [TCPAUDIT_FATE_NOT_IP] = "not IP",
        [TCPAUDIT_FATE_IP_SHORT] = "cut in the IP header",
        [TCPAUDIT_FATE_IP_BAD] = "with an impossible IP header",
        [TCPAUDIT_FATE_NOT_TCP] = "not TCP",
        [TCPAUDIT_FATE_ICMP] = "ICMP",
        [TCPAUDIT_FATE_FRAGMENT] = "IP fragments",
        [TCPAUDIT_FATE_FRAGMENT_WAITING] = "IP fragments that wait for others",
        [TCPAUDIT_FATE_FRAGMENT_LOST] = "IP fragments never completed",
        [TCPAUDIT_FATE_ENCAP_DEPTH] = "in too many tunnels",
        [TCPAUDIT_FATE_FILTER] = "rejected by the filter",
        [TCPAUDIT_FATE_AFTER_STOP] = "after the stop",
        [TCPAUDIT_FATE_NO_MEMORY] = "without memory to decode them",
};

/* ... behind a number of TCP packets. */
static const char *const unusable_words[TCPAUDIT_UNUSABLE_COUNT] = {
        [TCPAUDIT_UNUSABLE_SHORT] = "cut in the TCP header",
        [TCPAUDIT_UNUSABLE_OFFSET] = "with an impossible header length",
        [TCPAUDIT_UNUSABLE_CHECKSUM] = "with a bad checksum",
        [TCPAUDIT_UNUSABLE_FLOW_CAP] = "without room for their connection (--memcap, --max-flows)",
        [TCPAUDIT_UNUSABLE_DUPLICATE] = "captured twice",
        [TCPAUDIT_UNUSABLE_TENANTS] = "of sockets that are in too many VLANs and tunnels at once",
};

/* Frames that were not analysed, by reason, the frequent ones first. */
static void show_reasons(struct page *page, bool *some, const struct tcpaudit_counters *counters)
{
	uint64_t left[TCPAUDIT_FATE_COUNT], sum = 0;
	bool first = true;

	memcpy(left, counters->fate, sizeof left);
	left[TCPAUDIT_FATE_TCP] = 0;
	for (size_t i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		sum += left[i];
	count_clause(page, some, PAGE_PLAIN, sum, "", "not analysed:");
	for (; sum > 0; first = false) {
		size_t most = 0;
		char number[PAGE_TOKEN];

		for (size_t i = 1; i < TCPAUDIT_FATE_COUNT; i++)
			if (left[i] > left[most])
				most = i;
		if (!first)
			page_put(page, 0, ",");
		page_put(page, 1, "%s", page_number(number, left[most]));
		page_words(page, 1, fate_words[most]);
		sum -= left[most];
		left[most] = 0;
	}
}

static void show_drops(struct page *page, bool *some, const struct report_state *state)
{
	uint64_t recorded = 0;

	for (size_t i = 0; i < state->input_count; i++)
		recorded += state->inputs[i].recorded_drops;
	if (state->live && state->kernel.dropped + state->kernel.interface_dropped == 0)
		clause(page, some, PAGE_GOOD, "none dropped");
	else if (!state->live && recorded == 0)
		clause(page, some, PAGE_PLAIN, "no drops recorded");
	count_clause(page, some, PAGE_ERROR, state->kernel.dropped, "packet", "dropped by the kernel");
	count_clause(page, some, PAGE_ERROR, state->kernel.interface_dropped, "packet", "dropped by the interface");
	count_clause(page, some, PAGE_ERROR, recorded, "packet", "dropped, as the capture itself says");
}

static void show_damage(struct page *page, const struct report_state *state)
{
	for (size_t i = 0; i < state->input_count; i++) {
		const struct capture_input *input = &state->inputs[i];
		char number[PAGE_TOKEN];

		if (input->error == NULL)
			continue;
		page_end(page);
		page_color(page, PAGE_ERROR);
		if (state->input_count > 1)
			page_foreign(page, 0, input->path, 40);
		if (!state->live)
			page_put(page, 1, "damaged at offset %s%s:", page_number(number, input->damage_offset),
			         input->packed ? " of the unpacked data" : "");
		page_words(page, 1, input->error);
		if (input->bytes_unread > 0)
			page_put(page, 0, ",");
		if (input->bytes_unread > 0)
			page_put(page, 1, "%s not read", page_bytes(number, input->bytes_unread));
		page_color(page, PAGE_PLAIN);
	}
}

/* How well it was captured, as one sentence. */
static void show_quality(struct page *page, const struct report_state *state, const struct tally *tally)
{
	static const enum page_color color[] = {
	        [REPORT_OK] = PAGE_GOOD, [REPORT_FINDINGS] = PAGE_WARNING, [REPORT_INCOMPLETE] = PAGE_ERROR};
	const struct tcpaudit_counters *counters = state->counters;
	char *mismatch;
	bool some = false;

	page->indent = NAME_COLUMN;
	if (report_ledger(state, &mismatch))
		clause(page, &some, PAGE_GOOD, "all packets accounted for");
	else
		clause(page, &some, PAGE_ERROR, mismatch != NULL ? mismatch : "the packet ledger does not add up");
	free(mismatch);
	show_drops(page, &some, state);
	if (state->workers != NULL)
		count_clause(page, &some, PAGE_ERROR, state->workers->split, "connection", "seen by two workers, one direction each");
	show_reasons(page, &some, counters);
	for (size_t i = TCPAUDIT_UNUSABLE_NONE + 1; i < TCPAUDIT_UNUSABLE_COUNT; i++)
		count_clause(page, &some, i == TCPAUDIT_UNUSABLE_FLOW_CAP || i == TCPAUDIT_UNUSABLE_TENANTS ? PAGE_ERROR : PAGE_PLAIN,
		             counters->unusable[i], "TCP packet", unusable_words[i]);
	count_clause(page, &some, PAGE_PLAIN, tally->midstream, "connection", "began before the capture");
	count_clause(page, &some, PAGE_ERROR, counters->evicted, "connection",
	             "evicted for want of memory (--memcap, --max-flows)");
	if (state->dpi != NULL)
		count_clause(page, &some, PAGE_WARNING, state->dpi->off, "connection", "without a label for want of memory");
	if (state->dpi != NULL)
		count_clause(page, &some, PAGE_WARNING, state->dpi->shed, "connection", "without a label for want of time");
	count_clause(page, &some, PAGE_PLAIN, counters->time_backwards, "packet", "stamped earlier than the one before");
	count_clause(page, &some, PAGE_ERROR, state->lost, "output record", "lost");
	if (state->gone)
		clause(page, &some, PAGE_ERROR, "the interface went away");
	show_damage(page, state);
	page_end(page);
	page_put(page, 0, "verdict:");
	page_color(page, color[state->verdict]);
	page_put(page, 1, "%s", report_verdict_name(state->verdict));
	page_color(page, PAGE_PLAIN);
	page_end(page);
}

static void show_cut(struct page *page, const struct report *report, const struct report_state *state)
{
	size_t row = 0;
	const struct tcpaudit_check *check = report_check_cut(report, state, &row);

	if (check == NULL)
		return;
	page_put(page, 0, "silenced by the snapshot length:");
	for (; check != NULL; check = report_check_cut(report, state, &row))
		page_put(page, 1, "%s", check->id);
	page_end(page);
}

static void show_header(struct page *page, const struct report *report, const struct report_state *state,
                        const struct tally *tally)
{
	const struct tcpaudit_counters *counters = state->counters;
	char text[PAGE_TOKEN];

	show_inputs(page, state);
	if (page->column >= NAME_COLUMN)
		page_end(page);
	page->indent = NAME_COLUMN;
	page_put(page, 0, "%s", page_count(text, counters->frames, "packet"));
	page_put(page, 3, "%s", page_count(text, counters->connections, "connection"));
	if (counters->newest > counters->first)
		page_put(page, 3, "%s", page_duration(text, counters->newest - counters->first));
	page_end(page);
	if (report->options->filter[0] != '\0') {
		page_put(page, 0, "filter:");
		page_words(page, 1, report->options->filter);
		page_end(page);
	}
	show_cut(page, report, state);
	show_quality(page, state, tally);
}

/* On the right of the heading: who closed first. */
static void show_closed_first(struct page *page, const struct tally *tally)
{
	static const unsigned who[] = {TCPAUDIT_WHO_CLIENT, TCPAUDIT_WHO_SERVER, TCPAUDIT_WHO_BOTH};
	char text[3 * PAGE_TOKEN] = "closed first:", share[PAGE_TOKEN];
	uint64_t sum = 0;
	bool some = false;

	for (size_t i = 0; i < 3; i++)
		sum += tally->closed_first[who[i]];
	for (size_t i = 0; i < 3; i++)
		if (tally->closed_first[who[i]] > 0) {
			size_t at = strlen(text);

			snprintf(text + at, sizeof text - at, "%s %s %s", some ? "," : "",
			         tcpaudit_who_name((enum tcpaudit_who)who[i]),
			         page_share(share, tally->closed_first[who[i]], sum));
			some = true;
		}
	if (!some)
		return;
	page_column(page, page->look.width - (unsigned)strlen(text));
	page_put(page, 0, "%s", text);
}

/* What a kind means; where there is one, its median. */
static void show_meaning(struct page *page, unsigned kind, const struct tally *tally)
{
	char duration[PAGE_TOKEN], bytes[PAGE_TOKEN];

	if (kind == TCPAUDIT_KIND_HALF_CLOSE && tally->half_close_duration.count > 0)
		page_put(page, 0, "median %s, %s", page_duration(duration, (int64_t)tally_median(&tally->half_close_duration)),
		         page_bytes(bytes, tally_median(&tally->half_close_bytes)));
	else
		page_put(page, 0, "%s", meaning[kind]);
}

static void show_kind(struct page *page, const struct report_state *state, const struct tally *tally, unsigned kind,
                      uint64_t most)
{
	uint64_t count = state->counters->by_kind[kind];
	unsigned bar = page->look.width < 80 ? page->look.width - 42 : page->look.width < 104 ? page->look.width - 68 : 36;
	char number[PAGE_TOKEN];

	page->indent = 2;
	page_put(page, 0, "%-17s", tcpaudit_kind_name((enum tcpaudit_kind)kind));
	page_put(page, 1, "%10s", page_number(number, count));
	page_put(page, 1, "%7s", page_share(number, count, tally->connections));
	page_column(page, page->column + 2);
	page_bar(page, count, most, bar);
	if (page->look.width >= 80) { /* where there is room behind the bar */
		page_column(page, 41 + bar);
		page_color(page, PAGE_DIM);
		show_meaning(page, kind, tally);
		page_color(page, PAGE_PLAIN);
	}
	page_end(page);
}

/* The kinds that occurred, the most frequent first. */
static void show_closes(struct page *page, const struct report_state *state, const struct tally *tally)
{
	uint64_t left[TCPAUDIT_KIND_COUNT], most = 0;

	if (tally->connections == 0)
		return;
	page_heading(page, "How they closed");
	show_closed_first(page, tally);
	page_end(page);
	memcpy(left, state->counters->by_kind, sizeof left);
	for (;;) {
		unsigned kind = 0;

		for (unsigned i = 1; i < TCPAUDIT_KIND_COUNT; i++)
			if (left[i] > left[kind])
				kind = i;
		if (left[kind] == 0)
			break;
		if (most == 0)
			most = left[kind];
		show_kind(page, state, tally, kind, most);
		left[kind] = 0;
	}
}

/* What most connections of an application came to, and what a table's columns leave out is still in JSON. */
static void show_app(struct page *page, const struct app *app)
{
	char text[PAGE_TOKEN];
	unsigned kind;

	page->indent = 2;
	page_foreign(page, 0, app->name, 16);
	page_column(page, 19);
	page_put(page, 0, "%11s", page_number(text, app->connections));
	page_put(page, 1, "%8s", page_share(text, app->aborted, app->connections));
	page_put(page, 1, "%10s", page_share(text, app->half_close, app->connections));
	for (unsigned rank = 0; rank < 2 && page->look.width >= WIDE_APPS && (kind = apps_kind(app, rank)) < TCPAUDIT_KIND_COUNT;
	     rank++) {
		const char *name = tcpaudit_kind_name((enum tcpaudit_kind)kind);

		if (rank > 0 && page->column + 2 + strlen(name) > page->look.width)
			break;
		page_put(page, rank > 0 ? 0 : 3, "%s%s", rank > 0 ? ", " : "", name);
	}
	page_end(page);
}

/* The applications that were recognised, the most frequent first. */
static void show_apps(struct page *page, const struct report *report)
{
	const struct apps *apps = &report->apps;
	unsigned shown = report->options->verbose || apps->count <= FEW_APPS + 1 ? apps->count : FEW_APPS;

	if (apps->count == 0)
		return;
	page_heading(page, "By application");
	page_color(page, PAGE_DIM);
	page_column(page, 19);
	page_put(page, 0, "connections    reset half-close%s", page->look.width >= WIDE_APPS ? "   most often" : "");
	page_color(page, PAGE_PLAIN);
	page_end(page);
	for (unsigned i = 0; i < shown; i++)
		show_app(page, &apps->app[i]);
	if (shown < apps->count) {
		page->indent = 2;
		page_put(page, 0, "and %u more (-v, or apps in JSON)", apps->count - shown);
		page_end(page);
	}
}

/* A host, and each measure of it that is above what is normal. */
static void show_host(struct page *page, const struct report_state *state, const struct tally_host *host)
{
	static const char *const what[] = {
	        [TALLY_RESETS] = "aborted",
	        [TALLY_CLOSE_WAIT] = "did not close",
	        [TALLY_TIME_WAIT] = "held TIME-WAIT after",
	        [TALLY_REFUSED] = "refused"};
	char text[PAGE_TOKEN];
	bool some = false;

	page->indent = 2;
	if (host->place.port != 0)
		page_socket(text, &host->place.address, host->place.ip_version, host->place.port);
	else
		page_address(text, &host->place.address, host->place.ip_version);
	page_put(page, 0, "%-21s", text);
	page->indent = 25;
	page_put(page, 2, "%s:", page_count(text, host->place.count, "connection"));
	for (unsigned measure = 0; measure < TALLY_MEASURES; measure++) {
		if (host->measure[measure] < normal[measure])
			continue;
		if (some)
			page_put(page, 0, ",");
		page_put(page, 1, "%s %s", what[measure], page_number(text, host->measure[measure]));
		if (measure == TALLY_CLOSE_WAIT)
			page_put(page, 1, "(oldest %s ago)", page_duration(text, state->counters->newest - host->oldest));
		some = true;
	}
	page_end(page);
}

/* The hosts that are first in one of the measures, each once.  Returns how many. */
static size_t find_hosts(const struct tally *tally, const struct tally_host **found)
{
	size_t hosts = 0;

	for (unsigned measure = 0; measure < TALLY_MEASURES; measure++) {
		const struct tally_host *top[TOP_HOSTS];
		size_t count = tally_top(tally, measure, top, TOP_HOSTS);

		for (size_t i = 0; i < count && top[i]->measure[measure] >= normal[measure]; i++) {
			size_t known = 0;

			while (known < hosts && found[known] != top[i])
				known++;
			if (known == hosts)
				found[hosts++] = top[i];
		}
	}
	return hosts;
}

/* How long ends wait in CLOSE-WAIT, and how many TIME-WAITs pile up. */
static void show_measures(struct page *page, const struct measures *measures)
{
	char text[PAGE_TOKEN];

	if (measures->close_wait.count == 0 && measures->top == NULL)
		return;
	page_heading(page, "Waiting to close");
	page_end(page);
	page->indent = 2;
	if (measures->close_wait.count > 0) {
		page_put(page, 0, "CLOSE-WAIT");
		page->indent = 14;
		page_column(page, 12);
		page_put(page, 2, "%s:", page_count(text, measures->close_wait.count, "end"));
		page_put(page, 1, "median %s,", page_duration(text, (int64_t)tally_median(&measures->close_wait)));
		page_put(page, 1, "95 %% within %s,", page_duration(text, (int64_t)tally_percentile(&measures->close_wait, 95)));
		page_put(page, 1, "longest %s%s", page_duration(text, measures->close_wait_longest),
		         measures->close_wait_open > 0 ? ";" : "");
		if (measures->close_wait_open > 0)
			page_put(page, 1, "%s not seen to leave it", page_number(text, measures->close_wait_open));
		page_end(page);
	}
	page->indent = 2;
	if (measures->top != NULL) {
		page_put(page, 0, "TIME-WAIT");
		page->indent = 14;
		page_column(page, 12);
		page_put(page, 2, "%s:", page_count(text, measures->time_waits, "end"));
		page_put(page, 1, "at most %s at once,", page_number(text, measures->top->peak));
		page_put(page, 1, "held by %s", page_address(text, &measures->top->address, measures->top->ip_version));
		page_end(page);
	}
	page->indent = 0;
}

static void show_hosts(struct page *page, const struct report_state *state, const struct tally *tally)
{
	const struct tally_host *found[TALLY_MEASURES * TOP_HOSTS];
	size_t hosts = find_hosts(tally, found);
	char number[PAGE_TOKEN];

	if (hosts + tally->hosts_left_out == 0)
		return;
	page_heading(page, "Hosts that stand out");
	page_end(page);
	for (size_t i = 0; i < hosts; i++)
		show_host(page, state, found[i]);
	if (tally->hosts_left_out > 0) {
		page->indent = 2;
		page_put(page, 0, "beyond the first %s hosts,", page_number(number, TALLY_HOSTS));
		page_put(page, 1, "%s of connections were not counted", page_count(number, tally->hosts_left_out, "end"));
		page_end(page);
	}
}

/* Who closed or aborted it. */
static const char *who_ended(const struct tally_connection *connection)
{
	unsigned who = connection->closed_first < TCPAUDIT_WHO_NONE ? connection->closed_first : connection->aborted_by;

	return who < TCPAUDIT_WHO_NONE ? tcpaudit_who_name((enum tcpaudit_who)who) : "-";
}

/* Columns of the list: those of the sockets, and what follows on the same line if it fits. */
struct columns {
	unsigned socket[2];
	bool one_line;
	bool aligned; /* there is room to align the arrows */
};

#define AFTER_SOCKETS 33 /* kind, closed by, duration */

static void show_connection(struct page *page, const struct report *report, const struct tally_connection *connection,
                            const struct columns *columns)
{
	const struct tcpaudit_check *check;
	char text[PAGE_TOKEN];

	page->indent = 0;
	page_put(page, 0, "%8" PRIu64, connection->flow_id);
	page_socket(text, &connection->address[0], connection->ip_version, connection->port[0]);
	page_put(page, 2, "%-*s", columns->aligned ? (int)columns->socket[0] : 0, text);
	page->indent = 10;
	page_socket(text, &connection->address[1], connection->ip_version, connection->port[1]);
	page_put(page, 1, "%s %-*s", page_arrow(page), columns->one_line ? (int)columns->socket[1] : 0, text);
	if (!columns->one_line)
		page_end(page);
	page_put(page, 2, "%-14s", tcpaudit_kind_name((enum tcpaudit_kind)connection->kind));
	page_put(page, 1, "%-6s", who_ended(connection));
	page_put(page, 1, "%8s", page_duration(text, connection->duration));
	page_color(page, PAGE_WARNING);
	page->indent = 12;
	for (size_t i = 0; (check = report_check(report, i)) != NULL; i++)
		if (report_set_has(connection->notable, i))
			page_put(page, 2, "%s", check->id);
	page_color(page, PAGE_PLAIN);
	page_end(page);
}

/* One by one, when they are few: columns as wide as the widest address. */
static void show_connections(struct page *page, const struct report *report, const struct tally *tally)
{
	uint64_t limit = report->options->verbose ? TALLY_CONNECTIONS : FEW_CONNECTIONS;
	struct columns columns = {{0, 0}, false, false};
	char text[PAGE_TOKEN];

	if (tally->connections == 0 || tally->connections > limit)
		return;
	for (size_t i = 0; i < tally->connections; i++)
		for (unsigned end = 0; end < 2; end++) {
			const struct tally_connection *kept = &tally->connection[i];
			unsigned length =
			        (unsigned)strlen(page_socket(text, &kept->address[end], kept->ip_version, kept->port[end]));

			if (length > columns.socket[end])
				columns.socket[end] = length;
		}
	columns.aligned = 10 + columns.socket[0] + 4 + columns.socket[1] < page->look.width;
	columns.one_line = 10 + columns.socket[0] + 4 + columns.socket[1] + AFTER_SOCKETS <= page->look.width;
	page_heading(page, "Connections");
	page_color(page, PAGE_DIM);
	page->indent = NAME_COLUMN;
	page_words(page, 1, "flow, client, server, kind, closed by, duration");
	page_color(page, PAGE_PLAIN);
	page_end(page);
	page->indent = 0;
	for (size_t i = 0; i < tally->connections; i++)
		show_connection(page, report, &tally->connection[i], &columns);
}

static void end(struct report *report, const struct report_state *state)
{
	struct tally *tally = report->state;
	struct page page;

	if (state != NULL && page_init(&page, &report->options->page)) {
		show_header(&page, report, state, tally);
		show_closes(&page, state, tally);
		show_apps(&page, report);
		text_findings(&page, report, state, tally);
		show_measures(&page, report->measures);
		show_hosts(&page, state, tally);
		show_connections(&page, report, tally);
		report->out_of_memory |= !page_finish(&page, report->output) || tally->out_of_memory;
	}
	tally_free(tally);
}

const struct report_format report_text = {
        .name = "text",
        .begin = begin,
        .connection = take_connection,
        .finding = take_finding,
        .end = end,
};
