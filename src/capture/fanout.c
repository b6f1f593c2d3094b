/* fanout.c - see fanout.h.
 *
 * Classic BPF: forward jumps, an accumulator, an index and 16 words.  So whatever can repeat is written out as often as it is
 * looked at: tags and labels one behind the other, tunnels in tunnels as levels.  The program begins with what nearly every frame
 * is, and ends there. */
#include "fanout.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdbool.h>

#include <tcpaudit/audit.h>

enum {
	LEVELS = 4,     /* IP headers that enclose each other, or are quoted by ICMP */
	TAGS = 3,       /* VLAN tags in a row, beside the one that the kernel takes off */
	LABELS = 8,     /* of MPLS */
	EXTENSIONS = 4, /* headers of IPv6, or of GTP-U */
	MIXED = 5,      /* words of a socket: its address, its port */
	NAMES = 400     /* places to jump to */
};

_Static_assert(MIXED + 2 == FANOUT_KEY, "a factor for each word, and for what begins and ends");

/* What Linux's headers have no name for. */
enum { TYPE_PPP = 0x880b, PROTOCOL_SHIM6 = 140, PPP_IPV4 = 0x0021, PPP_IPV6 = 0x0057 };

/* The words of memory. */
enum { TYPE, AT, IP, VERSION, PROTOCOL, PORT, OTHER_PORT, FLAGS, MIX, SHIFTED, SUM };

struct assembly {
	struct sock_filter *code;
	unsigned length;
	unsigned place[NAMES]; /* where each name is */
	unsigned names;
	bool jumps[FANOUT_MOST]; /* to a name */
	uint32_t factor[MIXED], first, last;
	uint32_t tunnels;
};

/* Where a level can be entered: behind a link layer's header with TYPE told, or at an IP header. */
struct level {
	unsigned link, ppp, either, ipv4, ipv6;
};

static void op(struct assembly *a, unsigned code, uint32_t k)
{
	a->code[a->length++] = (struct sock_filter)BPF_STMT((uint16_t)code, k);
}

/* ---- jumps ---- */

static unsigned name(struct assembly *a)
{
	return a->names++;
}

static void here(struct assembly *a, unsigned name)
{
	a->place[name] = a->length;
}

static void go(struct assembly *a, unsigned name)
{
	a->jumps[a->length] = true;
	op(a, BPF_JMP | BPF_JA, name);
}

/* Conditional jumps reach 255 instructions: each of them skips a long one. */
static void go_if(struct assembly *a, unsigned condition, uint32_t k, unsigned name)
{
	a->code[a->length++] = (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | condition | BPF_K), k, 0, 1);
	go(a, name);
}

static void go_unless(struct assembly *a, unsigned condition, uint32_t k, unsigned name)
{
	a->code[a->length++] = (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | condition | BPF_K), k, 1, 0);
	go(a, name);
}

static void resolve(struct assembly *a)
{
	for (unsigned i = 0; i < a->length; i++)
		if (a->jumps[i])
			a->code[i].k = a->place[a->code[i].k] - i - 1;
}

/* ---- moves ---- */

static void load(struct assembly *a, unsigned word)
{
	op(a, BPF_LD | BPF_MEM, word);
}

static void load_constant(struct assembly *a, uint32_t k)
{
	op(a, BPF_LD | BPF_IMM, k);
}

static void store(struct assembly *a, unsigned word)
{
	op(a, BPF_ST, word);
}

static void index_by(struct assembly *a, unsigned word)
{
	op(a, BPF_LDX | BPF_MEM, word);
}

/* Octets behind the index; beyond the packet the program ends with 0. */
static void octet(struct assembly *a, uint32_t offset)
{
	op(a, BPF_LD | BPF_B | BPF_IND, offset);
}

static void octets2(struct assembly *a, uint32_t offset)
{
	op(a, BPF_LD | BPF_H | BPF_IND, offset);
}

static void octets4(struct assembly *a, uint32_t offset)
{
	op(a, BPF_LD | BPF_W | BPF_IND, offset);
}

static void with(struct assembly *a, unsigned operation, uint32_t k)
{
	op(a, BPF_ALU | operation | BPF_K, k);
}

static void with_index(struct assembly *a, unsigned operation)
{
	op(a, BPF_ALU | operation | BPF_X, 0);
}

/* The next header lies so far behind the index. */
static void move_on(struct assembly *a, uint32_t octets)
{
	op(a, BPF_MISC | BPF_TXA, 0);
	with(a, BPF_ADD, octets);
	store(a, AT);
}

