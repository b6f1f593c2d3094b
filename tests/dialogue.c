/* dialogue.c - runs dialogues: packetdrill's notation with two observed ends, held against the engine.
 *
 *   dialogue [FILE...]              judge each file, print TAP (without FILE: $srcdir/tests/dialogues)
 *   dialogue --write DIR FILE...    write the frames of each file as DIR/NAME.pcap instead
 *
 * A line of a dialogue is one of
 *   // comment
 *   iss A|B N                       initial sequence number (A 1000, B 5000); numbers below are relative to it
 *   ipv6 / self / multicast / reserved / vlan N / vlan A N / msl S / vantage client|server      before the first segment
 *                                   self: B has A's address; multicast: B has a multicast address, reserved: one of 240/4
 *   `handshake [ts] [plain]`        SYN, SYN-ACK and ACK, 10 ms apart; ts: timestamps on all segments from here on;
 *                                   plain: no window scaling
 *   stream A|B OCTETS               right behind the handshake: so much text, all acknowledged; numbers below go on from there
 *   TIME A[:PORT] > B[:PORT] FLAGS SEQ:END(LEN) [ack N] [win N] [<OPTIONS>] [WORDS]
 *                                   TIME: seconds, or +seconds after the line before.  FLAGS: S F R P . (ACK) U E W A (AE) 1
 * (reserved), - none. win: the field, unscaled. OPTIONS: mss N, wscale N, sackOK, TS val N ecr N, sack L-R ..., fastopen [HEX], mptcp, fastclose, md5, nop
 *                                   WORDS: lost (captured, never delivered: a note to the reader), unseen (not
 *                                   captured), ttl N, id N, snap N (captured octets), place N (which capture, of several
 *                                   together; 0), badsum, partialsum, outbound,
 *                                   lossbefore (the capture says that it lost frames)
 *   TIME B|R > A icmp TYPE/CODE quotes SEQ
 *   +60s                            nothing happens for 60 seconds, and the capture goes on
 *   ? A STATE|STATE [B STATE|...]   the sets of states after the last captured segment
 *   ! ID [SEVERITY] [CONFIDENCE]    a finding of note or above; those that are not named fail the dialogue
 *   ~ ID                            a finding of info, or a note on the capture
 *   may ID                          a finding that may be raised or not: the catalogue leaves it open
 *   - ID                            not raised, not even as info
 *   end[#N] KIND [KEY VALUE]...     how the (Nth) connection ended; every connection needs a line; KEY as in `facts`
 *   route[#N] A|B STATE! STATE?...  the states that an end entered, ! proven and ? presumed
 * Exit status: 0 all hold, 1 not, 2 usage. */
#include "dialogue.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void run_line(struct dialogue *d, char *line);

static void run_handshake(struct dialogue *d, char **cursor)
{
	static const char *const step[] = {"+0 A > B S 0:0(0)", "+0.010 B > A S. 0:0(0) ack 1", "+0.010 A > B . 1:1(0) ack 1"};
	bool ts = false, plain = false;
	char *word;

	while ((word = next_word(cursor)) && strcmp(word, "`")) {
		size_t n = strcspn(word, "`");

		if (n == 2 && !strncmp(word, "ts", n))
			ts = true;
		else if (n == 5 && !strncmp(word, "plain", n))
			plain = true;
		else
			fail(d, d->line, "unknown handshake `%s`", word);
	}
	d->timestamps = ts;
	d->scaled = false;
	for (int i = 0; i < 3; i++) {
		char options[120], line[240];
		uint32_t now = (uint32_t)(100000 * (i % 2 + 1) + (d->now + (i ? 10000000 : 0)) / 1000000);

		snprintf(options, sizeof options, "mss 1460%s", plain ? "" : ", sackOK, wscale 7");
		if (ts)
			snprintf(options + strlen(options), sizeof options - strlen(options), ", TS val %" PRIu32 " ecr %" PRIu32,
			         now, i ? d->last_tsval[0] : 0);
		d->scaled = i == 2 && !plain;
		snprintf(line, sizeof line, i < 2 ? "%s <%s>" : "%s", step[i], options);
		run_line(d, line);
	}
}

