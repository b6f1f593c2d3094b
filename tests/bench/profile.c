/* profile.c - the budget of a packet: where its nanoseconds go, stage by stage.
 *
 *   profile [-n ROUNDS] [-p TCPAUDIT] MIX [FEW MANY]     the table
 *   profile [-n ROUNDS] -a FILE...                       what the engine takes for each, and its longest pause
 *
 * Everything is measured over the same capture, in turns, and medians are compared.  FEW and MANY are captures of as many
 * connections with few and with many data segments: the costs of a segment and of a connection are told apart by them.
 * The lines of -a are for scripts: packets, ns a packet, longest tcpaudit_frames() and tcpaudit_finish() in ms, file; the least
 * of the rounds each. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stages.h"

#define ROUNDS_MOST 99

static const char *const stage_name[STAGES] = {
        [STAGE_LOOP] = "a bare libpcap loop", [STAGE_READ] = "read",           [STAGE_DECODE] = "decode",
        [STAGE_KEY] = "key and hash",         [STAGE_FLOW] = "lookup, mirror", [STAGE_CHECKS] = "checks",
        [STAGE_TEXT] = "accounts, text",      [STAGE_JSON] = "JSON instead",
};

/* The stages that follow each other; the last of them replaces the one before it. */
static const enum stage way[] = {STAGE_READ, STAGE_DECODE, STAGE_KEY, STAGE_FLOW, STAGE_CHECKS, STAGE_TEXT, STAGE_JSON};
#define WAY (sizeof way / sizeof way[0])

struct subject {
	const char *path;
	uint64_t packets;
	uint64_t connections;
	double ns[STAGES]; /* of the whole capture, medians */
	double kernel;     /* ns that the kernel took for the text report, median */
	uint64_t peak;     /* octets of memory for it */
	int64_t pause;     /* ns, least of the rounds */
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof *values, by_size);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void fail(void)
{
	fputs("profile: a stage failed\n", stderr);
	exit(1);
}

/* A capture without packets: what starting the program takes. */
static double start_of_program(const char *program, unsigned rounds)
{
	const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
	char path[] = "/tmp/profile-XXXXXX";
	double ns[ROUNDS_MOST];
	struct figures figures;
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, header, sizeof header) != (ssize_t)sizeof header)
		fail();
	close(fd);
	for (unsigned i = 0; i < rounds; i++) {
		if (!stage_run(STAGE_TEXT, path, program, &figures))
			fail();
		ns[i] = figures.seconds * 1e9;
	}
	unlink(path);
	return median(ns, rounds);
}

/* What some stages tell beside their time. */
static void note(struct subject *s, enum stage stage, const struct figures *figures)
{
	if (stage == STAGE_TEXT) {
		s->peak = figures->peak;
	} else if (stage == STAGE_CHECKS) {
		s->packets = figures->packets;
		s->connections = figures->connections;
	} else if (stage == STAGE_PAUSES && figures->pause < s->pause) {
		s->pause = figures->pause;
	}
}

/* All stages in turns, round after round; the first, which warms caches, does not count. */
static void measure(struct subject *s, const char *program, unsigned rounds)
{
	static double ns[STAGES][ROUNDS_MOST + 1], kernel[ROUNDS_MOST + 1];
	struct figures figures;

	s->pause = INT64_MAX;
	for (unsigned i = 0; i <= rounds; i++)
		for (enum stage stage = 0; stage < STAGES; stage++) {
			if (!stage_run(stage, s->path, program, &figures))
				fail();
			ns[stage][i] = figures.seconds * 1e9;
			if (stage == STAGE_TEXT)
				kernel[i] = figures.kernel * 1e9;
			note(s, stage, &figures);
		}
	if (s->packets == 0)
		fail();
	double start = start_of_program(program, rounds);
	for (enum stage stage = 0; stage < STAGES; stage++)
		s->ns[stage] = median(ns[stage] + 1, rounds) - (stage == STAGE_TEXT || stage == STAGE_JSON ? start : 0);
	s->kernel = median(kernel + 1, rounds);
}

/* What a stage adds to the one before it, over a whole capture. */
static double added(const struct subject *s, size_t place)
{
	size_t before = way[place] == STAGE_JSON ? place - 2 : place - 1; /* JSON comes in the text report's place */

	return place == 0 ? s->ns[way[0]] : s->ns[way[place]] - s->ns[way[before]];
}

/* By two captures: what one more data segment costs, and what a connection costs beyond so many segments as it has. */
static void print_parts(const struct subject *few, const struct subject *many, size_t place)
{
	double segment = (added(many, place) - added(few, place)) / ((double)many->packets - (double)few->packets);
	double connection = (added(few, place) - segment * (double)few->packets) / (double)few->connections;

	printf("%12.1f%15.0f", segment, connection);
}

