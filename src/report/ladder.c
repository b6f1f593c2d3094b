/* ladder.c - one connection drawn between its two ends: arrows, relative numbers, and the states beside them as they change.
 *
 * Memory is bounded: the first and the last rungs are kept, and a run of plain data is one rung.  Findings are known only
 * afterwards; each is written below the rung of its decisive frame. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/fields.h"
#include "report/page.h"
#include "report/report.h"

#define RUNGS    200 /* kept from the beginning, and as many from the end */
#define SINGLE   3   /* plain segments in a row that are still drawn one by one */
#define FINDINGS 64

/* A segment, or a run of plain ones. */
struct rung {
	int64_t time;
	uint64_t frame;
	uint64_t last_frame;
	uint16_t input;
	uint16_t flags;
	uint8_t from;
	uint32_t seq; /* relative */
	uint32_t ack;
	uint32_t len;
	uint32_t run;      /* segments in a run; 0: a single one */
	uint64_t count[2]; /* of the run, by sender */
	uint64_t bytes[2];
	tcpaudit_state_set states[2]; /* that changed; 0: as before */
};

struct ladder_finding {
	const struct tcpaudit_check *check;
	uint64_t frame; /* decisive; 0 none */
	uint16_t input;
	uint8_t severity;
	uint8_t confidence;
	bool shown;
};

struct ladder {
	struct rung first[RUNGS];
	struct rung last[RUNGS]; /* a ring */
	uint64_t rungs;
	struct rung plain[SINGLE]; /* that may become a run */
	unsigned plains;
	struct rung run;
	struct ladder_finding finding[FINDINGS];
	size_t findings;
	uint64_t findings_left_out;
	bool begun;
	int64_t start;
	uint8_t ip_version;
	struct tcpaudit_address address[2];
	uint16_t port[2];
	uint32_t base[2]; /* what relative numbers count from */
	bool base_known[2];
	tcpaudit_state_set states[2];
	bool ended; /* the following are known */
	uint8_t kind;
	uint8_t closed_first;
	uint8_t confidence;
};

static void *begin(struct report *report, const struct report_state *state)
{
	(void)report;
	(void)state;
	return calloc(1, sizeof(struct ladder));
}

static void add_rung(struct ladder *ladder, const struct rung *rung)
{
	if (ladder->rungs < RUNGS)
		ladder->first[ladder->rungs] = *rung;
	else
		ladder->last[(ladder->rungs - RUNGS) % RUNGS] = *rung;
	ladder->rungs++;
}

/* Draws what waited for more plain data. */
static void flush_plain(struct ladder *ladder)
{
	for (unsigned i = 0; i < ladder->plains; i++)
		add_rung(ladder, &ladder->plain[i]);
	ladder->plains = 0;
	if (ladder->run.run > 0)
		add_rung(ladder, &ladder->run);
	ladder->run.run = 0;
}

static void extend_run(struct ladder *ladder, const struct rung *rung)
{
	struct rung *run = &ladder->run;

	if (run->run == 0) {
		*run = *rung;
		memset(run->count, 0, sizeof run->count);
		memset(run->bytes, 0, sizeof run->bytes);
	}
	run->run++;
	run->last_frame = rung->frame;
	run->count[rung->from]++;
	run->bytes[rung->from] += rung->len;
}

/* Data and acknowledgments in a state that does not change. */
static void add_plain(struct ladder *ladder, const struct rung *rung)
{
	if (ladder->run.run == 0 && ladder->plains < SINGLE) {
		ladder->plain[ladder->plains++] = *rung;
		return;
	}
	for (unsigned i = 0; i < ladder->plains; i++)
		extend_run(ladder, &ladder->plain[i]);
	ladder->plains = 0;
	extend_run(ladder, rung);
}

/* A SYN's number is an end's zero; without it, the first that is seen is its one, as in Wireshark. */
static void set_base(struct ladder *ladder, const struct tcpaudit_segment *segment, unsigned from)
{
	if (!ladder->base_known[from] || (segment->flags & TCPAUDIT_SYN)) {
		ladder->base[from] = segment->flags & TCPAUDIT_SYN ? segment->seq : segment->seq - 1;
		ladder->base_known[from] = true;
	}
	if (!ladder->base_known[!from] && (segment->flags & TCPAUDIT_ACK)) {
		ladder->base[!from] = segment->ack - 1;
		ladder->base_known[!from] = true;
	}
}

