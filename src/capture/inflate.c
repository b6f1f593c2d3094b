/* inflate.c - the bytes of one file in order: plain, gzip or zstd, told apart by their first bytes.
 *
 * Plain files go by large read()s straight into the reader's buffer (never mmap: a file cut while it is read would kill
 * the process).  Pipes are polled, so that a signal or a timer of the caller waits 100 ms at most.  Damage in compressed
 * data is reported only after everything before it has been handed out. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
	PREFIX = 4096,   /* read at first, to see what it is */
	RAW = 256 << 10, /* compressed bytes held */
	PIPE = 1 << 20,
	PATIENCE = 100,      /* ms to wait for a pipe */
	ZSTD_WINDOW_LOG = 27 /* 128 MiB, what the zstd program accepts without being asked */
};

struct feed {
	ptrdiff_t (*read)(struct feed *feed, uint8_t *to, size_t room);
	const char *suffix;
	int fd; /* -1: memory */
	const uint8_t *memory;
	uint64_t memory_size;
	bool regular;
	bool interrupted;
	uint64_t position;
	const char *broken;
	uint8_t prefix[PREFIX];
	size_t prefix_at, prefix_end;
	uint8_t *raw; /* compressed bytes that wait for the decompressor */
	size_t raw_at, raw_end;
	bool inside;    /* in the middle of a gzip member or zstd frame */
	bool held_back; /* the last output filled its room: the decompressor may have more without input */
	z_stream gzip;
	bool gzip_ready;
	ZSTD_DStream *zstd;
};

static ptrdiff_t raw_again(struct feed *feed, bool interrupted)
{
	feed->interrupted = interrupted;
	return FEED_AGAIN;
}

/* Bytes as they are in the file. */
static ptrdiff_t raw_read(struct feed *feed, uint8_t *to, size_t room)
{
	if (feed->fd < 0) {
		uint64_t left = feed->memory_size - feed->position;
		size_t n = left < room ? (size_t)left : room;
		if (n > 0)
			memcpy(to, feed->memory + feed->position, n);
		feed->position += n;
		return (ptrdiff_t)n;
	}
	if (!feed->regular) {
		struct pollfd wait = {.fd = feed->fd, .events = POLLIN};
		int ready = poll(&wait, 1, PATIENCE);
		if (ready <= 0)
			return raw_again(feed, ready < 0 && errno == EINTR);
	}
	ssize_t n = read(feed->fd, to, room);
	if (n < 0) {
		if (errno == EINTR || errno == EAGAIN)
			return raw_again(feed, errno == EINTR);
		feed->broken = strerror(errno);
		return FEED_BROKEN;
	}
	feed->position += (uint64_t)n;
	return n;
}

static ptrdiff_t plain_read(struct feed *feed, uint8_t *to, size_t room)
{
	size_t n = feed->prefix_end - feed->prefix_at;
	if (n == 0)
		return raw_read(feed, to, room);
	if (n > room)
		n = room;
	memcpy(to, feed->prefix + feed->prefix_at, n);
	feed->prefix_at += n;
	return (ptrdiff_t)n;
}

/* More compressed bytes, if there are none: 1, else what raw_read() said. */
static ptrdiff_t raw_fill(struct feed *feed)
{
	if (feed->raw_at < feed->raw_end)
		return 1;
	feed->raw_at = feed->raw_end = 0;
	ptrdiff_t n = plain_read(feed, feed->raw, RAW);
	if (n > 0)
		feed->raw_end = (size_t)n;
	return n > 0 ? 1 : n;
}

/* Between two gzip members, or behind the last one: padding with zeros is usual and not damage. */
static bool gzip_next_member(struct feed *feed)
{
	while (feed->raw_at < feed->raw_end && feed->raw[feed->raw_at] == 0)
		feed->raw_at++;
	if (feed->raw_at == feed->raw_end)
		return false;
	if (feed->raw[feed->raw_at] != 0x1f) {
		feed->broken = "other bytes follow the gzip data";
		return false;
	}
	feed->inside = inflateReset(&feed->gzip) == Z_OK;
	return feed->inside;
}

static ptrdiff_t gzip_read(struct feed *feed, uint8_t *to, size_t room)
{
	z_stream *z = &feed->gzip;
	z->next_out = to;
	z->avail_out = (uInt)room;
	while (z->avail_out == room && feed->broken == NULL) {
		ptrdiff_t got = feed->held_back ? 1 : raw_fill(feed);
		if (got == 0 && feed->inside)
			feed->broken = "the gzip data end early";
		if (got <= 0)
			return feed->broken ? FEED_BROKEN : got;
		if (!feed->held_back && !feed->inside && !gzip_next_member(feed))
			continue;
		z->next_in = feed->raw + feed->raw_at;
		z->avail_in = (uInt)(feed->raw_end - feed->raw_at);
		int status = inflate(z, Z_NO_FLUSH);
		feed->raw_at = feed->raw_end - z->avail_in;
		feed->held_back = z->avail_out == 0 && status == Z_OK;
		if (status == Z_STREAM_END)
			feed->inside = false;
		else if (status != Z_OK && status != Z_BUF_ERROR)
			feed->broken = status == Z_MEM_ERROR ? "out of memory" : "the gzip data are damaged";
	}
	size_t n = room - z->avail_out;
	return n > 0 ? (ptrdiff_t)n : FEED_BROKEN;
}

