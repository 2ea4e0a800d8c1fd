/* SPDX-License-Identifier: Apache-2.0 */
/* Rows under keys against a naive model: random appends, retries, corrections, retractions, new
 * readings, merges of customers, erasures, with folds, merges of runs, rebuilds, backups and
 * reopenings at any moment. Compared: what the store says of each key, and what readers see at many
 * (t, position), by single reads and by walks, the fast and the slow way.
 * Usage: store_rows_test [SEED [TRIALS]]; a failure prints the seed that repeats it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/hash.h"
#include "base/random.h"
#include "event/timeline_source.h"
#include "store/store.h"
#include "support/simulated_disk.h"

#define PERSONAS     24
#define KEYS         90
#define LINKS_MAX    40
#define VERSIONS_MAX 20000
#define DAYS         40
#define T0           INT64_C(1500000000000)
#define DAY          INT64_C(86400000)

struct version_of { /* an event */
    struct event event;
    uint64_t position;
    int key;
    bool erased;
};
struct superseding {
    uint64_t position, by;
    int64_t known_ms;
};
struct known_key {
    bool is_known, retracted;
    uint64_t content, position;
    int64_t version;
    uint16_t reading;
    uint32_t persona;
};
struct link {
    uint32_t a, b;
    int64_t known_ms;
    uint64_t position;
};

static struct {
    struct customer_directory directory;
    struct link links[LINKS_MAX];
    uint32_t link_count;
    struct version_of versions[VERSIONS_MAX];
    struct superseding superseded[VERSIONS_MAX];
    struct known_key keys[KEYS];
    size_t version_count, superseded_count;
    struct simulated_disk *disk;
    struct symbols *symbols;
    struct store *store;
    struct timeline_reader *held;
    uint64_t held_position;
    struct random random;
    uint64_t content, whole_count;
    char why[256];
} world;

static uint64_t below(uint64_t n) {
    return random_below(&world.random, n);
}

/* ---- who is who ---- */

static void components(struct as_of as_of, uint32_t customer[PERSONAS]) {
    for (uint32_t p = 0; p < PERSONAS; p++) customer[p] = p;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < world.link_count; i++) {
            const struct link *link = &world.links[i];
            if (link->position >= as_of.position || link->known_ms > as_of.t_ms) continue;
            uint32_t a = customer[link->a], b = customer[link->b], low = a < b ? a : b;
            changed |= a != b;
            customer[link->a] = customer[link->b] = low;
        }
    }
}
static uint32_t persona_count(const struct customer_directory *directory, uint64_t position) {
    (void)directory, (void)position;
    return PERSONAS;
}
static struct customer_id customer_of(const struct customer_directory *directory,
                                      struct persona_id persona, struct as_of as_of) {
    uint32_t customer[PERSONAS];
    (void)directory;
    components(as_of, customer);
    return (struct customer_id){customer[persona.value]};
}
static uint32_t personas_of(const struct customer_directory *directory, struct customer_id wanted,
                            struct as_of as_of, struct persona_id *out, uint32_t max) {
    uint32_t customer[PERSONAS], count = 0;
    (void)directory;
    components(as_of, customer);
    for (uint32_t p = 0; p < PERSONAS; p++) {
        if (wanted.value >= PERSONAS || customer[p] != customer[wanted.value]) continue;
        if (count < max) out[count] = (struct persona_id){p};
        count++;
    }
    return count;
}
static void snapshot(const struct customer_directory *directory, struct as_of as_of, uint32_t *out,
                     uint32_t count) {
    uint32_t customer[PERSONAS];
    (void)directory;
    components(as_of, customer);
    for (uint32_t p = 0; p < count; p++) out[p] = customer[p];
}
static const struct customer_directory_ops directory_ops = {persona_count, customer_of, personas_of,
                                                            snapshot};

/* ---- the store ---- */

static bool open_store(const char *directory, struct store **out) {
    static const struct column_set columns = {
        .columns = {{PROPERTY_VALUE, VALUE_NUMBER}, {PROPERTY_REASON, VALUE_TEXT}}, .count = 2};
    const struct store_options options = {
        .fs = simulated_disk_interface(world.disk),
        .directory = directory,
        .create = true,
        .symbols = world.symbols,
        .columns = &columns,
        .directory_of_customers = &world.directory,
        .fold_by_hand = true,
    };
    struct error error;
    if (store_open(out, &options, &error) == STATUS_OK) return true;
    snprintf(world.why, sizeof world.why, "opening: %.200s", error.text);
    return false;
}

