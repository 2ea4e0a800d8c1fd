/* SPDX-License-Identifier: Apache-2.0 */
/* bench/apply.c -- many producers through the applier: eight threads keep 16 batches of 100 events
 * on their way each, and every batch is durable when it counts as done. CPU seconds of the process,
 * making up the events not counted. And one small batch alone, again and again: how long it takes
 * until it is durable, beside writing and syncing as many bytes alone, in the same run and in
 * turns. Events are those of bench/append.c: 4 properties, about 60 bytes, one in ten with a new
 * identifier. Usage: apply [CASE]; data goes to $TMPDIR or /tmp. */
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/random.h"
#include "engine/applier.h"

#define ROUNDS       3u
#define PRODUCERS    8u
#define OUTSTANDING  16u
#define BATCH        100u
#define BATCHES      1500u /* of each producer */
#define SINGLES      4000u
#define SINGLE_BATCH 10u

static const char playbook[] =
    "attune: 1\nname: Bench\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { cookie: {} } }\n"
    "sources:\n"
    "  web:\n"
    "    file: \"web*.csv\"\n    event: Page Viewed\n    channel: web\n    time: at\n"
    "    key: { cookie: cookie }\n    row_key: id\n    types: { revenue: money, quantity: number "
    "}\n"
    "    properties: { page: page, revenue: revenue, product: product, quantity: quantity }\n"
    "traits:\n  views: count(\"Page Viewed\")\n";

/* ---- a directory ---- */

struct site {
    char top[512], directory[600];
    struct engine *engine;
};

