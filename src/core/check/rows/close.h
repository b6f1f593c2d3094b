/* close-: the orderly close as a whole.  See rows.h. */
/* clang-format off */
CHECK("close-orderly", close_orderly, FIN, INFO, INFO, CONTRADICTION, PRESENCE, "both FINs consumed", "RFC 9293 3.6", "")
CHECK("close-simultaneous", close_simultaneous, FIN, INFO, INFO, CONTRADICTION, PRESENCE, "both ends closed at once", "RFC 9293 3.6", "")
CHECK("close-simul-ack-missing", close_simul_ack_missing, ODD, ERROR, TEXT, ABSENCE, ABSENCE, "FIN of a simultaneous close is never acknowledged", "RFC 9293 3.10.7.4", "")
CHECK("close-final-ack-missing", close_final_ack_missing, ODD, ERROR, TEXT, ABSENCE, ABSENCE, "second FIN is never acknowledged", "RFC 9293 3.10.7.4", "a firewall may have dropped the connection after the first FIN")
CHECK("close-last-ack-stuck", close_last_ack_stuck, ODD, NOTE, RISK, ABSENCE, ABSENCE, "stays in LAST-ACK, repeating its FIN", "RFC 9293 3.10.8", "")
CHECK("close-wait-leak", close_wait_leak, ODD, NOTE, RISK, TIME, ABSENCE, "in CLOSE-WAIT for long without sending anything", "RFC 9293 3.6", "the application has not closed its socket: see ss -o state close-wait")
CHECK("close-reads-abandoned", close_reads_abandoned, ODD, INFO, INFO, CONTRADICTION, ABSENCE, "closes without acknowledging all that came", "RFC 9293 3.6.1", "")
CHECK("close-data-lost", close_data_lost, RESET, NOTE, RISK, CONTRADICTION, ABSENCE, "text was not acknowledged when the connection died", "RFC 9293 3.10.7.4; RFC 9293 3.10.5", "whether it was delivered, only the application knows")
CHECK("close-rexmit-abandoned", close_rexmit_abandoned, ODD, ERROR, TEXT, ABSENCE, ABSENCE, "text before its FIN is missing and not sent again", "RFC 9293 3.6; RFC 9293 3.8", "")
CHECK("close-closed-silent", close_closed_silent, RESET, INFO, INFO, ABSENCE, ABSENCE, "segments to a closed end got no reset", "RFC 9293 3.10.7.1", "")
CHECK("close-icmp-soft-abort", close_icmp_soft_abort, RESET, ERROR, MUST, REACTION, ABSENCE, "aborts right after a soft ICMP error", "RFC 9293 3.9.2.2", "MUST-56: it is a hint, no reason to abort")
CHECK("close-mptcp-subflow", close_mptcp_subflow, LOOSE, INFO, INFO, SEGMENT, PRESENCE, "FIN closes a subflow of an MPTCP connection", "RFC 8684 3.3.3", "")
CHECK("close-mptcp-fastclose", close_mptcp_fastclose, UNUSUAL, INFO, INFO, SEGMENT, PRESENCE, "whole MPTCP connection aborted by fast close", "RFC 8684 3.5", "")
/* clang-format on */
