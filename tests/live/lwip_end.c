/* lwip_end.c - one end of many connections by lwIP, with a record of its states.
 *
 *   lwip_end FD SEED COUNT client|server OWN PEER STATES HELD
 *
 * FD is a socket of datagrams, each an IPv4 packet.  COUNT clients connect from the ports FIRST_PORT on, 40 at a time, or COUNT
 * connections from them are served; what each does is drawn by lot.  Prints `ready`, and when no client has anything left to do, `through`.
 * STATES gets a line for each change of state, as kernel_record.py has the kernel's, and HELD, at the end of standard input, which ends
 * were in TIME-WAIT.  lwip.py builds and drives it. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcpip.h>

#define PORT         8080
#define FIRST_PORT   20000
#define AT_ONCE      40
#define PATIENCE     8.0 /* s, for text to come or to go */
#define TEXT_MOST    30000

enum what { SEND, RECEIVE, NAP, SHUT, READ_ALL, RESET, SHUT_BOTH, CLOSE };

struct application {
	struct tcp_pcb *pcb; /* NULL: not begun, or over */
	int number;
	enum what step[16];
	int of[16]; /* octets, or ms */
	int steps, at;
	int left;     /* of this step; -1 it has not begun */
	double until; /* s */
	int unread;
	bool open, ended;
};

static int wire, count;
static bool client;
static const char *own, *peer;
static FILE *states;
static struct application *apps;
static unsigned char *state, *held; /* of each connection */
static struct netif device;
static char text[TEXT_MOST];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the record ---- */

static int number_of(const struct tcp_pcb *pcb)
{
	int ours = client ? pcb->local_port : pcb->remote_port, theirs = client ? pcb->remote_port : pcb->local_port;

	return theirs == PORT && ours >= FIRST_PORT && ours < FIRST_PORT + count ? ours - FIRST_PORT : -1;
}

static void note(int number, int to)
{
	static const char *const name[] = {"CLOSE",     "LISTEN",    "SYN_SENT",   "SYN_RECV", "ESTABLISHED", "FIN_WAIT1",
	                                   "FIN_WAIT2", "CLOSE_WAIT", "CLOSING",    "LAST_ACK", "CLOSE"}; /* as the kernel tells TIME-WAIT */
	int port = FIRST_PORT + number;

	fprintf(states, "{\"event\":\"inet_sock_set_state\",\"saddr\":\"%s\",\"sport\":\"%d\",\"daddr\":\"%s\",\"dport\":\"%d\",\"newstate\":\"TCP_%s\"}\n",
	        own, client ? port : PORT, peer, client ? PORT : port, name[to]);
	state[number] = (unsigned char)to;
}

/* What one segment makes it pass at once is passed all the same (RFC 9293 3.10.7.4). */
static void enter(int number, int to)
{
	int from = state[number];

	if (from == to || from == TIME_WAIT)
		return;
	if (from == CLOSED && to > SYN_RCVD && !client)
		note(number, SYN_RCVD);
	if (state[number] < ESTABLISHED && to > ESTABLISHED && to != TIME_WAIT)
		note(number, ESTABLISHED);
	if (state[number] == ESTABLISHED && to == LAST_ACK)
		note(number, CLOSE_WAIT);
	if (state[number] == FIN_WAIT_1 && to == TIME_WAIT)
		note(number, FIN_WAIT_2);
	held[number] |= to == TIME_WAIT;
	note(number, to);
}

static void look(void)
{
	struct tcp_pcb *lists[] = {tcp_active_pcbs, tcp_tw_pcbs};
	bool there[count];

	memset(there, 0, sizeof there);
	for (int i = 0; i < 2; i++)
		for (struct tcp_pcb *pcb = lists[i]; pcb; pcb = pcb->next) {
			int number = number_of(pcb);
			if (number < 0)
				continue;
			there[number] = true;
			enter(number, (int)pcb->state);
		}
	for (int i = 0; i < count; i++)
		if (!there[i] && state[i] != CLOSED)
			enter(i, CLOSED);
}

/* lwIP's own, that its input calls for what nobody will read: told before the block is gone, as the same segment may have moved it. */
void tcp_abort(struct tcp_pcb *pcb)
{
	int number = number_of(pcb);

	if (number >= 0)
		enter(number, (int)pcb->state);
	tcp_abandon(pcb, 1);
}

/* ---- applications ---- */

static void add(struct application *a, enum what what, int of)
{
	a->step[a->steps] = what;
	a->of[a->steps++] = of;
}

