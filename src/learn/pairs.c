/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/pairs.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

#define PAIRS_BYTES_MAX ((size_t)256 << 20)
#define PURIFY_ROUNDS   50
#define GRID_MAX        (PAIR_SIDE_MAX * PAIR_SIDE_MAX)

void pairs_init(struct pairs *pairs) {
    *pairs = (struct pairs){0};
    arena_init(&pairs->arena, PAIRS_BYTES_MAX);
}

void pairs_release(struct pairs *pairs) {
    arena_release(&pairs->arena);
    *pairs = (struct pairs){0};
}

/* ---- sides ---- */

/* Joins neighbouring cells of a number into parts of about equal count; a cell that holds as much
 * by itself stays alone. */
static void group_numbers(struct side *side, const struct bins *bins, const size_t *held,
                          uint32_t wanted) {
    size_t all = 0, in_part = 0;
    for (uint32_t c = 0; c < bins->known; c++) all += held[c];
    double target = (double)all / wanted;
    uint32_t part = 0;
    for (uint32_t c = 0; c < bins->known; c++) {
        bool closes = (double)in_part >= target || (double)held[c] >= target;
        if (in_part > 0 && closes) {
            part++;
            in_part = 0;
        }
        side->part[c] = (uint8_t)part;
        in_part += held[c];
    }
    side->part[bins->known] = (uint8_t)(part + 1);
    side->parts = part + 2;
}

struct held_cell {
    size_t held;
    uint32_t cell;
};

static int compare_held(const void *left, const void *right) {
    const struct held_cell *a = left, *b = right;
    if (a->held != b->held) return a->held > b->held ? -1 : 1;
    return a->cell < b->cell ? -1 : a->cell > b->cell;
}

/* Gives the most frequent texts a part each; the others join "other". */
static void group_texts(struct side *side, const struct bins *bins, const size_t *held) {
    struct held_cell order[BIN_TEXTS_MAX];
    bool alone[BIN_TEXTS_MAX] = {false};
    for (uint32_t c = 0; c < bins->known; c++) order[c] = (struct held_cell){held[c], c};
    if (bins->known > 0) qsort(order, bins->known, sizeof *order, compare_held);
    uint32_t kept = bins->known < PAIR_SIDE_MAX - 2 ? bins->known : PAIR_SIDE_MAX - 2, part = 0;
    for (uint32_t i = 0; i < kept; i++) alone[order[i].cell] = true;
    for (uint32_t c = 0; c < bins->known; c++) side->part[c] = (uint8_t)(alone[c] ? part++ : kept);
    side->part[bins->known] = (uint8_t)kept;
    side->part[bins->known + 1] = (uint8_t)(kept + 1);
    side->parts = kept + 2;
}

static void group_cells(struct side *side, const struct pairs_rows *rows, uint32_t feature,
                        uint32_t wanted) {
    const struct bins *bins = &rows->bins[feature];
    size_t held[BIN_CELLS_MAX] = {0}, width = rows->table->column_count;
    for (size_t i = 0; i < rows->row_count; i++)
        held[rows->codes[rows->rows[i] * width + feature]]++;
    if (bins->kind == FEATURE_TEXT)
        group_texts(side, bins, held);
    else
        group_numbers(side, bins, held, wanted);
}

static uint32_t parts_wanted(size_t row_count) {
    double wanted = floor(sqrt((double)row_count / PAIRS_ROWS_A_CELL));
    return (uint32_t)fmin(fmax(wanted, PAIRS_PARTS_MIN), PAIRS_PARTS_MAX);
}

/* ---- evidence ---- */

struct grid_cell {
    double residual, curve;
};

