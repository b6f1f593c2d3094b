/* costs.h - what a hypothesis asks us to believe, as a figure: among routes that are all possible, the least decides.
 *
 * Figures only rank routes.  What is possible, and what is proven, does not depend on them: that is mirror.c's. */
#ifndef COSTS_H
#define COSTS_H

#include "mirror.h"

/* What has to be paid for. */
enum {
	COST_ORDER = 2,     /* a stimulus overtaken by one captured later */
	COST_LOSS = 4,      /* a stimulus that had time to arrive, and would have changed the state, did not */
	COST_FIRST_LOSS = 12, /* ... where nothing else was lost, repeated or out of order */
	COST_OVERTAKEN = 4, /* ... and by one that is answered */
	COST_OLD_COPY = 2,  /* an earlier copy of the FIN was taken although a later one fits */
	COST_HASTE = 4,     /* arrived faster than this end ever answered; twice that, if in half the time */
	COST_GIVEN_UP = 20, /* arrived when it had been given up for lost */
	COST_LATE = 6,      /* arrived after a frame that should have known of it */
	COST_HOLE = 10,     /* a FIN was accepted although text before it was missing */
	COST_ELSEWHERE = 22, /* arrived, although the capture at its end does not have it */
	COST_UNHEARD = 6,   /* text and the FIN behind it arrived, and nothing was heard of it */
	COST_FILL = 2,      /* text is presumed to have filled the hole before a FIN */
	COST_ECHO = 6,      /* the end's timestamp echo is older than the stimulus (RFC 7323 4.3), or another's */
	COST_ECHO_COPY = 12, /* ... where that is another copy of the FIN */
	COST_ECHO_ACK = 8,   /* ... where that is no copy of the FIN */
	COST_SHORTCUT = 12, /* FIN sent from SYN-RECEIVED (legal, rare) */
	COST_TIMEOUT = 12,  /* a timer fired unseen */
	COST_QUEUED = 40,   /* a FIN waited behind text: what is shown is the way on the wire, unless that is refuted */
	COST_COPY = 14,     /* the network made a copy: a retransmission is likelier, whatever must have been lost for it */
	COST_UNSEEN = 1,    /* sent, or arrived, and not captured */
	COST_REFUSED = 6,   /* the FIN was taken although the text before it was what a reset answered */
	COST_SILENCE = 5,   /* a FIN that was accepted was never acknowledged, as far as we saw */
	COST_SILENCE_AGAIN = 2, /* ... nor a further copy: losses both ways are likelier than many one way */
};

/* What it costs to believe that stimulus i arrived before `by`, and has made `to` of h. */
int arrival_cost(const struct mirror *m, unsigned x, const struct hypothesis *h, uint8_t to, int i, int by);

/* What it costs that a FIN arrived without being taken - behind a hole, or at an end whose reader is gone - so that only its
 * acknowledgment counted.  Only where the frame that was built then says so, or the newest one at the end; -1 if not. */
int left_out_cost(const struct mirror *m, unsigned x, int i, int by, state_set was);

/* What it costs to believe that the end, as h has it, built frame `at`; `unlikely`: in these states rather not. */
int building_cost(const struct mirror *m, unsigned x, struct hypothesis *h, int at, state_set unlikely);

/* What is left to pay when nothing more was captured: what never arrived, and answers that never came. */
int ending_cost(const struct mirror *m, unsigned x, struct hypothesis *h, int64_t now);

#endif
