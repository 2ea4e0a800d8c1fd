/* SPDX-License-Identifier: Apache-2.0 */
/* Answers without end. The reader of a stream is suspended while nothing waits for it; whoever adds
 * bytes resumes it.
 *
 * Locks: a stream's own one is taken inside the sender's; `closed` is called without it, so that it
 * may take the sender's. */
#include "base/memory.h"
#include "base/time.h"
#include "server/http/http_internal.h"

struct http_stream {
    struct http_stream *next, *previous; /* under http->lock */
    struct http *http;
    struct MHD_Connection *connection;
    pthread_mutex_t lock;
    struct buffer waiting;
    size_t read_bytes; /* of `waiting`: sent already */
    bool is_suspended, has_ended;
    char key[sizeof(((struct access_key *)0)->id)]; /* of whoever asked; empty: none was needed */
    void (*closed)(void *context);
    void *context;
};

/* ---- the reader's side: its worker ---- */

static size_t take_bytes(struct http_stream *stream, char *out, size_t most) {
    size_t left = stream->waiting.length - stream->read_bytes;
    size_t count = left < most ? left : most;
    memcpy(out, stream->waiting.at + stream->read_bytes, count);
    stream->read_bytes += count;
    if (stream->read_bytes == stream->waiting.length) {
        buffer_clear(&stream->waiting);
        stream->read_bytes = 0;
    }
    return count;
}

static ssize_t read_stream(void *context, uint64_t position, char *out, size_t most) {
    struct http_stream *stream = context;
    ssize_t result = 0;
    (void)position;
    pthread_mutex_lock(&stream->lock);
    if (stream->waiting.length > stream->read_bytes) {
        result = (ssize_t)take_bytes(stream, out, most);
    } else if (stream->has_ended) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->is_suspended = true;
        atomic_fetch_add(&stream->http->suspended, 1);
        http_library.suspend_connection(stream->connection);
    }
    pthread_mutex_unlock(&stream->lock);
    return result;
}

static void unlink_stream(struct http_stream *stream) {
    struct http *http = stream->http;
    pthread_mutex_lock(&http->lock);
    if (stream->previous != NULL) stream->previous->next = stream->next;
    if (stream->next != NULL) stream->next->previous = stream->previous;
    if (http->streams == stream) http->streams = stream->next;
    http->stream_count--;
    pthread_mutex_unlock(&http->lock);
}

static void free_stream(void *context) {
    struct http_stream *stream = context;
    unlink_stream(stream);
    if (stream->closed != NULL) stream->closed(stream->context);
    pthread_mutex_destroy(&stream->lock);
    buffer_release(&stream->waiting);
    memory_free(stream);
}

struct MHD_Response *stream_response(struct http_stream *stream) {
    struct MHD_Response *response = http_library.create_response_from_callback(
        MHD_SIZE_UNKNOWN, 4096, read_stream, stream, free_stream);
    if (response == NULL) free_stream(stream);
    return response;
}

/* ---- the senders' side ---- */

/* Under the stream's lock, so that the connection lives. */
static void wake(struct http_stream *stream) {
    if (!stream->is_suspended) return;
    stream->is_suspended = false;
    http_library.resume_connection(stream->connection);
    atomic_fetch_sub(&stream->http->suspended, 1);
}

static void drop_read_bytes(struct buffer *waiting, size_t *read_bytes) {
    if (*read_bytes == 0) return;
    memmove(waiting->at, waiting->at + *read_bytes, waiting->length - *read_bytes);
    waiting->length -= *read_bytes;
    *read_bytes = 0;
}

bool http_stream_send(struct http_stream *stream, struct text bytes) {
    pthread_mutex_lock(&stream->lock);
    size_t behind = stream->waiting.length - stream->read_bytes;
    bool fits = !stream->has_ended && behind + bytes.length <= HTTP_STREAM_BYTES_MAX;
    if (fits) {
        drop_read_bytes(&stream->waiting, &stream->read_bytes);
        fits = buffer_append_text(&stream->waiting, bytes) == STATUS_OK;
    }
    if (fits) wake(stream);
    pthread_mutex_unlock(&stream->lock);
    return fits;
}

static struct http_stream *create_stream(struct http_call *call, void (*closed)(void *context),
                                         void *context) {
    struct http_stream *stream = memory_calloc(1, sizeof *stream);
    if (stream == NULL) return NULL;
    stream->http = call->http;
    stream->connection = call->connection;
    stream->closed = closed;
    stream->context = context;
    memcpy(stream->key, call->key.id, sizeof stream->key);
    buffer_init(&stream->waiting);
    pthread_mutex_init(&stream->lock, NULL);
    return stream;
}

/* False where as many are open as may be. */
static bool link_stream(struct http *http, struct http_stream *stream) {
    pthread_mutex_lock(&http->lock);
    bool fits = http->stream_count < HTTP_STREAMS_MAX && !atomic_load(&http->is_stopping);
    if (fits) {
        stream->next = http->streams;
        if (http->streams != NULL) http->streams->previous = stream;
        http->streams = stream;
        http->stream_count++;
    }
    pthread_mutex_unlock(&http->lock);
    return fits;
}

struct http_stream *http_stream_open(struct http_call *call, const char *type,
                                     void (*closed)(void *context), void *context) {
    struct http_stream *stream = create_stream(call, closed, context);
    if (stream == NULL || !link_stream(call->http, stream)) {
        memory_free(stream);
        http_answer_header(call, "Retry-After", "10");
        http_problem(call, 503, "streams",
                     "%u streams are open, which is as many as may be; close one of them.",
                     HTTP_STREAMS_MAX);
        return NULL;
    }
    call->stream = stream;
    http_answer(call, 200, type, (struct text){0});
    return stream;
}

void streams_beat(struct http *http) {
    pthread_mutex_lock(&http->lock);
    for (struct http_stream *stream = http->streams; stream != NULL; stream = stream->next) {
        pthread_mutex_lock(&stream->lock);
        if (stream->waiting.length == stream->read_bytes && !stream->has_ended &&
            buffer_append_text(&stream->waiting, TEXT(":\n\n")) == STATUS_OK)
            wake(stream);
        pthread_mutex_unlock(&stream->lock);
    }
    pthread_mutex_unlock(&http->lock);
}

/* What waits is dropped: it is nobody's any more. */
static void cut_off(struct http_stream *stream) {
    pthread_mutex_lock(&stream->lock);
    buffer_clear(&stream->waiting);
    stream->read_bytes = 0;
    stream->has_ended = true;
    wake(stream);
    pthread_mutex_unlock(&stream->lock);
}

void streams_check_keys(struct http *http) {
    struct access *access = http->server->access;
    int64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&http->lock);
    for (struct http_stream *stream = http->streams; stream != NULL; stream = stream->next) {
        if (stream->key[0] != '\0' && !access_is_good(access, stream->key, now_ms)) cut_off(stream);
    }
    pthread_mutex_unlock(&http->lock);
}

void streams_end(struct http *http) {
    pthread_mutex_lock(&http->lock);
    for (struct http_stream *stream = http->streams; stream != NULL; stream = stream->next) {
        pthread_mutex_lock(&stream->lock);
        stream->has_ended = true;
        wake(stream);
        pthread_mutex_unlock(&stream->lock);
    }
    pthread_mutex_unlock(&http->lock);
}
