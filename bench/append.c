/* SPDX-License-Identifier: Apache-2.0 */
/* bench/append.c -- events made durable: identity, log, tail, synced batch by batch; CPU seconds of
 * the process, folds included where they run. Events of 4 properties, about 60 bytes, one in ten
 * with a new identifier, one in eight of a treatment: a run keeps these whole, for decisions to
 * read. Making up the batches is not counted. The peer is SQLite (WAL, synchronous=FULL) with the
 * same batches: interned identifiers and a timeline index. Usage: append [CASE]; data goes to
 * $TMPDIR or /tmp. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/random.h"
#include "identity/identity.h"
#include "store/store.h"

#define ROUNDS 3u
#define TYPES  16u

struct making {
    struct random random;
    struct packed_writer writer;
    struct symbols *symbols;
    uint32_t identifier_type, property[4], type[TYPES];
    uint64_t known; /* identifiers so far */
    int64_t time_ms;
};

static void making_init(struct making *making, struct symbols *symbols) {
    static const char *const names[4] = {"page", "revenue", "product", "quantity"};
    random_init(&making->random, 7);
    packed_writer_init(&making->writer);
    making->symbols = symbols;
    making->known = 1000;
    making->time_ms = INT64_C(1500000000000);
    BENCH_CHECK(symbol_add(symbols, SYMBOL_IDENTIFIER, TEXT("cookie"), &making->identifier_type));
    for (int i = 0; i < 4; i++)
        BENCH_CHECK(
            symbol_add(symbols, SYMBOL_PROPERTY, text_from(names[i]), &making->property[i]));
    making->type[0] = EVENT_TREATMENT_DELIVERED;
    making->type[1] = EVENT_TREATMENT_CLICKED;
    for (uint32_t i = 2; i < TYPES; i++) {
        char name[16];
        snprintf(name, sizeof name, "event %u", i);
        BENCH_CHECK(symbol_add(symbols, SYMBOL_EVENT, text_from(name), &making->type[i]));
    }
}

static void make_event(struct making *making, struct event_batch *batch) {
    struct event *event = event_batch_add(batch);
    if (!event) bench_fail("no memory");
    uint64_t draw = random_u64(&making->random);
    bool is_new = draw % 10 == 0;
    uint64_t who = is_new ? making->known++ : random_below(&making->random, making->known);
    making->time_ms += (int64_t)(draw >> 20 & 7);
    event->time_ms = event->known_ms = making->time_ms;
    event->type = (uint16_t)making->type[draw >> 30 & (TYPES - 1)];
    event->channel = (uint8_t)(draw >> 34 & 3);
    event->key = (struct row_key){draw | 1, (uint32_t)(draw >> 32)};
    event->content = draw;
    char text[48];
    int length = snprintf(text, sizeof(text), "c%015llx", (unsigned long long)hash_u64(who) >> 4);
    BENCH_CHECK(event_batch_add_identifier(batch, making->identifier_type,
                                           (struct text){text, (uint32_t)length}));
    packed_begin(&making->writer);
    length = snprintf(text, sizeof(text), "/catalog/item/%06u", (unsigned)(draw >> 40) % 1000000);
    BENCH_CHECK(packed_add(&making->writer, making->property[0],
                           value_text((struct text){text, (uint32_t)length})));
    BENCH_CHECK(
        packed_add(&making->writer, making->property[1], value_number((double)(draw >> 50) / 100)));
    length = snprintf(text, sizeof(text), "SKU-%08u", (unsigned)(draw >> 36) % 100000000);
    char product[48];
    memcpy(product, text, sizeof(product));
    BENCH_CHECK(packed_add(&making->writer, making->property[2],
                           value_text((struct text){product, (uint32_t)length})));
    BENCH_CHECK(
        packed_add(&making->writer, making->property[3], value_number((double)(draw >> 60))));
    event = &batch->events[batch->event_count - 1];
    event->properties = (uint32_t)batch->bytes.length;
    BENCH_CHECK(packed_end(&making->writer, &batch->bytes));
    event->properties_length = (uint32_t)batch->bytes.length - event->properties;
}

