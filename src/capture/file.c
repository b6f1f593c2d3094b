/* file.c - the frames of one capture file: pcap and pcapng, block by block.
 *
 * Our own reader and not libpcap's, because that gives up a pcapng whose interfaces differ, hides drop counts and damaged
 * lengths, and takes four times as long.  Every byte of the file is either consumed by a whole record or block, or
 * counted as unread behind the first damage: there is no search for the next good record.  Nothing is allocated by what
 * the file says, but the table of a section's interfaces, which has a limit.
 *
 * Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.  Frame numbers are those of Wireshark 4.0. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "source.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FRAME_MOST = 262144,        /* captured bytes of one frame: what libpcap and Wireshark allow */
	PACKET_BLOCK_MOST = 393216, /* such a frame with 128 KiB of options around it */
	BLOCK_MOST = 128 << 20,     /* any other block: only skipped, so the limit is one of plausibility */
	INTERFACES_MOST = 65536,    /* in one section; packets of further ones are not analysed */
	LINKTYPE_NONE = 0xffff      /* of a frame whose interface the file does not describe */
};

enum {
	PCAP_MICRO = 0xa1b2c3d4,
	PCAP_NANO = 0xa1b23c4d,
	PCAP_KUZNETZOV = 0xa1b2cd34,  /* Linux 2.x "modified" libpcap: interface and packet type in each record */
	PCAP_IXIA_MICRO = 0x1c0001ab, /* lcap: a length of all records after the file header */
	PCAP_IXIA_NANO = 0x1c0001ac,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
};

enum block {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, /* obsolete */
	BLOCK_SIMPLE = 3,
	BLOCK_STATISTICS = 5,
	BLOCK_ENHANCED = 6,
	BLOCK_JOURNAL = 9,
	BLOCK_SYSDIG_EVENT = 0x204, /* and its later forms */
	BLOCK_SYSDIG_EVENT_2 = 0x216,
	BLOCK_SYSDIG_EVENT_2_LARGE = 0x221,
	BLOCK_CUSTOM = 0xbad,
	BLOCK_CUSTOM_KEEP = 0x40000bad, /* not to be copied by editors */
};

/* An interface of a pcapng section. */
struct interface {
	uint64_t dropped;    /* by its last statistics */
	int64_t offset;      /* ns, if_tsoffset */
	uint64_t plain_most; /* ticks up to which a time is simply ticks * unit */
	uint32_t unit;       /* ns */
	uint32_t snaplen;
	uint16_t linktype;
	uint8_t resolution; /* if_tsresol */
};

/* How a walk over the buffered blocks ended. */
enum walk {
	WALK_FULL,  /* the batch is */
	WALK_SHORT, /* file->need bytes must be there */
	WALK_DAMAGE,
	WALK_BLOCK, /* of one block: no frame in it, go on */
	WALK_FRAME, /* of one block: a frame */
};

struct file {
	struct feed *feed;
	struct capture_input *input;
	enum walk (*walk)(struct file *file, struct capture_batch *batch);
	struct buffers *buffers;
	uint8_t *buffer;             /* one of these */
	size_t capacity, begin, end; /* unread bytes: begin to end */
	uint64_t offset;             /* of buffer[begin] in the decompressed file */
	bool lost;                   /* frames before the next one */
	size_t need;                 /* after WALK_SHORT: the whole of what begins there */
	uint64_t skip;               /* bytes of a long block still to be passed over; its trailer remains */
	uint64_t skip_from;          /* where that block began */
	uint32_t skip_length;        /* what its trailer must say */
	const char *what;            /* "record" or "block" */
	uint64_t number;             /* of the last frame */
	int64_t time;                /* of the last frame */
	uint16_t index;
	bool swapped; /* against this host's order */
	bool ended;

	/* pcap */
	struct interface only;
	uint32_t record_header;
	uint32_t fraction; /* ns per unit of the second time field */
	uint16_t minor;    /* version; below 4 the two lengths may be the other way round */
	bool kuznetzov;

	/* pcapng, this section */
	struct interface *interface;
	size_t interfaces, interfaces_room, interfaces_beyond;
};

