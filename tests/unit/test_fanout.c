/* test_fanout.c - which worker the kernel gives a frame to: the same one for all that is judged together.
 *
 * The program is run here as the kernel does (Documentation/networking/filter.rst), on a frame that comes in or goes out. */
#include "packets.h"

#include <sys/socket.h>

#include "capture/fanout.h"

static struct fanout fanout;
static uint32_t secret[FANOUT_KEY];

/* What the kernel knows of a frame. */
struct skb {
	const uint8_t *data;
	size_t len;
	uint32_t protocol, type, hardware;
	size_t network; /* where the IP header is; known of what goes out */
};

static bool at(const struct skb *skb, uint32_t offset, unsigned size, uint32_t *value)
{
	if ((int32_t)offset < 0 && offset >= (uint32_t)SKF_AD_OFF) {
		const uint32_t what = offset - (uint32_t)SKF_AD_OFF;
		*value = what == SKF_AD_PROTOCOL ? skb->protocol : what == SKF_AD_PKTTYPE ? skb->type : skb->hardware;
		return what == SKF_AD_PROTOCOL || what == SKF_AD_PKTTYPE || what == SKF_AD_HATYPE;
	}
	if (offset >= (uint32_t)SKF_NET_OFF)
		offset = offset - (uint32_t)SKF_NET_OFF + (uint32_t)skb->network;
	if ((uint64_t)offset + size > skb->len)
		return false;
	*value = 0;
	for (unsigned i = 0; i < size; i++)
		*value = *value << 8 | skb->data[offset + i];
	return true;
}

static uint32_t calculated(unsigned operation, uint32_t a, uint32_t b)
{
	switch (operation) {
	case BPF_ADD:
		return a + b;
	case BPF_MUL:
		return a * b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << b;
	case BPF_RSH:
		return a >> b;
	default:
		cr_assert_fail("operation %x", operation);
	}
	return 0;
}

static bool holds(unsigned condition, uint32_t a, uint32_t k)
{
	return condition == BPF_JEQ ? a == k : condition == BPF_JGT ? a > k : (a & k) != 0;
}

static unsigned steps; /* of the last run */

static uint32_t run(const struct skb *skb)
{
	uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {0};

	steps = 0;
	for (unsigned i = 0; i < fanout.length; i++) {
		const struct sock_filter *f = &fanout.code[i];
		const unsigned size = BPF_SIZE(f->code) == BPF_W ? 4 : BPF_SIZE(f->code) == BPF_H ? 2 : 1;
		steps++;
		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (BPF_MODE(f->code) == BPF_IMM)
				a = f->k;
			else if (BPF_MODE(f->code) == BPF_MEM)
				a = memory[f->k];
			else if (!at(skb, BPF_MODE(f->code) == BPF_IND ? x + f->k : f->k, size, &a))
				return 0;
			break;
		case BPF_LDX:
			x = memory[f->k];
			break;
		case BPF_ST:
			memory[f->k] = a;
			break;
		case BPF_ALU:
			a = calculated(BPF_OP(f->code), a, BPF_SRC(f->code) == BPF_X ? x : f->k);
			break;
		case BPF_JMP:
			i += BPF_OP(f->code) == BPF_JA ? f->k : holds(BPF_OP(f->code), a, f->k) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		case BPF_MISC:
			cr_assert_eq(BPF_MISCOP(f->code), BPF_TXA);
			a = x;
			break;
		default:
			cr_assert_fail("instruction %x", f->code);
		}
	}
	cr_assert_fail("no end");
	return 0;
}

/* Of the frame that was built, which has an Ethernet header: as it goes out, and as it comes in, where the kernel has taken off that
 * and a tag. */
static uint32_t going_out(void)
{
	return run(&(struct skb){packet.octet + packet.start, length(), 0, 4, 1, 14});
}

static uint32_t coming_in(void)
{
	const uint8_t *p = packet.octet + packet.start;
	const uint32_t type = (uint32_t)p[12] << 8 | p[13], tag = type == 0x8100 || type == 0x88a8 ? 4 : 0;

	return run(&(struct skb){p + 14 + tag, length() - 14 - tag, (uint32_t)p[12 + tag] << 8 | p[13 + tag], 0, 1, 0});
}

