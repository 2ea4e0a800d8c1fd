/* SPDX-License-Identifier: Apache-2.0 */
/* What was acknowledged stays, and no amount of it locks the directory: lost power, many versions,
 * large rows. */
#include "support/unit.h"

#include "base/log_line.h"
#include "base/memory.h"
#include "shop.h"

static void lose_power(struct shop *shop) {
    simulated_disk_cut_at(shop->disk, 1);
    engine_close(shop->engine);
    shop->engine = NULL;
    simulated_disk_cut_at(shop->disk, 0);
    simulated_disk_restart(shop->disk);
}

static double discount_now(const struct shop *shop) {
    const struct customer_data *data = engine_customer_data(shop->engine);
    const struct lookup_table *table = data->lookup(
        data->context, playbook_lookup_find(data->playbook, TEXT("offer")), TIME_NEVER);
    struct value key = value_text(TEXT("7"));
    uint32_t row, count;
    if (table == NULL || !lookup_find(table, &key, &row, &count)) return -1;
    return lookup_cell(table, row, lookup_field_find(table, TEXT("discount"))).number;
}

/* Also the folders of playbooks and lookups are new here: their names must be on the disk before
 * the log tells of what lies in them. */
static void test_what_is_in_force_outlives_a_power_cut(void **state) {
    struct shop *shop = *state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        simulated_disk_destroy(shop->disk);
        shop->disk = simulated_disk_create(seed, 0);
        shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
        shop_open(shop, "playbook.yaml");
        shop_load(shop, NULL);
        lose_power(shop);
        shop_open(shop, NULL);
        assert_non_null(engine_playbook(shop->engine));
        assert_true(discount_now(shop) == 5);
        engine_close(shop->engine);
        shop->engine = NULL;
    }
}

/* A table that changes every hour for two months. */
static void test_a_lookup_may_change_for_ever(void **state) {
    struct shop *shop = *state;
    char text[64];
    shop_open(shop, "playbook.yaml");
    for (int version = 1; version <= 1500; version++) {
        snprintf(text, sizeof text, "offer_id,discount\n7,%d\n", version);
        shop_file(shop, "offers.csv", text);
        shop_load(shop, "offer");
    }
    assert_true(discount_now(shop) == 1500);
    shop_open(shop, NULL);
    assert_true(discount_now(shop) == 1500);
}

static uint64_t rows_waiting(const struct shop *shop) {
    struct store_stats stats;
    store_stats(engine_store(shop->engine), &stats);
    return stats.quarantined_row_count;
}

/* More bytes than one frame of the log takes, in fewer rows than one batch. */
static void test_a_large_quarantine_comes_back(void **state) {
    enum { ROWS = 24000, NOTE_BYTES = 3000 };
    struct shop *shop = *state;
    struct replay_report report;
    struct error error = {0};
    char note[NOTE_BYTES + 1], mended[4096];
    FILE *file = fopen(shop_path(shop, "orders.csv"), "w");
    assert_non_null(file);
    memset(note, 'n', NOTE_BYTES);
    note[NOTE_BYTES] = '\0';
    fputs("order_id,at,email,cookie,amount,items,note\n", file);
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "o%d,2017-01-02T10:00:00Z,a%d@a.example,,10.00,two,%s\n", i, i % 100, note);
    assert_int_equal(fclose(file), 0);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, "orders");
    assert_int_equal(rows_waiting(shop), ROWS);
    snprintf(mended, sizeof mended, "%s", shop_playbook);
    memcpy(strstr(mended, "items: number"), "items: text  ", 13);
    shop_file(shop, "mended.yaml", mended);
    shop_open(shop, "mended.yaml");
    assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.rows, ROWS);
    assert_int_equal(report.events, ROWS);
    assert_int_equal(report.still_quarantined, 0);
    assert_int_equal(rows_waiting(shop), 0);
    assert_int_equal(shop_events(shop), ROWS);
}

