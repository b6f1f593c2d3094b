/* check.h - the runner of the catalogue: one row in rows.h and one small pure function for each check.
 *
 * A check looks at a case file and claims.  What its claim is worth - confidence, severity, or silence - follows from its
 * row and from the premises, in one place: check.c.  So a check says what it saw, and never how loudly. */
#ifndef CHECK_H
#define CHECK_H

#include "close/close.h"

struct claim {
	uint8_t endpoint;         /* enum tcpaudit_who: whom it is about */
	bool proven;              /* receipt or order of what it rests on is proven by numbers */
	bool over_in_time;        /* T: the threshold is exceeded by more than the path can explain */
	uint8_t unanswered;       /* A: how many stimuli had no answer */
	uint8_t alike;            /* look-alikes that match: each lowers a level */
	bool whole_at_peer;       /* what makes it sure is the other end's own answer, seen there */
	uint8_t at_most;          /* enum tcpaudit_confidence; 0: no bound */
	uint8_t on_many;          /* ... where many connections to its service show the same, which the report sees */
	uint8_t severity_at_most; /* 1 + enum tcpaudit_severity; 0: no bound */
	uint32_t count;           /* 0 is 1 */
	int rests_on;             /* of claim_segments(): 1 + the event without which there would be none, 0 none; evidence, too */
	struct tcpaudit_fact expected[TCPAUDIT_FACTS];
	struct tcpaudit_fact observed[TCPAUDIT_FACTS];
	int evidence[TCPAUDIT_EVIDENCE]; /* indices of the history, -1 ends; the last one is the decisive frame */
	const char *deliberate;
};

struct judging;
typedef void check_function(struct judging *);

struct judging {
	const struct case_file *file;
	const struct connection *c;
	const struct history *h;
	const struct tcpaudit_connection *record;
	unsigned premises; /* that hold, but for what was spoiled */
	bool spoiled[2];   /* segments of that end were taken that were perhaps spoiled on their way: they may not be genuine */
	unsigned needed;   /* by class; filled in by the runner for the row at hand */
	bool at[2];        /* vantage: at that end */
	int row;
	struct check_result *result;
};

/* Which rows are asked, by what is awake: made once from the settings, for the user's choice seldom changes. */
#define CHECK_AWAKE  256 /* sets of what rows wake on */
#define ANY_SEVERITY UINT8_MAX

struct check_plan {
	uint64_t scoped[TCPAUDIT_CHECK_WORDS]; /* not for all connections */
	uint64_t alone[TCPAUDIT_CHECK_WORDS];  /* claims rest on one segment by itself */
	uint8_t orderly;                       /* severity of the gravest row that an orderly close raises; ANY_SEVERITY: that depends */
	struct {
		uint64_t capture[TCPAUDIT_CHECK_WORDS];
		uint64_t others[TCPAUDIT_CHECK_WORDS];
	} awake[CHECK_AWAKE];
};

void check_plan_init(struct check_plan *plan, const struct tcpaudit_settings *settings);

/* What a run gathers. */
struct check_result {
	const struct check_plan *plan; /* for check_connection() */
	const struct tcpaudit_settings *settings;
	uint64_t raised[TCPAUDIT_CHECK_WORDS];
	uint64_t capture[TCPAUDIT_CHECK_WORDS];
	struct tcpaudit_counters *counters; /* what was raised and suppressed is added up here */
	const struct tcpaudit_sink *sink;
	const struct tcpaudit_labeller *labeller; /* for what comes after the report; NULL before */
};

/* What the labeller's note on a connection says. */
static inline struct tcpaudit_label check_label(const struct tcpaudit_labeller *labeller, uint16_t note)
{
	return note ? labeller->label(labeller->user, note) : (struct tcpaudit_label){0};
}

/* A threshold in force, in its unit: threshold(j, FIN_ACK_DELAY). */
#define threshold(j, name) ((j)->file->settings->threshold[TCPAUDIT_THRESHOLD_##name])

/* How long TIME-WAIT is seen at least (ns): it begins when the FIN comes, up to half a second before that is acknowledged (RFC 9293
 * 3.6.1, MUST-40). */
static inline int64_t time_wait_seen(const struct tcpaudit_settings *settings)
{
	return 2 * settings->msl - 500000000ll;
}

/* How much of an end's answer (ns) is due to the path between the capture and that end, as far as is known. */
int64_t way_to_and_back(const struct judging *j, unsigned x);

/* Claims.  To be called by check functions. */
void claim(struct judging *j, const struct claim *claim);

