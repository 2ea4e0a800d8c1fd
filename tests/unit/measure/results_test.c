/* SPDX-License-Identifier: Apache-2.0 */
/* What the holdout says: who counts, in which arm, where and when; and what is left out. */
#include "support/unit.h"
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "measure/results.h"
#include "profile/walk.h"
#include "support/scene.h"

static const char playbook[] =
    "zone: America/New_York\n"
    "customer: { identifiers: { email: {} } }\n"
    "holdout: { share: 20%, salt: s1 }\n"
    "sources:\n"
    "  offer: { file: offer.csv, lookup: offer_id, columns: [offer_id, starts, ends], header: no,\n"
    "           types: { starts: time, ends: time } }\n"
    "  till: { file: till.csv, event: \"Order Completed\", time: at, arrives: 2d, columns: [at, "
    "email], header: no, key: { email: email } }\n"
    "events: { Clicked: { button: text }, Order Completed: { revenue: money, code: text },\n"
    "          Order Cancelled: { order_id: text } }\n"
    "traits: { clicks: count(\"Clicked\") in 30d }\n"
    "goals:\n"
    "  order: { event: Order Completed, within: 10d, value: revenue, undone_by: Order Cancelled }\n"
    "  click: { event: Clicked, within: 3d }\n"
    "  redeem: { event: Order Completed, where: code == action.offer_id, until: action.ends }\n"
    "scenarios: { clickers: { when: clicks > 1, goals: [order] } }\n"
    "experiments:\n"
    "  rival: { goal: click, arms: { a: {}, b: {} } }\n"
    "  loud: { goal: order, salt: l1, arms: { quiet: { without: [letter] }, loud: { share: 60% }, "
    "silent: { share: 20% } } }\n"
    "actions:\n"
    "  letter: { goal: order, cost: 1.50 USD, channels: { mail: {}, email: { cost: 0.10 USD } } }\n"
    "  banner: { goal: click, channels: [web] }\n"
    "  coupon: { for_each: offer, goal: redeem, channels: [mail] }\n"
    "  receipt: { goal: order, service: yes, channels: [email] }\n";

static struct scene scene;

static int begin(void **state) {
    (void)state;
    scene_init(&scene, playbook);
    scene_lookup(&scene, "offer",
                 "o1|2017-01-01T00:00:00Z|2017-02-01T00:00:00Z\n"
                 "o2|2017-01-01T00:00:00Z|2017-06-01T00:00:00Z\n");
    return 0;
}

static int end(void **state) {
    (void)state;
    scene_release(&scene);
    return 0;
}

/* The share is in the name of the playbook: "p20" declared 20 %. */
static double share_of(void *context, const struct result_experiment *experiment,
                       struct text hash) {
    (void)context;
    (void)experiment;
    if (hash.length != 3 || hash.at[0] != 'p') return (double)NAN;
    return ((hash.at[1] - '0') * 10 + (hash.at[2] - '0')) / 100.0;
}

