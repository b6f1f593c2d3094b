/* test_capture.c - files and interfaces as one capture: order, ordinals, filters, pipes, errors. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture.h"

enum { FILES = 4, RECORD = 16 + 54 };

static char folder[] = "/tmp/test_capture.XXXXXX";
static char path[FILES][64];
static const char *paths[FILES];
static struct capture_batch batch;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	for (int i = 0; i < FILES; i++) {
		snprintf(path[i], sizeof path[i], "%s/%d.pcap", folder, i);
		paths[i] = path[i];
	}
}

static void teardown(void)
{
	for (int i = 0; i < FILES; i++)
		unlink(path[i]);
	rmdir(folder);
}

TestSuite(capture, .init = setup, .fini = teardown);

static void put_header(FILE *file, uint32_t linktype)
{
	const uint32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, linktype};
	cr_assert_eq(fwrite(header, sizeof header, 1, file), 1);
}

/* An IPv4 TCP frame to this port. */
static void put_frame(FILE *file, uint32_t seconds, uint8_t port)
{
	const uint32_t header[4] = {seconds, 0, 54, 54};
	uint8_t frame[54] = {[12] = 8, [14] = 0x45, [17] = 40, [22] = 64, [23] = 6, [37] = port, [46] = 0x50};
	cr_assert_eq(fwrite(header, sizeof header, 1, file), 1);
	cr_assert_eq(fwrite(frame, sizeof frame, 1, file), 1);
}

/* A file with frames of these seconds; the port is the second, too. */
static void put_file(int which, uint32_t linktype, const uint32_t *seconds, size_t count)
{
	FILE *file = fopen(path[which], "w");
	put_header(file, linktype);
	for (size_t i = 0; i < count; i++)
		put_frame(file, seconds[i], (uint8_t)seconds[i]);
	fclose(file);
}

static struct capture *opened(size_t files, const char *filter)
{
	const struct capture_options options = {.filter = filter};
	char *error = NULL;
	struct capture *capture = capture_open_files(paths, files, &options, &error);
	cr_assert_not_null(capture, "%s", error);
	return capture;
}

static void expect_refusal(size_t files, const char *filter, const char *end_of_error)
{
	const struct capture_options options = {.filter = filter};
	char *error = NULL;
	cr_assert_null(capture_open_files(paths, files, &options, &error));
	size_t length = strlen(error), tail = strlen(end_of_error);
	cr_assert(length >= tail && strcmp(error + length - tail, end_of_error) == 0, "%s", error);
	cr_assert_null(strchr(error, '\n'));
	free(error);
}

/* --- how long frames stay --- */

enum { KEPT = 30000 };

/* Files of several megabytes each, with frames of many sizes: octet k of frame i is a function of both. */
static void put_large(int which, unsigned count)
{
	FILE *file = fopen(path[which], "w");
	uint8_t octets[1500];
	put_header(file, 1);
	for (unsigned i = 0; i < count; i++) {
		const uint32_t length = 60 + i * 37 % 1400, header[4] = {i / 10, 0, length, length};
		for (uint32_t k = 0; k < length; k++)
			octets[k] = (uint8_t)(i * 7 + k + (unsigned)which);
		cr_assert_eq(fwrite(header, sizeof header, 1, file), 1);
		cr_assert_eq(fwrite(octets, length, 1, file), 1);
	}
	fclose(file);
}

static bool is_as_written(const struct tcpaudit_frame *frame)
{
	for (uint32_t k = 0; k < frame->caplen; k++)
		if (frame->data[k] != (uint8_t)((frame->number - 1) * 7 + k + frame->input))
			return false;
	return frame->caplen == 60 + (frame->number - 1) * 37 % 1400;
}

/* What was read stays until it may go, some calls later; or to the end. */
static void keep_for(size_t files, uint64_t calls)
{
	static struct tcpaudit_frame kept[KEPT];
	static uint64_t read[KEPT];
	struct capture *capture = opened(files, NULL);
	size_t n = 0, gone = 0;

	capture_keep(capture);
	while (capture_read(capture, &batch) == CAPTURE_MORE) {
		for (size_t i = 0; i < batch.count; i++, n++) {
			kept[n] = batch.frame[i];
			read[n] = capture_reads(capture);
		}
		for (; gone < n && read[gone] + calls < capture_reads(capture); gone++)
			cr_assert(is_as_written(&kept[gone]), "frame %" PRIu64 " of %u", kept[gone].number, kept[gone].input);
		if (calls < KEPT && capture_reads(capture) > calls)
			capture_let_go(capture, capture_reads(capture) - calls - 1);
	}
	for (; gone < n; gone++)
		cr_assert(is_as_written(&kept[gone]), "frame %" PRIu64 " of %u", kept[gone].number, kept[gone].input);
	cr_assert_eq(n, files * KEPT / 3);
	capture_close(capture);
}

