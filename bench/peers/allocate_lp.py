# SPDX-License-Identifier: Apache-2.0
"""The optimum of bench/allocate.c's linear programme by HiGHS: allocate_lp.py FILE.

The first line has each limit's amount and whether it is a minimum; each other line is an offer: its customer, its value, and
what it takes of each limit."""
import sys

import numpy
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, vstack

with open(sys.argv[1], encoding="utf-8") as file:
    head = file.readline().split()
    rows = numpy.loadtxt(file, ndmin=2)
amounts = numpy.array(head[0::2], dtype=float)
signs = numpy.where(numpy.array(head[1::2], dtype=int) == 1, -1.0, 1.0)
customers = rows[:, 0].astype(int)
count = len(rows)
one_each = coo_matrix((numpy.ones(count), (customers, numpy.arange(count))), shape=(customers.max() + 1, count))
uses = coo_matrix(rows[:, 2:].T * signs[:, None])
found = linprog(
    -rows[:, 1],
    A_ub=vstack([one_each, uses]).tocsr(),
    b_ub=numpy.concatenate([numpy.ones(customers.max() + 1), amounts * signs]),
    bounds=(0, None),
    method="highs",
)
if found.status != 0:
    sys.exit(found.message)
print(f"optimum {-found.fun:.12g}")
