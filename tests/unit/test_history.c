/* test_history.c - what is kept of a connection, and what it says of the FINs. */
#include <criterion/criterion.h>

#include <string.h>

#include "mirror/history.h"

#define MILLISECONDS INT64_C(1000000)
#define A TCPAUDIT_CLIENT
#define B TCPAUDIT_SERVER

/* A history fed as connection.c feeds it: judged, added, then taken. */
struct tape {
	struct history history;
	struct tcb end[2];
	struct tcb_rare rare[2];
	int64_t time;
	uint64_t frame;
	uint16_t ip_id;
	uint8_t ttl;
	uint32_t tsval; /* 0 none */
	bool kept;
};

static struct tape tape;

static void fini(void)
{
	history_fini(&tape.history);
}

static bool add(unsigned from, uint16_t flags, uint32_t seq, uint32_t len, uint32_t ack)
{
	struct tcpaudit_segment s;

	memset(&s, 0, sizeof s);
	tape.time += 10 * MILLISECONDS;
	s.time = tape.time;
	s.frame = s.ordinal = ++tape.frame;
	s.flags = flags;
	s.seq = seq;
	s.len = len;
	s.ack = ack;
	s.window = 8192;
	s.ttl = tape.ttl ? tape.ttl : 64;
	s.ip_id = tape.ip_id;
	if (tape.tsval) {
		s.options = TCPAUDIT_OPT_TIMESTAMPS;
		s.tsval = tape.tsval;
	}
	struct sent sent = tcb_judge(&tape.end[from], &tape.rare[from], &tape.end[!from], &s, 10 * MILLISECONDS);
	tape.kept = history_add(&tape.history, tape.end, &s, from, &sent, 0, 0);
	tcb_sent(&tape.end[from], &tape.rare[from], &tape.end[!from], &s, &sent, sent.fits);
	return tape.kept;
}

/* A's stream ends at 101, B's at 301. */
static void init(void)
{
	memset(&tape, 0, sizeof tape);
	history_init(&tape.history);
	add(A, TCPAUDIT_SYN, 100, 0, 0);
	add(B, TCPAUDIT_SYN | TCPAUDIT_ACK, 300, 0, 101);
	add(A, TCPAUDIT_ACK, 101, 0, 301);
}

TestSuite(history, .init = init, .fini = fini);

#define ACK TCPAUDIT_ACK
#define FIN (TCPAUDIT_FIN | TCPAUDIT_ACK)

static const struct event *event_at(int i)
{
	cr_assert(i >= 0 && i < tape.history.count, "event %d of %u", i, tape.history.count);
	return &tape.history.event[i];
}

/* Every index points to an event that is what the index says. */
static void check_indices(void)
{
	const struct history *h = &tape.history;
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &h->fin[x];
		if (f->first >= 0) {
			const struct event *e = event_at(f->first);
			cr_assert(e->from == x && e->flags & TCPAUDIT_FIN && e->seq + e->len == f->u, "first");
		}
		if (f->acked >= 0) {
			const struct event *e = event_at(f->acked);
			cr_assert(e->from != x && e->flags & TCPAUDIT_ACK && seq_gt(e->ack, f->u), "acked: event %d", f->acked);
		}
		if (f->acked_wrong >= 0) {
			const struct event *e = event_at(f->acked_wrong);
			cr_assert(e->from != x && seq_gt(e->ack, f->u + 1), "acked_wrong");
		}
		if (f->data_after >= 0) {
			const struct event *e = event_at(f->data_after);
			cr_assert(e->from == x && e->len && seq_gt(e->seq + e->len, f->u), "data_after");
		}
		if (f->moved >= 0) {
			const struct event *e = event_at(f->moved);
			cr_assert(e->from == x && e->flags & TCPAUDIT_FIN && e->seq + e->len != f->u, "moved");
		}
	}
	if (h->first_reset_any >= 0)
		cr_assert(event_at(h->first_reset_any)->flags & TCPAUDIT_RST);
	if (h->first_reset >= 0)
		cr_assert(event_at(h->first_reset)->flags & TCPAUDIT_RST);
}

