/* properties.c - what no capture may break.
 *
 *   properties [--every N] [--seed S] FILE...      pcap files; connections that are not the Nth are left out
 *
 * What befalls a capture must not be held against the hosts, so each connection is judged once as it is, and then spoiled:
 *
 *  leave-out   each frame in turn; 1, 2 and 10 percent at random
 *  cut         begins at each frame; ends at each frame
 *  one way     either direction alone
 *  twice       every frame again: at once, with the same TTL and with one less; a millisecond later
 *  snaplen     cut to 64 ... 96 octets
 *  reordered   frames delayed by up to 3 ms; each exchanged with the next, if that is as near
 *
 * and nothing of severity warning or error may appear that was not there.  A claim of absence that was there may not grow; any
 * may vanish with the frame it rested on.  A kind of close that rests on the frame that is missing changes, and says so in its
 * confidence.
 *
 * Then the same conversation in other clothes must be judged the same in every respect: kinds and their confidence, routes, what
 * was measured and noted of the capture; of each finding the check, the end, how often, severity, confidence, and the frames,
 * states and reasons that it names:
 *
 *  numbers     both streams moved so that their sequence numbers wrap at every frame; timestamps moved likewise
 *  time        moved by a year
 *  ends        addresses and ports exchanged
 *
 * Prints TAP: one test a property, with how many variants there were; the first failures as comments. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/audit.h>

#define MOST_FRAMES   20000
#define MOST_FINDINGS 512
#define MOST_ENDED    64
#define SHOWN         1200
#define MILLISECOND   1000000ll

enum property { LEAVE_OUT, CUT, ONE_WAY, TWICE, SNAPLEN, REORDERED, NUMBERS, TIMES, ENDS, PROPERTIES };

static const char *const names[] = {"leave-out", "cut", "one way", "twice", "snaplen", "reordered", "numbers", "time", "ends"};

static struct {
	uint64_t variants;
	uint64_t held; /* warnings and errors that were asked for again */
	uint64_t failures;
	char shown[SHOWN][600];
} tally[PROPERTIES];

/* ---- frames ---- */

/* Where the headers of a frame are; ip 0: not one that this program looks into. */
struct layout {
	unsigned ip;
	unsigned tcp;
	bool v6;
};

struct shot { /* a frame, and whose */
	struct tcpaudit_frame frame;
	struct layout at;
	uint64_t key[2]; /* of the socket pair, without direction */
};

static struct shot *file_shots;
static size_t file_count;

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xffff);
}

static struct layout find_layout(const struct tcpaudit_frame *f)
{
	struct layout none = {0}, at = {0};
	const uint8_t *p = f->data;
	unsigned ip = f->linktype == 1 ? 14 : f->linktype == 101 ? 0 : 9999;

	if (f->caplen < ip + 40)
		return none;
	if (ip == 14 && get16(p + 12) == 0x8100)
		ip = 18;
	at.ip = ip + 1; /* 0 means none */
	at.v6 = p[ip] >> 4 == 6;
	if (at.v6) {
		if (p[ip + 6] != 6 || f->caplen < ip + 60)
			return none;
		at.tcp = ip + 40;
	} else {
		if (p[ip] >> 4 != 4 || p[ip + 9] != 6 || get16(p + ip + 6) & 0x3fff)
			return none;
		at.tcp = ip + 4u * (p[ip] & 15);
	}
	return f->caplen < at.tcp + 20 ? none : at;
}

static unsigned address_at(const struct layout *at, unsigned side)
{
	unsigned ip = at->ip - 1;
	return at->v6 ? ip + 8 + 16 * side : ip + 12 + 4 * side;
}

static uint64_t socket_hash(const struct shot *s, unsigned side)
{
	const uint8_t *p = s->frame.data;
	uint64_t h = 14695981039346656037ull;
	unsigned from = address_at(&s->at, side), length = s->at.v6 ? 16 : 4;

	for (unsigned i = 0; i < length; i++)
		h = (h ^ p[from + i]) * 1099511628211ull;
	h = (h ^ p[s->at.tcp + 2 * side]) * 1099511628211ull;
	return (h ^ p[s->at.tcp + 2 * side + 1]) * 1099511628211ull;
}

static uint8_t *slurp(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	long length;

	if (!file || fseek(file, 0, SEEK_END) || (length = ftell(file)) < 24 || fseek(file, 0, SEEK_SET) ||
	    !(data = malloc((size_t)length)) || fread(data, 1, (size_t)length, file) != (size_t)length) {
		fprintf(stderr, "%s: %s\n", path, errno ? strerror(errno) : "too short");
		exit(2);
	}
	fclose(file);
	*size = (size_t)length;
	return data;
}

static uint32_t host32(const uint8_t *p, bool swapped)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return swapped ? __builtin_bswap32(v) : v;
}

