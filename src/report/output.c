/* output.c - buffered writing of whole lines: interrupted and short writes, a full disk, a reader that went away.
 *
 * A torn line would spoil the record before it and the record after it.  So after a write that failed in the middle of a
 * line of a regular file, the file is cut back to the last whole line, and that line waits with the others. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_CHUNK (256 * 1024)      /* written at once */
#define OUTPUT_LIMIT (8 * 1024 * 1024) /* waiting while nothing can be written */

struct output {
	int fd;
	char *path; /* NULL: standard output */
	char *buffer;
	size_t used;
	size_t capacity;
	uint64_t lines;   /* in the buffer */
	uint64_t records; /* taken */
	uint64_t written;
	uint64_t refused; /* not taken: no room */
	bool regular;
	bool broken;  /* the reader went away */
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
	int fd;

	do
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | flags, 0640);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static bool is_regular(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

struct output *output_open(const char *path, char **error)
{
	bool standard = path == NULL || strcmp(path, "-") == 0;
	struct output *output = calloc(1, sizeof *output);

	*error = NULL;
	if (output == NULL)
		return NULL;
	output->fd = -1;
	output->capacity = OUTPUT_CHUNK + 64 * 1024;
	output->buffer = malloc(output->capacity);
	output->path = standard ? NULL : strdup(path);
	if (output->buffer == NULL || (!standard && output->path == NULL))
		goto fail;
	output->fd = standard ? STDOUT_FILENO : open_file(path, O_TRUNC);
	if (output->fd < 0) {
		if (asprintf(error, "%s: %s", path, strerror(errno)) < 0)
			*error = NULL;
		goto fail;
	}
	output->regular = is_regular(output->fd);
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
static size_t cut_back(struct output *output, size_t done)
{
	const char *newline = memrchr(output->buffer, '\n', done);
	size_t whole = newline == NULL ? 0 : (size_t)(newline - output->buffer) + 1;
	off_t end;

	if (!output->regular || whole == done)
		return done;
	end = lseek(output->fd, 0, SEEK_CUR) - (off_t)(done - whole);
	if (end < 0 || ftruncate(output->fd, end) != 0 || lseek(output->fd, end, SEEK_SET) < 0)
		return done;
	return whole;
}

static void remember_failure(struct output *output, int error)
{
	output->error = error;
	output->broken = error == EPIPE || error == EBADF;
	output->retry = now() + 1;
}

bool output_flush(struct output *output)
{
	uint64_t lines;
	size_t done = 0;

	if (output->broken)
		return false;
	while (done < output->used) {
		ssize_t n = write(output->fd, output->buffer + done, output->used - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) { /* a terminal or pipe that someone else made non-blocking */
			struct pollfd ready = {.fd = output->fd, .events = POLLOUT};

			poll(&ready, 1, 1000);
		} else if (n == 0 || errno != EINTR) {
			remember_failure(output, n == 0 ? EIO : errno);
			done = cut_back(output, done);
			break;
		}
	}
	lines = done == output->used ? output->lines : count_lines(output->buffer, done);
	output->written += lines;
	output->lines -= lines;
	output->used -= done;
	memmove(output->buffer, output->buffer + done, output->used);
	return output->used == 0;
}

/* Room for `more` bytes beside those that could not be written yet. */
static bool make_room(struct output *output, size_t more)
{
	size_t capacity = output->capacity;
	char *buffer;

	if (capacity - output->used >= more)
		return true;
	while (capacity - output->used < more)
		capacity *= 2;
	if (capacity > OUTPUT_LIMIT && output->used > 0)
		return false;
	if ((buffer = realloc(output->buffer, capacity)) == NULL)
		return false;
	output->buffer = buffer;
	output->capacity = capacity;
	return true;
}

/* What was put behind the waiting lines is one of them now. */
static void take(struct output *output, uint64_t lines, size_t length)
{
	output->lines += lines;
	output->used += length;
	if (output->used >= OUTPUT_CHUNK && (output->retry == 0 || now() >= output->retry) && output_flush(output))
		output->retry = 0;
}

void output_write(struct output *output, const char *lines, size_t length)
{
	uint64_t count = count_lines(lines, length);

	output->records += count;
	if (output->broken || !make_room(output, length)) {
		output->refused += count;
		return;
	}
	memcpy(output->buffer + output->used, lines, length);
	take(output, count, length);
}

char *output_lend(struct output *output, size_t *size)
{
	if (output->broken || !make_room(output, OUTPUT_LEND))
		return NULL;
	*size = output->capacity - output->used;
	return output->buffer + output->used;
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
	if (output->path == NULL)
		return true;
	output_flush(output);
	if ((fd = open_file(output->path, 0)) < 0) {
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

	return path != NULL && strcmp(path, "-") != 0 && stat(path, &a) == 0 && stat(input, &b) == 0 && S_ISREG(a.st_mode) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool output_is_terminal(const struct output *output)
{
	return isatty(output->fd) == 1;
}

void output_close(struct output *output, uint64_t *lost)
{
	if (output == NULL)
		return;
	if (output->fd >= 0)
		output_flush(output);
	if (lost != NULL)
		*lost = output->records - output->written;
	if (output->path != NULL && output->fd >= 0 && close(output->fd) != 0 && lost != NULL && *lost == 0)
		*lost = 1; /* some file systems report a full disk only here; how much is gone they do not say */
	free(output->buffer);
	free(output->path);
	free(output);
}
