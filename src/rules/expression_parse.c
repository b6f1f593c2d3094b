/* expression_parse.c - the grammar: which words make a comparison, and how "and", "or" and "not" bind.
 *
 *   either     = both { ("or" | "||") both }
 *   both       = single { ("and" | "&&") single }
 *   single     = ("not" | "!") single | "(" either ")" | comparison
 *   comparison = name [ operator value | ["not"] "in" "{" member { "," member } "}" ]
 *   member     = value [ ".." value ] */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/expression_parts.h"

#include <stdlib.h>
#include <string.h>

static bool either(struct parser *parser, size_t *root);

static bool add_node(struct parser *parser, enum node_kind kind, size_t left, size_t right, size_t at, size_t *node)
{
	if (parser->node_count == EXPRESSION_NODES)
		return parser_fail(parser, at, "more than %d comparisons, ands, ors and nots", EXPRESSION_NODES);
	*node = parser->node_count++;
	parser->node[*node] = (struct node){.kind = kind, .left = left, .right = right};
	return true;
}

/* What stands where something else had to. */
static bool unexpected(struct parser *parser, const char *wanted)
{
	char shown[LITERAL_SHOWN];
	const struct token *token = &parser->token;

	literal_shown(shown, token->text);
	if (token->kind == TOKEN_END)
		return parser_fail(parser, token->at, "%s is missing at the end", wanted);
	return parser_fail(parser, token->at, "%s is expected, not \"%s\"", wanted, shown);
}

static bool take(struct parser *parser, enum token_kind kind, const char *wanted)
{
	return parser->token.kind == kind ? parser_next(parser) : unexpected(parser, wanted);
}

/* Copies a value's token and goes on. */
static bool take_value(struct parser *parser, struct token *value)
{
	*value = parser->token;
	if (value->kind != TOKEN_WORD && value->kind != TOKEN_STRING)
		return unexpected(parser, "a value");
	return parser_next(parser);
}

static bool member(struct parser *parser, struct test *test)
{
	struct token low, high;

	if (!take_value(parser, &low))
		return false;
	if (parser->token.kind != TOKEN_DOTS)
		return parser_value(parser, test, TOKEN_IN, &low, NULL);
	return parser_next(parser) && take_value(parser, &high) && parser_value(parser, test, TOKEN_IN, &low, &high);
}

static bool set(struct parser *parser, struct test *test)
{
	if (!take(parser, TOKEN_SET, "\"{\"") || !member(parser, test))
		return false;
	while (parser->token.kind == TOKEN_COMMA)
		if (!parser_next(parser) || !member(parser, test))
			return false;
	return take(parser, TOKEN_SET_END, "\",\" or \"}\"");
}

/* What follows a field's name; nothing of its own, if only its presence is asked. */
static bool compare(struct parser *parser, struct test *test)
{
	struct token relation = parser->token, value;

	test->match = MATCH_PRESENT;
	if (relation.kind < TOKEN_EQ)
		return true;
	if (!parser_relation(parser, test, &relation) || !parser_next(parser))
		return false;
	if (relation.kind == TOKEN_IN)
		return set(parser, test);
	return take_value(parser, &value) && parser_value(parser, test, relation.kind, &value, NULL);
}

static bool find_name(struct parser *parser, struct test *test)
{
	char *error = NULL;

	if (parser->token.kind != TOKEN_WORD || strchr("0123456789-:/%", parser->token.text[0]) != NULL)
		return unexpected(parser, "the name of a field");
	test->name = parser->token.text;
	if (names_find(test->name, parser->records, &test->named, &error))
		return true;
	if (error == NULL)
		parser->failed = true;
	else
		parser_fail(parser, parser->token.at, "%s", error);
	free(error);
	return false;
}

static bool comparison(struct parser *parser, size_t *root)
{
	struct test test = {.first = parser->value_count};
	size_t at = parser->token.at;
	bool inverted = false;

	if (!find_name(parser, &test) || !parser_next(parser))
		return false;
	/* "x not in {...}" is "not x in {...}", and true where x is absent */
	if (parser->token.kind == TOKEN_NOT) {
		inverted = true;
		if (!parser_next(parser))
			return false;
		if (parser->token.kind != TOKEN_IN)
			return unexpected(parser, "\"in\" behind \"not\"");
	}
	if (!compare(parser, &test) || !add_node(parser, NODE_TEST, 0, 0, at, root))
		return false;
	parser->node[*root].test = test;
	return !inverted || add_node(parser, NODE_NOT, *root, 0, at, root);
}

static bool single(struct parser *parser, size_t *root)
{
	struct token first = parser->token;
	bool ok;

	if (first.kind != TOKEN_NOT && first.kind != TOKEN_OPEN)
		return comparison(parser, root);
	if (parser->depth == EXPRESSION_DEEPEST)
		return parser_fail(parser, first.at, "more than %d parentheses and nots within each other", EXPRESSION_DEEPEST);
	parser->depth++;
	if (first.kind == TOKEN_NOT)
		ok = parser_next(parser) && single(parser, root) && add_node(parser, NODE_NOT, *root, 0, first.at, root);
	else
		ok = parser_next(parser) && either(parser, root) && take(parser, TOKEN_CLOSE, "\"and\", \"or\" or \")\"");
	parser->depth--;
	return ok;
}

/* Operands of one connective, from the left. */
static bool chain(struct parser *parser, enum token_kind connective, enum node_kind kind,
                  bool (*operand)(struct parser *parser, size_t *root), size_t *root)
{
	if (!operand(parser, root))
		return false;
	while (parser->token.kind == connective) {
		size_t right, at = parser->token.at;

		if (!parser_next(parser) || !operand(parser, &right) || !add_node(parser, kind, *root, right, at, root))
			return false;
	}
	return true;
}

static bool both(struct parser *parser, size_t *root)
{
	return chain(parser, TOKEN_AND, NODE_AND, single, root);
}

static bool either(struct parser *parser, size_t *root)
{
	return chain(parser, TOKEN_OR, NODE_OR, both, root);
}

bool parser_parse(struct parser *parser, size_t *root)
{
	if (!parser_next(parser) || !either(parser, root))
		return false;
	return parser->token.kind == TOKEN_END || unexpected(parser, "\"and\", \"or\" or the end");
}
