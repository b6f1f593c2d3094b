/* The table of services: who is counted, who is shown, and what a flood of others does to it. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "report/services.h"

static struct services services;

static void begin(void)
{
	memset(&services, 0, sizeof services);
}

TestSuite(services, .init = begin);

/* A connection to 10.0.`host`, closed in four segments by its client, with a millisecond in CLOSE-WAIT. */
static struct tcpaudit_connection to(uint16_t host, uint16_t port)
{
	struct tcpaudit_connection c = {.ip_version = 4,
	                                .kind = TCPAUDIT_KIND_FOUR_WAY,
	                                .closed_first = TCPAUDIT_WHO_CLIENT,
	                                .aborted_by = TCPAUDIT_WHO_NONE,
	                                .close_wait_holder = TCPAUDIT_WHO_SERVER,
	                                .close_wait_duration = 1000000};
	const uint8_t address[4] = {10, 0, (uint8_t)(host >> 8), (uint8_t)host};

	memcpy(c.end[TCPAUDIT_SERVER].address.byte, address, sizeof address);
	c.end[TCPAUDIT_SERVER].port = port;
	c.end[0].fin_acked = c.end[1].fin_acked = true;
	return c;
}

static void give(struct tcpaudit_connection c, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		services_connection(&services, &c, c.close_wait_open);
}

static const struct service *shown(size_t at)
{
	services_rank(&services);
	cr_assert_lt(at, services.shown);
	return services.top[at];
}

Test(services, none)
{
	services_rank(&services);
	cr_assert_eq(services.shown, 0);
}

Test(services, by_number_of_connections)
{
	give(to(1, 80), 3);
	give(to(2, 80), 5);
	give(to(1, 443), 4);
	cr_assert_eq(shown(0)->address.byte[3], 2);
	cr_assert_eq(shown(1)->port, 443);
	cr_assert_eq(shown(2)->connections, 3);
	cr_assert_eq(services.shown, 3);
}

Test(services, ten_of_many_and_equal_ones_by_their_socket)
{
	for (uint16_t host = 40; host > 0; host--)
		give(to(host, 80), host > 35 ? 2 : 1);
	for (uint16_t i = 0; i < 10; i++)
		cr_expect_eq(shown(i)->address.byte[3], i < 5 ? 36 + i : 1 + i - 5, "row %u", i);
	cr_assert_eq(services.shown, 10);
}

Test(services, how_they_ended)
{
	struct tcpaudit_connection c = to(1, 80);

	give(c, 1);
	c.closed_first = TCPAUDIT_WHO_SERVER;
	c.close_wait_holder = TCPAUDIT_WHO_CLIENT; /* the client's: nothing of the service */
	c.close_wait_open = true;
	give(c, 2);
	c.aborted_by = TCPAUDIT_WHO_CLIENT; /* behind both FINs: it ended nothing */
	give(c, 1);
	c.end[1].fin_acked = false;
	c.kind = TCPAUDIT_KIND_FIN_RST_PEER;
	give(c, 4);
	c.aborted_by = TCPAUDIT_WHO_UNKNOWN;
	c.kind = TCPAUDIT_KIND_ABORT_THIRD_PARTY;
	c.closed_first = TCPAUDIT_WHO_NONE;
	give(c, 1);
	const struct service *s = shown(0);
	cr_assert_eq(s->connections, 9);
	cr_assert_eq(s->server_first, 7);
	cr_assert_eq(s->reset, 5);
	cr_assert_eq(s->close_waits, 1);
	cr_assert_eq(s->close_wait_open, 0);
}

Test(services, what_did_not_get_past_the_handshake_is_nobody_s)
{
	static const uint8_t kinds[] = {TCPAUDIT_KIND_REFUSED, TCPAUDIT_KIND_SYN_TIMEOUT, TCPAUDIT_KIND_SYN_PENDING,
	                                TCPAUDIT_KIND_HS_RST_INITIATOR, TCPAUDIT_KIND_HS_PENDING};
	struct tcpaudit_connection c = to(1, 80);

	for (size_t i = 0; i < sizeof kinds; i++) {
		c.kind = kinds[i];
		give(c, 1);
	}
	c.kind = TCPAUDIT_KIND_EVICTED; /* before it was answered, or acknowledged */
	c.completeness = TCPAUDIT_COMPLETE_SYN;
	give(c, 1);
	c.completeness |= TCPAUDIT_COMPLETE_SYN_ACK;
	give(c, 1);
	services_rank(&services);
	cr_assert_eq(services.shown, 0);
	c.completeness |= TCPAUDIT_COMPLETE_ACK;
	give(c, 1);
	cr_assert_eq(shown(0)->connections, 1);
	c.completeness = 0;
	c.kind = TCPAUDIT_KIND_ONEWAY_OPEN;
	give(c, 1);
	c.kind = TCPAUDIT_KIND_SIMULTANEOUS;
	give(c, 1);
	cr_assert_eq(shown(0)->connections, 3);
}

