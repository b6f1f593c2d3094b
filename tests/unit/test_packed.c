/* test_packed.c - what is packed comes out as it went in, whatever it is. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "engine/packed.h"

static uint64_t state = 88172645463325252u;
static const uint8_t octets[4096];

static uint32_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

static bool seldom(void)
{
	return any() % 8 == 0;
}

/* What decoding may make of the frame at `place`; how often what is rare: as often as not. */
static struct tcpaudit_segment segment(const struct tcpaudit_frame *f)
{
	struct tcpaudit_segment s = {.time = f->time, .ordinal = f->ordinal, .frame = f->number, .input = f->input};

	s.vlan = seldom() ? (uint16_t)(any() % 4096) : 0;
	s.network = seldom() ? any() : 0;
	s.ip_version = seldom() ? 6 : 4;
	s.ttl = (uint8_t)any();
	s.ip_id = s.ip_version == 4 ? (uint16_t)any() : 0;
	s.src_port = (uint16_t)any();
	s.dst_port = (uint16_t)any();
	for (unsigned i = 0; i < (s.ip_version == 6 ? 16 : 4); i++) {
		s.src.byte[i] = (uint8_t)any();
		s.dst.byte[i] = (uint8_t)any();
	}
	s.seq = any();
	s.ack = any();
	s.len = seldom() ? 65530 + any() % 12 : any() % 1461;
	s.wirelen = s.len + any() % 100;
	s.flags = (uint16_t)(any() & 0x0fff);
	s.window = (uint16_t)any();
	s.options = seldom() ? (uint16_t)any() : any() % 2 ? TCPAUDIT_OPT_TIMESTAMPS : 0;
	s.mss = s.options & TCPAUDIT_OPT_MSS ? (uint16_t)any() : 0;
	s.wscale = s.options & TCPAUDIT_OPT_WSCALE ? (uint8_t)any() : 0;
	s.sack_count = s.options & TCPAUDIT_OPT_SACK ? (uint8_t)(1 + any() % 4) : 0;
	for (unsigned i = 0; i < s.sack_count; i++)
		s.sack[i][0] = s.sack[i][1] = any();
	s.tsval = s.options & TCPAUDIT_OPT_TIMESTAMPS ? any() : 0;
	s.tsecr = s.options & TCPAUDIT_OPT_TIMESTAMPS ? any() : 0;
	s.noticed = (uint16_t)(seldom() ? any() & 0x0fff : 0);
	s.sum = any() % 2 ? TCPAUDIT_SUM_KNOWN : 0;
	s.header = octets + any() % sizeof octets;
	s.header_len = (uint8_t)(20 + any() % 11 * 4);
	s.text_caplen = seldom() ? 0 : s.len;
	return s;
}

/* Octets go along where somebody looks at them, and there is text. */
static void same_text(const struct tcpaudit_segment *a, const struct tcpaudit_segment *b, bool text)
{
	text = text && a->text_caplen;
	cr_assert_eq(b->header, text ? a->header : NULL);
	cr_assert_eq(b->header_len, text ? a->header_len : 0);
	cr_assert_eq(b->text_caplen, text ? a->text_caplen : 0);
}

/* Fields, since what lies between them is nobody's. */
static void same(const struct tcpaudit_segment *a, const struct tcpaudit_segment *b)
{
#define SAME(field) cr_assert_eq(a->field, b->field, #field)
	SAME(time);
	SAME(ordinal);
	SAME(frame);
	SAME(input);
	SAME(vlan);
	SAME(network);
	SAME(ip_version);
	SAME(ttl);
	SAME(ip_id);
	SAME(src_port);
	SAME(dst_port);
	cr_assert_eq(memcmp(&a->src, &b->src, sizeof a->src), 0);
	cr_assert_eq(memcmp(&a->dst, &b->dst, sizeof a->dst), 0);
	SAME(seq);
	SAME(ack);
	SAME(len);
	SAME(flags);
	SAME(window);
	SAME(options);
	SAME(mss);
	SAME(wscale);
	SAME(sack_count);
	SAME(unusable);
	SAME(icmp_type);
	SAME(icmp_code);
	SAME(icmp_quotes);
	SAME(noticed);
	SAME(sum);
	SAME(tsval);
	SAME(tsecr);
	SAME(wirelen);
	for (unsigned i = 0; i < a->sack_count; i++) {
		SAME(sack[i][0]);
		SAME(sack[i][1]);
	}
#undef SAME
}

