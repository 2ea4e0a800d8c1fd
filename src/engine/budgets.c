/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/budgets.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "base/log_line.h"
#include "base/memory.h"
#include "decide/allocate.h"
#include "engine/answer/answer.h"
#include "engine/engine_internal.h"

#define VERSIONS_MAX 64 /* in memory; beyond them the one made first goes */

/* What is used, of a playbook: counted, and decided since. */
struct ledger {
    uint64_t playbook;                                   /* hash; 0: nothing was counted */
    int64_t from_ms[BUDGETS_MAX], until_ms[BUDGETS_MAX]; /* the period that `used` is of */
    double amount[BUDGETS_MAX];
    bool is_minimum[BUDGETS_MAX];
    double used[BUDGETS_MAX];
    double since[BUDGETS_MAX]; /* what was decided since the count that is under way began */
    uint32_t count;
};

struct budgets {
    struct engine *engine;
    pthread_mutex_t lock;
    struct budget_version *versions; /* in the order in which they were made */
    uint32_t version_count;
    bool counting;
    pthread_cond_t counted;
    struct ledger ledger;
};

enum status budgets_create(struct budgets **out, struct engine *engine) {
    struct budgets *budgets = memory_calloc(1, sizeof *budgets);
    *out = budgets;
    if (budgets == NULL) return STATUS_NO_MEMORY;
    budgets->engine = engine;
    pthread_mutex_init(&budgets->lock, NULL);
    pthread_cond_init(&budgets->counted, NULL);
    return STATUS_OK;
}

void budgets_destroy(struct budgets *budgets) {
    if (budgets == NULL) return;
    pthread_cond_destroy(&budgets->counted);
    pthread_mutex_destroy(&budgets->lock);
    memory_free(budgets->versions);
    memory_free(budgets);
}

/* ---- versions ---- */

enum status budgets_note_version(struct budgets *budgets, const struct budget_version *version) {
    enum status status = STATUS_OK;
    pthread_mutex_lock(&budgets->lock);
    if (budgets->versions == NULL)
        budgets->versions = memory_calloc(VERSIONS_MAX, sizeof *budgets->versions);
    if (budgets->versions == NULL) {
        status = STATUS_NO_MEMORY;
    } else {
        if (budgets->version_count == VERSIONS_MAX) {
            budgets->version_count--;
            memmove(budgets->versions, budgets->versions + 1,
                    budgets->version_count * sizeof *budgets->versions);
        }
        budgets->versions[budgets->version_count++] = *version;
    }
    pthread_mutex_unlock(&budgets->lock);
    return status;
}

bool budgets_version_at(struct engine *engine, int64_t t_ms, struct budget_version *out) {
    struct budgets *budgets = engine->budgets;
    const struct budget_version *found = NULL;
    pthread_mutex_lock(&budgets->lock);
    for (uint32_t i = 0; i < budgets->version_count; i++) {
        const struct budget_version *version = &budgets->versions[i];
        if (version->at_ms <= t_ms && (found == NULL || version->at_ms >= found->at_ms))
            found = version;
    }
    if (found != NULL) *out = *found;
    pthread_mutex_unlock(&budgets->lock);
    return found != NULL;
}

static struct budget_start start_of(const struct budget_version *version,
                                    const struct budget_line *line) {
    return (struct budget_start){.at_ms = version->at_ms,
                                 .price = line->price,
                                 .used = line->used,
                                 .worth = line->spent > 0 ? version->value / line->spent : 0};
}

static bool stays(const struct engine_view *view) {
    return view->kind != ENGINE_VIEW_ONCE;
}

/* By the names of the playbook's budgets. Where decisions come one by one, what is used too early
 * gets dearer, and what is used too late cheaper. */
static void find_prices(struct engine_view *view, struct view_budgets *own) {
    const struct playbook *playbook = view->data->playbook;
    struct budget_version version;
    budget_prices_clear(&own->prices);
    if (!budgets_version_at(view->engine, view->t_ms, &version)) return;
    for (uint32_t k = 0; k < playbook->budget_count; k++) {
        const struct budget_rule *budget = &playbook->budgets[k];
        for (uint32_t i = 0; i < version.count; i++) {
            const struct budget_line *line = &version.lines[i];
            struct budget_start start = start_of(&version, line);
            if (!text_equal(budget->name, text_from(line->name))) continue;
            own->prices.price[k] =
                stays(view) ? budget_paced_price(playbook, budget, &start, own->used[k], view->t_ms)
                            : line->price;
        }
    }
}

/* ---- walks ---- */

