/* SPDX-License-Identifier: Apache-2.0 */
/* The view over runs and tail answers like the naive memory source: over random batches with late
 * events, ties, merges of customers, folds, merges of runs, playbooks that changed their columns,
 * any as-of, and readers held open across it all. view_test [SEED [ROUNDS]] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/random.h"
#include "event/memory_source.h"
#include "store/view/view.h"

#define PERSONAS   150
#define STRIDE_MAX 701
#define IDS        ((PERSONAS + 2) * STRIDE_MAX)
#define LINKS_MAX  200
#define EVENTS_MAX 20000
#define HELD_MAX   4

/* Where the personas' ids lie; a round has one of them. Walks go by blocks of 256 and of 4,096 ids.
 */
enum layout {
    /* 0, 701, 1402 … or closer: blocks of few, with gaps, and beyond one block of a walk's shares.
     */
    LAYOUT_WIDE,
    LAYOUT_DENSE, /* side by side, across a block's end somewhere: blocks of many */
    LAYOUT_MIXED, /* crowds and gaps */
    LAYOUT_COUNT
};
static uint32_t id_of[PERSONAS + 2]; /* ascending; the last two are nobody's */
static uint32_t number_at[IDS];      /* ID_NONE: no persona */

static void lay_out(enum layout layout, struct random *random) {
    uint32_t id = layout == LAYOUT_DENSE ? (uint32_t)random_below(random, 400) : 0;
    uint32_t stride = (const uint32_t[]){3, 67, STRIDE_MAX}[random_below(random, 3)];
    for (uint32_t i = 0; i < IDS; i++) number_at[i] = ID_NONE;
    for (uint32_t p = 0; p < PERSONAS + 2; p++) {
        id_of[p] = id;
        if (p < PERSONAS) number_at[id] = p;
        bool wide =
            layout == LAYOUT_WIDE || (layout == LAYOUT_MIXED && random_below(random, 12) == 0);
        id += !wide                   ? 1
              : layout == LAYOUT_WIDE ? stride
                                      : (uint32_t)(1 + random_below(random, STRIDE_MAX));
    }
}

/* Who is who: links between personas; the customer is the lowest persona of the component. */
struct link {
    uint32_t a, b;
    int64_t known_ms;
    uint64_t position;
};
struct naive_directory {
    struct customer_directory interface;
    struct link links[LINKS_MAX];
    uint32_t count;
    bool is_known; /* its components have been asked for before */
};

/* By number of the persona, not by id. Kept while the links are the same. */
static const uint32_t *components(const struct naive_directory *directory, struct as_of as_of) {
    static uint32_t customer[PERSONAS];
    static struct as_of last;
    static uint32_t last_count;
    if (directory->is_known && last_count == directory->count && last.t_ms == as_of.t_ms &&
        last.position == as_of.position)
        return customer;
    last = as_of;
    last_count = directory->count;
    ((struct naive_directory *)(uintptr_t)directory)->is_known = true;
    for (uint32_t p = 0; p < PERSONAS; p++) customer[p] = p;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < directory->count; i++) {
            const struct link *link = &directory->links[i];
            if (link->position >= as_of.position || link->known_ms > as_of.t_ms) continue;
            uint32_t low =
                customer[link->a] < customer[link->b] ? customer[link->a] : customer[link->b];
            changed |= customer[link->a] != low || customer[link->b] != low;
            customer[link->a] = customer[link->b] = low;
        }
    }
    return customer;
}
static uint32_t persona_count(const struct customer_directory *directory, uint64_t position) {
    (void)directory, (void)position;
    return IDS;
}
static struct customer_id customer_of(const struct customer_directory *directory,
                                      struct persona_id persona, struct as_of as_of) {
    const uint32_t *customer = components((const struct naive_directory *)directory, as_of);
    return (struct customer_id){id_of[customer[number_at[persona.value]]]};
}
static uint32_t personas_of(const struct customer_directory *directory, struct customer_id wanted,
                            struct as_of as_of, struct persona_id *out, uint32_t max) {
    uint32_t count = 0;
    if (wanted.value >= IDS || number_at[wanted.value] == ID_NONE) return 0;
    const uint32_t *customer = components((const struct naive_directory *)directory, as_of);
    for (uint32_t p = 0; p < PERSONAS; p++) {
        if (customer[p] != customer[number_at[wanted.value]]) continue;
        if (count < max) out[count].value = id_of[p];
        count++;
    }
    return count;
}
static void snapshot(const struct customer_directory *directory, struct as_of as_of,
                     uint32_t *customer, uint32_t count) {
    const uint32_t *all = components((const struct naive_directory *)directory, as_of);
    for (uint32_t p = 0; p < count; p++)
        customer[p] = number_at[p] == ID_NONE ? p : id_of[all[number_at[p]]];
}
static const struct customer_directory_ops directory_ops = {persona_count, customer_of, personas_of,
                                                            snapshot};

