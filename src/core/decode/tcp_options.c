/* tcp_options.c - reads TCP options: a table of kinds, and the walk over a list of them.
 *
 * What an end must make of an option is the mirror's question; one it cannot read is ignored (RFC 9293 MUST-6). */
#include "tcp_options.h"

#include "wire.h"

static void read_mss(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	(void)length;
	segment->mss = get_be16(p + 2);
}

static void read_wscale(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	(void)length;
	segment->wscale = p[2];
}

static void read_sack(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	if ((length - 2) % 8 != 0) {
		segment->options = (uint16_t)((segment->options & ~TCPAUDIT_OPT_SACK) | TCPAUDIT_OPT_UNKNOWN);
		segment->sack_count = 0; /* of an option before it */
		return;
	}
	segment->sack_count = (uint8_t)((length - 2) / 8);
	for (size_t i = 0; i < segment->sack_count; i++) {
		segment->sack[i][0] = get_be32(p + 2 + i * 8);
		segment->sack[i][1] = get_be32(p + 6 + i * 8);
	}
}

static void read_mptcp(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	(void)length;
	if (p[2] >> 4 == 7) /* RFC 8684 3.5 */
		segment->options |= TCPAUDIT_OPT_MP_FASTCLOSE;
}

static void read_experiment(struct tcpaudit_segment *segment, const uint8_t *p, size_t length)
{
	if (length >= 4 && get_be16(p + 2) == 0xf989) /* RFC 7413 4.1.1, before its number */
		segment->options |= TCPAUDIT_OPT_FAST_OPEN;
	else
		segment->options |= TCPAUDIT_OPT_UNKNOWN;
}

/* Options by kind; one with a length outside [least, most] is unknown to every end, and so to us. */
static const struct {
	uint16_t bit; /* 0: told by `read`, or nothing to tell */
	uint8_t least, most;
	void (*read)(struct tcpaudit_segment *segment, const uint8_t *p, size_t length);
} option_kinds[256] = {
        [2] = {TCPAUDIT_OPT_MSS, 4, 4, read_mss},
        [3] = {TCPAUDIT_OPT_WSCALE, 3, 3, read_wscale},
        [4] = {TCPAUDIT_OPT_SACK_PERMITTED, 2, 2, NULL},
        [5] = {TCPAUDIT_OPT_SACK, 10, 34, read_sack},
        [8] = {TCPAUDIT_OPT_TIMESTAMPS, 10, 10, options_timestamps},
        [19] = {TCPAUDIT_OPT_MD5, 18, 18, NULL},
        [28] = {0, 4, 4, NULL}, /* user timeout, RFC 5482 */
        [29] = {TCPAUDIT_OPT_AO, 4, 40, NULL},
        [30] = {TCPAUDIT_OPT_MPTCP, 3, 40, read_mptcp},
        [34] = {TCPAUDIT_OPT_FAST_OPEN, 2, 18, NULL},
        [172] = {0, 2, 11, NULL}, /* accurate ECN, RFC 9768 */
        [174] = {0, 2, 11, NULL},
        [254] = {0, 2, 40, read_experiment},
};

void options_walk(struct tcpaudit_segment *segment, const uint8_t *p, size_t length, size_t captured)
{
	size_t at = 0;

	while (at < captured) {
		uint8_t kind = p[at];
		size_t n;

		if (kind == 0) /* end of option list */
			return;
		if (kind == 1) { /* no-operation */
			at++;
			continue;
		}
		if (at + 1 < captured)
			n = p[at + 1];
		else if (captured < length)
			return;
		else
			n = 0;
		if (n < 2 || n > length - at) {
			segment->options |= TCPAUDIT_OPT_BROKEN;
			return;
		}
		if (n > captured - at)
			return;
		if (option_kinds[kind].most == 0 || n < option_kinds[kind].least || n > option_kinds[kind].most) {
			segment->options |= TCPAUDIT_OPT_UNKNOWN;
		} else {
			segment->options |= option_kinds[kind].bit;
			if (option_kinds[kind].read != NULL)
				option_kinds[kind].read(segment, p + at, n);
		}
		at += n;
	}
}
