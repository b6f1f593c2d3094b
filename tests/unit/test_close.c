/* test_close.c - each kind of close of checks.md section 3, through the engine, and the record's other verdicts. */
#include "frames.h"

#define HS "A S100 / B SA300,101 / A .101,301 / "
/* With text both ways: A goes on at 111, B at 311. */
#define HST HS "A D101+10,301 / B D301+10,111 / A .111,311 / "

#define CLIENT TCPAUDIT_WHO_CLIENT
#define SERVER TCPAUDIT_WHO_SERVER
#define BOTH TCPAUDIT_WHO_BOTH
#define NOBODY TCPAUDIT_WHO_NONE

struct expected {
	const char *name;
	const char *dialogue;
	int64_t quiet;       /* seconds that the capture goes on behind it */
	enum tcpaudit_kind kind;
	uint8_t closed_first;
	uint8_t aborted_by;
	uint8_t holder;
};

static const struct expected table[] = {
	/* 1: one direction only */
	{"one way, FIN", "A D101+10,301 / A D111+10,311 / A F121,321", 0, TCPAUDIT_KIND_ONEWAY_FIN, TCPAUDIT_WHO_UNKNOWN, NOBODY, NOBODY},
	{"one way, reset", "A D101+10,301 / A D111+10,311 / A RA121,321", 0, TCPAUDIT_KIND_ONEWAY_RST, NOBODY, CLIENT, NOBODY},
	{"one way, neither", "A D101+10,301 / A D111+10,311", 0, TCPAUDIT_KIND_ONEWAY_OPEN, NOBODY, NOBODY, NOBODY},
	{"one way with its SYN", "A S100 / A .101,301 / A D101+10,301 / A F111,311", 0, TCPAUDIT_KIND_ONEWAY_FIN, TCPAUDIT_WHO_UNKNOWN, NOBODY, NOBODY},
	/* 2 - 6: HS = syn */
	{"refused", "A S100 / B RA0,101", 0, TCPAUDIT_KIND_REFUSED, NOBODY, SERVER, NOBODY},
	{"refused after repeats", "A S100 / A S100 @1 / A S100 @3 / B RA0,101", 0, TCPAUDIT_KIND_REFUSED, NOBODY, SERVER, NOBODY},
	{"reset with a bad number", "A S100 / B RA0,99", 0, TCPAUDIT_KIND_SYN_PENDING, NOBODY, NOBODY, NOBODY},
	{"SYN given up", "A S100 / A R101", 0, TCPAUDIT_KIND_SYN_ABORTED, NOBODY, CLIENT, NOBODY},
	{"SYN unanswered", "A S100 / A S100 @1 / A S100 @3", 100, TCPAUDIT_KIND_SYN_TIMEOUT, NOBODY, NOBODY, NOBODY},
	{"SYN unanswered for too short", "A S100 / A S100 @1 / A S100 @3", 29, TCPAUDIT_KIND_SYN_PENDING, NOBODY, NOBODY, NOBODY},
	{"thrice the last gap", "A S100 / A S100 @20", 50, TCPAUDIT_KIND_SYN_PENDING, NOBODY, NOBODY, NOBODY},
	{"beyond thrice the last gap", "A S100 / A S100 @20", 62, TCPAUDIT_KIND_SYN_TIMEOUT, NOBODY, NOBODY, NOBODY},
	/* 7 - 10: HS = synack or crossed */
	{"SYN scan", "A S100 / B SA300,101 / A R101", 0, TCPAUDIT_KIND_HS_RST_INITIATOR, NOBODY, CLIENT, NOBODY},
	{"listener gone", "A S100 / B SA300,101 / B RA301,101", 0, TCPAUDIT_KIND_HS_RST_RESPONDER, NOBODY, SERVER, NOBODY},
	{"SYN-ACK unanswered", "A S100 / B SA300,101 / B SA300,101 @1 / B SA300,101 @3", 60, TCPAUDIT_KIND_HS_TIMEOUT, NOBODY, NOBODY, NOBODY},
	{"SYN-ACK not repeated", "A S100 / B SA300,101", 60, TCPAUDIT_KIND_HS_PENDING, NOBODY, NOBODY, NOBODY},
	{"SYN-ACK pending", "A S100 / B SA300,101 / B SA300,101 @1", 1, TCPAUDIT_KIND_HS_PENDING, NOBODY, NOBODY, NOBODY},
	{"crossed and pending", "A S100 / B S300", 1, TCPAUDIT_KIND_HS_PENDING, NOBODY, NOBODY, NOBODY},
	/* 11 - 14: both FINs acknowledged */
	{"simultaneous", HST "A F111,311 / B F311,111 / A .112,312 / B .312,112", 0, TCPAUDIT_KIND_SIMULTANEOUS, BOTH, NOBODY, BOTH},
	{"half-close", HST "A F111,311 / B .311,112 / B D311+50,112 / A .112,361 / B F361,112 / A .112,362", 0, TCPAUDIT_KIND_HALF_CLOSE,
	 CLIENT, NOBODY, CLIENT},
	{"half-close on the FIN itself", HST "A F111,311 / B F311+50,112 / A .112,362", 0, TCPAUDIT_KIND_HALF_CLOSE, CLIENT, NOBODY, CLIENT},
	{"three-way", HST "A F111,311 / B F311,112 / A .112,312", 0, TCPAUDIT_KIND_THREE_WAY, CLIENT, NOBODY, CLIENT},
	{"three-way by the server", HST "B F311,111 / A F111,312 / B .312,112", 0, TCPAUDIT_KIND_THREE_WAY, SERVER, NOBODY, SERVER},
	{"four-way", HST "A F111,311 / B .311,112 / B F311,112 / A .112,312", 0, TCPAUDIT_KIND_FOUR_WAY, CLIENT, NOBODY, CLIENT},
	{"four-way by the server", HST "B F311,111 / A .111,312 / A F111,312 / B .312,112", 0, TCPAUDIT_KIND_FOUR_WAY, SERVER, NOBODY, SERVER},
	{"four-way with text on the first FIN", HST "A F111+5,311 / B .311,117 / B F311,117 / A .117,312", 0, TCPAUDIT_KIND_FOUR_WAY, CLIENT,
	 NOBODY, CLIENT},
	{"four-way in mid-stream", "A D101+10,301 / B .301,111 / A F111,301 / B .301,112 / B F301,112 / A .112,302", 0, TCPAUDIT_KIND_FOUR_WAY,
	 CLIENT, NOBODY, CLIENT},
	{"reset after the close", HST "A F111,311 / B .311,112 / B F311,112 / A .112,312 / B R312", 0, TCPAUDIT_KIND_FOUR_WAY, CLIENT, NOBODY,
	 CLIENT},
	/* 15 - 17: both FINs, not both acknowledged */
	{"FIN, FIN, reset", HST "A F111,311 / B F311,112 / A R112", 0, TCPAUDIT_KIND_FIN_FIN_RST, CLIENT, CLIENT, NOBODY},
	{"last ACK missing", HST "A F111,311 / B F311,112 / B F311,112 @1 / B F311,112 @3", 60, TCPAUDIT_KIND_LAST_ACK_MISSING, CLIENT, NOBODY,
	 NOBODY},
	{"FINs cross and nothing more", HST "A F111,311 / B F311,111", 60, TCPAUDIT_KIND_FIN_FIN_UNACKED, BOTH, NOBODY, NOBODY},
	/* 18 */
	{"MPTCP fastclose", HST "A RA111,311 fastclose", 0, TCPAUDIT_KIND_MPTCP_FASTCLOSE, NOBODY, CLIENT, NOBODY},
	/* 19, 20: one FIN and a reset */
	{"the closer resets", HST "A F111,311 / B .311,112 / B D311+10,112 / A R112", 0, TCPAUDIT_KIND_FIN_RST_CLOSER, CLIENT, CLIENT, NOBODY},
	{"the closed-on resets", HST "A F111,311 / B .311,112 / B RA311,112", 0, TCPAUDIT_KIND_FIN_RST_PEER, CLIENT, SERVER, NOBODY},
	{"the closed-on client resets", HST "B F311,111 / A RA111,312", 0, TCPAUDIT_KIND_FIN_RST_PEER, SERVER, CLIENT, NOBODY},
	/* 22, 23: one FIN */
	{"half-closed", HST "A F111,311 / B .311,112", 600, TCPAUDIT_KIND_HALF_CLOSED, CLIENT, NOBODY, NOBODY},
	{"FIN unacknowledged", HST "A F111,311 / A F111,311 @1 / A F111,311 @3", 60, TCPAUDIT_KIND_FIN_UNACKED, CLIENT, NOBODY, NOBODY},
	{"FIN answered with u", HST "A F111,311 / B .311,111", 60, TCPAUDIT_KIND_FIN_UNACKED, CLIENT, NOBODY, NOBODY},
	/* 25 */
	{"abort by the client", HST "A RA111,311", 0, TCPAUDIT_KIND_ABORT_CLIENT, NOBODY, CLIENT, NOBODY},
	{"abort by the server", HST "B RA311,111", 0, TCPAUDIT_KIND_ABORT_SERVER, NOBODY, SERVER, NOBODY},
	{"no connection any more", HST "A D111+10,311 / B R311", 0, TCPAUDIT_KIND_ABORT_SERVER, NOBODY, SERVER, NOBODY},
	{"the first effective one counts", HST "B R999999 / A RA111,311 / B R311", 0, TCPAUDIT_KIND_ABORT_CLIENT, NOBODY, CLIENT, NOBODY},
	/* 27, 28, 30, 31 */
	{"vanished", HST "A D111+10,311 / A D111+10,311 @1 / A D111+10,311 @3 / A D111+10,311 @7 / A D111+10,311 @15", 30,
	 TCPAUDIT_KIND_VANISHED, NOBODY, NOBODY, NOBODY},
	{"three repeats are not four", HST "A D111+10,311 / A D111+10,311 @1 / A D111+10,311 @3 / A D111+10,311 @7", 10,
	 TCPAUDIT_KIND_OPEN_ACTIVE, NOBODY, NOBODY, NOBODY},
	{"idle", HST "A D111+10,311 / B .311,121", 61, TCPAUDIT_KIND_OPEN_IDLE, NOBODY, NOBODY, NOBODY},
	{"active", HST "A D111+10,311 / B .311,121", 59, TCPAUDIT_KIND_OPEN_ACTIVE, NOBODY, NOBODY, NOBODY},
};

