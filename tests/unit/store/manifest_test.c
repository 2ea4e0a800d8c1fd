/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest: what was stored is loaded; a change that its checksum can't tell is still not
 * understood; older and newer formats are told apart. */
#include "support/simulated_disk.h"
#include "support/unit.h"

#include "base/hash.h"
#include "base/random.h"
#include "store/manifest.h"

static struct random rng;
static struct manifest written, loaded;

static struct manifest_file some_file(void) {
    return (struct manifest_file){1 + random_below(&rng, 1000), random_u64(&rng) >> 8,
                                  random_u64(&rng) >> 8};
}

static void make_manifest(uint32_t runs, uint32_t files, uint32_t keys) {
    written = (struct manifest){.format = MANIFEST_FORMAT,
                                .position = random_u64(&rng) >> 8,
                                .next_number = random_below(&rng, 10000),
                                .run_count = runs,
                                .links_count = files,
                                .quarantine_count = files,
                                .keys_count = keys};
    for (uint32_t i = 0; i < runs; i++)
        written.runs[i] = (struct manifest_run){random_below(&rng, 9999),
                                                (uint32_t)random_u64(&rng), random_u64(&rng) >> 8,
                                                random_u64(&rng) >> 8, random_u64(&rng) >> 8};
    for (uint32_t i = 0; i < files; i++) {
        written.links[i] = some_file();
        written.quarantine[i] = some_file();
    }
    for (uint32_t i = 0; i < keys; i++)
        written.keys[i] =
            (struct manifest_keys){random_below(&rng, 9999), (uint32_t)random_u64(&rng),
                                   random_u64(&rng) >> 8, random_u64(&rng) >> 8};
    if (keys % 2) written.superseded = some_file();
    if (runs % 2)
        written.checkpoint = (struct manifest_checkpoint){
            1 + random_below(&rng, 9999), random_below(&rng, written.position + 1),
            random_u64(&rng) >> 8, random_u64(&rng) >> 8};
}

static void what_is_stored_is_loaded(void **state) {
    (void)state;
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    assert_int_equal(directory_make(fs, "data", NULL), STATUS_OK);
    assert_int_equal(manifest_load(&loaded, fs, "data", NULL), STATUS_NOT_FOUND);
    static const uint32_t counts[] = {0, 1, 5, MANIFEST_FILES_MAX};
    for (size_t i = 0; i < 4; i++) {
        make_manifest(i == 3 ? MANIFEST_RUNS_MAX : counts[i], counts[i],
                      i == 3 ? MANIFEST_KEYS_MAX : counts[i]);
        assert_int_equal(manifest_store(&written, fs, "data", NULL), STATUS_OK);
        assert_int_equal(manifest_load(&loaded, fs, "data", NULL), STATUS_OK);
        assert_memory_equal(&loaded, &written, sizeof loaded);
    }
    simulated_disk_destroy(disk);
}

static enum status decode(struct text bytes, struct error *error) {
    return manifest_decode(&loaded, bytes, "data/MANIFEST", error);
}

static void every_changed_byte_is_refused(void **state) {
    (void)state;
    struct buffer bytes;
    struct error error = {0};
    buffer_init(&bytes);
    make_manifest(3, 2, 3);
    assert_int_equal(manifest_encode(&written, &bytes), STATUS_OK);
    for (size_t i = 0; i < bytes.length; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.at[i] = (char)(bytes.at[i] ^ 1 << bit);
            enum status status = decode(buffer_text(&bytes), &error);
            assert_true(status == STATUS_CORRUPT || status == STATUS_VERSION);
            assert_non_null(strstr(error.text, "data/MANIFEST"));
            bytes.at[i] = (char)(bytes.at[i] ^ 1 << bit);
        }
    }
    for (uint32_t length = 0; length < bytes.length; length++)
        assert_int_equal(decode((struct text){bytes.at, length}, &error), STATUS_CORRUPT);
    assert_int_equal(decode(buffer_text(&bytes), &error), STATUS_OK);
    buffer_release(&bytes);
}

/* The text with a checksum that fits, so that the lines themselves are judged. */
static enum status decode_lines(const char *lines, struct error *error) {
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(buffer_append(&bytes, lines, strlen(lines)), STATUS_OK);
    assert_int_equal(buffer_format(&bytes, "checksum %08x\n", crc32c(0, bytes.at, bytes.length)),
                     STATUS_OK);
    enum status status = decode(buffer_text(&bytes), error);
    buffer_release(&bytes);
    return status;
}

#define BEGINNING "attune manifest 2\nposition 9\nnext 4\n"

