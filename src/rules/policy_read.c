/* policy_read.c - from documents to a policy: tables of keys, each with what takes its value.
 *
 * The schema for editors comes from the same tables (policy_dump.c), through policy_keys.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/policy.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/filter.h"
#include "rules/literal.h"
#include "rules/names.h"
#include "rules/policy_keys.h"

#define DAY INT64_C(86400000000000)

struct reading {
	struct policy *policy;
	const char *name; /* of the file, or the option with its value */
	bool option;      /* from the command line: places in it are of no use */
	char **error;
};

/* Sets the error; always false. */
static bool __attribute__((format(printf, 4, 5)))
fail_at(const struct reading *r, size_t line, size_t column, const char *format, ...)
{
	char *reason = NULL;
	va_list list;
	int printed;

	va_start(list, format);
	printed = vasprintf(&reason, format, list);
	va_end(list);
	if (printed >= 0)
		literal_make_plain(reason);
	if (printed >= 0)
		printed = r->option ? asprintf(r->error, "%s: %s", r->name, reason)
		                    : asprintf(r->error, "%s:%zu:%zu: %s", r->name, line, column, reason);
	if (printed < 0)
		*r->error = NULL;
	else
		free(reason);
	return false;
}

#define fail(r, node, ...)     fail_at(r, (node)->line, (node)->column, __VA_ARGS__)
#define fail_key(r, node, ...) fail_at(r, (node)->key_line, (node)->key_column, __VA_ARGS__)

/* Out of memory: always false, without a text. */
static bool no_memory(const struct reading *r)
{
	*r->error = NULL;
	return false;
}

/* Where a value comes from; NULL when out of memory. */
static const char *origin(const struct reading *r, const struct node *node, bool column)
{
	const char *kept;
	char *text;

	if (r->option)
		return policy_origin(r->policy, r->name);
	if ((column ? asprintf(&text, "%s:%zu:%zu", r->name, node->line, node->column)
	            : asprintf(&text, "%s:%zu", r->name, node->line)) < 0)
		return NULL;
	kept = policy_origin(r->policy, text);
	free(text);
	return kept;
}

static bool decide(const struct reading *r, const struct node *node, const char **from)
{
	*from = origin(r, node, false);
	return *from != NULL || no_memory(r);
}

/* ---- values ---- */

/* "is not known; did you mean ...": `candidate` i of the known ones, NULL at the end. */
static bool fail_unknown(const struct reading *r, const struct node *node, const char *what,
                         const char *(*candidate)(const void *user, size_t i), const void *user)
{
	char shown[LITERAL_SHOWN];
	struct nearest nearest;
	const char *name;

	nearest_init(&nearest, node->key != NULL ? node->key : "");
	for (size_t i = 0; (name = candidate(user, i)) != NULL; i++)
		nearest_offer(&nearest, name);
	literal_shown(shown, node->key);
	if (nearest.best[0] != '\0')
		return fail_key(r, node, "there is no %s '%s'; did you mean '%s'?", what, shown, nearest.best);
	return fail_key(r, node, "there is no %s '%s'%s", what, shown, strcmp(what, "check") == 0 ? " (see --list-checks)" : "");
}

static bool want_scalar(const struct reading *r, const struct node *node, const char *wanted)
{
	if (node->type != NODE_SCALAR)
		return fail(r, node, "%s is wanted here, not a %s", wanted, node->type == NODE_SEQUENCE ? "list" : "mapping");
	return node->text != NULL || fail(r, node, "%s is wanted here, and nothing stands there", wanted);
}

static bool want_mapping(const struct reading *r, const struct node *node, const char *wanted)
{
	if (node->type == NODE_SCALAR && node->text == NULL)
		return true; /* nothing is an empty one */
	return node->type == NODE_MAPPING || fail(r, node, "%s is wanted here", wanted);
}

