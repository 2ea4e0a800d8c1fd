#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figures in the answers of the real binary: each says what it counts, its intervals are nested, and screen, JSON and page tell the same.

usage: figures_test.py ATTUNE      a grocer with two currencies, two actions and two zones.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import world

ATTUNE = "attune"
MEMBERS = ["name", "value", "low", "high", "low_50", "high_50", "n", "of", "unit", "question", "as_of"]
COUNTED = {"customers", "rows", "events", "messages"}
UNITS = COUNTED | {"share", "chance", "times", "nats", "USD", "EUR", "GBP", "CHF"}
SECOND_ACTION = """  thanks: { goal: redeem, starting_propensity: 10%, cost: 0.10 USD, channels: [store] }
placements:"""
AT, FROM, UNTIL = "2017-12-05", "2017-10-01", "2018-01-01"


def attune(folder, *words):
    result = subprocess.run([ATTUNE, *words, "--dir", os.path.join(folder, "data")], capture_output=True, text=True, cwd=folder, check=False)
    assert result.returncode == 0, f"{words}: {result.stderr}"
    return result.stdout


def figures_of(value, parent=None):
    """(the object that has the list, the figure) of all figures in an answer."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "measured":
                yield from ((value, figure) for figure in member)
            elif key == "calibration":
                yield from ((None, {k: v for k, v in item.items() if k != "predicted"}) for item in member)
            else:
                yield from figures_of(member, value)
    elif isinstance(value, list):
        for item in value:
            yield from figures_of(item, parent)


class Figures(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-figures-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        world.make(cls.folder)
        for name, zone in (("playbook.yaml", "America/New_York"), ("tokyo.yaml", "Asia/Tokyo")):
            text = world.PLAYBOOK.replace("\nplacements:", "\n" + SECOND_ACTION, 1).replace("zone: America/New_York", f"zone: {zone}")
            world.write(cls.folder, name, text)
        # One order on the evening of October 31 in New York, which is November 1 in Tokyo.
        world.write(cls.folder, "files/orders_eu.csv", "order_id,at,household,email,item,amount\n"
                    "e1,2017-10-31T23:30:00Z,1029,,milk,8.00 EUR\ne2,2017-10-02T10:00:00Z,1030,,milk,4.50 EUR\n"
                    "e3,2017-10-03T10:00:00Z,1030,,milk,4.50 GBP\ne4,2017-10-03T11:00:00Z,1030,,milk,4.50 CHF\n")
        with open(os.path.join(cls.folder, "files/contacts.csv"), encoding="utf-8") as file:
            rows = [line.strip().split(",") for line in list(file)[1:]]
        world.write(cls.folder, "theirs.csv", "treatment,customer,prediction\n" + "".join(
            f"mail_campaign/{campaign},{household},0.{1 + int(household) % 8}\n" for _, household, campaign in rows))
        attune(cls.folder, "ingest", "--playbook", "playbook.yaml", "--data", "files/")
        cls.trained = json.loads(attune(cls.folder, "train", "redeem", "--until", FROM, "--json"))
        cls.report = cls.ask("report", "--at", AT, "--from", FROM, "--until", UNTIL, "--out", "report", "--against", "theirs.csv")

    @classmethod
    def ask(cls, *words):
        return json.loads(attune(cls.folder, *words, "--json"))

    def answers(self):
        return {
            "train": self.trained,
            "report": self.report,
            "scenarios": self.ask("scenarios", "--at", UNTIL),
            "evaluate": self.ask("evaluate", "redeem", "--from", FROM, "--until", UNTIL, "--against", "theirs.csv"),
            "decide": self.ask("decide", "--all", "--at", AT, "--dry-run", "--out", "decisions.ndjson"),
        }

    def check_bounds(self, figure):
        keys = ["low", "low_50", "value", "high_50", "high"]
        if figure["name"] == "calibration_error":
            keys.remove("value")  # chance alone makes shares differ, in each draw of the bootstrap once more
        bounds = [figure[key] for key in keys]
        known = [bound for bound in bounds if bound is not None]
        self.assertEqual(known, sorted(known), figure)
        self.assertTrue(figure["value"] is not None or len(known) == 0, figure)

    def test_every_figure_says_what_it_counts(self):
        for command, answer in self.answers().items():
            seen = 0
            for parent, figure in figures_of(answer):
                self.assertEqual(list(figure), MEMBERS, command)
                self.assertIn(figure["unit"], UNITS)
                self.assertIn(figure["of"], COUNTED)
                self.assertRegex(figure["question"], r"^[a-z].*[a-z]$")
                self.assertRegex(figure["as_of"], r"^20\d\d-\d\d-\d\dT")
                self.check_bounds(figure)
                if parent is not None and figure["name"] in parent:
                    self.assertEqual(figure["value"], parent[figure["name"]], f"{command}: {figure['name']} is told twice and differs")
                if parent is not None and figure["name"] + "_low" in parent:
                    self.assertEqual(figure["low"], parent[figure["name"] + "_low"])
                seen += 1
            self.assertGreaterEqual(seen, 3, command)

    def test_intervals_are_known_where_there_is_much_to_see(self):
        names = set()
        for _, figure in figures_of([self.report["scenarios"], self.report["models"]]):
            if figure["low"] is not None and figure["low"] < figure["low_50"] < figure["high_50"] < figure["high"]:
                names.add(figure["name"])
        self.assertLessEqual({"index", "rate_inside", "rate_outside", "auc", "log_loss", "top_tenth_gain", "base_rate", "auc_difference", "rate"}, names)

    def test_two_currencies_are_two_figures(self):
        sums = {(month["from"][:7], figure["unit"]): figure for month in self.report["months"] for item in month["sums"] if item["property"] == "revenue"
                for figure in item["measured"]}
        self.assertEqual({unit for _, unit in sums}, {"USD", "EUR", "GBP", "CHF"})
        october = sums["2017-10", "EUR"]
        self.assertEqual((october["value"], october["n"], october["of"]), (12.5, 2, "events"))
        self.assertEqual({f["unit"] for offer in self.report["offers"] for f in offer["measured"] if f["name"] == "cost"}, {"USD"})

    def test_two_zones_are_two_months(self):
        tokyo = self.ask("report", "--playbook", "tokyo.yaml", "--at", AT, "--out", "tokyo")
        sums = [item["measured"][0]["value"] for month in tokyo["months"] for item in month["sums"] if item["currency"] == "EUR" and item["property"] == "revenue"]
        self.assertEqual(sums, [4.5, 8.0])

    def test_two_actions_are_told_apart(self):
        offers = {offer["action"]: {f["name"]: f for f in offer["measured"]} for offer in self.report["offers"]}
        self.assertEqual(set(offers), {"mail_campaign", "thanks"})
        self.assertEqual(offers["thanks"]["offered"]["unit"], "messages")
        for offer in offers.values():
            self.assertEqual(offer["offered"]["value"], offer["cost"]["n"])

    def test_screen_page_and_json_tell_the_same(self):
        screen = attune(self.folder, "report", "--at", AT, "--from", FROM, "--until", UNTIL, "--out", "again", "--against", "theirs.csv")
        with open(os.path.join(self.folder, "again/report.html"), encoding="utf-8") as file:
            page = re.sub(r"<[^>]*>", " ", file.read())
        with open(os.path.join(self.folder, "again/report.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), self.report)
        model, scenario = self.report["models"][0], self.report["scenarios"][0]
        for told in (f"{model['auc']:.3f}", f"{model['top_tenth_gain']:.2f}", f"{scenario['index']:.2f}",
                     f"{scenario['index_low']:.2f} to {scenario['index_high']:.2f}", f"{model['auc_difference']:+.4f}"):
            self.assertIn(told, screen)
            self.assertIn(told, page)

    def test_sums_that_are_not_drawn_are_named(self):
        sums = []
        for month in self.report["months"]:
            for item in month["sums"]:
                name = f"{item['property']} of {item['event']} in {item['currency']}"
                sums += [] if name in sums else [name]
        self.assertGreater(len(sums), 3)
        screen = " ".join(attune(self.folder, "report", "--at", AT, "--from", FROM, "--until", UNTIL, "--out", "sums").split())
        with open(os.path.join(self.folder, "sums/report.html"), encoding="utf-8") as file:
            page = re.sub(r"<[^>]*>", " ", file.read())
        told = re.search(r"In report.json alone: (.*?)\.", page).group(1).split(", ")
        self.assertEqual(len(told), len(sums) - 3)
        for name in told:
            self.assertIn(name, sums)
            self.assertIn(name, screen)

    def test_rows_that_later_rows_join_are_not_dark(self):
        kept = [field for field in self.ask("data")["fields"] if field["field"] == "attune rows"]
        self.assertEqual({field["used_by"] for field in kept}, {"later rows"})

    def test_own_predictions_are_read_back(self):
        words = ["evaluate", "redeem", "--from", FROM, "--until", UNTIL]
        self.ask(*words, "--out", "ours.csv")
        answer = self.ask(*words, "--against", "ours.csv")
        self.assertEqual(answer["compared_rows"], answer["rows"])
        self.assertAlmostEqual(answer["against"]["log_loss"], answer["log_loss"], places=4)


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0]], verbosity=1)
