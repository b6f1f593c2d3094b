/* test_label.c - what nDPI recognises through label.h, and what becomes of it when memory ends. */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/connection.h>

#include "cli/label.h"

#define HTTP "GET / HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n"

static size_t asked, allowed;

static void *limited(size_t size)
{
	return asked++ < allowed ? malloc(size) : NULL;
}

/* One connection, as the engine has it. */
struct talk {
	struct labeller *labeller;
	struct tcpaudit_labeller functions;
	struct tcpaudit_segment segment; /* of the client */
	uint16_t note;
	bool decided;
};

static struct labeller *new_labeller(uint64_t memory)
{
	char *error;
	struct labeller *labeller = label_new(&(struct label_options){.memory = memory}, &error);

	cr_assert_not_null(labeller, "%s", error);
	return labeller;
}

static struct talk begin(struct labeller *labeller, unsigned number, uint16_t port)
{
	struct talk talk = {.labeller = labeller, .functions = label_functions(labeller)};

	talk.segment = (struct tcpaudit_segment){.ip_version = 4,
	                                         .ttl = 64,
	                                         .src_port = (uint16_t)(1024 + number % 60000),
	                                         .dst_port = port,
	                                         .src = {{10, 1, (uint8_t)(number >> 8), (uint8_t)number}},
	                                         .dst = {{10, 2, 0, 1}}};
	return talk;
}

static void says(struct talk *talk, unsigned from, const void *text, size_t length)
{
	struct tcpaudit_segment s = talk->segment;

	if (from == TCPAUDIT_SERVER) {
		s.src_port = talk->segment.dst_port;
		s.dst_port = talk->segment.src_port;
		s.src = talk->segment.dst;
		s.dst = talk->segment.src;
	}
	s.len = (uint32_t)length;
	if (!talk->decided)
		talk->decided = talk->functions.text(talk->functions.user, &talk->note, &s, from, text, s.len);
}

static struct tcpaudit_label ends(struct talk *talk)
{
	if (!talk->decided && talk->note)
		talk->functions.end(talk->functions.user, &talk->note);
	talk->decided = true;
	return talk->note ? talk->functions.label(talk->functions.user, talk->note) : (struct tcpaudit_label){0};
}

static struct label_counters counters(const struct labeller *labeller)
{
	struct label_counters counters;

	label_count(labeller, &counters);
	return counters;
}

Test(label, http_is_recognised_on_any_port)
{
	static const uint16_t port[] = {80, 443, 22, 5432, 9999};
	struct labeller *labeller = new_labeller(0);

	for (unsigned i = 0; i < 5; i++) {
		struct talk talk = begin(labeller, i, port[i]);

		talk.segment.ip_version = i % 2 ? 6 : 4;
		says(&talk, TCPAUDIT_CLIENT, HTTP, strlen(HTTP));
		cr_assert(talk.decided);
		cr_assert_str_eq(ends(&talk).proto, "HTTP");
		cr_assert_null(ends(&talk).service);
		cr_assert_eq(ends(&talk).confidence, TCPAUDIT_LABEL_TEXT);
	}
	cr_assert_eq(counters(labeller).named, 5);
	label_free(labeller);
}

/* FTP is left out of what nDPI tries only where the text cannot be FTP's. */
Test(label, protocols_of_lines_are_recognised)
{
	static const char welcome[] =
	        "220 files.example.com FTP server ready, and nobody is to ask it for anything but files\r\n";
	static const char *const said[] = {welcome, "USER anonymous\r\n", "331 Any password will do\r\n", "PASS none\r\n",
	                                   "230 ok\r\n"};
	struct labeller *labeller = new_labeller(0);
	struct talk whole = begin(labeller, 1, 2121), halves = begin(labeller, 2, 2121);

	for (unsigned i = 0; i < 5; i++)
		says(&whole, !(i % 2), said[i], strlen(said[i]));
	cr_assert_str_eq(ends(&whole).proto, "FTP_CONTROL");
	says(&halves, TCPAUDIT_SERVER, welcome, 30);
	says(&halves, TCPAUDIT_SERVER, welcome + 30, strlen(welcome) - 30);
	for (unsigned i = 1; i < 5; i++)
		says(&halves, !(i % 2), said[i], strlen(said[i]));
	cr_assert_str_eq(ends(&halves).proto, "FTP_CONTROL");
	label_free(labeller);
}

