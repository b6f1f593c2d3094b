/* connection.h - one TCP connection as an observer knows it, both ends, at the moment it is reported.
 *
 * A connection here is one incarnation of a socket pair (RFC 9293 3.4.1).  End 0 is the client (it sent the first SYN,
 * or is presumed to have), end 1 the server.  Everything is borrowed from the engine for the length of a callback. */
#ifndef TCPAUDIT_CONNECTION_H
#define TCPAUDIT_CONNECTION_H

#include <tcpaudit/label.h>
#include <tcpaudit/segment.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TCPAUDIT_CLIENT, TCPAUDIT_SERVER };

/* The eleven states, RFC 9293 3.3.2, in its order of presentation with CLOSED first. */
#define TCPAUDIT_STATES(X)                                                                                                       \
	X(CLOSED, "CLOSED")                                                                                                      \
	X(LISTEN, "LISTEN")                                                                                                      \
	X(SYN_SENT, "SYN-SENT")                                                                                                  \
	X(SYN_RECEIVED, "SYN-RECEIVED")                                                                                          \
	X(ESTABLISHED, "ESTABLISHED")                                                                                            \
	X(FIN_WAIT_1, "FIN-WAIT-1")                                                                                              \
	X(FIN_WAIT_2, "FIN-WAIT-2")                                                                                              \
	X(CLOSE_WAIT, "CLOSE-WAIT")                                                                                              \
	X(CLOSING, "CLOSING")                                                                                                    \
	X(LAST_ACK, "LAST-ACK")                                                                                                  \
	X(TIME_WAIT, "TIME-WAIT")

enum tcpaudit_state {
#define X(name, text) TCPAUDIT_##name,
	TCPAUDIT_STATES(X)
#undef X
	        TCPAUDIT_STATE_COUNT
};

typedef uint16_t tcpaudit_state_set; /* bit 1 << state; empty means nothing is known */

/* How a connection ended: exhaustive, mutually exclusive. */
#define TCPAUDIT_KINDS(X)                                                                                                        \
	X(EVICTED, "evicted")                   /* a limit of ours removed it before it ended */                                 \
	X(ONEWAY_FIN, "oneway-fin")             /* only one direction was captured: with a FIN, */                               \
	X(ONEWAY_RST, "oneway-rst")             /* ... with a reset, */                                                          \
	X(ONEWAY_OPEN, "oneway-open")           /* ... with neither */                                                           \
	X(REFUSED, "refused")                   /* SYN answered by a reset */                                                    \
	X(REFUSED_ICMP, "refused-icmp")         /* SYN answered by ICMP unreachable */                                           \
	X(SYN_ABORTED, "syn-aborted")           /* the client gave up its SYN by a reset */                                      \
	X(SYN_TIMEOUT, "syn-timeout")           /* SYN never answered */                                                         \
	X(SYN_PENDING, "syn-pending")           /* SYN not answered when the capture ended */                                    \
	X(HS_RST_INITIATOR, "hs-rst-initiator") /* client reset the SYN-ACK */                                                   \
	X(HS_RST_RESPONDER, "hs-rst-responder") /* server reset its own SYN-ACK */                                               \
	X(HS_TIMEOUT, "hs-timeout")             /* SYN-ACK never acknowledged */                                                 \
	X(HS_PENDING, "hs-pending")             /* SYN-ACK not acknowledged when the capture ended */                            \
	X(SIMULTANEOUS, "simultaneous")         /* RFC 9293 3.6 case 3 */                                                        \
	X(HALF_CLOSE, "half-close")             /* data flowed towards the end that had closed */                                \
	X(THREE_WAY, "three-way")               /* ACK and FIN of the second closer together */                                  \
	X(FOUR_WAY, "four-way")                 /* RFC 9293 figure 12 */                                                         \
	X(FIN_FIN_RST, "fin-fin-rst")                                                                                            \
	X(LAST_ACK_MISSING, "last-ack-missing")                                                                                  \
	X(FIN_FIN_UNACKED, "fin-fin-unacked")                                                                                    \
	X(MPTCP_FASTCLOSE, "mptcp-fastclose")                                                                                    \
	X(FIN_RST_CLOSER, "fin-rst-closer")                                                                                      \
	X(FIN_RST_PEER, "fin-rst-peer")                                                                                          \
	X(FIN_RST_THIRD, "fin-rst-third")                                                                                        \
	X(HALF_CLOSED, "half-closed") /* one FIN, acknowledged; the other never came */                                          \
	X(FIN_UNACKED, "fin-unacked")                                                                                            \
	X(ABORT_THIRD_PARTY, "abort-third-party")                                                                                \
	X(ABORT_CLIENT, "abort-client")                                                                                          \
	X(ABORT_SERVER, "abort-server")                                                                                          \
	X(ABORT_ICMP, "abort-icmp")                                                                                              \
	X(VANISHED, "vanished")     /* repeats unanswered to the end */                                                          \
	X(SUPERSEDED, "superseded") /* a new incarnation took the socket pair */                                                 \
	X(OPEN_IDLE, "open-idle")                                                                                                \
	X(OPEN_ACTIVE, "open-active")

