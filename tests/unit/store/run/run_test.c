/* SPDX-License-Identifier: Apache-2.0 */
/* Runs: what was written comes back; merging is writing together; a flipped byte is an error or
 * changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "store/run/run_file.h"

#define ROWS_MAX     200000
#define PERSONAS_MAX 20000
#define NUMBER(row)  ((uint32_t)(row)*3 + 1)

struct rows {
    struct run_row row[ROWS_MAX];
    size_t count;
    struct buffer bytes;
    size_t offset[ROWS_MAX];
    /* Lists of each persona's rows, by numbers that are not those of the rows. */
    uint32_t newest[PERSONAS_MAX], personas[PERSONAS_MAX], before[ROWS_MAX];
    struct run_rows interface;
};

static struct rows all, part_a, part_b;
static struct random rng;
static char directory[] = "/tmp/attune-run-XXXXXX";
static struct column_set columns = {
    .columns = {{10, VALUE_NUMBER},
                {11, VALUE_TEXT},
                {12, VALUE_MONEY},
                {13, VALUE_YES_NO},
                {14, VALUE_TIME},
                {15, VALUE_LIST},
                {11, VALUE_NUMBER},
                {99, VALUE_TEXT}},
    .count = 8,
};

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/* What a row points at stands until the next one is asked for, and no longer. */
static uint32_t get(const void *context, uint32_t number, struct run_row *row) {
    static char latest[PACKED_BYTES_MAX];
    static uint32_t used;
    const struct rows *rows = context;
    uint32_t i = number / 3;
    assert_int_equal(number, NUMBER(i));
    *row = rows->row[i];
    memset(latest, 0xee, used);
    used = row->packed.length;
    memcpy(latest, row->packed.at, used);
    row->packed.at = latest;
    return rows->before[i];
}

static uint32_t newest(const void *context, uint32_t persona) {
    return ((const struct rows *)context)->newest[persona];
}

/* Personas stand in the order in which they were last heard of. */
static void link_rows(struct rows *rows) {
    uint32_t count = 0;
    memset(rows->newest, 0xff, sizeof rows->newest);
    for (size_t i = 0; i < rows->count; i++) {
        uint32_t *last = &rows->newest[rows->row[i].persona];
        rows->before[i] = *last;
        *last = NUMBER(i);
    }
    for (size_t i = rows->count; i-- > 0;) {
        uint32_t persona = rows->row[i].persona;
        if (rows->newest[persona] == NUMBER(i)) rows->personas[count++] = persona;
    }
    rows->interface = (struct run_rows){.count = rows->count,
                                        .personas = rows->personas,
                                        .persona_count = count,
                                        .newest = newest,
                                        .get = get,
                                        .context = rows};
}

static void pack_row(struct packed_writer *writer, struct buffer *bytes, size_t i) {
    static const char *const names[] = {"a", "button", "calculate payment", ""};
    packed_begin(writer);
    if (i % 3 == 0)
        assert_int_equal(packed_add(writer, 10, value_number((double)i / 4)), STATUS_OK);
    if (i % 2 == 0)
        assert_int_equal(packed_add(writer, 11, value_text(text_from(names[i / 2 % 4]))),
                         STATUS_OK);
    if (i % 7 == 3) assert_int_equal(packed_add(writer, 11, value_number(5)), STATUS_OK);
    if (i % 50 == 0)
        assert_int_equal(packed_add(writer, 12, value_money(-(int64_t)i, 100)), STATUS_OK);
    if (i % 5 == 0) assert_int_equal(packed_add(writer, 13, value_yes_no(i % 2)), STATUS_OK);
    if (i % 11 == 0) assert_int_equal(packed_add(writer, 14, value_time((int64_t)i)), STATUS_OK);
    if (i % 13 == 0) {
        struct value list = {.type = VALUE_LIST, .text = TEXT("\x01\x06")};
        assert_int_equal(packed_add(writer, 15, list), STATUS_OK);
    }
    if (i % 1000 == 999) {
        static char big[9000];
        for (size_t b = 0; b < sizeof big; b++) big[b] = (char)('a' + random_below(&rng, 26));
        assert_int_equal(packed_add(writer, 40, value_text((struct text){big, sizeof big})),
                         STATUS_OK);
    }
    assert_int_equal(packed_end(writer, bytes), STATUS_OK);
}

