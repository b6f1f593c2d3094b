/* schema_parts.h - words of JSON Schema that all our schemas are made of. */
#ifndef SCHEMA_PARTS_H
#define SCHEMA_PARTS_H

#include <json-c/json.h>

static inline void set(json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static inline json_object *of_type(const char *type)
{
	json_object *schema = json_object_new_object();

	set(schema, "type", type);
	return schema;
}

/* `items` goes with it. */
static inline json_object *list_of(json_object *items)
{
	json_object *schema = of_type("array");

	json_object_object_add(schema, "items", items);
	return schema;
}

#endif
