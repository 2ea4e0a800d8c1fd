/* SPDX-License-Identifier: Apache-2.0 */
/* What a compiled program tells about itself, every limit, and compiling without memory. */
#include "support/unit.h"

#include "base/memory.h"
#include "base/time.h"
#include "event/timeline_source.h"
#include "world.h"

static struct expr_world world;

static int setup(void **state) {
    (void)state;
    world_init(&world);
    world_trait(&world, "orders_90d", "count(\"Order Completed\") in 90d");
    world_trait(&world, "covered",
                "count(\"Order Completed\".products where product_id in action.products)");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_release(&world);
    return 0;
}

static struct expr_program *compile(const char *source) {
    struct expr_error error = {0};
    struct expr_program *program = world_compile(&world, source, &error);
    if (!program) fail_msg("%s\n%u: %s", source, error.column, error.error.text);
    return program;
}

static void refuse(const char *source, enum status status, const char *part) {
    struct expr_error error = {0};
    if (world_compile(&world, source, &error)) fail_msg("compiles: %.80s", source);
    assert_int_equal(error.error.status, status);
    if (!strstr(error.error.text, part)) fail_msg("'%s' does not say '%s'", error.error.text, part);
}

static void test_what_it_reads(void **state) {
    (void)state;
    assert_true(expr_is_constant(compile("action.discount > 0.1 and now < action.end_date")));
    assert_false(expr_is_constant(compile("orders_90d > 1")));
    assert_true(expr_uses_treatment(compile("covered > 1")));
    assert_true(expr_uses_treatment(compile("\"A1\" in action.products")));
    assert_false(expr_uses_treatment(compile("orders_90d > 1")));
    assert_true(expr_uses_relation(compile("any friend (orders_90d > 1)")));
    assert_int_equal(expr_window_ms(compile("1 + 1")), 0);
    assert_int_equal(expr_window_ms(compile("count(\"Clicked\") in 30d ending 60d ago")),
                     90 * TIME_DAY_MS);
    assert_true(expr_window_ms(compile("count(\"Clicked\") in last 2 visits")) == INT64_MAX);
    assert_true(expr_window_ms(compile("count(\"Clicked\") in 3d + count(\"Clicked\")")) ==
                INT64_MAX);
    uint32_t traits[4];
    assert_int_equal(expr_traits(compile("orders_90d > covered or covered > 7"), traits, 4), 2);
    assert_int_equal(traits[0], 0);
    assert_int_equal(traits[1], 1);
}

static bool has_use(const struct expr_use *uses, uint32_t count, const char *event,
                    const char *property, int64_t window_ms) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t wanted = property ? world_property(&world, property) : SYMBOL_NONE;
        if (uses[i].event_type == world_event_type(&world, event) && uses[i].property == wanted &&
            uses[i].window_ms == window_ms)
            return true;
    }
    return false;
}

static void test_uses_and_needs(void **state) {
    (void)state;
    const struct expr_program *program =
        compile("sum(\"Order Completed\".revenue where channel == \"web\" and gift) in 7d > 3 USD "
                "and count(\"Clicked\") in last 2 visits > 1");
    struct expr_use uses[8];
    uint32_t count = expr_uses(program, uses, 8);
    assert_int_equal(count, 3);
    assert_true(has_use(uses, count, "Order Completed", "revenue", 7 * TIME_DAY_MS));
    assert_true(has_use(uses, count, "Order Completed", "gift", 7 * TIME_DAY_MS));
    assert_true(has_use(uses, count, "Clicked", NULL, -2));
    uint64_t columns[TIMELINE_COLUMNS_MAX / 64] = {0};
    uint32_t needs = 0, bits = 0;
    expr_needs(program, columns, &needs);
    /* A channel that nobody declared has its word in the packed properties. */
    assert_int_equal(needs, TIMELINE_CHANNEL | TIMELINE_PACKED);
    for (uint32_t i = 0; i < world.columns.count; i++)
        bits += (uint32_t)(columns[i / 64] >> (i % 64) & 1);
    assert_int_equal(bits, 2);
    uint32_t before = world.columns.count;
    (void)compile("last(\"Order Completed\".revenue)");
    assert_int_equal(world.columns.count, before);
}

static const char *repeat(const char *head, const char *part, uint32_t times, const char *tail) {
    struct buffer buffer;
    buffer_init(&buffer);
    assert_int_equal(buffer_append_text(&buffer, text_from(head)), STATUS_OK);
    for (uint32_t i = 0; i < times; i++)
        assert_int_equal(buffer_append_text(&buffer, text_from(part)), STATUS_OK);
    assert_int_equal(buffer_append_text(&buffer, text_from(tail)), STATUS_OK);
    const char *text = arena_text(&world.arena, buffer_text(&buffer)).at;
    buffer_release(&buffer);
    return text;
}

