/* SPDX-License-Identifier: Apache-2.0 */
/* Un-merging, and what a person is shown about a customer. */
#include "world.h"

static enum status withdraw(struct identity_world *world, const char *a, const char *b,
                            bool restore, int64_t day) {
    struct identifier_id id_b = {ID_NONE};
    if (b) id_b = world_identifier(world, b);
    enum status status =
        identity_withdraw(world->identity, world_identifier(world, a), id_b, restore, day * DAY,
                          world->position, &world->result, NULL);
    if (status) return status;
    world_note_changes(world);
    identity_commit(world->identity);
    world->position++;
    return STATUS_OK;
}

static void unmerged_is_as_never_linked(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:100 email:ann@x.org");
    world_event(world, 2, "crm:100 cookie:k1");
    world_event(world, 3, "email:bob@x.org cookie:k1");
    assert_same(world, "crm:100", "email:bob@x.org");
    uint64_t position = world->position;
    assert_int_equal(withdraw(world, "crm:100", "cookie:k1", false, 10), STATUS_OK);
    assert_same(world, "crm:100", "email:ann@x.org");
    assert_same(world, "cookie:k1", "email:bob@x.org");
    assert_apart(world, "crm:100", "cookie:k1");
    assert_changes(world, "C2<C0 ");
    /* As of then, and as of before it was known, they are as they were. */
    struct as_of stood = {INT64_MAX, position}, known = {10 * DAY - 1, POSITION_NOW};
    assert_int_equal(world_customer_at(world, "cookie:k1", stood).value, 0);
    assert_int_equal(world_customer_at(world, "cookie:k1", known).value, 0);
    /* Seen together again, it stays un-merged, until it is restored. */
    world_event(world, 20, "crm:100 cookie:k1");
    world_event(world, 20, "crm:100 cookie:k1 email:ann@x.org");
    assert_apart(world, "crm:100", "cookie:k1");
    assert_int_equal(withdraw(world, "cookie:k1", "crm:100", true, 30), STATUS_OK);
    assert_same(world, "crm:100", "cookie:k1");
    assert_changes(world, "C2>C0 ");
}

static void an_identifier_can_be_taken_out(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:100 cookie:k1");
    world_event(world, 2, "email:ann@x.org cookie:k1");
    assert_int_equal(withdraw(world, "cookie:k1", NULL, false, 3), STATUS_OK);
    assert_apart(world, "crm:100", "cookie:k1");
    assert_apart(world, "email:ann@x.org", "cookie:k1");
    assert_apart(world, "email:ann@x.org", "crm:100");
    assert_int_equal(withdraw(world, "crm:100", "email:ann@x.org", false, 4), STATUS_NOT_FOUND);
    assert_int_equal(withdraw(world, "crm:100", "crm:100", false, 4), STATUS_NOT_FOUND);
}

static void room_left_by_an_unmerge_is_used(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "loyalty:1000 email:a@x");
    world_event(world, 2, "loyalty:1000 email:b@x");
    world_event(world, 3, "loyalty:1000 email:c@x");
    assert_apart(world, "loyalty:1000", "email:c@x");
    assert_int_equal(withdraw(world, "loyalty:1000", "email:a@x", false, 9), STATUS_OK);
    assert_same(world, "loyalty:1000", "email:c@x");
    for (size_t i = 0; i < world->result.change_count; i++)
        assert_int_equal(world->result.changes[i].known_ms, 9 * DAY); /* not day 3 */
    struct as_of known = {9 * DAY - 1, POSITION_NOW};
    assert_int_not_equal(world_customer_at(world, "email:c@x", known).value, 0);
}

/* ---- rules that change ---- */

static void change_rules(struct identity_world *world, int64_t day) {
    assert_int_equal(identity_set_rules(world->identity, world->rules, TYPE_COUNT, day * DAY,
                                        world->position, &world->result, NULL),
                     STATUS_OK);
    world_note_changes(world);
    identity_commit(world->identity);
    world->position++;
}

