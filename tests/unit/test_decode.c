/* test_decode.c - frames to segments: every link type, tunnel, option, and every way to be cut short. */
#include "packets.h"

#include "decode/decode.h"
#include "decode/tcp_options.h"

#include <sys/mman.h>

static struct decoder *decoder;
static int64_t now; /* packet time */
static struct tcpaudit_segment segment;

static void renew(uint32_t tunnels, enum tcpaudit_checksum_mode mode)
{
	decoder_free(decoder);
	decoder = decoder_new(tunnels, mode, &now);
	cr_assert_not_null(decoder);
}

static void setup(void)
{
	renew(ALL, TCPAUDIT_CHECKSUM_STRICT);
	packet.start = sizeof packet.octet;
}

static void teardown(void)
{
	decoder_free(decoder);
}

TestSuite(decode, .init = setup, .fini = teardown);

/* What every segment promises, whatever came. */
static void expect_invariants(const uint8_t *data, size_t caplen, enum tcpaudit_fate fate)
{
	cr_assert(fate < TCPAUDIT_FATE_COUNT);
	if (fate != TCPAUDIT_FATE_TCP && (fate != TCPAUDIT_FATE_ICMP || !segment.icmp_quotes))
		return;
	cr_assert(segment.ip_version == 4 || segment.ip_version == 6);
	cr_assert_leq(segment.sack_count, 4);
	cr_assert_leq(segment.text_caplen, segment.len);
	cr_assert_leq(segment.header_len, 60);
	if ((segment.noticed & TCPAUDIT_SAW_REASSEMBLED) == 0) {
		cr_assert(segment.header >= data && segment.header + 4 <= data + caplen);
		if (segment.text_caplen > 0)
			cr_assert(segment.header + segment.header_len + segment.text_caplen <= data + caplen);
	}
	if (segment.unusable == TCPAUDIT_UNUSABLE_NONE)
		cr_assert_geq(segment.header_len, 20);
}

static uint8_t *exact;

