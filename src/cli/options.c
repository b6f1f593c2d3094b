/* options.c - the command line: one table of options for getopt_long(), --help and the manual page's test.
 *
 * tcpdump's letters and tshark's long names.  An option of theirs that means nothing here is answered with what to do
 * instead; one that belongs to a part that is not built yet is refused, never ignored. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/explain.h"
#include "cli/values.h"
#include "rules/policy.h"

/* Options without a letter. */
enum {
	OPTION_WORKERS = 256,
	OPTION_PIN,
	OPTION_TUNNELS,
	OPTION_RULES,
	OPTION_CHECK_RULES,
	OPTION_DUMP_RULES,
	OPTION_DISABLE,
	OPTION_SEVERITY,
	OPTION_SET,
	OPTION_MSL,
	OPTION_VANTAGE,
	OPTION_CHECKSUM,
	OPTION_NO_DPI,
	OPTION_IDLE_TIMEOUT,
	OPTION_MAX_FLOWS,
	OPTION_MEMCAP,
	OPTION_FLOWS,
	OPTION_TRANSITIONS,
	OPTION_LADDER,
	OPTION_MIN_SEVERITY,
	OPTION_COLOR,
	OPTION_PROGRESS,
	OPTION_STATS_INTERVAL,
	OPTION_SANDBOX,
	OPTION_FAIL_ON,
	OPTION_VERSION,
	OPTION_LIST_CHECKS,
	OPTION_EXPLAIN,
	OPTION_LIST_FIELDS,
	OPTION_SCHEMA,
	OPTION_RULES_SCHEMA,
};

#define INTERVAL_MOST (365 * INT64_C(86400000000000)) /* ns, a year */

/* What is known while the command line is read. */
struct parse {
	struct options *options;
	const struct option_row *row;
	const char *value;
	char **error;
};

struct option_row {
	int id;               /* the letter, or OPTION_ */
	const char *name;     /* NULL: only a letter */
	const char *argument; /* NULL: none */
	const char *help;     /* NULL: accepted, but not shown */
	bool (*take)(struct parse *parse);
	size_t at;                /* in struct options; of take_action: the action */
	const char *const *words; /* of take_word */
};

#define AT(member) offsetof(struct options, member)

/* Sets the error; always false. */
static bool __attribute__((format(printf, 2, 3))) refuse(struct parse *parse, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (vasprintf(parse->error, format, list) < 0)
		*parse->error = NULL;
	va_end(list);
	return false;
}

/* How the user wrote the option, for messages. */
static const char *shown(const struct parse *parse)
{
	static const char letters[][3] = {"-a", "-c", "-B", "-s", "-F", "-T", "-Z"}; /* all that have no name are among them */

	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if (parse->row->id == letters[i][1])
			return letters[i];
	return parse->row->name;
}

static bool bad_value(struct parse *parse, const char *wanted)
{
	const char *name = shown(parse);

	return refuse(parse, "%s%s: '%s' is not %s", name[0] == '-' ? "" : "--", name, parse->value, wanted);
}

/* Where the option's value goes. */
static void *target(const struct parse *parse)
{
	return (char *)parse->options + parse->row->at;
}

static bool take_number(struct parse *parse)
{
	return value_number(parse->value, target(parse)) || bad_value(parse, "a whole number");
}

static bool take_positive(struct parse *parse)
{
	uint64_t *number = target(parse);

	return (value_number(parse->value, number) && *number > 0) || bad_value(parse, "a number above 0");
}

static bool take_bytes(struct parse *parse)
{
	return value_size(parse->value, 1, target(parse)) || bad_value(parse, "a size like 512M");
}

static bool take_ring(struct parse *parse)
{
	uint64_t *bytes = target(parse);

	return (value_size(parse->value, 1024, bytes) && *bytes > 0 && *bytes <= INT_MAX) ||
	       bad_value(parse, "a size like 4096 (KiB) or 64M, below 2G");
}

/* The same limits as in a rule file. */
static bool take_msl(struct parse *parse)
{
	int64_t *ns = target(parse);

	return (value_duration(parse->value, ns) && *ns >= POLICY_MSL_LEAST && *ns <= POLICY_MSL_MOST) ||
	       bad_value(parse, "a time from 1ms to 1d");
}

static bool take_idle_timeout(struct parse *parse)
{
	int64_t *ns = target(parse);

	return (value_duration(parse->value, ns) && *ns >= POLICY_IDLE_LEAST && *ns <= POLICY_IDLE_MOST) ||
	       bad_value(parse, "a time from 1s to 365d");
}

/* Added to the time of a clock, it must not be beyond all times. */
static bool take_interval(struct parse *parse)
{
	int64_t *ns = target(parse);

	return (value_duration(parse->value, ns) && *ns <= INTERVAL_MOST) ||
	       bad_value(parse, "a time like 30s, 5m or 250ms, up to 365d");
}

static bool take_text(struct parse *parse)
{
	*(const char **)target(parse) = parse->value;
	return true;
}

