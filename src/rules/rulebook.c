/* rulebook.c - see rulebook.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/rulebook.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "capture/filter.h"
#include "rules/limit.h"

#ifndef RULES_DIR
#define RULES_DIR "/etc/tcpaudit/rules.d"
#endif

/* Rows and scopes keep their meaning while an engine runs: connections remember them.  So what was once registered stays. */
struct rulebook {
	const struct rulebook_sources *sources;
	struct policy *policy;
	char **file; /* that were read, in order */
	size_t files;
	struct scope {
		char *text;
		struct filter *filter;
	} scope[TCPAUDIT_SCOPES];
	size_t scopes;
	struct tcpaudit_check own[TCPAUDIT_OWN]; /* by place */
	struct own_texts {
		char *id, *title;
	} texts[TCPAUDIT_OWN];
	size_t places;
	int rule_at[TCPAUDIT_OWN];   /* of each place: number in the policy, -1 not in it now */
	int place_of[TCPAUDIT_OWN];  /* of each rule of the policy */
	int scope_of[TCPAUDIT_CHECK_WORDS * 64]; /* by row of the policy: scope + 1, 0 none */
	char **outlived; /* titles that were replaced: records may still point to them */
	size_t outliving;
	struct tcpaudit_sink inner;
	const struct report *report;
	struct limits *limits;
	uint64_t limited[TCPAUDIT_CHECK_WORDS * 64];
	struct report_rules rules;
};

static bool complain(char **error, const char *what, const char *reason)
{
	if (asprintf(error, "%s: %s", what, reason) < 0)
		*error = NULL;
	return false;
}

/* ---- sources ---- */

static bool keep(char ***list, size_t *count, const char *text)
{
	char **grown = realloc(*list, (*count + 1) * sizeof *grown), *copy = strdup(text);

	if (grown != NULL)
		*list = grown;
	if (grown == NULL || copy == NULL) {
		free(copy);
		return false;
	}
	grown[(*count)++] = copy;
	return true;
}

static void forget(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

struct loading {
	struct policy *policy;
	char **file;
	size_t files;
	bool again; /* all of it has been read before */
	char **error;
};

static bool load_file(struct loading *l, const char *path)
{
	return policy_read(l->policy, path, l->error) && keep(&l->file, &l->files, path);
}

static int is_yaml(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot != NULL && strcmp(dot, ".yaml") == 0;
}

/* Unlike alphasort(), the same in every locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Without waiting, and again and again: also /dev/null, with which a file of the same name is masked elsewhere. */
static bool is_read_at_once(const char *path)
{
	struct stat status;

	return stat(path, &status) != 0 || S_ISREG(status.st_mode) || /* what is not there has an error of its own */
	       (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3));
}

/* All *.yaml in it, by name; no FIFO, for which a running capture would wait. */
static bool load_directory(struct loading *l, const char *path, bool must)
{
	struct dirent **entry;
	int count = scandir(path, &entry, is_yaml, by_name);
	bool good = true;

	if (count < 0)
		return (errno == ENOENT && !must) || complain(l->error, path, strerror(errno));
	if (count == 0 && must)
		good = complain(l->error, path, "no .yaml file in this directory");
	for (int i = 0; i < count; i++) {
		char *file = NULL;

		good = good && asprintf(&file, "%s/%s", path, entry[i]->d_name) >= 0 &&
		       (is_read_at_once(file) || complain(l->error, file, "not a regular file")) && load_file(l, file);
		free(file);
		free(entry[i]);
	}
	free(entry);
	return good;
}

