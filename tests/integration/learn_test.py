#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models that learn on: in any number of steps the same file, decisions of every version made again, a late outcome learnt once
more, and a server that does it by itself.

usage: learn_test.py ATTUNE
"""
import csv
import datetime
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from serving import Serving

ATTUNE = "attune"
PLAYBOOK = """attune: 1
zone: Europe/Vienna
customer: { identifiers: { card: {} } }
sources:
  people: { file: people.csv, time: at, event: Person Seen, row_key: id, key: { card: card }, properties: { city: city, spend: spend } }
  sent: { file: mails.csv, time: at, event: Treatment Delivered, row_key: id, key: { card: card }, channel: channel, properties: { treatment: treatment } }
  told: { file: emails.csv, arrives: 9d, time: at, event: Treatment Delivered, row_key: id, key: { card: card }, channel: channel, properties: { treatment: treatment } }
  bought: { file: bought.csv, time: at, event: Order Completed, row_key: id, row_version: told, key: { card: card } }
events: { Person Seen: { city: text, spend: number } }
traits:
  city: last("Person Seen".city)
  spend: last("Person Seen".spend)
goals: { order: { event: Order Completed, within: 3d } }
models: { buy: { goal: order, features: [city, spend]%s } }
actions:
  letter: { goal: order, model: buy, channels: [mail, email] }
  offer: { goal: order, model: buy, channels: [mail, email] }
