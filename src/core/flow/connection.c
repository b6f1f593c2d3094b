/* connection.c - takes a segment into a connection: accounts, and what is kept for judgment.
 *
 * What is expected next goes the short way (plain.c).  What opens, closes, resets or contradicts goes into the history, from
 * which mirror.c, close.c and the checks judge. */
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "handshake.h"
#include "plain.h"
#include "series.h"
#include "unusual.h"
#include "decode/decode.h"

#define DUPLICATE_WITHIN 2000000

unsigned connection_guess_sender(const struct tcpaudit_segment *s)
{
	if (s->flags & TCPAUDIT_SYN)
		return s->flags & TCPAUDIT_ACK ? TCPAUDIT_SERVER : TCPAUDIT_CLIENT;
	/* services sit on low ports, clients on ephemeral ones (RFC 6335 6) */
	bool src_low = s->src_port < 1024, dst_low = s->dst_port < 1024;
	if (src_low != dst_low)
		return src_low ? TCPAUDIT_SERVER : TCPAUDIT_CLIENT;
	bool src_high = s->src_port >= 32768, dst_high = s->dst_port >= 32768;
	if (src_high != dst_high)
		return src_high ? TCPAUDIT_CLIENT : TCPAUDIT_SERVER;
	return TCPAUDIT_CLIENT;
}

void connection_begin(struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	c->entry.id = s->ordinal;
	c->start = s->time;
	c->entry.input = s->input;
	c->last_from[0] = c->last_from[1] = INT64_MIN;
	c->apart = frame_apart(s->ordinal, s->frame);
	if (!(s->flags & TCPAUDIT_SYN)) {
		c->entry.bits |= CONN_MIDSTREAM;
		c->end[0].wscale = c->end[1].wscale = 14; /* unknown: the widest */
	}
	(void)from;
}

bool connection_fits(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	return tcb_judge(&c->end[from], connection_rare(c, from), &c->end[!from], s, INT64_MAX).fits;
}

/* ---- history ---- */

static struct event marked(const struct connection *c, int mark)
{
	const struct tcb *client = &c->end[TCPAUDIT_CLIENT], *server = &c->end[TCPAUDIT_SERVER];
	struct event e = {.time = connection_mark_time(c, mark),
	                  .frame = connection_mark_frame(c, mark) & 0xffffffffffffu,
	                  .input = (uint16_t)(connection_mark_frame(c, mark) >> 48)};
	switch (mark) {
	case MARK_SYN:
		e.flags = TCPAUDIT_SYN;
		e.seq = client->iss;
		e.tsval = c->syn_tsval;
		e.is = client->bits & TCB_TS ? EVENT_TIMESTAMPS : 0;
		if (client->bits & TCB_ECN_SETUP)
			e.flags |= TCPAUDIT_ECE | TCPAUDIT_CWR;
		break;
	case MARK_SYN_ACK:
		e.flags = TCPAUDIT_SYN | TCPAUDIT_ACK;
		e.from = TCPAUDIT_SERVER;
		e.seq = server->iss;
		e.ack = seq_add(client->iss, 1);
		break;
	case MARK_ACK:
		e.flags = TCPAUDIT_ACK;
		e.seq = seq_add(client->iss, 1);
		e.ack = seq_add(server->iss, 1);
		break;
	default:
		e.flags = TCPAUDIT_ACK;
		e.from = TCPAUDIT_SERVER;
		e.seq = seq_add(server->iss, 1);
		e.ack = seq_add(client->iss, 1);
		break;
	}
	return e;
}

/* The handshake's events; `without`: a frame that is about to be added itself. */
static unsigned marked_events(const struct connection *c, uint64_t without, struct event out[MARKS])
{
	unsigned count = 0;
	for (int mark = 0; mark < MARKS; mark++)
		if (connection_marked(c, mark) && connection_mark_frame(c, mark) != without)
			out[count++] = marked(c, mark);
	return count;
}

/* After a whole handshake, what goes in front of a new history can wait until somebody reads it: memory that most connections are
 * judged from once, when they have ended, is not touched before. */
