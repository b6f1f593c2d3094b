/* test_flow.c - the connection table: hash, incarnations, deadlines, victims, growth. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "flow/flow.h"
#include "flow/flow_index.h"
#include "flow/flow_order.h"

#define SECONDS INT64_C(1000000000)
#define TICK (INT64_C(1) << 30) /* what deadlines can tell apart */
#define EPOCH (INT64_C(1700000000) * SECONDS)

static const uint8_t key[16] = "0123456789abcdef";
static struct flow_table *table;
static uint64_t next_id;

static void setup(void)
{
	table = flow_table_new(key, 0);
	cr_assert_not_null(table);
	next_id = 0;
}

static void teardown(void)
{
	flow_table_free(table);
}

TestSuite(flow, .init = setup, .fini = teardown);

static struct socket_pair pair_number(uint32_t n)
{
	struct tcpaudit_segment s;
	struct socket_pair p;

	memset(&s, 0, sizeof s);
	s.ip_version = 4;
	s.src.byte[0] = 10;
	s.src.byte[1] = (uint8_t)(n >> 24);
	s.src.byte[2] = (uint8_t)(n >> 16);
	s.src.byte[3] = 1;
	s.dst.byte[0] = 192;
	s.src_port = (uint16_t)n;
	s.dst_port = 80;
	memset(&p, 0xff, sizeof p); /* whatever was there before must not matter */
	socket_pair_of(&s, &p);
	return p;
}

static uint32_t insert_pair(const struct socket_pair *p, uint32_t older)
{
	uint32_t slot = flow_insert(table, p, flow_hash(table, p), older);
	cr_assert_neq(slot, SLOT_NONE);
	flow_entry(table, slot)->id = ++next_id;
	return slot;
}

static uint32_t insert_number(uint32_t n)
{
	struct socket_pair p = pair_number(n);
	return insert_pair(&p, SLOT_NONE);
}

static uint32_t find_number(uint32_t n)
{
	struct socket_pair p = pair_number(n);
	return flow_find(table, &p, flow_hash(table, &p), SLOT_NONE);
}

/* ---- the pair and its hash ---- */

static struct tcpaudit_segment some_segment(uint8_t version)
{
	struct tcpaudit_segment s;
	memset(&s, 0, sizeof s);
	s.ip_version = version;
	for (int i = 0; i < (version == 4 ? 4 : 16); i++) {
		s.src.byte[i] = (uint8_t)(i + 1);
		s.dst.byte[i] = (uint8_t)(i + 1);
	}
	s.dst.byte[version == 4 ? 3 : 15] = 99;
	s.src_port = 40000;
	s.dst_port = 443;
	s.vlan = 7;
	s.network = 12;
	return s;
}

static struct tcpaudit_segment turned(struct tcpaudit_segment s)
{
	struct tcpaudit_segment t = s;
	t.src = s.dst;
	t.dst = s.src;
	t.src_port = s.dst_port;
	t.dst_port = s.src_port;
	return t;
}

static void both_directions_agree(struct tcpaudit_segment s)
{
	struct tcpaudit_segment t = turned(s);
	struct socket_pair p, q;

	bool crossed = socket_pair_of(&s, &p), back = socket_pair_of(&t, &q);
	cr_assert_eq(memcmp(&p, &q, sizeof p), 0);
	cr_assert_eq(flow_hash(table, &p), flow_hash(table, &q));
	cr_assert_neq(crossed, back);
	cr_assert_eq(memcmp(&p.address[crossed], &s.src, sizeof s.src), 0);
	cr_assert_eq(p.port[crossed], s.src_port);
	cr_assert_eq(p.port[!crossed], s.dst_port);
}

Test(flow, both_directions_are_one_pair)
{
	both_directions_agree(some_segment(4));
	both_directions_agree(some_segment(6));
	struct tcpaudit_segment s = some_segment(4);
	s.dst = s.src; /* two sockets of one host: the port orders them */
	both_directions_agree(s);
}

Test(flow, a_socket_that_talks_to_itself_is_its_own_peer)
{
	struct tcpaudit_segment s = some_segment(4);
	struct socket_pair p;
	s.dst = s.src;
	s.dst_port = s.src_port;
	cr_assert_not(socket_pair_of(&s, &p));
}

Test(flow, hash_depends_on_sockets_and_key_alone)
{
	struct tcpaudit_segment s = some_segment(4);
	struct socket_pair p, q;
	socket_pair_of(&s, &p);
	s.vlan = 8;
	s.network = 0;
	socket_pair_of(&s, &q);
	cr_assert_eq(flow_hash(table, &p), flow_hash(table, &q), "else a VLAN-asymmetric connection could not be found");
	s.src_port++;
	socket_pair_of(&s, &q);
	cr_assert_neq(flow_hash(table, &p), flow_hash(table, &q));

	uint8_t other[16] = "fedcba9876543210";
	struct flow_table *t = flow_table_new(other, 0);
	cr_assert_neq(flow_hash(table, &p), flow_hash(t, &p));
	flow_table_free(t);
}

