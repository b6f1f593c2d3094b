/* dialogue.c - runs dialogues: packetdrill's notation with two observed ends, held against the engine.
 *
 *   dialogue [FILE...]              judge each file, print TAP (without FILE: $srcdir/tests/dialogues)
 *   dialogue --write DIR FILE...    write the frames of each file as DIR/NAME.pcap instead
 *
 * A line of a dialogue is one of
 *   // comment
 *   iss A|B N                       initial sequence number (A 1000, B 5000); numbers below are relative to it
 *   ipv6 / vlan N / vlan A N / msl S / vantage client|server      before the first segment
 *   `handshake [ts] [plain]`        SYN, SYN-ACK and ACK, 10 ms apart; ts: timestamps on all segments from here on;
 *                                   plain: no window scaling
 *   TIME A[:PORT] > B[:PORT] FLAGS SEQ:END(LEN) [ack N] [win N] [<OPTIONS>] [WORDS]
 *                                   TIME: seconds, or +seconds after the line before.  FLAGS: S F R P . (ACK) U E W, - none.
 *                                   win: the field, unscaled.
 *                                   OPTIONS: mss N, wscale N, sackOK, TS val N ecr N, sack L-R, fastopen [HEX], nop
 *                                   WORDS: lost (captured, never delivered: a note to the reader), unseen (not
 *                                   captured), ttl N, id N, snap N (captured octets), badsum, partialsum, outbound,
 *                                   lossbefore (the capture says that it lost frames)
 *   TIME B|R > A icmp TYPE/CODE quotes SEQ
 *   +60s                            nothing happens for 60 seconds, and the capture goes on
 *   ? A STATE|STATE [B STATE|...]   the sets of states after the last captured segment
 *   ! ID [SEVERITY] [CONFIDENCE]    a finding of note or above; those that are not named fail the dialogue
 *   ~ ID                            a finding of info, or a note on the capture
 *   may ID                          a finding that may be raised or not: the catalogue leaves it open
 *   - ID                            not raised, not even as info
 *   end[#N] KIND [KEY VALUE]...     how the (Nth) connection ended; every connection needs a line; KEY as in `facts`
 *   route[#N] A|B STATE! STATE?...  the states that an end entered, ! proven and ? presumed
 * Exit status: 0 all hold, 1 not, 2 usage. */
#include "dialogue.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tcpaudit/audit.h>

#define EPOCH 1700000000 /* time 0 of a dialogue */
#define NS INT64_C(1000000000)
#define MAX_WISHES 64
#define MAX_CONNECTIONS 16
#define MAX_RAISED 256

struct wish {
	int line;
	char text[240];
};

struct wishes {
	struct wish wish[MAX_WISHES];
	size_t count;
};

struct raised {
	const struct tcpaudit_check *check;
	uint8_t severity;
	uint8_t confidence;
	bool named;
};

/* One dialogue while it runs. */
struct dialogue {
	const char *path;
	int line;
	unsigned failures;
	char *report;                 /* diagnostics */
	size_t report_len;
	FILE *diagnostics;            /* writes `report` */
	FILE *pcap;                   /* --write; else NULL */
	bool started;                 /* a segment was fed: settings are fixed */

	/* the script */
	int64_t now;
	uint32_t iss[2];
	bool ipv6, ethernet, timestamps, scaled;
	uint16_t vlan[2];
	uint16_t ip_id[2];
	uint32_t last_tsval[2];
	uint64_t frames;
	struct wishes findings, tolerated, notes, absent, ends, routes;

	/* the engine and what it said */
	struct tcpaudit_settings settings;
	struct tcpaudit *engine;
	unsigned sender;              /* of the segment being fed */
	tcpaudit_state_set states[2]; /* of A and B after the last segment */
	bool states_known;
	struct tcpaudit_connection connection[MAX_CONNECTIONS];
	size_t connections;
	struct raised raised[MAX_RAISED];
	size_t raised_count;
};

/* ---- diagnostics ---- */

__attribute__((format(printf, 3, 4))) static void fail(struct dialogue *d, int line, const char *format, ...)
{
	va_list arguments;

	d->failures++;
	fprintf(d->diagnostics, "# %s:%d: ", d->path, line);
	va_start(arguments, format);
	vfprintf(d->diagnostics, format, arguments);
	va_end(arguments);
	fputc('\n', d->diagnostics);
}

static const char *set_name(tcpaudit_state_set set, char text[128])
{
	text[0] = 0;
	for (unsigned s = 0; s < TCPAUDIT_STATE_COUNT; s++) {
		if (!(set & 1u << s))
			continue;
		if (text[0])
			strcat(text, "|");
		strcat(text, tcpaudit_state_name((enum tcpaudit_state)s));
	}
	return text[0] ? text : "(none)";
}

/* ---- words of a line ---- */

/* The next word, ended by white space; NULL at the end of the line.  <...> is one word. */
static char *next_word(char **cursor)
{
	char *p = *cursor + strspn(*cursor, " \t\r\n"), *end;

	if (!*p)
		return NULL;
	end = *p == '<' && strchr(p, '>') ? strchr(p, '>') + 1 : p + strcspn(p, " \t\r\n");
	*cursor = *end ? end + 1 : end;
	*end = 0;
	return p;
}

static bool to_number(const char *word, int64_t *value)
{
	char *end;

	if (!word || !*word)
		return false;
	errno = 0;
	*value = strtoll(word, &end, 10);
	return !*end && !errno;
}

