/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/in_force.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/answer/pool.h"
#include "engine/engine_internal.h"
#include "engine/lifetimes.h"
#include "identity/claims.h"

/* ---- playbooks and models that are held ---- */

enum status held_playbook_create(struct held_playbook **out, struct playbook *playbook) {
    struct held_playbook *held = memory_calloc(1, sizeof *held);
    *out = held;
    if (held == NULL) {
        playbook_destroy(playbook);
        return STATUS_NO_MEMORY;
    }
    shared_init(&held->shared);
    held->playbook = playbook;
    snprintf(held->hash, sizeof held->hash, "%016llx", (unsigned long long)playbook->hash);
    return STATUS_OK;
}

void held_playbook_drop(struct held_playbook *playbook) {
    if (playbook == NULL || !shared_drop(&playbook->shared)) return;
    playbook_destroy(playbook->playbook);
    memory_free(playbook);
}

void model_version_drop(struct model_version *version) {
    if (version == NULL || !shared_drop(&version->shared)) return;
    model_destroy(version->model);
    memory_free(version->lifetime);
    memory_free(version);
}

struct model_set { /* each by the playbook's model rule */
    struct shared shared;
    uint32_t count; /* of the models */
    const struct model **models;
    struct model_entry *entries;
    /* Behind those of the models, those of the lifetime models. */
    struct model_version **versions;
    uint32_t version_count;
    const struct lifetime_series **lifetimes;
};

static void model_set_drop(struct model_set *set) {
    if (set == NULL || !shared_drop(&set->shared)) return;
    for (uint32_t i = 0; set->versions != NULL && i < set->version_count; i++)
        model_version_drop(set->versions[i]);
    memory_free((void *)set->models);
    memory_free(set->entries);
    memory_free((void *)set->lifetimes);
    memory_free((void *)set->versions);
    memory_free(set);
}

/* ---- lookups and treatments ---- */

struct lookup_history {
    struct lookup_version **versions; /* oldest first */
    size_t count;
};
struct lookup_set {
    struct shared shared;
    struct held_playbook *playbook;
    struct lookup_history *lookups; /* by the playbook's index */
    struct treatment_history *treatments;
};

static void lookup_set_drop(struct lookup_set *set) {
    if (set == NULL || !shared_drop(&set->shared)) return;
    treatment_history_destroy(set->treatments);
    for (uint32_t i = 0; set->lookups != NULL && i < set->playbook->playbook->lookup_count; i++) {
        for (size_t v = 0; v < set->lookups[i].count; v++)
            lookup_version_drop(set->lookups[i].versions[v]);
        memory_free(set->lookups[i].versions);
    }
    memory_free(set->lookups);
    held_playbook_drop(set->playbook);
    memory_free(set);
}

static const struct lookup_table *table_at(void *context, uint32_t index, int64_t t_ms) {
    const struct lookup_set *set = context;
    const struct lookup_history *lookup = &set->lookups[index];
    for (size_t v = lookup->count; v-- > 0;) {
        if (lookup->versions[v]->known_ms <= t_ms) return lookup_version_table(lookup->versions[v]);
    }
    return NULL;
}

/* Do two playbooks lay the table out alike: the same columns in the same order, the same keys? */
static bool same_layout(const struct lookup_rule *a, const struct lookup_rule *b) {
    if (a->key_count != b->key_count || a->many != b->many || a->field_count != b->field_count)
        return false;
    for (uint32_t k = 0; k < a->key_count; k++) {
        if (!text_equal(a->keys[k], b->keys[k])) return false;
    }
    for (uint32_t f = 0; f < a->field_count; f++) {
        if (a->fields[f].type != b->fields[f].type ||
            !text_equal(a->fields[f].name, b->fields[f].name))
            return false;
    }
    return true;
}

/* A version of the present snapshot that will do as it is; NULL: there is none. */
static struct lookup_version *present_version(const struct lookup_set *present,
                                              const struct lookup_rule *rule,
                                              const struct lookup_fact *fact) {
    const struct playbook *playbook = present != NULL ? present->playbook->playbook : NULL;
    for (uint32_t i = 0; playbook != NULL && i < playbook->lookup_count; i++) {
        if (!text_equal(playbook->lookups[i].name, rule->name)) continue;
        for (size_t v = 0; v < present->lookups[i].count; v++) {
            struct lookup_version *version = present->lookups[i].versions[v];
            const struct lookup_rule *own = &version->playbook->playbook->lookups[version->lookup];
            if (version->known_ms == fact->known_ms && version->hash == fact->hash &&
                same_layout(own, rule))
                return version;
        }
    }
    return NULL;
}

