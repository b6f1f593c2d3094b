/* test_defrag.c - IP fragments: order, overlaps, limits, time. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "decode/defrag.h"

#define SECOND INT64_C(1000000000)

static struct defrag *defrag;
static struct datagram whole;
static uint8_t pattern[65536];

static void setup(void)
{
	defrag = defrag_new();
	cr_assert_not_null(defrag);
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (uint8_t)(i * 7 + i / 256);
}

static void teardown(void)
{
	defrag_free(defrag);
}

TestSuite(defrag, .init = setup, .fini = teardown);

static struct piece piece_of(uint8_t version, uint32_t id, uint16_t offset, uint32_t len, bool more)
{
	struct piece piece;

	memset(&piece, 0, sizeof piece);
	piece.key.src.byte[0] = 10;
	piece.key.dst.byte[0] = 11;
	piece.key.id = id;
	piece.key.version = version;
	piece.key.protocol = version == 4 ? 6 : 0;
	piece.protocol = 6;
	piece.data = pattern + offset;
	piece.offset = offset;
	piece.len = len;
	piece.more = more;
	return piece;
}

/* From a buffer of exactly its size, gone when defrag_add() returns. */
static enum defrag_result add_piece(struct piece piece)
{
	uint8_t *copy = malloc(piece.len > 0 ? piece.len : 1);
	enum defrag_result result;

	cr_assert_not_null(copy);
	memcpy(copy, piece.data, piece.len);
	piece.data = copy;
	result = defrag_add(defrag, &piece, &whole);
	free(copy);
	return result;
}

static enum defrag_result add(uint8_t version, uint32_t id, uint16_t offset, uint32_t len, bool more)
{
	return add_piece(piece_of(version, id, offset, len, more));
}

static void expect_whole(size_t len)
{
	cr_assert_eq(whole.len, len);
	cr_assert_eq(memcmp(whole.data, pattern, len), 0);
	cr_assert_eq(whole.protocol, 6);
}

/* Everything that was taken is given back. */
static void expect_empty(void)
{
	struct defrag *fresh = defrag_new();

	defrag_release(defrag);
	cr_assert_eq(defrag_memory(defrag), defrag_memory(fresh));
	defrag_free(fresh);
}

Test(defrag, in_order)
{
	for (uint8_t version = 4; version <= 6; version = (uint8_t)(version + 2)) {
		cr_assert_eq(add(version, 1, 0, 16, true), DEFRAG_KEPT);
		cr_assert_eq(add(version, 1, 16, 8, true), DEFRAG_KEPT);
		cr_assert_eq(add(version, 1, 24, 3, false), DEFRAG_WHOLE);
		expect_whole(27);
	}
	expect_empty();
	cr_assert_eq(defrag_take_lost(defrag), 0);
}

Test(defrag, every_order_of_four)
{
	static const uint16_t offset[] = {0, 8, 24, 32};
	static const uint32_t len[] = {8, 16, 8, 5};

	for (unsigned order = 0; order < 256; order++) {
		unsigned at[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 & 3};

		if ((1u << at[0] | 1u << at[1] | 1u << at[2] | 1u << at[3]) != 15)
			continue;
		for (size_t i = 0; i < 4; i++)
			cr_assert_eq(add(4, order, offset[at[i]], len[at[i]], at[i] != 3), i == 3 ? DEFRAG_WHOLE : DEFRAG_KEPT);
		expect_whole(37);
	}
	expect_empty();
}

Test(defrag, several_whole_at_once_until_release)
{
	struct datagram first;

	add(4, 1, 0, 8, true);
	add(4, 2, 0, 16, true);
	cr_assert_eq(add(4, 1, 8, 8, false), DEFRAG_WHOLE);
	first = whole;
	cr_assert_eq(add(4, 2, 16, 1, false), DEFRAG_WHOLE);
	expect_whole(17);
	whole = first;
	expect_whole(16);
	expect_empty();
}

