/* SPDX-License-Identifier: Apache-2.0 */
/* No view of the future: what an expression gives as of (t, position) is the same, bit for bit,
 * whatever is added that happened later, became known later, arrived at a later position, corrected
 * a row later, or changed a lookup later; versions of rows that were corrected by then are not
 * seen; and the same whether the source leaves such rows out or hands them over for the evaluator
 * to judge. EXPR_SEED and EXPR_ROUNDS choose. */
#include "support/unit.h"

#include "base/random.h"
#include "base/time.h"
#include "event/memory_source.h"
#include "world.h"

#define NOW_MS (INT64_C(17400) * TIME_DAY_MS)
#define EVENTS 40

static const char *const sources[] = {
    "count(\"Order Completed\")",
    "count(\"Order Completed\") in 30d",
    "exists(\"Clicked\") in 2d",
    "since(\"Order Completed\")",
    "sum(\"Order Completed\".revenue) in 30d",
    "sum(\"Order Completed\".weight)",
    "avg(\"Order Completed\".revenue)",
    "min(\"Order Completed\".revenue) in 60d ending 5d ago",
    "max(\"Order Completed\".weight)",
    "first(\"Order Completed\".store)",
    "last(\"Order Completed\".store)",
    "last(\"Order Completed\")",
    "distinct(\"Order Completed\".store)",
    "length(list(\"Order Completed\".store))",
    "share(\"Order Completed\" where store == \"7\")",
    "overdue(\"Order Completed\")",
    "count(visits)",
    "count(visits) in 10d",
    "count(any event) in last 2 visits",
    "since(visits)",
    "count(any event where time > now - 10d)",
    "count(\"Order Completed\".products where department == \"GROCERY\")",
    "sum(\"Order Completed\".products.sales_value where department == \"DELI\") in 40d",
    ("sum(\"Order Completed\".revenue) in 30d > sum(\"Order Completed\".revenue) in 30d ending 30d "
     "ago"),
    "overdue(visits)",
    "last(\"Order Completed\".products.product_id)",
    "count([\"Clicked\", \"Page Viewed\"] where channel == \"web\") in 20d",
    "sum(\"Order Completed\".revenue where store == \"7\" and gift) in 90d",
    "count(\"Order Completed\" where revenue > 20 USD)",
};
#define SOURCES (sizeof sources / sizeof sources[0])

struct play {
    struct expr_world world;
    struct random random;
    struct expr_program *programs[SOURCES];
    struct lookup_table *changed;
    int64_t changed_ms; /* since when the changed products are known; INT64_MAX: never */
    uint64_t columns[TIMELINE_COLUMNS_MAX / 64];
    uint32_t needs;
};

static uint64_t below(struct play *play, uint64_t bound) {
    return random_below(&play->random, bound);
}

static const struct lookup_table *lookup(void *context, uint32_t index, int64_t t_ms) {
    struct play *play = context;
    if (index == 0 && t_ms >= play->changed_ms) return play->changed;
    return index == 0 ? play->world.product : play->world.campaign;
}

static void make_changed_lookup(struct play *play) {
    static const char *const products[] = {"A1", "A2", "A3", "A4"};
    struct lookup_field fields[3];
    uint32_t key = 0;
    for (uint32_t i = 0; i < 3; i++) fields[i] = lookup_field(play->world.product, i);
    assert_int_equal(lookup_create(&play->changed, fields, 3, &key, 1, false), STATUS_OK);
    for (size_t i = 0; i < 4; i++) {
        struct value cells[3] = {value_text(text_from(products[i])),
                                 value_text(i % 2 ? TEXT("GROCERY") : TEXT("DELI")),
                                 value_unknown()};
        assert_int_equal(lookup_add(play->changed, cells), STATUS_OK);
    }
    assert_int_equal(lookup_finish(play->changed), STATUS_OK);
}

static void setup(struct play *play) {
    world_init(&play->world);
    uint32_t channel;
    assert_int_equal(symbol_add(play->world.symbols, SYMBOL_CHANNEL, TEXT("web"), &channel),
                     STATUS_OK);
    for (size_t i = 0; i < SOURCES; i++) {
        struct expr_error error = {0};
        play->programs[i] = world_compile(&play->world, sources[i], &error);
        if (!play->programs[i]) fail_msg("%s: %s", sources[i], error.error.text);
        expr_needs(play->programs[i], play->columns, &play->needs);
    }
    make_changed_lookup(play);
}

/* ---- events ---- */

