/* SPDX-License-Identifier: Apache-2.0 */
/* Consent is three-valued and the newest word counts; a friend is looked at only where both sides
 * agreed. */
#include "support/unit.h"

#include "profile/consent.h"
#include "support/scene.h"

static const char playbook[] = "customer: { identifiers: { email: {}, phone: {} } }\n"
                               "relations: { friend: { consent: social }, colleague: {} }\n"
                               "sources:\n"
                               "  orders: { file: o.csv, event: Order Completed, time: t, key: { "
                               "email: email }, types: { amount: money },\n"
                               "            properties: { revenue: amount } }\n"
                               "traits:\n"
                               "  orders: count(\"Order Completed\")\n"
                               "  regular: orders >= 2\n"
                               "  friend_buys: any friend (exists(\"Order Completed\"))\n"
                               "  friends_buying: count friend (exists(\"Order Completed\"))\n"
                               "  regular_friends: count friend (regular)\n"
                               "  colleague_buys: any colleague (exists(\"Order Completed\"))\n";

enum { ANN = 1, BEN = 2, CAT = 3 };

static int set_up(void **state) {
    return scene_trial_set_up(state, playbook);
}

/* Ann's timeline: as of t alone, or of all times, judged row by row. */
static void read_ann(struct scene_trial *trial, int64_t t_ms, bool all_times) {
    scene_trial_read(trial, ANN, t_ms, all_times);
}

/* A trait of Ann as of t; the same whether later rows are there to be judged or not. */
static struct value trait_at(struct scene_trial *trial, const char *name, int64_t t_ms) {
    read_ann(trial, t_ms, false);
    struct value live =
        profile_at(trial->profile, &trial->timeline, t_ms)[scene_trait(&trial->scene, name)];
    read_ann(trial, t_ms, true);
    struct value replayed =
        profile_at(trial->profile, &trial->timeline, t_ms)[scene_trait(&trial->scene, name)];
    assert_true(value_equal(live, replayed));
    return live;
}

static const char *word(struct value value) {
    if (value.type != VALUE_YES_NO) return value_is_known(value) ? "?" : "unknown";
    return value.yes ? "yes" : "no";
}

#define assert_trait(trial, name, t_ms, expected)                                                  \
    assert_string_equal(word(trait_at(trial, name, t_ms)), expected)
#define assert_count(trial, name, t_ms, expected)                                                  \
    assert_int_equal((int)trait_at(trial, name, t_ms).number, expected)

static const char *consent(struct scene_trial *trial, int64_t t_ms, const char *purpose) {
    read_ann(trial, t_ms, true);
    return word(profile_consent(trial->profile, &trial->timeline, t_ms, text_from(purpose)));
}

static const char *opt_in(struct scene_trial *trial, int64_t t_ms, const char *channel) {
    read_ann(trial, t_ms, true);
    uint32_t symbol;
    assert_int_equal(symbol_add(trial->scene.symbols, SYMBOL_CHANNEL, text_from(channel), &symbol),
                     STATUS_OK);
    return word(profile_opt_in(trial->profile, &trial->timeline, t_ms, symbol, (struct text){0},
                               (struct text){0}));
}

