/* close.c - how a connection ended, who closed it first, and what that cost.
 *
 * The kinds are an ordered list of predicates: the first that holds wins, so each may rely on those above it.  They go by
 * numbers; capture order decides only where the numbers do not. */
#include "close.h"
#include "forgery.h"

#define SECOND 1000000000ll

/* Facts, found once, with the names of the predicates. */
struct facts {
	const struct case_file *file;
	const struct connection *c;
	const struct history *h;
	const struct event *reset; /* first effective one */
	bool syn_only;             /* HS = syn */
	bool syn_acked;            /* HS = synack or crossed */
	bool done;                 /* HS = done */
	bool unseen;               /* ... as a reset alone shows */
	bool one_way;
	bool self;         /* one block is both ends: what it sends is what it receives */
	bool fin[2];
	bool acked[2];     /* K */
	unsigned first;    /* end whose FIN comes first, if any */
	bool crossed_fins; /* neither FIN acknowledges the other */
	bool order_unseen; /* the second one's first copy was not captured, and may not have acknowledged the other */
	bool repeated;     /* each acknowledges the other: one is a repeat, and its first copy was not captured */
	int64_t silence;   /* capture time behind the last frame */
};

const struct event *close_reset(const struct history *h)
{
	return h->first_reset >= 0 ? &h->event[h->first_reset] : NULL;
}

/* Whether X's first FIN acknowledges the peer's. */
static bool acknowledges_fin(const struct history *h, unsigned x)
{
	return h->fin[x].first >= 0 && event_acks_fin(h->event, h->fin[x].first, &h->fin[!x]);
}

/* A segment of X that is numbered behind its FIN, and was captured before it: an earlier copy of the FIN was not.  Of several, one
 * that does not acknowledge the peer's; -1: there is none. */
static int behind_unseen_fin(const struct history *h, unsigned x)
{
	const struct fin_facts *own = &h->fin[x];
	int found = -1;

	for (int i = 0; own->sent && i < own->first; i++) {
		const struct event *e = &h->event[i];
		if (e->from != x || (e->flags & (TCPAUDIT_ACK | TCPAUDIT_SYN | TCPAUDIT_RST)) != TCPAUDIT_ACK ||
		    e->is & (EVENT_STRAY | EVENT_PREDATES | EVENT_FOREIGN | EVENT_SUSPECT) || !fin_is_below(own, e->seq, i))
			continue;
		if (found < 0 || !event_acks_fin(h->event, i, &h->fin[!x]))
			found = i;
	}
	return found;
}

/* Did X have the peer's FIN when it sent its own?  The first copy says so, that was captured or that another segment shows. */
static bool closed_second(const struct history *h, unsigned x)
{
	int behind = behind_unseen_fin(h, x);

	return acknowledges_fin(h, x) && (behind < 0 || event_acks_fin(h->event, behind, &h->fin[!x]));
}

static unsigned first_closer(const struct history *h)
{
	if (!h->fin[0].sent || !h->fin[1].sent)
		return h->fin[0].sent ? 0 : 1;
	if (closed_second(h, 0) != closed_second(h, 1))
		return closed_second(h, 0) ? 1 : 0;
	return h->fin[0].first <= h->fin[1].first ? 0 : 1;
}

/* How long no answer must last to be one: three times the last gap between repeats, 30 s at least. */
static int64_t patience(const struct history *h, unsigned flags)
{
	int64_t last = 0, gap = 0;
	for (int i = 0; i < h->count; i++) {
		if ((h->event[i].flags & (TCPAUDIT_SYN | TCPAUDIT_ACK)) != flags)
			continue;
		if (last)
			gap = h->event[i].time - last;
		last = h->event[i].time;
	}
	if (gap > 86400 * SECOND)
		gap = 86400 * SECOND;
	return gap * 3 > CLOSE_PATIENCE ? gap * 3 : CLOSE_PATIENCE;
}

/* Of a socket that is connected to itself: its FIN is both FINs, which cross, and its acknowledgment of that is both acknowledgments
 * (RFC 9293 figures 7 and 13). */
