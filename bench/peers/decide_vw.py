# SPDX-License-Identifier: Apache-2.0
"""The decisions of bench/decide.c by Vowpal Wabbit: decide_vw.py FILE.vw.

One pass makes the binary cache and learns a policy; the second reads the cache and only predicts. One thread; rate =
decisions / CPU seconds of the second pass."""
import os
import sys
import time

import vowpalwabbit

path = sys.argv[1]
cache = path + ".cache"
model = path + ".model"
if os.path.exists(cache):
    os.remove(cache)
arguments = "--cb_explore_adf --epsilon 0.0 -q ca --quiet"
vowpalwabbit.Workspace(f"{arguments} -d {path} --cache_file {cache} -f {model}").finish()
with open(path, encoding="utf-8") as file:
    count = sum(line.startswith("shared") for line in file)
begin = time.process_time()
vowpalwabbit.Workspace(f"-t -i {model} -d {path} --cache_file {cache} --quiet").finish()
print(f"rate {count / (time.process_time() - begin)}")