static void expect_both(uint32_t value, const char *what)
{
	cr_expect_eq(coming_in(), value, "%s, coming in", what);
	cr_expect_eq(going_out(), value, "%s, going out", what);
}

static void put_ethernet_of(int version)
{
	put_ethernet(version == 4 ? 0x0800 : 0x86dd);
}

/* That of an IP packet with put_plain()'s segment. */
static uint32_t plain(int version)
{
	put_plain(version);
	put_ethernet_of(version);
	return coming_in();
}

/* The other direction of put_plain(). */
static void put_answer(int version)
{
	static const size_t address[] = {[4] = 12, [6] = 8}, header[] = {[4] = 20, [6] = 40};
	const size_t size = version == 4 ? 4 : 16;
	uint8_t other[16], *p;

	put_plain(version);
	p = packet.octet + packet.start + address[version];
	memcpy(other, p, size);
	memmove(p, p + size, size);
	memcpy(p + size, other, size);
	p = packet.octet + packet.start + header[version];
	memcpy(other, p, 2);
	memmove(p, p + 2, 2);
	memcpy(p + 2, other, 2);
}

/* A key of many, as good as random. */
static void draw(uint32_t key[FANOUT_KEY], uint64_t number)
{
	for (unsigned i = 0; i < FANOUT_KEY; i++) {
		number = (number + 1) * UINT64_C(6364136223846793005) + 1442695040888963407u;
		key[i] = (uint32_t)(number >> 32);
	}
}

static void setup(void)
{
	draw(secret, 1);
	fanout_program(&fanout, ALL, secret);
}

TestSuite(fanout, .init = setup);

Test(fanout, the_kernel_takes_it)
{
	const struct sock_fprog program = {(unsigned short)fanout.length, fanout.code};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	cr_assert_leq(fanout.length, BPF_MAXINSNS);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
}

Test(fanout, both_directions_of_two_sockets)
{
	for (int version = 4; version <= 6; version += 2) {
		const uint32_t value = plain(version);
		cr_expect_leq(steps, version == 4 ? 100 : 170, "%u steps", steps);
		expect_both(value, "the segment");
		put_answer(version);
		put_ethernet_of(version);
		expect_both(value, "its answer");
	}
	cr_expect_neq(plain(4), plain(6));
}

/* Whatever the length of its header, which only the kernel knows. */
Test(fanout, other_devices)
{
	enum { INFINIBAND = 32, NOTHING = 65534 };

	for (int version = 4; version <= 6; version += 2)
		for (size_t header = 0; header <= 24; header += 4) {
			const uint32_t value = plain(version), protocol = version == 4 ? 0x0800 : 0x86dd;
			static const uint8_t octets[24] = {0x45, 0x60};
			put_answer(version);
			put(octets, header);
			const uint8_t *p = packet.octet + packet.start;
			cr_expect_eq(run(&(struct skb){p, length(), protocol, 4, header ? INFINIBAND : NOTHING, header}), value, "going out");
			cr_expect_eq(run(&(struct skb){p + header, length() - header, protocol, 0, INFINIBAND, 0}), value, "coming in");
		}
}

/* Rare ones: there it goes by nothing. */
static bool is_looked_through(const char *name)
{
	static const char *const opaque[] = {"snap", "snap 802.1H", "llc ip", "ethernet v6 as v4"};

	for (size_t i = 0; i < sizeof opaque / sizeof opaque[0]; i++)
		if (!strcmp(name, opaque[i]))
			return false;
	return true;
}

/* As the decoder sees through them. */
Test(fanout, link_layers)
{
	unsigned seen = 0;

	for (size_t i = 0; i < LINK_CASES; i++) {
		const struct link_case *c = &link_cases[i];
		if (c->linktype != 1 || c->fate != TCPAUDIT_FATE_TCP || !is_looked_through(c->name))
			continue;
		const uint32_t value = plain(c->version);
		build_link(c);
		expect_both(value, c->name);
		seen++;
	}
	cr_expect_eq(seen, 10, "%u", seen);
}

