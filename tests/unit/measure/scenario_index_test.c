/* SPDX-License-Identifier: Apache-2.0 */
/* The index against a naive computation: rows counted customer by customer from plain arrays, and
 * the interval from how the index moves when one customer weighs a little more (the infinitesimal
 * jackknife), which knows nothing of the formula. SCENARIO_SEED chooses. */
#include "support/unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "measure/scenario_index.h"
#include "support/scene.h"

#define PEOPLE        300u
#define EVENTS        6000
#define LANDMARKS_MAX 60
#define NOW_MS        DAY(400)
#define WITHIN_MS     (20 * TIME_DAY_MS)
#define ARRIVES_MS    (3 * TIME_DAY_MS)
#define EVERY_MS      (30 * TIME_DAY_MS)
#define ACTIVE_MS     (45 * TIME_DAY_MS)

static const char playbook[] = "customer: { identifiers: { email: {}, cookie: {} } }\n"
                               "sources:\n"
                               "  orders: { file: o.csv, event: Order Completed, time: t, arrives: "
                               "3d, key: { email: email } }\n"
                               "events: { Clicked: { button: text } }\n"
                               "traits: { clicks_30d: count(\"Clicked\") in 30d }\n"
                               "goals: { order: { event: Order Completed, within: 20d } }\n"
                               "scenarios: { keen: { when: clicks_30d >= 2, goals: [order] } }\n"
                               "landmarks: { every: 30d, active_within: 45d }\n";

enum what { CLICK, ORDER };
struct happening {
    uint32_t persona;
    enum what what;
    int64_t time_ms, known_ms;
};

struct naive {
    struct happening events[EVENTS];
    uint32_t count;
    uint32_t owner[PEOPLE];   /* of a cookie: whose it is */
    int64_t owned_ms[PEOPLE]; /* since when that is known */
    int64_t landmarks[LANDMARKS_MAX];
    uint32_t landmark_count;
    /* By customer of today: rows and goals inside, rows and goals outside. */
    double cell[PEOPLE][LANDMARKS_MAX][4];
};

static uint32_t owner_at(const struct naive *naive, uint32_t persona, int64_t t_ms) {
    return naive->owned_ms[persona] <= t_ms ? naive->owner[persona] : persona;
}

/* ---- random data ---- */

static void add(struct naive *naive, struct scene *scene, struct happening happening) {
    scene_event_known(scene, happening.persona,
                      happening.what == CLICK ? "Clicked" : "Order Completed", happening.time_ms,
                      happening.known_ms, "");
    naive->events[naive->count++] = happening;
}

/* Clicks come in bouts, and after a bout orders are likelier; a third of the cookies turn out to be
 * somebody's. */
static void make_data(struct naive *naive, struct scene *scene, uint64_t seed) {
    struct random random;
    random_init(&random, seed);
    *naive = (struct naive){0};
    for (uint32_t p = 0; p < PEOPLE; p++) naive->owned_ms[p] = INT64_MAX, naive->owner[p] = p;
    while (naive->count + 4 < EVENTS) {
        uint32_t persona = (uint32_t)random_below(&random, PEOPLE);
        int64_t t_ms = DAY(0) + (int64_t)random_below(&random, (uint64_t)(NOW_MS - DAY(0)));
        int64_t late_ms = random_below(&random, 4) == 0
                              ? (int64_t)random_below(&random, (uint64_t)(60 * TIME_DAY_MS))
                              : 0;
        uint32_t clicks = (uint32_t)random_below(&random, 4);
        for (uint32_t i = 0; i < clicks; i++) {
            int64_t at_ms = t_ms + i * TIME_DAY_MS;
            add(naive, scene, (struct happening){persona, CLICK, at_ms, at_ms + late_ms});
        }
        if (random_below(&random, clicks >= 2 ? 2 : 5) > 0) continue;
        int64_t order_ms = t_ms + (int64_t)random_below(&random, (uint64_t)(40 * TIME_DAY_MS));
        add(naive, scene, (struct happening){persona, ORDER, order_ms, order_ms + late_ms});
    }
    for (uint32_t p = PEOPLE * 2 / 3; p < PEOPLE; p++) {
        naive->owner[p] = (uint32_t)random_below(&random, PEOPLE * 2 / 3);
        naive->owned_ms[p] = DAY(0) + (int64_t)random_below(&random, (uint64_t)(500 * TIME_DAY_MS));
        scene_link(scene, p, naive->owner[p], naive->owned_ms[p]);
    }
}

