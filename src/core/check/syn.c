/* syn.c - syn-: connection setup (RFC 9293 3.5, 3.10.7.1 to 3.10.7.3; RFC 7413, 7323, 3168). */
#include "check.h"
#include "flow/isn.h"
#include "flow/unusual.h"

#define SECOND 1000000000ll

static bool is_syn(const struct event *e)
{
	return (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST | TCPAUDIT_FIN)) == TCPAUDIT_SYN &&
	       !(e->is & (EVENT_STRAY | EVENT_DUPLICATE));
}

static bool is_syn_ack(const struct event *e)
{
	return (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST | TCPAUDIT_FIN)) == (TCPAUDIT_SYN | TCPAUDIT_ACK) &&
	       !(e->is & (EVENT_STRAY | EVENT_DUPLICATE));
}

static int next(const struct judging *j, int at, bool (*is)(const struct event *), unsigned from)
{
	for (int i = at; i < j->h->count; i++)
		if (j->h->event[i].from == from && is(&j->h->event[i]))
			return i;
	return -1;
}

static int first_syn(const struct judging *j)
{
	return next(j, 0, is_syn, TCPAUDIT_CLIENT);
}

void check_syn_flags_illegal(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_SYN_FLAGS);
		if (at >= 0 && !(j->h->event[at].unusual & UNUSUAL_NO_ACK)) /* of an open connection: data-no-ack-flag's */
			claim_segments(j, x, UNUSUAL_SYN_FLAGS, &(struct claim){.observed = {{"flags", j->h->event[at].flags}}});
	}
}

void check_syn_bad_address_answered(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_ADDRESS);
		if (at < 0 || j->h->event[at].flags & TCPAUDIT_ACK)
			continue;
		for (int i = at + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from == x || !(e->flags & TCPAUDIT_ACK) || !(e->flags & (TCPAUDIT_SYN | TCPAUDIT_RST)) ||
			    e->ack != event_end(&j->h->event[at]))
				continue;
			claim(j, &(struct claim){.endpoint = (uint8_t)!x, .proven = true, .evidence = {at, i, -1}});
			break;
		}
	}
}

/* A SYN that was not captured, or an older one, may be what it answers. */
void check_syn_synack_ackno(struct judging *j)
{
	int at = first_unusual(j, TCPAUDIT_SERVER, UNUSUAL_SYN_ACK_NUMBER), syn = first_syn(j);

	if (at < 0 || syn < 0)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
	                         .at_most = j->at[TCPAUDIT_SERVER] ? 0 : TCPAUDIT_LIKELY,
	                         .evidence = {syn, at, -1},
	                         .expected = {{"ack", event_end(&j->h->event[syn])}},
	                         .observed = {{"ack", j->h->event[at].ack}}});
}

/* The server has taken what stands before it, and sent what it acknowledges: both numbers were right, and the capture has not got all. */
static bool server_bears_out(const struct judging *j, int at)
{
	const struct event *e = &j->h->event[at];
	bool took = e->seq == seq_add(j->c->end[TCPAUDIT_CLIENT].iss, 1), sent = e->ack == seq_add(j->c->end[TCPAUDIT_SERVER].iss, 1);

	for (int i = 0; i < j->h->count; i++) {
		const struct event *o = &j->h->event[i];
		if (o->from != TCPAUDIT_SERVER || o->is & (EVENT_STRAY | EVENT_FOREIGN) || !(o->flags & TCPAUDIT_ACK))
			continue;
		took |= seq_ge(o->ack, e->seq) && seq_le(o->ack, j->c->end[TCPAUDIT_CLIENT].maxseq);
		sent |= seq_ge(event_end(o), e->ack);
	}
	return took && sent;
}

/* Numbers ahead of what was seen may rest on segments that were not captured, or, away from the client, lost or overtaken before; numbers
 * behind it on nothing. */
