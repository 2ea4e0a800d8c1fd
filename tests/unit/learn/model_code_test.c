/* SPDX-License-Identifier: Apache-2.0 */
/* A model's bytes: what was written comes back, and nothing else passes. */
#include "simulate.h"

#include "base/hash.h"
#include "learn/model.h"

static struct buffer encoded(size_t rows) {
    struct model *model = simulate_model(rows, 1);
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(model_encode(model, &bytes), STATUS_OK);
    model_destroy(model);
    return bytes;
}

static void seal(char *bytes, size_t length) {
    uint32_t crc = crc32c(crc32c(crc32c(0, bytes, 12), bytes + 16, 8), bytes + 24, length - 24);
    for (int i = 0; i < 4; i++) bytes[12 + i] = (char)(uint8_t)(crc >> (8 * i));
}

static void a_model_comes_back(void **state) {
    (void)state;
    struct model *model = simulate_model(2000, 1), *back;
    struct buffer bytes, again;
    buffer_init(&bytes);
    buffer_init(&again);
    assert_int_equal(buffer_append(&bytes, "before", 6), STATUS_OK);
    assert_int_equal(model_encode(model, &bytes), STATUS_OK);
    struct text text = {bytes.at + 6, (uint32_t)bytes.length - 6};
    assert_int_equal(model_decode(&back, text, NULL), STATUS_OK);
    assert_int_equal(model_encode(back, &again), STATUS_OK);
    assert_int_equal(again.length, text.length);
    assert_memory_equal(again.at, text.at, text.length);
    struct random random;
    random_init(&random, 3);
    for (int i = 0; i < 1000; i++) {
        struct simulated row;
        simulate(&random, &row);
        if (i % 7 == 0) row.values[2] = value_text(TEXT("elsewhere"));
        assert_true(model_score(model, row.values) == model_score(back, row.values));
    }
    assert_memory_equal(model_facts(model), model_facts(back), sizeof(struct model_facts));
    assert_memory_equal(model_rolling_metrics(model), model_rolling_metrics(back),
                        sizeof(struct model_metrics));
    for (uint32_t f = 0; f < FEATURES; f++) {
        assert_true(text_equal(model_feature(back, f).name, simulated_features[f].name));
        assert_int_equal(model_feature(back, f).kind, simulated_features[f].kind);
    }
    buffer_release(&bytes);
    buffer_release(&again);
    model_destroy(model);
    model_destroy(back);
}

static void every_flipped_byte_is_found(void **state) {
    (void)state;
    struct buffer bytes = encoded(300);
    struct model *model;
    struct error error;
    for (size_t i = 0; i < bytes.length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.at[i] ^= (char)(1 << bit);
            assert_int_equal(model_decode(&model, buffer_text(&bytes), &error), STATUS_CORRUPT);
            assert_null(model);
            bytes.at[i] ^= (char)(1 << bit);
        }
    }
    buffer_release(&bytes);
}

static void every_cut_is_found(void **state) {
    (void)state;
    struct buffer bytes = encoded(300);
    struct model *model;
    for (uint32_t length = 0; length < bytes.length; length++) {
        assert_int_equal(model_decode(&model, (struct text){bytes.at, length}, NULL),
                         STATUS_CORRUPT);
    }
    assert_int_equal(buffer_append(&bytes, "", 1), STATUS_OK);
    assert_int_equal(model_decode(&model, buffer_text(&bytes), NULL), STATUS_CORRUPT);
    buffer_release(&bytes);
}

/* A checksum proves only that nothing was damaged: with a right one, content is checked all the
 * same. */
static void sealed_nonsense_is_refused_or_harmless(void **state) {
    (void)state;
    struct buffer bytes = encoded(300);
    struct value nothing[LEARN_FEATURES_MAX] = {{0}};
    struct random random;
    random_init(&random, 17);
    uint32_t passed = 0, refused = 0;
    for (size_t i = 24; i < bytes.length; i++) {
        char kept = bytes.at[i];
        bytes.at[i] = (char)random_u64(&random);
        seal(bytes.at, bytes.length);
        struct model *model;
        enum status status = model_decode(&model, buffer_text(&bytes), NULL);
        bytes.at[i] = kept;
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_CORRUPT);
            refused++;
            continue;
        }
        double score = model_score(model, nothing);
        assert_true(score > 0 && score < 1);
        model_destroy(model);
        passed++;
    }
    assert_true(passed > 100 && refused > 20);
    buffer_release(&bytes);
}

static void assert_refused(const struct model *model) {
    struct buffer bytes;
    buffer_init(&bytes);
    struct model *back;
    assert_int_equal(model_encode(model, &bytes), STATUS_OK);
    assert_int_equal(model_decode(&back, buffer_text(&bytes), NULL), STATUS_CORRUPT);
    buffer_release(&bytes);
}

