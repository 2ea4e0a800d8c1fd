/* SPDX-License-Identifier: Apache-2.0 */
/* bench/memory.c -- what questions hold of memory, as the peak of the resident bytes above those
 * before: 16 threads that walk a tail share it, and versions of a lookup come and go with the times
 * that are asked about. Usage: memory [walks [EVENTS]] | [lookups [VERSIONS ROWS]]; a walk of
 * 4,000,000 events (16000000 is the full size) and 24 versions of 300,000 rows (365 1000000). */
#include "bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/random.h"
#include "engine/engine_internal.h"

#define THREADS      16
#define BATCH_EVENTS 20000u

static uint64_t status_bytes(const char *word) {
    char line[256];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, word, strlen(word)) == 0) sscanf(line + strlen(word), "%llu", &kilobytes);
    if (file) fclose(file);
    return kilobytes << 10;
}

/* The peak begins anew. */
static uint64_t resident_now(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
    return status_bytes("VmRSS:");
}

static void print(const char *name, uint64_t above, uint64_t one, const char *of) {
    char note[160];
    snprintf(note, sizeof note, "%" PRIu64 " MB above what was there before; %s: %" PRIu64 " MB",
             above >> 20, of, one >> 20);
    bench_print(&(struct measurement){.bench = "memory",
                                      .name = name,
                                      .unit = of,
                                      .ours = (double)above / (double)one,
                                      .note = note});
}

/* ---- walks ---- */

static struct timeline_source *source;
static struct as_of moment;
static pthread_barrier_t together;

static void *walk(void *argument) {
    uint32_t part = *(const uint32_t *)argument;
    struct timeline_request request = {.as_of = moment};
    struct timeline_reader *reader;
    struct timeline timeline;
    struct error error = {0};
    if (source->ops->reader_open(source, &reader, &error)) bench_fail("%s", error.text);
    pthread_barrier_wait(&together);
    enum status status = source->ops->walk(reader, &request, part, THREADS, &error);
    uint64_t rows = 0;
    while (status == STATUS_OK &&
           (status = source->ops->next(reader, &timeline, &error)) == STATUS_OK)
        rows += timeline.count;
    if (status != STATUS_END) bench_fail("%s", error.text);
    pthread_barrier_wait(&together);
    source->ops->reader_close(reader);
    return (void *)(uintptr_t)rows;
}

static void append_events(struct store *store, uint64_t events) {
    struct event_batch batch;
    struct packed_writer writer;
    struct random random;
    struct error error = {0};
    event_batch_init(&batch);
    packed_writer_init(&writer);
    random_init(&random, 3);
    for (uint64_t done = 0; done < events;) {
        uint64_t position;
        event_batch_clear(&batch);
        for (uint32_t i = 0; i < BATCH_EVENTS && done < events; i++, done++) {
            struct event *event = event_batch_add(&batch);
            if (!event) bench_fail("no memory");
            event->time_ms = event->known_ms = INT64_C(1500000000000) + (int64_t)done;
            event->type = (uint16_t)(1 + done % 7);
            event->persona.value = (uint32_t)random_below(&random, events / 5 + 1);
            packed_begin(&writer);
            BENCH_CHECK(packed_add(&writer, PROPERTY_VALUE, value_number((double)done)));
            event = &batch.events[batch.event_count - 1];
            event->properties = (uint32_t)batch.bytes.length;
            BENCH_CHECK(packed_end(&writer, &batch.bytes));
            event->properties_length = (uint32_t)batch.bytes.length - event->properties;
        }
        const struct store_frame frame = {.batch = &batch};
        if (store_append(store, &frame, false, &position, &error)) bench_fail("%s", error.text);
    }
    if (store_sync(store, &error)) bench_fail("%s", error.text); /* readers see what is durable */
    packed_writer_release(&writer);
    event_batch_release(&batch);
}