/* How the next set differs from the present one. */
struct lookup_making {
    struct engine *engine;
    const struct lookup_set *present;
    const struct in_force_change *change;
    struct lookup_set *set;
    bool took_table; /* of the change */
};

static enum status add_version(struct lookup_making *making, uint32_t index,
                               const struct lookup_fact *fact, struct lookup_table *table,
                               struct error *error) {
    struct lookup_history *lookup = &making->set->lookups[index];
    struct held_playbook *playbook = making->set->playbook;
    struct lookup_version *version =
        table == NULL ? present_version(making->present, &playbook->playbook->lookups[index], fact)
                      : NULL;
    if (version != NULL) {
        shared_hold(&version->shared);
    } else {
        enum status status = lookup_version_create(&version, making->engine, playbook, index,
                                                   fact->known_ms, fact->hash, table, error);
        if (status != STATUS_OK) return status;
        making->took_table |= table != NULL;
    }
    lookup->versions[lookup->count++] = version;
    return STATUS_OK;
}

static enum status add_lookup(struct lookup_making *making, uint32_t index, struct error *error) {
    const struct lookup_rule *rule = &making->set->playbook->playbook->lookups[index];
    const struct named_lookup *named = lookup_named(making->engine, rule->name, false);
    size_t count = named != NULL ? named->count : 0;
    const struct in_force_change *change = making->change;
    bool changes = change->table != NULL && text_equal(change->lookup, rule->name);
    bool replaces = changes && count > 0 && named->versions[count - 1].hash == change->hash;
    struct lookup_history *lookup = &making->set->lookups[index];
    lookup->versions = memory_calloc(count + 2, sizeof *lookup->versions);
    if (lookup->versions == NULL) return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (size_t v = 0; v < count && status == STATUS_OK; v++) {
        struct lookup_table *table = replaces && v + 1 == count ? change->table : NULL;
        status = add_version(making, index, &named->versions[v], table, error);
    }
    struct lookup_fact brought = {change->known_ms, change->hash};
    if (status == STATUS_OK && changes && !replaces)
        status = add_version(making, index, &brought, change->table, error);
    return status;
}

/* From when on a lookup that treatments are made of has another version. */
static enum status lookup_changes(const struct lookup_set *set, int64_t **out, size_t *count) {
    const struct playbook *playbook = set->playbook->playbook;
    size_t capacity = 0;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < playbook->lookup_count && status == STATUS_OK; i++) {
        const struct lookup_history *lookup = &set->lookups[i];
        if (!treatments_read_lookup(playbook, i)) continue;
        status = memory_grow((void **)out, &capacity, *count + lookup->count + 1, sizeof **out);
        for (size_t v = 0; v < lookup->count && status == STATUS_OK; v++)
            (*out)[(*count)++] = lookup->versions[v]->known_ms;
    }
    return status;
}

/* The newest treatments are made at once, so that what is wrong with them is told when their table
 * or the playbook comes. */
static enum status make_treatments(struct lookup_set *set, struct error *error) {
    struct lookup_versions lookups = {table_at, set};
    const struct treatment_set *newest;
    int64_t *changes = NULL;
    size_t count = 0;
    enum status status = lookup_changes(set, &changes, &count);
    if (status == STATUS_OK)
        status = treatment_history_create(&set->treatments, set->playbook->playbook, lookups,
                                          changes, count);
    if (status == STATUS_OK)
        status = treatment_history_at(set->treatments, TIME_NEVER, &newest, error);
    memory_free(changes);
    return status;
}

static enum status lookup_set_create(struct lookup_making *making, struct held_playbook *playbook,
                                     struct error *error) {
    struct lookup_set *set = making->set = memory_calloc(1, sizeof *set);
    if (set == NULL) return STATUS_NO_MEMORY;
    shared_init(&set->shared);
    set->playbook = playbook;
    shared_hold(&playbook->shared);
    uint32_t count = playbook->playbook->lookup_count;
    set->lookups = memory_calloc(count + 1, sizeof *set->lookups);
    enum status status = set->lookups != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
        status = add_lookup(making, i, error);
    if (status == STATUS_OK) status = make_treatments(set, error);
    if (status == STATUS_OK) return STATUS_OK;
    lookup_set_drop(set);
    making->set = NULL;
    return status;
}