static void quiet(struct bench *b, int64_t seconds)
{
	if (seconds)
		tcpaudit_advance(b->engine, b->time + seconds * SECONDS);
}

static void expect(const struct expected *e, uint32_t a, uint32_t server, bool swapped)
{
	struct bench *b = bench_new();
	b->iss[A] = a;
	b->iss[B] = server;
	b->swapped = swapped;
	play(b, e->dialogue);
	quiet(b, e->quiet);
	bench_finish(b);
	const struct tcpaudit_connection *c = &b->record[0];
	cr_expect_eq(b->records, 1, "%s: %zu records", e->name, b->records);
	cr_expect_eq(c->kind, e->kind, "%s: %s", e->name, tcpaudit_kind_name((enum tcpaudit_kind)c->kind));
	cr_expect_eq(c->closed_first, e->closed_first, "%s: closed first %s", e->name, tcpaudit_who_name((enum tcpaudit_who)c->closed_first));
	cr_expect_eq(c->aborted_by, e->aborted_by, "%s: aborted by %s", e->name, tcpaudit_who_name((enum tcpaudit_who)c->aborted_by));
	cr_expect_eq(c->time_wait_holder, e->holder, "%s: held by %s", e->name, tcpaudit_who_name((enum tcpaudit_who)c->time_wait_holder));
	bench_free(b);
}