/* Room behind which nobody may read. */
static uint8_t *before_the_edge(size_t size)
{
	enum { ROOM = 1 << 20, EDGE = 1 << 16 };
	static uint8_t *room;

	if (!room) {
		room = mmap(NULL, ROOM + EDGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		cr_assert(room != MAP_FAILED && mprotect(room + ROOM, EDGE, PROT_NONE) == 0);
	}
	cr_assert_leq(size, ROOM);
	return room + ROOM - size;
}

/* The frame lives in a buffer of exactly `caplen` octets until the next call. */
static enum tcpaudit_fate decode_cut(uint16_t linktype, size_t caplen, size_t wirelen, int64_t time, uint8_t flags)
{
	struct tcpaudit_frame frame = {.time = time, .ordinal = 7, .number = 8, .input = 9, .linktype = linktype, .flags = flags};
	enum tcpaudit_fate fate;

	exact = before_the_edge(caplen);
	memcpy(exact, packet.octet + packet.start, caplen);
	frame.data = exact;
	frame.caplen = (uint32_t)caplen;
	frame.wirelen = (uint32_t)wirelen;
	fate = decoder_decode(decoder, &frame, &segment);
	expect_invariants(exact, caplen, fate);
	return fate;
}

static enum tcpaudit_fate decode(uint16_t linktype)
{
	return decode_cut(linktype, length(), length(), 0, 0);
}

/* The segment of put_plain(), whole. */
static void expect_plain(const char *what)
{
	cr_expect_eq(segment.unusable, TCPAUDIT_UNUSABLE_NONE, "%s", what);
	cr_expect(segment.src_port == 1000 && segment.dst_port == 2000, "%s", what);
	cr_expect(segment.seq == 100 && segment.ack == 200, "%s", what);
	cr_expect(segment.len == 5 && segment.text_caplen == 5, "%s: %u", what, segment.len);
	cr_expect_eq(segment.flags, TCPAUDIT_ACK, "%s", what);
	cr_expect_eq(segment.window, 512, "%s", what);
	cr_expect_eq(segment.header_len, 20, "%s", what);
	cr_expect_eq(memcmp(segment.header + 20, TEXT, 5), 0, "%s", what);
	if (segment.ip_version == 4) {
		cr_expect(memcmp(segment.src.byte, a4, 4) == 0 && memcmp(segment.dst.byte, b4, 4) == 0, "%s", what);
		cr_expect_eq(segment.ttl, 64, "%s", what);
	} else {
		cr_expect(memcmp(segment.src.byte, a6, 16) == 0 && memcmp(segment.dst.byte, b6, 16) == 0, "%s", what);
		cr_expect_eq(segment.ttl, 63, "%s", what);
	}
	cr_expect_eq(segment.noticed & (TCPAUDIT_SAW_CUT | TCPAUDIT_SAW_CHECKSUM_BAD | TCPAUDIT_SAW_CHECKSUM_UNKNOWN |
	                                TCPAUDIT_SAW_IP_CHECKSUM_BAD),
	             0, "%s: %x", what, segment.noticed);
}

Test(decode, link_types)
{
	for (size_t i = 0; i < LINK_CASES; i++) {
		const struct link_case *c = &link_cases[i];
		enum tcpaudit_fate fate;

		build_link(c);
		fate = decode(c->linktype);
		cr_expect_eq(fate, c->fate, "%s: fate %d", c->name, fate);
		if (fate != TCPAUDIT_FATE_TCP)
			continue;
		expect_plain(c->name);
		cr_expect_eq(segment.ip_version, c->version, "%s", c->name);
		cr_expect_eq(segment.vlan, c->vlan, "%s: vlan %u", c->name, segment.vlan);
		cr_expect_eq(segment.noticed, 0, "%s: %x", c->name, segment.noticed);
		cr_expect_eq(segment.wirelen, length(), "%s", c->name);
	}
}

/* Cut anywhere: nothing is read beyond, and the fate says where the frame ended. */
Test(decode, link_types_cut_anywhere)
{
	for (size_t i = 0; i < LINK_CASES; i++) {
		const struct link_case *c = &link_cases[i];
		size_t ip, tcp;

		build_link(c);
		ip = c->n;
		tcp = ip + (c->version == 4 ? 20 : 40);
		for (size_t cut = 0; cut <= length(); cut++) {
			enum tcpaudit_fate fate = decode_cut(c->linktype, cut, length(), 0, 0);

			if (c->fate != TCPAUDIT_FATE_TCP)
				continue;
			if (cut < ip)
				cr_expect(fate == TCPAUDIT_FATE_L2_SHORT || fate == TCPAUDIT_FATE_IP_SHORT, "%s cut at %zu: %d",
				          c->name, cut, fate);
			else if (cut < tcp + 4)
				cr_expect_eq(fate, TCPAUDIT_FATE_IP_SHORT, "%s cut at %zu: %d", c->name, cut, fate);
			else
				cr_expect_eq(fate, TCPAUDIT_FATE_TCP, "%s cut at %zu: %d", c->name, cut, fate);
			if (fate != TCPAUDIT_FATE_TCP)
				continue;
			cr_expect_eq(segment.unusable, cut < tcp + 20 ? TCPAUDIT_UNUSABLE_SHORT : TCPAUDIT_UNUSABLE_NONE);
			cr_expect_eq((segment.noticed & TCPAUDIT_SAW_CUT) != 0, cut < length());
			cr_expect_eq((segment.noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN) != 0, cut < length());
			cr_expect_eq(segment.seq, cut >= tcp + 8 ? 100u : 0u);
			cr_expect_eq(segment.len, cut >= tcp + 13 ? 5u : 0u);
			cr_expect_eq(segment.flags, cut >= tcp + 14 ? TCPAUDIT_ACK : 0);
		}
	}
}

Test(decode, cooked_outgoing_and_frame_flags)
{
	put_plain(4);
	put(OCTETS(0, 4, 0, 1, 0, SLL_REST, 8, 0));
	cr_assert_eq(decode(113), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_OUTBOUND);
	put_plain(4);
	put(OCTETS(8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 4, SLL_REST));
	cr_assert_eq(decode(276), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_OUTBOUND);
	put_plain(4);
	cr_assert_eq(decode_cut(101, length(), length(), 5, TCPAUDIT_FRAME_OUTBOUND), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_OUTBOUND);
	cr_assert(segment.time == 5 && segment.ordinal == 7 && segment.frame == 8 && segment.input == 9);
	cr_assert_eq(segment.ip_id, 0x1234);
}

/* A field that keeps what the frame before left would show. */
Test(decode, every_field_is_set)
{
	struct tcpaudit_segment other;
	static const uint8_t options[] = {2, 4, 5, 0xb4, 3, 3, 7, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0};

	memset(&segment, 0xff, sizeof segment);
	put_tcp(4, 2, options, sizeof options, NULL, 0);
	put_ipv4(6);
	decode(101);
	put_plain(4);
	decode(101);
	other = segment;
	memset(&segment, 0x55, sizeof segment);
	decode(101);
#define SAME(field) (segment.field == other.field)
	cr_expect(SAME(time) && SAME(ordinal) && SAME(frame) && SAME(input) && SAME(wirelen));
	cr_expect(SAME(vlan) && SAME(network) && SAME(ip_version) && SAME(ttl) && SAME(ip_id));
	cr_expect(SAME(src_port) && SAME(dst_port) && SAME(seq) && SAME(ack) && SAME(len) && SAME(flags) && SAME(window));
	cr_expect(SAME(options) && SAME(mss) && SAME(wscale) && SAME(sack_count) && SAME(tsval) && SAME(tsecr));
	cr_expect(SAME(unusable) && SAME(noticed) && SAME(icmp_type) && SAME(icmp_code) && SAME(text_caplen) &&
	          SAME(header_len) && SAME(sum));
	cr_expect(!segment.icmp_quotes);
	cr_expect_eq(memcmp(&segment.src, &other.src, 16), 0);
	cr_expect_eq(memcmp(&segment.dst, &other.dst, 16), 0);
	cr_expect(segment.mss == 0 && segment.wscale == 0 && segment.sack_count == 0);
}

/* Whatever stands in a packet, and wherever it is cut: on Ethernet, where a usual frame goes a short way, it is what it is without
 * a link layer. */
static void expect_same_on_ethernet(const char *what, int version, uint16_t vlan, size_t at, size_t cut)
{
	const size_t link = vlan ? 18 : 14, begun = packet.start;
	struct tcpaudit_segment bare;

	memset(&segment, 0xff, sizeof segment); /* nothing may be left as it was, by either way */
	enum tcpaudit_fate fate = decode_cut(101, length() - cut, length(), 0, 0);
	bare = segment;
	size_t begin = (size_t)(bare.header - exact);
	if (vlan)
		put(OCTETS((uint8_t)(vlan >> 8), (uint8_t)vlan, version == 4 ? 0x08 : 0x86, version == 4 ? 0x00 : 0xdd));
	put_ethernet(vlan ? 0x8100 : version == 4 ? 0x0800 : 0x86dd);
	memset(&segment, 0xff, sizeof segment);
	cr_assert_eq(decode_cut(1, length() - cut, length(), 0, 0), fate, "%s, octet %zu, cut %zu", what, at, cut);
	packet.start = begun;
	if (fate != TCPAUDIT_FATE_TCP)
		return;
	cr_assert_eq((size_t)(segment.header - exact), begin + link, "%s, octet %zu", what, at);
	bare.header = segment.header;
	bare.wirelen += (uint32_t)link;
	bare.vlan = vlan & 0x0fff;
	for (size_t i = 0; i < sizeof bare; i++)
		cr_assert_eq(((uint8_t *)&segment)[i], ((uint8_t *)&bare)[i], "%s, octet %zu, cut %zu: byte %zu", what, at, cut, i);
}

/* Ethernet's least frame holds an IPv6 header, and hardly more. */
Test(decode, ipv6_with_less_than_a_tcp_header)
{
	for (uint16_t vlan = 0; vlan < 2; vlan++)
		for (uint8_t n = 0; n < 20; n++) {
			packet.start = sizeof packet.octet;
			put(&(uint8_t[20]){0}[0], n);
			put((const uint8_t[40]){0x60, [5] = n, [6] = 6, [7] = 64, [23] = 1, [39] = 2}, 40);
			expect_same_on_ethernet("IPv6", 6, vlan, n, 0);
		}
}

Test(decode, a_short_way_leads_where_the_long_one_does)
{
	static const uint8_t timestamps[] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2},
	                     syn[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
	static const struct {
		const char *what;
		unsigned flags;
		const void *options;
		size_t options_len, text;
	} cases[] = {{"text", 0x18, NULL, 0, 5},
	             {"timestamps", 0x10, timestamps, sizeof timestamps, 3},
	             {"SYN", 2, syn, sizeof syn, 0},
	             {"FIN", 0x11, NULL, 0, 0}};
	static const struct {
		int version;
		uint16_t vlan;
	} under[] = {{4, 0}, {4, 0x2005}, {4, 0x2000}, {6, 0}, {6, 0x0fff}};

	for (size_t k = 0; k < 5 * sizeof cases / sizeof cases[0]; k++) {
		const int version = under[k % 5].version;
		const uint16_t vlan = under[k % 5].vlan;
		const size_t i = k / 5;
		renew(ALL, TCPAUDIT_CHECKSUM_STRICT); /* no fragments of the one before */
		put_tcp(version, cases[i].flags, cases[i].options, cases[i].options_len, TEXT, cases[i].text);
		if (version == 4)
			put_ipv4(6);
		else
			put_ipv6(6);
		for (size_t cut = 0; cut < length(); cut++)
			expect_same_on_ethernet(cases[i].what, version, vlan, 0, cut);
		size_t whole = length();
		for (size_t at = version == 4 ? 0 : 1; at < whole; at++) /* IPv6 by another name is no IPv6 */
			for (unsigned bit = 0; bit < 8; bit++) {
				packet.octet[packet.start + at] ^= (uint8_t)(1 << bit);
				expect_same_on_ethernet(cases[i].what, version, vlan, at, 0);
				packet.octet[packet.start + at] ^= (uint8_t)(1 << bit);
			}
	}
}

Test(decode, padding_is_not_text)
{
	put_tcp(4, 0x10, NULL, 0, NULL, 0);
	put_ipv4(6);
	put_ethernet(0x0800);
	memmove(packet.octet + packet.start - 6, packet.octet + packet.start, length());
	packet.start -= 6;
	cr_assert_eq(decode(1), TCPAUDIT_FATE_TCP);
	cr_assert(segment.len == 0 && segment.text_caplen == 0);
	cr_assert_eq(segment.noticed, 0);
}

Test(decode, ipv4_header_oddities)
{
	uint8_t *ip;

	put_tcp(4, 0x10, NULL, 0, TEXT, 5);
	ip = put_ipv4(6);
	ip[10]++;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_IP_CHECKSUM_BAD);
	set16(ip + 10, 0);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.noticed, 0, "left to the interface");
	ip[0] = 0x44;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_IP_BAD);
	ip[0] = 0x35;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_IP_BAD);
	ip[0] = 0x4f;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_IP_SHORT);
	ip[0] = 0x45;
	set16(ip + 2, 19);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_IP_BAD);
	set16(ip + 2, 0);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert(segment.noticed == TCPAUDIT_SAW_LENGTH_GUESSED && segment.len == 5);
	set16(ip + 2, 145);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_CUT | TCPAUDIT_SAW_CHECKSUM_UNKNOWN);
	cr_assert(segment.len == 105 && segment.text_caplen == 5, "the IP header says how long it is");
}