static struct results measure_since(int64_t since_ms, int64_t at_ms, uint32_t threads) {
    struct results results;
    struct results_options options = {
        .at_ms = at_ms, .since_ms = since_ms, .threads = threads, .share_of = share_of};
    struct error error = {0};
    if (results_measure(&scene.data, &options, &results, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return results;
}

static struct results measure(int64_t at_ms) {
    return measure_since(TIME_ALWAYS, at_ms, 1);
}

static const struct result_line *line_of(const struct results *results, enum result_kind kind,
                                         const char *action, const char *channel,
                                         const char *goal) {
    for (uint32_t i = 0; i < results->line_count; i++) {
        const struct result_series *series = &results->lines[i].series;
        bool fits = series->kind == kind;
        if (action != NULL)
            fits =
                fits && series->action == playbook_action_find(scene.playbook, text_from(action));
        if (channel != NULL)
            fits = fits && series->channel ==
                               symbol_find(scene.symbols, SYMBOL_CHANNEL, text_from(channel));
        if (goal != NULL)
            fits = fits && series->goal == playbook_goal_find(scene.playbook, text_from(goal));
        if (fits) return &results->lines[i];
    }
    return NULL;
}

#define assert_cell(cell, treated, treated_goals, held, held_goals)                                \
    do {                                                                                           \
        assert_int_equal((cell)->customers[LIFT_TREATED], treated);                                \
        assert_int_equal((cell)->goals[LIFT_TREATED], treated_goals);                              \
        assert_int_equal((cell)->customers[LIFT_HOLDOUT], held);                                   \
        assert_int_equal((cell)->goals[LIFT_HOLDOUT], held_goals);                                 \
    } while (0)

static void decide(uint32_t person, double day, bool held, const char *messages) {
    scene_decided(&scene, person, DAY(day), DAY(day),
                  held ? "holdout='in' salt='s1' playbook='p20'"
                       : "holdout='out' salt='s1' playbook='p20'",
                  messages);
}

static void order(uint32_t person, double day, const char *properties) {
    scene_event(&scene, person, "Order Completed", DAY(day), properties);
}

/* ---- who counts, and where ---- */

static void test_each_series_has_its_own_first_decision(void **state) {
    (void)state;
    decide(1, 1, false, "letter@mail banner@web");
    decide(1, 5, false, "letter@email");
    decide(2, 1, true, "letter@mail");
    decide(3, 1, false, "receipt@email"); /* service: nobody is held out of it */
    order(1, 6, "revenue=20USD");         /* follows both letters */
    order(2, 20, "revenue=20USD");        /* too late */
    scene_event(&scene, 1, "web:Clicked", DAY(2), "");
    struct results results = measure(DAY(40));
    assert_int_equal(results.customers[LIFT_TREATED], 1);
    assert_int_equal(results.customers[LIFT_HOLDOUT], 1);
    assert_int_equal(results.decisions, 4);
    assert_cell(&line_of(&results, RESULT_OVERALL, NULL, NULL, "order")->all, 1, 1, 1, 0);
    assert_cell(&line_of(&results, RESULT_OVERALL, NULL, NULL, "click")->all, 1, 1, 1, 0);
    assert_cell(&line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all, 1, 1, 1, 0);
    assert_cell(&line_of(&results, RESULT_ACTION_CHANNEL, "letter", "mail", NULL)->all, 1, 1, 1, 0);
    assert_cell(&line_of(&results, RESULT_ACTION_CHANNEL, "letter", "email", NULL)->all, 1, 1, 0,
                0);
    assert_cell(&line_of(&results, RESULT_ACTION, "banner", "web", NULL)->all, 1, 1, 0, 0);
    assert_cell(&line_of(&results, RESULT_CHANNEL, NULL, "web", "click")->all, 1, 1, 0, 0);
    assert_cell(&line_of(&results, RESULT_CHANNEL, NULL, "mail", "order")->all, 1, 1, 1, 0);
    assert_null(line_of(&results, RESULT_ACTION, "receipt", NULL, NULL));
    assert_null(line_of(&results, RESULT_ACTION, "coupon", NULL, NULL)); /* never offered */
    results_release(&results);
}

/* A yes is known sooner than a no: neither counts before horizon and delay have passed. */
static void test_a_young_yes_is_no_news(void **state) {
    (void)state;
    decide(1, 1, false, "letter@mail");
    order(1, 2, "revenue=20USD");
    decide(2, 1, true, "letter@mail");
    static const struct {
        double day;
        uint64_t counts;
    } looks[] = {{3, 0}, {11.5, 0}, {12.9, 0}, {13, 1}};
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        struct results results = measure(DAY(looks[i].day));
        const struct result_cell *all =
            &line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all;
        uint64_t counts = looks[i].counts;
        assert_cell(all, counts, counts, counts, 0);
        assert_int_equal(all->open[LIFT_TREATED], 1 - counts);
        assert_int_equal(all->open[LIFT_HOLDOUT], 1 - counts);
        assert_int_equal(all->ratio.n, 2);
        results_release(&results);
    }
}

/* The month is that of the playbook's zone; a customer counts once in each. */
static void test_months_are_of_the_playbooks_zone(void **state) {
    (void)state;
    decide(1, 31.1, false, "letter@mail"); /* 2017-02-01 02:24 UTC: January in New York */
    decide(1, 31.5, false, "letter@mail");
    decide(1, 40, false, "letter@mail");
    order(1, 42, "revenue=20USD");
    decide(2, 20, true, "letter@mail");
    struct results results = measure(DAY(80));
    const struct result_line *line = line_of(&results, RESULT_ACTION, "letter", NULL, NULL);
    assert_int_equal(results.month_count, 3);
    assert_cell(&line->all, 1, 0, 1, 0); /* within ten days of the first decision */
    assert_cell(&line->months[0], 1, 0, 1, 0);
    assert_cell(&line->months[1], 1, 0, 0, 0); /* day 31.5 is February's first */
    assert_int_equal(line->months[1].from_ms, DAY(31) + 5 * TIME_HOUR_MS);
    assert_int_equal(line->months[0].until_ms, line->months[1].from_ms);
    assert_cell(&line->months[2], 0, 0, 0, 0);
    results_release(&results);
    results = measure_since(DAY(39), DAY(80), 1);
    line = line_of(&results, RESULT_ACTION, "letter", NULL, NULL);
    assert_cell(&line->all, 1, 1, 0, 0);
    assert_int_equal(results.earlier, 3);
    results_release(&results);
}

/* ---- arms ---- */

static void test_the_first_record_is_the_arm(void **state) {
    (void)state;
    decide(1, 1, true, "letter@mail");
    decide(2, 2, false, "letter@mail"); /* becomes a part of 1 on day 5 */
    scene_link(&scene, 2, 1, DAY(5));
    decide(3, 3, false, "letter@mail");
    order(2, 4, "revenue=20USD");
    struct results results = measure(DAY(40));
    const struct result_line *line = line_of(&results, RESULT_ACTION, "letter", NULL, NULL);
    assert_cell(&line->all, 1, 0, 1, 1); /* the one who was held out first has ordered */
    assert_int_equal(line->all.crossed, 1);
    assert_int_equal(results.crossed, 1);
    assert_true(line->all.rate_kept.left_out == 1 && line->all.rate.left_out == 2);
    results_release(&results);
}

static void test_other_salts_and_unknown_shares_are_counted(void **state) {
    (void)state;
    scene_decided(&scene, 1, DAY(1), DAY(1), "holdout='in' salt='before' playbook='p20'",
                  "letter@mail");
    decide(1, 9, false, "letter@mail"); /* another experiment: this one counts */
    scene_decided(&scene, 2, DAY(1), DAY(1), "playbook='p20'", "letter@mail");
    scene_decided(&scene, 3, DAY(1), DAY(1), "holdout='out' salt='s1' playbook='gone'",
                  "letter@mail");
    decide(4, 1, false, "letter@mail vanished@mail");
    struct results results = measure(DAY(40));
    assert_cell(&line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all, 2, 0, 0, 0);
    assert_int_equal(results.under_other_salt, 1);
    assert_int_equal(results.without_arm, 1);
    assert_int_equal(results.share_unknown, 1);
    assert_int_equal(results.unknown_actions, 1);
    results_release(&results);
}

/* In the second half the rate is lower and the holdout larger. Pooled, the holdout would look worse
 * than it is; within one share nothing differs. */
static void test_a_share_that_changed_confounds_nothing(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 800; i++) {
        bool second = i >= 400, held = second ? i % 2 == 0 : i % 10 == 0;
        uint32_t person = 10 + i;
        scene_decided(&scene, person, DAY(second ? 50 : 1), DAY(second ? 50 : 1),
                      held ? (second ? "holdout='in' salt='s1' playbook='p50'"
                                     : "holdout='in' salt='s1' playbook='p10'")
                           : (second ? "holdout='out' salt='s1' playbook='p50'"
                                     : "holdout='out' salt='s1' playbook='p10'"),
                      "letter@mail");
        bool yes = second ? i / 2 % 10 == 0 : i / 10 % 2 == 0;
        if (yes) order(person, second ? 52 : 2, "revenue=20USD");
    }
    struct results results = measure(DAY(80));
    const struct result_cell *all = &line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all;
    assert_cell(all, 560, 200, 240, 40);
    assert_true(fabs(all->rate.difference) < 1e-9);
    assert_true(fabs(all->value.difference) < 1e-9);
    assert_int_equal(results.share_count, 2);
    assert_true(results.shares[0] == .1 && results.shares[1] == .5);
    assert_true(fabs(all->ratio.expected - 240) < 1e-9 && !sample_ratio_is_off(&all->ratio));
    results_release(&results);
}