static bool next_number(struct dialogue *d, char **cursor, const char *what, int64_t *value)
{
	char *word = next_word(cursor);

	if (to_number(word, value))
		return true;
	fail(d, d->line, "expected a number after `%s`, got `%s`", what, word ? word : "");
	return false;
}

/* Seconds with up to nine digits behind the point, without rounding. */
static bool to_time(const char *word, int64_t *time)
{
	char *end;
	int64_t scale = NS;

	if (!isdigit((unsigned char)*word))
		return false;
	*time = strtoll(word, &end, 10) * NS;
	if (*end == '.')
		for (end++; isdigit((unsigned char)*end); end++)
			*time += (*end - '0') * (scale /= 10);
	return !strcmp(end, "") || !strcmp(end, "s");
}

static bool to_party(const char *word, unsigned *party)
{
	if (!word || !*word || word[1] || !strchr("ABR", *word))
		return false;
	*party = (unsigned)(strchr("ABR", *word) - "ABR");
	return true;
}

static bool to_state(const char *word, size_t n, unsigned *state)
{
	for (*state = 0; *state < TCPAUDIT_STATE_COUNT; ++*state) {
		const char *name = tcpaudit_state_name((enum tcpaudit_state)*state);

		if (strlen(name) == n && !strncmp(name, word, n))
			return true;
	}
	return false;
}

static bool to_states(const char *word, tcpaudit_state_set *set)
{
	*set = 0;
	for (;; word++) {
		size_t n = strcspn(word, "|");
		unsigned state;

		if (!to_state(word, n, &state))
			return false;
		*set |= (tcpaudit_state_set)(1u << state);
		word += n;
		if (!*word)
			return true;
	}
}

/* ---- feeding the engine ---- */

static unsigned end_of(const struct tcpaudit_connection *connection, unsigned party)
{
	uint8_t address[16] = { 0 };

	packet_address(party, connection->ip_version == 6, address);
	return memcmp(address, connection->end[0].address.byte, sizeof address) ? 1 : 0;
}

static void on_segment(void *user, uint64_t flow, const struct tcpaudit_segment *segment, unsigned from,
                       const tcpaudit_state_set states[2])
{
	struct dialogue *d = user;

	(void)flow;
	(void)segment;
	d->states[d->sender] = states[from];
	d->states[!d->sender] = states[!from];
	d->states_known = true;
}

static void on_finding(void *user, const struct tcpaudit_finding *finding)
{
	struct dialogue *d = user;

	if (d->raised_count == MAX_RAISED)
		return;
	d->raised[d->raised_count++] = (struct raised){ finding->check, finding->severity, finding->confidence, false };
}

static void on_connection_end(void *user, const struct tcpaudit_connection *connection)
{
	struct dialogue *d = user;
	struct tcpaudit_connection *copy;
	size_t size = connection->transition_count * sizeof *connection->transitions;
	struct tcpaudit_transition *route = malloc(size + 1);

	if (d->connections == MAX_CONNECTIONS || !route) {
		free(route);
		return;
	}
	copy = &d->connection[d->connections++];
	*copy = *connection;
	if (size)
		memcpy(route, connection->transitions, size);
	copy->transitions = route;
}

static void start(struct dialogue *d)
{
	const struct tcpaudit_sink sink = { .user = d, .connection_end = on_connection_end, .finding = on_finding, .segment = on_segment };

	if (d->started)
		return;
	d->started = true;
	d->settings.watch_all = true;
	d->settings.transitions = true;
	d->engine = tcpaudit_new(&d->settings, &sink);
	if (!d->engine) {
		perror("dialogue");
		exit(2);
	}
}

static void put_le32(FILE *file, uint32_t value)
{
	for (int i = 0; i < 4; i++, value >>= 8)
		fputc((int)(value & 0xff), file);
}

static void write_frame(FILE *pcap, const struct tcpaudit_frame *frame)
{
	put_le32(pcap, (uint32_t)(frame->time / NS));
	put_le32(pcap, (uint32_t)(frame->time % NS));
	put_le32(pcap, frame->caplen);
	put_le32(pcap, frame->wirelen);
	fwrite(frame->data, 1, frame->caplen, pcap);
}

static void feed(struct dialogue *d, const struct packet *packet, uint32_t snap, uint8_t flags)
{
	static uint8_t octets[PACKET_MAX];
	uint32_t length = (uint32_t)packet_frame(packet, octets);
	uint32_t caplen = snap && snap < length ? snap : length;
	uint8_t *data = malloc(caplen); /* of its own, so that ASan sees reads behind it */
	struct tcpaudit_frame frame = { .time = EPOCH * NS + d->now, .ordinal = ++d->frames, .number = d->frames, .data = data,
		                        .caplen = caplen, .wirelen = length, .linktype = d->ethernet ? 1 : 101, .flags = flags };

	if (!data)
		exit(2);
	memcpy(data, octets, caplen);
	d->sender = packet->from;
	if (d->pcap)
		write_frame(d->pcap, &frame);
	else {
		start(d);
		tcpaudit_frames(d->engine, &frame, 1);
	}
	free(data);
}

static void feed_silence(struct dialogue *d)
{
	const struct packet silence = { .from = PARTY_A, .to = PARTY_B, .silence = true, .ipv6 = d->ipv6, .ethernet = d->ethernet, .ttl = 64 };

	feed(d, &silence, 0, 0);
}

/* ---- segments ---- */

