/* dialogue_segment.c - a line that begins with a time: parsed into a packet, and fed to the engine as a frame or written. */
#include "dialogue.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH 1700000000 /* time 0 of a dialogue */

static void on_segment(void *user, uint64_t flow, const struct tcpaudit_segment *segment, unsigned from,
                       const tcpaudit_state_set states[2])
{
	struct dialogue *d = user;

	(void)flow;
	(void)segment;
	d->states[d->sender] = states[from];
	d->states[!d->sender] = states[!from];
	d->states_known = true;
}

static void on_finding(void *user, const struct tcpaudit_finding *finding)
{
	struct dialogue *d = user;

	if (d->raised_count == MAX_RAISED)
		return;
	d->raised[d->raised_count++] = (struct raised){finding->check, finding->severity, finding->confidence, false};
}

static void on_connection_end(void *user, const struct tcpaudit_connection *connection)
{
	struct dialogue *d = user;
	struct tcpaudit_connection *copy;
	size_t size = connection->transition_count * sizeof *connection->transitions;
	struct tcpaudit_transition *route = malloc(size + 1);

	if (d->connections == MAX_CONNECTIONS || !route) {
		free(route);
		return;
	}
	copy = &d->connection[d->connections++];
	*copy = *connection;
	if (size)
		memcpy(route, connection->transitions, size);
	copy->transitions = route;
}

void start(struct dialogue *d)
{
	const struct tcpaudit_sink sink = {
	        .user = d, .connection_end = on_connection_end, .finding = on_finding, .segment = on_segment};

	if (d->started)
		return;
	d->started = true;
	d->settings.watch_all = true;
	d->settings.transitions = true;
	d->engine = tcpaudit_new(&d->settings, &sink);
	if (!d->engine) {
		perror("dialogue");
		exit(2);
	}
}

void put_le32(FILE *file, uint32_t value)
{
	for (int i = 0; i < 4; i++, value >>= 8)
		fputc((int)(value & 0xff), file);
}

static void write_frame(FILE *pcap, const struct tcpaudit_frame *frame)
{
	put_le32(pcap, (uint32_t)(frame->time / NS));
	put_le32(pcap, (uint32_t)(frame->time % NS));
	put_le32(pcap, frame->caplen);
	put_le32(pcap, frame->wirelen);
	fwrite(frame->data, 1, frame->caplen, pcap);
}

static void feed(struct dialogue *d, const struct packet *packet, uint32_t snap, uint8_t flags)
{
	static uint8_t octets[PACKET_MAX];
	uint32_t length = (uint32_t)packet_frame(packet, octets);
	uint32_t caplen = snap && snap < length ? snap : length;
	uint8_t *data = malloc(caplen); /* of its own, so that ASan sees reads behind it */
	struct tcpaudit_frame frame = {.time = EPOCH * NS + d->now,
	                               .ordinal = ++d->frames,
	                               .number = d->frames,
	                               .data = data,
	                               .caplen = caplen,
	                               .wirelen = length,
	                               .linktype = d->ethernet ? 1 : 101,
	                               .input = packet->place,
	                               .flags = flags};

	if (!data)
		exit(2);
	memcpy(data, octets, caplen);
	d->sender = packet->from;
	if (d->pcap)
		write_frame(d->pcap, &frame);
	else {
		start(d);
		tcpaudit_frames(d->engine, &frame, 1);
	}
	free(data);
}

static void feed_silence(struct dialogue *d)
{
	const struct packet silence = {
	        .from = PARTY_A, .to = PARTY_B, .silence = true, .ipv6 = d->ipv6, .ethernet = d->ethernet, .ttl = 64};

	feed(d, &silence, 0, 0);
}

static void add_option(struct packet *packet, uint8_t kind, const uint8_t *value, uint8_t n)
{
	if (packet->option_len + 2u + n > sizeof packet->option)
		return;
	packet->option[packet->option_len++] = kind;
	if (kind < 2)
		return;
	packet->option[packet->option_len++] = (uint8_t)(n + 2);
	if (n)
		memcpy(packet->option + packet->option_len, value, n);
	packet->option_len = (uint8_t)(packet->option_len + n);
}

