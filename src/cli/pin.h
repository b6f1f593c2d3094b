/* pin.h - the processors on which workers stay (--pin). */
#ifndef PIN_H
#define PIN_H

#include <stdbool.h>
#include <stddef.h>

#define PIN_MOST 1024 /* processors, by the kernel's numbers */

struct pin {
	size_t count; /* 0: workers go where the kernel puts them */
	int processor[PIN_MOST];
};

/* "auto": all that this process may use, by number; or a list like 0,2,4-7, in its order.  NULL if it is good, else what is wrong
 * with it. */
const char *pin_parse(const char *text, struct pin *pin);

/* Keeps the calling thread on the processor of worker i. */
void pin_worker(const struct pin *pin, size_t i);

#endif
