/* test_file.c - capture files, built in memory: formats, byte orders, clocks, drop counts, and every kind of damage. */
#include <criterion/criterion.h>

#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "capture/source.h"

enum { TEXT = 54, MANY = 4096 };

static uint8_t image[12 << 20];
static size_t length;
static bool big; /* the byte order of what is put next */

static struct capture_input input;
static struct tcpaudit_frame frames[MANY];
static uint8_t fates[MANY];
static size_t count;

static void put8(uint8_t v)
{
	image[length++] = v;
}

static void put16(uint16_t v)
{
	put8((uint8_t)(big ? v >> 8 : v));
	put8((uint8_t)(big ? v : v >> 8));
}

static void put32(uint32_t v)
{
	put16((uint16_t)(big ? v >> 16 : v));
	put16((uint16_t)(big ? v : v >> 16));
}

static void put64(uint64_t v)
{
	put32((uint32_t)(big ? v >> 32 : v));
	put32((uint32_t)(big ? v : v >> 32));
}

static void put_text(size_t n)
{
	for (size_t i = 0; i < n; i++)
		put8((uint8_t)i);
}

/* --- pcap --- */

static void put_pcap(uint32_t magic, uint16_t major, uint16_t minor, uint32_t snaplen, uint32_t network)
{
	put32(magic);
	put16(major);
	put16(minor);
	put64(0);
	put32(snaplen);
	put32(network);
}

static void put_head(uint32_t seconds, uint32_t fraction, uint32_t caplen, uint32_t wirelen)
{
	put32(seconds);
	put32(fraction);
	put32(caplen);
	put32(wirelen);
}

static void put_record(uint32_t seconds, uint32_t fraction, uint32_t caplen, uint32_t wirelen)
{
	put_head(seconds, fraction, caplen, wirelen);
	put_text(caplen);
}

/* --- pcapng --- */

static size_t block_at;

static void begin_block(uint32_t type)
{
	block_at = length;
	put32(type);
	put32(0);
}

static void end_block(void)
{
	while ((length - block_at) % 4 != 0)
		put8(0);
	size_t end = length + 4;
	length = block_at + 4;
	put32((uint32_t)(end - block_at));
	length = end - 4;
	put32((uint32_t)(end - block_at));
}

static void put_option(uint16_t code, uint16_t size, uint64_t value)
{
	put16(code);
	put16(size);
	if (size == 1)
		put8((uint8_t)value);
	else if (size == 4)
		put32((uint32_t)value);
	else if (size == 8)
		put64(value);
	while (length % 4 != 0)
		put8(0);
}

static void put_section(void)
{
	begin_block(0x0a0d0d0a);
	put32(0x1a2b3c4d);
	put16(1);
	put16(0);
	put64(UINT64_MAX);
	end_block();
}

static void put_interface(uint16_t linktype, uint32_t snaplen, uint8_t resolution, int64_t offset)
{
	begin_block(1);
	put16(linktype);
	put16(0);
	put32(snaplen);
	put_option(9, 1, resolution);
	put_option(14, 8, (uint64_t)offset);
	put_option(0, 0, 0);
	end_block();
}

static void begin_packet(uint32_t interface, uint64_t ticks, uint32_t caplen, uint32_t wirelen)
{
	begin_block(6);
	put32(interface);
	put32((uint32_t)(ticks >> 32));
	put32((uint32_t)ticks);
	put32(caplen);
	put32(wirelen);
}

static void put_packet(uint32_t interface, uint64_t ticks)
{
	begin_packet(interface, ticks, TEXT, TEXT);
	put_text(TEXT);
	end_block();
}

static void put_packet_option(uint32_t interface, uint16_t code, uint16_t size, uint64_t value)
{
	begin_packet(interface, 1, TEXT, TEXT);
	put_text(TEXT + 2);
	put_option(code, size, value);
	put_option(0, 0, 0);
	end_block();
}

static void put_obsolete(uint16_t interface, uint16_t drops)
{
	begin_block(2);
	put16(interface);
	put16(drops);
	put64(0);
	put32(TEXT);
	put32(TEXT);
	put_text(TEXT);
	end_block();
}

static void put_statistics(uint32_t interface, uint64_t by_interface, uint64_t by_system)
{
	begin_block(5);
	put32(interface);
	put64(0);
	put_option(5, 8, by_interface);
	put_option(7, 8, by_system);
	put_option(0, 0, 0);
	end_block();
}

