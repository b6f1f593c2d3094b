/* test_audit.c - the engine through its public interface: time, limits, incarnations, tombstones, the ledger. */
#include <time.h>

#include "frames.h"

#define HS "A S100 / B SA300,101 / A .101,301 / "
#define HST HS "A D101+10,301 / B D301+10,111 / A .111,311 / "
#define CLOSE "A F111,311 / B F311,112 / A .112,312 / "

static uint64_t unusable(const struct bench *b, enum tcpaudit_unusable reason)
{
	return bench_counters(b).unusable[reason];
}

/* fate and kinds add up, at any time. */
static void check_books(const struct bench *b)
{
	struct tcpaudit_counters c = bench_counters(b);
	uint64_t fates = 0, kinds = 0;
	for (int i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		fates += c.fate[i];
	for (int i = 0; i < TCPAUDIT_KIND_COUNT; i++)
		kinds += c.by_kind[i];
	cr_assert_eq(fates, c.frames);
	cr_assert_eq(kinds + c.open, c.connections);
	cr_assert_eq(kinds, b->records);
}

/* One frame of a connection of its own, by its number: the fast way to many. */
static void send_number(struct bench *b, uint32_t n, unsigned from, uint16_t flags, uint32_t seq, uint32_t ack, int64_t time)
{
	struct wire w = {.from = from, .address = {0x0b000000 + (n >> 14), 0x0a000002}, .port = {(uint16_t)(1024 + (n & 0x3fff)), 80},
	                 .seq = seq, .ack = ack, .flags = flags, .window = 8192};
	bench_wire(b, &w, time);
}

static void open_number(struct bench *b, uint32_t n, int64_t time)
{
	send_number(b, n, A, TCPAUDIT_SYN, 100, 0, time);
	send_number(b, n, B, TCPAUDIT_SYN | TCPAUDIT_ACK, 300, 101, time);
	send_number(b, n, A, TCPAUDIT_ACK, 101, 301, time);
}

static void close_number(struct bench *b, uint32_t n, int64_t time)
{
	send_number(b, n, A, TCPAUDIT_FIN | TCPAUDIT_ACK, 101, 301, time);
	send_number(b, n, B, TCPAUDIT_FIN | TCPAUDIT_ACK, 301, 102, time);
	send_number(b, n, A, TCPAUDIT_ACK, 102, 302, time);
}

/* Without watching every segment, which is slow. */
static struct bench *bench_for_many(uint64_t max_flows, uint64_t memcap)
{
	struct bench *b = bench_prepare();
	b->settings.watch_all = false;
	b->settings.transitions = false;
	b->settings.max_flows = max_flows;
	b->settings.memcap = memcap;
	return bench_start(b);
}

/* ---- what stacks do on purpose ---- */

static const char *deliberate(const struct bench *b, const char *id)
{
	for (size_t i = 0; i < b->findings; i++)
		if (strcmp(b->finding[i].finding.check->id, id) == 0)
			return b->finding[i].finding.deliberate ? b->finding[i].finding.deliberate : "nothing";
	return "no finding";
}

Test(deliberate, eight_repeats_of_an_orphans_fin)
{
	struct bench *b = bench_new();
	play(b, HST "A F111,311 @1 / A F111,311 @1.2 / A F111,311 @1.6 / A F111,311 @2.4 / A F111,311 @4 / A F111,311 @7.2 / "
		    "A F111,311 @13.6 / A F111,311 @26.4 / A F111,311 @52");
	tcpaudit_advance(b->engine, b->time + 300 * SECONDS);
	bench_finish(b);
	cr_assert(strstr(deliberate(b, "fin-giveup-early"), "Linux"));
	bench_free(b);
}

Test(deliberate, four_copies_are_no_orphans)
{
	struct bench *b = bench_new();
	play(b, HST "A F111,311 @1 / A F111,311 @1.2 / A F111,311 @1.6 / A F111,311 @2.4");
	tcpaudit_advance(b->engine, b->time + 300 * SECONDS);
	bench_finish(b);
	cr_assert_str_eq(deliberate(b, "fin-giveup-early"), "nothing");
	bench_free(b);
}

/* As Linux 6.18 and 6.1 send them; and a connect() that was given up. */
Test(deliberate, ten_repeats_of_a_syn)
{
	static const struct {
		const char *syns;
		bool by_linux;
	} tried[] = {{"A S100 @0 / A S100 @1 / A S100 @2 / A S100 @3 / A S100 @4 / A S100 @5 / A S100 @7.1 / A S100 @11.2 / A S100 @19.4 / "
	              "A S100 @35.5 / A S100 @69",
	              true},
	             {"A S100 @0 / A S100 @1 / A S100 @3 / A S100 @7 / A S100 @15 / A S100 @31 / A S100 @63", true},
	             {"A S100 @0 / A S100 @1 / A S100 @3 / A S100 @7", false}};
	for (size_t i = 0; i < 3; i++) {
		struct bench *b = bench_new();
		play(b, tried[i].syns);
		tcpaudit_advance(b->engine, b->time + 300 * SECONDS);
		bench_finish(b);
		cr_assert_eq(strstr(deliberate(b, "syn-giveup-early"), "Linux") != NULL, tried[i].by_linux);
		bench_free(b);
	}
}

Test(deliberate, fin_wait_2_of_a_minute_and_of_ten)
{
	static const struct {
		const char *late, *whose;
	} age[] = {{"B F311,112 @71 / A R112 @71.01", "Linux' FIN-WAIT-2 timer (tcp_fin_timeout, 60 s)"},
	           {"B F311,112 @611 / A R112 @611.01", "FIN-WAIT-2 timer of FreeBSD and OpenBSD (600 s)"}};
	for (size_t i = 0; i < 2; i++) {
		struct bench *b = bench_new();
		play(b, HST "A F111,311 @1 / B .311,112 @1.01");
		play(b, age[i].late);
		bench_finish(b);
		cr_assert_str_eq(deliberate(b, "half-finwait2-timeout"), age[i].whose);
		bench_free(b);
	}
}

/* The reset comes after the report. */
Test(deliberate, time_wait_of_a_minute)
{
	static const struct {
		const char *reset, *explained;
	} age[] = {{"B F311,112 @71 / A R112 @71.01", "Linux and FreeBSD hold TIME-WAIT for 60 s"}, {"B F311,112 @31 / A R112 @31.01", "nothing"}};
	for (size_t i = 0; i < 2; i++) {
		struct bench *b = bench_prepare();
		b->settings.msl = 120 * SECONDS;
		bench_start(b);
		play(b, HST CLOSE);
		play(b, age[i].reset);
		bench_finish(b);
		cr_assert_str_eq(deliberate(b, "tw-early-gone"), age[i].explained);
		bench_free(b);
	}
}

/* Without ACK, the reset comes from no connection: a timer may have ended it long before. */
Test(deliberate, close_with_unread_text)
{
	static const struct {
		const char *reset, *explained;
	} sort[] = {{"A RA111,311", "unread text"}, {"A R111", "nothing"}};
	for (size_t i = 0; i < 2; i++) {
		struct bench *b = bench_new();
		play(b, HST "B D311+10,111 / ");
		play(b, sort[i].reset);
		bench_finish(b);
		cr_assert(strstr(deliberate(b, "rst-abort-dirty"), sort[i].explained));
		bench_free(b);
	}
}

/* ---- pressure on ports ---- */

static const char *const pressed = "tw-port-pressure";

/* One connection from this port, closed first by `closer`. */
static void from_port(struct bench *b, unsigned port, unsigned closer, uint32_t iss, int64_t time)
{
	const struct {
		unsigned from;
		uint16_t flags;
	} step[] = {{A, TCPAUDIT_SYN}, {B, TCPAUDIT_SYN | TCPAUDIT_ACK}, {A, TCPAUDIT_ACK}, {closer, TCPAUDIT_FIN | TCPAUDIT_ACK},
	            {!closer, TCPAUDIT_FIN | TCPAUDIT_ACK}, {closer, TCPAUDIT_ACK}};
	uint32_t next[2] = {iss, iss};

	for (size_t i = 0; i < sizeof step / sizeof step[0]; i++) {
		unsigned from = step[i].from;
		struct wire w = {.from = from, .port = {(uint16_t)port, 80}, .seq = next[from], .ack = i ? next[!from] : 0,
		                 .flags = step[i].flags, .window = 8192};
		bench_wire(b, &w, time);
		next[from] += !!(step[i].flags & (TCPAUDIT_SYN | TCPAUDIT_FIN));
	}
}

static size_t found(const struct bench *b, const char *id)
{
	size_t n = 0;
	for (size_t i = 0; i < b->findings && i < BENCH_FINDINGS; i++)
		n += strcmp(b->finding[i].finding.check->id, id) == 0;
	return n;
}

static size_t pressed_by(unsigned count, unsigned closer, int64_t apart)
{
	struct bench *b = bench_for_many(0, 0);
	b->settings.min_severity = TCPAUDIT_NOTE;
	tcpaudit_free(b->engine);
	bench_start(b);
	for (unsigned i = 0; i < count; i++)
		from_port(b, 32768 + i, closer, 1000, EPOCH + i * apart);
	bench_finish(b);
	size_t n = found(b, pressed);
	cr_assert_eq(bench_counters(b).pressure_forgotten, 0);
	bench_free(b);
	return n;
}

Test(pressure, four_fifths_of_all_ports)
{
	cr_assert_eq(pressed_by(22600, A, 2 * MILLISECONDS), 1);
	cr_assert_eq(pressed_by(22500, A, 2 * MILLISECONDS), 0, "too few");
	cr_assert_eq(pressed_by(22600, A, 4 * MILLISECONDS), 0, "the first are over");
	cr_assert_eq(pressed_by(22600, B, 2 * MILLISECONDS), 0, "a server runs out of none");
}

/* What was counted in parts of another MSL is forgotten, and does not count as being ahead of all that comes. */
Test(pressure, another_msl)
{
	struct bench *b = bench_for_many(0, 0);
	b->settings.min_severity = TCPAUDIT_NOTE;
	tcpaudit_free(b->engine);
	bench_start(b);
	from_port(b, 32767, A, 1000, EPOCH);
	b->settings.msl *= 2;
	cr_assert(tcpaudit_configure(b->engine, &b->settings));
	for (unsigned i = 0; i < 22600; i++)
		from_port(b, 32768 + i, A, 1000, EPOCH + SECONDS + i * 2 * MILLISECONDS);
	bench_finish(b);
	cr_assert_eq(found(b, pressed), 1);
	bench_free(b);
}

static size_t pressed_by_reuse(unsigned count, int64_t apart)
{
	struct bench *b = bench_new();
	for (unsigned i = 0; i < count; i++)
		from_port(b, 40000, A, 1000 + 100000 * i, EPOCH + i * apart);
	bench_finish(b);
	size_t n = found(b, pressed);
	bench_free(b);
	return n;
}

Test(pressure, ten_reuses_in_a_minute)
{
	cr_assert_eq(pressed_by_reuse(11, 6 * SECONDS), 1);
	cr_assert_eq(pressed_by_reuse(10, 6 * SECONDS), 0, "nine");
	cr_assert_eq(pressed_by_reuse(11, 7 * SECONDS), 0, "too slow");
	cr_assert_eq(pressed_by_reuse(11, 67 * SECONDS), 0, "TIME-WAIT was over");
}

/* ---- the order of reports ---- */

#define TICK (INT64_C(1) << 30) /* ns, as in flow.c */

/* First some end whose places others get, so that a place tells nothing of an age. */
Test(order, by_tick_and_then_by_age)
{
	struct bench *b = bench_for_many(0, 0);

	for (unsigned i = 0; i < 40; i++)
		from_port(b, 1000 + i, i & 1, 1000, EPOCH + i * (i % 3 ? MILLISECONDS : SECONDS));
	tcpaudit_advance(b->engine, EPOCH + 20 * SECONDS);
	for (unsigned i = 0; i < BENCH_RECORDS; i++)
		from_port(b, 2000 + i, i & 1, 1000, EPOCH + 60 * SECONDS + i * 20 * MILLISECONDS);
	b->records = 0;
	tcpaudit_advance(b->engine, EPOCH + 90 * SECONDS);
	cr_assert_gt(b->records, 16);
	for (size_t i = 1; i < b->records && i < BENCH_RECORDS; i++) {
		const struct tcpaudit_connection *before = &b->record[i - 1], *c = &b->record[i];
		cr_assert_leq((before->last + 5 * SECONDS) / TICK, (c->last + 5 * SECONDS) / TICK);
		if ((before->last + 5 * SECONDS) / TICK == (c->last + 5 * SECONDS) / TICK)
			cr_assert_lt(before->id, c->id);
	}
	bench_finish(b);
	bench_free(b);
}

/* ---- an engine in parts ---- */

struct told {
	uint64_t id[8000];
	size_t count;
};

static void tell(void *user, const struct tcpaudit_connection *c)
{
	struct told *t = user;
	if (t->count < sizeof t->id / sizeof t->id[0])
		t->id[t->count] = c->id;
	t->count++;
}

/* Whoever comes last is done first. */
static void run_parts(void *user, void (*part)(void *user, unsigned i), void *parts_user, unsigned parts)
{
	++*(unsigned *)user;
	while (parts--)
		part(parts_user, parts);
}

/* So many connections that close within one tick, and as many that stay open.  Returns how many jobs there were. */
static unsigned tell_many(unsigned parts, unsigned count, struct told *told)
{
	unsigned jobs = 0;
	uint64_t frames = 0;
	struct tcpaudit_settings settings;
	tcpaudit_settings_init(&settings);
	settings.in_order = true;
	const struct tcpaudit_sink sink = {.user = told, .connection_end = tell};
	const struct tcpaudit_team team = {.user = &jobs, .run = run_parts};
	struct tcpaudit *engine = tcpaudit_new(&settings, &sink);
	struct tcpaudit_reader *reader = tcpaudit_reader_new(&settings, TCPAUDIT_OCTETS_NONE);
	struct tcpaudit_batch *batch = tcpaudit_batch_new();
	static const uint16_t flags[] = {2, 0x12, 0x10, 0x11, 0x11, 0x10};
	static const uint32_t seq[] = {100, 300, 101, 101, 301, 102}, ack[] = {0, 101, 301, 301, 102, 302};

	cr_assert(engine && reader && batch);
	cr_assert(tcpaudit_split(engine, parts, &team));
	*told = (struct told){.count = 0};
	for (unsigned step = 0; step < 7; step++)
		for (unsigned i = 0; i < 2 * count; i++) {
			uint8_t octets[WIRE_ROOM];
			unsigned k = step < 6 ? step : 0;
			struct wire w = {.from = k == 1 || k == 4, .port = {(uint16_t)(1000 + i * 7 % (2 * count)), 80}, .window = 8192,
			                 .flags = flags[k], .seq = seq[k], .ack = ack[k]};
			if (step > 2 && step < 6 && i & 1)
				continue; /* it stays open */
			w.port[0] = (uint16_t)(w.port[0] + (step == 6 ? 30000 : 0)); /* time has passed */
			frames++;
			struct tcpaudit_frame frame = {.data = octets, .linktype = 101, .ordinal = frames, .number = frames,
			                               .time = EPOCH + (int64_t)step * 10 * MILLISECONDS + (step == 6) * 60 * SECONDS};
			frame.caplen = frame.wirelen = (uint32_t)wire_frame(&w, octets);
			tcpaudit_read(reader, batch, &frame, 1);
			tcpaudit_judge_many(engine, &batch, 1);
		}
	tcpaudit_finish(engine);
	tcpaudit_free(engine);
	tcpaudit_reader_free(reader);
	tcpaudit_batch_free(batch);
	return jobs;
}

Test(parts, more_at_once_than_wait_for_their_turn)
{
	static struct told one, many;
	cr_assert_eq(tell_many(1, 1500, &one), 0);
	cr_assert_eq(one.count, 6000);
	for (unsigned parts = 2; parts < 6; parts++) {
		cr_assert_gt(tell_many(parts, 1500, &many), 4);
		cr_assert_eq(many.count, one.count);
		cr_assert_eq(memcmp(many.id, one.id, sizeof one.id), 0);
	}
}

/* Three hours behind: a connection that lives while another interface, whose clock is ahead, tells packet time. */
static void play_behind(struct bench *b, unsigned from, unsigned to, uint8_t flags_of_others)
{
	static const uint16_t flags[] = {2, 0x12, 0x10, 0x11, 0x11, 0x10, 0x11};
	static const uint32_t seq[] = {100, 300, 101, 101, 301, 102, 301}, ack[] = {0, 101, 301, 301, 102, 302, 102};

	for (unsigned i = from; i < to; i++) {
		struct wire other = {.from = A, .port = {(uint16_t)(3000 + i), 80}, .seq = 1, .flags = TCPAUDIT_SYN, .window = 8192};
		struct wire w = {.from = i == 1 || i == 4 || i == 6, .port = {2000, 80}, .seq = seq[i], .ack = ack[i], .flags = flags[i],
		                 .window = 8192};
		uint8_t out[WIRE_ROOM];
		size_t len = wire_frame(&other, out);
		bench_frame(b, out, len, EPOCH + (10800 + i * 20) * SECONDS, 101, 0, i == 2 ? flags_of_others : 0);
		bench_wire(b, &w, EPOCH + i * 20 * SECONDS);
	}
}

static const struct tcpaudit_connection *record_of_port(const struct bench *b, unsigned port)
{
	for (size_t i = 0; i < b->records; i++)
		if (b->record[i].end[A].port == port)
			return &b->record[i];
	cr_assert_fail("no connection from port %u", port);
	return NULL;
}

Test(order, losses_while_a_clock_is_behind)
{
	for (unsigned lost = 0; lost < 2; lost++) {
		struct bench *b = bench_for_many(0, 0);
		play_behind(b, 0, 3, lost ? TCPAUDIT_FRAME_LOST : 0);
		bench_finish(b);
		cr_assert_eq(noted(record_of_port(b, 2000), "cap-drops"), lost);
		bench_free(b);
	}
}

/* The other end's FIN once more, twenty seconds behind the close: it finds what was there. */
Test(order, late_segments_of_a_clock_that_is_behind)
{
	struct bench *b = bench_for_many(0, 0);
	play_behind(b, 0, 7, 0);
	cr_assert_eq(bench_counters(b).late, 1);
	bench_finish(b);
	cr_assert_eq(record_of_port(b, 2000)->kind, TCPAUDIT_KIND_THREE_WAY);
	cr_assert_eq(b->records, 8, "seven others, and this one");
	bench_free(b);
}

/* One frame with a time long past: the connection ends when it would have ended without. */
Test(order, a_frame_from_long_ago)
{
	struct bench *b = bench_for_many(0, 0);
	static const uint16_t flags[] = {2, 0x12, 0x10, 0x10, 0x11, 0x11, 0x10};
	static const uint32_t seq[] = {100, 300, 101, 101, 101, 301, 102}, ack[] = {0, 101, 301, 301, 301, 102, 302};

	for (unsigned i = 0; i < 7; i++) {
		struct wire w = {.from = i == 1 || i == 5, .port = {2000, 80}, .seq = seq[i], .ack = ack[i], .flags = flags[i], .window = 8192};
		bench_wire(b, &w, EPOCH + 4000 * SECONDS + i * MILLISECONDS - (i == 3) * 3000 * SECONDS);
	}
	tcpaudit_advance(b->engine, EPOCH + 4003 * SECONDS);
	cr_assert_eq(b->records, 0);
	tcpaudit_advance(b->engine, EPOCH + 4008 * SECONDS);
	cr_assert_eq(b->records, 1);
	cr_assert_eq(b->record[0].kind, TCPAUDIT_KIND_THREE_WAY);
	bench_finish(b);
	bench_free(b);
}

/* What is said of a close depends on nothing that is asked beside: whether steps are wanted, or states at all. */
static void same_with_and_without_mirror(const char *words)
{
	struct tcpaudit_connection record[3];

	for (unsigned asked = 0; asked < 3; asked++) {
		struct bench *b = bench_prepare();
		b->settings.watch_all = false;
		b->settings.transitions = asked == 2;
		b->settings.states = asked > 0;
		bench_start(b);
		play(b, words);
		tcpaudit_advance(b->engine, b->time + 300 * SECONDS);
		bench_finish(b);
		cr_assert_eq(b->records, 1);
		record[asked] = b->record[0];
		bench_free(b);
	}
	for (unsigned asked = 0; asked < 2; asked++) {
		cr_expect_eq(record[asked].confidence, record[2].confidence, "%s", words);
		cr_expect_eq(record[asked].time_wait_holder, record[2].time_wait_holder, "%s", words);
	}
	for (unsigned x = 0; x < 2; x++)
		cr_expect_eq(record[1].end[x].states, record[2].end[x].states, "%s", words);
}

Test(report, a_close_is_the_same_whoever_asks)
{
	same_with_and_without_mirror(HST "B F311,111 @1 / A .111,311 @1.9 / A F111,312 @2 / B .312,112 @2.1");
	same_with_and_without_mirror(HST "B F311,111 @1 / A .111,311 @1.01 / A F111,312 @2 / B .312,112 @2.1");
	same_with_and_without_mirror(HST "B F311,111 @1 / A .111,312 @1.1 / A F111,312 @2 / B .312,112 @2.1");
	same_with_and_without_mirror(HST "B F311,111 @1 / A F111,311 @1.1 / B .312,112 @1.2 / A .112,312 @1.2");
}

/* A reset of a time before everything: it has come now, and what follows it is waited for from now on. */
Test(order, a_reset_from_long_ago)
{
	struct bench *b = bench_for_many(0, 0);
	static const uint16_t flags[] = {2, 0x12, 0x10, 4};
	static const uint32_t seq[] = {100, 300, 101, 101}, ack[] = {0, 101, 301, 0};

	for (unsigned i = 0; i < 4; i++) {
		struct wire w = {.from = i == 1, .port = {2000, 80}, .seq = seq[i], .ack = ack[i], .flags = flags[i], .window = 8192};
		if (i == 3)
			from_port(b, 1000, A, 1000, EPOCH + 900 * SECONDS);
		bench_wire(b, &w, EPOCH + i * MILLISECONDS - (i == 3) * SECONDS);
	}
	tcpaudit_advance(b->engine, EPOCH + 913 * SECONDS);
	cr_assert_eq(b->records, 1, "the one whose frames told the time");
	tcpaudit_advance(b->engine, EPOCH + 917 * SECONDS);
	cr_assert_eq(b->records, 2);
	bench_finish(b);
	bench_free(b);
}

/* An interface whose clock is three hours behind: what it captured is not over because another one is ahead. */
Test(order, a_clock_that_is_behind)
{
	struct bench *b = bench_for_many(0, 0);
	static const uint16_t flags[] = {2, 0x12, 0x10, 0x11, 0x11, 0x10};
	static const uint32_t seq[] = {100, 300, 101, 101, 301, 102}, ack[] = {0, 101, 301, 301, 102, 302};
	const int64_t ahead = EPOCH + 3 * 3600 * SECONDS;

	from_port(b, 1000, A, 1000, ahead);
	for (unsigned i = 0; i < 6; i++) {
		struct wire w = {.from = i == 1 || i == 4, .port = {2000, 80}, .seq = seq[i], .ack = ack[i], .flags = flags[i], .window = 8192};
		bench_wire(b, &w, EPOCH + i * 20 * SECONDS);
		from_port(b, 1001 + i, A, 1000, ahead + i * 20 * SECONDS);
	}
	tcpaudit_advance(b->engine, ahead + 200 * SECONDS);
	cr_assert_eq(b->records, 8);
	for (size_t i = 0; i < b->records; i++)
		cr_assert_eq(b->record[i].kind, TCPAUDIT_KIND_THREE_WAY);
	bench_finish(b);
	bench_free(b);
}

/* Nothing that the network sends makes it grow: what has no place is counted. */
Test(pressure, too_many_hosts)
{
	struct bench *b = bench_for_many(0, 0);
	for (uint32_t n = 0; n < 5000; n++) {
		struct wire w = {.address = {0x0b000000 + n, 0x0a000002}, .window = 8192};
		static const uint16_t flags[] = {2, 0x12, 0x10, 0x11, 0x11, 0x10};
		static const uint32_t seq[] = {100, 300, 101, 101, 301, 102}, ack[] = {0, 101, 301, 301, 102, 302};
		for (unsigned i = 0; i < 6; i++) {
			w.from = i == 1 || i == 4;
			w.flags = flags[i];
			w.seq = seq[i];
			w.ack = ack[i];
			bench_wire(b, &w, EPOCH + n * MILLISECONDS);
		}
	}
	bench_finish(b);
	cr_assert_gt(bench_counters(b).pressure_forgotten, 4000);
	bench_free(b);
}

/* ---- initial sequence numbers ---- */

static const char *const weak = "syn-isn-weak";

/* Of how many of the connections from as many ports it is said; `next` gives the ISS of the client, or of the server. */
static size_t weak_by(unsigned count, unsigned end, uint32_t (*next)(unsigned), unsigned ports, int64_t apart)
{
	struct bench *b = bench_new();

	for (unsigned i = 0; i < count; i++) {
		const uint16_t flags[] = {TCPAUDIT_SYN, TCPAUDIT_SYN | TCPAUDIT_ACK, TCPAUDIT_ACK};
		uint32_t iss[2] = {i * i * 12345679u + 70000, i * i * 23456789u + 70000};
		iss[end] = next(i);
		for (unsigned k = 0; k < 3; k++) {
			unsigned from = k == 1;
			struct wire w = {.from = from,
			                 .port = {(uint16_t)(40000 + i % ports), 80},
			                 .seq = iss[from] + (k > 1),
			                 .ack = k ? iss[!from] + 1 : 0,
			                 .flags = flags[k],
			                 .window = 8192};
			bench_wire(b, &w, EPOCH + i * apart);
		}
	}
	bench_finish(b);
	size_t n = found(b, weak);
	for (size_t i = 0; i < b->findings && i < BENCH_FINDINGS; i++)
		if (strcmp(b->finding[i].finding.check->id, weak) == 0)
			cr_assert_eq(b->finding[i].finding.endpoint, end);
	cr_assert_eq(bench_counters(b).isns_forgotten, 0);
	bench_free(b);
	return n;
}

static uint32_t equal(unsigned i)
{
	return 0xdeadbeef + 0 * i;
}

static uint32_t steps(unsigned i)
{
	return 0xfff00000 + 64000 * i; /* wraps */
}

static uint32_t small(unsigned i)
{
	return i * i * 7919 % 65536;
}

static uint32_t not_all_small(unsigned i)
{
	return small(i) + 65536 * (i % 8 == 5);
}

static uint32_t one_off(unsigned i)
{
	return steps(i) + (i % 8 == 6);
}

Test(isn, what_eight_have_in_common)
{
	for (unsigned end = A; end <= B; end++) {
		cr_assert_eq(weak_by(8, end, equal, 100, SECONDS), 1);
		cr_assert_eq(weak_by(8, end, steps, 100, SECONDS), 1);
		cr_assert_eq(weak_by(8, end, small, 100, SECONDS), 1);
		cr_assert_eq(weak_by(7, end, equal, 100, SECONDS), 0, "seven");
		cr_assert_eq(weak_by(60, end, not_all_small, 100, SECONDS), 0);
		cr_assert_eq(weak_by(60, end, one_off, 100, SECONDS), 0);
	}
}

Test(isn, within_a_minute_on_as_many_socket_pairs)
{
	cr_assert_eq(weak_by(30, A, steps, 100, 60 * SECONDS / 7), 3, "once a minute");
	cr_assert_eq(weak_by(30, A, steps, 100, 60 * SECONDS / 7 + MILLISECONDS), 0, "too slow");
	cr_assert_eq(weak_by(30, A, steps, 7, SECONDS), 0, "seven socket pairs");
	cr_assert_eq(weak_by(30, A, steps, 8, SECONDS), 1);
}

/* A scanner chooses its numbers itself, and never acknowledges those of others. */
Test(isn, handshakes_that_are_over)
{
	struct bench *b = bench_new();
	for (uint32_t i = 0; i < 60; i++) {
		static const uint16_t flags[] = {TCPAUDIT_SYN, TCPAUDIT_SYN | TCPAUDIT_ACK, TCPAUDIT_RST};
		for (unsigned k = 0; k < 3; k++) {
			struct wire w = {.from = k == 1,
			                 .port = {40000, (uint16_t)(1 + i)},
			                 .seq = k == 1 ? i * i * 999 : 5000 + (k > 1),
			                 .ack = k == 1 ? 5001 : 0,
			                 .flags = flags[k],
			                 .window = 8192};
			bench_wire(b, &w, EPOCH + i * MILLISECONDS);
		}
	}
	bench_finish(b);
	cr_assert_eq(found(b, weak), 0);
	bench_free(b);
}

/* Nothing that the network sends makes it grow: what has no place is counted. */
Test(isn, too_many_hosts)
{
	struct bench *b = bench_for_many(0, 0);
	for (uint32_t n = 0; n < 5000; n++) {
		struct wire w = {.address = {0x0b000000 + n, 0x0a000002}, .window = 8192};
		static const uint16_t flags[] = {2, 0x12, 0x10};
		static const uint32_t seq[] = {100, 300, 101}, ack[] = {0, 101, 301};
		for (unsigned i = 0; i < 3; i++) {
			w.from = i == 1;
			w.flags = flags[i];
			w.seq = seq[i] + n * n;
			w.ack = i ? ack[i] + n * n : 0;
			bench_wire(b, &w, EPOCH + n * MILLISECONDS);
		}
	}
	bench_finish(b);
	cr_assert_gt(bench_counters(b).isns_forgotten, 3900);
	bench_free(b);
}

/* ---- the ledger ---- */

Test(audit, an_engine_that_saw_nothing)
{
	struct bench *b = bench_new();
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_eq(c.frames, 0);
	cr_assert(c.memory > 0);
	tcpaudit_advance(b->engine, EPOCH);
	bench_finish(b);
	cr_assert_eq(b->records, 0);
	check_books(b);
	bench_free(b);
	tcpaudit_free(NULL);
}

/* What the user's filter rejects, and what it cannot look into, says how late it is, and no more: not even if it could be read. */
Test(audit, time_passes_by_frames_that_are_not_looked_into)
{
	static const uint8_t flags[] = {TCPAUDIT_FRAME_REJECTED, TCPAUDIT_FRAME_OPAQUE};
	static const enum tcpaudit_fate fate[] = {TCPAUDIT_FATE_FILTER, TCPAUDIT_FATE_LINKTYPE};
	static const uint8_t junk[4] = {0x45, 0, 0, 60};

	for (size_t i = 0; i < 2; i++) {
		struct bench *b = bench_new();
		play(b, HS "A F101,301 / B .301,102");
		for (int minute = 1; minute <= 2; minute++)
			bench_frame(b, junk, sizeof junk, b->time + 60 * SECONDS, 101, 0, flags[i]);
		struct tcpaudit_counters c = bench_counters(b);
		cr_assert_eq(c.fate[fate[i]], 2);
		cr_assert_eq(c.fate[TCPAUDIT_FATE_IP_SHORT], 0);
		cr_assert_eq(c.newest, b->time);
		bench_finish(b);
		cr_assert_eq(b->record[0].close_wait_duration, 120 * SECONDS);
		bench_free(b);
	}
}

Test(audit, every_frame_has_one_fate)
{
	struct bench *b = bench_new();
	static const uint8_t arp[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6}, junk[4] = {0x45, 0, 0, 60};
	play(b, HS "A RA101,301");
	bench_frame(b, arp, sizeof arp, b->time, 1, 0, 0);
	bench_frame(b, junk, sizeof junk, b->time, 101, 0, 0);
	bench_frame(b, junk, sizeof junk, b->time, 147, 0, 0);
	bench_frame(b, junk, 0, b->time, 101, 0, 0);
	tcpaudit_count(b->engine, TCPAUDIT_FATE_FILTER);
	tcpaudit_count(b->engine, TCPAUDIT_FATE_NOT_PACKET);
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_eq(c.frames, 10);
	cr_assert_eq(c.fate[TCPAUDIT_FATE_TCP], 4);
	cr_assert_eq(c.fate[TCPAUDIT_FATE_NOT_IP], 1);
	cr_assert_eq(c.fate[TCPAUDIT_FATE_LINKTYPE], 1);
	cr_assert_eq(c.fate[TCPAUDIT_FATE_FILTER], 1);
	cr_assert_eq(c.fate[TCPAUDIT_FATE_NOT_PACKET], 1);
	cr_assert_eq(c.first, EPOCH);
	cr_assert_eq(c.newest, b->time);
	bench_finish(b);
	check_books(b);
	bench_free(b);
}

Test(audit, a_tcp_header_that_cannot_be_is_unusable)
{
	struct bench *b = bench_new();
	struct wire w = {.from = A, .flags = TCPAUDIT_SYN, .seq = 100};
	uint8_t out[WIRE_ROOM];
	size_t len = wire_frame(&w, out);
	out[32] = 0x40; /* data offset 4 */
	bench_frame(b, out, len, EPOCH, 101, 0, 0);
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_OFFSET), 1);
	cr_assert_eq(bench_counters(b).connections, 0);
	bench_free(b);
}

