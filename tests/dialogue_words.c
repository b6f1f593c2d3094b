/* dialogue_words.c - words of a line, names of states, and what to say when they do not fit. */
#include "dialogue.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void fail(struct dialogue *d, int line, const char *format, ...)
{
	va_list arguments;

	d->failures++;
	fprintf(d->diagnostics, "# %s:%d: ", d->path, line);
	va_start(arguments, format);
	vfprintf(d->diagnostics, format, arguments);
	va_end(arguments);
	fputc('\n', d->diagnostics);
}

const char *set_name(tcpaudit_state_set set, char text[128])
{
	text[0] = 0;
	for (unsigned s = 0; s < TCPAUDIT_STATE_COUNT; s++) {
		if (!(set & 1u << s))
			continue;
		if (text[0])
			strcat(text, "|");
		strcat(text, tcpaudit_state_name((enum tcpaudit_state)s));
	}
	return text[0] ? text : "(none)";
}

char *next_word(char **cursor)
{
	char *p = *cursor + strspn(*cursor, " \t\r\n"), *end;

	if (!*p)
		return NULL;
	end = *p == '<' && strchr(p, '>') ? strchr(p, '>') + 1 : p + strcspn(p, " \t\r\n");
	*cursor = *end ? end + 1 : end;
	*end = 0;
	return p;
}

bool to_number(const char *word, int64_t *value)
{
	char *end;

	if (!word || !*word)
		return false;
	errno = 0;
	*value = strtoll(word, &end, 10);
	return !*end && !errno;
}

bool next_number(struct dialogue *d, char **cursor, const char *what, int64_t *value)
{
	char *word = next_word(cursor);

	if (to_number(word, value))
		return true;
	fail(d, d->line, "expected a number after `%s`, got `%s`", what, word ? word : "");
	return false;
}

bool to_time(const char *word, int64_t *time)
{
	char *end;
	int64_t scale = NS;

	if (!isdigit((unsigned char)*word))
		return false;
	*time = strtoll(word, &end, 10) * NS;
	if (*end == '.')
		for (end++; isdigit((unsigned char)*end); end++)
			*time += (*end - '0') * (scale /= 10);
	return !strcmp(end, "") || !strcmp(end, "s");
}

bool to_party(const char *word, unsigned *party)
{
	if (!word || !*word || word[1] || !strchr("ABR", *word))
		return false;
	*party = (unsigned)(strchr("ABR", *word) - "ABR");
	return true;
}

bool to_state(const char *word, size_t n, unsigned *state)
{
	for (*state = 0; *state < TCPAUDIT_STATE_COUNT; ++*state) {
		const char *name = tcpaudit_state_name((enum tcpaudit_state) * state);

		if (strlen(name) == n && !strncmp(name, word, n))
			return true;
	}
	return false;
}

bool to_states(const char *word, tcpaudit_state_set *set)
{
	*set = 0;
	for (;; word++) {
		size_t n = strcspn(word, "|");
		unsigned state;

		if (!to_state(word, n, &state))
			return false;
		*set |= (tcpaudit_state_set)(1u << state);
		word += n;
		if (!*word)
			return true;
	}
}
