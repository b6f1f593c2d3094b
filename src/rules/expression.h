/* expression.h - conditions over the fields of a record, in the syntax of Wireshark's display filters.
 *
 *   dest_port == 5432 and tcp.state_server == CLOSE-WAIT and not ip.src in {10.0.0.0/8, 192.0.2.1..192.0.2.9}
 *   close.kind contains rst || close.half_close.duration > 1.5s
 *
 * Operators: ( ), not !, and &&, or ||, in that order; == != < <= > >= or eq ne lt le gt ge; in {...} with ranges a..b, also
 * not in; contains.  A field alone asks whether it is present (and, if it is a boolean, true).
 * A field that is absent makes every comparison with it false, != too; "x not in {...}" means "not (x in {...})".
 * Of a field with several values, one that fits is enough; != asks that none is equal, === that all are, and !== that one is
 * not.  The difference matters for the states of an end, which are all those in which it can be: == CLOSE-WAIT says that it
 * may be in CLOSE-WAIT, === CLOSE-WAIT that it can be in no other state.
 *
 * Everything is checked when the text is compiled: fields, types, units, values of closed sets.  Evaluation allocates
 * nothing and takes a time that only the expression bounds. */
#ifndef EXPRESSION_H
#define EXPRESSION_H

#include "report/fields.h"

#define EXPRESSION_LONGEST 4096 /* bytes of text */
#define EXPRESSION_DEEPEST 64   /* parentheses and nots within each other */
#define EXPRESSION_NODES   256  /* comparisons, ands, ors and nots */

struct expression;

/* Compiles `text`, which is not needed afterwards, over the fields of the records in `records` (RECORD_ bits); a field that
 * only some of them have is absent in the others.  If it is wrong, NULL, with *error (one line without the full stop; caller
 * frees; NULL when out of memory) and *column, in characters from 1. */
struct expression *expression_new(const char *text, unsigned records, size_t *column, char **error);

/* Whether it is true of a record; its scratch is overwritten. */
bool expression_holds(const struct expression *expression, struct record *record);

/* Something that is compared with ids of checks and rules: whether there is one of that name, an expression does not know. */
struct expression_id {
	const char *id;
	bool piece; /* contains */
	size_t at;  /* byte of the text */
};

/* The next of them behind *cursor, which is 0 at first; false: there is none. */
bool expression_next_id(const struct expression *expression, size_t *cursor, struct expression_id *id);

/* Accepts NULL. */
void expression_free(struct expression *expression);

#endif
