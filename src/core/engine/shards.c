/* shards.c - see shards.h. */
#include "shards.h"

#include <stdlib.h>
#include <string.h>

#include "outbox.h"
#include "reader.h"
#include "flow/flow_order.h"
#include "flow/prefetch.h"

#define SECOND     1000000000ll
#define LONGEST    (3 * SECOND) /* of a round */
#define SMALL      128          /* segments that are not worth waking anybody */
#define AT_ONCE    256          /* reports of one part that wait until it is their turn */
#define LOOKS      64           /* at what is due, until these are counted */
#define BEHIND_ALL UINT32_MAX   /* tick: at the end */
#define AHEAD      8            /* of what was learnt: written by others, it is far away */

#define ROUND_SEGMENTS (TCPAUDIT_ROUND * BATCH)

/* What connections have learnt in a round.  Each part writes into a place of its own, one behind the other; the order of segments is
 * found out when all are done. */
struct lesson {
	struct learnt learnt[ROUND_SEGMENTS];
	uint16_t segment[ROUND_SEGMENTS]; /* which told it */
	unsigned count;                   /* of what was learnt */
	uint16_t order[ROUND_SEGMENTS];   /* of it, by segment */
	unsigned verdicts;
	struct {
		unsigned learnt;
		struct verdict verdict;
	} verdict[ROUND_SEGMENTS];
};

enum { IN_TURN, BROUGHT, BOXES };

struct part {
	struct tcpaudit *engine;
	struct outbox box[BOXES]; /* what time brings, in order; and what segments do */
	struct outbox *to;
	struct lesson *lesson; /* of this round */
	unsigned lesson_begin; /* its place there, and what of it is filled */
	unsigned lesson_end;
	unsigned judging; /* segment */
	uint16_t *segment; /* of the round, in order: batch * BATCH + place */
	unsigned segments;
	bool more; /* is due */
	uint64_t *left; /* connections at the end, by age */
	uint64_t lefts, at;
	uint32_t cursor;
} __attribute__((aligned(64)));

struct shards {
	struct tcpaudit_team team;
	struct tcpaudit_sink sink;
	struct tcpaudit_batch *const *batch; /* of this round */
	unsigned batches;
	int64_t quiet_until;                 /* nothing is due before */
	int64_t longest;                     /* round, ns */
	struct tcpaudit *whole;
	struct lesson *lesson[2]; /* of this round, and of the one before, which is still to be compared */
	unsigned count;
	struct part part[];
};

/* ---- a part's engine tells ---- */

void part_orders(struct part *part, uint32_t tick, uint64_t number)
{
	part->to->order = (struct order){tick, number};
}

void part_is_judging(struct part *part, int64_t now, uint64_t ordinal)
{
	part->to = &part->box[BROUGHT];
	part_orders(part, flow_tick_behind(now) - 1, ordinal | UINT64_C(1) << 63);
}

void part_tells(struct part *part, int64_t at)
{
	part->to->time = at;
}

static void keep_connection(void *user, const struct tcpaudit_connection *connection)
{
	outbox_connection(((struct part *)user)->to, connection);
}

static void keep_finding(void *user, const struct tcpaudit_finding *finding)
{
	outbox_finding(((struct part *)user)->to, finding);
}

struct learnt *part_learns(struct part *p)
{
	p->lesson->segment[p->lesson_end] = (uint16_t)p->judging;
	return &p->lesson->learnt[p->lesson_end++];
}

/* ---- building ---- */

static struct tcpaudit_settings part_of(const struct tcpaudit_settings *settings, unsigned parts)
{
	struct tcpaudit_settings part = *settings;

	part.memcap = settings->memcap ? (settings->memcap - front_share(settings->memcap)) / parts : 0;
	part.in_order = false; /* that is seen to here */
	return part;
}

/* Whoever has labels has them in each part. */
static bool open_labeller(struct part *p, const struct tcpaudit_labeller *whole, unsigned i, unsigned parts)
{
	struct tcpaudit_labeller own;

	if (!whole->text)
		return true;
	if (!whole->part(whole->user, i, parts, &own))
		return false;
	tcpaudit_set_labeller(p->engine, &own);
	return true;
}

