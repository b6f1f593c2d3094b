/* segment.h - what the network put in front of us: frames, and the TCP segments inside them.
 *
 * A frame is what a capture holds; a segment is one TCP segment in host byte order.  Nothing here judges:
 * a segment keeps nonsense as it came, and `noticed` says what decoding saw on the way. */
#ifndef TCPAUDIT_SEGMENT_H
#define TCPAUDIT_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One captured frame.  `data` is borrowed: it must stay valid until tcpaudit_frames() returns. */
struct tcpaudit_frame {
	int64_t time;        /* nanoseconds since 1970-01-01 UTC */
	uint64_t ordinal;    /* position among all frames read, from 1; a connection's id is the ordinal of its first */
	uint64_t number;     /* Wireshark's frame number, within its input, from 1 */
	const uint8_t *data; /* captured bytes */
	uint32_t caplen;     /* how many of them */
	uint32_t wirelen;    /* length on the wire; may be smaller than caplen in damaged captures */
	uint16_t linktype;   /* LINKTYPE_ value as in pcap and pcapng files, not a DLT_ */
	uint16_t input;      /* index of the file or interface it came from */
	uint16_t source;     /* index of the clock it was stamped by: one per file or interface */
	uint8_t flags;       /* TCPAUDIT_FRAME_ bits */
};
#define TCPAUDIT_FRAME_OUTBOUND 0x01 /* sent by the capturing host itself (live, or cooked packet type 4) */
#define TCPAUDIT_FRAME_LOST     0x02 /* the capture says that frames were lost between the one before and this one */
#define TCPAUDIT_FRAME_REJECTED 0x04 /* by the user's filter: time passes by it, and no more */
#define TCPAUDIT_FRAME_OPAQUE   0x08 /* the user's filter cannot look into frames of its link type: the same */

/* What became of a frame.  Every frame has exactly one fate: TCP, or a reason for which it was not analysed (report.md, the
 * ledger). */
#define TCPAUDIT_FATES(X)                                                                                                        \
	X(TCP, "tcp")                     /* a TCP header begins in it */                                                        \
	X(NOT_PACKET, "not-packet")       /* a file block that tshark numbers but that holds no packet */                        \
	X(LINKTYPE, "linktype")           /* link type that we do not read */                                                    \
	X(L2_SHORT, "l2-short")           /* ends inside the link-layer header */                                                \
	X(L2_ENCRYPTED, "l2-encrypted")   /* 802.11 data that is protected */                                                    \
	X(NOT_IP, "not-ip")               /* ARP, LLDP, ... */                                                                   \
	X(IP_SHORT, "ip-short")           /* ends inside an IP header */                                                         \
	X(IP_BAD, "ip-bad")               /* header length or version that cannot be */                                          \
	X(NOT_TCP, "not-tcp")             /* UDP, ... */                                                                         \
	X(ICMP, "icmp")                   /* ICMP, ICMPv6 */                                                                     \
	X(FRAGMENT, "fragment")           /* part of a datagram that was completed by another frame */                           \
	X(FRAGMENT_WAITING, "fragment-waiting") /* ... that still may be: until then, or until it is lost; none at the end */    \
	X(FRAGMENT_LOST, "fragment-lost") /* part of a datagram that was never completed */                                      \
	X(ENCAP_DEPTH, "encap-depth")     /* more encapsulation than we look through */                                          \
	X(FILTER, "filter")               /* rejected by the user's BPF expression (files) */                                    \
	X(AFTER_STOP, "after-stop")       /* drained from the ring after -c, -a or a signal */                                   \
	X(NO_MEMORY, "no-memory")         /* fragment table full or allocation failed */

enum tcpaudit_fate {
#define X(name, text) TCPAUDIT_FATE_##name,
	TCPAUDIT_FATES(X)
#undef X
	        TCPAUDIT_FATE_COUNT
};

/* Why a TCP packet's numbers could not be used.  Counted beside the fate TCP, never instead of it. */
#define TCPAUDIT_UNUSABLES(X)                                                                                                    \
	X(NONE, "none")                                                                                                          \
	X(SHORT, "tcp-short")     /* header cut by the snapshot length or by the IP length */                                    \
	X(OFFSET, "tcp-offset")   /* data offset under 5 or beyond the segment */                                                \
	X(CHECKSUM, "checksum")   /* bad checksum that offload does not explain (RFC 9293 MUST-3) */                             \
	X(FLOW_CAP, "flow-cap")   /* no room for its connection */                                                               \
	X(DUPLICATE, "duplicate") /* the same frame captured twice (SPAN port, two interfaces) */                                \
	X(TENANTS, "tenants-cap") /* its two sockets are in too many VLANs and tunnels at once */

enum tcpaudit_unusable {
#define X(name, text) TCPAUDIT_UNUSABLE_##name,
	TCPAUDIT_UNUSABLES(X)
#undef X
	        TCPAUDIT_UNUSABLE_COUNT
};

/* TCP control bits, RFC 9293 3.1: the low byte of the header's flags, then AE and the three reserved bits. */
enum {
	TCPAUDIT_FIN = 0x001,
	TCPAUDIT_SYN = 0x002,
	TCPAUDIT_RST = 0x004,
	TCPAUDIT_PSH = 0x008,
	TCPAUDIT_ACK = 0x010,
	TCPAUDIT_URG = 0x020,
	TCPAUDIT_ECE = 0x040,
	TCPAUDIT_CWR = 0x080,
	TCPAUDIT_AE = 0x100,       /* RFC 9768 */
	TCPAUDIT_RESERVED = 0xe00, /* must be zero */
};

