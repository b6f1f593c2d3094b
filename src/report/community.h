/* community.h - the Community ID flow hash, version 1 (corelight/community-id-spec), by which tools name the same flow. */
#ifndef COMMUNITY_H
#define COMMUNITY_H

#include <tcpaudit/connection.h>

#define COMMUNITY_ID 31 /* "1:" and 28 characters of base64, with the NUL */

/* Seed 0, protocol TCP. */
void community_id(char out[COMMUNITY_ID], const struct tcpaudit_end end[2], unsigned ip_version);

/* The same by portable code alone; for tests. */
void community_id_plainly(char out[COMMUNITY_ID], const struct tcpaudit_end end[2], unsigned ip_version);

#endif
