/* document.c - see document.h.  The only file that knows libyaml: its events, not its document interface, because those have
 * places and tell a quoted text from a plain one. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "rules/literal.h"

struct reading {
	yaml_parser_t parser;
	const char *name;
	const char *text;
	size_t length;
	char **error;
	unsigned depth;
};

/* Sets the error once; always false. */
static bool __attribute__((format(printf, 4, 5))) fail(struct reading *r, size_t line, size_t column, const char *format, ...)
{
	char *reason = NULL;
	va_list list;

	if (*r->error != NULL)
		return false;
	va_start(list, format);
	if (vasprintf(&reason, format, list) < 0)
		reason = NULL;
	va_end(list);
	if (reason != NULL)
		literal_make_plain(reason);
	if (reason != NULL && asprintf(r->error, "%s:%zu:%zu: %s", r->name, line, column, reason) < 0)
		*r->error = NULL;
	free(reason);
	return false;
}

static bool fail_at(struct reading *r, const yaml_mark_t *mark, const char *reason)
{
	return fail(r, mark->line + 1, mark->column + 1, "%s", reason);
}

/* What is no text: libyaml says only behind how many octets. */
static bool fail_octet(struct reading *r, size_t offset, const char *reason)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset && i < r->length; i++) {
		line += r->text[i] == '\n';
		column = r->text[i] == '\n' ? 1 : column + ((r->text[i] & 0xc0) != 0x80);
	}
	return fail(r, line, column, "%s", reason != NULL ? reason : "unreadable");
}

/* It must be what was not liked itself: inside of brackets and of quoted texts, tabs may stand in front of a line. */
static bool is_tab_of_indentation(const struct reading *r, const yaml_mark_t *mark)
{
	const char *at = r->text, *end = r->text + r->length;
	size_t column = 0;

	for (size_t line = 0; at < end && line < mark->line; at++)
		line += *at == '\n';
	for (; at < end && *at == ' ' && column < mark->column; at++)
		column++;
	return at < end && *at == '\t' && column == mark->column;
}

/* What libyaml did not like, in its words. */
static bool fail_parser(struct reading *r)
{
	const yaml_parser_t *p = &r->parser;

	if (p->error == YAML_MEMORY_ERROR)
		return false;
	if (p->error == YAML_READER_ERROR)
		return fail_octet(r, p->problem_offset, p->problem);
	if (is_tab_of_indentation(r, &p->problem_mark))
		return fail_at(r, &p->problem_mark, "a tab: YAML is indented with spaces");
	return fail(r, p->problem_mark.line + 1, p->problem_mark.column + 1, "%s%s%s",
	            p->problem != NULL ? p->problem : "not YAML", p->context != NULL ? " " : "",
	            p->context != NULL ? p->context : "");
}

static bool next_event(struct reading *r, yaml_event_t *event)
{
	return yaml_parser_parse(&r->parser, event) || fail_parser(r);
}

static bool read_node(struct reading *r, yaml_event_t *event, struct node **out);

/* Is it written so that it could mean something else than its text? */
static const char *refused(const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	case YAML_ALIAS_EVENT:
		return "aliases are not understood here: write it out";
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		break;
	}
	return anchor != NULL ? "anchors are not understood here: write it out" : tag != NULL ? "tags are not understood here" : NULL;
}

static bool stands_as_it_is(const yaml_event_t *event, const char *text, bool plain)
{
	const size_t characters = literal_column(text, strlen(text)) - 1, quotes = plain ? 0 : 2;

	return event->start_mark.line == event->end_mark.line &&
	       event->end_mark.column - event->start_mark.column == characters + quotes;
}

static bool take_scalar(struct reading *r, const yaml_event_t *event, struct node *node)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;

	if (memchr(text, '\0', length) != NULL)
		return fail_at(r, &event->start_mark, "a text with a zero byte in it");
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->exact = stands_as_it_is(event, text, node->plain);
	if (node->plain && (length == 0 || strcmp(text, "~") == 0))
		return true;
	return (node->text = strdup(text)) != NULL;
}

static bool take_sequence(struct reading *r, struct node *node)
{
	struct node **end = &node->first;
	yaml_event_t event;

	for (size_t i = 0;; i++, end = &(*end)->next) {
		if (!next_event(r, &event))
			return false;
		bool last = event.type == YAML_SEQUENCE_END_EVENT;
		bool good = last || (i == DOCUMENT_LONGEST ? fail_at(r, &event.start_mark, "a list of more than 4096 entries")
		                                           : read_node(r, &event, end));
		yaml_event_delete(&event);
		if (last || !good)
			return good;
	}
}

/* The key of the next value; NULL at the end of the mapping, or when something is wrong: then *good is false. */
static char *take_key(struct reading *r, const struct node *node, yaml_mark_t *mark, bool *good)
{
	yaml_event_t event;
	char *key = NULL;

	if (!(*good = next_event(r, &event)))
		return NULL;
	*mark = event.start_mark;
	if (event.type == YAML_MAPPING_END_EVENT)
		goto out;
	*good = false;
	const char *why = refused(&event);
	if (why == NULL && event.type != YAML_SCALAR_EVENT)
		why = "a key must be a text";
	if (why != NULL) {
		fail_at(r, mark, why);
		goto out;
	}
	const struct node *before = document_get(node, (const char *)event.data.scalar.value);
	if (before != NULL) {
		fail(r, mark->line + 1, mark->column + 1, "'%s' stands here a second time (first in line %zu)", before->key,
		     before->key_line);
		goto out;
	}
	key = strdup((const char *)event.data.scalar.value);
	*good = key != NULL;
out:
	yaml_event_delete(&event);
	return key;
}

