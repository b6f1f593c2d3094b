/* options.h - the command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "cli/pin.h"
#include "report/report.h"
#include "rules/rulebook.h"

enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
	OPTIONS_LIST_CHECKS,
	OPTIONS_LIST_FIELDS,
	OPTIONS_SCHEMA,
	OPTIONS_LIST_INTERFACES,
	OPTIONS_EXPLAIN,
	OPTIONS_CHECK_RULES,
	OPTIONS_DUMP_RULES,
	OPTIONS_RULES_SCHEMA,
};

enum options_color { OPTIONS_COLOR_AUTO, OPTIONS_COLOR_ALWAYS, OPTIONS_COLOR_NEVER };
enum options_progress { OPTIONS_PROGRESS_AUTO, OPTIONS_PROGRESS_NEVER };

/* --disable, --severity and --set, in the order in which they apply. */
enum override_rank { OVERRIDE_DISABLE, OVERRIDE_SEVERITY, OVERRIDE_SET };

struct option_override {
	uint8_t rank; /* enum override_rank */
	char *shown;  /* as it was written */
	char *key;
	char *value;
};

struct options {
	uint8_t action;      /* enum options_action */
	const char **inputs; /* files or interfaces, `live` says which */
	size_t input_count;
	bool live;
	const char **args;       /* the command line as it was written */
	const char *filter_word; /* of -f */
	const char *filter_file; /* of -F */
	char *filter;            /* never NULL after parsing */
	struct capture_options capture;
	uint64_t workers;       /* 1 to CAPTURE_WORKERS_MOST */
	struct pin pin;
	uint64_t count;                     /* -c: frames; 0 no limit */
	int64_t duration;                   /* -a duration: ns; 0 no limit */
	int64_t stats_interval;             /* ns; 0 none */
	const struct report_format *format; /* NULL: by where the output goes */
	const char *explain;                /* --explain: a check, a family or "all" */
	const char *output;                 /* NULL standard output */
	uint8_t color;                      /* enum options_color */
	uint8_t progress;                   /* enum options_progress */
	bool flows_given;
	bool severity_given;
	bool quiet;
	bool snaplen_given;
	bool no_dpi;
	struct report_options report; /* page is left alone; the rest is complete after parsing */
	struct option_override *override;
	size_t overrides;
	struct rulebook_sources sources;
	struct rulebook *rules; /* when the action is about them, or to run */
	struct tcpaudit_settings settings;
};

/* false and *error (one line, caller frees) for a command line that cannot be carried out.  Words of argv are borrowed. */
bool options_parse(struct options *options, int argc, char **argv, char **error);

void options_fini(struct options *options);

/* Documents; the caller frees.  NULL when out of memory. */
char *options_help(void);
char *options_check_list(void);

#endif