/* What came through a pipe is gone: read again, it would be empty, and nothing would be left of its rules. */
static bool load_path(struct loading *l, const char *path)
{
	const bool standard = strcmp(path, "-") == 0;
	struct stat status;

	if (!standard && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return load_directory(l, path, true);
	if (l->again && (standard || !is_read_at_once(path)))
		return complain(l->error, standard ? "standard input" : path, "no file, so it cannot be read again");
	return load_file(l, path);
}

/* Installed rules, then the site's.  TCPAUDIT_RULES_DIR stands for the site's directory, for tests and for who has no root: "" is
 * none, and who names one means it. */
static bool load_installed(struct loading *l)
{
	const char *site = getenv("TCPAUDIT_RULES_DIR");
	struct stat status;

	if (stat(PKGDATADIR "/default.yaml", &status) == 0 && !load_file(l, PKGDATADIR "/default.yaml"))
		return false;
	if (site == NULL)
		return load_directory(l, RULES_DIR, false);
	if (stat(site, &status) != 0 && site[0] != '\0') {
		if (asprintf(l->error, "TCPAUDIT_RULES_DIR: %s: %s", site, strerror(errno)) < 0)
			*l->error = NULL;
		return false;
	}
	return load_directory(l, site, false);
}

static bool load_command_line(struct loading *l, const struct rulebook_sources *sources)
{
	for (size_t i = 0; i < sources->paths; i++)
		if (!load_path(l, sources->path[i]))
			return false;
	if (sources->msl >= 0)
		l->policy->msl = (struct policy_number){sources->msl, "--msl"};
	if (sources->idle_timeout >= 0)
		l->policy->idle_timeout = (struct policy_number){sources->idle_timeout, "--idle-timeout"};
	for (size_t i = 0; i < sources->overrides; i++) {
		const struct rulebook_override *o = &sources->override[i];
		if (!policy_set(l->policy, o->option, o->key, o->value, l->error))
			return false;
	}
	return true;
}

/* ---- registering ---- */

/* The scope's number, a new one if need be; -1 with *error. */
static int register_scope(struct rulebook *b, const char *text, const char *from, char **error)
{
	struct scope *scope = &b->scope[b->scopes];

	for (size_t i = 0; i < b->scopes; i++)
		if (strcmp(b->scope[i].text, text) == 0)
			return (int)i;
	if (b->scopes == TCPAUDIT_SCOPES) {
		complain(error, from, "more than 32 different scopes (those of rules that were replaced count until tcpaudit is started anew)");
		return -1;
	}
	scope->text = strdup(text);
	scope->filter = scope->text != NULL ? filter_new(text, error) : NULL;
	if (scope->filter == NULL) {
		free(scope->text);
		return -1;
	}
	return (int)b->scopes++;
}

static int place_for(struct rulebook *b, const char *id, char **error)
{
	for (size_t i = 0; i < b->places; i++)
		if (strcmp(b->texts[i].id, id) == 0)
			return (int)i;
	if (b->places == TCPAUDIT_OWN) {
		complain(error, id, "more than 64 rules (those that were replaced count until tcpaudit is started anew)");
		return -1;
	}
	b->texts[b->places].id = strdup(id);
	b->texts[b->places].title = strdup("");
	if (b->texts[b->places].id == NULL || b->texts[b->places].title == NULL) {
		free(b->texts[b->places].id);
		free(b->texts[b->places].title);
		return -1;
	}
	b->own[b->places] = (struct tcpaudit_check){.id = b->texts[b->places].id,
	                                            .normative = TCPAUDIT_NORMATIVE_RULE,
	                                            .rests_on = TCPAUDIT_CLASS_CAPTURE,
	                                            .basis = TCPAUDIT_PRESENCE,
	                                            .title = b->texts[b->places].title,
	                                            .rfc = "",
	                                            .advice = ""};
	return (int)b->places++;
}

/* Everything that can fail, before anything changes hands. */
static bool register_all(struct rulebook *b, const struct policy *policy, int scope_of[], int place_of[], char **error)
{
	for (size_t row = 0; row < policy->checks + policy->own_count; row++) {
		const char *scope = policy->row[row].scope;

		scope_of[row] = scope == NULL ? 0 : 1 + register_scope(b, scope, policy->row[row].from[POLICY_SCOPE], error);
		if (scope != NULL && scope_of[row] == 0)
			return false;
	}
	for (size_t i = 0; i < policy->own_count; i++) {
		place_of[i] = place_for(b, policy->own[i].id, error);
		if (place_of[i] < 0)
			return false;
	}
	return true;
}

static bool retitle(struct rulebook *b, size_t place, const char *title)
{
	char *copy;

	if (strcmp(b->texts[place].title, title) == 0)
		return true;
	copy = strdup(title);
	if (copy == NULL || !keep(&b->outlived, &b->outliving, "")) {
		free(copy);
		return false;
	}
	free(b->outlived[b->outliving - 1]);
	b->outlived[b->outliving - 1] = b->texts[place].title;
	b->texts[place].title = copy;
	b->own[place].title = copy;
	return true;
}

static bool take_over(struct rulebook *b, struct loading *l)
{
	int scope_of[TCPAUDIT_CHECK_WORDS * 64] = {0}, place_of[TCPAUDIT_OWN] = {0};

	if (!register_all(b, l->policy, scope_of, place_of, l->error))
		return false;
	for (size_t i = 0; i < l->policy->own_count; i++)
		if (!retitle(b, (size_t)place_of[i], l->policy->own[i].title))
			return false;
	memcpy(b->scope_of, scope_of, sizeof scope_of);
	memcpy(b->place_of, place_of, sizeof place_of);
	for (size_t i = 0; i < TCPAUDIT_OWN; i++)
		b->rule_at[i] = -1;
	for (size_t i = 0; i < l->policy->own_count; i++) {
		b->rule_at[place_of[i]] = (int)i;
		b->own[place_of[i]].severity = l->policy->row[l->policy->checks + i].severity;
	}
	policy_free(b->policy);
	forget(b->file, b->files);
	b->policy = l->policy;
	b->file = l->file;
	b->files = l->files;
	b->rules.files = (const char *const *)b->file;
	b->rules.file_count = b->files;
	return true;
}

bool rulebook_reload(struct rulebook *b, char **error)
{
	struct loading l = {.policy = policy_new(), .again = b->policy != NULL, .error = error};

	*error = NULL;
	if (l.policy != NULL && load_installed(&l) && load_command_line(&l, b->sources) && policy_complete(l.policy, error) &&
	    take_over(b, &l))
		return true;
	policy_free(l.policy);
	forget(l.file, l.files);
	return false;
}

void rulebook_close(struct rulebook *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->scopes; i++) {
		free(b->scope[i].text);
		filter_free(b->scope[i].filter);
	}
	for (size_t i = 0; i < b->places; i++) {
		free(b->texts[i].id);
		free(b->texts[i].title);
	}
	forget(b->outlived, b->outliving);
	forget(b->file, b->files);
	policy_free(b->policy);
	free(b->limits);
	free(b);
}

