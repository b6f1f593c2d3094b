/* file_pcapng.c - pcapng, block by block: draft-ietf-opsawg-pcapng. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "file_parts.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	PACKET_BLOCK_MOST = 393216, /* a frame of FRAME_MOST with 128 KiB of options around it */
	BLOCK_MOST = 128 << 20,     /* any other block: only skipped, so the limit is one of plausibility */
	INTERFACES_MOST = 65536,    /* in one section; packets of further ones are not analysed */
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINKTYPE_NONE = 0xffff /* of a frame whose interface the file does not describe */
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

/* --- time --- */

/* The engine reckons with times from 1970 to this one, and takes others for the nearest of them. */
#define LATEST (INT64_MAX / 2) /* the year 2116 */

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

static int64_t interface_time(struct file *file, const struct interface *interface, uint32_t high, uint32_t low)
{
	uint64_t ns = ticks_to_ns((uint64_t)high << 32 | low, interface->resolution);
	int64_t time = ns <= INT64_MAX ? (int64_t)ns : INT64_MAX;
	if (interface->offset != 0 && __builtin_add_overflow(time, interface->offset, &time))
		time = interface->offset > 0 ? INT64_MAX : INT64_MIN;
	if (ns > INT64_MAX || time < 0 || time > LATEST)
		file->input->odd++;
	return time;
}

static uint8_t resolution_digits(uint8_t resolution)
{
	unsigned n = resolution & 0x7f;
	if (resolution & 0x80)
		n = (n * 3 + 9) / 10; /* log10(2) is 0.301 */
	return n < 9 ? (uint8_t)n : 9;
}

/* --- blocks --- */

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
		return file_claims(file, length);
	uint16_t major = get16(file, p + 12);
	if (major != 1)
		return file_damage(file, file->offset, "section has unsupported version %u.%u", major, get16(file, p + 14));
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
		return file_claims(file, length);
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
		interface->plain_most = LATEST / interface->unit;
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
		return file_claims(file, length);
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
		frame_behind_losses(file, frame);
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
	frame_behind_losses(file, frame);
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
		return file_claims(file, length);
	bool obsolete = get32(file, p) == BLOCK_PACKET;
	uint32_t id = obsolete ? get16(file, p + 8) : get32(file, p + 8);
	uint32_t caplen = get32(file, p + 20);
	if (caplen > length - 32)
		return file_damage(file, file->offset, "packet claims %" PRIu32 " bytes in a block of %" PRIu32, caplen, length);
	if (caplen > FRAME_MOST)
		return file_damage(file, file->offset, "packet claims %" PRIu32 " bytes", caplen);
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
		return file_claims(file, length);
	struct interface *interface = interface_get(file, 0);
	uint32_t wirelen = get32(file, p + 8), caplen = wirelen;
	if (interface && caplen > interface->snaplen)
		caplen = interface->snaplen;
	if (caplen > length - 16)
		return file_damage(file, file->offset, "packet claims %" PRIu32 " bytes in a block of %" PRIu32, caplen, length);
	if (caplen > FRAME_MOST)
		return file_damage(file, file->offset, "packet claims %" PRIu32 " bytes", caplen);
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
		if (pcap_begins(p))
			file_another(file, "pcap");
		else
			file_claims(file, length);
		return 0;
	}
	return length;
}

static enum walk trailer_check(struct file *file, const uint8_t *trailer, uint32_t length, uint64_t from)
{
	uint32_t again = get32(file, trailer);
	if (again == length)
		return WALK_BLOCK;
	return file_damage(file, from, "block begins with length %" PRIu32 " and ends with %" PRIu32, length, again);
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
		return file_damage(file, file->offset, "section has no byte order");
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

bool pcapng_begins(const uint8_t *octets)
{
	struct file other = {.swapped = false};

	return get32(&other, octets) == BLOCK_SECTION && section_order(&other, octets);
}

size_t pcapng_recognised(struct file *file)
{
	file->swapped = false;
	return get32(file, file->buffer) == BLOCK_SECTION ? 28 : 0;
}

bool pcapng_begin(struct file *file, char **error)
{
	if (!section_order(file, file->buffer))
		return false;
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