static bool take_text(const struct reading *r, const struct node *node, const char *wanted, char **text)
{
	char *copy;

	if (!want_scalar(r, node, wanted))
		return false;
	if (node->text[0] == '\0')
		return fail(r, node, "%s is empty", wanted);
	if (!literal_is_utf8(node->text))
		return fail(r, node, "not UTF-8");
	copy = strdup(node->text);
	if (copy == NULL)
		return no_memory(r);
	free(*text);
	*text = copy;
	return true;
}

static bool take_boolean(const struct reading *r, const struct node *node, bool *value)
{
	char shown[LITERAL_SHOWN];

	if (!want_scalar(r, node, "true or false"))
		return false;
	*value = node->plain && strcmp(node->text, "true") == 0;
	return *value || (node->plain && strcmp(node->text, "false") == 0) ||
	       fail(r, node, "'%s' is neither true nor false", literal_shown(shown, node->text));
}

/* In nanoseconds. */
static bool take_duration(const struct reading *r, const struct node *node, int64_t least, int64_t most, int64_t *ns)
{
	char shown[LITERAL_SHOWN];
	const char *wrong;
	int64_t us;

	if (!want_scalar(r, node, "a duration like 30s"))
		return false;
	if ((wrong = literal_duration(node->text, &us)) != NULL)
		return fail(r, node, "'%s' %s", literal_shown(shown, node->text), wrong);
	if (us > most / 1000 || us < (least + 999) / 1000)
		return fail(r, node, "'%s' is too %s here", node->text, us > most / 1000 ? "long" : "short");
	*ns = us * 1000;
	return true;
}

static bool take_count(const struct reading *r, const struct node *node, int64_t least, int64_t most, int64_t *count)
{
	char shown[LITERAL_SHOWN];
	const char *wrong;
	int64_t number;

	if (!want_scalar(r, node, "a number"))
		return false;
	if ((wrong = literal_number(node->text, &number)) != NULL)
		return fail(r, node, "'%s' %s", literal_shown(shown, node->text), wrong);
	if (number < least || number > most)
		return fail(r, node, "%s is out of range: it goes from %lld to %lld", node->text, (long long)least, (long long)most);
	*count = number;
	return true;
}

static bool take_percent(const struct reading *r, const struct node *node, int64_t least, int64_t *percent)
{
	struct node number = *node;
	char text[8];
	size_t length;

	if (!want_scalar(r, node, "a share like 80%"))
		return false;
	length = strlen(node->text);
	if (length < 2 || length >= sizeof text || node->text[length - 1] != '%')
		return fail(r, node, "'%s' is not a share: it is written like 80%%", literal_shown((char[LITERAL_SHOWN]){0}, node->text));
	memcpy(text, node->text, length - 1);
	text[length - 1] = '\0';
	number.text = text;
	return take_count(r, &number, least, 100, percent);
}

/* One of some words; `name` gives them by number. */
static bool take_word(const struct reading *r, const struct node *node, const char *(*name)(unsigned), unsigned count,
                      const char *what, uint8_t *value)
{
	char shown[LITERAL_SHOWN], known[160] = "";

	if (!want_scalar(r, node, what))
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(node->text, name(i)) == 0) {
			*value = (uint8_t)i;
			return true;
		}
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", name(i));
	}
	return fail(r, node, "'%s' is no %s: there are %s", literal_shown(shown, node->text), what, known);
}

static const char *severity_name(unsigned i)
{
	return tcpaudit_severity_name((enum tcpaudit_severity)i);
}

/* The column of something within a text; where that is not known, of the text. */
static size_t column_inside(const struct node *node, size_t column)
{
	return node->exact ? node->column + (node->plain ? 0 : 1) + column - 1 : node->column;
}

static bool fail_inside(const struct reading *r, const struct node *node, size_t column, char *reason)
{
	bool failed = reason == NULL ? no_memory(r) : fail_at(r, node->line, column_inside(node, column), "%s", reason);

	free(reason);
	return failed;
}