Test(history, facts_of_an_orderly_close)
{
	add(A, FIN, 101, 20, 301); /* u = 121 */
	add(B, ACK, 301, 0, 122);
	add(B, FIN, 301, 0, 122);
	add(A, ACK, 122, 0, 302);
	const struct fin_facts *a = &tape.history.fin[A], *b = &tape.history.fin[B];
	cr_assert(a->sent && b->sent && !a->forged);
	cr_assert_eq(a->u, 121);
	cr_assert_eq(b->u, 301);
	cr_assert_eq(a->copies, 1);
	cr_assert_eq(event_at(a->acked)->frame, 5);
	cr_assert_eq(event_at(b->acked)->frame, 7);
	cr_assert_eq(a->acked_wrong, -1);
	cr_assert_eq(a->moved, -1);
	cr_assert_eq(a->data_after, -1);
	cr_assert_eq(a->peer_text, 0);
	cr_assert(event_at(a->first)->is & EVENT_FIRST_FIN);
	cr_assert_eq(a->acked_time, event_at(a->acked)->time);
	check_indices();
}

Test(history, copies_moved_fins_and_text_behind)
{
	add(A, FIN, 101, 0, 301);
	add(A, FIN, 101, 0, 301);
	cr_assert_eq(tape.history.fin[A].copies, 2);
	add(A, FIN, 141, 0, 301);
	cr_assert_eq(tape.history.fin[A].copies, 2);
	cr_assert_eq(event_at(tape.history.fin[A].moved)->seq, 141);
	cr_assert_eq(tape.history.fin[A].u, 101);
	add(A, ACK, 102, 10, 301);
	cr_assert_eq(event_at(tape.history.fin[A].data_after)->seq, 102);
	add(B, ACK, 301, 0, 150);
	cr_assert_eq(event_at(tape.history.fin[A].acked_wrong)->ack, 150);
	check_indices();
}

Test(history, a_keep_alive_after_the_fin_is_no_text_behind_it)
{
	add(A, FIN, 101, 0, 301);
	add(A, ACK, 101, 1, 301); /* SND.NXT-1, one octet of garbage */
	cr_assert_eq(tape.history.fin[A].data_after, -1);
}

Test(history, half_close_counts_what_the_other_end_sends_knowing_of_it)
{
	add(B, ACK, 301, 100, 101); /* not yet */
	add(A, FIN, 101, 0, 301);
	add(B, ACK, 401, 100, 101); /* still not knowing */
	add(B, ACK, 501, 100, 102);
	add(B, ACK, 501, 100, 102); /* again: no new text */
	add(B, ACK, 601, 50, 102);
	add(B, FIN, 651, 5, 102);
	cr_assert_eq(tape.history.fin[A].peer_text, 155);
}

Test(history, a_fin_without_ack_is_nobodys)
{
	add(A, TCPAUDIT_FIN, 101, 0, 0);
	cr_assert_not(tape.history.fin[A].sent);
	add(A, TCPAUDIT_FIN | TCPAUDIT_RST | TCPAUDIT_ACK, 101, 0, 301);
	cr_assert_not(tape.history.fin[A].sent);
	add(A, TCPAUDIT_FIN | TCPAUDIT_SYN | TCPAUDIT_ACK, 101, 0, 301);
	cr_assert_not(tape.history.fin[A].sent);
}

Test(history, a_stray_fin_is_nobodys)
{
	add(A, FIN, 101 + 200000, 0, 301);
	cr_assert_not(tape.history.fin[A].sent);
	cr_assert(event_at(tape.history.count - 1)->is & EVENT_STRAY);
}

/* ---- runs ---- */