Test(audit, names)
{
	for (int i = 0; i < TCPAUDIT_STATE_COUNT; i++)
		cr_assert_str_neq(tcpaudit_state_name((enum tcpaudit_state)i), "?");
	for (int i = 0; i < TCPAUDIT_KIND_COUNT; i++)
		cr_assert_str_neq(tcpaudit_kind_name((enum tcpaudit_kind)i), "?");
	for (int i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		cr_assert_str_neq(tcpaudit_fate_name((enum tcpaudit_fate)i), "?");
	for (int i = 0; i < TCPAUDIT_UNUSABLE_COUNT; i++)
		cr_assert_str_neq(tcpaudit_unusable_name((enum tcpaudit_unusable)i), "?");
	cr_assert_str_eq(tcpaudit_state_name(TCPAUDIT_STATE_COUNT), "?");
	cr_assert_str_eq(tcpaudit_kind_name(TCPAUDIT_KIND_COUNT), "?");
	cr_assert_str_eq(tcpaudit_confidence_name(TCPAUDIT_CERTAIN), "certain");
	cr_assert_str_eq(tcpaudit_who_name(TCPAUDIT_WHO_UNKNOWN), "unknown");
	cr_assert_str_eq(tcpaudit_vantage_name(TCPAUDIT_VANTAGE_AT), "at");
	cr_assert_str_eq(tcpaudit_severity_name(TCPAUDIT_ERROR), "error");
	cr_assert_str_eq(tcpaudit_normative_name(TCPAUDIT_NORMATIVE_MUST), "MUST");
	cr_assert_gt(strlen(tcpaudit_version()), 0);
}

Test(audit, the_catalogue)
{
	size_t count;
	const struct tcpaudit_check *row = tcpaudit_checks(&count);
	cr_assert(count > 0 && count <= TCPAUDIT_CHECK_WORDS * 64);
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq(tcpaudit_check_index(row[i].id), (int)i, "%s is there once", row[i].id);
		cr_assert(row[i].severity <= TCPAUDIT_ERROR && row[i].normative <= TCPAUDIT_NORMATIVE_MUST && row[i].basis <= TCPAUDIT_ABSENCE);
		cr_assert(row[i].rests_on <= TCPAUDIT_CLASS_CAPTURE);
		cr_assert_gt(strlen(row[i].title), 0);
		cr_assert_neq(row[i].title[strlen(row[i].title) - 1], '.');
		if (row[i].normative >= TCPAUDIT_NORMATIVE_SHOULD)
			cr_assert_gt(strlen(row[i].rfc), 0, "%s breaks what?", row[i].id);
	}
	cr_assert_eq(tcpaudit_check_index("no-such-check"), -1);
}