Test(close, every_kind)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		expect(&table[i], 0, 0, false);
}

Test(close, every_kind_with_the_sockets_in_the_other_order)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		expect(&table[i], 0, 0, true);
}

Test(close, every_kind_with_numbers_that_wrap)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		for (uint32_t at = 99; at < 114; at++)
			expect(&table[i], 0u - at, 0u - at - 200, at & 1);
}

Test(close, every_kind_round_the_middle_of_the_circle)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		expect(&table[i], 0x7fffff90, 0x7ffffec8, false);
}

/* RFC 9293 3.10.7.1: <SEQ=0><ACK=SEG.SEQ+SEG.LEN>; checks.md rule 2, and the near miss of syn-rst-malformed. */
Test(close, a_syn_with_text_can_be_refused)
{
	struct bench *b = bench_new();
	play(b, "A S100+10 / B RA0,111");
	bench_finish(b);
	assert_kind(b, 0, REFUSED);
	bench_free(b);
}

/* checks.md section 3: K goes by numbers, and capture order decides only where they do not. */
Test(close, an_acknowledgment_captured_before_its_fin_counts)
{
	struct bench *b = bench_new();
	play(b, HST "B F311,112 / A F111,311 / A .112,312");
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	cr_assert_eq(b->record[0].closed_first, TCPAUDIT_WHO_CLIENT);
	bench_free(b);
}

/* ---- kinds that a dialogue alone does not show ---- */

Test(close, refused_by_icmp)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		struct bench *b = bench_new();
		b->swapped = swapped;
		play(b, "A S100");
		bench_icmp(b, A, 100, 1, b->time + MILLISECONDS);
		bench_finish(b);
		assert_kind(b, 0, REFUSED_ICMP);
		cr_assert_eq(bench_counters(b).fate[TCPAUDIT_FATE_ICMP], 1);
		bench_free(b);
	}
}

Test(close, icmp_about_another_number_is_forged)
{
	struct bench *b = bench_new();
	play(b, "A S100");
	bench_icmp(b, A, 900000000, 1, b->time + MILLISECONDS);
	bench_icmp(b, A, 100, 4, b->time + MILLISECONDS); /* fragmentation needed is no refusal */
	bench_finish(b);
	assert_kind(b, 0, SYN_PENDING);
	bench_free(b);
}

Test(close, aborted_by_icmp)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311");
	bench_icmp(b, A, 111, 3, b->time + MILLISECONDS);
	quiet(b, 10);
	bench_finish(b);
	assert_kind(b, 0, ABORT_ICMP);
	bench_free(b);
}