/* ---- for the engine ---- */

static struct tcpaudit_policy policy_of(const struct rulebook *b, size_t row)
{
	const struct row_policy *p = &b->policy->row[row];

	return (struct tcpaudit_policy){.severity = (int8_t)(p->enabled ? p->severity + 1 : -1),
	                                .scope = (uint8_t)b->scope_of[row],
	                                .needs = p->needs,
	                                .suppressed = p->suppressions > 0 || p->where != NULL};
}

void rulebook_apply(struct rulebook *b, struct tcpaudit_settings *settings)
{
	const struct policy *policy = b->policy;

	settings->msl = policy->msl.value;
	settings->idle_timeout = policy->idle_timeout.value;
	settings->tick = policy->tick.value;
	for (size_t i = 0; i < TCPAUDIT_THRESHOLD_COUNT; i++)
		settings->threshold[i] = policy->threshold[i].value;
	for (size_t row = 0; row < policy->checks; row++) {
		settings->check[row] = policy_of(b, row);
		if (policy->row[row].from[POLICY_SEVERITY] == NULL && policy->row[row].enabled)
			settings->check[row].severity = 0; /* as the catalogue says */
	}
	settings->points = 0;
	for (size_t place = 0; place < b->places; place++) {
		int rule = b->rule_at[place];
		struct tcpaudit_policy off = {.severity = -1};

		settings->check[policy->checks + place] = rule < 0 ? off : policy_of(b, policy->checks + (size_t)rule);
		if (rule >= 0 && policy->row[policy->checks + (size_t)rule].enabled)
			settings->points |= (uint8_t)(1u << policy->own[rule].on);
	}
	settings->own = b->own;
	settings->own_count = b->places;
}

static uint32_t find_scopes(void *user, const struct tcpaudit_frame *frame)
{
	struct rulebook *b = user;
	uint32_t bits = 0;

	for (size_t i = 0; i < b->scopes; i++)
		if (filter_match(b->scope[i].filter, frame->linktype, frame->data, frame->caplen, frame->wirelen) == FILTER_MATCHES)
			bits |= UINT32_C(1) << i;
	return bits;
}

static void ask(void *user, enum tcpaudit_point point, const struct tcpaudit_connection *connection,
                uint64_t held[TCPAUDIT_CHECK_WORDS])
{
	struct rulebook *b = user;
	struct record record = {.report = b->report, .connection = connection, .kind = RECORD_FLOW};

	for (size_t i = 0; i < b->policy->own_count; i++) {
		size_t row = b->policy->checks + (size_t)b->place_of[i];

		if (b->policy->own[i].on == point && expression_holds(b->policy->own[i].when, &record))
			held[row >> 6] |= UINT64_C(1) << (row & 63);
	}
}

/* The policy of a finding's row; NULL if its rule is not there any more. */
static const struct row_policy *row_of(const struct rulebook *b, const struct tcpaudit_finding *finding)
{
	size_t checks = b->policy->checks;

	if (finding->row < checks)
		return &b->policy->row[finding->row];
	int rule = b->rule_at[finding->row - checks];
	return rule < 0 ? NULL : &b->policy->row[checks + (size_t)rule];
}

static enum tcpaudit_ruling rule_on(void *user, const struct tcpaudit_finding *finding)
{
	struct rulebook *b = user;
	const struct row_policy *row = row_of(b, finding);
	struct record record = {.report = b->report,
	                        .connection = finding->connection,
	                        .finding = finding,
	                        .kind = RECORD_FLOW | RECORD_FINDING};