static void put_other(uint32_t type, size_t n)
{
	begin_block(type);
	put_text(n);
	end_block();
}

/* --- reading --- */

static struct buffers buffers;

static void setup(void)
{
	length = 0;
	big = false;
	buffers_init(&buffers, 0);
}

static void forget(void)
{
	free(input.error);
	input = (struct capture_input){0};
	count = 0;
}

static struct file *opened(const uint8_t *data, size_t size, char **error)
{
	forget();
	struct feed *feed = feed_open_memory(data, size, error);
	return feed ? file_open(feed, &input, 3, &buffers, error) : NULL;
}

/* All frames; their data are checked here, since they die with the next batch. */
static void read_from(const uint8_t *data, size_t size)
{
	char *error = NULL;
	struct file *file = opened(data, size, &error);
	cr_assert_not_null(file, "%s", error);
	struct capture_batch batch;
	while (file_read(file, &batch) == SOURCE_MORE)
		for (size_t i = 0; i < batch.count; i++) {
			const struct tcpaudit_frame *frame = &batch.frame[i];
			for (size_t k = 0; k < frame->caplen; k++)
				cr_assert_eq(frame->data[k], (uint8_t)k);
			cr_assert_eq(frame->number, count + 1);
			cr_assert_eq(frame->input, 3);
			cr_assert_eq(frame->source, 3);
			cr_assert_lt(count, MANY);
			fates[count] = batch.fate[i];
			frames[count++] = *frame;
		}
	cr_assert_eq(batch.count, 0);
	cr_assert_eq(file_read(file, &batch), SOURCE_END, "the end stays the end");
	cr_assert_eq(input.packets, count);
	file_close(file);
}

static void read_image(void)
{
	read_from(image, length);
	cr_assert_eq(input.bytes + input.bytes_unread, length, "every byte is accounted for");
	if (!input.error)
		cr_assert_eq(input.bytes, length);
}

static void expect_damage(size_t packets, uint64_t offset, const char *error)
{
	read_image();
	cr_assert_eq(count, packets, "%zu frames", count);
	cr_assert_not_null(input.error);
	cr_assert_str_eq(input.error, error);
	cr_assert_eq(input.damage_offset, offset);
}

static void expect_refusal(const char *reason)
{
	char *error = NULL;
	struct file *file = opened(image, length, &error);
	cr_assert_null(file);
	cr_assert_str_eq(error, reason);
	free(error);
}

TestSuite(file, .init = setup, .fini = forget);

/* --- pcap --- */

Test(file, pcap_in_both_orders_and_units)
{
	static const struct {
		uint32_t magic;
		uint8_t digits;
		int64_t time;
	} rows[] = {
	        {0xa1b2c3d4, 6, INT64_C(1700000000000999000)},
	        {0xa1b23c4d, 9, INT64_C(1700000000000000999)},
	};
	for (size_t i = 0; i < 4; i++) {
		length = 0;
		big = i & 1;
		put_pcap(rows[i / 2].magic, 2, 4, 65535, 1);
		put_record(1700000000, 999, TEXT, 1500);
		put_record(1700000001, 0, 0, 0);
		read_image();
		cr_assert_eq(count, 2);
		cr_assert_eq(frames[0].time, rows[i / 2].time);
		cr_assert_eq(frames[0].caplen, TEXT);
		cr_assert_eq(frames[0].wirelen, 1500);
		cr_assert_eq(frames[0].linktype, 1);
		cr_assert_eq(frames[1].caplen, 0);
		cr_assert_eq(fates[0], TCPAUDIT_FATE_TCP);
		cr_assert_str_eq(input.format, "pcap");
		cr_assert_eq(input.time_digits, rows[i / 2].digits);
		cr_assert_eq(input.snaplen, 65535);
		cr_assert_eq(input.odd, 0);
		cr_assert_null(input.error);
	}
}