void check_syn_third_ack_bad(struct judging *j)
{
	int at = first_unusual(j, TCPAUDIT_CLIENT, UNUSUAL_THIRD_ACK), syn_ack = next(j, 0, is_syn_ack, TCPAUDIT_SERVER);

	if (at < 0 || syn_ack < 0 || first_unusual(j, TCPAUDIT_SERVER, UNUSUAL_ISS_CHANGED | UNUSUAL_SYN_ACK_NUMBER) >= 0)
		return;
	const struct event *e = &j->h->event[at];
	tcp_seq seq = seq_add(j->c->end[TCPAUDIT_CLIENT].iss, 1), ack = event_end(&j->h->event[syn_ack]);
	if (e->is & EVENT_PROBE || e->flags & TCPAUDIT_RST)
		return;
	uint8_t ahead = (uint8_t)(seq_gt(e->seq, seq) + seq_gt(e->ack, ack));
	if (ahead && seq_ge(e->seq, seq) && seq_ge(e->ack, ack) && server_bears_out(j, at))
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .alike = ahead,
	                         .at_most = ahead && (!j->at[TCPAUDIT_CLIENT] || !(j->premises & TCPAUDIT_PREMISE_NO_LOSS)) ? TCPAUDIT_POSSIBLE : 0,
	                         .evidence = {syn_ack, at, -1},
	                         .expected = {{"seq", seq}, {"ack", ack}},
	                         .observed = {{"seq", e->seq}, {"ack", e->ack}}});
}

/* RFC 9293 3.10.7.3 first: SEG.ACK =< ISS or > SND.NXT earns <SEQ=SEG.ACK><CTL=RST>. */
void check_syn_badack_no_rst(struct judging *j)
{
	int at = first_unusual(j, TCPAUDIT_SERVER, UNUSUAL_TO_SYN_SENT);

	if (at < 0 || first_syn(j) < 0)
		return;
	const struct event *bad = &j->h->event[at];
	if ((seq_gt(bad->ack, j->c->end[TCPAUDIT_CLIENT].iss) && seq_le(bad->ack, j->c->end[TCPAUDIT_CLIENT].maxseq)) ||
	    j->file->now - bad->time < SECOND)
		return;
	for (int i = at + 1; i < j->h->count; i++)
		if (j->h->event[i].from == TCPAUDIT_CLIENT && j->h->event[i].flags & TCPAUDIT_RST)
			return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .proven = false,
	                         .unanswered = (uint8_t)(1 + (bad->run < 8 ? bad->run : 8)),
	                         .at_most = TCPAUDIT_LIKELY,
	                         .evidence = {first_syn(j), at, -1},
	                         .expected = {{"seq", bad->ack}}});
}

/* The attempt before this one was neither answered nor reset, and is not old.  Where nothing of the server was captured, it may have
 * reset it. */
void check_syn_rexmit_isn_change(struct judging *j)
{
	const struct former *was = j->h->former;
	int syn = first_syn(j);

	if (syn < 0 || was->answered || was->reset || twin_numbers(j) || !former_knows(was, TCPAUDIT_CLIENT) ||
	    was->iss[TCPAUDIT_CLIENT] == j->h->event[syn].seq || j->h->event[syn].time - was->last >= 75 * SECOND ||
	    !was->client_again)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .alike = was->spoiled,
	                         .at_most = connection_heard(j->c, TCPAUDIT_SERVER) || former_knows(was, TCPAUDIT_SERVER) ? 0 : TCPAUDIT_POSSIBLE,
	                         .evidence = {syn, -1},
	                         .expected = {{"seq", was->iss[TCPAUDIT_CLIENT]}},
	                         .observed = {{"seq", j->h->event[syn].seq}}});
}

/* RFC 6298 2.1, 5.5: after 1 s, then doubling.  Linux 6.5 and BSD send the first few at 1 s each. */
void check_syn_rexmit_timing(struct judging *j)
{
	int64_t last = 0, gap = 0;
	int first = first_syn(j), copies = 0;

	if (!(j->c->entry.bits & CONN_SYN_REPEATED) || first < 0)
		return;
	for (int i = first; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from != TCPAUDIT_CLIENT || !is_syn(e))
			continue;
		int64_t now = e->time - last;
		bool early = copies == 1 && now < 900000000;
		bool linear = copies <= 5 && now > 900000000 && now < 1200000000;
		bool flat = copies >= 2 && 2 * now < 3 * gap && !linear;
		if (early || flat) {
			claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
			                         .over_in_time = true,
			                         .evidence = {first, i, -1},
			                         .expected = {{"gap_us", early ? 1000000 : 2 * gap / 1000}},
			                         .observed = {{"gap_us", now / 1000}}});
			return;
		}
		gap = now;
		last = e->time;
		copies++;
	}
}