Test(label, the_service_is_what_the_text_names)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: en.wikipedia.org\r\nUser-Agent: test\r\n\r\n";
	struct labeller *labeller = new_labeller(0);
	struct talk talk = begin(labeller, 1, 80);

	says(&talk, TCPAUDIT_CLIENT, request, strlen(request));
	cr_assert_str_eq(ends(&talk).proto, "HTTP");
	cr_assert_str_eq(ends(&talk).service, "Wikipedia");
	label_free(labeller);
}

/* 91.198.174.192 is Wikipedia's: the text does not say so. */
Test(label, addresses_tell_nothing)
{
	struct labeller *labeller = new_labeller(0);
	struct talk talk = begin(labeller, 1, 80);

	talk.segment.dst = (struct tcpaudit_address){{91, 198, 174, 192}};
	says(&talk, TCPAUDIT_CLIENT, HTTP, strlen(HTTP));
	cr_assert_str_eq(ends(&talk).proto, "HTTP");
	cr_assert_null(ends(&talk).service);
	label_free(labeller);
}

Test(label, ports_tell_nothing)
{
	static const char *const text[] = {"jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj",
	                                   "lorem ipsum dolor sit amet\r\n"};
	struct labeller *labeller = new_labeller(0);

	for (unsigned port = 1; port < 65536; port++)
		for (unsigned i = 0; i < 2; i++) {
			struct talk talk = begin(labeller, port * 31, (uint16_t)port);

			says(&talk, TCPAUDIT_CLIENT, text[i], strlen(text[i]));
			says(&talk, TCPAUDIT_SERVER, text[i], strlen(text[i]));
			struct tcpaudit_label label = ends(&talk);
			cr_assert_null(label.proto, "port %u: %s", port, label.proto);
		}
	cr_assert_eq(counters(labeller).unnamed, 2 * 65535);
	cr_assert_eq(counters(labeller).off, 0);
	cr_assert_leq(counters(labeller).memory, 8 << 20); /* what is decided takes none */
	label_free(labeller);
}

/* BitTorrent, to and from everywhere: nDPI would remember its addresses. */
Test(label, other_connections_tell_nothing)
{
	static const char hello[] = "\23BitTorrent protocol\0\0\0\0\0\20\0\5abcdefghijklmnopqrst-TR3000-abcdefghijkl";
	static const char junk[] = "\173\221\1\125\252\356\321\63\173\221\1\125\252\356\321\63\173\221\1\125\252\356\321\63";
	static const uint16_t port[] = {6881, 8080, 4000};
	struct labeller *labeller = new_labeller(0);

	for (unsigned i = 0; i < 12; i++) {
		struct talk first = begin(labeller, i / 6, port[i % 3]), second = begin(labeller, i / 6, port[i % 3]);

		first.segment.ip_version = second.segment.ip_version = i % 2 ? 6 : 4;
		says(&first, TCPAUDIT_CLIENT, hello, sizeof hello - 1);
		says(&first, TCPAUDIT_SERVER, hello, sizeof hello - 1);
		cr_assert_str_eq(ends(&first).proto, "BitTorrent");
		says(&second, TCPAUDIT_CLIENT, junk, sizeof junk - 1);
		says(&second, TCPAUDIT_SERVER, junk, sizeof junk - 1);
		cr_assert_null(ends(&second).proto, "%s", ends(&second).proto);
	}
	label_free(labeller);
}

Test(label, it_makes_up_its_mind_after_a_few_segments)
{
	struct labeller *labeller = new_labeller(0);
	struct talk alone = begin(labeller, 1, 7), lines = begin(labeller, 2, 7), both = begin(labeller, 3, 7);
	unsigned said = 0;

	for (; !alone.decided; said++)
		says(&alone, TCPAUDIT_CLIENT, "\1\2\3\4\5\6\7", 7);
	cr_assert_leq(said, 3);
	for (said = 0; !lines.decided; said++)
		says(&lines, said % 2, "word\r\n", 6);
	cr_assert(said > 3 && said <= 12);
	for (said = 0; !both.decided; said++)
		says(&both, said % 2, "\1\2\3\4\5\6\7", 7);
	cr_assert_eq(said, 2);
	label_free(labeller);
}