/* ---- time ---- */

Test(audit, one_frame_from_the_future_moves_nothing)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311 @90000");
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_eq(c.time_held, 1);
	cr_assert_eq(c.newest, EPOCH + 50 * MILLISECONDS);
	cr_assert_eq(c.open, 1, "its connection is not given up");
	play(b, "B .311,121 @1 / A RA121,311 @1.1");
	bench_finish(b);
	assert_kind(b, 0, ABORT_CLIENT);
	cr_assert_eq(b->record[0].last, EPOCH + 1100 * MILLISECONDS);
	bench_free(b);
}

Test(audit, a_second_one_confirms_it)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311 @90000 / B .311,121 @90000.1");
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_eq(c.time_held, 1);
	cr_assert_eq(c.newest, EPOCH + 90000100 * MILLISECONDS);
	bench_free(b);
}

Test(audit, an_hour_is_no_jump)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311 @3600");
	cr_assert_eq(bench_counters(b).time_held, 0);
	cr_assert_eq(bench_counters(b).newest, EPOCH + 3600 * SECONDS);
	bench_free(b);
}

/* The next frame of that source refutes it if it is back in the present: then a later one is as lonely as the first. */
Test(audit, two_lonely_frames_from_the_future_do_not_confirm_each_other)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311 @90000 / B .311,121 @1 / A D121+10,311 @1.1 / B .311,131 @1.2 / A D131+10,311 @90001");
	cr_assert_eq(bench_counters(b).time_held, 2);
	cr_assert_eq(bench_counters(b).newest, EPOCH + 1200 * MILLISECONDS);
	bench_free(b);
}

