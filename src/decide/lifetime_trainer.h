/* SPDX-License-Identifier: Apache-2.0 */
/* decide/lifetime_trainer.h -- fits a lifetime model of the playbook to timelines, as known at one
 * date after the other.
 *
 * The dates lie `landmarks: every` apart, back from the last one, as far as enough customers had
 * ordered again. Each date is a walk over the customers as they were known at it, so corrections,
 * merges and late files count from when they were known. A customer's orders are read by the code
 * that answers the traits (profile_orders). */
#ifndef DECIDE_LIFETIME_TRAINER_H
#define DECIDE_LIFETIME_TRAINER_H

#include "base/time.h"
#include "base/work.h"
#include "learn/lifetime_series.h"
#include "profile/profile.h"

struct lifetime_trainer_options {
    int64_t until_ms;
    uint32_t threads;
    struct work *work; /* counts customers; may be NULL */
};
/* Fills the series. Where there is no fit at until_ms, it is STATUS_INVALID, with the cause. A date
 * whose orders have a fit and whose values have none says no value (has_spend). */
enum status lifetime_train(const struct customer_data *data, uint32_t rule,
                           const struct lifetime_trainer_options *options,
                           struct lifetime_series *out, struct error *error) MUST_USE;

/* How right an earlier fit of the series was about what followed it. */
struct lifetime_check {
    bool is_made; /* else there is no fit early enough */
    int64_t from_ms;
    uint64_t customers; /* with an order by then */
    double expected;    /* days with an order in (from, until], of all of them */
    double low, high;   /* 95 %: where what happens lies if the model is right */
    uint64_t happened;
};
/* Checks the newest fit that is at least LIFETIME_CHECK_MS before until_ms, by one more walk. The
 * same bits with any number of threads. */
#define LIFETIME_CHECK_MS (90 * TIME_DAY_MS)
enum status lifetime_check(const struct customer_data *data, uint32_t rule,
                           const struct lifetime_trainer_options *options,
                           const struct lifetime_series *series, struct lifetime_check *out,
                           struct error *error) MUST_USE;

#endif
