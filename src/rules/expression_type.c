/* expression_type.c - what a field can be compared with: every relation and value against its type, unit and set of values.
 *
 * What is compared ends as ranges of numbers or of addresses, or as texts, so that evaluation has few cases. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/expression_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct field *field_of(const struct test *test)
{
	return test->named.field[0];
}

static bool is_text(const struct field *field)
{
	return field->type == FIELD_STRING || field->type == FIELD_STRINGS;
}

static bool is_order(enum token_kind relation)
{
	return relation == TOKEN_LT || relation == TOKEN_LE || relation == TOKEN_GT || relation == TOKEN_GE;
}

/* What kind of thing a field holds. */
static const char *sort_of(const struct field *field)
{
	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_STRINGS:
		return "text";
	case FIELD_BOOLEAN:
		return "true or absent";
	case FIELD_INTEGER:
	case FIELD_INTEGERS:
	case FIELD_FRAME:
		return strcmp(field->unit, "us") == 0 ? "a duration" : "a number";
	case FIELD_TIME:
		return "a time";
	case FIELD_ADDRESS:
		return "an address";
	case FIELD_COUNTS:
		return "a number for each of several names";
	case FIELD_ROWS:
		return "a list of objects";
	}
	return "";
}

static enum match match_of(const struct field *field, enum token_kind relation)
{
	if (field->type == FIELD_ADDRESS)
		return MATCH_ADDRESSES;
	if (is_text(field))
		return relation == TOKEN_CONTAINS ? MATCH_PIECES : MATCH_TEXTS;
	return field->type == FIELD_BOOLEAN ? MATCH_PRESENT : MATCH_NUMBERS;
}

bool parser_relation(struct parser *parser, struct test *test, const struct token *relation)
{
	const struct field *field = field_of(test);
	const char *name = test->name, *sort = sort_of(field);

	test->match = match_of(field, relation->kind);
	test->misfit = relation->kind == TOKEN_ALL_EQ || relation->kind == TOKEN_ANY_NE;
	test->none = relation->kind == TOKEN_NE || relation->kind == TOKEN_ALL_EQ;
	if (relation->kind == TOKEN_MATCHES)
		return parser_fail(parser, relation->at,
		                   "regular expressions are not supported: use contains, or in with the values");
	if (field->type == FIELD_COUNTS || field->type == FIELD_ROWS)
		return parser_fail(parser, relation->at, "%s is %s: only whether it is present can be asked", name, sort);
	if (relation->kind == TOKEN_CONTAINS && !is_text(field))
		return parser_fail(parser, relation->at, "contains looks into text, but %s is %s", name, sort);
	if (is_order(relation->kind) && is_text(field))
		return parser_fail(parser, relation->at, "%s is text, which has no order: use ==, !=, in or contains", name);
	if (is_order(relation->kind) && field->type == FIELD_ADDRESS)
		return parser_fail(parser, relation->at, "%s is an address: use ==, != or in, with a prefix or a range", name);
	if (field->type == FIELD_BOOLEAN && relation->kind != TOKEN_EQ)
		return parser_fail(parser, relation->at, "%s is true or absent: write it alone, or behind \"not\"", name);
	return true;
}

/* Where a new value goes; NULL when out of memory. */
static union value *add(struct parser *parser, struct test *test)
{
	if (parser->value_count == parser->value_room) {
		size_t room = parser->value_room == 0 ? 16 : 2 * parser->value_room;
		union value *value = realloc(parser->value, room * sizeof *value);

		if (value == NULL) {
			parser->failed = true;
			return NULL;
		}
		parser->value = value;
		parser->value_room = room;
	}
	test->count++;
	return memset(&parser->value[parser->value_count++], 0, sizeof *parser->value);
}

/* A value that its type refuses; a field's name there has an explanation of its own. */
static bool refuse(struct parser *parser, const struct test *test, const struct token *token, const char *complaint)
{
	char shown[LITERAL_SHOWN];
	struct named named;
	char *error = NULL;
	bool is_name = token->kind == TOKEN_WORD && names_find(token->text, parser->records, &named, &error);

	free(error);
	if (is_name)
		return parser_fail(parser, token->at, "%s is compared with a value, not with another field", test->name);
	return parser_fail(parser, token->at, "%s: \"%s\" %s", test->name, literal_shown(shown, token->text), complaint);
}

/* What is written in quotes is text, and a time may be. */
static bool unquoted(struct parser *parser, const struct test *test, const struct token *token)
{
	if (token->kind == TOKEN_STRING && field_of(test)->type != FIELD_TIME)
		return parser_fail(parser, token->at, "%s is %s: write the value without quotes", test->name,
		                   sort_of(field_of(test)));
	return true;
}

/* No number of a record is beyond it. */
static int64_t most_of(const struct field *field)
{
	return strcmp(field->path, "src_port") == 0 || strcmp(field->path, "dest_port") == 0 ? 65535 : INT64_MAX;
}

static bool read_number(struct parser *parser, const struct test *test, const struct token *token, int64_t *number)
{
	const struct field *field = field_of(test);
	const char *complaint;

	if (!unquoted(parser, test, token))
		return false;
	if (field->type == FIELD_TIME)
		complaint = literal_time(token->text, number);
	else if (strcmp(field->unit, "us") == 0)
		complaint = literal_duration(token->text, number);
	else if (strcmp(field->unit, "bytes") == 0)
		complaint = literal_size(token->text, number);
	else
		complaint = literal_number(token->text, number);
	if (complaint == NULL && *number > most_of(field))
		complaint = "is no port: they end at 65535";
	return complaint == NULL || refuse(parser, test, token, complaint);
}