static bool want_word(struct dialogue *d, char **cursor, const char *what, char **word)
{
	*word = next_word(cursor);
	if (!*word)
		fail(d, d->line, "expected %s", what);
	return *word;
}

/* "A 3000": an end, and a number of it. */
static bool next_of_end(struct dialogue *d, char **cursor, const char *what, unsigned *party, int64_t *value)
{
	char *word;

	if (!want_word(d, cursor, "A or B", &word))
		return false;
	if (to_party(word, party) && *party != PARTY_ROUTER)
		return next_number(d, cursor, what, value);
	fail(d, d->line, "expected A or B, got `%s`", word);
	return false;
}

static void run_iss(struct dialogue *d, char **cursor)
{
	unsigned party;
	int64_t value;

	if (next_of_end(d, cursor, "iss", &party, &value))
		d->iss[party] = (uint32_t)value;
}

static void run_stream(struct dialogue *d, char **cursor)
{
	unsigned party;
	int64_t value;

	if (next_of_end(d, cursor, "stream", &party, &value))
		feed_stream(d, party, (uint32_t)value);
}

static void run_vlan(struct dialogue *d, char **cursor)
{
	char *word;
	unsigned party = PARTY_ROUTER;
	int64_t value;

	if (!want_word(d, cursor, "a VLAN", &word))
		return;
	if (to_party(word, &party) ? !next_number(d, cursor, "vlan", &value) : !to_number(word, &value)) {
		fail(d, d->line, "expected vlan [A|B] NUMBER");
		return;
	}
	d->ethernet = true;
	for (unsigned i = 0; i < 2; i++)
		if (party == PARTY_ROUTER || party == i)
			d->vlan[i] = (uint16_t)value;
}

static void run_vantage(struct dialogue *d, char **cursor)
{
	char *word;

	if (!want_word(d, cursor, "client or server", &word))
		return;
	if (!strcmp(word, "client"))
		d->settings.vantage = 1u << TCPAUDIT_CLIENT;
	else if (!strcmp(word, "server"))
		d->settings.vantage = 1u << TCPAUDIT_SERVER;
	else
		fail(d, d->line, "expected client or server, got `%s`", word);
}

static void run_msl(struct dialogue *d, char **cursor)
{
	int64_t value;

	if (next_number(d, cursor, "msl", &value))
		d->settings.msl = value * NS;
}
/* Kept until the engine has finished; `text` starts behind the directive's first character or word. */
static void keep(struct dialogue *d, struct wishes *wishes, const char *text)
{
	struct wish *wish = &wishes->wish[wishes->count];

	if (wishes->count == MAX_WISHES || strlen(text) >= sizeof wish->text) {
		fail(d, d->line, "too much to remember");
		return;
	}
	wish->line = d->line;
	strcpy(wish->text, text);
	wishes->count++;
}

static void run_setting(struct dialogue *d, const char *word, char **cursor)
{
	if (!strcmp(word, "iss")) {
		run_iss(d, cursor);
		return;
	}
	if (d->started || d->frames)
		fail(d, d->line, "`%s` belongs before the first segment", word);
	if (!strcmp(word, "ipv6"))
		d->ipv6 = true;
	else if (!strcmp(word, "self"))
		d->self = true;
	else if (!strcmp(word, "multicast"))
		d->multicast = true;
	else if (!strcmp(word, "reserved"))
		d->reserved = true;
	else if (!strcmp(word, "vlan"))
		run_vlan(d, cursor);
	else if (!strcmp(word, "vantage"))
		run_vantage(d, cursor);
	else if (!strcmp(word, "msl"))
		run_msl(d, cursor);
	else
		fail(d, d->line, "unknown directive `%s`", word);
}

