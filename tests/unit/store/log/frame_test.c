/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: what was written is read, whatever was written; damaged bytes are refused, and where a
 * checksum can't tell (somebody made one that fits), nothing outside the frame is read. */
#include "support/event_batch.h"
#include "support/unit.h"

#include "base/hash.h"
#include "store/log/frame.h"

static struct random rng;
static struct buffer bytes;

struct written {
    struct event_batch batch;
    struct store_record records[3];
    struct key_change changes[2];
    struct store_frame frame;
};

/* One frame with everything in it; `kinds` leaves parts out: bit 0 keys and changes, bit 1 records,
 * bit 2 rows, bit 3 events. */
static void make(struct written *written, unsigned kinds) {
    bool keys = kinds & 1;
    const struct random_batch shape = {.events = kinds & 8 ? 20 : 0,
                                       .rows = kinds & 4 ? 5 : 0,
                                       .persona_count = 7,
                                       .has_keys = keys,
                                       .has_versions = keys && random_below(&rng, 2)};
    *written = (struct written){.records = {{RECORD_IDENTITY, TEXT("a link")},
                                            {RECORD_CONTROL, TEXT("")},
                                            {RECORD_IDENTITY, TEXT("another link")}},
                                .changes = {{.key = {7, 8},
                                             .content = 9,
                                             .version = -3,
                                             .position = 40,
                                             .persona = {2},
                                             .reading = 5,
                                             .source = 6,
                                             .retracts = true,
                                             .known_ms = 1234},
                                            {.key = {11, 0},
                                             .content = 12,
                                             .version = ROW_VERSION_NONE,
                                             .position = 0,
                                             .persona = {ID_NONE},
                                             .reading = 1,
                                             .known_ms = -1}}};
    event_batch_init(&written->batch);
    random_batch_add(&written->batch, &shape, &rng);
    for (size_t i = 0; keys && i < written->batch.event_count; i += 4) {
        written->batch.events[i].replaces = 3 + i;
        written->batch.events[i].replaces_persona.value = 4;
    }
    written->frame = (struct store_frame){.batch = &written->batch,
                                          .records = written->records,
                                          .record_count = kinds & 2 ? 3 : 0,
                                          .changes = written->changes,
                                          .change_count = keys ? 2 : 0};
}

static void encode(const struct written *written, struct text symbols, uint64_t position,
                   uint64_t durable) {
    buffer_clear(&bytes);
    assert_int_equal(frame_encode(&bytes, symbols, &written->frame, NULL), STATUS_OK);
    frame_seal(bytes.at, position, durable);
}

static enum status read_frame(struct frame_view *view) {
    size_t frame_bytes;
    enum status status = frame_read((const uint8_t *)bytes.at, bytes.length, view, &frame_bytes);
    if (status == STATUS_OK) assert_int_equal(frame_bytes, bytes.length);
    return status;
}

static void expect_events(const struct frame_view *view, const struct written *written) {
    struct event_batch read;
    event_batch_init(&read);
    assert_int_equal(frame_events(view, &read), STATUS_OK);
    assert_int_equal(read.event_count, written->batch.event_count);
    for (size_t i = 0; i < read.event_count; i++)
        assert_true(same_stored_event(&read, i, &written->batch, i));
    event_batch_release(&read);
}

static void expect_records(const struct frame_view *view, const struct written *written) {
    struct text section = view->records, record;
    uint8_t kind;
    for (size_t i = 0; i < written->frame.record_count; i++) {
        assert_int_equal(frame_next_record(&section, &kind, &record), STATUS_OK);
        assert_int_equal(kind, written->records[i].kind);
        assert_true(text_equal(record, written->records[i].bytes));
    }
    assert_int_equal(frame_next_record(&section, &kind, &record), STATUS_END);
}

static void expect_rows(const struct frame_view *view, const struct event_batch *batch) {
    struct text section = view->rows;
    struct stored_row stored;
    assert_int_equal(view->row_count, batch->row_count);
    for (size_t i = 0; i < batch->row_count; i++) {
        const struct quarantined_row *row = &batch->rows[i];
        assert_int_equal(frame_next_row(&section, &stored), STATUS_OK);
        assert_int_equal(stored.source, row->source);
        assert_int_equal(stored.line, row->line);
        assert_int_equal(stored.column, row->column);
        assert_true(text_equal(stored.file, event_batch_text(batch, row->file, row->file_length)));
        assert_true(
            text_equal(stored.reason, event_batch_text(batch, row->reason, row->reason_length)));
        assert_true(text_equal(stored.raw, event_batch_text(batch, row->raw, row->raw_length)));
    }
    assert_int_equal(frame_next_row(&section, &stored), STATUS_END);
}

