/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rates.h"

#include <errno.h>
#include <time.h>

#include "base/hash.h"
#include "base/log_line.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/budgets.h"
#include "engine/engine_internal.h"
#include "measure/base_rates.h"

#define REST_TIMES   9 /* as long as the last walk took */
#define GROWTH_SHARE 8 /* the log has grown by this part of what it was */

struct rates {
    struct engine *engine;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool busy; /* somebody who waits for rates has a walk under way */
    bool stopping, has_thread;
    pthread_t thread;
    bool is_asked; /* of the background: a version as known at asked_ms */
    int64_t asked_ms;
    double rest_until; /* of the monotonic clock */
    uint32_t made;
    /* The engine's own decisions at the end of the log: [own_from, own_to), none of before. */
    uint64_t own_from, own_to;
    int64_t own_earliest_ms;
    struct work work, background; /* cancelled at the end; the background's has one thread */
};

/* ---- versions and lists ---- */

void rates_version_drop(struct rates_version *version) {
    if (version != NULL && shared_drop(&version->shared)) memory_free(version);
}

void rates_list_drop(struct rates_list *list) {
    if (list == NULL || !shared_drop(&list->shared)) return;
    for (uint32_t i = 0; i < list->count; i++) rates_version_drop(list->versions[i]);
    memory_free(list);
}

struct rates_version *rates_list_at(const struct rates_list *list, int64_t t_ms) {
    for (uint32_t i = list != NULL ? list->count : 0; i-- > 0;) {
        if (list->versions[i]->at_ms <= t_ms) return list->versions[i];
    }
    return NULL;
}

static uint32_t oldest_made(const struct rates_list *list) {
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < list->count; i++) {
        if (list->made[i] < list->made[oldest]) oldest = i;
    }
    return oldest;
}

static void take_out(struct rates_list *list, uint32_t i) {
    rates_version_drop(list->versions[i]);
    list->count--;
    for (; i < list->count; i++) {
        list->versions[i] = list->versions[i + 1];
        list->made[i] = list->made[i + 1];
    }
}

/* A list with this version in its place; NULL without memory. */
static struct rates_list *list_with(const struct rates_list *before, struct rates_version *version,
                                    uint32_t made) {
    struct rates_list *list = memory_calloc(1, sizeof *list);
    if (list == NULL) return NULL;
    if (before != NULL) {
        list->count = before->count;
        memcpy(list->versions, before->versions, sizeof list->versions);
        memcpy(list->made, before->made, sizeof list->made);
    }
    shared_init(&list->shared);
    for (uint32_t i = 0; i < list->count; i++) shared_hold(&list->versions[i]->shared);
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->versions[i]->at_ms == version->at_ms) take_out(list, i);
    }
    if (list->count == RATES_VERSIONS_MAX) take_out(list, oldest_made(list));
    uint32_t at = list->count++;
    for (; at > 0 && list->versions[at - 1]->at_ms > version->at_ms; at--) {
        list->versions[at] = list->versions[at - 1];
        list->made[at] = list->made[at - 1];
    }
    list->versions[at] = version;
    list->made[at] = made;
    shared_hold(&version->shared);
    return list;
}

/* ---- measuring ---- */

static int64_t hour_of(int64_t t_ms) {
    int64_t into = t_ms % RATES_EVERY_MS;
    return t_ms - (into < 0 ? into + RATES_EVERY_MS : into);
}

static uint64_t id_of(const struct in_force *in_force, const struct rates_version *version) {
    uint64_t hash = hash_text(text_from(in_force->playbook_hash), (uint64_t)version->at_ms);
    hash = hash_bytes(version->bases, version->count * sizeof *version->bases,
                      hash_u64(hash + version->position));
    return hash != 0 ? hash : 1;
}

static enum status measure_below(struct rates *rates, const struct in_force *in_force,
                                 int64_t at_ms, uint64_t position, struct work *work,
                                 struct rates_version **out, struct error *error) {
    const struct playbook *playbook = in_force->data.playbook;
    uint32_t count = goal_bases_count(playbook);
    struct rates_version *version =
        memory_calloc(1, sizeof *version + (count + 1) * sizeof *version->bases);
    *out = NULL;
    if (version == NULL) return STATUS_NO_MEMORY;
    shared_init(&version->shared);
    version->at_ms = at_ms;
    version->count = count;
    version->position = position;
    struct base_rates_options options = {.at_ms = at_ms,
                                         .position = version->position,
                                         .threads = rates->engine->threads,
                                         .work = work};
    enum status status = base_rates_measure(&in_force->data, &options, version->bases, error);
    if (status != STATUS_OK) {
        rates_version_drop(version);
        return status;
    }
    version->id = id_of(in_force, version);
    *out = version;
    return STATUS_OK;
}

