/* SPDX-License-Identifier: Apache-2.0 */
/* learn/bins.h -- cutting a feature's values into bins, from the rows of one fit alone.
 *
 *   number   ... e0] (e0 .. e1] (e1 .. e2] (e2 ... | missing
 *   text     value 0 | value 1 | ... | other | missing
 *
 * The cell of a number is how many edges are below it; edges are observed values. Texts stand in
 * byte order; other: unseen, too rare or too long.
 *
 * Numbers: a value that alone holds more than 1/BINS_TARGET of the rows gets its own bin, and the
 * rest is cut into bins of equal count, so that a count which is mostly 0 keeps a bin for 0 and a
 * fine grid above it (plain quantiles would leave one bin). No bin is smaller than BIN_ROWS_MIN.
 * Texts: the BIN_TEXTS_MAX most frequent of those that enough customers have
 * (LEARN_TEXT_GROUPS_MIN). */
#ifndef LEARN_BINS_H
#define LEARN_BINS_H

#include "base/arena.h"
#include "learn/table.h"

#define BINS_TARGET   12
#define BIN_ROWS_MIN  20
#define BIN_EDGES_MAX 64
#define BIN_TEXTS_MAX 250
#define BIN_CELLS_MAX (BIN_TEXTS_MAX + 2)

struct bins {
    enum feature_kind kind;
    uint32_t known;       /* cells of values; behind them other (text), then missing */
    double *edges;        /* known - 1 of them, ascending */
    struct text *texts;   /* known of them, ascending; borrowed from the table */
    uint32_t *text_ranks; /* of those texts */
};

static inline uint32_t bins_cells(const struct bins *bins) {
    return bins->known + (bins->kind == FEATURE_TEXT ? 2 : 1);
}

/* Space for one column at a time: a count, and a cell, by rank. */
struct bins_scratch {
    uint32_t *counts;
    uint8_t *cells;
};

/* Cuts `column` by the rows listed. */
enum status bins_fit(struct bins *bins, struct arena *arena, const struct table_column *column,
                     const uint32_t *rows, size_t row_count, struct bins_scratch *scratch) MUST_USE;
/* Writes the cell of each row, from 0 to before row_count, to codes[row * stride]. */
void bins_encode(const struct bins *bins, const struct table_column *column, size_t row_count,
                 struct bins_scratch *scratch, uint8_t *codes, size_t stride);
/* Returns -1 .. 1 along the bins of a number; 0 for missing, for text and where there is one bin.
 */
double bins_slope(const struct bins *bins, uint32_t cell);

#endif