static void put_front(const struct connection *c, struct history *h, uint64_t without)
{
	struct event before[MARKS];

	if (connection_marked(c, MARK_SYN) && connection_marked(c, MARK_SYN_ACK) && connection_marked(c, MARK_ACK) &&
	    connection_marked(c, MARK_RESPONSE) && connection_mark_frame(c, MARK_ACK) != without &&
	    connection_mark_frame(c, MARK_RESPONSE) != without)
		h->front_due = true;
	else
		history_prepend(h, before, marked_events(c, without, before));
}

/* The brief becomes a history.  Without memory for that, it is forgotten. */
static struct history *unfold(struct connection *c, struct flow_table *table)
{
	struct history *h = flow_history_new(table);

	if (h) {
		put_front(c, h, 0);
		brief_tell(connection_kept(c).brief, c->end, c->start, c->entry.input, h);
	}
	flow_history_drop(table, c);
	connection_keep(c, (union kept){.history = h});
	return h;
}

struct history *connection_begin_history(struct connection *c, struct flow_table *table, uint64_t without)
{
	if (c->entry.bits & CONN_BRIEF)
		return unfold(c, table);
	struct history *h = connection_kept(c).history;
	if (h)
		return h;
	h = flow_history_new(table);
	connection_keep(c, (union kept){.history = h});
	if (h)
		put_front(c, h, without);
	return h;
}

struct history *connection_history(struct connection *c, struct flow_table *table)
{
	struct history *h = connection_begin_history(c, table, 0);
	struct event before[MARKS];

	if (!h || !h->front_due)
		return h;
	int64_t held = (int64_t)history_memory(h);
	h->front_due = false;
	if (!history_prepend(h, before, marked_events(c, 0, before)))
		h->dropped++;
	flow_account(table, (int64_t)history_memory(h) - held);
	return h;
}

/* With the handshake in front, in `room`; false: its own is whole, or has become so. */
static bool whole_history(struct connection *c, struct flow_table *table, struct history *room)
{
	const struct history *h = connection_kept(c).history;
	struct event before[MARKS];
	unsigned front;

	if (h && !h->front_due)
		return false;
	front = marked_events(c, 0, before);
	if (h && front + h->count > HISTORY_INLINE) {
		connection_history(c, table);
		return false;
	}
	history_init(room);
	if (h) {
		memcpy(room, h, offsetof(struct history, inside));
		memcpy(room->inside, h->event, h->count * sizeof h->event[0]);
		room->event = room->inside;
		room->room = HISTORY_INLINE;
		room->front_due = false;
	}
	history_prepend(room, before, front);
	return true;
}

struct loan connection_lend(struct connection *c, struct flow_table *table, bool whole, struct history *room)
{
	struct loan loan = {.own = connection_kept(c).history, .brief = c->entry.bits & CONN_BRIEF};
	struct event before[MARKS];

	if (!loan.brief && (whole ? !whole_history(c, table, room) : loan.own != NULL))
		return loan;
	if (!whole || loan.brief)
		history_init(room);
	if (loan.brief && whole)
		history_prepend(room, before, marked_events(c, 0, before));
	else if (loan.brief)
		put_front(c, room, 0);
	if (loan.brief)
		brief_tell(connection_kept(c).brief, c->end, c->start, c->entry.input, room);
	room->orderly = loan.brief;
	c->entry.bits &= ~(uint32_t)CONN_BRIEF;
	connection_keep(c, (union kept){.history = room});
	return loan;
}

void connection_give_back(struct connection *c, struct loan loan)
{
	connection_keep(c, (union kept){.history = loan.own});
	c->entry.bits |= loan.brief;
}

static int64_t nonnegative(int64_t time)
{
	return time > 0 ? time : 0;
}

static bool is_closing(const struct history *h)
{
	return h->first_reset >= 0 || h->fin[0].sent || h->fin[1].sent;
}

static void keep_event(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from,
                       struct sent *sent, unsigned extra, unsigned unusual)
{
	struct history *h = connection_begin_history(c, table, connection_frame(s));
	if (!h)
		return;
	if (s->flags & TCPAUDIT_SYN) /* it may be a copy of one that is yet to be put in front */
		connection_history(c, table);
	if (s->flags & TCPAUDIT_RST && h->first_reset_any < 0)
		h->quiet = s->time - connection_last(c);
	int64_t before = (int64_t)history_memory(h);
	bool open = !is_closing(h);
	if (s->flags & TCPAUDIT_RST)
		history_before_reset(h, c->end, (uint64_t[]){connection_text(c, 0), connection_text(c, 1)}, c->last_from, s->time,
		                     connection_trying(c, from));
	history_add(h, c->end, s, from, sent, extra, unusual);
	if (open && is_closing(h))
		h->idle = connection_heard(c, 0) || connection_heard(c, 1) ? nonnegative(s->time - connection_last(c)) : -1;
	flow_account(table, (int64_t)history_memory(h) - before);
}

