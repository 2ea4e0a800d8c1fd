/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model_versions.h"

#include "base/memory.h"
#include "engine/engine_internal.h"

/* ---- facts ---- */

enum status model_facts_reserve(struct named_model *named) {
    return memory_grow((void **)&named->versions, &named->version_capacity,
                       named->version_count + 1, sizeof *named->versions);
}

void model_facts_add(struct named_model *named, const struct model_fact *fact) {
    size_t at = named->version_count;
    while (at > 0 && named->versions[at - 1].version > fact->version) at--;
    if (at > 0 && named->versions[at - 1].version == fact->version) {
        named->versions[at - 1].was_in_force |= fact->was_in_force;
        return;
    }
    memmove(named->versions + at + 1, named->versions + at,
            (named->version_count - at) * sizeof *named->versions);
    named->versions[at] = *fact;
    named->version_count++;
}

const struct model_fact *model_fact_find(const struct named_model *named, uint32_t version) {
    for (size_t i = 0; i < named->version_count; i++) {
        if (named->versions[i].version == version) return &named->versions[i];
    }
    return NULL;
}

uint32_t model_version_next(const struct named_model *named) {
    size_t count = named->version_count;
    return count > 0 ? named->versions[count - 1].version + 1 : 1;
}

/* What the log says of a rule's model, copied by the applier: others may be training. */
struct facts_copy {
    struct text name;
    struct model_fact now, *versions;
    size_t count;
};

static enum status copy_facts(struct engine *engine, void *context, struct error *error) {
    struct facts_copy *copy = context;
    (void)error;
    const struct named_model *named = model_named(engine, copy->name, false);
    size_t count = named != NULL ? named->version_count : 0;
    copy->versions = memory_alloc((count + 1) * sizeof *copy->versions);
    if (copy->versions == NULL) return STATUS_NO_MEMORY;
    copy->count = count;
    if (named == NULL) return STATUS_OK;
    copy->now = named->now;
    if (count > 0) memcpy(copy->versions, named->versions, count * sizeof *copy->versions);
    return STATUS_OK;
}

static enum status read_facts(struct engine *engine, struct text name, struct facts_copy *out,
                              struct error *error) {
    *out = (struct facts_copy){.name = name};
    return engine->read_only ? copy_facts(engine, out, error)
                             : applier_call(engine->applier, copy_facts, out, error);
}

/* ---- the list ---- */

static enum status list_version(struct engine *engine, const struct in_force *in_force,
                                const struct model_rule *rule, const struct facts_copy *facts,
                                const struct model_fact *fact, struct listed_version *out,
                                struct error *error) {
    char name[SYMBOL_BYTES_MAX + 1] = "";
    memcpy(name, rule->name.at, rule->name.length);
    *out = (struct listed_version){.in_force = fact->version == facts->now.version,
                                   .was_in_force = fact->was_in_force};
    struct error why = {0};
    enum status status = model_version_try(&out->version, engine, name, fact, &why);
    if (status != STATUS_OK) {
        *error = why;
        return status;
    }
    out->fits = model_suits(in_force->data.playbook, rule, out->version);
    return STATUS_OK;
}

enum status model_versions_list(struct engine *engine, uint32_t rule, struct listed_version **out,
                                size_t *count, struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    const struct model_rule *of = &in_force->data.playbook->models[rule];
    struct facts_copy facts;
    struct listed_version *list = NULL;
    size_t made = 0;
    enum status status = read_facts(engine, of->name, &facts, error);
    if (status == STATUS_OK && (list = memory_calloc(facts.count + 1, sizeof *list)) == NULL)
        status = STATUS_NO_MEMORY;
    for (size_t i = 0; i < facts.count && status == STATUS_OK; i++) {
        status = list_version(engine, in_force, of, &facts, &facts.versions[i], &list[i], error);
        made += status == STATUS_OK;
    }
    memory_free(facts.versions);
    in_force_drop(in_force);
    if (status != STATUS_OK) {
        model_versions_release(list, made);
        return status;
    }
    *out = list;
    *count = made;
    return STATUS_OK;
}

void model_versions_release(struct listed_version *versions, size_t count) {
    for (size_t i = 0; i < count; i++) model_version_drop(versions[i].version);
    memory_free(versions);
}

/* ---- promoting ---- */