static void plan(struct application *a, unsigned seed)
{
	static const int octets[] = {1, 100, 1460, 5000, 40000}, wanted[] = {1, 1000, 40000}, naps[] = {0, 1, 10, 60};
	static const enum what ends[][2] = {{CLOSE, CLOSE},     {CLOSE, CLOSE},    {CLOSE, CLOSE}, {SHUT, READ_ALL},
	                                    {SHUT, READ_ALL},   {SHUT, NAP},       {RESET, CLOSE}, {READ_ALL, CLOSE},
	                                    {READ_ALL, CLOSE}, {SHUT_BOTH, CLOSE}, {SHUT, CLOSE}};
#define DRAW(n) ((unsigned)rand_r(&seed) / 7 % (unsigned)(n))
	for (unsigned n = DRAW(5); n; n--) {
		unsigned what = DRAW(3);
		add(a, (enum what)what, what == SEND ? octets[DRAW(5)] : what == RECEIVE ? wanted[DRAW(3)] : naps[DRAW(4)]);
	}
	unsigned end = DRAW(11);
	for (int i = 0; i < 2; i++)
		if (ends[end][i] != CLOSE)
			add(a, ends[end][i], 200);
	add(a, CLOSE, 0);
#undef DRAW
}

static err_t on_text(void *x, struct tcp_pcb *pcb, struct pbuf *text_or_end, err_t error)
{
	struct application *a = x;

	(void)pcb;
	(void)error;
	if (!text_or_end) {
		a->ended = true;
		return ERR_OK;
	}
	a->unread += text_or_end->tot_len;
	pbuf_free(text_or_end);
	return ERR_OK;
}

static void on_error(void *x, err_t error)
{
	(void)error;
	((struct application *)x)->pcb = NULL;
}

static void attach(struct application *a, struct tcp_pcb *pcb)
{
	a->pcb = pcb;
	tcp_arg(pcb, a);
	tcp_recv(pcb, on_text);
	tcp_err(pcb, on_error);
}

static err_t on_accept(void *x, struct tcp_pcb *pcb, err_t error)
{
	int number = pcb ? number_of(pcb) : -1;

	(void)x;
	if (error != ERR_OK || number < 0 || apps[number].open)
		return ERR_VAL;
	apps[number].open = true;
	attach(&apps[number], pcb);
	return ERR_OK;
}

static err_t on_connected(void *x, struct tcp_pcb *pcb, err_t error)
{
	(void)pcb;
	((struct application *)x)->open = error == ERR_OK;
	return ERR_OK;
}

/* The block is the stack's own from here on. */
static void detach(struct application *a)
{
	tcp_arg(a->pcb, NULL);
	tcp_recv(a->pcb, NULL);
	tcp_err(a->pcb, NULL);
	a->pcb = NULL;
}

/* True: the step is over. */
static bool send_some(struct application *a)
{
	while (a->left > 0) {
		int n = a->left < tcp_sndbuf(a->pcb) ? a->left : tcp_sndbuf(a->pcb);
		n = n < TEXT_MOST ? n : TEXT_MOST;
		if (!n || tcp_write(a->pcb, text, (u16_t)n, TCP_WRITE_FLAG_COPY) != ERR_OK)
			return false;
		a->left -= n;
		tcp_output(a->pcb);
	}
	return true;
}

static bool read_some(struct application *a, bool all)
{
	int n = all || a->unread < a->left ? a->unread : a->left;

	a->unread -= n;
	for (int left = n; left > 0; left -= UINT16_MAX)
		tcp_recved(a->pcb, (u16_t)(left < UINT16_MAX ? left : UINT16_MAX));
	if (n && all)
		a->until = now() + PATIENCE;
	return all ? a->ended : n || a->ended;
}

static bool close_it(struct application *a, bool both)
{
	struct tcp_pcb *pcb = a->pcb;

	detach(a);
	if ((both ? tcp_shutdown(pcb, 1, 1) : tcp_close(pcb)) == ERR_OK)
		return true;
	attach(a, pcb); /* no memory: it is tried again */
	return false;
}

static bool take_step(struct application *a)
{
	switch (a->step[a->at]) {
	case SEND:
		return send_some(a);
	case RECEIVE:
		return read_some(a, false);
	case READ_ALL:
		return read_some(a, true);
	case NAP:
		return false;
	case SHUT:
		tcp_shutdown(a->pcb, 0, 1);
		return true;
	case SHUT_BOTH:
		return close_it(a, true);
	case RESET: {
		struct tcp_pcb *pcb = a->pcb;
		detach(a);
		tcp_abort(pcb);
		return true;
	}
	case CLOSE:
		return close_it(a, false);
	}
	return true;
}

