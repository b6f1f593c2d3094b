/* test_tcb.c - one end's variables from its own segments, at every point of the circle. */
#include <criterion/criterion.h>

#include <string.h>

#include "mirror/tcb.h"

#define MILLISECONDS INT64_C(1000000)

/* Both ends' blocks, and what the newest segment was. */
struct ends {
	struct tcb end[2];
	struct tcb_rare rare[2];
	struct sent sent;
	uint16_t ip_id;
};

/* ISSs whose streams cross 0 and 2^31 at different points. */
static const uint32_t starts[] = {0, 100, 0xffffffff, 0xfffffffe, 0xffffff00, 0xffffff9c, 0x7fffffff, 0x7fffff00, 0x80000000};
#define STARTS (sizeof starts / sizeof starts[0])

static struct tcpaudit_segment segment_of(uint16_t flags, uint32_t seq, uint32_t len, uint32_t ack)
{
	struct tcpaudit_segment s;
	memset(&s, 0, sizeof s);
	s.flags = flags;
	s.seq = seq;
	s.len = len;
	s.ack = ack;
	s.window = 8192;
	s.ttl = 64;
	s.wirelen = 40 + len;
	return s;
}

static struct sent judge_and_take(struct ends *e, unsigned from, const struct tcpaudit_segment *s)
{
	e->sent = tcb_judge(&e->end[from], &e->rare[from], &e->end[!from], s, 10 * MILLISECONDS);
	tcb_sent(&e->end[from], &e->rare[from], &e->end[!from], s, &e->sent, e->sent.fits);
	return e->sent;
}

static struct sent say(struct ends *e, unsigned from, uint16_t flags, uint32_t seq, uint32_t len, uint32_t ack)
{
	struct tcpaudit_segment s = segment_of(flags, seq, len, ack);
	return judge_and_take(e, from, &s);
}

/* After a handshake: A's stream begins at a+1, B's at b+1. */
static struct ends opened(uint32_t a, uint32_t b)
{
	struct ends e;
	memset(&e, 0, sizeof e);
	say(&e, 0, TCPAUDIT_SYN, a, 0, 0);
	say(&e, 1, TCPAUDIT_SYN | TCPAUDIT_ACK, b, 0, a + 1);
	say(&e, 0, TCPAUDIT_ACK, a + 1, 0, b + 1);
	return e;
}

Test(tcb, handshake)
{
	for (size_t i = 0; i < STARTS; i++) {
		uint32_t a = starts[i], b = starts[STARTS - 1 - i];
		struct ends e = opened(a, b);
		cr_assert(e.end[0].bits & TCB_ISS && e.end[0].bits & TCB_SEQ && e.end[0].bits & TCB_ACK);
		cr_assert_eq(e.end[0].iss, a);
		cr_assert_eq(e.end[0].maxseq, a + 1);
		cr_assert_eq(e.end[0].hiack, b + 1);
		cr_assert_eq(e.end[0].redge, b + 1 + 8192);
		cr_assert_eq(e.end[1].iss, b);
		cr_assert_eq(e.end[1].hiack, a + 1);
		cr_assert_eq(e.end[0].packets, 2);
		cr_assert_eq(e.end[0].bytes, 80);
		cr_assert_eq(e.rare[0].retransmissions, 0);
	}
}