/* ---- the customer data that the rooms below are shown ---- */

static const struct lookup_table *customer_data_lookup(void *context, uint32_t index,
                                                       int64_t t_ms) {
    return in_force_lookup(context, index, t_ms);
}

static struct engine *engine_of(void *context) {
    return ((const struct in_force *)context)->engine;
}

static bool customer_of_identifier(void *context, struct text identifier, struct as_of as_of,
                                   struct customer_id *out) {
    const struct engine *engine = engine_of(context);
    return identity_parse_customer(engine->identity, engine->symbols, identifier, as_of, out,
                                   NULL) == STATUS_OK;
}

static struct customer_id customer_of_persona(void *context, struct persona_id persona,
                                              struct as_of as_of) {
    const struct customer_directory *directory = identity_directory(engine_of(context)->identity);
    return directory->ops->customer_of(directory, persona, as_of);
}

static enum persona_trust trust_of_persona(void *context, struct persona_id persona,
                                           struct as_of as_of) {
    return identity_persona_trust(engine_of(context)->identity, persona, as_of);
}

static uint32_t identifiers_of_persona(void *context, struct persona_id persona,
                                       struct identifier_id *out, uint32_t max) {
    return identity_persona_identifiers(engine_of(context)->identity, persona, out, max);
}

static struct text identifier_text(void *context, struct identifier_id identifier, uint32_t *type) {
    return identity_identifier(engine_of(context)->identity, identifier, type);
}

static bool is_held(void *context, struct customer_id customer, struct text purpose,
                    struct text channel) {
    return engine_holds(engine_of(context), customer, purpose, channel);
}

static double ask_lifetime(void *context, const struct expr_lifetime_question *question) {
    const struct in_force *in_force = context;
    const struct lifetime_series *series = in_force->model_set->lifetimes[question->lifetime];
    const struct dated_lifetime *fit =
        series != NULL ? lifetime_series_at(series, question->t_ms) : NULL;
    return fit != NULL ? lifetime_answer(fit, question) : (double)NAN;
}

static void fill_customer_data(struct in_force *in_force) {
    struct engine *engine = in_force->engine;
    in_force->data = (struct customer_data){
        .symbols = engine->symbols, .source = store_source(engine->store), .context = in_force};
    in_force->playbook_hash = "";
    in_force->decider_data = in_force->data;
    in_force->decider_data.source = store_source_written(engine->store);
    if (in_force->playbook == NULL) return;
    in_force->playbook_hash = in_force->playbook->hash;
    in_force->models = in_force->model_set->models;
    in_force->model_entries = in_force->model_set->entries;
    in_force->data = (struct customer_data){
        .playbook = in_force->playbook->playbook,
        .symbols = engine->symbols,
        .source = in_force->source,
        .context = in_force,
        .lookup = customer_data_lookup,
        .customer_of_identifier = customer_of_identifier,
        .customer_of_persona = customer_of_persona,
        .trust_of_persona = trust_of_persona,
        .identifiers_of_persona = identifiers_of_persona,
        .identifier_text = identifier_text,
        .held = is_held,
        .lifetime = ask_lifetime,
        .treatments = in_force->lookups->treatments,
    };
    in_force->decider_data = in_force->data;
    in_force->decider_data.source = in_force->written;
}

/* ---- snapshots ---- */

static void destroy(struct in_force *in_force) {
    rates_list_drop(in_force->rates);
    model_set_drop(in_force->model_set);
    lookup_set_drop(in_force->lookups);
    store_source_destroy(in_force->source);
    store_source_destroy(in_force->written);
    held_playbook_drop(in_force->playbook);
    memory_free(in_force);
}

struct in_force *in_force_hold(struct engine *engine) {
    pthread_mutex_lock(&engine->now.lock);
    struct in_force *in_force = atomic_load(&engine->now.in_force);
    shared_hold(&in_force->shared);
    pthread_mutex_unlock(&engine->now.lock);
    return in_force;
}

struct in_force *in_force_share(struct in_force *in_force) {
    shared_hold(&in_force->shared);
    return in_force;
}

void in_force_drop(struct in_force *in_force) {
    if (in_force != NULL && shared_drop(&in_force->shared)) destroy(in_force);
}

