/* reset.c - rst-: resets (RFC 9293 3.5.2, 3.5.3; RFC 5961). */
#include "check.h"
#include "events.h"
#include "close/forgery.h"
#include "flow/unusual.h"

#define MILLISECOND 1000000ll
#define SECOND      1000000000ll

/* A number that its sender's stream never had, nor anybody acknowledged.  What was SND.NXT may have been another block's: who resets a
 * SYN-RECEIVED answers the next SYN with another ISS. */
static bool is_underivable(const struct tcb *own, const struct event *e)
{
	return tcb_begins_at_iss(own) && seq_le(e->seq, own->iss) && e->seq != e->nxt;
}

/* The segment without ACK that CLOSED answers with <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> (RFC 9293 3.10.7.1), an old copy of the SYN
 * for one; a reset, which earns no answer, only where there is nothing else.  -1: none. */
static int refused_by(const struct judging *j, int reset)
{
	const struct event *r = &j->h->event[reset];
	int refused = -1;

	if (r->seq || (r->flags & (TCPAUDIT_RST | TCPAUDIT_ACK)) != (TCPAUDIT_RST | TCPAUDIT_ACK))
		return -1;
	for (int i = reset - 1; i >= 0; i--) {
		const struct event *e = &j->h->event[i];
		if (e->from == r->from || e->flags & TCPAUDIT_ACK || event_end(e) != r->ack)
			continue;
		if (!(e->flags & TCPAUDIT_RST))
			return i;
		refused = refused < 0 ? i : refused;
	}
	return refused;
}

static bool is_refusal(const struct judging *j, int reset)
{
	return j->h->event[reset].is & EVENT_REFUSAL || refused_by(j, reset) >= 0;
}

/* Without ACK, or from a stack that always sets it: it answers a segment, and is no abort. */
static bool may_be_stateless(const struct judging *j, int reset)
{
	return is_stateless_reset(&j->h->event[reset]) || event_may_be_echo(j->h->event, reset);
}

/* Text that is not kept, from CLOSED and with ACK: its number is one that was acknowledged then. */
static bool may_answer(const struct judging *j, const struct event *reset)
{
	const struct before_reset *was = j->h->before_reset;
	unsigned peer = !reset->from;

	return was && !(reset->is & EVENT_TIMESTAMPS) && !is_underivable(&j->c->end[reset->from], reset) && was->bits[peer] & TCB_ACK &&
	       seq_le(reset->seq, was->ack[peer]) && seq_le(reset->ack, was->nxt[peer]);
}

/* Outside the window by every number that we know of the receiver: at or beyond its right edge, or behind what it has
 * acknowledged by more than the FIN that Linux forgives. */
void check_rst_out_of_window(struct judging *j)
{
	uint32_t count = 0;
	int at = -1;

	if (!(j->premises & TCPAUDIT_PREMISE_SCALE) || j->h->first_reset_any < 0)
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (!(e->flags & TCPAUDIT_RST) ||
		    e->is & (EVENT_RST_EXACT | EVENT_RST_WINDOW | EVENT_RST_SURVIVED) || is_refusal(j, i) ||
		    e->is & EVENT_DUPLICATE || e->unusual & UNUSUAL_OLD_INCARNATION)
			continue;
		if (!(e->flags & TCPAUDIT_ACK) && is_underivable(&j->c->end[e->from], e))
			continue; /* rst-form's */
		count++;
		if (at < 0)
			at = i;
	}
	if (at < 0 || !(j->c->entry.bits & CONN_ESTABLISHED))
		return;
	const struct event *e = &j->h->event[at];
	/* a reset that answers an older segment names that segment's acknowledgment: late, but nobody's fault.  It is no stray one then; the
	 * stream may have come around since */
	const struct tcb *receiver = &j->c->end[!e->from];
	if ((may_be_stateless(j, at) || may_answer(j, e)) && receiver->bits & TCB_ACK && (!(e->is & EVENT_STRAY) || seq_le(e->seq, receiver->hiack)))
		return;
	struct claim c = {.endpoint = e->from,
	                  .count = count,
	                  .evidence = {at, -1},
	                  .observed = {{"seq", e->seq}},
	                  .expected = {{"seq_low", receiver->hiack}, {"seq_high", receiver->redge}}};
	claim(j, &c);
}

static bool is_reset(const struct event *e)
{
	return e->flags & TCPAUDIT_RST && !(e->is & EVENT_DUPLICATE) && !(e->unusual & UNUSUAL_OLD_INCARNATION);
}