/* Both sides. */
struct held {
    struct timeline_reader *view, *model;
};
struct view_world {
    struct naive_directory directory;
    struct column_set columns;
    struct memory_source *model;
    struct versions versions;
    struct view_source view;
    struct stored_run *runs[VERSION_RUNS_MAX];
    uint32_t run_count;
    struct tail *tails[2];
    uint32_t tail_count;
    uint64_t position;
    uint64_t run_number;
    struct superseded *superseded;
    uint32_t persona[EVENTS_MAX]; /* by position */
    struct held held[HELD_MAX];
};
static struct random rng;
static char directory_path[] = "/tmp/attune-view-XXXXXX";
static uint64_t seed = 7, rounds = 60;

static const struct column all_columns[] = {
    {1, VALUE_NUMBER}, {2, VALUE_TEXT}, {3, VALUE_MONEY},  {4, VALUE_YES_NO},
    {5, VALUE_TIME},   {6, VALUE_LIST}, {2, VALUE_NUMBER},
};
#define COLUMNS (sizeof all_columns / sizeof all_columns[0])

static void publish(struct view_world *world) {
    struct version *version =
        version_create(world->runs, world->run_count, world->tails, world->tail_count,
                       &world->columns, &world->directory.interface);
    assert_non_null(version);
    version_add_keys(version, NULL, 0, world->superseded);
    versions_publish(&world->versions, version);
}

static void world_init(struct view_world *world) {
    memset(world, 0, sizeof *world);
    world->directory.interface.ops = &directory_ops;
    world->columns.count = COLUMNS;
    memcpy(world->columns.columns, all_columns, sizeof all_columns);
    assert_int_equal(
        memory_source_create(&world->model, &world->columns, &world->directory.interface),
        STATUS_OK);
    assert_int_equal(tail_create(&world->tails[0], 0), STATUS_OK);
    world->tail_count = 1;
    publish(world);
    view_source_init(&world->view, &world->versions, NULL);
    if (random_below(&rng, 2)) world->view.stray_rows = random_below(&rng, 40);
}

static void pack(struct event_batch *batch, struct event *event) {
    static const char *const texts[] = {"red", "green", "",
                                        "a longer text that is told again and again"};
    struct packed_writer writer;
    packed_writer_init(&writer);
    packed_begin(&writer);
    if (random_below(&rng, 2))
        assert_int_equal(packed_add(&writer, 1, value_number((double)random_below(&rng, 9))), 0);
    if (random_below(&rng, 3))
        assert_int_equal(
            packed_add(&writer, 2, value_text(text_from(texts[random_below(&rng, 4)]))), 0);
    if (!random_below(&rng, 9)) assert_int_equal(packed_add(&writer, 2, value_number(2)), 0);
    if (!random_below(&rng, 8))
        assert_int_equal(
            packed_add(&writer, 3, value_money((int64_t)random_below(&rng, 999) - 500, 7)), 0);
    if (!random_below(&rng, 4))
        assert_int_equal(packed_add(&writer, 4, value_yes_no(random_below(&rng, 2))), 0);
    if (!random_below(&rng, 40)) assert_int_equal(packed_add(&writer, 5, value_time(-5)), 0);
    if (!random_below(&rng, 5)) {
        struct value list = {.type = VALUE_LIST, .text = TEXT("\x02\x06\x07")};
        assert_int_equal(packed_add(&writer, 6, list), 0);
    }
    event->properties = (uint32_t)batch->bytes.length;
    if (random_below(&rng, 6)) assert_int_equal(packed_end(&writer, &batch->bytes), STATUS_OK);
    event->properties_length = (uint32_t)(batch->bytes.length - event->properties);
    packed_writer_release(&writer);
}

