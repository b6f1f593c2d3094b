/* test_embryo.c - connections of which nothing but a SYN was seen: their pool, their ages, and what they grow into. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "flow/connection.h"
#include "flow/embryo.h"
#include "flow/flow_order.h"
#include "frames.h"

static const uint8_t key[16] = "0123456789abcdef";
static struct flow_table *table;

static void setup(void)
{
	table = flow_table_new(key, 0);
	cr_assert_not_null(table);
}

static void teardown(void)
{
	flow_table_free(table);
}

TestSuite(embryo, .init = setup, .fini = teardown);

static struct tcpaudit_segment syn_number(uint32_t n)
{
	struct tcpaudit_segment s;

	memset(&s, 0, sizeof s);
	s.ip_version = 4;
	s.src.byte[0] = 10;
	s.src.byte[1] = (uint8_t)(n >> 16);
	s.src.byte[2] = (uint8_t)(n >> 8);
	s.src.byte[3] = (uint8_t)n;
	s.dst.byte[0] = 192;
	s.src_port = 1024;
	s.dst_port = 80;
	s.flags = TCPAUDIT_SYN;
	s.seq = n;
	s.time = EPOCH;
	s.ordinal = s.frame = n + 1;
	s.wirelen = 54;
	s.ttl = 64;
	return s;
}

static uint32_t conceive_of(struct tcpaudit_segment s)
{
	struct socket_pair pair;
	bool crossed = socket_pair_of(&s, &pair);
	uint32_t slot = flow_conceive(table, &pair, flow_hash(table, &pair));

	if (slot != SLOT_NONE)
		embryo_begin(flow_embryo(table, slot), &s, crossed, true);
	return slot;
}

static uint32_t conceive(uint32_t n)
{
	return conceive_of(syn_number(n));
}

static uint32_t find_of(struct tcpaudit_segment s)
{
	struct socket_pair pair;

	socket_pair_of(&s, &pair);
	return flow_find(table, &pair, flow_hash(table, &pair), SLOT_NONE);
}

static uint32_t find_number(uint32_t n)
{
	return find_of(syn_number(n));
}

/* ---- what a SYN says ---- */

/* The same by connection.c, which knows nothing of embryos. */
static void grows_into_what_it_would_have_been(struct tcpaudit_segment s, bool verify)
{
	struct connection whole, grown;
	struct embryo embryo;
	struct tcpaudit_segment same = s;

	memset(&whole, 0, sizeof whole);
	memset(&embryo, 0, sizeof embryo);
	connection_begin(&whole, &same, TCPAUDIT_CLIENT);
	connection_take(&whole, table, &same, TCPAUDIT_CLIENT, verify);
	cr_assert_null(whole.kept.history);
	cr_assert(embryo_tells(&s, verify));
	embryo_begin(&embryo, &s, false, verify);
	embryo_grow(&embryo, &grown);
	cr_assert_eq(memcmp(&grown, &whole, sizeof whole), 0);
}

Test(embryo, grows_into_what_it_would_have_been)
{
	struct tcpaudit_segment s = syn_number(7);

	grows_into_what_it_would_have_been(s, true);
	grows_into_what_it_would_have_been(s, false);
	s.options = TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_WSCALE | TCPAUDIT_OPT_SACK_PERMITTED | TCPAUDIT_OPT_TIMESTAMPS;
	s.mss = 1460;
	s.wscale = 14;
	s.tsval = 123456;
	s.ip_id = 999;
	s.input = 3;
	s.ordinal = 88;
	s.frame = 77;
	s.window = 29200;
	grows_into_what_it_would_have_been(s, true);
	s.flags |= TCPAUDIT_ECE | TCPAUDIT_CWR;
	grows_into_what_it_would_have_been(s, true);
	s.flags |= TCPAUDIT_AE;
	grows_into_what_it_would_have_been(s, true);
	s.noticed = TCPAUDIT_SAW_OUTBOUND | TCPAUDIT_SAW_TUNNEL;
	grows_into_what_it_would_have_been(s, true);
	s.noticed = TCPAUDIT_SAW_CUT | TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
	grows_into_what_it_would_have_been(s, false);
}

static void is_left_to_others(struct tcpaudit_segment s)
{
	cr_assert_not(embryo_tells(&s, false));
}

