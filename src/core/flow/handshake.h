/* handshake.h - what the segments of a handshake say of their connection: its marks, how long they took, what the ends agreed
 * on. */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

#include "connection.h"

/* A SYN or SYN-ACK whose numbers fit.  `odd`: true when it disturbs the handshake. */
void handshake_syn(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from, bool *odd);

/* True: it is the first acknowledgment of the server's SYN, or the server's first segment that shows progress behind it (E3,
 * E4). */
bool handshake_ack(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from,
                   const struct sent *sent);

/* A SYN or SYN-ACK with another ISS than its sender had before.  Several hosts behind one address, or one that keeps no state (RFC 4987
 * 3.6), may answer a SYN that was repeated each with a number of their own. */
void handshake_other_syn(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from);

/* Does the segment show that this one was taken, since the one before was lost?  Then it is the server's from now on, and what was
 * held against the other numbers is to be judged again. */
bool handshake_choose(struct connection *c, struct flow_table *table, const struct tcpaudit_segment *s, unsigned from);

/* Both SYNs are there: which options count.  One does only if both carried it. */
void handshake_agree_options(struct connection *c);

#endif
