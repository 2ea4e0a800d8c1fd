/* SPDX-License-Identifier: Apache-2.0 */
/* Many producers and readers on one open directory, with corrections, retries, merges, calls and
 * folds between: whoever was told that a batch is durable finds it, counts add up in the end, and a
 * reader of what is durable never sees less than was acknowledged before it opened. Meant for
 * ThreadSanitizer, which must stay silent. Usage: engine_apply_test [BATCHES [PRODUCERS
 * [READERS]]]. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "engine/applier.h"
#include "engine/engine.h"
#include "support/simulated_disk.h"

#define THREADS_MAX 16u
#define OUTSTANDING 4u
#define BATCH       20u

static const char playbook[] =
    "attune: 1\nname: Shop\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: {}, cookie: {} } }\n"
    "sources:\n"
    "  orders:\n"
    "    file: \"orders*.csv\"\n    event: Order Completed\n    channel: store\n    time: at\n"
    "    key: { email: email, cookie: cookie }\n    row_key: id\n"
    "    properties: { note: note }\n"
    "traits:\n  orders: count(\"Order Completed\")\n";

struct trial {
    struct engine *engine;
    uint32_t email, cookie, event, source;
    uint64_t batches;
    _Atomic uint64_t acknowledged; /* rows that are new and durable */
    _Atomic uint64_t corrected, repeats, busy, reads, failures, calls;
    _Atomic bool stop;
};

static void wrong(struct trial *trial, const char *what, uint64_t a, uint64_t b) {
    if (atomic_fetch_add(&trial->failures, 1) < 10)
        printf("%s: %" PRIu64 ", %" PRIu64 "\n", what, a, b);
}

/* ---- producers ---- */

struct slot {
    struct change change;
    struct event_batch batch;
    bool is_out;
};
struct producer {
    pthread_t thread;
    struct trial *trial;
    uint64_t number, next_row;
    struct random random;
    pthread_mutex_t lock;
    pthread_cond_t done;
    struct slot slots[OUTSTANDING];
};

/* The syncer's thread: counts are there before anybody who is told of them can look. */
static void note_done(struct change *change) {
    struct producer *producer = change->context;
    struct trial *trial = producer->trial;
    if (change->status != STATUS_OK) wrong(trial, change->error.text, 0, 0);
    atomic_fetch_add(&trial->acknowledged, change->did.events);
    atomic_fetch_add(&trial->corrected, change->did.corrected);
    atomic_fetch_add(&trial->repeats, change->did.repeats);
    pthread_mutex_lock(&producer->lock);
    ((struct slot *)(void *)change)->is_out = false;
    pthread_cond_signal(&producer->done);
    pthread_mutex_unlock(&producer->lock);
}

static void wait_for(struct producer *producer, struct slot *slot) {
    pthread_mutex_lock(&producer->lock);
    while (slot->is_out) pthread_cond_wait(&producer->done, &producer->lock);
    pthread_mutex_unlock(&producer->lock);
}

/* Rows of its own; every fourth is one that it, or its neighbour, has sent before: a retry, or a
 * correction. Customers are trial, and now and then one event links two of them. */
static void add_row(struct producer *producer, struct event_batch *batch) {
    const struct trial *trial = producer->trial;
    struct event *event = event_batch_add(batch);
    uint64_t draw = random_u64(&producer->random);
    bool is_new = producer->next_row < 8 || draw % 4 != 0;
    uint64_t row = is_new ? producer->next_row++ : draw / 8 % producer->next_row;
    uint64_t owner = is_new || draw & 4 ? producer->number : producer->number ^ 1;
    char text[32];
    if (event == NULL) abort();
    event->time_ms = event->known_ms = INT64_C(1483228800000) + (int64_t)(row % 1000) * 60000;
    event->type = (uint16_t)trial->event;
    event->source = (uint16_t)trial->source;
    event->key = (struct row_key){(owner << 32 | row) * 2 + 1, (uint32_t)row};
    event->content = is_new || draw & 16 ? 1 : draw >> 60 | 1;
    event->reading = 1;
    snprintf(text, sizeof text, "p%" PRIu64 "@x.example", (owner * 7 + row) % 300);
    if (event_batch_add_identifier(batch, trial->email, text_from(text)) != STATUS_OK) abort();
    if (draw % 16 != 5) return;
    snprintf(text, sizeof text, "cookie-%" PRIu64, row % 200);
    if (event_batch_add_identifier(batch, trial->cookie, text_from(text)) != STATUS_OK) abort();
}

