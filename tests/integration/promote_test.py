#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A challenger of boosted trees, from training to promotion and back, over the small world of world.py.

usage: promote_test.py ATTUNE       skips what trains trees where XGBoost is absent
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import world

ATTUNE = "attune"
HOUSEHOLDS = ["household:1029", "household:1030", "household:1031"]
AT = "2017-12-05"


class Promote(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="attune-promote-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        world.make(self.folder)
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", "files/")

    def run_it(self, *words, code=0):
        done = subprocess.run([ATTUNE, *words], cwd=self.folder, capture_output=True, text=True, timeout=240)
        self.assertEqual(done.returncode, code, f"{words}\n{done.stdout}{done.stderr}")
        return done

    def json_of(self, *words, code=0):
        return json.loads(self.run_it(*words, "--json", code=code).stdout)

    def versions(self):
        [model] = self.json_of("models")["models"]
        return {one["version"]: one for one in model["versions"]}

    def train_trees(self):
        done = subprocess.run([ATTUNE, "train", "redeem", "--until", "2017-10-01", "--challenger", "trees", "--json"], cwd=self.folder,
                              capture_output=True, text=True, timeout=240)
        if "XGBoost" in done.stderr and done.returncode == 1:
            self.assertNotIn(2, self.versions())
            self.skipTest(done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["models"][0]

    def decide(self):
        """Records decisions and gives their ids with the propensities."""
        made = {}
        for household in HOUSEHOLDS:
            decision = self.json_of("decide", household, "--at", AT)
            made[decision["decision"]] = [[one["treatment"], one["propensity"]] for one in decision["ranked"]]
        return made

    def replay(self, made):
        for decision, ranked in made.items():
            again = self.json_of("decide", "--replay", decision)
            self.assertEqual(again["replay"]["verdict"], "equal", again["replay"])

    def test_there_and_back(self):
        self.run_it("train", "redeem", "--until", "2017-10-01")
        trained = self.train_trees()
        self.assertEqual((trained["version"], trained["learner"], trained["stands_by"]), (2, "trees", True))
        self.assertEqual(trained["figures"]["from"], "folds by customer")
        self.assertEqual([self.versions()[v]["standing"] for v in (1, 2)], ["in force", "stands by"])
        first = self.decide()

        told = self.json_of("promote", "redeem@2", "--until", "2018-01-01", "--anyway")
        self.assertTrue(told["promoted"])
        evidence = told["evidence"]
        self.assertEqual(told["in_force_before"], 1)
        self.assertGreater(evidence["rows"], 100)
        self.assertGreater(evidence["rows_left_out"], 100)
        names = [figure["name"] for figure in evidence["measured"]]
        self.assertEqual(names, ["auc_difference", "log_loss_difference"])
        for figure, key in zip(evidence["measured"], ("auc", "log_loss")):
            self.assertAlmostEqual(figure["value"], evidence["version"][key] - evidence["in_force"][key], places=9)
            self.assertLessEqual(figure["low"], figure["value"])
            self.assertLessEqual(figure["value"], figure["high"])
        self.assertEqual([self.versions()[v]["standing"] for v in (1, 2)], ["was in force", "in force"])
        second = self.decide()
        if trained["trees"] > 0:
            self.assertNotEqual(list(first.values()), list(second.values()))
        self.replay({**first, **second})

        back = self.json_of("promote", "redeem@1", "--until", "2018-01-01")
        self.assertTrue(back["promoted"] and back["was_in_force"])
        self.replay({**first, **second})
        self.assertEqual(list(self.decide().values()), list(first.values()))
        self.run_it("fsck")
        # Somebody is erased, and the trees hold no word of theirs.
        self.run_it("erase", HOUSEHOLDS[0], "--yes")
        self.assertNotIn("redeem@2", self.run_it("erase", "--leftovers").stdout)

    def test_what_is_not_better_stays_out(self):
        self.run_it("train", "redeem", "--until", "2017-10-01")
        self.run_it("train", "redeem", "--until", "2017-10-01", "--challenger", "additive")
        told = self.run_it("promote", "redeem@2", "--until", "2018-01-01", code=1)
        self.assertIn("redeem@2 was not promoted: it is not shown to be better than redeem@1", told.stderr)
        self.assertIn("AUC difference", told.stdout)
        told = self.json_of("promote", "redeem@2", "--until", "2018-01-01", code=1)
        self.assertEqual((told["promoted"], told["evidence"]["verdict"]), (False, "undecided"))
        # Both have learnt from all that has matured.
        told = self.run_it("promote", "redeem@2", "--until", "2017-10-01", code=1)
        self.assertIn("0 treatments have matured that neither version has learnt from", told.stderr)
        self.assertEqual(self.versions()[1]["standing"], "in force")

    def test_words_that_name_no_version(self):
        self.run_it("train", "redeem", "--until", "2017-10-01")
        for word, says in (("redeem", "write MODEL@VERSION"), ("redeem@0", "write MODEL@VERSION"), ("redeem@x", "write MODEL@VERSION"),
                           ("@1", "write MODEL@VERSION"), ("redem@1", "did you mean redeem?"), ("redeem@9", "there is no redeem@9"),
                           ("redeem@1", "is in force already")):
            self.assertIn(says, self.run_it("promote", word, code=1).stderr)
        told = self.run_it("train", "redeem", "--challenger", "tree", code=1)
        self.assertIn("did you mean trees?", told.stderr)
        told = self.run_it("train", "shop", "--challenger", "trees", code=1)
        self.assertIn("shop is a lifetime model, which has no challengers", told.stderr)
        self.assertIn("did you mean redeem?", self.run_it("models", "redem", code=1).stderr)

    def test_a_damaged_version_is_told(self):
        self.run_it("train", "redeem", "--until", "2017-10-01")
        self.run_it("train", "redeem", "--until", "2017-10-01", "--challenger", "additive")
        path = os.path.join(self.folder, "data", "models", "redeem@2.model")
        with open(path, "r+b") as file:
            file.seek(100)
            file.write(b"\xff\xff")
        self.assertEqual(self.versions()[2]["standing"], "cannot be read")
        self.assertIn("is damaged", self.run_it("promote", "redeem@2", "--anyway", code=1).stderr)
        self.assertEqual(self.versions()[1]["standing"], "in force")


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
