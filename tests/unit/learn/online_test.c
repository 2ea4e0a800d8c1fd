/* SPDX-License-Identifier: Apache-2.0 */
/* The online learner: it finds what is there, follows what changes, and stays within numbers. */
#include "simulate.h"

#include "learn/online.h"
#include "learn/online_internal.h"

static struct online *learner(double decay) {
    static const char *const cities[] = {"Rome", "Oslo", "Bern", "Lima"};
    struct online *online;
    assert_int_equal(online_create(&online, simulated_features, FEATURES, decay), STATUS_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(online_declare(online, 2, text_from(cities[i])), STATUS_OK);
    return online;
}

static double log_loss(double p, bool yes) {
    return -log(yes ? p : 1 - p);
}

static void it_finds_the_truth(void **state) {
    (void)state;
    struct online *online = learner(1);
    struct random random;
    struct simulated row;
    double loss = 0, least = 0;
    random_init(&random, 5);
    for (int i = 0; i < 40000; i++) {
        simulate(&random, &row);
        double p = online_predict(online, row.values);
        assert_true(online_learn(online, row.values, row.yes, 1) == p);
        if (i < 20000) continue;
        loss += log_loss(p, row.yes);
        least += log_loss(row.truth, row.yes);
    }
    assert_near(loss / 20000, least / 20000, .004);
    assert_int_equal(online_rows(online), 40000);
    online_destroy(online);
}

static void it_follows_what_changes(void **state) {
    (void)state;
    struct online *follows = learner(.999), *remembers = learner(1);
    struct random random;
    struct simulated row;
    double loss[2] = {0};
    random_init(&random, 6);
    for (int i = 0; i < 25000; i++) {
        simulate(&random, &row);
        if (i >= 20000) row.yes = !row.yes;
        double p = online_learn(follows, row.values, row.yes, 1),
               q = online_learn(remembers, row.values, row.yes, 1);
        if (i < 20000) continue;
        loss[0] += log_loss(p, row.yes);
        loss[1] += log_loss(q, row.yes);
    }
    assert_true(loss[0] < loss[1]);
    online_destroy(follows);
    online_destroy(remembers);
}

/* The formulas of online.h, one weight after the other and in doubles. */
struct naive {
    double w, V, G, L, R;
};
static void naive_bet(struct naive *coin, double c, double decay) {
    coin->R = fmax(0, coin->R + c * coin->w);
    coin->L = fmax(coin->L, fabs(c));
    coin->G = decay * coin->G + fabs(c);
    coin->V = decay * coin->V + c;
    coin->w = coin->L > 0 ? coin->V / (coin->L * fmax(coin->G + coin->L, 30 * coin->L)) *
                                (coin->L + coin->R)
                          : 0;
}

static void it_is_the_formula(void **state) {
    (void)state;
    enum { TEXTS = 40, CELLS = 5, ALL = 1 + TEXTS * CELLS };
    struct feature features[TEXTS];
    struct naive coins[ALL] = {0};
    struct online *online;
    struct random random;
    random_init(&random, 7);
    for (uint32_t f = 0; f < TEXTS; f++)
        features[f] = (struct feature){.name = TEXT("f"), .kind = FEATURE_TEXT};
    assert_int_equal(online_create(&online, features, TEXTS, .99), STATUS_OK);
    for (uint32_t f = 0; f < TEXTS; f++)
        for (uint32_t c = 0; c < CELLS; c++)
            assert_int_equal(online_declare(online, f, (struct text){&"abcde"[c], 1}), STATUS_OK);
    double scale = 3.5 / sqrt(1 + TEXTS);
    for (int i = 0; i < 3000; i++) {
        uint16_t cells[TEXTS];
        struct value values[TEXTS];
        double sum = coins[0].w;
        for (uint32_t f = 0; f < TEXTS; f++) {
            cells[f] = (uint16_t)random_below(&random, CELLS);
            values[f] = value_text((struct text){&"abcde"[cells[f]], 1});
            sum += coins[1 + f * CELLS + cells[f]].w;
        }
        bool yes = random_unit(&random) < (cells[0] == 0 ? .9 : .2);
        double expected = 1 / (1 + exp(-scale * sum));
        assert_near(online_predict(online, values), expected, 2e-4);
        double p = online_learn_cells(online, cells, 0, yes);
        assert_near(p, expected, 2e-4);
        naive_bet(&coins[0], scale * (yes - expected), .99);
        for (uint32_t f = 0; f < TEXTS; f++)
            naive_bet(&coins[1 + f * CELLS + cells[f]], scale * (yes - expected), .99);
    }
    online_destroy(online);
}

static void numbers_are_cut_at_their_quantiles(void **state) {
    (void)state;
    const struct feature feature = {.name = TEXT("n"), .kind = FEATURE_NUMBER};
    struct online *online;
    struct random random;
    random_init(&random, 8);
    assert_int_equal(online_create(&online, &feature, 1, 0), STATUS_OK);
    /* Most are 0, as counts are; the others lie between 1 and 2. */
    for (int i = 0; i < 20000; i++) {
        double number = random_unit(&random) < .5 ? 0 : 1 + random_unit(&random);
        struct value value = value_number(number);
        online_learn(online, &value, false, 1);
    }
    const struct online_number *number = online->features[0].number;
    assert_in_range(number->bin_count, 6, ONLINE_BINS_MAX);
    assert_true(number->edges[0] >= 0 && number->edges[0] < 1);
    for (uint32_t bin = 1; bin + 1 < number->bin_count; bin++) {
        double width = number->edges[bin] - number->edges[bin - 1];
        assert_true(width > 0);
        if (bin > 1) assert_true(width < .35);
    }
    assert_int_equal(online_number_bin(number, -5), 0);
    assert_int_equal(online_number_bin(number, 1e300), number->bin_count - 1);
    online_destroy(online);
}

static const double odd_numbers[] = {0,      -0.,  1,   -1,       1e308,     -1e308, 5e-324,
                                     1e-300, 1e15, NAN, INFINITY, -INFINITY, 7,      1e200};

static void no_row_leads_out_of_numbers(void **state) {
    (void)state;
    struct online *online = learner(0);
    struct random random;
    random_init(&random, 9);
    for (int i = 0; i < 30000; i++) {
        struct simulated row;
        simulate(&random, &row);
        for (uint32_t f = 0; f < FEATURES; f++) {
            if (random_below(&random, 3) == 0) row.values[f] = value_unknown();
            if (random_below(&random, 3) == 0)
                row.values[f] = value_number(odd_numbers[random_below(&random, 14)]);
            if (random_below(&random, 9) == 0) row.values[f] = value_text(TEXT("elsewhere"));
        }
        bool yes = i % 1000 < 500; /* long runs of one answer */
        double weight = i % 5 == 0 ? odd_numbers[random_below(&random, 14)] : 1;
        double p = online_learn(online, row.values, yes, weight);
        assert_true(p > 0 && p < 1);
        assert_true(online_predict(online, row.values) > 0);
    }
    for (uint32_t i = 0; i < online->coin_count; i++) assert_true(isfinite(online->w[i]));
    online_destroy(online);
}

static void the_same_rows_make_the_same_state(void **state) {
    (void)state;
    struct online *one = learner(0), *other = learner(0);
    struct random random;
    struct simulated row;
    random_init(&random, 10);
    for (int i = 0; i < 5000; i++) {
        simulate(&random, &row);
        online_learn(one, row.values, row.yes, 1);
        online_learn(other, row.values, row.yes, 1);
        online_learn(other, row.values, !row.yes, 0); /* weighs nothing */
    }
    assert_int_equal(one->coin_count, other->coin_count);
    assert_memory_equal(one->w, other->w, one->coin_count * sizeof *one->w);
    assert_memory_equal(one->coins, other->coins, one->coin_count * sizeof *one->coins);
    online_destroy(one);
    online_destroy(other);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    struct online *online;
    assert_int_equal(online_create(&online, simulated_features, FEATURES, 1.5), STATUS_INVALID);
    assert_int_equal(online_create(&online, simulated_features, FEATURES, NAN), STATUS_INVALID);
    online = learner(0);
    assert_int_equal(online_declare(online, 0, TEXT("a number has no texts")), STATUS_INVALID);
    assert_int_equal(online_declare(online, FEATURES, TEXT("x")), STATUS_INVALID);
    assert_int_equal(online_declare(online, 2, TEXT("Rome")), STATUS_OK);
    struct simulated row;
    struct random random;
    random_init(&random, 11);
    simulate(&random, &row);
    assert_true(online_predict(online, row.values) == .5);
    online_learn(online, row.values, true, 1);
    assert_int_equal(online_declare(online, 2, TEXT("Late")), STATUS_INVALID);
    online_destroy(online);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_the_truth),
        cmocka_unit_test(it_follows_what_changes),
        cmocka_unit_test(it_is_the_formula),
        cmocka_unit_test(numbers_are_cut_at_their_quantiles),
        cmocka_unit_test(no_row_leads_out_of_numbers),
        cmocka_unit_test(the_same_rows_make_the_same_state),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
