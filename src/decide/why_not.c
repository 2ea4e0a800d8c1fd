/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "decide/decide_internal.h"

static const struct expr_program *program_of(const struct action *action, enum stage stage) {
    switch (stage) {
    case STAGE_AVAILABLE: return action->available;
    case STAGE_ELIGIBLE: return action->eligible;
    case STAGE_APPLICABLE: return action->applicable;
    case STAGE_SUITABLE: return action->suitable;
    default: return NULL;
    }
}

static bool passes_at(struct decider *decider, const struct timeline *timeline,
                      const struct treatment *treatment, enum stage stage, int64_t t_ms) {
    const struct expr_program *program = program_of(treatment->action, stage);
    if (program != NULL && expr_is_constant(program)) { /* reads no trait, so none is computed */
        struct value is = profile_eval_for(decider->profile, program, timeline, treatment, t_ms);
        return is.type == VALUE_YES_NO && is.yes;
    }
    profile_at(decider->profile, timeline, t_ms);
    profile_with(decider->profile, treatment);
    struct verdict verdict;
    return stage_judge(decider, timeline, t_ms, treatment, stage, &verdict) == STATUS_OK &&
           verdict.passes;
}

/* Does the condition, or a trait that it reads, ask for the hour? Traits read only earlier ones. */
static bool asks_for_hour(const struct playbook *playbook, const struct expr_program *program) {
    bool wanted[PLAYBOOK_TRAITS_MAX] = {false};
    uint32_t reads[PLAYBOOK_TRAITS_MAX], next = playbook->trait_count;
    while (program != NULL && !expr_uses_hour(program)) {
        uint32_t count = expr_traits(program, reads, PLAYBOOK_TRAITS_MAX);
        for (uint32_t i = 0; i < count && i < PLAYBOOK_TRAITS_MAX; i++) wanted[reads[i]] = true;
        while (next > 0 && !wanted[next - 1]) next--;
        program = next > 0 ? playbook->traits[--next].program : NULL;
    }
    return program != NULL;
}

static int64_t step_at(int64_t ahead_ms, bool by_hour) {
    if (ahead_ms < TIME_DAY_MS) return TIME_HOUR_MS / 4;
    return by_hour || ahead_ms < 8 * TIME_DAY_MS ? TIME_HOUR_MS : TIME_DAY_MS;
}

/* Searches ahead, since windows empty and dates pass: for the first step at which the stage lets it
 * through, then for the second within it. */
static int64_t search_free(struct decider *decider, const struct timeline *timeline,
                           const struct treatment *treatment, enum stage stage, int64_t from_ms) {
    bool by_hour = asks_for_hour(decider->data->playbook, program_of(treatment->action, stage));
    int64_t no_ms = from_ms, last_ms = from_ms + WHY_NOT_HORIZON_MS;
    for (int64_t t_ms = from_ms + step_at(0, by_hour); t_ms <= last_ms;
         t_ms += step_at(t_ms - from_ms, by_hour)) {
        if (!passes_at(decider, timeline, treatment, stage, t_ms)) {
            no_ms = t_ms;
            continue;
        }
        int64_t yes_ms = t_ms;
        while (yes_ms - no_ms > 1000) {
            int64_t middle_ms = no_ms + (yes_ms - no_ms) / 2;
            if (passes_at(decider, timeline, treatment, stage, middle_ms))
                yes_ms = middle_ms;
            else
                no_ms = middle_ms;
        }
        return yes_ms;
    }
    return 0;
}

int64_t decision_free_at(struct decider *decider, const struct timeline *timeline,
                         const struct decision *decision, const struct treatment_trace *trace) {
    if (trace->experiment != NULL)
        return trace->experiment->stop_ms >= TIME_NEVER ? 0 : trace->experiment->stop_ms;
    switch (trace->stopped_at) {
    case STAGE_CONTACT_POLICY: return trace->free_at_ms >= TIME_NEVER ? 0 : trace->free_at_ms;
    case STAGE_AVAILABLE:
    case STAGE_ELIGIBLE:
    case STAGE_APPLICABLE:
    case STAGE_SUITABLE:
        return search_free(decider, timeline, trace->treatment, trace->stopped_at, decision->t_ms);
    default: return 0;
    }
}

static struct text condition_of(const struct treatment_trace *trace) {
    const struct action *action = trace->treatment->action;
    if (trace->experiment != NULL) return trace->experiment->name;
    switch (trace->stopped_at) {
    case STAGE_AVAILABLE: return action->available_source;
    case STAGE_ELIGIBLE: return action->eligible_source;
    case STAGE_APPLICABLE: return action->applicable_source;
    case STAGE_SUITABLE: return action->suitable_source;
    case STAGE_CONSENT:
    case STAGE_CONTACT_POLICY: return trace->policy != NULL ? trace->policy->text : trace->purpose;
    case STAGE_PLACEMENT: return trace->bundle != NULL ? trace->bundle->text : (struct text){0};
    default: return (struct text){0};
    }
}