const struct event *ending_reset(const struct judging *j)
{
	const uint32_t open = CONN_ESTABLISHED | CONN_MIDSTREAM;

	return j->h->first_reset >= 0 && j->h->before_reset && j->c->entry.bits & open ? &j->h->event[j->h->first_reset] : NULL;
}

/* Two round trips, or what a busy host may take. */
static int64_t two_round_trips(const struct judging *j)
{
	return j->record->rtt > 50 * MILLISECOND ? 2 * j->record->rtt : 100 * MILLISECOND;
}

static bool is_inexact(const struct event *e)
{
	return is_reset(e) && e->is & EVENT_RST_WINDOW && seq_gt(e->seq, e->nxt);
}

/* RFC 5961 3.2 step 3, and what came of it. */
void check_rst_inexact(struct judging *j)
{
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		int reply = -1;
		if (!is_inexact(e))
			continue;
		for (int k = i + 1; k < j->h->count && reply < 0; k++)
			if (j->h->event[k].from != e->from)
				reply = k;
		claim(j, &(struct claim){.endpoint = e->from,
		                         .alike = e->flags & TCPAUDIT_ACK &&
		                                  !j->at[e->from], /* what it stands behind was not seen */
		                         .evidence = {i, reply, -1},
		                         .expected = {{"seq", e->nxt}},
		                         .observed = {{"seq", e->seq}}});
		return;
	}
}

/* That it is closed is shown by a reset that names a later segment's acknowledgment (R4); why, only guessed: an end that has
 * closed, or reset before, and a second reset that was exact explain as much.  An abort stands at SND.NXT: text before it was
 * lost or overtaken, and may have arrived first. */
void check_rst_inexact_obeyed(struct judging *j)
{
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		int asked = -1;
		if (e->flags & TCPAUDIT_RST && !is_inexact(e))
			return;
		if (!is_inexact(e) || j->h->fin[!e->from].sent || (e->flags & TCPAUDIT_ACK && !j->at[e->from]))
			continue;
		for (int k = i + 1; k < j->h->count; k++) {
			const struct event *o = &j->h->event[k];
			if (o->from == e->from) {
				if (o->flags & TCPAUDIT_RST && !is_inexact(o))
					return;
				if (o->flags & TCPAUDIT_ACK && !(o->flags & TCPAUDIT_RST))
					asked = k;
				continue;
			}
			if (!(o->flags & TCPAUDIT_RST))
				return; /* the challenge, or it goes on */
			if (asked < 0 || o->flags & TCPAUDIT_ACK || o->seq != j->h->event[asked].ack)
				continue;
			claim(j, &(struct claim){.endpoint = o->from,
			                         .proven = true,
			                         .unanswered = 3,
			                         .at_most = TCPAUDIT_LIKELY,
			                         .evidence = {i, asked, k, -1}});
			return;
		}
	}
}

/* TIME-WAIT, where both FINs are acknowledged, unless it is the other end's alone. */
static bool may_be_in_time_wait(const struct judging *j, unsigned x, int at)
{
	const struct fin_facts *own = &j->h->fin[x], *peer = &j->h->fin[!x];

	return own->acked >= 0 && own->acked < at && peer->acked >= 0 && peer->acked < at && j->record->time_wait_holder != !x;
}

/* Only the reset carried the timestamp that is echoed: it was not lost on its way into the host, by a firewall there for one. */
static bool is_echoed(const struct judging *j, const struct event *reset, const struct event *e)
{
	if (!(reset->is & e->is & EVENT_TIMESTAMPS) || !(reset->is & EVENT_TSVAL_FRESH) || e->tsecr != reset->tsval)
		return false;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *o = &j->h->event[i];
		if (o != reset && o->from == reset->from && o->is & EVENT_TIMESTAMPS && o->tsval == reset->tsval)
			return false;
	}
	return true;
}

/* The reset overtook what ends the handshake. */
static bool was_before_handshake(const struct judging *j, unsigned x, const struct event *reset)
{
	return x == TCPAUDIT_SERVER && connection_marked(j->c, MARK_ACK) && connection_mark_time(j->c, MARK_ACK) > reset->time;
}

/* Exact by any reading: what its receiver had acknowledged is all that was seen from its sender.  Text that the capture missed
 * would make it an old one, so this is a claim of absence. */
