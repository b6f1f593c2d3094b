/* pressure.c - see pressure.h. */
#include "pressure.h"

#include <string.h>

#include "mirror/history.h"

#define MINUTE 60000000000ll

/* In a set: one that is free, or of no more use.  The older, the better. */
static unsigned gives_way(const struct pressure *pressure, unsigned set)
{
	unsigned best = set;

	for (unsigned i = set; i < set + PRESSURE_WAYS; i++) {
		if (!pressure->tag[i] && !pressure->place[i].used)
			return i;
		if (pressure->newest[i] < pressure->newest[best])
			best = i;
	}
	return best;
}

/* The place of a service, which may have been another's.  The hash is keyed: nobody can aim at one. */
static unsigned find(struct pressure *pressure, const struct flow_table *table, const struct socket_pair *key, int64_t now,
                     uint64_t *forgotten)
{
	uint32_t tag = flow_hash(table, key);
	unsigned set = tag % (PRESSURE_PLACES / PRESSURE_WAYS) * PRESSURE_WAYS;

	for (unsigned i = set; i < set + PRESSURE_WAYS; i++)
		if (pressure->tag[i] == tag && pressure->place[i].used && same_socket_pair(&pressure->place[i].key, key))
			return i;
	unsigned best = gives_way(pressure, set);
	struct pressure_place *p = &pressure->place[best];
	*forgotten += p->used && pressure->newest[best] + PRESSURE_SLICES > now;
	memset(p, 0, sizeof *p);
	p->used = true;
	p->key = *key;
	pressure->tag[best] = tag;
	pressure->newest[best] = now;
	return best;
}

/* Only whole slices that are surely within 2MSL of the newest: a lower bound. */
static uint32_t held(struct pressure_place *p, int64_t *newest, int64_t slice)
{
	uint32_t sum = 0;

	for (; *newest < slice; ++*newest) {
		if (slice - *newest > PRESSURE_SLICES) {
			memset(p->slice, 0, sizeof p->slice);
			*newest = slice;
			break;
		}
		p->slice[(*newest + 1) % PRESSURE_SLICES] = 0;
	}
	if (slice + PRESSURE_SLICES <= *newest)
		return 0; /* captured late: over already */
	p->slice[slice % PRESSURE_SLICES]++;
	for (int i = 0; i < PRESSURE_SLICES; i++)
		sum += p->slice[i];
	return sum;
}

/* Is this one of at least so many within a minute?  Segments come in nearly that order: the newest are kept. */
static uint32_t reused(struct pressure_place *p, int64_t time)
{
	unsigned oldest = 0;

	if (p->reuses < PRESSURE_REUSES) {
		p->reuse[p->reuses++] = time;
	} else {
		for (unsigned i = 1; i < PRESSURE_REUSES; i++)
			if (p->reuse[i] < p->reuse[oldest])
				oldest = i;
		if (p->reuse[oldest] < time)
			p->reuse[oldest] = time;
	}
	int64_t first = p->reuse[0], last = p->reuse[0];
	for (unsigned i = 1; i < p->reuses; i++) {
		first = p->reuse[i] < first ? p->reuse[i] : first;
		last = p->reuse[i] > last ? p->reuse[i] : last;
	}
	return p->reuses == PRESSURE_REUSES && last - first <= MINUTE ? PRESSURE_REUSES : 0;
}

static uint32_t once(struct pressure_place *p, unsigned which, uint32_t many, int64_t now, int64_t time_wait)
{
	if (!many || (p->told[which] && now - p->told_at[which] < time_wait))
		return 0;
	p->told[which] = true;
	p->told_at[which] = now;
	return many;
}

static bool too_many(const struct tcpaudit_settings *settings, uint32_t many)
{
	const int64_t *threshold = settings->threshold;

	return 100 * (int64_t)many >= threshold[TCPAUDIT_THRESHOLD_TW_SHARE] * threshold[TCPAUDIT_THRESHOLD_TW_PORTS];
}

struct pressure_view pressure_count(struct pressure *pressure, const struct flow_table *table, const struct socket_pair *service,
                                    int64_t since, int64_t again, const struct tcpaudit_settings *settings, uint64_t *forgotten)
{
	int64_t time_wait = 2 * settings->msl;
	struct pressure_view view = {0, 0};
	int64_t slice = since / (time_wait / PRESSURE_SLICES + 1);
	unsigned place = find(pressure, table, service, slice, forgotten);
	struct pressure_place *p = &pressure->place[place];
	uint32_t many = held(p, &pressure->newest[place], slice);

	view.held = once(p, 0, too_many(settings, many) ? many : 0, since, time_wait);
	if (again)
		view.reused = once(p, 1, reused(p, again), again, time_wait);
	return view;
}
