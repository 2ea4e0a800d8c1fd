/* SPDX-License-Identifier: Apache-2.0 */
/* Superseded versions: the sorted set in a file, and the lists beside a tail. */
#include "support/simulated_disk.h"
#include "support/unit.h"

#include "base/random.h"
#include "store/keys/superseded.h"

static struct random rng;

static uint64_t size_of(struct file_system *fs, const char *path) {
    struct file *file;
    uint64_t size;
    assert_int_equal(file_open(fs, path, FILE_READ, &file, NULL), STATUS_OK);
    assert_int_equal(file_size(file, &size, NULL), STATUS_OK);
    file_close(file);
    return size;
}

static void superseded_rows_by_persona(void **state) {
    (void)state;
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    struct superseded_row rows[600];
    struct superseded *set = NULL;
    uint64_t bytes;
    random_init(&rng, 9);
    for (uint32_t i = 0; i < 600; i++)
        rows[i] = (struct superseded_row){.persona = (uint32_t)random_below(&rng, 300) * 3,
                                          .position = 5 + i,
                                          .known_ms = (int64_t)i,
                                          .by = 1000 + i};
    assert_int_equal(superseded_write(fs, "gone", rows, 600, &bytes, NULL), STATUS_OK);
    assert_int_equal(bytes, size_of(fs, "gone"));
    assert_int_equal(superseded_open(&set, fs, "gone", NULL), STATUS_OK);
    uint32_t sum = 0;
    for (uint32_t persona = 0; persona < 2000; persona++) {
        uint32_t count;
        const struct superseded_row *found = superseded_of(set, persona, &count);
        assert_true(superseded_has(set, persona) == (count > 0));
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(found[i].persona, persona);
            assert_true(i == 0 || found[i].position > found[i - 1].position);
            /* As it was given: row k had position 5 + k. */
            assert_true(found[i].known_ms == (int64_t)found[i].position - 5 &&
                        found[i].by == found[i].position + 995);
        }
        sum += count;
    }
    assert_int_equal(sum, 600);
    superseded_dereference(set);
    for (uint64_t byte = 0; byte < bytes; byte++) {
        assert_true(simulated_disk_flip(disk, "gone", byte, 2));
        assert_int_not_equal(superseded_open(&set, fs, "gone", NULL), STATUS_OK);
        assert_true(simulated_disk_flip(disk, "gone", byte, 2));
    }
    simulated_disk_destroy(disk);
}

/* Rows, and the lists by persona that readers follow while more are added. */
static void superseded_rows_beside_a_tail(void **state) {
    (void)state;
    struct superseded_tail tail;
    memset(&tail, 0, sizeof tail); /* clang 14 refuses {0} for an atomic pointer that comes first */
    assert_null(superseded_tail_newest(&tail, 3));
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(superseded_tail_reserve(&tail, 1), STATUS_OK);
        superseded_tail_add(&tail, i % 5000, i, i, i + 1);
    }
    assert_int_equal(superseded_tail_count(&tail), 20000);
    for (uint32_t persona = 0; persona < 5000; persona++) {
        const struct superseded_row *row = superseded_tail_newest(&tail, persona);
        for (uint32_t n = 4; n-- > 0; row = superseded_tail_before(&tail, row)) {
            assert_non_null(row);
            assert_int_equal(row->position, n * 5000 + persona);
        }
        assert_null(row);
    }
    superseded_tail_release(&tail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(superseded_rows_by_persona),
        cmocka_unit_test(superseded_rows_beside_a_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
