/* SPDX-License-Identifier: Apache-2.0 */
/* What the examples of docs/language.md do not show: limits while it runs, truncated timelines, odd
 * environments, overdue, and the lookups and sets that the language reads. */
#include <math.h>
#include "support/unit.h"

#include "base/time.h"
#include "event/packed.h"
#include "world.h"

#define DAY    TIME_DAY_MS
#define NOW_MS (1000 * DAY)

static struct expr_world world;

static int setup(void **state) {
    (void)state;
    world_init(&world);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_release(&world);
    return 0;
}

/* Orders so many days ago, oldest first, each of 10 USD. */
static struct timeline orders(const double *days_ago, uint32_t count) {
    struct world_event *events = arena_calloc(&world.arena, count + 1, sizeof(*events));
    struct timeline timeline;
    for (uint32_t i = 0; i < count; i++) {
        events[i] = (struct world_event){.time_ms = NOW_MS - (int64_t)(days_ago[i] * (double)DAY),
                                         .type = world_event_type(&world, "Order Completed")};
        world_set(&world, &events[i], "revenue", value_money(1000, world.schema.currency));
    }
    world_timeline(&world, events, count, false, &timeline);
    return timeline;
}

static struct expr_program *compile(const char *source) {
    struct expr_error error = {0};
    struct expr_program *program = world_compile(&world, source, &error);
    if (!program) fail_msg("%s\n%u: %s", source, error.column, error.error.text);
    return program;
}

static void expect(const char *source, const struct timeline *timeline, const char *wanted,
                   bool limit) {
    struct expr_env env;
    world_env(&world, timeline, NOW_MS, &env);
    const struct expr_program *program = compile(source);
    env.limit_reached = false;
    const char *got = world_print(&world, expr_eval(program, &env));
    if (strcmp(got, wanted) != 0) fail_msg("%s gives %s, not %s", source, got, wanted);
    if (env.limit_reached != limit) fail_msg("%s: limit_reached is %d", source, env.limit_reached);
}

static double number(const char *source, const struct timeline *timeline) {
    struct value value = world_eval(&world, source, timeline, NOW_MS);
    assert_int_equal(value.type, VALUE_NUMBER);
    return value.number;
}

/* ---- windows ---- */

static void test_windows_are_half_open(void **state) {
    (void)state;
    (void)compile("sum(\"Order Completed\".revenue)");
    struct timeline timeline = orders((const double[]){20, 10, 0}, 3);
    expect("count(\"Order Completed\") in 10d", &timeline, "1", false);
    expect("count(\"Order Completed\") in 11d", &timeline, "2", false);
    expect("count(\"Order Completed\") in 10d ending 10d ago", &timeline, "1", false);
    expect("sum(\"Order Completed\".revenue) in 20d", &timeline, "20.00 USD", false);
    expect("since(\"Order Completed\") in 5d ending 1d ago", &timeline, "unknown", false);
    expect("since(\"Order Completed\" where revenue > 5 USD)", &timeline, "0ms", false);
}

static void test_truncated_timelines(void **state) {
    (void)state;
    struct timeline timeline = orders((const double[]){20, 10, 1}, 3);
    timeline.truncated = true;
    expect("count(\"Order Completed\")", &timeline, "unknown", true);
    expect("count(\"Order Completed\") in 15d", &timeline, "2", false);
    expect("count(\"Order Completed\") in 25d", &timeline, "unknown", true);
    expect("exists(\"Order Completed\")", &timeline, "yes", false);
    expect("exists(\"Clicked\")", &timeline, "unknown", true);
    expect("since(\"Order Completed\")", &timeline, "1d", false);
    expect("last(\"Order Completed\".revenue)", &timeline, "10.00 USD", false);
    expect("first(\"Order Completed\".revenue)", &timeline, "unknown", true);
    expect("sum(\"Order Completed\".revenue)", &timeline, "unknown", true);
}

/* ---- limits while it runs ---- */