/* Behind SYN cookies a server may have one block after the other on a connection; the second one knows of no text. */
Test(history, a_fin_of_another_block_stands_nowhere)
{
	tape.tsval = 10;
	add(A, ACK, 101, 100, 301);
	add(B, ACK, 301, 200, 201);
	add(A, ACK, 201, 0, 501);
	tape.tsval = 20;
	add(B, FIN, 301, 0, 101);
	cr_expect(event_at(tape.history.count - 1)->is & EVENT_STRAY);
	cr_expect_not(tape.history.fin[B].sent);
	cr_expect_lt(tape.history.fin[B].behind, 0);
	tape.tsval = 30;
	add(B, FIN, 301, 0, 201);
	cr_expect_geq(tape.history.fin[B].behind, 0, "it knows of the text, and closes where it had sent some");
}

/* Behind more than half the circle of numbers, what the stream has passed seems to be below the ISS. */
Test(history, a_fin_at_a_number_that_a_long_stream_has_passed)
{
	uint32_t next = 101;

	for (; next < 2400000000; next += 60000) {
		add(A, ACK, next, 60000, 301);
		add(B, ACK, 301, 0, next + 60000);
	}
	add(A, FIN, next - 50, 0, 301);
	cr_expect_not(tape.history.fin[A].sent);
	cr_expect_geq(tape.history.fin[A].behind, 0);
}

/* Its reset is ignored, and what it sent before the newest acknowledgment comes after that: the path has swapped the two. */
Test(history, what_the_path_has_swapped_is_of_no_other_block)
{
	tape.tsval = 10;
	add(B, TCPAUDIT_RST, 90000, 0, 0);
	add(A, ACK, 101, 100, 301);
	tape.tsval = 30;
	add(B, ACK, 302, 0, 201);
	tape.tsval = 20;
	add(B, FIN, 301, 0, 101);
	cr_expect(tape.history.fin[B].sent);
}

Test(history, of_a_run_the_first_and_the_newest_stay)
{
	add(A, FIN, 101, 0, 301);
	uint8_t before = tape.history.count;
	for (int i = 0; i < 500; i++) /* a long half-close */
		cr_assert(add(B, ACK, 301 + (uint32_t)i * 100, 100, 102));
	cr_assert_eq(tape.history.count, before + 2);
	const struct event *newest = event_at(tape.history.count - 1), *first = event_at(before);
	cr_assert_eq(first->seq, 301);
	cr_assert_eq(newest->seq, 301 + 499 * 100);
	cr_assert(newest->is & EVENT_NEWEST);
	cr_assert_not(first->is & EVENT_NEWEST);
	cr_assert_eq(newest->run, 498);
	cr_assert_eq(tape.history.fin[A].peer_text, 50000);
	cr_assert_eq(tape.history.dropped, 0);
	check_indices();
}

Test(history, a_run_counts_no_further_than_it_can)
{
	add(A, FIN, 101, 0, 301);
	for (uint32_t i = 0; i < 70000; i++)
		add(B, ACK, 301 + i, 1, 102);
	cr_assert_eq(event_at(tape.history.count - 1)->run, UINT16_MAX);
}

Test(history, runs_of_both_ends_interleave)
{
	add(A, FIN, 101, 0, 301);
	uint8_t before = tape.history.count;
	for (uint32_t i = 0; i < 300; i++) {
		add(B, ACK, 301 + i * 100, 100, 102);
		add(A, ACK, 102, 0, 401 + i * 100);
	}
	cr_assert(tape.history.count <= before + 6, "%u events", tape.history.count);
	check_indices();
	add(B, FIN, 301 + 30000, 0, 102);
	add(A, ACK, 102, 0, 302 + 30000);
	cr_assert_eq(event_at(tape.history.fin[B].acked)->frame, tape.frame);
	check_indices();
}

Test(history, a_control_segment_ends_a_run)
{
	add(A, FIN, 101, 0, 301);
	add(B, ACK, 301, 0, 102);
	add(B, ACK, 301, 0, 102);
	add(A, FIN, 101, 0, 301);
	uint8_t before = tape.history.count;
	add(B, ACK, 301, 0, 102);
	cr_assert_eq(tape.history.count, before + 1);
	cr_assert_not(event_at(tape.history.count - 1)->is & EVENT_NEWEST);
	check_indices();
}