static void add_number_option(struct packet *packet, uint8_t kind, uint64_t value, uint8_t n)
{
	uint8_t octets[8];

	for (unsigned i = 0; i < n; i++)
		octets[i] = (uint8_t)(value >> 8 * (n - 1 - i));
	add_option(packet, kind, octets, n);
}

static void add_timestamps(struct dialogue *d, struct packet *packet, uint32_t val, uint32_t ecr, bool unseen)
{
	add_number_option(packet, 8, (uint64_t)val << 32 | ecr, 10 - 2);
	if (!unseen)
		d->last_tsval[packet->from] = val;
}

static bool add_fast_open(struct packet *packet, const char *hex)
{
	uint8_t cookie[16];
	uint8_t n = 0;

	for (; n < sizeof cookie && hex && isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]); hex += 2)
		cookie[n++] = (uint8_t)strtoul((char[]){hex[0], hex[1], 0}, NULL, 16);
	add_option(packet, 34, cookie, n);
	return !hex || !*hex;
}

/* RFC 2018 3: up to four blocks, " L-R" each. */
static bool add_blocks(struct packet *packet, const char *text, uint32_t iss)
{
	uint8_t blocks[32];
	unsigned length = 0;
	int n = 0;

	for (; *text; text += n) {
		int64_t edge[2];
		if (length == sizeof blocks || sscanf(text, " %" SCNd64 "-%" SCNd64 "%n", &edge[0], &edge[1], &n) != 2)
			return false;
		for (int i = 0; i < 2; i++)
			for (int shift = 24; shift >= 0; shift -= 8)
				blocks[length++] = (uint8_t)((iss + (uint32_t)edge[i]) >> shift);
	}
	add_option(packet, 5, blocks, (uint8_t)length);
	return length;
}

/* One option of <...>, its words separated by single spaces. */
static bool parse_option(struct dialogue *d, struct packet *packet, char *text)
{
	int64_t a = 0, b = 0;
	int n = 0;

	if (sscanf(text, "mss %" SCNd64 "%n", &a, &n) == 1 && !text[n])
		add_number_option(packet, 2, (uint64_t)a, 2);
	else if (sscanf(text, "wscale %" SCNd64 "%n", &a, &n) == 1 && !text[n])
		add_number_option(packet, 3, (uint64_t)a, 1);
	else if (sscanf(text, "TS val %" SCNd64 " ecr %" SCNd64 "%n", &a, &b, &n) == 2 && !text[n])
		add_timestamps(d, packet, (uint32_t)a, (uint32_t)b, false);
	else if (!strncmp(text, "sack ", 5))
		return add_blocks(packet, text + 4, d->iss[packet->to]);
	else if (!strcmp(text, "sackOK"))
		add_option(packet, 4, NULL, 0);
	else if (!strcmp(text, "mptcp")) /* a DSS without mapping, RFC 8684 3.3 */
		add_number_option(packet, 30, 0x2000, 2);
	else if (!strcmp(text, "fastclose"))
		add_number_option(packet, 30, 0x7000, 2);
	else if (!strcmp(text, "md5")) /* RFC 2385 3; nobody asks whether the digest is right */
		add_option(packet, 19, (const uint8_t[16]){0}, 16);
	else if (!strcmp(text, "nop"))
		add_option(packet, 1, NULL, 0);
	else if (!strncmp(text, "fastopen", 8) && (!text[8] || text[8] == ' '))
		return add_fast_open(packet, text[8] ? text + 9 : NULL);
	else
		return false;
	return true;
}

static bool parse_options(struct dialogue *d, struct packet *packet, char *list)
{
	char *text, *rest = list + 1;

	list[strlen(list) - 1] = 0; /* the > */
	while ((text = strtok_r(rest, ",", &rest))) {
		text += strspn(text, " ");
		while (*text && text[strlen(text) - 1] == ' ')
			text[strlen(text) - 1] = 0;
		if (*text && !parse_option(d, packet, text)) {
			fail(d, d->line, "unknown option `%s`", text);
			return false;
		}
	}
	return true;
}

static bool parse_flags(const char *word, uint16_t *flags)
{
	static const char letters[] = "FSRP.UEWA1";

	*flags = 0;
	if (!strcmp(word, "-"))
		return true;
	for (; *word; word++) {
		const char *letter = strchr(letters, *word);

		if (!letter)
			return false;
		*flags |= (uint16_t)(1u << (letter - letters));
	}
	return true;
}