static void test_fan_out(void **state) {
    (void)state;
    struct timeline empty = orders(NULL, 0), buyer = orders((const double[]){1}, 1);
    for (uint32_t i = 0; i <= EXPR_RELATED_MAX_DEFAULT; i++) world.friends[i] = &empty;
    world.friend_count = EXPR_RELATED_MAX_DEFAULT;
    expect("any friend (exists(\"Order Completed\"))", &empty, "no", false);
    expect("count friend (not exists(\"Order Completed\"))", &empty, "200", false);
    world.friend_count++;
    expect("any friend (exists(\"Order Completed\"))", &empty, "unknown", true);
    world.friends[7] = &buyer;
    expect("any friend (exists(\"Order Completed\"))", &empty, "yes", false);
    expect("count friend (exists(\"Order Completed\"))", &empty, "unknown", true);
    world.friend_count = 3;
    expect("any friend (last(\"Order Completed\".revenue) > 5 USD)", &empty, "unknown", false);
    world.friend_count = 0;
    expect("any friend (exists(\"Order Completed\"))", &empty, "no", false);
}

static void test_mixed_currencies(void **state) {
    (void)state;
    struct world_event events[2];
    struct timeline timeline;
    (void)compile("sum(\"Order Completed\".revenue)");
    for (uint32_t i = 0; i < 2; i++) {
        events[i] = (struct world_event){.time_ms = NOW_MS - (2 - i) * DAY,
                                         .type = world_event_type(&world, "Order Completed")};
        world_set(&world, &events[i], "revenue",
                  value_money(1000, (uint16_t)(world.schema.currency + i)));
    }
    world_timeline(&world, events, 2, false, &timeline);
    expect("sum(\"Order Completed\".revenue)", &timeline, "unknown", true);
    expect("avg(\"Order Completed\".revenue)", &timeline, "unknown", true);
    expect("max(\"Order Completed\".revenue)", &timeline, "unknown", true);
    expect("count(\"Order Completed\" where revenue > 5 USD)", &timeline, "1", true);
    expect("first(\"Order Completed\".revenue) == last(\"Order Completed\".revenue)", &timeline,
           "unknown", true);
    expect("distinct(\"Order Completed\".revenue)", &timeline, "2", false);
    expect("sum(\"Order Completed\".revenue) in 36h", &timeline, "10.00 USE", false);
}

static struct timeline many_products(uint32_t events_count, uint32_t items) {
    static const char *const names[] = {"product_id", "quantity"};
    struct world_event *events = arena_calloc(&world.arena, events_count, sizeof(*events));
    struct value *cells = arena_calloc(&world.arena, items * 2, sizeof(*cells));
    struct timeline timeline;
    for (uint32_t i = 0; i < events_count; i++) {
        events[i] = (struct world_event){.time_ms = NOW_MS - (events_count - i) * TIME_HOUR_MS,
                                         .type = world_event_type(&world, "Order Completed")};
        for (uint32_t j = 0; j < items; j++) {
            cells[2 * j] = value_text(text_from(arena_format(&world.arena, "P%u", i * items + j)));
            cells[2 * j + 1] = value_number(j);
        }
        world_set(&world, &events[i], "products", world_list(&world, names, cells, 2, items));
    }
    world_timeline(&world, events, events_count, false, &timeline);
    return timeline;
}

static void test_collecting(void **state) {
    (void)state;
    (void)compile("count(\"Order Completed\".products)");
    struct timeline timeline = many_products(9, 500);
    expect("distinct(\"Order Completed\".products.product_id)", &timeline, "4500", false);
    expect("distinct(\"Order Completed\".products.quantity)", &timeline, "500", false);
    expect("length(list(\"Order Completed\".products.product_id) in 8h)", &timeline, "3500", false);
    expect("length(list(\"Order Completed\".products.product_id))", &timeline, "unknown", true);
    expect("\"P4499\" in list(\"Order Completed\".products.product_id where quantity > 490)",
           &timeline, "yes", false);
    struct expr_env env;
    world_env(&world, &timeline, NOW_MS, &env);
    env.scratch = NULL; /* no place to collect anything */
    assert_false(value_is_known(
        expr_eval(compile("distinct(\"Order Completed\".products.product_id)"), &env)));
    assert_false(value_is_known(expr_eval(compile("lower(\"ABC\")"), &env)));
    assert_true(env.limit_reached);
    env.scratch = &world.arena;
    assert_true(value_is_known(
        expr_eval(compile("distinct(\"Order Completed\".products.product_id)"), &env)));
}