static uint32_t get32(const struct file *file, const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return file->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t get16(const struct file *file, const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return file->swapped ? __builtin_bswap16(v) : v;
}

/* pcapng writes 64-bit times high word first whatever the byte order, but 64-bit options as one number. */
static uint64_t get64(const struct file *file, const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return file->swapped ? __builtin_bswap64(v) : v;
}

/* --- damage --- */

static void take(struct file *file, size_t n)
{
	file->begin += n;
	file->offset += n;
}

/* Ends the input here.  What lies behind is known of a plain file; of a pipe or compressed data, only what is buffered. */
__attribute__((format(printf, 3, 4))) static enum walk damage(struct file *file, uint64_t at, const char *format, ...)
{
	struct capture_input *input = file->input;
	char text[160];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	source_error(&input->error, "%s", text);
	input->damage_offset = at;
	uint64_t known = file->offset + (file->end - file->begin);
	uint64_t size = feed_suffix(file->feed)[0] == '\0' ? feed_size(file->feed) : 0;
	if (size > known)
		known = size;
	input->bytes_unread = known - at;
	file->ended = true;
	return WALK_DAMAGE;
}

static enum walk claims(struct file *file, uint64_t length)
{
	return damage(file, file->offset, "%s claims %" PRIu64 " bytes", file->what, length);
}

static enum walk must_have(struct file *file, size_t n)
{
	file->need = n;
	return WALK_SHORT;
}

/* --- time --- */

static const uint64_t power_of_ten[] = {
        1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u,
};

/* A count of 10^-n or 2^-n seconds (pcapng if_tsresol) in nanoseconds, UINT64_MAX if it does not fit. */
static uint64_t ticks_to_ns(uint64_t ticks, uint8_t resolution)
{
	unsigned n = resolution & 0x7f;
	uint64_t ns;
	if (!(resolution & 0x80)) {
		if (n <= 9)
			return __builtin_mul_overflow(ticks, power_of_ten[9 - n], &ns) ? UINT64_MAX : ns;
		for (; n > 9 && ticks > 0; n--)
			ticks /= 10;
		return ticks;
	}
	uint64_t seconds = n < 64 ? ticks >> n : 0;
	uint64_t part = n < 64 ? ticks & ((UINT64_C(1) << n) - 1) : ticks;
	if (n > 34) { /* 34 bits of a second are finer than a nanosecond, and times 10^9 they fit */
		part = n - 34 < 64 ? part >> (n - 34) : 0;
		n = 34;
	}
	if (__builtin_mul_overflow(seconds, UINT64_C(1000000000), &ns) ||
	    __builtin_add_overflow(ns, (part * UINT64_C(1000000000)) >> n, &ns))
		return UINT64_MAX;
	return ns;
}

static int64_t saturate(struct file *file, uint64_t ns)
{
	if (ns <= INT64_MAX)
		return (int64_t)ns;
	file->input->odd++;
	return INT64_MAX;
}

static int64_t interface_time(struct file *file, const struct interface *interface, uint32_t high, uint32_t low)
{
	int64_t time = saturate(file, ticks_to_ns((uint64_t)high << 32 | low, interface->resolution));
	if (interface->offset != 0 && __builtin_add_overflow(time, interface->offset, &time)) {
		file->input->odd++;
		time = interface->offset > 0 ? INT64_MAX : INT64_MIN;
	}
	return time;
}

static uint8_t resolution_digits(uint8_t resolution)
{
	unsigned n = resolution & 0x7f;
	if (resolution & 0x80)
		n = (n * 3 + 9) / 10; /* log10(2) is 0.301 */
	return n < 9 ? (uint8_t)n : 9;
}

/* --- pcap --- */

enum { READ_AHEAD = 512 }; /* octets behind a record that are sent for: the header of one of the next */

/* Fills in what all frames have in common. */
static inline struct tcpaudit_frame *frame_next(struct file *file, struct capture_batch *batch)
{
	struct tcpaudit_frame *frame = &batch->frame[batch->count];
	batch->fate[batch->count++] = TCPAUDIT_FATE_TCP;
	frame->number = ++file->number;
	frame->input = frame->source = file->index;
	frame->flags = 0;
	return frame;
}

/* Puts the lengths of old writers right: before version 2.3 they came the other way round, in 2.3 sometimes. */
static void unswap_lengths(const struct file *file, uint32_t *caplen, uint32_t *wirelen)
{
	if (file->minor < 3 || *caplen > *wirelen) {
		uint32_t length = *caplen;
		*caplen = *wirelen;
		*wirelen = length;
	}
}

static enum walk pcap_walk(struct file *file, struct capture_batch *batch)
{
	const struct interface only = file->only;
	const uint32_t header = file->record_header, fraction = file->fraction;
	const uint32_t fraction_end = fraction == 1 ? 1000000000 : 1000000;
	while (batch->count < CAPTURE_BATCH) {
		size_t have = file->end - file->begin;
		const uint8_t *p = file->buffer + file->begin;
		if (have < header)
			return must_have(file, header);
		uint32_t parts = get32(file, p + 4), caplen = get32(file, p + 8), wirelen = get32(file, p + 12);
		if (file->minor < 4)
			unswap_lengths(file, &caplen, &wirelen);
		if (caplen > FRAME_MOST)
			return claims(file, caplen);
		if (have - header < caplen)
			return must_have(file, header + caplen);
		__builtin_prefetch(p + header + caplen + READ_AHEAD);
		struct tcpaudit_frame *frame = frame_next(file, batch);
		frame->time = (int64_t)get32(file, p) * 1000000000 + (int64_t)parts * fraction;
		frame->data = p + header;
		frame->caplen = caplen;
		frame->wirelen = wirelen;
		frame->linktype = only.linktype;
		if (caplen > wirelen || caplen > only.snaplen || parts >= fraction_end)
			file->input->odd++;
		if (file->kuznetzov && p[22] == 4)
			frame->flags = TCPAUDIT_FRAME_OUTBOUND;
		take(file, header + caplen);
	}
	return WALK_FULL;
}

/* --- pcapng --- */

struct option {
	uint16_t code;
	uint16_t length;
	const uint8_t *value;
};

/* The next option before `end`; false after the last one, or where the list is broken (nothing hangs on options). */
static bool option_next(const struct file *file, const uint8_t **at, const uint8_t *end, struct option *option)
{
	if (end - *at < 4)
		return false;
	option->code = get16(file, *at);
	option->length = get16(file, *at + 2);
	option->value = *at + 4;
	size_t padded = ((size_t)option->length + 3) & ~(size_t)3;
	if (option->code == 0 || (size_t)(end - option->value) < padded)
		return false;
	*at = option->value + padded;
	return true;
}

static struct interface *interface_get(const struct file *file, uint32_t id)
{
	return id < file->interfaces ? &file->interface[id] : NULL;
}

static enum walk section_header(struct file *file, const uint8_t *p, uint32_t length)
{
	if (length < 28)
		return claims(file, length);
	uint16_t major = get16(file, p + 12);
	if (major != 1)
		return damage(file, file->offset, "section has unsupported version %u.%u", major, get16(file, p + 14));
	file->interfaces = 0;
	file->interfaces_beyond = 0;
	return WALK_BLOCK;
}

static bool interface_room(struct file *file)
{
	if (file->interfaces < file->interfaces_room)
		return true;
	size_t room = file->interfaces_room ? file->interfaces_room * 2 : 4;
	struct interface *more = room <= INTERFACES_MOST ? realloc(file->interface, room * sizeof *more) : NULL;
	if (!more)
		return false;
	file->interface = more;
	file->interfaces_room = room;
	return true;
}

static enum walk interface_description(struct file *file, const uint8_t *p, uint32_t length)
{
	if (length < 20)
		return claims(file, length);
	if (file->interfaces_beyond > 0 || !interface_room(file)) {
		file->interfaces_beyond++;
		return WALK_BLOCK;
	}
	struct interface *interface = &file->interface[file->interfaces++];
	*interface = (struct interface){.linktype = get16(file, p + 8), .snaplen = get32(file, p + 12), .resolution = 6};
	const uint8_t *at = p + 16;
	struct option option;
	while (option_next(file, &at, p + length - 4, &option)) {
		if (option.code == 9 && option.length >= 1) /* if_tsresol */
			interface->resolution = option.value[0];
		if (option.code == 14 && option.length == 8) { /* if_tsoffset, seconds */
			int64_t seconds = (int64_t)get64(file, option.value);
			if (__builtin_mul_overflow(seconds, INT64_C(1000000000), &interface->offset))
				interface->offset = seconds > 0 ? INT64_MAX : INT64_MIN;
		}
	}
	struct capture_input *input = file->input;
	source_linktype(input, interface->linktype);
	if (interface->snaplen > input->snaplen)
		input->snaplen = interface->snaplen;
	if (interface->snaplen == 0) /* no limit */
		interface->snaplen = UINT32_MAX;
	if (interface->resolution <= 9 && interface->offset == 0) {
		interface->unit = (uint32_t)power_of_ten[9 - interface->resolution];
		interface->plain_most = INT64_MAX / interface->unit;
	}
	uint8_t digits = resolution_digits(interface->resolution);
	if (digits > input->time_digits)
		input->time_digits = digits;
	return WALK_BLOCK;
}

/* Interface statistics count from the beginning of the capture: what is new since the last ones was lost in between. */
static enum walk interface_statistics(struct file *file, const uint8_t *p, uint32_t length)
{
	if (length < 24)
		return claims(file, length);
	struct interface *interface = interface_get(file, get32(file, p + 8));
	uint64_t dropped = 0;
	const uint8_t *at = p + 20;
	struct option option;
	while (option_next(file, &at, p + length - 4, &option))
		if ((option.code == 5 || option.code == 7) && option.length == 8) { /* isb_ifdrop, isb_osdrop */
			uint64_t count = get64(file, option.value);
			dropped = count > UINT64_MAX - dropped ? UINT64_MAX : dropped + count;
		}
	if (interface && dropped > interface->dropped) {
		file->input->recorded_drops += dropped - interface->dropped;
		interface->dropped = dropped;
		file->lost = true;
	}
	return WALK_BLOCK;
}

/* A frame of `interface`, or of one that the file does not describe: whose link type and clock nobody knows. */
static struct tcpaudit_frame *block_frame(struct file *file, struct capture_batch *batch, struct interface *interface,
                                          uint32_t caplen, uint32_t wirelen)
{
	struct tcpaudit_frame *frame = frame_next(file, batch);
	frame->time = file->time;
	frame->caplen = caplen;
	frame->wirelen = wirelen;
	if (!interface) {
		frame->linktype = LINKTYPE_NONE;
		batch->fate[batch->count - 1] = TCPAUDIT_FATE_LINKTYPE;
		file->input->odd++;
		return frame;
	}
	frame->linktype = interface->linktype;
	if (file->lost) {
		frame->flags |= TCPAUDIT_FRAME_LOST;
		file->lost = false;
	}
	if (caplen > wirelen || caplen > interface->snaplen)
		file->input->odd++;
	return frame;
}

static void dropped_before(struct file *file, struct tcpaudit_frame *frame, uint64_t count)
{
	if (count == 0)
		return;
	file->input->recorded_drops += count;
	frame->flags |= TCPAUDIT_FRAME_LOST;
}

static void packet_options(struct file *file, struct tcpaudit_frame *frame, const uint8_t *at, const uint8_t *end)
{
	struct option option;
	while (option_next(file, &at, end, &option)) {
		if (option.code == 2 && option.length == 4 && (get32(file, option.value) & 3) == 2) /* epb_flags, direction */
			frame->flags |= TCPAUDIT_FRAME_OUTBOUND;
		if (option.code == 4 && option.length == 8) /* epb_dropcount */
			dropped_before(file, frame, get64(file, option.value));
	}
}

/* The enhanced packet block, and its obsolete predecessor, which differs in the first word only. */
static enum walk enhanced_packet(struct file *file, const uint8_t *p, uint32_t length, struct capture_batch *batch)
{
	if (length < 32)
		return claims(file, length);
	bool obsolete = get32(file, p) == BLOCK_PACKET;
	uint32_t id = obsolete ? get16(file, p + 8) : get32(file, p + 8);
	uint32_t caplen = get32(file, p + 20);
	if (caplen > length - 32)
		return damage(file, file->offset, "packet claims %" PRIu32 " bytes in a block of %" PRIu32, caplen, length);
	if (caplen > FRAME_MOST)
		return damage(file, file->offset, "packet claims %" PRIu32 " bytes", caplen);
	struct interface *interface = interface_get(file, id);
	struct tcpaudit_frame *frame = block_frame(file, batch, interface, caplen, get32(file, p + 24));
	if (interface)
		frame->time = interface_time(file, interface, get32(file, p + 12), get32(file, p + 16));
	file->time = frame->time;
	frame->data = p + 28;
	if (obsolete && get16(file, p + 10) != 0xffff) /* drops_count */
		dropped_before(file, frame, get16(file, p + 10));
	uint32_t padded = (caplen + 3) & ~UINT32_C(3);
	if (padded < length - 32)
		packet_options(file, frame, p + 28 + padded, p + length - 4);
	return WALK_FRAME;
}

/* Simple packets have no time: they get that of the frame before, so that no timer runs on account of them. */
static enum walk simple_packet(struct file *file, const uint8_t *p, uint32_t length, struct capture_batch *batch)
{
	if (length < 16)
		return claims(file, length);
	struct interface *interface = interface_get(file, 0);
	uint32_t wirelen = get32(file, p + 8), caplen = wirelen;
	if (interface && caplen > interface->snaplen)
		caplen = interface->snaplen;
	if (caplen > length - 16)
		return damage(file, file->offset, "packet claims %" PRIu32 " bytes in a block of %" PRIu32, caplen, length);
	if (caplen > FRAME_MOST)
		return damage(file, file->offset, "packet claims %" PRIu32 " bytes", caplen);
	block_frame(file, batch, interface, caplen, wirelen)->data = p + 12;
	return WALK_FRAME;
}

/* Blocks that Wireshark numbers although they hold no packet. */
static enum walk not_a_packet(struct file *file, const uint8_t *p, struct capture_batch *batch)
{
	struct tcpaudit_frame *frame = frame_next(file, batch);
	batch->fate[batch->count - 1] = TCPAUDIT_FATE_NOT_PACKET;
	frame->time = file->time;
	frame->data = p;
	frame->caplen = frame->wirelen = 0;
	frame->linktype = LINKTYPE_NONE;
	return WALK_FRAME;
}

static bool holds_packet(uint32_t type)
{
	return type == BLOCK_ENHANCED || type == BLOCK_SIMPLE || type == BLOCK_PACKET;
}

static bool is_numbered(uint32_t type)
{
	return type == BLOCK_CUSTOM || type == BLOCK_CUSTOM_KEEP || type == BLOCK_JOURNAL || type == BLOCK_SYSDIG_EVENT ||
	       type == BLOCK_SYSDIG_EVENT_2 || type == BLOCK_SYSDIG_EVENT_2_LARGE;
}

static enum walk block_content(struct file *file, uint32_t type, const uint8_t *p, uint32_t length, struct capture_batch *batch)
{
	switch (type) {
	case BLOCK_ENHANCED:
	case BLOCK_PACKET:
		return enhanced_packet(file, p, length, batch);
	case BLOCK_SIMPLE:
		return simple_packet(file, p, length, batch);
	case BLOCK_SECTION:
		return section_header(file, p, length);
	case BLOCK_INTERFACE:
		return interface_description(file, p, length);
	case BLOCK_STATISTICS:
		return interface_statistics(file, p, length);
	default:
		return is_numbered(type) ? not_a_packet(file, p, batch) : WALK_BLOCK;
	}
}

/* A section sets the byte order for itself: it must be known before the block's length is. */
static bool section_order(struct file *file, const uint8_t *p)
{
	file->swapped = false;
	if (get32(file, p + 8) == BYTE_ORDER_MAGIC)
		return true;
	file->swapped = true;
	return get32(file, p + 8) == BYTE_ORDER_MAGIC;
}

/* The length of the block at `p`, or 0 after damage. */
static uint32_t block_length(struct file *file, const uint8_t *p)
{
	uint32_t type = get32(file, p), length = get32(file, p + 4);
	if (length < 12 || length % 4 != 0 || length > (holds_packet(type) ? PACKET_BLOCK_MOST : BLOCK_MOST)) {
		claims(file, length);
		return 0;
	}
	return length;
}

static enum walk trailer_check(struct file *file, const uint8_t *trailer, uint32_t length, uint64_t from)
{
	uint32_t again = get32(file, trailer);
	if (again == length)
		return WALK_BLOCK;
	return damage(file, from, "block begins with length %" PRIu32 " and ends with %" PRIu32, length, again);
}

/* Goes on passing over a block that is longer than the buffer. */
static enum walk skip_on(struct file *file)
{
	size_t have = file->end - file->begin;
	size_t n = have < file->skip ? have : (size_t)file->skip;
	take(file, n);
	file->skip -= n;
	if (file->skip > 0)
		return must_have(file, 1);
	if (file->end - file->begin < 4)
		return must_have(file, 4);
	enum walk checked = trailer_check(file, file->buffer + file->begin, file->skip_length, file->skip_from);
	if (checked == WALK_BLOCK) {
		take(file, 4);
		file->skip_length = 0;
	}
	return checked;
}

static enum walk block_walk(struct file *file, struct capture_batch *batch)
{
	if (file->skip_length > 0)
		return skip_on(file);
	size_t have = file->end - file->begin;
	const uint8_t *p = file->buffer + file->begin;
	if (have < 12)
		return must_have(file, 12);
	uint32_t type = get32(file, p);
	if (type == BLOCK_SECTION && !section_order(file, p))
		return damage(file, file->offset, "section has no byte order");
	uint32_t length = block_length(file, p);
	if (length == 0)
		return WALK_DAMAGE;
	if (have < length && length > FILE_BUFFER_LEAST) {
		file->skip_from = file->offset;
		file->skip_length = length;
		file->skip = length - 4;
		enum walk content = is_numbered(type) ? not_a_packet(file, p, batch) : WALK_BLOCK;
		return content;
	}
	if (have < length)
		return must_have(file, length);
	if (trailer_check(file, p + length - 4, length, file->offset) == WALK_DAMAGE)
		return WALK_DAMAGE;
	enum walk content = block_content(file, type, p, length, batch);
	if (content != WALK_DAMAGE)
		take(file, length);
	return content;
}

/* Nearly all blocks of nearly all files: a packet without options of an ordinary interface.  false: the block is not so
 * plain, and nothing has been done. */
static bool plain_packet(struct file *file, struct capture_batch *batch)
{
	size_t have = file->end - file->begin;
	const uint8_t *p = file->buffer + file->begin;
	if (file->skip_length > 0 || have < 32 || get32(file, p) != BLOCK_ENHANCED)
		return false;
	uint32_t length = get32(file, p + 4), id = get32(file, p + 8), caplen = get32(file, p + 20);
	if (caplen > FRAME_MOST || length != ((caplen + 3) & ~UINT32_C(3)) + 32 || have < length ||
	    get32(file, p + length - 4) != length || id >= file->interfaces)
		return false;
	const struct interface *interface = &file->interface[id];
	uint64_t ticks = (uint64_t)get32(file, p + 12) << 32 | get32(file, p + 16);
	uint32_t wirelen = get32(file, p + 24);
	if (ticks > interface->plain_most || interface->unit == 0 || file->lost || caplen > wirelen ||
	    caplen > interface->snaplen)
		return false;
	struct tcpaudit_frame *frame = frame_next(file, batch);
	frame->time = file->time = (int64_t)(ticks * interface->unit);
	frame->data = p + 28;
	frame->caplen = caplen;
	frame->wirelen = wirelen;
	frame->linktype = interface->linktype;
	take(file, length);
	return true;
}

static enum walk pcapng_walk(struct file *file, struct capture_batch *batch)
{
	while (batch->count < CAPTURE_BATCH) {
		if (plain_packet(file, batch))
			continue;
		enum walk result = block_walk(file, batch);
		if (result == WALK_SHORT || result == WALK_DAMAGE)
			return result;
	}
	return WALK_FULL;
}

/* --- the file's header --- */

static const struct pcap_magic {
	uint32_t magic;
	uint8_t file_header;
	uint8_t record_header;
	uint16_t fraction;
} pcap_magics[] = {
        {PCAP_MICRO, 24, 16, 1000},      {PCAP_NANO, 24, 16, 1},      {PCAP_KUZNETZOV, 24, 24, 1000},
        {PCAP_IXIA_MICRO, 28, 16, 1000}, {PCAP_IXIA_NANO, 28, 16, 1},
};

/* Values that some systems wrote without translation from their DLT_. */
static uint16_t linktype_known(uint16_t linktype)
{
	return linktype == 12 || linktype == 14 ? 101 : linktype; /* raw IP */
}

static bool pcap_header(struct file *file, const struct pcap_magic *magic, char **error)
{
	const uint8_t *p = file->buffer;
	uint16_t major = get16(file, p + 4);
	file->minor = get16(file, p + 6);
	/* 543.0 is what NG40 writes. */
	if (!(major == 2 && file->minor <= 4) && !(major == 543 && file->minor == 0))
		return source_error(error, "unsupported pcap version %u.%u", major, file->minor);
	struct capture_input *input = file->input;
	/* The upper bits say whether a frame check sequence follows; lengths come from the IP header anyway. */
	file->only.linktype = linktype_known(get32(file, p + 20) & 0xffff);
	file->only.snaplen = input->snaplen = get32(file, p + 16);
	if (file->only.snaplen == 0)
		file->only.snaplen = UINT32_MAX;
	source_linktype(input, file->only.linktype);
	file->record_header = magic->record_header;
	file->kuznetzov = magic->magic == PCAP_KUZNETZOV;
	file->fraction = magic->fraction;
	input->time_digits = magic->fraction == 1 ? 9 : 6;
	file->what = "record";
	file->walk = pcap_walk;
	take(file, magic->file_header);
	return true;
}

/* What a user may have instead of a capture. */
static const struct stranger {
	const char *advice;
	size_t magic_len;
	const char *magic;
} strangers[] = {
        {": xz, unpack it first", 6,
         "\xfd"
         "7zXZ"},
        {": bzip2, unpack it first", 3, "BZh"},
        {": lz4, unpack it first", 4, "\x04\x22\x4d\x18"},
        {": snoop, convert it with editcap", 5, "snoop"},
};

static bool not_a_capture(const struct file *file, char **error)
{
	const uint8_t *p = file->buffer;
	size_t have = file->end;
	const char *advice = "";
	for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++)
		if (have >= strangers[i].magic_len && memcmp(p, strangers[i].magic, strangers[i].magic_len) == 0)
			advice = strangers[i].advice;
	if (have < 4)
		return source_error(error, "not a capture file (%zu bytes)", have);
	return source_error(error, "not a capture file (starts with %02x %02x %02x %02x%s)", p[0], p[1], p[2], p[3], advice);
}