/* As far behind the index as the accumulator says. */
static void move_by(struct assembly *a)
{
	with_index(a, BPF_ADD);
	store(a, AT);
}

static void load_of_kernel(struct assembly *a, int what)
{
	op(a, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + what));
}

/* ---- the hash ---- */

/* (MIX ^ A) * factor, high bits into low ones. */
static void mix(struct assembly *a, unsigned i)
{
	if (i == 0) {
		with(a, BPF_XOR, a->first);
	} else {
		index_by(a, MIX);
		with_index(a, BPF_XOR);
	}
	with(a, BPF_MUL, a->factor[i]);
	store(a, SHIFTED);
	with(a, BPF_RSH, 15);
	index_by(a, SHIFTED);
	with_index(a, BPF_XOR);
	store(a, MIX);
}

static void mix_socket(struct assembly *a, uint32_t address, unsigned words, unsigned port)
{
	for (unsigned i = 0; i < words; i++) {
		index_by(a, IP);
		octets4(a, address + 4 * i);
		mix(a, i);
	}
	load(a, port);
	mix(a, words);
}

/* A sum: which of the sockets comes first is nothing to it. */
static void hash(struct assembly *a, uint32_t source, unsigned words)
{
	mix_socket(a, source, words, PORT);
	store(a, SUM);
	mix_socket(a, source + 4 * words, words, OTHER_PORT);
	index_by(a, SUM);
	with_index(a, BPF_ADD);
	with(a, BPF_MUL, a->last);
	store(a, SHIFTED);
	with(a, BPF_RSH, 16);
	index_by(a, SHIFTED);
	with_index(a, BPF_XOR);
	op(a, BPF_RET | BPF_A, 0);
}

/* ---- link layers ---- */

static void link_layers(struct assembly *a, const struct level *level, unsigned lost)
{
	const unsigned mpls = name(a), pppoe = name(a);

	here(a, level->link);
	for (unsigned tags = 0;; tags++) {
		const unsigned tag = name(a);
		load(a, TYPE);
		go_if(a, BPF_JEQ, ETH_P_IP, level->ipv4);
		go_if(a, BPF_JEQ, ETH_P_IPV6, level->ipv6);
		go_if(a, BPF_JEQ, ETH_P_MPLS_UC, mpls);
		go_if(a, BPF_JEQ, ETH_P_MPLS_MC, mpls);
		go_if(a, BPF_JEQ, ETH_P_PPP_SES, pppoe);
		if (tags == TAGS)
			break;
		go_if(a, BPF_JEQ, ETH_P_8021Q, tag);
		go_if(a, BPF_JEQ, ETH_P_8021AD, tag);
		go_unless(a, BPF_JEQ, ETH_P_QINQ1, lost);
		here(a, tag);
		index_by(a, AT);
		octets2(a, 2);
		store(a, TYPE);
		move_on(a, 4);
	}
	go(a, lost);
	here(a, mpls);
	for (unsigned labels = 0; labels < LABELS; labels++) {
		index_by(a, AT);
		move_on(a, 4);
		octet(a, 2);
		go_if(a, BPF_JSET, 1, level->either);
	}
	go(a, lost);
	here(a, pppoe);
	index_by(a, AT);
	move_on(a, 6);
	here(a, level->ppp);
	const unsigned bare = name(a), brief = name(a);
	index_by(a, AT);
	octets2(a, 0);
	go_unless(a, BPF_JEQ, 0xff03, bare);
	move_on(a, 2);
	here(a, bare);
	index_by(a, AT);
	octet(a, 0);
	go_if(a, BPF_JSET, 1, brief);
	move_on(a, 2);
	octets2(a, 0);
	go_if(a, BPF_JEQ, PPP_IPV4, level->ipv4);
	go_if(a, BPF_JEQ, PPP_IPV6, level->ipv6);
	go(a, lost);
	here(a, brief);
	store(a, PROTOCOL);
	move_on(a, 1);
	load(a, PROTOCOL);
	go_if(a, BPF_JEQ, PPP_IPV4, level->ipv4);
	go_if(a, BPF_JEQ, PPP_IPV6, level->ipv6);
	go(a, lost);
}

/* ---- IP ---- */

