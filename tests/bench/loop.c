/* loop.c - the bare libpcap loop as a program, to hold the audit's time against.  Prints how many packets it read. */
#include <inttypes.h>

#include "loop.h"

int main(int argc, char **argv)
{
	uint64_t packets;

	if (argc != 2) {
		fputs("usage: loop FILE\n", stderr);
		return 2;
	}
	if (!read_bare(argv[1], &packets))
		return 1;
	printf("%" PRIu64 "\n", packets);
	return 0;
}