static void add_option(struct packet *packet, uint8_t kind, const uint8_t *value, uint8_t n)
{
	if (packet->option_len + 2u + n > sizeof packet->option)
		return;
	packet->option[packet->option_len++] = kind;
	if (kind < 2)
		return;
	packet->option[packet->option_len++] = (uint8_t)(n + 2);
	if (n)
		memcpy(packet->option + packet->option_len, value, n);
	packet->option_len = (uint8_t)(packet->option_len + n);
}

static void add_number_option(struct packet *packet, uint8_t kind, uint64_t value, uint8_t n)
{
	uint8_t octets[8];

	for (unsigned i = 0; i < n; i++)
		octets[i] = (uint8_t)(value >> 8 * (n - 1 - i));
	add_option(packet, kind, octets, n);
}

static void add_timestamps(struct dialogue *d, struct packet *packet, uint32_t val, uint32_t ecr, bool unseen)
{
	add_number_option(packet, 8, (uint64_t)val << 32 | ecr, 10 - 2);
	if (!unseen)
		d->last_tsval[packet->from] = val;
}

static bool add_fast_open(struct packet *packet, const char *hex)
{
	uint8_t cookie[16];
	uint8_t n = 0;

	for (; n < sizeof cookie && hex && isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]); hex += 2)
		cookie[n++] = (uint8_t)strtoul((char[]){ hex[0], hex[1], 0 }, NULL, 16);
	add_option(packet, 34, cookie, n);
	return !hex || !*hex;
}

/* One option of <...>, its words separated by single spaces. */
static bool parse_option(struct dialogue *d, struct packet *packet, char *text)
{
	int64_t a = 0, b = 0;
	int n = 0;

	if (sscanf(text, "mss %" SCNd64 "%n", &a, &n) == 1 && !text[n])
		add_number_option(packet, 2, (uint64_t)a, 2);
	else if (sscanf(text, "wscale %" SCNd64 "%n", &a, &n) == 1 && !text[n])
		add_number_option(packet, 3, (uint64_t)a, 1);
	else if (sscanf(text, "TS val %" SCNd64 " ecr %" SCNd64 "%n", &a, &b, &n) == 2 && !text[n])
		add_timestamps(d, packet, (uint32_t)a, (uint32_t)b, false);
	else if (sscanf(text, "sack %" SCNd64 "-%" SCNd64 "%n", &a, &b, &n) == 2 && !text[n])
		add_number_option(packet, 5, (uint64_t)(d->iss[packet->to] + (uint32_t)a) << 32 | (d->iss[packet->to] + (uint32_t)b), 8);
	else if (!strcmp(text, "sackOK"))
		add_option(packet, 4, NULL, 0);
	else if (!strcmp(text, "nop"))
		add_option(packet, 1, NULL, 0);
	else if (!strncmp(text, "fastopen", 8) && (!text[8] || text[8] == ' '))
		return add_fast_open(packet, text[8] ? text + 9 : NULL);
	else
		return false;
	return true;
}

static bool parse_options(struct dialogue *d, struct packet *packet, char *list)
{
	char *text, *rest = list + 1;

	list[strlen(list) - 1] = 0; /* the > */
	while ((text = strtok_r(rest, ",", &rest))) {
		text += strspn(text, " ");
		while (*text && text[strlen(text) - 1] == ' ')
			text[strlen(text) - 1] = 0;
		if (*text && !parse_option(d, packet, text)) {
			fail(d, d->line, "unknown option `%s`", text);
			return false;
		}
	}
	return true;
}

static bool parse_flags(const char *word, uint16_t *flags)
{
	static const char letters[] = "FSRP.UEW";

	*flags = 0;
	if (!strcmp(word, "-"))
		return true;
	for (; *word; word++) {
		const char *letter = strchr(letters, *word);

		if (!letter)
			return false;
		*flags |= (uint16_t)(1u << (letter - letters));
	}
	return true;
}

static bool parse_socket(char *word, unsigned *party, uint16_t port[2])
{
	char *colon = word ? strchr(word, ':') : NULL;
	int64_t value;

	if (colon) {
		*colon = 0;
		if (!to_number(colon + 1, &value) || value < 0 || value > 65535)
			return false;
	}
	if (!to_party(word, party))
		return false;
	if (colon && *party != PARTY_ROUTER)
		port[*party] = (uint16_t)value;
	return true;
}

/* What stands behind the numbers of a segment. */
struct extras {
	bool unseen, options;
	uint32_t snap;
	uint8_t frame_flags;
};

static bool parse_extra(struct dialogue *d, char *word, char **cursor, struct packet *packet, struct extras *extras)
{
	int64_t value = 0;

	if (*word == '<') {
		extras->options = true;
		return parse_options(d, packet, word);
	}
	if (!strcmp(word, "lost"))
		return true;
	if (!strcmp(word, "unseen"))
		return extras->unseen = true;
	if (!strcmp(word, "badsum") || !strcmp(word, "partialsum")) {
		packet->checksum = *word == 'b' ? CHECKSUM_BAD : CHECKSUM_PARTIAL;
		return true;
	}
	if (!strcmp(word, "outbound"))
		return extras->frame_flags |= TCPAUDIT_FRAME_OUTBOUND;
	if (!strcmp(word, "lossbefore"))
		return extras->frame_flags |= TCPAUDIT_FRAME_LOST;
	if (strcmp(word, "ack") && strcmp(word, "win") && strcmp(word, "ttl") && strcmp(word, "id") && strcmp(word, "snap")) {
		fail(d, d->line, "unknown word `%s`", word);
		return false;
	}
	if (!next_number(d, cursor, word, &value))
		return false;
	if (*word == 'a')
		packet->ack = d->iss[packet->to] + (uint32_t)value;
	else if (*word == 'w')
		packet->window = (uint16_t)value;
	else if (*word == 't')
		packet->ttl = (uint8_t)value;
	else if (*word == 'i')
		packet->id = (uint16_t)value;
	else
		extras->snap = (uint32_t)value;
	return true;
}

