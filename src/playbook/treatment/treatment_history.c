/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/treatment/treatment_history.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

struct era {
    int64_t from_ms;
    _Atomic(struct treatment_set *) set; /* NULL until asked for */
};

struct treatment_history {
    const struct playbook *playbook;
    struct lookup_versions lookups;
    pthread_mutex_t lock; /* of making sets */
    struct era *eras;     /* ascending; the first begins before everything */
    size_t count;
};

static bool action_reads(const struct action *action, uint32_t lookup) {
    if (action->for_each == lookup) return true;
    for (uint32_t i = 0; i < action->attribute_count; i++) {
        if (action->attributes[i].lookup == lookup) return true;
    }
    return false;
}

bool treatments_read_lookup(const struct playbook *playbook, uint32_t lookup) {
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        if (action_reads(&playbook->actions[i], lookup)) return true;
    }
    return false;
}

static int compare_times(const void *left, const void *right) {
    int64_t a = ((const struct era *)left)->from_ms, b = ((const struct era *)right)->from_ms;
    return (a > b) - (a < b);
}

static void make_eras(struct treatment_history *history, const int64_t *changes_ms,
                      size_t change_count) {
    history->eras[0].from_ms = TIME_ALWAYS;
    for (size_t i = 0; i < change_count; i++) history->eras[i + 1].from_ms = changes_ms[i];
    qsort(history->eras, change_count + 1, sizeof *history->eras, compare_times);
    history->count = 1;
    for (size_t i = 1; i <= change_count; i++) {
        if (history->eras[i].from_ms == history->eras[history->count - 1].from_ms) continue;
        history->eras[history->count++].from_ms = history->eras[i].from_ms;
    }
}

enum status treatment_history_create(struct treatment_history **out,
                                     const struct playbook *playbook,
                                     struct lookup_versions lookups, const int64_t *changes_ms,
                                     size_t change_count) {
    *out = NULL;
    struct treatment_history *history = memory_calloc(1, sizeof *history);
    if (history == NULL) return STATUS_NO_MEMORY;
    history->eras = memory_calloc(change_count + 1, sizeof *history->eras);
    if (history->eras == NULL || pthread_mutex_init(&history->lock, NULL) != 0) {
        memory_free(history->eras);
        memory_free(history);
        return STATUS_NO_MEMORY;
    }
    history->playbook = playbook;
    history->lookups = lookups;
    make_eras(history, changes_ms, change_count);
    *out = history;
    return STATUS_OK;
}

void treatment_history_destroy(struct treatment_history *history) {
    if (history == NULL) return;
    for (size_t i = 0; i < history->count; i++)
        treatment_set_destroy(atomic_load(&history->eras[i].set));
    pthread_mutex_destroy(&history->lock);
    memory_free(history->eras);
    memory_free(history);
}

/* Returns the last era that has begun by t. */
static size_t era_at(const struct treatment_history *history, int64_t t_ms) {
    size_t low = 0, high = history->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (history->eras[middle].from_ms <= t_ms)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static enum status make_set(const struct treatment_history *history, int64_t t_ms,
                            struct treatment_set **out, struct error *error) {
    const struct playbook *playbook = history->playbook;
    const struct lookup_table **tables = memory_calloc(playbook->lookup_count + 1, sizeof *tables);
    if (tables == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->lookup_count; i++)
        tables[i] = history->lookups.at(history->lookups.context, i, t_ms);
    enum status status = treatment_set_create(out, playbook, tables, error);
    memory_free(tables);
    return status;
}

static enum status set_of(struct treatment_history *history, size_t era,
                          const struct treatment_set **out, struct error *error) {
    enum status status = STATUS_OK;
    struct treatment_set *set = atomic_load_explicit(&history->eras[era].set, memory_order_acquire);
    if (set == NULL) {
        pthread_mutex_lock(&history->lock);
        set = atomic_load_explicit(&history->eras[era].set, memory_order_relaxed);
        if (set == NULL) status = make_set(history, history->eras[era].from_ms, &set, error);
        if (status == STATUS_OK)
            atomic_store_explicit(&history->eras[era].set, set, memory_order_release);
        pthread_mutex_unlock(&history->lock);
    }
    *out = set;
    return status;
}

enum status treatment_history_at(struct treatment_history *history, int64_t t_ms,
                                 const struct treatment_set **out, struct error *error) {
    return set_of(history, era_at(history, t_ms), out, error);
}

static enum status find_in(struct treatment_history *history, size_t era, struct text key,
                           uint32_t channel, const struct treatment **out, struct error *error) {
    const struct treatment_set *set;
    enum status status = set_of(history, era, &set, error);
    if (status != STATUS_OK) return status;
    *out = treatment_find(set, key, channel);
    if (*out == NULL) *out = treatment_find(set, key, SYMBOL_NONE);
    return STATUS_OK;
}

/* May the treatment change from era to era? Only rows of a table come and go: an action by itself
 * is in every era or, where the playbook has it no more, in none. */
static bool may_change(const struct treatment_history *history, struct text key) {
    const char *slash = key.length > 0 ? memchr(key.at, '/', key.length) : NULL;
    if (slash != NULL) key.length = (uint32_t)(slash - key.at);
    uint32_t action = playbook_action_find(history->playbook, key);
    return action != UINT32_MAX && history->playbook->actions[action].for_each != UINT32_MAX;
}

enum status treatment_history_delivered(struct treatment_history *history, struct text key,
                                        uint32_t channel, int64_t t_ms, int64_t by_ms,
                                        const struct treatment **out, struct error *error) {
    size_t then = era_at(history, t_ms), last = era_at(history, by_ms < t_ms ? t_ms : by_ms);
    *out = NULL;
    enum status status = find_in(history, then, key, channel, out, error);
    if (status != STATUS_OK || *out != NULL || !may_change(history, key)) return status;
    for (size_t era = then; era-- > 0 && status == STATUS_OK && *out == NULL;) {
        status = find_in(history, era, key, channel, out, error);
    }
    for (size_t era = then + 1; era <= last && status == STATUS_OK && *out == NULL; era++) {
        status = find_in(history, era, key, channel, out, error);
    }
    return status;
}
