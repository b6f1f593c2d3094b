/* engine.h - the engine's own data. */
#ifndef ENGINE_H
#define ENGINE_H

#include "check/check.h"
#include "endings.h"
#include "front.h"
#include "hosts.h"
#include "losses.h"

struct tcpaudit {
	struct tcpaudit_settings settings;
	struct check_plan plan;
	struct tcpaudit_sink sink;
	struct tcpaudit_labeller labeller;
	struct front front;
	struct flow_table *table;
	struct tcpaudit_counters counters; /* but those of the front */
	int64_t now;
	int64_t quiet_until; /* nothing is due before */
	bool started;
	bool ended;
	bool ending; /* those of this turn are all there */
	struct endings endings;
	struct sweep {
		int64_t since;   /* begin of this turn */
		int64_t next;    /* nothing is to be done before */
		uint32_t cursor; /* place that is to be visited next */
	} sweep;
	struct routes routes;
	struct hosts hosts;
	struct losses losses;
	struct batch batch; /* of its own front */
};

#endif
