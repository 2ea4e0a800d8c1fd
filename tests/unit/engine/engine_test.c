/* SPDX-License-Identifier: Apache-2.0 */
/* One data directory: what was put in force comes back, repeats are dropped, rows come back from
 * quarantine, a customer is forgotten. */
#include "support/unit.h"

#include "base/memory.h"
#include "engine/answer/answer.h"
#include "store/run/run_file.h"
#include "shop.h"

static const char orders[] = "order_id,at,email,cookie,amount,items,note\n"
                             "o1,2017-01-02T10:00:00Z,ann@a.example,,10.00,1,first order of ann\n"
                             "o2,2017-01-03T10:00:00Z,,k-77,20.00,2,nobody yet\n"
                             "o3,2017-01-05T10:00:00Z,ben@b.example,,5.00,1,\n"
                             "o4,2017-02-01T10:00:00Z,ann@a.example,,1.00,1,\n";

static double discount_at(struct shop *shop, int64_t t_ms) {
    const struct customer_data *data = engine_customer_data(shop->engine);
    const struct lookup_table *table =
        data->lookup(data->context, playbook_lookup_find(data->playbook, TEXT("offer")), t_ms);
    struct value key = value_text(TEXT("7"));
    uint32_t row, count;
    if (table == NULL || !lookup_find(table, &key, &row, &count)) return -1;
    return lookup_cell(table, row, lookup_field_find(table, TEXT("discount"))).number;
}

static uint32_t treatment_count(const struct shop *shop) {
    const struct treatment_set *set;
    assert_int_equal(treatment_history_at(engine_customer_data(shop->engine)->treatments,
                                          TIME_NEVER, &set, NULL),
                     STATUS_OK);
    return set->count;
}

static void test_what_is_in_force_comes_back(void **state) {
    struct shop *shop = *state;
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop->now_ms = DAY(10);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 4);
    assert_int_equal(shop->totals.lookup_rows, 1);
    uint64_t hash = engine_playbook(shop->engine)->hash;

    shop->now_ms = DAY(20);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,15\n8,20\n");
    shop_open(shop, NULL);
    assert_true(engine_playbook(shop->engine)->hash == hash);
    assert_int_equal(treatment_count(shop), 1);
    shop_load(shop, "offer");
    assert_int_equal(treatment_count(shop), 2);
    for (int round = 0; round < 3; round++) {
        assert_true(discount_at(shop, DAY(1)) == 5);
        /* The second was not known before it was loaded. */
        assert_true(discount_at(shop, DAY(20) - 1) == 5);
        assert_true(discount_at(shop, DAY(20)) == 15);
        assert_true(shop_trait(shop, "email:ann@a.example", "spent", DAY(90)) == 11);
        assert_true(shop_trait(shop, "email:ann@a.example", "spent", DAY(20)) == 10);
        assert_int_equal(treatment_count(shop), 2);
        if (round == 0) assert_int_equal(engine_fold(shop->engine, false, NULL, NULL), STATUS_OK);
        shop->now_ms = DAY(30);
        shop_open(shop, NULL);
        shop_load(shop, "offer"); /* the same content is no new version */
    }
}

static void test_a_model_in_force_comes_back(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct model_entry entry = {0}, again = {0};
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_file(shop, "mail.csv",
              "at,email,treatment\n2017-01-01T09:00:00Z,ann@a.example,letter/"
              "7\n2017-01-10T09:00:00Z,ben@b.example,letter/7\n");
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_null(engine_model(shop->engine, 0, NULL));
    assert_int_equal(engine_train(shop->engine, 0, DAY(-30), NULL, &entry, NULL, &error),
                     STATUS_INVALID);
    assert_non_null(strstr(error.text, "nothing to learn from"));
    assert_int_equal(engine_train(shop->engine, 0, DAY(60), NULL, &entry, NULL, &error), STATUS_OK);
    assert_int_equal(engine_train(shop->engine, 0, DAY(60), NULL, &entry, NULL, &error), STATUS_OK);
    assert_int_equal(entry.version, 2);
    assert_int_equal(model_facts(entry.model)->rows, 2);
    assert_int_equal(model_facts(entry.model)->yes, 1);
    shop_open(shop, NULL);
    assert_non_null(engine_model(shop->engine, 0, &again));
    assert_int_equal(again.version, 2);
    assert_int_equal(again.until_ms, DAY(60));
    assert_int_equal(again.trained_ms, shop->now_ms);
    assert_int_equal(model_facts(again.model)->rows, 2);
}

