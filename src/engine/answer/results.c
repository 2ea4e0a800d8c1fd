/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/results.h"

#include <math.h>

#include "base/memory.h"
#include "engine/engine_internal.h"
#include "engine/past.h"

#define HASH_BYTES 16

struct past_share {
    char hash[HASH_BYTES];
    double share;
};
struct past_shares {
    struct engine *engine;
    /* An experiment by its names: its place in an earlier playbook may be another one. */
    const struct experiment *experiment;
    const struct experiment_arm *arm;
    pthread_mutex_t lock;
    struct past_share *items;
    size_t count, capacity;
};

/* Of the customers in the two arms, the part in the first one. */
static double share_of_arms(const struct playbook *playbook, const struct past_shares *shares) {
    uint32_t index = playbook_experiment_find(playbook, shares->experiment->name);
    if (index == UINT32_MAX) return (double)NAN;
    const struct experiment *experiment = &playbook->experiments[index];
    double first = (double)NAN, other = (double)NAN;
    for (uint32_t i = 0; i < experiment->arm_count; i++) {
        struct text name = experiment->arms[i].name;
        if (text_equal(name, shares->experiment->arms[0].name)) first = experiment->arms[i].share;
        if (text_equal(name, shares->arm->name)) other = experiment->arms[i].share;
    }
    return first / (first + other);
}

/* A playbook that is no longer there, or no longer loads, tells no share: the decisions that it
 * made are counted and left out. */
static double read_share(const struct past_shares *shares, struct text hash) {
    struct held_playbook *held = NULL;
    if (past_playbook(shares->engine, hash, &held, NULL) != STATUS_OK) return (double)NAN;
    double share = shares->experiment == NULL ? held->playbook->holdout_share
                                              : share_of_arms(held->playbook, shares);
    held_playbook_drop(held);
    return share;
}

static double share_of(void *context, const struct result_experiment *experiment,
                       struct text hash) {
    struct past_shares *shares = context;
    (void)experiment; /* it is named by `shares` */
    if (hash.length != HASH_BYTES) return (double)NAN;
    pthread_mutex_lock(&shares->lock);
    size_t i = 0;
    while (i < shares->count && memcmp(shares->items[i].hash, hash.at, HASH_BYTES) != 0) i++;
    double share = i < shares->count ? shares->items[i].share : read_share(shares, hash);
    if (i == shares->count && memory_grow((void **)&shares->items, &shares->capacity, i + 1,
                                          sizeof *shares->items) == STATUS_OK) {
        memcpy(shares->items[i].hash, hash.at, HASH_BYTES);
        shares->items[i].share = share;
        shares->count++;
    }
    pthread_mutex_unlock(&shares->lock);
    return share;
}

/* It holds what was in force when it began. */
enum status engine_results(struct engine *engine, const struct engine_results_options *options,
                           struct results *out, struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    struct past_shares shares = {.engine = engine};
    struct results_options measured = {.at_ms = options->at_ms,
                                       .since_ms = options->from_ms,
                                       .threads = engine_threads(engine),
                                       .work = options->work,
                                       .experiment = options->experiment,
                                       .share_of = share_of,
                                       .context = &shares};
    if (options->experiment != NULL) {
        shares.experiment = &in_force->data.playbook->experiments[options->experiment->experiment];
        shares.arm = &shares.experiment->arms[options->experiment->arm];
    }
    pthread_mutex_init(&shares.lock, NULL);
    enum status status = results_measure(&in_force->data, &measured, out, error);
    pthread_mutex_destroy(&shares.lock);
    memory_free(shares.items);
    in_force_drop(in_force);
    return status;
}
