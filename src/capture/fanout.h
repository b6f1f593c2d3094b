/* fanout.h - which of several workers gets a frame: a program that the kernel runs for each.
 *
 * The kernel's own hash goes by the sockets that it sees.  Those of a tunnel over UDP differ by direction, an ICMP error has none,
 * and labels hide them: so the halves of a connection, and what routers say of it, would come to different workers.  This one
 * goes by what decode.c goes by: the innermost sockets, or those that an ICMP error quotes. */
#ifndef FANOUT_H
#define FANOUT_H

#include <linux/filter.h>
#include <stdint.h>

#define FANOUT_MOST BPF_MAXINSNS
#define FANOUT_KEY  7

struct fanout {
	struct sock_filter code[FANOUT_MOST];
	unsigned length;
};

/* A program for PACKET_FANOUT_CBPF (packet(7)): its value is the same for all frames of two sockets, in both directions, and for ICMP
 * errors about them, however each of them is wrapped; the kernel takes it modulo the number of workers.  Of fragments it goes by
 * the addresses alone, and so it does where it loses its way, which is mostly the same for both directions.
 *
 * `tunnels`: TCPAUDIT_TUNNEL_ bits, those to look into.  `key`: random and secret, so that nobody can aim at a worker. */
void fanout_program(struct fanout *fanout, uint32_t tunnels, const uint32_t key[FANOUT_KEY]);

#endif
