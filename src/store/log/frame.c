/* SPDX-License-Identifier: Apache-2.0 */
#include "store/log/frame.h"

#include <assert.h>
#include "base/hash.h"
#include "base/memory.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "frames are written as they lie in memory");

#define LENGTHS_MAX   36u /* of format 2 */
#define LENGTHS_BYTES 28u /* of format 1 */
#define KEY_BYTES     14u
#define VERSION_BYTES 8u
#define CHANGE_BYTES  57u
#define RECORD_FIXED  5u
#define ROW_FIXED     26u
#define HEADER_CRC_AT 36u
#define CRC_STARTS_AT 8u

struct event_bytes { /* one event of the section, FRAME_EVENT_BYTES without the tail padding */
    int64_t time_ms, known_ms;
    uint64_t key;
    uint32_t persona;
    uint16_t type, source, packed_length;
    uint8_t channel, unused;
};
static_assert(sizeof(struct event_bytes) >= FRAME_EVENT_BYTES, "the fields fill 36 bytes");

static inline void put(uint8_t *at, const void *value, size_t bytes) {
    memcpy(at, value, bytes);
}
static uint16_t get_u16(const void *at) {
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}
static uint32_t get_u32(const void *at) {
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}
static uint64_t get_u64(const void *at) {
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint16_t format_of(const struct frame_view *parts) {
    return parts->keys.length > 0 || parts->changes.length > 0 ? FRAME_FORMAT : 1;
}

static uint32_t lengths_bytes(uint16_t format) {
    return format == 1 ? LENGTHS_BYTES : LENGTHS_MAX;
}

/* Writes header (unsealed) and lengths; the sections follow. Returns the bytes written. */
static size_t put_start(uint8_t *at, const struct frame_view *parts, uint32_t payload) {
    const uint32_t magic = FRAME_MAGIC;
    const uint16_t format = format_of(parts);
    const uint32_t lengths[9] = {
        parts->symbols.length, parts->record_count,  parts->records.length,
        parts->event_count,    parts->packed.length, parts->row_count,
        parts->rows.length,    parts->keys.length,   parts->changes.length};
    memset(at, 0, FRAME_HEADER_BYTES);
    put(at, &magic, 4);
    put(at + 8, &payload, 4);
    put(at + 12, &parts->span, 4);
    put(at + 32, &format, 2);
    put(at + 34, &parts->flags, 2);
    put(at + FRAME_HEADER_BYTES, lengths, lengths_bytes(format));
    return FRAME_HEADER_BYTES + lengths_bytes(format);
}

bool frame_has_changes(const void *frame) {
    const uint8_t *at = frame;
    return get_u16(at + 32) > 1 && get_u32(at + FRAME_HEADER_BYTES + LENGTHS_MAX - 4) > 0;
}

size_t frame_packed_offset(const void *frame) {
    const uint8_t *at = frame, *lengths = at + FRAME_HEADER_BYTES;
    return FRAME_HEADER_BYTES + lengths_bytes(get_u16(at + 32)) + (size_t)get_u32(lengths) +
           get_u32(lengths + 8) + (size_t)get_u32(lengths + 12) * FRAME_EVENT_BYTES;
}

void frame_seal(void *frame, uint64_t position, uint64_t durable) {
    uint8_t *at = frame;
    put(at + 16, &position, 8);
    put(at + 24, &durable, 8);
    uint32_t header_crc = crc32c(0, at + CRC_STARTS_AT, HEADER_CRC_AT - CRC_STARTS_AT);
    put(at + HEADER_CRC_AT, &header_crc, 4);
    size_t length = FRAME_HEADER_BYTES + (size_t)get_u32(at + 8);
    uint32_t crc = crc32c(0, at + CRC_STARTS_AT, length - CRC_STARTS_AT);
    put(at + 4, &crc, 4);
}

void frame_mark(uint8_t out[FRAME_MARK_BYTES], uint64_t position) {
    (void)put_start(out, &(struct frame_view){.flags = FRAME_MARK}, LENGTHS_BYTES);
    frame_seal(out, position, position);
}

static enum status too_long(struct error *error, uint64_t bytes) {
    return error_set(error, STATUS_LIMIT,
                     "a frame may have %u bytes, this one has %llu: send smaller batches",
                     STORE_FRAME_BYTES_MAX, (unsigned long long)bytes);
}

static enum status no_memory(struct error *error) {
    return error_set(error, STATUS_NO_MEMORY, "no memory for a frame of the log");
}

enum status frame_encode_parts(struct buffer *out, const struct frame_view *parts,
                               struct error *error) {
    const struct text *sections[] = {&parts->symbols, &parts->records, &parts->events,
                                     &parts->packed,  &parts->rows,    &parts->keys,
                                     &parts->changes};
    const size_t count = sizeof(sections) / sizeof(*sections);
    uint64_t payload = lengths_bytes(format_of(parts));
    for (size_t i = 0; i < count; i++) payload += sections[i]->length;
    if (payload + FRAME_HEADER_BYTES > STORE_FRAME_BYTES_MAX) return too_long(error, payload);
    if (buffer_reserve(out, FRAME_HEADER_BYTES + (size_t)payload)) return no_memory(error);
    out->length += put_start((uint8_t *)out->at + out->length, parts, (uint32_t)payload);
    for (size_t i = 0; i < count; i++) {
        if (sections[i]->length)
            memcpy(out->at + out->length, sections[i]->at, sections[i]->length);
        out->length += sections[i]->length;
    }
    return STATUS_OK;
}

enum status frame_put_record(struct buffer *section, uint8_t kind, struct text bytes) {
    enum status status = buffer_reserve(section, RECORD_FIXED + (size_t)bytes.length);
    if (status) return status;
    uint8_t *at = (uint8_t *)section->at + section->length;
    put(at, &kind, 1);
    put(at + 1, &bytes.length, 4);
    if (bytes.length) memcpy(at + RECORD_FIXED, bytes.at, bytes.length);
    section->length += RECORD_FIXED + (size_t)bytes.length;
    return STATUS_OK;
}

enum status frame_put_row(struct buffer *section, const struct stored_row *row) {
    size_t bytes = ROW_FIXED + (size_t)row->file.length + row->reason.length + row->raw.length;
    enum status status = buffer_reserve(section, bytes);
    if (status) return status;
    uint8_t *at = (uint8_t *)section->at + section->length;
    put(at, &row->source, 2);
    put(at + 2, &row->column, 4);
    put(at + 6, &row->line, 8);
    put(at + 14, &row->file.length, 4);
    put(at + 18, &row->reason.length, 4);
    put(at + 22, &row->raw.length, 4);
    at += ROW_FIXED;
    const struct text *texts[] = {&row->file, &row->reason, &row->raw};
    for (size_t i = 0; i < 3; i++) {
        if (texts[i]->length) memcpy(at, texts[i]->at, texts[i]->length);
        at += texts[i]->length;
    }
    section->length += bytes;
    return STATUS_OK;
}

static uint8_t *put_key(uint8_t *at, const struct event *event) {
    put(at, &event->key.high, 4);
    put(at + 4, &event->reading, 2);
    put(at + 6, &event->content, 8);
    return at + KEY_BYTES;
}

/* The fixed fields of an event, FRAME_EVENT_BYTES. Each is written where it stays: a struct that is
 * filled and then copied makes the copy wait for all stores before it. */
static void put_event(uint8_t *at, const struct event *event) {
    const uint16_t packed_length = (uint16_t)event->properties_length;
    put(at, &event->time_ms, 8);
    put(at + offsetof(struct event_bytes, known_ms), &event->known_ms, 8);
    put(at + offsetof(struct event_bytes, key), &event->key.low, 8);
    put(at + offsetof(struct event_bytes, persona), &event->persona.value, 4);
    put(at + offsetof(struct event_bytes, type), &event->type, 2);
    put(at + offsetof(struct event_bytes, source), &event->source, 2);
    put(at + offsetof(struct event_bytes, packed_length), &packed_length, 2);
    at[offsetof(struct event_bytes, channel)] = event->channel;
    at[offsetof(struct event_bytes, unused)] = 0;
}

/* Writes three sections in one pass, since a batch is larger than the first caches. */
static void put_events(uint8_t *at, uint8_t *packed, uint8_t *keys,
                       const struct event_batch *batch) {
    for (size_t i = 0; i < batch->event_count; i++, at += FRAME_EVENT_BYTES) {
        const struct event *event = &batch->events[i];
        put_event(at, event);
        if (!row_key_is_none(event->key)) keys = put_key(keys, event);
        if (event->properties_length == 0) continue;
        memcpy(packed, batch->bytes.at + event->properties, event->properties_length);
        packed += event->properties_length;
    }
}

/* What the sections of a batch take. */
struct batch_bytes {
    uint64_t packed, rows, keys, changes;
    bool has_versions;
};

static enum status check_batch(const struct event_batch *batch, struct batch_bytes *bytes,
                               struct error *error) {
    if (batch->event_count > BATCH_EVENTS_MAX || batch->row_count > BATCH_EVENTS_MAX)
        return error_set(error, STATUS_LIMIT,
                         "a batch may have %d events and as many rows: send smaller batches",
                         BATCH_EVENTS_MAX);
    uint64_t keyed = 0;
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        if (event->properties_length > PACKED_BYTES_MAX)
            return error_set(error, STATUS_LIMIT,
                             "an event's properties may have %d bytes, these have %u",
                             PACKED_BYTES_MAX, event->properties_length);
        if (event->persona.value == ID_NONE)
            return error_set(error, STATUS_INVALID, "event %zu of the batch has no persona", i);
        bytes->packed += event->properties_length;
        keyed += !row_key_is_none(event->key);
        bytes->has_versions |= !row_key_is_none(event->key) && event->version != ROW_VERSION_NONE;
        bytes->changes += event->replaces != 0 ? CHANGE_BYTES : 0;
    }
    bytes->keys = keyed * (KEY_BYTES + (bytes->has_versions ? VERSION_BYTES : 0));
    return STATUS_OK;
}