/* Reads until n bytes of the header are there.  Pipes are waited for; a signal ends the waiting. */
static bool header_read(struct file *file, size_t n, char **error)
{
	while (file->end < n) {
		ptrdiff_t got = feed_read(file->feed, file->buffer + file->end, file->capacity - file->end);
		if (got == 0)
			return false;
		if (got == FEED_BROKEN)
			return source_error(error, "%s", feed_broken(file->feed));
		if (got == FEED_AGAIN && feed_interrupted(file->feed))
			return source_error(error, "interrupted");
		if (got > 0)
			file->end += (size_t)got;
	}
	return true;
}

static bool header_short(const struct file *file, size_t n, char **error)
{
	if (*error)
		return false;
	return source_error(error, "ends inside the file header (%zu of %zu bytes)", file->end, n);
}

static bool pcapng_header(struct file *file, char **error)
{
	if (!header_read(file, 28, error))
		return header_short(file, 28, error);
	if (!section_order(file, file->buffer))
		return not_a_capture(file, error);
	uint16_t major = get16(file, file->buffer + 12);
	if (major != 1)
		return source_error(error, "unsupported pcapng version %u.%u", major, get16(file, file->buffer + 14));
	file->what = "block";
	file->walk = pcapng_walk;
	/* The interfaces, as far as they are here: what is known at the start is told at the start. */
	struct capture_batch none = {.count = 0};
	while (file->end - file->begin >= 12) {
		uint32_t type = get32(file, file->buffer + file->begin);
		if (holds_packet(type) || is_numbered(type) || file->skip_length > 0)
			break;
		if (block_walk(file, &none) != WALK_BLOCK)
			break;
	}
	return true;
}

