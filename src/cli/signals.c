/* signals.c - handlers that only set flags, and the flags: the program's only variables outside of functions. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/signals.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop, stats, reopen;

static void handle(int number)
{
	switch (number) {
	case SIGUSR1:
		stats = 1;
		break;
	case SIGHUP:
		reopen = 1;
		break;
	default:
		if (stop)
			_exit(128 + number);
		stop = 1;
	}
}

/* They ask for something of a run: before there is one, they interrupt nothing that is waited for. */
static void hold(int how)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGUSR1);
	sigaddset(&held, SIGHUP);
	pthread_sigmask(how, &held, NULL);
}

void signals_admit(void)
{
	hold(SIG_UNBLOCK);
}

void signals_install(void)
{
	static const int handled[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
	struct sigaction action;

	hold(SIG_BLOCK);
	memset(&action, 0, sizeof action);
	sigemptyset(&action.sa_mask);
	action.sa_handler = handle;
	for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
		sigaction(handled[i], &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	sigaction(SIGXFSZ, &action, NULL); /* a file as large as it may be is a full disk */
}

static bool take(volatile sig_atomic_t *flag)
{
	bool set = *flag;

	if (set)
		*flag = 0;
	return set;
}

bool signals_stop(void)
{
	return stop;
}

bool signals_stats(void)
{
	return take(&stats);
}

bool signals_reopen(void)
{
	return take(&reopen);
}