bool in_force_is_current(const struct in_force *in_force) {
    return atomic_load_explicit(&in_force->engine->now.in_force, memory_order_acquire) == in_force;
}

void in_force_swap(struct engine *engine, struct in_force *next) {
    pthread_mutex_lock(&engine->now.lock);
    struct in_force *before = atomic_load(&engine->now.in_force);
    next->generation = before != NULL ? before->generation + 1 : 1;
    if (before != NULL && before->playbook == next->playbook && before->rates != NULL) {
        rates_list_drop(next->rates);
        next->rates = before->rates;
        shared_hold(&before->rates->shared);
    }
    atomic_store_explicit(&engine->now.in_force, next, memory_order_release);
    pthread_mutex_unlock(&engine->now.lock);
    in_force_drop(before);
    before = engine->own;
    engine->own = in_force_share(next);
    in_force_drop(before);
    holds_changed(&engine->holds); /* another playbook may read other identifiers in a row */
    engine_view_pool_clear(engine->pool);
}

/* ---- what is in one ---- */

const struct lookup_table *in_force_lookup(const struct in_force *in_force, uint32_t lookup,
                                           int64_t t_ms) {
    return table_at(in_force->lookups, lookup, t_ms);
}

uint32_t in_force_lookup_versions(const struct in_force *in_force, uint32_t lookup) {
    return (uint32_t)in_force->lookups->lookups[lookup].count;
}

const struct lookup_rule *in_force_unreadable(const struct in_force *in_force, int64_t t_ms) {
    for (uint32_t i = 0; i < in_force->data.playbook->lookup_count; i++) {
        const struct lookup_history *lookup = &in_force->lookups->lookups[i];
        bool is_known = lookup->count > 0 && lookup->versions[0]->known_ms <= t_ms;
        if (is_known && table_at(in_force->lookups, i, t_ms) == NULL)
            return &in_force->data.playbook->lookups[i];
    }
    return NULL;
}

bool in_force_later_lookup(const struct in_force *in_force, int64_t t_ms, struct text *name,
                           int64_t *known_ms) {
    *known_ms = t_ms;
    for (uint32_t i = 0; i < in_force->data.playbook->lookup_count; i++) {
        const struct lookup_history *lookup = &in_force->lookups->lookups[i];
        if (lookup->count == 0 || lookup->versions[lookup->count - 1]->known_ms <= *known_ms)
            continue;
        *known_ms = lookup->versions[lookup->count - 1]->known_ms;
        *name = in_force->data.playbook->lookups[i].name;
    }
    return *known_ms > t_ms;
}

bool in_force_hindsight(const struct in_force *in_force, int64_t t_ms, struct model_entry *entry) {
    for (uint32_t i = 0; i < in_force->data.playbook->model_count; i++) {
        const struct model_entry *found = &in_force->model_entries[i];
        if (found->model == NULL || found->until_ms <= t_ms) continue;
        if (entry != NULL) *entry = *found;
        return true;
    }
    return false;
}

const struct lookup_table **in_force_tables(const struct in_force *in_force) {
    uint32_t count = in_force->data.playbook->lookup_count;
    const struct lookup_table **tables = memory_calloc(count + 1, sizeof *tables);
    for (uint32_t i = 0; tables != NULL && i < count; i++)
        tables[i] = in_force_lookup(in_force, i, TIME_NEVER);
    return tables;
}

const struct lookup_table *in_force_version_table(const struct in_force *in_force,
                                                  struct text lookup, size_t v) {
    const struct playbook *playbook = in_force->data.playbook;
    for (uint32_t i = 0; playbook != NULL && i < playbook->lookup_count; i++) {
        const struct lookup_history *history = &in_force->lookups->lookups[i];
        if (text_equal(playbook->lookups[i].name, lookup) && v < history->count)
            return lookup_version_table(history->versions[v]);
    }
    return NULL;
}

struct lifetime_entry in_force_lifetime(const struct in_force *in_force, uint32_t rule) {
    const struct model_set *set = in_force->model_set;
    const struct model_version *version = set->versions[set->count + rule];
    struct lifetime_entry entry = {.name = in_force->playbook->playbook->lifetimes[rule].name};
    if (version == NULL) return entry;
    entry.version = version->version;
    entry.trained_ms = version->trained_ms;
    entry.until_ms = version->until_ms;
    entry.series = set->lifetimes[rule];
    return entry;
}

