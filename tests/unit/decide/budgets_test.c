/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets as one decision sees them: what a timeline has used, what prices do to priorities, and
 * when a period begins. */
#include "trial.h"

#include "decide/allocate.h"
#include "decide/budgets.h"

#define SHOP                                                                                       \
    "channels: { email: { receipts: yes, expires: 3d } }\n"                                        \
    "actions:\n"                                                                                   \
    "  letter: { goal: order, starting_propensity: 50%, cost: 2 USD, channels: { email: {}, "      \
    "phone: { cost: 3 USD } } }\n"                                                                 \
    "  banner: { goal: order, starting_propensity: 10%, cost: 0.5 USD, channels: [web] }\n"        \
    "budgets:\n"                                                                                   \
    "  money: { cost: 100 USD, per: month }\n"                                                     \
    "  sent: { contacts: 10 }\n"                                                                   \
    "  shown: { contacts: 10, channels: [web] }\n"                                                 \
    "  talk: { hours: 8, per: day, each: 30m, channels: [phone] }\n"                               \
    "  pieces: { stock: 5, actions: [letter] }\n"                                                  \
    "  least: { at_least: 3, per: week, actions: [banner] }\n"
enum { MONEY, SENT, SHOWN, TALK, PIECES, LEAST, BUDGETS };

static void count(int64_t t_ms, bool same_moment, double used[BUDGETS_MAX]) {
    memset(used, 0, BUDGETS_MAX * sizeof *used);
    decide(t_ms);
    assert_int_equal(decider_count_budgets(trial.decider, &trial.timeline, t_ms, same_moment, used),
                     STATUS_OK);
}

static void test_what_a_timeline_has_used(void **state) {
    (void)state;
    double used[BUDGETS_MAX];
    begin(SHOP);
    scene_event(&trial.scene, ANN, "email:Treatment Delivered", DAY(1), "treatment='letter'");
    scene_event(&trial.scene, ANN, "phone:Treatment Delivered", DAY(1.1), "treatment='letter'");
    scene_event(&trial.scene, ANN, "web:Treatment Shown", DAY(1.2), "treatment='banner'");
    scene_event(&trial.scene, ANN, "email:Treatment Delivered", DAY(1.3), "treatment='withdrawn'");
    count(DAY(1.5), false, used);
    assert_near(used[MONEY], 2 + 3 + .5);
    assert_near(used[SENT], 3);
    assert_near(used[SHOWN], 1);
    assert_near(used[TALK], .5);
    assert_near(used[PIECES], 2);
    assert_near(used[LEAST], 1);
    count(DAY(2.5), false, used); /* another day */
    assert_near(used[TALK], 0);
    assert_near(used[MONEY], 5.5);
    scene_event(&trial.scene, ANN, "phone:Treatment Failed", DAY(3), "treatment='letter'");
    count(DAY(32), false, used); /* another month, and in all */
    assert_near(used[MONEY], 0);
    assert_near(used[SENT], 3);
}

