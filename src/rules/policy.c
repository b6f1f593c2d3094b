/* policy.c - a policy's values: how they are built in, and what belongs to them. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/literal.h"
#include "rules/names.h"

#define SECOND INT64_C(1000000000)

const char *policy_point_name(unsigned point)
{
	static const char *const name[] = {"close", "syn.reuse", "tick"};

	return point < TCPAUDIT_POINTS ? name[point] : "?";
}

const char *policy_per_name(unsigned per)
{
	static const char *const name[] = {"all", "host", "service", "pair"};

	return per <= LIMIT_PER_PAIR ? name[per] : "?";
}

struct policy *policy_new(void)
{
	struct policy *policy = calloc(1, sizeof *policy);
	struct tcpaudit_settings settings;

	if (policy == NULL)
		return NULL;
	tcpaudit_settings_init(&settings);
	const struct tcpaudit_check *check = tcpaudit_checks(&policy->checks);
	for (size_t i = 0; i < policy->checks; i++) {
		policy->row[i].enabled = true;
		policy->row[i].severity = check[i].severity;
	}
	for (size_t i = 0; i < TCPAUDIT_THRESHOLD_COUNT; i++)
		policy->threshold[i].value = tcpaudit_thresholds()[i].normal;
	policy->msl.value = settings.msl;
	policy->idle_timeout.value = settings.idle_timeout;
	policy->tick.value = 10 * SECOND;
	return policy;
}

void policy_forget_suppressions(struct row_policy *row)
{
	for (size_t i = 0; i < row->suppressions; i++) {
		free(row->suppression[i].when_text);
		free(row->suppression[i].until_text);
		free(row->suppression[i].reason);
		expression_free(row->suppression[i].when);
	}
	free(row->suppression);
	row->suppression = NULL;
	row->suppressions = 0;
}

static void forget_row(struct row_policy *row)
{
	policy_forget_suppressions(row);
	free(row->scope);
	free(row->where_text);
	expression_free(row->where);
	memset(row, 0, sizeof *row);
}

void policy_forget_own(struct policy *policy, size_t index)
{
	struct own_rule *own = &policy->own[index];

	forget_row(&policy->row[policy->checks + index]);
	free(own->id);
	free(own->title);
	free(own->when_text);
	free(own->message_text);
	expression_free(own->when);
	template_free(own->message);
	memset(own, 0, sizeof *own);
}

void policy_free(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < policy->checks; i++)
		forget_row(&policy->row[i]);
	for (size_t i = 0; i < TCPAUDIT_OWN; i++)
		policy_forget_own(policy, i);
	for (size_t i = 0; i < policy->mentions; i++) {
		free(policy->mention[i].id);
		free(policy->mention[i].place);
	}
	free(policy->mention);
	for (size_t i = 0; i < policy->origins; i++)
		free(policy->origin[i]);
	free(policy->origin);
	free(policy);
}

int policy_row(const struct policy *policy, const char *id)
{
	for (size_t i = 0; i < policy->own_count; i++)
		if (strcmp(policy->own[i].id, id) == 0)
			return (int)(policy->checks + i);
	return tcpaudit_check_index(id);
}

const char *policy_origin(struct policy *policy, const char *text)
{
	char **grown, *kept;

	if (policy->origins > 0 && strcmp(policy->origin[policy->origins - 1], text) == 0)
		return policy->origin[policy->origins - 1];
	kept = strdup(text);
	grown = realloc(policy->origin, (policy->origins + 1) * sizeof *grown);
	if (grown != NULL)
		policy->origin = grown;
	if (grown == NULL || kept == NULL) {
		free(kept);
		return NULL;
	}
	return policy->origin[policy->origins++] = kept;
}

bool policy_mention(struct policy *policy, const char *id, bool piece, char *place)
{
	struct policy_mention *grown = realloc(policy->mention, (policy->mentions + 1) * sizeof *grown);
	char *copy = strdup(id);

	if (grown != NULL)
		policy->mention = grown;
	if (grown == NULL || copy == NULL || place == NULL) {
		free(copy);
		free(place);
		return false;
	}
	grown[policy->mentions++] = (struct policy_mention){.id = copy, .piece = piece, .place = place};
	return true;
}

/* The ids of checks, then those of own rules; NULL behind the last. */
static const char *id_at(const struct policy *policy, size_t i)
{
	if (i < policy->checks)
		return tcpaudit_checks(&(size_t){0})[i].id;
	return i - policy->checks < policy->own_count ? policy->own[i - policy->checks].id : NULL;
}

static bool is_there(const struct policy *policy, const struct policy_mention *mention)
{
	const char *id;

	for (size_t i = 0; (id = id_at(policy, i)) != NULL; i++)
		if (mention->piece ? strstr(id, mention->id) != NULL : strcmp(id, mention->id) == 0)
			return true;
	return false;
}

/* Always false. */
static bool refuse(const struct policy *policy, const struct policy_mention *mention, char **error)
{
	char shown[LITERAL_SHOWN];
	struct nearest nearest;
	const char *id;
	bool near;

	nearest_init(&nearest, mention->id);
	for (size_t i = 0; (id = id_at(policy, i)) != NULL; i++)
		nearest_offer(&nearest, id);
	near = nearest.best[0] != '\0' && !mention->piece;
	if (asprintf(error, "%s: there is no check or rule %s'%s'%s%s%s", mention->place, mention->piece ? "with " : "",
	             literal_shown(shown, mention->id), near ? "; did you mean '" : " (see --list-checks)",
	             near ? nearest.best : "", near ? "'?" : "") < 0)
		*error = NULL;
	else
		literal_make_plain(*error);
	return false;
}

bool policy_complete(const struct policy *policy, char **error)
{
	for (size_t i = 0; i < policy->mentions; i++)
		if (!is_there(policy, &policy->mention[i]))
			return refuse(policy, &policy->mention[i], error);
	return true;
}
