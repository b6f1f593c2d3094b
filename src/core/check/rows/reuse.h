/* reuse-: incarnations of one socket pair.  See rows.h. */
/* clang-format off */
CHECK("reuse-interval", reuse_interval, FORMER, INFO, INFO, CONTRADICTION, PRESENCE, "socket pair used again", "RFC 9293 3.4.1; RFC 9293 3.6.1", "")
CHECK("reuse-early", reuse_early, FORMER, NOTE, RISK, CONTRADICTION, ABSENCE, "socket pair used again within 2MSL, without timestamps to tell old segments", "RFC 9293 3.4.3; RFC 6191 2", "delayed segments of the connection before may be taken for this one's")
CHECK("reuse-while-open", reuse_while_open, FORMER, NOTE, RISK, CONTRADICTION, ABSENCE, "new SYN on a connection that was never seen closing", "RFC 9293 3.5.1", "the client may have crashed, or a NAT given its port to another host")
CHECK("reuse-isn-regress", reuse_isn_regress, FORMER, NOTE, RISK, CONTRADICTION, PRESENCE, "new ISS is not ahead of the old sequence space", "RFC 9293 3.4.1", "MUST-8, SHLD-1; with random numbers old segments can fit the new connection")
CHECK("reuse-ts-regress", reuse_ts_regress, FORMER, NOTE, RISK, CONTRADICTION, PRESENCE, "new SYN with an older timestamp than the connection before", "RFC 6191 2; RFC 7323 5.2", "TIME-WAIT drops it, or makes it come again; several hosts behind one NAT do this")
CHECK("reuse-tw-isn", reuse_tw_isn, FORMER, INFO, INFO, CONTRADICTION, PRESENCE, "ISS shows that Linux recycled a TIME-WAIT socket", "RFC 6191 2", "")
CHECK("reuse-old-segment", reuse_old_segment, UNUSUAL, NOTE, RISK, CONTRADICTION, PRESENCE, "text of the connection before appears in the new one", "RFC 9293 3.4.3; RFC 1337 2", "")
CHECK("reuse-old-data-accepted", reuse_old_data_accepted, UNUSUAL, NOTE, RISK, CONTRADICTION, ABSENCE, "acknowledges text of the connection before", "RFC 1337 2.1; RFC 7323 5.3", "text of the old connection may have been delivered in the new one")
CHECK("reuse-syn-stalled", reuse_syn_stalled, FORMER, NOTE, RISK, ABSENCE, ABSENCE, "SYN answered only when the old TIME-WAIT was over", "RFC 6191 2", "its timestamps or its ISS were not newer: the host dropped it")
/* clang-format on */
