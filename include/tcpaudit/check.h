/* check.h - the catalogue of checks, and what one of them found. */
#ifndef TCPAUDIT_CHECK_H
#define TCPAUDIT_CHECK_H

#include <tcpaudit/connection.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tcpaudit_severity { TCPAUDIT_INFO, TCPAUDIT_NOTE, TCPAUDIT_WARNING, TCPAUDIT_ERROR };

/* What kind of sentence of an RFC a check stands on. */
enum tcpaudit_normative {
	TCPAUDIT_NORMATIVE_INFO, /* none: a fact */
	TCPAUDIT_NORMATIVE_RISK, /* legal, but dangerous */
	TCPAUDIT_NORMATIVE_SHOULD,
	TCPAUDIT_NORMATIVE_TEXT, /* a mandatory processing step without a numbered MUST */
	TCPAUDIT_NORMATIVE_MUST,
};

/* What a claim rests on, which bounds its confidence. */
enum tcpaudit_class {
	TCPAUDIT_CLASS_SEGMENT,       /* S: one frame by itself */
	TCPAUDIT_CLASS_CONTRADICTION, /* C: frames of one sender, or numbers only */
	TCPAUDIT_CLASS_REACTION,      /* X: the reaction to a frame of the peer */
	TCPAUDIT_CLASS_ABSENCE,       /* A: a frame that did not come */
	TCPAUDIT_CLASS_TIME,          /* T: a time threshold */
	TCPAUDIT_CLASS_CAPTURE,       /* about the capture, not about an end */
};

enum tcpaudit_basis {
	TCPAUDIT_PRESENCE, /* no unseen frame could refute it */
	TCPAUDIT_ABSENCE,  /* one could */
};

/* A row of the catalogue. */
struct tcpaudit_check {
	const char *id;     /* e.g. "fin-ack-beyond" */
	uint8_t severity;   /* enum tcpaudit_severity, when certain */
	uint8_t normative;  /* enum tcpaudit_normative */
	uint8_t rests_on;   /* enum tcpaudit_class */
	uint8_t basis;      /* enum tcpaudit_basis */
	const char *title;  /* one clause, no full stop */
	const char *rfc;    /* "RFC 9293 3.10.7.4", several separated by "; "; "" none */
	const char *advice; /* what to look at next; "" none */
};

/* A number that a check expected or observed.  `name` is a key of the record ("ack", "seq", "age_us"). */
struct tcpaudit_fact {
	const char *name;
	int64_t value;
};

#define TCPAUDIT_FACTS    4
#define TCPAUDIT_EVIDENCE 8

struct tcpaudit_finding {
	const struct tcpaudit_check *check;
	const struct tcpaudit_connection *connection; /* all that is known of it at this moment */
	int64_t time;                                 /* of the decisive frame */
	uint8_t severity;                             /* enum tcpaudit_severity, after confidence and basis have lowered it */
	uint8_t confidence;                           /* enum tcpaudit_confidence */
	uint8_t endpoint;                             /* enum tcpaudit_who */
	tcpaudit_state_set before[2];
	tcpaudit_state_set after[2];
	struct tcpaudit_fact expected[TCPAUDIT_FACTS]; /* ends at the first without a name */
	struct tcpaudit_fact observed[TCPAUDIT_FACTS];
	struct tcpaudit_evidence evidence[TCPAUDIT_EVIDENCE];
	size_t evidence_count;
	uint64_t capture[TCPAUDIT_CHECK_WORDS]; /* capture notes that lowered it */
	uint32_t count;                         /* how often it happened on this connection */
	const char *deliberate;                 /* stack behaviour that explains it, or NULL */
};

/* All rows, in the catalogue's order.  A set of checks has bit (i & 63) of word (i >> 6) for row i. */
const struct tcpaudit_check *tcpaudit_checks(size_t *count);

/* The row's number, or -1. */
int tcpaudit_check_index(const char *id);

const char *tcpaudit_severity_name(enum tcpaudit_severity severity);
const char *tcpaudit_normative_name(enum tcpaudit_normative normative);

#ifdef __cplusplus
}
#endif
#endif