/* Rules may be defined further down, or in another file. */
static bool mention_ids(const struct reading *r, const struct node *node, const struct expression *expression)
{
	struct expression_id id;

	for (size_t cursor = 0; expression_next_id(expression, &cursor, &id);) {
		char *place = NULL;
		int printed;

		if (!id.piece && tcpaudit_check_index(id.id) >= 0)
			continue;
		printed = r->option ? asprintf(&place, "%s", r->name)
		                    : asprintf(&place, "%s:%zu:%zu", r->name, node->line,
		                               column_inside(node, literal_column(node->text, id.at)));
		if (!policy_mention(r->policy, id.id, id.piece, printed < 0 ? NULL : place))
			return no_memory(r);
	}
	return true;
}

static bool take_expression(const struct reading *r, const struct node *node, unsigned records, char **text,
                            struct expression **expression)
{
	char *reason = NULL;
	size_t column = 1;

	if (!take_text(r, node, "an expression", text))
		return false;
	expression_free(*expression);
	*expression = expression_new(*text, records, &column, &reason);
	return *expression != NULL ? mention_ids(r, node, *expression) : fail_inside(r, node, column, reason);
}

/* ---- what can be decided about a check or a rule ---- */

static bool take_enabled(struct reading *r, struct row_policy *row, const struct node *node)
{
	return take_boolean(r, node, &row->enabled) && decide(r, node, &row->from[POLICY_ENABLED]);
}

static bool take_severity(struct reading *r, struct row_policy *row, const struct node *node)
{
	return take_word(r, node, severity_name, 4, "severity", &row->severity) && decide(r, node, &row->from[POLICY_SEVERITY]);
}

/* "" takes it back. */
static bool take_where(struct reading *r, struct row_policy *row, const struct node *node)
{
	if (!want_scalar(r, node, "an expression"))
		return false;
	if (node->text[0] != '\0')
		return take_expression(r, node, RECORD_FLOW | RECORD_FINDING, &row->where_text, &row->where) &&
		       decide(r, node, &row->from[POLICY_WHERE]);
	free(row->where_text);
	expression_free(row->where);
	row->where_text = NULL;
	row->where = NULL;
	return decide(r, node, &row->from[POLICY_WHERE]);
}

/* libpcap is asked whether it is one; "" takes a scope back. */
static bool take_scope(struct reading *r, struct row_policy *row, const struct node *node)
{
	struct filter *filter;
	char *reason;

	if (!want_scalar(r, node, "a BPF expression"))
		return false;
	if (node->text[0] == '\0') {
		free(row->scope);
		row->scope = NULL;
		return decide(r, node, &row->from[POLICY_SCOPE]);
	}
	if (!take_text(r, node, "a BPF expression", &row->scope))
		return false;
	filter = filter_new(row->scope, &reason);
	if (filter == NULL) {
		fail(r, node, "%s", reason != NULL ? reason : "out of memory");
		free(reason);
		return false;
	}
	filter_free(filter);
	return decide(r, node, &row->from[POLICY_SCOPE]);
}

static bool take_needs(struct reading *r, struct row_policy *row, const struct node *node)
{
	if (node->type != NODE_SEQUENCE)
		return fail(r, node, "a list of premises is wanted here, like [no-loss, vantage]");
	row->needs = 0;
	for (const struct node *item = node->first; item != NULL; item = item->next) {
		uint8_t bit = 0;

		if (!take_word(r, item, tcpaudit_premise_name, TCPAUDIT_PREMISE_COUNT, "premise", &bit))
			return false;
		row->needs |= (uint8_t)(1u << bit);
	}
	return decide(r, node, &row->from[POLICY_NEEDS]);
}

