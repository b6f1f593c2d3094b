/* port.c - see port.h.  Through libpcap's TPACKET_V3 rings.
 *
 * The packet ledger must add up exactly: what the kernel counts as received is what comes out of here plus what it
 * dropped.  Hence: the kernel lets nothing in before the counters are at zero and nothing more after the stop; the ring is
 * drained until the counters agree; PACKET_STATISTICS is read here and not by pcap_stats(), whose sums are 32 bits wide;
 * and copies that libpcap would drop behind the kernel's back (loopback, outgoing) are kept out by the filter.
 *
 * A packet pointer of libpcap dies with its callback, so frames are copied into an arena of the interface; there those
 * of several interfaces also wait for their order. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SNAPLEN = 262144,
	RING = 64 << 20,          /* bytes of ring, unless told */
	START_GIVE_UP = 250,      /* ms without a frame until draining ends, before the first frame: copies on loopback are counted and never come */
	COUNT_EVERY = 10,         /* ms between readings of the counters while frames come */
	ARENA = 16 << 20,         /* bytes of frames held for each interface */
	HELD_MOST = 8192,         /* frames held for each interface */
	ERRORS_MOST = 100         /* in a row, of an interface that is still there */
};

/* --- the arena --- */

/* Contiguous bytes at arena_at, at least `slot`, or 0.  Frames never wrap: the rest at the end stays unused. */
static size_t arena_room(struct port *port)
{
	if (port->count == 0)
		port->arena_at = 0; /* over and over the same memory, as long as nothing waits */
	const struct held *first = &port->held[port->first];
	size_t oldest = port->count == 0 ? 0 : (size_t)(first->frame.data - port->arena);
	if (port->count == 0 || oldest < port->arena_at) {
		if (ARENA - port->arena_at >= port->slot)
			return ARENA - port->arena_at;
		if (oldest <= port->slot)
			return 0;
		port->arena_at = 0;
	}
	/* One byte remains free, so that a full arena differs from an empty one. */
	size_t room = oldest - port->arena_at - 1;
	return room >= port->slot ? room : 0;
}

/* How many frames fit, whatever their length. */
static int port_room(struct port *port)
{
	size_t frames = arena_room(port) / port->slot;
	if (frames > HELD_MOST - port->count)
		frames = HELD_MOST - port->count;
	return frames < CAPTURE_BATCH ? (int)frames : CAPTURE_BATCH;
}

bool port_full(struct port *port)
{
	return port_room(port) == 0;
}

void port_release(struct port *port)
{
	port->first = (port->first + port->lent) % HELD_MOST;
	port->count -= port->lent;
	port->lent = 0;
}

bool port_waits(const struct port *port)
{
	return port->lent < port->count;
}

struct held *port_head(const struct port *port)
{
	return &port->held[(port->first + port->lent) % HELD_MOST];
}

/* --- counters --- */

/* There is a gap behind frame `from` or a later one that has been counted. */
static void port_lost(struct port *port, uint64_t from)
{
	if (port->came >= port->lost_to)
		port->lost_from = from;
	port->lost_to = port->received - port->dropped + 1;
}

/* Each reading sets the kernel's counters to zero.  The gap of a drop lies somewhere among the frames that went into the
 * ring since the last reading: all of them are marked, and the first one after. */
void port_count(struct port *port)
{
	struct tpacket_stats_v3 statistics = {0};
	socklen_t length = sizeof statistics;
	if (getsockopt(port->fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0)
		return;
	uint64_t before = port->received - port->dropped;
	port->received += statistics.tp_packets;
	port->dropped += statistics.tp_drops;
	if (statistics.tp_drops > 0)
		port_lost(port, before);
}

static bool port_agrees(const struct port *port)
{
	return port->came == port->received - port->dropped;
}

static const char *const statistic_names[2] = {"statistics/rx_missed_errors", "statistics/rx_fifo_errors"};

static bool number_read(int fd, uint64_t *value)
{
	char text[32];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
	if (n <= 0)
		return false;
	text[n] = '\0';
	*value = strtoull(text, NULL, 10);
	return true;
}

/* The files stay open: later there may be no right to open them, and after a sandbox no way. */
static int attribute_open(const struct port *port, const char *name)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "/sys/class/net/%s/%s", port->input->path, name);
	return port->ifindex > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

