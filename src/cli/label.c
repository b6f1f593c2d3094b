/* label.c - hands the first text of connections to nDPI, and keeps what it says.
 *
 * nDPI gets IP packets that are made here, around the text that the engine offers: link types, tunnels, fragments and holes are
 * no concern of its.  Limits: LOOKS segments of a connection (LOOKS_AT_LINES), LOOK_MOST octets of each, and one memory for all;
 * when that ends, nDPI is not called again (detectors.h).  A flow of nDPI's is held only while it is undecided; where there are
 * too many, the oldest gives way.  Only what nDPI saw in the text becomes a label; guesses by port or address do not.
 *
 * Each part of an engine that is split has a labeller of its own; modules they have in common. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/label.h"

#include <ndpi_api.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tcpaudit/connection.h>

#include "cli/detectors.h"
#include "cli/label_ndpi.h"

#define LOOKS          3            /* segments of a connection that nDPI gets to see, unless both ends spoke before, */
#define LOOKS_AT_LINES 12           /* ... and as long as they end with a line */
#define LOOK_MOST      4096         /* octets of each: with headers, far below the 65,535 that nDPI can count */
#define LINE_MOST      64           /* octets within which the first line of a protocol of lines ends */
#define RESERVE        (512u << 10) /* what must be left for nDPI before it is asked: fresh, or SPARES blocks of SPARE octets */
#define SPARE          (32u << 10)
#define SPARES         12
#define SHELF          64 /* flows that are made at once */
#define SHELVES        500
#define VERDICTS       4096                /* different ones; a power of two */
#define DECIDED        0x8000u             /* notes from here on are verdicts, below are slots */
#define NO_LABEL       0xffffu             /* the verdict that there is none */
#define MAKE_WAY       64                  /* so many at most for one that comes */
#define PART_LEAST     (UINT64_C(4) << 20) /* bytes that a part may take */

_Static_assert(SHELF *SHELVES < DECIDED && DECIDED + VERDICTS <= NO_LABEL, "notes tell what they are");
#define HEADERS (40 + 20)

/* An undecided connection. */
struct slot {
	uint32_t next[2]; /* sequence number behind what was handed over, by end: begins at 1, has no holes */
	uint8_t looks[2];
	uint16_t older; /* neighbours by age, 0 none; of a free slot, `newer` is the next free one */
	uint16_t newer;
	uint16_t *note; /* the connection's */
	struct ndpi_flow_struct flow;
};

struct verdict {
	struct found found;
	uint8_t confidence; /* NONE: free */
	const char *proto;
	const char *service;
};

struct labeller {
	struct detectors *detectors; /* the first labeller's */
	struct detector *detector;   /* while it is used, and nobody else has it */
	struct arena arena;          /* of flows */
	struct labeller *others;     /* of the other parts, if this is the first one's: a list */
	bool hurry;
	bool off; /* nDPI ran out of memory and must not be called any more */
	struct label_counters counters;
	uint16_t free; /* slots: the first of those that nobody has, the oldest and the newest of the others; 0 none */
	uint16_t oldest;
	uint16_t newest;
	uint16_t shelves;
	struct slot *shelf[SHELVES];
	unsigned verdicts;
	struct verdict verdict[VERDICTS];
	uint8_t packet[HEADERS + LOOK_MOST];
};

/* What is to be asked of nDPI, in one piece. */
struct question {
	void (*ask)(struct labeller *l, const struct question *question);
	struct labeller *labeller;
	struct slot *slot;
	uint64_t ms;
	uint16_t length; /* of l->packet */
	bool from_server;
};

static void put(void *user)
{
	const struct question *question = user;

	question->ask(question->labeller, question);
}

/* False if memory ran out: nothing will be asked any more. */
static bool ask(struct labeller *l, struct question *question)
{
	question->labeller = l;
	l->off = !detectors_call(&l->arena, put, question);
	return !l->off;
}

/* What nDPI may want when there is nothing fresh left.  False: it is not there. */
static bool set_aside(struct labeller *l)
{
	void *spare[SPARES + SPARES / 2];
	bool all = true;

	for (unsigned i = 0; i < sizeof spare / sizeof *spare; i++)
		all &= (spare[i] = arena_get(&l->arena, SPARE)) != NULL;
	for (unsigned i = 0; i < sizeof spare / sizeof *spare; i++)
		arena_put(&l->arena, spare[i]);
	return all;
}

static void ask_look(struct labeller *l, const struct question *question)
{
	ndpi_look(l->detector->module, &question->slot->flow, l->packet, question->length, question->ms, question->from_server);
}

static void ask_last_word(struct labeller *l, const struct question *question)
{
	ndpi_last_word(l->detector->module, &question->slot->flow);
}

