/* SPDX-License-Identifier: Apache-2.0 */
/* measure/base_rates.h -- how often a goal follows, and what it is worth, where no model says more.
 *
 * Of each goal: the share of active customers, at dates (six landmarks, landmarks.every apart, back
 * from the last one whose horizon and delay have passed), who reach it within its horizon; for a
 * goal that depends on a treatment, the share of past treatments that it followed. Of each action,
 * and of each of its channels: the share of its own past treatments that its goal followed. Only
 * what had matured by `at_ms` counts, and each message counts once (profile/told_once.h).
 *
 * decide/decide.h has the struct and says how the bases are laid out: decide is handed them as data
 * and never asks for them. Pure: the same (data, position, at_ms) gives the same bases to the bit,
 * whatever the number of threads, since amounts are added up as whole numbers. Any thread; readers
 * of the store are opened inside. */
#ifndef MEASURE_BASE_RATES_H
#define MEASURE_BASE_RATES_H

#include "base/work.h"
#include "decide/decide.h"

struct base_rates_options {
    int64_t at_ms;     /* as known then; goals mature against it */
    uint64_t position; /* of the log: POSITION_NOW, or the one that a version is pinned to */
    uint32_t threads;  /* 0 counts as 1 */
    struct work *work; /* may be NULL; counts customers */
};
/* Measures in one walk over everybody. `out` has room for goal_bases_count and is written only on
 * STATUS_OK. */
enum status base_rates_measure(const struct customer_data *data,
                               const struct base_rates_options *options, struct goal_base *out,
                               struct error *error) MUST_USE;

#endif
