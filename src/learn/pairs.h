/* SPDX-License-Identifier: Apache-2.0 */
/* learn/pairs.h -- finds pairs of features that say together what neither says alone.
 *
 * An additive fit leaves each row a residual v (y - p) and a curve v p (1 - p). The cells of two
 * features cut the rows into a grid; where the two say no more together, a cell's residuals are
 * noise, and G^2 is about V, with G their sum, H the sum of the curves and V the variance of G:
 *
 *   z = (sum G^2 / (H + 5) - sum V / (H + 5)) / sqrt(2 sum (V / (H + 5))^2)    over the cells
 *
 * V is that of customers: the sum of squares of each customer's own residuals in the cell, so that
 * customers with many rows alike are no evidence. The fit that leaves the residuals has a weak
 * ridge (PAIRS_WEAK_RIDGE), for what a strong one leaves of a feature's own effect would look like
 * a pair. That fit has also taken up some of the noise, so that without a pair z lies around -1.4;
 * above PAIRS_EVIDENCE_MIN a pair is kept, the strongest LEARN_PAIRS_MAX of them.
 *
 * A side groups the cells of a feature into parts, so that a cell of the grid holds enough rows:
 * about sqrt(rows / PAIRS_ROWS_A_CELL) parts of a number, and the most frequent texts. A cell of
 * the grid that fewer than LEARN_TEXT_GROUPS_MIN customers have stays at 0: what one person has
 * together predicts nobody else, and would outlive that person's erasure in the model. */
#ifndef LEARN_PAIRS_H
#define LEARN_PAIRS_H

#include "learn/bins.h"

#define PAIRS_WEAK_RIDGE   10.0
#define PAIRS_EVIDENCE_MIN 3.0
#define PAIRS_SHRINK       5.0 /* the 5 above */
#define PAIRS_ROWS_A_CELL  50
#define PAIRS_PARTS_MIN    4 /* of a number, missing apart */
#define PAIRS_PARTS_MAX    12
#define PAIR_SIDE_MAX      64 /* parts of any side, with other and missing */
/* Rows times pairs of a search; beyond it, it looks at every second, third … customer. */
#define PAIRS_STEPS_MAX 4000000000.0

struct side {
    uint32_t parts;
    uint8_t part[BIN_CELLS_MAX]; /* by cell of the feature */
};
struct pair {
    uint32_t left, right; /* features; left < right */
    double evidence;      /* z */
    uint8_t *used;        /* by cell of the grid: may it have an effect? */
    double *effects;      /* by cell of the grid, left part by left part; 0 where not used */
};
struct pairs {
    struct arena arena;
    struct side *sides; /* by feature */
    struct pair pairs[LEARN_PAIRS_MAX];
    uint32_t count, tried;
};

/* Rows of a fit, with their cells and what the weak fit left of them. */
struct pairs_rows {
    const struct table *table;
    const struct bins *bins; /* by feature */
    const uint8_t *codes;    /* cells, by row of the table and then feature */
    const uint32_t *rows;
    size_t row_count;
    const double *residual, *curve; /* by position in rows */
};

void pairs_init(struct pairs *pairs);
void pairs_release(struct pairs *pairs);
/* Finds pairs, in order of left, then right; their effects are 0. Reuses `pairs`. */
enum status pairs_find(struct pairs *pairs, const struct pairs_rows *rows) MUST_USE;

static inline uint32_t pair_cells(const struct pairs *pairs, const struct pair *pair) {
    return pairs->sides[pair->left].parts * pairs->sides[pair->right].parts;
}
/* The cell of the grid, by the cells of the row. */
static inline uint32_t pair_cell(const struct pairs *pairs, const struct pair *pair,
                                 const uint8_t *codes) {
    const struct side *left = &pairs->sides[pair->left], *right = &pairs->sides[pair->right];
    return left->part[codes[pair->left]] * right->parts + right->part[codes[pair->right]];
}
/* Moves the mean effect of each part into the effects of the feature's own cells, until the pair
 * says only what the two say together: its effects are 0 on average over the rows of each part.
 * weights: of the rows, by cell of the grid. */
void pair_purify(const struct pairs *pairs, struct pair *pair, const double *weights,
                 const struct bins *bins, double *left_effects, double *right_effects);

#endif
