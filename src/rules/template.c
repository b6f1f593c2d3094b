/* template.c - messages with fields in them. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/json.h"
#include "report/page.h"
#include "rules/literal.h"
#include "rules/names.h"

/* Text, or (count > 0) fields. */
struct piece {
	const char *text;
	size_t length;
	struct named named;
};

struct template
{
	char *text; /* a copy, into which pieces point */
	size_t count;
	struct piece piece[];
};

struct reading {
	struct template *template;
	unsigned records;
	const char *at;
	size_t fields;
	size_t error_at;
	char *error;
};

static bool fail(struct reading *reading, const char *at, const char *error)
{
	reading->error_at = (size_t)(at - reading->template->text);
	reading->error = strdup(error);
	return false;
}

static void add_text(struct reading *reading, const char *text, size_t length)
{
	if (length > 0)
		reading->template->piece[reading->template->count++] = (struct piece){.text = text, .length = length};
}

static bool add_field(struct reading *reading, const char *begin, size_t length)
{
	struct piece *piece = &reading->template->piece[reading->template->count];
	char name[LITERAL_SHOWN * 2], shown[LITERAL_SHOWN];

	if (length == 0)
		return fail(reading, begin, "the name of a field is missing between the braces");
	if (reading->fields++ == TEMPLATE_FIELDS)
		return fail(reading, begin, "too many fields for a message");
	snprintf(name, sizeof name, "%.*s", (int)length, begin);
	*piece = (struct piece){.text = NULL};
	reading->error_at = (size_t)(begin - reading->template->text);
	if (!names_find(literal_shown(shown, name), reading->records, &piece->named, &reading->error))
		return false;
	if (piece->named.field[0]->type == FIELD_ROWS)
		return fail(reading, begin, "a list of objects cannot be put into a message");
	reading->template->count++;
	return true;
}

/* From a brace on: a field, or a doubled brace. */
static bool read_brace(struct reading *reading)
{
	const char *begin = reading->at;
	size_t length;

	if (begin[0] == begin[1]) {
		add_text(reading, begin, 1);
		reading->at += 2;
		return true;
	}
	if (begin[0] == '}')
		return fail(reading, begin, "a brace that closes nothing; }} is a brace");
	length = strcspn(begin + 1, "{}");
	if (begin[1 + length] != '}')
		return fail(reading, begin, "a brace that is not closed; {{ is a brace");
	reading->at = begin + length + 2;
	return add_field(reading, begin + 1, length);
}

static bool read_pieces(struct reading *reading)
{
	while (*reading->at != '\0') {
		size_t length = strcspn(reading->at, "{}");

		add_text(reading, reading->at, length);
		reading->at += length;
		if (length == 0 && !read_brace(reading))
			return false;
	}
	return true;
}

/* Room for all pieces of a text: each brace begins one, and ends one. */
static struct template *allocate(const char *text)
{
	struct template *template;
	size_t most = 1;

	for (const char *c = text; *c != '\0'; c++)
		most += *c == '{' || *c == '}';
	template = malloc(sizeof *template + 2 * most * sizeof *template->piece);
	if (template == NULL)
		return NULL;
	template->count = 0;
	template->text = strdup(text);
	if (template->text != NULL)
		return template;
	free(template);
	return NULL;
}

struct template *template_new(const char *text, unsigned records, size_t *column, char **error)
{
	struct reading reading = {.records = records};

	*column = 1;
	*error = NULL;
	if (strlen(text) > TEMPLATE_LONGEST || !literal_is_utf8(text)) {
		*error = strdup(strlen(text) > TEMPLATE_LONGEST ? "too long for a message" : "not UTF-8");
		return NULL;
	}
	reading.template = allocate(text);
	if (reading.template == NULL)
		return NULL;
	reading.at = reading.template->text;
	if (read_pieces(&reading))
		return reading.template;
	*column = literal_column(text, reading.error_at);
	*error = reading.error;
	template_free(reading.template);
	return NULL;
}

void template_free(struct template *template)
{
	if (template == NULL)
		return;
	free(template->text);
	free(template);
}

struct message {
	char *out;
	size_t room; /* that is left, without the NUL */
};

/* Text that is UTF-8; false if it did not fit, and then nothing more does. */
static void put(struct message *message, const char *text, size_t length)
{
	while (length > 0) {
		size_t character = literal_character(text);

		if (character > message->room) {
			message->room = 0;
			return;
		}
		memcpy(message->out, text, character);
		message->out += character;
		message->room -= character;
		text += character;
		length -= character;
	}
}

/* Text of a record, which the network or a file name may have filled. */
static void put_foreign(struct message *message, const char *text)
{
	while (*text != '\0') {
		size_t character = literal_character(text);

		if (character == 0 || literal_is_control(text))
			put(message, "?", 1);
		else
			put(message, text, character);
		text += character == 0 ? 1 : character;
	}
}

static void put_number(struct message *message, const struct field *field, int64_t number)
{
	char text[PAGE_TOKEN];

	if (strcmp(field->unit, "us") == 0)
		page_duration(text, number * 1000);
	else
		json_format_integer(text, number);
	put_foreign(message, text);
}

static void put_time(struct message *message, const struct record *record, int64_t time)
{
	char text[JSON_TOKEN];
	struct json json;

	json_init(&json);
	json_format_time(&json, text, time, fields_time_digits(record));
	put_foreign(message, text);
}

static void put_value(struct message *message, const struct record *record, const struct field *field,
                      const struct field_value *value)
{
	char text[PAGE_TOKEN];

	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_STRINGS:
		put_foreign(message, value->text);
		return;
	case FIELD_BOOLEAN:
		put_foreign(message, "true");
		return;
	case FIELD_TIME:
		put_time(message, record, value->number);
		return;
	case FIELD_ADDRESS:
		put_foreign(message, page_address(text, value->address, value->ip_version));
		return;
	case FIELD_COUNTS:
		put_foreign(message, value->name);
		put_foreign(message, " ");
		put_number(message, field, value->number);
		return;
	case FIELD_INTEGER:
	case FIELD_FRAME:
	case FIELD_INTEGERS:
	case FIELD_ROWS:
		put_number(message, field, value->number);
		return;
	}
}

/* All values of one field; returns whether there was one, now or before. */
static bool put_field(struct message *message, struct record *record, const struct field *field, bool any)
{
	bool several = field->type == FIELD_STRINGS || field->type == FIELD_INTEGERS || field->type == FIELD_COUNTS;
	struct field_value value = {.index = 0};

	if (!(field->records & record->kind))
		return any;
	while (field->get(record, &value) && !names_is_nothing(field, &value)) {
		if (any)
			put_foreign(message, ", ");
		put_value(message, record, field, &value);
		any = true;
		if (!several)
			break;
	}
	return any;
}

void template_write(const struct template *template, struct record *record, char *out, size_t size)
{
	struct message message = {.out = out, .room = size - 1};

	for (size_t i = 0; i < template->count; i++) {
		const struct piece *piece = &template->piece[i];
		bool any = false;

		if (piece->named.count == 0) {
			put(&message, piece->text, piece->length);
			continue;
		}
		for (size_t j = 0; j < piece->named.count; j++)
			any = put_field(&message, record, piece->named.field[j], any);
		if (!any)
			put_foreign(&message, "-");
	}
	*message.out = '\0';
}
