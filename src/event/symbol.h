/* SPDX-License-Identifier: Apache-2.0 */
/* event/symbol.h -- names as small numbers: event types, properties, channels, sources, identifier
 * types.
 *
 * One table a data directory, written to the log before the first event that uses a symbol. Only a
 * playbook and this program add names; a name that only data bring stays in the event that brings
 * it (dark.h), so the table grows with what people declare. symbol_add takes a lock (any thread);
 * symbol_text and symbol_find are lock-free for readers. */
#ifndef EVENT_SYMBOL_H
#define EVENT_SYMBOL_H

#include "base/text.h"

enum symbol_kind {
    SYMBOL_EVENT,      /* at most 65,535 */
    SYMBOL_PROPERTY,   /* at most 65,535; list fields too */
    SYMBOL_CHANNEL,    /* at most 255 */
    SYMBOL_SOURCE,     /* at most 65,535 */
    SYMBOL_IDENTIFIER, /* identifier types, at most 255 */
    SYMBOL_KIND_COUNT
};
#define SYMBOL_NONE      UINT32_MAX
#define SYMBOL_BYTES_MAX 255

/* An event has these instead of the symbol of a name that nobody declared. No name ever gets these
 * ids; symbol_text says "undeclared" for them, and "other" for a channel. */
#define EVENT_UNDECLARED    65535u
#define PROPERTY_UNDECLARED 65535u
#define CHANNEL_UNDECLARED  255u

struct symbols;
enum status symbols_create(struct symbols **out) MUST_USE;
void symbols_destroy(struct symbols *symbols);
/* Adds a name, or finds the id that it has. STATUS_LIMIT where the kind is full; STATUS_INVALID
 * where the name is empty, too long or not UTF-8. */
enum status symbol_add(struct symbols *symbols, enum symbol_kind kind, struct text name,
                       uint32_t *id) MUST_USE;
/* SYMBOL_NONE. */
uint32_t symbol_find(struct symbols *symbols, enum symbol_kind kind, struct text name);
struct text symbol_text(const struct symbols *symbols, enum symbol_kind kind, uint32_t id);
uint32_t symbol_count(const struct symbols *symbols, enum symbol_kind kind);

/* The reserved events and the properties they use; added first by symbols_create, so their ids are
 * constants. */
enum reserved_event {
    EVENT_CUSTOMER_RECORD,
    EVENT_CONSENT_CHANGED,
    EVENT_OPT_IN_CHANGED,
    EVENT_DECISION_MADE,
    EVENT_TREATMENT_SHOWN,
    EVENT_TREATMENT_DELIVERED,
    EVENT_TREATMENT_FAILED,
    EVENT_TREATMENT_CLICKED,
    EVENT_TREATMENT_ACCEPTED,
    EVENT_TREATMENT_REJECTED,
    EVENT_CUSTOMER_MERGED,
    EVENT_CUSTOMER_SPLIT,
    EVENT_RELATED,
    EVENT_SURVEY_ANSWERED,
    EVENT_ERASED,
    EVENT_RESERVED_COUNT
};
/* A consent or an opt-in, given or taken back. */
static inline bool event_is_permission(uint32_t type) {
    return type == EVENT_CONSENT_CHANGED || type == EVENT_OPT_IN_CHANGED;
}
/* What tells of a message: Treatment Shown, Delivered, Failed, Clicked, Accepted, Rejected. */
static inline bool event_is_treatment(uint32_t type) {
    return type >= EVENT_TREATMENT_SHOWN && type <= EVENT_TREATMENT_REJECTED;
}
enum reserved_property {
    PROPERTY_PURPOSE,
    PROPERTY_STATE,
    PROPERTY_SOURCE,
    PROPERTY_TEXT_VERSION,
    PROPERTY_CHANNEL,
    PROPERTY_PLACEMENT,
    PROPERTY_TREATMENT,
    PROPERTY_ACTION,
    PROPERTY_PROBABILITY,
    PROPERTY_TRACE,
    PROPERTY_MODEL,
    PROPERTY_PLAYBOOK,
    PROPERTY_WITHHELD,
    PROPERTY_DECISION,
    PROPERTY_KIND,
    PROPERTY_TO,
    PROPERTY_SURVEY,
    PROPERTY_ITEM,
    PROPERTY_ANSWER,
    PROPERTY_REASON,
    PROPERTY_PROPENSITY,
    PROPERTY_VALUE,
    PROPERTY_PRIORITY,
    PROPERTY_GROUP,
    PROPERTY_RESERVED_COUNT
};

/* This property holds the rows that an event is made of (ingest/file/lines.h). Its name has a
 * space, which no name in a playbook has. Answers leave it out. */
#define SYMBOL_KEPT_ROWS TEXT("attune rows")

/* Encodes what is new since the last call with these counts, for the log; symbols_apply reads it
 * back. Applying bytes that are known already changes nothing; another name for a known id is
 * STATUS_CORRUPT. */
struct symbol_counts {
    uint32_t count[SYMBOL_KIND_COUNT];
};
enum status symbols_encode_since(const struct symbols *symbols, struct symbol_counts *since,
                                 struct buffer *out) MUST_USE;
enum status symbols_apply(struct symbols *symbols, struct text bytes) MUST_USE;

/* A table of its own with the same names under the same ids: what is added to the copy is declared
 * nowhere else. Any thread; symbols_destroy it. */
enum status symbols_copy(const struct symbols *from, struct symbols **out) MUST_USE;

/* Names that no event has any more after an erasure are forgotten. Their ids stay, under a name
 * that says so, so that no other id moves. */
struct symbols_forgotten {
    bool (*forgets)(const void *context, enum symbol_kind kind, uint32_t id);
    const void *context;
};
/* Copies bytes of symbols_encode_since without these names. STATUS_CORRUPT, STATUS_NO_MEMORY. */
enum status symbols_rewrite(struct text bytes, const struct symbols_forgotten *forgotten,
                            struct buffer *out) MUST_USE;
/* Does the same in memory: symbol_find finds the name no more, and symbol_add may give it another
 * id. One thread at a time; readers may go on. */
void symbols_forget(struct symbols *symbols, const struct symbols_forgotten *forgotten);

#endif
