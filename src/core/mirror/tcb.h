/* tcb.h - the mirror of one end's transmission control block: what its own segments say of it.
 *
 * Where we stand: somewhere on the path, or at one end.  A segment from X proves what X sent, not what the peer got.
 * So `maxseq` is a lower bound of X's SND.NXT, and `hiack` a lower bound of X's RCV.NXT and therefore the highest
 * SND.UNA that the peer can have.  The names are RFC 9293 3.3.1's where it has one.  This is the hot part: it is
 * touched by every segment.  The states that follow from it are mirror.h's. */
#ifndef TCB_H
#define TCB_H

#include <tcpaudit/segment.h>
#include "seq.h"

enum {
	TCB_ISS = 0x0001,           /* iss is known: SYN or SYN-ACK captured */
	TCB_SEQ = 0x0002,           /* maxseq is valid */
	TCB_ACK = 0x0004,           /* hiack and redge are valid */
	TCB_TS = 0x0008,            /* its SYN carried timestamps */
	TCB_SACK = 0x0010,          /* its SYN permitted SACK */
	TCB_WSCALE = 0x0020,        /* its SYN carried a window scale */
	TCB_TEXT = 0x0040,          /* sent text */
	TCB_STRAY = 0x0080,         /* the last segment did not fit */
	TCB_GAP = 0x0100,           /* text of this end was acknowledged that the capture does not have */
	TCB_CHECKSUM_GOOD = 0x0200, /* a verified checksum was right */
	TCB_CHECKSUM_BAD = 0x0400,  /* one was wrong before any was right: taken for offload */
	TCB_CHECKSUM_PARTIAL = 0x0800,
	TCB_OUTBOUND = 0x1000,         /* sent by the capturing host */
	TCB_BIG = 0x2000,              /* sent a segment longer than the peer's MSS */
	TCB_HOLE = 0x4000,             /* jumped over numbers that have not been captured */
	TCB_ZERO_WINDOW = 0x8000,      /* its newest acknowledgment closed the window */
	TCB_ECN_SETUP = 0x10000,       /* its SYN asked for ECN, RFC 3168 6.1.1 */
	TCB_ACCURATE_ECN = 0x20000,    /* ... or for RFC 9768 */
	TCB_TEXT_BEHIND_SYN = 0x40000, /* sent text in a segment without SYN */
	TCB_TEXT_TS = 0x80000,         /* the TSval of its newest new text is known, and not long ago: tcb_text_tsval() */
	TCB_LONG = 0x100000,           /* its text has gone once around a quarter of the circle, at least */
	TCB_REPEATED = 0x200000,       /* sent something again: struct tcb_rare counts it */
	TCB_TOOK_APART = 0x400000,     /* the time for its answer is not that between the marks: struct tcb_rare has it */
	TCB_UNANSWERED = 0x800000,     /* it has sent something again, and the other end was not heard since */
	TCB_SIGNED = 0x1000000,        /* its SYN carried TCP-MD5 (RFC 2385) or TCP-AO (RFC 5925) */
	TCB_OPTIONS_CUT = 0x2000000,   /* the capture cut a segment of it within the options: what is not there may have been */
	TCB_ENDS_UNSEEN = 0x4000000,   /* the capture does not have what is before maxseq, so that it may be its FIN */
	TCB_TS_VARIES = 0x8000000,     /* of its SYNs some carried timestamps, some did not: which one counted is not known */
	TCB_ID_LEAPS = 0x20000000,     /* its IP identifications do not count up: they tell no order */
	TCB_NAME_USED = 0x10000000,    /* the capturing host has sent a reset in its name: it came in, and that did not */
	TCB_PROBED = 0x40000000,       /* it has sent a keep-alive or window probe, and the other end was not heard since */
};

#define TCB_PROBED_AGAIN 0x80000000u /* ... and another one; no int has that bit */
#define TCB_TRIES        (TCB_UNANSWERED | TCB_PROBED | TCB_PROBED_AGAIN)

struct tcb {
	tcp_seq iss;    /* ISS; before TCB_ISS, first captured sequence number */
	tcp_seq maxseq; /* highest end of its segments, SYN and FIN counted */
	tcp_seq hiack;  /* highest acknowledgment it sent */
	tcp_seq redge;  /* highest hiack + window << scale */
	uint32_t tsval;       /* highest it sent, valid with OPT_TIMESTAMPS in the segments */
	uint32_t fingerprint; /* of its newest segment: copies made by the capture are alike in all of this */
	uint32_t bits;        /* TCB_ */
	uint32_t packets;     /* modulo 2^32, as the next two: tcb_packets() and its like know all */
	uint32_t bytes;       /* of its frames on the wire */
	uint32_t text;        /* octets of new text, holes included */
	uint16_t mss;         /* it announced; 0 none */
	uint16_t ip_id;       /* of its newest segment */
	uint16_t text_behind; /* by how much the TSval of its newest new text is below tsval, valid with TCB_TEXT_TS; TEXT_FAR_BEHIND */
	uint8_t ttl;          /* of its first segment */
	uint8_t wscale : 4;   /* shift for the windows it sends; 0 until known */
	uint8_t verified : 4; /* checksums verified, up to 8 */
};

