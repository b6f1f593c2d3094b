/* fin.c - fin-: the FIN and its sequence number (RFC 9293 3.4, 3.6, 3.10.7.4 eighth).
 *
 * u is the number that a FIN occupies: SEG.SEQ plus the length of the text before it.  Its acknowledgment is u+1. */
#include <string.h>

#include "check.h"
#include "events.h"
#include "silence.h"

#define MILLISECOND 1000000ll
#define SECOND      1000000000ll

#define LINUX_ORPHAN_TRIES 8

void check_fin_consumed(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (!f->sent || f->acked < 0 || j->h->event[f->acked].ack != seq_add(f->u, 1))
			continue;
		struct claim c = {.endpoint = (uint8_t)x,
		                  .evidence = {f->first, f->acked, -1},
		                  .expected = {{"acked_seq", seq_add(f->u, 1)}}, /* of its own numbers */
		                  .observed = {{"acked_seq", j->h->event[f->acked].ack}}};
		claim(j, &c);
	}
}

void check_fin_no_ack_flag(struct judging *j)
{
	uint32_t count[2] = {0, 0};
	int at[2] = {-1, -1};

	if (!(j->h->seen >> 8 & TCPAUDIT_FIN))
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if ((e->flags & (TCPAUDIT_FIN | TCPAUDIT_ACK | TCPAUDIT_SYN | TCPAUDIT_RST)) != TCPAUDIT_FIN ||
		    e->is & EVENT_DUPLICATE)
			continue;
		if (!count[e->from]++)
			at[e->from] = i;
	}
	for (unsigned x = 0; x < 2; x++) {
		if (at[x] < 0)
			continue;
		struct claim c = {.endpoint = (uint8_t)x,
		                  .count = count[x],
		                  .at_most = may_be_injected(j, at[x]) ? TCPAUDIT_POSSIBLE : 0,
		                  .evidence = {at[x], -1}};
		claim(j, &c);
	}
}

/* Another segment of the same end carried the FIN's timestamp, too: its echo proves nothing of the FIN. */
static bool echoed_elsewhere(const struct history *h, int fin)
{
	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (i != fin && e->from == h->event[fin].from && e->is & EVENT_TIMESTAMPS && e->tsval == h->event[fin].tsval)
			return true;
	}
	return false;
}

/* It acknowledges what its receiver, by its own SEG.SEQ, has not sent: then it is dropped with its FIN (RFC 9293 3.10.7.4 fifth). */
static bool is_refused_for_its_ack(const struct event *fin, const struct event *answer)
{
	return seq_lt(answer->seq, fin->ack);
}

/* Receipt is proven by a timestamp echo that only the FIN can have caused (RFC 7323 4.3), or made likely by three repeats
 * that were all answered with u.  A closed window or a hole before the FIN explains the same numbers; and where a window takes the
 * text and ends there, the FIN behind it is cut off (RFC 9293 3.10.7.4 first; lwIP, BSD), whatever the window is then. */
void check_fin_ack_short(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (!f->sent || f->acked >= 0 || f->first < 0)
			continue;
		uint32_t answers = 0;
		int short_ack = -1, echo = -1;
		int open = f->peer_edge && seq_ge(f->u, f->peer_redge) ? j->h->count : f->first; /* copies since then are in the window */
		for (int i = f->first + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from == x || !is_pure_ack(e) || e->ack != f->u || !e->window || is_refused_for_its_ack(&j->h->event[f->first], e))
				continue;
			for (int k = open; k < i; k++) {
				const struct event *copy = &j->h->event[k];
				if (copy->from == x && is_fin(copy) && !echoed_elsewhere(j->h, k) &&
				    copy->is & EVENT_TSVAL_FRESH && e->is & EVENT_TIMESTAMPS && e->tsecr == copy->tsval)
					echo = i;
			}
			if (open < i) {
				answers += 1u + e->run;
				short_ack = i;
			} else {
				open = i;
			}
		}
		if (echo < 0 && (f->copies < 3 || answers < 3))
			continue;
		struct claim c = {.endpoint = (uint8_t)!x,
		                  .proven = echo >= 0,
		                  .count = answers,
		                  .evidence = {f->first, echo >= 0 ? echo : short_ack, -1},
		                  .expected = {{"ack", seq_add(f->u, 1)}},
		                  .observed = {{"ack", f->u}}};
		claim(j, &c);
	}
}

