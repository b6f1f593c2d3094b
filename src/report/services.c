/* services.c - filling and ranking the table of services.h. */
#include "report/services.h"

#include <string.h>

#include "report/report.h"

#define PROBES 8

static bool same_service(const struct service *s, const struct tcpaudit_connection *c)
{
	const struct tcpaudit_end *server = &c->end[TCPAUDIT_SERVER];

	return s->port == server->port && s->ip_version == c->ip_version &&
	       memcmp(&s->address, &server->address, sizeof s->address) == 0;
}

static uint64_t hash_service(const struct tcpaudit_end *server)
{
	uint64_t half[2], hash = server->port;

	memcpy(half, &server->address, sizeof half);
	hash = (hash ^ half[0]) * UINT64_C(0x9e3779b97f4a7c15);
	hash = (hash ^ hash >> 32 ^ half[1]) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

bool services_leak(const struct services *services, const struct tcpaudit_connection *c)
{
	const uint64_t hash = hash_service(&c->end[TCPAUDIT_SERVER]);

	if (c->close_wait_holder != TCPAUDIT_WHO_SERVER) /* its client's are nothing of the service */
		return false;
	for (unsigned i = 0; i < PROBES; i++) {
		const struct service *s = &services->row[(hash + i) % SERVICES];
		const uint64_t leaks = s->leaks + 1, connections = s->connections + 1;

		if (s->ip_version != 0 && same_service(s, c))
			return leaks >= SERVICE_MANY && leaks * SERVICE_SHARE >= connections;
	}
	return false;
}

/* Where others have taken all its places, one that was seen once gives way: services with many connections stay, and one
 * that begins late finds room. */
static struct service *find_service(struct services *services, const struct tcpaudit_connection *c)
{
	const struct tcpaudit_end *server = &c->end[TCPAUDIT_SERVER];
	uint64_t hash = hash_service(server);
	struct service *once = NULL;

	for (unsigned i = 0; i < PROBES; i++) {
		struct service *s = &services->row[(hash + i) % SERVICES];

		if (s->ip_version != 0 && same_service(s, c))
			return s;
		if (s->connections > 1 || (once != NULL && s->ip_version != 0))
			continue;
		once = s;
		if (s->ip_version == 0)
			break;
	}
	services->left_out += once == NULL || once->ip_version != 0;
	if (once == NULL)
		return NULL;
	memset(once, 0, sizeof *once);
	once->address = server->address;
	once->port = server->port;
	once->ip_version = c->ip_version;
	return once;
}

/* Below 8 exactly, above by the three bits behind the first. */
static unsigned class_of(uint64_t us)
{
	unsigned octave = us < 8 ? 3 : 63 - (unsigned)__builtin_clzll(us);
	unsigned k = us < 8 ? (unsigned)us : (octave - 2) * 8 + (us >> (octave - 3) & 7);

	return k < SERVICE_STAYS ? k : SERVICE_STAYS - 1;
}

static uint64_t middle_of(unsigned k)
{
	if (k < 16)
		return k;
	unsigned shift = k / 8 - 1;
	return ((UINT64_C(8) + k % 8) << shift) + (UINT64_C(1) << shift) / 2;
}

void services_connection(struct services *services, const struct tcpaudit_connection *c, bool leak)
{
	struct service *s = report_past_handshake(c) ? find_service(services, c) : NULL;

	if (s == NULL)
		return;
	s->connections++;
	s->reset += report_ended_by_reset(c);
	s->server_first += c->closed_first == TCPAUDIT_WHO_SERVER;
	if (c->close_wait_holder != TCPAUDIT_WHO_SERVER)
		return;
	uint64_t stay = (uint64_t)c->close_wait_duration / 1000;
	if (s->close_waits == 0 || stay < s->least)
		s->least = stay;
	if (stay > s->most)
		s->most = stay;
	s->close_waits++;
	s->close_wait_open += c->close_wait_open;
	s->leaks += c->close_wait_open && leak;
	s->stay[class_of(stay)]++;
}

/* More connections first; of equal ones, what the table's order does not decide. */
static bool is_before(const struct service *a, const struct service *b)
{
	if (a->connections != b->connections)
		return a->connections > b->connections;
	int order = memcmp(&a->address, &b->address, sizeof a->address);
	return order != 0 ? order < 0 : a->port < b->port;
}

void services_rank(struct services *services)
{
	services->shown = 0;
	for (size_t i = 0; i < SERVICES; i++) {
		const struct service *s = &services->row[i];
		size_t at = services->shown;

		if (s->ip_version == 0)
			continue;
		if (at == SERVICES_SHOWN && !is_before(s, services->top[--at]))
			continue;
		services->shown = at + 1;
		for (; at > 0 && is_before(s, services->top[at - 1]); at--)
			services->top[at] = services->top[at - 1];
		services->top[at] = s;
	}
}

uint64_t service_stay(const struct service *s, unsigned percent)
{
	uint64_t below = 0;

	for (unsigned k = 0; k < SERVICE_STAYS; k++) {
		below += s->stay[k];
		if (below > 0 && 100 * below >= percent * s->close_waits) {
			uint64_t middle = middle_of(k);
			return middle > s->most ? s->most : middle < s->least ? s->least : middle;
		}
	}
	return 0;
}
