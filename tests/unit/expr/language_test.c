/* SPDX-License-Identifier: Apache-2.0 */
/* docs/language.md is the table of examples: everything in it must compile, and where it says "→
 * value" give that value.
 *
 *   ```attune          expression  → value
 *   ```attune-error    expression  → column: part of the message
 *   ```attune-row E    expression about the one event E of the customer
 *   ```traits          name: expression
 * The tables of events are read with the language's own lexer. */
#include "support/unit.h"

#include "base/time.h"
#include "expr/lexer.h"
#include "world.h"

#define EVENTS_MAX 64
#define ARROW      "→"

struct reading {
    struct expr_world world;
    struct world_event events[2][EVENTS_MAX]; /* the customer, the friend */
    uint32_t count[2];
    int table; /* of the rows being read */
    struct timeline timeline[2];
    bool has_timelines;
    int64_t t_ms;
    uint32_t line;
    uint32_t checked, failed;
};

static struct text cut(struct text *text, const char *end) {
    const char *found = memmem(text->at, text->length, end, strlen(end));
    uint32_t length = found ? (uint32_t)(found - text->at) : text->length;
    struct text head = {text->at, length};
    uint32_t skip = found ? length + (uint32_t)strlen(end) : length;
    text->at += skip;
    text->length -= skip;
    return head;
}

static struct token next(struct lexer *lexer) {
    struct token token;
    assert_int_equal(lexer_next(lexer, &token), STATUS_OK);
    return token;
}

static struct value read_scalar(struct lexer *lexer) {
    struct token token = next(lexer);
    if (token.kind == TOKEN_NAME) return value_yes_no(text_equal(token.text, TEXT("yes")));
    assert_int_equal(token.kind, TOKEN_LITERAL);
    return token.value;
}

static enum token_kind peek_kind(const struct lexer *lexer, enum token_kind *second) {
    struct lexer ahead = *lexer;
    enum token_kind kind = next(&ahead).kind;
    *second = next(&ahead).kind;
    return kind;
}

/* [a, b] or [name value, …] [name value, …] */
static struct value read_list(struct reading *reading, struct lexer *lexer) {
    char names[8][32];
    const char *pointers[8];
    struct value values[64];
    uint32_t fields = 0, items = 0, count = 0;
    enum token_kind second;
    while (peek_kind(lexer, &second) == TOKEN_OPEN_LIST) {
        bool records = second == TOKEN_NAME;
        enum token_kind separator = TOKEN_COMMA;
        (void)next(lexer);
        for (fields = 0; separator == TOKEN_COMMA; fields++) {
            struct token name = records ? next(lexer) : (struct token){0};
            snprintf(names[records ? fields : 0], 32, "%.*s", TEXT_ARG(name.text));
            pointers[records ? fields : 0] = names[records ? fields : 0];
            values[count++] = read_scalar(lexer);
            separator = next(lexer).kind;
        }
        assert_int_equal(separator, TOKEN_CLOSE_LIST);
        items++;
        if (!records) return world_list(&reading->world, NULL, values, 1, count);
    }
    return world_list(&reading->world, pointers, values, fields, items);
}

