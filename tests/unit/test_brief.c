/* test_brief.c - a brief tells the same of a close as a history that was kept from the beginning. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "close/close.h"
#include "flow/connection.h"

#define MILLISECONDS INT64_C(1000000)
#define START        (INT64_C(1700000000) * 1000 * MILLISECONDS)
#define A            TCPAUDIT_CLIENT
#define B            TCPAUDIT_SERVER
#define ACK          TCPAUDIT_ACK
#define FIN          (TCPAUDIT_FIN | TCPAUDIT_ACK)

/* Both, fed with the same segments. */
static struct history history;
static struct brief brief;
static struct tcb end[2];
static int64_t now;
static uint64_t frame;
static uint16_t ip_id;
static uint32_t tsval; /* 0 none */

static struct tcpaudit_segment segment(uint16_t flags, uint32_t seq, uint32_t len, uint32_t ack)
{
	struct tcpaudit_segment s;

	memset(&s, 0, sizeof s);
	now += 10 * MILLISECONDS;
	s.time = now;
	s.frame = s.ordinal = ++frame;
	s.input = 3;
	s.flags = flags;
	s.seq = seq;
	s.len = len;
	s.ack = ack;
	s.window = 512;
	s.ttl = 61;
	s.ip_id = ip_id ? ip_id++ : 0;
	if (tsval) {
		s.options = TCPAUDIT_OPT_TIMESTAMPS;
		s.tsval = tsval++ / 2; /* each one twice */
		s.tsecr = tsval - 9;
	}
	return s;
}

static void init(void)
{
	const uint16_t flags[3] = {TCPAUDIT_SYN, TCPAUDIT_SYN | TCPAUDIT_ACK, TCPAUDIT_ACK};

	memset(&brief, 0, sizeof brief);
	memset(end, 0, sizeof end);
	history_init(&history);
	now = START;
	frame = 0;
	for (unsigned i = 0; i < 3; i++) {
		struct tcpaudit_segment s = segment(flags[i], i == 1 ? 300 : 100 + i / 2, 0, i == 1 ? 101 : 301);
		struct sent sent = tcb_judge(&end[i & 1], NULL, &end[~i & 1], &s, 10 * MILLISECONDS);
		tcb_sent(&end[i & 1], NULL, &end[~i & 1], &s, &sent, true);
	}
	end[A].wscale = 2;
	end[B].wscale = 7;
}

/* As connection.c and plain.c do; `last` is 10 ms ago.  Returns whether the brief took it. */
static bool add(unsigned from, uint16_t flags, uint32_t seq, uint32_t len, uint32_t ack)
{
	struct tcpaudit_segment s = segment(flags, seq, len, ack);
	struct sent sent = tcb_judge(&end[from], NULL, &end[!from], &s, 10 * MILLISECONDS);
	bool told = brief_add(&brief, end, START, now - 10 * MILLISECONDS, &s, from);

	if (told && flags & TCPAUDIT_FIN && history.idle < 0)
		history.idle = 10 * MILLISECONDS;
	if (told)
		history_add(&history, end, &s, from, &sent, 0, 0);
	if (told)
		tcb_sent(&end[from], NULL, &end[!from], &s, &sent, sent.fits);
	return told;
}

static void compare(unsigned count)
{
	const size_t facts = offsetof(struct history, count);
	struct history made;

	history_init(&made);
	brief_tell(&brief, end, START, 3, &made);
	cr_assert_eq(history.count, count, "%u events", history.count);
	cr_assert_eq(made.count, count, "%u events", made.count);
	for (unsigned i = 0; i < count; i++)
		cr_assert(memcmp(&made.event[i], &history.event[i], sizeof made.event[i]) == 0, "event %u", i);
	cr_assert(memcmp((char *)&made + facts, (char *)&history + facts, offsetof(struct history, inside) - facts) == 0,
	          "facts");
	struct connection whole = {.start = START, .kept.history = &made};
	int64_t since[2] = {0, 0};
	uint8_t holder = brief_holder(&brief, START, &since[0]);
	cr_assert_eq(holder, close_plain_holder(&whole, &since[1]));
	cr_assert(holder == TCPAUDIT_WHO_NONE || holder == TCPAUDIT_WHO_BOTH || since[0] == since[1]);
	history_fini(&made);
}

static void fini(void)
{
	history_fini(&history);
	ip_id = 0;
	tsval = 0;
}

TestSuite(brief, .init = init, .fini = fini);

static void four_way(void)
{
	cr_assert(add(A, FIN, 101, 20, 301));
	cr_assert(add(B, ACK, 301, 0, 122));
	cr_assert(add(B, FIN, 301, 5, 122));
	cr_assert(add(A, ACK, 122, 0, 307));
	cr_assert_eq(brief.acked, 3);
	compare(4);
}

Test(brief, a_four_way_close)
{
	four_way();
}

Test(brief, with_timestamps)
{
	fini();
	tsval = 1000;
	init();
	end[A].bits |= TCB_TS;
	end[B].bits |= TCB_TS;
	four_way();
}

Test(brief, with_identifications)
{
	ip_id = 7;
	four_way();
}

Test(brief, a_closed_window)
{
	end[B].bits |= TCB_ZERO_WINDOW;
	four_way();
}

