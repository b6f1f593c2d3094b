/* test_mirror.c - the states of both ends, reached through segments alone: the worked traces of the catalogue, every
 * transition of RFC 9293 3.3.2, and which steps of a route are proven. */
#include "frames.h"

/* Numbers that wrap in the handshake, in the text, at the FIN and nowhere, and the middle of the circle. */
static const uint32_t starts[][2] = {{0, 0}, {0u - 100, 0u - 300}, {0u - 101, 0u - 301}, {0u - 102, 0u - 302}, {0u - 105, 0u - 310},
                                     {0x7fffffff - 101, 0x80000000 - 301}};
#define STARTS (sizeof starts / sizeof starts[0])

typedef void body(struct bench *b);

/* Plays a test at all those numbers, and with the sockets in either order. */
static void everywhere(body *test)
{
	for (size_t i = 0; i < STARTS; i++)
		for (int swapped = 0; swapped < 2; swapped++) {
			struct bench *b = bench_new();
			b->iss[A] = starts[i][0];
			b->iss[B] = starts[i][1];
			b->swapped = swapped;
			test(b);
			bench_free(b);
		}
}

#define EVERYWHERE(name)                             \
	static void body_##name(struct bench *b);    \
	Test(mirror, name)                           \
	{                                            \
		everywhere(body_##name);             \
	}                                            \
	static void body_##name(struct bench *b)

#define HS "A S100 / B SA300,101 / A .101,301"
/* The same with text both ways, so that both ends are proven ESTABLISHED. */
#define HST "A S90 / B SA290,91 / A .91,291 / A D91+10,291 / B D291+10,101 / A .101,301"

#define S_CLOSED STATE(CLOSED)
#define S_LISTEN STATE(LISTEN)
#define S_SYN_SENT STATE(SYN_SENT)
#define S_SYN_RECEIVED STATE(SYN_RECEIVED)
#define S_ESTABLISHED STATE(ESTABLISHED)
#define S_FIN_WAIT_1 STATE(FIN_WAIT_1)
#define S_FIN_WAIT_2 STATE(FIN_WAIT_2)
#define S_CLOSE_WAIT STATE(CLOSE_WAIT)
#define S_CLOSING STATE(CLOSING)
#define S_LAST_ACK STATE(LAST_ACK)
#define S_TIME_WAIT STATE(TIME_WAIT)

/* ---- checks.md 2.4 ---- */

EVERYWHERE(trace_four_way)
{
	play(b, HST " / A F101,301");
	assert_states(b, A, S_FIN_WAIT_1);
	assert_states(b, B, S_ESTABLISHED | S_CLOSE_WAIT);
	play(b, "B .301,102");
	assert_states(b, A, S_FIN_WAIT_1 | S_FIN_WAIT_2);
	assert_states(b, B, S_CLOSE_WAIT);
	play(b, "B F301,102");
	assert_states(b, A, S_FIN_WAIT_1 | S_FIN_WAIT_2 | S_TIME_WAIT);
	assert_states(b, B, S_LAST_ACK);
	play(b, "A .102,302");
	assert_states(b, A, S_TIME_WAIT);
	assert_states(b, B, S_LAST_ACK | S_CLOSED);
	bench_finish(b);
	assert_kind(b, 0, FOUR_WAY);
	assert_route(b, 0, A, "SYN-SENT! ESTABLISHED! FIN-WAIT-1! FIN-WAIT-2! TIME-WAIT!");
	assert_route(b, 0, B, "SYN-RECEIVED! ESTABLISHED! CLOSE-WAIT! LAST-ACK! CLOSED");
}

EVERYWHERE(trace_three_way)
{
	play(b, HS " / A F101,301 / B F301,102");
	assert_states(b, A, S_FIN_WAIT_1 | S_TIME_WAIT);
	assert_states(b, B, S_LAST_ACK);
	play(b, "A .102,302");
	assert_states(b, A, S_TIME_WAIT);
	assert_states(b, B, S_LAST_ACK | S_CLOSED);
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
}

EVERYWHERE(trace_simultaneous)
{
	play(b, HST " / A F101,301 / B F301,101");
	assert_states(b, A, S_FIN_WAIT_1 | S_CLOSING);
	assert_states(b, B, S_FIN_WAIT_1 | S_CLOSING);
	play(b, "A .102,302");
	assert_states(b, A, S_CLOSING);
	assert_states(b, B, S_FIN_WAIT_1 | S_FIN_WAIT_2 | S_CLOSING | S_TIME_WAIT);
	play(b, "B .302,102");
	assert_states(b, A, S_CLOSING | S_TIME_WAIT);
	assert_states(b, B, S_CLOSING | S_TIME_WAIT);
	bench_finish(b);
	assert_kind(b, 0, SIMULTANEOUS);
	cr_assert_eq(b->record[0].closed_first, TCPAUDIT_WHO_BOTH);
	assert_route(b, 0, A, "SYN-SENT! ESTABLISHED! FIN-WAIT-1! CLOSING! TIME-WAIT");
	assert_route(b, 0, B, "SYN-RECEIVED! ESTABLISHED! FIN-WAIT-1! CLOSING TIME-WAIT");
}

/* ---- 3.3.2, figure 5: each transition ---- */

EVERYWHERE(closed_to_syn_sent)
{
	play(b, "A S100");
	assert_states(b, A, S_SYN_SENT);
	cr_assert(b->states[B] & (S_LISTEN | S_CLOSED));
	cr_assert_not(b->states[B] & STATE(ESTABLISHED));
}

EVERYWHERE(listen_to_syn_received)
{
	play(b, "A S100 / B SA300,101");
	assert_states(b, B, S_SYN_RECEIVED);
	assert_states(b, A, S_SYN_SENT | S_ESTABLISHED);
}

EVERYWHERE(syn_sent_to_established_and_syn_received_to_established)
{
	play(b, HS);
	assert_states(b, A, S_ESTABLISHED);
	assert_states(b, B, S_SYN_RECEIVED | S_ESTABLISHED);
	play(b, "A D101+10,301 / B .301,111");
	cr_assert(b->states[B] & S_ESTABLISHED);
	play(b, "B D301+5,111");
	assert_states(b, B, S_ESTABLISHED);
}

/* Figure 7: both SYNs cross. */
EVERYWHERE(syn_sent_to_syn_received_in_a_simultaneous_open)
{
	play(b, "A S100 / B S300");
	assert_states(b, A, S_SYN_SENT | S_SYN_RECEIVED);
	assert_states(b, B, S_SYN_SENT | S_SYN_RECEIVED);
	play(b, "A SA100,301 / B SA300,101");
	cr_assert_not(b->states[A] & ~(S_SYN_RECEIVED | S_ESTABLISHED));
	cr_assert_not(b->states[B] & ~(S_SYN_RECEIVED | S_ESTABLISHED));
	play(b, "A D101+5,301 / B D301+5,106");
	assert_states(b, A, S_ESTABLISHED);
	assert_states(b, B, S_ESTABLISHED);
	play(b, "A F106,306 / B .306,107 / B F306,107 / A .107,307");
	bench_finish(b);
	assert_kind(b, 0, FOUR_WAY);
	assert_route(b, 0, A, "SYN-SENT! SYN-RECEIVED! ESTABLISHED! FIN-WAIT-1! FIN-WAIT-2! TIME-WAIT!");
	assert_route(b, 0, B, "SYN-SENT! SYN-RECEIVED! ESTABLISHED! CLOSE-WAIT! LAST-ACK! CLOSED");
}

EVERYWHERE(syn_sent_to_closed_by_a_refusal)
{
	play(b, "A S100 / B RA0,101");
	cr_assert(b->states[A] & S_CLOSED);
	cr_assert(b->states[A] & S_SYN_SENT, "it need not have arrived");
	bench_finish(b);
	assert_route(b, 0, A, "SYN-SENT! CLOSED");
}

EVERYWHERE(syn_sent_ignores_a_reset_that_acknowledges_nothing)
{
	play(b, "A S100 / B RA0,99");
	assert_states(b, A, S_SYN_SENT);
	play(b, "B R0");
	assert_states(b, A, S_SYN_SENT);
}

/* 3.10.7.4 second: a passive open goes back to LISTEN. */
EVERYWHERE(syn_received_to_listen_by_a_reset)
{
	play(b, "A S100 / B SA300,101 / A R101");
	assert_states(b, A, S_CLOSED);
	assert_states(b, B, S_SYN_RECEIVED | S_LISTEN);
	bench_finish(b);
	assert_route(b, 0, B, "SYN-RECEIVED! LISTEN");
}

/* 3.10.4: CLOSE in SYN-RECEIVED */
EVERYWHERE(syn_received_to_fin_wait_1)
{
	play(b, "A S100 / B SA300,101 / B F301,101");
	assert_states(b, B, S_FIN_WAIT_1);
	play(b, "A .101,302");
	assert_states(b, A, S_CLOSE_WAIT);
	play(b, "A F101,302 / B .302,102");
	assert_states(b, A, S_LAST_ACK | S_CLOSED);
	assert_states(b, B, S_TIME_WAIT);
}

EVERYWHERE(established_to_close_wait_by_a_fin_with_text)
{
	play(b, HST " / A F101+50,301");
	assert_states(b, B, S_ESTABLISHED | S_CLOSE_WAIT);
	play(b, "B .301,151"); /* the text, not the FIN */
	cr_assert(b->states[B] & (S_ESTABLISHED | S_CLOSE_WAIT));
	play(b, "B .301,152");
	assert_states(b, B, S_CLOSE_WAIT);
}

/* A FIN with ack = u was built without the peer's FIN: it had been in ESTABLISHED, and is in FIN-WAIT-1. */
EVERYWHERE(fin_wait_1_to_fin_wait_2_is_proven_by_what_came_with_the_acknowledgment)
{
	play(b, HS " / A F101,301 / B D301+20,102");
	assert_states(b, A, S_FIN_WAIT_1 | S_FIN_WAIT_2);
	play(b, "A .102,321");
	assert_states(b, A, S_FIN_WAIT_2);
	play(b, "B F321,102");
	assert_states(b, A, S_FIN_WAIT_2 | S_TIME_WAIT);
	play(b, "A .102,322");
	assert_states(b, A, S_TIME_WAIT);
	bench_finish(b);
	assert_route(b, 0, A, "SYN-SENT! ESTABLISHED! FIN-WAIT-1! FIN-WAIT-2! TIME-WAIT!");
	assert_kind(b, 0, HALF_CLOSE);
}

EVERYWHERE(a_repeated_fin_refutes_fin_wait_2)
{
	play(b, HS " / A F101,301 id=7 / B .301,102 / A F101,301 id=8 @5");
	assert_states(b, A, S_FIN_WAIT_1);
	play(b, "B .301,102 @5.05");
	assert_states(b, A, S_FIN_WAIT_1 | S_FIN_WAIT_2);
}

/* Nothing tells it from a copy of the network's. */
EVERYWHERE(a_fin_that_may_be_a_copy_refutes_nothing)
{
	play(b, HS " / A F101,301 / B .301,102 / A F101,301 @5");
	assert_states(b, A, S_FIN_WAIT_1 | S_FIN_WAIT_2);
}

EVERYWHERE(fin_wait_1_to_closing_is_certain_where_no_acknowledgment_was_sent)
{
	play(b, HS " / A F101,301 / B F301,101 / A .102,302");
	assert_states(b, A, S_CLOSING);
	play(b, "A F101,302 @6"); /* it repeats its FIN from there */
	assert_states(b, A, S_CLOSING);
	play(b, "B .302,102");
	assert_states(b, A, S_CLOSING | S_TIME_WAIT);
}

EVERYWHERE(close_wait_to_last_ack_to_closed)
{
	play(b, HS " / A F101,301 / B .301,102 / B D301+10,102 / B F311,102 / B F311,102 @4");
	assert_states(b, B, S_LAST_ACK);
	play(b, "A .102,312 @4.01");
	assert_states(b, B, S_LAST_ACK | S_CLOSED);
}

EVERYWHERE(time_wait_answers_a_repeated_fin)
{
	play(b, HS " / A F101,301 / B F301,102 / A .102,302 / B F301,102 @1 / A .102,302 @1.01");
	assert_states(b, A, S_TIME_WAIT);
	bench_finish(b);
	cr_assert_eq(b->record[0].time_wait_holder, TCPAUDIT_WHO_CLIENT);
	cr_assert_eq(b->record[0].time_wait_restarts, 1);
}

EVERYWHERE(time_wait_to_closed_shows_in_a_reset)
{
	play(b, HS " / A F101,301 / B F301,102 / A .102,302 / B F301,102 @1 / A R102 @1.01");
	assert_states(b, A, S_CLOSED);
	bench_finish(b);
	cr_assert_eq(findings_of(b, "tw-early-gone"), 1);
}

/* ---- resets ---- */

EVERYWHERE(any_state_to_closed_by_sending_a_reset)
{
	play(b, HS " / A RA101,301");
	assert_states(b, A, S_CLOSED);
	cr_assert(b->states[B] & S_CLOSED);
	cr_assert(b->states[B] & (S_ESTABLISHED | S_SYN_RECEIVED));
	bench_finish(b);
	assert_route(b, 0, A, "SYN-SENT! ESTABLISHED! CLOSED!");
}

EVERYWHERE(a_reset_to_every_state_that_has_closed)
{
	static const char *const before[] = {HS " / A F101,301", HS " / A F101,301 / B .301,102", HS " / A F101,301 / B F301,101 / A .102,302"};
	static const char *const reset[] = {"B RA301,102", "B RA301,102", "B RA302,102"};
	for (size_t i = 0; i < 3; i++) {
		struct bench *c = bench_new();
		c->iss[A] = b->iss[A];
		c->iss[B] = b->iss[B];
		c->swapped = b->swapped;
		play(c, before[i]);
		play(c, reset[i]);
		assert_states(c, B, S_CLOSED);
		cr_assert(c->states[A] & S_CLOSED, "%zu", i);
		bench_free(c);
	}
}

EVERYWHERE(a_reset_in_the_window_is_only_challenged)
{
	play(b, HS " / A D101+10,301 / B .301,111 / B R311");
	cr_assert_not(b->states[A] & S_CLOSED);
	assert_states(b, A, S_ESTABLISHED);
	assert_states(b, B, S_CLOSED);
}

EVERYWHERE(a_syn_in_a_synchronized_state_changes_nothing)
{
	play(b, HS " / A D101+10,301 / B D301+10,111 / A .111,311");
	tcpaudit_state_set was = b->states[A];
	play(b, "B S300");
	cr_assert_eq(b->states[A], was);
}

/* ---- what an observer cannot know ---- */

EVERYWHERE(an_acknowledgment_of_u_leaves_the_fin_out)
{
	play(b, HST " / A F101,301 / B .301,101");
	assert_states(b, B, S_ESTABLISHED | S_CLOSE_WAIT);
}

EVERYWHERE(text_proves_that_the_fin_had_not_come)
{
	play(b, HS " / A F101,301 / B D301+10,101");
	assert_states(b, B, S_ESTABLISHED | S_CLOSE_WAIT);
	cr_assert_not(b->states[A] & S_FIN_WAIT_2, "nothing acknowledged its FIN");
}

EVERYWHERE(the_fin_of_the_second_closer_may_have_been_queued)
{
	/* checks.md 2, wire states: a close counts from the first FIN that was sent */
	play(b, HS " / A F101,301 / B F301,102");
	cr_assert(b->states[B] & S_LAST_ACK);
}

EVERYWHERE(a_close_whose_handshake_was_not_captured)
{
	play(b, "A D101+10,301 / B D301+10,111 / A .111,311 / A F111,311");
	assert_states(b, A, S_FIN_WAIT_1);
	assert_states(b, B, S_ESTABLISHED | S_CLOSE_WAIT);
	play(b, "B .311,112 / B F311,112 / A .112,312");
	assert_states(b, A, S_TIME_WAIT);
	bench_finish(b);
	assert_kind(b, 0, FOUR_WAY);
	cr_assert(noted(&b->record[0], "cap-midstream"));
}

EVERYWHERE(a_fin_that_was_not_captured_stays_possible)
{
	play(b, "A .101,301 / B .301,101");
	cr_assert(b->states[A] & S_ESTABLISHED);
	cr_assert(b->states[A] & (S_FIN_WAIT_2 | S_TIME_WAIT | S_CLOSE_WAIT), "it sends nothing: perhaps it has closed");
}

EVERYWHERE(the_servers_close_is_the_mirror_image)
{
	play(b, HS " / B F301,101");
	assert_states(b, B, S_FIN_WAIT_1);
	assert_states(b, A, S_ESTABLISHED | S_CLOSE_WAIT);
	play(b, "A .101,302");
	assert_states(b, A, S_CLOSE_WAIT);
	cr_assert_not(b->states[B] & ~(S_FIN_WAIT_1 | S_FIN_WAIT_2));
	play(b, "A F101,302");
	assert_states(b, A, S_LAST_ACK);
	play(b, "B .302,102");
	assert_states(b, B, S_TIME_WAIT);
	assert_states(b, A, S_LAST_ACK | S_CLOSED);
	bench_finish(b);
	assert_kind(b, 0, FOUR_WAY);
	cr_assert_eq(b->record[0].closed_first, TCPAUDIT_WHO_SERVER);
	cr_assert_eq(b->record[0].time_wait_holder, TCPAUDIT_WHO_SERVER);
}

/* Bad numbers prove nothing and reach nobody. */
EVERYWHERE(strays_are_no_stimuli)
{
	play(b, HST);
	tcpaudit_state_set was[2] = {b->states[A], b->states[B]};
	play(b, "A F1000000,301 / B F2000000,101 / A .101,3000000");
	assert_states(b, A, was[A]);
	assert_states(b, B, was[B]);
}

/* A reset with a number that is neither the sender's SND.NXT (3.10.5) nor one that was ever acknowledged to it (3.10.7.1) is
 * no reset of that sender: it closes neither end, and it proves nothing. */
EVERYWHERE(a_blind_reset_closes_nobody)
{
	play(b, HST);
	play(b, "B R2000000");
	assert_states(b, A, S_ESTABLISHED);
	assert_states(b, B, S_ESTABLISHED);
	play(b, "A F101,301 / B F301,102 / A .102,302");
	bench_finish(b);
	assert_kind(b, 0, THREE_WAY);
	cr_assert_eq(b->record[0].aborted_by, TCPAUDIT_WHO_NONE);
	assert_route(b, 0, B, "SYN-RECEIVED! ESTABLISHED! CLOSE-WAIT! LAST-ACK! CLOSED");
}

/* A route never has more steps than the diagram allows, whatever is said. */
EVERYWHERE(a_quarrel_has_no_end_but_a_bound)
{
	play(b, HS);
	for (int i = 0; i < 20; i++)
		play(b, "A F101,301 / B F301,101 / A .102,302 / B .302,102 / A F101,302 / B F301,102 / A D101+10,301 / B RA301,101");
	cr_assert_neq(b->states[A], 0);
	cr_assert_neq(b->states[B], 0);
	bench_finish(b);
	cr_assert(b->record[0].transition_count <= BENCH_STEPS);
}

/* ---- routes ---- */

Test(mirror, every_step_names_its_frame_and_its_proof)
{
	struct bench *b = bench_new();
	play(b, HS " / A F101,301 / B .301,102 / B F301,102 / A .102,302");
	bench_finish(b);
	const struct tcpaudit_connection *c = &b->record[0];
	static const struct {
		uint8_t end, to;
		uint64_t at, proof;
	} want[] = {
		{A, TCPAUDIT_SYN_SENT, 1, 1}, {A, TCPAUDIT_ESTABLISHED, 2, 3}, {A, TCPAUDIT_FIN_WAIT_1, 4, 4},
		{A, TCPAUDIT_FIN_WAIT_2, 5, 7}, {A, TCPAUDIT_TIME_WAIT, 6, 7}, {B, TCPAUDIT_SYN_RECEIVED, 1, 2},
		{B, TCPAUDIT_ESTABLISHED, 3, 5}, {B, TCPAUDIT_CLOSE_WAIT, 4, 5}, {B, TCPAUDIT_LAST_ACK, 6, 6}, {B, TCPAUDIT_CLOSED, 7, 0},
	};
	cr_assert_eq(c->transition_count, sizeof want / sizeof want[0]);
	for (size_t i = 0; i < c->transition_count; i++) {
		cr_assert_eq(c->transitions[i].end, want[i].end);
		cr_assert_eq(c->transitions[i].to, want[i].to);
		cr_assert_eq(c->transitions[i].at.frame, want[i].at, "step %zu at %lu", i, (unsigned long)c->transitions[i].at.frame);
		cr_assert_eq(c->transitions[i].proof.frame, want[i].proof, "step %zu proof %lu", i, (unsigned long)c->transitions[i].proof.frame);
	}
	cr_assert_eq(c->transitions[0].from, TCPAUDIT_CLOSED);
	cr_assert_eq(c->transitions[5].from, TCPAUDIT_LISTEN);
	for (size_t i = 1; i < c->transition_count; i++)
		if (c->transitions[i].end == c->transitions[i - 1].end)
			cr_assert_eq(c->transitions[i].from, c->transitions[i - 1].to);
	bench_free(b);
}

Test(mirror, routes_only_if_asked_for)
{
	struct bench *b = bench_prepare();
	b->settings.transitions = false;
	bench_start(b);
	play(b, HS " / A RA101,301");
	bench_finish(b);
	cr_assert_null(b->record[0].transitions);
	cr_assert_eq(b->record[0].transition_count, 0);
	bench_free(b);
}

/* RFC 7323 4.3: an echo younger than the SYN proves the end of SYN-RECEIVED. */
Test(mirror, an_echo_proves_that_the_handshake_was_complete)
{
	struct bench *b = bench_new();
	play(b, "A S100 ts=1000,0 / B SA300,101 ts=500,1000 / A .101,301 ts=1010,500 / A D101+10,301 ts=1020,500 / B .301,111 ts=510,1020");
	assert_states(b, B, S_ESTABLISHED);
	bench_free(b);
}

/* An echo older than the FIN: it was built without it, or the FIN overtook nothing. */
Test(mirror, copies_made_by_the_capture_prove_nothing_twice)
{
	struct bench *b = bench_new();
	play(b, HS " / A F101,301 id=9 / B .301,102 / A F101,301 id=9 @3");
	assert_states(b, A, S_FIN_WAIT_1 | S_FIN_WAIT_2);
	bench_free(b);
}

/* ---- presumed: what ranks the routes ---- */

#define HS_TS "A S100 ts=1000,0 / B SA300,101 ts=500,1000 / A .101,301 ts=1010,500 / A D101+1,301 ts=1020,500 / B .301,102 ts=520,1020"

static void assert_end(const char *text, unsigned end, const char *route)
{
	struct bench *b = bench_new();
	play(b, text);
	bench_finish(b);
	assert_route(b, 0, end, route);
	bench_free(b);
}

/* The network swapped B's FIN and what B sent next: A had them as they were captured, for all that is known. */
Test(mirror, a_fin_that_was_overtaken_arrives_last)
{
	assert_end(HS_TS " / A F102,301 ts=1030,520 / B .302,103 ts=541,1030 / B F301,102 ts=540,1020 / A .103,302 ts=1060,520", A,
	           "SYN-SENT! ESTABLISHED! FIN-WAIT-1! FIN-WAIT-2 TIME-WAIT");
	assert_end(HS_TS " / A F102,301 ts=1030,520 / B F301,102 ts=540,1020 / B .302,103 ts=541,1030 / A .103,302 ts=1060,540", A,
	           "SYN-SENT! ESTABLISHED! FIN-WAIT-1! CLOSING TIME-WAIT");
}

/* The copy of the FIN that TIME-WAIT echoes is the one that was accepted: it came with the acknowledgment. */
Test(mirror, time_wait_echoes_the_copy_that_it_accepted)
{
	assert_end(HS_TS " / A F102,301 ts=1030,520 / B F301,102 ts=535,1020 / B .302,103 ts=541,1030"
	                 " / B F301,103 ts=900,1030 @0.5 / A .103,302 ts=1500,900",
	           A, "SYN-SENT! ESTABLISHED! FIN-WAIT-1! FIN-WAIT-2 TIME-WAIT");
}

/* Linux: an acknowledgment without an IP identification comes from no socket, so not from CLOSING. */
Test(mirror, what_no_socket_sent_does_not_come_from_closing)
{
	assert_end("A S100 id=40 / B SA300,101 / A .101,301 id=41 / A F101,301 id=42 / B F301,101 id=70 / B .302,102 id=71 / A .102,302", A,
	           "SYN-SENT! ESTABLISHED! FIN-WAIT-1! FIN-WAIT-2 TIME-WAIT");
	assert_end("A S100 id=40 / B SA300,101 / A .101,301 id=41 / A F101,301 id=42 / B F301,101 id=70 / B .302,102 id=71 / A .102,302 id=43", A,
	           "SYN-SENT! ESTABLISHED! FIN-WAIT-1! CLOSING TIME-WAIT");
}

/* A FIN that had all the time and was never acknowledged did not arrive; one that may still be answered did. */
Test(mirror, an_accepted_fin_is_acknowledged)
{
	assert_end(HST " / A D111+10,301 / A D111+10,301 @1 / B .301,121 / A F121,301 / A R121 @2", B,
	           "SYN-RECEIVED! ESTABLISHED! CLOSED");
	assert_end(HST " / A D111+10,301 / A D111+10,301 @1 / B .301,121 / A F121,301 / A RA122,301", B,
	           "SYN-RECEIVED! ESTABLISHED! CLOSE-WAIT CLOSED");
}

/* A reset that aborts echoes what its sender had: more than the SYN, however often that was sent. */
Test(mirror, a_resets_echo_proves_that_the_handshake_was_complete)
{
	assert_end("A S100 ts=1000,0 / B SA300,101 ts=500,1000 / A .101,301 ts=1010,500 / B RA301,101 ts=520,1010", B,
	           "SYN-RECEIVED! ESTABLISHED! CLOSED!");
	struct bench *b = bench_new();
	play(b, "A S100 ts=1000,0 / A S100 ts=2000,0 @1 / B SA300,101 ts=500,1000 / B .301,101 ts=510,2000");
	assert_states(b, B, S_SYN_RECEIVED);
	bench_free(b);
}

/* A client that resets the SYN-ACK without ACK had given up: it never was ESTABLISHED. */
Test(mirror, a_reset_of_the_syn_ack_comes_from_no_connection)
{
	assert_end("A S100 / B SA300,101 / A R101", A, "SYN-SENT! CLOSED!");
}

/* An acknowledgment of A's FIN that overtook B's FIN was built behind it: that A acknowledges B's proves nothing of it. */
Test(mirror, an_acknowledgment_that_overtook_a_fin_is_not_proven_to_have_arrived)
{
	struct bench *b = bench_new();
	play(b, HS_TS " / A F102,301 ts=1030,520 / B .302,103 ts=541,1030 / B F301,102 ts=540,1020 / A .103,302 ts=1060,540");
	assert_states(b, A, S_CLOSING | S_TIME_WAIT);
	play(b, "A F102,302 ts=1300,540 @1");
	assert_states(b, A, S_CLOSING);
	bench_finish(b);
	bench_free(b);
}

/* Nobody acknowledges a reset: B goes on when its application does, and A answers from no connection. */
Test(mirror, a_lost_reset_shows_when_its_receiver_goes_on)
{
	assert_end(HST " / A RA101,301 / B F301,101 @9 / A R101", B, "SYN-RECEIVED! ESTABLISHED! FIN-WAIT-1! CLOSED");
}
