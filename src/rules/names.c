/* names.c - fields by name, and for a name that is none, the one that was probably meant. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "rules/names.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that people know from Wireshark.  Its src is the sender of a packet; a record has the client there. */
static const struct {
	const char *name;
	const char *path[2];
} aliases[] = {
        {"ip.src", {"src_ip", NULL}},        {"ip.dst", {"dest_ip", NULL}},        {"ip.addr", {"src_ip", "dest_ip"}},
        {"tcp.srcport", {"src_port", NULL}}, {"tcp.dstport", {"dest_port", NULL}}, {"tcp.port", {"src_port", "dest_port"}},
        {"app", {"app_proto", NULL}},
};

/* A field of an object in a list is one of many: it has no value in the record itself. */
static bool in_a_list(const struct field *field)
{
	return strstr(field->path, "[]") != NULL;
}

/* The length of "tcp.rtt" in "tcp.rtt_us"; 0 if there is no such short form. */
static size_t short_form(const struct field *field)
{
	size_t length = strlen(field->path);

	return length > 3 && strcmp(field->unit, "us") == 0 && strcmp(field->path + length - 3, "_us") == 0 ? length - 3 : 0;
}

static bool is_called(const struct field *field, const char *name)
{
	size_t length = short_form(field);

	return strcmp(field->path, name) == 0 ||
	       (length > 0 && strlen(name) == length && strncmp(field->path, name, length) == 0);
}

/* false if there is no room, or one of another type stands there already. */
static bool add(struct named *named, const struct field *field)
{
	const struct field *first = named->field[0];

	if (named->count == NAMES_FIELDS ||
	    (named->count > 0 && (first->type != field->type || strcmp(first->unit, field->unit) != 0)))
		return false;
	named->field[named->count++] = field;
	return true;
}

static bool add_all(struct named *named, const char *name, unsigned records)
{
	size_t count;
	const struct field *table = fields_table(&count);

	for (size_t i = 0; i < count; i++)
		if ((table[i].records & records) && !in_a_list(&table[i]) && is_called(&table[i], name) && !add(named, &table[i]))
			return false;
	return true;
}

static bool find(const char *name, unsigned records, struct named *named)
{
	named->count = 0;
	if (!add_all(named, name, records))
		return false;
	for (size_t i = 0; i < sizeof aliases / sizeof *aliases && named->count == 0; i++)
		for (size_t j = 0; strcmp(aliases[i].name, name) == 0 && j < 2 && aliases[i].path[j] != NULL; j++)
			if (!add_all(named, aliases[i].path[j], records))
				return false;
	return true;
}

bool names_is_nothing(const struct field *field, const struct field_value *value)
{
	return (field->type == FIELD_BOOLEAN || field->type == FIELD_FRAME || field->type == FIELD_ROWS) && value->number == 0;
}

bool names_is_id(const struct field *field)
{
	return strcmp(field->path, "rule_id") == 0 || strcmp(field->path, "findings") == 0 || strcmp(field->path, "capture") == 0;
}

void names_each(unsigned records, void (*each)(void *user, const char *name), void *user)
{
	size_t count;
	const struct field *table = fields_table(&count);

	for (size_t i = 0; i < count; i++) {
		char name[NAMES_LONGEST];

		if (!(table[i].records & records) || in_a_list(&table[i]))
			continue;
		each(user, table[i].path);
		if (short_form(&table[i]) == 0)
			continue;
		snprintf(name, sizeof name, "%.*s", (int)short_form(&table[i]), table[i].path);
		each(user, name);
	}
	for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
		struct named named;

		if (find(aliases[i].name, records, &named) && named.count > 0)
			each(user, aliases[i].name);
	}
}

unsigned names_apart(const char *a, const char *b)
{
	unsigned row[NAMES_LONGEST];
	size_t rows = strlen(a), columns = strlen(b);

	if (rows >= NAMES_LONGEST || columns >= NAMES_LONGEST)
		return UINT_MAX;
	for (unsigned j = 0; j <= columns; j++)
		row[j] = j;
	for (unsigned i = 1; i <= rows; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= columns; j++) {
			unsigned best = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[columns];
}

void nearest_init(struct nearest *nearest, const char *word)
{
	size_t length = strlen(word);

	/* A third of the word may be wrong, at least one character: beyond that the offer would be a guess. */
	*nearest = (struct nearest){.word = word, .distance = length < 6 ? 2 : (unsigned)length / 3 + 1};
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	const char *last = strrchr(candidate, '.');
	unsigned distance;

	distance = names_apart(nearest->word, candidate);
	if (distance == UINT_MAX)
		return;
	/* The name without its objects, as "kind" for "close.kind". */
	if (last != NULL && strcmp(last + 1, nearest->word) == 0)
		distance = 1;
	if (distance < nearest->distance) {
		nearest->distance = distance;
		strcpy(nearest->best, candidate);
	}
}

static void offer(void *user, const char *name)
{
	nearest_offer((struct nearest *)user, name);
}

/* The name of one kind of record among several. */
static const char *first_kind(unsigned records)
{
	return fields_record_name(records & -records);
}

/* A row of the table, of any record, with this name; of a list, too. */
static const struct field *anywhere(const char *name)
{
	size_t count;
	const struct field *table = fields_table(&count);

	for (size_t i = 0; i < count; i++)
		if (is_called(&table[i], name))
			return &table[i];
	return NULL;
}

static int explain(char **error, const char *name, unsigned records)
{
	const struct field *other = anywhere(name);
	struct nearest nearest;

	if (other != NULL && in_a_list(other))
		return asprintf(error, "%s belongs to the objects of a list, of which there may be many", name);
	if (other != NULL)
		return asprintf(error, "%s is a field of %s records, not of %s records", name, first_kind(other->records),
		                first_kind(records));
	nearest_init(&nearest, name);
	names_each(records, offer, &nearest);
	if (nearest.best[0] != '\0')
		return asprintf(error, "there is no field %.64s; did you mean %s?", name, nearest.best);
	return asprintf(error, "there is no field %.64s; tcpaudit --list-fields names them all", name);
}

bool names_find(const char *name, unsigned records, struct named *named, char **error)
{
	int length;

	if (!find(name, records, named))
		length = asprintf(error, "%s is not of one type in all these records", name);
	else if (named->count == 0)
		length = explain(error, name, records);
	else
		return true;
	if (length < 0)
		*error = NULL;
	return false;
}