static void begin_ladder(struct ladder *ladder, const struct tcpaudit_segment *segment, unsigned from)
{
	ladder->begun = true;
	ladder->start = segment->time;
	ladder->ip_version = segment->ip_version;
	ladder->address[from] = segment->src;
	ladder->port[from] = segment->src_port;
	ladder->address[!from] = segment->dst;
	ladder->port[!from] = segment->dst_port;
}

static void take_segment(struct report *report, const struct tcpaudit_segment *segment, unsigned from,
                         const tcpaudit_state_set states[2])
{
	struct ladder *ladder = report->state;
	struct rung rung = {.time = segment->time,
	                    .frame = segment->frame,
	                    .last_frame = segment->frame,
	                    .input = segment->input,
	                    .flags = segment->flags,
	                    .from = (uint8_t)from,
	                    .len = segment->len};
	bool plain = !(segment->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST | TCPAUDIT_URG));

	if (!ladder->begun)
		begin_ladder(ladder, segment, from);
	set_base(ladder, segment, from);
	rung.seq = segment->seq - ladder->base[from];
	rung.ack = segment->ack - ladder->base[!from];
	for (unsigned end = 0; end < 2; end++)
		if (states[end] != ladder->states[end]) {
			rung.states[end] = ladder->states[end] = states[end];
			plain = false;
		}
	if (plain) {
		add_plain(ladder, &rung);
	} else {
		flush_plain(ladder);
		add_rung(ladder, &rung);
	}
}

static void take_finding(struct report *report, const struct tcpaudit_finding *finding)
{
	struct ladder *ladder = report->state;
	const struct tcpaudit_evidence *decisive = report_decisive(finding->evidence, finding->evidence_count, finding->time);

	if (finding->connection->id != report->options->ladder || finding->severity < report->options->min_severity)
		return;
	if (ladder->findings == FINDINGS) {
		ladder->findings_left_out++;
		return;
	}
	ladder->finding[ladder->findings++] = (struct ladder_finding){
	        .check = finding->check,
	        .frame = decisive == NULL ? 0 : decisive->frame,
	        .input = decisive == NULL ? 0 : decisive->input,
	        .severity = finding->severity,
	        .confidence = finding->confidence,
	};
}

static void take_connection(struct report *report, const struct tcpaudit_connection *connection)
{
	struct ladder *ladder = report->state;

	if (connection->id != report->options->ladder)
		return;
	ladder->ended = true;
	ladder->kind = connection->kind;
	ladder->closed_first = connection->closed_first;
	ladder->confidence = connection->confidence;
}

/* Where the columns are. */
enum { TIME = 10, FRAME = 8, STATE = 13, LEFT = TIME + 1 + FRAME + 2, ARROW = LEFT + STATE + 1 };

static unsigned arrow_width(const struct page *page)
{
	unsigned around = ARROW + 1 + STATE, width = page->look.width > around ? page->look.width - around : 0;

	return width > 60 ? 60 : width < 8 ? 8 : width;
}

/* Six digits after the second as long as the column has room for them. */
static void put_time(struct page *page, int64_t ns)
{
	double seconds = (double)ns / 1e9;

	page_put(page, 0, "%*.*f", TIME, seconds < 1000 ? 6 : seconds < 1e5 ? 3 : 0, seconds);
}

static void put_frame(struct page *page, const struct report *report, const struct rung *rung)
{
	char frame[PAGE_TOKEN];

	if (report->input_count > 1)
		snprintf(frame, sizeof frame, "%u:%" PRIu64, rung->input + 1u, rung->frame);
	else
		snprintf(frame, sizeof frame, "%" PRIu64, rung->frame);
	page_put(page, 1, "%*s", FRAME, frame);
}

#define STATES_SHOWN 4 /* a line each; of more, their number */

/* The n-th line of a set of states: one member a line, or a number if they are many. */
static bool put_state(struct page *page, tcpaudit_state_set set, unsigned line, unsigned column)
{
	unsigned members = (unsigned)__builtin_popcount(set);

	if (line >= members || (members > STATES_SHOWN && line > 0))
		return false;
	page_column(page, column);
	page_color(page, PAGE_HEADING);
	if (members > STATES_SHOWN) {
		page_put(page, 0, "any of %u", members);
	} else {
		for (unsigned skip = line; skip > 0; skip--)
			set &= (tcpaudit_state_set)(set - 1);
		page_put(page, 0, "%s%s", tcpaudit_state_name((enum tcpaudit_state)__builtin_ctz(set)),
		         line + 1 < members ? "|" : "");
	}
	page_color(page, PAGE_PLAIN);
	return true;
}

