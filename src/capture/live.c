/* live.c - frames of live interfaces (port.h), in the order of their time.
 *
 * Several workers have a socket of each interface each, joined to a fanout group while nothing gets in: so the kernel gives
 * every packet to one of them (fanout.h), from the first to the last. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "port.h"

#include <errno.h>
#include <net/if.h>
#include <pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	HOLD = 2 * PORT_BLOCK_TIMEOUT, /* ms that a frame waits for older ones of other interfaces */
	GIVE_UP = 1000                 /* ms without a frame until draining ends although the counters disagree */
};

struct live {
	struct port *port;
	size_t count;
	struct pollfd *poll;
	int wake;     /* eventfd of one that shares its interfaces, else -1 */
	int loopback; /* ifindex of lo, 0 none */
	bool stopping, discard;
	bool hurry; /* the reader does not want to wait */
	int64_t looked;  /* ns, when the rings were read last, or their reader woke up */
	int64_t longest; /* ns between that and the next reading */
};

/* --- opening --- */

struct live *live_open(const char *const *names, size_t count, const struct capture_options *options,
                       struct capture_input *inputs, bool statistics, char **error)
{
	struct live *live = calloc(1, sizeof *live);
	if (live) {
		live->port = calloc(count + 1, sizeof *live->port);
		live->poll = calloc(count + 1, sizeof *live->poll);
		live->wake = -1;
	}
	bool good = (live && live->port && live->poll) || source_error(error, "out of memory");
	if (good)
		live->loopback = (int)if_nametoindex("lo");
	for (size_t i = 0; good && i < count; i++) {
		struct port *port = &live->port[live->count++];
		port->input = &inputs[i];
		port->index = (uint16_t)i;
		good = port_open(port, names[i], options, statistics, error);
	}
	if (good)
		return live;
	live_close(live);
	return NULL;
}

bool live_join(struct live *live, int *groups, const struct capture_options *options, char **error)
{
	struct fanout fanout;

	live->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (live->wake < 0)
		return source_error(error, "no event counter: %s", strerror(errno));
	fanout_program(&fanout, options->tunnels, options->key);
	for (size_t i = 0; i < live->count; i++)
		if (!port_join(&live->port[i], &groups[i], &fanout, error))
			return false;
	return true;
}

bool live_begin(struct live *live, const char *filter, char **error)
{
	/* All at once, so that none begins long before the others. */
	for (size_t i = 0; i < live->count; i++)
		if (!port_filter(&live->port[i], live->loopback, filter, error))
			return false;
	live->looked = now_ns();
	return true;
}

/* --- reading --- */

/* The interface whose next frame is the oldest. */
static struct port *oldest(const struct live *live)
{
	struct port *best = NULL;
	for (size_t i = 0; i < live->count; i++) {
		struct port *port = &live->port[i];
		if (port_waits(port) && (!best || port_head(port)->frame.time < port_head(best)->frame.time))
			best = port;
	}
	return best;
}

/* May the oldest frame go?  Yes if no older one can come: each other interface has shown a younger one, is at its end, or
 * has had time enough.  And if an interface has no more room, for memory is bounded and order is not worth a loss. */
static bool may_go(const struct live *live, const struct port *port, int64_t now)
{
	if (live->count == 1 || now - port_head(port)->since >= HOLD)
		return true;
	bool all_shown = true;
	for (size_t i = 0; i < live->count; i++) {
		if (port_full(&live->port[i]))
			return true;
		if (!port_waits(&live->port[i]) && !live->port[i].ended)
			all_shown = false;
	}
	return all_shown;
}

static void hand_out(struct live *live, struct capture_batch *batch, int64_t now)
{
	while (batch->count < CAPTURE_BATCH) {
		struct port *port = oldest(live);
		if (!port || !may_go(live, port, now))
			return;
		batch->fate[batch->count] = live->discard ? TCPAUDIT_FATE_AFTER_STOP : TCPAUDIT_FATE_TCP;
		struct tcpaudit_frame *frame = &batch->frame[batch->count++];
		*frame = port_head(port)->frame;
		port->lent++;
		port->input->packets++;
		port->input->bytes += frame->caplen;
	}
}

static void fill(struct live *live, int64_t now)
{
	for (size_t i = 0; i < live->count; i++) {
		struct port *port = &live->port[i];
		if (port->ended)
			continue;
		port_fill(port, now);
		if (live->stopping || port->gone)
			port->ended = port_drained(port, now, GIVE_UP);
	}
}

static bool is_draining(const struct live *live)
{
	for (size_t i = 0; i < live->count; i++)
		if (!live->port[i].ended && (live->stopping || live->port[i].gone))
			return true;
	return false;
}

/* How long to wait, in ms: until the oldest frame that is held may go, or the counters are to be read again. */
static int patience(const struct live *live, int64_t now)
{
	int timeout = is_draining(live) ? PORT_CALM : PORT_BLOCK_TIMEOUT;
	const struct port *port = oldest(live);
	int64_t left = port ? port_head(port)->since + HOLD - now : timeout;
	if (left < timeout)
		timeout = left > 0 ? (int)left : 0;
	return timeout;
}

