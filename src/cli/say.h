/* say.h - what is said on standard error. */
#ifndef SAY_H
#define SAY_H

/* One line, behind the program's name, whatever is in it: control characters, and octets that are no UTF-8, stand as `?`. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