Test(close, an_end_that_goes_on_was_not_aborted_by_icmp)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311");
	bench_icmp(b, A, 111, 3, b->time + MILLISECONDS);
	play(b, "B .311,121");
	quiet(b, 10);
	bench_finish(b);
	assert_kind(b, 0, OPEN_ACTIVE);
	bench_free(b);
}

Test(close, a_host_unreachable_on_an_open_connection_is_soft)
{
	struct bench *b = bench_new();
	play(b, HST "A D111+10,311");
	bench_icmp(b, A, 111, 1, b->time + MILLISECONDS);
	quiet(b, 10);
	bench_finish(b);
	assert_kind(b, 0, OPEN_ACTIVE);
	bench_free(b);
}

Test(close, superseded_by_a_new_incarnation)
{
	struct bench *b = bench_new();
	play(b, HST "A S9000 @30 / B SA7000,9001 / A .9001,7001 / A RA9001,7001");
	bench_finish(b);
	cr_assert_eq(b->records, 2);
	assert_kind(b, 0, SUPERSEDED);
	assert_kind(b, 1, ABORT_CLIENT);
	cr_assert_eq(b->record[0].id, 1);
	cr_assert_eq(b->record[1].id, 7);
	bench_free(b);
}

/* RFC 9293 3.10.7.4 fourth: a challenge ACK, and the connection goes on; what follows is its own, not the new SYN's. */
Test(close, a_syn_that_is_not_accepted_supersedes_nothing)
{
	struct bench *b = bench_new();
	play(b, HST "A S9000 @30 / B .311,111 / A D111+10,311 / B .311,121 / A F121,311 / B F311,122 / A .122,312");
	bench_finish(b);
	size_t old = b->record[0].id == 1 ? 0 : 1;
	assert_kind(b, old, THREE_WAY);
	bench_free(b);
}

Test(close, evicted_is_no_statement_about_the_protocol)
{
	struct bench *b = bench_prepare();
	b->settings.max_flows = 1;
	bench_start(b);
	play(b, HST "A S100 sport=41000");
	cr_assert_eq(b->records, 1);
	assert_kind(b, 0, EVICTED);
	cr_assert(noted(&b->record[0], "cap-evicted"));
	bench_free(b);
}

/* Rule 0: only before both FINs were acknowledged, or a reset was effective. */
Test(close, what_was_over_when_it_was_evicted_keeps_its_kind)
{
	struct bench *b = bench_prepare();
	b->settings.max_flows = 1;
	bench_start(b);
	play(b, HST "A F111,311 / B F311,112 / A .112,312 / A S100 sport=41000 / B RA0,101 sport=41000 / A S100 sport=42000");
	cr_assert_eq(b->records, 2);
	assert_kind(b, 0, THREE_WAY);
	assert_kind(b, 1, REFUSED);
	bench_free(b);
}

/* ---- the record ---- */

static struct bench *recorded(const char *dialogue)
{
	struct bench *b = bench_new();
	play(b, dialogue);
	bench_finish(b);
	cr_assert_eq(b->records, 1);
	return b;
}

Test(close, fin_facts)
{
	struct bench *b = recorded(HST "A F111+5,311 / B .311,117 / B F311,117 @1 / B F311,117 @1.3 / A .117,312");
	const struct tcpaudit_end *a = &b->record[0].end[A], *s = &b->record[0].end[B];
	cr_assert(a->fin_sent && a->fin_acked && s->fin_sent && s->fin_acked);
	cr_assert_eq(a->fin_seq, 116);
	cr_assert_eq(s->fin_seq, 311);
	cr_assert_eq(a->fin_copies, 1);
	cr_assert_eq(s->fin_copies, 2);
	cr_assert_eq(a->fin.frame, 7);
	cr_assert_eq(a->fin_ack.frame, 8);
	cr_assert_eq(s->fin.frame, 9);
	cr_assert_eq(s->fin_ack.frame, 11);
	cr_assert_eq(s->fin_ack.ack, 312);
	cr_assert_eq(s->retransmissions, 1);
	cr_assert_eq(a->text, 15);
	cr_assert_eq(s->text, 10);
	cr_assert_eq(a->lost + s->lost, 0);
	cr_assert(a->isn_known && a->isn == 100 && s->isn == 300);
	cr_assert_eq(b->record[0].confidence, TCPAUDIT_CERTAIN);
	bench_free(b);
}