/* The acknowledgments of the FIN are captured before the FIN: when a run of them is thinned out, the index must not slip. */
Test(history, an_acknowledgment_that_begins_within_a_run_keeps_its_index)
{
	add(B, FIN, 301, 0, 101);
	add(B, ACK, 302, 0, 102); /* of a FIN that the capture shows only now: */
	add(A, FIN, 101, 0, 301);
	for (int i = 0; i < 4; i++) {
		add(B, ACK, 302, 0, 102);
		add(A, ACK, 102, 0, 302);
		check_indices();
	}
}

Test(history, an_acknowledgment_before_the_fin_and_its_run)
{
	add(B, ACK, 301, 0, 102); /* reordered by the capture */
	add(B, ACK, 301, 0, 102);
	add(A, TCPAUDIT_ACK, 101, 0, 301);
	add(A, FIN, 101, 0, 301);
	for (int i = 0; i < 4; i++) {
		add(B, ACK, 301, 0, 102);
		add(A, ACK, 102, 0, 301);
		check_indices();
	}
}

/* ---- room ---- */

Test(history, grows_to_its_bound_and_counts_what_does_not_fit)
{
	size_t inside = history_memory(&tape.history);
	cr_assert_eq(inside, 0);
	add(A, FIN, 101, 0, 301);
	uint32_t i = 0;
	while (tape.history.dropped == 0 && i < 1000) { /* no two alike; the last places are kept for what comes first of its kind */
		add(i % 2 ? A : B, i % 2 ? TCPAUDIT_RST : TCPAUDIT_SYN, 5000 + i, 0, 0);
		i++;
	}
	unsigned full = tape.history.count;
	cr_assert(full > HISTORY_MOST / 2 && full < HISTORY_MOST, "%u", full);
	cr_assert_eq(tape.history.dropped, 1);
	cr_assert_not(add(B, TCPAUDIT_SYN, 1, 0, 0));
	cr_assert_eq(tape.history.dropped, 2);
	cr_assert(add(B, FIN, 301, 0, 102), "the other FIN, and the first acknowledgment of ours");
	cr_assert_eq(tape.history.count, full + 1);
	check_indices();
	history_fini(&tape.history);
	cr_assert_eq(history_memory(&tape.history), 0);
}

Test(history, a_full_history_stays_whole)
{
	for (uint32_t i = 0; i < 100; i++)
		add(i % 2 ? A : B, TCPAUDIT_SYN, 5000 + i * 10, 0, 0);
	cr_assert(tape.history.dropped >= 30);
	add(A, FIN, 101, 0, 301);
	add(B, ACK, 301, 0, 102);
	add(B, TCPAUDIT_RST, 301, 0, 0);
	cr_assert_eq(tape.history.resets[B], 1);
	check_indices();
}

Test(history, dropped_is_bounded_too)
{
	for (uint32_t i = 0; i < 70000; i++)
		add(B, TCPAUDIT_SYN, 5000 + i * 3, 0, 0);
	cr_assert_eq(tape.history.dropped, UINT16_MAX);
}

Test(history, of_many_copies_of_a_fin_some_are_enough)
{
	for (uint32_t i = 0; i < 200; i++)
		add(A, FIN, 101, 0, 301);
	cr_assert_eq(tape.history.fin[A].copies, 200);
	cr_assert(tape.history.count < HISTORY_MOST, "room is left for what comes behind");
	add(B, ACK, 301, 0, 102);
	cr_assert(tape.history.fin[A].acked >= 0);
	check_indices();
}

/* ---- copies and order ---- */

Test(history, one_identification_one_segment)
{
	tape.ip_id = 7;
	add(A, FIN, 101, 0, 301);
	tape.ip_id = 0;
	add(B, ACK, 301, 0, 102);
	tape.ip_id = 7; /* the network's copy, late */
	add(A, FIN, 101, 0, 301);
	cr_assert(event_at(tape.history.count - 1)->is & EVENT_DUPLICATE);
	cr_assert_eq(tape.history.fin[A].copies, 1);
	tape.ip_id = 8;
	add(A, FIN, 101, 0, 301);
	cr_assert_not(event_at(tape.history.count - 1)->is & EVENT_DUPLICATE);
	cr_assert_eq(tape.history.fin[A].copies, 2);
}

