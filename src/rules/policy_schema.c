/* policy_schema.c - the JSON Schema of a rule file: editors complete keys and mark mistakes with it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/policy.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/schema_parts.h"
#include "rules/policy_keys.h"

#define DURATION_PATTERN "^[0-9]+(\\.[0-9]+)?(us|ms|s|m|min|h|d)$"

static json_object *reference(const char *definition, const char *text)
{
	json_object *schema = json_object_new_object();
	char path[64] = "#/$defs/";

	set(schema, "$ref", strncat(path, definition, sizeof path - 16));
	set(schema, "description", text);
	return schema;
}

/* A mapping with these properties and no others. */
static json_object *mapping(json_object *properties)
{
	json_object *schema = of_type("object");

	json_object_object_add(schema, "properties", properties);
	json_object_object_add(schema, "additionalProperties", json_object_new_boolean(0));
	return schema;
}

static void require(json_object *schema, const char *const *keys)
{
	json_object *list = json_object_new_array();

	for (; *keys != NULL; keys++)
		json_object_array_add(list, json_object_new_string(*keys));
	json_object_object_add(schema, "required", list);
}

static json_object *pattern(const char *expression)
{
	json_object *schema = of_type("string");

	set(schema, "pattern", expression);
	return schema;
}

static json_object *one_of(const char *(*name)(unsigned), unsigned count)
{
	json_object *schema = of_type("string"), *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(name(i)));
	json_object_object_add(schema, "enum", list);
	return schema;
}

static json_object *count_between(int64_t least, int64_t most)
{
	json_object *schema = of_type("integer");

	json_object_object_add(schema, "minimum", json_object_new_int64(least));
	json_object_object_add(schema, "maximum", json_object_new_int64(most));
	return schema;
}

static const char *severity_name(unsigned i)
{
	return tcpaudit_severity_name((enum tcpaudit_severity)i);
}

static json_object *limit_schema(void)
{
	static const char *const required[] = {"count", NULL};
	json_object *properties = json_object_new_object(), *schema;

	json_object_object_add(properties, "count", count_between(0, POLICY_LIMIT_MOST));
	json_object_object_add(properties, "per", one_of(policy_per_name, LIMIT_PER_PAIR + 1));
	json_object_object_add(properties, "every", pattern(DURATION_PATTERN));
	schema = mapping(properties);
	require(schema, required);
	return schema;
}

static json_object *suppressions_schema(void)
{
	static const char *const required[] = {"until", "reason", NULL};
	json_object *properties = json_object_new_object(), *schema;

	json_object_object_add(properties, "when", reference("expression", "only findings of which this is true; left out: all"));
	json_object_object_add(properties, "until", pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"));
	json_object_object_add(properties, "reason", of_type("string"));
	schema = mapping(properties);
	require(schema, required);
	return list_of(schema);
}

static json_object *definitions(void)
{
	json_object *defs = json_object_new_object();

	json_object_object_add(defs, "boolean", of_type("boolean"));
	json_object_object_add(defs, "severity", one_of(severity_name, TCPAUDIT_ERROR + 1));
	json_object_object_add(defs, "bpf", of_type("string"));
	json_object_object_add(defs, "premises", list_of(one_of(tcpaudit_premise_name, TCPAUDIT_PREMISE_COUNT)));
	json_object_object_add(defs, "limit", limit_schema());
	json_object_object_add(defs, "suppressions", suppressions_schema());
	json_object_object_add(defs, "id", pattern("^[a-z][a-z0-9-]{0,62}$"));
	json_object_object_add(defs, "point", one_of(policy_point_name, TCPAUDIT_POINTS));
	json_object_object_add(defs, "expression", of_type("string"));
	json_object_object_add(defs, "template", of_type("string"));
	json_object_object_add(defs, "text", of_type("string"));
	json_object_object_add(defs, "duration", pattern(DURATION_PATTERN));
	return defs;
}

static void add_row_keys(json_object *properties)
{
#define X(name, schema, text) json_object_object_add(properties, #name, reference(schema, text));
	POLICY_ROW_KEYS(X)
#undef X
}

static json_object *threshold_schema(const struct tcpaudit_threshold *threshold)
{
	json_object *schema = NULL;

	switch ((enum tcpaudit_unit)threshold->unit) {
	case TCPAUDIT_UNIT_DURATION:
		schema = pattern(DURATION_PATTERN);
		break;
	case TCPAUDIT_UNIT_COUNT:
		schema = count_between(threshold->least, threshold->most);
		break;
	case TCPAUDIT_UNIT_PERCENT:
		schema = pattern("^[0-9]{1,3}%$");
		break;
	}
	set(schema, "description", threshold->text);
	return schema;
}

static json_object *check_schema(const struct tcpaudit_check *check)
{
	const struct tcpaudit_threshold *threshold = tcpaudit_thresholds();
	json_object *properties = json_object_new_object(), *thresholds = json_object_new_object(), *schema;

	add_row_keys(properties);
	for (size_t i = 0; i < TCPAUDIT_THRESHOLD_COUNT; i++)
		if (check != NULL && strcmp(threshold[i].check, check->id) == 0)
			json_object_object_add(thresholds, threshold[i].key, threshold_schema(&threshold[i]));
	if (json_object_object_length(thresholds) > 0)
		json_object_object_add(properties, "thresholds", mapping(thresholds));
	else
		json_object_put(thresholds);
	schema = mapping(properties);
	if (check != NULL)
		set(schema, "description", check->title);
	return schema;
}

/* By id; a pattern like rst-* stands for all that it matches. */
static json_object *checks_schema(void)
{
	json_object *properties = json_object_new_object(), *patterns = json_object_new_object(), *schema;
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);

	for (size_t i = 0; i < count; i++)
		json_object_object_add(properties, check[i].id, check_schema(&check[i]));
	json_object_object_add(patterns, "[*?[]", check_schema(NULL));
	schema = mapping(properties);
	json_object_object_add(schema, "patternProperties", patterns);
	return schema;
}

static json_object *settings_schema(void)
{
	json_object *properties = json_object_new_object();

#define X(name, function, schema, text) json_object_object_add(properties, name, reference(schema, text));
	POLICY_SETTINGS(X)
#undef X
	return mapping(properties);
}

static json_object *rules_schema(void)
{
	static const char *const required[] = {"id", "on", "when", "title", NULL};
	json_object *properties = json_object_new_object(), *schema;

#define X(name, schema, text) json_object_object_add(properties, #name, reference(schema, text));
	POLICY_OWN_KEYS(X)
#undef X
	add_row_keys(properties);
	json_object_object_del(properties, "needs"); /* of checks only */
	schema = mapping(properties);
	require(schema, required);
	return list_of(schema);
}

char *policy_schema(void)
{
	json_object *properties = json_object_new_object(), *root;
	char *text = NULL;

	json_object_object_add(properties, "version", count_between(POLICY_VERSION, POLICY_VERSION));
	json_object_object_add(properties, "settings", settings_schema());
	json_object_object_add(properties, "checks", checks_schema());
	json_object_object_add(properties, "rules", rules_schema());
	root = mapping(properties);
	set(root, "$schema", "https://json-schema.org/draft/2020-12/schema");
	set(root, "title", "Rules of tcpaudit");
	json_object_object_add(root, "$defs", definitions());
	const char *document =
	        json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE | JSON_C_TO_STRING_SPACED);
	if (document != NULL && asprintf(&text, "%s\n", document) < 0)
		text = NULL;
	json_object_put(root);
	return text;
}
