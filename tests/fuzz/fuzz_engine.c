/* fuzz_engine.c - a few sockets that say anything to each other: the engine's books stay balanced, its records sane, and
 * nothing that is told, nor its order, depends on how the frames were cut into batches, or the engine was split.
 *
 * Input: settings (2 octets), then one octet for each step and what the step asks for.  Numbers are mostly chosen near
 * those that matter (ISS, SND.NXT, the peer's, u), so that connections open, close and collide; some frames are raw. */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/audit.h>

#ifdef NDEBUG
#error "the invariants are assertions"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECOND      INT64_C(1000000000)
#define FRAMES_MOST 600
#define FRAME_ROOM  160
#define PAIRS       6

struct input {
	const uint8_t *data;
	size_t left;
};

/* One frame, or (len 0) a call of tcpaudit_advance(). */
struct item {
	uint8_t octets[FRAME_ROOM];
	struct tcpaudit_frame frame;
	bool advance;
	uint8_t batch; /* how many frames go with it in the uneven run */
};

/* What the socket pair's ends would say next. */
struct talk {
	uint32_t iss[2];
	uint32_t next[2];
	uint32_t fin[2];
	uint32_t tsval[2];
};

struct scene {
	struct item item[FRAMES_MOST];
	size_t count;
	uint64_t frames;
	int64_t time;
	uint16_t ip_id;
	struct talk talk[PAIRS];
};

/* What a run told. */
struct told {
	const struct scene *scene;
	struct tcpaudit_settings settings;
	bool labels;
	struct tcpaudit *engine;
	uint64_t frames; /* read so far */
	uint64_t ends;
	uint64_t findings;
	uint64_t by_kind[TCPAUDIT_KIND_COUNT];
	uint64_t by_check[TCPAUDIT_CHECK_WORDS * 64];
	uint64_t digest; /* of all that was told, in its order */
};

static struct scene scene;