static bool model_fits(struct shop *shop, const char *from, const char *to) {
    char changed[8192];
    const char *at = strstr(shop_playbook, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - shop_playbook), shop_playbook, to,
             at + strlen(from));
    shop_file(shop, "changed.yaml", changed);
    shop_open(shop, "changed.yaml");
    return engine_model(shop->engine, 0, NULL) != NULL;
}

/* It goes on only where its goal and its features still say what they said. */
static void test_a_model_is_of_its_goal_and_features(void **state) {
    struct shop *shop = *state;
    struct model_entry entry = {0};
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_file(shop, "mail.csv",
              "at,email,treatment\n2017-01-01T09:00:00Z,ann@a.example,letter/7\n");
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(engine_train(shop->engine, 0, DAY(60), NULL, &entry, NULL, NULL), STATUS_OK);
    assert_true(model_fits(shop, "cost: 0.10 USD", "cost: 0.20 USD"));
    assert_true(model_fits(shop, "within: 5d, value: revenue", "within: 5d"));
    assert_false(model_fits(shop, "within: 5d", "within: 60d"));
    assert_false(model_fits(shop, "within: 5d", "within: 5d, where: revenue > 1 USD"));
    assert_false(model_fits(shop, "within: 5d", "within: 5d, undone_by: Order Completed"));
    assert_true(model_fits(shop, "within: 5d", "within: 120h"));
}

static void test_repeats_are_dropped_wherever_the_first_lies(void **state) {
    struct shop *shop = *state;
    char twice[2048];
    snprintf(twice, sizeof twice, "%s%s", orders,
             strchr(orders, '\n') + 1); /* every row twice in one file */
    shop_file(shop, "orders.csv", twice);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 4); /* in the batch */
    assert_int_equal(shop->totals.did.repeats, 4);
    shop_load(shop, NULL); /* in the tail */
    assert_int_equal(shop->totals.did.events, 0);
    assert_int_equal(shop->totals.did.repeats, 8);
    assert_int_equal(engine_fold(shop->engine, false, NULL, NULL), STATUS_OK);
    shop_load(shop, NULL); /* in a run */
    assert_int_equal(shop->totals.did.events, 0);
    shop_open(shop, NULL);
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 0);
    assert_int_equal(shop->totals.did.repeats, 8);
    assert_int_equal(shop_events(shop), 4);
}

/* A retried message has another corrected time; a mended mapping finds another persona. */
static void test_a_row_stands_under_its_key_for_ever(void **state) {
    struct shop *shop = *state;
    static const char moved[] = "order_id,at,email,cookie,amount,items,note\n"
                                "o1,2017-03-05T10:00:00Z,bob@b.example,k-99,5,,\n";
    shop_file(shop, "orders.csv", orders);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 4);
    shop_file(shop, "orders.csv", moved);
    shop_load(shop, NULL); /* in the tail */
    assert_int_equal(shop->totals.did.events, 0);
    assert_int_equal(shop->totals.did.corrected, 1);
    assert_int_equal(engine_fold(shop->engine, false, NULL, NULL), STATUS_OK);
    shop_load(shop, NULL); /* folded */
    assert_int_equal(shop->totals.did.events, 0);
    assert_int_equal(shop->totals.did.repeats, 1);
}

