/* history.h - the segments of a connection on which judgments rest, in capture order.
 *
 * Most connections are judged by a dozen segments: the handshake, the FINs and what acknowledges them, resets, and
 * whatever contradicts.  A history keeps those, bounded: of a run of segments that say the same it keeps the first and
 * the newest.  The mirror and the checks read it when somebody wants to know; the path of a plain data segment never
 * comes here. */
#ifndef HISTORY_H
#define HISTORY_H

#include <tcpaudit/connection.h>
#include "tcb.h"

#define HISTORY_INLINE 9  /* events that need no memory of their own */
#define HISTORY_MOST   64 /* events; what does not fit is counted in `dropped` */

/* What an event is, beyond its flags. */
enum {
	EVENT_NEW_TEXT = 0x0001,
	EVENT_REPEAT = 0x0002, /* only what had been sent before */
	EVENT_PROBE = 0x0004,
	EVENT_DUPLICATE = 0x0008,  /* of a frame that is there already: proves nothing more of its sender */
	EVENT_REORDERED = 0x0010,  /* built before its predecessor */
	EVENT_TIMESTAMPS = 0x0020, /* tsval and tsecr are valid */
	EVENT_ACK_UNSENT = 0x0040, /* acknowledges more than was seen */
	EVENT_STRAY = 0x0080,      /* its numbers do not fit: no part of the mirror */
	EVENT_RST_EXACT = 0x0100,  /* at RCV.NXT of its receiver, by some reading of what that can be */
	EVENT_RST_WINDOW = 0x0200, /* in the receiver's window, but not there: RFC 5961 3.2 asks for a challenge */
	EVENT_REFUSAL = 0x0400,    /* the reset that answers a segment without ACK: SEQ 0, ACK = its end */
	EVENT_NEWEST = 0x0800,     /* the newest of a run; the first one stands before it */
	EVENT_OUTBOUND = 0x1000,
	EVENT_FIRST_FIN = 0x2000,
	EVENT_PREDATES = 0x4000,     /* taken over from before the history began: numbers that were not kept are zero */
	EVENT_TSVAL_FRESH = 0x10000, /* no earlier segment of its sender carried this TSval */
	EVENT_RST_SURVIVED = 0x20000, /* would have been exact, but its receiver acknowledged what came behind it, or has to drop it
	                                 unsigned: it ended nothing */
	EVENT_NXT_UNKNOWN = 0x40000, /* nothing of its sender's stream was captured before it */
	EVENT_HOLE = 0x80000,        /* its SACK blocks stand above its acknowledgment: text between them is missing (RFC 2018) */
	EVENT_FIN_QUEUED = 0x100000, /* ... and one of them holds the peer's FIN: it arrived, and waits behind the hole */
	EVENT_SUM_BAD = 0x200000,    /* its checksum was wrong, and was taken for offload */
	EVENT_FOREIGN = 0x400000,    /* sent in the name of an end by somebody else: it may arrive, and says nothing of that end */
	EVENT_SUSPECT = 0x800000, /* ... or, for all that is known, by that end after all */
	EVENT_MAY_BE_COPY = 0x1000000, /* nothing tells it from a copy of what its sender had sent before: then it says nothing of it now */
	EVENT_MADE_HERE = 0x2000000, /* a reset that left the capturing host and never came in, unlike all else of its sender: built there */
	EVENT_OLD_ACK = 0x4000000, /* acknowledges less than its sender had before; numbers of events far from each other do not tell */
	EVENT_ELSEWHERE = 0x8000000, /* of a view (places.h): where its receiver was captured, it was not */
	EVENT_ID_LEAPS = 0x10000000, /* the IP identifications of its sender tell no order */
	EVENT_KNOWS_ACK = 0x8000,    /* sender must have had the acknowledgment of its FIN: it acknowledges what came with it */
};

struct event {
	int64_t time;
	uint64_t frame;
	tcp_seq seq;
	tcp_seq ack;
	uint32_t len;
	uint32_t tsval;
	uint32_t tsecr;
	uint32_t window; /* scaled */
	uint16_t flags;
	uint16_t input;
	uint32_t is; /* EVENT_ bits */
	uint16_t ip_id;
	uint8_t from;
	uint8_t ttl;
	uint16_t run;     /* how many segments this one stands for, beyond itself */
	uint16_t options; /* TCPAUDIT_OPT_ bits */
	uint32_t unusual; /* UNUSUAL_ bits (unusual.h) */
	tcp_seq nxt;      /* its sender's SND.NXT before it, as far as it was captured; its own number with EVENT_NXT_UNKNOWN */
};