/* Reads a pcap file (not pcapng) into file_shots; false for other files. */
static bool read_pcap(const char *path, uint8_t **data)
{
	size_t size, at = 24;
	*data = slurp(path, &size);
	uint32_t magic = host32(*data, false);
	bool swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
	uint32_t unit = magic == 0xa1b23c4d || magic == 0x4d3cb2a1 ? 1 : 1000;

	if (!swapped && magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)
		return false;
	uint32_t link = host32(*data + 20, swapped) & 0xffff;
	file_count = 0;
	while (at + 16 <= size && file_count < 2000000) {
		const uint8_t *p = *data + at;
		uint32_t caplen = host32(p + 8, swapped);
		if (caplen > size - at - 16)
			break;
		if (file_count % 4096 == 0)
			file_shots = realloc(file_shots, (file_count + 4096) * sizeof *file_shots);
		struct shot *s = &file_shots[file_count++];
		s->frame = (struct tcpaudit_frame){.time = (int64_t)host32(p, swapped) * 1000000000 +
		                                           (int64_t)host32(p + 4, swapped) * unit,
		                                   .data = p + 16,
		                                   .caplen = caplen,
		                                   .wirelen = host32(p + 12, swapped),
		                                   .linktype = (uint16_t)(link == 12 ? 101 : link)};
		s->at = find_layout(&s->frame);
		s->key[0] = s->at.ip ? socket_hash(s, 0) : 0;
		s->key[1] = s->at.ip ? socket_hash(s, 1) : 0;
		at += 16 + caplen;
	}
	return true;
}

/* ---- verdicts ---- */

struct accusation {
	uint8_t row, severity, confidence, endpoint;
	uint32_t count;
	uint32_t reasons; /* notes on the capture that lowered it */
	uint32_t frame[TCPAUDIT_EVIDENCE]; /* numbers, 0 none */
	uint64_t particulars; /* hash of all else that does not depend on numbers and times */
};

struct ended {
	uint8_t kind, confidence, closed_first, aborted_by, holder;
	uint64_t findings[TCPAUDIT_CHECK_WORDS];
	uint64_t capture[TCPAUDIT_CHECK_WORDS];
	uint64_t route;    /* hash of both ends' steps */
	uint64_t measures; /* hash of counts and durations */
};

struct verdict {
	struct accusation accusation[MOST_FINDINGS];
	size_t accusations;
	struct ended ended[MOST_ENDED];
	size_t count;
	uint64_t unexplained; /* frames that the ledger does not account for */
};

static uint64_t add_hash(uint64_t h, uint64_t value)
{
	return (h ^ value) * 1099511628211ull ^ h >> 29;
}

static uint64_t add_name(uint64_t h, const char *name)
{
	for (; name && *name; name++)
		h = add_hash(h, (uint8_t)*name);
	return add_hash(h, name != NULL);
}

/* Frames of the evidence, states around them, names of facts, reasons. */
static uint64_t particulars_of(const struct tcpaudit_finding *f)
{
	uint64_t h = add_name(0, f->deliberate);

	for (size_t i = 0; i < f->evidence_count; i++) {
		const struct tcpaudit_evidence *e = &f->evidence[i];
		h = add_hash(h, e->frame << 24 | (uint64_t)e->from << 20 | e->flags);
		h = add_hash(h, e->len);
	}
	for (unsigned x = 0; x < 2; x++)
		h = add_hash(h, (uint64_t)f->before[x] << 16 | f->after[x]);
	for (unsigned i = 0; i < TCPAUDIT_FACTS; i++)
		h = add_name(add_name(h, f->expected[i].name), f->observed[i].name);
	for (unsigned w = 0; w < TCPAUDIT_CHECK_WORDS; w++)
		h = add_hash(h, f->capture[w]);
	return h;
}

static void on_finding(void *user, const struct tcpaudit_finding *f)
{
	struct verdict *v = user;
	if (v->accusations == MOST_FINDINGS)
		return;
	struct accusation *a = &v->accusation[v->accusations++];
	*a = (struct accusation){.row = (uint8_t)tcpaudit_check_index(f->check->id),
	                                                      .severity = f->severity,
	                                                      .confidence = f->confidence,
	                                                      .endpoint = f->endpoint,
	                                                      .count = f->count,
	                                                      .particulars = particulars_of(f)};
	for (unsigned w = 0; w < TCPAUDIT_CHECK_WORDS; w++)
		a->reasons += (uint32_t)__builtin_popcountll(f->capture[w]);
	for (size_t i = 0; i < f->evidence_count; i++)
		a->frame[i] = (uint32_t)f->evidence[i].frame;
}

static uint64_t measures_of(const struct tcpaudit_connection *c)
{
	uint64_t h = add_hash(add_hash(0, (uint64_t)c->rtt), (uint64_t)(c->last - c->start));

	h = add_hash(h, (uint64_t)c->completeness << 8 | (uint64_t)c->post_close_reset << 1 | c->forged_suspect);
	h = add_hash(h, (uint64_t)c->half_close_duration << 8 | c->half_close_by);
	h = add_hash(h, c->half_close_bytes << 16 | c->time_wait_restarts);
	h = add_hash(h, c->time_wait_holder <= TCPAUDIT_WHO_BOTH ? (uint64_t)(c->time_wait_since - c->start) : 0);
	for (unsigned x = 0; x < 2; x++) {
		const struct tcpaudit_end *e = &c->end[x];
		h = add_hash(h,
		             (uint64_t)e->states << 32 | (uint64_t)e->vantage << 16 | (uint64_t)e->fin_sent << 1 | e->fin_acked);
		h = add_hash(h, e->packets << 32 | e->fin_copies << 16 | e->resets << 8 | e->retransmissions);
		h = add_hash(add_hash(add_hash(h, e->bytes), e->text), e->lost);
		h = add_hash(h, (uint64_t)e->turnaround);
	}
	return h;
}

