/* test_connection.c - what a connection keeps in little room, and in more where it must. */
#include <criterion/criterion.h>

#include <string.h>

#include "flow/connection.h"

#define EPOCH  INT64_C(1700000000000000000)
#define MILLI  INT64_C(1000000)
#define SECOND INT64_C(1000000000)

enum { A = TCPAUDIT_CLIENT, B = TCPAUDIT_SERVER };

static struct flow_table *table;
static struct connection *c;
static uint64_t frames;

static void init(void)
{
	static const uint8_t key[16] = {1};
	struct socket_pair pair = {.ip_version = 4, .port = {40000, 80}};

	table = flow_table_new(key, 0);
	c = flow_connection(table, flow_insert(table, &pair, flow_hash(table, &pair), SLOT_NONE));
	frames = 0;
}

static void fini(void)
{
	flow_table_free(table);
}

TestSuite(connection, .init = init, .fini = fini);

static struct tcpaudit_segment segment(unsigned from, uint16_t flags, int64_t after)
{
	struct tcpaudit_segment s;

	memset(&s, 0, sizeof s);
	s.time = EPOCH + after;
	s.frame = s.ordinal = ++frames;
	s.flags = flags;
	s.seq = from == A ? 100 : 300;
	if (!(flags & TCPAUDIT_SYN))
		s.seq++;
	if (flags & TCPAUDIT_ACK)
		s.ack = from == A ? 301 : 101;
	s.window = 8192;
	s.ttl = 64;
	s.wirelen = 40;
	s.ip_id = (uint16_t)frames;
	return s;
}

static void take(struct tcpaudit_segment s, unsigned from)
{
	if (!c->entry.id)
		connection_begin(c, &s, from);
	cr_assert_eq(connection_take(c, table, &s, from, false).unusable, TCPAUDIT_UNUSABLE_NONE);
}

static void say(unsigned from, uint16_t flags, int64_t after)
{
	take(segment(from, flags, after), from);
}

static void is_marked(int mark, uint64_t frame, int64_t after)
{
	cr_assert(connection_marked(c, mark), "%d", mark);
	cr_assert_eq(connection_mark_frame(c, mark), frame, "%d is %lu", mark, (unsigned long)connection_mark_frame(c, mark));
	cr_assert_eq(connection_mark_time(c, mark), EPOCH + after, "%d", mark);
}

static void took(int64_t client, int64_t server)
{
	const struct turnaround t = connection_turnaround(c);

	cr_assert_eq(t.of[A], client < 0 ? TURNAROUND_UNKNOWN : (uint32_t)client, "client %u", t.of[A]);
	cr_assert_eq(t.of[B], server < 0 ? TURNAROUND_UNKNOWN : (uint32_t)server, "server %u", t.of[B]);
}

Test(connection, marks_near_the_first_frame)
{
	frames = 1000;
	say(A, TCPAUDIT_SYN, 0);
	is_marked(MARK_SYN, 1001, 0);
	cr_assert_not(connection_marked(c, MARK_SYN_ACK));
	cr_assert_eq(connection_mark_frame(c, MARK_SYN_ACK), 0);
	took(-1, -1);
	frames = 2000;
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, 10 * MILLI + 999);
	say(A, TCPAUDIT_ACK, 12 * MILLI + 1);
	is_marked(MARK_SYN_ACK, 2001, 10 * MILLI + 999);
	is_marked(MARK_ACK, 2002, 12 * MILLI + 1);
	took(1999, 10000);
	cr_assert_null(connection_rarity(c));
	struct tcpaudit_segment s = segment(B, TCPAUDIT_ACK, 3600 * SECOND + 1999);
	s.len = 5;
	take(s, B);
	is_marked(MARK_RESPONSE, 2003, 3600 * SECOND + 1000); /* coarse */
	cr_assert_null(connection_rarity(c), "an hour is near enough");
}

Test(connection, marks_behind_a_long_time_are_coarse)
{
	say(A, TCPAUDIT_SYN, 0);
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, 5 * SECOND + 1999);
	say(A, TCPAUDIT_ACK, 6 * SECOND + 2000);
	is_marked(MARK_SYN_ACK, 2, 5 * SECOND + 1000);
	is_marked(MARK_ACK, 3, 6 * SECOND + 2000);
	took(1000001, 5000001);
	cr_assert_null(connection_rarity(c));
}

