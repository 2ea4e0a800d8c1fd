/* SPDX-License-Identifier: Apache-2.0 */
/* Who is held while a row waits in quarantine that may take something back. */
#include "support/unit.h"

#include "engine/holds.h"
#include "shop.h"

static const char held_playbook[] =
    "attune: 1\nname: Held\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { crm: , email: } }\n"
    "sources:\n"
    "  seen: { file: \"seen*.csv\", event: Seen, time: at, key: { crm: crm, email: mail }, "
    "row_key: "
    "id }\n"
    "  opt: { file: \"opt*.csv\", event: Opt In Changed, time: at, key: { email: mail }, row_key: "
    "id, properties: { channel: ch, state: state } }\n"
    "  consent: { file: \"consent*.csv\", event: Consent Changed, time: at, key: { crm: crm }, "
    "row_key: id, properties: { purpose: purpose, state: state } }\n"
    "goals: { order: { event: Seen, within: 7d, value: 10 USD } }\n"
    "actions: { letter: { goal: order, channels: [email, sms], starting_propensity: 10% } }\n";

static int set_up(void **state) {
    static struct shop shop;
    shop_init(&shop);
    shop_file(&shop, "held.yaml", held_playbook);
    shop_file(&shop, "seen.csv",
              "id,at,crm,mail\n1,2017-01-02,1,a@x.example\n2,2017-01-02,2,b@x.example\n");
    shop_file(&shop, "opt.csv",
              "id,at,mail,ch,state\n1,2017-01-03,A@X.example,email,perhaps\n"
              "2,2017-01-03,nobody-yet@x.example,sms,perhaps\n");
    shop_file(&shop, "consent.csv", "id,at,crm,purpose,state\n1,2017-01-03,2,personalize,no\n");
    shop_open(&shop, "held.yaml");
    shop_load(&shop, NULL);
    *state = &shop;
    return 0;
}

static bool is_held(struct shop *shop, const char *name, const char *purpose, const char *channel) {
    return engine_holds(shop->engine, shop_customer(shop, name, DAY(30)), text_from(purpose),
                        text_from(channel));
}

static void check_held(struct shop *shop) {
    assert_true(is_held(shop, "crm:1", "", "email"));
    assert_false(is_held(shop, "crm:1", "", "sms"));
    assert_false(is_held(shop, "crm:1", "personalise", ""));
    assert_true(is_held(shop, "crm:2", "personalise", ""));
    assert_true(is_held(shop, "crm:2", "social", ""));
    assert_false(is_held(shop, "crm:2", "", "email"));
}

static void held_until_the_row_is_read(void **state) {
    struct shop *shop = *state;
    uint64_t rows;
    check_held(shop);
    assert_int_equal(engine_hold_count(shop->engine, &rows, NULL), STATUS_OK);
    assert_int_equal(rows, 3);
    shop_open(shop, NULL);
    check_held(shop);
    assert_true(shop_try_open(shop, NULL, true, NULL) == STATUS_OK);
    check_held(shop);
}

static bool first_row(void *context, const struct stored_row *row) {
    *(uint64_t *)context = row->row_id;
    return false;
}

static void a_row_that_is_given_up_holds_nobody(void **state) {
    struct shop *shop = *state;
    uint64_t id = UINT64_MAX;
    assert_true(is_held(shop, "crm:1", "", "email"));
    assert_int_equal(store_visit_rows(engine_store(shop->engine), first_row, &id, NULL), STATUS_OK);
    assert_int_equal(engine_quarantine_drop(shop->engine, &id, 1, NULL), STATUS_OK);
    assert_false(is_held(shop, "crm:1", "", "email"));
    assert_true(is_held(shop, "crm:2", "social", ""));
    shop_open(shop, NULL);
    assert_false(is_held(shop, "crm:1", "", "email"));
}

static void a_replay_lifts_it(void **state) {
    struct shop *shop = *state;
    struct replay_report report;
    shop_file(shop, "mended.yaml",
              "attune: 1\nname: Held\ncurrency: USD\nzone: UTC\n"
              "customer: { identifiers: { crm: , email: } }\n"
              "consent: { purposes: [personalize] }\n"
              "sources:\n"
              "  consent: { file: \"consent*.csv\", event: Consent Changed, time: at, key: { crm: "
              "crm }, row_key: id, properties: { purpose: purpose, state: state } }\n");
    shop_open(shop, "mended.yaml");
    assert_true(is_held(shop, "crm:2", "social", ""));
    assert_int_equal(engine_quarantine_replay(shop->engine, "consent", &report, NULL), STATUS_OK);
    assert_int_equal(report.events, 1);
    assert_false(is_held(shop, "crm:2", "social", ""));
}

/* The row may name somebody who is known only later, or by another identifier. */
static void whoever_it_is_now(void **state) {
    struct shop *shop = *state;
    shop_file(shop, "seen2.csv", "id,at,crm,mail\n3,2017-01-05,3,nobody-yet@x.example\n");
    shop_load(shop, "seen");
    assert_true(is_held(shop, "crm:3", "", "sms"));
    assert_false(is_held(shop, "crm:3", "", "email"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(held_until_the_row_is_read, set_up, shop_tear_down),
        cmocka_unit_test_setup_teardown(a_row_that_is_given_up_holds_nobody, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(a_replay_lifts_it, set_up, shop_tear_down),
        cmocka_unit_test_setup_teardown(whoever_it_is_now, set_up, shop_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
