/* SPDX-License-Identifier: Apache-2.0 */
/* models/NAME@VERSION.model: immutable; the log says which version of a name is in force. */
#include <stdio.h>

#include "base/log_line.h"
#include "base/hash.h"
#include "base/memory.h"
#include "engine/engine_internal.h"
#include "engine/lifetimes.h"
#include "engine/model_versions.h"
#include "learn/learner.h"

#define MODEL_BYTES_MAX ((size_t)1 << 30)

struct named_model *model_named(struct engine *engine, struct text name, bool add) {
    for (size_t i = 0; i < engine->model_count; i++) {
        if (text_equal(text_from(engine->models[i].name), name)) return &engine->models[i];
    }
    if (!add || name.length > SYMBOL_BYTES_MAX) return NULL;
    if (memory_grow((void **)&engine->models, &engine->model_capacity, engine->model_count + 1,
                    sizeof *engine->models) != STATUS_OK) {
        return NULL;
    }
    struct named_model *model = &engine->models[engine->model_count++];
    *model = (struct named_model){0};
    memcpy(model->name, name.at, name.length);
    return model;
}

static enum status path_of_model(const struct engine *engine, const char *name, uint32_t version,
                                 char path[PATH_BYTES_MAX]) {
    return path_of(engine, path, "models/%s@%u.model", name, version);
}

static enum status decode(struct text bytes, struct model_content *out, struct error *error) {
    if (lifetime_series_is(bytes)) return lifetime_series_decode(&out->lifetime, bytes, error);
    return model_decode(&out->model, bytes, error);
}

