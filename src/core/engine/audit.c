/* audit.c - the engine's work: batches of segments to the connections that they belong to.
 *
 * The engine as a whole is engine.c's.  Which incarnation of a socket pair each is for, incarnation.c finds out.  Frames become
 * segments, and get their packet time, in front.c; when a connection is over, engine_time.c decides; what is said of it,
 * engine_report.c finds out. */
#include "engine.h"
#include "late.h"
#include "reader.h"
#include "shards.h"
#include "flow/connection.h"
#include "flow/embryo.h"
#include "flow/incarnation.h"
#include "flow/prefetch.h"
#include "flow/unusual.h"
#include "mirror/places.h"
#include "aside.h"

#define DUE_A_FRAME 16 /* connections and tombstones looked at when a frame comes: more than a frame can begin */

static bool too_many(const struct tcpaudit *e)
{
	return e->settings.max_flows && flow_count(e->table) >= e->settings.max_flows;
}

#define GIVE_WAY_MOST 16 /* connections, to what one of them needs beside its record */

/* Sacrifices connections until another one has room, and another history. `older` may be among them.  What nobody has answered
 * goes first. */
static void make_room(struct tcpaudit *e, const struct socket_pair *pair, uint32_t *older)
{
	for (unsigned names = 0;;) {
		bool many = too_many(e), full = many || flow_full(e->table);
		if (!full && (!flow_names_full(e->table, pair) || names++ == GIVE_WAY_MOST))
			return;
		uint32_t victim = many ? flow_oldest_embryo(e->table) : SLOT_NONE;
		if (victim == SLOT_NONE)
			victim = flow_victim(e->table);
		if (victim == SLOT_NONE)
			return;
		if (victim == *older)
			*older = flow_links(e->table, victim).older;
		engine_evict(e, victim);
	}
}

/* Without memory for what links them, the incarnations before give way to the one that begins. */
static void forget_older(struct tcpaudit *e, uint32_t older)
{
	for (uint32_t next; older != SLOT_NONE; older = next) {
		next = flow_links(e->table, older).older;
		if (slot_buried(older))
			flow_remove(e->table, older);
		else
			engine_evict(e, older);
	}
}

/* What was there before on this socket pair goes with the new incarnation: it may outlive the tombstone. */
static void remember_former(struct tcpaudit *e, struct connection *c)
{
	const uint32_t older = connection_links(c).older;

	if (older == SLOT_NONE)
		return;
	struct former was;
	if (slot_buried(older))
		was = flow_tombstone(e->table, older)->was;
	else
		engine_remains(flow_connection(e->table, older), &was);
	was.doubtful |= engine_lost_since(e, was.last);
	connection_follows(c, e->table, &was, (c->entry.bits ^ flow_entry(e->table, older)->bits) & CONN_CROSSED);
}

static void show_watched(struct tcpaudit *e, struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	struct mirror mirror;
	state_set states[2] = {NO_STATE, NO_STATE};

	if (!e->sink.segment)
		return;
	if (connection_history(c, e->table)) {
		const struct captured captured = connection_captured(c);
		places_follow(&mirror, &captured, e->now, NULL);
		for (unsigned x = 0; x < 2; x++)
			states[x] = mirror_states(&mirror, x);
	}
	e->sink.segment(e->sink.user, c->entry.id, s, from, states);
}

static bool is_watched(const struct tcpaudit *e, const struct tcpaudit_segment *first)
{
	return e->settings.watch_all || e->settings.watch == first->ordinal;
}

/* Its first segment is all that there is to see. */
static void show_embryo(struct tcpaudit *e, const struct embryo *embryo, const struct tcpaudit_segment *s)
{
	struct connection room;

	embryo_grow(embryo, &room);
	show_watched(e, &room, s, TCPAUDIT_CLIENT);
	flow_strip(e->table, &room);
}

/* Begins a connection with a SYN on a socket pair that is not known, if an embryo will do: where rules ask now and then, whole
 * connections are visited. */
