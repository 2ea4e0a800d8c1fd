/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/trees/boost.h"

#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "learn/trees/xgboost_library.h"

#ifndef ATTUNE_HAS_XGBOOST

enum status booster_create(struct booster **out, const struct boost_rows *rows,
                           const struct boost_rows *watched, uint32_t depth, struct error *error) {
    (void)rows, (void)watched, (void)depth;
    *out = NULL;
    return xgboost_library_load(error);
}
void booster_destroy(struct booster *booster) {
    (void)booster;
}
enum status booster_grow(struct booster *booster, struct error *error) {
    (void)booster;
    return xgboost_library_load(error);
}
enum status booster_watch(struct booster *booster, const float **log_odds, struct error *error) {
    (void)booster, (void)log_odds;
    return xgboost_library_load(error);
}
enum status booster_trees(struct booster *booster, struct trees **out, struct error *error) {
    (void)booster;
    *out = NULL;
    return xgboost_library_load(error);
}

#else

struct booster {
    DMatrixHandle rows, watched;
    BoosterHandle handle;
    int round;
};

static enum status failed(struct error *error) {
    return error_set(error, STATUS_INVALID, "XGBoost: %s", xgboost_library.XGBGetLastError());
}

static bool make_matrix(DMatrixHandle *out, const struct boost_rows *rows) {
    const struct {
        const char *name;
        const float *values;
    } facts[] = {{"label", rows->labels}, {"weight", rows->weights}, {"base_margin", rows->begin}};
    if (xgboost_library.XGDMatrixCreateFromMat(rows->values, rows->count, rows->feature_count, NAN,
                                               out) != 0)
        return false;
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        if (xgboost_library.XGDMatrixSetFloatInfo(*out, facts[i].name, facts[i].values,
                                                  rows->count) != 0)
            return false;
    }
    return true;
}

static bool make_handle(struct booster *booster, uint32_t depth) {
    char deep[16];
    snprintf(deep, sizeof deep, "%u", depth);
    const char *const settings[][2] = {{"objective", "binary:logistic"},
                                       {"base_score", "0.5"},
                                       {"tree_method", "hist"},
                                       {"max_bin", "256"},
                                       {"max_depth", deep},
                                       {"eta", BOOST_SHRINKAGE},
                                       {"min_child_weight", BOOST_LEAF_VARIANCE},
                                       {"lambda", BOOST_RIDGE},
                                       {"nthread", "1"},
                                       {"seed", "1"},
                                       {"verbosity", "0"}};
    DMatrixHandle matrices[] = {booster->rows, booster->watched};
    if (xgboost_library.XGBoosterCreate(matrices, booster->watched != NULL ? 2 : 1,
                                        &booster->handle) != 0)
        return false;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (xgboost_library.XGBoosterSetParam(booster->handle, settings[i][0], settings[i][1]) != 0)
            return false;
    }
    return true;
}

enum status booster_create(struct booster **out, const struct boost_rows *rows,
                           const struct boost_rows *watched, uint32_t depth, struct error *error) {
    *out = NULL;
    enum status status = xgboost_library_load(error);
    if (status != STATUS_OK) return status;
    struct booster *booster = memory_calloc(1, sizeof *booster);
    if (booster == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory to grow trees");
    bool made = make_matrix(&booster->rows, rows) &&
                (watched == NULL || make_matrix(&booster->watched, watched)) &&
                make_handle(booster, depth);
    if (!made) {
        status = failed(error);
        booster_destroy(booster);
        return status;
    }
    *out = booster;
    return STATUS_OK;
}

void booster_destroy(struct booster *booster) {
    if (booster == NULL) return;
    if (booster->handle != NULL) (void)xgboost_library.XGBoosterFree(booster->handle);
    if (booster->rows != NULL) (void)xgboost_library.XGDMatrixFree(booster->rows);
    if (booster->watched != NULL) (void)xgboost_library.XGDMatrixFree(booster->watched);
    memory_free(booster);
}

enum status booster_grow(struct booster *booster, struct error *error) {
    return xgboost_library.XGBoosterUpdateOneIter(booster->handle, booster->round++,
                                                  booster->rows) == 0
               ? STATUS_OK
               : failed(error);
}

enum status booster_watch(struct booster *booster, const float **log_odds, struct error *error) {
    static const char settings[] = "{\"type\": 1, \"training\": false, \"iteration_begin\": 0, "
                                   "\"iteration_end\": 0, \"strict_shape\": false}";
    bst_ulong const *shape;
    bst_ulong dimensions;
    return xgboost_library.XGBoosterPredictFromDMatrix(booster->handle, booster->watched, settings,
                                                       &shape, &dimensions, log_odds) == 0
               ? STATUS_OK
               : failed(error);
}

enum status booster_trees(struct booster *booster, struct trees **out, struct error *error) {
    bst_ulong length;
    const char *json;
    *out = NULL;
    if (xgboost_library.XGBoosterSaveModelToBuffer(booster->handle, "{\"format\": \"json\"}",
                                                   &length, &json) != 0)
        return failed(error);
    if (length > TREES_JSON_BYTES_MAX)
        return error_set(error, STATUS_LIMIT, "the trees are larger than %zu MB",
                         TREES_JSON_BYTES_MAX >> 20);
    return trees_read_json(out, (struct text){json, (uint32_t)length}, error);
}

#endif