static struct value random_products(struct play *play) {
    static const char *const names[] = {"product_id", "quantity", "sales_value"};
    static const char *const products[] = {"A1", "A2", "A3", "A4"};
    struct value cells[9];
    uint32_t items = (uint32_t)below(play, 4);
    for (uint32_t i = 0; i < items; i++) {
        cells[3 * i] = value_text(text_from(products[below(play, 4)]));
        cells[3 * i + 1] = value_number((double)below(play, 5));
        cells[3 * i + 2] = value_money((int64_t)below(play, 3000), play->world.schema.currency);
    }
    return world_list(&play->world, names, cells, 3, items);
}

static void add_event(struct play *play, struct event_batch *batch, int64_t time_ms,
                      int64_t known_ms) {
    static const char *const types[] = {"Order Completed", "Clicked", "Page Viewed"};
    static const char *const stores[] = {"7", "12", "13"};
    struct expr_world *world = &play->world;
    uint64_t type = below(play, 3);
    struct packed_writer *writer = arena_alloc(&world->arena, sizeof(*writer));
    struct event *event = event_batch_add(batch);
    assert_non_null(event);
    *event = (struct event){.time_ms = time_ms,
                            .known_ms = known_ms,
                            .type = (uint16_t)world_event_type(world, types[type])};
    packed_writer_init(writer);
    packed_begin(writer);
    if (type == 0) {
        struct value revenue = value_money((int64_t)below(play, 9000), world->schema.currency);
        assert_int_equal(packed_add(writer, world_property(world, "revenue"), revenue), STATUS_OK);
        assert_int_equal(packed_add(writer, world_property(world, "store"),
                                    value_text(text_from(stores[below(play, 3)]))),
                         STATUS_OK);
        assert_int_equal(
            packed_add(writer, world_property(world, "gift"), value_yes_no(below(play, 2))),
            STATUS_OK);
        assert_int_equal(packed_add(writer, world_property(world, "weight"),
                                    value_number((double)below(play, 100) / 8)),
                         STATUS_OK);
        assert_int_equal(
            packed_add(writer, world_property(world, "products"), random_products(play)),
            STATUS_OK);
    }
    event->properties = (uint32_t)batch->bytes.length;
    assert_int_equal(packed_end(writer, &batch->bytes), STATUS_OK);
    event->properties_length = (uint32_t)(batch->bytes.length - event->properties);
    packed_writer_release(writer);
}

static void add_batch(struct memory_source *source, struct event_batch *batch) {
    assert_int_equal(memory_source_add(source, batch), STATUS_OK);
}

/* ---- reading ---- */

struct answers {
    struct value value[SOURCES];
};

static bool identical(struct value a, struct value b) {
    return value_equal(a, b);
}

/* Evaluates everything as of (t, position); `judge`: the source hands over every row with its known
 * time. */
static void ask(struct play *play, struct memory_source *source, int64_t t_ms, uint64_t position,
                bool judge, struct answers *out) {
    struct timeline_source *interface = memory_source_interface(source);
    struct timeline_reader *reader;
    struct timeline timeline = {0};
    struct error error;
    struct timeline_request request = {{judge ? INT64_MAX : t_ms, position},
                                       play->needs | (judge ? TIMELINE_KNOWN : 0),
                                       play->columns};
    assert_int_equal(interface->ops->reader_open(interface, &reader, &error), STATUS_OK);
    enum status status =
        interface->ops->read(reader, (struct customer_id){0}, &request, &timeline, &error);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    struct expr_env env = {.timeline = &timeline,
                           .t_ms = t_ms,
                           .context = play,
                           .lookup = lookup,
                           .scratch = &play->world.arena};
    for (size_t i = 0; i < SOURCES; i++) {
        out->value[i] = expr_eval(play->programs[i], &env);
        /* Texts are borrowed from a reader that closes. */
        if (out->value[i].type == VALUE_TEXT)
            out->value[i].text = arena_text(&play->world.arena, out->value[i].text);
    }
    interface->ops->reader_close(reader);
}

static void compare(struct play *play, uint64_t seed, const char *what,
                    const struct answers *wanted, const struct answers *got) {
    for (size_t i = 0; i < SOURCES; i++) {
        if (identical(wanted->value[i], got->value[i])) continue;
        fail_msg("seed %llu, %s: %s was %s, is %s", (unsigned long long)seed, what, sources[i],
                 world_print(&play->world, wanted->value[i]),
                 world_print(&play->world, got->value[i]));
    }
}