static void make_directory(char out[600], const char *name) {
    const char *temporary = getenv("TMPDIR");
    char top[512];
    snprintf(top, sizeof top, "%s/attune-memory-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(top)) bench_fail("%s: can't make a directory", top);
    snprintf(out, 600, "%s/%s", top, name);
}

/* With the folder that make_directory made around it. */
static void remove_directory(const char *directory) {
    char command[700];
    size_t length = strlen(directory) - strlen("/data");
    snprintf(command, sizeof command, "rm -rf '%.*s'", (int)length, directory);
    if (system(command)) bench_fail("can't remove %s", directory);
}

static void walks(uint64_t events) {
    static const struct column_set columns;
    char directory[600];
    struct symbols *symbols;
    struct store *store;
    struct error error = {0};
    pthread_t threads[THREADS];
    uint32_t parts[THREADS];
    uint64_t rows = 0;
    make_directory(directory, "data");
    BENCH_CHECK(symbols_create(&symbols));
    const struct store_options options = {.directory = directory,
                                          .create = true,
                                          .symbols = symbols,
                                          .columns = &columns,
                                          .fold_by_hand = true};
    if (store_open(&store, &options, &error)) bench_fail("%s", error.text);
    uint64_t before = resident_now();
    append_events(store, events);
    uint64_t with_tail = resident_now(), tail = with_tail - before;
    source = store_source(store);
    moment = (struct as_of){INT64_MAX, store_position(store)};
    pthread_barrier_init(&together, NULL, THREADS);
    for (uint32_t i = 0; i < THREADS; i++) {
        parts[i] = i;
        if (pthread_create(&threads[i], NULL, walk, &parts[i])) bench_fail("no thread");
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        void *seen;
        pthread_join(threads[i], &seen);
        rows += (uintptr_t)seen;
    }
    if (rows != events) bench_fail("%" PRIu64 " rows of %" PRIu64, rows, events);
    print("16 threads walk a tail", status_bytes("VmHWM:") - with_tail, tail, "of one tail");
    store_close(store);
    symbols_destroy(symbols);
    remove_directory(directory);
}

/* ---- lookups ---- */

static const char playbook_text[] =
    "attune: 1\nname: Memory\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { card: {} } }\n"
    "sources:\n"
    "  product: { file: \"product*.csv\", lookup: sku, types: { size: number } }\n"
    "  sales: { file: \"sales*.csv\", event: Sale, channel: store, time: at, key: { card: card },\n"
    "           properties: { sku: sku } }\n"
    "traits:\n"
    "  large: count(\"Sale\" where size > 10)\n";

static void write_file(const char *path, const char *bytes) {
    FILE *file = fopen(path, "w");
    if (!file || fputs(bytes, file) < 0 || fclose(file)) bench_fail("%s: can't be written", path);
}

/* A version is the table of before with another size of every product. */
static struct lookup_table *make_table(const struct playbook *playbook, uint32_t version,
                                       uint32_t rows) {
    const struct lookup_rule *rule = &playbook->lookups[0];
    struct lookup_table *table;
    uint32_t key = 0;
    while (!text_equal(rule->fields[key].name, rule->keys[0])) key++;
    BENCH_CHECK(lookup_create(&table, rule->fields, rule->field_count, &key, 1, false));
    for (uint32_t row = 0; row < rows; row++) {
        struct value cells[LOOKUP_FIELDS_MAX];
        char sku[24];
        int length = snprintf(sku, sizeof sku, "sku-%u", row);
        for (uint32_t i = 0; i < rule->field_count; i++)
            cells[i] = i == key ? value_text((struct text){sku, (uint32_t)length})
                                : value_number(row + version);
        BENCH_CHECK(lookup_add(table, cells));
    }
    BENCH_CHECK(lookup_finish(table));
    return table;
}

static void put_version(struct engine *engine, uint32_t version, uint32_t rows) {
    struct event_batch none;
    struct error error = {0};
    event_batch_init(&none);
    engine->fixed_now_ms = INT64_C(1500000000000) + version * TIME_DAY_MS;
    struct lookup_table *table = make_table(engine_playbook(engine), version, rows);
    if (lookup_put_in_force(engine, engine_playbook(engine)->lookups[0].name, table, &none, &error))
        bench_fail("%s", error.text);
    event_batch_release(&none);
}

/* 2,000 products at each time, in the order of the times, and then at random. */
static double ask(const struct in_force *in_force, uint32_t versions, uint32_t rows) {
    struct random random;
    double sum = 0;
    random_init(&random, 9);
    for (uint32_t i = 0; i < 2 * versions; i++) {
        uint32_t version = i < versions ? i : (uint32_t)random_below(&random, versions);
        int64_t t_ms = INT64_C(1500000000000) + version * TIME_DAY_MS + 1;
        for (uint32_t k = 0; k < 2000; k++) {
            const struct lookup_table *table = in_force_lookup(in_force, 0, t_ms);
            char sku[24];
            int length = snprintf(sku, sizeof sku, "sku-%u", (uint32_t)random_below(&random, rows));
            struct value key = value_text((struct text){sku, (uint32_t)length});
            uint32_t row, count;
            if (!table || !lookup_find(table, &key, &row, &count)) bench_fail("%s is lost", sku);
            sum += lookup_cell(table, row, lookup_field_find(table, TEXT("size"))).number;
        }
    }
    return sum;
}

static void lookups(uint32_t versions, uint32_t rows) {
    char directory[600], playbook[640];
    struct engine *engine;
    struct error error = {0};
    make_directory(directory, "data");
    snprintf(playbook, sizeof playbook, "%s.yaml", directory);
    write_file(playbook, playbook_text);
    struct engine_options options = {.directory = directory,
                                     .create = true,
                                     .playbook_file = playbook,
                                     .now_ms = INT64_C(1500000000000)};
    if (engine_open(&engine, &options, &error)) bench_fail("%s", error.text);
    uint64_t before = resident_now();
    struct lookup_table *table = make_table(engine_playbook(engine), 0, rows);
    uint64_t one = resident_now() - before;
    lookup_destroy(table);
    for (uint32_t version = 0; version < versions; version++) put_version(engine, version, rows);
    engine_close(engine);
    options.create = false;
    options.playbook_file = NULL;
    options.read_only = true;
    if (engine_open(&engine, &options, &error)) bench_fail("%s", error.text);
    struct in_force *in_force = in_force_hold(engine);
    before = resident_now();
    double begin = clock_cpu_seconds(), sum = ask(in_force, versions, rows);
    double seconds = clock_cpu_seconds() - begin;
    if (sum < 1) bench_fail("nothing was found");
    char name[80];
    snprintf(name, sizeof name, "%u versions of %u rows", versions, rows);
    print(name, status_bytes("VmHWM:") - before, one, "of one version built in memory");
    bench_print(&(struct measurement){.bench = "memory",
                                      .name = "a question, versions at random",
                                      .unit = "CPU us",
                                      .ours = seconds / (2 * versions * 2000.0) * 1e6});
    in_force_drop(in_force);
    engine_close(engine);
    remove_directory(directory);
}

int main(int argc, char **argv) {
    bool all = argc < 2;
    if (all || strcmp(argv[1], "walks") == 0)
        walks(!all && argc > 2 ? strtoull(argv[2], NULL, 10) : 4000000);
    if (all || strcmp(argv[1], "lookups") == 0)
        lookups(!all && argc > 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 24,
                !all && argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 300000);
    return 0;
}