/* Flips a bit among the keys of the only key file. */
static void damage_keys(struct shop *shop) {
    for (unsigned number = 1; number < 9; number++) {
        char path[64];
        snprintf(path, sizeof path, "data/keys/%06u.keys", number);
        if (simulated_disk_flip(shop->disk, path, 70, 3)) return;
    }
    fail_msg("there is no key file");
}

static void test_where_repeats_cannot_be_told_nothing_is_stored(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct engine_ingest_options options = {.data_directory = shop->folder};
    struct engine_ingest_report *reports;
    size_t count;
    shop_file(shop, "orders.csv", orders);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(engine_fold(shop->engine, false, NULL, NULL), STATUS_OK);
    engine_close(shop->engine);
    shop->engine = NULL;
    damage_keys(shop);
    shop_open(shop, NULL);
    uint64_t position = store_position(engine_store(shop->engine));
    assert_int_equal(engine_ingest(shop->engine, &options, &reports, &count, &error),
                     STATUS_CORRUPT);
    memory_free(reports);
    assert_non_null(strstr(error.text, ".keys: part 0: the section of keys is damaged"));
    assert_non_null(strstr(error.text, "backup"));
    assert_true(store_position(engine_store(shop->engine)) == position);
    assert_int_equal(shop_events(shop), 4);
    /* A rebuild makes the keys anew from the runs: the rows are known again. */
    assert_int_equal(engine_rebuild(shop->engine, NULL, NULL), STATUS_OK);
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 0);
    assert_int_equal(shop->totals.did.repeats, 4);
    assert_int_equal(shop_events(shop), 4);
}

static void test_merges_are_noted_and_taken_back(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct engine_unmerged unmerged;
    shop_file(shop, "orders.csv", orders);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(shop_count(shop, "Customer Merged"), 0);
    assert_true(shop_customer(shop, "cookie:k-77", INT64_MAX).value !=
                shop_customer(shop, "email:ann@a.example", INT64_MAX).value);
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\no5,2017-02-02T10:00:00Z,ann@a.example,k-"
              "77,2.00,1,\n");
    shop_load(shop, NULL);
    assert_int_equal(shop_count(shop, "Customer Merged"), 1);
    assert_int_equal(shop_customer(shop, "cookie:k-77", INT64_MAX).value,
                     shop_customer(shop, "email:ann@a.example", INT64_MAX).value);
    assert_true(shop_trait(shop, "email:ann@a.example", "spent", DAY(99)) == 33);
    assert_true(shop_trait(shop, "email:ann@a.example", "spent", DAY(32)) ==
                11); /* before they were known to be one */

    enum status status = engine_unmerge(shop->engine, TEXT("cookie:k-77"),
                                        TEXT("email:ann@a.example"), &unmerged, &error);
    assert_int_equal(status, STATUS_OK);
    for (int round = 0; round < 2; round++) {
        uint32_t ann = shop_customer(shop, "email:ann@a.example", INT64_MAX).value,
                 cookie = shop_customer(shop, "cookie:k-77", INT64_MAX).value;
        assert_true(ann != cookie);
        assert_int_equal(unmerged.customer.value, cookie);
        assert_int_equal(unmerged.other.value, ann);
        assert_int_equal(shop_count(shop, "Customer Split"), 1);
        assert_int_equal(shop_count(shop, "Order Completed"), 5); /* nobody's events are lost */
        shop_open(shop, NULL);
    }
    assert_int_equal(
        engine_unmerge(shop->engine, TEXT("cookie:none"), (struct text){0}, &unmerged, &error),
        STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "cookie:none"));
}

/* A playbook with other rules of identity judges anew; who is merged or split by it is told on the
 * timelines, at the time of the change. */
