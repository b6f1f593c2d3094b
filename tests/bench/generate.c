/* generate.c - captures for measuring: many connections that are as they ought to be, or traffic made to be expensive.
 *
 *   generate [-s SEED] [-o FILE] KIND COUNT [CONCURRENT [SEGMENTS [TEXT]]]
 *
 * COUNT connections, CONCURRENT of them at a time (default: all) in random turns, with SEGMENTS data segments (default 8) of
 * TEXT octets (default 100).  The same arguments give the same capture.  KIND is
 *   mix        closed in the usual ways, see `closes`; what of each there is goes to standard error
 *   open       established and left open
 *   collide    open, with socket pairs that a hash symmetric by XOR cannot tell apart
 *   flood      COUNT SYNs from different sockets
 *   onebyte    COUNT segments of one octet in 8 connections, first those with a hole behind each, then backwards those left out
 *   fragments  COUNT overlapping fragments of datagrams that never become whole
 *   expire     COUNT connections closed within one microsecond, and what comes after they have settled, and are forgotten
 *   reuse      COUNT aborted connections of the same two sockets, one behind the other
 *
 * At the end, one line on standard error: packets N bytes N KIND N ... */
#include <getopt.h>
#include <stdbool.h>

#include "frame.h"

/* A connection's way: capitals are the client's segments, small letters the server's.  S SYN (with ACK by the server), A ACK,
 * D data, F FIN, R RST. */
#define HANDSHAKE "SsA"

static const struct close_kind {
	const char *name; /* as the audit calls it */
	const char *way;
	unsigned percent;
} closes[] = {
        {"four-way", "FafA", 50}, {"three-way", "FfA", 25}, {"half-close", "FaddAfA", 10},
        {"abort-client", "R", 6}, {"abort-server", "r", 4}, {"open-active", "", 5},
};
#define CLOSES (sizeof closes / sizeof closes[0])
enum { NEVER_CLOSED = 5 };

struct flow {
	uint32_t number;
	uint32_t next[2]; /* sequence number that each end sends next */
	uint16_t left;    /* data segments still to come */
	uint8_t kind;
	uint8_t step;
};

struct request {
	const char *kind;
	uint64_t count, concurrent;
	unsigned segments, text;
	struct pcap_writer out;
	uint64_t random;
	uint64_t of_kind[CLOSES];
};

