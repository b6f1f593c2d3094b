/* reader.h - inside the engine: a batch that points to nothing that is not its own. */
#ifndef READER_H
#define READER_H

#include "packed.h"

struct tcpaudit_batch {
	struct front_counters counters; /* as of its end */
	bool octets; /* of frames are needed */
	union {
		struct packed packed; /* they are not */
		struct {
			struct batch batch;
			struct tcpaudit_frame frame[BATCH];
		};
	};
	uint8_t *bytes; /* of the frames of its segments, and of datagrams that were put together; NULL: they were not needed yet */
	size_t room;
};

/* After it has been judged: memory that batches seldom need is given back. */
void batch_judged(struct tcpaudit_batch *batch);

#endif