/* The same segment right behind, at another place: only where a close is followed already. */
static void keep_copy(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from)
{
	struct history *h = connection_kept(c).history;

	if (!h)
		return;
	int64_t before = (int64_t)history_memory(h);
	history_add_copy(h, c->end, s, from);
	flow_account(table, (int64_t)history_memory(h) - before);
}

/* ---- checksums ---- */

/* RFC 9293 MUST-3: a segment with a bad checksum is not received.  But on the host that sent it, the checksum is not there
 * yet: an end is believed to offload until one of its segments was right. */
static bool checksum_refused(struct connection *c, struct tcpaudit_segment *s, unsigned from, bool verify, bool matters)
{
	struct tcb *tcb = &c->end[from];

	if (!verify)
		return false;
	if (s->noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN) {
		if (tcb->verified >= VERIFIED_ENOUGH && !matters)
			return false;
		s->noticed &= (uint16_t)~TCPAUDIT_SAW_CHECKSUM_UNKNOWN;
		s->noticed |= segment_sum(s);
		if (s->noticed & TCPAUDIT_SAW_CHECKSUM_UNKNOWN)
			return false;
	}
	if (tcb->verified < VERIFIED_ENOUGH)
		tcb->verified++;
	if (s->noticed & TCPAUDIT_SAW_CHECKSUM_PARTIAL) {
		tcb->bits |= TCB_CHECKSUM_PARTIAL;
		c->entry.capture |= CAPTURE_OFFLOAD_TX;
		return false;
	}
	if (!(s->noticed & TCPAUDIT_SAW_CHECKSUM_BAD)) {
		tcb->bits |= TCB_CHECKSUM_GOOD;
		if (tcb->bits & TCB_CHECKSUM_BAD)
			c->entry.capture |= CAPTURE_CHECKSUM_BAD; /* that was no offload */
		if (tcb->bits & TCB_CHECKSUM_BAD && !tcb_offloads(&c->end[0]) && !tcb_offloads(&c->end[1]))
			c->entry.capture &= (uint16_t)~CAPTURE_OFFLOAD_TX;
		return false;
	}
	if (!(tcb->bits & TCB_CHECKSUM_GOOD) || s->noticed & TCPAUDIT_SAW_OUTBOUND) {
		if (!(s->noticed & TCPAUDIT_SAW_OUTBOUND))
			tcb->bits |= TCB_CHECKSUM_BAD;
		c->entry.capture |= CAPTURE_OFFLOAD_TX;
		return false;
	}
	c->entry.capture |= CAPTURE_CHECKSUM_BAD;
	return true;
}

/* ---- numbers that do not fit ---- */

/* Numbers go on there.  Below the ISS they can only do so behind a gap that took them half around the circle. */
static void move_to(struct tcb *tcb, tcp_seq number)
{
	tcb->maxseq = number;
	tcb->bits |= seq_lt(number, tcb->iss) ? TCB_GAP | TCB_LONG : TCB_GAP;
}

/* One segment far from everything is a stray; a second one that goes on where it stopped shows that the capture has a
 * long gap, and the stream is there now. */
static bool resynchronise(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from)
{
	struct tcb *tcb = &c->end[from];
	struct rarity *r = flow_rarity(table, c);
	bool again = r && tcb->bits & TCB_STRAY && seq_within(s->seq, r->stray[from], seq_add(r->stray[from], 65536)) && s->len;

	if (!again) {
		if (r) {
			tcb->bits |= TCB_STRAY;
			r->stray[from] = segment_end(s);
		}
		c->entry.bits |= CONN_UNPLACED;
		return false;
	}
	move_to(tcb, s->seq);
	tcb->bits &= ~(uint32_t)TCB_STRAY;
	c->end[!from].bits &= ~(uint32_t)TCB_ACK; /* what the other end acknowledged belongs to before */
	if (s->flags & TCPAUDIT_ACK && !connection_fits(c, s, from)) {
		move_to(&c->end[!from], s->ack);
		c->end[!from].bits |= TCB_ENDS_UNSEEN;
	}
	c->entry.capture |= CAPTURE_RESYNC | CAPTURE_GAP_ACKED;
	return true;
}