void check_rst_exact_ignored(struct judging *j)
{
	const struct event *reset = ending_reset(j);

	if (!reset)
		return;
	const struct before_reset *was = j->h->before_reset;
	const unsigned signature = TCPAUDIT_OPT_MD5 | TCPAUDIT_OPT_AO;
	unsigned x = !reset->from;
	if (reset->seq != was->ack[x] || reset->seq != was->nxt[!x] || !(was->bits[x] & TCB_ACK))
		return;
	for (int i = j->h->first_reset + 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from != x || e->flags & (TCPAUDIT_RST | TCPAUDIT_SYN) ||
		    e->is & (EVENT_STRAY | EVENT_DUPLICATE | EVENT_REORDERED | EVENT_MAY_BE_COPY) ||
		    e->time - reset->time <= two_round_trips(j))
			continue;
		if (e->options & signature && !(reset->options & signature))
			return; /* RFC 5925 7.3, RFC 2385 4: what is not signed is dropped */
		bool echoed = is_echoed(j, reset, e), time_wait = may_be_in_time_wait(j, x, j->h->first_reset);
		bool no_block = was_before_handshake(j, x, reset);
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .proven = echoed,
		                         .alike = (uint8_t)(j->record->forged_suspect + !(echoed || j->at[x])), /* it may be lost behind us */
		                         .severity_at_most = time_wait || no_block ? 1 + TCPAUDIT_NOTE : 0,
		                         .evidence = {j->h->first_reset, i, -1},
		                         .deliberate = time_wait ? "a stack may ignore resets in TIME-WAIT (RFC 1337; BSD, lwIP, Linux "
		                                                   "with tcp_rfc1337)"
		                                       : no_block ? "with SYN cookies nobody is there to reset before the acknowledgment of "
		                                                    "the SYN-ACK comes (RFC 4987 3.6)"
		                                                  : NULL});
		return;
	}
}

/* Does it carry the number of an acknowledgment that its sender was given (RFC 9293 3.5.2), however wrong that was? */
static bool answers_ack(const struct history *h, int reset)
{
	for (int i = 0; i < reset; i++)
		if (h->event[i].from != h->event[reset].from && h->event[i].flags & TCPAUDIT_ACK &&
		    h->event[i].ack == h->event[reset].seq)
			return true;
	return false;
}

/* RFC 9293 3.5.2: a reset without ACK has the number of the acknowledgment that it answers, or SND.NXT: what lies ahead of both
 * is rst-out-of-window's. */
void check_rst_form(struct judging *j)
{
	if (!(j->c->entry.bits & CONN_ESTABLISHED) || j->h->former)
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		const struct tcb *own = &j->c->end[e->from];
		if (!is_reset(e) || e->flags & TCPAUDIT_ACK || e->is & EVENT_REFUSAL)
			continue;
		if (!is_underivable(own, e) || answers_ack(j->h, i))
			continue;
		claim(j, &(struct claim){.endpoint = e->from,
		                         .at_most = TCPAUDIT_LIKELY,
		                         .evidence = {i, -1},
		                         .expected = {{"seq", e->nxt}},
		                         .observed = {{"seq", e->seq}}});
		return;
	}
}

/* CLOSED has taken a reset without ACK for any other segment without: so BSD's first stacks and those that descend from them do. */
static bool refuses_reset(struct judging *j)
{
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		int refused = is_reset(e) && !(e->is & EVENT_REFUSAL) ? refused_by(j, i) : -1;
		if (refused < 0 || !(j->h->event[refused].flags & TCPAUDIT_RST) || e->time - j->h->event[refused].time > two_round_trips(j))
			continue;
		claim(j, &(struct claim){.endpoint = e->from,
		                         .at_most = TCPAUDIT_LIKELY,
		                         .evidence = {refused, i, -1},
		                         .deliberate = "libslirp (QEMU, slirp4netns) refuses resets that have no ACK"});
		return true;
	}
	return false;
}