/* Whatever the list, and wherever it was cut: those that are read by words, and one by one. */
Test(decode, options_by_words_and_one_by_one)
{
	static const uint8_t words[][4] = {{2, 4, 5, 0xb4}, {1, 3, 3, 7}, {1, 1, 4, 2}, {4, 2, 1, 1}, {4, 2, 8, 10}, {1, 1, 8, 10},
	                                   {4, 2, 0, 0},    {1, 1, 1, 1}, {2, 3, 1, 1}, {3, 3, 2, 1}, {8, 10, 1, 2}, {5, 10, 2, 4}};
	uint32_t random = 1, by_words = 0;

	for (unsigned round = 0; round < 200000; round++) {
		struct tcpaudit_segment a, b;
		uint8_t list[40];
		size_t length = 0;

		for (; length < 40; length += 4, random = random * 1664525 + 1013904223)
			memcpy(list + length, words[(random >> 16) % (sizeof words / sizeof *words)], 4);
		random = random * 1664525 + 1013904223;
		if (random >> 31)
			list[(random >> 8) % 40] = (uint8_t)(random >> 16);
		length = (random >> 20) % 11 * 4;
		size_t captured = random >> 30 & 1 ? length : (random >> 4) % (length + 1);
		memset(&a, 0, sizeof a);
		memset(&b, 0, sizeof b);
		options_read(&a, list, length, captured);
		options_walk(&b, list, length, captured);
		cr_assert_eq(memcmp(&a, &b, sizeof a), 0);
		by_words += options_by_words(&a, list, captured) >= 8;
	}
	cr_assert_gt(by_words, 10000);
}

Test(decode, ipv4_options)
{
	uint8_t *ip;

	put_tcp(4, 0x10, NULL, 0, TEXT, 5);
	put(OCTETS(7, 7, 4, 0, 0, 0, 0, 0));
	ip = put_ipv4(6);
	ip[0] = 0x47;
	set16(ip + 10, 0);
	set16(ip + 10, ~sum16(0, ip, 28) & 0xffff);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	expect_plain("options");
	ip[21]++;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_IP_CHECKSUM_BAD);
}

/* Behind an IPv4 header with options, whose destination is an address on the way. */
static void decode_options_of_ipv4(const uint8_t *octets, size_t n)
{
	uint8_t *ip;

	put_tcp(4, 0x10, NULL, 0, TEXT, 5);
	put(octets, n);
	ip = put_ipv4(6);
	ip[0] = (uint8_t)(0x45 + n / 4);
	ip[19] = 99;
	set16(ip + 10, 0);
	set16(ip + 10, ~sum16(0, ip, 20 + n) & 0xffff);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
}

/* The pseudo header has the last address of a route (RFC 1122 4.2.3.8), and that is whom the other direction comes from. */
Test(decode, ipv4_source_routes)
{
	static const uint8_t kinds[] = {131, 137};

	for (size_t i = 0; i < sizeof kinds; i++) {
		uint8_t route[16] = {1, 7, 3, 4, kinds[i], 11, 4, 192, 0, 2, 98, b4[0], b4[1], b4[2], b4[3], 0};

		decode_options_of_ipv4(route, sizeof route);
		expect_plain("a route");
		route[6] = 8;
		decode_options_of_ipv4(route, sizeof route);
		expect_plain("one more to go");
		static const uint8_t pointers[] = {0, 3, 5, 11, 12, 255}; /* it has arrived, or no pointer points there */
		for (size_t j = 0; j < sizeof pointers; j++) {
			route[6] = pointers[j];
			decode_options_of_ipv4(route, sizeof route);
			cr_assert_eq(segment.dst.byte[3], 99, "pointer %u", pointers[j]);
		}
	}
	/* What is no route, or not whole, leads nowhere. */
	static const uint8_t others[][8] = {
	        {7, 7, 4, 1, 2, 3, 4},       {0, 131, 7, 4, 1, 2, 3, 4}, {131, 0, 4, 1, 2, 3, 4}, {131, 9, 4, 1, 2, 3, 4, 5},
	        {131, 3, 4, 7, 5, 4, 1, 2},  {131, 6, 4, 1, 2, 3, 0, 0}, {131, 8, 4, 1, 2, 3, 4}, {1, 1, 1, 1, 1, 1, 1, 131},
	        {1, 1, 1, 1, 1, 1, 131, 2},  {131, 2, 4, 1, 2, 3, 4, 5},
	};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		decode_options_of_ipv4(others[i], sizeof others[i]);
		cr_assert_eq(segment.dst.byte[3], 99, "row %zu", i);
	}
}

