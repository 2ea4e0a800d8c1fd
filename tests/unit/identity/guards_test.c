/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>

static void seen_together_is_one_customer(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "cookie:k1");
    world_event(world, 2, "email:ann@x.org");
    assert_apart(world, "cookie:k1", "email:ann@x.org");
    world_event(world, 3, "email:ann@x.org cookie:k1");
    assert_same(world, "cookie:k1", "email:ann@x.org");
    assert_int_equal(world_customer(world, "email:ann@x.org").value, 0); /* the lowest id */
    assert_changes(world, "C1>C0 ");
    struct as_of before = {3 * DAY - 1, POSITION_NOW};
    assert_int_equal(world_customer_at(world, "email:ann@x.org", before).value, 1);
    assert_int_equal(world_customer_at(world, "C1", before).value, 1);
    assert_int_equal(world_customer(world, "C1").value, 0); /* merged away: the survivor */
}

static void the_same_set_is_the_same_persona(void **state) {
    struct identity_world *world = *state;
    struct persona_id first = world_event(world, 1, "cookie:k1 email:ann@x.org");
    struct persona_id turned = world_event(world, 2, "email:ann@x.org cookie:k1 email:ann@x.org");
    assert_int_equal(first.value, turned.value);
    assert_int_equal(world->result.record.length, 0);
    struct persona_id other = world_event(world, 3, "cookie:k1");
    assert_int_not_equal(first.value, other.value);
    const struct customer_directory *directory = identity_directory(world->identity);
    struct persona_id personas[4];
    struct as_of now = {INT64_MAX, POSITION_NOW};
    assert_int_equal(
        directory->ops->personas_of(directory, (struct customer_id){0}, now, personas, 4), 2);
    assert_int_equal(
        directory->ops->personas_of(directory, (struct customer_id){0}, now, personas, 1), 2);
    assert_int_equal(directory->ops->persona_count(directory, POSITION_NOW), 2);
    assert_int_equal(directory->ops->persona_count(directory, 3), 1);
    struct identifier_id ids[4];
    struct as_of before = {DAY - 1, POSITION_NOW};
    struct customer_id customer = {0};
    assert_int_equal(identity_identifiers_of(world->identity, customer, now, ids, 4), 2);
    assert_int_equal(identity_identifiers_of(world->identity, customer, now, ids, 1), 2);
    assert_int_equal(identity_identifiers_of(world->identity, customer, before, ids, 4), 1);
    assert_int_equal(ids[0].value, 0);
}

static void unique_values_never_merge_through_a_cookie(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:100 cookie:family");
    struct persona_id second = world_event(world, 2, "crm:200 cookie:family");
    assert_int_equal(world->result.refused_links, 1);
    assert_apart(world, "crm:100", "crm:200");
    assert_same(world, "crm:100", "cookie:family");
    /* The events of the second hang on who is strongest: crm 200. */
    const struct customer_directory *directory = identity_directory(world->identity);
    struct as_of now = {INT64_MAX, POSITION_NOW};
    struct customer_id customer = directory->ops->customer_of(directory, second, now);
    assert_int_equal(customer.value, world_customer(world, "crm:200").value);
    /* Nor along a chain: email joins 100, then would join 200. */
    world_event(world, 3, "crm:100 email:ann@x.org");
    world_event(world, 4, "crm:200 email:ann@x.org");
    assert_apart(world, "crm:100", "crm:200");
}

static void a_limit_refuses_what_is_beyond(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:1000 email:a@x");
    world_event(world, 2, "crm:1000 email:b@x");
    world_event(world, 3, "crm:1000 email:c@x");
    assert_same(world, "crm:1000", "email:b@x");
    assert_apart(world, "crm:1000", "email:c@x");
    /* Two customers of two e-mails each would be four. */
    world_event(world, 4, "loyalty:7000 email:d@x");
    world_event(world, 5, "loyalty:7000 email:e@x");
    world_event(world, 6, "loyalty:7000 crm:1000");
    assert_apart(world, "loyalty:7000", "crm:1000");
}