Test(close, ports_addresses_packets_octets)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		struct bench *b = bench_new();
		b->swapped = swapped;
		play(b, HST "A RA111,311");
		bench_finish(b);
		const struct tcpaudit_connection *c = &b->record[0];
		cr_assert_eq(c->end[A].port, 40000);
		cr_assert_eq(c->end[B].port, 80);
		cr_assert_eq(c->end[A].address.byte[3], swapped ? 2 : 1);
		cr_assert_eq(c->end[A].packets, 5);
		cr_assert_eq(c->end[B].packets, 2);
		cr_assert_eq(c->end[A].bytes, 5 * 40 + 10);
		cr_assert_eq(c->end[A].resets, 1);
		cr_assert_eq(c->ip_version, 4);
		cr_assert_eq(c->start, EPOCH);
		cr_assert_eq(c->last, EPOCH + 60 * MILLISECONDS);
		cr_assert_eq(c->rtt, 20 * MILLISECONDS);
		cr_assert_eq(c->end[A].turnaround, 10 * MILLISECONDS);
		bench_free(b);
	}
}

Test(close, completeness)
{
	static const struct {
		const char *dialogue;
		uint8_t bits;
	} cases[] = {
		{"A S100", TCPAUDIT_COMPLETE_SYN},
		{"A S100 / B SA300,101", TCPAUDIT_COMPLETE_SYN | TCPAUDIT_COMPLETE_SYN_ACK},
		{HS "A .101,301", 7},
		{HST "A .111,311", 15},
		{HS "A F101,301", 7 | TCPAUDIT_COMPLETE_FIN},
		{HST "A F111,311 / B RA311,112", 63},
		{"A S100 / B RA0,101", TCPAUDIT_COMPLETE_SYN | TCPAUDIT_COMPLETE_ACK | TCPAUDIT_COMPLETE_RST},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench *b = recorded(cases[i].dialogue);
		cr_expect_eq(b->record[0].completeness, cases[i].bits, "%s: %u", cases[i].dialogue, b->record[0].completeness);
		bench_free(b);
	}
}

Test(close, half_close_is_measured)
{
	struct bench *b = recorded(HST "A F111,311 @1 / B .311,112 @1.05 / B D311+50,112 @2 / B D361+50,112 @3 / B F411+7,112 @4 / A .112,419 @4.01");
	const struct tcpaudit_connection *c = &b->record[0];
	cr_assert_eq(c->half_close_by, TCPAUDIT_WHO_CLIENT);
	cr_assert_eq(c->half_close_bytes, 107);
	cr_assert_eq(c->half_close_duration, 2950 * MILLISECONDS);
	cr_assert_eq(findings_of(b, "half-close-used"), 1);
	bench_free(b);
}

Test(close, text_that_crossed_the_fin_is_no_half_close)
{
	struct bench *b = recorded(HST "A F111,311 / B D311+50,111 / B .361,112 / B F361,112 / A .112,362");
	assert_kind(b, 0, FOUR_WAY);
	cr_assert_eq(b->record[0].half_close_bytes, 0);
	bench_free(b);
}

Test(close, lost_octets)
{
	struct bench *b = recorded(HST "A D111+100,311 / A D211+100,311 / B .311,211 / B RA311,211");
	cr_assert_eq(b->record[0].end[A].lost, 100);
	cr_assert_eq(b->record[0].end[B].lost, 0);
	bench_free(b);
}

Test(close, a_reset_after_the_close_is_a_flag)
{
	struct bench *b = recorded(HST "A F111,311 / B F311,112 / A .112,312 / A R112");
	assert_kind(b, 0, THREE_WAY);
	cr_assert(b->record[0].post_close_reset);
	bench_free(b);
	b = recorded(HST "A F111,311 / B F311,112 / A .112,312");
	cr_assert_not(b->record[0].post_close_reset);
	bench_free(b);
}

Test(close, time_wait_since_its_entry)
{
	struct bench *b = recorded(HST "A F111,311 @1 / B F311,112 @1.1 / A .112,312 @1.2 / B F311,112 @2 / A .112,312 @2.1");
	cr_assert_eq(b->record[0].time_wait_since, EPOCH + 1200 * MILLISECONDS);
	cr_assert_eq(b->record[0].time_wait_restarts, 1);
	bench_free(b);
}

Test(close, time_wait_is_over_2msl_after_it_began_anew)
{
	struct bench *b = recorded(HST "A F111,311 @1 / B F311,112 @1.1 / A .112,312 @1.2");
	cr_assert_eq(b->record[0].time_wait_until, EPOCH + 61200 * MILLISECONDS);
	bench_free(b);
	b = recorded(HST "A F111,311 @1 / B F311,112 @1.1 / A .112,312 @1.2 / B F311,112 @2 / A .112,312 @2.1");
	cr_assert_eq(b->record[0].time_wait_until, EPOCH + 62000 * MILLISECONDS);
	bench_free(b);
	b = recorded(HST "A F111,311 @1 / B F311,111 @1.001 / A .112,312 @1.05 / B .312,112 @1.1"); /* both hold it */
	cr_assert_eq(b->record[0].time_wait_since, EPOCH + 1050 * MILLISECONDS);
	cr_assert_eq(b->record[0].time_wait_until, EPOCH + 61100 * MILLISECONDS);
	bench_free(b);
}

