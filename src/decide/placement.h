/* SPDX-License-Identifier: Apache-2.0 */
/* decide/placement.h -- what a decision is asked for, and how its slots are filled. One thread's,
 * as its decider is. */
#ifndef DECIDE_PLACEMENT_H
#define DECIDE_PLACEMENT_H

#include "decide/decide_internal.h"

/* Makes `asked` what the basis says. Where the texts are those of before, nothing is read anew. On
 * failure it is as it was, except where there is no memory: then nothing is asked for. */
enum status asked_read(struct decider *decider, const struct decision_basis *basis,
                       struct error *error) MUST_USE;
void asked_init(struct asked *asked);
void asked_release(struct asked *asked);
/* So many slots are filled where there are `slots` (0: one). */
static inline uint32_t asked_slots(const struct decider *decider, uint32_t slots) {
    uint32_t count = decider->asked.count;
    if (slots == 0) slots = 1;
    return count > 0 && count < slots ? count : slots;
}
/* May treatments of the route stand at the i-th of the placements that were asked for? */
static inline bool asked_takes(const struct decider *decider, uint32_t i, uint32_t route) {
    const struct asked *asked = &decider->asked;
    return asked->takes[(size_t)i * asked->route_count + route];
}
/* Is there a placement, and may no treatment of the route stand there? */
static inline bool asked_elsewhere(const struct decider *decider, uint32_t route) {
    return decider->asked.placement_count > 0 && decider->asked.elsewhere[route];
}
/* Ranks what stands in the trace, and leaves the rest at STAGE_PLACEMENT. */
enum status placement_fill(struct decider *decider, struct decision *decision) MUST_USE;

#endif