/* Writes from when on it is free, to the minute: nobody waits for a millisecond. */
static enum status from_when_words(const struct decider *decider, int64_t free_at_ms,
                                   struct buffer *out) {
    const struct playbook *playbook = decider->data->playbook;
    char from[32];
    if (free_at_ms == 0)
        return buffer_format(out, "; as things stand, not within the next 400 days.");
    time_format_local((free_at_ms + TIME_MINUTE_MS - 1) / TIME_MINUTE_MS * TIME_MINUTE_MS,
                      playbook->zone, from);
    return buffer_format(out, "; from %s (%.*s) on it would not.", from,
                         TEXT_ARG(playbook->zone_name));
}

/* Was it the best of a slot that was drawn? */
static bool was_best(const struct decision *decision, uint32_t treatment) {
    const struct choice *choice = &decision->choice;
    for (uint32_t i = 0; i < choice->draw_count; i++) {
        const struct choice_draw *draw = &choice->draws[i];
        if (choice->candidates[draw->candidate[draw->best]].treatment == treatment) return true;
    }
    return false;
}

static enum status placed_words(const struct decider *decider, const struct decision *decision,
                                const struct treatment_trace *trace, const char *priority,
                                struct buffer *out) {
    if (trace->bundle == NULL && !trace->elsewhere && was_best(decision, trace->treatment->index))
        return buffer_format(
            out,
            "; it is expected to be best, and another one was drawn for the place, "
            "to learn (its own priority is %s).",
            priority);
    if (trace->bundle == NULL && !trace->elsewhere)
        return buffer_format(out, "; a better treatment took the place (its own priority is %s).",
                             priority);
    enum status status = buffer_append_text(out, TEXT("; "));
    if (status == STATUS_OK) status = placement_words(decider, decision, trace, out);
    return status == STATUS_OK ? buffer_append_text(out, TEXT(".")) : status;
}

static enum status arbitration_words(const struct decider *decider,
                                     const struct treatment_trace *trace, const char *value,
                                     const char *cost, struct buffer *out) {
    char charge[48], also[96] = "";
    enum status status = STATUS_OK;
    if (trace->budget != NULL) {
        status = buffer_append_text(out, TEXT("; "));
        if (status == STATUS_OK) status = budget_words(decider, trace, out);
        if (status != STATUS_OK) return status;
        return buffer_append_text(out, trace->budget->period == BUDGET_PER_TOTAL
                                           ? TEXT(". From when on: not by time alone.")
                                           : TEXT(". From when on: its next period."));
    }
    amount_words(decider->data->playbook, trace->budget_price, charge);
    if (trace->budget_price > 0)
        snprintf(also, sizeof also, " and what budgets ask for it, %s", charge);
    return buffer_format(out,
                         "; chance %.1f %% × value %s is below its cost %s%s, so *nothing* wins. "
                         "From when on: not by time alone.",
                         100 * trace->propensity, value, cost, also);
}

static enum status when_words(const struct decider *decider, const struct decision *decision,
                              const struct treatment_trace *trace, int64_t free_at_ms,
                              struct buffer *out) {
    char value[48], cost[48], priority[48];
    const struct playbook *playbook = decider->data->playbook;
    amount_words(playbook, trace->value * trace->weight * trace->lever, value);
    amount_words(playbook, trace->cost, cost);
    amount_words(playbook, trace->priority, priority);
    switch (trace->stopped_at) {
    case STAGE_CONSENT: {
        enum status status = buffer_format(out, "; ");
        if (status == STATUS_OK) status = consent_words(decider->data, trace, out);
        if (status != STATUS_OK) return status;
        return buffer_format(out, trace->held
                                      ? "; read it (attune quarantine list), then replay or "
                                        "drop it."
                                      : "; not before the customer agrees.");
    }
    case STAGE_PROPENSITY: return buffer_format(out, "; %s.", propensity_words(trace));
    case STAGE_ARBITRATION: return arbitration_words(decider, trace, value, cost, out);
    case STAGE_PLACEMENT: return placed_words(decider, decision, trace, priority, out);
    default: break;
    }
    if (trace->experiment == NULL) return from_when_words(decider, free_at_ms, out);
    enum status status = buffer_format(out, "; arm %.*s of this experiment goes without it",
                                       TEXT_ARG(trace->arm->name));
    if (status != STATUS_OK) return status;
    return free_at_ms == 0 ? buffer_format(out, ", and it has no stop.")
                           : from_when_words(decider, free_at_ms, out);
}