/* What would make a search or a score go wrong, each by itself. */
static void content_is_checked(void **state) {
    (void)state;
    struct model *model = simulate_model(300, 1);
    struct model_feature *amount = &model->features[0], *city = &model->features[2];
    double *edges = (double *)amount->edges, kept = edges[1];
    edges[1] = edges[0];
    assert_refused(model);
    edges[1] = kept;
    struct text *texts = (struct text *)city->texts, first = texts[0];
    texts[0] = texts[1];
    assert_refused(model);
    texts[0] = first;
    kept = amount->effects[0];
    amount->effects[0] = NAN;
    assert_refused(model);
    amount->effects[0] = kept;
    kept = model->base;
    model->base = INFINITY;
    assert_refused(model);
    model->base = kept;
    model->facts.basis = MODEL_BASIS_COUNT;
    assert_refused(model);
    model_destroy(model);
}

static void bytes_behind_the_end_are_refused(void **state) {
    (void)state;
    struct buffer bytes = encoded(300);
    struct model *model;
    assert_int_equal(buffer_append(&bytes, "", 1), STATUS_OK);
    for (int i = 0; i < 8; i++) bytes.at[16 + i] = (char)(uint8_t)((bytes.length - 24) >> (8 * i));
    seal(bytes.at, bytes.length);
    assert_int_equal(model_decode(&model, buffer_text(&bytes), NULL), STATUS_CORRUPT);
    buffer_release(&bytes);
}

/* Gives the model of `simulate` a pair of the amount and the city by hand. */
static void add_pair(struct model *model) {
    const struct model_feature *amount = &model->features[0], *city = &model->features[2];
    struct model_pair *pair = arena_calloc(&model->arena, 1, sizeof *pair);
    uint8_t *left = arena_calloc(&model->arena, model_feature_cells(amount), 1);
    uint8_t *right = arena_calloc(&model->arena, model_feature_cells(city), 1);
    double *effects = arena_calloc(&model->arena, 6, sizeof *effects);
    for (uint32_t c = 0; c < model_feature_cells(amount); c++) left[c] = c > 1;
    for (uint32_t c = 0; c < model_feature_cells(city); c++) right[c] = (uint8_t)(c % 3);
    for (uint32_t i = 0; i < 6; i++) effects[i] = model_effect_rounded(.1 * i - .2);
    *pair = (struct model_pair){0, 2, 2, 3, left, right, effects, 9.5, .125};
    model->pairs = pair;
    model->pair_count = 1;
    model->base = model_effect_rounded(model->base);
    for (uint32_t f = 0; f < model->feature_count; f++) {
        struct model_feature *feature = &model->features[f];
        for (uint32_t c = 0; c < model_feature_cells(feature); c++)
            feature->effects[c] = model_effect_rounded(feature->effects[c]);
    }
}

/* A pair comes back, adds what its cells say, in whatever order, and is a reason. */
static void a_pair_is_kept_scored_and_told(void **state) {
    (void)state;
    struct model *model = simulate_model(2000, 1), *back;
    add_pair(model);
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(model_encode(model, &bytes), STATUS_OK);
    assert_int_equal(model_decode(&back, buffer_text(&bytes), NULL), STATUS_OK);
    assert_int_equal(model_pair_count(back), 1);
    struct model_pair_facts facts = model_pair_facts(back, 0);
    assert_true(facts.left == 0 && facts.right == 2 && facts.evidence == 9.5);
    struct random random;
    random_init(&random, 3);
    for (int i = 0; i < 1000; i++) {
        struct simulated row;
        simulate(&random, &row);
        double amount = fmin(row.values[0].number, 8), backwards;
        uint32_t city = model_cell(back, 2, row.values[2]);
        uint32_t cell = model_cell(back, 0, row.values[0]);
        double pair = model_pair_effect(back, 0, cell, city);
        assert_near(pair, .1 * ((cell > 1 ? 3 : 0) + city % 3) - .2, 1e-9);
        assert_true(amount > 0 || cell == 0);
        backwards = pair;
        for (uint32_t f = FEATURES; f-- > 0;)
            backwards += model_cell_effect(back, f, model_cell(back, f, row.values[f]));
        backwards += model_base(back);
        assert_true(model_propensity(backwards) == model_score(back, row.values));
        assert_true(model_score(model, row.values) == model_score(back, row.values));
        struct model_reason reasons[FEATURES + 1];
        uint32_t count = model_reasons(back, row.values, reasons, FEATURES + 1);
        double sum = model_base(back);
        bool told = false;
        for (uint32_t k = 0; k < count; k++) {
            sum += reasons[k].log_odds;
            if (reasons[k].with == MODEL_ALONE) continue;
            told = true;
            assert_true(reasons[k].feature == 0 && reasons[k].with == 2);
            assert_true(reasons[k].log_odds == pair);
        }
        assert_true(told == (pair != 0) && sum == backwards);
    }
    buffer_release(&bytes);
    model_destroy(model);
    model_destroy(back);
}

