# SPDX-License-Identifier: Apache-2.0
"""The examples of bench/learn.c by Vowpal Wabbit: learn_vw.py FILE.vw.

The first pass makes the binary cache; the second learns from it, once over all examples. Logistic loss, otherwise VW's
defaults. rate = examples / CPU seconds of the second pass; loss: mean log loss before each example was learnt."""
import os
import sys
import time

import vowpalwabbit

path = sys.argv[1]
cache = path + ".cache"
if os.path.exists(cache):
    os.remove(cache)
arguments = f"--loss_function logistic -b 18 --quiet -d {path} --cache_file {cache}"
vowpalwabbit.Workspace(arguments).finish()
with open(path, encoding="utf-8") as file:
    count = sum(1 for _ in file)
begin = time.process_time()
learner = vowpalwabbit.Workspace(arguments)
loss = learner.get_sum_loss() / count
learner.finish()
print(f"rate {count / (time.process_time() - begin)}")
print(f"loss {loss}")
os.remove(cache)