Test(embryo, does_not_tell_of_anything_but_a_plain_syn)
{
	static const uint16_t flags[] = {TCPAUDIT_ACK,
	                                 TCPAUDIT_SYN | TCPAUDIT_ACK,
	                                 TCPAUDIT_SYN | TCPAUDIT_FIN,
	                                 TCPAUDIT_SYN | TCPAUDIT_RST,
	                                 TCPAUDIT_SYN | TCPAUDIT_PSH,
	                                 TCPAUDIT_SYN | 0x200};
	static const uint16_t noticed[] = {TCPAUDIT_SAW_CHECKSUM_BAD, TCPAUDIT_SAW_CHECKSUM_PARTIAL, TCPAUDIT_SAW_LENGTH_GUESSED,
	                                   TCPAUDIT_SAW_REASSEMBLED};
	static const uint16_t options[] = {TCPAUDIT_OPT_FAST_OPEN, TCPAUDIT_OPT_MPTCP, TCPAUDIT_OPT_MP_FASTCLOSE,
	                                   TCPAUDIT_OPT_BROKEN};
	struct tcpaudit_segment s;

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		is_left_to_others((s = syn_number(1), s.flags = flags[i], s));
	for (size_t i = 0; i < sizeof noticed / sizeof *noticed; i++)
		is_left_to_others((s = syn_number(1), s.noticed = noticed[i], s));
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		is_left_to_others((s = syn_number(1), s.options = options[i], s));
	is_left_to_others((s = syn_number(1), s.len = 1, s));
	is_left_to_others((s = syn_number(1), s.options = TCPAUDIT_OPT_MSS, s.mss = 63, s));
	is_left_to_others((s = syn_number(1), s.options = TCPAUDIT_OPT_WSCALE, s.wscale = 15, s));
	is_left_to_others((s = syn_number(1), s.frame = s.ordinal + 1, s)); /* nobody numbers frames like that */
	is_left_to_others((s = syn_number(1), s.dst.byte[0] = 224, s));
	is_left_to_others((s = syn_number(1), s.dst = s.src, s.dst_port = s.src_port, s));
}

/* ---- the pool ---- */

Test(embryo, is_found_and_counted_as_a_connection)
{
	uint32_t slot = conceive(1);

	cr_assert(slot_is_embryo(slot) && !slot_is_whole(slot) && !slot_buried(slot));
	cr_assert_eq(find_number(1), slot);
	cr_assert_eq(find_number(2), SLOT_NONE);
	cr_assert_eq(flow_count(table), 1);
	flow_remove(table, slot);
	cr_assert_eq(find_number(1), SLOT_NONE);
	cr_assert_eq(flow_count(table), 0);
}

Test(embryo, grows_in_its_place)
{
	uint32_t first = conceive(1), second = conceive(2), whole = flow_grow(table, first);

	cr_assert(slot_is_whole(whole));
	cr_assert_eq(find_number(1), whole);
	cr_assert_eq(find_number(2), second);
	cr_assert_eq(flow_count(table), 2);
	const struct connection *c = flow_connection(table, whole);
	cr_assert_eq(c->entry.id, 2);
	cr_assert_eq(connection_links(c).older, SLOT_NONE);
	cr_assert_eq(connection_links(c).newer, SLOT_NONE);
	cr_assert_eq(c->end[TCPAUDIT_CLIENT].iss, 1);
	cr_assert_eq(flow_oldest_embryo(table), second);
	cr_assert_eq(conceive(3), first, "its place is free");
}

Test(embryo, is_buried_like_a_connection)
{
	uint32_t slot = conceive(1), grave = flow_bury(table, slot);

	cr_assert(slot_buried(grave));
	cr_assert_eq(find_number(1), grave);
	cr_assert_eq(flow_entry(table, grave)->id, 2);
	cr_assert_eq(flow_count(table), 0);
	cr_assert_eq(flow_oldest_embryo(table), SLOT_NONE);
}

Test(embryo, is_due_in_time)
{
	flow_start_clock(table, EPOCH);
	uint32_t slot = conceive(1);
	flow_schedule(table, slot, EPOCH + 200 * SECONDS);
	cr_assert_eq(flow_due(table, EPOCH + 199 * SECONDS), SLOT_NONE);
	cr_assert_eq(flow_due(table, EPOCH + 203 * SECONDS), slot);
	cr_assert_eq(flow_due(table, EPOCH + 900 * SECONDS), SLOT_NONE);
}