enum tcpaudit_kind {
#define X(name, text) TCPAUDIT_KIND_##name,
	TCPAUDIT_KINDS(X)
#undef X
	        TCPAUDIT_KIND_COUNT
};

enum tcpaudit_who { TCPAUDIT_WHO_CLIENT, TCPAUDIT_WHO_SERVER, TCPAUDIT_WHO_BOTH, TCPAUDIT_WHO_NONE, TCPAUDIT_WHO_UNKNOWN };

/* How far a statement is proven.  Below POSSIBLE it is counted, not shown. */
enum tcpaudit_confidence { TCPAUDIT_SUPPRESSED, TCPAUDIT_POSSIBLE, TCPAUDIT_LIKELY, TCPAUDIT_CERTAIN };

/* Where the capture stands towards one end. */
enum tcpaudit_vantage { TCPAUDIT_VANTAGE_UNKNOWN, TCPAUDIT_VANTAGE_FAR, TCPAUDIT_VANTAGE_NEAR, TCPAUDIT_VANTAGE_AT };

/* A captured segment that carries evidence. */
struct tcpaudit_evidence {
	int64_t time;
	uint64_t frame; /* number within `input`; 0 means none */
	uint32_t seq;
	uint32_t ack;
	uint32_t len;
	uint16_t flags;
	uint16_t input;
	uint8_t from; /* TCPAUDIT_CLIENT or TCPAUDIT_SERVER */
};

/* One step of an end through the state diagram. */
struct tcpaudit_transition {
	uint8_t end;
	uint8_t from; /* enum tcpaudit_state */
	uint8_t to;
	struct tcpaudit_evidence at;    /* the frame with which it could first happen */
	struct tcpaudit_evidence proof; /* the frame that proves it; frame 0: presumed only */
};

/* One end. */
struct tcpaudit_end {
	struct tcpaudit_address address;
	uint16_t port;
	tcpaudit_state_set states; /* in which it can be, after all that was seen */
	uint64_t packets;          /* sent by it */
	uint64_t bytes;            /* of its frames on the wire */
	uint64_t text;             /* octets of new text it sent; missing parts included */
	uint32_t isn;              /* valid with isn_known */
	bool isn_known;
	bool fin_sent;    /* the next five are valid only with it */
	uint32_t fin_seq; /* u: the sequence number that the FIN occupies */
	uint32_t fin_copies;
	struct tcpaudit_evidence fin;     /* first copy */
	bool fin_acked;                   /* the other end sent an acknowledgment of u+1 or above */
	struct tcpaudit_evidence fin_ack; /* the first of them, or the first wrong one */
	uint32_t resets;                  /* sent */
	uint32_t retransmissions;         /* of text, SYN or FIN */
	uint64_t lost;                    /* octets sent by it and never acknowledged when the connection died */
	uint32_t in_flight_at_fin;        /* octets up to its FIN, not acknowledged when that was first sent; 0 also if unknown */
	bool zero_window_at_fin;          /* the other end had closed its window then (RFC 9293 3.8.6.1) */
	int64_t turnaround;               /* least time it was seen to take for an answer, ns; -1 unknown */
	uint8_t vantage;                  /* enum tcpaudit_vantage */
};

/* Wireshark's tcp.completeness bits. */
enum {
	TCPAUDIT_COMPLETE_SYN = 1,
	TCPAUDIT_COMPLETE_SYN_ACK = 2,
	TCPAUDIT_COMPLETE_ACK = 4,
	TCPAUDIT_COMPLETE_DATA = 8,
	TCPAUDIT_COMPLETE_FIN = 16,
	TCPAUDIT_COMPLETE_RST = 32,
};

#define TCPAUDIT_CHECK_WORDS 4 /* room for 256 checks and rules of the user; a set of them is an array of this many words */