/* Every bad row is kept with the header of its file; every message with what its line says of all.
 */
static void test_a_batch_may_be_larger_than_a_frame(void **state) {
    enum { ROWS = 100, NAME_BYTES = 900000, MESSAGES = 2500, NOTE_BYTES = 60000 };
    struct shop *shop = *state;
    struct replay_report report;
    struct error error = {0};
    FILE *file = fopen(shop_path(shop, "orders.csv"), "w");
    assert_non_null(file);
    fputs("order_id,at,email,cookie,amount,items,note,", file);
    for (int i = 0; i < NAME_BYTES; i++) fputc('x', file);
    for (int i = 0; i < ROWS; i++) fprintf(file, "\no%d,never,a@a.example,,1.00,1,,", i);
    fputs("\nlast,2017-01-02T10:00:00Z,a@a.example,,1.00,1,,\n", file);
    assert_int_equal(fclose(file), 0);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, "orders");
    assert_int_equal(shop->totals.quarantined, ROWS);
    assert_int_equal(rows_waiting(shop), ROWS);
    assert_int_equal(shop_events(shop), 1);

    file = fopen(shop_path(shop, "web.ndjson"), "w");
    assert_non_null(file);
    fputs("{\"batch\":[", file);
    for (int i = 0; i < MESSAGES; i++)
        fprintf(file,
                "%s{\"type\":\"track\",\"event\":\"A\",\"messageId\":\"m%d\",\"userId\":\"u%d\"}",
                i > 0 ? "," : "", i, i % 7);
    fputs("],\"receivedAt\":\"2017-01-02T10:00:00Z\",\"context\":{\"note\":\"", file);
    for (int i = 0; i < NOTE_BYTES; i++) fputc('n', file);
    fputs("\"}}\n", file);
    assert_int_equal(fclose(file), 0);
    shop_file(shop, "web.yaml",
              "attune: 1\nname: Web\ncurrency: USD\nzone: UTC\n"
              "customer: { identifiers: { email: {}, cookie: {} } }\n"
              "sources: { web: { file: \"web*.ndjson\", format: segment, key: { cookie: userId }, "
              "properties: { note: context.note } } }\n");
    shop_open(shop, "web.yaml");
    shop_load(shop, "web");
    assert_int_equal(shop_events(shop), 1 + shop->totals.did.events);
    assert_int_equal(shop->totals.quarantined, 1); /* the rest of the line */
    assert_int_equal(engine_quarantine_replay(shop->engine, "web", &report, &error), STATUS_OK);
    assert_int_equal(report.still_quarantined, 0);
    assert_int_equal(shop_events(shop), 1 + MESSAGES);
    shop_open(shop, NULL);
    assert_int_equal(shop_count(shop, "A"), MESSAGES);
}

static void add_event(struct shop *shop, struct event_batch *batch, int email, int cookie) {
    struct event *event = event_batch_add(batch);
    char text[32];
    assert_non_null(event);
    event->time_ms = event->known_ms = DAY(1);
    event->type = EVENT_CUSTOMER_RECORD;
    for (int i = 0; i < 2; i++) {
        int number = i == 0 ? email : cookie;
        uint32_t type = symbol_find(engine_symbols(shop->engine), SYMBOL_IDENTIFIER,
                                    i == 0 ? TEXT("email") : TEXT("cookie"));
        if (number < 0) continue;
        snprintf(text, sizeof text, "person-%d-%d", i, number);
        assert_int_equal(event_batch_add_identifier(batch, type, text_from(text)), STATUS_OK);
    }
}