static void read_event(struct reading *reading, struct text row) {
    int table = reading->table;
    struct world_event *event = &reading->events[table][reading->count[table]++];
    (void)cut(&row, "|");
    struct text time = text_trim(cut(&row, "|")), name = text_trim(cut(&row, "|")),
                channel = text_trim(cut(&row, "|"));
    struct lexer lexer = {.source = text_trim(cut(&row, "|")), .arena = &reading->world.arena};
    *event = (struct world_event){.time_ms = TIME_ALWAYS, .known_ms = TIME_ALWAYS};
    if (!text_equal(time, TEXT("always")))
        assert_int_equal(time_parse(time, NULL, &event->time_ms), STATUS_OK);
    assert_int_equal(symbol_add(reading->world.symbols, SYMBOL_EVENT, name, &event->type),
                     STATUS_OK);
    uint32_t symbol = 0;
    if (channel.length)
        assert_int_equal(symbol_add(reading->world.symbols, SYMBOL_CHANNEL, channel, &symbol),
                         STATUS_OK);
    event->channel = (uint8_t)symbol;
    enum token_kind kind, second;
    do {
        char property[64];
        struct text word = next(&lexer).text;
        snprintf(property, sizeof property, "%.*s", TEXT_ARG(word));
        kind = peek_kind(&lexer, &second);
        world_set(&reading->world, event, property,
                  kind == TOKEN_OPEN_LIST ? read_list(reading, &lexer) : read_scalar(&lexer));
        kind = next(&lexer).kind;
    } while (kind == TOKEN_COMMA);
    assert_int_equal(kind, TOKEN_END);
}

/* A value that goes on is compared as far as it is written. */
static bool agrees(const char *got, struct text wanted) {
    if (!text_ends_with(wanted, TEXT("…"))) return text_equal(text_from(got), wanted);
    wanted.length -= (uint32_t)strlen("…");
    return text_starts_with(text_from(got), wanted);
}

static void complain(struct reading *reading, const char *source, const char *got,
                     struct text wanted) {
    fprintf(stderr, "docs/language.md:%u: %s\n    gives %s, not %.*s\n", reading->line, source, got,
            TEXT_ARG(wanted));
    reading->failed++;
}

/* Timelines are built anew for every example, since each may use new columns. */
static void build(struct reading *reading) {
    for (int i = 0; i < 2; i++) {
        world_timeline(&reading->world, reading->events[i], reading->count[i], false,
                       &reading->timeline[i]);
    }
    reading->world.friends[0] = &reading->timeline[1];
    reading->world.friend_count = 1;
}

static struct value evaluate(struct reading *reading, const struct expr_program *program,
                             struct text row_event) {
    struct expr_env env;
    build(reading);
    world_env(&reading->world, &reading->timeline[0], reading->t_ms, &env);
    if (row_event.length == 0) return expr_eval(program, &env);
    uint32_t type = symbol_find(reading->world.symbols, SYMBOL_EVENT, row_event), row = 0;
    while (reading->timeline[0].type[row] != type) row++;
    return expr_eval_row(program, &env, row);
}

static void check_example(struct reading *reading, struct text line, struct text row_event) {
    struct text source = text_trim(cut(&line, ARROW)), wanted = text_trim(line);
    struct expr_world *world = &reading->world;
    struct expr_program *program = NULL;
    struct expr_error error = {0};
    const char *copy = arena_text(&world->arena, source).at;
    uint32_t type = symbol_find(world->symbols, SYMBOL_EVENT, row_event);
    enum status status =
        row_event.length
            ? expr_compile_row(&world->arena, &world->schema, type, source, &program, &error)
            : expr_compile(&world->arena, &world->schema, source, &program, &error);
    reading->checked++;
    if (status != STATUS_OK) {
        complain(reading, copy, error.error.text, wanted);
        return;
    }
    struct buffer words;
    buffer_init(&words);
    assert_int_equal(expr_explain(program, &world->schema, &words), STATUS_OK);
    assert_true(words.length > 0);
    if (getenv("EXPLAIN")) printf("%s\n    %.*s\n", copy, TEXT_ARG(buffer_text(&words)));
    buffer_release(&words);
    const char *got = world_print(world, evaluate(reading, program, row_event));
    if (wanted.length && !agrees(got, wanted)) complain(reading, copy, got, wanted);
}

static void check_zone_example(struct reading *reading, struct text line, struct text name) {
    struct time_zone *zone = NULL;
    assert_int_equal(time_zone_create(&zone, name, NULL, NULL), STATUS_OK);
    reading->world.schema.zone = zone;
    check_example(reading, line, (struct text){0});
    reading->world.schema.zone = NULL;
    time_zone_destroy(zone);
}