/* Nothing for two hours, then both interfaces in turn: each source confirms its own time. */
Test(audit, sources_that_alternate_after_a_silence_are_believed)
{
	struct bench *b = bench_new();
	play(b, "A S100 in=0 / B SA300,101 in=1 / A .101,301 in=0 / B .301,101 in=1");
	play(b, "A D101+10,301 @7300 in=0 / B .301,111 @7300.1 in=1 / A D111+10,301 @7300.2 in=0 / B .301,121 @7300.3 in=1 / "
	        "A D121+10,301 @7300.4 in=0 / B .301,131 @7300.5 in=1");
	cr_assert_eq(bench_counters(b).newest, EPOCH + 7300500 * MILLISECONDS);
	bench_free(b);
}

/* A confirmation is near what it confirms. */
Test(audit, seventy_years_do_not_confirm_two_hours)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311 @7400 / B .311,121 @2200000000");
	cr_assert_eq(bench_counters(b).time_held, 2);
	cr_assert_eq(bench_counters(b).newest, EPOCH + 50 * MILLISECONDS);
	bench_free(b);
}

Test(audit, time_going_back)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311 @5 / B .311,121 @4 / " "A F121,311 @5.1 / B F311,122 @5.2 / A .122,312 @5.3");
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_eq(c.time_backwards, 1);
	cr_assert_eq(c.newest, EPOCH + 5300 * MILLISECONDS);
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	cr_assert(noted(&b->record[0], "cap-clock-step"));
	cr_assert_eq(b->record[0].start, EPOCH);
	bench_free(b);
}

Test(audit, each_source_has_its_own_clock)
{
	struct bench *b = bench_new();
	play(b, "A S100 @1 in=0 / B SA300,101 @0.999 in=1 / A .101,301 @1.001 in=0");
	cr_assert_eq(bench_counters(b).time_backwards, 0);
	bench_finish(b);
	cr_assert(noted(&b->record[0], "cap-multi-if"));
	cr_assert_eq(b->record[0].input, 0);
	bench_free(b);
}

static void at_time(int64_t time)
{
	struct bench *b = bench_new();
	b->start = b->time = time;
	play(b, "A S100 @0 / B SA300,101 @0 / A .101,301 @0 / A F101,301 @0 / B F301,102 @0 / A .102,302 @0");
	tcpaudit_advance(b->engine, INT64_MAX);
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	bench_free(b);
}

/* reliability.md F8: any 64-bit time. */
Test(audit, times_at_the_ends_of_the_range)
{
	at_time(0);
	at_time(-1);
	at_time(-1000 * SECONDS);
	at_time(INT64_MIN);
	at_time(INT64_MAX);
	at_time(INT64_MAX - 3600 * SECONDS);
}

Test(audit, advance_settles_and_expires)
{
	struct bench *b = bench_new();
	play(b, HST CLOSE);
	cr_assert_eq(b->records, 0);
	tcpaudit_advance(b->engine, b->time + 4 * SECONDS);
	cr_assert_eq(b->records, 0, "five seconds of settling");
	tcpaudit_advance(b->engine, b->time - 4 * SECONDS); /* back: nothing */
	tcpaudit_advance(b->engine, b->time + 8 * SECONDS);
	cr_assert_eq(b->records, 1);
	assert_kind(b, 0, THREE_WAY);
	cr_assert_eq(bench_counters(b).open, 0);
	bench_finish(b);
	cr_assert_eq(b->records, 1, "once an incarnation");
	bench_free(b);
}

static struct bench *many_that_are_due(uint32_t count)
{
	struct bench *b = bench_for_many(0, 0);
	for (uint32_t n = 0; n < count; n++) {
		open_number(b, n, EPOCH);
		close_number(b, n, EPOCH);
	}
	cr_assert_eq(b->records, 0);
	return b;
}

/* Whoever fetches frames from a ring must not be kept from it. */
Test(audit, what_is_due_at_once_is_done_in_parts)
{
	struct bench *b = many_that_are_due(5000);
	unsigned parts = 0;
	for (bool more = true; more; parts++) {
		uint64_t before = b->records;
		more = tcpaudit_advance_some(b->engine, EPOCH + 30 * SECONDS);
		cr_assert_leq(b->records - before, 256);
		cr_assert(!more || parts < 1000, "it comes to an end");
	}
	cr_assert_eq(b->records, 5000);
	cr_assert_geq(parts, 20);
	cr_assert_not(tcpaudit_advance_some(b->engine, EPOCH + 30 * SECONDS));
	check_books(b);
	bench_finish(b);
	bench_free(b);
}

/* Frames do it too, a little each, and faster than they can begin connections. */
Test(audit, what_is_due_does_not_wait_for_silence)
{
	struct bench *b = many_that_are_due(5000);
	for (uint32_t n = 0; n < 2000; n++) {
		uint64_t before = b->records;
		send_number(b, 6000 + n, A, TCPAUDIT_SYN, 100, 0, EPOCH + 30 * SECONDS);
		cr_assert_leq(b->records - before, 17);
	}
	cr_assert_eq(b->records, 5000);
	check_books(b);
	bench_finish(b);
	cr_assert_eq(b->records, 7000);
	bench_free(b);
}

Test(audit, what_comes_while_it_settles_still_counts)
{
	struct bench *b = bench_new();
	play(b, HST CLOSE "B F311,112 @3 / A .112,312 @3.01 / B F311,112 @7 / A .112,312 @7.01");
	cr_assert_eq(b->records, 0);
	tcpaudit_advance(b->engine, b->time + 8 * SECONDS);
	cr_assert_eq(b->record[0].end[B].fin_copies, 3);
	bench_free(b);
}

/* Of an open connection, when another idle timeout is set: how many records there are just before the new one is over, and behind it. */
static void assert_idle_timeout_changes(int64_t before, int64_t after)
{
	struct bench *b = bench_prepare();
	b->settings.idle_timeout = before;
	bench_start(b);
	play(b, HST);
	b->settings.idle_timeout = after;
	cr_assert(tcpaudit_configure(b->engine, &b->settings));
	tcpaudit_advance(b->engine, b->time + after - SECONDS);
	cr_assert_eq(b->records, 0);
	tcpaudit_advance(b->engine, b->time + after + 2 * SECONDS);
	cr_assert_eq(b->records, 1);
	bench_free(b);
}

Test(audit, another_idle_timeout)
{
	assert_idle_timeout_changes(1000 * SECONDS, 10 * SECONDS);
	assert_idle_timeout_changes(10 * SECONDS, 100 * SECONDS);
}

Test(audit, idle_timeout_gives_up_open_connections)
{
	struct bench *b = bench_prepare();
	b->settings.idle_timeout = 100 * SECONDS;
	bench_start(b);
	play(b, HST "A D111+10,311 @50 / B .311,121 @50.1");
	tcpaudit_advance(b->engine, b->time + 90 * SECONDS);
	cr_assert_eq(b->records, 0);
	tcpaudit_advance(b->engine, b->time + 103 * SECONDS);
	cr_assert_eq(b->records, 1);
	assert_kind(b, 0, OPEN_IDLE);
	bench_free(b);
}

Test(audit, half_open_is_given_up_after_three_minutes)
{
	struct bench *b = bench_new();
	play(b, "A S100");
	tcpaudit_advance(b->engine, b->time + 180 * SECONDS);
	cr_assert_eq(b->records, 0);
	tcpaudit_advance(b->engine, b->time + 204 * SECONDS);
	assert_kind(b, 0, SYN_TIMEOUT);
	bench_free(b);
}

/* The record of a lone SYN, behind those of `others`. */
static struct tcpaudit_connection record_of_lone(uint32_t others, uint64_t max_flows, uint8_t vantage, int64_t until)
{
	struct bench *b = bench_prepare();
	b->settings.watch_all = b->settings.transitions = false;
	b->settings.max_flows = max_flows;
	b->settings.vantage = vantage;
	bench_start(b);
	for (uint32_t n = 0; n < others; n++)
		send_number(b, n, A, TCPAUDIT_SYN, n * 77, 0, EPOCH + n);
	send_number(b, 20000, A, TCPAUDIT_SYN, 7, 0, EPOCH + 1000);
	if (max_flows)
		send_number(b, 30000, A, TCPAUDIT_SYN, 9, 0, EPOCH + SECONDS);
	tcpaudit_advance(b->engine, EPOCH + until);
	bench_finish(b);
	cr_assert_gt(b->records, others);
	struct tcpaudit_connection r = b->record[others];
	cr_assert_eq(r.id, others + 1);
	cr_assert_eq(r.end[A].isn, 7);
	r.id = 1;
	check_books(b);
	bench_free(b);
	return r;
}

/* Only the first of them is described in full. */
Test(audit, lone_syns_are_told_alike)
{
	static const int64_t until[] = {1000, 2 * SECONDS, 31 * SECONDS, 205 * SECONDS};
	for (size_t i = 0; i < sizeof until / sizeof *until; i++)
		for (uint64_t max_flows = 0; max_flows < 2; max_flows++)
			for (uint8_t vantage = 0; vantage < 3; vantage++) {
				struct tcpaudit_connection first = record_of_lone(0, max_flows, vantage, until[i]);
				struct tcpaudit_connection third = record_of_lone(2, max_flows, vantage, until[i]);
				int pending = until[i] < 30 * SECONDS ? TCPAUDIT_KIND_SYN_PENDING : TCPAUDIT_KIND_SYN_TIMEOUT;
				cr_assert_eq(first.kind, max_flows ? TCPAUDIT_KIND_EVICTED : pending);
				cr_assert_eq(memcmp(&first, &third, sizeof first), 0, "until %zu, %lu", i, (unsigned long)max_flows);
			}
}

/* ---- batches ---- */

struct batch {
	uint8_t octets[64][WIRE_ROOM];
	struct tcpaudit_frame frame[64];
	size_t count;
};

static void batch_add(struct batch *batch, const struct wire *w, int64_t time)
{
	size_t i = batch->count++;
	size_t len = wire_frame(w, batch->octets[i]);
	batch->frame[i] = (struct tcpaudit_frame){.time = time, .ordinal = i + 1, .number = i + 1, .data = batch->octets[i],
	                                          .caplen = (uint32_t)len, .wirelen = (uint32_t)len, .linktype = 101};
}

static void hand_in(struct bench *b, const struct batch *batch, size_t at_once)
{
	for (size_t done = 0; done < batch->count; done += at_once)
		tcpaudit_frames(b->engine, &batch->frame[done], batch->count - done < at_once ? batch->count - done : at_once);
}

/* A connection whose SYN expires while another one talks; then its pair is used again with the same number. */
static void expiring(struct batch *batch)
{
	struct wire a = {.from = A, .flags = TCPAUDIT_SYN, .seq = 100}, other = {.from = A, .port = {41000, 80}, .flags = TCPAUDIT_SYN, .seq = 5};
	batch->count = 0;
	batch_add(batch, &a, EPOCH);
	for (int i = 1; i < 10; i++)
		batch_add(batch, &other, EPOCH + i * 50 * SECONDS);
	batch_add(batch, &a, EPOCH + 460 * SECONDS);
	batch_add(batch, &a, EPOCH + 461 * SECONDS);
}

Test(audit, batches_do_not_matter)
{
	static struct batch batch;
	struct tcpaudit_counters c[3];
	static const size_t sizes[] = {1, 7, 64};
	expiring(&batch);
	for (int i = 0; i < 3; i++) {
		struct bench *b = bench_new();
		hand_in(b, &batch, sizes[i]);
		bench_finish(b);
		c[i] = bench_counters(b);
		cr_assert_eq(memcmp(c[i].by_kind, c[0].by_kind, sizeof c[0].by_kind), 0, "%zu at once: %lu connections, one by one %lu", sizes[i],
		             (unsigned long)c[i].connections, (unsigned long)c[0].connections);
		bench_free(b);
	}
}

/* The same segment in two fragments: the first 16 octets, and what is behind them. */
static void batch_add_fragments(struct batch *batch, const struct wire *w, int64_t time)
{
	for (unsigned half = 0; half < 2; half++) {
		size_t i = batch->count;
		batch_add(batch, w, time);
		uint8_t *p = batch->octets[i];
		uint32_t len = half ? batch->frame[i].caplen - 16 : 36;
		if (half)
			memmove(p + 20, p + 36, len - 20);
		wire_put16(p + 2, (uint16_t)len);
		wire_put16(p + 6, half ? 2 : 0x2000);
		batch->frame[i].caplen = batch->frame[i].wirelen = len;
	}
}

/* Packet time is that of the newest frame, and what is older by a day is captured now all the same. */
Test(audit, fragments_of_a_clock_that_is_behind)
{
	struct wire a = {.from = A, .flags = TCPAUDIT_SYN, .seq = 100}, other = {.from = A, .port = {41000, 80}, .flags = TCPAUDIT_SYN, .seq = 5};
	static const size_t sizes[] = {64, 2, 1};
	static struct batch batch;

	batch.count = 0;
	batch_add(&batch, &other, EPOCH + 86400 * SECONDS);
	batch_add_fragments(&batch, &a, EPOCH);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct bench *b = bench_new();
		hand_in(b, &batch, sizes[i]);
		bench_finish(b);
		cr_assert_eq(bench_counters(b).connections, 2, "%zu at once", sizes[i]);
		cr_assert_eq(bench_counters(b).fate[TCPAUDIT_FATE_FRAGMENT_LOST], 0);
		bench_free(b);
	}
}

