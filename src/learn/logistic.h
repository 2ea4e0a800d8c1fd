/* SPDX-License-Identifier: Apache-2.0 */
/* learn/logistic.h -- logistic regression over cells, with a ridge.
 *
 *   z_i = w0 + sum over columns k of effect_k[cell_ik]     effect_k[c] = slope_k x_k(c) + bin_k[c]
 *
 *   minimises  sum_i v_i (log(1 + exp(z_i)) - y_i z_i)
 *              + sum_k (slope_ridge_k slope_k^2 + ridge_k sum_c bin_k[c]^2) / 2
 *
 * A row has one cell in each column, so that its part in a sum over the rows is one look-up and one
 * addition a column: there are no numbers left to multiply. The problem is convex; it is solved by
 * Newton steps, each of them found by conjugate gradients (truncated Newton: Nocedal and Wright,
 * Numerical Optimization, 2nd edition, 7.1). A product with the Hessian is one pass over the cells.
 *
 * The preconditioner is the exact inverse of each column's own block of the Hessian, an arrow of
 * the slope and a diagonal. In a whole column, where every row has a cell that may move, the sum of
 * the bins is 0 at the optimum: adding a constant to all of them is what the intercept does, and
 * costs no ridge there. CG stays in that space, and so never meets the directions in which only the
 * ridge bends the loss. */
#ifndef LEARN_LOGISTIC_H
#define LEARN_LOGISTIC_H

#include "base/work.h"
#include "learn/training_set.h"

#define LOGISTIC_STEPS_MAX 30 /* of Newton */
#define LOGISTIC_TURNS_MAX 40 /* of CG in a step */
/* A fit ends with the first step that gains less, by the quadratic model, over the weight of the
 * rows. Settings that differ less than a thousandth in log loss need no more than the search's. */
#define LOGISTIC_TOLERANCE        1e-9
#define LOGISTIC_SEARCH_TOLERANCE 1e-6

struct column {
    uint32_t first, cells; /* its bins are weights[first] … */
    double ridge, slope_ridge;
    const double *x;     /* by cell; NULL: it has no slope */
    const uint8_t *used; /* by cell: may its bin move? NULL: all may. The others stay at 0. */
};

/* weights[0] is the intercept, weights[1 + k] the slope of column k, and bins stand behind them. */
struct logistic {
    const struct row_facts *facts;
    const uint32_t *rows; /* of the facts and of the cells; at least one */
    size_t row_count;
    const struct column *columns; /* narrow_count, then wide_count */
    uint32_t narrow_count, wide_count;
    const uint8_t *narrow; /* cells: [row * narrow_count + k] */
    const uint16_t *wide;  /* cells: [position in rows * wide_count + k] */
    double *weights;       /* the fit starts at them, and leaves its result there */
    uint32_t weight_count;
    double tolerance;
    struct work *work; /* counts passes, and may end a fit; NULL: nobody watches */
    /* By position, of the result: residual v (y - p), and curve v p (1 - p). Room for row_count. */
    double *residual, *curve;
    uint32_t passes; /* how many the fit took */
};

/* Rows' weights must sum to more than 0. STATUS_CANCELLED, STATUS_NO_MEMORY. */
enum status logistic_fit(struct logistic *logistic) MUST_USE;
/* Writes slope x + bin of each cell of a column, by these weights. */
void logistic_effects(const struct logistic *logistic, uint32_t column, const double *weights,
                      double *effects);

#endif
