/* expression.c - compiled expressions: a row of tests, each of which names the next for either answer.
 *
 * "and", "or" and "not" are nothing but the two ways out of a test, always forwards: evaluation is one loop that makes each
 * test at most once, and skips what cannot matter any more. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/expression_parts.h"

#include <stdlib.h>
#include <string.h>

#define HOLDS 0xfffe
#define FAILS 0xffff

struct step {
	struct test test;
	uint16_t yes, no; /* the next step, or HOLDS or FAILS */
};

struct expression {
	union value *value;
	char *words; /* what the values' texts point into */
	size_t count;
	struct step step[];
};

/* Writes the steps of a node from the last one to the first, *slot going down: so the ways out are known.  Returns the first
 * step of the node.  A tree has no more levels than nodes. */
static uint16_t emit(struct expression *expression, const struct parser *parser, size_t root, size_t *slot, uint16_t yes,
                     uint16_t no)
{
	const struct node *node = &parser->node[root];
	uint16_t right;

	switch (node->kind) {
	case NODE_TEST:
		--*slot;
		expression->step[*slot] = (struct step){.test = node->test, .yes = yes, .no = no};
		return (uint16_t)*slot;
	case NODE_NOT:
		return emit(expression, parser, node->left, slot, no, yes);
	case NODE_AND:
		right = emit(expression, parser, node->right, slot, yes, no);
		return emit(expression, parser, node->left, slot, right, no);
	case NODE_OR:
		right = emit(expression, parser, node->right, slot, yes, no);
		return emit(expression, parser, node->left, slot, yes, right);
	}
	return FAILS;
}

static struct expression *build(struct parser *parser, size_t root)
{
	struct expression *expression;
	size_t tests = 0;

	for (size_t i = 0; i < parser->node_count; i++)
		tests += parser->node[i].kind == NODE_TEST;
	expression = malloc(sizeof *expression + tests * sizeof *expression->step);
	if (expression == NULL)
		return NULL;
	*expression = (struct expression){.value = parser->value, .words = parser->words, .count = tests};
	parser->value = NULL;
	parser->words = NULL;
	emit(expression, parser, root, &tests, HOLDS, FAILS);
	return expression;
}

static struct expression *compile(struct parser *parser)
{
	size_t length = strlen(parser->text), root;

	if (length > EXPRESSION_LONGEST) {
		parser_fail(parser, 0, "longer than %d bytes", EXPRESSION_LONGEST);
		return NULL;
	}
	if (!literal_is_utf8(parser->text)) {
		parser_fail(parser, 0, "not UTF-8");
		return NULL;
	}
	parser->words = malloc(length + 1);
	if (parser->words == NULL || !parser_parse(parser, &root))
		return NULL;
	return build(parser, root);
}

struct expression *expression_new(const char *text, unsigned records, size_t *column, char **error)
{
	struct parser *parser = calloc(1, sizeof *parser);
	struct expression *expression = NULL;

	*column = 1;
	*error = NULL;
	if (parser == NULL)
		return NULL;
	parser->text = text;
	parser->records = records;
	expression = compile(parser);
	if (expression == NULL) {
		*error = parser->error;
		*column = literal_column(text, parser->error_at);
	}
	free(parser->words);
	free(parser->value);
	free(parser);
	return expression;
}

void expression_free(struct expression *expression)
{
	if (expression == NULL)
		return;
	free(expression->value);
	free(expression->words);
	free(expression);
}

/* The test whose value it is. */
static const struct test *test_with(const struct expression *expression, size_t value)
{
	for (size_t i = 0; i < expression->count; i++) {
		const struct test *test = &expression->step[i].test;

		if (value >= test->first && value < test->first + test->count)
			return test;
	}
	return NULL;
}

bool expression_next_id(const struct expression *expression, size_t *cursor, struct expression_id *id)
{
	const struct test *test;

	while ((test = test_with(expression, *cursor)) != NULL) {
		const union value *value = &expression->value[(*cursor)++];

		if (!names_is_id(test->named.field[0]))
			continue;
		*id = (struct expression_id){.id = value->text, .piece = test->match == MATCH_PIECES, .at = value->at};
		return true;
	}
	return false;
}

static bool in_range(const struct literal_addresses *range, const struct field_value *found)
{
	size_t size = range->ip_version == 6 ? 16 : 4;

	return found->ip_version == range->ip_version && memcmp(found->address->byte, range->low, size) >= 0 &&
	       memcmp(found->address->byte, range->high, size) <= 0;
}

static bool fits(enum match match, const union value *value, const struct field_value *found)
{
	switch (match) {
	case MATCH_PRESENT:
		break;
	case MATCH_NUMBERS:
		return found->number >= value->low && found->number <= value->high;
	case MATCH_ADDRESSES:
		return in_range(&value->addresses, found);
	case MATCH_TEXTS:
		return strcmp(found->text, value->text) == 0;
	case MATCH_PIECES:
		return strstr(found->text, value->text) != NULL;
	}
	return false;
}

static bool fits_any(const struct expression *expression, const struct test *test, const struct field_value *found)
{
	if (test->match == MATCH_PRESENT)
		return true;
	for (size_t i = test->first; i < test->first + test->count; i++)
		if (fits(test->match, &expression->value[i], found))
			return true;
	return false;
}

/* Whether the field has a value of the kind that the test looks for; *present, if it has one at all. */
static bool search(const struct expression *expression, const struct test *test, const struct field *field, struct record *record,
                   bool *present)
{
	bool several = field->type == FIELD_STRINGS || field->type == FIELD_INTEGERS;
	struct field_value found = {.index = 0};

	if (!(field->records & record->kind))
		return false;
	while (field->get(record, &found) && !names_is_nothing(field, &found)) {
		*present = true;
		if (fits_any(expression, test, &found) != test->misfit)
			return true;
		if (!several)
			break;
	}
	return false;
}

static bool test_holds(const struct expression *expression, const struct test *test, struct record *record)
{
	bool present = false;

	for (size_t i = 0; i < test->named.count; i++)
		if (search(expression, test, test->named.field[i], record, &present))
			return !test->none;
	return test->none && present;
}

bool expression_holds(const struct expression *expression, struct record *record)
{
	size_t at = 0;

	while (at < expression->count) {
		const struct step *step = &expression->step[at];

		at = test_holds(expression, &step->test, record) ? step->yes : step->no;
	}
	return at == HOLDS;
}
