/* SPDX-License-Identifier: Apache-2.0 */
/* engine/live/live_outcome.h -- what became of a decision: shown, clicked, accepted, rejected.
 *
 *   id or token ──► the decision's row (by its key, no walk) ──► its customer, channel, treatment
 *                        │ not there, and a token was given        │
 *                        └── the token records it first            ▼
 *                                                    Treatment Shown {decision, treatment}
 *
 * An outcome becomes the event that a file of outcomes would bring: Treatment Shown, Clicked, … on
 * the timeline of whoever has the decision now, with the decision's id, the treatment and its
 * channel (docs/playbook.md, Contacts and channels). It is idempotent: (decision id, treatment,
 * outcome) is its row key, so the same again, by whomever, is a repeat.
 *
 * An outcome is answered once it is durable: no token stands for it.
 *
 * Threads: any thread tells. */
#ifndef ENGINE_LIVE_LIVE_OUTCOME_H
#define ENGINE_LIVE_LIVE_OUTCOME_H

#include "engine/engine.h"

enum live_outcome_kind {
    LIVE_SHOWN,
    LIVE_DELIVERED,
    LIVE_FAILED,
    LIVE_CLICKED,
    LIVE_ACCEPTED,
    LIVE_REJECTED,
    LIVE_OUTCOME_COUNT
};
/* "shown", "delivered", "failed", "clicked", "accepted", "rejected"; LIVE_OUTCOME_COUNT: none of
 * them. */
enum live_outcome_kind live_outcome_named(struct text name);

struct live_told {
    bool is_repeat;   /* it was told before */
    bool is_restored; /* the token recorded the decision first */
};
struct live_outcome {
    struct text decision;  /* the id (16 digits) or the token that was answered */
    struct text treatment; /* its key; empty: the first that was offered */
    enum live_outcome_kind kind;
    int64_t time_ms; /* when it happened; 0: now */
    /* Called once where live_outcome_tell returned STATUS_OK, by the syncer's thread, when it is
     * durable; short, and waits for nothing.
     *   STATUS_NOT_FOUND  no decision has this id here, or its customer was erased
     *   STATUS_INVALID    the decision did not offer this treatment
     *   STATUS_IO         the disk refused */
    void (*answered)(void *context, enum status status, const struct live_told *told,
                     const struct error *error);
    void *context;
};
/* Texts are copied.
 *   STATUS_BUSY       the queue is full: the same again, in a moment
 *   STATUS_NOT_FOUND  it is no id of a decision, and no token of this directory: forged, damaged or
 *                     another directory's. Which of these it is takes the same time and is not told
 *   STATUS_LIMIT, STATUS_READ_ONLY */
enum status live_outcome_tell(struct engine *engine, const struct live_outcome *outcome,
                              struct error *error) MUST_USE;
/* The same, and waits until it is durable; outcome->answered is not called. `told` may be NULL. */
enum status live_outcome_tell_and_wait(struct engine *engine, const struct live_outcome *outcome,
                                       struct live_told *told, struct error *error) MUST_USE;

#endif
