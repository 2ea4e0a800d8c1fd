/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/take.h"

#include "engine/engine.h"
#include "server/metrics/metrics.h"
#include "server/server_internal.h"
#include "server/take/feed.h"

/* ---- what is shown in the live tail ---- */

struct shown {
    struct shown *next;
    size_t first_event, event_count;
    bool is_dark; /* all of its events are */
    struct feed_entry entry;
};

struct taking { /* in the call's arena */
    struct http_call *call;
    void (*answer)(struct http_call *call, const struct live_call *did);
    struct feed *feed; /* NULL: nobody watches */
    struct symbols *symbols;
    struct text source;
    int64_t received_ms;
    struct shown *first, **last;
};

static void show_persons(const struct taking *taking, const struct event_batch *batch,
                         const struct event *event, struct feed_entry *entry) {
    for (uint32_t i = 0; i < event->identifier_count && i < FEED_PERSONS_MAX; i++) {
        const struct event_identifier *identifier = &batch->identifiers[event->identifier + i];
        feed_add_person(entry, symbol_text(taking->symbols, SYMBOL_IDENTIFIER, identifier->type),
                        event_batch_text(batch, identifier->offset, identifier->length));
    }
}

static bool are_dark(const struct event_batch *batch, const struct ingest_told *told) {
    for (size_t i = 0; i < told->event_count; i++)
        if (batch->events[told->first_event + i].type != EVENT_UNDECLARED) return false;
    return true;
}

/* Without memory the tail lacks an entry. */
static void note_seen(void *context, const struct event_batch *batch,
                      const struct ingest_told *told) {
    struct taking *taking = context;
    struct shown *shown = arena_calloc(http_arena(taking->call), 1, sizeof *shown);
    if (shown == NULL) return;
    struct feed_entry *entry = &shown->entry;
    shown->first_event = told->first_event;
    shown->event_count = told->event_count;
    shown->is_dark = told->event_count > 0 && are_dark(batch, told);
    entry->time_ms = taking->received_ms;
    feed_text(entry->source, sizeof entry->source, taking->source);
    feed_text(entry->name, sizeof entry->name, told->name);
    feed_text(entry->message_id, sizeof entry->message_id, told->message_id);
    feed_text(entry->reason, sizeof entry->reason, told->reason);
    if (told->event_count > 0)
        show_persons(taking, batch, &batch->events[told->first_event], entry);
    *taking->last = shown;
    taking->last = &shown->next;
}

/* A message may be several events: it stands where one of them does, and is dark where all of them
 * are. */
static enum feed_verdict verdict_of(const struct shown *shown, const struct live_call *did) {
    enum feed_verdict verdict = FEED_REPEATED;
    if (shown->event_count == 0) return FEED_QUARANTINED;
    for (size_t i = 0; i < shown->event_count; i++) {
        enum event_verdict of_event = did->verdicts[shown->first_event + i];
        if (of_event == EVENT_ACCEPTED) return shown->is_dark ? FEED_DARK : FEED_CLEAN;
        if (of_event == EVENT_TURNED_AWAY) verdict = FEED_TURNED_AWAY;
    }
    return verdict;
}

static void show(const struct taking *taking, const struct live_call *did) {
    if (taking->feed == NULL || !did->wants_verdicts) return;
    for (struct shown *shown = taking->first; shown != NULL; shown = shown->next) {
        if (did->status == STATUS_OK) {
            shown->entry.verdict = verdict_of(shown, did);
        } else {
            shown->entry.verdict = FEED_REFUSED;
            feed_text(shown->entry.reason, sizeof shown->entry.reason, text_from(did->error.text));
        }
        feed_add(taking->feed, &shown->entry, 1);
    }
}

static void show_refusal(struct http_call *call, struct text source, const char *why) {
    struct feed *feed = http_server(call)->feed;
    if (!feed_is_watched(feed)) return;
    struct feed_entry entry = {.time_ms = http_received_ms(call), .verdict = FEED_REFUSED};
    feed_text(entry.source, sizeof entry.source, source);
    feed_text(entry.reason, sizeof entry.reason, text_from(why));
    feed_add(feed, &entry, 1);
}

/* ---- rows ---- */