/* The same identification half a minute later is another datagram's, also where packet time stands still. */
Test(audit, fragments_of_an_identification_that_is_used_again)
{
	struct wire a = {.from = A, .flags = TCPAUDIT_SYN, .seq = 100}, b = {.from = A, .flags = TCPAUDIT_SYN, .seq = 900, .port = {41001, 80}},
	            other = {.from = A, .port = {41000, 80}, .flags = TCPAUDIT_SYN, .seq = 5};
	static const size_t sizes[] = {64, 1};
	static struct batch batch;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct bench *bench = bench_new();
		batch.count = 0;
		batch_add(&batch, &other, EPOCH + 86400 * SECONDS);
		batch_add_fragments(&batch, &a, EPOCH);
		batch.count--; /* its second half is lost */
		batch_add_fragments(&batch, &b, EPOCH + 31 * SECONDS);
		hand_in(bench, &batch, sizes[i]);
		bench_finish(bench);
		cr_assert_eq(bench_counters(bench).connections, 2, "%zu at once", sizes[i]);
		cr_assert_eq(bench_counters(bench).fate[TCPAUDIT_FATE_FRAGMENT_LOST], 1);
		bench_free(bench);
	}
}

static void expect_fragments(const struct bench *b, uint64_t joined, uint64_t waiting, uint64_t lost)
{
	struct tcpaudit_counters c = bench_counters(b);
	uint64_t sum = 0;
	cr_assert_eq(c.fate[TCPAUDIT_FATE_FRAGMENT], joined, "%lu", (unsigned long)c.fate[TCPAUDIT_FATE_FRAGMENT]);
	cr_assert_eq(c.fate[TCPAUDIT_FATE_FRAGMENT_WAITING], waiting, "%lu", (unsigned long)c.fate[TCPAUDIT_FATE_FRAGMENT_WAITING]);
	cr_assert_eq(c.fate[TCPAUDIT_FATE_FRAGMENT_LOST], lost, "%lu", (unsigned long)c.fate[TCPAUDIT_FATE_FRAGMENT_LOST]);
	for (unsigned i = 0; i < TCPAUDIT_FATE_COUNT; i++)
		sum += c.fate[i];
	cr_assert_eq(sum, c.frames);
}

/* What a live capture has counted it does not take back: of a fragment that waits, neither one nor the other is said. */
Test(audit, fragments_are_counted_once)
{
	struct wire a = {.from = A, .flags = TCPAUDIT_SYN, .seq = 100}, other = {.from = A, .port = {41000, 80}, .flags = TCPAUDIT_SYN, .seq = 5};
	static struct batch batch;
	struct bench *b = bench_new();

	batch.count = 0;
	batch_add_fragments(&batch, &a, EPOCH);
	tcpaudit_frames(b->engine, batch.frame, 1);
	expect_fragments(b, 0, 1, 0);
	tcpaudit_frames(b->engine, batch.frame + 1, 1);
	expect_fragments(b, 1, 0, 0);
	for (int i = 0; i < 3; i++)
		tcpaudit_frames(b->engine, batch.frame, 1);
	expect_fragments(b, 1, 3, 0);
	batch.count = 0;
	batch_add(&batch, &other, EPOCH + 31 * SECONDS);
	tcpaudit_frames(b->engine, batch.frame, 1);
	expect_fragments(b, 1, 0, 3);
	batch.count = 0;
	batch_add_fragments(&batch, &a, EPOCH + 32 * SECONDS);
	tcpaudit_frames(b->engine, batch.frame, 1);
	expect_fragments(b, 1, 1, 3);
	bench_finish(b);
	expect_fragments(b, 1, 0, 4);
	bench_free(b);
}

/* An ICMP error in the same batch as the SYN that it quotes. */
Test(audit, icmp_is_judged_behind_what_was_captured_before_it)
{
	struct bench *b = bench_new();
	static struct batch batch;
	struct wire a = {.from = A, .flags = TCPAUDIT_SYN, .seq = 100};
	uint8_t *p;
	batch.count = 0;
	batch_add(&batch, &a, EPOCH);
	batch_add(&batch, &a, EPOCH + MILLISECONDS);
	p = batch.octets[1];
	memmove(p + 28, p, 40);
	memset(p, 0, 28);
	p[0] = 0x45;
	wire_put16(p + 2, 68);
	p[8] = 64;
	p[9] = 1;
	wire_put32(p + 12, 0x0a0000fe);
	memcpy(p + 16, p + 40, 4);
	p[20] = 3;
	p[21] = 1;
	batch.frame[1].caplen = batch.frame[1].wirelen = 68;
	hand_in(b, &batch, 2);
	bench_finish(b);
	assert_kind(b, 0, REFUSED_ICMP);
	bench_free(b);
}

/* ---- late segments ---- */

static struct bench *buried(void)
{
	struct bench *b = bench_new();
	play(b, HST CLOSE);
	tcpaudit_advance(b->engine, b->time + 10 * SECONDS);
	cr_assert_eq(b->records, 1);
	return b;
}

Test(audit, late_segments_find_their_connection)
{
	struct bench *b = buried();
	play(b, "B F311,112 @20 / A .112,312 @20.01 / B R312 @21 / A RA112,312 @22 / B D305+5,112 @23 / A S100 @24");
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_eq(c.late, 6);
	cr_assert_eq(c.connections, 1, "none of them begins another");
	cr_assert_eq(b->records, 1);
	bench_free(b);
}

Test(audit, a_late_reset_of_the_holder_is_found_with_the_old_flow)
{
	struct bench *b = buried();
	play(b, "B F311,112 @15 / A R112 @15.01");
	cr_assert_eq(findings_of(b, "tw-early-gone"), 1);
	const struct seen_finding *f = finding_of(b, "tw-early-gone");
	cr_assert_eq(f->flow, 1);
	cr_assert_eq(f->finding.endpoint, TCPAUDIT_WHO_CLIENT);
	cr_assert_eq(f->finding.evidence_count, 2);
	cr_assert_eq(f->finding.evidence[0].frame, 10);
	cr_assert_eq(f->finding.evidence[1].frame, 11);
	cr_assert(b->finding_after_end);
	cr_assert_eq(bench_counters(b).late, 2);
	bench_free(b);
}

Test(audit, a_late_reset_beyond_two_msl_is_no_finding)
{
	struct bench *b = buried();
	play(b, "B F311,112 @61 / A R112 @61.01");
	cr_assert_eq(findings_of(b, "tw-early-gone"), 0);
	bench_free(b);
}

Test(audit, a_late_reset_that_answers_nothing_is_no_finding)
{
	struct bench *b = buried();
	play(b, "A R112 @15 / B F311,112 @16 / A R113 @16.01 / B R312 @17");
	cr_assert_eq(findings_of(b, "tw-early-gone"), 0);
	bench_free(b);
}

Test(audit, the_other_end_may_reset_late)
{
	struct bench *b = buried();
	play(b, "A .112,312 @15 / B R312 @15.01");
	cr_assert_eq(findings_of(b, "tw-early-gone"), 0, "LAST-ACK is over: it has no state to keep");
	bench_free(b);
}

/* ISS_new = u+1+65537: what Linux takes for a socket pair in TIME-WAIT (checks.md reuse-tw-isn). */
Test(audit, a_late_fin_behind_a_recycled_time_wait)
{
	struct bench *b = buried();
	play(b, "A S65649 @20 / B SA900000,65650 / A .65650,900001 / B F311,112 @20.5 / A D65650+10,900001 @21 / B .900001,65660");
	bench_finish(b);
	cr_assert_eq(bench_counters(b).late, 1);
	assert_kind(b, 1, OPEN_ACTIVE);
	cr_assert_not(b->record[1].end[B].fin_sent);
	bench_free(b);
}

Test(audit, tombstones_crumble)
{
	struct bench *b = buried();
	tcpaudit_advance(b->engine, b->time + 300 * SECONDS);
	play(b, "B F311,112 @301");
	cr_assert_eq(bench_counters(b).late, 0);
	cr_assert_eq(bench_counters(b).connections, 2);
	bench_free(b);
}

Test(audit, text_that_fits_no_tombstone_is_another_connection)
{
	struct bench *b = buried();
	play(b, "A D900000000+10,312 @20");
	cr_assert_eq(bench_counters(b).connections, 2);
	bench_free(b);
}

/* What lies before the ISS of an incarnation is none of its numbers (checks.md reuse-old-segment). */
Test(audit, a_new_syn_behind_a_tombstone)
{
	struct bench *b = buried();
	play(b, "A S9000 @20 / B SA7000,9001 / A .9001,7001 / B F311,112 / A RA9001,7001");
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_eq(c.connections, 2);
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	assert_kind(b, 1, ABORT_CLIENT);
	cr_assert_eq(b->record[1].id, 10);
	bench_free(b);
}

Test(audit, an_old_segment_after_the_new_syn_is_the_old_connections)
{
	struct bench *b = buried();
	play(b, "A S2000000000 @20 / B SA1900000000,2000000001 / A .2000000001,1900000001 / B F311,112");
	cr_assert_eq(bench_counters(b).late, 1);
	cr_assert_eq(bench_counters(b).connections, 2);
	bench_free(b);
}

/* ---- identity ---- */

Test(audit, directions_in_different_vlans_are_one_connection)
{
	struct bench *b = bench_new();
	play(b, "A S100 vlan=10 / B SA300,101 vlan=20 / A .101,301 vlan=10 / A F101,301 vlan=10 / B F301,102 vlan=20 / A .102,302 vlan=10");
	bench_finish(b);
	cr_assert_eq(b->records, 1);
	assert_kind(b, 0, THREE_WAY);
	cr_assert(noted(&b->record[0], "cap-vlan-asymmetric"));
	bench_free(b);
}

Test(audit, late_segments_of_the_other_vlan_find_the_tombstone)
{
	struct bench *b = bench_new();
	play(b, "A S100 vlan=10 / B SA300,101 vlan=20 / A .101,301 vlan=10 / A F101,301 vlan=10 / B F301,102 vlan=20 / A .102,302 vlan=10");
	tcpaudit_advance(b->engine, b->time + 10 * SECONDS);
	cr_assert_eq(b->records, 1);
	play(b, "B F301,102 vlan=20 @20 / A .102,302 vlan=10 @20.01");
	cr_assert_eq(bench_counters(b).connections, 1);
	cr_assert_eq(bench_counters(b).late, 2);
	bench_free(b);
}

Test(audit, equal_sockets_of_two_tenants_stay_apart)
{
	struct bench *b = bench_new();
	play(b, "A S100 vlan=10 / A S2000000000 vlan=20 / B SA300,101 vlan=10 / B SA900,2000000001 vlan=20 / A .101,301 vlan=10 / "
	        "A .2000000001,901 vlan=20 / A RA101,301 vlan=10 / B RA901,2000000001 vlan=20");
	bench_finish(b);
	cr_assert_eq(b->records, 2);
	assert_kind(b, 0, ABORT_CLIENT);
	assert_kind(b, 1, ABORT_SERVER);
	cr_assert_eq(b->record[0].vlan, 10);
	cr_assert_eq(b->record[1].vlan, 20);
	bench_free(b);
}

/* They have one hash, so a search meets them all. */
Test(audit, equal_sockets_of_hundreds_of_tenants)
{
	struct wire w = {.address = {0x0b000001, 0x0a000002}, .port = {4000, 80}, .seq = 100, .flags = TCPAUDIT_SYN, .window = 8192};
	struct bench *b = bench_for_many(0, 0);
	for (w.vlan = 1; w.vlan <= 300; w.vlan++)
		bench_wire(b, &w, EPOCH + w.vlan * 1000);
	cr_assert_eq(bench_counters(b).connections, 256);
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_TENANTS), 44);
	w = (struct wire){.from = B, .address = {0x0b000001, 0x0a000002}, .port = {4000, 80}, .seq = 300, .ack = 101,
	                  .flags = TCPAUDIT_SYN | TCPAUDIT_ACK, .window = 8192, .vlan = 7};
	bench_wire(b, &w, EPOCH + SECONDS);
	w.vlan = 0; /* outside of them all */
	bench_wire(b, &w, EPOCH + SECONDS);
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_TENANTS), 44);
	cr_assert_eq(bench_counters(b).connections, 257);
	w.vlan = 301; /* all are over by then: the SYNs, and what is left of them */
	bench_wire(b, &w, EPOCH + 500 * SECONDS);
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_TENANTS), 44);
	bench_finish(b);
	check_books(b);
	bench_free(b);
}