static bool open_part(struct part *p, const struct tcpaudit_settings *settings, const struct tcpaudit_sink *sink, unsigned parts)
{
	const struct tcpaudit_sink own = {.user = p,
	                                  .connection_end = sink->connection_end ? keep_connection : NULL,
	                                  .finding = sink->finding ? keep_finding : NULL};

	p->to = &p->box[IN_TURN];
	p->engine = engine_new(settings, &own, p);
	if (p->engine)
		flow_table_shares(p->engine->table, parts);
	p->segment = malloc(TCPAUDIT_ROUND * BATCH * sizeof *p->segment);
	return p->engine && p->segment;
}

struct shards *shards_new(struct tcpaudit *engine, unsigned parts, const struct tcpaudit_team *team)
{
	size_t size = sizeof(struct shards) + parts * sizeof(struct part);
	struct shards *s = aligned_alloc(64, (size + 63) & ~(size_t)63);
	const struct tcpaudit_settings settings = part_of(&engine->settings, parts);

	if (!s)
		return NULL;
	memset(s, 0, size);
	s->whole = engine;
	s->team = *team;
	for (unsigned i = 0; i < 2; i++)
		if ((s->lesson[i] = aligned_alloc(_Alignof(struct lesson), sizeof *s->lesson[i])))
			s->lesson[i]->count = s->lesson[i]->verdicts = 0;
	if (!s->lesson[0] || !s->lesson[1]) {
		shards_free(s);
		return NULL;
	}
	s->sink = engine->sink;
	s->longest = engine_calm(engine) < LONGEST ? engine_calm(engine) : LONGEST;
	for (; s->count < parts; s->count++)
		if (!open_part(&s->part[s->count], &settings, &s->sink, parts) ||
		    !open_labeller(&s->part[s->count], &engine->labeller, s->count, parts)) {
			s->count++;
			shards_free(s);
			return NULL;
		}
	return s;
}

void shards_free(struct shards *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++) {
		struct part *p = &s->part[i];
		tcpaudit_free(p->engine);
		for (unsigned k = 0; k < BOXES; k++)
			outbox_free(&p->box[k]);
		free(p->segment);
		free(p->left);
	}
	free(s->lesson[0]);
	free(s->lesson[1]);
	free(s);
}

void shards_configure(struct shards *s, const struct tcpaudit_settings *settings)
{
	struct tcpaudit_settings part = part_of(settings, s->count);

	for (unsigned i = 0; i < s->count; i++)
		tcpaudit_configure(s->part[i].engine, &part);
}

void shards_count(const struct shards *s, struct tcpaudit_counters *counters)
{
	counters->memory += 2 * sizeof *s->lesson[0];
	for (unsigned i = 0; i < s->count; i++) {
		const struct part *p = &s->part[i];
		struct tcpaudit_counters own;
		tcpaudit_counters(p->engine, &own);
		tcpaudit_counters_add(counters, &own);
		counters->memory += TCPAUDIT_ROUND * BATCH * sizeof *p->segment + p->lefts * FLOW_ORDER_EACH;
		for (unsigned k = 0; k < BOXES; k++) {
			counters->memory += p->box[k].size + p->box[k].room * sizeof(struct letter);
			counters->untold += p->box[k].untold;
		}
	}
}

/* ---- telling ---- */

/* Reports behind the last one of a part that has more wait: the next may come before them. */
static bool is_in_reach(const struct shards *s, struct order order)
{
	for (unsigned i = 0; i < s->count; i++) {
		const struct outbox *o = &s->part[i].box[IN_TURN];
		if (s->part[i].more && (!o->count || order_before(o->letter[o->count - 1].order, order)))
			return false;
	}
	return true;
}

static struct outbox *first_of(struct shards *s)
{
	struct outbox *first = NULL;

	for (unsigned i = 0; i < s->count; i++)
		for (unsigned k = 0; k < BOXES; k++) {
			struct outbox *o = &s->part[i].box[k];
			const struct letter *letter = outbox_next(o);
			if (letter && (!first || order_before(letter->order, outbox_next(first)->order)))
				first = o;
		}
	return first;
}

/* The user's own rules speak last of a connection, and to whoever is told of it: what limits allow depends on the order. */
static void tell_next(struct shards *s, struct outbox *o)
{
	struct tcpaudit_connection *ended = outbox_ended(o);

	if (ended && s->whole->settings.points)
		engine_ask_at_the_end(s->whole, 0, 0, outbox_next(o)->time, ended);
	outbox_tell(o, &s->sink);
}

