/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/additive.h"

#include <math.h>

#include "base/memory.h"

#define ADDITIVE_BYTES_MAX ((size_t)256 << 20)

/* ---- bins ---- */

enum status binning_init(struct binning *binning, const struct table *table) {
    size_t distinct = (size_t)table->distinct_max + 1, features = (size_t)table->column_count + 1;
    *binning = (struct binning){.table = table};
    arena_init(&binning->arena, ADDITIVE_BYTES_MAX);
    binning->scratch.counts = memory_alloc(distinct * sizeof *binning->scratch.counts);
    binning->scratch.cells = memory_alloc(distinct * sizeof *binning->scratch.cells);
    binning->codes = memory_alloc(table->row_count * features);
    bool all = binning->scratch.counts && binning->scratch.cells && binning->codes;
    return all ? STATUS_OK : STATUS_NO_MEMORY;
}

void binning_release(struct binning *binning) {
    arena_release(&binning->arena);
    memory_free(binning->scratch.counts);
    memory_free(binning->scratch.cells);
    memory_free(binning->codes);
    *binning = (struct binning){0};
}

enum status binning_cut(struct binning *binning, const uint32_t *rows, size_t row_count) {
    const struct table *table = binning->table;
    uint32_t count = table->column_count;
    arena_clear(&binning->arena);
    binning->bins = arena_calloc(&binning->arena, count + 1, sizeof *binning->bins);
    binning->first_cell = arena_calloc(&binning->arena, count + 1, sizeof *binning->first_cell);
    if (binning->bins == NULL || binning->first_cell == NULL) return STATUS_NO_MEMORY;
    for (uint32_t f = 0; f < count; f++) {
        struct bins *bins = &binning->bins[f];
        enum status status =
            bins_fit(bins, &binning->arena, &table->columns[f], rows, row_count, &binning->scratch);
        if (status != STATUS_OK) return status;
        binning->first_cell[f + 1] = binning->first_cell[f] + bins_cells(bins);
        bins_encode(bins, &table->columns[f], table->row_count, &binning->scratch,
                    binning->codes + f, count);
    }
    size_t cells = binning->first_cell[count];
    binning->slope_x = arena_calloc(&binning->arena, cells + 1, sizeof *binning->slope_x);
    if (binning->slope_x == NULL) return STATUS_NO_MEMORY;
    for (uint32_t f = 0; f < count; f++) {
        double *slope_x = binning->slope_x + binning->first_cell[f];
        for (uint32_t c = 0; c < bins_cells(&binning->bins[f]); c++)
            slope_x[c] = bins_slope(&binning->bins[f], c);
    }
    return STATUS_OK;
}

/* ---- one fit ---- */

void additive_init(struct additive *additive) {
    *additive = (struct additive){0};
    arena_init(&additive->arena, ADDITIVE_BYTES_MAX);
    pairs_init(&additive->pairs);
}

void additive_release(struct additive *additive) {
    arena_release(&additive->arena);
    pairs_release(&additive->pairs);
}

void additive_clear(struct additive *additive) {
    arena_clear(&additive->arena);
    additive->binning = NULL;
    additive->searched = false;
    additive->pair_count = additive->passes = 0;
}

/* A fit at work. */
struct job {
    struct additive *additive;
    const struct binning *binning;
    const uint32_t *rows;
    size_t row_count;
    struct logistic logistic;
    struct column *columns;
    uint16_t *wide;
    double *weights, *residual;
};

static uint32_t feature_count(const struct binning *binning) {
    return binning->table->column_count;
}

/* Intercept, slopes and cells of the features. */
static uint32_t own_weights(const struct binning *binning) {
    return 1 + feature_count(binning) + binning->first_cell[feature_count(binning)];
}

static double log_odds_of_all(const struct row_facts *facts, const uint32_t *rows,
                              size_t row_count) {
    double yes = 0, all = 0;
    for (size_t i = 0; i < row_count; i++) {
        all += facts[rows[i]].weight;
        if (facts[rows[i]].yes) yes += facts[rows[i]].weight;
    }
    double rate = (yes + .5) / (all + 1);
    return log(rate / (1 - rate));
}

/* Makes room, where nothing is fitted yet, and says where the first fit starts. */
static enum status begin(struct additive *additive, const struct binning *binning,
                         const uint32_t *rows, size_t row_count, const struct additive *near) {
    if (additive->binning == binning) return STATUS_OK;
    size_t cells = binning->first_cell[feature_count(binning)];
    uint32_t weights = own_weights(binning);
    additive_clear(additive);
    additive->effects = arena_calloc(&additive->arena, cells + 1, sizeof *additive->effects);
    additive->weights = arena_calloc(&additive->arena, weights, sizeof *additive->weights);
    additive->weak = arena_calloc(&additive->arena, weights, sizeof *additive->weak);
    if (additive->effects == NULL || additive->weights == NULL || additive->weak == NULL)
        return STATUS_NO_MEMORY;
    if (near != NULL && near->binning == binning) {
        memcpy(additive->weights, near->weights, weights * sizeof *additive->weights);
        memcpy(additive->weak, near->weak, weights * sizeof *additive->weak);
    } else {
        additive->weights[0] = log_odds_of_all(binning->table->rows, rows, row_count);
        additive->weak[0] = additive->weights[0];
    }
    additive->binning = binning;
    return STATUS_OK;
}

