/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/funnel.h"

/* Could the treatment have stood in the place of the first rank, as far as is known? */
static bool was_left(const struct decision *decision, uint32_t place) {
    enum stage stage = (enum stage)decision->trace.stage[place];
    if (stage == STAGE_OFFERED || stage == STAGE_ARBITRATION) return true;
    if (stage != STAGE_PLACEMENT) return false;
    if (decision->trace.verdict[place] == NULL) return true;
    struct treatment_trace trace = decision_trace_of(decision, place);
    return !trace.elsewhere && trace.bundle == NULL;
}

/* Is the first rank one that the customer would less likely take than another that was left? */
static bool value_went_first(const struct decision *decision) {
    const struct choice_draw *draw = decision_draw_of(decision, 0);
    if (decision->ranked_count == 0 || (draw != NULL && draw->taken != draw->best)) return false;
    double first = decision->trace.propensity[decision->ranked[0]];
    for (uint32_t i = 0; i < decision->trace.count; i++)
        if (decision->trace.propensity[i] > first && was_left(decision, i)) return true;
    return false;
}

void funnel_add(struct funnel *funnel, const struct decision *decision) {
    enum stage furthest = STAGE_AVAILABLE;
    bool unknown = false;
    for (uint32_t i = 0; i < decision->trace.count; i++) {
        enum stage stage = (enum stage)decision->trace.stage[i];
        bool may_be_elsewhere = decision->placement_count > 0 && stage == STAGE_PLACEMENT;
        if (may_be_elsewhere && decision_trace_of(decision, i).elsewhere) continue;
        if (stage > furthest) furthest = stage;
        unknown |= stage == STAGE_CONSENT && decision_trace_of(decision, i).unknown;
    }
    funnel->consent_unknown += furthest == STAGE_CONSENT && unknown;
    funnel->truncated += decision->truncated;
    funnel->limited += decision->limited;
    funnel->customers++;
    for (uint32_t stage = 0; stage < furthest; stage++) funnel->left[stage]++;
    if (decision->ranked_count == 0)
        funnel->nothing++;
    else if (decision_withholds(decision, 0))
        funnel->withheld++;
    else
        funnel->offered++;
    funnel->by_value += value_went_first(decision);
    funnel->crossed += decision->holdout.crossed;
}

uint64_t funnel_nothing_is_best(const struct funnel *funnel) {
    return funnel->left[STAGE_PROPENSITY] - funnel->left[STAGE_ARBITRATION];
}

void funnel_figures(const struct funnel *funnel, int64_t as_of_ms,
                    struct figure out[FUNNEL_FIGURES]) {
    static const char *const words[FUNNEL_FIGURES][2] = {
        {"offered", "how many customers are offered something"},
        {"withheld", "how many customers would be offered something, but are in the holdout"},
        {"nothing", "for how many customers is no treatment left"},
        {"by_value", "how many of those with a treatment get one that they are less likely to take "
                     "than another, since it is worth more"},
    };
    const uint64_t counts[FUNNEL_FIGURES] = {funnel->offered, funnel->withheld, funnel->nothing,
                                             funnel->by_value};
    for (int i = 0; i < FUNNEL_FIGURES; i++) {
        out[i] =
            (struct figure){.name = words[i][0],
                            .question = words[i][1],
                            .value = (double)counts[i],
                            .n = i == 3 ? funnel->offered + funnel->withheld : funnel->customers,
                            .of = COUNTED_CUSTOMERS,
                            .unit = FIGURE_COUNT,
                            .as_of_ms = as_of_ms};
        figure_exact(&out[i]);
    }
}