/* Waits for a ring to have something, at most 100 ms.  false: a signal. */
static bool wait_for_frames(struct live *live, int64_t now)
{
	nfds_t n = 0;
	uint64_t count;
	live->poll[n++] = (struct pollfd){.fd = live->wake, .events = POLLIN};
	for (size_t i = 0; i < live->count && !live->stopping; i++)
		if (!live->port[i].ended && !live->port[i].gone)
			live->poll[n++] = (struct pollfd){.fd = live->port[i].fd, .events = POLLIN};
	int ready = poll(live->poll, n, patience(live, now));
	if (live->poll[0].revents != 0 && read(live->wake, &count, sizeof count) < 0)
		return false; /* somebody else's reading: nothing to do */
	if (ready != 0)
		return ready > 0;
	for (size_t i = 0; i < live->count; i++)
		if (!live->port[i].ended && !port_is_bound(&live->port[i]))
			port_gone(&live->port[i], "the interface disappeared");
	return true;
}

static enum source_status live_status(const struct live *live)
{
	bool gone = false;
	for (size_t i = 0; i < live->count; i++) {
		if (!live->port[i].ended || port_waits(&live->port[i]))
			return SOURCE_MORE;
		gone = gone || live->port[i].gone;
	}
	return gone ? SOURCE_GONE : SOURCE_END;
}

/* The rings are read now.  What came since the last time waited for as long; after the stop nothing comes. */
static int64_t look(struct live *live)
{
	int64_t now = now_ns();
	if (now - live->looked > live->longest && !live->stopping)
		live->longest = now - live->looked;
	live->looked = now;
	return now / 1000000;
}

enum source_status live_read(struct live *live, struct capture_batch *batch)
{
	batch->count = 0;
	for (size_t i = 0; i < live->count; i++)
		port_release(&live->port[i]);
	int64_t now = look(live);
	fill(live, now);
	hand_out(live, batch, now);
	if (batch->count > 0 || live_status(live) != SOURCE_MORE)
		return batch->count > 0 ? SOURCE_MORE : live_status(live);
	if (live->hurry && !live->stopping)
		return SOURCE_MORE;
	bool ready = wait_for_frames(live, now);
	live->looked = now_ns();
	if (!ready)
		return SOURCE_MORE;
	now = live->looked / 1000000;
	fill(live, now);
	hand_out(live, batch, now);
	return SOURCE_MORE;
}

void live_wake(struct live *live)
{
	const uint64_t one = 1;
	if (live->wake >= 0 && write(live->wake, &one, sizeof one) < 0)
		return; /* the counter is full: it is awake */
}

#define FRAME_ROOM 112 /* what the kernel puts in front of a frame in the ring, about */

unsigned live_fullness(const struct live *live)
{
	uint64_t most = 0;

	for (size_t i = 0; i < live->count; i++) {
		const struct port *port = &live->port[i];
		uint64_t mean = FRAME_ROOM + (port->came > 0 ? port->octets / port->came : 0);
		uint64_t percent = port->ring > 0 ? port_known(port) * mean * 100 / port->ring : 0;
		if (percent > most)
			most = percent;
	}
	return most < 100 ? (unsigned)most : 100;
}

void live_hurry(struct live *live, bool hurry)
{
	live->hurry = hurry;
}

void live_stop(struct live *live, bool discard)
{
	live->discard = discard;
	if (live->stopping)
		return;
	live->stopping = true;
	int64_t now = now_ms();
	for (size_t i = 0; i < live->count; i++)
		port_stop(&live->port[i], now);
}

void live_kernel(struct live *live, struct capture_kernel *kernel)
{
	kernel->longest_pause = live->longest;
	for (size_t i = 0; i < live->count; i++) {
		struct port *port = &live->port[i];
		port_count(port);
		port_count_interface(port);
		kernel->received += port->received - port->rejected;
		kernel->dropped += port->dropped;
		kernel->interface_dropped += port->interface_dropped;
	}
}

bool live_lost(const struct live *live)
{
	for (size_t i = 0; i < live->count; i++)
		if (live->port[i].lost_to > live->port[i].came)
			return true;
	return false;
}

void live_close(struct live *live)
{
	if (!live)
		return;
	for (size_t i = 0; live->port && i < live->count; i++)
		port_close(&live->port[i]);
	if (live->wake >= 0)
		close(live->wake);
	free(live->port);
	free(live->poll);
	free(live);
}

/* --- the list --- */

static const char *interface_state(const pcap_if_t *interface)
{
	if (!(interface->flags & PCAP_IF_UP))
		return "down";
	return interface->flags & PCAP_IF_RUNNING ? "up" : "up, no link";
}

bool capture_list_interfaces(char **text, char **error)
{
	char reason[PCAP_ERRBUF_SIZE];
	pcap_if_t *all = NULL;
	*text = NULL;
	if (pcap_findalldevs(&all, reason) < 0)
		return source_error(error, "cannot list interfaces: %s", reason);
	size_t size = 0;
	FILE *list = open_memstream(text, &size);
	for (const pcap_if_t *i = all; list && i; i = i->next) {
		bool any = strcmp(i->name, "any") == 0;
		if (!any && if_nametoindex(i->name) == 0) /* usbmon, nflog, ... */
			continue;
		const char *description = i->description ? i->description : i->flags & PCAP_IF_LOOPBACK ? "loopback" : "-";
		fprintf(list, "%-15s  %-40s  %s\n", i->name, any ? "all interfaces" : description, interface_state(i));
	}
	pcap_freealldevs(all);
	if (!list || fclose(list) != 0)
		return source_error(error, "out of memory");
	return true;
}