static void append(struct view_world *world) {
    struct event_batch batch;
    event_batch_init(&batch);
    uint32_t count = 1 + (uint32_t)random_below(&rng, 60);
    for (uint32_t i = 0; i < count; i++) {
        struct event *event = event_batch_add(&batch);
        assert_non_null(event);
        /* Time runs with the position; a third is late, and ties are frequent. */
        event->time_ms = (int64_t)(world->position / 4 + random_below(&rng, 20));
        if (!random_below(&rng, 3)) event->time_ms -= (int64_t)random_below(&rng, 300);
        event->known_ms =
            event->time_ms + (random_below(&rng, 3) ? 0 : (int64_t)random_below(&rng, 50));
        event->key.low = random_u64(&rng);
        event->persona.value = id_of[random_below(&rng, 1 + random_below(&rng, PERSONAS))];
        event->type = (uint16_t)random_below(&rng, 10);
        event->source = (uint16_t)random_below(&rng, 3);
        event->channel = (uint8_t)random_below(&rng, 4);
        /* A sixth is a newer version of an earlier row, often of somebody else. */
        uint64_t before = world->position + i;
        if (!random_below(&rng, 6) && before > 1) {
            event->replaces = 1 + random_below(&rng, before - 1);
            event->replaces_persona = (struct persona_id){world->persona[event->replaces]};
        }
        world->persona[world->position + i] = event->persona.value;
        pack(&batch, event);
    }
    struct tail *tail = world->tails[world->tail_count - 1];
    assert_int_equal(memory_source_add(world->model, &batch), STATUS_OK);
    const struct store_frame frame = {.batch = &batch};
    assert_int_equal(tail_reserve(tail, &frame), STATUS_OK);
    tail_apply(tail, &frame, world->position - 1, world->position + count, (struct log_place){0});
    world->position += count;
    event_batch_release(&batch);
}

static void link_two(struct view_world *world) {
    struct naive_directory *directory = &world->directory;
    if (directory->count == LINKS_MAX) return;
    directory->links[directory->count++] = (struct link){
        (uint32_t)random_below(&rng, PERSONAS), (uint32_t)random_below(&rng, PERSONAS),
        (int64_t)(world->position / 4), world->position == 0 ? 0 : world->position - 1};
}

static uint32_t newest_row(const void *context, uint32_t persona) {
    return tail_newest_reference(context, (struct persona_id){persona});
}

static uint32_t get_tail_row(const void *context, uint32_t number, struct run_row *out) {
    const struct tail_row *row = tail_row_at(context, number);
    *out = (struct run_row){.time_ms = row->time_ms,
                            .known_ms = row->known_ms,
                            .key = row->key,
                            .persona = row->persona,
                            .position = tail_row_position(context, row),
                            .type = row->type,
                            .source = row->source,
                            .channel = row->channel,
                            .packed = tail_packed(row)};
    return row->previous;
}

static const char *next_path(struct view_world *world) {
    static char path[64];
    snprintf(path, sizeof path, "%s/%llu.run", directory_path,
             (unsigned long long)++world->run_number);
    return path;
}

/* A playbook of some time ago: some of the columns. */
static struct column_set some_columns(void) {
    struct column_set set = {.count = 0};
    for (size_t c = 0; c < COLUMNS; c++) {
        if (random_below(&rng, 4)) set.columns[set.count++] = all_columns[c];
    }
    return set;
}