/* Less than four octets hold no ports: Wireshark does not count that either. */
Test(decode, ends_by_the_ip_length)
{
	for (size_t n = 0; n <= 25; n++) {
		uint8_t *ip;
		enum tcpaudit_fate fate;

		put_tcp(4, 0x10, NULL, 0, TEXT, 5);
		ip = put_ipv4(6);
		set16(ip + 2, 20 + n);
		fate = decode(101);
		cr_expect_eq(fate, n < 4 ? TCPAUDIT_FATE_NOT_TCP : TCPAUDIT_FATE_TCP);
		if (fate != TCPAUDIT_FATE_TCP)
			continue;
		cr_expect_eq(segment.unusable, n < 20 ? TCPAUDIT_UNUSABLE_SHORT : TCPAUDIT_UNUSABLE_NONE);
		cr_expect_eq(segment.len, n < 20 ? 0 : n - 20);
		cr_expect_eq(segment.noticed & TCPAUDIT_SAW_CUT, 0);
	}
}

Test(decode, odd_caplen)
{
	put_plain(4);
	cr_assert_eq(decode_cut(101, length(), 0, 0, 0), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_CAPLEN_ODD);
	cr_assert(segment.len == 5 && segment.wirelen == 0);
	cr_assert_eq(decode_cut(1, 0, 0, 0, 0), TCPAUDIT_FATE_L2_SHORT);
	cr_assert_eq(decode_cut(101, 0, 0, 0, 0), TCPAUDIT_FATE_IP_SHORT);
}

Test(decode, data_offsets)
{
	for (unsigned offset = 0; offset < 16; offset++) {
		uint8_t *tcp = put_tcp(4, 0xfff, NULL, 0, "\1\1\1\1\1\1\1\1", 8);

		tcp[12] = (uint8_t)(offset << 4 | 0x0f);
		put_ipv4(6);
		cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
		cr_assert_eq(segment.flags, 0xfff);
		cr_assert_eq(segment.seq, 100);
		if (offset < 5 || offset > 7) {
			cr_assert_eq(segment.unusable, TCPAUDIT_UNUSABLE_OFFSET);
			cr_assert(segment.len == 0 && (segment.noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN) != 0);
		} else {
			cr_assert_eq(segment.unusable, TCPAUDIT_UNUSABLE_NONE);
			cr_assert(segment.len == 28 - offset * 4 && segment.header_len == offset * 4);
		}
	}
}

static const struct option_case {
	const char *name;
	const uint8_t *octets;
	size_t n;
	uint16_t options;
} option_cases[] = {
        {"none", NULL, 0, 0},
        {"nop eol", OCTETS(1, 1, 0, 77), 0},
        {"behind eol", OCTETS(0, 2, 4, 5), 0},
        {"mss", OCTETS(2, 4, 5, 0xb4), TCPAUDIT_OPT_MSS},
        {"mss of 3", OCTETS(2, 3, 5, 0), TCPAUDIT_OPT_UNKNOWN},
        {"wscale", OCTETS(1, 3, 3, 15), TCPAUDIT_OPT_WSCALE},
        {"sack permitted", OCTETS(4, 2, 1, 1), TCPAUDIT_OPT_SACK_PERMITTED},
        {"timestamps", OCTETS(1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8), TCPAUDIT_OPT_TIMESTAMPS},
        {"timestamps first", OCTETS(8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1), TCPAUDIT_OPT_TIMESTAMPS},
        {"timestamps of 9", OCTETS(8, 9, 1, 2, 3, 4, 5, 6, 7, 1, 1, 1), TCPAUDIT_OPT_UNKNOWN},
        {"fast open", OCTETS(34, 2, 1, 1), TCPAUDIT_OPT_FAST_OPEN},
        {"fast open cookie", OCTETS(34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1), TCPAUDIT_OPT_FAST_OPEN},
        {"fast open experiment", OCTETS(254, 4, 0xf9, 0x89), TCPAUDIT_OPT_FAST_OPEN},
        {"other experiment", OCTETS(254, 4, 0xf9, 0x88), TCPAUDIT_OPT_UNKNOWN},
        {"short experiment", OCTETS(254, 2, 1, 1), TCPAUDIT_OPT_UNKNOWN},
        {"mptcp", OCTETS(30, 12, 0x01, 0x81, 1, 2, 3, 4, 5, 6, 7, 8), TCPAUDIT_OPT_MPTCP},
        {"mp_fastclose", OCTETS(30, 12, 0x70, 0, 1, 2, 3, 4, 5, 6, 7, 8), TCPAUDIT_OPT_MPTCP | TCPAUDIT_OPT_MP_FASTCLOSE},
        {"md5", OCTETS(19, 18, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1, 1), TCPAUDIT_OPT_MD5},
        {"ao", OCTETS(29, 16, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), TCPAUDIT_OPT_AO},
        {"user timeout", OCTETS(28, 4, 0, 9), 0},
        {"unknown, then mss", OCTETS(77, 4, 0, 0, 2, 4, 5, 0xb4), TCPAUDIT_OPT_UNKNOWN | TCPAUDIT_OPT_MSS},
        {"length 0", OCTETS(2, 4, 5, 0xb4, 3, 0, 7, 0), TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_BROKEN},
        {"length 1", OCTETS(3, 1, 7, 0), TCPAUDIT_OPT_BROKEN},
        {"beyond the header", OCTETS(8, 10, 1, 2), TCPAUDIT_OPT_BROKEN},
        {"kind only", OCTETS(1, 1, 1, 3), TCPAUDIT_OPT_BROKEN},
        {"sack", OCTETS(1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2), TCPAUDIT_OPT_SACK},
        {"sack of 11", OCTETS(1, 5, 11, 0, 0, 0, 1, 0, 0, 0, 2, 9), TCPAUDIT_OPT_UNKNOWN},
};

Test(decode, options)
{
	for (size_t i = 0; i < sizeof option_cases / sizeof option_cases[0]; i++) {
		const struct option_case *c = &option_cases[i];
		size_t whole;

		put_tcp(6, 2, c->octets, c->n, TEXT, 5);
		put_ipv6(6);
		cr_expect_eq(decode(101), TCPAUDIT_FATE_TCP);
		cr_expect_eq(segment.options, c->options, "%s: %x", c->name, segment.options);
		cr_expect(segment.len == 5 && segment.header_len == 20 + c->n && segment.noticed == 0, "%s", c->name);
		/* Cut within the options: what is left is read, and nothing is called broken that is only cut. */
		whole = length();
		for (size_t n = 0; n < c->n; n++) {
			cr_expect_eq(decode_cut(101, 60 + n, whole, 0, 0), TCPAUDIT_FATE_TCP);
			cr_expect_eq(segment.noticed,
			             TCPAUDIT_SAW_CUT | TCPAUDIT_SAW_OPTIONS_CUT | TCPAUDIT_SAW_CHECKSUM_UNKNOWN);
			cr_expect_eq(segment.options & ~c->options, 0, "%s cut at %zu: %x", c->name, n, segment.options);
			cr_expect_eq(segment.len, 5);
		}
	}
}

