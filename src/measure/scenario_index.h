/* SPDX-License-Identifier: Apache-2.0 */
/* measure/scenario_index.h -- how much likelier a goal is in a scenario than among comparable
 * others.
 *
 * At landmark dates (every landmarks.every, counted back from the last date whose horizons have all
 * matured), each customer who was active within landmarks.active_within (an event of its own doing,
 * or with visits_only one that belongs to a visit) is one row: in the scenario or not, goal yes or
 * no within its horizon. A customer whose goal already happened earlier still counts at later
 * landmarks, but what came before a landmark never counts as its outcome, and what was not yet
 * known at it never puts anybody in the scenario.
 *
 *   index = (yes inside / rows inside) / (yes among others / rows of others)
 *
 * where "others" are the rows of the same landmark dates not in the scenario, weighted so that each
 * landmark has the weight that it has inside (direct standardisation). The intervals are by
 * customer (rows of a customer are one cluster): delta method on log index with cluster-robust
 * variance (measure/figure.h: figure_clustered_ratio), where the clusters are the customers of the
 * smaller group. Where a group has fewer than 5 goals at dates at which there is another to compare
 * with, or 2 customers, the index is unknown. The index is no cause. */
#ifndef MEASURE_SCENARIO_INDEX_H
#define MEASURE_SCENARIO_INDEX_H

#include "measure/figure.h"
#include "profile/outcome.h"

struct scenario_result {
    uint32_t scenario, goal;                      /* indices in the playbook */
    uint64_t customers_inside, customers_outside; /* with at least one row */
    uint64_t rows_inside, rows_outside, yes_inside, yes_outside;
    uint64_t rows_limited; /* left out: a named limit made the condition unknown */
    /* Shares of the rows that reach the goal; the others' is standardised. Their intervals are by
     * customer too, on the logit scale. */
    struct figure rate_inside, rate_outside;
    struct figure index; /* value and bounds NAN where unknown */
    uint32_t landmark_count;
    int64_t first_landmark_ms, last_landmark_ms;
};

struct scenario_options {
    int64_t now_ms; /* as known at; goals mature against it */
    /* First landmark not before; 0: the earliest event + active_within. */
    int64_t from_ms;
    uint32_t threads;
    struct work *work; /* may be NULL; counts customers */
};

/* One result for each scenario × goal, in playbook order; *results from memory_alloc. */
enum status scenario_measure(const struct customer_data *data,
                             const struct scenario_options *options,
                             struct scenario_result **results, size_t *count,
                             struct error *error) MUST_USE;

#endif
