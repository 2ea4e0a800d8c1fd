/* SPDX-License-Identifier: Apache-2.0 */
/* The applier and the syncer: what each of several producers gets back whose batches became one
 * group, and what they leave behind. The applier is held while they queue, so that they do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>

#include "base/memory.h"
#include "engine/applier.h"
#include "shop.h"

#define CHANGES_MAX 16

struct trial {
    struct shop shop;
    struct applier *applier;
    sem_t begun, go, done;
    struct change gate;
    struct change changes[CHANGES_MAX];
    struct event_batch batches[CHANGES_MAX];
    size_t count;
    pthread_t writer; /* who applied the last one, … */
    uint32_t written; /* … of so many */
    struct error error;
};

static int set_up(void **state) {
    struct trial *trial = calloc(1, sizeof *trial);
    shop_init(&trial->shop);
    shop_open(&trial->shop, "playbook.yaml");
    trial->applier = engine_applier(trial->shop.engine);
    sem_init(&trial->begun, 0, 0);
    sem_init(&trial->go, 0, 0);
    sem_init(&trial->done, 0, 0);
    for (size_t i = 0; i < CHANGES_MAX; i++) event_batch_init(&trial->batches[i]);
    *state = trial;
    return 0;
}

static int tear_down(void **state) {
    struct trial *trial = *state;
    shop_release(&trial->shop);
    for (size_t i = 0; i < CHANGES_MAX; i++) event_batch_release(&trial->batches[i]);
    sem_destroy(&trial->begun);
    sem_destroy(&trial->go);
    sem_destroy(&trial->done);
    free(trial);
    return 0;
}

/* ---- events ---- */

static uint32_t type_of(struct trial *trial, const char *name) {
    return symbol_find(engine_symbols(trial->shop.engine), SYMBOL_IDENTIFIER, text_from(name));
}

struct order {
    uint64_t key, content;
    const char *email, *cookie; /* NULL: none */
    int day;
};

static void add_order(struct trial *trial, struct event_batch *batch, const struct order *order) {
    struct symbols *symbols = engine_symbols(trial->shop.engine);
    struct event *event = event_batch_add(batch);
    assert_non_null(event);
    event->time_ms = event->known_ms = DAY(order->day);
    event->type = (uint16_t)symbol_find(symbols, SYMBOL_EVENT, TEXT("Order Completed"));
    event->source = (uint16_t)symbol_find(symbols, SYMBOL_SOURCE, TEXT("orders"));
    event->key = (struct row_key){order->key, 7};
    event->content = order->content;
    event->reading = 1;
    if (order->email != NULL)
        assert_int_equal(
            event_batch_add_identifier(batch, type_of(trial, "email"), text_from(order->email)),
            STATUS_OK);
    if (order->cookie != NULL)
        assert_int_equal(
            event_batch_add_identifier(batch, type_of(trial, "cookie"), text_from(order->cookie)),
            STATUS_OK);
}

static void note_done(struct change *change) {
    sem_post(change->context);
}

/* The next change; its batch has this order. */
static struct change *next_change(struct trial *trial, const struct order *order) {
    size_t at = trial->count++;
    struct event_batch *batch = &trial->batches[at];
    event_batch_clear(batch);
    trial->changes[at] =
        (struct change){.batch = batch, .completed = note_done, .context = &trial->done};
    if (order != NULL) add_order(trial, batch, order);
    return &trial->changes[at];
}

static struct change *submit(struct trial *trial, struct change *change) {
    assert_int_equal(applier_submit(trial->applier, change, 0, &trial->error), STATUS_OK);
    return change;
}

static struct change *submit_order(struct trial *trial, struct order order) {
    return submit(trial, next_change(trial, &order));
}

/* ---- one group ---- */

static enum status stand(struct engine *engine, void *context, struct error *error) {
    struct trial *trial = context;
    (void)engine;
    (void)error;
    sem_post(&trial->begun);
    sem_wait(&trial->go);
    return STATUS_OK;
}

/* From now on what is submitted waits, until `release`. */
static void hold(struct trial *trial) {
    trial->count = 0;
    trial->gate = (struct change){.run = stand, .context = trial};
    submit(trial, &trial->gate);
    sem_wait(&trial->begun);
}

