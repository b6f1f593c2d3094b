/* close-: the orderly close as a whole.  See rows.h. */
/* clang-format off */
CHECK("close-orderly", close_orderly, ANY, INFO, INFO, CONTRADICTION, PRESENCE, "both FINs consumed", "RFC 9293 3.6", "")
CHECK("close-simultaneous", close_simultaneous, ANY, INFO, INFO, CONTRADICTION, PRESENCE, "both ends closed at once", "RFC 9293 3.6", "")
/* clang-format on */
