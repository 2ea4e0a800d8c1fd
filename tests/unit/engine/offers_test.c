/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups and the treatments made of them, as known at a time: a table that is loaded later changes
 * nothing before it. */
#include "support/unit.h"

#include "base/memory.h"
#include "engine/answer/answer.h"
#include "shop.h"

/* The shop's playbook with these traits; an order's offer is named as the order itself. */
static void put_traits(struct shop *shop, const char *name, const char *traits) {
    char changed[8192];
    const char *at = strstr(shop_playbook, "traits:\n"), *end = strstr(shop_playbook, "goals:");
    snprintf(changed, sizeof changed, "%.*straits:\n%s%s", (int)(at - shop_playbook), shop_playbook,
             traits, end);
    memcpy(strstr(changed, "order_id: order_id"), "offer_id: order_id", 18);
    shop_file(shop, name, changed);
}

#define OF_TYPE  "  of_type: count(\"Order Completed\" where offer.kind == \"A\")\n"
#define OF_BRAND "  of_brand: count(\"Order Completed\" where offer.brand == \"B\")\n"

/* A file lies in the order of the playbook of its day; a later playbook that reads further columns
 * finds each by its name. */
static void test_a_later_playbook_finds_its_columns(void **state) {
    struct shop *shop = *state;
    shop_file(shop, "offers.csv", "offer_id,season,brand,discount,kind\n7,S,B,5,A\n");
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\n7,2017-01-02T10:00:00Z,ann@a.example,,"
              "10.00,1,\n");
    put_traits(shop, "first.yaml", OF_TYPE);
    put_traits(shop, "second.yaml", OF_BRAND OF_TYPE);
    shop_open(shop, "first.yaml");
    shop_load(shop, NULL);
    assert_true(shop_trait(shop, "email:ann@a.example", "of_type", DAY(9)) == 1);
    shop_open(shop, "second.yaml");
    for (int round = 0; round < 2; round++) {
        assert_true(shop_trait(shop, "email:ann@a.example", "of_type", DAY(9)) == 1);
        assert_true(shop_trait(shop, "email:ann@a.example", "of_brand", DAY(9)) == 1);
        shop_load(shop, NULL); /* laid out otherwise, it still is the same table */
    }
    struct data_report report;
    assert_int_equal(engine_data_report(shop->engine, NULL, &report, NULL), STATUS_OK);
    assert_int_equal(report.lookup_count, 1);
    assert_int_equal(report.lookups[0].versions, 1);
    data_report_release(&report);
}

/* ---- treatments ---- */

static void copy_decision(struct shop *shop, int64_t t_ms, char *out, size_t size) {
    struct engine_view view;
    struct error error = {0};
    size_t length = 0;
    assert_int_equal(engine_view_open(&view, shop->engine, t_ms, &error), STATUS_OK);
    assert_int_equal(engine_view_decide(&view, "email:ann@a.example", &error), STATUS_OK);
    out[0] = '\0';
    for (uint32_t i = 0; i < decision_shown_count(view.decision) && length < size; i++) {
        const struct treatment_trace shown = decision_shown(view.decision, i), *trace = &shown;
        length += (size_t)snprintf(out + length, size - length, "%.*s %.3f %s; ",
                                   TEXT_ARG(trace->treatment->title), trace->propensity,
                                   stage_name(trace->stopped_at));
    }
    engine_view_close(&view);
}

/* The rows that matured by then: "KEY discount yes/no; ". */
static void copy_rows(struct shop *shop, int64_t until_ms, char *out, size_t size) {
    const struct customer_data *data = engine_customer_data(shop->engine);
    struct trainer_options options = {
        .from_ms = TIME_ALWAYS, .until_ms = until_ms, .matured_by_ms = until_ms, .threads = 2};
    struct training_set *set;
    struct trainer_row_id *ids;
    struct error error = {0};
    size_t length = 0;
    assert_int_equal(
        trainer_collect(data, &data->playbook->models[0], &options, &set, &ids, NULL, &error),
        STATUS_OK);
    out[0] = '\0';
    for (size_t i = 0; i < training_set_count(set) && length < size; i++) {
        struct value values[16];
        struct training_row row;
        training_set_row(set, i, values, &row);
        length += (size_t)snprintf(
            out + length, size - length, "%.*s %g %s; ", TEXT_ARG(ids[i].treatment->key),
            values[data->playbook->models[0].feature_count].number, row.yes ? "yes" : "no");
    }
    training_set_destroy(set);
    memory_free(ids);
}