static void test_limits(void **state) {
    (void)state;
    refuse(repeat("1", " ", EXPR_TEXT_MAX, ""), STATUS_LIMIT, "longer than 4096");
    refuse(repeat("", "(", 70, "1"), STATUS_LIMIT, "64 deep");
    refuse(repeat("", "not ", 70, "yes"), STATUS_LIMIT, "64 deep");
    refuse(repeat("", "- ", 70, "1"), STATUS_LIMIT, "64 deep");
    refuse(repeat("1", "+1", 70, ""), STATUS_LIMIT, "64 deep");
    refuse(repeat("", "abs(", 70, "1"), STATUS_LIMIT, "64 deep");
    refuse(repeat("", "[", 70, "1"), STATUS_LIMIT, "64 deep");
    refuse(repeat("count([", "\"Clicked\",", 65, "\"Clicked\"])"), STATUS_LIMIT, "64 events");
    refuse("count(\"Clicked\") in last 1001 visits", STATUS_INVALID, "1 to 1000");
    refuse("\xff", STATUS_INVALID, "UTF-8");
    refuse("  ", STATUS_INVALID, "empty");
    /* Long conditions stay flat. */
    (void)compile(repeat("no", " or orders_90d > 1", 200, ""));
    (void)compile(repeat("no", " and (orders_90d > 1)", 190, ""));
    (void)compile(repeat("orders_90d in [1", ",2", 1500, "]"));
}

static void test_compiling_without_memory(void **state) {
    (void)state;
    const char *source = "any friend (exists(\"Clicked\" where button in [\"a\", \"b\"]) in 3d) or "
                         "count(\"Order Completed\".products where "
                         "department == \"x\") in last 2 visits > 2 or \"a\\\"\" in [home, \"b\"]";
    const char *good = "any friend (exists(\"Clicked\" where button in [\"a\", \"b\"]) in 3d) or "
                       "count(\"Order Completed\".products where "
                       "department == \"x\") in last 2 visits > 2 or last(\"Page Viewed\".path) in "
                       "[\"a\\\"\", lower(\"B\")]";
    refuse(source, STATUS_INVALID, "home");
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        struct arena arena;
        struct expr_program *program = NULL;
        struct expr_error error = {0};
        arena_init(&arena, (size_t)1 << 24);
        memory_fail_at(nth);
        enum status status = expr_compile(&arena, &world.schema, text_from(good), &program, &error);
        memory_fail_at(0);
        done = status == STATUS_OK;
        if (!done) assert_int_equal(status, STATUS_NO_MEMORY);
        if (!done) assert_int_equal(error.error.status, STATUS_NO_MEMORY);
        arena_release(&arena);
        assert_true(nth < 1000);
    }
    for (size_t max = 0;; max += 512) { /* and where the arena is small */
        struct arena arena;
        struct expr_program *program = NULL;
        arena_init(&arena, max);
        enum status status = expr_compile(&arena, &world.schema, text_from(good), &program, NULL);
        arena_release(&arena);
        if (status == STATUS_OK) break;
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_true(max < (size_t)1 << 22);
    }
}

static void test_rows(void **state) {
    (void)state;
    struct expr_program *program = NULL;
    struct expr_error error = {0};
    uint32_t order = world_event_type(&world, "Order Completed");
    assert_int_equal(expr_compile_row(&world.arena, &world.schema, order,
                                      TEXT("revenue > 5 USD and time < now"), &program, &error),
                     STATUS_OK);
    struct world_event events[2] = {{.time_ms = 1000, .type = order},
                                    {.time_ms = 2000, .type = order}};
    world_set(&world, &events[0], "revenue", value_money(600, world.schema.currency));
    struct timeline timeline;
    struct expr_env env;
    world_timeline(&world, events, 2, false, &timeline);
    world_env(&world, &timeline, 5000, &env);
    assert_true(value_equal(expr_eval_row(program, &env, 0), value_yes_no(true)));
    assert_false(value_is_known(expr_eval_row(program, &env, 1)));
    assert_int_equal(expr_compile_row(&world.arena, &world.schema, order, TEXT("button == \"a\""),
                                      &program, &error),
                     STATUS_INVALID);
    assert_int_equal(expr_compile_row(&world.arena, &world.schema, SYMBOL_NONE,
                                      TEXT("button == \"a\""), &program, &error),
                     STATUS_OK);
    assert_int_equal(expr_compile_row(&world.arena, &world.schema, order,
                                      TEXT("count(\"Clicked\") > 1"), &program, &error),
                     STATUS_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_reads), cmocka_unit_test(test_uses_and_needs),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_compiling_without_memory),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