/* Appends the events; the caller has made room for everything. The keys stand behind `row_bytes` of
 * rows, which come later. */
static void append_events(struct buffer *out, const struct event_batch *batch, size_t packed_bytes,
                          size_t row_bytes) {
    size_t fixed = batch->event_count * FRAME_EVENT_BYTES;
    uint8_t *at = (uint8_t *)out->at + out->length;
    put_events(at, at + fixed, at + fixed + packed_bytes + row_bytes, batch);
    out->length += fixed + packed_bytes;
}

/* Appends the keys' versions; append_events has written the keys. */
static void append_versions(struct buffer *out, const struct event_batch *batch,
                            const struct batch_bytes *bytes) {
    if (!bytes->has_versions) {
        out->length += (size_t)bytes->keys;
        return;
    }
    out->length += (size_t)(bytes->keys / (KEY_BYTES + VERSION_BYTES) * KEY_BYTES);
    uint8_t *at = (uint8_t *)out->at + out->length;
    for (size_t i = 0; i < batch->event_count; i++) {
        if (row_key_is_none(batch->events[i].key)) continue;
        put(at, &batch->events[i].version, VERSION_BYTES);
        at += VERSION_BYTES;
    }
    out->length = (size_t)((char *)at - out->at);
}

static uint8_t *put_change(uint8_t *at, enum frame_change_kind kind,
                           const struct key_change *change, uint32_t event) {
    at[0] = (uint8_t)kind;
    put(at + 1, &change->key.low, 8);
    put(at + 9, &change->key.high, 4);
    put(at + 13, &change->content, 8);
    put(at + 21, &change->version, 8);
    put(at + 29, &change->position, 8);
    put(at + 37, &change->persona.value, 4);
    put(at + 41, &change->reading, 2);
    put(at + 43, &change->source, 2);
    put(at + 45, &change->known_ms, 8);
    put(at + 53, &event, 4);
    return at + CHANGE_BYTES;
}