/* ---- the naive rows ---- */

static void naive_landmarks(struct naive *naive) {
    int64_t earliest_ms = INT64_MAX;
    for (uint32_t i = 0; i < naive->count; i++) {
        const struct happening *event = &naive->events[i];
        if (event->time_ms <= NOW_MS && event->known_ms <= NOW_MS && event->time_ms < earliest_ms)
            earliest_ms = event->time_ms;
    }
    naive->landmark_count = 0;
    for (int64_t t_ms = NOW_MS - WITHIN_MS - ARRIVES_MS; t_ms >= earliest_ms + ACTIVE_MS;
         t_ms -= EVERY_MS) {
        naive->landmarks[naive->landmark_count++] = t_ms;
    }
}

/* The goal as known now, of whom the customer of then is today. */
static bool ordered(const struct naive *naive, uint32_t today, int64_t t_ms) {
    for (uint32_t i = 0; i < naive->count; i++) {
        const struct happening *event = &naive->events[i];
        if (event->what != ORDER || event->known_ms > NOW_MS ||
            owner_at(naive, event->persona, NOW_MS) != today)
            continue;
        if (event->time_ms > t_ms && event->time_ms <= t_ms + WITHIN_MS) return true;
    }
    return false;
}

static void naive_rows(struct naive *naive) {
    for (uint32_t k = 0; k < naive->landmark_count; k++) {
        static uint32_t clicks[PEOPLE], activity[PEOPLE], today[PEOPLE];
        int64_t t_ms = naive->landmarks[k];
        memset(clicks, 0, sizeof clicks);
        memset(activity, 0, sizeof activity);
        for (uint32_t i = 0; i < naive->count; i++) {
            const struct happening *event = &naive->events[i];
            if (event->time_ms > t_ms || event->known_ms > t_ms) continue;
            uint32_t then = owner_at(naive, event->persona, t_ms);
            today[then] = owner_at(naive, event->persona, NOW_MS);
            activity[then] += event->time_ms > t_ms - ACTIVE_MS;
            clicks[then] += event->what == CLICK && event->time_ms > t_ms - 30 * TIME_DAY_MS;
        }
        for (uint32_t then = 0; then < PEOPLE; then++) {
            if (activity[then] == 0) continue;
            double *cell = naive->cell[today[then]][k] + (clicks[then] >= 2 ? 0 : 2);
            cell[0] += 1;
            cell[1] += ordered(naive, today[then], t_ms);
        }
    }
}

struct naive_index {
    double inside, outside, index;
};

/* With one customer weighing `weight` instead of 1. */
static struct naive_index naive_index(const struct naive *naive, uint32_t customer, double weight) {
    double count[LANDMARKS_MAX][4] = {0}, rows = 0;
    struct naive_index result = {0};
    for (uint32_t c = 0; c < PEOPLE; c++) {
        for (uint32_t k = 0; k < naive->landmark_count; k++) {
            for (int i = 0; i < 4; i++)
                count[k][i] += naive->cell[c][k][i] * (c == customer ? weight : 1);
        }
    }
    for (uint32_t k = 0; k < naive->landmark_count; k++) rows += count[k][2] > 0 ? count[k][0] : 0;
    for (uint32_t k = 0; k < naive->landmark_count; k++) {
        if (!(count[k][2] > 0)) continue;
        result.inside += count[k][1] / rows;
        result.outside += count[k][0] / rows * (count[k][3] / count[k][2]);
    }
    result.index = result.inside / result.outside;
    return result;
}

static double logit(double share) {
    return log(share / (1 - share));
}

/* Student's t by its integral: the density is added up until the middle holds `share`. Times the
 * root of G/(G-1). */
