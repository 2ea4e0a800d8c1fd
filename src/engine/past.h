/* SPDX-License-Identifier: Apache-2.0 */
/* engine/past.h -- snapshots and base rates as a decision of before had them.
 *
 *   Decision Made { playbook: 9c1f…, model: "redeem@3", basis: { rates_at, … } }
 *        │                │                            │
 *        ▼                ▼                            ▼
 *   playbooks/9c1f….yaml  models/redeem@3.model   measured again, below the position
 *
 * Playbooks and models lie in files whose names never change their meaning, lookups are as known
 * at the decision's t, and base rates are pure. The first PAST_MAX of each are kept for further
 * decisions that were made from them. engine/answer/replay_decision.h asks for them.
 *
 * Threads: any, one after the other under a lock, but not beside the applier that puts something in
 * force: it reads what the log says of lookups. */
#ifndef ENGINE_PAST_H
#define ENGINE_PAST_H

#include "engine/rates.h"

#define PAST_MAX 64

struct past;
struct held_playbook;
enum status past_create(struct past **out, struct engine *engine) MUST_USE;
void past_destroy(struct past *past); /* NULL is allowed */

/* What was kept no longer holds: somebody was erased. */
void past_forget(struct past *past);
/* The snapshot with the playbook of this hash (16 digits) and exactly these models, as in
 * "redeem@3, buy@1"; held for the caller. STATUS_NOT_FOUND where a file of it is no longer there. */
enum status past_in_force(struct engine *engine, struct text playbook_hash, struct text models,
                          struct in_force **out, struct error *error) MUST_USE;
/* The playbook of this hash, held for the caller; STATUS_NOT_FOUND where its file is no longer
 * there. Each call reads and checks it anew. Any thread. */
enum status past_playbook(struct engine *engine, struct text playbook_hash,
                          struct held_playbook **out, struct error *error) MUST_USE;
/* The base rates that the snapshot had then; held for the caller. */
enum status past_rates(struct in_force *in_force, int64_t at_ms, uint64_t position,
                       struct rates_version **out, struct error *error) MUST_USE;

#endif