#define NEAR 4096

/* Numbers far ahead of the end of the stream: another connection, whose SYN was not captured, looks like that. */
static bool is_far_ahead(tcp_seq number, tcp_seq expected)
{
	return seq_gt(number, seq_add(expected, NEAR));
}

/* ... and so do numbers far behind it: where a host draws its ISS at random, or several share a NAT's port, they go back as often. */
static bool is_far_behind(tcp_seq number, tcp_seq expected)
{
	return seq_lt(number, seq_add(expected, (uint32_t)-NEAR));
}

/* The FIN's sender was beyond it before, or is behind it: by its own numbers there was more to acknowledge. */
static bool goes_past_fin(const struct judging *j, unsigned x)
{
	const struct fin_facts *f = &j->h->fin[x];
	const tcp_seq end = seq_add(f->u, 1);

	if (f->first >= 0 && seq_gt(j->h->event[f->first].nxt, end))
		return true;
	for (int i = f->first < 0 ? 0 : f->first; i < j->h->count; i++)
		if (j->h->event[i].from == x && seq_gt(j->h->event[i].seq, end))
			return true;
	return false;
}

/* The FIN's sender was seen beyond it, or the acknowledgment's sender beyond its own stream, or never before: a SYN may be
 * missing between the FIN and the acknowledgment, and that be the next connection's; or the text that was acknowledged. */
static bool acknowledged_another(const struct judging *j, unsigned x)
{
	const struct event *ack = &j->h->event[j->h->fin[x].acked_wrong];

	return ack->is & EVENT_NXT_UNKNOWN || seq_gt(ack->seq, ack->nxt) || goes_past_fin(j, x);
}

/* It acknowledges ever more: the stream goes on, and the FIN was none of it, as text that was not captured would show. */
static bool acknowledges_on(const struct judging *j, int from)
{
	const struct event *ack = &j->h->event[from];

	for (int i = from + 1; i < j->h->count; i++)
		if (j->h->event[i].from == ack->from && j->h->event[i].flags & TCPAUDIT_ACK && seq_gt(j->h->event[i].ack, ack->ack))
			return true;
	return false;
}

/* A FIN without timestamps, of an end that has sent some: one signal that it is not its sender's, whatever the SYNs said (RFC 7323
 * 3.2). */
static bool is_unlike_its_sender(const struct judging *j, unsigned x)
{
	return !(j->h->event[j->h->fin[x].first].is & EVENT_TIMESTAMPS) && j->c->end[x].tsval;
}

/* More than the one number by which a FIN is counted twice: the FIN may be injected, and text behind it not captured. */
static bool is_beyond_twice(const struct judging *j, const struct fin_facts *f)
{
	return seq_gt(j->h->event[f->acked_wrong].ack, seq_add(f->u, 2));
}

void check_fin_ack_beyond(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (!f->sent || f->acked_wrong < 0 || f->data_after >= 0 || f->moved >= 0)
			continue;
		struct claim c = {.endpoint = (uint8_t)!x,
		                  .evidence = {f->first, f->acked_wrong, -1},
		                  .expected = {{"ack", seq_add(f->u, 1)}},
		                  .observed = {{"ack", j->h->event[f->acked_wrong].ack}}};
		if (is_beyond_twice(j, f) || acknowledged_another(j, x) || acknowledges_on(j, f->acked_wrong) || may_be_injected(j, f->acked_wrong) ||
		    (f->first >= 0 && (may_be_injected(j, f->first) || is_unlike_its_sender(j, x)))) {
			c.at_most = TCPAUDIT_POSSIBLE;
			c.severity_at_most = 1 + TCPAUDIT_NOTE;
		}
		claim(j, &c);
	}
}

/* A FIN inside its sender's own text: its receiver drops it, but text stands behind it all the same. */
static void claim_fin_behind(struct judging *j, unsigned x)
{
	const struct event *fin = &j->h->event[j->h->fin[x].behind];

	claim(j, &(struct claim){.endpoint = (uint8_t)x,
	                         .at_most = may_be_injected(j, j->h->fin[x].behind) ? TCPAUDIT_POSSIBLE : 0,
	                         .evidence = {j->h->fin[x].behind, -1},
	                         .expected = {{"fin_seq", fin->nxt}},
	                         .observed = {{"fin_seq", seq_add(fin->seq, fin->len)}}});
}

