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

/* Both SYNs are there: which options count.  One does only if both carried it. */
void handshake_agree_options(struct connection *c);

#endif
