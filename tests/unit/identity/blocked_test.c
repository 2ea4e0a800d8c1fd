/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "identity/identity_internal.h"

static const char *const blocked[] = {
    "",
    " ",
    "null",
    "NULL",
    "None",
    "n/a",
    "N/A",
    "unknown",
    "Anonymous",
    "undefined",
    "test",
    "-1",
    "0",
    "000",
    "0000000000000",
    "00000000-0000-0000-0000-000000000000",
    "aaaaaa",
    "1111111111",
    "xxxxxxxx",
    "info@acme.com",
    "No-Reply@acme.com",
    "noreply@x.org",
    "admin@x.org",
    "@x.org",
    " null ",
    "\\N",
    "#REF!",
    "#VALUE!",
    "#NAME?",
    "#DIV/0!",
    "#N/A",
    "n.a.",
    "n/d",
    "?",
    ".",
    "-",
    "--",
    "false",
    "TRUE",
    "nil",
    "(null)",
    "(none)",
    "<null>",
    "keine Angabe",
    "1.23457E+12",
    "1,23457E+12",
    "9.9999e+20",
    "\xC2\xA0null\xE3\x80\x80",
    "\xEF\xBB\xBF",
};

static void values_that_stand_for_nobody(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++) {
        if (!value_is_blocked(text_from(blocked[i]), NULL, 0))
            fail_msg("\"%s\" should be blocked", blocked[i]);
    }
    static const char *const fine[] = {
        "1",
        "11",
        "1111",
        "7",
        "a",
        "100",
        "0001",
        "010",
        "ann@x.org",
        "information@x.org",
        "test1",
        "nullus",
        "anonymous-7f3a",
        "aaaaab",
        "1e5",
        "1E12",
        "1234567890.1709287200",
        "falsetto@x.org",
        "-12",
        "222222222@x.org",
    };
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        if (value_is_blocked(text_from(fine[i]), NULL, 0))
            fail_msg("\"%s\" should be fine", fine[i]);
    }
}

static void rules_add_their_own(void **state) {
    const struct text extra[] = {TEXT("store@acme.com"), TEXT("9999")};
    assert_true(value_is_blocked(TEXT("Store@ACME.com"), extra, 2));
    assert_true(value_is_blocked(TEXT("9999"), extra, 2));
    assert_false(value_is_blocked(TEXT("9998"), extra, 2));
    struct identity_world *world = *state;
    world->rules[EMAIL].blocked = extra;
    world->rules[EMAIL].blocked_count = 2;
    world_set_rules(world);
    event_batch_clear(&world->batch);
    world_add(world, 1, "email:store@acme.com");
    world_add(world, 1, "email:store@acme.com cookie:k1");
    world_add(world, 1, "crm:null email:n/a");
    world_commit(world);
    assert_int_equal(world->result.unusable_count, 2);
    assert_int_equal(world->batch.events[0].persona.value, ID_NONE);
    assert_int_equal(world->batch.events[1].persona.value, 0);
    assert_int_equal(world->batch.events[2].persona.value, ID_NONE);
    assert_int_equal(world->result.new_identifiers, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_stand_for_nobody),
        world_test(rules_add_their_own),
    };
    return cmocka_run_group_tests_name("identity blocked", tests, NULL, NULL);
}
