/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/lifetimes.h"

#include <math.h>

#include "base/memory.h"
#include "base/time.h"
#include "engine/applier.h"
#include "engine/engine_internal.h"

/* ---- answers ---- */

static double expected_value(const struct dated_lifetime *fit, const struct expr_orders *orders,
                             double expected_orders) {
    uint32_t days = orders->valued_days;
    if (!fit->has_spend || orders->has_other_currency) return (double)NAN;
    return expected_orders *
           spend_expected(&fit->spend.spend, days, days > 0 ? orders->value / days : 0);
}

double lifetime_answer(const struct dated_lifetime *fit,
                       const struct expr_lifetime_question *question) {
    const struct expr_orders *orders = question->orders;
    const struct lifetime *lifetime = &fit->orders.lifetime;
    struct lifetime_history history = {orders->days - 1,
                                       (double)(orders->last_day - orders->first_day),
                                       (double)(orders->today - orders->first_day), 1};
    if (question->asks == LIFETIME_ALIVE) return lifetime_alive(lifetime, &history);
    double days = (double)question->ahead_ms / (double)TIME_DAY_MS;
    double expected = lifetime_expected(lifetime, &history, days);
    return question->asks == LIFETIME_EXPECTED_VALUE ? expected_value(fit, orders, expected)
                                                     : expected;
}

/* ---- training ---- */

struct new_lifetime {
    const struct lifetime_rule *rule;
    int64_t until_ms;
    struct lifetime_series *series; /* taken, also on failure; NULL then */
};

static enum status put_in_force(struct engine *engine, void *context, struct error *error) {
    struct new_lifetime *made = context;
    struct model_content content = {.lifetime = made->series};
    made->series = NULL;
    return models_put(engine, made->rule->name, made->until_ms, made->rule->meaning, &content,
                      error);
}

struct lifetime_entry engine_lifetime(const struct engine *engine, uint32_t rule) {
    return in_force_lifetime(engine->own, rule);
}

static void tell(struct engine *engine, struct text name, struct lifetime_entry *out) {
    struct in_force *now = in_force_hold(engine);
    const struct playbook *playbook = now->data.playbook;
    *out = (struct lifetime_entry){0};
    for (uint32_t i = 0; i < playbook->lifetime_count; i++) {
        if (text_equal(playbook->lifetimes[i].name, name)) *out = in_force_lifetime(now, i);
    }
    in_force_drop(now);
}

static enum status train(const struct in_force *in_force, uint32_t rule, int64_t until_ms,
                         struct work *work, struct lifetime_series *out,
                         struct lifetime_check *check, struct error *error) {
    struct lifetime_trainer_options options = {
        .until_ms = until_ms, .threads = in_force->engine->threads, .work = work};
    const struct lifetime_rule *lifetime = &in_force->data.playbook->lifetimes[rule];
    struct error why = {0};
    enum status status = lifetime_train(&in_force->data, rule, &options, out, &why);
    if (status == STATUS_INVALID)
        return error_set(error, status, "lifetime model %.*s can't be fitted: %s",
                         TEXT_ARG(lifetime->name), why.text);
    if (status == STATUS_OK && check != NULL)
        status = lifetime_check(&in_force->data, rule, &options, out, check, &why);
    if (status != STATUS_OK && error != NULL) *error = why;
    return status == STATUS_OK ? work_check(work, error) : status; /* the last chance */
}

enum status engine_train_lifetime(struct engine *engine, uint32_t rule, int64_t until_ms,
                                  struct work *work, struct lifetime_entry *out,
                                  struct lifetime_check *check, struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    struct lifetime_series *series = memory_calloc(1, sizeof *series);
    struct new_lifetime made = {
        .rule = &in_force->data.playbook->lifetimes[rule], .until_ms = until_ms, .series = series};
    enum status status = series != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK) status = train(in_force, rule, until_ms, work, series, check, error);
    if (status == STATUS_OK) status = applier_call(engine->applier, put_in_force, &made, error);
    memory_free(made.series); /* where the applier took nothing */
    if (status == STATUS_OK) tell(engine, made.rule->name, out);
    in_force_drop(in_force);
    return status;
}