Test(decode, option_values)
{
	put_tcp(4, 2, OCTETS(2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7), NULL, 0);
	put_ipv4(6);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.options,
	             TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_SACK_PERMITTED | TCPAUDIT_OPT_TIMESTAMPS | TCPAUDIT_OPT_WSCALE);
	cr_assert(segment.mss == 1460 && segment.wscale == 7);
	cr_assert(segment.tsval == 0x01020304 && segment.tsecr == 0x05060708);
	put_tcp(4, 16, OCTETS(1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8), NULL, 0);
	put_ipv4(6);
	decode(101);
	cr_assert(segment.tsval == 0x01020304 && segment.tsecr == 0x05060708);
}

Test(decode, four_sack_blocks)
{
	uint8_t options[36] = {1, 1, 5, 34};

	for (uint8_t i = 0; i < 8; i++)
		options[7 + i * 4] = (uint8_t)(i + 1);
	put_tcp(4, 16, options, sizeof options, NULL, 0);
	put_ipv4(6);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.sack_count, 4);
	for (uint32_t i = 0; i < 8; i++)
		cr_assert_eq(segment.sack[i / 2][i % 2], i + 1);
}

Test(decode, checksum_modes)
{
	static const uint16_t flags[] = {0x10, 0x11, 0x02, 0x04};

	for (int mode = TCPAUDIT_CHECKSUM_AUTO; mode <= TCPAUDIT_CHECKSUM_OFF; mode++) {
		renew(ALL, (enum tcpaudit_checksum_mode)mode);
		for (size_t i = 0; i < 4; i++) {
			bool verified = mode == TCPAUDIT_CHECKSUM_STRICT || (mode == TCPAUDIT_CHECKSUM_AUTO && flags[i] != 0x10);
			uint8_t *tcp = put_tcp(4, flags[i], NULL, 0, TEXT, 5);

			put_ipv4(6);
			cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
			cr_assert_eq(segment.noticed, verified ? 0 : TCPAUDIT_SAW_CHECKSUM_UNKNOWN);
			cr_assert_eq(segment_verify(&segment), 0);
			tcp[21] ^= 1;
			cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
			cr_assert_eq(segment.noticed, verified ? TCPAUDIT_SAW_CHECKSUM_BAD : TCPAUDIT_SAW_CHECKSUM_UNKNOWN);
			cr_assert_eq(segment.unusable, TCPAUDIT_UNUSABLE_NONE, "whether offload explains it is not ours to say");
			cr_assert_eq(segment_verify(&segment), TCPAUDIT_SAW_CHECKSUM_BAD);
		}
	}
}

/* Every length, so that every tail of the sum is taken, against the plain sum of put_tcp(). */
Test(decode, checksums_of_all_lengths)
{
	uint8_t text[200];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i < 100 ? (uint8_t)(255 - i * 3) : 255; /* all carry */
	for (size_t n = 0; n <= sizeof text; n++) {
		for (int version = 4; version <= 6; version += 2) {
			uint8_t *tcp = put_tcp(version, 0x11, NULL, 0, text, n);

			if (version == 4)
				put_ipv4(6);
			else
				put_ipv6(6);
			cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
			cr_assert_eq(segment.noticed, 0, "%zu octets, IPv%d", n, version);
			for (size_t at = 0; at < 20 + n; at += 7) {
				if (at == 12)
					continue;
				tcp[at] ^= 0x40;
				decode(101);
				cr_assert_eq(segment.noticed, TCPAUDIT_SAW_CHECKSUM_BAD, "%zu octets, IPv%d, changed at %zu", n,
				             version, at);
				tcp[at] ^= 0x40;
			}
		}
	}
}

Test(decode, checksum_offload)
{
	for (int version = 4; version <= 6; version += 2) {
		size_t n = version == 4 ? 4 : 16;
		uint8_t *tcp = put_tcp(version, 0x11, NULL, 0, TEXT, 5);
		uint32_t sum = sum16(sum16(0, version == 4 ? a4 : a6, n), version == 4 ? b4 : b6, n) + 6;

		set16(tcp + 16, sum16(sum + 25, NULL, 0));
		if (version == 4)
			put_ipv4(6);
		else
			put_ipv6(6);
		cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
		cr_assert_eq(segment.noticed, TCPAUDIT_SAW_CHECKSUM_PARTIAL);
		set16(tcp + 16, sum16(sum, NULL, 0));
		decode(101);
		cr_assert_eq(segment.noticed, TCPAUDIT_SAW_CHECKSUM_PARTIAL, "without the length, large send offload");
		set16(tcp + 16, 0);
		decode(101);
		cr_assert_eq(segment.noticed, TCPAUDIT_SAW_CHECKSUM_BAD);
	}
}

Test(decode, checksum_of_guessed_length)
{
	uint8_t *tcp = put_tcp(4, 0x11, NULL, 0, TEXT, 5);
	uint8_t *ip = put_ipv4(6);

	set16(ip + 2, 0);
	set16(ip + 10, 0);
	decode(101);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_LENGTH_GUESSED);
	tcp[20]++;
	decode(101);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_LENGTH_GUESSED | TCPAUDIT_SAW_CHECKSUM_UNKNOWN);
}

/* IPv6 with one extension header in front of the segment. */
static enum tcpaudit_fate decode_extension(uint8_t kind, const uint8_t *octets, size_t n)
{
	put_tcp(6, 0x10, NULL, 0, TEXT, 5);
	put(octets, n);
	put_ipv6(kind);
	return decode(101);
}