static void site_open(struct site *site) {
    const char *temporary = getenv("TMPDIR");
    char file[700];
    struct error error = {0};
    snprintf(site->top, sizeof site->top, "%s/attune-apply-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(site->top) == NULL) bench_fail("%s: can't make a directory", site->top);
    snprintf(site->directory, sizeof site->directory, "%s/data", site->top);
    snprintf(file, sizeof file, "%s/playbook.yaml", site->top);
    FILE *out = fopen(file, "w");
    if (out == NULL || fputs(playbook, out) < 0 || fclose(out) != 0) bench_fail("%s: can't", file);
    const struct engine_options options = {
        .directory = site->directory, .create = true, .playbook_file = file};
    if (engine_open(&site->engine, &options, &error) != STATUS_OK) bench_fail("%s", error.text);
}

static void site_close(struct site *site) {
    char command[700];
    engine_close(site->engine);
    snprintf(command, sizeof command, "rm -rf '%s'", site->top);
    if (system(command) != 0) bench_fail("can't remove %s", site->top);
}

/* ---- events ---- */

struct making {
    struct random random;
    struct packed_writer writer;
    uint32_t type, source, event, property[4];
    uint64_t known, salt;
    int64_t time_ms;
};

static void making_init(struct making *making, struct engine *engine, uint64_t seed) {
    static const char *const names[4] = {"page", "revenue", "product", "quantity"};
    struct symbols *symbols = engine_symbols(engine);
    *making = (struct making){.known = 1000, .salt = seed, .time_ms = INT64_C(1500000000000)};
    random_init(&making->random, seed);
    packed_writer_init(&making->writer);
    making->type = symbol_find(symbols, SYMBOL_IDENTIFIER, TEXT("cookie"));
    making->source = symbol_find(symbols, SYMBOL_SOURCE, TEXT("web"));
    making->event = symbol_find(symbols, SYMBOL_EVENT, TEXT("Page Viewed"));
    for (int i = 0; i < 4; i++)
        making->property[i] = symbol_find(symbols, SYMBOL_PROPERTY, text_from(names[i]));
}

static void make_properties(struct making *making, struct event_batch *batch, uint64_t draw) {
    char text[48], product[48];
    packed_begin(&making->writer);
    int length =
        snprintf(text, sizeof text, "/catalog/item/%06u", (unsigned)(draw >> 40) % 1000000);
    BENCH_CHECK(packed_add(&making->writer, making->property[0],
                           value_text((struct text){text, (uint32_t)length})));
    BENCH_CHECK(
        packed_add(&making->writer, making->property[1], value_number((double)(draw >> 50) / 100)));
    length = snprintf(product, sizeof product, "SKU-%08u", (unsigned)(draw >> 36) % 100000000);
    BENCH_CHECK(packed_add(&making->writer, making->property[2],
                           value_text((struct text){product, (uint32_t)length})));
    BENCH_CHECK(
        packed_add(&making->writer, making->property[3], value_number((double)(draw >> 60))));
    struct event *event = &batch->events[batch->event_count - 1];
    event->properties = (uint32_t)batch->bytes.length;
    BENCH_CHECK(packed_end(&making->writer, &batch->bytes));
    event->properties_length = (uint32_t)batch->bytes.length - event->properties;
}

static void make_event(struct making *making, struct event_batch *batch) {
    struct event *event = event_batch_add(batch);
    if (event == NULL) bench_fail("no memory");
    uint64_t draw = random_u64(&making->random);
    uint64_t who = draw % 10 == 0 ? making->known++ : random_below(&making->random, making->known);
    making->time_ms += (int64_t)(draw >> 20 & 7);
    event->time_ms = event->known_ms = making->time_ms;
    event->type = (uint16_t)making->event;
    event->source = (uint16_t)making->source;
    event->key = (struct row_key){draw | 1, (uint32_t)(draw >> 32)};
    event->content = draw;
    event->reading = 1;
    char text[48];
    int length = snprintf(text, sizeof text, "c%015llx",
                          (unsigned long long)hash_u64(who + (making->salt << 40)) >> 4);
    BENCH_CHECK(
        event_batch_add_identifier(batch, making->type, (struct text){text, (uint32_t)length}));
    make_properties(making, batch, draw);
}

static double thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- eight producers ---- */

struct slot {
    struct change change;
    struct event_batch batch;
    bool is_out;
};
struct producer {
    pthread_t thread;
    struct engine *engine;
    uint64_t seed;
    double making_seconds;
    pthread_mutex_t lock;
    pthread_cond_t done;
    struct slot slots[OUTSTANDING];
};

static void note_done(struct change *change) {
    struct producer *producer = change->context;
    if (change->status != STATUS_OK) bench_fail("%s", change->error.text);
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

static void *produce(void *context) {
    struct producer *producer = context;
    struct making making;
    struct error error = {0};
    making_init(&making, producer->engine, producer->seed);
    for (uint32_t i = 0; i < BATCHES; i++) {
        struct slot *slot = &producer->slots[i % OUTSTANDING];
        wait_for(producer, slot);
        double before = thread_seconds();
        event_batch_clear(&slot->batch);
        for (uint32_t k = 0; k < BATCH; k++) make_event(&making, &slot->batch);
        producer->making_seconds += thread_seconds() - before;
        slot->is_out = true;
        slot->change =
            (struct change){.batch = &slot->batch, .completed = note_done, .context = producer};
        if (applier_submit(engine_applier(producer->engine), &slot->change, APPLIER_PATIENCE_MS,
                           &error) != STATUS_OK)
            bench_fail("%s", error.text);
    }
    for (uint32_t i = 0; i < OUTSTANDING; i++) wait_for(producer, &producer->slots[i]);
    packed_writer_release(&making.writer);
    return NULL;
}

static double run_producers(struct applier_stats *stats) {
    static struct producer producers[PRODUCERS];
    struct site site;
    site_open(&site);
    double begin = clock_cpu_seconds(), making_seconds = 0;
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        struct producer *producer = &producers[i];
        *producer = (struct producer){.engine = site.engine, .seed = i + 1};
        pthread_mutex_init(&producer->lock, NULL);
        pthread_cond_init(&producer->done, NULL);
        for (uint32_t k = 0; k < OUTSTANDING; k++) event_batch_init(&producer->slots[k].batch);
        if (pthread_create(&producer->thread, NULL, produce, producer) != 0)
            bench_fail("no thread");
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        making_seconds += producers[i].making_seconds;
        for (uint32_t k = 0; k < OUTSTANDING; k++)
            event_batch_release(&producers[i].slots[k].batch);
    }
    double seconds = clock_cpu_seconds() - begin - making_seconds;
    applier_stats(engine_applier(site.engine), stats);
    site_close(&site);
    return (double)PRODUCERS * BATCHES * BATCH / seconds;
}

static void case_producers(void) {
    double rates[ROUNDS];
    struct applier_stats stats;
    char note[160];
    for (uint32_t i = 0; i < ROUNDS; i++) rates[i] = run_producers(&stats);
    snprintf(note, sizeof note, "%llu batches in %llu frames and %llu syncs; wanted: 400000",
             (unsigned long long)stats.changes, (unsigned long long)stats.frames,
             (unsigned long long)stats.syncs);
    bench_print(&(struct measurement){.bench = "apply",
                                      .name = "8 producers",
                                      .unit = "events/CPU second",
                                      .ours = bench_median(rates, ROUNDS),
                                      .note = note});
}

/* ---- one small batch ---- */

static double wall_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* As many bytes as a frame of the batch has, about. */
static double sync_alone(int file) {
    static const char bytes[SINGLE_BATCH * 130];
    double before = wall_seconds();
    if (write(file, bytes, sizeof bytes) != (ssize_t)sizeof bytes || fdatasync(file) != 0)
        bench_fail("can't write beside the data");
    return wall_seconds() - before;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_single(const char *name, double *ours, double *alone, double share) {
    size_t at = (size_t)(SINGLES * share);
    bench_print(&(struct measurement){.bench = "apply",
                                      .name = name,
                                      .unit = "microseconds",
                                      .ours = ours[at] * 1e6,
                                      .peer = "write and fdatasync alone",
                                      .peer_value = alone[at] * 1e6,
                                      .ratio = ours[at] / alone[at],
                                      .note = "ratio: ours / alone; wanted at p99: at most 1.5"});
}

static void case_single(void) {
    static double ours[SINGLES], alone[SINGLES];
    struct site site;
    struct making making;
    struct event_batch batch;
    struct error error = {0};
    char path[700];
    site_open(&site);
    making_init(&making, site.engine, 99);
    event_batch_init(&batch);
    snprintf(path, sizeof path, "%s/alone", site.top);
    int file = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
    for (uint32_t i = 0; i < SINGLES; i++) {
        event_batch_clear(&batch);
        for (uint32_t k = 0; k < SINGLE_BATCH; k++) make_event(&making, &batch);
        double before = wall_seconds();
        if (engine_apply(site.engine, &batch, NULL, &error) != STATUS_OK)
            bench_fail("%s", error.text);
        ours[i] = wall_seconds() - before;
        alone[i] = sync_alone(file);
    }
    close(file);
    event_batch_release(&batch);
    packed_writer_release(&making.writer);
    site_close(&site);
    qsort(ours, SINGLES, sizeof *ours, compare);
    qsort(alone, SINGLES, sizeof *alone, compare);
    print_single("one batch of 10, p50", ours, alone, .5);
    print_single("one batch of 10, p99", ours, alone, .99);
}

int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "8 producers") == 0) case_producers();
    if (argc < 2 || strcmp(argv[1], "single") == 0) case_single();
    return 0;
}