static bool parse_numbers(struct dialogue *d, const char *word, struct packet *packet)
{
	int64_t seq, end, len;
	int n = 0;

	if (!word || sscanf(word, "%" SCNd64 ":%" SCNd64 "(%" SCNd64 ")%n", &seq, &end, &len, &n) != 3 || !n || word[n]) {
		fail(d, d->line, "expected SEQ:END(LEN), got `%s`", word ? word : "");
		return false;
	}
	if (seq + len != end || len < 0 || len > 65000) {
		fail(d, d->line, "%s: the end is not the sequence number plus the length", word);
		return false;
	}
	packet->seq = d->iss[packet->from] + (uint32_t)seq;
	packet->len = (uint32_t)len;
	return true;
}

static void default_timestamps(struct dialogue *d, struct packet *packet, bool unseen)
{
	uint32_t val = (uint32_t)(100000 * (packet->from + 1) + d->now / 1000000);

	add_option(packet, 1, NULL, 0);
	add_option(packet, 1, NULL, 0);
	add_timestamps(d, packet, val, packet->flags & TCPAUDIT_ACK ? d->last_tsval[packet->to] : 0, unseen);
}

static void parse_segment(struct dialogue *d, struct packet *packet, char **cursor)
{
	struct extras extras = { 0 };
	char *flags = next_word(cursor), *word;
	bool acked = false;

	if (!flags || !parse_flags(flags, &packet->flags)) {
		fail(d, d->line, "unknown flags `%s`", flags ? flags : "");
		return;
	}
	if (!parse_numbers(d, next_word(cursor), packet))
		return;
	packet->id = ++d->ip_id[packet->from];
	packet->window = d->scaled && !(packet->flags & TCPAUDIT_SYN) ? 512 : 65535;
	while ((word = next_word(cursor))) {
		acked |= !strcmp(word, "ack");
		if (!parse_extra(d, word, cursor, packet, &extras))
			return;
	}
	if (acked != !!(packet->flags & TCPAUDIT_ACK)) {
		fail(d, d->line, "the flag `.` and the word `ack` go together");
		return;
	}
	if (!extras.options && d->timestamps && !(packet->flags & TCPAUDIT_RST))
		default_timestamps(d, packet, extras.unseen);
	while (packet->option_len % 4)
		add_option(packet, 1, NULL, 0);
	if (!extras.unseen)
		feed(d, packet, extras.snap, extras.frame_flags);
}

static void parse_icmp(struct dialogue *d, struct packet *packet, char **cursor)
{
	unsigned type, code;
	int64_t seq;
	char *word = next_word(cursor), *quotes = next_word(cursor);

	if (!word || sscanf(word, "%u/%u", &type, &code) != 2 || !quotes || strcmp(quotes, "quotes")) {
		fail(d, d->line, "expected icmp TYPE/CODE quotes SEQ");
		return;
	}
	if (!next_number(d, cursor, "quotes", &seq))
		return;
	packet->icmp = true;
	packet->icmp_type = (uint8_t)type;
	packet->icmp_code = (uint8_t)code;
	packet->seq = d->iss[packet->to] + (uint32_t)seq;
	feed(d, packet, 0, 0);
}

static bool is_segment_icmp(char **cursor)
{
	char *p = *cursor + strspn(*cursor, " \t");

	if (strncmp(p, "icmp ", 5))
		return false;
	*cursor = p + 5;
	return true;
}

/* TIME A > B ..., or +60s alone. */
static void parse_timed(struct dialogue *d, char *word, char **cursor)
{
	struct packet packet = { .ipv6 = d->ipv6, .ethernet = d->ethernet, .ttl = 64, .port = { 40000, 80 } };
	int64_t time;
	char *from, *arrow, *to;

	if (!to_time(word + (*word == '+'), &time)) {
		fail(d, d->line, "expected a time, got `%s`", word);
		return;
	}
	if (*word == '+')
		time += d->now;
	if (time < 0) {
		fail(d, d->line, "time before 0");
		return;
	}
	d->now = time;
	from = next_word(cursor);
	if (!from) {
		feed_silence(d);
		return;
	}
	arrow = next_word(cursor);
	to = next_word(cursor);
	if (!parse_socket(from, &packet.from, packet.port) || !arrow || strcmp(arrow, ">") ||
	    !parse_socket(to, &packet.to, packet.port) || packet.from == packet.to || packet.to == PARTY_ROUTER) {
		fail(d, d->line, "expected A > B or B > A");
		return;
	}
	packet.vlan = packet.from == PARTY_ROUTER ? 0 : d->vlan[packet.from];
	if (is_segment_icmp(cursor))
		parse_icmp(d, &packet, cursor);
	else if (packet.from == PARTY_ROUTER)
		fail(d, d->line, "a router sends only ICMP");
	else
		parse_segment(d, &packet, cursor);
}

/* ---- directives ---- */

