/* SPDX-License-Identifier: Apache-2.0 */
/* event/timeline_source.h -- the interface by which anyone reads a timeline, or walks all of them.
 *
 * A reader pins one applied position: what it sees does not change while it is open, whatever is
 * appended, folded or merged beside it. A reader belongs to one thread; open one a thread. Opening
 * is cheap (no copies); holding one open for long keeps old files alive. The store implements this;
 * memory_source.h is a small one for tests and simulators. */
#ifndef EVENT_TIMELINE_SOURCE_H
#define EVENT_TIMELINE_SOURCE_H

#include "event/timeline.h"

/* A timeline has at most so many rows: of a longer one the newest are kept and .truncated is set.
 */
#define TIMELINE_EVENTS_MAX 1000000

enum timeline_need {
    TIMELINE_CHANNEL = 1,
    TIMELINE_KNOWN = 2, /* and no row is left out for being superseded */
    TIMELINE_POSITION = 4,
    TIMELINE_PERSONA = 8,
    TIMELINE_SOURCE = 16,
    TIMELINE_PACKED = 32, /* rows' packed properties will be read */
};

struct timeline_request {
    /* t: rows with time > t or known > t are left out, and so are those that a correction or a
     * retraction, known by t and below the position, has superseded. Pass INT64_MAX to see all and
     * ask for TIMELINE_KNOWN to judge per row by timeline_known: then superseded rows are there,
     * too. position: identity and rows as they stood there. */
    struct as_of as_of;
    uint32_t needs;          /* enum timeline_need, or-ed */
    const uint64_t *columns; /* bit set over the column set: which to fill; NULL = none */
};

struct timeline_reader;
struct timeline_source;

struct timeline_source_ops {
    enum status (*reader_open)(struct timeline_source *source, struct timeline_reader **out,
                               struct error *error);
    void (*reader_close)(struct timeline_reader *reader);
    uint64_t (*position)(const struct timeline_reader *reader); /* the pinned one */
    /* STATUS_NOT_FOUND where nobody has this id as of then (a merged-away id is found under its
     * survivor: out->customer). */
    enum status (*read)(struct timeline_reader *reader, struct customer_id customer,
                        const struct timeline_request *request, struct timeline *out,
                        struct error *error);
    /* Walks all customers with at least one row, each exactly once, ascending by their id at fold
     * time where possible. part/parts (0/1: all) splits the customers into disjoint shares for
     * threads. */
    enum status (*walk)(struct timeline_reader *reader, const struct timeline_request *request,
                        uint32_t part, uint32_t parts, struct error *error);
    /* STATUS_OK or STATUS_END. */
    enum status (*next)(struct timeline_reader *reader, struct timeline *out, struct error *error);
    /* Returns STATUS_CORRUPT where anything is damaged that any reader has asked for since the
     * source was opened. Properties are read long after `next`, by code that has no way to fail; so
     * whoever gives an answer calls this first. Any thread. NULL: nothing here can be damaged. */
    enum status (*check)(struct timeline_source *source, struct error *error);
};
struct timeline_source {
    const struct timeline_source_ops *ops;
};
static inline enum status timeline_source_check(struct timeline_source *source,
                                                struct error *error) {
    return source->ops->check != NULL ? source->ops->check(source, error) : STATUS_OK;
}
struct timeline_reader {
    struct timeline_source *source;
};

/* Tells who is who. Identity gives it to the store, so that neither room knows the other. Readers
 * take no locks. */
struct customer_directory;
struct customer_directory_ops {
    uint32_t (*persona_count)(const struct customer_directory *directory, uint64_t position);
    struct customer_id (*customer_of)(const struct customer_directory *directory,
                                      struct persona_id persona, struct as_of as_of);
    /* Writes the customer's personas as of then, at most `max`; returns how many there are. */
    uint32_t (*personas_of)(const struct customer_directory *directory, struct customer_id customer,
                            struct as_of as_of, struct persona_id *out, uint32_t max);
    /* Writes customer_of of the personas 0 to count - 1. */
    void (*snapshot)(const struct customer_directory *directory, struct as_of as_of,
                     uint32_t *customer, uint32_t count);
};
struct customer_directory {
    const struct customer_directory_ops *ops;
};

#endif
