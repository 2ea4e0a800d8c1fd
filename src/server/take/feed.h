/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/feed.h -- the live tail: what arrived, as it arrives, for whoever wires up a client.
 *
 *   completion of a request ──► ring ──► one thread ──► watchers: filter ──► their streams
 *   (any thread; copies)        bounded                 (server-sent events)
 *
 * GET /v1/events/stream?source=web&name=Order*&verdict=quarantined answers, for each message or row
 * that came while somebody watches:
 *
 *   event: arrived
 *   data: {"time":"…","source":"web","name":"Clicked","verdict":"clean","reason":null,
 *          "identifiers":["email:e***@b.example"],"message_id":"m1"}
 *
 * and `event: open` first, and `event: missed`, data: {"count": n}, where a reader was too slow, or
 * more came than the ring holds. Identifiers are masked, and properties are not shown: the tail is
 * for finding out whether a client is wired up rightly, not for looking at people.
 *
 * Nobody watches: then nothing is copied, and asking costs one load.
 *
 * Threads: any thread adds and asks. One thread creates and destroys it; all streams must have been
 * closed before it is destroyed. */
#ifndef SERVER_TAKE_FEED_H
#define SERVER_TAKE_FEED_H

#include "event/event.h"
#include "event/symbol.h"
#include "server/http/http.h"

#define FEED_RING_ENTRIES  2048u
#define FEED_NAME_BYTES    129
#define FEED_ID_BYTES      105
#define FEED_REASON_BYTES  257
#define FEED_PERSONS_BYTES 257
#define FEED_PERSONS_MAX   4u /* identifiers that are shown of an event */

enum feed_verdict {
    FEED_CLEAN, /* it stands */
    FEED_DARK,  /* it is stored, and nothing uses it: of a name that nobody declared, of a bot */
    FEED_QUARANTINED, /* it waits with its reason */
    FEED_REPEATED,    /* it is stored already */
    FEED_TURNED_AWAY, /* it names somebody who was erased: nothing is kept */
    FEED_REFUSED,     /* the request was answered with an error: nothing is kept */
    FEED_VERDICT_COUNT
};
/* "clean", "dark", "quarantined", "repeated", "turned_away", "refused"; the first five are those of
 * the metrics. */
const char *feed_verdict_name(enum feed_verdict verdict);

/* Texts end with 0 and are cut at whole characters. */
struct feed_entry {
    int64_t time_ms; /* of arrival */
    enum feed_verdict verdict;
    char source[66];
    char name[FEED_NAME_BYTES];
    char message_id[FEED_ID_BYTES];
    char reason[FEED_REASON_BYTES];   /* empty: none */
    char persons[FEED_PERSONS_BYTES]; /* masked identifiers, apart by line ends */
};
/* Copies as much of the text as fits, without control characters. */
void feed_text(char *out, size_t size, struct text text);
/* Adds "type:masked" of an identifier to the entry, where there is room. */
void feed_add_person(struct feed_entry *entry, struct text type, struct text value);
/* What is shown of a value: "e***@b.example" of an address; the first and the last character of
 * eight and more; else "***". */
void feed_mask(char *out, size_t size, struct text value);

struct feed;
enum status feed_create(struct feed **out) MUST_USE;
/* How many entries those who watched did not get, since they were too slow. Any thread. */
uint64_t feed_missed(const struct feed *feed);
void feed_destroy(struct feed *feed); /* NULL is allowed */
/* Does anybody watch? NULL is allowed. */
bool feed_is_watched(const struct feed *feed);
/* Hands on copies, and never waits. */
void feed_add(struct feed *feed, const struct feed_entry *entries, size_t count);

/* GET /v1/events/stream */
void feed_watch(struct http_call *call);

#endif