static void run_line(struct dialogue *d, char *line);

static void run_handshake(struct dialogue *d, char **cursor)
{
	static const char *const step[] = { "+0 A > B S 0:0(0)", "+0.010 B > A S. 0:0(0) ack 1", "+0.010 A > B . 1:1(0) ack 1" };
	bool ts = false, plain = false;
	char *word;

	while ((word = next_word(cursor)) && strcmp(word, "`")) {
		size_t n = strcspn(word, "`");

		if (n == 2 && !strncmp(word, "ts", n))
			ts = true;
		else if (n == 5 && !strncmp(word, "plain", n))
			plain = true;
		else
			fail(d, d->line, "unknown handshake `%s`", word);
	}
	d->timestamps = ts;
	d->scaled = false;
	for (int i = 0; i < 3; i++) {
		char options[120], line[240];
		uint32_t now = (uint32_t)(100000 * (i % 2 + 1) + (d->now + (i ? 10000000 : 0)) / 1000000);

		snprintf(options, sizeof options, "mss 1460%s", plain ? "" : ", sackOK, wscale 7");
		if (ts)
			snprintf(options + strlen(options), sizeof options - strlen(options), ", TS val %" PRIu32 " ecr %" PRIu32, now,
			         i ? d->last_tsval[0] : 0);
		d->scaled = i == 2 && !plain;
		snprintf(line, sizeof line, i < 2 ? "%s <%s>" : "%s", step[i], options);
		run_line(d, line);
	}
}

static bool want_word(struct dialogue *d, char **cursor, const char *what, char **word)
{
	*word = next_word(cursor);
	if (!*word)
		fail(d, d->line, "expected %s", what);
	return *word;
}

static void run_iss(struct dialogue *d, char **cursor)
{
	char *word;
	unsigned party;
	int64_t value;

	if (!want_word(d, cursor, "A or B", &word))
		return;
	if (!to_party(word, &party) || party == PARTY_ROUTER)
		fail(d, d->line, "expected A or B, got `%s`", word);
	else if (next_number(d, cursor, "iss", &value))
		d->iss[party] = (uint32_t)value;
}

static void run_vlan(struct dialogue *d, char **cursor)
{
	char *word;
	unsigned party = PARTY_ROUTER;
	int64_t value;

	if (!want_word(d, cursor, "a VLAN", &word))
		return;
	if (to_party(word, &party) ? !next_number(d, cursor, "vlan", &value) : !to_number(word, &value)) {
		fail(d, d->line, "expected vlan [A|B] NUMBER");
		return;
	}
	d->ethernet = true;
	for (unsigned i = 0; i < 2; i++)
		if (party == PARTY_ROUTER || party == i)
			d->vlan[i] = (uint16_t)value;
}

static void run_vantage(struct dialogue *d, char **cursor)
{
	char *word;

	if (!want_word(d, cursor, "client or server", &word))
		return;
	if (!strcmp(word, "client"))
		d->settings.vantage = 1u << TCPAUDIT_CLIENT;
	else if (!strcmp(word, "server"))
		d->settings.vantage = 1u << TCPAUDIT_SERVER;
	else
		fail(d, d->line, "expected client or server, got `%s`", word);
}

static void run_msl(struct dialogue *d, char **cursor)
{
	int64_t value;

	if (next_number(d, cursor, "msl", &value))
		d->settings.msl = value * NS;
}

static void check_states(struct dialogue *d, char **cursor)
{
	char *party_word, *word, want[128], got[128];
	unsigned party;
	tcpaudit_state_set set;

	if (d->pcap)
		return;
	if (!d->states_known)
		fail(d, d->line, "the engine reported no segment");
	while ((party_word = next_word(cursor))) {
		if (!to_party(party_word, &party) || party == PARTY_ROUTER || !want_word(d, cursor, "states", &word) ||
		    !to_states(word, &set)) {
			fail(d, d->line, "expected ? A STATE|STATE B STATE|STATE");
			return;
		}
		if (d->states_known && set != d->states[party])
			fail(d, d->line, "expected %s in %s, got %s", party_word, set_name(set, want), set_name(d->states[party], got));
	}
}

/* Kept until the engine has finished; `text` starts behind the directive's first character or word. */
static void keep(struct dialogue *d, struct wishes *wishes, const char *text)
{
	struct wish *wish = &wishes->wish[wishes->count];

	if (wishes->count == MAX_WISHES || strlen(text) >= sizeof wish->text) {
		fail(d, d->line, "too much to remember");
		return;
	}
	wish->line = d->line;
	strcpy(wish->text, text);
	wishes->count++;
}

static void run_setting(struct dialogue *d, const char *word, char **cursor)
{
	if (!strcmp(word, "iss")) {
		run_iss(d, cursor);
		return;
	}
	if (d->started || d->frames)
		fail(d, d->line, "`%s` belongs before the first segment", word);
	if (!strcmp(word, "ipv6"))
		d->ipv6 = true;
	else if (!strcmp(word, "vlan"))
		run_vlan(d, cursor);
	else if (!strcmp(word, "vantage"))
		run_vantage(d, cursor);
	else if (!strcmp(word, "msl"))
		run_msl(d, cursor);
	else
		fail(d, d->line, "unknown directive `%s`", word);
}