Test(file, libpcap_agrees)
{
	unsigned state = 1;
	for (int round = 0; round < 8; round++) {
		length = 0;
		big = round & 1;
		put_pcap(0xa1b23c4d, 2, 4, 262144, 1);
		for (int i = 0; i < 300; i++) {
			state = state * 1103515245 + 12345;
			put_record(state >> 2, state % 1000000000, state % 3000, state % 3000 + 5);
		}
		read_image();
		char reason[PCAP_ERRBUF_SIZE];
		FILE *file = fmemopen(image, length, "r");
		pcap_t *pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, reason);
		struct pcap_pkthdr *header;
		const u_char *data;
		for (size_t i = 0; i < count; i++) {
			cr_assert_eq(pcap_next_ex(pcap, &header, &data), 1);
			cr_assert_eq(frames[i].time, header->ts.tv_sec * INT64_C(1000000000) + header->ts.tv_usec);
			cr_assert_eq(frames[i].caplen, header->caplen);
			cr_assert_eq(frames[i].wirelen, header->len);
		}
		cr_assert_eq(pcap_next_ex(pcap, &header, &data), PCAP_ERROR_BREAK);
		pcap_close(pcap);
	}
}

Test(file, pcap_relatives)
{
	put_pcap(0xa1b2cd34, 2, 4, 65535, 1); /* Kuznetzov: eight bytes more in each record, among them the packet type */
	for (uint8_t type = 3; type <= 4; type++) {
		put_head(1, 0, TEXT, TEXT);
		put32(2);
		put16(8);
		put8(type);
		put8(0);
		put_text(TEXT);
	}
	read_image();
	cr_assert_eq(count, 2);
	cr_assert_eq(frames[0].flags, 0);
	cr_assert_eq(frames[1].flags, TCPAUDIT_FRAME_OUTBOUND);

	length = 0;
	put_pcap(0x1c0001ac, 2, 4, 65535, 1); /* IXIA: four bytes more in the file's header */
	put32(16 + TEXT);
	put_record(1, 7, TEXT, TEXT);
	read_image();
	cr_assert_eq(count, 1);
	cr_assert_eq(frames[0].time, 1000000007);
}

Test(file, lengths_of_old_versions_are_put_right)
{
	for (uint16_t minor = 2; minor <= 3; minor++) {
		length = 0;
		put_pcap(0xa1b2c3d4, 2, minor, 65535, 1);
		put_head(1, 0, 100, TEXT);
		put_text(TEXT);
		read_image();
		cr_assert_eq(count, 1);
		cr_assert_eq(frames[0].caplen, TEXT);
		cr_assert_eq(frames[0].wirelen, 100);
	}
}

Test(file, linktype_loses_its_frame_check_bits)
{
	put_pcap(0xa1b2c3d4, 2, 4, 65535, 0x14000000 | 113);
	put_record(1, 0, TEXT, TEXT);
	read_image();
	cr_assert_eq(frames[0].linktype, 113);
	length = 0;
	put_pcap(0xa1b2c3d4, 2, 4, 65535, 12); /* a DLT_RAW that was not translated */
	put_record(1, 0, TEXT, TEXT);
	read_image();
	cr_assert_eq(frames[0].linktype, 101);
	cr_assert_eq(input.linktype[0], 101);
}

Test(file, nonsense_is_counted_and_kept)
{
	put_pcap(0xa1b2c3d4, 2, 4, 60, 1);
	put_record(1, 0, TEXT, 10);             /* captured more than was there */
	put_record(1, 0, 61, 61);               /* ... more than the snapshot length */
	put_record(1, 1000000, TEXT, TEXT);     /* a million microseconds */
	put_record(UINT32_C(1) << 31, 0, 0, 0); /* after 2038: fine */
	put_record(UINT32_MAX, UINT32_MAX, 0, 0);
	read_image();
	cr_assert_eq(count, 5);
	cr_assert_eq(input.odd, 4);
	cr_assert_eq(frames[0].caplen, TEXT);
	cr_assert_eq(frames[0].wirelen, 10);
	cr_assert_eq(frames[2].time, 2000000000);
	cr_assert_eq(frames[3].time, INT64_C(2147483648) * 1000000000);
	cr_assert_gt(frames[4].time, frames[3].time);
}

Test(file, pcap_damage)
{
	put_pcap(0xa1b2c3d4, 2, 4, 65535, 1);
	put_record(1, 0, TEXT, TEXT);
	put_record(2, 0, TEXT, TEXT);
	size_t whole = length;
	put_head(3, 0, UINT32_MAX, TEXT);
	put_text(20);
	expect_damage(2, whole, "record claims 4294967295 bytes");
	length = whole;
	put_head(3, 0, 262145, TEXT);
	expect_damage(2, whole, "record claims 262145 bytes");
	length = whole + 10;
	expect_damage(2, whole, "ends inside a record, 10 of 16 bytes");
	length = whole - 30;
	expect_damage(1, whole - 16 - TEXT, "ends inside a record, 40 of 70 bytes");
	cr_assert_eq(input.bytes_unread, 40);
}

