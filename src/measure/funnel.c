/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/funnel.h"

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
    };
    const uint64_t counts[FUNNEL_FIGURES] = {funnel->offered, funnel->withheld, funnel->nothing};
    for (int i = 0; i < FUNNEL_FIGURES; i++) {
        out[i] = (struct figure){.name = words[i][0],
                                 .question = words[i][1],
                                 .value = (double)counts[i],
                                 .n = funnel->customers,
                                 .of = COUNTED_CUSTOMERS,
                                 .unit = FIGURE_COUNT,
                                 .as_of_ms = as_of_ms};
        figure_exact(&out[i]);
    }
}