static void tell(struct shards *s)
{
	struct outbox *o;

	for (unsigned i = 0; i < s->count; i++)
		outbox_sort(&s->part[i].box[BROUGHT]);
	while ((o = first_of(s)) && is_in_reach(s, outbox_next(o)->order))
		tell_next(s, o);
	for (unsigned i = 0; i < s->count; i++)
		for (unsigned k = 0; k < BOXES; k++)
			outbox_clear(&s->part[i].box[k]);
}

/* ---- what connections have learnt ---- */

/* Puts what the parts have learnt in the order of segments, of which each has told of one thing at most. */
static void put_in_order(struct shards *s, struct lesson *l)
{
	uint64_t told[ROUND_SEGMENTS / 64] = {0};
	uint16_t by[ROUND_SEGMENTS];

	for (unsigned i = 0; i < s->count; i++)
		for (unsigned k = s->part[i].lesson_begin; k < s->part[i].lesson_end; k++) {
			told[l->segment[k] / 64] |= UINT64_C(1) << l->segment[k] % 64;
			by[l->segment[k]] = (uint16_t)k;
		}
	for (unsigned word = 0; word < ROUND_SEGMENTS / 64; word++)
		for (uint64_t left = told[word]; left; left &= left - 1)
			l->order[l->count++] = by[word * 64 + (unsigned)__builtin_ctzll(left)];
}

/* Between rounds: twins are the one thing that later segments of the same round ask for. */
static void meet(struct shards *s, struct lesson *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (i + AHEAD < l->count)
			__builtin_prefetch(&l->learnt[l->order[i + AHEAD]]);
		hosts_meet(&s->whole->hosts, &l->learnt[l->order[i]], &s->whole->counters);
	}
}

/* Beside the next round: nobody else touches what hosts have in common. */
static void compare(struct shards *s, struct lesson *l)
{
	struct tcpaudit *e = s->whole;

	for (unsigned i = 0; i < l->count; i++) {
		if (i + AHEAD < l->count)
			prefetch_lines(&l->learnt[l->order[i + AHEAD]], sizeof l->learnt[0]);
		l->verdict[l->verdicts].learnt = l->order[i];
		l->verdicts += hosts_compare(&e->hosts, &l->learnt[l->order[i]], &e->settings, &e->counters, &l->verdict[l->verdicts].verdict);
	}
}

/* Behind it. */
static void conclude(struct lesson *l)
{
	for (unsigned i = 0; i < l->verdicts; i++)
		hosts_tell(&l->learnt[l->verdict[i].learnt], &l->verdict[i].verdict);
	l->verdicts = l->count = 0;
}

/* Whatever was learnt is known now. */
static void conclude_all(struct shards *s)
{
	compare(s, s->lesson[1]);
	conclude(s->lesson[1]);
}

/* ---- what is due ---- */

static bool some_have_more(const struct shards *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->part[i].more)
			return true;
	return false;
}

static void look_at_part(struct part *p)
{
	p->to = &p->box[IN_TURN];
	p->more = engine_expire(p->engine, LOOKS);
}

/* A part's, until enough of it waits. */
static void expire_part(void *user, unsigned i)
{
	struct part *p = &((struct shards *)user)->part[i];

	while (p->more && p->box[IN_TURN].count < AT_ONCE)
		look_at_part(p);
}

static void pass_to(struct shards *s, int64_t now)
{
	for (unsigned i = 0; i < s->count; i++)
		s->part[i].engine->now = now;
}

/* Reports all that is due, as a single engine does when it gets that far. */
static void expire(struct shards *s, int64_t now)
{
	if (now < s->quiet_until)
		return;
	conclude_all(s);
	pass_to(s, now);
	for (unsigned i = 0; i < s->count; i++)
		look_at_part(&s->part[i]);
	for (tell(s); some_have_more(s); tell(s)) /* else it is not worth waking anybody */
		s->team.run(s->team.user, expire_part, s, s->count);
	s->quiet_until = flow_next_tick(now);
}

/* ---- segments ---- */

static const struct packed *packed_of(const struct shards *s, unsigned segment)
{
	return &s->batch[segment / BATCH]->packed;
}

/* By the highest octet of its hash; the index of the table goes by the low bits. */
static struct part *part_for(struct shards *s, uint8_t high)
{
	return &s->part[high * s->count >> 8];
}

IN_PLACE void fetch_packed(const struct shards *s, const struct part *p, unsigned k)
{
	if (k < p->segments)
		packed_prefetch(packed_of(s, p->segment[k]), p->segment[k] % BATCH);
}

