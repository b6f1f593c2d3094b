/* explain.h - what a check means, in words for people (--explain). */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stdbool.h>

/* Does some check have this id, or belong to this family ("fin", "fin-"), or is it "all"? */
bool explain_knows(const char *what);

/* The ids that are nearest to a word that is none, separated by ", "; the caller frees.  NULL when out of memory. */
char *explain_nearest(const char *word);

/* The text; a family is told by its ids and titles.  The caller frees.  NULL when out of memory. */
char *explain(const char *what);

#endif