static void ask_forget(struct labeller *l, const struct question *question)
{
	(void)l;
	ndpi_free_flow_data(&question->slot->flow);
}

/* ---- slots ---- */

static struct slot *slot_at(const struct labeller *l, uint16_t number)
{
	return &l->shelf[(number - 1) / SHELF][(number - 1) % SHELF];
}

static bool add_shelf(struct labeller *l)
{
	struct slot *shelf;

	if (l->shelves == SHELVES || arena_fresh(&l->arena) < l->arena.cap / 4 ||
	    (shelf = arena_get(&l->arena, SHELF * sizeof *shelf)) == NULL)
		return false;
	l->shelf[l->shelves] = shelf;
	for (unsigned i = SHELF; i-- > 0;) {
		shelf[i].newer = l->free;
		l->free = (uint16_t)(l->shelves * SHELF + i + 1);
	}
	l->shelves++;
	return true;
}

/* Is there memory for whatever nDPI may want for one packet?  The last of it is in spares, which come back with their flows. */
static bool ready(const struct labeller *l)
{
	return !l->off && (arena_fresh(&l->arena) >= RESERVE || arena_spares(&l->arena, SPARE, SPARES));
}

/* A slot for the connection whose note this is; there is a free one. */
static struct slot *take_slot(struct labeller *l, uint16_t *note)
{
	*note = l->free;
	struct slot *slot = slot_at(l, *note);
	l->free = slot->newer;
	memset(slot, 0, sizeof *slot);
	slot->next[0] = slot->next[1] = 1;
	slot->note = note;
	slot->older = l->newest;
	*(l->newest ? &slot_at(l, l->newest)->newer : &l->oldest) = *note;
	l->newest = *note;
	return slot;
}

static void release_slot(struct labeller *l, uint16_t number)
{
	struct slot *slot = slot_at(l, number);

	if (l->off || !ask(l, &(struct question){.ask = ask_forget, .slot = slot}))
		return;
	*(slot->older ? &slot_at(l, slot->older)->newer : &l->oldest) = slot->newer;
	*(slot->newer ? &slot_at(l, slot->newer)->older : &l->newest) = slot->older;
	slot->newer = l->free;
	l->free = number;
}

/* ---- verdicts ---- */

/* Names belong to the module, and stay.  NULL for what is no name. */
static const char *name_of(struct labeller *l, uint16_t proto)
{
	return proto == NDPI_PROTOCOL_UNKNOWN ? NULL : ndpi_get_proto_name(l->detector->module, proto);
}

/* The note of this verdict, NO_LABEL if there are too many. */
static uint16_t verdict_for(struct labeller *l, struct found found, unsigned confidence)
{
	unsigned at = (found.proto * 31u + found.service * 7u + confidence) % VERDICTS;

	for (; l->verdict[at].confidence != TCPAUDIT_LABEL_NONE; at = (at + 1) % VERDICTS) {
		const struct verdict *v = &l->verdict[at];
		if (v->found.proto == found.proto && v->found.service == found.service && v->confidence == confidence)
			return (uint16_t)(DECIDED + at);
	}
	if (l->verdicts == VERDICTS / 2)
		return found.service ? verdict_for(l, (struct found){found.proto, 0}, confidence) : NO_LABEL;
	l->verdicts++;
	l->verdict[at] = (struct verdict){.found = found,
	                                  .confidence = (uint8_t)confidence,
	                                  .proto = name_of(l, found.proto),
	                                  .service = name_of(l, found.service)};
	return (uint16_t)(DECIDED + at);
}

