/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/holds.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/word.h"
#include "engine/engine_internal.h"

#define HOLD_TEXT_BYTES_MAX ((size_t)256 << 20)

void holds_init(struct holds *holds) {
    *holds = (struct holds){.changes = 1};
    pthread_mutex_init(&holds->lock, NULL);
    arena_init(&holds->texts, HOLD_TEXT_BYTES_MAX);
}

void holds_release(struct holds *holds) {
    arena_release(&holds->texts);
    memory_free(holds->words);
    memory_free(holds->customers);
    pthread_mutex_destroy(&holds->lock);
}

void holds_changed(struct holds *holds) {
    atomic_fetch_add(&holds->changes, 1);
}

/* ---- the rows ---- */

struct reading {
    const struct in_force *in_force;
    struct holds *holds;
    struct ingest_settings settings;
    struct ingest_hold hold; /* of the row at hand; its scope lies in the arena */
    enum status status;
};

static bool take_word(void *context, const struct ingest_word *word) {
    struct reading *reading = context;
    struct holds *holds = reading->holds;
    if (word->kind == WORD_FIELD || word->text.length > IDENTIFIER_BYTES_MAX) return true;
    reading->status = memory_grow((void **)&holds->words, &holds->word_capacity,
                                  holds->word_count + 1, sizeof *holds->words);
    struct text value =
        reading->status == STATUS_OK ? arena_text(&holds->texts, word->text) : (struct text){0};
    if (value.at == NULL) reading->status = STATUS_NO_MEMORY;
    if (reading->status != STATUS_OK) return false;
    holds->words[holds->word_count++] = (struct held_word){
        .value = value,
        .type = word->kind == WORD_IDENTIFIER ? word->type : SYMBOL_NONE,
        .is_purpose = reading->hold.is_purpose,
        .scope = reading->hold.scope,
    };
    return true;
}

static bool take_row(void *context, const struct stored_row *row) {
    struct reading *reading = context;
    const struct playbook *playbook = reading->in_force->data.playbook;
    struct text source = symbol_text(reading->in_force->data.symbols, SYMBOL_SOURCE, row->source);
    uint32_t index = playbook_source_find(playbook, source);
    bool unreadable;
    if (row->raw.length == 0 || index == UINT32_MAX || playbook->sources[index].is_lookup ||
        !ingest_hold_read(row->reason, &reading->hold))
        return true;
    struct text scope = arena_text(&reading->holds->texts, reading->hold.scope);
    if (scope.at == NULL) reading->status = STATUS_NO_MEMORY;
    reading->hold.scope = scope;
    struct ingest_words words = {take_word, reading};
    if (reading->status == STATUS_OK) {
        enum status status = ingest_row_words(&reading->settings, &playbook->sources[index],
                                              row->raw, &words, &unreadable, NULL);
        if (status == STATUS_NO_MEMORY) reading->status = status;
        atomic_fetch_add(&reading->holds->rows, 1);
    }
    return reading->status == STATUS_OK;
}

static enum status read_rows(const struct in_force *in_force, struct holds *holds,
                             struct error *error) {
    struct reading reading = {.in_force = in_force, .holds = holds};
    arena_clear(&holds->texts);
    holds->word_count = holds->customer_count = 0;
    atomic_store(&holds->rows, 0);
    holds->position = UINT64_MAX;
    if (in_force->data.playbook == NULL) return STATUS_OK;
    const struct lookup_table **tables = in_force_tables(in_force);
    if (tables == NULL) return STATUS_NO_MEMORY;
    reading.settings = engine_ingest_settings(in_force, tables);
    enum status status = store_visit_rows(in_force->engine->store, take_row, &reading, error);
    memory_free(tables);
    return status == STATUS_OK ? reading.status : status;
}

/* ---- whose they are ---- */

