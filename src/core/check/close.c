/* close.c - close-: the orderly close as a whole (RFC 9293 3.6). */
#include "check.h"
#include "events.h"
#include "close/forgery.h"

#define SECOND 1000000000ll

static bool consumed(const struct judging *j, unsigned x)
{
	const struct fin_facts *f = &j->h->fin[x];
	return f->sent && f->acked >= 0 && j->h->event[f->acked].ack == seq_add(f->u, 1);
}

static struct claim both_fins(const struct judging *j)
{
	const struct fin_facts *a = &j->h->fin[0], *b = &j->h->fin[1];
	struct claim c = {
	        .endpoint = j->record->closed_first, .proven = true, .evidence = {a->first, a->acked, b->first, b->acked, -1}};
	return c;
}

void check_close_orderly(struct judging *j)
{
	if (!consumed(j, 0) || !consumed(j, 1))
		return;
	struct claim c = both_fins(j);
	claim(j, &c);
}

void check_close_simultaneous(struct judging *j)
{
	if (j->record->kind != TCPAUDIT_KIND_SIMULTANEOUS)
		return;
	struct claim c = both_fins(j);
	c.endpoint = TCPAUDIT_WHO_BOTH;
	claim(j, &c);
}

/* Repeats of x's FIN that span some time without an acknowledgment, and without a reset; the newest copy, -1 if there are too
 * few. */
static int fin_unanswered(const struct judging *j, unsigned x, int64_t copies)
{
	const struct fin_facts *f = &j->h->fin[x];
	int newest = -1;

	if (f->first < 0 || f->acked >= 0 || f->copies < copies || j->h->first_reset_any >= 0)
		return -1;
	for (int i = f->first; i < j->h->count; i++)
		if (j->h->event[i].from == x && is_fin(&j->h->event[i]))
			newest = i;
	return newest > f->first ? newest : -1;
}

static bool crossed(const struct judging *j)
{
	const struct fin_facts *a = &j->h->fin[0], *b = &j->h->fin[1];

	return a->first >= 0 && b->first >= 0 && seq_le(j->h->event[a->first].ack, b->u) &&
	       seq_le(j->h->event[b->first].ack, a->u);
}

static void claim_unanswered_fin(struct judging *j, unsigned debtor, int newest)
{
	const struct fin_facts *f = &j->h->fin[!debtor];

	claim(j, &(struct claim){.endpoint = (uint8_t)debtor,
	                         .proven = true,
	                         .unanswered = (uint8_t)(f->copies < 200 ? f->copies - 1 : 200),
	                         .count = f->copies - 1,
	                         .evidence = {j->h->fin[debtor].first, f->first, newest, -1},
	                         .expected = {{"ack", seq_add(f->u, 1)}}});
}

void check_close_simul_ack_missing(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int newest = crossed(j) ? fin_unanswered(j, !x, threshold(j, CLOSE_SIMUL_COPIES)) : -1;
		if (newest >= 0)
			claim_unanswered_fin(j, x, newest);
	}
}

/* Text that came before the FIN may have found no reader and reset the connection (RFC 9293 3.6.1 SHLD-3): without the key of a block that
 * is gone, nobody can sign that reset (RFC 2385 4.1, RFC 5925 7.7). */
static bool may_have_reset_unsigned(const struct judging *j, unsigned x)
{
	const struct fin_facts *peer = &j->h->fin[!x];

	return peer->in_flight && j->h->event[peer->first].options & (TCPAUDIT_OPT_MD5 | TCPAUDIT_OPT_AO);
}

void check_close_final_ack_missing(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int newest =
		        !crossed(j) && j->h->fin[x].acked >= 0 ? fin_unanswered(j, !x, threshold(j, CLOSE_FINAL_COPIES)) : -1;
		if (newest >= 0 && !may_have_reset_unsigned(j, x))
			claim_unanswered_fin(j, x, newest);
	}
}