/* A view apart from the one that asks, which may be in the middle of a walk itself. */
static enum status open_apart(struct engine_view *apart, const struct engine_view *view,
                              struct error *error) {
    enum engine_view_kind kind = view->kind == ENGINE_VIEW_DECIDING ? ENGINE_VIEW_LIVE : view->kind;
    enum status status = engine_view_open_as(apart, view->engine, kind, view->t_ms, error);
    apart->budgets.is_apart = true;
    apart->work = view->work;
    apart->ask = view->ask;
    if (status == STATUS_OK && view->reader != NULL && view->kind == ENGINE_VIEW_ONCE)
        engine_view_at_position(apart, engine_view_position(view));
    if (status == STATUS_OK && apart->in_force->playbook != view->in_force->playbook)
        status =
            error_set(error, STATUS_BUSY, "another playbook was put in force meanwhile: ask again");
    return status == STATUS_OK ? engine_view_prepare(apart, error) : status;
}

static enum status count_apart(struct engine_view *apart, double used[BUDGETS_MAX],
                               struct error *error) {
    enum status status = engine_view_walk(apart, error);
    work_step(apart->work, "customers counted for budgets", 0);
    while (status == STATUS_OK && (status = engine_view_next_read(apart, error)) == STATUS_OK) {
        status = decider_count_budgets(apart->decider, &apart->timeline, apart->t_ms, stays(apart),
                                       used);
        if (status != STATUS_OK) return error_set(error, status, "no memory to count budgets");
        work_add(apart->work, 1);
        status = work_check(apart->work, error);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status count_used(const struct engine_view *view, double used[BUDGETS_MAX],
                              struct error *error) {
    struct engine_view apart = {0};
    memset(used, 0, BUDGETS_MAX * sizeof *used);
    enum status status = open_apart(&apart, view, error);
    if (status == STATUS_OK) status = count_apart(&apart, used, error);
    engine_view_close(&apart);
    return status;
}

/* ---- the ledger ---- */

static void ledger_begin(struct ledger *ledger, const struct playbook *playbook, int64_t t_ms) {
    *ledger = (struct ledger){.playbook = playbook->hash, .count = playbook->budget_count};
    for (uint32_t k = 0; k < playbook->budget_count; k++) {
        const struct budget_rule *budget = &playbook->budgets[k];
        struct budget_span span = budget_span_at(playbook, budget, t_ms);
        ledger->from_ms[k] = span.from_ms;
        ledger->until_ms[k] = span.until_ms;
        ledger->amount[k] = budget->amount;
        ledger->is_minimum[k] = budget->kind == BUDGET_AT_LEAST;
    }
}

/* Another period has begun: nothing of it is used. */
static void ledger_roll(struct ledger *ledger, const struct playbook *playbook, int64_t t_ms) {
    for (uint32_t k = 0; k < ledger->count; k++) {
        if (t_ms < ledger->until_ms[k]) continue;
        struct budget_span span = budget_span_at(playbook, &playbook->budgets[k], t_ms);
        ledger->from_ms[k] = span.from_ms;
        ledger->until_ms[k] = span.until_ms;
        ledger->used[k] = ledger->since[k] = 0;
    }
}

/* Under the lock, which is given back for as long as the walk takes. Decisions that are recorded
 * meanwhile may be counted twice, which no budget minds, until the next count. */
static enum status ledger_count(struct budgets *budgets, const struct engine_view *view,
                                struct error *error) {
    const struct playbook *playbook = view->data->playbook;
    struct ledger *ledger = &budgets->ledger, next;
    budgets->counting = true;
    memset(ledger->since, 0, sizeof ledger->since);
    if (ledger->playbook != playbook->hash) ledger->playbook = 0;
    pthread_mutex_unlock(&budgets->lock);
    ledger_begin(&next, playbook, view->t_ms);
    enum status status = count_used(view, next.used, error);
    pthread_mutex_lock(&budgets->lock);
    budgets->counting = false;
    if (status == STATUS_OK) {
        bool same = ledger->playbook == playbook->hash;
        for (uint32_t k = 0; k < next.count && same; k++) next.used[k] += ledger->since[k];
        *ledger = next;
    }
    pthread_cond_broadcast(&budgets->counted);
    return status;
}

bool budgets_are_counted(const struct engine_view *view) {
    struct budgets *budgets = view->engine->budgets;
    if (view->data->playbook->budget_count == 0) return true;
    pthread_mutex_lock(&budgets->lock);
    bool counted = budgets->ledger.playbook == view->data->playbook->hash;
    pthread_mutex_unlock(&budgets->lock);
    return counted;
}

/* What is left by the ledger; it is counted first where it never was. */
static enum status read_ledger(struct engine_view *view, struct error *error) {
    struct budgets *budgets = view->engine->budgets;
    const struct playbook *playbook = view->data->playbook;
    struct ledger *ledger = &budgets->ledger;
    enum status status = STATUS_OK;
    pthread_mutex_lock(&budgets->lock);
    while (ledger->playbook != playbook->hash && budgets->counting)
        pthread_cond_wait(&budgets->counted, &budgets->lock);
    if (ledger->playbook != playbook->hash) status = ledger_count(budgets, view, error);
    if (status == STATUS_OK) {
        ledger_roll(ledger, playbook, view->t_ms);
        memcpy(view->budgets.used, ledger->used, sizeof ledger->used);
    }
    pthread_mutex_unlock(&budgets->lock);
    return status;
}

void budgets_takes_of(const struct engine_view *view, struct budget_takes *out) {
    *out = (struct budget_takes){0};
    if (view->data->playbook->budget_count == 0) return;
    out->playbook = view->data->playbook->hash;
    budgets_add_decision(view->decision, out->use);
}

bool budgets_take(struct engine *engine, const struct budget_takes *takes, bool forces) {
    struct budgets *budgets = engine->budgets;
    struct ledger *ledger = &budgets->ledger;
    bool fits = true;
    if (takes->playbook == 0) return true;
    pthread_mutex_lock(&budgets->lock);
    /* Without a count of this playbook nobody knows what is left. */
    if (ledger->playbook != takes->playbook) fits = false;
    for (uint32_t k = 0; k < ledger->count && fits; k++)
        fits = ledger->is_minimum[k] || !(takes->use[k] > 0) ||
               ledger->used[k] + takes->use[k] <= ledger->amount[k] * (1 + 1e-12);
    for (uint32_t k = 0; k < ledger->count && (fits || forces); k++) {
        ledger->used[k] += takes->use[k];
        ledger->since[k] += takes->use[k];
    }
    pthread_mutex_unlock(&budgets->lock);
    return fits;
}

void budgets_recount(struct engine *engine, int64_t t_ms, struct work *work) {
    struct budgets *budgets = engine->budgets;
    struct engine_view view = {0};
    struct error error = {0};
    pthread_mutex_lock(&budgets->lock);
    bool wanted = budgets->ledger.playbook != 0 && !budgets->counting;
    pthread_mutex_unlock(&budgets->lock);
    if (!wanted) return;
    enum status status = engine_view_open_as(&view, engine, ENGINE_VIEW_LIVE, t_ms, &error);
    view.work = work;
    pthread_mutex_lock(&budgets->lock);
    if (status == STATUS_OK && !budgets->counting &&
        view.data->playbook->hash == budgets->ledger.playbook)
        status = ledger_count(budgets, &view, &error);
    pthread_mutex_unlock(&budgets->lock);
    engine_view_close(&view);
    if (status != STATUS_OK && status != STATUS_CANCELLED)
        log_line(LOG_WARNING, "budgets can't be counted anew, the earlier count holds: %s",
                 error.text[0] != '\0' ? error.text : status_name(status));
}

/* ---- a view ---- */

enum status budgets_count(struct engine_view *view, struct error *error) {
    struct view_budgets *own = &view->budgets;
    if (view->data->playbook->budget_count == 0 || own->ready) return STATUS_OK;
    enum status status = count_used(view, own->used, error);
    if (status != STATUS_OK) return status;
    find_prices(view, own);
    own->ready = true;
    return STATUS_OK;
}

/* What was decided for the customer at this very t. */
static enum status own_use(struct engine_view *view, double own[BUDGETS_MAX]) {
    double before[BUDGETS_MAX] = {0};
    memset(own, 0, BUDGETS_MAX * sizeof *own);
    enum status status =
        decider_count_budgets(view->decider, &view->timeline, view->t_ms, true, own);
    if (status == STATUS_OK)
        status = decider_count_budgets(view->decider, &view->timeline, view->t_ms, false, before);
    for (uint32_t k = 0; k < BUDGETS_MAX; k++) own[k] -= before[k];
    return status;
}

static enum status decide_with(struct engine_view *view, const double *own, struct error *error) {
    struct view_budgets *budgets = &view->budgets;
    const struct playbook *playbook = view->data->playbook;
    for (uint32_t k = 0; k < playbook->budget_count; k++)
        budgets->prices.left[k] = playbook->budgets[k].amount - budgets->used[k] + own[k];
    decider_use_prices(view->decider, &budgets->prices);
    return decide_customer(view->decider, &view->timeline, view->t_ms, view->decision, error);
}

/* A command's. */
static enum status decide_once(struct engine_view *view, struct error *error) {
    static const double nothing[BUDGETS_MAX];
    double own[BUDGETS_MAX];
    enum status status = budgets_count(view, error);
    if (status != STATUS_OK) return status;
    if (!timeline_has_decisions_at(&view->timeline, view->t_ms)) {
        status = decide_with(view, nothing, error);
    } else {
        status = own_use(view, own);
        if (status == STATUS_OK) status = decide_with(view, own, error);
        if (status == STATUS_OK && decision_is_repeat(view->decision)) return STATUS_OK;
        if (status == STATUS_OK) status = decide_with(view, nothing, error);
    }
    if (status == STATUS_OK) budgets_add_decision(view->decision, view->budgets.used);
    return status;
}

enum status budgets_decide(struct engine_view *view, struct error *error) {
    static const double nothing[BUDGETS_MAX];
    bool plain = view->data->playbook->budget_count == 0 || view->budgets.is_apart || view->is_past;
    if (plain)
        return decide_customer(view->decider, &view->timeline, view->t_ms, view->decision, error);
    if (!stays(view)) return decide_once(view, error);
    enum status status = read_ledger(view, error);
    if (status != STATUS_OK) return status;
    find_prices(view, &view->budgets);
    return decide_with(view, nothing, error);
}

/* ---- allocating ---- */

/* What is allocated is what was left before this very t, so that the same command finds the same
 * prices again; what is spent counts what was decided at t, too. */
static enum status gather(struct engine_view *apart, struct budget_offers *offers,
                          double used[BUDGETS_MAX], double spent[BUDGETS_MAX], uint64_t *customers,
                          struct error *error) {
    enum status status = engine_view_walk(apart, error);
    decider_gather(apart->decider);
    work_step(apart->work, "customers looked at for budgets", 0);
    while (status == STATUS_OK && (status = engine_view_next(apart, error)) == STATUS_OK) {
        const struct timeline *timeline = &apart->timeline;
        status = budget_offers_add(offers, apart->decision, error);
        if (status == STATUS_OK)
            status = decider_count_budgets(apart->decider, timeline, apart->t_ms, false, used);
        if (status == STATUS_OK)
            status = decider_count_budgets(apart->decider, timeline, apart->t_ms, true, spent);
        ++*customers;
        work_add(apart->work, 1);
        if (status == STATUS_OK) status = work_check(apart->work, error);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static void fill(const struct playbook *playbook, const struct allocation *found,
                 const double *used, struct budget_version *out) {
    out->value = found->value;
    out->bound = found->bound;
    out->gap = found->gap;
    out->served = found->served;
    out->count = playbook->budget_count;
    for (uint32_t k = 0; k < playbook->budget_count; k++) {
        const struct budget_rule *budget = &playbook->budgets[k];
        struct budget_line *line = &out->lines[k];
        snprintf(line->name, sizeof line->name, "%.*s", TEXT_ARG(budget->name));
        line->price = found->price[k];
        line->amount = budget->amount;
        line->used = used[k];
        line->spent = found->spent[k];
        line->short_by = found->short_by[k];
    }
}

static enum status put_in_force(struct engine *engine, void *context, struct error *error) {
    const struct budget_version *version = context;
    struct buffer record;
    buffer_init(&record);
    enum status status = control_budgets(&record, version);
    if (status == STATUS_OK) status = control_append(engine, NULL, buffer_text(&record), error);
    if (status == STATUS_OK) status = budgets_note_version(engine->budgets, version);
    buffer_release(&record);
    return status;
}

enum status budgets_allocate(struct engine_view *view, struct work *work,
                             struct budget_version *out, struct error *error) {
    const struct playbook *playbook = view->data->playbook;
    struct view_budgets *own = &view->budgets;
    struct engine_view apart = {0};
    struct budget_offers *offers = NULL;
    struct allocation found = {0};
    double used[BUDGETS_MAX] = {0};
    *out = (struct budget_version){.at_ms = view->t_ms};
    memset(own->used, 0, sizeof own->used);
    struct work *before = view->work;
    view->work = work;
    enum status status = open_apart(&apart, view, error);
    view->work = before;
    if (status == STATUS_OK) status = budget_offers_create(&offers, apart.decider);
    if (status == STATUS_OK)
        status = gather(&apart, offers, used, own->used, &out->customers, error);
    if (status == STATUS_OK) status = budget_offers_allocate(offers, used, work, &found, error);
    if (status == STATUS_OK) fill(playbook, &found, used, out);
    budget_prices_clear(&own->prices);
    for (uint32_t k = 0; k < out->count; k++) own->prices.price[k] = out->lines[k].price;
    own->ready = status == STATUS_OK;
    allocation_release(&found);
    budget_offers_destroy(offers);
    engine_view_close(&apart);
    return status;
}

enum status budgets_keep(struct engine *engine, struct budget_version *version,
                         struct error *error) {
    return applier_call(engine->applier, put_in_force, version, error);
}
