/* data.c - data-: the discipline of text and acknowledgments (RFC 9293 3.4, 3.8, 3.10.7.4; RFC 2018; RFC 7323). */
#include "check.h"
#include "close/forgery.h"
#include "flow/series.h"
#include "flow/unusual.h"

#define SECOND 1000000000ll

void check_data_no_ack_flag(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_NO_ACK);
		if (at < 0 ||
		    j->h->event[at].flags & (TCPAUDIT_FIN | TCPAUDIT_URG)) /* a FIN: fin-no-ack-flag's; URG+PSH: a probe's */
			continue;
		claim_segments(j, x, UNUSUAL_NO_ACK, &(struct claim){0});
	}
}

/* RFC 9293 3.10.7.4 fifth: who is acknowledged too far answers with its own SND.NXT, below what was acknowledged. */
static int rejection(const struct judging *j, int at)
{
	const struct event *bad = &j->h->event[at];

	for (int i = at + 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == bad->from || e->is & (EVENT_STRAY | EVENT_DUPLICATE | EVENT_REORDERED) ||
		    !(e->flags & TCPAUDIT_ACK) || e->flags & TCPAUDIT_RST)
			continue;
		return e->len == 0 && !(e->flags & TCPAUDIT_FIN) && !(e->is & EVENT_PROBE) && seq_lt(e->seq, bad->ack) ? i : -1;
	}
	return -1;
}

/* Text that the capture missed explains it, unless its sender rejects the acknowledgment; even then, that answer may be older
 * than it looks.  Behind a FIN it is fin-ack-beyond's. */
void check_data_ack_unsent(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_ACK_UNSENT);
		if (at < 0 || j->h->event[at].is & EVENT_STRAY || j->h->fin[!x].sent)
			continue;
		int answer = rejection(j, at);
		if (answer < 0)
			continue;
		struct claim c = {.endpoint = (uint8_t)x,
		                  .alike = !j->at[!x],
		                  .whole_at_peer = true,
		                  .evidence = {at, answer, -1},
		                  .expected = {{"ack", j->h->event[answer].seq}},
		                  .observed = {{"ack", j->h->event[at].ack}}};
		claim(j, &c);
	}
}

/* A box may take the option from the SYN-ACK behind us, or from the segments before us, and a lone segment be injected: only at
 * its end is it known what that end has agreed to, and sent.  As long as nobody was seen to send any behind the SYNs, what they agreed on
 * may have been in a SYN-ACK that the capture does not have. */
void check_data_ts_missing(struct judging *j)
{
	if (!goes_by_timestamps(j))
		return;
	for (unsigned x = 0; x < 2; x++)
		claim_segments(j, x, UNUSUAL_TS_MISSING,
		               &(struct claim){.at_most = j->at[x] ? 0 : TCPAUDIT_LIKELY, .rests_on = 1 + first_timestamps(j)});
}

/* Without IP identifications nothing tells it from an older segment that was delayed, and what was captured before it from a repeat
 * of text that was lost before the tap: only at its sender's are there neither. */
void check_data_ts_regress(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_TS_REGRESS);
		if (at < 0)
			continue;
		struct claim c = {.observed = {{"tsval", j->h->event[at].tsval}}};
		if (!j->h->event[at].ip_id || j->h->event[at].is & EVENT_ID_LEAPS) {
			c.alike = j->at[x] ? 1 : 2;
			c.severity_at_most = 1 + TCPAUDIT_NOTE;
		}
		claim_segments(j, x, UNUSUAL_TS_REGRESS, &c);
	}
}

/* NULL: it has none. */
static const struct odd_numbers *odd_numbers(const struct judging *j, unsigned x)
{
	return connection_rarity(j->c) ? &connection_rarity(j->c)->odd_numbers[x] : NULL;
}

/* The acknowledgment before it may have covered what the capture does not have, and then have been wrong itself.  Away from its sender,
 * another host may answer in its name by a clock of its own. */
void check_data_ack_regress(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_ACK_REGRESS);
		if (at < 0)
			continue;
		struct claim c = {.alike = (uint8_t)(!j->at[x] + !!(j->c->end[!x].bits & TCB_GAP)),
		                  .observed = {{"ack", j->h->event[at].ack}}};
		const struct odd_numbers *odd = odd_numbers(j, x);
		if (odd && odd->acked_known)
			c.expected[0] = (struct tcpaudit_fact){"ack", odd->acked};
		claim_segments(j, x, UNUSUAL_ACK_REGRESS, &c);
	}
}

/* A box on the way that rewrites numbers forgets the blocks: only at its sender's it is known who was at fault.  Who permitted nothing by
 * one SYN may have done so by another that was not captured. */
void check_data_sack_invalid(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct odd_numbers *odd = odd_numbers(j, x);
		struct claim c = {0};
		if (odd && odd->block_known) {
			c.observed[0] = (struct tcpaudit_fact){"sack_low", odd->block[0]};
			c.observed[1] = (struct tcpaudit_fact){"sack_high", odd->block[1]};
		}
		if (first_unusual(j, x, UNUSUAL_SACK) >= 0) {
			c.alike = !j->at[x];
			claim_segments(j, x, UNUSUAL_SACK, &c);
		} else {
			c.at_most = TCPAUDIT_POSSIBLE;
			claim_segments(j, x, UNUSUAL_SACK_UNASKED, &c);
		}
	}
}

/* What it waited for may have come, and not have been captured. */
void check_data_keepalive_outstanding(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++)
		claim_segments(j, x, UNUSUAL_KEEP_ALIVE, &(struct claim){.at_most = j->at[x] ? TCPAUDIT_LIKELY : TCPAUDIT_POSSIBLE});
}