static double naive_t_of(uint32_t customers, double share) {
    double freedom = customers - 1.0, step = 1e-3, held = 0, density = 0, x = 0;
    double scale =
        exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(freedom * 3.14159265358979324);
    for (; held < share / 2; x += step) {
        density = scale * pow(1 + (x + step / 2) * (x + step / 2) / freedom, -(freedom + 1) / 2);
        held += step * density;
    }
    return (x - (held - share / 2) / density) * sqrt(customers / freedom);
}

static double naive_t(uint32_t customers) {
    return naive_t_of(customers, 0.95);
}

/* Standard errors: roots of the sums over customers of squared pushes; and G of each. */
struct naive_errors {
    double index, inside, outside; /* on the log and on the logit scale */
    uint32_t of_index, of_inside, of_outside;
};
static struct naive_errors naive_errors(const struct naive *naive) {
    double index = 0, rate = 0, others = 0, step = 1e-4;
    for (uint32_t c = 0; c < PEOPLE; c++) {
        struct naive_index more = naive_index(naive, c, 1 + step),
                           less = naive_index(naive, c, 1 - step);
        double push = (log(more.index) - log(less.index)) / (2 * step);
        double rate_push = (logit(more.inside) - logit(less.inside)) / (2 * step);
        index += push * push;
        rate += rate_push * rate_push;
        double others_push = (logit(more.outside) - logit(less.outside)) / (2 * step);
        others += others_push * others_push;
    }
    uint32_t inside = 0, outside = 0;
    for (uint32_t c = 0; c < PEOPLE; c++) {
        bool in = false, out = false;
        for (uint32_t k = 0; k < naive->landmark_count; k++)
            in |= naive->cell[c][k][0] > 0, out |= naive->cell[c][k][2] > 0;
        inside += in;
        outside += out;
    }
    return (struct naive_errors){sqrt(index),  sqrt(rate),
                                 sqrt(others), inside < outside ? inside : outside,
                                 inside,       outside};
}

/* ---- the tests ---- */

static struct scenario_result measure(struct scene *scene, uint32_t threads) {
    struct scenario_options options = {.now_ms = NOW_MS, .threads = threads};
    struct scenario_result *results;
    size_t count;
    struct error error = {0};
    assert_int_equal(scenario_measure(&scene->data, &options, &results, &count, &error), STATUS_OK);
    assert_int_equal(count, 1);
    struct scenario_result result = results[0];
    memory_free(results);
    return result;
}

#define assert_close(a, b, relative) assert_true(fabs((a) - (b)) <= (relative)*fabs(b))

static void check_bounds(const struct figure *figure, int level, double (*scale)(double),
                         double middle, double half) {
    double low = level == 0 ? figure->low : figure->low50,
           high = level == 0 ? figure->high : figure->high50;
    assert_true(fabs(scale(low) - (middle - half)) < 2e-4);
    assert_true(fabs(scale(high) - (middle + half)) < 2e-4);
}

static void check_against(const struct naive *naive, const struct scenario_result *result) {
    double rows[4] = {0};
    uint64_t inside = 0, outside = 0;
    for (uint32_t c = 0; c < PEOPLE; c++) {
        double own[4] = {0};
        for (uint32_t k = 0; k < naive->landmark_count; k++) {
            for (int i = 0; i < 4; i++) own[i] += naive->cell[c][k][i];
        }
        for (int i = 0; i < 4; i++) rows[i] += own[i];
        inside += own[0] > 0;
        outside += own[2] > 0;
    }
    assert_int_equal(result->landmark_count, naive->landmark_count);
    assert_int_equal(result->last_landmark_ms, naive->landmarks[0]);
    assert_int_equal(result->first_landmark_ms, naive->landmarks[naive->landmark_count - 1]);
    assert_int_equal(result->rows_inside, (uint64_t)rows[0]);
    assert_int_equal(result->yes_inside, (uint64_t)rows[1]);
    assert_int_equal(result->rows_outside, (uint64_t)rows[2]);
    assert_int_equal(result->yes_outside, (uint64_t)rows[3]);
    assert_int_equal(result->customers_inside, inside);
    assert_int_equal(result->customers_outside, outside);
    struct naive_index naive_result = naive_index(naive, 0, 1);
    assert_close(result->rate_inside.value, naive_result.inside, 1e-9);
    assert_close(result->rate_outside.value, naive_result.outside, 1e-9);
    assert_close(result->index.value, naive_result.index, 1e-9);
    struct naive_errors errors = naive_errors(naive);
    for (int level = 0; level < 2; level++) {
        double share = level == 0 ? 0.95 : 0.5;
        check_bounds(&result->index, level, log, log(naive_result.index),
                     naive_t_of(errors.of_index, share) * errors.index);
        check_bounds(&result->rate_inside, level, logit, logit(naive_result.inside),
                     naive_t_of(errors.of_inside, share) * errors.inside);
        check_bounds(&result->rate_outside, level, logit, logit(naive_result.outside),
                     naive_t_of(errors.of_outside, share) * errors.outside);
    }
    assert_int_equal(result->index.n, result->rows_inside + result->rows_outside);
    assert_int_equal(result->index.as_of_ms, NOW_MS);
}