static enum status read_model(struct engine *engine, const char *name, uint32_t version,
                              struct model_content *out, struct error *error) {
    char path[PATH_BYTES_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = path_of_model(engine, name, version, path);
    if (status == STATUS_OK)
        status = file_read_all(engine->fs, path, MODEL_BYTES_MAX, &bytes, error);
    *out = (struct model_content){0};
    if (status == STATUS_OK) status = decode(buffer_text(&bytes), out, error);
    if (status == STATUS_CORRUPT || status == STATUS_NOT_FOUND) {
        status = error_set(error, status, "%s is %s; train it again: attune train %s", path,
                           status == STATUS_CORRUPT ? "damaged" : "missing", name);
    }
    buffer_release(&bytes);
    return status;
}

struct model_version *model_version_create(const char *name, const struct model_fact *fact) {
    struct model_version *version = memory_calloc(1, sizeof *version);
    if (version == NULL) return NULL;
    shared_init(&version->shared);
    memcpy(version->name, name, strlen(name) + 1);
    version->version = fact->version;
    version->trained_ms = fact->trained_ms;
    version->until_ms = fact->until_ms;
    version->features = fact->features;
    return version;
}

enum status model_version_try(struct model_version **out, struct engine *engine, const char *name,
                              const struct model_fact *fact, struct error *why) {
    *out = model_version_create(name, fact);
    if (*out == NULL) return STATUS_NO_MEMORY;
    struct model_content content;
    enum status status = read_model(engine, name, fact->version, &content, why);
    (*out)->model = content.model;
    (*out)->lifetime = content.lifetime;
    if (status == STATUS_OK || may_do_without(status)) return STATUS_OK;
    model_version_drop(*out);
    *out = NULL;
    return status;
}

enum status model_version_read(struct model_version **out, struct engine *engine, const char *name,
                               const struct model_fact *fact, struct error *error) {
    struct error why = {0};
    enum status status = model_version_try(out, engine, name, fact, &why);
    if (status != STATUS_OK && error != NULL) *error = why;
    if (status == STATUS_OK && (*out)->model == NULL && (*out)->lifetime == NULL)
        log_line(LOG_WARNING,
                 "model %s is left out: decisions take the base rate of its goal, and what traits "
                 "ask of a lifetime model is unknown: %s",
                 name, why.text);
    return status;
}

static void mark_traits(const struct expr_program *program, bool *marked) {
    uint32_t read[PLAYBOOK_TRAITS_MAX];
    if (program == NULL) return;
    uint32_t count = expr_traits(program, read, PLAYBOOK_TRAITS_MAX);
    for (uint32_t i = 0; i < count && i < PLAYBOOK_TRAITS_MAX; i++) marked[read[i]] = true;
}

/* What the model was taught: its goal, its features by name and in order, and, in any order, what
 * every trait behind them says. */
uint64_t model_meaning(const struct playbook *playbook, const struct model_rule *rule) {
    const struct goal *goal = &playbook->goals[rule->goal];
    bool marked[PLAYBOOK_TRAITS_MAX] = {false};
    uint64_t hash = hash_text(goal->name, goal->meaning), traits = 0;
    mark_traits(goal->where, marked);
    mark_traits(goal->until, marked);
    for (uint32_t i = 0; i < rule->feature_count; i++) {
        hash = hash_text(playbook->traits[rule->features[i]].name, hash);
        marked[rule->features[i]] = true;
    }
    for (uint32_t i = 0; i < rule->attribute_count; i++) {
        hash = hash_text(playbook->attributes[rule->attributes[i]].name, hash);
    }
    /* A trait reads only such as stand before it. */
    for (uint32_t i = playbook->trait_count; i-- > 0;) {
        if (!marked[i]) continue;
        const struct trait *trait = &playbook->traits[i];
        traits += hash_text(trait->source, hash_text(trait->name, 1));
        mark_traits(trait->program, marked);
    }
    return hash_u64(hash + traits);
}

/* A model whose goal or features are no longer the playbook's, or mean something else, would score
 * nonsense: it is left out until it is trained again. */
bool model_suits(const struct playbook *playbook, const struct model_rule *rule,
                 const struct model_version *version) {
    if (version->model == NULL) return false;
    uint32_t own = model_feature_count(version->model), width = trainer_rule_width(rule);
    return own >= width && own <= width + TRAINER_OWN_FEATURES_MAX &&
           (version->features == 0 || version->features == model_meaning(playbook, rule));
}

bool model_fits(const struct playbook *playbook, const struct model_rule *rule,
                const struct model_version *version) {
    if (version->model == NULL) return false; /* told when it was read */
    if (model_suits(playbook, rule, version)) return true;
    log_line(LOG_WARNING,
             "model %s was trained for another goal or other traits than the playbook's: it is "
             "left out, and its goal's base rate taken, until it is trained again: attune train %s",
             version->name, version->name);
    return false;
}

bool lifetime_fits(const struct lifetime_rule *rule, const struct model_version *version) {
    if (version->lifetime == NULL && version->model == NULL)
        return false; /* told when it was read */
    /* Of a past decision only the name is known: the playbook of then fits it. */
    bool is_same = version->features == 0 || version->features == rule->meaning;
    if (version->lifetime != NULL && is_same) return true;
    log_line(LOG_WARNING,
             "lifetime model %s was fitted to other orders than the playbook's: it is left out "
             "until it is trained again: attune train %s",
             version->name, version->name);
    return false;
}

void models_tell_unreadable(struct engine *engine, unreadable_fn tell, void *context) {
    const struct in_force *in_force = engine->own;
    uint32_t count = in_force->data.playbook->model_count + in_force->data.playbook->lifetime_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct model_version *version = in_force_model_version(in_force, i);
        struct model_content content;
        struct error why = {0};
        if (version == NULL || version->model != NULL || version->lifetime != NULL) continue;
        if (read_model(engine, version->name, version->version, &content, &why) != STATUS_OK)
            tell(context, why.text);
        model_destroy(content.model);
        memory_free(content.lifetime);
    }
}