/* Rows of `both` that are seen as of then: a later correction may be of any of them. */
struct seen_rows {
    uint64_t position[EVENTS];
    uint32_t count;
};

static void correct_later(struct play *play, struct event_batch *batch,
                          const struct seen_rows *seen) {
    if (seen->count == 0 || below(play, 2)) return;
    batch->events[batch->event_count - 1].replaces = seen->position[below(play, seen->count)];
}

/* Some rows had another version before, which was corrected by then. */
static uint64_t add_version_before(struct play *play, struct memory_source *both,
                                   struct event_batch *batch, uint64_t position, int64_t t_ms) {
    if (position == 0 || below(play, 4)) return 0;
    add_event(play, batch, t_ms - (int64_t)below(play, 40) * TIME_DAY_MS, t_ms - TIME_DAY_MS);
    add_batch(both, batch);
    event_batch_clear(batch);
    return position;
}

/* The past alone, and the past with a future mixed in between and behind. */
static void check_one(struct play *play, uint64_t seed, uint32_t *known_answers) {
    random_init(&play->random, seed);
    int64_t t_ms = NOW_MS + (int64_t)below(play, 1000);
    struct memory_source *past, *both;
    struct event_batch batch;
    assert_int_equal(memory_source_create(&past, &play->world.columns, NULL), STATUS_OK);
    assert_int_equal(memory_source_create(&both, &play->world.columns, NULL), STATUS_OK);
    event_batch_init(&batch);
    uint64_t position = 0;
    struct seen_rows seen = {.count = 0};
    for (int i = 0; i < EVENTS; i++) {
        int64_t unit = below(play, 2) ? TIME_DAY_MS : 10 * TIME_MINUTE_MS,
                time_ms = t_ms - (int64_t)below(play, 60) * unit;
        int64_t known_ms = time_ms + (int64_t)below(play, 4) * TIME_HOUR_MS;
        if (below(play, 3) == 0)
            time_ms = below(play, 2) ? t_ms + 1 + (int64_t)below(play, 5) * TIME_DAY_MS : time_ms,
            known_ms = t_ms + 1 + (int64_t)below(play, 5) * TIME_DAY_MS;
        bool is_past = time_ms <= t_ms && known_ms <= t_ms;
        event_batch_clear(&batch);
        uint64_t before = is_past ? add_version_before(play, both, &batch, position, t_ms) : 0;
        position += before != 0;
        add_event(play, &batch, time_ms, known_ms);
        batch.events[0].replaces = before;
        if (known_ms > t_ms) correct_later(play, &batch, &seen);
        add_batch(both, &batch);
        if (is_past) {
            batch.events[0].replaces = 0;
            add_batch(past, &batch);
            if (position > 0) seen.position[seen.count++] = position;
        }
        position++;
    }
    event_batch_clear(&batch);
    for (int i = 0; i < 10; i++) {
        add_event(play, &batch, t_ms - (int64_t)below(play, 20) * TIME_DAY_MS, t_ms - 1);
        correct_later(play, &batch, &seen);
    }
    add_batch(both, &batch); /* behind the position */
    struct answers wanted, got;
    play->changed_ms = INT64_MAX;
    ask(play, past, t_ms, POSITION_NOW, false, &wanted);
    play->changed_ms = t_ms + 1;
    ask(play, both, t_ms, position, false, &got);
    compare(play, seed, "left out by the source", &wanted, &got);
    ask(play, both, t_ms, position, true, &got);
    compare(play, seed, "judged row by row", &wanted, &got);
    for (size_t i = 0; i < SOURCES; i++) *known_answers += value_is_known(wanted.value[i]);
    event_batch_release(&batch);
    memory_source_destroy(past);
    memory_source_destroy(both);
}

static void test_no_view_of_the_future(void **state) {
    (void)state;
    static struct play play;
    uint64_t first = getenv("EXPR_SEED") ? strtoull(getenv("EXPR_SEED"), NULL, 10) : 1;
    uint64_t rounds = getenv("EXPR_ROUNDS") ? strtoull(getenv("EXPR_ROUNDS"), NULL, 10) : 1000;
    uint32_t known = 0;
    setup(&play);
    for (uint64_t seed = first; seed < first + rounds; seed++) check_one(&play, seed, &known);
    printf("%llu rounds, %u known answers\n", (unsigned long long)rounds, known);
    assert_true(known > rounds * SOURCES * 3 / 4);
    lookup_destroy(play.changed);
    world_release(&play.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_view_of_the_future)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
