/* grid_cells.c - prints what becomes of an end in each cell of the grid (grid.py says what the words of a cell mean).
 *
 *   grid_cells < CELLS      a cell a line: STATE KIND POSITION ACK; prints NEXT REPLY WITHOUT for each, "-" for no reply
 *
 * NEXT is the state after the segment, WITHOUT if its FIN was left out (mirror.h says why).  The end is brought into its state
 * by segments alone, through the same code as any connection's; then the segment arrives.  Each cell is played with the end
 * as client and as server, and at several points of the circle of sequence numbers: they must agree. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/audit.h>

#include "flow/connection.h"
#include "flow/flow.h"
#include "mirror/mirror.h"

#define MILLISECONDS INT64_C(1000000)

enum { WINDOW = 10000, PEER_WINDOW = 1000, BEFORE = 5000, IN_FLIGHT = 500 };

enum ack_of { ACK_NONE, ACK_ANY, ACK_ANCIENT, ACK_DUP, ACK_NEW, ACK_FIN, ACK_BEYOND };
static const char *const ack_names[] = {"none", "any", "ancient", "dup", "new", "fin", "beyond"};

enum position { AT_ANY, AT_FAR_LEFT, AT_LEFT, AT_STRADDLE, AT_NEXT, AT_INSIDE, AT_RIGHT, AT_FAR_RIGHT, AT_CLOSED };
static const char *const position_names[] = {"any",    "far-left", "left",      "straddle", "at",
                                             "inside", "right",    "far-right", "closed"};

static const struct kind {
	const char *name;
	uint16_t flags;
	uint32_t len;
} kinds[] = {
        {"SYN", TCPAUDIT_SYN, 0},
        {"SYN-ACK", TCPAUDIT_SYN | TCPAUDIT_ACK, 0},
        {"ACK", TCPAUDIT_ACK, 0},
        {"DATA", TCPAUDIT_ACK | TCPAUDIT_PSH, 10},
        {"FIN", TCPAUDIT_FIN | TCPAUDIT_ACK, 0},
        {"FIN-DATA", TCPAUDIT_FIN | TCPAUDIT_ACK, 10},
        {"RST", TCPAUDIT_RST, 0},
        {"RST-ACK", TCPAUDIT_RST | TCPAUDIT_ACK, 0},
        {"BARE", 0, 0},
        {"DATA-NOACK", TCPAUDIT_PSH, 10},
        {"FIN-NOACK", TCPAUDIT_FIN, 0},
};

static const struct way {
	const char *name;
	uint8_t state, first;
} states[] = {
        {"CLOSED", TCPAUDIT_CLOSED, TCPAUDIT_CLOSED},
        {"LISTEN", TCPAUDIT_LISTEN, TCPAUDIT_LISTEN},
        {"SYN-SENT", TCPAUDIT_SYN_SENT, TCPAUDIT_CLOSED},
        {"SYN-RECEIVED-passive", TCPAUDIT_SYN_RECEIVED, TCPAUDIT_LISTEN},
        {"SYN-RECEIVED-active", TCPAUDIT_SYN_RECEIVED, TCPAUDIT_CLOSED},
        {"ESTABLISHED", TCPAUDIT_ESTABLISHED, TCPAUDIT_CLOSED},
        {"FIN-WAIT-1", TCPAUDIT_FIN_WAIT_1, TCPAUDIT_CLOSED},
        {"FIN-WAIT-2", TCPAUDIT_FIN_WAIT_2, TCPAUDIT_CLOSED},
        {"CLOSE-WAIT", TCPAUDIT_CLOSE_WAIT, TCPAUDIT_CLOSED},
        {"CLOSING", TCPAUDIT_CLOSING, TCPAUDIT_CLOSED},
        {"LAST-ACK", TCPAUDIT_LAST_ACK, TCPAUDIT_CLOSED},
        {"TIME-WAIT", TCPAUDIT_TIME_WAIT, TCPAUDIT_CLOSED},
};

struct cell {
	const struct way *way;
	const struct kind *kind;
	enum position position;
	enum ack_of ack;
};

/* The end under test is `x`; the numbers are RFC 9293's, of both ends. */
struct bench {
	struct flow_table *table;
	struct connection c;
	struct history history;
	unsigned x;
	bool closed_window;
	uint32_t nxt[2], una[2], sent_fin[2];
	int64_t now;
	uint64_t frame;
};