static bool header(struct file *file, char **error)
{
	*error = NULL;
	if (!header_read(file, 4, error))
		return *error ? false : not_a_capture(file, error);
	struct capture_input *input = file->input;
	file->swapped = false;
	bool pcapng = get32(file, file->buffer) == BLOCK_SECTION;
	static const char *const formats[2][3] = {
	        {"pcap", "pcap gzip", "pcap zstd"},
	        {"pcapng", "pcapng gzip", "pcapng zstd"},
	};
	const char *suffix = feed_suffix(file->feed);
	input->format = formats[pcapng][suffix[0] == '\0' ? 0 : suffix[1] == 'g' ? 1 : 2];
	if (pcapng)
		return pcapng_header(file, error);
	for (size_t i = 0; i < sizeof pcap_magics / sizeof pcap_magics[0]; i++) {
		const struct pcap_magic *magic = &pcap_magics[i];
		uint32_t native;
		memcpy(&native, file->buffer, sizeof native);
		if (native != magic->magic && __builtin_bswap32(native) != magic->magic)
			continue;
		file->swapped = native != magic->magic;
		if (!header_read(file, magic->file_header, error))
			return header_short(file, magic->file_header, error);
		return pcap_header(file, magic, error);
	}
	return not_a_capture(file, error);
}