static uint64_t draw(struct request *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

/* The sockets of a connection by its number: 1000 clients, 250 servers with two ports each. */
static struct outgoing sockets_of(uint32_t number)
{
	uint32_t scattered = number * 2654435761u;

	return (struct outgoing){.src = 0x0a000001 + number % 1000,
	                         .src_port = (uint16_t)(1024 + number / 1000 % 64000),
	                         .dst = 0xc6336401 + (scattered >> 8) % 250,
	                         .dst_port = scattered >> 31 ? 443 : 80};
}

/* All have the same XOR of their addresses and of their ports, and every second one has the addresses of the one before swapped.
 */
static struct outgoing colliding_sockets(uint32_t number)
{
	uint32_t one = 0x0a000000 | (number / 2 & 0x0fffff), other = one ^ 0x00f00000;
	uint16_t port = (uint16_t)(1024 + (number >> 21) % 16384);

	return (struct outgoing){
	        .src = number & 1 ? other : one, .src_port = port, .dst = number & 1 ? one : other, .dst_port = port ^ 0x8000};
}

/* One segment of a connection; `server` sends it. */
static void emit(struct request *r, struct outgoing sockets, uint32_t next[2], unsigned server, uint8_t flags, uint16_t len)
{
	struct outgoing o = sockets;

	if (server) {
		o.src = sockets.dst;
		o.dst = sockets.src;
		o.src_port = sockets.dst_port;
		o.dst_port = sockets.src_port;
	}
	o.seq = next[server];
	o.ack = next[!server];
	o.flags = flags;
	o.len = len;
	write_segment(&r->out, &o);
	next[server] += len + !!(flags & (SYN | FIN));
}

static void emit_letter(struct request *r, const struct outgoing *sockets, uint32_t next[2], char letter)
{
	unsigned server = letter >= 'a';
	char what = (char)(letter & ~0x20);
	uint8_t flags = what == 'S'   ? (server ? SYN | ACK : SYN)
	                : what == 'F' ? FIN | ACK
	                : what == 'R' ? RST | ACK
	                : what == 'D' ? PSH | ACK
	                              : ACK;

	emit(r, *sockets, next, server, flags, what == 'D' ? (uint16_t)r->text : 0);
}

/* The next segment of a connection: handshake, data in turns, an ACK for the last of it, the close.  '\0' when it is over. */
static char next_letter(const struct request *r, struct flow *f)
{
	unsigned step = f->step;

	if (step < 3) {
		f->step++;
		return HANDSHAKE[step];
	}
	if (f->left > 0)
		return (r->segments - f->left--) % 2 ? 'd' : 'D';
	f->step++;
	if (step > 3)
		return closes[f->kind].way[step - 4];
	return r->segments == 0 ? closes[f->kind].way[f->step++ - 4] : r->segments % 2 ? 'a' : 'A';
}

static uint8_t draw_kind(struct request *r)
{
	unsigned percent = (unsigned)(draw(r) >> 20) % 100;
	uint8_t kind = 0;

	while (percent >= closes[kind].percent)
		percent -= closes[kind++].percent;
	return kind;
}

static void start(struct request *r, struct flow *f, uint32_t number, bool mixed)
{
	uint64_t isn = draw(r);

	*f = (struct flow){.number = number,
	                   .next = {(uint32_t)isn, (uint32_t)(isn >> 32)},
	                   .left = (uint16_t)r->segments,
	                   .kind = mixed ? draw_kind(r) : NEVER_CLOSED};
	r->of_kind[f->kind]++;
}

static void *claim(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (memory == NULL) {
		perror("generate");
		exit(1);
	}
	return memory;
}

/* Random turns among those that are on; one that is over gives its place to the next, or to the last. */
static void converse(struct request *r, bool mixed, struct outgoing (*sockets)(uint32_t number))
{
	uint64_t active = r->concurrent < r->count ? r->concurrent : r->count, begun = 0;
	struct flow *flows = claim(active, sizeof *flows);

	while (begun < active) {
		start(r, &flows[begun], (uint32_t)begun, mixed);
		begun++;
	}
	while (active > 0) {
		struct flow *f = &flows[(draw(r) >> 16) % active];
		char letter = next_letter(r, f);
		if (letter == '\0') {
			if (begun < r->count)
				start(r, f, (uint32_t)begun++, mixed);
			else
				*f = flows[--active];
			continue;
		}
		struct outgoing o = sockets(f->number);
		emit_letter(r, &o, f->next, letter);
		r->out.now += 1 + (draw(r) >> 40) % 3;
	}
	free(flows);
}

static void make_mix(struct request *r)
{
	converse(r, true, sockets_of);
}

static void make_open(struct request *r)
{
	converse(r, false, sockets_of);
}

static void make_collide(struct request *r)
{
	converse(r, false, colliding_sockets);
}

static void make_flood(struct request *r)
{
	for (uint64_t i = 0; i < r->count; i++) {
		uint32_t next[2] = {(uint32_t)draw(r), 0};
		struct outgoing o = {.src = 0x0a000000 | ((uint32_t)i * 2654435761u & 0xffffff),
		                     .src_port = (uint16_t)(1024 + ((uint32_t)(i >> 24) * 7919 + (uint32_t)i) % 64000),
		                     .dst = 0xc6336401,
		                     .dst_port = 80};
		emit(r, o, next, 0, SYN, 0);
		r->out.now++;
	}
}

/* Everything of a connection but its data, in one go. */
static void say(struct request *r, const struct outgoing *sockets, uint32_t next[2], const char *way)
{
	for (; *way != '\0'; way++)
		emit_letter(r, sockets, next, *way);
}

#define ONEBYTE_FLOWS 8

/* One round: each connection sends the octet at `place`; the server acknowledges the front now and then. */
static void onebyte_round(struct request *r, uint32_t next[ONEBYTE_FLOWS][2], uint32_t place)
{
	for (uint32_t n = 0; n < ONEBYTE_FLOWS; n++) {
		struct outgoing o = sockets_of(n);
		uint32_t at[2] = {next[n][0] + place, next[n][1]};
		emit(r, o, at, 0, ACK, 1);
		r->out.now += 2;
	}
}

static void make_onebyte(struct request *r)
{
	uint32_t next[ONEBYTE_FLOWS][2], half = (uint32_t)(r->count / ONEBYTE_FLOWS / 2);

	for (uint32_t n = 0; n < ONEBYTE_FLOWS; n++) {
		struct outgoing o = sockets_of(n);
		next[n][0] = (uint32_t)draw(r);
		next[n][1] = (uint32_t)draw(r);
		say(r, &o, next[n], HANDSHAKE);
	}
	for (uint32_t i = 0; i < half; i++)
		onebyte_round(r, next, 2 * i + 1);
	for (uint32_t i = half; i-- > 0;)
		onebyte_round(r, next, 2 * i);
	for (uint32_t n = 0; n < ONEBYTE_FLOWS; n++) {
		struct outgoing o = sockets_of(n);
		next[n][0] += 2 * half;
		say(r, &o, next[n], "aFafA");
	}
}

#define PIECES    250 /* of a datagram: within what one may have */
#define DATAGRAMS 256 /* at a time */

/* Piece `n` of a datagram: the first half leaves holes, the second half comes backwards and laps over both neighbours.  The
 * octets at 0 never come. */
static void piece(struct request *r, uint32_t datagram, unsigned n)
{
	unsigned half = PIECES / 2;
	bool second = n >= half;
	unsigned slot = second ? PIECES - 1 - n : n;

	write_fragment(&r->out, &(struct fragment){.src = 0x0a000001 + (datagram >> 16),
	                                           .dst = 0xc6336401,
	                                           .id = (uint16_t)datagram,
	                                           .offset = (uint16_t)(32 + 32 * slot + (second ? 8 : 0)),
	                                           .len = second ? 32 : 16});
	r->out.now++;
}

static void make_fragments(struct request *r)
{
	uint64_t left = r->count;

	for (uint32_t first = 0; left > 0; first += DATAGRAMS)
		for (unsigned n = 0; n < PIECES; n++)
			for (uint32_t d = 0; d < DATAGRAMS && left > 0; d++, left--)
				piece(r, first + d, n);
}

/* Another connection goes on after some time, so that what is due then can be worked off. */
static void go_on(struct request *r, const struct outgoing *sockets, uint32_t next[2], unsigned seconds)
{
	r->out.now += UINT64_C(1000000) * seconds;
	for (uint64_t i = 0; i < r->count / 8 + 1; i++) {
		emit_letter(r, sockets, next, i % 2 ? 'd' : 'D');
		r->out.now++;
	}
}

static void make_expire(struct request *r)
{
	struct outgoing witness = sockets_of((uint32_t)r->count);
	uint32_t own[2] = {(uint32_t)draw(r), (uint32_t)draw(r)};

	say(r, &witness, own, HANDSHAKE);
	for (uint32_t i = 0; i < r->count; i++) {
		struct outgoing o = sockets_of(i);
		uint32_t next[2] = {(uint32_t)draw(r), (uint32_t)draw(r)};
		say(r, &o, next, HANDSHAKE "FfA");
	}
	go_on(r, &witness, own, 7);
	go_on(r, &witness, own, 290);
}

#define REUSED_AFTER 100 /* us */

static void make_reuse(struct request *r)
{
	const struct outgoing o = sockets_of(0);

	for (uint64_t i = 0; i < r->count; i++) {
		uint32_t next[2] = {(uint32_t)i * 1000003, (uint32_t)i * 2000003};
		say(r, &o, next, HANDSHAKE "DR");
		r->out.now += REUSED_AFTER;
	}
}

static const struct {
	const char *name;
	void (*make)(struct request *request);
} kinds[] = {
        {"mix", make_mix},         {"open", make_open},           {"collide", make_collide}, {"flood", make_flood},
        {"onebyte", make_onebyte}, {"fragments", make_fragments}, {"expire", make_expire},
        {"reuse", make_reuse},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static void usage(void)
{
	fputs("usage: generate [-s SEED] [-o FILE] KIND COUNT [CONCURRENT [SEGMENTS [TEXT]]]\nKIND:", stderr);
	for (size_t i = 0; i < KINDS; i++)
		fprintf(stderr, " %s", kinds[i].name);
	fputc('\n', stderr);
	exit(2);
}

static uint64_t number_of(const char *text, uint64_t most)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || value > most)
		usage();
	return value;
}