/* RFC 9293 MUST-19.  Sockets can be told to: TCP_THIN_LINEAR_TIMEOUTS, TCP_RTO_MAX_MS. */
void check_data_rto_backoff(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_NO_BACKOFF);
		if (at >= 0)
			claim_segments(j, x, UNUSUAL_NO_BACKOFF,
			               &(struct claim){.over_in_time = true,
			                               .at_most = j->at[x] ? TCPAUDIT_LIKELY : TCPAUDIT_POSSIBLE,
			                               .observed = {{"repeats", FLAT_ENOUGH + 2}}});
	}
}

/* RFC 1337 2 (hazard H2): each end answers what it cannot take by what the other one cannot take. */
void check_data_ack_storm(struct judging *j)
{
	const struct rarity *rarity = connection_rarity(j->c);

	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_ACK_STORM);
		if (at < 0 || !rarity)
			continue;
		claim(j, &(struct claim){.endpoint = TCPAUDIT_WHO_BOTH,
		                         .evidence = {at, -1},
		                         .observed = {{"segments", 2 * (int64_t)rarity->storm.count},
		                                      {"duration_us", (rarity->storm.last - rarity->storm.since) / 1000}}});
		return;
	}
}

/* ---- aborts that a timer may have brought about ---- */

/* The reset of an open connection by an end that has not closed, from its block, and with nothing from the other side that caused it;
 * NULL: it is none. */
static const struct event *abort_unasked(const struct judging *j)
{
	const struct event *reset = ending_reset(j);

	if (!reset || j->record->aborted_by != reset->from || j->h->fin[0].sent || j->h->fin[1].sent || !(reset->flags & TCPAUDIT_ACK) ||
	    j->c->entry.bits & (CONN_ICMP | CONN_ICMP_SOFT))
		return NULL;
	int64_t heard = j->h->before_reset->since[!reset->from];
	return heard >= 0 && heard < SECOND && event_may_be_echo(j->h->event, j->h->first_reset) ? NULL : reset;
}

/* Has the other end not been heard since the aborting one sent its last segment? */
static bool went_unanswered(const struct before_reset *was, unsigned x)
{
	return was->since[x] >= 0 && (was->since[!x] < 0 || was->since[!x] > was->since[x]);
}

/* RFC 9293 3.8.4 MUST-29.  An abort by the user at such a moment looks the same, but it has the whole time between probes to fall into. */
void check_data_keepalive_giveup(struct judging *j)
{
	const struct event *reset = abort_unasked(j);

	if (!reset)
		return;
	const struct before_reset *was = j->h->before_reset;
	unsigned x = reset->from;
	if ((was->bits[x] & (TCB_PROBED | TCB_PROBED_AGAIN)) != TCB_PROBED || was->unanswered > 1 || !went_unanswered(was, x) ||
	    was->bits[!x] & TCB_ZERO_WINDOW || unacknowledged(j, x) || was->since[x] < SECOND / 2)
		return;
	claim(j, &(struct claim){.endpoint = (uint8_t)x,
	                         .proven = true,
	                         .unanswered = 1,
	                         .at_most = TCPAUDIT_LIKELY,
	                         .alike = reset_is_doubtful(j->c, j->h, j->h->first_reset),
	                         .evidence = {j->h->first_reset, -1},
	                         .observed = {{"probes", 1}, {"delay_us", was->since[x] / 1000}}});
}

#define WINDOWS_TRIES 5

/* RFC 9293 3.8.3 SHLD-11.  How long it has tried is known up to the first timeout: taken as too long.  An abort by the user looks the
 * same, and is no fault. */
void check_data_r2_early(struct judging *j)
{
	const struct event *reset = abort_unasked(j);

	if (!reset)
		return;
	const struct before_reset *was = j->h->before_reset;
	unsigned x = reset->from;
	if ((was->bits[x] & TCB_TRIES) != TCB_UNANSWERED || was->unanswered < threshold(j, DATA_R2_REPEATS) || !went_unanswered(was, x) ||
	    was->bits[!x] & TCB_ZERO_WINDOW || !unacknowledged(j, x))
		return;
	int64_t spent = was->tried >= 0 && (was->since[!x] < 0 || was->tried < was->since[!x]) ? was->tried : was->since[!x];
	if (spent < 0 || spent >= threshold(j, DATA_R2))
		return;
	claim(j, &(struct claim){.endpoint = (uint8_t)x,
	                         .proven = true,
	                         .at_most = TCPAUDIT_POSSIBLE,
	                         .evidence = {j->h->first_reset, -1},
	                         .expected = {{"duration_us", threshold(j, DATA_R2) / 1000}},
	                         .observed = {{"duration_us", spent / 1000}, {"repeats", was->unanswered}},
	                         .deliberate = was->unanswered == WINDOWS_TRIES
	                                               ? "Windows gives text up after 5 repeats (TcpMaxDataRetransmissions)"
	                                               : NULL});
}

/* RFC 9293 3.8.6.1 MUST-37.  The user may abort, and a host that is short of memory may, too (RFC 6429 4). */
void check_data_zwp_abort(struct judging *j)
{
	const struct event *reset = abort_unasked(j);

	if (!reset)
		return;
	const struct before_reset *was = j->h->before_reset;
	if (was->window_probes < 2 || went_unanswered(was, reset->from))
		return;
	claim(j, &(struct claim){.endpoint = reset->from,
	                         .proven = true,
	                         .at_most = TCPAUDIT_POSSIBLE,
	                         .evidence = {j->h->first_reset, -1},
	                         .observed = {{"probes", was->window_probes}}});
}
