/* limit.c - see limit.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/limit.h"

#include <string.h>

#include "report/keyed.h"

/* Whom a finding is counted for.  One that speaks of no end, or of both, goes to the client's account. */
static struct limit_place account_of(const struct limit *limit, const struct tcpaudit_finding *finding)
{
	const struct tcpaudit_end *end = finding->connection->end;
	const struct tcpaudit_end *about = &end[finding->endpoint == TCPAUDIT_WHO_SERVER ? TCPAUDIT_SERVER : TCPAUDIT_CLIENT];
	struct limit_place place;

	memset(&place, 0, sizeof place);
	place.row = finding->row;
	place.per = limit->per;
	place.used = true;
	switch ((enum limit_per)limit->per) {
	case LIMIT_PER_ALL:
		break;
	case LIMIT_PER_HOST:
		memcpy(place.address[0], about->address.byte, 16);
		break;
	case LIMIT_PER_SERVICE:
		memcpy(place.address[0], end[TCPAUDIT_SERVER].address.byte, 16);
		place.port = end[TCPAUDIT_SERVER].port;
		break;
	case LIMIT_PER_PAIR:
		memcpy(place.address[0], end[TCPAUDIT_CLIENT].address.byte, 16);
		memcpy(place.address[1], end[TCPAUDIT_SERVER].address.byte, 16);
		break;
	}
	return place;
}

static bool same_account(const struct limit_place *a, const struct limit_place *b)
{
	return b->used && a->row == b->row && a->per == b->per && a->port == b->port &&
	       memcmp(a->address, b->address, sizeof a->address) == 0;
}

static struct limit_place *set_of(struct limits *limits, const struct limit_place *account)
{
	uint64_t words[4], hash = keyed_mix(limits->key, (uint64_t)account->row << 32 | (uint64_t)account->per << 16 | account->port);

	memcpy(words, account->address, sizeof words);
	for (size_t i = 0; i < 4; i++)
		hash = keyed_mix(hash, words[i]);
	return &limits->place[keyed_mix(hash, limits->key) % (LIMIT_PLACES / LIMIT_WAYS) * LIMIT_WAYS];
}

static struct limit_place *find(struct limits *limits, const struct limit *limit, const struct tcpaudit_finding *finding)
{
	struct limit_place account = account_of(limit, finding), *set = set_of(limits, &account), *place = set;

	for (size_t i = 0; i < LIMIT_WAYS; i++) {
		if (same_account(&account, &set[i]))
			return &set[i];
		if (place->used && (!set[i].used || set[i].since < place->since))
			place = &set[i];
	}
	limits->forgotten += place->used && finding->time - place->since < limit->every;
	*place = account;
	place->since = finding->time;
	return place;
}

bool limit_allows(struct limits *limits, const struct limit *limit, const struct tcpaudit_finding *finding)
{
	struct limit_place *place = find(limits, limit, finding);

	if (finding->time - place->since >= limit->every) {
		place->since = finding->time;
		place->shown = 0;
	}
	if (place->shown >= limit->count)
		return false;
	place->shown++;
	return true;
}
