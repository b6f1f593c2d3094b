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

/* `captured` of `length` octets of options are there.  segment->options is 0 before, and so are the fields that they fill. */
static inline void options_read(struct tcpaudit_segment *segment, const uint8_t *p, size_t length, size_t captured)
{
	static const uint8_t usual[] = {1, 1, 8, 10}; /* RFC 7323 appendix A */

	if (captured == 12 && memcmp(p, usual, sizeof usual) == 0) {
		segment->options = TCPAUDIT_OPT_TIMESTAMPS;
		options_timestamps(segment, p + 2, 10);
		return;
	}
	options_walk(segment, p, length, captured);
}

#endif
