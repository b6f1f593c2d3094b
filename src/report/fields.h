/* fields.h - the one table of all fields of all records.
 *
 * The JSON writer, --schema, --list-fields and the man page come from it, so they cannot drift apart.  A field that a
 * getter calls absent is an absent key. */
#ifndef FIELDS_H
#define FIELDS_H

#include "report/report.h"

/* Records, as bits: a field belongs to several. */
enum {
	RECORD_META = 1,
	RECORD_FLOW = 2,
	RECORD_FINDING = 4,
	RECORD_STATS = 8,
	RECORD_SUMMARY = 16,
	RECORD_KINDS = 5,
};

enum field_type {
	FIELD_STRING,
	FIELD_BOOLEAN,
	FIELD_INTEGER,
	FIELD_FRAME, /* an integer, or null where there is none */
	FIELD_TIME,
	FIELD_ADDRESS,
	FIELD_STRINGS, /* an array of strings */
	FIELD_INTEGERS,
	FIELD_COUNTS, /* an object: names of one kind, each with an integer */
	FIELD_ROWS,   /* an array of objects, whose fields follow as "path[].name" */
};

/* What a record is made from; only what its kind needs is set. */
struct record {
	const struct report *report;
	const struct tcpaudit_connection *connection; /* flow, finding */
	const struct tcpaudit_finding *finding;
	const struct report_state *state; /* meta, stats, summary */
	unsigned kind;                    /* RECORD_ bit */
	unsigned time_digits;             /* set by the writer */
	size_t row;                       /* of the array of objects that is being written */
	char scratch[REPORT_FILTER];      /* for text that a getter composes */
	char text[REPORT_MESSAGE];        /* ... out of other getters */
};

struct field_value {
	size_t index;     /* arrays and counts, in: which one; the getter returns false behind the last */
	const char *name; /* counts: the key */
	const char *text;
	bool constant;  /* strings: text is short, static and needs no escapes, though it is not one of the row's values */
	int64_t number; /* ROWS: how many.  FRAME: 0 none */
	const struct tcpaudit_address *address;
	unsigned ip_version;
};

struct field {
	const char *path; /* dotted; "[]" behind an array of objects */
	uint8_t records;  /* RECORD_ bits */
	uint8_t type;     /* enum field_type */
	uint8_t always;   /* RECORD_ bits of the records in which it is never absent (if its object is present) */
	const char *unit; /* "" none */
	const char *text; /* one sentence without the full stop */
	bool (*get)(struct record *record, struct field_value *value); /* false: absent */
	const char *const *values;                                     /* strings: all that occur, static, ended by NULL; NULL: open */
};

/* In the order in which they are written; the fields of an object stand together. */
const struct field *fields_table(size_t *count);

const char *fields_type_name(enum field_type type);
const char *fields_record_name(unsigned kind);

/* Control bits as "SYN,ACK"; returns `out`. */
#define FIELDS_FLAGS 64
const char *fields_flag_names(char out[FIELDS_FLAGS], unsigned flags);

/* Digits after the second for a record's times. */
unsigned fields_time_digits(const struct record *record);

#endif
