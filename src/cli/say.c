/* say.c - see say.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/say.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/utf8.h"

void say(const char *format, ...)
{
	char *text = NULL;
	va_list list;

	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	va_end(list);
	if (text != NULL)
		utf8_clean(text, strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
	fprintf(stderr, "tcpaudit: %s\n", text != NULL ? text : "out of memory");
	free(text);
}