static void statistics_open(struct port *port)
{
	for (size_t i = 0; i < 2; i++) {
		port->statistics[i] = attribute_open(port, statistic_names[i]);
		number_read(port->statistics[i], &port->statistic[i]);
	}
}

static void link_open(struct port *port)
{
	port->link = attribute_open(port, "carrier_changes");
	number_read(port->link, &port->link_changes);
}

/* What the ends say while there is no link goes another way, or nowhere, before it could be captured: that is a gap, too. */
static void look_at_link(struct port *port)
{
	uint64_t changes;
	if (!number_read(port->link, &changes) || changes == port->link_changes)
		return;
	port->link_changes = changes;
	port_lost(port, port->came);
}

static void address_read(struct port *port)
{
	char path[PATH_MAX], text[32] = "";
	uint8_t *a = port->address;

	if (port->ifindex <= 0 || port->linktype != 1 /* Ethernet */)
		return;
	snprintf(path, sizeof path, "/sys/class/net/%s/address", port->input->path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	port->has_address = length > 0 &&
	                    sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) == 6 &&
	                    memcmp(a, "\0\0\0\0\0\0", 6) != 0;
}

/* What this host sends carries its own address; only a hairpin comes back with it. */
static bool is_outbound(const struct port *port, const uint8_t *data, uint32_t caplen)
{
	return port->has_address && caplen >= 14 && memcmp(data + 6, port->address, 6) == 0;
}

void port_count_interface(struct port *port)
{
	for (size_t i = 0; i < 2; i++) {
		uint64_t value;
		if (!number_read(port->statistics[i], &value))
			continue;
		if (value > port->statistic[i])
			port->interface_dropped += value - port->statistic[i];
		port->statistic[i] = value; /* a driver that was reset begins anew */
	}
}

/* --- out of the ring --- */

static void packet_came(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
	struct port *port = (struct port *)(void *)user;
	port->came++;
	port->octets += header->caplen;
	if (port->starting)
		return;
	uint32_t caplen = header->caplen < port->slot ? header->caplen : port->slot - 1;
	if (port->own_filter && filter_match(port->own_filter, port->linktype, data, caplen, header->len) != FILTER_MATCHES) {
		port->rejected++;
		return;
	}
	struct held *held = &port->held[(port->first + port->count++) % HELD_MOST];
	uint8_t *copy = port->arena + port->arena_at;
	memcpy(copy, data, caplen);
	port->arena_at += caplen + 1; /* so that no two begin at the same place */
	held->since = port->now;
	held->frame = (struct tcpaudit_frame){
	        .time = (int64_t)header->ts.tv_sec * 1000000000 + (int64_t)header->ts.tv_usec * port->fraction,
	        .number = ++port->number,
	        .data = copy,
	        .caplen = caplen,
	        .wirelen = header->len,
	        .linktype = port->linktype,
	        .input = port->index,
	        .source = port->index,
	        .flags = (uint8_t)((port->came > port->lost_from && port->came <= port->lost_to ? TCPAUDIT_FRAME_LOST : 0) |
	                           (is_outbound(port, data, caplen) ? TCPAUDIT_FRAME_OUTBOUND : 0)),
	};
}

/* Is the interface still there?  A deleted one leaves its socket bound to -1; one that is down or renamed does not. */
bool port_is_bound(const struct port *port)
{
	struct sockaddr_ll address = {0};
	socklen_t length = sizeof address;
	if (port->ifindex == 0 || getsockname(port->fd, (struct sockaddr *)(void *)&address, &length) < 0)
		return true;
	return address.sll_ifindex == port->ifindex;
}

void port_gone(struct port *port, const char *why)
{
	if (port->gone)
		return;
	port->gone = true;
	source_error(&port->input->error, "%s", why);
}

/* Of one that is still bound.  libpcap asks for an interface that went down by its name, and each time that the ring is empty it
 * says that this one disappeared; but what comes under the new name goes into the ring as before. */
