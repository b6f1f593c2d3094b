/* tw-: TIME-WAIT.  See rows.h. */
/* clang-format off */
CHECK("tw-holder", tw_holder, FIN, INFO, INFO, CONTRADICTION, PRESENCE, "which end holds TIME-WAIT", "RFC 9293 3.6", "")
CHECK("tw-early-gone", tw_early_gone, ODD, ERROR, MUST, REACTION, ABSENCE, "TIME-WAIT left before 2MSL: answers an old segment with a reset", "RFC 9293 3.6.1; RFC 9293 3.10.7.4", "look whether a firewall answers in its place, or the host restarted")
CHECK("tw-refin-silent", tw_refin_silent, ODD, ERROR, TEXT, ABSENCE, ABSENCE, "repeated FIN left unanswered in TIME-WAIT", "RFC 9293 3.10.7.4", "a firewall or NAT may have forgotten the connection")
CHECK("tw-active-reopen", tw_active_reopen, FORMER, ERROR, MUST, CONTRADICTION, ABSENCE, "opens again from TIME-WAIT before 2MSL", "RFC 9293 3.10.1; RFC 9293 3.6.1", "MUST-13; tcp_tw_reuse does so with timestamps as protection, and several hosts behind one NAT look like it")
CHECK("tw-accept-ok", tw_accept_ok, FORMER, INFO, INFO, CONTRADICTION, PRESENCE, "new SYN taken in TIME-WAIT, as it may be", "RFC 6191 2; RFC 9293 3.6.1", "")
CHECK("tw-accept-unsafe", tw_accept_unsafe, FORMER, WARNING, SHOULD, CONTRADICTION, ABSENCE, "SYN taken in TIME-WAIT with neither a newer timestamp nor a higher number", "RFC 6191 2; RFC 9293 3.10.7.4", "TIME-WAIT may have been left before, or another backend answered")
CHECK("tw-accept-isn-low", tw_accept_isn_low, FORMER, ERROR, MUST, CONTRADICTION, ABSENCE, "takes a SYN in TIME-WAIT with an ISS below the old sequence space", "RFC 9293 3.6.1; RFC 1122 4.2.2.13", "MAY-2 asks for a higher one")
CHECK("tw-syn-rejected", tw_syn_rejected, FORMER, INFO, INFO, REACTION, ABSENCE, "SYN not taken in TIME-WAIT", "RFC 6191 2; RFC 9293 3.10.7.4", "")
CHECK("tw-assassination", tw_assassination, RESET, NOTE, RISK, CONTRADICTION, PRESENCE, "TIME-WAIT exposed to a reset that its own ACK called for", "RFC 1337 1", "Linux ignores such resets with tcp_rfc1337")
CHECK("tw-avoid-rst", tw_avoid_rst, RESET, NOTE, RISK, CONTRADICTION, ABSENCE, "reset in place of the last ACK: TIME-WAIT skipped", "RFC 9293 3.6.1", "the other end cannot tell that its FIN was received")
CHECK("tw-port-pressure", tw_port_pressure, FIN, NOTE, RISK, TIME, PRESENCE, "so many TIME-WAITs towards one service that ports run out", "RFC 9293 3.6.1", "let the server close first, or keep connections open and use them again")
CHECK("tw-after-rst", tw_after_rst, FORMER, INFO, INFO, CONTRADICTION, PRESENCE, "who reset opens the same socket pair again at once", "RFC 9293 3.5.2", "")
/* clang-format on */