/* Put one behind the other, they are two files still: the second is told, and none of it is taken for a record. */
Test(file, another_file_behind_it)
{
	static const uint32_t magics[] = {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34};
	static const char another[] = "another pcap file begins here, which is not read (mergecap makes one of several)";

	for (size_t i = 0; i < 12; i++) {
		length = 0;
		big = i & 1;
		put_pcap(magics[0], 2, 4, 65535, 1);
		put_record(1, 0, TEXT, TEXT);
		put_record(magics[0], 0x40002, TEXT, TEXT); /* a packet of 2055 is one */
		put_record(magics[0], 0, 0, 0);
		size_t whole = length;
		big = i & 2;
		put_pcap(magics[i / 4], 2, 4, 65535, 1);
		expect_damage(3, whole, another);
		put_record(2, 0, TEXT, TEXT);
		expect_damage(3, whole, another);
		length = whole;
		put_section();
		expect_damage(3, whole, "another pcapng file begins here, which is not read (mergecap makes one of several)");
	}
	big = false;
	length = 0;
	put_section();
	put_interface(1, 0, 6, 0);
	put_packet(0, 1);
	size_t whole = length;
	put_pcap(magics[0], 2, 4, 65535, 1);
	expect_damage(1, whole, another);
}

Test(file, the_longest_frame)
{
	put_pcap(0xa1b2c3d4, 2, 4, 0, 1); /* no snapshot length: no limit */
	for (int i = 0; i < 9; i++)
		put_record(1, 0, 262144, 262144);
	read_image();
	cr_assert_eq(count, 9);
	cr_assert_eq(input.odd, 0);
}

/* --- what is no capture --- */

Test(file, refusals)
{
	expect_refusal("empty file");
	length = 0;
	put_pcap(0xa1b2c3d4, 2, 9, 65535, 1);
	expect_refusal("unsupported pcap version 2.9");
	length = 20;
	expect_refusal("ends inside the file header (20 of 24 bytes)");
	length = 2;
	expect_refusal("not a capture file (2 bytes)");
	memcpy(image, "PK\003\004abcdefghijklmnopqrstuvwxyz", 30);
	length = 30;
	expect_refusal("not a capture file (starts with 50 4b 03 04)");
	memcpy(image, "BZh9", 4);
	expect_refusal("not a capture file (starts with 42 5a 68 39: bzip2, unpack it first)");
	length = 0;
	put_section();
	image[12] = 2;
	expect_refusal("unsupported pcapng version 2.0");
	length = 20;
	expect_refusal("ends inside the file header (20 of 28 bytes)");
}

Test(file, headers_without_frames)
{
	put_pcap(0xa1b2c3d4, 2, 4, 65535, 1);
	read_image();
	cr_assert_eq(count, 0);
	cr_assert_null(input.error);
	length = 0;
	put_section();
	read_image();
	cr_assert_eq(count, 0);
	cr_assert_null(input.error);
}

/* --- pcapng --- */

Test(file, sections_and_interfaces_differ)
{
	put_section();
	put_interface(1, 65535, 6, 0);
	put_interface(101, 100, 9, 0);
	put_packet(1, 5);
	put_packet(0, 5);
	big = true;
	put_section();
	put_interface(113, 0, 3, 10);
	put_packet(0, 5);
	read_image();
	cr_assert_eq(count, 3);
	cr_assert_eq(frames[0].linktype, 101);
	cr_assert_eq(frames[0].time, 5);
	cr_assert_eq(frames[1].linktype, 1);
	cr_assert_eq(frames[1].time, 5000);
	cr_assert_eq(frames[2].linktype, 113);
	cr_assert_eq(frames[2].time, INT64_C(10005000000));
	cr_assert_eq(input.linktypes, 3);
	cr_assert_eq(input.time_digits, 9);
	cr_assert_eq(input.snaplen, 65535);
	cr_assert_str_eq(input.format, "pcapng");
}

