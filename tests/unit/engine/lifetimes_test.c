/* SPDX-License-Identifier: Apache-2.0 */
/* Lifetime models of a shop: each fit sees what was known at its date, a trait reads the newest fit
 * that is not later, orders in two currencies count and their value is not made up. */
#include "support/unit.h"

#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/lifetimes.h"
#include "shop.h"

#define CUSTOMERS 150
#define DAYS      180
#define FILE_MAX  (1u << 20)

static const char playbook_text[] =
    "attune: 1\nname: Lifetime\ncurrency: USD\nzone: America/New_York\n"
    "customer: { identifiers: { email: {}, cookie: {} } }\n"
    "sources:\n"
    "  orders:\n"
    "    file: \"orders*.csv\"\n    event: Order Completed\n    channel: store\n    time: at\n"
    "    arrives: ARRIVES\n"
    "    key: { email: email, cookie: cookie }\n    row_key: order_id\n"
    "    types: { amount: money }\n    properties: { revenue: amount }\n"
    "  seen: { file: \"seen*.csv\", event: Page Viewed, channel: web, time: at, "
    "key: { email: email, cookie: cookie } }\n"
    "lifetime:\n"
    "  shop: { orders: Order Completed, value: revenue }\n"
    "  visits: { orders: Page Viewed }\n"
    "traits:\n"
    "  alive: alive(shop)\n"
    "  expected: expected_orders(shop, 60d)\n"
    "  worth: expected_value(shop, 60d)\n"
    "  seen_again: expected_orders(visits, 60d)\n";

static void put_playbook(struct shop *shop, const char *arrives) {
    const char *at = strstr(playbook_text, "ARRIVES");
    char text[4096];
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - playbook_text), playbook_text, arrives,
             at + strlen("ARRIVES"));
    shop_file(shop, "playbook.yaml", text);
    shop_open(shop, "playbook.yaml");
}

struct row {
    double day;
    bool is_view; /* a page view, which links the cookie to the e-mail address */
    char text[160];
};

/* Every fifth customer pays in euros, every seventh in both; every third orders by a cookie at
 * first, which a page view links to the e-mail address later. */
static size_t make_rows(struct row *rows, size_t max) {
    struct random random;
    size_t count = 0;
    random_init(&random, 31);
    for (int c = 0; c < CUSTOMERS; c++) {
        double rate = .01 + .08 * random_unit(&random), day = random_unit(&random) * 60;
        double linked = 30 + random_unit(&random) * 120;
        int orders = 0;
        for (; day < DAYS && count + 2 < max; day += -log1p(-random_unit(&random)) / rate) {
            bool euro = c % 5 == 0 || (c % 7 == 0 && orders % 2 == 1);
            char time[32], who[64];
            time_format(DAY(day), time);
            bool by_cookie = c % 3 == 0 && day < linked;
            snprintf(who, sizeof who, by_cookie ? ",k%d" : "c%d@x.example,", c);
            rows[count].day = day;
            rows[count].is_view = false;
            snprintf(rows[count++].text, sizeof rows->text, "o%d-%d,%s,%s,%.2f %s\n", c, orders++,
                     time, who, 10 + 30 * random_unit(&random), euro ? "EUR" : "USD");
            if (random_unit(&random) < .15) break;
        }
        if (c % 3 != 0) continue;
        char time[32];
        time_format(DAY(linked), time);
        rows[count].day = linked;
        rows[count].is_view = true;
        snprintf(rows[count++].text, sizeof rows->text, "%s,c%d@x.example,k%d\n", time, c, c);
    }
    return count;
}

