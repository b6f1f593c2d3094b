/* half-: half-close.  See rows.h. */
/* clang-format off */
CHECK("half-close-used", half_close_used, FIN, INFO, INFO, CONTRADICTION, PRESENCE, "text flows towards the end that has closed", "RFC 9293 3.6.1", "")
CHECK("half-data-reset", half_data_reset, RESET, NOTE, RISK, REACTION, PRESENCE, "answers text behind its FIN with a reset", "RFC 9293 3.6.1; RFC 9293 3.10.7.4", "nobody read any more (SHLD-3): the bytes are lost")
CHECK("half-data-ignored", half_data_ignored, ODD, ERROR, TEXT, ABSENCE, ABSENCE, "text behind its FIN is neither acknowledged nor reset", "RFC 9293 3.10.7.4", "a NAT or firewall may have forgotten the half-closed connection")
CHECK("half-zero-window-hang", half_zero_window_hang, ODD, WARNING, SHOULD, TIME, ABSENCE, "keeps its window closed after its FIN", "RFC 9293 3.6.1; RFC 2525 2.17", "if nobody reads any more, a reset is due (SHLD-3)")
CHECK("half-finwait2-timeout", half_finwait2_timeout, RESET, INFO, INFO, REACTION, PRESENCE, "FIN-WAIT-2 was given up: what comes later is reset", "RFC 9293 3.6", "")
CHECK("half-late-fin-reset", half_late_fin_reset, RESET, ERROR, TEXT, REACTION, ABSENCE, "answers the other end's FIN with a reset", "RFC 9293 3.10.7.4", "FIN-WAIT-2 must take it; but a host that lost its state, and a firewall that rejects there, answer so: look for its rules, a restart, a failover, or a FIN-WAIT-2 cut short (tcp_fin_timeout, TCP_LINGER2, tcp_max_tw_buckets)")
CHECK("half-rst-in-close-wait", half_rst_in_close_wait, RESET, NOTE, RISK, CONTRADICTION, ABSENCE, "resets in CLOSE-WAIT instead of closing", "RFC 9293 3.10.5", "unread text at close, or SO_LINGER 0")
CHECK("half-path-cut", half_path_cut, ODD, NOTE, RISK, ABSENCE, ABSENCE, "half-closed connection goes dead after a silence", "RFC 5382 5", "compare the silence with half-close timers of NATs and firewalls on the way")
/* clang-format on */