static bool take_output(struct parse *parse)
{
	*(const char **)target(parse) = strcmp(parse->value, "-") == 0 ? NULL : parse->value;
	return true;
}

/* Of several, it would not be clear which one is meant. */
static bool take_filter(struct parse *parse)
{
	if (parse->options->filter_word != NULL)
		return refuse(parse, "more than one filter: -f twice");
	return take_text(parse);
}

static bool take_filter_file(struct parse *parse)
{
	if (parse->options->filter_file != NULL)
		return refuse(parse, "more than one filter: -F twice");
	return take_text(parse);
}

static bool take_flag(struct parse *parse)
{
	return *(bool *)target(parse) = true;
}

/* The first action that is asked for wins. */
static bool take_action(struct parse *parse)
{
	if (parse->options->action == OPTIONS_RUN)
		parse->options->action = (uint8_t)parse->row->at;
	return true;
}

static bool one_of(struct parse *parse, const char *text, const char *const *words, uint8_t *index)
{
	char wanted[128] = "one of";

	if (value_word(text, words, index))
		return true;
	for (; *words != NULL; words++)
		snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), " %s", *words);
	return bad_value(parse, wanted);
}

static bool take_word(struct parse *parse)
{
	return one_of(parse, parse->value, parse->row->words, target(parse));
}

static const char *const severity_words[] = {"info", "note", "warning", "error", NULL};
static const char *const fail_words[] = {"info", "note", "warning", "error", "none", NULL};
static const char *const flows_words[] = {"all", "flagged", "none", NULL};
static const char *const color_words[] = {"auto", "always", "never", NULL};
static const char *const checksum_words[] = {"auto", "strict", "off", NULL};
static const char *const progress_words[] = {"auto", "never", NULL};
static const char *const vantage_words[] = {"auto", "client", "server", "middle", NULL};

static bool add_input(struct parse *parse, bool live)
{
	struct options *options = parse->options;
	const char **inputs = realloc(options->inputs, (options->input_count + 1) * sizeof *inputs);

	if (inputs == NULL)
		return refuse(parse, "out of memory");
	options->inputs = inputs;
	if (options->input_count > 0 && options->live != live)
		return refuse(parse, "-i and -r exclude each other: read files or interfaces, not both");
	options->live = live;
	options->inputs[options->input_count++] = parse->value;
	return true;
}

static bool take_interface(struct parse *parse)
{
	return add_input(parse, true);
}

static bool take_file(struct parse *parse)
{
	return add_input(parse, false);
}

static bool take_snaplen(struct parse *parse)
{
	uint64_t number;

	if (!value_number(parse->value, &number) || number > 262144)
		return bad_value(parse, "a number up to 262144");
	parse->options->capture.snaplen = (uint32_t)number;
	parse->options->snaplen_given = true;
	return true;
}

static bool take_no_promiscuous(struct parse *parse)
{
	parse->options->capture.promiscuous = false;
	return true;
}

static bool take_workers(struct parse *parse)
{
	uint64_t *workers = target(parse);

	return (value_number(parse->value, workers) && *workers > 0 && *workers <= CAPTURE_WORKERS_MOST) ||
	       bad_value(parse, "a number from 1 to 64");
}

static bool take_pin(struct parse *parse)
{
	const char *wanted = pin_parse(parse->value, target(parse));

	return wanted == NULL || bad_value(parse, wanted);
}

static bool take_tunnels(struct parse *parse)
{
	static const struct {
		const char *name;
		uint32_t bits;
	} tunnel[] = {{"all", TCPAUDIT_TUNNEL_ALL},       {"none", 0},
	              {"ipip", TCPAUDIT_TUNNEL_IPIP},     {"6in4", TCPAUDIT_TUNNEL_6IN4},
	              {"gre", TCPAUDIT_TUNNEL_GRE},       {"vxlan", TCPAUDIT_TUNNEL_VXLAN},
	              {"geneve", TCPAUDIT_TUNNEL_GENEVE}, {"gtpu", TCPAUDIT_TUNNEL_GTPU}};
	uint32_t bits = 0;

	for (const char *word = parse->value; *word != '\0';) {
		size_t length = strcspn(word, ","), i = 0, count = sizeof tunnel / sizeof *tunnel;

		while (i < count && (strlen(tunnel[i].name) != length || strncmp(word, tunnel[i].name, length) != 0))
			i++;
		const bool alone = i < 2; /* all, or none */
		if (i == count || (alone && length != strlen(parse->value)))
			return bad_value(parse, "all, none, or a list of ipip,6in4,gre,vxlan,geneve,gtpu");
		bits |= tunnel[i].bits;
		word += length + (word[length] == ',');
	}
	parse->options->settings.tunnels = bits;
	return true;
}

static bool take_autostop(struct parse *parse)
{
	static const char prefix[] = "duration:";

	if (strncmp(parse->value, prefix, strlen(prefix)) != 0)
		return bad_value(parse, "duration:SECONDS");
	return (value_duration(parse->value + strlen(prefix), &parse->options->duration) && parse->options->duration > 0) ||
	       bad_value(parse, "duration: and a time above 0, like duration:5m");
}

