/* SPDX-License-Identifier: Apache-2.0 */
/* learn/table.h -- a training set with every value replaced by its rank among the distinct values
 * of its feature.
 *
 * A model is fitted dozens of times on parts of one set (folds, splits, settings). Ranks make each
 * of these fits linear: bins are cut by counting ranks, and a row is binned by one look-up. Borrows
 * the set; one thread. */
#ifndef LEARN_TABLE_H
#define LEARN_TABLE_H

#include "learn/training_set.h"

#define RANK_MISSING UINT32_MAX
#define RANK_OTHER   (UINT32_MAX - 1)

struct table_column {
    enum feature_kind kind;
    bool is_split;
    uint32_t distinct;  /* texts: those of enough groups */
    double *numbers;    /* ascending */
    struct text *texts; /* ascending; borrowed from the set */
    uint32_t *ranks;    /* by row */
};
struct table {
    const struct training_set *set;
    const struct row_facts *rows;
    uint32_t *by_group; /* all rows, those of a group together, in order within it */
    struct table_column *columns;
    size_t row_count;
    uint32_t column_count;
    uint32_t distinct_max; /* over all columns */
};

enum status table_init(struct table *table,
                       const struct training_set *set) MUST_USE; /* release also after a failure */
void table_release(struct table *table);

#endif
