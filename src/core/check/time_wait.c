/* time_wait.c - tw-: TIME-WAIT (RFC 9293 3.6.1, 3.10.7.4). */
#include "check.h"
#include "events.h"
#include "silence.h"

#define MILLISECOND 1000000ll
#define SECOND      1000000000ll

void check_tw_holder(struct judging *j)
{
	if (j->record->time_wait_holder == TCPAUDIT_WHO_NONE)
		return;
	bool queued = history_may_have_queued(j->h, 0) || history_may_have_queued(j->h, 1); /* then both may hold it */
	struct claim c = {.endpoint = j->record->time_wait_holder,
	                  .proven = true,
	                  .at_most = queued ? TCPAUDIT_LIKELY : 0,
	                  .evidence = {j->h->fin[0].first, j->h->fin[1].first, -1},
	                  .observed = {{"restarts", j->record->time_wait_restarts}}};
	claim(j, &c);
}

/* With the RFC's MSL of 2 minutes only: at 30 s, as is the default, 2MSL is no longer than that. */
const char *check_time_wait_timer(int64_t age)
{
	return age >= 60 * SECOND ? "Linux and FreeBSD hold TIME-WAIT for 60 s" : NULL;
}

/* The holder answers a segment of the old incarnation with a reset: its number is that segment's acknowledgment (R4).  That
 * no reset of the peer had ended TIME-WAIT before is a claim of absence: one frame that the capture missed would refute it. */
void check_tw_early_gone(struct judging *j)
{
	if (j->h->first_reset_any < 0)
		return;
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *own = &j->h->fin[x], *peer = &j->h->fin[!x];
		if (!own->sent || !peer->sent || own->acked < 0 || peer->acked < 0 ||
		    has_reset(j->h, x, TCPAUDIT_RST | TCPAUDIT_ACK))
			continue;
		const struct hypothesis *route = &j->file->route[x];
		int entered = -1;
		for (int i = 0; i < route->count; i++)
			if (route->step[i].to == TCPAUDIT_TIME_WAIT && route->step[i].proof >= 0)
				entered = route->step[i].proof;
		if (entered < 0)
			continue;
		int64_t since = j->h->event[entered].time;
		for (int i = entered + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from != x && e->flags & TCPAUDIT_RST)
				break; /* the peer's reset may have ended TIME-WAIT: RFC 9293 3.10.7.4 second, RFC 1337 */
			if (is_next_syn(e))
				break;
			if (e->from != x || !(e->flags & TCPAUDIT_RST) || e->flags & TCPAUDIT_ACK || e->seq != seq_add(own->u, 1))
				continue;
			int asked = -1; /* the segment that it answers: captured after TIME-WAIT was entered, with that
			                   acknowledgment */
			for (int k = entered + 1; k < i; k++)
				if (j->h->event[k].from != x && j->h->event[k].ack == e->seq &&
				    !(j->h->event[k].flags & TCPAUDIT_RST))
					asked = k;
			if (asked < 0 || e->time - since >= time_wait_seen(j->file->settings))
				continue;
			struct claim c = {.endpoint = (uint8_t)x,
			                  .proven = true,
			                  .evidence = {entered, asked, i, -1},
			                  .expected = {{"age_us", 2 * j->file->settings->msl / 1000}},
			                  .observed = {{"age_us", (e->time - since) / 1000}}};
			if (e->time - since > 20000000000ll)
				c.at_most = TCPAUDIT_LIKELY;
			c.deliberate = check_time_wait_timer(e->time - since);
			claim(j, &c);
			break;
		}
	}
}

static bool holds(uint8_t holder, unsigned x)
{
	return holder == x || holder == TCPAUDIT_WHO_BOTH;
}

void check_tw_refin_silent(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++)
		if (holds(j->record->time_wait_holder, !x))
			claim_silence(j, x);
}

/* ---- a new SYN while an end is in TIME-WAIT ---- */

/* The SYN that began this incarnation while `x` was in TIME-WAIT of the one before, and how long it had been; -1. */
static int syn_in_time_wait(const struct judging *j, unsigned x, int64_t *age)
{
	const struct former *was = j->h->former;

	if (!was->closed || was->reset || !holds(was->holder, x))
		return -1;
	for (int i = 0; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from != TCPAUDIT_CLIENT || e->is & EVENT_STRAY ||
		    (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK)) != TCPAUDIT_SYN)
			continue;
		*age = e->time - was->time_wait_since;
		return *age >= 0 && *age < time_wait_seen(j->file->settings) ? i : -1;
	}
	return -1;
}

static int answer_to(const struct judging *j, int syn)
{
	for (int i = syn + 1; i < j->h->count; i++)
		if (j->h->event[i].from == TCPAUDIT_SERVER && j->h->event[i].flags & TCPAUDIT_SYN &&
		    !(j->h->event[i].is & EVENT_STRAY))
			return i;
	return -1;
}

/* Between the SYN and its answer, a reset of the other end that TIME-WAIT obeys: it was LISTEN that took the SYN (RFC 9293 3.10.7.4
 * second, figure 9).  Behind the exact number it is only challenged, except by stacks older than RFC 5961. */