/* What would make the score of a pair go wrong, each by itself. */
static void content_of_pairs_is_checked(void **state) {
    (void)state;
    struct model *model = simulate_model(300, 1);
    add_pair(model);
    struct model_pair *pair = model->pairs, kept = *pair;
    double effect = pair->effects[1];
    pair->effects[1] = .1; /* no sum of it is exact */
    assert_refused(model);
    pair->effects[1] = 2 * MODEL_EFFECT_MAX;
    assert_refused(model);
    pair->effects[1] = effect;
    effect = model->features[1].effects[0];
    model->features[1].effects[0] = .3;
    assert_refused(model);
    model->features[1].effects[0] = effect;
    pair->left = 2; /* with itself */
    assert_refused(model);
    *pair = kept;
    pair->right = FEATURES;
    pair->right_parts = pair->left_parts = 0;
    assert_refused(model);
    *pair = kept;
    pair->right_parts = 2; /* a cell falls into a part that is not there */
    assert_refused(model);
    *pair = kept;
    struct model_pair twice[] = {kept, kept};
    model->pairs = twice;
    model->pair_count = 2;
    assert_refused(model);
    model_destroy(model);
}

static void a_newer_format_is_told_from_damage(void **state) {
    (void)state;
    struct buffer bytes = encoded(300);
    struct model *model;
    struct error error;
    bytes.at[8] = MODEL_FORMAT_VERSION + 1;
    seal(bytes.at, bytes.length);
    assert_int_equal(model_decode(&model, buffer_text(&bytes), &error), STATUS_VERSION);
    bytes.at[8] = 0;
    seal(bytes.at, bytes.length);
    assert_int_equal(model_decode(&model, buffer_text(&bytes), &error), STATUS_CORRUPT);
    buffer_release(&bytes);
}

/* Format 3 had neither 50 % bounds nor those of the base rate, which stand behind its facts, nor
 * pairs. */
static void a_model_of_format_3_is_read(void **state) {
    (void)state;
    enum { FACTS_BYTES = 24 + 208, LATER_BYTES = 12 * 8 + 16, PAIRS_BYTES = 4 };
    struct buffer bytes = encoded(300);
    struct model *now, *old;
    assert_int_equal(model_decode(&now, buffer_text(&bytes), NULL), STATUS_OK);
    const struct interval *auc = &model_rolling_metrics(now)->auc;
    assert_true(auc->low <= auc->low50 && auc->low50 <= auc->high50 && auc->high50 <= auc->high);
    memmove(bytes.at + FACTS_BYTES, bytes.at + FACTS_BYTES + LATER_BYTES,
            bytes.length - FACTS_BYTES - LATER_BYTES);
    bytes.length -= LATER_BYTES + PAIRS_BYTES;
    bytes.at[8] = 3;
    for (int i = 0; i < 8; i++) bytes.at[16 + i] = (char)(uint8_t)((bytes.length - 24) >> (8 * i));
    seal(bytes.at, bytes.length);
    assert_int_equal(model_decode(&old, buffer_text(&bytes), NULL), STATUS_OK);
    const struct model_metrics *metrics = model_rolling_metrics(old);
    assert_true(metrics->auc.value == auc->value && metrics->auc.high == auc->high);
    assert_true(isnan(metrics->auc.low50) && isnan(metrics->base_rate.high));
    assert_true(metrics->base_rate.value == model_rolling_metrics(now)->base_rate.value);
    struct value nothing[LEARN_FEATURES_MAX] = {0};
    assert_true(model_score(old, nothing) == model_score(now, nothing));
    model_destroy(old);
    model_destroy(now);
    buffer_release(&bytes);
}

static struct model *shared;

static enum status code_once(void) {
    struct buffer bytes;
    buffer_init(&bytes);
    struct model *back = NULL;
    enum status status = model_encode(shared, &bytes);
    if (status == STATUS_OK)
        status = model_decode(&back, buffer_text(&bytes), NULL);
    else
        assert_int_equal(bytes.length, 0);
    model_destroy(back);
    buffer_release(&bytes);
    return status;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    shared = simulate_model(300, 1);
    fail_every_allocation(code_once, 3);
    model_destroy(shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_back),
        cmocka_unit_test(every_flipped_byte_is_found),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(sealed_nonsense_is_refused_or_harmless),
        cmocka_unit_test(content_is_checked),
        cmocka_unit_test(bytes_behind_the_end_are_refused),
        cmocka_unit_test(a_pair_is_kept_scored_and_told),
        cmocka_unit_test(content_of_pairs_is_checked),
        cmocka_unit_test(a_newer_format_is_told_from_damage),
        cmocka_unit_test(a_model_of_format_3_is_read),
        cmocka_unit_test(no_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