Test(audit, who_is_the_client_of_a_connection_without_its_handshake)
{
	struct bench *b = bench_new();
	play(b, "B D300+10,100 / A .100,310"); /* the server is heard first: its port tells */
	bench_finish(b);
	cr_assert_eq(b->record[0].end[A].port, 40000);
	cr_assert_eq(b->record[0].end[B].port, 80);
	bench_free(b);
}

Test(audit, two_ephemeral_ports_and_no_handshake)
{
	static const uint16_t ports[][3] = {{40000, 50000, 40000}, {2000, 40000, 40000}, {40000, 2000, 40000}, {2000, 3000, 2000}};
	for (size_t i = 0; i < 4; i++) {
		struct bench *b = bench_new();
		struct wire w = {.from = A, .port = {ports[i][0], ports[i][1]}, .seq = 5, .ack = 6, .flags = TCPAUDIT_ACK, .len = 3};
		bench_wire(b, &w, EPOCH);
		bench_finish(b);
		cr_assert_eq(b->record[0].end[A].port, ports[i][2], "%zu", i);
		bench_free(b);
	}
}

Test(audit, a_lone_syn_ack_comes_from_the_server)
{
	struct bench *b = bench_new();
	play(b, "B SA300,101 / A .101,301 / A RA101,301");
	bench_finish(b);
	assert_kind(b, 0, ABORT_CLIENT);
	cr_assert_eq(b->record[0].end[B].port, 80);
	cr_assert(noted(&b->record[0], "cap-handshake-part"));
	bench_free(b);
}

Test(audit, a_repeated_syn_ack_with_another_number)
{
	struct bench *b = bench_new();
	play(b, "A S100 / B SA300,101 / B SA900,101 @1 / A .101,901 / A RA101,901");
	bench_finish(b);
	cr_assert_eq(b->records, 1, "SYN cookies, or a proxy: one attempt");
	bench_free(b);
}

Test(audit, several_inputs_keep_their_frame_numbers)
{
	struct bench *b = bench_new();
	play(b, "A S100 in=0 / B SA300,101 in=1 / A .101,301 in=0 / A F101,301 in=0 / B F301,102 in=1 / A .102,302 in=0");
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	cr_assert_eq(b->record[0].end[A].fin.input, 0);
	cr_assert_eq(b->record[0].end[B].fin.input, 1);
	cr_assert_eq(b->record[0].end[B].fin.frame, 5);
	cr_assert(noted(&b->record[0], "cap-multi-if"));
	bench_free(b);
}

/* ---- checksums, copies, holes ---- */

Test(audit, a_bad_checksum_is_not_received)
{
	struct bench *b = bench_new();
	play(b, HST "A RA111,311 bad / A D111+10,311 / B .311,121");
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_CHECKSUM), 1);
	assert_states(b, A, STATE(ESTABLISHED));
	bench_finish(b);
	assert_kind(b, 0, OPEN_ACTIVE);
	cr_assert(noted(&b->record[0], "cap-checksum-bad"));
	cr_assert_eq(b->record[0].end[A].resets, 0);
	bench_free(b);
}

Test(audit, a_host_that_never_has_a_good_one_offloads)
{
	struct bench *b = bench_new();
	play(b, "A S100 bad / B SA300,101 / A .101,301 bad / A F101,301 bad / B F301,102 / A .102,302 bad");
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_CHECKSUM), 0);
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	cr_assert(noted(&b->record[0], "cap-offload-tx"));
	cr_assert_not(noted(&b->record[0], "cap-checksum-bad"));
	bench_free(b);
}

Test(audit, a_partial_checksum_shows_the_sender)
{
	struct bench *b = bench_new();
	play(b, "A S100 partial / B SA300,101 / A .101,301 partial / A D101+10,301 partial / B RA301,111");
	bench_finish(b);
	assert_kind(b, 0, ABORT_SERVER);
	cr_assert(noted(&b->record[0], "cap-offload-tx"));
	cr_assert_eq(b->record[0].end[A].vantage, TCPAUDIT_VANTAGE_AT);
	bench_free(b);
}

/* A virtual link hands its receiver partial checksums, too: who alone was heard may be the other side. */
Test(audit, a_partial_checksum_in_one_direction_shows_nobody)
{
	struct bench *b = bench_new();
	play(b, "B SA300,101 partial / B .301,111 partial / B F301,111 partial");
	bench_finish(b);
	assert_kind(b, 0, ONEWAY_FIN);
	cr_assert_eq(b->record[0].end[B].vantage, TCPAUDIT_VANTAGE_UNKNOWN);
	bench_free(b);
}

/* Nor do resets, which are filled even there; nor a peer that fills all its own, and answers sooner. */
Test(audit, a_partial_checksum_that_a_virtual_link_hands_on_shows_nobody)
{
	static const char *const seen[] = {"A S100 partial / B RA0,101", "A S100 partial / B SA300,101 @0.00002 / A .101,301 partial @0.0001",
	                                   "A F101,301 partial / B .301,102"};

	for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
		struct bench *b = bench_new();
		play(b, seen[i]);
		bench_finish(b);
		cr_expect_neq(b->record[0].end[A].vantage, TCPAUDIT_VANTAGE_AT, "%s", seen[i]);
		cr_expect_neq(b->record[0].end[B].vantage, TCPAUDIT_VANTAGE_AT, "%s", seen[i]);
		bench_free(b);
	}
}

Test(audit, checksums_off)
{
	struct bench *b = bench_prepare();
	b->settings.checksum = TCPAUDIT_CHECKSUM_OFF;
	bench_start(b);
	play(b, HST "A RA111,311 bad");
	bench_finish(b);
	assert_kind(b, 0, ABORT_CLIENT);
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_CHECKSUM), 0);
	bench_free(b);
}

Test(audit, checksums_strict)
{
	struct bench *b = bench_prepare();
	b->settings.checksum = TCPAUDIT_CHECKSUM_STRICT;
	bench_start(b);
	play(b, HST "A RA111,311 bad / A F111,311 / B F311,112 / A .112,312");
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_CHECKSUM), 1);
	bench_free(b);
}

Test(audit, the_same_frame_twice_is_one)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311 id=7 @1 / A D111+10,311 id=7 @1.0005 / B F311,121 id=9 @1.1 / B F311,121 id=9 @1.1001");
	cr_assert_eq(unusable(b, TCPAUDIT_UNUSABLE_DUPLICATE), 2);
	bench_finish(b);
	cr_assert(noted(&b->record[0], "cap-duplicate"));
	cr_assert_eq(b->record[0].end[B].fin_copies, 1);
	cr_assert_eq(b->record[0].end[A].retransmissions, 0);
	bench_free(b);
}

Test(audit, a_long_gap_is_followed_when_it_is_confirmed)
{
	struct bench *b = bench_new();
	play(b, HST "A D5000000+10,311 / A D5000010+10,311 / A D5000020+10,311 / B .311,5000030 / A F5000030,311 / B F311,5000031 / A .5000031,312");
	bench_finish(b);
	cr_assert_eq(b->records, 1);
	assert_kind(b, 0, THREE_WAY);
	cr_assert(noted(&b->record[0], "cap-gap-acked"));
	cr_assert_neq(b->record[0].confidence, TCPAUDIT_CERTAIN);
	bench_free(b);
}

Test(audit, one_stray_is_not_followed)
{
	struct bench *b = bench_new();
	play(b, HST "A D5000000+10,311 / A D111+10,311 / B .311,121 / A F121,311 / B F311,122 / A .122,312");
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	cr_assert_eq(b->record[0].end[A].text, 20);
	bench_free(b);
}

Test(audit, frames_that_the_capture_lost)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311 lost / B .311,121 / A RA121,311");
	bench_finish(b);
	cr_assert(noted(&b->record[0], "cap-drops"));
	cr_assert_neq(b->record[0].confidence, TCPAUDIT_CERTAIN);
	bench_free(b);
}

/* Records end in no order that a test should know. */
static const struct tcpaudit_connection *at_port(const struct bench *b, unsigned port)
{
	for (size_t i = 0; i < b->records; i++)
		if (b->record[i].end[A].port == port)
			return &b->record[i];
	cr_assert_fail("no connection at port %u", port);
	return NULL;
}

#define CLOSED "A S100 / B SA300,101 / A .101,301 / A F101,301 / B F301,102 / A .102,302 "

/* The drop stands on somebody else's frame; whoever was open may have lost what it took. */
Test(audit, frames_that_the_capture_lost_are_anybodys)
{
	struct bench *b = bench_new();
	play(b, CLOSED "/ A S100 sport=41000 / B SA300,101 sport=41000 / A .101,301 sport=41000");
	play(b, "A S100 sport=42000 @3 / B SA300,101 sport=42000 lost @4 / A S100 sport=43000 @5");
	bench_finish(b);
	cr_assert_eq(b->records, 4);
	cr_assert_not(noted(at_port(b, 40000), "cap-drops"), "had closed");
	cr_assert_eq(at_port(b, 40000)->confidence, TCPAUDIT_CERTAIN);
	cr_assert(noted(at_port(b, 41000), "cap-drops"), "silent, but open");
	cr_assert(noted(at_port(b, 42000), "cap-drops"));
	cr_assert_not(noted(at_port(b, 43000), "cap-drops"), "began later");
	bench_free(b);
}

/* What is lost at once behind the last frame may have been its answer. */
Test(audit, frames_that_the_capture_lost_behind_a_close)
{
	struct bench *b = bench_new();
	play(b, CLOSED "/ A S100 sport=41000 @4 lost");
	bench_finish(b);
	cr_assert(noted(at_port(b, 40000), "cap-drops"));
	bench_free(b);
}

Test(audit, frames_that_the_capture_lost_at_an_unknown_time)
{
	struct bench *b = bench_new();
	play(b, CLOSED "/ A S100 sport=41000");
	tcpaudit_lost(b->engine);
	bench_finish(b);
	cr_assert(noted(at_port(b, 40000), "cap-drops"));
	cr_assert(noted(at_port(b, 41000), "cap-drops"));
	bench_free(b);
}

/* ---- settings ---- */

Test(audit, a_check_can_be_disabled)
{
	int row = tcpaudit_check_index("close-orderly");
	struct bench *b = bench_prepare();
	b->settings.check[row].severity = -1;
	b->settings.check[tcpaudit_check_index("tw-early-gone")].severity = -1;
	bench_start(b);
	play(b, HST CLOSE);
	tcpaudit_advance(b->engine, b->time + 10 * SECONDS);
	play(b, "B F311,112 @15 / A R112 @15.01");
	cr_assert_eq(findings_of(b, "close-orderly"), 0);
	cr_assert_eq(findings_of(b, "tw-early-gone"), 0, "not for late segments either");
	cr_assert_eq(bench_counters(b).findings[row], 0);
	cr_assert(findings_of(b, "fin-consumed") > 0);
	bench_free(b);
}

/* Scope 0 are connections to or from port 80. */
static uint32_t in_scope_80(void *user, const struct tcpaudit_frame *frame)
{
	static const uint8_t port[] = {0, 80};

	(void)user;
	for (size_t i = 0; i + 2 <= frame->caplen; i++)
		if (memcmp(frame->data + i, port, sizeof port) == 0)
			return 1;
	return 0;
}

Test(audit, a_check_has_a_scope)
{
	for (unsigned bit = 1; bit <= 2; bit++) {
		struct bench *b = bench_prepare();
		b->hooks.scopes = in_scope_80;
		b->settings.check[tcpaudit_check_index("close-orderly")].scope = (uint8_t)bit;
		bench_start(b);
		play(b, HST CLOSE);
		bench_finish(b);
		cr_assert_eq(findings_of(b, "close-orderly"), bit == 1);
		bench_free(b);
	}
}

/* Late segments find the scope of their connection on its tombstone. */
Test(audit, a_scope_holds_after_the_report)
{
	for (unsigned bit = 1; bit <= 2; bit++) {
		struct bench *b = bench_prepare();
		b->hooks.scopes = in_scope_80;
		b->settings.check[tcpaudit_check_index("tw-early-gone")].scope = (uint8_t)bit;
		bench_start(b);
		play(b, HST CLOSE);
		play(b, "B F311,112 @15 / A R112 @15.01");
		bench_finish(b);
		cr_assert_eq(findings_of(b, "tw-early-gone"), bit == 1);
		bench_free(b);
	}
}