static void release(struct trial *trial) {
    sem_post(&trial->go);
    for (size_t i = 0; i < trial->count; i++) sem_wait(&trial->done);
}

static uint64_t frames(struct trial *trial) {
    struct applier_stats stats;
    applier_stats(trial->applier, &stats);
    return stats.frames;
}

static uint64_t orders(struct trial *trial) {
    return shop_count(&trial->shop, "Order Completed");
}

static void test_small_batches_share_a_frame(void **state) {
    struct trial *trial = *state;
    hold(trial);
    struct change *a = submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    struct change *b = submit_order(trial, (struct order){2, 1, "b@x.example", NULL, 1});
    struct change *again = submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    struct change *nobody = submit_order(trial, (struct order){3, 1, "unknown", NULL, 1});
    struct change *both = next_change(trial, &(struct order){4, 1, "b@x.example", "unknown", 2});
    add_order(trial, both->batch, &(struct order){2, 1, "b@x.example", NULL, 1});
    submit(trial, both);
    release(trial);
    for (size_t i = 0; i < trial->count; i++) assert_int_equal(trial->changes[i].status, STATUS_OK);
    assert_int_equal(frames(trial), 1);
    assert_int_equal(a->did.events, 1);
    assert_int_equal(b->did.events, 1);
    assert_int_equal(again->did.events, 0);
    assert_int_equal(again->did.repeats, 1);
    assert_int_equal(nobody->did.turned_away, 1);
    assert_int_equal(nobody->did.nobodys, 1);
    assert_int_equal(both->did.events, 1);
    assert_int_equal(both->did.repeats, 1);
    assert_int_equal(both->did.nobodys, 1);
    assert_int_equal(a->did.nobodys + b->did.nobodys, 0);
    assert_int_equal(orders(trial), 3);
}

/* Both versions of a row are stored, as if the second had come a minute later. */
static void test_a_correction_in_the_group(void **state) {
    struct trial *trial = *state;
    uint64_t earlier;
    hold(trial);
    struct change *first = submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    submit_order(trial, (struct order){2, 1, "a@x.example", NULL, 1});
    struct change *second = submit_order(trial, (struct order){1, 2, "b@x.example", NULL, 1});
    struct change *third = submit_order(trial, (struct order){1, 2, "b@x.example", NULL, 1});
    release(trial);
    assert_int_equal(first->did.events, 1);
    assert_int_equal(second->did.corrected, 1);
    assert_int_equal(third->did.repeats, 1);
    assert_int_equal(frames(trial), 2);
    assert_int_equal(store_earlier_versions(engine_store(trial->shop.engine), &earlier), STATUS_OK);
    assert_int_equal(earlier, 1);
    assert_true(shop_trait(&trial->shop, "email:a@x.example", "orders", DAY(9)) == 1);
    assert_true(shop_trait(&trial->shop, "email:b@x.example", "orders", DAY(9)) == 1);
}

static void test_customers_merge_in_the_group(void **state) {
    struct trial *trial = *state;
    submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    submit_order(trial, (struct order){2, 1, NULL, "c1", 1});
    sem_wait(&trial->done);
    sem_wait(&trial->done);
    hold(trial);
    submit_order(trial, (struct order){3, 1, "b@x.example", "c2", 2});
    submit_order(trial, (struct order){4, 1, "a@x.example", "c1", 2});
    submit_order(trial, (struct order){5, 1, NULL, "c1", 3});
    release(trial);
    assert_int_equal(shop_count(&trial->shop, "Customer Merged"), 1);
    assert_true(shop_trait(&trial->shop, "cookie:c1", "orders", DAY(9)) == 4);
    assert_true(shop_trait(&trial->shop, "email:b@x.example", "orders", DAY(9)) == 1);
}

static enum status erase(struct engine *engine, void *context, struct error *error) {
    struct erased_summary erased;
    enum status status = engine_erase(engine, *(struct customer_id *)context, &erased, error);
    erased_summary_release(&erased);
    return status;
}