static void say(struct bench *b, unsigned from, uint16_t flags, uint32_t seq, uint32_t len, uint32_t ack)
{
	bool shut = from == b->x && b->closed_window && flags & TCPAUDIT_ACK;
	struct tcpaudit_segment s = {
	        .time = b->now += 10 * MILLISECONDS,
	        .ordinal = ++b->frame,
	        .frame = b->frame,
	        .ip_version = 4,
	        .ttl = 64,
	        .ip_id = (uint16_t)b->frame,
	        .src_port = from == TCPAUDIT_CLIENT ? 40000 : 80,
	        .dst_port = from == TCPAUDIT_CLIENT ? 80 : 40000,
	        .seq = seq,
	        .ack = flags & TCPAUDIT_ACK ? ack : 0,
	        .len = len,
	        .flags = flags,
	        .window = shut           ? 0
	                  : from == b->x ? WINDOW
	                                 : PEER_WINDOW,
	        .wirelen = 40 + len,
	};

	if (b->frame == 1)
		connection_begin(&b->c, &s, from);
	b->c.entry.bits |= CONN_ATTENTION; /* what the segment is must be kept, whatever it is */
	connection_take(&b->c, b->table, &s, from, false);
}

/* In sequence. */
static void send(struct bench *b, unsigned from, uint16_t flags, uint32_t len, bool acknowledge)
{
	if (acknowledge)
		b->una[!from] = b->nxt[!from];
	say(b, from, flags, b->nxt[from], len, b->una[!from]);
	b->nxt[from] += len + !!(flags & TCPAUDIT_SYN) + !!(flags & TCPAUDIT_FIN);
}

static void open_passively(struct bench *b)
{
	send(b, !b->x, TCPAUDIT_SYN, 0, false);
	send(b, b->x, TCPAUDIT_SYN | TCPAUDIT_ACK, 0, true);
}

static void open_at_once(struct bench *b)
{
	uint32_t iss = b->nxt[b->x];
	send(b, b->x, TCPAUDIT_SYN, 0, false);
	send(b, !b->x, TCPAUDIT_SYN, 0, false);
	b->una[!b->x] = b->nxt[!b->x];
	say(b, b->x, TCPAUDIT_SYN | TCPAUDIT_ACK, iss, 0, b->una[!b->x]);
}

/* Text both ways, so that both are known to be ESTABLISHED, and some of the end's under way. */
static void converse(struct bench *b)
{
	send(b, TCPAUDIT_CLIENT, TCPAUDIT_SYN, 0, false);
	send(b, TCPAUDIT_SERVER, TCPAUDIT_SYN | TCPAUDIT_ACK, 0, true);
	send(b, TCPAUDIT_CLIENT, TCPAUDIT_ACK, 0, true);
	send(b, b->x, TCPAUDIT_ACK, BEFORE, true);
	send(b, !b->x, TCPAUDIT_ACK, 300, true);
	send(b, b->x, TCPAUDIT_ACK, 0, true);
	send(b, b->x, TCPAUDIT_ACK, IN_FLIGHT, true);
}

static void close_first(struct bench *b)
{
	converse(b);
	send(b, b->x, TCPAUDIT_FIN | TCPAUDIT_ACK, 0, true);
}

static void close_second(struct bench *b)
{
	converse(b);
	send(b, !b->x, TCPAUDIT_FIN | TCPAUDIT_ACK, 0, false);
	send(b, b->x, TCPAUDIT_ACK, 0, true);
}

