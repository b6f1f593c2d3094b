/* dialogue_frame.h - a segment of a dialogue, and the frame it becomes. */
#ifndef DIALOGUE_FRAME_H
#define DIALOGUE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARTY_A, PARTY_B, PARTY_ROUTER }; /* the client, the server, and a router that sends ICMP */

enum checksum { CHECKSUM_GOOD, CHECKSUM_BAD, CHECKSUM_PARTIAL };

#define PACKET_MAX (66 * 1024)

struct packet {
	unsigned from; /* PARTY_ */
	unsigned to;   /* PARTY_A or PARTY_B */
	bool ipv6;
	bool self;      /* B has A's address */
	bool multicast; /* B has a multicast address */
	bool reserved;  /* B has one of 240.0.0.0/4 */
	bool ethernet;  /* an Ethernet header in front, with a VLAN tag if vlan is not 0 */
	uint16_t vlan;
	uint16_t place; /* where it was captured, of several: an input */
	uint8_t ttl;
	uint16_t id;
	uint16_t port[2]; /* of A and of B */
	uint16_t flags;   /* TCPAUDIT_FIN ... */
	uint32_t seq;     /* numbers as on the wire */
	uint32_t ack;
	uint32_t len;
	bool bulk; /* the text, and with it the checksum, is not made: the capture does not have it */
	uint16_t window;
	uint8_t option[40]; /* padded to a multiple of four */
	uint8_t option_len;
	enum checksum checksum;
	bool icmp; /* an ICMP error that quotes a segment of `to` with number `seq` */
	uint8_t icmp_type;
	uint8_t icmp_code;
	bool silence; /* a UDP datagram, which shows that the capture goes on */
};

/* Writes the frame into `frame`, PACKET_MAX octets, and returns its length. */
size_t packet_frame(const struct packet *packet, uint8_t *frame);

/* The address of A or B: 4 or 16 octets. */
void packet_address(unsigned party, bool ipv6, uint8_t *address);

#endif