static void lines_that_make_no_sense_are_refused(void **state) {
    (void)state;
    struct error error = {0};
    static const char *const wrong[] = {
        "attune manifest 2\n",
        "attune manifest 2\nnext 4\nposition 9\n",
        "attune manifest 2\nposition -9\nnext 4\n",
        "attune manifest 2\nposition 99999999999999999999\nnext 4\n",
        BEGINNING "run 1 0 1 5\n",
        BEGINNING "run 1 0 1 5 6 7\n",
        BEGINNING "run 1 4294967296 1 5 6\n",
        BEGINNING "run  1 0 1 5 6\n",
        BEGINNING "run  0 1 5 6\n",
        BEGINNING "links 1 2 3\nrun 1 0 1 5 6\n",
        BEGINNING "keys 1 4294967296 5 6\n",
        BEGINNING "superseded 1 2 3\nsuperseded 1 2 3\n",
        BEGINNING "anything else\n",
        BEGINNING "\n",
    };
    assert_int_equal(decode_lines(BEGINNING, &error), STATUS_OK);
    assert_int_equal(decode_lines(BEGINNING "run 1 0 1 5 6\nlinks 1 2 3\n", &error), STATUS_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (decode_lines(wrong[i], &error) != STATUS_CORRUPT) fail_msg("%s", wrong[i]);
        assert_non_null(strstr(error.text, "from a backup"));
    }
}

/* One line more than there is room for. */
static void too_many_files_are_refused(void **state) {
    (void)state;
    struct error error;
    static const struct {
        const char *line;
        uint32_t max;
    } kinds[] = {{"run 1 0 1 5 6\n", MANIFEST_RUNS_MAX},
                 {"links 1 2 3\n", MANIFEST_FILES_MAX},
                 {"quarantine 1 2 3\n", MANIFEST_FILES_MAX},
                 {"keys 1 0 5 6\n", MANIFEST_KEYS_MAX}};
    for (size_t k = 0; k < 4; k++) {
        static char lines[8192];
        size_t length = (size_t)snprintf(lines, sizeof lines, "%s", BEGINNING);
        for (uint32_t i = 0; i < kinds[k].max; i++)
            length += (size_t)snprintf(lines + length, sizeof lines - length, "%s", kinds[k].line);
        assert_int_equal(decode_lines(lines, &error), STATUS_OK);
        snprintf(lines + length, sizeof lines - length, "%s", kinds[k].line);
        assert_int_equal(decode_lines(lines, &error), STATUS_CORRUPT);
    }
}

static void formats_are_told_apart(void **state) {
    (void)state;
    struct error error;
    assert_int_equal(decode_lines("attune manifest 1\nposition 9\nnext 4\n", &error), STATUS_OK);
    assert_int_equal(loaded.format, 1);
    assert_int_equal(decode_lines("attune manifest 4\nwhatever comes\n", &error), STATUS_VERSION);
    assert_non_null(strstr(error.text, "format 4"));
    assert_non_null(strstr(error.text, "newer program"));
}

/* Storing fails at each call to the disk in turn, and the power goes there: either manifest is
 * loaded afterwards, and it is whole. */
static void it_is_the_old_one_or_the_new_one(void **state) {
    (void)state;
    enum status status = STATUS_IO;
    make_manifest(2, 1, 1);
    struct manifest before = written;
    make_manifest(3, 2, 2);
    for (uint64_t cut = 1; status != STATUS_OK; cut++) {
        struct simulated_disk *disk = simulated_disk_create(cut, 0);
        struct file_system *fs = simulated_disk_interface(disk);
        assert_int_equal(directory_make(fs, "data", NULL), STATUS_OK);
        assert_int_equal(directory_sync(fs, ".", NULL), STATUS_OK);
        assert_int_equal(manifest_store(&before, fs, "data", NULL), STATUS_OK);
        simulated_disk_cut_at(disk, cut);
        status = manifest_store(&written, fs, "data", NULL);
        simulated_disk_cut_at(disk, 0);
        simulated_disk_restart(disk);
        assert_int_equal(manifest_load(&loaded, fs, "data", NULL), STATUS_OK);
        bool is_new = memcmp(&loaded, &written, sizeof loaded) == 0;
        assert_true(is_new || memcmp(&loaded, &before, sizeof loaded) == 0);
        if (status == STATUS_OK) assert_true(is_new);
        simulated_disk_destroy(disk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored_is_loaded),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(lines_that_make_no_sense_are_refused),
        cmocka_unit_test(too_many_files_are_refused),
        cmocka_unit_test(formats_are_told_apart),
        cmocka_unit_test(it_is_the_old_one_or_the_new_one),
    };
    random_init(&rng, 37);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
