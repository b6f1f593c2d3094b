/* tcp_options.h - TCP options (RFC 9293 3.1, 3.2) into the fields of a segment: options_read().
 *
 * What nearly every segment carries is read in line, any other list by options.c. */
#ifndef TCP_OPTIONS_H
#define TCP_OPTIONS_H

#include <stddef.h>
#include <string.h>
#include <tcpaudit/segment.h>

#include "wire.h"

/* Any list, as options_read(). */
void options_walk(struct tcpaudit_segment *segment, const uint8_t *p, size_t length, size_t captured);

static inline void options_timestamps(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	(void)length;
	segment->tsval = get_be32(p + 2);
	segment->tsecr = get_be32(p + 6);
}

/* A SYN's options stand in words of four octets, whoever writes them: those that are usual are known as a whole.  Returns how
 * many octets were read; the rest is another list. */
static inline size_t options_by_words(struct tcpaudit_segment *segment, const uint8_t *p, size_t captured)
{
	size_t at = 0;

	for (; captured - at >= 4; at += 4) {
		const uint32_t word = get_be32(p + at);
		if (word >> 16 == 0x0204) {
			segment->options |= TCPAUDIT_OPT_MSS;
			segment->mss = (uint16_t)word;
		} else if (word >> 8 == 0x010303) {
			segment->options |= TCPAUDIT_OPT_WSCALE;
			segment->wscale = (uint8_t)word;
		} else if (word == 0x04020101 || word == 0x01010402) {
			segment->options |= TCPAUDIT_OPT_SACK_PERMITTED;
		} else if ((word == 0x0402080a || word == 0x0101080a) && captured - at >= 12) {
			segment->options |= TCPAUDIT_OPT_TIMESTAMPS | (word >> 24 == 4 ? TCPAUDIT_OPT_SACK_PERMITTED : 0);
			options_timestamps(segment, p + at + 2, 10);
			at += 8;
		} else {
			break;
		}
	}
	return at;
}

/* `captured` of `length` octets of options are there.  segment->options is 0 before, and so are the fields that they fill. */
static inline void options_read(struct tcpaudit_segment *segment, const uint8_t *p, size_t length, size_t captured)
{
	static const uint8_t usual[] = {1, 1, 8, 10}; /* RFC 7323 appendix A */

	if (captured == 12 && memcmp(p, usual, sizeof usual) == 0) {
		segment->options = TCPAUDIT_OPT_TIMESTAMPS;
		options_timestamps(segment, p + 2, 10);
		return;
	}
	size_t at = options_by_words(segment, p, captured);
	if (at < length)
		options_walk(segment, p + at, length - at, captured - at);
}

#endif