static enum status measure(struct rates *rates, const struct in_force *in_force, int64_t at_ms,
                           struct work *work, struct rates_version **out, struct error *error) {
    return measure_below(rates, in_force, at_ms, store_durable_position(rates->engine->store), work,
                         out, error);
}

enum status rates_again(struct in_force *in_force, int64_t at_ms, uint64_t position,
                        struct rates_version **out, struct error *error) {
    return measure_below(in_force->engine->rates, in_force, at_ms, position, NULL, out, error);
}

/* Under the lock. What was measured is listed, unless another playbook has come meanwhile, or
 * somebody else has measured the same hour of more. */
static void list_version(struct rates *rates, const struct in_force *in_force,
                         struct rates_version *version) {
    struct in_force *now = in_force_hold(rates->engine);
    const struct rates_version *listed = rates_list_at(now->rates, version->at_ms);
    bool is_less = listed != NULL && now->playbook == in_force->playbook &&
                   listed->at_ms == version->at_ms && listed->position > version->position;
    struct rates_list *list = is_less ? NULL : list_with(now->rates, version, ++rates->made);
    if (list != NULL) in_force_add_rates(rates->engine, in_force->playbook, list);
    rates_list_drop(list);
    in_force_drop(now);
}

/* Under the lock, which is given back for as long as the walk takes. */
static enum status make(struct rates *rates, struct in_force *in_force, int64_t at_ms,
                        struct work *work, struct rates_version **out, struct error *error) {
    pthread_mutex_unlock(&rates->lock);
    double begin = clock_monotonic_seconds();
    enum status status = measure(rates, in_force, at_ms, work, out, error);
    double end = clock_monotonic_seconds();
    pthread_mutex_lock(&rates->lock);
    rates->rest_until = end + REST_TIMES * (end - begin);
    if (status == STATUS_OK) list_version(rates, in_force, *out);
    return status;
}

/* The same, for somebody who waits for it. */
static enum status make_for(struct rates *rates, struct in_force *in_force, int64_t at_ms,
                            struct work *work, struct rates_version **out, struct error *error) {
    rates->busy = true;
    enum status status = make(rates, in_force, at_ms, work, out, error);
    rates->busy = false;
    pthread_cond_broadcast(&rates->changed);
    return status;
}

/* ---- in the background ---- */

static void wait_until(struct rates *rates, double monotonic) {
    struct timespec until = {.tv_sec = (time_t)monotonic};
    until.tv_nsec = (long)((monotonic - (double)until.tv_sec) * 1e9);
    (void)pthread_cond_timedwait(&rates->changed, &rates->lock, &until);
}

static void make_in_background(struct rates *rates) {
    struct in_force *in_force = in_force_hold(rates->engine);
    struct rates_version *version = NULL;
    struct error error = {0};
    rates->is_asked = false;
    enum status status =
        in_force->data.playbook != NULL
            ? make(rates, in_force, rates->asked_ms, &rates->background, &version, &error)
            : STATUS_OK;
    if (status != STATUS_OK && status != STATUS_CANCELLED)
        log_line(LOG_WARNING, "base rates can't be measured, the earlier ones are taken: %s",
                 error.text[0] != '\0' ? error.text : status_name(status));
    rates_version_drop(version);
    in_force_drop(in_force);
    pthread_mutex_unlock(&rates->lock);
    budgets_recount(rates->engine, engine_now_ms(rates->engine), &rates->background);
    pthread_mutex_lock(&rates->lock);
}

static void *background(void *context) {
    struct rates *rates = context;
    thread_be_idle();
    pthread_mutex_lock(&rates->lock);
    while (!rates->stopping) {
        if (!rates->is_asked || rates->busy)
            pthread_cond_wait(&rates->changed, &rates->lock);
        else if (clock_monotonic_seconds() < rates->rest_until)
            wait_until(rates, rates->rest_until);
        else
            make_in_background(rates);
    }
    pthread_mutex_unlock(&rates->lock);
    return NULL;
}

static void ask_background(struct rates *rates, int64_t at_ms) {
    if (rates->is_asked && rates->asked_ms >= at_ms) return;
    rates->is_asked = true;
    rates->asked_ms = at_ms;
    /* Without a thread it is asked for again, and made by the first who has to wait for one. */
    if (!rates->has_thread)
        rates->has_thread = pthread_create(&rates->thread, NULL, background, rates) == 0;
    pthread_cond_broadcast(&rates->changed);
}

/* ---- asking ---- */

/* Is it of all that is in the log now, the engine's own decisions of its time and later apart? */
static bool is_fresh(const struct rates *rates, const struct rates_version *version) {
    uint64_t position = store_durable_position(rates->engine->store);
    return version->position == position ||
           (rates->own_to == position && version->position >= rates->own_from &&
            version->at_ms <= rates->own_earliest_ms);
}

