/* SPDX-License-Identifier: Apache-2.0 */
/* identity/record.h -- what is new, as bytes: the record that travels in the store's frame.
 *
 *   format 3 | first identifier id | first persona id | entries: tag, fields …
 *
 * Integers are varints, signed ones zigzag. Identifiers and personas are numbered in the order of
 * their entries, so their ids are not written. An erased one is written as a hole, which takes an
 * id too. The bytes may be anything, so every read is checked against the end. Format 1 had the
 * first ten tags, format 2 had no claims. */
#ifndef IDENTITY_RECORD_H
#define IDENTITY_RECORD_H

#include "identity/identity_internal.h"

enum record_tag {
    ENTRY_IDENTIFIER = 1,
    ENTRY_IDENTIFIER_HOLE,
    ENTRY_PERSONA,
    ENTRY_PERSONA_HOLE,
    ENTRY_LINK,
    ENTRY_WITHDRAWAL,
    ENTRY_SUPPRESS,
    ENTRY_WELCOME,
    ENTRY_GUARDS, /* format 1: what follows replaces all guards, for all times */
    ENTRY_GUARD,
    ENTRY_ERA, /* what follows are the guards from a moment on */
    ENTRY_ERA_GUARD,
    ENTRY_UNSUPPORT,
    ENTRY_SUPPRESS_MARKED,
    ENTRY_WAITING, /* type, value; link: strong, source, times */
    /* Format 3. */
    ENTRY_PUBLIC_PERSONA, /* a device as public sources see it */
    ENTRY_CLAIM,
    ENTRY_CLAIM_WITHDRAWAL, /* withdrawal: a is the device, b what it claimed */
    ENTRY_TAG_END
};
struct record_entry {
    enum record_tag tag;
    uint8_t type;                        /* identifier, guard */
    struct text value;                   /* identifier */
    uint32_t ids[EVENT_IDENTIFIERS_MAX]; /* persona, ascending */
    uint32_t id_count, anchor;           /* anchor: an id */
    struct link link; /* strong, weak, source, flags, weight, time_ms, known_ms */
    struct withdrawal withdrawal;
    struct suppressed suppressed; /* welcome: the digest alone */
    struct guard guard;
    int64_t from_ms;  /* era; INT64_MIN: it replaces all */
    bool retroactive; /* era's guard */
    struct unsupport unsupport;
    struct claim claim; /* device, target, source, flags, time_ms, known_ms */
};
struct record_reader {
    const uint8_t *at, *end;
    uint32_t first_identifier, first_persona;
};
/* STATUS_CORRUPT, STATUS_VERSION. */
enum status record_open(struct record_reader *reader, struct text bytes) MUST_USE;
/* STATUS_OK, STATUS_END, STATUS_CORRUPT. value is borrowed from the bytes. */
enum status record_next(struct record_reader *reader, struct record_entry *entry) MUST_USE;

enum status record_begin(struct buffer *out, uint32_t first_identifier,
                         uint32_t first_persona) MUST_USE;
enum status record_put(struct buffer *out, const struct record_entry *entry) MUST_USE;
/* Appends an entry to the record of the call under way; the first entry begins the record. */
enum status record_add(struct identity *identity, const struct record_entry *entry) MUST_USE;

#endif
