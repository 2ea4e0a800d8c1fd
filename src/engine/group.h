/* SPDX-License-Identifier: Apache-2.0 */
/* engine/group.h -- which changes become one frame, and what each of them gets back.
 *
 *   members: [ A ][ B ][ C ]   small batches that waited together
 *              │    │    └─ C says something else of a row of A: begins the next frame
 *              └────┴─► one batch, event.member says whose ──► one resolve, one frame
 *
 * Joining copies; the members' own batches stay as they were, so that each can be applied alone
 * where the frame that they share can't be written. A group of one is applied where it is. Private
 * to engine/; the applier's thread only. */
#ifndef ENGINE_GROUP_H
#define ENGINE_GROUP_H

#include "engine/applier.h"

#define GROUP_CHANGES_MAX 1024u

struct group;
enum status group_create(struct group **out, struct engine *engine) MUST_USE;
void group_destroy(struct group *group);

struct group_size {
    size_t changes, events, bytes;
};
/* Does the next change in the queue belong to the group? Adds it where it does. The first always
 * does. Pure. */
bool group_takes(struct group_size *size, const struct change *change);

/* Applies the batches of a group, written and not yet durable, and fills in what became of each. */
void group_apply(struct group *group, struct change *const *changes, size_t count);
/* The same of one batch; durable on return where `sync`. */
void group_apply_alone(struct group *group, struct change *change, bool sync);

/* Fills in frames and joined. Any thread. */
void group_stats(const struct group *group, struct applier_stats *out);

#endif