/* Loads what was known by that day. */
static void load_until(struct shop *shop, double day, double arrives) {
    static struct row rows[8000];
    static char orders[FILE_MAX], seen[FILE_MAX];
    size_t count = make_rows(rows, 8000);
    size_t used = (size_t)snprintf(orders, sizeof orders, "order_id,at,email,cookie,amount\n");
    size_t viewed = (size_t)snprintf(seen, sizeof seen, "at,email,cookie\n");
    for (size_t i = 0; i < count; i++) {
        double known = rows[i].day + (rows[i].is_view ? 0 : arrives);
        char *file = rows[i].is_view ? seen : orders;
        size_t *at = rows[i].is_view ? &viewed : &used;
        if (known <= day) *at += (size_t)snprintf(file + *at, FILE_MAX - *at, "%s", rows[i].text);
    }
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "seen.csv", seen);
    shop_load(shop, NULL);
}

static struct lifetime_entry train(struct shop *shop, double day) {
    struct lifetime_entry entry;
    struct error error = {0};
    enum status status =
        engine_train_lifetime(shop->engine, 0, DAY(day), NULL, &entry, NULL, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    assert_int_equal(status, STATUS_OK);
    assert_non_null(entry.series);
    return entry;
}

/* ---- the tests ---- */

/* The same fit, bit for bit, as in a shop that has nothing but what was known at its date. */
static void a_fit_sees_what_was_known_at_its_date(void **state) {
    struct shop *shop = *state, cut;
    put_playbook(shop, "3d");
    load_until(shop, DAYS, 3);
    struct lifetime_entry entry = train(shop, 170);
    assert_true(entry.series->count >= 4);
    for (uint32_t i = 0; i < entry.series->count; i += 2) {
        const struct dated_lifetime *fit = &entry.series->fits[i];
        double day = (double)(fit->as_of_ms - SHOP_START_MS) / (double)TIME_DAY_MS;
        shop_init(&cut);
        put_playbook(&cut, "3d");
        load_until(&cut, day, 3);
        struct lifetime_entry then = train(&cut, day);
        const struct dated_lifetime *newest = &then.series->fits[then.series->count - 1];
        assert_int_equal(newest->as_of_ms, fit->as_of_ms);
        assert_memory_equal(&newest->orders.lifetime, &fit->orders.lifetime,
                            sizeof fit->orders.lifetime);
        assert_true(newest->orders.customers > 0 &&
                    newest->orders.customers >= fit->orders.customers &&
                    newest->orders.customers <= fit->orders.customers);
        assert_memory_equal(&newest->spend.spend, &fit->spend.spend, sizeof fit->spend.spend);
        assert_int_equal(newest->other_currency, fit->other_currency);
        shop_release(&cut);
    }
}

static void a_trait_reads_the_fit_of_its_time(void **state) {
    struct shop *shop = *state;
    put_playbook(shop, "0");
    load_until(shop, DAYS, 0);
    struct lifetime_entry entry = train(shop, 170);
    const struct lifetime_series *series = entry.series;
    int64_t first_ms = series->fits[0].as_of_ms;
    const char *who = "email:c1@x.example"; /* dollars, and no cookie */
    assert_true(isnan(shop_trait(shop, who, "expected", first_ms - 1)) ||
                shop_trait(shop, who, "expected", first_ms - 1) <= 0);
    double before = shop_trait(shop, who, "alive", series->fits[2].as_of_ms - 1);
    double at = shop_trait(shop, who, "alive", series->fits[2].as_of_ms);
    assert_true(before > 0 && at > 0 && (before < at || before > at));
    /* Days with an order, told by hand: four of them, counted as clocks in New York show them. */
    shop_file(shop, "orders2.csv",
              "order_id,at,email,cookie,amount\n"
              "h1,2017-03-01T04:30:00Z,hand@x.example,,10.00 USD\n" /* 28 February */
              "h2,2017-03-01T14:00:00Z,hand@x.example,,20.00 USD\n"
              "h3,2017-03-01T23:00:00Z,hand@x.example,,30.00 USD\n"
              "h4,2017-03-20T12:00:00Z,hand@x.example,,15.00 USD\n"
              "h5,2017-04-02T12:00:00Z,hand@x.example,,-5.00 USD\n");
    shop_load(shop, NULL);
    int64_t t_ms = series->fits[series->count - 1].as_of_ms + TIME_HOUR_MS;
    const struct dated_lifetime *fit = lifetime_series_at(series, t_ms);
    assert_ptr_equal(fit, &series->fits[series->count - 1]);
    struct lifetime_history history = {3, 33,
                                       (double)(DAY(170) - DAY(58)) / (double)TIME_DAY_MS - 1, 1};
    double expected = lifetime_expected(&fit->orders.lifetime, &history, 60);
    /* 28 February to the evening of 19 June in New York: 111 days. */
    assert_true(fabs(history.age - 111) < .001);
    assert_true(fabs(shop_trait(shop, "email:hand@x.example", "expected", t_ms) - expected) <
                1e-12);
    double worth = expected * spend_expected(&fit->spend.spend, 2, 32.5);
    assert_true(fabs(shop_trait(shop, "email:hand@x.example", "worth", t_ms) - worth) < .006);
}

static void two_currencies_have_no_sum(void **state) {
    struct shop *shop = *state;
    put_playbook(shop, "0");
    load_until(shop, DAYS, 0);
    struct lifetime_entry entry = train(shop, 175);
    const struct dated_lifetime *fit = &entry.series->fits[entry.series->count - 1];
    assert_true(fit->other_currency > 10);
    assert_true(fit->has_spend);
    assert_true(fit->spend.customers + (double)fit->other_currency <= fit->orders.repeaters);
    const struct customer_data *data = engine_customer_data(shop->engine);
    uint32_t in_euros = 0;
    for (int c = 0; c < CUSTOMERS; c += 5) {
        char who[64];
        snprintf(who, sizeof who, "email:c%d@x.example", c);
        struct customer_id customer;
        if (!data->customer_of_identifier(data->context, text_from(who),
                                          (struct as_of){DAY(175), POSITION_NOW}, &customer))
            continue;
        if (shop_trait(shop, who, "expected", DAY(175)) > 0) in_euros++;
    }
    assert_true(in_euros > 10);
    shop_file(shop, "orders2.csv",
              "order_id,at,email,cookie,amount\n"
              "b1,2017-03-01,both@x.example,,10.00 USD\n"
              "b2,2017-03-09,both@x.example,,20.00 EUR\n"
              "b3,2017-03-20,both@x.example,,30.00 USD\n"
              "f1,2017-03-01,first@x.example,,10.00 EUR\n" /* only the first: it is not looked at */
              "f2,2017-03-20,first@x.example,,30.00 USD\n");
    shop_load(shop, NULL);
    assert_true(shop_trait(shop, "email:both@x.example", "expected", DAY(175)) > 0);
    assert_true(!(shop_trait(shop, "email:both@x.example", "worth", DAY(175)) > 0));
    assert_true(shop_trait(shop, "email:first@x.example", "worth", DAY(175)) > 0);
}

static int compare_days(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* How many different days with an order the customer has up to t. */
static uint32_t days_of(const struct row *rows, size_t count, int customer, int64_t t_ms,
                        const struct time_zone *zone) {
    int64_t days[400];
    uint32_t used = 0, different = 0;
    char own[16];
    size_t length = (size_t)snprintf(own, sizeof own, "o%d-", customer);
    for (size_t i = 0; i < count; i++) {
        int64_t time_ms = DAY(rows[i].day);
        if (rows[i].is_view || strncmp(rows[i].text, own, length) != 0 || time_ms > t_ms) continue;
        days[used++] = (time_ms + time_zone_offset_s(zone, time_ms) * TIME_SECOND_MS) / TIME_DAY_MS;
    }
    qsort(days, used, sizeof *days, compare_days);
    for (uint32_t i = 0; i < used; i++) different += i == 0 || days[i] != days[i - 1];
    return different;
}

static void an_earlier_fit_is_checked_on_what_followed(void **state) {
    static struct row rows[8000];
    struct shop *shop = *state;
    struct lifetime_entry entry;
    struct lifetime_check check;
    struct error error = {0};
    put_playbook(shop, "0");
    load_until(shop, DAYS, 0);
    assert_int_equal(engine_train_lifetime(shop->engine, 0, DAY(170), NULL, &entry, &check, &error),
                     STATUS_OK);
    assert_true(check.is_made);
    assert_int_equal(check.from_ms, DAY(80));
    const struct time_zone *zone = engine_customer_data(shop->engine)->playbook->zone;
    size_t count = make_rows(rows, 8000);
    uint64_t customers = 0, happened = 0;
    for (int c = 0; c < CUSTOMERS; c++) {
        uint32_t then = days_of(rows, count, c, check.from_ms, zone);
        customers += then > 0;
        if (then > 0) happened += days_of(rows, count, c, DAY(170), zone) - then;
    }
    assert_int_equal(check.customers, customers);
    assert_int_equal(check.happened, happened);
    assert_true(check.low < check.expected && check.expected < check.high);
    assert_true(check.expected > (double)happened / 2 && check.expected < (double)happened * 2);
    /* The first date of a short series has nothing before it. */
    assert_int_equal(engine_train_lifetime(shop->engine, 0,
                                           entry.series->fits[0].as_of_ms + TIME_DAY_MS, NULL,
                                           &entry, &check, &error),
                     STATUS_OK);
    assert_false(check.is_made);
}

/* Restarted, the same series is in force; a changed rule leaves it out, and a damaged file too. */
static void it_lasts_and_is_left_out_where_it_does_not_fit(void **state) {
    struct shop *shop = *state;
    put_playbook(shop, "0");
    load_until(shop, DAYS, 0);
    struct lifetime_series before = *train(shop, 170).series;
    double expected = shop_trait(shop, "email:c1@x.example", "expected", DAY(171));
    assert_true(expected > 0);
    shop_open(shop, NULL);
    struct lifetime_entry after = engine_lifetime(shop->engine, 0);
    assert_int_equal(after.version, 1);
    assert_non_null(after.series);
    assert_int_equal(after.series->count, before.count);
    for (uint32_t i = 0; i < before.count; i++)
        assert_memory_equal(&after.series->fits[i].orders.lifetime, &before.fits[i].orders.lifetime,
                            sizeof(struct lifetime));
    double again = shop_trait(shop, "email:c1@x.example", "expected", DAY(171));
    assert_true(again <= expected && again >= expected);
    assert_null(engine_lifetime(shop->engine, 1).series); /* the other was never trained */

    static char text[4096];
    snprintf(text, sizeof text, "%s", playbook_text);
    char *value = strstr(text, "orders: Order Completed, value: revenue");
    memcpy(value, "orders: Page Viewed,     value: revenue", 39);
    char *worth = strstr(text, "ARRIVES");
    memcpy(worth, "0      ", 7);
    /* The page views have no revenue, so that the playbook is refused. */
    shop_file(shop, "other.yaml", text);
    struct error error = {0};
    assert_int_equal(shop_try_open(shop, "other.yaml", false, &error), STATUS_INVALID);
    value = strstr(text, ",     value: revenue");
    memcpy(value, "                    ", 20);
    char *asks = strstr(text, "  worth: expected_value(shop, 60d)\n");
    memset(asks, ' ', strlen("  worth: expected_value(shop, 60d)"));
    shop_file(shop, "other.yaml", text);
    shop_open(shop, "other.yaml");
    after = engine_lifetime(shop->engine, 0);
    assert_int_equal(after.version, 1);
    assert_null(after.series);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fit_sees_what_was_known_at_its_date, shop_set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(a_trait_reads_the_fit_of_its_time, shop_set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(two_currencies_have_no_sum, shop_set_up, shop_tear_down),
        cmocka_unit_test_setup_teardown(an_earlier_fit_is_checked_on_what_followed, shop_set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(it_lasts_and_is_left_out_where_it_does_not_fit, shop_set_up,
                                        shop_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