/* ---- outcomes ---- */

static void test_returns_corrections_and_late_rows(void **state) {
    (void)state;
    scene_event(&scene, 9, "Clicked", DAY(0), "");
    for (uint32_t person = 1; person <= 4; person++) decide(person, 1, false, "letter@mail");
    order(1, 2, "revenue=20USD order_id='a'");
    scene_event(&scene, 1, "Order Cancelled", DAY(4), "order_id='a'");
    uint64_t second = scene.event_count;
    order(2, 2, "revenue=20USD");
    scene_correct(&scene, second, 2, "Clicked", DAY(2), DAY(20), ""); /* it was no order */
    scene_event_known(&scene, 3, "Order Completed", DAY(3), DAY(90), "revenue=5USD");
    order(4, 3, "revenue=7USD");
    struct results results = measure(DAY(40));
    assert_cell(&line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all, 4, 1, 0, 0);
    results_release(&results);
    results = measure(DAY(15)); /* before the correction was known */
    assert_cell(&line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all, 4, 2, 0, 0);
    results_release(&results);
    results = measure(DAY(100));
    assert_cell(&line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all, 4, 2, 0, 0);
    results_release(&results);
}

/* A goal of a treatment is asked of the one that was offered. */
static void test_a_goal_that_depends_on_the_offer(void **state) {
    (void)state;
    decide(1, 1, false, "coupon/o1@mail");
    decide(2, 1, true, "coupon/o2@mail");
    order(1, 10, "code='o1' revenue=3USD");
    order(2, 10, "code='o1' revenue=3USD");
    struct results results = measure(DAY(60)); /* o2 runs until June */
    const struct result_line *line = line_of(&results, RESULT_ACTION, "coupon", NULL, NULL);
    assert_cell(&line->all, 1, 1, 0, 0);
    assert_int_equal(line->all.open[LIFT_HOLDOUT], 1);
    results_release(&results);
    results = measure(DAY(200));
    assert_cell(&line_of(&results, RESULT_OVERALL, NULL, NULL, "redeem")->all, 1, 1, 1, 0);
    results_release(&results);
}

