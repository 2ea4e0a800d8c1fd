# SPDX-License-Identifier: Apache-2.0
"""attune evaluate --policy: a shop whose truth is known. Half a year of decisions is drawn and recorded by one playbook; what
another one would have earned is estimated from them, and compared with what customers like these do.

    evaluate_policy_test.py ATTUNE"""
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from datetime import datetime, timedelta

ATTUNE = os.path.abspath(sys.argv[1])
CUSTOMERS, ROUNDS = 260, 5
START = datetime(2017, 3, 1, 12)
# How often each offer is answered, by kind of customer, in each of two channels.
RATE = {("frugal", "coupon"): .5, ("frugal", "premium"): .1, ("lavish", "coupon"): .2, ("lavish", "premium"): .35}
VALUE = {"coupon": 10, "premium": 30}
PLAYBOOK = """attune: 1
name: NAME
currency: USD
customer: { identifiers: { card: {} } }
sources:
  people: { file: "people*.csv", event: Customer Record, time: always, key: { card: card }, properties: { kind: kind } }
  answers: { file: "answers*.csv", event: Answered, channel: web, time: at, key: { card: card }, row_key: row,
             types: { worth: money }, properties: { offer: offer, worth: worth } }
traits:
  lavish: last("Customer Record".kind) == "lavish"
  frugal: last("Customer Record".kind) == "frugal"
goals:
  coupon: { event: Answered, where: offer == "coupon", within: 3d, value: 10 USD }
  premium: { event: Answered, where: offer == "premium", within: 3d, value: 30 USD }
actions:
  coupon: { goal: coupon, group: saving, cost: 1 USD, starting_propensity: 35%, COUPON channels: [web] }
  premium: { goal: premium, group: splendour, starting_propensity: 20%, PREMIUM channels: [web, app] }
EXPLORE
"""


def playbook(name, explore="", coupon="", premium=""):
    return PLAYBOOK.replace("NAME", name).replace("COUPON", coupon).replace("PREMIUM", premium).replace("EXPLORE", explore)


ALL = "explore: { share: 100%, gamma: 0 }"