static bool take_limit(struct reading *r, struct row_policy *row, const struct node *node)
{
	struct limit limit = {.per = LIMIT_PER_ALL, .every = 3600000000000};
	bool counted = false;
	int64_t count = 0;

	if (!want_mapping(r, node, "a mapping like {count: 10, per: host, every: 1h}"))
		return false;
	for (const struct node *item = node->first; item != NULL; item = item->next) {
		bool good;

		if (strcmp(item->key, "count") == 0)
			good = counted = take_count(r, item, 0, POLICY_LIMIT_MOST, &count);
		else if (strcmp(item->key, "per") == 0)
			good = take_word(r, item, policy_per_name, LIMIT_PER_PAIR + 1, "scope of a limit", &limit.per);
		else if (strcmp(item->key, "every") == 0)
			good = take_duration(r, item, 1000000, 30 * DAY, &limit.every);
		else
			good = fail_key(r, item, "a limit has count, per and every, but no '%s'", item->key);
		if (!good)
			return false;
	}
	if (!counted)
		return fail(r, node, "a limit needs a count");
	limit.count = (uint32_t)count;
	row->limit = limit;
	return decide(r, node, &row->from[POLICY_LIMIT]);
}

/* "2026-12-31": the first moment after that day. */
static bool take_day(const struct reading *r, const struct node *node, char **text, int64_t *until)
{
	char moment[32];

	if (!take_text(r, node, "a date like 2027-01-31", text))
		return false;
	snprintf(moment, sizeof moment, "%.20sT00:00:00Z", *text);
	if (strlen(*text) != 10 || literal_time(moment, until) != NULL)
		return fail(r, node, "'%s' is not a date like 2027-01-31", literal_shown((char[LITERAL_SHOWN]){0}, *text));
	*until += DAY;
	return true;
}

static bool take_suppression(struct reading *r, struct suppression *s, const struct node *node)
{
	if (node->type != NODE_MAPPING)
		return fail(r, node, "a mapping like {when: ..., until: 2027-01-31, reason: ...} is wanted here");
	for (const struct node *item = node->first; item != NULL; item = item->next) {
		bool good;

		if (strcmp(item->key, "when") == 0)
			good = take_expression(r, item, RECORD_FLOW | RECORD_FINDING, &s->when_text, &s->when);
		else if (strcmp(item->key, "until") == 0)
			good = take_day(r, item, &s->until_text, &s->until) &&
			       ((s->until_at = origin(r, item, true)) != NULL || no_memory(r));
		else if (strcmp(item->key, "reason") == 0)
			good = take_text(r, item, "a reason", &s->reason);
		else
			good = fail_key(r, item, "a suppression has when, until and reason, but no '%s'", item->key);
		if (!good)
			return false;
	}
	if (s->until_text == NULL)
		return fail(r, node, "a suppression needs a last day: until");
	if (s->reason == NULL)
		return fail(r, node, "a suppression needs a reason");
	return decide(r, node, &s->from);
}

#define SUPPRESSIONS_MOST 64

/* The list replaces what was suppressed before; an empty one takes it back. */
static bool take_suppress(struct reading *r, struct row_policy *row, const struct node *node)
{
	size_t count = 0;

	if (node->type != NODE_SEQUENCE)
		return fail(r, node, "a list is wanted here, of mappings like {when: ..., until: 2027-01-31, reason: ...}");
	for (const struct node *item = node->first; item != NULL; item = item->next)
		count++;
	if (count > SUPPRESSIONS_MOST)
		return fail(r, node, "more than %d suppressions of one check", SUPPRESSIONS_MOST);
	policy_forget_suppressions(row);
	if (count > 0 && (row->suppression = calloc(count, sizeof *row->suppression)) == NULL)
		return no_memory(r);
	for (const struct node *item = node->first; item != NULL; item = item->next)
		if (!take_suppression(r, &row->suppression[row->suppressions++], item))
			return false;
	return decide(r, node, &row->from[POLICY_SUPPRESS]);
}

static const struct {
	const char *name;
	bool (*take)(struct reading *r, struct row_policy *row, const struct node *node);
} row_keys[] = {
#define X(name, schema, text) {#name, take_##name},
        POLICY_ROW_KEYS(X)
#undef X
};

