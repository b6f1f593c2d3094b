/* rst-: resets.  See rows.h. */
/* clang-format off */
CHECK("rst-out-of-window", rst_out_of_window, ODD, NOTE, RISK, CONTRADICTION, ABSENCE, "reset outside the receiver's window", "RFC 9293 3.5.3; RFC 9293 3.10.7.4", "must be ignored; a late reset, or a blind attack")
/* clang-format on */
