/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/trainer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "decide/left_out.h"
#include "decide/named_treatment.h"
#include "decide/said.h"
#include "profile/told_once.h"
#include "profile/walk.h"

#define ROWS_BYTES_MAX ((size_t)8 << 30)

struct collected_row {
    struct value *values;    /* in the part's arena: the rule's features, and room behind them */
    struct training_row row; /* of these values */
    struct trainer_row_id id;
    uint8_t channel;
    uint32_t at; /* the row of its customer's timeline: tells equal rows apart */
};

struct replaced {     /* an earlier version of an event */
    int64_t since_ms; /* a newer one stands in its place */
    int64_t time_ms, known_ms;
};

struct trainer_part {
    const struct customer_data *data;
    const struct model_rule *rule;
    const struct trainer_options *options;
    struct arena arena;
    struct collected_row *rows;
    size_t count, capacity;
    struct left_out left_out;
    struct replaced *replaced; /* of the customer at hand */
    size_t replaced_count, replaced_capacity;
    struct told_once told; /* messages of the customer at hand */
    bool reads_context;    /* one of the rule's features does */
    bool has_claims;       /* the customer at hand, for a rule without claims */
    bool is_unmoved;       /* nothing of the customer at hand is known since learnt_by_ms */
    struct said said;
};

/* ---- the features ---- */

/* What the feature behind the rule's own names, if there is one. */
enum own_feature { OWN_NONE, OWN_ACTION, OWN_ACTION_BY_CHANNEL };
static const struct feature own_features[] = {
    [OWN_ACTION] = {{"action", 6}, FEATURE_TEXT, true},
    [OWN_ACTION_BY_CHANNEL] = {{"action by channel", 17}, FEATURE_TEXT, true},
};

uint32_t trainer_rule_width(const struct model_rule *rule) {
    return rule->feature_count + rule->attribute_count;
}

static void fill_rule_features(const struct model_rule *rule, const struct value *traits,
                               const struct treatment *treatment, struct value *out) {
    for (uint32_t i = 0; i < rule->feature_count; i++) out[i] = traits[rule->features[i]];
    for (uint32_t i = 0; i < rule->attribute_count; i++) {
        out[rule->feature_count + i] =
            treatment ? treatment->attributes[rule->attributes[i]].value : value_unknown();
    }
}

/* Unknown where the names are too long to be told apart. */
static struct value own_value(const struct customer_data *data, enum own_feature own,
                              const struct treatment *treatment, uint32_t channel,
                              char bytes[LEARN_TEXT_BYTES_MAX]) {
    struct text action = treatment->action->name;
    if (own != OWN_ACTION_BY_CHANNEL) return value_text(action);
    int length = snprintf(bytes, LEARN_TEXT_BYTES_MAX, "%.*s by %.*s", TEXT_ARG(action),
                          TEXT_ARG(symbol_text(data->symbols, SYMBOL_CHANNEL, channel)));
    if (length < 0 || length >= LEARN_TEXT_BYTES_MAX) return value_unknown();
    return value_text((struct text){bytes, (uint32_t)length});
}

static enum own_feature own_of_model(const struct model *model, uint32_t width) {
    if (model_feature_count(model) <= width) return OWN_NONE;
    return text_equal(model_feature(model, width).name, own_features[OWN_ACTION].name)
               ? OWN_ACTION
               : OWN_ACTION_BY_CHANNEL;
}

/* What tells the rows apart: the channel does where one action has several. */
static enum own_feature own_of_rows(const struct playbook *playbook,
                                    const struct collected_row *rows, size_t count) {
    uint16_t channel_of[PLAYBOOK_ACTIONS_MAX] = {0}; /* and 1; 0: none yet */
    enum own_feature own = OWN_NONE;
    for (size_t i = 0; i < count; i++) {
        const struct action *action = rows[i].id.treatment->action;
        uint16_t *channel = &channel_of[action - playbook->actions];
        if (*channel != 0 && *channel != rows[i].channel + 1) return OWN_ACTION_BY_CHANNEL;
        *channel = (uint16_t)(rows[i].channel + 1);
        if (action != rows[0].id.treatment->action) own = OWN_ACTION;
    }
    return own;
}

