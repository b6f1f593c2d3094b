/* file.c - the frames of one capture file, of either format (file_pcap.c, file_pcapng.c).
 *
 * Our own reader and not libpcap's, because that gives up a pcapng whose interfaces differ, hides drop counts and damaged
 * lengths, and takes four times as long.  Every byte of the file is either consumed by a whole record or block, or
 * counted as unread behind the first damage: there is no search for the next good record.  Nothing is allocated by what
 * the file says, but the table of a section's interfaces, which has a limit.
 *
 * Frame numbers are those of Wireshark 4.0. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "file_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- damage --- */

enum walk file_damage(struct file *file, uint64_t at, const char *format, ...)
{
	struct capture_input *input = file->input;
	char text[160];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	source_error(&input->error, "%s", text);
	input->damage_offset = at;
	uint64_t known = file->offset + (file->end - file->begin);
	uint64_t size = feed_suffix(file->feed)[0] == '\0' ? feed_size(file->feed) : 0;
	if (size > known)
		known = size;
	input->bytes_unread = known - at;
	file->ended = true;
	return WALK_DAMAGE;
}

enum walk file_claims(struct file *file, uint64_t length)
{
	return file_damage(file, file->offset, "%s claims %" PRIu64 " bytes", file->what, length);
}

/* --- the file's header --- */

/* What a user may have instead of a capture. */
static const struct stranger {
	const char *advice;
	size_t magic_len;
	const char *magic;
} strangers[] = {
        {": xz, unpack it first", 6,
         "\xfd"
         "7zXZ"},
        {": bzip2, unpack it first", 3, "BZh"},
        {": lz4, unpack it first", 4, "\x04\x22\x4d\x18"},
        {": snoop, convert it with editcap", 5, "snoop"},
};

static bool not_a_capture(const struct file *file, char **error)
{
	const uint8_t *p = file->buffer;
	size_t have = file->end;
	const char *advice = "";
	for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
		if (have >= strangers[i].magic_len && memcmp(p, strangers[i].magic, strangers[i].magic_len) == 0)
			advice = strangers[i].advice;
	if (have < 4)
		return source_error(error, "not a capture file (%zu bytes)", have);
	return source_error(error, "not a capture file (starts with %02x %02x %02x %02x%s)", p[0], p[1], p[2], p[3], advice);
}

/* Reads until n bytes of the header are there.  Pipes are waited for; a signal ends the waiting. */
static bool header_read(struct file *file, size_t n, char **error)
{
	while (file->end < n) {
		ptrdiff_t got = feed_read(file->feed, file->buffer + file->end, file->capacity - file->end);
		if (got == 0)
			return false;
		if (got == FEED_BROKEN)
			return source_error(error, "%s", feed_broken(file->feed));
		if (got == FEED_AGAIN && feed_interrupted(file->feed))
			return source_error(error, "interrupted");
		if (got > 0)
			file->end += (size_t)got;
	}
	return true;
}

static bool header_short(const struct file *file, size_t n, char **error)
{
	if (*error)
		return false;
	return source_error(error, "ends inside the file header (%zu of %zu bytes)", file->end, n);
}

static bool header(struct file *file, char **error)
{
	static const char *const formats[2][3] = {
	        {"pcap", "pcap gzip", "pcap zstd"},
	        {"pcapng", "pcapng gzip", "pcapng zstd"},
	};
	const char *suffix = feed_suffix(file->feed);

	*error = NULL;
	file->input->packed = suffix[0] != '\0';
	if (!header_read(file, 4, error))
		return *error ? false : not_a_capture(file, error);
	size_t pcapng = pcapng_recognised(file), length = pcapng ? pcapng : pcap_recognised(file);
	file->input->format = formats[pcapng != 0][suffix[0] == '\0' ? 0 : suffix[1] == 'g' ? 1 : 2];
	if (length == 0)
		return not_a_capture(file, error);
	if (!header_read(file, length, error))
		return header_short(file, length, error);
	if (pcapng ? pcapng_begin(file, error) : pcap_begin(file, length, error))
		return true;
	return *error ? false : not_a_capture(file, error);
}

/* --- reading --- */