#define TEXT_FAR_BEHIND UINT16_MAX /* struct tcb_rare has it */

#define TURNAROUND_UNKNOWN UINT32_MAX

/* How long each end took for its answer in the handshake, microseconds; TURNAROUND_UNKNOWN. */
struct turnaround {
	uint32_t of[2];
};

#define HOLES 8 /* of one end that are followed at once: a burst of losses leaves several */

/* Numbers that were jumped over: low <= s < high. */
struct hole {
	tcp_seq low, high;
};

/* What few ends have.  Without memory for it nothing is made up: counts stop at their highest, holes count as gaps. */
struct tcb_rare {
	struct hole hole[HOLES]; /* ascending; valid with TCB_HOLE */
	uint32_t holes;
	uint32_t text_tsval; /* valid with TEXT_FAR_BEHIND */
	uint32_t retransmissions;
	uint32_t took; /* us for its answer, valid with TCB_TOOK_APART; TURNAROUND_UNKNOWN */
	uint32_t packets_high; /* packets / 2^32, and so on */
	uint32_t bytes_high;
	uint32_t text_high;
};

/* What a segment was, held against its sender's block before it: the facts that later steps ask for by name. */
struct sent {
	tcp_seq end;     /* behind its text and FIN: SEG.SEQ + SEG.LEN */
	bool fits;       /* its numbers belong to this connection */
	bool new_text;   /* ends above everything sent before */
	bool repeat;     /* only old text or FIN, and no keep-alive or window probe */
	bool probe;      /* keep-alive or window probe: at most one octet at SND.NXT-1 or at the peer's right edge */
	bool duplicate;  /* the same frame again, by the capture's or the network's doing */
	bool ack_unsent; /* acknowledges more than the peer was seen to send */
	bool reordered;  /* older than what came before it: timestamps, or IP identifications */
	bool fills_hole; /* text that was jumped over: first seen now */
	bool leaps;      /* tcb_id_leaps() */
	uint32_t fresh;  /* octets of new text */
};

/* Of two ends whose SYNs carried timestamps: a SYN sent again without, or answered once with and once
 * without, may be the one that counted. */
static inline bool tcb_stamps_vary(const struct tcb end[2])
{
	return (end[0].bits | end[1].bits) & TCB_TS_VARIES;
}

#define ID_LEAP      4096        /* more than a host sends in ... */
#define ID_LEAP_TIME 1000000000ll /* ns */

/* Is its IP identification far from that of its sender's segment before, `since_last` ns ago?  Drawn by lot, then (RFC 6864 4.1
 * asks for no order), so that one in some hundred seems to be right behind another. */
static inline bool tcb_id_leaps(const struct tcb *tcb, const struct tcpaudit_segment *s, int64_t since_last)
{
	return (uint16_t)(s->ip_id - tcb->ip_id + ID_LEAP) >= 2 * ID_LEAP && s->ip_id && tcb->ip_id && since_last < ID_LEAP_TIME &&
	       !(s->flags & TCPAUDIT_RST);
}

/* Opens a block with the first segment of an end. */
void tcb_open(struct tcb *tcb, const struct tcpaudit_segment *segment);

/* Takes what a SYN says of its end: options, and how it means to use ECN. */
void tcb_options(struct tcb *tcb, const struct tcpaudit_segment *segment);

/* Holds a segment of `tcb` against it and its peer, changing neither.  `rare`: of `tcb`; NULL: it has none. */
struct sent tcb_judge(const struct tcb *tcb, const struct tcb_rare *rare, const struct tcb *peer,
                      const struct tcpaudit_segment *segment, int64_t since_last);

/* Has tcb_sent() something to put there? */
bool tcb_needs_rare(const struct tcb *tcb, const struct tcpaudit_segment *segment, const struct sent *sent);

/* Takes the segment into account.  `numbers` false: count it only. */
void tcb_sent(struct tcb *tcb, struct tcb_rare *rare, struct tcb *peer, const struct tcpaudit_segment *segment,
              const struct sent *sent, bool numbers);

/* An acknowledgment: holes below it are none of the stream's, for what stands there arrived.  Were there any? */
bool tcb_passes_holes(struct tcb *tcb, struct tcb_rare *rare, tcp_seq ack);

