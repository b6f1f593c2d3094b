/* filter.h - a BPF expression over frames of any link type. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stdint.h>

struct filter;

enum filter_verdict {
	FILTER_REJECTS,
	FILTER_MATCHES,
	FILTER_CANNOT, /* the expression makes no sense for this link type, or libpcap does not know it */
};

/* Compiles a BPF expression for Ethernet (if it has no meaning there, for other common link types): NULL and *error, with
 * libpcap's words, when it is wrong for all of them.  An empty expression matches everything. */
struct filter *filter_new(const char *expression, char **error);

/* Compiles it for this link type.  false and *error if it is wrong for it, although libpcap knows the link type. */
bool filter_require(struct filter *filter, uint16_t linktype, char **error);

/* Compiles for new link types as they occur: one filter must not be shared by threads. */
enum filter_verdict filter_match(struct filter *filter, uint16_t linktype, const uint8_t *data, uint32_t caplen,
                                 uint32_t wirelen);

/* Accepts NULL. */
void filter_free(struct filter *filter);

#endif