void check_close_last_ack_stuck(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		int newest = !crossed(j) && j->h->fin[!x].acked >= 0 ? fin_unanswered(j, x, threshold(j, LAST_ACK_COPIES)) : -1;
		if (newest < 0 || j->h->event[newest].time - j->h->event[f->first].time < threshold(j, LAST_ACK_DURATION))
			continue;
		claim(j, &(struct claim){
		                 .endpoint = (uint8_t)x,
		                 .proven = true,
		                 .unanswered = (uint8_t)(f->copies < 200 ? f->copies : 200),
		                 .evidence = {f->first, newest, -1},
		                 .observed = {{"duration_us", (j->h->event[newest].time - j->h->event[f->first].time) / 1000}}});
	}
}

/* What the end in CLOSE-WAIT did first: new text, its FIN, a reset; -1 nothing. */
static int first_move(const struct judging *j, unsigned x, int since)
{
	for (int i = since; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == x && !(e->is & EVENT_STRAY) && (e->len || e->flags & (TCPAUDIT_FIN | TCPAUDIT_RST)))
			return i;
	}
	return -1;
}

/* A half-close may be kept on purpose, so of one connection nobody knows whether its socket was forgotten. */
void check_close_wait_leak(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (f->first < 0 || f->acked < 0 || j->c->end[x].bits & TCB_ZERO_WINDOW)
			continue;
		const struct event *ack = &j->h->event[f->acked];
		if (j->record->close_wait_holder != !x || ack->flags & (TCPAUDIT_FIN | TCPAUDIT_RST))
			continue; /* it had closed before, or may have */
		int moved = first_move(j, !x, f->acked);
		int64_t dwell = (moved < 0 ? j->file->now : j->h->event[moved].time) - ack->time;
		if (dwell <= threshold(j, CLOSE_WAIT_DWELL))
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)!x,
		                         .at_most = TCPAUDIT_POSSIBLE,
		                         .on_many = j->record->close_wait_open ? TCPAUDIT_LIKELY : 0,
		                         .over_in_time = true,
		                         .evidence = {f->first, f->acked, moved, -1},
		                         .expected = {{"duration_us", threshold(j, CLOSE_WAIT_DWELL) / 1000}},
		                         .observed = {{"duration_us", dwell / 1000}}});
	}
}

/* Text that crosses a FIN is acknowledged later; this was not. */
void check_close_reads_abandoned(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		const struct tcb *own = &j->c->end[x], *peer = &j->c->end[!x];
		tcp_seq end = j->h->fin[!x].sent ? j->h->fin[!x].u : peer->maxseq;
		if (f->first < 0 || !(own->bits & TCB_ACK) || !(peer->bits & TCB_TEXT) || !seq_lt(own->hiack, end) ||
		    !seq_lt(j->h->event[f->first].ack, end))
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .evidence = {f->first, -1},
		                         .expected = {{"ack", end}},
		                         .observed = {{"ack", own->hiack}, {"bytes", seq_diff(end, own->hiack)}}});
	}
}

/* Where the capture has holes, or a FIN stands in two places, the text may never have been, or been acknowledged unseen. */
void check_close_data_lost(struct judging *j)
{
	bool moved = j->h->fin[0].moved >= 0 || j->h->fin[1].moved >= 0;
	uint64_t lost = j->record->end[0].lost + j->record->end[1].lost;

	if (j->h->first_reset < 0 || !lost || !(j->c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM)))
		return;
	claim(j, &(struct claim){.endpoint = j->record->aborted_by, /* as far as that is known */
	                         .alike = (uint8_t)(moved || !(j->premises & TCPAUDIT_PREMISE_NO_LOSS) ||
	                                            reset_is_doubtful(j->c, j->h, j->h->first_reset)),
	                         .evidence = {j->h->first_reset, -1},
	                         .observed = {{"lost_toserver", (int64_t)j->record->end[0].lost},
	                                      {"lost_toclient", (int64_t)j->record->end[1].lost}}});
}

