/* SPDX-License-Identifier: Apache-2.0 */
#include "support/producers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define START_MS INT64_C(1483228800000)
#define STEP_MS  INT64_C(60000)
#define ROWS_MAX 7u

const char producers_playbook[] =
    "attune: 1\nname: Shop\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: {} } }\n"
    "sources:\n"
    "  orders:\n"
    "    file: \"orders*.csv\"\n    event: Order Completed\n    channel: store\n    time: at\n"
    "    key: { email: email }\n    row_key: id\n    properties: { note: note }\n"
    "traits:\n  orders: count(\"Order Completed\")\n";

static uint64_t row_count(uint64_t batch) {
    return 1 + batch % ROWS_MAX;
}

static void name_of(uint32_t producer, char out[32]) {
    snprintf(out, 32, "p%u@x.example", producer);
}

static bool fill(struct producers *producers, uint32_t producer, uint64_t number,
                 struct event_batch *batch) {
    struct symbols *symbols = engine_symbols(producers->engine);
    char name[32];
    name_of(producer, name);
    event_batch_clear(batch);
    for (uint64_t i = 0; i < row_count(number); i++) {
        struct event *event = event_batch_add(batch);
        if (event == NULL) return false;
        event->time_ms = event->known_ms = START_MS + (int64_t)number * STEP_MS;
        event->type = (uint16_t)symbol_find(symbols, SYMBOL_EVENT, TEXT("Order Completed"));
        event->source = (uint16_t)symbol_find(symbols, SYMBOL_SOURCE, TEXT("orders"));
        event->key = (struct row_key){(number * ROWS_MAX + i) * 2 + 1, producer};
        event->content = 1;
        event->reading = 1;
        uint32_t type = symbol_find(symbols, SYMBOL_IDENTIFIER, TEXT("email"));
        if (event_batch_add_identifier(batch, type, text_from(name)) != STATUS_OK) return false;
    }
    return true;
}

struct running {
    struct producers *producers;
    uint32_t number;
};

static void *run(void *context) {
    const struct running *running = context;
    struct producers *producers = running->producers;
    uint32_t at = running->number;
    struct event_batch batch;
    struct apply_result did;
    event_batch_init(&batch);
    while (producers->next[at] < producers->most) {
        if (!fill(producers, at, producers->next[at], &batch)) break;
        if (engine_apply(producers->engine, &batch, &did, NULL) != STATUS_OK) break;
        producers->acknowledged[at] = ++producers->next[at];
        if (producers->told != NULL)
            producers->told(producers->context, at, producers->next[at] - 1);
    }
    event_batch_release(&batch);
    return NULL;
}

void producers_run(struct producers *producers) {
    pthread_t threads[PRODUCERS_MAX];
    struct running running[PRODUCERS_MAX];
    for (uint32_t i = 0; i < producers->count; i++) {
        running[i] = (struct running){producers, i};
        if (pthread_create(&threads[i], NULL, run, &running[i]) != 0) abort();
    }
    for (uint32_t i = 0; i < producers->count; i++) pthread_join(threads[i], NULL);
}

/* ---- what is there ---- */

/* The customer's events come in order of time: batch after batch, each as a whole. */
static bool count_batches(const struct timeline *timeline, uint64_t *batches) {
    uint32_t row = 0;
    for (*batches = 0; row < timeline->count; (*batches)++) {
        int64_t time_ms = START_MS + (int64_t)*batches * STEP_MS;
        for (uint64_t i = 0; i < row_count(*batches); i++, row++)
            if (row >= timeline->count || timeline->time_ms[row] != time_ms) return false;
    }
    return true;
}

static bool verify_one(struct producers *producers, uint32_t at, char why[256]) {
    struct timeline_source *source = store_source(engine_store(producers->engine));
    struct timeline_reader *reader;
    struct timeline timeline = {0};
    struct customer_id customer;
    struct error error = {0};
    char name[48] = "email:";
    uint64_t batches = 0;
    name_of(at, name + 6);
    if (source->ops->reader_open(source, &reader, &error) != STATUS_OK) {
        snprintf(why, 256, "%.200s", error.text);
        return false;
    }
    struct as_of as_of = {INT64_MAX, source->ops->position(reader)};
    const struct timeline_request request = {.as_of = as_of};
    enum status status =
        engine_find_customer(producers->engine, text_from(name), as_of, &customer, &error);
    if (status == STATUS_OK)
        status = source->ops->read(reader, customer, &request, &timeline, &error);
    bool good = status == STATUS_OK || status == STATUS_NOT_FOUND;
    if (!good) snprintf(why, 256, "%.200s", error.text);
    if (good && !count_batches(&timeline, &batches)) {
        snprintf(why, 256, "producer %u: half of batch %" PRIu64 ", or one twice", at, batches);
        good = false;
    }
    source->ops->reader_close(reader);
    uint64_t least = producers->acknowledged[at];
    if (good && (batches < least || batches > least + 1)) {
        snprintf(why, 256,
                 "producer %u: %" PRIu64 " batches are there, %" PRIu64 " were acknowledged", at,
                 batches, least);
        good = false;
    }
    producers->next[at] = producers->acknowledged[at] = batches;
    return good;
}

bool producers_verify(struct producers *producers, char why[256]) {
    for (uint32_t i = 0; i < producers->count; i++)
        if (!verify_one(producers, i, why)) return false;
    return true;
}
