/* rulebook.h - the rules in force: where they come from, how the engine asks them, and how they change while it runs.
 *
 * What is built in, then default.yaml as installed, then /etc/tcpaudit/rules.d/NAME.yaml by name, then what the command line
 * names: the last one that speaks of a value decides it. */
#ifndef RULEBOOK_H
#define RULEBOOK_H

#include "report/report.h"

struct rulebook;

/* One value of the command line. */
struct rulebook_override {
	const char *option; /* as it was written: "--set fin-ack-late.delay=1s" */
	const char *key;
	const char *value;
};

struct rulebook_sources {
	const char **path; /* --rules: files or directories, in order */
	size_t paths;
	struct rulebook_override *override; /* in the order in which they are to be applied */
	size_t overrides;
	int64_t msl, idle_timeout; /* ns; -1 not given */
};

/* Borrows the sources' texts.  NULL and *error (one line; caller frees; NULL when out of memory). */
struct rulebook *rulebook_open(const struct rulebook_sources *sources, char **error);

/* Reads all sources again; if anything is wrong the old rules stay. */
bool rulebook_reload(struct rulebook *rulebook, char **error);

/* Accepts NULL. */
void rulebook_close(struct rulebook *rulebook);

/* Fills in what the rules decide of an engine's settings.  They borrow from the rulebook. */
void rulebook_apply(struct rulebook *rulebook, struct tcpaudit_settings *settings);

/* A sink in front of a report's: answers for the rules, and keeps back what a limit does not let through. */
struct tcpaudit_sink rulebook_sink(struct rulebook *rulebook, const struct report *report, const struct tcpaudit_sink *inner);

/* Whether the sink's scopes() has anything to look for; changes only in rulebook_reload(). */
bool rulebook_has_scopes(const struct rulebook *rulebook);

/* What the report asks of it; lives as long as the rulebook. */
const struct report_rules *rulebook_report(struct rulebook *rulebook);

/* All values with their origins, and what --check-rules says.  The caller frees; NULL when out of memory. */
char *rulebook_dump(const struct rulebook *rulebook);
char *rulebook_summary(const struct rulebook *rulebook, int64_t now);

#endif
