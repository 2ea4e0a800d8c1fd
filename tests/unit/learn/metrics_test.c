/* SPDX-License-Identifier: Apache-2.0 */
/* Figures against what they mean, spelt out pair by pair. */
#include "simulate.h"

#define COUNT 400

struct rows {
    double propensity[COUNT];
    double other[COUNT];
    bool yes[COUNT];
    uint32_t group[COUNT];
};

/* Few distinct propensities, so that there are many ties; the chance of yes is the propensity
 * itself. */
static void fill(struct rows *rows, uint64_t seed, uint32_t levels) {
    struct random random;
    random_init(&random, seed);
    for (int i = 0; i < COUNT; i++) {
        rows->propensity[i] = ((double)random_below(&random, levels) + .5) / levels;
        rows->other[i] = random_unit(&random);
        rows->yes[i] = random_unit(&random) < rows->propensity[i];
        rows->group[i] = (uint32_t)random_below(&random, 90) * 1000003u;
    }
}

static double naive_auc(const double *score, const bool *yes, int count) {
    double won = 0, pairs = 0;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            if (!yes[i] || yes[j]) continue;
            pairs++;
            won += score[i] > score[j] ? 1 : score[i] == score[j] ? .5 : 0;
        }
    }
    return won / pairs;
}

static double naive_loss(const struct rows *rows) {
    double loss = 0;
    for (int i = 0; i < COUNT; i++)
        loss -= log(rows->yes[i] ? rows->propensity[i] : 1 - rows->propensity[i]);
    return loss / COUNT;
}

/* The expected rate of the best tenth where ties at its edge are drawn at random. */
static double naive_gain(const struct rows *rows) {
    double taken = 0, taken_yes = 0, all_yes = 0, below = 2;
    for (int i = 0; i < COUNT; i++) all_yes += rows->yes[i];
    while (taken < COUNT / 10.0) {
        double level = -1, tied = 0, tied_yes = 0;
        for (int i = 0; i < COUNT; i++) {
            if (rows->propensity[i] < below && rows->propensity[i] > level)
                level = rows->propensity[i];
        }
        for (int i = 0; i < COUNT; i++) {
            tied += rows->propensity[i] == level;
            tied_yes += rows->propensity[i] == level && rows->yes[i];
        }
        double part = fmin(1, (COUNT / 10.0 - taken) / tied);
        taken += part * tied;
        taken_yes += part * tied_yes;
        below = level;
    }
    return taken_yes / taken / (all_yes / COUNT);
}

static void figures_are_what_they_mean(void **state) {
    (void)state;
    static struct rows rows;
    for (uint32_t levels = 2; levels < 1000; levels *= 3) {
        fill(&rows, levels, levels);
        struct model_metrics metrics;
        assert_int_equal(metrics_of(rows.propensity, rows.yes, rows.group, COUNT, 5, &metrics),
                         STATUS_OK);
        assert_near(metrics.auc.value, naive_auc(rows.propensity, rows.yes, COUNT), 1e-12);
        assert_near(metrics.log_loss.value, naive_loss(&rows), 1e-12);
        assert_near(metrics.top_tenth_gain.value, naive_gain(&rows), 1e-12);
        assert_int_equal(metrics.rows, COUNT);
        const struct interval *all[] = {&metrics.auc, &metrics.log_loss, &metrics.top_tenth_gain};
        for (int k = 0; k < 3; k++) {
            assert_true(all[k]->low < all[k]->value);
            assert_true(all[k]->value < all[k]->high);
        }
    }
}

static void calibration_error_of_known_bins(void **state) {
    (void)state;
    double propensity[200];
    bool yes[200];
    uint32_t group[200];
    for (int i = 0; i < 200; i++) {
        int bin = i / 20;
        propensity[i] = bin / 10.0 + .05;
        yes[i] = i % 20 < 2 * bin; /* rate bin / 10: each bin is .05 off */
        group[i] = (uint32_t)i;
    }
    struct model_metrics metrics;
    assert_int_equal(metrics_of(propensity, yes, group, 200, 1, &metrics), STATUS_OK);
    assert_near(metrics.calibration_error.value, .05, 1e-12);
    for (int i = 0; i < 200; i++) propensity[i] = .45;
    assert_int_equal(metrics_of(propensity, yes, group, 200, 1, &metrics), STATUS_OK);
    assert_near(metrics.calibration_error.value, 0, 1e-12); /* one tie, one bin */
    assert_near(metrics.auc.value, .5, 0);
    assert_near(metrics.top_tenth_gain.value, 1, 1e-12);
}