static void test_new_rules_tell_of_merges(void **state) {
    struct shop *shop = *state;
    char strict[4096];
    const char *rule = strstr(shop_playbook, "email: {}");
    assert_non_null(rule);
    snprintf(strict, sizeof strict, "%.*semail: { per_customer: 1 }%s", (int)(rule - shop_playbook),
             shop_playbook, rule + strlen("email: {}"));
    shop_file(shop, "strict.yaml", strict);
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\n"
              "o1,2017-01-02T10:00:00Z,ann@a.example,k-1,10.00,2,\n"
              "o2,2017-01-03T10:00:00Z,bob@a.example,k-1,5.00,2,\n");
    shop_open(shop, "strict.yaml");
    shop_load(shop, NULL);
    assert_true(shop_customer(shop, "email:ann@a.example", INT64_MAX).value !=
                shop_customer(shop, "email:bob@a.example", INT64_MAX).value);
    shop_open(shop, "playbook.yaml");
    assert_int_equal(shop_customer(shop, "email:ann@a.example", INT64_MAX).value,
                     shop_customer(shop, "email:bob@a.example", INT64_MAX).value);
    assert_int_equal(shop_count(shop, "Customer Merged"), 1);
    assert_true(shop_trait(shop, "email:bob@a.example", "merges", DAY(101)) == 1);
    assert_true(shop_trait(shop, "email:bob@a.example", "merges", DAY(99)) ==
                0); /* not when the link was made */
    shop->now_ms = DAY(200);
    shop_open(shop, "strict.yaml");
    assert_int_equal(shop_count(shop, "Customer Split"), 1);
    assert_true(shop_trait(shop, "email:bob@a.example", "splits", DAY(201)) == 1);
    assert_true(shop_trait(shop, "email:bob@a.example", "splits", DAY(199)) == 0);
}

/* More merges at once than a frame takes events. */
static void test_new_rules_merge_many(void **state) {
    struct shop *shop = *state;
    enum { PAIRS = BATCH_EVENTS_MAX + 1000 };
    struct buffer rows, strict;
    const char *rule = strstr(shop_playbook, "email: {}");
    buffer_init(&rows);
    buffer_init(&strict);
    assert_int_equal(buffer_format(&strict, "%.*semail: { per_customer: 1 }%s%c",
                                   (int)(rule - shop_playbook), shop_playbook,
                                   rule + strlen("email: {}"), 0),
                     STATUS_OK);
    assert_int_equal(buffer_format(&rows, "order_id,at,email,cookie,amount,items,note\n"),
                     STATUS_OK);
    for (int i = 0; i < 2 * PAIRS; i++) {
        assert_int_equal(buffer_format(&rows,
                                       "o%d,2017-01-02T10:00:00Z,m%d@a.example,k-%d,1.00,1,\n", i,
                                       i, i / 2),
                         STATUS_OK);
    }
    assert_int_equal(buffer_format(&rows, "%c", 0), STATUS_OK);
    shop_file(shop, "strict.yaml", strict.at);
    shop_file(shop, "orders.csv", rows.at);
    shop_open(shop, "strict.yaml");
    shop_load(shop, NULL);
    shop_open(shop, "playbook.yaml");
    assert_int_equal(shop_count(shop, "Customer Merged"), PAIRS);
    buffer_release(&rows);
    buffer_release(&strict);
}

static void test_quarantined_rows_come_back(void **state) {
    struct shop *shop = *state;
    struct replay_report report;
    struct error error = {0};
    struct store_stats stats;
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\n"
              "o1,2017-01-02T10:00:00Z,ann@a.example,,10.00,two,\n"
              "o2,2017-01-02T10:00:00Z,ann@a.example,,10.00,2,\n"
              "o3,never,ann@a.example,,10.00,2,\n");
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 1);
    assert_int_equal(shop->totals.quarantined, 2);
    /* Nothing was mended. */
    assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.events, 0);
    assert_int_equal(report.still_quarantined, 2);

    char mended[4096];
    snprintf(mended, sizeof mended, "%s", shop_playbook);
    memcpy(strstr(mended, "items: number"), "items: text  ", 13);
    shop_file(shop, "mended.yaml", mended);
    shop_open(shop, "mended.yaml");
    assert_int_equal(engine_quarantine_replay(shop->engine, "orders", &report, &error), STATUS_OK);
    assert_int_equal(report.rows, 2);
    assert_int_equal(report.events, 1);
    assert_int_equal(report.still_quarantined, 1);
    /* Twice is harmless, and so is loading the file again. */
    for (int round = 0; round < 2; round++) {
        assert_true(shop_trait(shop, "email:ann@a.example", "orders", DAY(99)) == 2);
        store_stats(engine_store(shop->engine), &stats);
        assert_int_equal(stats.quarantined_row_count, 1);
        assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &report, &error), STATUS_OK);
        assert_int_equal(report.events, 0);
        shop_open(shop, NULL);
    }
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 0);
}