void check_syn_giveup_early(struct judging *j)
{
	int first = first_syn(j), last = first;

	if (j->record->kind != TCPAUDIT_KIND_SYN_TIMEOUT || first < 0)
		return;
	for (int i = first; i < j->h->count; i++)
		if (j->h->event[i].from == TCPAUDIT_CLIENT && is_syn(&j->h->event[i]))
			last = i;
	int64_t spent = j->h->event[last].time - j->h->event[first].time;
	if (spent >= threshold(j, SYN_GIVEUP_R2))
		return;
	struct claim c = {.endpoint = TCPAUDIT_CLIENT,
	                  .proven = true,
	                  .unanswered = 3,
	                  .evidence = {first, last, -1},
	                  .expected = {{"duration_us", threshold(j, SYN_GIVEUP_R2) / 1000}},
	                  .observed = {{"duration_us", spent / 1000}}};
	/* 6 repeats: the last after 63 s (since 6.5, with 4 more of a second each: 67 to 70), and another 64 s of waiting for it */
	if (spent > 60 * SECOND && spent < 75 * SECOND)
		c.deliberate = "Linux gives a SYN up after about 2 minutes (tcp_syn_retries 6)";
	claim(j, &c);
}

void check_syn_refused(struct judging *j)
{
	int syn = first_syn(j);

	if (j->record->kind != TCPAUDIT_KIND_REFUSED || j->h->first_reset < 0)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
	                         .evidence = {syn < 0 ? j->h->first_reset : syn, syn < 0 ? -1 : j->h->first_reset, -1},
	                         .observed = {{"ack", j->h->event[j->h->first_reset].ack}}});
}

/* RFC 9293 3.10.7.1: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>.  SYN-SENT ignores everything else. */
void check_syn_rst_malformed(struct judging *j)
{
	const struct former *was = j->h->former;
	int syn = first_syn(j);

	if (syn < 0 || j->c->entry.bits & (CONN_SYN_ACK | CONN_ESTABLISHED))
		return;
	if (j->c->end[TCPAUDIT_CLIENT].bits & TCB_ACK)
		return; /* it had a SYN-ACK, by another way: what is reset may be what it has sent since */
	for (int i = syn + 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		tcp_seq least = seq_add(j->h->event[syn].seq, 1);
		if (e->from != TCPAUDIT_SERVER || e->unusual & UNUSUAL_OLD_INCARNATION)
			continue;
		if (!(e->flags & TCPAUDIT_RST))
			return; /* it has a block of its own: other resets are in order */
		if (e->flags & TCPAUDIT_ACK && seq_ge(e->ack, least) && seq_le(e->ack, j->c->end[TCPAUDIT_CLIENT].maxseq))
			continue;
		struct claim c = {.endpoint = TCPAUDIT_SERVER,
		                  .evidence = {syn, i, -1},
		                  .expected = {{"ack", least}},
		                  .observed = {{"ack", e->ack}}};
		if (was && former_knows(was, TCPAUDIT_CLIENT) && e->flags & TCPAUDIT_ACK &&
		    e->ack == seq_add(was->iss[TCPAUDIT_CLIENT], 1))
			return; /* refuses the SYN before this one */
		claim(j, &c);
		return;
	}
}