/* The rows that a search looks at, customer by customer. */
struct search {
    const struct pairs_rows *rows;
    struct pairs *pairs;
    size_t count;
    uint32_t *groups;       /* by place */
    uint8_t *parts;         /* by feature and then place */
    struct grid_cell *left; /* by place: what the fit left of the row */
    double spread;          /* variance of a residual over its curve: 1 where no row has a weight */
    struct grid_cell *grid; /* GRID_MAX */
    double *variance, *open; /* of customers, by cell of the grid; of the customer at hand */
    uint32_t *last;          /* customers, by cell of the grid, plus 1 */
    uint32_t *customers;     /* how many, by cell of the grid */
    struct pair *found;
    size_t found_count, found_capacity;
};

static const uint8_t *parts_of(const struct search *search, uint32_t feature) {
    return search->parts + (size_t)feature * search->count;
}

/* Returns z, by the sums in the grid and the variance of each cell. */
static double evidence_of(const struct search *search, uint32_t cells, const double *variance) {
    double above = 0, below = 0;
    for (uint32_t c = 0; c < cells; c++) {
        const struct grid_cell *cell = &search->grid[c];
        double shrunk = 1 / (cell->curve + PAIRS_SHRINK);
        double v = variance != NULL ? variance[c] : cell->curve * search->spread;
        above += (cell->residual * cell->residual - v) * shrunk;
        below += v * shrunk * (v * shrunk);
    }
    return below > 0 ? above / sqrt(2 * below) : 0;
}

/* Sums up the grid of two features. Returns how many cells it has. */
static uint32_t sum_up(struct search *search, uint32_t left, uint32_t right) {
    const uint8_t *a = parts_of(search, left), *b = parts_of(search, right);
    uint32_t width = search->pairs->sides[right].parts;
    uint32_t cells = search->pairs->sides[left].parts * width;
    struct grid_cell *grid = search->grid;
    memset(grid, 0, cells * sizeof *grid);
    for (size_t i = 0; i < search->count; i++) {
        struct grid_cell *cell = &grid[a[i] * width + b[i]];
        cell->residual += search->left[i].residual;
        cell->curve += search->left[i].curve;
    }
    return cells;
}

/* Sums up what customers differ by in each cell, and how many there are. */
static void sum_up_customers(struct search *search, uint32_t left, uint32_t right, uint32_t cells) {
    const uint8_t *a = parts_of(search, left), *b = parts_of(search, right);
    uint32_t width = search->pairs->sides[right].parts;
    memset(search->variance, 0, cells * sizeof *search->variance);
    memset(search->open, 0, cells * sizeof *search->open);
    memset(search->last, 0, cells * sizeof *search->last);
    memset(search->customers, 0, cells * sizeof *search->customers);
    for (size_t i = 0; i < search->count; i++) {
        uint32_t c = a[i] * width + b[i];
        if (search->last[c] != search->groups[i] + 1) {
            search->variance[c] += search->open[c] * search->open[c];
            search->open[c] = 0;
            search->last[c] = search->groups[i] + 1;
            search->customers[c]++;
        }
        search->open[c] += search->left[i].residual;
    }
    for (uint32_t c = 0; c < cells; c++) search->variance[c] += search->open[c] * search->open[c];
}

static enum status look_at_pair(struct search *search, uint32_t left, uint32_t right) {
    uint32_t cells = sum_up(search, left, right);
    search->pairs->tried++;
    if (!(evidence_of(search, cells, NULL) > PAIRS_EVIDENCE_MIN)) return STATUS_OK;
    sum_up_customers(search, left, right, cells);
    double evidence = evidence_of(search, cells, search->variance);
    if (!(evidence > PAIRS_EVIDENCE_MIN)) return STATUS_OK;
    enum status status = memory_grow((void **)&search->found, &search->found_capacity,
                                     search->found_count + 1, sizeof *search->found);
    if (status != STATUS_OK) return status;
    search->found[search->found_count++] =
        (struct pair){.left = left, .right = right, .evidence = evidence};
    return STATUS_OK;
}

static int compare_places(const struct pair *a, const struct pair *b) {
    if (a->left != b->left) return a->left < b->left ? -1 : 1;
    return a->right < b->right ? -1 : a->right > b->right;
}

