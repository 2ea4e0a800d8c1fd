/* SPDX-License-Identifier: Apache-2.0 */
/* support/event_batch.h -- random batches of events and quarantined rows, for the tests of what
 * writes and reads them. A seed gives the same batch again. */
#ifndef SUPPORT_EVENT_BATCH_H
#define SUPPORT_EVENT_BATCH_H

#include "base/random.h"
#include "store/store.h"

struct random_batch {
    uint32_t events, rows;
    uint32_t persona_count; /* events fall on the personas below it */
    bool has_keys;          /* two events in three have a key, and each key occurs once */
    bool has_versions;      /* some keys have a row_version */
};
/* Adds events and rows to the batch. Aborts without memory. */
void random_batch_add(struct event_batch *batch, const struct random_batch *shape,
                      struct random *random);
/* Do the two events say the same in every field that a store keeps? */
bool same_stored_event(const struct event_batch *a, size_t i, const struct event_batch *b,
                       size_t j);

#endif