static bool is_renamed(const struct port *port)
{
	return port->ifindex > 0 && (int)if_nametoindex(port->input->path) != port->ifindex;
}

/* Takes up to `most` packets out of the ring; how many came. */
static int port_dispatch(struct port *port, int most, int64_t now)
{
	port->now = now;
	int n = pcap_dispatch(port->pcap, most, packet_came, (u_char *)(void *)port);
	if (n > 0)
		port->arrived = now;
	if (n >= 0) {
		port->errors = 0;
		return n;
	}
	if (!port_is_bound(port))
		port_gone(port, "the interface disappeared");
	else if (!is_renamed(port) && ++port->errors >= ERRORS_MOST)
		port_gone(port, pcap_geterr(port->pcap));
	return 0;
}

/* How many frames of the ring the counters know of: a drop before one of these has been counted. */
uint64_t port_known(const struct port *port)
{
	uint64_t entered = port->received - port->dropped;
	return entered > port->came ? entered - port->came : 0;
}

/* No frame is taken before the counters have told of the drops in front of it. */
void port_fill(struct port *port, int64_t now)
{
	int room = port_room(port);
	bool old = now - port->counted >= COUNT_EVERY;
	if (old || port_known(port) == 0)
		port_count(port);
	if (old) {
		look_at_link(port);
		port->counted = now;
	}
	uint64_t known = port_known(port);
	if (known > 0 && (uint64_t)room > known)
		room = (int)known;
	if (room > 0)
		port_dispatch(port, room, now);
}

/* After the stop, or when the interface is gone: has everything come out that the kernel counted?  A packet may just be
 * on its way past the old filter on another processor, so the counters must agree twice. */
bool port_drained(struct port *port, int64_t now, int64_t give_up)
{
	if (now - port->counted < PORT_CALM)
		return false;
	port_count(port);
	port->counted = now;
	port->calm = port_agrees(port) ? port->calm + 1 : 0;
	return port->calm >= 2 || now - port->arrived >= give_up;
}

/* --- filters --- */

static bool attach(int fd, struct bpf_insn *code, unsigned length)
{
	struct sock_fprog program = {.len = (unsigned short)length, .filter = (struct sock_filter *)(void *)code};
	if (length > USHRT_MAX)
		return false;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

/* Lets nothing in. */
static bool attach_nothing(int fd)
{
	struct bpf_insn nothing = {.code = BPF_RET | BPF_K};
	return attach(fd, &nothing, 1);
}

/* The ring took whatever passed between activation and now, without a filter and half counted: all that goes. */
static bool port_start(struct port *port, char **error)
{
	if (!attach_nothing(port->fd))
		return source_error(error, "%s: cannot set a filter: %s", port->input->path, strerror(errno));
	port->starting = true;
	int64_t now = port->arrived = port->counted = now_ms();
	while (!port_drained(port, now, START_GIVE_UP)) {
		while (port_dispatch(port, CAPTURE_BATCH, now) > 0)
			now = now_ms();
		poll(NULL, 0, PORT_CALM);
		now = now_ms();
	}
	port->starting = false;
	port->calm = 0;
	port->octets = 0;
	port->received = port->dropped = port->came = port->lost_from = port->lost_to = 0;
	return true;
}

/* Cooked link types have a header that only libpcap knows: it translates the program. */
static bool is_cooked(const struct port *port)
{
	return port->linktype == 113 || port->linktype == 276;
}

static bool kernel_has_filter(int fd)
{
	socklen_t instructions = 0;
	return getsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, NULL, &instructions) == 0 && instructions > 0;
}

/* Compiles and sets a filter that the kernel runs.  false with *error: the expression is wrong; without: the kernel
 * does not take it. */
static bool kernel_filter(struct port *port, const char *expression, char **error)
{
	struct bpf_program code;
	if (pcap_compile(port->pcap, &code, expression, 1, PCAP_NETMASK_UNKNOWN) < 0)
		return source_error(error, "%s", pcap_geterr(port->pcap));
	bool good;
	if (is_cooked(port))
		good = pcap_setfilter(port->pcap, &code) == 0 && kernel_has_filter(port->fd);
	else /* not pcap_setfilter(), which for a while also runs it in libpcap, where it cannot know a packet's direction */
		good = attach(port->fd, code.bf_insns, code.bf_len);
	pcap_freecode(&code);
	return good;
}

