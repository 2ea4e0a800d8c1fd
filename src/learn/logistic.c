/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/logistic.h"

#include <math.h>

#include "base/memory.h"

#define HALVINGS_MAX 20
/* CG ends once it has shrunk the residual to this part. */
#define CG_SHARE .1

struct sums {
    double residual, curve;
};

/* One fit at work. Vectors are by weight, and by row position. */
struct solver {
    struct logistic *fit;
    uint32_t columns;
    double *gradient, *curve; /* of the loss with its ridge; the curve of a cell: its diagonal */
    double *step, *residual, *conditioned, *direction, *product;
    double *effect;    /* of the direction at hand, by cell */
    double *z, *dz;    /* log-odds, and what the step at hand would add */
    struct sums *sums; /* by cell; [0]: of all rows */
    uint32_t *first;   /* cell, by column */
    double *memory;
    double row_loss, loss, weight; /* loss: with its ridge */
};

static bool is_used(const struct column *column, uint32_t cell) {
    return column->used == NULL || column->used[cell];
}

void logistic_effects(const struct logistic *fit, uint32_t column, const double *weights,
                      double *effects) {
    const struct column *of = &fit->columns[column];
    for (uint32_t c = 0; c < of->cells; c++)
        effects[c] = weights[of->first + c] + (of->x != NULL ? weights[1 + column] * of->x[c] : 0);
}

static void effects_of(const struct solver *solver, const double *weights, double *effects) {
    for (uint32_t k = 0; k < solver->columns; k++)
        logistic_effects(solver->fit, k, weights, effects + solver->fit->columns[k].first);
}

/* ---- passes over the rows ---- */

/* Returns the sum of a row's effects. There are four sums, since each addition waits for the one
 * before it. */
static inline double gather(const struct logistic *fit, const uint32_t *first, size_t i,
                            const double *effect) {
    const uint8_t *narrow = fit->narrow + (size_t)fit->rows[i] * fit->narrow_count;
    double a = 0, b = 0, c = 0, d = 0;
    uint32_t k = 0;
    for (; k + 4 <= fit->narrow_count; k += 4) {
        a += effect[first[k] + narrow[k]];
        b += effect[first[k + 1] + narrow[k + 1]];
        c += effect[first[k + 2] + narrow[k + 2]];
        d += effect[first[k + 3] + narrow[k + 3]];
    }
    for (; k < fit->narrow_count; k++) a += effect[first[k] + narrow[k]];
    const uint16_t *wide = fit->wide + i * fit->wide_count;
    first += fit->narrow_count;
    for (k = 0; k < fit->wide_count; k++) b += effect[first[k] + wide[k]];
    return (a + b) + (c + d);
}

static inline void scatter(const struct logistic *fit, const uint32_t *first, size_t i,
                           double value, double *sums) {
    const uint8_t *narrow = fit->narrow + (size_t)fit->rows[i] * fit->narrow_count;
    for (uint32_t k = 0; k < fit->narrow_count; k++) sums[first[k] + narrow[k]] += value;
    if (fit->wide_count == 0) return;
    const uint16_t *wide = fit->wide + i * fit->wide_count;
    first += fit->narrow_count;
    for (uint32_t k = 0; k < fit->wide_count; k++) sums[first[k] + wide[k]] += value;
}

static inline void scatter_both(const struct logistic *fit, const uint32_t *first, size_t i,
                                struct sums own, struct sums *sums) {
    const uint8_t *narrow = fit->narrow + (size_t)fit->rows[i] * fit->narrow_count;
    for (uint32_t k = 0; k < fit->narrow_count; k++) {
        sums[first[k] + narrow[k]].residual += own.residual;
        sums[first[k] + narrow[k]].curve += own.curve;
    }
    if (fit->wide_count == 0) return;
    const uint16_t *wide = fit->wide + i * fit->wide_count;
    first += fit->narrow_count;
    for (uint32_t k = 0; k < fit->wide_count; k++) {
        sums[first[k] + wide[k]].residual += own.residual;
        sums[first[k] + wide[k]].curve += own.curve;
    }
}