static void fold(struct facts *f)
{
	const unsigned x = connection_heard(f->c, TCPAUDIT_CLIENT) ? TCPAUDIT_CLIENT : TCPAUDIT_SERVER;
	const struct fin_facts *fin = &f->h->fin[x];

	f->done |= f->c->entry.bits & CONN_SYN && f->c->entry.bits & CONN_SYN_ACK && f->c->entry.bits & (CONN_ACK | CONN_DATA | CONN_FIN);
	f->syn_acked &= !f->done;
	f->one_way = false;
	f->first = x;
	if (!fin->sent)
		return;
	f->fin[0] = f->fin[1] = f->crossed_fins = true;
	for (int i = 0; i < f->h->count; i++) {
		const struct event *e = &f->h->event[i];
		if (!(e->flags & TCPAUDIT_RST) && !(e->is & EVENT_STRAY) && event_acks_fin(f->h->event, i, fin))
			f->acked[0] = f->acked[1] = true;
	}
}

/* The handshake was completed, and text sent, where the capture has nothing of either: only the reset knows of it. */
static const struct event *reset_behind_unseen(const struct facts *f)
{
	for (int i = f->h->first_reset_any; i >= 0 && i < f->h->count; i++) {
		const struct event *e = &f->h->event[i];
		if ((e->flags & (TCPAUDIT_RST | TCPAUDIT_ACK)) == (TCPAUDIT_RST | TCPAUDIT_ACK) && !(e->is & EVENT_REFUSAL) &&
		    reset_knows_more(f->c->end, e->seq, e->ack, e->from))
			return e;
	}
	return NULL;
}

static struct facts find_facts(const struct case_file *file)
{
	const struct connection *c = file->connection;
	const struct history *h = file->history;
	struct facts f = {.file = file, .c = c, .h = h, .reset = close_reset(h)};
	bool sent[2] = {connection_heard(c, 0), connection_heard(c, 1)};

	f.done = c->entry.bits & CONN_ESTABLISHED || c->entry.bits & CONN_MIDSTREAM;
	f.syn_only = !f.done && c->entry.bits & CONN_SYN &&
	             !(c->entry.bits & (CONN_SYN_ACK | CONN_SIMULTANEOUS_OPEN | CONN_ACK | CONN_FIN));
	f.syn_acked = !f.done && !f.syn_only && c->entry.bits & (CONN_SYN_ACK | CONN_SIMULTANEOUS_OPEN);
	const struct event *unseen = f.syn_acked ? reset_behind_unseen(&f) : NULL;
	if (unseen) {
		f.done = f.unseen = true;
		f.syn_acked = false;
		f.reset = f.reset ? f.reset : unseen;
	}
	f.one_way = !(sent[0] && sent[1]) && !f.syn_only;
	for (int x = 0; x < 2; x++) {
		f.fin[x] = h->fin[x].sent;
		f.acked[x] = h->fin[x].acked >= 0;
	}
	f.first = first_closer(h);
	f.crossed_fins = f.fin[0] && f.fin[1] && !closed_second(h, 0) && !closed_second(h, 1);
	f.order_unseen = f.fin[0] && f.fin[1] && !f.crossed_fins && behind_unseen_fin(h, !f.first) >= 0;
	f.repeated = closed_second(h, 0) && closed_second(h, 1);
	f.silence = file->now - connection_last(c);
	f.self = entry_is_self(&c->entry);
	if (f.self)
		fold(&f);
	return f;
}

/* ---- the predicates, in order ---- */

static bool is_evicted(const struct facts *f)
{
	return f->c->entry.bits & CONN_EVICTED && !(f->acked[0] && f->acked[1]) && !f->reset;
}

static bool is_oneway_fin(const struct facts *f)
{
	return f->one_way && (f->fin[0] || f->fin[1]);
}

static bool is_oneway_rst(const struct facts *f)
{
	return f->one_way && f->h->first_reset_any >= 0;
}

static bool is_oneway_open(const struct facts *f)
{
	return f->one_way;
}

static bool is_refused(const struct facts *f)
{
	const struct event *reset = f->self && f->h->first_reset_any >= 0 ? &f->h->event[f->h->first_reset_any] : f->reset;

	return f->syn_only && reset && (f->self ? reset->flags & TCPAUDIT_ACK : reset->from == TCPAUDIT_SERVER);
}

static bool is_refused_icmp(const struct facts *f)
{
	return f->syn_only && f->c->entry.bits & CONN_ICMP;
}

static bool is_syn_aborted(const struct facts *f)
{
	return f->syn_only && f->h->resets[TCPAUDIT_CLIENT];
}

static bool is_syn_timeout(const struct facts *f)
{
	return f->syn_only && f->silence > patience(f->h, TCPAUDIT_SYN);
}

static bool is_syn_pending(const struct facts *f)
{
	return f->syn_only;
}

static bool is_hs_rst_initiator(const struct facts *f)
{
	return f->syn_acked && f->h->resets[TCPAUDIT_CLIENT] && !f->fin[0] && !f->fin[1];
}

