/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/random.h"
#include "world.h"

#define RECORDS_MAX 64
struct log {
    struct buffer bytes[RECORDS_MAX];
    uint64_t position[RECORDS_MAX];
    uint32_t count;
};

static void keep(struct log *log, struct identity_world *world, uint64_t position) {
    if (world->result.record.length == 0) return;
    assert_true(log->count < RECORDS_MAX);
    buffer_init(&log->bytes[log->count]);
    assert_int_equal(buffer_append_text(&log->bytes[log->count], world->result.record), STATUS_OK);
    log->position[log->count++] = position;
}

static void event(struct log *log, struct identity_world *world, int64_t day,
                  const char *identifiers) {
    uint64_t position = world->position;
    event_batch_clear(&world->batch);
    world_add(world, day, identifiers);
    world_resolve(world);
    keep(log, world, position);
    identity_commit(world->identity);
    world->position += 2;
}

static bool log_contains(const struct log *log, const char *text) {
    for (uint32_t i = 0; i < log->count; i++) {
        if (text_contains(buffer_text(&log->bytes[i]), text_from(text))) return true;
    }
    return false;
}

static void rewrite_log(struct log *log, struct identity_erasure *erasure) {
    for (uint32_t i = 0; i < log->count; i++) {
        struct buffer out;
        buffer_init(&out);
        if (identity_rewrite(erasure, 1, buffer_text(&log->bytes[i]), &out)) {
            buffer_release(&log->bytes[i]);
            log->bytes[i] = out;
        } else {
            assert_int_equal(out.length, 0);
            buffer_release(&out);
        }
    }
    assert_int_equal(erasure->status, STATUS_OK);
}

/* Erases ann, who shares a kiosk's cookie with bob by a refused link. */
static void erase_ann(struct log *log, struct identity_world *world) {
    struct identity_erasure *erasure;
    struct customer_id ann = world_customer(world, "email:ann@secret.org");
    assert_int_equal(identity_erasure_create(&erasure, world->identity, ann, NULL), STATUS_OK);
    assert_int_equal(erasure->identifier_count, 2);
    assert_int_equal(erasure->persona_count, 2);
    assert_int_equal(
        identity_suppress(world->identity, erasure, world->position, &world->result, NULL),
        STATUS_OK);
    keep(log, world, world->position++);
    identity_commit(world->identity);
    rewrite_log(log, erasure);
    assert_int_equal(identity_erase(world->identity, erasure), STATUS_OK);
    identity_erasure_destroy(erasure);
}

static void check_forgotten(struct identity_world *world) {
    assert_int_equal(world_customer(world, "email:ann@secret.org").value, ID_NONE);
    assert_int_equal(world_customer(world, "crm:secret-100").value, ID_NONE);
    assert_int_not_equal(world_customer(world, "email:bob@x.org").value, ID_NONE);
    assert_same(world, "email:bob@x.org", "cookie:kiosk");
    /* Doesn't come back unasked: alone it is nobody, and a row that names others beside it says
     * that they are the same person. The others are not suppressed for that. */
    event_batch_clear(&world->batch);
    world_add(world, 50, "email:ann@secret.org");
    world_add(world, 50, "email:ann@secret.org cookie:new");
    world_commit(world);
    assert_int_equal(world->batch.events[0].persona.value, ID_NONE);
    assert_int_equal(world->batch.events[1].persona.value, ID_NONE);
    assert_int_equal(world->result.unusable_count, 2);
    assert_int_equal(world->result.new_identifiers, 0);
    event_batch_clear(&world->batch);
    world_add(world, 51, "email:eve@x.org cookie:kiosk");
    world_add(world, 51, "crm:secret-100 cookie:kiosk");
    world_resolve(world);
    assert_int_not_equal(world->batch.events[0].persona.value, ID_NONE);
    assert_int_equal(world->batch.events[1].persona.value, ID_NONE);
    identity_undo(world->identity);
    struct identity_stats stats;
    identity_stats(world->identity, &stats);
    assert_int_equal(stats.suppressed_count, 2);
}

