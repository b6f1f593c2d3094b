/* fuzz_decode.c - any octets as frames of any link type: decoding stays within them and keeps its promises.
 *
 * Input: link type (2 octets, big-endian), settings (1: tunnels in the low 6 bits, checksum mode above), then frames:
 * captured length (2), octets missing at the end (1, with what is above 127 as a step in time), and the frame. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"

#ifdef NDEBUG
#error "the invariants are assertions"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct decoder *decoder;
	uint64_t fragments; /* called FRAGMENT and not yet lost */
	uint64_t ordinal;
	int64_t time;
	uint16_t linktype;
};

static bool within(const uint8_t *p, size_t n, const struct tcpaudit_frame *frame)
{
	return p >= frame->data && n <= frame->caplen && (size_t)(p - frame->data) <= frame->caplen - n;
}

static void check_segment(const struct tcpaudit_frame *frame, const struct tcpaudit_segment *segment, enum tcpaudit_fate fate)
{
	volatile uint8_t sum = 0;
	size_t shown;

	assert(segment->time == frame->time && segment->ordinal == frame->ordinal && segment->wirelen == frame->wirelen);
	assert(segment->ip_version == 4 || segment->ip_version == 6);
	assert(segment->unusable == TCPAUDIT_UNUSABLE_NONE || segment->unusable == TCPAUDIT_UNUSABLE_SHORT ||
	       segment->unusable == TCPAUDIT_UNUSABLE_OFFSET);
	assert((segment->flags & ~0xfff) == 0);
	assert(segment->sack_count <= 4);
	assert((segment->sack_count != 0) == ((segment->options & TCPAUDIT_OPT_SACK) != 0));
	assert(segment->vlan < 4096 && segment->network <= 1u << 24);
	assert(segment->header_len <= 60 && segment->header_len % 4 == 0);
	assert(segment->text_caplen <= segment->len);
	assert(segment->icmp_quotes == (fate == TCPAUDIT_FATE_ICMP));
	if (segment->unusable == TCPAUDIT_UNUSABLE_NONE)
		assert(segment->header_len >= 20);
	if ((segment->noticed & TCPAUDIT_SAW_CUT) == 0 && segment->unusable == TCPAUDIT_UNUSABLE_NONE)
		assert(segment->text_caplen == segment->len);
	if ((segment->noticed & TCPAUDIT_SAW_OPTIONS_CUT) != 0)
		assert((segment->noticed & TCPAUDIT_SAW_CUT) != 0 && segment->text_caplen == 0);
	/* What is promised to be there can be read. */
	shown = segment->unusable == TCPAUDIT_UNUSABLE_NONE ? 20 : 4;
	if (segment->text_caplen > 0)
		shown = (size_t)segment->header_len + segment->text_caplen;
	if ((segment->noticed & TCPAUDIT_SAW_REASSEMBLED) == 0)
		assert(within(segment->header, shown, frame));
	for (size_t i = 0; i < shown; i++)
		sum = (uint8_t)(sum + segment->header[i]);
	assert((segment_verify(segment) &
	        ~(TCPAUDIT_SAW_CHECKSUM_BAD | TCPAUDIT_SAW_CHECKSUM_PARTIAL | TCPAUDIT_SAW_CHECKSUM_UNKNOWN)) == 0);
}

/* From a buffer of exactly its size, so that the sanitizer sees every step beyond. */
static void decode_one(struct run *run, const uint8_t *octets, size_t caplen, size_t missing)
{
	uint8_t *copy = malloc(caplen > 0 ? caplen : 1);
	struct tcpaudit_frame frame = {.time = run->time, .ordinal = ++run->ordinal, .number = run->ordinal, .data = copy};
	struct tcpaudit_segment segment;
	enum tcpaudit_fate fate;

	if (copy == NULL)
		return;
	if (caplen > 0)
		memcpy(copy, octets, caplen);
	frame.caplen = (uint32_t)caplen;
	frame.wirelen = (uint32_t)(caplen + missing);
	frame.linktype = run->linktype;
	memset(&segment, 0xa5, sizeof segment);
	fate = decoder_decode(run->decoder, &frame, &segment);
	assert(fate < TCPAUDIT_FATE_COUNT);
	run->fragments += fate == TCPAUDIT_FATE_FRAGMENT;
	if (fate == TCPAUDIT_FATE_TCP || (fate == TCPAUDIT_FATE_ICMP && segment.icmp_quotes))
		check_segment(&frame, &segment, fate);
	free(copy);
}

static void account_for_lost(struct run *run)
{
	uint64_t lost = decoder_take_lost(run->decoder);

	assert(lost <= run->fragments);
	run->fragments -= lost;
	assert(decoder_waiting(run->decoder) <= run->fragments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.decoder = NULL};
	size_t idle;

	if (size < 3)
		return 0;
	run.linktype = (uint16_t)(data[0] << 8 | data[1]);
	run.decoder = decoder_new(data[2] & TCPAUDIT_TUNNEL_ALL, (enum tcpaudit_checksum_mode)(data[2] >> 6) % 3, &run.time);
	if (run.decoder == NULL)
		return 0;
	idle = decoder_memory(run.decoder);
	data += 3;
	size -= 3;
	while (size >= 3) {
		size_t caplen = (size_t)data[0] << 8 | data[1];
		size_t missing = data[2] & 0x7f;

		if (data[2] > 0x7f)
			run.time += INT64_C(1000000000) * data[2];
		data += 3;
		size -= 3;
		if (caplen > size)
			caplen = size;
		decode_one(&run, data, caplen, missing);
		data += caplen;
		size -= caplen;
		if (run.ordinal % 4 == 0) {
			decoder_release(run.decoder);
			decoder_expire(run.decoder, run.time);
			account_for_lost(&run);
		}
	}
	decoder_release(run.decoder);
	decoder_expire(run.decoder, INT64_MAX);
	account_for_lost(&run);
	assert(decoder_memory(run.decoder) == idle);
	decoder_free(run.decoder);
	return 0;
}