/* The file ended, or cannot be read on, before what began was complete. */
static void cut(struct file *file)
{
	size_t have = file->end - file->begin;
	const char *broken = feed_broken(file->feed);
	uint64_t at = file->skip_length > 0 ? file->skip_from : file->offset;
	if (broken)
		file_damage(file, at, "%s, behind offset %" PRIu64, broken, file->offset + have);
	else if (file->skip_length > 0)
		file_damage(file, at, "ends inside a %s, %" PRIu64 " of %" PRIu32 " bytes", file->what, file->offset + have - at,
		       file->skip_length);
	else if (have > 0)
		file_damage(file, at, "ends inside a %s, %zu of %zu bytes", file->what, have, file->need);
	file->ended = true;
}

/* Moves what is left to the front, where the rest has room behind it: of another buffer, if somebody looks at frames in this one.
 * A pipe often has little at a time: what fits behind that needs no other buffer.  false: no memory now. */
static bool make_room(struct file *file)
{
	size_t have = file->end - file->begin, room = file->capacity - file->end;
	uint8_t *to = file->buffer;
	if (!buffers_idle(file->buffers)) {
		if (file->begin == 0 || (have + room >= file->need && room >= file->capacity / 4))
			return true;
		if ((to = buffers_take(file->buffers)) == NULL)
			return false;
	}
	memmove(to, file->buffer + file->begin, have);
	if (to != file->buffer)
		buffers_give(file->buffers, file->buffer);
	file->buffer = to;
	file->begin = 0;
	file->end = have;
	return true;
}

/* So little, so that what was read is still near the processor when it is looked at. */
#define AT_ONCE ((size_t)128 << 10)

/* Reads behind what is left.  Returns how many octets came. */
static size_t refill(struct file *file)
{
	if (!make_room(file))
		return 0; /* capture_crowded() says so */
	size_t room = file->capacity - file->end;
	ptrdiff_t got = feed_read(file->feed, file->buffer + file->end, room < AT_ONCE ? room : AT_ONCE);
	if (got > 0) {
		file->end += (size_t)got;
		return (size_t)got;
	}
	if (got != FEED_AGAIN)
		cut(file);
	return 0;
}

enum source_status file_read(struct file *file, struct capture_batch *batch)
{
	batch->count = 0;
	file->lost_some = false;
	enum walk result = file->ended ? WALK_DAMAGE : file->walk(file, batch);
	/* A buffer's worth a call, so that a file of nothing but unknown blocks does not keep signals waiting.  Who had less at once is
	 * a pipe, which may be slow. */
	size_t most = file->capacity, got = AT_ONCE;
	for (; result == WALK_SHORT && batch->count == 0 && got == AT_ONCE && most >= AT_ONCE; most -= AT_ONCE)
		if ((got = refill(file)) > 0)
			result = file->walk(file, batch);
	struct capture_input *input = file->input;
	input->packets += batch->count;
	input->bytes = file->skip_length > 0 ? file->skip_from : file->offset;
	input->position = feed_position(file->feed);
	if (input->size > 0 && input->position > input->size)
		input->size = input->position; /* it grows */
	return file->ended && batch->count == 0 ? SOURCE_END : SOURCE_MORE;
}

struct file *file_open(struct feed *feed, struct capture_input *input, uint16_t index, struct buffers *buffers, char **error)
{
	struct file *file = calloc(1, sizeof *file);
	if (!file) {
		feed_close(feed);
		source_error(error, "out of memory");
		return NULL;
	}
	file->feed = feed;
	file->input = input;
	file->index = index;
	file->buffers = buffers;
	file->capacity = buffers->size;
	file->buffer = buffers_take(buffers);
	input->size = feed_size(feed);
	char *reason = NULL;
	bool good = file->buffer ? header(file, &reason) : source_error(&reason, "out of memory");
	if (good)
		return file;
	*error = reason;
	file_close(file);
	return NULL;
}

bool file_lost_some(const struct file *file)
{
	return file->lost_some;
}

bool file_lost(const struct file *file)
{
	return file->lost;
}

void file_close(struct file *file)
{
	if (!file)
		return;
	feed_close(file->feed);
	free(file->interface);
	buffers_give(file->buffers, file->buffer);
	free(file);
}
