/* decode.h - frame -> segment: link layer, IP, tunnels, TCP header and options.
 *
 * Fragments go to defrag.h; whether a segment makes sense is the mirror's question. */
#ifndef DECODE_H
#define DECODE_H

#include <tcpaudit/audit.h>
#include <tcpaudit/segment.h>

struct decoder;

/* `clock`: packet time (ns) when a frame is decoded, by which its fragments wait: what frames say of their own times may differ by
 * more than that.  Borrowed.  NULL when out of memory. */
struct decoder *decoder_new(uint32_t tunnels, enum tcpaudit_checksum_mode checksum, const int64_t *clock);
void decoder_free(struct decoder *decoder);

/* Its fragments take so many bytes at most, or less. */
void decoder_limit(struct decoder *decoder, size_t bytes);

/* Fills `segment` when the fate is TCP (look at segment->unusable first), and, as far as an ICMP error quotes a TCP
 * segment, when it is ICMP.  Otherwise `segment` is undefined. */
enum tcpaudit_fate decoder_decode(struct decoder *decoder, const struct tcpaudit_frame *frame, struct tcpaudit_segment *segment);

/* The same, of a frame that is none of the usual ones (decode_usual.h). */
enum tcpaudit_fate decoder_walk(struct decoder *decoder, const struct tcpaudit_frame *frame, struct tcpaudit_segment *segment);

/* Between batches: reassembled datagrams that segments of the last batch point into may be freed. */
void decoder_release(struct decoder *decoder);

/* Gives up fragments that have waited too long at packet time `now`; INT64_MAX: all of them. */
void decoder_expire(struct decoder *decoder, int64_t now);

/* How many frames, since the last call, that had been called FRAGMENT turned out to be FRAGMENT_LOST. */
uint64_t decoder_take_lost(struct decoder *decoder);

/* How many of the others may still become that: their datagrams are not complete. */
uint64_t decoder_waiting(const struct decoder *decoder);

/* Bytes held. */
size_t decoder_memory(const struct decoder *decoder);

/* Verifies the TCP checksum (RFC 9293 3.1) of a decoded segment whose frame is still there: TCPAUDIT_SAW_CHECKSUM_ bits,
 * 0 for good.  SYN, FIN and RST are verified while decoding, unless checksums are off; others here, when it matters. */
uint16_t segment_verify(const struct tcpaudit_segment *segment) __attribute__((pure));

/* The same, if somebody has done it already. */
static inline uint16_t segment_sum(const struct tcpaudit_segment *segment)
{
	return segment->sum ? segment->sum & (uint16_t)~TCPAUDIT_SUM_KNOWN : segment_verify(segment);
}

#endif