#define ROW_KEYS (sizeof row_keys / sizeof *row_keys)

/* false, and *known false, if the key is none of them. */
static bool take_row_key(struct reading *r, struct row_policy *row, const struct node *node, bool *known)
{
	*known = false;
	for (size_t i = 0; i < ROW_KEYS; i++)
		if (strcmp(row_keys[i].name, node->key) == 0) {
			*known = true;
			return row_keys[i].take(r, row, node);
		}
	return false;
}

/* ---- checks ---- */

/* The threshold of this name that a check has, -1 none. */
static int threshold_of(const char *check, const char *key)
{
	const struct tcpaudit_threshold *threshold = tcpaudit_thresholds();

	for (int i = 0; i < TCPAUDIT_THRESHOLD_COUNT; i++)
		if (strcmp(threshold[i].check, check) == 0 && strcmp(threshold[i].key, key) == 0)
			return i;
	return -1;
}

/* Names of a check's thresholds, for whom one is unknown. */
static const char *threshold_candidate(const void *user, size_t wanted)
{
	const struct tcpaudit_threshold *threshold = tcpaudit_thresholds();

	for (size_t i = 0; i < TCPAUDIT_THRESHOLD_COUNT; i++)
		if (strcmp(threshold[i].check, user) == 0 && wanted-- == 0)
			return threshold[i].key;
	return NULL;
}

static bool take_threshold(struct reading *r, const char *check, const struct node *node)
{
	int index = threshold_of(check, node->key);
	struct policy_number *number;
	int64_t value = 0;
	bool good = false;

	if (index < 0) {
		if (threshold_candidate(check, 0) == NULL)
			return fail_key(r, node, "%s has no thresholds", check);
		return fail_unknown(r, node, "threshold", threshold_candidate, check);
	}
	const struct tcpaudit_threshold *threshold = &tcpaudit_thresholds()[index];
	switch ((enum tcpaudit_unit)threshold->unit) {
	case TCPAUDIT_UNIT_DURATION:
		good = take_duration(r, node, threshold->least, threshold->most, &value);
		break;
	case TCPAUDIT_UNIT_COUNT:
		good = take_count(r, node, threshold->least, threshold->most, &value);
		break;
	case TCPAUDIT_UNIT_PERCENT:
		good = take_percent(r, node, threshold->least, &value);
		break;
	}
	number = &r->policy->threshold[index];
	number->value = good ? value : number->value;
	return good && decide(r, node, &number->from);
}

static const char *check_key(const void *user, size_t i)
{
	(void)user;
	return i < ROW_KEYS ? row_keys[i].name : i == ROW_KEYS ? "thresholds" : NULL;
}

static bool take_check(struct reading *r, size_t row, const struct node *node)
{
	const char *id = tcpaudit_checks(&(size_t){0})[row].id;

	if (!want_mapping(r, node, "a mapping of what is to be changed, like {severity: note}"))
		return false;
	for (const struct node *item = node->first; item != NULL; item = item->next) {
		bool known, good = take_row_key(r, &r->policy->row[row], item, &known);

		if (!known && strcmp(item->key, "thresholds") == 0) {
			good = want_mapping(r, item, "a mapping of thresholds");
			for (const struct node *one = item->first; good && one != NULL; one = one->next)
				good = take_threshold(r, id, one);
		} else if (!known) {
			return fail_unknown(r, item, "key", check_key, NULL);
		}
		if (!good)
			return false;
	}
	return true;
}

static const char *check_id(const void *user, size_t i)
{
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);

	(void)user;
	return i < count ? check[i].id : NULL;
}

/* An id, or a pattern like rst-* for all that it matches. */
static bool take_checks(struct reading *r, const struct node *node)
{
	if (!want_mapping(r, node, "a mapping of checks"))
		return false;
	for (const struct node *item = node->first; item != NULL; item = item->next) {
		bool some = false;

		for (size_t i = 0; i < r->policy->checks; i++) {
			if (fnmatch(item->key, check_id(NULL, i), 0) != 0)
				continue;
			some = true;
			if (!take_check(r, i, item))
				return false;
		}
		if (!some)
			return fail_unknown(r, item, "check", check_id, NULL);
	}
	return true;
}