static void test_newest_word_counts_for_its_purpose(void **state) {
    struct scene_trial *trial = *state;
    struct scene *scene = &trial->scene;
    scene_event(scene, ANN, "Consent Changed", DAY(1), "purpose='share' state='granted'");
    scene_event(scene, ANN, "Consent Changed", DAY(3), "purpose='share' state=no");
    scene_event(scene, ANN, "Consent Changed", DAY(4), "purpose='measure' state=yes");
    scene_event(scene, ANN, "Consent Changed", DAY(5), "purpose='share' state='perhaps'");
    scene_event(scene, ANN, "Consent Changed", DAY(6), "purpose='share' state='GIVEN'");
    scene_event(scene, ANN, "Consent Changed", DAY(6),
                "purpose='share' state='withdrawn'"); /* a tie: the later arrival */
    assert_string_equal(consent(trial, DAY(1) - 1, "share"), "unknown");
    assert_string_equal(consent(trial, DAY(1), "share"), "yes");
    assert_string_equal(consent(trial, DAY(3) - 1, "share"), "yes");
    assert_string_equal(consent(trial, DAY(3), "share"), "no");
    assert_string_equal(consent(trial, DAY(5), "share"),
                        "unknown"); /* words that nobody knows are no yes, and no no */
    assert_string_equal(consent(trial, DAY(6), "share"), "no");
    assert_string_equal(consent(trial, DAY(6), "measure"), "yes");
    assert_string_equal(consent(trial, DAY(6), "social"), "unknown");
}

static void test_opt_in_is_of_its_channel_and_no_consent(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Opt In Changed", DAY(1), "channel='email' state=yes");
    scene_event(&trial->scene, ANN, "Opt In Changed", DAY(2), "channel='sms' state='out'");
    scene_event(&trial->scene, ANN, "Consent Changed", DAY(2), "purpose='phone' state=yes");
    assert_string_equal(opt_in(trial, DAY(3), "email"), "yes");
    assert_string_equal(opt_in(trial, DAY(3), "sms"), "no");
    assert_string_equal(opt_in(trial, DAY(3), "phone"), "unknown");
    assert_string_equal(consent(trial, DAY(3), "email"), "unknown");
}

static void test_what_became_known_later_was_not_said_yet(void **state) {
    struct scene_trial *trial = *state;
    scene_event(&trial->scene, ANN, "Consent Changed", DAY(1), "purpose='share' state=yes");
    scene_event_known(&trial->scene, ANN, "Consent Changed", DAY(2), DAY(9),
                      "purpose='share' state=no");
    assert_string_equal(consent(trial, DAY(9) - 1, "share"), "yes");
    assert_string_equal(consent(trial, DAY(9), "share"), "no");
}

static void agree(struct scene *scene, uint32_t persona, int64_t t_ms, const char *state) {
    char properties[64];
    snprintf(properties, sizeof properties, "purpose='social' state=%s", state);
    scene_event(scene, persona, "Consent Changed", t_ms, properties);
}

static void befriend(struct scene_trial *trial) {
    scene_name(&trial->scene, "email:ben@b.example", BEN);
    scene_event(&trial->scene, ANN, "Related", DAY(0), "kind='friend' to='email:ben@b.example'");
    scene_event(&trial->scene, BEN, "Order Completed", DAY(1), "revenue=3USD");
}

static void test_both_sides_must_have_agreed(void **state) {
    struct scene_trial *trial = *state;
    befriend(trial);
    assert_trait(trial, "friend_buys", DAY(2), "no");
    agree(&trial->scene, ANN, DAY(3), "yes");
    assert_trait(trial, "friend_buys", DAY(4), "no");
    agree(&trial->scene, BEN, DAY(5), "yes");
    assert_trait(trial, "friend_buys", DAY(5) - 1, "no");
    assert_trait(trial, "friend_buys", DAY(5), "yes");
    agree(&trial->scene, ANN, DAY(7), "no");
    assert_trait(trial, "friend_buys", DAY(7), "no");
    agree(&trial->scene, ANN, DAY(8), "yes");
    agree(&trial->scene, BEN, DAY(9), "no");
    assert_trait(trial, "friend_buys", DAY(9) - 1, "yes");
    assert_trait(trial, "friend_buys", DAY(9), "no");
    assert_trait(trial, "colleague_buys", DAY(9) - 1, "no"); /* another kind of relation */
}

