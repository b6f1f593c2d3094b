/* team.h - threads that share out the parts of a job among them, and whoever else has nothing better to do. */
#ifndef TEAM_H
#define TEAM_H

#include <tcpaudit/audit.h>

#include "cli/pin.h"

struct team;

#define TEAM_PARTS 64 /* of a job, at most */

/* With so many threads of its own, beside the one that calls and one that helps; pinned as workers behind these two.  NULL and
 * *error. */
struct team *team_new(unsigned threads, const struct pin *pin, char **error);

/* For tcpaudit_split(): the caller does its share, too. */
struct tcpaudit_team team_functions(struct team *team);

/* Does parts of the job that there is, if there is one; false if there was nothing to do. */
bool team_help(struct team *team);

/* Whoever sleeps in team_sleep() looks again. */
void team_wake(struct team *team);

/* Sleeps until there is a job, or until nobody shall wait any more: asked in between, and after every team_wake(). */
void team_sleep(struct team *team, bool (*waits)(void *user), void *user);

/* While no job is being done.  Accepts NULL. */
void team_free(struct team *team);

#endif