/* It has reset between the two, so that it had no block then: where it has SYN cookies, an old acknowledgment of its SYN-ACK opens
 * another one with the same ISS (RFC 4987 3.6), and these are two connections. */
static bool has_reset_between(const struct judging *j, unsigned x, int first, int then)
{
	const struct event *e = j->h->event;

	for (int i = 0; i < j->h->count; i++)
		if (e[i].from == x && e[i].flags & TCPAUDIT_RST && e[i].time > e[first].time && e[i].time < e[then].time)
			return true;
	return false;
}

static void doubt_one_connection(const struct judging *j, unsigned x, int first, int then, struct claim *c)
{
	if (first < 0 || !has_reset_between(j, x, first, then))
		return;
	c->at_most = TCPAUDIT_POSSIBLE;
	c->severity_at_most = 1 + TCPAUDIT_NOTE;
}

void check_fin_data_after(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (f->behind >= 0)
			claim_fin_behind(j, x);
		if (!f->sent || f->forged || f->data_after < 0) /* forged: fin-forged's */
			continue;
		const struct event *e = &j->h->event[f->data_after];
		struct claim c = {.endpoint = (uint8_t)x,
		                  .evidence = {f->first, f->data_after, -1},
		                  .expected = {{"seq_end", f->u}},
		                  .observed = {{"seq_end", seq_add(e->seq, e->len)}, {"len", e->len}}};
		/* where its stream goes on where the FIN stands, or may, in what was not captured, the FIN is as likely somebody
		 * else's */
		if (e->seq != seq_add(f->u, 1) || may_be_injected(j, f->data_after) ||
		    (f->first >= 0 && may_be_injected(j, f->first)))
			c.at_most = TCPAUDIT_POSSIBLE;
		doubt_one_connection(j, x, f->first, f->data_after, &c);
		claim(j, &c);
	}
}

/* After the FIN an end acknowledged what was never seen, nor by the FIN: where its peer's frames are missing, a SYN can be, too. */
static bool may_be_another_connections(const struct judging *j, const struct fin_facts *f)
{
	const struct event *e = j->h->event;
	const int one = f->first < f->moved ? f->first : f->moved, other = one == f->first ? f->moved : f->first;

	for (int i = one + 1; i <= other; i++)
		if (e[i].is & EVENT_ACK_UNSENT && (one < 0 || e[i].ack != e[one].ack))
			return true;
	return false;
}

void check_fin_moved(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (f->sent && f->behind >= 0)
			claim_fin_behind(j, x);
		if (!f->sent || f->moved < 0)
			continue;
		const struct event *e = &j->h->event[f->moved];
		bool far = is_far_ahead(e->seq, f->u) || is_far_behind(seq_add(e->seq, e->len), f->u);
		struct claim c = {.endpoint = (uint8_t)x,
		                  .at_most = far ? TCPAUDIT_POSSIBLE : 0,
		                  .evidence = {f->first, f->moved, -1},
		                  .expected = {{"fin_seq", f->u}},
		                  .observed = {{"fin_seq", seq_add(e->seq, e->len)}}};
		if (may_be_another_connections(j, f) || may_be_injected(j, f->first) || may_be_injected(j, f->moved)) {
			c.at_most = TCPAUDIT_POSSIBLE;
			c.severity_at_most = 1 + TCPAUDIT_NOTE;
		}
		doubt_one_connection(j, x, f->first, f->moved, &c);
		claim(j, &c);
	}
}

/* Who has once counted its FIN does not forget it: what carries the FIN's number then is a keep-alive, or a box on the way that
 * probes in its name. */
static bool has_counted_fin(const struct judging *j, unsigned x, int before)
{
	for (int i = j->h->fin[x].first + 1; i < before; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == x && is_pure_ack(e) && e->seq == seq_add(j->h->fin[x].u, 1))
			return true;
	}
	return false;
}

/* A keep-alive has seq = SND.NXT-1, too (RFC 9293 3.8.4), but acknowledges no more than its sender had acknowledged before; and with
 * a closed window Linux may send SND.UNA+SND.WND. */
