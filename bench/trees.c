/* SPDX-License-Identifier: Apache-2.0 */
/* bench/trees.c -- boosted trees, scored one row at a time: ours beside XGBoost's C API, in turns
 * in one process, and whether both give the same bits. XGBoost trains the trees on rows of a known
 * truth, a tenth of whose values are missing. Without XGBoost there is nothing to measure. Usage:
 * trees [ROWS [TREES [DEPTH]]]; 20000, 200 and 6. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "learn/trees/trees.h"
#include "learn/trees/xgboost_library.h"

#ifndef ATTUNE_HAS_XGBOOST
int main(void) {
    struct error error;
    (void)xgboost_library_load(&error);
    bench_fail("%s", error.text);
}
#else

#define FEATURES    50u
#define TURNS       9
#define TURN_ROWS   2000u /* of the peer; ours scores all rows in a turn */
#define ADDRESS_MAX 256

/* So that no turn can be left out by the compiler. */
static volatile float kept;

struct world {
    float *values, *labels;
    uint32_t rows;
};

static void draw(struct world *world, uint32_t rows) {
    struct random random;
    random_init(&random, 7);
    world->rows = rows;
    world->values = malloc((size_t)rows * FEATURES * sizeof(float));
    world->labels = malloc(rows * sizeof(float));
    if (world->values == NULL || world->labels == NULL) bench_fail("no memory");
    for (uint32_t i = 0; i < rows; i++) {
        float *row = world->values + (size_t)i * FEATURES;
        for (uint32_t f = 0; f < FEATURES; f++) {
            double value = f % 3 == 0 ? (double)random_below(&random, 12) : random_normal(&random);
            row[f] = random_unit(&random) < .1 ? NAN : (float)value;
        }
        double z = -1 + (row[0] > 5 ? 1 : -.5) * (row[1] > 0 ? 1 : -1) + (isnan(row[2]) ? 1 : 0);
        for (uint32_t f = 3; f < 12; f++) z += isnan(row[f]) ? 0 : .2 * sin((double)row[f]);
        world->labels[i] = random_unit(&random) < 1 / (1 + exp(-z));
    }
}

/* ---- the peer ---- */

static void peer(int code) {
    if (code != 0) bench_fail("XGBoost: %s", xgboost_library.XGBGetLastError());
}

static BoosterHandle train(const struct world *world, uint32_t trees, uint32_t depth) {
    const struct xgboost_library *library = &xgboost_library;
    BoosterHandle booster;
    DMatrixHandle matrix;
    char deep[16];
    snprintf(deep, sizeof deep, "%u", depth);
    const char *const settings[][2] = {
        {"objective", "binary:logistic"}, {"tree_method", "hist"}, {"max_depth", deep},
        {"min_child_weight", "1"},        {"eta", "0.1"},          {"nthread", "1"}};
    peer(library->XGDMatrixCreateFromMat(world->values, world->rows, FEATURES, NAN, &matrix));
    peer(library->XGDMatrixSetFloatInfo(matrix, "label", world->labels, world->rows));
    peer(library->XGBoosterCreate(&matrix, 1, &booster));
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        peer(library->XGBoosterSetParam(booster, settings[i][0], settings[i][1]));
    for (uint32_t t = 0; t < trees; t++)
        peer(library->XGBoosterUpdateOneIter(booster, (int)t, matrix));
    peer(library->XGDMatrixFree(matrix));
    return booster;
}

/* Predicts rows in place, the quickest way that the API has for one row: no matrix is made. */
static const float *predict(BoosterHandle booster, const float *values, uint32_t rows) {
    static const char settings[] = "{\"type\": 0, \"training\": false, \"iteration_begin\": 0, "
                                   "\"iteration_end\": 0, \"strict_shape\": false, \"missing\": "
                                   "NaN, \"cache_id\": 0}";
    char array[ADDRESS_MAX];
    bst_ulong const *shape;
    bst_ulong dimensions;
    const float *out;
    snprintf(array, sizeof array,
             "{\"data\": [%llu, true], \"shape\": [%u, %u], \"typestr\": \"<f4\", \"version\": 3}",
             (unsigned long long)(uintptr_t)values, rows, FEATURES);
    peer(xgboost_library.XGBoosterPredictFromDense(booster, array, settings, NULL, &shape,
                                                   &dimensions, &out));
    return out;
}

