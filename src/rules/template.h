/* template.h - messages in which the fields of a record are put: "{src_ip} kept {dest_ip}:{dest_port} for {tcp.rtt}". */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "report/fields.h"

#define TEMPLATE_LONGEST 4096 /* bytes of text */
#define TEMPLATE_FIELDS  64   /* names in braces */

struct template;

/* Reads `text`, which is not needed afterwards; names are those of expressions, and {{ and }} are braces.  If it is wrong,
 * NULL, with *error (one line without the full stop; caller frees; NULL when out of memory) and *column, in characters from 1. */
struct template *template_new(const char *text, unsigned records, size_t *column, char **error);

/* Writes the message and a NUL into `size` (not 0) bytes; what finds no room is left out from the first character on that
 * does not fit.  Durations have the unit that suits them, times are RFC 3339 in UTC, lists are separated by commas, and what
 * is absent is "-".  The result is UTF-8 if the record is not: what is none is replaced, as are control characters. */
void template_write(const struct template *template, struct record *record, char *out, size_t size);

/* Accepts NULL. */
void template_free(struct template *template);

#endif
