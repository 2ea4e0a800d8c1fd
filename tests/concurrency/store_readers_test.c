/* SPDX-License-Identifier: Apache-2.0 */
/* Readers beside appends, syncs, folds and merges: what a reader pins never changes while it is
 * open, a batch is there as a whole or not at all, and every reader sees a prefix of the log: of
 * what is written, or of what is durable. One thread appends, another one syncs. Each batch
 * corrects one row of the batch before, and a row is seen superseded if, and only if, its
 * correction is. Meant for ThreadSanitizer, which must stay silent. Usage: store_readers_test
 * [BATCHES [READERS]]. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "support/simulated_disk.h"
#include "store/store.h"

#define BATCH_EVENTS  24u
#define PERSONA_COUNT 40u

struct shared {
    struct store *store;
    _Atomic uint64_t batches; /* written */
    _Atomic uint64_t durable; /* of these, known to be durable */
    _Atomic bool stop;
    _Atomic uint64_t failures, reads, known;
};

static void wrong(struct shared *shared, const char *what, uint64_t a, uint64_t b) {
    if (atomic_fetch_add(&shared->failures, 1) < 10)
        printf("%s: %" PRIu64 ", %" PRIu64 "\n", what, a, b);
}

/* Event i of a batch has type i and known_ms = the batch; so a half-seen batch shows as unequal
 * counts a type. */
static enum status append_batch(struct store *store, uint64_t number) {
    struct event_batch batch;
    event_batch_init(&batch);
    for (uint32_t i = 0; i < BATCH_EVENTS; i++) {
        struct event *event = event_batch_add(&batch);
        if (!event) abort();
        event->time_ms = (int64_t)(number * 7919 % 10007);
        event->known_ms = (int64_t)number;
        event->persona.value = (uint32_t)((number * 31 + i * 7) % PERSONA_COUNT);
        event->type = (uint16_t)i;
        event->key.low = number * BATCH_EVENTS + i + 1;
        event->content = event->key.low;
    }
    /* The first event of the batch is a newer version of the last one of the batch before. */
    if (number > 0) {
        struct event *event = &batch.events[0];
        event->replaces = (number - 1) * (BATCH_EVENTS + 1) + BATCH_EVENTS;
        event->replaces_persona.value =
            (uint32_t)(((number - 1) * 31 + (BATCH_EVENTS - 1) * 7) % PERSONA_COUNT);
    }
    uint64_t position;
    struct error error;
    const struct store_frame frame = {.batch = &batch};
    enum status status = store_append(store, &frame, number % 16 == 0, &position, &error);
    if (status) printf("append: %s\n", error.text);
    event_batch_release(&batch);
    return status;
}

/* Superseded is the last event of every batch below the pin, but for the last batch. */
static void check_superseded(struct shared *shared, const struct timeline *timeline, uint32_t row,
                             uint64_t pinned) {
    bool is_last = timeline->type[row] == BATCH_EVENTS - 1;
    bool corrected = is_last && timeline->position[row] + 1 < pinned;
    bool superseded = timeline->superseded_ms != NULL && timeline->superseded_ms[row] != INT64_MAX;
    if (superseded != corrected)
        wrong(shared, superseded ? "superseded, without a correction" : "not superseded",
              timeline->position[row], pinned);
}

/* Rows are parsed beside all that: what is said to be known is known. */
static void look_up(struct shared *shared, uint64_t batches) {
    for (uint64_t key = 1; key < batches * BATCH_EVENTS; key += 17) {
        if (store_key_is_known(shared->store, (struct row_key){key, 1}, key, 0) ||
            store_key_is_known(shared->store, (struct row_key){key, 0}, key + 1, 0))
            wrong(shared, "a key is known that is not there", key, 0);
        if (store_key_is_known(shared->store, (struct row_key){key, 0}, key, 0))
            atomic_fetch_add(&shared->known, 1);
    }
}

/* Without the needs that make a walk slow, and without what is superseded. */
static void walk_fast(struct shared *shared, struct timeline_reader *reader, uint64_t total) {
    const struct timeline_request request = {{INT64_MAX, POSITION_NOW}, 0, NULL};
    const struct timeline_source_ops *ops = reader->source->ops;
    struct error error;
    struct timeline timeline;
    uint64_t count = 0, batches = total / BATCH_EVENTS;
    enum status status = ops->walk(reader, &request, 0, 1, &error);
    while (status == STATUS_OK && (status = ops->next(reader, &timeline, &error)) == STATUS_OK)
        count += timeline.count;
    uint64_t expected = batches > 0 ? total - (batches - 1) : 0;
    if (status != STATUS_END || count != expected)
        wrong(shared, "the fast walk sees another number of events", count, expected);
}