static FILE *open_file(const char *path)
{
	FILE *file = path == NULL ? stdout : fopen(path, "wb");

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	setvbuf(file, NULL, _IONBF, 0);
	return file;
}

/* The arguments; what is not given has its default. */
static void read_arguments(struct request *r, int argc, char **argv)
{
	const char *path = NULL;
	uint64_t seed = 1;

	for (int option; (option = getopt(argc, argv, "s:o:")) != -1;)
		if (option == 's')
			seed = number_of(optarg, UINT32_MAX);
		else if (option == 'o')
			path = optarg;
		else
			usage();
	argc -= optind;
	argv += optind;
	if (argc < 2 || argc > 5)
		usage();
	r->kind = argv[0];
	r->count = number_of(argv[1], 60000000); /* sockets are different up to there */
	r->concurrent = argc > 2 ? number_of(argv[2], UINT32_MAX) : r->count;
	r->segments = argc > 3 ? (unsigned)number_of(argv[3], 10000) : 8;
	r->text = argc > 4 ? (unsigned)number_of(argv[4], TEXT_MOST) : 100;
	r->random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	if (r->concurrent == 0)
		usage();
	writer_begin(&r->out, open_file(path));
}

/* What was written, so that a reader's counts can be held against it. */
static void tell(const struct request *r)
{
	fprintf(stderr, "packets %ju bytes %ju", (uintmax_t)r->out.packets, (uintmax_t)r->out.bytes);
	for (size_t i = 0; i < CLOSES; i++)
		if (r->of_kind[i] > 0)
			fprintf(stderr, " %s %ju", closes[i].name, (uintmax_t)r->of_kind[i]);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	struct request request = {0};
	size_t kind = 0;

	read_arguments(&request, argc, argv);
	while (kind < KINDS && strcmp(request.kind, kinds[kind].name) != 0)
		kind++;
	if (kind == KINDS)
		usage();
	kinds[kind].make(&request);
	writer_flush(&request.out);
	free(request.out.buffer);
	if (ferror(request.out.file) || fclose(request.out.file) != 0) {
		perror("generate");
		return 1;
	}
	tell(&request);
	return 0;
}
