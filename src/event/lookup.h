/* SPDX-License-Identifier: Apache-2.0 */
/* event/lookup.h -- reference data beside events: products, stores, campaigns. An immutable table,
 * found by key.
 *
 * A key is one field or several; rows of one key are one, or many where the lookup says so. Cells
 * are values whose text the table owns. Built once (by ingest), then read by any thread. A finished
 * table can be written to an image (base/image.h) and used from there: it is then there at once,
 * and its pages can leave memory and come back while it is read. Its versions in time are the
 * engine's business: whoever asks as of t is given the table that was known by t. */
#ifndef EVENT_LOOKUP_H
#define EVENT_LOOKUP_H

#include "base/image.h"
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

/* Images. A finished table; its hash is the image's position, as image_writer_open was told. */
#define LOOKUP_IMAGE_CONTENTS 101
enum status lookup_write(const struct lookup_table *table, struct image_writer *writer,
                         struct error *error) MUST_USE;
/* The fields of the table in the image, in its order; their names lie in the image. STATUS_CORRUPT,
 * STATUS_VERSION. */
enum status lookup_image_fields(const struct image *image,
                                struct lookup_field fields[LOOKUP_FIELDS_MAX],
                                uint32_t *count) MUST_USE;
/* How a reader wants it: columns in this order, each where it lies in the image (UINT32_MAX: it is
 * not there, and is unknown in every row); its keys are columns of this order. */
struct lookup_layout {
    struct lookup_field fields[LOOKUP_FIELDS_MAX];
    uint32_t from[LOOKUP_FIELDS_MAX];
    uint32_t count, keys[LOOKUP_KEY_FIELDS_MAX], key_count;
    bool many;
};
/* Takes the image over where it succeeds: *image is zeroed. With NULL for a layout: as it was
 * written. Every index is checked. Where the layout has other keys than the image, the table is
 * built anew in memory, and the image is closed. STATUS_CORRUPT, STATUS_VERSION, STATUS_NO_MEMORY
 * and what lookup_add returns. */
enum status lookup_open(struct lookup_table **out, struct image *image,
                        const struct lookup_layout *layout) MUST_USE;
/* Lets the pages of such a table leave memory; the next reader brings back what he reads. Any
 * thread, also while others read. Nothing happens to a table that is no image's. */
void lookup_page_out(const struct lookup_table *table);
bool lookup_is_paged(const struct lookup_table *table); /* lookup_page_out has an effect */

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