static void *produce(void *context) {
    struct producer *producer = context;
    struct trial *trial = producer->trial;
    struct error error = {0};
    for (uint64_t i = 0; i < trial->batches; i++) {
        struct slot *slot = &producer->slots[i % OUTSTANDING];
        wait_for(producer, slot);
        event_batch_clear(&slot->batch);
        for (uint32_t k = 0; k < BATCH; k++) add_row(producer, &slot->batch);
        if (i % 8 == 7) { /* alone, and waited for */
            struct apply_result did;
            if (engine_apply(trial->engine, &slot->batch, &did, &error) != STATUS_OK)
                wrong(trial, error.text, i, 0);
            atomic_fetch_add(&trial->acknowledged, did.events);
            atomic_fetch_add(&trial->corrected, did.corrected);
            continue;
        }
        slot->change =
            (struct change){.batch = &slot->batch, .completed = note_done, .context = producer};
        slot->is_out = true;
        enum status status;
        while ((status = applier_submit(engine_applier(trial->engine), &slot->change, 0, &error)) ==
               STATUS_BUSY) {
            atomic_fetch_add(&trial->busy, 1);
            usleep(100);
        }
        if (status != STATUS_OK) wrong(trial, error.text, i, 0);
    }
    for (uint32_t i = 0; i < OUTSTANDING; i++) wait_for(producer, &producer->slots[i]);
    return NULL;
}

/* ---- readers ---- */

/* Rows that stand. */
static uint64_t count_rows(struct trial *trial, struct timeline_source *source) {
    struct timeline_reader *reader;
    struct timeline timeline;
    struct error error = {0};
    uint64_t count = 0;
    if (source->ops->reader_open(source, &reader, &error) != STATUS_OK) {
        wrong(trial, error.text, 0, 0);
        return 0;
    }
    const struct timeline_request request = {.as_of = {INT64_MAX, source->ops->position(reader)}};
    enum status status = source->ops->walk(reader, &request, 0, 1, &error);
    while (status == STATUS_OK &&
           (status = source->ops->next(reader, &timeline, &error)) == STATUS_OK) {
        for (uint32_t i = 0; i < timeline.count; i++) count += timeline.type[i] == trial->event;
    }
    if (status != STATUS_END) wrong(trial, error.text, (uint64_t)status, 0);
    source->ops->reader_close(reader);
    return count;
}

static void *read_on(void *context) {
    struct trial *trial = context;
    struct store *store = engine_store(trial->engine);
    for (bool written = false; !atomic_load(&trial->stop); written = !written) {
        uint64_t least = atomic_load(&trial->acknowledged);
        uint64_t rows =
            count_rows(trial, written ? store_source_written(store) : store_source(store));
        if (rows < least) wrong(trial, "an acknowledged row is not there", rows, least);
        atomic_fetch_add(&trial->reads, 1);
    }
    return NULL;
}

/* Calls between: folds, un-merges of somebody, and what is asked of identity meanwhile. */
static void *call_on(void *context) {
    struct trial *trial = context;
    struct error error = {0};
    for (uint64_t i = 0; !atomic_load(&trial->stop); i++) {
        struct identity_stats stats;
        struct engine_unmerged unmerged;
        char cookie[32];
        snprintf(cookie, sizeof cookie, "cookie:cookie-%" PRIu64, i % 200);
        if (i % 3 == 0 && engine_fold(trial->engine, i % 2, NULL, &error) != STATUS_OK)
            wrong(trial, error.text, i, 0);
        enum status status =
            engine_unmerge(trial->engine, text_from(cookie), (struct text){0}, &unmerged, &error);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) wrong(trial, error.text, i, 0);
        identity_stats(engine_identity(trial->engine), &stats);
        atomic_fetch_add(&trial->calls, 1);
        usleep(2000);
    }
    return NULL;
}