static void run_line(struct dialogue *d, char *line)
{
	char *cursor = line, *word = next_word(&cursor);

	if (!word || !strncmp(word, "//", 2))
		return;
	if (isdigit((unsigned char)*word) || *word == '+')
		parse_timed(d, word, &cursor);
	else if (!strncmp(word, "`handshake", 10))
		run_handshake(d, &cursor);
	else if (!strcmp(word, "?"))
		check_states(d, &cursor);
	else if (!strcmp(word, "!"))
		keep(d, &d->findings, cursor);
	else if (!strcmp(word, "may"))
		keep(d, &d->tolerated, cursor);
	else if (!strcmp(word, "~"))
		keep(d, &d->notes, cursor);
	else if (!strcmp(word, "-"))
		keep(d, &d->absent, cursor);
	else if (!strncmp(word, "end", 3) && (!word[3] || word[3] == '#')) {
		word[strlen(word)] = ' '; /* the number stays with the rest */
		keep(d, &d->ends, word + 3);
	} else if (!strncmp(word, "route", 5) && (!word[5] || word[5] == '#')) {
		word[strlen(word)] = ' ';
		keep(d, &d->routes, word + 5);
	} else
		run_setting(d, word, &cursor);
}

/* ---- what must hold at the end ---- */

static bool in_set(const uint64_t set[TCPAUDIT_CHECK_WORDS], int row)
{
	return row >= 0 && set[row / 64] >> row % 64 & 1;
}

static bool was_raised(const struct dialogue *d, const char *id)
{
	for (size_t i = 0; i < d->raised_count; i++)
		if (!strcmp(d->raised[i].check->id, id))
			return true;
	for (size_t i = 0; i < d->connections; i++)
		if (in_set(d->connection[i].capture, tcpaudit_check_index(id)) || in_set(d->connection[i].findings, tcpaudit_check_index(id)))
			return true;
	return false;
}

static bool known_id(struct dialogue *d, int line, const char *id)
{
	if (id && tcpaudit_check_index(id) >= 0)
		return true;
	fail(d, line, "no check is called `%s`", id ? id : "");
	return false;
}

static bool word_fits(const char *word, const struct raised *raised)
{
	return !strcmp(word, tcpaudit_severity_name((enum tcpaudit_severity)raised->severity)) ||
	       !strcmp(word, tcpaudit_confidence_name((enum tcpaudit_confidence)raised->confidence));
}

static bool fits(const struct raised *raised, const char *id, const char *first, const char *second)
{
	return raised->severity >= TCPAUDIT_NOTE && !strcmp(raised->check->id, id) && (!first || word_fits(first, raised)) &&
	       (!second || word_fits(second, raised));
}

static void check_finding(struct dialogue *d, struct wish *wish)
{
	char *cursor = wish->text, *id = next_word(&cursor), *first = next_word(&cursor), *second = next_word(&cursor);
	bool found = false;

	if (!known_id(d, wish->line, id))
		return;
	for (size_t i = 0; i < d->raised_count; i++) {
		if (!fits(&d->raised[i], id, first, second))
			continue;
		found = d->raised[i].named = true;
	}
	if (!found)
		fail(d, wish->line, "expected finding %s%s%s%s%s, got none", id, first ? " " : "", first ? first : "", second ? " " : "",
		     second ? second : "");
	for (size_t i = 0; !found && i < d->raised_count; i++)
		if (!strcmp(d->raised[i].check->id, id))
			fail(d, wish->line, "  ... but %s %s %s", id, tcpaudit_severity_name((enum tcpaudit_severity)d->raised[i].severity),
			     tcpaudit_confidence_name((enum tcpaudit_confidence)d->raised[i].confidence));
}

static void tolerate(struct dialogue *d, struct wish *wish)
{
	char *cursor = wish->text, *id = next_word(&cursor);

	if (!known_id(d, wish->line, id))
		return;
	for (size_t i = 0; i < d->raised_count; i++)
		d->raised[i].named |= !strcmp(d->raised[i].check->id, id);
}

static void check_findings(struct dialogue *d)
{
	for (size_t i = 0; i < d->tolerated.count; i++)
		tolerate(d, &d->tolerated.wish[i]);
	for (size_t i = 0; i < d->findings.count; i++)
		check_finding(d, &d->findings.wish[i]);
	for (size_t i = 0; i < d->raised_count; i++)
		if (d->raised[i].severity >= TCPAUDIT_NOTE && !d->raised[i].named)
			fail(d, d->line, "expected no other finding, got %s %s %s", d->raised[i].check->id,
			     tcpaudit_severity_name((enum tcpaudit_severity)d->raised[i].severity),
			     tcpaudit_confidence_name((enum tcpaudit_confidence)d->raised[i].confidence));
}

static void check_notes(struct dialogue *d, struct wishes *wishes, bool wanted)
{
	for (size_t i = 0; i < wishes->count; i++) {
		char *cursor = wishes->wish[i].text, *id = next_word(&cursor);

		if (known_id(d, wishes->wish[i].line, id) && was_raised(d, id) != wanted)
			fail(d, wishes->wish[i].line, "expected %s%s, got %s", wanted ? "" : "no ", id, wanted ? "nothing" : "it");
	}
}

enum fact_type { FACT_WHO, FACT_CONFIDENCE, FACT_NUMBER };