/* ---- an environment that gives little ---- */

static void test_bare_environment(void **state) {
    (void)state;
    world_trait(&world, "orders_all", "count(\"Order Completed\")");
    static const char *const sources[] = {
        "orders_all > 3",
        "action.discount",
        "\"A1\" in action.products",
        "length(action.products)",
        "any friend (orders_all > 1)",
        ("count(\"Order Completed\".products where department == \"DELI\") > 0 and last(\"Order "
         "Completed\".revenue) > 1 USD")};
    struct timeline timeline = {0};
    struct expr_env env = {.timeline = &timeline, .t_ms = NOW_MS};
    for (size_t i = 0; i + 1 < sizeof sources / sizeof sources[0]; i++) {
        if (value_is_known(expr_eval(compile(sources[i]), &env)))
            fail_msg("%s is known", sources[i]);
    }
    assert_true(value_equal(expr_eval(compile(sources[5]), &env), value_yes_no(false)));
    struct value wrong = value_text(TEXT("three"));
    env.traits = &wrong; /* of another type than declared */
    assert_false(value_is_known(expr_eval(compile("orders_all"), &env)));
    assert_false(value_is_known(expr_eval(compile("orders_all > 3"), &env)));
    timeline = orders((const double[]){1}, 1);
    timeline.columns = NULL;
    assert_true(value_equal(expr_eval(compile("sum(\"Order Completed\".revenue)"), &env),
                            value_money(0, world.schema.currency)));
}

/* ---- overdue ---- */

/* P(T > t) of Student's t by Simpson's rule, x = t + s / (1 - s). */
static double tail(double t, double nu) {
    const int steps = 200000;
    double front = tgamma((nu + 1) / 2) / (sqrt(nu * M_PI) * tgamma(nu / 2)), sum = 0;
    for (int i = 0; i < steps; i++) {
        double s = (double)i / steps, x = t + s / (1 - s);
        double density = front * pow(1 + x * x / nu, -(nu + 1) / 2) / ((1 - s) * (1 - s));
        sum += density * (i == 0 ? 1 : i % 2 ? 4 : 2);
    }
    return sum / (3.0 * steps);
}

static void test_overdue(void **state) {
    (void)state;
    double gaps[] = {7, 9}, present = 20;
    struct timeline timeline = orders((const double[]){36, 29, 20}, 3);
    double a = log(gaps[0] * DAY), b = log(gaps[1] * DAY), mean = (a + b) / 2,
           squares = (a - b) * (a - b) / 2;
    double scale = sqrt((0.5 * M_PI * M_PI / 6 + squares) / 1.5 * 1.5);
    double wanted = -log10(tail((log(present * DAY) - mean) / scale, 1.5));
    assert_float_equal(number("overdue(\"Order Completed\")", &timeline), wanted, 1e-4);
    /* The same gaps with two events within an hour: one occasion. */
    timeline = orders((const double[]){36, 29, 28.99, 20}, 4);
    assert_float_equal(number("overdue(\"Order Completed\")", &timeline), wanted, 1e-4);
    /* A clockwork customer is overdue sooner than an erratic one with the same mean. */
    struct timeline clockwork = orders((const double[]){76, 69, 62, 55, 48, 41, 34, 27, 20}, 9);
    struct timeline erratic = orders((const double[]){76, 75, 60, 59, 41, 40, 26, 22, 20}, 9);
    assert_true(number("overdue(\"Order Completed\")", &clockwork) > 1.9);
    double saturdays[27];
    for (int i = 0; i < 27; i++) saturdays[i] = 7.0 * (26 - i) + 10;
    struct timeline regular = orders(saturdays, 27);
    assert_float_equal(number("overdue(\"Order Completed\")", &regular), 1.5, 0.05);
    assert_true(number("overdue(\"Order Completed\")", &erratic) < 1);
    struct timeline today = orders((const double[]){21, 14, 7, 0}, 4);
    assert_true(number("overdue(\"Order Completed\")", &today) < 0.01);
    struct timeline two = orders((const double[]){14, 7}, 2);
    expect("overdue(\"Order Completed\")", &two, "unknown", false);
    /* Large and finite, however long the silence. */
    struct timeline gone =
        orders((const double[]){1000, 999.9, 999.8, 999.7, 999.6, 999.5, 999.4, 999.3, 999.2}, 9);
    double surprise = number("overdue(\"Order Completed\")", &gone);
    assert_true(surprise > 3 && surprise <= 300);
}

