/* SPDX-License-Identifier: Apache-2.0 */
/* store/run/run_columns.h -- collects the typed columns of one part while its rows go by. */
#ifndef STORE_RUN_RUN_COLUMNS_H
#define STORE_RUN_RUN_COLUMNS_H

#include "store/run/run_file.h"

/* The names by which dark text is read: properties below `properties` of these symbols; NULL: none.
 */
struct dark_names {
    struct symbols *symbols;
    uint32_t properties;
};
struct run_columns;
/* `set` with the whole column (run_file.h) behind it, where there is room for it. */
void run_columns_with_whole(struct column_set *set);
enum status run_columns_create(struct run_columns **out, const struct column_set *set,
                               const struct dark_names *names) MUST_USE;
void run_columns_destroy(struct run_columns *columns);
void run_columns_clear(struct run_columns *columns);
/* Properties without a column are passed over. STATUS_CORRUPT where `packed` is. */
enum status run_columns_add(struct run_columns *columns, uint32_t row, uint16_t type,
                            struct text packed) MUST_USE;
const struct buffer *run_columns_heap(const struct run_columns *columns);
/* Appends the section of column c for `row_count` rows; tells its encoding and cell width. */
enum status run_columns_encode(const struct run_columns *columns, uint32_t c, uint32_t row_count,
                               struct buffer *out, struct run_section *section) MUST_USE;

#endif