/* What the history knows of one end's FIN.  Indices point into event[], -1 none. */
struct fin_facts {
	bool sent;
	bool forged; /* what there was is probably not its sender's, so it is not `sent` unless the other end took it */
	tcp_seq u;   /* its sequence number: SEG.SEQ + length of the text before it */
	uint32_t copies;
	int8_t first;
	int8_t acked;       /* first event of the peer with ack >= u+1 */
	int8_t acked_wrong; /* ... with ack > u+1 */
	int8_t behind; /* a FIN where its sender had already sent text, and the receiver acknowledged it: no part of the mirror */
	int8_t moved;  /* a FIN elsewhere */
	int8_t data_after;   /* text beyond u */
	tcp_seq peer_maxseq; /* the peer's SND.NXT when it first acknowledged u+1 */
	uint64_t peer_text;  /* new text that the peer sent in segments with ack >= u+1 */
	tcp_seq peer_redge;  /* right edge that the peer had offered when the FIN was first sent; valid with peer_edge */
	bool peer_edge;
	bool zero_window;   /* ... and with a window of zero */
	uint32_t in_flight; /* octets up to the FIN that the peer had not acknowledged then; 0 without peer_edge */
	int64_t peer_last;  /* newest frame of that kind */
	int64_t acked_time;
};

/* What an end has done to be heard. */
struct trying {
	int64_t since;          /* its frame before the first of those repeats; INT64_MIN not known */
	uint16_t unanswered;    /* repeats by one end since the other was last heard */
	uint16_t window_probes; /* of the end that is asked about, into the window that the other one has closed */
};

/* How things stood when the first reset came, or, once there is one, the first effective one. */
struct before_reset {
	tcp_seq nxt[2];      /* SND.NXT of each end, as far as it was captured; valid with TCB_SEQ in bits */
	tcp_seq ack[2];      /* highest acknowledgment that each end had sent; valid with TCB_ACK */
	tcp_seq redge[2];    /* right edge that each end had offered; valid with TCB_ACK */
	uint32_t bits[2];    /* TCB_ */
	uint64_t text[2];    /* octets of new text that each end had sent */
	int64_t since[2];    /* ns since the last frame of each end; -1 none came */
	int64_t tried;       /* ns since the reset's sender began to repeat without being answered, at most; -1 not known */
	uint16_t unanswered; /* repeats by one end since the other was last heard */
	uint16_t window_probes; /* by the reset's sender, into the window that the other end has closed */
	uint16_t ip_id[2];      /* of each end's newest segment */
	uint32_t tsval[2];   /* highest that each end had sent */
};

/* What is remembered of an incarnation that another one may follow on its socket pair (RFC 9293 3.4.1). */
struct former {
	uint64_t id;             /* its flow_id */
	int64_t last;            /* its newest frame */
	int64_t time_wait_since; /* valid with a holder */
	tcp_seq iss[2];          /* of each end; in a history, ends are those of the incarnation that follows */
	tcp_seq next[2];         /* behind each stream: u+1, or the highest number that was seen */
	uint32_t tsval[2];       /* highest that each end sent; valid with timestamps */
	int64_t reset_at;        /* first reset of any kind, 0 none */
	uint32_t lag;            /* s by which its newest frame was behind packet time, at most */
	uint32_t scopes;         /* of the user's policy */
	uint8_t ttl[2];          /* of each end's first frame */
	uint8_t iss_age[2];      /* s from the moment that a clock gave an end its number to `last`, see iss_aged() */
	uint8_t holder;          /* enum tcpaudit_who, NONE where nobody can hold TIME-WAIT any more */
	uint8_t held;            /* the same, whatever resets did to it */
	uint8_t known : 2;       /* former_knows() */
	bool timestamps : 1;     /* both SYNs carried them; `agreed`: so it is known if not */
	bool established : 1;
	bool closing : 1;      /* at least one end sent a FIN */
	bool closed : 1;       /* both FINs were acknowledged */
	bool client_again : 1; /* in a history: its client is the client of what follows, too */
	bool reset : 1;        /* an effective reset ended it */
	uint8_t reset_by : 1;  /* end that sent it, valid with reset */
	bool spoiled : 1;      /* a segment of it was perhaps spoiled on its way */
	bool answered : 1;     /* its client has acknowledged something, whether the capture has that or not */
	bool doubtful : 1;     /* what is said of its close is not certain, or its capture has holes */
	bool agreed : 1;       /* both SYNs were captured: what the ends agreed on is known */
	bool elsewhere : 1;    /* it was not captured at the end that the user names */
};

_Static_assert(sizeof(struct former) == 72, "there are as many as connections that were reported");

/* Its iss and next of an end: was something seen of that stream? */
static inline bool former_knows(const struct former *former, unsigned x)
{
	return former->known >> x & 1;
}

#define ISS_AGE_UNKNOWN UINT8_MAX /* or more than that */