Test(defrag, keys_keep_datagrams_apart)
{
	struct piece piece = piece_of(4, 1, 0, 8, true);

	add_piece(piece);
	for (int i = 0; i < 7; i++) {
		piece = piece_of(4, 1, 8, 8, false);
		switch (i) {
		case 0:
			piece.key.id = 2;
			break;
		case 1:
			piece.key.src.byte[15] = 1;
			break;
		case 2:
			piece.key.dst.byte[3] = 1;
			break;
		case 3:
			piece.key.protocol = 17;
			break;
		case 4:
			piece.key.version = 6;
			break;
		case 5:
			piece.key.vlan = 9;
			break;
		case 6:
			piece.key.network = 9;
			break;
		}
		cr_expect_eq(add_piece(piece), DEFRAG_KEPT, "key field %d", i);
	}
	cr_assert_eq(add(4, 1, 8, 8, false), DEFRAG_WHOLE);
	defrag_expire(defrag, INT64_MAX);
	cr_assert_eq(defrag_take_lost(defrag), 7);
	expect_empty();
}

Test(defrag, protocol_is_that_of_the_first_piece)
{
	struct piece piece = piece_of(6, 1, 8, 8, false);

	piece.protocol = 17;
	add_piece(piece);
	cr_assert_eq(add(6, 1, 0, 8, true), DEFRAG_WHOLE);
	expect_whole(16);
}

Test(defrag, copies_are_spared)
{
	for (uint8_t version = 4; version <= 6; version = (uint8_t)(version + 2)) {
		cr_assert_eq(add(version, 1, 8, 8, true), DEFRAG_KEPT);
		cr_assert_eq(add(version, 1, 8, 8, true), DEFRAG_KEPT);
		cr_assert_eq(add(version, 1, 0, 8, true), DEFRAG_KEPT);
		cr_assert_eq(add(version, 1, 0, 8, true), DEFRAG_KEPT);
		cr_assert_eq(add(version, 1, 16, 1, false), DEFRAG_WHOLE);
		expect_whole(17);
	}
	cr_assert_eq(defrag_take_lost(defrag), 0);
}

Test(defrag, equal_overlaps_join_for_ipv4)
{
	/* Overlaps on the left, on the right, over a hole, within. */
	cr_assert_eq(add(4, 1, 16, 16, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 8, 16, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 24, 16, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 48, 8, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 8, 48, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 24, 8, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 56, 1, false), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 0, 57, false), DEFRAG_WHOLE);
	expect_whole(57);
	expect_empty();
}

/* Bits of a set of units of 8 octets, every pair of pieces: what is whole is what was sent. */
Test(defrag, every_pair_of_pieces)
{
	uint32_t id = 0;

	for (unsigned a = 0; a < 36; a++) {
		for (unsigned b = 0; b < 36; b++, id++) {
			uint16_t a_from = (uint16_t)(a / 6 * 8), b_from = (uint16_t)(b / 6 * 8);
			uint32_t a_len = a % 6 * 8 + 8, b_len = b % 6 * 8 + 8;
			bool a_last = a_from + a_len >= 48, b_last = b_from + b_len >= 48;
			enum defrag_result result;

			if (a_from + a_len > 48 || b_from + b_len > 48)
				continue;
			result = add(4, id, a_from, a_len, !a_last);
			if (result == DEFRAG_WHOLE)
				expect_whole(48);
			result = add(4, id, b_from, b_len, !b_last);
			if (result == DEFRAG_WHOLE)
				expect_whole(48);
			else
				cr_assert_eq(result, DEFRAG_KEPT);
		}
		defrag_release(defrag);
	}
	defrag_expire(defrag, INT64_MAX);
	expect_empty();
}

Test(defrag, unequal_overlap_condemns_for_ipv4)
{
	struct piece piece = piece_of(4, 1, 8, 16, true);

	cr_assert_eq(add(4, 1, 0, 16, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 32, 1, false), DEFRAG_KEPT);
	piece.data = pattern + 100;
	cr_assert_eq(add_piece(piece), DEFRAG_LOST);
	cr_assert_eq(defrag_take_lost(defrag), 2);
	/* Later pieces are lost too, even if all come again. */
	cr_assert_eq(add(4, 1, 0, 32, true), DEFRAG_LOST);
	cr_assert_eq(add(4, 1, 32, 1, false), DEFRAG_LOST);
	cr_assert_eq(defrag_take_lost(defrag), 0);
	defrag_expire(defrag, INT64_MAX);
	cr_assert_eq(defrag_take_lost(defrag), 0);
	expect_empty();
}

