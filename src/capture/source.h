/* source.h - inside src/capture: the pieces from which capture.c makes one capture.
 *
 *   feed    the bytes of one file in order, decompressed (inflate.c)
 *   buffers what files are read into (buffers.c)
 *   file    the frames of one capture file (file.c, its formats in file_pcap.c and file_pcapng.c)
 *   live    the frames of the live interfaces (live.c, each of which is a port: port.c; fanout.c shares them among workers)
 *   filter  a BPF expression, compiled for each link type that occurs (filter.c)
 *
 * Of these only filter is of use to others (scopes in rules). */
#ifndef SOURCE_H
#define SOURCE_H

#include "capture.h"
#include "filter.h"

/* *error, if wanted, becomes the formatted text; the caller frees it.  Returns false, for "return source_error(...)". */
bool source_error(char **error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes that frames of this link type occur in the input. */
void source_linktype(struct capture_input *input, uint16_t linktype);

/* --- feed --- */

struct feed;

enum { FEED_AGAIN = -1, FEED_BROKEN = -2 };

/* "-" is standard input.  Waits for the first bytes.  NULL and *error: a reason, without the path. */
struct feed *feed_open(const char *path, char **error);
/* The same over memory that outlives the feed. */
struct feed *feed_open_memory(const uint8_t *data, size_t size, char **error);

/* Bytes stored at `to`; 0 at the end; FEED_AGAIN after a signal or when a pipe had nothing for 100 ms; FEED_BROKEN when
 * nothing more can be read, feed_broken() says why. */
ptrdiff_t feed_read(struct feed *feed, uint8_t *to, size_t room);
const char *feed_broken(const struct feed *feed);
bool feed_interrupted(const struct feed *feed); /* was the last FEED_AGAIN due to a signal? */

const char *feed_suffix(const struct feed *feed); /* "", " gzip", " zstd" */
uint64_t feed_position(const struct feed *feed);  /* bytes taken from the file, before decompression */
uint64_t feed_size(const struct feed *feed);      /* of the file now, 0 unknown */
void feed_close(struct feed *feed);

/* --- buffers --- */

#define FILE_BUFFER_LEAST ((size_t)512 << 10)

/* Those of all files of a capture. */
struct buffers {
	size_t size;         /* bytes of each */
	bool keep;           /* until buffers_let_go() */
	uint64_t reads;      /* calls that have handed out frames, */
	uint64_t gone;       /* ... of which these may have gone since */
	uint64_t waiting;    /* bytes of those that are kept */
	bool wanting;        /* there was no memory for another one */
	struct buffer *kept; /* a list, the first to go first */
	struct buffer *last;
	struct buffer *spare; /* a list */
};

void buffers_init(struct buffers *buffers, size_t size);

/* One of `size` bytes; NULL: no memory. */
uint8_t *buffers_take(struct buffers *buffers);
/* Nothing more will be handed out of it.  Accepts NULL. */
void buffers_give(struct buffers *buffers, uint8_t *octets);
/* What calls up to this one have handed out may go. */
void buffers_let_go(struct buffers *buffers, uint64_t until);
/* Does nobody look any more at whatever was handed out? */
static inline bool buffers_idle(const struct buffers *buffers)
{
	return !buffers->keep || buffers->gone >= buffers->reads;
}
void buffers_fini(struct buffers *buffers);

/* --- file --- */

struct file;

enum source_status {
	SOURCE_MORE,
	SOURCE_END,  /* with an empty batch only */
	SOURCE_GONE, /* live: an interface went away; with an empty batch only */
};

/* Reads the file's header and, as far as they are buffered, the blocks before the first frame.  `index` becomes each
 * frame's input and source; the buffers outlive the file.  *error is without the path.  Takes the feed, also when it fails. */
struct file *file_open(struct feed *feed, struct capture_input *input, uint16_t index, struct buffers *buffers, char **error);

/* Sets everything in the batch; ordinals are those among the file's own frames, their numbers.  The frames are borrowed until the
 * next call for the same file; if buffers are kept, until they go. */
enum source_status file_read(struct file *file, struct capture_batch *batch);
/* Whether it lost frames before some of the last batch, which have TCPAUDIT_FRAME_LOST. */
bool file_lost_some(const struct file *file);
/* Whether the file says that it lost frames behind the last one that was read. */
bool file_lost(const struct file *file);
void file_close(struct file *file);

/* --- live --- */

struct live;

/* Opens the interfaces; nothing comes yet.  `statistics`: count what the interfaces themselves drop. */
struct live *live_open(const char *const *names, size_t count, const struct capture_options *options,
                       struct capture_input *inputs, bool statistics, char **error);
/* Shares each interface with all that join the same groups: every packet goes to one of them.  A group of -1 is founded. */
bool live_join(struct live *live, int *groups, const struct capture_options *options, char **error);
/* From here on frames come. */
bool live_begin(struct live *live, const char *filter, char **error);
enum source_status live_read(struct live *live, struct capture_batch *batch);
void live_wake(struct live *live);
void live_hurry(struct live *live, bool hurry);
/* Percent of the fullest ring, as of the last reading of the counters. */
unsigned live_fullness(const struct live *live);
void live_stop(struct live *live, bool discard);
/* Drained: whether frames were dropped behind the last one. */
bool live_lost(const struct live *live);
void live_kernel(struct live *live, struct capture_kernel *kernel);
void live_close(struct live *live);

/* LINKTYPE_ values, as in files, and libpcap's DLT_ values, where they differ. */
int filter_dlt(uint16_t linktype);
uint16_t filter_linktype(int dlt);

#endif
