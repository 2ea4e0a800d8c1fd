/* SPDX-License-Identifier: Apache-2.0 */
/* Whose word counts where customers merge, and which address an opt-in is for. */
#include "support/unit.h"

#include "support/scene.h"

static const char playbook[] =
    "customer: { identifiers: { crm: {}, email: {}, cookie: {} } }\n"
    "sources: { site: { file: s.ndjson, format: segment, key: { cookie: anonymousId } } }\n"
    "events: { Order Completed: { revenue: money } }\n"
    "goals: { order: { event: Order Completed, within: 10d } }\n"
    "actions: { letter: { goal: order, channels: [email, mail], programme: news } }\n"
    "policies: [ { never_without: opt_in } ]\n";

enum { CRM = 1, ANN = 2, BOB = 3, RECORD = 4 };

static int set_up(void **state) {
    return scene_trial_set_up(state, playbook);
}

static void read_at(struct scene_trial *trial, uint32_t customer, int64_t t_ms) {
    scene_trial_read(trial, customer, t_ms, false);
}

static const char *word(struct value value) {
    if (value.type != VALUE_YES_NO) return value_is_known(value) ? "?" : "unknown";
    return value.yes ? "yes" : "no";
}

static const char *consent(struct scene_trial *trial, uint32_t customer, int64_t t_ms) {
    read_at(trial, customer, t_ms);
    return word(profile_consent(trial->profile, &trial->timeline, t_ms, TEXT("personalise")));
}

static const char *opt_in_of(struct scene_trial *trial, int64_t t_ms, const char *channel,
                             const char *programme, const char *address) {
    uint32_t symbol = symbol_find(trial->scene.symbols, SYMBOL_CHANNEL, text_from(channel));
    read_at(trial, CRM, t_ms);
    return word(profile_opt_in(trial->profile, &trial->timeline, t_ms, symbol, text_from(programme),
                               text_from(address)));
}

#define assert_opt_in(t_ms, address, expected)                                                     \
    assert_string_equal(opt_in_of(trial, t_ms, "email", "", address), expected)

static void consents(struct scene_trial *trial, uint32_t persona, int64_t t_ms, const char *state) {
    char properties[64];
    snprintf(properties, sizeof properties, "purpose='personalise' state=%s", state);
    scene_event(&trial->scene, persona, "Consent Changed", t_ms, properties);
}

static void test_of_merged_customers_the_more_restrictive_state_holds(void **state) {
    struct scene_trial *trial = *state;
    consents(trial, ANN, DAY(1), "no");
    consents(trial, CRM, DAY(2), "yes");
    scene_event(&trial->scene, BOB, "Order Completed", DAY(1), "");
    scene_link(&trial->scene, ANN, CRM, DAY(5));
    scene_link(&trial->scene, BOB, CRM, DAY(5));
    assert_string_equal(consent(trial, CRM, DAY(5) - 1), "yes");
    assert_string_equal(consent(trial, CRM, DAY(5)), "no"); /* hers was said about all of her */
    consents(trial, BOB, DAY(6), "yes"); /* by now they are one: it speaks for all of them */
    assert_string_equal(consent(trial, CRM, DAY(6)), "yes");
    consents(trial, CRM, DAY(7), "no");
    assert_string_equal(consent(trial, CRM, DAY(7)), "no");
}

static void test_the_personas_of_one_customer_speak_for_each_other(void **state) {
    struct scene_trial *trial = *state;
    scene_link(&trial->scene, ANN, CRM, DAY(0));
    consents(trial, ANN, DAY(1), "no");
    consents(trial, CRM, DAY(2), "yes");
    assert_string_equal(consent(trial, CRM, DAY(3)), "yes");
}

static void test_a_yes_on_a_device_lifts_no_other_no(void **state) {
    struct scene_trial *trial = *state;
    scene_link(&trial->scene, ANN, CRM, DAY(0));
    scene_link(&trial->scene, BOB, CRM, DAY(0));
    const char *yes = "purpose='personalise' state=yes source='site'",
               *no = "purpose='personalise' state=no source='site'";
    scene_event(&trial->scene, ANN, "Consent Changed", DAY(1), yes);
    assert_string_equal(consent(trial, CRM, DAY(1)), "yes");
    consents(trial, CRM, DAY(2), "no");
    scene_event(&trial->scene, ANN, "Consent Changed", DAY(3), yes);
    assert_string_equal(consent(trial, CRM, DAY(3)), "no"); /* he has refused as himself */
    consents(trial, CRM, DAY(4), "yes");
    assert_string_equal(consent(trial, CRM, DAY(4)), "yes");
    scene_event(&trial->scene, BOB, "Consent Changed", DAY(5), no);
    assert_string_equal(consent(trial, CRM, DAY(5)), "no"); /* a no holds at once */
}

static void test_a_merge_carries_no_yes_to_another_address(void **state) {
    struct scene_trial *trial = *state;
    struct scene *scene = &trial->scene;
    scene_identify(scene, CRM, "crm:1 email:a@x.example");
    scene_identify(scene, BOB, "cookie:k email:b@x.example");
    scene_event(scene, CRM, "Opt In Changed", DAY(1), "channel='email' state=yes");
    scene_event(scene, BOB, "Order Completed", DAY(1), "");
    scene_link(scene, BOB, CRM, DAY(2));
    assert_opt_in(DAY(3), "a@x.example", "yes");
    assert_opt_in(DAY(3), "A@x.example ", "yes"); /* in any spelling */
    assert_opt_in(DAY(3), "b@x.example", "unknown");
    assert_opt_in(DAY(3), "", "yes"); /* there is one that may be used */
    scene_event(scene, CRM, "Opt In Changed", DAY(4),
                "channel='email' state=no address='b@x.example'");
    assert_opt_in(DAY(5), "a@x.example", "yes");
    assert_opt_in(DAY(5), "b@x.example", "no");
    scene_event(scene, BOB, "Opt In Changed", DAY(6), "channel='email' state=yes");
    scene_event(scene, CRM, "Opt In Changed", DAY(7), "channel='email' state=no");
    assert_opt_in(DAY(8), "a@x.example", "no"); /* his own address alone … */
    assert_opt_in(DAY(8), "b@x.example", "yes");
}