Test(fanout, tunnels)
{
	unsigned seen = 0;

	for (size_t i = 0; i < TUNNEL_CASES; i++) {
		const struct tunnel_case *c = &tunnel_cases[i];
		const uint32_t value = plain(c->inner);
		build_tunnel(c);
		put_ethernet_of(c->outer);
		if (c->fate != TCPAUDIT_FATE_TCP || !is_looked_through(c->name)) {
			cr_expect_neq(coming_in(), value, "%s", c->name);
			continue;
		}
		expect_both(value, c->name);
		fanout_program(&fanout, ALL & ~c->tunnel, secret);
		cr_expect_neq(coming_in(), value, "%s, not looked through", c->name);
		fanout_program(&fanout, c->tunnel, secret);
		expect_both(value, c->name);
		fanout_program(&fanout, ALL, secret);
		seen++;
	}
	cr_expect_eq(seen, 24, "%u", seen);
}

Test(fanout, tunnels_in_tunnels)
{
	const uint32_t value = plain(4);

	put_plain(4);
	put(OCTETS(MACS12, 0x81, 0, 0, 9, 8, 0));
	put(OCTETS(8, 0, 0, 0, 0, 0, 3, 0));
	put_udp(4789);
	put_ipv6(17);
	put(OCTETS(0, 0, 0x86, 0xdd));
	put_ipv4(47);
	put(OCTETS(MACS12, 0x88, 0xa8, 0, 4, 0x81, 0, 0, 5, 8, 0));
	expect_both(value, "VXLAN in GRE");
	put_plain(4);
	put(OCTETS(3, 1, 0, 0, 0, 0, 0, 0));
	put_ipv4(1);
	put_ipv4(4);
	put_ipv4(4);
	put_ethernet(0x0800);
	expect_both(value, "an ICMP error in two tunnels");
}

/* Deeper than the program looks, it goes by the hosts of the last header: both directions are together all the same. */
Test(fanout, too_deep)
{
	uint32_t value[2];

	for (int answer = 0; answer < 2; answer++) {
		answer ? put_answer(4) : put_plain(4);
		for (int n = 0; n < 6; n++)
			put_ipv4(4);
		put_ethernet(0x0800);
		value[answer] = coming_in();
	}
	cr_expect_eq(value[0], value[1]);
	cr_expect_neq(value[0], 0, "it has lost its way");
	cr_expect_neq(value[0], plain(4));
}

/* Errors come from anywhere, and go where what they are about is. */
Test(fanout, icmp_errors)
{
	static const struct {
		int version;
		uint8_t type;
		bool error;
	} types[] = {{4, 3, true}, {4, 4, true}, {4, 5, true}, {4, 11, true}, {4, 12, true}, {4, 0, false},   {4, 8, false},
	             {6, 1, true}, {6, 2, true}, {6, 3, true}, {6, 4, true},  {6, 0, false}, {6, 5, false}, {6, 128, false}};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		const int version = types[i].version;
		const uint8_t header[8] = {types[i].type};
		const uint32_t value = plain(version);
		put_plain(version);
		put(header, 8);
		version == 4 ? put_ipv4(1) : put_ipv6(58);
		packet.octet[packet.start + 13] ^= 0x55; /* by a router */
		put_ethernet_of(version);
		cr_expect_eq(coming_in() == value, types[i].error, "IPv%d, type %u", version, types[i].type);
	}
}

Test(fanout, ipv4_options_and_ipv6_extension_headers)
{
	uint32_t value = plain(4);
	uint8_t *ip;

	put_tcp(4, 0x10, NULL, 0, TEXT, 5);
	put(OCTETS(1, 1, 1, 0));
	ip = put_ipv4(6);
	ip[0] = 0x46;
	put_ethernet(0x0800);
	expect_both(value, "options");
	value = plain(6);
	put_tcp(6, 0x10, NULL, 0, TEXT, 5);
	put(OCTETS(6, 0, 1, 4, 0, 0, 0, 0));
	put(OCTETS(60, 0, 1, 4, 0, 0, 0, 0));
	put_ipv6(0);
	put_ethernet(0x86dd);
	expect_both(value, "extension headers");
	const uint32_t inside = plain(4);
	put_plain(4);
	put(OCTETS(4, 2, 4, 0, 0, 0, 0, 0, [8] = 0x20, [23] = 1)); /* RFC 8754 */
	put_ipv6(43);
	put_ethernet(0x86dd);
	expect_both(inside, "segment routing");
	put_tcp(6, 0x10, NULL, 0, TEXT, 5);
	put(OCTETS(6, 0, 0, 0, 0, 0, 0, 7)); /* RFC 6946: whole */
	put_ipv6(44);
	put_ethernet(0x86dd);
	expect_both(value, "an atomic fragment");
}

