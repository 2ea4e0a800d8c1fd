/* SPDX-License-Identifier: Apache-2.0 */
/* engine/model_versions.h -- all versions of a model: which there are, and which one is in force.
 *
 *   train              redeem@1 ──────────────► in force
 *   train --challenger redeem@2  stands by          │  promote: is it better on treatments
 *                         └─────────────────────────┤  that neither has learnt from?
 *                      redeem@2 ──────────────► in force
 *   promote redeem@1   redeem@1 ──────────────► in force again
 *
 * Every version keeps its file and its number for ever, so a recorded decision is made again with
 * the version that made it, whatever was promoted since. The log says which is in force, by a
 * control record for each change: `model` puts a version in force, `challenger` tells of one that
 * stands by.
 *
 * Any thread that may call the engine; what changes is done by the applier. */
#ifndef ENGINE_MODEL_VERSIONS_H
#define ENGINE_MODEL_VERSIONS_H

#include "engine/in_force.h"
#include "measure/comparison.h"

/* As engine_train, by any learner, but the model is not put in force. *out is the caller's to drop.
 */
enum status engine_train_challenger(struct engine *engine, uint32_t rule, enum model_kind kind,
                                    int64_t until_ms, struct work *work, struct model_version **out,
                                    struct trainer_counts *counts, struct error *error) MUST_USE;

struct listed_version {
    struct model_version *version; /* held; its model is NULL where its file can't be read */
    bool in_force, was_in_force;
    bool fits; /* the playbook in force, its goal and features */
};
/* All versions of a rule's model, oldest first; from memory_alloc. */
enum status model_versions_list(struct engine *engine, uint32_t rule, struct listed_version **out,
                                size_t *count, struct error *error) MUST_USE;
void model_versions_release(struct listed_version *versions, size_t count);

struct promote_options {
    uint32_t rule, version;
    int64_t from_ms, until_ms; /* treatments delivered in [from, until) are judged */
    bool anyway;               /* also where it is not shown to be better */
    struct work *work;         /* may be NULL */
};
struct promotion {
    struct model_version *version; /* held; the one asked for */
    uint32_t before;               /* the version in force before; 0: none */
    bool is_back;                  /* it was in force earlier: going back to it needs no evidence */
    bool has_evidence;             /* there was a model in force to compare with */
    struct comparison comparison;
    bool promoted;
};
/* Compares the version with the one in force, and puts it in force where it is better, was in force
 * earlier, nothing is in force, or `anyway`. Where it is none of these, *out tells why and the
 * status is STATUS_OK, with promoted false. STATUS_NOT_FOUND: there is no such version, or its file
 * can't be read; STATUS_INVALID: it is in force already, or no longer fits the playbook. Release
 * `out` also after a failure. */
enum status engine_promote(struct engine *engine, const struct promote_options *options,
                           struct promotion *out, struct error *error) MUST_USE;
void promotion_release(struct promotion *promotion);

#endif
