/* handover.h - further threads for files: this one reads and decodes, another one judges and reports, some batches behind.
 *
 * Batches go over in order, so everything is found and said as on one thread.  An engine that can be split is judged by the
 * others, too, and by this one whenever it has read enough.  While there is one, engine, labeller, rules and report are the other
 * thread's; handover_settle() gives them back until the next batch. */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <tcpaudit/audit.h>

#include "capture/capture.h"
#include "cli/pin.h"

struct handover;

/* Starts so many threads that with the caller's there are `workers`, 2 at least.  The engine is borrowed; settings are those it
 * was made with.  So is the capture, of which nothing has been read yet: its frames stay as long as the engine looks at their
 * octets.  NULL and *error. */
struct handover *handover_new(struct tcpaudit *engine, const struct tcpaudit_settings *settings, struct capture *capture,
                              unsigned workers, const struct pin *pin, char **error);

/* As tcpaudit_frames(), TCPAUDIT_BATCH at most, with frames of the last capture_read(), and tcpaudit_count().  Wait while too
 * much is on its way. */
void handover_frames(struct handover *handover, const struct tcpaudit_frame *frames, size_t count);
void handover_count(struct handover *handover, enum tcpaudit_fate fate);

/* To be called before each capture_read(): frames that have been judged may go.  Waits if too many stay. */
void handover_tidy(struct handover *handover);

/* Waits until all has been judged.  Then the thread stands still. */
void handover_settle(struct handover *handover);

/* Bytes held: to be added to the engine's.  After handover_settle(). */
uint64_t handover_memory(const struct handover *handover);

/* The input has ended: has the rest judged.  What remains to be done is tcpaudit_finish(), which the threads help with.  Accepts
 * NULL. */
void handover_end(struct handover *handover);

/* Ends the threads.  Accepts NULL. */
void handover_free(struct handover *handover);

#endif