static void same_sockets(const struct sockets *a, const struct sockets *b)
{
	cr_assert(a->ipv4[0] == b->ipv4[0] && a->ipv4[1] == b->ipv4[1] && a->port[0] == b->port[0] && a->port[1] == b->port[1]);
	cr_assert(a->place == b->place && a->crossed == b->crossed);
}

static void read_any(struct batch *b, struct tcpaudit_frame frame[BATCH])
{
	uint64_t ordinal = any(), number = any();

	*b = (struct batch){.frames = 1 + any() % BATCH, .first = 7, .lost = any()};
	for (unsigned i = 0; i < b->frames; i++) {
		frame[i] = (struct tcpaudit_frame){.time = any(), .ordinal = ordinal + i, .number = number + i, .input = 3};
		if (seldom())
			frame[i].number = any();
		if (seldom())
			frame[i].input = (uint16_t)any();
		b->clock[i] = seldom() ? any() : frame[i].time;
		if (seldom()) /* it has no segment */
			continue;
		unsigned n = b->count++;
		b->segment[n] = segment(&frame[i]);
		b->icmp[n] = seldom();
		if (b->icmp[n])
			b->segment[n].icmp_type = 3;
		b->place[n] = (uint8_t)i;
		b->sockets[n] = sockets_of(&b->segment[n]);
		b->hash[n] = any();
	}
	b->now = b->clock[b->frames - 1];
}

Test(packed, comes_out_as_it_went_in)
{
	static struct batch in, out;
	static struct packed packed;
	struct tcpaudit_frame frame[BATCH];
	unsigned whole = 0, late = 0, count = 0;

	memset(&out, 0xa5, sizeof out);
	for (unsigned round = 0; round < 2000; round++) {
		read_any(&in, frame);
		packed_fill(&packed, &in, frame, round % 2);
		packed_open_all(&packed, &out);
		cr_assert(out.frames == in.frames && out.count == in.count && out.first == in.first && out.now == in.now &&
		          out.lost == in.lost && !out.buckets && packed.begin == in.clock[0]);
		cr_assert_eq(memcmp(out.clock, in.clock, in.frames * sizeof in.clock[0]), 0);
		for (unsigned i = 0; i < in.count; i++) {
			same(&in.segment[i], &out.segment[i]);
			same_text(&in.segment[i], &out.segment[i], round % 2 && !in.icmp[i]);
			cr_assert(out.icmp[i] == in.icmp[i] && out.place[i] == in.place[i] && out.hash[i] == in.hash[i] && !out.frame[i]);
			same_sockets(&in.sockets[i], &out.sockets[i]);
			cr_assert_eq(packed_clock(&packed, i), in.clock[in.place[i]]);
			cr_assert_eq(packed.high[i], in.hash[i] >> 24);
			whole += packed.segment[i].is & PACKED_WHOLE;
			late += !!(packed.segment[i].is & PACKED_LATE);
			count++;
		}
	}
	cr_assert(whole > count / 8 && whole < count * 3 / 4 && late > count / 16, "%u whole, %u late of %u", whole, late, count);
}

/* Nothing but time, or what was counted, goes on as well. */
Test(packed, no_frames)
{
	static struct batch in, out;
	static struct packed packed;

	in.now = 11;
	packed_fill(&packed, &in, NULL, true);
	packed_open_all(&packed, &out);
	cr_assert(!out.frames && !out.count && out.now == 11 && packed.begin == 11);
}