static void append_changes(struct buffer *out, const struct event_batch *batch,
                           const struct store_frame *frame, bool has_replaces) {
    uint8_t *at = (uint8_t *)out->at + out->length;
    for (size_t i = 0; has_replaces && i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        if (event->replaces == 0) continue;
        const struct key_change change = {.position = event->replaces,
                                          .persona = event->replaces_persona};
        at = put_change(at, FRAME_REPLACES, &change, (uint32_t)i);
    }
    for (size_t i = 0; i < frame->change_count; i++) {
        const struct key_change *change = &frame->changes[i];
        at = put_change(at, change->retracts ? FRAME_RETRACTS : FRAME_READS, change, 0);
    }
    out->length = (size_t)((char *)at - out->at);
}

static enum status append_rows(struct buffer *out, const struct event_batch *batch) {
    for (size_t i = 0; i < batch->row_count; i++) {
        const struct quarantined_row *row = &batch->rows[i];
        const struct stored_row stored = {
            .source = row->source,
            .line = row->line,
            .column = row->column,
            .file = event_batch_text(batch, row->file, row->file_length),
            .reason = event_batch_text(batch, row->reason, row->reason_length),
            .raw = event_batch_text(batch, row->raw, row->raw_length),
        };
        enum status status = frame_put_row(out, &stored);
        if (status) return status;
    }
    return STATUS_OK;
}

