/* record.h - a record of the field table as JSON. */
#ifndef RECORD_H
#define RECORD_H

#include "report/fields.h"
#include "report/json.h"

/* The table of one kind of record, prepared for writing. */
struct record_plan;

/* NULL when out of memory. */
struct record_plan *record_plan_new(unsigned kind);

/* Accepts NULL. */
void record_plan_free(struct record_plan *plan);

/* Appends the record as one JSON object, without a newline. */
void record_write(const struct record_plan *plan, struct json *json, struct record *record);

#endif
