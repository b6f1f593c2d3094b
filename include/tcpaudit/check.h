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
	TCPAUDIT_NORMATIVE_RULE, /* not an RFC: a rule of the user */
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

/* What must hold for a claim to be certain (the numbers of checks.md 1.3 in parentheses).  Which of them a claim needs follows
 * from its class; a policy can ask for more, and calls a claim without them undetermined. */
#define TCPAUDIT_PREMISES(X)                                                                                                     \
	X(ONE_INCARNATION, "one-incarnation") /* all segments are of one incarnation (P1) */                                     \
	X(GENUINE, "genuine")                 /* sent by whom they say (P2) */                                                   \
	X(NO_LOSS, "no-loss")                 /* the capture has no holes here (P3) */                                           \
	X(VANTAGE, "vantage")                 /* it was taken at the end that the claim is about (P4) */                         \
	X(SCALE, "window-scale")              /* both SYNs were seen (P5) */                                                     \
	X(HEADERS, "headers")                 /* complete (P6) */                                                                \
	X(CLOCK, "clock")                     /* monotone (P9) */

enum tcpaudit_premise_bit {
#define X(name, text) TCPAUDIT_PREMISE_BIT_##name,
	TCPAUDIT_PREMISES(X)
#undef X
	        TCPAUDIT_PREMISE_COUNT
};

enum tcpaudit_premise {
#define X(name, text) TCPAUDIT_PREMISE_##name = 1 << TCPAUDIT_PREMISE_BIT_##name,
	TCPAUDIT_PREMISES(X)
#undef X
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

/* Numbers on which checks turn: X(name, check, key, unit, default, least, text).  Each can be set (tcpaudit_settings); the
 * default is what the RFC or the catalogue says.  Durations are in nanoseconds, shares in percent. */
#define TCPAUDIT_THRESHOLDS(X)                                                                                                   \
	X(CLOSE_SIMUL_COPIES, "close-simul-ack-missing", "copies", COUNT, 3, 2, "of a FIN without an answer")                    \
	X(CLOSE_FINAL_COPIES, "close-final-ack-missing", "copies", COUNT, 3, 2, "of a FIN without an answer")                    \
	X(LAST_ACK_COPIES, "close-last-ack-stuck", "copies", COUNT, 4, 2, "of a FIN without an answer")                          \
	X(LAST_ACK_DURATION, "close-last-ack-stuck", "duration", DURATION, 3000000000, 0, "from the first copy to the newest")   \
	X(CLOSE_WAIT_DWELL, "close-wait-leak", "dwell", DURATION, 60000000000, 0, "in CLOSE-WAIT without sending anything")      \
	X(DATA_R2, "data-r2-early", "r2", DURATION, 100000000000, 0, "that text is to be repeated (SHLD-11)")                    \
	X(DATA_R2_REPEATS, "data-r2-early", "repeats", COUNT, 3, 1, "without an answer")                                         \
	X(FIN_ACK_DELAY, "fin-ack-late", "delay", DURATION, 550000000, 0,                                                        \
	  "of an acknowledgment: MUST-40's half second, and what a timer adds")                                                  \
	X(FIN_GIVEUP_R2, "fin-giveup-early", "r2", DURATION, 100000000000, 0, "that a FIN is to be repeated (SHLD-11)")          \
	X(HALF_IGNORED_COPIES, "half-data-ignored", "copies", COUNT, 3, 2, "of text without an answer")                          \
	X(HALF_IGNORED_DURATION, "half-data-ignored", "duration", DURATION, 3000000000, 0, "of the silence")                     \
	X(HALF_ZERO_WINDOW, "half-zero-window-hang", "duration", DURATION, 60000000000, 0, "of the closed window")               \
	X(HALF_FINWAIT2, "half-finwait2-timeout", "after", DURATION, 20000000000, 1000000000,                                    \
	  "in FIN-WAIT-2: before, a reset is no timer's")                                                                        \
	X(HALF_PATH_CUT, "half-path-cut", "idle", DURATION, 30000000000, 0, "before the text that nobody answers")               \
	X(RST_IDLE, "rst-idle-timeout", "idle", DURATION, 50000000000, 1000000000, "of both ends before the reset")             \
	X(REUSE_ISN_INTERVAL, "reuse-isn-regress", "interval", DURATION, 137000000000, 0,                                        \
	  "from one number to the next: half of the time in which Linux' clock of ISNs turns over")                              \
	X(SYN_GIVEUP_R2, "syn-giveup-early", "r2", DURATION, 180000000000, 0, "that a SYN is to be repeated (MUST-23)")          \
	X(SYN_STALLED_DELAY, "syn-accept-stalled", "delay", DURATION, 500000000, 0, "from the last ACK to the repeated SYN-ACK") \
	X(TW_PORTS, "tw-port-pressure", "ports", COUNT, 28232, 1, "that a client has: 32768 to 60999 by Linux' default")         \
	X(TW_SHARE, "tw-port-pressure", "share", PERCENT, 80, 1, "of them in TIME-WAIT towards one service")

enum tcpaudit_threshold_name {
#define X(name, check, key, unit, normal, least, text) TCPAUDIT_THRESHOLD_##name,
	TCPAUDIT_THRESHOLDS(X)
#undef X
	        TCPAUDIT_THRESHOLD_COUNT
};

enum tcpaudit_unit { TCPAUDIT_UNIT_DURATION, TCPAUDIT_UNIT_COUNT, TCPAUDIT_UNIT_PERCENT };

struct tcpaudit_threshold {
	const char *check; /* id of the check that it belongs to */
	const char *key;
	uint8_t unit;   /* enum tcpaudit_unit */
	int64_t normal; /* default */
	int64_t least;
	int64_t most;
	const char *text; /* a clause without a full stop */
};

/* TCPAUDIT_THRESHOLD_COUNT rows, by enum tcpaudit_threshold_name. */
const struct tcpaudit_threshold *tcpaudit_thresholds(void);

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
	uint16_t row;                           /* of `check`: in the catalogue, or behind it that of an own rule */
	uint8_t on_many;                        /* `confidence` where many connections to its service show the same; 0 no other */
};

/* All rows, in the catalogue's order.  A set of checks has bit (i & 63) of word (i >> 6) for row i. */
const struct tcpaudit_check *tcpaudit_checks(size_t *count);

/* The row's number, or -1. */
int tcpaudit_check_index(const char *id);

/* Whether a check, by its index, is silent where frames were cut behind the TCP header. */
bool tcpaudit_check_needs_text(int index);

const char *tcpaudit_severity_name(enum tcpaudit_severity severity);
const char *tcpaudit_normative_name(enum tcpaudit_normative normative);
const char *tcpaudit_premise_name(unsigned bit); /* enum tcpaudit_premise_bit */

#ifdef __cplusplus
}
#endif
#endif