Test(flow, hash_spreads_swapped_and_stepped_pairs)
{
	static uint8_t bucket[4096];
	unsigned fullest = 0;
	for (uint32_t n = 0; n < 40960; n++) {
		struct socket_pair p = pair_number(n);
		uint8_t *b = &bucket[flow_hash(table, &p) & 4095];
		++*b;
		if (*b > fullest)
			fullest = *b;
	}
	cr_assert(fullest < 32, "10 on average, %u in the fullest bucket", fullest);
}

/* Out of so few of each kind that some meet again. */
static struct tcpaudit_segment drawn_segment(void)
{
	struct tcpaudit_segment s;
	memset(&s, 0, sizeof s);
	s.ip_version = rand() % 3 ? 4 : 6;
	s.src.byte[s.ip_version == 6 ? rand() % 2 * 15 : 3] = (uint8_t)(rand() % 2 * 255);
	s.dst.byte[s.ip_version == 6 ? rand() % 2 * 15 : 0] = (uint8_t)(rand() % 2 * 255);
	s.src_port = (uint16_t)(80 + rand() % 2 * 40000);
	s.dst_port = (uint16_t)(80 + rand() % 2);
	s.vlan = rand() % 4 ? 0 : (uint16_t)(1 + rand() % 2);
	s.network = rand() % 4 ? 0 : (uint32_t)(1 + rand() % 2);
	return s;
}

static struct entry named(const struct socket_pair *p, struct wide *wide)
{
	struct entry e = {.port = {p->port[0], p->port[1]}, .place = place_of(p)};

	*wide = (struct wide){{p->address[0], p->address[1]}, p->network};
	if (e.place & PLACE_WIDE)
		e.name.wide = wide;
	else
		for (unsigned x = 0; x < 2; x++)
			e.name.ipv4[x] = ipv4_word(&p->address[x]);
	return e;
}

/* What is looked at of each segment says what its pair does. */
Test(flow, sockets_are_their_pair_in_brief)
{
	const struct flow_key secret = flow_key(key);
	unsigned met = 0, wide = 0, crossed = 0;

	srand(1);
	for (unsigned n = 0; n < 200000; n++) {
		const struct tcpaudit_segment s = drawn_segment(), other = drawn_segment();
		const struct sockets own = sockets_of(&s);
		struct socket_pair pair, others;
		struct wide room;
		socket_pair_of(&other, &others);
		const struct entry e = named(&others, &room);

		cr_assert_eq(own.crossed, socket_pair_of(&s, &pair));
		cr_assert_eq(sockets_hash(&own, &s, &secret), flow_key_hash(&secret, &pair));
		const bool same = entry_is_of(&e, &pair);
		cr_assert_eq(same, same_socket_pair(&pair, &others));
		cr_assert_eq(entry_has(&e, &own, &s), same);
		met += same;
		wide += same && own.place & PLACE_WIDE;
		crossed += same && own.crossed;
	}
	cr_assert(wide > 100 && met > wide * 2 && crossed > 100 && met > crossed + 100, "%u met, %u wide, %u crossed", met, wide, crossed);
}

/* Ports in a row, addresses in a row, and both, of either IP version, under several keys. */
static struct socket_pair stepped_pair(uint32_t n, unsigned how)
{
	struct tcpaudit_segment s = some_segment(how & 1 ? 6 : 4);
	struct socket_pair p;
	uint32_t address = how & 2 ? __builtin_bswap32(n) : 0, port = how & 4 ? n : how & 2 ? 0 : n * 256;

	memcpy(&s.src.byte[how & 1 ? 12 : 0], &address, sizeof address);
	s.src_port = (uint16_t)port;
	s.dst_port = (uint16_t)(port >> 16);
	socket_pair_of(&s, &p);
	return p;
}

Test(flow, hash_spreads_whatever_comes_in_a_row)
{
	for (unsigned how = 0; how < 8; how++)
		for (uint8_t k = 0; k < 16; k++) {
			struct flow_key secret = flow_key((const uint8_t[16]){k, 1, 2, 3});
			uint8_t bucket[2][1024] = {{0}};
			unsigned fullest = 0;
			for (uint32_t n = 0; n < 10240; n++) {
				struct socket_pair p = stepped_pair(n, how);
				uint32_t hash = flow_key_hash(&secret, &p);
				uint8_t *low = &bucket[0][hash & 1023], *high = &bucket[1][hash >> 22];
				fullest = ++*low > fullest ? *low : fullest;
				fullest = ++*high > fullest ? *high : fullest;
			}
			cr_expect(fullest < 36, "10 on average, %u in the fullest bucket of kind %u, key %u", fullest, how, k);
		}
}

/* ---- the index ---- */

/* Without memory to double it must go on, however long that takes: everything is found, and what is not there is not looked for
 * for ever. */
