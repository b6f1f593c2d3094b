/* stages.h - the way of a packet through the program, up to one stage after the other: each does all that the one before it
 * does, and then its own, so that the difference of their times is what a stage costs. */
#ifndef BENCH_STAGES_H
#define BENCH_STAGES_H

#include <stdbool.h>
#include <stdint.h>

enum stage {
	STAGE_LOOP,   /* beside the others: a bare libpcap loop */
	STAGE_READ,   /* capture_read() */
	STAGE_DECODE, /* decoder_decode() of each frame */
	STAGE_KEY,    /* its socket pair and hash */
	STAGE_FLOW,   /* the engine with all checks disabled */
	STAGE_CHECKS, /* the engine as it is, for a sink that does nothing */
	STAGE_TEXT,   /* the program, text report */
	STAGE_JSON,   /* the program, JSON Lines of every connection */
	STAGE_PAUSES, /* beside the others: STAGE_CHECKS, with a look at the clock around each batch */
	STAGES
};

/* What one run tells. */
struct figures {
	double kernel;    /* seconds of processor time that the kernel took for it: reads, page faults */
	uint64_t peak;    /* resident octets at most */
	double seconds;   /* wall time, memory given back included */
	uint64_t packets; /* 0 for the program's stages, which do not tell; the same holds for the following */
	uint64_t connections;
	int64_t pause;  /* ns that the longest tcpaudit_frames() took; STAGE_PAUSES only */
	int64_t finish; /* ns of tcpaudit_finish(); STAGE_PAUSES only */
};

/* Runs a stage over a capture file, in a process of its own: none finds memory that another has left.  `program` is the path of
 * tcpaudit for the stages that need it.  false, and a line on standard error, when it fails. */
bool stage_run(enum stage stage, const char *path, const char *program, struct figures *figures);

#endif
