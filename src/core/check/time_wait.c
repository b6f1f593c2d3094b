/* time_wait.c - tw-: TIME-WAIT (RFC 9293 3.6.1, 3.10.7.4). */
#include "check.h"

void check_tw_holder(struct judging *j)
{
	if (j->record->time_wait_holder == TCPAUDIT_WHO_NONE)
		return;
	struct claim c = {.endpoint = j->record->time_wait_holder,
	                  .proven = true,
	                  .evidence = {j->h->fin[0].first, j->h->fin[1].first, -1},
	                  .observed = {{"restarts", j->record->time_wait_restarts}}};
	claim(j, &c);
}

/* The holder answers a segment of the old incarnation with a reset: its number is that segment's acknowledgment (R4).  That
 * no reset of the peer had ended TIME-WAIT before is a claim of absence: one frame that the capture missed would refute it. */
void check_tw_early_gone(struct judging *j)
{
	if (j->h->first_reset_any < 0)
		return;
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *own = &j->h->fin[x], *peer = &j->h->fin[!x];
		if (!own->sent || !peer->sent || own->acked < 0 || peer->acked < 0)
			continue;
		const struct hypothesis *route = &j->file->route[x];
		int entered = -1;
		for (int i = 0; i < route->count; i++)
			if (route->step[i].to == TCPAUDIT_TIME_WAIT && route->step[i].proof >= 0)
				entered = route->step[i].proof;
		if (entered < 0)
			continue;
		int64_t since = j->h->event[entered].time, longest = 2 * j->file->settings->msl;
		for (int i = entered + 1; i < j->h->count; i++) {
			const struct event *e = &j->h->event[i];
			if (e->from != x && e->flags & TCPAUDIT_RST)
				break; /* the peer's reset may have ended TIME-WAIT: RFC 9293 3.10.7.4 second, RFC 1337 */
			if (e->from != x || !(e->flags & TCPAUDIT_RST) || e->flags & TCPAUDIT_ACK || e->seq != seq_add(own->u, 1))
				continue;
			int asked = -1; /* the segment that it answers: captured after TIME-WAIT was entered, with that
			                   acknowledgment */
			for (int k = entered + 1; k < i; k++)
				if (j->h->event[k].from != x && j->h->event[k].ack == e->seq &&
				    !(j->h->event[k].flags & TCPAUDIT_RST))
					asked = k;
			if (asked < 0 || e->time - since >= longest)
				continue;
			struct claim c = {.endpoint = (uint8_t)x,
			                  .proven = true,
			                  .evidence = {entered, asked, i, -1},
			                  .expected = {{"age_us", longest / 1000}},
			                  .observed = {{"age_us", (e->time - since) / 1000}}};
			if (e->time - since > 20000000000ll)
				c.at_most = TCPAUDIT_LIKELY;
			claim(j, &c);
			break;
		}
	}
}