/* ---- the next one ---- */

/* The version of a model that the next snapshot has: the change's, the present one, or read. */
static enum status find_model(struct engine *engine, const struct in_force_change *change,
                              struct text name, struct model_version **out, struct error *error) {
    const struct in_force *present = engine->own;
    const struct named_model *named = model_named(engine, name, false);
    if (change->model != NULL && text_equal(text_from(change->model->name), name)) {
        *out = change->model;
        shared_hold(&change->model->shared);
        return STATUS_OK;
    }
    for (size_t i = 0; i < change->past_model_count; i++) {
        if (!text_equal(text_from(change->past_models[i]->name), name)) continue;
        *out = change->past_models[i];
        shared_hold(&(*out)->shared);
    }
    if (change->is_past || named == NULL || named->now.version == 0) return STATUS_OK;
    const struct model_set *models = present != NULL ? present->model_set : NULL;
    for (uint32_t i = 0; models != NULL && i < models->version_count; i++) {
        struct model_version *version = models->versions[i];
        if (version == NULL || version->version != named->now.version ||
            !text_equal(text_from(version->name), name))
            continue;
        bool is_read = version->model != NULL || version->lifetime != NULL;
        if (!is_read && change->playbook != NULL) continue; /* try its file again */
        *out = version;
        shared_hold(&version->shared);
        return STATUS_OK;
    }
    return model_version_read(out, engine, named->name, &named->now, error);
}

static enum status find_lifetimes(struct in_force *in_force, const struct in_force_change *change,
                                  struct error *error) {
    const struct playbook *playbook = in_force->playbook->playbook;
    struct model_set *set = in_force->model_set;
    for (uint32_t i = 0; i < playbook->lifetime_count; i++) {
        const struct lifetime_rule *rule = &playbook->lifetimes[i];
        struct model_version **version = &set->versions[set->count + i];
        enum status status = find_model(in_force->engine, change, rule->name, version, error);
        if (status != STATUS_OK) return status;
        if (*version != NULL && lifetime_fits(rule, *version))
            set->lifetimes[i] = (*version)->lifetime;
    }
    return STATUS_OK;
}

static enum status find_models(struct in_force *in_force, const struct in_force_change *change,
                               struct error *error) {
    const struct playbook *playbook = in_force->playbook->playbook;
    uint32_t count = playbook->model_count;
    struct model_set *set = in_force->model_set = memory_calloc(1, sizeof *set);
    if (set == NULL) return STATUS_NO_MEMORY;
    shared_init(&set->shared);
    set->count = count;
    set->version_count = count + playbook->lifetime_count;
    set->models = memory_calloc(count + 1, sizeof *set->models);
    set->entries = memory_calloc(count + 1, sizeof *set->entries);
    set->versions = memory_calloc(set->version_count + 1, sizeof *set->versions);
    set->lifetimes = memory_calloc(playbook->lifetime_count + 1, sizeof *set->lifetimes);
    if (set->models == NULL || set->entries == NULL || set->versions == NULL ||
        set->lifetimes == NULL)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct model_version **version = &set->versions[i];
        enum status status =
            find_model(in_force->engine, change, playbook->models[i].name, version, error);
        if (status != STATUS_OK) return status;
        if (*version == NULL) continue;
        if (model_fits(playbook, &playbook->models[i], *version))
            set->models[i] = (*version)->model;
        set->entries[i] =
            (struct model_entry){text_from((*version)->name), (*version)->version,
                                 (*version)->trained_ms, (*version)->until_ms, set->models[i]};
    }
    return find_lifetimes(in_force, change, error);
}

/* Of the tables all count, also those that the playbook does not read, in order of first sight: it
 * is how decisions were recorded ever since. */
static uint64_t hash_of(const struct in_force *in_force, const struct in_force_change *change) {
    const struct engine *engine = in_force->engine;
    uint64_t hash = hash_text(text_from(in_force->playbook->hash), 1);
    for (uint32_t i = 0; i < in_force->playbook->playbook->model_count; i++) {
        const struct model_entry *entry = &in_force->model_set->entries[i];
        if (entry->model != NULL) hash = hash_text(entry->name, hash_u64(hash + entry->version));
    }
    for (uint32_t i = 0; i < in_force->playbook->playbook->lifetime_count; i++) {
        struct lifetime_entry entry = in_force_lifetime(in_force, i);
        if (entry.series != NULL) hash = hash_text(entry.name, hash_u64(hash + entry.version));
    }
    for (size_t i = 0; i < engine->lookup_count; i++) {
        const struct named_lookup *lookup = &engine->lookups[i];
        if (change->table != NULL && text_equal(text_from(lookup->name), change->lookup))
            hash = hash_u64(hash ^ change->hash);
        else if (lookup->count > 0)
            hash = hash_u64(hash ^ lookup->versions[lookup->count - 1].hash);
    }
    return hash;
}