static bool parse_socket(char *word, unsigned *party, uint16_t port[2])
{
	char *colon = word ? strchr(word, ':') : NULL;
	int64_t value;

	if (colon) {
		*colon = 0;
		if (!to_number(colon + 1, &value) || value < 0 || value > 65535)
			return false;
	}
	if (!to_party(word, party))
		return false;
	if (colon && *party != PARTY_ROUTER)
		port[*party] = (uint16_t)value;
	return true;
}

/* What stands behind the numbers of a segment. */
struct extras {
	bool unseen, options;
	uint32_t snap;
	uint8_t frame_flags;
};

static bool parse_extra(struct dialogue *d, char *word, char **cursor, struct packet *packet, struct extras *extras)
{
	int64_t value = 0;

	if (*word == '<') {
		extras->options = true;
		return parse_options(d, packet, word);
	}
	if (!strcmp(word, "lost"))
		return true;
	if (!strcmp(word, "unseen"))
		return extras->unseen = true;
	if (!strcmp(word, "badsum") || !strcmp(word, "partialsum")) {
		packet->checksum = *word == 'b' ? CHECKSUM_BAD : CHECKSUM_PARTIAL;
		return true;
	}
	if (!strcmp(word, "outbound"))
		return extras->frame_flags |= TCPAUDIT_FRAME_OUTBOUND;
	if (!strcmp(word, "lossbefore"))
		return extras->frame_flags |= TCPAUDIT_FRAME_LOST;
	if (strcmp(word, "ack") && strcmp(word, "win") && strcmp(word, "ttl") && strcmp(word, "id") && strcmp(word, "snap") &&
	    strcmp(word, "place")) {
		fail(d, d->line, "unknown word `%s`", word);
		return false;
	}
	if (!next_number(d, cursor, word, &value))
		return false;
	if (*word == 'a')
		packet->ack = d->iss[packet->to] + (uint32_t)value;
	else if (*word == 'w')
		packet->window = (uint16_t)value;
	else if (*word == 't')
		packet->ttl = (uint8_t)value;
	else if (*word == 'i')
		packet->id = (uint16_t)value;
	else if (*word == 'p')
		packet->place = (uint16_t)value;
	else
		extras->snap = (uint32_t)value;
	return true;
}

static bool parse_numbers(struct dialogue *d, const char *word, struct packet *packet)
{
	int64_t seq, end, len;
	int n = 0;

	if (!word || sscanf(word, "%" SCNd64 ":%" SCNd64 "(%" SCNd64 ")%n", &seq, &end, &len, &n) != 3 || !n || word[n]) {
		fail(d, d->line, "expected SEQ:END(LEN), got `%s`", word ? word : "");
		return false;
	}
	if (seq + len != end || len < 0 || len > 65000) {
		fail(d, d->line, "%s: the end is not the sequence number plus the length", word);
		return false;
	}
	packet->seq = d->iss[packet->from] + (uint32_t)seq;
	packet->len = (uint32_t)len;
	return true;
}

static void default_timestamps(struct dialogue *d, struct packet *packet, bool unseen)
{
	uint32_t val = (uint32_t)(100000 * (packet->from + 1) + d->now / 1000000);

	add_option(packet, 1, NULL, 0);
	add_option(packet, 1, NULL, 0);
	add_timestamps(d, packet, val, packet->flags & TCPAUDIT_ACK ? d->last_tsval[packet->to] : 0, unseen);
}

static void parse_segment(struct dialogue *d, struct packet *packet, char **cursor)
{
	struct extras extras = {0};
	char *flags = next_word(cursor), *word;
	bool acked = false;

	if (!flags || !parse_flags(flags, &packet->flags)) {
		fail(d, d->line, "unknown flags `%s`", flags ? flags : "");
		return;
	}
	if (!parse_numbers(d, next_word(cursor), packet))
		return;
	packet->id = ++d->ip_id[packet->from];
	packet->window = d->scaled && !(packet->flags & TCPAUDIT_SYN) ? 512 : 65535;
	while ((word = next_word(cursor))) {
		acked |= !strcmp(word, "ack");
		if (!parse_extra(d, word, cursor, packet, &extras))
			return;
	}
	if (acked != !!(packet->flags & TCPAUDIT_ACK)) {
		fail(d, d->line, "the flag `.` and the word `ack` go together");
		return;
	}
	if (!extras.options && d->timestamps && !(packet->flags & TCPAUDIT_RST))
		default_timestamps(d, packet, extras.unseen);
	while (packet->option_len % 4)
		add_option(packet, 1, NULL, 0);
	if (!extras.unseen)
		feed(d, packet, extras.snap, extras.frame_flags);
}