void check_syn_retry_after_rst(struct judging *j)
{
	int refusal = j->h->first_reset, again;

	if (refusal < 0 || !(j->h->event[refusal].is & EVENT_REFUSAL) ||
	    (again = next(j, refusal + 1, is_syn, TCPAUDIT_CLIENT)) < 0)
		return;
	const struct event *syn = &j->h->event[again];
	int64_t gap = syn->time - j->h->event[refusal].time;
	bool plain_now = j->c->end[TCPAUDIT_CLIENT].bits & TCB_ECN_SETUP && !(syn->flags & TCPAUDIT_ECE);
	if (plain_now || gap < 3000000)
		return; /* RFC 3168 6.1.1.1 allows to try without ECN; right behind it, it was on its way */
	struct claim c = {.endpoint = TCPAUDIT_CLIENT,
	                  .at_most = j->at[TCPAUDIT_CLIENT] ? 0 : TCPAUDIT_POSSIBLE, /* lost, or on its way, when the timer ran out */
	                  .evidence = {refusal, again, -1},
	                  .observed = {{"gap_us", gap / 1000}}};
	if (gap > 400000000 && gap < 600000000)
		c.deliberate = "Windows tries a refused SYN again after half a second";
	claim(j, &c);
}

/* RFC 5961 4.2: whatever its number, a SYN is met by a challenge ACK.  Behind a reset there is no connection that it could meet, and what
 * was under way then is answered by resets. */
void check_syn_in_sync_reply(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int syn = first_unusual(j, x, UNUSUAL_SYN_SYNCHRONIZED), reply = -1;
		if (syn < 0 || (j->h->first_reset >= 0 && j->h->first_reset < syn))
			continue;
		for (int i = syn + 1; i < j->h->count && reply < 0; i++)
			if (j->h->event[i].from != x && !(j->h->event[i].unusual & UNUSUAL_SYN_SYNCHRONIZED))
				reply = i;
		if (reply < 0 || !(j->h->event[reply].flags & TCPAUDIT_RST) || j->h->fin[!x].sent)
			continue; /* who has closed may have no reader any more: RFC 9293 3.6.1, Linux' orphans */
		if (j->h->event[reply].time - j->h->event[syn].time > SECOND)
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)!x, .evidence = {syn, reply, -1}});
	}
}

/* RFC 9293 figure 9: an ACK of the old connection, its reset, and the same SYN again. */
void check_syn_halfopen_recovery(struct judging *j)
{
	int syn = first_syn(j);

	if (syn < 0)
		return;
	for (int i = syn + 1; i < j->h->count; i++) {
		const struct event *ack = &j->h->event[i];
		if (ack->from != TCPAUDIT_SERVER || !(ack->flags & TCPAUDIT_ACK) || ack->flags & (TCPAUDIT_RST | TCPAUDIT_SYN) ||
		    !(ack->unusual & (UNUSUAL_TO_SYN_SENT | UNUSUAL_OLD_INCARNATION)))
			continue;
		int reset = -1, again = -1, syn_ack = -1;
		for (int k = i + 1; k < j->h->count; k++) {
			const struct event *e = &j->h->event[k];
			if (reset < 0 && e->from == TCPAUDIT_CLIENT && e->flags & TCPAUDIT_RST && e->seq == ack->ack)
				reset = k;
		}
		if (reset >= 0)
			again = next(j, reset + 1, is_syn, TCPAUDIT_CLIENT);
		if (again >= 0)
			syn_ack = next(j, again + 1, is_syn_ack, TCPAUDIT_SERVER);
		if (syn_ack < 0)
			continue;
		claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT, .evidence = {syn, i, reset, again, syn_ack, -1}});
		return;
	}
}

void check_syn_simultaneous_open(struct judging *j)
{
	int a = first_syn(j), b = next(j, 0, is_syn, TCPAUDIT_SERVER);
	int a2 = next(j, 0, is_syn_ack, TCPAUDIT_CLIENT), b2 = next(j, 0, is_syn_ack, TCPAUDIT_SERVER);

	if (!(j->c->entry.bits & CONN_SIMULTANEOUS_OPEN) || a < 0 || b < 0 || a2 < 0 || b2 < 0)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_WHO_BOTH, .evidence = {a, b, a2, b2, -1}});
}

/* MUST-10.  A SYN of its own that stands before the peer's proves SYN-SENT only where it was sent.  Who gives up in SYN-SENT says
 * nothing (RFC 9293 3.10.4), and refuses what comes from then on: <SEQ=0>, as CLOSED does (3.10.7.1), or another number where a
 * block was left. */