static void test_a_relation_ends_and_begins_again(void **state) {
    struct scene_trial *trial = *state;
    befriend(trial);
    agree(&trial->scene, ANN, DAY(0), "yes");
    agree(&trial->scene, BEN, DAY(0), "yes");
    scene_event(&trial->scene, ANN, "Related", DAY(5),
                "kind='friend' to='email:ben@b.example' state=no");
    scene_event(&trial->scene, ANN, "Related", DAY(7),
                "kind='friend' to='email:ben@b.example' state=yes");
    scene_event_known(&trial->scene, ANN, "Related", DAY(8), DAY(10),
                      "kind='friend' to='email:ben@b.example' state='no'");
    scene_event(&trial->scene, ANN, "Related", DAY(8),
                "kind='colleague' to='email:ben@b.example' state=no");
    assert_trait(trial, "friend_buys", DAY(5) - 1, "yes");
    assert_trait(trial, "friend_buys", DAY(5), "no");
    assert_trait(trial, "friend_buys", DAY(7), "yes");
    assert_trait(trial, "friend_buys", DAY(10) - 1, "yes");
    assert_trait(trial, "friend_buys", DAY(10), "no");
}

static void test_a_friend_known_by_two_identifiers_counts_once(void **state) {
    struct scene_trial *trial = *state;
    befriend(trial);
    scene_name(&trial->scene, "phone:555", CAT);
    scene_event(&trial->scene, ANN, "Related", DAY(0), "kind='friend' to='phone:555'");
    scene_event(&trial->scene, ANN, "Related", DAY(0), "kind='friend' to='email:nobody@n.example'");
    scene_event(&trial->scene, CAT, "Order Completed", DAY(2), "revenue=3USD");
    for (uint32_t persona = ANN; persona <= CAT; persona++)
        agree(&trial->scene, persona, DAY(0), "yes");
    /* From day 10 on the phone is known to be Ben's. */
    scene_link(&trial->scene, CAT, BEN, DAY(10));
    assert_count(trial, "friends_buying", DAY(9), 2);
    assert_count(trial, "friends_buying", DAY(10), 1);
    assert_count(trial, "regular_friends", DAY(9), 0);
    assert_count(trial, "regular_friends", DAY(10), 1); /* both orders are his now */
}

static void test_nobody_is_his_own_friend(void **state) {
    struct scene_trial *trial = *state;
    scene_name(&trial->scene, "email:ann@a.example", ANN);
    agree(&trial->scene, ANN, DAY(0), "yes");
    scene_event(&trial->scene, ANN, "Related", DAY(0), "kind='friend' to='email:ann@a.example'");
    scene_event(&trial->scene, ANN, "Order Completed", DAY(1), "revenue=3USD");
    assert_trait(trial, "friend_buys", DAY(2), "no");
}

static void test_beyond_two_hundred_friends_it_is_unknown(void **state) {
    struct scene_trial *trial = *state;
    char name[64], properties[128];
    agree(&trial->scene, ANN, DAY(0), "yes");
    for (uint32_t i = 0; i <= EXPR_RELATED_MAX_DEFAULT; i++) {
        snprintf(name, sizeof name, "email:f%u@f.example", i);
        snprintf(properties, sizeof properties, "kind='friend' to='%s'", name);
        scene_name(&trial->scene, name, 10 + i);
        agree(&trial->scene, 10 + i, DAY(0), "yes");
        scene_event(&trial->scene, ANN, "Related", DAY(i < EXPR_RELATED_MAX_DEFAULT ? 0 : 5),
                    properties);
    }
    assert_trait(trial, "friend_buys", DAY(1), "no");      /* 200 of them, all looked at */
    assert_trait(trial, "friend_buys", DAY(5), "unknown"); /* one more, nobody looked at */
    assert_trait(trial, "friends_buying", DAY(5), "unknown");
    scene_event(&trial->scene, 10, "Order Completed", DAY(6), "revenue=3USD");
    assert_trait(trial, "friend_buys", DAY(6), "yes"); /* already yes */
}