/* What events replace stands among the changes, and is passed over here. */
static void expect_changes(const struct frame_view *view, const struct written *written) {
    struct text section = view->changes;
    struct key_change change;
    for (size_t i = 0; i < written->frame.change_count; i++) {
        const struct key_change *wanted = &written->changes[i];
        assert_int_equal(frame_next_change(&section, &change), STATUS_OK);
        assert_true(row_key_equal(change.key, wanted->key));
        assert_true(change.content == wanted->content && change.version == wanted->version &&
                    change.position == wanted->position &&
                    change.persona.value == wanted->persona.value &&
                    change.reading == wanted->reading && change.source == wanted->source &&
                    change.retracts == wanted->retracts && change.known_ms == wanted->known_ms);
    }
    assert_int_equal(frame_next_change(&section, &change), STATUS_END);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    for (unsigned round = 0; round < 160; round++) {
        struct text symbols = round % 3 ? TEXT("names") : TEXT("");
        make(&written, round % 16);
        encode(&written, symbols, 100 + round, 90);
        assert_int_equal(read_frame(&view), STATUS_OK);
        assert_int_equal(view.position, 100 + round);
        assert_int_equal(view.durable, 90);
        assert_int_equal(view.span, 1 + written.batch.event_count);
        assert_int_equal(view.flags, 0);
        assert_true(text_equal(view.symbols, symbols));
        assert_int_equal(frame_has_changes(bytes.at), view.changes.length > 0);
        expect_events(&view, &written);
        expect_records(&view, &written);
        expect_rows(&view, &written.batch);
        expect_changes(&view, &written);
        event_batch_release(&written.batch);
    }
}

/* A view written again, as links and quarantine files do it, is the same frame. */
static void the_parts_of_a_frame_make_the_same_frame(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    struct buffer again;
    buffer_init(&again);
    make(&written, 15);
    encode(&written, TEXT("names"), 5, 1);
    assert_int_equal(read_frame(&view), STATUS_OK);
    assert_int_equal(frame_encode_parts(&again, &view, NULL), STATUS_OK);
    frame_seal(again.at, 5, 1);
    assert_int_equal(again.length, bytes.length);
    assert_memory_equal(again.at, bytes.at, bytes.length);
    event_batch_release(&written.batch);
    buffer_release(&again);
}

/* Without keys and changes a frame has the format that older programs read. Of the keys in a frame
 * of that format only the lower halves are known. */
static void a_frame_without_keys_has_the_older_format(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    struct event_batch read;
    make(&written, 8);
    written.batch.events[3].key = (struct row_key){77, 78};
    encode(&written, TEXT(""), 5, 1);
    assert_int_equal(read_frame(&view), STATUS_OK);
    assert_false(view.has_short_keys);

    struct frame_view parts = view;
    struct buffer older;
    buffer_init(&older);
    parts.keys.length = 0;
    assert_int_equal(frame_encode_parts(&older, &parts, NULL), STATUS_OK);
    frame_seal(older.at, 5, 1);
    buffer_clear(&bytes);
    assert_int_equal(buffer_append(&bytes, older.at, older.length), STATUS_OK);
    assert_int_equal(read_frame(&view), STATUS_OK);
    assert_true(view.has_short_keys);
    event_batch_init(&read);
    assert_int_equal(frame_events(&view, &read), STATUS_OK);
    for (size_t i = 0; i < read.event_count; i++) {
        assert_int_equal(read.events[i].key.low, i == 3 ? 77 : 0);
        assert_int_equal(read.events[i].key.high, 0);
        assert_int_equal(read.events[i].key_is_short, i == 3);
    }
    event_batch_release(&read);
    event_batch_release(&written.batch);
    buffer_release(&older);
}