static bool is_wrong(struct port *port, const char *expression, char **error)
{
	struct bpf_program code;
	if (pcap_compile(port->pcap, &code, expression, 0, PCAP_NETMASK_UNKNOWN) == 0) {
		pcap_freecode(&code);
		return false;
	}
	return !source_error(error, "filter \"%.200s\": %s", expression, pcap_geterr(port->pcap));
}

/* libpcap drops its outgoing copies of loopback packets after the kernel counted them: this keeps them out. */
static void loopback_guard(int loopback, const struct port *port, char *guard, size_t size)
{
	guard[0] = '\0';
	if (loopback == 0)
		return;
	if (port->ifindex == loopback)
		snprintf(guard, size, "not outbound");
	else if (port->ifindex == 0)
		snprintf(guard, size, "not (outbound and ifindex %d)", loopback);
}

/* From here on frames come.  Where the kernel refuses the user's expression (too long), it runs the guard alone, and the
 * expression is matched here: what it rejects is taken off `received`. */
bool port_filter(struct port *port, int loopback, const char *expression, char **error)
{
	char guard[64];
	loopback_guard(loopback, port, guard, sizeof guard);
	if (is_wrong(port, expression, error))
		return false;
	size_t size = strlen(expression) + sizeof guard + 16;
	char *whole = malloc(size);
	if (!whole)
		return source_error(error, "out of memory");
	bool both = expression[0] != '\0' && guard[0] != '\0';
	snprintf(whole, size, both ? "(%s) and %s" : "%s%s", expression, guard);
	char *reason = NULL;
	bool good = kernel_filter(port, whole, &reason);
	free(whole);
	free(reason);
	if (good)
		return true;
	port->own_filter = filter_new(expression, error);
	if (!port->own_filter || !filter_require(port->own_filter, port->linktype, error))
		return false;
	if (!port_start(port, error)) /* pcap_setfilter() has opened the door */
		return false;
	reason = NULL;
	good = kernel_filter(port, guard, &reason) ||
	       source_error(error, "%s: cannot set a filter: %s", port->input->path, reason ? reason : strerror(errno));
	free(reason);
	return good;
}

/* --- opening --- */

static bool activation_failed(const char *name, int status, pcap_t *pcap, char **error)
{
	char program[PATH_MAX] = "tcpaudit";
	ssize_t n;
	switch (status) {
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		n = readlink("/proc/self/exe", program, sizeof program - 1);
		if (n > 0)
			program[n] = '\0';
		return source_error(error, "%s: no permission to capture: run as root, or once: setcap cap_net_raw=ep %s", name,
		                    program);
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return source_error(error, "no such interface '%s' (see -D)", name);
	case PCAP_ERROR_IFACE_NOT_UP:
		return source_error(error, "%s: the interface is down", name);
	default:
		return source_error(error, "%s: %s: %s", name, pcap_statustostr(status), pcap_geterr(pcap));
	}
}

