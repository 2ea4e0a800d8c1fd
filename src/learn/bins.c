/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/bins.h"

#include <stdlib.h>

struct cut {
    size_t total;  /* known rows */
    double target; /* rows in a bin, without heavy values */
};

static bool is_heavy(const struct cut *cut, uint32_t count) {
    return (double)count > (double)cut->total / BINS_TARGET;
}

static struct cut plan_cut(const uint32_t *counts, uint32_t distinct) {
    struct cut cut = {0};
    for (uint32_t rank = 0; rank < distinct; rank++) cut.total += counts[rank];
    size_t rest = cut.total;
    uint32_t heavy = 0;
    for (uint32_t rank = 0; rank < distinct; rank++) {
        if (!is_heavy(&cut, counts[rank])) continue;
        rest -= counts[rank];
        heavy++;
    }
    cut.target = (double)rest / (heavy < BINS_TARGET ? BINS_TARGET - heavy : 1);
    if (cut.target < BIN_ROWS_MIN) cut.target = BIN_ROWS_MIN;
    return cut;
}

/* Cuts the edges. A heavy value has more rows than the target, so that it closes its bin by itself,
 * and only the bin before it has to be cut off. There are at most BINS_TARGET - 1 of them, and
 * BINS_TARGET bins of the target: BIN_EDGES_MAX must follow where BINS_TARGET changes. */
static uint32_t cut_numbers(double *edges, const struct table_column *column,
                            const uint32_t *counts) {
    struct cut cut = plan_cut(counts, column->distinct);
    uint32_t edge_count = 0;
    size_t held = 0;
    uint32_t last = 0;
    for (uint32_t rank = 0; rank < column->distinct; rank++) {
        if (counts[rank] == 0) continue;
        bool wanted = is_heavy(&cut, counts[rank]) || (double)held >= cut.target;
        if (held >= BIN_ROWS_MIN && wanted && edge_count < BIN_EDGES_MAX) {
            edges[edge_count++] = column->numbers[last];
            held = 0;
        }
        held += counts[rank];
        last = rank;
    }
    if (held < BIN_ROWS_MIN && edge_count > 0) edge_count--;
    return edge_count;
}

struct ranked_count {
    uint32_t rank, count;
};

static int compare_counts(const void *left, const void *right) {
    const struct ranked_count *a = left, *b = right;
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static int compare_ranks(const void *left, const void *right) {
    uint32_t a = ((const struct ranked_count *)left)->rank,
             b = ((const struct ranked_count *)right)->rank;
    return a < b ? -1 : a > b;
}

static enum status choose_texts(struct bins *bins, struct arena *arena,
                                const struct table_column *column, const uint32_t *counts) {
    struct ranked_count *seen = arena_alloc(arena, ((size_t)column->distinct + 1) * sizeof *seen);
    if (seen == NULL) return STATUS_NO_MEMORY;
    uint32_t seen_count = 0;
    for (uint32_t rank = 0; rank < column->distinct; rank++) {
        if (counts[rank] > 0) seen[seen_count++] = (struct ranked_count){rank, counts[rank]};
    }
    qsort(seen, seen_count, sizeof *seen, compare_counts);
    bins->known = seen_count < BIN_TEXTS_MAX ? seen_count : BIN_TEXTS_MAX;
    qsort(seen, bins->known, sizeof *seen, compare_ranks);
    bins->texts = arena_alloc(arena, (bins->known + 1) * sizeof *bins->texts);
    bins->text_ranks = arena_alloc(arena, (bins->known + 1) * sizeof *bins->text_ranks);
    if (bins->texts == NULL || bins->text_ranks == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < bins->known; i++) {
        bins->texts[i] = column->texts[seen[i].rank];
        bins->text_ranks[i] = seen[i].rank;
    }
    return STATUS_OK;
}

enum status bins_fit(struct bins *bins, struct arena *arena, const struct table_column *column,
                     const uint32_t *rows, size_t row_count, struct bins_scratch *scratch) {
    *bins = (struct bins){.kind = column->kind};
    memset(scratch->counts, 0, ((size_t)column->distinct + 1) * sizeof *scratch->counts);
    for (size_t i = 0; i < row_count; i++) {
        uint32_t rank = column->ranks[rows[i]];
        if (rank < column->distinct) scratch->counts[rank]++;
    }
    if (column->kind == FEATURE_TEXT) return choose_texts(bins, arena, column, scratch->counts);
    bins->edges = arena_alloc(arena, BIN_EDGES_MAX * sizeof *bins->edges);
    if (bins->edges == NULL) return STATUS_NO_MEMORY;
    bins->known = cut_numbers(bins->edges, column, scratch->counts) + 1;
    return STATUS_OK;
}

static void cells_of_numbers(const struct bins *bins, const struct table_column *column,
                             uint8_t *cells) {
    uint32_t cell = 0;
    for (uint32_t rank = 0; rank < column->distinct; rank++) {
        while (cell + 1 < bins->known && bins->edges[cell] < column->numbers[rank]) cell++;
        cells[rank] = (uint8_t)cell;
    }
}

void bins_encode(const struct bins *bins, const struct table_column *column, size_t row_count,
                 struct bins_scratch *scratch, uint8_t *codes, size_t stride) {
    uint8_t other = (uint8_t)bins->known, missing = (uint8_t)(bins_cells(bins) - 1);
    if (bins->kind == FEATURE_TEXT) {
        memset(scratch->cells, other, (size_t)column->distinct + 1);
        for (uint32_t i = 0; i < bins->known; i++) scratch->cells[bins->text_ranks[i]] = (uint8_t)i;
    } else {
        cells_of_numbers(bins, column, scratch->cells);
    }
    for (size_t i = 0; i < row_count; i++) {
        uint32_t rank = column->ranks[i];
        uint8_t cell = rank == RANK_MISSING ? missing
                       : rank == RANK_OTHER ? other
                                            : scratch->cells[rank];
        codes[i * stride] = cell;
    }
}

double bins_slope(const struct bins *bins, uint32_t cell) {
    if (bins->kind == FEATURE_TEXT || bins->known < 2 || cell >= bins->known) return 0;
    return 2.0 * cell / (bins->known - 1) - 1;
}