/* An acknowledgment of what was not seen: the capture missed it, unless the peer's FIN says that there is nothing more. */
static void fill_gap(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from)
{
	struct tcb *peer = &c->end[!from];
	const struct history *h = connection_kept(c).history;

	if (h && h->fin[!from].sent)
		return;
	if (!(c->entry.bits & (CONN_ESTABLISHED | CONN_MIDSTREAM)))
		return;
	uint32_t missing = (uint32_t)seq_diff(s->ack, peer->maxseq), sum;
	if (__builtin_add_overflow(peer->text, missing, &sum))
		flow_rarity(table, c);
	tcb_add_text(peer, connection_rare(c, !from), missing);
	peer->maxseq = s->ack;
	peer->bits |= TCB_GAP | TCB_ENDS_UNSEEN;
	c->entry.capture |= CAPTURE_GAP_ACKED;
}

static void note_capture(struct connection *c, const struct tcpaudit_segment *s, unsigned from, const struct sent *sent)
{
	if (s->noticed)
		c->entry.capture |= connection_noticed(s);
	if (s->input != c->entry.input)
		c->entry.capture |= CAPTURE_MULTI_IF;
	if (sent->reordered)
		c->entry.capture |= CAPTURE_REORDERED;
	if (s->time < connection_last(c) - 1000000)
		c->entry.capture |= CAPTURE_CLOCK_STEP;
	if (c->end[!from].mss && s->len > c->end[!from].mss)
		c->entry.capture |= CAPTURE_GRO;
}

/* What comes behind something unusual shows how it was received. */
static bool has_attention(struct connection *c, bool anew)
{
	const uint32_t one = CONN_ATTENTION & -CONN_ATTENTION;
	uint32_t left = c->entry.bits & CONN_ATTENTION;

	if (anew)
		c->entry.bits = (c->entry.bits & ~(uint32_t)CONN_ATTENTION) | 4 * one;
	else if (left)
		c->entry.bits -= one;
	return anew || left;
}

void connection_follows(struct connection *c, struct flow_table *table, const struct former *former, bool crossed)
{
	struct history *h = connection_begin_history(c, table, 0);

	if (!h || h->former)
		return;
	h->former = malloc(sizeof *h->former);
	if (!h->former)
		return;
	*h->former = *former;
	h->former->client_again = !crossed;
	for (unsigned x = 0; crossed && x < 2; x++) {
		h->former->iss[x] = former->iss[!x];
		h->former->next[x] = former->next[!x];
		h->former->tsval[x] = former->tsval[!x];
		h->former->ttl[x] = former->ttl[!x];
		h->former->iss_age[x] = former->iss_age[!x];
	}
	if (crossed) {
		h->former->known = (uint8_t)(former_knows(former, 1) | former_knows(former, 0) << 1);
		h->former->reset_by = !former->reset_by;
		if (former->holder <= TCPAUDIT_WHO_SERVER)
			h->former->holder = !former->holder;
	}
	flow_account(table, sizeof *h->former);
}

void connection_witness(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from,
                        unsigned unusual)
{
	struct history *h = connection_begin_history(c, table, 0);

	if (!h)
		return;
	int64_t before = (int64_t)history_memory(h);
	history_witness(h, c->end, s, from, unusual);
	has_attention(c, true);
	flow_account(table, (int64_t)history_memory(h) - before);
}

/* What the history does not have of such a segment. */
static void keep_odd_numbers(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from, unsigned unusual)
{
	struct odd_numbers *odd = flow_rarity(table, c) ? &connection_rarity(c)->odd_numbers[from] : NULL;

	if (odd && unusual & UNUSUAL_ACK_REGRESS && !odd->acked_known) {
		odd->acked = c->end[from].hiack;
		odd->acked_known = true;
	}
	if (odd && unusual & (UNUSUAL_SACK | UNUSUAL_SACK_UNASKED) && !odd->block_known) {
		const int at = unusual & UNUSUAL_SACK ? unusual_block(c, s, from) : 0;
		odd->block[0] = s->sack[at][0];
		odd->block[1] = s->sack[at][1];
		odd->block_known = true;
	}
}

