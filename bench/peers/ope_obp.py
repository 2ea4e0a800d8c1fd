# SPDX-License-Identifier: Apache-2.0
"""The estimates of bench/ope.c by Open Bandit Pipeline: ope_obp.py LOG TABLES TAU LAMBDA.

It reads the log by itself; the policy that is judged and the model of the reward come as tables. obp's estimators use NumPy
here; the modules for deep learning and plots, which it imports and does not need for this, are empty."""
import csv
import gzip
import sys
import types


class Empty(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


for module in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.utils", "torch.utils.data", "matplotlib",
               "matplotlib.pyplot", "seaborn", "pyieoe"):
    sys.modules[module] = Empty(module)
    parent, _, child = module.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, sys.modules[module])

import numpy as np  # noqa: E402
from obp.ope import estimators  # noqa: E402

path, tables, tau, lambda_ = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
with gzip.open(path, "rt", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
action = np.array([int(row["item_id"]) for row in rows])
position = np.array([int(row["position"]) - 1 for row in rows])
reward = np.array([float(row["click"]) for row in rows])
pscore = np.array([float(row["propensity_score"]) for row in rows])
bit = np.array([int(row["user_feature_1"][0] >= "8") for row in rows])
numbers = np.fromfile(tables)
actions = int(numbers[0])
policy, model = numbers[1:].reshape(2, 2, actions, 3)
given = dict(reward=reward, action=action, pscore=pscore, action_dist=policy[bit], position=position)
learnt = dict(given, estimated_rewards_by_reg_model=model[bit])
for name, estimator, arguments in (
        ("ips", estimators.InverseProbabilityWeighting(), given),
        ("snips", estimators.SelfNormalizedInverseProbabilityWeighting(), given),
        ("dr", estimators.DoublyRobust(), learnt),
        ("switch-dr", estimators.SwitchDoublyRobust(tau=tau), learnt),
        ("dros", estimators.DoublyRobustWithShrinkage(lambda_=lambda_), learnt)):
    print(name, repr(float(estimator.estimate_policy_value(**arguments))))