static void a_kiosk_gathers_nobody(void **state) {
    struct identity_world *world = *state;
    char text[64];
    for (uint32_t i = 0; i < 400; i++) {
        snprintf(text, sizeof(text), "loyalty:L%05u cookie:kiosk", i);
        world_event(world, i / 10, text);
    }
    struct identity_stats stats;
    identity_stats(world->identity, &stats);
    assert_int_equal(stats.refused_count, 397); /* the limit of loyalty is 3 */
    assert_int_equal(stats.customer_count, 398);
    assert_apart(world, "loyalty:L00000", "loyalty:L00200");
}

static void what_arrives_late_is_judged_in_its_place(void **state) {
    struct identity_world *world = *state;
    world_event(world, 5, "crm:200 cookie:k1");
    uint64_t position = world->position;
    assert_same(world, "crm:200", "cookie:k1");
    /* Known two days earlier, so the cookie is crm 100's; the other is refused after all. */
    world_event(world, 3, "crm:100 cookie:k1");
    assert_same(world, "crm:100", "cookie:k1");
    assert_apart(world, "crm:200", "cookie:k1");
    assert_changes(world, "C1<C0 "); /* the cookie's customer is split off 200's, with crm 100 */
    struct as_of then = {INT64_MAX, position};
    assert_int_equal(world_customer_at(world, "cookie:k1", then).value,
                     world_customer(world, "crm:200").value);
}

static void an_expired_identifier_links_no_more(void **state) {
    struct identity_world *world = *state;
    world->rules[COOKIE].expires_ms = 80 * DAY;
    world_set_rules(world);
    world_event(world, 0, "crm:100 cookie:k1");
    world_event(world, 60, "crm:100 cookie:k1"); /* seen: an eighth is over, so it is noted */
    assert_int_equal(world->result.new_links, 1);
    world_event(world, 62, "crm:100 cookie:k1");
    assert_int_equal(world->result.new_links, 0);
    world_event(world, 120, "email:ann@x.org cookie:k1");
    assert_same(world, "crm:100", "email:ann@x.org");
    world_event(world, 300, "email:bob@x.org cookie:k1");
    assert_apart(world, "email:bob@x.org", "cookie:k1");
    world_event(world, 301, "email:cat@x.org cookie:k1"); /* and not by being seen again */
    assert_apart(world, "email:cat@x.org", "cookie:k1");
}

/* A cookie that nobody has seen for longer than it holds has no place in a limit any more. */
static void a_limit_counts_what_is_alive(void **state) {
    struct identity_world *world = *state;
    char text[64];
    world->rules[COOKIE].expires_ms = 80 * DAY;
    world->rules[COOKIE].per_customer = 2;
    world_set_rules(world);
    for (int64_t i = 0; i < 10; i++) { /* two alive at any time */
        snprintf(text, sizeof(text), "crm:100 cookie:k%d", (int)i);
        world_event(world, 60 * i, text);
        snprintf(text, sizeof(text), "cookie:k%d", (int)i);
        assert_same(world, "crm:100", text);
    }
    world_event(world, 545, "crm:100 cookie:third");
    assert_apart(world, "crm:100", "cookie:third");
    /* Seen again when another has expired, it finds room. */
    world_event(world, 585, "crm:100 cookie:third");
    assert_same(world, "crm:100", "cookie:third");
    world_event(world, 570, "crm:100 cookie:late"); /* two were alive then */
    assert_apart(world, "crm:100", "cookie:late");
    assert_same(world, "crm:100", "cookie:third");
}

static void a_cashiers_own_card_is_held_back(void **state) {
    struct identity_world *world = *state;
    char text[64];
    world->rules[LOYALTY].events_per_day_max = 2;
    world->rules[LOYALTY].per_customer = 0;
    world->rules[EMAIL].per_customer = 0;
    world_set_rules(world);
    for (uint32_t i = 0; i < 6; i++) {
        snprintf(text, sizeof(text), "loyalty:cashier email:p%u@x", i);
        world_event(world, 9, text);
    }
    assert_same(world, "loyalty:cashier", "email:p1@x");
    assert_apart(world, "loyalty:cashier", "email:p2@x");
    assert_apart(world, "loyalty:cashier", "email:p5@x");
    world_event(world, 10, "loyalty:cashier email:p5@x"); /* the next day it counts again */
    assert_same(world, "loyalty:cashier", "email:p5@x");
}