Test(defrag, any_overlap_condemns_for_ipv6)
{
	cr_assert_eq(add(6, 1, 0, 16, true), DEFRAG_KEPT);
	cr_assert_eq(add(6, 1, 8, 16, true), DEFRAG_LOST);
	cr_assert_eq(defrag_take_lost(defrag), 1);
	cr_assert_eq(add(6, 2, 0, 16, true), DEFRAG_KEPT);
	cr_assert_eq(add(6, 2, 0, 8, true), DEFRAG_LOST);
	cr_assert_eq(add(6, 3, 8, 8, true), DEFRAG_KEPT);
	cr_assert_eq(add(6, 3, 0, 24, true), DEFRAG_LOST);
}

Test(defrag, ends_that_disagree)
{
	cr_assert_eq(add(4, 1, 8, 8, false), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 16, 8, true), DEFRAG_LOST, "beyond the end");
	cr_assert_eq(add(4, 2, 8, 8, false), DEFRAG_KEPT);
	cr_assert_eq(add(4, 2, 16, 8, false), DEFRAG_LOST, "two ends");
	cr_assert_eq(add(4, 3, 16, 8, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 3, 8, 8, false), DEFRAG_LOST, "an end before what was there");
	cr_assert_eq(defrag_take_lost(defrag), 3);
}

Test(defrag, malformed_pieces)
{
	cr_assert_eq(add(4, 1, 0, 0, true), DEFRAG_LOST, "empty");
	cr_assert_eq(add(4, 1, 8, 0, false), DEFRAG_LOST, "empty last");
	cr_assert_eq(add(4, 1, 0, 12, true), DEFRAG_LOST, "ends between units");
	cr_assert_eq(add(4, 1, 65528, 8, false), DEFRAG_LOST, "beyond 65535 (ping of death)");
	cr_assert_eq(add(4, 1, 65528, 7, false), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, 0, 65528, true), DEFRAG_WHOLE);
	expect_whole(65535);
	expect_empty();
}

Test(defrag, waits_thirty_seconds)
{
	struct piece piece = piece_of(4, 1, 0, 8, true);

	piece.time = piece.clock = 100 * SECOND;
	add_piece(piece);
	piece = piece_of(4, 2, 0, 8, true);
	piece.time = piece.clock = 110 * SECOND;
	add_piece(piece);
	defrag_expire(defrag, 130 * SECOND);
	cr_assert_eq(defrag_take_lost(defrag), 0);
	defrag_expire(defrag, 130 * SECOND + 1);
	cr_assert_eq(defrag_take_lost(defrag), 1);
	defrag_expire(defrag, 150 * SECOND);
	cr_assert_eq(defrag_take_lost(defrag), 1);
	expect_empty();
}

Test(defrag, reused_identification_begins_anew)
{
	struct piece piece = piece_of(4, 1, 0, 8, true);

	piece.time = piece.clock = 0;
	add_piece(piece);
	piece = piece_of(4, 1, 8, 8, false);
	piece.time = piece.clock = 31 * SECOND;
	cr_assert_eq(add_piece(piece), DEFRAG_KEPT);
	cr_assert_eq(defrag_take_lost(defrag), 1);
	piece = piece_of(4, 1, 0, 8, true);
	piece.time = piece.clock = 32 * SECOND;
	cr_assert_eq(add_piece(piece), DEFRAG_WHOLE);
	expect_whole(16);
}

Test(defrag, times_that_go_back_or_far)
{
	struct piece piece = piece_of(4, 1, 0, 8, true);

	piece.time = piece.clock = INT64_MAX;
	add_piece(piece);
	piece = piece_of(4, 2, 0, 8, true);
	piece.time = piece.clock = INT64_MIN;
	add_piece(piece);
	defrag_expire(defrag, INT64_MIN);
	cr_assert_eq(defrag_take_lost(defrag), 0);
	defrag_expire(defrag, 0);
	cr_assert_eq(defrag_take_lost(defrag), 1, "the one from the future holds nobody up");
	defrag_expire(defrag, INT64_MAX);
	cr_assert_eq(defrag_take_lost(defrag), 1);
	expect_empty();
}