/* Sequence numbers would need the dialogue's ISS; everything else that `end` can ask for. */
static const struct fact {
	const char *name;
	enum fact_type type;
} facts[] = {
	{ "closed_first", FACT_WHO },      { "holder", FACT_WHO },           { "aborted_by", FACT_WHO },
	{ "half_close_by", FACT_WHO },     { "confidence", FACT_CONFIDENCE }, { "half_close_bytes", FACT_NUMBER },
	{ "restarts", FACT_NUMBER },       { "lost_client", FACT_NUMBER },   { "lost_server", FACT_NUMBER },
	{ "copies_client", FACT_NUMBER },  { "copies_server", FACT_NUMBER }, { "text_client", FACT_NUMBER },
	{ "text_server", FACT_NUMBER },    { "rexmit_client", FACT_NUMBER }, { "rexmit_server", FACT_NUMBER },
	{ "resets_client", FACT_NUMBER },  { "resets_server", FACT_NUMBER }, { "post_close_reset", FACT_NUMBER },
	{ "completeness", FACT_NUMBER },
};

static int64_t fact_value(const struct tcpaudit_connection *c, size_t fact)
{
	const int64_t value[] = {
		c->closed_first,
		c->time_wait_holder,
		c->aborted_by,
		c->half_close_by,
		c->confidence,
		(int64_t)c->half_close_bytes,
		c->time_wait_restarts,
		(int64_t)c->end[0].lost,
		(int64_t)c->end[1].lost,
		c->end[0].fin_sent ? c->end[0].fin_copies : 0,
		c->end[1].fin_sent ? c->end[1].fin_copies : 0,
		(int64_t)c->end[0].text,
		(int64_t)c->end[1].text,
		c->end[0].retransmissions,
		c->end[1].retransmissions,
		c->end[0].resets,
		c->end[1].resets,
		c->post_close_reset,
		c->completeness,
	};

	return value[fact];
}

static const char *fact_text(size_t fact, int64_t value, char number[24])
{
	switch (facts[fact].type) {
	case FACT_WHO:
		return tcpaudit_who_name((enum tcpaudit_who)value);
	case FACT_CONFIDENCE:
		return tcpaudit_confidence_name((enum tcpaudit_confidence)value);
	case FACT_NUMBER:
		break;
	}
	snprintf(number, 24, "%" PRId64, value);
	return number;
}

static void check_fact(struct dialogue *d, int line, const struct tcpaudit_connection *c, const char *key, const char *want)
{
	char number[24];

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		const char *got;

		if (strcmp(facts[i].name, key))
			continue;
		got = fact_text(i, fact_value(c, i), number);
		if (!want || strcmp(got, want))
			fail(d, line, "expected %s %s, got %s", key, want ? want : "?", got);
		return;
	}
	fail(d, line, "nothing is called `%s`", key);
}

/* The connection that `end#2` or `route#2` names: the second that began. */
static const struct tcpaudit_connection *which_connection(struct dialogue *d, const struct wish *wish, char **cursor, size_t *index)
{
	int64_t n = 1;

	if (**cursor == '#' && (!to_number(next_word(cursor) + 1, &n) || n < 1)) {
		fail(d, wish->line, "expected a number after `#`");
		return NULL;
	}
	*index = (size_t)n;
	if (*index > d->connections) {
		fail(d, wish->line, "expected connection %zu, got %zu connections", *index, d->connections);
		return NULL;
	}
	return &d->connection[n - 1];
}

static void check_end(struct dialogue *d, struct wish *wish, bool named[MAX_CONNECTIONS])
{
	char *cursor = wish->text, *kind, *key;
	size_t index;
	const struct tcpaudit_connection *c = which_connection(d, wish, &cursor, &index);

	if (!c)
		return;
	named[index - 1] = true;
	kind = next_word(&cursor);
	if (!kind || strcmp(kind, tcpaudit_kind_name((enum tcpaudit_kind)c->kind)))
		fail(d, wish->line, "expected %s, got %s", kind ? kind : "?", tcpaudit_kind_name((enum tcpaudit_kind)c->kind));
	while ((key = next_word(&cursor)))
		check_fact(d, wish->line, c, key, next_word(&cursor));
}

static void check_ends(struct dialogue *d)
{
	bool named[MAX_CONNECTIONS] = { false };

	for (size_t i = 0; i < d->ends.count; i++)
		check_end(d, &d->ends.wish[i], named);
	for (size_t i = 0; i < d->connections; i++)
		if (!named[i])
			fail(d, d->line, "expected no connection %zu, got one (%s)", i + 1,
			     tcpaudit_kind_name((enum tcpaudit_kind)d->connection[i].kind));
}

static void route_text(const struct tcpaudit_connection *c, unsigned end, char *text, size_t size)
{
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < c->transition_count && n < size; i++)
		if (c->transitions[i].end == end)
			n += (size_t)snprintf(text + n, size - n, "%s%s%s", n ? " " : "",
			                      tcpaudit_state_name((enum tcpaudit_state)c->transitions[i].to),
			                      c->transitions[i].proof.frame ? "!" : "?");
}

/* States without a mark fit both. */
static bool route_fits(const char *want, const char *got)
{
	for (;; want++, got++) {
		if (*want == *got && *want)
			continue;
		if ((*got == '!' || *got == '?') && (*want == ' ' || !*want))
			got++;
		if (*want != *got)
			return false;
		if (!*want)
			return true;
	}
}

