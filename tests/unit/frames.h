/* frames.h - dialogues in the notation of the catalogue, as raw IP frames through the public engine.
 *
 * "A S100 / B SA300,101 / A .101,301 / A D101+10,301 / B RA301,111": who, flags, SEG.SEQ, length of the text, SEG.ACK.
 * S SYN, F FIN (with ACK unless with S or R), R RST, P PSH, U URG, A ACK, '.' ACK alone, D text with ACK, f FIN without
 * ACK, N no flags.  Behind that, words: @1.5 at second 1.5 (else 10 ms after the frame before), win=0, id=7, ttl=48,
 * ts=900,800 (TSval, TSecr), ws=7, mss=1460, sackok, tfo, fastclose, bad or partial (checksum), in=1 (input and source),
 * sport=41000 (A's port), vlan=5, lost (frames were lost before). */
#ifndef FRAMES_H
#define FRAMES_H

#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/audit.h>

#define SECONDS INT64_C(1000000000)
#define MILLISECONDS INT64_C(1000000)
#define EPOCH (INT64_C(1700000000) * SECONDS)
#define A TCPAUDIT_CLIENT
#define B TCPAUDIT_SERVER
#define STATE(name) ((tcpaudit_state_set)(1u << TCPAUDIT_##name))

enum wire_checksum { WIRE_GOOD, WIRE_BAD, WIRE_PARTIAL };

/* What a frame is made of. */
struct wire {
	unsigned from;
	uint32_t address[2]; /* of A and of B; 0: 10.0.0.1 and 10.0.0.2 */
	uint16_t port[2];    /* 0: 40000 and 80 */
	uint32_t seq;
	uint32_t ack;
	uint32_t len;
	uint16_t flags;
	uint16_t window;
	uint16_t id;
	uint8_t ttl;
	uint16_t vlan;
	uint8_t option[40];
	uint8_t option_len;
	enum wire_checksum checksum;
};

#define WIRE_ROOM (18 + 20 + 60 + 2048)

static inline void wire_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void wire_put32(uint8_t *p, uint32_t v)
{
	wire_put16(p, v >> 16);
	wire_put16(p + 2, v & 0xffff);
}

