/* measures.c - CLOSE-WAIT dwell and TIME-WAIT occupancy over all connections. */
#include <stdlib.h>
#include <string.h>

#include "report/measures.h"

#define LIFETIME 8 /* slots that a TIME-WAIT lives */

struct measures *measures_new(int64_t msl)
{
	struct measures *measures = calloc(1, sizeof *measures);

	if (measures == NULL)
		return NULL;
	measures->slot = msl > LIFETIME / 2 ? 2 * msl / LIFETIME : 1;
	measures->leak_row = tcpaudit_check_index("close-wait-leak");
	return measures;
}

static void count_close_wait(struct measures *measures, const struct tcpaudit_connection *connection)
{
	if (connection->close_wait_holder > TCPAUDIT_WHO_SERVER)
		return;
	tally_median_add(&measures->close_wait, connection->close_wait_duration);
	if (connection->close_wait_duration > measures->close_wait_longest)
		measures->close_wait_longest = connection->close_wait_duration;
	measures->close_wait_open += connection->close_wait_open;
}

static struct measures_host *find_host(struct measures *measures, const struct tcpaudit_address *address, uint8_t ip_version)
{
	uint64_t words[2], hash;

	memcpy(words, address->byte, sizeof words);
	hash = (words[0] * UINT64_C(0x9e3779b97f4a7c15) ^ words[1]) * UINT64_C(0xc2b2ae3d27d4eb4f);
	for (unsigned i = 0; i < 8; i++) {
		struct measures_host *host = &measures->host[((hash >> 40) + i) % MEASURES_HOSTS];

		if (host->ip_version == 0) {
			host->address = *address;
			host->ip_version = ip_version;
			host->newest = INT64_MIN;
			return host;
		}
		if (host->ip_version == ip_version && memcmp(&host->address, address, sizeof *address) == 0)
			return host;
	}
	return NULL;
}

/* Slots between the newest and this one have seen nobody yet. */
static void advance(struct measures_host *host, int64_t slot)
{
	if (host->newest == INT64_MIN || slot - host->newest >= MEASURES_SLOTS)
		memset(host->alive, 0, sizeof host->alive);
	else
		for (int64_t k = host->newest + 1; k <= slot; k++)
			host->alive[k % MEASURES_SLOTS] = 0;
	host->newest = slot;
}

/* Of hosts with equal peaks the lower address: whose connections are told first means nothing. */
static bool comes_before(const struct measures_host *a, const struct measures_host *b)
{
	if (a->peak != b->peak)
		return a->peak > b->peak;
	if (a->ip_version != b->ip_version)
		return a->ip_version < b->ip_version;
	return memcmp(&a->address, &b->address, sizeof a->address) < 0;
}

/* Connections are told when they have settled, so not quite in the order of their TIME-WAITs. */
static void count_time_wait(struct measures *measures, const struct tcpaudit_connection *connection, unsigned end)
{
	struct measures_host *host = find_host(measures, &connection->end[end].address, connection->ip_version);
	int64_t from = connection->time_wait_since / measures->slot;

	measures->time_waits++;
	if (host == NULL) {
		measures->hosts_left_out++;
		return;
	}
	if (host->newest == INT64_MIN || from + LIFETIME > host->newest)
		advance(host, from + LIFETIME);
	int64_t oldest = host->newest - MEASURES_SLOTS + 1;
	uint32_t peak = host->peak;
	for (int64_t slot = from > oldest ? from : oldest; slot < from + LIFETIME; slot++) {
		uint32_t alive = ++host->alive[(uint64_t)slot % MEASURES_SLOTS];
		peak = alive > peak ? alive : peak;
	}
	host->peak = peak;
	if (measures->top == NULL || comes_before(host, measures->top))
		measures->top = host;
}

void measures_connection(struct measures *measures, const struct tcpaudit_connection *connection)
{
	count_close_wait(measures, connection);
	services_connection(&measures->services, connection,
	                    measures->leak_row >= 0 && report_set_has(connection->findings, (size_t)measures->leak_row));
	for (unsigned end = 0; end < 2; end++)
		if (connection->time_wait_holder == end || connection->time_wait_holder == TCPAUDIT_WHO_BOTH)
			count_time_wait(measures, connection, end);
}