static uint64_t walk_once(struct shared *shared, struct timeline_reader *reader,
                          uint64_t counts[BATCH_EVENTS]) {
    const struct timeline_request request = {
        {INT64_MAX, POSITION_NOW}, TIMELINE_KNOWN | TIMELINE_POSITION, NULL};
    const struct timeline_source_ops *ops = reader->source->ops;
    struct error error;
    struct timeline timeline;
    uint64_t total = 0, pinned = ops->position(reader);
    enum status status = ops->walk(reader, &request, 0, 1, &error);
    while (status == STATUS_OK && (status = ops->next(reader, &timeline, &error)) == STATUS_OK) {
        for (uint32_t i = 0; i < timeline.count; i++) {
            counts[timeline.type[i] % BATCH_EVENTS]++;
            if (timeline.position[i] >= pinned)
                wrong(shared, "a row beyond the pin", timeline.position[i], pinned);
            check_superseded(shared, &timeline, i, pinned);
        }
        total += timeline.count;
    }
    if (status != STATUS_END) wrong(shared, "walk failed", (uint64_t)status, pinned);
    return total;
}

static void read_once(struct shared *shared, bool written) {
    struct timeline_source *source =
        written ? store_source_written(shared->store) : store_source(shared->store);
    struct timeline_reader *reader;
    struct error error;
    uint64_t least = atomic_load(written ? &shared->batches : &shared->durable) * BATCH_EVENTS;
    if (source->ops->reader_open(source, &reader, &error)) {
        wrong(shared, "open failed", 0, 0);
        return;
    }
    uint64_t first[BATCH_EVENTS] = {0}, second[BATCH_EVENTS] = {0};
    uint64_t total = walk_once(shared, reader, first), again = walk_once(shared, reader, second);
    if (total != again)
        wrong(shared, "the same reader saw different numbers of events", total, again);
    if (total < least) wrong(shared, "an acknowledged batch is not visible", total, least);
    for (uint32_t i = 1; i < BATCH_EVENTS; i++)
        if (first[i] != first[0]) wrong(shared, "half a batch is visible", first[i], first[0]);
    /* Every frame takes one position and one an event. */
    uint64_t expected = source->ops->position(reader) / (BATCH_EVENTS + 1) * BATCH_EVENTS;
    if (total != expected) wrong(shared, "the pin and what is visible disagree", total, expected);
    if (!written && source->ops->position(reader) > store_durable_position(shared->store))
        wrong(shared, "what is not durable is visible", source->ops->position(reader), 0);
    walk_fast(shared, reader, total);
    source->ops->reader_close(reader);
    look_up(shared, least / BATCH_EVENTS);
    atomic_fetch_add(&shared->reads, 1);
}

static void *read_on(void *context) {
    struct shared *shared = context;
    for (bool written = false; !atomic_load(&shared->stop); written = !written)
        read_once(shared, written);
    return NULL;
}

static void *sync_on(void *context) {
    struct shared *shared = context;
    struct error error;
    while (!atomic_load(&shared->stop)) {
        uint64_t batches = atomic_load(&shared->batches);
        if (store_sync(shared->store, &error)) wrong(shared, "sync failed", batches, 0);
        atomic_store(&shared->durable, batches);
    }
    return NULL;
}

static void write_all(struct shared *shared, uint64_t batches) {
    struct error error;
    for (uint64_t i = 0; i < batches; i++) {
        if (append_batch(shared->store, i)) {
            wrong(shared, "append failed", i, 0);
            return;
        }
        atomic_store(&shared->batches, i + 1);
        if (i % 97 == 96 && store_fold(shared->store, i % 2, &error))
            wrong(shared, "fold failed", i, 0);
        bool found;
        struct stored_key known;
        const struct row_key key = {i * BATCH_EVENTS + 1, 0};
        if (store_key_find(shared->store, key, &known, &found, &error) || !found ||
            known.persona.value != i * 31 % PERSONA_COUNT)
            wrong(shared, "a key is not found", i, 0);
    }
}

int main(int argc, char **argv) {
    uint64_t batches = argc > 1 ? strtoull(argv[1], NULL, 10) : 600;
    uint32_t readers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 3;
    static struct shared shared;
    struct symbols *symbols;
    struct error error = {0};
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    if (symbols_create(&symbols)) return 1;
    const struct store_options options = {.fs = simulated_disk_interface(disk),
                                          .directory = "data",
                                          .create = true,
                                          .symbols = symbols,
                                          .fold_events = 40 * BATCH_EVENTS};
    if (store_open(&shared.store, &options, &error)) {
        printf("%s\n", error.text);
        return 1;
    }
    pthread_t threads[16];
    if (readers > 16) readers = 16;
    for (uint32_t i = 0; i < readers; i++)
        if (pthread_create(&threads[i], NULL, read_on, &shared)) abort();
    pthread_t syncer;
    if (pthread_create(&syncer, NULL, sync_on, &shared)) abort();
    write_all(&shared, batches);
    atomic_store(&shared.stop, true);
    for (uint32_t i = 0; i < readers; i++) pthread_join(threads[i], NULL);
    pthread_join(syncer, NULL);
    read_once(&shared, true);
    read_once(&shared, false);
    store_close(shared.store);
    symbols_destroy(symbols);
    simulated_disk_destroy(disk);
    printf("%" PRIu64 " batches, %" PRIu64 " reads, %" PRIu64 " failures\n", batches,
           atomic_load(&shared.reads), atomic_load(&shared.failures));
    if (atomic_load(&shared.known) == 0) printf("no key was ever known\n");
    return atomic_load(&shared.failures) || atomic_load(&shared.known) == 0 ? 1 : 0;
}
