/* history_room.h - between the files of a history: its events, and what points at them. */
#ifndef HISTORY_ROOM_H
#define HISTORY_ROOM_H

#include "history.h"

#define HISTORY_RESERVE 16 /* events that are kept for what comes first of its kind */

/* Puts an event where its sender built it: the network delivered it to us later than others.  Returns where it stands; -1 if there
 * is no room. */
int history_insert(struct history *history, const struct event *event, int at);

/* Puts it behind all others; of a run that it goes on, it takes the place of the newest.  Returns as history_insert() does. */
int history_append(struct history *history, struct event *event);

/* For an event that is not the first of its kind: whatever noise there is, the close itself has room. */
bool history_has_place(struct history *history, struct event *event);

#endif