/* RFC 9293 3.10.7.1: a reset is discarded without a word.  Any other segment on its way may be what the second one answers. */
void check_rst_of_rst(struct judging *j)
{
	const struct before_reset *was = j->h->before_reset;

	if (refuses_reset(j) || !was || j->h->first_reset_any < 0)
		return;
	int first = j->h->first_reset >= 0 ? j->h->first_reset : j->h->first_reset_any;
	const struct event *cause = &j->h->event[first];
	if (!(cause->flags & TCPAUDIT_ACK) || (was->since[cause->from] >= 0 && was->since[cause->from] < two_round_trips(j)))
		return;
	for (int i = first + 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == cause->from) {
			if (!(e->flags & TCPAUDIT_RST))
				return;
			continue;
		}
		if (!is_reset(e) || e->flags & TCPAUDIT_ACK || e->seq != cause->ack || e->time - cause->time > two_round_trips(j))
			continue;
		claim(j, &(struct claim){.endpoint = e->from, .evidence = {first, i, -1}});
		return;
	}
}

/* RFC 9293 3.10.5: <SEQ=SND.NXT>.  Stacks that do otherwise on purpose are named. */
void check_rst_seq_odd(struct judging *j)
{
	const struct before_reset *was = j->h->before_reset;

	if (!was || !(j->c->entry.bits & CONN_ESTABLISHED) || j->record->aborted_by == TCPAUDIT_WHO_UNKNOWN)
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (!is_reset(e) || may_be_stateless(j, i) || e->is & EVENT_REORDERED || is_refusal(j, i) || e->seq == e->nxt)
			continue;
		if (seq_gt(e->seq, e->nxt) && !j->at[e->from])
			continue; /* what came before it was lost, or overtaken, on its way to us */
		struct claim c = {.endpoint = e->from,
		                  .alike = (uint8_t)(!j->at[e->from] + j->record->forged_suspect + may_answer(j, e)),
		                  .evidence = {i, -1},
		                  .expected = {{"seq", e->nxt}},
		                  .observed = {{"seq", e->seq}}};
		if (j->h->fin[e->from].sent && e->seq == j->h->fin[e->from].u)
			c.deliberate = "macOS resets with its FIN's own number";
		else if (seq_lt(e->seq, e->nxt) && e->seq == j->c->end[!e->from].redge)
			c.deliberate = "Linux sends SND.UNA+SND.WND when the peer's window has shrunk";
		claim(j, &c);
		return;
	}
}

int64_t unacknowledged(const struct judging *j, unsigned x)
{
	const struct before_reset *was = j->h->before_reset;

	if (!(was->bits[x] & TCB_SEQ) || !(was->bits[!x] & TCB_ACK))
		return 0;
	const struct event *reset = &j->h->event[j->h->first_reset];
	tcp_seq acked = was->ack[!x];
	if (reset->from != x && reset->flags & TCPAUDIT_ACK && seq_le(reset->ack, was->nxt[x]))
		acked = seq_max(acked, reset->ack);
	int64_t octets = seq_diff(was->nxt[x], acked);
	if (j->h->fin[x].sent && was->nxt[x] == seq_add(j->h->fin[x].u, 1))
		octets--;
	return octets > 0 ? octets : 0;
}

/* Its sender has sent another SYN, and SYN-SENT refuses what is acknowledged of the connection before (RFC 9293 3.5.1 figure 9, 3.10.7.3
 * first): what has become of that one, the reset does not say. */
static bool is_from_syn_sent(const struct judging *j, const struct event *reset)
{
	if (reset->flags & TCPAUDIT_ACK)
		return false;
	for (const struct event *e = j->h->event; e < reset; e++)
		if (e->from == reset->from && is_next_syn(e))
			return true;
	return false;
}

void check_rst_abort_dirty(struct judging *j)
{
	const struct event *reset = ending_reset(j);

	if (!reset || j->record->aborted_by == TCPAUDIT_WHO_UNKNOWN || j->h->fin[reset->from].sent || is_from_syn_sent(j, reset))
		return;
	const struct before_reset *was = j->h->before_reset;
	unsigned x = reset->from;
	int64_t outstanding[2] = {unacknowledged(j, 0), unacknowledged(j, 1)};
	if (!outstanding[0] && !outstanding[1])
		return;
	struct claim c = {
	        .endpoint = (uint8_t)x,
	        .alike = reset_is_doubtful(j->c, j->h, j->h->first_reset),
	        .evidence = {j->h->first_reset, -1},
	        .observed = {{"lost_toserver", outstanding[0]}, {"lost_toclient", outstanding[1]}, {"repeats", was->unanswered}}};
	/* an abort acknowledges; without ACK it comes from no connection, whatever ended that (RFC 9293 3.5.2 group 1) */
	if (reset->flags & TCPAUDIT_ACK && outstanding[!x] && was->since[!x] >= 0 && was->since[!x] < SECOND && !was->unanswered)
		c.deliberate = "a close with unread text is a reset (RFC 2525 2.17; Linux, BSD)";
	claim(j, &c);
}

