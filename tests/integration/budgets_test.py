#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Budgets from the playbook to the last decision: never overdrawn, whatever comes; used by whom they serve most.

usage: budgets_test.py ATTUNE"""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

import serving

ATTUNE = "attune"
PLAYBOOK = """attune: 1
name: A shop
currency: USD
zone: America/New_York
customer:
  identifiers: { customer: {}, email: {} }
sources:
  orders:
    file: "orders*.csv"
    event: Order Completed
    time: at
    row_key: id
    key: { customer: customer, email: email }
    properties: { revenue: revenue }
    types: { revenue: money }
  receipts:
    file: "receipts*.csv"
    event: "{event}"
    time: at
    channel: "{channel}"
    row_key: id
    key: { customer: customer }
    properties: { treatment: treatment, decision: decision }
events: { Asked: {} }
traits:
  orders: count("Order Completed") in 90d
  liking: if(orders > 3, 3, if(orders > 1, 2, 1))
goals: { order: { event: Order Completed, within: 14d, value: 30 USD } }
actions:
  letter: { goal: order, starting_propensity: 20%, weight: liking, cost: 0.8 USD, channels: [mail] }
  note:   { goal: order, starting_propensity: 10%, weight: liking, channels: [email] }
  call:   { goal: order, starting_propensity: 40%, weight: liking, cost: 3 USD, channels: [phone] }
consent: { required: no }
policies: [ { at_most: 1, in: 7d } ]
"""
BUDGETS = """budgets:
  money:  { cost: 20 USD, per: month }
  printed: { contacts: 14, per: week, channels: [mail] }
  agents: { hours: 0.4, per: day, each: 12m, channels: [phone] }
  mails:  { contacts: 15, per: week, channels: [email] }
