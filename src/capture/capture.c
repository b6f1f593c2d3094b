/* capture.c - one capture out of several inputs.
 *
 * A single file goes straight through.  Several files are merged by the time of each one's next frame and never reordered
 * inside, so that a file keeps the order in which it was written.  Here every frame gets its ordinal, and frames of files
 * meet the user's filter.  The order of live interfaces is live.c's. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "source.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUFFER = 1 << 20,   /* of a file that is read alone or with few others */
	BUFFER_FEW = 8,     /* so many; beyond, each gets FILE_BUFFER_LEAST */
	KEPT_MOST = 32 << 20, /* bytes of those whose frames somebody looks at */
	INPUTS_MOST = 65535 /* frames number them in 16 bits */
};

enum { LINUX_SLL = 113, LINUX_SLL2 = 276 };

/* Frames of one file that wait for their turn. */
struct lookahead {
	struct file *file;
	struct capture_batch batch;
	size_t next;
	bool ended;
};

struct capture {
	struct live *live;
	struct lookahead *files;
	size_t count;
	struct buffers buffers; /* of the files */
	struct capture_input *inputs;
	struct filter *filter; /* files only: live it is the kernel's */
	uint64_t prefix; /* of ordinals: the worker */
	uint64_t ordinal;
	bool lost; /* frames before the next one that is to be analysed, */
	bool torn; /* ... because the file before it is damaged */
	bool stopped;
};

bool source_error(char **error, const char *format, ...)
{
	if (!error)
		return false;
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	*error = length < 0 ? NULL : malloc((size_t)length + 1);
	if (*error)
		vsnprintf(*error, (size_t)length + 1, format, again);
	va_end(again);
	va_end(arguments);
	return false;
}

void source_linktype(struct capture_input *input, uint16_t linktype)
{
	input->cooked |= linktype == LINUX_SLL || linktype == LINUX_SLL2;
	for (size_t i = 0; i < input->linktypes; i++)
		if (input->linktype[i] == linktype)
			return;
	if (input->linktypes < sizeof input->linktype / sizeof input->linktype[0])
		input->linktype[input->linktypes++] = linktype;
}

/* Linux cooked captures say which packets the host itself sent: packet type 4. */
static bool cooked_outbound(const struct tcpaudit_frame *frame)
{
	if (frame->linktype == LINUX_SLL)
		return frame->caplen >= 2 && frame->data[0] == 0 && frame->data[1] == 4;
	if (frame->linktype == LINUX_SLL2)
		return frame->caplen >= 11 && frame->data[10] == 4;
	return false;
}

static void mark_outbound(const struct capture *capture, struct capture_batch *batch)
{
	if (capture->count == 1 && !capture->inputs[0].cooked)
		return;
	for (size_t i = 0; i < batch->count; i++)
		if (cooked_outbound(&batch->frame[i]))
			batch->frame[i].flags |= TCPAUDIT_FRAME_OUTBOUND;
}

/* Gives the frames of several inputs their ordinals.  True: some tell of losses. */
static bool number(struct capture *capture, struct capture_batch *batch)
{
	const uint64_t prefix = capture->prefix, ordinal = capture->ordinal + 1;
	const size_t count = batch->count;
	unsigned flags = 0;

	for (size_t i = 0; i < count; i++) {
		batch->frame[i].ordinal = prefix | ((ordinal + i) & ((UINT64_C(1) << CAPTURE_ORDINAL_BITS) - 1));
		flags |= batch->frame[i].flags;
	}
	capture->ordinal += count;
	return flags & TCPAUDIT_FRAME_LOST;
}

/* A file that is read alone has numbered its frames.  True: the batch tells of losses. */
static bool complete(struct capture *capture, struct capture_batch *batch)
{
	const bool alone = !capture->live && capture->count == 1;
	const bool losses = alone ? file_lost_some(capture->files[0].file) : number(capture, batch);

	mark_outbound(capture, batch);
	return losses || capture->lost || capture->torn;
}

static const uint8_t fate_of_verdict[] = {
        [FILTER_REJECTS] = TCPAUDIT_FATE_FILTER,
        [FILTER_MATCHES] = TCPAUDIT_FATE_TCP,
        /* What the filter cannot look into, was not looked into: that must not pass for "the user did not want it". */
        [FILTER_CANNOT] = TCPAUDIT_FATE_LINKTYPE,
};

static void filter_batch(struct filter *filter, struct capture_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct tcpaudit_frame *frame = &batch->frame[i];
		if (batch->fate[i] != TCPAUDIT_FATE_TCP)
			continue;
		batch->fate[i] =
		        fate_of_verdict[filter_match(filter, frame->linktype, frame->data, frame->caplen, frame->wirelen)];
		if (batch->fate[i] != TCPAUDIT_FATE_TCP)
			frame->flags |= batch->fate[i] == TCPAUDIT_FATE_FILTER ? TCPAUDIT_FRAME_REJECTED : TCPAUDIT_FRAME_OPAQUE;
	}
}