/* Text of this end came behind the reset, which overtook or crossed it: it was outstanding, too. */
static bool goes_on(const struct judging *j, unsigned x)
{
	const struct before_reset *was = j->h->before_reset;

	return was->bits[x] & TCB_SEQ && seq_gt(j->c->end[x].maxseq, was->nxt[x]);
}

void check_rst_instead_of_fin(struct judging *j)
{
	const struct event *reset = ending_reset(j);

	if (!reset || j->record->aborted_by == TCPAUDIT_WHO_UNKNOWN || j->h->fin[0].sent || j->h->fin[1].sent ||
	    unacknowledged(j, 0) || unacknowledged(j, 1) || goes_on(j, 0) || goes_on(j, 1) || is_from_syn_sent(j, reset))
		return;
	const struct before_reset *was = j->h->before_reset;
	if (!was->text[0] || !was->text[1])
		return;
	claim(j, &(struct claim){.endpoint = reset->from,
	                         .alike = (uint8_t)((j->h->quiet >= 50 * SECOND) + reset_is_doubtful(j->c, j->h, j->h->first_reset)),
	                         .evidence = {j->h->first_reset, -1},
	                         .observed = {{"idle_us", j->h->quiet / 1000}}});
}

void check_rst_after_close(struct judging *j)
{
	const struct fin_facts *a = &j->h->fin[0], *b = &j->h->fin[1];

	if (a->acked < 0 || b->acked < 0)
		return;
	for (int i = (a->acked > b->acked ? a->acked : b->acked) + 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (!is_reset(e))
			continue;
		claim(j, &(struct claim){.endpoint = e->from, .evidence = {i, -1}});
		return;
	}
}

void check_rst_sender_alive(struct judging *j)
{
	int reset = reset_plausible(j->c, j->h), alive = reset < 0 ? -1 : reset_outlived(j->c, j->h, reset);

	if (alive < 0)
		return;
	const struct event *e = &j->h->event[reset];
	const bool in_order = e->flags & TCPAUDIT_ACK || e->is & (EVENT_FOREIGN | EVENT_RST_SURVIVED); /* else by time alone */
	claim(j, &(struct claim){.endpoint = e->from, .at_most = in_order ? 0 : TCPAUDIT_LIKELY, .evidence = {reset, alive, -1}});
}

void check_rst_forged(struct judging *j)
{
	int at = reset_plausible(j->c, j->h);

	if (at < 0 || reset_forgery_signals(j->c, j->h, at) < FORGERY_SIGNALS)
		return;
	const struct event *e = &j->h->event[at];
	const struct tcpaudit_fact seen[] = {{"ttl", e->ttl}, {"seq", e->seq}}, due[] = {{"ttl", j->c->end[e->from].ttl}, {"seq", e->nxt}};
	struct claim c = {.endpoint = e->from, .at_most = TCPAUDIT_LIKELY, .evidence = {at, -1}};
	for (size_t i = 0, n = 0; i < 2; i++) { /* what is as expected is no sign */
		if (seen[i].value == due[i].value)
			continue;
		c.observed[n] = seen[i];
		c.expected[n++] = due[i];
	}
	claim(j, &c);
}

/* Round numbers are timers; whose, nobody can see. */
void check_rst_idle_timeout(struct judging *j)
{
	static const uint16_t known[] = {60, 120, 240, 300, 350, 600, 900, 1800, 3600, 7200};
	const struct event *reset = ending_reset(j);
	bool round = false;

	if (!reset || j->h->quiet < threshold(j, RST_IDLE) || unacknowledged(j, 0) || unacknowledged(j, 1))
		return;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		int64_t off = j->h->quiet - known[i] * SECOND;
		round |= (off < 0 ? -off : off) < known[i] * SECOND / 50;
	}
	struct claim c = {.endpoint = reset->from,
	                  .over_in_time = round,
	                  .at_most = TCPAUDIT_LIKELY,
	                  .evidence = {j->h->first_reset, -1},
	                  .observed = {{"idle_us", j->h->quiet / 1000}}};
	if (j->h->quiet > 235 * SECOND && j->h->quiet < 245 * SECOND)
		c.deliberate = "idle timer of Azure's load balancer (4 min)";
	else if (j->h->quiet > 343 * SECOND && j->h->quiet < 357 * SECOND)
		c.deliberate = "idle timer of a network load balancer (350 s)";
	claim(j, &c);
}

