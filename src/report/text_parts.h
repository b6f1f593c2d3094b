/* text_parts.h - what the sections of a text report share. */
#ifndef TEXT_PARTS_H
#define TEXT_PARTS_H

#include "report/page.h"
#include "report/report.h"
#include "report/tally.h"

#define NAME_COLUMN 19 /* what stands behind a name in the header */

/* The checks that found something; takes their rows out of the tally. */
void text_findings(struct page *page, const struct report *report, const struct report_state *state, struct tally *tally);

#endif