/* Who only counts a frame does not look at its flags. */
static void pass_on_losses(struct capture *capture, struct capture_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct tcpaudit_frame *frame = &batch->frame[i];
		capture->lost |= (frame->flags & TCPAUDIT_FRAME_LOST) != 0;
		if (!(capture->lost || capture->torn) || !capture_is_read(batch, i))
			continue;
		frame->flags |= TCPAUDIT_FRAME_LOST;
		capture->lost = capture->torn = false;
	}
}

/* --- several files --- */

/* Every file shows its next frame.  Only here may the frames of a batch handed out earlier become invalid.  false: a
 * file has none yet (a slow pipe), so that nothing can be said about the order. */
static bool look_ahead(struct capture *capture)
{
	bool all = true;
	for (size_t i = 0; i < capture->count; i++) {
		struct lookahead *file = &capture->files[i];
		if (file->ended || file->next < file->batch.count)
			continue;
		file->next = 0;
		file->ended = file_read(file->file, &file->batch) == SOURCE_END;
		capture->inputs[i].packets -= file->batch.count; /* until it is their turn */
		if (!file->ended && file->batch.count == 0)
			all = false;
		if (file->ended) { /* of a hundred files in a row, only those being read hold a buffer */
			capture->lost |= file_lost(file->file);
			capture->torn |= capture->inputs[i].error != NULL;
			file_close(file->file);
			file->file = NULL;
		}
	}
	return all;
}

/* The file whose next frame is the oldest, the earlier named of two that are equal; and the time up to which its frames
 * are older than all others'.  NULL: all are at their end. */
static struct lookahead *oldest(struct capture *capture, int64_t *until)
{
	struct lookahead *best = NULL;
	int64_t time = INT64_MAX;
	*until = INT64_MAX;
	for (size_t i = 0; i < capture->count; i++) {
		struct lookahead *file = &capture->files[i];
		if (file->next == file->batch.count)
			continue;
		int64_t next = file->batch.frame[file->next].time;
		if (best && next >= time) {
			*until = next < *until ? next : *until;
			continue;
		}
		*until = best ? time : *until;
		best = file;
		time = next;
	}
	return best;
}

static enum capture_status merge(struct capture *capture, struct capture_batch *batch)
{
	batch->count = 0;
	if (!look_ahead(capture))
		return CAPTURE_MORE;
	int64_t until;
	struct lookahead *file = oldest(capture, &until);
	if (!file)
		return CAPTURE_END;
	while (file && batch->count < CAPTURE_BATCH) {
		capture->inputs[file - capture->files].packets++;
		batch->frame[batch->count] = file->batch.frame[file->next];
		batch->fate[batch->count++] = file->batch.fate[file->next++];
		/* Its next frame is not known yet, and reading it would free those of this batch. */
		if (file->next == file->batch.count)
			break;
		if (file->batch.frame[file->next].time >= until)
			file = oldest(capture, &until);
	}
	return CAPTURE_MORE;
}

/* --- the interface --- */

static struct capture *capture_new(size_t count, char **error)
{
	struct capture *capture = calloc(1, sizeof *capture);
	if (!capture || count > INPUTS_MOST) {
		source_error(error, capture ? "more than %d inputs" : "out of memory", INPUTS_MOST);
		free(capture);
		return NULL;
	}
	capture->count = count;
	capture->inputs = calloc(count + 1, sizeof *capture->inputs);
	if (!capture->inputs) {
		source_error(error, "out of memory");
		capture_close(capture);
		return NULL;
	}
	return capture;
}

static bool open_one(struct capture *capture, size_t i, const char *path, char **error)
{
	struct capture_input *input = &capture->inputs[i];
	input->path = path;
	char *reason = NULL;
	struct feed *feed = feed_open(path, &reason);
	if (feed)
		capture->files[i].file = file_open(feed, input, (uint16_t)i, &capture->buffers, &reason);
	if (!capture->files[i].file)
		source_error(error, "%s: %s", strcmp(path, "-") == 0 ? "standard input" : path,
		             reason ? reason : "out of memory");
	free(reason);
	return capture->files[i].file != NULL;
}

static bool open_filter(struct capture *capture, const char *expression, char **error)
{
	capture->filter = filter_new(expression, error);
	if (!capture->filter)
		return false;
	for (size_t i = 0; i < capture->count; i++)
		if (capture->inputs[i].linktypes > 0 && !filter_require(capture->filter, capture->inputs[i].linktype[0], error))
			return false;
	return true;
}

struct capture *capture_open_files(const char *const *paths, size_t count, const struct capture_options *options, char **error)
{
	struct capture *capture = capture_new(count, error);
	if (!capture)
		return NULL;
	buffers_init(&capture->buffers, count <= BUFFER_FEW ? BUFFER : FILE_BUFFER_LEAST);
	capture->files = calloc(count + 1, sizeof *capture->files);
	bool good = capture->files || source_error(error, "out of memory");
	for (size_t i = 0; good && i < count; i++)
		good = open_one(capture, i, paths[i], error);
	if (good && options && options->filter && options->filter[0] != '\0')
		good = open_filter(capture, options->filter, error);
	if (good)
		return capture;
	capture_close(capture);
	return NULL;
}