static enum status no_such_version(struct text name, uint32_t version,
                                   const struct facts_copy *facts, struct error *error) {
    uint32_t last = facts->count > 0 ? facts->versions[facts->count - 1].version : 0;
    if (last == 0)
        return error_set(error, STATUS_NOT_FOUND,
                         "model %.*s has no version yet; attune train %.*s", TEXT_ARG(name),
                         TEXT_ARG(name));
    return error_set(error, STATUS_NOT_FOUND,
                     "there is no %.*s@%u; the newest is %.*s@%u, attune models lists them",
                     TEXT_ARG(name), version, TEXT_ARG(name), last);
}

/* Reads the version asked for, and says why it cannot be promoted, where it cannot. */
static enum status read_challenger(struct engine *engine, const struct in_force *in_force,
                                   const struct promote_options *options,
                                   const struct facts_copy *facts, struct promotion *out,
                                   struct error *error) {
    const struct model_rule *rule = &in_force->data.playbook->models[options->rule];
    const struct model_fact *fact = NULL;
    char name[SYMBOL_BYTES_MAX + 1] = "";
    memcpy(name, rule->name.at, rule->name.length);
    for (size_t i = 0; i < facts->count; i++) {
        if (facts->versions[i].version == options->version) fact = &facts->versions[i];
    }
    if (fact == NULL) return no_such_version(rule->name, options->version, facts, error);
    out->is_back = fact->was_in_force;
    enum status status = model_version_try(&out->version, engine, name, fact, error);
    if (status != STATUS_OK) return status;
    if (out->version->model == NULL) return STATUS_NOT_FOUND; /* and the error says why */
    if (!model_suits(in_force->data.playbook, rule, out->version))
        return error_set(error, STATUS_INVALID,
                         "%s@%u was trained for another goal or other traits than the playbook's, "
                         "so it would score nonsense; train one that fits: attune train %s",
                         name, options->version, name);
    if (facts->now.version == options->version)
        return error_set(error, STATUS_INVALID, "%s@%u is in force already", name,
                         options->version);
    return STATUS_OK;
}

static enum status compare(struct in_force *in_force, const struct promote_options *options,
                           struct promotion *out, struct error *error) {
    const struct model_entry *champion = &in_force->model_entries[options->rule];
    if (champion->model == NULL) return STATUS_OK;
    struct comparison_options of = {
        .rule = options->rule,
        .challenger = {out->version->model, out->version->until_ms},
        .champion = {champion->model, champion->until_ms},
        .from_ms = options->from_ms,
        .until_ms = options->until_ms,
        .threads = engine_threads(in_force->engine),
        .work = options->work,
    };
    out->has_evidence = true;
    return comparison_make(&in_force->data, &of, &out->comparison, error);
}

struct promoting {
    struct model_version *version;
    uint32_t before;
};

/* The applier's. What was compared must still be in force: another version may have come. */
static enum status promote(struct engine *engine, void *context, struct error *error) {
    const struct promoting *promoting = context;
    struct named_model *named = model_named(engine, text_from(promoting->version->name), false);
    const struct model_fact *fact =
        named != NULL ? model_fact_find(named, promoting->version->version) : NULL;
    if (fact == NULL || named->now.version != promoting->before)
        return error_set(error, STATUS_BUSY,
                         "another version of %s was put in force meanwhile; promote again",
                         promoting->version->name);
    struct model_fact now = *fact;
    now.was_in_force = true;
    return model_put_in_force(engine, named, &now, promoting->version, error);
}

enum status engine_promote(struct engine *engine, const struct promote_options *options,
                           struct promotion *out, struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    struct text name = in_force->data.playbook->models[options->rule].name;
    struct facts_copy facts;
    *out = (struct promotion){0};
    enum status status = read_facts(engine, name, &facts, error);
    if (status == STATUS_OK)
        status = read_challenger(engine, in_force, options, &facts, out, error);
    out->before = facts.now.version;
    if (status == STATUS_OK) status = compare(in_force, options, out, error);
    bool may = options->anyway || out->is_back || !out->has_evidence ||
               out->comparison.verdict == COMPARISON_BETTER;
    struct promoting promoting = {out->version, out->before};
    if (status == STATUS_OK && may) {
        status = applier_call(engine->applier, promote, &promoting, error);
        out->promoted = status == STATUS_OK;
    }
    memory_free(facts.versions);
    in_force_drop(in_force);
    return status;
}

void promotion_release(struct promotion *promotion) {
    model_version_drop(promotion->version);
    promotion->version = NULL;
}