ASIDE static bool conceive(struct tcpaudit *e, const struct batch *b, unsigned i, struct tcpaudit_segment *s,
                           const struct socket_pair *pair)
{
	bool verify = e->settings.checksum != TCPAUDIT_CHECKSUM_OFF;
	uint32_t slot;

	if (e->settings.points >> TCPAUDIT_ON_TICK & 1 || e->now - s->time > LAG_NOTED || !embryo_tells(s, verify))
		return false;
	while ((too_many(e) || flow_embryos_full(e->table)) && (slot = flow_oldest_embryo(e->table)) != SLOT_NONE)
		engine_evict(e, slot);
	slot = too_many(e) ? SLOT_NONE : flow_conceive(e->table, pair, b->hash[i]);
	if (slot == SLOT_NONE)
		return false;
	struct embryo *embryo = flow_embryo(e->table, slot);
	embryo_begin(embryo, s, b->sockets[i].crossed, verify);
	if (e->sink.scopes)
		embryo->scopes = e->sink.scopes(e->sink.user, b->frame[i]);
	if (e->labeller.text)
		embryo->entry.bits |= CONN_UNLABELLED;
	flow_schedule(e->table, slot, s->time + HALF_OPEN_FOR);
	e->counters.connections++;
	if (is_watched(e, s)) {
		embryo->entry.bits |= CONN_WATCHED;
		show_embryo(e, embryo, s);
	}
	return true;
}

/* Others give way to them; without memory even then, a rule that is for some connections only is for none. */
static void remember_scopes(struct tcpaudit *e, uint32_t slot, uint32_t scopes)
{
	struct connection *c = flow_connection(e->table, slot);
	uint32_t victim;

	for (unsigned n = 0; scopes && n < GIVE_WAY_MOST && !flow_rarity(e->table, c); n++) {
		if ((victim = flow_victim(e->table)) == SLOT_NONE || victim == slot)
			break;
		engine_evict(e, victim);
	}
	if (scopes && connection_rarity(c))
		connection_rarity(c)->scopes = scopes;
}

/* Something comes behind its SYN, or somebody asks for it.  Without memory for that it goes, and SLOT_NONE comes back. */
ASIDE uint32_t engine_grow(struct tcpaudit *e, uint32_t slot)
{
	while (flow_full(e->table))
		engine_evict(e, flow_victim(e->table));
	uint32_t scopes = flow_embryo(e->table, slot)->scopes, whole = flow_grow(e->table, slot);
	if (whole == SLOT_NONE) {
		engine_evict(e, slot);
		return SLOT_NONE;
	}
	remember_scopes(e, whole, scopes);
	flow_schedule(e->table, whole, engine_deadline(e, whole));
	flow_schedule_by(e->table, whole, e->now + e->soonest);
	flow_half_open(e->table, whole);
	return whole;
}

static uint32_t begin(struct tcpaudit *e, const struct batch *b, unsigned i, const struct socket_pair *pair, uint32_t older)
{
	const struct tcpaudit_segment *s = &b->segment[i];
	uint32_t hash = b->hash[i];
	make_room(e, pair, &older);
	if (older != SLOT_NONE && flow_links(e->table, older).newer != SLOT_NONE)
		older = flow_find(e->table, pair, hash, SLOT_NONE);
	uint32_t slot = flow_insert(e->table, pair, hash, older);
	if (slot == SLOT_NONE && older != SLOT_NONE) {
		forget_older(e, older);
		slot = flow_insert(e->table, pair, hash, SLOT_NONE);
	}
	if (slot == SLOT_NONE)
		return SLOT_NONE;
	struct connection *c = flow_connection(e->table, slot);
	unsigned from = connection_guess_sender(s);
	if (b->sockets[i].crossed != (from == TCPAUDIT_SERVER))
		c->entry.bits |= CONN_CROSSED;
	connection_begin(c, s, from);
	if (e->sink.scopes)
		remember_scopes(e, slot, e->sink.scopes(e->sink.user, b->frame[i]));
	if (is_syn(s))
		remember_former(e, c);
	if (e->labeller.text && is_syn(s))
		c->entry.bits |= CONN_UNLABELLED;
	if (is_watched(e, s))
		c->entry.bits |= CONN_WATCHED;
	flow_schedule(e->table, slot, e->now + e->soonest); /* most are short: what is not gets its deadline then */
	if (is_syn(s))
		flow_half_open(e->table, slot);
	e->counters.connections++;
	return slot;
}