void check_fin_seq_stuck(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x], *peer = &j->h->fin[!x];
		if (f->first < 0 || j->c->end[!x].bits & TCB_ZERO_WINDOW)
			continue;
		const struct event *fin = &j->h->event[f->first];
		tcp_seq acknowledged = fin->ack;
		for (int i = f->first + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from != x || !(e->flags & TCPAUDIT_ACK) || e->is & (EVENT_STRAY | EVENT_DUPLICATE))
				continue;
			const bool news = seq_gt(e->ack, acknowledged);
			acknowledged = seq_max(acknowledged, e->ack);
			if (!is_pure_ack(e) || e->seq != f->u || !news || e->is & EVENT_REORDERED)
				continue;
			if (peer->sent && e->ack == seq_add(peer->u, 1))
				continue; /* fin-final-ack-form's */
			if ((!built_later(fin, e) && !j->at[x]) || has_counted_fin(j, x, i))
				continue;
			struct claim c = {.endpoint = (uint8_t)x,
			                  .at_most = may_be_injected(j, i) ? TCPAUDIT_POSSIBLE : 0,
			                  .evidence = {f->first, i, -1},
			                  .expected = {{"seq", seq_add(f->u, 1)}},
			                  .observed = {{"seq", e->seq}}};
			doubt_one_connection(j, x, f->first, i, &c);
			claim(j, &c);
			break;
		}
	}
}

/* Order is proven causally where every copy of the peer's FIN acknowledges ours: what answers it was built after ours. */
static bool fin_answers(const struct judging *j, unsigned x)
{
	const struct fin_facts *f = &j->h->fin[x], *peer = &j->h->fin[!x];
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from != x && is_fin(e) && seq_add(e->seq, e->len) == peer->u && !seq_gt(e->ack, f->u))
			return false;
	}
	return true;
}

void check_fin_final_ack_form(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x], *peer = &j->h->fin[!x];
		bool counts_first = f->moved >= 0 && f->moved < f->first; /* of its two FINs, and the other one was taken: fin-moved's */
		if (f->first < 0 || counts_first || peer->first < 0 || j->c->end[!x].bits & TCB_ZERO_WINDOW)
			continue;
		for (int i = f->first + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from != x || !is_pure_ack(e) || e->ack != seq_add(peer->u, 1) || e->seq == seq_add(f->u, 1))
				continue;
			bool ordered = fin_answers(j, x) || built_later(&j->h->event[f->first], e);
			if (!ordered && !j->at[x])
				continue;
			struct claim c = {.endpoint = (uint8_t)x,
			                  .at_most = may_be_injected(j, i) ? TCPAUDIT_POSSIBLE : 0,
			                  .evidence = {f->first, peer->first, i, -1},
			                  .expected = {{"seq", seq_add(f->u, 1)}, {"ack", e->ack}},
			                  .observed = {{"seq", e->seq}, {"ack", e->ack}}};
			doubt_one_connection(j, x, f->first, i, &c);
			claim(j, &c);
			break;
		}
	}
}

void check_fin_out_of_window(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (!f->sent || f->first < 0 || !f->peer_edge || !seq_ge(f->u, f->peer_redge) ||
		    !(j->premises & TCPAUDIT_PREMISE_SCALE))
			continue;
		struct claim c = {.endpoint = (uint8_t)x,
		                  .at_most = may_be_injected(j, f->first) ? TCPAUDIT_POSSIBLE : 0,
		                  .evidence = {f->first, -1},
		                  .expected = {{"seq_high", f->peer_redge}},
		                  .observed = {{"fin_seq", f->u}}};
		claim(j, &c);
	}
}

void check_fin_ack_over_hole(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		const struct tcb *tcb = &j->c->end[x];
		if (!f->sent || f->acked < 0 || !(tcb->bits & TCB_GAP))
			continue;
		struct claim c = {.endpoint = (uint8_t)x, .evidence = {f->first, f->acked, -1}};
		claim(j, &c);
	}
}

#define QUEUES_FOR 100000000ll /* ns that a segment may wait on its way, beyond what the handshake shows */

/* How much later yet an acknowledgment of an end may come, for what the path does to it: queues grow behind the handshake, and where
 * segments are lost, an earlier one may have been. */
static int64_t path_explains(const struct judging *j, unsigned from)
{
	if (j->at[from])
		return 0;
	if ((j->c->end[0].bits | j->c->end[1].bits) & TCB_REPEATED)
		return INT64_MAX;
	return QUEUES_FOR + (j->record->rtt > 0 ? j->record->rtt : 0);
}

/* Only a FIN sent once tells: of several copies, nobody knows which one arrived.  A hole before it explains silence, and so does the
 * way to its receiver and back. */
