/* port.h - inside src/capture: one live interface, its ring, its counters, its filter; live.c has those of a capture in order. */
#ifndef PORT_H
#define PORT_H

#include <pcap.h>
#include <time.h>

#include "fanout.h"
#include "source.h"

enum {
	PORT_BLOCK_TIMEOUT = 100, /* ms until the kernel hands over a block that is not full */
	PORT_CALM = 5             /* ms between two readings of the counters while draining */
};

struct held {
	struct tcpaudit_frame frame;
	int64_t since; /* ms, when it came out of the ring */
};

/* One interface. */
struct port {
	pcap_t *pcap;
	int fd;
	struct capture_input *input;
	uint16_t index, linktype;
	int ifindex;        /* 0: any */
	uint8_t address[6]; /* of an Ethernet interface: frames from it are this host's own */
	bool has_address;
	uint32_t slot;             /* bytes that one frame can take */
	uint64_t ring;             /* bytes */
	uint64_t octets;           /* captured, of the frames that came */
	uint32_t fraction;         /* ns per unit of libpcap's tv_usec */
	struct filter *own_filter; /* where the kernel refuses to run the user's expression */

	uint64_t received, dropped;  /* by the kernel's count, since the filter was set */
	uint64_t came;               /* frames out of the ring; received - dropped in the end */
	uint64_t rejected;           /* of them, by own_filter */
	uint64_t lost_from, lost_to; /* frames, by `came`, between or just behind which some were dropped */
	int64_t counted, arrived;    /* ms: the last reading of the counters, the last frame */
	int statistics[2];           /* of the interface: missed and fifo errors */
	uint64_t statistic[2], interface_dropped;
	int link;                    /* how often the link came and went */
	uint64_t link_changes;

	uint8_t *arena;
	struct held *held; /* a ring: first to first + count; the first `lent` are in the caller's batch */
	size_t first, count, lent;
	size_t arena_at; /* where the next frame goes */
	uint64_t number;
	int64_t now;   /* ms, for the callback */
	bool starting; /* throw away what comes */
	bool gone, ended;
	unsigned calm, errors;
};

/* Opens the interface; nothing comes yet.  `statistics`: count what it drops itself, which is one worker's business: summed over all
 * it would be wrong. */
bool port_open(struct port *port, const char *name, const struct capture_options *options, bool statistics, char **error);

/* Shares it with all that join the same group, *group: every packet goes to one of them, which is chosen by what the founder's program
 * says.  -1: founds one, and *group is its number. */
bool port_join(const struct port *port, int *group, struct fanout *fanout, char **error);

/* From here on frames come.  `loopback`: ifindex of lo, 0 none. */
bool port_filter(struct port *port, int loopback, const char *expression, char **error);

/* Moves as many frames as there is room for out of the ring, and none before the counters have told of the drops in front of it.
 * `now`, here and below: ms (now_ms()). */
void port_fill(struct port *port, int64_t now);

/* The frames that wait to be handed out, the first of them, those that were. */
bool port_full(struct port *port);
bool port_waits(const struct port *port);
struct held *port_head(const struct port *port);
void port_release(struct port *port);

/* Reads the kernel's counters, and those of the interface. */
void port_count(struct port *port);
void port_count_interface(struct port *port);

/* How many frames of the ring the counters know of: a drop before one of these has been counted. */
uint64_t port_known(const struct port *port);

/* Is the interface still there?  If not, no more comes than is in the ring. */
bool port_is_bound(const struct port *port);
void port_gone(struct port *port, const char *why);

/* Lets nothing more in. */
void port_stop(struct port *port, int64_t now);

/* After that, or when the interface is gone: has everything come out that the kernel counted?  `give_up`: ms without a frame after which
 * it has, although the counters disagree. */
bool port_drained(struct port *port, int64_t now, int64_t give_up);

/* Accepts one that could not be opened. */
void port_close(struct port *port);

/* Of the monotonic clock. */
static inline int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t now_ms(void)
{
	return now_ns() / 1000000;
}

#endif