Test(flow, an_index_that_is_full)
{
	struct flow_index x = {0};
	uint32_t n = 0, slot;
	cr_assert(index_init(&x));
	for (; !index_full(&x); n++)
		index_put(&x, n * 2654435761u, n);
	cr_assert_eq(n, x.now.buckets * WAYS);
	for (uint32_t i = 0; i < n; i++) {
		struct probe probe = index_probe(&x, i * 2654435761u);
		cr_assert(index_next(i * 2654435761u, &probe, &slot));
		cr_assert_eq(slot, i);
	}
	for (uint32_t i = 0; i < n; i++) { /* for each that goes another one comes: it wanders to the only place */
		index_take(&x, i * 2654435761u, i);
		index_put(&x, i * 2654435761u + 512, i);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct probe probe = index_probe(&x, i * 2654435761u + 512);
		cr_assert(index_next(i * 2654435761u + 512, &probe, &slot));
	}
	struct probe none = index_probe(&x, 7);
	cr_assert_not(index_next(7, &none, &slot));
	for (uint32_t i = 0; i < n; i++) {
		index_take(&x, i * 2654435761u + 512, i);
		index_put(&x, i * 2654435761u, i);
	}
	for (uint32_t i = 0; i < n; i += 2)
		index_take(&x, i * 2654435761u, i);
	for (uint32_t i = 0; i < n; i++) {
		struct probe probe = index_probe(&x, i * 2654435761u);
		cr_assert_eq(index_next(i * 2654435761u, &probe, &slot), i % 2);
	}
	index_free(&x);
}

#define KEY(i) ((i) * 2654435761u)

static bool is_indexed(const struct flow_index *x, uint32_t hash, uint32_t slot)
{
	struct probe probe = index_probe(x, hash);
	uint32_t found;

	while (index_next(hash, &probe, &found))
		if (found == slot)
			return true;
	return false;
}

