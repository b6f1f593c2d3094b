/* test_filter.c - BPF expressions over frames of several link types. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "capture/source.h"

/* Ethernet, IPv4, TCP from 10.0.0.1:1234 to 10.0.0.2:80, SYN. */
static const uint8_t ethernet[54] = {
        2,    0,    0, 0,  0, 1, 2,    0, 0,  0, 0, 2, 8,    0,                    /* Ethernet */
        0x45, 0,    0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10,   0, 0, 1, 10, 0, 0, 2, /* IPv4 */
        4,    0xd2, 0, 80, 0, 0, 0,    1, 0,  0, 0, 0, 0x50, 2, 1, 0, 0,  0, 0, 0, /* TCP */
};

enum { ETHERNET = 1, RAW = 101, SLL = 113, USER0 = 147 };

static struct filter *made(const char *expression)
{
	char *error = NULL;
	struct filter *filter = filter_new(expression, &error);
	cr_assert_not_null(filter, "%s", error);
	return filter;
}

static enum filter_verdict verdict(struct filter *filter, uint16_t linktype)
{
	uint8_t sll[16 + 40] = {0, 4, [14] = 8};
	memcpy(sll + 16, ethernet + 14, 40);
	switch (linktype) {
	case RAW:
		return filter_match(filter, RAW, ethernet + 14, 40, 40);
	case SLL:
		return filter_match(filter, SLL, sll, sizeof sll, sizeof sll);
	default:
		return filter_match(filter, linktype, ethernet, sizeof ethernet, sizeof ethernet);
	}
}

Test(filter, matches_each_link_type)
{
	static const uint16_t linktypes[] = {ETHERNET, RAW, SLL, ETHERNET};
	struct filter *yes = made("tcp dst port 80 and host 10.0.0.1");
	struct filter *no = made("udp or net 192.168.0.0/16");
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(verdict(yes, linktypes[i]), FILTER_MATCHES);
		cr_assert_eq(verdict(no, linktypes[i]), FILTER_REJECTS);
	}
	filter_free(yes);
	filter_free(no);
}

Test(filter, empty_matches_all)
{
	struct filter *filter = made("");
	cr_assert_eq(verdict(filter, ETHERNET), FILTER_MATCHES);
	filter_free(filter);
}

Test(filter, does_not_read_beyond_what_was_captured)
{
	struct filter *filter = made("tcp port 80");
	uint8_t *cut = malloc(36);
	memcpy(cut, ethernet, 36);
	cr_assert_eq(filter_match(filter, ETHERNET, cut, 36, 54), FILTER_REJECTS);
	cr_assert_eq(filter_match(filter, ETHERNET, cut, 0, 54), FILTER_REJECTS);
	free(cut);
	filter_free(filter);
}

Test(filter, wrong_expressions)
{
	char *error = NULL;
	cr_assert_null(filter_new("tcp or", &error));
	cr_assert_str_eq(error, "filter \"tcp or\": can't parse filter expression: syntax error");
	free(error);
	cr_assert_null(filter_new("tcp port nonesuch", &error));
	cr_assert_not_null(strstr(error, "nonesuch"));
	free(error);
}

Test(filter, an_expression_may_fit_some_link_types_only)
{
	struct filter *filter = made("ether host 02:00:00:00:00:01");
	char *error = NULL;
	cr_assert(filter_require(filter, ETHERNET, &error));
	cr_assert_not(filter_require(filter, RAW, &error));
	cr_assert_not_null(strstr(error, "ether host"));
	free(error);
	cr_assert_eq(verdict(filter, ETHERNET), FILTER_MATCHES);
	cr_assert_eq(verdict(filter, RAW), FILTER_CANNOT);
	filter_free(filter);
}

Test(filter, a_link_type_that_libpcap_does_not_know_is_no_fault_of_the_expression)
{
	struct filter *filter = made("tcp");
	char *error = NULL;
	cr_assert(filter_require(filter, USER0, &error));
	cr_assert_eq(verdict(filter, USER0), FILTER_CANNOT);
	filter_free(filter);
}

Test(filter, what_only_the_kernel_knows)
{
	struct filter *filter = made("outbound");
	char *error = NULL;
	cr_assert_not(filter_require(filter, ETHERNET, &error));
	free(error);
	cr_assert_eq(verdict(filter, ETHERNET), FILTER_CANNOT);
	cr_assert_eq(verdict(filter, SLL), FILTER_MATCHES, "cooked headers say it");
	filter_free(filter);
}

Test(filter, more_link_types_than_are_kept)
{
	struct filter *filter = made("tcp");
	for (unsigned i = 0; i < 1000; i++)
		verdict(filter, (uint16_t)(1000 + i));
	cr_assert_eq(verdict(filter, ETHERNET), FILTER_MATCHES);
	cr_assert_eq(verdict(filter, SLL), FILTER_CANNOT, "came too late");
	filter_free(filter);
}

Test(filter, link_type_values)
{
	cr_assert_eq(filter_dlt(RAW), 12);
	cr_assert_eq(filter_linktype(12), RAW);
	cr_assert_eq(filter_dlt(ETHERNET), 1);
	cr_assert_eq(filter_linktype(276), 276);
}

Test(filter, a_display_filter_is_named_as_such)
{
	char *error = NULL;

	cr_assert_null(filter_new("tcp.port == 443", &error));
	cr_expect(strstr(error, "display filter"), "%s", error);
	free(error);
	cr_assert_null(filter_new("port 443 and", &error));
	cr_expect_null(strstr(error, "display filter"), "%s", error);
	free(error);
}
