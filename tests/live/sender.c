/* sender FILE INTERFACE [THREADS [PASSES [PACKETS/S]]]: puts the frames of a pcap file (Ethernet, IPv4, TCP) on an interface, as
 * fast as they go or at this rate, and prints how many were sent in how many seconds.  Every pass has the same connections between
 * other hosts, with other sequence numbers.
 *
 * The file is mapped, and frames go to the driver in batches, past the queues.  On a veth pair whoever sends does the receiving
 * kernel's work, too; so there are threads.  Each takes the frames of its own connections, which therefore stay in order. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FILE_HEADER = 24, RECORD_HEADER = 16, THREADS_MOST = 16 };

static void fail(const char *what)
{
	fprintf(stderr, "sender: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint8_t *map(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	struct stat status;
	uint8_t *bytes;

	if (fd < 0 || fstat(fd, &status) != 0)
		fail(path);
	*size = (size_t)status.st_size;
	bytes = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (bytes == MAP_FAILED)
		fail(path);
	close(fd);
	return bytes;
}

static int open_interface(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1; /* protocol 0: takes nothing in */
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};

	if (fd < 0 || address.sll_ifindex == 0 || bind(fd, (struct sockaddr *)(void *)&address, sizeof address) != 0)
		fail(name);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
	return fd;
}

struct job {
	const char *path, *interface;
	uint8_t *file; /* a copy of its own, which it changes */
	size_t size;
	unsigned thread, threads, passes;
	double rate, begun;
	unsigned long long sent;
};

/* The same for both directions: the sum of addresses and ports. */
static bool is_mine(const struct job *job, const uint8_t *frame, uint32_t length)
{
	uint32_t sum = 0;

	if (length < 38)
		return job->thread == 0;
	for (unsigned i = 26; i < 38; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	return (sum * UINT32_C(2654435761) >> 16) % job->threads == job->thread;
}

static uint32_t get(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* RFC 1624: a checksum over other words. */
static void correct(uint8_t *checksum, uint32_t old, uint32_t new)
{
	uint32_t sum = (~((uint32_t)checksum[0] << 8 | checksum[1]) & 0xffff) + (~old >> 16) + (~old & 0xffff) + (new >> 16) +
	               (new & 0xffff);

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	checksum[0] = (uint8_t)(~sum >> 8);
	checksum[1] = (uint8_t)~sum;
}

/* The next pass: the network goes up by one and the host down, which no checksum notices; numbers go far. */
static void change(uint8_t *frame, uint32_t length)
{
	uint8_t *ip = frame + 14, *tcp = ip + 4 * (ip[0] & 15);

	if (length < 54 || ip[9] != 6 || length < 34u + 4 * (ip[0] & 15))
		return;
	for (unsigned at = 12; at < 20; at += 4)
		put(ip + at, get(ip + at) + 0xffff);
	for (unsigned at = 4; at < (tcp[13] & 0x10 ? 12 : 8); at += 4) {
		uint32_t old = get(tcp + at);

		put(tcp + at, old + 0x9e3779b1);
		correct(tcp + 16, old, old + 0x9e3779b1);
	}
}

/* Up to a batch of frames from *at on; how many. */
static unsigned gather(const struct job *job, bool changed, size_t *at, struct iovec *parts)
{
	unsigned count = 0;

	while (count < BATCH && *at + RECORD_HEADER <= job->size) {
		uint8_t *frame = job->file + *at + RECORD_HEADER;
		uint32_t caplen;

		memcpy(&caplen, frame - RECORD_HEADER + 8, sizeof caplen);
		if (caplen > job->size - *at - RECORD_HEADER)
			break;
		*at += RECORD_HEADER + caplen;
		if (!is_mine(job, frame, caplen))
			continue;
		if (changed)
			change(frame, caplen);
		parts[count++] = (struct iovec){frame, caplen};
	}
	return count;
}

static void send_batch(int fd, struct mmsghdr *messages, unsigned count)
{
	for (unsigned done = 0; done < count;) {
		int sent = sendmmsg(fd, messages + done, count - done, 0);

		if (sent > 0)
			done += (unsigned)sent;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			fail("sendmmsg");
	}
}

static void *send_all(void *user)
{
	struct job *job = user;
	struct mmsghdr messages[BATCH] = {0};
	struct iovec parts[BATCH];
	int fd = open_interface(job->interface);
	unsigned count;

	job->file = map(job->path, &job->size);
	job->begun = now();
	for (unsigned i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned pass = 0; pass < job->passes; pass++)
		for (size_t at = FILE_HEADER; (count = gather(job, pass > 0, &at, parts)) > 0; job->sent += count) {
			send_batch(fd, messages, count);
			while (job->rate > 0 && now() - job->begun < (double)job->sent / job->rate)
				usleep(200);
		}
	return NULL;
}

int main(int argc, char **argv)
{
	struct job job[THREADS_MOST] = {0};
	pthread_t thread[THREADS_MOST];
	unsigned long threads = argc > 3 ? strtoul(argv[3], NULL, 10) : 1, passes = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
	unsigned long long sent = 0;

	if (argc < 3 || threads == 0 || threads > THREADS_MOST)
		return 2;
	double rate = argc > 5 ? atof(argv[5]) / (double)threads : 0, begun = now();

	for (unsigned i = 0; i < threads; i++) {
		job[i] = (struct job){.path = argv[1], .interface = argv[2], .thread = i, .threads = (unsigned)threads,
		                      .passes = (unsigned)passes, .rate = rate};
		if (pthread_create(&thread[i], NULL, send_all, &job[i]) != 0)
			fail("thread");
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		sent += job[i].sent;
	}
	printf("%llu packets in %.6f s\n", sent, now() - begun);
	return 0;
}
