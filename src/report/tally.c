/* tally.c - filling and asking the tables of tally.h. */
#include "report/tally.h"

#include <stdlib.h>
#include <string.h>

#include "report/keyed.h"

#define INDEX_PLACES (4 * TALLY_HOSTS)
_Static_assert(TALLY_HOSTS < UINT16_MAX, "1 + which of them");

struct tally *tally_new(const uint64_t *notable, const uint8_t key[16])
{
	struct tally *tally = calloc(1, sizeof *tally);

	if (tally == NULL)
		return NULL;
	tally->notable = notable;
	memcpy(tally->key, key, sizeof tally->key);
	tally->midstream_row = tcpaudit_check_index("cap-midstream");
	tally->host = calloc(TALLY_HOSTS, sizeof *tally->host);
	tally->index = calloc(INDEX_PLACES, sizeof *tally->index);
	if (tally->host != NULL && tally->index != NULL)
		return tally;
	tally_free(tally);
	return NULL;
}

void tally_free(struct tally *tally)
{
	if (tally == NULL)
		return;
	for (size_t i = 0; i < sizeof tally->check / sizeof *tally->check; i++)
		free(tally->check[i]);
	free(tally->host);
	free(tally->index);
	free(tally);
}

/* Classes: values below 32 exactly, above by their five leading bits behind the first. */
void tally_median_add(struct tally_median *median, int64_t number)
{
	uint64_t value = number < 0 ? 0 : (uint64_t)number;
	unsigned bits = value < 32 ? 5 : 63 - (unsigned)__builtin_clzll(value);

	if (median->count == 0 || value < median->least)
		median->least = value;
	if (value > median->most)
		median->most = value;
	median->count++;
	median->class[value < 32 ? value : (bits - 4) * 32 + (value >> (bits - 5) & 31)]++;
}

uint64_t tally_median(const struct tally_median *median)
{
	return tally_percentile(median, 50);
}

static uint64_t middle_of(uint64_t class)
{
	if (class < 64)
		return class;
	uint64_t shift = class / 32 - 1;
	return ((32 + class % 32) << shift) + (UINT64_C(1) << shift) / 2;
}

uint64_t tally_percentile(const struct tally_median *median, unsigned percent)
{
	uint64_t below = 0;

	for (uint64_t i = 0; i < sizeof median->class / sizeof *median->class; i++) {
		below += median->class[i];
		if (100 * below >= percent * median->count && below > 0) {
			uint64_t middle = middle_of(i);
			return middle > median->most ? median->most : middle < median->least ? median->least : middle;
		}
	}
	return 0;
}

/* How an end is called: a server by its socket, a client by its address. */
static struct tally_place place_of(const struct tcpaudit_connection *connection, unsigned end)
{
	return (struct tally_place){
	        .address = connection->end[end].address,
	        .port = end == TCPAUDIT_SERVER ? connection->end[end].port : 0,
	        .ip_version = connection->ip_version,
	};
}