void check_syn_simopen_refused(struct judging *j)
{
	int a = first_syn(j), b = next(j, 0, is_syn, TCPAUDIT_SERVER);

	if (a < 0 || b < 0)
		return;
	for (unsigned x = 0; x < 2; x++) {
		int own = x ? b : a, peer = x ? a : b;
		for (int i = (own > peer ? own : peer) + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from != x || !(e->flags & TCPAUDIT_RST) || !(e->flags & TCPAUDIT_ACK) ||
			    e->ack != event_end(&j->h->event[peer]))
				continue;
			claim(j, &(struct claim){.endpoint = (uint8_t)x,
			                         .at_most = e->seq ? TCPAUDIT_LIKELY : TCPAUDIT_POSSIBLE,
			                         .evidence = {own, peer, i, -1}});
			return;
		}
	}
}

void check_syn_self_connect(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++)
		claim_segments(j, x, UNUSUAL_SELF, &(struct claim){0});
}

void check_syn_data(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_SYN_TEXT);
		if (at >= 0)
			claim_segments(j, x, UNUSUAL_SYN_TEXT, &(struct claim){.observed = {{"len", j->h->event[at].len}}});
	}
}

void check_syn_tfo_data_skipped(struct judging *j)
{
	tcp_seq least = seq_add(j->c->end[TCPAUDIT_CLIENT].iss, 1);
	int at = first_unusual(j, TCPAUDIT_CLIENT, UNUSUAL_TEXT_SKIPPED);

	if (at < 0 || seq_gt(j->c->end[TCPAUDIT_SERVER].hiack, least) || j->c->end[TCPAUDIT_CLIENT].bits & TCB_LONG)
		return; /* it was acknowledged, or nobody would have sent that much behind it */
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == TCPAUDIT_CLIENT && e->len && e->seq == least && !(e->flags & TCPAUDIT_SYN))
			return;
	}
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .evidence = {at, -1},
	                         .expected = {{"seq", least}},
	                         .observed = {{"seq", j->h->event[at].seq}}});
}

void check_syn_option_late(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_LATE_OPTION);
		if (at >= 0)
			claim_segments(j, x, UNUSUAL_LATE_OPTION,
			               &(struct claim){.observed = {{"options", j->h->event[at].options}}});
	}
}

void check_syn_option_unoffered(struct judging *j)
{
	if (!(j->c->end[TCPAUDIT_CLIENT].bits & TCB_OPTIONS_CUT)) /* else: what it offered is not known */
		claim_segments(j, TCPAUDIT_SERVER, UNUSUAL_UNOFFERED, &(struct claim){0});
}

/* Has the client acknowledged something of the stream that begins at that number, and not at the other?  Both may be of one clock. */
static bool client_acknowledges(const struct judging *j, tcp_seq iss, tcp_seq other)
{
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == TCPAUDIT_CLIENT && (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST)) == TCPAUDIT_ACK &&
		    seq_gt(e->ack, iss) && seq_diff(e->ack, iss) < 1 << 24 &&
		    !(seq_gt(e->ack, other) && seq_diff(e->ack, other) < seq_diff(e->ack, iss)))
			return true;
	}
	return false;
}

/* The server's SYN-ACK before that one, whichever of them the client has taken. */
static int syn_ack_before(const struct judging *j, int at)
{
	for (int i = 0; i < at; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == TCPAUDIT_SERVER && (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST)) == (TCPAUDIT_SYN | TCPAUDIT_ACK) &&
		    !(e->is & EVENT_DUPLICATE) && e->seq != j->h->event[at].seq)
			return i;
	}
	return -1;
}

/* Who has taken one SYN-ACK does not take another: a client that acknowledges both is seen before and behind a box that rewrites the
 * server's numbers. */
void check_syn_synack_isn_change(struct judging *j)
{
	int at = first_unusual(j, TCPAUDIT_SERVER, UNUSUAL_ISS_CHANGED), first = syn_ack_before(j, at);

	if (first < 0 || at < 0 || !(j->h->event[at].flags & TCPAUDIT_SYN))
		return;
	for (int i = first + 1; i < at; i++)
		if (j->h->event[i].flags & TCPAUDIT_RST)
			return;
	const tcp_seq one = j->h->event[first].seq, two = j->h->event[at].seq;
	if (client_acknowledges(j, one, two) && client_acknowledges(j, two, one))
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
	                         .evidence = {first, at, -1},
	                         .expected = {{"seq", one}},
	                         .observed = {{"seq", two}}});
}

