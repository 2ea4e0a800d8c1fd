/* SPDX-License-Identifier: Apache-2.0 */
/* learn/training_set.h -- the rows as they came: one column for each feature, numbers as doubles,
 * texts as ids. */
#ifndef LEARN_TRAINING_SET_H
#define LEARN_TRAINING_SET_H

#include "base/arena.h"
#include "base/hash.h"
#include "learn/learn.h"

#define TEXT_ID_MISSING UINT32_MAX
#define TEXT_ID_OTHER   (UINT32_MAX - 1)
#define TEXT_IDS_MAX                                                                               \
    1000000u /* so many distinct values of one feature are told apart; the rest is "other" */

struct row_facts {
    int64_t time_ms, horizon_ms;
    double weight;
    uint32_t group;
    bool yes;
};
struct set_column {
    double *numbers; /* NaN: missing */
    size_t number_capacity;
    uint32_t *ids;
    size_t id_capacity;
    struct interner *dictionary; /* text features */
};
struct training_set {
    struct arena arena;
    struct feature *features;
    struct set_column *columns;
    struct row_facts *rows;
    size_t row_capacity, count;
    uint32_t feature_count;
};

/* Returns a value as a number: money in major units, durations and times in days, yes 1 and no 0.
 * NaN for anything else. */
double value_as_number(struct value value);

#endif