/* One needs no memory: idle connections are probed now and then. */
static void count_unanswered(struct connection *c, struct flow_table *table, unsigned from, const struct sent *sent)
{
	struct tcb *tcb = &c->end[from];
	const bool answered = c->last_from[!from] > c->last_from[from];

	if (answered)
		connection_answered(c);
	if (sent->probe)
		tcb->bits |= tcb->bits & TCB_PROBED ? TCB_PROBED_AGAIN : TCB_PROBED;
	if (answered || (!sent->repeat && !sent->probe))
		return;
	if (!(tcb->bits & TCB_UNANSWERED)) {
		tcb->bits |= TCB_UNANSWERED;
		if (connection_rarity(c))
			connection_rarity(c)->tried = c->last_from[from];
	} else if (flow_rarity(table, c) && connection_rarity(c)->unanswered < UINT16_MAX - 2)
		connection_rarity(c)->unanswered++;
}

/* What stands beyond the edge is another window. */
static void count_window_probe(struct connection *c, struct flow_table *table, unsigned from)
{
	const tcp_seq edge = c->end[!from].redge;
	struct window_probes *probed = flow_rarity(table, c) ? &connection_rarity(c)->probed : NULL;

	if (!probed)
		return;
	if (!probed->count || probed->from != from || probed->edge != edge)
		*probed = (struct window_probes){.edge = edge, .from = (uint8_t)from};
	probed->count += probed->count < UINT16_MAX;
}

/* Notes whether nothing more is due; true when this has just become so. */
static bool note_settled(struct connection *c)
{
	const struct history *h = connection_kept(c).history;
	uint32_t is = 0, was = c->entry.bits;

	if (h && history_closed(h))
		is |= CONN_CLOSED | CONN_SETTLED;
	if (h && h->first_reset >= 0)
		is |= CONN_SETTLED;
	c->entry.bits = (was & ~(uint32_t)(CONN_CLOSED | CONN_SETTLED)) | is;
	return is & ~was & CONN_SETTLED;
}

/* ---- segments ---- */

/* A copy of a reset has passed a router; with the same TTL, and no identification that says otherwise, there were two. */
static bool is_reset_again(const struct connection *c, const struct tcpaudit_segment *s, unsigned from)
{
	const struct history *h = connection_kept(c).history;
	const bool outbound = s->noticed & TCPAUDIT_SAW_OUTBOUND;

	if (!(s->flags & TCPAUDIT_RST) || s->ip_id)
		return false;
	for (int i = h ? h->count - 1 : -1; i >= 0; i--)
		if (h->event[i].from == from && h->event[i].flags & TCPAUDIT_RST)
			return h->event[i].ttl == s->ttl && outbound == !!(h->event[i].is & EVENT_OUTBOUND);
	return false;
}

static struct taken take(struct connection *c, struct flow_table *table, struct tcpaudit_segment *s, unsigned from, bool verify)
{
	if (c->entry.bits & CONN_BRIEF)
		connection_begin_history(c, table, 0);
	struct tcb *tcb = &c->end[from], *peer = &c->end[!from];
	int64_t since = c->last_from[from] == INT64_MIN ? INT64_MAX : s->time - c->last_from[from];
	struct sent sent = tcb_judge(tcb, connection_rare(c, from), peer, s, since < 0 ? INT64_MAX : since);
	bool odd = c->entry.bits & (CONN_FIN | CONN_RST) || s->flags & (TCPAUDIT_FIN | TCPAUDIT_RST);
	bool control = s->flags & (TCPAUDIT_SYN | TCPAUDIT_FIN | TCPAUDIT_RST);

