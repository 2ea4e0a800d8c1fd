/* SPDX-License-Identifier: Apache-2.0 */
/* engine/learn_on.h -- a model in force learns on what has matured since it last learnt.
 *
 *   redeem@1 (trained) ─► rows that matured since ─► redeem@2 in force ─► … ─► redeem@7
 *
 * Outcomes change a model once their row has matured: the yeses together with the noes of the same
 * age, in the order in which they matured (learn/online_model.h). A row whose answer has changed
 * since, because an outcome came late or was undone, is learnt once more. Each step makes a version
 * of its own, whose file is kept, so that a decision can be made again with the version that made
 * it; nothing new makes no version. A restart goes on where the version in force had come to.
 *
 * Any thread. Training, promoting and learning on may run side by side: a step that ends after
 * another version was put in force changes nothing. */
#ifndef ENGINE_LEARN_ON_H
#define ENGINE_LEARN_ON_H

#include "decide/trainer.h"
#include "engine/in_force.h"
#include "learn/online_model.h"

struct learnt_on {
    struct model_version *before; /* held: what learnt; its until_ms is until when it had */
    /* Held: what is in force now; NULL: nothing new had matured, or a playbook without this model
     * came meanwhile. */
    struct model_version *after;
    uint64_t rows, yes, changed; /* of this step */
    /* Treatments that were loaded later than they were known by their source's `arrives`, so that
     * they pass for learnt and were not: only a training learns them. As many as the model has
     * learnt too few; corrections and erasures blur it. */
    uint64_t came_late;
    struct trainer_counts counts; /* where the treatments went */
};
/* Learns what had matured by until_ms. STATUS_NOT_FOUND: no such model is in force; STATUS_INVALID:
 * it is none that learns on, or has learnt until a later time; STATUS_BUSY: another version was put
 * in force meanwhile. Release `out` also after a failure. */
enum status engine_learn_on(struct engine *engine, uint32_t rule, int64_t until_ms,
                            struct work *work, struct learnt_on *out, struct error *error) MUST_USE;
void learnt_on_release(struct learnt_on *learnt);

#endif