static void test_figures_equal_the_naive_ones(void **state) {
    (void)state;
    static struct scene scene;
    static struct naive naive;
    const char *given = getenv("SCENARIO_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    for (uint64_t round = 0; round < 3; round++) {
        print_message("SCENARIO_SEED=%llu\n", (unsigned long long)(seed + round));
        scene_init(&scene, playbook);
        make_data(&naive, &scene, seed + round);
        naive_landmarks(&naive);
        naive_rows(&naive);
        struct scenario_result one = measure(&scene, 1), four = measure(&scene, 4);
        check_against(&naive, &one);
        /* Figures; behind them stands padding. */
        assert_memory_equal(&one, &four, offsetof(struct scenario_result, landmark_count));
        assert_int_equal(one.landmark_count, four.landmark_count);
        assert_int_equal(one.first_landmark_ms, four.first_landmark_ms);
        assert_int_equal(one.last_landmark_ms, four.last_landmark_ms);
        scene_release(&scene);
    }
}

static int set_up(void **state) {
    static struct scene scene;
    scene_init(&scene, playbook);
    *state = &scene;
    return 0;
}

static int tear_down(void **state) {
    scene_release(*state);
    return 0;
}

/* `active` customers, the first `keen` of them in the scenario; of each kind every `one_in`-th
 * reaches the goal. At one landmark. */
static void add_people(struct scene *scene, uint32_t first, uint32_t active, uint32_t keen,
                       uint32_t one_in, int64_t t_ms) {
    for (uint32_t i = 0; i < active; i++) {
        scene_event(scene, first + i, "Clicked", t_ms - TIME_DAY_MS, "");
        if (i < keen) scene_event(scene, first + i, "Clicked", t_ms - TIME_HOUR_MS, "");
        uint32_t among = i < keen ? i : i - keen;
        if (among % one_in == 0)
            scene_event(scene, first + i, "Order Completed", t_ms + TIME_DAY_MS, "");
    }
}

static void test_each_landmark_weighs_what_it_weighs_inside(void **state) {
    struct scene *scene = *state;
    int64_t last_ms = NOW_MS - WITHIN_MS - ARRIVES_MS, first_ms = last_ms - 8 * EVERY_MS;
    scene_event(scene, 0, "Clicked", first_ms - ACTIVE_MS, "");
    /* Where most are keen everybody orders more: the plain ratio of rates would call the season a
     * scenario. */
    add_people(scene, 1000, 120, 100, 2, first_ms);
    add_people(scene, 2000, 1010, 10, 10, last_ms);
    struct scenario_result result = measure(scene, 2);
    assert_int_equal(result.rows_inside, 110);
    assert_close(result.rate_inside.value, 51.0 / 110, 1e-9);
    assert_close(result.rate_outside.value, (100 * 0.5 + 10 * 0.1) / 110, 1e-9);
    assert_close(result.index.value, 1.0, 1e-9);
    assert_true(result.index.low < 1 && result.index.high > 1);
}