static void on_end(void *user, const struct tcpaudit_connection *c)
{
	struct verdict *v = user;
	if (v->count == MOST_ENDED)
		return;
	struct ended *e = &v->ended[v->count++];
	*e = (struct ended){c->kind, c->confidence, c->closed_first, c->aborted_by, c->time_wait_holder, {0}, {0},
	                    0,       measures_of(c)};
	memcpy(e->findings, c->findings, sizeof e->findings);
	memcpy(e->capture, c->capture, sizeof e->capture);
	for (size_t i = 0; i < c->transition_count; i++) {
		const struct tcpaudit_transition *t = &c->transitions[i];
		uint64_t step = (uint64_t)t->end << 48 | (uint64_t)t->from << 40 | (uint64_t)t->to << 32 | t->at.frame << 16 |
		                t->proof.frame;
		e->route = (e->route ^ step) * 1099511628211ull;
	}
}

static void judge(const struct tcpaudit_frame *frames, size_t count, struct verdict *v, bool routes)
{
	static struct tcpaudit_frame ordered[2 * MOST_FRAMES + 1];
	struct tcpaudit_settings settings;
	struct tcpaudit_sink sink = {.user = v, .connection_end = on_end, .finding = on_finding};
	struct tcpaudit_counters counters;
	uint64_t fates = 0;

	memset(v, 0, sizeof *v);
	tcpaudit_settings_init(&settings);
	settings.transitions = routes;
	settings.min_severity = TCPAUDIT_INFO;
	for (size_t i = 0; i < count; i++) {
		ordered[i] = frames[i];
		ordered[i].ordinal = ordered[i].number = i + 1;
	}
	struct tcpaudit *engine = tcpaudit_new(&settings, &sink);
	if (!engine) {
		fputs("out of memory\n", stderr);
		exit(2);
	}
	tcpaudit_frames(engine, ordered, count);
	tcpaudit_finish(engine);
	tcpaudit_counters(engine, &counters);
	for (int i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		fates += counters.fate[i];
	v->unexplained = counters.frames - fates + (counters.frames != count);
	tcpaudit_free(engine);
}

/* ---- the properties ---- */

static const char *file_name;
static uint64_t connection_number;

static void fail(enum property p, const char *what, const char *why)
{
	if (tally[p].failures < SHOWN)
		snprintf(tally[p].shown[tally[p].failures], sizeof tally[p].shown[0], "%s, connection %" PRIu64 ", %s: %s",
		         file_name, connection_number, what, why);
	tally[p].failures++;
}

static int worst(const struct verdict *v, unsigned row)
{
	int severity = -1;
	for (size_t i = 0; i < v->accusations; i++)
		if (v->accusation[i].row == row && v->accusation[i].severity > severity)
			severity = v->accusation[i].severity;
	return severity;
}

/* Of the connection at hand: its frames, and which of them opened it. */
static const struct shot *const *shots;
static size_t shot_count;
static bool opening[MOST_FRAMES];

static unsigned flags_of(const struct shot *s)
{
	return s->at.ip ? s->frame.data[s->at.tcp + 13] : 0;
}

static bool same_sender(const struct shot *a, const struct shot *b)
{
	return a->at.ip && b->at.ip && a->key[0] == b->key[0] && a->key[1] == b->key[1];
}

/* SYN, SYN-ACK, and the first segment of the SYN's sender that acknowledges: what opens a connection for good. */
static void find_opening(void)
{
	const struct shot *syn = NULL;

	for (size_t i = 0; i < shot_count; i++) {
		unsigned flags = flags_of(shots[i]);
		opening[i] = flags & 0x02;
		if ((flags & 0x12) == 0x02)
			syn = shots[i];
		if ((flags & 0x16) == 0x10 && syn && same_sender(syn, shots[i])) {
			opening[i] = true;
			syn = NULL;
		}
	}
}

/* Checks that hold a segment against those before it of the same sender, of which they name none. */
static const char *const comparing[] = {"data-ts-regress", "data-ack-regress"};

static bool compares(unsigned row)
{
	size_t rows;
	for (size_t i = 0; i < sizeof comparing / sizeof comparing[0]; i++)
		if (!strcmp(tcpaudit_checks(&rows)[row].id, comparing[i]))
			return true;
	return false;
}

/* Would the claim miss this frame?  If it is named in evidence, if it opened the connection (what a synchronized end may not do
 * is nothing that others may not), or if what is named was compared with it. */
static bool rests_on(const struct accusation *a, size_t frame)
{
	if (opening[frame])
		return true;
	for (unsigned i = 0; i < TCPAUDIT_EVIDENCE; i++)
		if (a->frame[i] == frame + 1)
			return true;
	return compares(a->row) && a->frame[0] && frame + 1 < a->frame[0] && same_sender(shots[frame], shots[a->frame[0] - 1]);
}

static bool rests_on_gone(const struct accusation *a, const bool *gone)
{
	for (size_t i = 0; i < shot_count; i++)
		if (gone[i] && rests_on(a, i))
			return true;
	return false;
}

/* Of those of the same check and end, the one that is surer. */
static const struct accusation *surest(const struct accusation *a, const struct verdict *v)
{
	const struct accusation *found = NULL;

	for (size_t i = 0; i < v->accusations; i++) {
		const struct accusation *b = &v->accusation[i];
		if (b->row == a->row && b->endpoint == a->endpoint && (!found || b->confidence > found->confidence))
			found = b;
	}
	return found;
}

static void notes_of(const struct verdict *v, uint64_t notes[TCPAUDIT_CHECK_WORDS])
{
	memset(notes, 0, TCPAUDIT_CHECK_WORDS * sizeof *notes);
	for (size_t i = 0; i < v->count; i++)
		for (unsigned w = 0; w < TCPAUDIT_CHECK_WORDS; w++)
			notes[w] |= v->ended[i].capture[w];
}

/* Does the capture say that it is worse than the whole one? */
static bool has_reason(const struct verdict *whole, const struct verdict *v)
{
	uint64_t before[TCPAUDIT_CHECK_WORDS], after[TCPAUDIT_CHECK_WORDS];
	bool any = false;

	notes_of(whole, before);
	notes_of(v, after);
	for (unsigned w = 0; w < TCPAUDIT_CHECK_WORDS; w++)
		any |= (after[w] & ~before[w]) != 0;
	return any;
}

/* What was a warning or an error stays, or falls with a reason: that is asked of what can be known at all.  A frame that is gone is
 * noticed when something else refers to it: a number acknowledged that nobody sent, a handshake without a beginning.  An
 * acknowledgment or a reset leaves no trace, but neither can it take anything with it but a claim that rests on itself.  So of
 * each claim: it stands; or it is there, less sure, and names notes on the capture; or it is not there, and a frame is gone that
 * it rests on, or there is a note on the capture that was not there before. */
static void kept(enum property p, const struct verdict *whole, const struct verdict *v, const bool *gone, const char *what)
{
	size_t rows;
	char why[200];
	bool reason = has_reason(whole, v);

	for (size_t i = 0; i < whole->accusations; i++) {
		const struct accusation *a = &whole->accusation[i], *b = surest(a, v);
		if (a->severity < TCPAUDIT_WARNING || (!b && (reason || rests_on_gone(a, gone))))
			continue;
		tally[p].held++;
		if (b && ((b->confidence >= a->confidence && b->severity >= a->severity) || b->reasons))
			continue;
		snprintf(why, sizeof why, "%s %s %s %s", tcpaudit_severity_name(a->severity), tcpaudit_checks(&rows)[a->row].id,
		         tcpaudit_confidence_name(a->confidence), b ? "fell without a reason" : "went without a reason");
		fail(p, what, why);
	}
}

/* Nothing new, and nothing graver.  `gone`: which frames of the whole are missing, NULL if none is. */
static void spoiled(enum property p, const struct verdict *whole, const struct tcpaudit_frame *frames, size_t count,
                    const bool *gone, const char *what)
{
	static struct verdict v;
	size_t rows;
	const struct tcpaudit_check *check = tcpaudit_checks(&rows);

	tally[p].variants++;
	judge(frames, count, &v, false);
	if (v.unexplained)
		fail(p, what, "the ledger does not add up");
	for (size_t i = 0; i < v.accusations; i++) {
		const struct accusation *a = &v.accusation[i];
		char why[200];
		int before = worst(whole, a->row);
		if (a->severity < TCPAUDIT_WARNING)
			continue;
		if (a->severity <= before)
			continue;
		if (before >= 0 && check[a->row].basis == TCPAUDIT_PRESENCE)
			continue; /* no unseen frame refutes it: without the frame that made its connection doubtful, it is surer
			           */
		snprintf(why, sizeof why, "%s %s %s", tcpaudit_severity_name(a->severity), check[a->row].id,
		         tcpaudit_confidence_name(a->confidence));
		fail(p, what, why);
	}
	if (gone)
		kept(p, whole, &v, gone, what);
}

static uint64_t random_state;

static uint32_t random32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static struct tcpaudit_frame variant[2 * MOST_FRAMES + 1];
static bool missing[MOST_FRAMES];

static void leave_out(const struct verdict *whole, const struct tcpaudit_frame *f, size_t n)
{
	static const unsigned percent[] = {1, 2, 10};
	char what[100];

	for (size_t i = 0; i < n; i++) {
		memcpy(variant, f, i * sizeof *f);
		memcpy(variant + i, f + i + 1, (n - i - 1) * sizeof *f);
		snprintf(what, sizeof what, "without frame %zu", i + 1);
		memset(missing, 0, n * sizeof *missing);
		missing[i] = true;
		spoiled(LEAVE_OUT, whole, variant, n - 1, missing, what);
	}
	for (unsigned k = 0; k < 12; k++) {
		size_t kept = 0;
		uint64_t seed = random_state;
		for (size_t i = 0; i < n; i++) {
			missing[i] = random32() % 100 < percent[k % 3];
			if (!missing[i])
				variant[kept++] = f[i];
		}
		snprintf(what, sizeof what, "without %u percent, seed %" PRIu64, percent[k % 3], seed);
		spoiled(LEAVE_OUT, whole, variant, kept, missing, what);
	}
}

static void cut(const struct verdict *whole, const struct tcpaudit_frame *f, size_t n)
{
	char what[100];
	for (size_t i = 1; i < n; i++) {
		snprintf(what, sizeof what, "from frame %zu on", i + 1);
		for (size_t k = 0; k < n; k++)
			missing[k] = k < i;
		spoiled(CUT, whole, f + i, n - i, missing, what);
		snprintf(what, sizeof what, "up to frame %zu", i);
		for (size_t k = 0; k < n; k++)
			missing[k] = k >= i;
		spoiled(CUT, whole, f, i, missing, what);
	}
}

static void one_way(const struct verdict *whole, const struct shot *const *s, size_t n)
{
	for (unsigned side = 0; side < 2; side++) {
		size_t kept = 0;
		for (size_t i = 0; i < n; i++)
			if ((s[i]->key[0] == s[0]->key[0]) == !side)
				variant[kept++] = s[i]->frame;
		spoiled(ONE_WAY, whole, variant, kept, NULL, side ? "the other direction alone" : "the first direction alone");
	}
}

/* A copy of a frame whose TTL is one less, as behind a router; the IPv4 header's sum follows. */
static const uint8_t *one_hop_further(const struct shot *s)
{
	uint8_t *copy = malloc(s->frame.caplen);
	unsigned ip = s->at.ip - 1;

	memcpy(copy, s->frame.data, s->frame.caplen);
	if (s->at.v6) {
		copy[ip + 7]--;
	} else {
		copy[ip + 8]--;
		unsigned sum = get16(copy + ip + 10) + 0x100;
		put16(copy + ip + 10, (sum + (sum >> 16)) & 0xffff);
	}
	return copy;
}

static void twice(const struct verdict *whole, const struct shot *const *s, size_t n)
{
	for (unsigned way = 0; way < 3; way++) {
		for (size_t i = 0; i < n; i++) {
			variant[2 * i] = variant[2 * i + 1] = s[i]->frame;
			if (way == 1 && s[i]->at.ip)
				variant[2 * i + 1].data = one_hop_further(s[i]);
			if (way && (i + 1 == n || s[i + 1]->frame.time > s[i]->frame.time + 100000))
				variant[2 * i + 1].time += 100000;
		}
		spoiled(TWICE, whole, variant, 2 * n, NULL,
		        way == 0   ? "every frame twice"
		        : way == 1 ? "twice, one hop further"
		                   : "twice, 0.1 ms later");
		for (size_t i = 0; way == 1 && i < n; i++)
			if (s[i]->at.ip)
				free((void *)(uintptr_t)variant[2 * i + 1].data);
	}
}

static void snap(const struct verdict *whole, const struct tcpaudit_frame *f, size_t n)
{
	char what[100];
	for (uint32_t length = 64; length <= 96; length += 8) {
		memcpy(variant, f, n * sizeof *f);
		for (size_t i = 0; i < n; i++)
			if (variant[i].caplen > length)
				variant[i].caplen = length;
		snprintf(what, sizeof what, "snaplen %" PRIu32, length);
		spoiled(SNAPLEN, whole, variant, n, NULL, what);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct tcpaudit_frame *x = a, *y = b;
	return x->time < y->time ? -1 : x->time > y->time ? 1 : x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static void reordered(const struct verdict *whole, const struct tcpaudit_frame *f, size_t n)
{
	char what[100];
	for (size_t i = 0; i + 1 < n; i++) {
		if (f[i + 1].time - f[i].time > 3 * MILLISECOND)
			continue;
		memcpy(variant, f, n * sizeof *f);
		variant[i] = f[i + 1];
		variant[i + 1] = f[i];
		variant[i].time = f[i].time;
		variant[i + 1].time = f[i + 1].time;
		snprintf(what, sizeof what, "frames %zu and %zu exchanged", i + 1, i + 2);
		spoiled(REORDERED, whole, variant, n, NULL, what);
	}
	for (unsigned k = 0; k < 8; k++) {
		uint64_t seed = random_state;
		int64_t now = INT64_MIN, back[2] = {0, 0};
		memcpy(variant, f, n * sizeof *f);
		for (size_t i = 0; i < n; i++) {
			if (f[i].time > now)
				now = f[i].time;
			back[0] = now - f[i].time; /* a clock that went back stays behind */
			variant[i].ordinal = i << 1 | (back[0] != 0);
			variant[i].time = now + (random32() % 4 == 0 ? random32() % (3 * MILLISECOND) : 0);
			if (back[0])
				back[1] = back[0];
		}
		qsort(variant, n, sizeof *variant, by_time);
		for (size_t i = 0; back[1] && i < n; i++)
			if (variant[i].ordinal & 1)
				variant[i].time -= back[1];
		snprintf(what, sizeof what, "delayed by up to 3 ms, seed %" PRIu64, seed);
		spoiled(REORDERED, whole, variant, n, NULL, what);
	}
}

/* ---- other clothes ---- */

/* Is the checksum the bare sum of the pseudo-header, left for the interface to complete?  It knows no numbers. */
static bool is_partial(const uint8_t *frame, const struct layout *at)
{
	unsigned ip = at->ip - 1, from = address_at(at, 0), to = address_at(at, 0) + (at->v6 ? 32 : 8);
	uint64_t sum = 6 + (at->v6 ? get16(frame + ip + 4) : get16(frame + ip + 2) - (at->tcp - ip));

	for (unsigned i = from; i < to; i += 2)
		sum += get16(frame + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return get16(frame + at->tcp + 16) == sum;
}

/* Changes 32 bits under the TCP checksum and mends the sum by the difference (RFC 1624): a bad one stays as bad. */
static void change32(uint8_t *frame, const struct layout *at, unsigned where, uint32_t value, uint32_t caplen)
{
	if (where + 4 > caplen)
		return;
	uint32_t old = get32(frame + where);
	bool odd = (where - at->tcp) & 1;
	uint64_t sum = (uint16_t)~get16(frame + at->tcp + 16);
	uint32_t before = odd ? (uint32_t)(old << 8 | old >> 24) : old,
	         after = odd ? (uint32_t)(value << 8 | value >> 24) : value;

	sum += (uint16_t) ~(before >> 16) + (uint16_t)~before + (after >> 16) + (after & 0xffff);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(frame + at->tcp + 16, (uint16_t)~sum);
	put32(frame + where, value);
}

static bool has_stream[2]; /* whether each end sent anything but resets */

/* Moves the numbers of one segment: its own stream by shift[from], what it acknowledges by the other's. */
static void move_numbers(uint8_t *p, const struct shot *s, unsigned from, const uint32_t shift[2], const uint32_t clock[2])
{
	const struct layout *at = &s->at;
	uint32_t caplen = s->frame.caplen;
	uint8_t flags = p[at->tcp + 13];
	unsigned end = at->tcp + 4u * (p[at->tcp + 12] >> 4), left = get16(p + at->tcp + 16);
	bool partial = is_partial(p, at);

	bool refusal = flags & 0x04 && get32(p + at->tcp + 4) == 0 && flags & 0x10 &&
	               !has_stream[from]; /* its zero is none of a stream */
	if (!refusal)
		change32(p, at, at->tcp + 4, get32(p + at->tcp + 4) + shift[from], caplen);
	if (flags & 0x10)
		change32(p, at, at->tcp + 8, get32(p + at->tcp + 8) + shift[!from], caplen);
	for (unsigned i = at->tcp + 20; i + 1 < end && i + 1 < caplen && p[i];) {
		if (p[i] == 1) {
			i++;
			continue;
		}
		if (p[i + 1] < 2)
			break;
		if (p[i] == 8 && p[i + 1] == 10) {
			change32(p, at, i + 2, get32(p + i + 2) + clock[from], caplen);
			if (flags & 0x10 && get32(p + i + 6))
				change32(p, at, i + 6, get32(p + i + 6) + clock[!from], caplen);
		} else if (p[i] == 5) {
			for (unsigned k = i + 2; k + 4 <= i + p[i + 1] && k + 4 <= caplen; k += 4)
				change32(p, at, k, get32(p + k) + shift[!from], caplen);
		}
		i += p[i + 1];
	}
	if (partial)
		put16(p + at->tcp + 16, left);
}

static bool same_accusation(const struct accusation *a, const struct accusation *b, char *why, size_t room)
{
	size_t rows;
	const struct tcpaudit_check *check = tcpaudit_checks(&rows);

	if (a->row != b->row || a->endpoint != b->endpoint || a->severity != b->severity || a->confidence != b->confidence ||
	    a->count != b->count) {
		snprintf(why, room, "%s of end %u %s %s x%u instead of %s of end %u %s %s x%u", check[b->row].id, b->endpoint,
		         tcpaudit_severity_name(b->severity), tcpaudit_confidence_name(b->confidence), b->count, check[a->row].id,
		         a->endpoint, tcpaudit_severity_name(a->severity), tcpaudit_confidence_name(a->confidence), a->count);
		return false;
	}
	if (a->particulars != b->particulars) {
		snprintf(why, room, "evidence, states or reasons of %s differ", check[a->row].id);
		return false;
	}
	return true;
}

static bool same(const struct verdict *a, const struct verdict *b, char *why, size_t room)
{
	if (a->count != b->count) {
		snprintf(why, room, "%zu connections instead of %zu", b->count, a->count);
		return false;
	}
	for (size_t i = 0; i < a->count; i++) {
		const struct ended *x = &a->ended[i], *y = &b->ended[i];
		if (x->kind != y->kind || x->confidence != y->confidence || x->closed_first != y->closed_first ||
		    x->aborted_by != y->aborted_by || x->holder != y->holder) {
			snprintf(why, room, "%s %s instead of %s %s", tcpaudit_kind_name(y->kind),
			         tcpaudit_confidence_name(y->confidence), tcpaudit_kind_name(x->kind),
			         tcpaudit_confidence_name(x->confidence));
			return false;
		}
		for (int w = 0; w < TCPAUDIT_CHECK_WORDS; w++) {
			uint64_t other = (x->findings[w] ^ y->findings[w]) | (x->capture[w] ^ y->capture[w]);
			size_t rows;
			if (other) {
				snprintf(why, room, "%s differs", tcpaudit_checks(&rows)[w * 64 + __builtin_ctzll(other)].id);
				return false;
			}
		}
		if (x->route != y->route || x->measures != y->measures) {
			snprintf(why, room, "%s differ", x->route != y->route ? "routes" : "measures");
			return false;
		}
	}
	if (a->accusations != b->accusations) {
		snprintf(why, room, "%zu findings instead of %zu", b->accusations, a->accusations);
		return false;
	}
	for (size_t i = 0; i < a->accusations; i++)
		if (!same_accusation(&a->accusation[i], &b->accusation[i], why, room))
			return false;
	return true;
}

static void clothed(enum property p, const struct verdict *whole, const struct tcpaudit_frame *frames, size_t n, const char *what)
{
	static struct verdict v;
	char why[200];

	tally[p].variants++;
	judge(frames, n, &v, true);
	if (!same(whole, &v, why, sizeof why))
		fail(p, what, why);
}

static uint8_t *copies[MOST_FRAMES];

static void copy_frames(const struct shot *const *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		copies[i] = malloc(s[i]->frame.caplen);
		memcpy(copies[i], s[i]->frame.data, s[i]->frame.caplen);
		variant[i] = s[i]->frame;
		variant[i].data = copies[i];
	}
}

static void free_copies(size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(copies[i]);
}

static void find_streams(const struct shot *const *s, size_t n)
{
	has_stream[0] = has_stream[1] = false;
	for (size_t i = 0; i < n; i++)
		if (!(s[i]->frame.data[s[i]->at.tcp + 13] & 0x04))
			has_stream[s[i]->key[0] != s[0]->key[0]] = true;
}

static void moved(const struct shot *const *s, size_t first, size_t n, const uint32_t shift[2], const uint32_t clock[2],
                  const struct verdict *whole, const char *what)
{
	const bool self = s[0]->key[0] == s[0]->key[1]; /* a socket connected to itself: both streams are one */
	const uint32_t by[2] = {shift[0], shift[!self]}, at[2] = {clock[0], clock[!self]};

	copy_frames(s, n);
	for (size_t i = first; i < n; i++)
		move_numbers(copies[i], s[i], s[i]->key[0] != s[0]->key[0], by, at);
	clothed(NUMBERS, whole, variant + first, n - first, what);
	free_copies(n);
}

/* Has an end that has a stream refused a SYN, or a bare reset, too?  The zero of that stays where it is, and what it is to the stream does not. */
static bool refuses_beside_stream(const struct shot *const *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *reset = s[i]->frame.data + s[i]->at.tcp;
		if ((reset[13] & 0x14) != 0x14 || get32(reset + 4) || !has_stream[s[i]->key[0] != s[0]->key[0]])
			continue;
		for (size_t k = 0; k < i; k++) {
			const uint8_t *refused = s[k]->frame.data + s[k]->at.tcp;
			const bool syn = (refused[13] & 0x12) == 0x02, bare_reset = (refused[13] & 0x14) == 0x04;
			if (s[k]->key[0] != s[i]->key[0] && (syn || bare_reset) && get32(reset + 8) == get32(refused + 4) + syn)
				return true;
		}
	}
	return false;
}

/* A reset at 0 is a refusal's: none is moved there. */
static void pass_zero(const struct shot *const *s, size_t n, uint32_t shift[2])
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *tcp = s[i]->frame.data + s[i]->at.tcp;
		unsigned from = s[i]->key[0] != s[0]->key[0];
		if (!(tcp[13] & 0x04) || get32(tcp + 4) == 0 || get32(tcp + 4) + shift[from])
			continue;
		shift[from]++;
		i = (size_t)-1; /* another one may be there now */
	}
}