/* Left in any order, the oldest is always the oldest; against a plain list of numbers. */
Test(embryo, the_oldest_goes_first)
{
	enum { MANY = 20000 };
	static uint32_t slot[MANY];
	uint32_t oldest = 0, random = 1;

	for (uint32_t n = 0; n < MANY; n++) {
		slot[n] = conceive(n);
		random = random * 1103515245 + 12345;
		uint32_t leaves = random >> 8;
		if (leaves % 3 == 0) { /* somebody in the middle */
			uint32_t k = oldest + leaves / 3 % (n + 1 - oldest);
			if (slot[k] != SLOT_NONE && leaves & 0x100000)
				flow_grow(table, slot[k]);
			else if (slot[k] != SLOT_NONE)
				flow_remove(table, slot[k]);
			slot[k] = SLOT_NONE;
		}
		while (oldest <= n && slot[oldest] == SLOT_NONE)
			oldest++;
		cr_assert_eq(flow_oldest_embryo(table), oldest > n ? SLOT_NONE : slot[oldest], "behind number %u", n);
		if (leaves % 5 == 0 && oldest <= n) { /* the oldest itself */
			flow_remove(table, slot[oldest]);
			slot[oldest] = SLOT_NONE;
		}
	}
}

Test(embryo, order_is_by_age_among_all)
{
	enum { ALL = 9000 };
	static uint64_t out[ALL];

	for (uint32_t n = 0; n < ALL; n++) {
		uint32_t slot = conceive(n);
		if (n % 3 == 0)
			flow_grow(table, slot);
		else if (n % 7 == 0)
			flow_remove(table, slot);
	}
	uint64_t count = flow_order(table, out);
	cr_assert_eq(count, flow_count(table));
	for (uint64_t i = 1; i < count; i++)
		cr_assert_lt(flow_entry(table, flow_ordered(out[i - 1]))->id, flow_entry(table, flow_ordered(out[i]))->id);
}

/* What is full of them has as much room again for others. */
Test(embryo, have_half_of_the_memory_at_most)
{
	const uint64_t memcap = 16 << 20;
	struct flow_table *usual = table;
	uint32_t n = 0;

	table = flow_table_new(key, memcap);
	cr_assert_not(flow_embryos_full(table));
	while (!flow_embryos_full(table))
		cr_assert_neq(conceive(n++), SLOT_NONE);
	cr_assert_eq(conceive(n), SLOT_NONE);
	cr_assert_geq(n, memcap / 2 / 200, "%u", n);
	cr_assert_leq(flow_memory(table), memcap / 2 + (4 << 20), "%lu", (unsigned long)flow_memory(table));
	cr_assert_not(flow_full(table));
	flow_remove(table, flow_oldest_embryo(table));
	cr_assert_not(flow_embryos_full(table));
	cr_assert_neq(conceive(n), SLOT_NONE, "in the place of the oldest");
	flow_table_free(table);
	table = usual;
}

Test(embryo, have_no_room_where_there_is_none)
{
	struct flow_table *usual = table;

	table = flow_table_new(key, 1);
	cr_assert(flow_embryos_full(table));
	cr_assert_eq(conceive(1), SLOT_NONE);
	cr_assert_eq(find_number(1), SLOT_NONE);
	flow_table_free(table);
	table = usual;
}

/* ---- chunks of them that become empty ---- */

enum { A_CHUNK = 4096 };

static void conceive_many(uint32_t from, uint32_t count)
{
	for (uint32_t n = from; n < from + count; n++)
		cr_assert_neq(conceive(n), SLOT_NONE);
}

static void remove_many(uint32_t from, uint32_t count)
{
	for (uint32_t n = from; n < from + count; n++)
		flow_remove(table, find_number(n));
}

static unsigned count_all(void)
{
	unsigned seen = 0;

	for (uint32_t cursor = 0, slot; (slot = flow_next(table, &cursor)) != SLOT_NONE; seen++)
		cr_assert(flow_entry(table, slot)->id);
	return seen;
}

static bool is_resident(uint32_t slot)
{
	unsigned char page = 0;

	cr_assert_eq(mincore((void *)((uintptr_t)flow_embryo(table, slot) & ~(uintptr_t)4095), 1, &page), 0);
	return page & 1;
}

