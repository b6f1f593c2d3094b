/* data-: sequence discipline, as far as judging a close needs it.  See rows.h. */
/* clang-format off */
/* clang-format on */