/* Opens a part's next segment, and has its bucket brought on its way. */
static void open_segment(const struct shards *s, struct part *p, unsigned k)
{
	struct batch *b = &p->engine->batch[k / BATCH % 2];

	if (k >= p->segments)
		return;
	packed_open(packed_of(s, p->segment[k]), p->segment[k] % BATCH, b, k % BATCH);
	flow_prefetch_bucket(p->engine->table, b->hash[k % BATCH]);
}

static void judge_one(struct part *p, unsigned segment, int64_t now, struct batch *b, unsigned i, struct likely likely)
{
	p->judging = segment;
	p->engine->now = now;
	engine_judge(p->engine, b, i, likely);
}

static void fetch_heads(const struct shards *s)
{
	for (unsigned k = 0; k < s->batches; k++)
		packed_prefetch_head(&s->batch[k]->packed);
	HAPPENS;
}

/* A part's segments of the round. */
static void judge_part(struct shards *s, struct part *p)
{
	struct likely likely[BATCH];

	fetch_heads(s);
	for (unsigned k = 0; k < 2 * BATCH; k++)
		fetch_packed(s, p, k);
	for (unsigned k = 0; k < BATCH; k++)
		open_segment(s, p, k);
	for (unsigned from = 0; from < p->segments; from += BATCH) {
		struct batch *b = &p->engine->batch[from / BATCH % 2];
		b->count = from + BATCH < p->segments ? BATCH : p->segments - from;
		engine_find(p->engine, b, likely);
		for (unsigned i = 0; i < b->count; i++) {
			unsigned segment = p->segment[from + i];
			fetch_packed(s, p, from + i + 2 * BATCH);
			open_segment(s, p, from + i + BATCH);
			engine_fetch(p->engine, b, likely, i);
			judge_one(p, segment, packed_clock(packed_of(s, segment), segment % BATCH), b, i, likely[i]);
		}
	}
}

/* Behind the parts comes what nobody can help with. */
static void do_part(void *user, unsigned i)
{
	struct shards *s = user;

	if (i == s->count)
		compare(s, s->lesson[1]);
	else
		judge_part(s, &s->part[i]);
}

/* ---- rounds ---- */

static void distribute(struct shards *s, unsigned number, const struct packed *packed)
{
	for (unsigned i = 0; i < packed->count; i++) {
		struct part *p = part_for(s, packed->high[i]);
		p->segment[p->segments++] = (uint16_t)(number * BATCH + i);
	}
}

static void round_of(struct tcpaudit *e, struct shards *s, struct tcpaudit_batch *const *batches, unsigned count)
{
	unsigned segments = 0;

	s->batch = batches;
	s->batches = count;
	fetch_heads(s);
	for (unsigned i = 0; i < s->count; i++)
		s->part[i].segments = 0;
	for (unsigned k = 0; k < count; k++)
		distribute(s, k, &batches[k]->packed);
	for (unsigned i = 0; i < s->count; i++) {
		struct part *p = &s->part[i];
		p->lesson = s->lesson[0];
		p->lesson_begin = p->lesson_end = segments;
		segments += p->segments;
	}
	if (segments >= SMALL)
		s->team.run(s->team.user, do_part, s, s->count + 1);
	else
		for (unsigned i = 0; i <= s->count; i++)
			do_part(s, i);
	conclude(s->lesson[1]);
	put_in_order(s, s->lesson[0]);
	meet(s, s->lesson[0]);
	struct lesson *learnt = s->lesson[0];
	s->lesson[0] = s->lesson[1];
	s->lesson[1] = learnt;
	e->now = batches[count - 1]->packed.now;
	tell(s);
}

static void note_loss(struct shards *s, int64_t from, int64_t to)
{
	for (unsigned i = 0; i < s->count; i++)
		losses_add(&s->part[i].engine->losses, from, to);
}

void shards_lost(struct shards *s, const struct losses *losses)
{
	for (unsigned i = 0; i < s->count; i++)
		s->part[i].engine->losses = *losses;
}