/* Rounded up. */
static inline uint8_t iss_aged(uint8_t age, int64_t by)
{
	int64_t seconds = by > 0 ? (by - 1) / 1000000000 + 1 : 0;

	return seconds < ISS_AGE_UNKNOWN - age ? (uint8_t)(age + seconds) : ISS_AGE_UNKNOWN;
}

/* Linux: tcp_twsk_unique(), tcp_timewait_state_process(): a socket in TIME-WAIT is used again with tw_snd_nxt + 65535 + 2. */
static inline bool iss_recycles(tcp_seq iss, tcp_seq next)
{
	return iss == seq_add(next, 65537);
}

/* What the ISS of one end has in common with the last ones of its host (RFC 9293 3.4.1). */
enum { ISN_NO_HABIT, ISN_EVEN_STEPS, ISN_ALL_SMALL };

struct isn_habit {
	uint8_t kind;
	uint8_t end;  /* whose */
	int32_t step; /* each ISS less the one before, modulo 2^32; valid with ISN_EVEN_STEPS */
};

struct history {
	struct event *event;
	uint8_t count;
	uint8_t room;
	uint16_t dropped;
	bool front_due;   /* what came before it is yet to be put in front: history_prepend() */
	bool orderly;     /* of a brief: from the first FIN on, each segment was the next one of its sender */
	bool copies_dropped; /* there was no room for a segment's copy from another place */
	bool odd;         /* holds a repeat, a straggler, a SYN, or what does not fit */
	uint32_t unusual; /* UNUSUAL_ bits of all its events */
	struct fin_facts fin[2];
	uint32_t resets[2]; /* sent by each end */
	int8_t first_reset; /* first effective one, -1 none */
	int8_t first_reset_any;
	int64_t quiet;                     /* how long both ends had been silent before the first reset, ns */
	int64_t idle;                      /* ... before the first FIN or effective reset; -1: nothing before it */
	struct before_reset *before_reset; /* NULL without a reset */
	struct former *former;             /* NULL: none is known */
	uint16_t seen; /* control bits of all its events, and of those without ACK in the high byte: quick refusals */
	struct event inside[HISTORY_INLINE];
};

/* Uses the caller's storage; history_fini() frees only what it has grown by, and history_memory() tells how much that is. */
void history_init(struct history *history);
void history_fini(struct history *history);
size_t history_memory(const struct history *history);

/* Puts events in front of all others.  False, with nothing changed, if there is no room for them. */
bool history_prepend(struct history *history, const struct event *events, unsigned count);

/* Appends a segment, judged by tcb_judge() but not yet counted by tcb_sent(): `end` are both blocks before it.
 * `extra` are EVENT_ bits that the caller knows, `unusual` UNUSUAL_ bits.  Collapses runs.  Finds copies that are further apart than
 * tcb_judge() knows, and tells `sent`.  False if it could not be kept. */
bool history_add(struct history *history, const struct tcb end[2], const struct tcpaudit_segment *segment, unsigned from,
                 struct sent *sent, unsigned extra, unsigned unusual);

/* Keeps another copy of a segment that is there, if it is from another place: the same for its sender, but it tells what came (places.h). */
void history_add_copy(struct history *history, const struct tcb end[2], const struct tcpaudit_segment *segment, unsigned from);

/* The same for a segment at its sender's next number, of which nothing is odd, behind a FIN or with one, without options but
 * timestamps.  False, and nothing has changed: the history, or what the segment says of it, is not that plain. */
bool history_add_plain(struct history *history, const struct tcb end[2], const struct tcpaudit_segment *segment, unsigned from);

/* Appends an event of which all that is known already, completed by what it says of the close; there must be room for it. */
void history_put_plain(struct history *history, const struct tcb end[2], struct event *event);

/* Segment by segment: does this one, `from` an end, come behind the other end's FIN and does not acknowledge it (its number is `u`)?
 * Whether it was sent before that came, plain numbers do not tell.  `fins`: ends whose FIN was seen, 0 at first. */
static inline bool leaves_fin_unanswered(unsigned *fins, tcp_seq u, unsigned from, tcp_seq ack, unsigned flags)
{
	bool leaves = *fins >> !from & 1 && !seq_gt(ack, u);

	*fins |= flags & TCPAUDIT_FIN ? 1u << from : 0;
	return leaves;
}

static inline tcp_seq event_end(const struct event *e)
{
	return seq_add(e->seq, e->len + !!(e->flags & TCPAUDIT_SYN) + !!(e->flags & TCPAUDIT_FIN));
}

/* Without ACK: the answer of an end that has no connection, or no reader any more (RFC 9293 3.10.7.1, 3.5.2). */
static inline bool is_stateless_reset(const struct event *e)
{
	return (e->flags & (TCPAUDIT_RST | TCPAUDIT_ACK)) == TCPAUDIT_RST;
}

