/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/past.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/engine_internal.h"

#define PAST_PLAYBOOK_BYTES_MAX ((size_t)64 << 20)
#define PAST_MODELS_MAX         256

struct past_snapshot {
    uint64_t names; /* hash of the playbook's hash and the models */
    struct in_force *in_force;
};
struct past {
    struct engine *engine;
    pthread_mutex_t lock;
    uint32_t snapshot_count, rates_count;
    struct past_snapshot snapshots[PAST_MAX];
    struct {
        uint64_t playbook; /* hash of its hash */
        struct rates_version *version;
    } rates[PAST_MAX];
};

enum status past_create(struct past **out, struct engine *engine) {
    struct past *past = memory_calloc(1, sizeof *past);
    *out = past;
    if (past == NULL) return STATUS_NO_MEMORY;
    past->engine = engine;
    pthread_mutex_init(&past->lock, NULL);
    return STATUS_OK;
}

void past_forget(struct past *past) {
    pthread_mutex_lock(&past->lock);
    for (uint32_t i = 0; i < past->rates_count; i++) rates_version_drop(past->rates[i].version);
    for (uint32_t i = 0; i < past->snapshot_count; i++) in_force_drop(past->snapshots[i].in_force);
    past->rates_count = past->snapshot_count = 0;
    pthread_mutex_unlock(&past->lock);
}

void past_destroy(struct past *past) {
    if (past == NULL) return;
    past_forget(past);
    pthread_mutex_destroy(&past->lock);
    memory_free(past);
}

/* ---- playbook and models ---- */

/* Records can come from files, too (an event "Decision Made"), so nothing that they say becomes a
 * part of a path unless it has the form of a hash or of a name. */
static bool is_hash(struct text text) {
    bool fine = text.length == 16;
    for (uint32_t i = 0; i < text.length && fine; i++)
        fine = memchr("0123456789abcdef", text.at[i], 16) != NULL;
    return fine;
}

static bool is_file_name(const char *at, size_t length) {
    return length > 0 && length <= SYMBOL_BYTES_MAX && memchr(at, '/', length) == NULL;
}

enum status past_playbook(struct engine *engine, struct text hash, struct held_playbook **out,
                          struct error *error) {
    struct playbook *playbook = NULL;
    struct buffer bytes;
    char path[PATH_BYTES_MAX];
    if (text_equal(text_from(engine->own->playbook_hash), hash)) {
        *out = engine->own->playbook;
        shared_hold(&(*out)->shared);
        return STATUS_OK;
    }
    if (!is_hash(hash))
        return error_set(error, STATUS_CORRUPT, "the decision names no playbook: \"%.*s\"",
                         TEXT_ARG(hash));
    struct playbook_errors *errors = memory_calloc(1, sizeof *errors);
    if (errors == NULL) return STATUS_NO_MEMORY;
    buffer_init(&bytes);
    enum status status = path_of(engine, path, "playbooks/%.*s.yaml", TEXT_ARG(hash));
    if (status == STATUS_OK)
        status = file_read_all(engine->fs, path, PAST_PLAYBOOK_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK && !playbook_is_as_named(&bytes, hash)) status = STATUS_CORRUPT;
    if (status == STATUS_OK)
        status = playbook_load(&playbook, path, buffer_text(&bytes), engine->symbols, errors);
    if (status == STATUS_NOT_FOUND)
        error_set(error, status, "the playbook of the decision, %s, is no longer there", path);
    else if (status == STATUS_CORRUPT)
        error_set(error, status,
                  "the playbook of the decision, %s, is damaged: restore it from a backup", path);
    else if (status != STATUS_OK)
        error_set(error, status, "the playbook of the decision, %s, can't be read", path);
    buffer_release(&bytes);
    memory_free(errors);
    return status == STATUS_OK ? held_playbook_create(out, playbook) : status;
}

struct past_models {
    struct model_version *items[PAST_MODELS_MAX];
    size_t count;
};

static void models_release(struct past_models *models) {
    for (size_t i = 0; i < models->count; i++) model_version_drop(models->items[i]);
}