static void test_values_of_another_currency_are_told(void **state) {
    (void)state;
    for (uint32_t person = 1; person <= 6; person++)
        decide(person, 1, person % 2 == 0, person % 3 == 0 ? "letter@email" : "letter@mail");
    order(1, 2, "revenue=30USD");
    order(3, 2, "revenue=90EUR");
    order(5, 2, "revenue=10USD");
    order(5, 3, "revenue=4EUR");
    struct results results = measure(DAY(40));
    const struct result_cell *all = &line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all;
    assert_cell(all, 3, 3, 3, 0);
    assert_int_equal(all->values_left_out, 2);
    assert_true(fabs(all->value.mean[LIFT_TREATED] - 40.0 / 3) < 1e-9);
    assert_true(fabs(all->rate.cost - (1.5 + .1 + 1.5) / 3) < 1e-5); /* the holdout costs nothing */
    results_release(&results);
}

/* What is sent within the horizon is a part of the cost, and what comes after it is not. */
static void test_costs_are_those_within_the_horizon(void **state) {
    (void)state;
    for (uint32_t person = 1; person <= 4; person++) {
        bool held = person > 2;
        decide(person, 1, held, "letter@mail");
        decide(person, 9, held, "letter@email");
        decide(person, 12, held, "letter@mail");
    }
    order(1, 2, "revenue=30USD");
    struct results results = measure(DAY(40));
    const struct result_line *line = line_of(&results, RESULT_ACTION, "letter", NULL, NULL);
    assert_true(fabs(line->all.rate.cost - 1.6) < 1e-5);
    line = line_of(&results, RESULT_ACTION_CHANNEL, "letter", "mail", NULL);
    assert_true(fabs(line->all.rate.cost - 1.5) < 1e-5);
    struct figure figures[RESULT_FIGURES];
    result_figures(&results, scene.playbook, &line->all, figures);
    assert_true(fabs(figures[RESULT_COST_PER_GOAL].value - 1.5 / .5) < 1e-5);
    assert_true(fabs(figures[RESULT_GOALS].value - 1) < 1e-9);
    assert_string_equal(figures[RESULT_COST_PER_GOAL].name, "cost_per_additional_goal");
    results_release(&results);
}

