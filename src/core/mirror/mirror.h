/* mirror.h - the passive mirror of both ends' state machines (RFC 9293 3.3.2), from a history of segments.
 *
 * An observer is not an endpoint: a segment that we saw may not have arrived, and the order at the end may differ from
 * ours.  So each end is followed as a handful of hypotheses, each a route through the state diagram.  A frame *from* an
 * end proves what the end was when it built it (emits.c): hypotheses that cannot have built it are dropped, and the steps
 * that all the others share are proven by it.  A frame *to* an end is a stimulus that may arrive at any later moment or
 * never (arrives.c); it is delivered lazily, when an emission of the end asks for it, or at the end.
 * A capture-order lemma carries the rest: a frame captured before another one to its sender was built without knowing it. */
#ifndef MIRROR_H
#define MIRROR_H

#include "history.h"
#include "state.h"

#define ROUTE_MOST      12
#define HYPOTHESES_MOST 24

/* One step: into which state, by which event (the index of the stimulus or of the end's own frame), proven by which. */
struct step {
	uint8_t to;
	int8_t at;
	int8_t proof; /* -1: presumed */
};

struct hypothesis {
	uint8_t first; /* state before the first step */
	uint8_t state; /* written by mirror_enter(), and where that is taken back */
	uint8_t count;
	int8_t delivered; /* newest stimulus it has taken, -1 none */
	uint64_t missed;  /* stimuli that it has paid for as lost: a bit for each event */
	int16_t cost;     /* how much it asks us to believe: losses, haste, disorder */
	bool late;        /* ... and that something arrived which had been given up for lost: it only keeps others from being proven */
	struct step step[ROUTE_MOST];
};

struct mirror_end {
	struct hypothesis h[HYPOTHESES_MOST];
	uint8_t count;
	uint64_t opening; /* events that may matter to it before it is synchronized: a bit for each */
	uint64_t closing; /* ... and after that */
	uint64_t lost;       /* stimuli that are given up: had they arrived as fast as others, a frame would know of them; a bit for each event */
	bool contradicted;   /* no hypothesis could have built one of its frames */
	bool overflowed;     /* more hypotheses than room: the dearest were dropped */
	uint32_t turnaround; /* microseconds */
	tcp_seq iss;
	tcp_seq hiack; /* highest acknowledgment that it sent, of all its frames; the peer's ISS if none */
	bool iss_known;
	bool closed;          /* has sent its FIN, by the frame at hand */
	tcp_seq maxseq;       /* as its block has it; 0 if it was not heard */
	bool may_have_closed; /* its FIN may have been sent before the capture began */
	bool ends_unseen;     /* ... or be the number before maxseq, which the capture does not have */
	bool was_answered;    /* it has acknowledged a SYN of its peer that was not captured */
	bool unheard;         /* nothing of its stream was captured, although its peer heard it: whatever it sent may have arrived */
	bool may_hold; /* it is left in TIME-WAIT, or was, or is about to be; and the next: it is not.  As `states`, and what is late counts */
	bool may_not_hold;
	state_set states;     /* what mirror_states() will say, once mirror_route() has found it on its way; before that NO_STATE */
};

struct mirror {
	const struct event *event;
	uint8_t count;               /* events */
	const struct fin_facts *fin; /* of both ends */
	bool queued[2];              /* history_may_have_queued() */
	int loss;                    /* what it costs to believe that a segment was lost */
	struct mirror_end end[2];
};

/* What was captured of a connection. */
struct captured {
	const struct history *history;
	unsigned count;        /* of its events, from the first on; more than there are: all */
	const struct tcb *end; /* both */
	struct turnaround turnaround;
	bool midstream; /* the handshake was not */
};

#define BOTH_ENDS 3u

/* Runs the mirror of `ends`, a bit for each; what it says of others means nothing. */
void mirror_run(struct mirror *mirror, const struct captured *captured, unsigned ends);

/* The states in which the end can be after all that, undelivered stimuli included. */
state_set mirror_states(const struct mirror *mirror, unsigned end);

/* The route that asks least, with what is left delivered or lost.  `now`: how far the capture has come, for what an end would
 * have done by then. */
struct hypothesis mirror_route(struct mirror *mirror, unsigned end, int64_t now);

/* -- between the files of the mirror -- */

/* The one door through which a state changes; records the step.  `at` is the event that brings it about. */
void mirror_enter(struct hypothesis *h, enum tcpaudit_state state, int at);

/* Text that may fill the hole before the peer's FIN, which then is accepted with it. */
bool mirror_fills(const struct mirror *m, unsigned x, int at);

/* An acknowledgment that, by its IP identification, no socket of its sender built. */
bool mirror_has_no_socket(const struct mirror *m, unsigned x, const struct event *e);

/* Has the end acknowledged as much with a SYN-ACK? */
bool mirror_acks_no_more_than_syn(const struct mirror *m, unsigned x, tcp_seq ack);

/* What RFC 9293 3.10.7 has an end send in answer, by its form. */
enum reply {
	REPLY_NONE,
	REPLY_ACK,         /* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>: of what was accepted, again, or as a challenge */
	REPLY_SYN_ACK,     /* <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK> */
	REPLY_RST_AT_ACK,  /* <SEQ=SEG.ACK><CTL=RST> */
	REPLY_RST_AT_ZERO, /* <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> */
};

/* RFC 9293 3.10.7: the segment of event `at` arrives at the end `x`.  Returns the answer that it then owes, if everything
 * that was sent to it before had arrived. */
enum reply segment_arrives(const struct mirror *m, unsigned x, struct hypothesis *h, int at);

/* The same without the eighth step: its FIN is not at RCV.NXT, or is not read by anybody any more. */
enum reply segment_acknowledges(const struct mirror *m, unsigned x, struct hypothesis *h, int at);

/* What an emission proves of its sender. */
enum user_call { CALL_NONE, CALL_OPEN, CALL_CLOSE, CALL_ABORT };
struct emission {
	state_set was;       /* the states in which it can have been built */
	state_set unlikely;  /* ... of them, those that ask for something unseen as well */
	enum user_call call; /* what the user, or the stack, did with it (RFC 9293 3.10.1, 3.10.4, 3.10.5) */
	bool fin_refused;    /* the peer's FIN was not accepted: all text before it was acknowledged, and not it */
	bool may_be_queued;  /* its CLOSE may have been before the peer's FIN came, and its FIN waited since */
	bool ack_refused;    /* the acknowledgment of its own FIN had not arrived */
};
struct emission segment_emitted(const struct mirror *m, unsigned x, int at);

/* A frame that stands behind its sender's FIN, which was not captured: the close that must have come before. */
bool closed_unseen(const struct mirror *m, unsigned x, int at, struct emission *close);

/* May a FIN of the end have been sent, and not be in the capture? */
static inline bool may_hide_fin(const struct mirror *m, unsigned x)
{
	return !m->fin[x].sent && (m->end[x].may_have_closed || m->end[x].ends_unseen || m->end[x].unheard);
}

/* RFC 9293 3.10.8 and the stacks' timers: where the state may go without any segment; the state itself if nowhere. */
enum tcpaudit_state timeout_to(enum tcpaudit_state state);

#endif