static void an_erased_customer_is_gone_from_bytes_and_memory(void **state) {
    (void)state;
    struct identity_world world, again;
    struct log log = {.count = 0};
    world_init(&world);
    keep(&log, &world, 0);
    event(&log, &world, 1, "email:bob@x.org cookie:kiosk crm:bob");
    event(&log, &world, 2, "crm:secret-100 cookie:kiosk");
    event(&log, &world, 3, "email:ann@secret.org crm:secret-100");
    event(&log, &world, 4, "cookie:kiosk");
    assert_true(log_contains(&log, "secret"));
    erase_ann(&log, &world);
    assert_false(log_contains(&log, "secret"));
    assert_true(log_contains(&log, "bob@x.org"));
    check_forgotten(&world);
    world_init(&again);
    identity_destroy(again.identity);
    struct identity_options options = {.salt = {7, 7, 7}};
    assert_int_equal(identity_create(&again.identity, &options), STATUS_OK);
    for (uint32_t i = 0; i < log.count; i++)
        assert_int_equal(
            identity_apply(again.identity, buffer_text(&log.bytes[i]), log.position[i], NULL),
            STATUS_OK);
    again.position = world.position;
    check_forgotten(&again);
    for (uint32_t i = 0; i < log.count; i++) buffer_release(&log.bytes[i]);
    world_release(&world);
    world_release(&again);
}

static void reopen(struct identity_world *again, const struct log *log, uint64_t position) {
    struct identity_options options = {.salt = {7, 7, 7}};
    world_init(again);
    identity_destroy(again->identity);
    assert_int_equal(identity_create(&again->identity, &options), STATUS_OK);
    for (uint32_t i = 0; i < log->count; i++)
        assert_int_equal(
            identity_apply(again->identity, buffer_text(&log->bytes[i]), log->position[i], NULL),
            STATUS_OK);
    again->position = position;
}

#define DAYS         14
#define PERSONAS_MAX 64
static void assert_same_past(const struct identity_world *a, const struct identity_world *b,
                             uint32_t identifiers) {
    const struct customer_directory *x = identity_directory(a->identity),
                                    *y = identity_directory(b->identity);
    uint32_t personas = x->ops->persona_count(x, POSITION_NOW);
    assert_int_equal(y->ops->persona_count(y, POSITION_NOW), personas);
    for (int64_t day = 0; day <= DAYS; day++) {
        struct as_of as_of = {day * DAY, POSITION_NOW};
        for (uint32_t id = 0; id < identifiers; id++) {
            struct persona_id p[PERSONAS_MAX], q[PERSONAS_MAX];
            struct customer_id customer = {id};
            struct identifier_id identifier = {id};
            assert_int_equal(identity_customer_of(a->identity, identifier, as_of).value,
                             identity_customer_of(b->identity, identifier, as_of).value);
            assert_int_equal(x->ops->personas_of(x, customer, as_of, p, PERSONAS_MAX),
                             y->ops->personas_of(y, customer, as_of, q, PERSONAS_MAX));
        }
        for (uint32_t i = 0; i < personas; i++)
            assert_int_equal(x->ops->customer_of(x, (struct persona_id){i}, as_of).value,
                             y->ops->customer_of(y, (struct persona_id){i}, as_of).value);
    }
}

static void random_event(struct log *log, struct identity_world *world, struct random *random,
                         int64_t day) {
    static const char *const types[] = {"crm", "loyalty", "email", "cookie"};
    char text[128] = "";
    uint32_t count = 1 + (uint32_t)random_below(random, 3);
    for (uint32_t i = 0; i < count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%s:v%u", i ? " " : "",
                 types[random_below(random, 4)], 10 + (unsigned)random_below(random, 4));
    }
    event(log, world, day, text);
}

static void random_withdrawal(struct log *log, struct identity_world *world, struct random *random,
                              uint32_t identifiers, int64_t day) {
    struct identifier_id a = {(uint32_t)random_below(random, identifiers)},
                         b = {(uint32_t)random_below(random, identifiers)};
    if (a.value == b.value) return;
    if (identity_withdraw(world->identity, a, b, random_below(random, 4) == 0, day * DAY,
                          world->position, &world->result, NULL) != STATUS_OK)
        return; /* they have no link */
    keep(log, world, world->position++);
    identity_commit(world->identity);
}

static uint32_t identifier_count(struct identity_world *world) {
    struct identity_stats stats;
    identity_stats(world->identity, &stats);
    return (uint32_t)stats.identifier_count;
}

static void erase_one(struct log *log, struct identity_world *world, struct customer_id customer) {
    struct identity_erasure *erasure;
    if (identity_erasure_create(&erasure, world->identity, customer, NULL) != STATUS_OK) return;
    assert_int_equal(
        identity_suppress(world->identity, erasure, world->position, &world->result, NULL),
        STATUS_OK);
    keep(log, world, world->position++);
    identity_commit(world->identity);
    rewrite_log(log, erasure);
    assert_int_equal(identity_erase(world->identity, erasure), STATUS_OK);
    identity_erasure_destroy(erasure);
}

