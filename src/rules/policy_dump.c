/* policy_dump.c - a policy as a rule file that says the same, with the origin of what is not built in. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/policy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN_COLUMN 46

/* A line, and behind it where it comes from. */
static void __attribute__((format(printf, 3, 4))) line(FILE *out, const char *from, const char *format, ...)
{
	va_list list;
	int length;

	va_start(list, format);
	length = vfprintf(out, format, list);
	va_end(list);
	if (from != NULL)
		fprintf(out, "%*s# %s", length < ORIGIN_COLUMN ? ORIGIN_COLUMN - length : 1, "", from);
	fputc('\n', out);
}

#define DURATION_TEXT 32

/* The largest unit in which it is a whole number. */
static const char *duration(char out[DURATION_TEXT], int64_t ns)
{
	if (ns % 1000000000 == 0)
		snprintf(out, DURATION_TEXT, "%" PRId64 "s", ns / 1000000000);
	else if (ns % 1000000 == 0)
		snprintf(out, DURATION_TEXT, "%" PRId64 "ms", ns / 1000000);
	else
		snprintf(out, DURATION_TEXT, "%" PRId64 "us", ns / 1000);
	return out;
}

/* In double quotes; the caller frees.  NULL when out of memory. */
static char *quoted(const char *text)
{
	char *out = malloc(6 * strlen(text) + 3), *to = out;

	if (out == NULL)
		return NULL;
	*to++ = '"';
	for (; *text != '\0'; text++)
		if (*text == '"' || *text == '\\')
			to += sprintf(to, "\\%c", *text);
		else if (*text == '\n')
			to += sprintf(to, "\\n");
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			to += sprintf(to, "\\x%02x", (unsigned)(unsigned char)*text);
		else
			*to++ = *text;
	memcpy(to, "\"", 2);
	return out;
}

static void quoted_line(FILE *out, const char *from, const char *key, const char *text)
{
	char *quotes = quoted(text);

	if (quotes != NULL)
		line(out, from, "%s: %s", key, quotes);
	free(quotes);
}

static void dump_needs(FILE *out, const struct row_policy *row)
{
	char list[160] = "";

	for (unsigned bit = 0; bit < TCPAUDIT_PREMISE_COUNT; bit++)
		if (row->needs >> bit & 1)
			snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", list[0] ? ", " : "",
			         tcpaudit_premise_name(bit));
	line(out, row->from[POLICY_NEEDS], "    needs: [%s]", list);
}

static void dump_suppressions(FILE *out, const struct row_policy *row)
{
	line(out, row->from[POLICY_SUPPRESS], "    suppress:%s", row->suppressions == 0 ? " []" : "");
	for (size_t i = 0; i < row->suppressions; i++) {
		const struct suppression *s = &row->suppression[i];

		line(out, s->from, "      - until: %s", s->until_text);
		if (s->when_text != NULL)
			quoted_line(out, NULL, "        when", s->when_text);
		quoted_line(out, NULL, "        reason", s->reason);
	}
}

/* What nobody has spoken of and is empty is left out. */
static void dump_row(FILE *out, const struct row_policy *row)
{
	char text[DURATION_TEXT];

	line(out, row->from[POLICY_ENABLED], "    enabled: %s", row->enabled ? "true" : "false");
	line(out, row->from[POLICY_SEVERITY], "    severity: %s", tcpaudit_severity_name((enum tcpaudit_severity)row->severity));
	if (row->scope != NULL || row->from[POLICY_SCOPE] != NULL)
		quoted_line(out, row->from[POLICY_SCOPE], "    scope", row->scope != NULL ? row->scope : "");
	if (row->where != NULL || row->from[POLICY_WHERE] != NULL)
		quoted_line(out, row->from[POLICY_WHERE], "    where", row->where != NULL ? row->where_text : "");
	if (row->needs != 0 || row->from[POLICY_NEEDS] != NULL)
		dump_needs(out, row);
	if (row->limit.count != 0 || row->from[POLICY_LIMIT] != NULL)
		line(out, row->from[POLICY_LIMIT], "    limit: {count: %" PRIu32 ", per: %s, every: %s}", row->limit.count,
		     policy_per_name(row->limit.per), duration(text, row->limit.every != 0 ? row->limit.every : 3600000000000));
	if (row->suppressions != 0 || row->from[POLICY_SUPPRESS] != NULL)
		dump_suppressions(out, row);
}

static void dump_thresholds(FILE *out, const struct policy *policy, const char *check)
{
	const struct tcpaudit_threshold *threshold = tcpaudit_thresholds();
	char text[DURATION_TEXT];
	bool some = false;

	for (size_t i = 0; i < TCPAUDIT_THRESHOLD_COUNT; i++) {
		const struct policy_number *number = &policy->threshold[i];

		if (strcmp(threshold[i].check, check) != 0)
			continue;
		if (!some)
			fputs("    thresholds:\n", out);
		some = true;
		fprintf(out, "      # %s\n", threshold[i].text);
		if (threshold[i].unit == TCPAUDIT_UNIT_DURATION)
			line(out, number->from, "      %s: %s", threshold[i].key, duration(text, number->value));
		else
			line(out, number->from, "      %s: %" PRId64 "%s", threshold[i].key, number->value,
			     threshold[i].unit == TCPAUDIT_UNIT_PERCENT ? "%" : "");
	}
}

static void dump_own(FILE *out, const struct policy *policy, size_t i)
{
	const struct own_rule *own = &policy->own[i];

	line(out, own->from, "  - id: %s", own->id);
	line(out, NULL, "    on: %s", policy_point_name(own->on));
	quoted_line(out, NULL, "    when", own->when_text);
	quoted_line(out, NULL, "    title", own->title);
	if (own->message_text != NULL)
		quoted_line(out, NULL, "    message", own->message_text);
	dump_row(out, &policy->row[policy->checks + i]);
}

char *policy_dump(const struct policy *policy)
{
	const struct tcpaudit_check *check = tcpaudit_checks(&(size_t){0});
	char *text = NULL, duration_text[DURATION_TEXT];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	fputs("version: 1\nsettings:\n", out);
	line(out, policy->msl.from, "  msl: %s", duration(duration_text, policy->msl.value));
	line(out, policy->idle_timeout.from, "  idle-timeout: %s", duration(duration_text, policy->idle_timeout.value));
	line(out, policy->tick.from, "  tick: %s", duration(duration_text, policy->tick.value));
	fputs("checks:\n", out);
	for (size_t i = 0; i < policy->checks; i++) {
		fprintf(out, "  # %s\n  %s:\n", check[i].title, check[i].id);
		dump_row(out, &policy->row[i]);
		dump_thresholds(out, policy, check[i].id);
	}
	fprintf(out, "rules:%s\n", policy->own_count == 0 ? " []" : "");
	for (size_t i = 0; i < policy->own_count; i++)
		dump_own(out, policy, i);
	fclose(out);
	return text;
}