Test(tcb, text_and_fin_at_every_point_of_the_circle)
{
	for (uint32_t back = 0; back < 40; back++) { /* the stream crosses 0 at each of its octets */
		uint32_t a = 0u - back;
		struct ends e = opened(a, 300);
		struct sent is = say(&e, 0, TCPAUDIT_ACK | TCPAUDIT_PSH, a + 1, 10, 301);
		cr_assert(is.fits && is.new_text && !is.repeat && !is.probe && !is.ack_unsent && is.fresh == 10, "back %u", back);
		cr_assert_eq(is.end, a + 11);
		is = say(&e, 1, TCPAUDIT_ACK, 301, 0, a + 11);
		cr_assert(is.fits && !is.new_text && !is.repeat);
		is = say(&e, 0, TCPAUDIT_ACK, a + 1, 10, 301); /* again */
		cr_assert(is.fits && is.repeat && !is.new_text && is.fresh == 0, "back %u", back);
		is = say(&e, 0, TCPAUDIT_ACK, a + 6, 10, 301); /* half of it new */
		cr_assert(is.fits && is.new_text && !is.repeat && is.fresh == 5, "back %u", back);
		is = say(&e, 0, TCPAUDIT_FIN | TCPAUDIT_ACK, a + 16, 3, 301);
		cr_assert(is.fits && is.new_text && is.fresh == 3 && is.end == a + 20, "back %u", back);
		is = say(&e, 0, TCPAUDIT_FIN | TCPAUDIT_ACK, a + 16, 3, 301);
		cr_assert(is.repeat && !is.new_text);
		is = say(&e, 0, TCPAUDIT_FIN | TCPAUDIT_ACK, a + 19, 0, 301); /* without its text */
		cr_assert(is.repeat);
		cr_assert_eq(e.end[0].maxseq, a + 20);
		cr_assert_eq(e.end[0].text, 18);
		cr_assert_eq(e.rare[0].retransmissions, 3);
		is = say(&e, 1, TCPAUDIT_ACK, 301, 0, a + 20);
		cr_assert(is.fits && !is.ack_unsent);
		is = say(&e, 1, TCPAUDIT_ACK, 301, 0, a + 21);
		cr_assert(is.fits && is.ack_unsent, "beyond the FIN");
		cr_assert_eq(e.end[1].hiack, a + 21);
	}
}

Test(tcb, a_bare_fin_is_no_text)
{
	struct ends e = opened(100, 300);
	struct sent is = say(&e, 0, TCPAUDIT_FIN | TCPAUDIT_ACK, 101, 0, 301);
	cr_assert(is.fits && !is.new_text && !is.repeat && is.fresh == 0);
	cr_assert_eq(e.end[0].maxseq, 102);
	cr_assert_not(e.end[0].bits & TCB_TEXT);
}

Test(tcb, pure_acknowledgments_are_neither_new_nor_repeats)
{
	struct ends e = opened(100, 300);
	for (int i = 0; i < 3; i++) {
		struct sent is = say(&e, 0, TCPAUDIT_ACK, 101, 0, 301);
		cr_assert(is.fits && !is.new_text && !is.repeat && !is.probe);
	}
	cr_assert_eq(e.rare[0].retransmissions, 0);
}

/* RFC 9293 3.8.4: SEG.SEQ = SND.NXT-1, with or without one octet. */
Test(tcb, keep_alives)
{
	for (size_t i = 0; i < STARTS; i++) {
		uint32_t a = starts[i];
		struct ends e = opened(a, 300);
		say(&e, 0, TCPAUDIT_ACK, a + 1, 20, 301);
		for (uint32_t len = 0; len < 2; len++) {
			struct sent is = say(&e, 0, TCPAUDIT_ACK, a + 20, len, 301);
			cr_assert(is.fits && is.probe && !is.repeat && !is.new_text);
		}
		cr_assert_not(say(&e, 0, TCPAUDIT_ACK, a + 19, 1, 301).probe);
		cr_assert_not(say(&e, 0, TCPAUDIT_FIN | TCPAUDIT_ACK, a + 20, 0, 301).probe, "a FIN is none");
		cr_assert_not(say(&e, 0, TCPAUDIT_ACK, a + 20, 2, 301).probe);
	}
}

/* RFC 9293 3.8.6.1: one octet at the edge of a closed window; Linux sends none, at SND.UNA-1. */
Test(tcb, window_probes)
{
	struct ends e = opened(100, 300);
	say(&e, 0, TCPAUDIT_ACK, 101, 20, 301);
	struct tcpaudit_segment closed = segment_of(TCPAUDIT_ACK, 301, 0, 121);
	closed.window = 0;
	judge_and_take(&e, 1, &closed);
	cr_assert(e.end[1].bits & TCB_ZERO_WINDOW);
	struct sent is = say(&e, 0, TCPAUDIT_ACK, 121, 1, 301);
	cr_assert(is.probe && !is.new_text && is.fits);
	cr_assert_eq(e.end[0].maxseq, 121, "a probe is no part of the stream yet");
	cr_assert(say(&e, 0, TCPAUDIT_ACK, 120, 0, 301).probe);
	say(&e, 1, TCPAUDIT_ACK, 301, 0, 121); /* open again */
	cr_assert_not(e.end[1].bits & TCB_ZERO_WINDOW);
	is = say(&e, 0, TCPAUDIT_ACK, 121, 1, 301);
	cr_assert(!is.probe && is.new_text);
}