/* Each stream is moved so that the number of one of its frames becomes 0, then -1, then 1: each in turn, and the other stream
 * by as much as another frame of it asks for.  Then the same with a capture that begins at that frame: what is not known of
 * the streams must not be held against numbers, wherever they are. */
static void numbers(const struct shot *const *s, size_t n, const struct verdict *whole)
{
	static struct tcpaudit_frame rest[MOST_FRAMES];
	static struct verdict part;
	char what[100];
	size_t step = n > 64 ? n / 64 : 1;

	find_streams(s, n);
	if (refuses_beside_stream(s, n))
		return;
	for (size_t i = 0; i < n; i++)
		rest[i] = s[i]->frame;
	for (size_t k = 0; k < n; k += step) {
		uint32_t shift[2] = {random32(), random32()}, clock[2] = {random32(), random32()};
		unsigned from = s[k]->key[0] != s[0]->key[0];
		const uint8_t *tcp = s[k]->frame.data + s[k]->at.tcp;
		shift[from] = (uint32_t)(k % 3) - 1 - get32(tcp + 4);
		if (tcp[13] & 0x10 && k % 2)
			shift[!from] = (uint32_t)(k % 5) - 2 - get32(tcp + 8);
		pass_zero(s, n, shift);
		snprintf(what, sizeof what, "wraps at frame %zu", k + 1);
		moved(s, 0, n, shift, clock, whole, what);
		if (tcp[13] & 0x04 && get32(tcp + 4) == 0)
			continue; /* alone, it is a refusal */
		judge(rest + k, n - k, &part, true);
		snprintf(what, sizeof what, "wraps at frame %zu, where it begins", k + 1);
		moved(s, k, n, shift, clock, &part, what);
	}
}

