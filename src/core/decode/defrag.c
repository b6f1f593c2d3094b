/* defrag.c - puts IP datagrams together out of their fragments.
 *
 * A datagram is a list of stretches of octets in ascending order, without overlaps; it is copied into one buffer when it
 * has no hole left.  Memory is what was really received, never what an offset promises.  Pieces that contradict each
 * other condemn their datagram (RFC 5722 for IPv6; for IPv4 ends differ in which octets win, so that we cannot know):
 * it stays as a husk, so that its later pieces are recognised, until it would have timed out. */
#include "defrag.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS      4096u
#define DATAGRAM_MAX 65535u

struct stretch {
	struct stretch *next;
	uint32_t start;
	uint32_t end;
	uint8_t data[];
};

struct partial {
	struct datagram_key key;
	struct partial *chain; /* same bucket */
	struct partial *older, *newer;
	struct stretch *first, *last;
	int64_t since; /* time of the first piece's frame */
	int64_t came;  /* packet time then */
	uint64_t kept; /* pieces that were answered with DEFRAG_KEPT */
	uint32_t stretches;
	uint32_t octets;  /* in the stretches */
	uint32_t length;  /* of the datagram, 0 as long as its end has not come */
	uint8_t protocol; /* of the piece at offset 0 */
	bool condemned;
};

struct whole {
	struct whole *next;
	size_t len;
	uint8_t data[];
};

struct defrag {
	struct partial *bucket[BUCKETS];
	struct partial *oldest, *newest;
	struct whole *wholes;
	size_t count;
	size_t memory;
	size_t most; /* bytes of it */
	uint64_t lost;
	uint64_t waiting; /* pieces that were kept */
};

struct defrag *defrag_new(void)
{
	struct defrag *defrag = calloc(1, sizeof *defrag);

	if (defrag == NULL)
		return NULL;
	defrag->memory = sizeof *defrag;
	defrag->most = DEFRAG_BYTES;
	return defrag;
}

