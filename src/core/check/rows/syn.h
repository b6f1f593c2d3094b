/* syn-: connection setup.  See rows.h. */
/* clang-format off */
/* clang-format on */