/* ---- settings ---- */

static bool take_msl(struct reading *r, const struct node *node)
{
	return take_duration(r, node, POLICY_MSL_LEAST, POLICY_MSL_MOST, &r->policy->msl.value) && decide(r, node, &r->policy->msl.from);
}

static bool take_idle_timeout(struct reading *r, const struct node *node)
{
	return take_duration(r, node, POLICY_IDLE_LEAST, POLICY_IDLE_MOST, &r->policy->idle_timeout.value) &&
	       decide(r, node, &r->policy->idle_timeout.from);
}

static bool take_tick(struct reading *r, const struct node *node)
{
	return take_duration(r, node, 1000000000, DAY, &r->policy->tick.value) && decide(r, node, &r->policy->tick.from);
}

static const struct {
	const char *name;
	bool (*take)(struct reading *r, const struct node *node);
} setting_keys[] = {
#define X(name, function, schema, text) {name, function},
        POLICY_SETTINGS(X)
#undef X
};

static const char *setting_key(const void *user, size_t i)
{
	(void)user;
	return i < sizeof setting_keys / sizeof *setting_keys ? setting_keys[i].name : NULL;
}

static bool take_settings(struct reading *r, const struct node *node)
{
	if (!want_mapping(r, node, "a mapping of settings"))
		return false;
	for (const struct node *item = node->first; item != NULL; item = item->next) {
		size_t i = 0;

		while (setting_key(NULL, i) != NULL && strcmp(setting_key(NULL, i), item->key) != 0)
			i++;
		if (setting_key(NULL, i) == NULL)
			return fail_unknown(r, item, "setting", setting_key, NULL);
		if (!setting_keys[i].take(r, item))
			return false;
	}
	return true;
}

/* ---- own rules ---- */

#define OWN_ID_LONGEST 63

static bool is_id(const char *id)
{
	size_t length = strlen(id);

	return length > 0 && length <= OWN_ID_LONGEST && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == length &&
	       isalpha((unsigned char)id[0]);
}

/* A rule with this id, to be filled in: a new one, or one that an earlier file has, which is forgotten. */
static struct own_rule *own_place(struct reading *r, const struct node *node, const struct node *id, struct row_policy **row)
{
	struct policy *policy = r->policy;
	int place;

	if (id == NULL) {
		fail(r, node, "a rule needs an id");
		return NULL;
	}
	if (!want_scalar(r, id, "an id"))
		return NULL;
	if (!is_id(id->text)) {
		fail(r, id, "'%s' is no id: small letters, digits and '-', a letter first, at most %d",
		     literal_shown((char[LITERAL_SHOWN]){0}, id->text), OWN_ID_LONGEST);
		return NULL;
	}
	if (tcpaudit_check_index(id->text) >= 0) {
		fail(r, id, "'%s' is a check: it is changed under checks", id->text);
		return NULL;
	}
	place = policy_row(policy, id->text);
	if (place < 0 && policy->own_count == TCPAUDIT_OWN) {
		fail(r, id, "more than %d rules", TCPAUDIT_OWN);
		return NULL;
	}
	size_t index = place < 0 ? policy->own_count++ : (size_t)place - policy->checks;
	policy_forget_own(policy, index);
	*row = &policy->row[policy->checks + index];
	(*row)->enabled = true;
	(*row)->severity = TCPAUDIT_WARNING;
	return take_text(r, id, "an id", &policy->own[index].id) ? &policy->own[index] : NULL;
}

static bool take_on(struct reading *r, struct own_rule *own, const struct node *node)
{
	return take_word(r, node, policy_point_name, TCPAUDIT_POINTS, "point", &own->on);
}

