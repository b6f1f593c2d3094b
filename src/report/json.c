/* json.c - JSON tokens by hand: strings, integers, times and addresses (RFC 8259, RFC 3339, RFC 5952). */
#include "report/json.h"

#include <endian.h>
#include <stdlib.h>

#include "report/utf8.h"

void json_init(struct json *json)
{
	memset(json, 0, sizeof *json);
	for (size_t i = 0; i < JSON_MINUTES; i++)
		json->minute[i].number = INT64_MIN;
}

void json_fini(struct json *json)
{
	free(json->own);
	json_init(json);
}

void json_reset(struct json *json)
{
	json->length = 0;
	json->failed = false;
	json->data = json->own;
	json->capacity = json->own_capacity;
}

void json_lend(struct json *json, char *data, size_t capacity)
{
	json_reset(json);
	json->data = data;
	json->capacity = capacity;
}

bool json_grow(struct json *json, size_t more)
{
	size_t capacity = json->own_capacity ? json->own_capacity : 1024;
	bool lent;
	char *own;

	while (capacity < json->length + more)
		capacity *= 2;
	lent = json_is_lent(json);
	own = json->failed ? NULL : realloc(json->own, capacity);
	if (own == NULL) {
		json->failed = true;
		return false;
	}
	if (lent)
		memcpy(own, json->data, json->length);
	json->data = json->own = own;
	json->capacity = json->own_capacity = capacity;
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

/* Two strings that fall on one place have a second one beside it. */
__attribute__((noinline)) char *json_put_constant_new(struct json *json, char *to, const char *text)
{
	size_t place = json_constant_place(text), length;
	struct json_constant *constant = &json->constant[json->constant[place].text == NULL ? place : place ^ 1];

	if (constant->text != text) {
		length = strlen(text);
		if (length + 3 > sizeof constant->quoted) {
			to[0] = '"';
			memcpy(to + 1, text, length);
			memcpy(to + 1 + length, "\",", 2);
			return to + length + 3;
		}
		constant->text = text;
		constant->length = (uint8_t)(length + 3);
		constant->quoted[0] = '"';
		memcpy(constant->quoted + 1, text, length);
		memcpy(constant->quoted + 1 + length, "\",", 2);
	}
	memcpy(to, constant->quoted, sizeof constant->quoted);
	return to + constant->length;
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

static uint64_t load_word(const char *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof word);
	return word;
}

/* Not 0 if one of eight octets is a control character, a quote, a backslash, DEL or not ASCII.  Borrows and carries between octets come
 * from such octets only. */
static uint64_t not_plain(uint64_t word)
{
	const uint64_t each = UINT64_C(0x0101010101010101), top = each << 7;
	uint64_t quote = word ^ each * '"', backslash = word ^ each * '\\';

	return ((word - each * 0x20) | (quote - each) | (backslash - each) | (word + each) | word) & top;
}

/* Fewer than eight octets in a word, filled up with what is plain. */
static uint64_t load_rest(const char *text, size_t length)
{
	char rest[8] = {'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x'};
	size_t at = 0;

	if (length & 4) {
		memcpy(rest, text, 4);
		at = 4;
	}
	if (length & 2) {
		memcpy(rest + at, text + at, 2);
		at += 2;
	}
	if (length & 1)
		rest[at] = text[at];
	return load_word(rest);
}

static uint64_t copy_word(char *to, uint64_t word)
{
	memcpy(to, &word, sizeof word);
	return not_plain(word);
}

/* Copies `length` octets, eight at a time, the last eight once more where they are no multiple; false if some need escapes.  Writes up to
 * 7 octets more. */
static bool copy_plain(char *to, const char *text, size_t length)
{
	uint64_t found = 0;

	if (length < 8)
		return copy_word(to, load_rest(text, length)) == 0;
	for (size_t at = 0; at + 8 < length; at += 8)
		found |= copy_word(to + at, load_word(text + at));
	return (found | copy_word(to + length - 8, load_word(text + length - 8))) == 0;
}

static void escape_string(struct json *json, const char *text)
{
	const unsigned char *s = (const unsigned char *)text, *plain = s;

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
}

char *json_put_string(struct json *json, char *to, const char *text, size_t length)
{
	*to = '"';
	if (copy_plain(to + 1, text, length)) {
		to += 1 + length;
	} else {
		json->length = (size_t)(to + 1 - json->data);
		escape_string(json, text);
		if (!json_room(json, 8)) /* lost: written over the beginning */
			json->length = 1;
		to = json->data + json->length;
	}
	*to = '"';
	return to + 1;
}

void json_string(struct json *json, const char *text)
{
	size_t length = strlen(text);

	if (json_room(json, length + 16))
		json->length = (size_t)(json_put_string(json, json->data + json->length, text, length) - json->data);
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
                            "4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798"
                            "99";

static void two_digits(char *out, unsigned number)
{
	memcpy(out, pairs + 2 * number, 2);
}

/* The eight digits of a number below 10^8 in a word, the first in its lowest octet.  All of them are computed at once: halves in lanes of
 * 32 bits, pairs in lanes of 16, digits in octets.  Division by 100 and by 10 is multiplication by 10486 / 2^20 and 103 / 2^10, exact for
 * what a lane can hold. */
static uint64_t eight_digits(uint32_t number)
{
	uint64_t halves = number / 10000 | (uint64_t)(number % 10000) << 32;
	uint64_t hundreds = halves * 10486 >> 20 & UINT64_C(0x0000007f0000007f);
	uint64_t two = hundreds | (halves - hundreds * 100) << 16;
	uint64_t tens = two * 103 >> 10 & UINT64_C(0x000f000f000f000f);

	return tens | (two - tens * 10) << 8;
}

#define ZEROS UINT64_C(0x3030303030303030)

static void put_word(char *to, uint64_t word)
{
	word = htole64(word);
	memcpy(to, &word, sizeof word);
}

char *json_put_number(char *to, uint64_t number)
{
	uint64_t digits;
	unsigned leading;

	if (number >= 100000000) {
		to = json_put_number(to, number / 100000000);
		put_word(to, eight_digits((uint32_t)(number % 100000000)) | ZEROS);
		return to + 8;
	}
	digits = eight_digits((uint32_t)number);
	leading = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) & ~7u; /* bits of leading zeros; the last digit stays */
	put_word(to, (digits | ZEROS) >> leading);
	return to + 8 - leading / 8;
}

size_t json_format_integer(char *out, int64_t number)
{
	char *end = json_put_integer(out, number);

	*end = '\0';
	return (size_t)(end - out);
}

void json_integer(struct json *json, int64_t number)
{
	if (json_room(json, JSON_TOKEN))
		json->length = (size_t)(json_put_integer(json->data + json->length, number) - json->data);
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

static void format_minute(struct json_minute *minute, int64_t number)
{
	int64_t day = number / 1440 - (number % 1440 < 0);
	unsigned clock = (unsigned)(number - day * 1440);

	minute->number = number;
	format_date(minute->text, day);
	two_digits(minute->text + 11, clock / 60);
	minute->text[13] = ':';
	two_digits(minute->text + 14, clock % 60);
	minute->text[16] = ':';
}

static char *put_time(struct json *json, char *to, int64_t time, unsigned digits)
{
	const int64_t second = 1000000000, of_minute = 60 * second;
	int64_t number = time / of_minute - (time % of_minute < 0);
	uint64_t left = (uint64_t)time - (uint64_t)number * (uint64_t)of_minute;
	uint32_t fraction = (uint32_t)(left % (uint64_t)second);
	struct json_minute *minute = &json->minute[(uint64_t)number % JSON_MINUTES];

	if (number != minute->number)
		format_minute(minute, number);
	memcpy(to, minute->text, sizeof minute->text);
	two_digits(to + 17, (unsigned)(left / (uint64_t)second));
	to[19] = '.';
	if (digits <= 6) {
		put_word(to + 20, (eight_digits(fraction / 1000) | ZEROS) >> 16);
		to += 26;
	} else {
		put_word(to + 20, eight_digits(fraction / 10) | ZEROS);
		to[28] = (char)('0' + fraction % 10);
		to += 29;
	}
	*to = 'Z';
	return to + 1;
}

char *json_put_time(struct json *json, char *to, int64_t time, unsigned digits)
{
	struct json_time *last = &json->last;

	if (time != last->time || digits != last->digits || last->length == 0) {
		last->time = time;
		last->digits = digits;
		last->length = (unsigned)(put_time(json, last->text, time, digits) - last->text);
	}
	memcpy(to, last->text, sizeof last->text);
	return to + last->length;
}

size_t json_format_time(struct json *json, char *out, int64_t time, unsigned digits)
{
	char *end = json_put_time(json, out, time, digits);

	*end = '\0';
	return (size_t)(end - out);
}

void json_time(struct json *json, int64_t time, unsigned digits)
{
	if (!json_room(json, JSON_TOKEN))
		return;
	char *to = json->data + json->length;
	*to = '"';
	to = json_put_time(json, to + 1, time, digits);
	*to++ = '"';
	json->length = (size_t)(to - json->data);
}

/* Each octet in decimal with a full stop behind it as far as there is room. */
#define OCTET(n)                                                                                                                 \
	{                                                                                                                        \
		(n) >= 100 ? '0' + (n) / 100 : (n) >= 10 ? '0' + (n) / 10 : '0' + (n) % 10,                                      \
		(n) >= 100 ? '0' + (n) / 10 % 10 : (n) >= 10 ? '0' + (n) % 10 : '.',                                             \
		(n) >= 100 ? '0' + (n) % 10 : '.', '.'                                                                           \
	}
#define OCTETS_4(n) OCTET(n), OCTET(n + 1), OCTET(n + 2), OCTET(n + 3)
#define OCTETS_16(n) OCTETS_4(n), OCTETS_4(n + 4), OCTETS_4(n + 8), OCTETS_4(n + 12)
#define OCTETS_64(n) OCTETS_16(n), OCTETS_16(n + 16), OCTETS_16(n + 32), OCTETS_16(n + 48)
static const char octets[256][4] = {OCTETS_64(0), OCTETS_64(64), OCTETS_64(128), OCTETS_64(192)};

static char *put_ipv4(char *to, const uint8_t *byte)
{
	for (unsigned i = 0; i < 4; i++) {
		memcpy(to, octets[byte[i]], 4);
		to += 2 + (byte[i] >= 10) + (byte[i] >= 100);
	}
	return to - 1;
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
		return (size_t)(put_ipv4(out + 7, byte + 12) - out);
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

char *json_put_address(char *to, const struct tcpaudit_address *address, unsigned ip_version)
{
	return ip_version == 6 ? to + format_ipv6(to, address->byte) : put_ipv4(to, address->byte);
}

size_t json_format_address(char *out, const struct tcpaudit_address *address, unsigned ip_version)
{
	char *end = json_put_address(out, address, ip_version);

	*end = '\0';
	return (size_t)(end - out);
}

void json_address(struct json *json, const struct tcpaudit_address *address, unsigned ip_version)
{
	if (!json_room(json, JSON_TOKEN))
		return;
	char *to = json->data + json->length;
	*to = '"';
	to = json_put_address(to + 1, address, ip_version);
	*to++ = '"';
	json->length = (size_t)(to - json->data);
}