void check_fin_ack_late(struct judging *j)
{
	if (j->c->entry.capture & CAPTURE_CLOCK_STEP)
		return; /* nothing but that clock would say so */
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (f->first < 0 || f->acked < 0 || f->copies != 1 || j->c->end[x].bits & TCB_HOLE)
			continue;
		const struct event *fin = &j->h->event[f->first], *ack = &j->h->event[f->acked];
		int64_t took = ack->time - fin->time;
		int64_t beyond = took - threshold(j, FIN_ACK_DELAY) - way_to_and_back(j, !x);
		bool hole = false;
		for (int i = f->first + 1; i < f->acked; i++) {
			const struct event *e = &j->h->event[i];
			hole |= (e->from != x && e->flags & TCPAUDIT_ACK && seq_lt(e->ack, f->u)) ||
			        (e->from == x && (e->is & EVENT_REPEAT || (e->len && seq_lt(e->seq, f->u))));
		}
		if (beyond <= 0 || hole || f->acked < f->first)
			continue;
		struct claim c = {.endpoint = (uint8_t)!x,
		                  .over_in_time = beyond > path_explains(j, !x),
		                  .at_most = !j->at[!x] && (ack->len || ack->flags & TCPAUDIT_FIN)
		                                     ? TCPAUDIT_POSSIBLE /* sent for another reason: a bare one before it was lost */
		                                     : 0,
		                  .evidence = {f->first, f->acked, -1},
		                  .expected = {{"delay_us", 500000}},
		                  .observed = {{"delay_us", took / 1000}}};
		claim(j, &c);
	}
}

/* Keeps the four newest copies. */
static int push_copy(int copy[4], int copies, int i)
{
	if (copies == 4)
		memmove(copy, copy + 1, 3 * sizeof *copy);
	else
		copies++;
	copy[copies - 1] = i;
	return copies;
}

/* Does the timeout that ends at copy[2] not back off from the one before it? */
static bool is_flat(const struct history *h, const int copy[3])
{
	int64_t before = h->event[copy[1]].time - h->event[copy[0]].time, gap = h->event[copy[2]].time - h->event[copy[1]].time;

	return 2 * gap < 3 * before && gap < 60 * SECOND && before >= 10 * MILLISECOND;
}

/* Gaps between copies with nothing from the peer in between: timeouts, then.  Two that are too short can be a tail loss probe
 * (RFC 8985 7), for which the timeout need not double, and a busy host's timer, late once; that it was late as often as it takes
 * for FLAT_FOR_SURE is not to be presumed. */
#define FLAT_AT_LEAST 2
#define FLAT_FOR_SURE 4
void check_fin_rexmit_timing(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int copy[4], copies = 0, flat = 0, most = 0;
		struct claim c = {0};
		for (int i = 0; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from != x)
				copies = flat = 0; /* answered: begin again */
			if (e->from != x && e->run)
				most = 0; /* it stands for others, which may have been between those copies */
			if (e->from != x || !is_fin(e))
				continue;
			copies = push_copy(copy, copies, i);
			if (copies < 3)
				continue;
			flat = is_flat(j->h, copy + copies - 3) ? flat + 1 : 0;
			if (flat < FLAT_AT_LEAST || flat <= most || most >= FLAT_FOR_SURE)
				continue;
			most = flat;
			int64_t before = j->h->event[copy[2]].time - j->h->event[copy[1]].time;
			c = (struct claim){.endpoint = (uint8_t)x,
			                   .over_in_time = flat >= FLAT_FOR_SURE,
			                   .evidence = {copy[0], copy[1], copy[2], copy[3], -1},
			                   .expected = {{"gap_us", 2 * before / 1000}},
			                   .observed = {{"gap_us", (j->h->event[i].time - j->h->event[copy[2]].time) / 1000}}};
		}
		if (most)
			claim(j, &c);
	}
}

/* What TIME-WAIT owes is tw-refin-silent's. */
void check_fin_rexmit_silent(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++)
		if (j->record->time_wait_holder != !x && j->record->time_wait_holder != TCPAUDIT_WHO_BOTH)
			claim_silence(j, x);
}

/* Text before the FIN that is repeated stands for it: there is one timer, and it repeats the earliest of what is
 * unacknowledged (RFC 6298 5.4). */