static void test_an_erasure_in_the_group(void **state) {
    struct trial *trial = *state;
    submit_order(trial, (struct order){1, 1, "ann@x.example", NULL, 1});
    sem_wait(&trial->done);
    struct customer_id customer = shop_customer(&trial->shop, "email:ann@x.example", DAY(9));
    hold(trial);
    struct change *before = submit_order(trial, (struct order){2, 1, "ann@x.example", NULL, 1});
    struct change *other = submit_order(trial, (struct order){3, 1, "bob@x.example", NULL, 1});
    struct change *erasure = next_change(trial, NULL);
    *erasure = (struct change){.run = erase, .context = &customer};
    submit(trial, erasure);
    struct change *after = submit_order(trial, (struct order){4, 1, "ann@x.example", NULL, 1});
    sem_post(&trial->go);
    for (int i = 0; i < 3; i++) sem_wait(&trial->done);
    assert_int_equal(before->did.events, 1);
    assert_int_equal(other->did.events, 1);
    assert_int_equal(erasure->status, STATUS_OK);
    assert_int_equal(after->did.events, 0);
    assert_int_equal(after->did.turned_away, 1);
    assert_int_equal(orders(trial), 1);
    assert_false(simulated_disk_contains(trial->shop.disk, "ann@x.example", 13));
}

/* One that nobody can write is refused alone. */
static void test_an_oversized_batch_is_refused_alone(void **state) {
    struct trial *trial = *state;
    static const char bytes[70000];
    hold(trial);
    struct change *good = submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    struct change *large = next_change(trial, &(struct order){2, 1, "b@x.example", NULL, 1});
    struct event *event = &large->batch->events[0];
    event->properties = (uint32_t)large->batch->bytes.length;
    event->properties_length = sizeof bytes;
    assert_int_equal(buffer_append(&large->batch->bytes, bytes, sizeof bytes), STATUS_OK);
    submit(trial, large);
    struct change *last = submit_order(trial, (struct order){3, 1, "c@x.example", NULL, 1});
    release(trial);
    assert_int_equal(good->status, STATUS_OK);
    assert_int_equal(large->status, STATUS_LIMIT);
    assert_non_null(strstr(large->error.text, "70000 bytes"));
    assert_int_equal(last->status, STATUS_OK);
    assert_int_equal(orders(trial), 2);
}

/* Where a joined frame can't be written for memory, each batch is applied alone, and is kept as a
 * whole or not at all. */
static void test_a_joined_frame_without_memory(void **state) {
    struct trial *trial = *state;
    uint64_t all_good = 0, refused = 0;
    for (uint64_t nth = 1; nth < 60; nth++) {
        uint64_t kept = orders(trial), good = 0;
        hold(trial);
        for (uint64_t i = 0; i < 3; i++)
            submit_order(trial, (struct order){nth * 10 + i + 1, 1, "a@x.example", NULL, 1});
        memory_fail_at(nth);
        release(trial);
        memory_fail_at(0);
        for (size_t i = 0; i < trial->count; i++) {
            bool is_good = trial->changes[i].status == STATUS_OK;
            good += is_good;
            if (is_good)
                assert_int_equal(trial->changes[i].did.events, 1);
            else
                assert_int_equal(trial->changes[i].status, STATUS_NO_MEMORY);
        }
        assert_int_equal(orders(trial), kept + good);
        all_good += good == 3;
        refused += 3 - good;
    }
    assert_true(all_good > 0 && refused > 0);
}

/* ---- a full queue ---- */

static void open_with(struct trial *trial, uint32_t changes, size_t bytes, uint32_t linger_ms) {
    struct engine_options options = {.directory = "data",
                                     .fs = simulated_disk_interface(trial->shop.disk),
                                     .fold_by_hand = true,
                                     .now_ms = trial->shop.now_ms,
                                     .threads = 1,
                                     .queue_changes = changes,
                                     .queue_bytes = bytes,
                                     .linger_ms = linger_ms};
    engine_close(trial->shop.engine);
    assert_int_equal(engine_open(&trial->shop.engine, &options, &trial->error), STATUS_OK);
    trial->applier = engine_applier(trial->shop.engine);
}