Test(brief, a_three_way_close_by_the_server)
{
	cr_assert(add(B, FIN, 301, 0, 101));
	cr_assert(add(A, FIN, 101, 0, 302));
	cr_assert(add(B, ACK, 302, 0, 102));
	cr_assert_eq(brief.acked, 3);
	compare(3);
}

Test(brief, fins_that_cross)
{
	cr_assert(add(A, FIN, 101, 0, 301));
	cr_assert(add(B, FIN, 301, 0, 101));
	cr_assert(add(A, ACK, 102, 0, 302));
	cr_assert(add(B, ACK, 302, 0, 102));
	cr_assert_eq(brief.acked, 3);
	compare(4);
}

Test(brief, text_behind_the_first_fin)
{
	cr_assert(add(A, FIN, 101, 0, 301));
	cr_assert(add(B, ACK, 301, 700, 102));
	cr_assert(add(B, FIN, 1001, 10, 102));
	cr_assert_eq(brief.acked, 1);
	compare(3);
}

Test(brief, a_run_of_acknowledgments_is_one)
{
	cr_assert(add(A, FIN, 101, 0, 301));
	cr_assert(add(B, ACK, 301, 100, 102));
	cr_assert(add(B, ACK, 401, 100, 102));
	cr_assert(add(B, ACK, 501, 100, 102));
	compare(3);
}

Test(brief, not_what_needs_a_closer_look)
{
	cr_assert(add(A, FIN, 101, 20, 301));
	cr_assert_not(add(A, ACK, 122, 5, 301), "text behind its FIN");
	cr_assert_not(add(A, FIN, 122, 0, 301), "another FIN");
	cr_assert_not(add(B, ACK, 301, 0, 123), "an acknowledgment of more than the FIN");
	compare(1);
}

Test(brief, not_what_may_have_been_built_before)
{
	ip_id = 50;
	cr_assert(add(B, FIN, 301, 0, 101));
	ip_id = 49;
	cr_assert_not(add(B, ACK, 302, 0, 101));
	ip_id = 50;
	cr_assert_not(add(B, ACK, 302, 0, 101), "the same identification");
	cr_assert(add(B, ACK, 302, 0, 101));
	compare(2);
}

Test(brief, not_more_than_there_is_room_for)
{
	four_way();
	cr_assert_not(add(B, ACK, 307, 0, 122));
	compare(4);
}

Test(brief, not_what_is_too_large)
{
	cr_assert_not(add(A, FIN, 101, 65536, 301), "text");
	frame = UINT64_C(1) << 48;
	cr_assert_not(add(A, FIN, 101, 0, 301), "frame number");
	frame = 9;
	now += INT64_C(1) << 48;
	cr_assert_not(add(A, FIN, 101, 0, 301), "time");
	compare(0);
}

/* In a connection: the fifth segment makes a history of it, and what was kept in brief stands in it. */
Test(brief, becomes_a_history)
{
	const uint8_t key[16] = {1};
	struct flow_table *table = flow_table_new(key, 0);
	struct socket_pair pair = {.ip_version = 4, .port = {40000, 80}};
	struct connection *c;
	uint32_t next[2] = {100, 300};
	const struct {
		unsigned from;
		uint16_t flags;
	} steps[] = {{A, TCPAUDIT_SYN}, {B, TCPAUDIT_SYN | ACK},
	             {A, ACK},          {A, ACK},
	             {B, ACK},          {A, FIN},
	             {B, ACK},          {B, ACK},
	             {B, ACK},          {B, FIN},
	             {A, ACK}};

	ip_id = 1; /* without, what says nothing new may be a copy */
	c = flow_connection(table, flow_insert(table, &pair, flow_hash(table, &pair), SLOT_NONE));
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		unsigned from = steps[i].from;
		uint32_t len = i == 3 || i == 4 || i == 6 || i == 7 ? 10 : 0;
		struct tcpaudit_segment s = segment(steps[i].flags, next[from], len, i ? next[!from] : 0);
		s.ip_version = 4;
		s.src.byte[0] = s.dst.byte[0] = 10;
		s.src.byte[3] = 1 + (uint8_t)from;
		s.dst.byte[3] = 2 - (uint8_t)from;
		s.src_port = from ? 80 : 40000;
		s.dst_port = from ? 40000 : 80;
		s.options = i < 2 ? TCPAUDIT_OPT_MSS : 0;
		s.mss = 1460;
		next[from] += len + (s.flags & (TCPAUDIT_SYN | TCPAUDIT_FIN) ? 1 : 0);
		if (i == 0)
			connection_begin(c, &s, A);
		cr_assert_eq(connection_take(c, table, &s, from, false).unusable, TCPAUDIT_UNUSABLE_NONE);
		if (i >= 5 && i < 9)
			cr_assert(c->entry.bits & CONN_BRIEF, "after segment %zu", i);
	}
	cr_assert_not(c->entry.bits & CONN_BRIEF);
	cr_assert(connection_settled(c));
	struct history *h = connection_history(c, table);
	cr_assert(history_closed(h) && history_is_plain(h));
	cr_assert_eq(h->fin[A].peer_text, 20);
	cr_assert_eq(h->event[h->fin[A].first].frame, 9);
	cr_assert_eq(h->event[h->fin[B].acked].frame, 14);
	cr_assert_eq(h->idle, 10 * MILLISECONDS);
	cr_assert_eq(h->event[0].flags, TCPAUDIT_SYN);
	flow_table_free(table);
}
