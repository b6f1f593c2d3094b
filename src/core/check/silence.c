/* silence.c - repeated FINs that nobody acknowledged again (RFC 9293 3.10.7.4 first). */
#include "silence.h"
#include "mirror/owes.h"

#define SECOND 1000000000ll

/* Challenge and repeated ACKs may be limited to two a second (RFC 5961 7): only a debt with a quiet second behind it counts. */
void claim_silence(struct judging *j, unsigned x)
{
	struct obligation debts[OBLIGATIONS_MOST];
	const struct fin_facts *f = &j->h->fin[x];
	uint8_t silent = 0;
	int newest = -1;

	if (f->copies < 3)
		return;
	size_t count = obligations_find(j->h, debts);
	for (size_t k = 0; k < count; k++) {
		const struct obligation *o = &debts[k];
		if (o->debtor == x || o->owed != OWED_ACK_AGAIN)
			continue;
		int next = o->since + 1;
		int64_t until = next < j->h->count ? j->h->event[next].time : j->file->now;
		if (o->paid >= 0 || until - j->h->event[o->since].time <= SECOND)
			continue;
		silent++;
		newest = o->since;
	}
	if (silent < 2)
		return;
	struct claim c = {.endpoint = (uint8_t)!x,
	                  .proven = true,
	                  .unanswered = silent,
	                  .count = silent,
	                  .evidence = {f->first, f->acked, newest, -1},
	                  .expected = {{"ack", seq_add(f->u, 1)}}};
	claim(j, &c);
}