Test(embryo, chunks_that_are_empty_give_their_memory_back)
{
	conceive_many(0, 5 * A_CHUNK);
	uint64_t full = flow_memory(table);
	uint32_t lost = find_number(3 * A_CHUNK + 100);
	cr_assert(is_resident(lost));
	remove_many(A_CHUNK, 3 * A_CHUNK - 1);
	uint64_t less = flow_memory(table);
	cr_assert_leq(less, full - A_CHUNK * sizeof(struct embryo), "one of two");
	remove_many(4 * A_CHUNK - 1, 1);
	cr_assert_eq(flow_memory(table), less - (full - less), "and of three, two");
	cr_assert_not(is_resident(lost));
	cr_assert_eq(count_all(), 2 * A_CHUNK);
	cr_assert_eq(flow_entry(table, lost)->id, 0, "nobody is there");
	for (uint32_t n = 4 * A_CHUNK; n < 5 * A_CHUNK; n++)
		cr_assert_neq(find_number(n), SLOT_NONE);
	conceive_many(A_CHUNK, A_CHUNK);
	cr_assert_eq(flow_memory(table), less - (full - less), "the one that was kept");
	conceive_many(2 * A_CHUNK, 2 * A_CHUNK);
	cr_assert_eq(flow_memory(table), full);
	cr_assert_eq(count_all(), 5 * A_CHUNK);
	conceive_many(5 * A_CHUNK, 1);
	cr_assert_gt(flow_memory(table), full);
}

Test(embryo, a_record_that_comes_back_is_blank_and_nobody_looks_for_it)
{
	struct tcpaudit_segment s = syn_number(0);
	struct embryo blank;
	struct socket_pair pair;

	flow_start_clock(table, EPOCH);
	for (uint32_t n = 0; n < 4 * A_CHUNK; n++)
		flow_schedule(table, conceive(n), EPOCH + (n / A_CHUNK % 2 ? 100 : 200) * SECONDS);
	for (uint32_t slot; (slot = flow_due(table, EPOCH + 110 * SECONDS)) != SLOT_NONE;)
		flow_remove(table, slot);
	cr_assert_eq(flow_count(table), 2 * A_CHUNK);
	for (uint32_t n = 0; n < 2 * A_CHUNK; n++) {
		s.src_port = (uint16_t)(2000 + n);
		socket_pair_of(&s, &pair);
		uint32_t slot = flow_conceive(table, &pair, flow_hash(table, &pair));
		struct embryo *e = flow_embryo(table, slot);
		memset(&blank, 0, sizeof blank);
		cr_assert_eq(memcmp(&e->start, &blank.start, offsetof(struct embryo, hash) - offsetof(struct embryo, start)), 0);
		cr_assert(!e->mss && !e->ttl && !e->verified && !e->entry.id && !e->entry.bits);
		e->entry.id = 100000 + n;
	}
	unsigned due = 0;
	for (uint32_t slot; (slot = flow_due(table, EPOCH + 9000 * SECONDS)) != SLOT_NONE; due++)
		cr_assert_lt(flow_entry(table, slot)->id, 100000);
	cr_assert_eq(due, 2 * A_CHUNK);
}

Test(embryo, a_flood_at_the_edge_of_a_chunk_keeps_it)
{
	conceive_many(0, 2 * A_CHUNK + 1);
	uint64_t with = flow_memory(table);
	for (uint32_t n = 0; n < 100; n++) {
		remove_many(2 * A_CHUNK + n, 1);
		cr_assert_eq(flow_memory(table), with);
		conceive_many(2 * A_CHUNK + n + 1, 1);
		cr_assert_eq(flow_memory(table), with);
	}
}