static bool reset_meanwhile(const struct judging *j, int syn, int answer)
{
	for (int i = syn + 1; i < answer; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from == TCPAUDIT_CLIENT && e->flags & TCPAUDIT_RST && seq_ge(e->seq, j->h->former->next[TCPAUDIT_CLIENT]))
			return true;
	}
	return false;
}

/* The SYN that TIME-WAIT of the server took, and the answer; false if it took none, or may have been left for LISTEN before. */
static bool taken_in_time_wait(const struct judging *j, int *syn, int *answer, int64_t *age)
{
	*syn = syn_in_time_wait(j, TCPAUDIT_SERVER, age);
	*answer = *syn < 0 ? -1 : answer_to(j, *syn);
	return *answer >= 0 && !reset_meanwhile(j, *syn, *answer);
}

/* Does the client's clock go on?  RFC 7323 5.4: it ticks once in a millisecond, at most. */
static bool clock_goes_on(const struct former *was, const struct event *syn)
{
	int64_t ticks = seq_diff(syn->tsval, was->tsval[TCPAUDIT_CLIENT]);

	return was->timestamps && syn->is & EVENT_TIMESTAMPS && ticks > 0 && ticks <= (syn->time - was->last + SECOND) / MILLISECOND;
}

/* Do both sides of it have timestamps, and of two clocks?  A restart apart, these are two hosts. */
static bool is_of_another_clock(const struct former *was, const struct event *syn)
{
	return was->timestamps && syn->is & EVENT_TIMESTAMPS && !clock_goes_on(was, syn) && syn->tsval != was->tsval[TCPAUDIT_CLIENT];
}

/* MUST-13.  Without timestamps that go on it may be another host, behind a NAT; but not at its end, nor where the initial number
 * follows from the old connection's, as in Linux, which goes by the timestamps of an older connection still, and counts from
 * FIN-WAIT-2. */
void check_tw_active_reopen(struct judging *j)
{
	const struct former *was = j->h->former;
	int64_t age;
	int syn = syn_in_time_wait(j, TCPAUDIT_CLIENT, &age);

	if (syn < 0)
		return;
	const struct event *e = &j->h->event[syn];
	bool recycled = iss_recycles(e->seq, was->next[TCPAUDIT_CLIENT]);
	bool same_host = recycled || clock_goes_on(was, e) || (j->at[TCPAUDIT_CLIENT] && !was->timestamps);
	struct claim c = {.endpoint = TCPAUDIT_CLIENT,
	                  .alike = (uint8_t)(was->doubtful + !same_host),
	                  .at_most = !same_host && !j->at[TCPAUDIT_CLIENT] && is_of_another_clock(was, e) ? TCPAUDIT_POSSIBLE : 0,
	                  .evidence = {syn, -1},
	                  .expected = {{"age_us", 2 * j->file->settings->msl / 1000}},
	                  .observed = {{"age_us", age / 1000}}};
	if (recycled)
		c.deliberate = "Linux: tcp_tw_reuse, or connect() from a port that was bound"; /* which asks for timestamps alone */
	claim(j, &c);
}

/* RFC 6191 2, MAY-2: a newer timestamp, or a higher number. */
static bool may_be_taken(const struct former *was, const struct event *syn)
{
	bool ts = syn->is & EVENT_TIMESTAMPS;
	tcp_seq last = seq_add(was->next[TCPAUDIT_CLIENT], (uint32_t)-1); /* the old FIN's number */

	if (ts && was->timestamps && seq_gt(syn->tsval, was->tsval[TCPAUDIT_CLIENT]))
		return true;
	if (ts && !was->timestamps)
		return true;
	if (ts && was->timestamps && syn->tsval != was->tsval[TCPAUDIT_CLIENT])
		return false;
	return seq_gt(syn->seq, last);
}

void check_tw_accept_ok(struct judging *j)
{
	int64_t age;
	int syn, answer;

	if (!taken_in_time_wait(j, &syn, &answer, &age) || !may_be_taken(j->h->former, &j->h->event[syn]))
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
	                         .alike = j->h->former->doubtful,
	                         .evidence = {syn, answer, -1},
	                         .observed = {{"age_us", age / 1000}}});
}

/* Linux goes by either: a higher number is taken whatever the timestamp says. */
void check_tw_accept_unsafe(struct judging *j)
{
	const struct former *was = j->h->former;
	int64_t age;
	int syn, answer;

	if (!taken_in_time_wait(j, &syn, &answer, &age) || may_be_taken(was, &j->h->event[syn]) || seq_ge(j->h->event[syn].seq, was->next[TCPAUDIT_CLIENT]))
		return;
	struct claim c = {.endpoint = TCPAUDIT_SERVER,
	                  .alike = was->doubtful,
	                  .evidence = {syn, answer, -1},
	                  .expected = {{"seq_low", was->next[TCPAUDIT_CLIENT]}},
	                  .observed = {{"seq", j->h->event[syn].seq}, {"age_us", age / 1000}}};
	if (age >= 10 * SECOND)
		c.at_most = TCPAUDIT_LIKELY;
	claim(j, &c);
}