static uint8_t octet(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

static uint32_t word(struct input *in)
{
	uint32_t v = octet(in);
	for (int i = 0; i < 3; i++)
		v = v << 8 | octet(in);
	return v;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t add16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint32_t number_near(struct input *in, uint32_t iss, uint32_t next, uint32_t fin)
{
	uint8_t how = octet(in);

	switch (how & 15) {
	case 8:
		return next - 1;
	case 9:
		return next + 1;
	case 10:
		return iss;
	case 11:
		return fin;
	case 12:
		return fin + 1 + (how >> 4);
	case 13:
		return next + ((uint32_t)how << 8);
	case 14:
		return next - octet(in);
	case 15:
		return word(in);
	default:
		return next;
	}
}

static uint16_t flags_from(uint8_t choice)
{
	static const uint16_t usual[16] = {TCPAUDIT_ACK,
	                                   TCPAUDIT_ACK,
	                                   TCPAUDIT_ACK,
	                                   TCPAUDIT_ACK | TCPAUDIT_PSH,
	                                   TCPAUDIT_ACK | TCPAUDIT_FIN,
	                                   TCPAUDIT_ACK | TCPAUDIT_FIN,
	                                   TCPAUDIT_ACK | TCPAUDIT_FIN,
	                                   TCPAUDIT_SYN,
	                                   TCPAUDIT_SYN,
	                                   TCPAUDIT_SYN | TCPAUDIT_ACK,
	                                   TCPAUDIT_SYN | TCPAUDIT_ACK,
	                                   TCPAUDIT_RST,
	                                   TCPAUDIT_RST | TCPAUDIT_ACK,
	                                   TCPAUDIT_FIN,
	                                   TCPAUDIT_SYN | TCPAUDIT_FIN,
	                                   TCPAUDIT_RST | TCPAUDIT_FIN | TCPAUDIT_ACK};
	return usual[choice & 15];
}

static void step_time(struct input *in, bool calm)
{
	static const int64_t steps[16] = {
	        0,      1000,       100000,      1000000,      10000000,     10000000,      50000000,       200000000,
	        SECOND, 3 * SECOND, 10 * SECOND, 100 * SECOND, 300 * SECOND, 4000 * SECOND, 90000 * SECOND, -2 * SECOND};
	uint8_t choice = octet(in);

	if (calm)
		choice &= 7;
	if (scene.time > INT64_MAX - 100000 * SECOND || scene.time < INT64_MIN + 100000 * SECOND)
		scene.time = 0;
	scene.time += steps[choice & 15];
	if (!calm && choice == 0xfe)
		scene.time = INT64_MAX - octet(in);
	if (!calm && choice == 0xfd)
		scene.time = INT64_MIN + octet(in);
}

static struct item *new_item(void)
{
	struct item *item = &scene.item[scene.count++];
	memset(item, 0, sizeof *item);
	return item;
}

static void frame_of(struct item *item, size_t len, uint16_t linktype, uint8_t where)
{
	scene.frames++;
	item->frame = (struct tcpaudit_frame){.time = scene.time,
	                                      .ordinal = scene.frames,
	                                      .number = scene.frames,
	                                      .data = item->octets,
	                                      .caplen = (uint32_t)len,
	                                      .wirelen = (uint32_t)len,
	                                      .linktype = linktype,
	                                      .input = where & 1,
	                                      .source = where & 1,
	                                      .flags = where >> 6};
}

static uint8_t put_options(struct input *in, struct talk *t, unsigned from, uint8_t *p)
{
	uint8_t choice = octet(in), n = 0;

	if (choice & 1) {
		p[n] = 8;
		p[n + 1] = 10;
		t->tsval[from] += choice >> 5;
		put32(p + n + 2, t->tsval[from]);
		put32(p + n + 6, t->tsval[!from] - (choice >> 3 & 1));
		n += 10;
	}
	if (choice & 2) {
		p[n] = 3;
		p[n + 1] = 3;
		p[n + 2] = choice >> 4;
		n += 3;
	}
	if (choice & 4) {
		memcpy(p + n, (const uint8_t[]){2, 4, 5, 0xb4, 34, 6, 1, 2, 3, 4}, 10);
		n += 10;
	}
	if ((choice & 0x18) == 0x18) {
		memcpy(p + n, (const uint8_t[]){30, 12, 0x70, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 12);
		n += 12;
	}
	while (n & 3)
		p[n++] = 1;
	return n;
}

static void put_addresses(uint8_t *ip, unsigned pair, unsigned from)
{
	uint32_t a = 0x0a000001, b = pair & 1 ? 0x0a000001 : 0x0a000002; /* one pair in two speaks with itself */
	put32(ip + 12, from ? b : a);
	put32(ip + 16, from ? a : b);
}

static void tcp_step(struct input *in, uint8_t choice, bool calm)
{
	static const uint16_t texts[8] = {0, 0, 0, 1, 1, 10, 60, 0};
	unsigned pair = (choice >> 1) % PAIRS, from = choice & 1;
	struct talk *t = &scene.talk[pair];
	struct item *item = new_item();
	uint8_t shape = octet(in), more = octet(in);
	uint16_t flags = flags_from(shape);
	bool tagged = (more & 0x0f) == 15;
	uint8_t *ip = item->octets + (tagged ? 18 : 0), *tcp = ip + 20;

	step_time(in, calm);
	if (flags & TCPAUDIT_SYN && !(flags & TCPAUDIT_ACK) && shape & 0x40)
		t->iss[from] = t->next[from] = word(in);
	uint32_t seq = flags & TCPAUDIT_SYN && !(shape & 0x80) ? t->iss[from]
	                                                       : number_near(in, t->iss[from], t->next[from], t->fin[from]);
	uint32_t ack = number_near(in, t->iss[!from], t->next[!from], t->fin[!from]);
	uint16_t len = texts[shape >> 4 & 7];
	uint8_t options = more & 0x10 ? put_options(in, t, from, tcp + 20) : 0;
	uint16_t header = (uint16_t)(20 + options);

	if (tagged) {
		memcpy(item->octets, (const uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, from ? 7 : 8, 8, 0}, 18);
	}
	ip[0] = 0x45;
	put16(ip + 2, 20u + header + len);
	put16(ip + 4, more & 0x20 ? ++scene.ip_id : 0);
	ip[8] = more & 0x40 ? 64 : 57;
	ip[9] = 6;
	put_addresses(ip, pair, from);
	put16(ip + 10, (uint16_t)~fold(add16(0, ip, 20)));
	put16(tcp, from ? 80 : 40000 + pair);
	put16(tcp + 2, from ? 40000 + pair : 80);
	put32(tcp + 4, seq);
	put32(tcp + 8, flags & TCPAUDIT_ACK ? ack : 0);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = (uint8_t)flags;
	put16(tcp + 14, more & 0x80 ? 0 : 512);
	uint32_t pseudo = add16(6u + header + len, ip + 12, 8);
	uint16_t sum = (uint16_t)~fold(add16(pseudo, tcp, (size_t)header + len));
	put16(tcp + 16, (more & 0x0f) == 14 ? sum ^ 0x55u : (more & 0x0f) == 13 ? fold(pseudo) : sum);
	frame_of(item, (tagged ? 18u : 0u) + 20u + header + len, tagged ? 1 : 101, more & 0x0f ? 0 : octet(in));
	item->batch = more & 31;

	uint32_t end = seq + len + !!(flags & TCPAUDIT_SYN) + !!(flags & TCPAUDIT_FIN);
	if (flags & TCPAUDIT_FIN)
		t->fin[from] = seq + len;
	if (!(flags & TCPAUDIT_RST) && (end - t->next[from] < 1u << 20 || flags & TCPAUDIT_SYN))
		t->next[from] = end;
}

/* A port or host unreachable that quotes what an end may have sent. */
static void icmp_step(struct input *in, uint8_t choice, bool calm)
{
	unsigned pair = (choice >> 1) % PAIRS, from = choice & 1;
	struct item *item = new_item();
	uint8_t *p = item->octets;

	step_time(in, calm);
	p[0] = 0x45;
	put16(p + 2, 56);
	p[8] = 60;
	p[9] = 1;
	put32(p + 12, 0x0a0000fe);
	p[20] = 3;
	p[21] = octet(in) & 15;
	p[28] = 0x45;
	put16(p + 30, 60);
	p[36] = 60;
	p[37] = 6;
	put_addresses(p + 28, pair, from);
	memcpy(p + 16, p + 40, 4);
	put16(p + 48, from ? 80 : 40000 + pair);
	put16(p + 50, from ? 40000 + pair : 80);
	put32(p + 52, scene.talk[pair].next[from] - (octet(in) & 3));
	put16(p + 10, (uint16_t)~fold(add16(0, p, 20)));
	put16(p + 22, (uint16_t)~fold(add16(0, p + 20, 36)));
	frame_of(item, 56, 101, 0);
}

static void raw_step(struct input *in, bool calm)
{
	struct item *item = new_item();
	size_t len = octet(in) % FRAME_ROOM;

	step_time(in, calm);
	if (len > in->left)
		len = in->left;
	memcpy(item->octets, in->data, len);
	in->data += len;
	in->left -= len;
	frame_of(item, len, octet(in) & 1 ? 101 : 1, 0);
}

static void advance_step(struct input *in)
{
	struct item *item = new_item();
	step_time(in, false);
	item->advance = true;
	item->frame.time = scene.time;
}

static void compose(struct input *in, bool calm)
{
	memset(&scene, 0, offsetof(struct scene, item));
	scene.count = 0;
	scene.frames = 0;
	scene.ip_id = 0;
	scene.time = 1700000000 * SECOND;
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned x = 0; x < 2; x++)
			scene.talk[i].iss[x] = scene.talk[i].next[x] = scene.talk[i].fin[x] =
			        i < 3 ? 0xfffffff0u + x : 1000 * (x + 1);
	while (in->left && scene.count < FRAMES_MOST) {
		uint8_t choice = octet(in);
		if (choice < 0xe0)
			tcp_step(in, choice, calm);
		else if (choice < 0xf0)
			icmp_step(in, choice, calm);
		else if (choice < 0xf8 || calm)
			raw_step(in, calm);
		else
			advance_step(in);
	}
}

/* ---- what must hold ---- */

static void digest(struct told *t, uint64_t number)
{
	t->digest = (t->digest ^ number) * UINT64_C(0x9e3779b97f4a7c15);
	t->digest ^= t->digest >> 29;
}

/* ---- a labeller, whose labels are all that was in the first text ---- */

static const char names[1 << 16]; /* of notes, each at its place */

static bool hear(void *user, uint16_t *note, const struct tcpaudit_segment *s, unsigned from, const uint8_t *text, uint32_t length)
{
	(void)user;
	uint32_t sum = *note * 2u + from + s->ttl;

	assert(length >= 1 && length <= s->len);
	for (uint32_t i = 0; i < length; i++)
		sum = sum * 31 + text[i];
	*note = (uint16_t)((sum ^ sum >> 16) | 1);
	return sum % 5 == 0;
}

static void hear_end(void *user, uint16_t *note)
{
	(void)user;
	*note ^= 0x5550;
}

static struct tcpaudit_label say(void *user, uint16_t note)
{
	(void)user;
	return (struct tcpaudit_label){.proto = &names[note], .confidence = TCPAUDIT_LABEL_TEXT};
}

static bool hear_part(void *user, unsigned i, unsigned parts, struct tcpaudit_labeller *labeller)
{
	(void)user;
	assert(i < parts);
	*labeller = (struct tcpaudit_labeller){.text = hear, .end = hear_end, .label = say};
	return true;
}

/* ---- rules of the user, which hold or not by what the record says ---- */

static const struct tcpaudit_check own[] = {{.id = "own-1", .severity = TCPAUDIT_WARNING, .normative = TCPAUDIT_NORMATIVE_RULE, .title = "one"},
                                            {.id = "own-2", .severity = TCPAUDIT_NOTE, .normative = TCPAUDIT_NORMATIVE_RULE, .title = "two"}};

enum { OWN = sizeof own / sizeof own[0] };

static void ask(void *user, enum tcpaudit_point point, const struct tcpaudit_connection *c, uint64_t held[TCPAUDIT_CHECK_WORDS])
{
	const struct told *t = user;
	uint64_t sum = (unsigned)point + c->id * 3 + c->kind + c->end[0].states + c->end[1].states * 5u;
	size_t rows;

	tcpaudit_checks(&rows);
	assert(t->settings.points >> point & 1);
	assert(c->end[0].states && c->end[1].states);
	for (size_t row = rows; row < rows + OWN; row++, sum >>= 1)
		held[row >> 6] |= (sum & 1) << (row & 63);
}

static struct tcpaudit *new_engine(const struct told *t, const struct tcpaudit_sink *sink)
{
	struct tcpaudit *engine = tcpaudit_new(&t->settings, sink);

	assert(engine);
	if (t->labels)
		tcpaudit_set_labeller(engine, &(struct tcpaudit_labeller){.text = hear, .end = hear_end, .label = say, .part = hear_part});
	return engine;
}

/* ---- what is told ---- */

static void check_evidence(const struct told *t, const struct tcpaudit_evidence *e)
{
	assert(e->frame <= t->scene->frames && e->frame <= t->frames);
	assert(e->from <= 1);
}

static void check_route(const struct told *t, const struct tcpaudit_connection *c)
{
	int at[2] = {-1, -1}, end = 0;

	for (size_t i = 0; i < c->transition_count; i++) {
		const struct tcpaudit_transition *step = &c->transitions[i];
		assert(step->end <= 1 && step->end >= end);
		end = step->end;
		assert(step->from < TCPAUDIT_STATE_COUNT && step->to < TCPAUDIT_STATE_COUNT && step->from != step->to);
		assert(at[end] < 0 || step->from == at[end]);
		at[end] = step->to;
		check_evidence(t, &step->at);
		check_evidence(t, &step->proof);
	}
	for (unsigned x = 0; x < 2; x++)
		assert(at[x] < 0 || c->end[x].states >> at[x] & 1);
}

static void take_end(void *user, const struct tcpaudit_connection *c)
{
	struct told *t = user;

	t->ends++;
	assert(c->kind < TCPAUDIT_KIND_COUNT && c->confidence <= TCPAUDIT_CERTAIN);
	assert(c->closed_first <= TCPAUDIT_WHO_UNKNOWN && c->aborted_by <= TCPAUDIT_WHO_UNKNOWN &&
	       c->half_close_by <= TCPAUDIT_WHO_UNKNOWN && c->time_wait_holder <= TCPAUDIT_WHO_UNKNOWN);
	assert(c->id >= 1 && c->id <= t->frames);
	assert(c->start <= c->last && c->rtt >= -1 && c->half_close_duration >= 0);
	assert(c->close_latency >= -1 && c->idle >= -1 && c->close_wait_duration >= 0 && c->close_wait_holder <= TCPAUDIT_WHO_NONE);
	assert(c->reuse_of < c->id && c->reuse_interval >= 0 && (c->reuse_of || !c->reuse_verdict));
	assert(c->time_wait_until >= c->time_wait_since && c->syn_retries < 64 && c->syn_ack_retries < 64);
	t->by_kind[c->kind]++;
	digest(t, c->id << 16 | (uint64_t)c->kind << 8 | c->confidence);
	digest(t, (uint64_t)c->idle ^ (uint64_t)c->close_wait_duration << 20 ^ (uint64_t)c->time_wait_until << 40);
	digest(t, c->findings[0] ^ c->findings[1] << 3 ^ c->findings[2] << 7 ^ c->reuse_verdict);
	digest(t, c->label.proto ? (uint64_t)(c->label.proto - names) : 0);
	for (unsigned x = 0; x < 2; x++) {
		const struct tcpaudit_end *e = &c->end[x];
		digest(t, (uint64_t)e->states << 48 ^ e->packets << 32 ^ e->lost);
		assert(e->states != 0 && e->states < 1 << TCPAUDIT_STATE_COUNT);
		assert(e->lost <= e->text && e->turnaround >= -1 && e->vantage <= TCPAUDIT_VANTAGE_AT);
		check_evidence(t, &e->fin);
		check_evidence(t, &e->fin_ack);
		if (e->fin_sent && e->fin.frame)
			assert(e->fin.from == x && e->fin.flags & TCPAUDIT_FIN && e->fin.seq + e->fin.len == e->fin_seq);
		if (e->fin_acked && e->fin_ack.frame)
			assert(e->fin_ack.from != x && e->fin_ack.flags & TCPAUDIT_ACK &&
			       (int32_t)(e->fin_ack.ack - e->fin_seq) > 0);
	}
	assert(c->end[0].packets + c->end[1].packets > 0);
	if (t->settings.transitions)
		check_route(t, c);
}

static void take_finding(void *user, const struct tcpaudit_finding *f)
{
	struct told *t = user;
	size_t rows;
	const struct tcpaudit_check *first = tcpaudit_checks(&rows);

	assert(f->check == (f->row < rows ? &first[f->row] : &own[f->row - rows]));
	assert(f->severity <= TCPAUDIT_ERROR && f->confidence >= TCPAUDIT_POSSIBLE && f->confidence <= TCPAUDIT_CERTAIN);
	assert(f->evidence_count <= TCPAUDIT_EVIDENCE && f->connection->id <= t->frames);
	assert(f->endpoint <= TCPAUDIT_WHO_UNKNOWN && f->count >= 1);
	assert(t->settings.check[f->row].severity >= 0);
	for (size_t i = 0; i < f->evidence_count; i++) {
		assert(f->evidence[i].frame > 0);
		check_evidence(t, &f->evidence[i]);
	}
	t->findings++;
	t->by_check[f->row]++;
	digest(t, f->connection->id << 24 | (uint64_t)f->row << 8 | f->severity << 4 | f->confidence);
	digest(t, (uint64_t)f->time ^ f->count << 8 ^ (uint64_t)f->before[0] << 40 ^ (uint64_t)f->after[1] << 50);
}

static void take_segment(void *user, uint64_t flow, const struct tcpaudit_segment *s, unsigned from,
                         const tcpaudit_state_set states[2])
{
	const struct told *t = user;
	assert(flow >= 1 && flow <= t->frames && from <= 1 && s->ordinal <= t->frames);
	assert((states[0] && states[1]) || t->settings.memcap); /* for want of memory they are unknown */
}

static struct tcpaudit_sink sink_of(struct told *t)
{
	return (struct tcpaudit_sink){.user = t, .connection_end = take_end, .finding = take_finding, .segment = take_segment, .ask = ask};
}

static void check_counters(const struct told *t, bool finished)
{
	struct tcpaudit_counters c;
	uint64_t fates = 0, unusable = 0, kinds = 0, findings = 0;

	tcpaudit_counters(t->engine, &c);
	for (int i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		fates += c.fate[i];
	for (int i = 0; i < TCPAUDIT_UNUSABLE_COUNT; i++)
		unusable += c.unusable[i];
	for (int i = 0; i < TCPAUDIT_KIND_COUNT; i++)
		kinds += c.by_kind[i];
	for (int i = 0; i < TCPAUDIT_CHECK_WORDS * 64; i++)
		findings += c.findings[i];
	assert(c.frames == fates && c.frames == t->frames);
	assert(unusable <= c.fate[TCPAUDIT_FATE_TCP]);
	assert(kinds == t->ends && findings == t->findings);
	assert(c.connections == kinds + c.open);
	assert(!finished || c.open == 0);
	assert(!t->settings.max_flows || c.open <= t->settings.max_flows);
	if (t->settings.memcap)
		assert(c.memory <= t->settings.memcap + t->settings.memcap / 20 + tcpaudit_least_memcap());
}

static void hand_in(struct told *t, struct tcpaudit_frame *frame, size_t *n)
{
	t->frames += *n;
	tcpaudit_frames(t->engine, frame, *n);
	check_counters(t, false);
	*n = 0;
}

/* batch 0: as the input says. */
static void run(struct told *t, size_t batch)
{
	static struct tcpaudit_frame frame[64];
	struct tcpaudit_sink sink = sink_of(t);
	size_t n = 0, most = batch ? batch : 1;

	t->engine = new_engine(t, &sink);
	for (size_t i = 0; i < t->scene->count; i++) {
		const struct item *item = &t->scene->item[i];
		if (item->advance) {
			hand_in(t, frame, &n);
			tcpaudit_advance(t->engine, item->frame.time);
			check_counters(t, false);
			continue;
		}
		frame[n++] = item->frame;
		if (!batch && n == 1)
			most = 1u + item->batch;
		if (n >= most)
			hand_in(t, frame, &n);
	}
	hand_in(t, frame, &n);
	tcpaudit_finish(t->engine);
	check_counters(t, true);
	tcpaudit_free(t->engine);
}

/* Backwards: no part may need what another one has found. */
static void run_parts(void *user, void (*part)(void *user, unsigned i), void *parts_user, unsigned parts)
{
	(void)user;
	while (parts--)
		part(parts_user, parts);
}

/* Through a reader, judged in parts, some batches at a time. */
static void run_split(struct told *t, unsigned parts, unsigned together)
{
	static struct tcpaudit_batch *batch[8];
	const struct tcpaudit_team team = {.run = run_parts};
	struct tcpaudit_sink sink = sink_of(t);
	unsigned filled = 0;

	t->engine = new_engine(t, &sink);
	struct tcpaudit_reader *reader = tcpaudit_reader_new(&t->settings, tcpaudit_needs_octets(t->engine));
	assert(reader && tcpaudit_split(t->engine, parts, &team));
	for (size_t i = 0, n; i < t->scene->count; i += n) {
		struct tcpaudit_frame frame[TCPAUDIT_BATCH];
		for (n = 0; i + n < t->scene->count && n < 1u + (t->scene->item[i].batch & 31); n++)
			frame[n] = t->scene->item[i + n].frame;
		if (!batch[filled])
			batch[filled] = tcpaudit_batch_new();
		assert(batch[filled]);
		tcpaudit_read(reader, batch[filled++], frame, n);
		t->frames += n;
		if (filled < together && i + n < t->scene->count)
			continue;
		tcpaudit_judge_many(t->engine, batch, filled);
		check_counters(t, false);
		filled = 0;
	}
	if (!batch[0])
		batch[0] = tcpaudit_batch_new();
	tcpaudit_read_end(reader, batch[0]);
	tcpaudit_judge_many(t->engine, batch, 1);
	tcpaudit_finish(t->engine);
	check_counters(t, true);
	tcpaudit_free(t->engine);
	tcpaudit_reader_free(reader);
}

static void settle(struct tcpaudit_settings *s, uint8_t a, uint8_t b)
{
	static const uint32_t flows[8] = {0, 0, 0, 0, 1, 2, 3, 5};

	tcpaudit_settings_init(s);
	memcpy(s->hash_key, "0123456789abcdef", 16);
	s->max_flows = flows[a & 7];
	s->memcap = a & 8 ? 1u << (18 + (a >> 4 & 3)) : 0;
	s->checksum = (uint8_t)(b % 3);
	s->transitions = a >> 6 & 1;
	s->watch_all = a >> 7 & 1;
	s->vantage = b >> 2 & 3;
	s->in_order = true;
	if ((a ^ b) & 8) {
		s->own = own;
		s->own_count = OWN;
		s->points = 1 << TCPAUDIT_ON_CLOSE | (b & 64 ? 1 << TCPAUDIT_ON_REUSE : 0);
		s->states = false; /* they are told all the same */
	}
	if (b & 16)
		s->check[b >> 5].severity = -1;
	if (b & 32)
		s->check[20 + (b >> 6)].severity = TCPAUDIT_ERROR + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct told uneven, one, whole, split;
	struct input in = {data, size};
	uint8_t a = octet(&in), b = octet(&in);
	bool calm = b & 8;

	compose(&in, calm);
	memset(&uneven, 0, sizeof uneven);
	uneven.scene = &scene;
	settle(&uneven.settings, a, b);
	uneven.labels = (a ^ b) & 4;
	one = whole = split = uneven;
	run(&uneven, 0);
	run(&one, 1);
	run(&whole, 32);
	assert(memcmp(one.by_kind, whole.by_kind, sizeof one.by_kind) == 0);
	assert(memcmp(one.by_kind, uneven.by_kind, sizeof one.by_kind) == 0);
	assert(memcmp(one.by_check, whole.by_check, sizeof one.by_check) == 0);
	assert(one.digest == whole.digest && one.digest == uneven.digest);
	for (size_t i = 0; i < scene.count; i++)
		if (scene.item[i].advance)
			return 0;
	run_split(&split, 2 + (a >> 4 & 3), 1 + (b >> 5));
	assert(split.digest == one.digest);
	return 0;
}