/* A batch in which anything may depend on anything. */
static void one_by_one(struct tcpaudit *e, struct shards *s, struct tcpaudit_batch *const *batch)
{
	const struct packed *packed = &(*batch)->packed;
	struct likely likely[BATCH];

	conclude_all(s);
	for (unsigned i = 0; i < packed->count; i++)
		flow_prefetch_bucket(part_for(s, packed->high[i])->engine->table, packed->segment[i].hash);
	for (unsigned i = 0; i < packed->count; i++)
		likely[i] = flow_likely(part_for(s, packed->high[i])->engine->table, packed->segment[i].hash);
	for (unsigned place = 0, i = 0; place < packed->frames; place++) {
		if (packed->lost >> place & 1)
			note_loss(s, e->now, packed->clock[place]);
		e->now = packed->clock[place];
		expire(s, e->now);
		if (i == packed->count || packed->segment[i].place != place)
			continue;
		struct part *p = part_for(s, packed->high[i]);
		p->lesson = s->lesson[1];
		p->lesson_begin = p->lesson_end = 0;
		packed_open(packed, i, &p->engine->batch[0], 0);
		judge_one(p, 0, e->now, &p->engine->batch[0], 0, likely[i]);
		if (p->lesson_end) {
			p->lesson->order[p->lesson->count++] = 0;
			meet(s, p->lesson);
			conclude_all(s);
		}
		i++;
	}
	e->now = packed->now;
	tell(s);
}

static bool joins(const struct shards *s, const struct packed *packed, int64_t begin)
{
	return !packed->lost && packed->now - begin < s->longest && packed->now < flow_next_tick(begin);
}

/* How many of the batches make a round. */
static unsigned length_of_round(const struct shards *s, struct tcpaudit_batch *const *batches, unsigned count)
{
	unsigned length = 0;

	while (length < count && length < TCPAUDIT_ROUND && joins(s, &batches[length]->packed, batches[0]->packed.begin))
		length++;
	return length;
}

static void begin(struct tcpaudit *e, struct shards *s, const struct packed *packed)
{
	if (e->started || !packed->frames)
		return;
	engine_start(e, packed->first);
	for (unsigned i = 0; i < s->count; i++)
		engine_start(s->part[i].engine, packed->first);
}

void shards_judge(struct tcpaudit *e, struct tcpaudit_batch *const *batches, unsigned count)
{
	struct shards *s = e->shards;

	for (unsigned done = 0, length; done < count; done += length) {
		begin(e, s, &batches[done]->packed);
		length = length_of_round(s, batches + done, count - done);
		if (length) {
			expire(s, batches[done]->packed.begin);
			round_of(e, s, batches + done, length);
		} else {
			one_by_one(e, s, batches + done);
			length = 1;
		}
	}
}

/* ---- the end ---- */

static void prepare_end(void *user, unsigned i)
{
	struct part *p = &((struct shards *)user)->part[i];
	struct flow_table *table = p->engine->table;
	uint64_t count = flow_count(table);

	p->to = &p->box[IN_TURN];
	p->engine->ended = true;
	flow_close(table);
	p->left = malloc((count ? count : 1) * FLOW_ORDER_EACH);
	p->lefts = p->left ? flow_order(table, p->left) : 0;
	p->more = count;
}

/* The next that is left; SLOT_NONE if there is none. */
static uint32_t next_left(struct part *p)
{
	const struct flow_table *table = p->engine->table;

	if (!p->left) /* no memory for the order */
		return flow_next(table, &p->cursor);
	if (p->at == p->lefts)
		return SLOT_NONE;
	flow_prefetch_slots(table, p->at + 2 < p->lefts ? flow_ordered(p->left[p->at + 2]) : SLOT_NONE,
	                    p->at + 1 < p->lefts ? flow_ordered(p->left[p->at + 1]) : SLOT_NONE);
	return flow_ordered(p->left[p->at++]);
}

static void end_some(void *user, unsigned i)
{
	struct part *p = &((struct shards *)user)->part[i];

	while (p->more && p->box[IN_TURN].count < AT_ONCE) {
		uint32_t slot = next_left(p);
		p->more = slot != SLOT_NONE;
		if (!p->more)
			break;
		part_orders(p, BEHIND_ALL, flow_entry(p->engine->table, slot)->id);
		engine_end(p->engine, slot);
	}
}

void shards_finish(struct tcpaudit *e)
{
	struct shards *s = e->shards;

	expire(s, e->now);
	conclude_all(s);
	pass_to(s, e->now);
	s->team.run(s->team.user, prepare_end, s, s->count);
	do {
		s->team.run(s->team.user, end_some, s, s->count);
		tell(s);
	} while (some_have_more(s));
}