/* Sums log(1 + e) over rows. Of rows of weight 1 it takes the logarithm of a product: e is at most
 * 1, so that PRODUCT_ROWS factors stay finite. */
#define PRODUCT_ROWS 512
struct loss {
    double sum, product;
    uint32_t factors;
};

static inline void add_loss(struct loss *loss, double weight, double e) {
    if (weight != 1) {
        loss->sum += weight * log1p(e);
        return;
    }
    loss->product *= 1 + e;
    if (++loss->factors < PRODUCT_ROWS) return;
    loss->sum += log(loss->product);
    loss->product = 1;
    loss->factors = 0;
}

/* Sets residuals, curves and their sums by cell, at the log-odds at hand, and the loss of the rows.
 */
static void look(struct solver *solver) {
    struct logistic *fit = solver->fit;
    const uint32_t *first = solver->first;
    struct sums *sums = solver->sums;
    struct loss loss = {0, 1, 0};
    memset(sums, 0, fit->weight_count * sizeof *sums);
    for (size_t i = 0; i < fit->row_count; i++) {
        const struct row_facts *facts = &fit->facts[fit->rows[i]];
        double z = solver->z[i], v = facts->weight, e = exp(-fabs(z));
        double p = (z >= 0 ? 1 : e) / (1 + e);
        loss.sum += v * (facts->yes ? fmax(-z, 0) : fmax(z, 0));
        add_loss(&loss, v, e);
        struct sums own = {v * (facts->yes ? p - 1 : p), v * p * (1 - p)};
        fit->residual[i] = own.residual;
        fit->curve[i] = own.curve;
        sums[0].residual += own.residual;
        sums[0].curve += own.curve;
        scatter_both(fit, first, i, own, sums);
    }
    solver->row_loss = loss.sum + log(loss.product);
    fit->passes++;
    work_add(fit->work, 1);
}

/* The log-odds that a vector of weights adds to each row. */
static void spread(const struct solver *solver, const double *weights, double *out) {
    const struct logistic *fit = solver->fit;
    effects_of(solver, weights, solver->effect);
    for (size_t i = 0; i < fit->row_count; i++)
        out[i] = weights[0] + gather(fit, solver->first, i, solver->effect);
}

/* ---- the quadratic model ---- */

/* Sets the gradient and the curve of each weight after a look, and the loss with its ridge. */
static void add_ridge(struct solver *solver) {
    double loss = solver->row_loss, *gradient = solver->gradient, *curve = solver->curve;
    const double *weights = solver->fit->weights;
    gradient[0] = solver->sums[0].residual;
    curve[0] = solver->sums[0].curve;
    for (uint32_t k = 0; k < solver->columns; k++) {
        const struct column *column = &solver->fit->columns[k];
        double slope = weights[1 + k], along = 0, ridge = 0;
        for (uint32_t c = 0; c < column->cells; c++) {
            const struct sums *sums = &solver->sums[column->first + c];
            double bin = weights[column->first + c];
            if (column->x != NULL) along += column->x[c] * sums->residual;
            gradient[column->first + c] =
                is_used(column, c) ? sums->residual + column->ridge * bin : 0;
            curve[column->first + c] = is_used(column, c) ? sums->curve : 0;
            ridge += bin * bin;
        }
        gradient[1 + k] = column->x != NULL ? along + column->slope_ridge * slope : 0;
        loss += (column->ridge * ridge + column->slope_ridge * slope * slope) / 2;
    }
    solver->loss = loss;
}