/* Twenty thousand relations, of which the newest word about each counts: every second one has
 * ended, and nobody but the last is known here. */
static void test_many_relations(void **state) {
    struct scene_trial *trial = *state;
    char properties[128];
    agree(&trial->scene, ANN, DAY(0), "yes");
    agree(&trial->scene, BEN, DAY(0), "yes");
    scene_name(&trial->scene, "email:f19999@f.example", BEN);
    scene_event(&trial->scene, BEN, "Order Completed", DAY(0), "revenue=3USD");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            snprintf(properties, sizeof properties, "kind='friend' to='email:f%d@f.example'%s", i,
                     round == 1 && i % 2 == 0 ? " state=no" : "");
            scene_event(&trial->scene, ANN, "Related", DAY(1 + round), properties);
        }
    }
    assert_count(trial, "friends_buying", DAY(3), 1);
    scene_event(&trial->scene, ANN, "Related", DAY(4),
                "kind='friend' to='email:f19999@f.example' state=no");
    assert_count(trial, "friends_buying", DAY(5), 0);
}

/* 70 traits in one, and a ladder of traits that each read two others: every one is worked out once,
 * and of this friend. */
static void test_a_friends_trait_may_read_many_others(void **state) {
    struct buffer text;
    buffer_init(&text);
    enum status status =
        buffer_format(&text, "customer: { identifiers: { email: {} } }\nrelations: { friend: {} }\n"
                             "events: { Order Completed: { revenue: money } }\ntraits:\n");
    for (int i = 0; i < 70; i++)
        status = status ? status : buffer_format(&text, "  e%d: count(\"Order Completed\")\n", i);
    status = status ? status : buffer_format(&text, "  all: e0 == 1");
    for (int i = 1; i < 70; i++)
        status = status ? status : buffer_format(&text, " and e%d == 1", i);
    status = status ? status : buffer_format(&text, "\n  l0: e0\n  l1: e0\n");
    for (int i = 2; i < 60; i++)
        status = status ? status : buffer_format(&text, "  l%d: l%d + l%d\n", i, i - 1, i - 2);
    status = status ? status
                    : buffer_format(
                          &text,
                          "  with_one: count friend (all)\n  growing: count friend (l59 > l58)\n");
    status = status ? status : buffer_append(&text, "", 1);
    assert_int_equal(status, STATUS_OK);
    scene_trial_set_up(state, text.at);
    buffer_release(&text);
    struct scene_trial *trial = *state;
    for (uint32_t friend = BEN; friend <= CAT; friend ++) {
        scene_name(&trial->scene, friend == BEN ? "email:ben" : "email:cat", friend);
        scene_event(&trial->scene, ANN, "Related", DAY(0),
                    friend == BEN ? "kind='friend' to='email:ben'"
                                  : "kind='friend' to='email:cat'");
        agree(&trial->scene, friend, DAY(0), "yes");
        scene_event(&trial->scene, friend, "Order Completed", DAY(1), "");
    }
    agree(&trial->scene, ANN, DAY(0), "yes");
    scene_event(&trial->scene, CAT, "Order Completed", DAY(1), "");
    assert_true(trait_at(trial, "with_one", DAY(2)).number == 1);
    assert_true(trait_at(trial, "growing", DAY(2)).number == 2);
    scene_trial_tear_down(state);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, scene_trial_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_newest_word_counts_for_its_purpose),
        CASE(test_opt_in_is_of_its_channel_and_no_consent),
        CASE(test_what_became_known_later_was_not_said_yet),
        CASE(test_both_sides_must_have_agreed),
        CASE(test_a_relation_ends_and_begins_again),
        CASE(test_a_friend_known_by_two_identifiers_counts_once),
        CASE(test_nobody_is_his_own_friend),
        CASE(test_many_relations),
        cmocka_unit_test(test_a_friends_trait_may_read_many_others),
        CASE(test_beyond_two_hundred_friends_it_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