static void refuse(struct http_call *call, enum status status, bool is_unreadable,
                   struct text source, const struct error *error) {
    show_refusal(call, source, error->text);
    if (is_unreadable) {
        http_problem(call, 400, "unreadable", "Nothing of the body can be read as JSON: %s",
                     error->text);
    } else if (status == STATUS_NOT_FOUND || status == STATUS_INVALID) {
        http_answer_header(call, "Retry-After", "60");
        http_problem(call, 503, "source", "The key's events can't be taken: %s", error->text);
    } else {
        http_problem_of(call, status, error);
    }
}

/* What comes of a row of a source is counted by what it was worth. */
static void count(const struct taking *taking, const struct live_call *did) {
    struct metrics *metrics = http_server(taking->call)->metrics;
    const struct apply_result *result = &did->did;
    uint64_t stands = result->events + result->corrected + result->retracted + result->joined;
    uint64_t dark = did->undeclared < result->events ? did->undeclared : result->events;
    const uint64_t counts[METRICS_VERDICT_COUNT] = {
        [METRICS_CLEAN] = stands - dark,
        [METRICS_DARK] = dark,
        [METRICS_QUARANTINED] = did->bad.rows,
        [METRICS_REPEATED] = result->repeats + result->older + result->left + did->bad.known_rows,
        [METRICS_TURNED_AWAY] = result->turned_away};
    for (uint32_t i = 0; i < METRICS_VERDICT_COUNT; i++)
        if (counts[i] > 0)
            metrics_add_events(metrics, taking->source, (enum metrics_verdict)i, counts[i]);
}

/* The syncer's thread. */
static void note_done(struct live_call *did, void *context) {
    const struct taking *taking = context;
    struct http_call *call = taking->call;
    show(taking, did);
    if (did->status == STATUS_OK) {
        count(taking, did);
        taking->answer(call, did);
    } else {
        http_problem_of(call, did->status, &did->error);
    }
    live_call_give(did);
}

static struct live_sender sender_of(const struct http_call *call) {
    const struct access_key *key = http_key(call);
    struct live_sender sender = {.is_public = key->is_public, .claims = key->claims};
    _Static_assert(sizeof sender.key >= sizeof key->id, "an id must fit");
    memcpy(sender.key, key->id, sizeof key->id);
    return sender;
}

static struct taking *new_taking(struct http_call *call, const struct take_rows *rows) {
    struct server *server = http_server(call);
    struct taking *taking = arena_alloc(http_arena(call), sizeof *taking);
    if (taking == NULL) return NULL;
    *taking = (struct taking){.call = call,
                              .answer = rows->answer,
                              .feed = feed_is_watched(server->feed) ? server->feed : NULL,
                              .symbols = engine_symbols(server->engine),
                              .source = rows->source,
                              .received_ms = http_received_ms(call)};
    taking->last = &taking->first;
    return taking;
}

void take_rows(struct http_call *call, const struct take_rows *rows) {
    struct taking *taking = new_taking(call, rows);
    struct live_call *made;
    struct error error = {0};
    bool is_unreadable;
    if (taking == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, &error);
        return;
    }
    struct live_request request = {.source = rows->source,
                                   .rows = rows->rows,
                                   .row_count = rows->count,
                                   .received_ms = taking->received_ms,
                                   .sender = sender_of(call)};
    if (taking->feed != NULL) request.seen = (struct ingest_seen){note_seen, taking};
    enum status status =
        live_call_read(http_server(call)->live, &request, &made, &is_unreadable, &error);
    if (status != STATUS_OK) {
        refuse(call, status, is_unreadable, rows->source, &error);
        return;
    }
    made->wants_verdicts = taking->feed != NULL;
    http_defer(call);
    status = live_call_send(made, note_done, taking, &error);
    if (status == STATUS_OK) return;
    /* Nobody else has the call: it is answered here, as another thread would. */
    live_call_give(made);
    refuse(call, status, false, taking->source, &error);
}

/* ---- keys ---- */

/* "NAME:KEY" or "KEY". */
static struct text behind_colon(struct text key) {
    const char *colon = key.length > 0 ? memchr(key.at, ':', key.length) : NULL;
    if (colon == NULL) return key;
    uint32_t skipped = (uint32_t)(colon - key.at) + 1;
    return (struct text){colon + 1, key.length - skipped};
}

struct text take_header_key(struct http_call *call) {
    struct text key = http_header_key(call);
    if (key.length == 0) key = behind_colon(text_trim(http_header(call, "X-Write-Key")));
    return key.length > 0 ? key : http_query(call, "writeKey");
}