static void test_scenarios_are_as_known_when_it_was_decided(void **state) {
    (void)state;
    scene_event(&scene, 1, "Clicked", DAY(1), "");
    scene_event(&scene, 1, "Clicked", DAY(2), "");
    scene_event_known(&scene, 2, "Clicked", DAY(1), DAY(9), ""); /* not known yet */
    scene_event(&scene, 2, "Clicked", DAY(2), "");
    scene_event(&scene, 3, "Clicked", DAY(1), "");
    scene_event(&scene, 4, "Clicked", DAY(2), "");
    scene_link(&scene, 4, 3, DAY(9)); /* nor that these are one */
    decide(1, 3, false, "letter@mail");
    decide(2, 3, false, "letter@mail");
    decide(3, 3, true, "letter@mail");
    struct results results = measure(DAY(40));
    assert_cell(&line_of(&results, RESULT_SCENARIO, NULL, NULL, "order")->all, 1, 0, 0, 0);
    assert_cell(&line_of(&results, RESULT_OVERALL, NULL, NULL, "order")->all, 2, 0, 1, 0);
    results_release(&results);
}

/* ---- experiments ---- */

/* Everybody counts who has a seat, also where nothing was offered; not the holdout, other arms, or
 * another salt. */
static void test_arms_of_an_experiment(void **state) {
    (void)state;
    static const struct {
        const char *arm, *salt;
        bool offered;
    } seats[] = {{"quiet", "l1", false},
                 {"loud", "l1", true},
                 {"silent", "l1", true},
                 {"quiet", "l0", true},
                 {"shouted", "l1", true}};
    for (uint32_t i = 0; i < 5; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            uint32_t person = 10 + 10 * i + k;
            scene_sit(&scene, person, DAY(1),
                      k == 3 ? "holdout='in' salt='s1' playbook='p25'"
                             : "holdout='out' salt='s1' playbook='p25'",
                      "loud", seats[i].arm, seats[i].salt, seats[i].offered ? "letter@mail" : "");
            if (k != 1) order(person, 3, "revenue=20USD");
        }
    }
    struct result_experiment asked = {playbook_experiment_find(scene.playbook, TEXT("loud")), 1};
    struct results results;
    struct results_options options = {.at_ms = DAY(40),
                                      .since_ms = TIME_ALWAYS,
                                      .threads = 2,
                                      .experiment = &asked,
                                      .share_of = share_of};
    assert_int_equal(results_measure(&scene.data, &options, &results, NULL), STATUS_OK);
    assert_int_equal(results.line_count, 1);
    const struct result_cell *all = &results.lines[0].all;
    assert_int_equal(results.lines[0].series.kind, RESULT_EXPERIMENT);
    assert_cell(all, 3, 2, 3, 2); /* loud beside quiet */
    assert_true(fabs(all->ratio.expected - 6 * .25) < 1e-9);
    assert_true(fabs(all->rate.cost - 1.5) < 1e-5); /* what the letters cost more */
    assert_int_equal(results.under_other_salt, 3);
    assert_int_equal(results.without_arm, 3); /* "shouted" is none of its arms */
    assert_int_equal(results.of_holdout, 5);
    assert_int_equal(results.of_other_arms, 3);
    assert_string_equal(results.salt, "l1");
    results_release(&results);
    asked.arm = 2;
    assert_int_equal(results_measure(&scene.data, &options, &results, NULL), STATUS_OK);
    assert_cell(&results.lines[0].all, 3, 2, 3, 2);
    results_release(&results);
    asked = (struct result_experiment){0, 1}; /* nobody has a seat in it */
    assert_int_equal(results_measure(&scene.data, &options, &results, NULL), STATUS_OK);
    assert_cell(&results.lines[0].all, 0, 0, 0, 0);
    assert_int_equal(results.lines[0].all.verdict, RESULT_TOO_EARLY);
    results_release(&results);
}

