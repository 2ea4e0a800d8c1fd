/* SPDX-License-Identifier: Apache-2.0 */
/* What is in force is a snapshot: readers keep theirs, and what can't be put in force changes
 * nothing. */
#include "support/unit.h"

#include "base/memory.h"
#include "engine/answer/answer.h"
#include "shop.h"

static const char *const orders = "order_id,at,email,cookie,amount,items,note\n"
                                  "1,2017-01-02T10:00:00Z,ann@a.example,k-1,10.00 USD,2,first\n"
                                  "2,2017-01-04T10:00:00Z,bob@b.example,k-2,20.00 USD,3,second\n";

static int set_up(void **state) {
    static struct shop shop;
    shop_init(&shop);
    shop_file(&shop, "orders.csv", orders);
    shop_file(&shop, "offers.csv", "offer_id,discount\n7,5\n");
    shop_open(&shop, "playbook.yaml");
    shop_load(&shop, NULL);
    *state = &shop;
    return 0;
}

/* The shop's playbook with one piece of it replaced. */
static void file_with(struct shop *shop, const char *name, const char *piece, const char *instead) {
    char changed[8192];
    const char *at = strstr(shop_playbook, piece);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - shop_playbook), shop_playbook, instead,
             at + strlen(piece));
    shop_file(shop, name, changed);
}

static enum status put(struct shop *shop, const char *name, struct playbook_errors *errors) {
    struct error error = {0};
    return engine_put_playbook(shop->engine, shop_path(shop, name), errors, &error);
}

static double trait_of(const struct engine_view *view, const char *name) {
    uint32_t trait = playbook_trait_find(view->data->playbook, text_from(name));
    if (trait == UINT32_MAX) return -1;
    struct value value = profile_at(view->profile, &view->timeline, view->t_ms)[trait];
    return value.type == VALUE_MONEY ? (double)value.minor / 100 : value.number;
}

static void read_ann(struct engine_view *view) {
    struct error error = {0};
    assert_int_equal(engine_view_read(view, "email:ann@a.example", 0, &error), STATUS_OK);
}

/* A playbook whose columns stand in another order replaces one under a reader: the reader's
 * timelines keep the columns of its own, and after it renews it has the others. */
static void test_a_reader_keeps_its_snapshot(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct engine_view before, after;
    assert_int_equal(engine_view_open_as(&before, shop->engine, ENGINE_VIEW_LIVE, DAY(50), &error),
                     STATUS_OK);
    read_ann(&before);
    assert_true(trait_of(&before, "spent") == 10);
    file_with(shop, "other.yaml", "  spent: sum(\"Order Completed\".revenue)\n",
              "  pieces: sum(\"Order Completed\".items)\n  noted: exists(\"Order Completed\" where "
              "note == \"first\")\n  paid: sum(\"Order Completed\".revenue)\n");
    assert_int_equal(put(shop, "other.yaml", NULL), STATUS_OK);
    assert_false(in_force_is_current(before.in_force));
    assert_int_equal(engine_view_open_as(&after, shop->engine, ENGINE_VIEW_LIVE, DAY(50), &error),
                     STATUS_OK);
    read_ann(&before);
    read_ann(&after);
    assert_true(trait_of(&before, "spent") == 10 && trait_of(&before, "pieces") == -1);
    assert_true(trait_of(&after, "pieces") == 2 && trait_of(&after, "paid") == 10);
    assert_true(trait_of(&after, "spent") == -1);
    /* The same from runs, which keep only the columns of the second. */
    assert_int_equal(store_fold(engine_store(shop->engine), true, &error), STATUS_OK);
    assert_int_equal(engine_view_renew(&after, DAY(50), &error), STATUS_OK);
    read_ann(&before);
    read_ann(&after);
    assert_true(trait_of(&before, "spent") == 10 && trait_of(&after, "paid") == 10);
    assert_int_equal(engine_view_renew(&before, DAY(50), &error), STATUS_OK);
    read_ann(&before);
    assert_true(trait_of(&before, "spent") == -1 && trait_of(&before, "pieces") == 2);
    engine_view_close(&before);
    engine_view_close(&after);
}

/* A snapshot lists the tables that were there when it was made. */
static void test_a_table_comes_with_the_next_snapshot(void **state) {
    struct shop *shop = *state;
    struct in_force *before = in_force_hold(shop->engine);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,6\n8,1\n");
    shop_load(shop, "offer");
    struct in_force *after = in_force_hold(shop->engine);
    assert_int_equal(in_force_lookup_versions(before, 0), 1);
    assert_int_equal(in_force_lookup_versions(after, 0), 2);
    assert_int_equal(lookup_row_count(in_force_lookup(before, 0, TIME_NEVER)), 1);
    assert_int_equal(lookup_row_count(in_force_lookup(after, 0, TIME_NEVER)), 2);
    /* The older version is one and the same table. */
    assert_ptr_equal(in_force_version_table(before, TEXT("offer"), 0),
                     in_force_version_table(after, TEXT("offer"), 0));
    assert_true(before->hash != after->hash);
    in_force_drop(after);
    in_force_drop(before);
}