"""
AMOUNTS = {"money": 20, "printed": 14, "agents": 0.4, "mails": 15}
USES = {"letter": {"money": 0.8, "printed": 1}, "call": {"money": 3, "agents": 0.2}, "note": {"mails": 1}}
# Amounts in two currencies: what a customer has spent in another one is no budget's business.
CUSTOMERS = 60


def run(folder, *words, code=0):
    done = subprocess.run([ATTUNE, *words, "--dir", os.path.join(folder, "data")], cwd=folder, capture_output=True, text=True, timeout=120)
    assert code is None or done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr if code else done.stdout


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def taken(path):
    """By name of a budget: what the decisions of a decisions.csv take."""
    used = dict.fromkeys(AMOUNTS, 0.0)
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for name, use in USES.get(row["treatment"], {}).items():
                if row["withheld"] == "no":
                    used[name] += use
    return used


class Budgets(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        rows = ["id,customer,email,at,revenue"]
        for customer in range(CUSTOMERS):
            for n in range(1 + customer % 5):
                currency = "EUR" if (customer + n) % 4 == 0 else "USD"
                rows.append(f"{customer}-{n},c{customer},,2024-05-{1 + (7 * customer + 3 * n) % 27:02} 10:00,{5 + n} {currency}")
        write(self.folder, "orders.csv", "\n".join(rows) + "\n")
        self.put(PLAYBOOK + BUDGETS)
        run(self.folder, "ingest", "orders", "orders.csv", "--playbook", "playbook.yaml")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def put(self, text):
        write(self.folder, "playbook.yaml", text)

    def decide(self, at, out="d.csv", *more):
        run(self.folder, "decide", "--all", "--at", at, "--out", out, *more)
        return taken(os.path.join(self.folder, out))

    def used(self, at):
        told = json.loads(run(self.folder, "budgets", "--at", at, "--json"))
        return {line["budget"]: line["used"] for line in told["budgets"]}

    def receipts(self, name, rows):
        write(self.folder, name, "id,event,at,channel,customer,treatment,decision\n" + "".join(rows))
        run(self.folder, "ingest", "receipts", name)

    def rows(self, treatment, out="d.csv"):
        with open(os.path.join(self.folder, out), encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row["treatment"] == treatment]

    def test_nothing_is_overdrawn_and_what_is_scarce_goes_to_whom_it_serves(self):
        told = self.decide("2024-06-10")
        for name, amount in AMOUNTS.items():
            self.assertLessEqual(told[name], amount + 1e-9, name)
        self.assertGreater(told["money"], 16)
        self.assertEqual(told["mails"], 15)
        self.assertEqual(told["agents"], 0.4)
        allocation = json.loads(run(self.folder, "budgets", "--at", "2024-06-10T01:00", "--json"))["allocation"]
        self.assertLess(allocation["gap"], 0.02)
        self.assertEqual(allocation["customers"], CUSTOMERS)
        # Who likes us most has the most to gain: none of them is left without while another gets a call.
        calls = self.rows("call")
        self.assertTrue(calls and all(float(row["propensity"]) * 30 > 10 for row in calls))
        self.assertEqual(self.used("2024-06-10T01:00"), told)

    def test_the_same_run_again_spends_nothing(self):
        first = self.decide("2024-06-10")
        self.assertEqual(self.decide("2024-06-10", "again.csv"), first)
        self.assertEqual(self.used("2024-06-10T01:00"), first)
        # Another run finds what the first has left, and no more.
        second = self.decide("2024-06-10T05:00", "second.csv")
        for name, amount in AMOUNTS.items():
            self.assertLessEqual(first[name] + second[name], amount + 1e-9, name)

    def test_a_playbook_that_changes_at_the_same_moment_overdraws_nothing(self):
        first = self.decide("2024-06-10")
        self.put(PLAYBOOK.replace("liking: if(orders > 3, 3, if(orders > 1, 2, 1))", "liking: if(orders > 3, 1, if(orders > 1, 2, 4))") + BUDGETS)
        run(self.folder, "fold", "--playbook", "playbook.yaml")
        self.decide("2024-06-10", "again.csv")
        both = self.used("2024-06-10T01:00")
        self.assertGreaterEqual(both["mails"], first["mails"])
        for name, amount in AMOUNTS.items():
            self.assertLessEqual(both[name], amount + 1e-9, name)

    def test_periods_are_those_of_the_playbooks_zone(self):
        # 22:00 in New York on Sunday 9 June is Monday in UTC and in Berlin; the week begins two hours later.
        self.decide("2024-06-09T22:00:00-04:00")
        self.assertEqual(self.used("2024-06-09T23:59:59-04:00")["mails"], 15)
        self.assertEqual(self.used("2024-06-10T00:00:00-04:00")["mails"], 0)
        self.assertGreater(self.used("2024-06-30T23:59:59-04:00")["money"], 10)
        self.assertEqual(self.used("2024-07-01T00:00:00-04:00")["money"], 0)

    def test_a_failure_gives_back_a_lapse_too_and_a_correction_takes_again(self):
        told = self.decide("2024-06-10")
        letters = self.rows("letter")
        row = letters[0]
        failed = f'f1,Treatment Failed,2024-06-10 09:00,mail,{row["name"].split(":")[1]},letter,{row["decision"]}\n'
        self.receipts("receipts1.csv", [failed])
        used = self.used("2024-06-10T12:00:00-04:00")
        self.assertAlmostEqual(used["money"], told["money"] - 0.8)
        self.assertAlmostEqual(used["printed"], told["printed"] - 1)
        # The row was wrong: it is corrected, and the letter is spent.
        self.receipts("receipts2.csv", [failed.replace("Failed", "Delivered")])
        self.assertAlmostEqual(self.used("2024-06-10T12:00:00-04:00")["money"], told["money"])
        # An e-mail of which nothing is heard lapses after three days; a letter does not.
        later = self.used("2024-06-14")
        self.assertEqual(later["mails"], 0)
        self.assertEqual(later["printed"], told["printed"])

    def test_a_merge_and_an_erasure(self):
        told = self.decide("2024-06-10")
        a, b = self.rows("letter")[:2]
        names = [row["name"].split(":")[1] for row in (a, b)]
        write(self.folder, "orders2.csv", "id,customer,email,at,revenue\n" + "".join(
            f"m-{n},{name},one@b.example,2024-06-10 08:00,5 USD\n" for n, name in enumerate(names)))
        run(self.folder, "ingest", "orders", "orders2.csv")
        self.assertEqual(self.used("2024-06-10T12:00:00-04:00"), told)
        run(self.folder, "erase", f"customer:{names[0]}", "--yes")
        left = self.used("2024-06-10T12:00:00-04:00")
        self.assertLess(left["printed"], told["printed"])

    def test_the_holdout_takes_nothing(self):
        self.put(PLAYBOOK + BUDGETS + "holdout: { share: 50%, salt: a }\n")
        run(self.folder, "fold", "--playbook", "playbook.yaml")
        told = self.decide("2024-06-10")
        with open(os.path.join(self.folder, "d.csv"), encoding="utf-8", newline="") as file:
            withheld = [row for row in csv.DictReader(file) if row["withheld"] == "yes"]
        self.assertTrue(withheld)
        self.assertEqual(self.used("2024-06-10T01:00"), told)

    def test_decisions_are_replayed_and_say_their_price(self):
        self.decide("2024-06-10")
        with open(os.path.join(self.folder, "d.csv"), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows[::7]:
            run(self.folder, "decide", row["name"], "--replay", row["decision"])
        shown = run(self.folder, "decide", self.rows("note")[0]["name"], "--at", "2024-06-20", "--dry-run")
        self.assertIn("budgets", shown)
        screen = run(self.folder, "budgets", "--at", "2024-06-10T02:00")
        self.assertRegex(screen, r"left +price\n")
        self.assertIn("A price is what one unit more would bring", screen)
        nothing = next(row for row in rows if not row["treatment"])
        self.assertRegex(nothing["reason"], "budgets ask for it|has no more than")
        told = " ".join(run(self.folder, "why-not", nothing["name"], "call", "--at", "2024-06-10T02:00").split())
        self.assertIn("the budget agents (at most 0.4 hours a day on phone) has no more than 0 left", told)

    def test_a_minimum_is_met_or_told(self):
        self.put(PLAYBOOK + "budgets:\n  seen: { at_least: 50, per: week, actions: [note] }\n  mails: { contacts: 55, per: week, channels: [email] }\n")
        run(self.folder, "fold", "--playbook", "playbook.yaml")
        self.decide("2024-06-10")
        self.assertGreaterEqual(len(self.rows("note")), 49)
        self.put(PLAYBOOK + "budgets:\n  seen: { at_least: 500, per: week, actions: [note] }\n  mails: { contacts: 20, per: week, channels: [email] }\n")
        run(self.folder, "fold", "--playbook", "playbook.yaml")
        told = json.loads(run(self.folder, "budgets", "allocate", "--at", "2024-07-10", "--json"))
        seen = next(line for line in told["budgets"] if line["budget"] == "seen")
        self.assertEqual((seen["spent"], seen["short_by"]), (20, 480))
        self.assertIn("seen can't be met: it is short by 480 treatments", run(self.folder, "budgets", "--at", "2024-07-10"))

    def test_prices_outlive_a_restart_and_a_fold(self):
        self.decide("2024-06-10")
        prices = [line["price"] for line in json.loads(run(self.folder, "budgets", "--at", "2024-06-12", "--json"))["budgets"]]
        run(self.folder, "fold", "--merge")
        again = [line["price"] for line in json.loads(run(self.folder, "budgets", "--at", "2024-06-12", "--json"))["budgets"]]
        self.assertEqual(prices, again)
        self.assertGreater(max(prices), 0)
        self.assertIn("none", run(self.folder, "budgets", "--at", "2024-06-01"))

    def test_an_amount_that_is_nearly_nothing_is_nothing(self):
        self.put(PLAYBOOK + "budgets: { few: { stock: 1e-40, actions: [letter] } }\n")
        run(self.folder, "decide", "--all", "--at", "2024-06-03", "--out", "d.csv", "--playbook", "playbook.yaml")
        with open(os.path.join(self.folder, "d.csv"), encoding="utf-8", newline="") as file:
            treatments = {row["treatment"] for row in csv.DictReader(file)}
        self.assertNotIn("letter", treatments)
        self.assertIn("call", treatments)

    def test_no_budgets_and_slips(self):
        self.put(PLAYBOOK)
        self.assertIn("the playbook has no budgets", run(self.folder, "budgets", "--playbook", "playbook.yaml", code=1))
        self.assertIn('did you mean "allocate"?', run(self.folder, "budgets", "alocate", code=1))
        self.put(PLAYBOOK + "budgets: { money: { cost: 20 EUR } }\n")
        self.assertIn("EUR", run(self.folder, "check", "playbook.yaml", code=1))

    def test_threads_of_a_server_never_overdraw(self):
        self.put(PLAYBOOK + "budgets:\n  stock: { stock: 7, actions: [letter] }\n  agents: { hours: 1, per: day, each: 12m, channels: [phone] }\n")
        run(self.folder, "fold", "--playbook", "playbook.yaml")
        given, decisions = [], []
        with serving.Serving(ATTUNE, self.folder) as server:
            key = server.key("--decide")

            def ask(first):
                for customer in range(first, CUSTOMERS, 6):
                    answer = server.ask("POST", "/v1/decide", json.dumps({"customer": f"customer:c{customer}"}), key=key, Content_Type="application/json")
                    assert answer.code == 200, answer.body
                    ranked = answer.json()["placements"][0]["treatments"]
                    given.append(ranked[0]["treatment"] if ranked else "")
                    decisions.append(answer.json()["decision"])
            threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(len(given), CUSTOMERS)
        self.assertLessEqual(given.count("letter"), 7)
        self.assertLessEqual(given.count("call"), 5)
        self.assertEqual(given.count("letter") + given.count("call"), 12)
        for decision in decisions[::9]:
            run(self.folder, "decide", "--replay", decision)


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