static void ip(struct assembly *a, const struct level *level, unsigned transport, unsigned hosts, unsigned lost)
{
	here(a, level->either);
	index_by(a, AT);
	octet(a, 0);
	with(a, BPF_RSH, 4);
	go_if(a, BPF_JEQ, 6, level->ipv6);
	go_unless(a, BPF_JEQ, 4, lost);
	here(a, level->ipv4);
	load_constant(a, 4);
	store(a, VERSION);
	load(a, AT);
	store(a, IP);
	index_by(a, AT);
	octets2(a, 6);
	go_if(a, BPF_JSET, 0x3fff, hosts); /* a fragment */
	octet(a, 9);
	store(a, PROTOCOL);
	octet(a, 0);
	with(a, BPF_AND, 0x0f);
	with(a, BPF_LSH, 2);
	move_by(a);
	go(a, transport);
	here(a, level->ipv6);
	load_constant(a, 6);
	store(a, VERSION);
	load(a, AT);
	store(a, IP);
	index_by(a, AT);
	octet(a, 6);
	store(a, PROTOCOL);
	move_on(a, 40);
	for (unsigned n = 0; n < EXTENSIONS; n++) {
		const unsigned options = name(a), next = name(a);
		load(a, PROTOCOL);
		go_if(a, BPF_JEQ, IPPROTO_HOPOPTS, options);
		go_if(a, BPF_JEQ, IPPROTO_DSTOPTS, options);
		go_if(a, BPF_JEQ, IPPROTO_ROUTING, options); /* segment routing: one direction may have it */
		go_if(a, BPF_JEQ, PROTOCOL_SHIM6, options);
		go_unless(a, BPF_JEQ, IPPROTO_FRAGMENT, transport);
		index_by(a, AT);
		octets2(a, 2);
		go_if(a, BPF_JSET, 0xfff9, hosts);
		octet(a, 0);
		store(a, PROTOCOL);
		move_on(a, 8);
		go(a, next);
		here(a, options);
		index_by(a, AT);
		octet(a, 0);
		store(a, PROTOCOL);
		octet(a, 1);
		with(a, BPF_ADD, 1);
		with(a, BPF_LSH, 3);
		move_by(a);
		here(a, next);
	}
	go(a, transport);
}

/* ---- tunnels ---- */

/* An Ethernet frame follows. */
static void ethernet(struct assembly *a, const struct level *inside)
{
	index_by(a, AT);
	octets2(a, 12);
	store(a, TYPE);
	move_on(a, 14);
	go(a, inside->link);
}

/* What TYPE says follows. */
static void carried(struct assembly *a, const struct level *inside, unsigned frame)
{
	load(a, TYPE);
	go_if(a, BPF_JEQ, ETH_P_TEB, frame);
	go_if(a, BPF_JEQ, TYPE_PPP, inside->ppp);
	go(a, inside->link);
}

/* The index is at the UDP header (RFC 7348, RFC 8926). */
static void vxlan(struct assembly *a, unsigned frame, unsigned sockets)
{
	octet(a, 8);
	go_unless(a, BPF_JSET, 0x08, sockets);
	move_on(a, 16);
	go(a, frame);
}

static void geneve(struct assembly *a, const struct level *inside, unsigned frame, unsigned sockets)
{
	octet(a, 8);
	go_if(a, BPF_JSET, 0xc0, sockets);
	octets2(a, 10);
	store(a, TYPE);
	octet(a, 8);
	with(a, BPF_AND, 0x3f);
	with(a, BPF_LSH, 2);
	with(a, BPF_ADD, 16);
	move_by(a);
	carried(a, inside, frame);
}

/* 3GPP TS 29.281 */
static void gtpu(struct assembly *a, const struct level *inside, unsigned sockets, unsigned hosts)
{
	const unsigned longer = name(a);

	octet(a, 9);
	go_unless(a, BPF_JEQ, 255, sockets);
	octet(a, 8);
	store(a, FLAGS);
	with(a, BPF_AND, 0xf0);
	go_unless(a, BPF_JEQ, 0x30, sockets);
	load(a, FLAGS);
	go_if(a, BPF_JSET, 7, longer);
	move_on(a, 16);
	go(a, inside->either);
	here(a, longer);
	move_on(a, 20);
	load(a, FLAGS);
	go_unless(a, BPF_JSET, 4, inside->either);
	for (unsigned n = 0; n <= EXTENSIONS; n++) {
		index_by(a, AT);
		octet(a, (uint32_t)-1);
		go_if(a, BPF_JEQ, 0, inside->either);
		octet(a, 0);
		with(a, BPF_LSH, 2);
		move_by(a);
	}
	go(a, hosts);
}

