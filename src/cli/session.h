/* session.h - one run: capture, engine and report together. */
#ifndef SESSION_H
#define SESSION_H

#include "cli/options.h"

/* Runs what the options ask for, and returns the exit status.  Signals must have been installed. */
int session_run(struct options *options);

#endif
