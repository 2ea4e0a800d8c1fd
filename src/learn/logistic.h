/* SPDX-License-Identifier: Apache-2.0 */
/* learn/logistic.h -- additive logistic regression over bins, by adaptive gradient steps with a
 * proximal ridge.
 *
 *   z = w0 + sum over features f of (slope_f * x(cell) + bin_f[cell])    p = 1/(1+exp(-z))
 *
 * One step, for each weight j that is active (x_j != 0) in a row of weight v:
 *
 *   g = v (p - y) x_j;  G_j += g^2;  r = rate / sqrt(G_j + 1e-8)
 *   w_j = (w_j - r g) / (1 + r v ridge_j / V_j)
 *
 * The rate is AdaGrad's (Duchi, Hazan and Singer, JMLR 12, 2011), the division the ridge taken
 * implicitly (FOBOS: Duchi and Singer, JMLR 10, 2009). V_j is the weight of the training rows in
 * which j is active, so that over one pass each weight bears the whole ridge_j w^2 / 2 however rare
 * it is, and any ridge is stable. The result is the mean of the weights at the end of the later
 * half of the passes (Polyak and Juditsky, 1992). One step sees one row: it serves a stream too. */
#ifndef LEARN_LOGISTIC_H
#define LEARN_LOGISTIC_H

#include "learn/bins.h"

#define LOGISTIC_RATE       .2
#define LOGISTIC_PASSES_MAX 80
#define LOGISTIC_PASSES_MIN 8
#define LOGISTIC_STEPS      400000 /* rows times passes that a fit aims at, between these */

struct ridge {
    double slope, bin;
};
#define RIDGE_SPLIT 2.0 /* of the bins of a split feature, whatever the other ridges */

struct weight {
    double w, squares, pull, sum; /* pull: ridge / V */
};

/* The memory that a fit writes on; sized once for the table. */
struct workspace {
    struct bins_scratch scratch;
    uint8_t *codes;         /* cells, by row and then feature */
    uint32_t *order;        /* of rows */
    struct weight *weights; /* intercept, slopes by feature, bins by cell */
    double *slope_x;        /* by cell */
    struct work *work;      /* counts passes, and may end a fit; NULL: nobody watches */
};

/* The bins of all features, and each cell's effect on z. */
struct additive {
    struct arena arena;
    struct bins *bins;
    uint32_t *first_cell; /* by feature; [feature_count] is the number of cells */
    double *effects;      /* by cell */
    double intercept;
    uint32_t feature_count;
};

enum status workspace_init(struct workspace *workspace,
                           const struct table *table) MUST_USE; /* release also after a failure */
void workspace_release(struct workspace *workspace);

void additive_init(struct additive *additive);
void additive_release(struct additive *additive);
/* Cuts bins and fits on the rows listed: at least one, whose weights sum to more than 0. Reuses
 * `additive`. */
enum status additive_fit(struct additive *additive, const struct table *table, const uint32_t *rows,
                         size_t row_count, struct ridge ridge, uint64_t seed,
                         struct workspace *workspace) MUST_USE;
/* Writes cells of the rows listed into the workspace, for additive_score. */
void additive_encode(const struct additive *additive, const struct table *table,
                     const uint32_t *rows, size_t row_count, struct workspace *workspace);
double additive_score(const struct additive *additive, const struct workspace *workspace,
                      uint32_t row);

uint32_t logistic_passes(size_t row_count);

#endif