/* Options that a segment carried. */
enum {
	TCPAUDIT_OPT_MSS = 0x0001,
	TCPAUDIT_OPT_WSCALE = 0x0002,
	TCPAUDIT_OPT_SACK_PERMITTED = 0x0004,
	TCPAUDIT_OPT_SACK = 0x0008,
	TCPAUDIT_OPT_TIMESTAMPS = 0x0010,
	TCPAUDIT_OPT_FAST_OPEN = 0x0020, /* kind 34, or 254 with its magic number */
	TCPAUDIT_OPT_MPTCP = 0x0040,
	TCPAUDIT_OPT_MP_FASTCLOSE = 0x0080,
	TCPAUDIT_OPT_MD5 = 0x0100, /* RFC 2385 */
	TCPAUDIT_OPT_AO = 0x0200,  /* RFC 5925 */
	TCPAUDIT_OPT_UNKNOWN = 0x4000,
	TCPAUDIT_OPT_BROKEN = 0x8000, /* length under 2 or beyond the header: the rest was not read */
};

/* What decoding noticed. */
enum {
	TCPAUDIT_SAW_CUT = 0x0001,            /* captured bytes end before the packet does (snapshot length) */
	TCPAUDIT_SAW_OPTIONS_CUT = 0x0002,    /* ... and before the options do: an absent option proves nothing */
	TCPAUDIT_SAW_LENGTH_GUESSED = 0x0004, /* IP length 0 (segmentation offload, BIG TCP): taken from the frame */
	TCPAUDIT_SAW_CHECKSUM_BAD = 0x0008,
	TCPAUDIT_SAW_CHECKSUM_PARTIAL = 0x0010, /* holds the pseudo header's sum only: transmit offload */
	TCPAUDIT_SAW_CHECKSUM_UNKNOWN = 0x0020, /* not verified, or not verifiable (cut) */
	TCPAUDIT_SAW_REASSEMBLED = 0x0040,      /* out of IP fragments */
	TCPAUDIT_SAW_TUNNEL = 0x0080,           /* inside IP-in-IP, GRE, VXLAN, GENEVE or GTP-U */
	TCPAUDIT_SAW_IP_CHECKSUM_BAD = 0x0100,
	TCPAUDIT_SAW_OUTBOUND = 0x0200,    /* TCPAUDIT_FRAME_OUTBOUND of its frame */
	TCPAUDIT_SAW_CAPLEN_ODD = 0x0800,  /* frame said caplen > wire length */
};

#define TCPAUDIT_SUM_KNOWN 0x8000

/* An IPv4 address in the first four bytes with the rest zero, or an IPv6 address; network byte order. */
struct tcpaudit_address {
	uint8_t byte[16];
};

/* One TCP segment, in host byte order.  What is of one width stands together, so that it is copied together. */
struct tcpaudit_segment {
	int64_t time; /* of its frame (the last fragment's, if reassembled) */
	uint64_t ordinal;
	uint64_t frame;
	uint32_t seq;       /* SEG.SEQ */
	uint32_t ack;       /* SEG.ACK; 0 is kept as it came when ACK is off */
	uint32_t tsval;     /* valid with OPT_TIMESTAMPS, RFC 7323 */
	uint32_t tsecr;
	uint16_t flags;     /* control bits */
	uint16_t window;    /* SEG.WND as in the header, unscaled */
	uint16_t noticed;   /* TCPAUDIT_SAW_ bits */
	uint16_t ip_id;     /* IPv4 identification, 0 for IPv6 */
	uint16_t options;   /* TCPAUDIT_OPT_ bits */
	uint16_t mss;       /* valid with OPT_MSS */
	uint16_t sum;       /* what verifying the checksum would notice, with TCPAUDIT_SUM_KNOWN; else 0 */
	uint16_t vlan;      /* innermost VLAN identifier outside any tunnel, 0 none */
	uint8_t ttl;        /* or hop limit */
	uint8_t wscale;     /* valid with OPT_WSCALE, as it came (may exceed 14) */
	uint8_t ip_version; /* 4 or 6 */
	uint8_t sack_count; /* blocks in `sack` */
	uint8_t unusable;   /* enum tcpaudit_unusable */
	uint8_t icmp_type;  /* with fate ICMP: the error; the other fields are those of the quoted segment */
	uint8_t icmp_code;
	bool icmp_quotes;   /* with fate ICMP: addresses, ports and seq of a quoted TCP segment are filled in */
	uint16_t input;
	uint16_t src_port;  /* SEG source port */
	uint16_t dst_port;
	uint8_t header_len; /* of the TCP header, octets */
	struct tcpaudit_address src;
	struct tcpaudit_address dst;
	uint32_t len;          /* octets of text, without SYN and FIN; from the IP header, never from padding or caplen */
	uint32_t text_caplen;  /* captured octets of text */
	uint32_t wirelen;      /* of the frame, for byte counts */
	uint32_t network;      /* VXLAN or GENEVE network identifier + 1, 0 none */
	const uint8_t *header; /* the TCP header, text at header + header_len; borrowed until the batch has been judged */
	uint32_t sack[4][2];   /* left and right edges, RFC 2018; of those that there are */
};

#ifdef __cplusplus
}
#endif
#endif
