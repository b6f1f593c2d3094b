/* expression_lex.c - the words of an expression.
 *
 * A word is a run of letters, digits and the marks that names, numbers, addresses and states are made of; whether it is a
 * name or a value is for the grammar to say. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/expression_parts.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool parser_fail(struct parser *parser, size_t at, const char *format, ...)
{
	va_list list;

	if (parser->failed)
		return false;
	parser->failed = true;
	parser->error_at = at;
	va_start(list, format);
	if (vasprintf(&parser->error, format, list) < 0)
		parser->error = NULL;
	va_end(list);
	return false;
}

/* clang-format off */
/* Longer ones before those that they begin with. */
static const struct {
	const char *text;
	enum token_kind kind;
} symbols[] = {
	{"===", TOKEN_ALL_EQ}, {"!==", TOKEN_ANY_NE}, {"==", TOKEN_EQ}, {"!=", TOKEN_NE}, {"<=", TOKEN_LE}, {">=", TOKEN_GE},
	{"<", TOKEN_LT}, {">", TOKEN_GT}, {"&&", TOKEN_AND}, {"||", TOKEN_OR}, {"!", TOKEN_NOT}, {"(", TOKEN_OPEN},
	{")", TOKEN_CLOSE}, {"{", TOKEN_SET}, {"}", TOKEN_SET_END}, {",", TOKEN_COMMA}, {"..", TOKEN_DOTS}, {"~", TOKEN_MATCHES},
};
static const struct {
	const char *text;
	enum token_kind kind;
} keywords[] = {
	{"and", TOKEN_AND}, {"or", TOKEN_OR}, {"not", TOKEN_NOT}, {"eq", TOKEN_EQ}, {"any_eq", TOKEN_EQ}, {"ne", TOKEN_NE},
	{"all_ne", TOKEN_NE}, {"all_eq", TOKEN_ALL_EQ}, {"any_ne", TOKEN_ANY_NE}, {"lt", TOKEN_LT}, {"le", TOKEN_LE},
	{"gt", TOKEN_GT}, {"ge", TOKEN_GE}, {"in", TOKEN_IN}, {"contains", TOKEN_CONTAINS}, {"matches", TOKEN_MATCHES},
};
/* clang-format on */

/* Of a word; two points together are a range's, as in 80..90. */
static bool in_word(const char *text)
{
	static const char marks[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:/%-[]@";

	return *text == '.' ? text[1] != '.' : *text != '\0' && strchr(marks, *text) != NULL;
}

static void put(struct parser *parser, char byte)
{
	parser->words[parser->word_bytes++] = byte;
}

static bool read_word(struct parser *parser)
{
	const char *text = parser->words + parser->word_bytes;

	while (in_word(parser->text + parser->at))
		put(parser, parser->text[parser->at++]);
	put(parser, '\0');
	parser->token.kind = TOKEN_WORD;
	parser->token.text = text;
	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
		if (strcmp(text, keywords[i].text) == 0)
			parser->token.kind = keywords[i].kind;
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* What follows a backslash. */
static bool read_escape(struct parser *parser)
{
	static const char from[] = "\"\\nrt", to[] = "\"\\\n\r\t";
	const char *text = parser->text + parser->at;
	const char *which = *text == '\0' ? NULL : strchr(from, *text);

	if (which != NULL) {
		put(parser, to[which - from]);
		parser->at++;
		return true;
	}
	/* ASCII only: other characters can be written as they are */
	if (*text != 'x' || hex_digit(text[1]) < 0 || hex_digit(text[1]) > 7 || hex_digit(text[2]) < 0 ||
	    (text[1] == '0' && text[2] == '0'))
		return parser_fail(parser, parser->at - 1,
		                   "unknown escape; there are \\\", \\\\, \\n, \\r, \\t and \\x01 to \\x7f");
	put(parser, (char)(hex_digit(text[1]) << 4 | hex_digit(text[2])));
	parser->at += 3;
	return true;
}

static bool read_string(struct parser *parser)
{
	parser->token.kind = TOKEN_STRING;
	parser->token.text = parser->words + parser->word_bytes;
	for (parser->at++; parser->text[parser->at] != '"';) {
		char byte = parser->text[parser->at];

		if (byte == '\0')
			return parser_fail(parser, parser->token.at, "the string has no end: a quote is missing");
		parser->at++;
		if (byte != '\\')
			put(parser, byte);
		else if (!read_escape(parser))
			return false;
	}
	parser->at++;
	put(parser, '\0');
	return true;
}

static bool read_symbol(struct parser *parser)
{
	const char *text = parser->text + parser->at;

	for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
		if (strncmp(text, symbols[i].text, strlen(symbols[i].text)) == 0) {
			parser->token.kind = symbols[i].kind;
			parser->token.text = symbols[i].text;
			parser->at += strlen(symbols[i].text);
			return true;
		}
	switch (*text) {
	case '=':
		return parser_fail(parser, parser->at, "use == to compare");
	case '&':
		return parser_fail(parser, parser->at, "use && or \"and\"");
	case '|':
		return parser_fail(parser, parser->at, "use || or \"or\"");
	case '\'':
		return parser_fail(parser, parser->at, "strings are written in double quotes");
	default:
		return parser_fail(parser, parser->at, "this character belongs into a string in double quotes");
	}
}

bool parser_next(struct parser *parser)
{
	parser->at += strspn(parser->text + parser->at, " \t\r\n");
	parser->token = (struct token){.kind = TOKEN_END, .at = parser->at, .text = "the end"};
	if (parser->text[parser->at] == '\0')
		return true;
	if (parser->text[parser->at] == '"')
		return read_string(parser);
	return in_word(parser->text + parser->at) ? read_word(parser) : read_symbol(parser);
}
