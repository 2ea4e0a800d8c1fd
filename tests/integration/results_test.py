#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""attune results over a small shop whose effects are known: decided, sent, bought, merged, corrected, erased, by the real program.

usage: results_test.py ATTUNE
"""
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

ATTUNE = "attune"
START = datetime(2026, 1, 1)
PEOPLE = 1500
PLAYBOOK = """attune: 1
name: shop
currency: USD
zone: America/New_York
holdout: { share: 20%, salt: shop-1 }
customer: { identifiers: { email: {}, cookie: { device: yes } } }
sources:
  orders: { file: orders*.csv, event: Order Completed, channel: store, time: at, row_key: id, key: { email: email }, arrives: 1d,
            types: { revenue: money }, properties: { revenue: revenue } }
  visits: { file: visits*.csv, event: Page Viewed, channel: web, time: at, row_key: id, key: { email: email, cookie: cookie } }
events: { Order Completed: { revenue: money } }
traits:
  orders_60d: count("Order Completed") in 60d
goals:
  purchase: { event: Order Completed, within: 14d, value: revenue }
scenarios:
  buyers: { when: orders_60d > 0, goals: [purchase] }
actions:
  voucher: { goal: purchase, cost: 0.50 USD, starting_propensity: 20%, eligible: orders_60d > 0, lever: 20%,
             channels: { email: { cost: 0.02 USD }, mail: { cost: 0.80 USD } } }
  news: { goal: purchase, cost: 0.01 USD, starting_propensity: 10%, channels: [email] }
policies:
  - { channel: email, at_most: 1, in: 20d }