void trainer_features(const struct customer_data *data, const struct model_rule *rule,
                      const struct model *model, const struct value *traits,
                      const struct treatment *treatment, char own_text[LEARN_TEXT_BYTES_MAX],
                      struct value *out) {
    uint32_t width = trainer_rule_width(rule);
    enum own_feature own = own_of_model(model, width);
    fill_rule_features(rule, traits, treatment, out);
    if (own != OWN_NONE) out[width] = own_value(data, own, treatment, treatment->channel, own_text);
}

/* ---- the rows ---- */

static enum status copy_values(struct arena *arena, struct value *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (values[i].type == VALUE_LIST) values[i] = value_unknown();
        if (values[i].type != VALUE_TEXT) continue;
        values[i].text = arena_text(arena, values[i].text);
        if (values[i].text.at == NULL) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

struct judged {
    const struct value *traits;
    const struct treatment *treatment;
    struct outcome_detail detail;
    int64_t t_ms;
    bool changed;
};

static int64_t latest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t known_of(const struct timeline *today, uint32_t row) {
    return today->known_ms != NULL ? today->known_ms[row] : today->time_ms[row];
}

static int compare_replaced(const void *left, const void *right) {
    int64_t a = ((const struct replaced *)left)->since_ms,
            b = ((const struct replaced *)right)->since_ms;
    return a < b ? -1 : a > b;
}

/* Events of the rule's type that corrections have replaced, by when they did; those of one moment
 * become one, with the earliest times among them. */
static enum status read_replaced(struct trainer_part *part, const struct timeline *today) {
    part->replaced_count = 0;
    for (uint32_t row = 0; today->superseded_ms != NULL && row < today->count; row++) {
        if (today->type[row] != part->rule->event_type || today->superseded_ms[row] == INT64_MAX)
            continue;
        enum status status = memory_grow((void **)&part->replaced, &part->replaced_capacity,
                                         part->replaced_count + 1, sizeof *part->replaced);
        if (status != STATUS_OK) return status;
        part->replaced[part->replaced_count++] =
            (struct replaced){today->superseded_ms[row], today->time_ms[row], known_of(today, row)};
    }
    if (part->replaced_count < 2) return STATUS_OK;
    qsort(part->replaced, part->replaced_count, sizeof *part->replaced, compare_replaced);
    size_t kept = 0;
    for (size_t i = 1; i < part->replaced_count; i++) {
        struct replaced *last = &part->replaced[kept], next = part->replaced[i];
        if (next.since_ms != last->since_ms) {
            part->replaced[++kept] = next;
            continue;
        }
        if (next.time_ms < last->time_ms) last->time_ms = next.time_ms;
        if (next.known_ms < last->known_ms) last->known_ms = next.known_ms;
    }
    part->replaced_count = kept + 1;
    return STATUS_OK;
}

/* The first time until which a training would have had the row, or the version of it that this one
 * corrected: the one is known from the moment on at which the other ceased to count. */
static int64_t first_until(const struct trainer_part *part, const struct timeline *today,
                           uint32_t row, int64_t matured_ms) {
    int64_t time_ms = today->time_ms[row], known_ms = known_of(today, row);
    int64_t first_ms = latest(latest(matured_ms, known_ms), time_ms + 1);
    struct replaced wanted = {.since_ms = known_ms};
    const struct replaced *old = part->replaced_count > 0
                                     ? bsearch(&wanted, part->replaced, part->replaced_count,
                                               sizeof wanted, compare_replaced)
                                     : NULL;
    if (old == NULL) return first_ms;
    int64_t old_ms =
        latest(latest(old->time_ms + (matured_ms - time_ms), old->known_ms), old->time_ms + 1);
    return old_ms < first_ms && old_ms < old->since_ms ? old_ms : first_ms;
}

static enum status keep_row(struct trainer_part *part, const struct timeline *today, uint32_t row,
                            const struct judged *judged) {
    enum status status =
        memory_grow((void **)&part->rows, &part->capacity, part->count + 1, sizeof *part->rows);
    if (status != STATUS_OK) return status;
    uint32_t width = trainer_rule_width(part->rule);
    struct value *values =
        arena_alloc(&part->arena, (width + TRAINER_OWN_FEATURES_MAX) * sizeof *values);
    if (values == NULL) return STATUS_NO_MEMORY;
    fill_rule_features(part->rule, judged->traits, judged->treatment, values);
    status = copy_values(&part->arena, values, width);
    if (status != STATUS_OK) return status;
    part->rows[part->count++] = (struct collected_row){
        .values = values,
        .row = {.values = values,
                .yes = judged->detail.outcome == OUTCOME_YES,
                .weight = 1,
                .time_ms = judged->t_ms,
                .horizon_ms = first_until(part, today, row, judged->detail.matured_ms),
                .group = today->customer.value},
        .id = {today->customer, judged->treatment, judged->t_ms, judged->changed},
        .channel = today->channel[row],
        .at = row,
    };
    return STATUS_OK;
}

/* The goal event that a row finds must not be the treatment itself: it would always be there. */
static bool is_itself_a_goal(const struct walker *walker, const struct timeline *today,
                             uint32_t row, const struct goal *goal, const struct judged *judged) {
    if (today->type[row] != goal->event_type) return false;
    if (goal->where == NULL) return true;
    struct value is =
        profile_eval_row(walker->profile, goal->where, row, today, judged->treatment, judged->t_ms);
    return is.type == VALUE_YES_NO && is.yes;
}

/* Which treatment of the rule's own is it? *out NULL, and counted why, where it is none. */
static enum status find_treatment(struct trainer_part *part, const struct timeline *today,
                                  uint32_t row, const struct treatment **out, struct error *error) {
    const struct playbook *playbook = part->data->playbook;
    struct trainer_counts *counts = &part->left_out.counts;
    enum status status =
        named_treatment(part->data, today, row, part->options->matured_by_ms, out, error);
    if (status != STATUS_OK) return status;
    if (*out == NULL) return left_out_add_name(&part->left_out, named_treatment_key(today, row));
    if ((*out)->action->model == (uint32_t)(part->rule - playbook->models)) return STATUS_OK;
    counts->of_others++;
    *out = NULL;
    return STATUS_OK;
}

/* The customer as known in the millisecond before the delivery. */
static enum status timeline_then(struct walker *walker, const struct timeline *today, uint32_t row,
                                 int64_t t_ms, const struct timeline **then, struct error *error) {
    static const struct timeline nobody;
    struct customer_id customer = past_customer_of_row(&walker->past, today, row, t_ms);
    enum status status = past_timeline(&walker->past, today, customer, t_ms, then, error);
    if (status != STATUS_NOT_FOUND) return status;
    *then = &nobody; /* nobody was known before this first contact: an empty timeline */
    return STATUS_OK;
}

/* Had the model learnt the row by learnt_by_ms? Then *changed tells whether its answer has changed.
 */
static bool was_learnt(const struct trainer_part *part, const struct walker *walker,
                       const struct timeline *today, uint32_t row, const struct judged *judged,
                       bool *changed) {
    int64_t learnt_ms = part->options->learnt_by_ms;
    *changed = false;
    if (learnt_ms == 0 || first_until(part, today, row, judged->detail.matured_ms) > learnt_ms)
        return false;
    struct outcome_detail then =
        outcome_of(walker->profile, today, &part->data->playbook->goals[part->rule->goal],
                   judged->treatment, judged->t_ms, learnt_ms);
    *changed = then.outcome != OUTCOME_OPEN && then.outcome != judged->detail.outcome;
    return true;
}

/* The same, told without asking anything of the customer: of a goal with a fixed horizon, where
 * nothing is known that was not known then. */
static bool was_surely_learnt(const struct trainer_part *part, const struct timeline *today,
                              uint32_t row) {
    const struct goal *goal = &part->data->playbook->goals[part->rule->goal];
    int64_t learnt_ms = part->options->learnt_by_ms;
    return part->is_unmoved && goal->until == NULL &&
           today->time_ms[row] <= learnt_ms - goal->within_ms - goal->arrives_ms - 1;
}

/* Is nothing of the customer known, or superseded, since the model has learnt? */
static bool is_unmoved(const struct trainer_part *part, const struct timeline *today) {
    int64_t learnt_ms = part->options->learnt_by_ms;
    if (learnt_ms == 0) return false;
    for (uint32_t row = 0; row < today->count; row++) {
        if (known_of(today, row) > learnt_ms) return false;
        if (today->superseded_ms == NULL || today->superseded_ms[row] == INT64_MAX) continue;
        if (today->superseded_ms[row] > learnt_ms) return false;
    }
    return true;
}

/* The features are those of the millisecond before the delivery, of the customer as known then. */
static enum status judge_row(struct trainer_part *part, struct walker *walker,
                             const struct timeline *today, uint32_t row, bool again,
                             struct error *error) {
    const struct trainer_options *options = part->options;
    struct trainer_counts *counts = &part->left_out.counts;
    struct judged judged = {.t_ms = today->time_ms[row] - 1};
    if (today->time_ms[row] < options->from_ms || today->time_ms[row] >= options->until_ms)
        return STATUS_OK;
    if (!timeline_known(today, row, options->matured_by_ms)) return STATUS_OK;
    counts->events++;
    enum status status = find_treatment(part, today, row, &judged.treatment, error);
    if (status != STATUS_OK || judged.treatment == NULL) return status;
    if (again || part->has_claims) {
        *(again ? &counts->again : &counts->of_claims) += 1;
        return STATUS_OK;
    }
    if (was_surely_learnt(part, today, row)) {
        counts->learnt++;
        return STATUS_OK;
    }
    const struct timeline *then;
    status = timeline_then(walker, today, row, judged.t_ms, &then, error);
    if (status != STATUS_OK) return status;
    if (part->reads_context) status = said_at_row(&part->said, today, row, walker->profile);
    if (status != STATUS_OK) return status;
    profile_at(walker->profile, then, judged.t_ms); /* before the outcome: a goal may read traits */
    judged.traits = profile_with(walker->profile, judged.treatment);
    const struct goal *goal = &part->data->playbook->goals[part->rule->goal];
    if (is_itself_a_goal(walker, today, row, goal, &judged)) {
        counts->itself++;
        return STATUS_OK;
    }
    judged.detail = outcome_of(walker->profile, today, goal, judged.treatment, judged.t_ms,
                               options->matured_by_ms);
    if (judged.detail.matured_ms > options->matured_by_ms) {
        *(judged.detail.matured_ms >= TIME_NEVER ? &counts->endless : &counts->open) += 1;
        return STATUS_OK;
    }
    if (was_learnt(part, walker, today, row, &judged, &judged.changed) && !judged.changed) {
        counts->learnt++;
        return STATUS_OK;
    }
    counts->rows++;
    if (judged.detail.outcome == OUTCOME_YES) {
        counts->reached++;
        counts->coinciding += judged.detail.first_ms == today->time_ms[row];
    }
    return keep_row(part, today, row, &judged);
}

/* On a page, what was shown without a decision is an impression each time. */
static bool is_impression(const struct trainer_part *part, const struct timeline *today,
                          uint32_t row) {
    struct text packed;
    struct messaging messaging =
        playbook_messaging(part->data->playbook, part->data->symbols, today->channel[row]);
    return messaging.inbound && (today->ops->packed(today, row, &packed) != STATUS_OK ||
                                 packed_find(packed, PROPERTY_DECISION).type != VALUE_TEXT);
}

/* Did an earlier event tell of the same message? Also one from before the rows that are asked for.
 */
static enum status is_told_again(struct trainer_part *part, const struct timeline *today,
                                 uint32_t row, bool *again) {
    *again = false;
    if (!event_is_treatment(today->type[row]) || is_impression(part, today, row) ||
        !timeline_known(today, row, part->options->matured_by_ms))
        return STATUS_OK;
    struct text treatment = named_treatment_key(today, row);
    if (treatment.length == 0) return STATUS_OK;
    return told_once_add(&part->told, part->data, today, row, treatment, again);
}

/* Of the customer whose rows follow the first `before`. */
static uint64_t count_hindsight(const struct trainer_part *part, const struct timeline *today,
                                size_t before) {
    if (today->superseded_ms == NULL || part->count == before) return 0;
    uint32_t end = timeline_upper_bound(today, part->rows[part->count - 1].row.time_ms);
    uint64_t count = 0;
    for (uint32_t row = 0; row < end; row++) {
        count += today->superseded_ms[row] <= known_of(today, row);
    }
    return count;
}

/* Does anything on the timeline count for this customer by a claim of a public source? */
static bool has_claims(const struct trainer_part *part, const struct walker *walker,
                       const struct timeline *today) {
    const struct customer_data *data = part->data;
    struct as_of as_of = {part->options->matured_by_ms, walker->past.request.as_of.position};
    uint32_t before = ID_NONE;
    if (data->trust_of_persona == NULL || today->persona == NULL) return false;
    for (uint32_t row = 0; row < today->count; row++) {
        if (today->persona[row] == before) continue;
        before = today->persona[row];
        if (data->trust_of_persona(data->context, (struct persona_id){before}, as_of) ==
            PERSONA_CLAIMED)
            return true;
    }
    return false;
}

static enum status visit_customer(void *state, struct walker *walker, const struct timeline *today,
                                  struct error *error) {
    struct trainer_part *part = state;
    size_t before = part->count;
    enum status status = read_replaced(part, today);
    told_once_clear(&part->told);
    if (status != STATUS_OK) return status;
    part->is_unmoved = is_unmoved(part, today);
    part->has_claims = part->rule->without_claims && has_claims(part, walker, today);
    for (uint32_t row = 0; row < today->count; row++) {
        bool again;
        if (today->type[row] != part->rule->event_type) continue;
        status = is_told_again(part, today, row, &again);
        if (status == STATUS_OK) status = judge_row(part, walker, today, row, again, error);
        if (status != STATUS_OK) return status;
    }
    part->left_out.counts.corrected_later += count_hindsight(part, today, before);
    return STATUS_OK;
}

static int compare_rows(const void *left, const void *right) {
    const struct trainer_row_id *a = &((const struct collected_row *)left)->id;
    const struct trainer_row_id *b = &((const struct collected_row *)right)->id;
    if (a->t_ms != b->t_ms) return a->t_ms < b->t_ms ? -1 : 1;
    if (a->customer.value != b->customer.value)
        return a->customer.value < b->customer.value ? -1 : 1;
    int order = text_compare(a->treatment->key, b->treatment->key);
    if (order != 0) return order;
    uint32_t at = ((const struct collected_row *)left)->at,
             other = ((const struct collected_row *)right)->at;
    return at < other ? -1 : at > other;
}

static struct feature feature_of(struct text name, enum value_type type) {
    return (struct feature){.name = name,
                            .kind = type == VALUE_TEXT ? FEATURE_TEXT : FEATURE_NUMBER};
}

static void fill_features(const struct customer_data *data, const struct model_rule *rule,
                          enum own_feature own, struct feature *features) {
    for (uint32_t i = 0; i < rule->feature_count; i++) {
        const struct trait *trait = &data->playbook->traits[rule->features[i]];
        features[i] = feature_of(trait->name, trait->type);
    }
    for (uint32_t i = 0; i < rule->attribute_count; i++) {
        const struct attribute_rule *attribute = &data->playbook->attributes[rule->attributes[i]];
        features[rule->feature_count + i] = feature_of(attribute->name, attribute->type);
    }
    if (own != OWN_NONE) features[trainer_rule_width(rule)] = own_features[own];
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

static enum status check_width(const struct model_rule *rule, uint32_t own, struct error *error) {
    uint32_t width = trainer_rule_width(rule);
    if (width + own <= LEARN_FEATURES_MAX) return STATUS_OK;
    return error_set(error, STATUS_LIMIT,
                     "model %.*s has %u features; the limit is %d (LEARN_FEATURES_MAX)",
                     TEXT_ARG(rule->name), width + own, LEARN_FEATURES_MAX);
}

static enum status add_rows(const struct trainer_part *part, struct training_set *set,
                            struct collected_row *rows, size_t count, enum own_feature own) {
    uint32_t width = trainer_rule_width(part->rule);
    char bytes[LEARN_TEXT_BYTES_MAX];
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (own != OWN_NONE)
            rows[i].values[width] =
                own_value(part->data, own, rows[i].id.treatment, rows[i].channel, bytes);
        status = training_set_add(set, &rows[i].row);
    }
    return status;
}

static enum status make_set(const struct trainer_part *part, struct collected_row *rows,
                            size_t count, struct training_set **out, struct trainer_row_id **ids,
                            struct error *error) {
    struct feature features[LEARN_FEATURES_MAX];
    const struct model *model = part->options->model;
    uint32_t width = trainer_rule_width(part->rule);
    enum own_feature own =
        model != NULL ? own_of_model(model, width) : own_of_rows(part->data->playbook, rows, count);
    enum status status = check_width(part->rule, own != OWN_NONE, error);
    if (status != STATUS_OK) return status;
    fill_features(part->data, part->rule, own, features);
    status = training_set_create(out, features, width + (own != OWN_NONE));
    if (status != STATUS_OK) return status;
    status = add_rows(part, *out, rows, count, own);
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
    if (status == STATUS_OK) status = make_set(&parts[0], rows, count, out, ids, error);
    memory_free(rows);
    return status;
}

static enum status count_all(struct trainer_part *parts, uint32_t threads,
                             struct trainer_counts *counts) {
    enum status status = STATUS_OK;
    for (uint32_t i = 1; i < threads && status == STATUS_OK; i++)
        status = left_out_merge(&parts[0].left_out, &parts[i].left_out);
    return status == STATUS_OK ? left_out_conclude(&parts[0].left_out, counts) : status;
}

enum status trainer_collect(const struct customer_data *data, const struct model_rule *rule,
                            const struct trainer_options *options, struct training_set **out,
                            struct trainer_row_id **ids, struct trainer_counts *counts,
                            struct error *error) {
    *out = NULL;
    enum status status = check_width(rule, 0, error);
    if (status != STATUS_OK) return status;
    struct trainer_part parts[WALK_THREADS_MAX];
    void *states[WALK_THREADS_MAX];
    uint32_t threads = options->threads == 0 ? 1 : options->threads;
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    for (uint32_t i = 0; i < threads; i++) {
        parts[i] = (struct trainer_part){.data = data, .rule = rule, .options = options};
        arena_init(&parts[i].arena, ROWS_BYTES_MAX);
        said_init(&parts[i].said, data);
        parts[i].reads_context = said_is_asked(data, rule->features, rule->feature_count);
        states[i] = &parts[i];
    }
    struct walk_plan plan = {
        .data = data,
        .as_of = {options->matured_by_ms, POSITION_NOW},
        .all_times = true,
        .threads = threads,
        .visit = visit_customer,
        .parts = states,
        .work = options->work,
    };
    work_step(options->work, "customers searched for treatments", 0);
    status = collect(&plan, parts, out, ids, error);
    if (status == STATUS_OK && counts != NULL) {
        status = count_all(parts, threads, counts);
        if (status != STATUS_OK) {
            training_set_destroy(*out);
            *out = NULL;
        }
    }
    for (uint32_t i = 0; i < threads; i++) {
        left_out_release(&parts[i].left_out);
        said_release(&parts[i].said);
        told_once_release(&parts[i].told);
        memory_free(parts[i].replaced);
        arena_release(&parts[i].arena);
        memory_free(parts[i].rows);
    }
    return status;
}