static enum status add_customer(struct engine *engine, struct holds *holds, uint32_t type,
                                const struct held_word *word) {
    struct as_of now = {INT64_MAX, holds->position};
    struct customer_id customer;
    if (identity_find_customer(engine->identity, type, word->value, now, &customer) != STATUS_OK)
        return STATUS_OK;
    enum status status = memory_grow((void **)&holds->customers, &holds->customer_capacity,
                                     holds->customer_count + 1, sizeof *holds->customers);
    if (status == STATUS_OK)
        holds->customers[holds->customer_count++] =
            (struct held_customer){customer.value, word->is_purpose, word->scope};
    return status;
}

static int compare_customers(const void *a, const void *b) {
    uint32_t left = ((const struct held_customer *)a)->customer,
             right = ((const struct held_customer *)b)->customer;
    return (left > right) - (left < right);
}

static enum status find_customers(struct engine *engine, struct holds *holds) {
    uint32_t types = symbol_count(engine->symbols, SYMBOL_IDENTIFIER);
    enum status status = STATUS_OK;
    holds->customer_count = 0;
    for (size_t i = 0; status == STATUS_OK && i < holds->word_count; i++) {
        const struct held_word *word = &holds->words[i];
        if (word->type != SYMBOL_NONE) {
            status = add_customer(engine, holds, word->type, word);
            continue;
        }
        for (uint32_t type = 0; status == STATUS_OK && type < types; type++)
            status = add_customer(engine, holds, type, word);
    }
    if (holds->customer_count > 1)
        qsort(holds->customers, holds->customer_count, sizeof *holds->customers, compare_customers);
    return status;
}

/* Under the lock. */
static enum status refresh(struct engine *engine, struct error *error) {
    struct holds *holds = &engine->holds;
    enum status status = STATUS_OK;
    /* Asked first: a change while the rows are read has them read again. */
    uint64_t changes = atomic_load(&holds->changes);
    if (changes != atomic_load(&holds->read)) {
        struct in_force *in_force = in_force_hold(engine);
        status = read_rows(in_force, holds, error);
        in_force_drop(in_force);
        if (status != STATUS_OK) return status;
        atomic_store(&holds->read, changes);
    }
    uint64_t position = store_position(engine->store);
    if (atomic_load(&holds->rows) == 0 || holds->position == position) return STATUS_OK;
    holds->position = position;
    status = find_customers(engine, holds);
    if (status != STATUS_OK) holds->position = UINT64_MAX;
    return status;
}

static bool is_held(const struct holds *holds, uint32_t customer, bool is_purpose,
                    struct text name) {
    size_t low = 0, high = holds->customer_count, index;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (holds->customers[middle].customer < customer)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < holds->customer_count && holds->customers[low].customer == customer; low++) {
        const struct held_customer *held = &holds->customers[low];
        if (held->is_purpose != is_purpose) continue;
        if (held->scope.length == 0 || word_find(name, &held->scope, 1, &index) == WORD_KNOWN)
            return true;
    }
    return false;
}

bool engine_holds(struct engine *engine, struct customer_id customer, struct text purpose,
                  struct text channel) {
    struct holds *holds = &engine->holds;
    if (atomic_load(&holds->changes) == atomic_load(&holds->read) && atomic_load(&holds->rows) == 0)
        return false;
    pthread_mutex_lock(&holds->lock);
    bool held = refresh(engine, NULL) != STATUS_OK;
    bool is_purpose = purpose.length > 0;
    held = held || is_held(holds, customer.value, is_purpose, is_purpose ? purpose : channel);
    pthread_mutex_unlock(&holds->lock);
    return held;
}

enum status engine_hold_count(struct engine *engine, uint64_t *rows, struct error *error) {
    *rows = atomic_load(&engine->holds.rows);
    if (atomic_load(&engine->holds.read) == atomic_load(&engine->holds.changes)) return STATUS_OK;
    pthread_mutex_lock(&engine->holds.lock);
    enum status status = refresh(engine, error);
    *rows = atomic_load(&engine->holds.rows);
    pthread_mutex_unlock(&engine->holds.lock);
    return status;
}
