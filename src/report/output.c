/* output.c - buffered writing of whole lines: interrupted and short writes, a full disk, a reader that went away.
 *
 * A torn line would spoil the record before it and the record after it.  So after a write that failed in the middle of a
 * line of a regular file, the file is cut back to the last whole line, and that line waits with the others.
 *
 * Much is written to a file by a thread beside, and all that a live capture tells: it has one piece, which it alone touches until
 * it is done, while the next one fills.  Who takes records waits for it only when that has become large, too; a live capture
 * never waits. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_CHUNK (256 * 1024)      /* written at once */
#define OUTPUT_PIECE (1024 * 1024)     /* ... by a thread beside, which is woken for each */
#define OUTPUT_LARGE (2 * 1024 * 1024) /* while the piece before is written: with that, far below the limit */
#define OUTPUT_LIMIT (8 * 1024 * 1024) /* waiting while nothing can be written */
#define OUTPUT_QUEUE (64 * 1024 * 1024) /* ... of a live capture, which may have a slow reader */

/* Whole lines. */
struct piece {
	char *bytes;
	size_t used;
	size_t capacity;
	uint64_t lines;
};

/* What came of writing one. */
struct outcome {
	uint64_t written; /* lines */
	int error;        /* errno, 0 none: then all of it was written */
};

struct writer {
	pthread_t thread;
	cpu_set_t processors; /* of the process, before it pins its workers */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	bool started;
	_Atomic bool busy; /* the piece is the thread's */
	bool ended;
	struct piece piece; /* what is left of it comes before all else */
	struct outcome outcome;
	size_t has; /* octets of the piece, at most: its owner's note */
};

struct output {
	int fd;
	char *path; /* NULL: standard output */
	struct piece piece; /* that fills */
	struct writer writer;
	uint64_t records; /* taken */
	uint64_t written;
	uint64_t refused; /* not taken: no room */
	bool regular;
	bool created; /* by this run, and nothing was told yet */
	bool stale;   /* it holds what another run told */
	bool live;    /* nobody waits */
	bool broken;  /* the reader went away, or there never was one: nothing more can be written */
	int error;    /* errno of the last failure, 0 none */
	time_t retry; /* monotonic second before which a failed write is not tried again */
};

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static int open_file(const char *path, int flags)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | flags, 0640);
}

static bool is_regular(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

#define PIECE_ROOM (OUTPUT_CHUNK + 64 * 1024) /* at first */

static bool piece_init(struct piece *piece)
{
	piece->capacity = PIECE_ROOM;
	piece->bytes = malloc(piece->capacity);
	return piece->bytes != NULL;
}

static void writer_init(struct writer *w)
{
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->done, NULL);
	if (sched_getaffinity(0, sizeof w->processors, &w->processors) != 0)
		CPU_ZERO(&w->processors);
}

/* Whatever is there stays until something is told: a run that has nothing to tell spoils nothing. */
static void open_path(struct output *output)
{
	output->fd = open_file(output->path, O_EXCL);
	output->created = output->fd >= 0;
	if (output->fd < 0 && errno == EEXIST)
		output->fd = open_file(output->path, 0);
}

struct output *output_open(const char *path, char **error)
{
	bool standard = path == NULL || strcmp(path, "-") == 0;
	struct output *output = calloc(1, sizeof *output);

	*error = NULL;
	if (output == NULL)
		return NULL;
	output->fd = -1;
	writer_init(&output->writer);
	output->path = standard ? NULL : strdup(path);
	if (!piece_init(&output->piece) || (!standard && output->path == NULL))
		goto fail;
	if (standard)
		output->fd = STDOUT_FILENO;
	else
		open_path(output);
	if (output->fd < 0) {
		if (asprintf(error, "%s: %s", path, errno == EINTR ? "interrupted" : strerror(errno)) < 0)
			*error = NULL;
		goto fail;
	}
	output->regular = is_regular(output->fd);
	output->stale = output->regular && !standard;
	return output;
fail:
	output_close(output, NULL);
	return NULL;
}