/* A segment of an earlier incarnation, while a later one is there: both may want to know. */
static void tell_newer(struct tcpaudit *e, uint32_t newest, uint32_t slot, const struct tcpaudit_segment *s, bool crossed)
{
	if (newest == slot || newest == SLOT_NONE || slot_buried(newest))
		return;
	struct connection *newer = flow_connection(e->table, newest);
	connection_witness(newer, e->table, s, connection_sender(&newer->entry, crossed), UNUSUAL_OLD_INCARNATION);
}

/* A SYN with another ISS to a connection that is open, or was a moment ago (RFC 9293 3.10.7.4 fourth). */
static void tell_older(struct tcpaudit *e, uint32_t older, const struct tcpaudit_segment *s, bool crossed)
{
	if (older == SLOT_NONE || slot_buried(older) || s->flags & TCPAUDIT_ACK || !is_syn(s))
		return;
	struct connection *c = flow_connection(e->table, older);
	if (c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM))
		connection_witness(c, e->table, s, connection_sender(&c->entry, crossed), UNUSUAL_SYN_SYNCHRONIZED);
}

/* An accepted SYN ends what was there before (RFC 9293 3.5.1). */
static void supersede(struct tcpaudit *e, const struct connection *c)
{
	const uint32_t older = connection_links(c).older;

	if (older != SLOT_NONE && !slot_buried(older))
		flow_entry(e->table, older)->bits |= CONN_SUPERSEDED;
}

static bool is_overdue(const struct tcpaudit *e, uint32_t slot)
{
	if (slot_buried(slot))
		return tombstone_until(flow_tombstone(e->table, slot)) <= e->now;
	return engine_deadline(e, slot) <= e->now;
}

/* The oldest of those that a segment may be of and that are over by now; SLOT_NONE: none is. */
static uint32_t find_overdue(const struct tcpaudit *e, uint32_t slot)
{
	uint32_t found = SLOT_NONE;

	for (int i = 0; slot != SLOT_NONE && i < INCARNATIONS; i++, slot = flow_links(e->table, slot).older)
		if (is_overdue(e, slot))
			found = slot;
	return found;
}

/* Ends what is over by now: deadlines are looked at only now and then, and no segment may depend on when.  One at a time, the
 * oldest first, since the next learns from its report how it ended; true if there was one: there may be more.  The segment brings
 * that about, in whichever tick it may have been over: whoever looks at what is due finds it only later, since it is over sooner
 * than was foreseen. */
static bool end_overdue(struct tcpaudit *e, uint32_t slot)
{
	slot = find_overdue(e, slot);
	if (slot == SLOT_NONE)
		return false;
	if (slot_buried(slot))
		flow_remove(e->table, slot);
	else
		engine_report(e, slot, engine_deadline(e, slot));
	return true;
}

/* May this segment raise a report, of a connection or of something that came behind one? */
static bool may_report(const struct tcpaudit *e, uint32_t slot)
{
	return slot != SLOT_NONE && (slot_buried(slot) || flow_links(e->table, slot).older != SLOT_NONE || is_overdue(e, slot));
}

/* What there is of the pair when all that is over has been reported. */
ASIDE static uint32_t current(struct tcpaudit *e, const struct socket_pair *pair, uint32_t hash, uint32_t slot)
{
	if (e->settings.in_order) {
		engine_expire(e, UINT64_MAX);
		slot = flow_find(e->table, pair, hash, SLOT_NONE);
	}
	while (end_overdue(e, slot))
		slot = flow_find(e->table, pair, hash, SLOT_NONE);
	return slot;
}

/* In whichever VLAN and tunnel, as long as it is in one alone; of what is over by now, none counts. */
static uint32_t find_elsewhere(struct tcpaudit *e, const struct socket_pair *pair, uint32_t hash)
{
	uint32_t found = SLOT_NONE, slot;

	for (unsigned n = 0; n < 2 && (slot = flow_find_elsewhere(e->table, pair, hash, n)) != SLOT_NONE;)
		if (is_overdue(e, slot)) {
			if (e->settings.in_order)
				engine_expire(e, UINT64_MAX);
			end_overdue(e, flow_find_elsewhere(e->table, pair, hash, n));
			n = 0;
		} else {
			found = n++ ? SLOT_NONE : slot;
		}
	return found;
}

#define TENANTS_MOST 256 /* that have the same two sockets at once, in VLANs and tunnels of their own */

/* Anybody can send the same sockets in any number of VLANs and tunnels, and whoever looks for one of them meets all: the hash
 * leaves these out, since find_elsewhere() wants them together.  What is over by now does not count. */