static void test_prices_and_what_is_left(void **state) {
    (void)state;
    struct budget_prices prices;
    begin(SHOP);
    budget_prices_clear(&prices);
    decide(DAY(1));
    double plain = trace_of("letter", "email")->priority;
    assert_near(plain, .5 * 20 - 2);
    prices.price[MONEY] = 1;
    prices.price[PIECES] = 2;
    prices.price[LEAST] = -4;
    decider_use_prices(trial.decider, &prices);
    decide(DAY(1));
    double scale = budget_scale((struct customer_id){ANN});
    assert_true(scale >= .999 && scale <= 1.001);
    assert_near(trace_of("letter", "email")->priority, plain - scale * (2 + 2));
    assert_near(trace_of("letter", "email")->budget_price, scale * (2 + 2));
    assert_near(trace_of("banner", "web")->priority, .1 * 20 - .5 - scale * (.5 - 4));
    assert_ranked(0, "banner");
    assert_non_null(strstr(reason_of(), "a minimum gives it"));
    prices.left[MONEY] = 2.5; /* enough for the e-mail, not for the call */
    decider_use_prices(trial.decider, &prices);
    decide(DAY(1));
    assert_stage("letter", "phone", "arbitration");
    assert_true(text_equal(trace_of("letter", "phone")->budget->name, TEXT("money")));
    assert_true(trace_of("letter", "email")->budget == NULL);
    assert_non_null(strstr(why_not("letter"), "the budget money (at most 100 USD a month) has no "
                                              "more than 2.5 left"));
    prices.left[MONEY] = prices.left[LEAST] = 0; /* a minimum that is met stops nobody */
    decider_use_prices(trial.decider, &prices);
    decide(DAY(1));
    assert_int_equal(trial.decision.ranked_count, 0);
    assert_non_null(strstr(reason_of(), "the budget money"));
}

/* What is recorded gives the same prices back. */
static void test_prices_are_recorded(void **state) {
    (void)state;
    struct budget_prices prices, read;
    struct packed_writer writer;
    struct buffer packed;
    begin(SHOP);
    budget_prices_clear(&prices);
    prices.price[MONEY] = 0x1.23456789abcdp-3;
    prices.price[LEAST] = -1. / 3;
    prices.left[PIECES] = 4;
    prices.left[MONEY] = 99.99;
    decider_use_prices(trial.decider, &prices);
    decide(DAY(1));
    packed_writer_init(&writer);
    buffer_init(&packed);
    assert_int_equal(decision_pack(trial.decider, &trial.decision, &writer, &packed), STATUS_OK);
    budget_prices_read(&trial.scene.data, buffer_text(&packed), &read);
    assert_memory_equal(&read, &prices, sizeof read);
    packed_writer_release(&writer);
    buffer_release(&packed);
}

/* What the customer could be offered, thrice, allocated. */
static enum status allocate_once(void) {
    struct budget_offers *offers = NULL;
    struct allocation found = {0};
    const double used[BUDGETS_MAX] = {[SENT] = 9};
    enum status status = budget_offers_create(&offers, trial.decider);
    for (int i = 0; i < 3 && status == STATUS_OK; i++)
        status = budget_offers_add(offers, &trial.decision, NULL);
    if (status == STATUS_OK) status = budget_offers_allocate(offers, used, NULL, &found, NULL);
    if (status == STATUS_OK) {
        /* The least takes all three, though a letter is worth more. */
        assert_near(found.spent[LEAST], 3);
        assert_near(found.spent[SENT], 0);
        assert_true(found.short_by[LEAST] == 0 && found.price[LEAST] < -6);
        assert_near(found.value, 3 * 1.5);
        assert_true(found.value <= found.bound + 1e-9);
    }
    allocation_release(&found);
    budget_offers_destroy(offers);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    begin(SHOP);
    decider_gather(trial.decider);
    decide(DAY(1));
    fail_every_allocation(allocate_once, 8);
}

static int64_t at(const char *text, const struct time_zone *zone) {
    int64_t ms;
    assert_int_equal(time_parse(text_from(text), zone, &ms), STATUS_OK);
    return ms;
}