static bool take_mapping(struct reading *r, struct node *node)
{
	struct node **end = &node->first;

	for (size_t i = 0;; i++, end = &(*end)->next) {
		yaml_event_t event;
		yaml_mark_t mark;
		bool good;
		char *key = take_key(r, node, &mark, &good);

		if (key == NULL)
			return good;
		if (i == DOCUMENT_LONGEST) {
			free(key);
			return fail_at(r, &mark, "a mapping of more than 4096 keys");
		}
		if (!next_event(r, &event)) {
			free(key);
			return false;
		}
		good = read_node(r, &event, end);
		yaml_event_delete(&event);
		if (*end == NULL) {
			free(key);
			return false;
		}
		(*end)->key = key;
		(*end)->key_line = mark.line + 1;
		(*end)->key_column = mark.column + 1;
		if (!good)
			return false;
	}
}

/* Makes the node that begins with this event; what is wrong inside it leaves it incomplete. */
static bool read_node(struct reading *r, yaml_event_t *event, struct node **out)
{
	const char *why = refused(event);
	struct node *node = why == NULL ? calloc(1, sizeof *node) : NULL;
	bool good;

	*out = node;
	if (node == NULL)
		return why != NULL && fail_at(r, &event->start_mark, why);
	node->line = event->start_mark.line + 1;
	node->column = event->start_mark.column + 1;
	if (event->type == YAML_SCALAR_EVENT)
		return take_scalar(r, event, node);
	node->type = event->type == YAML_SEQUENCE_START_EVENT ? NODE_SEQUENCE : NODE_MAPPING;
	if (r->depth == DOCUMENT_DEEPEST)
		return fail_at(r, &event->start_mark, "nested too deep");
	r->depth++;
	good = node->type == NODE_SEQUENCE ? take_sequence(r, node) : take_mapping(r, node);
	r->depth--;
	return good;
}

/* Stream and document begin and end around the root. */
static bool read_root(struct reading *r, struct node **root)
{
	for (;;) {
		yaml_event_t event;
		bool good = true, last;

		if (!next_event(r, &event))
			return false;
		last = event.type == YAML_STREAM_END_EVENT;
		if (event.type == YAML_DOCUMENT_START_EVENT && *root != NULL)
			good = fail_at(r, &event.start_mark, "a second document: only one is read");
		else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_SEQUENCE_START_EVENT ||
		         event.type == YAML_MAPPING_START_EVENT || event.type == YAML_ALIAS_EVENT)
			good = read_node(r, &event, root);
		yaml_event_delete(&event);
		if (last || !good)
			return good;
	}
}

struct node *document_parse(const char *name, const char *text, size_t length, char **error)
{
	struct reading r = {.name = name, .text = text, .length = length, .error = error};
	struct node *root = NULL;

	*error = NULL;
	if (!yaml_parser_initialize(&r.parser))
		return NULL;
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
	bool good = read_root(&r, &root);
	yaml_parser_delete(&r.parser);
	if (good && root == NULL) {
		root = calloc(1, sizeof *root);
		if (root != NULL)
			*root = (struct node){.type = NODE_MAPPING, .line = 1, .column = 1};
	}
	if (good)
		return root;
	document_free(root);
	return NULL;
}

static bool complain(char **error, const char *path, const char *reason)
{
	if (asprintf(error, "%s: %s", path, reason) < 0)
		*error = NULL;
	return false;
}

static bool read_all(const char *path, char **text, size_t *length, char **error)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	bool good = false;

	if (file == NULL)
		return complain(error, path, strerror(errno));
	*text = malloc(DOCUMENT_LARGEST + 1);
	if (*text != NULL) {
		*length = fread(*text, 1, DOCUMENT_LARGEST + 1, file);
		good = ferror(file) ? complain(error, path, strerror(errno))
		                    : *length <= DOCUMENT_LARGEST || complain(error, path, "larger than a rule file can be (1 MiB)");
	}
	if (file != stdin)
		fclose(file);
	return good;
}

struct node *document_read(const char *path, char **error)
{
	struct node *root = NULL;
	char *text = NULL;
	size_t length;

	*error = NULL;
	if (read_all(path, &text, &length, error))
		root = document_parse(strcmp(path, "-") == 0 ? "standard input" : path, text, length, error);
	free(text);
	return root;
}

void document_free(struct node *root)
{
	for (struct node *next; root != NULL; root = next) {
		next = root->next;
		document_free(root->first);
		free(root->key);
		free(root->text);
		free(root);
	}
}

const struct node *document_get(const struct node *mapping, const char *key)
{
	for (const struct node *node = mapping->first; node != NULL; node = node->next)
		if (node->key != NULL && strcmp(node->key, key) == 0)
			return node;
	return NULL;
}
