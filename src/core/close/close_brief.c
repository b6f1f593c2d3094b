/* close_brief.c - the record of an orderly close, by a short way: most connections end with one, each of whose segments is told in
 * its brief.
 *
 * One end closes, the other one acknowledges that, and closes too; both FINs come once, and whatever follows one acknowledges it.
 * So there is nothing to weigh: who closed first is left in TIME-WAIT, and all is certain. */
#include "close.h"
#include "mirror/brief.h"

/* What the brief says of either FIN. */
struct fins {
	const struct brief_event *sent[2];
	const struct brief_event *acked[2]; /* by the peer, first */
	unsigned first;                     /* end that closed first */
	bool apart;                         /* ... and its FIN was acknowledged before the other one came */
	uint64_t text;                      /* octets that the other one sent, knowing of that */
};

/* False: not all is as above. */
static bool find_fins(const struct brief *b, struct fins *f)
{
	*f = (struct fins){.first = b->event[0].from};
	for (unsigned i = 0; i < b->count; i++) {
		const struct brief_event *e = &b->event[i];
		unsigned x = e->from;
		bool acks = f->sent[!x] && e->flags & TCPAUDIT_ACK && seq_gt(e->ack, b->u[!x]);

		if (f->sent[!x] && !acks)
			return false;
		if (acks && !f->acked[!x])
			f->acked[!x] = e;
		if (acks && !f->sent[x])
			f->text += e->len;
		if (e->flags & TCPAUDIT_FIN)
			f->sent[x] = e;
		else
			f->apart |= acks && !f->sent[x];
	}
	return f->acked[0] && f->acked[1];
}

static int64_t time_of(const struct connection *c, const struct brief_event *e)
{
	return c->start + (int64_t)e->time;
}

/* Of rows that ask for how long, or for numbers: is one of them to be asked? */
static bool is_remarkable(const struct brief *b, const struct fins *f, const struct tcpaudit_settings *settings)
{
	for (unsigned x = 0; x < 2; x++)
		if (seq_ge(b->u[x], b->redge[x]) ||
		    (int64_t)(f->acked[x]->time - f->sent[x]->time) > settings->threshold[TCPAUDIT_THRESHOLD_FIN_ACK_DELAY])
			return true;
	return false;
}

static struct tcpaudit_evidence evidence_of(const struct connection *c, const struct brief_event *e)
{
	return (struct tcpaudit_evidence){.time = time_of(c, e),
	                                  .frame = e->frame,
	                                  .seq = e->seq,
	                                  .ack = e->ack,
	                                  .len = e->len,
	                                  .flags = e->flags,
	                                  .input = c->entry.input,
	                                  .from = e->from};
}

static void describe_fin(const struct connection *c, const struct fins *f, unsigned x, struct tcpaudit_end *end)
{
	const struct brief *b = c->kept.brief;

	end->fin_sent = true;
	end->fin_seq = b->u[x];
	end->fin_copies = 1;
	end->in_flight_at_fin = seq_gt(b->u[x], b->hiack[x]) ? (uint32_t)seq_diff(b->u[x], b->hiack[x]) : 0;
	end->zero_window_at_fin = b->zero >> x & 1;
	end->fin = evidence_of(c, f->sent[x]);
	end->fin_acked = true;
	end->fin_ack = evidence_of(c, f->acked[x]);
}

/* Has anything happened that a brief does not tell? */
static bool is_bare(const struct connection *c)
{
	const uint32_t is = CONN_BRIEF | CONN_CLOSED | CONN_SETTLED | CONN_SYN | CONN_SYN_ACK | CONN_ESTABLISHED,
	               is_not = CONN_RARE | CONN_MIDSTREAM | CONN_EVICTED | CONN_UNPLACED | CONN_SYN_REPEATED | CONN_SYN_ACK_REPEATED;

	return (c->entry.bits & (is | is_not)) == is && !c->entry.capture &&
	       !((c->end[0].bits | c->end[1].bits) & (TCB_GAP | TCB_HOLE));
}

bool close_describe_brief(const struct connection *c, const struct tcpaudit_settings *settings, struct tcpaudit_connection *r)
{
	struct fins f;

	if (!is_bare(c) || !find_fins(c->kept.brief, &f) || brief_may_have_queued(c->kept.brief) ||
	    is_remarkable(c->kept.brief, &f, settings))
		return false;
	int64_t acked = time_of(c, f.acked[f.first]), closed = time_of(c, f.sent[!f.first]);
	close_describe_senders(c, settings, r);
	for (unsigned x = 0; x < 2; x++)
		describe_fin(c, &f, x, &r->end[x]);
	if (settings->states) {
		r->end[f.first].states = SET(TIME_WAIT);
		r->end[!f.first].states = SET(LAST_ACK) | SET(CLOSED);
	}
	r->kind = f.text ? TCPAUDIT_KIND_HALF_CLOSE : f.apart ? TCPAUDIT_KIND_FOUR_WAY : TCPAUDIT_KIND_THREE_WAY;
	r->closed_first = r->half_close_by = r->time_wait_holder = (uint8_t)f.first;
	r->aborted_by = TCPAUDIT_WHO_NONE;
	r->confidence = TCPAUDIT_CERTAIN;
	r->half_close_duration = closed > acked ? closed - acked : 0;
	r->half_close_bytes = f.text;
	r->time_wait_since = time_of(c, f.acked[!f.first]);
	r->time_wait_until = r->time_wait_since + 2 * settings->msl;
	close_measure_fins(c->kept.brief->idle, r);
	return true;
}