static void make_rows(struct rows *rows, size_t count, uint32_t personas) {
    struct packed_writer writer;
    packed_writer_init(&writer);
    buffer_clear(&rows->bytes);
    rows->count = count;
    for (size_t i = 0; i < count; i++) {
        int64_t time_ms = INT64_C(1500000000000) + (int64_t)random_below(&rng, 100000) * 1000;
        rows->row[i] = (struct run_row){.time_ms = time_ms,
                                        .known_ms = time_ms + (i % 10 == 0 ? 86400000 : 0),
                                        .position = 100 + i,
                                        .key = i % 4 ? random_u64(&rng) : 0,
                                        .persona = (uint32_t)random_below(&rng, personas),
                                        .type = (uint16_t)random_below(&rng, 300),
                                        .source = (uint16_t)(i % 3),
                                        .channel = (uint8_t)(i % 5)};
        rows->offset[i] = rows->bytes.length;
        if (i % 17 == 0) continue; /* no properties at all */
        pack_row(&writer, &rows->bytes, i);
    }
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1 < count ? rows->offset[i + 1] : rows->bytes.length;
        rows->row[i].packed =
            (struct text){rows->bytes.at + rows->offset[i], (uint32_t)(end - rows->offset[i])};
    }
    link_rows(rows);
    packed_writer_release(&writer);
}

static uint32_t *make_customers(uint32_t personas, uint32_t customers) {
    uint32_t *customer = calloc(personas, sizeof *customer);
    for (uint32_t p = 0; p < personas; p++) customer[p] = (uint32_t)random_below(&rng, customers);
    return customer;
}