/* ---- all at once ---- */

static void open_engine(struct trial *trial, struct simulated_disk *disk, const char *file) {
    struct error error = {0};
    const struct engine_options options = {.directory = "data",
                                           .create = file != NULL,
                                           .fs = simulated_disk_interface(disk),
                                           .playbook_file = file,
                                           .queue_changes = 8};
    if (engine_open(&trial->engine, &options, &error) != STATUS_OK) {
        printf("%s\n", error.text);
        exit(1);
    }
    struct symbols *symbols = engine_symbols(trial->engine);
    trial->email = symbol_find(symbols, SYMBOL_IDENTIFIER, TEXT("email"));
    trial->cookie = symbol_find(symbols, SYMBOL_IDENTIFIER, TEXT("cookie"));
    trial->event = symbol_find(symbols, SYMBOL_EVENT, TEXT("Order Completed"));
    trial->source = symbol_find(symbols, SYMBOL_SOURCE, TEXT("orders"));
}

static void run_all(struct trial *trial, uint32_t producers, uint32_t readers) {
    static struct producer producer[THREADS_MAX];
    pthread_t reading[THREADS_MAX], calling;
    for (uint32_t i = 0; i < readers; i++)
        if (pthread_create(&reading[i], NULL, read_on, trial) != 0) abort();
    if (pthread_create(&calling, NULL, call_on, trial) != 0) abort();
    for (uint32_t i = 0; i < producers; i++) {
        producer[i].trial = trial;
        producer[i].number = i;
        random_init(&producer[i].random, i + 1);
        pthread_mutex_init(&producer[i].lock, NULL);
        pthread_cond_init(&producer[i].done, NULL);
        for (uint32_t k = 0; k < OUTSTANDING; k++) event_batch_init(&producer[i].slots[k].batch);
        if (pthread_create(&producer[i].thread, NULL, produce, &producer[i]) != 0) abort();
    }
    for (uint32_t i = 0; i < producers; i++) {
        pthread_join(producer[i].thread, NULL);
        for (uint32_t k = 0; k < OUTSTANDING; k++) event_batch_release(&producer[i].slots[k].batch);
    }
    atomic_store(&trial->stop, true);
    for (uint32_t i = 0; i < readers; i++) pthread_join(reading[i], NULL);
    pthread_join(calling, NULL);
}

int main(int argc, char **argv) {
    static struct trial trial;
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    char file[] = "/tmp/attune-apply-XXXXXX";
    int descriptor = mkstemp(file);
    uint32_t producers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 4;
    uint32_t readers = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 2;
    if (producers > THREADS_MAX) producers = THREADS_MAX;
    if (readers > THREADS_MAX) readers = THREADS_MAX;
    if (descriptor < 0 || write(descriptor, playbook, sizeof playbook - 1) < 0) return 1;
    close(descriptor);
    trial.batches = argc > 1 ? strtoull(argv[1], NULL, 10) : 150;
    open_engine(&trial, disk, file);
    run_all(&trial, producers, readers);
    for (int round = 0; round < 2; round++) {
        uint64_t rows = count_rows(&trial, store_source(engine_store(trial.engine)));
        if (rows != atomic_load(&trial.acknowledged))
            wrong(&trial, "the counts do not add up", rows, atomic_load(&trial.acknowledged));
        engine_close(trial.engine);
        if (round == 0) open_engine(&trial, disk, NULL);
    }
    unlink(file);
    simulated_disk_destroy(disk);
    bool had_all = trial.corrected > 0 && trial.repeats > 0 && trial.reads > 0 && trial.calls > 0 &&
                   trial.busy > 0;
    printf("%" PRIu64 " rows, %" PRIu64 " corrected, %" PRIu64 " repeats, %" PRIu64
           " times busy, %" PRIu64 " reads, %" PRIu64 " calls, %" PRIu64 " failures\n",
           trial.acknowledged, trial.corrected, trial.repeats, trial.busy, trial.reads, trial.calls,
           trial.failures);
    if (!had_all) printf("something never happened\n");
    return trial.failures > 0 || !had_all;
}
