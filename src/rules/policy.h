/* policy.h - what the user has decided, and where: every check's severity, thresholds and conditions, and rules of the user's
 * own.  A policy is made anew from all its sources; the last one that speaks of a value decides it. */
#ifndef POLICY_H
#define POLICY_H

#include <tcpaudit/audit.h>

#include "rules/document.h"
#include "rules/expression.h"
#include "rules/template.h"

/* What settings may be, ns. */
#define POLICY_MSL_LEAST  INT64_C(1000000)
#define POLICY_MSL_MOST   INT64_C(86400000000000)
#define POLICY_IDLE_LEAST INT64_C(1000000000)
#define POLICY_IDLE_MOST  (365 * INT64_C(86400000000000))

/* Of a rule file; of the findings that a limit lets through. */
#define POLICY_VERSION    1
#define POLICY_LIMIT_MOST 1000000

enum limit_per { LIMIT_PER_ALL, LIMIT_PER_HOST, LIMIT_PER_SERVICE, LIMIT_PER_PAIR };

/* How many findings are shown before more of the kind are only counted. */
struct limit {
	uint32_t count; /* 0 no limit */
	uint8_t per;    /* enum limit_per */
	int64_t every;  /* ns */
};

/* Findings that are known and accepted, until a day. */
struct suppression {
	char *when_text; /* NULL: always */
	struct expression *when;
	char *until_text;     /* "2026-12-31", UTC, inclusive */
	int64_t until;        /* ns: the first moment after that day */
	const char *until_at; /* "FILE:LINE:COLUMN" or an option */
	char *reason;
	const char *from;
};

/* What can be decided about each row. */
enum policy_value {
	POLICY_ENABLED,
	POLICY_SEVERITY,
	POLICY_SCOPE,
	POLICY_WHERE,
	POLICY_NEEDS,
	POLICY_LIMIT,
	POLICY_SUPPRESS,
	POLICY_VALUES
};

struct row_policy {
	bool enabled;
	uint8_t severity; /* enum tcpaudit_severity */
	uint8_t needs;    /* TCPAUDIT_PREMISE_ bits */
	char *scope;      /* BPF expression, NULL none */
	char *where_text; /* NULL: everywhere */
	struct expression *where;
	struct limit limit;
	struct suppression *suppression;
	size_t suppressions;
	const char *from[POLICY_VALUES]; /* "FILE:LINE" or an option; NULL: built in */
};

/* A rule of the user's own. */
struct own_rule {
	char *id;
	char *title;
	uint8_t on; /* enum tcpaudit_point */
	char *when_text;
	struct expression *when;
	char *message_text; /* NULL none */
	struct template *message;
	const char *from;
};

/* An id in an expression that is no check's: a rule's, perhaps, that another file defines. */
struct policy_mention {
	char *id;
	bool piece;  /* of an id */
	char *place; /* "FILE:LINE:COLUMN", or an option */
};

struct policy_number {
	int64_t value; /* ns, or as the threshold's unit says */
	const char *from;
};

struct policy {
	struct row_policy row[TCPAUDIT_CHECK_WORDS * 64]; /* the catalogue's, then own rules' */
	size_t checks;                                    /* of the catalogue */
	struct own_rule own[TCPAUDIT_OWN];
	size_t own_count;
	struct policy_number threshold[TCPAUDIT_THRESHOLD_COUNT];
	struct policy_number msl, idle_timeout, tick;
	struct policy_mention *mention;
	size_t mentions;
	char **origin; /* what `from` points to */
	size_t origins;
};

/* As it is built in.  NULL when out of memory. */
struct policy *policy_new(void);

/* Accepts NULL. */
void policy_free(struct policy *policy);

/* Takes the values of a file; what is wrong leaves the policy half changed, and *error (one line, caller frees; NULL when out
 * of memory) says where. */
bool policy_read(struct policy *policy, const char *path, char **error);

/* The same for a text; `name` stands for the path in errors and origins. */
bool policy_parse(struct policy *policy, const char *name, const char *text, size_t length, char **error);

/* Takes one value from the command line: `option` is what was written there, for messages and as the origin, the key "ID.KEY",
 * "ID.THRESHOLD" or one of settings, and the value YAML. */
bool policy_set(struct policy *policy, const char *option, const char *key, const char *value, char **error);

/* After all sources: is there a check or a rule for each id that an expression mentions?  If not, *error as above. */
bool policy_complete(const struct policy *policy, char **error);

/* All values as a rule file, each with its origin behind it.  The caller frees; NULL when out of memory. */
char *policy_dump(const struct policy *policy);

/* JSON Schema of a rule file, for editors.  The caller frees; NULL when out of memory. */
char *policy_schema(void);

/* Row of an own rule, or of a check; -1 neither. */
int policy_row(const struct policy *policy, const char *id);

const char *policy_point_name(unsigned point); /* enum tcpaudit_point */
const char *policy_per_name(unsigned per);     /* enum limit_per */

/* For its readers: forgets what was suppressed, and an own rule with all that was decided about it. */
void policy_forget_suppressions(struct row_policy *row);
void policy_forget_own(struct policy *policy, size_t index);

/* Keeps what an expression mentions, until policy_complete(); takes the place.  false when out of memory. */
bool policy_mention(struct policy *policy, const char *id, bool piece, char *place);

/* Keeps a text for as long as the policy.  NULL when out of memory. */
const char *policy_origin(struct policy *policy, const char *text);

#endif
