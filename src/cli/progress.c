/* progress.c - bytes, packets a second, findings and the time that is left. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* "50 %  1:20 left", by how much of the files has been read; nothing for pipes and interfaces. */
static void format_left(char *out, size_t room, const struct report_state *state, double elapsed)
{
	double size = 0, position = 0;

	*out = '\0';
	for (size_t i = 0; i < state->input_count; i++) {
		if (state->inputs[i].size == 0)
			return;
		size += (double)state->inputs[i].size;
		position += (double)state->inputs[i].position;
	}
	if (state->live || position <= 0 || size <= 0)
		return;
	double left = position < size ? elapsed * (size - position) / position : 0;
	uint64_t seconds = left < 1e9 ? (uint64_t)(left + 0.5) : 1000000000;
	snprintf(out, room, "  %.0f %%  %" PRIu64 ":%02" PRIu64 " left", 100 * position / size, seconds / 60, seconds % 60);
}

/* What is longer than a line of the terminal would stay when the next one is drawn. */
static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

void progress_show(struct progress *progress, int64_t now, const struct report_state *state, uint64_t findings)
{
	double elapsed = (double)(now - progress->begun) / 1e9, bytes = 0;
	char left[48], dropped[48] = "", line[256];

	if (!progress->on || elapsed <= 0)
		return;
	for (size_t i = 0; i < state->input_count; i++)
		bytes += (double)state->inputs[i].bytes;
	format_left(left, sizeof left, state, elapsed);
	if (state->live && state->kernel.dropped > 0)
		snprintf(dropped, sizeof dropped, "  %" PRIu64 " dropped", state->kernel.dropped);
	snprintf(line, sizeof line, "%.1f MB  %" PRIu64 " packets  %.0f packets/s  %" PRIu64 " findings%s%s", bytes / 1e6,
	         state->counters->frames, (double)state->counters->frames / elapsed, findings, left, dropped);
	fprintf(stderr, "\r\033[K%.*s", columns(), line);
	fflush(stderr);
	progress->shown = true;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