static void check_route(struct dialogue *d, struct wish *wish)
{
	char *cursor = wish->text, *party_word, *word, want[512] = "", got[512];
	size_t index;
	unsigned party;
	const struct tcpaudit_connection *c = which_connection(d, wish, &cursor, &index);

	if (!c)
		return;
	party_word = next_word(&cursor);
	if (!to_party(party_word, &party) || party == PARTY_ROUTER) {
		fail(d, wish->line, "expected route A|B STATE...");
		return;
	}
	while ((word = next_word(&cursor)) && strlen(want) + strlen(word) + 2 < sizeof want) {
		unsigned state;

		if (!to_state(word, strcspn(word, "!?"), &state))
			fail(d, wish->line, "no state is called `%s`", word);
		strcat(strcat(want, *want ? " " : ""), word);
	}
	route_text(c, end_of(c, party), got, sizeof got);
	if (!route_fits(want, got))
		fail(d, wish->line, "expected %s by %s, got %s", party_word, want, *got ? got : "(nothing)");
}

/* The packet ledger, and that nothing is left behind. */
static void check_counters(struct dialogue *d)
{
	struct tcpaudit_counters counters;
	uint64_t sum = 0;

	tcpaudit_counters(d->engine, &counters);
	for (unsigned i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		sum += counters.fate[i];
	if (counters.frames != d->frames || sum != d->frames)
		fail(d, d->line, "expected %" PRIu64 " frames in the ledger, got %" PRIu64 " with %" PRIu64 " fates", d->frames,
		     counters.frames, sum);
	if (counters.open || counters.connections != d->connections)
		fail(d, d->line, "expected %" PRIu64 " connections reported and none open, got %zu and %" PRIu64, counters.connections,
		     d->connections, counters.open);
}

static int by_id(const void *a, const void *b)
{
	const struct tcpaudit_connection *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void check_all(struct dialogue *d)
{
	start(d);
	tcpaudit_finish(d->engine);
	qsort(d->connection, d->connections, sizeof *d->connection, by_id);
	check_findings(d);
	check_notes(d, &d->notes, true);
	check_notes(d, &d->absent, false);
	check_ends(d);
	for (size_t i = 0; i < d->routes.count; i++)
		check_route(d, &d->routes.wish[i]);
	check_counters(d);
}

/* ---- files ---- */

static bool read_script(struct dialogue *d)
{
	FILE *file = fopen(d->path, "r");
	char line[512];

	if (!file) {
		fail(d, 0, "%s", strerror(errno));
		return false;
	}
	while (fgets(line, sizeof line, file)) {
		d->line++;
		run_line(d, line);
	}
	fclose(file);
	return true;
}

static FILE *create_pcap(const struct dialogue *d, const char *directory)
{
	const char *slash = strrchr(d->path, '/');
	const char *name = slash ? slash + 1 : d->path;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof path, "%s/%.*s.pcap", directory, (int)strcspn(name, "."), name);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(2);
	}
	return file;
}

/* The header stands last, when the link type is known. */
static void finish_pcap(struct dialogue *d)
{
	rewind(d->pcap);
	put_le32(d->pcap, 0xa1b23c4d);
	put_le32(d->pcap, 4u << 16 | 2);
	put_le32(d->pcap, 0);
	put_le32(d->pcap, 0);
	put_le32(d->pcap, 262144);
	put_le32(d->pcap, d->ethernet ? 1 : 101);
	fclose(d->pcap);
}

static bool run_file(const char *path, const char *directory, unsigned number)
{
	struct dialogue *d = calloc(1, sizeof *d);
	bool good;

	if (!d)
		exit(2);
	d->path = path;
	d->iss[PARTY_A] = 1000;
	d->iss[PARTY_B] = 5000;
	d->diagnostics = open_memstream(&d->report, &d->report_len);
	tcpaudit_settings_init(&d->settings);
	memcpy(d->settings.hash_key, "sixteen octets!!", sizeof d->settings.hash_key);
	if (directory) {
		d->pcap = create_pcap(d, directory);
		fwrite("                        ", 1, 24, d->pcap);
	}
	if (read_script(d) && !directory)
		check_all(d);
	if (d->pcap)
		finish_pcap(d);
	fclose(d->diagnostics);
	good = !d->failures;
	if (!directory)
		printf("%s %u - %s\n", good ? "ok" : "not ok", number, strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	fputs(d->report, directory ? stderr : stdout);
	for (size_t i = 0; i < d->connections; i++)
		free((void *)d->connection[i].transitions);
	tcpaudit_free(d->engine);
	free(d->report);
	free(d);
	return good;
}

static int run_files(size_t count, char *const *paths, const char *directory)
{
	bool good = true;

	if (!directory)
		printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		good &= run_file(paths[i], directory, (unsigned)i + 1);
		fflush(stdout);
	}
	return good ? 0 : 1;
}

static int run_shipped(void)
{
	const char *source = getenv("srcdir");
	char pattern[4096];
	glob_t found;
	int status;

	snprintf(pattern, sizeof pattern, "%s/tests/dialogues/*.pkt", source ? source : ".");
	if (glob(pattern, 0, NULL, &found)) {
		fprintf(stderr, "dialogue: no files %s\n", pattern);
		return 2;
	}
	status = run_files(found.gl_pathc, found.gl_pathv, NULL);
	globfree(&found);
	return status;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return run_shipped();
	if (!strcmp(argv[1], "--write") && argc > 3)
		return run_files((size_t)argc - 3, argv + 3, argv[2]);
	if (argv[1][0] != '-')
		return run_files((size_t)argc - 1, argv + 1, NULL);
	fprintf(stderr, "usage: dialogue [FILE...] | dialogue --write DIRECTORY FILE...\n");
	return 2;
}
