/* output.h - where records go: a file or standard output, in whole lines. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output;

/* NULL or "-" is standard output; a file is emptied when the first line comes,
 * and one that did not exist goes again if none comes.  NULL and *error (caller frees) if it cannot be opened. */
struct output *output_open(const char *path, char **error);

/* For a live capture: whoever gives records never waits for those who read them.  To be called before the first one. */
void output_never_wait(struct output *output);

/* The capture has ended: what is still to be told may wait again, as in files. */
void output_may_wait(struct output *output);

/* Takes whole lines: the last byte is a newline, and each newline ends a record.  They are written when much has come
 * together.  While the disk is full they wait in bounded memory (8 MiB; 64 of a live capture); beyond that they are lost, and
 * counted. */
void output_write(struct output *output, const char *lines, size_t length);

/* Memory in which the caller may compose one line, and its size, at least OUTPUT_LEND; NULL if there is none to spare.  Then output_commit()
 * takes it, like output_write() without copying; or nobody speaks of it again. */
#define OUTPUT_LEND (32 * 1024)
char *output_lend(struct output *output, size_t *size);
void output_commit(struct output *output, size_t length);

/* Counts records that got lost before they came here. */
void output_lose(struct output *output, uint64_t records);

/* Writes what is waiting.  false if some of it could not be written. */
bool output_flush(struct output *output);

/* Has what is waiting written soon, at best beside whatever the caller does.  false as far as it is known already that some of it
 * could not be written. */
bool output_push(struct output *output);

/* Goes on in a new file of the same name (log rotation); with standard output, and what is no regular file, nothing happens.
 * false and *error if it cannot be opened: then the old one stays. */
bool output_reopen(struct output *output, char **error);

/* Nothing can be written any more: all further records are lost. */
bool output_broken(const struct output *output);

/* ... because who read it has seen enough. */
bool output_reader_gone(const struct output *output);

/* The last attempt to write failed, and is made again; what comes waits meanwhile, as far as there is room. */
bool output_fails(const struct output *output);

/* Records taken, and those of them that will never be written. */
void output_counters(const struct output *output, uint64_t *records, uint64_t *lost);

/* The last error, or NULL if there was none; valid until the next call. */
const char *output_error(const struct output *output);

/* Whether it is the file with this path (`-`: the one that standard input reads), so that no input is overwritten. */
bool output_would_overwrite(const char *path, const char *input);

bool output_is_terminal(const struct output *output);

/* Writes what is waiting, counts the rest as lost in *lost, and frees.  Accepts NULL. */
void output_close(struct output *output, uint64_t *lost);

#endif
