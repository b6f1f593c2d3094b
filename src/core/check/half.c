/* half.c - half-: half-close (RFC 9293 3.6.1). */
#include "check.h"
#include "events.h"

#define SECOND 1000000000ll

void check_half_close_used(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (!f->sent || !f->peer_text)
			continue;
		struct claim c = {
		        .endpoint = (uint8_t)x,
		        .proven = true,
		        .evidence = {f->first, f->acked, -1},
		        .observed = {{"bytes", (int64_t)f->peer_text}, {"duration_us", (f->peer_last - f->acked_time) / 1000}}};
		claim(j, &c);
	}
}

/* A frame of the peer that came after x's FIN was acknowledged, and x's reset that names its acknowledgment (R4); -1.  What x has
 * acknowledged all of is no such frame: an old copy of it meets CLOSED as well. */
static int reset_names(const struct judging *j, unsigned x, int *asked)
{
	const struct fin_facts *f = &j->h->fin[x];

	*asked = -1;
	if (f->first < 0 || f->acked < 0)
		return -1;
	tcp_seq acknowledged = j->h->event[f->first].ack;
	for (int i = f->first; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == x && is_next_syn(e))
			return -1;
		if (e->is & (EVENT_STRAY | EVENT_DUPLICATE))
			continue;
		if (e->from == x && e->flags & TCPAUDIT_ACK)
			acknowledged = seq_max(acknowledged, e->ack);
		if (i >= f->acked && e->from != x && (e->len || e->flags & TCPAUDIT_FIN) && !(e->flags & TCPAUDIT_RST) &&
		    seq_gt(event_end(e), acknowledged))
			*asked = i;
		else if (e->from == x && e->flags & TCPAUDIT_RST) {
			if (*asked >= 0 && (e->seq == j->h->event[*asked].ack || e->seq == seq_add(f->u, 1)))
				return i;
			return -1; /* it has aborted before: CLOSED answers for itself */
		}
	}
	return -1;
}

/* How long x may have been in FIN-WAIT-2 when the peer's frame came. */
static int64_t half_closed_for(const struct judging *j, unsigned x, int asked)
{
	return j->h->event[asked].time - j->h->fin[x].acked_time;
}

/* Linux 60 s, FreeBSD 600 (or 60, if net.inet.tcp.fast_finwait2_recycle is on), lwIP 20, NetBSD and others 120, OpenBSD 600,
 * Solaris 675. */
static const char *fin_wait_2_timer(int64_t gap)
{
	static const struct {
		uint16_t seconds;
		const char *whose;
	} known[] = {{20, "lwIP's FIN-WAIT-2 timer (20 s)"},
	             {60, "Linux' FIN-WAIT-2 timer (tcp_fin_timeout, 60 s)"},
	             {120, "FIN-WAIT-2 timer of 120 s"},
	             {600, "FIN-WAIT-2 timer of FreeBSD and OpenBSD (600 s)"},
	             {675, "Solaris' FIN-WAIT-2 flush (675 s)"}};

	for (size_t i = sizeof known / sizeof known[0]; i-- > 0;)
		if (gap >= known[i].seconds * SECOND)
			return gap < 2 * known[i].seconds * SECOND ? known[i].whose : NULL;
	return NULL;
}

void check_half_data_reset(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int asked, reset = reset_names(j, x, &asked);
		if (reset < 0 || !j->h->event[asked].len || half_closed_for(j, x, asked) >= threshold(j, HALF_FINWAIT2))
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .proven = true,
		                         .evidence = {j->h->fin[x].first, asked, reset, -1},
		                         .observed = {{"len", j->h->event[asked].len}},
		                         .deliberate = "a stack whose reader has gone resets (SHLD-3; Linux, BSD)"});
	}
}

/* Whatever the peer sends; a window that is closed explains silence only about more than one octet.  Behind the peer's reset
 * nothing is owed. */
void check_half_data_ignored(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		uint32_t copies = 0;
		int first = -1;
		int64_t until = j->file->now;
		bool takes_text = false;
		if (f->first < 0 || f->acked < 0 || j->h->fin[!x].sent || j->c->end[x].bits & TCB_ZERO_WINDOW ||
		    has_reset(j->h, x, TCPAUDIT_RST))
			continue;
		for (int i = f->acked; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->is & (EVENT_STRAY | EVENT_DUPLICATE))
				continue;
			if (e->from == x) {
				takes_text |= e->is & EVENT_KNOWS_ACK;
				copies = 0;
				first = -1;
			} else if (e->flags & TCPAUDIT_RST) {
				until = e->time;
				break;
			} else if (e->len && (first < 0 ? e->is & (EVENT_REPEAT | EVENT_NEW_TEXT) : e->is & EVENT_REPEAT)) {
				copies += segments_since(first, e);
				first = first < 0 ? i : first;
			}
		}
		if (copies < threshold(j, HALF_IGNORED_COPIES) || first < 0 ||
		    until - j->h->event[first].time < threshold(j, HALF_IGNORED_DURATION))
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .proven = true,
		                         .unanswered = (uint8_t)(copies < 200 ? copies : 200),
		                         .at_most = takes_text && !j->at[x] ? TCPAUDIT_POSSIBLE : 0, /* it does not ignore text: gone, or not heard */
		                         .count = copies,
		                         .evidence = {f->first, f->acked, first, -1}});
	}
}

