/* values.c - parsing without guessing: a value is taken whole or refused. */
#include "cli/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	static const struct {
		const char *name;
		double ns;
	} unit[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
	size_t digits = strspn(text, "0123456789.");
	char *rest;
	double number = strtod(text, &rest);

	if (digits == 0 || rest != text + digits)
		return false;
	for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
		if (strcmp(rest, unit[i].name) == 0 && number * unit[i].ns < 9e18) {
			*ns = (int64_t)(number * unit[i].ns + 0.5);
			return true;
		}
	return false;
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
