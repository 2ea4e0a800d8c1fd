/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/logistic.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"

#define ADDITIVE_BYTES_MAX ((size_t)256 << 20)

enum status workspace_init(struct workspace *workspace, const struct table *table) {
    size_t distinct = (size_t)table->distinct_max + 1, features = (size_t)table->column_count + 1;
    size_t cells = features * BIN_CELLS_MAX;
    *workspace = (struct workspace){0};
    workspace->scratch.counts = memory_alloc(distinct * sizeof *workspace->scratch.counts);
    workspace->scratch.cells = memory_alloc(distinct * sizeof *workspace->scratch.cells);
    workspace->codes = memory_alloc(table->row_count * features);
    workspace->order = memory_alloc((table->row_count + 1) * sizeof *workspace->order);
    workspace->weights = memory_alloc((cells + features) * sizeof *workspace->weights);
    workspace->slope_x = memory_alloc(cells * sizeof *workspace->slope_x);
    bool all = workspace->scratch.counts && workspace->scratch.cells && workspace->codes &&
               workspace->order && workspace->weights && workspace->slope_x;
    return all ? STATUS_OK : STATUS_NO_MEMORY;
}

void workspace_release(struct workspace *workspace) {
    memory_free(workspace->scratch.counts);
    memory_free(workspace->scratch.cells);
    memory_free(workspace->codes);
    memory_free(workspace->order);
    memory_free(workspace->weights);
    memory_free(workspace->slope_x);
    *workspace = (struct workspace){0};
}

void additive_init(struct additive *additive) {
    *additive = (struct additive){0};
    arena_init(&additive->arena, ADDITIVE_BYTES_MAX);
}

void additive_release(struct additive *additive) {
    arena_release(&additive->arena);
}

uint32_t logistic_passes(size_t row_count) {
    size_t passes = LOGISTIC_STEPS / (row_count + 1);
    if (passes > LOGISTIC_PASSES_MAX) return LOGISTIC_PASSES_MAX;
    return passes < LOGISTIC_PASSES_MIN ? LOGISTIC_PASSES_MIN : (uint32_t)passes;
}

static enum status cut_features(struct additive *additive, const struct table *table,
                                const uint32_t *rows, size_t row_count,
                                struct workspace *workspace) {
    uint32_t count = table->column_count;
    arena_clear(&additive->arena);
    additive->feature_count = count;
    additive->bins = arena_calloc(&additive->arena, count + 1, sizeof *additive->bins);
    additive->first_cell = arena_calloc(&additive->arena, count + 1, sizeof *additive->first_cell);
    if (additive->bins == NULL || additive->first_cell == NULL) return STATUS_NO_MEMORY;
    for (uint32_t f = 0; f < count; f++) {
        enum status status = bins_fit(&additive->bins[f], &additive->arena, &table->columns[f],
                                      rows, row_count, &workspace->scratch);
        if (status != STATUS_OK) return status;
        additive->first_cell[f + 1] = additive->first_cell[f] + bins_cells(&additive->bins[f]);
    }
    additive->effects =
        arena_calloc(&additive->arena, additive->first_cell[count] + 1, sizeof *additive->effects);
    return additive->effects ? STATUS_OK : STATUS_NO_MEMORY;
}

void additive_encode(const struct additive *additive, const struct table *table,
                     const uint32_t *rows, size_t row_count, struct workspace *workspace) {
    for (uint32_t f = 0; f < additive->feature_count; f++) {
        bins_encode(&additive->bins[f], &table->columns[f], rows, row_count, &workspace->scratch,
                    workspace->codes + f, additive->feature_count);
    }
}

double additive_score(const struct additive *additive, const struct workspace *workspace,
                      uint32_t row) {
    const uint8_t *codes = workspace->codes + (size_t)row * additive->feature_count;
    double z = additive->intercept;
    for (uint32_t f = 0; f < additive->feature_count; f++)
        z += additive->effects[additive->first_cell[f] + codes[f]];
    return z;
}

/* One fit's view of the workspace. */
struct fit {
    const struct additive *additive;
    const struct table *table;
    const uint8_t *codes;
    const double *slope_x;
    struct weight *intercept, *slopes, *bins;
};

/* Sets `pull` of each weight to the weight of the rows in which it is active, and returns the
 * weight of all rows and of those that say yes. */
static void add_up(struct fit *fit, const uint32_t *rows, size_t row_count, double *all,
                   double *yes) {
    const uint32_t *first_cell = fit->additive->first_cell;
    *all = *yes = 0;
    for (size_t i = 0; i < row_count; i++) {
        const struct row_facts *facts = &fit->table->rows[rows[i]];
        const uint8_t *codes = fit->codes + (size_t)rows[i] * fit->additive->feature_count;
        *all += facts->weight;
        if (facts->yes) *yes += facts->weight;
        for (uint32_t f = 0; f < fit->additive->feature_count; f++) {
            uint32_t cell = first_cell[f] + codes[f];
            fit->bins[cell].pull += facts->weight;
            if (fit->slope_x[cell] != 0) fit->slopes[f].pull += facts->weight;
        }
    }
}