/* Naively: hour by hour back to where the date, the Monday or the month changes. */
static void test_periods_in_zones_with_clocks_that_change(void **state) {
    (void)state;
    static const char *const zones[] = {"America/New_York", "Pacific/Auckland"};
    for (size_t z = 0; z < 2; z++) {
        char text[2048];
        snprintf(text, sizeof text, "zone: %s\n%s%s", zones[z], SHOP,
                 "  weekly: { stock: 1, per: week }\n  daily: { stock: 1, per: day }\n");
        begin(text);
        const struct playbook *playbook = trial.scene.playbook;
        const struct budget_rule *month = &playbook->budgets[MONEY],
                                 *week = &playbook->budgets[BUDGETS],
                                 *day = &playbook->budgets[BUDGETS + 1];
        for (int64_t t_ms = at("2024-02-20", playbook->zone);
             t_ms < at("2024-05-02", playbook->zone); t_ms += 5 * TIME_HOUR_MS + 1234567) {
            struct budget_span spans[] = {budget_span_at(playbook, day, t_ms),
                                          budget_span_at(playbook, week, t_ms),
                                          budget_span_at(playbook, month, t_ms)};
            for (size_t i = 0; i < 3; i++) {
                struct civil first;
                assert_true(spans[i].from_ms <= t_ms && t_ms < spans[i].until_ms);
                time_to_civil(spans[i].from_ms +
                                  time_zone_offset_s(playbook->zone, spans[i].from_ms) *
                                      TIME_SECOND_MS,
                              &first);
                assert_true(first.hour == 0 && first.minute == 0 && first.millisecond == 0);
                if (i == 2) assert_int_equal(first.day, 1);
            }
            int64_t days = (spans[1].until_ms - spans[1].from_ms + TIME_DAY_MS / 2) / TIME_DAY_MS;
            assert_int_equal(days, 7);
            assert_int_equal((spans[1].from_ms + 14 * TIME_HOUR_MS) / TIME_DAY_MS % 7, 4);
        }
        end(state);
    }
    begin(SHOP);
    struct budget_span all =
        budget_span_at(trial.scene.playbook, &trial.scene.playbook->budgets[SENT], DAY(1));
    assert_true(all.from_ms == TIME_ALWAYS && all.until_ms == TIME_NEVER);
}

/* Dearer where it is used too early, cheaper where too late, and never of the other sign. */
static void test_prices_are_paced_over_a_period(void **state) {
    (void)state;
    begin(SHOP);
    const struct playbook *playbook = trial.scene.playbook;
    const struct budget_rule *money = &playbook->budgets[MONEY], *least = &playbook->budgets[LEAST];
    struct budget_start start = {.at_ms = DAY(10), .price = 4, .used = 40, .worth = 10};
    /* From day 10 on 60 of 100 are left for the other 21 days of January. */
    assert_near(budget_paced_price(playbook, money, &start, 40, DAY(10)), 4);
    assert_near(budget_paced_price(playbook, money, &start, 70, DAY(20.5)), 4);
    assert_near(budget_paced_price(playbook, money, &start, 100, DAY(20.5)), 8);
    assert_near(budget_paced_price(playbook, money, &start, 55, DAY(20.5)), 2);
    assert_near(budget_paced_price(playbook, money, &start, 40, DAY(30)), 0);
    /* In February nothing is used yet. */
    assert_near(budget_paced_price(playbook, money, &start, 50, DAY(31 + 14)), 4);
    start.price = 0;
    assert_true(budget_paced_price(playbook, money, &start, 90, DAY(20.5)) > 0);
    assert_near(budget_paced_price(playbook, money, &start, 50, DAY(20.5)), 0);
    start = (struct budget_start){.at_ms = DAY(1), .price = -2};
    assert_true(budget_paced_price(playbook, least, &start, 0, DAY(6)) < -2);
    assert_near(budget_paced_price(playbook, least, &start, 3, DAY(2)), 0);
    start.price = 3; /* in all: there is no pace */
    assert_near(budget_paced_price(playbook, &playbook->budgets[SENT], &start, 9, DAY(6)), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_what_a_timeline_has_used, end),
        cmocka_unit_test_teardown(test_prices_and_what_is_left, end),
        cmocka_unit_test_teardown(test_prices_are_recorded, end),
        cmocka_unit_test_teardown(test_without_memory, end),
        cmocka_unit_test_teardown(test_prices_are_paced_over_a_period, end),
        cmocka_unit_test_teardown(test_periods_in_zones_with_clocks_that_change, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