static enum status offered_words(const struct decider *decider, const struct decision *decision,
                                 const struct treatment_trace *trace, struct buffer *out) {
    const struct playbook *playbook = decider->data->playbook;
    char after[32];
    bool withheld = decision->holdout.in && !trace->treatment->action->service;
    enum status status = buffer_format(out, ": nothing stopped it, it is offered%s",
                                       withheld ? " (withheld: holdout)" : "");
    if (status == STATUS_OK && trace->send_after_ms != 0) {
        time_format_local(trace->send_after_ms, playbook->zone, after);
        status = buffer_format(out, "; to be sent from %s (%.*s) on, when it is quiet no more",
                               after, TEXT_ARG(playbook->zone_name));
    }
    return status == STATUS_OK ? buffer_append_text(out, TEXT(".")) : status;
}

static enum status why_words(const struct decider *decider, const struct decision *decision,
                             const struct why_not *why, struct buffer *out) {
    const struct treatment_trace *trace = why->trace;
    treatment_words(decider->data, trace->treatment, out);
    if (trace->stopped_at == STAGE_OFFERED) {
        return offered_words(decider, decision, trace, out);
    }
    enum status status = buffer_format(out, ": stopped at \"%s\"", stage_name(trace->stopped_at));
    if (status == STATUS_OK && why->condition.length > 0) {
        status = buffer_format(out, " (%.*s", TEXT_ARG(why->condition));
        if (status == STATUS_OK && trace->stopped_at == STAGE_CONTACT_POLICY)
            status = standing_words(decider->data, trace, ": ", "", out);
        if (status == STATUS_OK && trace->unknown)
            status = buffer_append_text(out, trace->limited
                                                 ? TEXT(": unknown, since a limit was reached")
                                                 : TEXT(": unknown"));
        if (status == STATUS_OK) status = buffer_append_text(out, TEXT(")"));
    }
    return status == STATUS_OK ? when_words(decider, decision, trace, why->free_at_ms, out)
                               : status;
}

struct asking {
    struct decider *decider;
    const struct timeline *timeline;
    const struct decision *decision;
    struct text action;
    void (*visit)(void *context, const struct why_not *why);
    void *context;
    bool found;
};

static enum status explain_one(struct asking *asking, const struct treatment_trace *trace) {
    struct buffer words;
    buffer_init(&words);
    struct why_not why = {
        .trace = trace,
        .condition = condition_of(trace),
        .free_at_ms = decision_free_at(asking->decider, asking->timeline, asking->decision, trace)};
    enum status status = why_words(asking->decider, asking->decision, &why, &words);
    why.words = buffer_text(&words);
    if (status == STATUS_OK) asking->visit(asking->context, &why);
    buffer_release(&words);
    asking->found = true;
    return status;
}

static bool is_called(const struct treatment *treatment, struct text action) {
    return text_equal(treatment->key, action) || text_equal(treatment->action->name, action);
}

static enum status not_found(const struct decider *decider, struct text action,
                             struct error *error) {
    const struct playbook *playbook = decider->data->playbook;
    const char *slash = memchr(action.at, '/', action.length);
    struct text name = {action.at, slash != NULL ? (uint32_t)(slash - action.at) : action.length};
    struct text names[256];
    size_t count = playbook->action_count < 256 ? playbook->action_count : 256;
    for (size_t i = 0; i < count; i++) names[i] = playbook->actions[i].name;
    if (playbook_action_find(playbook, name) == UINT32_MAX) {
        return text_unknown(name, "there is no action", names, count, error);
    }
    if (slash == NULL)
        return error_set(error, STATUS_NOT_FOUND,
                         "action %.*s has no treatment: its lookup is not loaded", TEXT_ARG(name));
    return error_set(error, STATUS_NOT_FOUND, "action %.*s has no row %.*s in its lookup",
                     TEXT_ARG(name), (int)(action.length - name.length - 1), slash + 1);
}

enum status decision_why_not(struct decider *decider, const struct timeline *timeline,
                             const struct decision *decision, struct text action,
                             void (*visit)(void *context, const struct why_not *why), void *context,
                             struct error *error) {
    struct asking asking = {decider, timeline, decision, action, visit, context, false};
    const struct treatment_set *treatments = decision->treatments;
    for (uint32_t i = 0; i < treatments->count; i++) {
        if (!is_called(&treatments->treatments[i], action)) continue;
        struct treatment_trace trace = decision_trace_at(decision, i);
        enum status status = explain_one(&asking, &trace);
        if (status != STATUS_OK) return status;
    }
    return asking.found ? STATUS_OK : not_found(decider, action, error);
}
