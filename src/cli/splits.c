/* splits.c - see splits.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "cli/splits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "report/keyed.h"

#define SLACK INT64_C(5000000000) /* ns by which two halves may miss each other, and be halves of one connection */

struct splits *splits_new(char **error)
{
	struct splits *splits = calloc(1, sizeof *splits);

	*error = NULL;
	if (splits == NULL)
		return NULL;
	if (getrandom(splits->key, sizeof splits->key, 0) == (ssize_t)sizeof splits->key)
		return splits;
	if (asprintf(error, "no random key: %s", strerror(errno)) < 0)
		*error = NULL;
	free(splits);
	return NULL;
}

/* Is the first end the second socket in canonical order? */
static bool crossed(const struct tcpaudit_end end[2])
{
	int order = memcmp(&end[0].address, &end[1].address, sizeof end[0].address);

	return order > 0 || (order == 0 && end[0].port > end[1].port);
}

/* Of the two sockets alone: VLAN and tunnel may be what differs. */
static uint64_t hash_pair(const struct splits *splits, const struct tcpaudit_connection *connection, bool swapped)
{
	uint64_t hash = splits->key[0];

	for (unsigned i = 0; i < 2; i++) {
		const struct tcpaudit_end *end = &connection->end[i ^ swapped];
		uint64_t half[2];

		memcpy(half, &end->address, sizeof half);
		hash = keyed_mix(keyed_mix(keyed_mix(hash, half[0]), half[1] ^ splits->key[1]), end->port);
	}
	hash = keyed_mix(hash, connection->ip_version);
	return hash != 0 ? hash : 1;
}

static bool is_other_half(const struct split *a, const struct split *b)
{
	return a->pair == b->pair && a->sender != b->sender && a->worker != b->worker && a->start <= b->last + SLACK &&
	       b->start <= a->last + SLACK;
}

/* Puts the half where it can be found; the oldest one gives way. */
static void keep(struct splits *splits, struct split *set, const struct split *half)
{
	struct split *place = set;

	for (size_t i = 0; i < SPLITS_WAYS && place->pair != 0; i++)
		if (set[i].pair == 0 || set[i].last < place->last)
			place = &set[i];
	splits->forgotten += place->pair != 0;
	*place = *half;
}

void splits_connection(struct splits *splits, const struct tcpaudit_connection *connection, size_t worker)
{
	const struct tcpaudit_end *end = connection->end;
	bool swapped = crossed(end);
	struct split half = {.start = connection->start, .last = connection->last, .worker = (uint8_t)worker}, *set;

	if ((end[0].packets == 0) == (end[1].packets == 0))
		return;
	half.pair = hash_pair(splits, connection, swapped);
	half.sender = (end[0].packets == 0) ^ swapped;
	set = &splits->place[half.pair % (SPLITS_PLACES / SPLITS_WAYS) * SPLITS_WAYS];
	for (size_t i = 0; i < SPLITS_WAYS; i++)
		if (is_other_half(&set[i], &half)) {
			splits->found++;
			set[i].pair = 0;
			return;
		}
	keep(splits, set, &half);
}
