/* half.c - half-: half-close (RFC 9293 3.6.1). */
#include "check.h"

void check_half_close_used(struct judging *j)
{
	for (unsigned x = 0; x < 2; x++) {
		const struct fin_facts *f = &j->h->fin[x];
		if (!f->sent || !f->peer_text)
			continue;
		struct claim c = {
		        .endpoint = (uint8_t)x,
		        .proven = true,
		        .evidence = {f->first, f->acked, -1},
		        .observed = {{"bytes", (int64_t)f->peer_text}, {"duration_us", (f->peer_last - f->acked_time) / 1000}}};
		claim(j, &c);
	}
}