struct tcpaudit_connection {
	uint64_t id;    /* flow_id */
	uint16_t input; /* of its first frame */
	uint16_t vlan;
	uint32_t network; /* as in the segment */
	uint8_t ip_version;
	struct tcpaudit_end end[2];
	struct tcpaudit_label label; /* of the application; all NULL without a labeller */
	int64_t start; /* first and last frame */
	int64_t last;
	int64_t rtt; /* of the handshake, ns; -1 unknown */
	uint8_t completeness;
	uint8_t syn_retries;     /* repeated SYNs of the client, 63 at most */
	uint8_t syn_ack_retries; /* repeated SYN-ACKs of the server, likewise; 0 in a simultaneous open */
	/* close */
	uint8_t kind;         /* enum tcpaudit_kind */
	uint8_t closed_first; /* enum tcpaudit_who */
	uint8_t aborted_by;   /* enum tcpaudit_who; UNKNOWN: probably neither end; NONE: nobody, or both FINs were acknowledged */
	struct tcpaudit_evidence reset; /* the first effective reset; frame 0: there is none */
	uint8_t confidence;   /* enum tcpaudit_confidence, of the kind */
	bool post_close_reset;
	bool forged_suspect;   /* a FIN or reset is probably not from whom it says */
	int64_t close_latency; /* first FIN to the acknowledgment of the last one to be acknowledged, ns; -1 unless both were */
	int64_t idle; /* silence of both ends before the first FIN or effective reset, or else before the end, ns; -1 unknown */
	uint8_t half_close_by;       /* enum tcpaudit_who: CLIENT or SERVER closed its sending direction first; NONE */
	int64_t half_close_duration; /* first acknowledgment of its FIN to the other FIN (or the end), ns */
	uint64_t half_close_bytes;   /* new text that the other end sent meanwhile, knowing of the FIN */
	uint8_t close_wait_holder;   /* enum tcpaudit_who: CLIENT or SERVER, the second closer; NONE */
	bool close_wait_open;        /* it was not seen to leave: neither its FIN nor an effective reset came */
	int64_t close_wait_duration; /* first acknowledgment of the first FIN to its own FIN, to the reset, or to the end, ns */
	uint8_t time_wait_holder;    /* enum tcpaudit_who */
	uint8_t time_wait_undecided; /* bit TCPAUDIT_CLIENT, TCPAUDIT_SERVER: whether that end is one cannot be told, and it is not counted */
	int64_t time_wait_since;     /* ns, valid if there is a holder */
	uint32_t time_wait_restarts; /* repeated FINs after that */
	int64_t time_wait_until;     /* 2MSL after it began, or last began anew, at the last holder, ns; valid likewise */
	/* the incarnation before it on this socket pair (RFC 9293 3.4.1) */
	uint64_t reuse_of;      /* its flow_id; 0: none is known, and the rest is not valid */
	int64_t reuse_interval; /* since its last frame, ns; 0 if the clock went back */
	int32_t isn_delta; /* ISS of the client minus the SND.NXT that this end had, modulo 2^32; valid with isn_delta_known */
	int32_t ts_delta;  /* TSval of the SYN minus the highest of this end before, in its ticks */
	bool isn_delta_known;
	bool ts_delta_known;
	uint8_t reuse_verdict; /* 1 + index in tcpaudit_checks() of the gravest check of the reuse that spoke; 0 none */
	/* how it was captured, and what was raised: sets of checks */
	uint64_t capture[TCPAUDIT_CHECK_WORDS];
	uint64_t findings[TCPAUDIT_CHECK_WORDS];
	const struct tcpaudit_transition *transitions; /* each end's in order; NULL unless asked for */
	size_t transition_count;
};

/* Names as they are printed; never NULL for a value of the enumeration. */
const char *tcpaudit_state_name(enum tcpaudit_state state);
const char *tcpaudit_kind_name(enum tcpaudit_kind kind);
const char *tcpaudit_fate_name(enum tcpaudit_fate fate);
const char *tcpaudit_unusable_name(enum tcpaudit_unusable reason);
const char *tcpaudit_confidence_name(enum tcpaudit_confidence confidence);
const char *tcpaudit_who_name(enum tcpaudit_who who); /* "none" and "unknown" included */
const char *tcpaudit_vantage_name(enum tcpaudit_vantage vantage);

#ifdef __cplusplus
}
#endif
#endif
