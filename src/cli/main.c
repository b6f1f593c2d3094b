/* main.c - the program: reads the command line and does what it asks for. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/explain.h"
#include "cli/label.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "rules/policy.h"

/* A file must never get the number of a standard stream that the caller closed.  What is written to such an output is lost, and
 * that is to be known: so it cannot be written to. */
static void open_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR); /* the lowest number that is free */
}

/* A reader who has seen enough is no error to speak of. */
static int lost(void)
{
	if (errno != EPIPE)
		say("standard output: %s", strerror(errno));
	return REPORT_EXIT_LOST;
}

/* Takes and prints a document. */
static int print(char *text)
{
	bool ok = text != NULL && fputs(text, stdout) >= 0 && fflush(stdout) == 0;

	if (text == NULL)
		errno = ENOMEM;
	int status = ok ? REPORT_EXIT_OK : lost();
	free(text);
	return status;
}

static int print_version(void)
{
	const char *dpi = label_library();
	bool ok = printf("tcpaudit %s\n%s%s\n", tcpaudit_version(), dpi != NULL ? "with " : "without nDPI",
	                 dpi != NULL ? dpi : "") > 0;

	return ok && fflush(stdout) == 0 ? REPORT_EXIT_OK : lost();
}

static int print_interfaces(void)
{
	char *text = NULL, *error = NULL;

	if (capture_list_interfaces(&text, &error))
		return print(text);
	say("%s", error != NULL ? error : "out of memory");
	free(error);
	return REPORT_EXIT_USAGE;
}

static int act(struct options *options)
{
	switch ((enum options_action)options->action) {
	case OPTIONS_RUN:
		return session_run(options);
	case OPTIONS_HELP:
		return print(options_help());
	case OPTIONS_VERSION:
		return print_version();
	case OPTIONS_LIST_CHECKS:
		return print(options_check_list());
	case OPTIONS_LIST_FIELDS:
		return print(report_field_list());
	case OPTIONS_SCHEMA:
		return print(report_schema());
	case OPTIONS_EXPLAIN:
		return print(explain(options->explain));
	case OPTIONS_CHECK_RULES:
		return print(rulebook_summary(options->rules, (int64_t)time(NULL) * 1000000000));
	case OPTIONS_DUMP_RULES:
		return print(rulebook_dump(options->rules));
	case OPTIONS_RULES_SCHEMA:
		return print(policy_schema());
	case OPTIONS_LIST_INTERFACES:
		return print_interfaces();
	}
	return REPORT_EXIT_INTERNAL;
}

int main(int argc, char **argv)
{
	struct options options;
	char *error;
	int status;

	open_standard_streams();
	setlocale(LC_CTYPE, ""); /* only to learn whether it is UTF-8; numbers stay as they are */
	signals_install();
	if (options_parse(&options, argc, argv, &error)) {
		status = act(&options);
	} else {
		say("%s", error != NULL ? error : "out of memory");
		status = REPORT_EXIT_USAGE;
	}
	free(error);
	options_fini(&options);
	return status;
}