Test(tcb, right_edge_never_moves_back)
{
	struct ends e = opened(0xfffffff0, 300);
	cr_assert_eq(e.end[1].redge, 0xfffffff1 + 8192);
	struct tcpaudit_segment s = segment_of(TCPAUDIT_ACK, 301, 0, 0xfffffff1);
	s.window = 10;
	judge_and_take(&e, 1, &s);
	cr_assert_eq(e.end[1].redge, 0xfffffff1 + 8192);
	s.window = 20000;
	judge_and_take(&e, 1, &s);
	cr_assert_eq(e.end[1].redge, 0xfffffff1 + 20000);
	s.ack = 0xffffff00; /* old */
	judge_and_take(&e, 1, &s);
	cr_assert_eq(e.end[1].hiack, 0xfffffff1);
}

/* RFC 7323 2.2, 2.3: the scale is not for SYNs, and 14 at most. */
Test(tcb, window_scale)
{
	struct ends e;
	memset(&e, 0, sizeof e);
	struct tcpaudit_segment s = segment_of(TCPAUDIT_SYN, 100, 0, 0);
	s.options = TCPAUDIT_OPT_WSCALE | TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_SACK_PERMITTED | TCPAUDIT_OPT_TIMESTAMPS;
	s.wscale = 200;
	s.mss = 1460;
	s.tsval = 900;
	judge_and_take(&e, 0, &s);
	cr_assert_eq(e.end[0].wscale, 14);
	cr_assert_eq(e.end[0].mss, 1460);
	cr_assert_eq(e.end[0].tsval, 900);
	uint16_t all = TCB_WSCALE | TCB_SACK | TCB_TS;
	cr_assert_eq(e.end[0].bits & all, all);
	s = segment_of(TCPAUDIT_SYN | TCPAUDIT_ACK, 300, 0, 101);
	s.options = TCPAUDIT_OPT_WSCALE;
	s.wscale = 7;
	judge_and_take(&e, 1, &s);
	cr_assert_eq(e.end[1].redge, 101 + 8192);
	s = segment_of(TCPAUDIT_ACK, 301, 0, 101);
	judge_and_take(&e, 1, &s);
	cr_assert_eq(e.end[1].redge, 101 + (8192 << 7));
}

Test(tcb, bigger_than_the_peers_mss)
{
	struct ends e = opened(100, 300);
	e.end[1].mss = 500;
	say(&e, 0, TCPAUDIT_ACK, 101, 500, 301);
	cr_assert_not(e.end[0].bits & TCB_BIG);
	say(&e, 0, TCPAUDIT_ACK, 601, 501, 301);
	cr_assert(e.end[0].bits & TCB_BIG);
}

/* ---- what does not fit ---- */

Test(tcb, beyond_every_window_is_a_stray)
{
	for (size_t i = 0; i < STARTS; i++) {
		uint32_t a = starts[i];
		struct ends e = opened(a, 300);
		cr_assert(say(&e, 0, TCPAUDIT_ACK, a + 1 + 8192, 10, 301).fits, "at the edge");
		e = opened(a, 300);
		cr_assert_not(say(&e, 0, TCPAUDIT_ACK, a + 1 + 8192 + 65537, 10, 301).fits);
		cr_assert_eq(e.end[0].maxseq, a + 1, "what does not fit moves nothing");
		cr_assert_eq(e.end[0].packets, 3, "but is counted");
		cr_assert_not(say(&e, 0, TCPAUDIT_ACK, a + 1 - (1u << 30) - 1, 10, 301).fits, "older than anything");
		cr_assert_not(say(&e, 0, TCPAUDIT_ACK, a + 1, 0, 301 + 8192 + 65537).fits, "acknowledges another stream");
		cr_assert_not(say(&e, 0, TCPAUDIT_ACK, a + 1, 0, 301 - (1u << 30) - 1).fits);
		cr_assert(say(&e, 0, TCPAUDIT_RST | TCPAUDIT_ACK, a + 1, 0, 5).fits, "a reset's ACK is not held against it");
	}
}

Test(tcb, what_an_unseen_peer_gets_acknowledged_fits)
{
	struct ends e;
	memset(&e, 0, sizeof e);
	struct sent is = say(&e, 0, TCPAUDIT_ACK, 5000, 10, 777);
	cr_assert(is.fits && is.new_text && is.fresh == 10 && !is.ack_unsent);
	cr_assert_not(e.end[0].bits & TCB_ISS);
	cr_assert_eq(e.end[0].iss, 5000);
	cr_assert_eq(e.end[0].maxseq, 5010);
	cr_assert_eq(e.end[0].hiack, 777);
}

