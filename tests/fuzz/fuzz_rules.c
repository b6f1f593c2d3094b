/* fuzz_rules.c - any text as a rule file: it is taken or refused, with the file, a place and one line.
 *
 * What was taken can be dumped, the dump is a rule file, and reading it changes nothing. */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/literal.h"
#include "rules/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "fuzz:LINE:COLUMN: reason" */
static void check_refusal(char *error)
{
	unsigned line, column;
	int read = 0;

	assert(error != NULL && sscanf(error, "fuzz:%u:%u: %n", &line, &column, &read) == 2 && read > 0);
	assert(line >= 1 && column >= 1 && error[read] != '\0');
	assert(literal_is_utf8(error));
	for (const char *c = error; *c != '\0'; c++)
		assert((unsigned char)*c >= 0x80 || !iscntrl((unsigned char)*c));
	free(error);
}

/* The dump of a policy made from a text, NULL if that was refused. */
static char *dump_of(const char *text, size_t length)
{
	struct policy *policy = policy_new();
	char *error = NULL, *dump = NULL;

	if (policy == NULL)
		abort();
	if (policy_parse(policy, "fuzz", text, length, &error)) {
		assert(error == NULL);
		dump = policy_dump(policy);
		assert(dump != NULL);
	} else {
		check_refusal(error);
	}
	policy_free(policy);
	return dump;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *first = dump_of((const char *)data, size), *second, *third;

	if (first == NULL)
		return 0;
	second = dump_of(first, strlen(first));
	assert(second != NULL);
	third = dump_of(second, strlen(second));
	assert(third != NULL && strcmp(second, third) == 0);
	free(first);
	free(second);
	free(third);
	return 0;
}