/* A row of nobody waits with its bytes; loaded twice it waits once; of the erased neither event nor
 * row is kept. */
static void test_rows_of_nobody_wait_once(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct erased_summary erased;
    struct store_stats stats;
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\n"
              "o1,2017-01-02T10:00:00Z,null,0000,10.00,1,\n"
              "o2,2017-01-02T10:00:00Z,ann@a.example,,10.00,2,\n"
              "o3,2017-01-03T10:00:00Z,ANN@A.example,,10.00,x,\n");
    shop_open(shop, "playbook.yaml");
    for (int round = 0; round < 3; round++) {
        shop_load(shop, NULL);
        assert_int_equal(shop->totals.did.events, round == 0 ? 1 : 0);
        assert_int_equal(shop->totals.quarantined, round == 0 ? 2 : 0);
        store_stats(engine_store(shop->engine), &stats);
        assert_int_equal(stats.quarantined_row_count, 2);
        if (round == 1) shop_open(shop, NULL);
    }
    assert_int_equal(engine_erase(shop->engine,
                                  shop_customer(shop, "email:ann@a.example", INT64_MAX), &erased,
                                  &error),
                     STATUS_OK);
    erased_summary_release(&erased);
    assert_int_equal(erased.rows, 1); /* however it was capitalised */
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\no2,2017-01-02T10:00:00Z,ann@a.example,,"
              "10.00,2,\n");
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 0);
    assert_int_equal(shop->totals.quarantined, 0);
    assert_int_equal(shop_count(shop, "Order Completed"), 0);
}

static void test_a_model_of_the_future_is_told(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct model_entry entry;
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_file(shop, "mail.csv",
              "at,email,treatment\n2017-01-01T09:00:00Z,ann@a.example,letter/"
              "7\n2017-01-10T09:00:00Z,ben@b.example,letter/7\n");
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_false(engine_hindsight(shop->engine, DAY(1), NULL));
    assert_int_equal(engine_train(shop->engine, 0, DAY(60), NULL, &entry, NULL, &error), STATUS_OK);
    assert_true(engine_hindsight(shop->engine, DAY(60) - 1, &entry));
    assert_int_equal(entry.until_ms, DAY(60));
    assert_false(engine_hindsight(shop->engine, DAY(60), NULL));
}

static bool lies_anywhere(const struct shop *shop, const char *bytes) {
    return simulated_disk_contains(shop->disk, bytes, strlen(bytes));
}

