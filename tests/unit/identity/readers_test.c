/* SPDX-License-Identifier: Apache-2.0 */
/* Readers beside the applier: what is pinned stands still, what is new is whole. To be run under
 * ThreadSanitizer, too. */
#include "world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

#define PEOPLE  40
#define BATCHES 100

/* cmocka's asserts jump, which only its own thread may. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct shared {
    struct identity_world world;
    _Atomic uint64_t position; /* committed: below it nothing changes any more */
    _Atomic bool done;
};

static uint32_t snapshot_at(const struct customer_directory *directory, struct as_of as_of,
                            uint32_t *out, uint32_t max) {
    uint32_t count = directory->ops->persona_count(directory, as_of.position);
    if (count > max) count = max;
    directory->ops->snapshot(directory, as_of, out, count);
    return count;
}

static void check_personas(const struct customer_directory *directory, struct as_of as_of,
                           const uint32_t *customers, uint32_t count) {
    struct persona_id personas[512];
    for (uint32_t i = 0; i < count; i += 7) {
        struct persona_id persona = {i};
        struct customer_id customer = directory->ops->customer_of(directory, persona, as_of);
        CHECK(customer.value == customers[i]);
        uint32_t theirs = directory->ops->personas_of(directory, customer, as_of, personas, 512);
        bool is_listed = false;
        for (uint32_t k = 0; k < theirs && k < 512; k++) is_listed |= personas[k].value == i;
        CHECK(is_listed || theirs > 512);
    }
}

static void *read_on(void *context) {
    struct shared *shared = context;
    const struct customer_directory *directory = identity_directory(shared->world.identity);
    static _Thread_local uint32_t first[4096], again[4096];
    struct random random;
    random_init(&random, (uint64_t)(uintptr_t)&first);
    while (!atomic_load(&shared->done)) {
        struct as_of as_of = {INT64_MAX, atomic_load(&shared->position)};
        if (random_below(&random, 2)) as_of.t_ms = (int64_t)random_below(&random, 200) * DAY;
        if (random_below(&random, 4) == 0)
            as_of.position = random_below(&random, as_of.position + 1);
        uint32_t count = snapshot_at(directory, as_of, first, 4096);
        check_personas(directory, as_of, first, count);
        CHECK(snapshot_at(directory, as_of, again, 4096) == count);
        CHECK(memcmp(first, again, count * sizeof(first[0])) == 0);
        char value[32];
        struct customer_id customer;
        snprintf(value, sizeof(value), "p%u", (uint32_t)random_below(&random, PEOPLE));
        struct text text = text_from(value);
        (void)!identity_find_customer(shared->world.identity, CRM, text,
                                      (struct as_of){INT64_MAX, POSITION_NOW}, &customer);
        if (random_below(&random, 50) == 0) {
            struct identity_visitor visitor = {0};
            (void)!identity_describe(shared->world.identity, (struct customer_id){first[0]},
                                     &visitor);
        }
    }
    return NULL;
}

static void add_some(struct identity_world *world, struct random *random) {
    char text[96];
    event_batch_clear(&world->batch);
    for (uint32_t i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "crm:p%u email:e%u cookie:c%u",
                 (uint32_t)random_below(random, PEOPLE), (uint32_t)random_below(random, PEOPLE * 3),
                 (uint32_t)random_below(random, PEOPLE * 3));
        world_add(world, (int64_t)random_below(random, 200), text);
    }
}

static void withdraw_some(struct shared *shared, struct random *random) {
    struct identity_world *world = &shared->world;
    char value[32];
    struct identifier_id id;
    snprintf(value, sizeof(value), "c%u", (uint32_t)random_below(random, PEOPLE * 3));
    struct as_of now = {INT64_MAX, POSITION_NOW};
    if (identity_find(world->identity, COOKIE, text_from(value), now, &id)) return;
    if (identity_withdraw(world->identity, id, (struct identifier_id){ID_NONE}, false, 100 * DAY,
                          world->position, &world->result, NULL))
        return;
    identity_commit(world->identity);
    atomic_store(&shared->position, ++world->position);
}

static void readers_see_what_is_whole(void **state) {
    (void)state;
    static struct shared shared;
    struct random random;
    pthread_t threads[3];
    random_init(&random, 77);
    world_init(&shared.world);
    atomic_store(&shared.position, shared.world.position);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &shared), 0);
    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        add_some(&shared.world, &random);
        world_resolve(&shared.world);
        if (random_below(&random, 5) == 0) { /* the append failed */
            identity_undo(shared.world.identity);
            continue;
        }
        identity_commit(shared.world.identity);
        shared.world.position += 1 + shared.world.batch.event_count;
        atomic_store(&shared.position, shared.world.position);
        if (random_below(&random, 20) == 0) withdraw_some(&shared, &random);
    }
    atomic_store(&shared.done, true);
    for (uint32_t i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    world_release(&shared.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_what_is_whole)};
    return cmocka_run_group_tests_name("identity readers", tests, NULL, NULL);
}