static void start_weights(struct fit *fit, const uint32_t *rows, size_t row_count,
                          struct ridge ridge) {
    uint32_t features = fit->additive->feature_count, cells = fit->additive->first_cell[features];
    memset(fit->intercept, 0, ((size_t)1 + features + cells) * sizeof *fit->intercept);
    double all, yes;
    add_up(fit, rows, row_count, &all, &yes);
    double rate = (yes + .5) / (all + 1);
    fit->intercept->w = log(rate / (1 - rate));
    for (uint32_t f = 0; f < features; f++) {
        fit->slopes[f].pull = fit->slopes[f].pull > 0 ? ridge.slope / fit->slopes[f].pull : 0;
    }
    for (uint32_t f = 0; f < features; f++) {
        double bin = fit->table->columns[f].is_split ? RIDGE_SPLIT : ridge.bin;
        for (uint32_t c = fit->additive->first_cell[f]; c < fit->additive->first_cell[f + 1]; c++)
            fit->bins[c].pull = fit->bins[c].pull > 0 ? bin / fit->bins[c].pull : 0;
    }
}

/* Takes the header's step, with numerator and denominator multiplied by sqrt(G): one root and one
 * division. */
static inline void step(struct weight *weight, double gradient, double row_weight) {
    weight->squares += gradient * gradient;
    double root = sqrt(weight->squares + 1e-8);
    weight->w = (weight->w * root - LOGISTIC_RATE * gradient) /
                (root + LOGISTIC_RATE * row_weight * weight->pull);
}

static void learn_row(struct fit *fit, uint32_t row) {
    const struct row_facts *facts = &fit->table->rows[row];
    const uint32_t *first_cell = fit->additive->first_cell;
    uint32_t features = fit->additive->feature_count;
    const uint8_t *codes = fit->codes + (size_t)row * features;
    double z = fit->intercept->w;
    for (uint32_t f = 0; f < features; f++) {
        uint32_t cell = first_cell[f] + codes[f];
        z += fit->slopes[f].w * fit->slope_x[cell] + fit->bins[cell].w;
    }
    double gradient = facts->weight * (1 / (1 + exp(-z)) - (facts->yes ? 1 : 0));
    step(fit->intercept, gradient, facts->weight);
    for (uint32_t f = 0; f < features; f++) {
        uint32_t cell = first_cell[f] + codes[f];
        double x = fit->slope_x[cell];
        if (x != 0) step(&fit->slopes[f], gradient * x, facts->weight);
        step(&fit->bins[cell], gradient, facts->weight);
    }
}

static void shuffle(uint32_t *order, size_t count, struct random *random) {
    for (size_t i = count; i-- > 1;) {
        size_t j = random_below(random, i + 1);
        uint32_t other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
}

static enum status run_passes(struct fit *fit, struct workspace *workspace, size_t row_count,
                              uint32_t passes, uint64_t seed) {
    uint32_t features = fit->additive->feature_count,
             count = 1 + features + fit->additive->first_cell[features];
    struct random random;
    random_init(&random, seed);
    uint32_t *order = workspace->order;
    for (uint32_t pass = 0; pass < passes; pass++) {
        if (work_is_cancelled(workspace->work)) return STATUS_CANCELLED;
        work_add(workspace->work, 1);
        shuffle(order, row_count, &random);
        for (size_t i = 0; i < row_count; i++) learn_row(fit, order[i]);
        if (pass < passes / 2) continue;
        for (uint32_t j = 0; j < count; j++) fit->intercept[j].sum += fit->intercept[j].w;
    }
    return STATUS_OK;
}

enum status additive_fit(struct additive *additive, const struct table *table, const uint32_t *rows,
                         size_t row_count, struct ridge ridge, uint64_t seed,
                         struct workspace *workspace) {
    enum status status = cut_features(additive, table, rows, row_count, workspace);
    if (status != STATUS_OK) return status;
    additive_encode(additive, table, rows, row_count, workspace);
    uint32_t features = additive->feature_count;
    for (uint32_t f = 0; f < features; f++) {
        double *slope_x = workspace->slope_x + additive->first_cell[f];
        for (uint32_t c = 0; c < bins_cells(&additive->bins[f]); c++)
            slope_x[c] = bins_slope(&additive->bins[f], c);
    }
    struct fit fit = {additive,
                      table,
                      workspace->codes,
                      workspace->slope_x,
                      workspace->weights,
                      workspace->weights + 1,
                      workspace->weights + 1 + features};
    start_weights(&fit, rows, row_count, ridge);
    memcpy(workspace->order, rows, row_count * sizeof *rows);
    uint32_t passes = logistic_passes(row_count), averaged = passes - passes / 2;
    status = run_passes(&fit, workspace, row_count, passes, seed);
    if (status != STATUS_OK) return status;
    additive->intercept = fit.intercept->sum / averaged;
    for (uint32_t f = 0; f < features; f++) {
        for (uint32_t c = additive->first_cell[f]; c < additive->first_cell[f + 1]; c++) {
            additive->effects[c] =
                (fit.slopes[f].sum * fit.slope_x[c] + fit.bins[c].sum) / averaged;
        }
    }
    return STATUS_OK;
}