static struct row_key key_of(int key) {
    /* Pairs of keys differ in the upper half alone. */
    return (struct row_key){hash_u64((uint64_t)(key / 2) + 1), (uint32_t)(key % 2) * 77 + 1};
}

static void fill_event(struct event_batch *batch, struct event *event, uint64_t number) {
    struct packed_writer writer;
    packed_writer_init(&writer);
    packed_begin(&writer);
    event->properties = (uint32_t)batch->bytes.length;
    if (packed_add(&writer, PROPERTY_VALUE, value_number((double)number)) ||
        packed_end(&writer, &batch->bytes))
        abort();
    event->properties_length = (uint32_t)batch->bytes.length - event->properties;
    packed_writer_release(&writer);
}

static void remember(const struct event *event, uint64_t position, int key) {
    if (world.version_count == VERSIONS_MAX) abort();
    world.versions[world.version_count++] = (struct version_of){*event, position, key, false};
    if (event->replaces)
        world.superseded[world.superseded_count++] =
            (struct superseding){event->replaces, position, event->known_ms};
    if (key < 0) return;
    world.keys[key] = (struct known_key){.is_known = true,
                                         .content = event->content,
                                         .position = position,
                                         .version = event->version,
                                         .reading = event->reading,
                                         .persona = event->persona.value};
}

static bool key_is_as_known(int key, struct stored_key *stored, bool *found) {
    struct error error;
    const struct known_key *model = &world.keys[key];
    if (store_key_find(world.store, key_of(key), stored, found, &error)) {
        snprintf(world.why, sizeof world.why, "key %d: %.200s", key, error.text);
        return false;
    }
    bool same = *found == model->is_known;
    if (same && *found)
        same = stored->content == model->content && stored->position == model->position &&
               stored->version == model->version && stored->reading == model->reading &&
               stored->persona.value == model->persona && stored->retracted == model->retracted &&
               !stored->legacy;
    bool whole = store_key_is_known(world.store, key_of(key), model->content, model->reading);
    world.whole_count += whole;
    if (whole && (!model->is_known || model->retracted)) same = false;
    if (store_key_is_known(world.store, key_of(key), model->content + 1, model->reading))
        same = false;
    if (!same)
        snprintf(world.why, sizeof world.why, "key %d: found %d retracted %d at %" PRIu64, key,
                 *found, *found && stored->retracted, *found ? stored->position : 0);
    return same;
}

static void draw_event(struct event *event) {
    event->time_ms = T0 + (int64_t)below(DAYS) * DAY;
    event->known_ms = event->time_ms + (int64_t)below(4) * DAY;
    event->persona.value = (uint32_t)below(PERSONAS);
    event->type = (uint16_t)below(5);
    event->source = (uint16_t)below(3);
    event->content = ++world.content;
    event->reading = (uint16_t)below(3);
    if (!below(3)) event->version = (int64_t)below(1000) - 500;
}

/* One frame: new rows, rows without a key, corrections, retractions, new readings; what comes again
 * as it was is dropped, as the engine does it. */