ASIDE static bool has_too_many_tenants(struct tcpaudit *e, const struct socket_pair *pair, uint32_t hash)
{
	uint32_t slot[TENANTS_MOST];

	while (flow_find_all_elsewhere(e->table, pair, hash, slot, TENANTS_MOST) == TENANTS_MOST) {
		unsigned i = 0;
		while (i < TENANTS_MOST && !is_overdue(e, slot[i]))
			i++;
		if (i == TENANTS_MOST)
			return true;
		if (e->settings.in_order && e->now >= e->quiet_until)
			engine_expire(e, UINT64_MAX);
		else
			end_overdue(e, slot[i]);
	}
	return false;
}

static void tell_hosts(struct tcpaudit *e, uint32_t slot, unsigned known, int64_t time)
{
	struct learnt *learnt = e->part ? part_learns(e->part) : &e->lesson.learnt[e->lesson.count++];

	hosts_learn(learnt, e->table, slot, known, time, e->settings.msl);
}

/* All of a batch at once: the code and the memory that it takes come once. */
void engine_conclude(struct tcpaudit *e)
{
	const unsigned count = e->lesson.count;
	struct verdict verdict;

	for (unsigned i = 0; i < count; i++)
		hosts_meet(&e->hosts, &e->lesson.learnt[i], &e->counters);
	for (unsigned i = 0; i < count; i++)
		if (hosts_compare(&e->hosts, &e->lesson.learnt[i], &e->settings, &e->counters, &verdict))
			hosts_tell(&e->lesson.learnt[i], &verdict);
	e->lesson.count = 0;
}

/* What a segment has made of its connection, whose bits were `was`, is handed on. */
ASIDE static void pass_on(struct tcpaudit *e, uint32_t slot, struct connection *c, const struct tcpaudit_segment *s, unsigned from,
                          uint32_t was, struct taken taken)
{
	if (taken.unusable)
		e->counters.unusable[taken.unusable]++;
	if (c->entry.bits & CONN_UNLABELLED)
		engine_offer_text(e, c, s, from, taken.fresh);
	if (taken.settles)
		engine_end_label(e, c);
	uint32_t now = c->entry.bits & ~was;
	if (now & (CONN_SETTLED | CONN_CLOSED))
		flow_schedule(e->table, slot, engine_deadline_of(e, c)); /* before that there is nothing to look at */
	else if (e->settings.idle_timeout < HALF_OPEN_FOR && now)
		flow_schedule_by(e->table, slot, engine_deadline_of(e, c)); /* it may be sooner now */
	unsigned known = (now & CONN_SYN_ACK && was & CONN_SYN ? HOSTS_ANSWERED : 0u) |
	                 (now & CONN_ESTABLISHED ? HOSTS_ESTABLISHED : 0u) |
	                 (taken.settles && now & CONN_CLOSED ? HOSTS_CLOSED : 0u);
	if (now & CONN_ESTABLISHED)
		supersede(e, c);
	if (known)
		tell_hosts(e, slot, known, s->time);
	if (c->entry.bits & CONN_WATCHED)
		show_watched(e, c, s, from);
}

/* Hands the segment to its connection, and on what that makes of it, if anything. */
static inline void take(struct tcpaudit *e, uint32_t slot, struct connection *c, struct tcpaudit_segment *s, unsigned from)
{
	if (e->now - s->time > LAG_NOTED || (c->entry.bits & CONN_RARE && engine_lag(c)))
		engine_note_lag(e, slot, s->time);
	uint32_t was = c->entry.bits;
	struct taken taken = connection_take(c, e->table, s, from, e->settings.checksum != TCPAUDIT_CHECKSUM_OFF);
	if (c->entry.bits & ~was & e->handed_on || taken.unusable || taken.settles || was & (CONN_UNLABELLED | CONN_WATCHED))
		pass_on(e, slot, c, s, from, was, taken);
}