	if (row != NULL && row->where != NULL && !expression_holds(row->where, &record))
		return TCPAUDIT_RULING_NO_CONCERN;
	for (size_t i = 0; row != NULL && i < row->suppressions; i++) {
		const struct suppression *s = &row->suppression[i];

		if (finding->time < s->until && (s->when == NULL || expression_holds(s->when, &record)))
			return TCPAUDIT_RULING_PASSED_OVER;
	}
	return TCPAUDIT_RULING_STANDS;
}

static void take_connection(void *user, const struct tcpaudit_connection *connection)
{
	struct rulebook *b = user;

	if (b->inner.connection_end != NULL)
		b->inner.connection_end(b->inner.user, connection);
}

static void take_finding(void *user, const struct tcpaudit_finding *finding)
{
	struct rulebook *b = user;
	const struct row_policy *row = row_of(b, finding);

	if (row != NULL && row->limit.count > 0 && !limit_allows(b->limits, &row->limit, finding)) {
		b->limited[finding->row]++;
		return;
	}
	if (b->inner.finding != NULL)
		b->inner.finding(b->inner.user, finding);
}

static void take_segment(void *user, uint64_t flow_id, const struct tcpaudit_segment *segment, unsigned from,
                         const tcpaudit_state_set states[2])
{
	struct rulebook *b = user;

	b->inner.segment(b->inner.user, flow_id, segment, from, states);
}

struct tcpaudit_sink rulebook_sink(struct rulebook *b, const struct report *report, const struct tcpaudit_sink *inner)
{
	struct tcpaudit_sink sink = *inner;

	b->inner = *inner;
	b->report = report;
	sink.user = b;
	sink.connection_end = take_connection;
	sink.finding = inner->finding == NULL ? NULL : take_finding;
	sink.segment = inner->segment == NULL ? NULL : take_segment;
	sink.scopes = find_scopes;
	sink.ask = ask;
	sink.suppressed = rule_on;
	return sink;
}

bool rulebook_has_scopes(const struct rulebook *b)
{
	return b->scopes > 0;
}

/* ---- for the report ---- */

static bool message(void *user, size_t row, struct record *record, char *out, size_t size)
{
	struct rulebook *b = user;
	int rule = row < b->policy->checks ? -1 : b->rule_at[row - b->policy->checks];
	struct record flow = *record;

	if (rule < 0 || b->policy->own[rule].message == NULL)
		return false;
	flow.kind = RECORD_FLOW;
	template_write(b->policy->own[rule].message, &flow, out, size);
	return true;
}

const struct report_rules *rulebook_report(struct rulebook *b)
{
	return &b->rules;
}

struct rulebook *rulebook_open(const struct rulebook_sources *sources, char **error)
{
	struct rulebook *b = calloc(1, sizeof *b);

	*error = NULL;
	if (b == NULL)
		return NULL;
	b->sources = sources;
	b->limits = calloc(1, sizeof *b->limits);
	b->rules = (struct report_rules){.user = b, .message = message, .limited = b->limited};
	if (b->limits == NULL || getrandom(&b->limits->key, sizeof b->limits->key, 0) < 0 || !rulebook_reload(b, error)) {
		rulebook_close(b);
		return NULL;
	}
	b->rules.limits_forgotten = &b->limits->forgotten;
	return b;
}

char *rulebook_dump(const struct rulebook *b)
{
	return policy_dump(b->policy);
}

/* A line for each suppression that is over: what it hid is shown again, and nobody may have noticed. */
static void list_expired(FILE *out, const char *id, const struct row_policy *row, int64_t now)
{
	for (size_t i = 0; i < row->suppressions; i++)
		if (row->suppression[i].until <= now)
			fprintf(out, "%s: the suppression of %s ended on %s (%s)\n", row->suppression[i].until_at, id,
			        row->suppression[i].until_text, row->suppression[i].reason);
}

char *rulebook_summary(const struct rulebook *b, int64_t now)
{
	const struct tcpaudit_check *check = tcpaudit_checks(&(size_t){0});
	size_t disabled = 0, size;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < b->files; i++)
		fprintf(out, "%s: good\n", b->file[i]);
	for (size_t row = 0; row < b->policy->checks + b->policy->own_count; row++) {
		disabled += row < b->policy->checks && !b->policy->row[row].enabled;
		list_expired(out, row < b->policy->checks ? check[row].id : b->policy->own[row - b->policy->checks].id,
		             &b->policy->row[row], now);
	}
	fprintf(out, "%zu checks (%zu disabled), %zu rule%s of the site, %zu scope%s\n", b->policy->checks, disabled,
	        b->policy->own_count, b->policy->own_count == 1 ? "" : "s", b->scopes, b->scopes == 1 ? "" : "s");
	fclose(out);
	return text;
}