static void other_rules_hold_from_their_moment_on(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "loyalty:1000 email:a@x");
    world_event(world, 2, "loyalty:1000 email:b@x");
    world_event(world, 3, "loyalty:1000 email:c@x");
    assert_apart(world, "loyalty:1000", "email:c@x");
    world->rules[EMAIL].per_customer = 3;
    change_rules(world, 9);
    assert_same(world, "loyalty:1000", "email:c@x");
    assert_changes(world, "C3>C0 ");
    assert_int_equal(world->result.changes[0].known_ms, 9 * DAY);
    struct as_of before = {9 * DAY - 1, POSITION_NOW}, after = {9 * DAY, POSITION_NOW};
    assert_int_not_equal(world_customer_at(world, "email:c@x", before).value, 0);
    assert_int_equal(world_customer_at(world, "email:c@x", after).value, 0);
    /* A row that comes late is judged by the rules of the time that is asked of. */
    world_event(world, 4, "loyalty:2000 email:d@x");
    world_event(world, 4, "loyalty:2000 email:e@x");
    world_event(world, 4, "loyalty:2000 email:f@x");
    struct customer_id customer = world_customer(world, "loyalty:2000");
    assert_int_equal(world_customer(world, "email:f@x").value, customer.value);
    uint32_t joined = 0;
    static const char *const mails[] = {"email:d@x", "email:e@x", "email:f@x"};
    for (int i = 0; i < 3; i++)
        joined += world_customer_at(world, mails[i], before).value == customer.value;
    assert_int_equal(joined, 2);
}

/* Nothing of the type was linked before: its rule can't change the past, and a late row must not
 * glue what the rule keeps apart. */
static void the_rule_of_a_new_type_holds_for_all_times(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "loyalty:1000 email:a@x");
    world->rules[COOKIE].per_customer = 1;
    change_rules(world, 9);
    world_event(world, 2, "cookie:k1 email:b@x");
    world_event(world, 3, "cookie:k2 email:b@x");
    struct as_of before = {5 * DAY, POSITION_NOW};
    assert_int_not_equal(world_customer_at(world, "cookie:k1", before).value,
                         world_customer_at(world, "cookie:k2", before).value);
}

/* ---- rows that are corrected ---- */

static enum status no_row_stands(void *context, struct persona_id persona, int64_t *known_ms) {
    const uint32_t *standing = context;
    *known_ms = persona.value == standing[0] ? (int64_t)standing[1] * DAY : INT64_MAX;
    return STATUS_OK;
}

/* The row of `persona` says other identifiers now, known at `day`. */
static void correct(struct identity_world *world, int64_t day, struct persona_id persona,
                    uint32_t standing_persona, uint32_t standing_day, const char *identifiers) {
    uint32_t standing[2] = {standing_persona, standing_day};
    struct identity_unsupported item = {persona, day * DAY};
    struct identity_support support = {no_row_stands, standing};
    event_batch_clear(&world->batch);
    world_add(world, day, identifiers);
    world_resolve(world);
    assert_int_equal(
        identity_withdraw_support(world->identity, &item, 1, &support, &world->result, NULL),
        STATUS_OK);
    world_note_changes(world);
    identity_commit(world->identity);
    world->position += 2;
}

static void a_corrected_row_takes_its_link_along(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "email:bob@x loyalty:2000");
    struct persona_id wrong = world_event(world, 2, "email:ann@x loyalty:2000");
    assert_same(world, "email:ann@x", "email:bob@x");
    uint64_t position = world->position;
    correct(world, 9, wrong, ID_NONE, 0, "email:ann@x loyalty:1000");
    assert_apart(world, "email:ann@x", "email:bob@x");
    assert_same(world, "email:ann@x", "loyalty:1000");
    assert_int_equal(world->result.change_count, 1);
    assert_true(world->result.changes[0].is_split);
    assert_int_equal(world->result.changes[0].known_ms, 9 * DAY);
    struct as_of known = {9 * DAY - 1, POSITION_NOW}, stood = {INT64_MAX, position};
    assert_int_equal(world_customer_at(world, "email:ann@x", known).value,
                     world_customer_at(world, "email:bob@x", known).value);
    assert_int_equal(world_customer_at(world, "email:ann@x", stood).value,
                     world_customer_at(world, "email:bob@x", stood).value);
    /* It is no un-merge: the next row that says so makes the link again. */
    world_event(world, 11, "email:ann@x loyalty:2000");
    assert_same(world, "email:ann@x", "email:bob@x");
    struct as_of between = {10 * DAY, POSITION_NOW};
    assert_int_not_equal(world_customer_at(world, "email:ann@x", between).value,
                         world_customer_at(world, "email:bob@x", between).value);
}

