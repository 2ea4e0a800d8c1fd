/* SPDX-License-Identifier: Apache-2.0 */
/* Where values are cut, and that a row is binned in training as it is when it is scored. */
#include "simulate.h"

#include <stdio.h>

#include "learn/bins.h"
#include "learn/model.h"

struct trial {
    struct training_set *set;
    struct table table;
    struct arena arena;
    struct bins bins;
    struct bins_scratch scratch;
    uint32_t *rows;
};

/* groups: of the rows; NULL: all are one. */
static void trial_fit_groups(struct trial *trial, enum feature_kind kind,
                             const struct value *values, const uint32_t *groups, size_t count) {
    const struct feature feature = {.name = {"x", 1}, .kind = kind};
    assert_int_equal(training_set_create(&trial->set, &feature, 1), STATUS_OK);
    trial->rows = memory_alloc((count + 1) * sizeof *trial->rows);
    for (size_t i = 0; i < count; i++) {
        struct training_row row = {
            .values = &values[i], .weight = 1, .group = groups != NULL ? groups[i] : 0};
        assert_int_equal(training_set_add(trial->set, &row), STATUS_OK);
        trial->rows[i] = (uint32_t)i;
    }
    assert_int_equal(table_init(&trial->table, trial->set), STATUS_OK);
    size_t distinct = (size_t)trial->table.distinct_max + 1;
    trial->scratch.counts = memory_alloc(distinct * sizeof *trial->scratch.counts);
    trial->scratch.cells = memory_alloc(distinct);
    arena_init(&trial->arena, 64 << 20);
    assert_int_equal(bins_fit(&trial->bins, &trial->arena, &trial->table.columns[0], trial->rows,
                              count, &trial->scratch),
                     STATUS_OK);
}

static void trial_fit(struct trial *trial, enum feature_kind kind, const struct value *values,
                      size_t count) {
    trial_fit_groups(trial, kind, values, NULL, count);
}

static void trial_release(struct trial *trial) {
    memory_free(trial->scratch.counts);
    memory_free(trial->scratch.cells);
    memory_free(trial->rows);
    arena_release(&trial->arena);
    table_release(&trial->table);
    training_set_destroy(trial->set);
}

static void a_heavy_zero_has_its_own_bin(void **state) {
    (void)state;
    struct value values[2000];
    for (int i = 0; i < 2000; i++) values[i] = value_number(i < 1400 ? 0 : 1 + i % 100);
    struct trial trial;
    trial_fit(&trial, FEATURE_NUMBER, values, 2000);
    assert_true(trial.bins.edges[0] == 0);
    assert_in_range(trial.bins.known, 10, 14);
    for (uint32_t i = 1; i + 1 < trial.bins.known; i++)
        assert_true(trial.bins.edges[i] > trial.bins.edges[i - 1]);
    assert_near(bins_slope(&trial.bins, 0), -1, 0);
    assert_near(bins_slope(&trial.bins, trial.bins.known - 1), 1, 0);
    assert_near(bins_slope(&trial.bins, trial.bins.known), 0, 0); /* missing */
    trial_release(&trial);
}

/* A heavy value in the middle stands alone: what lies above it is not in its bin. */
static void a_heavy_value_stands_alone(void **state) {
    (void)state;
    struct value values[1000];
    for (int i = 0; i < 1000; i++) values[i] = value_number(i < 400 ? 50 : i % 100);
    struct trial trial;
    trial_fit(&trial, FEATURE_NUMBER, values, 1000);
    bool has_49 = false, has_50 = false;
    for (uint32_t i = 0; i + 1 < trial.bins.known; i++) {
        has_49 = has_49 || trial.bins.edges[i] == 49;
        has_50 = has_50 || trial.bins.edges[i] == 50;
    }
    assert_true(has_49 && has_50);
    trial_release(&trial);
}

static void no_bin_is_small(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 8);
    for (uint32_t count = 0; count < 3000; count = count * 2 + 7) {
        struct value *values = memory_alloc((count + 1) * sizeof *values);
        for (uint32_t i = 0; i < count; i++)
            values[i] = value_number((double)random_below(&random, 1 + count / 3));
        struct trial trial;
        trial_fit(&trial, FEATURE_NUMBER, values, count);
        uint32_t held[BIN_CELLS_MAX] = {0};
        uint8_t *codes = memory_alloc(count + 1);
        bins_encode(&trial.bins, &trial.table.columns[0], count, &trial.scratch, codes, 1);
        for (uint32_t i = 0; i < count; i++) held[codes[i]]++;
        for (uint32_t c = 0; c < trial.bins.known && trial.bins.known > 1; c++)
            assert_true(held[c] >= BIN_ROWS_MIN);
        memory_free(codes);
        memory_free(values);
        trial_release(&trial);
    }
}