static struct stored_run *open_stored(struct view_world *world, const char *path) {
    struct run *run;
    struct stored_run *stored;
    assert_int_equal(run_open(&run, file_system_os(), path, NULL), STATUS_OK);
    assert_int_equal(stored_run_create(&stored, run, world->run_number), STATUS_OK);
    assert_int_equal(run_check(file_system_os(), path, NULL, NULL, NULL, NULL), STATUS_OK);
    unlink(path);
    return stored;
}

static void begin_fold(struct view_world *world) {
    if (world->tail_count == 2) return;
    assert_int_equal(tail_create(&world->tails[1], world->position), STATUS_OK);
    world->tail_count = 2;
    publish(world);
}

static void fold_superseded(struct view_world *world) {
    static struct superseded_row rows[EVENTS_MAX];
    const struct superseded_tail *tail = tail_superseded(world->tails[0]);
    uint64_t count = 0, bytes;
    if (superseded_tail_count(tail) == 0) return;
    for (; world->superseded != NULL && count < world->superseded->count; count++)
        rows[count] = world->superseded->rows[count];
    for (uint32_t i = 0; i < superseded_tail_count(tail); i++) {
        rows[count] = *superseded_tail_at(tail, i);
        rows[count++].zero = 0;
    }
    const char *path = next_path(world);
    assert_int_equal(superseded_write(file_system_os(), path, rows, count, &bytes, NULL),
                     STATUS_OK);
    superseded_dereference(world->superseded);
    assert_int_equal(superseded_open(&world->superseded, file_system_os(), path, NULL), STATUS_OK);
    unlink(path);
}

static void end_fold(struct view_world *world) {
    static uint32_t customer[IDS], personas[IDS];
    if (world->tail_count < 2) return;
    const struct tail *tail = world->tails[0];
    uint32_t count = tail_count(tail);
    assert_true(tail_persona_count(tail) <= IDS);
    tail_personas(tail, personas);
    snapshot(&world->directory.interface, (struct as_of){INT64_MAX, POSITION_NOW}, customer, IDS);
    struct column_set set = some_columns();
    struct run_target target = {file_system_os(), next_path(world), &set, NULL, NULL};
    struct run_rows source = {.count = count,
                              .personas = personas,
                              .persona_count = tail_persona_count(tail),
                              .newest = newest_row,
                              .get = get_tail_row,
                              .context = tail};
    struct run_info info;
    enum status status = run_write(&target, &source, customer, IDS, &info, NULL);
    assert_int_equal(status, count > 0 ? STATUS_OK : STATUS_END);
    if (status == STATUS_OK) world->runs[world->run_count++] = open_stored(world, target.path);
    fold_superseded(world);
    tail_dereference(world->tails[0]);
    world->tails[0] = world->tails[1];
    world->tail_count = 1;
    publish(world);
}

static void merge_runs(struct view_world *world) {
    if (world->run_count < 2) return;
    static uint32_t customer[IDS];
    uint32_t count = 1 + (uint32_t)random_below(&rng, world->run_count);
    uint32_t first = (uint32_t)random_below(&rng, world->run_count - count + 1);
    struct run *runs[VERSION_RUNS_MAX];
    for (uint32_t r = 0; r < count; r++) runs[r] = world->runs[first + r]->run;
    snapshot(&world->directory.interface, (struct as_of){INT64_MAX, POSITION_NOW}, customer, IDS);
    struct column_set set = some_columns();
    struct run_target target = {file_system_os(), next_path(world), &set, NULL, NULL};
    struct run_merge merge = {.runs = runs,
                              .run_count = count,
                              .customer = customer,
                              .persona_count = IDS,
                              .customer_to = ID_NONE};
    struct run_info info;
    assert_int_equal(run_merge(&target, &merge, &info, NULL), STATUS_OK);
    for (uint32_t r = 0; r < count; r++) stored_run_dereference(world->runs[first + r]);
    world->runs[first] = open_stored(world, target.path);
    world->run_count -= count - 1;
    for (uint32_t r = first + 1; r < world->run_count; r++)
        world->runs[r] = world->runs[r + count - 1];
    publish(world);
}

