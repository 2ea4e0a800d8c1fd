/* SPDX-License-Identifier: Apache-2.0 */
/* Names that somebody is said to have: Segment's alias. */
#include "world.h"

#define RECORDS_MAX 16
static struct {
    struct buffer bytes;
    uint64_t position;
} records[RECORDS_MAX];
static uint32_t record_count;

static void event(struct identity_world *world, int64_t day, const char *identifiers) {
    event_batch_clear(&world->batch);
    world_add(world, day, identifiers);
    world_resolve(world);
    if (world->result.record.length > 0) {
        assert_true(record_count < RECORDS_MAX);
        records[record_count].position = world->position;
        assert_int_equal(buffer_append_text(&records[record_count++].bytes, world->result.record),
                         STATUS_OK);
    }
    identity_commit(world->identity);
    world->position += 2;
}

static int set_up(void **state) {
    static struct identity_world world;
    world_init(&world);
    for (uint32_t i = 0; i < RECORDS_MAX; i++) buffer_init(&records[i].bytes);
    record_count = 0;
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    for (uint32_t i = 0; i < RECORDS_MAX; i++) buffer_release(&records[i].bytes);
    world_release(*state);
    return 0;
}

/* What the log holds says the same. */
static void replay(struct identity_world *world) {
    struct identity_options options = {.salt = {7, 7, 7}};
    identity_destroy(world->identity);
    assert_int_equal(identity_create(&world->identity, &options), STATUS_OK);
    world->position = 0;
    world_set_rules(world);
    for (uint32_t i = 0; i < record_count; i++)
        assert_int_equal(identity_apply(world->identity, buffer_text(&records[i].bytes),
                                        records[i].position, NULL),
                         STATUS_OK);
    world->position = 100;
}

static void a_known_name_is_the_same_person(void **state) {
    struct identity_world *world = *state;
    event(world, 1, "cookie:anon-7");
    event(world, 2, "crm:u7 ?crm:anon-7 ?cookie:anon-7");
    assert_same(world, "crm:u7", "cookie:anon-7");
    assert_int_equal(world_customer(world, "crm:anon-7").value, ID_NONE); /* nobody came so */
    struct as_of before = {2 * DAY - 1, POSITION_NOW};
    assert_int_not_equal(world_customer_at(world, "cookie:anon-7", before).value,
                         world_customer_at(world, "crm:u7", before).value);
    replay(world);
    assert_same(world, "crm:u7", "cookie:anon-7");
}

static void the_name_may_get_known_later(void **state) {
    struct identity_world *world = *state;
    event(world, 2, "crm:u7 ?crm:anon-7 ?cookie:anon-7");
    struct identity_stats stats;
    identity_stats(world->identity, &stats);
    assert_int_equal(stats.customer_count, 1);
    replay(world);
    event(world, 1, "cookie:anon-7 email:a@x");
    assert_same(world, "crm:u7", "cookie:anon-7");
    assert_same(world, "crm:u7", "email:a@x");
    struct as_of before = {2 * DAY - 1, POSITION_NOW}, then = {2 * DAY, POSITION_NOW};
    assert_int_not_equal(world_customer_at(world, "cookie:anon-7", before).value,
                         world_customer_at(world, "crm:u7", before).value);
    assert_int_equal(world_customer_at(world, "cookie:anon-7", then).value,
                     world_customer_at(world, "crm:u7", then).value);
    replay(world);
    assert_same(world, "crm:u7", "email:a@x");
}

/* Two values of a unique type stay apart whatever a message says; where the playbook lets a
 * customer have several, they join. */
static void a_name_breaks_no_guard(void **state) {
    struct identity_world *world = *state;
    event(world, 1, "crm:u1");
    event(world, 2, "crm:u2 ?crm:u1 ?cookie:u1");
    event(world, 2, "crm:u2 ?crm:u2 ?cookie:u2"); /* its own name */
    assert_apart(world, "crm:u1", "crm:u2");
    world->rules[CRM].unique = false;
    world->rules[CRM].per_customer = 3;
    world_set_rules(world);
    assert_same(world, "crm:u1", "crm:u2");
}

static void a_chain_joins_as_far_as_guards_let_it(void **state) {
    struct identity_world *world = *state;
    event(world, 3, "loyalty:3000 ?loyalty:2000 ?cookie:2000");
    event(world, 2, "loyalty:2000 ?loyalty:anon-1 ?cookie:anon-1");
    event(world, 1, "cookie:anon-1");
    assert_same(world, "loyalty:3000", "cookie:anon-1");
    assert_same(world, "loyalty:3000", "loyalty:2000");
}

static void an_undone_name_leaves_no_trace(void **state) {
    struct identity_world *world = *state;
    event(world, 1, "crm:u1");
    for (int i = 0; i < 2; i++) {
        event_batch_clear(&world->batch);
        world_add(world, 2, "crm:u1 ?cookie:anon-1");
        world_resolve(world);
        identity_undo(world->identity);
    }
    event(world, 3, "cookie:anon-1");
    assert_apart(world, "crm:u1", "cookie:anon-1");
}

static bool log_contains(const char *text) {
    for (uint32_t i = 0; i < record_count; i++) {
        if (text_contains(buffer_text(&records[i].bytes), text_from(text))) return true;
    }
    return false;
}

static void an_erasure_takes_the_names_along(void **state) {
    struct identity_world *world = *state;
    struct identity_erasure *erasure;
    event(world, 1, "crm:u1 ?crm:secret-1 ?cookie:secret-1"); /* never known */
    event(world, 1, "crm:u2 ?crm:stays-1 ?cookie:stays-1");
    assert_true(log_contains("secret-1"));
    assert_int_equal(
        identity_erasure_create(&erasure, world->identity, world_customer(world, "crm:u1"), NULL),
        STATUS_OK);
    assert_int_equal(
        identity_suppress(world->identity, erasure, world->position, &world->result, NULL),
        STATUS_OK);
    records[record_count].position = world->position++;
    assert_int_equal(buffer_append_text(&records[record_count++].bytes, world->result.record),
                     STATUS_OK);
    identity_commit(world->identity);
    for (uint32_t i = 0; i < record_count; i++) {
        struct buffer out;
        buffer_init(&out);
        if (identity_rewrite(erasure, IDENTITY_RECORD_KIND, buffer_text(&records[i].bytes), &out)) {
            buffer_release(&records[i].bytes);
            records[i].bytes = out;
        } else {
            buffer_release(&out);
        }
    }
    assert_int_equal(identity_erase(world->identity, erasure), STATUS_OK);
    identity_erasure_destroy(erasure);
    assert_false(log_contains("secret-1"));
    assert_true(log_contains("stays-1"));
    event(world, 5, "cookie:secret-1");
    event(world, 5, "cookie:stays-1");
    assert_same(world, "crm:u2", "cookie:stays-1");
    /* Who is said to be called as somebody erased is turned away. */
    event_batch_clear(&world->batch);
    world_add(world, 6, "crm:u9 ?crm:u1 ?cookie:u1");
    world_resolve(world);
    assert_int_equal(world->batch.events[0].persona.value, ID_NONE);
    identity_undo(world->identity);
    replay(world);
    assert_same(world, "crm:u2", "cookie:stays-1");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_known_name_is_the_same_person), CASE(the_name_may_get_known_later),
        CASE(a_name_breaks_no_guard),          CASE(a_chain_joins_as_far_as_guards_let_it),
        CASE(an_undone_name_leaves_no_trace),  CASE(an_erasure_takes_the_names_along),
    };
    return cmocka_run_group_tests_name("identity waiting", tests, NULL, NULL);
}
