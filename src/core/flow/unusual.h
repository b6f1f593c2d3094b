/* unusual.h - what a segment does that none should do, or few: each bit is what a check looks for.
 *
 * Told at the moment the segment is taken, when both ends' numbers before it are at hand; the segment is then kept in the
 * history, and so are the next ones, which show how it was received.  A plain segment is dismissed by a few compares. */
#ifndef UNUSUAL_H
#define UNUSUAL_H

#include "flow.h"

enum {
	UNUSUAL_SYN_FLAGS = 0x0001,         /* SYN with FIN or RST, or none of the four that say what a segment is for */
	UNUSUAL_RESERVED = 0x0002,          /* reserved header bits */
	UNUSUAL_LATE_OPTION = 0x0004,       /* an option that belongs on a SYN */
	UNUSUAL_SCALE = 0x0008,             /* window scale above 14 */
	UNUSUAL_MSS = 0x0010,               /* MSS under 64, or text longer than the default although none was announced */
	UNUSUAL_SYN_TEXT = 0x0020,          /* text on a SYN */
	UNUSUAL_SELF = 0x0040,              /* from a socket to itself */
	UNUSUAL_NO_ACK = 0x0080,            /* synchronized, without ACK */
	UNUSUAL_TS_MISSING = 0x0100,        /* without the timestamps that were agreed on */
	UNUSUAL_TS_REGRESS = 0x0200,        /* new text with an older timestamp than the text before it */
	UNUSUAL_ACK_UNSENT = 0x0400,        /* acknowledges more than was seen */
	UNUSUAL_UNOFFERED = 0x0800,         /* SYN-ACK with an option that no SYN offered */
	UNUSUAL_ECN_SETUP = 0x1000,         /* SYN-ACK whose ECN bits the SYN does not allow */
	UNUSUAL_ADDRESS = 0x2000,           /* SYN to or from an address that no connection can have */
	UNUSUAL_SYN_ACK_NUMBER = 0x4000,    /* SYN-ACK that does not acknowledge the SYN */
	UNUSUAL_THIRD_ACK = 0x8000,         /* first segment of the client behind the SYN-ACK, with other numbers */
	UNUSUAL_ISS_CHANGED = 0x10000,      /* SYN or SYN-ACK with another ISS than its predecessor */
	UNUSUAL_SYN_SYNCHRONIZED = 0x20000, /* SYN to an open connection */
	UNUSUAL_TEXT_SKIPPED = 0x40000,     /* SYN text that was not acknowledged is not sent again */
	UNUSUAL_FAST_CLOSE = 0x400000,      /* MP_FASTCLOSE */
	UNUSUAL_OLD_INCARNATION = 0x100000, /* of the incarnation before: history_witness() */
	UNUSUAL_TO_SYN_SENT = 0x80000,      /* acknowledges, to an end that waits for a SYN-ACK, and is none */
	UNUSUAL_EARLY_REPEAT = 0x200000,    /* first repeat of text within 2.7 s, after a repeated SYN */
	UNUSUAL_SACK = 0x800000,            /* a SACK block that cannot be: empty, below the acknowledgment, of no text there is */
	UNUSUAL_SACK_UNASKED = 0x1000000,   /* ... that nobody has permitted */
	UNUSUAL_ACK_REGRESS = 0x2000000,    /* acknowledges less than its sender had before, and was built later */
	UNUSUAL_KEEP_ALIVE = 0x4000000,     /* keep-alive behind text that is not acknowledged */
	UNUSUAL_ACK_STORM = 0x8000000,      /* series.h */
	UNUSUAL_NO_BACKOFF = 0x10000000,    /* series.h */
};

/* Does anything about the segment call for a closer look?  What passes here costs time; nearly nothing does. */
static inline bool unusual_possible(const struct connection *c, const struct tcpaudit_segment *s, unsigned from,
                                    const struct sent *sent)
{
	const struct tcb *tcb = &c->end[from];
	const uint16_t on_syn = TCPAUDIT_OPT_MSS | TCPAUDIT_OPT_WSCALE | TCPAUDIT_OPT_SACK_PERMITTED | TCPAUDIT_OPT_FAST_OPEN |
	                        TCPAUDIT_OPT_MP_FASTCLOSE;

	return s->flags & (TCPAUDIT_SYN | TCPAUDIT_RST | TCPAUDIT_RESERVED) || !(s->flags & TCPAUDIT_ACK) ||
	       s->options & on_syn || sent->ack_unsent ||
	       (tcb->bits & TCB_TS && (!(s->options & TCPAUDIT_OPT_TIMESTAMPS) ||
	                               (sent->new_text && tcb->bits & TCB_TEXT_TS && seq_lt(s->tsval, tcb->tsval)))) ||
	       (sent->new_text && s->len > 536 && !c->end[!from].mss) || (sent->repeat && c->entry.bits & CONN_SYN_REPEATED) ||
	       (c->entry.bits & (CONN_SYN_ACK | CONN_SYN) && !(c->entry.bits & CONN_ESTABLISHED)) ||
	       (c->entry.bits & CONN_FAST_OPEN && sent->new_text && !(tcb->bits & TCB_TEXT_BEHIND_SYN)) || sent->probe ||
	       s->sack_count || (tcb->bits & TCB_ACK && seq_lt(s->ack, tcb->hiack));
}

/* UNUSUAL_ bits of a segment, before it is counted.  `sent`: as it was judged against its sender. */
unsigned unusual_segment(const struct connection *c, const struct tcpaudit_segment *segment, unsigned from,
                         const struct sent *sent);

/* Which SACK block of a segment cannot be: UNUSUAL_SACK; -1 none. */
int unusual_block(const struct connection *c, const struct tcpaudit_segment *segment, unsigned from);

/* UNUSUAL_ bits of a lone SYN without text, before there is a connection: those that unusual_segment() would find. */
unsigned unusual_syn(const struct tcpaudit_segment *segment);

#endif