Test(decode, ipv6_extension_headers)
{
	static const uint8_t kinds[] = {0, 43, 60, 140};
	uint8_t route[24] = {6, 2, 0, 1};
	uint8_t *ip;

	for (size_t i = 0; i < sizeof kinds; i++) {
		cr_assert_eq(decode_extension(kinds[i], OCTETS(6, 0, 1, 0, 0, 0, 0, 0)), TCPAUDIT_FATE_TCP);
		expect_plain("extension header");
		for (size_t cut = 0; cut < 52; cut++)
			cr_assert_eq(decode_cut(101, cut, length(), 0, 0), TCPAUDIT_FATE_IP_SHORT);
	}
	cr_assert_eq(decode_extension(51, OCTETS(6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
	             TCPAUDIT_FATE_TCP);
	expect_plain("authentication header");
	cr_assert_eq(decode_extension(44, OCTETS(6, 0, 0, 0, 0, 0, 0, 1)), TCPAUDIT_FATE_TCP);
	expect_plain("atomic fragment");
	cr_assert_eq(segment.noticed, 0);
	cr_assert_eq(decode_extension(60, OCTETS(6, 9, 1, 0, 0, 0, 0, 0)), TCPAUDIT_FATE_IP_BAD, "longer than the packet");
	cr_assert_eq(decode_extension(59, OCTETS(6, 0, 0, 0, 0, 0, 0, 0)), TCPAUDIT_FATE_NOT_TCP, "no next header");
	cr_assert_eq(decode_extension(50, OCTETS(0, 0, 0, 1, 0, 0, 0, 1)), TCPAUDIT_FATE_NOT_TCP, "encrypted");
	/* The pseudo header has the last address of a route (RFC 8200 8.1). */
	put_tcp(6, 0x10, NULL, 0, TEXT, 5);
	memcpy(route + 8, b6, 16);
	put(route, sizeof route);
	ip = put_ipv6(43);
	ip[39] = 99;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	expect_plain("route");
	/* Of a segment routing header (RFC 8754) the last segment comes first; of unknown routes nothing is known. */
	ip[42] = 4;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	expect_plain("segment route");
	ip[42] = 77;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert(segment.dst.byte[15] == 99 && (segment.noticed & TCPAUDIT_SAW_CHECKSUM_BAD) != 0);
	ip[43] = 0;
	ip[42] = 0;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.dst.byte[15], 99, "no segments left: it has arrived");
}

Test(decode, authentication_headers_of_ipv4)
{
	static const uint8_t ah[24] = {6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1};
	uint8_t *p;

	put_tcp(4, 0x10, NULL, 0, TEXT, 5);
	p = put(ah, sizeof ah);
	put_ipv4(51);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	expect_plain("authentication header");
	for (size_t cut = 20; cut < 48; cut++)
		cr_assert_eq(decode_cut(101, cut, length(), 0, 0), TCPAUDIT_FATE_IP_SHORT);
	p[1] = 0;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_IP_BAD, "shorter than its fields");
	p[1] = 200;
	cr_assert_eq(decode(101), TCPAUDIT_FATE_IP_BAD, "longer than the packet");
}

Test(decode, ipv6_extension_headers_without_end)
{
	for (unsigned n = 200; n <= 300; n += 100) {
		put_tcp(6, 0x10, NULL, 0, TEXT, 5);
		put(OCTETS(6, 0, 1, 0, 0, 0, 0, 0));
		for (unsigned i = 1; i < n; i++)
			put(OCTETS(60, 0, 1, 0, 0, 0, 0, 0));
		put_ipv6(60);
		cr_assert_eq(decode(101), n == 200 ? TCPAUDIT_FATE_TCP : TCPAUDIT_FATE_ENCAP_DEPTH);
	}
}

Test(decode, ipv6_length_zero)
{
	static uint8_t text[70000];
	uint8_t *ip;

	put_tcp(6, 0x10, NULL, 0, text, sizeof text);
	put(OCTETS(6, 0, 0xc2, 4, 0, 1, 0x11, 0x8c));
	ip = put_ipv6(0);
	set16(ip + 4, 0);
	put_ethernet(0x86dd);
	cr_assert_eq(decode(1), TCPAUDIT_FATE_TCP);
	cr_assert(segment.len == sizeof text && segment.text_caplen == sizeof text);
	cr_assert_eq(segment.noticed, TCPAUDIT_SAW_LENGTH_GUESSED, "%x", segment.noticed);
}

Test(decode, tunnels)
{
	for (size_t i = 0; i < TUNNEL_CASES; i++) {
		const struct tunnel_case *c = &tunnel_cases[i];
		enum tcpaudit_fate fate;

		build_tunnel(c);
		renew(ALL, TCPAUDIT_CHECKSUM_STRICT);
		fate = decode(101);
		cr_expect_eq(fate, c->fate, "%s: %d", c->name, fate);
		if (fate == TCPAUDIT_FATE_TCP) {
			expect_plain(c->name);
			cr_expect_eq(segment.noticed, TCPAUDIT_SAW_TUNNEL, "%s", c->name);
			cr_expect_eq(segment.network, c->network, "%s", c->name);
			cr_expect_eq(segment.ip_version, c->inner, "%s", c->name);
		}
		for (size_t cut = 0; cut < length(); cut++)
			decode_cut(101, cut, length(), 0, 0);
		renew(ALL & ~c->tunnel, TCPAUDIT_CHECKSUM_STRICT);
		if (c->tunnel != 0)
			cr_expect_eq(decode(101), TCPAUDIT_FATE_NOT_TCP, "%s, not looked through", c->name);
		renew(c->tunnel, TCPAUDIT_CHECKSUM_STRICT);
		cr_expect_eq(decode(101), c->fate, "%s alone", c->name);
	}
}

Test(decode, vlan_is_the_one_outside)
{
	put_plain(4);
	put(OCTETS(MACS12, 0x81, 0, 0, 9, 8, 0));
	put(OCTETS(8, 0, 0, 0, 0, 0, 3, 0));
	put_udp(4789);
	put_ipv4(17);
	put(OCTETS(MACS12, 0x88, 0xa8, 0, 4, 0x81, 0, 0, 5, 8, 0));
	cr_assert_eq(decode(1), TCPAUDIT_FATE_TCP);
	cr_assert(segment.vlan == 5 && segment.network == 4);
}

Test(decode, depth_of_tags)
{
	for (int n = 16; n <= 17; n++) {
		put_plain(4);
		put(OCTETS(0, 5, 8, 0));
		for (int i = 1; i < n; i++)
			put(OCTETS(0, 5, 0x81, 0));
		put(OCTETS(MACS12, 0x81, 0));
		cr_assert_eq(decode(1), n == 16 ? TCPAUDIT_FATE_TCP : TCPAUDIT_FATE_ENCAP_DEPTH);
	}
}

Test(decode, depth_of_labels_and_tunnels)
{
	for (int n = 16; n <= 100; n += 84) {
		put_plain(4);
		put(OCTETS(0, 0, 1, 64));
		for (int i = 1; i < n; i++)
			put(OCTETS(0, 0, 0, 64));
		put_ethernet(0x8847);
		cr_assert_eq(decode(1), n == 16 ? TCPAUDIT_FATE_TCP : TCPAUDIT_FATE_ENCAP_DEPTH);
		put_plain(4);
		for (int i = 0; i < n; i++)
			put_ipv4(4);
		cr_assert_eq(decode(101), n == 16 ? TCPAUDIT_FATE_TCP : TCPAUDIT_FATE_ENCAP_DEPTH);
	}
}

