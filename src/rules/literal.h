/* literal.h - values as they are written in a rule: numbers, durations, sizes, times, addresses. */
#ifndef LITERAL_H
#define LITERAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each takes the whole text or refuses it, and then returns what is wrong with it: the rest of a sentence that begins with
 * the text.  NULL: all is well. */

/* 80, 0x50: from 0 to INT64_MAX. */
const char *literal_number(const char *text, int64_t *number);

/* 50ms, 1.5h in microseconds; the unit is obligatory and the result must be whole. */
const char *literal_duration(const char *text, int64_t *us);

/* 1500, 64KiB, 1.5MB in bytes: KB is 1000 and KiB 1024 of them. */
const char *literal_size(const char *text, int64_t *bytes);

/* RFC 3339 ("2026-01-31T23:59:60.5+01:00") in nanoseconds since 1970-01-01 UTC; years 1970 to 2261. */
const char *literal_time(const char *text, int64_t *ns);

/* An address, or with "/" and a prefix length all that share it: the lowest and the highest. */
struct literal_addresses {
	uint8_t low[16]; /* network byte order; IPv4 in the first four, the rest 0 */
	uint8_t high[16];
	uint8_t ip_version;
	bool prefix; /* a length was given */
};
const char *literal_addresses(const char *text, struct literal_addresses *addresses);

/* The length of the well-formed UTF-8 character that begins at `text` (Unicode table 3-7); 0 if there is none. */
size_t literal_character(const char *text);

/* Whether that character is a control character, C0, DEL or C1: a terminal would obey it. */
bool literal_is_control(const char *character);

/* Text of the user within an error: what is long is cut, what a terminal would obey is replaced. */
#define LITERAL_SHOWN 64
const char *literal_shown(char out[LITERAL_SHOWN], const char *text);

/* The same for a whole error, which is one line, and does nothing to a terminal. */
void literal_make_plain(char *text);

/* Characters before a byte of UTF-8, and one. */
size_t literal_column(const char *text, size_t at);

/* Whether all of it is UTF-8. */
bool literal_is_utf8(const char *text);

#endif
