/* owes.c - finds the debts of RFC 9293 3.10.7, and who paid them: one pass over the history. */
#include "owes.h"

static bool is_fin(const struct history *h, const struct event *e)
{
	return e->flags & TCPAUDIT_FIN && e->flags & TCPAUDIT_ACK && !(e->flags & (TCPAUDIT_RST | TCPAUDIT_SYN)) &&
	       !(e->is & EVENT_STRAY) && h->fin[e->from].sent && seq_add(e->seq, e->len) == h->fin[e->from].u;
}

/* A copy of the FIN after it was acknowledged: its sender has not heard of that, or the acknowledgment was under way. */
static bool is_repeat_of_acked(const struct history *h, int i)
{
	const struct event *e = &h->event[i];
	return h->fin[e->from].acked >= 0 && h->fin[e->from].acked < i;
}

/* What the event at i makes its receiver owe; false if nothing. */
static bool debt_of(const struct history *h, int i, struct obligation *o)
{
	const struct event *e = &h->event[i];

	*o = (struct obligation){.debtor = !e->from, .since = (int8_t)i, .paid = -1};
	if (e->is & (EVENT_DUPLICATE | EVENT_REORDERED))
		return false;
	if (is_fin(h, e)) {
		o->owed = is_repeat_of_acked(h, i) ? OWED_ACK_AGAIN : OWED_ACK_OF_FIN;
		o->ack = seq_add(h->fin[e->from].u, 1);
		return true;
	}
	if (e->flags & TCPAUDIT_RST && e->is & EVENT_RST_WINDOW) {
		o->owed = OWED_CHALLENGE_RST;
		return true;
	}
	if (e->flags & TCPAUDIT_SYN && !(e->flags & TCPAUDIT_ACK) && e->is & EVENT_STRAY) {
		o->owed = OWED_CHALLENGE_SYN;
		return true;
	}
	return false;
}

/* Acknowledgments are cumulative: one pays all that is due before it.  A reset ends every debt of the end that sends it. */
static bool pays(const struct obligation *o, const struct event *e)
{
	if (e->from != o->debtor || e->is & (EVENT_DUPLICATE | EVENT_REORDERED | EVENT_STRAY))
		return false;
	if (e->flags & TCPAUDIT_RST)
		return true;
	if (!(e->flags & TCPAUDIT_ACK))
		return false;
	return o->owed == OWED_CHALLENGE_RST || o->owed == OWED_CHALLENGE_SYN || seq_ge(e->ack, o->ack);
}

size_t obligations_find(const struct history *h, struct obligation found[OBLIGATIONS_MOST])
{
	size_t n = 0;

	for (int i = 0; i < h->count; i++) {
		for (size_t k = 0; k < n; k++) {
			if (found[k].paid >= 0 || !pays(&found[k], &h->event[i]))
				continue;
			found[k].paid = (int8_t)i;
			if (found[k].owed == OWED_ACK_OF_FIN && !(h->event[i].flags & TCPAUDIT_RST))
				found[k].received = true; /* the number proves it (R1) */
		}
		if (debt_of(h, i, &found[n]))
			n++;
	}
	return n;
}