"""


def stamp(day):
    return (START + timedelta(days=day)).isoformat() + "Z"


class Shop:
    def __init__(self, folder, seed):
        self.folder, self.dice, self.rows = folder, random.Random(seed), 0
        self.loyal = {f"p{i}@x.example": i % 5 < 2 for i in range(PEOPLE)}

    def run(self, *words, code=0):
        done = subprocess.run([ATTUNE, *words, "--dir", os.path.join(self.folder, "data"), "--quiet"], capture_output=True, text=True, timeout=240)
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def results(self, *words):
        return json.loads(self.run("results", "--json", *words))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def order(self, bought):
        """(day, person) each; every tenth pays in euros."""
        self.rows += 1
        lines = [f"o{self.rows}-{i},{stamp(day)},{person},{self.dice.lognormvariate(3, 0.5):.2f} {'EUR' if i % 10 == 9 else 'USD'}"
                 for i, (day, person) in enumerate(bought)]
        name = f"orders{self.rows}.csv"
        self.write(name, "id,at,email,revenue\n" + "\n".join(lines) + "\n")
        return name

    def begin(self):
        self.write("playbook.yaml", PLAYBOOK)
        self.order([(self.dice.uniform(-50, 0), person) for person, loyal in self.loyal.items() if loyal])
        self.write("visits.csv", "id,at,email,cookie\n" + "".join(f"v{i},{stamp(-40)},{person},k{i}\n" for i, person in enumerate(self.loyal)))
        self.run("ingest", "--playbook", os.path.join(self.folder, "playbook.yaml"), "--data", self.folder)

    def decide(self, day, effect):
        """Decides for everybody, and lets them buy: those who were sent something more often, by `effect`."""
        path = os.path.join(self.folder, "decisions.csv")
        self.run("decide", "--all", "--at", stamp(day), "--out", path)
        with open(path, encoding="utf-8") as file:
            decided = {row["name"]: row for row in csv.DictReader(file)}
        bought = []
        for person, loyal in self.loyal.items():
            row = decided.get("email:" + person, {"treatment": "", "withheld": "yes"})
            rate = (0.3 if loyal else 0.1) + (effect if row["treatment"] and row["withheld"] == "no" else 0)
            if self.dice.random() < rate:
                bought.append((day + self.dice.uniform(0.1, 13), person))
        self.run("ingest", "orders", os.path.join(self.folder, self.order(bought)))
        return decided


def line(results, kind, **names):
    [found] = [one for one in results["results"] if one["kind"] == kind and all(one[name] == value for name, value in names.items())]
    return found


def figure(cell, name):
    [found] = [one for one in cell["measured"] if one["name"] == name]
    return found


class Results(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-results-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.shop = Shop(cls.folder, 4)
        cls.shop.begin()
        cls.first = cls.shop.decide(3, 0.2)
        # The holdout becomes larger under the same salt: who was decided for keeps the arm.
        cls.shop.write("playbook.yaml", PLAYBOOK.replace("share: 20%", "share: 40%"))
        cls.shop.run("fold", "--playbook", os.path.join(cls.folder, "playbook.yaml"))
        for i in range(600):
            cls.shop.loyal[f"late{i}@x.example"] = True
        late = cls.shop.order([(20 + i / 60, f"late{i}@x.example") for i in range(600)])
        cls.shop.run("ingest", "orders", os.path.join(cls.folder, late))
        cls.second = cls.shop.decide(33, 0.2)

    def test_it_finds_the_effect_in_both_shares(self):
        results = self.shop.results("--at", stamp(60))
        self.assertEqual(results["shares"], [0.2, 0.4])
        overall = line(results, "overall")
        lift = figure(overall, "lift")
        self.assertLess(lift["low"], 0.2)
        self.assertGreater(lift["high"], 0.2)
        self.assertEqual((overall["verdict"], overall["joint"]), ("more", True))
        self.assertLess(0, overall["lift_always_low"])
        self.assertLess(overall["lift_always_low"], lift["low"])
        self.assertFalse(results["sample_ratio"]["off"])
        self.assertAlmostEqual(results["sample_ratio"]["expected"], 0.2 * PEOPLE + 0.4 * 600, delta=1)
        self.assertEqual(sum(overall["customers"].values()), PEOPLE + 600)
        self.assertEqual(len(overall["months"]), 3)
        self.assertEqual([month["from"] for month in overall["months"]], ["2026-01-01T05:00:00Z", "2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z"])
        self.assertGreater(overall["values_left_out"], 0)
        self.assertLess(overall["variance_left"], 1)
        scenario = line(results, "scenario")
        self.assertEqual(scenario["scenario"], "buyers")
        self.assertLess(sum(scenario["customers"].values()), PEOPLE + 600)

    def test_months_and_actions_are_what_was_decided(self):
        results = self.shop.results("--at", stamp(60))
        for month, decided in ((0, self.first), (1, self.second)):
            for action in ("voucher", "news"):
                cell = line(results, "action", action=action)["months"][month]
                rows = [row for row in decided.values() if row["treatment"] == action]
                held = sum(row["withheld"] == "yes" for row in rows)
                self.assertEqual((cell["customers"]["holdout"], cell["customers"]["treated"]), (held, len(rows) - held))
        voucher = line(results, "action", action="voucher")
        self.assertAlmostEqual(figure(voucher, "cost")["value"], 0.02, delta=0.03)
        cost = figure(voucher, "cost_per_additional_goal")
        self.assertAlmostEqual(cost["value"], figure(voucher, "cost")["value"] / figure(voucher, "lift")["value"], delta=1e-9)
        only = self.shop.results("--at", stamp(60), "--action", "news")
        self.assertEqual({one["action"] for one in only["results"]}, {"news"})

    def test_what_is_young_does_not_count(self):
        results = self.shop.results("--at", stamp(40))
        february = line(results, "overall")["months"][1]
        self.assertEqual(february["customers"], {"treated": 0, "holdout": 0})
        self.assertEqual(sum(february["open"].values()), len([row for row in self.second.values() if row["treatment"]]))
        self.assertEqual(february["verdict"], "too early")

    def test_threads_change_nothing(self):
        one, many = (self.shop.run("results", "--json", "--at", stamp(60), "--threads", str(threads)) for threads in (1, 3))
        self.assertEqual(one, many)

    def test_from_leaves_earlier_decisions_out(self):
        results = self.shop.results("--at", stamp(60), "--from", stamp(20))
        self.assertEqual(results["decisions_earlier"], len(self.first))
        self.assertEqual(line(results, "overall")["months"][-2]["customers"], line(results, "overall")["customers"])

    def test_merges_and_erasures(self):
        folder = tempfile.mkdtemp(prefix="attune-results-")
        self.addCleanup(shutil.rmtree, folder, True)
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        shop = Shop(folder, 5)
        before = shop.results("--at", stamp(60))
        [held] = [name for name, row in self.first.items() if row["withheld"] == "yes" and row["treatment"]][:1]
        treated = [name for name, row in self.first.items() if row["withheld"] == "no" and row["treatment"]][:2]
        shop.write("visits2.csv", f"id,at,email,cookie\nm1,{stamp(58)},{held[6:]},shared\nm2,{stamp(58)},{treated[0][6:]},shared\n")
        shop.run("ingest", "visits", os.path.join(folder, "visits2.csv"))
        merged = shop.results("--at", stamp(60))
        self.assertEqual(merged["crossed"], 1)
        self.assertEqual(line(merged, "overall")["crossed"], 1)
        self.assertEqual(sum(merged["customers"].values()), sum(before["customers"].values()) - 1)
        overall = line(merged, "overall")
        self.assertEqual(figure(overall, "lift_without_crossed")["n"], figure(overall, "lift")["n"] - 1)
        shop.run("erase", treated[1], "--yes")
        erased = shop.results("--at", stamp(60))
        self.assertEqual(erased["customers"]["treated"], merged["customers"]["treated"] - 1)
        self.assertEqual(erased["customers"]["holdout"], merged["customers"]["holdout"])

    def test_a_playbook_that_is_gone_is_told(self):
        folder = tempfile.mkdtemp(prefix="attune-results-")
        self.addCleanup(shutil.rmtree, folder, True)
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        shop = Shop(folder, 5)
        gone = []
        for name in os.listdir(os.path.join(folder, "data/playbooks")):
            with open(os.path.join(folder, "data/playbooks", name), encoding="utf-8") as file:
                gone += [name] if "share: 20%" in file.read() else []
        self.assertEqual(len(gone), 1)
        os.remove(os.path.join(folder, "data/playbooks", gone[0]))
        results = shop.results("--at", stamp(60))
        self.assertEqual(results["shares"], [0.4])
        self.assertEqual(sum(results["customers"].values()), 600)
        self.assertGreaterEqual(results["decisions_share_unknown"], PEOPLE)

    def test_the_screen_says_what_it_knows(self):
        told = self.shop.run("results", "--at", stamp(60))
        for words in ("What being decided for changed", "everything", "by email", "in buyers", "voucher", "any look", "more*", "2026-02",
                      "goals counted without a value, which is in another currency"):
            self.assertIn(words, told)
        told = self.shop.run("results", "--at", stamp(1))
        self.assertIn("Nothing has been decided and recorded yet.", told)
        done = subprocess.run([ATTUNE, "results", "--action", "vouchers", "--dir", os.path.join(self.folder, "data")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r'no action .*"?vouchers"?.*voucher')


EXPERIMENTS = """experiments:
  voucher_size:
    goal: purchase
    start: 2026-01-02
    layer: offers
    share: 60%
    arms: { control: { share: 50% }, nothing: { without: [voucher, news] } }
  quiet:
    goal: purchase
    layer: offers
    share: 40%
    arms: { all: {}, no_news: { without: [news] }, louder: { levers: { voucher: 100% } } }