static void print_row(const struct subject s[3], size_t subjects, size_t place)
{
	double packets = (double)s[0].packets, total = s[0].ns[STAGE_TEXT];

	printf("%-22s%9.1f%9.1f%8.1f %%", stage_name[way[place]], added(&s[0], place) / packets, s[0].ns[way[place]] / packets,
	       100 * added(&s[0], place) / total);
	if (subjects == 3)
		print_parts(&s[1], &s[2], place);
	putchar('\n');
}

/* perf asks for a kernel that allows it, and a build of it for that kernel. */
static void print_hint(void)
{
	if (system("perf record -q -e cpu-clock -o /dev/null true > /dev/null 2>&1") != 0)
		return;
	bool counters = system("perf stat -e cache-misses true 2>&1 | grep -q '[0-9] *cache-misses'") == 0;
	puts("\nTo look further:\n  tests/bench/generate -o mix.pcap mix 100000 20000\n"
	     "  perf record ./tcpaudit --no-dpi -T text -r mix.pcap; perf report");
	puts(counters ? "  perf stat -e cycles,cache-misses,dTLB-load-misses ./tcpaudit ..."
	              : "(no hardware counters here: perf samples by the clock)");
}

static void print_table(const struct subject s[3], size_t subjects, unsigned rounds)
{
	double packets = (double)s[0].packets;
	const char *slash = strrchr(s[0].path, '/');

	printf("%s\n%" PRIu64 " packets, %" PRIu64 " connections; medians of %u rounds\n\n", slash ? slash + 1 : s[0].path,
	       s[0].packets, s[0].connections, rounds);
	printf("%-22s%9s%9s%10s", "ns a packet", "stage", "sum", "share");
	if (subjects == 3)
		printf("%12s%15s", "ns/segment", "ns/connection");
	putchar('\n');
	for (size_t place = 0; place < WAY; place++)
		print_row(s, subjects, place);
	printf("\n%-22s%9.1f   a packet; the text report is %.2f times that\n", stage_name[STAGE_LOOP],
	       s[0].ns[STAGE_LOOP] / packets, s[0].ns[STAGE_TEXT] / s[0].ns[STAGE_LOOP]);
	printf("%-22s%9.1f   of the text report: reads and page faults\n", "the kernel's part", s[0].kernel / packets);
	printf("%-22s%9.1f   MiB at most\n", "memory", (double)s[0].peak / (1 << 20));
	printf("%-22s%9.3f   ms at most for a batch of 32 packets%s\n", "pause", (double)s[0].pause / 1e6,
	       s[0].pause > 50000000 ? ": TOO LONG" : "");
	print_hint();
}

static void print_attack(const char *path, unsigned rounds)
{
	double ns = 1e300, pause = 1e300, finish = 1e300;
	struct figures run, paced = {0};

	for (unsigned i = 0; i < rounds; i++) {
		if (!stage_run(STAGE_CHECKS, path, NULL, &run) || !stage_run(STAGE_PAUSES, path, NULL, &paced) || !paced.packets)
			fail();
		ns = run.seconds * 1e9 < ns ? run.seconds * 1e9 : ns;
		pause = (double)paced.pause < pause ? (double)paced.pause : pause;
		finish = (double)paced.finish < finish ? (double)paced.finish : finish;
	}
	printf("%" PRIu64 " %.1f %.3f %.3f %s\n", paced.packets, ns / (double)paced.packets, pause / 1e6, finish / 1e6, path);
}

static void usage(void)
{
	fputs("usage: profile [-n ROUNDS] [-p TCPAUDIT] MIX [FEW MANY]\n       profile [-n ROUNDS] -a FILE...\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *program = "./tcpaudit";
	struct subject subject[3] = {0};
	bool attacks = false;
	int rounds = 7;

	for (int option; (option = getopt(argc, argv, "an:p:")) != -1;)
		if (option == 'a')
			attacks = true;
		else if (option == 'n')
			rounds = atoi(optarg);
		else if (option == 'p')
			program = optarg;
		else
			usage();
	int paths = argc - optind;
	if (rounds < 1 || rounds > ROUNDS_MOST || paths < 1 || (!attacks && paths != 1 && paths != 3))
		usage();
	for (int i = 0; i < paths; i++)
		if (attacks) {
			print_attack(argv[optind + i], (unsigned)rounds);
		} else {
			subject[i].path = argv[optind + i];
			measure(&subject[i], program, (unsigned)rounds);
		}
	if (!attacks)
		print_table(subject, (size_t)paths, (unsigned)rounds);
	return 0;
}