static void test_fewer_than_five_goals_are_unknown(void **state) {
    struct scene *scene = *state;
    int64_t last_ms = NOW_MS - WITHIN_MS - ARRIVES_MS;
    scene_event(scene, 0, "Clicked", last_ms - ACTIVE_MS - TIME_DAY_MS, "");
    add_people(scene, 1000, 140, 40, 10, last_ms); /* 4 goals inside, 10 outside */
    struct scenario_result result = measure(scene, 1);
    assert_int_equal(result.yes_inside, 4);
    assert_int_equal(result.yes_outside, 10);
    assert_true(isnan(result.index.value) && isnan(result.index.low) && isnan(result.index.high));
    assert_close(result.rate_inside.value, 0.1, 1e-9);
    add_people(scene, 3000, 1, 1, 1, last_ms);
    assert_close(measure(scene, 1).index.value, 5 / 41.0 / 0.1, 1e-9);
}

/* Goals at dates at which there is nobody to compare with tell nothing: they don't make up for
 * those that are too few. */
static void test_only_goals_that_are_compared_are_enough(void **state) {
    struct scene *scene = *state;
    int64_t last_ms = NOW_MS - WITHIN_MS - ARRIVES_MS, first_ms = last_ms - 8 * EVERY_MS;
    scene_event(scene, 0, "Clicked", first_ms - ACTIVE_MS, "");
    add_people(scene, 1000, 200, 0, 2, first_ms); /* nobody inside */
    add_people(scene, 2000, 90, 50, 10, last_ms);
    struct scenario_result result = measure(scene, 1);
    assert_int_equal(result.yes_inside, 5);
    assert_int_equal(result.yes_outside, 104);
    assert_true(isnan(result.index.value));
    add_people(scene, 5000, 1, 0, 1, last_ms);
    assert_close(measure(scene, 1).index.value, 5 / 50.0 / (5 / 41.0), 1e-9);
}

static void test_goals_without_others_are_not_enough(void **state) {
    struct scene *scene = *state;
    int64_t last_ms = NOW_MS - WITHIN_MS - ARRIVES_MS, first_ms = last_ms - 8 * EVERY_MS;
    scene_event(scene, 0, "Clicked", first_ms - ACTIVE_MS, "");
    add_people(scene, 1000, 10, 10, 1, first_ms); /* nobody outside */
    add_people(scene, 2000, 140, 40, 10, last_ms);
    struct scenario_result result = measure(scene, 1);
    assert_int_equal(result.yes_inside, 14);
    assert_true(isnan(result.index.value));
    assert_close(result.rate_inside.value, 0.1, 1e-9);
}

/* Customers with a row each: the interval is Katz's for two rates, as wide as so few of them
 * deserve. */
static void test_few_customers_make_a_wide_interval(void **state) {
    struct scene *scene = *state;
    static const uint32_t keen[] = {10, 12, 20, 60};
    int64_t last_ms = NOW_MS - WITHIN_MS - ARRIVES_MS;
    scene_event(scene, 0, "Clicked", last_ms - ACTIVE_MS - TIME_DAY_MS, "");
    for (uint32_t i = 0, all = 0, inside = 0; i < 4; i++) {
        add_people(scene, 1000 * (i + 1), 200 + keen[i], keen[i], 2, last_ms);
        inside += keen[i];
        all += 200 + keen[i];
        struct scenario_result result = measure(scene, 1);
        double variance = 0.5 / (inside / 2.0) + 0.5 / ((all - inside) / 2.0);
        assert_int_equal(result.customers_inside, inside);
        assert_close(result.index.value, 1.0, 1e-9);
        assert_close(log(result.index.high), naive_t(inside) * sqrt(variance), 1e-4);
        assert_close(log(result.index.low), -naive_t(inside) * sqrt(variance), 1e-4);
    }
}

/* One customer who came back for every landmark tells of nobody else. */
static void test_one_customer_is_no_group(void **state) {
    struct scene *scene = *state;
    int64_t last_ms = NOW_MS - WITHIN_MS - ARRIVES_MS, first_ms = last_ms - 8 * EVERY_MS;
    scene_event(scene, 0, "Clicked", first_ms - ACTIVE_MS, "");
    for (int64_t t_ms = first_ms; t_ms <= last_ms; t_ms += EVERY_MS) {
        add_people(scene, 1000, 1, 1, 1, t_ms);
        add_people(scene, 2000, 100, 0, 2, t_ms);
    }
    struct scenario_result result = measure(scene, 1);
    assert_true(result.yes_inside >= 5);
    assert_int_equal(result.customers_inside, 1);
    assert_true(isnan(result.index.value) && isnan(result.index.low) &&
                isnan(result.rate_inside.low));
}