static void bring_into(struct bench *b, const struct way *way)
{
	switch ((enum tcpaudit_state)way->state) {
	case TCPAUDIT_CLOSED:
	case TCPAUDIT_LISTEN:
	case TCPAUDIT_STATE_COUNT:
		break;
	case TCPAUDIT_SYN_SENT:
		send(b, b->x, TCPAUDIT_SYN, 0, false);
		break;
	case TCPAUDIT_SYN_RECEIVED:
		if (way->first == TCPAUDIT_LISTEN)
			open_passively(b);
		else
			open_at_once(b);
		break;
	case TCPAUDIT_ESTABLISHED:
		converse(b);
		break;
	case TCPAUDIT_FIN_WAIT_1:
		close_first(b);
		break;
	case TCPAUDIT_FIN_WAIT_2:
		close_first(b);
		send(b, !b->x, TCPAUDIT_ACK, 0, true);
		break;
	case TCPAUDIT_CLOSE_WAIT:
		close_second(b);
		break;
	case TCPAUDIT_CLOSING:
		close_first(b);
		send(b, !b->x, TCPAUDIT_FIN | TCPAUDIT_ACK, 0, false);
		send(b, b->x, TCPAUDIT_ACK, 0, true);
		break;
	case TCPAUDIT_LAST_ACK:
		close_second(b);
		send(b, b->x, TCPAUDIT_FIN | TCPAUDIT_ACK, 0, true);
		break;
	case TCPAUDIT_TIME_WAIT:
		close_first(b);
		send(b, !b->x, TCPAUDIT_ACK, 0, true);
		send(b, !b->x, TCPAUDIT_FIN | TCPAUDIT_ACK, 0, true);
		send(b, b->x, TCPAUDIT_ACK, 0, true);
		break;
	}
}

static uint32_t place(const struct bench *b, const struct cell *cell, uint32_t *len)
{
	uint32_t next = b->nxt[!b->x];
	uint32_t occupies = cell->kind->len + !!(cell->kind->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN));

	*len = cell->kind->len;
	switch (cell->position) {
	case AT_ANY:
	case AT_NEXT:
	case AT_CLOSED:
		break;
	case AT_FAR_LEFT:
		return next - 50;
	case AT_LEFT: /* it ends at RCV.NXT; without an octet, it stands one before */
		return next - (occupies ? occupies : 1);
	case AT_STRADDLE:
		*len += 1;
		return next - 1;
	case AT_INSIDE:
		return next + 100;
	case AT_RIGHT:
		return next + WINDOW + 100;
	case AT_FAR_RIGHT:
		return next + (1u << 24);
	}
	return next;
}

static uint32_t acknowledge(const struct bench *b, const struct cell *cell)
{
	uint32_t una = b->una[b->x], nxt = b->nxt[b->x];

	switch (cell->ack) {
	case ACK_NONE:
		return 0;
	case ACK_ANY:
		return 777777;
	case ACK_ANCIENT:
		return una - PEER_WINDOW - 200;
	case ACK_DUP:
		return una;
	case ACK_NEW: /* what is under way, but not the FIN */
		return nxt - state_in((enum tcpaudit_state)cell->way->state, FIN_SENT);
	case ACK_FIN:
		return nxt;
	case ACK_BEYOND:
		return nxt + 100;
	}
	return 0;
}

struct outcome {
	uint8_t next, without;
	enum reply reply;
	bool reached; /* the mirror says that the end can be in the cell's state */
};

static struct outcome arrive(struct bench *b, const struct cell *cell)
{
	const struct history *h = &b->history;
	struct hypothesis end = {.first = cell->way->first, .state = cell->way->state, .delivered = -1}, without;
	struct mirror m;
	struct outcome o;
	unsigned before = h->count - 1u;

	struct captured captured = connection_captured(&b->c);
	captured.count = before;
	mirror_run(&m, &captured, BOTH_ENDS);
	o.reached = state_in((enum tcpaudit_state)cell->way->state, mirror_states(&m, b->x)) || !before;
	m.count = h->count;
	without = end;
	o.reply = segment_arrives(&m, b->x, &end, (int)before);
	segment_acknowledges(&m, b->x, &without, (int)before);
	o.next = end.state;
	o.without = without.state;
	return o;
}