/* The rows of a group go together: with every row four times, the interval by group stays and one
 * by row would halve. */
static void intervals_are_by_group(void **state) {
    (void)state;
    static struct rows rows;
    static double propensity[4 * COUNT];
    static bool yes[4 * COUNT];
    static uint32_t group[4 * COUNT], own[4 * COUNT];
    fill(&rows, 3, 50);
    for (uint32_t i = 0; i < 4 * COUNT; i++) {
        propensity[i] = rows.propensity[i % COUNT];
        yes[i] = rows.yes[i % COUNT];
        group[i] = i % COUNT;
        own[i] = i;
    }
    struct model_metrics once, together, apart;
    assert_int_equal(metrics_of(rows.propensity, rows.yes, group, COUNT, 1, &once), STATUS_OK);
    assert_int_equal(metrics_of(propensity, yes, group, 4 * COUNT, 1, &together), STATUS_OK);
    assert_int_equal(metrics_of(propensity, yes, own, 4 * COUNT, 1, &apart), STATUS_OK);
    double wide = once.auc.high - once.auc.low;
    assert_int_equal(together.groups, COUNT);
    assert_near(together.auc.high - together.auc.low, wide, 1e-9);
    assert_near(apart.auc.high - apart.auc.low, wide / 2, wide / 8);
}

/* Hanley and McNeil's standard error for an AUC, where every row is a group. */
static void intervals_have_the_known_width(void **state) {
    (void)state;
    static struct rows rows;
    fill(&rows, 11, 100000);
    double yes = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        rows.group[i] = i;
        yes += rows.yes[i];
    }
    struct model_metrics metrics;
    assert_int_equal(metrics_of(rows.propensity, rows.yes, rows.group, COUNT, 1, &metrics),
                     STATUS_OK);
    double a = metrics.auc.value, q1 = a / (2 - a), q2 = 2 * a * a / (1 + a);
    double error =
        sqrt((a * (1 - a) + (yes - 1) * (q1 - a * a) + (COUNT - yes - 1) * (q2 - a * a)) /
             (yes * (COUNT - yes)));
    double width = metrics.auc.high - metrics.auc.low;
    assert_true(width > .75 * 3.92 * error && width < 1.25 * 3.92 * error);
}

static void same_seed_same_interval(void **state) {
    (void)state;
    static struct rows rows;
    fill(&rows, 4, 50);
    struct model_metrics first, second, other;
    assert_int_equal(metrics_of(rows.propensity, rows.yes, rows.group, COUNT, 1, &first),
                     STATUS_OK);
    assert_int_equal(metrics_of(rows.propensity, rows.yes, rows.group, COUNT, 1, &second),
                     STATUS_OK);
    assert_int_equal(metrics_of(rows.propensity, rows.yes, rows.group, COUNT, 2, &other),
                     STATUS_OK);
    assert_memory_equal(&first, &second, sizeof first);
    assert_true(first.auc.low != other.auc.low);
    assert_true(first.auc.value == other.auc.value);
}

static void a_difference_is_paired(void **state) {
    (void)state;
    static struct rows rows;
    fill(&rows, 6, 1000);
    struct interval difference;
    assert_int_equal(metrics_auc_difference(rows.propensity, rows.other, rows.yes, rows.group,
                                            COUNT, 1, &difference),
                     STATUS_OK);
    double expected =
        naive_auc(rows.propensity, rows.yes, COUNT) - naive_auc(rows.other, rows.yes, COUNT);
    assert_near(difference.value, expected, 1e-12);
    assert_true(difference.low > 0 && difference.low < difference.value &&
                difference.value < difference.high);
    for (int i = 0; i < COUNT; i++) rows.other[i] = 5 * rows.propensity[i] - 3; /* the same order */
    assert_int_equal(metrics_auc_difference(rows.propensity, rows.other, rows.yes, rows.group,
                                            COUNT, 1, &difference),
                     STATUS_OK);
    assert_true(difference.low == 0 && difference.value == 0 && difference.high == 0);
}

