/* capture.h - where frames come from: one interface over capture files and live interfaces. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <tcpaudit/segment.h>

#define CAPTURE_BATCH 32

/* Ordinals of the frames of several workers have the worker's number, from 1, above these bits: none occurs twice, and all fit
 * the 53 bits that every reader of JSON keeps.  At a million frames a second a worker comes round after two years. */
#define CAPTURE_ORDINAL_BITS 46
#define CAPTURE_WORKERS_MOST 64

struct capture;

/* Frames with what is already known of them: `fate` is TCPAUDIT_FATE_TCP for a frame to be analysed, TCPAUDIT_FATE_FILTER for one
 * that the user's filter rejects, TCPAUDIT_FATE_LINKTYPE for one that it cannot look into (and TCPAUDIT_FRAME_OPAQUE says so), whose
 * times count, otherwise the reason for which it only counts.  Borrowed until the next capture_read(), if not longer
 * (capture_keep()). */
struct capture_batch {
	struct tcpaudit_frame frame[CAPTURE_BATCH];
	uint8_t fate[CAPTURE_BATCH];
	size_t count;
};

/* Is frame i for the engine?  The others are only counted. */
static inline bool capture_is_read(const struct capture_batch *batch, size_t i)
{
	return batch->fate[i] == TCPAUDIT_FATE_TCP || batch->frame[i].flags & (TCPAUDIT_FRAME_REJECTED | TCPAUDIT_FRAME_OPAQUE);
}

struct capture_options {
	const char *filter; /* BPF expression, NULL or "" for none */
	uint32_t snaplen;   /* live; 0: everything */
	uint64_t buffer;    /* live: bytes of ring for each interface; 0: 64 MiB */
	bool promiscuous;   /* live */
	uint32_t tunnels;   /* live, several workers: TCPAUDIT_TUNNEL_ bits, in which the sockets of a packet may be found */
	uint32_t key[7];    /* ...: random and secret, so that nobody can aim at a worker */
};

/* What is known of one input, file or interface.  Grows while it is read. */
struct capture_input {
	const char *path;   /* as the user wrote it; "-" standard input */
	const char *format; /* "pcap", "pcapng", with " gzip" or " zstd" behind it; "interface" */
	bool live;
	bool cooked;             /* it has frames of Linux's own link types, which say whether the host sent them */
	bool packed;             /* compressed: octets are counted in what it unpacks to, but for `size` and `position` */
	uint64_t packets;        /* frames handed out */
	uint64_t bytes;          /* of the file, read (compressed inputs: after decompression) */
	uint64_t size;           /* of the file on disk, 0 unknown (pipes) */
	uint64_t position;       /* how much of `size` has been consumed: progress */
	uint64_t bytes_unread;   /* behind the damage, as far as known */
	uint64_t damage_offset;  /* where the damage begins; valid with error */
	char *error;             /* what is damaged, or NULL; owned by the capture */
	uint8_t time_digits;     /* digits after the second: 0 to 9 */
	uint32_t snaplen;        /* the largest that its interfaces name */
	uint16_t linktype[8];    /* LINKTYPE_ values that occurred */
	uint8_t linktypes;       /* how many of them are filled in */
	uint64_t recorded_drops; /* that the file itself tells of (pcapng statistics and drop counts) */
	uint64_t odd;            /* records with caplen above length or snaplen, or an impossible time */
};

/* Counters of the capture, summed over live interfaces; all zero for files. */
struct capture_kernel {
	uint64_t received;          /* passed the filter: handed out, plus dropped */
	uint64_t dropped;           /* no room in the ring */
	uint64_t interface_dropped; /* by the interface or its driver */
	int64_t longest_pause;      /* ns, the longest, for which a ring was not read while its reader was busy elsewhere */
};

enum capture_status {
	CAPTURE_MORE, /* call again; the batch may be empty (live: nothing within 100 ms, or a signal) */
	CAPTURE_END,  /* all inputs are at their end, or drained after capture_stop() */
	CAPTURE_GONE, /* an interface went away: what it had was handed out */
};

/* Opens all files before anything is read, as one capture in order of each one's next frame.  NULL and *error (caller
 * frees) if one cannot be opened or the filter does not compile. */
struct capture *capture_open_files(const char *const *paths, size_t count, const struct capture_options *options, char **error);

/* The same for interfaces. */
struct capture *capture_open_interfaces(const char *const *names, size_t count, const struct capture_options *options,
                                        char **error);

/* The same for several workers, CAPTURE_WORKERS_MOST at most: each gets a capture with a ring for every interface, and the
 * kernel gives all packets of two sockets to one of them.  false and *error: none is open. */
bool capture_open_shared(const char *const *names, size_t count, const struct capture_options *options, size_t workers,
                         struct capture **captures, char **error);

/* Fills the batch, in time order. */
enum capture_status capture_read(struct capture *capture, struct capture_batch *batch);

/* Files, before anything is read: from now on, the octets of frames stay until capture_let_go(), which tells up to which call of
 * capture_read() they may go; capture_reads() tells how many there were. */
void capture_keep(struct capture *capture);
uint64_t capture_reads(const struct capture *capture);
void capture_let_go(struct capture *capture, uint64_t until);

/* Do so many have to stay (32 MiB) that some should go before more is read?  Without memory for more, nothing comes until all have
 * gone. */
bool capture_crowded(const struct capture *capture);

/* Live: whether the next capture_read() is to return at once, even with nothing, because its caller has more to do. */
void capture_hurry(struct capture *capture, bool hurry);

/* Live: how much of the fullest ring waits to be read, in percent, as of a moment ago.  Files: 0. */
unsigned capture_fullness(const struct capture *capture);

/* Live, of several workers, from any thread: a capture_read() that waits for packets, or the next that would, returns at once. */
void capture_wake(struct capture *capture);

/* Live: lets nothing more in; what the ring still holds is handed out by further capture_read() calls until CAPTURE_END.
 * With `discard` those frames get the fate AFTER_STOP.  Files: ends at once; the rest is not read. */
void capture_stop(struct capture *capture, bool discard);

/* At the end: whether frames were lost behind the last one that was handed out. */
bool capture_lost(const struct capture *capture);

const struct capture_input *capture_inputs(const struct capture *capture, size_t *count);
void capture_kernel_counters(struct capture *capture, struct capture_kernel *kernel);

/* Accepts NULL. */
void capture_close(struct capture *capture);

/* Prints the interfaces (-D), one a line: name and description.  false and *error if they cannot be listed. */
bool capture_list_interfaces(char **text, char **error);

#endif
