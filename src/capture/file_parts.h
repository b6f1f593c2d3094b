/* file_parts.h - inside the reader of files: what the formats (file_pcap.c, file_pcapng.c) have in common with file.c. */
#ifndef FILE_PARTS_H
#define FILE_PARTS_H

#include <string.h>

#include "source.h"

#define FRAME_MOST 262144 /* captured bytes of one frame: what libpcap and Wireshark allow */

/* An interface of a pcapng section; pcap has one. */
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
	bool lost_some;              /* ... before some of the batch */
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

static inline uint32_t get32(const struct file *file, const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return file->swapped ? __builtin_bswap32(v) : v;
}

static inline uint16_t get16(const struct file *file, const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return file->swapped ? __builtin_bswap16(v) : v;
}

/* pcapng writes 64-bit times high word first whatever the byte order, but 64-bit options as one number. */
static inline uint64_t get64(const struct file *file, const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return file->swapped ? __builtin_bswap64(v) : v;
}

static inline void take(struct file *file, size_t n)
{
	file->begin += n;
	file->offset += n;
}

static inline enum walk must_have(struct file *file, size_t n)
{
	file->need = n;
	return WALK_SHORT;
}

/* Fills in what all frames have in common. */
static inline struct tcpaudit_frame *frame_next(struct file *file, struct capture_batch *batch)
{
	struct tcpaudit_frame *frame = &batch->frame[batch->count];
	batch->fate[batch->count++] = TCPAUDIT_FATE_TCP;
	frame->ordinal = frame->number = ++file->number;
	frame->input = frame->source = file->index;
	frame->flags = 0;
	return frame;
}

/* Before this frame, others were lost. */
static inline void frame_behind_losses(struct file *file, struct tcpaudit_frame *frame)
{
	frame->flags |= TCPAUDIT_FRAME_LOST;
	file->lost_some = true;
}

/* Ends the input here.  What lies behind is known of a plain file; of a pipe or compressed data, only what is buffered. */
enum walk file_damage(struct file *file, uint64_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same: what begins here says that it is so long. */
enum walk file_claims(struct file *file, uint64_t length);

/* The same: another file begins here, of this format. */
static inline enum walk file_another(struct file *file, const char *format)
{
	return file_damage(file, file->offset, "another %s file begins here, which is not read (mergecap makes one of several)", format);
}

/* Values that some systems wrote without translation from their DLT_. */
static inline uint16_t linktype_known(uint16_t linktype)
{
	return linktype == 12 || linktype == 14 ? 101 : linktype; /* raw IP */
}

/* Of which format is it, by its first 4 octets?  Then so many octets of its header must be there (the byte order is known, if they tell
 * it); 0: of another one. */
size_t pcap_recognised(struct file *file);
size_t pcapng_recognised(struct file *file);

/* Does a file begin with these octets?  Of pcap 8 are looked at, of pcapng 12. */
bool pcap_begins(const uint8_t *octets);
bool pcapng_begins(const uint8_t *octets);

/* Reads the header, and what is known before the first frame.  false without an error: it is no capture after all. */
bool pcap_begin(struct file *file, size_t header, char **error);
bool pcapng_begin(struct file *file, char **error);

#endif
