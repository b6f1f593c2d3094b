/* label.h - which application speaks on a connection, as somebody else tells the engine.
 *
 * The engine knows no application protocols.  A labeller is offered the first text of each connection, and what it says is
 * handed on with the connection. */
#ifndef TCPAUDIT_LABEL_H
#define TCPAUDIT_LABEL_H

#include <tcpaudit/segment.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a label rests on. */
enum tcpaudit_label_confidence {
	TCPAUDIT_LABEL_NONE,
	TCPAUDIT_LABEL_PARTIAL, /* a part of what identifies the protocol was seen */
	TCPAUDIT_LABEL_CACHE,   /* an earlier connection between these sockets was identified */
	TCPAUDIT_LABEL_TEXT,    /* the text itself */
};

struct tcpaudit_label {
	const char *proto;   /* the protocol, as the labeller calls it; NULL not known.  Valid for the labeller's life */
	const char *service; /* who speaks it, where the text tells (a host's name, ...); NULL not known */
	uint8_t confidence;  /* enum tcpaudit_label_confidence; NONE without proto */
};

/* Functions are called on the engine's thread.  `note` is the labeller's own word on one connection, 0 in the beginning. */
struct tcpaudit_labeller {
	void *user;
	/* New text of a connection whose beginning was captured: `length` captured octets, at least 1, that lie behind all that
	 * was offered of this end before.  What was retransmitted is not offered again; where the capture has a hole, what
	 * follows is.  Returns true when it wants no more of this connection. */
	bool (*text)(void *user, uint16_t *note, const struct tcpaudit_segment *segment, unsigned from, const uint8_t *text,
	             uint32_t length);
	/* The engine keeps the note in one place until text() has returned true or end() was called: until then the labeller may
	 * change it at any time, and will be asked again.
	 *
	 * The connection is over, and text() always returned false: whatever the note stands for can go. */
	void (*end)(void *user, uint16_t *note);
	/* What the note says, once text() returned true or end() was called.  The note outlives the connection. */
	struct tcpaudit_label (*label)(void *user, uint16_t note);
	/* A labeller for part `i`, 0 first, of an engine that tcpaudit_split() splits into so many, which says of each connection
	 * what this one would say, as long as there is memory.  It is called on whichever thread has the part, while others are
	 * on other threads; this one, from then on, only if it is one of them.  false when out of memory.  NULL: there is only
	 * this one, and its engine stays in one piece. */
	bool (*part)(void *user, unsigned i, unsigned parts, struct tcpaudit_labeller *labeller);
};

const char *tcpaudit_label_confidence_name(enum tcpaudit_label_confidence confidence);

#ifdef __cplusplus
}
#endif
#endif