Test(history, without_identification_nothing_is_a_copy)
{
	add(A, FIN, 101, 0, 301);
	add(A, FIN, 101, 0, 301);
	cr_assert_not(event_at(tape.history.count - 1)->is & EVENT_DUPLICATE);
}

Test(history, overtaken_by_timestamps)
{
	tape.tsval = 1000;
	add(A, FIN, 101, 0, 301);
	cr_assert_not(event_at(tape.history.count - 1)->is & EVENT_TSVAL_FRESH, "no earlier one is known");
	tape.tsval = 1001;
	add(A, FIN, 101, 0, 301);
	cr_assert(event_at(tape.history.count - 1)->is & EVENT_TSVAL_FRESH);
	tape.tsval = 999;
	add(A, ACK, 101, 0, 301);
	cr_assert(event_at(tape.history.count - 1)->is & EVENT_REORDERED);
}

Test(history, overtaken_by_identification)
{
	tape.ip_id = 2;
	add(A, FIN, 101, 0, 301);
	tape.ip_id = 65534; /* four before */
	add(A, ACK, 101, 0, 301);
	cr_assert(event_at(tape.history.count - 1)->is & EVENT_REORDERED);
	tape.ip_id = 3;
	add(A, ACK, 102, 0, 301);
	cr_assert_not(event_at(tape.history.count - 1)->is & EVENT_REORDERED);
}

Test(history, knows_the_acknowledgment_of_its_fin)
{
	add(A, FIN, 101, 0, 301);
	add(B, ACK, 301, 0, 102);
	add(B, ACK, 301, 50, 102);
	add(A, ACK, 102, 0, 351); /* acknowledges text that came behind the acknowledgment */
	cr_assert(event_at(tape.history.count - 1)->is & EVENT_KNOWS_ACK);
}

/* ---- resets ---- */

static unsigned reset_of(unsigned from, uint16_t flags, uint32_t seq, uint32_t ack)
{
	add(from, flags, seq, 0, ack);
	return event_at(tape.history.count - 1)->is & (EVENT_RST_EXACT | EVENT_RST_WINDOW | EVENT_REFUSAL);
}

/* RFC 9293 3.10.7.4 second, RFC 5961 3.2 */
Test(history, resets_at_beside_and_outside_the_window)
{
	cr_assert_eq(reset_of(A, TCPAUDIT_RST, 101 + 8192, 0), 0, "behind the window");
	cr_assert_eq(reset_of(A, TCPAUDIT_RST, 100, 0), 0, "before it");
	cr_assert_eq(reset_of(A, TCPAUDIT_RST, 102, 0), EVENT_RST_WINDOW);
	cr_assert_eq(tape.history.first_reset, -1);
	cr_assert_eq(event_at(tape.history.first_reset_any)->seq, 101 + 8192);
	cr_assert_eq(reset_of(A, TCPAUDIT_RST, 101, 0), EVENT_RST_EXACT);
	cr_assert_eq(event_at(tape.history.first_reset)->seq, 101);
	cr_assert_eq(tape.history.resets[A], 4);
}

Test(history, a_reset_behind_text_in_flight_can_be_exact_anywhere_in_it)
{
	add(A, ACK, 101, 50, 301); /* perhaps arrived, perhaps not */
	cr_assert_eq(reset_of(A, TCPAUDIT_RST, 101, 0), EVENT_RST_EXACT);
	cr_assert_eq(reset_of(A, TCPAUDIT_RST, 151, 0), EVENT_RST_EXACT);
	cr_assert_eq(reset_of(A, TCPAUDIT_RST, 152, 0), EVENT_RST_WINDOW);
}