/* ---- figures ---- */

/* Who ordered before orders again, whatever we do; letters add a tenth. Whatever number of threads
 * there are, the results are the same to the bit. */
static void many_customers(uint32_t count) {
    struct random dice;
    random_init(&dice, 3);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t person = 10 + i;
        bool loyal = random_unit(&dice) < .5, held = random_unit(&dice) < .2,
             newcomer = random_unit(&dice) < .2;
        char revenue[32];
        snprintf(revenue, sizeof revenue, "revenue=%u.50USD",
                 i == 7 ? 90000u : 10 + (unsigned)random_below(&dice, 30));
        if (!newcomer) scene_event(&scene, person, "Clicked", DAY(1), "");
        if (!newcomer && loyal) order(person, 28, revenue);
        decide(person, 30, held, i % 2 == 0 ? "letter@mail" : "letter@email banner@web");
        double rate = (loyal && !newcomer ? .8 : .1) + (held ? 0 : .1);
        if (random_unit(&dice) < rate) order(person, 33, revenue);
    }
}

static void test_results_do_not_depend_on_threads(void **state) {
    (void)state;
    many_customers(3000);
    struct results one = measure_since(TIME_ALWAYS, DAY(60), 1);
    for (uint32_t threads = 2; threads <= 4; threads++) {
        struct results many = measure_since(TIME_ALWAYS, DAY(60), threads);
        assert_int_equal(many.line_count, one.line_count);
        for (uint32_t i = 0; i < one.line_count; i++) {
            assert_memory_equal(&many.lines[i].all.rate, &one.lines[i].all.rate,
                                sizeof one.lines[i].all.rate);
            assert_memory_equal(&many.lines[i].all.value, &one.lines[i].all.value,
                                sizeof one.lines[i].all.value);
        }
        results_release(&many);
    }
    results_release(&one);
}

