/* SPDX-License-Identifier: Apache-2.0 */
/* profile/told_once.h -- tells whether an event is about a message that an earlier event was about.
 *
 * Delivered and Shown may both tell of one message, and a receipt may come twice. A message is
 * known by its (decision id, treatment); where an event names no decision, by its (treatment,
 * channel, local day). Ask in the order of the timeline. One customer at a time, one thread. */
#ifndef PROFILE_TOLD_ONCE_H
#define PROFILE_TOLD_ONCE_H

#include "profile/profile.h"

struct told_once {   /* zero to begin with */
    uint64_t *slots; /* hashes, open addressing; 0: free */
    size_t slot_count, count;
};
void told_once_release(struct told_once *told);
/* For the next customer. */
void told_once_clear(struct told_once *told);
/* The event is of this treatment; *again: an earlier one told of the same message. */
enum status told_once_add(struct told_once *told, const struct customer_data *data,
                          const struct timeline *timeline, uint32_t row, struct text treatment,
                          bool *again) MUST_USE;

#endif
