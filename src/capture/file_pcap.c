/* file_pcap.c - pcap, by whoever wrote it: draft-ietf-opsawg-pcap, and what was written before that. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "file_parts.h"

enum {
	PCAP_MICRO = 0xa1b2c3d4,
	PCAP_NANO = 0xa1b23c4d,
	PCAP_KUZNETZOV = 0xa1b2cd34,  /* Linux 2.x "modified" libpcap: interface and packet type in each record */
	PCAP_IXIA_MICRO = 0x1c0001ab, /* lcap: a length of all records after the file header */
	PCAP_IXIA_NANO = 0x1c0001ac,
};

enum { READ_AHEAD = 512 }; /* octets behind a record that are sent for: the header of one of the next */

/* Those of old writers are put right: before version 2.3 they came the other way round, in 2.3 sometimes. */
static inline void get_lengths(const struct file *file, const uint8_t *p, uint32_t *caplen, uint32_t *wirelen)
{
	*caplen = get32(file, p + 8);
	*wirelen = get32(file, p + 12);
	if (file->minor < 4 && (file->minor < 3 || *caplen > *wirelen)) {
		uint32_t length = *caplen;
		*caplen = *wirelen;
		*wirelen = length;
	}
}

/* What nearly every file is: in this machine's order, by no old writer, and with nothing but times and lengths before a frame. */
static bool is_usual(const struct file *file)
{
	return !file->swapped && file->minor >= 4 && !file->kuznetzov;
}

/* Whole records, as many as there are and as fit.  What the file is remains in place meanwhile; of a usual one, the compiler knows
 * most of it. */
__attribute__((always_inline)) static inline void walk_records(struct file *file, struct capture_batch *batch, bool usual)
{
	static const struct file most = {.minor = 4, .record_header = 16};
	const struct file is = *file, *form = usual ? &most : &is;
	const uint32_t header = form->record_header, fraction_end = is.fraction == 1 ? 1000000000 : 1000000;
	const uint8_t *const end = is.buffer + is.end, *p = is.buffer + is.begin;
	struct tcpaudit_frame *const first = &batch->frame[batch->count], *frame = first;
	uint64_t number = is.number;

	for (; frame < batch->frame + CAPTURE_BATCH && (size_t)(end - p) >= header; frame++) {
		uint32_t parts = get32(form, p + 4), caplen, wirelen;
		get_lengths(form, p, &caplen, &wirelen);
		if (caplen > FRAME_MOST || (size_t)(end - p) - header < caplen)
			break;
		if (wirelen == 0 && pcap_begins(p)) /* where a record has its length, a file header has 0 */
			break;
		__builtin_prefetch(p + header + caplen + READ_AHEAD);
		frame->time = (int64_t)get32(form, p) * 1000000000 + (int64_t)parts * is.fraction;
		frame->ordinal = frame->number = ++number;
		frame->data = p + header;
		frame->caplen = caplen;
		frame->wirelen = wirelen;
		frame->linktype = is.only.linktype;
		frame->input = frame->source = is.index;
		frame->flags = form->kuznetzov && p[22] == 4 ? TCPAUDIT_FRAME_OUTBOUND : 0;
		if (caplen > wirelen || caplen > is.only.snaplen || parts >= fraction_end)
			file->input->odd++;
		p += header + caplen;
	}
	const size_t count = (size_t)(frame - first);
	memset(batch->fate + batch->count, TCPAUDIT_FATE_TCP, count);
	batch->count += count;
	file->number = number;
	take(file, (size_t)(p - is.buffer) - is.begin);
}

static enum walk pcap_walk(struct file *file, struct capture_batch *batch)
{
	const uint32_t header = file->record_header;

	if (is_usual(file))
		walk_records(file, batch, true);
	else
		walk_records(file, batch, false);
	if (batch->count == CAPTURE_BATCH)
		return WALK_FULL;
	size_t have = file->end - file->begin;
	const uint8_t *p = file->buffer + file->begin;
	if (have < header)
		return must_have(file, header);
	uint32_t caplen, wirelen;
	get_lengths(file, p, &caplen, &wirelen);
	if ((wirelen == 0 || caplen > FRAME_MOST) && pcap_begins(p))
		return file_another(file, "pcap");
	if (caplen > FRAME_MOST && pcapng_begins(p))
		return file_another(file, "pcapng");
	if (caplen > FRAME_MOST)
		return file_claims(file, caplen);
	return must_have(file, header + caplen);
}

static const struct pcap_magic {
	uint32_t magic;
	uint8_t file_header;
	uint8_t record_header;
	uint16_t fraction;
} pcap_magics[] = {
        {PCAP_MICRO, 24, 16, 1000},      {PCAP_NANO, 24, 16, 1},      {PCAP_KUZNETZOV, 24, 24, 1000},
        {PCAP_IXIA_MICRO, 28, 16, 1000}, {PCAP_IXIA_NANO, 28, 16, 1},
};

bool pcap_begins(const uint8_t *octets)
{
	struct file other = {.swapped = false};
	uint32_t native;

	memcpy(&native, octets, sizeof native);
	for (size_t i = 0; i < sizeof pcap_magics / sizeof pcap_magics[0]; i++) {
		other.swapped = native != pcap_magics[i].magic;
		if (get32(&other, octets) == pcap_magics[i].magic && get16(&other, octets + 4) == 2 && get16(&other, octets + 6) <= 4)
			return true;
	}
	return false;
}

size_t pcap_recognised(struct file *file)
{
	for (size_t i = 0; i < sizeof pcap_magics / sizeof pcap_magics[0]; i++) {
		const struct pcap_magic *magic = &pcap_magics[i];
		uint32_t native;
		memcpy(&native, file->buffer, sizeof native);
		if (native != magic->magic && __builtin_bswap32(native) != magic->magic)
			continue;
		file->swapped = native != magic->magic;
		file->record_header = magic->record_header;
		file->kuznetzov = magic->magic == PCAP_KUZNETZOV;
		file->fraction = magic->fraction;
		return magic->file_header;
	}
	return 0;
}

bool pcap_begin(struct file *file, size_t header, char **error)
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
	input->time_digits = file->fraction == 1 ? 9 : 6;
	file->what = "record";
	file->walk = pcap_walk;
	take(file, header);
	return true;
}
