/* silence.h - repeated FINs that nobody acknowledged again. */
#ifndef SILENCE_H
#define SILENCE_H

#include "check.h"

/* Claims against the peer of `x` that it left at least two repeats of x's FIN without the ACK that it had given before. */
void claim_silence(struct judging *j, unsigned x);

#endif
