/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an expression: it compiles or says where it is wrong; what compiles evaluates to its
 * type or unknown, on a timeline whose lists are partly rotten, and explains itself. The first byte
 * chooses between a trait and a goal's condition. */
#include "fuzz.h"

#include "../unit/expr/world.c"

#define ROWS 12

static void fill(struct expr_world *world, struct world_event *events) {
    static const char *const names[] = {"Order Completed", "Clicked", "Page Viewed",
                                        "Customer Record"};
    static const char *const fields_of[] = {"product_id", "quantity"};
    for (uint32_t i = 0; i < ROWS; i++) {
        events[i] = (struct world_event){.time_ms = i ? (int64_t)i * TIME_DAY_MS : TIME_ALWAYS,
                                         .known_ms = (int64_t)i * TIME_DAY_MS,
                                         .type = world_event_type(world, names[i % 4])};
        struct value cells[4] = {value_text(TEXT("A1")), value_number(i), value_text(TEXT("A2")),
                                 value_unknown()};
        struct value products = world_list(world, fields_of, cells, 2, 2);
        if (i == 8) products.text.length -= 3;
        world_set(world, &events[i], "products", products);
        world_set(world, &events[i], "revenue",
                  value_money(i * 100, (uint16_t)(world->schema.currency + (i == 9))));
        world_set(world, &events[i], "store", value_text(TEXT("12")));
        world_set(world, &events[i], "weight", value_number(i));
        world_set(world, &events[i], "city", value_text(TEXT("Köln")));
    }
}

static void check_value(const struct expr_program *program, struct value value) {
    fuzz_check(value.type == VALUE_UNKNOWN || value.type == expr_type(program));
    fuzz_check(value.type != VALUE_NUMBER || isfinite(value.number));
}

static void check_program(struct expr_world *world, const struct expr_program *program,
                          bool is_row) {
    struct world_event events[ROWS];
    struct timeline timeline;
    struct expr_env env;
    fill(world, events);
    world_timeline(world, events, ROWS, true, &timeline);
    world->friends[0] = &timeline;
    world->friend_count = 1;
    world_env(world, &timeline, (ROWS - 2) * TIME_DAY_MS, &env);
    if (is_row) {
        for (uint32_t row = 0; row < ROWS; row++)
            check_value(program, expr_eval_row(program, &env, row));
    } else {
        check_value(program, expr_eval(program, &env));
    }
    struct buffer words;
    buffer_init(&words);
    fuzz_check(expr_explain(program, &world->schema, &words) == STATUS_OK && words.length > 0);
    buffer_release(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0 || length > EXPR_TEXT_MAX + 8) return 0;
    static struct expr_world world;
    if (!world.symbols) {
        world_init(&world);
        world_trait(&world, "orders_90d", "count(\"Order Completed\") in 90d");
        world_trait(&world, "city_now", "last(\"Customer Record\".city)");
    }
    /* The world stays; what one input makes dies with an arena of its own. */
    struct arena kept = world.arena;
    arena_init(&world.arena, (size_t)64 << 20);
    bool is_row = bytes[0] & 1;
    struct text source = {(const char *)bytes + 1, (uint32_t)(length - 1)};
    struct expr_program *program = NULL;
    struct expr_error error = {0};
    enum status status = is_row
                             ? expr_compile_row(&world.arena, &world.schema,
                                                world_event_type(&world, "Order Completed"), source,
                                                &program, &error)
                             : expr_compile(&world.arena, &world.schema, source, &program, &error);
    if (status == STATUS_OK) {
        check_program(&world, program, is_row);
    } else {
        fuzz_check(error.column >= 1 && error.column <= length && error.error.text[0] &&
                   error.error.status == status);
    }
    arena_release(&world.arena);
    world.arena = kept;
    return 0;
}
