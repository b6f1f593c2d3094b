/* literal.c - parsing without guessing: a value is taken whole or refused, and what is refused is told why. */
#include "rules/literal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define TOO_LARGE "is too large"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Decimal digits, of which there is at least one, up to INT64_MAX. */
static const char *digits(const char **text, int64_t *number)
{
	const char *c = *text;

	if (!is_digit(*c))
		return "is not a whole number";
	for (*number = 0; is_digit(*c); c++)
		if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, *c - '0', number))
			return TOO_LARGE;
	*text = c;
	return NULL;
}

static const char *hexadecimal(const char *text, int64_t *number)
{
	static const char hex[] = "0123456789abcdef";

	if (*text == '\0')
		return "is not a whole number";
	for (*number = 0; *text != '\0'; text++) {
		const char *digit = strchr(hex, tolower((unsigned char)*text));

		if (digit == NULL)
			return "is not a whole number";
		if (*number > INT64_MAX >> 4)
			return TOO_LARGE;
		*number = *number << 4 | (digit - hex);
	}
	return NULL;
}

const char *literal_number(const char *text, int64_t *number)
{
	const char *wrong;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return hexadecimal(text + 2, number);
	wrong = digits(&text, number);
	return wrong == NULL && *text != '\0' ? "is not a whole number" : wrong;
}

#define MILLIONTHS 1000000

/* A number that may have a point: its whole part, and what is behind the point in millionths.  `other` is what to say if it
 * does not begin with a digit. */
static const char *decimal(const char **text, int64_t *whole, int64_t *millionths, const char *other)
{
	const char *wrong = is_digit(**text) ? digits(text, whole) : other;

	*millionths = 0;
	if (wrong != NULL)
		return wrong;
	if (**text != '.')
		return NULL;
	if (!is_digit(*++*text))
		return "has no digit behind the point";
	for (int64_t place = MILLIONTHS / 10; is_digit(**text); place /= 10, ++*text) {
		if (place == 0)
			return "has more than six digits behind the point";
		*millionths += place * (**text - '0');
	}
	return NULL;
}

/* In units of one; `uneven` is what to say if that is not whole. */
static const char *scale(int64_t whole, int64_t millionths, int64_t unit, const char *uneven, int64_t *number)
{
	/* the largest unit, 10^12, times a million stays below 2^63 */
	if (millionths * unit % MILLIONTHS != 0)
		return uneven;
	if (__builtin_mul_overflow(whole, unit, number) ||
	    __builtin_add_overflow(*number, millionths * unit / MILLIONTHS, number))
		return TOO_LARGE;
	return NULL;
}

const char *literal_duration(const char *text, int64_t *us)
{
	static const struct {
		const char *name;
		int64_t us;
	} unit[] = {{"us", 1},
	            {"ms", 1000},
	            {"s", 1000000},
	            {"m", 60000000},
	            {"min", 60000000},
	            {"h", INT64_C(3600000000)},
	            {"d", INT64_C(86400000000)}};
	int64_t whole, millionths;
	const char *wrong = decimal(&text, &whole, &millionths, "is not a duration, such as 50ms or 1.5h");

	if (wrong != NULL)
		return wrong;
	if (*text == '\0')
		return "needs a unit: us, ms, s, m, h or d";
	for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
		if (strcmp(text, unit[i].name) == 0)
			return scale(whole, millionths, unit[i].us, "is not a whole number of microseconds", us);
	return "has an unknown unit: there are us, ms, s, m, h and d";
}

const char *literal_size(const char *text, int64_t *bytes)
{
	static const struct {
		const char *name;
		int64_t bytes;
	} unit[] = {{"", 1},
	            {"B", 1},
	            {"KB", 1000},
	            {"kB", 1000},
	            {"MB", 1000000},
	            {"GB", INT64_C(1000000000)},
	            {"TB", INT64_C(1000000000000)},
	            {"KiB", 1 << 10},
	            {"MiB", 1 << 20},
	            {"GiB", 1 << 30},
	            {"TiB", INT64_C(1) << 40}};
	int64_t whole, millionths;
	const char *wrong;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return literal_number(text, bytes);
	wrong = decimal(&text, &whole, &millionths, "is not a number of bytes, such as 1500 or 64KiB");
	if (wrong != NULL)
		return wrong;
	for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
		if (strcmp(text, unit[i].name) == 0)
			return scale(whole, millionths, unit[i].bytes, "is not a whole number of bytes", bytes);
	return "has an unknown unit: there are B, KB, MB, GB, TB and KiB, MiB, GiB, TiB";
}

#define NO_TIME "is not a time, such as \"2026-01-31T23:59:59Z\""

/* As many digits as `count`; -1 if there are fewer. */
static int64_t fixed(const char **text, unsigned count)
{
	int64_t number = 0;

	for (; count > 0; count--, ++*text) {
		if (!is_digit(**text))
			return -1;
		number = 10 * number + (**text - '0');
	}
	return number;
}