static bool is_hs_rst_responder(const struct facts *f)
{
	return f->syn_acked && f->h->resets[TCPAUDIT_SERVER] && !f->fin[0] && !f->fin[1];
}

static bool is_hs_timeout(const struct facts *f)
{
	return f->syn_acked && !f->fin[0] && !f->fin[1] && f->c->entry.bits & CONN_SYN_ACK_REPEATED && f->silence > patience(f->h, TCPAUDIT_SYN | TCPAUDIT_ACK);
}

static bool is_hs_pending(const struct facts *f)
{
	return f->syn_acked && !f->fin[0] && !f->fin[1];
}

static bool both_acked(const struct facts *f)
{
	return f->fin[0] && f->fin[1] && f->acked[0] && f->acked[1];
}

static bool was_reset_after_close(const struct facts *f)
{
	if (!both_acked(f) || (f->h->first_reset_any < 0 && !f->h->odd))
		return false;
	for (int i = f->h->count - 1; i > f->h->fin[0].acked && i > f->h->fin[1].acked; i--)
		if (f->h->event[i].flags & TCPAUDIT_RST)
			return true;
	return false;
}

static bool is_simultaneous(const struct facts *f)
{
	return both_acked(f) && f->crossed_fins;
}

static bool is_half_close(const struct facts *f)
{
	return both_acked(f) && f->h->fin[f->first].peer_text > 0;
}

/* A segment of the second closer that acknowledges the first FIN and ends at or before its own: by number, since the FIN may
 * have overtaken it on the way to us. */
static bool acked_apart(const struct facts *f)
{
	const struct fin_facts *first = &f->h->fin[f->first], *second = &f->h->fin[!f->first];

	for (int i = 0; i < f->h->count; i++) {
		const struct event *e = &f->h->event[i];
		if (e->from != f->first && !(e->flags & (TCPAUDIT_FIN | TCPAUDIT_RST | TCPAUDIT_SYN)) &&
		    !(e->is & (EVENT_STRAY | EVENT_REPEAT)) && event_acks_fin(f->h->event, i, first) &&
		    seq_le(seq_add(e->seq, e->len), second->u))
			return true;
	}
	return false;
}

static bool is_four_way(const struct facts *f)
{
	return both_acked(f) && acked_apart(f);
}

static bool is_three_way(const struct facts *f)
{
	return both_acked(f); /* the first acknowledgment of the first FIN travels on the second */
}

static bool is_fin_fin_rst(const struct facts *f)
{
	return f->fin[0] && f->fin[1] && f->reset;
}

static bool is_last_ack_missing(const struct facts *f)
{
	return f->fin[0] && f->fin[1] && (f->acked[0] || f->acked[1]);
}

static bool is_fin_fin_unacked(const struct facts *f)
{
	return f->fin[0] && f->fin[1];
}

static bool is_mptcp_fastclose(const struct facts *f)
{
	return f->c->entry.bits & CONN_MP_FASTCLOSE;
}

static bool is_fin_rst_closer(const struct facts *f)
{
	return (f->fin[0] || f->fin[1]) && f->reset && f->reset->from == f->first;
}

static bool is_fin_rst_peer(const struct facts *f)
{
	return (f->fin[0] || f->fin[1]) && f->reset;
}

static bool is_suspected(const struct facts *f, int reset)
{
	return reset >= 0 && reset_forgery_signals(f->c, f->h, reset) >= FORGERY_SIGNALS;
}

static bool reset_by_third_party(const struct facts *f)
{
	return f->reset && (resets_both_ways(f->h) || is_suspected(f, f->h->first_reset));
}

static bool is_fin_rst_third(const struct facts *f)
{
	return (f->fin[0] || f->fin[1]) && reset_by_third_party(f);
}

static bool is_abort_third_party(const struct facts *f)
{
	return !f->fin[0] && !f->fin[1] && f->done && reset_by_third_party(f);
}

static bool is_half_closed(const struct facts *f)
{
	return (f->fin[0] || f->fin[1]) && f->acked[f->first];
}

static bool is_fin_unacked(const struct facts *f)
{
	return f->fin[0] || f->fin[1];
}

static bool is_abort_client(const struct facts *f)
{
	return f->reset && f->reset->from == TCPAUDIT_CLIENT;
}

static bool is_abort_server(const struct facts *f)
{
	return f->reset && f->reset->from == TCPAUDIT_SERVER;
}

