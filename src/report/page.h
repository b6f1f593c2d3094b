/* page.h - text for people: lines that never exceed the width, colour and glyphs that the terminal has, numbers with units. */
#ifndef PAGE_H
#define PAGE_H

#include <stdio.h>

#include "report/output.h"
#include "report/report.h"

enum page_color { PAGE_PLAIN, PAGE_HEADING, PAGE_ERROR, PAGE_WARNING, PAGE_NOTE, PAGE_GOOD, PAGE_DIM };

struct page {
	struct report_page look;
	FILE *out; /* into memory */
	char *text;
	size_t size;
	unsigned column; /* of the cursor */
	unsigned indent; /* of lines that are continued */
};

/* Room for the longest of the short texts below. */
#define PAGE_TOKEN 96

/* false when out of memory. */
bool page_init(struct page *page, const struct report_page *look);

/* Hands the text over to the output (NULL: throws it away) and frees it.  false when out of memory. */
bool page_finish(struct page *page, struct output *output);

/* The text itself, instead; the caller frees.  NULL when out of memory. */
char *page_take(struct page *page);

/* A piece that is not broken: `gap` spaces and the text, or on the next line if it does not fit on this one. */
void page_put(struct page *page, unsigned gap, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Words that are broken where the line ends.  Bytes that a terminal would obey are replaced. */
void page_words(struct page *page, unsigned gap, const char *text);

/* A piece of foreign text, shortened in the middle to `room` columns. */
void page_foreign(struct page *page, unsigned gap, const char *text, unsigned room);

/* Moves to a column, if the cursor is not behind it. */
void page_column(struct page *page, unsigned column);

void page_color(struct page *page, enum page_color color);
void page_end(struct page *page);

/* A section: an empty line, and the heading. */
void page_heading(struct page *page, const char *heading);

/* A bar for part/whole, `room` columns long when they are equal. */
void page_bar(struct page *page, uint64_t part, uint64_t whole, unsigned room);

const char *page_arrow(const struct page *page);
enum page_color page_severity_color(unsigned severity);

/* Each writes a short text and returns it. */
const char *page_number(char out[PAGE_TOKEN], uint64_t number);                  /* 1,284,311 */
const char *page_count(char out[PAGE_TOKEN], uint64_t number, const char *noun); /* 1 packet, 2 packets */
const char *page_bytes(char out[PAGE_TOKEN], uint64_t bytes);                    /* 38 KiB */
const char *page_duration(char out[PAGE_TOKEN], int64_t ns);                     /* 5 min 12 s */
const char *page_share(char out[PAGE_TOKEN], uint64_t part, uint64_t whole);     /* 64.3 % */
const char *page_address(char out[PAGE_TOKEN], const struct tcpaudit_address *address, unsigned ip_version);
const char *page_socket(char out[PAGE_TOKEN], const struct tcpaudit_address *address, unsigned ip_version, unsigned port);

#endif
