/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "decide/decider.h"

#define STEP_MS TIME_DAY_MS

static bool passes_at(struct decider *decider, const struct timeline *timeline, const struct treatment *treatment,
                      enum stage stage, int64_t t_ms) {
    contact_history_read(&decider->history, decider->world, timeline, t_ms);
    profile_at(decider->profiler, timeline, t_ms);
    profile_with(decider->profiler, treatment);
    return stage_judge(decider, timeline, t_ms, treatment, stage).passes;
}

/* As time goes by windows empty and dates pass: the first day on which the stage lets it through, then the minute within it. */
static int64_t search_free(struct decider *decider, const struct timeline *timeline,
                           const struct treatment *treatment, enum stage stage, int64_t from_ms) {
    int64_t no_ms = from_ms;
    for (int64_t t_ms = from_ms + STEP_MS; t_ms <= from_ms + WHY_NOT_HORIZON_MS; t_ms += STEP_MS) {
        if (!passes_at(decider, timeline, treatment, stage, t_ms)) {
            no_ms = t_ms;
            continue;
        }
        int64_t yes_ms = t_ms;
        while (yes_ms - no_ms > 1000) {
            int64_t middle_ms = no_ms + (yes_ms - no_ms) / 2;
            if (passes_at(decider, timeline, treatment, stage, middle_ms)) yes_ms = middle_ms;
            else no_ms = middle_ms;
        }
        return yes_ms;
    }
    return 0;
}

int64_t decision_free_at(struct decider *decider, const struct timeline *timeline, const struct decision *decision,
                         const struct treatment_trace *trace) {
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
    switch (trace->stopped_at) {
    case STAGE_AVAILABLE: return action->available_source;
    case STAGE_ELIGIBLE: return action->eligible_source;
    case STAGE_APPLICABLE: return action->applicable_source;
    case STAGE_SUITABLE: return action->suitable_source;
    case STAGE_CONSENT:
    case STAGE_CONTACT_POLICY:
        return trace->policy != NULL ? trace->policy->text : trace->purpose;
    default: return (struct text){0};
    }
}

static enum status when_words(const struct treatment_trace *trace, int64_t free_at_ms, struct buffer *out) {
    char until[32];
    switch (trace->stopped_at) {
    case STAGE_CONSENT:
        return buffer_format(out, "; not before the customer agrees.\n");
    case STAGE_PROPENSITY:
        return buffer_format(out, "; no past treatment has taught the chance of its goal yet; give the action a starting_propensity.\n");
    case STAGE_ARBITRATION:
        return buffer_format(out, "; chance %.1f %% × value %.2f is below its cost %.2f, so *nothing* wins. From when on: not by time alone.\n",
                             100 * trace->propensity, trace->value * trace->weight * trace->lever, trace->cost);
    case STAGE_PLACEMENT:
        return buffer_format(out, "; a better treatment took the place (its priority is %.2f).\n", trace->priority);
    default: break;
    }
    if (free_at_ms == 0) return buffer_format(out, "; as things stand, not within the next 400 days.\n");
    int64_t minute_ms = (free_at_ms + TIME_MINUTE_MS - 1) / TIME_MINUTE_MS * TIME_MINUTE_MS; /* nobody waits for a millisecond */
    time_format(minute_ms, until);
    return buffer_format(out, "; from %s on it would not.\n", until);
}

static enum status explain_one(struct decider *decider, const struct timeline *timeline,
                               const struct decision *decision, const struct treatment_trace *trace,
                               struct buffer *out) {
    treatment_words(decider->world, trace->treatment, out);
    if (trace->stopped_at == STAGE_OFFERED) {
        return buffer_format(out, ": nothing stopped it, it is offered%s.\n", decision->withheld ? " (withheld: holdout)" : "");
    }
    struct text condition = condition_of(trace);
    enum status status = buffer_format(out, ": stopped at \"%s\"", stage_name(trace->stopped_at));
    if (status == STATUS_OK && condition.length > 0) {
        status = buffer_format(out, trace->unknown ? " (%.*s: unknown)" : " (%.*s)", TEXT_ARG(condition));
    }
    if (status != STATUS_OK) return status;
    return when_words(trace, decision_free_at(decider, timeline, decision, trace), out);
}

static bool is_called(const struct treatment *treatment, struct text action) {
    return text_equal(treatment->key, action) || text_equal(treatment->action->name, action);
}

static bool is_traced(const struct decision *decision, const struct treatment *treatment) {
    for (uint32_t i = 0; i < decision->trace_count; i++) {
        if (decision->trace[i].treatment == treatment) return true;
    }
    return false;
}

/* Where there are more treatments than a trace holds, those left out were not available. */
static enum status explain_untraced(struct decider *decider, const struct timeline *timeline,
                                    const struct decision *decision, struct text action, bool *found, struct buffer *out,
                                    struct error *error) {
    const struct treatment_set *treatments;
    enum status status = treatment_history_at(decider->world->treatments, decision->t_ms, &treatments, error);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < treatments->count && decision->trace_count < treatments->count; i++) {
        struct treatment_trace trace = {.treatment = &treatments->treatments[i], .stopped_at = STAGE_AVAILABLE};
        if (!is_called(trace.treatment, action) || is_traced(decision, trace.treatment)) continue;
        *found = true;
        status = explain_one(decider, timeline, decision, &trace, out);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status not_found(const struct decider *decider, struct text action, struct error *error) {
    const struct playbook *playbook = decider->world->playbook;
    struct text names[256];
    size_t count = playbook->action_count < 256 ? playbook->action_count : 256;
    for (size_t i = 0; i < count; i++) names[i] = playbook->actions[i].name;
    struct text near = text_nearest(action, names, count);
    if (near.length == 0) {
        return error_set(error, STATUS_NOT_FOUND, "there is no action %.*s in the playbook", TEXT_ARG(action));
    }
    return error_set(error, STATUS_NOT_FOUND, "there is no action %.*s in the playbook; did you mean %.*s?",
                     TEXT_ARG(action), TEXT_ARG(near));
}

enum status decision_why_not(struct decider *decider, const struct timeline *timeline,
                             const struct decision *decision, struct text action, struct buffer *out,
                             struct error *error) {
    bool found = false;
    for (uint32_t i = 0; i < decision->trace_count; i++) {
        const struct treatment_trace *trace = &decision->trace[i];
        if (!is_called(trace->treatment, action)) continue;
        found = true;
        enum status status = explain_one(decider, timeline, decision, trace, out);
        if (status != STATUS_OK) return status;
    }
    enum status status = explain_untraced(decider, timeline, decision, action, &found, out, error);
    if (status != STATUS_OK) return status;
    return found ? STATUS_OK : not_found(decider, action, error);
}
