/* test_notes.c - cap-: notes on the capture that dialogues cannot raise, each with a near miss. */
#include "frames.h"

#define CONVERSATION "A S100 / B SA300,101 / A .101,301 / A D101+10,301 / B .301,111"

Test(notes, several_inputs)
{
	struct bench *b = bench_new();
	play(b, "A S100 in=0 / B SA300,101 in=1 / A .101,301 in=0");
	bench_finish(b);
	cr_assert(noted(&b->record[0], "cap-multi-if"));
	bench_free(b);
}

Test(notes, one_input)
{
	struct bench *b = bench_new();
	play(b, "A S100 in=1 / B SA300,101 in=1 / A .101,301 in=1");
	bench_finish(b);
	cr_assert_not(noted(&b->record[0], "cap-multi-if"));
	bench_free(b);
}

/* Text of A, in IP packets as they were sent. */
static struct wire text_segment(uint16_t id)
{
	return (struct wire){
	        .from = A, .seq = 101, .ack = 301, .len = 64, .flags = TCPAUDIT_ACK | TCPAUDIT_PSH, .window = 8192, .id = id};
}

static void checksum_ip(uint8_t *ip)
{
	wire_put16(ip + 10, 0);
	wire_put16(ip + 10, (uint16_t)~wire_fold(wire_add(0, ip, 20)));
}

Test(notes, tunnel)
{
	struct bench *b = bench_new();
	struct wire w = text_segment(7);
	uint8_t inner[WIRE_ROOM], outer[20 + WIRE_ROOM] = {0x45};
	size_t len = wire_frame(&w, inner);

	play(b, "A S100 / B SA300,101 / A .101,301");
	wire_put16(outer + 2, (unsigned)(20 + len));
	outer[8] = 64;
	outer[9] = 4; /* IP in IP */
	wire_put32(outer + 12, 0xc0000201);
	wire_put32(outer + 16, 0xc0000202);
	checksum_ip(outer);
	memcpy(outer + 20, inner, len);
	bench_frame(b, outer, 20 + len, b->time + 10 * MILLISECONDS, 101, 0, 0);
	bench_finish(b);
	cr_assert_eq(b->records, 1);
	cr_assert_eq(b->record[0].end[A].text, 64);
	cr_assert(noted(&b->record[0], "cap-tunnel"));
	bench_free(b);
}

/* The same packet as it is. */
Test(notes, no_tunnel)
{
	struct bench *b = bench_new();
	struct wire w = text_segment(7);

	play(b, "A S100 / B SA300,101 / A .101,301");
	bench_wire(b, &w, b->time + 10 * MILLISECONDS);
	bench_finish(b);
	cr_assert_eq(b->record[0].end[A].text, 64);
	cr_assert_not(noted(&b->record[0], "cap-tunnel"));
	cr_assert_not(noted(&b->record[0], "cap-fragments"));
	bench_free(b);
}

Test(notes, fragments)
{
	struct bench *b = bench_new();
	struct wire w = text_segment(7);
	uint8_t whole[WIRE_ROOM], part[WIRE_ROOM];
	size_t len = wire_frame(&w, whole), first = 40;

	play(b, "A S100 / B SA300,101 / A .101,301");
	for (unsigned i = 0; i < 2; i++) {
		size_t from = i ? first : 0, octets = (i ? len - 20 : first) - from;
		memcpy(part, whole, 20);
		memcpy(part + 20, whole + 20 + from, octets);
		wire_put16(part + 2, (unsigned)(20 + octets));
		wire_put16(part + 6, i ? (unsigned)(from / 8) : 0x2000);
		checksum_ip(part);
		bench_frame(b, part, 20 + octets, b->time + MILLISECONDS, 101, 0, 0);
	}
	bench_finish(b);
	cr_assert_eq(b->record[0].end[A].text, 64);
	cr_assert(noted(&b->record[0], "cap-fragments"));
	bench_free(b);
}

Test(notes, evicted)
{
	struct bench *b = bench_prepare();
	b->settings.max_flows = 1;
	bench_start(b);
	play(b, CONVERSATION " / A S100 sport=41000");
	cr_assert_eq(b->records, 1);
	cr_assert(noted(&b->record[0], "cap-evicted"));
	bench_free(b);
}

/* There was room for both. */
Test(notes, not_evicted)
{
	struct bench *b = bench_prepare();
	b->settings.max_flows = 2;
	bench_start(b);
	play(b, CONVERSATION " / A S100 sport=41000");
	bench_finish(b);
	cr_assert_eq(b->records, 2);
	cr_assert_not(noted(&b->record[0], "cap-evicted"));
	bench_free(b);
}

#define OUTSIDE " sport=41000"

/* Notes of the connections from port 40000 and from port 41000. */
static void expect_twins(const char *dialogue, bool twins)
{
	struct bench *b = bench_new();
	play(b, dialogue);
	bench_finish(b);
	cr_assert_eq(b->records, 2);
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(noted(&b->record[i], "cap-nat-twin"), twins, "%s, connection %zu", dialogue, i);
	bench_free(b);
}

Test(notes, both_sides_of_a_nat)
{
	expect_twins("A S100 @1 / A S100 @1.0002" OUTSIDE " / B SA300,101 @1.01" OUTSIDE
	             " / B SA300,101 @1.0101 / A .101,301 @1.02 / A .101,301 @1.0201" OUTSIDE,
	             true);
}

/* It answers for itself: its own numbers on either side. */
Test(notes, both_sides_of_a_proxy)
{
	expect_twins("A S100 @1 / B SA700,101 @1.0001 / A S500 @1.0002" OUTSIDE " / B SA300,501 @1.01" OUTSIDE
	             " / A .501,301 @1.02" OUTSIDE " / A .101,701 @1.021",
	             false);
}

/* A scanner that has one ISS for all. */
Test(notes, one_iss_for_all)
{
	expect_twins("A S100 @1 / A S100 @1.0002" OUTSIDE " / B SA300,101 @1.01 / B SA900,101 @1.0101" OUTSIDE, false);
}

/* The same numbers, but long after. */
Test(notes, the_same_numbers_later)
{
	expect_twins("A S100 @1 / B SA300,101 @1.01 / A S100 @2" OUTSIDE " / B SA300,101 @2.01" OUTSIDE, false);
}

/* One connection in two VLANs is no translation. */
Test(notes, the_same_sockets_in_another_vlan)
{
	expect_twins("A S100 @1 vlan=5 / A S100 @1.0001 vlan=6 / B SA300,101 @1.01 vlan=6 / B SA300,101 @1.0101 vlan=5", false);
}

/* More handshakes at once than are remembered: what is forgotten is counted. */
Test(notes, forgotten_twins_are_counted)
{
	struct bench *b = bench_new();
	char line[128];

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(line, sizeof line, "A S%u @1 sport=%u / B SA%u,%u @1 sport=%u", 1000 + i * 7919, 10000 + i,
		         50000 + i * 104729, 1001 + i * 7919, 10000 + i);
		play(b, line);
	}
	cr_assert_geq(bench_counters(b).twins_forgotten, 2000 - 1024);
	bench_free(b);
}