/* All pieces of a datagram go to one worker, whatever is in each. */
Test(fanout, fragments)
{
	for (int version = 4; version <= 6; version += 2) {
		uint32_t value[2];
		for (unsigned piece = 0; piece < 2; piece++) {
			packet.start = sizeof packet.octet;
			if (piece)
				put(OCTETS(1, 2, 3, 4, 5, 6, 7, 8));
			else
				put(OCTETS(0x03, 0xe8, 0x07, 0xd0, 0, 0, 0, 100));
			if (version == 4) {
				set16(put_ipv4(6) + 6, piece ? 1 : 0x2000);
			} else {
				put((const uint8_t[]){6, 0, 0, piece ? 8 : 1, 0, 0, 0, 1}, 8);
				put_ipv6(44);
			}
			put_ethernet_of(version);
			value[piece] = coming_in();
		}
		cr_expect_eq(value[0], value[1], "IPv%d", version);
		cr_expect_neq(value[0], 0, "IPv%d: it has lost its way", version);
	}
}

/* Cut anywhere and changed anywhere, it comes to an end, within the packet. */
Test(fanout, random_changes)
{
	uint32_t random = 1;

	for (unsigned n = 0; n < 200000; n++) {
		build_tunnel(&tunnel_cases[n % TUNNEL_CASES]);
		put_ethernet_of(tunnel_cases[n % TUNNEL_CASES].outer);
		for (unsigned changes = 0; changes < 4; changes++) {
			random = random * 1664525 + 1013904223;
			packet.octet[packet.start + 12 + (random >> 8) % (length() - 12)] = (uint8_t)(random >> 24);
		}
		const size_t cut = 14 + (random >> 4) % (length() - 13);
		uint8_t *exact = malloc(cut);
		memcpy(exact, packet.octet + packet.start, cut);
		run(&(struct skb){exact, cut, 0, 4, 1, 14});
		free(exact);
	}
}

/* The busiest of so many workers, in hundredths of what each should have, with connections from `clients` hosts by `ports` ports. */
static unsigned busiest(unsigned workers, unsigned clients, unsigned ports)
{
	unsigned count[64] = {0}, most = 0;

	put_plain(4);
	put_ethernet(0x0800);
	for (unsigned client = 0; client < clients; client++)
		for (unsigned port = 0; port < ports; port++) {
			uint8_t *ip = packet.octet + packet.start + 14;
			set16(ip + 14, 1 + client);
			set16(ip + 20, 32768 + port);
			count[coming_in() % workers]++;
		}
	for (unsigned i = 0; i < workers; i++)
		most = count[i] > most ? count[i] : most;
	return most * 100 / (clients * ports / workers);
}

Test(fanout, every_worker_has_its_share)
{
	for (unsigned keys = 0; keys < 20; keys++) {
		uint32_t key[FANOUT_KEY];
		draw(key, keys);
		fanout_program(&fanout, ALL, key);
		for (unsigned workers = 2; workers <= 16; workers++) {
			cr_expect_leq(busiest(workers, 1, 20000), 115, "ports in a row, %u workers", workers);
			cr_expect_leq(busiest(workers, 20000, 1), 115, "hosts in a row, %u workers", workers);
			cr_expect_leq(busiest(workers, 150, 150), 115, "%u workers", workers);
		}
	}
}

/* Who does not know the key cannot tell which connections meet. */
Test(fanout, keys)
{
	unsigned same = 0;

	for (unsigned n = 0; n < 1000; n++) {
		uint32_t value[2], key[FANOUT_KEY];
		draw(key, n);
		fanout_program(&fanout, ALL, key);
		value[0] = plain(4);
		packet.octet[packet.start + 14 + 12] ^= 0x80; /* bits that a product keeps at its top */
		packet.octet[packet.start + 14 + 20] ^= 0x80;
		value[1] = coming_in();
		same += value[0] % 4 == value[1] % 4;
	}
	cr_expect(same > 150 && same < 350, "%u of 1000", same);
}
