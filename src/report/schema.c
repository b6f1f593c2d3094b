/* schema.c - the field table as documents: a JSON Schema of all records, and a list for people.
 *
 * The schema is strict: a key that the table does not have is an error, so a test that validates records against it finds
 * what drifted. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "report/fields.h"
#include "report/schema_parts.h"

/* An object without properties yet. */
static json_object *new_object(void)
{
	json_object *schema = of_type("object");

	json_object_object_add(schema, "properties", json_object_new_object());
	json_object_object_add(schema, "required", json_object_new_array());
	json_object_object_add(schema, "additionalProperties", json_object_new_boolean(0));
	return schema;
}

static void add_values(json_object *schema, const char *const *values)
{
	json_object *list = json_object_new_array();

	for (; *values != NULL; values++)
		json_object_array_add(list, json_object_new_string(*values));
	json_object_object_add(schema, "enum", list);
}

static json_object *string_schema(const struct field *field)
{
	json_object *schema = of_type("string");

	if (field->values != NULL)
		add_values(schema, field->values);
	return schema;
}

static json_object *time_schema(void)
{
	json_object *schema = of_type("string");

	set(schema, "format", "date-time");
	set(schema, "pattern", "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.([0-9]{6}|[0-9]{9})Z$");
	return schema;
}

static json_object *address_schema(void)
{
	json_object *schema = json_object_new_object(), *either = json_object_new_array();
	static const char *const format[] = {"ipv4", "ipv6"};

	for (size_t i = 0; i < 2; i++) {
		json_object *one = json_object_new_object();

		set(one, "format", format[i]);
		json_object_array_add(either, one);
	}
	set(schema, "type", "string");
	json_object_object_add(schema, "anyOf", either);
	return schema;
}

static json_object *frame_schema(void)
{
	json_object *schema = json_object_new_object(), *types = json_object_new_array();

	json_object_array_add(types, json_object_new_string("integer"));
	json_object_array_add(types, json_object_new_string("null"));
	json_object_object_add(schema, "type", types);
	return schema;
}

static json_object *counts_schema(void)
{
	json_object *schema = of_type("object");

	json_object_object_add(schema, "additionalProperties", of_type("integer"));
	return schema;
}

static json_object *field_schema(const struct field *field)
{
	switch ((enum field_type)field->type) {
	case FIELD_STRING:
		return string_schema(field);
	case FIELD_BOOLEAN:
		return of_type("boolean");
	case FIELD_INTEGER:
		return of_type("integer");
	case FIELD_FRAME:
		return frame_schema();
	case FIELD_TIME:
		return time_schema();
	case FIELD_ADDRESS:
		return address_schema();
	case FIELD_STRINGS:
		return list_of(string_schema(field));
	case FIELD_INTEGERS:
		return list_of(of_type("integer"));
	case FIELD_COUNTS:
		return counts_schema();
	case FIELD_ROWS:
		return list_of(new_object());
	}
	return NULL;
}

static json_object *get(json_object *object, const char *key)
{
	json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static bool is_required(json_object *object, const char *name)
{
	json_object *required = get(object, "required");

	for (size_t i = 0; i < json_object_array_length(required); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(required, i)), name) == 0)
			return true;
	return false;
}

static void require(json_object *object, const char *name)
{
	if (!is_required(object, name))
		json_object_array_add(get(object, "required"), json_object_new_string(name));
}

/* Objects of which any member may be missing, though each is always there when the object is. */
static bool is_optional_object(const char *path, size_t length)
{
	static const char *const optional[] = {
	        "close.client", "close.server", "close.half_close", "close.close_wait", "close.time_wait", "kernel", "reuse"};

	for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
		if (strlen(optional[i]) == length && strncmp(optional[i], path, length) == 0)
			return true;
	return false;
}

/* Adds a field to the record's schema, and the objects on its path that are not there yet. */
static void add_field(json_object *record, const struct field *field, unsigned kind)
{
	const char *at = field->path;
	json_object *object = record;

	for (size_t length; at[length = strcspn(at, ".")] == '.'; at += length + 1) {
		bool row = length > 2 && at[length - 1] == ']';
		char name[32];

		snprintf(name, sizeof name, "%.*s", (int)(row ? length - 2 : length), at);
		json_object *inner = get(get(object, "properties"), name);
		if (inner == NULL) {
			inner = new_object();
			json_object_object_add(get(object, "properties"), name, inner);
		}
		if (!row && field->always & kind && !is_optional_object(field->path, (size_t)(at - field->path) + length))
			require(object, name);
		object = row ? get(inner, "items") : inner;
	}
	json_object *schema = field_schema(field);
	char text[256];

	snprintf(text, sizeof text, "%s%s%s%s", field->text, field->unit[0] == '\0' ? "" : " (", field->unit,
	         field->unit[0] == '\0' ? "" : ")");
	set(schema, "description", text);
	json_object_object_add(get(object, "properties"), at, schema);
	if (field->always & kind)
		require(object, at);
}

static json_object *record_schema(unsigned kind)
{
	size_t count;
	const struct field *table = fields_table(&count);
	json_object *record = new_object();

	for (size_t i = 0; i < count; i++)
		if (table[i].records & kind)
			add_field(record, &table[i], kind);
	json_object *type = get(get(record, "properties"), "event_type");
	set(type, "const", fields_record_name(kind));
	return record;
}

char *report_schema(void)
{
	json_object *schema = json_object_new_object(), *kinds = json_object_new_object(), *any = json_object_new_array();
	char *text;

	set(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	set(schema, "$id", "tcpaudit/1");
	set(schema, "title", "tcpaudit records, one a line of JSON Lines");
	for (unsigned kind = 1; kind < 1u << RECORD_KINDS; kind <<= 1) {
		json_object *reference = json_object_new_object();
		char path[32];

		snprintf(path, sizeof path, "#/$defs/%s", fields_record_name(kind));
		set(reference, "$ref", path);
		json_object_array_add(any, reference);
		json_object_object_add(kinds, fields_record_name(kind), record_schema(kind));
	}
	json_object_object_add(schema, "oneOf", any);
	json_object_object_add(schema, "$defs", kinds);
	const char *string = json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (string == NULL || asprintf(&text, "%s\n", string) < 0)
		text = NULL;
	json_object_put(schema);
	return text;
}

char *report_field_list(void)
{
	size_t count, size;
	const struct field *table = fields_table(&count);
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (unsigned kind = 1; kind < 1u << RECORD_KINDS; kind <<= 1) {
		fprintf(out, "%s%s\n", kind == 1 ? "" : "\n", fields_record_name(kind));
		for (size_t i = 0; i < count; i++)
			if (table[i].records & kind)
				fprintf(out, "  %-28s %-16s %s%s%s%s\n", table[i].path,
				        fields_type_name((enum field_type)table[i].type), table[i].text,
				        table[i].unit[0] == '\0' ? "" : " (", table[i].unit, table[i].unit[0] == '\0' ? "" : ")");
	}
	fclose(out);
	return text;
}
