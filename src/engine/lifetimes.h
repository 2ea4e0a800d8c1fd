/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lifetimes.h -- lifetime models in force: trained, asked, and told about.
 *
 * A lifetime model is a version of a name like any model (models.c): an immutable file, a control
 * record, one version in force, named in each decision that is recorded, read again when the
 * decision is replayed. Its series has a fit for each date (learn/lifetime_series.h), and a
 * question at t is answered by the newest fit that is not later than t. */
#ifndef ENGINE_LIFETIMES_H
#define ENGINE_LIFETIMES_H

#include "decide/lifetime_trainer.h"
#include "engine/in_force.h"
#include "learn/lifetime_series.h"

/* Answers; NAN where the fit says nothing: its mean value is not finite. */
double lifetime_answer(const struct dated_lifetime *fit,
                       const struct expr_lifetime_question *question);

/* Fits the rule (index in playbook->lifetimes) at until_ms and at the dates before it, writes it as
 * the next version and puts it in force. As engine_train for `work` and for another playbook that
 * comes meanwhile. *out is what is in force afterwards; *check (may be NULL) tells how right an
 * earlier fit was about what followed. */
struct lifetime_entry {
    struct text name;
    uint32_t version; /* 0: it was never trained */
    int64_t trained_ms, until_ms;
    /* NULL: there is none, or it is left out, since it can't be read or was fitted to other orders.
     */
    const struct lifetime_series *series;
};
enum status engine_train_lifetime(struct engine *engine, uint32_t rule, int64_t until_ms,
                                  struct work *work, struct lifetime_entry *out,
                                  struct lifetime_check *check, struct error *error) MUST_USE;
struct lifetime_entry engine_lifetime(const struct engine *engine, uint32_t rule);

#endif