static void judge(struct tcpaudit *e, struct batch *b, unsigned i, uint32_t likely)
{
	struct tcpaudit_segment *s = &b->segment[i];
	bool crossed = b->sockets[i].crossed;
	struct socket_pair pair;
	socket_pair_fill(&pair, s, crossed);
	while (flow_full(e->table))
		engine_evict(e, flow_victim(e->table));
	uint32_t slot = flow_find(e->table, &pair, b->hash[i], likely);
	if (may_report(e, slot))
		slot = current(e, &pair, b->hash[i], slot);
	if (slot == SLOT_NONE && (s->vlan | s->network) && has_too_many_tenants(e, &pair, b->hash[i])) {
		e->counters.unusable[TCPAUDIT_UNUSABLE_TENANTS]++;
		return;
	}
	if (slot == SLOT_NONE && conceive(e, b, i, s, &pair))
		return;
	if (slot_is_embryo(slot))
		slot = engine_grow(e, slot);
	bool asymmetric = false;

	if (slot == SLOT_NONE && !(is_syn(s) && !(s->flags & TCPAUDIT_ACK))) {
		uint32_t other = find_elsewhere(e, &pair, b->hash[i]);
		if (slot_is_embryo(other))
			other = engine_grow(e, other);
		if (other != SLOT_NONE && incarnation_fits(e->table, other, s, crossed)) {
			slot = other;
			asymmetric = true;
		}
	}
	uint32_t newest = slot;
	bool follows = false;
	if (slot != SLOT_NONE && !asymmetric &&
	    (flow_links(e->table, slot).older != SLOT_NONE || slot_buried(slot) || is_syn(s)))
		slot = incarnation_of(e->table, slot, s, crossed);
	if (slot == SLOT_NONE) {
		tell_older(e, newest, s, crossed);
		slot = begin(e, b, i, &pair, newest);
		follows = newest != SLOT_NONE && e->settings.points >> TCPAUDIT_ON_REUSE & 1;
	} else if (slot != newest) {
		tell_newer(e, newest, slot, s, crossed);
	}
	if (slot == SLOT_NONE) {
		e->counters.unusable[TCPAUDIT_UNUSABLE_FLOW_CAP]++;
		return;
	}
	unsigned from = connection_sender(flow_entry(e->table, slot), crossed);
	if (slot_buried(slot)) {
		struct check_result result = {
		        .settings = &e->settings, .counters = &e->counters, .sink = &e->sink, .labeller = &e->labeller};
		struct tombstone *t = flow_tombstone(e->table, slot);
		t->was.doubtful |= engine_lost_since(e, t->was.last);
		late_segment(&result, e->table, t, s, from);
		return;
	}
	struct connection *c = flow_connection(e->table, slot);
	if (asymmetric)
		c->entry.capture |= CAPTURE_VLAN_ASYMMETRIC;
	take(e, slot, c, s, from);
	if (follows && connection_former(c))
		engine_ask_midway(e, c, TCPAUDIT_ON_REUSE);
}

/* RFC 1122 4.2.3.9, RFC 9293 3.9.2.2: which errors mean that the segment's addressee cannot be reached. */
static bool icmp_is_hard(const struct tcpaudit_segment *s, bool opening)
{
	if (s->ip_version == 4)
		return s->icmp_type == 3 && s->icmp_code != 4 &&
		       (opening || s->icmp_code == 2 || s->icmp_code == 3 || s->icmp_code >= 9);
	return s->icmp_type == 1 && (opening || s->icmp_code == 1 || s->icmp_code == 4);
}

/* RFC 9293 MUST-56: unreachable 0, 1, 5, time exceeded, parameter problem; ICMPv6 unreachable 0 and 3 likewise. */
static bool icmp_is_soft(const struct tcpaudit_segment *s)
{
	if (s->ip_version == 4)
		return (s->icmp_type == 3 && (s->icmp_code <= 1 || s->icmp_code == 5)) || s->icmp_type == 11 ||
		       s->icmp_type == 12;
	return (s->icmp_type == 1 && (s->icmp_code == 0 || s->icmp_code == 3)) || s->icmp_type == 3 || s->icmp_type == 4;
}

/* RFC 5927 4.1: an error about what is no longer on its way is no news. */
static bool is_acknowledged(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct tcb *peer = &c->end[!from];

	return peer->bits & TCB_ACK && seq_lt(s->seq, peer->hiack);
}

