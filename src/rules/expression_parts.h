/* expression_parts.h - what the parts of the compiler of expressions share: tokens, tests, and the first error. */
#ifndef EXPRESSION_PARTS_H
#define EXPRESSION_PARTS_H

#include "rules/expression.h"
#include "rules/literal.h"
#include "rules/names.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_STRING, /* was quoted */
	TOKEN_OPEN,   /* ( */
	TOKEN_CLOSE,
	TOKEN_SET, /* { */
	TOKEN_SET_END,
	TOKEN_COMMA,
	TOKEN_DOTS, /* .. */
	TOKEN_NOT,
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_EQ, /* from here on: what can stand between a name and a value */
	TOKEN_NE,
	TOKEN_ALL_EQ, /* === */
	TOKEN_ANY_NE, /* !== */
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_IN,
	TOKEN_CONTAINS,
	TOKEN_MATCHES,
};

struct token {
	enum token_kind kind;
	size_t at;        /* byte of the text at which it begins */
	const char *text; /* as written, words and operators; a string without quotes and escapes */
};

/* What a value of a field is held against. */
union value {
	struct {
		int64_t low, high; /* inclusive; in the field's unit, or ns for a time */
	};
	struct literal_addresses addresses;
	struct {
		const char *text;
		size_t at; /* byte of the expression */
	};
};

enum match {
	MATCH_PRESENT,
	MATCH_NUMBERS,
	MATCH_ADDRESSES,
	MATCH_TEXTS,
	MATCH_PIECES, /* contains */
};

struct test {
	const char *name; /* as the user wrote it; while compiling */
	struct named named;
	enum match match;
	/* It looks for a value of the field that fits, or (misfit) for one that does not; it holds when there is one, or
	 * (none) when there is none although the field is present. */
	bool misfit;
	bool none;
	size_t first; /* of its values */
	size_t count;
};

enum node_kind { NODE_TEST, NODE_AND, NODE_OR, NODE_NOT };

struct node {
	enum node_kind kind;
	size_t left, right; /* not: left */
	struct test test;
};

struct parser {
	const char *text;
	unsigned records;
	size_t at; /* of what was not read yet */
	struct token token;
	char *words; /* texts of tokens, each with its NUL: no more bytes than the text and one */
	size_t word_bytes;
	unsigned depth;
	struct node node[EXPRESSION_NODES];
	size_t node_count;
	union value *value;
	size_t value_count, value_room;
	size_t error_at;
	char *error; /* the first; NULL with `failed`: out of memory */
	bool failed;
};

/* Says what is wrong, unless something was before; false. */
bool parser_fail(struct parser *parser, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* expression_lex.c: reads parser->token. */
bool parser_next(struct parser *parser);

/* expression_parse.c: the tree of the whole text; *root is its node. */
bool parser_parse(struct parser *parser, size_t *root);

/* expression_type.c: whether the test's field can be compared so; sets how. */
bool parser_relation(struct parser *parser, struct test *test, const struct token *relation);

/* A value of the test, or a range up to *high if that is not NULL. */
bool parser_value(struct parser *parser, struct test *test, enum token_kind relation, const struct token *low,
                  const struct token *high);

#endif