/* An ICMP error that quotes `quoted` octets of a plain packet. */
static enum tcpaudit_fate decode_icmp(int version, uint8_t type, uint8_t code, size_t quoted)
{
	uint8_t header[8] = {type, code};

	put_plain(version);
	if (quoted < length()) {
		memmove(packet.octet + sizeof packet.octet - quoted, packet.octet + packet.start, quoted);
		packet.start = sizeof packet.octet - quoted;
	}
	put(header, 8);
	if (version == 4)
		put_ipv4(1);
	else
		put_ipv6(58);
	return decode(101);
}

Test(decode, icmp_errors_quote)
{
	static const struct {
		int version;
		uint8_t type;
		bool error;
	} types[] = {{4, 3, true}, {4, 4, true}, {4, 5, true}, {4, 11, true}, {4, 12, true}, {4, 0, false},   {4, 8, false},
	             {6, 1, true}, {6, 2, true}, {6, 3, true}, {6, 4, true},  {6, 5, false}, {6, 128, false}, {6, 135, false}};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		size_t ip = types[i].version == 4 ? 20 : 40;

		for (size_t quoted = 0; quoted <= ip + 25; quoted++) {
			cr_expect_eq(decode_icmp(types[i].version, types[i].type, 2, quoted), TCPAUDIT_FATE_ICMP);
			cr_expect_eq(segment.icmp_quotes, types[i].error && quoted >= ip + 8, "type %u, %zu", types[i].type,
			             quoted);
			cr_expect(segment.icmp_type == types[i].type && segment.icmp_code == 2);
			if (!segment.icmp_quotes)
				continue;
			cr_expect(segment.src_port == 1000 && segment.dst_port == 2000 && segment.seq == 100);
			cr_expect_eq(segment.ip_version, types[i].version);
			cr_expect_eq(memcmp(segment.src.byte, types[i].version == 4 ? a4 : a6, types[i].version == 4 ? 4 : 16),
			             0);
			cr_expect_eq(segment.unusable, quoted < ip + 20 ? TCPAUDIT_UNUSABLE_SHORT : TCPAUDIT_UNUSABLE_NONE);
			cr_expect_eq(segment.noticed & TCPAUDIT_SAW_IP_CHECKSUM_BAD, 0);
		}
	}
}

Test(decode, icmp_quotes_other_things)
{
	uint8_t *ip;

	put_plain(4);
	put_udp(53);
	put_ipv4(17);
	put(OCTETS(3, 3, 0, 0, 0, 0, 0, 0));
	put_ipv4(1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_ICMP);
	cr_assert(!segment.icmp_quotes);
	/* Of a first fragment the header can be read, of a later one not; neither waits for its datagram. */
	for (uint16_t field = 0x2000; field <= 0x2001; field++) {
		put_tcp(4, 0x10, NULL, 0, TEXT, 5);
		ip = put_ipv4(6);
		set16(ip + 6, field);
		put(OCTETS(11, 0, 0, 0, 0, 0, 0, 0));
		put_ipv4(1);
		cr_assert_eq(decode(101), TCPAUDIT_FATE_ICMP);
		cr_assert_eq(segment.icmp_quotes, field == 0x2000);
	}
	/* TTL and checksum of what is quoted are those of a router on the way. */
	put_tcp(4, 0x10, NULL, 0, TEXT, 5);
	ip = put_ipv4(6);
	ip[8] = 1;
	put(OCTETS(11, 0, 0, 0, 0, 0, 0, 0));
	put_ipv4(1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_ICMP);
	cr_assert(segment.icmp_quotes && (segment.noticed & TCPAUDIT_SAW_IP_CHECKSUM_BAD) == 0);
	decoder_expire(decoder, INT64_MAX);
	cr_assert_eq(decoder_take_lost(decoder), 0);
	put_tcp(6, 0x10, NULL, 0, TEXT, 5);
	put(OCTETS(6, 0, 1, 0, 0, 0, 0, 0));
	put_ipv6(60);
	put(OCTETS(1, 4, 0, 0, 0, 0, 0, 0));
	put_ipv6(58);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_ICMP);
	cr_assert(segment.icmp_quotes && segment.len == 5);
}

static uint8_t datagram[2000];
static size_t datagram_len;

/* Keeps what is built as a datagram to be sent in fragments. */
static void keep_datagram(void)
{
	datagram_len = length();
	cr_assert_leq(datagram_len, sizeof datagram);
	memcpy(datagram, packet.octet + packet.start, datagram_len);
}

/* Octets [from, to) of it, in an IPv4 packet. */
static void put_fragment4(uint8_t protocol, size_t from, size_t to, uint16_t id)
{
	uint8_t *ip;

	packet.start = sizeof packet.octet;
	put(datagram + from, to - from);
	ip = put_ipv4(protocol);
	set16(ip + 4, id);
	set16(ip + 6, from / 8 | (to < datagram_len ? 0x2000 : 0));
	set16(ip + 10, 0);
	set16(ip + 10, ~sum16(0, ip, 20) & 0xffff);
}

static void put_fragment6(uint8_t next, size_t from, size_t to, uint8_t id)
{
	uint8_t header[8] = {next, 0, 0, 0, 0, 0, 0, id};

	packet.start = sizeof packet.octet;
	put(datagram + from, to - from);
	set16(header + 2, from | (to < datagram_len ? 1 : 0));
	put(header, 8);
	put_ipv6(44);
}

static void expect_long(void)
{
	cr_assert_eq(segment.unusable, TCPAUDIT_UNUSABLE_NONE);
	cr_assert(segment.len == 300 && segment.text_caplen == 300 && segment.seq == 100);
	cr_assert_eq(segment.noticed & ~TCPAUDIT_SAW_TUNNEL, TCPAUDIT_SAW_REASSEMBLED);
	for (int i = 0; i < 300; i++)
		cr_assert_eq(segment.header[20 + i], (uint8_t)i);
}

static void build_long(int version)
{
	uint8_t text[300];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)i;
	put_tcp(version, 0x10, NULL, 0, text, sizeof text);
}