static void every_flipped_bit_is_refused(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    make(&written, 15);
    encode(&written, TEXT("names"), 5, 1);
    for (size_t i = 0; i < bytes.length * 8; i++) {
        bytes.at[i / 8] = (char)(bytes.at[i / 8] ^ 1 << i % 8);
        assert_int_equal(read_frame(&view), STATUS_CORRUPT);
        bytes.at[i / 8] = (char)(bytes.at[i / 8] ^ 1 << i % 8);
    }
    assert_int_equal(read_frame(&view), STATUS_OK);
    event_batch_release(&written.batch);
}

/* A cut frame is refused; where its header is whole, its full length is still told. */
static void every_cut_is_refused(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    size_t frame_bytes;
    make(&written, 15);
    encode(&written, TEXT("names"), 5, 1);
    for (size_t length = 0; length < bytes.length; length++) {
        char *cut = memory_alloc(length); /* its own block, so that a sanitizer sees each read */
        memcpy(cut, bytes.at, length);
        enum status status = frame_read((const uint8_t *)cut, length, &view, &frame_bytes);
        assert_int_equal(status, length == 0 ? STATUS_END : STATUS_CORRUPT);
        assert_int_equal(frame_bytes, length < FRAME_HEADER_BYTES ? 0 : bytes.length);
        memory_free(cut);
    }
    event_batch_release(&written.batch);
}

/* Walks all that a view shows; every status is allowed, every borrowed byte is looked at. */
static uint64_t read_all(const struct frame_view *view) {
    struct event_batch batch;
    struct text section, text;
    struct stored_row row;
    struct key_change change;
    uint64_t sum = hash_text(view->symbols, 0);
    uint8_t kind;
    event_batch_init(&batch);
    if (frame_events(view, &batch) == STATUS_OK)
        sum ^= hash_bytes(batch.bytes.at, batch.bytes.length, 0);
    for (section = view->records; frame_next_record(&section, &kind, &text) == STATUS_OK;)
        sum ^= hash_text(text, kind);
    for (section = view->rows; frame_next_row(&section, &row) == STATUS_OK;)
        sum ^= hash_text(row.file, 1) ^ hash_text(row.reason, 2) ^ hash_text(row.raw, 3);
    for (section = view->changes; frame_next_change(&section, &change) == STATUS_OK;)
        sum ^= change.content;
    event_batch_release(&batch);
    return sum;
}

static size_t section_bytes(const struct frame_view *view) {
    return (size_t)view->symbols.length + view->records.length + view->events.length +
           view->packed.length + view->rows.length + view->keys.length + view->changes.length;
}

/* Bytes changed at random, the checksums made to fit: whoever writes them may lie about every
 * length and count. */
static void lies_behind_a_right_checksum_stay_inside_the_frame(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    size_t frame_bytes;
    uint32_t sound = 0, refused = 0;
    for (uint32_t round = 0; round < 4000; round++) {
        make(&written, 8 | (unsigned)random_below(&rng, 8));
        encode(&written, TEXT("names"), 5, 1);
        char *lie = memory_alloc(bytes.length);
        memcpy(lie, bytes.at, bytes.length);
        for (uint64_t n = 1 + random_below(&rng, 3); n-- > 0;) {
            /* Mostly the lengths at the front, where a lie does most. */
            size_t space = random_below(&rng, 4) ? 36 : bytes.length - FRAME_HEADER_BYTES;
            size_t at = FRAME_HEADER_BYTES + random_below(&rng, space);
            lie[at] = (char)random_below(&rng, 256);
        }
        frame_seal(lie, 5, 1);
        enum status status = frame_read((const uint8_t *)lie, bytes.length, &view, &frame_bytes);
        assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
        if (status == STATUS_OK) {
            read_all(&view);
            assert_int_equal(section_bytes(&view) + FRAME_HEADER_BYTES +
                                 (view.has_short_keys ? 28 : 36),
                             bytes.length);
        }
        sound += status == STATUS_OK;
        refused += status != STATUS_OK;
        memory_free(lie);
        event_batch_release(&written.batch);
    }
    assert_true(sound > 100 && refused > 100); /* both ways were tried */
}

static void a_newer_format_is_told_apart_from_damage(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    make(&written, 15);
    encode(&written, TEXT(""), 5, 1);
    bytes.at[32] = FRAME_FORMAT + 1;
    frame_seal(bytes.at, 5, 1);
    assert_int_equal(read_frame(&view), STATUS_VERSION);
    event_batch_release(&written.batch);
}

