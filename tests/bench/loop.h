/* loop.h - what merely reading a capture costs: a bare loop over libpcap, which looks at one octet of each packet. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static inline bool read_bare(const char *path, uint64_t *packets)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	struct pcap_pkthdr *header;
	const u_char *data;
	volatile u_char seen;

	if (pcap == NULL) {
		fprintf(stderr, "%s\n", error);
		return false;
	}
	for (*packets = 0; pcap_next_ex(pcap, &header, &data) == 1; ++*packets)
		if (header->caplen > 0)
			seen = data[header->caplen > 40 ? 40 : 0];
	(void)seen;
	pcap_close(pcap);
	return true;
}

#endif
