/* tw-: TIME-WAIT.  See rows.h. */
/* clang-format off */
CHECK("tw-holder", tw_holder, ANY, INFO, INFO, CONTRADICTION, PRESENCE, "which end holds TIME-WAIT", "RFC 9293 3.6", "")
CHECK("tw-early-gone", tw_early_gone, ODD, ERROR, MUST, REACTION, ABSENCE, "TIME-WAIT left before 2MSL: answers an old segment with a reset", "RFC 9293 3.6.1; RFC 9293 3.10.7.4", "look whether a firewall answers in its place, or the host restarted")
/* clang-format on */