static bool append(void) {
    static struct key_change changes[64];
    struct event_batch batch;
    struct error error;
    struct store_frame frame = {.batch = &batch, .changes = changes};
    uint64_t first = store_position(world.store) + 1, position;
    int event_key[64];
    bool changed[KEYS] = {false};
    event_batch_init(&batch);
    bool good = true;
    for (uint64_t n = 1 + below(40); good && n > 0; n--) {
        int key = below(4) ? (int)below(KEYS) : -1;
        struct stored_key stored = {0};
        bool found = false, in_frame = false;
        if (key >= 0 && changed[key]) continue;
        for (size_t i = 0; key >= 0 && i < batch.event_count; i++) {
            if (event_key[i] != key) continue;
            in_frame = found = true;
            stored.position = first + i;
            stored.persona = batch.events[i].persona;
        }
        if (key >= 0 && !in_frame) good = key_is_as_known(key, &stored, &found);
        if (!good || (found && !below(4))) continue; /* the same again */
        if (found && !in_frame && !below(3)) {
            changes[frame.change_count++] = (struct key_change){
                .key = key_of(key),
                .content = ++world.content,
                .version = below(2) ? ROW_VERSION_NONE : (int64_t)below(100),
                .position = stored.position,
                .persona = stored.persona,
                .reading = (uint16_t)below(3),
                .retracts = below(2),
                .known_ms = T0 + (int64_t)below(DAYS) * DAY,
            };
            changed[key] = true;
            continue;
        }
        struct event *event = event_batch_add(&batch);
        event_key[batch.event_count - 1] = key;
        draw_event(event);
        if (key >= 0) event->key = key_of(key);
        if (found) {
            event->replaces = stored.position;
            event->replaces_persona = stored.persona;
        }
        fill_event(&batch, event, first + batch.event_count - 1);
    }
    enum status status =
        good ? store_append(world.store, &frame, below(2), &position, &error) : STATUS_INVALID;
    if (good && status) snprintf(world.why, sizeof world.why, "append: %.200s", error.text);
    for (size_t i = 0; status == STATUS_OK && i < batch.event_count; i++)
        remember(&batch.events[i], first + i, event_key[i]);
    for (size_t i = 0; status == STATUS_OK && i < frame.change_count; i++) {
        const struct key_change *change = &changes[i];
        int key = 0;
        while (!row_key_equal(key_of(key), change->key)) key++;
        struct known_key *known = &world.keys[key];
        known->content = change->content;
        known->version = change->version;
        known->reading = change->reading;
        known->retracted = change->retracts;
        if (change->retracts)
            world.superseded[world.superseded_count++] =
                (struct superseding){change->position, first - 1, change->known_ms};
    }
    event_batch_release(&batch);
    return status == STATUS_OK;
}

static bool names_nobody(void *context, struct text packed) {
    (void)context;
    struct value value = packed_find(packed, PROPERTY_VALUE);
    return value.type == VALUE_NUMBER && (uint64_t)value.number % 50 == 7;
}

static bool erase(void) {
    struct persona_id personas[3];
    struct store_erased erased;
    struct error error;
    size_t count = below(3);
    bool by_name = !below(3);
    for (size_t i = 0; i < count; i++) personas[i].value = (uint32_t)below(PERSONAS);
    const struct store_erasure erasure = {.personas = personas,
                                          .persona_count = count,
                                          .naming_type = 3,
                                          .names_them = by_name ? names_nobody : NULL};
    if (store_erase(world.store, &erasure, &erased, &error)) {
        snprintf(world.why, sizeof world.why, "erase: %.200s", error.text);
        return false;
    }
    for (size_t v = 0; v < world.version_count; v++) {
        struct version_of *version = &world.versions[v];
        bool goes = by_name && version->event.type == 3 && version->position % 50 == 7;
        for (size_t i = 0; i < count; i++)
            goes = goes || version->event.persona.value == personas[i].value;
        if (!goes) continue;
        version->erased = true;
        if (version->key >= 0 && world.keys[version->key].position == version->position)
            world.keys[version->key] = (struct known_key){0};
    }
    if (world.held) world.held->source->ops->reader_close(world.held);
    world.held = NULL;
    return true;
}

/* ---- comparing what readers see ---- */

static int64_t superseded_ms(uint64_t position, uint64_t as_of) {
    int64_t since_ms = INT64_MAX;
    for (size_t i = 0; i < world.superseded_count; i++) {
        const struct superseding *by = &world.superseded[i];
        if (by->position == position && by->by < as_of && by->known_ms < since_ms)
            since_ms = by->known_ms;
    }
    return since_ms;
}