static void udp(struct assembly *a, const struct level *inside, unsigned frame, unsigned sockets, unsigned hosts)
{
	const unsigned is_vxlan = name(a), is_geneve = name(a), is_gtpu = name(a);

	index_by(a, AT);
	octets2(a, 2);
	if (a->tunnels & TCPAUDIT_TUNNEL_VXLAN) {
		go_if(a, BPF_JEQ, 4789, is_vxlan);
		go_if(a, BPF_JEQ, 8472, is_vxlan);
	}
	if (a->tunnels & TCPAUDIT_TUNNEL_GENEVE)
		go_if(a, BPF_JEQ, 6081, is_geneve);
	if (a->tunnels & TCPAUDIT_TUNNEL_GTPU)
		go_if(a, BPF_JEQ, 2152, is_gtpu);
	go(a, sockets);
	here(a, is_vxlan);
	vxlan(a, frame, sockets);
	here(a, is_geneve);
	geneve(a, inside, frame, sockets);
	here(a, is_gtpu);
	gtpu(a, inside, sockets, hosts);
}

/* Another 4 octets, if the flag is set. */
static void field(struct assembly *a, uint32_t flag)
{
	const unsigned absent = name(a);

	load(a, FLAGS);
	go_unless(a, BPF_JSET, flag, absent);
	index_by(a, AT);
	move_on(a, 4);
	here(a, absent);
}

/* RFC 2784, RFC 2890, RFC 2637, and the mirrored frames of ERSPAN. */
static void gre(struct assembly *a, const struct level *inside, unsigned frame, unsigned hosts)
{
	const unsigned usual = name(a), mirrored = name(a), mirrored3 = name(a), wccp = name(a);

	index_by(a, AT);
	octets2(a, 2);
	store(a, TYPE);
	octets2(a, 0);
	store(a, FLAGS);
	go_if(a, BPF_JSET, 0x4006, hosts);
	move_on(a, 4);
	field(a, 0x8000);
	field(a, 0x2000);
	field(a, 0x1000);
	load(a, FLAGS);
	go_unless(a, BPF_JSET, 1, usual);
	field(a, 0x0080);
	here(a, usual);
	load(a, TYPE);
	go_if(a, BPF_JEQ, ETH_P_ERSPAN, mirrored);
	go_if(a, BPF_JEQ, ETH_P_ERSPAN2, mirrored3);
	go_if(a, BPF_JEQ, ETH_P_WCCP, wccp);
	carried(a, inside, frame);
	here(a, wccp);
	index_by(a, AT);
	octet(a, 0);
	with(a, BPF_RSH, 4);
	go_if(a, BPF_JEQ, 4, inside->ipv4);
	move_on(a, 4);
	go(a, inside->ipv4);
	here(a, mirrored); /* type I has no sequence number, and no header */
	field(a, 0x1000);
	field(a, 0x1000);
	go(a, frame);
	here(a, mirrored3);
	index_by(a, AT);
	move_on(a, 12);
	octet(a, 11);
	go_unless(a, BPF_JSET, 1, frame);
	index_by(a, AT);
	move_on(a, 8);
	go(a, frame);
}

/* Errors quote what they are about: RFC 1122 3.2.2, RFC 4443 2.1. */
static void icmp(struct assembly *a, const struct level *inside, unsigned hosts)
{
	static const uint8_t error[] = {3, 4, 5, 11, 12};
	const unsigned quotes = name(a);

	index_by(a, AT);
	octet(a, 0);
	for (unsigned i = 0; i < sizeof error; i++)
		go_if(a, BPF_JEQ, error[i], quotes);
	go(a, hosts);
	here(a, quotes);
	move_on(a, 8);
	go(a, inside->either);
}

static void icmpv6(struct assembly *a, const struct level *inside, unsigned hosts)
{
	index_by(a, AT);
	octet(a, 0);
	go_if(a, BPF_JEQ, 0, hosts);
	go_if(a, BPF_JGT, 4, hosts);
	move_on(a, 8);
	go(a, inside->either);
}

/* IPv6 in either version; each has a name of its own. */
static void ipv6_inside(struct assembly *a, const struct level *inside, unsigned hosts)
{
	const unsigned in_ipv6 = name(a);

	load(a, VERSION);
	go_unless(a, BPF_JEQ, 4, in_ipv6);
	go(a, a->tunnels & TCPAUDIT_TUNNEL_6IN4 ? inside->ipv6 : hosts);
	here(a, in_ipv6);
	go(a, a->tunnels & TCPAUDIT_TUNNEL_IPIP ? inside->ipv6 : hosts);
}