static enum status make_sources(struct in_force *in_force) {
    const struct column_set *columns = &in_force->playbook->playbook->columns;
    in_force->source = store_source_create(in_force->engine->store, columns, false);
    in_force->written = store_source_create(in_force->engine->store, columns, true);
    return in_force->source != NULL && in_force->written != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status fill(struct in_force *in_force, struct lookup_making *making,
                        struct error *error) {
    struct engine *engine = in_force->engine;
    struct in_force *present = engine->own;
    const struct in_force_change *change = making->change;
    struct held_playbook *playbook = in_force->playbook;
    bool same_lookups = present != NULL && playbook == present->playbook && change->table == NULL;
    if (playbook == NULL) return STATUS_OK;
    enum status status = make_sources(in_force);
    if (status == STATUS_OK) status = find_models(in_force, change, error);
    if (status == STATUS_OK && same_lookups) {
        in_force->lookups = present->lookups;
        shared_hold(&present->lookups->shared);
    } else if (status == STATUS_OK) {
        status = lookup_set_create(making, playbook, error);
        in_force->lookups = making->set;
    }
    if (status == STATUS_OK) in_force->hash = hash_of(in_force, change);
    return status;
}

enum status in_force_next(struct engine *engine, const struct in_force_change *change,
                          struct in_force **out, struct error *error) {
    struct in_force *in_force = memory_calloc(1, sizeof *in_force);
    struct in_force *present = engine->own;
    *out = NULL;
    if (in_force == NULL) {
        lookup_destroy(change->table);
        return STATUS_NO_MEMORY;
    }
    shared_init(&in_force->shared);
    in_force->engine = engine;
    in_force->playbook = change->playbook != NULL ? change->playbook
                         : present != NULL        ? present->playbook
                                                  : NULL;
    if (in_force->playbook != NULL) shared_hold(&in_force->playbook->shared);
    struct lookup_making making = {
        .engine = engine, .present = present != NULL ? present->lookups : NULL, .change = change};
    enum status status = fill(in_force, &making, error);
    if (!making.took_table) lookup_destroy(change->table);
    if (status != STATUS_OK) {
        in_force_drop(in_force);
        return status;
    }
    fill_customer_data(in_force);
    *out = in_force;
    return STATUS_OK;
}

const struct model_version *in_force_model_version(const struct in_force *in_force, uint32_t rule) {
    return in_force->model_set->versions[rule];
}

/* The same in all but its rates; NULL without memory. Under the lock. */
static struct in_force *copy_with(struct in_force *from, struct rates_list *list) {
    struct in_force *copy = memory_calloc(1, sizeof *copy);
    if (copy == NULL) return NULL;
    shared_init(&copy->shared);
    copy->generation = from->generation + 1;
    copy->engine = from->engine;
    copy->hash = from->hash;
    copy->playbook = from->playbook;
    copy->lookups = from->lookups;
    copy->model_set = from->model_set;
    copy->rates = list;
    shared_hold(&copy->playbook->shared);
    shared_hold(&copy->lookups->shared);
    shared_hold(&copy->model_set->shared);
    shared_hold(&list->shared);
    if (make_sources(copy) != STATUS_OK) {
        in_force_drop(copy);
        return NULL;
    }
    fill_customer_data(copy);
    return copy;
}

void in_force_add_rates(struct engine *engine, const struct held_playbook *playbook,
                        struct rates_list *list) {
    pthread_mutex_lock(&engine->now.lock);
    struct in_force *before = atomic_load(&engine->now.in_force), *next = NULL;
    if (before->playbook == playbook) next = copy_with(before, list);
    if (next != NULL) atomic_store_explicit(&engine->now.in_force, next, memory_order_release);
    pthread_mutex_unlock(&engine->now.lock);
    if (next != NULL) in_force_drop(before);
}