static uint64_t count_lines(const char *bytes, size_t length)
{
	const char *end = bytes + length, *newline;
	uint64_t lines = 0;

	while (bytes < end && (newline = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
		lines++;
		bytes = newline + 1;
	}
	return lines;
}

/* After `done` bytes a write failed.  Returns how many of them count as written. */
static size_t cut_back(const struct output *output, const struct piece *piece, size_t done)
{
	const char *newline = memrchr(piece->bytes, '\n', done);
	size_t whole = newline == NULL ? 0 : (size_t)(newline - piece->bytes) + 1;
	off_t end;

	if (!output->regular || whole == done)
		return done;
	end = lseek(output->fd, 0, SEEK_CUR) - (off_t)(done - whole);
	if (end < 0 || ftruncate(output->fd, end) != 0 || lseek(output->fd, end, SEEK_SET) < 0)
		return done;
	return whole;
}

/* What could not be written stays in the piece. */
static struct outcome write_piece(const struct output *output, struct piece *piece)
{
	struct outcome outcome = {.error = 0};
	size_t done = 0;

	if (piece->used == 0)
		return outcome;
	while (done < piece->used) {
		ssize_t n = write(output->fd, piece->bytes + done, piece->used - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) { /* a terminal or pipe that someone else made non-blocking */
			struct pollfd ready = {.fd = output->fd, .events = POLLOUT};

			poll(&ready, 1, 1000);
		} else if (n == 0 || errno != EINTR) {
			outcome.error = n == 0 ? EIO : errno;
			done = cut_back(output, piece, done);
			break;
		}
	}
	outcome.written = done == piece->used ? piece->lines : count_lines(piece->bytes, done);
	piece->lines -= outcome.written;
	piece->used -= done;
	memmove(piece->bytes, piece->bytes + done, piece->used);
	return outcome;
}

static void remember(struct output *output, struct outcome outcome)
{
	output->written += outcome.written;
	if (outcome.error == 0) {
		output->retry = outcome.written > 0 ? 0 : output->retry;
		return;
	}
	output->error = outcome.error;
	output->broken = outcome.error == EPIPE || outcome.error == EBADF;
	output->retry = now() + 1;
}

/* ---- the thread beside ---- */

static void *write_beside(void *user)
{
	struct output *output = user;
	struct writer *w = &output->writer;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->busy && !w->ended)
			pthread_cond_wait(&w->work, &w->lock);
		if (!w->busy)
			break;
		pthread_mutex_unlock(&w->lock);
		struct outcome outcome = write_piece(output, &w->piece);
		sync_file_range(output->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* now, and not all at once when it is closed */
		pthread_mutex_lock(&w->lock);
		w->outcome = outcome;
		w->busy = false;
		pthread_cond_signal(&w->done);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are not its business.  Without it there is no harm. */
static bool writer_starts(struct output *output)
{
	struct writer *w = &output->writer;
	sigset_t all, before;

	if (!output->regular && !output->live)
		return false;
	if (w->started)
		return true;
	if (w->piece.bytes == NULL && !piece_init(&w->piece))
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	w->started = pthread_create(&w->thread, NULL, write_beside, output) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (w->started && CPU_COUNT(&w->processors) > 0)
		pthread_setaffinity_np(w->thread, sizeof w->processors, &w->processors);
	return w->started;
}

/* Its piece is the caller's again. */
static void await_writer(struct output *output)
{
	struct writer *w = &output->writer;

	if (!w->started)
		return;
	pthread_mutex_lock(&w->lock);
	while (w->busy)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
	remember(output, w->outcome);
	w->outcome = (struct outcome){.error = 0};
	w->has = w->piece.used;
}

static void writer_ends(struct writer *w)
{
	if (w->started) {
		pthread_mutex_lock(&w->lock);
		w->ended = true;
		pthread_cond_signal(&w->work);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->done);
	free(w->piece.bytes);
}

bool output_flush(struct output *output)
{
	await_writer(output);
	if (output->broken)
		return false;
	remember(output, write_piece(output, &output->writer.piece));
	output->writer.has = output->writer.piece.used;
	if (output->writer.piece.used == 0)
		remember(output, write_piece(output, &output->piece));
	return output->writer.piece.used + output->piece.used == 0;
}

/* What was needed while somebody was slow is given back. */
static void piece_shrink(struct piece *piece)
{
	char *bytes = piece->capacity > OUTPUT_LIMIT && piece->used == 0 ? realloc(piece->bytes, PIECE_ROOM) : NULL;

	if (bytes == NULL)
		return;
	piece->bytes = bytes;
	piece->capacity = PIECE_ROOM;
}

/* The thread's turn: with what is left of its piece, else with what has filled. */
static void hand_over(struct output *output)
{
	struct writer *w = &output->writer;

	pthread_mutex_lock(&w->lock);
	if (w->piece.used == 0) {
		struct piece full = output->piece;
		output->piece = w->piece;
		w->piece = full;
		piece_shrink(&output->piece);
	}
	w->has = w->piece.used;
	w->busy = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

bool output_push(struct output *output)
{
	struct writer *w = &output->writer;

	if (!writer_starts(output))
		return output_flush(output);
	if (atomic_load(&w->busy) && (output->live || output->piece.used < OUTPUT_LARGE))
		return true;
	await_writer(output);
	if (output->broken || (output->retry != 0 && now() < output->retry))
		return false;
	if (w->piece.used > 0 && !output->live) /* it has failed */
		return output_flush(output);
	if (w->piece.used + output->piece.used > 0)
		hand_over(output);
	return true;
}

void output_never_wait(struct output *output)
{
	output->live = true;
}

void output_may_wait(struct output *output)
{
	if (!output->live)
		return;
	output_flush(output); /* while all of it has room */
	output->live = false;
}

/* Without memory for more, what waits makes room by being written: at once, or by the thread beside, if nobody waits for it. */
static bool write_for_room(struct output *output, size_t more)
{
	if (output->retry != 0 && now() < output->retry)
		return false;
	if (output->live)
		output_push(output);
	else
		output_flush(output);
	return !output->broken && output->piece.capacity - output->piece.used >= more;
}

/* Room for `more` bytes beside those that could not be written yet. */
static bool make_room(struct output *output, size_t more)
{
	struct piece *piece = &output->piece;
	size_t limit = output->live ? OUTPUT_QUEUE : OUTPUT_LIMIT, needed = piece->used + more, capacity = piece->capacity;
	char *bytes;

	if (piece->used > 0 && needed + output->writer.has > limit)
		return false;
	if (capacity >= needed)
		return true;
	while (capacity < needed)
		capacity *= 2;
	if (needed <= limit && capacity > limit)
		capacity = limit;
	if ((bytes = realloc(piece->bytes, capacity)) == NULL)
		return write_for_room(output, more);
	piece->bytes = bytes;
	piece->capacity = capacity;
	return true;
}

/* Before the first line. */
static void begin(struct output *output)
{
	output->created = false;
	if (output->stale && ftruncate(output->fd, 0) != 0) {
		output->error = errno;
		output->broken = true;
	}
	output->stale = false;
}

/* What was put behind the waiting lines is one of them now. */
static void take(struct output *output, uint64_t lines, size_t length)
{
	if (output->created || output->stale)
		begin(output);
	output->piece.lines += lines;
	output->piece.used += length;
	if (output->piece.used >= (output->regular ? OUTPUT_PIECE : OUTPUT_CHUNK) && (output->retry == 0 || now() >= output->retry))
		output_push(output);
}

void output_write(struct output *output, const char *lines, size_t length)
{
	uint64_t count = count_lines(lines, length);

	output->records += count;
	if (output->broken || !make_room(output, length)) {
		output->refused += count;
		return;
	}
	memcpy(output->piece.bytes + output->piece.used, lines, length);
	take(output, count, length);
}

char *output_lend(struct output *output, size_t *size)
{
	if (output->broken || !make_room(output, OUTPUT_LEND))
		return NULL;
	*size = output->piece.capacity - output->piece.used;
	return output->piece.bytes + output->piece.used;
}

void output_commit(struct output *output, size_t length)
{
	output->records++;
	take(output, 1, length);
}

void output_lose(struct output *output, uint64_t records)
{
	output->records += records;
	output->refused += records;
}

bool output_reopen(struct output *output, char **error)
{
	int fd;

	*error = NULL;
	if (output->path == NULL || !output->regular) /* who reads a pipe may be slow, or gone: neither is waited for */
		return true;
	output_flush(output);
	if ((fd = open_file(output->path, O_NONBLOCK)) < 0) { /* nor for a reader of a FIFO that stands there now */
		if (asprintf(error, "%s: %s", output->path, strerror(errno)) < 0)
			*error = NULL;
		return false;
	}
	close(output->fd);
	output->fd = fd;
	output->regular = is_regular(fd);
	output->broken = false;
	output->retry = 0;
	return true;
}

bool output_broken(const struct output *output)
{
	return output->broken;
}

bool output_reader_gone(const struct output *output)
{
	return output->broken && output->error == EPIPE;
}

bool output_fails(const struct output *output)
{
	return output->retry != 0 && !output->broken;
}

void output_counters(const struct output *output, uint64_t *records, uint64_t *lost)
{
	*records = output->records;
	*lost = output->broken ? output->records - output->written : output->refused;
}

const char *output_error(const struct output *output)
{
	return output->error == 0 ? NULL : strerror(output->error);
}

bool output_would_overwrite(const char *path, const char *input)
{
	struct stat a, b;

	if (path == NULL || strcmp(path, "-") == 0 || stat(path, &a) != 0)
		return false;
	int there = strcmp(input, "-") == 0 ? fstat(STDIN_FILENO, &b) : stat(input, &b);
	return there == 0 && S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool output_is_terminal(const struct output *output)
{
	return isatty(output->fd) == 1;
}

/* Unless it is another file by now. */
static void remove_empty(const struct output *output)
{
	struct stat own, there;

	if (output->regular && fstat(output->fd, &own) == 0 && lstat(output->path, &there) == 0 && own.st_dev == there.st_dev &&
	    own.st_ino == there.st_ino && own.st_size == 0)
		unlink(output->path);
}

void output_close(struct output *output, uint64_t *lost)
{
	if (output == NULL)
		return;
	if (output->fd >= 0)
		output_flush(output);
	writer_ends(&output->writer);
	if (output->created)
		remove_empty(output);
	if (lost != NULL)
		*lost = output->records - output->written;
	if (output->path != NULL && output->fd >= 0 && close(output->fd) != 0 && lost != NULL && *lost == 0)
		*lost = 1; /* some file systems report a full disk only here; how much is gone they do not say */
	free(output->piece.bytes);
	free(output->path);
	free(output);
}
