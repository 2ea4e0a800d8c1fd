/* SPDX-License-Identifier: Apache-2.0 */
/* What isn't committed leaves no trace: undone, or out of memory at any allocation. */
#include "world.h"

#include <stdio.h>

static void fill(struct identity_world *world, uint32_t salt) {
    char text[96];
    event_batch_clear(&world->batch);
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(text, sizeof(text), "crm:p%u email:e%u-%u cookie:c%u", i % 17, salt, i, i % 29);
        world_add(world, (i * 37 + salt * 11) % 50, text);
    }
}

static void describe(struct identity_world *world, struct buffer *out) {
    struct identity_stats stats;
    identity_stats(world->identity, &stats);
    buffer_clear(out);
    assert_int_equal(buffer_format(out, "%u %u %u %u %u:", stats.identifier_count,
                                   stats.persona_count, stats.link_count, stats.refused_count,
                                   stats.customer_count),
                     STATUS_OK);
    struct as_of views[3] = {{INT64_MAX, POSITION_NOW}, {25 * DAY, POSITION_NOW}, {INT64_MAX, 2}};
    for (uint32_t v = 0; v < 3; v++) {
        for (uint32_t id = 0; id < stats.identifier_count; id++) {
            struct customer_id customer =
                identity_customer_of(world->identity, (struct identifier_id){id}, views[v]);
            assert_int_equal(buffer_format(out, " %d", (int)customer.value), STATUS_OK);
        }
    }
}

static void assert_unchanged(struct identity_world *world, const struct buffer *before) {
    struct buffer after;
    buffer_init(&after);
    describe(world, &after);
    assert_true(text_equal(buffer_text(before), buffer_text(&after)));
    buffer_release(&after);
}

static void an_undone_batch_leaves_no_trace(void **state) {
    struct identity_world *world = *state;
    struct buffer before;
    buffer_init(&before);
    fill(world, 1);
    world_commit(world);
    for (uint32_t salt = 2; salt < 8; salt++) {
        describe(world, &before);
        fill(world, salt);
        world_resolve(world);
        assert_true(world->result.record.length > 0);
        identity_undo(world->identity);
        assert_unchanged(world, &before);
        assert_int_equal(world_identifier(world, "email:e2-1").value == ID_NONE, salt == 2);
        fill(world, salt);
        world_commit(world);
    }
    buffer_release(&before);
}

static enum status withdraw(struct identity_world *world) {
    return identity_withdraw(world->identity, world_identifier(world, "crm:p1"),
                             (struct identifier_id){ID_NONE}, false, 20 * DAY, world->position,
                             &world->result, NULL);
}

static enum status set_rules(struct identity_world *world) {
    return identity_set_rules(world->identity, world->rules, TYPE_COUNT, 0, world->position,
                              &world->result, NULL);
}

static enum status resolve(struct identity_world *world) {
    return identity_resolve(world->identity, &world->batch, world->position, &world->result, NULL);
}

/* The 1st, 2nd … allocation fails until the call goes through; after every failure all is as
 * before. */
static void undo_every_failure(struct identity_world *world,
                               enum status (*call)(struct identity_world *)) {
    struct buffer before;
    buffer_init(&before);
    describe(world, &before);
    for (uint64_t nth = 1;; nth++) {
        memory_fail_at(nth);
        enum status status = call(world);
        memory_fail_at(0);
        if (status == STATUS_OK) break;
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_unchanged(world, &before);
        assert_true(nth < 1000);
    }
    identity_undo(world->identity);
    assert_unchanged(world, &before);
    assert_int_equal(call(world), STATUS_OK);
    identity_commit(world->identity);
    world->position += 100;
    buffer_release(&before);
}

static void any_failed_allocation_leaves_no_trace(void **state) {
    struct identity_world *world = *state;
    fill(world, 1);
    undo_every_failure(world, resolve);
    fill(world, 2);
    undo_every_failure(world, resolve);
    undo_every_failure(world, withdraw);
    world->rules[EMAIL].per_customer = 4;
    world->rules[COOKIE].expires_ms = 9 * DAY;
    world->rules[COOKIE].events_per_day_max = 3;
    undo_every_failure(world, set_rules);
    fill(world, 3);
    undo_every_failure(world, resolve);
}

static void creating_without_memory_fails(void **state) {
    (void)state;
    struct identity_options options = {.salt = {1}};
    struct identity *identity = NULL;
    for (uint64_t nth = 1;; nth++) {
        memory_fail_at(nth);
        enum status status = identity_create(&identity, &options);
        memory_fail_at(0);
        if (status == STATUS_OK) {
            assert_true(nth > 3);
            break;
        }
        assert_int_equal(status, STATUS_NO_MEMORY);
    }
    identity_destroy(identity);
}

static void the_limit_of_identifiers_is_told(void **state) {
    struct identity_world *world = *state;
    identity_destroy(world->identity);
    struct identity_options options = {.identifiers_max = 2};
    struct error error;
    assert_int_equal(identity_create(&world->identity, &options), STATUS_OK);
    world_event(world, 1, "crm:100 email:a@x");
    event_batch_clear(&world->batch);
    world_add(world, 1, "crm:100 email:b@x");
    assert_int_equal(
        identity_resolve(world->identity, &world->batch, world->position, &world->result, &error),
        STATUS_LIMIT);
    assert_non_null(strstr(error.text, "identifiers_max"));
    world_event(world, 1, "crm:100");
}

static void records_that_do_not_fit_are_refused(void **state) {
    struct identity_world *world = *state;
    event_batch_clear(&world->batch);
    world_add(world, 1, "crm:100 email:a@x");
    world_resolve(world);
    struct buffer record;
    buffer_init(&record);
    assert_int_equal(buffer_append_text(&record, world->result.record), STATUS_OK);
    identity_commit(world->identity);
    struct error error;
    /* Twice, cut anywhere, or with any byte turned: an error or a valid record, never a crash. */
    assert_int_equal(identity_apply(world->identity, buffer_text(&record), 9, &error),
                     STATUS_CORRUPT);
    for (uint32_t length = 0; length < record.length; length++) {
        struct identity_options options = {.salt = {1}};
        struct identity *identity;
        assert_int_equal(identity_create(&identity, &options), STATUS_OK);
        struct text cut = {record.at, length};
        (void)!identity_apply(identity, cut, 1, &error);
        record.at[length] = (char)(record.at[length] ^ 0x15);
        (void)!identity_apply(identity, buffer_text(&record), 2, &error);
        record.at[length] = (char)(record.at[length] ^ 0x15);
        identity_destroy(identity);
    }
    record.at[0] = 99;
    assert_int_equal(identity_apply(world->identity, buffer_text(&record), 9, &error),
                     STATUS_VERSION);
    buffer_release(&record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        world_test(an_undone_batch_leaves_no_trace),
        world_test(any_failed_allocation_leaves_no_trace),
        cmocka_unit_test(creating_without_memory_fails),
        world_test(the_limit_of_identifiers_is_told),
        world_test(records_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("identity undo", tests, NULL, NULL);
}
