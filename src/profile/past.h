/* SPDX-License-Identifier: Apache-2.0 */
/* profile/past.h -- tells who this customer was, as known at t.
 *
 * A timeline of today joins what today's links join. A cookie that was linked to its owner on
 * Friday was nobody's on Monday, so a training row or a landmark of Monday must see two customers.
 * Where a timeline has one persona, the timeline itself is the answer at no cost (rows are judged
 * by their own known time). Otherwise those earlier customers are read as they were. Timelines need
 * TIMELINE_PERSONA, which `all_times` asks for. One thread at a time. */
#ifndef PROFILE_PAST_H
#define PROFILE_PAST_H

#include "profile/profile.h"

/* One customer of today may have been as many as that earlier. Beyond it the first ones are taken,
 * and past.cut says so. */
#define PAST_CUSTOMERS_MAX 64

struct past {
    const struct customer_data *data;
    struct timeline_reader *reader; /* opened when first needed */
    struct timeline_request request;
    bool cut; /* the last past_customers left some out */
    struct timeline timeline;
    const struct timeline *today; /* of past_begin; NULL before */
    bool today_has_one;           /* persona */
};

void past_init(struct past *past, const struct customer_data *data);
void past_release(struct past *past);
/* `request`: the one that `today` was read with. */
void past_use(struct past *past, const struct timeline_request *request);

/* Begins with a timeline: all questions until the next call that pass the same struct are about it.
 * Its personas are looked through once, and not for each row. */
void past_begin(struct past *past, const struct timeline *today);

/* The customers that today's personas belonged to as of t, each once, ascending. One entry, today's
 * own, where there is one persona. */
uint32_t past_customers(struct past *past, const struct timeline *today, int64_t t_ms,
                        struct customer_id out[PAST_CUSTOMERS_MAX]);
/* Returns the customer that this row's persona belonged to then. */
struct customer_id past_customer_of_row(const struct past *past, const struct timeline *today,
                                        uint32_t row, int64_t t_ms);
/* Gives the timeline of one of them as of t: `today` itself where it has one persona. Borrowed
 * until the next call. */
enum status past_timeline(struct past *past, const struct timeline *today,
                          struct customer_id customer, int64_t t_ms, const struct timeline **out,
                          struct error *error) MUST_USE;

#endif