/* --- reading --- */

/* The file ended, or cannot be read on, before what began was complete. */
static void cut(struct file *file)
{
	size_t have = file->end - file->begin;
	const char *broken = feed_broken(file->feed);
	uint64_t at = file->skip_length > 0 ? file->skip_from : file->offset;
	if (broken)
		damage(file, at, "%s, behind offset %" PRIu64, broken, file->offset + have);
	else if (file->skip_length > 0)
		damage(file, at, "ends inside a %s, %" PRIu64 " of %" PRIu32 " bytes", file->what, file->offset + have - at,
		       file->skip_length);
	else if (have > 0)
		damage(file, at, "ends inside a %s, %zu of %zu bytes", file->what, have, file->need);
	file->ended = true;
}

/* Moves what is left to the front, where the rest has room behind it: of another buffer, if somebody looks at frames in this one.
 * A pipe often has little at a time: what fits behind that needs no other buffer.  false: no memory now. */
static bool make_room(struct file *file)
{
	size_t have = file->end - file->begin, room = file->capacity - file->end;
	uint8_t *to = file->buffer;
	if (!buffers_idle(file->buffers)) {
		if (file->begin == 0 || (have + room >= file->need && room >= file->capacity / 4))
			return true;
		if ((to = buffers_take(file->buffers)) == NULL)
			return false;
	}
	memmove(to, file->buffer + file->begin, have);
	if (to != file->buffer)
		buffers_give(file->buffers, file->buffer);
	file->buffer = to;
	file->begin = 0;
	file->end = have;
	return true;
}