/* Writes Hessian times direction: one pass. */
static void multiply(struct solver *solver) {
    struct logistic *fit = solver->fit;
    const uint32_t *first = solver->first;
    const double *direction = solver->direction;
    double *product = solver->product, *effect = solver->effect, all = 0;
    effects_of(solver, direction, effect);
    memset(product, 0, fit->weight_count * sizeof *product);
    for (size_t i = 0; i < fit->row_count; i++) {
        double pull = fit->curve[i] * (direction[0] + gather(fit, first, i, effect));
        all += pull;
        scatter(fit, first, i, pull, product);
    }
    product[0] = all;
    for (uint32_t k = 0; k < solver->columns; k++) {
        const struct column *column = &fit->columns[k];
        double along = 0;
        for (uint32_t c = 0; c < column->cells; c++) {
            double *cell = &product[column->first + c];
            if (column->x != NULL) along += column->x[c] * *cell;
            *cell = is_used(column, c) ? *cell + column->ridge * direction[column->first + c] : 0;
        }
        product[1 + k] = column->x != NULL ? along + column->slope_ridge * direction[1 + k] : 0;
    }
    fit->passes++;
    work_add(fit->work, 1);
}

/* Solves one column's block, an arrow, within bins that sum to 0 where the column is whole:
 *
 *   (ridge + curve_c) bin_c + curve_c x_c slope = r_c - mu
 *   (slope_ridge + sum curve_c x_c^2) slope + sum curve_c x_c bin_c = r_slope */
static void solve_block(const struct solver *solver, uint32_t k, const double *r, double *out) {
    const struct column *column = &solver->fit->columns[k];
    const double *curve = solver->curve + column->first, *cells = r + column->first;
    bool whole = column->used == NULL;
    double ones = 0, right = 0, arm = 0, arm_arm = 0, arm_right = 0, corner = column->slope_ridge;
    for (uint32_t c = 0; c < column->cells; c++) {
        if (!(curve[c] > 0)) continue;
        double x = column->x != NULL ? column->x[c] : 0, a = curve[c] * x;
        double inverse = 1 / (curve[c] + column->ridge);
        ones += inverse;
        right += cells[c] * inverse;
        arm += a * inverse;
        arm_arm += a * a * inverse;
        arm_right += a * cells[c] * inverse;
        corner += a * x;
    }
    double shared = whole && ones > 0 ? 1 / ones : 0, slope = 0;
    if (column->x != NULL)
        slope =
            (r[1 + k] - arm_right + arm * right * shared) / (corner - arm_arm + arm * arm * shared);
    double mu = (right - slope * arm) * shared;
    out[1 + k] = slope;
    for (uint32_t c = 0; c < column->cells; c++) {
        double a = column->x != NULL ? curve[c] * column->x[c] : 0;
        out[column->first + c] =
            curve[c] > 0 ? (cells[c] - mu - a * slope) / (curve[c] + column->ridge) : 0;
    }
}

static void precondition(const struct solver *solver) {
    double curve = solver->curve[0];
    solver->conditioned[0] = curve > 0 ? solver->residual[0] / curve : 0;
    for (uint32_t k = 0; k < solver->columns; k++)
        solve_block(solver, k, solver->residual, solver->conditioned);
}

static double dot(const struct solver *solver, const double *a, const double *b) {
    double sum = 0;
    for (uint32_t j = 0; j < solver->fit->weight_count; j++) sum += a[j] * b[j];
    return sum;
}

/* Finds the Newton step by conjugate gradients. Returns what the quadratic model says it gains. */
static double find_step(struct solver *solver) {
    uint32_t count = solver->fit->weight_count;
    double *step = solver->step, *residual = solver->residual, *direction = solver->direction;
    for (uint32_t j = 0; j < count; j++) {
        step[j] = 0;
        residual[j] = -solver->gradient[j];
    }
    precondition(solver);
    memcpy(direction, solver->conditioned, count * sizeof *direction);
    double now = dot(solver, residual, solver->conditioned), end = CG_SHARE * CG_SHARE * now;
    double least = solver->fit->tolerance * solver->weight;
    for (int turn = 0; turn < LOGISTIC_TURNS_MAX && now > end && now > .01 * least; turn++) {
        multiply(solver);
        double curve = dot(solver, direction, solver->product);
        if (!(curve > 0)) break;
        double length = now / curve, before = now;
        for (uint32_t j = 0; j < count; j++) {
            step[j] += length * direction[j];
            residual[j] -= length * solver->product[j];
        }
        precondition(solver);
        now = dot(solver, residual, solver->conditioned);
        for (uint32_t j = 0; j < count; j++)
            direction[j] = solver->conditioned[j] + now / before * direction[j];
    }
    return -dot(solver, solver->gradient, step) / 2;
}

