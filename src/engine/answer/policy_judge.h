/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/policy_judge.h -- what another playbook would have earned by the recorded
 * decisions.
 *
 *   Decision Made ──► what was known then ──► the other playbook ──► chance of each treatment
 *        │                                                            for the first slot: e(a)
 *        ├── the treatment of the first slot, and its chance: b(a)
 *        └── its own playbook ──► did its goal follow? what was it worth, less the cost: r
 *
 * Each decision is made again for its customer, at its time, its log position and its placement, by
 * the playbook that is in force in this view (the command tries the other one, and puts nothing in
 * force). The reward is that of the treatment which was offered, by the playbook of then: the
 * goal's value where it was reached within its horizon, less the cost; "nothing" earns 0, as in
 * arbitration. The model of the reward is the other playbook's own propensity, value and cost.
 *
 * Only the first slot is judged. What is left out is counted: decisions that were withheld, whose
 * goal has not matured, whose value has another currency, or of which too little is known. Base
 * rates are those of the landmark before the decision. The later history is held fixed. */
#ifndef ENGINE_ANSWER_POLICY_JUDGE_H
#define ENGINE_ANSWER_POLICY_JUDGE_H

#include "engine/answer/answer.h"
#include "measure/off_policy.h"

#define POLICY_RECORDS_MAX 4000000 /* decisions of one judgement */
#define POLICY_PARTS_MAX   40 /* channels, groups and segments together, the most frequent first */

enum policy_left_out {
    POLICY_OUT_WITHHELD, /* the holdout: the treatment was not sent */
    POLICY_OUT_NOT_MATURED,
    POLICY_OUT_TOO_OLD,  /* an older program recorded it, and not what it was made from */
    POLICY_OUT_GONE,     /* its playbook or its customer's rows are no longer here */
    POLICY_OUT_CURRENCY, /* its value, or the playbook of then, has another currency */
    POLICY_OUT_CAUSES
};
const char *policy_left_out_text(enum policy_left_out cause); /* "were withheld" */

struct policy_part {
    const char *column; /* "channel", "group", "segment" */
    struct text value;  /* borrowed from the judgement */
    uint64_t drawn;
    struct off_policy_result result;
};
struct policy_judgement {
    uint64_t recorded; /* decisions in that time */
    uint64_t left_out[POLICY_OUT_CAUSES];
    uint64_t drawn; /* of the judged ones: by chance, with a probability below 1 */
    uint64_t same;  /* of the judged ones: the other playbook's likeliest choice is the same */
    bool is_judged; /* else no decision is left, and there is no result */
    struct off_policy_result result;
    struct policy_part *parts;
    uint32_t part_count;
    struct arena arena; /* of texts */
};
struct policy_judge_options {
    int64_t from_ms, until_ms; /* decisions in [from, until) */
    int64_t now_ms;            /* outcomes known by then count */
};
/* The view is at now_ms. Release the judgement also on failure. */
enum status policy_judge(struct engine_view *view, const struct policy_judge_options *options,
                         struct work *work, struct policy_judgement *out,
                         struct error *error) MUST_USE;
void policy_judgement_release(struct policy_judgement *judgement);

#endif