static int compare_order(const void *left, const void *right) {
    return compare_places(left, right);
}

static int compare_evidence(const void *left, const void *right) {
    const struct pair *a = left, *b = right;
    if (a->evidence != b->evidence) return a->evidence > b->evidence ? -1 : 1;
    return compare_places(a, b);
}

/* ---- the search ---- */

/* Lists the rows to look at, customer by customer. */
static size_t list_places(const struct search *search, uint32_t *positions, uint32_t *order) {
    const struct pairs_rows *rows = search->rows;
    const struct table *table = rows->table;
    double features = table->column_count;
    double steps = (double)rows->row_count * features * (features - 1) / 2;
    uint32_t every = (uint32_t)ceil(steps / PAIRS_STEPS_MAX), customers = 0;
    size_t count = 0;
    memset(positions, 0xFF, table->row_count * sizeof *positions);
    for (size_t i = 0; i < rows->row_count; i++) positions[rows->rows[i]] = (uint32_t)i;
    for (size_t i = 0; i < table->row_count; i++) {
        uint32_t row = table->by_group[i];
        if (i > 0 && table->rows[row].group != table->rows[table->by_group[i - 1]].group)
            customers++;
        if (positions[row] == UINT32_MAX || (every > 1 && customers % every != 0)) continue;
        order[count++] = positions[row];
    }
    return count;
}

static void fill_places(struct search *search, const uint32_t *order) {
    const struct pairs_rows *rows = search->rows;
    size_t width = rows->table->column_count;
    double variance = 0, curve = 0;
    for (size_t i = 0; i < search->count; i++) {
        uint32_t position = order[i], row = rows->rows[position];
        search->groups[i] = rows->table->rows[row].group;
        search->left[i] = (struct grid_cell){rows->residual[position], rows->curve[position]};
        variance += rows->table->rows[row].weight * rows->curve[position];
        curve += rows->curve[position];
        for (uint32_t f = 0; f < width; f++)
            search->parts[f * search->count + i] =
                search->pairs->sides[f].part[rows->codes[row * width + f]];
    }
    search->spread = curve > 0 ? variance / curve : 1;
}

static enum status allocate(struct search *search) {
    size_t count = search->count + 1, features = search->rows->table->column_count;
    search->groups = memory_alloc(count * sizeof *search->groups);
    search->parts = memory_alloc(count * features);
    search->left = memory_alloc(count * sizeof *search->left);
    search->grid = memory_alloc(GRID_MAX * sizeof *search->grid);
    search->variance = memory_alloc(2 * GRID_MAX * sizeof *search->variance);
    search->last = memory_alloc(2 * GRID_MAX * sizeof *search->last);
    bool all = search->groups && search->parts && search->left && search->grid &&
               search->variance && search->last;
    if (!all) return STATUS_NO_MEMORY;
    search->open = search->variance + GRID_MAX;
    search->customers = search->last + GRID_MAX;
    return STATUS_OK;
}

static void release(struct search *search) {
    memory_free(search->groups);
    memory_free(search->parts);
    memory_free(search->left);
    memory_free(search->grid);
    memory_free(search->variance);
    memory_free(search->last);
    memory_free(search->found);
}

/* Lets cells move that enough customers have; false where fewer than two may. */
static enum status keep_pair(struct search *search, struct pair pair) {
    struct pairs *pairs = search->pairs;
    uint32_t cells = pair_cells(pairs, &pair), used = 0;
    sum_up_customers(search, pair.left, pair.right, cells);
    pair.used = arena_calloc(&pairs->arena, cells, sizeof *pair.used);
    pair.effects = arena_calloc(&pairs->arena, cells, sizeof *pair.effects);
    if (pair.used == NULL || pair.effects == NULL) return STATUS_NO_MEMORY;
    for (uint32_t c = 0; c < cells; c++) {
        pair.used[c] = search->customers[c] >= LEARN_TEXT_GROUPS_MIN;
        used += pair.used[c];
    }
    if (used > 1) pairs->pairs[pairs->count++] = pair;
    return STATUS_OK;
}