static bool take_when(struct reading *r, struct own_rule *own, const struct node *node)
{
	return take_expression(r, node, RECORD_FLOW, &own->when_text, &own->when);
}

static bool take_title(struct reading *r, struct own_rule *own, const struct node *node)
{
	return take_text(r, node, "a title", &own->title);
}

static bool take_message(struct reading *r, struct own_rule *own, const struct node *node)
{
	char *reason = NULL;
	size_t column = 1;

	if (!take_text(r, node, "a message", &own->message_text))
		return false;
	template_free(own->message);
	own->message = template_new(own->message_text, RECORD_FLOW, &column, &reason);
	return own->message != NULL || fail_inside(r, node, column, reason);
}

static bool take_id(struct reading *r, struct own_rule *own, const struct node *node)
{
	(void)r;
	(void)own;
	(void)node;
	return true; /* taken first: own_place() */
}

static const struct {
	const char *name;
	bool (*take)(struct reading *r, struct own_rule *own, const struct node *node);
} own_keys[] = {
#define X(name, schema, text) {#name, take_##name},
        POLICY_OWN_KEYS(X)
#undef X
};

#define OWN_KEYS (sizeof own_keys / sizeof *own_keys)

static const char *own_key(const void *user, size_t i)
{
	(void)user;
	return i < OWN_KEYS ? own_keys[i].name : i - OWN_KEYS < ROW_KEYS ? row_keys[i - OWN_KEYS].name : NULL;
}

static bool take_own_key(struct reading *r, struct own_rule *own, struct row_policy *row, const struct node *node)
{
	bool known, good;

	for (size_t i = 0; i < OWN_KEYS; i++)
		if (strcmp(own_keys[i].name, node->key) == 0)
			return own_keys[i].take(r, own, node);
	if (strcmp(node->key, "needs") == 0)
		return fail_key(r, node, "needs is for checks: a rule can ask for it (not capture == cap-gap-acked)");
	good = take_row_key(r, row, node, &known);
	return known ? good : fail_unknown(r, node, "key", own_key, NULL);
}

static bool take_rule(struct reading *r, const struct node *node)
{
	struct row_policy *row;
	struct own_rule *own;

	if (node->type != NODE_MAPPING)
		return fail(r, node, "a rule is a mapping with id, on, when and title");
	own = own_place(r, node, document_get(node, "id"), &row);
	if (own == NULL)
		return false;
	for (const struct node *item = node->first; item != NULL; item = item->next)
		if (!take_own_key(r, own, row, item))
			return false;
	if (own->when == NULL)
		return fail(r, node, "rule %s needs a condition: when", own->id);
	if (own->title == NULL)
		return fail(r, node, "rule %s needs a title", own->id);
	if (document_get(node, "on") == NULL)
		return fail(r, node, "rule %s needs a point at which it is asked: on, with close, syn.reuse or tick", own->id);
	return decide(r, node, &own->from);
}

static bool take_rules(struct reading *r, const struct node *node)
{
	if (node->type == NODE_SCALAR && node->text == NULL)
		return true;
	if (node->type != NODE_SEQUENCE)
		return fail(r, node, "a list of rules is wanted here");
	for (const struct node *item = node->first; item != NULL; item = item->next) {
		const struct node *id = item->type == NODE_MAPPING ? document_get(item, "id") : NULL;

		for (const struct node *other = node->first; id != NULL && id->text != NULL && other != item; other = other->next) {
			const struct node *known = other->type == NODE_MAPPING ? document_get(other, "id") : NULL;
			if (known != NULL && known->text != NULL && strcmp(known->text, id->text) == 0)
				return fail(r, id, "rule %s stands here a second time (first in line %zu)", id->text, known->line);
		}
		if (!take_rule(r, item))
			return false;
	}
	return true;
}

/* ---- documents ---- */

static bool take_version(struct reading *r, const struct node *node)
{
	int64_t version;

	return take_count(r, node, POLICY_VERSION, POLICY_VERSION, &version);
}

