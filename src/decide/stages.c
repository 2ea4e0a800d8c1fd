/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "decide/decide_internal.h"
#include "decide/trainer.h"

#define PRIOR_TREATMENTS CHOICE_PRIOR_ROWS

const char *stage_name(enum stage stage) {
    static const char *const names[STAGE_COUNT] = {
        "available",        "consent",    "eligible",    "applicable", "suitable",
        "contact policies", "propensity", "arbitration", "placement",  "offered",
    };
    return stage < STAGE_COUNT ? names[stage] : "?";
}

static struct verdict pass(void) {
    return (struct verdict){.passes = true};
}

static struct verdict by_value(struct value is) {
    return (struct verdict){.passes = is.type == VALUE_YES_NO && is.yes,
                            .unknown = !value_is_known(is)};
}

static struct verdict by_condition(struct profile *profile, const struct expr_program *condition) {
    if (condition == NULL) return pass();
    struct verdict verdict = by_value(profile_eval(profile, condition));
    verdict.limited = profile_eval_limited(profile);
    return verdict;
}

/* Read from the timeline once a decision. */
static struct value permit_of(struct decider *decider, const struct timeline *timeline,
                              int64_t t_ms, struct permit asked) {
    for (uint32_t i = 0; i < decider->permit_count; i++) {
        const struct permit *permit = &decider->permits[i];
        if (permit->channel == asked.channel && text_equal(permit->purpose, asked.purpose) &&
            text_equal(permit->programme, asked.programme))
            return permit->is;
    }
    asked.is = asked.purpose.length > 0
                   ? profile_consent(decider->profile, timeline, t_ms, asked.purpose)
                   : profile_opt_in(decider->profile, timeline, t_ms, asked.channel,
                                    asked.programme, (struct text){0});
    if (decider->permit_count < decider->permits_max)
        decider->permits[decider->permit_count++] = asked;
    return asked.is;
}

static struct value consent_to(struct decider *decider, const struct timeline *timeline,
                               int64_t t_ms, struct text purpose) {
    struct permit asked = {.purpose = purpose, .channel = SYMBOL_NONE};
    return permit_of(decider, timeline, t_ms, asked);
}

static struct value opt_in_for(struct decider *decider, const struct timeline *timeline,
                               int64_t t_ms, const struct treatment *treatment) {
    struct permit asked = {.channel = treatment->channel,
                           .programme = treatment->action->programme};
    return permit_of(decider, timeline, t_ms, asked);
}

/* Was it held when the decision was made that is now made again? */
static bool was_held(const struct value *held, bool is_purpose, struct text name) {
    struct list_reader reader;
    struct value ignored;
    if (list_reader_init(&reader, *held) != STATUS_OK) return false;
    while (list_next(&reader, &ignored) == STATUS_OK) {
        struct value word = list_field(&reader, is_purpose ? PROPERTY_PURPOSE : PROPERTY_CHANNEL);
        if (word.type == VALUE_TEXT && text_equal(word.text, name)) return true;
    }
    return false;
}

static void note_held(struct decider *decider, bool is_purpose, struct text name) {
    for (uint32_t i = 0; i < decider->held_count; i++) {
        if (decider->held[i].is_purpose == is_purpose && text_equal(decider->held[i].name, name))
            return;
    }
    /* Without memory the record lacks the word, and the decision can't be made again. */
    if (memory_grow((void **)&decider->held, &decider->held_capacity,
                    (size_t)decider->held_count + 1, sizeof *decider->held) == STATUS_OK)
        decider->held[decider->held_count++] = (struct held_word){is_purpose, name};
}

static bool is_held(struct decider *decider, const struct timeline *timeline, struct text purpose,
                    struct text channel) {
    const struct customer_data *data = decider->data;
    bool is_purpose = purpose.length > 0;
    struct text name = is_purpose ? purpose : channel;
    bool held =
        decider->held_as != NULL
            ? was_held(decider->held_as, is_purpose, name)
            : data->held != NULL && data->held(data->context, timeline->customer, purpose, channel);
    if (held) note_held(decider, is_purpose, name);
    return held;
}

/* A yes counts only while nothing waits that may take it back. */
static struct verdict by_purpose(struct decider *decider, const struct timeline *timeline,
                                 int64_t t_ms, struct text purpose) {
    struct verdict verdict = by_value(consent_to(decider, timeline, t_ms, purpose));
    verdict.held = verdict.passes && is_held(decider, timeline, purpose, (struct text){0});
    verdict.passes = verdict.passes && !verdict.held;
    return verdict;
}

/* Everything that needs the customer's word: the action's purpose, its sensitive topic, and
 * `never_without` policies. */
