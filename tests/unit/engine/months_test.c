/* SPDX-License-Identifier: Apache-2.0 */
/* What customers did and spent by month: zones, two currencies, undated and future rows. */
#include "support/unit.h"
#include <string.h>

#include "measure/months.h"
#include "shop.h"

#define PLAYBOOK(zone)                                                                             \
    "attune: 1\ncurrency: USD\nzone: " zone "\n"                                                   \
    "customer: { identifiers: { email: {} } }\n"                                                   \
    "sources:\n"                                                                                   \
    "  orders:\n"                                                                                  \
    "    file: \"orders*.csv\"\n"                                                                  \
    "    event: Order Completed\n"                                                                 \
    "    time: at\n"                                                                               \
    "    key: { email: email }\n"                                                                  \
    "    row_key: id\n"                                                                            \
    "    types: { amount: money }\n"                                                               \
    "    properties: { revenue: amount }\n"                                                        \
    "  records: { file: \"records*.csv\", event: Customer Record, time: always, row_key: id, "     \
    "key: { email: email }, properties: { home: home } }\n"                                        \
    "traits: { spent: sum(\"Order Completed\".revenue) }\n"

static int setup(void **state) {
    static struct shop shop;
    shop_init(&shop);
    *state = &shop;
    shop_file(&shop, "utc.yaml", PLAYBOOK("UTC"));
    shop_file(&shop, "york.yaml", PLAYBOOK("America/New_York"));
    /* The second order is of February in UTC and of January in New York. */
    shop_file(&shop, "orders.csv",
              "id,at,email,amount\n"
              "1,2017-01-10T10:00:00Z,ann@a.example,10.00\n"
              "2,2017-02-01T03:00:00Z,ann@a.example,5.50\n"
              "3,2017-02-07T10:00:00Z,ben@a.example,7.00\n"
              "4,2017-02-08T10:00:00Z,ben@a.example,8.00 EUR\n"
              "5,2017-02-25T10:00:00Z,ben@a.example,100.00\n");
    shop_file(&shop, "records.csv", "id,email,home\n1,ann@a.example,owner\n");
    return 0;
}

static int teardown(void **state) {
    shop_release(*state);
    return 0;
}

static void report_with(struct shop *shop, const char *playbook, struct month_report *report) {
    struct error error = {0};
    shop_open(shop, playbook);
    shop_load(shop, NULL);
    enum status status =
        months_measure(engine_customer_data(shop->engine), DAY(45), NULL, report, &error);
    if (status != STATUS_OK) fail_msg("%s", error.text);
}

static void months_are_those_of_utc(void **state) {
    struct month_report report;
    report_with(*state, "utc.yaml", &report);
    assert_int_equal(report.month_count, 2);
    assert_int_equal(report.months[0].from_ms, DAY(0));
    assert_int_equal(report.months[1].from_ms, DAY(31));
    assert_int_equal(report.months[0].events, 1);
    assert_int_equal(report.months[0].customers, 1);
    assert_int_equal(report.months[1].events, 3); /* the fifth order is in the future */
    assert_int_equal(report.months[1].customers, 2);
    assert_int_equal(report.earlier_events, 0); /* what has no date is of no month */
}

static void currencies_are_never_added(void **state) {
    struct month_report report;
    char currency[4];
    report_with(*state, "utc.yaml", &report);
    assert_int_equal(report.series_count, 2);
    currency_to_text(report.series[0].currency, currency);
    assert_string_equal(currency, "USD");
    assert_int_equal(report.series[0].minor[0], 1000);
    assert_int_equal(report.series[0].minor[1], 1250);
    assert_int_equal(report.series[0].values[1], 2);
    currency_to_text(report.series[1].currency, currency);
    assert_string_equal(currency, "EUR");
    assert_int_equal(report.series[1].minor[0], 0);
    assert_int_equal(report.series[1].minor[1], 800);
}

static void months_are_those_of_the_playbooks_zone(void **state) {
    struct month_report report;
    report_with(*state, "york.yaml", &report);
    assert_int_equal(report.month_count, 2);
    assert_int_equal(report.months[0].from_ms, DAY(0) + 5 * TIME_HOUR_MS);
    assert_int_equal(report.months[0].events, 2);
    assert_int_equal(report.months[1].events, 2);
    assert_int_equal(report.series[0].minor[0], 1550);
}

static void what_lies_before_the_first_month_is_counted(void **state) {
    struct shop *shop = *state;
    struct month_report report;
    shop_file(shop, "orders_old.csv",
              "id,at,email,amount\n9,2012-01-10T10:00:00Z,ann@a.example,10.00\n");
    report_with(shop, "utc.yaml", &report);
    assert_int_equal(report.month_count, MONTHS_MAX);
    assert_int_equal(report.earlier_events, 1);
    assert_int_equal(report.months[MONTHS_MAX - 1].events, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(months_are_those_of_utc, setup, teardown),
        cmocka_unit_test_setup_teardown(currencies_are_never_added, setup, teardown),
        cmocka_unit_test_setup_teardown(months_are_those_of_the_playbooks_zone, setup, teardown),
        cmocka_unit_test_setup_teardown(what_lies_before_the_first_month_is_counted, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
