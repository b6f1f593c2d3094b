/* json.c - JSON tokens by hand: strings, integers, times and addresses (RFC 8259, RFC 3339, RFC 5952). */
#include "report/json.h"

#include <stdlib.h>

void json_init(struct json *json)
{
	memset(json, 0, sizeof *json);
	json->date_day = INT64_MIN;
}

void json_fini(struct json *json)
{
	free(json->data);
	json_init(json);
}

void json_reset(struct json *json)
{
	json->length = 0;
	json->failed = false;
}

bool json_grow(struct json *json, size_t more)
{
	size_t capacity = json->capacity ? json->capacity : 1024;
	char *data;

	while (capacity - json->length < more)
		capacity *= 2;
	data = json->failed ? NULL : realloc(json->data, capacity);
	if (data == NULL) {
		json->failed = true;
		return false;
	}
	json->data = data;
	json->capacity = capacity;
	return true;
}

void json_name(struct json *json, const char *name)
{
	size_t length = strlen(name);

	if (!json_room(json, length + 2))
		return;
	json->data[json->length] = '"';
	memcpy(json->data + json->length + 1, name, length);
	json->data[json->length + 1 + length] = '"';
	json->length += length + 2;
}

/* The length of the well-formed UTF-8 character that begins at `s` (Unicode table 3-7), or 0. */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* Characters that are valid JSON, but that a terminal or JavaScript takes for something else: C1 controls, U+2028, U+2029. */
static unsigned treacherous(const unsigned char *s)
{
	if (s[0] == 0xc2 && s[1] < 0xa0)
		return s[1];
	if (s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9))
		return 0x2000u + (s[2] - 0x80u);
	return 0;
}

static void escape(struct json *json, unsigned code)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};

	if (code == '"' || code == '\\') {
		text[1] = (char)code;
		json_raw(json, text, 2);
	} else {
		json_raw(json, text, sizeof text);
	}
}