Test(close, latency_ends_with_the_last_acknowledgment_of_a_fin)
{
	static const struct {
		const char *dialogue;
		int64_t latency; /* ms; -1 none */
	} cases[] = {
		{HST "A F111,311 @1 / B .311,112 @1.01 / B F311,112 @1.5 / A .112,312 @1.52", 520},
		{HST "B F311,111 @1 / A F111,312 @1.3 / B .312,112 @1.31", 310},
		{HST "A F111,311 @1 / B F311,111 @1.001 / B .312,112 @1.03 / A .112,312 @1.04", 40},
		{HST "A F111,311 @1 / A F111,311 @1.2 / B F311,112 @1.25 / A .112,312 @1.3 / B F311,112 @5 / A .112,312 @6", 300},
		{HST "A F111,311 @1 / B F311,112 @1.25", -1},
		{HST "A F111,311 @1 / B .311,112 @1.25 / B RA311,112 @2", -1},
		{HST "A .111,311 @1", -1},
		{HST "A F111,312 @1 / B F311,112 @2 / A .112,312 @3", -1}, /* each has the other's: the first copy of one is missing */
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench *b = recorded(cases[i].dialogue);
		int64_t want = cases[i].latency < 0 ? -1 : cases[i].latency * MILLISECONDS;
		cr_expect_eq(b->record[0].close_latency, want, "%s: %ld", cases[i].dialogue, (long)b->record[0].close_latency);
		bench_free(b);
	}
}

Test(close, silence_before_the_close)
{
	static const struct {
		const char *dialogue;
		int64_t idle, quiet; /* ms (-1 unknown); seconds that the capture goes on */
	} cases[] = {
		{HST "A .111,311 @1 / B F311,111 @61 / A F111,312 @61.5 / B .312,112 @62", 60000, 0},
		{HST "A .111,311 @1 / B RA311,111 @4", 3000, 0},
		{HST "A .111,311 @1 / B RA311,111 @4 / A R111 @9", 3000, 0},
		{HST "A .111,311 @1 / B R999999999 @4 / A F111,311 @9", 5000, 0}, /* that one was not effective: a segment like others */
		{HST "A .111,311 @1", 20000, 20},
		{HST "A .111,311 @1 / B .311,111 @5", 0, 0},
		{HST "A .111,311 @1 / A D110+1,311 @46 / B .311,111 @46.1 / A F111,311 @91.1", 45000, 0}, /* a keep-alive */
		{"A S100 @1 / B RA0,101 @1.2", 200, 0},
		{"A F100,300 @1 / B .300,101 @2", -1, 0}, /* nothing before it was captured */
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench *b = bench_new();
		play(b, cases[i].dialogue);
		quiet(b, cases[i].quiet);
		bench_finish(b);
		int64_t want = cases[i].idle < 0 ? -1 : cases[i].idle * MILLISECONDS;
		cr_expect_eq(b->record[0].idle, want, "%s: %ld", cases[i].dialogue, (long)b->record[0].idle);
		bench_free(b);
	}
}

Test(close, close_wait_is_left_by_the_second_fin_or_a_reset)
{
	static const struct {
		const char *dialogue;
		uint8_t holder;
		int64_t stay; /* ms */
		bool open;
		int64_t quiet; /* seconds that the capture goes on */
	} cases[] = {
		{HST "A F111,311 @1 / B .311,112 @1.01 / B F311,112 @1.5 / A .112,312 @1.52", SERVER, 490, false, 0},
		{HST "B F311,111 @1 / A .111,312 @1.01 / A F111,312 @3 / B .312,112 @3.1", CLIENT, 1990, false, 0},
		{HST "A F111,311 @1 / B F311,112 @1.2 / A .112,312 @1.3", SERVER, 0, false, 0},
		{HST "A F111,311 @1 / B .311,112 @1.1", SERVER, 600000, true, 600},
		{HST "A F111,311 @1 / B .311,112 @1.1 / B RA311,112 @7.1 / A R112 @8", SERVER, 6000, false, 0},
		{HST "A F111,311 @1 / B .311,112 @1.1 / B D311+9,112 @5.1 / A R112 @5.2", SERVER, 4100, false, 0},
		{HST "A F111,311 @1 / B F311,111 @1.001 / A .112,312 @1.05 / B .312,112 @1.1", NOBODY, 0, false, 0}, /* CLOSING */
		{HST "A F111,311 @1", NOBODY, 0, false, 60},
		{HST "A .111,311 @1", NOBODY, 0, false, 60},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench *b = bench_new();
		play(b, cases[i].dialogue);
		quiet(b, cases[i].quiet);
		bench_finish(b);
		const struct tcpaudit_connection *c = &b->record[0];
		cr_expect_eq(c->close_wait_holder, cases[i].holder, "%s: %s", cases[i].dialogue,
		             tcpaudit_who_name((enum tcpaudit_who)c->close_wait_holder));
		cr_expect_eq(c->close_wait_duration, cases[i].stay * MILLISECONDS, "%s: %ld", cases[i].dialogue,
		             (long)c->close_wait_duration);
		cr_expect_eq(c->close_wait_open, cases[i].open, "%s", cases[i].dialogue);
		bench_free(b);
	}
}