static void put_shaft(struct page *page, unsigned length)
{
	for (; length > 0; length--) {
		fputs(page->look.utf8 ? "─" : "-", page->out);
		page->column++;
	}
}

/* "FIN 101 ack 301", "101:1549(1448)", "101(1448)" where that is too long: PSH says nothing here, and ACK is said by the number
 * behind it. */
static void format_label(char out[PAGE_TOKEN], const struct rung *rung, unsigned most)
{
	char flags[FIELDS_FLAGS];
	unsigned shown = rung->flags & ~(unsigned)TCPAUDIT_PSH;
	size_t at = 0;

	if (rung->len > 0 || shown != TCPAUDIT_ACK)
		shown &= ~(unsigned)TCPAUDIT_ACK;
	if (shown != 0)
		at = (size_t)snprintf(out, PAGE_TOKEN, "%s ", fields_flag_names(flags, shown));
	if (rung->len > 0)
		snprintf(out + at, PAGE_TOKEN - at, "%" PRIu32 ":%" PRIu32 "(%" PRIu32 ")", rung->seq, rung->seq + rung->len,
		         rung->len);
	if (rung->len > 0 && strlen(out) > most)
		snprintf(out + at, PAGE_TOKEN - at, "%" PRIu32 "(%" PRIu32 ")", rung->seq, rung->len);
	if (rung->len == 0)
		snprintf(out + at, PAGE_TOKEN - at, "%" PRIu32, rung->seq);
}

/* An arrow with its label at the tail; what the label has no room for is left to the next line. */
static bool put_arrow(struct page *page, const struct rung *rung)
{
	unsigned width = arrow_width(page);
	char label[PAGE_TOKEN], ack[PAGE_TOKEN] = "";
	bool right = rung->from == TCPAUDIT_CLIENT, fits;

	format_label(label, rung, page->look.width - ARROW - 2);
	if (rung->flags & TCPAUDIT_ACK)
		snprintf(ack, sizeof ack, " ack %" PRIu32, rung->ack);
	fits = strlen(label) + strlen(ack) + 4 <= width;
	if (!fits)
		ack[0] = '\0';
	page_column(page, ARROW);
	page_color(page, rung->flags & TCPAUDIT_RST                    ? PAGE_ERROR
	                 : rung->flags & (TCPAUDIT_FIN | TCPAUDIT_SYN) ? PAGE_NOTE
	                                                               : PAGE_PLAIN);
	size_t taken = strlen(label) + strlen(ack) + 2; /* a label may be longer than a narrow arrow */
	unsigned shaft = taken < width ? width - (unsigned)taken : 0;
	if (right) {
		page_put(page, 0, "%s%s ", label, ack);
		put_shaft(page, shaft);
		page_put(page, 0, "%s", page->look.utf8 ? "▶" : ">");
	} else {
		page_put(page, 0, "%s", page->look.utf8 ? "◀" : "<");
		put_shaft(page, shaft);
		page_put(page, 0, " %s%s", label, ack);
	}
	page_color(page, PAGE_PLAIN);
	return fits;
}

static void show_run(struct page *page, const struct rung *rung)
{
	char count[PAGE_TOKEN], bytes[PAGE_TOKEN];

	page_color(page, PAGE_DIM);
	for (unsigned from = 0; from < 2; from++) {
		if (rung->count[from] == 0)
			continue;
		if (page->column > ARROW)
			page_end(page);
		page_column(page, ARROW + 2);
		page_put(page, 0, "%s %s, %s %s", page->look.utf8 ? "…" : "...", page_count(count, rung->count[from], "segment"),
		         page_bytes(bytes, rung->bytes[from]),
		         from == TCPAUDIT_CLIENT ? page_arrow(page)
		         : page->look.utf8       ? "←"
		                                 : "<-");
	}
	page_color(page, PAGE_PLAIN);
	page_end(page);
}

static void show_finding(struct page *page, struct ladder_finding *finding)
{
	finding->shown = true;
	page->indent = LEFT;
	page_color(page, page_severity_color(finding->severity));
	page_put(page, 0, "! %s %s", tcpaudit_severity_name((enum tcpaudit_severity)finding->severity), finding->check->id);
	page_color(page, PAGE_PLAIN);
	page_put(page, 1, "(%s)", tcpaudit_confidence_name((enum tcpaudit_confidence)finding->confidence));
	page->indent = LEFT + 2;
	page_words(page, 1, finding->check->title);
	page->indent = 0;
	page_end(page);
}

/* A segment: the arrow between the states that it changed, and below it what did not fit.  So do the server's states where label
 * or ack are as long as to touch them. */