/* Lays out the columns and their weights: features, then `pair_count` pairs, whose slopes and bins
 * stand behind those of the features in their order. */
static void lay_out(struct job *job, struct ridge ridge, uint32_t pair_count) {
    const struct binning *binning = job->binning;
    uint32_t features = feature_count(binning), at = 1 + features + pair_count;
    for (uint32_t f = 0; f < features; f++) {
        const struct bins *bins = &binning->bins[f];
        bool slopes = bins->kind == FEATURE_NUMBER && bins->known > 1;
        job->columns[f] = (struct column){
            .first = at,
            .cells = bins_cells(bins),
            .ridge = binning->table->columns[f].is_split ? RIDGE_SPLIT : ridge.bin,
            .slope_ridge = slopes ? ridge.slope : 0,
            .x = slopes ? binning->slope_x + binning->first_cell[f] : NULL,
        };
        at += bins_cells(bins);
    }
    const struct pairs *pairs = &job->additive->pairs;
    for (uint32_t k = 0; k < pair_count; k++) {
        const struct pair *pair = &pairs->pairs[k];
        job->columns[features + k] = (struct column){
            .first = at, .cells = pair_cells(pairs, pair), .ridge = ridge.pair, .used = pair->used};
        at += pair_cells(pairs, pair);
    }
    job->logistic.columns = job->columns;
    job->logistic.wide_count = pair_count;
    job->logistic.weight_count = at;
}

static enum status allocate(struct job *job, uint32_t pair_count) {
    uint32_t features = feature_count(job->binning);
    size_t weights = own_weights(job->binning) + pair_count, rows = job->row_count;
    const struct pairs *pairs = &job->additive->pairs;
    for (uint32_t k = 0; k < pair_count; k++) weights += pair_cells(pairs, &pairs->pairs[k]);
    job->columns = memory_alloc((features + pair_count + 1) * sizeof *job->columns);
    job->weights = memory_calloc(weights, sizeof *job->weights);
    job->residual = memory_alloc(2 * rows * sizeof *job->residual);
    job->wide = memory_alloc((rows * pair_count + 1) * sizeof *job->wide);
    return job->columns && job->weights && job->residual && job->wide ? STATUS_OK
                                                                      : STATUS_NO_MEMORY;
}

static void release(struct job *job) {
    memory_free(job->columns);
    memory_free(job->weights);
    memory_free(job->residual);
    memory_free(job->wide);
    job->columns = NULL;
    job->weights = job->residual = NULL;
    job->wide = NULL;
}

static void code_pairs(struct job *job, uint32_t pair_count) {
    const struct pairs *pairs = &job->additive->pairs;
    size_t features = feature_count(job->binning);
    for (size_t i = 0; i < job->row_count; i++) {
        const uint8_t *codes = job->binning->codes + job->rows[i] * features;
        for (uint32_t k = 0; k < pair_count; k++)
            job->wide[i * pair_count + k] = (uint16_t)pair_cell(pairs, &pairs->pairs[k], codes);
    }
}

/* Copies the weights where a fit starts, or where it ended, between the fit and `own`: those of the
 * features, and the starts of pairs. */
static void copy_weights(struct job *job, double *own, uint32_t pair_count, bool back) {
    struct additive *additive = job->additive;
    const struct pairs *pairs = &additive->pairs;
    uint32_t features = feature_count(job->binning), head = 1 + features;
    size_t cells = job->binning->first_cell[features];
    double *at = job->weights + head + pair_count;
    memcpy(back ? own : job->weights, back ? job->weights : own, head * sizeof *own);
    memcpy(back ? own + head : at, back ? at : own + head, cells * sizeof *own);
    for (uint32_t k = 0; k < pair_count; k++) {
        at = job->weights + job->columns[features + k].first;
        size_t bytes = pair_cells(pairs, &pairs->pairs[k]) * sizeof *at;
        memcpy(back ? additive->pair_starts[k] : at, back ? at : additive->pair_starts[k], bytes);
    }
}

/* Fits with so many of the additive's pairs, from `own` weights, and leaves the result there. The
 * job then holds weights, residuals and curves. */
