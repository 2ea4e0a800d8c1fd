/* SPDX-License-Identifier: Apache-2.0 */
/* learn/trees/xgboost_library.h -- XGBoost's C API, loaded when trees are trained and not before.
 *
 * The library is optional twice: a program that was built without its header knows only that, and
 * one that was built with it runs where the library is absent. Nothing but training needs it: trees
 * are scored by trees.h. */
#ifndef LEARN_TREES_XGBOOST_LIBRARY_H
#define LEARN_TREES_XGBOOST_LIBRARY_H

#include "base/status.h"

#ifdef ATTUNE_HAS_XGBOOST
#include <xgboost/c_api.h>

#define XGBOOST_LIBRARY_FUNCTIONS(X)                                                               \
    X(XGBGetLastError)                                                                             \
    X(XGBoostVersion)                                                                              \
    X(XGBSetGlobalConfig)                                                                          \
    X(XGDMatrixCreateFromMat)                                                                      \
    X(XGDMatrixFree)                                                                               \
    X(XGDMatrixSetFloatInfo)                                                                       \
    X(XGBoosterCreate)                                                                             \
    X(XGBoosterFree)                                                                               \
    X(XGBoosterSetParam)                                                                           \
    X(XGBoosterUpdateOneIter)                                                                      \
    X(XGBoosterPredictFromDMatrix)                                                                 \
    X(XGBoosterPredictFromDense)                                                                   \
    X(XGBoosterSaveModelToBuffer)

struct xgboost_library {
#define X(name) __typeof__(&name) name;
    XGBOOST_LIBRARY_FUNCTIONS(X)
#undef X
};
/* Written once, by xgboost_library_load; any thread reads it afterwards. */
extern struct xgboost_library xgboost_library;
#endif

/* STATUS_NOT_FOUND, with what to install, where the library is absent or the program was built
 * without its header. The first call loads it; later ones do nothing. */
enum status xgboost_library_load(struct error *error) MUST_USE;

#endif
