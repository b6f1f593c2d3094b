/* Tokens of the direct JSON writer, with json-c as the oracle: what it writes must parse, and mean what went in. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/json.h"

static struct json json;

static void begin(void)
{
	json_init(&json);
}

static void end(void)
{
	json_fini(&json);
}

TestSuite(json, .init = begin, .fini = end);

/* What was written so far, as a C string. */
static const char *written(void)
{
	json_byte(&json, '\0');
	cr_assert_not(json.failed);
	return json.data;
}

/* Writes a string; what a strict parser makes of it must be `meant`. */
static void check_string(const char *text, const char *meant)
{
	json_reset(&json);
	json_string(&json, text);
	struct json_tokener *tokener = json_tokener_new();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json_object *value = json_tokener_parse_ex(tokener, json.data, (int)json.length);
	cr_assert_eq(json_tokener_get_error(tokener), json_tokener_success, "%s", written());
	cr_assert_str_eq(json_object_get_string(value), meant);
	json_object_put(value);
	json_tokener_free(tokener);
}

Test(json, plain_strings_are_copied)
{
	json_string(&json, "close-wait /tmp/x.pcap");
	cr_assert_str_eq(written(), "\"close-wait /tmp/x.pcap\"");
}

Test(json, quotes_backslashes_and_controls_are_escaped)
{
	json_string(&json, "a\"b\\c\n\x01\x7f");
	cr_assert_str_eq(written(), "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\"");
	check_string("a\"b\\c\n\x01\x7f", "a\"b\\c\n\x01\x7f");
}

Test(json, every_byte_gives_valid_json)
{
	for (int byte = 1; byte < 256; byte++) {
		const char text[] = {'x', (char)byte, 'y', '\0'};

		check_string(text, byte < 0x80 ? text : "x\xef\xbf\xbdy");
	}
}

/* Strings are looked at eight octets at a time: no place in a word is overlooked, and none disturbs its neighbour. */
Test(json, every_byte_at_every_place)
{
	for (size_t length = 1; length <= 26; length++)
		for (size_t at = 0; at < length; at++)
			for (unsigned byte = 1; byte < 256; byte++) {
				char text[32], expected[40];
				bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';

				memset(text, at % 2 ? '!' : '~', length);
				text[length] = '\0';
				text[at] = (char)byte;
				json_reset(&json);
				json_string(&json, text);
				if (plain)
					snprintf(expected, sizeof expected, "\"%s\"", text);
				else if (byte == '"' || byte == '\\')
					snprintf(expected, sizeof expected, "\"%.*s\\%c%s\"", (int)at, text, byte, text + at + 1);
				else
					snprintf(expected, sizeof expected, "\"%.*s\\u%04x%s\"", (int)at, text,
					         byte < 0x80 ? byte : 0xfffd, text + at + 1);
				cr_assert_str_eq(written(), expected);
			}
}

Test(json, well_formed_utf8_is_kept)
{
	check_string("Zürich → 東京 𝄞", "Zürich → 東京 𝄞");
}