/* RFC 9293 figure 10.  A host whose reader has gone resets with the same number (SHLD-3), but it has closed before. */
void check_rst_half_open(struct judging *j)
{
	const struct event *reset = ending_reset(j);

	if (!reset || reset->flags & TCPAUDIT_ACK || j->h->fin[reset->from].sent || reset->is & EVENT_FOREIGN)
		return;
	const struct before_reset *was = j->h->before_reset;
	unsigned x = reset->from;
	if (!(was->bits[!x] & TCB_ACK) || reset->seq != was->ack[!x] || was->since[!x] < 0 || was->since[!x] > two_round_trips(j))
		return;
	claim(j, &(struct claim){.endpoint = (uint8_t)x,
	                         .proven = true,
	                         .alike = reset_is_doubtful(j->c, j->h, j->h->first_reset),
	                         .evidence = {j->h->first_reset, -1}});
}

/* Who has refused a SYN has no connection to abort: a proxy had opened one in its name, and aborts that. */
static bool has_refused(const struct judging *j, unsigned x, int before)
{
	for (int i = 0; i < before; i++)
		if (j->h->event[i].from == x && j->h->event[i].flags & TCPAUDIT_RST && is_refusal(j, i))
			return true;
	return false;
}

/* Other segments lack them, too, and none has any: what they agreed on may have been in a SYN-ACK that was not captured. */
static bool lacks_them_anyway(const struct judging *j)
{
	const bool some_lack = first_unusual(j, 0, UNUSUAL_TS_MISSING) >= 0 || first_unusual(j, 1, UNUSUAL_TS_MISSING) >= 0;

	return some_lack && !goes_by_timestamps(j);
}

/* A stateless reset is exempt, of a stack that sets ACK in it, too, as far as one may have been lost before; and what is not at the end
 * may be a box on the way. */
void check_rst_ts_missing(struct judging *j)
{
	const struct event *reset = ending_reset(j);

	if (!reset || !(reset->flags & TCPAUDIT_ACK) || reset->is & (EVENT_TIMESTAMPS | EVENT_REFUSAL) ||
	    reset->seq != reset->nxt || !(j->c->end[0].bits & j->c->end[1].bits & TCB_TS) ||
	    tcb_stamps_vary(j->c->end) || !(j->c->entry.bits & CONN_ESTABLISHED) || j->c->entry.capture & CAPTURE_SNAPLEN ||
	    has_refused(j, reset->from, j->h->first_reset) || lacks_them_anyway(j))
		return;
	struct claim c = {.endpoint = reset->from,
	                  .alike = (uint8_t)(!j->at[reset->from] + j->record->forged_suspect),
	                  .evidence = {j->h->first_reset, -1}};
	if (!j->at[reset->from])
		c.severity_at_most = 1 + TCPAUDIT_NOTE;
	if (!j->at[reset->from] && (event_may_be_echo(j->h->event, j->h->first_reset) || may_answer(j, reset)))
		c.at_most = TCPAUDIT_POSSIBLE;
	claim(j, &c);
}

/* RFC 3360: the pair is needed.  Reset with ECN, accepted without. */
void check_rst_inappropriate(struct judging *j)
{
	int with = -1, reset = -1, without = -1;

	if (!(j->c->end[TCPAUDIT_CLIENT].bits & TCB_ECN_SETUP))
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		bool syn = (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST)) == TCPAUDIT_SYN;
		if (syn && e->from == TCPAUDIT_CLIENT && e->flags & TCPAUDIT_ECE)
			with = i;
		else if (with >= 0 && reset < 0 && e->is & EVENT_REFUSAL && is_reset(e))
			reset = i;
		else if (reset >= 0 && without < 0 && syn && e->from == TCPAUDIT_CLIENT)
			without = i;
		else if (without >= 0 && e->from == TCPAUDIT_SERVER && e->flags & TCPAUDIT_SYN) {
			claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
			                         .proven = true,
			                         .at_most = TCPAUDIT_LIKELY,
			                         .evidence = {with, reset, without, i, -1}});
			return;
		}
	}
}

void check_rst_data(struct judging *j)
{
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (!is_reset(e) || !e->len)
			continue;
		claim(j, &(struct claim){.endpoint = e->from, .evidence = {i, -1}, .observed = {{"len", e->len}}});
		return;
	}
}