/* The newest segment of the other end before it of which a reset with ACK says no more than <SEQ=SEG.ACK><ACK=SEG.SEQ+SEG.LEN>; -1 none
 * that is kept. */
int event_answered(const struct event *events, int i);

/* A reset with ACK that may come from CLOSED, as some stacks (lwIP) set ACK where RFC 9293 3.10.7.1 has none: it answers a segment, or
 * its sender had reset before.  A block has a TS.Recent to echo. */
bool event_may_be_echo(const struct event *events, int i);

#define NEAR_FIN 65536 /* octets: what was captured before a FIN, and is above it, is so by no more than that */

/* Is a number of event i above the FIN?  What stands before it may be from so long ago that the stream has come half around the circle
 * since: then it only seems to be. */
static inline bool fin_is_below(const struct fin_facts *fin, tcp_seq number, int i)
{
	return seq_gt(number, fin->u) && (i >= fin->first || seq_within(number, fin->u, seq_add(fin->u, NEAR_FIN)));
}

/* Does event i, of the other end, acknowledge the FIN?  One that was not captured has no number. */
static inline bool event_acks_fin(const struct event *events, int i, const struct fin_facts *fin)
{
	return fin->sent && events[i].flags & TCPAUDIT_ACK && fin_is_below(fin, events[i].ack, i);
}

/* Are they the same in all that is known of both? */
bool history_is_alike(const struct event *o, const struct event *e);

/* Was b built after a by the same end?  Timestamps say so, or the IP identification; capture order alone does not. */
static inline bool built_later(const struct event *a, const struct event *b)
{
	if (a->is & b->is & EVENT_TIMESTAMPS && a->tsval != b->tsval)
		return seq_gt(b->tsval, a->tsval);
	if (a->ip_id && b->ip_id && a->ip_id != b->ip_id && !((a->is | b->is) & EVENT_ID_LEAPS))
		return (uint16_t)(b->ip_id - a->ip_id) < 1024;
	return false;
}

/* Keeps a segment that is not of this incarnation, for what it tells of it: a SYN to an open connection, a segment of the
 * incarnation before.  The mirror and the facts above leave it out. */
bool history_witness(struct history *history, const struct tcb end[2], const struct tcpaudit_segment *segment, unsigned from,
                     unsigned unusual);

/* Of the SYN-ACKs that are there, those with this ISS begin the server's stream, and no others.  The first of them; NULL: none is there. */
const struct event *history_take_syn_ack(struct history *history, tcp_seq iss);

/* Remembers how things stand, for the reset that is about to be added.  `text`: octets of new text of each end; `last_from`: each
 * end's newest frame, INT64_MIN none; `trying`: of its sender. */
void history_before_reset(struct history *history, const struct tcb end[2], const uint64_t text[2], const int64_t last_from[2],
                          int64_t now, struct trying trying);

/* A FIN that its neighbours contradict in two ways is not its sender's: takes it for a stray one, unless the other end took it. */
void history_disown_forged(struct history *history, const struct tcb end[2]);

/* Of an end's FINs at two places, the one that the other end acknowledged is its end. */
void history_settle_fins(struct history *history, const struct tcb end[2]);

/* Both FINs were acknowledged. */
static inline bool history_closed(const struct history *history)
{
	return history->fin[0].acked >= 0 && history->fin[1].acked >= 0;
}

/* Of the reset of an end with ACK: does its block know of text, its own or the peer's, of which the capture has nothing? */
bool reset_knows_more(const struct tcb end[2], tcp_seq seq, tcp_seq ack, unsigned from);

/* From another distance than usual, by more than a change of route makes? */
static inline bool ttl_differs(uint8_t ttl, uint8_t usual)
{
	return ttl > usual + 2 || usual > ttl + 2;
}

/* May the FIN of x, which acknowledges the peer's, have waited when that came?  Behind text that was still to be sent (RFC 9293
 * 3.10.4 CLOSE), while some was under way; or, whatever was left, behind a closed window. */
bool history_may_have_queued(const struct history *history, unsigned x);

/* Either nothing of a close has happened, or all of RFC 9293 figure 12 or 13 and no more: no reset, no repeat, nothing that
 * does not fit.  What became of the ends follows from the numbers of both FINs alone. */
bool history_is_plain(const struct history *history);

/* All that happened behind a whole handshake, which is yet to be put in front, is one reset where its receiver expects it. */
bool history_is_abort(const struct history *history);

/* Did the capture's clock go on without that of an end, by its timestamps? */
bool history_clock_jumped(const struct history *history);

struct tcpaudit_evidence event_evidence(const struct event *event);

#endif
