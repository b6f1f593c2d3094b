/* record.c - the field table as a program that writes one kind of record.
 *
 * What each row needs is prepared once: its key, and the objects that end and begin before it.  record_row.h writes by it. */
#include "report/record.h"

#include <stdlib.h>
#include <string.h>

#include "report/record_row.h"

/* Where the preparation stands. */
struct position {
	const char *path;              /* of the row before; "" none */
	size_t depth;                  /* objects that are open */
	uint8_t opened[RECORD_DEPTH]; /* the length of what opened each */
};

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

static void close_objects(struct record_row *row, struct position *position, size_t depth)
{
	while (position->depth > depth)
		row->closing[row->closes++] = position->opened[--position->depth];
}

/* Begins the objects of the path that are not open yet.  Returns the field's own name. */
static const char *open_objects(struct record_row *row, struct position *position, const char *path)
{
	size_t length;

	for (size_t level = 0; path[length = strcspn(path, ".")] == '.'; level++, path += length + 1) {
		char *to = row->open + row->opens;

		if (level < position->depth)
			continue;
		to[0] = '"';
		memcpy(to + 1, path, length);
		memcpy(to + 1 + length, "\":{", 3);
		row->opens += (uint8_t)(length + 4);
		position->opened[position->depth++] = (uint8_t)(length + 4);
	}
	return path;
}

static void prepare_key(struct record_row *row, const char *name)
{
	size_t length = strlen(name);

	row->key[0] = '"';
	memcpy(row->key + 1, name, length);
	memcpy(row->key + 1 + length, "\":", 2);
	row->length = (uint8_t)(length + 3);
}

static void prepare(struct record_plan *plan, unsigned kind)
{
	struct position position = {.path = ""};
	struct record_row *objects = NULL;
	size_t count;
	const struct field *table = fields_table(&count);

	for (size_t i = 0; i < count; i++) {
		struct record_row *row = &plan->row[i];
		const char *inside = strstr(table[i].path, "[].");

		if (!(table[i].records & kind))
			continue;
		plan->room += RECORD_KEY + RECORD_OPEN + JSON_TOKEN;
		row->inner = inside != NULL;
		if (row->inner) {
			prepare_key(row, inside + 3);
			objects->rows_end = i + 1;
			continue;
		}
		close_objects(row, &position, common_depth(table[i].path, position.path, position.depth));
		prepare_key(row, open_objects(row, &position, table[i].path));
		position.path = table[i].path;
		row->rows_end = i + 1;
		objects = row;
	}
	close_objects(&plan->end, &position, 0);
	plan->room += JSON_TOKEN;
}

struct record_plan *record_plan_new(unsigned kind)
{
	struct record_plan *plan = calloc(1, sizeof *plan);

	if (plan != NULL)
		prepare(plan, kind);
	return plan;
}

void record_plan_free(struct record_plan *plan)
{
	free(plan);
}

__attribute__((noinline)) char *record_move(const struct record_row *row, char *to)
{
	for (unsigned i = 0; i < row->closes; i++) {
		if (to[-1] == '{') {
			to -= row->closing[i];
		} else {
			to[-1] = '}';
			*to++ = ',';
		}
	}
	if (row->opens != 0) {
		memcpy(to, row->open, RECORD_OPEN);
		to += row->opens;
	}
	return to;
}

__attribute__((noinline)) char *record_grow(struct json *json, size_t room, char *to)
{
	json->length = (size_t)(to - json->data);
	if (!json_room(json, room))
		json->length = 1;
	return json->data + json->length;
}

char *record_text(const struct record_plan *plan, struct json *json, const char *text, char *to)
{
	size_t length = strlen(text);

	if ((size_t)(json->data + json->capacity - to) < plan->room + length)
		to = record_grow(json, plan->room + length, to);
	if (!json->failed) {
		to = json_put_string(json, to, text, length);
		*to++ = ',';
	}
	return record_room(plan, json, to);
}

char *record_objects(const struct record_plan *plan, size_t at, int64_t objects, struct json *json, struct record *record, char *to)
{
	*to++ = '[';
	for (int64_t i = 0; i < objects; i++) {
		record->row = (size_t)i;
		*to++ = '{';
		to = record_rows(plan, at + 1, plan->row[at].rows_end, true, json, record, to);
		to = record_close(to, '}');
		*to++ = ',';
		to = record_room(plan, json, to);
	}
	to = record_close(to, ']');
	*to = ',';
	return to + 1;
}

char *record_rows(const struct record_plan *plan, size_t at, size_t end, bool inner, struct json *json, struct record *record, char *to)
{
	size_t count;
	const struct field *table = fields_table(&count);

	for (; at < end && at < count; at++)
		if (table[at].records & record->kind && plan->row[at].inner == inner)
			to = record_row(plan, at, &table[at], json, record, to);
	return to;
}

void record_write(const struct record_plan *plan, struct json *json, struct record *record)
{
	char *to;

	if (!json_room(json, plan->room))
		return;
	record->time_digits = fields_time_digits(record);
	to = json->data + json->length;
	*to++ = '{';
	if (record->kind == RECORD_FLOW)
		to = fields_write_flow(plan, json, record, to);
	else if (record->kind == RECORD_FINDING)
		to = fields_write_finding(plan, json, record, to);
	else
		to = record_rows(plan, 0, RECORD_ROWS, false, json, record, to);
	to = record_close(record_move(&plan->end, to), '}');
	json->length = (size_t)(to - json->data);
}