Test(services, stays_in_close_wait)
{
	struct tcpaudit_connection c = to(1, 80);

	cr_assert_eq(service_stay(&(struct service){0}, 50), 0);
	for (int64_t ms = 1; ms <= 100; ms++) {
		c.close_wait_duration = ms * 1000000;
		c.close_wait_open = ms > 97;
		give(c, 1);
	}
	const struct service *s = shown(0);
	cr_assert_eq(s->close_waits, 100);
	cr_assert_eq(s->close_wait_open, 3);
	uint64_t median = service_stay(s, 50), p95 = service_stay(s, 95);
	cr_assert(median >= 50000 * 15 / 16 && median <= 50000 * 17 / 16, "%lu", (unsigned long)median);
	cr_assert(p95 >= 95000 * 15 / 16 && p95 <= 95000 * 17 / 16, "%lu", (unsigned long)p95);
}

/* Of a few, or of a few among many, nobody knows whether they were forgotten. */
Test(services, many_leaks_and_a_share_of_the_service)
{
	struct tcpaudit_connection good = to(1, 80), leak = good, other = to(2, 80);

	leak.close_wait_open = true;
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_not(services_leak(&services, &leak), "%u before", i);
		give(leak, 1);
	}
	cr_assert(services_leak(&services, &leak));
	cr_assert_not(services_leak(&services, &other));
	give(good, 15); /* 4 of 19 */
	cr_assert(services_leak(&services, &leak), "5 of 20");
	give(good, 1);
	cr_assert_not(services_leak(&services, &leak), "5 of 21");
}

Test(services, the_clients_of_a_service_are_not_the_service)
{
	struct tcpaudit_connection c = to(1, 80), late = c;

	c.close_wait_holder = TCPAUDIT_WHO_CLIENT;
	c.close_wait_open = true;
	give(c, 10);
	cr_assert_not(services_leak(&services, &c));
	for (unsigned i = 0; i < 10; i++) /* closed at last */
		services_connection(&services, &late, true);
	late.close_wait_open = true;
	cr_assert_not(services_leak(&services, &late));
}

Test(services, any_time_has_a_class)
{
	for (unsigned bit = 0; bit < 63; bit++) {
		struct tcpaudit_connection c = to((uint16_t)bit, 80);
		uint64_t us = (UINT64_C(1) << bit) / 1000, got;

		c.close_wait_duration = INT64_C(1) << bit;
		give(c, 2);
		for (size_t i = 0; i < SERVICES; i++)
			if (services.row[i].ip_version && services.row[i].address.byte[3] == bit) {
				got = service_stay(&services.row[i], 50);
				cr_expect(us > UINT64_C(1) << 39 || (got >= us - us / 16 && got <= us + us / 16), "%lu: %lu",
				          (unsigned long)us, (unsigned long)got);
			}
	}
}

/* Fifty thousand services with a connection each, and one that begins in the midst of them. */
Test(services, a_flood_does_not_bury_a_service)
{
	uint64_t kept = 0;

	for (uint16_t host = 1; host <= 50000; host++) {
		give(to(host, 8080), 1);
		if (host > 20000 && host % 10 == 0)
			give(to(7, 443), 2);
	}
	cr_assert_eq(shown(0)->port, 443);
	cr_assert_eq(shown(0)->connections, 6000);
	for (size_t i = 0; i < SERVICES; i++)
		kept += services.row[i].connections;
	cr_assert_eq(kept + services.left_out, 56000);
	cr_assert_gt(services.left_out, 0);
}

Test(services, versions_of_ip_are_apart)
{
	struct tcpaudit_connection c = to(1, 80);

	give(c, 2);
	c.ip_version = 6;
	give(c, 1);
	cr_assert_eq(shown(0)->connections, 2);
	cr_assert_eq(shown(1)->ip_version, 6);
}