Test(capture, frames_stay_as_long_as_they_are_needed)
{
	for (int i = 0; i < 3; i++)
		put_large(i, KEPT / 3);
	for (size_t files = 1; files <= 3; files += 2)
		for (uint64_t calls = 0; calls <= 1000; calls = calls * 9 + 1)
			keep_for(files, calls);
	keep_for(1, KEPT);
	keep_for(3, KEPT);
}

/* What nobody looks at any more makes room for what comes. */
Test(capture, only_so_much_stays)
{
	put_large(0, KEPT);
	struct capture *capture = opened(1, NULL);
	uint64_t reads = 0;

	capture_keep(capture);
	while (capture_read(capture, &batch) == CAPTURE_MORE) {
		cr_assert(!capture_crowded(capture));
		cr_assert_eq(capture_reads(capture), ++reads);
		if (reads % 40 == 0)
			capture_let_go(capture, reads);
	}
	capture_close(capture);
	capture = opened(1, NULL);
	capture_keep(capture);
	for (unsigned i = 0; i < 800 && !capture_crowded(capture); i++)
		cr_assert_eq(capture_read(capture, &batch), CAPTURE_MORE);
	cr_assert(!capture_crowded(capture), "22 MB");
	capture_close(capture);
	put_large(0, 3 * KEPT);
	capture = opened(1, NULL);
	capture_keep(capture);
	while (!capture_crowded(capture))
		cr_assert_eq(capture_read(capture, &batch), CAPTURE_MORE, "66 MB, and nobody said so");
	capture_let_go(capture, capture_reads(capture));
	cr_assert(!capture_crowded(capture));
	capture_close(capture);
}

/* Frames that wait for those of other files have not been read yet. */
Test(capture, inputs_count_what_was_handed_out)
{
	for (int i = 0; i < 3; i++)
		put_large(i, 1000 + 100 * (unsigned)i);
	struct capture *capture = opened(3, NULL);
	uint64_t handed_out = 0;

	while (capture_read(capture, &batch) == CAPTURE_MORE) {
		size_t count;
		const struct capture_input *inputs = capture_inputs(capture, &count);
		handed_out += batch.count;
		cr_assert_eq(inputs[0].packets + inputs[1].packets + inputs[2].packets, handed_out);
	}
	cr_assert_eq(handed_out, 3300);
	capture_close(capture);
}

/* A pipe that brings little at a time takes no buffer for each of it. */
Test(capture, little_at_a_time_stays_in_one_buffer)
{
	int ends[2];
	char *error = NULL;
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	FILE *file = fdopen(ends[1], "w");
	put_header(file, 1);
	fflush(file);
	struct capture *capture = capture_open_files((const char *const[]){"-"}, 1, NULL, &error);
	cr_assert_not_null(capture, "%s", error);
	capture_keep(capture);
	const uint8_t *last = NULL;
	for (uint32_t i = 0; i < 100; i++) {
		put_frame(file, i, 1);
		fflush(file);
		do
			cr_assert_eq(capture_read(capture, &batch), CAPTURE_MORE);
		while (batch.count == 0);
		cr_assert_eq(batch.count, 1);
		cr_assert(last == NULL || batch.frame[0].data == last + RECORD);
		last = batch.frame[0].data;
	}
	fclose(file);
	capture_close(capture);
}

/* --- order --- */