void check_fin_giveup_early(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (f->first < 0 || f->acked >= 0 || f->copies < 2 || j->h->first_reset_any >= 0 ||
		    !connection_heard(j->c, !x)) /* then no acknowledgment would have been seen, either */
			continue;
		int last = f->first;
		int64_t gap = 0;
		for (int i = f->first + 1; i < j->h->count; i++) {
			if (j->h->event[i].from != x || !(is_fin(&j->h->event[i]) || j->h->event[i].len))
				continue;
			gap = j->h->event[i].time - j->h->event[last].time;
			last = i;
		}
		int64_t spent = j->h->event[last].time - j->h->event[f->first].time;
		int64_t silence = j->file->now - j->h->event[last].time;
		if (spent >= threshold(j, FIN_GIVEUP_R2) || silence < 3 * gap || silence < 10 * SECOND)
			continue;
		struct claim c = {.endpoint = (uint8_t)x,
		                  .proven = true,
		                  .evidence = {f->first, last, -1},
		                  .count = f->copies,
		                  .expected = {{"duration_us", threshold(j, FIN_GIVEUP_R2) / 1000}},
		                  .observed = {{"duration_us", spent / 1000}},
		                  .deliberate = f->copies == 1 + LINUX_ORPHAN_TRIES
		                                        ? "Linux gives an orphan's FIN up after 8 repeats (tcp_orphan_retries)"
		                                        : NULL};
		claim(j, &c);
	}
}

void check_fin_rst_combined(struct judging *j)
{
	if (j->h->first_reset_any < 0)
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if ((e->flags & (TCPAUDIT_FIN | TCPAUDIT_RST)) != (TCPAUDIT_FIN | TCPAUDIT_RST) || e->is & EVENT_DUPLICATE)
			continue;
		struct claim c = {.endpoint = e->from,
		                  .at_most = may_be_injected(j, i) ? TCPAUDIT_POSSIBLE : 0,
		                  .evidence = {i, -1}};
		claim(j, &c);
		return;
	}
}

void check_fin_in_synrcvd(struct judging *j)
{
	const struct fin_facts *client = &j->h->fin[TCPAUDIT_CLIENT], *server = &j->h->fin[TCPAUDIT_SERVER];
	uint64_t ack = connection_mark_frame(j->c, MARK_ACK);
	int at = -1;

	if (!connection_marked(j->c, MARK_SYN) || !connection_marked(j->c, MARK_SYN_ACK) || j->h->front_due) /* due: the handshake was over before */
		return;
	if (client->first >= 0 && ack == (j->h->event[client->first].frame | (uint64_t)j->h->event[client->first].input << 48))
		at = client->first;
	if (server->first >= 0) {
		bool acked_before = false;
		for (int i = 0; i < server->first; i++)
			acked_before |= j->h->event[i].from == TCPAUDIT_CLIENT && j->h->event[i].flags & TCPAUDIT_ACK;
		if (!acked_before)
			at = server->first;
	}
	if (at < 0)
		return;
	struct claim c = {.endpoint = j->h->event[at].from, .evidence = {at, -1}};
	claim(j, &c);
}

/* A connection that we know by a FIN alone, and whose other end does not know it either. */
void check_fin_stray(struct judging *j)
{
	const struct event *fin = j->h->count ? &j->h->event[0] : NULL;

	if (!fin || !(j->c->entry.bits & CONN_MIDSTREAM) || !(fin->flags & TCPAUDIT_FIN) || fin->time != j->c->start ||
	    fin->flags & TCPAUDIT_RST)
		return;
	for (int i = 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		bool reset = e->from != fin->from && e->flags & TCPAUDIT_RST && e->seq == fin->ack;
		bool repeat = e->from == fin->from && is_fin(e);
		if (!reset && !repeat)
			return;
	}
	struct claim c = {
	        .endpoint = fin->from, .proven = j->h->count > 1, .evidence = {0, j->h->count > 1 ? j->h->count - 1 : -1, -1}};
	claim(j, &c);
}

/* history.c found the signals, and took the FIN for nobody's. */
void check_fin_forged(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (!f->forged)
			continue;
		struct claim c = {
		        .endpoint = (uint8_t)x,
		        .at_most = TCPAUDIT_LIKELY,
		        .evidence = {f->first, f->data_after, -1},
		        .observed = {{"ttl", j->h->event[f->first].ttl}, {"ttl_after", j->h->event[f->data_after].ttl}}};
		claim(j, &c);
	}
}
