/* reuse-: incarnations of one socket pair.  See rows.h. */
/* clang-format off */
/* clang-format on */