static bool port_activate(struct port *port, const char *name, const struct capture_options *options, char **error)
{
	char text[PCAP_ERRBUF_SIZE];
	/* Asked first: without permission libpcap would not say that the name is wrong.  libpcap's devices that are no
	 * network interfaces (usbmon, nflog, ...) carry no TCP worth auditing. */
	port->ifindex = (int)if_nametoindex(name);
	if (port->ifindex == 0 && strcmp(name, "any") != 0)
		return source_error(error, "no such interface '%s' (see -D)", name);
	port->pcap = pcap_create(name, text);
	if (!port->pcap)
		return source_error(error, "%s: %s", name, text);
	uint64_t ring = options->buffer ? options->buffer : RING;
	int snaplen = options->snaplen > 0 && options->snaplen < SNAPLEN ? (int)options->snaplen : SNAPLEN;
	pcap_set_snaplen(port->pcap, snaplen);
	pcap_set_promisc(port->pcap, options->promiscuous);
	pcap_set_timeout(port->pcap, PORT_BLOCK_TIMEOUT);
	port->ring = ring;
	pcap_set_buffer_size(port->pcap, ring < INT_MAX ? (int)ring : INT_MAX);
	bool nano = pcap_set_tstamp_precision(port->pcap, PCAP_TSTAMP_PRECISION_NANO) == 0;
	int status = pcap_activate(port->pcap);
	if (status < 0)
		return activation_failed(name, status, port->pcap, error);
	if (pcap_setnonblock(port->pcap, 1, text) < 0)
		return source_error(error, "%s: %s", name, text);
	if (pcap_datalink(port->pcap) == DLT_LINUX_SLL)
		pcap_set_datalink(port->pcap, DLT_LINUX_SLL2); /* names the interface of each packet */
	port->fd = pcap_fileno(port->pcap);
	port->linktype = filter_linktype(pcap_datalink(port->pcap));
	port->fraction = nano ? 1 : 1000;
	port->slot = (uint32_t)pcap_snapshot(port->pcap) + 64; /* libpcap puts VLAN tags and cooked headers in front */
	port->input->snaplen = (uint32_t)pcap_snapshot(port->pcap);
	port->input->time_digits = nano ? 9 : 6;
	source_linktype(port->input, port->linktype);
	return true;
}

bool port_open(struct port *port, const char *name, const struct capture_options *options, bool statistics, char **error)
{
	port->input->path = name;
	port->input->format = "interface";
	port->input->live = true;
	port->fd = port->statistics[0] = port->statistics[1] = port->link = -1;
	port->arena = malloc(ARENA);
	port->held = malloc(HELD_MOST * sizeof *port->held);
	if (!port->arena || !port->held)
		return source_error(error, "out of memory");
	if (!port_activate(port, name, options, error) || !port_start(port, error))
		return false;
	if (statistics)
		statistics_open(port);
	link_open(port);
	address_read(port);
	return true;
}

/* --- with others --- */

/* One socket joins a group, or founds it and *group becomes its number: of all members, one gets each packet. */
static bool join_group(const struct port *port, int how, int *group)
{
	int argument = *group >= 0 ? *group | how << 16 : (how | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
	socklen_t length = sizeof argument;
	bool joined = setsockopt(port->fd, SOL_PACKET, PACKET_FANOUT, &argument, sizeof argument) == 0;
	if (!joined && *group < 0 && errno == EINVAL) { /* before Linux 4.14 numbers had to be guessed */
		argument = how << 16 | ((getpid() ^ port->ifindex << 8) & 0xffff);
		joined = setsockopt(port->fd, SOL_PACKET, PACKET_FANOUT, &argument, sizeof argument) == 0;
	}
	if (!joined || getsockopt(port->fd, SOL_PACKET, PACKET_FANOUT, &argument, &length) != 0)
		return false;
	*group = argument & 0xffff;
	return true;
}

static bool set_program(const struct port *port, struct fanout *fanout)
{
	const struct sock_fprog program = {(unsigned short)fanout->length, fanout->code};

	return setsockopt(port->fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof program) == 0;
}

/* Our program chooses. */
bool port_join(const struct port *port, int *group, struct fanout *fanout, char **error)
{
	const bool founds = *group < 0;

	if (!join_group(port, PACKET_FANOUT_CBPF, group) || (founds && !set_program(port, fanout)))
		return source_error(error, "%s: cannot be shared by several workers: %s", port->input->path, strerror(errno));
	return true;
}

/* --- the end --- */

void port_stop(struct port *port, int64_t now)
{
	attach_nothing(port->fd);
	port->arrived = now;
}

void port_close(struct port *port)
{
	if (port->pcap)
		pcap_close(port->pcap);
	for (size_t k = 0; k < 2; k++)
		if (port->statistics[k] >= 0)
			close(port->statistics[k]);
	if (port->link >= 0)
		close(port->link);
	filter_free(port->own_filter);
	free(port->arena);
	free(port->held);
}