ASIDE static void icmp_error(struct tcpaudit *e, const struct tcpaudit_segment *s)
{
	struct socket_pair pair;
	bool crossed = socket_pair_of(s, &pair);
	uint32_t slot = find_elsewhere(e, &pair, flow_hash(e->table, &pair));

	if (slot_is_embryo(slot))
		slot = engine_grow(e, slot);
	if (slot == SLOT_NONE || slot_buried(slot))
		return;
	struct connection *c = flow_connection(e->table, slot);
	unsigned from = connection_sender(&c->entry, crossed);
	if (!incarnation_numbers_fit(e->table, slot, s, crossed) || is_acknowledged(c, s, from))
		return;
	bool hard = icmp_is_hard(s, !(c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM)));
	if ((!hard && (!icmp_is_soft(s) || c->entry.bits & CONN_ICMP)) || !flow_rarity(e->table, c))
		return;
	if (hard)
		c->entry.bits |= CONN_ICMP | (from == TCPAUDIT_CLIENT ? CONN_ICMP_BY_CLIENT : 0);
	else
		c->entry.bits |= CONN_ICMP_SOFT;
	connection_rarity(c)->odd = segment_evidence(s, from);
}

/* Brings the bucket of segment i on its way, if there is such a one. */
static void fetch_bucket(const struct tcpaudit *e, const struct batch *b, unsigned i)
{
	if (i < b->count)
		flow_prefetch_bucket(e->table, b->hash[i]);
}

/* How many segments ahead of the one that is judged.  A record takes about as long to come as a few others to be judged; and the
 * processor looks for a dozen lines at once: who asks for all those of a batch in a row waits for most of them. */
#define RECORD_AHEAD  12
#define HISTORY_AHEAD 6

static inline void fetch_history(const struct tcpaudit *e, const struct batch *b, const struct likely likely[BATCH], unsigned i)
{
	flow_prefetch_history(likely[i]);
	if (b->segment[i].flags & (TCPAUDIT_FIN | TCPAUDIT_RST))
		flow_prefetch_due(e->table, likely[i].slot);
}

_Static_assert(BATCH <= 32, "a bit for each segment");

void engine_find(const struct tcpaudit *e, const struct batch *b, struct likely likely[BATCH])
{
	uint32_t behind = flow_likely_at_once(e->table, b->hash, b->count, likely);

	for (; behind; behind &= behind - 1) {
		unsigned i = (unsigned)__builtin_ctz(behind);
		likely[i] = flow_likely(e->table, b->hash[i]);
	}
	for (unsigned i = 0; i < RECORD_AHEAD && i < b->count; i++)
		flow_prefetch_record(&likely[i]);
	for (unsigned i = 0; i < HISTORY_AHEAD && i < b->count; i++)
		fetch_history(e, b, likely, i);
}

void engine_fetch(const struct tcpaudit *e, const struct batch *b, const struct likely likely[BATCH], unsigned i)
{
	if (i + RECORD_AHEAD < b->count)
		flow_prefetch_record(&likely[i + RECORD_AHEAD]);
	if (i + HISTORY_AHEAD < b->count)
		fetch_history(e, b, likely, i + HISTORY_AHEAD);
}

/* A segment of the only connection that there is on its socket pair, and none that may begin another one. */
static inline bool judge_alone(struct tcpaudit *e, const struct batch *b, unsigned i, struct tcpaudit_segment *s, struct likely likely)
{
	struct connection *c = likely.record;

	if (!slot_is_whole(likely.slot) || s->flags & TCPAUDIT_SYN || !flow_is_alone(c, &b->sockets[i], s) ||
	    engine_is_overdue(e, c) || flow_full(e->table)) /* it may have to give way itself */
		return false;
	take(e, likely.slot, c, s, connection_sender(&c->entry, b->sockets[i].crossed));
	return true;
}

static inline void judge_one(struct tcpaudit *e, struct batch *b, unsigned i, struct likely likely)
{
	if (b->icmp[i])
		icmp_error(e, &b->segment[i]);
	else if (!judge_alone(e, b, i, &b->segment[i], likely))
		judge(e, b, i, likely.slot);
}

void engine_judge(struct tcpaudit *e, struct batch *b, unsigned i, struct likely likely)
{
	if (e->part)
		part_is_judging(e->part, e->now, b->segment[i].ordinal);
	judge_one(e, b, i, likely);
}

