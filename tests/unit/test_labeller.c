/* test_labeller.c - what text the engine offers to a labeller, and what becomes of the labeller's notes. */
#include "frames.h"

#define HS "A S100 / B SA300,101 / A .101,301 / "

struct offer {
	unsigned from;
	uint8_t first; /* octet; frames.h writes the low byte of its sequence number into each */
	uint32_t length;
};

/* A labeller that keeps what it is offered, and wants `enough` offers of a connection. */
struct ear {
	struct offer offer[16];
	size_t offers;
	size_t enough;
	size_t ends;
	uint16_t end_note;
};

static bool hear(void *user, uint16_t *note, const struct tcpaudit_segment *s, unsigned from, const uint8_t *text,
                 uint32_t length)
{
	struct ear *ear = user;

	cr_assert(length > 0 && length <= s->len);
	if (ear->offers < 16)
		ear->offer[ear->offers] = (struct offer){from, text[0], length};
	ear->offers++;
	return ++*note == ear->enough;
}

static void hear_end(void *user, uint16_t *note)
{
	struct ear *ear = user;

	ear->ends++;
	ear->end_note = *note;
	*note = 77;
}

static struct tcpaudit_label say(void *user, uint16_t note)
{
	(void)user;
	return (struct tcpaudit_label){
	        .proto = note == 77 ? "at the end" : "at once", .service = "somebody", .confidence = TCPAUDIT_LABEL_TEXT};
}

static struct bench *bench_with(struct ear *ear, size_t enough)
{
	struct bench *b = bench_new();

	*ear = (struct ear){.enough = enough};
	tcpaudit_set_labeller(b->engine, &(struct tcpaudit_labeller){.user = ear, .text = hear, .end = hear_end, .label = say});
	return b;
}

static void heard(const struct ear *ear, size_t i, unsigned from, uint32_t seq, uint32_t length)
{
	cr_assert_gt(ear->offers, i);
	cr_assert_eq(ear->offer[i].from, from);
	cr_assert_eq(ear->offer[i].first, (uint8_t)seq, "offer %zu begins with %u", i, ear->offer[i].first);
	cr_assert_eq(ear->offer[i].length, length, "offer %zu has %u octets", i, ear->offer[i].length);
}

Test(labeller, text_of_both_ends_is_offered_in_order)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 100);

	play(b, HS "A D101+10,301 / B D301+20,111 / A .111,321 / A D111+5,321");
	cr_assert_eq(ear.offers, 3);
	heard(&ear, 0, A, 101, 10);
	heard(&ear, 1, B, 301, 20);
	heard(&ear, 2, A, 111, 5);
	bench_free(b);
}

Test(labeller, old_text_is_not_offered_again)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 100);

	play(b, HS "A D101+10,301 / A D101+10,301 @1 / A D106+10,301 @1.2 / A D115+1,301 @1.4");
	cr_assert_eq(ear.offers, 2, "%zu", ear.offers);
	heard(&ear, 1, A, 111, 5); /* what is new of a segment that repeats half of the one before */
	bench_free(b);
}

Test(labeller, behind_a_hole_it_goes_on)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 100);

	play(b, HS "A D151+10,301 / A D101+50,301 / A D161+10,301");
	cr_assert_eq(ear.offers, 2);
	heard(&ear, 0, A, 151, 10);
	heard(&ear, 1, A, 161, 10);
	bench_free(b);
}

Test(labeller, what_is_no_part_of_the_stream_is_not_offered)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 100);

	play(b, HS "A D101+10,301 / B D301+10,111 / A .111,311 / A D4000000+10,311 / B D311+10,111 bad / B R311+4,111");
	cr_assert_eq(ear.offers, 2, "%zu", ear.offers);
	bench_free(b);
}

Test(labeller, without_the_beginning_nothing_is_offered)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 100);

	play(b, "A D101+10,301 / B D301+10,111");
	bench_finish(b);
	cr_assert_eq(ear.offers, 0);
	cr_assert_eq(ear.ends, 0);
	cr_assert_null(b->record[0].label.proto);
	bench_free(b);
}

Test(labeller, after_a_verdict_it_is_left_alone)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 2);

	play(b, HS "A D101+10,301 / B D301+10,111 / A D111+10,311 / B D311+10,121");
	bench_finish(b);
	cr_assert_eq(ear.offers, 2);
	cr_assert_eq(ear.ends, 0);
	cr_assert_str_eq(b->record[0].label.proto, "at once");
	cr_assert_str_eq(b->record[0].label.service, "somebody");
	cr_assert_eq(b->record[0].label.confidence, TCPAUDIT_LABEL_TEXT);
	bench_free(b);
}

Test(labeller, an_undecided_connection_ends_with_its_last_word)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 100);

	play(b, HS "A D101+10,301 / B D301+10,111");
	bench_finish(b);
	cr_assert_eq(ear.ends, 1);
	cr_assert_eq(ear.end_note, 2);
	cr_assert_str_eq(b->record[0].label.proto, "at the end");
	bench_free(b);
}

Test(labeller, a_connection_without_text_has_no_label)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 100);

	play(b, HS "A F101,301 / B F301,102 / A .102,302");
	bench_finish(b);
	cr_assert_eq(ear.ends, 0);
	cr_assert_null(b->record[0].label.proto);
	bench_free(b);
}

Test(labeller, findings_carry_the_label_also_when_they_come_late)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 1);

	/* the second reset comes when the connection was reported: what is left of it still knows the label */
	play(b, HS "A D101+10,301 / B F301,111 / A F111,302 / B .302,112 / A .112,302 @60 / B R302 @60.1");
	bench_finish(b);
	cr_assert_eq(b->records, 1);
	cr_assert(b->finding_after_end);
	for (size_t i = 0; i < b->findings; i++)
		cr_assert_eq(b->finding[i].flow, b->record[0].id);
	cr_assert_str_eq(b->late_label, "at once");
	bench_free(b);
}