static void check_error(struct reading *reading, struct text line) {
    struct text source = text_trim(cut(&line, ARROW)), column = text_trim(cut(&line, ":")),
                wanted = text_trim(line);
    struct expr_error error = {0};
    const char *copy = arena_text(&reading->world.arena, source).at;
    reading->checked++;
    if (world_compile(&reading->world, copy, &error)) {
        complain(reading, copy, "no error", wanted);
        return;
    }
    int64_t wanted_column = 0;
    assert_int_equal(text_to_int64(column, &wanted_column), STATUS_OK);
    char place[32];
    snprintf(place, sizeof place, "column %u", error.column);
    if (getenv("EXPLAIN")) printf("%s\n    %u: %s\n", copy, error.column, error.error.text);
    if (error.column != wanted_column) complain(reading, copy, place, column);
    if (!text_contains(text_from(error.error.text), wanted))
        complain(reading, copy, error.error.text, wanted);
}

static void read_line(struct reading *reading, struct text line, struct text fence) {
    if (text_equal(fence, TEXT("attune"))) {
        check_example(reading, line, (struct text){0});
    } else if (text_starts_with(fence, TEXT("attune-row "))) {
        check_example(reading, line, (struct text){fence.at + 11, fence.length - 11});
    } else if (text_starts_with(fence, TEXT("attune-zone "))) {
        check_zone_example(reading, line, (struct text){fence.at + 12, fence.length - 12});
    } else if (text_equal(fence, TEXT("attune-error"))) {
        check_error(reading, line);
    } else if (fence.length == 0 && text_starts_with(line, TEXT("|---|---|---|---|"))) {
        reading->table++;
    } else if (fence.length == 0 && (text_starts_with(line, TEXT("| 201")) ||
                                     text_starts_with(line, TEXT("| always |")))) {
        read_event(reading, line);
    }
}

static void read_trait(struct reading *reading, struct text line) {
    char name[64], source[512];
    struct text head = cut(&line, ":");
    snprintf(name, sizeof name, "%.*s", TEXT_ARG(head));
    snprintf(source, sizeof source, "%.*s", TEXT_ARG(line));
    world_trait(&reading->world, name, source);
}

/* Two passes: the tables and traits, which stand anywhere, then the examples. */
static void read_page(struct reading *reading, struct text page, bool examples) {
    struct text fence = {0};
    reading->table = -1;
    reading->line = 0;
    while (page.length) {
        struct text line = cut(&page, "\n");
        reading->line++;
        if (text_starts_with(line, TEXT("```"))) {
            struct text name = {line.at + 3, line.length - 3};
            fence = fence.length ? (struct text){0} : name.length ? name : TEXT("plain");
            continue;
        }
        bool is_trait = text_equal(fence, TEXT("traits")), is_row = fence.length == 0;
        if (!examples && is_trait) read_trait(reading, line);
        if (!examples && is_row) read_line(reading, line, fence);
        if (examples && fence.length && !is_trait && line.length) read_line(reading, line, fence);
    }
}

static void test_language_page(void **state) {
    (void)state;
    static char page[1 << 17];
    FILE *file = fopen(
        getenv("LANGUAGE_PAGE") ? getenv("LANGUAGE_PAGE") : SOURCE_ROOT "/docs/language.md", "rb");
    assert_non_null(file);
    size_t length = fread(page, 1, sizeof page, file);
    fclose(file);
    static struct reading reading;
    world_init(&reading.world);
    assert_int_equal(time_parse(TEXT("2017-10-01 12:00:00"), NULL, &reading.t_ms), STATUS_OK);
    read_page(&reading, (struct text){page, (uint32_t)length}, false);
    assert_int_equal(reading.table, 1);
    read_page(&reading, (struct text){page, (uint32_t)length}, true);
    printf("%u examples\n", reading.checked);
    assert_true(reading.checked > 100);
    assert_int_equal(reading.failed, 0);
    world_release(&reading.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_language_page)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
