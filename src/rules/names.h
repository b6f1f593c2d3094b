/* names.h - which fields a name in a rule means: paths of the table of fields, Wireshark's names, and names without "_us". */
#ifndef NAMES_H
#define NAMES_H

#include "report/fields.h"

/* ip.addr means either address; a path may be a row for each of several kinds of records. */
#define NAMES_FIELDS 4

struct named {
	const struct field *field[NAMES_FIELDS]; /* all of one type and unit */
	size_t count;
};

/* The fields of the records in `records` (RECORD_ bits) that `name` means.  false if there is none, or if they differ in
 * type: *error is then a sentence without the full stop (caller frees; NULL when out of memory). */
bool names_find(const char *name, unsigned records, struct named *named, char **error);

/* Whether a value that a getter returned means absent all the same: false, no frame, no row. */
bool names_is_nothing(const struct field *field, const struct field_value *value);

/* Whether its values are ids, of checks or of the user's rules. */
bool names_is_id(const struct field *field);

/* Calls `each` for every name that is understood for these records: a path of the table, in its order, each followed by
 * its short form if it has one; then the names from Wireshark. */
void names_each(unsigned records, void (*each)(void *user, const char *name), void *user);

/* Room for the longest name, with its NUL. */
#define NAMES_LONGEST 64

/* How many characters must be put in, taken out or replaced to make one of the other, case apart (Levenshtein); UINT_MAX if one of
 * them is no shorter than NAMES_LONGEST. */
unsigned names_apart(const char *a, const char *b);

/* The best of many candidates for a word that is none of them. */
struct nearest {
	const char *word;
	char best[NAMES_LONGEST]; /* "" none comes near */
	unsigned distance;
};

void nearest_init(struct nearest *nearest, const char *word);
void nearest_offer(struct nearest *nearest, const char *candidate);

#endif