static void test_a_yes_without_an_address_waits_for_one_and_a_no_holds_for_all(void **state) {
    struct scene_trial *trial = *state;
    struct scene *scene = &trial->scene;
    scene_identify(scene, CRM, "crm:1");
    scene_identify(scene, BOB, "cookie:k email:b@x.example");
    scene_identify(scene, RECORD, "crm:1 email:a@x.example");
    scene_event(scene, CRM, "Opt In Changed", DAY(1), "channel='email' state=yes");
    assert_opt_in(DAY(1), "", "yes"); /* whoever sends knows the address, we do not */
    scene_event(scene, BOB, "Order Completed", DAY(2), "");
    scene_link(scene, BOB, CRM, DAY(2));
    assert_opt_in(DAY(2), "", "unknown"); /* that address came from elsewhere */
    scene_event(scene, RECORD, "Customer Record", DAY(3), "");
    scene_link(scene, RECORD, CRM, DAY(3));
    assert_opt_in(DAY(3), "", "yes");
    assert_opt_in(DAY(3), "a@x.example", "yes");
    assert_opt_in(DAY(3), "b@x.example", "unknown");
    scene_event(scene, BOB, "Opt In Changed", DAY(4), "channel='email' state=yes");
    assert_opt_in(DAY(4), "b@x.example", "yes");
    scene_event(scene, CRM, "Opt In Changed", DAY(5), "channel='email' state=no");
    assert_opt_in(DAY(5), "a@x.example", "no");
    assert_opt_in(DAY(5), "b@x.example", "no");
    assert_opt_in(DAY(5), "", "no");
}

static void test_a_programme_has_opt_ins_of_its_own(void **state) {
    struct scene_trial *trial = *state;
    struct scene *scene = &trial->scene;
    scene_identify(scene, CRM, "email:a@x.example");
    scene_event(scene, CRM, "Opt In Changed", DAY(1), "channel='email' state=yes programme='news'");
    assert_opt_in(DAY(1), "", "unknown"); /* a yes to the news is none to everything */
    assert_string_equal(opt_in_of(trial, DAY(1), "email", "news", ""), "yes");
    assert_string_equal(opt_in_of(trial, DAY(1), "email", "offers", ""), "unknown");
    scene_event(scene, CRM, "Opt In Changed", DAY(2), "channel='email' state=no programme='news'");
    scene_event(scene, CRM, "Opt In Changed", DAY(3), "channel='email' state=yes");
    assert_string_equal(opt_in_of(trial, DAY(3), "email", "news", ""), "no");
    assert_string_equal(opt_in_of(trial, DAY(3), "email", "offers", ""), "yes");
    scene_event(scene, CRM, "Opt In Changed", DAY(4), "channel='email' state=no");
    scene_event(scene, CRM, "Opt In Changed", DAY(5), "channel='email' state=yes programme='news'");
    assert_string_equal(opt_in_of(trial, DAY(5), "email", "news", ""), "yes");
    assert_string_equal(opt_in_of(trial, DAY(5), "email", "offers", ""), "no");
}

/* Letters have no addresses here: judged by customer, as consent is. */
static void test_a_channel_without_addresses(void **state) {
    struct scene_trial *trial = *state;
    struct scene *scene = &trial->scene;
    scene_identify(scene, CRM, "crm:1");
    scene_event(scene, CRM, "Opt In Changed", DAY(1), "channel='mail' state=yes");
    scene_event(scene, BOB, "Opt In Changed", DAY(1), "channel='mail' state=no");
    assert_string_equal(opt_in_of(trial, DAY(1), "mail", "", ""), "yes");
    scene_link(scene, BOB, CRM, DAY(2));
    assert_string_equal(opt_in_of(trial, DAY(2), "mail", "", ""), "no");
}

/* No limit opens a policy: of what is missing some may be a no. */
static void test_a_cut_timeline_holds(void **state) {
    struct scene_trial *trial = *state;
    consents(trial, CRM, DAY(1), "yes");
    read_at(trial, CRM, DAY(2));
    trial->timeline.truncated = true;
    assert_string_equal(
        word(profile_consent(trial->profile, &trial->timeline, DAY(2), TEXT("personalise"))),
        "yes"); /* his newest word, and nobody else has spoken */
    scene_event(&trial->scene, BOB, "Order Completed", DAY(2), "");
    scene_link(&trial->scene, BOB, CRM, DAY(2));
    read_at(trial, CRM, DAY(3));
    trial->timeline.truncated = true;
    assert_string_equal(
        word(profile_consent(trial->profile, &trial->timeline, DAY(3), TEXT("personalise"))),
        "unknown");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, scene_trial_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_of_merged_customers_the_more_restrictive_state_holds),
        CASE(test_the_personas_of_one_customer_speak_for_each_other),
        CASE(test_a_yes_on_a_device_lifts_no_other_no),
        CASE(test_a_merge_carries_no_yes_to_another_address),
        CASE(test_a_yes_without_an_address_waits_for_one_and_a_no_holds_for_all),
        CASE(test_a_programme_has_opt_ins_of_its_own),
        CASE(test_a_channel_without_addresses),
        CASE(test_a_cut_timeline_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