static bool skip(const char **text, const char *any)
{
	if (**text == '\0' || strchr(any, **text) == NULL)
		return false;
	++*text;
	return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; -1 if there is no such date, or none that is understood here. */
static int64_t days(int64_t year, int64_t month, int64_t day)
{
	static const uint8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int64_t sum = 0;

	if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > length[month - 1] + (month == 2 && leap))
		return -1;
	for (int64_t m = 1; m < month; m++)
		sum += length[m - 1] + (m == 2 && leap);
	year--;
	sum += (year - 1969) * 365 + (year / 4 - 1969 / 4) - (year / 100 - 1969 / 100) + (year / 400 - 1969 / 400);
	return sum + day - 1;
}

/* "Z" or "+01:00": what must be subtracted, in seconds. */
static bool offset(const char **text, int64_t *seconds)
{
	int64_t hours, minutes, sign = **text == '-' ? -1 : 1;

	*seconds = 0;
	if (skip(text, "Zz"))
		return true;
	if (!skip(text, "+-"))
		return false;
	hours = fixed(text, 2);
	if (hours < 0 || hours > 23 || !skip(text, ":"))
		return false;
	minutes = fixed(text, 2);
	*seconds = sign * (3600 * hours + 60 * minutes);
	return minutes >= 0 && minutes <= 59;
}

static bool fraction(const char **text, int64_t *ns)
{
	*ns = 0;
	if (!skip(text, "."))
		return true;
	if (!is_digit(**text))
		return false;
	for (int64_t place = 100000000; is_digit(**text) && place > 0; place /= 10, ++*text)
		*ns += place * (**text - '0');
	return true;
}

const char *literal_time(const char *text, int64_t *ns)
{
	static const struct {
		unsigned digits;
		const char *behind;
		int64_t most;
	} part[] = {{4, "-", 9999}, {2, "-", 12}, {2, "Tt ", 31}, {2, ":", 23}, {2, ":", 59}, {2, NULL, 60}};
	int64_t value[6], day, zone, rest;

	for (unsigned i = 0; i < 6; i++) {
		value[i] = fixed(&text, part[i].digits);
		if (value[i] < 0 || value[i] > part[i].most || (part[i].behind != NULL && !skip(&text, part[i].behind)))
			return NO_TIME;
	}
	if (!fraction(&text, &rest))
		return NO_TIME;
	if (*text == '\0')
		return "has no time zone: Z for UTC, or an offset such as +01:00";
	if (!offset(&text, &zone) || *text != '\0')
		return NO_TIME;
	day = days(value[0], value[1], value[2]);
	if (day < 0)
		return "is not a date between 1970 and 2261";
	*ns = (day * 86400 + value[3] * 3600 + value[4] * 60 + value[5] - zone) * INT64_C(1000000000) + rest;
	return NULL;
}

const char *literal_addresses(const char *text, struct literal_addresses *addresses)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "/");
	int64_t bits;

	memset(addresses, 0, sizeof *addresses);
	if (length >= sizeof address)
		return "is not an IP address";
	memcpy(address, text, length);
	address[length] = '\0';
	addresses->ip_version = strchr(address, ':') != NULL ? 6 : 4;
	if (inet_pton(addresses->ip_version == 6 ? AF_INET6 : AF_INET, address, addresses->low) != 1)
		return "is not an IP address";
	bits = addresses->ip_version == 6 ? 128 : 32;
	addresses->prefix = text[length] == '/';
	if (addresses->prefix) {
		const char *prefix = text + length + 1;
		int64_t most = bits;

		if (digits(&prefix, &bits) != NULL || *prefix != '\0' || bits > most)
			return most == 32 ? "has no prefix length from 0 to 32" : "has no prefix length from 0 to 128";
	}
	memcpy(addresses->high, addresses->low, sizeof addresses->high);
	for (int64_t bit = bits; bit < (addresses->ip_version == 6 ? 128 : 32); bit++) {
		addresses->low[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
		addresses->high[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	return NULL;
}

size_t literal_character(const char *text)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)text;
	size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
	uint32_t code;

	if (length <= 1)
		return s[0] == '\0' ? 0 : length;
	code = s[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	/* neither written longer than needed, nor half of a pair of UTF-16, nor behind the last character */
	return code < least[length] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff ? 0 : length;
}

bool literal_is_control(const char *character)
{
	const unsigned char *s = (const unsigned char *)character;

	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void literal_make_plain(char *text)
{
	for (; *text != '\0'; text++) {
		if (!literal_is_control(text))
			continue;
		if ((unsigned char)*text >= 0x80) /* two octets */
			*text++ = '?';
		*text = '?';
	}
}

const char *literal_shown(char out[LITERAL_SHOWN], const char *text)
{
	size_t at = 0;

	for (size_t length; *text != '\0'; text += length) {
		length = literal_character(text);
		if (at + length + sizeof "..." > LITERAL_SHOWN) {
			strcpy(out + at, "...");
			return out;
		}
		if (length == 0 || literal_is_control(text)) {
			out[at++] = '?';
			length += length == 0;
			continue;
		}
		memcpy(out + at, text, length);
		at += length;
	}
	out[at] = '\0';
	return out;
}

size_t literal_column(const char *text, size_t at)
{
	size_t column = 1;

	for (size_t i = 0; i < at; i++)
		column += ((unsigned char)text[i] & 0xc0) != 0x80;
	return column;
}

bool literal_is_utf8(const char *text)
{
	for (size_t length; *text != '\0'; text += length) {
		length = literal_character(text);
		if (length == 0)
			return false;
	}
	return true;
}
