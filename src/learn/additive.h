/* SPDX-License-Identifier: Apache-2.0 */
/* learn/additive.h -- one fit: each feature's effect by cell, and those of pairs of features.
 *
 *   z = w0 + sum over features f of effect_f[cell] + sum over pairs of effect[left, right part]
 *
 * Where pairs are asked for, they are searched first on what a weakly ridged fit of the features
 * leaves (learn/pairs.h), and then all effects are fitted together (learn/logistic.h). */
#ifndef LEARN_ADDITIVE_H
#define LEARN_ADDITIVE_H

#include "learn/logistic.h"
#include "learn/pairs.h"

struct ridge {
    double slope, bin;
    double pair; /* of the cells of pairs; 0: no pairs */
};
#define RIDGE_SPLIT 2.0 /* of the bins of a split feature, whatever the other ridges */

/* The bins of all features, and the cells of all rows. */
struct binning {
    const struct table *table;
    struct arena arena;
    struct bins *bins;    /* by feature */
    uint32_t *first_cell; /* by feature; [column_count] is the number of cells */
    double *slope_x;      /* by cell */
    uint8_t *codes;       /* by row of the table and then feature */
    struct bins_scratch scratch;
};
enum status binning_init(struct binning *binning,
                         const struct table *table) MUST_USE; /* release also after a failure */
void binning_release(struct binning *binning);
/* Cuts bins by the rows listed, and codes all rows of the table. What was fitted on other bins
 * must be cleared. */
enum status binning_cut(struct binning *binning, const uint32_t *rows, size_t row_count) MUST_USE;

struct additive {
    struct arena arena;
    const struct binning *binning; /* NULL: nothing is fitted */
    double intercept;
    double *effects; /* by cell */
    struct pairs pairs;
    uint32_t pair_count; /* those in use: all of pairs, or 0 where none were asked for */
    bool searched;       /* pairs are those of the rows that it was fitted on */
    uint32_t passes;     /* over the rows, in all fits since it was cleared */
    double *weights;     /* where the next fit starts: as in learn/logistic.h, without pairs */
    double *weak;        /* the same of the weakly ridged fit that pairs are searched on */
    double *pair_starts[LEARN_PAIRS_MAX];
};
void additive_init(struct additive *additive);
void additive_release(struct additive *additive);
void additive_clear(struct additive *additive);
/* Fits on the rows listed: at least one, whose weights sum to more than 0. After another fit on the
 * same rows and bins it starts from that one's result, and has its pairs. `near`: a fit on the same
 * bins to start from; may be NULL. tolerance: as in learn/logistic.h. */
enum status additive_fit(struct additive *additive, const struct binning *binning,
                         const uint32_t *rows, size_t row_count, struct ridge ridge,
                         double tolerance, const struct additive *near, struct work *work) MUST_USE;
double additive_score(const struct additive *additive, uint32_t row);

#endif