/* A batch that is full of events, and merges customers besides: these are noted behind it. */
static void test_a_full_batch_may_merge_customers(void **state) {
    enum { MERGED = 5000 };
    struct shop *shop = *state;
    struct error error = {0};
    struct apply_result applied;
    struct event_batch batch;
    shop_open(shop, "playbook.yaml");
    event_batch_init(&batch);
    for (int i = 0; i < MERGED; i++) add_event(shop, &batch, i, -1);
    for (int i = 0; i < MERGED; i++) add_event(shop, &batch, -1, i);
    assert_int_equal(engine_apply(shop->engine, &batch, &applied, &error), STATUS_OK);
    event_batch_clear(&batch);
    for (int i = 0; i < BATCH_EVENTS_MAX; i++) add_event(shop, &batch, i % MERGED, i % MERGED);
    assert_int_equal(engine_apply(shop->engine, &batch, &applied, &error), STATUS_OK);
    assert_int_equal(applied.events, BATCH_EVENTS_MAX);
    event_batch_release(&batch);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(shop_count(shop, "Customer Merged"), MERGED);
        assert_int_equal(shop_count(shop, "Customer Record"), 2 * MERGED + BATCH_EVENTS_MAX);
        shop_open(shop, NULL);
    }
}

/* More of them than a frame takes; the good rows count all the same. */
static void test_a_lookup_may_have_many_bad_rows(void **state) {
    enum { ROWS = 70000 };
    struct shop *shop = *state;
    FILE *file = fopen(shop_path(shop, "offers.csv"), "w");
    assert_non_null(file);
    fputs("offer_id,discount\n7,5\n", file);
    for (int i = 0; i < ROWS; i++) fprintf(file, "a%d,much\n", i);
    assert_int_equal(fclose(file), 0);
    shop_open(shop, "playbook.yaml");
    for (int round = 0; round < 2; round++) {
        shop_load(shop, "offer");
        assert_true(discount_now(shop) == 5);
        assert_int_equal(rows_waiting(shop), ROWS);
        shop_open(shop, NULL);
    }
}

/* Longer than what a table's file keeps of a row: it waits, the others count. */
static void test_a_lookup_may_have_a_long_row(void **state) {
    struct shop *shop = *state;
    FILE *file = fopen(shop_path(shop, "offers.csv"), "w");
    assert_non_null(file);
    fputs("offer_id,discount,note,more\n8,6,", file);
    for (int i = 0; i < 33000; i++) fputc('n', file);
    fputc(',', file);
    for (int i = 0; i < 33000; i++) fputc('m', file);
    fputs("\n7,5,,\n", file);
    assert_int_equal(fclose(file), 0);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, "offer");
    assert_true(discount_now(shop) == 5);
    assert_int_equal(rows_waiting(shop), 1);
}

static const char orders[] = "order_id,at,email,cookie,amount,items,note\n"
                             "o1,2017-01-02T10:00:00Z,ann@a.example,,10.00,1,first order of ann\n"
                             "o2,2017-01-03T10:00:00Z,,k-77,20.00,2,nobody yet\n"
                             "o3,2017-01-05T10:00:00Z,ben@b.example,,5.00,1,\n"
                             "o4,2017-02-01T10:00:00Z,ann@a.example,,1.00,many,ann again\n";

static enum status load_all(struct shop *shop, struct error *error) {
    struct engine_ingest_options options = {.data_directory = shop->folder};
    struct engine_ingest_report *reports = NULL;
    size_t count;
    enum status status = engine_ingest(shop->engine, &options, &reports, &count, error);
    memory_free(reports);
    return status;
}

static enum status open_shop(struct shop *shop, struct error *error) {
    return shop_try_open(shop, "playbook.yaml", false, error);
}

static enum status fold_all(struct shop *shop, struct error *error) {
    return engine_fold(shop->engine, true, NULL, error);
}

static enum status copy_all(struct shop *shop, struct error *error) {
    return engine_backup(shop->engine, "copy", NULL, error);
}

static enum status erase_ann(struct shop *shop, struct error *error) {
    struct erased_summary erased;
    struct customer_id ann = shop_customer(shop, "email:ann@a.example", INT64_MAX);
    if (ann.value == ID_NONE) return STATUS_OK;
    enum status status = engine_erase(shop->engine, ann, &erased, error);
    erased_summary_release(&erased);
    return status;
}