/* nDPI calls by these names whatever goes over their ports, and says that it was the text. */
static bool by_port_alone(const char *name)
{
	static const char *const names[] = {"LLMNR", "MDNS", "TargusDataspeed", "Whois-DAS"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (name != NULL && strcmp(name, names[i]) == 0)
			return true;
	return name == NULL;
}

/* What nDPI has found so far, NO_LABEL nothing. */
static uint16_t verdict_of(struct labeller *l, const struct slot *slot)
{
	struct found found = ndpi_found(&slot->flow);
	enum tcpaudit_label_confidence confidence = ndpi_confidence(&slot->flow);

	if (found.proto == NDPI_PROTOCOL_UNKNOWN || confidence == TCPAUDIT_LABEL_NONE || by_port_alone(name_of(l, found.proto)))
		return NO_LABEL;
	return verdict_for(l, found, confidence);
}

/* The note stands for a verdict from now on. */
static void decide(struct labeller *l, uint16_t *note, uint16_t verdict)
{
	release_slot(l, *note);
	*note = verdict;
	if (verdict != NO_LABEL)
		l->counters.named++;
	else
		l->counters.unnamed++;
}

/* Without an answer: nDPI was not asked, or cannot be any more. */
static void leave_undecided(struct labeller *l, uint16_t *note)
{
	if (*note && !l->off)
		release_slot(l, *note);
	*note = NO_LABEL;
	l->counters.off++;
}

/* nDPI takes microseconds for a text, and the packets that wait do not. */
static void shed(struct labeller *l, uint16_t *note)
{
	leave_undecided(l, note);
	l->counters.off--;
	l->counters.shed++;
}

/* No more text will come. */
static void conclude(struct labeller *l, uint16_t *note)
{
	struct slot *slot = slot_at(l, *note);

	if (l->off || !ask(l, &(struct question){.ask = ask_last_word, .slot = slot}))
		leave_undecided(l, note);
	else
		decide(l, note, verdict_of(l, slot));
}

/* Has the oldest undecided connections give way until there is memory and a slot for another one. */
static bool make_way(struct labeller *l, bool needs_slot)
{
	for (unsigned i = 0; i < MAKE_WAY && !l->off; i++) {
		if (ready(l) && (!needs_slot || l->free != 0 || add_shelf(l)))
			return true;
		if (l->oldest == 0)
			return false;
		uint64_t unnamed = l->counters.unnamed;
		conclude(l, slot_at(l, l->oldest)->note);
		l->counters.off += l->counters.unnamed - unnamed; /* more of it might have told */
		l->counters.unnamed = unnamed;
	}
	return false;
}

/* ---- packets ---- */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* An IPv4 address goes as the IPv6 address that translates it (RFC 6052 2.1). */
static void write_address(uint8_t *p, const struct tcpaudit_segment *s, const struct tcpaudit_address *address)
{
	static const uint8_t translated[12] = {0, 0x64, 0xff, 0x9b};

	if (s->ip_version == 4) {
		memcpy(p, translated, 12);
		memcpy(p + 12, address, 4);
	} else {
		memcpy(p, address, 16);
	}
}

/* Always IPv6: IPv4 addresses would be looked up in tables of who owns them, and whatever that says was not seen in the text. */
static void write_ip(uint8_t *p, const struct tcpaudit_segment *s, unsigned length)
{
	memset(p, 0, 8);
	p[0] = 0x60;
	put16(p + 4, length);
	p[6] = IPPROTO_TCP;
	p[7] = s->ttl;
	write_address(p + 8, s, &s->src);
	write_address(p + 24, s, &s->dst);
}

/* A client's port says nothing, but some of nDPI's dissectors take it for a service's: it gets one that no service has. */
static void write_tcp(uint8_t *p, const struct tcpaudit_segment *s, unsigned from, uint32_t seq, uint32_t ack)
{
	unsigned client = 0xc000 | (from == TCPAUDIT_CLIENT ? s->src_port : s->dst_port);

	memset(p, 0, 20);
	put16(p, from == TCPAUDIT_CLIENT ? client : s->src_port);
	put16(p + 2, from == TCPAUDIT_CLIENT ? s->dst_port : client);
	put32(p + 4, seq);
	put32(p + 8, ack);
	p[12] = 5 << 4;
	p[13] = TCPAUDIT_PSH | TCPAUDIT_ACK;
	put16(p + 14, 65535);
}

/* The packet as nDPI gets it; checksums are not filled in, it asks for none. */
static uint16_t write_packet(struct labeller *l, struct slot *slot, const struct tcpaudit_segment *s, unsigned from,
                             const uint8_t *text, uint32_t length)
{
	write_ip(l->packet, s, 20 + length);
	write_tcp(l->packet + 40, s, from, slot->next[from], slot->next[!from]);
	memcpy(l->packet + HEADERS, text, length);
	slot->next[from] += length;
	return (uint16_t)(HEADERS + length);
}

/* ---- what the engine calls ---- */

/* A protocol shows itself in the first message of each end; where they speak in lines, it may take a few more.  What nDPI
 * cannot name costs it 2 or 3 us a segment, so it does not get to see what is unlikely to help. */
static bool enough(const struct slot *slot, const uint8_t *text, uint32_t length)
{
	unsigned looks = slot->looks[0] + slot->looks[1];

	if (text[length - 1] == '\n')
		return looks >= LOOKS_AT_LINES;
	return looks >= LOOKS || (slot->looks[0] > 0 && slot->looks[1] > 0);
}

/* A detector that has run out of memory does not come back. */
static bool borrow_detector(struct labeller *l)
{
	return !l->off && (l->detector = detectors_borrow(l->detectors)) != NULL;
}

static void give_detector_back(struct labeller *l)
{
	if (!l->off)
		detectors_give_back(l->detectors, l->detector);
}

static void look_at(struct labeller *l, uint16_t *note, const struct tcpaudit_segment *s, unsigned from, const uint8_t *text,
                    uint32_t length)
{
	if (!make_way(l, *note == 0)) {
		leave_undecided(l, note);
		return;
	}
	if (*note >= DECIDED)
		return; /* just now */
	struct slot *slot = *note ? slot_at(l, *note) : take_slot(l, note);
	struct question look = {.ask = ask_look, .slot = slot, .ms = (uint64_t)s->time / 1000000, .from_server = from};

	look.length = write_packet(l, slot, s, from, text, length < LOOK_MOST ? length : LOOK_MOST);
	if (slot->looks[from]++ == 0 && length >= LINE_MOST &&
	    memchr(text, '\n', length < LOOK_MOST ? length : LOOK_MOST) == NULL)
		ndpi_no_lines(&slot->flow);
	if (!ask(l, &look)) {
		leave_undecided(l, note);
		return;
	}
	uint16_t verdict = verdict_of(l, slot);
	if (verdict != NO_LABEL)
		decide(l, note, verdict);
	else if (enough(slot, text, length))
		conclude(l, note);
}

static bool take_text(void *user, uint16_t *note, const struct tcpaudit_segment *s, unsigned from, const uint8_t *text,
                      uint32_t length)
{
	struct labeller *l = user;

	if (*note >= DECIDED)
		return true; /* it gave way */
	if (l->hurry) {
		shed(l, note);
	} else if (borrow_detector(l)) {
		look_at(l, note, s, from, text, length);
		give_detector_back(l);
	} else {
		leave_undecided(l, note);
	}
	return *note >= DECIDED;
}

static void take_end(void *user, uint16_t *note)
{
	struct labeller *l = user;

	if (*note >= DECIDED)
		return;
	if (borrow_detector(l)) {
		conclude(l, note);
		give_detector_back(l);
	} else {
		leave_undecided(l, note);
	}
}

static struct tcpaudit_label tell(void *user, uint16_t note)
{
	if (note == NO_LABEL)
		return (struct tcpaudit_label){0};
	const struct verdict *v = &((const struct labeller *)user)->verdict[note - DECIDED];
	return (struct tcpaudit_label){.proto = v->proto, .service = v->service, .confidence = v->confidence};
}

/* ---- life ---- */

const char *label_library(void)
{
	static char name[64];

	snprintf(name, sizeof name, "nDPI %s", ndpi_revision());
	return name;
}

static void labeller_free(struct labeller *l)
{
	arena_fini(&l->arena);
	free(l);
}

/* `memory`: of flows. */
static struct labeller *labeller_new(struct detectors *detectors, uint64_t memory, void *(*allocate)(size_t size))
{
	struct labeller *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->detectors = detectors;
	arena_init(&l->arena, memory, allocate);
	if (set_aside(l))
		return l;
	labeller_free(l);
	return NULL;
}

struct labeller *label_new(const struct label_options *options, char **error)
{
	const uint64_t memory = options->memory != 0 ? options->memory : LABEL_MEMORY;
	struct detectors *detectors = detectors_new(memory, options->allocate);
	struct labeller *l = NULL;

	*error = NULL;
	if (detectors != NULL)
		l = labeller_new(detectors, memory - detectors_memory_each(detectors), options->allocate);
	if (l != NULL)
		return l;
	detectors_free(detectors);
	if (asprintf(error, "application labels need more memory than there is (--no-dpi does without)") < 0)
		*error = NULL;
	return NULL;
}

/* The first part keeps this one; what it may take is shared out. */
static bool take_part(void *user, unsigned i, unsigned parts, struct tcpaudit_labeller *functions)
{
	struct labeller *first = user, *l = first;

	if (i == 0) {
		first->arena.cap = first->arena.cap / parts > PART_LEAST ? first->arena.cap / parts : PART_LEAST;
	} else {
		if ((l = labeller_new(first->detectors, first->arena.cap, first->arena.allocate)) == NULL)
			return false;
		l->others = first->others;
		first->others = l;
	}
	*functions = label_functions(l);
	return true;
}

struct tcpaudit_labeller label_functions(struct labeller *l)
{
	return (struct tcpaudit_labeller){.user = l, .text = take_text, .end = take_end, .label = tell, .part = take_part};
}

void label_hurry(struct labeller *l, bool hurry)
{
	if (l != NULL)
		l->hurry = hurry;
}

void label_count(const struct labeller *l, struct label_counters *counters)
{
	*counters = (struct label_counters){.memory = l != NULL ? detectors_memory(l->detectors) : 0};
	for (; l != NULL; l = l->others) {
		label_counters_add(counters, &l->counters);
		counters->memory += l->arena.taken + sizeof *l;
	}
}

void label_free(struct labeller *l)
{
	if (l == NULL)
		return;
	detectors_free(l->detectors);
	for (struct labeller *next; l != NULL; l = next) {
		next = l->others;
		labeller_free(l);
	}
}
