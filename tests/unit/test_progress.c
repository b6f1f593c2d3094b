/* The line that says how far a run has come: how much time is left. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/progress.h"

/* What is left of a file of 1000 bytes, `position` of them read in `elapsed` nanoseconds. */
static void expect_left(uint64_t position, int64_t elapsed, const char *wanted)
{
	struct tcpaudit_counters counters = {.frames = 1};
	struct capture_input input = {.path = "x.pcap", .size = 1000, .position = position};
	struct report_state state = {.counters = &counters, .inputs = &input, .input_count = 1};
	struct progress progress = {.on = true};
	char said[512] = "";
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);

	cr_assert(file != NULL && kept >= 0);
	dup2(fileno(file), STDERR_FILENO);
	progress_show(&progress, elapsed, &state, 0);
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	cr_assert_gt(fread(said, 1, sizeof said - 1, file), 0);
	fclose(file);
	cr_assert_not_null(strstr(said, wanted), "%s is not in %s", wanted, said);
}

Test(progress, minutes_and_seconds_that_are_left)
{
	const int64_t second = 1000000000;

	expect_left(500, 4 * second, "50 %  0:04 left");
	expect_left(500, 60 * second, "50 %  1:00 left");
	expect_left(500, 90 * second, "50 %  1:30 left");
	expect_left(500, 120 * second, "50 %  2:00 left");
	expect_left(100, 800 * second, "10 %  120:00 left");
	expect_left(1000, 90 * second, "100 %  0:00 left");
}

/* Sixty seconds are a minute, also where 59.7 of them are rounded. */
Test(progress, seconds_are_rounded_before_they_are_minutes)
{
	const int64_t tenth = 100000000;

	expect_left(500, 597 * tenth, "1:00 left");
	expect_left(500, 1197 * tenth, "2:00 left");
	expect_left(500, 594 * tenth, "0:59 left");
}