Test(json, ill_formed_utf8_is_replaced)
{
	check_string("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                                 /* overlong */
	check_string("\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
	check_string("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");                 /* surrogate */
	check_string("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* beyond U+10FFFF */
	check_string("\xe2\x86", "\xef\xbf\xbd\xef\xbf\xbd");                                 /* cut */
	check_string("\xf0\x9d\x84", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

Test(json, terminal_controls_beyond_ascii_are_escaped)
{
	json_string(&json, "\xc2\x9b"
	                   "31m\xe2\x80\xa8");
	cr_assert_str_eq(written(), "\"\\u009b31m\\u2028\"");
}

Test(json, integers_of_all_lengths)
{
	static const int64_t numbers[] = {0, 7, 10, 99, 100, 101, 12345, 4294967295, INT64_MAX, -1, -10, INT64_MIN};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		char expected[32], text[JSON_TOKEN];

		snprintf(expected, sizeof expected, "%lld", (long long)numbers[i]);
		cr_assert_eq(json_format_integer(text, numbers[i]), strlen(expected));
		cr_assert_str_eq(text, expected);
	}
}

/* Around each power of ten and of two, and at random within each length. */
Test(json, integers_agree_with_printf)
{
	uint64_t power = 1;

	srandom(3);
	for (unsigned digits = 1; digits <= 20; digits++, power *= 10)
		for (int i = -200; i <= 200; i++) {
			uint64_t wide = (uint64_t)random() << 32 ^ (uint64_t)random();
			uint64_t numbers[] = {power + (uint64_t)i, UINT64_C(1) << (digits * 3) % 64, wide % (power * 9) + power, wide};

			for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++) {
				char expected[32], text[JSON_TOKEN];

				snprintf(expected, sizeof expected, "%llu", (unsigned long long)numbers[j]);
				*json_put_number(text, numbers[j]) = '\0';
				cr_assert_str_eq(text, expected);
				snprintf(expected, sizeof expected, "%lld", (long long)numbers[j]);
				json_format_integer(text, (int64_t)numbers[j]);
				cr_assert_str_eq(text, expected);
			}
		}
}

Test(json, all_integers_of_up_to_six_digits)
{
	for (int64_t number = 0; number < 1000000; number++) {
		char text[JSON_TOKEN];
		size_t length = json_format_integer(text, number);

		cr_assert(length == 1 || text[0] != '0');
		cr_assert_eq(strtoll(text, NULL, 10), number);
		cr_assert_eq(strspn(text, "0123456789"), length);
	}
}

Test(json, times_are_rfc3339_in_utc)
{
	static const struct {
		int64_t ns;
		unsigned digits;
		const char *text;
	} rows[] = {
	        {0, 6, "\"1970-01-01T00:00:00.000000Z\""},
	        {1, 9, "\"1970-01-01T00:00:00.000000001Z\""},
	        {1709251199999999999, 9, "\"2024-02-29T23:59:59.999999999Z\""}, /* leap day */
	        {1709251199999999999, 6, "\"2024-02-29T23:59:59.999999Z\""},    /* cut, not rounded into March */
	        {4102444800000000000, 6, "\"2100-01-01T00:00:00.000000Z\""},
	        {-1, 9, "\"1969-12-31T23:59:59.999999999Z\""},
	        {INT64_MIN, 9, "\"1677-09-21T00:12:43.145224192Z\""},
	        {INT64_MAX, 9, "\"2262-04-11T23:47:16.854775807Z\""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		json_reset(&json);
		json_time(&json, rows[i].ns, rows[i].digits);
		cr_assert_str_eq(written(), rows[i].text);
	}
}

Test(json, times_agree_with_gmtime)
{
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		int64_t second = ((int64_t)random() << 2 | (random() & 3)) - (INT64_C(1) << 32);
		time_t t = (time_t)second;
		struct tm tm;
		char expected[64], text[JSON_TOKEN];

		gmtime_r(&t, &tm);
		strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.250000Z", &tm);
		json_format_time(&json, text, second * 1000000000 + 250000000, 6);
		cr_assert_str_eq(text, expected);
	}
}

/* Both sides of each midnight, with leap years that are none and those that are, backwards too: one minute takes another's place. */
Test(json, midnights_agree_with_gmtime)
{
	for (int64_t day = 0; day < 365 * 147; day++)
		for (int64_t off = 1; off >= -1; off--) {
			int64_t second = day * 86400 + off;
			time_t t = (time_t)second;
			struct tm tm;
			char expected[64], text[JSON_TOKEN];

			gmtime_r(&t, &tm);
			strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000999001Z", &tm);
			json_format_time(&json, text, second * 1000000000 + 999001, 9);
			cr_assert_str_eq(text, expected);
		}
}

Test(json, fractions_of_a_second_keep_their_zeros)
{
	for (int64_t fraction = 1; fraction < 1000000000; fraction = fraction * 7 + 1) {
		char expected[64], text[JSON_TOKEN];

		snprintf(expected, sizeof expected, "1970-01-01T00:00:59.%09dZ", (int)fraction);
		json_format_time(&json, text, 59000000000 + fraction, 9);
		cr_assert_str_eq(text, expected);
		snprintf(expected, sizeof expected, "1970-01-01T00:00:59.%06dZ", (int)(fraction / 1000));
		json_format_time(&json, text, 59000000000 + fraction, 6);
		cr_assert_str_eq(text, expected);
	}
}

Test(json, addresses_agree_with_the_library)
{
	srandom(2);
	for (int i = 0; i < 50000; i++) {
		struct tcpaudit_address address;
		char expected[INET6_ADDRSTRLEN], text[JSON_TOKEN];

		for (int j = 0; j < 16; j++) /* many zeros: runs of them are what differs */
			address.byte[j] = random() % 3 ? 0 : (uint8_t)random();
		json_format_address(text, &address, 4);
		cr_assert_str_eq(text, inet_ntop(AF_INET, address.byte, expected, sizeof expected));
		if (address.byte[0] | address.byte[1] | address.byte[2] |
		    address.byte[3]) { /* not IPv4-compatible: that form is deprecated */
			json_format_address(text, &address, 6);
			cr_assert_str_eq(text, inet_ntop(AF_INET6, address.byte, expected, sizeof expected));
		}
	}
}

Test(json, all_octets_of_an_address)
{
	for (unsigned i = 0; i < 256; i++) {
		struct tcpaudit_address address = {.byte = {(uint8_t)i, (uint8_t)(255 - i), (uint8_t)i, (uint8_t)(i ^ 170)}};
		char expected[INET6_ADDRSTRLEN], text[JSON_TOKEN];

		json_format_address(text, &address, 4);
		cr_assert_str_eq(text, inet_ntop(AF_INET, address.byte, expected, sizeof expected));
	}
}

Test(json, addresses_of_rfc_5952)
{
	static const char *const rows[] = {"::",
	                                   "::1",
	                                   "2001:db8::1",
	                                   "2001:db8:0:1:1:1:1:1",
	                                   "2001:0:0:1::1",
	                                   "2001:db8::1:0:0:1",
	                                   "::ffff:192.0.2.1",
	                                   "fe80::",
	                                   "1:2:3:4:5:6:7:8"};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tcpaudit_address address;
		char text[JSON_TOKEN];

		cr_assert_eq(inet_pton(AF_INET6, rows[i], address.byte), 1);
		json_format_address(text, &address, 6);
		cr_assert_str_eq(text, rows[i]);
	}
}

Test(json, the_buffer_grows)
{
	char *long_text = malloc(100001);

	memset(long_text, 'x', 100000);
	long_text[100000] = '\0';
	for (int i = 0; i < 3; i++)
		json_string(&json, long_text);
	cr_assert_eq(json.length, 3 * 100002);
	json_reset(&json);
	cr_assert_eq(json.length, 0);
	free(long_text);
}

/* More strings than the cache has places, some too long for it, in an order in which they push each other out. */
Test(json, constants_are_quoted_whatever_the_cache_holds)
{
	static char texts[1000][64];
	char to[128];

	for (unsigned i = 0; i < 1000; i++)
		snprintf(texts[i], sizeof texts[i], "%u-%.*s", i, (int)(i % 50), "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
	for (unsigned i = 0; i < 20000; i++) {
		const char *text = texts[i * 7919 % (i % 2 ? 1000 : 90)];
		char expected[80];

		*json_put_constant(&json, to, text) = '\0';
		snprintf(expected, sizeof expected, "\"%s\",", text);
		cr_assert_str_eq(to, expected);
	}
}

Test(json, what_outgrows_lent_memory_moves)
{
	char lent[32], long_text[101];

	memset(long_text, 'y', 100);
	long_text[100] = '\0';
	for (int round = 0; round < 2; round++) {
		json_lend(&json, lent, sizeof lent);
		json_string(&json, "short");
		cr_assert(json_is_lent(&json));
		cr_assert_eq(memcmp(lent, "\"short\"", 7), 0);
		json_string(&json, long_text);
		cr_assert_not(json_is_lent(&json));
		cr_assert_eq(json.length, 7 + 102);
		cr_assert_eq(memcmp(json.data, "\"short\"\"yyy", 11), 0);
	}
	json_reset(&json);
	json_string(&json, "own");
	cr_assert_str_eq(written(), "\"own\"");
}