static struct verdict by_consent(struct decider *decider, const struct timeline *timeline,
                                 int64_t t_ms, const struct treatment *treatment) {
    const struct playbook *playbook = decider->data->playbook;
    const struct action *action = treatment->action;
    const struct text purposes[] = {action->purpose, action->topic};
    struct text channel = symbol_text(decider->data->symbols, SYMBOL_CHANNEL, treatment->channel);
    if (is_held(decider, timeline, (struct text){0}, channel))
        return (struct verdict){.held = true};
    for (size_t i = 0; i < 2; i++) {
        if (purposes[i].length == 0) continue;
        struct verdict verdict = by_purpose(decider, timeline, t_ms, purposes[i]);
        verdict.purpose = purposes[i];
        if (!verdict.passes) return verdict;
    }
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        const struct policy *policy = &playbook->policies[i];
        if (policy->kind != POLICY_NEVER_WITHOUT || !policy_applies(policy, treatment)) continue;
        struct verdict verdict = pass();
        if (policy->needs_opt_in) {
            verdict = by_value(opt_in_for(decider, timeline, t_ms, treatment));
        }
        if (verdict.passes && policy->purpose.length > 0) {
            verdict = by_purpose(decider, timeline, t_ms, policy->purpose);
        }
        verdict.policy = policy;
        if (!verdict.passes) return verdict;
    }
    return pass();
}

bool treatment_needs_opt_in(const struct playbook *playbook, const struct treatment *treatment) {
    for (uint32_t i = 0; i < playbook->policy_count; i++) {
        const struct policy *policy = &playbook->policies[i];
        if (policy->kind == POLICY_NEVER_WITHOUT && policy->needs_opt_in &&
            policy_applies(policy, treatment))
            return true;
    }
    return false;
}

void verdict_of_contact(const struct contact_verdict *contact, int64_t t_ms, struct verdict *out) {
    *out = (struct verdict){
        .passes = contact->blocking == NULL,
        .policy = contact->blocking,
        .standing = contact->standing,
        .free_at_ms = contact->blocking == NULL ? 0 : contact->free_at_ms,
        .send_after_ms = contact->send_after_ms > t_ms ? contact->send_after_ms : 0,
        .limited = contact->blocking != NULL && contact->standing.cut,
    };
}

static enum status by_contact(struct decider *decider, const struct treatment *treatment,
                              int64_t t_ms, struct verdict *out) {
    struct contact_verdict contact;
    enum status status = contact_check(&decider->history, treatment, t_ms, &contact);
    if (status == STATUS_OK) verdict_of_contact(&contact, t_ms, out);
    return status;
}

enum status stage_judge(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                        const struct treatment *treatment, enum stage stage, struct verdict *out) {
    const struct action *action = treatment->action;
    *out = pass();
    switch (stage) {
    case STAGE_AVAILABLE: *out = by_condition(decider->profile, action->available); break;
    case STAGE_CONSENT: *out = by_consent(decider, timeline, t_ms, treatment); break;
    case STAGE_ELIGIBLE: *out = by_condition(decider->profile, action->eligible); break;
    case STAGE_APPLICABLE: *out = by_condition(decider->profile, action->applicable); break;
    case STAGE_SUITABLE: *out = by_condition(decider->profile, action->suitable); break;
    case STAGE_CONTACT_POLICY: return by_contact(decider, treatment, t_ms, out);
    default: break;
    }
    return STATUS_OK;
}

/* How often the goal followed past treatments, with what was expected before counting as
 * PRIOR_TREATMENTS of them (the mean of a beta distribution): a first success is no certainty, and
 * a first failure no end. Nothing expected: Jeffreys' half and half. */
static double rate_after(const struct goal_base *base, double expected) {
    double rows = (double)base->treated_rows;
    if (base->treated_rows == 0) return expected;
    double yes = base->treated_rate * rows;
    if (isnan(expected)) return (yes + .5) / (rows + 1);
    return (yes + PRIOR_TREATMENTS * expected) / (rows + PRIOR_TREATMENTS);
}

const struct goal_base *action_base(const struct decider *decider, const struct action *action) {
    const struct playbook *playbook = decider->data->playbook;
    uint32_t index = (uint32_t)(action - playbook->actions);
    return &decider->bases[playbook->goal_count + index * decider->action_bases];
}

double rows_behind(const struct decider *decider, const struct treatment *treatment) {
    const struct action *action = treatment->action;
    const struct goal_base *own = action_base(decider, action);
    uint64_t rows = own->treated_rows;
    for (uint32_t k = 0; k < action->channel_count && action->channel_count > 1; k++) {
        if (action->channels[k].channel == treatment->channel) rows = own[1 + k].treated_rows;
    }
    return (double)rows + CHOICE_PRIOR_ROWS;
}