static struct outcome play(struct flow_table *table, const struct cell *cell, unsigned x, uint32_t own, uint32_t peer)
{
	struct bench b = {.table = table, .x = x, .now = 1000 * MILLISECONDS, .closed_window = cell->position == AT_CLOSED};
	uint32_t seq, len;

	history_init(&b.history);
	b.c.kept.history = &b.history;
	b.nxt[x] = b.una[x] = own;
	b.nxt[!x] = b.una[!x] = peer;
	bring_into(&b, cell->way);
	seq = place(&b, cell, &len);
	b.now += 1000 * MILLISECONDS;
	say(&b, !x, cell->kind->flags, seq, len, acknowledge(&b, cell));
	struct outcome o = arrive(&b, cell);
	history_fini(&b.history);
	return o;
}

static int find(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	fprintf(stderr, "grid_cells: nothing is called %s\n", name);
	exit(2);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct cell read_cell(char *line)
{
	char *save = NULL, *word[4];
	struct cell cell = {0};

	for (int i = 0; i < 4; i++) {
		word[i] = strtok_r(i ? NULL : line, " \n", &save);
		if (!word[i]) {
			fprintf(stderr, "grid_cells: a cell has four words\n");
			exit(2);
		}
	}
	for (size_t i = 0; i < COUNT(states); i++)
		if (!strcmp(states[i].name, word[0]))
			cell.way = &states[i];
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (!strcmp(kinds[i].name, word[1]))
			cell.kind = &kinds[i];
	if (!cell.way || !cell.kind) {
		fprintf(stderr, "grid_cells: no cell %s %s\n", word[0], word[1]);
		exit(2);
	}
	cell.position = (enum position)find(position_names, COUNT(position_names), word[2]);
	cell.ack = (enum ack_of)find(ack_names, COUNT(ack_names), word[3]);
	return cell;
}

/* Who can be in that state: nobody but a client sends the first SYN, nobody but a server waits for it. */
static bool can_be(const struct way *way, unsigned x)
{
	if (way->state == TCPAUDIT_SYN_SENT)
		return x == TCPAUDIT_CLIENT;
	if (way->state == TCPAUDIT_CLOSED || way->first == TCPAUDIT_LISTEN)
		return x == TCPAUDIT_SERVER;
	return true;
}

static void print_outcome(const struct outcome *o)
{
	static const char *const replies[] = {"-", "ACK", "SYN-ACK", "RST=ACK", "RST=0"};

	printf("%s %s %s\n", tcpaudit_state_name((enum tcpaudit_state)o->next), replies[o->reply],
	       tcpaudit_state_name((enum tcpaudit_state)o->without));
}

int main(void)
{
	/* nothing wraps; the text under way, the FINs, the peer's text and the window wrap; half of the circle */
	static const uint32_t starts[][2] = {{1000000, 5000000},
	                                     {0u - BEFORE - 100, 0u - 200},
	                                     {0u - BEFORE - IN_FLIGHT - 1, 0u - 301},
	                                     {0u - 1, 0u - 5000},
	                                     {0x7ffffff0u, 0x80000000u}};
	static const uint8_t key[16] = "sixteen octets!";
	struct flow_table *table = flow_table_new(key, 0);
	char line[200];

	if (!table)
		return 2;
	while (fgets(line, sizeof line, stdin)) {
		char copy[200];
		struct cell cell = read_cell(strcpy(copy, line));
		struct outcome first = {0};
		bool any = false;

		for (unsigned x = 0; x < 2; x++) {
			for (size_t i = 0; i < COUNT(starts) && can_be(cell.way, x); i++) {
				struct outcome o = play(table, &cell, x, starts[i][0], starts[i][1]);
				if (!any)
					first = o;
				any = true;
				if (!o.reached || o.next != first.next || o.reply != first.reply || o.without != first.without) {
					printf("DIFFERS as %s from %" PRIu32 " and %" PRIu32 "%s: ", x ? "server" : "client",
					       starts[i][0], starts[i][1], o.reached ? "" : ", state not reached");
					print_outcome(&o);
					goto next;
				}
			}
		}
		print_outcome(&first);
	next:;
	}
	flow_table_free(table);
	return 0;
}
