/* history_room.c - where a history's events stand, and how room is made for another one.
 *
 * Of a run of segments that say the same the first and the newest are kept; where losses broke the runs, what stands between two that
 * say the same goes first.  What a segment is, history.c finds out. */
#include <stdlib.h>
#include <string.h>

#include "history_room.h"

void history_init(struct history *h)
{
	memset(h, 0, offsetof(struct history, inside));
	h->event = h->inside;
	h->room = HISTORY_INLINE;
	h->first_reset = h->first_reset_any = -1;
	h->idle = -1;
	for (int x = 0; x < 2; x++)
		h->fin[x].behind = h->fin[x].first = h->fin[x].acked = h->fin[x].acked_wrong = h->fin[x].moved = h->fin[x].data_after = -1;
}

void history_fini(struct history *h)
{
	if (h->event != h->inside)
		free(h->event);
	h->event = h->inside;
	free(h->before_reset);
	free(h->former);
	h->before_reset = NULL;
	h->former = NULL;
}

size_t history_memory(const struct history *h)
{
	size_t held = h->event != h->inside ? h->room * sizeof *h->event : 0;
	if (h->before_reset)
		held += sizeof *h->before_reset;
	if (h->former)
		held += sizeof *h->former;
	return held;
}

/* Doubles the room, up to the most. */
static bool grow(struct history *h)
{
	uint8_t room = (uint8_t)(h->room * 2 > HISTORY_MOST ? HISTORY_MOST : h->room * 2);
	struct event *grown = malloc(room * sizeof *grown);
	if (!grown)
		return false;
	memcpy(grown, h->event, h->count * sizeof *grown);
	if (h->event != h->inside)
		free(h->event);
	h->event = grown;
	h->room = room;
	return true;
}

static bool make_room(struct history *h)
{
	return h->count < h->room || (h->room < HISTORY_MOST && grow(h));
}

/* What a plain segment says of the close: segments of one class that follow each other say the same. */
static unsigned class_of(const struct history *h, const struct event *e)
{
	const struct fin_facts *own = &h->fin[e->from], *peer = &h->fin[!e->from];
	unsigned c = 0;
	if (peer->sent && e->flags & TCPAUDIT_ACK)
		c |= seq_le(e->ack, peer->u) ? (e->ack == peer->u ? 1u : 2u) : e->ack == seq_add(peer->u, 1) ? 3u : 4u;
	if (own->sent)
		c |= seq_lt(e->seq, own->u) ? 0x10u : e->seq == own->u ? 0x20u : e->seq == seq_add(own->u, 1) ? 0x30u : 0x40u;
	return c |
	       (e->is & (EVENT_NEW_TEXT | EVENT_REPEAT | EVENT_PROBE | EVENT_DUPLICATE | EVENT_STRAY | EVENT_KNOWS_ACK)) << 8 |
	       (e->len ? 0x80u : 0);
}

static bool is_plain(const struct event *e)
{
	return !(e->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST)) && e->flags & TCPAUDIT_ACK;
}

/* Finds the newest of the run that `e` continues, if nothing but newests stands behind it; -1 if e begins one. */
static int run_of(const struct history *h, const struct event *e, bool *first)
{
	*first = false;
	for (int i = h->count - 1; i >= 0; i--) {
		const struct event *o = &h->event[i];
		if (o->from != e->from || o->input != e->input) {
			if (!is_plain(o))
				return -1;
			continue;
		}
		if (!is_plain(o) || class_of(h, o) != class_of(h, e) || o->unusual != e->unusual)
			return -1;
		*first = !(o->is & EVENT_NEWEST);
		return i;
	}
	return -1;
}

/* Indices that point above `after` move by `by`. */
static void shift_indices(struct history *h, int after, int by)
{
	for (int x = 0; x < 2; x++) {
		struct fin_facts *f = &h->fin[x];
		int8_t *index[] = {&f->first, &f->acked, &f->acked_wrong, &f->moved, &f->data_after, &f->behind};
		for (size_t k = 0; k < sizeof index / sizeof index[0]; k++)
			if (*index[k] > after)
				*index[k] = (int8_t)(*index[k] + by);
	}
	if (h->first_reset > after)
		h->first_reset = (int8_t)(h->first_reset + by);
	if (h->first_reset_any > after)
		h->first_reset_any = (int8_t)(h->first_reset_any + by);
}

/* Rarely, a fact rests on a newest: on an acknowledgment that was captured before its FIN. */
static bool is_indexed(const struct history *h, int i)
{
	for (int x = 0; x < 2; x++) {
		const struct fin_facts *f = &h->fin[x];
		if (f->first == i || f->acked == i || f->acked_wrong == i || f->moved == i || f->data_after == i || f->behind == i)
			return true;
	}
	return h->first_reset == i || h->first_reset_any == i;
}

static void drop_event(struct history *h, int i)
{
	memmove(&h->event[i], &h->event[i + 1], (size_t)(h->count - i - 1) * sizeof h->event[0]);
	h->count--;
	shift_indices(h, i, -1);
}

int history_insert(struct history *h, const struct event *e, int at)
{
	if (!make_room(h)) {
		h->dropped += h->dropped < UINT16_MAX;
		return -1;
	}
	if (at < h->count) {
		memmove(&h->event[at + 1], &h->event[at], (size_t)(h->count - at) * sizeof h->event[0]);
		shift_indices(h, at - 1, 1);
	}
	h->count++;
	h->event[at] = *e;
	return at;
}