static ptrdiff_t zstd_read(struct feed *feed, uint8_t *to, size_t room)
{
	ZSTD_outBuffer out = {.dst = to, .size = room};
	while (out.pos == 0 && feed->broken == NULL) {
		ptrdiff_t got = feed->held_back ? 1 : raw_fill(feed);
		if (got == 0 && feed->inside)
			feed->broken = "the zstd data end early";
		if (got <= 0)
			return feed->broken ? FEED_BROKEN : got;
		ZSTD_inBuffer in = {.src = feed->raw, .size = feed->raw_end, .pos = feed->raw_at};
		size_t hint = ZSTD_decompressStream(feed->zstd, &out, &in);
		feed->raw_at = in.pos;
		if (ZSTD_isError(hint))
			feed->broken = ZSTD_getErrorName(hint);
		feed->inside = hint != 0;
		feed->held_back = out.pos == room && feed->inside;
	}
	return out.pos > 0 ? (ptrdiff_t)out.pos : FEED_BROKEN;
}

static bool gzip_start(struct feed *feed)
{
	feed->gzip_ready = inflateInit2(&feed->gzip, 15 + 16) == Z_OK;
	return feed->gzip_ready;
}

static bool zstd_start(struct feed *feed)
{
	feed->zstd = ZSTD_createDStream();
	return feed->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(feed->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
}

static const struct compression {
	const char *suffix;
	size_t magic_len;
	uint8_t magic[4];
	bool (*start)(struct feed *feed);
	ptrdiff_t (*read)(struct feed *feed, uint8_t *to, size_t room);
} compressions[] = {
        {" gzip", 3, {0x1f, 0x8b, 0x08}, gzip_start, gzip_read},
        {" zstd", 4, {0x28, 0xb5, 0x2f, 0xfd}, zstd_start, zstd_read},
        {" zstd", 4, {0x50, 0x2a, 0x4d, 0x18}, zstd_start, zstd_read}, /* a skippable frame, as pzstd begins */
};

/* Reads until the first four bytes are there, or the file ends. */
static bool prefix_read(struct feed *feed, char **error)
{
	while (feed->prefix_end < 4) {
		ptrdiff_t n = raw_read(feed, feed->prefix + feed->prefix_end, PREFIX - feed->prefix_end);
		if (n == 0)
			break;
		if (n == FEED_BROKEN)
			return source_error(error, "%s", feed->broken);
		if (n == FEED_AGAIN && feed->interrupted)
			return source_error(error, "interrupted");
		if (n > 0)
			feed->prefix_end += (size_t)n;
	}
	if (feed->prefix_end == 0)
		return source_error(error, "empty file");
	return true;
}

static bool recognise(struct feed *feed, char **error)
{
	if (!prefix_read(feed, error))
		return false;
	feed->read = plain_read;
	feed->suffix = "";
	for (size_t i = 0; i < sizeof compressions / sizeof compressions[0]; i++) {
		const struct compression *c = &compressions[i];
		if (feed->prefix_end < c->magic_len || memcmp(feed->prefix, c->magic, c->magic_len) != 0)
			continue;
		feed->read = c->read;
		feed->suffix = c->suffix;
		feed->inside = true;
		feed->raw = malloc(RAW);
		if (!feed->raw || !c->start(feed))
			return source_error(error, "out of memory");
	}
	return true;
}

static bool open_path(struct feed *feed, const char *path, char **error)
{
	bool standard_input = strcmp(path, "-") == 0;
	/* A copy of standard input, so that closing it is the same for all. */
	feed->fd = standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (feed->fd < 0)
		return source_error(error, "%s", errno == EINTR ? "interrupted" : strerror(errno));
	struct stat status;
	if (fstat(feed->fd, &status) < 0)
		return source_error(error, "%s", strerror(errno));
	if (S_ISDIR(status.st_mode))
		return source_error(error, "is a directory");
	feed->regular = S_ISREG(status.st_mode);
#ifdef F_SETPIPE_SZ
	if (S_ISFIFO(status.st_mode))
		(void)fcntl(feed->fd, F_SETPIPE_SZ, PIPE); /* fewer wake-ups; as good without */
#endif
	return true;
}

static struct feed *feed_new(void)
{
	struct feed *feed = calloc(1, sizeof *feed);
	if (feed)
		feed->fd = -1;
	return feed;
}

struct feed *feed_open(const char *path, char **error)
{
	struct feed *feed = feed_new();
	if (!feed)
		source_error(error, "out of memory");
	else if (!open_path(feed, path, error) || !recognise(feed, error)) {
		feed_close(feed);
		feed = NULL;
	}
	return feed;
}

struct feed *feed_open_memory(const uint8_t *data, size_t size, char **error)
{
	struct feed *feed = feed_new();
	if (!feed) {
		source_error(error, "out of memory");
		return NULL;
	}
	feed->memory = data;
	feed->memory_size = size;
	if (!recognise(feed, error)) {
		feed_close(feed);
		feed = NULL;
	}
	return feed;
}

ptrdiff_t feed_read(struct feed *feed, uint8_t *to, size_t room)
{
	return feed->read(feed, to, room);
}

const char *feed_broken(const struct feed *feed)
{
	return feed->broken;
}

bool feed_interrupted(const struct feed *feed)
{
	return feed->interrupted;
}

const char *feed_suffix(const struct feed *feed)
{
	return feed->suffix;
}

uint64_t feed_position(const struct feed *feed)
{
	return feed->position - (feed->raw_end - feed->raw_at) - (feed->prefix_end - feed->prefix_at);
}

uint64_t feed_size(const struct feed *feed)
{
	struct stat status;
	if (feed->fd < 0)
		return feed->memory_size;
	if (!feed->regular || fstat(feed->fd, &status) < 0)
		return 0;
	return (uint64_t)status.st_size;
}

void feed_close(struct feed *feed)
{
	if (!feed)
		return;
	if (feed->fd >= 0)
		close(feed->fd);
	if (feed->gzip_ready)
		inflateEnd(&feed->gzip);
	ZSTD_freeDStream(feed->zstd);
	free(feed->raw);
	free(feed);
}