static bool is_abort_icmp(const struct facts *f)
{
	unsigned addressed = f->c->entry.bits & CONN_ICMP_BY_CLIENT ? TCPAUDIT_SERVER : TCPAUDIT_CLIENT;
	return f->c->entry.bits & CONN_ICMP && f->c->last_from[addressed] < connection_rarity(f->c)->odd.time;
}

static bool is_vanished(const struct facts *f)
{
	return connection_unanswered(f->c) >= 4;
}

static bool is_superseded(const struct facts *f)
{
	return f->c->entry.bits & CONN_SUPERSEDED;
}

static bool is_open_idle(const struct facts *f)
{
	return f->silence >= 60 * SECOND;
}

static bool is_open_active(const struct facts *f)
{
	(void)f;
	return true;
}

struct predicate {
	enum tcpaudit_kind kind;
	bool (*holds)(const struct facts *);
};

/* Of a connection that was evicted, not seen in both directions, or not opened. */
static const struct predicate before_open[] = {
        {TCPAUDIT_KIND_EVICTED, is_evicted},
        {TCPAUDIT_KIND_ONEWAY_FIN, is_oneway_fin},
        {TCPAUDIT_KIND_ONEWAY_RST, is_oneway_rst},
        {TCPAUDIT_KIND_ONEWAY_OPEN, is_oneway_open},
        {TCPAUDIT_KIND_REFUSED, is_refused},
        {TCPAUDIT_KIND_REFUSED_ICMP, is_refused_icmp},
        {TCPAUDIT_KIND_SYN_ABORTED, is_syn_aborted},
        {TCPAUDIT_KIND_SYN_TIMEOUT, is_syn_timeout},
        {TCPAUDIT_KIND_SYN_PENDING, is_syn_pending},
        {TCPAUDIT_KIND_HS_RST_INITIATOR, is_hs_rst_initiator},
        {TCPAUDIT_KIND_HS_RST_RESPONDER, is_hs_rst_responder},
        {TCPAUDIT_KIND_HS_TIMEOUT, is_hs_timeout},
        {TCPAUDIT_KIND_HS_PENDING, is_hs_pending},
};

static const struct predicate kinds[] = {
        {TCPAUDIT_KIND_SIMULTANEOUS, is_simultaneous},
        {TCPAUDIT_KIND_HALF_CLOSE, is_half_close},
        {TCPAUDIT_KIND_FOUR_WAY, is_four_way},
        {TCPAUDIT_KIND_THREE_WAY, is_three_way},
        {TCPAUDIT_KIND_FIN_FIN_RST, is_fin_fin_rst},
        {TCPAUDIT_KIND_LAST_ACK_MISSING, is_last_ack_missing},
        {TCPAUDIT_KIND_FIN_FIN_UNACKED, is_fin_fin_unacked},
        {TCPAUDIT_KIND_MPTCP_FASTCLOSE, is_mptcp_fastclose},
        {TCPAUDIT_KIND_FIN_RST_THIRD, is_fin_rst_third}, /* before the two that would take any reset */
        {TCPAUDIT_KIND_FIN_RST_CLOSER, is_fin_rst_closer},
        {TCPAUDIT_KIND_FIN_RST_PEER, is_fin_rst_peer},
        {TCPAUDIT_KIND_HALF_CLOSED, is_half_closed},
        {TCPAUDIT_KIND_FIN_UNACKED, is_fin_unacked},
        {TCPAUDIT_KIND_ABORT_THIRD_PARTY, is_abort_third_party},
        {TCPAUDIT_KIND_ABORT_CLIENT, is_abort_client},
        {TCPAUDIT_KIND_ABORT_SERVER, is_abort_server},
        {TCPAUDIT_KIND_ABORT_ICMP, is_abort_icmp},
        {TCPAUDIT_KIND_VANISHED, is_vanished},
        {TCPAUDIT_KIND_SUPERSEDED, is_superseded},
        {TCPAUDIT_KIND_OPEN_IDLE, is_open_idle},
        {TCPAUDIT_KIND_OPEN_ACTIVE, is_open_active},
};

static enum tcpaudit_kind kind_of(const struct facts *f)
{
	bool open = f->done && !f->one_way && !(f->c->entry.bits & CONN_EVICTED);
	size_t i = 0;

	for (; !open && i < sizeof before_open / sizeof *before_open; i++)
		if (before_open[i].holds(f))
			return before_open[i].kind;
	for (i = 0; !kinds[i].holds(f);)
		i++;
	return kinds[i].kind;
}