static void test_an_erased_customer_leaves_no_byte(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct erased_summary erased;
    static const char *const theirs[] = {"ann@a.example",      "k-77",
                                         "first order of ann", "nobody yet",
                                         "a bad row of ann",   "Treatment of ann"};
    shop_file(shop, "orders1.csv", orders);
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(engine_fold(shop->engine, false, NULL, NULL), STATUS_OK);
    shop_file(shop, "orders2.csv",
              "order_id,at,email,cookie,amount,items,note\n"
              "o5,2017-02-02T10:00:00Z,ann@a.example,k-77,2.00,1,Treatment of ann\n"
              "o6,2017-02-02T10:00:00Z,ann@a.example,,2.00,x,a bad row of ann\n"
              "o7,2017-02-02T10:00:00Z,ben@b.example,,2.00,x,a bad row of ben\n");
    shop_load(shop, NULL);
    /* These two may be compressed. */
    for (size_t i = 0; i < 6; i++) assert_true(lies_anywhere(shop, theirs[i]) || i == 2 || i == 3);
    assert_int_equal(engine_erase(shop->engine,
                                  shop_customer(shop, "email:ann@a.example", INT64_MAX), &erased,
                                  &error),
                     STATUS_OK);
    erased_summary_release(&erased);
    assert_int_equal(erased.rows, 1);
    assert_int_equal(erased.identifiers, 2);
    assert_int_equal(erased.events, 5); /* four orders, and the merge */
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 6; i++) {
            if (lies_anywhere(shop, theirs[i]))
                fail_msg("round %d: \"%s\" is still there", round, theirs[i]);
        }
        assert_int_equal(shop_customer(shop, "email:ann@a.example", INT64_MAX).value, ID_NONE);
        assert_int_equal(shop_count(shop, "Order Completed"), 1);
        assert_true(shop_trait(shop, "email:ben@b.example", "spent", DAY(99)) == 5);
        assert_true(lies_anywhere(shop, "a bad row of ben"));
        shop_open(shop, NULL);
        shop_file(shop, "orders2.csv", orders);
        if (round == 1) shop_load(shop, NULL); /* they do not come back unasked */
    }
    assert_int_equal(engine_fold(shop->engine, true, NULL, NULL), STATUS_OK);
    for (size_t i = 0; i < 6; i++) assert_false(lies_anywhere(shop, theirs[i]));
}

static void test_a_backup_is_whole_and_stays(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct erased_summary erased;
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    assert_int_equal(engine_backup(shop->engine, "copy", NULL, &error), STATUS_OK);
    assert_int_equal(engine_erase(shop->engine,
                                  shop_customer(shop, "email:ann@a.example", INT64_MAX), &erased,
                                  &error),
                     STATUS_OK);
    erased_summary_release(&erased);
    struct engine_options options = {.directory = "copy",
                                     .fold_by_hand = true,
                                     .fs = simulated_disk_interface(shop->disk),
                                     .now_ms = shop->now_ms,
                                     .threads = 1};
    engine_close(shop->engine);
    assert_int_equal(engine_open(&shop->engine, &options, &error), STATUS_OK);
    assert_true(shop_trait(shop, "email:ann@a.example", "spent", DAY(99)) == 11);
    assert_true(discount_at(shop, DAY(200)) == 5);
    assert_int_equal(shop_events(shop), 4);
}

static const struct field_usage *usage_of(const struct data_report *report, const char *source,
                                          const char *event, const char *field) {
    for (size_t i = 0; i < report->field_count; i++) {
        const struct field_usage *usage = &report->fields[i];
        if (text_equal(usage->source, text_from(source)) &&
            text_equal(usage->event, text_from(event)) &&
            text_equal(usage->field, text_from(field))) {
            return usage;
        }
    }
    fail_msg("no %s in the report", field);
    return NULL;
}

static void test_the_data_report_counts(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct data_report report;
    shop_file(shop, "orders.csv", orders);
    shop_open(shop, "playbook.yaml");
    assert_int_equal(engine_data_report(shop->engine, NULL, &report, &error),
                     STATUS_OK); /* of nothing */
    assert_int_equal(report.event_count, 0);
    data_report_release(&report);
    shop_load(shop, NULL);
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\no9,2017-02-02T10:00:00Z,ben@b.example,,"
              "2.00,x,\n");
    shop_load(shop, NULL);
    assert_int_equal(engine_data_report(shop->engine, NULL, &report, &error), STATUS_OK);
    assert_int_equal(report.event_count, 4);
    assert_int_equal(report.customer_count, 3);
    assert_int_equal(report.persona_count, 3);
    assert_int_equal(report.dirty_rows, 1);
    assert_int_equal(report.dirty_bytes,
                     strlen("order_id,at,email,cookie,amount,items,note\no9,2017-02-02T10:00:00Z,"
                            "ben@b.example,,2.00,x,")); /* with its header */
    assert_int_equal(usage_of(&report, "orders", "Order Completed", "")->count, 4);
    assert_int_equal(usage_of(&report, "orders", "Order Completed", "revenue")->count, 4);
    assert_int_equal(usage_of(&report, "orders", "Order Completed", "note")->count, 2);
    assert_non_null(strstr(usage_of(&report, "orders", "Order Completed", "revenue")->used_by.at,
                           "trait spent"));
    assert_int_equal(usage_of(&report, "orders", "Order Completed", "note")->used_by.length, 0);
    assert_int_equal(report.dark_fields, 3); /* order_id, items, note */
    assert_true(report.dark_bytes > 0 && report.dark_bytes < report.clean_bytes);
    data_report_release(&report);
}

