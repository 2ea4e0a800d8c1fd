/* SPDX-License-Identifier: Apache-2.0 */
/* event/lookup.h -- reference data beside events: products, stores, campaigns. An immutable table,
 * found by key.
 *
 * A key is one field or several; rows of one key are one, or many where the lookup says so. Cells
 * are values whose text the table owns. Built once (by ingest), then read by any thread. Its
 * versions in time are the engine's business: whoever asks as of t is given the table that was
 * known by t. */
#ifndef EVENT_LOOKUP_H
#define EVENT_LOOKUP_H

#include "event/value.h"

#define LOOKUP_KEY_FIELDS_MAX 4
#define LOOKUP_FIELDS_MAX     64
#define LOOKUP_ROWS_MAX       50000000u

struct lookup_field {
    struct text name;
    enum value_type type;
};

struct lookup_table;

/* Building: begin, rows, finish. The fields' names are copied. */
enum status lookup_create(struct lookup_table **out, const struct lookup_field *fields,
                          uint32_t field_count, const uint32_t *key_fields, uint32_t key_count,
                          bool many) MUST_USE;
void lookup_destroy(struct lookup_table *table);
/* Adds a row; `cells` are field_count values, which are copied. STATUS_EXISTS where the key is
 * there already and the lookup is not `many`. */
enum status lookup_add(struct lookup_table *table, const struct value *cells) MUST_USE;
enum status lookup_finish(struct lookup_table *table) MUST_USE;

uint32_t lookup_row_count(const struct lookup_table *table);
uint32_t lookup_field_count(const struct lookup_table *table);
struct lookup_field lookup_field(const struct lookup_table *table, uint32_t field);
uint32_t lookup_field_find(const struct lookup_table *table, struct text name); /* UINT32_MAX */
/* Finds the first row with this key, and how many there are (after finish, rows of one key stand
 * side by side). False where there is none. Keys are compared as the text that a file would hold,
 * in its canonical form (base/canonical.h): the number 12 and the text " 12" are the same key. */
bool lookup_find(const struct lookup_table *table, const struct value *key, uint32_t *first_row,
                 uint32_t *row_count);
/* The text of the value is borrowed from the table. */
struct value lookup_cell(const struct lookup_table *table, uint32_t row, uint32_t field);
uint64_t lookup_hash(const struct lookup_table *table); /* of content; names the file in lookups/ */
size_t lookup_bytes(const struct lookup_table *table);  /* in memory */

/* A set of values for `in`, which finds a text by its hash. It keeps its own copies. */
struct value_set;
enum status value_set_create(struct value_set **out) MUST_USE;
void value_set_destroy(struct value_set *set);
enum status value_set_add(struct value_set *set, struct value value) MUST_USE;
bool value_set_contains(const struct value_set *set, struct value value);
uint32_t value_set_count(const struct value_set *set);
/* Two values are the same to a set where their keys are equal. The key lies in `out` or in the
 * value; unknown values and lists have none. The i-th key that was added, i < count. */
#define VALUE_SET_KEY_BYTES 64
struct text value_set_key(struct value value, char out[VALUE_SET_KEY_BYTES]);
struct text value_set_text(const struct value_set *set, uint32_t i);

#endif
