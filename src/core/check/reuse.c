/* reuse.c - reuse-: one incarnation of a socket pair after another (RFC 9293 3.4.1, 3.6.1; RFC 1337, 6191). */
#include "check.h"
#include "events.h"
#include "flow/unusual.h"

#define SECOND 1000000000ll

/* The SYN that began this incarnation; -1 if it was not captured. */
static int opening(const struct judging *j)
{
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == TCPAUDIT_CLIENT && !(e->is & EVENT_STRAY) &&
		    (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST)) == TCPAUDIT_SYN)
			return i;
	}
	return -1;
}

static int64_t interval(const struct judging *j)
{
	return j->c->start - j->h->former->last;
}

/* The new SYN carries a timestamp, and so did the connection before. */
static bool protected_by_timestamps(const struct judging *j, int syn)
{
	return j->h->former->timestamps && j->h->event[syn].is & EVENT_TIMESTAMPS;
}

void check_reuse_interval(struct judging *j)
{
	int syn = opening(j);

	if (syn < 0 || !j->h->former->established)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .evidence = {syn, -1},
	                         .observed = {{"interval_us", interval(j) / 1000}, {"flow_before", (int64_t)j->h->former->id}}});
}

/* After a reset no TIME-WAIT is due; and who holds it may let a SYN with a higher number in (MAY-2).  A NAT may have given the port
 * to another host. */
void check_reuse_early(struct judging *j)
{
	const struct former *was = j->h->former;
	int syn = opening(j);

	if (syn < 0 || !was->closed || was->reset || interval(j) >= time_wait_seen(j->file->settings) || protected_by_timestamps(j, syn) ||
	    (!was->agreed && j->h->event[syn].is & EVENT_TIMESTAMPS))
		return;
	if (was->client_again && was->holder == TCPAUDIT_WHO_SERVER && seq_gt(j->h->event[syn].seq, was->next[TCPAUDIT_CLIENT]))
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .alike = (uint8_t)(was->doubtful + !j->at[TCPAUDIT_CLIENT]),
	                         .evidence = {syn, -1},
	                         .expected = {{"interval_us", 2 * j->file->settings->msl / 1000}},
	                         .observed = {{"interval_us", interval(j) / 1000}}});
}

void check_reuse_while_open(struct judging *j)
{
	const struct former *was = j->h->former;
	int syn = opening(j);

	if (syn < 0 || !was->established || was->closing || was->reset)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .evidence = {syn, -1},
	                         .observed = {{"interval_us", interval(j) / 1000}, {"flow_before", (int64_t)was->id}}});
}

/* Linux' clock of ISNs turns over in 275 s: only half of that can be told, from the number before to this one. */
static bool clock_may_have_turned(const struct judging *j, unsigned x)
{
	uint8_t age = j->h->former->iss_age[x];

	return age == ISS_AGE_UNKNOWN || interval(j) + age * SECOND >= threshold(j, REUSE_ISN_INTERVAL);
}

/* A server's may be a SYN cookie (RFC 4987 3.6), and anybody can send a SYN that nobody answers. */
void check_reuse_isn_regress(struct judging *j)
{
	const struct former *was = j->h->former;

	if (opening(j) < 0 || !was->established)
		return;
	for (unsigned x = 0; x < 2; x++) {
		const struct tcb *tcb = &j->c->end[x];
		if (!(tcb->bits & TCB_ISS) || !former_knows(was, x) || seq_gt(tcb->iss, was->next[x]) || clock_may_have_turned(j, x))
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .alike = (uint8_t)(x == TCPAUDIT_SERVER ? 1 : !(j->c->entry.bits & CONN_SYN_ACK)),
		                         .evidence = {opening(j), -1},
		                         .expected = {{"seq_low", was->next[x]}},
		                         .observed = {{"seq", tcb->iss}}});
		return;
	}
}