static double thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void append(struct store *store, struct identity *identity, struct event_batch *batch) {
    struct identity_result result;
    struct error error = {0};
    if (identity_resolve(identity, batch, store_position(store), &result, &error))
        bench_fail("%s", error.text);
    const struct store_record record = {RECORD_IDENTITY, result.record};
    const struct store_frame frame = {
        .batch = batch, .records = &record, .record_count = result.record.length ? 1 : 0};
    uint64_t position;
    if (store_append(store, &frame, true, &position, &error)) bench_fail("%s", error.text);
    identity_commit(identity);
}

struct append_case {
    const char *name;
    uint64_t events;
    uint32_t batch;
    bool folds;
};

/* Events a CPU second of one run on a fresh directory. */
static double run_once(const struct append_case *what) {
    char top[512], directory[600], command[700];
    const char *temporary = getenv("TMPDIR");
    snprintf(top, sizeof(top), "%s/attune-append-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(top)) bench_fail("%s: can't make a directory", top);
    snprintf(directory, sizeof(directory), "%s/data", top);
    static struct making making;
    struct symbols *symbols;
    struct identity *identity;
    struct store *store;
    struct error error = {0};
    BENCH_CHECK(symbols_create(&symbols));
    making_init(&making, symbols);
    BENCH_CHECK(identity_create(&identity, &(struct identity_options){.salt = {1}}));
    struct column_set columns = {
        .columns = {{making.property[1], VALUE_NUMBER}, {making.property[2], VALUE_TEXT}},
        .count = 2};
    const struct store_options options = {.directory = directory,
                                          .create = true,
                                          .symbols = symbols,
                                          .columns = &columns,
                                          .directory_of_customers = identity_directory(identity),
                                          .fold_by_hand = !what->folds};
    if (store_open(&store, &options, &error)) bench_fail("%s", error.text);
    struct event_batch batch;
    event_batch_init(&batch);
    double begin = clock_cpu_seconds(), making_seconds = 0;
    for (uint64_t done = 0; done < what->events; done += what->batch) {
        double before = thread_seconds();
        event_batch_clear(&batch);
        for (uint32_t i = 0; i < what->batch; i++) make_event(&making, &batch);
        making_seconds += thread_seconds() - before;
        append(store, identity, &batch);
    }
    if (what->folds && store_fold(store, false, &error)) bench_fail("%s", error.text);
    double seconds = clock_cpu_seconds() - begin - making_seconds;
    store_close(store);
    identity_destroy(identity);
    symbols_destroy(symbols);
    event_batch_release(&batch);
    packed_writer_release(&making.writer);
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    if (system(command)) bench_fail("can't remove %s", top);
    return (double)what->events / seconds;
}

static void run_case(const struct append_case *what, const char *peer_name) {
    double ours[ROUNDS], peer = 0;
    uint32_t rounds = what->folds ? 1 : ROUNDS;
    for (uint32_t i = 0; i < rounds; i++) ours[i] = run_once(what);
    char command[1200];
    const char *build = getenv("ATTUNE_BUILD");
    snprintf(command, sizeof(command),
             "ninja -C '%s' bench/append_sqlite >/dev/null 2>&1; '%s/bench/append_sqlite' %u %u",
             build ? build : ".", build ? build : ".", what->batch,
             what->batch >= 5000 ? 500000u : 200000u);
    bool has_peer = peer_name && bench_peer(command, &peer_name, &peer, 1);
    struct measurement m = {.bench = "append",
                            .name = what->name,
                            .unit = "events/s/core",
                            .ours = bench_median(ours, rounds),
                            .peer = has_peer ? "sqlite" : NULL,
                            .peer_value = peer,
                            .note =
                                what->folds ? "with identity, folds and merges" : "with identity"};
    if (has_peer) m.ratio = m.ours / peer;
    bench_print(&m);
}

int main(int argc, char **argv) {
    static const struct append_case cases[] = {
        {"batch 5000", 3000000, 5000, false},
        {"batch 500", 1000000, 500, false},
        {"with folds", 6000000, 5000, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (argc < 2 || strcmp(argv[1], cases[i].name) == 0)
            run_case(&cases[i], "events_per_cpu_second");
    return 0;
}
