/* SPDX-License-Identifier: Apache-2.0 */
/* store/run/run_writer.h -- writes a run from rows that come in the run's order. run_write and
 * run_merge use it. */
#ifndef STORE_RUN_RUN_WRITER_H
#define STORE_RUN_RUN_WRITER_H

#include "store/run/run_file.h"

struct run_writer;
enum status run_writer_create(struct run_writer **out, const struct run_target *target,
                              struct error *error) MUST_USE;
/* Adds a row. Rows come by (customer, persona, time, position), and a persona under one customer
 * only. */
enum status run_writer_add(struct run_writer *writer, uint32_t customer, const struct run_row *row,
                           struct error *error) MUST_USE;
/* Writes tables and footer, and syncs. STATUS_END, and no file, where no row was added. */
enum status run_writer_finish(struct run_writer *writer, struct run_info *info,
                              struct error *error) MUST_USE;
/* Removes the file unless finish succeeded. */
void run_writer_destroy(struct run_writer *writer);

/* LSD radix sort of `count` keys by their bits from `from_bit` on (stable); `scratch` has the same
 * size. The result is in `keys`. */
void run_sort_u64(uint64_t *keys, uint64_t *scratch, size_t count, unsigned from_bit);

struct run_sort_row {
    int64_t time_ms;
    uint64_t position;
    uint32_t index;
};
/* Sorts by (time, position). It costs almost nothing where they are in order already. */
enum status run_sort_rows(struct run_sort_row *rows, size_t count) MUST_USE;

#endif
