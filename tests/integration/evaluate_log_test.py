# SPDX-License-Identifier: Apache-2.0
"""attune evaluate --log: a log of another program against the formulas written out, and logs that are wrong.

    evaluate_log_test.py ATTUNE"""
import csv
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

ATTUNE = os.path.abspath(sys.argv[1])
FOLDS = 5


def naive(rows):
    """IPS, SNIPS and the effective number of rows, from (weight, reward)."""
    weights = [w for w, _ in rows]
    total = sum(w * r for w, r in rows)
    return {"IPS": total / len(rows), "SNIPS": total / sum(weights), "effective": sum(weights) ** 2 / sum(w * w for w in weights)}


class Log(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-log-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)

    def write(self, text, name="log.csv"):
        path = os.path.join(self.folder, name)
        with (gzip.open if name.endswith(".gz") else open)(path, "wt", encoding="utf-8", newline="") as file:
            file.write(text)
        return path

    def ask(self, path, *more, code=0):
        done = subprocess.run([ATTUNE, "evaluate", "--log", path, *more], capture_output=True, text=True, timeout=120, cwd=self.folder)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def json(self, path, *more):
        return json.loads(self.ask(path, "--json", *more).stdout)

    def estimates(self, judged):
        return {estimate["name"]: estimate for estimate in judged["estimates"]}

    def made(self, seed=1, count=3000):
        """Two channels, three actions, drawn unevenly; the other policy prefers b, which earns most."""
        dice, rows = random.Random(seed), []
        logged, other, rate = {"a": .5, "b": .2, "c": .3}, {"a": .1, "b": .7, "c": .2}, {"a": .1, "b": .4, "c": .2}
        for n in range(count):
            action = dice.choices(list(logged), list(logged.values()))[0]
            rows.append({"customer": n // 3, "action": action, "probability": logged[action], "channel": "mail" if n % 4 else "web",
                         "reward": int(dice.random() < rate[action]), "new_probability": other[action]})
        return rows, sum(other[a] * rate[a] for a in rate), rate

    def text(self, rows, columns):
        return ",".join(columns) + "\n" + "".join(",".join(str(row[c]) for c in columns) + "\n" for row in rows)

    def test_the_formulas(self):
        rows, truth, _ = self.made()
        answer = self.json(self.write(self.text(rows, list(rows[0]))))
        self.assertEqual((answer["decisions"], answer["customers"], answer["actions"], answer["drawn"]), (3000, 1000, 3, 3000))
        judged = answer["policies"][0]
        self.assertEqual((judged["policy"], judged["support"]), ("new_probability", "good"))
        expected = naive([(row["new_probability"] / row["probability"], row["reward"]) for row in rows])
        found = self.estimates(judged)
        for name in ("IPS", "SNIPS"):
            self.assertAlmostEqual(found[name]["value"], expected[name], 12)
        self.assertAlmostEqual(judged["effective"], expected["effective"], 6)
        for name, estimate in found.items():
            self.assertLess(estimate["low"], truth, name)
            self.assertGreater(estimate["high"], truth, name)
            self.assertLess(estimate["bernstein_low"], estimate["low"], name)
        self.assertEqual(judged["estimates"][0]["name"], "DRos")
        parts = {part["value"]: part for part in answer["parts"]}
        self.assertEqual(set(parts), {"mail", "web"})
        for channel, part in parts.items():
            own = [(row["new_probability"] / row["probability"], row["reward"]) for row in rows if row["channel"] == channel]
            self.assertEqual(part["decisions"], len(own))
            self.assertAlmostEqual(self.estimates(part)["SNIPS"]["value"], naive(own)["SNIPS"], 12)

    def test_always_one_action(self):
        rows, _, rate = self.made(2)
        answer = self.json(self.write(self.text(rows, ["customer", "action", "probability", "reward"])))
        self.assertEqual([policy["policy"] for policy in answer["policies"]], ["a", "c", "b"])  # the most frequent first
        for policy in answer["policies"]:
            own = [(1 / row["probability"] if row["action"] == policy["policy"] else 0, row["reward"]) for row in rows]
            self.assertAlmostEqual(self.estimates(policy)["IPS"]["value"], naive(own)["IPS"], 12)
            dros = self.estimates(policy)["DRos"]
            self.assertTrue(dros["low"] < rate[policy["policy"]] < dros["high"], policy["policy"])

    def test_the_other_action_is_named(self):
        rows, _, _ = self.made(3)
        for row in rows:
            row["new_action"] = "b" if row["customer"] % 2 else "unheard of"
        answer = self.json(self.write(self.text(rows, ["action", "probability", "reward", "new_action"])))
        judged = answer["policies"][0]
        self.assertIsNone(answer["customers"])
        self.assertEqual(judged["support"], "part")  # half of it was never logged
        self.assertIn("prediction alone", judged["says"])
        self.assertEqual(judged["supported"], sum(row["action"] == row["new_action"] for row in rows))

    def test_names_of_columns_gz_crlf_and_quotes(self):
        rows, _, _ = self.made(4)
        for row in rows:
            row["item"], row["click"], row["chance"] = f'"{row["action"]}, ""x"""', row["reward"], row["probability"]
        plain = self.json(self.write(self.text(rows, ["customer", "action", "probability", "reward", "new_probability"])))
        text = self.text(rows, ["chance", "customer", "item", "click", "new_probability"]).replace("\n", "\r\n")
        other = self.json(self.write(text, "log.csv.gz"), "--columns", "action=item,reward=click,probability=chance")
        self.assertEqual(plain["policies"], other["policies"])

    def test_wrong_rows_are_refused_by_line(self):
        rows, _, _ = self.made(5, 300)
        columns = ["customer", "action", "probability", "reward", "new_probability"]
        good = self.text(rows, columns)
        bad = ["1,a,0,1,.5", "1,a,,1,.5", "1,a,1.5,1,.5", "1,a,-0.1,1,.5", "1,a,nan,1,.5", "1,a,.5,,.5", "1,a,.5,yes,.5", "1,,.5,1,.5",
               "1,a,.5,1,1.01", "1,a,.5,1", "1,a,0.0,1,.5", "1,a,.5,inf,.5"]
        answer = self.json(self.write(good + "\n".join(bad) + "\n"))
        self.assertEqual(answer["policies"], self.json(self.write(good))["policies"])
        first = 302
        self.assertEqual({row["cause"]: (row["rows"], row["lines"]) for row in answer["refused"]}, {
            "the probability is 0": (2, [first, first + 10]), "no probability": (1, [first + 1]),
            "the probability is over 1": (1, [first + 2]), "the probability can't be read": (2, [first + 3, first + 4]),
            "the reward is no number": (3, [first + 5, first + 6, first + 11]), "no action": (1, [first + 7]),
            "the new probability is not from 0 to 1": (1, [first + 8]), "too few cells": (1, [first + 9])})
        screen = self.ask(self.write(good + "\n".join(bad) + "\n")).stdout
        self.assertIn("2 rows refused, the probability is 0: line 302, 312", screen)
        none = self.ask(self.write("action,probability,reward\na,0,1\n"), code=1)
        self.assertIn("1 row refused, the probability is 0: line 2", none.stdout)
        self.assertIn("no decision is left", none.stderr)

    def test_logs_that_cannot_answer(self):
        always = "action,probability,reward,new_probability\n" + "".join(f"a,1,{n % 2},.5\n" for n in range(500))
        judged = self.json(self.write(always))["policies"][0]
        self.assertEqual(judged["support"], "deterministic")
        self.assertTrue(all(estimate["value"] is None for estimate in judged["estimates"]))
        self.assertIn("nothing in it was drawn at random", self.ask(self.write(always)).stdout)
        never = always.replace("a,1,", "a,.5,").replace(",.5\n", ",0\n")
        judged = self.json(self.write(never))["policies"][0]
        self.assertEqual((judged["support"], judged["supported"]), ("none", 0))
        quiet = "action,probability,reward,new_probability\n" + "a,.5,0,.5\n" * 500  # no reward at all
        judged = self.json(self.write(quiet))["policies"][0]
        self.assertEqual((self.estimates(judged)["SNIPS"]["value"], self.estimates(judged)["SNIPS"]["low"]), (0, None))

    def test_numbers_beyond_any_log_are_refused(self):
        rows, _, _ = self.made(6, 300)
        columns = ["customer", "action", "probability", "reward", "new_probability"]
        good = self.text(rows, columns)
        bad = ["1,a,1e-320,1,.5", "1,a,1e-13,1,.5", "1,a,.5,1e308,.5", "1,a,.5,-2e15,.5", ",a,.5,1,.5", " ,a,.5,1,.5"]
        answer = self.json(self.write(good + "\n".join(bad) + "\n"))
        self.assertEqual(answer["policies"], self.json(self.write(good))["policies"])
        self.assertEqual({row["cause"]: row["lines"] for row in answer["refused"]}, {
            "the probability is below 1e-12": [302, 303], "the reward is beyond 1e15": [304, 305], "no customer": [306, 307]})

    def test_a_quoted_cell_over_two_lines_is_no_two_rows(self):
        answer = self.json(self.write("action,probability,reward\n" + '"x\ny",.5,1\n' * 3 + '"a ""b""",.5,0\n' + "a,.5,0\n" * 50))
        self.assertEqual((answer["decisions"], answer["actions"]), (51, 2))
        self.assertEqual(answer["refused"], [{"cause": "a quoted cell runs over the end of the line", "rows": 6, "lines": [2, 3, 4, 5, 6]}])

    def test_a_column_that_stands_there_twice(self):
        for head in ("action,probability,reward,reward", "action,reward,probability, action "):
            self.assertIn("2 columns", self.ask(self.write(head + "\na,.5,1,0\n"), code=1).stderr)
        self.assertEqual(self.json(self.write("action,probability,reward,x,x\na,.5,1,0,0\n"))["decisions"], 1)

    def test_a_byte_order_mark(self):
        rows, _, _ = self.made(7, 300)
        text = self.text(rows, ["action", "probability", "reward"])
        self.assertEqual(self.json(self.write(text))["policies"], self.json(self.write("\ufeff" + text))["policies"])

    def test_parts_that_were_not_drawn_and_parts_left_out(self):
        rows, _, _ = self.made(8)
        for n, row in enumerate(rows):
            row["segment"] = f"s{n % 25}"
            if row["channel"] == "mail":  # always the best, and the other policy mostly the same
                row["probability"], row["new_probability"] = 1, .9
        answer = self.json(self.write(self.text(rows, list(rows[0]))))
        parts = {part["value"]: part for part in answer["parts"]}
        self.assertEqual((parts["mail"]["support"], parts["web"]["support"]), ("deterministic", "good"))
        self.assertTrue(all(estimate["value"] is None for estimate in parts["mail"]["estimates"]))
        self.assertEqual((len(parts), answer["parts_left_out"]), (22, 5))

    def test_files_that_are_no_log(self):
        for text, said in (("", "is empty"), ("action,reward\na,1\n", "has no column probability"), ("action,probability,reward\n", "no decision is left"),
                           ("action,probability,reward,new_action,new_probability\n", "both new_probability and new_action")):
            self.assertIn(said, self.ask(self.write(text), code=1).stderr)
        path = self.write("action,probability,reward\na,.5,1\n")
        self.assertIn("is none of action", self.ask(path, "--columns", "rewrd=x", code=1).stderr)
        self.assertIn("has no column x", self.ask(path, "--columns", "reward=x", code=1).stderr)
        self.assertIn("No such file", self.ask("missing.csv", code=1).stderr)
        self.assertIn("neither a model", self.ask(path, "--from", "2017-01-01", code=1).stderr)
        odd = self.write("action,probability,reward\n" + "\x00\xff,.5,1\n" * 50 + ",,,,,,,\n" + '"never closed,.5,1\n')
        self.ask(odd)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
