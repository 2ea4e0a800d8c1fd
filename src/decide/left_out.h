/* SPDX-License-Identifier: Apache-2.0 */
/* decide/left_out.h -- why events are no training rows, while they are collected. Private to
 * decide/. */
#ifndef DECIDE_LEFT_OUT_H
#define DECIDE_LEFT_OUT_H

#include "base/hash.h"
#include "decide/trainer.h"

#define LEFT_OUT_NAMES_MAX 100000u /* distinct names that are told apart */

struct left_out { /* zero to begin with */
    struct trainer_counts counts;
    struct interner *names; /* that match no treatment */
    uint64_t *name_counts;  /* by id */
    size_t name_capacity;
};
void left_out_release(struct left_out *left_out);
/* An event that names no treatment of the playbook; an empty name counts as unnamed. */
enum status left_out_add_name(struct left_out *left_out, struct text name) MUST_USE;
enum status left_out_merge(struct left_out *into, const struct left_out *from) MUST_USE;
/* The counts with the most frequent names, equally frequent ones in byte order. */
enum status left_out_conclude(const struct left_out *left_out, struct trainer_counts *out) MUST_USE;

#endif
