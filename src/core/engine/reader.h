/* reader.h - inside the engine: a batch that points to nothing but octets that stay. */
#ifndef READER_H
#define READER_H

#include "packed.h"

struct tcpaudit_batch {
	struct front_counters counters; /* as of its end */
	bool frames; /* are there */
	union {
		struct packed packed; /* they are not */
		struct {
			struct batch batch;
			struct tcpaudit_frame frame[BATCH];
		};
	};
	uint8_t *bytes; /* of segments out of datagrams that were put together; NULL: there was none yet */
	size_t room;
};

/* After it has been judged: memory that batches seldom need is given back. */
void batch_judged(struct tcpaudit_batch *batch);

#endif