Test(audit, what_a_policy_needs)
{
	int row = tcpaudit_check_index("close-orderly");
	for (unsigned hole = 0; hole < 2; hole++) {
		struct bench *b = bench_prepare();
		b->settings.check[row].needs = TCPAUDIT_PREMISE_NO_LOSS;
		bench_start(b);
		play(b, hole ? HST "A F111,311 lost / B F311,112 / A .112,312 / " : HST CLOSE);
		bench_finish(b);
		cr_assert_eq(findings_of(b, "close-orderly"), !hole);
		cr_assert_eq(bench_counters(b).undetermined[row], hole);
		cr_assert_eq(bench_counters(b).findings[row], !hole);
		bench_free(b);
	}
}

Test(audit, a_claim_about_both_ends_is_not_at_one)
{
	int row = tcpaudit_check_index("fin-consumed");
	struct bench *b = bench_prepare();
	b->settings.check[row].needs = TCPAUDIT_PREMISE_VANTAGE;
	bench_start(b);
	play(b, HST CLOSE);
	bench_finish(b);
	cr_assert_eq(bench_counters(b).undetermined[row] + bench_counters(b).findings[row], 2);
	bench_free(b);
}

Test(audit, no_time_is_told_between_two_frames_whose_clock_was_set_back)
{
	for (int back = 0; back <= 1; back++) {
		struct bench *b = bench_new();
		play(b, "A S100 / B SA300,101 / A .101,301 / A D101+10,301 / B D301+10,111 / A .111,311");
		b->time += back ? -3600 * SECONDS : SECONDS;
		play(b, "A RA111,311");
		bench_finish(b);
		const struct tcpaudit_finding *f = &finding_of(b, "rst-instead-of-fin")->finding;
		if (back)
			cr_expect_null(f->observed[0].name);
		else
			cr_expect_str_eq(f->observed[0].name, "idle_us");
		bench_free(b);
	}
}

static enum tcpaudit_ruling of_flow_1(void *user, const struct tcpaudit_finding *finding)
{
	(void)user;
	return finding->connection->id == 1 ? TCPAUDIT_RULING_PASSED_OVER : TCPAUDIT_RULING_STANDS;
}

Test(audit, a_finding_can_be_passed_over)
{
	int row = tcpaudit_check_index("close-orderly");
	for (unsigned asked = 0; asked < 2; asked++) {
		struct bench *b = bench_prepare();
		b->hooks.suppressed = of_flow_1;
		b->settings.check[row].suppressed = asked;
		bench_start(b);
		play(b, HST CLOSE);
		bench_finish(b);
		cr_assert_eq(findings_of(b, "close-orderly"), !asked);
		cr_assert_eq(bench_counters(b).passed_over[row], asked);
		cr_assert_eq(bench_counters(b).findings[row], !asked);
		bench_free(b);
	}
}

/* ---- own rules ---- */

static const struct tcpaudit_check own[] = {{.id = "own-close", .severity = TCPAUDIT_WARNING, .normative = TCPAUDIT_NORMATIVE_RULE, .title = "closed"},
                                            {.id = "own-reuse", .severity = TCPAUDIT_NOTE, .normative = TCPAUDIT_NORMATIVE_RULE, .title = "used again"},
                                            {.id = "own-tick", .severity = TCPAUDIT_ERROR, .normative = TCPAUDIT_NORMATIVE_RULE, .title = "is open"}};

/* Each point has one rule, which holds for connections that began a second ago, at least. */
static void ask(void *user, enum tcpaudit_point point, const struct tcpaudit_connection *connection, uint64_t held[TCPAUDIT_CHECK_WORDS])
{
	struct bench *b = user;
	size_t rows;

	tcpaudit_checks(&rows);
	b->asked[point]++;
	if (point != TCPAUDIT_ON_TICK || b->time - connection->start >= 20 * SECONDS)
		held[(rows + point) >> 6] |= UINT64_C(1) << ((rows + point) & 63);
}

static struct bench *bench_with_rules(void)
{
	struct bench *b = bench_prepare();
	b->hooks.ask = ask;
	b->settings.own = own;
	b->settings.own_count = 3;
	b->settings.points = 1 << TCPAUDIT_ON_CLOSE | 1 << TCPAUDIT_ON_REUSE | 1 << TCPAUDIT_ON_TICK;
	b->settings.tick = 10 * SECONDS;
	return bench_start(b);
}

Test(own_rules, at_the_close)
{
	struct bench *b = bench_with_rules();
	play(b, HST CLOSE);
	bench_finish(b);
	cr_assert_eq(findings_of(b, "own-close"), 1);
	cr_assert_eq(findings_of(b, "own-tick"), 0);
	cr_assert_eq(finding_of(b, "own-close")->finding.severity, TCPAUDIT_WARNING);
	cr_assert_eq(finding_of(b, "own-close")->finding.evidence_count, 2);
	cr_assert_eq(bench_counters(b).by_severity[TCPAUDIT_WARNING], 1);
	size_t rows;
	tcpaudit_checks(&rows);
	cr_assert(b->record[0].findings[rows >> 6] >> (rows & 63) & 1);
	bench_free(b);
}

/* In few steps each but the first; what the rule has told of one is not told of the next. */
Test(own_rules, lone_syns)
{
	struct bench *b = bench_prepare();
	size_t rows;

	tcpaudit_checks(&rows);
	b->hooks.ask = ask;
	b->settings.own = own;
	b->settings.own_count = 3;
	b->settings.points = 1 << TCPAUDIT_ON_CLOSE;
	b->settings.watch_all = b->settings.transitions = false;
	bench_start(b);
	for (uint32_t n = 0; n < 3; n++)
		send_number(b, n, A, TCPAUDIT_SYN, 7, 0, EPOCH);
	bench_finish(b);
	cr_assert_eq(b->asked[TCPAUDIT_ON_CLOSE], 3);
	cr_assert_eq(findings_of(b, "own-close"), 3);
	cr_assert_eq(bench_counters(b).findings[rows], 3);
	cr_assert_eq(b->records, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect(b->record[i].findings[rows >> 6] >> (rows & 63) & 1, "record %u", i);
		cr_expect_neq(b->record[i].end[A].port, b->record[(i + 1) % 3].end[A].port);
	}
	bench_free(b);
}

static tcpaudit_state_set states_asked[2];

static void ask_states(void *user, enum tcpaudit_point point, const struct tcpaudit_connection *connection, uint64_t held[TCPAUDIT_CHECK_WORDS])
{
	(void)user;
	(void)point;
	(void)held;
	for (unsigned x = 0; x < 2; x++)
		states_asked[x] = connection->end[x].states;
}

/* The text summary does not tell states; rules may ask for them all the same. */
Test(own_rules, states_that_nobody_else_asks_for)
{
	for (unsigned later = 0; later < 2; later++) {
		struct bench *b = bench_prepare();
		b->hooks.ask = ask_states;
		b->settings.states = b->settings.transitions = false;
		b->settings.watch_all = false;
		states_asked[A] = 0;
		struct tcpaudit_settings with = b->settings;
		with.own = own;
		with.own_count = 1;
		with.points = 1 << TCPAUDIT_ON_CLOSE;
		if (!later)
			b->settings = with;
		bench_start(b);
		send_number(b, 1, A, TCPAUDIT_SYN, 7, 0, EPOCH);
		if (later)
			tcpaudit_configure(b->engine, &with);
		bench_finish(b);
		cr_expect_eq(states_asked[A], STATE(SYN_SENT), "%x", states_asked[A]);
		bench_free(b);
	}
}

Test(own_rules, when_a_socket_pair_is_used_again)
{
	struct bench *b = bench_with_rules();
	play(b, HST CLOSE);
	play(b, "A S90000 @30 / B SA70000,90001 @30.01 / A .90001,70001 @30.02");
	bench_finish(b);
	cr_assert_eq(findings_of(b, "own-reuse"), 1);
	cr_assert_eq(b->asked[TCPAUDIT_ON_REUSE], 1);
	bench_free(b);
}

Test(own_rules, a_tick_tells_once)
{
	struct bench *b = bench_with_rules();
	play(b, HST);
	for (int i = 1; i <= 12; i++)
		tcpaudit_advance(b->engine, b->time += 5 * SECONDS);
	cr_assert_eq(findings_of(b, "own-tick"), 1, "while it is open");
	cr_assert_geq(b->asked[TCPAUDIT_ON_TICK], 5);
	bench_finish(b);
	cr_assert_eq(findings_of(b, "own-tick"), 1);
	size_t rows;
	tcpaudit_checks(&rows);
	cr_assert(b->record[0].findings[(rows + 2) >> 6] >> ((rows + 2) & 63) & 1, "the record has it, too");
	bench_free(b);
}

Test(own_rules, other_settings_hold_at_once)
{
	struct bench *b = bench_with_rules();
	struct tcpaudit_settings other = b->settings;
	size_t rows;
	tcpaudit_checks(&rows);
	play(b, HST);
	other.check[rows].severity = -1;
	other.check[tcpaudit_check_index("close-orderly")].severity = 1 + TCPAUDIT_WARNING;
	tcpaudit_configure(b->engine, &other);
	play(b, CLOSE);
	bench_finish(b);
	cr_assert_eq(findings_of(b, "own-close"), 0);
	cr_assert_eq(finding_of(b, "close-orderly")->finding.severity, TCPAUDIT_WARNING);
	bench_free(b);
}

/* Of SYNs that were there before the rule, too. */
Test(own_rules, a_tick_comes_with_other_settings)
{
	struct bench *b = bench_prepare();
	b->hooks.ask = ask;
	b->settings.own = own;
	b->settings.own_count = 3;
	b->settings.watch_all = false;
	bench_start(b);
	for (uint32_t n = 0; n < 20; n++)
		send_number(b, n, A, TCPAUDIT_SYN, 7, 0, EPOCH);
	struct tcpaudit_settings other = b->settings;
	other.points = 1 << TCPAUDIT_ON_TICK;
	other.tick = 10 * SECONDS;
	tcpaudit_configure(b->engine, &other);
	b->time = EPOCH;
	for (int i = 1; i <= 20; i++)
		tcpaudit_advance(b->engine, b->time += 5 * SECONDS);
	cr_assert_eq(findings_of(b, "own-tick"), 20);
	cr_assert_eq(b->records, 0, "while they are open");
	bench_finish(b);
	cr_assert_eq(findings_of(b, "own-tick"), 20);
	check_books(b);
	bench_free(b);
}

Test(audit, a_severity_can_be_set)
{
	struct bench *b = bench_prepare();
	b->settings.check[tcpaudit_check_index("close-orderly")].severity = TCPAUDIT_WARNING + 1;
	b->settings.check[tcpaudit_check_index("tw-holder")].severity = TCPAUDIT_INFO + 1;
	bench_start(b);
	play(b, HST CLOSE);
	bench_finish(b);
	cr_assert_eq(finding_of(b, "close-orderly")->finding.severity, TCPAUDIT_WARNING);
	cr_assert_eq(finding_of(b, "tw-holder")->finding.severity, TCPAUDIT_INFO);
	bench_free(b);
}

Test(audit, findings_come_before_their_connections_end)
{
	struct bench *b = bench_new();
	play(b, HST CLOSE);
	bench_finish(b);
	cr_assert(b->findings > 0);
	cr_assert_not(b->finding_after_end);
	cr_assert_eq(bench_counters(b).findings[tcpaudit_check_index("close-orderly")], 1);
	cr_assert(b->record[0].findings[0] != 0);
	bench_free(b);
}

Test(audit, watching_one_connection)
{
	struct bench *b = bench_prepare();
	b->settings.watch_all = false;
	b->settings.watch = 2;
	bench_start(b);
	play(b, "A S100 / A S100 sport=41000 / B SA300,101 / B SA300,101 sport=41000 / A .101,301 sport=41000");
	cr_assert_eq(b->segments, 3);
	cr_assert_eq(b->flow, 2);
	assert_states(b, A, STATE(ESTABLISHED));
	bench_free(b);
}

Test(audit, a_sink_may_be_deaf)
{
	struct tcpaudit_settings settings;
	struct tcpaudit_sink sink = {.user = NULL};
	struct bench *b = bench_prepare();
	tcpaudit_settings_init(&settings);
	settings.watch_all = true;
	b->engine = tcpaudit_new(&settings, &sink);
	play(b, HST CLOSE);
	bench_finish(b);
	cr_assert_eq(bench_counters(b).by_kind[TCPAUDIT_KIND_THREE_WAY], 1);
	bench_free(b);
}

/* ---- time ---- */

static int64_t cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * SECONDS + now.tv_nsec;
}

#define AT_ONCE 2500
#define ROUNDS  10

