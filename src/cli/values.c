/* values.c - parsing without guessing: a value is taken whole or refused. */
#include "cli/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/literal.h"

static bool leading_number(const char *text, uint64_t *number, char **rest)
{
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*number = strtoull(text, rest, 10);
	return errno == 0 && *number <= INT64_MAX;
}

bool value_number(const char *text, uint64_t *number)
{
	char *rest;

	return leading_number(text, number, &rest) && *rest == '\0';
}

bool value_size(const char *text, uint64_t unit, uint64_t *bytes)
{
	static const char letters[] = "KMGT";
	const char *letter;
	char *rest;

	if (!leading_number(text, bytes, &rest))
		return false;
	if (*rest != '\0' && (letter = strchr(letters, toupper((unsigned char)*rest))) != NULL) {
		unit = UINT64_C(1) << (10 * (letter - letters + 1));
		rest++;
		rest += *rest == 'i';
		rest += *rest == 'B';
	}
	if (*rest != '\0' || *bytes > INT64_MAX / unit)
		return false;
	*bytes *= unit;
	return true;
}

bool value_duration(const char *text, int64_t *ns)
{
	char seconds[40];
	int64_t us;

	if (text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0') {
		if ((size_t)snprintf(seconds, sizeof seconds, "%ss", text) >= sizeof seconds)
			return false;
		text = seconds;
	}
	return literal_duration(text, &us) == NULL && !__builtin_mul_overflow(us, 1000, ns);
}

bool value_word(const char *text, const char *const *words, uint8_t *index)
{
	for (uint8_t i = 0; words[i] != NULL; i++)
		if (strcmp(text, words[i]) == 0) {
			*index = i;
			return true;
		}
	return false;
}
