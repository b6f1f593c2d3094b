/* close.c - close-: the orderly close as a whole (RFC 9293 3.6). */
#include "check.h"

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