static struct trees *compile(BoosterHandle booster) {
    bst_ulong length;
    const char *json;
    struct error error;
    struct trees *trees;
    peer(xgboost_library.XGBoosterSaveModelToBuffer(booster, "{\"format\": \"json\"}", &length,
                                                    &json));
    if (trees_read_json(&trees, (struct text){json, (uint32_t)length}, &error) != STATUS_OK)
        bench_fail("%s", error.text);
    return trees;
}

/* ---- in turns ---- */

static uint64_t differences(const struct world *world, BoosterHandle booster,
                            const struct trees *trees) {
    const float *theirs = predict(booster, world->values, world->rows);
    float *many = malloc(world->rows * sizeof *many);
    uint64_t found = 0;
    if (many == NULL) bench_fail("no memory");
    trees_margins(trees, world->values, FEATURES, world->rows, many);
    for (uint32_t i = 0; i < world->rows; i++) {
        float one = trees_margin(trees, world->values + (size_t)i * FEATURES);
        float chance = trees_chance(one);
        if (memcmp(&chance, &theirs[i], sizeof chance) != 0) found++;
        if (memcmp(&one, &many[i], sizeof one) != 0) found++;
    }
    free(many);
    return found;
}

static double our_turn(const struct world *world, const struct trees *trees) {
    float sum = 0;
    double begin = clock_cpu_seconds();
    for (uint32_t i = 0; i < world->rows; i++)
        sum += trees_chance(trees_margin(trees, world->values + (size_t)i * FEATURES));
    kept += sum;
    return (clock_cpu_seconds() - begin) / world->rows;
}

static double their_turn(const struct world *world, BoosterHandle booster) {
    uint32_t rows = world->rows < TURN_ROWS ? world->rows : TURN_ROWS;
    float sum = 0;
    double begin = clock_cpu_seconds();
    for (uint32_t i = 0; i < rows; i++)
        sum += *predict(booster, world->values + (size_t)i * FEATURES, 1);
    kept += sum;
    return (clock_cpu_seconds() - begin) / rows;
}

int main(int argc, char **argv) {
    struct error error;
    struct world world;
    uint32_t rows = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20000,
             count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 200,
             depth = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 6;
    if (rows < 100 || count == 0 || depth == 0 || depth > TREES_DEPTH_MAX)
        bench_fail("usage: trees [ROWS [TREES [DEPTH]]], depth up to %u", TREES_DEPTH_MAX);
    if (xgboost_library_load(&error) != STATUS_OK) bench_fail("%s", error.text);
    draw(&world, rows);
    BoosterHandle booster = train(&world, count, depth);
    struct trees *trees = compile(booster);
    uint64_t different = differences(&world, booster, trees);
    double ours[TURNS], theirs[TURNS];
    for (int turn = 0; turn < TURNS; turn++) {
        ours[turn] = our_turn(&world, trees);
        theirs[turn] = their_turn(&world, booster);
    }
    double mine = 1e6 * bench_median(ours, TURNS), peers = 1e6 * bench_median(theirs, TURNS);
    char note[160];
    snprintf(note, sizeof note,
             "%u trees of depth %u, %u features; of %u rows %llu differ in a bit",
             trees_count(trees), trees_depth(trees), FEATURES, rows, (unsigned long long)different);
    bench_print(&(struct measurement){.bench = "trees",
                                      .name = "single row",
                                      .unit = "us a row",
                                      .ours = mine,
                                      .peer = "XGBoost's C API, in place",
                                      .peer_value = peers,
                                      .ratio = peers / mine,
                                      .note = note});
    trees_destroy(trees);
    peer(xgboost_library.XGBoosterFree(booster));
    free(world.values);
    free(world.labels);
    return different == 0 ? 0 : 1;
}
#endif