void check_reuse_ts_regress(struct judging *j)
{
	const struct former *was = j->h->former;
	int syn = opening(j);

	if (syn < 0 || !protected_by_timestamps(j, syn) || !seq_lt(j->h->event[syn].tsval, was->tsval[TCPAUDIT_CLIENT]) ||
	    interval(j) >= 24 * 86400 * SECOND)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .evidence = {syn, -1},
	                         .expected = {{"tsval", was->tsval[TCPAUDIT_CLIENT]}},
	                         .observed = {{"tsval", j->h->event[syn].tsval}}});
}

void check_reuse_tw_isn(struct judging *j)
{
	const struct former *was = j->h->former;

	if (!was->closed || opening(j) < 0)
		return;
	for (unsigned x = 0; x < 2; x++) {
		const struct tcb *tcb = &j->c->end[x];
		if (!(tcb->bits & TCB_ISS) || !iss_recycles(tcb->iss, was->next[x]))
			continue;
		claim(j, &(struct claim){.endpoint = (uint8_t)x,
		                         .evidence = {opening(j), -1},
		                         .observed = {{"seq", tcb->iss}},
		                         .deliberate = "Linux: tcp_tw_reuse, or a SYN accepted in TIME-WAIT"});
	}
}

/* A segment of the incarnation before, with text or a FIN, though both ends have begun the next one; -1.  Bare acknowledgments are
 * what TIME-WAIT answers with. */
static int old_text(const struct judging *j)
{
	if (~j->c->end[0].bits & TCB_ISS || ~j->c->end[1].bits & TCB_ISS)
		return -1;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->unusual & UNUSUAL_OLD_INCARNATION && e->len && !(e->flags & (TCPAUDIT_SYN | TCPAUDIT_RST)))
			return i;
	}
	return -1;
}

void check_reuse_old_segment(struct judging *j)
{
	int old = old_text(j);

	if (old < 0 || twin_numbers(j))
		return;
	const struct event *e = &j->h->event[old];
	claim(j, &(struct claim){.endpoint = e->from,
	                         .evidence = {old, -1},
	                         .expected = {{"seq_low", j->c->end[e->from].iss}},
	                         .observed = {{"seq", e->seq}, {"len", e->len}}});
}

void check_reuse_old_data_accepted(struct judging *j)
{
	int old = old_text(j);

	if (old < 0 || twin_numbers(j))
		return;
	const struct event *text = &j->h->event[old];
	for (int i = old + 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == text->from || !(e->unusual & UNUSUAL_ACK_UNSENT) || e->ack != seq_add(text->seq, text->len))
			continue;
		claim(j, &(struct claim){.endpoint = e->from, .evidence = {old, i, -1}, .observed = {{"ack", e->ack}}});
		return;
	}
}

/* That the time fits one of the usual TIME-WAITs is all there is to it. */
void check_reuse_syn_stalled(struct judging *j)
{
	static const uint8_t lasts[] = {30, 60, 120, 240};
	int syn = opening(j), copies = 0, answer = -1;

	if (syn < 0 || !j->h->former->closed)
		return;
	for (int i = syn; i < j->h->count && answer < 0; i++) {
		const struct event *e = &j->h->event[i];
		if (e->is & EVENT_STRAY || !(e->flags & TCPAUDIT_SYN))
			continue;
		if (e->from == TCPAUDIT_CLIENT)
			copies++;
		else
			answer = i;
	}
	if (answer < 0 || copies < 2)
		return;
	int64_t after = j->h->event[answer].time - j->h->former->last;
	for (size_t k = 0; k < sizeof lasts; k++) {
		int64_t off = after - lasts[k] * SECOND;
		if (off < -2 * SECOND || off > 2 * SECOND)
			continue;
		claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
		                         .proven = false,
		                         .unanswered = (uint8_t)(copies - 1),
		                         .at_most = TCPAUDIT_POSSIBLE,
		                         .evidence = {syn, answer, -1},
		                         .observed = {{"interval_us", after / 1000}}});
		return;
	}
}