static void a_missing_or_infinite_value_is_missing(void **state) {
    (void)state;
    const struct value values[] = {value_unknown(),    value_number(INFINITY),
                                   value_number(NAN),  value_text(TEXT("7")),
                                   value_number(-0.0), value_number(0.0)};
    struct trial trial;
    trial_fit(&trial, FEATURE_NUMBER, values, 6);
    uint8_t codes[6];
    bins_encode(&trial.bins, &trial.table.columns[0], 6, &trial.scratch, codes, 1);
    for (int i = 0; i < 4; i++) assert_int_equal(codes[i], trial.bins.known);
    assert_int_equal(codes[4], codes[5]);
    assert_int_equal(trial.table.columns[0].distinct, 1);
    trial_release(&trial);
}

/* 300 texts of 25 customers each, 998 of one customer each, one of 25 rows of one customer. */
#define FREQUENT 300
#define EACH     25
#define ROWS     (FREQUENT * EACH + 1000 + EACH)

static void rare_texts_share_a_bin(void **state) {
    (void)state;
    static struct value values[ROWS];
    static char names[ROWS][8];
    static uint32_t groups[ROWS];
    static uint8_t codes[ROWS];
    static char long_text[LEARN_TEXT_BYTES_MAX + 2];
    const int rare = FREQUENT * EACH, own = rare + 1000;
    memset(long_text, 'x', sizeof long_text - 1);
    for (int i = 0; i < ROWS; i++) {
        snprintf(names[i], sizeof names[i], "v%d", i < rare ? i % FREQUENT : i < own ? i : own);
        values[i] = value_text(text_from(names[i]));
        groups[i] = (uint32_t)(i < own ? i : own);
    }
    values[own - 2] = value_text(text_from(long_text));
    values[own - 1] = value_unknown();
    struct trial trial;
    trial_fit_groups(&trial, FEATURE_TEXT, values, groups, ROWS);
    assert_int_equal(trial.bins.known, BIN_TEXTS_MAX);
    bins_encode(&trial.bins, &trial.table.columns[0], ROWS, &trial.scratch, codes, 1);
    int held = 0;
    for (int i = 0; i < ROWS; i++) {
        if (codes[i] < BIN_TEXTS_MAX) {
            assert_true(i < rare && text_equal(trial.bins.texts[codes[i]], values[i].text));
            held++;
        } else if (i != own - 1) {
            assert_int_equal(codes[i], BIN_TEXTS_MAX);
        }
    }
    assert_int_equal(held, BIN_TEXTS_MAX * EACH);
    assert_int_equal(codes[own - 1], BIN_TEXTS_MAX + 1);
    trial_release(&trial);
}

/* What names the rows is the playbook's own, however few customers have it. */
static void a_split_keeps_rare_texts(void **state) {
    (void)state;
    const struct feature feature = {.name = {"action", 6}, .kind = FEATURE_TEXT, .is_split = true};
    struct value value = value_text(TEXT("letter"));
    struct training_set *set;
    struct table table;
    assert_int_equal(training_set_create(&set, &feature, 1), STATUS_OK);
    struct training_row row = {.values = &value, .weight = 1};
    assert_int_equal(training_set_add(set, &row), STATUS_OK);
    assert_int_equal(table_init(&table, set), STATUS_OK);
    assert_int_equal(table.columns[0].distinct, 1);
    table_release(&table);
    training_set_destroy(set);
}

static void amounts_become_numbers(void **state) {
    (void)state;
    uint16_t usd, jpy;
    assert_int_equal(currency_from_text(TEXT("USD"), &usd), STATUS_OK);
    assert_int_equal(currency_from_text(TEXT("JPY"), &jpy), STATUS_OK);
    assert_near(value_as_number(value_money(1234, usd)), 12.34, 1e-12);
    assert_near(value_as_number(value_money(1234, jpy)), 1234, 0);
    assert_near(value_as_number(value_duration(36 * TIME_HOUR_MS)), 1.5, 0);
    assert_near(value_as_number(value_time(2 * TIME_DAY_MS)), 2, 0);
    assert_near(value_as_number(value_yes_no(true)), 1, 0);
    assert_true(isnan(value_as_number(value_unknown())));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heavy_zero_has_its_own_bin),
        cmocka_unit_test(a_heavy_value_stands_alone),
        cmocka_unit_test(no_bin_is_small),
        cmocka_unit_test(a_missing_or_infinite_value_is_missing),
        cmocka_unit_test(rare_texts_share_a_bin),
        cmocka_unit_test(a_split_keeps_rare_texts),
        cmocka_unit_test(amounts_become_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