static bool same_place(const struct tally_place *a, const struct tally_place *b)
{
	return a->port == b->port && a->ip_version == b->ip_version && memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

static uint64_t hash_place(const struct tally *tally, const struct tally_place *place)
{
	uint64_t half[2], hash = keyed_mix(tally->key[0], (uint64_t)place->port << 8 | place->ip_version);

	memcpy(half, &place->address, sizeof half);
	return keyed_mix(keyed_mix(hash, half[0]) ^ tally->key[1], half[1]);
}

/* The host's entry, a new one if there is room; NULL if not.  Linear probing; the table is at most a quarter full. */
static struct tally_host *find_host(struct tally *tally, const struct tcpaudit_connection *connection, unsigned end)
{
	struct tally_place place = place_of(connection, end);
	uint64_t at = hash_place(tally, &place) % INDEX_PLACES;
	struct tally_host *host;

	for (; tally->index[at] > 0; at = (at + 1) % INDEX_PLACES)
		if (same_place(&(host = &tally->host[tally->index[at] - 1])->place, &place)) {
			host->place.count++;
			return host;
		}
	if (tally->hosts == TALLY_HOSTS) {
		tally->hosts_left_out++;
		return NULL;
	}
	host = &tally->host[tally->hosts++];
	tally->index[at] = (uint16_t)tally->hosts;
	host->place = place;
	host->place.count = 1;
	return host;
}

static bool is_or_both(unsigned who, unsigned end)
{
	return who == end || who == TCPAUDIT_WHO_BOTH;
}

/* A reset without ACK behind both FINs comes from no block (RFC 9293 3.10.7.1): its sender had closed, and let go of the connection before
 * the other end closed, too late maybe.  He has aborted nothing. */
static bool aborted(const struct tcpaudit_connection *c, unsigned end)
{
	bool stateless = c->kind == TCPAUDIT_KIND_FIN_FIN_RST && !(c->reset.flags & TCPAUDIT_ACK);

	return is_or_both(c->aborted_by, end) && report_ended_by_reset(c) && !stateless;
}

/* An attempt that nobody aborted says nothing of a host: a flood of them would take all the room. */
static void count_hosts(struct tally *tally, const struct tcpaudit_connection *connection)
{
	if (connection->aborted_by == TCPAUDIT_WHO_NONE && !report_past_handshake(connection))
		return;
	for (unsigned end = 0; end < 2; end++) {
		const tcpaudit_state_set close_wait = 1 << TCPAUDIT_CLOSE_WAIT;
		struct tally_host *host = find_host(tally, connection, end);

		if (host == NULL)
			continue;
		if (connection->kind == TCPAUDIT_KIND_REFUSED) /* nothing was open that could be aborted */
			host->measure[TALLY_REFUSED] += end == TCPAUDIT_SERVER;
		else
			host->measure[TALLY_RESETS] += aborted(connection, end);
		host->measure[TALLY_TIME_WAIT] += is_or_both(connection->time_wait_holder, end);
		if (connection->kind == TCPAUDIT_KIND_HALF_CLOSED && connection->end[end].states == close_wait) {
			int64_t since = connection->end[!end].fin_ack.time;

			if (host->measure[TALLY_CLOSE_WAIT]++ == 0 || since < host->oldest)
				host->oldest = since;
		}
	}
}

static void keep_connection(const struct tally *tally, struct tally_connection *kept,
                            const struct tcpaudit_connection *connection)
{
	kept->flow_id = connection->id;
	kept->ip_version = connection->ip_version;
	kept->kind = connection->kind;
	kept->closed_first = connection->closed_first;
	kept->aborted_by = connection->aborted_by;
	kept->duration = connection->last - connection->start;
	for (unsigned end = 0; end < 2; end++) {
		kept->address[end] = connection->end[end].address;
		kept->port[end] = connection->end[end].port;
	}
	for (size_t word = 0; word < TCPAUDIT_CHECK_WORDS; word++)
		kept->notable[word] = connection->findings[word] & tally->notable[word];
}

void tally_connection(struct tally *tally, const struct tcpaudit_connection *connection)
{
	if (tally->connections < TALLY_CONNECTIONS)
		keep_connection(tally, &tally->connection[tally->connections], connection);
	tally->connections++;
	tally->closed_first[connection->closed_first]++;
	tally->midstream += tally->midstream_row >= 0 && report_set_has(connection->capture, (size_t)tally->midstream_row);
	if (connection->kind == TCPAUDIT_KIND_HALF_CLOSE) {
		tally_median_add(&tally->half_close_duration, connection->half_close_duration);
		tally_median_add(&tally->half_close_bytes, (int64_t)connection->half_close_bytes);
	}
	count_hosts(tally, connection);
}

/* Keeps the places that occur most (Misra and Gries): a new one takes the room of one whose count has been worn down. */
static void count_place(struct tally_check *check, const struct tcpaudit_finding *finding)
{
	struct tally_place place;

	if (finding->endpoint > TCPAUDIT_WHO_SERVER)
		return;
	place = place_of(finding->connection, finding->endpoint);
	for (unsigned i = 0; i < check->places; i++)
		if (same_place(&check->place[i], &place)) {
			check->place[i].count++;
			return;
		}
	place.count = 1;
	if (check->places < TALLY_PLACES) {
		check->place[check->places++] = place;
		return;
	}
	check->places_left_out = true;
	for (unsigned i = 0; i < TALLY_PLACES; i++)
		if (check->place[i].count == 0) {
			check->place[i] = place;
			return;
		}
	for (unsigned i = 0; i < TALLY_PLACES; i++)
		check->place[i].count--;
}

static void keep_example(struct tally_example *example, const struct report *report, const struct tcpaudit_finding *finding)
{
	const struct tcpaudit_connection *connection = finding->connection;

	example->flow_id = connection->id;
	example->ip_version = connection->ip_version;
	example->time = finding->time;
	example->severity = finding->severity;
	example->confidence = finding->confidence;
	example->endpoint = finding->endpoint;
	example->deliberate = finding->deliberate;
	for (unsigned end = 0; end < 2; end++) {
		example->address[end] = connection->end[end].address;
		example->port[end] = connection->end[end].port;
		example->isn[end] = connection->end[end].isn;
		example->isn_known[end] = connection->end[end].isn_known;
	}
	memcpy(example->expected, finding->expected, sizeof example->expected);
	memcpy(example->observed, finding->observed, sizeof example->observed);
	memcpy(example->evidence, finding->evidence, sizeof example->evidence);
	example->evidence_count = finding->evidence_count;
	report_message(report, finding, example->message, sizeof example->message);
}

/* The first of the highest rank stay, in the order in which they came. */
static void offer_example(struct tally_check *check, const struct report *report, const struct tcpaudit_finding *finding)
{
	unsigned rank = finding->severity * 4u + finding->confidence, at = check->examples;

	if (at == TALLY_EXAMPLES && check->example[at - 1].rank >= rank)
		return;
	if (at < TALLY_EXAMPLES)
		check->examples++;
	else
		at--;
	for (; at > 0 && check->example[at - 1].rank < rank; at--)
		check->example[at] = check->example[at - 1];
	keep_example(&check->example[at], report, finding);
	check->example[at].rank = rank;
}

void tally_finding(struct tally *tally, const struct report *report, const struct tcpaudit_finding *finding)
{
	struct tally_check **slot = &tally->check[finding->row];

	if (*slot == NULL && (*slot = calloc(1, sizeof **slot)) == NULL) {
		tally->out_of_memory = true;
		return;
	}
	struct tally_check *check = *slot;
	check->count++;
	if (finding->severity > check->severity)
		check->severity = finding->severity;
	count_place(check, finding);
	offer_example(check, report, finding);
}

size_t tally_top(const struct tally *tally, unsigned measure, const struct tally_host **top, size_t room)
{
	size_t count = 0;

	for (size_t i = 0; i < tally->hosts; i++) {
		const struct tally_host *host = &tally->host[i];
		size_t at = count;

		if (host->measure[measure] == 0)
			continue;
		if (count == room && top[room - 1]->measure[measure] >= host->measure[measure])
			continue;
		if (count < room)
			count++;
		else
			at--;
		for (; at > 0 && top[at - 1]->measure[measure] < host->measure[measure]; at--)
			top[at] = top[at - 1];
		top[at] = host;
	}
	return count;
}
