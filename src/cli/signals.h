/* signals.h - the signals that ask the program for something. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stdbool.h>

/* INT and TERM stop the run, and end the program at once when they come again; USR1 and HUP wait until they are admitted, and are
 * remembered then; writing to a pipe without a reader is an error, not a signal.  System calls are interrupted. */
void signals_install(void);

/* What USR1 and HUP ask for is there: they may interrupt. */
void signals_admit(void);

/* Whether INT or TERM came. */
bool signals_stop(void);

/* Whether USR1, or HUP, came since this was last asked. */
bool signals_stats(void);
bool signals_reopen(void);

#endif