int history_append(struct history *h, struct event *e)
{
	if (is_plain(e)) {
		bool first;
		int i = run_of(h, e, &first);
		if (i >= 0) {
			e->is |= EVENT_NEWEST;
			if (!first && !is_indexed(h, i)) {
				uint16_t run = h->event[i].run;
				e->run = (uint16_t)(run < UINT16_MAX ? run + 1 : run);
				drop_event(h, i);
			}
		}
	}
	return history_insert(h, e, h->count);
}

/* An end that has not closed, nor was anything reset: of its text, and what it acknowledges, only that it went on is of use, also
 * where it came again, late, or twice. */
static bool goes_on_only(const struct history *h, int i)
{
	const unsigned telling = EVENT_ACK_UNSENT | EVENT_STRAY | EVENT_PREDATES | EVENT_NXT_UNKNOWN | EVENT_HOLE | EVENT_SUM_BAD |
	                         EVENT_FOREIGN | EVENT_SUSPECT | EVENT_KNOWS_ACK;
	const struct event *e = &h->event[i];
	const struct fin_facts *own = &h->fin[e->from];

	return is_plain(e) && !e->unusual && !(e->is & telling) && (!own->sent || i < own->first) &&
	       (h->first_reset_any < 0 || i < h->first_reset_any);
}

/* The next event of the same end that goes on only, and says the same of the peer's FIN, `by` +1 or -1 from i; -1 if another kind
 * of event, of either end, stands before it. */
static int neighbour(const struct history *h, int i, int by)
{
	for (int k = i + by; k >= 0 && k < h->count && is_plain(&h->event[k]); k += by)
		if (h->event[k].from == h->event[i].from)
			return goes_on_only(h, k) && !((class_of(h, &h->event[k]) ^ class_of(h, &h->event[i])) & 0xf) ? k : -1;
	return -1;
}

/* Plain segments of one class, or resets without ACK, which answer one after the other what an end without a connection still gets. */
static bool says_the_same(const struct history *h, const struct event *a, const struct event *b)
{
	const uint32_t varies = EVENT_TSVAL_FRESH | EVENT_NEWEST | EVENT_REORDERED | EVENT_OLD_ACK;
	const uint32_t apart = EVENT_STRAY | EVENT_PREDATES | EVENT_FOREIGN | EVENT_SUSPECT;

	if (a->from != b->from || a->input != b->input || a->flags != b->flags || (a->is ^ b->is) & ~varies || a->is & apart ||
	    a->unusual || b->unusual)
		return false;
	return is_plain(a) ? class_of(h, a) == class_of(h, b) : is_stateless_reset(a) && a->seq == b->seq;
}

/* The next event that says the same, `by` +1 or -1 from i, whatever stands between; -1 if there is none. */
static int same_again(const struct history *h, int i, int by)
{
	for (int k = i + by; k >= 0 && k < h->count; k += by)
		if (says_the_same(h, &h->event[i], &h->event[k]))
			return k;
	return -1;
}

/* Two that are there already say what this one says: it takes the place of the newer. */
static bool takes_place(struct history *h, struct event *e)
{
	int newer = h->count - 1;

	while (newer >= 0 && !says_the_same(h, e, &h->event[newer]))
		newer--;
	if (newer < 0 || is_indexed(h, newer) || same_again(h, newer, -1) < 0)
		return false;
	unsigned run = e->run + h->event[newer].run + 1u;
	e->run = (uint16_t)(run < UINT16_MAX ? run : UINT16_MAX);
	e->is |= is_plain(e) ? EVENT_NEWEST : 0;
	drop_event(h, newer);
	return true;
}

/* The event behind i that tells all that i does, where one before it does so, too; -1 if there is none. */
static int spare(const struct history *h, int i)
{
	if (is_indexed(h, i))
		return -1;
	if (goes_on_only(h, i) && neighbour(h, i, -1) >= 0 && neighbour(h, i, 1) >= 0)
		return neighbour(h, i, 1);
	return same_again(h, i, -1) >= 0 ? same_again(h, i, 1) : -1;
}

/* Makes room where losses, or resets between, broke runs: between two that say the same, a third one tells no more.  What is newest
 * stays as it is, for it may come to be the end. */
static void condense(struct history *h)
{
	for (int i = 1; i < h->count - HISTORY_RESERVE; i++) {
		int then = spare(h, i);
		if (then < 0)
			continue;
		struct event *next = &h->event[then];
		next->is |= is_plain(next) ? EVENT_NEWEST : 0;
		next->run = (uint16_t)(next->run + h->event[i].run + 1 < UINT16_MAX ? next->run + h->event[i].run + 1 : UINT16_MAX);
		drop_event(h, i--);
	}
}

bool history_has_place(struct history *h, struct event *e)
{
	if (h->count >= HISTORY_MOST - HISTORY_RESERVE && !h->dropped && !takes_place(h, e))
		condense(h);
	return h->count < HISTORY_MOST - HISTORY_RESERVE;
}

bool history_prepend(struct history *h, const struct event *events, unsigned count)
{
	while (h->count + count > h->room)
		if (h->room >= HISTORY_MOST || !grow(h))
			return false;
	memmove(&h->event[count], h->event, h->count * sizeof h->event[0]);
	memcpy(h->event, events, count * sizeof h->event[0]);
	for (unsigned i = 0; i < count; i++)
		h->event[i].is |= EVENT_PREDATES;
	h->count = (uint8_t)(h->count + count);
	shift_indices(h, -1, (int)count);
	return true;
}
