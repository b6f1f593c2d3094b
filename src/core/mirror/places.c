/* places.c - see places.h. */
#include <string.h>

#include "places.h"

struct places {
	uint16_t of[2]; /* the input that is nearest to each end */
	bool disagree;  /* by the clocks of both, segments came before they were sent */
};

/* A history as one end's own place has it, and what only the other place has. */
struct view {
	struct history history; /* its events are those below; all else is borrowed */
	struct event event[HISTORY_MOST];
	int8_t index[HISTORY_MOST]; /* where each stands in the whole history */
};

/* ---- copies ---- */

/* How many before event i are the same segment, at the same place: without an IP identification, one that is sent again may be. */
static unsigned rank_of(const struct history *h, int i)
{
	unsigned rank = 0;

	for (int k = 0; k < i; k++)
		rank += h->event[k].input == h->event[i].input && history_is_alike(&h->event[k], &h->event[i]);
	return rank;
}

/* The same segment as event i, at another place, the first for the first, the second for the second; -1 if it is not there. */
static int twin_at(const struct history *h, unsigned count, int i, uint16_t input)
{
	unsigned rank = rank_of(h, i);

	for (int k = 0; k < (int)count; k++)
		if (h->event[k].input == input && history_is_alike(&h->event[k], &h->event[i]) && !rank--)
			return k;
	return -1;
}

static unsigned copies_of(const struct history *h, int i)
{
	unsigned n = rank_of(h, i);

	for (int k = i; k < h->count; k++)
		n += h->event[k].input == h->event[i].input && history_is_alike(&h->event[k], &h->event[i]);
	return n;
}

/* ---- places ---- */

/* How long a segment of an end took from one place to the other, by the clocks of both; false: none is the same at both. */
static bool passage(const struct history *h, unsigned from, uint16_t here, uint16_t there, int64_t *took)
{
	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->from != from || e->input != here || e->is & (EVENT_PREDATES | EVENT_STRAY))
			continue;
		int k = twin_at(h, h->count, i, there);
		if (k < 0 || copies_of(h, i) != copies_of(h, k))
			continue;
		*took = h->event[k].time - e->time;
		return true;
	}
	return false;
}

/* Is it `here`, of the two, that is on the client's side?  Both ways together take time; by how much the clocks differ is added to the
 * one, and taken from the other (RFC 5905 8). */
static bool is_nearer_to_client(const struct history *h, uint16_t here, uint16_t there, bool *disagree)
{
	int64_t out, back;

	if (!passage(h, TCPAUDIT_CLIENT, here, there, &out) || !passage(h, TCPAUDIT_SERVER, there, here, &back) || out + back <= 0)
		return false;
	*disagree |= out < 0 || back < 0;
	return true;
}

#define PLACES_MOST 8 /* inputs that are looked at: each costs a search through all events */

/* Is it the first event of its input? */
static bool is_new(const struct history *h, int i)
{
	for (int k = 0; k < i; k++)
		if (h->event[k].input == h->event[i].input)
			return false;
	return true;
}

/* False: it was captured at one place, or what was kept does not tell. */
static bool find_places(const struct history *h, struct places *p)
{
	if (!h->count)
		return false;
	*p = (struct places){.of = {h->event[0].input, h->event[0].input}};
	for (int i = 1, n = 1; i < h->count && n < PLACES_MOST; i++) {
		uint16_t input = h->event[i].input;
		if (input == p->of[0] || input == p->of[1] || !is_new(h, i))
			continue;
		n++;
		if (is_nearer_to_client(h, input, p->of[TCPAUDIT_CLIENT], &p->disagree))
			p->of[TCPAUDIT_CLIENT] = input;
		if (is_nearer_to_client(h, p->of[TCPAUDIT_SERVER], input, &p->disagree))
			p->of[TCPAUDIT_SERVER] = input;
	}
	return p->of[0] != p->of[1];
}

bool places_disagree(const struct history *h)
{
	struct places places;

	return find_places(h, &places) && places.disagree;
}

/* ---- what one place has ---- */

