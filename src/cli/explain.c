/* explain.c - what each check means: what it says, why that matters, the rule, what imitates it, where to look, an example.
 *
 * The texts stand in explain/, a file for each family; what the catalogue knows (severity, class, RFC) is taken from there. */
#include "cli/explain.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/check.h>

#include "report/page.h"
#include "rules/names.h"

static const struct text {
	const char *id, *what, *why, *rule, *imitated, *wireshark, *example;
} texts[] = {
#define EXPLAIN(...) {__VA_ARGS__},
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

static const char *const rests_on[] = {
        [TCPAUDIT_CLASS_SEGMENT] = "one segment by itself",
        [TCPAUDIT_CLASS_CONTRADICTION] = "numbers that contradict each other",
        [TCPAUDIT_CLASS_REACTION] = "a reaction to the peer's segment",
        [TCPAUDIT_CLASS_ABSENCE] = "a segment that did not come",
        [TCPAUDIT_CLASS_TIME] = "the time that something took",
        [TCPAUDIT_CLASS_CAPTURE] = "the capture itself",
};

static const struct text *text_of(const char *id)
{
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (strcmp(texts[i].id, id) == 0)
			return &texts[i];
	return NULL;
}

/* Length of a family's name, "fin" of "fin-moved". */
static size_t family_length(const char *id)
{
	return strcspn(id, "-");
}

static bool is_family(const char *what, const char *id)
{
	size_t length = family_length(id);

	return strncmp(what, id, length) == 0 && (what[length] == '\0' || strcmp(what + length, "-") == 0);
}

bool explain_knows(const char *what)
{
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);

	if (strcmp(what, "all") == 0)
		return true;
	for (size_t i = 0; i < count; i++)
		if (strcmp(what, check[i].id) == 0 || is_family(what, check[i].id))
			return true;
	return false;
}

char *explain_nearest(const char *word)
{
	size_t count, size;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);
	unsigned least = UINT32_MAX, shown = 0;
	char *names = NULL;
	FILE *out = open_memstream(&names, &size);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		unsigned apart = names_apart(word, check[i].id);
		least = apart < least ? apart : least;
	}
	for (size_t i = 0; i < count && shown < 4; i++)
		if (names_apart(word, check[i].id) <= least + 1 || strstr(check[i].id, word) != NULL)
			fprintf(out, "%s%s", shown++ ? ", " : "", check[i].id);
	fclose(out);
	return names;
}

static void paragraph(struct page *page, const char *name, const char *text)
{
	page->indent = 0;
	page_put(page, 0, "  %s", name);
	page->indent = 14;
	page_column(page, 14);
	page_words(page, 0, text);
	page->indent = 0;
	page_end(page);
}

/* Its lines stand as they are. */
static void example(struct page *page, const char *text)
{
	page_put(page, 0, "  example");
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		page_column(page, 14);
		fprintf(page->out, "%.*s", (int)length, text);
		page_end(page);
		text += length + (text[length] == '\n');
	}
}

static void explain_check(struct page *page, const struct tcpaudit_check *check)
{
	const struct text *text = text_of(check->id);
	char line[400];

	page_put(page, 0, "%s", check->id);
	page->indent = 14;
	page_words(page, 2, check->title);
	page->indent = 0;
	page_end(page);
	snprintf(line, sizeof line, "%s when certain (%s); rests on %s; %s%s%s",
	         tcpaudit_severity_name((enum tcpaudit_severity)check->severity),
	         tcpaudit_normative_name((enum tcpaudit_normative)check->normative), rests_on[check->rests_on],
	         check->basis == TCPAUDIT_PRESENCE
	                 ? "no unseen frame could refute it"
	                 : "an unseen frame could refute it, so it is a note unless the capture is known to be whole",
	         check->rfc[0] != '\0' ? "; " : "", check->rfc);
	paragraph(page, "severity", line);
	if (text == NULL)
		return;
	paragraph(page, "what", text->what);
	paragraph(page, "why", text->why);
	paragraph(page, "rule", text->rule);
	paragraph(page, "imitated by", text->imitated);
	paragraph(page, "wireshark", text->wireshark);
	example(page, text->example);
}

static void list_check(struct page *page, const struct tcpaudit_check *check)
{
	page_put(page, 0, "%s", check->id);
	page->indent = 27;
	page_column(page, 26);
	page_words(page, 1, check->title);
	page->indent = 0;
	page_end(page);
}

char *explain(const char *what)
{
	const struct report_page look = {.width = 80};
	size_t count;
	const struct tcpaudit_check *check = tcpaudit_checks(&count);
	struct page page;
	bool all = strcmp(what, "all") == 0, first = true;

	if (!page_init(&page, &look))
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (!all && is_family(what, check[i].id))
			list_check(&page, &check[i]);
		if (!all && strcmp(what, check[i].id) != 0)
			continue;
		if (!first)
			page_end(&page);
		first = false;
		explain_check(&page, &check[i]);
	}
	return page_take(&page);
}
