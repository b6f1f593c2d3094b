/* close_measures.c - how long closing took, what came before it, and what it followed: numbers without a verdict.
 *
 * They rest on what close.c has described already.  Times are those of capture: what the path adds is in them. */
#include "close.h"

static int64_t between(int64_t from, int64_t to)
{
	return to > from ? to - from : 0;
}

/* A FIN of which the first copy is in the history. */
static bool has_fin(const struct tcpaudit_end *e)
{
	return e->fin_sent && e->fin.frame != 0;
}

/* Where it is not known which FIN came first, one of them is a repeat: when that was first sent was not captured. */
static void measure_latency(struct tcpaudit_connection *r)
{
	const struct tcpaudit_end *a = &r->end[0], *b = &r->end[1];

	r->close_latency = -1;
	if (!has_fin(a) || !has_fin(b) || !a->fin_acked || !b->fin_acked || r->closed_first == TCPAUDIT_WHO_UNKNOWN)
		return;
	int64_t first = a->fin.time < b->fin.time ? a->fin.time : b->fin.time;
	int64_t last = a->fin_ack.time > b->fin_ack.time ? a->fin_ack.time : b->fin_ack.time;
	r->close_latency = between(first, last);
}

/* What was forged says nothing of when the connection was left alone. */
static void measure_idle(const struct case_file *file, struct tcpaudit_connection *r)
{
	const struct history *h = file->history;

	r->idle = -1;
	if (h->fin[0].forged || h->fin[1].forged)
		return;
	if (h->fin[0].sent || h->fin[1].sent || close_reset(h))
		r->idle = h->idle;
	else if (h->count || !(file->connection->entry.bits & (CONN_FIN | CONN_RST))) /* else it could not be kept */
		r->idle = between(r->last, file->now);
}

/* RFC 9293 3.6: who acknowledges a FIN without having sent one is in CLOSE-WAIT until it does. */
static void measure_close_wait(const struct event *reset, int64_t now, struct tcpaudit_connection *r)
{
	unsigned closer = r->half_close_by;
	int64_t until = now;

	r->close_wait_holder = TCPAUDIT_WHO_NONE;
	if (closer > TCPAUDIT_SERVER)
		return;
	const struct tcpaudit_end *second = &r->end[!closer];
	if (second->fin_sent && !has_fin(second))
		return;
	if (second->fin_sent)
		until = second->fin.time;
	else if (reset)
		until = reset->time;
	r->close_wait_holder = (uint8_t)!closer;
	r->close_wait_open = !second->fin_sent && !reset;
	r->close_wait_duration = between(r->end[closer].fin_ack.time, until);
}

/* Segments with these of the bits SYN and ACK that an end sent beyond the first. */
static uint8_t count_retries(const struct case_file *file, unsigned end, unsigned flags, int mark)
{
	const struct connection *c = file->connection;
	const struct history *h = file->history;
	uint8_t retries = 0;

	if (connection_lost_marks(c)) /* the first one is not told from the others */
		return 0;

	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->from != end || e->is & (EVENT_STRAY | EVENT_DUPLICATE) || e->seq != c->end[end].iss ||
		    (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST | TCPAUDIT_FIN)) != flags)
			continue;
		retries += (e->frame | (uint64_t)e->input << 48) != connection_mark_frame(c, mark);
	}
	return retries;
}

static void measure_retries(const struct case_file *file, struct tcpaudit_connection *r)
{
	uint32_t bits = file->connection->entry.bits;

	if (bits & CONN_SYN_REPEATED)
		r->syn_retries = count_retries(file, TCPAUDIT_CLIENT, TCPAUDIT_SYN, MARK_SYN);
	if (bits & CONN_SYN_ACK_REPEATED && !(bits & CONN_SIMULTANEOUS_OPEN))
		r->syn_ack_retries = count_retries(file, TCPAUDIT_SERVER, TCPAUDIT_SYN | TCPAUDIT_ACK, MARK_SYN_ACK);
}

/* The SYN that began this incarnation; NULL if it was not captured. */
static const struct event *opening(const struct history *h)
{
	for (int i = 0; i < h->count; i++) {
		const struct event *e = &h->event[i];
		if (e->from == TCPAUDIT_CLIENT && !(e->is & EVENT_STRAY) &&
		    (e->flags & (TCPAUDIT_SYN | TCPAUDIT_ACK | TCPAUDIT_RST)) == TCPAUDIT_SYN)
			return e;
	}
	return NULL;
}

/* RFC 9293 3.4.1, RFC 6191 2: what tells the segments of two incarnations apart. */
static void measure_reuse(const struct case_file *file, struct tcpaudit_connection *r)
{
	const struct former *was = file->history->former;

	if (!was)
		return;
	const struct event *syn = opening(file->history);
	r->reuse_of = was->id;
	r->reuse_interval = between(was->last, r->start);
	r->isn_delta_known = syn && former_knows(was, TCPAUDIT_CLIENT);
	if (r->isn_delta_known)
		r->isn_delta = seq_diff(syn->seq, was->next[TCPAUDIT_CLIENT]);
	r->ts_delta_known = syn && was->timestamps && syn->is & EVENT_TIMESTAMPS;
	if (r->ts_delta_known)
		r->ts_delta = seq_diff(syn->tsval, was->tsval[TCPAUDIT_CLIENT]);
}

void close_measure(const struct case_file *file, struct tcpaudit_connection *r)
{
	measure_latency(r);
	measure_idle(file, r);
	measure_close_wait(close_reset(file->history), file->now, r);
	measure_retries(file, r);
	measure_reuse(file, r);
}

void close_measure_fins(int64_t idle, struct tcpaudit_connection *r)
{
	measure_latency(r);
	r->idle = idle;
	measure_close_wait(NULL, r->last, r);
}