static uint64_t row_bytes_of(const struct event_batch *batch) {
    uint64_t bytes = batch->row_count * (uint64_t)ROW_FIXED;
    for (size_t i = 0; i < batch->row_count; i++)
        bytes += (uint64_t)batch->rows[i].file_length + batch->rows[i].reason_length +
                 batch->rows[i].raw_length;
    return bytes;
}

static enum status append_sections(struct buffer *out, struct text symbols,
                                   const struct store_frame *frame, const struct event_batch *batch,
                                   const struct batch_bytes *bytes) {
    enum status status = STATUS_OK;
    if (symbols.length) status = buffer_append(out, symbols.at, symbols.length);
    for (size_t i = 0; status == STATUS_OK && i < frame->record_count; i++)
        status = frame_put_record(out, (uint8_t)frame->records[i].kind, frame->records[i].bytes);
    if (status) return status;
    append_events(out, batch, (size_t)bytes->packed, (size_t)bytes->rows);
    status = append_rows(out, batch);
    if (status) return status;
    append_versions(out, batch, bytes);
    append_changes(out, batch, frame, bytes->changes > frame->change_count * CHANGE_BYTES);
    return STATUS_OK;
}

enum status frame_encode(struct buffer *out, struct text symbols, const struct store_frame *frame,
                         struct error *error) {
    static const struct event_batch nothing;
    const struct event_batch *batch = frame->batch ? frame->batch : &nothing;
    struct batch_bytes bytes = {0};
    enum status status = check_batch(batch, &bytes, error);
    if (status) return status;
    if (frame->change_count > BATCH_EVENTS_MAX)
        return error_set(error, STATUS_LIMIT,
                         "a frame may have %d changes of keys: send smaller batches",
                         BATCH_EVENTS_MAX);
    uint64_t record_bytes = 0;
    bytes.rows = row_bytes_of(batch);
    bytes.changes += frame->change_count * (uint64_t)CHANGE_BYTES;
    for (size_t i = 0; i < frame->record_count; i++)
        record_bytes += RECORD_FIXED + (uint64_t)frame->records[i].bytes.length;
    uint64_t payload = LENGTHS_MAX + (uint64_t)symbols.length + record_bytes +
                       batch->event_count * (uint64_t)FRAME_EVENT_BYTES + bytes.packed +
                       bytes.rows + bytes.keys + bytes.changes;
    if (payload + FRAME_HEADER_BYTES > STORE_FRAME_BYTES_MAX) return too_long(error, payload);

    size_t start = out->length;
    if (buffer_reserve(out, FRAME_HEADER_BYTES + (size_t)payload)) return no_memory(error);
    const struct frame_view parts = {
        .span = 1 + (uint32_t)batch->event_count,
        .symbols.length = symbols.length,
        .records.length = (uint32_t)record_bytes,
        .packed.length = (uint32_t)bytes.packed,
        .rows.length = (uint32_t)bytes.rows,
        .keys.length = (uint32_t)bytes.keys,
        .changes.length = (uint32_t)bytes.changes,
        .record_count = (uint32_t)frame->record_count,
        .event_count = (uint32_t)batch->event_count,
        .row_count = (uint32_t)batch->row_count,
    };
    payload -= LENGTHS_MAX - lengths_bytes(format_of(&parts));
    out->length += put_start((uint8_t *)out->at + start, &parts, (uint32_t)payload);
    status = append_sections(out, symbols, frame, batch, &bytes);
    if (status) {
        out->length = start;
        return no_memory(error);
    }
    return STATUS_OK;
}

