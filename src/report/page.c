/* page.c - how text is laid out. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "report/page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report/json.h"
#include "report/utf8.h"

bool page_init(struct page *page, const struct report_page *look)
{
	memset(page, 0, sizeof *page);
	page->look = *look;
	page->out = open_memstream(&page->text, &page->size);
	return page->out != NULL;
}

bool page_finish(struct page *page, struct output *output)
{
	bool ok = page->out != NULL && fclose(page->out) == 0;

	if (ok && output != NULL)
		output_write(output, page->text, page->size);
	free(page->text);
	return ok;
}

char *page_take(struct page *page)
{
	if (fclose(page->out) == 0)
		return page->text;
	free(page->text);
	return NULL;
}

/* Columns of UTF-8 text: its bytes without those that continue a character. */
static unsigned columns(const char *text)
{
	unsigned count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

void page_end(struct page *page)
{
	fputc('\n', page->out);
	page->column = 0;
}

void page_column(struct page *page, unsigned column)
{
	if (column > page->column) {
		fprintf(page->out, "%*s", (int)(column - page->column), "");
		page->column = column;
	}
}

static void put(struct page *page, unsigned gap, const char *text)
{
	unsigned length = columns(text);

	/* One column is left for the punctuation that may follow with no gap. */
	if (page->column > page->indent && page->column + gap + length > page->look.width - (gap > 0)) {
		page_end(page);
		gap = 0;
	}
	if (page->column < page->indent) {
		page_column(page, page->indent);
		gap = 0;
	}
	page_column(page, page->column + gap);
	fputs(text, page->out);
	page->column += length;
}

void page_put(struct page *page, unsigned gap, const char *format, ...)
{
	char text[256];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	put(page, gap, text);
}

void page_words(struct page *page, unsigned gap, const char *text)
{
	while (*text != '\0') {
		char word[128];
		size_t length = strcspn(text, " ");

		snprintf(word, sizeof word, "%.*s", (int)length, text);
		utf8_clean(word, page->look.utf8);
		put(page, gap, word);
		text += length + strspn(text + length, " ");
		gap = 1;
	}
}

void page_foreign(struct page *page, unsigned gap, const char *text, unsigned room)
{
	char copy[256];
	size_t length = strlen(text), half = room > 3 ? (room - 3) / 2 : 1;

	if (length >= sizeof copy || columns(text) > room)
		snprintf(copy, sizeof copy, "%.*s...%s", (int)half, text, text + length - half);
	else
		memcpy(copy, text, length + 1);
	utf8_clean(copy, page->look.utf8);
	put(page, gap, copy);
}

void page_color(struct page *page, enum page_color color)
{
	static const char *const code[] = {
	        [PAGE_PLAIN] = "\033[0m", [PAGE_HEADING] = "\033[1m", [PAGE_ERROR] = "\033[1;31m", [PAGE_WARNING] = "\033[33m",
	        [PAGE_NOTE] = "\033[36m", [PAGE_GOOD] = "\033[32m",   [PAGE_DIM] = "\033[2m",
	};

	if (!page->look.color)
		return;
	if (color != PAGE_PLAIN)
		page_column(page, page->indent); /* what is indented needs no color */
	fputs(code[color], page->out);
}

void page_heading(struct page *page, const char *heading)
{
	page->indent = 0;
	page_end(page);
	page_color(page, PAGE_HEADING);
	put(page, 0, heading);
	page_color(page, PAGE_PLAIN);
}

void page_bar(struct page *page, uint64_t part, uint64_t whole, unsigned room)
{
	static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned eighths = whole == 0 ? 0 : (unsigned)((double)part / (double)whole * 8 * room + 0.5);

	if (part > 0 && eighths == 0)
		eighths = 1;
	for (unsigned i = 0; i < eighths / 8; i++)
		fputs(page->look.utf8 ? "█" : "#", page->out);
	page->column += eighths / 8;
	if (eighths % 8 == 0 || (!page->look.utf8 && eighths > 8))
		return;
	fputs(page->look.utf8 ? eighth[eighths % 8] : ".", page->out);
	page->column++;
}

const char *page_arrow(const struct page *page)
{
	return page->look.utf8 ? "→" : "->";
}

enum page_color page_severity_color(unsigned severity)
{
	static const uint8_t color[] = {[TCPAUDIT_INFO] = PAGE_PLAIN,
	                                [TCPAUDIT_NOTE] = PAGE_NOTE,
	                                [TCPAUDIT_WARNING] = PAGE_WARNING,
	                                [TCPAUDIT_ERROR] = PAGE_ERROR};

	return (enum page_color)color[severity];
}

const char *page_number(char out[PAGE_TOKEN], uint64_t number)
{
	char digits[JSON_TOKEN];
	size_t length = json_format_integer(digits, (int64_t)number), at = 0;

	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

const char *page_count(char out[PAGE_TOKEN], uint64_t number, const char *noun)
{
	page_number(out, number);
	snprintf(out + strlen(out), PAGE_TOKEN - strlen(out), " %s%s", noun, number == 1 ? "" : "s");
	return out;
}

/* Two digits where one says too little: 1.2 but 12 and 120. */
static void scaled(char *out, double number, const char *unit)
{
	snprintf(out, PAGE_TOKEN, "%.*f %s", number < 9.95 ? 1 : 0, number, unit);
}

const char *page_bytes(char out[PAGE_TOKEN], uint64_t bytes)
{
	static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB"};
	double number = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(out, PAGE_TOKEN, "%" PRIu64 " B", bytes);
		return out;
	}
	for (; number >= 1023.5 && i < 3; i++)
		number /= 1024;
	scaled(out, number, unit[i]);
	return out;
}

const char *page_duration(char out[PAGE_TOKEN], int64_t ns)
{
	static const struct {
		int64_t ns;
		const char *name, *smaller;
		int64_t smaller_ns;
	} unit[] = {{INT64_C(86400000000000), "d", "h", INT64_C(3600000000000)},
	            {INT64_C(3600000000000), "h", "min", INT64_C(60000000000)},
	            {INT64_C(60000000000), "min", "s", INT64_C(1000000000)}};
	const char *sign = ns < 0 ? "-" : "";
	int64_t size = ns < 0 ? -(ns + 1) : ns;

	for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
		if (size >= unit[i].ns) {
			int64_t whole = size / unit[i].ns, rest = size % unit[i].ns / unit[i].smaller_ns;

			int at = snprintf(out, PAGE_TOKEN, "%s%" PRId64 " %s", sign, whole, unit[i].name);
			if (whole < 10 && rest > 0)
				snprintf(out + at, PAGE_TOKEN - (size_t)at, " %" PRId64 " %s", rest, unit[i].smaller);
			return out;
		}
	if (size >= 999500000)
		scaled(out, (double)ns / 1e9, "s");
	else if (size >= 999500)
		scaled(out, (double)ns / 1e6, "ms");
	else
		snprintf(out, PAGE_TOKEN, "%" PRId64 " us", ns / 1000);
	return out;
}

const char *page_share(char out[PAGE_TOKEN], uint64_t part, uint64_t whole)
{
	double share = whole == 0 ? 0 : 100 * (double)part / (double)whole;

	if (part > 0 && share < 0.05)
		snprintf(out, PAGE_TOKEN, "<0.1 %%");
	else if (part < whole && share >= 99.95)
		snprintf(out, PAGE_TOKEN, ">99.9 %%");
	else
		snprintf(out, PAGE_TOKEN, "%.1f %%", share);
	return out;
}

const char *page_address(char out[PAGE_TOKEN], const struct tcpaudit_address *address, unsigned ip_version)
{
	json_format_address(out, address, ip_version);
	return out;
}

const char *page_socket(char out[PAGE_TOKEN], const struct tcpaudit_address *address, unsigned ip_version, unsigned port)
{
	size_t at = 0;

	if (ip_version == 6)
		out[at++] = '[';
	at += json_format_address(out + at, address, ip_version);
	snprintf(out + at, PAGE_TOKEN - at, "%s:%u", ip_version == 6 ? "]" : "", port);
	return out;
}
