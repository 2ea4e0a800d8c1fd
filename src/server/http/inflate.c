/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/inflate.h"

#define ZLIB_CONST
#include <zlib.h>

#include "base/memory.h"

#define GZIP_WINDOW     (15 + 16) /* zlib.h, inflateInit2: gzip only */
#define FIRST_OUT_BYTES ((size_t)16 << 10)

struct inflater {
    z_stream stream;
};

static void *take_memory(void *opaque, unsigned items, unsigned bytes) {
    (void)opaque;
    return memory_calloc(items, bytes);
}

static void give_memory(void *opaque, void *at) {
    (void)opaque;
    memory_free(at);
}

enum status inflater_create(struct inflater **out) {
    struct inflater *inflater = memory_calloc(1, sizeof *inflater);
    if (inflater == NULL) return STATUS_NO_MEMORY;
    inflater->stream.zalloc = take_memory;
    inflater->stream.zfree = give_memory;
    if (inflateInit2(&inflater->stream, GZIP_WINDOW) != Z_OK) {
        memory_free(inflater);
        return STATUS_NO_MEMORY;
    }
    *out = inflater;
    return STATUS_OK;
}

void inflater_destroy(struct inflater *inflater) {
    if (inflater == NULL) return;
    (void)inflateEnd(&inflater->stream);
    memory_free(inflater);
}

bool inflate_is_gzip(struct text body) {
    return body.length >= 2 && (unsigned char)body.at[0] == 0x1F &&
           (unsigned char)body.at[1] == 0x8B;
}

/* Room for at least one byte more than the limit is never needed: a body of exactly the limit ends
 * with its trailer. One spare byte tells whether more would come. */
static enum status make_room(struct buffer *out, size_t bytes_max) {
    size_t wanted = out->capacity < FIRST_OUT_BYTES ? FIRST_OUT_BYTES : out->capacity * 2;
    if (wanted > bytes_max + 1) wanted = bytes_max + 1;
    return wanted > out->length ? buffer_reserve(out, wanted - out->length) : STATUS_LIMIT;
}

static enum status inflate_member(z_stream *stream, size_t bytes_max, struct buffer *out) {
    for (;;) {
        enum status status = STATUS_OK;
        if (out->length == out->capacity) status = make_room(out, bytes_max);
        if (status != STATUS_OK) return status;
        size_t room = out->capacity - out->length;
        if (room > bytes_max + 1 - out->length) room = bytes_max + 1 - out->length;
        stream->next_out = (Bytef *)out->at + out->length;
        stream->avail_out = (uInt)room;
        int code = inflate(stream, Z_NO_FLUSH);
        out->length += room - stream->avail_out;
        if (out->length > bytes_max) return STATUS_LIMIT;
        if (code == Z_STREAM_END) return STATUS_OK;
        if (code == Z_MEM_ERROR) return STATUS_NO_MEMORY;
        if (code != Z_OK) return STATUS_INVALID;
        /* All was read and it has not ended: it was cut short. */
        if (stream->avail_in == 0 && stream->avail_out > 0) return STATUS_INVALID;
    }
}

enum status inflate_gzip(struct inflater *inflater, struct text body, size_t bytes_max,
                         struct buffer *out) {
    z_stream *stream = &inflater->stream;
    enum status status = STATUS_OK;
    buffer_clear(out);
    stream->next_in = (const Bytef *)body.at;
    stream->avail_in = body.length;
    if (body.length == 0) return STATUS_INVALID;
    while (status == STATUS_OK && stream->avail_in > 0) {
        if (inflateReset(stream) != Z_OK) return STATUS_INVALID;
        status = inflate_member(stream, bytes_max, out);
    }
    return status;
}