Test(capture, files_are_merged_by_their_next_frames)
{
	static const uint32_t a[] = {1, 4, 2, 9}, b[] = {3, 3, 8}, c[] = {5};
	static const struct {
		uint16_t input;
		uint32_t seconds;
		uint64_t number;
	} expected[] = {{0, 1, 1}, {1, 3, 1}, {1, 3, 2}, {0, 4, 2}, {0, 2, 3}, {2, 5, 1}, {1, 8, 3}, {0, 9, 4}};
	put_file(0, 1, a, 4);
	put_file(1, 1, b, 3);
	put_file(2, 1, c, 1);
	put_file(3, 1, NULL, 0);
	struct capture *capture = opened(4, NULL);
	size_t n = 0;
	while (capture_read(capture, &batch) == CAPTURE_MORE)
		for (size_t i = 0; i < batch.count; i++, n++) {
			cr_assert_eq(batch.frame[i].ordinal, n + 1);
			cr_assert_eq(batch.frame[i].input, expected[n].input);
			cr_assert_eq(batch.frame[i].source, expected[n].input);
			cr_assert_eq(batch.frame[i].number, expected[n].number);
			cr_assert_eq(batch.frame[i].time, expected[n].seconds * INT64_C(1000000000));
			cr_assert_eq(batch.frame[i].data[37], expected[n].seconds);
		}
	cr_assert_eq(n, 8);
	cr_assert_eq(batch.count, 0);
	capture_close(capture);
}

Test(capture, long_files_stay_whole_when_merged)
{
	for (int f = 0; f < 3; f++) {
		FILE *file = fopen(path[f], "w");
		put_header(file, 1);
		for (uint32_t i = 0; i < 20000; i++)
			put_frame(file, i * 3 + (uint32_t)f, (uint8_t)(i * 3 + (uint32_t)f));
		fclose(file);
	}
	struct capture *capture = opened(3, NULL);
	uint64_t n = 0;
	while (capture_read(capture, &batch) == CAPTURE_MORE)
		for (size_t i = 0; i < batch.count; i++, n++) {
			cr_assert_eq(batch.frame[i].time, (int64_t)n * 1000000000);
			cr_assert_eq(batch.frame[i].data[37], (uint8_t)n);
			cr_assert_eq(batch.frame[i].ordinal, n + 1);
		}
	cr_assert_eq(n, 60000);
	size_t count;
	const struct capture_input *inputs = capture_inputs(capture, &count);
	cr_assert_eq(count, 3);
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(inputs[i].packets, 20000);
		cr_assert_eq(inputs[i].bytes, 24 + 20000 * RECORD);
		cr_assert_eq(inputs[i].size, inputs[i].position);
		cr_assert_str_eq(inputs[i].path, path[i]);
	}
	capture_close(capture);
}

Test(capture, damage_of_one_input_does_not_end_the_others)
{
	static const uint32_t a[] = {1, 3, 5}, b[] = {2, 4, 6};
	put_file(0, 1, a, 3);
	put_file(1, 1, b, 3);
	cr_assert_eq(truncate(path[0], 24 + 2 * RECORD - 5), 0);
	struct capture *capture = opened(2, NULL);
	size_t n = 0;
	while (capture_read(capture, &batch) == CAPTURE_MORE)
		for (size_t i = 0; i < batch.count; i++, n++)
			cr_assert_eq(batch.frame[i].flags, n == 1 ? TCPAUDIT_FRAME_LOST : 0,
			             "frame %zu: the first behind the damage", n);
	cr_assert_eq(n, 4);
	cr_assert_not(capture_lost(capture), "it was said");
	size_t count;
	const struct capture_input *inputs = capture_inputs(capture, &count);
	cr_assert_str_eq(inputs[0].error, "ends inside a record, 65 of 70 bytes");
	cr_assert_eq(inputs[0].damage_offset, 24 + RECORD);
	cr_assert_eq(inputs[0].bytes_unread, 65);
	cr_assert_eq(inputs[0].bytes + inputs[0].bytes_unread, inputs[0].size);
	cr_assert_null(inputs[1].error);
	capture_close(capture);
}

Test(capture, stop_ends_files_at_once)
{
	static const uint32_t a[] = {1, 3, 5};
	put_file(0, 1, a, 3);
	struct capture *capture = opened(1, NULL);
	capture_stop(capture, true);
	cr_assert_eq(capture_read(capture, &batch), CAPTURE_END);
	cr_assert_eq(batch.count, 0);
	struct capture_kernel kernel = {1, 1, 1, 1};
	capture_kernel_counters(capture, &kernel);
	cr_assert_eq(kernel.received + kernel.dropped + kernel.interface_dropped, 0);
	capture_close(capture);
}

/* --- losses --- */