/* What was found of the first copy is true of this one, too. */
static void take_over(struct event *near, const struct event *first)
{
	near->is = first->is & ~(uint32_t)EVENT_PREDATES;
	near->unusual = first->unusual;
	near->nxt = first->nxt;
	near->run = first->run;
}

/* Among copies from elsewhere, what came in order was taken for late, and for sent again: what is before it here tells. */
static void put_in_order(struct view *v, uint8_t n)
{
	const uint32_t depends = EVENT_OLD_ACK | EVENT_REORDERED | EVENT_REPEAT;
	struct event *e = &v->event[n];
	uint32_t is = 0;

	for (int k = 0; k < n; k++) {
		const struct event *o = &v->event[k];
		if (o->from != e->from || o->is & (EVENT_STRAY | EVENT_PREDATES | EVENT_ELSEWHERE))
			continue;
		is |= o->flags & e->flags & TCPAUDIT_ACK && seq_gt(o->ack, e->ack) ? EVENT_OLD_ACK : 0;
		is |= built_later(e, o) ? EVENT_REORDERED : 0;
		is |= seq_ge(event_end(o), event_end(e)) && !(o->flags & TCPAUDIT_RST) ? EVENT_REPEAT : 0;
	}
	e->is &= is | ~depends;
}

/* Which copy of a FIN is the first here: there may have been a later one that is the first elsewhere. */
static int8_t find_first_fin(struct view *v, unsigned x, const struct fin_facts *f)
{
	const uint16_t control = TCPAUDIT_FIN | TCPAUDIT_RST;
	int8_t first = -1;

	for (int i = 0; i < v->history.count; i++) {
		struct event *e = &v->event[i];
		if (e->from != x || (e->flags & control) != TCPAUDIT_FIN || e->is & EVENT_STRAY || seq_add(e->seq, e->len) != f->u)
			continue;
		e->is &= ~(uint32_t)EVENT_FIRST_FIN;
		e->is |= first < 0 ? EVENT_FIRST_FIN : 0;
		first = first < 0 ? (int8_t)i : first;
	}
	return first;
}

static int8_t moved(const int8_t *to, int8_t index)
{
	return index < 0 ? index : to[index];
}

static void move_facts(struct view *v, const int8_t *to)
{
	struct history *h = &v->history;

	for (unsigned x = 0; x < 2; x++) {
		struct fin_facts *f = &h->fin[x];
		int8_t *index[] = {&f->acked, &f->acked_wrong, &f->behind, &f->moved, &f->data_after};
		for (size_t k = 0; k < sizeof index / sizeof index[0]; k++)
			*index[k] = moved(to, *index[k]);
		f->first = f->first >= 0 ? find_first_fin(v, x, f) : -1;
	}
	h->first_reset = moved(to, h->first_reset);
	h->first_reset_any = moved(to, h->first_reset_any);
}

static void show(struct view *v, const struct history *h, int i, bool elsewhere)
{
	uint8_t n = v->history.count++;

	v->index[n] = (int8_t)i;
	v->event[n] = h->event[i];
	v->event[n].is |= elsewhere ? EVENT_ELSEWHERE : 0;
}

/* Of end x.  False: its place does not have all that it sent, and so is not its own, or was not captured all the time. */
static bool see(const struct history *h, unsigned count, unsigned x, const struct places *p, struct view *v)
{
	const uint16_t own = p->of[x];
	const uint16_t control = TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST;
	int8_t twin[HISTORY_MOST], to[HISTORY_MOST] = {0};
	bool closing = false; /* before that, not every copy is kept */

	memcpy(&v->history, h, offsetof(struct history, inside));
	v->history.event = v->event;
	v->history.count = 0;
	for (int i = 0; i < (int)count; i++) {
		const struct event *e = &h->event[i];
		bool far = e->input != own;
		twin[i] = (int8_t)(far && !(e->is & EVENT_PREDATES) ? twin_at(h, count, i, own) : -1);
		closing |= (e->flags & (TCPAUDIT_FIN | TCPAUDIT_RST)) != 0;
		to[i] = (int8_t)v->history.count;
		bool lone = far && twin[i] < 0, own_control = e->from == x && e->flags & control && !(e->is & EVENT_PREDATES);
		if (lone && own_control && !rank_of(h, i))
			return false;
		if (!far || (lone && !own_control && (e->from != x || !closing)))
			show(v, h, i, far && closing);
		else
			to[i] = -1;
	}
	for (int i = 0; i < (int)count; i++)
		if (twin[i] >= 0) {
			to[i] = to[twin[i]];
			if (i < twin[i])
				take_over(&v->event[to[i]], &h->event[i]);
		}
	for (uint8_t i = 0; i < v->history.count; i++)
		if (v->event[i].input == own && (v->event[i].from != x || p->disagree))
			put_in_order(v, i);
	move_facts(v, to);
	return true;
}