static void times(const struct shot *const *s, size_t n, const struct verdict *whole)
{
	for (size_t i = 0; i < n; i++) {
		variant[i] = s[i]->frame;
		variant[i].time += 31536000ll * 1000000000;
	}
	clothed(TIMES, whole, variant, n, "a year later");
}

/* Addresses exchanged: sums stay, since they do not know of order.  Ports stay with their ends: they tell clients. */
static void ends(const struct shot *const *s, size_t n, const struct verdict *whole)
{
	copy_frames(s, n);
	for (size_t i = 0; i < n; i++) {
		uint8_t address[16];
		unsigned a = address_at(&s[i]->at, 0), b = address_at(&s[i]->at, 1), length = s[i]->at.v6 ? 16 : 4;
		memcpy(address, copies[i] + a, length);
		memcpy(copies[i] + a, copies[i] + b, length);
		memcpy(copies[i] + b, address, length);
	}
	clothed(ENDS, whole, variant, n, "addresses exchanged");
	free_copies(n);
}

/* ---- connections of a file ---- */

static void try_connection(const struct shot *const *s, size_t n)
{
	static struct tcpaudit_frame frames[MOST_FRAMES];
	static struct verdict whole, routes;
	bool plain = true;

	for (size_t i = 0; i < n; i++) {
		frames[i] = s[i]->frame;
		plain &= s[i]->at.ip != 0;
	}
	shots = s;
	shot_count = n;
	find_opening();
	judge(frames, n, &whole, false);
	leave_out(&whole, frames, n);
	cut(&whole, frames, n);
	one_way(&whole, s, n);
	twice(&whole, s, n);
	snap(&whole, frames, n);
	reordered(&whole, frames, n);
	if (!plain)
		return;
	judge(frames, n, &routes, true);
	numbers(s, n, &routes);
	times(s, n, &routes);
	ends(s, n, &routes);
}