class Policy(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-policy-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.kinds = {n: "lavish" if n % 3 == 0 else "frugal" for n in range(CUSTOMERS)}
        cls.write("people.csv", "card,kind\n" + "".join(f"c{n},{kind}\n" for n, kind in cls.kinds.items()))
        cls.write("answers.csv", "row,card,at,offer,worth\n0,c0,2017-02-01,none,1 USD\n")
        cls.write("old.yaml", playbook("old", ALL))
        cls.write("better.yaml", playbook("better", ALL, "eligible: frugal,", "eligible: lavish,"))
        cls.write("worse.yaml", playbook("worse", ALL, "eligible: lavish,", "eligible: frugal,"))
        cls.live(cls.folder, "old.yaml")

    @classmethod
    def write(cls, name, text):
        with open(os.path.join(cls.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    @classmethod
    def attune(cls, *words, code=0):
        done = subprocess.run([ATTUNE, *words], capture_output=True, text=True, timeout=240, cwd=cls.folder)
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    @classmethod
    def live(cls, folder, name, data="data"):
        """Decides for everybody every ten days, and lets customers answer by RATE."""
        dice = random.Random(7)
        cls.attune("ingest", "--playbook", name, "--dir", data, "--data", folder)
        for turn in range(ROUNDS):
            t = START + timedelta(days=10 * turn)
            cls.attune("decide", "--all", "--dir", data, "--at", t.isoformat() + "Z", "--json", "--out", "made.ndjson")
            lines = ["row,card,at,offer,worth"]
            with open(os.path.join(cls.folder, "made.ndjson"), encoding="utf-8") as file:
                for line in file:
                    made = json.loads(line)
                    card = made["name"].split(":")[1]
                    offers = made["ranked"]
                    if not offers:
                        continue
                    action = offers[0]["treatment"]
                    if dice.random() < RATE[cls.kinds[int(card[1:])], action]:
                        at = t + timedelta(hours=dice.randrange(1, 60))
                        lines.append(f"{turn}-{card},{card},{at.isoformat()}Z,{action},{VALUE[action]} USD")
            cls.write(f"answers{turn}.csv", "\n".join(lines) + "\n")
            cls.attune("ingest", "answers", f"answers{turn}.csv", "--dir", data)

    def judge(self, name, *more):
        end = START + timedelta(days=10 * ROUNDS)
        return json.loads(self.attune("evaluate", "--policy", name, "--dir", "data", "--at", end.isoformat() + "Z", "--json", *more).stdout)

    @staticmethod
    def estimates(judged):
        return {estimate["name"]: estimate for estimate in judged["estimates"]}

    def near(self, estimate, truth):
        """Within five standard errors: each run of this test draws anew, since each directory has a secret of its own."""
        self.assertLess(abs(estimate["value"] - truth), 5 * (estimate["high"] - estimate["low"]) / 3.92, (estimate, truth))

    def truth(self, chances):
        """chances: of each action, by kind."""
        total = 0
        for kind in self.kinds.values():
            for action, chance in chances[kind].items():
                total += chance * (RATE[kind, action] * VALUE[action] - (1 if action == "coupon" else 0))
        return total / CUSTOMERS

    def test_what_was_estimated_is_true(self):
        # Drawn evenly among what may be offered: premium stands in two channels.
        even = {kind: {"coupon": 1 / 3, "premium": 2 / 3} for kind in ("frugal", "lavish")}
        for name, chances in (("better.yaml", {"frugal": {"coupon": 1}, "lavish": {"premium": 1}}),
                              ("worse.yaml", {"frugal": {"premium": 1}, "lavish": {"coupon": 1}}), ("old.yaml", even)):
            answer = self.judge(name)
            self.assertEqual(answer["recorded"], CUSTOMERS * ROUNDS)
            judged = answer["judged"][0]
            self.assertEqual((judged["decisions"], judged["customers"], judged["support"]), (CUSTOMERS * ROUNDS, CUSTOMERS, "good"), name)
            self.assertEqual(answer["drawn"], CUSTOMERS * ROUNDS)
            for estimate in judged["estimates"]:
                self.near(estimate, self.truth(chances))
            self.near({"value": judged["logged"], "low": judged["logged_low"], "high": judged["logged_high"]}, self.truth(even))
        # The playbook itself: every weight is 1, and the estimate what was earned.
        same = self.judge("old.yaml")["judged"][0]
        self.assertAlmostEqual(same["mean_weight"], 1, 9)
        self.assertAlmostEqual(same["largest_weight"], 1, 9)
        self.assertAlmostEqual(self.estimates(same)["SNIPS"]["value"], same["logged"], 9)

    def test_by_itself_every_weight_is_1(self):
        # Two slots, of which the first may stay empty; chances that are not even; one offer is never drawn.
        slots = "decide: { slots: 2 }\nexplore: { share: 40%, gamma: 3, nothing: yes, OFF }"
        for name, off in (("drawn", "candidates: 10"), ("partly", "off: { actions: [coupon] }")):
            self.write(f"{name}.yaml", playbook(name, slots.replace("OFF", off)))
            self.live(self.folder, f"{name}.yaml", name)
            answer = json.loads(self.attune("evaluate", "--policy", f"{name}.yaml", "--dir", name, "--at", "2017-05-01", "--json").stdout)
            judged = answer["judged"][0]
            self.assertEqual((judged["decisions"], judged["supported"]), (CUSTOMERS * ROUNDS, CUSTOMERS * ROUNDS), name)
            self.assertAlmostEqual(judged["largest_weight"], 1, 9, name)
            self.assertAlmostEqual(judged["mean_weight"], 1, 9, name)
            self.assertAlmostEqual(self.estimates(judged)["IPS"]["value"], judged["logged"], 9)
            self.assertGreater(answer["drawn"], 0, name)

    def test_by_channel_group_and_segment(self):
        parts = {(part["column"], part["value"]): part for part in self.judge("better.yaml")["parts"]}
        self.assertEqual(set(parts), {("channel", "web"), ("channel", "app"), ("group", "saving"), ("group", "splendour"),
                                      ("segment", "lavish"), ("segment", "frugal")})
        lavish = parts["segment", "lavish"]
        self.assertEqual(lavish["decisions"], ROUNDS * sum(kind == "lavish" for kind in self.kinds.values()))
        self.near(self.estimates(lavish)["DRos"], RATE["lavish", "premium"] * VALUE["premium"])

    def test_what_is_left_out_is_counted(self):
        middle = (START + timedelta(days=10 * (ROUNDS - 1) + 1)).isoformat() + "Z"
        answer = json.loads(self.attune("evaluate", "--policy", "old.yaml", "--dir", "data", "--at", middle, "--json").stdout)
        causes = {row["cause"]: row["decisions"] for row in answer["left_out"]}
        self.assertEqual(causes["have a goal that has not matured"], CUSTOMERS)
        self.assertEqual(answer["judged"][0]["decisions"], CUSTOMERS * (ROUNDS - 1))
        answer = self.judge("old.yaml", "--from", "2017-03-05", "--until", "2017-03-15")
        self.assertEqual(answer["recorded"], CUSTOMERS)
        none = self.judge("old.yaml", "--from", "2018-01-01")
        self.assertEqual((none["recorded"], none["judged"]), (0, []))

    def test_a_log_that_cannot_answer(self):
        self.write("greedy.yaml", playbook("greedy"))
        self.attune("ingest", "--playbook", "greedy.yaml", "--dir", "greedy", "--data", self.folder)
        self.attune("decide", "--all", "--dir", "greedy", "--at", "2017-03-01", "--out", "made.csv")
        done = self.attune("evaluate", "--policy", "better.yaml", "--dir", "greedy", "--at", "2017-03-20")
        self.assertIn("nothing in it was drawn at random", done.stdout.replace("\n", " "))
        self.assertNotIn("DRos ", done.stdout)
        self.write("nobody.yaml", playbook("nobody", ALL, "eligible: no,", "eligible: no,"))
        judged = self.judge("nobody.yaml")["judged"][0]
        self.assertEqual((judged["support"], judged["supported"]), ("none", 0))

    def test_a_playbook_of_another_currency_has_nothing_to_compare_with(self):
        self.write("euro.yaml", playbook("euro", ALL).replace("USD", "EUR"))
        judged = self.judge("euro.yaml")
        self.assertEqual(({row["cause"]: row["decisions"] for row in judged["left_out"]}["have a value in another currency"], judged["judged"]),
                         (judged["recorded"], []))

    def test_nothing_is_put_in_force_or_recorded(self):
        before = json.loads(self.attune("status", "--dir", "data", "--json").stdout)
        self.judge("worse.yaml")
        self.assertEqual(json.loads(self.attune("status", "--dir", "data", "--json").stdout), before)
        self.assertEqual(before["playbook"], "old")

    def test_the_same_answer_twice_and_on_the_screen(self):
        self.assertEqual(self.judge("better.yaml"), self.judge("better.yaml"))
        screen = self.attune("evaluate", "--policy", "better.yaml", "--dir", "data", "--at", "2017-05-01").stdout
        for said in ("better.yaml, judged by the first slot of 1,300 recorded decisions", "DRos", "SNIPS", "segment lavish", "the later history held fixed"):
            self.assertIn(said, screen)
        self.assertLessEqual(max(len(line) for line in screen.splitlines()), 100)

    def test_wrong_words(self):
        self.assertIn("neither a model", self.attune("evaluate", "--policy", "old.yaml", "--log", "x.csv", "--dir", "data", code=1).stderr)
        self.write("broken.yaml", "attune: 1\nactons: {}\n")
        self.assertIn("did you mean", self.attune("evaluate", "--policy", "broken.yaml", "--dir", "data", code=1).stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
