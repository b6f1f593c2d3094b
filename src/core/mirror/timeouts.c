/* timeouts.c - RFC 9293 3.10.8, and the timers that stacks have beyond it: transitions that no segment shows. */
#include "mirror.h"

/* 3.10.8; and 3.10.4 CLOSE and 3.10.5 ABORT where they are silent, in SYN-SENT. */
enum tcpaudit_state timeout_to(enum tcpaudit_state state)
{
	switch (state) {
	case TCPAUDIT_CLOSED:
	case TCPAUDIT_LISTEN:
		return state;
	case TCPAUDIT_SYN_SENT:     /* USER TIMEOUT, R2 */
	case TCPAUDIT_SYN_RECEIVED: /* ... a passive open returns to LISTEN in some stacks; no segment tells */
	case TCPAUDIT_ESTABLISHED:  /* USER TIMEOUT: all queues flushed */
	case TCPAUDIT_FIN_WAIT_1:   /* orphan limit */
		return TCPAUDIT_CLOSED;
	case TCPAUDIT_FIN_WAIT_2: /* no timer in the RFC; Linux 60 s, FreeBSD 600 s, Solaris 675 s once the reader is gone */
		return TCPAUDIT_CLOSED;
	case TCPAUDIT_CLOSE_WAIT:
	case TCPAUDIT_CLOSING:
	case TCPAUDIT_LAST_ACK:
		return TCPAUDIT_CLOSED;
	case TCPAUDIT_TIME_WAIT: /* TIME-WAIT TIMEOUT: 2 MSL */
		return TCPAUDIT_CLOSED;
	case TCPAUDIT_STATE_COUNT:
		break;
	}
	return state;
}
