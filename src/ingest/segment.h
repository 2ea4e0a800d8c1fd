/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/segment.h -- messages of the Segment spec: what their types mean as events.
 *
 * A source of `format: segment` is read so; a row is a message when its `type` is one of these, any other is quarantined:
 *   track     the event that `event` names                page    Page Viewed {name}       screen  Screen Viewed {name}
 *   identify  Customer Record, from `traits`              group   Group Joined {group_id}  alias   Identity Aliased
 * Time: receivedAt - (sentAt - originalTimestamp) where these are there (receivedAt of a live source: now), else `timestamp`, else
 * originalTimestamp, else receivedAt; a source that names another time keeps it. Key: messageId, else a hash of the message (or what the source names). Identifiers: those of the mapping, and
 * context.externalIds[] whose type the playbook knows; of an alias also previousId as what userId is. Of context.consent.categoryPreferences
 * each becomes a Consent Changed event beside the message's own, once a person and state in a batch. */
#ifndef INGEST_SEGMENT_H
#define INGEST_SEGMENT_H

#include "ingest/mapper.h"

/* Looks what message the present row is, and in which currency its money stands (properties.currency). */
enum status segment_begin(struct mapper *mapper) MUST_USE;
static inline bool segment_is_message(const struct mapper *mapper) {
    return mapper->message != 0;
}
enum status segment_event_type(struct mapper *mapper, uint32_t *event_type) MUST_USE;
enum status segment_time(struct mapper *mapper, struct event *event) MUST_USE;
enum status segment_identifiers(struct mapper *mapper) MUST_USE;
/* Properties that the type itself brings (name, group_id): into the packed writer. */
bool segment_has_properties(const struct mapper *mapper);
enum status segment_properties(struct mapper *mapper, struct packed_writer *writer) MUST_USE;
enum status segment_consent(struct mapper *mapper, size_t event_index) MUST_USE;

#endif