static void same_columns(const struct view_world *world, const uint64_t *wanted,
                         const struct timeline *a, const struct timeline *b) {
    for (uint32_t c = 0; c < COLUMNS; c++) {
        bool asked = wanted[0] >> c & 1;
        if (!asked) assert_null(a->columns[c].cells);
        for (uint32_t i = 0; asked && i < a->count; i++) {
            struct value x = column_value(&a->columns[c], world->columns.columns[c].type, i);
            struct value y = column_value(&b->columns[c], world->columns.columns[c].type, i);
            if (!value_equal(x, y)) print_message("column %u row %u of %u\n", c, i, a->count);
            assert_true(value_equal(x, y));
        }
    }
}

static void same(const struct view_world *world, const struct timeline_request *request,
                 const struct timeline *a, const struct timeline *b) {
    assert_int_equal(a->customer.value, b->customer.value);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->time_ms, b->time_ms, a->count * sizeof *a->time_ms);
    assert_memory_equal(a->type, b->type, a->count * sizeof *a->type);
    uint32_t needs = request->needs;
    if (needs & TIMELINE_CHANNEL) assert_memory_equal(a->channel, b->channel, a->count);
    if (needs & TIMELINE_POSITION)
        assert_memory_equal(a->position, b->position, a->count * sizeof *a->position);
    if (needs & TIMELINE_PERSONA)
        assert_memory_equal(a->persona, b->persona, a->count * sizeof *a->persona);
    if (needs & TIMELINE_SOURCE)
        assert_memory_equal(a->source, b->source, a->count * sizeof *a->source);
    for (uint32_t i = 0; i < a->count && needs & TIMELINE_KNOWN; i++) {
        assert_int_equal(a->known_ms == NULL ? a->time_ms[i] : a->known_ms[i], b->known_ms[i]);
        assert_true((a->superseded_ms == NULL ? INT64_MAX : a->superseded_ms[i]) ==
                    b->superseded_ms[i]);
    }
    same_columns(world, request->columns, a, b);
    for (uint32_t i = 0; i < a->count; i++) {
        struct text x, y;
        enum status status = a->ops->packed(a, i, &x);
        assert_int_equal(status, needs & TIMELINE_PACKED ? STATUS_OK : STATUS_INVALID);
        if (status != STATUS_OK) break;
        assert_int_equal(b->ops->packed(b, i, &y), STATUS_OK);
        assert_true(text_equal(x, y));
    }
}

static struct timeline_request random_request(const struct view_world *world, uint64_t *wanted) {
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW}, .columns = wanted};
    if (random_below(&rng, 2))
        request.as_of.t_ms = (int64_t)random_below(&rng, world->position / 4 + 30);
    if (random_below(&rng, 2)) request.as_of.position = random_below(&rng, world->position + 1);
    if (random_below(&rng, 3)) request.needs = (uint32_t)random_below(&rng, 64);
    *wanted = random_below(&rng, 3) ? random_below(&rng, 1 << COLUMNS) : 0;
    return request;
}

static void compare_read(const struct view_world *world, const struct held *held,
                         const struct timeline_request *request, uint32_t customer) {
    struct timeline a, b;
    const struct timeline_source_ops *x = held->view->source->ops, *y = held->model->source->ops;
    enum status status = x->read(held->view, (struct customer_id){customer}, request, &a, NULL);
    enum status expected = y->read(held->model, (struct customer_id){customer}, request, &b, NULL);
    assert_int_equal(status, expected);
    if (status == STATUS_OK) same(world, request, &a, &b);
}

/* All shares of the walk together are all customers, each once; ascending; each timeline is what
 * reading him gives. */