/* Takes `length` bytes from the front of what is left. */
static bool take(struct text *left, uint64_t length, struct text *out) {
    if (length > left->length) return false;
    *out = (struct text){left->at, (uint32_t)length};
    left->at += length;
    left->length -= (uint32_t)length;
    return true;
}

static bool read_sections(struct text payload, uint16_t format, struct frame_view *out) {
    struct text head;
    uint32_t lengths[9] = {0};
    if (!take(&payload, lengths_bytes(format), &head)) return false;
    memcpy(lengths, head.at, head.length);
    out->record_count = lengths[1];
    out->event_count = lengths[3];
    out->row_count = lengths[5];
    out->has_short_keys = format == 1;
    return out->event_count <= BATCH_EVENTS_MAX && out->row_count <= BATCH_EVENTS_MAX &&
           take(&payload, lengths[0], &out->symbols) && take(&payload, lengths[2], &out->records) &&
           take(&payload, (uint64_t)lengths[3] * FRAME_EVENT_BYTES, &out->events) &&
           take(&payload, lengths[4], &out->packed) && take(&payload, lengths[6], &out->rows) &&
           take(&payload, lengths[7], &out->keys) && take(&payload, lengths[8], &out->changes) &&
           payload.length == 0 && out->changes.length % CHANGE_BYTES == 0;
}

enum status frame_read(const uint8_t *bytes, size_t length, struct frame_view *out,
                       size_t *frame_bytes) {
    *frame_bytes = 0;
    *out = (struct frame_view){0};
    if (length == 0) return STATUS_END;
    if (length < FRAME_HEADER_BYTES || get_u32(bytes) != FRAME_MAGIC) return STATUS_CORRUPT;
    if (get_u32(bytes + HEADER_CRC_AT) !=
        crc32c(0, bytes + CRC_STARTS_AT, HEADER_CRC_AT - CRC_STARTS_AT))
        return STATUS_CORRUPT;
    size_t whole = FRAME_HEADER_BYTES + (size_t)get_u32(bytes + 8);
    *frame_bytes = whole;
    out->span = get_u32(bytes + 12);
    out->position = get_u64(bytes + 16);
    out->durable = get_u64(bytes + 24);
    out->flags = get_u16(bytes + 34);
    if (whole > length) return STATUS_CORRUPT;
    if (get_u32(bytes + 4) != crc32c(0, bytes + CRC_STARTS_AT, whole - CRC_STARTS_AT))
        return STATUS_CORRUPT;
    uint16_t format = get_u16(bytes + 32);
    if (format > FRAME_FORMAT) return STATUS_VERSION;
    struct text payload = {(const char *)bytes + FRAME_HEADER_BYTES,
                           (uint32_t)(whole - FRAME_HEADER_BYTES)};
    if (format == 0 || !read_sections(payload, format, out) ||
        out->position > UINT64_MAX >> FRAME_ROW_ID_BITS)
        return STATUS_CORRUPT;
    return STATUS_OK;
}

enum status frame_next_record(struct text *section, uint8_t *kind, struct text *bytes) {
    if (section->length == 0) return STATUS_END;
    struct text head;
    if (!take(section, RECORD_FIXED, &head)) return STATUS_CORRUPT;
    *kind = (uint8_t)head.at[0];
    return take(section, get_u32(head.at + 1), bytes) ? STATUS_OK : STATUS_CORRUPT;
}

enum status frame_next_row(struct text *section, struct stored_row *row) {
    if (section->length == 0) return STATUS_END;
    struct text head;
    if (!take(section, ROW_FIXED, &head)) return STATUS_CORRUPT;
    *row = (struct stored_row){
        .source = get_u16(head.at), .column = get_u32(head.at + 2), .line = get_u64(head.at + 6)};
    bool whole = take(section, get_u32(head.at + 14), &row->file) &&
                 take(section, get_u32(head.at + 18), &row->reason) &&
                 take(section, get_u32(head.at + 22), &row->raw);
    return whole ? STATUS_OK : STATUS_CORRUPT;
}

static void get_change(const char *at, struct key_change *out) {
    *out = (struct key_change){
        .key = {get_u64(at + 1), get_u32(at + 9)},
        .content = get_u64(at + 13),
        .version = (int64_t)get_u64(at + 21),
        .position = get_u64(at + 29),
        .persona = {get_u32(at + 37)},
        .reading = get_u16(at + 41),
        .source = get_u16(at + 43),
        .known_ms = (int64_t)get_u64(at + 45),
        .retracts = at[0] == FRAME_RETRACTS,
    };
}