static void test_a_second_writer_is_told(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct engine *second = NULL;
    shop_open(shop, "playbook.yaml");
    struct engine_options options = {.directory = "data",
                                     .create = true,
                                     .fs = simulated_disk_interface(shop->disk),
                                     .now_ms = 1,
                                     .threads = 1};
    assert_int_equal(engine_open(&second, &options, &error), STATUS_LOCKED);
    assert_null(second);
    assert_non_null(strstr(error.text, "data"));
    options.read_only = true; /* readers may come */
    assert_int_equal(engine_open(&second, &options, &error), STATUS_OK);
    engine_close(second);
}

/* A playbook that the directory's files do not fit must not be put in force: else the directory
 * could not be opened any more. */
static void test_a_playbook_that_does_not_fit_changes_nothing(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    char changed[4096];
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    snprintf(changed, sizeof changed, "%s", shop_playbook);
    char *at = strstr(changed, "lookup: offer_id");
    memcpy(at, "lookup: offer_no", 16);
    shop_file(shop, "changed.yaml", changed);
    enum status status = shop_try_open(shop, "changed.yaml", false, &error);
    if (status == STATUS_OK) return; /* another engine may manage */
    assert_non_null(strstr(error.text, "offer_no"));
    shop_open(shop, NULL); /* what was in force still is */
    assert_true(discount_at(shop, DAY(200)) == 5);
}

static void decide_and_record(struct shop *shop, struct error *error, enum status *status) {
    struct engine_view view;
    *status = engine_view_open(&view, shop->engine, DAY(50), error);
    if (*status == STATUS_OK) *status = engine_view_decide(&view, "email:ann@a.example", error);
    if (*status == STATUS_OK) *status = engine_view_record(&view, NULL, error);
    engine_view_close(&view);
}

static void test_a_decision_is_an_event(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    enum status status;
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    decide_and_record(shop, &error, &status);
    assert_int_equal(status, STATUS_OK);
    shop_open(shop, NULL);
    assert_int_equal(shop_count(shop, "Decision Made"), 1);
    assert_int_equal(shop_events(shop), 5);
    /* The same again is the same run; with another table in force it is another. */
    decide_and_record(shop, &error, &status);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(shop_count(shop, "Decision Made"), 1);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,6\n");
    shop_load(shop, NULL);
    decide_and_record(shop, &error, &status);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(shop_count(shop, "Decision Made"), 2);
}

static struct holdout record_for(struct shop *shop, const char *customer, int64_t t_ms) {
    struct engine_view view;
    struct error error = {0};
    assert_int_equal(engine_view_open(&view, shop->engine, t_ms, &error), STATUS_OK);
    assert_int_equal(engine_view_decide(&view, customer, &error), STATUS_OK);
    struct holdout holdout = view.decision->holdout;
    assert_int_equal(engine_view_record(&view, NULL, &error), STATUS_OK);
    engine_view_close(&view);
    return holdout;
}

/* Two that were decided for in different arms turn out to be one: it stays what it was first, and
 * is told to have crossed. */
