/* frame.h - for generate.c: Ethernet frames with IPv4 and TCP in them, into a pcap file, as fast as they can be written.
 *
 * All text is the same octet, so that its checksum is a product and not a sum. */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 };

#define TEXT_MOST  1400
#define FRAME_ROOM (16 + 14 + 20 + 32 + TEXT_MOST)
#define BUFFER     (1u << 20)

struct pcap_writer {
	FILE *file;
	uint8_t *buffer;
	size_t used;
	uint64_t now; /* microseconds since 1970 */
	uint64_t packets;
	uint64_t bytes; /* of frames */
	uint16_t id;    /* of the next datagram */
};

/* One end's view of what goes out. */
struct outgoing {
	uint32_t src, dst;
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t len; /* of the text */
};

/* Part of a datagram whose octets are all the same, or all of it. */
struct fragment {
	uint32_t src, dst;
	uint16_t id;
	uint16_t offset; /* octets, a multiple of 8 */
	uint16_t len;
};

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* RFC 1071, over an even number of octets. */
static inline uint32_t sum16(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static inline uint16_t checksum_of(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static inline void writer_flush(struct pcap_writer *w)
{
	fwrite(w->buffer, 1, w->used, w->file);
	w->used = 0;
}

/* Room for one frame of `len` octets behind its record header; shorter ones are padded as Ethernet does. */
static inline uint8_t *writer_record(struct pcap_writer *w, uint32_t len)
{
	uint32_t padded = len < 60 ? 60 : len;
	uint32_t header[4] = {(uint32_t)(w->now / 1000000), (uint32_t)(w->now % 1000000), padded, padded};

	if (w->used + FRAME_ROOM > BUFFER)
		writer_flush(w);
	uint8_t *record = w->buffer + w->used;
	memcpy(record, header, sizeof header);
	memset(record + 16 + len, 0, padded - len);
	w->used += 16 + padded;
	w->packets++;
	w->bytes += padded;
	return record + 16;
}

/* Ethernet and IPv4 in front of `len` octets; `place` is the field of flags and fragment offset.  Returns where they begin. */
static inline uint8_t *write_ip(struct pcap_writer *w, uint32_t src, uint32_t dst, uint16_t id, unsigned place, unsigned len)
{
	static const uint8_t start[14 + 20] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, [22] = 64, [23] = 6};
	uint8_t *frame = writer_record(w, 34 + len), *ip = frame + 14;

	memcpy(frame, start, sizeof start);
	put16(ip + 2, 20 + len);
	put16(ip + 4, id);
	put16(ip + 6, place);
	put32(ip + 12, src);
	put32(ip + 16, dst);
	put16(ip + 10, checksum_of(sum16(ip, 20)));
	return ip + 20;
}

static inline void write_fragment(struct pcap_writer *w, const struct fragment *f)
{
	memset(write_ip(w, f->src, f->dst, f->id, 0x2000 | f->offset >> 3, f->len), 'x', f->len);
}

static inline void write_segment(struct pcap_writer *w, const struct outgoing *o)
{
	static const uint8_t options[12] = {2, 4, 0x05, 0xb4, 1, 3, 3, 7, 4, 2, 1, 1}; /* MSS 1460, window scale 7, SACK */
	unsigned header = o->flags & SYN ? 32 : 20, total = header + o->len;
	uint8_t *tcp = write_ip(w, o->src, o->dst, w->id++, 0x4000, total);

	put16(tcp, o->src_port);
	put16(tcp + 2, o->dst_port);
	put32(tcp + 4, o->seq);
	put32(tcp + 8, o->flags & ACK ? o->ack : 0);
	tcp[12] = (uint8_t)(header << 2);
	tcp[13] = o->flags;
	put16(tcp + 14, 0xfaf0);
	put32(tcp + 16, 0);
	if (o->flags & SYN)
		memcpy(tcp + 20, options, sizeof options);
	memset(tcp + header, 'x', o->len);
	uint32_t text = (o->len / 2u) * ('x' << 8 | 'x') + (o->len & 1u) * ('x' << 8);
	uint32_t pseudo = sum16(tcp - 8, 8) + 6 + total;
	put16(tcp + 16, checksum_of(pseudo + sum16(tcp, header) + text));
}

/* Writes the file's header: microseconds, Ethernet. */
static inline void writer_begin(struct pcap_writer *w, FILE *file)
{
	const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};

	*w = (struct pcap_writer){.file = file, .buffer = malloc(BUFFER), .now = UINT64_C(1700000000000000)};
	if (w->buffer == NULL) {
		perror("generate");
		exit(1);
	}
	fwrite(header, 1, sizeof header, file);
}

#endif