static void put_words(FILE *file, const uint32_t *words, size_t count)
{
	cr_assert_eq(fwrite(words, sizeof *words, count, file), count);
}

/* An enhanced packet block with a frame to this port. */
static void put_packet(FILE *file, uint8_t port)
{
	const uint32_t head[7] = {6, 88, 0, 0, 0, 54, 54}, length = 88;
	uint8_t frame[56] = {[12] = 8, [14] = 0x45, [17] = 40, [22] = 64, [23] = 6, [37] = port, [46] = 0x50};
	put_words(file, head, 7);
	cr_assert_eq(fwrite(frame, sizeof frame, 1, file), 1);
	put_words(file, &length, 1);
}

/* Interface statistics: so many were dropped since the capture began. */
static void put_dropped(FILE *file, uint32_t dropped)
{
	const uint32_t block[10] = {5, 40, 0, 0, 0, 5 | 8 << 16, dropped, 0, 0, 40};
	put_words(file, block, 10);
}

/* The frame behind the drop is none of those that the user wants, and behind the last drop comes none. */
/* The time of a frame that the filter rejects says when. */
Test(capture, losses_are_told_by_the_next_frame_that_is_not_only_counted)
{
	static const uint32_t section[7] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28},
	                      interface[5] = {1, 20, 1, 65535, 20};
	FILE *file = fopen(path[0], "w");
	put_words(file, section, 7);
	put_words(file, interface, 5);
	put_packet(file, 80);
	put_dropped(file, 3);
	put_packet(file, 81);
	put_packet(file, 80);
	put_packet(file, 80);
	put_dropped(file, 4);
	fclose(file);
	struct capture *capture = opened(1, "tcp port 80");
	size_t n = 0;
	for (enum capture_status status = CAPTURE_MORE; status == CAPTURE_MORE;) {
		status = capture_read(capture, &batch);
		for (size_t i = 0; i < batch.count; i++, n++)
			cr_assert_eq(batch.frame[i].flags, n == 1 ? TCPAUDIT_FRAME_LOST | TCPAUDIT_FRAME_REJECTED : 0, "frame %zu", n);
	}
	cr_assert_eq(n, 4);
	cr_assert(capture_lost(capture));
	capture_close(capture);
}

/* --- filters --- */

Test(capture, a_filter_decides_fates_and_counts_on)
{
	static const uint32_t a[] = {80, 81, 80};
	put_file(0, 1, a, 3);
	struct capture *capture = opened(1, "tcp port 80");
	cr_assert_eq(capture_read(capture, &batch), CAPTURE_MORE);
	cr_assert_eq(batch.count, 3);
	cr_assert_eq(batch.fate[0], TCPAUDIT_FATE_TCP);
	cr_assert_eq(batch.fate[1], TCPAUDIT_FATE_FILTER);
	cr_assert_eq(batch.fate[2], TCPAUDIT_FATE_TCP);
	cr_assert_eq(batch.frame[2].ordinal, 3);
	capture_close(capture);
}

Test(capture, a_filter_must_fit_the_link_types)
{
	static const uint32_t a[] = {80};
	put_file(0, 1, a, 1);
	put_file(1, 147, a, 1); /* user-defined: nobody can look into it */
	put_file(2, 101, a, 1);
	struct capture *capture = opened(2, "tcp");
	uint8_t fates[2], flags[2];
	size_t n = 0;
	while (capture_read(capture, &batch) == CAPTURE_MORE)
		for (size_t i = 0; i < batch.count; i++) {
			cr_assert(capture_is_read(&batch, i), "its time counts");
			flags[n] = batch.frame[i].flags;
			fates[n++] = batch.fate[i];
		}
	cr_assert_eq(n, 2);
	cr_assert_eq(fates[0], TCPAUDIT_FATE_TCP);
	cr_assert_eq(flags[0], 0);
	cr_assert_eq(fates[1], TCPAUDIT_FATE_LINKTYPE);
	cr_assert_eq(flags[1], TCPAUDIT_FRAME_OPAQUE);
	capture_close(capture);
	expect_refusal(1, "tcp or", "syntax error");
	expect_refusal(1, "inbound", "do not say their direction or interface");
	expect_refusal(3, "ether src 1:2:3:4:5:6",
	               "ethernet addresses supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel");
}

