/* pin.c - see pin.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/pin.h"

#include <ctype.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PIN_MOST <= CPU_SETSIZE, "numbers that no set of processors holds");

static bool number(const char **text, int *value)
{
	char *rest;
	unsigned long parsed = isdigit((unsigned char)**text) ? strtoul(*text, &rest, 10) : PIN_MOST;

	if (parsed >= PIN_MOST)
		return false;
	*text = rest;
	*value = (int)parsed;
	return true;
}

/* Adds FIRST, or FIRST-LAST, that *text begins with. */
static const char *add(const char **text, const cpu_set_t *usable, struct pin *pin)
{
	int first, last;

	if (!number(text, &first))
		return "auto, or a list of processors like 0,2,4-7";
	last = first;
	if (**text == '-' && (++*text, !number(text, &last) || last < first))
		return "a list of processors like 0,2,4-7";
	for (; first <= last; first++) {
		if (!CPU_ISSET(first, usable) || pin->count == PIN_MOST)
			return "a list of processors that this process may use";
		pin->processor[pin->count++] = first;
	}
	return NULL;
}

const char *pin_parse(const char *text, struct pin *pin)
{
	cpu_set_t usable;
	const char *wrong;

	CPU_ZERO(&usable);
	pin->count = 0;
	if (sched_getaffinity(0, sizeof usable, &usable) != 0)
		return "possible here";
	for (int i = 0; i < PIN_MOST && strcmp(text, "auto") == 0; i++)
		if (CPU_ISSET(i, &usable))
			pin->processor[pin->count++] = i;
	if (pin->count > 0)
		return NULL;
	while ((wrong = add(&text, &usable, pin)) == NULL && *text == ',')
		text++;
	return wrong == NULL && *text != '\0' ? "a list of processors like 0,2,4-7" : wrong;
}

void pin_worker(const struct pin *pin, size_t i)
{
	cpu_set_t set;

	if (pin->count == 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(pin->processor[i % pin->count], &set);
	sched_setaffinity(0, sizeof set, &set); /* a processor that went away meanwhile is no reason to stop */
}
