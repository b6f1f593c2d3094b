/* late.c - what comes after a connection was reported: judged against its tombstone. */
#include "late.h"

#define SECOND 1000000000ll

/* A reset of the peer may have ended TIME-WAIT (RFC 9293 3.10.7.4 second; RFC 1337): nothing is owed from then on. */
static void release_time_wait(struct former *was, unsigned holder)
{
	if (was->holder == holder)
		was->holder = TCPAUDIT_WHO_NONE;
	else if (was->holder == TCPAUDIT_WHO_BOTH)
		was->holder = (uint8_t)!holder;
}

/* A record for findings about a connection that was already reported. */
static struct tcpaudit_connection epitaph(const struct tombstone *t)
{
	struct tcpaudit_connection r = {.id = t->entry.id,
	                                .vlan = entry_vlan(&t->entry),
	                                .network = entry_network(&t->entry),
	                                .ip_version = entry_ip_version(&t->entry),
	                                .rtt = -1,
	                                .last = t->was.last,
	                                .time_wait_holder = t->was.holder,
	                                .time_wait_since = t->was.time_wait_since};
	for (unsigned x = 0; x < 2; x++) {
		unsigned socket = x ^ !!(t->entry.bits & CONN_CROSSED);
		r.end[x].address = entry_address(&t->entry, socket);
		r.end[x].port = t->entry.port[socket];
		r.end[x].turnaround = -1;
	}
	return r;
}

static bool is_vouched_for(const struct check_result *result, const struct tombstone *t, const struct tcpaudit_finding *f)
{
	return f->endpoint <= TCPAUDIT_WHO_SERVER && result->settings->vantage >> f->endpoint & 1 && !t->was.elsewhere;
}

/* What is left of the premises of a connection that was reported: all of them, or it is not known which. */
static unsigned premises_of(const struct check_result *result, const struct tombstone *t, const struct tcpaudit_finding *f)
{
	bool at = is_vouched_for(result, t, f);
	bool scaled = (t->entry.bits & (CONN_SYN | CONN_SYN_ACK | CONN_MIDSTREAM)) == (CONN_SYN | CONN_SYN_ACK);
	unsigned holds = t->was.doubtful ? 0 : ~(unsigned)(TCPAUDIT_PREMISE_VANTAGE | TCPAUDIT_PREMISE_SCALE);

	if (scaled)
		holds |= TCPAUDIT_PREMISE_SCALE;
	return holds | (at ? TCPAUDIT_PREMISE_VANTAGE : 0u);
}

/* Completes a finding about what came after the report, and hands it out. */
static void tell_late(const struct check_result *result, const struct tombstone *t, int row, struct tcpaudit_finding *f)
{
	struct tcpaudit_connection record = epitaph(t);
	size_t rows;

	record.label = check_label(result->labeller, t->entry.label);
	if (!check_applies(result->settings, row, t->was.scopes) || check_undetermined(result, row, premises_of(result, t, f)))
		return;
	f->check = &tcpaudit_checks(&rows)[row];
	f->row = (uint16_t)row;
	f->connection = &record;
	f->count = 1;
	f->time = f->evidence[f->evidence_count - 1].time;
	f->severity = (uint8_t)check_weigh(result->settings, row, f->confidence, is_vouched_for(result, t, f) && !t->was.doubtful);
	check_hand_out(result, row, f);
}

/* The TIME-WAIT holder answers an old segment with a reset: check/time_wait.c's tw-early-gone, for what came after the report. */
static void late_reset(const struct check_result *result, struct flow_table *table, struct tombstone *t,
                       const struct tcpaudit_segment *s, unsigned from)
{
	bool holder = t->was.holder == from || t->was.holder == TCPAUDIT_WHO_BOTH;
	int64_t age = s->time - t->was.time_wait_since;

	if (!t->asked || t->asked->from == from || !holder || s->flags & TCPAUDIT_ACK || s->seq != t->asked->ack ||
	    age >= time_wait_seen(result->settings))
		return;
	if (t->links.newer != SLOT_NONE) /* the next incarnation has begun, and what answers may be its SYN-SENT */
		return;
	struct tcpaudit_finding f = {.confidence = age > 20 * SECOND || t->was.doubtful ? TCPAUDIT_LIKELY : TCPAUDIT_CERTAIN,
	                             .endpoint = (uint8_t)from,
	                             .deliberate = check_time_wait_timer(age),
	                             .expected = {{"age_us", 2 * result->settings->msl / 1000}},
	                             .observed = {{"age_us", age / 1000}},
	                             .evidence = {*t->asked, segment_evidence(s, from)},
	                             .evidence_count = 2};
	tell_late(result, t, ROW_tw_early_gone, &f);
	flow_set_asked(table, t, NULL);
}

/* The first reset after both FINs were acknowledged: check/reset.c's rst-after-close, for one that came after the report. */
static void late_reset_after_close(const struct check_result *result, struct tombstone *t, const struct tcpaudit_segment *s,
                                   unsigned from)
{
	struct tcpaudit_finding f = {.confidence = t->was.doubtful ? TCPAUDIT_LIKELY : TCPAUDIT_CERTAIN,
	                             .endpoint = (uint8_t)from};

	if (!t->was.closed || t->reset)
		return;
	if (t->asked && t->asked->from != from)
		f.evidence[f.evidence_count++] = *t->asked;
	f.evidence[f.evidence_count++] = segment_evidence(s, from);
	tell_late(result, t, ROW_rst_after_close, &f);
	t->reset = true;
}

void late_segment(const struct check_result *result, struct flow_table *table, struct tombstone *t,
                  const struct tcpaudit_segment *s, unsigned from)
{
	result->counters->late++;
	if (s->flags & TCPAUDIT_RST) {
		late_reset_after_close(result, t, s, from);
		late_reset(result, table, t, s, from);
		release_time_wait(&t->was, !from);
		if (s->flags & TCPAUDIT_ACK) /* an abort of the holder's user, RFC 9293 3.10.5 */
			release_time_wait(&t->was, from);
	} else if (s->flags & TCPAUDIT_ACK) {
		const struct tcpaudit_evidence segment = segment_evidence(s, from);
		flow_set_asked(table, t, &segment);
	}
	if (s->time > t->was.last) {
		for (unsigned x = 0; x < 2; x++)
			t->was.iss_age[x] = iss_aged(t->was.iss_age[x], s->time - t->was.last);
		t->was.last = s->time;
	}
}