Test(file, interfaces_are_known_before_the_first_frame)
{
	put_section();
	put_other(4, 20);
	put_interface(127, 65535, 9, 0);
	put_packet(0, 1);
	char *error = NULL;
	struct file *file = opened(image, length, &error);
	cr_assert_not_null(file);
	cr_assert_eq(input.linktypes, 1);
	cr_assert_eq(input.linktype[0], 127);
	cr_assert_eq(input.time_digits, 9);
	file_close(file);
}

Test(file, clocks)
{
	static const struct {
		uint8_t resolution;
		int64_t offset;
		uint64_t ticks;
		int64_t time;
		bool odd;
	} rows[] = {
	        {0, 0, 3, 3000000000, false},
	        {6, -1, 1000001, 1000, false},
	        {9, 0, UINT64_MAX, INT64_MAX, true},
	        {6, 0, UINT64_MAX, INT64_MAX, true},
	        {12, 0, 5999, 5, false},
	        {127, 0, UINT64_MAX, 0, false},
	        {0x80, 0, 7, 7000000000, false},
	        {0x80 | 1, 0, 3, 1500000000, false},
	        {0x80 | 20, 0, (UINT64_C(1) << 40) + (1 << 19), INT64_C(1048576500000000), false},
	        {0x80 | 63, 0, UINT64_C(3) << 62, 1500000000, false},
	        {0x80 | 127, 0, UINT64_MAX, 0, false},
	        {0x80, 0, UINT64_MAX, INT64_MAX, true},
	        {6, -(INT64_C(1) << 62), 1, INT64_MIN, true},
	        {6, INT64_C(1) << 62, 1, INT64_MAX, true},
	        {6, -5, 0, -5000000000, true},
	        {0, 0, 4611686018, INT64_C(4611686018000000000), false}, /* in 2116 */
	        {0, 0, 4611686019, INT64_C(4611686019000000000), true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		length = 0;
		big = i & 1;
		put_section();
		put_interface(1, 0, rows[i].resolution, rows[i].offset);
		put_packet(0, rows[i].ticks);
		read_image();
		cr_assert_eq(count, 1);
		int64_t expected = rows[i].time;
		/* an offset of -2^62 s is the lowest time that there is, give or take the packet's own microsecond */
		cr_assert(frames[0].time == expected || (expected == INT64_MIN && frames[0].time == INT64_MIN + 1000),
		          "row %zu: %lld", i, (long long)frames[0].time);
		cr_assert_eq(input.odd > 0, rows[i].odd, "row %zu", i);
	}
}

Test(file, simple_packets_take_the_time_before)
{
	put_section();
	put_interface(1, 40, 6, 0);
	begin_block(3);
	put32(TEXT);
	put_text(40);
	end_block();
	begin_packet(0, 77, 40, TEXT);
	put_text(40);
	end_block();
	begin_block(3);
	put32(30);
	put_text(30);
	end_block();
	read_image();
	cr_assert_eq(count, 3);
	cr_assert_eq(frames[0].time, 0);
	cr_assert_eq(frames[0].caplen, 40, "cut to the snapshot length");
	cr_assert_eq(frames[0].wirelen, TEXT);
	cr_assert_eq(frames[2].time, 77000);
	cr_assert_eq(frames[2].caplen, 30);
}

Test(file, recorded_drops)
{
	put_section();
	put_interface(1, 0, 6, 0);
	put_interface(1, 0, 6, 0);
	put_packet_option(0, 4, 8, 7); /* epb_dropcount: before this one */
	put_packet(0, 1);
	put_statistics(0, 5, 3);
	put_packet(1, 1);
	put_packet(0, 1);
	put_statistics(0, 6, 3); /* counts from the beginning: one more */
	put_obsolete(0, 4);
	put_obsolete(0, 0xffff); /* unknown */
	put_statistics(0, 6, 3);
	put_packet(0, 1);
	put_statistics(0, 7, 3);
	put_section(); /* what the one before has lost is not forgotten */
	put_interface(1, 0, 6, 0);
	put_packet(0, 1);
	read_image();
	cr_assert_eq(input.recorded_drops, 7 + 8 + 1 + 4 + 1);
	static const uint8_t lost[] = {1, 0, 1, 0, 1, 0, 0, 1};
	cr_assert_eq(count, sizeof lost);
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(frames[i].flags, lost[i] ? TCPAUDIT_FRAME_LOST : 0, "frame %zu", i + 1);
}

Test(file, direction)
{
	put_section();
	put_interface(1, 0, 6, 0);
	for (uint32_t direction = 0; direction < 4; direction++)
		put_packet_option(0, 2, 4, direction);
	read_image();
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(frames[i].flags, i == 2 ? TCPAUDIT_FRAME_OUTBOUND : 0);
}

Test(file, numbers_are_those_of_wireshark)
{
	static const struct {
		uint32_t type;
		bool numbered;
	} rows[] = {
	        {4, false},    {10, false},        {0x7777, false}, {0x80000001, false}, {7, false},    {9, true},
	        {0xbad, true}, {0x40000bad, true}, {0x204, true},   {0x216, true},       {0x221, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		length = 0;
		put_section();
		put_interface(1, 0, 6, 0);
		put_packet(0, 9);
		put_other(rows[i].type, 44);
		put_packet(0, 10);
		read_image();
		cr_assert_eq(count, rows[i].numbered ? 3 : 2, "block %x", (unsigned)rows[i].type);
		if (rows[i].numbered) {
			cr_assert_eq(fates[1], TCPAUDIT_FATE_NOT_PACKET);
			cr_assert_eq(frames[1].caplen, 0);
			cr_assert_eq(frames[1].time, 9000);
		}
	}
}

Test(file, long_blocks_are_passed_over)
{
	for (int numbered = 0; numbered < 2; numbered++) {
		length = 0;
		put_section();
		put_interface(1, 0, 6, 0);
		put_packet(0, 1);
		put_other(numbered ? 0xbad : 0x7777, 3 << 20);
		put_packet(0, 2);
		read_image();
		cr_assert_eq(count, numbered ? 3 : 2);
		cr_assert_null(input.error);
	}
	size_t end = length;
	image[end - 88 - 1] = 1; /* the long block's trailer */
	expect_damage(2, 160, "block begins with length 3145740 and ends with 19922956");
	length = end - (1 << 20);
	expect_damage(2, 160, "ends inside a block, 2097252 of 3145740 bytes");
}

Test(file, a_packet_of_an_unknown_interface_is_not_analysed)
{
	put_section();
	put_packet(0, 1);
	put_interface(1, 0, 6, 0);
	put_packet(0, 2);
	put_packet(1, 3);
	read_image();
	cr_assert_eq(count, 3);
	cr_assert_eq(fates[0], TCPAUDIT_FATE_LINKTYPE);
	cr_assert_eq(fates[1], TCPAUDIT_FATE_TCP);
	cr_assert_eq(fates[2], TCPAUDIT_FATE_LINKTYPE);
	cr_assert_eq(frames[2].time, 2000);
	cr_assert_eq(input.odd, 2);
	cr_assert_eq(input.linktypes, 1);
}

Test(file, more_interfaces_than_anybody_has)
{
	put_section();
	for (int i = 0; i < 70000; i++)
		put_interface(1, 0, 6, 0);
	put_packet(65535, 1);
	put_packet(65536, 1);
	read_image();
	cr_assert_eq(fates[0], TCPAUDIT_FATE_TCP);
	cr_assert_eq(fates[1], TCPAUDIT_FATE_LINKTYPE);
}

Test(file, block_damage)
{
	static const struct {
		uint32_t type, length;
		const char *error;
	} rows[] = {
	        {6, 4, "block claims 4 bytes"},
	        {6, 61, "block claims 61 bytes"},
	        {6, 28, "block begins with length 28 and ends with 0"},
	        {6, 0x7ffffffc, "block claims 2147483644 bytes"},
	        {77, 0xfffffffc, "block claims 4294967292 bytes"},
	        {77, 64, "block begins with length 64 and ends with 0"},
	        {0x0a0d0d0a, 28, "section has no byte order"},
	};
	put_section();
	put_interface(1, 0, 6, 0);
	put_packet(0, 1);
	size_t whole = length;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		length = whole;
		put32(rows[i].type);
		put32(rows[i].length);
		memset(image + length, 0, 80);
		length += 80;
		expect_damage(1, whole, rows[i].error);
	}
	length = whole;
	begin_packet(0, 1, 60, 60);
	put_text(56);
	end_block();
	expect_damage(1, whole, "packet claims 60 bytes in a block of 88");
	length = whole + 5;
	expect_damage(1, whole, "ends inside a block, 5 of 12 bytes");
}

/* Whatever happens to a byte or to the end: it terminates, and every byte is accounted for. */
Test(file, every_cut_and_every_changed_byte)
{
	put_section();
	put_interface(1, 0, 6, 0);
	put_packet_option(0, 4, 8, 1);
	put_statistics(0, 1, 2);
	put_obsolete(0, 1);
	put_other(0xbad, 4);
	size_t whole = length;
	for (length = 28; length <= whole; length++)
		read_image();
	length = whole;
	for (size_t i = 28; i < whole; i++)
		for (int bit = 0; bit < 8; bit++) {
			image[i] ^= (uint8_t)(1 << bit);
			char *error = NULL;
			struct file *file = opened(image, length, &error);
			struct capture_batch batch;
			for (int rounds = 0; file_read(file, &batch) == SOURCE_MORE; rounds++)
				cr_assert_lt(rounds, 100);
			cr_assert_eq(input.bytes + input.bytes_unread, length);
			file_close(file);
			image[i] ^= (uint8_t)(1 << bit);
		}
}

/* --- compression --- */

static uint8_t packed[1 << 20];

static size_t pack_gzip(const uint8_t *data, size_t size, uint8_t *to)
{
	z_stream z = {
	        .next_in = (uint8_t *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = to, .avail_out = sizeof packed / 2};
	cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void put_thousand(void)
{
	put_pcap(0xa1b2c3d4, 2, 4, 65535, 1);
	for (uint32_t i = 0; i < 1000; i++)
		put_record(i, 0, TEXT + i, 2000);
}

Test(file, gzip)
{
	put_thousand();
	size_t half = length / 2;
	size_t n = pack_gzip(image, half, packed);
	size_t m = pack_gzip(image + half, length - half, packed + n); /* a second member */
	memset(packed + n + m, 0, 512);
	read_from(packed, n + m + 512);
	cr_assert_str_eq(input.format, "pcap gzip");
	cr_assert_eq(count, 1000);
	cr_assert_null(input.error);
	cr_assert_eq(input.bytes, length);
	cr_assert_eq(input.position, n + m + 512);

	read_from(packed, n + m - 9);
	cr_assert_not_null(strstr(input.error, "the gzip data end early"));
	cr_assert_gt(count, 500);
	packed[n + m] = 'x';
	read_from(packed, n + m + 1);
	cr_assert_eq(count, 1000);
	cr_assert_not_null(strstr(input.error, "other bytes follow the gzip data"));
	packed[n - 5] ^= 1; /* the first member's checksum */
	read_from(packed, n + m);
	cr_assert_not_null(strstr(input.error, "the gzip data are damaged"));
}

Test(file, zstd)
{
	put_thousand();
	size_t n = ZSTD_compress(packed, sizeof packed, image, length, 3);
	cr_assert(!ZSTD_isError(n));
	read_from(packed, n);
	cr_assert_str_eq(input.format, "pcap zstd");
	cr_assert_eq(count, 1000);
	cr_assert_null(input.error);
	cr_assert_eq(input.bytes, length);
	read_from(packed, n - 3);
	cr_assert_not_null(strstr(input.error, "the zstd data end early"));
	cr_assert_lt(count, 1000);
}

/* The report begins with the first call, and tells the time of its frame and what the interfaces are. */
static void expect_frame_at_once(void)
{
	struct capture_batch batch;
	char *error = NULL;
	struct file *file = opened(image, length, &error);

	cr_assert_not_null(file, "%s", error);
	cr_assert_eq(file_read(file, &batch), SOURCE_MORE);
	cr_assert_gt(batch.count, 0);
	cr_assert_eq(input.linktypes, 1);
	file_close(file);
}

Test(file, first_frame_is_large)
{
	put_pcap(0xa1b2c3d4, 2, 4, 262144, 1);
	put_record(1, 0, 262144, 262144);
	put_record(2, 0, 60, 60);
	expect_frame_at_once();
}

Test(file, first_frame_stands_behind_much_else)
{
	put_section();
	for (int i = 0; i < 4; i++)
		put_other(10, 100000); /* decryption secrets */
	put_interface(1, 0, 6, 0);
	put_packet(0, 1);
	expect_frame_at_once();
}