static enum status look_at_all(struct search *search) {
    uint32_t features = search->rows->table->column_count;
    for (uint32_t left = 0; left < features; left++) {
        for (uint32_t right = left + 1; right < features; right++) {
            enum status status = look_at_pair(search, left, right);
            if (status != STATUS_OK) return status;
        }
    }
    size_t kept = search->found_count < LEARN_PAIRS_MAX ? search->found_count : LEARN_PAIRS_MAX;
    if (kept == 0) return STATUS_OK;
    qsort(search->found, search->found_count, sizeof *search->found, compare_evidence);
    qsort(search->found, kept, sizeof *search->found, compare_order);
    for (size_t k = 0; k < kept; k++) {
        enum status status = keep_pair(search, search->found[k]);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status pairs_find(struct pairs *pairs, const struct pairs_rows *rows) {
    uint32_t features = rows->table->column_count, wanted = parts_wanted(rows->row_count);
    struct search search = {.rows = rows, .pairs = pairs};
    arena_clear(&pairs->arena);
    pairs->count = pairs->tried = 0;
    pairs->sides = arena_calloc(&pairs->arena, features + 1, sizeof *pairs->sides);
    if (pairs->sides == NULL) return STATUS_NO_MEMORY;
    for (uint32_t f = 0; f < features; f++) group_cells(&pairs->sides[f], rows, f, wanted);
    size_t room = rows->table->row_count + 1;
    uint32_t *positions = memory_alloc(2 * room * sizeof *positions);
    if (positions == NULL) return STATUS_NO_MEMORY;
    search.count = list_places(&search, positions, positions + room);
    enum status status = allocate(&search);
    if (status == STATUS_OK) {
        fill_places(&search, positions + room);
        status = look_at_all(&search);
    }
    release(&search);
    memory_free(positions);
    return status;
}

/* ---- effects ---- */

/* Takes the mean effect of each part out of the pair, and adds it to the feature's own cells. The
 * cells of a part are `inner` steps apart, the parts `outer`. Returns the largest mean. */
static double take_means(struct pair *pair, const double *weights, const struct side *side,
                         uint32_t outer, uint32_t others, uint32_t inner, const struct bins *bins,
                         double *effects) {
    double largest = 0, means[PAIR_SIDE_MAX];
    for (uint32_t part = 0; part < side->parts; part++) {
        double sum = 0, weight = 0;
        for (uint32_t other = 0; other < others; other++) {
            uint32_t c = part * outer + other * inner;
            if (!pair->used[c]) continue;
            sum += weights[c] * pair->effects[c];
            weight += weights[c];
        }
        double mean = means[part] = weight > 0 ? sum / weight : 0;
        for (uint32_t other = 0; other < others; other++) {
            uint32_t c = part * outer + other * inner;
            if (pair->used[c]) pair->effects[c] -= mean;
        }
        if (fabs(mean) > largest) largest = fabs(mean);
    }
    for (uint32_t c = 0; c < bins_cells(bins); c++) effects[c] += means[side->part[c]];
    return largest;
}

void pair_purify(const struct pairs *pairs, struct pair *pair, const double *weights,
                 const struct bins *bins, double *left_effects, double *right_effects) {
    const struct side *left = &pairs->sides[pair->left], *right = &pairs->sides[pair->right];
    for (int round = 0; round < PURIFY_ROUNDS; round++) {
        double rows = take_means(pair, weights, left, right->parts, right->parts, 1,
                                 &bins[pair->left], left_effects);
        double columns = take_means(pair, weights, right, 1, left->parts, right->parts,
                                    &bins[pair->right], right_effects);
        if (rows < 1e-12 && columns < 1e-12) return;
    }
}
