/* document.h - a YAML file as a tree of texts, each with its place.
 *
 * Nothing is typed implicitly: a scalar is the text that stands there, and what it means is its reader's business.  Anchors,
 * aliases, tags, merge keys and further documents are errors, and so is a key that stands twice in one mapping. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#define DOCUMENT_LARGEST (1u << 20) /* bytes of a file */
#define DOCUMENT_DEEPEST 16         /* mappings and sequences within each other */
#define DOCUMENT_LONGEST 4096       /* entries of one of them */

enum node_type { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
	enum node_type type;
	char *key;  /* in a mapping; otherwise NULL */
	char *text; /* scalar; NULL for ~ and for nothing at all */
	bool plain; /* scalar without quotes */
	bool exact; /* scalar that stands in one line as its text is: neither folded nor escaped */
	size_t line, column;         /* of the value, from 1 */
	size_t key_line, key_column; /* of the key */
	struct node *first;          /* of what is in it, in order */
	struct node *next;
};

/* The root, NULL with *error ("PATH:LINE:COLUMN: reason", caller frees; NULL when out of memory). An empty file is an empty
 * mapping.  `path` "-" is standard input. */
struct node *document_read(const char *path, char **error);

/* The same for a text; `name` stands for the path in errors. */
struct node *document_parse(const char *name, const char *text, size_t length, char **error);

/* Accepts NULL. */
void document_free(struct node *root);

/* The value of a key in a mapping, NULL if it is not there. */
const struct node *document_get(const struct node *mapping, const char *key);

#endif