/* A capture note: no finding, but a mark on the connection. */
void note(struct judging *j);

/* The first event of this end with any of these UNUSUAL_ bits; -1 none.  What is not of this incarnation is left out. */
int first_unusual(const struct judging *j, unsigned from, unsigned bits);

/* The first event behind the SYNs that has timestamps; -1: none.  Has either end sent any, whether it was kept or not? */
int first_timestamps(const struct judging *j);
bool goes_by_timestamps(const struct judging *j);

/* Was an event's segment sent from another distance than its end's first one? */
bool from_elsewhere(const struct judging *j, int at);

/* Do signs speak against an event's segment being of the end that it names?  As likely, it was put in by somebody else, and that end
 * is right. */
bool may_be_injected(const struct judging *j, int at);

/* Is the connection there a second time, with other sequence numbers?  No host has two blocks of one socket pair (RFC 9293 3.10.1): a box
 * on the way rewrites numbers, and the capture has both of its sides. */
bool twin_numbers(const struct judging *j);

/* Claims, against their sender, all segments with these UNUSUAL_ bits: `model` is completed by the end, how many there were, and
 * the first as evidence.  One that does not fit its connection, or may be injected, may be anybody's. */
void claim_segments(struct judging *j, unsigned from, unsigned bits, const struct claim *model);

/* The first effective reset of an open connection, with how things stood before it; NULL if there is none to judge. */
const struct event *ending_reset(const struct judging *j);

/* Octets of text that this end had sent and the other not acknowledged, when the ending reset came. */
int64_t unacknowledged(const struct judging *j, unsigned x);

/* Runs every row over a connection that has come to its end (or whose capture has).  `record` is described already;
 * its `capture` and `findings` are filled in. */
void check_connection(const struct case_file *file, struct tcpaudit_connection *record, struct check_result *result);

/* An absence can only be told if the capture goes on behind it, for three retransmission timeouts at least. */
#define CHECK_BEHIND 3000000000ll /* ns */

/* The same for one SYN and nothing else, of which no row has anything to claim: fills in `capture` and `findings`.  `scopes`: its
 * connection's. */
void check_lone(const struct check_plan *plan, const struct tcpaudit_settings *settings, uint32_t scopes, bool ended, int64_t now,
                struct tcpaudit_connection *record);

/* Is what an orderly close raises merely counted, of all connections alike?  Nobody is told of it then. */
static inline bool check_counts_orderly(const struct check_plan *plan, const struct tcpaudit_settings *settings)
{
	return plan->orderly < settings->min_severity;
}

/* The same as check_connection() for a close that close_describe_brief() has described, where that is so. */
void check_orderly(const struct tcpaudit_settings *settings, struct tcpaudit_counters *counters,
                   struct tcpaudit_connection *record);

/* Row numbers. */
enum {
#define CHECK(id, name, wakes, severity, normative, rests_on, basis, title, rfc, advice) ROW_##name,
#include "rows.h"
#undef CHECK
	ROWS
};

/* The severity of a claim of this confidence.  `whole`: the user answers for the capture at the end that it is against, and nothing
 * speaks of loss. */
int check_weigh(const struct tcpaudit_settings *settings, int row, int confidence, bool whole);

/* The timer of a known stack that explains why TIME-WAIT was over at this age (ns); NULL none. */
const char *check_time_wait_timer(int64_t age);

/* Counts a finding, and hands it to the sink if that wants it.  False if it is to be passed over. */
bool check_hand_out(const struct check_result *result, int row, const struct tcpaudit_finding *finding);

/* Asks the user's own rules, and hands out those that hold.  `told`: bit n for own rule n that was told before; not again. */
void check_own(const struct check_result *result, enum tcpaudit_point point, struct tcpaudit_connection *record, int64_t time,
               uint32_t scopes, uint64_t *told);

/* Is the row enabled, and the connection in its scope? */
bool check_applies(const struct tcpaudit_settings *settings, int row, uint32_t scopes);

/* Is a premise that the user calls indispensable missing?  It is counted then.  `holds`: TCPAUDIT_PREMISE_ bits. */
bool check_undetermined(const struct check_result *result, int row, unsigned holds);

/* The severity in force for a row: settings over catalogue; -1 disabled. */
int check_severity(const struct tcpaudit_settings *settings, int row);

#define CHECK(id, name, wakes, severity, normative, rests_on, basis, title, rfc, advice) check_function check_##name;
#include "rows.h"
#undef CHECK

#endif
