/* SPDX-License-Identifier: Apache-2.0 */
/* Experiments: who is in which arm, what an arm changes, and that both stay. */
#include "trial.h"

#define PEOPLE 4000u
#define ACTIONS                                                                                    \
    "actions:\n"                                                                                   \
    "  letter: { group: paper, goal: order, channels: [web] }\n"                                   \
    "  banner: { group: screen, goal: order, weight: 0.9, channels: [web] }\n"                     \
    "  poster: { group: screen, goal: order, weight: 0.5, channels: [mail] }\n"

/* The arm's index; UINT32_MAX: not in it. */
static uint32_t arm_in(uint32_t experiment) {
    const struct experiment_seats *seats = &trial.decision.seats;
    for (uint32_t i = 0; i < seats->count; i++)
        if (seats->items[i].experiment == experiment) return seats->items[i].arm;
    return UINT32_MAX;
}

static void people(void) {
    for (uint32_t person = 1; person <= PEOPLE; person++)
        scene_event(&trial.scene, person, "Clicked", DAY(.4), "");
}

/* Four standard errors. */
static void assert_share(uint32_t count, uint32_t of, double share) {
    double expected = share * of, reach = 4 * sqrt(of * share * (1 - share));
    if (fabs(count - expected) > reach)
        fail_msg("%u of %u, where %.0f were to be expected", count, of, expected);
}

static void test_arms_are_drawn_by_their_shares(void **state) {
    (void)state;
    begin(ACTIONS "experiments:\n"
                  "  one: { goal: order, layer: offers, share: 30%, arms: { a: {}, b: { share: 40% "
                  "} } }\n"
                  "  two: { goal: order, layer: offers, share: 50%, arms: { a: {}, b: {} } }\n"
                  "  apart: { goal: click, arms: { x: {}, y: {} } }\n");
    people();
    uint32_t in[3] = {0}, second[3] = {0}, both = 0, second_of_apart_in_one = 0;
    for (uint32_t person = 1; person <= PEOPLE; person++) {
        decide_for(person, DAY(2));
        for (uint32_t i = 0; i < 3; i++) {
            in[i] += arm_in(i) != UINT32_MAX;
            second[i] += arm_in(i) == 1;
        }
        both += arm_in(0) != UINT32_MAX && arm_in(1) != UINT32_MAX;
        second_of_apart_in_one += arm_in(0) != UINT32_MAX && arm_in(2) == 1;
    }
    assert_int_equal(both, 0); /* one layer, no customer in two */
    assert_share(in[0], PEOPLE, .3);
    assert_share(in[1], PEOPLE, .5);
    assert_int_equal(in[2], PEOPLE);
    assert_share(second[0], in[0], .4);
    assert_share(second[1], in[1], .5);
    assert_share(second_of_apart_in_one, in[0], .5); /* another layer is drawn apart */
}

static void test_an_arm_takes_away_and_lifts(void **state) {
    (void)state;
    begin(ACTIONS "experiments:\n"
                  "  try: { goal: order, stop: 2017-03-01, arms: { control: {}, no_paper: { "
                  "without: [paper] }, screens: { levers: { screen: 20%, poster: 60% } } } }\n");
    people();
    uint32_t seen[3] = {0};
    for (uint32_t person = 1; person <= 60; person++) {
        decide_for(person, DAY(2));
        uint32_t arm = arm_in(0);
        assert_true(arm < 3);
        seen[arm]++;
        assert_near(trace_of("banner", "web")->lever, arm == 2 ? 1.2 : 1);
        assert_near(trace_of("poster", "mail")->lever, arm == 2 ? 1.8 : 1);
        if (arm == 0) assert_ranked(0, "letter");
        if (arm == 2) assert_ranked(0, "banner");
        if (arm != 1) continue;
        assert_stage("letter", "web", "available");
        assert_ranked(0, "banner");
        assert_why_not("letter", "stopped at \"available\" (try); arm no_paper of this experiment "
                                 "goes without it; from 2017-03-01 00:00 (UTC) on it would not.");
    }
    assert_true(seen[0] > 5 && seen[1] > 5 && seen[2] > 5);
    for (uint32_t person = 1; person <= 60; person++) {
        decide_for(person, DAY(70)); /* it is over */
        assert_int_equal(trial.decision.seats.count, 0);
        assert_ranked(0, "letter");
    }
}