/* The peer asks for what stands before the FIN, again and again: where its acknowledgments go on, the text is under way.  They never go
 * back, so that a run which begins and ends with one number has no other. */
void check_close_rexmit_abandoned(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		uint32_t asks = 0;
		int first = -1, last = -1;
		if (f->first < 0 || f->acked >= 0 || j->h->first_reset_any >= 0)
			continue;
		for (int i = f->first + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->is & (EVENT_STRAY | EVENT_DUPLICATE))
				continue;
			if (e->from == x && e->is & EVENT_REPEAT && seq_lt(e->seq, f->u)) {
				asks = 0;
				first = -1;
			} else if (e->from != x && e->flags & TCPAUDIT_ACK && seq_lt(e->ack, f->u) && e->window) {
				if (first < 0 || e->ack != j->h->event[first].ack) {
					first = i;
					asks = 0;
				}
				asks += i == first ? 1u : 1u + e->run;
				last = i;
			}
		}
		if (asks < 4 || j->h->event[last].time - j->h->event[first].time < 3 * SECOND)
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .proven = true,
		                         .unanswered = (uint8_t)(asks < 200 ? asks : 200),
		                         .count = asks,
		                         .evidence = {f->first, first, last, -1},
		                         .expected = {{"seq", j->h->event[last].ack}}});
	}
}

/* Who has aborted is CLOSED: everything but a reset is answered by one. */
void check_close_closed_silent(struct judging *j)
{
	int at = j->h->first_reset, last = -1;
	uint32_t asked = 0;

	if (at < 0 || !(j->c->entry.bits & CONN_ESTABLISHED))
		return;
	unsigned x = j->h->event[at].from;
	for (int i = at + 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == x)
			return;
		if (e->flags & TCPAUDIT_RST || e->is & (EVENT_STRAY | EVENT_DUPLICATE) || e->time - j->h->event[at].time < SECOND)
			continue;
		asked += 1u + e->run;
		last = i;
	}
	if (asked < 2 || j->file->now - j->h->event[last].time < SECOND)
		return;
	claim(j, &(struct claim){.endpoint = (uint8_t)x,
	                         .proven = true,
	                         .unanswered = (uint8_t)(asked < 200 ? asked : 200),
	                         .count = asked,
	                         .evidence = {at, last, -1}});
}

/* A reset without ACK answers a segment: its end was gone, nobody knows since when.  And who repeats in vain, or probes, gives up by a
 * timer of its own sooner or later (RFC 9293 3.8.3, 3.8.4; RFC 5482). */
void check_close_icmp_soft_abort(struct judging *j)
{
	int at = j->h->first_reset;

	if (at < 0 || !(j->c->entry.bits & CONN_ICMP_SOFT) || !(j->c->entry.bits & CONN_ESTABLISHED) ||
	    is_stateless_reset(&j->h->event[at]))
		return;
	const struct event *reset = &j->h->event[at];
	const bool in_vain = j->h->before_reset && j->h->before_reset->unanswered;
	int64_t after = reset->time - connection_rarity(j->c)->odd.time;
	if (reset->from != connection_rarity(j->c)->odd.from || after < 0 || after > SECOND)
		return;
	claim(j, &(struct claim){.endpoint = reset->from,
	                         .at_most = in_vain ? TCPAUDIT_POSSIBLE : TCPAUDIT_LIKELY,
	                         .proven = true,
	                         .evidence = {at, -1},
	                         .observed = {{"delay_us", after / 1000}}});
}

void check_close_mptcp_subflow(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (f->first < 0 || !(j->h->event[f->first].options & TCPAUDIT_OPT_MPTCP))
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)x, .evidence = {f->first, -1}});
	}
}

void check_close_mptcp_fastclose(struct judging *j)
{
	if (!(j->c->entry.bits & CONN_MP_FASTCLOSE))
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (!(e->options & TCPAUDIT_OPT_MP_FASTCLOSE))
			continue;
		claim(j, &(struct claim){.endpoint = e->from, .evidence = {i, -1}});
		return;
	}
}