void check_tw_accept_isn_low(struct judging *j)
{
	const struct former *was = j->h->former;
	int64_t age;
	int syn, answer;

	if (!taken_in_time_wait(j, &syn, &answer, &age) || j->h->event[answer].is & EVENT_TIMESTAMPS || j->h->event[syn].is & EVENT_TIMESTAMPS ||
	    seq_gt(j->c->end[TCPAUDIT_SERVER].iss, was->next[TCPAUDIT_SERVER]))
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
	                         .alike = was->doubtful,
	                         .evidence = {syn, answer, -1},
	                         .expected = {{"seq_low", was->next[TCPAUDIT_SERVER]}},
	                         .observed = {{"seq", j->c->end[TCPAUDIT_SERVER].iss}}});
}

/* RFC 6191 drops it without a word; RFC 9293 3.10.7.4 first acknowledges, and the client resets that (figure 9). */
void check_tw_syn_rejected(struct judging *j)
{
	int64_t age;
	int syn = syn_in_time_wait(j, TCPAUDIT_SERVER, &age), reply = -1;

	if (syn < 0)
		return;
	for (int i = syn + 1; i < j->h->count; i++) {
		const struct event *e = &j->h->event[i];
		if (e->from != TCPAUDIT_SERVER)
			continue;
		if (e->flags & TCPAUDIT_SYN)
			break;
		if (reply < 0)
			reply = i;
	}
	if (reply < 0 && j->file->now - j->h->event[syn].time < SECOND)
		return;
	if (reply < 0 && answer_to(j, syn) >= 0)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_SERVER,
	                         .proven = reply >= 0,
	                         .evidence = {syn, reply, -1},
	                         .observed = {{"age_us", age / 1000}}});
}

/* RFC 1337 1: an old segment, the ACK that TIME-WAIT answers with, and the reset that this ACK draws from the other end. */
void check_tw_assassination(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *own = &j->h->fin[x], *peer = &j->h->fin[!x];
		int old = -1, ack = -1;
		if (!holds(j->record->time_wait_holder, x) || own->acked < 0 || peer->acked < 0)
			continue;
		for (int i = (own->acked > peer->acked ? own->acked : peer->acked) + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			bool reset = e->flags & TCPAUDIT_RST;
			if (e->from != x && !reset && old < 0)
				old = i;
			else if (e->from == x && old >= 0 && e->flags & TCPAUDIT_ACK && !reset && e->ack == seq_add(peer->u, 1))
				ack = i;
			else if (e->from != x && ack >= 0 && reset && !(e->flags & TCPAUDIT_ACK) &&
			         e->seq == seq_add(peer->u, 1)) {
				claim(j, &(struct claim){.endpoint = (uint8_t)x, .evidence = {old, ack, i, -1}});
				return;
			}
		}
	}
}

/* Both FINs are there, and who should hold TIME-WAIT resets instead of acknowledging. */
void check_tw_avoid_rst(struct judging *j)
{
	int at = j->h->first_reset;

	if (at < 0)
		return;
	const struct event *reset = &j->h->event[at];
	const struct fin_facts *own = &j->h->fin[reset->from], *peer = &j->h->fin[!reset->from];
	if (own->first < 0 || peer->first < 0 || j->record->closed_first != reset->from || at < peer->first ||
	    !(reset->flags & TCPAUDIT_ACK) || reset->seq != seq_add(own->u, 1) ||
	    !seq_gt(reset->ack, peer->u) || /* text is missing, or the FIN was on its way: another reason to abort */
	    reset->time - j->h->event[peer->first].time > SECOND)
		return;
	if (peer->acked >= 0 && peer->acked < at)
		return; /* acknowledged already: rst-after-close */
	claim(j, &(struct claim){.endpoint = reset->from,
	                         .alike = event_may_be_echo(j->h->event, at), /* it had reset before, unseen */
	                         .evidence = {own->first, peer->first, at, -1}});
}

void check_tw_after_rst(struct judging *j)
{
	const struct former *was = j->h->former;

	if (!was->reset || was->reset_by != TCPAUDIT_CLIENT || !was->established || !connection_marked(j->c, MARK_SYN) ||
	    j->c->start - was->last >= 2 * j->file->settings->msl)
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .evidence = {0, -1},
	                         .observed = {{"interval_us", (j->c->start - was->last) / 1000}}});
}

/* Many hosts behind one NAT look like this, too. */
void check_tw_port_pressure(struct judging *j)
{
	const struct pressure_view *p = connection_rarity(j->c) ? &connection_rarity(j->c)->pressure : NULL;

	if (!p || (!p->held && !p->reused))
		return;
	claim(j, &(struct claim){.endpoint = TCPAUDIT_CLIENT,
	                         .over_in_time = true,
	                         .at_most = TCPAUDIT_LIKELY,
	                         .count = p->held ? p->held : p->reused,
	                         .evidence = {j->h->fin[TCPAUDIT_CLIENT].first, -1}});
}