/* Keeps one value for the rules; the parts of `shown` are printed together. */
static bool add_override(struct parse *parse, enum override_rank rank, const char *key, const char *suffix, const char *value,
                         const char *shown)
{
	struct options *options = parse->options;
	struct option_override *grown = realloc(options->override, (options->overrides + 1) * sizeof *grown), *o;

	if (grown == NULL)
		return refuse(parse, "out of memory");
	options->override = grown;
	o = &grown[options->overrides];
	o->rank = rank;
	o->value = strdup(value);
	if (asprintf(&o->key, "%s%s", key, suffix) < 0)
		o->key = NULL;
	if (asprintf(&o->shown, "--%s %s", parse->row->name, shown) < 0)
		o->shown = NULL;
	options->overrides++;
	return (o->value != NULL && o->key != NULL && o->shown != NULL) || refuse(parse, "out of memory");
}

static bool take_disable(struct parse *parse)
{
	char *list = strdup(parse->value), *rest = list, *id;
	bool ok = list != NULL || refuse(parse, "out of memory");

	while (ok && (id = strsep(&rest, ",")) != NULL)
		ok = add_override(parse, OVERRIDE_DISABLE, id, ".enabled", "false", id);
	free(list);
	return ok;
}

/* The key in front of the first "=", which the caller frees; NULL with the error. */
static char *key_of(struct parse *parse, const char *wanted)
{
	const char *equals = strchr(parse->value, '=');
	char *key = equals != NULL && equals != parse->value ? strndup(parse->value, (size_t)(equals - parse->value)) : NULL;

	if (key == NULL)
		bad_value(parse, wanted);
	return key;
}

static bool take_severity(struct parse *parse)
{
	char *id = key_of(parse, "ID=SEVERITY");
	bool ok = id != NULL && add_override(parse, OVERRIDE_SEVERITY, id, ".severity", strchr(parse->value, '=') + 1, parse->value);

	free(id);
	return ok;
}

static bool take_set(struct parse *parse)
{
	char *key = key_of(parse, "KEY=VALUE, like close-wait-leak.dwell=30s");
	bool ok = key != NULL && add_override(parse, OVERRIDE_SET, key, "", strchr(parse->value, '=') + 1, parse->value);

	free(key);
	return ok;
}

static bool take_rules(struct parse *parse)
{
	struct options *options = parse->options;
	const char **paths = realloc(options->sources.path, (options->sources.paths + 1) * sizeof *paths);

	if (paths == NULL)
		return refuse(parse, "out of memory");
	options->sources.path = paths;
	paths[options->sources.paths++] = parse->value;
	return true;
}

static bool take_vantage(struct parse *parse)
{
	static const uint8_t ends[] = {0, 1 << TCPAUDIT_CLIENT, 1 << TCPAUDIT_SERVER, TCPAUDIT_IN_THE_MIDDLE};
	uint8_t number;

	if (!one_of(parse, parse->value, vantage_words, &number))
		return false;
	parse->options->settings.vantage = ends[number];
	return true;
}

static bool take_format(struct parse *parse)
{
	static const struct report_format *const format[] = {&report_text, &report_jsonl, &report_json};

	for (size_t i = 0; i < sizeof format / sizeof *format; i++)
		if (strcmp(parse->value, format[i]->name) == 0) {
			parse->options->format = format[i];
			return true;
		}
	if (strcmp(parse->value, "fields") == 0)
		return refuse(parse, "-T fields: use -T jsonl and pick fields with jq (see --list-fields)");
	return bad_value(parse, "text, jsonl or json");
}

static bool take_flows(struct parse *parse)
{
	uint8_t number;

	if (!one_of(parse, parse->value, flows_words, &number))
		return false;
	parse->options->report.flows = (enum report_flows)number;
	return parse->options->flows_given = true;
}

static bool take_min_severity(struct parse *parse)
{
	parse->options->severity_given = true;
	return one_of(parse, parse->value, severity_words, &parse->options->report.min_severity);
}

static bool take_sandbox(struct parse *parse)
{
	return strcmp(parse->value, "off") == 0 || refuse(parse, "--sandbox %s: this version has no sandbox", parse->value);
}

/* Accepted where it changes nothing. */
static bool take_nothing(struct parse *parse)
{
	(void)parse;
	return true;
}

static bool take_explain(struct parse *parse)
{
	if (!explain_knows(parse->value)) {
		char *nearest = explain_nearest(parse->value);
		bool taken = refuse(parse, "--explain: there is no check '%s' (see --list-checks)%s%s", parse->value,
		                    nearest != NULL && *nearest != '\0' ? "; near it: " : "", nearest != NULL ? nearest : "");
		free(nearest);
		return taken;
	}
	parse->options->explain = parse->value;
	if (parse->options->action == OPTIONS_RUN)
		parse->options->action = OPTIONS_EXPLAIN;
	return true;
}

