/* values.h - numbers, sizes, times and words as they are written on a command line. */
#ifndef VALUES_H
#define VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* Each returns false if the text is anything else. */
bool value_number(const char *text, uint64_t *number);

/* 4096, 512K, 256M, 2GiB; a bare number counts in `unit` bytes. */
bool value_size(const char *text, uint64_t unit, uint64_t *bytes);

/* 30, 30s, 1.5s, 250ms, 5m, 2h; a bare number counts seconds. */
bool value_duration(const char *text, int64_t *ns);

/* One of the words, a list that NULL ends, as its index. */
bool value_word(const char *text, const char *const *words, uint8_t *index);

#endif