/* What an erased customer once had to do with others is forgotten in memory as it is on the disk.
 */
static void the_past_without_them_is_what_a_reopened_one_knows(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct identity_world world, again;
        struct log log = {.count = 0};
        struct random random;
        random_init(&random, seed);
        world_init(&world);
        keep(&log, &world, 0);
        for (int i = 0; i < 24; i++) {
            int64_t day = 1 + (i > 5 && random_below(&random, 4) == 0 ? i / 2 - 2 : i / 2);
            if (i > 4 && random_below(&random, 4) == 0)
                random_withdrawal(&log, &world, &random, identifier_count(&world), day);
            else
                random_event(&log, &world, &random, day);
        }
        uint32_t identifiers = identifier_count(&world);
        for (int i = 0; i < 2; i++) {
            erase_one(&log, &world,
                      (struct customer_id){(uint32_t)random_below(&random, identifiers)});
            reopen(&again, &log, world.position);
            assert_same_past(&world, &again, identifiers);
            world_release(&again);
        }
        for (uint32_t i = 0; i < log.count; i++) buffer_release(&log.bytes[i]);
        world_release(&world);
    }
}

static void whoever_asks_to_be_known_is_welcome(void **state) {
    struct identity_world *world = *state;
    struct log log = {.count = 0};
    event(&log, world, 3, "email:ann@secret.org crm:secret-100");
    event(&log, world, 4, "crm:secret-100");
    erase_ann(&log, world);
    assert_int_equal(identity_welcome(world->identity, EMAIL, TEXT("ann@secret.org"),
                                      world->position, &world->result, NULL),
                     STATUS_OK);
    identity_undo(world->identity);
    event(&log, world, 5, "email:ann@secret.org");
    assert_int_equal(world->result.unusable_count, 1);
    assert_int_equal(identity_welcome(world->identity, EMAIL, TEXT("ann@secret.org"),
                                      world->position, &world->result, NULL),
                     STATUS_OK);
    identity_commit(world->identity);
    event(&log, world, 6, "email:ann@secret.org");
    assert_int_equal(world->result.unusable_count, 0);
    assert_int_equal(world->result.new_personas, 1);
    assert_int_equal(identity_welcome(world->identity, EMAIL, TEXT("eve@x"), world->position,
                                      &world->result, NULL),
                     STATUS_NOT_FOUND);
    for (uint32_t i = 0; i < log.count; i++) buffer_release(&log.bytes[i]);
}

static void rewriting_leaves_others_alone(void **state) {
    struct identity_world *world = *state;
    struct log log = {.count = 0};
    event(&log, world, 1, "email:bob@x.org cookie:k1");
    event(&log, world, 2, "email:cat@x.org cookie:k2");
    struct identity_erasure *erasure;
    struct customer_id cat = world_customer(world, "email:cat@x.org");
    assert_int_equal(identity_erasure_create(&erasure, world->identity, cat, NULL), STATUS_OK);
    struct buffer out;
    buffer_init(&out);
    assert_false(identity_rewrite(erasure, 1, buffer_text(&log.bytes[0]), &out));
    assert_false(
        identity_rewrite(erasure, 2, buffer_text(&log.bytes[1]), &out)); /* a control record */
    assert_int_equal(erasure->status, STATUS_OK);
    assert_false(identity_rewrite(erasure, 1, TEXT("\x01\xff"), &out));
    assert_int_equal(erasure->status, STATUS_CORRUPT);
    assert_int_equal(out.length, 0);
    buffer_release(&out);
    identity_erasure_destroy(erasure);
    assert_int_equal(
        identity_erasure_create(&erasure, world->identity, (struct customer_id){77}, NULL),
        STATUS_NOT_FOUND);
    for (uint32_t i = 0; i < log.count; i++) buffer_release(&log.bytes[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_erased_customer_is_gone_from_bytes_and_memory),
        cmocka_unit_test(the_past_without_them_is_what_a_reopened_one_knows),
        world_test(whoever_asks_to_be_known_is_welcome),
        world_test(rewriting_leaves_others_alone),
    };
    return cmocka_run_group_tests_name("identity erase", tests, NULL, NULL);
}