/* ---- the record ---- */

/* Nothing of it was captured but resets, which may be another's. */
static bool lacks_stream(const struct facts *f, unsigned x)
{
	return !(f->c->end[x].bits & TCB_SEQ);
}

/* The other end may have closed before, and the FIN that we have be the second one: its own was sent before the capture began,
 * or is the last of the numbers that were acknowledged, or passed over by itself, and that the capture does not have; or
 * nothing of its stream was captured at all.  Who still sends text had not closed. */
static bool may_be_second(const struct facts *f)
{
	const struct fin_facts *fin = &f->h->fin[f->first];
	const struct tcb *own = &f->c->end[f->first], *other = &f->c->end[!f->first];

	if (f->repeated || fin->forged)
		return true;
	if (f->fin[!f->first] || fin->peer_text)
		return false;
	if (lacks_stream(f, !f->first) || !(other->bits & (TCB_ISS | TCB_TEXT)))
		return true;
	return other->bits & (TCB_GAP | TCB_HOLE) || (own->bits & TCB_ACK && seq_gt(own->hiack, other->maxseq)) ||
	       (fin->first >= 0 && f->h->event[fin->first].is & EVENT_ACK_UNSENT);
}

static uint8_t who_closed_first(const struct facts *f)
{
	if (!f->fin[0] && !f->fin[1])
		return TCPAUDIT_WHO_NONE;
	if (f->crossed_fins)
		return TCPAUDIT_WHO_BOTH;
	return may_be_second(f) ? TCPAUDIT_WHO_UNKNOWN : (uint8_t)f->first;
}

/* By its numbers, what was reset is the SYN or the SYN-ACK, and nothing behind them. */
static bool resets_handshake(const struct facts *f)
{
	for (int i = f->h->first_reset_any; i >= 0 && i < f->h->count; i++) {
		const struct event *e = &f->h->event[i];
		if (e->flags & TCPAUDIT_RST && !(e->is & (EVENT_REFUSAL | EVENT_NXT_UNKNOWN)) && seq_gt(e->seq, e->nxt))
			return false;
	}
	return true;
}

/* What came behind an orderly close does not bear on it. */
static bool rests_on_doubtful_reset(const struct facts *f, enum tcpaudit_kind kind)
{
	bool orderly = kind >= TCPAUDIT_KIND_SIMULTANEOUS && kind <= TCPAUDIT_KIND_FOUR_WAY;

	return (!orderly && f->reset && f->reset->is & (EVENT_SUSPECT | EVENT_FOREIGN)) ||
	       (!both_acked(f) && f->h->first_reset >= 0 && reset_is_doubtful(f->c, f->h, f->h->first_reset));
}

/* The first FIN came several times until the second one answered it, and nothing else did: away from its sender, an earlier copy of that
 * may have been lost before the tap, sent without knowing of the first. */
static bool may_have_crossed(const struct facts *f, const struct tcpaudit_connection *r)
{
	int copies = 0;

	if (!f->fin[0] || !f->fin[1] || f->crossed_fins || r->end[!f->first].vantage >= TCPAUDIT_VANTAGE_NEAR || acked_apart(f))
		return false;
	for (int i = 0; i < f->h->fin[!f->first].first; i++) {
		const struct event *e = &f->h->event[i];
		copies += e->from == f->first && e->flags & TCPAUDIT_FIN && !(e->is & (EVENT_STRAY | EVENT_DUPLICATE));
	}
	return copies > 1;
}

/* A kind that negates something ("no reset", "separate ACK") is certain only of a capture without holes; the FIN kinds
 * need the first copy of each FIN, and none that is probably not its sender's; the others a reset that is nobody else's. */