enum status model_file_write(struct engine *engine, const struct model_version *version,
                             struct error *error) {
    char path[PATH_BYTES_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = folder_make(engine, "models", error);
    if (status == STATUS_OK) status = path_of_model(engine, version->name, version->version, path);
    if (status == STATUS_OK)
        status = version->lifetime != NULL ? lifetime_series_encode(version->lifetime, &bytes)
                                           : model_encode(version->model, &bytes);
    if (status == STATUS_OK) status = file_replace(engine->fs, path, bytes.at, bytes.length, error);
    buffer_release(&bytes);
    return status;
}

/* The log tells of the version, as its fact says. */
static enum status note_model(struct engine *engine, struct named_model *named,
                              const struct model_fact *fact, struct error *error) {
    struct buffer record;
    buffer_init(&record);
    enum status status = control_model(&record, named->name, fact);
    if (status == STATUS_OK) status = control_append(engine, NULL, buffer_text(&record), error);
    buffer_release(&record);
    if (status == STATUS_OK) model_facts_add(named, fact);
    return status;
}

enum status model_put_in_force(struct engine *engine, struct named_model *named,
                               const struct model_fact *fact, struct model_version *version,
                               struct error *error) {
    struct in_force_change change = {.model = version};
    struct in_force *in_force;
    enum status status = model_facts_reserve(named);
    if (status == STATUS_OK) status = in_force_next(engine, &change, &in_force, error);
    if (status != STATUS_OK) return status;
    status = note_model(engine, named, fact, error);
    if (status != STATUS_OK) {
        in_force_drop(in_force);
        return status;
    }
    named->now = *fact;
    in_force_swap(engine, in_force);
    return STATUS_OK;
}

/* Stores what was trained as the next version of a name, and puts it in force where its fact says
 * so. The content is taken. `out`: NULL, or the version, held. */
static enum status store_version(struct engine *engine, struct text name, struct model_fact fact,
                                 const struct model_content *content, struct model_version **out,
                                 struct error *error) {
    struct named_model *named = model_named(engine, name, true);
    struct model_version *version = NULL;
    if (named != NULL && model_facts_reserve(named) == STATUS_OK) {
        fact.version = model_version_next(named);
        fact.trained_ms = engine_now_ms(engine);
        version = model_version_create(named->name, &fact);
    }
    if (version == NULL) {
        model_destroy(content->model);
        memory_free(content->lifetime);
        return STATUS_NO_MEMORY;
    }
    version->model = content->model;
    version->lifetime = content->lifetime;
    enum status status = model_file_write(engine, version, error);
    if (status == STATUS_OK)
        status = fact.was_in_force ? model_put_in_force(engine, named, &fact, version, error)
                                   : note_model(engine, named, &fact, error);
    if (status == STATUS_OK && out != NULL)
        *out = version;
    else
        model_version_drop(version);
    return status;
}

enum status models_put(struct engine *engine, struct text name, int64_t until_ms, uint64_t meaning,
                       const struct model_content *content, struct error *error) {
    struct model_fact fact = {.until_ms = until_ms, .features = meaning, .was_in_force = true};
    return store_version(engine, name, fact, content, NULL, error);
}

/* A model that is trained, and the snapshot that it was trained under. */
struct new_model {
    const struct in_force *in_force;
    uint32_t rule;
    int64_t until_ms;
    bool stands_by;                /* it is a challenger and is not put in force */
    struct model *model;           /* taken, also on failure; NULL then */
    struct model_version *version; /* held, once it is stored */
};

/* The applier's. Another playbook may have come while the model was trained: what its features
 * meant is that of its own, so it is left out where they mean something else by now. */
static enum status store_model(struct engine *engine, void *context, struct error *error) {
    struct new_model *made = context;
    struct model_content content = {.model = made->model};
    made->model = NULL;
    const struct playbook *playbook = made->in_force->data.playbook;
    const struct model_rule *rule = &playbook->models[made->rule];
    struct model_fact fact = {.until_ms = made->until_ms,
                              .features = model_meaning(playbook, rule),
                              .was_in_force = !made->stands_by};
    return store_version(engine, rule->name, fact, &content, &made->version, error);
}

static enum status nothing_to_learn(const struct customer_data *data, const struct model_rule *rule,
                                    int64_t until_ms, const struct trainer_counts *counts,
                                    struct error *error) {
    struct text event = symbol_text(data->symbols, SYMBOL_EVENT, rule->event_type);
    struct buffer why;
    char until[32];
    time_format(until_ms, until);
    buffer_init(&why);
    enum status status = trainer_left_out_words(data, rule, counts, &why);
    if (status == STATUS_OK && counts->events == 0)
        status = error_set(error, STATUS_INVALID,
                           "model %.*s has nothing to learn from: there is no %.*s before %s; load "
                           "treatments and outcomes, or say a later --until",
                           TEXT_ARG(rule->name), TEXT_ARG(event), until);
    else if (status == STATUS_OK)
        status = error_set(error, STATUS_INVALID,
                           "model %.*s has nothing to learn from: of %llu %.*s before %s none is a "
                           "row.%.*s",
                           TEXT_ARG(rule->name), (unsigned long long)counts->events,
                           TEXT_ARG(event), until, TEXT_ARG(buffer_text(&why)));
    buffer_release(&why);
    return status;
}

/* Rows whose goal is always there, at the very time of the treatment, tell nothing. */
static bool says_nothing(const struct trainer_counts *counts) {
    return counts->rows > 0 && counts->coinciding == counts->rows;
}

static enum status train(const struct in_force *in_force, uint32_t rule, int64_t until_ms,
                         enum model_kind kind, struct work *work, struct trainer_counts *counted,
                         struct model **model, struct error *error) {
    const struct customer_data *data = &in_force->data;
    const struct model_rule *model_rule = &data->playbook->models[rule];
    const struct goal *goal = &data->playbook->goals[model_rule->goal];
    struct trainer_options options = {.from_ms = TIME_ALWAYS,
                                      .until_ms = until_ms,
                                      .matured_by_ms = until_ms,
                                      .threads = in_force->engine->threads,
                                      .work = work};
    struct learn_options learn = {.seed = 1, .label_delay_ms = goal->arrives_ms, .work = work};
    struct training_set *set = NULL;
    enum status status = trainer_collect(data, model_rule, &options, &set, NULL, counted, error);
    if (status == STATUS_OK && training_set_count(set) == 0) {
        status = nothing_to_learn(data, model_rule, until_ms, counted, error);
    } else if (status == STATUS_OK && says_nothing(counted)) {
        status = error_set(error, STATUS_INVALID,
                           "model %.*s has nothing to learn from: in all %llu rows the goal %.*s "
                           "happens at the very time of the treatment, so both are one event; let "
                           "the goal be what follows a treatment",
                           TEXT_ARG(model_rule->name), (unsigned long long)counted->rows,
                           TEXT_ARG(goal->name));
    }
    if (status == STATUS_OK) status = learner_of(kind)->learn(model, set, &learn, error);
    if (status == STATUS_OK && (status = work_check(work, error)) != STATUS_OK)
        model_destroy(*model); /* the last chance */
    training_set_destroy(set);
    return status;
}

/* As it is in force now. */
static void tell_model(struct engine *engine, struct text name, struct model_entry *out) {
    struct in_force *now = in_force_hold(engine);
    const struct playbook *playbook = now->data.playbook;
    *out = (struct model_entry){0};
    for (uint32_t i = 0; i < playbook->model_count; i++) {
        if (text_equal(playbook->models[i].name, name)) *out = now->model_entries[i];
    }
    in_force_drop(now);
}

/* Training holds what was in force when it began, so it may go on beside other playbooks. */
static enum status train_and_store(struct new_model *made, enum model_kind kind, struct work *work,
                                   struct trainer_counts *counts, struct error *error) {
    struct trainer_counts counted = {0};
    enum status status = train(made->in_force, made->rule, made->until_ms, kind, work, &counted,
                               &made->model, error);
    if (counts != NULL) *counts = counted;
    if (status != STATUS_OK) return status;
    status = applier_call(made->in_force->engine->applier, store_model, made, error);
    model_destroy(made->model); /* where the applier takes nothing */
    return status;
}

enum status engine_train(struct engine *engine, uint32_t rule, int64_t until_ms, struct work *work,
                         struct model_entry *out, struct trainer_counts *counts,
                         struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    struct new_model made = {.in_force = in_force, .rule = rule, .until_ms = until_ms};
    enum status status = train_and_store(&made, MODEL_ADDITIVE, work, counts, error);
    if (status == STATUS_OK && out != NULL)
        tell_model(engine, in_force->data.playbook->models[rule].name, out);
    model_version_drop(made.version);
    in_force_drop(in_force);
    return status;
}

enum status engine_train_challenger(struct engine *engine, uint32_t rule, enum model_kind kind,
                                    int64_t until_ms, struct work *work, struct model_version **out,
                                    struct trainer_counts *counts, struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    struct new_model made = {
        .in_force = in_force, .rule = rule, .until_ms = until_ms, .stands_by = true};
    enum status status = train_and_store(&made, kind, work, counts, error);
    *out = made.version;
    in_force_drop(in_force);
    return status;
}

const struct model *engine_model(const struct engine *engine, uint32_t rule,
                                 struct model_entry *entry) {
    const struct model_entry *found = &engine->own->model_entries[rule];
    if (entry != NULL && found->model != NULL) *entry = *found;
    return found->model;
}

bool engine_model_left_out(const struct engine *engine, uint32_t rule, struct model_entry *entry) {
    const struct model_entry *found = &engine->own->model_entries[rule];
    if (found->model != NULL || found->version == 0) return false;
    *entry = *found;
    return true;
}

bool engine_hindsight(const struct engine *engine, int64_t t_ms, struct model_entry *entry) {
    return in_force_hindsight(engine->own, t_ms, entry);
}

const struct model *const *engine_models(const struct engine *engine) {
    return engine->own->models;
}
