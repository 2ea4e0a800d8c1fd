/* SPDX-License-Identifier: Apache-2.0 */
/* Two locks: `ring_lock` is held for a copy only, so that a completion never waits for a reader;
 * `watchers_lock` is held while a watcher's stream is written to, so that it lives. */
#include "server/take/feed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/memory.h"
#include "server/server_internal.h"

#define WORD_BYTES 129

struct watcher {
    struct feed *feed;
    struct watcher *next;
    struct http_stream *stream; /* NULL: it is not open yet */
    bool is_closed, is_held;    /* held: by feed_watch, which is opening the stream */
    char source[WORD_BYTES], name[WORD_BYTES]; /* patterns; empty: all */
    uint32_t verdicts;                         /* bits */
    uint64_t missed;                           /* not told yet */
};

struct feed {
    _Atomic uint32_t watched; /* how many watch */
    _Atomic uint64_t missed;  /* by all who ever watched */

    pthread_mutex_t ring_lock; /* for all below */
    pthread_cond_t added;
    struct feed_entry *ring; /* NULL before anybody watched */
    uint64_t begin, end;     /* numbers of entries; the place is the number modulo the ring */
    uint64_t dropped;        /* had no room */
    bool is_stopping, has_thread;
    pthread_t thread;

    pthread_mutex_t watchers_lock;
    struct watcher *watchers;
    struct buffer text; /* of the event that is sent; the thread's */
};

const char *feed_verdict_name(enum feed_verdict verdict) {
    static const char *const names[FEED_VERDICT_COUNT] = {"clean",    "dark",        "quarantined",
                                                          "repeated", "turned_away", "refused"};
    return names[verdict];
}

/* ---- entries ---- */