Test(defrag, too_many_datagrams_drop_the_oldest)
{
	for (uint32_t id = 0; id < DEFRAG_DATAGRAMS + 10; id++)
		cr_assert_eq(add(4, id, 0, 8, true), DEFRAG_KEPT);
	cr_assert_eq(defrag_take_lost(defrag), 10);
	cr_assert_eq(add(4, DEFRAG_DATAGRAMS, 8, 8, false), DEFRAG_WHOLE);
	cr_assert_eq(add(4, 5, 8, 8, false), DEFRAG_KEPT, "its first piece is gone");
	defrag_expire(defrag, INT64_MAX);
	cr_assert_eq(defrag_take_lost(defrag), DEFRAG_DATAGRAMS);
	expect_empty();
}

Test(defrag, memory_has_a_limit)
{
	enum defrag_result result;
	unsigned refused = 0;

	for (uint32_t id = 0; id < 600; id++) {
		cr_assert_eq(add(4, id, 0, 60000, true), DEFRAG_KEPT);
		cr_assert_leq(defrag_memory(defrag), DEFRAG_BYTES);
	}
	cr_assert_gt(defrag_memory(defrag), DEFRAG_BYTES / 2);
	cr_assert_gt(defrag_take_lost(defrag), 300);
	/* What is whole counts too. */
	for (uint32_t id = 1000; id < 1300; id++) {
		result = add(4, id, 0, 65000, true);
		if (result == DEFRAG_KEPT)
			result = add(4, id, 65000, 8, false);
		cr_assert(result == DEFRAG_WHOLE || result == DEFRAG_NO_MEMORY);
		refused += result == DEFRAG_NO_MEMORY;
		cr_assert_leq(defrag_memory(defrag), DEFRAG_BYTES);
	}
	cr_assert_gt(refused, 0);
	defrag_release(defrag);
	add(4, 2000, 0, 65000, true);
	cr_assert_eq(add(4, 2000, 65000, 8, false), DEFRAG_WHOLE);
	defrag_expire(defrag, INT64_MAX);
	expect_empty();
}

Test(defrag, an_offset_takes_no_memory)
{
	size_t before = defrag_memory(defrag);

	add(4, 1, 65528, 1, false);
	cr_assert_lt(defrag_memory(defrag) - before, 512);
}

Test(defrag, too_many_pieces)
{
	for (uint32_t i = 0; i < DEFRAG_PIECES; i++)
		cr_assert_eq(add(4, 1, (uint16_t)(i * 16), 8, true), DEFRAG_KEPT);
	cr_assert_eq(add(4, 1, DEFRAG_PIECES * 16, 8, true), DEFRAG_NO_MEMORY);
	cr_assert_eq(defrag_take_lost(defrag), DEFRAG_PIECES);
	cr_assert_eq(add(4, 1, 8, 8, true), DEFRAG_LOST);
}

/* Whatever comes, each piece has one account: kept and then used or lost, or refused. */
Test(defrag, random_pieces_add_up)
{
	uint64_t kept = 0, used = 0, state = 88172645463325252u;

	for (int i = 0; i < 20000; i++) {
		struct piece piece;
		enum defrag_result result;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		piece = piece_of(state & 1 ? 4 : 6, state >> 8 & 7, (uint16_t)((state >> 16 & 15) * 8),
		                 (uint32_t)((state >> 24 & 3) * 8 + 8), (state >> 32 & 3) != 0);
		piece.time = piece.clock = i * SECOND / 50;
		if ((state >> 40 & 63) == 0)
			piece.data = pattern + 300;
		result = add_piece(piece);
		if (result == DEFRAG_KEPT)
			kept++;
		if (result == DEFRAG_WHOLE)
			used++;
		if (i % 100 == 0) {
			defrag_release(defrag);
			defrag_expire(defrag, piece.time);
		}
	}
	cr_assert_gt(kept, 0);
	cr_assert_gt(used, 0);
	defrag_expire(defrag, INT64_MAX);
	cr_assert_leq(defrag_take_lost(defrag), kept);
	expect_empty();
}

Test(defrag, free_with_pieces_left)
{
	struct defrag *other = defrag_new();
	struct piece piece = piece_of(4, 1, 0, 8, true);

	cr_assert_eq(defrag_add(other, &piece, &whole), DEFRAG_KEPT);
	piece = piece_of(4, 1, 8, 8, false);
	cr_assert_eq(defrag_add(other, &piece, &whole), DEFRAG_WHOLE);
	piece = piece_of(4, 2, 0, 8, true);
	cr_assert_eq(defrag_add(other, &piece, &whole), DEFRAG_KEPT);
	defrag_free(other);
	defrag_free(NULL);
}