"""


class Experiments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-results-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.shop = Shop(cls.folder, 9)
        cls.shop.begin()
        cls.shop.write("playbook.yaml", PLAYBOOK + EXPERIMENTS)
        cls.shop.run("fold", "--playbook", os.path.join(cls.folder, "playbook.yaml"))
        cls.decided = cls.shop.decide(3, 0.25)

    def arm(self, experiment, arm, *words):
        found = [one for one in self.shop.results("--at", stamp(30), *words)["experiments"] if (one["experiment"], one["arm"]) == (experiment, arm)]
        self.assertEqual(len(found), 1)
        return found[0]

    def test_an_arm_that_is_offered_nothing_buys_less(self):
        nothing = self.arm("voucher_size", "nothing")
        self.assertEqual((nothing["control"], nothing["verdict"]), ("control", "less"))
        lift = figure(nothing, "lift")
        self.assertLess(lift["low"], -0.25)
        self.assertGreater(lift["high"], -0.25)
        self.assertFalse(nothing["sample_ratio"]["off"])
        self.assertLess(figure(nothing, "cost")["value"], 0)
        self.assertEqual((nothing["start"], nothing["stop"]), ("2026-01-02T05:00:00Z", None))
        # 60 % take part, of those who are not held out.
        self.assertAlmostEqual(sum(nothing["customers"].values()), 0.6 * 0.8 * PEOPLE, delta=80)

    def test_every_arm_is_there_and_no_customer_twice(self):
        arms = self.shop.results("--at", stamp(30))["experiments"]
        self.assertEqual([(one["experiment"], one["arm"]) for one in arms], [("voucher_size", "nothing"), ("quiet", "no_news"), ("quiet", "louder")])
        taking = sum(self.arm("voucher_size", "nothing")["customers"].values())
        rest = [one["customers"] for one in arms[1:]]
        self.assertEqual(rest[0]["holdout"], rest[1]["holdout"])
        taking += rest[0]["holdout"] + rest[0]["treated"] + rest[1]["treated"]
        held = len([row for row in self.decided.values() if row["withheld"] == "yes"])
        self.assertLessEqual(taking, PEOPLE - held)
        self.assertGreater(taking, 0.7 * PEOPLE)

    def test_a_decision_names_its_arm_and_replays(self):
        [person, row] = next((name, row) for name, row in self.decided.items() if not row["treatment"])
        told = " ".join(self.shop.run("why-not", person, "news", "--at", stamp(3)).split())
        self.assertIn("arm nothing of this experiment goes without it", told)
        self.assertIn("(voucher_size)", told)
        customer = json.loads(self.shop.run("customer", person, "--json"))
        [made] = [event for event in customer["timeline"] if event["event"] == "Decision Made"]
        self.assertEqual(made["properties"]["experiments"], [{"experiment": "voucher_size", "arm": "nothing", "salt": "voucher_size"}])
        self.assertIn("equal to the bit", self.shop.run("decide", "--replay", made["properties"]["decision"]))

    def test_the_screen_has_them(self):
        told = self.shop.run("results", "--at", stamp(30))
        self.assertRegex(told, r"voucher_size: nothing +purchase .* less")
        self.assertNotIn("No decision", told)

    def test_without_a_holdout_it_says_so_before_the_arms(self):
        lines = [line for line in (PLAYBOOK + EXPERIMENTS).splitlines() if not line.startswith("holdout:")]
        self.shop.write("no_holdout.yaml", "\n".join(lines) + "\n")
        told = self.shop.run("results", "--at", stamp(30), "--playbook", os.path.join(self.folder, "no_holdout.yaml"))
        self.assertTrue(told.startswith("No decision was made under a holdout that the playbook declares now"), told)
        self.assertRegex(told, r"voucher_size: nothing +purchase .* less")

    def test_before_anything_is_decided_it_says_so(self):
        early = Shop(os.path.join(self.folder, "early"), 1)
        os.mkdir(early.folder)
        early.begin()
        told = early.run("results", "--playbook", os.path.join(self.folder, "playbook.yaml"))
        self.assertEqual(told, "Nothing has been decided and recorded yet.\n")


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
