/* SPDX-License-Identifier: Apache-2.0 */
/* Consent is three-valued and the newest word counts; a friend is looked at only where both sides agreed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "profile/consent.h"
#include "stage.h"

static const char playbook[] =
    "customer: { identifiers: { email: {}, phone: {} } }\n"
    "relations: { friend: { consent: social }, colleague: {} }\n"
    "sources:\n"
    "  orders: { file: o.csv, event: Order Completed, time: t, key: { email: email }, types: { amount: money },\n"
    "            properties: { revenue: amount } }\n"
    "traits:\n"
    "  orders: count(\"Order Completed\")\n"
    "  regular: orders >= 2\n"
    "  friend_buys: any friend (exists(\"Order Completed\"))\n"
    "  friends_buying: count friend (exists(\"Order Completed\"))\n"
    "  regular_friends: count friend (regular)\n"
    "  colleague_buys: any colleague (exists(\"Order Completed\"))\n";

enum { ANN = 1, BEN = 2, CAT = 3 };

struct trial {
    struct stage stage;
    struct profiler *profiler;
    struct timeline_reader *reader;
    struct timeline timeline;
};

static int set_up(void **state) {
    static struct trial trial;
    stage_init(&trial.stage, playbook);
    assert_int_equal(profiler_create(&trial.profiler, &trial.stage.world), STATUS_OK);
    trial.reader = NULL;
    *state = &trial;
    return 0;
}

static int tear_down(void **state) {
    struct trial *trial = *state;
    if (trial->reader != NULL) trial->reader->source->ops->reader_close(trial->reader);
    profiler_destroy(trial->profiler);
    stage_release(&trial->stage);
    return 0;
}

/* Ann's timeline: as of t alone, or of all times, judged row by row. */
static void read_ann(struct trial *trial, int64_t t_ms, bool all_times) {
    struct timeline_source *source = trial->stage.world.source;
    struct as_of as_of = {all_times ? INT64_MAX : t_ms, POSITION_NOW};
    struct timeline_request request = profiler_request(trial->profiler, as_of, all_times);
    if (trial->reader != NULL) source->ops->reader_close(trial->reader);
    assert_int_equal(source->ops->reader_open(source, &trial->reader, NULL), STATUS_OK);
    assert_int_equal(source->ops->read(trial->reader, (struct customer_id){ANN}, &request, &trial->timeline, NULL), STATUS_OK);
}

/* A trait of Ann as of t; the same whether later rows are there to be judged or not. */
static struct value trait_at(struct trial *trial, const char *name, int64_t t_ms) {
    read_ann(trial, t_ms, false);
    struct value live = profile_at(trial->profiler, &trial->timeline, t_ms)[stage_trait(&trial->stage, name)];
    read_ann(trial, t_ms, true);
    struct value replayed = profile_at(trial->profiler, &trial->timeline, t_ms)[stage_trait(&trial->stage, name)];
    assert_true(value_equal(live, replayed));
    return live;
}

static const char *word(struct value value) {
    if (value.type != VALUE_YES_NO) return value_is_known(value) ? "?" : "unknown";
    return value.yes ? "yes" : "no";
}

#define assert_trait(trial, name, t_ms, expected) assert_string_equal(word(trait_at(trial, name, t_ms)), expected)
#define assert_count(trial, name, t_ms, expected) assert_int_equal((int)trait_at(trial, name, t_ms).number, expected)

static const char *consent(struct trial *trial, int64_t t_ms, const char *purpose) {
    read_ann(trial, t_ms, true);
    return word(consent_at(&trial->timeline, t_ms, text_from(purpose)));
}

static const char *opt_in(struct trial *trial, int64_t t_ms, const char *channel) {
    read_ann(trial, t_ms, true);
    return word(opt_in_at(&trial->timeline, t_ms, text_from(channel)));
}

