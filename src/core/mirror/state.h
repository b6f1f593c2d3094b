/* state.h - the eleven states of RFC 9293 3.3.2 as sets of bits. */
#ifndef STATE_H
#define STATE_H

#include <tcpaudit/connection.h>

typedef tcpaudit_state_set state_set;

#define SET(state) ((state_set)(1u << TCPAUDIT_##state))

enum {
	NO_STATE = 0,
	/* RFC 9293 3.5.2: the states that are synchronized */
	SYNCHRONIZED = 1 << TCPAUDIT_ESTABLISHED | 1 << TCPAUDIT_FIN_WAIT_1 | 1 << TCPAUDIT_FIN_WAIT_2 |
	               1 << TCPAUDIT_CLOSE_WAIT | 1 << TCPAUDIT_CLOSING | 1 << TCPAUDIT_LAST_ACK | 1 << TCPAUDIT_TIME_WAIT,
	ALL_STATES = (1 << TCPAUDIT_STATE_COUNT) - 1,
	/* the end has sent its FIN */
	FIN_SENT = 1 << TCPAUDIT_FIN_WAIT_1 | 1 << TCPAUDIT_FIN_WAIT_2 | 1 << TCPAUDIT_CLOSING | 1 << TCPAUDIT_LAST_ACK |
	           1 << TCPAUDIT_TIME_WAIT,
	/* ... and knows that it was acknowledged */
	FIN_ACKED = 1 << TCPAUDIT_FIN_WAIT_2 | 1 << TCPAUDIT_TIME_WAIT,
	/* the end has accepted the peer's FIN */
	FIN_RECEIVED = 1 << TCPAUDIT_CLOSE_WAIT | 1 << TCPAUDIT_CLOSING | 1 << TCPAUDIT_LAST_ACK | 1 << TCPAUDIT_TIME_WAIT,
};

static inline bool state_in(enum tcpaudit_state state, state_set set)
{
	return set >> state & 1;
}

#endif