static enum status rebuild(struct shop *shop, struct error *error) {
    return engine_rebuild(shop->engine, NULL, error);
}

enum { OPENED, LOADED, FOLDED, COPIED, ERASED, REBUILT, STEPS };
static enum status (*const steps[STEPS])(struct shop *, struct error *) = {
    open_shop, load_all, fold_all, copy_all, erase_ann, rebuild};

/* Step after step until one fails, at the first or at the last of its tries. Returns how many were
 * acknowledged. */
static int do_work(struct shop *shop, int tries, struct error *error) {
    for (int step = 0; step < STEPS; step++) {
        enum status status = STATUS_NO_MEMORY;
        for (int i = 0; i < tries && status != STATUS_OK; i++) {
            *error = (struct error){0};
            status = steps[step](shop, error);
            assert_true(status == STATUS_OK || error->text[0] != '\0');
        }
        if (status != STATUS_OK) return step;
    }
    return STEPS;
}

/* The copy holds her still: it is looked at, and then forgotten. */
static void check_copy(struct shop *shop) {
    struct engine_options options = {.directory = "copy",
                                     .fold_by_hand = true,
                                     .fs = simulated_disk_interface(shop->disk),
                                     .now_ms = shop->now_ms,
                                     .threads = 1};
    struct error error = {0};
    engine_close(shop->engine);
    shop->engine = NULL;
    assert_int_equal(engine_open(&shop->engine, &options, &error), STATUS_OK);
    assert_int_equal(shop_events(shop), 3);
    assert_int_equal(rows_waiting(shop), 1);
    struct erased_summary erased;
    assert_int_equal(engine_erase(shop->engine,
                                  shop_customer(shop, "email:ann@a.example", INT64_MAX), &erased,
                                  &error),
                     STATUS_OK);
    erased_summary_release(&erased);
}

static void check_all(struct shop *shop, int done) {
    struct file_system *fs = simulated_disk_interface(shop->disk);
    struct error error = {0};
    struct buffer names;
    size_t count = 0;
    buffer_init(&names);
    if (done > OPENED) assert_int_equal(store_check(fs, "data", NULL, NULL, &error), STATUS_OK);
    if (done > COPIED) check_copy(shop);
    shop_open(shop, done > OPENED ? NULL : "playbook.yaml");
    if (done > LOADED) assert_true(discount_now(shop) == 5);
    /* She may be gone, and nobody was told. */
    if (done > LOADED) assert_in_range(shop_events(shop), 2, done > ERASED ? 2 : 3);
    if (done > ERASED)
        assert_int_equal(shop_customer(shop, "email:ann@a.example", INT64_MAX).value, ID_NONE);
    assert_int_equal(load_all(shop, &error), STATUS_OK);
    assert_int_equal(erase_ann(shop, &error), STATUS_OK);
    assert_int_equal(load_all(shop, &error), STATUS_OK);
    assert_int_equal(shop_events(shop), 2);
    bool half_copied =
        done <= COPIED && directory_list(fs, "copy", &names, &count, NULL) == STATUS_OK;
    assert_true(half_copied || !simulated_disk_contains(shop->disk, "ann@a.example", 13));
    assert_true(half_copied || !simulated_disk_contains(shop->disk, "ann again", 9));
    buffer_release(&names);
}

/* Where half a copy stays behind, its owner is told. */
static void check_words(struct shop *shop, int done, const struct error *error) {
    struct buffer names;
    size_t count = 0;
    buffer_init(&names);
    if (done == COPIED && directory_list(simulated_disk_interface(shop->disk), "copy", &names,
                                         &count, NULL) == STATUS_OK) {
        assert_non_null(strstr(error->text, "; delete copy, which holds a part"));
    }
    buffer_release(&names);
}

/* The power goes, a call fails, the disk is full, or a call fails, is tried again, and then the
 * power goes. */