Test(tcb, a_reset_opens_no_stream)
{
	struct ends e;
	memset(&e, 0, sizeof e);
	say(&e, 0, TCPAUDIT_SYN, 100, 0, 0);
	say(&e, 1, TCPAUDIT_RST | TCPAUDIT_ACK, 0, 0, 101);
	cr_assert_not(e.end[1].bits & (TCB_SEQ | TCB_ACK | TCB_ISS));
	cr_assert_eq(e.end[1].packets, 1);
	struct tcb tcb;
	memset(&tcb, 0, sizeof tcb);
	struct tcpaudit_segment s = segment_of(TCPAUDIT_RST, 9, 0, 0);
	tcb_open(&tcb, &s);
	cr_assert_not(tcb.bits & TCB_SEQ);
}

Test(tcb, text_of_a_reset_is_no_part_of_the_stream)
{
	struct ends e = opened(100, 300);
	say(&e, 0, TCPAUDIT_RST | TCPAUDIT_ACK, 101, 12, 301);
	cr_assert_eq(e.end[0].maxseq, 101);
	cr_assert_eq(e.end[0].text, 0);
}

/* ---- holes ---- */

Test(tcb, a_hole_is_followed_until_it_is_filled)
{
	for (size_t i = 0; i < STARTS; i++) {
		uint32_t a = starts[i];
		struct ends e = opened(a, 300);
		say(&e, 0, TCPAUDIT_ACK, a + 101, 50, 301); /* 1..100 jumped over */
		cr_assert(e.end[0].bits & TCB_HOLE);
		cr_assert_eq(e.rare[0].hole[0].low, a + 1);
		cr_assert_eq(e.rare[0].hole[0].high, a + 101);
		struct sent is = say(&e, 0, TCPAUDIT_ACK, a + 1, 40, 301); /* its front */
		cr_assert(is.fills_hole && !is.repeat && is.fits);
		cr_assert_eq(e.rare[0].hole[0].low, a + 41);
		is = say(&e, 0, TCPAUDIT_ACK, a + 91, 10, 301); /* its end */
		cr_assert(is.fills_hole);
		cr_assert_eq(e.rare[0].hole[0].high, a + 91);
		is = say(&e, 0, TCPAUDIT_ACK, a + 1, 10, 301);
		cr_assert(!is.fills_hole && is.repeat);
		is = say(&e, 0, TCPAUDIT_ACK, a + 31, 70, 301); /* all that is left, and more */
		cr_assert(is.fills_hole);
		cr_assert_not(e.end[0].bits & TCB_HOLE);
		cr_assert_eq(e.end[0].text, 150);
		cr_assert_eq(e.rare[0].retransmissions, 1);
	}
}

/* 101..200 and 211..300 are missing; what stands between them is not. */
static struct ends with_two_holes(void)
{
	struct ends e = opened(100, 300);
	say(&e, 0, TCPAUDIT_ACK, 201, 10, 301);
	say(&e, 0, TCPAUDIT_ACK, 301, 10, 301);
	cr_assert_eq(e.rare[0].holes, 2);
	return e;
}

Test(tcb, two_holes_are_followed_each)
{
	struct ends e = with_two_holes();
	struct sent is = say(&e, 0, TCPAUDIT_ACK, 201, 10, 301);
	cr_assert(!is.fills_hole && is.repeat);
	is = say(&e, 0, TCPAUDIT_ACK, 101, 100, 301);
	cr_assert(is.fills_hole && !is.repeat);
	cr_assert_eq(e.rare[0].holes, 1);
	cr_assert_eq(e.rare[0].hole[0].low, 211);
	cr_assert_eq(e.rare[0].hole[0].high, 301);
	say(&e, 0, TCPAUDIT_ACK, 191, 200, 301);
	cr_assert_not(e.end[0].bits & TCB_HOLE);
	say(&e, 0, TCPAUDIT_ACK, 401, 10, 301); /* another one begins anew */
	cr_assert_eq(e.rare[0].holes, 1);
	cr_assert_eq(e.rare[0].hole[0].low, 391);
}

