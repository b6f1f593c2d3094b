/* test_splits.c - which two halves make a connection that two workers saw. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "cli/splits.h"

#define SECOND INT64_C(1000000000)

static struct splits *splits;
static struct tcpaudit_connection connection;

static void setup(void)
{
	char *error;

	splits = splits_new(&error);
	cr_assert_not_null(splits, "%s", error);
	memset(&connection, 0, sizeof connection);
	connection.ip_version = 4;
	connection.start = 100 * SECOND;
	connection.last = 101 * SECOND;
	for (unsigned i = 0; i < 2; i++) {
		memcpy(connection.end[i].address.byte, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\0", 16);
		connection.end[i].address.byte[15] = (uint8_t)(7 + i);
		connection.end[i].port = (uint16_t)(1000 + i);
	}
}

static void teardown(void)
{
	free(splits);
}

TestSuite(splits, .init = setup, .fini = teardown);

/* A worker saw so many packets of the two ends. */
static void saw(size_t worker, uint64_t of_first, uint64_t of_second)
{
	connection.end[0].packets = of_first;
	connection.end[1].packets = of_second;
	splits_connection(splits, &connection, worker);
}

/* What only heard the second end takes it for the client, perhaps. */
static void turn(void)
{
	struct tcpaudit_end end = connection.end[0];

	connection.end[0] = connection.end[1];
	connection.end[1] = end;
}

Test(splits, two_halves_are_one)
{
	saw(0, 5, 0);
	cr_assert_eq(splits->found, 0);
	saw(1, 0, 6);
	cr_assert_eq(splits->found, 1);
	saw(1, 0, 6);
	cr_assert_eq(splits->found, 1, "a half counts once");
}

Test(splits, whoever_is_taken_for_the_client)
{
	saw(0, 5, 0);
	turn();
	saw(1, 6, 0);
	cr_assert_eq(splits->found, 1);
}

Test(splits, tags_and_tunnels_may_differ)
{
	saw(0, 5, 0);
	connection.vlan = 7;
	connection.network = 9;
	saw(1, 0, 6);
	cr_assert_eq(splits->found, 1);
}

Test(splits, what_is_no_other_half)
{
	saw(0, 5, 0);
	saw(1, 5, 0); /* the same direction */
	saw(0, 0, 5); /* the same worker: with the half of worker 1 it is one */
	cr_assert_eq(splits->found, 1);
	saw(0, 5, 5);
	saw(1, 5, 5);
	saw(1, 0, 0);
	cr_assert_eq(splits->found, 1, "both directions are no half");
}

Test(splits, the_same_worker)
{
	saw(3, 5, 0);
	saw(3, 0, 5);
	cr_assert_eq(splits->found, 0);
}

Test(splits, other_sockets)
{
	saw(0, 5, 0);
	connection.end[1].port++;
	saw(1, 0, 5);
	connection.end[1].port--;
	connection.end[1].address.byte[12] ^= 1;
	saw(1, 0, 5);
	connection.end[1].address.byte[12] ^= 1;
	connection.ip_version = 6;
	saw(1, 0, 5);
	cr_assert_eq(splits->found, 0);
}

Test(splits, another_time)
{
	saw(0, 5, 0);
	connection.start = connection.last = 200 * SECOND;
	saw(1, 0, 5);
	cr_assert_eq(splits->found, 0);
	connection.start = connection.last = 102 * SECOND;
	saw(1, 0, 5);
	cr_assert_eq(splits->found, 1);
}

/* A million halves: what loses its place is counted, and what keeps it is found. */
Test(splits, memory_is_bounded)
{
	const unsigned halves = 1000000;

	for (unsigned n = 0; n < halves; n++) {
		memcpy(&connection.end[0].address.byte[8], &n, sizeof n);
		saw(0, 1, 0);
	}
	cr_assert_leq(splits->forgotten, halves - SPLITS_PLACES / 2);
	cr_assert_geq(splits->forgotten, halves - SPLITS_PLACES);
	for (unsigned n = 0; n < halves; n++) {
		memcpy(&connection.end[0].address.byte[8], &n, sizeof n);
		connection.last = 99 * SECOND; /* older than all that is there: takes no place that is needed */
		saw(1, 0, 1);
		connection.last = 101 * SECOND;
	}
	cr_assert_gt(splits->found, 0);
	cr_assert_leq(splits->found, SPLITS_PLACES);
}