void check_half_zero_window_hang(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		uint32_t closed = 0;
		int first = -1, last = -1;
		if (f->first < 0 || !(j->premises & TCPAUDIT_PREMISE_SCALE))
			continue;
		for (int i = f->first; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from != x || e->flags & TCPAUDIT_RST || e->is & (EVENT_STRAY | EVENT_DUPLICATE))
				continue;
			if (e->window) {
				first = -1;
				closed = 0;
				continue;
			}
			first = first < 0 ? i : first;
			last = i;
			closed += 1u + e->run;
		}
		if (first < 0 || closed < 4 || j->h->event[last].time - j->h->event[first].time < threshold(j, HALF_ZERO_WINDOW))
			continue;
		claim(j,
		      &(struct claim){.endpoint = (uint8_t)x,
		                      .over_in_time = true,
		                      .count = closed,
		                      .at_most = TCPAUDIT_LIKELY,
		                      .evidence = {f->first, last, -1},
		                      .observed = {{"duration_us", (j->h->event[last].time - j->h->event[first].time) / 1000}}});
	}
}

void check_half_finwait2_timeout(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int asked, reset = reset_names(j, x, &asked);
		if (reset < 0 || j->h->event[reset].flags & TCPAUDIT_ACK)
			continue;
		int64_t gap = half_closed_for(j, x, asked);
		if (gap < threshold(j, HALF_FINWAIT2))
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .proven = true,
		                         .at_most = TCPAUDIT_LIKELY,
		                         .evidence = {j->h->fin[x].first, j->h->fin[x].acked, asked, reset, -1},
		                         .observed = {{"gap_us", gap / 1000}},
		                         .deliberate = fin_wait_2_timer(gap)});
	}
}

/* In order, without text before it, soon: no timer of a usual length explains it.  Text that the capture missed does; a reset of the peer
 * may have overtaken its FIN; and away from the closer, its abort may have been lost (gVisor's closed sockets reset as soon as they are in
 * FIN-WAIT-2).  A host that has lost its block, in a crash or by a short timer, has to answer so (RFC 9293 3.10.7.1), and looks the same. */
void check_half_late_fin_reset(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int asked, reset = reset_names(j, x, &asked);
		if (reset < 0 || !(j->h->event[asked].flags & TCPAUDIT_FIN) || j->h->event[reset].flags & TCPAUDIT_ACK ||
		    j->h->resets[!x] || has_reset(j->h, x, TCPAUDIT_RST | TCPAUDIT_ACK) || j->h->event[asked].len ||
		    j->h->fin[x].peer_text ||
		    half_closed_for(j, x, asked) >= threshold(j, HALF_FINWAIT2) || j->h->fin[!x].acked >= 0)
			continue;
		if (j->h->before_reset && j->h->event[asked].seq != j->h->before_reset->ack[x])
			continue; /* not in order, as far as its receiver has told */
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .proven = true,
		                         .at_most = j->at[x] ? TCPAUDIT_LIKELY : TCPAUDIT_POSSIBLE,
		                         .evidence = {j->h->fin[x].first, j->h->fin[x].acked, asked, reset, -1},
		                         .observed = {{"gap_us", half_closed_for(j, x, asked) / 1000}}});
	}
}

void check_half_rst_in_close_wait(struct judging *j)
{
	int at = j->h->first_reset;

	if (at < 0 || j->record->kind == TCPAUDIT_KIND_FIN_RST_THIRD)
		return;
	const struct event *reset = &j->h->event[at];
	const struct fin_facts *peer = &j->h->fin[!reset->from];
	bool had_acked = peer->acked >= 0 && peer->acked < at;
	bool knew = peer->sent && (had_acked || (reset->flags & TCPAUDIT_ACK && seq_gt(reset->ack, peer->u)));
	if (!knew || j->h->fin[reset->from].sent || reset->seq != reset->nxt)
		return;
	claim(j, &(struct claim){.endpoint = reset->from,
	                         .alike = !had_acked && event_may_be_echo(j->h->event, at), /* it had reset before, unseen */
	                         .evidence = {peer->first, at, -1},
	                         .deliberate = j->h->before_reset && j->h->before_reset->text[!reset->from]
	                                               ? "a close with unread text is a reset (RFC 2525 2.17; Linux, BSD)"
	                                               : NULL});
}

void check_half_path_cut(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		int64_t heard = 0;
		uint32_t repeats = 0;
		int first = -1;
		if (f->first < 0 || f->acked < 0 || j->record->kind != TCPAUDIT_KIND_HALF_CLOSED)
			continue;
		for (int i = 0; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from == x || i <= f->acked) {
				heard = e->time;
				first = -1;
				repeats = 0;
			} else if (e->len) {
				repeats += segments_since(first, e);
				first = first < 0 ? i : first;
			}
		}
		if (first < 0 || repeats < 4 || j->h->event[first].time - heard < threshold(j, HALF_PATH_CUT))
			continue;
		claim(j, &(struct claim){.endpoint = TCPAUDIT_WHO_UNKNOWN,
		                         .unanswered = 3,
		                         .at_most = TCPAUDIT_POSSIBLE,
		                         .evidence = {f->first, first, -1},
		                         .observed = {{"idle_us", (j->h->event[first].time - heard) / 1000}}});
	}
}