static void test_a_full_queue_is_told(void **state) {
    struct trial *trial = *state;
    struct applier_stats stats;
    open_with(trial, 3, 0, 0);
    hold(trial);
    submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    submit_order(trial, (struct order){2, 1, "b@x.example", NULL, 1});
    struct change *more = next_change(trial, &(struct order){3, 1, "c@x.example", NULL, 1});
    for (uint32_t patience_ms = 0; patience_ms < 30; patience_ms += 20) {
        assert_int_equal(applier_submit(trial->applier, more, patience_ms, &trial->error),
                         STATUS_BUSY);
        assert_non_null(strstr(trial->error.text, "try it again"));
    }
    applier_stats(trial->applier, &stats);
    assert_int_equal(stats.waiting, 3);
    trial->count--;
    release(trial);
    trial->count++;
    submit(trial, more);
    sem_wait(&trial->done);
    assert_int_equal(more->did.events, 1);
    assert_int_equal(orders(trial), 3);
}

/* What would never fit is no matter of waiting. */
static void test_a_batch_that_never_fits(void **state) {
    struct trial *trial = *state;
    open_with(trial, 0, 600, 0);
    struct change *large = next_change(trial, NULL);
    for (uint64_t i = 0; i < 9; i++)
        add_order(trial, large->batch, &(struct order){i + 1, 1, "a@x.example", NULL, 1});
    assert_int_equal(applier_submit(trial->applier, large, 1000, &trial->error), STATUS_LIMIT);
    submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    sem_wait(&trial->done);
    assert_int_equal(orders(trial), 1);
}

/* ---- a sync that fails ---- */

static void test_a_failed_sync_ends_all_changes(void **state) {
    struct trial *trial = *state;
    submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    sem_wait(&trial->done);
    hold(trial);
    struct change *b = submit_order(trial, (struct order){2, 1, "b@x.example", NULL, 1});
    struct change *c = submit_order(trial, (struct order){3, 1, "c@x.example", NULL, 1});
    simulated_disk_fail_at(trial->shop.disk, 2, false); /* the frame's write, then its sync */
    release(trial);
    struct change *const group[] = {b, c};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(group[i]->status, STATUS_IO);
        assert_non_null(strstr(group[i]->error.text, "send it once more"));
    }
    assert_true(applier_has_failed(trial->applier));
    struct change *later = next_change(trial, &(struct order){4, 1, "d@x.example", NULL, 1});
    assert_int_equal(applier_submit(trial->applier, later, 1000, &trial->error), STATUS_READ_ONLY);
    assert_int_equal(applier_call(trial->applier, erase, NULL, &trial->error), STATUS_READ_ONLY);
    /* What was durable is still answered; deciders see no more than that. */
    assert_int_equal(orders(trial), 1);
    struct timeline_source *written = store_source_written(engine_store(trial->shop.engine));
    struct timeline_reader *reader;
    assert_int_equal(written->ops->reader_open(written, &reader, NULL), STATUS_OK);
    assert_true(written->ops->position(reader) ==
                store_durable_position(engine_store(trial->shop.engine)));
    written->ops->reader_close(reader);
    /* Opened again, the same batches count once. */
    shop_open(&trial->shop, NULL);
    trial->applier = engine_applier(trial->shop.engine);
    for (uint64_t i = 2; i < 4; i++) {
        trial->count = 0;
        submit_order(trial, (struct order){i, 1, i == 2 ? "b@x.example" : "c@x.example", NULL, 1});
        sem_wait(&trial->done);
        assert_int_equal(trial->changes[0].status, STATUS_OK);
    }
    assert_int_equal(orders(trial), 3);
}

