/* dialogue.h - one dialogue while it runs, and what its parts offer each other. */
#ifndef DIALOGUE_H
#define DIALOGUE_H

#include "dialogue_frame.h"

#include <stdio.h>
#include <tcpaudit/audit.h>

#define NS              INT64_C(1000000000)
#define MAX_WISHES      64
#define MAX_CONNECTIONS 16
#define MAX_RAISED      256

struct wish {
	int line;
	char text[240];
};

struct wishes {
	struct wish wish[MAX_WISHES];
	size_t count;
};

struct raised {
	const struct tcpaudit_check *check;
	uint8_t severity;
	uint8_t confidence;
	bool named;
};

/* One dialogue while it runs. */
struct dialogue {
	const char *path;
	int line;
	unsigned failures;
	char *report; /* diagnostics */
	size_t report_len;
	FILE *diagnostics; /* writes `report` */
	FILE *pcap;        /* --write; else NULL */
	bool started;      /* a segment was fed: settings are fixed */

	/* the script */
	int64_t now;
	uint32_t iss[2];
	bool ipv6, ethernet, self, multicast, reserved, timestamps, scaled;
	uint16_t vlan[2];
	uint16_t ip_id[2];
	uint32_t last_tsval[2];
	uint64_t frames;
	struct wishes findings, tolerated, notes, absent, ends, routes;

	/* the engine and what it said */
	struct tcpaudit_settings settings;
	struct tcpaudit *engine;
	unsigned sender;              /* of the segment being fed */
	tcpaudit_state_set states[2]; /* of A and B after the last segment */
	bool states_known;
	struct tcpaudit_connection connection[MAX_CONNECTIONS];
	size_t connections;
	struct raised raised[MAX_RAISED];
	size_t raised_count;
};

/* dialogue_words.c: a failure of the dialogue, and words of a line. */
__attribute__((format(printf, 3, 4))) void fail(struct dialogue *d, int line, const char *format, ...);
char *next_word(char **cursor); /* NULL at the end of the line; <...> is one word */
bool to_number(const char *word, int64_t *value);
bool next_number(struct dialogue *d, char **cursor, const char *what, int64_t *value);
bool to_time(const char *word, int64_t *time); /* seconds with up to nine digits behind the point, without rounding */
bool to_party(const char *word, unsigned *party);
bool to_state(const char *word, size_t n, unsigned *state);
bool to_states(const char *word, tcpaudit_state_set *set);
const char *set_name(tcpaudit_state_set set, char text[128]);

/* dialogue_segment.c: a line that begins with a time, fed to the engine or written; much text behind the handshake. */
void parse_timed(struct dialogue *d, char *word, char **cursor);
void feed_stream(struct dialogue *d, unsigned party, uint32_t octets);
void start(struct dialogue *d); /* makes the engine, if no segment has yet */
void put_le32(FILE *file, uint32_t value);

/* dialogue_expect.c: what must hold, after the last segment and at the end. */
void check_states(struct dialogue *d, char **cursor);
void check_all(struct dialogue *d);

#endif