static void test_history_narrows_and_a_reseller_is_cut(void **state) {
    (void)state;
    many_customers(3000);
    struct results results = measure(DAY(60));
    const struct result_cell *all = &line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all;
    assert_true(all->rate.variance < .75 * all->rate.plain_variance);
    assert_true(fabs(all->rate.difference - .1) < 3 * sqrt(all->rate.variance));
    assert_int_equal(all->verdict, RESULT_MORE);
    assert_true(all->joint && all->evidence > 3);
    assert_true(fabs(all->rate.difference) > all->always_rate);
    struct figure figures[RESULT_FIGURES];
    result_figures(&results, scene.playbook, all, figures);
    assert_true(figures[RESULT_LIFT].low > figures[RESULT_LIFT].value - all->always_rate);
    assert_true(all->values_cut > 0 && all->value_cut < 50);
    assert_true(fabs(all->value.difference - 2.4) < 3 * sqrt(all->value.variance));
    assert_true(results.joint_count > 0 && results.found_joint > 0);
    results_release(&results);
}

static void test_what_cannot_be_told_yet(void **state) {
    (void)state;
    many_customers(150);
    struct results results = measure(DAY(60));
    const struct result_cell *all = &line_of(&results, RESULT_ACTION, "banner", NULL, NULL)->all;
    assert_int_equal(all->verdict, RESULT_TOO_EARLY);
    assert_true(isnan(all->always_rate) && all->evidence == 0 && !all->joint);
    all = &line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all;
    assert_true(all->needed > 200 && all->needed < 20000);
    results_release(&results);
}

/* Half of the holdout's decisions are missing: whatever the rates say, it is not to be believed. */
static void test_a_bad_ratio_forbids_to_compare(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 2000; i++) {
        bool held = i % 10 == 0;
        decide(10 + i, 1, held, "letter@mail");
        if (i % (held ? 4 : 2) == 0) order(10 + i, 2, "revenue=20USD");
    }
    struct results results = measure(DAY(40));
    const struct result_cell *all = &line_of(&results, RESULT_ACTION, "letter", NULL, NULL)->all;
    assert_int_equal(all->verdict, RESULT_BAD_RATIO);
    assert_true(sample_ratio_is_off(&results.ratio) && !all->joint);
    results_release(&results);
}

static void test_memory_that_is_short_is_told(void **state) {
    (void)state;
    many_customers(60);
    struct results results;
    struct results_options options = {
        .at_ms = DAY(60), .since_ms = TIME_ALWAYS, .threads = 1, .share_of = share_of};
    enum status status = STATUS_NO_MEMORY;
    for (uint64_t nth = 1; nth < 400 && status != STATUS_OK; nth++) {
        struct error error = {0};
        memory_fail_at(nth);
        status = results_measure(&scene.data, &options, &results, &error);
        memory_fail_at(0);
        results_release(&results);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
    }
    assert_int_equal(status, STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_series_has_its_own_first_decision, begin, end),
        cmocka_unit_test_setup_teardown(test_a_young_yes_is_no_news, begin, end),
        cmocka_unit_test_setup_teardown(test_months_are_of_the_playbooks_zone, begin, end),
        cmocka_unit_test_setup_teardown(test_the_first_record_is_the_arm, begin, end),
        cmocka_unit_test_setup_teardown(test_other_salts_and_unknown_shares_are_counted, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_a_share_that_changed_confounds_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_returns_corrections_and_late_rows, begin, end),
        cmocka_unit_test_setup_teardown(test_a_goal_that_depends_on_the_offer, begin, end),
        cmocka_unit_test_setup_teardown(test_values_of_another_currency_are_told, begin, end),
        cmocka_unit_test_setup_teardown(test_costs_are_those_within_the_horizon, begin, end),
        cmocka_unit_test_setup_teardown(test_scenarios_are_as_known_when_it_was_decided, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_arms_of_an_experiment, begin, end),
        cmocka_unit_test_setup_teardown(test_results_do_not_depend_on_threads, begin, end),
        cmocka_unit_test_setup_teardown(test_history_narrows_and_a_reseller_is_cut, begin, end),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_told_yet, begin, end),
        cmocka_unit_test_setup_teardown(test_a_bad_ratio_forbids_to_compare, begin, end),
        cmocka_unit_test_setup_teardown(test_memory_that_is_short_is_told, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
