/* stages.c - runs parts of the program over a capture and takes their time. */
#include "stages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tcpaudit/audit.h>

#include "capture/capture.h"
#include "decode/decode.h"
#include "flow/flow.h"
#include "loop.h"

static int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* What is done with each batch, and what it needs. */
struct work {
	enum stage stage;
	struct decoder *decoder;
	int64_t clock; /* of packets */
	struct flow_key key;
	struct tcpaudit *engine;
	struct figures *figures;
	uint32_t sum; /* keeps the compiler from leaving out what nobody uses */
};

static const uint8_t hash_key[16] = "bench, no secret";

static void decode_batch(struct work *w, const struct capture_batch *batch)
{
	struct tcpaudit_segment segment;

	for (size_t i = 0; i < batch->count; i++) {
		if (batch->fate[i] != TCPAUDIT_FATE_TCP ||
		    decoder_decode(w->decoder, &batch->frame[i], &segment) != TCPAUDIT_FATE_TCP)
			continue;
		w->sum += segment.seq;
		if (w->stage == STAGE_DECODE || segment.unusable)
			continue;
		const struct sockets sockets = sockets_of(&segment);
		w->sum += sockets_hash(&sockets, &segment, &w->key);
	}
	decoder_release(w->decoder);
}

/* As the program does it: runs of frames with work in them together, the others only count. */
static void judge_batch(struct work *w, const struct capture_batch *batch)
{
	for (size_t i = 0, run; i < batch->count; i += run) {
		for (run = 0; i + run < batch->count && capture_is_read(batch, i + run); run++)
			;
		if (run > 0) {
			tcpaudit_frames(w->engine, &batch->frame[i], run);
		} else {
			tcpaudit_count(w->engine, (enum tcpaudit_fate)batch->fate[i]);
			run = 1;
		}
	}
}

static void time_batch(struct work *w, const struct capture_batch *batch)
{
	int64_t begun = clock_ns();

	judge_batch(w, batch);
	int64_t took = clock_ns() - begun;
	if (took > w->figures->pause)
		w->figures->pause = took;
}

static void work_on(struct work *w, const struct capture_batch *batch)
{
	w->figures->packets += batch->count;
	if (w->stage == STAGE_DECODE || w->stage == STAGE_KEY)
		decode_batch(w, batch);
	else if (w->stage == STAGE_PAUSES)
		time_batch(w, batch);
	else if (w->engine)
		judge_batch(w, batch);
}

/* An engine as for a text report; without its checks if these are not wanted. */
static struct tcpaudit *new_engine(bool checks)
{
	struct tcpaudit_settings settings;
	struct tcpaudit_sink sink = {0};

	tcpaudit_settings_init(&settings);
	memcpy(settings.hash_key, hash_key, sizeof settings.hash_key);
	settings.states = false;
	settings.min_severity = TCPAUDIT_WARNING;
	for (size_t i = 0; !checks && i < sizeof settings.check / sizeof settings.check[0]; i++)
		settings.check[i].severity = -1;
	return tcpaudit_new(&settings, &sink);
}

static bool prepare(struct work *w)
{
	if (w->stage == STAGE_DECODE || w->stage == STAGE_KEY) {
		w->decoder = decoder_new(TCPAUDIT_TUNNEL_ALL, TCPAUDIT_CHECKSUM_AUTO, &w->clock);
		w->key = flow_key(hash_key);
		return w->decoder;
	}
	if (w->stage == STAGE_READ)
		return true;
	w->engine = new_engine(w->stage != STAGE_FLOW);
	return w->engine;
}

static void conclude(struct work *w)
{
	struct tcpaudit_counters counters;

	if (w->engine) {
		int64_t begun = clock_ns();
		tcpaudit_finish(w->engine);
		w->figures->finish = clock_ns() - begun;
		tcpaudit_counters(w->engine, &counters);
		w->figures->connections = counters.connections;
	}
	tcpaudit_free(w->engine);
	decoder_free(w->decoder);
}

static bool run_inside(enum stage stage, const char *path, struct figures *figures)
{
	struct work work = {.stage = stage, .figures = figures};
	struct capture_options options = {0};
	struct capture_batch batch;
	char *error = NULL;

	if (stage == STAGE_LOOP)
		return read_bare(path, &figures->packets);
	struct capture *capture = capture_open_files(&path, 1, &options, &error);
	if (!capture || !prepare(&work)) {
		fprintf(stderr, "%s: %s\n", path, error ? error : "out of memory");
		return false;
	}
	enum capture_status status;
	do {
		status = capture_read(capture, &batch);
		work_on(&work, &batch);
	} while (status == CAPTURE_MORE);
	conclude(&work);
	capture_close(capture);
	return true;
}

/* The report goes where the disk does not matter; what it is made of was made all the same. */
static void run_program(enum stage stage, const char *path, const char *program)
{
	bool json = stage == STAGE_JSON;
	const char *arguments[] = {
	        program, "--no-dpi", "-q", "-o", "/dev/null", "-r", path, "-T", json ? "jsonl" : "text", json ? "--flows" : NULL,
	        "all",   NULL};

	setenv("TCPAUDIT_RULES_DIR", "", 1);
	execv(program, (char *const *)arguments);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
}

bool stage_run(enum stage stage, const char *path, const char *program, struct figures *figures)
{
	struct figures *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rusage usage = {0};
	int status = -1;

	if (shared == MAP_FAILED)
		return false;
	fflush(NULL);
	int64_t begun = clock_ns();
	pid_t child = fork();
	if (child == 0) {
		if (stage != STAGE_TEXT && stage != STAGE_JSON)
			_exit(!run_inside(stage, path, shared));
		run_program(stage, path, program);
		_exit(127);
	}
	bool ended = child > 0 && wait4(child, &status, 0, &usage) == child;
	*figures = *shared;
	figures->seconds = (double)(clock_ns() - begun) / 1e9;
	figures->kernel = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
	figures->peak = (uint64_t)usage.ru_maxrss * 1024;
	munmap(shared, sizeof *shared);
	if (!ended || status != 0)
		fprintf(stderr, "%s: stage %d: status %d\n", path, (int)stage, status);
	return ended && status == 0;
}