Test(connection, marks_far_from_the_first_frame)
{
	say(A, TCPAUDIT_SYN, 0);
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, 5000 * SECOND + 1);
	is_marked(MARK_SYN, 1, 0);
	is_marked(MARK_SYN_ACK, 2, 5000 * SECOND); /* as coarse as if it were near */
	say(A, TCPAUDIT_ACK, 5000 * SECOND + 2 * MILLI);
	is_marked(MARK_ACK, 3, 5000 * SECOND + 2 * MILLI);
	took(2000, -1); /* more microseconds than it has numbers for */
	const struct history *h = connection_history(c, table);
	cr_assert_eq(h->count, 3);
	cr_assert_eq(h->event[1].frame, 2);
	cr_assert(connection_mark_is_of(c, MARK_SYN_ACK, h->event[1].time));
}

Test(connection, marks_of_other_inputs)
{
	struct tcpaudit_segment s = segment(A, TCPAUDIT_SYN, 0);

	s.input = 1;
	s.ordinal = (UINT64_C(3) << FRAME_BITS) + 5000; /* of the third worker, who has another interface, too */
	take(s, A);
	is_marked(MARK_SYN, UINT64_C(1) << 48 | 1, 0);
	cr_assert_null(connection_rarity(c));
	s = segment(B, TCPAUDIT_SYN | TCPAUDIT_ACK, MILLI);
	s.input = 2;
	take(s, B);
	is_marked(MARK_SYN, UINT64_C(1) << 48 | 1, 0);
	is_marked(MARK_SYN_ACK, UINT64_C(2) << 48 | 2, MILLI);
	took(-1, 1000);
}

Test(connection, a_syn_that_comes_second)
{
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, 0);
	is_marked(MARK_SYN_ACK, 1, 0);
	cr_assert_not(connection_marked(c, MARK_SYN));
	say(A, TCPAUDIT_SYN, -2 * MILLI);
	is_marked(MARK_SYN, 2, -2 * MILLI);
	is_marked(MARK_SYN_ACK, 1, 0);
	took(-1, -1); /* the SYN-ACK did not answer it, as far as was seen */
}

/* An answer is one to the newest SYN. */
Test(connection, answers_to_what_was_repeated)
{
	say(A, TCPAUDIT_SYN, 0);
	say(A, TCPAUDIT_SYN, SECOND);
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, SECOND + 10 * MILLI);
	took(-1, 10000);
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, 2 * SECOND);
	say(A, TCPAUDIT_ACK, 2 * SECOND + 3 * MILLI);
	took(3000, 10000);
	is_marked(MARK_SYN, 1, 0);
	is_marked(MARK_SYN_ACK, 3, SECOND + 10 * MILLI);
}

/* Without memory for marks that are far away there are none, and nothing is made up. */
Test(connection, marks_without_memory)
{
	static const uint8_t key[16] = {1};
	struct socket_pair pair = {.ip_version = 4, .port = {40000, 80}};
	struct flow_table *tight = flow_table_new(key, 1);
	struct connection *other = flow_connection(tight, flow_insert(tight, &pair, flow_hash(tight, &pair), SLOT_NONE));
	struct tcpaudit_segment s = segment(A, TCPAUDIT_SYN, 0);

	connection_begin(other, &s, A);
	connection_take(other, tight, &s, A, false);
	cr_assert(connection_marked(other, MARK_SYN));
	s = segment(B, TCPAUDIT_SYN | TCPAUDIT_ACK, 5000 * SECOND);
	connection_take(other, tight, &s, B, false);
	cr_assert_null(connection_rarity(other));
	cr_assert(connection_lost_marks(other));
	for (int mark = 0; mark < MARKS; mark++)
		cr_assert_not(connection_marked(other, mark), "%d", mark);
	cr_assert_eq(connection_turnaround(other).of[B], TURNAROUND_UNKNOWN);
	flow_table_free(tight);
}

/* ... and none comes out of nothing when there is memory again. */
Test(connection, an_answer_that_nobody_could_remember)
{
	static const uint8_t key[16] = {1};
	struct socket_pair pair = {.ip_version = 4, .port = {40000, 80}};
	struct flow_table *tight = flow_table_new(key, 1);
	struct connection *other = flow_connection(tight, flow_insert(tight, &pair, flow_hash(tight, &pair), SLOT_NONE));
	const int64_t after[] = {0, SECOND, SECOND + 10 * MILLI};

	for (unsigned i = 0; i < 3; i++) {
		struct tcpaudit_segment s = segment(i / 2, i < 2 ? TCPAUDIT_SYN : TCPAUDIT_SYN | TCPAUDIT_ACK, after[i]);
		if (i == 0)
			connection_begin(other, &s, A);
		connection_take(other, tight, &s, i / 2, false);
	}
	cr_assert_null(connection_rarity(other));
	cr_assert_eq(connection_turnaround(other).of[B], TURNAROUND_UNKNOWN);
	flow_account(tight, -(int64_t)flow_memory(tight)); /* as if it were free */
	flow_account(tight, -(int64_t)sizeof(struct rarity));
	cr_assert_not_null(flow_rarity(tight, other));
	cr_assert_eq(connection_turnaround(other).of[B], TURNAROUND_UNKNOWN);
	flow_table_free(tight);
}