void defrag_limit(struct defrag *defrag, size_t bytes)
{
	defrag->most = bytes < DEFRAG_BYTES ? bytes : DEFRAG_BYTES;
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* The address of the table is the secret: core has no source of randomness, and no result depends on the bucket. */
static size_t bucket_of(const struct defrag *defrag, const struct datagram_key *key)
{
	const uint64_t word[] = {
	        load64(key->src.byte),
	        load64(key->src.byte + 8),
	        load64(key->dst.byte),
	        load64(key->dst.byte + 8),
	        (uint64_t)key->id << 32 | key->network,
	        (uint64_t)key->vlan << 16 | (uint64_t)key->version << 8 | key->protocol,
	};
	uint64_t h = (uint64_t)(uintptr_t)defrag * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < sizeof word / sizeof word[0]; i++) {
		h = (h ^ word[i]) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	return (size_t)(h % BUCKETS);
}

static bool same_datagram(const struct datagram_key *a, const struct datagram_key *b)
{
	return a->id == b->id && a->version == b->version && a->protocol == b->protocol && a->vlan == b->vlan &&
	       a->network == b->network && memcmp(&a->src, &b->src, sizeof a->src) == 0 &&
	       memcmp(&a->dst, &b->dst, sizeof a->dst) == 0;
}

static size_t stretch_size(uint32_t octets)
{
	return sizeof(struct stretch) + octets;
}

static void drop_stretches(struct defrag *defrag, struct partial *partial)
{
	struct stretch *s = partial->first;

	while (s != NULL) {
		struct stretch *next = s->next;

		defrag->memory -= stretch_size(s->end - s->start);
		free(s);
		s = next;
	}
	partial->first = partial->last = NULL;
	partial->stretches = 0;
	partial->octets = 0;
}

static void forget(struct defrag *defrag, struct partial *partial)
{
	struct partial **link = &defrag->bucket[bucket_of(defrag, &partial->key)];

	while (*link != partial)
		link = &(*link)->chain;
	*link = partial->chain;
	*(partial->older != NULL ? &partial->older->newer : &defrag->oldest) = partial->newer;
	*(partial->newer != NULL ? &partial->newer->older : &defrag->newest) = partial->older;
	drop_stretches(defrag, partial);
	defrag->memory -= sizeof *partial;
	defrag->waiting -= partial->kept;
	defrag->count--;
	free(partial);
}

static void give_up(struct defrag *defrag, struct partial *partial)
{
	defrag->lost += partial->kept;
	forget(defrag, partial);
}

static enum defrag_result condemn(struct defrag *defrag, struct partial *partial)
{
	defrag->lost += partial->kept;
	defrag->waiting -= partial->kept;
	partial->kept = 0;
	drop_stretches(defrag, partial);
	partial->condemned = true;
	return DEFRAG_LOST;
}

/* The oldest datagrams make room, but never `keep`. */
static bool make_room(struct defrag *defrag, const struct partial *keep, size_t bytes)
{
	struct partial *p = defrag->oldest;

	while (p != NULL && defrag->memory + bytes > defrag->most) {
		struct partial *newer = p->newer;

		if (p != keep)
			give_up(defrag, p);
		p = newer;
	}
	return defrag->memory + bytes <= defrag->most;
}

static bool waited_too_long(int64_t since, int64_t now)
{
	return now > since && (uint64_t)now - (uint64_t)since > (uint64_t)DEFRAG_WAIT;
}

static struct partial *find(struct defrag *defrag, const struct piece *piece)
{
	struct partial *p = defrag->bucket[bucket_of(defrag, &piece->key)];

	while (p != NULL && !same_datagram(&p->key, &piece->key))
		p = p->chain;
	/* Identifications are reused: what is too old is another datagram, also where packet time stands still. */
	if (p != NULL && (waited_too_long(p->since, piece->time) || waited_too_long(p->came, piece->clock))) {
		give_up(defrag, p);
		p = NULL;
	}
	return p;
}

static struct partial *begin(struct defrag *defrag, const struct piece *piece)
{
	struct partial *p;
	struct partial **bucket = &defrag->bucket[bucket_of(defrag, &piece->key)];

	if (defrag->count == DEFRAG_DATAGRAMS)
		give_up(defrag, defrag->oldest);
	if (!make_room(defrag, NULL, sizeof *p) || (p = calloc(1, sizeof *p)) == NULL)
		return NULL;
	p->key = piece->key;
	p->since = piece->time;
	p->came = piece->clock;
	p->chain = *bucket;
	*bucket = p;
	p->older = defrag->newest;
	*(p->older != NULL ? &p->older->newer : &defrag->oldest) = p;
	defrag->newest = p;
	defrag->memory += sizeof *p;
	defrag->count++;
	return p;
}

/* Does the piece say of the datagram's end what others said?  Learns it. */
static bool end_agrees(struct partial *partial, const struct piece *piece)
{
	uint32_t end = piece->offset + piece->len;

	if (piece->more)
		return partial->length == 0 || end <= partial->length;
	if (partial->length != 0 && partial->length != end)
		return false;
	if (partial->last != NULL && partial->last->end > end)
		return false;
	partial->length = end;
	return true;
}

/* May the piece stand beside those that are there?  *repeats: it brings nothing new. */
static bool octets_agree(const struct partial *partial, const struct piece *piece, bool *repeats)
{
	uint32_t start = piece->offset;
	uint32_t end = start + piece->len;
	uint32_t covered = 0;

	*repeats = false;
	if (partial->last == NULL || partial->last->end <= start)
		return true;
	for (const struct stretch *s = partial->first; s != NULL && s->start < end; s = s->next) {
		uint32_t from = s->start > start ? s->start : start;
		uint32_t to = s->end < end ? s->end : end;

		if (from >= to)
			continue;
		if (memcmp(s->data + (from - s->start), piece->data + (from - start), to - from) != 0)
			return false;
		/* RFC 5722: an overlap is an attack; RFC 8200 4.5 spares exact copies. */
		if (piece->key.version == 6 && (s->start != start || s->end != end))
			return false;
		covered += to - from;
	}
	*repeats = covered == piece->len;
	return true;
}

/* A stretch [start, end) of the piece, behind `after` or, if that is NULL, at the head. */
static struct stretch *insert(struct defrag *defrag, struct partial *partial, struct stretch *after, const struct piece *piece,
                              uint32_t start, uint32_t end)
{
	struct stretch **link = after != NULL ? &after->next : &partial->first;
	struct stretch *s;

	if (partial->stretches == DEFRAG_PIECES || !make_room(defrag, partial, stretch_size(end - start)))
		return NULL;
	s = malloc(stretch_size(end - start));
	if (s == NULL)
		return NULL;
	defrag->memory += stretch_size(end - start);
	s->start = start;
	s->end = end;
	memcpy(s->data, piece->data + (start - piece->offset), end - start);
	s->next = *link;
	*link = s;
	if (s->next == NULL)
		partial->last = s;
	partial->stretches++;
	partial->octets += end - start;
	return s;
}

/* Adds those octets of the piece that are new. */
static bool insert_new(struct defrag *defrag, struct partial *partial, const struct piece *piece)
{
	uint32_t start = piece->offset;
	uint32_t end = start + piece->len;
	struct stretch *before = NULL;
	struct stretch *s = partial->first;

	if (partial->last != NULL && partial->last->end <= start) { /* in order, as most come */
		before = partial->last;
		s = NULL;
	}
	for (; s != NULL && start < end; s = s->next) {
		if (s->end > start && s->start > start) {
			uint32_t to = s->start < end ? s->start : end;

			if (insert(defrag, partial, before, piece, start, to) == NULL)
				return false;
		}
		if (s->end > start)
			start = s->end;
		before = s;
	}
	return start >= end || insert(defrag, partial, before, piece, start, end) != NULL;
}

/* Copies a complete datagram into one buffer and forgets its pieces. */
static enum defrag_result join(struct defrag *defrag, struct partial *partial, struct datagram *whole)
{
	size_t size = sizeof(struct whole) + partial->length;
	struct whole *w = NULL;

	if (make_room(defrag, partial, size))
		w = malloc(size);
	if (w == NULL) {
		give_up(defrag, partial);
		return DEFRAG_NO_MEMORY;
	}
	defrag->memory += size;
	w->len = partial->length;
	for (const struct stretch *s = partial->first; s != NULL; s = s->next)
		memcpy(w->data + s->start, s->data, s->end - s->start);
	w->next = defrag->wholes;
	defrag->wholes = w;
	whole->data = w->data;
	whole->len = w->len;
	whole->protocol = partial->protocol;
	forget(defrag, partial);
	return DEFRAG_WHOLE;
}

enum defrag_result defrag_add(struct defrag *defrag, const struct piece *piece, struct datagram *whole)
{
	struct partial *partial;
	bool repeats;

	assert(piece->offset % 8 == 0);
	/* Only the last piece may end between two units of 8 octets; an empty one says nothing. */
	if (piece->len == 0 || piece->len > DATAGRAM_MAX - piece->offset || (piece->more && piece->len % 8 != 0))
		return DEFRAG_LOST;
	partial = find(defrag, piece);
	if (partial == NULL)
		partial = begin(defrag, piece);
	if (partial == NULL)
		return DEFRAG_NO_MEMORY;
	if (partial->condemned)
		return DEFRAG_LOST;
	if (!end_agrees(partial, piece) || !octets_agree(partial, piece, &repeats))
		return condemn(defrag, partial);
	if (!repeats && !insert_new(defrag, partial, piece)) {
		condemn(defrag, partial);
		return DEFRAG_NO_MEMORY;
	}
	if (piece->offset == 0)
		partial->protocol = piece->protocol;
	if (partial->length != 0 && partial->octets == partial->length)
		return join(defrag, partial, whole);
	partial->kept++;
	defrag->waiting++;
	return DEFRAG_KEPT;
}

void defrag_release(struct defrag *defrag)
{
	while (defrag->wholes != NULL) {
		struct whole *w = defrag->wholes;

		defrag->wholes = w->next;
		defrag->memory -= sizeof *w + w->len;
		free(w);
	}
}

void defrag_expire(struct defrag *defrag, int64_t now)
{
	struct partial *p = defrag->oldest;

	/* The list is in order of arrival: behind one that may wait, the others may; one from the future proves nothing. */
	while (p != NULL) {
		struct partial *newer = p->newer;

		if (now == INT64_MAX || waited_too_long(p->came, now))
			give_up(defrag, p);
		else if (p->came <= now)
			break;
		p = newer;
	}
}

uint64_t defrag_take_lost(struct defrag *defrag)
{
	uint64_t lost = defrag->lost;

	defrag->lost = 0;
	return lost;
}

uint64_t defrag_waiting(const struct defrag *defrag)
{
	return defrag->waiting;
}

size_t defrag_memory(const struct defrag *defrag)
{
	return defrag->memory;
}

void defrag_free(struct defrag *defrag)
{
	if (defrag == NULL)
		return;
	defrag_release(defrag);
	while (defrag->oldest != NULL)
		forget(defrag, defrag->oldest);
	free(defrag);
}
