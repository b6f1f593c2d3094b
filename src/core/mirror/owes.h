/* owes.h - obligations: what RFC 9293 3.10.7 says an end must now send, since which segment, and what paid it.
 *
 * The mirror cannot send, so wherever the RFC says "send" it records a debt.  A debt is due only if its stimulus arrived;
 * `received` says whether that is proven. */
#ifndef OWES_H
#define OWES_H

#include "history.h"

enum owed {
	OWED_ACK_OF_FIN,    /* 3.10.7.4 eighth: advance RCV.NXT over the FIN, and acknowledge it */
	OWED_ACK_AGAIN,     /* 3.10.7.4 first: what was received already is acknowledged again; TIME-WAIT does so, too */
	OWED_CHALLENGE_RST, /* 3.10.7.4 second, RFC 5961 3.2: a reset in the window, but not at RCV.NXT */
	OWED_CHALLENGE_SYN, /* 3.10.7.4 fourth, RFC 5961 4.2: a SYN in a synchronized state */
};

struct obligation {
	uint8_t debtor; /* TCPAUDIT_CLIENT or TCPAUDIT_SERVER */
	uint8_t owed;   /* enum owed */
	bool received;  /* the stimulus is proven to have arrived */
	int8_t since;   /* the event that it answers */
	int8_t paid;    /* the event that paid it; -1 none */
	tcp_seq ack;    /* acknowledgment that it must carry, at least; for the two of a FIN */
};

#define OBLIGATIONS_MOST HISTORY_MOST

/* Finds all obligations of the history, in order of their stimuli.  Returns how many. */
size_t obligations_find(const struct history *history, struct obligation found[OBLIGATIONS_MOST]);

#endif