static void open_with_attributes(struct shop *shop) {
    char changed[8192];
    const char *at = strstr(shop_playbook, "models: { order: { goal: order");
    const char *rest = at + strlen("models: { order: { goal: order");
    snprintf(changed, sizeof changed, "%.*s, attributes: [discount]%s", (int)(rest - shop_playbook),
             shop_playbook, rest);
    shop_file(shop, "attributes.yaml", changed);
    shop_open(shop, "attributes.yaml");
}

/* What is loaded on day 70 tells nobody anything of the days before it. */
static void test_a_changed_table_leaves_the_past(void **state) {
    struct shop *shop = *state;
    char decision[1000], rows[1000], now[1000];
    shop_file(shop, "orders.csv",
              "order_id,at,email,cookie,amount,items,note\n"
              "o1,2017-01-02T10:00:00Z,ann@a.example,,10.00,1,\n"
              "o2,2017-01-22T10:00:00Z,ann@a.example,,10.00,1,\n");
    shop_file(shop, "mail.csv",
              "at,email,treatment\n2017-01-21T09:00:00Z,ann@a.example,letter/"
              "7\n2017-02-10T09:00:00Z,ann@a.example,letter/9\n");
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n9,1\n");
    shop->now_ms = DAY(60);
    open_with_attributes(shop);
    shop_load(shop, NULL);
    copy_decision(shop, DAY(60), decision, sizeof decision);
    copy_rows(shop, DAY(60), rows, sizeof rows);
    assert_string_equal(decision, "Offer 7 0.083 offered; Offer 9 0.083 placement; ");
    assert_string_equal(rows, "letter/7 5 yes; letter/9 1 no; ");

    shop->now_ms = DAY(70);
    shop_open(shop, NULL);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,15\n8,20\n");
    shop_load(shop, "offer");
    struct text name;
    int64_t known_ms;
    assert_false(engine_later_lookup(shop->engine, DAY(70), &name, &known_ms));
    assert_true(engine_later_lookup(shop->engine, DAY(70) - 1, &name, &known_ms));
    assert_true(text_equal(name, TEXT("offer")) && known_ms == DAY(70));
    for (int round = 0; round < 2; round++) {
        copy_decision(shop, DAY(60), now, sizeof now);
        assert_string_equal(now, decision);
        copy_decision(shop, DAY(70) - 1, now, sizeof now);
        assert_string_equal(now, decision);
        copy_decision(shop, DAY(70), now, sizeof now);
        assert_string_equal(now, "Offer 7 0.083 offered; Offer 8 0.083 placement; ");
        copy_rows(shop, DAY(60), now, sizeof now);
        assert_string_equal(now, rows);
        copy_rows(shop, DAY(200), now, sizeof now); /* told later, the rows are those of then */
        assert_string_equal(now, rows);
        shop_open(shop, NULL);
    }
}

/* A letter may be faster than its table, or still on its way when its row has gone: it is described
 * by the nearest version. */
static void test_what_was_delivered_was_there(void **state) {
    struct shop *shop = *state;
    char rows[1000];
    shop_file(shop, "mail.csv",
              "at,email,treatment\n"
              "2017-02-01T09:00:00Z,ann@a.example,letter/7\n" /* day 31: gone since day 20 */
              "2017-02-02T09:00:00Z,ann@a.example,letter/8\n" /* day 32: comes on day 40, is changed
                                                                 on day 50 */
              "2017-02-03T09:00:00Z,ann@a.example,letter/1\n" /* never was */
              "2017-02-04T09:00:00Z,ann@a.example,letter/9\n");
    static const char *const tables[] = {
        "offer_id,discount\n7,5\n9,1\n", "offer_id,discount\n9,2\n",
        "offer_id,discount\n8,3\n9,3\n", "offer_id,discount\n7,50\n8,50\n9,50\n"};
    static const int days[] = {10, 20, 40, 50};
    for (int i = 0; i < 4; i++) {
        shop->now_ms = DAY(days[i]);
        shop_file(shop, "offers.csv", tables[i]);
        if (i == 0)
            open_with_attributes(shop);
        else
            shop_open(shop, NULL);
        shop_load(shop, i == 0 ? NULL : "offer");
    }
    copy_rows(shop, DAY(60), rows, sizeof rows);
    assert_string_equal(rows, "letter/7 5 no; letter/8 3 no; letter/9 2 no; ");
    copy_rows(shop, DAY(40) - 1, rows, sizeof rows); /* nobody can tell yet what the eighth is */
    assert_string_equal(rows, "letter/7 5 no; letter/9 2 no; ");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_later_playbook_finds_its_columns),
        CASE(test_a_changed_table_leaves_the_past),
        CASE(test_what_was_delivered_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