Test(close, what_was_on_its_way_when_a_fin_was_sent)
{
	struct bench *b = recorded(HST "A D111+100,311 / A F211+20,311 / B .311,211 / B F311,232 / A .232,312");
	cr_assert_eq(b->record[0].end[A].in_flight_at_fin, 120);
	cr_assert_eq(b->record[0].end[B].in_flight_at_fin, 0);
	cr_assert_not(b->record[0].end[A].zero_window_at_fin);
	bench_free(b);
	b = recorded(HST "A D111+100,311 / B .311,211 win=0 / A F211,311 @2 / A F211,311 @3 / B .311,212 @4");
	cr_assert_eq(b->record[0].end[A].in_flight_at_fin, 0);
	cr_assert(b->record[0].end[A].zero_window_at_fin);
	cr_assert_not(b->record[0].end[B].zero_window_at_fin);
	bench_free(b);
	b = recorded(HST "A D111+100,311 / B .311,211 win=0 / B .311,211 win=900 / A F211,311 @2 / B .311,212 @4");
	cr_assert_not(b->record[0].end[A].zero_window_at_fin);
	bench_free(b);
}

Test(close, retries_of_the_handshake)
{
	static const struct {
		const char *dialogue;
		uint8_t syn, syn_ack;
	} cases[] = {
		{HST "A F111,311", 0, 0},
		{"A S100 / A S100 @1 / A S100 @3 / B SA300,101 @3.1 / A .101,301", 2, 0},
		{"A S100 / B SA300,101 / A S100 @1 / B SA300,101 @1.01 / A .101,301 / A F101,301 / B .301,102", 1, 1},
		{"A S100 / B SA300,101 / B SA300,101 @1 / B SA300,101 @3 / A .101,301 @3.1", 0, 2},
		{"A S100 id=7 / A S100 id=8 @1 / A S100 id=8 @1.5 / B SA300,101 @2", 1, 0}, /* the network's copy */
		{"A S100 / B S300 / A SA100,301 / B SA300,101", 0, 0},
		{"A S100 / B S300 / B S300 @1 / A SA100,301 / B SA300,101 / B SA300,101 @3", 0, 0}, /* not told apart */
		{"A D101+10,301 / B .301,111", 0, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench *b = recorded(cases[i].dialogue);
		cr_expect_eq(b->record[0].syn_retries, cases[i].syn, "%s: %u", cases[i].dialogue, b->record[0].syn_retries);
		cr_expect_eq(b->record[0].syn_ack_retries, cases[i].syn_ack, "%s: %u", cases[i].dialogue, b->record[0].syn_ack_retries);
		bench_free(b);
	}
}

/* ---- the incarnation before ---- */

/* Plays `dialogue` and looks at its second connection. */
static struct bench *reused(const char *dialogue, const struct tcpaudit_connection **second)
{
	struct bench *b = bench_new();

	play(b, dialogue);
	bench_finish(b);
	cr_assert_eq(b->records, 2, "%s", dialogue);
	*second = &b->record[b->record[0].id > b->record[1].id ? 0 : 1];
	return b;
}

static const char *verdict_of(const struct tcpaudit_connection *c)
{
	size_t count;

	return c->reuse_verdict ? tcpaudit_checks(&count)[c->reuse_verdict - 1].id : "none";
}

Test(close, reuse_is_measured)
{
	static const struct {
		const char *dialogue;
		int64_t interval; /* ms */
		bool isn_known, ts_known;
		int32_t isn, ts;
		const char *verdict;
	} cases[] = {
		{HST "B F311,111 @1 / A F111,312 / B .312,112 @2 / A S500112 @200 / B SA900000,500113 / A .500113,900001", 198000, true, false, 500000, 0,
		 "none"},
		{HST "A F111,311 @1 / B F311,112 / A .112,312 @2 / A S65649 @20 / B SA900000,65650 / A .65650,900001", 18000, true, false, 65537, 0,
		 "tw-active-reopen"},
		{HST "A .111,311 @1 / A S20 @3 / B SA900000,21 / A .21,900001", 2000, true, false, -91, 0, "reuse-while-open"},
		{"A S100 ts=50,0 / B SA300,101 ts=7,50 / A .101,301 ts=60,7 / A RA101,301 ts=70,7 @1 / A S900 ts=40,0 @2", 1000, true, true, 799, -30,
		 "reuse-ts-regress"},
		{"A S100 ts=50,0 / B SA300,101 ts=7,50 / A .101,301 ts=60,7 / A RA101,301 ts=70,7 @1 / A S900 @2", 1000, true, false, 799, 0, "tw-after-rst"},
		/* the server's turn to be the client: its numbers are those of this end */
		{HST "B RA311,111 @1 / B S1311 @5", 4000, true, false, 1000, 0, "tw-after-rst"},
		/* nothing that this end sent was captured */
		{"B D301+10,101 / B D311+10,101 @1 / A S900 @2 / B SA400000,901 / A .901,400001", 1000, false, false, 0, 0, "reuse-while-open"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct tcpaudit_connection *c;
		struct bench *b = reused(cases[i].dialogue, &c);
		cr_expect_neq(c->reuse_of, 0, "%s", cases[i].dialogue);
		cr_expect_lt(c->reuse_of, c->id, "%s", cases[i].dialogue);
		cr_expect_eq(c->reuse_interval, cases[i].interval * MILLISECONDS, "%s: %ld", cases[i].dialogue, (long)c->reuse_interval);
		cr_expect_eq(c->isn_delta_known, cases[i].isn_known, "%s", cases[i].dialogue);
		cr_expect_eq(c->isn_delta, cases[i].isn, "%s: %d", cases[i].dialogue, c->isn_delta);
		cr_expect_eq(c->ts_delta_known, cases[i].ts_known, "%s", cases[i].dialogue);
		cr_expect_eq(c->ts_delta, cases[i].ts, "%s: %d", cases[i].dialogue, c->ts_delta);
		cr_expect_str_eq(verdict_of(c), cases[i].verdict, "%s: %s", cases[i].dialogue, verdict_of(c));
		bench_free(b);
	}
}

Test(close, a_first_incarnation_reuses_nothing)
{
	struct bench *b = recorded(HST "A F111,311 / B F311,112 / A .112,312");
	cr_assert_eq(b->record[0].reuse_of, 0);
	cr_assert_eq(b->record[0].reuse_verdict, 0);
	bench_free(b);
}

Test(close, vantage_as_the_user_says)
{
	struct bench *b = bench_prepare();
	b->settings.vantage = 1 << B;
	bench_start(b);
	play(b, HST "A RA111,311");
	bench_finish(b);
	cr_assert_eq(b->record[0].end[B].vantage, TCPAUDIT_VANTAGE_AT);
	cr_assert_neq(b->record[0].end[A].vantage, TCPAUDIT_VANTAGE_AT);
	bench_free(b);
}

Test(close, vantage_by_turnaround)
{
	struct bench *b = recorded("A S100 / B SA300,101 @0.0001 / A .101,301 @0.05 / A RA101,301");
	cr_assert_eq(b->record[0].end[B].vantage, TCPAUDIT_VANTAGE_NEAR);
	cr_assert_eq(b->record[0].end[A].vantage, TCPAUDIT_VANTAGE_FAR);
	bench_free(b);
}

Test(close, vantage_of_the_host_that_sends)
{
	struct bench *b = recorded("A S100 out / B SA300,101 / A .101,301 out / A RA101,301 out");
	cr_assert_eq(b->record[0].end[A].vantage, TCPAUDIT_VANTAGE_AT);
	bench_free(b);
}

/* A host that refuses looks like a router that rejects in its name. */
Test(close, no_vantage_of_a_name_that_only_resets)
{
	struct bench *b = recorded("A S100 / B RA0,101 out");
	cr_assert_eq(b->record[0].kind, TCPAUDIT_KIND_REFUSED);
	cr_assert_eq(b->record[0].end[B].vantage, TCPAUDIT_VANTAGE_UNKNOWN);
	bench_free(b);
}

Test(close, holes_make_a_kind_less_than_certain)
{
	struct bench *b = recorded(HST "A F211,311 / B .311,212 / B F311,212 / A .212,312"); /* 100 octets were not captured */
	assert_kind(b, 0, FOUR_WAY);
	cr_assert_eq(b->record[0].confidence, TCPAUDIT_LIKELY);
	cr_assert(noted(&b->record[0], "cap-gap-acked"));
	bench_free(b);
}

/* 70 forged SYNs must not hide how the connection really closed (reliability.md T6): what is kept is bounded, what is
 * counted is not. */
Test(close, noise_before_the_close_does_not_hide_it)
{
	struct bench *b = bench_new();
	play(b, HST "A .111,311");
	for (int i = 0; i < 70; i++)
		play(b, "B R900 / A R700");
	play(b, "A F111,311 / B .311,112 / B F311,112 / A .112,312");
	bench_finish(b);
	cr_assert_eq(b->records, 1);
	assert_kind(b, 0, FOUR_WAY);
	cr_assert_neq(b->record[0].confidence, TCPAUDIT_CERTAIN);
	bench_free(b);
}