static bool take_user(struct parse *parse)
{
	return refuse(parse, "-Z: not in this version; give the program cap_net_raw and run it as '%s'", parse->value);
}

/* A row without an id begins a group. */
/* clang-format off */
static const struct option_row table[] = {
        {0, "Input", NULL, NULL, NULL, 0, NULL},
        {'i', "interface", "IF", "capture on an interface, or on any (repeatable)", take_interface, 0, NULL},
        {'r', "read-file", "FILE", "read a pcap or pcapng file, also gzip or zstd; - is standard input (repeatable)", take_file, 0, NULL},
        {'D', "list-interfaces", NULL, "list the interfaces and exit", take_action, OPTIONS_LIST_INTERFACES, NULL},
        {'f', "capture-filter", "EXPR", "BPF expression; the words behind the options are one, too", take_filter, AT(filter_word), NULL},
        {'F', NULL, "FILE", "read the BPF expression from a file", take_filter_file, AT(filter_file), NULL},
        {'s', "snapshot-length", "N", "capture N bytes of each packet, 0 all (default: what is looked at)", take_snaplen, 0, NULL},
        {'B', "buffer-size", "KiB", "ring for each interface and worker, also with K, M or G, below 2G (default: 64M)", take_ring, AT(capture.buffer), NULL},
        {'p', "no-promiscuous-mode", NULL, "only what is addressed to this host", take_no_promiscuous, 0, NULL},
        {OPTION_WORKERS, "workers", "N", "worker threads, 1 to 64: each with a ring of its own; those of files share out the connections (default: 1)", take_workers, AT(workers), NULL},
        {OPTION_PIN, "pin", "CPUS", "a processor for each worker: auto, or a list like 0,2,4-7", take_pin, AT(pin), NULL},
        {OPTION_TUNNELS, "tunnels", "LIST", "look into all, none, or ipip,6in4,gre,vxlan,geneve,gtpu (default: all)", take_tunnels, 0, NULL},

        {.name = "Stop"},
        {'c', NULL, "COUNT", "after COUNT packets that passed the filter", take_positive, AT(count), NULL},
        {'a', "autostop", "duration:T", "after this time, in seconds or like 5m", take_autostop, 0, NULL},

        {.name = "Audit"},
        {OPTION_RULES, "rules", "FILE", "rules of a file, or of all .yaml files of a directory (repeatable)", take_rules, 0, NULL},
        {OPTION_SET, "set", "KEY=VALUE", "one value of the rules, like close-wait-leak.dwell=30s (repeatable)", take_set, 0, NULL},
        {OPTION_CHECK_RULES, "check-rules", NULL, "say whether all rules are good, and exit", take_action, OPTIONS_CHECK_RULES, NULL},
        {OPTION_DUMP_RULES, "dump-rules", NULL, "print the rules in force, each value with its origin, and exit", take_action, OPTIONS_DUMP_RULES, NULL},
        {OPTION_DISABLE, "disable", "ID", "leave a check out; also a list or a pattern like 'rst-*' (repeatable)", take_disable, 0, NULL},
        {OPTION_SEVERITY, "severity", "ID=SEV", "give a check another severity (repeatable)", take_severity, 0, NULL},
        {OPTION_MSL, "msl", "T", "maximum segment lifetime; TIME-WAIT lasts twice this (default: 30s)", take_msl, AT(sources.msl), NULL},
        {OPTION_VANTAGE, "vantage", "WHERE", "where the capture was taken: auto, client, server or middle", take_vantage, 0, NULL},
        {OPTION_CHECKSUM, "checksum", "MODE", "verify checksums: auto (where it matters), strict (all) or off", take_word, AT(settings.checksum), checksum_words},
        {OPTION_NO_DPI, "no-dpi", NULL, "do not look for applications: no labels", take_flag, AT(no_dpi), NULL},
        {OPTION_IDLE_TIMEOUT, "idle-timeout", "T", "give up an open connection after this (default: 7440s)", take_idle_timeout, AT(sources.idle_timeout), NULL},
        {OPTION_MAX_FLOWS, "max-flows", "N", "connections in memory at once; 0 is no limit, the default", take_number, AT(settings.max_flows), NULL},
        {OPTION_MEMCAP, "memcap", "SIZE", "memory for connections, in bytes or with K, M or G; 0 is no limit (default: a quarter of all, at least 512M)", take_bytes, AT(settings.memcap), NULL},

        {.name = "Output"},
        {'T', NULL, "FORMAT", "text, jsonl or json (default: text on a terminal, else jsonl)", take_format, 0, NULL},
        {'o', "output", "FILE", "write there; - is standard output", take_output, AT(output), NULL},
        {OPTION_FLOWS, "flows", "WHICH", "flow records: all, flagged or none (default: files all, interfaces flagged)", take_flows, 0, NULL},
        {OPTION_TRANSITIONS, "transitions", NULL, "each end's way through the state diagram, in flow records", take_flag, AT(report.transitions), NULL},
        {OPTION_LADDER, "ladder", "FLOW", "draw one connection, by its flow_id", take_positive, AT(report.ladder), NULL},
        {OPTION_MIN_SEVERITY, "min-severity", "SEV", "show findings from here: info, note, warning, error (default: JSON note, text warning)", take_min_severity, 0, NULL},
        {OPTION_COLOR, "color", "WHEN", "auto, always or never", take_word, AT(color), color_words},
        {OPTION_PROGRESS, "progress", "WHEN", "auto (on a terminal) or never", take_word, AT(progress), progress_words},
        {'q', NULL, NULL, "neither progress nor packet counters on standard error", take_flag, AT(quiet), NULL},
        {'v', NULL, NULL, "text: more examples and more connections", take_flag, AT(report.verbose), NULL},

        {.name = "Operate"},
        {OPTION_STATS_INTERVAL, "stats-interval", "T", "a stats record this often (interfaces); 0 is never, the default", take_interval, AT(stats_interval), NULL},
        {OPTION_SANDBOX, "sandbox", "off", "this version has no sandbox", take_sandbox, 0, NULL},
        {OPTION_FAIL_ON, "fail-on", "SEV", "exit status 1 if a finding is at least this: info, note, warning, error (default: none)", take_word, AT(report.fail_on), fail_words},

        {.name = "Help"},
        {'h', "help", NULL, "this text", take_action, OPTIONS_HELP, NULL},
        {OPTION_VERSION, "version", NULL, "the version", take_action, OPTIONS_VERSION, NULL},
        {OPTION_LIST_CHECKS, "list-checks", NULL, "all checks with severity and title", take_action, OPTIONS_LIST_CHECKS, NULL},
        {OPTION_EXPLAIN, "explain", "ID", "what a check means, with an example; also a family (fin) or all", take_explain, 0, NULL},
        {OPTION_LIST_FIELDS, "list-fields", NULL, "all fields of all records", take_action, OPTIONS_LIST_FIELDS, NULL},
        {OPTION_SCHEMA, "schema", NULL, "the JSON Schema of all records", take_action, OPTIONS_SCHEMA, NULL},
        {OPTION_RULES_SCHEMA, "rules-schema", NULL, "the JSON Schema of rule files, for editors", take_action, OPTIONS_RULES_SCHEMA, NULL},

        {.name = NULL}, /* the rest is not shown */
        {'n', NULL, NULL, NULL, take_nothing, 0, NULL}, /* names are never resolved */
        {'l', NULL, NULL, NULL, take_nothing, 0, NULL}, /* lines are written as soon as nothing else is to do */
        {'Z', NULL, "USER", NULL, take_user, 0, NULL},
};
/* clang-format on */