Test(decode, fragments_of_ipv4)
{
	size_t memory = decoder_memory(decoder);

	build_long(4);
	keep_datagram();
	for (int reversed = 0; reversed < 2; reversed++) {
		for (size_t split = 8; split < datagram_len; split += 8) {
			put_fragment4(6, reversed ? split : 0, reversed ? datagram_len : split, (uint16_t)split);
			cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT);
			put_fragment4(6, reversed ? 0 : split, reversed ? split : datagram_len, (uint16_t)split);
			cr_assert_eq(decode_cut(101, length(), length(), 77, 0), TCPAUDIT_FATE_TCP);
			expect_long();
			cr_assert_eq(segment.time, 77, "of the last fragment");
		}
	}
	cr_assert_gt(decoder_memory(decoder), memory);
	decoder_release(decoder);
	cr_assert_eq(decoder_memory(decoder), memory);
	cr_assert_eq(decoder_take_lost(decoder), 0);
}

Test(decode, fragments_of_ipv6)
{
	build_long(6);
	put(OCTETS(6, 0, 1, 0, 0, 0, 0, 0));
	keep_datagram();
	put_fragment6(60, 0, 8, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT);
	put_fragment6(60, 160, datagram_len, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT);
	put_fragment6(60, 8, 160, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	expect_long();
	put_fragment6(60, 0, 80, 2);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT);
	put_fragment6(60, 72, datagram_len, 2);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT_LOST, "RFC 5722");
	cr_assert_eq(decoder_take_lost(decoder), 1);
}

Test(decode, fragments_of_two_datagrams_mixed)
{
	build_long(4);
	keep_datagram();
	put_fragment4(6, 0, 80, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT);
	put_fragment4(6, 80, datagram_len, 2);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT);
	put_fragment4(6, 80, datagram_len, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	put_fragment4(6, 0, 80, 2);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	expect_long();
	/* Only the first fragment of IPv6 says what follows (RFC 8200 4.5). */
	build_long(6);
	keep_datagram();
	put_fragment6(6, 0, 80, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT);
	put_fragment6(17, 80, datagram_len, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	expect_long();
}

Test(decode, fragments_of_other_protocols)
{
	build_long(4);
	keep_datagram();
	put_fragment4(132, 0, 80, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_NOT_TCP);
	put_fragment4(1, 80, 160, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_ICMP);
	put_fragment6(58, 80, 160, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_ICMP);
	put_fragment4(17, 0, 80, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT, "a tunnel perhaps");
	put_fragment4(17, 80, datagram_len, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_NOT_TCP);
	renew(0, TCPAUDIT_CHECKSUM_AUTO);
	static const uint8_t protocols[] = {4, 17, 41, 47};
	for (size_t i = 0; i < sizeof protocols; i++) {
		put_fragment4(protocols[i], 0, 80, 1);
		cr_assert_eq(decode(101), TCPAUDIT_FATE_NOT_TCP);
	}
}

Test(decode, fragments_of_a_tunnel)
{
	build_long(4);
	put_ipv4(6);
	put_ethernet(0x0800);
	put(OCTETS(8, 0, 0, 0, 0, 0, 3, 0));
	put_udp(4789);
	keep_datagram();
	put_fragment4(17, 0, 200, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_FRAGMENT);
	put_fragment4(17, 200, datagram_len, 1);
	cr_assert_eq(decode(101), TCPAUDIT_FATE_TCP);
	expect_long();
	cr_assert_eq(segment.network, 4);
	/* The first fragment, cut, still shows an inner IP header that says how long its segment is. */
	put_fragment4(17, 0, 200, 2);
	cr_assert_eq(decode_cut(101, 110, length(), 0, 0), TCPAUDIT_FATE_TCP);
	cr_assert(segment.unusable == TCPAUDIT_UNUSABLE_NONE && segment.len == 300);
}

Test(decode, fragments_inside_a_tunnel)
{
	build_long(4);
	keep_datagram();
	for (size_t from = 0; from < 320; from += 160) {
		put_fragment4(6, from, from + 160, 9);
		put(OCTETS(0, 0, 8, 0));
		put_ipv4(47);
		cr_assert_eq(decode(101), from == 0 ? TCPAUDIT_FATE_FRAGMENT : TCPAUDIT_FATE_TCP);
	}
	expect_long();
}

/* As Wireshark counts: a first fragment that cannot be put together shows its TCP header. */
Test(decode, fragments_that_are_cut)
{
	build_long(4);
	keep_datagram();
	put_fragment4(6, 0, 80, 1);
	cr_assert_eq(decode_cut(101, 60, length(), 0, 0), TCPAUDIT_FATE_TCP);
	cr_assert_eq(segment.unusable, TCPAUDIT_UNUSABLE_SHORT);
	cr_assert(segment.seq == 100 && (segment.noticed & TCPAUDIT_SAW_CUT) != 0);
	put_fragment4(6, 80, datagram_len, 1);
	cr_assert_eq(decode_cut(101, 60, length(), 0, 0), TCPAUDIT_FATE_FRAGMENT_LOST);
	build_long(6);
	keep_datagram();
	put_fragment6(6, 0, 80, 1);
	cr_assert_eq(decode_cut(101, 100, length(), 0, 0), TCPAUDIT_FATE_FRAGMENT_LOST, "not of IPv6");
	decoder_expire(decoder, INT64_MAX);
	cr_assert_eq(decoder_take_lost(decoder), 0);
}

Test(decode, fragments_expire)
{
	build_long(4);
	keep_datagram();
	put_fragment4(6, 0, 80, 1);
	now = 1000;
	decode_cut(101, length(), length(), 77, 0);
	put_fragment4(6, 160, datagram_len, 1);
	now = 2000;
	decode_cut(101, length(), length(), 66, 0);
	decoder_expire(decoder, INT64_C(30000001000));
	cr_assert_eq(decoder_take_lost(decoder), 0);
	decoder_expire(decoder, INT64_C(30000001001));
	cr_assert_eq(decoder_take_lost(decoder), 2);
	cr_assert_eq(decoder_take_lost(decoder), 0);
	decoder_free(NULL);
}

/* Any octets at all, on every link type: no fate out of range, nothing read beyond. */
Test(decode, random_changes)
{
	uint64_t state = 88172645463325252u;

	for (int round = 0; round < 60; round++) {
		for (size_t i = 0; i < LINK_CASES + sizeof tunnel_cases / sizeof tunnel_cases[0]; i++) {
			uint16_t linktype = i < LINK_CASES ? link_cases[i].linktype : 101;

			if (i < LINK_CASES)
				build_link(&link_cases[i]);
			else
				build_tunnel(&tunnel_cases[i - LINK_CASES]);
			for (int changes = 0; changes < 3; changes++) {
				state ^= state << 13;
				state ^= state >> 7;
				state ^= state << 17;
				packet.octet[packet.start + state % length()] = (uint8_t)(state >> 32);
			}
			decode_cut(linktype, length() - (state >> 40) % 2 * ((state >> 44) % length()), length(), round, 0);
		}
		decoder_release(decoder);
	}
}
