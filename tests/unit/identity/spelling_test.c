/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers in other spellings, and directories of older programs. */
#include "world.h"

#include "identity/identity_internal.h"

#define OLD "email:j\xC3\x9Crgen@x.example"

static struct customer_id found(const struct identity_world *world, uint32_t type,
                                const char *value) {
    struct customer_id customer = {ID_NONE};
    struct as_of now = {INT64_MAX, POSITION_NOW};
    if (identity_find_customer(world->identity, type, text_from(value), now, &customer))
        customer.value = ID_NONE;
    return customer;
}

/* The record of an identity that stored the value as an older program would. */
static void replay_old(struct identity_world *world, struct identity_world *old) {
    world_init(old);
    for (uint32_t i = 0; i < TYPE_COUNT; i++) old->rules[i].lower_case = i == EMAIL;
    world_set_rules(old);
    event_batch_clear(&old->batch);
    world_add(old, 1, OLD " crm:1");
    assert_int_equal(
        identity_resolve(old->identity, &old->batch, old->position, &old->result, NULL), STATUS_OK);
    world_init(world);
    for (uint32_t i = 0; i < TYPE_COUNT; i++) world->rules[i].lower_case = i == EMAIL;
    assert_int_equal(identity_apply(world->identity, old->result.record, world->position, NULL),
                     STATUS_OK);
    identity_commit(old->identity);
    world->position++;
    world_set_rules(world);
}

static void any_spelling_finds(void **state) {
    struct identity_world *world = *state;
    for (uint32_t i = 0; i < TYPE_COUNT; i++) world->rules[i].lower_case = i == EMAIL;
    world_set_rules(world);
    event_batch_clear(&world->batch);
    world_add(world, 1, "email:j\xC3\xBCrgen@x.example loyalty:Ab1");
    world_commit(world);
    uint32_t customer = found(world, EMAIL, "j\xC3\xBCrgen@x.example").value;
    assert_int_not_equal(customer, ID_NONE);
    assert_int_equal(found(world, EMAIL, " J\xC3\x9CRGEN@X.example\xC2\xA0").value, customer);
    assert_int_equal(found(world, EMAIL, "JU\xCC\x88rgen@x.example").value, customer);
    assert_int_equal(found(world, LOYALTY, "\tAb1").value, customer);
    assert_int_equal(found(world, LOYALTY, "ab1").value, ID_NONE);
}

static void old_identifiers_are_found_and_go_on(void **state) {
    (void)state;
    struct identity_world world, old;
    replay_old(&world, &old);
    uint32_t customer = found(&world, CRM, "1").value;
    assert_int_equal(found(&world, EMAIL, &OLD[6]).value, customer);
    assert_int_equal(found(&world, EMAIL, "J\xC3\x9CRGEN@X.EXAMPLE").value, customer);
    event_batch_clear(&world.batch);
    world_add(&world, 2, "email:j\xC3\xBCrgen@x.example cookie:k1");
    world_commit(&world);
    assert_int_equal(found(&world, COOKIE, "k1").value, customer);
    world_release(&old);
    world_release(&world);
}

static void an_erasure_wipes_the_alias(void **state) {
    (void)state;
    struct identity_world world, old;
    struct identity_erasure *erasure;
    replay_old(&world, &old);
    struct customer_id customer = found(&world, CRM, "1");
    assert_int_equal(identity_erasure_create(&erasure, world.identity, customer, NULL), STATUS_OK);
    assert_int_equal(
        identity_suppress(world.identity, erasure, world.position, &world.result, NULL), STATUS_OK);
    identity_commit(world.identity);
    world.position++;
    assert_int_equal(identity_erase(world.identity, erasure), STATUS_OK);
    identity_erasure_destroy(erasure);
    assert_int_equal(found(&world, EMAIL, "j\xC3\xBCrgen@x.example").value, ID_NONE);
    assert_true(identity_is_suppressed(world.identity, EMAIL, TEXT("j\xC3\xBCrgen@x.example")));
    event_batch_clear(&world.batch);
    world_add(&world, 2, "email:j\xC3\xBCrgen@x.example");
    world_commit(&world);
    assert_int_equal(world.batch.events[0].persona.value, ID_NONE);
    world_release(&old);
    world_release(&world);
}

static void a_rule_may_allow_what_looks_like_nobody(void **state) {
    static const struct text allowed[] = {{"0", sizeof("0") - 1}, {"Test", sizeof("Test") - 1}};
    struct identity_world *world = *state;
    world->rules[CRM].allowed = allowed;
    world->rules[CRM].allowed_count = 2;
    world_set_rules(world);
    event_batch_clear(&world->batch);
    world_add(world, 1, "crm:0");
    world_add(world, 1, "crm:test");
    world_add(world, 1, "crm:00");
    world_add(world, 1, "loyalty:0");
    world_add(world, 1, "loyalty:#REF!");
    world_commit(world);
    assert_int_equal(world->result.unusable_count, 3);
    assert_int_not_equal(found(world, CRM, "0").value, ID_NONE);
    assert_true(identity_is_usable(&world->rules[CRM], TEXT("0")));
    assert_false(identity_is_usable(&world->rules[LOYALTY], TEXT("0")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        world_test(any_spelling_finds),
        cmocka_unit_test(old_identifiers_are_found_and_go_on),
        cmocka_unit_test(an_erasure_wipes_the_alias),
        world_test(a_rule_may_allow_what_looks_like_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
