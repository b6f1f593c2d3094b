/* detectors.h - nDPI's detection modules, for labellers on several threads, and memory with a limit for all that nDPI does.
 *
 * A module takes some 15 ms and 7 MB to begin with, and works for one thread at a time; it remembers nothing of a flow.  So there are
 * as many as have been wanted at the same time. */
#ifndef DETECTORS_H
#define DETECTORS_H

#include "cli/arena.h"

struct detectors;

struct detector {
	struct ndpi_detection_module_struct *module;
	struct detector *next;
	struct detector *older;
	struct arena arena; /* its tables */
};

/* With one of them, in `memory` bytes of what `allocate` gives at most.  NULL: that is too little. */
struct detectors *detectors_new(uint64_t memory, void *(*allocate)(size_t size));

/* One that nobody else uses until it is given back, from whichever thread; it need not come back.  NULL: no memory for another one. */
struct detector *detectors_borrow(struct detectors *detectors);
void detectors_give_back(struct detectors *detectors, struct detector *detector);

/* Bytes of all; of the first. */
uint64_t detectors_memory(struct detectors *detectors);
uint64_t detectors_memory_each(const struct detectors *detectors);

/* Accepts NULL.  Names that nDPI gave are invalid from then on. */
void detectors_free(struct detectors *detectors);

/* Every call of nDPI goes through here: has `call` done, with memory out of this arena.  False if that ran out: then nDPI is in the
 * middle of something, for ever. */
bool detectors_call(struct arena *arena, void (*call)(void *user), void *user);

#endif