/* Frames that hold nothing to be judged let time pass, one by one: nothing may depend on how frames come in batches. */
ASIDE static void pass_frames(struct tcpaudit *e, const struct batch *b, unsigned from, unsigned to)
{
	for (; from < to; from++) {
		if (b->lost >> from & 1)
			losses_add(&e->losses, e->now, b->clock[from]);
		e->now = b->clock[from];
		engine_expire(e, DUE_A_FRAME);
	}
}

/* Are its segments all that happens meanwhile, as nearly always?  Other frames only let time pass, and nothing is due by then. */
static bool is_calm(const struct tcpaudit *e, const struct batch *b)
{
	return !b->lost && b->now < e->quiet_until && !(e->settings.points >> TCPAUDIT_ON_TICK & 1);
}

/* Time goes on to that of a frame with a segment; `passed` frames have been looked at before. */
ASIDE static void pass_to(struct tcpaudit *e, const struct batch *b, unsigned passed, unsigned place)
{
	pass_frames(e, b, passed, place + 1);
	if (e->settings.points >> TCPAUDIT_ON_TICK & 1)
		engine_sweep(e, false);
}

/* Of an engine that is no part.  `next`: the batch that comes next, if it is known: its buckets come bit by bit while this one is
 * judged. */
IN_PLACE void judge_batch(struct tcpaudit *e, struct batch *b, struct batch *next)
{
	const unsigned count = b->count;
	struct likely likely[BATCH];

	if (!e->started && b->frames > 0)
		engine_start(e, b->first);
	const bool calm = is_calm(e, b);
	for (unsigned i = 0; i < count && !b->buckets; i++)
		fetch_bucket(e, b, i);
	engine_find(e, b, likely);
	for (unsigned i = 0; i < count; i++) {
		if (next)
			fetch_bucket(e, next, i);
		if (calm)
			e->now = b->clock[b->place[i]];
		else
			pass_to(e, b, i ? b->place[i - 1] + 1u : 0, b->place[i]);
		engine_fetch(e, b, likely, i);
		judge_one(e, b, i, likely[i]);
	}
	for (unsigned i = count; next && i < next->count; i++)
		fetch_bucket(e, next, i);
	if (next)
		next->buckets = true;
	engine_conclude(e);
	if (!calm)
		pass_frames(e, b, count ? b->place[count - 1] + 1u : 0, b->frames);
	e->now = b->now;
}

/* Decodes up to a batch, so that the table's buckets can be on their way while the next frame is decoded; then judges. */
static void do_batch(struct tcpaudit *e, const struct tcpaudit_frame *frames, unsigned count)
{
	front_fill(&e->front, &e->batch[0], frames, count, e->table);
	judge_batch(e, &e->batch[0], NULL);
	front_release(&e->front);
}

void tcpaudit_frames(struct tcpaudit *e, const struct tcpaudit_frame *frames, size_t count)
{
	for (size_t done = 0; done < count; done += BATCH)
		do_batch(e, frames + done, (unsigned)(count - done < BATCH ? count - done : BATCH));
}

/* Opens a batch where none is; one that has its frames is open. */
static struct batch *open_batch(struct tcpaudit *e, struct tcpaudit_batch *batch, unsigned where)
{
	if (batch->frames)
		return &batch->batch;
	packed_open_all(&batch->packed, &e->batch[where]);
	return &e->batch[where];
}

void tcpaudit_judge(struct tcpaudit *e, struct tcpaudit_batch *batch, struct tcpaudit_batch *next)
{
	const bool ahead = e->opened_ahead == batch;

	e->opened ^= ahead;
	struct batch *b = ahead ? &e->batch[e->opened] : open_batch(e, batch, e->opened);
	struct batch *behind = next ? open_batch(e, next, !e->opened) : NULL;
	e->opened_ahead = next && !next->frames ? next : NULL;
	e->front.counters = batch->counters;
	e->front.now = b->now;
	judge_batch(e, b, behind);
	batch_judged(batch);
}

void tcpaudit_judge_many(struct tcpaudit *e, struct tcpaudit_batch *const *batches, unsigned count)
{
	if (!e->shards) {
		for (unsigned i = 0; i < count; i++)
			tcpaudit_judge(e, batches[i], i + 1 < count ? batches[i + 1] : NULL);
		return;
	}
	if (!count)
		return;
	shards_judge(e, batches, count);
	e->front.counters = batches[count - 1]->counters;
	e->front.now = e->now;
	for (unsigned i = 0; i < count; i++)
		batch_judged(batches[i]);
}