static void run_line(struct dialogue *d, char *line)
{
	char *cursor = line, *word = next_word(&cursor);

	if (!word || !strncmp(word, "//", 2))
		return;
	if (isdigit((unsigned char)*word) || *word == '+')
		parse_timed(d, word, &cursor);
	else if (!strncmp(word, "`handshake", 10))
		run_handshake(d, &cursor);
	else if (!strcmp(word, "?"))
		check_states(d, &cursor);
	else if (!strcmp(word, "!"))
		keep(d, &d->findings, cursor);
	else if (!strcmp(word, "may"))
		keep(d, &d->tolerated, cursor);
	else if (!strcmp(word, "~"))
		keep(d, &d->notes, cursor);
	else if (!strcmp(word, "-"))
		keep(d, &d->absent, cursor);
	else if (!strncmp(word, "end", 3) && (!word[3] || word[3] == '#')) {
		word[strlen(word)] = ' '; /* the number stays with the rest */
		keep(d, &d->ends, word + 3);
	} else if (!strncmp(word, "route", 5) && (!word[5] || word[5] == '#')) {
		word[strlen(word)] = ' ';
		keep(d, &d->routes, word + 5);
	} else if (!strcmp(word, "stream")) {
		run_stream(d, &cursor);
	} else
		run_setting(d, word, &cursor);
}

static bool read_script(struct dialogue *d)
{
	FILE *file = fopen(d->path, "r");
	char line[512];

	if (!file) {
		fail(d, 0, "%s", strerror(errno));
		return false;
	}
	while (fgets(line, sizeof line, file)) {
		d->line++;
		run_line(d, line);
	}
	fclose(file);
	return true;
}

static FILE *create_pcap(const struct dialogue *d, const char *directory)
{
	const char *slash = strrchr(d->path, '/');
	const char *name = slash ? slash + 1 : d->path;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof path, "%s/%.*s.pcap", directory, (int)strcspn(name, "."), name);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(2);
	}
	return file;
}

/* The header stands last, when the link type is known. */
static void finish_pcap(struct dialogue *d)
{
	rewind(d->pcap);
	put_le32(d->pcap, 0xa1b23c4d);
	put_le32(d->pcap, 4u << 16 | 2);
	put_le32(d->pcap, 0);
	put_le32(d->pcap, 0);
	put_le32(d->pcap, 262144);
	put_le32(d->pcap, d->ethernet ? 1 : 101);
	fclose(d->pcap);
}

static bool run_file(const char *path, const char *directory, unsigned number)
{
	struct dialogue *d = calloc(1, sizeof *d);
	bool good;

	if (!d)
		exit(2);
	d->path = path;
	d->iss[PARTY_A] = 1000;
	d->iss[PARTY_B] = 5000;
	d->diagnostics = open_memstream(&d->report, &d->report_len);
	tcpaudit_settings_init(&d->settings);
	memcpy(d->settings.hash_key, "sixteen octets!!", sizeof d->settings.hash_key);
	if (directory) {
		d->pcap = create_pcap(d, directory);
		fwrite("                        ", 1, 24, d->pcap);
	}
	if (read_script(d) && !directory)
		check_all(d);
	if (d->pcap)
		finish_pcap(d);
	fclose(d->diagnostics);
	good = !d->failures;
	if (!directory)
		printf("%s %u - %s\n", good ? "ok" : "not ok", number, strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	fputs(d->report, directory ? stderr : stdout);
	for (size_t i = 0; i < d->connections; i++)
		free((void *)d->connection[i].transitions);
	tcpaudit_free(d->engine);
	free(d->report);
	free(d);
	return good;
}

static int run_files(size_t count, char *const *paths, const char *directory)
{
	bool good = true;

	if (!directory)
		printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		good &= run_file(paths[i], directory, (unsigned)i + 1);
		fflush(stdout);
	}
	return good ? 0 : 1;
}

static int run_shipped(void)
{
	const char *source = getenv("srcdir");
	char pattern[4096];
	glob_t found;
	int status;

	snprintf(pattern, sizeof pattern, "%s/tests/dialogues/*.pkt", source ? source : ".");
	if (glob(pattern, 0, NULL, &found)) {
		fprintf(stderr, "dialogue: no files %s\n", pattern);
		return 2;
	}
	status = run_files(found.gl_pathc, found.gl_pathv, NULL);
	globfree(&found);
	return status;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return run_shipped();
	if (!strcmp(argv[1], "--write") && argc > 3)
		return run_files((size_t)argc - 3, argv + 3, argv[2]);
	if (argv[1][0] != '-')
		return run_files((size_t)argc - 1, argv + 1, NULL);
	fprintf(stderr, "usage: dialogue [FILE...] | dialogue --write DIRECTORY FILE...\n");
	return 2;
}