#define ROWS (sizeof table / sizeof *table)

/* Options of tcpdump and tshark that have another answer here. */
static const struct {
	char letter;
	const char *answer;
	const char *name; /* its long name, if it has one */
} foreign[] = {
        {'Y', "display filters are Wireshark's; use a BPF expression, or select records with jq", "display-filter"},
        {'R', "display filters are Wireshark's; use a BPF expression, or select records with jq", "read-filter"},
        {'w', "packets are not written; use tcpdump -w or dumpcap, then tcpaudit -r", NULL},
        {'z', "the text report is the statistics; see also --flows and --ladder", NULL},
        {'e', "fields are picked from JSON Lines with jq (see --list-fields)", NULL},
        {'E', "fields are picked from JSON Lines with jq (see --list-fields)", NULL},
        {'V', "single packets are not printed; --ladder FLOW draws a connection", NULL},
        {'O', "single packets are not printed; --ladder FLOW draws a connection", NULL},
        {'P', "single packets are not printed; --ladder FLOW draws a connection", "print"},
        {'x', "packet bytes are not printed; --ladder FLOW draws a connection", "hexdump"},
        {'X', "packet bytes are not printed; --ladder FLOW draws a connection", NULL},
        {'A', "packet bytes are not printed; --ladder FLOW draws a connection", NULL},
        {'L', "link types are found out; 'meta' records name them", "list-data-link-types"},
        {'y', "link types are found out; 'meta' records name them", "linktype"},
        {'S', "JSON has raw sequence numbers, text relative ones", "absolute-tcp-sequence-numbers"},
        {'t', "times are RFC 3339 in UTC", NULL},
        {'u', "times are RFC 3339 in UTC", NULL},
        {'d', "expressions are not dumped; use tcpdump -d", NULL},
        {'C', "files are not rotated here; use logrotate and SIGHUP", NULL},
        {'G', "files are not rotated here; use logrotate and SIGHUP", NULL},
        {'W', "files are not rotated here; use logrotate and SIGHUP", NULL},
        {'b', "files are not rotated here; use logrotate and SIGHUP", "ring-buffer"},
        {'N', "names are never resolved", NULL},
        {'K', "checksums are not verified with --checksum off", "dont-verify-checksums"},
        {'U', "packets are not written; use tcpdump -w or dumpcap, then tcpaudit -r", "packet-buffered"},
        {'j', "fields are picked from JSON Lines with jq (see --list-fields)", NULL},
        {'I', "monitor mode is set with iw or airmon-ng", "monitor-mode"},
        {'Q', "both directions are needed to judge a close", "direction"},
        {'2', "one pass is enough", NULL},
};

