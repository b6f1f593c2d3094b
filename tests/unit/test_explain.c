/* test_explain.c - every check is explained, and nothing else is. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/check.h>

#include "cli/explain.h"

Test(explain, every_check_has_every_part)
{
	static const char *const parts[] = {"severity", "what", "why", "rule", "imitated by", "wireshark", "example"};
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);

	for (size_t i = 0; i < count; i++) {
		char *text = explain(check[i].id);
		cr_assert_not_null(text);
		cr_assert_eq(strncmp(text, check[i].id, strlen(check[i].id)), 0);
		for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
			char label[32];
			snprintf(label, sizeof label, "\n  %s", parts[k]);
			cr_assert_not_null(strstr(text, label), "%s: no %s", check[i].id, parts[k]);
		}
		free(text);
	}
}

Test(explain, no_text_is_left_over)
{
	static const char *const ids[] = {
#define EXPLAIN(id, ...) id,
#include "cli/explain/syn.h"
#include "cli/explain/data.h"
#include "cli/explain/fin.h"
#include "cli/explain/close.h"
#include "cli/explain/half.h"
#include "cli/explain/tw.h"
#include "cli/explain/rst.h"
#include "cli/explain/reuse.h"
#include "cli/explain/cap.h"
#undef EXPLAIN
	};
	size_t count;

	tcpaudit_checks(&count);
	cr_assert_eq(sizeof ids / sizeof ids[0], count);
	for (size_t i = 0; i < count; i++)
		cr_assert_geq(tcpaudit_check_index(ids[i]), 0, "%s is no check", ids[i]);
}

Test(explain, no_line_is_too_long)
{
	char *text = explain("all");
	cr_assert_not_null(text);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		cr_assert_leq(strlen(line), 80, "%s", line);
	free(text);
}

Test(explain, families_are_listed)
{
	char *text = explain("tw"), *same = explain("tw-");
	cr_assert_not_null(strstr(text, "tw-holder"));
	cr_assert_null(strstr(text, "rst-"));
	cr_assert_str_eq(text, same);
	free(text);
	free(same);
}

Test(explain, a_misspelt_check_is_not_known_and_the_nearest_are_named)
{
	cr_assert(!explain_knows("fin-mooved"));
	cr_assert(explain_knows("fin-moved"));
	char *names = explain_nearest("fin-mooved");
	cr_assert_not_null(strstr(names, "fin-moved"));
	free(names);
}