static void test_newest_word_counts_for_its_purpose(void **state) {
    struct trial *trial = *state;
    struct stage *stage = &trial->stage;
    stage_event(stage, ANN, "Consent Changed", DAY(1), "purpose='share' state='granted'");
    stage_event(stage, ANN, "Consent Changed", DAY(3), "purpose='share' state=no");
    stage_event(stage, ANN, "Consent Changed", DAY(4), "purpose='measure' state=yes");
    stage_event(stage, ANN, "Consent Changed", DAY(5), "purpose='share' state='perhaps'");
    stage_event(stage, ANN, "Consent Changed", DAY(6), "purpose='share' state='GIVEN'");
    stage_event(stage, ANN, "Consent Changed", DAY(6), "purpose='share' state='withdrawn'"); /* a tie: the later arrival */
    assert_string_equal(consent(trial, DAY(1) - 1, "share"), "unknown");
    assert_string_equal(consent(trial, DAY(1), "share"), "yes");
    assert_string_equal(consent(trial, DAY(3) - 1, "share"), "yes");
    assert_string_equal(consent(trial, DAY(3), "share"), "no");
    assert_string_equal(consent(trial, DAY(5), "share"), "unknown"); /* words that nobody knows are no yes, and no no */
    assert_string_equal(consent(trial, DAY(6), "share"), "no");
    assert_string_equal(consent(trial, DAY(6), "measure"), "yes");
    assert_string_equal(consent(trial, DAY(6), "social"), "unknown");
}

static void test_opt_in_is_of_its_channel_and_no_consent(void **state) {
    struct trial *trial = *state;
    stage_event(&trial->stage, ANN, "Opt In Changed", DAY(1), "channel='email' state=yes");
    stage_event(&trial->stage, ANN, "Opt In Changed", DAY(2), "channel='sms' state='out'");
    stage_event(&trial->stage, ANN, "Consent Changed", DAY(2), "purpose='phone' state=yes");
    assert_string_equal(opt_in(trial, DAY(3), "email"), "yes");
    assert_string_equal(opt_in(trial, DAY(3), "sms"), "no");
    assert_string_equal(opt_in(trial, DAY(3), "phone"), "unknown");
    assert_string_equal(consent(trial, DAY(3), "email"), "unknown");
}

static void test_what_became_known_later_was_not_said_yet(void **state) {
    struct trial *trial = *state;
    stage_event(&trial->stage, ANN, "Consent Changed", DAY(1), "purpose='share' state=yes");
    stage_event_known(&trial->stage, ANN, "Consent Changed", DAY(2), DAY(9), "purpose='share' state=no");
    assert_string_equal(consent(trial, DAY(9) - 1, "share"), "yes");
    assert_string_equal(consent(trial, DAY(9), "share"), "no");
}

static void agree(struct stage *stage, uint32_t persona, int64_t t_ms, const char *state) {
    char properties[64];
    snprintf(properties, sizeof properties, "purpose='social' state=%s", state);
    stage_event(stage, persona, "Consent Changed", t_ms, properties);
}

static void befriend(struct trial *trial) {
    stage_name(&trial->stage, "email:ben@b.example", BEN);
    stage_event(&trial->stage, ANN, "Related", DAY(0), "kind='friend' to='email:ben@b.example'");
    stage_event(&trial->stage, BEN, "Order Completed", DAY(1), "revenue=3USD");
}

static void test_both_sides_must_have_agreed(void **state) {
    struct trial *trial = *state;
    befriend(trial);
    assert_trait(trial, "friend_buys", DAY(2), "no");
    agree(&trial->stage, ANN, DAY(3), "yes");
    assert_trait(trial, "friend_buys", DAY(4), "no");
    agree(&trial->stage, BEN, DAY(5), "yes");
    assert_trait(trial, "friend_buys", DAY(5) - 1, "no");
    assert_trait(trial, "friend_buys", DAY(5), "yes");
    agree(&trial->stage, ANN, DAY(7), "no");
    assert_trait(trial, "friend_buys", DAY(7), "no");
    agree(&trial->stage, ANN, DAY(8), "yes");
    agree(&trial->stage, BEN, DAY(9), "no");
    assert_trait(trial, "friend_buys", DAY(9) - 1, "yes");
    assert_trait(trial, "friend_buys", DAY(9), "no");
    assert_trait(trial, "colleague_buys", DAY(9) - 1, "no"); /* another kind of relation */
}

