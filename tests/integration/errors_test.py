#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/errors.md and docs/operations.md against the sources: each name of a problem, each metric, and no other.

usage: errors_test.py SOURCE_ROOT
"""
import glob
import os
import re
import sys
import unittest

ROOT = "."


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


class Documents(unittest.TestCase):
    maxDiff = None

    def test_errors(self):
        sources = "".join(read(path) for path in glob.glob(os.path.join(os.path.abspath(ROOT), "src/server/**/*.c"), recursive=True))
        used = set(re.findall(r'http_problem\(\s*[\w>.-]+,\s*[\w:? =>.-]+,\s*"([a-z-]+)"', sources))
        used |= set(re.findall(r'\{STATUS_\w+, \d+, "([a-z-]+)"', sources)) | set(re.findall(r'docs/errors\.md#([a-z-]+)', sources))
        self.assertGreater(len(used), 20)
        documented = re.findall(r"^\| `([a-z-]+)` \|", read("docs", "errors.md"), re.M)
        self.assertEqual(sorted(used), sorted(documented))

    def test_metrics(self):
        metrics = "".join(read("src", "server", "metrics", name) for name in ("metrics.h", "exposition.c"))
        used = set(re.findall(r'X\(\w+, "([a-z_]+)"', metrics)) | set(re.findall(r'put_(?:one|family)\(to, "([a-z_]+)"', metrics))
        self.assertGreater(len(used), 30)
        section = read("docs", "operations.md").split("\n## Metrics\n")[1].split("\n## ")[0]
        documented = set()
        for row in re.findall(r"^\| (`[^|]+`) \|", section, re.M):
            documented.update(re.findall(r"`([a-z_]+)`", row))
        self.assertEqual(used, documented)


if __name__ == "__main__":
    ROOT = sys.argv[1]
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