/* What followed the treatments of an action, or of its group, is whole rows. */
static double yes_of(const struct goal_base *base) {
    return base->treated_rows > 0 ? round(base->treated_rate * (double)base->treated_rows) : 0;
}

static bool is_of_group(const struct action *action, const struct action *other) {
    return action != other && action->group.length > 0 && action->goal == other->goal &&
           text_equal(action->group, other->group);
}

void group_bases_measure(struct decider *decider) {
    const struct playbook *playbook = decider->data->playbook;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        struct goal_base *out = &decider->group_bases[i];
        double yes = 0;
        *out = (struct goal_base){.rate = NAN, .value = NAN};
        for (uint32_t k = 0; k < playbook->action_count; k++) {
            if (!is_of_group(&playbook->actions[i], &playbook->actions[k])) continue;
            const struct goal_base *other = action_base(decider, &playbook->actions[k]);
            out->treated_rows += other->treated_rows;
            yes += yes_of(other);
        }
        if (out->treated_rows > 0) out->treated_rate = yes / (double)out->treated_rows;
    }
}

/* What is expected of an action before any treatment of it is known: what the playbook says, else,
 * where it explores, what followed the others of its group, else what follows anybody. */
static double expected_of(const struct decider *decider, const struct action *action) {
    double expected = decider->bases[action->goal].rate;
    if (!isnan(action->starting_propensity)) return action->starting_propensity;
    if (decider->group_bases == NULL) return expected;
    return rate_after(&decider->group_bases[action - decider->data->playbook->actions], expected);
}

/* The action's own treatments tell, and where it has several channels those in the same channel
 * most. */
static double rate_without_model(const struct decider *decider, const struct treatment *treatment) {
    const struct action *action = treatment->action;
    const struct goal_base *own = action_base(decider, action);
    double rate = rate_after(own, expected_of(decider, action));
    for (uint32_t k = 0; k < action->channel_count && action->channel_count > 1; k++) {
        if (action->channels[k].channel == treatment->channel) return rate_after(own + 1 + k, rate);
    }
    return rate;
}

/* A model that learnt from other actions' treatments alone tells less of this one than the playbook
 * does, where it says a chance to start with. */
static bool is_untried(const struct decider *decider, const struct action *action) {
    const struct model_rule *rule = &decider->data->playbook->models[action->model];
    return !isnan(action->starting_propensity) && action_base(decider, action)->treated_rows == 0 &&
           (rule->event_type == EVENT_TREATMENT_DELIVERED ||
            rule->event_type == EVENT_TREATMENT_SHOWN);
}

const struct model *model_of_action(const struct decider *decider, const struct action *action) {
    if (action->model == UINT32_MAX || is_untried(decider, action)) return NULL;
    return decider->models[action->model];
}

double treatment_propensity(struct decider *decider, const struct treatment *treatment) {
    const struct action *action = treatment->action;
    const struct playbook *playbook = decider->data->playbook;
    const struct model *model = model_of_action(decider, action);
    if (model == NULL) return rate_without_model(decider, treatment);
    const struct value *traits = profile_with(decider->profile, treatment);
    trainer_features(decider->data, &playbook->models[action->model], model, traits, treatment,
                     decider->own_text, decider->features);
    return model_score(model, decider->features);
}

double amount_of(const struct playbook *playbook, struct value value) {
    if (value.type == VALUE_NUMBER) return value.number;
    if (value.type != VALUE_MONEY || value.currency != playbook->currency) return NAN;
    return (double)value.minor / pow(10, currency_minor_digits(value.currency));
}

void amount_words(const struct playbook *playbook, double amount, char out[48]) {
    char currency[4];
    currency_to_text(playbook->currency, currency);
    snprintf(out, 48, "%.*f %s", (int)currency_minor_digits(playbook->currency), amount, currency);
}

enum status standing_words(const struct customer_data *data, const struct treatment_trace *trace,
                           const char *open, const char *close, struct buffer *out) {
    const struct contact_standing *standing = &trace->standing;
    const struct policy *policy = trace->policy;
    char since[32];
    if (policy == NULL || policy->kind == POLICY_QUIET || policy->kind == POLICY_NEVER_WITHOUT)
        return STATUS_OK;
    enum status status =
        buffer_format(out, "%s%u of %u", open, standing->counted, policy->max_count);
    if (status == STATUS_OK && standing->pending > 0) {
        time_format_local(standing->pending_since_ms, data->playbook->zone, since);
        status = standing->counted == 1 ? buffer_format(out, ", pending since %s", since)
                                        : buffer_format(out, ", %u of them pending since %s",
                                                        standing->pending, since);
    }
    if (status == STATUS_OK && standing->cut)
        status = buffer_append_text(
            out, TEXT("; the oldest events are beyond the limit of a timeline and count"));
    return status == STATUS_OK ? buffer_append_text(out, text_from(close)) : status;
}
