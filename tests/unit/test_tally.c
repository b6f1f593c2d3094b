/* test_tally.c - hosts as the summary counts them: each once, the first of equals first, and none can aim at another one's place.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "report/tally.h"

static const uint64_t none[TCPAUDIT_CHECK_WORDS];

/* Of a client that is host number `i`. */
static struct tcpaudit_connection connection_of(uint32_t i, uint8_t kind, uint8_t aborted_by)
{
	struct tcpaudit_connection c;

	memset(&c, 0, sizeof c);
	c.ip_version = 4;
	c.kind = kind;
	c.aborted_by = aborted_by;
	c.closed_first = c.time_wait_holder = c.half_close_by = c.close_wait_holder = TCPAUDIT_WHO_NONE;
	memcpy(c.end[TCPAUDIT_CLIENT].address.byte, &i, sizeof i);
	c.end[TCPAUDIT_SERVER].address.byte[0] = 198;
	c.end[TCPAUDIT_SERVER].port = 80;
	return c;
}

static void tell(struct tally *tally, struct tcpaudit_connection c)
{
	tally_connection(tally, &c);
}

/* Reset by its client. */
static void abort_of(struct tally *tally, uint32_t i)
{
	tell(tally, connection_of(i, TCPAUDIT_KIND_ABORT_CLIENT, TCPAUDIT_CLIENT));
}

static struct tally *with_key(uint8_t key)
{
	uint8_t keys[16] = {0};

	memset(keys, key, sizeof keys);
	struct tally *tally = tally_new(none, keys);
	cr_assert_not_null(tally);
	return tally;
}

/* How far apart hosts are in the index does not matter: of equal ones the first comes first, whatever the key. */
Test(tally, equal_hosts_come_as_they_were_told)
{
	for (uint8_t key = 0; key < 20; key++) {
		struct tally *tally = with_key(key);
		const struct tally_host *top[4];
		uint32_t told[6] = {70, 3, 99, 12, 55, 21};

		for (unsigned i = 0; i < 6; i++)
			abort_of(tally, told[i]);
		abort_of(tally, 55);
		cr_assert_eq(tally_top(tally, TALLY_RESETS, top, 4), 4);
		cr_assert_eq(memcmp(&top[0]->place.address, &told[4], 4), 0, "the one with two");
		for (unsigned i = 1; i < 4; i++)
			cr_assert_eq(memcmp(&top[i]->place.address, &told[i - 1], 4), 0);
		tally_free(tally);
	}
}

Test(tally, more_hosts_than_there_is_room_for)
{
	struct tally *tally = with_key(7);
	const struct tally_host *top[1];

	for (unsigned round = 0; round < 2; round++)
		for (uint32_t i = 0; i < TALLY_HOSTS + 10; i++)
			abort_of(tally, i);
	cr_assert_eq(tally->hosts, TALLY_HOSTS);
	cr_assert_eq(tally->hosts_left_out, 2 * 11); /* the server is one, too */
	cr_assert_eq(tally_top(tally, TALLY_RESETS, top, 1), 1);
	cr_assert_eq(top[0]->place.count, 2);
	tally_free(tally);
}

Test(tally, a_flood_of_attempts_leaves_room_for_hosts)
{
	struct tally *tally = with_key(7);
	const struct tally_host *top[1];

	for (uint32_t i = 0; i < TALLY_HOSTS + 10; i++)
		tell(tally, connection_of(i, TCPAUDIT_KIND_SYN_TIMEOUT, TCPAUDIT_WHO_NONE));
	abort_of(tally, TALLY_HOSTS + 5);
	cr_assert_eq(tally->hosts_left_out, 0);
	cr_assert_eq(tally_top(tally, TALLY_RESETS, top, 1), 1);
	cr_assert_eq(top[0]->place.count, 1);
	tally_free(tally);
}

/* Which 256th of the index a host belongs to, when it is the first one. */
static unsigned region_of(struct tally *tally, uint32_t host)
{
	enum { PLACES = 4 * TALLY_HOSTS };
	unsigned at = 0;

	tally->hosts = 0;
	memset(tally->index, 0, PLACES * sizeof *tally->index);
	abort_of(tally, host);
	while (tally->index[at] != 1)
		at++;
	return at / (PLACES / 256);
}

/* Hosts that are neighbours under one key are anywhere under another: whoever does not know it cannot choose them. */
Test(tally, nobody_can_aim)
{
	struct tally *known = with_key(1), *secret = with_key(2);
	unsigned chosen = 0, together[256] = {0};

	for (uint32_t host = 1; chosen < 64; host++)
		if (region_of(known, host) == 0) {
			chosen++;
			together[region_of(secret, host)]++;
		}
	for (unsigned i = 0; i < 256; i++)
		cr_assert_lt(together[i], 8, "%u of %u", together[i], chosen);
	tally_free(known);
	tally_free(secret);
}

/* Who refuses has aborted nothing, and a reset behind both FINs ends nothing. */
Test(tally, refused_and_reset_behind_the_close_are_not_aborted)
{
	struct tally *tally = with_key(3);
	const struct tally_host *top[2];
	struct tcpaudit_connection c = connection_of(1, TCPAUDIT_KIND_REFUSED, TCPAUDIT_WHO_SERVER);

	tally_connection(tally, &c);
	tally_connection(tally, &c);
	c.kind = TCPAUDIT_KIND_FOUR_WAY;
	c.end[0].fin_acked = c.end[1].fin_acked = true;
	tally_connection(tally, &c);
	cr_assert_eq(tally_top(tally, TALLY_RESETS, top, 2), 0);
	cr_assert_eq(tally_top(tally, TALLY_REFUSED, top, 2), 1);
	cr_expect_eq(top[0]->measure[TALLY_REFUSED], 2);
	cr_expect_eq(top[0]->place.port, 80);
	tally_free(tally);
}

/* A server closes what is idle; its host has given up FIN-WAIT-2 when the client closes, and knows of no connection.  With ACK the reset
 * is an abort's. */
Test(tally, who_has_closed_and_forgotten_has_not_aborted)
{
	struct tally *tally = with_key(3);
	const struct tally_host *top[2];
	struct tcpaudit_connection c = connection_of(1, TCPAUDIT_KIND_FIN_FIN_RST, TCPAUDIT_WHO_SERVER);

	c.reset.flags = TCPAUDIT_RST;
	tally_connection(tally, &c);
	cr_assert_eq(tally_top(tally, TALLY_RESETS, top, 2), 0);
	c.reset.flags = TCPAUDIT_RST | TCPAUDIT_ACK;
	tally_connection(tally, &c);
	cr_assert_eq(tally_top(tally, TALLY_RESETS, top, 2), 1);
	cr_expect_eq(top[0]->measure[TALLY_RESETS], 1);
	cr_expect_eq(top[0]->place.port, 80);
	tally_free(tally);
}