Test(tcb, a_hole_is_filled_from_its_middle)
{
	struct ends e = with_two_holes();
	say(&e, 0, TCPAUDIT_ACK, 151, 10, 301);
	cr_assert_eq(e.rare[0].holes, 3);
	cr_assert_eq(e.rare[0].hole[0].low, 101);
	cr_assert_eq(e.rare[0].hole[0].high, 151);
	cr_assert_eq(e.rare[0].hole[1].low, 161);
	cr_assert_eq(e.rare[0].hole[1].high, 201);
	cr_assert_eq(e.rare[0].hole[2].low, 211);
	say(&e, 0, TCPAUDIT_ACK, 101, 110, 301); /* two at once */
	cr_assert_eq(e.rare[0].holes, 1);
	cr_assert_eq(e.rare[0].hole[0].low, 211);
}

Test(tcb, a_hole_too_many_is_one_with_the_last)
{
	struct ends e = opened(100, 300);
	for (uint32_t i = 0; i < HOLES + 2; i++)
		say(&e, 0, TCPAUDIT_ACK, 201 + 100 * i, 10, 301);
	cr_assert_eq(e.rare[0].holes, HOLES);
	cr_assert_eq(e.rare[0].hole[HOLES - 1].low, 211 + 100 * (HOLES - 2));
	cr_assert_eq(e.rare[0].hole[HOLES - 1].high, 201 + 100 * (HOLES + 1));
	say(&e, 0, TCPAUDIT_ACK, 131, 10, 301); /* nor is there room for two of one */
	cr_assert_eq(e.rare[0].holes, HOLES);
	cr_assert_eq(e.rare[0].hole[0].low, 101);
	cr_assert_eq(e.rare[0].hole[0].high, 201);
}

Test(tcb, a_fin_fills_the_hole_of_its_number)
{
	struct ends e = opened(100, 300);
	say(&e, 0, TCPAUDIT_ACK, 102, 0, 301); /* its FIN was overtaken */
	cr_assert(e.end[0].bits & TCB_HOLE);
	say(&e, 0, TCPAUDIT_FIN | TCPAUDIT_ACK, 101, 0, 301);
	cr_assert_not(e.end[0].bits & TCB_HOLE);
	cr_assert_eq(e.end[0].text, 0);
}

Test(tcb, a_fin_is_no_text_once)
{
	struct ends e = opened(100, 300);
	for (uint32_t i = 0; i < HOLES; i++)
		say(&e, 0, TCPAUDIT_ACK, 201 + 100 * i, 10, 301);
	uint32_t text = e.end[0].text;
	for (int i = 0; i < 3; i++) /* no room to make two holes of one: it stays, and so does what was counted */
		say(&e, 0, TCPAUDIT_FIN | TCPAUDIT_ACK, 150, 0, 301);
	cr_assert_eq(e.rare[0].holes, HOLES);
	cr_assert_eq(e.end[0].text, text);
}

Test(tcb, holes_below_an_acknowledgment_are_passed)
{
	struct ends e = with_two_holes();
	cr_assert_not(tcb_passes_holes(&e.end[0], &e.rare[0], 101));
	cr_assert(tcb_passes_holes(&e.end[0], &e.rare[0], 211));
	cr_assert_eq(e.rare[0].holes, 1);
	cr_assert(tcb_passes_holes(&e.end[0], &e.rare[0], 251));
	cr_assert_eq(e.rare[0].hole[0].low, 251);
	cr_assert(e.end[0].bits & TCB_HOLE);
	cr_assert(tcb_passes_holes(&e.end[0], &e.rare[0], 311));
	cr_assert_not(e.end[0].bits & TCB_HOLE);
}

/* ---- copies and order ---- */

Test(tcb, the_same_frame_again)
{
	struct ends e = opened(100, 300);
	struct tcpaudit_segment s = segment_of(TCPAUDIT_ACK, 101, 10, 301);
	s.ip_id = 77;
	judge_and_take(&e, 0, &s);
	cr_assert(tcb_judge(&e.end[0], &e.rare[0], &e.end[1], &s, 1 * MILLISECONDS).duplicate);
	cr_assert(tcb_judge(&e.end[0], &e.rare[0], &e.end[1], &s, 2 * MILLISECONDS).duplicate);
	cr_assert_not(tcb_judge(&e.end[0], &e.rare[0], &e.end[1], &s, 2 * MILLISECONDS + 1).duplicate, "a repeat takes longer");
	s.ip_id = 78;
	cr_assert_not(tcb_judge(&e.end[0], &e.rare[0], &e.end[1], &s, 1 * MILLISECONDS).duplicate, "another datagram");
	s.ip_id = 77;
	s.window = 8191;
	cr_assert_not(tcb_judge(&e.end[0], &e.rare[0], &e.end[1], &s, 1 * MILLISECONDS).duplicate);
}