/* Who orders is told afterwards, dated before: seen from now these clicks tell the future exactly,
 * and nobody knew them then. */
static void test_what_was_learnt_later_puts_nobody_inside(void **state) {
    struct scene *scene = *state;
    int64_t last_ms = NOW_MS - WITHIN_MS - ARRIVES_MS;
    scene_event(scene, 0, "Clicked", last_ms - ACTIVE_MS - TIME_DAY_MS, "");
    add_people(scene, 1000, 100, 0, 5, last_ms);
    for (uint32_t i = 0; i < 100; i += 5) {
        for (int n = 1; n <= 3; n++) {
            scene_event_known(scene, 1000 + i, "Clicked", last_ms - n * TIME_HOUR_MS, last_ms + 1,
                              "");
        }
    }
    struct scenario_result result = measure(scene, 1);
    assert_int_equal(result.rows_inside, 0);
    assert_int_equal(result.yes_outside, 20);
    assert_true(isnan(result.index.value));
}

static void test_data_too_short_is_said_so(void **state) {
    struct scene *scene = *state;
    struct scenario_options options = {.now_ms = NOW_MS};
    struct scenario_result *results;
    size_t count;
    struct error error = {0};
    scene_event(scene, 1, "Clicked", NOW_MS - ACTIVE_MS, "");
    assert_int_equal(scenario_measure(&scene->data, &options, &results, &count, &error),
                     STATUS_INVALID);
    assert_non_null(strstr(error.text, "too short"));
    assert_non_null(strstr(error.text, "landmarks"));
}

static void test_without_any_event(void **state) {
    struct scene *scene = *state;
    struct scenario_options options = {.now_ms = NOW_MS};
    struct scenario_result *results;
    size_t count;
    struct error error = {0};
    assert_int_equal(scenario_measure(&scene->data, &options, &results, &count, &error),
                     STATUS_INVALID);
    assert_non_null(strstr(error.text, "too short"));
}

/* Two currencies can't be added up: whether such a customer is inside nobody knows. */
static void test_rows_that_a_limit_made_unknown_are_on_neither_side(void **state) {
    (void)state;
    static struct scene scene;
    scene_init(&scene, "customer: { identifiers: { email: {} } }\n"
                       "events: { Order Completed: { revenue: money } }\n"
                       "traits: { spent: sum(\"Order Completed\".revenue) in 30d }\n"
                       "goals: { order: { event: Order Completed, within: 20d } }\n"
                       "scenarios: { rich: { when: spent > 5 USD, goals: [order] } }\n"
                       "landmarks: { every: 30d, active_within: 45d }\n");
    for (uint32_t person = 0; person < 10; person++) {
        for (int day = 1; day < 400; day += 10) {
            bool foreign = person < 3 && day % 20 == 1;
            scene_event(&scene, person, "Order Completed", DAY(day),
                        foreign ? "revenue=9EUR" : "revenue=9USD");
        }
    }
    struct scenario_result result = measure(&scene, 2);
    assert_true(result.rows_limited > 0);
    assert_int_equal(result.rows_limited, 3 * result.landmark_count);
    assert_int_equal(result.rows_inside, 7 * result.landmark_count);
    assert_int_equal(result.rows_outside, 0);
    scene_release(&scene);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures_equal_the_naive_ones),
        CASE(test_each_landmark_weighs_what_it_weighs_inside),
        CASE(test_only_goals_that_are_compared_are_enough),
        CASE(test_goals_without_others_are_not_enough),
        CASE(test_fewer_than_five_goals_are_unknown),
        CASE(test_few_customers_make_a_wide_interval),
        CASE(test_one_customer_is_no_group),
        CASE(test_what_was_learnt_later_puts_nobody_inside),
        CASE(test_data_too_short_is_said_so),
        CASE(test_without_any_event),
        cmocka_unit_test(test_rows_that_a_limit_made_unknown_are_on_neither_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