static void transports(struct assembly *a, const struct level *inside, unsigned transport, unsigned sockets, unsigned hosts)
{
	const unsigned is_udp = name(a), is_gre = name(a), is_icmp = name(a), is_icmpv6 = name(a), is_ipv6 = name(a), frame = name(a);

	here(a, transport);
	load(a, PROTOCOL);
	go_if(a, BPF_JEQ, IPPROTO_TCP, sockets);
	go_if(a, BPF_JEQ, IPPROTO_UDP, is_udp);
	go_if(a, BPF_JEQ, IPPROTO_ICMP, is_icmp);
	go_if(a, BPF_JEQ, IPPROTO_ICMPV6, is_icmpv6);
	go_if(a, BPF_JEQ, IPPROTO_IPV6, is_ipv6);
	if (a->tunnels & TCPAUDIT_TUNNEL_IPIP)
		go_if(a, BPF_JEQ, IPPROTO_IPIP, inside->ipv4);
	if (a->tunnels & TCPAUDIT_TUNNEL_GRE)
		go_if(a, BPF_JEQ, IPPROTO_GRE, is_gre);
	go(a, hosts);
	here(a, is_icmp);
	icmp(a, inside, hosts);
	here(a, is_icmpv6);
	icmpv6(a, inside, hosts);
	here(a, is_ipv6);
	ipv6_inside(a, inside, hosts);
	here(a, is_udp);
	udp(a, inside, frame, sockets, hosts);
	here(a, is_gre);
	gre(a, inside, frame, hosts);
	here(a, frame);
	ethernet(a, inside);
}

/* ---- the program ---- */

/* What comes in begins behind its link layer's header, what goes out with it.  That of other devices than Ethernet may be of any length, or
 * none: offsets count from the network header there, which some kernels look for in less of the packet. */
static void begin(struct assembly *a)
{
	const unsigned incoming = name(a), frame = name(a), both = name(a), typed = name(a);

	load_of_kernel(a, SKF_AD_PKTTYPE);
	go_unless(a, BPF_JEQ, PACKET_OUTGOING, incoming);
	load_of_kernel(a, SKF_AD_HATYPE);
	go_if(a, BPF_JEQ, ARPHRD_ETHER, frame);
	go_if(a, BPF_JEQ, ARPHRD_LOOPBACK, frame);
	load_constant(a, (uint32_t)SKF_NET_OFF);
	store(a, AT);
	go(a, typed);
	here(a, frame);
	load_constant(a, 14);
	store(a, AT);
	op(a, BPF_LD | BPF_H | BPF_ABS, 12);
	store(a, TYPE);
	go(a, both);
	here(a, incoming);
	load_constant(a, 0);
	store(a, AT);
	here(a, typed);
	load_of_kernel(a, SKF_AD_PROTOCOL);
	store(a, TYPE);
	here(a, both);
}

static struct level level_names(struct assembly *a)
{
	struct level level;

	level.link = name(a);
	level.ppp = name(a);
	level.either = name(a);
	level.ipv4 = name(a);
	level.ipv6 = name(a);
	return level;
}

static void take_key(struct assembly *a, const uint32_t key[FANOUT_KEY])
{
	for (unsigned i = 0; i < MIXED; i++)
		a->factor[i] = key[i] | 1; /* odd: no bit is lost */
	a->first = key[MIXED];
	a->last = key[MIXED + 1] | 1;
}

void fanout_program(struct fanout *fanout, uint32_t tunnels, const uint32_t key[FANOUT_KEY])
{
	struct assembly a = {.code = fanout->code, .tunnels = tunnels};
	const unsigned sockets = name(&a), hosts = name(&a), hashed = name(&a), ipv6 = name(&a), lost = name(&a);
	struct level level = level_names(&a);

	take_key(&a, key);
	begin(&a);
	for (unsigned n = 0; n < LEVELS; n++) {
		const unsigned transport = name(&a);
		const struct level inside = n + 1 < LEVELS ? level_names(&a) : (struct level){hosts, hosts, hosts, hosts, hosts};
		link_layers(&a, &level, n ? hosts : lost);
		ip(&a, &level, transport, hosts, n ? hosts : lost);
		transports(&a, &inside, transport, sockets, hosts);
		level = inside;
	}
	here(&a, sockets);
	index_by(&a, AT);
	octets2(&a, 0);
	store(&a, PORT);
	octets2(&a, 2);
	store(&a, OTHER_PORT);
	go(&a, hashed);
	here(&a, hosts);
	load_constant(&a, 0);
	store(&a, PORT);
	store(&a, OTHER_PORT);
	here(&a, hashed);
	load(&a, VERSION);
	go_if(&a, BPF_JEQ, 6, ipv6);
	hash(&a, 12, 1);
	here(&a, ipv6);
	hash(&a, 8, 4);
	here(&a, lost);
	op(&a, BPF_RET | BPF_K, 0); /* no IP */
	resolve(&a);
	fanout->length = a.length;
}