static void compare_walk(const struct view_world *world, const struct held *held) {
    uint64_t wanted, inner_wanted;
    struct timeline_request request = random_request(world, &wanted),
                            inner = random_request(world, &inner_wanted);
    const struct timeline_source_ops *x = held->view->source->ops, *y = held->model->source->ops;
    struct timeline a, b;
    bool seen[PERSONAS] = {false};
    uint32_t expected = 0, parts = 1 + (uint32_t)random_below(&rng, 3), found = 0;
    assert_int_equal(y->walk(held->model, &request, 0, 1, NULL), STATUS_OK);
    while (y->next(held->model, &b, NULL) == STATUS_OK) expected++;
    for (uint32_t part = 0; part < parts; part++) {
        int64_t before = -1;
        assert_int_equal(x->walk(held->view, &request, part, parts, NULL), STATUS_OK);
        enum status status;
        while ((status = x->next(held->view, &a, NULL)) == STATUS_OK) {
            assert_true((int64_t)a.customer.value > before);
            before = a.customer.value;
            assert_false(seen[number_at[a.customer.value]]);
            seen[number_at[a.customer.value]] = true;
            found++;
            assert_int_equal(y->read(held->model, a.customer, &request, &b, NULL), STATUS_OK);
            same(world, &request, &a, &b);
            if (random_below(&rng, 5) == 0)
                compare_read(world, held, &inner, id_of[random_below(&rng, PERSONAS)]);
        }
        assert_int_equal(status, STATUS_END);
    }
    assert_int_equal(found, expected);
}

static void compare(const struct view_world *world, const struct held *held) {
    assert_int_equal(held->view->source->ops->position(held->view),
                     held->model->source->ops->position(held->model));
    for (int i = 0; i < 3; i++) compare_walk(world, held);
    for (int i = 0; i < 20; i++) {
        uint64_t wanted;
        struct timeline_request request = random_request(world, &wanted);
        compare_read(world, held, &request, id_of[random_below(&rng, PERSONAS + 2)]);
    }
}

static void close_held(struct held *held) {
    if (held->view == NULL) return;
    held->view->source->ops->reader_close(held->view);
    held->model->source->ops->reader_close(held->model);
    *held = (struct held){0};
}

static void open_held(struct view_world *world, struct held *held) {
    struct timeline_source *model = memory_source_interface(world->model);
    close_held(held);
    assert_int_equal(
        world->view.interface.ops->reader_open(&world->view.interface, &held->view, NULL),
        STATUS_OK);
    assert_int_equal(model->ops->reader_open(model, &held->model, NULL), STATUS_OK);
}

static void step(struct view_world *world) {
    switch (random_below(&rng, 8)) {
    case 0:
    case 1:
    case 2: append(world); break;
    case 3:
        for (int i = 0; i < 3; i++) link_two(world);
        break;
    case 4: begin_fold(world); break;
    case 5: end_fold(world); break;
    case 6:
        if (!random_below(&rng, 3)) merge_runs(world);
        break;
    default: open_held(world, &world->held[random_below(&rng, HELD_MAX)]); break;
    }
}

static void view_is_the_model(void **state) {
    (void)state;
    static struct view_world world;
    for (uint64_t round = 0; round < rounds; round++) {
        random_init(&rng, seed + round);
        lay_out((enum layout)((seed + round) % LAYOUT_COUNT), &rng);
        world_init(&world);
        for (int steps = 0; steps < 80; steps++) {
            step(&world);
            struct held *held = &world.held[random_below(&rng, HELD_MAX)];
            if (steps % 8 == 7 && held->view != NULL) compare(&world, held);
        }
        open_held(&world, &world.held[0]);
        for (int h = 0; h < HELD_MAX; h++) {
            if (world.held[h].view != NULL) compare(&world, &world.held[h]);
            close_held(&world.held[h]);
        }
        versions_release(&world.versions);
        for (uint32_t r = 0; r < world.run_count; r++) stored_run_dereference(world.runs[r]);
        for (uint32_t t = 0; t < world.tail_count; t++) tail_dereference(world.tails[t]);
        superseded_dereference(world.superseded);
        memory_source_destroy(world.model);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(view_is_the_model)};
    if (argc > 1) seed = strtoull(argv[1], NULL, 10);
    if (argc > 2) rounds = strtoull(argv[2], NULL, 10);
    printf("seed %llu, %llu rounds\n", (unsigned long long)seed, (unsigned long long)rounds);
    if (mkdtemp(directory_path) == NULL) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory_path);
    return failed;
}
