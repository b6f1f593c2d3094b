/* record.c - the field table as a program that writes one kind of record.
 *
 * The program's steps are: open an object, fetch and write a field, close the object.  Keys are prepared with their quotes
 * and colon.  Each member is written with a comma behind it, which the closing bracket replaces; an object that got no
 * member is taken back, so a group of absent facts leaves nothing behind. */
#include "report/record.h"

#include <stdlib.h>
#include <string.h>

#define KEY 32 /* copied as a whole, which is faster than its length */

enum step_kind { STEP_OPEN, STEP_CLOSE, STEP_FIELD };

struct step {
	uint8_t kind;
	uint8_t length;    /* of key */
	uint16_t rows_end; /* of a field of rows: the step behind those of its rows */
	const struct field *field;
	char key[KEY]; /* "name": with the opening bracket of an object */
};

struct record_plan {
	size_t count;
	struct step step[256];
};

#define DEPTH 4 /* of objects in objects; the table's test holds it to this */

static void add_step(struct record_plan *plan, enum step_kind kind, const char *name, size_t length, const struct field *field)
{
	struct step *step = &plan->step[plan->count++];

	step->kind = (uint8_t)kind;
	step->field = field;
	if (kind == STEP_CLOSE)
		return;
	step->key[0] = '"';
	memcpy(step->key + 1, name, length);
	memcpy(step->key + 1 + length, "\":{", 3);
	step->length = (uint8_t)(length + (kind == STEP_OPEN ? 4 : 3));
}

/* How many components of the two object paths (all before the last dot) are the same. */
static size_t common_depth(const char *a, const char *b, size_t depth)
{
	size_t same = 0, at = 0;

	while (same < depth) {
		size_t length = strcspn(a + at, ".");

		if (a[at + length] != '.' || strncmp(a + at, b + at, length + 1) != 0)
			break;
		at += length + 1;
		same++;
	}
	return same;
}

/* The path inside the row, for a field of an array of objects; otherwise the whole path. */
static const char *path_in_object(const struct field *field, bool *in_row)
{
	const char *row = strstr(field->path, "[].");

	*in_row = row != NULL;
	return row == NULL ? field->path : row + 3;
}

static void compile(struct record_plan *plan, unsigned kind)
{
	size_t count, depth = 0;
	const struct field *table = fields_table(&count);
	const char *previous = "";
	struct step *rows = NULL;

	for (size_t i = 0; i < count; i++) {
		const char *path = path_in_object(&table[i], &(bool){false});
		bool in_row;

		if (!(table[i].records & kind))
			continue;
		path_in_object(&table[i], &in_row);
		if (rows != NULL && !in_row) {
			rows->rows_end = (uint16_t)plan->count;
			rows = NULL;
			previous = "";
		}
		for (size_t same = common_depth(path, previous, depth); depth > same; depth--)
			add_step(plan, STEP_CLOSE, NULL, 0, NULL);
		const char *name = path;
		for (size_t level = 0, length; name[length = strcspn(name, ".")] == '.'; level++, name += length + 1)
			if (level == depth) {
				add_step(plan, STEP_OPEN, name, length, NULL);
				depth++;
			}
		if (table[i].type == FIELD_ROWS)
			rows = &plan->step[plan->count];
		add_step(plan, STEP_FIELD, name, strlen(name), &table[i]);
		previous = path;
	}
	if (rows != NULL)
		rows->rows_end = (uint16_t)plan->count;
	for (; depth > 0; depth--)
		add_step(plan, STEP_CLOSE, NULL, 0, NULL);
}

struct record_plan *record_plan_new(unsigned kind)
{
	struct record_plan *plan = calloc(1, sizeof *plan);

	if (plan != NULL)
		compile(plan, kind);
	return plan;
}

void record_plan_free(struct record_plan *plan)
{
	free(plan);
}

/* Ends a list of members: the last comma becomes the bracket. */
static void close_list(struct json *json, char bracket)
{
	if (json->failed)
		return;
	if (json->data[json->length - 1] == ',')
		json->length--;
	json_byte(json, bracket);
}