static struct capture *open_live(const char *const *names, size_t count, const struct capture_options *options, bool statistics,
                                 char **error)
{
	struct capture *capture = capture_new(count, error);
	if (!capture)
		return NULL;
	capture->live = live_open(names, count, options, capture->inputs, statistics, error);
	if (capture->live)
		return capture;
	capture_close(capture);
	return NULL;
}

/* Opened one after the other, and joined before the first lets anything in: else it would get all packets for a while. */
static bool open_shared(const char *const *names, size_t count, const struct capture_options *options, size_t workers, int *groups,
                        struct capture **captures, char **error)
{
	const char *filter = options->filter ? options->filter : "";
	for (size_t i = 0; i < workers; i++) {
		captures[i] = open_live(names, count, options, i == 0, error);
		if (!captures[i] || (workers > 1 && !live_join(captures[i]->live, groups, options, error)))
			return false;
		captures[i]->prefix = workers > 1 ? (uint64_t)(i + 1) << CAPTURE_ORDINAL_BITS : 0;
	}
	for (size_t i = 0; i < workers; i++)
		if (!live_begin(captures[i]->live, filter, error))
			return false;
	return true;
}

bool capture_open_shared(const char *const *names, size_t count, const struct capture_options *options, size_t workers,
                         struct capture **captures, char **error)
{
	int *groups = malloc((count + 1) * sizeof *groups);
	bool good = groups || source_error(error, "out of memory");
	memset(captures, 0, workers * sizeof *captures);
	for (size_t i = 0; good && i < count; i++)
		groups[i] = -1;
	good = good && open_shared(names, count, options, workers, groups, captures, error);
	free(groups);
	for (size_t i = 0; !good && i < workers; i++) {
		capture_close(captures[i]);
		captures[i] = NULL;
	}
	return good;
}

struct capture *capture_open_interfaces(const char *const *names, size_t count, const struct capture_options *options,
                                        char **error)
{
	static const struct capture_options defaults;
	struct capture *capture;
	return capture_open_shared(names, count, options ? options : &defaults, 1, &capture, error) ? capture : NULL;
}

enum capture_status capture_read(struct capture *capture, struct capture_batch *batch)
{
	static const enum capture_status status_of[] = {
	        [SOURCE_MORE] = CAPTURE_MORE, [SOURCE_END] = CAPTURE_END, [SOURCE_GONE] = CAPTURE_GONE};
	enum capture_status status = CAPTURE_END;
	batch->count = 0;
	if (capture->live)
		status = status_of[live_read(capture->live, batch)];
	else if (!capture->stopped)
		status = capture->count == 1 ? status_of[file_read(capture->files[0].file, batch)] : merge(capture, batch);
	bool losses = complete(capture, batch);
	if (capture->filter)
		filter_batch(capture->filter, batch);
	if (losses)
		pass_on_losses(capture, batch);
	capture->buffers.reads++;
	return status;
}

void capture_keep(struct capture *capture)
{
	capture->buffers.keep = true;
}

uint64_t capture_reads(const struct capture *capture)
{
	return capture->buffers.reads;
}

void capture_let_go(struct capture *capture, uint64_t until)
{
	buffers_let_go(&capture->buffers, until);
}

bool capture_crowded(const struct capture *capture)
{
	return capture->buffers.waiting >= KEPT_MOST || capture->buffers.wanting;
}

bool capture_lost(const struct capture *capture)
{
	if (capture->live)
		return capture->lost || live_lost(capture->live);
	return capture->lost || (capture->count == 1 && file_lost(capture->files[0].file));
}

void capture_wake(struct capture *capture)
{
	if (capture->live)
		live_wake(capture->live);
}

unsigned capture_fullness(const struct capture *capture)
{
	return capture->live ? live_fullness(capture->live) : 0;
}

void capture_hurry(struct capture *capture, bool hurry)
{
	if (capture->live)
		live_hurry(capture->live, hurry);
}

void capture_stop(struct capture *capture, bool discard)
{
	capture->stopped = true;
	if (capture->live)
		live_stop(capture->live, discard);
}

const struct capture_input *capture_inputs(const struct capture *capture, size_t *count)
{
	*count = capture->count;
	return capture->inputs;
}

void capture_kernel_counters(struct capture *capture, struct capture_kernel *kernel)
{
	*kernel = (struct capture_kernel){0};
	if (capture->live)
		live_kernel(capture->live, kernel);
}

void capture_close(struct capture *capture)
{
	if (!capture)
		return;
	for (size_t i = 0; capture->files && i < capture->count; i++)
		file_close(capture->files[i].file);
	buffers_fini(&capture->buffers);
	live_close(capture->live);
	filter_free(capture->filter);
	for (size_t i = 0; capture->inputs && i < capture->count; i++)
		free(capture->inputs[i].error);
	free(capture->files);
	free(capture->inputs);
	free(capture);
}