static void show_segment(struct page *page, const struct rung *rung)
{
	unsigned right = ARROW + arrow_width(page) + 1, shown = 0;
	bool fits = true;

	for (unsigned line = 0; line < STATES_SHOWN + 2; line++) {
		bool some = put_state(page, rung->states[0], line, LEFT);

		if (line == 0)
			fits = put_arrow(page, rung);
		if (line == 1 && !fits) {
			page_column(page, ARROW);
			page_put(page, 0, "ack %" PRIu32, rung->ack);
		}
		some |= line == 0 || (line == 1 && !fits);
		if (page->column < right && put_state(page, rung->states[1], shown, right)) {
			shown++;
			some = true;
		}
		if (some)
			page_end(page);
	}
}

static void show_rung(struct page *page, const struct report *report, struct ladder *ladder, const struct rung *rung)
{
	page->indent = 0;
	put_time(page, rung->time - ladder->start);
	put_frame(page, report, rung);
	if (rung->run > 0)
		show_run(page, rung);
	else
		show_segment(page, rung);
	for (size_t i = 0; i < ladder->findings; i++) {
		struct ladder_finding *finding = &ladder->finding[i];

		if (!finding->shown && finding->input == rung->input && finding->frame >= rung->frame &&
		    finding->frame <= rung->last_frame)
			show_finding(page, finding);
	}
}

static void show_header(struct page *page, const struct ladder *ladder, uint64_t flow_id)
{
	char socket[PAGE_TOKEN];

	page_color(page, PAGE_HEADING);
	page_put(page, 0, "flow %" PRIu64, flow_id);
	page_color(page, PAGE_PLAIN);
	page_put(page, 3, "%s", page_socket(socket, &ladder->address[0], ladder->ip_version, ladder->port[0]));
	page_put(page, 1, "%s %s", page_arrow(page),
	         page_socket(socket, &ladder->address[1], ladder->ip_version, ladder->port[1]));
	page_end(page);
	if (ladder->ended) {
		page_put(page, 0, "%s", tcpaudit_kind_name((enum tcpaudit_kind)ladder->kind));
		if (ladder->closed_first < TCPAUDIT_WHO_NONE)
			page_put(page, 3, "closed first: %s", tcpaudit_who_name((enum tcpaudit_who)ladder->closed_first));
		page_put(page, 3, "%s", tcpaudit_confidence_name((enum tcpaudit_confidence)ladder->confidence));
		page_end(page);
	}
	page_end(page);
	page_color(page, PAGE_DIM);
	page_put(page, 0, "%*s %*s  client", TIME, "seconds", FRAME, "frame");
	page_column(page, ARROW + arrow_width(page) + 1);
	page_put(page, 0, "server");
	page_color(page, PAGE_PLAIN);
	page_end(page);
}

static void show_ladder(struct page *page, const struct report *report, struct ladder *ladder)
{
	uint64_t tail = ladder->rungs > RUNGS ? ladder->rungs - RUNGS : 0, left_out = tail > RUNGS ? tail - RUNGS : 0;
	char number[PAGE_TOKEN];

	show_header(page, ladder, report->options->ladder);
	for (uint64_t i = 0; i < ladder->rungs && i < RUNGS; i++)
		show_rung(page, report, ladder, &ladder->first[i]);
	if (left_out > 0) {
		page_column(page, LEFT);
		page_put(page, 0, "(%s left out)", page_count(number, left_out, "line"));
		page_end(page);
	}
	for (uint64_t i = left_out; i < tail; i++)
		show_rung(page, report, ladder, &ladder->last[i % RUNGS]);
	for (size_t i = 0; i < ladder->findings; i++)
		if (!ladder->finding[i].shown)
			show_finding(page, &ladder->finding[i]);
	if (ladder->findings_left_out > 0) {
		page_put(page, 0, "%s more", page_count(number, ladder->findings_left_out, "finding"));
		page_end(page);
	}
}

static void end(struct report *report, const struct report_state *state)
{
	struct ladder *ladder = report->state;
	struct page page;

	report->nothing_drawn = !ladder->begun;
	if (state != NULL && ladder->begun && page_init(&page, &report->options->page)) {
		flush_plain(ladder);
		show_ladder(&page, report, ladder);
		report->out_of_memory |= !page_finish(&page, report->output);
	}
	free(ladder);
}

const struct report_format report_ladder = {
        .name = "ladder",
        .begin = begin,
        .connection = take_connection,
        .finding = take_finding,
        .segment = take_segment,
        .end = end,
};