void check_syn_wscale_range(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++)
		claim_segments(j, x, UNUSUAL_SCALE, &(struct claim){0});
}

/* That the option is missing may be a middlebox' doing, or longer segments offload's or a cached path MTU's. */
void check_syn_mss_odd(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		int at = first_unusual(j, x, UNUSUAL_MSS);
		if (at < 0)
			continue;
		const struct event *e = &j->h->event[at];
		if (e->flags & TCPAUDIT_SYN) {
			claim_segments(j, x, UNUSUAL_MSS, &(struct claim){0});
			continue;
		}
		if (j->c->end[!x].bits & TCB_OPTIONS_CUT)
			continue; /* what it announced is not known */
		struct claim c = {.endpoint = (uint8_t)!x, /* who announced none */
		                  .at_most = TCPAUDIT_POSSIBLE,
		                  .evidence = {at, -1},
		                  .observed = {{"len", e->len}}};
		claim(j, &c);
	}
}

void check_syn_reserved_bits(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++)
		claim_segments(j, x, UNUSUAL_RESERVED, &(struct claim){0});
}

/* Both bits on it are a reflection of the SYN's: broken, but no claim to ECN. */
void check_syn_ecn_setup(struct judging *j)
{
	int at = first_unusual(j, TCPAUDIT_SERVER, UNUSUAL_ECN_SETUP);
	struct claim c = {0};

	if (at < 0)
		return;
	if (j->h->event[at].flags & TCPAUDIT_CWR)
		c.severity_at_most = 1 + TCPAUDIT_NOTE;
	claim_segments(j, TCPAUDIT_SERVER, UNUSUAL_ECN_SETUP, &c);
}

void check_syn_ecn_blackhole(struct judging *j)
{
	int with = -1, without = -1;

	if (!(j->c->end[TCPAUDIT_CLIENT].bits & TCB_ECN_SETUP) || !(j->c->entry.bits & CONN_SYN_REPEATED))
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from != TCPAUDIT_CLIENT || !is_syn(e))
			continue;
		if (e->flags & TCPAUDIT_ECE)
			with = i;
		else if (with >= 0 && without < 0)
			without = i;
	}
	if (without < 0 || with > without)
		return;
	int answer = next(j, without + 1, is_syn_ack, TCPAUDIT_SERVER);
	for (int i = with + 1; i < without; i++)
		if (is_syn_ack(&j->h->event[i]))
			return;
	if (answer >= 0)
		claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
		                         .at_most = TCPAUDIT_LIKELY,
		                         .evidence = {with, without, answer, -1}});
}

/* Who repeats it stamps it anew (RFC 7323 3.2). */
static bool is_late_copy(const struct event *e)
{
	return (e->is & (EVENT_TIMESTAMPS | EVENT_TSVAL_FRESH)) == EVENT_TIMESTAMPS;
}

/* A bare ACK that was seen may have been lost behind us; and a server may wait for text on purpose.  What it sends within its
 * turn-around it built without knowing the ACK. */
void check_syn_accept_stalled(struct judging *j)
{
	const int64_t due = threshold(j, SYN_STALLED_DELAY) + way_to_and_back(j, TCPAUDIT_SERVER);
	int ack = -1;

	if (!(j->c->entry.bits & CONN_SYN_ACK_REPEATED))
		return;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		bool answers = e->from == TCPAUDIT_CLIENT && e->flags & TCPAUDIT_ACK &&
		               !(e->flags & (TCPAUDIT_RST | TCPAUDIT_SYN)) && !(e->is & EVENT_STRAY) &&
		               seq_gt(e->ack, j->c->end[TCPAUDIT_SERVER].iss);
		if (answers && ack < 0)
			ack = i;
		if (ack < 0 || e->from != TCPAUDIT_SERVER || !is_syn_ack(e) || is_late_copy(e) ||
		    e->time - j->h->event[ack].time <= due)
			continue;
		claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
		                         .unanswered = (uint8_t)(j->at[TCPAUDIT_SERVER] ? 3 : 1),
		                         .at_most = TCPAUDIT_LIKELY,
		                         .evidence = {ack, i, -1},
		                         .observed = {{"delay_us", (e->time - j->h->event[ack].time) / 1000}}});
		return;
	}
}