static void a_difference_of_losses_is_paired(void **state) {
    (void)state;
    static struct rows rows;
    static double worse[COUNT];
    fill(&rows, 6, 1000);
    double expected = 0;
    struct interval difference, back;
    for (int i = 0; i < COUNT; i++) {
        worse[i] = .5 * rows.propensity[i] + .25;
        double ours = rows.yes[i] ? rows.propensity[i] : 1 - rows.propensity[i],
               theirs = rows.yes[i] ? worse[i] : 1 - worse[i];
        expected += (log(theirs) - log(ours)) / COUNT;
    }
    assert_int_equal(metrics_log_loss_difference(rows.propensity, worse, rows.yes, rows.group,
                                                 COUNT, 1, &difference),
                     STATUS_OK);
    assert_near(difference.value, expected, 1e-9);
    assert_true(difference.low < difference.low50 && difference.low50 < difference.value);
    assert_true(difference.value < difference.high50 && difference.high50 < difference.high);
    assert_int_equal(
        metrics_log_loss_difference(worse, rows.propensity, rows.yes, rows.group, COUNT, 1, &back),
        STATUS_OK);
    assert_near(back.low, -difference.high, 1e-12);
    assert_int_equal(
        metrics_log_loss_difference(worse, worse, rows.yes, rows.group, COUNT, 1, &back),
        STATUS_OK);
    assert_true(back.low == 0 && back.value == 0 && back.high == 0);
    worse[3] = 1.5;
    assert_int_equal(
        metrics_log_loss_difference(worse, rows.propensity, rows.yes, rows.group, COUNT, 1, &back),
        STATUS_INVALID);
    assert_int_equal(metrics_log_loss_difference(worse, worse, rows.yes, rows.group, 0, 1, &back),
                     STATUS_INVALID);
}

static void what_has_no_meaning_is_not_a_number(void **state) {
    (void)state;
    double propensity[] = {.1, .2, .3};
    bool none[] = {false, false, false};
    uint32_t group[] = {1, 2, 3};
    struct model_metrics metrics;
    struct interval difference;
    assert_int_equal(metrics_of(propensity, none, group, 3, 1, &metrics), STATUS_OK);
    assert_true(isnan(metrics.auc.value) && isnan(metrics.auc.low) &&
                isnan(metrics.top_tenth_gain.value));
    assert_true(isfinite(metrics.log_loss.value));
    assert_int_equal(metrics_of(propensity, none, group, 0, 1, &metrics), STATUS_INVALID);
    assert_int_equal(metrics_auc_difference(propensity, propensity, none, group, 0, 1, &difference),
                     STATUS_INVALID);
    propensity[1] = NAN;
    assert_int_equal(metrics_of(propensity, none, group, 3, 1, &metrics), STATUS_INVALID);
    assert_int_equal(metrics_auc_difference(propensity, propensity, none, group, 3, 1, &difference),
                     STATUS_INVALID);
    propensity[1] = 1.01;
    assert_int_equal(metrics_of(propensity, none, group, 3, 1, &metrics), STATUS_INVALID);
}

static enum status measure_once(void) {
    static struct rows rows;
    struct model_metrics metrics;
    struct interval difference;
    fill(&rows, 1, 10);
    enum status status = metrics_of(rows.propensity, rows.yes, rows.group, COUNT, 1, &metrics);
    if (status != STATUS_OK) return status;
    return metrics_auc_difference(rows.propensity, rows.other, rows.yes, rows.group, COUNT, 1,
                                  &difference);
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    fail_every_allocation(measure_once, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_what_they_mean),
        cmocka_unit_test(calibration_error_of_known_bins),
        cmocka_unit_test(intervals_are_by_group),
        cmocka_unit_test(intervals_have_the_known_width),
        cmocka_unit_test(same_seed_same_interval),
        cmocka_unit_test(a_difference_is_paired),
        cmocka_unit_test(a_difference_of_losses_is_paired),
        cmocka_unit_test(what_has_no_meaning_is_not_a_number),
        cmocka_unit_test(no_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