/* ---- the fit ---- */

static void move(struct solver *solver, double part) {
    for (size_t i = 0; i < solver->fit->row_count; i++) solver->z[i] += part * solver->dz[i];
    for (uint32_t j = 0; j < solver->fit->weight_count; j++)
        solver->fit->weights[j] += part * solver->step[j];
}

/* Takes the step, halved until the loss does not rise. False where no part of it will do. */
static bool take_step(struct solver *solver) {
    spread(solver, solver->step, solver->dz);
    double part = 1, before = solver->loss;
    move(solver, 1);
    for (int halving = 0; halving <= HALVINGS_MAX; halving++) {
        look(solver);
        add_ridge(solver);
        if (solver->loss <= before) return true;
        part /= 2;
        move(solver, -part);
    }
    move(solver, -part);
    return false;
}

/* Puts the start into the space that CG stays in: cells without rows are 0, and the bins of a whole
 * column sum to 0 over the others. No row's log-odds change but by rounding. */
static void settle(struct solver *solver) {
    double *weights = solver->fit->weights;
    for (uint32_t k = 0; k < solver->columns; k++) {
        const struct column *column = &solver->fit->columns[k];
        double sum = 0;
        uint32_t held = 0;
        for (uint32_t c = 0; c < column->cells; c++) {
            double *bin = &weights[column->first + c];
            bool moves = solver->curve[column->first + c] > 0;
            *bin = moves ? *bin : 0;
            sum += *bin;
            held += moves;
        }
        if (column->used != NULL || held == 0 || sum == 0) continue;
        weights[0] += sum / held;
        for (uint32_t c = 0; c < column->cells; c++) {
            if (solver->curve[column->first + c] > 0) weights[column->first + c] -= sum / held;
        }
    }
}

static enum status run(struct solver *solver) {
    struct logistic *fit = solver->fit;
    for (size_t i = 0; i < fit->row_count; i++) solver->weight += fit->facts[fit->rows[i]].weight;
    spread(solver, fit->weights, solver->z);
    look(solver);
    add_ridge(solver);
    settle(solver);
    add_ridge(solver);
    for (int step = 0; step < LOGISTIC_STEPS_MAX; step++) {
        if (work_is_cancelled(fit->work)) return STATUS_CANCELLED;
        bool is_last = !(find_step(solver) > fit->tolerance * solver->weight);
        if (!take_step(solver) || is_last) break;
    }
    return STATUS_OK;
}

static enum status allocate(struct solver *solver) {
    const struct logistic *fit = solver->fit;
    size_t weights = fit->weight_count, rows = fit->row_count;
    solver->memory = memory_calloc(10 * weights + 2 * rows + 1, sizeof *solver->memory);
    solver->first = memory_alloc((solver->columns + 1) * sizeof *solver->first);
    if (solver->memory == NULL || solver->first == NULL) return STATUS_NO_MEMORY;
    double **vectors[] = {&solver->gradient, &solver->curve,     &solver->step,
                          &solver->residual, &solver->direction, &solver->conditioned,
                          &solver->product,  &solver->effect};
    double *at = solver->memory;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++, at += weights) *vectors[i] = at;
    solver->sums = (struct sums *)at;
    at += 2 * weights;
    solver->z = at;
    solver->dz = at + rows;
    for (uint32_t k = 0; k < solver->columns; k++) solver->first[k] = fit->columns[k].first;
    return STATUS_OK;
}

enum status logistic_fit(struct logistic *fit) {
    struct solver solver = {.fit = fit, .columns = fit->narrow_count + fit->wide_count};
    enum status status = allocate(&solver);
    if (status == STATUS_OK) status = run(&solver);
    memory_free(solver.memory);
    memory_free(solver.first);
    return status;
}