Test(tcb, without_identification_only_a_timestamped_acknowledgment_is_a_copy)
{
	struct ends e = opened(100, 300);
	struct tcpaudit_segment s = segment_of(TCPAUDIT_ACK, 101, 0, 301);
	judge_and_take(&e, 0, &s);
	cr_assert_not(tcb_judge(&e.end[0], &e.rare[0], &e.end[1], &s, 1).duplicate, "three of those ask for a retransmission");
	s.options = TCPAUDIT_OPT_TIMESTAMPS;
	s.tsval = 900;
	judge_and_take(&e, 0, &s);
	cr_assert(tcb_judge(&e.end[0], &e.rare[0], &e.end[1], &s, 40000).duplicate);
	cr_assert_not(tcb_judge(&e.end[0], &e.rare[0], &e.end[1], &s, 60000).duplicate);
}

Test(tcb, order_by_timestamps_and_by_identification)
{
	struct ends e = opened(100, 300);
	struct tcpaudit_segment s = segment_of(TCPAUDIT_ACK, 101, 10, 301);
	s.options = TCPAUDIT_OPT_TIMESTAMPS;
	s.tsval = 0xfffffff0;
	judge_and_take(&e, 0, &s);
	s.seq = 111;
	s.tsval = 5; /* wrapped */
	cr_assert_not(judge_and_take(&e, 0, &s).reordered);
	cr_assert_eq(e.end[0].tsval, 5);
	s.seq = 101;
	s.tsval = 0xfffffff5;
	cr_assert(judge_and_take(&e, 0, &s).reordered);
	cr_assert_eq(e.end[0].tsval, 5);
	cr_assert_eq(e.rare[0].retransmissions, 0, "late is not again");

	e = opened(100, 300);
	s = segment_of(TCPAUDIT_ACK, 111, 10, 301);
	s.ip_id = 3;
	judge_and_take(&e, 0, &s);
	s.seq = 101;
	s.ip_id = 65535; /* four before, round the end */
	cr_assert(judge_and_take(&e, 0, &s).reordered);
	cr_assert_eq(e.end[0].ip_id, 3);
	s.ip_id = 4;
	cr_assert_not(judge_and_take(&e, 0, &s).reordered);
}

Test(tcb, counters_go_on_beyond_32_bits)
{
	struct ends e = opened(100, 300);
	e.end[0].packets = UINT32_MAX;
	say(&e, 0, TCPAUDIT_ACK, 101, 0, 301);
	cr_assert_eq(e.end[0].packets, 0);
	cr_assert_eq(tcb_packets(&e.end[0], &e.rare[0]), UINT64_C(1) << 32);
}

Test(tcb, outbound_is_remembered)
{
	struct ends e = opened(100, 300);
	struct tcpaudit_segment s = segment_of(TCPAUDIT_ACK, 101, 0, 301);
	s.noticed = TCPAUDIT_SAW_OUTBOUND;
	judge_and_take(&e, 0, &s);
	cr_assert(e.end[0].bits & TCB_OUTBOUND);
}

Test(tcb, four_gigabytes_of_text)
{
	struct ends e = opened(5, 300);
	uint32_t seq = 6;
	uint64_t text = 0;
	for (int i = 0; i < 70000; i++) {
		struct sent is = say(&e, 0, TCPAUDIT_ACK, seq, 64000, 301);
		cr_assert(is.fits && is.new_text && is.fresh == 64000, "segment %d", i);
		seq += 64000;
		text += 64000;
		say(&e, 1, TCPAUDIT_ACK, 301, 0, seq);
	}
	cr_assert_eq(tcb_text(&e.end[0], &e.rare[0]), text);
	cr_assert_eq(tcb_bytes(&e.end[0], &e.rare[0]), text + 70002 * 40);
	cr_assert_eq(tcb_packets(&e.end[0], &e.rare[0]), 70002);
	cr_assert(e.end[0].bits & TCB_LONG);
	cr_assert_eq(e.end[1].hiack, seq);
	cr_assert_eq(e.end[0].maxseq, seq);
}