void json_string(struct json *json, const char *text)
{
	const unsigned char *s = (const unsigned char *)text, *plain = s;

	json_byte(json, '"');
	for (;;) {
		size_t length = 1;
		unsigned code;

		while (*s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\')
			s++;
		if (*s == '\0')
			break;
		if (*s < 0x80)
			code = *s;
		else if ((length = utf8_length(s)) == 0)
			code = 0xfffd, length = 1;
		else
			code = treacherous(s);
		if (code == 0) {
			s += length;
			continue;
		}
		json_raw(json, (const char *)plain, (size_t)(s - plain));
		escape(json, code);
		plain = s += length;
	}
	json_raw(json, (const char *)plain, (size_t)(s - plain));
	json_byte(json, '"');
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
                            "4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798"
                            "99";

static void two_digits(char *out, unsigned number)
{
	memcpy(out, pairs + 2 * number, 2);
}

size_t json_format_integer(char *out, int64_t number)
{
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char text[20];
	size_t at = sizeof text, length = 0;

	while (rest >= 100) {
		two_digits(text + (at -= 2), (unsigned)(rest % 100));
		rest /= 100;
	}
	if (rest >= 10)
		two_digits(text + (at -= 2), (unsigned)rest);
	else
		text[--at] = (char)('0' + rest);
	if (number < 0)
		out[length++] = '-';
	memcpy(out + length, text + at, sizeof text - at);
	length += sizeof text - at;
	out[length] = '\0';
	return length;
}

void json_integer(struct json *json, int64_t number)
{
	if (json_room(json, JSON_TOKEN))
		json->length += json_format_integer(json->data + json->length, number);
}

/* "YYYY-MM-DDT" of a day since 1970-01-01 in the Gregorian calendar, counted in years that begin with March. */
static void format_date(char *out, int64_t day)
{
	int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned of_era = (unsigned)(z - era * 146097);
	unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned march = (5 * of_year + 2) / 153;
	unsigned month = march < 10 ? march + 3 : march - 9;
	unsigned year = (unsigned)(era * 400) + year_of_era + (month <= 2);

	two_digits(out, year / 100);
	two_digits(out + 2, year % 100);
	out[4] = '-';
	two_digits(out + 5, month);
	out[7] = '-';
	two_digits(out + 8, of_year - (153 * march + 2) / 5 + 1);
	out[10] = 'T';
}

size_t json_format_time(struct json *json, char *out, int64_t time, unsigned digits)
{
	const int64_t second = 1000000000, of_day = 86400 * second;
	int64_t day = time / of_day - (time % of_day < 0);
	uint64_t left = (uint64_t)time - (uint64_t)day * (uint64_t)of_day;
	unsigned clock = (unsigned)(left / (uint64_t)second), fraction = (unsigned)(left % (uint64_t)second);
	size_t at = 20;

	if (day != json->date_day) {
		format_date(json->date, day);
		json->date_day = day;
	}
	memcpy(out, json->date, sizeof json->date);
	two_digits(out + 11, clock / 3600);
	out[13] = ':';
	two_digits(out + 14, clock / 60 % 60);
	out[16] = ':';
	two_digits(out + 17, clock % 60);
	out[19] = '.';
	for (unsigned scale = 10000000; at < 26; at += 2, scale /= 100)
		two_digits(out + at, fraction / scale % 100);
	if (digits > 6) {
		out[at++] = (char)('0' + fraction / 100 % 10);
		two_digits(out + at, fraction % 100);
		at += 2;
	}
	out[at++] = 'Z';
	out[at] = '\0';
	return at;
}

void json_time(struct json *json, int64_t time, unsigned digits)
{
	if (!json_room(json, JSON_TOKEN))
		return;
	char *to = json->data + json->length;
	*to = '"';
	size_t length = json_format_time(json, to + 1, time, digits);
	to[length + 1] = '"';
	json->length += length + 2;
}

static size_t format_ipv4(char *out, const uint8_t *byte)
{
	size_t length = 0;

	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			out[length++] = '.';
		length += json_format_integer(out + length, byte[i]);
	}
	return length;
}

static size_t format_hex(char *out, unsigned number)
{
	size_t length = 0;

	for (int shift = 12; shift >= 0; shift -= 4)
		if (length > 0 || shift == 0 || number >> shift != 0)
			out[length++] = "0123456789abcdef"[number >> shift & 15];
	return length;
}

/* RFC 5952: lower case, the first longest run of two or more zero groups as "::", IPv4-mapped addresses mixed. */
static size_t format_ipv6(char *out, const uint8_t *byte)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	unsigned group[8], best = 8, best_length = 1;
	size_t length = 0;

	if (memcmp(byte, mapped, sizeof mapped) == 0) {
		memcpy(out, "::ffff:", 7);
		return 7 + format_ipv4(out + 7, byte + 12);
	}
	for (unsigned i = 0; i < 8; i++)
		group[i] = (unsigned)byte[2 * i] << 8 | byte[2 * i + 1];
	for (unsigned i = 0, run = 0; i < 8; i++) {
		run = group[i] == 0 ? run + 1 : 0;
		if (run > best_length) {
			best_length = run;
			best = i + 1 - run;
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		if (i == best) {
			out[length++] = ':';
			out[length++] = ':';
			i += best_length - 1;
			continue;
		}
		if (i > 0 && i != best + best_length)
			out[length++] = ':';
		length += format_hex(out + length, group[i]);
	}
	return length;
}

size_t json_format_address(char *out, const struct tcpaudit_address *address, unsigned ip_version)
{
	size_t length = ip_version == 6 ? format_ipv6(out, address->byte) : format_ipv4(out, address->byte);

	out[length] = '\0';
	return length;
}

void json_address(struct json *json, const struct tcpaudit_address *address, unsigned ip_version)
{
	if (!json_room(json, JSON_TOKEN))
		return;
	char *to = json->data + json->length;
	*to = '"';
	size_t length = json_format_address(to + 1, address, ip_version);
	to[length + 1] = '"';
	json->length += length + 2;
}