static void given_twice_in_a_row_it_counts_once(void **state) {
    struct identity_world *world = *state;
    world->rules[LOYALTY].events_per_day_max = 2;
    world_set_rules(world);
    world_event(world, 9, "loyalty:7 loyalty:7 email:a@x");
    world_event(world, 9, "loyalty:7 loyalty:7 email:b@x");
    assert_same(world, "loyalty:7", "email:b@x");
    world_event(world, 9, "loyalty:7 email:c@x");
    assert_apart(world, "loyalty:7", "email:c@x");
}

static void shared_by_thousands(void **state) {
    struct identity_world *world = *state;
    char text[64];
    for (uint32_t i = 0; i < IDENTITY_LINKS_MAX + 100;) {
        event_batch_clear(&world->batch);
        for (uint32_t k = 0; k < 100; k++, i++) {
            snprintf(text, sizeof(text), "crm:c%u cookie:tablet", i);
            world_add(world, i, text);
        }
        world_commit(world);
    }
    snprintf(text, sizeof(text), "crm:c%u", IDENTITY_LINKS_MAX + 50);
    assert_apart(world, text, "cookie:tablet");
    struct identity_stats stats;
    identity_stats(world->identity, &stats);
    assert_int_equal(stats.link_count, IDENTITY_LINKS_MAX + 100);
}

static void new_rules_judge_anew(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:1000 email:a@x");
    world_event(world, 2, "crm:1000 email:b@x");
    world_event(world, 3, "crm:1000 email:c@x");
    uint64_t position = world->position;
    world->rules[EMAIL].per_customer = 3;
    world_set_rules(world);
    assert_true(world->result.record.length > 0);
    assert_same(world, "crm:1000", "email:c@x");
    struct as_of before = {INT64_MAX, position};
    assert_int_not_equal(world_customer_at(world, "email:c@x", before).value, 0);
    world_set_rules(world);
    assert_int_equal(world->result.record.length, 0);
    world->rules[EMAIL].per_customer = 1;
    world_set_rules(world);
    assert_apart(world, "crm:1000", "email:b@x");
}

static void two_of_one_type_choose_by_content(void **state) {
    struct identity_world *world = *state;
    struct persona_id persona = world_event(world, 1, "email:a@x email:b@x");
    assert_same(world, "email:a@x", "email:b@x");
    assert_int_equal(persona.value, 0);
}

/* A batch with nothing new takes no position: the next one may stand at the same, and is hidden
 * until its commit. */
static void nothing_new_takes_no_position(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:100 email:a@x");
    event_batch_clear(&world->batch);
    world_add(world, 2, "crm:100 email:a@x");
    world_resolve(world);
    identity_commit(world->identity);
    event_batch_clear(&world->batch);
    world_add(world, 3, "crm:100 cookie:k1");
    world_resolve(world);
    assert_int_equal(world_customer(world, "cookie:k1").value, ID_NONE);
    identity_commit(world->identity);
    assert_int_equal(world_customer(world, "cookie:k1").value, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        world_test(seen_together_is_one_customer),
        world_test(the_same_set_is_the_same_persona),
        world_test(unique_values_never_merge_through_a_cookie),
        world_test(a_limit_refuses_what_is_beyond),
        world_test(a_kiosk_gathers_nobody),
        world_test(what_arrives_late_is_judged_in_its_place),
        world_test(an_expired_identifier_links_no_more),
        world_test(a_limit_counts_what_is_alive),
        world_test(a_cashiers_own_card_is_held_back),
        world_test(given_twice_in_a_row_it_counts_once),
        world_test(shared_by_thousands),
        world_test(new_rules_judge_anew),
        world_test(nothing_new_takes_no_position),
        world_test(two_of_one_type_choose_by_content),
    };
    return cmocka_run_group_tests_name("identity guards", tests, NULL, NULL);
}