	if (sent.duplicate && is_reset_again(c, s, from))
		sent.duplicate = false;
	if (sent.duplicate && since <= DUPLICATE_WITHIN) {
		keep_copy(c, table, s, from);
		c->entry.capture |= s->input != c->entry.input ? CAPTURE_DUPLICATE | CAPTURE_MULTI_IF : CAPTURE_DUPLICATE;
		return (struct taken){.unusable = TCPAUDIT_UNUSABLE_DUPLICATE};
	}
	if (tcb_needs_rare(tcb, s, &sent))
		flow_rarity(table, c);
	if (checksum_refused(c, s, from, verify, odd || control || !sent.fits || sent.ack_unsent)) {
		tcb_sent(tcb, connection_rare(c, from), peer, s, &sent, false);
		return (struct taken){.unusable = TCPAUDIT_UNUSABLE_CHECKSUM};
	}
	if (handshake_choose(c, table, s, from))
		sent = tcb_judge(tcb, connection_rare(c, from), peer, s, since < 0 ? INT64_MAX : since);
	note_capture(c, s, from, &sent);
	unsigned unusual = unusual_possible(c, s, from, &sent) ? unusual_segment(c, s, from, &sent) : 0;
	unusual |= series_unusual(c, table, s, from, &sent);
	if (!sent.fits && !control) {
		if (resynchronise(c, table, s, from))
			sent = tcb_judge(tcb, connection_rare(c, from), peer, s, INT64_MAX);
	}
	bool syn = s->flags & TCPAUDIT_SYN && !(s->flags & (TCPAUDIT_RST | TCPAUDIT_FIN));
	bool fits = sent.fits && !(s->flags & TCPAUDIT_SYN && s->flags & (TCPAUDIT_RST | TCPAUDIT_FIN));
	if (syn && tcb->bits & TCB_SEQ && s->seq != tcb->iss) {
		sent.fits = fits = false; /* another ISS: it proves nothing of this incarnation, unless its receiver goes by it */
		handshake_other_syn(c, table, s, from);
	}
	if (unusual & UNUSUAL_SYN_ACK_NUMBER && !(tcb->bits & TCB_SEQ))
		sent.fits = fits = false; /* its sender's ISS is not known by it: it may answer an older SYN */
	if (syn && fits && !(tcb->bits & TCB_SEQ))
		tcb_open(tcb, s);
	bool opened = syn && fits && !connection_heard(c, from);
	if (opened)
		tcb->bits &= ~(uint32_t)TCB_ISS; /* handshake_syn() asks whether it is the first */
	if (syn && fits)
		handshake_syn(c, table, s, from, &odd);
	if (syn && connection_kept(c).history)
		odd = true;
	if (opened)
		tcb->bits |= TCB_ISS;
	else if (syn && fits && !(tcb->bits & TCB_TS) != !(s->options & TCPAUDIT_OPT_TIMESTAMPS))
		tcb->bits |= TCB_TS_VARIES;
	bool marked_now = !control || s->flags & TCPAUDIT_FIN ? handshake_ack(c, table, s, from, &sent) : false;
	if (sent.ack_unsent && fits && !control)
		fill_gap(c, table, s, from);
	if (peer->bits & TCB_HOLE && fits && s->flags & TCPAUDIT_ACK && !control &&
	    tcb_passes_holes(peer, connection_rare(c, !from), s->ack)) {
		peer->bits |= TCB_GAP; /* it arrived: the capture missed it */
		c->entry.capture |= CAPTURE_GAP_ACKED;
	}
	if ((unusual || c->entry.bits & CONN_ATTENTION) && has_attention(c, unusual))
		odd = true;
	if (unusual & (UNUSUAL_ACK_REGRESS | UNUSUAL_SACK | UNUSUAL_SACK_UNASKED))
		keep_odd_numbers(c, table, s, from, unusual);
	if (odd || (marked_now && connection_kept(c).history))
		keep_event(c, table, s, from, &sent, marked_now && from == TCPAUDIT_SERVER ? EVENT_NEW_TEXT : 0, unusual);
	uint32_t fresh = fits && sent.new_text && !(s->flags & TCPAUDIT_RST) ? sent.fresh : 0;
	count_unanswered(c, table, from, &sent);
	if (sent.probe && peer->bits & TCB_ZERO_WINDOW)
		count_window_probe(c, table, from);
	tcb_sent(tcb, connection_rare(c, from), peer, s, &sent, fits);
	if (s->flags & TCPAUDIT_FIN && fits && !(s->flags & (TCPAUDIT_RST | TCPAUDIT_SYN)))
		c->entry.bits |= CONN_FIN;
	if (s->flags & TCPAUDIT_RST)
		c->entry.bits |= CONN_RST;
	if (s->len && fits)
		c->entry.bits |= CONN_DATA;
	if (s->options & TCPAUDIT_OPT_MP_FASTCLOSE)
		c->entry.bits |= CONN_MP_FASTCLOSE;
	if (s->flags & TCPAUDIT_ACK && !control && !(unusual & UNUSUAL_TO_SYN_SENT))
		c->entry.bits |= CONN_ACK;
	if (s->time > c->last_from[from])
		c->last_from[from] = s->time;
	return (struct taken){.settles = note_settled(c), .fresh = fresh};
}