Test(history, linux_obeys_a_reset_at_the_fin)
{
	add(A, FIN, 101, 0, 301);
	add(B, ACK, 301, 0, 102);
	cr_assert_eq(reset_of(A, TCPAUDIT_RST, 101, 0), EVENT_RST_EXACT);
}

Test(history, refusals)
{
	memset(&tape, 0, sizeof tape);
	history_init(&tape.history);
	add(A, TCPAUDIT_SYN, 100, 0, 0);
	cr_assert_eq(reset_of(B, TCPAUDIT_RST | TCPAUDIT_ACK, 0, 102), 0, "acknowledges what was not sent (3.10.7.3 first)");
	cr_assert_eq(reset_of(B, TCPAUDIT_RST | TCPAUDIT_ACK, 0, 101), EVENT_RST_EXACT | EVENT_REFUSAL);
}

/* ---- forged FINs ---- */

Test(history, a_fin_that_its_neighbours_contradict_is_disowned)
{
	tape.ttl = 48;
	add(A, FIN, 101, 0, 301);
	tape.ttl = 64;
	add(B, ACK, 301, 0, 101);
	add(A, ACK, 101, 40, 301); /* the real sender goes on */
	history_disown_forged(&tape.history, tape.end);
	const struct fin_facts *f = &tape.history.fin[A];
	cr_assert(f->forged && !f->sent);
	cr_assert_eq(f->acked, -1);
	cr_assert(event_at(f->first)->is & EVENT_STRAY);
}

/* The other end acknowledged it before there was text at its number: whoever sent it, it was taken. */
Test(history, a_forged_fin_may_have_been_taken)
{
	tape.ttl = 48;
	add(A, FIN, 101, 0, 301);
	tape.ttl = 64;
	add(B, ACK, 301, 0, 102);
	add(A, ACK, 101, 40, 301);
	history_disown_forged(&tape.history, tape.end);
	const struct fin_facts *f = &tape.history.fin[A];
	cr_assert(f->forged && f->sent && f->acked >= 0);
	cr_assert((event_at(f->first)->is & (EVENT_FOREIGN | EVENT_STRAY)) == EVENT_FOREIGN);
}

Test(history, one_sign_is_not_enough)
{
	add(A, FIN, 101, 0, 301);
	add(A, ACK, 101, 40, 301);
	history_disown_forged(&tape.history, tape.end);
	cr_assert(tape.history.fin[A].sent && !tape.history.fin[A].forged);
}

Test(history, disowning_leaves_an_orderly_close_alone)
{
	add(A, FIN, 101, 0, 301);
	add(B, FIN, 301, 0, 102);
	add(A, ACK, 102, 0, 302);
	history_disown_forged(&tape.history, tape.end);
	cr_assert(tape.history.fin[A].sent && tape.history.fin[B].sent);
}

/* ---- what was known before ---- */

Test(history, predating_events_come_first)
{
	struct event e;
	memset(&tape, 0, sizeof tape);
	history_init(&tape.history);
	memset(&e, 0, sizeof e);
	e.flags = TCPAUDIT_SYN;
	e.seq = 100;
	e.frame = 9;
	for (int i = 0; i < HISTORY_MOST; i++)
		cr_assert(history_prepend(&tape.history, &e, 1));
	cr_assert_not(history_prepend(&tape.history, &e, 1), "full");
	cr_assert(event_at(0)->is & EVENT_PREDATES);
	struct tcpaudit_evidence evidence = event_evidence(event_at(0));
	cr_assert_eq(evidence.frame, 9);
	cr_assert_eq(evidence.seq, 100);
	cr_assert_eq(evidence.flags, TCPAUDIT_SYN);
}

Test(history, where_an_event_ends)
{
	struct event e;
	memset(&e, 0, sizeof e);
	e.seq = 0xfffffffe;
	e.len = 1;
	cr_assert_eq(event_end(&e), 0xffffffff);
	e.flags = TCPAUDIT_FIN;
	cr_assert_eq(event_end(&e), 0);
	e.flags = TCPAUDIT_FIN | TCPAUDIT_SYN;
	cr_assert_eq(event_end(&e), 1);
}