enum status frame_next_change(struct text *section, struct key_change *change) {
    struct text bytes;
    do {
        if (section->length == 0) return STATUS_END;
        if (!take(section, CHANGE_BYTES, &bytes)) return STATUS_CORRUPT;
    } while (bytes.at[0] == FRAME_REPLACES);
    if (bytes.at[0] != FRAME_RETRACTS && bytes.at[0] != FRAME_READS) return STATUS_CORRUPT;
    get_change(bytes.at, change);
    return row_key_is_none(change->key) ? STATUS_CORRUPT : STATUS_OK;
}

/* Reads what the events replace. */
static enum status read_replaces(const struct frame_view *view, struct event *events) {
    struct text left = view->changes, bytes;
    while (left.length > 0) {
        if (!take(&left, CHANGE_BYTES, &bytes)) return STATUS_CORRUPT;
        if (bytes.at[0] != FRAME_REPLACES) continue;
        struct key_change change;
        uint32_t index = get_u32(bytes.at + 53);
        get_change(bytes.at, &change);
        if (index >= view->event_count || change.position > view->position + index ||
            change.persona.value == ID_NONE)
            return STATUS_CORRUPT;
        events[index].replaces = change.position;
        events[index].replaces_persona = change.persona;
    }
    return STATUS_OK;
}

static enum status read_keys(const struct frame_view *view, struct event *events) {
    if (view->has_short_keys) return STATUS_OK;
    uint64_t keyed = 0;
    for (uint32_t i = 0; i < view->event_count; i++) keyed += !row_key_is_none(events[i].key);
    const char *at = view->keys.at, *versions = at + keyed * KEY_BYTES;
    bool has_versions = view->keys.length == keyed * (KEY_BYTES + VERSION_BYTES);
    if (!has_versions && view->keys.length != keyed * KEY_BYTES) return STATUS_CORRUPT;
    for (uint32_t i = 0; i < view->event_count; i++) {
        struct event *event = &events[i];
        if (row_key_is_none(event->key)) continue;
        event->key.high = get_u32(at);
        event->reading = get_u16(at + 4);
        event->content = get_u64(at + 6);
        at += KEY_BYTES;
        if (!has_versions) continue;
        event->version = (int64_t)get_u64(versions);
        versions += VERSION_BYTES;
    }
    return STATUS_OK;
}

enum status frame_events(const struct frame_view *view, struct event_batch *batch) {
    uint64_t base = batch->bytes.length;
    if (base + view->packed.length > UINT32_MAX) return STATUS_LIMIT;
    enum status status = STATUS_OK;
    if (view->packed.length)
        status = buffer_append(&batch->bytes, view->packed.at, view->packed.length);
    uint32_t used = 0;
    for (uint32_t i = 0; status == STATUS_OK && i < view->event_count; i++) {
        struct event_bytes bytes = {0};
        memcpy(&bytes, view->events.at + (size_t)i * FRAME_EVENT_BYTES, FRAME_EVENT_BYTES);
        if (bytes.packed_length > view->packed.length - used || bytes.persona == ID_NONE)
            return STATUS_CORRUPT;
        if (bytes.packed_length &&
            packed_check((struct text){view->packed.at + used, bytes.packed_length}))
            return STATUS_CORRUPT;
        struct event *event = event_batch_add(batch);
        if (!event) return STATUS_NO_MEMORY;
        *event = (struct event){
            .time_ms = bytes.time_ms,
            .known_ms = bytes.known_ms,
            .key = {bytes.key, 0},
            .key_is_short = view->has_short_keys && bytes.key != 0,
            .version = ROW_VERSION_NONE,
            .persona = {bytes.persona},
            .type = bytes.type,
            .source = bytes.source,
            .channel = bytes.channel,
            .properties = (uint32_t)(base + used),
            .properties_length = bytes.packed_length,
        };
        used += bytes.packed_length;
    }
    if (status) return status;
    if (used != view->packed.length) return STATUS_CORRUPT;
    struct event *events = batch->events + (batch->event_count - view->event_count);
    status = read_keys(view, events);
    return status ? status : read_replaces(view, events);
}