#ifdef TCPAUDIT_BOTH_WAYS
#include <assert.h>

static void *copy_of(const void *p, size_t size)
{
	void *copy = p ? malloc(size) : NULL;

	assert(!p == !copy);
	return copy ? memcpy(copy, p, size) : NULL;
}

/* The same connection, with a rarity and a history of its own.  False: there is no memory for it. */
static bool duplicate(const struct connection *c, struct flow_table *table, struct connection *copy)
{
	const struct history *own = connection_kept(c).history;

	memcpy(copy, c, sizeof *copy);
	copy->kept.history = NULL;
	copy->entry.bits &= ~(uint32_t)(CONN_BRIEF | CONN_RARE);
	if (c->entry.bits & CONN_RARE) {
		if (!flow_rarity(table, copy))
			return false;
		memcpy(copy->kept.rarity, c->kept.rarity, sizeof *c->kept.rarity);
		connection_keep(copy, (union kept){.history = NULL});
	}
	if (c->entry.bits & CONN_BRIEF) {
		if (!flow_brief_new(table, copy))
			return false;
		memcpy(connection_kept(copy).brief, connection_kept(c).brief, sizeof(struct brief));
	} else if (own) {
		struct history *h = flow_history_new(table);
		if (!h)
			return false;
		connection_keep(copy, (union kept){.history = h});
		memcpy(h, own, sizeof *h);
		h->event = own->event == own->inside ? h->inside : copy_of(own->event, h->room * sizeof *h->event);
		h->former = copy_of(own->former, sizeof *h->former);
		h->before_reset = copy_of(own->before_reset, sizeof *h->before_reset);
		flow_account(table, (int64_t)history_memory(h));
	}
	return true;
}

static void compare_histories(const struct history *a, const struct history *b)
{
	const size_t facts = offsetof(struct history, count), pointers = offsetof(struct history, before_reset);

	assert(!a == !b);
	if (!a)
		return;
	assert(a->count == b->count && !memcmp(a->event, b->event, a->count * sizeof *a->event));
	assert(!memcmp((const char *)a + facts, (const char *)b + facts, pointers - facts));
	assert(a->seen == b->seen);
}

static void compare(const struct connection *c, struct flow_table *table, struct connection *other)
{
	struct connection copy;

	if (duplicate(c, table, &copy)) {
		if (copy.entry.bits & CONN_BRIEF)
			connection_begin_history(&copy, table, 0);
		if (!connection_kept(&copy).history == !connection_kept(other).history) /* unless memory ended in between */
			compare_histories(connection_kept(&copy).history, connection_kept(other).history);
	}
	flow_history_drop(table, &copy);
	flow_history_drop(table, other);
	assert(!connection_rarity(&copy) == !connection_rarity(other));
	assert(!connection_rarity(&copy) || !memcmp(copy.kept.rarity, other->kept.rarity, sizeof *copy.kept.rarity));
	flow_strip(table, &copy);
	flow_strip(table, other);
	assert(memcmp(&copy, other, sizeof copy) == 0);
}

/* For tests: the short way must lead where the long way does. */
struct taken connection_take(struct connection *c, struct flow_table *table, struct tcpaudit_segment *s, unsigned from,
                             bool verify)
{
	struct connection other;
	struct tcpaudit_segment same = *s;

	if (!duplicate(c, table, &other)) {
		flow_strip(table, &other);
		return take(c, table, s, from, verify);
	}
	struct taken taken = take(&other, table, s, from, verify);
	if (plain_take(c, table, &same, from, verify)) {
		assert(!taken.unusable && taken.fresh == s->len && taken.settles == !!(c->entry.bits & CONN_SETTLED));
		compare(c, table, &other);
		return taken;
	}
	flow_strip(table, c);
	memcpy(c, &other, sizeof other);
	return taken;
}
#else
struct taken connection_take(struct connection *c, struct flow_table *table, struct tcpaudit_segment *s, unsigned from,
                             bool verify)
{
	if (plain_take(c, table, s, from, verify))
		return (struct taken){.fresh = s->len, .settles = c->entry.bits & CONN_SETTLED};
	return take(c, table, s, from, verify);
}
#endif