static uint8_t confidence_of(const struct facts *f, enum tcpaudit_kind kind, const struct tcpaudit_connection *r)
{
	const struct connection *c = f->c;
	bool holes = c->entry.capture & (CAPTURE_GAP_ACKED | CAPTURE_DROPS | CAPTURE_RESYNC) || c->entry.bits & CONN_UNPLACED;
	const struct mirror *m = f->file->mirror;
	bool broken = (m && (m->end[0].contradicted || m->end[1].contradicted)) || f->h->fin[0].forged || f->h->fin[1].forged ||
	              f->h->fin[0].moved >= 0 || f->h->fin[1].moved >= 0 || rests_on_doubtful_reset(f, kind);

	if (kind == TCPAUDIT_KIND_EVICTED)
		return TCPAUDIT_CERTAIN;
	if (kind == TCPAUDIT_KIND_FIN_RST_THIRD || kind == TCPAUDIT_KIND_ABORT_THIRD_PARTY)
		return TCPAUDIT_LIKELY;
	if (kind == TCPAUDIT_KIND_HS_RST_INITIATOR || kind == TCPAUDIT_KIND_HS_RST_RESPONDER)
		holes |= !resets_handshake(f);
	if (f->unseen || f->h->dropped || f->repeated || f->order_unseen || may_have_crossed(f, r) ||
	    (c->end[0].bits | c->end[1].bits) & (TCB_GAP | TCB_HOLE) ||
	    (kind >= TCPAUDIT_KIND_SIMULTANEOUS && (lacks_stream(f, 0) || lacks_stream(f, 1))))
		holes = true;
	return holes && broken ? TCPAUDIT_POSSIBLE : holes || broken ? TCPAUDIT_LIKELY : TCPAUDIT_CERTAIN;
}

/* The highest number that X's peer acknowledged, and so what of X's stream arrived for certain.  An abort acknowledges, too. */
static tcp_seq acknowledged(const struct facts *f, unsigned x, tcp_seq sent)
{
	const struct event *r = f->reset;
	tcp_seq hiack = f->c->end[!x].hiack;

	if (!r || r->from == x || !(r->flags & TCPAUDIT_ACK) || r->is & (EVENT_SUSPECT | EVENT_FOREIGN) ||
	    seq_gt(r->ack, seq_add(sent, f->fin[x])))
		return hiack;
	return seq_max(hiack, r->ack);
}

static uint64_t lost_octets(const struct facts *f, unsigned x)
{
	const struct tcb *tcb = &f->c->end[x], *peer = &f->c->end[!x];
	tcp_seq sent = f->fin[x] ? f->h->fin[x].u : tcb->maxseq, acked = acknowledged(f, x, sent);

	if (!(tcb->bits & TCB_TEXT) || !(peer->bits & TCB_ACK) || !seq_gt(sent, acked))
		return 0;
	uint64_t lost = (uint32_t)seq_diff(sent, acked);
	uint64_t text = connection_text(f->c, x);
	return lost < text ? lost : text;
}

static void describe_fin(const struct facts *f, unsigned x, struct tcpaudit_end *end)
{
	const struct fin_facts *fin = &f->h->fin[x];

	end->fin_sent = fin->sent;
	if (!fin->sent)
		return;
	end->fin_seq = fin->u;
	end->fin_copies = fin->copies;
	end->in_flight_at_fin = fin->in_flight;
	end->zero_window_at_fin = fin->zero_window;
	if (fin->first >= 0)
		end->fin = event_evidence(&f->h->event[fin->first]);
	end->fin_acked = fin->acked >= 0;
	if (fin->acked >= 0)
		end->fin_ack = event_evidence(&f->h->event[fin->acked]);
}

/* An end that sent its FIN before it had the other one (RFC 9293 3.6). */
static bool plainly_holds(const struct history *h, unsigned x)
{
	return h->fin[x].sent && h->fin[x].acked >= 0 && !acknowledges_fin(h, x) && h->fin[!x].acked >= 0;
}

/* As the mirror finds them where nothing is odd: whoever acknowledges a FIN behind its own is in TIME-WAIT, as that very frame proves,
 * and whether that has arrived is not known of the other; nor, where FINs crossed, of either. */
static state_set plain_states(const struct history *h, unsigned x)
{
	if (!plainly_holds(h, x))
		return SET(LAST_ACK) | SET(CLOSED);
	return plainly_holds(h, !x) ? SET(CLOSING) | SET(TIME_WAIT) : SET(TIME_WAIT);
}

/* Ends in TIME-WAIT, or passed it by what no segment but a reset shows. */
static bool route_holds(const struct hypothesis *route)
{
	for (int i = 0; i < route->count; i++)
		if (route->step[i].to == TCPAUDIT_TIME_WAIT &&
		    (i + 1 == route->count || route->step[i + 1].to == TCPAUDIT_CLOSED))
			return true;
	return false;
}

#ifdef TCPAUDIT_BOTH_WAYS
#include <assert.h>

/* For tests: plain numbers must tell what the mirror finds. */
static void compare_states(const struct case_file *file, unsigned x)
{
	struct mirror mirror;

	const struct captured captured = connection_captured(file->connection);
	mirror_run(&mirror, &captured, BOTH_ENDS);
	struct hypothesis route = mirror_route(&mirror, x, file->now);
	assert(mirror_states(&mirror, x) == plain_states(file->history, x));
	assert((route.state == TCPAUDIT_TIME_WAIT) == plainly_holds(file->history, x) && !mirror.end[x].contradicted);
}

