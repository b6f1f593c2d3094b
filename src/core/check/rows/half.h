/* half-: half-close.  See rows.h. */
/* clang-format off */
CHECK("half-close-used", half_close_used, ANY, INFO, INFO, CONTRADICTION, PRESENCE, "text flows towards the end that has closed", "RFC 9293 3.6.1", "")
/* clang-format on */