void check_syn_reset_after_accept(struct judging *j)
{
	const struct before_reset *was = j->h->before_reset;
	int reset = j->h->first_reset;

	if (reset < 0 || !was || !(j->c->entry.bits & CONN_ESTABLISHED) || !connection_marked(j->c, MARK_ACK))
		return;
	const struct event *e = &j->h->event[reset];
	int64_t accepted = connection_mark_time(j->c, MARK_ACK);
	if (e->from != TCPAUDIT_SERVER || j->c->entry.bits & CONN_MP_FASTCLOSE || was->text[TCPAUDIT_SERVER] ||
	    e->time - accepted > SECOND || j->h->fin[0].sent || j->h->fin[1].sent)
		return;
	struct claim c = {
	        .endpoint = TCPAUDIT_SERVER,
	        .evidence = {reset, -1},
	        .observed = {{"delay_us", (e->time - accepted) / 1000}, {"bytes", (int64_t)was->text[TCPAUDIT_CLIENT]}}};
	claim(j, &c);
}

void check_syn_scan(struct judging *j)
{
	int reset = j->h->first_reset, syn = first_syn(j), syn_ack = next(j, 0, is_syn_ack, TCPAUDIT_SERVER);

	if (j->record->kind != TCPAUDIT_KIND_HS_RST_INITIATOR || reset < 0 || syn < 0 || syn_ack < 0 ||
	    j->h->event[reset].seq != event_end(&j->h->event[syn]) || j->h->event[reset].is & EVENT_FOREIGN)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT, .evidence = {syn, syn_ack, reset, -1}});
}

/* The SYN may have come before the capture began, or another way. */
void check_syn_unsolicited(struct judging *j)
{
	uint32_t bits = j->c->entry.bits;
	bool answer = !connection_marked(j->c, MARK_SYN) && !(bits & CONN_SYN) && bits & CONN_SYN_ACK && !(bits & CONN_ESTABLISHED);
	bool refusal = bits & CONN_MIDSTREAM && j->h->count && j->h->event[0].flags & TCPAUDIT_RST &&
	               j->h->event[0].flags & TCPAUDIT_ACK && j->h->event[0].seq == 0 && j->h->event[0].time == j->c->start;

	if (!answer && !refusal)
		return;
	struct claim c = {.endpoint = refusal ? j->h->event[0].from : TCPAUDIT_SERVER,
	                  .at_most = TCPAUDIT_POSSIBLE,
	                  .evidence = {j->h->count ? 0 : -1, -1}};
	claim(j, &c);
}

void check_syn_rto_reinit(struct judging *j)
{
	int at = first_unusual(j, TCPAUDIT_CLIENT, UNUSUAL_EARLY_REPEAT);

	if (at < 0 || j->h->event[at].is & EVENT_TIMESTAMPS)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT, .at_most = TCPAUDIT_POSSIBLE, .evidence = {at, -1}});
}

/* Each of them is rare by chance; that its host's own stack chose them is not known. */
void check_syn_isn_weak(struct judging *j)
{
	const struct isn_habit *habit = connection_habit(j->c);

	if (!habit)
		return;
	struct claim c = {.endpoint = habit->end, .at_most = TCPAUDIT_LIKELY, .count = ISN_MANY};
	c.evidence[0] = next(j, 0, habit->end == TCPAUDIT_CLIENT ? is_syn : is_syn_ack, habit->end);
	c.evidence[1] = -1;
	c.observed[0] = (struct tcpaudit_fact){"iss", j->c->end[habit->end].iss};
	if (habit->kind == ISN_EVEN_STEPS)
		c.observed[1] = (struct tcpaudit_fact){"difference", habit->step};
	claim(j, &c);
}
