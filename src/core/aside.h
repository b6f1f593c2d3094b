/* aside.h - what few segments need, and what every segment's path is better kept free of.
 *
 * A compiler that takes all of it into one function saves and restores more registers for each segment, and has fewer left. */
#ifndef ASIDE_H
#define ASIDE_H

#define ASIDE __attribute__((noinline))

#endif