static void a_mark_has_no_content(void **state) {
    (void)state;
    struct frame_view view;
    uint8_t mark[FRAME_MARK_BYTES];
    size_t frame_bytes;
    frame_mark(mark, 41);
    assert_int_equal(frame_read(mark, sizeof mark, &view, &frame_bytes), STATUS_OK);
    assert_int_equal(frame_bytes, sizeof mark);
    assert_int_equal(view.flags, FRAME_MARK);
    assert_int_equal(view.span, 0);
    assert_int_equal(view.position, 41);
    assert_int_equal(view.durable, 41);
}

static void limits_are_told_and_leave_the_buffer_as_it_was(void **state) {
    (void)state;
    struct error error = {0};
    struct written written;
    make(&written, 8);
    buffer_clear(&bytes);
    assert_int_equal(buffer_append(&bytes, "abc", 3), STATUS_OK);

    static struct key_change many[BATCH_EVENTS_MAX + 1];
    struct store_frame frame = {.changes = many, .change_count = BATCH_EVENTS_MAX + 1};
    assert_int_equal(frame_encode(&bytes, TEXT(""), &frame, &error), STATUS_LIMIT);
    assert_non_null(strstr(error.text, "smaller batches"));

    written.batch.events[2].persona.value = ID_NONE;
    assert_int_equal(frame_encode(&bytes, TEXT(""), &written.frame, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "event 2"));

    struct store_record record = {RECORD_CONTROL, {bytes.at, STORE_FRAME_BYTES_MAX}};
    frame = (struct store_frame){.records = &record, .record_count = 1};
    assert_int_equal(frame_encode(&bytes, TEXT(""), &frame, &error), STATUS_LIMIT);
    assert_non_null(strstr(error.text, "67108864 bytes"));
    assert_int_equal(bytes.length, 3);
    event_batch_release(&written.batch);
}

/* A version that would be replaced by itself or by one of the future is damage. */
static void nothing_replaces_what_comes_after_it(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    struct event_batch read;
    make(&written, 9);
    for (uint64_t offset = 0; offset < 2; offset++) {
        written.batch.events[8].replaces = 100 + 8 + offset; /* event 8 stands at 100 + 1 + 8 */
        encode(&written, TEXT(""), 100, 1);
        assert_int_equal(read_frame(&view), STATUS_OK);
        event_batch_init(&read);
        assert_int_equal(frame_events(&view, &read), offset == 0 ? STATUS_OK : STATUS_CORRUPT);
        event_batch_release(&read);
    }
    event_batch_release(&written.batch);
}

/* The keys section has 14 bytes an event with a key, or 22 where any has a version. */
static void a_keys_section_of_another_length_is_damage(void **state) {
    (void)state;
    struct written written;
    struct frame_view view;
    struct event_batch read;
    make(&written, 9);
    encode(&written, TEXT(""), 100, 1);
    assert_int_equal(read_frame(&view), STATUS_OK);
    for (uint32_t less = 0; less < view.keys.length; less++) {
        struct frame_view shorter = view;
        shorter.keys.length -= less;
        event_batch_init(&read);
        enum status status = frame_events(&shorter, &read);
        bool without_versions =
            view.keys.length % 22 == 0 && shorter.keys.length == view.keys.length / 22 * 14;
        assert_int_equal(status, less == 0 || without_versions ? STATUS_OK : STATUS_CORRUPT);
        event_batch_release(&read);
    }
    event_batch_release(&written.batch);
}

static int release(void **state) {
    (void)state;
    buffer_release(&bytes);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_parts_of_a_frame_make_the_same_frame),
        cmocka_unit_test(a_frame_without_keys_has_the_older_format),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(lies_behind_a_right_checksum_stay_inside_the_frame),
        cmocka_unit_test(a_newer_format_is_told_apart_from_damage),
        cmocka_unit_test(a_mark_has_no_content),
        cmocka_unit_test(limits_are_told_and_leave_the_buffer_as_it_was),
        cmocka_unit_test(nothing_replaces_what_comes_after_it),
        cmocka_unit_test(a_keys_section_of_another_length_is_damage),
    };
    random_init(&rng, 17);
    buffer_init(&bytes);
    printf("seed 17\n");
    return cmocka_run_group_tests(tests, NULL, release);
}