/* What embryos have given back is for anybody; who comes too late finds it taken, and the limit holds. */
Test(embryo, memory_that_was_given_back_is_within_the_limit)
{
	const uint64_t memcap = 16 << 20;
	struct flow_table *usual = table;
	uint32_t n = 0, whole = 0;

	table = flow_table_new(key, memcap);
	for (unsigned turn = 0; turn < 3; turn++) {
		while (!flow_embryos_full(table)) {
			cr_assert_neq(conceive(n++), SLOT_NONE);
			cr_assert_leq(flow_memory(table), memcap);
		}
		cr_assert_geq(flow_count(table), whole + (turn ? 1 : memcap / 2 / 200));
		while (flow_oldest_embryo(table) != SLOT_NONE)
			flow_remove(table, flow_oldest_embryo(table));
		for (; !flow_full(table); whole++) {
			struct tcpaudit_segment s = syn_number(1000000 + whole);
			struct socket_pair pair;
			socket_pair_of(&s, &pair);
			uint32_t slot = flow_insert(table, &pair, flow_hash(table, &pair), SLOT_NONE);
			cr_assert_neq(slot, SLOT_NONE);
			flow_entry(table, slot)->id = 1000000 + whole;
			cr_assert_leq(flow_memory(table), memcap);
		}
		cr_assert_geq(whole, memcap * 3 / 4 / 400, "%u", whole);
	}
	flow_table_free(table);
	table = usual;
}

/* ---- the last of many move together ---- */

enum { CHUNKS = 20, CROWD = CHUNKS * A_CHUNK, LEFT = 8 /* one of so many */ };

static struct tcpaudit_segment mixed_syn(uint32_t n)
{
	struct tcpaudit_segment s = syn_number(n);

	if (n % 3 == 0) {
		s.ip_version = 6;
		s.src.byte[15] = s.dst.byte[15] = (uint8_t)n;
	}
	return s;
}

static uint32_t find_mixed(uint32_t n)
{
	return find_of(mixed_syn(n));
}

static int64_t mixed_due(uint32_t n)
{
	return EPOCH + (100 + n % 50) * SECONDS;
}

static uint32_t conceive_mixed(uint32_t n)
{
	uint32_t slot = conceive_of(mixed_syn(n));

	cr_assert_neq(slot, SLOT_NONE);
	flow_embryo(table, slot)->scopes = n;
	flow_entry(table, slot)->label = (uint16_t)n;
	flow_schedule(table, slot, mixed_due(n));
	return slot;
}

static bool is_left(uint32_t n)
{
	return n % LEFT == 5;
}

/* All but one of LEFT leave, from the first to the last in each chunk in turn: all become empty at the same pace. */
static void thin_out(void)
{
	for (uint32_t i = 0; i < CROWD; i++) {
		uint32_t n = i % CHUNKS * A_CHUNK + i / CHUNKS;
		if (is_left(n))
			continue;
		if (n % LEFT == 1)
			flow_remove(table, flow_grow(table, find_mixed(n)));
		else
			flow_remove(table, find_mixed(n));
	}
}

static void is_what_it_was(uint32_t slot, uint32_t n)
{
	struct tcpaudit_segment s = mixed_syn(n);
	struct socket_pair pair;
	const struct embryo *e = flow_embryo(table, slot);

	socket_pair_of(&s, &pair);
	cr_assert(slot_is_embryo(slot) && entry_is_of(&e->entry, &pair), "number %u", n);
	cr_assert_eq(e->entry.id, n + 1);
	cr_assert_eq(e->iss, n);
	cr_assert_eq(e->scopes, n);
	cr_assert_eq(e->entry.label, (uint16_t)n);
}

Test(embryo, the_last_of_many_move_together)
{
	static uint32_t slot[CROWD];
	uint32_t moved = 0, left = 0;

	flow_start_clock(table, EPOCH);
	for (uint32_t n = 0; n < CROWD; n++)
		slot[n] = conceive_mixed(n);
	uint64_t full = flow_memory(table);
	uint32_t last = flow_oldest_embryo(table);
	cr_assert_eq(last, slot[0]);
	thin_out();
	cr_assert_leq(flow_memory(table), full - CHUNKS / 2 * A_CHUNK * sizeof(struct embryo));
	cr_assert_eq(flow_count(table), CROWD / LEFT);
	cr_assert_eq(count_all(), CROWD / LEFT);
	for (uint32_t n = 0; n < CROWD; n++) {
		uint32_t now = find_mixed(n);
		cr_assert_eq(now != SLOT_NONE, is_left(n), "number %u", n);
		if (now == SLOT_NONE)
			continue;
		is_what_it_was(now, n);
		moved += now != slot[n];
		left++;
	}
	cr_assert_eq(left, CROWD / LEFT);
	cr_assert_gt(moved, left / 3);
	for (uint32_t n = 0; n < CROWD; n++) /* by age as before */
		if (is_left(n)) {
			uint32_t oldest = flow_oldest_embryo(table);
			is_what_it_was(oldest, n);
			flow_remove(table, oldest);
		}
	cr_assert_eq(flow_oldest_embryo(table), SLOT_NONE);
	cr_assert_eq(flow_count(table), 0);
}

