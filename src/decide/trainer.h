/* SPDX-License-Identifier: Apache-2.0 */
/* decide/trainer.h -- the point-in-time training set of a model rule: one row a past treatment
 * whose goal has matured.
 *
 * A row's features are the traits and action attributes as of the millisecond before the treatment
 * was delivered, through the same profiler that a live decision uses, so that nothing after it, and
 * nothing not yet known at it, can be seen. The treatment is the one that went out, as described
 * then (decide/named_treatment.h), for its attributes and for its goal. */
#ifndef DECIDE_TRAINER_H
#define DECIDE_TRAINER_H

#include "learn/learn.h"
#include "profile/outcome.h"

struct trainer_options {
    int64_t from_ms, until_ms; /* treatments delivered in [from, until) */
    /* And whose goal had matured by then, judged by what was known then. */
    int64_t matured_by_ms;
    uint32_t threads;
};
struct trainer_row_id {
    struct customer_id customer;
    const struct treatment *treatment;
    int64_t t_ms;
};
/* ids (from memory_alloc, one a row, may be NULL) tell which row is whose. Rows are in order of
 * (time, customer, treatment). */
enum status trainer_collect(const struct world *world, const struct model_rule *rule,
                            const struct trainer_options *options, struct training_set **out,
                            struct trainer_row_id **ids, struct error *error) MUST_USE;
/* The feature vector of a live moment, after profile_at and profile_with: rule's features in their
 * order. */
void trainer_features(const struct world *world, const struct model_rule *rule,
                      const struct value *traits, const struct treatment *treatment,
                      struct value *out);

#endif