static void parse_icmp(struct dialogue *d, struct packet *packet, char **cursor)
{
	unsigned type, code;
	int64_t seq;
	char *word = next_word(cursor), *quotes = next_word(cursor);

	if (!word || sscanf(word, "%u/%u", &type, &code) != 2 || !quotes || strcmp(quotes, "quotes")) {
		fail(d, d->line, "expected icmp TYPE/CODE quotes SEQ");
		return;
	}
	if (!next_number(d, cursor, "quotes", &seq))
		return;
	packet->icmp = true;
	packet->icmp_type = (uint8_t)type;
	packet->icmp_code = (uint8_t)code;
	packet->seq = d->iss[packet->to] + (uint32_t)seq;
	feed(d, packet, 0, 0);
}

static bool is_segment_icmp(char **cursor)
{
	char *p = *cursor + strspn(*cursor, " \t");

	if (strncmp(p, "icmp ", 5))
		return false;
	*cursor = p + 5;
	return true;
}

/* In segments as large as offload makes them, 10 ns apart, each acknowledged; of the text nothing is captured.  They have no IP
 * identification: what comes behind may go on from wherever it likes. */
void feed_stream(struct dialogue *d, unsigned party, uint32_t octets)
{
	while (octets > 0) {
		uint32_t len = octets < 65000 ? octets : 65000;

		for (unsigned from = party, acks = 0; acks < 2; from = !from, acks++) {
			struct packet packet = {.from = from,
			                        .to = !from,
			                        .ipv6 = d->ipv6,
			                        .ethernet = d->ethernet,
			                        .vlan = d->vlan[from],
			                        .ttl = 64,
			                        .port = {40000, 80},
			                        .flags = TCPAUDIT_ACK,
			                        .seq = d->iss[from] + 1,
			                        .ack = d->iss[!from] + 1,
			                        .len = acks ? 0 : len,
			                        .bulk = !acks,
			                        .window = d->scaled ? 512 : 65535};

			d->now += 10;
			if (d->timestamps)
				default_timestamps(d, &packet, false);
			feed(d, &packet, 120, 0);
			if (!acks)
				d->iss[from] += len;
		}
		octets -= len;
	}
}

/* TIME A > B ..., or +60s alone. */
void parse_timed(struct dialogue *d, char *word, char **cursor)
{
	struct packet packet = {.ipv6 = d->ipv6,
	                        .self = d->self,
	                        .multicast = d->multicast,
	                        .reserved = d->reserved,
	                        .ethernet = d->ethernet,
	                        .ttl = 64,
	                        .port = {40000, 80}};
	int64_t time;
	char *from, *arrow, *to;

	if (!to_time(word + (*word == '+'), &time)) {
		fail(d, d->line, "expected a time, got `%s`", word);
		return;
	}
	if (*word == '+')
		time += d->now;
	if (time < 0) {
		fail(d, d->line, "time before 0");
		return;
	}
	d->now = time;
	from = next_word(cursor);
	if (!from) {
		feed_silence(d);
		return;
	}
	arrow = next_word(cursor);
	to = next_word(cursor);
	if (!parse_socket(from, &packet.from, packet.port) || !arrow || strcmp(arrow, ">") ||
	    !parse_socket(to, &packet.to, packet.port) || packet.from == packet.to || packet.to == PARTY_ROUTER) {
		fail(d, d->line, "expected A > B or B > A");
		return;
	}
	packet.vlan = packet.from == PARTY_ROUTER ? 0 : d->vlan[packet.from];
	if (is_segment_icmp(cursor))
		parse_icmp(d, &packet, cursor);
	else if (packet.from == PARTY_ROUTER)
		fail(d, d->line, "a router sends only ICMP");
	else
		parse_segment(d, &packet, cursor);
}