static const struct option_row *find_row(int id)
{
	for (const struct option_row *row = table; row < table + ROWS; row++)
		if (row->id == id && id != 0)
			return row;
	return NULL;
}

/* The first row from `row` on whose long name begins as the word does, which is --NAME; NULL: none. */
static const struct option_row *begins(const char *word, int length, const struct option_row *row)
{
	for (; row < table + ROWS; row++)
		if (row->name != NULL && length > 2 && strncmp(row->name, word + 2, (size_t)length - 2) == 0)
			return row;
	return NULL;
}

/* `word` is what was written of a long option, with its value behind a =. */
static bool unknown_long(struct parse *parse, const char *word, const char *hint)
{
	int length = (int)strcspn(word, "=");

	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		const char *name = foreign[i].name;
		if (name != NULL && length > 2 && strlen(name) == (size_t)length - 2 && strncmp(word + 2, name, strlen(name)) == 0)
			return refuse(parse, "%.*s: %s", length, word, foreign[i].answer);
	}
	const struct option_row *first = begins(word, length, table), *second = first == NULL ? NULL : begins(word, length, first + 1);
	if (second != NULL)
		return refuse(parse, "%.*s: --%s or --%s? (%s)", length, word, first->name, second->name, hint);
	return refuse(parse, "unknown option %s (%s)", word, hint);
}

static bool unknown(struct parse *parse, const char *word)
{
	const char *hint = "see tcpaudit --help";

	if (find_row(optopt) != NULL)
		return refuse(parse, "%.*s takes no value (%s)", (int)strcspn(word, "="), word, hint);
	if (optopt == 0 || optopt >= 256)
		return unknown_long(parse, word, hint);
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (foreign[i].letter == optopt)
			return refuse(parse, "-%c: %s", optopt, foreign[i].answer);
	return refuse(parse, "unknown option -%c (%s)", optopt, hint);
}

/* The table in getopt_long()'s form. */
static void fill_getopt(char *letters, struct option *names)
{
	*letters++ = ':';
	for (const struct option_row *row = table; row < table + ROWS; row++) {
		if (row->id == 0)
			continue;
		if (row->id < 256) {
			*letters++ = (char)row->id;
			if (row->argument != NULL)
				*letters++ = ':';
		}
		if (row->name != NULL)
			*names++ = (struct option){row->name, row->argument != NULL, NULL, row->id};
	}
	*letters = '\0';
	*names = (struct option){NULL, 0, NULL, 0};
}