Test(label, no_length_is_too_large)
{
	struct labeller *labeller = new_labeller(0);
	struct talk talk = begin(labeller, 1, 80), garbage = begin(labeller, 2, 80);
	size_t length = 300000;
	char *text = malloc(length);

	memset(text, 'x', length);
	says(&garbage, TCPAUDIT_CLIENT, text, length);
	cr_assert_null(ends(&garbage).proto);
	memcpy(text, HTTP, strlen(HTTP));
	says(&talk, TCPAUDIT_CLIENT, text, length);
	cr_assert_str_eq(ends(&talk).proto, "HTTP");
	free(text);
	label_free(labeller);
}

Test(label, the_oldest_undecided_give_way)
{
	enum { MANY = 20000 };
	const uint64_t memory = 16 << 20;
	struct labeller *labeller = new_labeller(memory);
	struct talk *talk = calloc(MANY, sizeof *talk);

	for (unsigned i = 0; i < MANY; i++) {
		talk[i] = begin(labeller, i, 4000);
		says(&talk[i], TCPAUDIT_CLIENT, "\26\3\1\20\0\1\0\17", 8); /* may become TLS, for which nDPI keeps it */
	}
	cr_assert_leq(counters(labeller).memory, memory + (1 << 20));
	uint64_t off = counters(labeller).off;
	cr_assert(off > 0 && off < MANY);

	says(&talk[0], TCPAUDIT_CLIENT, HTTP, strlen(HTTP)); /* it gave way: nobody looks */
	cr_assert(talk[0].decided);
	cr_assert_null(ends(&talk[0]).proto);
	struct talk newest = begin(labeller, MANY, 4000);
	says(&newest, TCPAUDIT_CLIENT, HTTP, strlen(HTTP));
	cr_assert_str_eq(ends(&newest).proto, "HTTP");
	for (unsigned i = 0; i < MANY; i++)
		cr_assert_null(ends(&talk[i]).proto);
	struct label_counters sum = counters(labeller);
	cr_assert_eq(sum.named + sum.unnamed + sum.off, MANY + 1);
	cr_assert_eq(sum.named, 1);
	free(talk);
	label_free(labeller);
}

/* Every number of chunks that is too small for the set-up, and then some. */
Test(label, a_failed_allocation_is_survived_wherever_it_happens)
{
	struct labeller *labeller;
	size_t failures = 0;

	for (allowed = 0;; allowed++) {
		char *error;

		asked = 0;
		labeller = label_new(&(struct label_options){.allocate = limited}, &error);
		if (labeller != NULL)
			break;
		failures++;
		cr_assert_not_null(error);
		cr_assert_not_null(strstr(error, "--no-dpi"));
		free(error);
	}
	cr_assert_geq(failures, 10);
	/* no more memory from here on: whoever is undecided gives way, and what is recognised at once still is */
	struct talk *talk = calloc(5000, sizeof *talk);
	for (unsigned i = 0; i < 5000; i++) {
		talk[i] = begin(labeller, i, 4000);
		says(&talk[i], TCPAUDIT_CLIENT, "\26\3\1\20\0\1\0\17", 8);
		struct talk http = begin(labeller, i, 80);
		says(&http, TCPAUDIT_CLIENT, HTTP, strlen(HTTP));
		struct tcpaudit_label label = ends(&http);
		cr_assert(label.proto == NULL || strcmp(label.proto, "HTTP") == 0);
	}
	for (unsigned i = 0; i < 5000; i++)
		cr_assert_null(ends(&talk[i]).proto);
	struct label_counters sum = counters(labeller);
	cr_assert_eq(sum.named + sum.unnamed + sum.off, 10000);
	cr_assert_gt(sum.off, 0);
	free(talk);
	label_free(labeller);
}

Test(label, without_time_text_stays_unlabelled)
{
	struct labeller *labeller = new_labeller(0);
	struct talk before = begin(labeller, 1, 80), within = begin(labeller, 2, 80), behind = begin(labeller, 3, 80);

	says(&before, TCPAUDIT_CLIENT, "\1\2\3", 3); /* nothing yet */
	label_hurry(labeller, true);
	says(&before, TCPAUDIT_CLIENT, HTTP, strlen(HTTP));
	says(&within, TCPAUDIT_CLIENT, HTTP, strlen(HTTP));
	label_hurry(labeller, false);
	says(&behind, TCPAUDIT_CLIENT, HTTP, strlen(HTTP));
	cr_assert_null(ends(&before).proto);
	cr_assert_null(ends(&within).proto);
	cr_assert_str_eq(ends(&behind).proto, "HTTP");
	struct label_counters sum = counters(labeller);
	cr_assert_eq(sum.shed, 2);
	cr_assert_eq(sum.named, 1);
	cr_assert_eq(sum.unnamed + sum.off, 0);
	label_hurry(NULL, true);
	label_free(labeller);
}