/* Without memory for what is rare, nothing is made up. */
Test(tcb, counts_stop_at_their_highest_without_memory)
{
	struct ends e = opened(5, 300);
	struct tcpaudit_segment s = segment_of(TCPAUDIT_ACK, 6, 64000, 301);

	e.end[0].bytes = e.end[0].text = e.end[0].packets = UINT32_MAX - 1;
	for (int i = 0; i < 2; i++) {
		struct sent is = tcb_judge(&e.end[0], NULL, &e.end[1], &s, 10 * MILLISECONDS);
		cr_assert(tcb_needs_rare(&e.end[0], &s, &is));
		tcb_sent(&e.end[0], NULL, &e.end[1], &s, &is, true);
		s.seq += s.len;
	}
	cr_assert_eq(tcb_packets(&e.end[0], NULL), UINT32_MAX);
	cr_assert_eq(tcb_bytes(&e.end[0], NULL), UINT32_MAX);
	cr_assert_eq(tcb_text(&e.end[0], NULL), UINT32_MAX);

	e = opened(5, 300);
	s = segment_of(TCPAUDIT_ACK, 106, 10, 301);
	struct sent is = tcb_judge(&e.end[0], NULL, &e.end[1], &s, 10 * MILLISECONDS);
	cr_assert(tcb_needs_rare(&e.end[0], &s, &is));
	tcb_sent(&e.end[0], NULL, &e.end[1], &s, &is, true);
	cr_assert(e.end[0].bits & TCB_GAP && !(e.end[0].bits & TCB_HOLE), "where the hole is, nobody will know");
	cr_assert_eq(e.end[0].text, 110);
}

static void stamped(struct ends *e, struct tcb_rare *rare, uint32_t len, uint32_t tsval, bool needs)
{
	struct tcpaudit_segment s = segment_of(TCPAUDIT_ACK, e->end[0].maxseq, len, 301);
	s.options = TCPAUDIT_OPT_TIMESTAMPS;
	s.tsval = tsval;
	struct sent is = tcb_judge(&e->end[0], rare, &e->end[1], &s, 10 * MILLISECONDS);
	cr_assert_eq(tcb_needs_rare(&e->end[0], &s, &is), needs);
	tcb_sent(&e->end[0], rare, &e->end[1], &s, &is, true);
}

/* The TSval of the newest text is known unless that is long past. */
Test(tcb, text_timestamp_behind)
{
	struct ends e = opened(5, 300);
	uint32_t tsval = UINT32_MAX - 40000;

	stamped(&e, NULL, 10, tsval, false);
	for (uint32_t i = 1; i < 4; i++) {
		stamped(&e, NULL, 0, tsval + i * 20000, false);
		cr_assert(e.end[0].bits & TCB_TEXT_TS);
		cr_assert_eq(tcb_text_tsval(&e.end[0], NULL), tsval);
	}
	stamped(&e, NULL, 0, tsval + 80000, false);
	cr_assert_not(e.end[0].bits & TCB_TEXT_TS);
	stamped(&e, NULL, 10, tsval + 200000, false);
	cr_assert(e.end[0].bits & TCB_TEXT_TS);
	cr_assert_eq(tcb_text_tsval(&e.end[0], NULL), tsval + 200000);
	stamped(&e, NULL, 10, tsval + 900000, false);
	cr_assert_eq(tcb_text_tsval(&e.end[0], NULL), tsval + 900000, "new text is not past");
}

/* Text far below the highest TSval needs memory to be known. */
Test(tcb, text_timestamp_far_behind)
{
	for (int remembered = 0; remembered < 2; remembered++) {
		struct ends e = opened(5, 300);
		struct tcb_rare *rare = remembered ? &e.rare[0] : NULL;

		stamped(&e, rare, 0, 1000000, false);
		stamped(&e, rare, 10, 1000, true);
		cr_assert_eq(e.end[0].tsval, 1000000);
		cr_assert_eq(!!(e.end[0].bits & TCB_TEXT_TS), remembered);
		if (remembered)
			cr_assert_eq(tcb_text_tsval(&e.end[0], rare), 1000);
		stamped(&e, rare, 10, 999999, false);
		cr_assert_eq(tcb_text_tsval(&e.end[0], rare), 999999);
		cr_assert(e.end[0].bits & TCB_TEXT_TS);
	}
}
