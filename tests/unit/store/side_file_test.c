/* SPDX-License-Identifier: Apache-2.0 */
/* Links and quarantine files: what they keep of the frames of a log, what a filter drops or
 * rewrites, and that no damaged or cut file is read as a whole one. */
#include "support/event_batch.h"
#include "support/simulated_disk.h"
#include "support/unit.h"

#include "store/side_file.h"

#define LINKS      "data/links/000007.links"
#define QUARANTINE "data/quarantine/000007.rows"

static struct simulated_disk *disk;
static struct file_system *fs;
static struct random rng;

static int setup(void **state) {
    (void)state;
    disk = simulated_disk_create(3, 0);
    fs = simulated_disk_interface(disk);
    assert_int_equal(directory_make(fs, "data", NULL), STATUS_OK);
    assert_int_equal(directory_make(fs, "data/links", NULL), STATUS_OK);
    assert_int_equal(directory_make(fs, "data/quarantine", NULL), STATUS_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    simulated_disk_destroy(disk);
    return 0;
}

/* Adds frame n to the file, at position 10 n: records "n:0" … and rows "row n:0" …, as many as
 * asked for, and some events, of which nothing may be left. */
static void add_frame(struct side_writer *side, uint32_t n, uint32_t records, uint32_t rows) {
    static char texts[4][32];
    struct store_record list[5];
    struct event_batch batch;
    struct buffer frame;
    struct frame_view view;
    size_t frame_bytes;
    const struct random_batch shape = {.events = 3, .persona_count = 5, .has_keys = true};
    event_batch_init(&batch);
    buffer_init(&frame);
    random_batch_add(&batch, &shape, &rng);
    for (uint32_t i = 0; i < rows; i++) {
        char raw[32];
        snprintf(raw, sizeof raw, "row %u:%u", n, i);
        assert_int_equal(
            event_batch_add_row(&batch, 1, TEXT("a.csv"), n, i, TEXT("no time"), text_from(raw)),
            STATUS_OK);
    }
    for (uint32_t i = 0; i < records; i++) {
        snprintf(texts[i], sizeof texts[i], "%u:%u", n, i);
        list[i] = (struct store_record){RECORD_IDENTITY, text_from(texts[i])};
    }
    list[records] = (struct store_record){(enum record_kind)RECORD_ROWS_DROPPED, TEXT("8 bytes.")};
    assert_int_equal(
        frame_encode(
            &frame, TEXT(""),
            &(struct store_frame){.batch = &batch, .records = list, .record_count = records + 1},
            NULL),
        STATUS_OK);
    frame_seal(frame.at, (uint64_t)n * 10, 0);
    assert_int_equal(frame_read((const uint8_t *)frame.at, frame.length, &view, &frame_bytes),
                     STATUS_OK);
    assert_int_equal(side_add(side, &view, NULL), STATUS_OK);
    event_batch_release(&batch);
    buffer_release(&frame);
}

static struct manifest_file write_side(enum stored_kind kind, struct side_filter *filter,
                                       uint32_t frames, bool *written) {
    struct side_writer side;
    struct manifest_file file = {0};
    assert_int_equal(side_open(&side, fs, "data", kind, 7, filter, NULL), STATUS_OK);
    for (uint32_t n = 0; n < frames; n++) add_frame(&side, n, n % 4, n % 3);
    assert_int_equal(side_finish(&side, &file, written, NULL), STATUS_OK);
    side_close(&side);
    return file;
}

/* What is in the file, as text: "position=records or rows," in order. */
struct listing {
    struct buffer text;
    uint32_t frames;
};

static enum status list_frame(void *context, const struct frame_view *view, struct error *error) {
    struct listing *listing = context;
    struct text left = view->records, bytes;
    struct stored_row row;
    uint8_t kind;
    (void)error;
    listing->frames++;
    assert_int_equal(view->event_count, 0);
    assert_int_equal(view->span, 4); /* as in the log */
    assert_int_equal(buffer_format(&listing->text, "%u=", (unsigned)view->position), STATUS_OK);
    while (frame_next_record(&left, &kind, &bytes) == STATUS_OK)
        assert_int_equal(buffer_format(&listing->text, "%.*s,", TEXT_ARG(bytes)), STATUS_OK);
    for (left = view->rows; frame_next_row(&left, &row) == STATUS_OK;) {
        if (row.column == SIDE_ROW_DROPPED) row.raw = TEXT("-");
        assert_int_equal(buffer_format(&listing->text, "%.*s,", TEXT_ARG(row.raw)), STATUS_OK);
    }
    assert_int_equal(buffer_append(&listing->text, " ", 1), STATUS_OK);
    return STATUS_OK;
}

static void expect_listing(enum stored_kind kind, const char *wanted) {
    struct listing listing = {0};
    buffer_init(&listing.text);
    assert_int_equal(stored_visit(fs, kind == STORED_LINKS ? LINKS : QUARANTINE, kind, 7,
                                  list_frame, &listing, NULL),
                     STATUS_OK);
    assert_int_equal(buffer_append(&listing.text, "", 1), STATUS_OK);
    assert_string_equal(listing.text.at, wanted);
    buffer_release(&listing.text);
}

static void links_keep_records_and_nothing_else(void **state) {
    (void)state;
    bool written;
    struct manifest_file file = write_side(STORED_LINKS, NULL, 6, &written);
    assert_true(written);
    expect_listing(STORED_LINKS, "10=1:0, 20=2:0,2:1, 30=3:0,3:1,3:2, 50=5:0, ");
    assert_int_equal(file.number, 7);
    assert_int_equal(file.count, 4);
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(file_read_all(fs, LINKS, 1 << 20, &bytes, NULL), STATUS_OK);
    assert_int_equal(bytes.length, file.bytes);
    buffer_release(&bytes);
}

static void quarantine_keeps_rows_and_nothing_else(void **state) {
    (void)state;
    bool written;
    struct manifest_file file = write_side(STORED_QUARANTINE, NULL, 6, &written);
    assert_true(written);
    expect_listing(STORED_QUARANTINE, "10=row 1:0, 20=row 2:0,row 2:1, 40=row 4:0, "
                                      "50=row 5:0,row 5:1, ");
    assert_int_equal(file.count, 6); /* rows */
}

static void a_file_without_frames_is_not_made(void **state) {
    (void)state;
    bool written = true;
    struct file *file;
    write_side(STORED_LINKS, NULL, 1, &written); /* frame 0 has nothing to keep */
    assert_false(written);
    assert_int_equal(file_open(fs, LINKS, FILE_READ, &file, NULL), STATUS_NOT_FOUND);
}

static bool drop_first_rows(void *context, const struct stored_row *row) {
    uint64_t *ids = context;
    *ids += row->row_id;
    return row->raw.at[row->raw.length - 1] == '0' || text_equal(row->raw, TEXT("row 5:1"));
}

/* A dropped row leaves an empty one, so that those behind it keep their ids; a frame of which all
 * rows are dropped goes. */
static void a_dropped_row_leaves_its_place(void **state) {
    (void)state;
    bool written;
    uint64_t ids = 0;
    struct side_filter filter = {.row = drop_first_rows, .context = &ids};
    struct manifest_file file = write_side(STORED_QUARANTINE, &filter, 6, &written);
    expect_listing(STORED_QUARANTINE, "20=-,row 2:1, ");
    assert_int_equal(filter.row_count, 5);
    assert_int_equal(file.count, 1);
    /* (10 + 20 + 20 + 40 + 50 + 50) << 16, and two rows that are the second of their frame */
    assert_int_equal(ids, (UINT64_C(190) << FRAME_ROW_ID_BITS) + 2);
}

static bool rewrite_links(void *context, enum record_kind kind, struct text bytes,
                          struct buffer *out) {
    (void)context;
    assert_int_equal(kind, RECORD_IDENTITY);
    if (bytes.at[0] == '1') return true; /* with nothing in its place */
    if (bytes.at[0] != '3') return false;
    return buffer_append(out, "new", 3) == STATUS_OK;
}

static void records_are_rewritten_or_dropped(void **state) {
    (void)state;
    bool written;
    struct side_filter filter = {.record = rewrite_links};
    struct manifest_file file = write_side(STORED_LINKS, &filter, 6, &written);
    expect_listing(STORED_LINKS, "20=2:0,2:1, 30=new,new,new, 50=5:0, ");
    assert_int_equal(filter.record_count, 4);
    assert_int_equal(file.count, 3);
}

static enum status visit_nothing(void *context, const struct frame_view *view,
                                 struct error *error) {
    (void)context, (void)view, (void)error;
    return STATUS_OK;
}

static void damaged_and_cut_files_are_refused(void **state) {
    (void)state;
    bool written;
    struct error error = {0};
    struct buffer bytes;
    buffer_init(&bytes);
    write_side(STORED_LINKS, NULL, 4, &written);
    assert_int_equal(file_read_all(fs, LINKS, 1 << 20, &bytes, NULL), STATUS_OK);
    const uint8_t *at = (const uint8_t *)bytes.at;
    for (size_t i = 0; i < bytes.length; i++) {
        bytes.at[i] = (char)(bytes.at[i] ^ 1 << i % 8);
        enum status status = stored_visit_bytes(at, bytes.length, "links", STORED_LINKS, 7,
                                                visit_nothing, NULL, &error);
        assert_true(status == STATUS_CORRUPT || status == STATUS_VERSION);
        assert_non_null(strstr(error.text, "links"));
        bytes.at[i] = (char)(bytes.at[i] ^ 1 << i % 8);
        assert_int_equal(
            stored_visit_bytes(at, i, "links", STORED_LINKS, 7, visit_nothing, NULL, &error),
            STATUS_CORRUPT);
    }
    assert_int_equal(buffer_append(&bytes, "x", 1), STATUS_OK); /* behind the mark */
    at = (const uint8_t *)bytes.at;
    assert_int_equal(
        stored_visit_bytes(at, bytes.length, "links", STORED_LINKS, 7, visit_nothing, NULL, &error),
        STATUS_CORRUPT);
    bytes.length--;
    assert_int_equal(stored_visit_bytes(at, bytes.length, "links", STORED_QUARANTINE, 7,
                                        visit_nothing, NULL, &error),
                     STATUS_CORRUPT);
    assert_int_equal(
        stored_visit_bytes(at, bytes.length, "links", STORED_LINKS, 8, visit_nothing, NULL, &error),
        STATUS_CORRUPT);
    assert_int_equal(
        stored_visit_bytes(at, bytes.length, "links", STORED_LINKS, 7, visit_nothing, NULL, &error),
        STATUS_OK);
    assert_int_equal(file_remove(fs, LINKS, NULL), STATUS_OK);
    assert_int_equal(stored_visit(fs, LINKS, STORED_LINKS, 7, visit_nothing, NULL, &error),
                     STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "is missing"));
    buffer_release(&bytes);
}

static void names_have_numbers(void **state) {
    (void)state;
    char path[FILE_PATH_MAX];
    uint64_t number;
    assert_int_equal(stored_path(path, "data", "links", 7, "links", NULL), STATUS_OK);
    assert_string_equal(path, LINKS);
    assert_true(stored_number(path + strlen("data/links/"), "links", &number));
    assert_int_equal(number, 7);
    static const char *const others[] = {"",
                                         "links",
                                         ".links",
                                         "7",
                                         "7.",
                                         "7.link",
                                         "7.linksx",
                                         "x7.links",
                                         "7x.links",
                                         "-7.links",
                                         "99999999999999999999.links",
                                         "000000000000000000007.links"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (stored_number(others[i], "links", &number)) fail_msg("%s", others[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(links_keep_records_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(quarantine_keeps_rows_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_without_frames_is_not_made, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dropped_row_leaves_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(records_are_rewritten_or_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_and_cut_files_are_refused, setup, teardown),
        cmocka_unit_test(names_have_numbers),
    };
    random_init(&rng, 61);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