static void test_any_moment_may_be_the_last(void **state) {
    enum { CUT, FAIL, FULL, FAIL_AND_CUT, KINDS };
    struct shop *shop = *state;
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    log_line_level(LOG_ERROR);
    for (int kind = 0; kind < KINDS; kind++) {
        bool met = true;
        for (uint64_t nth = 1; met; nth++) {
            struct error error;
            simulated_disk_destroy(shop->disk);
            shop->disk = simulated_disk_create(nth, 0);
            if (kind == CUT)
                simulated_disk_cut_at(shop->disk, nth);
            else
                simulated_disk_fail_at(shop->disk, nth, kind == FULL);
            int done = do_work(shop, kind == FAIL_AND_CUT ? 2 : 1, &error);
            met = simulated_disk_calls(shop->disk) >= nth;
            simulated_disk_fail_at(shop->disk, 0, false);
            if (kind == CUT || kind == FAIL_AND_CUT) lose_power(shop);
            if (kind == FAIL || kind == FULL) check_words(shop, done, &error);
            check_all(shop, done);
            engine_close(shop->engine);
            shop->engine = NULL;
        }
    }
    log_line_level(LOG_WARNING);
}

static void use_web_keys(struct shop *shop, const char *keys) {
    char text[512];
    snprintf(text, sizeof text,
             "attune: 1\nname: Web\ncurrency: USD\nzone: UTC\n"
             "customer: { identifiers: { email: {}, cookie: {} } }\n"
             "sources: { web: { file: \"web*.ndjson\", format: segment, key: %s } }\n",
             keys);
    shop_file(shop, "web.yaml", text);
    shop_open(shop, "web.yaml");
}

/* One message of a line can be read at last, the other can't yet: it waits on. */
static void test_what_is_left_of_a_line_waits_on(void **state) {
    static const char *const keys[] = {"{ email: userId }",
                                       "{ email: userId, cookie: anonymousId }",
                                       "{ email: userId, cookie: [anonymousId, deviceId] }"};
    struct shop *shop = *state;
    struct replay_report report;
    struct error error = {0};
    shop_file(shop, "web.ndjson",
              "{\"batch\":[{\"type\":\"track\",\"event\":\"A\",\"userId\":\"a@a.example\"},"
              "{\"type\":\"track\",\"event\":\"B\",\"anonymousId\":\"k-1\"},"
              "{\"type\":\"track\",\"event\":\"C\",\"deviceId\":\"k-2\"}],\"receivedAt\":\"2017-01-"
              "02T10:00:00Z\"}\n");
    use_web_keys(shop, keys[0]);
    shop_load(shop, "web");
    for (uint64_t round = 0; round < 3; round++) {
        if (round > 0) use_web_keys(shop, keys[round]);
        assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
        assert_int_equal(report.rows, 1);
        assert_int_equal(report.events, round > 0 ? 1 : 0);
        assert_int_equal(report.still_quarantined, round < 2 ? 1 : 0);
        assert_int_equal(rows_waiting(shop), round < 2 ? 1 : 0);
        assert_int_equal(shop_events(shop), round + 1);
        shop_load(shop, "web"); /* all of it is known */
        assert_int_equal(shop_events(shop), round + 1);
        assert_int_equal(rows_waiting(shop), round < 2 ? 1 : 0);
    }
    assert_int_equal(shop_count(shop, "C"), 1);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_in_force_outlives_a_power_cut),
        CASE(test_a_lookup_may_change_for_ever),
        CASE(test_a_large_quarantine_comes_back),
        CASE(test_a_batch_may_be_larger_than_a_frame),
        CASE(test_a_full_batch_may_merge_customers),
        CASE(test_any_moment_may_be_the_last),
        CASE(test_a_lookup_may_have_a_long_row),
        CASE(test_a_lookup_may_have_many_bad_rows),
        CASE(test_what_is_left_of_a_line_waits_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
