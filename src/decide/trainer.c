/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/trainer.h"

#include <stdlib.h>

#include "base/memory.h"
#include "decide/named_treatment.h"
#include "profile/walk.h"

#define ROWS_BYTES_MAX ((size_t)8 << 30)

struct collected_row {
    struct training_row row; /* values in the part's arena */
    struct trainer_row_id id;
};

struct trainer_part {
    const struct world *world;
    const struct model_rule *rule;
    const struct trainer_options *options;
    struct arena arena;
    struct collected_row *rows;
    size_t count, capacity;
};

static uint32_t width_of(const struct model_rule *rule) {
    return rule->feature_count + rule->attribute_count;
}

void trainer_features(const struct world *world, const struct model_rule *rule,
                      const struct value *traits, const struct treatment *treatment,
                      struct value *out) {
    (void)world;
    for (uint32_t i = 0; i < rule->feature_count; i++) out[i] = traits[rule->features[i]];
    for (uint32_t i = 0; i < rule->attribute_count; i++) {
        out[rule->feature_count + i] =
            treatment ? treatment->attributes[rule->attributes[i]].value : value_unknown();
    }
}

static enum status copy_values(struct arena *arena, struct value *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (values[i].type == VALUE_LIST) values[i] = value_unknown();
        if (values[i].type != VALUE_TEXT) continue;
        values[i].text = arena_text(arena, values[i].text);
        if (values[i].text.at == NULL) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static enum status keep_row(struct trainer_part *part, const struct value *traits,
                            const struct treatment *treatment, const struct outcome_detail *detail,
                            struct customer_id customer, int64_t t_ms) {
    enum status status =
        memory_grow((void **)&part->rows, &part->capacity, part->count + 1, sizeof *part->rows);
    if (status != STATUS_OK) return status;
    uint32_t width = width_of(part->rule);
    struct value *values = arena_alloc(&part->arena, (width + 1) * sizeof *values);
    if (values == NULL) return STATUS_NO_MEMORY;
    trainer_features(part->world, part->rule, traits, treatment, values);
    status = copy_values(&part->arena, values, width);
    if (status != STATUS_OK) return status;
    part->rows[part->count++] = (struct collected_row){
        .row = {.values = values,
                .yes = detail->outcome == OUTCOME_YES,
                .weight = 1,
                .time_ms = t_ms,
                .horizon_ms = detail->matured_ms,
                .group = customer.value},
        .id = {customer, treatment, t_ms},
    };
    return STATUS_OK;
}

/* The features are those of the millisecond before the delivery, of the customer as known then. */
static enum status judge_row(struct trainer_part *part, struct walker *walker,
                             const struct timeline *today, uint32_t row, struct error *error) {
    const struct trainer_options *options = part->options;
    int64_t t_ms = today->time_ms[row] - 1;
    if (today->time_ms[row] < options->from_ms || today->time_ms[row] >= options->until_ms)
        return STATUS_OK;
    if (!timeline_known(today, row, options->matured_by_ms)) return STATUS_OK;
    const struct treatment *treatment;
    enum status status =
        named_treatment(part->world, today, row, options->matured_by_ms, &treatment, error);
    if (status != STATUS_OK || treatment == NULL) return status;
    struct customer_id customer = past_customer_of_row(&walker->past, today, row, t_ms);
    const struct timeline *then;
    status = past_timeline(&walker->past, today, customer, t_ms, &then, error);
    /* Nobody was known before this first contact: an empty timeline. */
    if (status == STATUS_NOT_FOUND) {
        static const struct timeline nobody;
        then = &nobody;
        status = STATUS_OK;
    }
    if (status != STATUS_OK) return status;
    profile_at(walker->profiler, then, t_ms); /* before the outcome: a goal may read traits */
    const struct value *traits = profile_with(walker->profiler, treatment);
    const struct goal *goal = &part->world->playbook->goals[part->rule->goal];
    struct outcome_detail detail =
        outcome_of(walker->profiler, today, goal, treatment, t_ms, options->matured_by_ms);
    if (detail.matured_ms > options->matured_by_ms) return STATUS_OK;
    return keep_row(part, traits, treatment, &detail, today->customer, t_ms);
}

static enum status visit_customer(void *state, struct walker *walker, const struct timeline *today,
                                  struct error *error) {
    struct trainer_part *part = state;
    for (uint32_t row = 0; row < today->count; row++) {
        if (today->type[row] != part->rule->event_type) continue;
        enum status status = judge_row(part, walker, today, row, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static int compare_rows(const void *left, const void *right) {
    const struct trainer_row_id *a = &((const struct collected_row *)left)->id;
    const struct trainer_row_id *b = &((const struct collected_row *)right)->id;
    if (a->t_ms != b->t_ms) return a->t_ms < b->t_ms ? -1 : 1;
    if (a->customer.value != b->customer.value)
        return a->customer.value < b->customer.value ? -1 : 1;
    return text_compare(a->treatment->key, b->treatment->key);
}

static enum status fill_features(const struct world *world, const struct model_rule *rule,
                                 struct feature *features) {
    for (uint32_t i = 0; i < rule->feature_count; i++) {
        const struct trait *trait = &world->playbook->traits[rule->features[i]];
        features[i] = (struct feature){trait->name,
                                       trait->type == VALUE_TEXT ? FEATURE_TEXT : FEATURE_NUMBER};
    }
    for (uint32_t i = 0; i < rule->attribute_count; i++) {
        const struct attribute_rule *attribute = &world->playbook->attributes[rule->attributes[i]];
        features[rule->feature_count + i] = (struct feature){
            attribute->name, attribute->type == VALUE_TEXT ? FEATURE_TEXT : FEATURE_NUMBER};
    }
    return STATUS_OK;
}

static enum status merge_parts(struct trainer_part *parts, uint32_t count,
                               struct collected_row **out, size_t *total) {
    size_t rows = 0;
    for (uint32_t i = 0; i < count; i++) rows += parts[i].count;
    struct collected_row *all = memory_calloc(rows + 1, sizeof *all);
    if (all == NULL) return STATUS_NO_MEMORY;
    *total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (parts[i].count > 0) memcpy(all + *total, parts[i].rows, parts[i].count * sizeof *all);
        *total += parts[i].count;
    }
    qsort(all, rows, sizeof *all, compare_rows);
    *out = all;
    return STATUS_OK;
}

static enum status make_set(const struct world *world, const struct model_rule *rule,
                            const struct collected_row *rows, size_t count,
                            struct training_set **out, struct trainer_row_id **ids) {
    struct feature features[LEARN_FEATURES_MAX];
    enum status status = fill_features(world, rule, features);
    if (status == STATUS_OK) status = training_set_create(out, features, width_of(rule));
    if (status != STATUS_OK) return status;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = training_set_add(*out, &rows[i].row);
    if (status == STATUS_OK && ids != NULL) {
        *ids = memory_calloc(count + 1, sizeof **ids);
        if (*ids == NULL) status = STATUS_NO_MEMORY;
        for (size_t i = 0; i < count && status == STATUS_OK; i++) (*ids)[i] = rows[i].id;
    }
    if (status != STATUS_OK) {
        training_set_destroy(*out);
        *out = NULL;
    }
    return status;
}

static enum status collect(const struct walk_plan *plan, struct trainer_part *parts,
                           struct training_set **out, struct trainer_row_id **ids,
                           struct error *error) {
    enum status status = walk_customers(plan, error);
    if (status != STATUS_OK) return status;
    struct collected_row *rows = NULL;
    size_t count = 0;
    status = merge_parts(parts, plan->threads, &rows, &count);
    if (status == STATUS_OK) status = make_set(plan->world, parts[0].rule, rows, count, out, ids);
    memory_free(rows);
    return status;
}

enum status trainer_collect(const struct world *world, const struct model_rule *rule,
                            const struct trainer_options *options, struct training_set **out,
                            struct trainer_row_id **ids, struct error *error) {
    if (width_of(rule) > LEARN_FEATURES_MAX) {
        return error_set(error, STATUS_LIMIT,
                         "model %.*s has %u features; the limit is %d (LEARN_FEATURES_MAX)",
                         TEXT_ARG(rule->name), width_of(rule), LEARN_FEATURES_MAX);
    }
    struct trainer_part parts[WALK_THREADS_MAX];
    void *states[WALK_THREADS_MAX];
    uint32_t threads = options->threads == 0 ? 1 : options->threads;
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    for (uint32_t i = 0; i < threads; i++) {
        parts[i] = (struct trainer_part){.world = world, .rule = rule, .options = options};
        arena_init(&parts[i].arena, ROWS_BYTES_MAX);
        states[i] = &parts[i];
    }
    struct walk_plan plan = {
        .world = world,
        .as_of = {options->matured_by_ms, POSITION_NOW},
        .all_times = true,
        .threads = threads,
        .visit = visit_customer,
        .parts = states,
    };
    *out = NULL;
    enum status status = collect(&plan, parts, out, ids, error);
    for (uint32_t i = 0; i < threads; i++) {
        arena_release(&parts[i].arena);
        memory_free(parts[i].rows);
    }
    return status;
}
