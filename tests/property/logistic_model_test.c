/* SPDX-License-Identifier: Apache-2.0 */
/* The fit over cells against a naive one: every row as a vector of numbers, the whole Hessian, and
 * Newton steps solved by elimination. Random columns of cells, with and without slopes, cells that
 * may not move and cells without rows, narrow and wide, rows of any weight, ridges from weak to
 * strong, and starts anywhere.
 *
 *   logistic_model_test [SEED [TRIALS]] */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "learn/logistic.h"

#define ROWS_MAX    400
#define COLUMNS_MAX 6
#define CELLS_MAX   7
#define WEIGHTS_MAX (1 + COLUMNS_MAX * (CELLS_MAX + 1))

static struct random random_state;
static uint32_t below(uint32_t bound) {
    return (uint32_t)random_below(&random_state, bound);
}

/* A problem, as the fit is given it. */
static struct problem {
    struct logistic fit;
    struct row_facts facts[ROWS_MAX];
    uint32_t rows[ROWS_MAX];
    struct column columns[COLUMNS_MAX];
    double x[COLUMNS_MAX][CELLS_MAX];
    uint8_t used[COLUMNS_MAX][CELLS_MAX];
    uint8_t narrow[ROWS_MAX * COLUMNS_MAX];
    uint16_t wide[ROWS_MAX * COLUMNS_MAX];
    double weights[WEIGHTS_MAX], residual[ROWS_MAX], curve[ROWS_MAX];
} problem;

static void draw_column(struct problem *p, uint32_t k, uint32_t *at) {
    bool is_wide = k >= p->fit.narrow_count, slopes = !is_wide && below(2) == 0;
    bool masked = is_wide && below(3) > 0;
    struct column *column = &p->columns[k];
    *column = (struct column){.first = *at,
                              .cells = 1 + below(CELLS_MAX),
                              .ridge = exp(6 * random_unit(&random_state) - 2),
                              .slope_ridge = slopes ? exp(5 * random_unit(&random_state) - 1) : 0,
                              .x = slopes ? p->x[k] : NULL,
                              .used = masked ? p->used[k] : NULL};
    for (uint32_t c = 0; c < CELLS_MAX; c++) {
        p->x[k][c] = 2 * random_unit(&random_state) - 1;
        p->used[k][c] = below(4) > 0;
    }
    *at += column->cells;
}

/* Rows are listed backwards and with gaps, so that a place in the list is no row. */
static void draw_problem(struct problem *p) {
    uint32_t narrow = below(COLUMNS_MAX), wide = below(COLUMNS_MAX - narrow),
             columns = narrow + wide;
    size_t rows = 20 + below(ROWS_MAX / 2 - 20);
    uint32_t at = 1 + columns;
    memset(p, 0, sizeof *p);
    p->fit = (struct logistic){.facts = p->facts,
                               .rows = p->rows,
                               .row_count = rows,
                               .columns = p->columns,
                               .narrow_count = narrow,
                               .wide_count = wide,
                               .narrow = p->narrow,
                               .wide = p->wide,
                               .weights = p->weights,
                               .tolerance = 1e-14,
                               .residual = p->residual,
                               .curve = p->curve};
    for (uint32_t k = 0; k < columns; k++) draw_column(p, k, &at);
    p->fit.weight_count = at;
    bool weighs = below(2) == 0;
    for (size_t i = 0; i < rows; i++) {
        uint32_t row = p->rows[i] = (uint32_t)(2 * (rows - 1 - i));
        double z = random_normal(&random_state);
        for (uint32_t k = 0; k < columns; k++) {
            uint32_t cells = p->columns[k].cells, cell = below(cells);
            if (cells > 2 && cell == 1) cell = 0; /* a cell without rows */
            if (k < narrow)
                p->narrow[row * narrow + k] = (uint8_t)cell;
            else
                p->wide[i * wide + k - narrow] = (uint16_t)cell;
            z += cell % 2 ? .8 : -.3;
        }
        p->facts[row] = (struct row_facts){.weight = weighs ? 3 * random_unit(&random_state) : 1,
                                           .yes = random_unit(&random_state) < 1 / (1 + exp(-z))};
    }
    p->facts[p->rows[0]].yes = true; /* of either outcome one, so that the intercept is finite */
    p->facts[p->rows[1]].yes = false;
    p->facts[p->rows[0]].weight = p->facts[p->rows[1]].weight = 1;
}

/* A row as a vector over the weights. */
static void vector_of(const struct problem *p, size_t i, double *out) {
    uint32_t narrow = p->fit.narrow_count, columns = narrow + p->fit.wide_count;
    memset(out, 0, p->fit.weight_count * sizeof *out);
    out[0] = 1;
    for (uint32_t k = 0; k < columns; k++) {
        const struct column *column = &p->columns[k];
        uint32_t cell = k < narrow ? p->narrow[p->rows[i] * narrow + k]
                                   : p->wide[i * p->fit.wide_count + k - narrow];
        if (column->x != NULL) out[1 + k] = column->x[cell];
        if (column->used == NULL || column->used[cell]) out[column->first + cell] = 1;
    }
}

static double ridge_of(const struct problem *p, uint32_t weight) {
    uint32_t columns = p->fit.narrow_count + p->fit.wide_count;
    if (weight == 0) return 0;
    if (weight <= columns) {
        const struct column *column = &p->columns[weight - 1];
        return column->x != NULL ? column->slope_ridge : 1; /* without a slope it stays at 0 */
    }
    for (uint32_t k = 0; k < columns; k++) {
        const struct column *column = &p->columns[k];
        if (weight >= column->first && weight < column->first + column->cells) return column->ridge;
    }
    return 1;
}