/* More text than the segments had, by so many octets. */
void tcb_add_text(struct tcb *tcb, struct tcb_rare *rare, uint32_t octets);

static inline uint64_t tcb_packets(const struct tcb *tcb, const struct tcb_rare *rare)
{
	return (rare ? (uint64_t)rare->packets_high << 32 : 0) | tcb->packets;
}

static inline uint64_t tcb_bytes(const struct tcb *tcb, const struct tcb_rare *rare)
{
	return (rare ? (uint64_t)rare->bytes_high << 32 : 0) | tcb->bytes;
}

static inline uint64_t tcb_text(const struct tcb *tcb, const struct tcb_rare *rare)
{
	return (rare ? (uint64_t)rare->text_high << 32 : 0) | tcb->text;
}

/* Valid with TCB_TEXT_TS. */
static inline uint32_t tcb_text_tsval(const struct tcb *tcb, const struct tcb_rare *rare)
{
	return tcb->text_behind == TEXT_FAR_BEHIND && rare ? rare->text_tsval : seq_add(tcb->tsval, 0u - tcb->text_behind);
}

/* By how much it would be behind another tsval. */
static inline uint32_t tcb_text_behind(const struct tcb *tcb, uint32_t tsval)
{
	return tcb->text_behind + (uint32_t)seq_diff(tsval, tcb->tsval);
}

/* Does its card fill in checksums, as far as is known? */
static inline bool tcb_offloads(const struct tcb *tcb)
{
	return tcb->bits & (TCB_CHECKSUM_PARTIAL | TCB_OUTBOUND) || (tcb->bits & (TCB_CHECKSUM_BAD | TCB_CHECKSUM_GOOD)) == TCB_CHECKSUM_BAD;
}

#define SUMS_ENOUGH 3 /* wrong ones in a row, that nothing but offload explains */

/* Was a segment of it taken that was perhaps spoiled on its way? */
static inline bool tcb_took_spoiled(const struct tcb *tcb)
{
	return tcb->bits & TCB_CHECKSUM_BAD && (tcb->bits & TCB_CHECKSUM_GOOD || tcb->verified < SUMS_ENOUGH);
}

/* Is nothing of a stream before its ISS?  A long one has come around. */
static inline bool tcb_begins_at_iss(const struct tcb *tcb)
{
	return (tcb->bits & (TCB_ISS | TCB_LONG)) == TCB_ISS;
}

#define TICKS_WITHIN     10000000 /* ns: a tick of a timestamp clock, as a rule, and less than any timer of a SYN or FIN */
#define FORWARDED_WITHIN 2000000 /* ns: what a router takes at most between one interface and the next */

/* On the other side of a router: IPv6 has no identification, nor has much of IPv4 (RFC 6864 4.1), but one hop more or less. */
static inline bool hop_apart(uint8_t ttl, uint8_t other)
{
	return ttl && other && (ttl == other + 1 || other == ttl + 1);
}

/* Leaves by an interface of the capturing host, where all that this end had sent came in: forwarded, or built here. */
static inline bool tcb_first_outbound(const struct tcb *tcb, const struct tcpaudit_segment *s)
{
	return s->noticed & TCPAUDIT_SAW_OUTBOUND && tcb->packets && !(tcb->bits & TCB_OUTBOUND);
}

static inline uint32_t tcb_fingerprint(const struct tcpaudit_segment *s)
{
	uint32_t f = s->seq * 2654435761u ^ s->ack * 2246822519u;
	f ^= ((uint32_t)s->ip_id << 16 | s->flags) * 3266489917u ^ s->len * 668265263u;
	for (unsigned i = 0; i < s->sack_count; i++) /* answers to what arrives above a hole differ in nothing else */
		f = (f ^ s->sack[i][0] ^ s->sack[i][1] * 2654435761u) * 2246822519u;
	return f ^ (s->options & TCPAUDIT_OPT_TIMESTAMPS ? s->tsval * 374761393u : 0) ^ s->window;
}

/* TCB_ bits: what a SYN asks of ECN. */
static inline uint32_t tcb_ecn_bits(const struct tcpaudit_segment *s)
{
	if (s->flags & TCPAUDIT_AE)
		return TCB_ACCURATE_ECN;
	return (s->flags & (TCPAUDIT_ECE | TCPAUDIT_CWR)) == (TCPAUDIT_ECE | TCPAUDIT_CWR) ? TCB_ECN_SETUP : 0;
}

static inline tcp_seq segment_end(const struct tcpaudit_segment *s)
{
	return seq_add(s->seq, s->len + !!(s->flags & TCPAUDIT_SYN) + !!(s->flags & TCPAUDIT_FIN));
}

#endif