static bool read_words(struct parse *parse, int argc, char **argv)
{
	char letters[2 * ROWS + 2];
	struct option names[ROWS + 1];
	int id;

	fill_getopt(letters, names);
	opterr = 0;
	optind = 0; /* glibc: begin anew, also with the order of the words */
	while ((id = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		if (id == ':')
			return refuse(parse, "%s needs a value (see tcpaudit --help)", argv[optind - 1]);
		if (id == '?')
			return unknown(parse, argv[optind - 1]);
		parse->row = find_row(id);
		parse->value = optarg;
		if (optarg != NULL && *optarg == '\0' && parse->row->take != take_filter)
			return refuse(parse, "%s%s needs a value (see tcpaudit --help)", shown(parse)[0] == '-' ? "" : "--", shown(parse));
		if (!parse->row->take(parse))
			return false;
	}
	return true;
}

static bool join_words(struct parse *parse, char **words)
{
	size_t length = 0;

	for (char **word = words; *word != NULL; word++)
		length += strlen(*word) + 1;
	if ((parse->options->filter = calloc(1, length + 1)) == NULL)
		return refuse(parse, "out of memory");
	for (char **word = words; *word != NULL; word++) {
		if (word != words)
			strcat(parse->options->filter, " ");
		strcat(parse->options->filter, *word);
	}
	return true;
}

/* The expression of a file; a line that begins with # is a comment. */
static bool read_filter_file(struct parse *parse)
{
	FILE *file = fopen(parse->options->filter_file, "re");
	char *line = NULL, *filter = NULL;
	size_t size = 0, length = 0;
	FILE *text = file == NULL ? NULL : open_memstream(&filter, &length);

	if (text == NULL) {
		refuse(parse, "%s: %s", parse->options->filter_file, strerror(errno));
		if (file != NULL)
			fclose(file);
		return false;
	}
	while (errno = 0, getline(&line, &size, file) > 0)
		if (line[0] != '#') {
			line[strcspn(line, "\r\n")] = '\0';
			fprintf(text, "%s%s", ftell(text) > 0 ? " " : "", line);
		}
	bool read = !ferror(file) || refuse(parse, "%s: %s", parse->options->filter_file, strerror(errno));
	free(line);
	fclose(text);
	fclose(file);
	parse->options->filter = filter;
	return read;
}

static bool find_filter(struct parse *parse, char **words)
{
	bool words_given = *words != NULL;

	if (words_given + (parse->options->filter_word != NULL) + (parse->options->filter_file != NULL) > 1)
		return words_given ? refuse(parse, "more than one filter: -f or -F, and the words '%s ...' (quote a filter of several words)",
		                            *words)
		                   : refuse(parse, "more than one filter: -f and -F exclude each other");
	if (parse->options->filter_file != NULL)
		return read_filter_file(parse);
	if (parse->options->filter_word != NULL) {
		parse->options->filter = strdup(parse->options->filter_word);
		return parse->options->filter != NULL || refuse(parse, "out of memory");
	}
	return join_words(parse, words);
}

/* A quarter of the memory, at least 512 MiB. */
static uint64_t default_memcap(void)
{
	const uint64_t least = UINT64_C(512) << 20;
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	uint64_t quarter = pages > 0 && size > 0 ? (uint64_t)pages / 4 * (uint64_t)size : 0;

	return quarter > least ? quarter : least;
}

static void set_defaults(struct options *options)
{
	memset(options, 0, sizeof *options);
	tcpaudit_settings_init(&options->settings);
	options->settings.memcap = default_memcap();
	options->capture.promiscuous = true;
	options->workers = 1;
	options->report.fail_on = REPORT_NEVER;
	options->report.min_severity = TCPAUDIT_NOTE;
	options->report.settings = &options->settings;
	options->sources.msl = -1;
	options->sources.idle_timeout = -1;
}

/* --disable, then --severity, then --set, whatever their order on the command line. */
static bool order_overrides(struct parse *parse)
{
	struct options *options = parse->options;
	struct rulebook_override *ordered = calloc(options->overrides + 1, sizeof *ordered);

	if (ordered == NULL)
		return refuse(parse, "out of memory");
	options->sources.override = ordered;
	for (unsigned rank = 0; rank <= OVERRIDE_SET; rank++)
		for (size_t i = 0; i < options->overrides; i++) {
			const struct option_override *o = &options->override[i];
			if (o->rank == rank)
				ordered[options->sources.overrides++] = (struct rulebook_override){o->shown, o->key, o->value};
		}
	return true;
}

/* What the rules decide becomes part of the settings. */
static bool open_rules(struct parse *parse)
{
	struct options *options = parse->options;

	if (!order_overrides(parse))
		return false;
	options->rules = rulebook_open(&options->sources, parse->error);
	if (options->rules == NULL)
		return *parse->error != NULL ? false : refuse(parse, "out of memory");
	rulebook_apply(options->rules, &options->settings);
	options->report.rules = rulebook_report(options->rules);
	return true;
}

#define HOW_TO_READ "tcpaudit -r FILE reads a capture, tcpaudit -i INTERFACE captures (see tcpaudit --help)"

/* Who names no input means a pipe: tcpdump -w - | tcpaudit.  `taken`: standard input is the rules'. */
static bool has_input(struct parse *parse, bool taken)
{
	const struct options *options = parse->options;

	if (options->action != OPTIONS_RUN || options->input_count > 0)
		return true;
	if (options->filter[0] != '\0' && access(options->filter, F_OK) == 0)
		return refuse(parse, "%s is a file: tcpaudit -r %s reads it", options->filter, options->filter);
	if (taken)
		return refuse(parse, "no input, and the rules are read from standard input: " HOW_TO_READ);
	return !isatty(STDIN_FILENO) || refuse(parse, "no input: " HOW_TO_READ);
}

/* A second reader of standard input would find it empty. */
static bool has_all_to_read(struct parse *parse)
{
	const struct options *options = parse->options;
	const struct rulebook_sources *rules = &options->sources;
	unsigned readers = 0;

	for (size_t i = 0; i < rules->paths; i++)
		readers += strcmp(rules->path[i], "-") == 0;
	if (!has_input(parse, readers > 0))
		return false;
	for (size_t i = 0; !options->live && i < options->input_count; i++)
		readers += strcmp(options->inputs[i], "-") == 0;
	return readers < 2 || refuse(parse, "standard input can be read only once");
}

/* A cap that cannot be kept is none. */
static bool can_keep_memcap(struct parse *parse)
{
	const struct options *options = parse->options;
	const uint64_t workers = options->live ? options->workers : 1; /* a small one keeps a file's connections in one part */
	const uint64_t least = workers * tcpaudit_least_memcap();

	if (options->settings.memcap == 0 || options->settings.memcap >= least)
		return true;
	return workers == 1 ? refuse(parse, "--memcap: %" PRIu64 "K is the least, or 0 for no limit", least / 1024)
	                    : refuse(parse, "--memcap: %" PRIu64 "K is the least for %" PRIu64 " workers, or 0 for no limit", least / 1024, workers);
}

/* What the options say together. */
static bool settle(struct parse *parse)
{
	struct options *options = parse->options;

	if (!has_all_to_read(parse))
		return false;
	if ((options->action == OPTIONS_RUN || options->action == OPTIONS_CHECK_RULES || options->action == OPTIONS_DUMP_RULES) &&
	    !open_rules(parse))
		return false;
	if (options->action != OPTIONS_RUN)
		return true;
	if (!can_keep_memcap(parse))
		return false;
	if (options->report.ladder != 0) {
		if (options->format != NULL && options->format != &report_text)
			return refuse(parse, "--ladder draws text: it does not go with -T %s", options->format->name);
		options->format = &report_ladder;
		options->settings.watch = options->report.ladder;
	}
	if (options->input_count == 0) {
		parse->value = "-";
		if (!add_input(parse, false))
			return false;
	}
	if (!options->flows_given)
		options->report.flows = options->live ? REPORT_FLOWS_FLAGGED : REPORT_FLOWS_ALL;
	options->settings.transitions = options->report.transitions;
	options->capture.filter = options->filter;
	options->report.filter = options->filter;
	return true;
}

/* getopt_long() moves the words about. */
static bool keep_args(struct parse *parse, int argc, char **argv)
{
	size_t count = argc > 0 ? (size_t)argc - 1 : 0;
	const char **args = calloc(count + 1, sizeof *args);

	if (args == NULL)
		return refuse(parse, "out of memory");
	for (size_t i = 0; i < count; i++)
		args[i] = argv[i + 1];
	parse->options->args = args;
	parse->options->report.args = args;
	parse->options->report.arg_count = count;
	return true;
}

bool options_parse(struct options *options, int argc, char **argv, char **error)
{
	struct parse parse = {.options = options, .error = error};

	*error = NULL;
	set_defaults(options);
	return keep_args(&parse, argc, argv) && read_words(&parse, argc, argv) && find_filter(&parse, argv + optind) &&
	       settle(&parse);
}

void options_fini(struct options *options)
{
	free(options->inputs);
	free(options->args);
	free(options->filter);
	rulebook_close(options->rules);
	for (size_t i = 0; i < options->overrides; i++) {
		free(options->override[i].shown);
		free(options->override[i].key);
		free(options->override[i].value);
	}
	free(options->override);
	free(options->sources.override);
	free(options->sources.path);
}

#define HELP_COLUMN 32
#define HELP_WIDTH  80

/* Prints words from HELP_COLUMN on; the cursor is at `column`. */
static void wrap(FILE *out, const char *text, size_t column)
{
	bool first = true;

	while (*text != '\0') {
		size_t length = strcspn(text, " ");

		if (first || column + 1 + length > HELP_WIDTH) {
			if (column >= HELP_COLUMN)
				fputc('\n', out), column = 0;
			column += (size_t)fprintf(out, "%*s", (int)(HELP_COLUMN - column), "");
		} else {
			column += (size_t)fprintf(out, " ");
		}
		column += (size_t)fprintf(out, "%.*s", (int)length, text);
		text += length + strspn(text + length, " ");
		first = false;
	}
	fputc('\n', out);
}

static void help_row(FILE *out, const struct option_row *row)
{
	size_t column = 0;

	if (row->id < 256)
		column += (size_t)fprintf(out, "  -%c%s", row->id, row->name == NULL ? "" : ",");
	else
		column += (size_t)fprintf(out, "     ");
	if (row->name != NULL)
		column += (size_t)fprintf(out, " --%s", row->name);
	if (row->argument != NULL)
		column += (size_t)fprintf(out, " %s", row->argument);
	wrap(out, row->help, column);
}

char *options_help(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	fprintf(out,
	        "tcpaudit %s - how TCP connections end, judged against RFC 9293\n\n"
	        "tcpaudit [options] [-i IF ... | -r FILE ...] [BPF expression]\n",
	        tcpaudit_version());
	for (const struct option_row *row = table; row < table + ROWS; row++)
		if (row->id != 0 && row->help != NULL)
			help_row(out, row);
		else if (row->id == 0 && row->name != NULL)
			fprintf(out, "\n%s\n", row->name);
	fprintf(out, "\nExit status: 0 done, 1 finding at or above --fail-on, 2 usage or start, 3 input\n"
	             "damaged, 4 interface gone, 5 output lost, 6 internal failure.  See tcpaudit(1).\n");
	fclose(out);
	return text;
}

char *options_check_list(void)
{
	size_t count, size;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%-24s %-7s  %-6s  %s%s%s%s\n", check[i].id,
		        tcpaudit_severity_name((enum tcpaudit_severity)check[i].severity),
		        tcpaudit_normative_name((enum tcpaudit_normative)check[i].normative), check[i].title,
		        check[i].rfc[0] == '\0' ? "" : " (", check[i].rfc, check[i].rfc[0] == '\0' ? "" : ")");
	fclose(out);
	return text;
}