Test(embryo, who_has_moved_is_due_at_the_same_tick)
{
	uint32_t ended = 0;

	flow_start_clock(table, EPOCH);
	for (uint32_t n = 0; n < CROWD; n++)
		conceive_mixed(n);
	thin_out();
	for (int64_t now = EPOCH; now < EPOCH + 200 * SECONDS; now = flow_next_tick(now))
		for (uint32_t slot; (slot = flow_due(table, now)) != SLOT_NONE; ended++) {
			uint32_t n = flow_embryo(table, slot)->iss;
			is_what_it_was(slot, n);
			cr_assert_eq(now, flow_next_tick(mixed_due(n)));
			flow_remove(table, slot);
		}
	cr_assert_eq(ended, CROWD / LEFT);
	cr_assert_eq(flow_count(table), 0);
}

/* The first of each chunk that stays does not wait for its deadline: nor has any other to move from there. */
static void nobody_moves(void (*before)(void))
{
	static uint32_t slot[CROWD];

	flow_start_clock(table, EPOCH);
	for (uint32_t n = 0; n < CROWD; n++)
		slot[n] = conceive_mixed(n);
	before();
	uint64_t full = flow_memory(table);
	for (uint32_t n = 0; n < CROWD; n++)
		if (!is_left(n))
			flow_remove(table, slot[n]);
	for (uint32_t n = 0; n < CROWD; n++)
		if (is_left(n))
			is_what_it_was(slot[n], n);
	cr_assert_eq(flow_memory(table), full);
}

static void all_but_the_first_are_in_a_turn(void)
{
	for (uint32_t k = 0; k < CHUNKS; k++)
		flow_schedule(table, find_mixed(k * A_CHUNK + 5), EPOCH + 10 * SECONDS);
	cr_assert_eq(flow_due(table, EPOCH + 20 * SECONDS), find_mixed(5));
}

Test(embryo, who_is_due_already_stays)
{
	nobody_moves(all_but_the_first_are_in_a_turn);
	for (uint32_t k = 1; k < CHUNKS; k++)
		cr_assert_eq(flow_due(table, EPOCH + 20 * SECONDS), find_mixed(k * A_CHUNK + 5));
	cr_assert_eq(flow_due(table, EPOCH + 20 * SECONDS), SLOT_NONE);
}

static void one_of_each_is_about_to_end(void)
{
	for (uint32_t k = 0; k < CHUNKS; k++)
		flow_schedule(table, find_mixed(k * A_CHUNK + 5), EPOCH + 10 * SECONDS);
	for (uint32_t k = 0; k < CHUNKS; k++)
		cr_assert_eq(flow_due(table, EPOCH + 20 * SECONDS), find_mixed(k * A_CHUNK + 5));
	cr_assert_eq(flow_due(table, EPOCH + 20 * SECONDS), SLOT_NONE);
}

Test(embryo, who_is_about_to_end_stays)
{
	nobody_moves(one_of_each_is_about_to_end);
}

static void the_capture_has_ended(void)
{
	flow_close(table);
}

Test(embryo, nobody_moves_behind_the_end)
{
	nobody_moves(the_capture_has_ended);
}

/* What is full stays full: each that comes makes the oldest go. */
Test(embryo, a_flood_moves_nobody)
{
	const uint64_t memcap = 32 << 20;
	static uint32_t slot[3 * CROWD];
	struct flow_table *usual = table;
	uint32_t oldest = 0;

	table = flow_table_new(key, memcap);
	flow_start_clock(table, EPOCH);
	for (uint32_t n = 0; n < 3 * CROWD; n++) {
		if (flow_embryos_full(table)) {
			cr_assert_eq(flow_oldest_embryo(table), slot[oldest]);
			flow_remove(table, slot[oldest++]);
		}
		slot[n] = conceive_mixed(n);
	}
	cr_assert_gt(oldest, CROWD);
	for (uint32_t n = oldest; n < 3 * CROWD; n++)
		is_what_it_was(slot[n], n);
	flow_table_free(table);
	table = usual;
}