/* ... and if somebody else wants to know the states, it finds nothing but those. */
static void compare_routes(const struct case_file *file, unsigned x)
{
	assert(file->odd || (!file->mirror->end[x].contradicted && route_holds(&file->route[x]) == plainly_holds(file->history, x)));
}
#else
static inline void compare_states(const struct case_file *file, unsigned x)
{
	(void)file;
	(void)x;
}

static inline void compare_routes(const struct case_file *file, unsigned x)
{
	(void)file;
	(void)x;
}
#endif

static state_set states_of(const struct case_file *file, unsigned x)
{
	if (file->mirror) {
		compare_routes(file, x);
		return mirror_states(file->mirror, x);
	}
	if (!file->settings->states)
		return NO_STATE;
	compare_states(file, x);
	return plain_states(file->history, x);
}

static void describe_end(const struct facts *f, unsigned x, struct tcpaudit_end *end)
{
	end->states = states_of(f->file, f->self ? f->first : x);
	end->resets = f->h->resets[x];
	end->lost = lost_octets(f, x);
	describe_fin(f, x, end);
}

static void describe_half_close(const struct facts *f, struct tcpaudit_connection *r)
{
	r->half_close_by = TCPAUDIT_WHO_NONE;
	if ((!f->fin[0] && !f->fin[1]) || f->crossed_fins || !f->acked[f->first])
		return;
	const struct fin_facts *fin = &f->h->fin[f->first];
	int64_t until =
	        f->fin[!f->first] && f->h->fin[!f->first].first >= 0 ? f->h->event[f->h->fin[!f->first].first].time : connection_last(f->c);
	r->half_close_by = may_be_second(f) ? TCPAUDIT_WHO_UNKNOWN : (uint8_t)f->first;
	if (!f->fin[!f->first] && !f->reset)
		until = f->file->now; /* it still lasts */
	r->half_close_duration = until > fin->acked_time ? until - fin->acked_time : 0;
	r->half_close_bytes = fin->peer_text;
}

static uint8_t one_or_both(const bool holds[2])
{
	if (!holds[0] && !holds[1])
		return TCPAUDIT_WHO_NONE;
	return (uint8_t)(holds[0] && holds[1] ? TCPAUDIT_WHO_BOTH : holds[0] ? TCPAUDIT_WHO_CLIENT : TCPAUDIT_WHO_SERVER);
}

uint8_t close_plain_holder(const struct connection *c, int64_t *since)
{
	if (c->entry.bits & CONN_BRIEF)
		return brief_holder(connection_kept(c).brief, c->start, since);
	if (!connection_kept(c).history)
		return TCPAUDIT_WHO_NONE;
	const struct history *h = connection_kept(c).history;
	const bool holds[2] = {plainly_holds(h, 0), plainly_holds(h, 1)};

	*since = h->fin[holds[0]].acked_time;
	return one_or_both(holds);
}

/* FINs of the peer that start TIME-WAIT anew (RFC 9293 3.10.7.4 eighth); `anew` becomes the time of the last.  A reset ends it: the
 * peer's, where it is obeyed (second), and one of the holder's own shows that it is over.  A copy of the network's arrives like any
 * other; one of the capture's, right behind, did not. */
static uint32_t count_restarts(const struct facts *f, unsigned peer, int64_t entered, int64_t *anew)
{
	uint32_t restarts = 0;
	int64_t newest = entered;

	for (int i = 0; i < f->h->count; i++) {
		const struct event *e = &f->h->event[i];
		const int64_t since = e->time - newest;
		if (e->time <= entered)
			continue;
		if (e->from == peer && e->flags & TCPAUDIT_FIN)
			newest = e->time;
		if (e->is & EVENT_DUPLICATE && (since < TICKS_WITHIN || e->flags & TCPAUDIT_RST))
			continue;
		if (e->flags & TCPAUDIT_RST && (e->from != peer || e->is & EVENT_RST_EXACT))
			break;
		if (e->from != peer || !(e->flags & TCPAUDIT_FIN) || e->is & (EVENT_STRAY | EVENT_FIRST_FIN))
			continue;
		restarts++;
		if (e->time > *anew)
			*anew = e->time;
	}
	return restarts;
}

