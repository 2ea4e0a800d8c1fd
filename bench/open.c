/* SPDX-License-Identifier: Apache-2.0 */
/* bench/open.c -- how long it takes until a data directory answers: the checkpoint, the rest of
 * the records and the tail; CPU seconds of the process, files in the cache. Three in ten
 * identifiers are e-mail addresses that one row linked to a cookie. The directory is loaded through
 * the store, in the order of a day's load, and kept under $ATTUNE_BENCH_DATA (default: $TMPDIR or
 * /tmp). The peer is what an opening did before checkpoints: the same directory with all records
 * replayed. Usage: open [EVENTS IDENTIFIERS]; 5,000,000 and 1,000,000 by default, 50000000 10000000
 * is the full size. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/random.h"
#include "engine/checkpoint.h"

#define BATCH_EVENTS 20000u
#define ROUNDS       3

struct opened {
    struct symbols *symbols;
    struct identity *identity;
    struct store *store;
    uint32_t records; /* that were replayed */
};

static enum status on_record(void *context, enum record_kind kind, struct text bytes,
                             uint64_t position, struct error *error) {
    struct opened *opened = context;
    if (kind != RECORD_IDENTITY) return STATUS_OK;
    opened->records++;
    return identity_apply(opened->identity, bytes, position, error);
}

static const char *directory_of(uint64_t events, uint64_t identifiers) {
    static char path[600];
    const char *top = getenv("ATTUNE_BENCH_DATA"), *temporary = getenv("TMPDIR");
    if (top == NULL) top = temporary != NULL ? temporary : "/tmp";
    snprintf(path, sizeof path, "%s/attune-open-%" PRIu64 "-%" PRIu64, top, events, identifiers);
    return path;
}

static void open_directory(struct opened *opened, const char *directory, bool with_checkpoint,
                           bool read_only) {
    static const struct column_set columns = {.columns = {{PROPERTY_VALUE, VALUE_NUMBER}},
                                              .count = 1};
    struct error error = {0};
    uint32_t type;
    *opened = (struct opened){.records = 0};
    BENCH_CHECK(symbols_create(&opened->symbols));
    BENCH_CHECK(identity_create(&opened->identity, &(struct identity_options){.salt = {1}}));
    const struct store_checkpoint_ops checkpoint = engine_checkpoint_ops(opened->identity);
    const struct store_options options = {
        .directory = directory,
        .create = true,
        .read_only = read_only,
        .symbols = opened->symbols,
        .columns = &columns,
        .directory_of_customers = identity_directory(opened->identity),
        .on_record = on_record,
        .context = opened,
        .checkpoint = with_checkpoint ? &checkpoint : NULL,
    };
    if (store_open(&opened->store, &options, &error)) bench_fail("%s", error.text);
    BENCH_CHECK(symbol_add(opened->symbols, SYMBOL_IDENTIFIER, TEXT("cookie"), &type));
    BENCH_CHECK(symbol_add(opened->symbols, SYMBOL_IDENTIFIER, TEXT("email"), &type));
}

static void close_directory(struct opened *opened) {
    store_close(opened->store);
    identity_destroy(opened->identity);
    symbols_destroy(opened->symbols);
}

/* ---- loading ---- */

struct making {
    struct random random;
    struct packed_writer writer;
    uint64_t customers, known; /* how many there will be, and are */
    uint64_t events, done;
    int64_t time_ms;
};

static void make_event(struct making *making, struct event_batch *batch) {
    struct event *event = event_batch_add(batch);
    if (!event) bench_fail("no memory");
    uint64_t draw = random_u64(&making->random);
    /* As many come for the first time as are due by now. */
    bool is_new = making->known * making->events <= making->done * making->customers;
    uint64_t who = is_new ? making->known++ : random_below(&making->random, making->known);
    making->done++;
    making->time_ms += (int64_t)(draw >> 20 & 7);
    event->time_ms = event->known_ms = making->time_ms;
    event->type = (uint16_t)(1 + (draw >> 30 & 7));
    char text[64];
    int length = snprintf(text, sizeof text, "c%015" PRIx64, hash_u64(who) >> 4);
    BENCH_CHECK(event_batch_add_identifier(batch, 0, (struct text){text, (uint32_t)length}));
    if (is_new && who % 7 < 3) {
        length = snprintf(text, sizeof text, "person.%" PRIu64 "@mail.example", who);
        BENCH_CHECK(event_batch_add_identifier(batch, 1, (struct text){text, (uint32_t)length}));
    }
    packed_begin(&making->writer);
    BENCH_CHECK(
        packed_add(&making->writer, PROPERTY_VALUE, value_number((double)(draw >> 50) / 100)));
    event = &batch->events[batch->event_count - 1];
    event->properties = (uint32_t)batch->bytes.length;
    BENCH_CHECK(packed_end(&making->writer, &batch->bytes));
    event->properties_length = (uint32_t)batch->bytes.length - event->properties;
}