static void test_a_merge_moves_nobody_out_of_the_holdout(void **state) {
    struct shop *shop = *state;
    char with_holdout[8192];
    static const char *const people[] = {"email:ann@a.example", "cookie:k-77"};
    struct holdout drawn[2] = {0};
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    for (int salt = 0; salt < 50 && drawn[0].in == drawn[1].in; salt++) {
        snprintf(with_holdout, sizeof with_holdout,
                 "%sscenarios: { kept_out: { when: 'exists(\"Decision Made\" where holdout == "
                 "\"in\")', goals: [order] } }\nholdout: { share: 50%%, salt: s%d }\n",
                 shop_playbook, salt);
        shop_file(shop, "holdout.yaml", with_holdout);
        shop_open(shop, "holdout.yaml");
        if (salt == 0) shop_load(shop, NULL);
        for (int i = 0; i < 2; i++) drawn[i] = record_for(shop, people[i], DAY(31.5 + 0.1 * i));
        assert_false(drawn[0].recorded || drawn[1].recorded);
    }
    assert_true(drawn[0].in != drawn[1].in);
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\no5,2017-02-02T10:00:00Z,ann@a.example,k-"
              "77,2.00,1,\n");
    shop_load(shop, NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            struct holdout now = record_for(shop, people[i], DAY(50 + round));
            assert_true(now.in == drawn[0].in && now.recorded && now.crossed);
            struct holdout then = record_for(shop, people[i], DAY(31.9));
            assert_true(then.in == drawn[i].in && then.recorded && !then.crossed);
        }
        shop_open(shop, NULL);
    }
}

/* Each allocation in turn: a status or success, and a directory that opens. */
static void test_every_allocation_may_fail(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    uint64_t failures = 0;
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_open(shop, "playbook.yaml");
    shop_load(shop, NULL);
    for (uint64_t nth = 1; nth < 100000; nth += 1 + nth / 40) {
        struct engine_ingest_options options = {.data_directory = shop->folder};
        struct engine_ingest_report *reports = NULL;
        size_t count;
        shop_file(shop, "orders.csv", orders);
        memory_fail_at(nth);
        enum status status = shop_try_open(shop, "playbook.yaml", false, &error);
        if (status == STATUS_OK)
            status = engine_ingest(shop->engine, &options, &reports, &count, &error);
        if (status == STATUS_OK) decide_and_record(shop, &error, &status);
        memory_fail_at(0);
        memory_free(reports);
        failures++;
        if (status == STATUS_OK) break;
        if (status != STATUS_NO_MEMORY)
            print_message("allocation %llu: %s: %s\n", (unsigned long long)nth, status_name(status),
                          error.text);
        assert_int_equal(status, STATUS_NO_MEMORY);
    }
    assert_in_range(failures, 50, 5000);
    shop_open(shop, NULL);
    assert_int_equal(shop_count(shop, "Order Completed"), 4);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_in_force_comes_back),
        CASE(test_a_model_in_force_comes_back),
        CASE(test_a_model_is_of_its_goal_and_features),
        CASE(test_repeats_are_dropped_wherever_the_first_lies),
        CASE(test_a_row_stands_under_its_key_for_ever),
        CASE(test_where_repeats_cannot_be_told_nothing_is_stored),
        CASE(test_merges_are_noted_and_taken_back),
        CASE(test_new_rules_tell_of_merges),
        CASE(test_new_rules_merge_many),
        CASE(test_quarantined_rows_come_back),
        CASE(test_rows_of_nobody_wait_once),
        CASE(test_a_model_of_the_future_is_told),
        CASE(test_an_erased_customer_leaves_no_byte),
        CASE(test_a_backup_is_whole_and_stays),
        CASE(test_the_data_report_counts),
        CASE(test_a_second_writer_is_told),
        CASE(test_a_playbook_that_does_not_fit_changes_nothing),
        CASE(test_a_decision_is_an_event),
        CASE(test_a_merge_moves_nobody_out_of_the_holdout),
        CASE(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