/* How long the end took for its answer in the handshake, there. */
static struct turnaround turnaround_of_end(const struct view *v, unsigned x, uint16_t own)
{
	struct turnaround t = {{TURNAROUND_UNKNOWN, TURNAROUND_UNKNOWN}};
	int64_t asked = INT64_MIN;

	for (int i = 0; i < v->history.count; i++) {
		const struct event *e = &v->event[i];
		if (e->input != own)
			continue;
		if (e->from != x && e->flags & TCPAUDIT_SYN && asked == INT64_MIN)
			asked = e->time;
		if (e->from == x && e->flags & TCPAUDIT_ACK && asked != INT64_MIN) {
			int64_t took = (e->time - asked) / 1000;
			t.of[x] = took >= 0 && took < TURNAROUND_UNKNOWN ? (uint32_t)took : TURNAROUND_UNKNOWN;
			break;
		}
	}
	return t;
}

/* Of steps that events of the view brought about. */
static void move_route(struct hypothesis *route, const struct view *v)
{
	for (int i = 0; i < route->count; i++) {
		struct step *step = &route->step[i];
		step->at = v->index[step->at];
		step->proof = (int8_t)(step->proof < 0 ? -1 : v->index[step->proof]);
	}
}

/* What the mirror that has run says of an end. */
static void tell(struct mirror *m, unsigned x, int64_t now, struct hypothesis *route)
{
	if (route)
		*route = mirror_route(m, x, now);
	else
		m->end[x].states = mirror_states(m, x);
}

static void follow(struct mirror *m, const struct captured *captured, unsigned x, int64_t now, struct hypothesis *route)
{
	struct mirror one;

	mirror_run(&one, captured, 1u << x);
	tell(&one, x, now, route);
	m->end[x] = one.end[x];
}

static void follow_view(struct mirror *m, const struct view *v, const struct captured *captured, unsigned x, uint16_t own, int64_t now,
                        struct hypothesis *route)
{
	struct tcb end[2] = {captured->end[0], captured->end[1]};
	const struct captured there = {.history = &v->history,
	                               .count = HISTORY_MOST,
	                               .end = end,
	                               .turnaround = turnaround_of_end(v, x, own),
	                               .midstream = captured->midstream};

	for (unsigned i = 0; i < 2; i++)
		end[i].bits &= ~(uint32_t)TCB_REPEATED; /* of every text there was a second copy */
	follow(m, &there, x, now, route);
	if (route)
		move_route(route, v);
}

/* In the order of clocks that disagree, what seems to prove may have come first. */
static void leave_unproven(struct hypothesis *route)
{
	for (int i = 0; i < route->count; i++)
		route->step[i].proof = -1;
}

void places_follow(struct mirror *m, const struct captured *captured, int64_t now, struct hypothesis route[2])
{
	const struct history *h = captured->history;
	const unsigned count = captured->count < h->count ? captured->count : h->count;
	struct places places;
	struct view view;

	if (!find_places(h, &places)) {
		mirror_run(m, captured, BOTH_ENDS);
		for (unsigned x = 0; x < 2; x++)
			tell(m, x, now, route ? &route[x] : NULL);
		return;
	}
	for (unsigned x = 0; x < 2; x++) {
		struct hypothesis *way = route ? &route[x] : NULL;
		if (!h->dropped && !h->copies_dropped && see(h, count, x, &places, &view) && view.history.count) {
			follow_view(m, &view, captured, x, places.of[x], now, way);
			continue;
		}
		follow(m, captured, x, now, way);
		if (places.disagree && way)
			leave_unproven(way);
	}
}