Test(capture, cooked_packet_types_show_the_direction)
{
	FILE *file = fopen(path[0], "w");
	put_header(file, 113);
	for (uint8_t type = 0; type < 6; type++) {
		const uint32_t header[4] = {1, 0, 16, 16};
		const uint8_t frame[16] = {[1] = type};
		fwrite(header, sizeof header, 1, file);
		fwrite(frame, sizeof frame, 1, file);
	}
	fclose(file);
	struct capture *capture = opened(1, NULL);
	cr_assert_eq(capture_read(capture, &batch), CAPTURE_MORE);
	for (size_t i = 0; i < 6; i++)
		cr_assert_eq(batch.frame[i].flags, i == 4 ? TCPAUDIT_FRAME_OUTBOUND : 0);
	capture_close(capture);
}

/* --- what cannot be opened --- */

Test(capture, refusals_name_the_file_and_the_reason)
{
	expect_refusal(1, NULL, "/0.pcap: No such file or directory");
	mkdir(path[0], 0700);
	expect_refusal(1, NULL, "/0.pcap: is a directory");
	rmdir(path[0]);
	fclose(fopen(path[0], "w"));
	expect_refusal(1, NULL, "/0.pcap: empty file");
	static const uint32_t a[] = {1};
	put_file(0, 1, a, 1);
	expect_refusal(2, NULL, "/1.pcap: No such file or directory");
}

/* --- pipes --- */

Test(capture, a_pipe_that_trickles)
{
	static const uint32_t a[] = {1, 2};
	put_file(1, 1, a, 2);
	cr_assert_eq(mkfifo(path[0], 0600), 0);
	pid_t writer = fork();
	if (writer == 0) {
		char bytes[24 + 2 * RECORD];
		int from = open(path[1], O_RDONLY), to = open(path[0], O_WRONLY);
		if (read(from, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
			_exit(1);
		for (size_t i = 0; i < sizeof bytes; i += 7) {
			if (write(to, bytes + i, sizeof bytes - i < 7 ? sizeof bytes - i : 7) < 0)
				_exit(1);
			nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
		}
		_exit(0);
	}
	struct capture *capture = opened(1, NULL);
	size_t n = 0, count;
	while (capture_read(capture, &batch) == CAPTURE_MORE)
		n += batch.count;
	cr_assert_eq(n, 2);
	const struct capture_input *inputs = capture_inputs(capture, &count);
	cr_assert_null(inputs[0].error);
	cr_assert_eq(inputs[0].size, 0);
	cr_assert_eq(inputs[0].bytes, 24 + 2 * RECORD);
	capture_close(capture);
	waitpid(writer, NULL, 0);
}

static void on_alarm(int signal)
{
	(void)signal;
}

Test(capture, a_silent_pipe_does_not_keep_a_signal_waiting)
{
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	FILE *writer = fdopen(ends[1], "w");
	put_header(writer, 1);
	fflush(writer);
	dup2(ends[0], STDIN_FILENO);
	paths[0] = "-";
	struct capture *capture = opened(1, NULL);
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 20000}, NULL);
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	cr_assert_eq(capture_read(capture, &batch), CAPTURE_MORE);
	clock_gettime(CLOCK_MONOTONIC, &after);
	cr_assert_eq(batch.count, 0);
	cr_assert_lt((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 90);
	put_frame(writer, 1, 1);
	fclose(writer);
	cr_assert_eq(capture_read(capture, &batch), CAPTURE_MORE);
	cr_assert_eq(batch.count, 1);
	cr_assert_eq(capture_read(capture, &batch), CAPTURE_END);
	capture_close(capture);
	close(ends[0]);
}

/* --- interfaces, as far as no permission is needed --- */

Test(capture, no_such_interface)
{
	const char *const names[] = {"nonesuch0"};
	const struct capture_options options = {.snaplen = 0};
	char *error = NULL;
	cr_assert_null(capture_open_interfaces(names, 1, &options, &error));
	cr_assert_str_eq(error, "no such interface 'nonesuch0' (see -D)");
	free(error);
}

Test(capture, interfaces_are_listed)
{
	char *text = NULL, *error = NULL;
	cr_assert(capture_list_interfaces(&text, &error), "%s", error);
	cr_assert_not_null(strstr(text, "lo "));
	cr_assert_eq(text[strlen(text) - 1], '\n');
	free(text);
}