static void write_key(struct json *json, const struct step *step)
{
	if (!json_room(json, KEY))
		return;
	memcpy(json->data + json->length, step->key, KEY);
	json->length += step->length;
}

static void write_scalar(struct json *json, struct record *record, const struct field *field, const struct field_value *value)
{
	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_STRINGS:
		if (field->values != NULL)
			json_name(json, value->text);
		else
			json_string(json, value->text);
		break;
	case FIELD_BOOLEAN:
		json_raw(json, value->number ? "true" : "false", value->number ? 4 : 5);
		break;
	case FIELD_INTEGER:
	case FIELD_INTEGERS:
	case FIELD_COUNTS:
		json_integer(json, value->number);
		break;
	case FIELD_FRAME:
		if (value->number == 0)
			json_raw(json, "null", 4);
		else
			json_integer(json, value->number);
		break;
	case FIELD_TIME:
		json_time(json, value->number, record->time_digits);
		break;
	case FIELD_ADDRESS:
		json_address(json, value->address, value->ip_version);
		break;
	case FIELD_ROWS:
		break;
	}
	json_byte(json, ',');
}

/* Arrays and counts: fetched one by one until the getter has no more.  They are written even when empty. */
static void write_list(struct json *json, struct record *record, const struct field *field)
{
	struct field_value value = {0};
	bool counts = field->type == FIELD_COUNTS;

	json_byte(json, counts ? '{' : '[');
	while (field->get(record, &value)) {
		if (counts) {
			json_name(json, value.name);
			json_byte(json, ':');
		}
		write_scalar(json, record, field, &value);
	}
	close_list(json, counts ? '}' : ']');
	json_byte(json, ',');
}

static void run(const struct record_plan *plan, size_t from, size_t to, struct json *json, struct record *record);

static void write_rows(const struct record_plan *plan, size_t at, int64_t rows, struct json *json, struct record *record)
{
	json_byte(json, '[');
	for (int64_t i = 0; i < rows; i++) {
		record->row = (size_t)i;
		json_byte(json, '{');
		run(plan, at + 1, plan->step[at].rows_end, json, record);
		close_list(json, '}');
		json_byte(json, ',');
	}
	close_list(json, ']');
	json_byte(json, ',');
}

/* Returns the step that comes next. */
static size_t write_field(const struct record_plan *plan, size_t at, struct json *json, struct record *record)
{
	const struct step *step = &plan->step[at];
	const struct field *field = step->field;
	struct field_value value = {0};

	switch ((enum field_type)field->type) {
	case FIELD_STRINGS:
	case FIELD_INTEGERS:
	case FIELD_COUNTS:
		write_key(json, step);
		write_list(json, record, field);
		return at + 1;
	case FIELD_ROWS:
		if (field->get(record, &value)) {
			write_key(json, step);
			write_rows(plan, at, value.number, json, record);
		}
		return step->rows_end;
	case FIELD_STRING:
	case FIELD_BOOLEAN:
	case FIELD_INTEGER:
	case FIELD_FRAME:
	case FIELD_TIME:
	case FIELD_ADDRESS:
		break;
	}
	if (field->get(record, &value)) {
		write_key(json, step);
		write_scalar(json, record, field, &value);
	}
	return at + 1;
}

static void run(const struct record_plan *plan, size_t from, size_t to, struct json *json, struct record *record)
{
	size_t opened[DEPTH], depth = 0;

	for (size_t at = from; at < to;) {
		const struct step *step = &plan->step[at];

		if (step->kind == STEP_FIELD) {
			at = write_field(plan, at, json, record);
			continue;
		}
		if (step->kind == STEP_OPEN) {
			opened[depth++] = json->length;
			write_key(json, step);
		} else if (!json->failed) {
			size_t begin = opened[--depth];

			if (json->data[json->length - 1] == '{') {
				json->length = begin;
			} else {
				close_list(json, '}');
				json_byte(json, ',');
			}
		}
		at++;
	}
}

void record_write(const struct record_plan *plan, struct json *json, struct record *record)
{
	record->time_digits = fields_time_digits(record);
	json_byte(json, '{');
	run(plan, 0, plan->count, json, record);
	close_list(json, '}');
}