/* Recorded once, the arm stays, whatever the hash and `who` say later. */
static void test_records_hold(void **state) {
    (void)state;
    begin(ACTIONS "experiments:\n"
                  "  try: { goal: order, who: 'clicks > 0', start: 2017-01-02, salt: s1, share: "
                  "50%,\n"
                  "         arms: { control: {}, other: { levers: { banner: 50% } } } }\n"
                  "  rival: { goal: order, layer: try, share: 50%, arms: { a: {}, b: {} } }\n");
    people();
    struct packed_writer writer;
    struct buffer packed;
    packed_writer_init(&writer);
    buffer_init(&packed);
    uint32_t in_try = 0, in_rival = 0, moved = 0;
    for (uint32_t person = 1; person <= 40; person++) {
        decide_for(person, DAY(.5));
        assert_true(arm_in(0) == UINT32_MAX); /* it has not started */
        decide_for(person, DAY(2));
        uint32_t arm = arm_in(0);
        in_try += arm != UINT32_MAX;
        in_rival += arm_in(1) != UINT32_MAX;
        assert_true((arm == UINT32_MAX) != (arm_in(1) == UINT32_MAX));
        /* In another arm than the hash says: the record counts. */
        if (arm == UINT32_MAX) continue;
        assert_int_equal(decision_pack(trial.decider, &trial.decision, &writer, &packed),
                         STATUS_OK);
        uint32_t symbol = symbol_find(trial.scene.symbols, SYMBOL_PROPERTY, TEXT("experiments"));
        assert_int_equal(list_count(packed_find(buffer_text(&packed), symbol)), 1);
        buffer_clear(&packed);
        scene_sit(&trial.scene, person, DAY(2.5), "", "try", arm == 0 ? "other" : "control", "s1",
                  "");
        decide_for(person, DAY(20)); /* and nobody has clicked for long */
        assert_int_equal(arm_in(0), 1 - arm);
        moved++;
        scene_sit(&trial.scene, 5000 + person, DAY(2), "", "try", "other", "s0", "");
        scene_event(&trial.scene, 5000 + person, "Clicked", DAY(19.5), "");
        decide_for(5000 + person, DAY(20)); /* another salt was another experiment */
        assert_true(arm_in(0) != UINT32_MAX || arm_in(1) != UINT32_MAX);
    }
    assert_true(in_try > 8 && in_rival > 8 && moved == in_try);
    packed_writer_release(&writer);
    buffer_release(&packed);
}

static void test_nobody_unknown_takes_part(void **state) {
    (void)state;
    begin(ACTIONS "experiments:\n"
                  "  clickers: { goal: order, who: 'clicks > 5', arms: { a: {}, b: {} } }\n"
                  "  all: { goal: order, arms: { a: {}, b: {} } }\n");
    decide(DAY(2));
    assert_true(arm_in(0) == UINT32_MAX && arm_in(1) != UINT32_MAX); /* who says no */
    struct timeline unknown = {.customer = {ID_NONE}};
    struct experiment_symbols symbols;
    struct experiment_seats seats;
    assert_int_equal(experiment_symbols_add(trial.scene.symbols, &symbols), STATUS_OK);
    experiment_seats_at(trial.scene.playbook, &symbols, trial.profile, &unknown, DAY(2), &seats);
    assert_int_equal(seats.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_arms_are_drawn_by_their_shares, end),
        cmocka_unit_test_teardown(test_an_arm_takes_away_and_lifts, end),
        cmocka_unit_test_teardown(test_records_hold, end),
        cmocka_unit_test_teardown(test_nobody_unknown_takes_part, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