/* While it grows everything is found, what goes is gone, and nobody waits. */
Test(flow, an_index_that_grows)
{
	enum { MANY = 30000 };
	struct flow_index x = {0};
	unsigned steps = 0, growths = 0;
	cr_assert(index_init(&x));
	for (uint32_t n = 0; n < MANY; n++) {
		if (index_crowded(&x)) {
			cr_assert(index_double(&x));
			growths++;
		}
		const uint32_t before = x.moved;
		index_put(&x, KEY(n), n);
		if (!x.old.bucket)
			continue;
		steps++;
		cr_assert_leq(x.moved - before, 4, "a few for each");
		if (n % 3 == 0) { /* a third of them goes, or changes, again and again */
			const uint32_t one = n / 2 + n % 7;
			index_take(&x, KEY(one), one);
			cr_assert_not(is_indexed(&x, KEY(one), one));
			index_put(&x, KEY(one), one);
			index_replace(&x, KEY(one), one, one + MANY);
			cr_assert(is_indexed(&x, KEY(one), one + MANY) && !is_indexed(&x, KEY(one), one));
			index_replace(&x, KEY(one), one + MANY, one);
		}
		for (uint32_t i = n % 101; i <= n; i += 101)
			cr_assert(is_indexed(&x, KEY(i), i), "%u of %u", i, n);
		cr_assert_not(is_indexed(&x, KEY(n + 1), n + 1));
	}
	cr_assert_geq(growths, 2);
	cr_assert_gt(steps, 100);
	cr_assert_eq(x.now.indexed + x.old.indexed, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		index_take(&x, KEY(i), i);
	cr_assert_eq(x.now.indexed + x.old.indexed, 0);
	for (uint32_t i = 0; i < x.now.buckets; i++)
		cr_assert_eq(x.now.bucket[i].passed, 0, "nothing is looked for further on");
	index_free(&x);
}

/* Even one that was full before it could grow. */
Test(flow, an_index_that_was_full_and_grows)
{
	struct flow_index x = {0};
	uint32_t n = 0;
	cr_assert(index_init(&x));
	for (; !index_full(&x); n++)
		index_put(&x, KEY(n), n);
	cr_assert(index_double(&x));
	for (uint32_t end = n + 2000; n < end; n++)
		index_put(&x, KEY(n), n);
	cr_assert_null(x.old.bucket);
	for (uint32_t i = 0; i < n; i++)
		cr_assert(is_indexed(&x, KEY(i), i));
	index_free(&x);
}

/* ---- find, insert, remove ---- */

Test(flow, finds_what_was_put_in_and_nothing_else)
{
	cr_assert_eq(find_number(1), SLOT_NONE);
	uint32_t slot = insert_number(1);
	cr_assert_eq(find_number(1), slot);
	cr_assert_eq(find_number(2), SLOT_NONE);
	cr_assert_eq(flow_count(table), 1);
	flow_remove(table, slot);
	cr_assert_eq(find_number(1), SLOT_NONE);
	cr_assert_eq(flow_count(table), 0);
}

Test(flow, a_new_record_is_zeroed)
{
	uint32_t slot = insert_number(1);
	struct connection *c = flow_connection(table, slot);
	memset(&c->end, 0xff, sizeof c->end);
	c->entry.capture = 99;
	flow_remove(table, slot);
	uint32_t again = insert_number(2);
	cr_assert_eq(again, slot, "a record that was given back is used first");
	c = flow_connection(table, again);
	cr_assert_eq(c->entry.capture, 0);
	cr_assert_eq(c->end[1].maxseq, 0);
	cr_assert_null(connection_kept(c).history);
	cr_assert_eq(connection_links(c).older, SLOT_NONE);
	cr_assert_eq(connection_links(c).newer, SLOT_NONE);
}

Test(flow, vlan_and_network_tell_equal_pairs_apart)
{
	struct socket_pair p = pair_number(1), q = p, r = p;
	q.vlan = 9;
	r.network = 5;
	uint32_t a = insert_pair(&p, SLOT_NONE);
	cr_assert_eq(flow_find(table, &q, flow_hash(table, &q), SLOT_NONE), SLOT_NONE);
	cr_assert_eq(flow_find_elsewhere(table, &q, flow_hash(table, &q), 0), a, "under any VLAN");
	cr_assert_eq(flow_find_elsewhere(table, &q, flow_hash(table, &q), 1), SLOT_NONE, "the only one");
	uint32_t b = insert_pair(&q, SLOT_NONE);
	cr_assert_eq(flow_find(table, &p, flow_hash(table, &p), SLOT_NONE), a);
	cr_assert_eq(flow_find(table, &q, flow_hash(table, &q), SLOT_NONE), b);
	uint32_t one = flow_find_elsewhere(table, &r, flow_hash(table, &r), 0), other = flow_find_elsewhere(table, &r, flow_hash(table, &r), 1);
	cr_assert((one == a && other == b) || (one == b && other == a));
	cr_assert_eq(flow_find_elsewhere(table, &r, flow_hash(table, &r), 2), SLOT_NONE);
	flow_remove(table, a);
	cr_assert_eq(flow_find_elsewhere(table, &r, flow_hash(table, &r), 0), b);
	cr_assert_eq(flow_find_elsewhere(table, &r, flow_hash(table, &r), 1), SLOT_NONE);
}

Test(flow, ip_versions_do_not_mix)
{
	struct socket_pair p = pair_number(1), q = p;
	q.ip_version = 6;
	insert_pair(&p, SLOT_NONE);
	cr_assert_eq(flow_find(table, &q, flow_hash(table, &p), SLOT_NONE), SLOT_NONE);
	cr_assert_eq(flow_find_elsewhere(table, &q, flow_hash(table, &p), 0), SLOT_NONE);
}

Test(flow, many_of_one_bucket_overflow_into_the_next)
{
	enum { MANY = 60, LAST = 1023 }; /* the last bucket: overflows round the end */
	uint32_t slot[MANY], hash[MANY];
	struct socket_pair p[MANY];
	for (uint32_t i = 0, n = 1; i < MANY; n++) {
		p[i] = pair_number(n);
		hash[i] = flow_hash(table, &p[i]);
		if ((hash[i] & LAST) != LAST)
			continue;
		slot[i] = flow_insert(table, &p[i], hash[i], SLOT_NONE);
		flow_entry(table, slot[i])->id = i + 1;
		i++;
	}
	for (uint32_t i = 0; i < MANY; i++)
		cr_assert_eq(flow_find(table, &p[i], hash[i], SLOT_NONE), slot[i]);
	for (uint32_t i = 0; i < MANY; i += 2)
		flow_remove(table, slot[i]);
	for (uint32_t i = 0; i < MANY; i++)
		cr_assert_eq(flow_find(table, &p[i], hash[i], SLOT_NONE), i % 2 ? slot[i] : SLOT_NONE);
	for (uint32_t i = 1; i < MANY; i += 2)
		flow_remove(table, slot[i]);
	cr_assert_eq(flow_find(table, &p[0], hash[0], SLOT_NONE), SLOT_NONE, "and the search ends");
	flow_prefetch_bucket(table, hash[0]);
	struct likely likely = flow_likely(table, hash[0]);
	flow_prefetch_record(&likely);
	flow_prefetch_history(likely);
}

Test(flow, grows_to_a_hundred_thousand_and_back)
{
	enum { MANY = 100000 };
	uint32_t *slot = malloc(MANY * sizeof *slot);
	uint64_t empty = flow_memory(table);
	for (uint32_t i = 0; i < MANY; i++)
		slot[i] = insert_number(i + 1);
	cr_assert_eq(flow_count(table), MANY);
	cr_assert(flow_memory(table) >= empty + MANY * sizeof(struct connection));
	for (uint32_t i = 0; i < MANY; i++)
		cr_assert_eq(find_number(i + 1), slot[i]);
	for (uint32_t i = 0; i < MANY; i++) {
		cr_assert_eq(flow_likely(table, flow_entry_hash(table, slot[i])).slot, slot[i]);
		if (i % 3)
			flow_remove(table, slot[i]);
	}
	for (uint32_t i = 0; i < MANY; i++)
		cr_assert_eq(find_number(i + 1), i % 3 ? SLOT_NONE : slot[i]);
	uint64_t full = flow_memory(table), seen = 0;
	for (uint32_t cursor = 0, s; (s = flow_next(table, &cursor)) != SLOT_NONE; seen++)
		cr_assert(flow_entry(table, s)->id);
	cr_assert_eq(seen, flow_count(table));
	for (uint32_t i = 0; i < MANY; i++)
		if (i % 3)
			insert_number(MANY + i + 1);
	cr_assert_eq(flow_memory(table), full, "records that were given back are used again");
	free(slot);
}

/* ---- incarnations ---- */

Test(flow, incarnations_hang_behind_the_newest)
{
	struct socket_pair p = pair_number(1);
	uint32_t hash = flow_hash(table, &p);
	uint32_t a = insert_pair(&p, SLOT_NONE), b = insert_pair(&p, a), c = insert_pair(&p, b);
	cr_assert_eq(flow_find(table, &p, hash, SLOT_NONE), c);
	cr_assert_eq(flow_links(table, c).older, b);
	cr_assert_eq(flow_links(table, b).older, a);
	cr_assert_eq(flow_links(table, a).newer, b);
	flow_remove(table, b); /* out of the middle */
	cr_assert_eq(flow_find(table, &p, hash, SLOT_NONE), c);
	cr_assert_eq(flow_links(table, c).older, a);
	cr_assert_eq(flow_links(table, a).newer, c);
	flow_remove(table, c); /* from the front */
	cr_assert_eq(flow_find(table, &p, hash, SLOT_NONE), a);
	cr_assert_eq(flow_links(table, a).newer, SLOT_NONE);
	flow_remove(table, a);
	cr_assert_eq(flow_find(table, &p, hash, SLOT_NONE), SLOT_NONE);
}

Test(flow, a_tombstone_takes_the_place_of_its_connection)
{
	struct socket_pair p = pair_number(1);
	uint32_t hash = flow_hash(table, &p);
	uint32_t a = insert_pair(&p, SLOT_NONE), b = insert_pair(&p, a), c = insert_pair(&p, b);
	uint64_t id = flow_entry(table, b)->id;
	flow_entry(table, b)->bits |= CONN_CROSSED;
	uint32_t grave = flow_bury(table, b);
	cr_assert(slot_buried(grave));
	cr_assert_eq(flow_entry(table, grave)->id, id);
	cr_assert_eq(flow_entry(table, grave)->bits, CONN_CROSSED);
	cr_assert_eq(flow_links(table, c).older, grave);
	cr_assert_eq(flow_links(table, a).newer, grave);
	cr_assert_eq(flow_tombstone(table, grave)->was.iss[0], 0);
	cr_assert_eq(flow_count(table), 2);
	cr_assert_eq(flow_tombstones(table), 1);
	uint32_t front = flow_bury(table, c);
	cr_assert_eq(flow_find(table, &p, hash, SLOT_NONE), front);
	cr_assert_eq(flow_find_elsewhere(table, &p, hash, 0), front);
	struct likely likely = flow_likely(table, hash);
	flow_prefetch_record(&likely);
	cr_assert_eq(likely.slot, front);
	cr_assert(!slot_is_whole(likely.slot), "a tombstone");
	flow_remove(table, front);
	cr_assert_eq(flow_find(table, &p, hash, SLOT_NONE), grave);
	flow_remove(table, grave);
	cr_assert_eq(flow_find(table, &p, hash, SLOT_NONE), a);
	cr_assert_eq(flow_tombstones(table), 0);
}

Test(flow, histories_are_accounted_and_used_again)
{
	uint32_t slot = insert_number(1);
	struct connection *c = flow_connection(table, slot);
	connection_keep(c, (union kept){.history = flow_history_new(table)});
	cr_assert_not_null(connection_kept(c).history);
	uint64_t with = flow_memory(table);
	flow_account(table, 1000);
	cr_assert_eq(flow_memory(table), with + 1000);
	flow_account(table, -1000);
	struct history *first = connection_kept(c).history;
	flow_bury(table, slot);
	cr_assert_eq(flow_history_new(table), first);
	cr_assert_eq(flow_memory(table) > with, true, "the tombstones' chunk");
}

/* ---- time ---- */

/* Everything that is due, removed; returns how many. */
static unsigned expire_all(int64_t now)
{
	unsigned n = 0;
	for (uint32_t slot; (slot = flow_due(table, now)) != SLOT_NONE; n++)
		flow_remove(table, slot);
	return n;
}

Test(flow, nothing_is_due_before_the_clock_starts)
{
	cr_assert_eq(flow_due(table, EPOCH), SLOT_NONE);
}

Test(flow, due_in_time_never_early_and_at_most_two_ticks_late)
{
	static const int64_t after[] = {0, 1, SECONDS / 2, SECONDS, 5 * SECONDS, 59 * SECONDS, 200 * SECONDS, 7440 * SECONDS};
	flow_start_clock(table, EPOCH);
	for (size_t i = 0; i < sizeof after / sizeof after[0]; i++)
		flow_schedule(table, insert_number((uint32_t)i + 1), EPOCH + after[i]);
	for (size_t i = 0; i < sizeof after / sizeof after[0]; i++) {
		if (after[i] > 2 * SECONDS)
			cr_assert_eq(expire_all(EPOCH + after[i] - 1), 0, "%zu early", i);
		unsigned due = expire_all(EPOCH + after[i] + 2 * TICK);
		cr_assert(due >= 1 || find_number((uint32_t)i + 1) == SLOT_NONE, "%zu late", i);
	}
	cr_assert_eq(flow_count(table), 0);
}

Test(flow, scheduling_again_moves)
{
	flow_start_clock(table, EPOCH);
	uint32_t slot = insert_number(1);
	flow_schedule(table, slot, EPOCH + 5 * SECONDS);
	flow_schedule(table, slot, EPOCH + 100 * SECONDS);
	cr_assert_eq(flow_due(table, EPOCH + 50 * SECONDS), SLOT_NONE);
	cr_assert_eq(flow_due(table, EPOCH + 103 * SECONDS), slot);
	cr_assert_eq(flow_due(table, EPOCH + 110 * SECONDS), SLOT_NONE, "it has no deadline now");
}

Test(flow, one_list_of_many_can_be_taken_apart_in_any_order)
{
	uint32_t slot[9];
	flow_start_clock(table, EPOCH);
	for (uint32_t i = 0; i < 9; i++)
		flow_schedule(table, slot[i] = insert_number(i + 1), EPOCH + 10 * SECONDS);
	flow_remove(table, slot[8]); /* the head */
	flow_remove(table, slot[4]);
	flow_remove(table, slot[0]); /* the tail */
	flow_bury(table, slot[3]);
	cr_assert_eq(expire_all(EPOCH + 20 * SECONDS), 5);
}

Test(flow, what_is_due_may_schedule_itself_and_remove_others)
{
	uint32_t slot[4];
	flow_start_clock(table, EPOCH);
	for (uint32_t i = 0; i < 4; i++)
		flow_schedule(table, slot[i] = insert_number(i + 1), EPOCH + SECONDS);
	int64_t now = EPOCH + 10 * SECONDS;
	uint32_t first = flow_due(table, now);
	cr_assert_neq(first, SLOT_NONE);
	flow_schedule(table, first, EPOCH); /* long due: looked at again, but not for ever */
	for (uint32_t i = 0; i < 4; i++)
		if (slot[i] != first) {
			flow_remove(table, slot[i]);
			break;
		}
	unsigned n = 0;
	for (uint32_t s; (s = flow_due(table, now)) != SLOT_NONE; n++)
		cr_assert(n < 10);
	cr_assert(n >= 2 && n <= 3);
}

Test(flow, hours_ahead)
{
	flow_start_clock(table, EPOCH);
	uint32_t slot = insert_number(1);
	int64_t due = EPOCH + 86400 * SECONDS;
	flow_schedule(table, slot, due);
	unsigned looks = 0;
	for (int64_t now = EPOCH; now < due; now += 600 * SECONDS)
		for (uint32_t s; (s = flow_due(table, now)) != SLOT_NONE; looks++)
			flow_schedule(table, s, due);
	cr_assert_eq(looks, 0);
	cr_assert_eq(flow_due(table, due + 2 * TICK), slot);
}

Test(flow, a_jump_over_years_finds_everything_once)
{
	flow_start_clock(table, EPOCH);
	for (uint32_t i = 0; i < 1000; i++)
		flow_schedule(table, insert_number(i + 1), EPOCH + (int64_t)i * 7 * SECONDS);
	cr_assert_eq(expire_all(EPOCH + INT64_C(70) * 365 * 86400 * SECONDS), 1000);
	uint32_t slot = insert_number(5);
	flow_schedule(table, slot, EPOCH + INT64_C(70) * 365 * 86400 * SECONDS + 5 * SECONDS);
	cr_assert_eq(flow_due(table, EPOCH + INT64_C(70) * 365 * 86400 * SECONDS + 9 * SECONDS), slot);
}

Test(flow, time_going_back_makes_nothing_due)
{
	flow_start_clock(table, EPOCH);
	uint32_t slot = insert_number(1);
	cr_assert_eq(flow_due(table, EPOCH + 1000 * SECONDS), SLOT_NONE);
	flow_schedule(table, slot, EPOCH + 1005 * SECONDS);
	cr_assert_eq(flow_due(table, EPOCH), SLOT_NONE);
	cr_assert_eq(flow_due(table, EPOCH + 1010 * SECONDS), slot);
}

Test(flow, clock_before_1970)
{
	flow_start_clock(table, -100 * SECONDS);
	uint32_t slot = insert_number(1);
	flow_schedule(table, slot, -50 * SECONDS);
	cr_assert_eq(flow_due(table, -60 * SECONDS), SLOT_NONE);
	cr_assert_eq(flow_due(table, -45 * SECONDS), slot);
}

/* ---- victims ---- */

Test(flow, nobody_to_sacrifice)
{
	cr_assert_eq(flow_victim(table), SLOT_NONE);
	flow_remove(table, insert_number(1));
	cr_assert_eq(flow_victim(table), SLOT_NONE);
}

Test(flow, the_oldest_half_open_goes_first)
{
	uint32_t established = insert_number(1), old = insert_number(2), young = insert_number(3), dead = insert_number(4);
	flow_entry(table, established)->bits = CONN_ESTABLISHED;
	flow_half_open(table, established); /* it was, when it was put there */
	flow_half_open(table, old);
	flow_half_open(table, young);
	flow_bury(table, dead); /* tombstones give way to tombstones only */
	cr_assert_eq(flow_victim(table), old);
	flow_remove(table, old);
	cr_assert_eq(flow_victim(table), young);
	flow_remove(table, young);
	cr_assert_eq(flow_victim(table), established);
}

Test(flow, a_record_used_again_is_not_taken_for_its_predecessor)
{
	uint32_t slot = insert_number(1);
	flow_half_open(table, slot);
	flow_remove(table, slot);
	uint32_t again = insert_number(2), other = insert_number(3);
	cr_assert_eq(again, slot);
	flow_entry(table, again)->bits = CONN_SYN; /* half-open by its bits, but not in the queue */
	flow_half_open(table, other);
	cr_assert_eq(flow_victim(table), other);
}

Test(flow, the_queue_of_half_open_grows_round)
{
	enum { MANY = 5000 };
	static uint32_t slot[MANY];
	for (uint32_t i = 0; i < 700; i++) {
		flow_half_open(table, slot[i] = insert_number(i + 1));
		if (i >= 600) /* so that the ring's head is not at its start */
			flow_remove(table, flow_victim(table));
	}
	for (uint32_t i = 700; i < MANY; i++)
		flow_half_open(table, slot[i] = insert_number(i + 1));
	for (uint32_t i = 100; i < MANY; i++) {
		uint32_t victim = flow_victim(table);
		cr_assert_eq(victim, slot[i], "oldest first: %u", i);
		flow_remove(table, victim);
	}
	cr_assert_eq(flow_count(table), 0);
}

/* One SYN that is repeated for ever must not keep the places of all that came behind it (reliability.md P2). */
Test(flow, a_stubborn_head_does_not_make_the_queue_grow)
{
	flow_half_open(table, insert_number(1));
	uint64_t before = flow_memory(table);
	for (uint32_t i = 0; i < 300000; i++) {
		uint32_t slot = insert_number(i + 2);
		flow_half_open(table, slot);
		flow_entry(table, slot)->bits |= CONN_ESTABLISHED;
		flow_remove(table, slot);
	}
	cr_assert_leq(flow_memory(table), before + (1 << 20), "%lu more", (unsigned long)(flow_memory(table) - before));
}

Test(flow, the_queue_shrinks_when_a_flood_is_over)
{
	enum { MANY = 50000 };
	static uint32_t slot[MANY];
	uint64_t before;
	for (uint32_t i = 0; i < MANY; i++)
		slot[i] = insert_number(i + 1);
	flow_half_open(table, slot[0]);
	before = flow_memory(table);
	for (uint32_t i = 1; i < MANY; i++)
		flow_half_open(table, slot[i]);
	cr_assert_gt(flow_memory(table), before);
	for (uint32_t i = 0; i < MANY - 10; i++)
		flow_entry(table, slot[i])->bits |= CONN_ESTABLISHED;
	for (uint32_t i = 0; i < 10; i++)
		flow_half_open(table, slot[i]); /* which shows nobody, and makes way */
	cr_assert_eq(flow_memory(table), before);
	cr_assert_eq(flow_victim(table), slot[MANY - 10]);
}

/* A connection that has gone takes its whole chunk's memory with it, if it was the last there. */
Test(flow, connections_and_tombstones_give_back_too)
{
	enum { MANY = 10 * 4096 };
	uint64_t one, all, graves;
	insert_number(1);
	one = flow_memory(table);
	for (uint32_t i = 1; i < MANY; i++)
		insert_number(i + 1);
	all = flow_memory(table);
	for (uint32_t i = 0; i < MANY; i++)
		flow_bury(table, find_number(i + 1));
	graves = flow_memory(table);
	cr_assert_lt(graves, all);
	cr_assert_eq(flow_victim(table), SLOT_NONE);
	for (uint32_t i = 1; i < MANY; i++)
		flow_remove(table, find_number(i + 1));
	cr_assert_leq(flow_memory(table), graves - 3 * 4096 * sizeof(struct tombstone));
	uint32_t grave = find_number(1);
	cr_assert(slot_buried(grave));
	flow_remove(table, grave);
	insert_number(1);
	cr_assert_leq(flow_memory(table), one + (2 << 20), "an index that has grown, deadlines, and a chunk of tombstones");
}

Test(flow, among_the_established_somebody_silent_goes)
{
	for (uint32_t i = 0; i < 12; i++) {
		uint32_t slot = insert_number(i + 1);
		flow_entry(table, slot)->bits = CONN_ESTABLISHED;
		flow_connection(table, slot)->start = EPOCH + (i == 7 ? 0 : 100 + i) * SECONDS;
	}
	cr_assert_eq(flow_victim(table), find_number(8));
}

Test(flow, what_few_have_goes_with_the_connection)
{
	uint32_t removed = insert_number(1), buried = insert_number(2), kept = insert_number(3);
	flow_bury(table, insert_number(4)); /* a chunk of tombstones is there */
	uint64_t before = flow_memory(table);
	for (uint32_t slot = removed; slot <= kept; slot++) {
		struct rarity *r = flow_rarity(table, flow_connection(table, slot));
		cr_assert(r && r->told == 0);
		r->told = slot + 1;
		cr_assert_eq(flow_rarity(table, flow_connection(table, slot))->told, slot + 1, "the same");
	}
	cr_assert_eq(flow_memory(table), before + 3 * sizeof(struct rarity));
	flow_remove(table, removed);
	flow_bury(table, buried);
	cr_assert_eq(flow_memory(table), before + sizeof(struct rarity));
}

Test(flow, full_looks_ahead_by_a_chunk)
{
	cr_assert_not(flow_full(table), "no limit");
	uint64_t empty = flow_memory(table);
	struct flow_table *tight = flow_table_new(key, empty + 1);
	cr_assert_not(flow_full(tight), "whoever is alone may stay: there is nobody to sacrifice");
	struct flow_table *usual = table;
	table = tight;
	insert_number(1);
	cr_assert(flow_full(tight), "its history has no room");
	table = usual;
	flow_table_free(tight);
}

/* Whatever the cap: one comes, one goes, and nearly never a second one; and some histories are to be had when all is taken. */
Test(flow, nobody_gives_way_in_crowds)
{
	enum { ALL = 30000, HISTORIES_AT_LEAST = 256 };
	static struct history *kept[HISTORIES_AT_LEAST];
	struct flow_table *usual = table;

	for (uint64_t cap = 2000000; cap < 4000000; cap += 37000) {
		table = flow_table_new(key, cap);
		unsigned most = 0, full = 0;
		for (uint32_t n = 1; n <= ALL; n++) {
			unsigned gone = 0;
			for (; flow_full(table); gone++)
				flow_remove(table, flow_victim(table));
			most = gone > most ? gone : most;
			full += gone > 0;
			insert_number(n);
			cr_assert_leq(flow_memory(table), cap + cap / 32);
		}
		cr_assert(full > ALL / 4 && most <= 2, "cap %llu: %u of them, %u at once", (unsigned long long)cap, full, most);
		for (unsigned i = 0; i < HISTORIES_AT_LEAST; i++)
			cr_assert_not_null(kept[i] = flow_history_new(table), "cap %llu: %u", (unsigned long long)cap, i);
		cr_assert_leq(flow_memory(table), cap + cap / 32);
		flow_table_free(table);
	}
	table = usual;
}

/* Ages that differ in each octet, many alike in most, slots used again. */
Test(flow, order_is_by_age)
{
	enum { ALL = 5000 };
	static uint64_t out[ALL];
	uint64_t steps[] = {1, 256, 65536, UINT64_C(1) << 24, UINT64_C(1) << 32, 3}, id = UINT64_C(1) << 40;
	uint32_t slot[ALL];

	cr_assert_eq(flow_order(table, out), 0);
	for (uint32_t i = 0; i < ALL; i++)
		slot[i] = insert_number(i + 1);
	for (uint32_t i = 0; i < ALL; i++) /* in an order that has nothing to do with the slots'; few are very young */
		flow_entry(table, slot[i * 1237 % ALL])->id = id += i < 10 ? steps[i % 6] : steps[i % 3];
	for (uint32_t i = 0; i < ALL; i += 7)
		flow_remove(table, slot[i]);
	uint64_t n = flow_order(table, out);
	cr_assert_eq(n, flow_count(table));
	for (uint64_t i = 1; i < n; i++)
		cr_assert_lt(flow_entry(table, flow_ordered(out[i - 1]))->id, flow_entry(table, flow_ordered(out[i]))->id);
}

Test(flow, order_loses_nobody_however_young)
{
	uint64_t out[100];

	for (uint32_t i = 0; i < 100; i++)
		flow_entry(table, insert_number(i + 1))->id = 1 + ((uint64_t)i << 40);
	cr_assert_eq(flow_order(table, out), 100);
	for (uint32_t slot = 0, seen = 0; slot < 100; slot++, seen = 0) {
		for (uint32_t i = 0; i < 100; i++)
			seen += flow_ordered(out[i]) == slot;
		cr_assert_eq(seen, 1);
	}
	cr_assert_eq(flow_entry(table, flow_ordered(out[0]))->id, 1);
}

Test(flow, freeing_nothing_is_allowed)
{
	flow_table_free(NULL);
}
