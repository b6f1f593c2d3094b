/* data-: sequence discipline.  See rows.h. */
/* clang-format off */
CHECK("data-no-ack-flag", data_no_ack_flag, UNUSUAL, ERROR, TEXT, SEGMENT, PRESENCE, "segment of an open connection without the ACK bit", "RFC 9293 3.1; RFC 9293 3.10.7.4", "its receiver must drop it; scanners send such segments")
CHECK("data-ack-unsent", data_ack_unsent, UNUSUAL, ERROR, TEXT, CONTRADICTION, ABSENCE, "acknowledges text that its peer has not sent", "RFC 9293 3.4; RFC 9293 3.10.7.4", "the peer answers with its own SND.NXT; without that answer the capture missed the text")
CHECK("data-ts-missing", data_ts_missing, UNUSUAL, ERROR, MUST, CONTRADICTION, PRESENCE, "segment without the timestamps that both ends agreed on", "RFC 7323 3.2", "a box that strips options, or an injected segment: compare TTL and IP identification")
CHECK("data-ts-regress", data_ts_regress, UNUSUAL, ERROR, TEXT, CONTRADICTION, PRESENCE, "newer text with an older timestamp", "RFC 7323 5.2; RFC 7323 5.4", "a load balancer that moved the connection to another host looks like this")
CHECK("data-ack-regress", data_ack_regress, UNUSUAL, ERROR, TEXT, CONTRADICTION, PRESENCE, "acknowledges less than it had before", "RFC 9293 3.10.7.4", "a load balancer that moved the connection to another host looks like this")
CHECK("data-sack-invalid", data_sack_invalid, UNUSUAL, ERROR, MUST, CONTRADICTION, PRESENCE, "SACK block that cannot be, or that nobody permitted", "RFC 2018 3; RFC 2018 4; RFC 2883 4", "a firewall that rewrites sequence numbers, but not in SACK blocks")
CHECK("data-keepalive-outstanding", data_keepalive_outstanding, UNUSUAL, ERROR, MUST, CONTRADICTION, ABSENCE, "keep-alive while text waits for its acknowledgment", "RFC 9293 3.8.4", "the acknowledgment may have come by another way")
CHECK("data-rto-backoff", data_rto_backoff, UNUSUAL, ERROR, MUST, TIME, ABSENCE, "repeats text at even intervals", "RFC 9293 3.8.1; RFC 6298 5.5", "MUST-19: the timeout doubles; see what the end's retransmission timer is set to")
CHECK("data-ack-storm", data_ack_storm, UNUSUAL, WARNING, RISK, CONTRADICTION, PRESENCE, "acknowledgments answer each other, and nothing moves", "RFC 1337 2; RFC 5961 7", "the ends do not agree on their numbers: look for a box that rewrites them, or an injected segment")
CHECK("data-keepalive-giveup", data_keepalive_giveup, RESET, ERROR, MUST, ABSENCE, ABSENCE, "resets after one keep-alive without an answer", "RFC 9293 3.8.4", "MUST-29: keep-alives may be lost; look at the number of probes that it is set to")
CHECK("data-r2-early", data_r2_early, RESET, WARNING, SHOULD, ABSENCE, ABSENCE, "gives text up by a reset before it was repeated for long", "RFC 9293 3.8.3", "its user may have aborted: ask the application's timeouts")
CHECK("data-zwp-abort", data_zwp_abort, RESET, ERROR, MUST, REACTION, ABSENCE, "resets although its window probes are answered", "RFC 9293 3.8.6.1", "its user may have aborted; the other end does not read: see ss -m there")
/* clang-format on */