/* A hole that nobody could remember counts as one all the same. */
Test(connection, a_hole_without_memory)
{
	static const uint8_t key[16] = {1};
	struct socket_pair pair = {.ip_version = 4, .port = {40000, 80}};
	struct flow_table *tight = flow_table_new(key, 1);
	struct connection *other = flow_connection(tight, flow_insert(tight, &pair, flow_hash(tight, &pair), SLOT_NONE));
	const uint16_t flags[] = {TCPAUDIT_SYN, TCPAUDIT_SYN | TCPAUDIT_ACK, TCPAUDIT_ACK, TCPAUDIT_ACK};

	for (unsigned i = 0; i < 4; i++) {
		struct tcpaudit_segment s = segment(i == 1, flags[i], i * MILLI);
		s.len = i == 3 ? 10 : 0;
		s.seq += i == 3 ? 100 : 0;
		if (i == 0)
			connection_begin(other, &s, A);
		connection_take(other, tight, &s, i == 1, false);
	}
	cr_assert_null(connection_rarity(other));
	cr_assert(other->end[A].bits & TCB_GAP && !(other->end[A].bits & TCB_HOLE));
	cr_assert_eq(connection_text(other, A), 110);
	flow_table_free(tight);
}

/* Where counts come around, nobody has fallen silent. */
Test(connection, heard_after_four_billion_packets)
{
	say(A, TCPAUDIT_SYN, 0);
	cr_assert(connection_heard(c, A) && !connection_heard(c, B));
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, MILLI);
	say(A, TCPAUDIT_ACK, 2 * MILLI);
	c->end[A].packets = UINT32_MAX;
	struct tcpaudit_segment s = segment(A, TCPAUDIT_ACK, 3 * MILLI);
	s.len = 10;
	take(s, A);
	cr_assert_eq(c->end[A].packets, 0);
	cr_assert(connection_heard(c, A));
}

/* A gap of gigabytes is counted though its end has sent nothing rare. */
Test(connection, gaps_beyond_four_gigabytes)
{
	say(A, TCPAUDIT_SYN, 0);
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, MILLI);
	say(A, TCPAUDIT_ACK, 2 * MILLI);
	uint64_t text = 0;
	for (unsigned i = 0; i < 100000; i++) {
		struct tcpaudit_segment s = segment(A, TCPAUDIT_ACK, (3 + i) * MILLI);
		text += 60000;
		s.ack += (uint32_t)text;
		take(s, A);
	}
	cr_assert_eq(connection_text(c, B), text);
}

/* One probe of an idle connection needs no memory, and is forgotten when it is answered. */
Test(connection, probes_that_are_answered)
{
	say(A, TCPAUDIT_SYN, 0);
	say(B, TCPAUDIT_SYN | TCPAUDIT_ACK, MILLI);
	say(A, TCPAUDIT_ACK, 2 * MILLI);
	for (int i = 1; i < 4; i++) {
		struct tcpaudit_segment s = segment(A, TCPAUDIT_ACK, i * 100 * SECOND);
		s.seq--;
		take(s, A);
		cr_assert_eq(connection_unanswered(c), 1);
		say(B, TCPAUDIT_ACK, i * 100 * SECOND + MILLI);
		take(segment(A, TCPAUDIT_ACK, i * 100 * SECOND + SECOND), A);
		cr_assert_eq(connection_unanswered(c), 0);
	}
	cr_assert_null(connection_rarity(c));
	for (int i = 1; i < 6; i++) {
		struct tcpaudit_segment s = segment(A, TCPAUDIT_ACK, (1000 + i) * SECOND);
		s.seq--;
		take(s, A);
		cr_assert_eq(connection_unanswered(c), i);
	}
}

/* What has a rarity keeps what it had. */
Test(connection, a_rarity_takes_over_what_is_kept)
{
	say(A, TCPAUDIT_SYN, 0);
	struct history *h = connection_history(c, table);
	uint64_t before = flow_memory(table);
	cr_assert_not_null(flow_rarity(table, c));
	cr_assert_eq(connection_kept(c).history, h);
	cr_assert_eq(connection_links(c).older, SLOT_NONE);
	cr_assert_eq(flow_memory(table), before + sizeof(struct rarity));
	flow_strip(table, c);
	cr_assert_null(connection_rarity(c));
	cr_assert_null(connection_kept(c).history);
}