static void test_a_relation_ends_and_begins_again(void **state) {
    struct trial *trial = *state;
    befriend(trial);
    agree(&trial->stage, ANN, DAY(0), "yes");
    agree(&trial->stage, BEN, DAY(0), "yes");
    stage_event(&trial->stage, ANN, "Related", DAY(5), "kind='friend' to='email:ben@b.example' state=no");
    stage_event(&trial->stage, ANN, "Related", DAY(7), "kind='friend' to='email:ben@b.example' state=yes");
    stage_event_known(&trial->stage, ANN, "Related", DAY(8), DAY(10), "kind='friend' to='email:ben@b.example' state='no'");
    stage_event(&trial->stage, ANN, "Related", DAY(8), "kind='colleague' to='email:ben@b.example' state=no");
    assert_trait(trial, "friend_buys", DAY(5) - 1, "yes");
    assert_trait(trial, "friend_buys", DAY(5), "no");
    assert_trait(trial, "friend_buys", DAY(7), "yes");
    assert_trait(trial, "friend_buys", DAY(10) - 1, "yes");
    assert_trait(trial, "friend_buys", DAY(10), "no");
}

static void test_a_friend_known_by_two_identifiers_counts_once(void **state) {
    struct trial *trial = *state;
    befriend(trial);
    stage_name(&trial->stage, "phone:555", CAT);
    stage_event(&trial->stage, ANN, "Related", DAY(0), "kind='friend' to='phone:555'");
    stage_event(&trial->stage, ANN, "Related", DAY(0), "kind='friend' to='email:nobody@n.example'");
    stage_event(&trial->stage, CAT, "Order Completed", DAY(2), "revenue=3USD");
    for (uint32_t persona = ANN; persona <= CAT; persona++) agree(&trial->stage, persona, DAY(0), "yes");
    stage_link(&trial->stage, CAT, BEN, DAY(10)); /* from day 10 on the phone is known to be Ben's */
    assert_count(trial, "friends_buying", DAY(9), 2);
    assert_count(trial, "friends_buying", DAY(10), 1);
    assert_count(trial, "regular_friends", DAY(9), 0);
    assert_count(trial, "regular_friends", DAY(10), 1); /* both orders are his now */
}

static void test_nobody_is_his_own_friend(void **state) {
    struct trial *trial = *state;
    stage_name(&trial->stage, "email:ann@a.example", ANN);
    agree(&trial->stage, ANN, DAY(0), "yes");
    stage_event(&trial->stage, ANN, "Related", DAY(0), "kind='friend' to='email:ann@a.example'");
    stage_event(&trial->stage, ANN, "Order Completed", DAY(1), "revenue=3USD");
    assert_trait(trial, "friend_buys", DAY(2), "no");
}

static void test_beyond_two_hundred_friends_it_is_unknown(void **state) {
    struct trial *trial = *state;
    char name[64], properties[128];
    agree(&trial->stage, ANN, DAY(0), "yes");
    for (uint32_t i = 0; i <= EXPR_RELATED_MAX_DEFAULT; i++) {
        snprintf(name, sizeof name, "email:f%u@f.example", i);
        snprintf(properties, sizeof properties, "kind='friend' to='%s'", name);
        stage_name(&trial->stage, name, 10 + i);
        agree(&trial->stage, 10 + i, DAY(0), "yes");
        stage_event(&trial->stage, ANN, "Related", DAY(i < EXPR_RELATED_MAX_DEFAULT ? 0 : 5), properties);
    }
    assert_trait(trial, "friend_buys", DAY(1), "no");      /* 200 of them, all looked at */
    assert_trait(trial, "friend_buys", DAY(5), "unknown"); /* one more, nobody looked at */
    assert_trait(trial, "friends_buying", DAY(5), "unknown");
    stage_event(&trial->stage, 10, "Order Completed", DAY(6), "revenue=3USD");
    assert_trait(trial, "friend_buys", DAY(6), "yes"); /* already yes */
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_newest_word_counts_for_its_purpose),
        CASE(test_opt_in_is_of_its_channel_and_no_consent),
        CASE(test_what_became_known_later_was_not_said_yet),
        CASE(test_both_sides_must_have_agreed),
        CASE(test_a_relation_ends_and_begins_again),
        CASE(test_a_friend_known_by_two_identifiers_counts_once),
        CASE(test_nobody_is_his_own_friend),
        CASE(test_beyond_two_hundred_friends_it_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