"""
CITIES = ["Rome", "Oslo", "Lima", "Bern"]
START = datetime.datetime(2026, 1, 1, 12)


def day(number):
    return START + datetime.timedelta(days=number)


def text(moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S")


class Learn(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="attune-learn-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.write("playbook.yaml", PLAYBOOK % "")
        self.fill(random.Random(1))

    def write(self, name, content):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(content)

    def rows(self, name, head, rows):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head.split(","), *rows])

    def fill(self, rand):
        """Until day 40 Rome buys, then Oslo does. Two actions, two channels."""
        people, sent, bought = [], [], []
        for person in range(400):
            city = rand.choice(CITIES)
            people.append((f"p{person}", f"c{person}", text(day(-5)), city, rand.randrange(100)))
            for nth in range(3):
                at = day(rand.randrange(80)) + datetime.timedelta(minutes=rand.randrange(600))
                sent.append((f"s{person}-{nth}", f"c{person}", text(at), rand.choice(["mail", "email"]), rand.choice(["letter", "offer"])))
                best = "Rome" if at < day(40) else "Oslo"
                if rand.random() < (.6 if city == best else .1):
                    then = at + datetime.timedelta(hours=rand.randrange(1, 60))
                    bought.append((f"b{person}-{nth}", f"c{person}", text(then), text(then)))
        self.late = [(f"late{n}", f"c9{n:02}") for n in range(5)]
        for row, card in self.late:  # an order far outside the horizon, which turns out to have been within it
            people.append((card, card, text(day(-5)), "Lima", 50))
            sent.append((f"s{card}", card, text(day(50)), "mail", "letter"))
            bought.append((row, card, text(day(58)), text(day(58))))
        self.rows("people.csv", "id,card,at,city,spend", people)
        for file, channel in (("mails.csv", "mail"), ("emails.csv", "email")):  # of e-mails it is told days later, after their goals
            self.rows(file, "id,card,at,channel,treatment", [row for row in sent if row[3] == channel])
        self.rows("bought.csv", "id,card,at,told", bought)

    def run_it(self, *words, code=0):
        done = subprocess.run([ATTUNE, *words], cwd=self.folder, capture_output=True, text=True, timeout=240)
        self.assertEqual(done.returncode, code, f"{words}\n{done.stdout}{done.stderr}")
        return done

    def json_of(self, *words):
        return json.loads(self.run_it(*words, "--json").stdout)

    def load(self, directory):
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".", "--dir", directory)
        self.run_it("train", "buy", "--until", text(day(45)), "--dir", directory)

    def learn(self, directory, until):
        [learnt] = self.json_of("learn", "buy", "--until", text(until), "--dir", directory)["models"]
        return learnt

    def model_bytes(self, directory, version):
        with open(os.path.join(self.folder, directory, "models", f"buy@{version}.model"), "rb") as file:
            return file.read()

    def test_in_any_number_of_steps(self):
        for directory in ("one", "many"):
            self.load(directory)
        once = self.learn("one", day(100))
        self.assertEqual((once["version_before"], once["version"], once["changed"]), (1, 2, 0))
        self.assertGreater(once["rows"], 300)
        self.assertLess(once["log_loss"], once["log_loss_as_trained"])
        total, decisions = 0, []
        for number in (50, 51, 63, 80, 100):
            learnt = self.learn("many", day(number))
            total += learnt["rows"]
            made = self.json_of("decide", "card:c7", "--at", text(day(number)), "--dir", "many")
            decisions.append((made["decision"], [slot["propensity"] for slot in made["ranked"]]))
        self.assertEqual(total, once["rows"])
        self.assertEqual(self.model_bytes("one", 2), self.model_bytes("many", learnt["version"]))
        self.assertGreater(len({tuple(chances) for _, chances in decisions}), 2)
        for decision, _ in decisions:
            self.assertEqual(self.json_of("decide", "--replay", decision, "--dir", "many")["replay"]["verdict"], "equal")
        nothing = self.learn("many", day(110))
        self.assertEqual((nothing["rows"], nothing["version"]), (0, learnt["version"]))
        [model] = self.json_of("models", "--dir", "many")["models"]
        self.assertEqual([one["learner"] for one in model["versions"]], ["additive"] + ["online"] * (len(model["versions"]) - 1))
        self.run_it("learn", "buy", "--until", text(day(60)), "--dir", "many", code=1)  # it has learnt until later

    def test_a_second_time_at_once_is_no_failure(self):
        """As a nightly job does on a day without new data: by default it learns until the newest event."""
        self.load("data")
        first = self.run_it("learn", "--dir", "data").stdout
        self.assertIn("buy@2 is in force", first)
        again = self.run_it("learn", "--dir", "data").stdout
        self.assertIn("Nothing new has matured for buy@2", again)

    def test_an_outcome_that_comes_late_is_learnt_once_more(self):
        self.load("data")
        self.learn("data", day(70))
        self.rows("bought.csv", "id,card,at,told", [(row, card, text(day(51)), text(day(75))) for row, card in self.late])
        self.run_it("ingest", "--data", ".", "--dir", "data")
        learnt = self.learn("data", day(80))
        self.assertEqual(learnt["changed"], 5)
        self.assertGreater(learnt["rows"], 0)
        self.assertEqual(learnt["learnt_from"]["rows"], learnt["rows"] + 5)
        self.assertEqual(self.learn("data", day(81))["changed"], 0)

    def test_what_cannot_be(self):
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".", "--dir", "data")
        self.assertIn("attune train", self.run_it("learn", "buy", "--dir", "data", code=1).stderr)
        self.assertIn("attune train", self.run_it("learn", "--dir", "data", code=1).stderr)
        self.assertIn("buy", self.run_it("learn", "bui", "--dir", "data", code=1).stderr)

    def test_a_server_learns_by_itself(self):
        self.load("data")
        self.write("playbook.yaml", PLAYBOOK % ", online: { every: 1s }")
        with Serving(ATTUNE, self.folder, "--playbook", "playbook.yaml", directory="data"):
            for _ in range(300):
                [model] = self.json_of("models", "--dir", "data")["models"]
                if len(model["versions"]) > 1:
                    break
                time.sleep(.2)
        self.assertEqual([one["standing"] for one in model["versions"]], ["was in force", "in force"])
        self.assertEqual(model["versions"][1]["learner"], "online")


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