static bool same_pair(const struct shot *a, const struct shot *b)
{
	return (a->key[0] == b->key[0] && a->key[1] == b->key[1]) || (a->key[0] == b->key[1] && a->key[1] == b->key[0]);
}

/* One socket pair after another; what is no plain TCP goes with the first. */
static void try_file(unsigned every)
{
	static const struct shot *mine[MOST_FRAMES];
	bool *done = calloc(file_count + 1, 1);

	connection_number = 0;
	for (size_t i = 0; i < file_count; i++) {
		if (done[i])
			continue;
		size_t n = 0;
		connection_number++;
		for (size_t k = i; k < file_count; k++) {
			if (done[k] ||
			    (file_shots[i].at.ip ? !(file_shots[k].at.ip && same_pair(&file_shots[i], &file_shots[k])) : false))
				continue;
			done[k] = true;
			if (n < MOST_FRAMES / 2)
				mine[n++] = &file_shots[k];
		}
		if ((connection_number - 1) % every == 0 && n <= 3000)
			try_connection(mine, n);
	}
	free(done);
}

int main(int argc, char **argv)
{
	unsigned every = 1;
	bool failed = false;
	int files = 0;

	random_state = 88172645463325252ull;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--every") && i + 1 < argc) {
			every = (unsigned)strtoul(argv[++i], NULL, 10);
			continue;
		}
		if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
			random_state = strtoull(argv[++i], NULL, 10) * 2654435761u + 1;
			continue;
		}
		uint8_t *data;
		file_name = strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
		if (read_pcap(argv[i], &data))
			try_file(every ? every : 1);
		free(data);
		files++;
	}
	if (!files) {
		fprintf(stderr, "usage: properties [--every N] [--seed S] FILE...\n");
		return 2;
	}
	printf("1..%d\n", PROPERTIES);
	for (int p = 0; p < PROPERTIES; p++) {
		printf("%s %d - %s: %" PRIu64 " variants, ", tally[p].failures ? "not ok" : "ok", p + 1, names[p],
		       tally[p].variants);
		if (tally[p].held)
			printf("%" PRIu64 " warnings and errors held, ", tally[p].held);
		printf("%" PRIu64 " failures\n", tally[p].failures);
		for (uint64_t k = 0; k < tally[p].failures && k < SHOWN; k++)
			printf("# %s\n", tally[p].shown[k]);
		failed |= tally[p].failures > 0;
	}
	return failed;
}