void feed_text(char *out, size_t size, struct text text) {
    size_t length = text.length < size - 1 ? text.length : size - 1;
    while (length > 0 && length < text.length && ((unsigned char)text.at[length] & 0xC0) == 0x80)
        length--;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        out[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    out[length] = 0;
}

void feed_mask(char *out, size_t size, struct text value) {
    const char *at = value.length > 0 ? memchr(value.at, '@', value.length) : NULL;
    uint32_t first = text_utf8_length(value);
    if (at != NULL && at > value.at && first > 0) {
        struct text rest = {at, value.length - (uint32_t)(at - value.at)};
        char domain[96];
        feed_text(domain, sizeof domain, rest);
        snprintf(out, size, "%.*s***%s", (int)first, value.at, domain);
        return;
    }
    uint32_t last = value.length;
    while (last > 0 && ((unsigned char)value.at[last - 1] & 0xC0) == 0x80) last--;
    if (value.length < 8 || first == 0 || last == 0)
        snprintf(out, size, "***");
    else
        snprintf(out, size, "%.*s***%.*s", (int)first, value.at, (int)(value.length - last + 1),
                 value.at + last - 1);
}

void feed_add_person(struct feed_entry *entry, struct text type, struct text value) {
    char masked[160], word[256];
    size_t used = strlen(entry->persons);
    char shown[160];
    feed_mask(masked, sizeof masked, value);
    feed_text(shown, sizeof shown, text_from(masked)); /* a line end would part it */
    int length = snprintf(word, sizeof word, "%s%.*s:%s", used > 0 ? "\n" : "",
                          (int)(type.length < 64 ? type.length : 64), type.at, shown);
    if (length < 0 || used + (size_t)length >= sizeof entry->persons) return;
    memcpy(entry->persons + used, word, (size_t)length + 1);
}

bool feed_is_watched(const struct feed *feed) {
    return feed != NULL && atomic_load_explicit(&feed->watched, memory_order_relaxed) > 0;
}

void feed_add(struct feed *feed, const struct feed_entry *entries, size_t count) {
    if (!feed_is_watched(feed) || count == 0) return;
    pthread_mutex_lock(&feed->ring_lock);
    for (size_t i = 0; i < count; i++) {
        if (feed->ring == NULL || feed->end - feed->begin == FEED_RING_ENTRIES) {
            feed->dropped += count - i;
            break;
        }
        feed->ring[feed->end++ % FEED_RING_ENTRIES] = entries[i];
    }
    pthread_cond_signal(&feed->added);
    pthread_mutex_unlock(&feed->ring_lock);
}

/* ---- to the watchers ---- */

static void write_persons(struct json_writer *writer, const char *persons) {
    json_write_key(writer, "identifiers");
    json_write_array_begin(writer);
    while (*persons != 0) {
        size_t length = strcspn(persons, "\n");
        json_write_text(writer, (struct text){persons, (uint32_t)length});
        persons += length + (persons[length] == '\n');
    }
    json_write_array_end(writer);
}

static enum status write_entry(struct buffer *out, const struct feed_entry *entry) {
    struct json_writer writer;
    buffer_clear(out);
    enum status status = buffer_append_text(out, TEXT("event: arrived\ndata: "));
    if (status != STATUS_OK) return status;
    json_writer_init(&writer, out, false);
    json_write_object_begin(&writer);
    json_member_time(&writer, "time", entry->time_ms);
    json_member_string(&writer, "source", entry->source);
    json_member_text_or_null(&writer, "name", text_from(entry->name));
    json_member_string(&writer, "verdict", feed_verdict_name(entry->verdict));
    json_member_text_or_null(&writer, "reason", text_from(entry->reason));
    write_persons(&writer, entry->persons);
    json_member_text_or_null(&writer, "message_id", text_from(entry->message_id));
    json_write_object_end(&writer);
    status = json_writer_status(&writer);
    return status == STATUS_OK ? buffer_append_text(out, TEXT("\n\n")) : status;
}

static bool wants(const struct watcher *watcher, const struct feed_entry *entry) {
    if ((watcher->verdicts & 1u << entry->verdict) == 0) return false;
    if (watcher->source[0] != 0 &&
        !text_matches_glob(text_from(entry->source), text_from(watcher->source)))
        return false;
    return watcher->name[0] == 0 ||
           text_matches_glob(text_from(entry->name), text_from(watcher->name));
}

/* A reader that was too slow is told how much it missed, before it is told more. */
static bool tell_missed(struct watcher *watcher) {
    char text[96];
    if (watcher->missed == 0) return true;
    int length = snprintf(text, sizeof text, "event: missed\ndata: {\"count\":%llu}\n\n",
                          (unsigned long long)watcher->missed);
    if (!http_stream_send(watcher->stream, (struct text){text, (uint32_t)length})) return false;
    watcher->missed = 0;
    return true;
}

static void send_entry(struct feed *feed, const struct feed_entry *entry) {
    bool has_text = write_entry(&feed->text, entry) == STATUS_OK;
    pthread_mutex_lock(&feed->watchers_lock);
    for (struct watcher *watcher = feed->watchers; watcher != NULL; watcher = watcher->next) {
        if (watcher->stream == NULL || !wants(watcher, entry)) continue;
        bool sent = has_text && tell_missed(watcher) &&
                    http_stream_send(watcher->stream, buffer_text(&feed->text));
        watcher->missed += !sent;
        if (!sent) atomic_fetch_add_explicit(&feed->missed, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&feed->watchers_lock);
}

static void note_dropped(struct feed *feed, uint64_t dropped) {
    pthread_mutex_lock(&feed->watchers_lock);
    for (struct watcher *watcher = feed->watchers; watcher != NULL; watcher = watcher->next) {
        watcher->missed += dropped;
        atomic_fetch_add_explicit(&feed->missed, dropped, memory_order_relaxed);
        if (watcher->stream != NULL) (void)tell_missed(watcher);
    }
    pthread_mutex_unlock(&feed->watchers_lock);
}

static void *hand_on(void *context) {
    struct feed *feed = context;
    pthread_mutex_lock(&feed->ring_lock);
    while (!feed->is_stopping) {
        if (feed->begin == feed->end && feed->dropped == 0) {
            pthread_cond_wait(&feed->added, &feed->ring_lock);
            continue;
        }
        struct feed_entry entry;
        bool has_entry = feed->begin != feed->end;
        uint64_t dropped = has_entry ? 0 : feed->dropped;
        if (has_entry) entry = feed->ring[feed->begin++ % FEED_RING_ENTRIES];
        feed->dropped -= dropped;
        pthread_mutex_unlock(&feed->ring_lock);
        if (has_entry)
            send_entry(feed, &entry);
        else
            note_dropped(feed, dropped);
        pthread_mutex_lock(&feed->ring_lock);
    }
    pthread_mutex_unlock(&feed->ring_lock);
    return NULL;
}

/* ---- watching ---- */

static enum status start(struct feed *feed) {
    enum status status = STATUS_OK;
    pthread_mutex_lock(&feed->ring_lock);
    if (feed->ring == NULL) {
        feed->ring = memory_calloc(FEED_RING_ENTRIES, sizeof *feed->ring);
        if (feed->ring == NULL) status = STATUS_NO_MEMORY;
    }
    if (status == STATUS_OK && !feed->has_thread) {
        feed->has_thread = pthread_create(&feed->thread, NULL, hand_on, feed) == 0;
        if (!feed->has_thread) status = STATUS_NO_MEMORY;
    }
    pthread_mutex_unlock(&feed->ring_lock);
    return status;
}

/* Under the lock. */
static void unlink_watcher(struct feed *feed, struct watcher *watcher) {
    struct watcher **at = &feed->watchers;
    while (*at != NULL && *at != watcher) at = &(*at)->next;
    if (*at == NULL) return;
    *at = watcher->next;
    atomic_fetch_sub(&feed->watched, 1);
}

/* The client has gone, or the server stops. */
static void stop_watching(void *context) {
    struct watcher *watcher = context;
    struct feed *feed = watcher->feed;
    pthread_mutex_lock(&feed->watchers_lock);
    unlink_watcher(feed, watcher);
    watcher->stream = NULL;
    watcher->is_closed = true;
    bool is_held = watcher->is_held;
    pthread_mutex_unlock(&feed->watchers_lock);
    if (!is_held) memory_free(watcher);
}

/* Opens the stream; the watcher is its, once it is open. */
static void open_stream(struct http_call *call, struct watcher *watcher) {
    struct feed *feed = watcher->feed;
    http_answer_header(call, "Cache-Control", "no-store");
    http_answer_header(call, "X-Accel-Buffering", "no"); /* nginx would keep events back */
    struct http_stream *stream =
        http_stream_open(call, "text/event-stream", stop_watching, watcher);
    pthread_mutex_lock(&feed->watchers_lock);
    bool is_open = stream != NULL && !watcher->is_closed;
    watcher->is_held = false;
    if (is_open) {
        watcher->stream = stream;
        watcher->next = feed->watchers;
        feed->watchers = watcher;
        atomic_fetch_add(&feed->watched, 1);
        (void)http_stream_send(stream, TEXT("retry: 1000\nevent: open\ndata: {}\n\n"));
    }
    pthread_mutex_unlock(&feed->watchers_lock);
    if (!is_open) memory_free(watcher);
}

/* "quarantined", or several, apart by commas. False: one is unknown. */
static bool read_verdicts(struct text words, uint32_t *out) {
    *out = 0;
    while (words.length > 0) {
        const char *comma = memchr(words.at, ',', words.length);
        struct text word = {words.at, comma ? (uint32_t)(comma - words.at) : words.length};
        uint32_t before = *out;
        for (uint32_t i = 0; i < FEED_VERDICT_COUNT; i++)
            if (text_equal(word, text_from(feed_verdict_name((enum feed_verdict)i))))
                *out |= 1u << i;
        if (*out == before) return false;
        uint32_t step = word.length + (comma != NULL);
        words = (struct text){words.at + step, words.length - step};
    }
    return true;
}

void feed_watch(struct http_call *call) {
    struct feed *feed = http_server(call)->feed;
    struct text source = http_query(call, "source"), name = http_query(call, "name");
    struct text verdicts = http_query(call, "verdict");
    uint32_t bits = UINT32_MAX;
    if (verdicts.at != NULL && !read_verdicts(verdicts, &bits)) {
        http_problem(call, 400, "verdict",
                     "verdict is one or several, apart by commas, of clean, dark, quarantined, "
                     "repeated, turned_away, refused");
        return;
    }
    struct watcher *watcher = memory_calloc(1, sizeof *watcher);
    if (watcher == NULL || start(feed) != STATUS_OK) {
        memory_free(watcher);
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return;
    }
    watcher->feed = feed;
    watcher->is_held = true;
    watcher->verdicts = bits;
    if (source.at != NULL) feed_text(watcher->source, sizeof watcher->source, source);
    if (name.at != NULL) feed_text(watcher->name, sizeof watcher->name, name);
    open_stream(call, watcher);
}

/* ---- life ---- */

enum status feed_create(struct feed **out) {
    struct feed *feed = memory_calloc(1, sizeof *feed);
    *out = feed;
    if (feed == NULL) return STATUS_NO_MEMORY;
    pthread_mutex_init(&feed->ring_lock, NULL);
    pthread_mutex_init(&feed->watchers_lock, NULL);
    pthread_cond_init(&feed->added, NULL);
    buffer_init(&feed->text);
    return STATUS_OK;
}

uint64_t feed_missed(const struct feed *feed) {
    return atomic_load_explicit(&feed->missed, memory_order_relaxed);
}

void feed_destroy(struct feed *feed) {
    if (feed == NULL) return;
    pthread_mutex_lock(&feed->ring_lock);
    feed->is_stopping = true;
    bool has_thread = feed->has_thread;
    pthread_cond_signal(&feed->added);
    pthread_mutex_unlock(&feed->ring_lock);
    if (has_thread) pthread_join(feed->thread, NULL);
    pthread_cond_destroy(&feed->added);
    pthread_mutex_destroy(&feed->ring_lock);
    pthread_mutex_destroy(&feed->watchers_lock);
    buffer_release(&feed->text);
    memory_free(feed->ring);
    memory_free(feed);
}