/* ---- lookups and sets ---- */

static void test_lookups(void **state) {
    (void)state;
    struct lookup_field fields[] = {
        {TEXT("week"), VALUE_NUMBER}, {TEXT("store"), VALUE_TEXT}, {TEXT("price"), VALUE_MONEY}};
    uint32_t keys[] = {0, 1}, first, count;
    struct lookup_table *table;
    assert_int_equal(lookup_create(&table, fields, 3, keys, 2, true), STATUS_OK);
    for (int i = 0; i < 3000; i++) {
        struct value cells[] = {value_number(i % 50), value_text(i % 3 ? TEXT("a") : TEXT("b")),
                                value_money(i, world.schema.currency)};
        assert_int_equal(lookup_add(table, cells), STATUS_OK);
    }
    struct value no_key[] = {value_unknown(), value_text(TEXT("a")), value_unknown()};
    assert_int_equal(lookup_add(table, no_key), STATUS_INVALID);
    assert_int_equal(lookup_finish(table), STATUS_OK);
    struct value key[] = {value_text(TEXT("7")),
                          value_text(TEXT("b"))}; /* the number 7 and the text "7" are one key */
    assert_true(lookup_find(table, key, &first, &count));
    assert_int_equal(count, 20);
    int64_t before = -1;
    for (uint32_t row = first; row < first + count; row++) {
        assert_true(value_equal(lookup_cell(table, row, 0), value_number(7)));
        assert_true(lookup_cell(table, row, 2).minor >
                    before); /* in the order in which they were added */
        before = lookup_cell(table, row, 2).minor;
    }
    key[1] = value_text(TEXT("c"));
    assert_false(lookup_find(table, key, &first, &count));
    assert_false(value_is_known(lookup_cell(table, 3000, 0)));
    assert_int_equal(lookup_field_find(table, TEXT("price")), 2);
    assert_int_equal(lookup_field_find(table, TEXT("none")), UINT32_MAX);
    assert_true(lookup_hash(table) != lookup_hash(world.product));
    lookup_destroy(table);
    struct value twice[3] = {value_text(TEXT("x")), value_unknown(), value_unknown()};
    assert_int_equal(lookup_create(&table, fields + 1, 2, keys, 1, false), STATUS_OK);
    assert_int_equal(lookup_add(table, twice), STATUS_OK);
    assert_int_equal(lookup_add(table, twice), STATUS_EXISTS);
    lookup_destroy(table);
}

static void test_sets(void **state) {
    (void)state;
    struct value_set *set;
    assert_int_equal(value_set_create(&set), STATUS_OK);
    for (int i = 0; i < 1000; i++) assert_int_equal(value_set_add(set, value_number(i)), STATUS_OK);
    assert_int_equal(value_set_add(set, value_text(TEXT("12"))), STATUS_OK);
    assert_int_equal(value_set_add(set, value_unknown()), STATUS_OK);
    assert_int_equal(value_set_count(set), 1000);
    assert_true(value_set_contains(set, value_text(TEXT("999"))));
    assert_true(value_set_contains(set, value_number(999)));
    assert_false(value_set_contains(set, value_number(0.5)));
    assert_false(value_set_contains(set, value_unknown()));
    value_set_destroy(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_are_half_open),
        cmocka_unit_test(test_truncated_timelines),
        cmocka_unit_test(test_fan_out),
        cmocka_unit_test(test_mixed_currencies),
        cmocka_unit_test(test_collecting),
        cmocka_unit_test(test_bare_environment),
        cmocka_unit_test(test_overdue),
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_sets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