static const struct {
	const char *name;
	bool (*take)(struct reading *r, const struct node *node);
} root_keys[] = {{"version", take_version}, {"settings", take_settings}, {"checks", take_checks}, {"rules", take_rules}};

static const char *root_key(const void *user, size_t i)
{
	(void)user;
	return i < sizeof root_keys / sizeof *root_keys ? root_keys[i].name : NULL;
}

static bool take_root(struct reading *r, const struct node *root)
{
	if (!want_mapping(r, root, "a mapping with version, settings, checks or rules"))
		return false;
	for (const struct node *item = root->first; item != NULL; item = item->next) {
		size_t i = 0;

		while (root_key(NULL, i) != NULL && strcmp(root_key(NULL, i), item->key) != 0)
			i++;
		if (root_key(NULL, i) == NULL)
			return fail_unknown(r, item, "key", root_key, NULL);
		if (!root_keys[i].take(r, item))
			return false;
	}
	return true;
}

/* Frees the document; NULL is one that could not be read. */
static bool take_document(struct policy *policy, const char *name, struct node *root, char **error)
{
	struct reading r = {.policy = policy, .name = name, .error = error};
	bool good;

	if (root == NULL)
		return false;
	good = take_root(&r, root);
	document_free(root);
	return good;
}

bool policy_read(struct policy *policy, const char *path, char **error)
{
	return take_document(policy, strcmp(path, "-") == 0 ? "standard input" : path, document_read(path, error), error);
}

bool policy_parse(struct policy *policy, const char *name, const char *text, size_t length, char **error)
{
	return take_document(policy, name, document_parse(name, text, length, error), error);
}

/* One value from the command line, as the part of a document that it stands for: `root` becomes the outermost mapping. */
static bool take_path(struct reading *r, const char *key, struct node *value)
{
	const char *dot = strchr(key, '.'), *rest = dot != NULL ? dot + 1 : NULL;
	struct node inner = *value, check = {.type = NODE_MAPPING, .first = &inner, .line = 1, .column = 1};
	struct node group = {.type = NODE_MAPPING, .first = &check, .line = 1, .column = 1};
	char id[64];
	bool good, known = false;

	if (rest == NULL) {
		inner.key = (char *)key;
		return take_settings(r, &check);
	}
	if ((size_t)(dot - key) >= sizeof id)
		return fail(r, value, "there is no such check");
	memcpy(id, key, (size_t)(dot - key));
	id[dot - key] = '\0';
	check.key = id;
	check.key_line = check.key_column = 1;
	inner.key = (char *)rest;
	for (size_t i = 0; check_key(NULL, i) != NULL; i++)
		known |= strcmp(check_key(NULL, i), rest) == 0;
	if (policy_row(r->policy, id) >= (int)r->policy->checks) { /* a rule of the user: what can be decided about it */
		good = take_row_key(r, &r->policy->row[policy_row(r->policy, id)], &inner, &known);
		return known ? good : fail_unknown(r, &inner, "key", check_key, NULL);
	}
	if (!known) { /* a threshold's name is enough */
		struct node thresholds = {.type = NODE_MAPPING, .key = (char *)"thresholds", .first = &inner, .line = 1, .column = 1};

		inner.key = (char *)(strncmp(rest, "thresholds.", 11) == 0 ? rest + 11 : rest);
		check.first = &thresholds;
		return take_checks(r, &group);
	}
	return take_checks(r, &group);
}

bool policy_set(struct policy *policy, const char *option, const char *key, const char *value, char **error)
{
	struct reading r = {.policy = policy, .name = option, .option = true, .error = error};
	struct node *root = document_parse(option, value, strlen(value), error);
	bool good;

	if (root != NULL && value[0] == '\0') { /* an empty text: what takes a scope back */
		root->type = NODE_SCALAR;
		root->text = strdup("");
	}
	good = root != NULL && take_path(&r, key, root);
	document_free(root);
	return good;
}
