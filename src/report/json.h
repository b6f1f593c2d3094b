/* json.h - a growing buffer into which JSON is written directly.
 *
 * One writer for all records: json-c takes ten times as long for a record, and writes NaN and invalid UTF-8 as they are.
 * The caller is responsible for commas and brackets; this file for tokens that are always valid. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tcpaudit/segment.h>

/* "YYYY-MM-DDTHH:MM:" of a minute since 1970. */
struct json_minute {
	int64_t number;
	char text[17];
};

struct json_time {
	int64_t time;
	unsigned digits;
	unsigned length; /* 0: nothing was formatted yet */
	char text[32];
};

#define JSON_MINUTES 8 /* a power of two */

/* A constant string in quotes with a comma behind. */
struct json_constant {
	const char *text;
	uint8_t length;
	char quoted[39];
};

#define JSON_CONSTANTS 256 /* a power of two */

struct json {
	char *data; /* `own`, or lent */
	size_t length;
	size_t capacity;
	char *own; /* NULL until it is needed */
	size_t own_capacity;
	bool failed; /* an allocation failed: what is in the buffer must not be used */
	struct json_minute minute[JSON_MINUTES]; /* formatted last: a record's times are close together, or 2MSL apart */
	struct json_time last; /* a flow's last frame is often its TIME-WAIT's begin */
	struct json_constant constant[JSON_CONSTANTS]; /* by address */
};

/* Room for the longest token of fixed size, an address or a timestamp, with its quotes and a NUL. */
#define JSON_TOKEN 64

void json_init(struct json *json);
void json_fini(struct json *json);

/* Empties the buffer, keeps its own memory, and gives back what was lent. */
void json_reset(struct json *json);

/* Empties the buffer and writes into somebody's memory, as long as that is large enough: otherwise what was written moves. */
void json_lend(struct json *json, char *data, size_t capacity);

static inline bool json_is_lent(const struct json *json)
{
	return json->data != json->own;
}

/* Makes the buffer larger; false, and `failed`, if that is not possible. */
bool json_grow(struct json *json, size_t more);

/* Whether `more` bytes can be written behind the last one. */
static inline bool json_room(struct json *json, size_t more)
{
	return json->capacity - json->length >= more || json_grow(json, more);
}

/* Bytes that are JSON already. */
static inline void json_raw(struct json *json, const char *bytes, size_t length)
{
	if (json_room(json, length)) {
		memcpy(json->data + json->length, bytes, length);
		json->length += length;
	}
}

static inline void json_byte(struct json *json, char byte)
{
	if (json_room(json, 1))
		json->data[json->length++] = byte;
}

/* A quoted string that needs no escapes. */
void json_name(struct json *json, const char *name);

/* A quoted string.  Control characters are escaped, invalid UTF-8 becomes U+FFFD. */
void json_string(struct json *json, const char *text);

void json_integer(struct json *json, int64_t number);

/* A quoted RFC 3339 time in UTC, from nanoseconds since 1970, with 6 or 9 digits after the second. */
void json_time(struct json *json, int64_t time, unsigned digits);

/* A quoted address in RFC 5952 form. */
void json_address(struct json *json, const struct tcpaudit_address *address, unsigned ip_version);

/* The texts themselves, for other formats.  Each returns the length, writes a NUL, and needs JSON_TOKEN bytes. */
size_t json_format_integer(char *out, int64_t number);
size_t json_format_time(struct json *json, char *out, int64_t time, unsigned digits);
size_t json_format_address(char *out, const struct tcpaudit_address *address, unsigned ip_version);

/* The same without the NUL, for a writer that keeps its place in a register.  Each returns the place behind the text. */
char *json_put_number(char *to, uint64_t number);

/* For `length`, that of the text, and 16 octets more there is room; where characters are escaped, the buffer grows. */
char *json_put_string(struct json *json, char *to, const char *text, size_t length);
char *json_put_time(struct json *json, char *to, int64_t time, unsigned digits);
char *json_put_constant_new(struct json *json, char *to, const char *text);
char *json_put_address(char *to, const struct tcpaudit_address *address, unsigned ip_version);

static inline size_t json_constant_place(const char *text)
{
	return ((uint64_t)(uintptr_t)text * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (JSON_CONSTANTS - 1);
}

/* A string that needs no escapes, is never freed or changed, and has at most JSON_TOKEN - 3 characters; with quotes and a comma. */
static inline char *json_put_constant(struct json *json, char *to, const char *text)
{
	const struct json_constant *constant = &json->constant[json_constant_place(text)];

	if (constant->text != text)
		return json_put_constant_new(json, to, text);
	memcpy(to, constant->quoted, sizeof constant->quoted);
	return to + constant->length;
}

static inline char *json_put_integer(char *to, int64_t number)
{
	if ((uint64_t)number < 10) {
		*to = (char)('0' + number);
		return to + 1;
	}
	if (number < 0) {
		*to = '-';
		return json_put_number(to + 1, -(uint64_t)number);
	}
	return json_put_number(to, (uint64_t)number);
}

#endif