static inline uint32_t wire_add(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static inline uint16_t wire_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Writes the frame (IPv4; Ethernet with a tag in front if `vlan` is not 0) and returns its length. */
static inline size_t wire_frame(const struct wire *w, uint8_t out[WIRE_ROOM])
{
	static const uint8_t ethernet[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 0, 8, 0};
	size_t link = w->vlan ? sizeof ethernet : 0, options = (w->option_len + 3u) & ~3u;
	uint8_t *ip = out + link, *tcp = ip + 20;
	uint32_t address[2] = {w->address[0] ? w->address[0] : 0x0a000001, w->address[1] ? w->address[1] : 0x0a000002};
	uint16_t port[2] = {w->port[0] ? w->port[0] : 40000, w->port[1] ? w->port[1] : 80};
	size_t length = 20 + options + w->len;

	memset(out, 0, link + 40 + options);
	if (link) {
		memcpy(out, ethernet, sizeof ethernet);
		wire_put16(out + 14, w->vlan);
	}
	ip[0] = 0x45;
	wire_put16(ip + 2, (unsigned)(20 + length));
	wire_put16(ip + 4, w->id);
	ip[6] = 0x40;
	ip[8] = w->ttl ? w->ttl : 64;
	ip[9] = 6;
	wire_put32(ip + 12, address[w->from]);
	wire_put32(ip + 16, address[!w->from]);
	wire_put16(ip + 10, (uint16_t)~wire_fold(wire_add(0, ip, 20)));
	wire_put16(tcp, port[w->from]);
	wire_put16(tcp + 2, port[!w->from]);
	wire_put32(tcp + 4, w->seq);
	wire_put32(tcp + 8, w->ack);
	wire_put16(tcp + 12, (unsigned)((20 + options) / 4 << 12 | (w->flags & 0xfff)));
	wire_put16(tcp + 14, w->window);
	memset(tcp + 20, 1, options);
	memcpy(tcp + 20, w->option, w->option_len);
	for (uint32_t i = 0; i < w->len; i++)
		tcp[20 + options + i] = (uint8_t)(w->seq + i);
	uint32_t pseudo = wire_add(6 + (uint32_t)length, ip + 12, 8);
	uint16_t sum = (uint16_t)~wire_fold(wire_add(pseudo, tcp, length));
	wire_put16(tcp + 16, w->checksum == WIRE_GOOD ? sum : w->checksum == WIRE_BAD ? sum ^ 0x1234u : wire_fold(pseudo));
	return link + 20 + length;
}

#define BENCH_RECORDS 512
#define BENCH_FINDINGS 512
#define BENCH_STEPS 24

/* A finding, with what would be gone after the callback. */
struct seen_finding {
	struct tcpaudit_finding finding;
	uint64_t flow;
};

/* An engine on the bench: what it reported, and where the mirror stands. */
struct bench {
	struct tcpaudit *engine;
	struct tcpaudit_settings settings;
	struct tcpaudit_sink hooks; /* further functions of the sink */
	unsigned asked[TCPAUDIT_POINTS];
	uint32_t iss[2];         /* added to the numbers of A and B */
	bool swapped;            /* A has the higher address */
	bool batched;            /* frames are handed in together at the end of each play() */
	int64_t time;            /* of the newest frame */
	int64_t start;
	uint64_t frames;
	struct tcpaudit_connection record[BENCH_RECORDS];
	struct tcpaudit_transition route[BENCH_RECORDS][BENCH_STEPS];
	size_t records;
	struct seen_finding finding[BENCH_FINDINGS];
	size_t findings;
	tcpaudit_state_set states[2]; /* after the newest segment that was shown */
	uint64_t flow;                /* its connection */
	uint64_t segments;
	const char *late_label;       /* of the connection of the newest finding */
	bool finding_after_end;       /* a finding came behind its connection's end */
};

static inline void bench_end(void *user, const struct tcpaudit_connection *c)
{
	struct bench *b = user;
	if (b->records < BENCH_RECORDS) {
		struct tcpaudit_connection *r = &b->record[b->records];
		*r = *c;
		if (c->transitions && c->transition_count <= BENCH_STEPS) {
			memcpy(b->route[b->records], c->transitions, c->transition_count * sizeof *c->transitions);
			r->transitions = b->route[b->records];
		}
	}
	b->records++;
}

static inline void bench_found(void *user, const struct tcpaudit_finding *f)
{
	struct bench *b = user;
	if (b->findings < BENCH_FINDINGS)
		b->finding[b->findings] = (struct seen_finding){.finding = *f, .flow = f->connection->id};
	b->late_label = f->connection->label.proto;
	for (size_t i = 0; i < b->records && i < BENCH_RECORDS; i++)
		b->finding_after_end |= b->record[i].id == f->connection->id;
	b->findings++;
}

static inline void bench_segment(void *user, uint64_t flow, const struct tcpaudit_segment *s, unsigned from,
                                 const tcpaudit_state_set states[2])
{
	struct bench *b = user;
	(void)s;
	(void)from;
	b->flow = flow;
	b->states[0] = states[0];
	b->states[1] = states[1];
	b->segments++;
}

/* Defaults, routes and watching on; change `settings` between the two if need be. */
static inline struct bench *bench_prepare(void)
{
	struct bench *b = calloc(1, sizeof *b);
	cr_assert_not_null(b);
	tcpaudit_settings_init(&b->settings);
	memcpy(b->settings.hash_key, "0123456789abcdef", 16);
	b->settings.transitions = true;
	b->settings.watch_all = true;
	b->start = b->time = EPOCH;
	return b;
}

static inline struct bench *bench_start(struct bench *b)
{
	struct tcpaudit_sink sink = b->hooks;

	sink.user = b;
	sink.connection_end = bench_end;
	sink.finding = bench_found;
	sink.segment = bench_segment;
	b->engine = tcpaudit_new(&b->settings, &sink);
	cr_assert_not_null(b->engine);
	return b;
}

static inline struct bench *bench_new(void)
{
	return bench_start(bench_prepare());
}

static inline void bench_free(struct bench *b)
{
	tcpaudit_free(b->engine);
	free(b);
}

static inline void bench_finish(struct bench *b)
{
	tcpaudit_finish(b->engine);
}

static inline struct tcpaudit_counters bench_counters(const struct bench *b)
{
	struct tcpaudit_counters c;
	tcpaudit_counters(b->engine, &c);
	return c;
}

/* Hands in one frame, at `time`. */
static inline void bench_frame(struct bench *b, const uint8_t *data, size_t len, int64_t time, uint16_t linktype, uint16_t input,
                               uint8_t flags)
{
	b->frames++;
	struct tcpaudit_frame f = {.time = time, .ordinal = b->frames, .number = b->frames, .data = data, .caplen = (uint32_t)len,
	                           .wirelen = (uint32_t)len, .linktype = linktype, .input = input, .source = input, .flags = flags};
	tcpaudit_frames(b->engine, &f, 1);
	b->time = time;
}

static inline void bench_wire(struct bench *b, const struct wire *w, int64_t time)
{
	uint8_t out[WIRE_ROOM];
	size_t len = wire_frame(w, out);
	bench_frame(b, out, len, time, w->vlan ? 1 : 101, 0, 0);
}

/* ---- the notation ---- */

static inline uint16_t wire_flags(const char **text)
{
	uint16_t flags = 0;
	bool fin = false;
	for (;; ++*text) {
		switch (**text) {
		case 'S': flags |= TCPAUDIT_SYN; continue;
		case 'F': flags |= TCPAUDIT_FIN; fin = true; continue;
		case 'f': flags |= TCPAUDIT_FIN; continue;
		case 'R': flags |= TCPAUDIT_RST; continue;
		case 'P': flags |= TCPAUDIT_PSH; continue;
		case 'U': flags |= TCPAUDIT_URG; continue;
		case 'A': flags |= TCPAUDIT_ACK; continue;
		case '.': flags |= TCPAUDIT_ACK; continue;
		case 'D': flags |= TCPAUDIT_ACK | TCPAUDIT_PSH; continue;
		case 'N': continue;
		default: break;
		}
		break;
	}
	if (fin && !(flags & (TCPAUDIT_SYN | TCPAUDIT_RST)))
		flags |= TCPAUDIT_ACK;
	return flags;
}

static inline void wire_option(struct wire *w, const void *option, size_t len)
{
	memcpy(w->option + w->option_len, option, len);
	w->option_len = (uint8_t)(w->option_len + len);
}

static inline void wire_timestamps(struct wire *w, uint32_t val, uint32_t ecr)
{
	uint8_t o[10] = {8, 10};
	wire_put32(o + 2, val);
	wire_put32(o + 6, ecr);
	wire_option(w, o, sizeof o);
}

struct words {
	struct wire wire;
	int64_t time;
	uint16_t input;
	uint8_t frame_flags;
};

static inline uint32_t word_number(const char *word)
{
	return (uint32_t)strtoul(strchr(word, '=') + 1, NULL, 10);
}

static inline void bench_word(struct bench *b, struct words *x, const char *word)
{
	struct wire *w = &x->wire;
	if (word[0] == '@')
		x->time = b->start + (int64_t)(strtod(word + 1, NULL) * 1e6 + 0.5) * 1000;
	else if (strncmp(word, "win=", 4) == 0)
		w->window = (uint16_t)word_number(word);
	else if (strncmp(word, "id=", 3) == 0)
		w->id = (uint16_t)word_number(word);
	else if (strncmp(word, "ttl=", 4) == 0)
		w->ttl = (uint8_t)word_number(word);
	else if (strncmp(word, "ts=", 3) == 0)
		wire_timestamps(w, word_number(word), (uint32_t)strtoul(strchr(word, ',') + 1, NULL, 10));
	else if (strncmp(word, "ws=", 3) == 0)
		wire_option(w, (uint8_t[]){3, 3, (uint8_t)word_number(word)}, 3);
	else if (strncmp(word, "mss=", 4) == 0)
		wire_option(w, (uint8_t[]){2, 4, (uint8_t)(word_number(word) >> 8), (uint8_t)word_number(word)}, 4);
	else if (strcmp(word, "sackok") == 0)
		wire_option(w, (uint8_t[]){4, 2}, 2);
	else if (strcmp(word, "tfo") == 0)
		wire_option(w, (uint8_t[]){34, 10, 1, 2, 3, 4, 5, 6, 7, 8}, 10);
	else if (strcmp(word, "fastclose") == 0)
		wire_option(w, (uint8_t[]){30, 12, 0x70, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 12);
	else if (strcmp(word, "bad") == 0)
		w->checksum = WIRE_BAD;
	else if (strcmp(word, "partial") == 0)
		w->checksum = WIRE_PARTIAL;
	else if (strncmp(word, "in=", 3) == 0)
		x->input = (uint16_t)word_number(word);
	else if (strncmp(word, "sport=", 6) == 0)
		w->port[0] = (uint16_t)word_number(word);
	else if (strncmp(word, "vlan=", 5) == 0)
		w->vlan = (uint16_t)word_number(word);
	else if (strcmp(word, "lost") == 0)
		x->frame_flags |= TCPAUDIT_FRAME_LOST;
	else if (strcmp(word, "out") == 0)
		x->frame_flags |= TCPAUDIT_FRAME_OUTBOUND;
	else
		cr_assert_fail("unknown word %s", word);
}

/* "F101,301": flags, number, text, acknowledgment. */
static inline void bench_numbers(struct bench *b, struct wire *w, const char *text)
{
	char *end;
	w->flags = wire_flags(&text);
	w->seq = (uint32_t)strtoul(text, &end, 10);
	if (!(w->flags & TCPAUDIT_RST && !(w->flags & TCPAUDIT_ACK) && w->seq == 0) && !(w->flags & TCPAUDIT_RST && w->seq == 0))
		w->seq += b->iss[w->from];
	if (*end == '+')
		w->len = (uint32_t)strtoul(end + 1, &end, 10);
	if (*end == ',')
		w->ack = (uint32_t)strtoul(end + 1, &end, 10) + b->iss[!w->from];
	cr_assert(*end == 0, "numbers: %s", text);
}

static inline void bench_line(struct bench *b, char *line)
{
	char *save = NULL, *who = strtok_r(line, " ", &save), *numbers = strtok_r(NULL, " ", &save);
	struct words x = {.time = !b->frames ? b->start : b->time > INT64_MAX - 10 * MILLISECONDS ? INT64_MAX : b->time + 10 * MILLISECONDS};
	uint8_t out[WIRE_ROOM];

	cr_assert(who && numbers && (who[0] == 'A' || who[0] == 'B') && who[1] == 0);
	x.wire.from = who[0] == 'A' ? A : B;
	x.wire.window = 8192;
	if (b->swapped) {
		x.wire.address[0] = 0x0a000002;
		x.wire.address[1] = 0x0a000001;
	}
	bench_numbers(b, &x.wire, numbers);
	for (char *word; (word = strtok_r(NULL, " ", &save));)
		bench_word(b, &x, word);
	size_t len = wire_frame(&x.wire, out);
	bench_frame(b, out, len, x.time, x.wire.vlan ? 1 : 101, x.input, x.frame_flags);
}

/* Plays a dialogue. */
static inline void play(struct bench *b, const char *dialogue)
{
	char *copy = strdup(dialogue), *save = NULL;
	for (char *line = strtok_r(copy, "/", &save); line; line = strtok_r(NULL, "/", &save))
		if (line[strspn(line, " ")])
			bench_line(b, line);
	free(copy);
}

/* An ICMP destination unreachable about a segment of `about`. */
static inline void bench_icmp(struct bench *b, unsigned about, uint32_t seq, uint8_t code, int64_t time)
{
	uint8_t quoted[WIRE_ROOM], out[WIRE_ROOM];
	struct wire w = {.from = about, .seq = seq + b->iss[about], .flags = TCPAUDIT_SYN};

	if (b->swapped) {
		w.address[0] = 0x0a000002;
		w.address[1] = 0x0a000001;
	}
	wire_frame(&w, quoted);
	memset(out, 0, 28);
	out[0] = 0x45;
	wire_put16(out + 2, 56);
	out[8] = 64;
	out[9] = 1;
	wire_put32(out + 12, 0x0a0000fe);
	memcpy(out + 16, quoted + 12, 4);
	wire_put16(out + 10, (uint16_t)~wire_fold(wire_add(0, out, 20)));
	out[20] = 3;
	out[21] = code;
	memcpy(out + 28, quoted, 28);
	wire_put16(out + 22, (uint16_t)~wire_fold(wire_add(0, out + 20, 36)));
	bench_frame(b, out, 56, time, 101, 0, 0);
}

/* ---- what came of it ---- */

static inline size_t findings_of(const struct bench *b, const char *id)
{
	size_t n = 0;
	for (size_t i = 0; i < b->findings && i < BENCH_FINDINGS; i++)
		n += strcmp(b->finding[i].finding.check->id, id) == 0;
	return n;
}

static inline const struct seen_finding *finding_of(const struct bench *b, const char *id)
{
	for (size_t i = 0; i < b->findings && i < BENCH_FINDINGS; i++)
		if (strcmp(b->finding[i].finding.check->id, id) == 0)
			return &b->finding[i];
	return NULL;
}

static inline bool noted(const struct tcpaudit_connection *c, const char *id)
{
	int row = tcpaudit_check_index(id);
	cr_assert(row >= 0, "no check %s", id);
	return c->capture[row >> 6] >> (row & 63) & 1;
}

static inline const char *state_names(tcpaudit_state_set set, char out[160])
{
	size_t n = 0;
	out[0] = 0;
	for (int s = 0; s < TCPAUDIT_STATE_COUNT; s++)
		if (set >> s & 1)
			n += (size_t)snprintf(out + n, 160 - n, "%s%s", n ? "|" : "", tcpaudit_state_name((enum tcpaudit_state)s));
	return out;
}

#define assert_states(b, end, set)                                                                                     \
	do {                                                                                                            \
		char is_[160], want_[160];                                                                              \
		cr_assert_eq((b)->states[end], (tcpaudit_state_set)(set), "%s is %s, want %s", (end) ? "B" : "A",         \
		             state_names((b)->states[end], is_), state_names((tcpaudit_state_set)(set), want_));         \
	} while (0)

/* `within`: every member of the set is allowed by the catalogue, and the true one is among it. */
#define assert_kind(b, i, want)                                                                                        \
	do {                                                                                                            \
		cr_assert((b)->records > (i), "%zu records", (b)->records);                                              \
		cr_assert_eq((b)->record[i].kind, TCPAUDIT_KIND_##want, "kind %s, want %s",                              \
		             tcpaudit_kind_name((enum tcpaudit_kind)(b)->record[i].kind),                                \
		             tcpaudit_kind_name(TCPAUDIT_KIND_##want));                                                  \
	} while (0)

/* An end's route as text: "SYN-SENT! ESTABLISHED! FIN-WAIT-1!", '!' where it is proven. */
static inline const char *route_text(const struct tcpaudit_connection *c, unsigned end, char out[400])
{
	size_t n = 0;
	out[0] = 0;
	for (size_t i = 0; i < c->transition_count; i++) {
		const struct tcpaudit_transition *t = &c->transitions[i];
		if (t->end == end)
			n += (size_t)snprintf(out + n, 400 - n, "%s%s%s", n ? " " : "", tcpaudit_state_name((enum tcpaudit_state)t->to),
			                      t->proof.frame ? "!" : "");
	}
	return out;
}

#define assert_route(b, i, end, want)                                                                                  \
	do {                                                                                                            \
		char is_[400];                                                                                          \
		cr_assert((b)->records > (i));                                                                           \
		cr_assert_str_eq(route_text(&(b)->record[i], end, is_), want, "route %s, want %s", is_, want);           \
	} while (0)

#endif