static void append(struct opened *opened, struct event_batch *batch) {
    struct identity_result result;
    struct error error = {0};
    if (identity_resolve(opened->identity, batch, store_position(opened->store), &result, &error))
        bench_fail("%s", error.text);
    const struct store_record record = {RECORD_IDENTITY, result.record};
    const struct store_frame frame = {
        .batch = batch, .records = &record, .record_count = result.record.length ? 1 : 0};
    uint64_t position;
    if (store_append(opened->store, &frame, false, &position, &error)) bench_fail("%s", error.text);
    identity_commit(opened->identity);
}

static double load(const char *directory, uint64_t events, uint64_t identifiers) {
    struct making making = {
        .customers = identifiers * 7 / 10, .events = events, .time_ms = INT64_C(1500000000000)};
    struct opened opened;
    struct event_batch batch;
    struct error error = {0};
    random_init(&making.random, 7);
    packed_writer_init(&making.writer);
    event_batch_init(&batch);
    double begin = clock_cpu_seconds();
    open_directory(&opened, directory, true, false);
    while (making.done < events) {
        event_batch_clear(&batch);
        for (uint32_t i = 0; i < BATCH_EVENTS && making.done < events; i++)
            make_event(&making, &batch);
        append(&opened, &batch);
    }
    if (store_sync(opened.store, &error)) bench_fail("%s", error.text);
    close_directory(&opened);
    event_batch_release(&batch);
    return clock_cpu_seconds() - begin;
}

/* ---- opening ---- */

struct opening {
    double seconds;
    struct store_stats stats;
    struct identity_stats identity;
    uint32_t records;
};

static struct opening measure(const char *directory, bool with_checkpoint) {
    struct opening out = {.seconds = 0};
    double seconds[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        struct opened opened;
        double begin = clock_cpu_seconds();
        open_directory(&opened, directory, with_checkpoint, true);
        seconds[i] = clock_cpu_seconds() - begin;
        store_stats(opened.store, &out.stats);
        identity_stats(opened.identity, &out.identity);
        out.records = opened.records;
        close_directory(&opened);
    }
    out.seconds = bench_median(seconds, ROUNDS);
    return out;
}

static void print(const char *name, const struct opening *ours, const struct opening *before) {
    char note[240];
    snprintf(note, sizeof note,
             "%u identifiers, %" PRIu64 " events (%" PRIu64 " in the tail); checkpoint of %" PRIu64
             " MB, links %" PRIu64 " MB, %u records replayed",
             ours->identity.identifier_count, ours->stats.event_count, ours->stats.tail_event_count,
             ours->stats.checkpoint_bytes >> 20, ours->stats.links_bytes >> 20, ours->records);
    bench_print(&(struct measurement){.bench = "open",
                                      .name = name,
                                      .unit = "CPU s",
                                      .ours = ours->seconds,
                                      .peer = "all records replayed",
                                      .peer_value = before->seconds,
                                      .ratio = before->seconds / ours->seconds,
                                      .note = note});
}

int main(int argc, char **argv) {
    uint64_t events = argc > 2 ? strtoull(argv[1], NULL, 10) : 5000000;
    uint64_t identifiers = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    const char *directory = directory_of(events, identifiers);
    struct error error = {0};
    if (access(directory, F_OK) != 0) {
        double seconds = load(directory, events, identifiers);
        bench_print(&(struct measurement){.bench = "open",
                                          .name = "load",
                                          .unit = "events/CPU s, their making included",
                                          .ours = (double)events / seconds});
    }
    struct opening ours = measure(directory, true), before = measure(directory, false);
    uint64_t tail = ours.stats.tail_event_count;
    if (tail > 0) {
        print("with the tail as the load left it", &ours, &before);
        struct opened opened;
        open_directory(&opened, directory, true, false);
        if (store_fold(opened.store, false, &error)) bench_fail("%s", error.text);
        close_directory(&opened);
    }
    struct opening folded = measure(directory, true);
    before = measure(directory, false);
    print("folded", &folded, &before);
    if (tail > 0 && ours.seconds > folded.seconds)
        bench_print(&(struct measurement){.bench = "open",
                                          .name = "the tail alone",
                                          .unit = "events/CPU s",
                                          .ours = (double)tail / (ours.seconds - folded.seconds)});
    return 0;
}
