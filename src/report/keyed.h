/* keyed.h - hashes under a secret key, for tables whose entries the network names: nobody can aim at a place in them. */
#ifndef KEYED_H
#define KEYED_H

#include <stdint.h>

/* Takes one more word into a hash, which begins with the key. */
static inline uint64_t keyed_mix(uint64_t hash, uint64_t word)
{
	unsigned __int128 product = (unsigned __int128)(hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