/* A write that fails leaves nothing, and the next one goes on. */
static void test_a_failed_write_is_undone(void **state) {
    struct trial *trial = *state;
    submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    sem_wait(&trial->done);
    hold(trial);
    struct change *b = submit_order(trial, (struct order){2, 1, "b@x.example", NULL, 1});
    struct change *c = submit_order(trial, (struct order){3, 1, "c@x.example", NULL, 1});
    simulated_disk_fail_at(trial->shop.disk, 1, true);
    release(trial);
    assert_int_equal(b->status, STATUS_DISK_FULL);
    assert_int_equal(c->status, STATUS_DISK_FULL);
    assert_int_equal(shop_customer(&trial->shop, "email:b@x.example", DAY(9)).value, ID_NONE);
    trial->count = 0;
    submit_order(trial, (struct order){2, 1, "b@x.example", NULL, 1});
    sem_wait(&trial->done);
    assert_int_equal(trial->changes[0].did.events, 1);
    assert_int_equal(orders(trial), 2);
}

/* ---- written and durable ---- */

static void stand_in_syncer(struct change *change) {
    struct trial *trial = change->context;
    sem_post(&trial->begun);
    sem_wait(&trial->go);
    sem_post(&trial->done);
}

static uint32_t count_by(struct timeline_source *source, struct customer_id customer) {
    struct timeline_reader *reader;
    struct timeline timeline = {0};
    assert_int_equal(source->ops->reader_open(source, &reader, NULL), STATUS_OK);
    struct timeline_request request = {.as_of = {INT64_MAX, source->ops->position(reader)}};
    enum status status = source->ops->read(reader, customer, &request, &timeline, NULL);
    uint32_t count = status == STATUS_OK ? timeline.count : 0;
    source->ops->reader_close(reader);
    return count;
}

static void test_deciders_see_what_is_written(void **state) {
    struct trial *trial = *state;
    struct store *store = engine_store(trial->shop.engine);
    struct applier_stats stats;
    struct change *first = next_change(trial, &(struct order){1, 1, "a@x.example", NULL, 1});
    first->completed = stand_in_syncer;
    first->context = trial;
    submit(trial, first);
    sem_wait(&trial->begun);
    struct customer_id customer = shop_customer(&trial->shop, "email:a@x.example", DAY(9));
    uint64_t before = store_position(store);
    submit_order(trial, (struct order){2, 1, "a@x.example", NULL, 2});
    struct change *fresh = submit_order(trial, (struct order){3, 1, "new@x.example", NULL, 2});
    while (store_position(store) < before + 3) applier_stats(trial->applier, &stats);
    assert_int_equal(count_by(store_source(store), customer), 1);
    assert_int_equal(count_by(store_source_written(store), customer), 2);
    assert_int_equal(shop_customer(&trial->shop, "email:new@x.example", DAY(9)).value, ID_NONE);
    sem_post(&trial->go);
    for (int i = 0; i < 3; i++) sem_wait(&trial->done);
    assert_int_equal(fresh->status, STATUS_OK);
    assert_int_equal(count_by(store_source(store), customer), 2);
    assert_int_not_equal(shop_customer(&trial->shop, "email:new@x.example", DAY(9)).value, ID_NONE);
}

static void give_back(struct change *change) {
    struct trial *trial = change->context;
    assert_int_equal(change->did.events, 1); /* it is applied, and not completed yet */
    sem_post(&trial->begun);
}

static void note_trial_done(struct change *change) {
    sem_post(&((struct trial *)change->context)->done);
}

/* While the syncer stands, a batch that is applied goes back to its producer. */
static void test_a_batch_comes_back_before_the_sync(void **state) {
    struct trial *trial = *state;
    struct change *first = next_change(trial, &(struct order){1, 1, "a@x.example", NULL, 1});
    first->completed = stand_in_syncer;
    first->context = trial;
    submit(trial, first);
    sem_wait(&trial->begun);
    struct change *second = next_change(trial, &(struct order){2, 1, "a@x.example", NULL, 2});
    second->written = give_back;
    second->completed = note_trial_done;
    second->context = trial;
    submit(trial, second);
    sem_wait(&trial->begun);
    event_batch_clear(second->batch); /* the producer's again */
    sem_post(&trial->go);
    for (int i = 0; i < 2; i++) sem_wait(&trial->done);
    assert_int_equal(second->status, STATUS_OK);
    assert_int_equal(second->did.events, 1);
    assert_int_equal(sem_trywait(&trial->begun), -1); /* once */
}

