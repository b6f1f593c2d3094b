/* data-: sequence discipline, as far as judging a close needs it.  See rows.h. */
/* clang-format off */
CHECK("data-no-ack-flag", data_no_ack_flag, UNUSUAL, ERROR, TEXT, SEGMENT, PRESENCE, "segment of an open connection without the ACK bit", "RFC 9293 3.1; RFC 9293 3.10.7.4", "its receiver must drop it; scanners send such segments")
CHECK("data-ack-unsent", data_ack_unsent, UNUSUAL, ERROR, TEXT, CONTRADICTION, ABSENCE, "acknowledges text that its peer has not sent", "RFC 9293 3.4; RFC 9293 3.10.7.4", "the peer answers with its own SND.NXT; without that answer the capture missed the text")
CHECK("data-ts-missing", data_ts_missing, UNUSUAL, ERROR, MUST, CONTRADICTION, PRESENCE, "segment without the timestamps that both ends agreed on", "RFC 7323 3.2", "a box that strips options, or an injected segment: compare TTL and IP identification")
CHECK("data-ts-regress", data_ts_regress, UNUSUAL, ERROR, TEXT, CONTRADICTION, PRESENCE, "newer text with an older timestamp", "RFC 7323 5.2; RFC 7323 5.4", "a load balancer that moved the connection to another host looks like this")
/* clang-format on */