static enum status solve(struct job *job, struct ridge ridge, double *own, uint32_t pair_count) {
    enum status status = allocate(job, pair_count);
    if (status != STATUS_OK) return status;
    job->logistic.narrow_count = feature_count(job->binning);
    job->logistic.narrow = job->binning->codes;
    job->logistic.wide = job->wide;
    job->logistic.weights = job->weights;
    job->logistic.residual = job->residual;
    job->logistic.curve = job->residual + job->row_count;
    lay_out(job, ridge, pair_count);
    code_pairs(job, pair_count);
    copy_weights(job, own, pair_count, false);
    status = logistic_fit(&job->logistic);
    if (status == STATUS_OK) copy_weights(job, own, pair_count, true);
    job->additive->passes += job->logistic.passes;
    return status;
}

/* Finds the pairs of these rows. */
static enum status search(struct job *job) {
    struct additive *additive = job->additive;
    struct pairs *pairs = &additive->pairs;
    if (additive->searched) return STATUS_OK;
    struct ridge weak = {PAIRS_WEAK_RIDGE, PAIRS_WEAK_RIDGE, 0};
    enum status status = solve(job, weak, additive->weak, 0);
    struct pairs_rows rows = {.table = job->binning->table,
                              .bins = job->binning->bins,
                              .codes = job->binning->codes,
                              .rows = job->rows,
                              .row_count = job->row_count,
                              .residual = job->residual,
                              .curve = job->logistic.curve};
    if (status == STATUS_OK) status = pairs_find(pairs, &rows);
    release(job);
    for (uint32_t k = 0; k < pairs->count && status == STATUS_OK; k++) {
        additive->pair_starts[k] =
            arena_calloc(&additive->arena, pair_cells(pairs, &pairs->pairs[k]), sizeof(double));
        if (additive->pair_starts[k] == NULL) status = STATUS_NO_MEMORY;
    }
    additive->searched = status == STATUS_OK;
    return status;
}

/* Takes each pair's effects out of the fit, and means of its parts into the features' own. */
static enum status take_pairs(struct job *job) {
    struct additive *additive = job->additive;
    struct pairs *pairs = &additive->pairs;
    uint32_t features = feature_count(job->binning), count = additive->pair_count;
    const uint32_t *first = job->binning->first_cell;
    double *held = memory_alloc(PAIR_SIDE_MAX * PAIR_SIDE_MAX * sizeof *held);
    if (held == NULL) return STATUS_NO_MEMORY;
    for (uint32_t k = 0; k < count; k++) {
        struct pair *pair = &pairs->pairs[k];
        size_t cells = pair_cells(pairs, pair);
        memcpy(pair->effects, job->weights + job->columns[features + k].first,
               cells * sizeof *pair->effects);
        memset(held, 0, cells * sizeof *held);
        for (size_t i = 0; i < job->row_count; i++)
            held[job->wide[i * count + k]] += job->logistic.facts[job->rows[i]].weight;
        pair_purify(pairs, pair, held, job->binning->bins, additive->effects + first[pair->left],
                    additive->effects + first[pair->right]);
    }
    memory_free(held);
    return STATUS_OK;
}

enum status additive_fit(struct additive *additive, const struct binning *binning,
                         const uint32_t *rows, size_t row_count, struct ridge ridge,
                         double tolerance, const struct additive *near, struct work *work) {
    struct job job = {.additive = additive,
                      .binning = binning,
                      .rows = rows,
                      .row_count = row_count,
                      .logistic = {.facts = binning->table->rows,
                                   .rows = rows,
                                   .row_count = row_count,
                                   .tolerance = tolerance,
                                   .work = work}};
    enum status status = begin(additive, binning, rows, row_count, near);
    if (status == STATUS_OK && ridge.pair > 0) status = search(&job);
    if (status != STATUS_OK) return status;
    additive->pair_count = ridge.pair > 0 ? additive->pairs.count : 0;
    status = solve(&job, ridge, additive->weights, additive->pair_count);
    if (status == STATUS_OK) {
        additive->intercept = job.weights[0];
        for (uint32_t f = 0; f < feature_count(binning); f++)
            logistic_effects(&job.logistic, f, job.weights,
                             additive->effects + binning->first_cell[f]);
        status = take_pairs(&job);
    }
    release(&job);
    return status;
}

double additive_score(const struct additive *additive, uint32_t row) {
    const struct binning *binning = additive->binning;
    uint32_t features = feature_count(binning);
    const uint8_t *codes = binning->codes + (size_t)row * features;
    double z = additive->intercept;
    for (uint32_t f = 0; f < features; f++)
        z += additive->effects[binning->first_cell[f] + codes[f]];
    for (uint32_t k = 0; k < additive->pair_count; k++) {
        const struct pair *pair = &additive->pairs.pairs[k];
        z += pair->effects[pair_cell(&additive->pairs, pair, codes)];
    }
    return z;
}