/* ---- short changes, and a syncer that lingers ---- */

static void note_written_here(struct change *change) {
    struct trial *trial = change->context;
    trial->writer = pthread_self();
    trial->written++;
}

/* A short change for whose sync nobody waits. */
static struct change *next_lingering(struct trial *trial, uint64_t key) {
    struct change *change = next_change(trial, &(struct order){key, 1, "a@x.example", NULL, 1});
    change->is_short = change->lingers = true;
    change->written = note_written_here;
    change->completed = note_trial_done;
    change->context = trial;
    return change;
}

static void test_a_short_change_is_applied_by_who_submits_it(void **state) {
    struct trial *trial = *state;
    struct applier_stats stats;
    submit(trial, next_lingering(trial, 1));
    assert_int_equal(trial->written, 1); /* before applier_submit returned */
    assert_true(pthread_equal(trial->writer, pthread_self()));
    sem_wait(&trial->done);
    applier_stats(trial->applier, &stats);
    assert_int_equal(stats.here, 1);
    hold(trial); /* somebody applies: it waits in the queue */
    submit(trial, next_lingering(trial, 2));
    assert_int_equal(trial->written, 1);
    release(trial);
    assert_int_equal(trial->written, 2);
    assert_false(pthread_equal(trial->writer, pthread_self()));
    applier_stats(trial->applier, &stats);
    assert_int_equal(stats.here, 1);
    assert_int_equal(orders(trial), 2);
}

static void stand_in_applier(struct change *change) {
    struct trial *trial = change->context;
    sem_post(&trial->begun);
    sem_wait(&trial->go);
}

static void *submit_standing(void *context) {
    struct trial *trial = context;
    struct change *change = &trial->changes[0];
    change->written = stand_in_applier;
    submit(trial, change);
    return NULL;
}

/* Who applies a short change applies those of others that came meanwhile, too. */
static void test_short_changes_of_others_are_taken_along(void **state) {
    struct trial *trial = *state;
    struct applier_stats stats;
    pthread_t other;
    next_lingering(trial, 1);
    assert_int_equal(pthread_create(&other, NULL, submit_standing, trial), 0);
    sem_wait(&trial->begun);
    for (uint64_t i = 2; i < 5; i++) submit(trial, next_lingering(trial, i));
    assert_int_equal(trial->written, 0);
    sem_post(&trial->go);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(trial->written, 3);
    assert_true(pthread_equal(trial->writer, other));
    applier_stats(trial->applier, &stats);
    assert_int_equal(stats.here, 4);
    for (int i = 0; i < 4; i++) sem_wait(&trial->done);
    assert_int_equal(orders(trial), 4);
}

/* The lingering is longer than the test may take: only what is waited for ends it. */
static void test_what_is_waited_for_ends_the_lingering(void **state) {
    struct trial *trial = *state;
    struct applier_stats before, after;
    open_with(trial, 0, 0, 600000);
    struct store *store = engine_store(trial->shop.engine);
    applier_stats(trial->applier, &before);
    for (uint64_t i = 0; i < 3; i++) submit(trial, next_lingering(trial, i + 1));
    assert_int_equal(trial->written, 3);
    assert_true(store_durable_position(store) < store_position(store));
    assert_int_equal(sem_trywait(&trial->done), -1);
    submit_order(trial, (struct order){4, 1, "b@x.example", NULL, 1});
    for (int i = 0; i < 4; i++) sem_wait(&trial->done);
    applier_stats(trial->applier, &after);
    assert_int_equal(after.syncs - before.syncs, 1);
    assert_true(store_durable_position(store) == store_position(store));
    assert_int_equal(orders(trial), 4);
    /* Closing completes what lingers. */
    submit(trial, next_lingering(trial, 5));
    shop_open(&trial->shop, NULL);
    sem_wait(&trial->done);
    assert_int_equal(orders(trial), 5);
}

/* Who has submitted changes that linger may wait for them, for those that are written and for those
 * that will be. Once nobody waits, changes linger again. */