/* Solves a x = b in place by elimination with pivots; the answer is in b. */
static void eliminate(double a[][WEIGHTS_MAX], double *b, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t best = i;
        for (uint32_t r = i + 1; r < count; r++) {
            if (fabs(a[r][i]) > fabs(a[best][i])) best = r;
        }
        for (uint32_t c = 0; c < count; c++) {
            double kept = a[i][c];
            a[i][c] = a[best][c];
            a[best][c] = kept;
        }
        double kept = b[i];
        b[i] = b[best];
        b[best] = kept;
        for (uint32_t r = 0; r < count; r++) {
            if (r == i) continue;
            double factor = a[r][i] / a[i][i];
            for (uint32_t c = i; c < count; c++) a[r][c] -= factor * a[i][c];
            b[r] -= factor * b[i];
        }
    }
    for (uint32_t i = 0; i < count; i++) b[i] /= a[i][i];
}

/* Damped a little at first, so that no step overshoots. */
static void fit_naively(const struct problem *p, double *weights) {
    static double hessian[WEIGHTS_MAX][WEIGHTS_MAX];
    uint32_t count = p->fit.weight_count;
    memset(weights, 0, count * sizeof *weights);
    for (int step = 0; step < 200; step++) {
        double gradient[WEIGHTS_MAX] = {0}, largest = 0;
        memset(hessian, 0, sizeof hessian);
        for (uint32_t j = 0; j < count; j++) {
            gradient[j] = ridge_of(p, j) * weights[j];
            hessian[j][j] = ridge_of(p, j);
        }
        for (size_t i = 0; i < p->fit.row_count; i++) {
            double x[WEIGHTS_MAX], z = 0;
            const struct row_facts *facts = &p->facts[p->rows[i]];
            vector_of(p, i, x);
            for (uint32_t j = 0; j < count; j++) z += weights[j] * x[j];
            double chance = 1 / (1 + exp(-z));
            double curve = facts->weight * chance * (1 - chance);
            for (uint32_t j = 0; j < count; j++) {
                gradient[j] += facts->weight * (chance - (facts->yes ? 1 : 0)) * x[j];
                for (uint32_t c = 0; c < count; c++) hessian[j][c] += curve * x[j] * x[c];
            }
        }
        eliminate(hessian, gradient, count);
        for (uint32_t j = 0; j < count; j++) largest = fmax(largest, fabs(gradient[j]));
        double part = largest > 1 ? 1 / largest : 1;
        for (uint32_t j = 0; j < count; j++) weights[j] -= part * gradient[j];
        if (largest < 1e-12) return;
    }
}

static bool same_fit(const struct problem *p, const double *naive) {
    for (uint32_t j = 0; j < p->fit.weight_count; j++) {
        if (fabs(p->weights[j] - naive[j]) <= 1e-5) continue;
        printf("weight %u is %.9f, the naive one %.9f\n", j, p->weights[j], naive[j]);
        return false;
    }
    for (size_t i = 0; i < p->fit.row_count; i++) {
        double x[WEIGHTS_MAX], z = 0;
        const struct row_facts *facts = &p->facts[p->rows[i]];
        vector_of(p, i, x);
        for (uint32_t j = 0; j < p->fit.weight_count; j++) z += naive[j] * x[j];
        double chance = 1 / (1 + exp(-z));
        double left = facts->weight * (chance - (facts->yes ? 1 : 0));
        double curve = facts->weight * chance * (1 - chance);
        if (fabs(p->residual[i] - left) <= 1e-4 && fabs(p->curve[i] - curve) <= 1e-4) continue;
        printf("row %zu has residual %g and curve %g, naively %g and %g\n", i, p->residual[i],
               p->curve[i], left, curve);
        return false;
    }
    return true;
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint32_t trials = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 300;
    static double naive[WEIGHTS_MAX];
    uint64_t passes = 0;
    for (uint32_t trial = 0; trial < trials; trial++) {
        random_init(&random_state, seed + trial);
        draw_problem(&problem);
        fit_naively(&problem, naive);
        /* A start anywhere, as where another fit ended; the cells that stay at 0 begin there. */
        bool starts_elsewhere = below(2) == 0;
        for (uint32_t j = 0; starts_elsewhere && j < problem.fit.weight_count; j++)
            problem.weights[j] = naive[j] + .5 * random_normal(&random_state);
        for (uint32_t k = 0; k < problem.fit.narrow_count + problem.fit.wide_count; k++) {
            const struct column *column = &problem.columns[k];
            if (column->x == NULL) problem.weights[1 + k] = 0;
            for (uint32_t c = 0; c < column->cells; c++) {
                if (column->used != NULL && !column->used[c])
                    problem.weights[column->first + c] = 0;
            }
        }
        if (logistic_fit(&problem.fit) != STATUS_OK || !same_fit(&problem, naive)) {
            printf("seed %" PRIu64 " fails\n", seed + trial);
            return 1;
        }
        passes += problem.fit.passes;
    }
    printf("%u fits from seed %" PRIu64 " are the naive ones, %.1f passes each\n", trials, seed,
           (double)passes / trials);
    return 0;
}
