/* label.h - which application a connection carries, by nDPI.
 *
 * A build without nDPI has the same functions, and no labels.  What is handed to nDPI, how long, and what it may take are
 * limited: see label.c. */
#ifndef LABEL_H
#define LABEL_H

#include <stdbool.h>

#include <tcpaudit/label.h>

#define LABEL_MEMORY (UINT64_C(64) << 20)

struct label_options {
	uint64_t memory; /* bytes that nDPI may take, its tables included; parts have tables of their own; 0: LABEL_MEMORY */
	void *(*allocate)(size_t size); /* in the place of malloc(); NULL: malloc() itself */
};

struct label_counters {
	uint64_t named;   /* connections that got a label */
	uint64_t unnamed; /* connections with text in which nothing was recognised */
	uint64_t off;     /* connections that were not looked at, or not to the end, for want of memory */
	uint64_t shed;    /* ... for want of time */
	uint64_t memory;  /* bytes held now */
};

struct labeller;

/* "nDPI 4.2.0", or NULL in a build without. */
const char *label_library(void);

/* NULL with *error (caller frees) when out of memory; NULL without in a build without nDPI. */
struct labeller *label_new(const struct label_options *options, char **error);

/* While there is no time, text gets no label: what is undecided stays so.  For one that has no parts.  Accepts NULL. */
void label_hurry(struct labeller *labeller, bool hurry);

/* What the engine calls.  Valid for the labeller's life. */
struct tcpaudit_labeller label_functions(struct labeller *labeller);

static inline void label_counters_add(struct label_counters *sum, const struct label_counters *counters)
{
	sum->named += counters->named;
	sum->unnamed += counters->unnamed;
	sum->off += counters->off;
	sum->shed += counters->shed;
	sum->memory += counters->memory;
}

/* Those of all parts; while none of them is called.  Accepts NULL: all zero. */
void label_count(const struct labeller *labeller, struct label_counters *counters);

/* Accepts NULL.  Names that it gave are invalid from then on. */
void label_free(struct labeller *labeller);

#endif