static void test_who_waits_ends_the_lingering(void **state) {
    struct trial *trial = *state;
    open_with(trial, 0, 0, 600000);
    submit(trial, next_lingering(trial, 1));
    assert_int_equal(sem_trywait(&trial->done), -1);
    applier_wait_begin(trial->applier);
    sem_wait(&trial->done);
    hold(trial);
    submit(trial, next_lingering(trial, 2)); /* in the queue */
    release(trial);                          /* and waits for it */
    submit(trial, next_lingering(trial, 3));
    sem_wait(&trial->done);
    applier_wait_end(trial->applier);
    submit(trial, next_lingering(trial, 4));
    assert_int_equal(trial->written, 4);
    assert_int_equal(sem_trywait(&trial->done), -1);
    shop_open(&trial->shop, NULL);
    sem_wait(&trial->done);
    assert_int_equal(orders(trial), 4);
}

/* What lingers never fills the queue. */
static void test_a_half_full_queue_ends_the_lingering(void **state) {
    struct trial *trial = *state;
    open_with(trial, 4, 0, 600000);
    for (uint64_t i = 0; i < 3; i++) submit(trial, next_lingering(trial, i + 1));
    for (int i = 0; i < 3; i++) sem_wait(&trial->done);
    assert_int_equal(orders(trial), 3);
}

/* A change that fails has nothing to sync, and its producer waits for the word. */
static void test_a_failed_change_does_not_linger(void **state) {
    struct trial *trial = *state;
    open_with(trial, 0, 0, 600000);
    struct change *change = next_lingering(trial, 1);
    simulated_disk_fail_at(trial->shop.disk, 1, true);
    submit(trial, change);
    sem_wait(&trial->done);
    assert_int_equal(change->status, STATUS_DISK_FULL);
}

/* ---- decisions ---- */

/* The engine's own events bring their personas along; a key that is known is a repeat. */
static void test_events_with_personas(void **state) {
    struct trial *trial = *state;
    submit_order(trial, (struct order){1, 1, "a@x.example", NULL, 1});
    sem_wait(&trial->done);
    struct customer_id customer = shop_customer(&trial->shop, "email:a@x.example", DAY(9));
    struct persona_id persona = identity_persona_any(engine_identity(trial->shop.engine), customer,
                                                     (struct as_of){INT64_MAX, POSITION_NOW});
    hold(trial);
    struct change *own[2];
    for (int i = 0; i < 2; i++) {
        own[i] = next_change(trial, &(struct order){50, 0, NULL, NULL, 3});
        own[i]->has_personas = true;
        own[i]->batch->events[0].persona = persona;
        submit(trial, own[i]);
        submit_order(trial, (struct order){(uint64_t)i + 2, 1, "b@x.example", NULL, 1});
    }
    release(trial);
    assert_int_equal(frames(trial), 2); /* the first order, and then all of the group */
    assert_int_equal(own[0]->did.events, 1);
    assert_int_equal(own[1]->did.repeats, 1);
    assert_true(shop_trait(&trial->shop, "email:a@x.example", "orders", DAY(9)) == 2);
    assert_true(shop_trait(&trial->shop, "email:b@x.example", "orders", DAY(9)) == 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_small_batches_share_a_frame),
        CASE(test_a_correction_in_the_group),
        CASE(test_customers_merge_in_the_group),
        CASE(test_an_erasure_in_the_group),
        CASE(test_an_oversized_batch_is_refused_alone),
        CASE(test_a_joined_frame_without_memory),
        CASE(test_a_full_queue_is_told),
        CASE(test_a_batch_that_never_fits),
        CASE(test_a_failed_sync_ends_all_changes),
        CASE(test_a_failed_write_is_undone),
        CASE(test_deciders_see_what_is_written),
        CASE(test_a_batch_comes_back_before_the_sync),
        CASE(test_a_short_change_is_applied_by_who_submits_it),
        CASE(test_short_changes_of_others_are_taken_along),
        CASE(test_what_is_waited_for_ends_the_lingering),
        CASE(test_who_waits_ends_the_lingering),
        CASE(test_a_half_full_queue_ends_the_lingering),
        CASE(test_a_failed_change_does_not_linger),
        CASE(test_events_with_personas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