/* Reads behind what is left.  false: nothing came. */
static bool refill(struct file *file)
{
	if (!make_room(file))
		return false; /* capture_crowded() says so */
	ptrdiff_t got = feed_read(file->feed, file->buffer + file->end, file->capacity - file->end);
	if (got > 0) {
		file->end += (size_t)got;
		return true;
	}
	if (got != FEED_AGAIN)
		cut(file);
	return false;
}

enum source_status file_read(struct file *file, struct capture_batch *batch)
{
	batch->count = 0;
	if (!file->ended && file->walk(file, batch) == WALK_SHORT && batch->count == 0) {
		/* One read a call, so that a file of nothing but unknown blocks does not keep signals waiting. */
		if (refill(file))
			file->walk(file, batch);
	}
	struct capture_input *input = file->input;
	input->packets += batch->count;
	input->bytes = file->skip_length > 0 ? file->skip_from : file->offset;
	input->position = feed_position(file->feed);
	if (input->size > 0 && input->position > input->size)
		input->size = input->position; /* it grows */
	return file->ended && batch->count == 0 ? SOURCE_END : SOURCE_MORE;
}

struct file *file_open(struct feed *feed, struct capture_input *input, uint16_t index, struct buffers *buffers, char **error)
{
	struct file *file = calloc(1, sizeof *file);
	if (!file) {
		feed_close(feed);
		source_error(error, "out of memory");
		return NULL;
	}
	file->feed = feed;
	file->input = input;
	file->index = index;
	file->buffers = buffers;
	file->capacity = buffers->size;
	file->buffer = buffers_take(buffers);
	input->size = feed_size(feed);
	char *reason = NULL;
	bool good = file->buffer ? header(file, &reason) : source_error(&reason, "out of memory");
	if (good)
		return file;
	*error = reason;
	file_close(file);
	return NULL;
}

bool file_lost(const struct file *file)
{
	return file->lost;
}

void file_close(struct file *file)
{
	if (!file)
		return;
	feed_close(file->feed);
	free(file->interface);
	buffers_give(file->buffers, file->buffer);
	free(file);
}