static int by_time(const void *a, const void *b) {
    const struct version_of *x = *(const struct version_of *const *)a,
                            *y = *(const struct version_of *const *)b;
    if (x->event.time_ms != y->event.time_ms) return x->event.time_ms < y->event.time_ms ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

static size_t expected_rows(uint32_t customer, const struct timeline_request *request,
                            const struct version_of **out) {
    uint32_t now[PERSONAS];
    size_t count = 0;
    components(request->as_of, now);
    for (size_t v = 0; v < world.version_count; v++) {
        const struct version_of *version = &world.versions[v];
        int64_t t_ms = request->as_of.t_ms;
        if (version->erased || version->position >= request->as_of.position ||
            version->event.time_ms > t_ms || version->event.known_ms > t_ms ||
            now[version->event.persona.value] != customer)
            continue;
        if (!(request->needs & TIMELINE_KNOWN) &&
            superseded_ms(version->position, request->as_of.position) <= t_ms &&
            superseded_ms(version->position, request->as_of.position) != INT64_MAX)
            continue;
        out[count++] = version;
    }
    if (count) qsort(out, count, sizeof *out, by_time);
    return count;
}

static bool same_rows(const struct timeline *timeline, const struct timeline_request *request) {
    static const struct version_of *rows[VERSIONS_MAX];
    size_t count = expected_rows(timeline->customer.value, request, rows);
    bool same = count == timeline->count;
    for (uint32_t i = 0; same && i < count; i++) {
        const struct event *event = &rows[i]->event;
        same = timeline->time_ms[i] == event->time_ms && timeline->type[i] == event->type;
        if (request->needs & TIMELINE_POSITION)
            same = same && timeline->position[i] == rows[i]->position;
        if (request->needs & TIMELINE_PERSONA)
            same = same && timeline->persona[i] == event->persona.value;
        if (request->columns)
            same = same && column_number(&timeline->columns[0], i) == (double)rows[i]->position;
        if (!(request->needs & TIMELINE_KNOWN)) continue;
        int64_t since_ms = timeline->superseded_ms ? timeline->superseded_ms[i] : INT64_MAX;
        same = same && timeline->known_ms[i] == event->known_ms &&
               since_ms == superseded_ms(rows[i]->position, request->as_of.position);
    }
    if (!same)
        snprintf(world.why, sizeof world.why,
                 "customer %u as of (%" PRId64 ", %" PRIu64
                 "), needs %u: %u rows, not %zu, or others",
                 timeline->customer.value, (request->as_of.t_ms - T0) / DAY,
                 request->as_of.position, request->needs, timeline->count, count);
    return same;
}

static bool compare_reads(struct timeline_reader *reader, const struct timeline_request *request) {
    static const struct version_of *rows[VERSIONS_MAX];
    uint32_t now[PERSONAS];
    bool same = true;
    components(request->as_of, now);
    for (uint32_t p = 0; same && p < PERSONAS; p++) {
        struct timeline timeline;
        struct error error;
        enum status status =
            reader->source->ops->read(reader, (struct customer_id){p}, request, &timeline, &error);
        if (status == STATUS_NOT_FOUND) {
            same = expected_rows(now[p], request, rows) == 0;
            if (!same) snprintf(world.why, sizeof world.why, "customer %u is not found", p);
        } else {
            same = status == STATUS_OK && timeline.customer.value == now[p] &&
                   same_rows(&timeline, request);
        }
    }
    return same;
}

static bool compare_walk(struct timeline_reader *reader, const struct timeline_request *request) {
    static const struct version_of *rows[VERSIONS_MAX];
    uint32_t parts = 1 + (uint32_t)below(2), now[PERSONAS], expected = 0, seen = 0;
    bool same = true;
    components(request->as_of, now);
    for (uint32_t p = 0; p < PERSONAS; p++)
        expected += now[p] == p && expected_rows(p, request, rows) > 0;
    for (uint32_t part = 0; same && part < parts; part++) {
        struct timeline timeline;
        struct error error;
        enum status status = reader->source->ops->walk(reader, request, part, parts, &error);
        while (same && status == STATUS_OK) {
            status = reader->source->ops->next(reader, &timeline, &error);
            if (status != STATUS_OK) break;
            seen++;
            same = same_rows(&timeline, request);
        }
        same = same && status == STATUS_END;
    }
    if (same && seen != expected)
        snprintf(world.why, sizeof world.why, "a walk sees %u customers, not %u", seen, expected);
    return same && seen == expected;
}

static bool compare_reader(struct timeline_reader *reader, uint64_t pinned) {
    static const uint64_t first_column = 1;
    bool same = true;
    for (int i = 0; same && i < 4; i++) {
        struct timeline_request request = {.as_of = {INT64_MAX, pinned}};
        if (below(3)) request.as_of.t_ms = T0 + (int64_t)below(DAYS + 5) * DAY;
        if (below(2)) request.as_of.position = below(pinned + 1);
        if (below(2)) request.needs = TIMELINE_POSITION | TIMELINE_PERSONA;
        if (!below(3)) request.needs |= TIMELINE_KNOWN;
        if (below(2)) request.columns = &first_column;
        same = compare_reads(reader, &request) && compare_walk(reader, &request);
    }
    return same;
}

static bool compare(struct store *store) {
    struct timeline_source *source = store_source_written(store);
    struct timeline_reader *reader;
    struct error error;
    if (source->ops->reader_open(source, &reader, &error)) return false;
    bool same = compare_reader(reader, source->ops->position(reader));
    source->ops->reader_close(reader);
    return same;
}

static bool compare_all(void) {
    struct stored_key stored;
    bool found, same = compare(world.store);
    for (int key = 0; same && key < KEYS; key++) same = key_is_as_known(key, &stored, &found);
    if (same && world.held) same = compare_reader(world.held, world.held_position);
    return same;
}

/* ---- a trial ---- */

static bool check_disk(const char *directory) {
    struct error error;
    if (store_check(simulated_disk_interface(world.disk), directory, NULL, NULL, &error) ==
        STATUS_OK)
        return true;
    snprintf(world.why, sizeof world.why, "fsck: %.200s", error.text);
    return false;
}

static void close_all(void) {
    if (world.held) world.held->source->ops->reader_close(world.held);
    world.held = NULL;
    store_close(world.store);
    world.store = NULL;
}

static bool back_up(uint64_t step) {
    char path[32];
    struct error error;
    struct store *copy = NULL;
    snprintf(path, sizeof path, "backup-%" PRIu64, step);
    bool good = store_backup(world.store, path, NULL, &error) == STATUS_OK && check_disk(path) &&
                open_store(path, &copy) && compare(copy);
    store_close(copy);
    return good;
}

static bool did(enum status status, const char *what) {
    if (status) snprintf(world.why, sizeof world.why, "%s: %s", what, status_name(status));
    return status == STATUS_OK;
}

static bool step(uint64_t number) {
    struct timeline_source *source = store_source_written(world.store);
    switch (below(16)) {
    case 0: return did(store_fold(world.store, false, NULL), "fold");
    case 1: return did(store_fold(world.store, !below(2), NULL), "merge");
    case 2: return below(3) ? true : did(store_rebuild(world.store, NULL), "rebuild");
    case 3: return below(2) ? true : erase();
    case 4:
        if (world.link_count < LINKS_MAX && below(2))
            world.links[world.link_count++] =
                (struct link){(uint32_t)below(PERSONAS), (uint32_t)below(PERSONAS),
                              T0 + (int64_t)below(DAYS) * DAY, store_position(world.store)};
        return true;
    case 5: close_all(); return check_disk("data") && open_store("data", &world.store);
    case 6: return below(4) ? true : back_up(number);
    case 7:
        if (world.held) world.held->source->ops->reader_close(world.held);
        world.held = NULL;
        if (source->ops->reader_open(source, &world.held, NULL)) return false;
        world.held_position = source->ops->position(world.held);
        return true;
    default: return append();
    }
}

static uint64_t whole_rows; /* that store_key_is_known has told, in all trials */

static bool run_trial(uint64_t seed) {
    memset(&world, 0, sizeof world);
    random_init(&world.random, seed);
    world.directory.ops = &directory_ops;
    world.disk = simulated_disk_create(seed, 0);
    bool good = symbols_create(&world.symbols) == STATUS_OK && open_store("data", &world.store);
    uint64_t steps = 20 + below(60);
    for (uint64_t i = 0; good && i < steps; i++) {
        good = step(i);
        if (good && !below(4)) good = compare_all();
        if (!good) printf("seed %" PRIu64 ": after step %" PRIu64 ": %s\n", seed, i, world.why);
    }
    if (good) {
        good = compare_all();
        if (!good) printf("seed %" PRIu64 ": at the end: %s\n", seed, world.why);
    }
    close_all();
    if (good && !check_disk("data")) {
        printf("seed %" PRIu64 ": %s\n", seed, world.why);
        good = false;
    }
    whole_rows += world.whole_count;
    symbols_destroy(world.symbols);
    simulated_disk_destroy(world.disk);
    return good;
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             trials = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;
    uint64_t failed = 0;
    for (uint64_t i = 0; i < trials; i++) failed += !run_trial(seed + i);
    printf("%" PRIu64 " trials from seed %" PRIu64 ", %" PRIu64 " failed\n", trials, seed, failed);
    if (whole_rows == 0) printf("no row was ever known whole\n");
    return failed || whole_rows == 0 ? 1 : 0;
}
