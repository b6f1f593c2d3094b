/* record_row.h - how one row of the field table is written; for record.c, which prepares the rows, and fields.c, which has a copy of this code
 * for each row of the records that are written most.
 *
 * A writer keeps its place in a register: every function takes it and returns the place behind what it wrote.  There is always room for all
 * that is still to come and is bounded; whoever writes a text or a list asks for that room anew.
 *
 * Keys are prepared with their quotes and colon.  Each member is written with a comma behind it, which the closing bracket replaces; an
 * object that got no member is taken back, so a group of absent facts leaves nothing behind. */
#ifndef RECORD_ROW_H
#define RECORD_ROW_H

#include "report/fields.h"
#include "report/json.h"

#define RECORD_ROWS 256 /* most rows of the table */
#define RECORD_KEY 32   /* copied as a whole, which is faster than its length */
#define RECORD_OPEN 48  /* likewise */
#define RECORD_DEPTH 4  /* of objects in objects; the table's test holds it to this */

struct record_row {
	uint8_t length;                /* of key */
	uint8_t closes;                /* objects that end before it */
	uint8_t opens;                 /* length of `open`: objects that begin before it */
	bool inner;                    /* of an array of objects: written with that array's row */
	uint8_t closing[RECORD_DEPTH]; /* for each that ends, innermost first, the length of what opened it */
	size_t rows_end;               /* of an array of objects: the row behind its own */
	char key[RECORD_KEY];          /* "name": */
	char open[RECORD_OPEN];        /* "name":{ once or more */
};

struct record_plan {
	size_t room; /* for all that is bounded in one record, or in one object of an array */
	struct record_row row[RECORD_ROWS];
	struct record_row end; /* behind the last: closes what is open */
};

/* The rows of a flow, of a finding: one after the other, without a loop. */
char *fields_write_flow(const struct record_plan *plan, struct json *json, struct record *record, char *to);
char *fields_write_finding(const struct record_plan *plan, struct json *json, struct record *record, char *to);

/* The rows from `at` on of the record's kind, but not those inside of arrays of objects, or only those. */
char *record_rows(const struct record_plan *plan, size_t at, size_t end, bool inner, struct json *json, struct record *record, char *to);

/* More room, because there is too little.  When out of memory the record is lost, and `json` knows it: what follows is written over its
 * beginning, for which there is room. */
char *record_grow(struct json *json, size_t room, char *to);

/* Whole values that are not of a fixed length, with their comma. */
char *record_text(const struct record_plan *plan, struct json *json, const char *text, char *to);
char *record_objects(const struct record_plan *plan, size_t at, int64_t objects, struct json *json, struct record *record, char *to);

/* Ends the objects that end before this row, and begins those that begin. */
char *record_move(const struct record_row *row, char *to);

/* A list ends: its last comma becomes the bracket. */
static inline char *record_close(char *to, char bracket)
{
	to -= to[-1] == ',';
	*to = bracket;
	return to + 1;
}

static inline char *record_room(const struct record_plan *plan, struct json *json, char *to)
{
	return (size_t)(json->data + json->capacity - to) >= plan->room ? to : record_grow(json, plan->room, to);
}

static inline char *record_key(const struct record_row *row, char *to)
{
	memcpy(to, row->key, RECORD_KEY);
	return to + row->length;
}

static inline __attribute__((always_inline)) char *record_scalar(const struct record_plan *plan, const struct field *field,
                                                                 const struct field_value *value, struct json *json,
                                                                 struct record *record, char *to)
{
	switch ((enum field_type)field->type) {
	case FIELD_STRING:
	case FIELD_STRINGS:
		if (field->values == NULL && !value->constant)
			return record_text(plan, json, value->text, to);
		return json_put_constant(json, to, value->text);
	case FIELD_BOOLEAN:
		if (value->number) {
			memcpy(to, "true,", 5);
			return to + 5;
		}
		memcpy(to, "false,", 6);
		return to + 6;
	case FIELD_FRAME:
		if (value->number == 0) {
			memcpy(to, "null,", 5);
			return to + 5;
		}
		to = json_put_integer(to, value->number);
		break;
	case FIELD_INTEGER:
	case FIELD_INTEGERS:
	case FIELD_COUNTS:
		to = json_put_integer(to, value->number);
		break;
	case FIELD_TIME:
		*to = '"';
		to = json_put_time(json, to + 1, value->number, record->time_digits);
		*to++ = '"';
		break;
	case FIELD_ADDRESS:
		*to = '"';
		to = json_put_address(to + 1, value->address, value->ip_version);
		*to++ = '"';
		break;
	case FIELD_ROWS:
		break;
	}
	*to = ',';
	return to + 1;
}

/* Fetched one by one until the getter has no more.  Lists are written even when empty. */
static inline __attribute__((always_inline)) char *record_list(const struct record_plan *plan, const struct field *field,
                                                               struct json *json, struct record *record, char *to)
{
	struct field_value value = {0};
	bool counts = field->type == FIELD_COUNTS;

	*to++ = counts ? '{' : '[';
	while (field->get(record, &value)) {
		if (counts) {
			to = record_text(plan, json, value.name, to);
			to[-1] = ':';
		}
		to = record_room(plan, json, record_scalar(plan, field, &value, json, record, to));
	}
	to = record_close(to, counts ? '}' : ']');
	*to = ',';
	return to + 1;
}

/* Row `at` of the plan, which is `field` of the table. */
static inline __attribute__((always_inline)) char *record_row(const struct record_plan *plan, size_t at,
                                                              const struct field *field, struct json *json,
                                                              struct record *record, char *to)
{
	const struct record_row *row = &plan->row[at];
	struct field_value value = {0};

	if (row->closes | row->opens)
		to = record_move(row, to);
	if (field->type == FIELD_STRINGS || field->type == FIELD_INTEGERS || field->type == FIELD_COUNTS)
		return record_list(plan, field, json, record, record_key(row, to));
	if (!field->get(record, &value))
		return to;
	to = record_key(row, to);
	if (field->type == FIELD_ROWS)
		return record_objects(plan, at, value.number, json, record, to);
	return record_scalar(plan, field, &value, json, record, to);
}

#endif
