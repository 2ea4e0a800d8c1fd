# SPDX-License-Identifier: Apache-2.0
"""The rows of bench/crosses.c in XGBoost: crosses_xgboost.py FILE NUMBERS TEXTS LEARNT.

FILE holds rows of doubles: numbers, texts by their index, the label. The first LEARNT rows are for training, the others for the
test. 400 trees, one thread; CPU seconds of reading and training."""
import sys
import time

import numpy
import xgboost

path, numbers, texts, learnt = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
columns = numbers + texts + 1
types = ["q"] * numbers + ["c"] * texts
settings = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "eta": 0.05,
    "max_depth": 5,
    "min_child_weight": 5,
    "subsample": 0.8,
    "nthread": 1,
    "seed": 1,
}


def matrix(rows):
    return xgboost.DMatrix(rows[:, :-1], rows[:, -1], feature_types=types, enable_categorical=True, nthread=1)


def auc(scores, labels):
    order = numpy.argsort(scores, kind="stable")
    ranks = numpy.empty(len(scores))
    ranks[order] = numpy.arange(1, len(scores) + 1)
    yes = labels > 0
    return (ranks[yes].sum() - yes.sum() * (yes.sum() + 1) / 2) / (yes.sum() * (~yes).sum())


begin = time.process_time()
train = numpy.fromfile(path, count=learnt * columns).reshape(-1, columns)
booster = xgboost.train(settings, matrix(train), num_boost_round=400)
seconds = time.process_time() - begin
test = numpy.fromfile(path, offset=learnt * columns * 8).reshape(-1, columns)
print(f"auc {auc(booster.predict(matrix(test)), test[:, -1])}")
print(f"seconds {seconds}")