static void a_link_stands_while_a_row_supports_it(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "email:bob@x loyalty:2000");
    struct persona_id persona = world_event(world, 2, "email:ann@x loyalty:2000");
    world_event(world, 5, "email:ann@x loyalty:2000");
    correct(world, 9, persona, persona.value, 5, "email:ann@x loyalty:1000");
    assert_same(world, "email:ann@x", "email:bob@x");
    /* Another persona that holds both supports it, too. */
    struct persona_id more = world_event(world, 10, "email:ann@x loyalty:2000 cookie:k1");
    correct(world, 12, persona, more.value, 10, "email:ann@x loyalty:1000");
    assert_same(world, "email:ann@x", "email:bob@x");
    correct(world, 13, more, ID_NONE, 0, "email:ann@x loyalty:1000");
    assert_apart(world, "email:ann@x", "email:bob@x");
}

/* ---- describing ---- */

struct seen {
    struct identity_world *world;
    struct buffer text;
};

static void see_identifier(void *context, struct identifier_id identifier, uint32_t type,
                           struct text value) {
    struct seen *seen = context;
    assert_int_equal(buffer_format(&seen->text, "I%u %s:%.*s\n", identifier.value, type_names[type],
                                   TEXT_ARG(value)),
                     STATUS_OK);
}

static void see_persona(void *context, struct persona_id persona, struct identifier_id anchor,
                        const struct identifier_id *identifiers, uint32_t count) {
    struct seen *seen = context;
    (void)identifiers;
    assert_int_equal(
        buffer_format(&seen->text, "P%u of I%u, %u\n", persona.value, anchor.value, count),
        STATUS_OK);
}

static void see_link(void *context, const struct identity_link *link) {
    struct seen *seen = context;
    assert_int_equal(
        identity_explain_link(seen->world->identity, seen->world->symbols, link, &seen->text),
        STATUS_OK);
    assert_int_equal(buffer_format(&seen->text, "\n"), STATUS_OK);
}

static void everything_about_a_customer(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "cookie:k1 crm:100");
    world_event(world, 2, "crm:200 cookie:k1");
    world_event(world, 3, "crm:100 email:a@x");
    world_event(world, 4, "cookie:k1");
    struct seen seen = {.world = world};
    struct identity_visitor visitor = {see_identifier, see_persona, see_link, &seen};
    assert_int_equal(
        identity_describe(world->identity, world_customer(world, "email:a@x"), &visitor),
        STATUS_OK);
    const char expected[] = "I0 cookie:k1\nI1 crm:100\nI3 email:a@x\n"
                            "P0 of I1, 2\nP2 of I1, 2\nP3 of I0, 1\n"
                            "cookie:k1 is joined to crm:100\n"
                            "cookie:k1 is not joined to crm:200: two values of a type of which a "
                            "customer has one (crm)\n"
                            "email:a@x is joined to crm:100\n";
    assert_int_equal(seen.text.length, sizeof(expected) - 1);
    assert_memory_equal(seen.text.at, expected, sizeof(expected) - 1);
    buffer_release(&seen.text);
    assert_int_equal(identity_describe(world->identity, (struct customer_id){99}, &visitor),
                     STATUS_NOT_FOUND);
}

static void customers_are_found_by_what_people_type(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "loyalty:1029 cookie:k:with:colons");
    struct customer_id customer;
    struct error error;
    struct as_of now = {INT64_MAX, POSITION_NOW};
    static const char *const good[] = {"C0", "c1", "C1", "loyalty:1029", "cookie:k:with:colons"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(identity_parse_customer(world->identity, world->symbols,
                                                 text_from(good[i]), now, &customer, &error),
                         STATUS_OK);
        assert_int_equal(customer.value, 0);
    }
    static const char *const absent[] = {"C2",           "C99999999999", "C4294967295",
                                         "loyalty:1030", "tel:12",       "loyalty:"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_int_equal(identity_parse_customer(world->identity, world->symbols,
                                                 text_from(absent[i]), now, &customer, &error),
                         STATUS_NOT_FOUND);
    static const char *const bad[] = {"", "C", "C-1", "1029", "Cx"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(identity_parse_customer(world->identity, world->symbols, text_from(bad[i]),
                                                 now, &customer, &error),
                         STATUS_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        world_test(unmerged_is_as_never_linked),
        world_test(an_identifier_can_be_taken_out),
        world_test(room_left_by_an_unmerge_is_used),
        world_test(other_rules_hold_from_their_moment_on),
        world_test(the_rule_of_a_new_type_holds_for_all_times),
        world_test(a_corrected_row_takes_its_link_along),
        world_test(a_link_stands_while_a_row_supports_it),
        world_test(everything_about_a_customer),
        world_test(customers_are_found_by_what_people_type),
    };
    return cmocka_run_group_tests_name("identity control", tests, NULL, NULL);
}