static void go_on(struct application *a)
{
	while (a->pcb && a->open && a->at < a->steps) {
		if (a->left < 0) {
			a->left = a->of[a->at];
			a->until = now() + (a->step[a->at] == NAP ? a->left / 1e3 : PATIENCE);
		}
		if (take_step(a) || (a->step[a->at] == NAP && now() >= a->until))
			a->at++;
		else if (now() >= a->until)
			a->at = a->steps - 1; /* close */
		else
			return;
		a->left = -1;
	}
}

static void begin(struct application *a)
{
	struct tcp_pcb *pcb = tcp_new();
	ip_addr_t to;

	ipaddr_aton(peer, &to);
	attach(a, pcb);
	if (tcp_bind(pcb, IP_ADDR_ANY, (u16_t)(FIRST_PORT + a->number)) != ERR_OK || tcp_connect(pcb, &to, PORT, on_connected) != ERR_OK)
		fprintf(stderr, "lwip_end: connection %d does not begin\n", a->number);
}

static void listen_for_them(void)
{
	struct tcp_pcb *pcb = tcp_new();

	if (tcp_bind(pcb, IP_ADDR_ANY, PORT) != ERR_OK || !(pcb = tcp_listen(pcb)))
		exit(2);
	tcp_accept(pcb, on_accept);
}

/* ---- the stack ---- */

static err_t transmit(struct netif *n, struct pbuf *packet, const ip4_addr_t *to)
{
	char octets[UINT16_MAX];

	(void)n;
	(void)to;
	pbuf_copy_partial(packet, octets, packet->tot_len, 0);
	return write(wire, octets, packet->tot_len) < 0 ? ERR_IF : ERR_OK;
}

static err_t prepare(struct netif *n)
{
	n->mtu = 1500;
	n->output = transmit;
	return ERR_OK;
}

static void *receive(void *x)
{
	char octets[UINT16_MAX];
	ssize_t n;

	(void)x;
	while ((n = read(wire, octets, sizeof octets)) > 0) {
		struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM);
		pbuf_take(packet, octets, (u16_t)n);
		LOCK_TCPIP_CORE();
		look();
		if (device.input(packet, &device) != ERR_OK)
			pbuf_free(packet);
		look();
		UNLOCK_TCPIP_CORE();
	}
	return NULL;
}

static void *drive(void *x)
{
	int begun = client ? 0 : count;
	bool told = false;

	(void)x;
	for (;; usleep(500)) {
		int active = 0;
		LOCK_TCPIP_CORE();
		look();
		for (int i = 0; i < count; i++) {
			go_on(&apps[i]);
			active += apps[i].pcb != NULL;
		}
		if (begun < count && active < AT_ONCE)
			begin(&apps[begun++]);
		look();
		UNLOCK_TCPIP_CORE();
		if (client && begun == count && !active && !told)
			told = puts("through") >= 0 && !fflush(stdout);
	}
	return NULL;
}

static void ready(void *signal)
{
	sys_sem_signal(signal);
}

static void start(void)
{
	ip4_addr_t address, mask, gateway;
	sys_sem_t up;
	pthread_t thread;

	sys_sem_new(&up, 0);
	tcpip_init(ready, &up);
	sys_sem_wait(&up);
	address.addr = ipaddr_addr(own);
	mask.addr = ipaddr_addr("255.255.255.0");
	gateway.addr = ipaddr_addr(peer);
	LOCK_TCPIP_CORE();
	netif_add(&device, &address, &mask, &gateway, NULL, prepare, ip_input);
	netif_set_default(&device);
	netif_set_up(&device);
	netif_set_link_up(&device);
	if (!client)
		listen_for_them();
	UNLOCK_TCPIP_CORE();
	pthread_create(&thread, NULL, receive, NULL);
	pthread_create(&thread, NULL, drive, NULL);
}

int main(int argc, char **argv)
{
	char c;

	if (argc != 9)
		return 2;
	wire = atoi(argv[1]);
	count = atoi(argv[3]);
	client = argv[4][0] == 'c';
	own = argv[5];
	peer = argv[6];
	states = fopen(argv[7], "w");
	FILE *out = fopen(argv[8], "w");
	apps = calloc((size_t)count, sizeof *apps);
	state = calloc((size_t)count, 1);
	held = calloc((size_t)count, 1);
	if (!states || !out || !apps || !state || !held)
		return 2;
	for (int i = 0; i < count; i++) {
		apps[i].number = i;
		apps[i].left = -1;
		plan(&apps[i], (unsigned)atoi(argv[2]) * 7919u + (unsigned)i * 104729u);
	}
	start();
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	LOCK_TCPIP_CORE();
	look();
	for (int i = 0; i < count; i++)
		if (held[i])
			fprintf(out, "%s %d %s %d\n", own, client ? FIRST_PORT + i : PORT, peer, client ? PORT : FIRST_PORT + i);
	fclose(out);
	fclose(states);
	_exit(0);
}