/* "redeem@3", perhaps with " (hindsight: …)" behind it. */
static enum status read_model_named(struct engine *engine, struct text word,
                                    struct past_models *models, struct error *error) {
    char name[SYMBOL_BYTES_MAX + 1] = "";
    struct model_fact fact = {0};
    const char *at = memchr(word.at, '@', word.length);
    size_t length = at != NULL ? (size_t)(at - word.at) : 0;
    if (at == NULL || !is_file_name(word.at, length) || models->count == PAST_MODELS_MAX)
        return error_set(error, STATUS_CORRUPT, "the decision names no model: \"%.*s\"",
                         TEXT_ARG(word));
    memcpy(name, word.at, length);
    for (at++; at < word.at + word.length && *at >= '0' && *at <= '9'; at++)
        fact.version = fact.version * 10 + (uint32_t)(*at - '0');
    struct model_version *version;
    enum status status = model_version_read(&version, engine, name, &fact, error);
    if (status != STATUS_OK) return status;
    models->items[models->count++] = version;
    return version->model != NULL || version->lifetime != NULL
               ? STATUS_OK
               : error_set(error, STATUS_NOT_FOUND,
                           "the model of the decision, models/%s@%u.model, "
                           "is no longer there, or can't be read",
                           name, fact.version);
}

static enum status read_models(struct engine *engine, struct text names, struct past_models *models,
                               struct error *error) {
    enum status status = STATUS_OK;
    while (names.length > 0 && status == STATUS_OK) {
        const char *comma = memmem(names.at, names.length, ", ", 2);
        uint32_t length = comma != NULL ? (uint32_t)(comma - names.at) : names.length;
        status = read_model_named(engine, (struct text){names.at, length}, models, error);
        uint32_t skip = comma != NULL ? length + 2 : length;
        names = (struct text){names.at + skip, names.length - skip};
    }
    return status;
}

static enum status make(struct engine *engine, struct text hash, struct text names,
                        struct in_force **out, struct error *error) {
    struct held_playbook *playbook = NULL;
    struct past_models models = {.count = 0};
    enum status status = past_playbook(engine, hash, &playbook, error);
    if (status == STATUS_OK) status = read_models(engine, names, &models, error);
    struct in_force_change change = {.playbook = playbook,
                                     .is_past = true,
                                     .past_models = models.items,
                                     .past_model_count = models.count};
    if (status == STATUS_OK) status = in_force_next(engine, &change, out, error);
    models_release(&models);
    held_playbook_drop(playbook);
    return status;
}

enum status past_in_force(struct engine *engine, struct text playbook_hash, struct text models,
                          struct in_force **out, struct error *error) {
    struct past *past = engine->past;
    uint64_t names = hash_text(models, hash_text(playbook_hash, 0));
    enum status status = STATUS_OK;
    *out = NULL;
    pthread_mutex_lock(&past->lock);
    for (uint32_t i = 0; i < past->snapshot_count && *out == NULL; i++) {
        if (past->snapshots[i].names == names) *out = in_force_share(past->snapshots[i].in_force);
    }
    if (*out == NULL) {
        status = make(engine, playbook_hash, models, out, error);
        if (status == STATUS_OK && past->snapshot_count < PAST_MAX)
            past->snapshots[past->snapshot_count++] =
                (struct past_snapshot){names, in_force_share(*out)};
    }
    pthread_mutex_unlock(&past->lock);
    return status;
}

/* ---- base rates ---- */

enum status past_rates(struct in_force *in_force, int64_t at_ms, uint64_t position,
                       struct rates_version **out, struct error *error) {
    struct past *past = in_force->engine->past;
    uint64_t playbook = hash_text(text_from(in_force->playbook_hash), 0);
    enum status status = STATUS_OK;
    *out = NULL;
    pthread_mutex_lock(&past->lock);
    for (uint32_t i = 0; i < past->rates_count && *out == NULL; i++) {
        struct rates_version *version = past->rates[i].version;
        if (past->rates[i].playbook == playbook && version->at_ms == at_ms &&
            version->position == position)
            *out = version;
    }
    if (*out == NULL) {
        status = rates_again(in_force, at_ms, position, out, error);
        if (status == STATUS_OK && past->rates_count < PAST_MAX) {
            past->rates[past->rates_count].playbook = playbook;
            past->rates[past->rates_count++].version = *out;
            shared_hold(&(*out)->shared);
        }
    } else {
        shared_hold(&(*out)->shared);
    }
    pthread_mutex_unlock(&past->lock);
    return status;
}