/* Nothing that can be asked may tell that a bad playbook was ever tried. */
static void test_a_bad_playbook_leaves_the_old_one(void **state) {
    static const char *const pieces[][2] = {
        {"  orders: count(\"Order Completed\")\n",
         "  orders: count(\"Never Declared\")\n  more: nonsense(\n"},
        {"goals: {", "goals: { strange: { event: Yet Another, within: 3d }, order: { event: Order "
                     "Completed, within: 5d }, broken: {"},
        {"at_most: 1", "at_most: many"},
        {"attune: 1", "attune: 99"},
    };
    struct shop *shop = *state;
    struct symbols *symbols = engine_symbols(shop->engine);
    struct playbook_errors *errors = memory_calloc(1, sizeof *errors);
    struct in_force *before = in_force_hold(shop->engine);
    uint32_t events = symbol_count(symbols, SYMBOL_EVENT),
             properties = symbol_count(symbols, SYMBOL_PROPERTY);
    uint64_t position = store_position(engine_store(shop->engine)), hash = before->hash;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        file_with(shop, "bad.yaml", pieces[i][0], pieces[i][1]);
        assert_int_equal(put(shop, "bad.yaml", errors), STATUS_INVALID);
        assert_true(errors->count > 0);
    }
    assert_int_equal(put(shop, "not-there.yaml", errors), STATUS_NOT_FOUND);
    memory_free(errors);
    assert_true(in_force_is_current(before));
    assert_int_equal(symbol_count(symbols, SYMBOL_EVENT), events);
    assert_int_equal(symbol_count(symbols, SYMBOL_PROPERTY), properties);
    assert_true(store_position(engine_store(shop->engine)) == position);
    assert_true(shop_trait(shop, "email:ann@a.example", "spent", DAY(50)) == 10);
    in_force_drop(before);
    shop_open(shop, NULL);
    before = in_force_hold(shop->engine);
    assert_true(before->hash == hash);
    in_force_drop(before);
}

/* Whatever fails while a good playbook is put in force, the old one or the new one is whole, also
 * after the directory was opened again. */
static void test_no_memory_leaves_one_of_them(void **state) {
    struct shop *shop = *state;
    file_with(shop, "other.yaml", "    row_key: order_id\n", "    row_key: order_id\n");
    file_with(shop, "other.yaml", "cookie: {}", "cookie: { per_customer: 3 }");
    enum status status = STATUS_NO_MEMORY;
    struct in_force *before = in_force_hold(shop->engine);
    for (uint64_t nth = 1; status == STATUS_NO_MEMORY; nth += 1 + nth / 8) {
        memory_fail_at(nth);
        status = put(shop, "other.yaml", NULL);
        memory_fail_at(0);
        assert_true(shop_trait(shop, "email:ann@a.example", "spent", DAY(50)) == 10);
        assert_int_equal(in_force_is_current(before), status != STATUS_OK);
    }
    assert_int_equal(status, STATUS_OK);
    in_force_drop(before);
    shop_open(shop, NULL);
    assert_true(shop_trait(shop, "email:ann@a.example", "spent", DAY(50)) == 10);
}

static void file_of_offers(struct shop *shop, uint32_t rows) {
    struct buffer text;
    buffer_init(&text);
    assert_int_equal(buffer_format(&text, "offer_id,discount\n"), STATUS_OK);
    for (uint32_t i = 0; i < rows; i++)
        assert_int_equal(buffer_format(&text, "%u,5\n", i), STATUS_OK);
    assert_int_equal(buffer_append(&text, "", 1), STATUS_OK);
    shop_file(shop, "offers.csv", text.at);
    buffer_release(&text);
}

static uint32_t newest_rows(struct shop *shop) {
    struct in_force *in_force = in_force_hold(shop->engine);
    uint32_t rows = lookup_row_count(in_force_lookup(in_force, 0, TIME_NEVER));
    in_force_drop(in_force);
    return rows;
}

/* A table of which more treatments would be made than there may be is not put in force: the one of
 * before stays, and the directory can be opened again. */
static void test_a_table_of_too_many_treatments_is_refused(void **state) {
    struct shop *shop = *state;
    struct engine_ingest_options options = {.data_directory = shop->folder, .source = "offer"};
    struct engine_ingest_report *reports = NULL;
    struct error error = {0};
    size_t count;
    file_of_offers(shop, PLAYBOOK_TREATMENTS_MAX + 1);
    assert_int_equal(engine_ingest(shop->engine, &options, &reports, &count, &error), STATUS_LIMIT);
    memory_free(reports);
    assert_non_null(strstr(error.text, "PLAYBOOK_TREATMENTS_MAX"));
    assert_int_equal(newest_rows(shop), 1);
    shop_open(shop, NULL);
    assert_int_equal(newest_rows(shop), 1);
}

/* The same of a playbook that sends each of many offers by two channels. */
static void test_a_playbook_of_too_many_treatments_is_refused(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    file_of_offers(shop, PLAYBOOK_TREATMENTS_MAX / 2 + 1);
    shop_load(shop, "offer");
    struct in_force *before = in_force_hold(shop->engine);
    file_with(shop, "two.yaml", "channels: [email]", "channels: [email, web]");
    assert_int_equal(engine_put_playbook(shop->engine, shop_path(shop, "two.yaml"), NULL, &error),
                     STATUS_LIMIT);
    assert_true(in_force_is_current(before));
    uint64_t hash = before->hash;
    in_force_drop(before);
    shop_open(shop, NULL);
    before = in_force_hold(shop->engine);
    assert_true(before->hash == hash);
    in_force_drop(before);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_reader_keeps_its_snapshot),
        CASE(test_a_table_comes_with_the_next_snapshot),
        CASE(test_a_bad_playbook_leaves_the_old_one),
        CASE(test_no_memory_leaves_one_of_them),
        CASE(test_a_table_of_too_many_treatments_is_refused),
        CASE(test_a_playbook_of_too_many_treatments_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