/* Whether its FIN was sent, or waited, before it had the other one, frames do not always tell. */
static bool is_undecided(const struct facts *f, unsigned x)
{
	const struct mirror *m = f->file->mirror;

	return m && f->fin[x] && f->h->fin[!x].acked >= 0 && m->end[x].may_hold && m->end[x].may_not_hold;
}

/* TIME-WAIT is held by an end that sent its FIN before it had the other one (RFC 9293 3.6): from the frame with which it
 * first acknowledges that. */
static void describe_time_wait(const struct facts *f, struct tcpaudit_connection *r)
{
	bool holds[2] = {false, false};
	int64_t since = INT64_MAX, anew = 0;

	for (unsigned x = 0; x < 2; x++) {
		holds[x] = f->file->mirror ? route_holds(&f->file->route[x]) : plainly_holds(f->h, x);
		const struct fin_facts *peer = &f->h->fin[!x];
		holds[x] &= peer->acked >= 0;
		if (is_undecided(f, x)) {
			r->time_wait_undecided |= (uint8_t)(1u << x);
			holds[x] = false;
		}
		if (!holds[x])
			continue;
		int64_t entered = peer->acked_time;
		if (entered < since)
			since = entered;
		if (entered > anew)
			anew = entered;
		if (f->h->odd) /* holds a repeat */
			r->time_wait_restarts += count_restarts(f, !x, entered, &anew);
	}
	r->time_wait_holder = one_or_both(holds);
	r->time_wait_since = holds[0] || holds[1] ? since : 0;
	r->time_wait_until = holds[0] || holds[1] ? anew + 2 * f->file->settings->msl : 0;
}

/* Whoever resets in the name of an end, the end has not; and where both FINs were acknowledged, nothing was left to abort. */
static uint8_t who_aborted(const struct facts *f, uint8_t kind)
{
	if (both_acked(f))
		return TCPAUDIT_WHO_NONE;
	if (kind == TCPAUDIT_KIND_ABORT_THIRD_PARTY || kind == TCPAUDIT_KIND_FIN_RST_THIRD ||
	    (f->reset && f->reset->is & EVENT_FOREIGN))
		return TCPAUDIT_WHO_UNKNOWN;
	return f->reset ? f->reset->from : (uint8_t)TCPAUDIT_WHO_NONE;
}

/* Steps to be told of.  What is presumed of one end rests on the other one being somebody else. */
static int told_steps(const struct facts *f, unsigned x)
{
	const struct hypothesis *route = &f->file->route[x];
	int count = route->count;

	while (f->self && count && (x != f->first || route->step[count - 1].proof < 0))
		count--;
	return count;
}

static void describe_routes(const struct facts *f, struct routes *routes)
{
	routes->count = 0;
	for (unsigned x = 0; x < 2; x++) {
		const struct hypothesis *route = &f->file->route[x];
		uint8_t from = route->first;
		for (int i = 0; i < told_steps(f, x); i++) {
			struct tcpaudit_transition *t = &routes->step[routes->count++];
			*t = (struct tcpaudit_transition){.end = (uint8_t)x, .from = from, .to = route->step[i].to};
			t->at = event_evidence(&f->h->event[route->step[i].at]);
			if (route->step[i].proof >= 0)
				t->proof = event_evidence(&f->h->event[route->step[i].proof]);
			from = route->step[i].to;
		}
	}
}

void close_describe(const struct case_file *file, struct tcpaudit_connection *r, struct routes *routes)
{
	struct facts f = find_facts(file);

	close_describe_senders(file->connection, file->settings, r);
	for (unsigned x = 0; x < 2; x++)
		describe_end(&f, x, &r->end[x]);
	r->kind = (uint8_t)kind_of(&f);
	r->closed_first = who_closed_first(&f);
	r->aborted_by = who_aborted(&f, r->kind);
	if (f.reset)
		r->reset = event_evidence(f.reset);
	if (f.h->first_reset_any >= 0 && f.h->event[f.h->first_reset_any].flags & TCPAUDIT_ACK)
		r->completeness |= TCPAUDIT_COMPLETE_ACK; /* as for Wireshark */
	r->forged_suspect = f.h->fin[0].forged || f.h->fin[1].forged || is_suspected(&f, reset_plausible(f.c, f.h));
	r->confidence = confidence_of(&f, (enum tcpaudit_kind)r->kind, r);
	r->post_close_reset = was_reset_after_close(&f);
	describe_half_close(&f, r);
	describe_time_wait(&f, r);
	close_measure(file, r);
	if (routes) {
		describe_routes(&f, routes);
		r->transitions = routes->step;
		r->transition_count = routes->count;
	}
}