static struct run *write_run(const struct rows *rows, const char *name, const uint32_t *customer,
                             uint32_t personas) {
    struct run_target target = {file_system_os(), path_of(name), &columns, NULL, NULL};
    struct run_info info;
    struct error error = {0};
    struct run *run = NULL;
    enum status status = run_write(&target, &rows->interface, customer, personas, &info, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(run_open(&run, file_system_os(), path_of(name), &error), STATUS_OK);
    assert_int_equal(info.row_count, rows->count);
    assert_int_equal(run_info(run)->row_count, rows->count);
    return run;
}

static bool same_row(const struct run_row *a, const struct run_row *b) {
    return a->time_ms == b->time_ms && a->known_ms == b->known_ms && a->position == b->position &&
           a->key == b->key && a->persona == b->persona && a->type == b->type &&
           a->source == b->source && a->channel == b->channel && text_equal(a->packed, b->packed);
}

/* Every row is there once, in order, as it was (positions name rows). */
static void expect_rows(const struct run *run, const struct rows *rows, const uint32_t *customer,
                        const bool *dropped) {
    struct run_block_cache cache;
    run_block_cache_init(&cache);
    size_t seen = 0;
    for (uint32_t e = 0; e < run->info.entry_count; e++) {
        uint32_t part = run_part_of(run, e), base = run->parts[part].row_first;
        uint32_t persona = run->entry_persona[e];
        assert_int_equal(run->entry_customer[e], customer[persona]);
        assert_int_equal(run_find(run, persona), e);
        for (uint32_t r = run->entry_row[e]; r < run->entry_row[e + 1]; r++) {
            struct run_row row;
            assert_int_equal(run_row_get(&cache, run, part, r - base, persona, &row), STATUS_OK);
            assert_true(same_row(&row, &rows->row[row.position - 100]));
            assert_false(dropped != NULL && dropped[persona]);
            seen++;
        }
    }
    size_t expected = 0;
    for (size_t i = 0; i < rows->count; i++)
        expected += dropped == NULL || !dropped[rows->row[i].persona];
    assert_int_equal(seen, expected);
    run_block_cache_release(&cache);
}

static void finds_nothing(const char *path) {
    struct error error = {0};
    enum status status = run_check(file_system_os(), path, NULL, NULL, NULL, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    assert_int_equal(status, STATUS_OK);
}

static void rows_come_back(void **state) {
    (void)state;
    uint32_t personas = 20000;
    make_rows(&all, ROWS_MAX, personas);
    uint32_t *customer = make_customers(personas, 15000);
    struct run *run = write_run(&all, "a.run", customer, personas);
    assert_true(run_info(run)->part_count > 1);
    expect_rows(run, &all, customer, NULL);
    finds_nothing(path_of("a.run"));
    assert_int_equal(run_find(run, personas + 1000), ID_NONE);
    assert_int_equal(run_find(run, ID_NONE - 1), ID_NONE);
    run_close(run);
    free(customer);
}

/* Lists that do not have as many rows as was said: no file, where else rows would be lost. */
static void rows_are_counted(void **state) {
    (void)state;
    struct run_target target = {file_system_os(), path_of("l.run"), &columns, NULL, NULL};
    struct run_info info;
    struct error error = {0};
    make_rows(&all, 5000, 70);
    for (int more = -1; more <= 1; more += 2) {
        struct run_rows rows = all.interface;
        rows.count += (size_t)more;
        assert_int_equal(run_write(&target, &rows, NULL, 0, &info, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "5000"));
        assert_int_not_equal(access(path_of("l.run"), F_OK), 0);
    }
    all.personas[3] = ID_NONE;
    assert_int_equal(run_write(&target, &all.interface, NULL, 0, &info, &error), STATUS_INVALID);
    assert_int_not_equal(access(path_of("l.run"), F_OK), 0);
}

/* One persona with most of the rows, beside many with few: lists of all lengths. */
static void long_and_short_lists(void **state) {
    (void)state;
    uint32_t personas = 3000;
    make_rows(&all, 60000, personas);
    for (size_t i = 0; i < all.count; i++)
        if (i % 3 != 0) all.row[i].persona = i % 5 == 0 ? 7 : 2999 - (uint32_t)(i % 90 == 0);
    link_rows(&all);
    uint32_t *customer = make_customers(personas, 500);
    struct run *run = write_run(&all, "l.run", customer, personas);
    expect_rows(run, &all, customer, NULL);
    finds_nothing(path_of("l.run"));
    run_close(run);
    unlink(path_of("l.run"));
    free(customer);
}

static void merged_is_written_together(void **state) {
    (void)state;
    uint32_t personas = 3000;
    make_rows(&all, 40000, personas);
    part_a.count = part_b.count = 0;
    for (size_t i = 0; i < all.count; i++) {
        struct rows *to = i % 3 == 0 ? &part_a : &part_b;
        to->row[to->count++] = all.row[i];
    }
    link_rows(&part_a);
    link_rows(&part_b);
    uint32_t *then = make_customers(personas, 2000), *now = make_customers(personas, 2000);
    for (uint32_t p = 0; p < personas; p++) now[p] = p % 10 ? then[p] : now[p];
    struct run *runs[2] = {write_run(&part_a, "b.run", then, personas),
                           write_run(&part_b, "c.run", then, personas)};
    struct run_merge merge = {.runs = runs,
                              .run_count = 2,
                              .customer = now,
                              .persona_count = personas,
                              .customer_to = ID_NONE};
    struct run_target target = {file_system_os(), path_of("d.run"), &columns, NULL, NULL};
    struct run_info info;
    assert_int_equal(run_merge(&target, &merge, &info, NULL), STATUS_OK);
    struct run *merged, *together = write_run(&all, "e.run", now, personas);
    assert_int_equal(run_open(&merged, file_system_os(), path_of("d.run"), NULL), STATUS_OK);
    expect_rows(merged, &all, now, NULL);
    assert_int_equal(merged->mapping.length, together->mapping.length);
    assert_memory_equal(merged->mapping.at, together->mapping.at, merged->mapping.length);
    run_close(merged);
    run_close(together);

    static bool dropped[3000];
    static uint64_t bits[3000 / 64 + 1];
    for (uint32_t p = 0; p < personas; p += 7) {
        dropped[p] = true;
        bits[p / 64] |= UINT64_C(1) << (p % 64);
    }
    merge.dropped = bits;
    target.path = path_of("f.run");
    assert_int_equal(run_merge(&target, &merge, &info, NULL), STATUS_OK);
    assert_int_equal(run_open(&merged, file_system_os(), path_of("f.run"), NULL), STATUS_OK);
    expect_rows(merged, &all, now, dropped);
    run_close(merged);
    finds_nothing(path_of("f.run"));

    merge.customer_from = 5000;
    target.path = path_of("g.run");
    assert_int_equal(run_merge(&target, &merge, &info, NULL), STATUS_END);
    assert_int_not_equal(access(path_of("g.run"), F_OK), 0);
    uint64_t rows = 0;
    for (uint32_t from = 0; from < 2000; from += 500) {
        merge.customer_from = from;
        merge.customer_to = from + 500;
        unlink(path_of("g.run"));
        target.path = path_of("g.run");
        assert_int_equal(run_merge(&target, &merge, &info, NULL), STATUS_OK);
        assert_true(info.customer_min >= from && info.customer_max < from + 500);
        rows += info.row_count;
    }
    size_t expected = 0;
    for (size_t i = 0; i < all.count; i++) expected += !dropped[all.row[i].persona];
    assert_int_equal(rows, expected);
    run_close(runs[0]);
    run_close(runs[1]);
    free(then);
    free(now);
}

/* A file system of one file in memory. */
static struct file_mapping held;
static enum status map_held(struct file_system *fs, const char *path, struct file_mapping *out,
                            struct error *error) {
    (void)fs, (void)path, (void)error;
    *out = held;
    return STATUS_OK;
}
static void unmap_held(struct file_system *fs, struct file_mapping *mapping) {
    (void)fs, (void)mapping;
}
static const struct file_system_ops held_ops = {.map = map_held, .unmap = unmap_held};
static struct file_system held_fs = {&held_ops, NULL};

static uint64_t mix(uint64_t sum, uint64_t value) {
    return hash_u64(sum ^ value);
}

/* A digest of everything that can be read, or 0 where something is refused. */
static uint64_t digest(void) {
    struct run *run;
    struct run_block_cache cache;
    uint64_t sum = 1;
    enum status status = run_open(&run, &held_fs, "held", NULL);
    if (status != STATUS_OK) {
        assert_true(status == STATUS_CORRUPT || status == STATUS_VERSION);
        return 0;
    }
    run_block_cache_init(&cache);
    for (uint32_t e = 0; e < run->info.entry_count && status == STATUS_OK; e++) {
        uint32_t part = run_part_of(run, e), base = run->parts[part].row_first;
        for (uint32_t r = run->entry_row[e]; r < run->entry_row[e + 1] && status == STATUS_OK;
             r++) {
            struct run_row row;
            status = run_row_get(&cache, run, part, r - base, run->entry_persona[e], &row);
            if (status != STATUS_OK) break;
            sum = mix(sum, (uint64_t)row.time_ms ^ (uint64_t)row.known_ms * 3 ^ row.position * 5 ^
                               row.key * 7);
            sum = mix(sum, row.persona ^ (uint64_t)row.type << 32 ^ (uint64_t)row.source << 48 ^
                               row.channel);
            sum = mix(sum, hash_text(row.packed, 0) ^ run->entry_customer[e]);
        }
    }
    for (uint32_t k = RUN_HEAP; k < run->sections_a_part && status == STATUS_OK; k++) {
        const uint8_t *at = run_bytes(run, 0, k);
        if (k == RUN_BLOCKS || k == RUN_BLOCK_INDEX) continue;
        if (at == NULL) status = STATUS_CORRUPT;
        if (at != NULL) sum = mix(sum, hash_bytes(at, run_section_of(run, 0, k)->length, 0));
    }
    sum = mix(sum, run->info.position_min ^ run->info.position_max ^ (uint64_t)run->info.time_max);
    run_block_cache_release(&cache);
    run_close(run);
    return status == STATUS_OK ? sum : 0;
}

static void flipped_bytes_are_refused(void **state) {
    (void)state;
    make_rows(&all, 120, 30);
    uint32_t *customer = make_customers(30, 20);
    run_close(write_run(&all, "h.run", customer, 30));
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(file_read_all(file_system_os(), path_of("h.run"), 1 << 24, &bytes, NULL),
                     STATUS_OK);
    held = (struct file_mapping){(const uint8_t *)bytes.at, bytes.length, NULL};
    uint64_t good = digest();
    size_t refused = 0;
    assert_int_not_equal(good, 0);
    for (size_t i = 0; i < bytes.length; i++) {
        char keep = bytes.at[i];
        bytes.at[i] = (char)(keep ^ (1 << random_below(&rng, 8)));
        uint64_t now = digest();
        assert_true(now == 0 || now == good);
        refused += now == 0;
        bytes.at[i] = keep;
    }
    print_message("%zu of %zu flips refused, the others lie in padding\n", refused, bytes.length);
    for (size_t length = 0; length < bytes.length; length += 64) {
        held.length = length;
        assert_int_equal(digest(), 0);
    }
    buffer_release(&bytes);
    free(customer);
}

/* A damaged section answers nothing, and says where it lies and what helps. */
static void damage_is_told(void **state) {
    (void)state;
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(file_read_all(file_system_os(), path_of("h.run"), 1 << 24, &bytes, NULL),
                     STATUS_OK);
    held = (struct file_mapping){(const uint8_t *)bytes.at, bytes.length, NULL};
    struct run *run;
    assert_int_equal(run_open(&run, &held_fs, "held", NULL), STATUS_OK);
    uint32_t kinds = run->sections_a_part, looked_at = 0;
    run_close(run);
    for (uint32_t kind = 0; kind < kinds; kind++) {
        struct error error = {0};
        struct run_block_cache cache;
        struct run_row row;
        assert_int_equal(run_open(&run, &held_fs, "held", NULL), STATUS_OK);
        const struct run_section *section = run_section_of(run, 0, kind);
        if (section->length > 0) {
            char *at = &bytes.at[section->offset + section->length / 2];
            *at = (char)(*at ^ 4);
            bool is_copy = kind == RUN_HEAP || kind >= RUN_PART_SECTIONS;
            run_block_cache_init(&cache);
            enum status status = STATUS_OK;
            for (uint32_t r = 0; status == STATUS_OK && r < run->parts[0].row_count; r++)
                status = run_row_get(&cache, run, 0, r, 0, &row);
            assert_int_equal(status, is_copy ? STATUS_OK : STATUS_CORRUPT);
            if (is_copy) assert_null(run_bytes(run, 0, kind));
            assert_int_equal(run_damage(&run, 1, &error), STATUS_CORRUPT);
            assert_non_null(strstr(error.text, "held: part 0"));
            assert_non_null(strstr(error.text, run_section_name(kind)));
            assert_non_null(strstr(error.text, is_copy ? "attune rebuild" : "from a backup"));
            run_block_cache_release(&cache);
            *at = (char)(*at ^ 4);
            looked_at++;
        }
        run_close(run);
    }
    assert_in_range(looked_at, RUN_PART_SECTIONS, kinds);
    buffer_release(&bytes);
}

static void check_finds_each_flip(void **state) {
    (void)state;
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(file_read_all(file_system_os(), path_of("h.run"), 1 << 24, &bytes, NULL),
                     STATUS_OK);
    held = (struct file_mapping){(const uint8_t *)bytes.at, bytes.length, NULL};
    assert_int_equal(run_check(&held_fs, "held", NULL, NULL, NULL, NULL), STATUS_OK);
    for (size_t i = 0; i < bytes.length; i += 1 + random_below(&rng, 3)) {
        bytes.at[i] = (char)(bytes.at[i] ^ 0x40);
        enum status status = run_check(&held_fs, "held", NULL, NULL, NULL, NULL);
        if (status == STATUS_OK) print_message("byte %zu of %zu\n", i, bytes.length);
        assert_true(status == STATUS_CORRUPT || status == STATUS_VERSION);
        bytes.at[i] = (char)(bytes.at[i] ^ 0x40);
    }
    buffer_release(&bytes);
}

/* What every decision reads is found without decompressing anything, and is what the block says.
 * Where there is no room for the whole column, the block tells all. */
static void decisions_read_no_block(void **state) {
    (void)state;
    static struct column_set full = {.count = TIMELINE_COLUMNS_MAX};
    uint32_t whole = 0, alone = 0;
    for (uint32_t c = 0; c < TIMELINE_COLUMNS_MAX; c++)
        full.columns[c] = (struct column){1000 + c, VALUE_NUMBER};
    make_rows(&all, 20000, 500);
    struct run *run = write_run(&all, "j.run", NULL, 0);
    struct run_target target = {file_system_os(), path_of("k.run"), &full, NULL, NULL};
    struct run_info info;
    struct run *without;
    assert_int_equal(run_write(&target, &all.interface, NULL, 0, &info, NULL), STATUS_OK);
    assert_int_equal(run_open(&without, file_system_os(), path_of("k.run"), NULL), STATUS_OK);
    assert_int_equal(info.column_count, TIMELINE_COLUMNS_MAX);
    for (uint32_t r = 0; r < all.count; r++) {
        struct run_block_cache cache, other;
        struct run_row row;
        struct text packed;
        run_block_cache_init(&cache);
        run_block_cache_init(&other);
        assert_int_equal(run_packed(&cache, run, 0, r, &packed), STATUS_OK);
        bool is_whole = cache.run == NULL;
        assert_int_equal(run_row_get(&other, run, 0, r, 0, &row), STATUS_OK);
        assert_non_null(other.run);
        assert_true(text_equal(packed, row.packed));
        assert_int_equal(is_whole, run_keeps_whole(row.type));
        whole += is_whole;
        alone += row.type == EVENT_TREATMENT_DELIVERED;
        assert_int_equal(run_packed(&cache, without, 0, r, &packed), STATUS_OK);
        assert_ptr_equal(cache.run, without);
        assert_true(text_equal(packed, row.packed));
        run_block_cache_release(&cache);
        run_block_cache_release(&other);
    }
    assert_true(alone > 0 && whole > alone);
    finds_nothing(path_of("j.run"));
    finds_nothing(path_of("k.run"));
    run_close(run);
    run_close(without);
    unlink(path_of("j.run"));
    unlink(path_of("k.run"));
}

/* Each allocation in turn fails: a status, no leak (under a sanitizer), no file left. */
static void no_memory_is_a_status(void **state) {
    (void)state;
    make_rows(&all, 300, 30);
    struct run_target target = {file_system_os(), path_of("i.run"), &columns, NULL, NULL};
    enum status status = STATUS_NO_MEMORY;
    for (uint64_t n = 1; status == STATUS_NO_MEMORY; n++) {
        struct run_info info;
        memory_fail_at(n);
        status = run_write(&target, &all.interface, NULL, 0, &info, NULL);
        memory_fail_at(0);
        assert_true(status == STATUS_NO_MEMORY || status == STATUS_OK);
        if (status != STATUS_OK) assert_int_not_equal(access(path_of("i.run"), F_OK), 0);
        target.path = path_of("i.run");
    }
    finds_nothing(path_of("i.run"));
}

static int remove_directory(void **state) {
    (void)state;
    for (char name[] = "a.run"; name[0] <= 'i'; name[0]++) unlink(path_of(name));
    buffer_release(&all.bytes);
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(rows_are_counted),
        cmocka_unit_test(long_and_short_lists),
        cmocka_unit_test(merged_is_written_together),
        cmocka_unit_test(flipped_bytes_are_refused),
        cmocka_unit_test(damage_is_told),
        cmocka_unit_test(check_finds_each_flip),
        cmocka_unit_test(decisions_read_no_block),
        cmocka_unit_test(no_memory_is_a_status),
    };
    if (mkdtemp(directory) == NULL) return 1;
    random_init(&rng, 41);
    printf("seed 41\n");
    return cmocka_run_group_tests(tests, NULL, remove_directory);
}