Test(labeller, each_incarnation_has_its_own_note)
{
	struct ear ear;
	struct bench *b = bench_with(&ear, 100);

	play(b, HS "A D101+10,301 / A F111,301 / B F301,112 / A .112,302 / A S900000 @9 / B SA800000,900001 / A .900001,800001 / "
	           "A D900001+3,800001");
	bench_finish(b);
	cr_assert_eq(b->records, 2);
	cr_assert_eq(ear.ends, 2);
	cr_assert_eq(ear.end_note, 1);
	heard(&ear, 1, A, 900001, 3);
	bench_free(b);
}

/* ---- an engine in parts ---- */

enum { PARTS = 3, TALKS = 60 };

static struct ear ears[PARTS];

static bool part_ear(void *user, unsigned i, unsigned parts, struct tcpaudit_labeller *labeller)
{
	(void)user;
	cr_assert(i < parts && parts == PARTS);
	*labeller = (struct tcpaudit_labeller){.user = &ears[i], .text = hear, .end = hear_end, .label = say};
	return true;
}

static void run_parts(void *user, void (*part)(void *user, unsigned i), void *parts_user, unsigned parts)
{
	++*(unsigned *)user;
	while (parts--)
		part(parts_user, parts);
}

static void count_labels(void *user, const struct tcpaudit_connection *c)
{
	*(unsigned *)user += c->label.proto && strcmp(c->label.proto, "at once") == 0;
}

/* So many connections side by side, each with a request and an answer.  Returns how many have a label. */
static unsigned label_many(const struct tcpaudit_labeller *labeller, unsigned *jobs)
{
	static uint8_t octets[5 * TALKS][WIRE_ROOM]; /* they stay */
	static const uint8_t flags[] = {TCPAUDIT_SYN, TCPAUDIT_SYN | TCPAUDIT_ACK, TCPAUDIT_ACK, TCPAUDIT_ACK, TCPAUDIT_ACK};
	static const uint32_t seq[] = {100, 300, 101, 101, 301}, ack[] = {0, 101, 301, 301, 111};
	unsigned labels = 0, n = 0;
	struct tcpaudit_settings settings;
	tcpaudit_settings_init(&settings);
	struct tcpaudit *engine =
	        tcpaudit_new(&settings, &(struct tcpaudit_sink){.user = &labels, .connection_end = count_labels});
	struct tcpaudit_batch *batch = tcpaudit_batch_new();

	tcpaudit_set_labeller(engine, labeller);
	cr_assert_eq(tcpaudit_needs_octets(engine), TCPAUDIT_OCTETS_TEXT);
	struct tcpaudit_reader *reader = tcpaudit_reader_new(&settings, tcpaudit_needs_octets(engine));
	cr_assert(tcpaudit_split(engine, PARTS, &(struct tcpaudit_team){.user = jobs, .run = run_parts}));
	for (unsigned step = 0; step < 5; step++)
		for (unsigned i = 0; i < TALKS; i++, n++) {
			struct wire w = {.from = step == 1 || step == 4,
			                 .port = {(uint16_t)(2000 + i), 80},
			                 .window = 8192,
			                 .flags = flags[step],
			                 .seq = seq[step],
			                 .ack = ack[step],
			                 .len = step > 2 ? 10 : 0};
			size_t len = wire_frame(&w, octets[n]);
			struct tcpaudit_frame frame = {.data = octets[n],
			                               .linktype = 101,
			                               .ordinal = n + 1,
			                               .number = n + 1,
			                               .caplen = (uint32_t)len,
			                               .wirelen = (uint32_t)len,
			                               .time = EPOCH + n * MILLISECONDS};
			tcpaudit_read(reader, batch, &frame, 1);
			tcpaudit_judge_many(engine, &batch, 1);
		}
	tcpaudit_finish(engine);
	tcpaudit_free(engine);
	tcpaudit_reader_free(reader);
	tcpaudit_batch_free(batch);
	return labels;
}

Test(labeller, each_part_has_its_own)
{
	struct ear whole = {.enough = 2};
	unsigned jobs = 0, offers = 0;

	for (unsigned i = 0; i < PARTS; i++)
		ears[i] = whole;
	struct tcpaudit_labeller labeller = {.user = &whole, .text = hear, .end = hear_end, .label = say, .part = part_ear};
	cr_assert_eq(label_many(&labeller, &jobs), TALKS);
	for (unsigned i = 0; i < PARTS; i++) {
		cr_assert_gt(ears[i].offers, 0);
		cr_assert_eq(ears[i].offer[0].length, 10);
		cr_assert_eq(ears[i].offer[0].first, 101);
		offers += (unsigned)ears[i].offers;
	}
	cr_assert_eq(offers, 2 * TALKS);
	cr_assert_eq(whole.offers, 0);
	cr_assert_gt(jobs, 0);
}

Test(labeller, where_there_is_but_one_the_engine_stays_whole)
{
	struct ear ear = {.enough = 2};
	unsigned jobs = 0;

	cr_assert_eq(label_many(&(struct tcpaudit_labeller){.user = &ear, .text = hear, .end = hear_end, .label = say}, &jobs),
	             TALKS);
	cr_assert_eq(ear.offers, 2 * TALKS);
	cr_assert_eq(jobs, 0);
}

Test(labeller, no_labeller_no_label)
{
	struct bench *b = bench_new();

	play(b, HS "A D101+10,301 / A F111,301 / B F301,112 / A .112,302");
	bench_finish(b);
	cr_assert_null(b->record[0].label.proto);
	bench_free(b);
}
