/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/map/segment.h -- messages of the Segment spec: what their types mean as events.
 *
 * A source of `format: segment` is read by these rules. A row is a message where its `type` is one
 * of these; a row of any other type is quarantined:
 *   track     the event that `event` names        page    Page Viewed {name}
 *   identify  Customer Record, from `traits`      screen  Screen Viewed {name}
 *   group     Group Joined {group_id}             alias   Identity Aliased
 * Time: receivedAt - (sentAt - originalTimestamp) where these are there (receivedAt of a live
 * source: now), else `timestamp`, else originalTimestamp, else receivedAt; a source that names
 * another time keeps it. In a request receivedAt is when this server received it, whatever the
 * message says; where another collector received it first, that one has corrected `timestamp`.
 * Key: messageId, else a hash of the message (or what the source names).
 * Identifiers: those of the mapping, and context.externalIds[] whose type the playbook knows; of an
 * alias also previousId, as what userId or anonymousId is (or an e-mail address), wherever that is
 * known. Of context.consent.categoryPreferences each becomes a
 * Consent Changed event beside the message's own, once a person and state in a batch. A line
 * {"batch": [message, …], "sentAt": …, "receivedAt": …, "context": …} is one row and as many events
 * as it has messages; what it says of sentAt, receivedAt and context holds for the messages that
 * say nothing of it. Messages that can't become events, or that are no right JSON, are quarantined
 * together, as a batch of their own. */
#ifndef INGEST_MAP_SEGMENT_H
#define INGEST_MAP_SEGMENT_H

#include "ingest/map/mapper.h"

/* Finds out which message the present row is, and in which currency its money stands
 * (properties.currency). */
enum status segment_begin(struct mapper *mapper) MUST_USE;
/* Is the line, whose cells have been filled, a batch? */
bool segment_is_batch(const struct mapper *mapper);

/* Called where the present line can't be read as JSON. Parts its batch into messages that are
 * readable and messages that are not. OK: the line now holds the readable ones, its cells are
 * filled, and the others are in mapper->left; there are `left_count` of them. INVALID, with the
 * reason unchanged: the line is no batch whose messages can be told apart, or none of them is
 * readable. */
enum status segment_rescue(struct mapper *mapper, uint32_t *left_count) MUST_USE;

/* Walks the messages of the present line in order. */
struct segment_batch {
    struct json_iterator messages;
    const char *at, *end;  /* the line's text, in step with the nodes */
    struct json_node node; /* the message … */
    struct text text;      /* … as it stands in the line */
    uint32_t number;       /* from 1 */
    uint32_t left_count;
};
void segment_batch_begin(struct segment_batch *walk, const struct mapper *mapper);
bool segment_batch_next(struct segment_batch *walk);
/* The message can't become an event: it goes to mapper->left, and the first reason is kept.
 * NO_MEMORY or OK. */
enum status segment_batch_leave(struct segment_batch *walk, struct mapper *mapper) MUST_USE;
/* Where messages were left: mapper->left becomes a line that can be read again, and mapper->reason
 * tells of it. */
enum status segment_batch_end(struct segment_batch *walk, struct mapper *mapper) MUST_USE;
static inline bool segment_is_message(const struct mapper *mapper) {
    return mapper->message != 0;
}
/* What a message says of itself, for the live tail: its id, and the event that it names or its
 * type; empty where it says neither. */
void segment_told(const struct mapper *mapper, struct text *message_id, struct text *name);
/* userId as it stands, digits of a number as they were written; INVALID: it is neither. */
enum status segment_user_id(struct mapper *mapper, struct text *user) MUST_USE;
/* Does the message say when it happened? */
bool segment_says_time(const struct mapper *mapper);
/* `word`: the name as it came, where it did. */
enum status segment_event_type(struct mapper *mapper, uint32_t *event_type,
                               struct text *word) MUST_USE;
enum status segment_time(struct mapper *mapper, struct event *event) MUST_USE;
enum status segment_identifiers(struct mapper *mapper) MUST_USE;
/* Properties that the type itself brings (name, group_id): into the packed writer. */
bool segment_has_properties(const struct mapper *mapper);
enum status segment_properties(struct mapper *mapper, struct packed_writer *writer) MUST_USE;
enum status segment_consent(struct mapper *mapper, size_t event_index) MUST_USE;

#endif