/* No number of a record is negative. */
static bool add_number(struct parser *parser, struct test *test, enum token_kind relation, const struct token *token, int64_t low,
                       int64_t high)
{
	union value *value;

	if (relation == TOKEN_LT && low == 0 && field_of(test)->type != FIELD_TIME)
		return refuse(parser, test, token, "has nothing below it");
	if (relation == TOKEN_GT && low == most_of(field_of(test)))
		return refuse(parser, test, token, "has nothing above it");
	if (low > high)
		return parser_fail(parser, token->at, "the range begins behind its end");
	value = add(parser, test);
	if (value == NULL)
		return false;
	value->low = relation == TOKEN_GT ? low + 1 : relation == TOKEN_LT || relation == TOKEN_LE ? INT64_MIN : low;
	value->high = relation == TOKEN_LT ? high - 1 : relation == TOKEN_GT || relation == TOKEN_GE ? INT64_MAX : high;
	return true;
}

static bool number(struct parser *parser, struct test *test, enum token_kind relation, const struct token *low,
                   const struct token *high)
{
	int64_t from, to;

	if (!read_number(parser, test, low, &from) || !read_number(parser, test, high == NULL ? low : high, &to))
		return false;
	return add_number(parser, test, relation, low, from, to);
}

static bool read_addresses(struct parser *parser, const struct test *test, const struct token *token,
                           struct literal_addresses *addresses)
{
	const char *complaint;

	if (!unquoted(parser, test, token))
		return false;
	complaint = literal_addresses(token->text, addresses);
	return complaint == NULL || refuse(parser, test, token, complaint);
}

static bool address(struct parser *parser, struct test *test, const struct token *low, const struct token *high)
{
	struct literal_addresses from, to;
	union value *value;

	if (!read_addresses(parser, test, low, &from) || (high != NULL && !read_addresses(parser, test, high, &to)))
		return false;
	if (high != NULL) {
		if (from.prefix || to.prefix || from.ip_version != to.ip_version)
			return parser_fail(parser, low->at, "a range goes from one address to another of the same version");
		if (memcmp(from.low, to.low, sizeof from.low) > 0)
			return parser_fail(parser, low->at, "the range begins behind its end");
		memcpy(from.high, to.high, sizeof from.high);
	}
	value = add(parser, test);
	if (value == NULL)
		return false;
	value->addresses = from;
	return true;
}

/* Whether a text can occur: in a closed set it is one of its values, or (contains) a piece of one. */
static bool can_be(const struct field *field, enum token_kind relation, const char *text)
{
	if (field->values == NULL)
		return true;
	for (size_t i = 0; field->values[i] != NULL; i++)
		if (relation == TOKEN_CONTAINS ? strstr(field->values[i], text) != NULL : strcmp(field->values[i], text) == 0)
			return true;
	return false;
}

/* The values of a closed set, the first of many. */
#define SOME_VALUES 8
static void list_values(char *out, size_t size, const char *const *values)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i <= SOME_VALUES && values[i] != NULL && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i == 0 ? "" : ", ", i < SOME_VALUES ? values[i] : "...");
}

static bool refuse_text(struct parser *parser, const struct test *test, enum token_kind relation, const struct token *token)
{
	const struct field *field = field_of(test);
	char shown[LITERAL_SHOWN], listed[256];
	struct nearest nearest;

	literal_shown(shown, token->text);
	if (relation == TOKEN_CONTAINS)
		return parser_fail(parser, token->at, "no value of %s contains \"%s\"", test->name, shown);
	nearest_init(&nearest, token->text);
	for (size_t i = 0; field->values[i] != NULL; i++)
		nearest_offer(&nearest, field->values[i]);
	if (nearest.best[0] != '\0')
		return parser_fail(parser, token->at, "%s is never \"%s\"; did you mean %s?", test->name, shown, nearest.best);
	list_values(listed, sizeof listed, field->values);
	return parser_fail(parser, token->at, "%s is never \"%s\", but one of %s", test->name, shown, listed);
}

static bool text(struct parser *parser, struct test *test, enum token_kind relation, const struct token *low,
                 const struct token *high)
{
	union value *value;

	if (high != NULL)
		return parser_fail(parser, low->at, "%s is text, which has no ranges", test->name);
	if (relation == TOKEN_CONTAINS && low->text[0] == '\0')
		return parser_fail(parser, low->at, "every text contains the empty one");
	if (!can_be(field_of(test), relation, low->text))
		return refuse_text(parser, test, relation, low);
	value = add(parser, test);
	if (value == NULL)
		return false;
	value->text = low->text;
	value->at = low->at;
	return true;
}

/* A boolean is absent where it is not true, so that "== false" would never hold. */
static bool boolean(struct parser *parser, const struct test *test, const struct token *token)
{
	if (!unquoted(parser, test, token))
		return false;
	if (strcmp(token->text, "true") == 0 || strcmp(token->text, "1") == 0)
		return true;
	if (strcmp(token->text, "false") == 0 || strcmp(token->text, "0") == 0)
		return parser_fail(parser, token->at, "%s is absent where it is not true: write \"not %s\"", test->name,
		                   test->name);
	return refuse(parser, test, token, "is not true");
}

bool parser_value(struct parser *parser, struct test *test, enum token_kind relation, const struct token *low,
                  const struct token *high)
{
	switch (test->match) {
	case MATCH_PRESENT:
		return boolean(parser, test, low);
	case MATCH_NUMBERS:
		return number(parser, test, relation, low, high);
	case MATCH_ADDRESSES:
		return address(parser, test, low, high);
	case MATCH_TEXTS:
	case MATCH_PIECES:
		return text(parser, test, relation, low, high);
	}
	return false;
}
