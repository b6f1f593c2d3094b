/* policy.c - a policy's values: how they are built in, and what belongs to them. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/policy.h"

#include <stdlib.h>
#include <string.h>

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