Test(label, too_little_memory_is_said_at_the_start)
{
	char *error;

	cr_assert_null(label_new(&(struct label_options){.memory = 1 << 20}, &error));
	cr_assert_not_null(strstr(error, "memory"));
	free(error);
}

Test(label, several_labellers_do_not_meet)
{
	struct labeller *a = new_labeller(0), *b = new_labeller(0);
	struct talk in_a = begin(a, 1, 80), in_b = begin(b, 1, 80);

	says(&in_a, TCPAUDIT_CLIENT, "GET / HT", 8);
	says(&in_b, TCPAUDIT_CLIENT, HTTP, strlen(HTTP));
	cr_assert_str_eq(ends(&in_b).proto, "HTTP");
	label_free(b);
	says(&in_a, TCPAUDIT_SERVER, "\1\2\3", 3);
	ends(&in_a);
	cr_assert_eq(counters(a).named + counters(a).unnamed, 1);
	label_free(a);
}

/* Parts are not on the same thread, and use the same modules in turn. */
struct part_talk {
	struct tcpaudit_labeller functions;
	unsigned number, named;
};

static void *talk_much(void *user)
{
	struct part_talk *part = user;

	for (unsigned i = 0; i < 300; i++) {
		struct talk http = {.functions = part->functions}, mute = http;

		http.segment = mute.segment =
		        (struct tcpaudit_segment){.ip_version = 4, .ttl = 64, .dst_port = 80, .src_port = (uint16_t)(2000 + i)};
		says(&mute, TCPAUDIT_CLIENT, "\26\3\1\20\0\1\0\17", 8); /* undecided for long */
		says(&http, TCPAUDIT_CLIENT, HTTP, 10);
		says(&http, TCPAUDIT_CLIENT, &HTTP[10], strlen(HTTP) - 10);
		struct tcpaudit_label label = ends(&http);
		part->named += label.proto != NULL && strcmp(label.proto, "HTTP") == 0;
		ends(&mute);
	}
	return NULL;
}

Test(label, parts_of_an_engine_label_at_the_same_time)
{
	enum { PARTS = 12 };
	struct labeller *labeller = new_labeller(0);
	const struct tcpaudit_labeller whole = label_functions(labeller);
	const uint64_t alone = counters(labeller).memory;
	struct part_talk part[PARTS];
	pthread_t thread[PARTS];

	for (unsigned i = 0; i < PARTS; i++) {
		part[i] = (struct part_talk){.number = i};
		cr_assert(whole.part(whole.user, i, PARTS, &part[i].functions));
		cr_assert_eq(part[i].functions.user == whole.user, i == 0, "the first part is the labeller's own");
	}
	for (unsigned i = 0; i < PARTS; i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, talk_much, &part[i]), 0);
	for (unsigned i = 0; i < PARTS; i++) {
		pthread_join(thread[i], NULL);
		cr_assert_eq(part[i].named, 300, "%u of part %u", part[i].named, i);
	}
	const struct label_counters sum = counters(labeller);
	cr_assert_eq(sum.named, PARTS * 300);
	cr_assert_eq(sum.unnamed, PARTS * 300);
	cr_assert_leq(sum.memory, PARTS * (alone + (2 << 20)));
	label_free(labeller);
}

/* One after the other, they need one module. */
Test(label, a_module_is_for_whoever_needs_it)
{
	struct labeller *labeller = new_labeller(0);
	const struct tcpaudit_labeller whole = label_functions(labeller);
	const uint64_t alone = counters(labeller).memory;

	for (unsigned i = 0; i < 8; i++) {
		struct part_talk part = {.number = i};
		cr_assert(whole.part(whole.user, i, 8, &part.functions));
		talk_much(&part);
		cr_assert_eq(part.named, 300);
	}
	cr_assert_leq(counters(labeller).memory, alone + (16 << 20), "%" PRIu64, counters(labeller).memory - alone);
	label_free(labeller);
}

Test(label, the_library_is_named)
{
	cr_assert_eq(strncmp(label_library(), "nDPI 4.", 7) == 0 || strncmp(label_library(), "nDPI 5.", 7) == 0, 1, "%s",
	             label_library());
}
