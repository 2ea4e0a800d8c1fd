/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/lifetime_trainer.h"

#include <math.h>

#include "base/memory.h"
#include "playbook/playbook.h"
#include "profile/walk.h"

/* Histories that are alike are joined whenever so many have come since they were joined last, so
 * that memory follows the different histories and not the customers. */
#define GROUP_EVERY 65536

struct lifetime_part {
    uint32_t rule;
    int64_t t_ms;
    struct lifetime_history *histories;
    struct spend_history *spends;
    size_t count, capacity, grouped; /* grouped: of the histories, as they were joined last */
    size_t spend_count, spend_capacity;
    uint64_t other_currency;
};

static enum status add_history(struct lifetime_part *part, const struct expr_orders *orders) {
    if (part->count >= part->grouped * 2 + GROUP_EVERY)
        part->grouped = part->count = lifetime_group(part->histories, part->count);
    enum status status = memory_grow((void **)&part->histories, &part->capacity, part->count + 1,
                                     sizeof *part->histories);
    if (status != STATUS_OK) return status;
    part->histories[part->count++] =
        (struct lifetime_history){orders->days - 1, (double)(orders->last_day - orders->first_day),
                                  (double)(orders->today - orders->first_day), 1};
    return STATUS_OK;
}

static enum status add_spend(struct lifetime_part *part, const struct expr_orders *orders) {
    part->other_currency += orders->has_other_currency;
    if (orders->has_other_currency || orders->valued_days == 0) return STATUS_OK;
    enum status status = memory_grow((void **)&part->spends, &part->spend_capacity,
                                     part->spend_count + 1, sizeof *part->spends);
    if (status != STATUS_OK) return status;
    part->spends[part->spend_count++] =
        (struct spend_history){orders->valued_days, orders->value / orders->valued_days, 1};
    return STATUS_OK;
}

static enum status visit(void *state, struct walker *walker, const struct timeline *timeline,
                         struct error *error) {
    struct lifetime_part *part = state;
    struct expr_orders orders;
    (void)error;
    profile_orders(walker->profile, part->rule, timeline, part->t_ms, &orders);
    if (orders.days == 0) return STATUS_OK;
    enum status status = add_history(part, &orders);
    return status == STATUS_OK ? add_spend(part, &orders) : status;
}

/* Moves what the part has to the end of the first one's. */
static enum status join(struct lifetime_part *first, const struct lifetime_part *part) {
    enum status status = memory_grow((void **)&first->histories, &first->capacity,
                                     first->count + part->count + 1, sizeof *first->histories);
    if (status == STATUS_OK)
        status = memory_grow((void **)&first->spends, &first->spend_capacity,
                             first->spend_count + part->spend_count + 1, sizeof *first->spends);
    if (status != STATUS_OK) return status;
    if (part->count > 0)
        memcpy(first->histories + first->count, part->histories,
               part->count * sizeof *part->histories);
    if (part->spend_count > 0)
        memcpy(first->spends + first->spend_count, part->spends,
               part->spend_count * sizeof *part->spends);
    first->count += part->count;
    first->spend_count += part->spend_count;
    first->other_currency += part->other_currency;
    return STATUS_OK;
}

static enum status fit(const struct customer_data *data, uint32_t rule, struct lifetime_part *all,
                       struct dated_lifetime *out, struct error *error) {
    const struct playbook *playbook = data->playbook;
    size_t groups = lifetime_group(all->histories, all->count);
    *out = (struct dated_lifetime){.as_of_ms = all->t_ms, .other_currency = all->other_currency};
    enum status status = lifetime_fit(all->histories, groups, &out->orders, error);
    if (status != STATUS_OK || playbook->lifetimes[rule].value.length == 0) return status;
    if (expr_type(playbook->lifetimes[rule].program) == VALUE_MONEY)
        out->currency = playbook->currency;
    size_t spends = spend_group(all->spends, all->spend_count);
    out->has_spend = spend_fit(all->spends, spends, &out->spend, NULL) == STATUS_OK;
    return STATUS_OK;
}

static enum status train_at(const struct customer_data *data, uint32_t rule, int64_t t_ms,
                            const struct lifetime_trainer_options *options,
                            struct dated_lifetime *out, struct error *error) {
    struct lifetime_part parts[WALK_THREADS_MAX] = {0};
    void *states[WALK_THREADS_MAX];
    uint32_t threads = options->threads == 0 ? 1 : options->threads;
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    for (uint32_t i = 0; i < threads; i++) {
        parts[i].rule = rule;
        parts[i].t_ms = t_ms;
        states[i] = &parts[i];
    }
    struct walk_plan plan = {.data = data,
                             .as_of = {t_ms, POSITION_NOW},
                             .threads = threads,
                             .visit = visit,
                             .parts = states,
                             .work = options->work};
    enum status status = walk_customers(&plan, error);
    for (uint32_t i = 1; i < threads && status == STATUS_OK; i++) status = join(parts, &parts[i]);
    if (status == STATUS_OK) status = fit(data, rule, parts, out, error);
    for (uint32_t i = 0; i < threads; i++) {
        memory_free(parts[i].histories);
        memory_free(parts[i].spends);
    }
    return status;
}