/* What it costs to take so many frames when many others of their kind are there does not grow with these. */
static void check_costs(struct bench *b, void (*send)(struct bench *b, uint32_t n))
{
	int64_t took[ROUNDS];

	for (uint32_t round = 0; round < ROUNDS; round++) {
		const int64_t since = cpu_time();
		for (uint32_t n = 0; n < AT_ONCE; n++)
			send(b, round * AT_ONCE + n);
		took[round] = cpu_time() - since;
	}
	fprintf(stderr, "# %d frames: %ld us; behind %d others: %ld us\n", AT_ONCE, (long)took[0] / 1000, (ROUNDS - 1) * AT_ONCE,
	        (long)took[ROUNDS - 1] / 1000);
	cr_assert_lt(took[ROUNDS - 1], 5 * took[0] + SECONDS / 100);
}

static void begin_again(struct bench *b, uint32_t n)
{
	send_number(b, 0, A, TCPAUDIT_SYN, n * 100003, 0, EPOCH + n * 1000);
}

/* Whoever sends SYNs with one ISS after the other begins as many connections; each of them looks at the newest few. */
Test(audit, incarnations_are_not_walked_through)
{
	struct bench *b = bench_for_many(0, 0);
	check_costs(b, begin_again);
	bench_finish(b);
	cr_assert_eq(bench_counters(b).connections, ROUNDS * AT_ONCE);
	check_books(b);
	bench_free(b);
}

/* ---- limits ---- */

Test(audit, a_flood_of_syns_evicts_only_syns)
{
	struct bench *b = bench_for_many(1000, 0);
	for (uint32_t n = 0; n < 100; n++)
		open_number(b, n, EPOCH);
	for (uint32_t n = 0; n < 20000; n++)
		send_number(b, 1000 + n, A, TCPAUDIT_SYN, 7, 0, EPOCH + n * 10000);
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_eq(c.open, 1000);
	cr_assert_eq(c.evicted, 20100 - 1000);
	cr_assert_eq(c.by_kind[TCPAUDIT_KIND_EVICTED], c.evicted);
	for (uint32_t n = 0; n < 100; n++)
		close_number(b, n, EPOCH + SECONDS);
	bench_finish(b);
	c = bench_counters(b);
	cr_assert_eq(c.by_kind[TCPAUDIT_KIND_THREE_WAY], 100);
	cr_assert_eq(c.connections, 20100);
	cr_assert_eq(c.open, 0);
	check_books(b);
	bench_free(b);
}

/* The same for memory: SYNs have their own, and none of those that are open gives way to them. */
Test(audit, a_flood_of_syns_has_memory_of_its_own)
{
	enum { MEMCAP = 8 << 20, OPEN = 1000, FLOOD = 100000 };
	struct bench *b = bench_for_many(0, MEMCAP);
	for (uint32_t n = 0; n < OPEN; n++)
		open_number(b, n, EPOCH);
	for (uint32_t n = 0; n < FLOOD; n++)
		send_number(b, 10000 + n, A, TCPAUDIT_SYN, 7, 0, EPOCH + n * 10000);
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_geq(c.evicted, FLOOD / 2);
	cr_assert_leq(c.memory, MEMCAP + MEMCAP / 20, "%lu", (unsigned long)c.memory);
	for (size_t i = 0; i < b->records && i < BENCH_RECORDS; i++) {
		assert_kind(b, i, EVICTED);
		cr_assert_eq(b->record[i].id, 3 * OPEN + 1 + i, "the oldest goes first: %lu at %zu", (unsigned long)b->record[i].id, i);
	}
	for (uint32_t n = 0; n < OPEN; n++)
		close_number(b, n, EPOCH + 2 * SECONDS);
	bench_finish(b);
	c = bench_counters(b);
	cr_assert_eq(c.by_kind[TCPAUDIT_KIND_THREE_WAY], OPEN);
	cr_assert_eq(c.by_kind[TCPAUDIT_KIND_SYN_PENDING] + c.evicted, FLOOD);
	check_books(b);
	bench_free(b);
}

/* Whoever answers while the flood goes on is a connection, and no SYN gets in its way. */
Test(audit, what_is_answered_in_a_flood_stays)
{
	struct bench *b = bench_for_many(500, 0);
	for (uint32_t n = 0; n < 20000; n++) {
		send_number(b, 10000 + n, A, TCPAUDIT_SYN, 7, 0, EPOCH + n * 10000);
		if (n % 200 == 0)
			open_number(b, n / 200, EPOCH + n * 10000);
	}
	for (uint32_t n = 0; n < 100; n++)
		close_number(b, n, EPOCH + 2 * SECONDS);
	bench_finish(b);
	cr_assert_eq(bench_counters(b).by_kind[TCPAUDIT_KIND_THREE_WAY], 100);
	check_books(b);
	bench_free(b);
}

/* The public header: `max_flows`, connections in memory at once. */
Test(audit, max_flows_holds_with_tombstones_about)
{
	struct bench *b = bench_for_many(10, 0);
	for (uint32_t n = 0; n < 100; n++) {
		open_number(b, n, EPOCH + n * 10 * SECONDS / 100);
		close_number(b, n, EPOCH + n * 10 * SECONDS / 100);
		if (n % 10 == 9)
			tcpaudit_advance(b->engine, EPOCH + 20 * SECONDS + n * SECONDS);
	}
	for (uint32_t n = 0; n < 40; n++) {
		open_number(b, 1000 + n, EPOCH + 130 * SECONDS);
		cr_assert_leq(bench_counters(b).open, 10, "%lu open", (unsigned long)bench_counters(b).open);
	}
	bench_finish(b);
	check_books(b);
	bench_free(b);
}

/* Connections with what the close keeps of them, within the bound: memory stays there, and so do the connections. */
static void fill(struct bench *b, uint64_t memcap, uint32_t rounds)
{
	uint64_t most = memcap + memcap / 20;
	for (uint32_t n = 0; n < rounds; n++) {
		int64_t time = EPOCH + (int64_t)n * MILLISECONDS;
		open_number(b, n, time);
		send_number(b, n, A, TCPAUDIT_FIN | TCPAUDIT_ACK, 101, 301, time); /* half-closed: it stays, and has a history */
		if (n % 500 == 0)
			cr_assert_leq(bench_counters(b).memory, most, "%lu held at connection %u", (unsigned long)bench_counters(b).memory, n);
	}
}

Test(audit, memcap_bounds_memory)
{
	struct bench *b = bench_for_many(0, 16 << 20);
	fill(b, 16 << 20, 40000);
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert(c.evicted > 0);
	cr_assert_eq(c.by_kind[TCPAUDIT_KIND_EVICTED], c.evicted);
	check_books(b);
	bench_free(b);
}

/* reliability.md D2: a table that is full throws out one for each that comes in; it is not emptied. */
Test(audit, a_full_table_stays_full)
{
	struct bench *b = bench_for_many(0, 16 << 20);
	fill(b, 16 << 20, 40000);
	cr_assert_geq(bench_counters(b).open, 3000, "%lu of 40000 are left in 16 MiB", (unsigned long)bench_counters(b).open);
	bench_free(b);
}

/* All histories appear after the table is full of connections. */
Test(audit, memcap_bounds_the_histories_too)
{
	struct bench *b = bench_for_many(0, 16 << 20);
	for (uint32_t n = 0; n < 24000; n++)
		open_number(b, n, EPOCH + (int64_t)n * MILLISECONDS);
	for (uint32_t n = 0; n < 24000; n++)
		send_number(b, n, A, TCPAUDIT_FIN | TCPAUDIT_ACK, 101, 301, EPOCH + 30 * SECONDS);
	cr_assert_leq(bench_counters(b).memory, (16 << 20) + (16 << 20) / 20, "%lu", (unsigned long)bench_counters(b).memory);
	bench_free(b);
}

Test(audit, memcap_bounds_the_tombstones_too)
{
	struct bench *b = bench_for_many(0, 8 << 20);
	for (uint32_t n = 0; n < 40000; n++) { /* some 500 are there at once, and 25000 tombstones would be */
		open_number(b, n, EPOCH + (int64_t)n * 10 * MILLISECONDS);
		close_number(b, n, EPOCH + (int64_t)n * 10 * MILLISECONDS);
	}
	struct tcpaudit_counters c = bench_counters(b);
	cr_assert_leq(c.memory, (8 << 20) + (8 << 20) / 20, "%lu", (unsigned long)c.memory);
	cr_assert_eq(c.evicted, 0, "tombstones go first: %lu of 40000 connections were evicted", (unsigned long)c.evicted);
	bench_free(b);
}

/* Of datagrams that never come whole, beside a table that is full. */
Test(audit, memcap_bounds_the_fragments_too)
{
	static uint8_t piece[60020] = {0x45, 0, 0xea, 0x74, 0, 0, 0x20, 0, 64, 6, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2};
	static const uint64_t caps[] = {4 << 20, 16 << 20, 64 << 20};
	for (size_t k = 0; k < sizeof caps / sizeof *caps; k++) {
		struct bench *b = bench_for_many(0, caps[k]);
		fill(b, caps[k], (uint32_t)(caps[k] / 400));
		for (unsigned id = 0; id < 400; id++) {
			wire_put16(piece + 4, id);
			bench_frame(b, piece, sizeof piece, EPOCH + 500 * SECONDS, 101, 0, 0);
			cr_assert_leq(bench_counters(b).memory, caps[k] + caps[k] / 20, "%lu held of %lu at fragment %u",
			              (unsigned long)bench_counters(b).memory, (unsigned long)caps[k], id);
		}
		cr_assert_gt(bench_counters(b).fate[TCPAUDIT_FATE_FRAGMENT_LOST], 0);
		bench_free(b);
	}
}

/* What is called the least is kept to, and is enough for a few connections at once, and to remember those that have closed. */
Test(audit, the_least_memcap)
{
	const uint64_t least = tcpaudit_least_memcap();
	struct bench *b = bench_for_many(0, least);
	for (uint32_t n = 0; n < 200; n++)
		open_number(b, n, EPOCH);
	for (uint32_t n = 0; n < 200; n++)
		close_number(b, n, EPOCH);
	cr_assert_eq(bench_counters(b).evicted, 0);
	cr_assert_eq(bench_counters(b).unusable[TCPAUDIT_UNUSABLE_FLOW_CAP], 0);
	tcpaudit_advance(b->engine, EPOCH + 60 * SECONDS);
	cr_assert_eq(bench_counters(b).open, 0);
	close_number(b, 7, EPOCH + 60 * SECONDS);
	cr_assert_eq(bench_counters(b).connections, 200, "late copies belong to the connection that has closed");
	bench_free(b);
	b = bench_for_many(0, least);
	fill(b, least, 20000);
	cr_assert_gt(bench_counters(b).evicted, 0);
	check_books(b);
	bench_free(b);
}

Test(audit, no_room_at_all)
{
	struct bench *b = bench_for_many(0, 1);
	for (uint32_t n = 0; n < 100; n++)
		open_number(b, n, EPOCH);
	bench_finish(b);
	check_books(b);
	bench_free(b);
}

/* The incarnation that is evicted may be the very one that the new one would stand in front of. */
Test(audit, evicting_ones_own_predecessor)
{
	struct bench *b = bench_prepare();
	b->settings.max_flows = 1;
	bench_start(b);
	play(b, HST "A S9000 @30 / B SA7000,9001 / A .9001,7001 / A S20000 @60 / B RA0,20001");
	bench_finish(b);
	cr_assert_eq(b->records, 3);
	check_books(b);
	bench_free(b);
}

Test(audit, many_incarnations_of_one_pair)
{
	struct bench *b = bench_new();
	for (int i = 0; i < 50; i++) {
		b->iss[A] = (uint32_t)i * 1000000;
		b->iss[B] = (uint32_t)i * 3000000;
		play(b, HST "A RA111,311");
	}
	bench_finish(b);
	cr_assert_eq(b->records, 50);
	cr_assert_eq(bench_counters(b).by_kind[TCPAUDIT_KIND_ABORT_CLIENT], 50);
	check_books(b);
	bench_free(b);
}

Test(audit, a_hundred_thousand_connections)
{
	struct bench *b = bench_for_many(0, 0);
	for (uint32_t n = 0; n < 100000; n++)
		open_number(b, n, EPOCH + n);
	cr_assert_eq(bench_counters(b).open, 100000);
	for (uint32_t n = 0; n < 100000; n++)
		send_number(b, n, A, TCPAUDIT_RST | TCPAUDIT_ACK, 101, 301, EPOCH + SECONDS + n);
	tcpaudit_advance(b->engine, EPOCH + 20 * SECONDS);
	cr_assert_eq(bench_counters(b).by_kind[TCPAUDIT_KIND_ABORT_CLIENT], 100000);
	cr_assert_eq(bench_counters(b).open, 0);
	bench_finish(b);
	check_books(b);
	bench_free(b);
}