bool rates_are_due(const struct rates_version *version, uint64_t position) {
    return position > version->position &&
           position - version->position > version->position / GROWTH_SHARE;
}

static bool has_grown(const struct rates *rates, const struct rates_version *version) {
    return rates_are_due(version, store_durable_position(rates->engine->store));
}

static bool has_doubled(const struct rates *rates, const struct rates_version *version) {
    return store_durable_position(rates->engine->store) / 2 > version->position;
}

/* Under the lock: what is listed and will do; NULL: nothing. */
static struct rates_version *find(struct rates *rates, struct in_force *in_force, int64_t t_ms,
                                  enum rates_wanted wanted) {
    struct in_force *now = in_force_hold(rates->engine);
    const struct in_force *from = now->playbook == in_force->playbook ? now : in_force;
    struct rates_version *version = rates_list_at(from->rates, t_ms);
    if (version != NULL && wanted == RATES_FRESH &&
        (version->at_ms != hour_of(t_ms) || !is_fresh(rates, version)))
        version = NULL;
    if (version != NULL && wanted == RATES_LATEST && has_doubled(rates, version)) version = NULL;
    if (version != NULL) shared_hold(&version->shared);
    if (version != NULL && (version->at_ms < hour_of(t_ms) || has_grown(rates, version)) &&
        from == now)
        ask_background(rates, hour_of(t_ms));
    in_force_drop(now);
    return version;
}

enum status rates_for(struct in_force *in_force, int64_t t_ms, enum rates_wanted wanted,
                      struct work *work, struct rates_version **out, int64_t *next_ms,
                      struct error *error) {
    struct rates *rates = in_force->engine->rates;
    enum status status = STATUS_OK;
    *next_ms = hour_of(t_ms) + RATES_EVERY_MS;
    pthread_mutex_lock(&rates->lock);
    while ((*out = find(rates, in_force, t_ms, wanted)) == NULL && rates->busy)
        pthread_cond_wait(&rates->changed, &rates->lock);
    if (*out == NULL)
        status = make_for(rates, in_force, hour_of(t_ms), work != NULL ? work : &rates->work, out,
                          error);
    pthread_mutex_unlock(&rates->lock);
    return status;
}

/* Of the version that was made last. */
static bool last_hour(const struct rates_list *list, int64_t *at_ms) {
    uint32_t last = 0;
    for (uint32_t i = 1; list != NULL && i < list->count; i++) {
        if (list->made[i] > list->made[last]) last = i;
    }
    if (list == NULL || list->count == 0) return false;
    *at_ms = list->versions[last]->at_ms;
    return true;
}

void rates_prepare(struct in_force *next, struct rates_version **out) {
    struct rates *rates = next->engine->rates;
    struct in_force *now = in_force_hold(next->engine);
    struct error ignored = {0};
    int64_t at_ms;
    *out = NULL;
    if (last_hour(now->rates, &at_ms) &&
        measure(rates, next, at_ms, &rates->work, out, &ignored) != STATUS_OK)
        *out = NULL;
    in_force_drop(now);
}

void rates_list_in(struct in_force *next, struct rates_version *version) {
    if (version != NULL) next->rates = list_with(NULL, version, 0);
}

void rates_note_decisions(struct engine *engine, uint64_t from, uint64_t to, int64_t earliest_ms) {
    struct rates *rates = engine->rates;
    pthread_mutex_lock(&rates->lock);
    if (rates->own_to != from) {
        rates->own_from = from;
        rates->own_earliest_ms = INT64_MAX;
    }
    rates->own_to = to;
    if (earliest_ms < rates->own_earliest_ms) rates->own_earliest_ms = earliest_ms;
    pthread_mutex_unlock(&rates->lock);
}

/* ---- the engine's ---- */

enum status rates_create(struct rates **out, struct engine *engine) {
    struct rates *rates = memory_calloc(1, sizeof *rates);
    pthread_condattr_t clock;
    *out = rates;
    if (rates == NULL) return STATUS_NO_MEMORY;
    rates->engine = engine;
    rates->own_earliest_ms = INT64_MAX;
    rates->background.threads = 1;
    pthread_mutex_init(&rates->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&rates->changed, &clock);
    pthread_condattr_destroy(&clock);
    return STATUS_OK;
}

void rates_destroy(struct rates *rates) {
    if (rates == NULL) return;
    work_cancel(&rates->work);
    work_cancel(&rates->background);
    pthread_mutex_lock(&rates->lock);
    rates->stopping = true;
    pthread_cond_broadcast(&rates->changed);
    pthread_mutex_unlock(&rates->lock);
    if (rates->has_thread) pthread_join(rates->thread, NULL);
    pthread_cond_destroy(&rates->changed);
    pthread_mutex_destroy(&rates->lock);
    memory_free(rates);
}