static void turn_round(struct lifetime_series *series) {
    for (uint32_t i = 0; i < series->count / 2; i++) {
        struct dated_lifetime fit = series->fits[i];
        series->fits[i] = series->fits[series->count - 1 - i];
        series->fits[series->count - 1 - i] = fit;
    }
}

enum status lifetime_train(const struct customer_data *data, uint32_t rule,
                           const struct lifetime_trainer_options *options,
                           struct lifetime_series *out, struct error *error) {
    int64_t t_ms = options->until_ms, every_ms = data->playbook->landmarks.every_ms;
    *out = (struct lifetime_series){0};
    work_step(options->work, "customers read, as known at each date", 0);
    enum status status = STATUS_OK;
    while (out->count < LIFETIME_FITS_MAX && status == STATUS_OK) {
        status = train_at(data, rule, t_ms, options, &out->fits[out->count], error);
        if (status == STATUS_OK) out->count++;
        if (__builtin_sub_overflow(t_ms, every_ms, &t_ms)) break;
    }
    /* Before the first fit too few had ordered again. */
    if (status == STATUS_INVALID && out->count > 0) status = STATUS_OK;
    turn_round(out);
    return status;
}

/* ---- the check ---- */

/* Expectations are added up as whole numbers of this part of one, so that the sum does not depend
 * on the order. */
#define EXPECTED_PARTS 16777216.0
#define NORMAL_95      1.959963984540054

struct check_part {
    uint32_t rule;
    const struct dated_lifetime *fit;
    int64_t until_ms;
    uint64_t customers, happened;
    int64_t expected, squares; /* in parts */
};

static enum status check_one(void *state, struct walker *walker, const struct timeline *timeline,
                             struct error *error) {
    struct check_part *part = state;
    struct expr_orders then, now;
    (void)error;
    profile_orders(walker->profile, part->rule, timeline, part->fit->as_of_ms, &then);
    if (then.days == 0) return STATUS_OK;
    profile_orders(walker->profile, part->rule, timeline, part->until_ms, &now);
    struct lifetime_history history = {then.days - 1, (double)(then.last_day - then.first_day),
                                       (double)(then.today - then.first_day), 1};
    double expected =
        lifetime_expected(&part->fit->orders.lifetime, &history, (double)(now.today - then.today));
    uint32_t happened = now.days - then.days;
    part->customers++;
    part->happened += happened;
    part->expected += llrint(expected * EXPECTED_PARTS);
    part->squares += llrint((happened - expected) * (happened - expected) * EXPECTED_PARTS);
    return STATUS_OK;
}

static const struct dated_lifetime *fit_to_check(const struct lifetime_series *series,
                                                 int64_t until_ms) {
    for (uint32_t i = series->count; i-- > 0;) {
        if (series->fits[i].as_of_ms <= until_ms - LIFETIME_CHECK_MS) return &series->fits[i];
    }
    return NULL;
}

static void conclude(const struct check_part *parts, uint32_t threads, struct lifetime_check *out) {
    int64_t expected = 0, squares = 0;
    for (uint32_t i = 0; i < threads; i++) {
        out->customers += parts[i].customers;
        out->happened += parts[i].happened;
        expected += parts[i].expected;
        squares += parts[i].squares;
    }
    double half = NORMAL_95 * sqrt((double)squares / EXPECTED_PARTS);
    out->expected = (double)expected / EXPECTED_PARTS;
    out->low = fmax(0, out->expected - half);
    out->high = out->expected + half;
    out->is_made = true;
}

enum status lifetime_check(const struct customer_data *data, uint32_t rule,
                           const struct lifetime_trainer_options *options,
                           const struct lifetime_series *series, struct lifetime_check *out,
                           struct error *error) {
    struct check_part parts[WALK_THREADS_MAX] = {0};
    void *states[WALK_THREADS_MAX];
    uint32_t threads = options->threads == 0 ? 1 : options->threads;
    const struct dated_lifetime *fit = fit_to_check(series, options->until_ms);
    *out = (struct lifetime_check){.from_ms = fit != NULL ? fit->as_of_ms : 0};
    if (fit == NULL) return STATUS_OK;
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    for (uint32_t i = 0; i < threads; i++) {
        parts[i] = (struct check_part){.rule = rule, .fit = fit, .until_ms = options->until_ms};
        states[i] = &parts[i];
    }
    struct walk_plan plan = {.data = data,
                             .as_of = {options->until_ms, POSITION_NOW},
                             .threads = threads,
                             .visit = check_one,
                             .parts = states,
                             .work = options->work};
    work_step(options->work, "customers checked against what followed", 0);
    enum status status = walk_customers(&plan, error);
    if (status == STATUS_OK) conclude(parts, threads, out);
    return status;
}
