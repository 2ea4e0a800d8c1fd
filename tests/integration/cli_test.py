#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line over the real binary: helps, exit codes, JSON, the commands shown in the docs, and the table of bad input.

usage: cli_test.py ATTUNE SOURCE_ROOT      each test gets a folder of its own; what went wrong is printed with the command.
"""
import csv
import fcntl
import glob
import gzip
import json
import os
import pty
import re
import resource
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

ATTUNE, ROOT = "attune", "."

PLAYBOOK = """attune: 1
name: Shop
currency: USD
zone: UTC
customer: { identifiers: { email: {}, cookie: {} } }
sources:
  offer: { file: "offers*.csv", lookup: offer_id, types: { discount: number } }
  orders:
    file: "orders*.csv*"
    event: Order Completed
    channel: store
    time: at
    key: { email: email, cookie: cookie }
    row_key: order_id
    types: { amount: money, items: number }
    properties: { order_id: order_id, revenue: amount, items: items }
  web: { file: "web*.ndjson*", key: { cookie: anonymousId } }
  mail:
    file: "mail*.csv"
    event: Treatment Delivered
    channel: email
    time: at
    key: { email: email }
    properties: { treatment: treatment }
events: { Clicked: { button: text } }
traits:
  orders: count("Order Completed")
  spent: sum("Order Completed".revenue)
goals: { order: { event: Order Completed, within: 5d, value: revenue } }
models: { order: { goal: order } }
scenarios: { regular: { when: orders >= 2, goals: [order] } }
actions:
  letter: { for_each: offer, goal: order, model: order, title: "Offer {offer_id}", cost: 0.10 USD, channels: [email] }
policies:
  - { at_most: 1, in: 3d, channel: email }
"""
HEADER = "order_id,at,email,cookie,amount,items\n"
ORDERS = HEADER + "".join(
    f"o{i},2017-{1 + i % 6:02}-{1 + i % 27:02}T10:00:00Z,p{i % 7}@x.example,,{i}.50,{i % 3}\n" for i in range(60))
WEB = "".join(f'{{"event":"Clicked","anonymousId":"k{i}","messageId":"m{i}","timestamp":"2017-03-0{1 + i % 9}T08:00:00Z",'
              f'"properties":{{"button":"b{i}"}}}}\n' for i in range(20))


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="attune-cli-")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.write("playbook.yaml", PLAYBOOK)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)

    def run_it(self, *words, code=0, **more):
        environment = {**os.environ, "ATTUNE_DIR": self.path("data")}
        done = subprocess.run([ATTUNE, *words], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, **more)
        if code is not None:
            self.assertEqual(done.returncode, code, f"attune {' '.join(words)}\n{done.stdout}{done.stderr}")
        self.assertGreaterEqual(done.returncode, 0, f"attune {' '.join(words)} was killed by a signal\n{done.stderr}")
        return done

    def json_of(self, *words):
        text = self.run_it(*words, "--json").stdout
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            self.fail(f"attune {' '.join(words)} --json: {error}\n{text[:400]}")

    def refuses(self, words, *says, code=1, **more):
        """It fails, and its words name all of `says`."""
        done = self.run_it(*words, code=code, **more)
        for word in says:
            self.assertIn(word, done.stderr, f"attune {' '.join(words)}\nsays: {done.stderr}")
        return done

    def load(self):
        self.write("orders.csv", ORDERS)
        self.write("web.ndjson", WEB)
        self.write("offers.csv", "offer_id,discount\n7,5\n8,10\n")
        self.write("mail.csv", "at,email,treatment\n" + "".join(
            f"2017-0{1 + i % 5}-10T08:00:00Z,p{i % 7}@x.example,letter/{7 + i % 2}\n" for i in range(40)))
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        for name in ("orders.csv", "web.ndjson", "offers.csv", "mail.csv"):
            os.remove(self.path(name))

    def events(self):
        return self.json_of("status")["events"]

    def unharmed(self, events):
        self.run_it("fsck")
        self.assertEqual(self.events(), events)


def commands():
    text = subprocess.run([ATTUNE, "help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  ([a-z-]+)  ", text, re.M)


class Words(Case):
    def test_every_command_has_a_help(self):
        self.assertGreater(len(commands()), 15)
        for command in commands():
            for words in ((command, "--help"), ("help", command), (command, "-h")):
                self.assertIn(f"attune {command}", self.run_it(*words).stdout)

    def test_called_wrongly_is_two(self):
        self.run_it(code=2)
        self.refuses(["ingset"], "did you mean ingest?", code=2)
        self.refuses(["zzzzzzzz"], "attune help", code=2)
        self.refuses(["ingest", "--plybook", "x"], "did you mean --playbook?", code=2)
        self.refuses(["fold", "--at", "2017-01-01"], "fold has no option --at", code=2)
        self.refuses(["status", "--json=yes"], "takes no value", code=2)
        self.refuses(["decide", "--at"], "--at needs a value", code=2)
        self.refuses(["check"], "needs FILE", code=2)
        self.refuses(["status", "extra"], "one word too many: extra", code=2)
        self.refuses(["decide"], "--all", code=2)

    def test_what_cannot_be_learnt_is_named(self):
        self.write("orders.csv", ORDERS)
        self.write("offers.csv", "offer_id,discount\n7,5\n")
        names = ["lettre/7"] * 3 + ["letter"] * 2 + ["letter/99"] + [""] * 4
        self.write("mail.csv", "at,email,treatment\n" + "".join(
            f"2017-02-{10 + i}T08:00:00Z,p{i % 7}@x.example,{name}\n" for i, name in enumerate(names)))
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        self.refuses(["train"], "of 10 Treatment Delivered", "6 name no treatment of the playbook", "3 lettre/7: did you mean letter?",
                     "2 letter: a treatment of letter is called letter/ and a key of offer", "1 letter/99: offer has no such row",
                     "4 have no property treatment")
        self.write("mail2.csv", "at,email,treatment\n" + "".join(
            f"2017-03-{1 + i:02}T08:00:00Z,p{i % 7}@x.example,letter/7\n" for i in range(12)))
        self.run_it("ingest", "mail", "mail2.csv")
        text = self.run_it("train", "--until", "2017-04-01").stdout
        self.assertNotIn("rolling", text)
        self.assertIn("On training rows", text)
        self.assertIn("Of 22 Treatment Delivered", " ".join(text.split()))
        model = self.json_of("train", "--until", "2017-04-01")["models"][0]
        self.assertEqual(model["learnt_from"]["events"], 22)
        self.assertEqual(model["learnt_from"]["rows"], 12)
        self.assertEqual(model["learnt_from"]["unmatched_names"][0], {"name": "lettre/7", "events": 3})
        self.assertEqual(model["figures"]["from"], "training rows")
        self.assertEqual(self.json_of("status")["models"][0]["rows"], 12)
        self.write("changed.yaml", PLAYBOOK.replace("within: 5d", "within: 6d"))
        self.run_it("ingest", "--playbook", "changed.yaml", "offer", "offers.csv")
        self.assertTrue(self.json_of("status")["models"][0]["left_out"])
        self.assertIn("no longer fits the playbook", self.run_it("status").stdout)

    def test_what_was_seen_in_hindsight_is_told(self):
        self.load()
        before = self.json_of("train", "--until", "2017-07-01")["models"][0]["learnt_from"]
        self.assertEqual(before["corrected_later"], 0)
        first = [line for line in ORDERS.splitlines()[1:] if "2017-01-01T" in line]
        self.write("mended.csv", HEADER + "".join(line.replace(".50,", ".75,") + "\n" for line in first))
        self.run_it("ingest", "orders", "mended.csv")
        after = self.json_of("train", "--until", "2017-07-01")["models"][0]["learnt_from"]
        self.assertEqual(after["rows"], before["rows"])
        self.assertEqual(after["corrected_later"], len(first))
        self.assertIn(f"{len(first)} events before these rows were known only by a later correction",
                      " ".join(self.run_it("train", "--until", "2017-07-01").stdout.split()))

    def test_another_row_key_is_warned_of(self):
        """Rows keep the keys under which they were stored, so those that come again count beside them."""
        self.load()
        self.write("again.csv", ORDERS)
        quiet = self.run_it("ingest", "--playbook", "playbook.yaml", "orders", "again.csv")
        self.assertNotIn("row_key", quiet.stderr)
        self.write("playbook.yaml", PLAYBOOK.replace("    row_key: order_id\n", "    row_key: [order_id, email]\n"))
        warned = self.run_it("ingest", "--playbook", "playbook.yaml", "orders", "again.csv")
        self.assertIn("source orders has another row_key than before", warned.stderr)

    def test_no_row_that_was_learnt_is_judged(self):
        """The delay of a source was counted twice: rows of the last days before the cut were taken for unseen."""
        self.write("playbook.yaml", PLAYBOOK.replace("    row_key: order_id\n", "    row_key: order_id\n    arrives: 20d\n"))
        self.write("orders.csv", ORDERS)
        self.write("offers.csv", "offer_id,discount\n7,5\n")
        self.write("mail.csv", "at,email,treatment\n" + "".join(
            f"2017-{1 + i // 28:02}-{1 + i % 28:02}T08:00:00Z,p{i % 7}@x.example,letter/7\n" for i in range(140)))
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        learnt = self.json_of("train", "--until", "2017-03-20")["models"][0]["learnt_from"]["rows"]
        judged = self.json_of("evaluate", "order", "--until", "2017-07-01")
        self.assertGreater(learnt, 40)
        self.assertEqual(judged["rows_left_out"], learnt)
        self.assertEqual(judged["rows"] + learnt, judged["counts"]["rows"])

    def test_misspelt_names(self):
        self.load()
        self.refuses(["ingest", "ordres", "x.csv"], "did you mean orders?")
        self.refuses(["why-not", "email:p1@x.example", "leter"], "did you mean letter?")
        self.refuses(["train", "ordr"], "did you mean order?")
        self.refuses(["evaluate", "ordr"], "did you mean order?")
        self.refuses(["quarantine", "replay", "--source", "ordres"], "did you mean orders?")
        self.refuses(["explain", "spnet"], "did you mean", "spent")
        self.refuses(["customer", "email:nobody@x.example"], "nobody@x.example")
        self.refuses(["decide", "email:p1@x.example", "--at", "yesterday"], "yesterday", "2017-12-06")
        self.refuses(["quarantine", "lst"], "list", code=None)
        self.refuses(["quarantine", "list", "--source", "ordres"], "did you mean orders?")
        for command in ("customer", "traits", "unmerge", "erase", "decide"):
            self.refuses([command, "emial:p1@x.example"], "no identifier type emial", "did you mean email?")
        self.refuses(["why-not", "emial:p1@x.example", "letter"], "did you mean email?")
        self.refuses(["customer", "phone:1"], "there is email, cookie")
        self.refuses(["why-not", "email:p1@x.example", "letter/99"], "letter has no row 99")
        self.refuses(["why-not", "email:p1@x.example", "flyer/99"], "no action flyer", "there is letter")
        self.refuses(["customer", "email:p1@x.example", "--tmie", "2017-01-01"], "no option --tmie", code=2)

    def test_everything_as_json(self):
        self.load()
        self.write("bad.csv", HEADER + "b1,2017-01-01,z@x.example,,1.00,many\n")
        self.run_it("ingest", "orders", "bad.csv")
        for words in (["status"], ["data"], ["customer", "email:p1@x.example"], ["scenarios", "--at", "2017-06-01"], ["train", "--until", "2017-03-15"],
                      ["evaluate", "order", "--from", "2017-03-16", "--until", "2017-06-01"], ["decide", "email:p1@x.example", "--dry-run"],
                      ["check", "playbook.yaml"], ["ingest", "orders", "bad.csv"]):
            self.json_of(*words)

    def test_what_has_no_json_says_so(self):
        for command in commands():
            if "--json" not in self.run_it(command, "--help").stdout:
                self.refuses([command, "--json"], "no option --json", code=2)


class Permissions(Case):
    def modes(self, folder):
        for where, folders, files in os.walk(folder):
            for name in folders + files:
                path = os.path.join(where, name)
                yield os.path.relpath(path, self.folder), os.stat(path).st_mode & 0o777

    def test_what_tells_of_customers_is_its_owners_alone(self):
        self.addCleanup(os.umask, os.umask(0))
        before = set(os.listdir(self.folder))
        self.load()
        self.run_it("fold")
        self.run_it("train", "--until", "2017-03-15")
        self.run_it("traits", "--at", "2017-06-01", "--out", "traits.csv")
        self.run_it("decide", "--all", "--at", "2017-06-01", "--out", "decisions.csv")
        self.run_it("evaluate", "order", "--from", "2017-03-16", "--until", "2017-06-01", "--out", "scores.csv")
        self.run_it("report", "--at", "2017-06-01", "--out", "pages")
        self.run_it("backup", "copy")
        made = sorted(set(os.listdir(self.folder)) - before)
        self.assertEqual(made, ["copy", "data", "decisions.csv", "pages", "scores.csv", "traits.csv"])
        seen = 0
        for name, mode in self.modes(self.folder):
            if name.split(os.sep)[0] in made:
                self.assertEqual(mode, 0o700 if os.path.isdir(self.path(name)) else 0o600, f"{name} has {mode:o}")
                seen += 1
        self.assertGreater(seen, 20)

    def on_terminal(self, columns, *words):
        """What a terminal of so many columns gets."""
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        process = subprocess.Popen([ATTUNE, *words], cwd=self.folder, stdout=side, stderr=subprocess.DEVNULL)
        os.close(side)
        pieces = []
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError: # the other end is closed
                break
            if not piece:
                break
            pieces.append(piece)
        os.close(main)
        self.assertEqual(process.wait(), 0)
        return b"".join(pieces).decode("utf-8").replace("\r\n", "\n")

    def test_tables_fit_the_terminal(self):
        self.load()
        self.run_it("train", "--until", "2017-03-15")
        email = "somebody.with.a.long.name.and.more@a-long-domain-name.example"
        self.write("orders2.csv", HEADER + f"z1,2017-01-02T10:00:00Z,{email},,1.00,1\nz2,2017-01-02,{email},,{'x' * 70},1\n")
        self.run_it("ingest", "orders", "orders2.csv")
        for columns in (80, 100):
            for words in (["scenarios", "--at", "2017-06-01"], ["report", "--at", "2017-06-01", "--out", "pages"], ["data"],
                          ["check", "playbook.yaml"], ["customer", f"email:{email}", "--at", "2017-06-01T10:00"], ["rebuild"], ["status"],
                          ["decide", f"email:{email}", "--dry-run", "--at", "2017-06-01T10:00"], ["quarantine", "show", "orders2.csv:3"]):
                told = self.on_terminal(columns, *words)
                wide = [line for line in told.split("\n") if len(line) > columns and not line.startswith(("playbook.yaml:", "z2,"))]  # for editors, and a row as it came
                self.assertEqual(wide, [], f"{words} at {columns} columns")
                self.assertNotRegex(told, r"(?m)^\s*al\b|interv$", f"{words} at {columns} columns: a heading is cut within a word")

    def test_the_report_shows_months_money_and_offers(self):
        self.load()
        self.run_it("train", "--until", "2017-03-15")
        report = json.loads(self.run_it("report", "--at", "2017-06-01", "--out", "pages", "--json").stdout)
        sums = [s["sum"] for month in report["months"] for s in month["sums"]]
        due = [f"{i}.50" for i in range(60) if f"2017-{1 + i % 6:02}-{1 + i % 27:02}T10" < "2017-06-01"]
        self.assertAlmostEqual(sum(sums), sum(map(float, due)), places=6)
        self.assertEqual([model["name"] for model in report["models"]], ["order"])
        self.assertEqual(sum(o["offered"] for o in report["offers"]), report["funnel"]["offered"])
        with open(self.path("pages/report.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn("Month by month", page)
        self.assertIn("What is offered", page)
        examples = len(report["examples"])
        self.assertIn({1: "One of these decisions", 2: "Two of these", 3: "Three of these"}[examples], page)

    def test_a_file_that_was_shared_stays_so(self):
        self.load()
        os.chmod(self.write("traits.csv", "an older export, longer than nothing\n" * 1000), 0o640)
        self.run_it("traits", "--at", "2017-06-01", "--out", "traits.csv")
        self.assertEqual(os.stat(self.path("traits.csv")).st_mode & 0o777, 0o640)
        with open(self.path("traits.csv"), encoding="utf-8") as file:
            self.assertNotIn("an older export", file.read())


class Output(Case):
    """What --out names is whole or as it was, and no decision is recorded that the output doesn't hold."""
    OLD = "an older export\n"
    COMMANDS = (["traits"], ["traits", "--json"], ["decide", "--all", "--dry-run"], ["evaluate", "order", "--from", "2017-03-16", "--until", "2017-06-01"])

    def limited(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    def words(self, words):
        return words + ([] if "--until" in words else ["--at", "2017-06-01"])

    def is_untouched(self, words):
        with open(self.path("out.csv"), encoding="utf-8") as file:
            self.assertEqual(file.read(), self.OLD, words)

    def test_a_full_disk_leaves_the_old_file_and_nothing_else(self):
        self.load()
        self.run_it("train", "--until", "2017-03-15")
        self.write("out.csv", self.OLD)
        before = sorted(os.listdir(self.folder))
        for words in self.COMMANDS:
            self.refuses(self.words(words) + ["--out", "out.csv"], "out.csv", "whole", preexec_fn=self.limited, restore_signals=False)
            self.is_untouched(words)
            self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_a_death_leaves_the_old_file(self):
        self.load()
        self.run_it("train", "--until", "2017-03-15")
        for words in self.COMMANDS:
            self.run_it(*self.words(words), "--out", "out.csv")
            with open(self.path("out.csv"), encoding="utf-8") as file:
                whole = file.read()
            self.write("out.csv", self.OLD)
            process = subprocess.Popen([ATTUNE, *self.words(words), "--out", "out.csv"], cwd=self.folder, env={**os.environ, "ATTUNE_DIR": self.path("data")},
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and not os.path.exists(self.path("out.csv.tmp")):
                pass
            process.kill()
            process.wait()
            with open(self.path("out.csv"), encoding="utf-8") as file:
                self.assertIn(file.read(), (self.OLD, whole), words)
            self.write("out.csv.tmp", "half of a li")
            self.run_it(*self.words(words), "--out", "out.csv")  # what was left of the killed one is in nobody's way
            self.assertFalse(os.path.exists(self.path("out.csv.tmp")))

    def test_what_is_no_file_is_written_in_place(self):
        self.load()
        whole = self.run_it("traits", "--at", "2017-06-01").stdout
        self.write("real.csv", self.OLD)
        os.symlink("real.csv", self.path("link.csv"))
        self.run_it("traits", "--at", "2017-06-01", "--out", "link.csv")
        self.assertTrue(os.path.islink(self.path("link.csv")))
        with open(self.path("real.csv"), encoding="utf-8") as file:
            self.assertEqual(file.read(), whole)
        self.assertTrue(self.run_it("traits", "--at", "2017-06-01", "--out", "/dev/stdout").stdout.startswith(whole))

    def test_write_errors_are_told(self):
        self.load()
        before = self.events()
        for words in (["traits"], ["traits", "--json"], ["decide", "--all"], ["decide", "--all", "--json"]):
            self.refuses([*words, "--at", "2017-06-01", "--out", "/dev/full"], "/dev/full could not be written whole")
            with open("/dev/full", "wb") as full:
                done = subprocess.run([ATTUNE, *words, "--at", "2017-06-01"], cwd=self.folder, env={**os.environ, "ATTUNE_DIR": self.path("data")},
                                      stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("could not be written", done.stderr)
            self.assertEqual(self.events(), before, f"{words}: decisions were recorded that nobody got")

    def test_thousands_of_decisions_are_recorded_once_the_file_is_whole(self):
        count = 4500  # more than twice what is kept in memory
        self.load()
        self.write("orders.csv", HEADER + "".join(f"m{i},2017-02-01T10:00:00Z,many{i}@x.example,,1.50,1\n" for i in range(count)))
        self.run_it("ingest", "orders", "orders.csv")
        before, customers = self.events(), self.json_of("status")["customers"]
        self.refuses(["decide", "--all", "--at", "2017-06-01", "--out", "/dev/full"], "/dev/full")
        self.assertEqual(self.events(), before)
        self.run_it("decide", "--all", "--at", "2017-06-01", "--out", "out.csv")
        self.assertEqual(self.events(), before + customers)
        self.assertEqual([name for name in os.listdir(self.path("data")) if name.endswith(".tmp")], [])
        self.assertIn("Decision Made", self.run_it("customer", f"email:many{count - 1}@x.example").stdout)
        self.run_it("fsck")


LISTS = PLAYBOOK.replace("channels: [email] }", "channels: [email], starting_propensity: 20% }"
    ).replace("value: revenue", "value: 10 USD") + """holdout: { share: 30%, salt: list }
decide: { slots: 5, lists: { email: { address: email, spent: spent }, phone: { number: cookie } } }
"""
LISTS = LISTS.replace("policies:", """  call: { goal: order, cost: 0.10 USD, channels: [phone], starting_propensity: 20% }
  push: { goal: order, cost: 0.10 USD, channels: [app], starting_propensity: 20% }
policies:""")


class ContactList(Case):
    """decide --all --list: what a mail house is handed."""

    def setUp(self):
        super().setUp()
        self.write("playbook.yaml", LISTS)
        people = [f"o{i},2017-01-0{1 + i % 9}T10:00:00Z,p{i}@x.example,{'k%d' % i if i % 2 else ''},{i}.50,1\n" for i in range(40)]
        evil = ["e1,2017-01-02T10:00:00Z,=cmd()@x.example,+49301234,5.00,1\n", "e2,2017-01-02T10:00:00Z,,-evil,5.00,1\n"]
        self.write("orders.csv", HEADER + "".join(people + evil))
        self.write("offers.csv", "offer_id,discount\n1,5\n2,10\n")
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")

    def rows(self, name):
        with open(self.path(name), encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def test_it_has_addresses_and_no_holdout(self):
        told = json.loads(self.run_it("decide", "--all", "--at", "2017-02-01", "--out", "all.csv", "--list", "list.csv", "--json").stdout)
        with open(self.path("all.csv"), encoding="utf-8") as file:
            decisions = [json.loads(line) for line in file]
        due = [(d["name"], r["treatment"], r["channel"]) for d in decisions for r in d["ranked"] if not r["withheld"]]
        withheld = {d["name"] for d in decisions if d["withheld"]}
        lines = self.rows("list.csv")
        self.assertGreater(len(withheld), 3)
        self.assertEqual({line["customer"] for line in lines} & withheld, set())
        self.assertTrue(set((l["customer"], l["treatment"], l["channel"]) for l in lines) <= set(
            ("'" + name if name[0] in "=@" else name, treatment, channel) for name, treatment, channel in due))
        for line in lines:
            if line["channel"] == "email":
                self.assertTrue(line["address"] and line["spent"].endswith("USD"), line)
                self.assertEqual(line["number"], "")
            else:
                self.assertEqual(line["channel"], "phone")
                self.assertTrue(line["number"], line)
        ids = {d["name"]: d["decision"] for d in decisions}
        for line in lines:
            self.assertEqual(line["decision"], ids[line["customer"].lstrip("'")])
            self.assertEqual(line["send_after"], "")
        self.assertEqual(len(set(ids.values())), len(ids))
        self.assertEqual(told["list"]["lines"], len(lines))
        self.assertEqual(len(due), len(lines) + told["list"]["no_address"] + sum(c == "app" for _, _, c in due))
        self.assertEqual({line["channel"] for line in lines}, {"email", "phone"})

    def test_the_address_is_one_that_may_be_used(self):
        """A merge carries no yes to another address, and the newest address is not the one that said yes."""
        self.write("playbook.yaml", """attune: 1
currency: USD
customer: { identifiers: { crm: {}, email: {} } }
sources:
  seen: { file: "seen*.csv", event: Seen, time: at, key: { crm: crm, email: email }, row_key: id }
  opt: { file: "opt*.csv", event: Opt In Changed, time: at, key: { email: email }, row_key: id, properties: { channel: ch, state: state } }
goals: { order: { event: Seen, within: 7d, value: 10 USD } }
actions: { letter: { goal: order, channels: [email], starting_propensity: 10% } }
policies: [ { never_without: opt_in, channel: email } ]
decide: { lists: { email: { address: email } } }
""")
        self.write("opt.csv", "id,at,email,ch,state\n1,2024-01-01,old@x.example,email,yes\n2,2024-01-01,ben@x.example,email,no\n")
        self.write("seen.csv", "id,at,crm,email\n1,2024-01-02,1,old@x.example\n2,2024-01-03,1,new@x.example\n"
                   "3,2024-01-02,2,ben@x.example\n4,2024-01-03,2,other@x.example\n")
        self.run_it("ingest", "--dir", "permission", "--playbook", "playbook.yaml", "--data", ".")
        self.run_it("decide", "--dir", "permission", "--all", "--at", "2024-02-01", "--out", "all.csv", "--list", "list.csv")
        self.assertEqual([line["address"] for line in self.rows("list.csv")], ["old@x.example"])

    def test_no_cell_is_a_formula(self):
        self.run_it("decide", "--all", "--at", "2017-02-01", "--out", "all.csv", "--list", "list.csv")
        cells = {cell for line in self.rows("list.csv") for cell in line.values()}
        self.assertIn("'=cmd()@x.example", cells)
        self.assertIn("+49301234", cells)
        self.assertFalse([cell for cell in cells if cell[:1] in ("=", "@", "\t")])

    def test_without_lists_it_says_what_to_write(self):
        self.write("plain.yaml", PLAYBOOK)
        done = self.run_it("decide", "--all", "--playbook", "plain.yaml", "--at", "2017-02-01", "--dry-run", "--list", "list.csv", code=1)
        self.assertIn("lists:", done.stderr)
        self.assertFalse(os.path.exists(self.path("list.csv")))
        done = self.run_it("decide", "C1", "--list", "list.csv", code=2)
        self.assertIn("--list goes with --all", done.stderr)


class Twice(Case):
    """The same run twice is the same run."""

    def counts(self):
        answer = json.loads(self.run_it("data", "--json").stdout)
        return answer["events"], answer["dirty_rows"]

    def test_decide_all_records_once(self):
        self.write("orders.csv", ORDERS)
        self.write("offers.csv", "offer_id,discount\n7,5\n")
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        said = json.loads(self.run_it("decide", "--all", "--out", "a.csv", "--json").stdout)
        self.assertEqual((said["recorded"], said["recorded_before"]), (said["funnel"]["customers"], 0))
        before = self.counts()
        again = self.run_it("decide", "--all", "--out", "b.csv", "--json")
        said = json.loads(again.stdout)
        self.assertEqual((said["recorded"], said["recorded_before"]), (0, said["funnel"]["customers"]))
        self.assertIn("recorded before", again.stderr)
        self.assertEqual(self.counts(), before)
        with open(self.path("a.csv"), encoding="utf-8") as one, open(self.path("b.csv"), encoding="utf-8") as two:
            self.assertEqual(one.read(), two.read())

    def test_options_that_would_be_overlooked(self):
        """A replay beside --all would decide for everybody, and record it."""
        self.write("playbook.yaml", """attune: 1
currency: USD
customer: { identifiers: { crm: } }
sources: { seen: { file: "seen*.csv", event: Seen, time: at, key: { crm: crm }, row_key: id } }
goals: { order: { event: Seen, within: 7d, value: 10 USD } }
actions: { letter: { goal: order, channels: [email], starting_propensity: 10% } }
""")
        self.write("seen.csv", "id,crm,at\n1,1,2024-01-01\n2,2,2024-01-01\n")
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        before = self.counts()
        for words in (["--all"], ["--at", "2024-01-10"], ["--out", "x.csv"], ["--placement", "shelf"], ["--context", "{}"], ["--count", "1"]):
            self.refuses(["decide", "--replay", "0123456789abcdef", *words], "--replay ID goes with", code=2)
        self.refuses(["decide", "--replay", "zzz"], "'zzz' is no id of a decision")
        somebody = json.loads(self.run_it("traits", "--json").stdout.splitlines()[0])["customer"]
        for size in (256, 70000):
            self.refuses(["decide", somebody, "--placement", "a" * size], "the placement has", "at most 255")
        self.refuses(["decide", somebody, "--context", "page: checkout"], "the context is no JSON object")
        for count in ("0", "17", "two"):
            self.refuses(["decide", somebody, "--count", count], "write a whole number from 1 to 16")
        self.refuses(["decide", somebody, "--context", "\udcff"], "the context is not UTF-8")
        self.assertEqual(self.counts(), before)

    def test_a_decision_at_placements(self):
        """Where it is asked for, and what is said of the moment, is kept, counts, and is made again."""
        self.write("playbook.yaml", """attune: 1
currency: USD
customer: { identifiers: { crm: } }
sources: { seen: { file: "seen*.csv", event: Seen, time: at, key: { crm: crm }, row_key: id } }
goals: { order: { event: Seen, within: 7d, value: 10 USD } }
context: { page: text, note: text }
actions:
  shoes: { goal: order, channels: [web], starting_propensity: 10%, applicable: context.page == "shoes" }
  hats: { goal: order, channels: { web: { content: "Hats" } }, starting_propensity: 5% }
  box: { goal: order, channels: [web], starting_propensity: 20% }
placements: { top: { channels: [web], slots: 2, fallback: Hello }, side: { actions: [shoes], fallback: { head: Hi } } }
bundles: [ { only: box, with: shoes } ]
""")
        self.write("seen.csv", "id,crm,at\n1,1,2024-01-01\n")
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        said = json.dumps({"page": "shoes", "secret": "4711"})
        done = self.run_it("decide", "crm:1", "--placement", "side,top", "--context", said, "--json")
        self.assertIn("context.secret is left out", done.stderr)
        self.assertNotIn("4711", done.stderr + done.stdout)
        answer = json.loads(done.stdout)
        self.assertEqual([(r["treatment"], r["placement"]) for r in answer["ranked"]],
                         [("shoes", "side"), ("box", "top"), ("hats", "top")])
        self.assertEqual(answer["ranked"][2]["content"], {"text": "Hats"})
        again = json.loads(self.run_it("decide", "--replay", answer["decision"], "--json").stdout)
        self.assertTrue(again["replay"]["equal"])
        shown = self.run_it("decide", "crm:1", "--placement", "side,top", "--count", "1", "--dry-run").stdout
        self.assertIn("At side: 0 treatments; its fallback is shown", shown)
        why = self.run_it("why-not", "crm:1", "box", "--placement", "top", "--context", '{"page": "hats"}').stdout
        self.assertIn("the bundle says box only with shoes", " ".join(why.split()))
        why = self.run_it("why-not", "crm:1", "hats", "--placement", "side").stdout
        self.assertIn("it can't stand at side", " ".join(why.split()))
        self.refuses(["decide", "crm:1", "--placement", "tpo"], "did you mean top?")
        self.refuses(["decide", "crm:1", "--context", json.dumps({"note": "a" * 1025})], "keeps at most 1024")

    def test_a_run_that_says_something_else_is_another_run(self):
        """A row that held somebody is dropped from quarantine: what is offered then is recorded, and counts."""
        self.write("playbook.yaml", """attune: 1
currency: USD
customer: { identifiers: { crm: } }
sources:
  seen: { file: "seen*.csv", event: Seen, time: at, key: { crm: crm }, row_key: id }
  opt: { file: "opt*.csv", event: Opt In Changed, time: at, key: { crm: crm }, row_key: id, properties: { channel: ch, state: state } }
goals: { order: { event: Seen, within: 7d, value: 10 USD } }
actions: { letter: { goal: order, channels: [email], starting_propensity: 10% } }
policies: [ { never_without: opt_in, channel: email }, { at_most: 1, in: 7d, channel: email } ]
""")
        self.write("seen.csv", "id,crm,at\n1,1,2024-01-01\n2,2,2024-01-01\n")
        self.write("opt.csv", "id,crm,at,ch,state\n1,1,2024-01-02,email,yes\n2,2,2024-01-02,email,yes\n3,1,2024-01-03,email,perhaps\n")
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        at = ["--all", "--at", "2024-01-10", "--json", "--out", "out.ndjson"]
        said = json.loads(self.run_it("decide", *at).stdout)
        self.assertEqual((said["funnel"]["offered"], said["recorded"]), (1, 2))
        self.run_it("quarantine", "drop", "opt.csv:4")
        said = json.loads(self.run_it("decide", *at).stdout)
        self.assertEqual((said["funnel"]["offered"], said["recorded"], said["recorded_before"]), (2, 1, 1))
        said = json.loads(self.run_it("decide", *at).stdout)
        self.assertEqual((said["funnel"]["offered"], said["recorded"], said["recorded_before"]), (2, 0, 2))
        later = json.loads(self.run_it("decide", "--all", "--at", "2024-01-10 01:00", "--json", "--dry-run", "--out", "out.ndjson").stdout)
        self.assertEqual(later["funnel"]["offered"], 0, "what was handed over is pending and counts")

    def test_ingest_counts_once(self):
        self.write("orders.csv", ORDERS + "bad,never,p@x.example,,1,1\no99,2017-01-01,p@x.example,,1,1")
        self.write("offers.csv", "offer_id,discount\n7,5\n7,6\n")
        self.write("web1.ndjson", "[\n" + ",\n".join(WEB.splitlines()) + ",\n{\"event\":\"Clicked\"}\n]")
        first = json.loads(self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".", "--json").stdout)
        before = self.counts()
        again = json.loads(self.run_it("ingest", "--data", ".", "--json").stdout)
        self.assertEqual(self.counts(), before)
        for one, two in zip(first["sources"], again["sources"]):
            self.assertEqual(two["events"], 0, two)
            self.assertEqual(two["repeats"], one["events"], two)
            self.assertEqual((two["quarantined"], two["quarantined_before"]), (0, one["quarantined"]), two)
        # A table that has not changed may have a new bad row beside it: it is kept as well.
        self.write("offers.csv", "offer_id,discount\n7,5\n7,6\n8,abc\n")
        third = json.loads(self.run_it("ingest", "--data", ".", "--json").stdout)["sources"][0]
        self.assertEqual((third["quarantined"], third["quarantined_before"]), (1, 1))
        self.assertEqual(self.counts(), (before[0], before[1] + 1))


class CutShort(Case):
    def test_a_run_that_is_cut_short_while_it_is_read(self):
        """The command waits in the pipe, which holds less than it has to write, while the file loses its end."""
        self.load()
        self.write("orders.csv", HEADER + "".join(f"m{i},2017-02-01T10:00:00Z,many{i}@x.example,,1.50,1\n" for i in range(40000)))
        self.run_it("ingest", "orders", "orders.csv")
        self.run_it("fold")
        os.mkfifo(self.path("pipe"))
        environment = {**os.environ, "ATTUNE_DIR": self.path("data")}
        with subprocess.Popen([ATTUNE, "traits", "--at", "2017-06-01", "--out", "pipe"], cwd=self.folder, env=environment,
                              stderr=subprocess.PIPE, text=True) as running:
            with open(self.path("pipe"), "rb") as pipe:
                pipe.read(1)
                for run in glob.glob(self.path("data/runs/*.run")):
                    os.truncate(run, 0)
                while pipe.read(1 << 16):
                    pass
            told = running.communicate(timeout=120)[1]
        self.assertEqual(running.returncode, 74, told)
        self.assertEqual(told, "attune: a stored file could not be read (disk error, or it was cut short while open); run attune fsck, or restore a backup\n")


class Loading(Case):
    """A file that can't be read ends the loading; what is in, what is not and how to go on is said."""

    def files(self):
        self.write("orders.csv", ORDERS)
        self.write("web.ndjson", WEB)
        self.write("offers.csv", "offer_id,discount\n7,5\n8,10\n")
        self.write("mail.csv", "at,email,treatment\n2017-01-10T08:00:00Z,p1@x.example,letter/7\n")

    def stop(self, playbook=PLAYBOOK):
        self.files()
        self.write("playbook.yaml", playbook)
        self.write("orders.csv", ORDERS.replace("order_id", "order", 1))
        return self.refuses(["ingest", "--playbook", "playbook.yaml", "--data", "."], "orders.csv", "order_id")

    def test_stopping_says_what_is_in(self):
        done = self.stop()
        said = " ".join(done.stderr.split())
        self.assertIn("Loaded: offer, web, mail. Not whole: orders.", said)
        self.assertIn("load only the rest: attune ingest --source orders", said)
        rows = {line.split()[0]: line for line in done.stdout.splitlines()}
        self.assertIn("failed", rows["orders"])
        self.assertEqual(self.events(), 20 + 1)
        self.write("orders.csv", ORDERS)
        self.run_it("ingest", "--source", "orders", "--data", ".")
        self.assertEqual(self.events(), 60 + 20 + 1)

    def test_a_lookup_that_fails_ends_the_loading(self):
        self.files()
        self.write("playbook.yaml", PLAYBOOK)
        self.write("offers.csv", "offer,discount\n7,5\n")
        done = self.refuses(["ingest", "--playbook", "playbook.yaml", "--data", "."], "offers.csv", "offer_id")
        said = " ".join(done.stderr.split())
        self.assertIn("Not whole: offer. Not loaded: orders, web, mail.", said)
        self.assertIn("say the same again", said)
        self.files()
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        self.assertEqual(self.events(), 60 + 20 + 1)

    def test_files_that_cannot_be_read_are_all_named(self):
        self.write("plain.yaml", "attune: 1\ncustomer: { identifiers: { email: } }\nsources:\n  s: { file: 's*.csv', event: Seen, time: at, "
                   "key: { email: email }, row_key: id }\n")
        self.write("s1.csv", "id,email,at\n1,a@x.example,2024-01-01\n")
        self.write("s2.csv", "<html>\n")
        self.write("s4.csv", "id,mail,at\n2,b@x.example,2024-01-01\n")
        self.write("s5.csv", "id,email,at\n3,c@x.example,2024-01-01\n")
        os.symlink("nowhere", self.path("s3.csv"))
        done = self.run_it("ingest", "--playbook", "plain.yaml", "--data", ".", code=1)
        for name in ("s2.csv", "s3.csv", "s4.csv"):
            self.assertIn(name, done.stderr)
        self.assertEqual(self.events(), 2)

    def test_files_that_are_in_are_not_loaded_again(self):
        playbook = PLAYBOOK.replace("mail.csv", "mail*.csv", 1)
        self.files()
        self.write("mail_2.csv", "at,who\n")
        self.write("playbook.yaml", playbook)
        done = self.refuses(["ingest", "--playbook", "playbook.yaml", "--data", "."], "mail_2.csv")
        self.assertIn("attune ingest mail FILE", " ".join(done.stderr.split()))

    def test_undated_events_are_events(self):
        self.write("plain.yaml", "attune: 1\ncustomer: { identifiers: { email: } }\nsources:\n  s: { file: s.csv, event: Seen, time: always, "
                   "key: { email: email }, row_key: id }\ntraits: { n: count(\"Seen\") }\n")
        self.write("s.csv", "id,email\n1,a@x.example\n")
        os.mkdir(self.path("s_folder"))
        self.run_it("ingest", "--playbook", "plain.yaml", "--data", ".")
        self.assertEqual(json.loads(self.run_it("traits", "email:a@x.example", "--json").stdout)["traits"]["n"], 1)

    def test_two_actions_of_one_title_are_told_apart(self):
        self.write("plain.yaml", "attune: 1\ncurrency: USD\ncustomer: { identifiers: { email: } }\nsources:\n  s: { file: s.csv, event: Seen, "
                   "time: at, key: { email: email }, row_key: id }\ngoals: { g: { event: Seen, within: 7d, value: 1 USD } }\n"
                   "actions:\n  one: { title: Hello, goal: g, channels: [web], starting_propensity: 5% }\n"
                   "  two: { title: Hello, goal: g, channels: [web], starting_propensity: 4% }\n"
                   "  three: { title: Bye, goal: g, channels: [web], starting_propensity: 3% }\ndecide: { slots: 3 }\n")
        self.write("s.csv", "id,email,at\n1,a@x.example,2024-01-01\n")
        self.run_it("ingest", "--playbook", "plain.yaml", "--data", ".")
        said = self.run_it("decide", "email:a@x.example", "--dry-run").stdout
        for words in ("1. Hello (one) by web", "2. Hello (two) by web", "3. Bye by web"):
            self.assertIn(words, said)

    def test_a_decision_of_a_file_does_not_hide_a_recorded_one(self):
        self.write("plain.yaml", "attune: 1\ncurrency: USD\ncustomer: { identifiers: { email: } }\nsources:\n"
                   "  s: { file: s.csv, event: Seen, time: at, key: { email: email }, row_key: id }\n"
                   "  d: { file: d.csv, event: Decision Made, time: at, key: { email: email }, row_key: id, properties: { decision: decision } }\n"
                   "goals: { g: { event: Seen, within: 7d, value: 1 USD } }\n"
                   "actions: { one: { goal: g, channels: [web], starting_propensity: 5% } }\n")
        self.write("s.csv", "id,email,at\n1,a@x.example,2024-01-01\n2,b@x.example,2024-01-01\n")
        self.run_it("ingest", "--source", "s", "--playbook", "plain.yaml", "--data", ".")
        known = self.json_of("decide", "email:b@x.example")["decision"]
        self.write("d.csv", f"id,email,at,decision\n1,a@x.example,2023-01-01,{known}\n2,b@x.example,2023-01-01,{known}\n")
        self.run_it("ingest", "--source", "d", "--data", ".")
        self.assertEqual(self.json_of("decide", "--replay", known)["replay"]["verdict"], "equal")

    def test_a_disk_that_gets_full_is_told_with_its_figures(self):
        self.write("orders.csv", HEADER + "".join(f"o{i},2017-01-01,p{i}@x.example,,1.00,1\n" for i in range(30_000)))
        done = self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".", "--json", code=1,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000)))
        orders = {source["source"]: source for source in json.loads(done.stdout)["sources"]}["orders"]
        self.assertIn("cannot write", done.stderr)
        self.assertNotIn("Mend the file", done.stderr)
        self.assertGreater(orders["events"], 0)
        self.assertGreaterEqual(orders["rows"], orders["events"])  # it was 0
        self.unharmed(orders["events"])
        self.run_it("ingest", "--data", ".")
        self.unharmed(30_000)

    def test_as_json(self):
        self.stop()
        answer = json.loads(self.run_it("ingest", "--data", ".", "--json", code=1).stdout)
        self.assertEqual([(source["source"], source["outcome"]) for source in answer["sources"]],
                         [("offer", "loaded"), ("orders", "failed"), ("web", "loaded"), ("mail", "loaded")])
        self.assertIn("order_id", answer["error"])

    def test_a_folder_that_is_none_has_no_nameless_row(self):
        self.files()
        done = self.run_it("ingest", "--playbook", "playbook.yaml", "--data", "nowhere", code=1)
        for line in done.stdout.splitlines():
            self.assertRegex(line, r"^(source|offer|orders|web|mail)\b")

    def test_files_that_would_double_are_named(self):
        self.files()
        self.assertRegex(self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".").stdout, r"mail .* no row_key: a file that comes twice")
        warnings = self.json_of("check", "playbook.yaml")["warnings"]
        self.assertEqual([warning["suggestion"] for warning in warnings], ["row_key: [email, at]"])
        self.assertIn(f"playbook.yaml:{warnings[0]['line']}:3: warning: source mail", self.run_it("check", "playbook.yaml").stdout)
        mended = PLAYBOOK.replace("    event: Treatment Delivered\n", f"    event: Treatment Delivered\n    {warnings[0]['suggestion']}\n")
        self.write("mended.yaml", mended)
        self.assertEqual(self.json_of("check", "mended.yaml")["warnings"], [])
        before = self.events()
        for _ in range(2):
            self.run_it("ingest", "mail", "mail.csv", "--playbook", "mended.yaml")
        self.assertEqual(self.events(), before + 1)  # once under its new key, and no more


class Pipe(Case):
    """Rows of a pipe that stays open are seen by other commands; the pipe's end is not waited for."""

    def clicks(self):
        answer = json.loads(self.run_it("data", "--json").stdout)
        return sum(field["count"] for field in answer["fields"] if field["event"] == "Clicked" and not field["field"])

    def test_rows_are_seen_before_the_end(self):
        self.write("offers.csv", "offer_id,discount\n7,5\n")
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        pipe = subprocess.Popen([ATTUNE, "ingest", "web", "-"], cwd=self.folder, stdin=subprocess.PIPE,
                                env={**os.environ, "ATTUNE_DIR": self.path("data")}, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(pipe.kill)
        lines = WEB.encode().splitlines(True)
        for count in (1, 2):
            pipe.stdin.write(lines[count])
            pipe.stdin.flush()
            for _ in range(600):  # no bar on the time: a reader that waits for the end never gets there
                if self.clicks() == count:
                    break
                time.sleep(0.1)
            self.assertEqual(self.clicks(), count)
        self.refused_while_open()
        pipe.stdin.close()
        self.assertEqual(pipe.wait(60), 0, pipe.stderr.read())
        pipe.stdout.close(), pipe.stderr.close()
        self.run_it("ingest", "--data", ".")

    def refused_while_open(self):
        said = self.run_it("ingest", "--data", ".", code=1).stderr
        self.assertIn("is writing to this data directory", said)


class Quarantine(Case):
    def setUp(self):
        super().setUp()
        self.load()
        os.mkdir(self.path("in"))
        self.write("in/bad.csv", HEADER + "b1,2017-01-01,z@x.example,,1.00,many\nb2,2017-01-01,z@x.example,,1.00,few\n")
        self.run_it("ingest", "orders", "in/bad.csv")

    def test_a_row_is_asked_for_by_its_place(self):
        self.assertIn("attune quarantine show in/bad.csv:2", self.run_it("quarantine", "list").stdout)
        for word in ("in/bad.csv:2", "bad.csv:2"):
            shown = self.run_it("quarantine", "show", word).stdout
            self.assertIn("b1,2017-01-01", shown)
            self.assertNotIn("b2,", shown)
        row = self.json_of("quarantine", "show", "bad.csv:3")["rows"][0]
        self.assertEqual((row["source"], row["line"]), ("orders", 3))
        self.assertIn("b2,", self.run_it("quarantine", "show", str(row["id"])).stdout)
        self.refuses(["quarantine", "show", "d.csv:2"], "no row d.csv:2")
        self.refuses(["quarantine", "show", "bad.csv:4"], "no row bad.csv:4")
        self.refuses(["quarantine", "show", "bad.csv"], "FILE:LINE")
        self.refuses(["quarantine", "show"], "FILE:LINE")


class Figures(Case):
    """One figure for one thing: rows of the files, also where those of one event wait as one entry."""

    GROUPED = """attune: 1
currency: USD
customer: { identifiers: { email: {} } }
sources:
  orders:
    file: "orders*.csv"
    event: Order Completed
    time: at
    key: { email: email }
    one_event_per: order
    types: { n: number }
    properties: { items: [item], total: sum(n) }
"""

    def test_rows_and_entries(self):
        self.write("playbook.yaml", self.GROUPED)
        self.write("orders.csv", "order,at,email,item,n\n" + "".join(
            f"{order},2017-01-01,a@x.example,\"x\ny\",{'bad' if order < 3 and line == 2 else 1}\n"
            for order in range(5) for line in range(4)))
        loaded = json.loads(self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".", "--json").stdout)["sources"][0]
        self.assertEqual((loaded["rows"], loaded["events"], loaded["quarantined"], loaded["quarantine_entries"]), (20, 2, 12, 3))
        listed, data, status = self.json_of("quarantine", "list"), self.json_of("data"), self.json_of("status")
        self.assertEqual((listed["rows"], listed["reasons"][0]["rows"], listed["reasons"][0]["entries"]), (12, 12, 3))
        self.assertEqual((data["dirty_rows"], data["dirty_entries"]), (12, 3))
        self.assertEqual((status["quarantined_rows"], status["quarantine_entries"]), (12, 3))
        self.assertIn("12 rows, as 3 entries", self.run_it("quarantine", "list").stdout)
        replayed = self.json_of("quarantine", "replay")
        self.assertEqual((replayed["rows"], replayed["events"], replayed["still_quarantined"]), (12, 0, 12))
        self.write("playbook.yaml", self.GROUPED.replace("types: { n: number }", "").replace("sum(n)", "first(n)"))
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        replayed = self.json_of("quarantine", "replay")
        self.assertEqual((replayed["rows"], replayed["events"], replayed["still_quarantined"]), (12, 3, 0))
        self.assertEqual(self.json_of("status")["quarantined_rows"], 0)


    def test_versions_are_no_events(self):
        """`status` counts events as `data` does, also where one was retracted twice, or brought back."""
        self.write("playbook.yaml", PLAYBOOK.replace("    row_key: order_id\n", "    row_key: order_id\n    row_version: v\n"
                                                     "    retract_when: { items: 0 }\n").replace("items: number }", "items: number, v: number }"))
        head = "order_id,at,email,cookie,amount,items,v\n"
        rows = lambda version, *what: head + "".join(f"o{i},2017-01-01,a@x.example,,{amount},{items},{version}\n" for i, amount, items in what)
        steps = ((rows(1, *((i, 5, 1) for i in range(10))), 10, 0), (rows(2, (1, 6, 1), (2, 7, 1)), 10, 2), (rows(3, (2, 7, 0), (3, 5, 0)), 8, 4),
                 (rows(4, (2, 7, 0)), 8, 4), (rows(5, (2, 8, 1)), 9, 4), (rows(6, (2, 8, 0)), 8, 5))
        for fold in (False, True):
            for text, events, earlier in steps:
                self.write("orders.csv", text)
                self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
                if fold:
                    self.run_it("fold")
                status = self.json_of("status")
                data = self.json_of("data")
                self.assertEqual((status["events"], status["earlier_versions"]), (events, earlier), text)
                self.assertEqual((data["events"], data["earlier_versions"]), (events, earlier), text)
            shutil.rmtree(self.path("data"))


class CheckedFiles(Case):
    """check --data says of each file what ingest would say of it."""

    def test_files_are_held_against_the_sources(self):
        self.write("offers.csv", "offer_id,discount\n7,5\n")
        self.write("orders1.csv", ORDERS)
        self.assertIn("2 files can be loaded", self.run_it("check", "playbook.yaml", "--data", ".").stdout)
        self.write("orders2.csv", ORDERS.replace("order_id", "order", 1))
        self.write("orders3.csv", "")
        self.write("mail.csv", b"\xff\xfea\x00t\x00")
        done = self.run_it("check", "playbook.yaml", "--data", ".", code=1)
        self.assertIn("orders2.csv:1: there is no column order_id", done.stdout)
        self.assertIn("the file is UTF-16", done.stdout)
        self.assertIn("3 files can be loaded, 2 can't", done.stdout)
        answer = json.loads(self.run_it("check", "playbook.yaml", "--data", ".", "--json", code=1).stdout)
        told = {os.path.basename(file["file"]): file["message"] for file in answer["files"]}
        self.assertEqual({name for name, message in told.items() if message}, {"orders2.csv", "mail.csv"})
        self.write("offers.csv", "offer,discount\n7,5\n")
        self.assertIn("there is no column offer_id", self.run_it("check", "playbook.yaml", "--data", ".", code=1).stdout)
        self.assertFalse(os.path.exists(self.path("data")))


class Printing(Case):
    def test_a_file_that_is_no_text(self):
        self.write("book.yaml", b"PK\x03\x04\x00\x00 a spreadsheet")
        self.refuses(["check", "book.yaml"], "book.yaml is no text file")

    def test_data_do_not_steer_the_terminal(self):
        steering = "\x1b]0;owned\x07\x9b31m"
        email = f"a{steering}@x.example"
        self.write("orders.csv", HEADER + f"o1,2017-01-02T10:00:00Z,{email},k{steering},1.00,1\n"
                   f"o{steering},2017-01-03T10:00:00Z,{email},,2.00,{steering}\n")
        self.write("web.ndjson", json.dumps({"event": f"E{steering}", "anonymousId": f"k{steering}", "messageId": "m1",
                                             "timestamp": "2017-03-01T08:00:00Z", "properties": {f"p{steering}": steering}}) + "\n")
        self.write("offers.csv", f"offer_id,discount\n7,5\n{steering},10\n9,{steering}\n")
        self.write("mail.csv", f"at,email,treatment\n2017-01-10T08:00:00Z,{email},letter/{steering}\n")
        self.run_it("ingest", "--playbook", "playbook.yaml", "--data", ".")
        for words in (["customer", f"email:{email}"], ["customer", "email:nobody" + steering], ["quarantine", "list"], ["quarantine", "show", "orders.csv:3"],
                      ["data"], ["decide", f"email:{email}"], ["why-not", f"email:{email}", "letter"], ["why-not", f"email:{email}", f"letter{steering}"],
                      ["traits", "--all"], ["status" + steering], ["ingest", f"or{steering}", "x.csv"], ["ingest", "orders", f"x{steering}.csv"], ["status", "--dir", steering]):
            done = self.run_it(*words, code=None)
            for sign in "\x1b\x07\x9b":
                self.assertNotIn(sign, done.stdout + done.stderr, f"attune {words}")

    def test_suggestions(self):
        self.write("bad.yaml", PLAYBOOK.replace("when: orders >= 2", "when: ordrs >= 2").replace("goals: [order]", "goals: [ordr]"))
        answer = json.loads(self.run_it("check", "bad.yaml", "--json", code=1).stdout)
        self.assertFalse(answer["fine"])
        self.assertEqual(sorted(error["suggestion"] for error in answer["errors"]), ["order", "orders"])

    def test_times_are_the_companys(self):
        self.write("playbook.yaml", PLAYBOOK.replace("zone: UTC", "zone: Europe/Berlin"))
        self.load()
        shown = self.run_it("customer", "email:p1@x.example", "--at", "2017-06-01").stdout
        self.assertIn("as known at 2017-06-01\n", shown)  # 22:00 of the day before in UTC
        self.assertIn("(times in Europe/Berlin)", shown)
        self.assertIn("2017-02-10 09:00", shown)
        answer = self.json_of("customer", "email:p1@x.example", "--at", "2017-06-01")
        self.assertEqual(answer["at"], "2017-05-31T22:00:00Z")
        self.assertIn("2017-02-10T08:00:00Z", [event["time"] for event in answer["timeline"]])


class Docs(unittest.TestCase):
    """Every `$ attune …` of the docs is a command with options that exist and as many words as it takes."""

    def shown(self):
        files = [os.path.join(ROOT, "README.md")] + sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")))
        for name in files:
            with open(name, encoding="utf-8") as file:
                text = file.read()
            for block in re.findall(r"^```(?:console|sh)\n(.*?)^```", text, re.M | re.S):
                for line in block.splitlines():
                    if line.startswith("$ attune "):
                        yield os.path.basename(name), line[2:]

    def test_commands_are_real(self):
        shown = list(self.shown())
        self.assertGreater(len(shown), 10)
        for name, line in shown:
            words = shlex.split(line.split("|")[0], comments=True)[1:]
            done = subprocess.run([ATTUNE, *words, "--help"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, f"{name}: {line}\n{done.stderr}")


class BadInput(Case):
    def setUp(self):
        super().setUp()
        self.load()
        self.before = self.events()

    def bad_rows(self, name, text, *says):
        """The file is taken, its bad rows are in quarantine with reasons that say this."""
        self.write(name, text)
        self.run_it("ingest", "orders", name)
        listed = self.run_it("quarantine", "list").stdout
        for word in says:
            self.assertIn(word, listed)

    def test_unknown_column(self):
        self.write("bad.csv", "order,at,email,cookie,amount,items\n1,2017-01-01,a@x.example,,1,1\n")
        self.refuses(["ingest", "orders", "bad.csv"], "bad.csv", "order_id")
        self.unharmed(self.before)

    def test_wrong_type(self):
        self.bad_rows("bad.csv", HEADER + "b1,2017-01-01,a@x.example,,1.00,many\nb2,2017-01-01,a@x.example,,1.00,1\n", "items", "many")
        self.unharmed(self.before + 1)

    def test_missing_file(self):
        self.refuses(["ingest", "orders", "nowhere.csv"], "nowhere.csv")
        self.refuses(["ingest", "--data", "nowhere"], "nowhere")
        self.unharmed(self.before)

    def test_a_file_that_ends_in_the_middle(self):
        whole = gzip.compress((HEADER + "".join(f"g{i},2017-01-01,a@x.example,,{i}.00,1\n" for i in range(20000))).encode())
        self.write("orders.csv.gz", whole[:len(whole) * 2 // 3])
        self.refuses(["ingest", "orders", "orders.csv.gz"], "orders.csv.gz")
        self.run_it("fsck")
        self.write("orders.csv.gz", whole)
        self.run_it("ingest", "orders", "orders.csv.gz")  # the whole file repairs it: nothing twice
        self.assertEqual(self.events(), self.before + 20000)

    def test_an_open_quote(self):
        self.write("open.csv", HEADER + 'q1,2017-01-01,a@x.example,,1.00,1\nq2,2017-01-01,"a@x.example,,1.00,1\n')
        done = self.run_it("ingest", "orders", "open.csv", code=None)
        told = done.stderr + done.stdout + self.run_it("quarantine", "list").stdout
        self.assertIn("quote", told)
        self.unharmed(self.before + 1)

    def test_a_full_disk(self):
        self.write("big.csv", HEADER + "".join(f"f{i},2017-01-01T00:00:00Z,u{i}@x.example,,{i}.00,1\n" for i in range(60000)))

        def little():
            import signal
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        self.refuses(["ingest", "orders", "big.csv"], self.path("data"), preexec_fn=little)
        self.run_it("fsck")
        self.run_it("ingest", "orders", "big.csv")
        self.assertEqual(self.events(), self.before + 60000)

    def test_a_directory_that_may_not_be_written(self):
        if os.geteuid() != 0 or shutil.which("setpriv") is None:
            self.skipTest("needs root and setpriv to become nobody")
        self.write("more.csv", HEADER + "n1,2017-01-01,a@x.example,,1.00,1\n")
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ATTUNE, "ingest", "orders", "more.csv",
                               "--dir", self.path("data")], cwd=self.folder, capture_output=True, text=True)
        if "failed to execute" in done.stderr:
            self.skipTest("nobody may not run the binary where it lies")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(self.path("data"), done.stderr)
        self.unharmed(self.before)

    def flip(self, name, offset):
        with open(name, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0x10]))

    def files(self, *parts):
        return [name for name in glob.glob(self.path("data") + "/**/*", recursive=True)
                if os.path.isfile(name) and any(part in name for part in parts)]

    def test_a_damaged_run(self):
        self.run_it("fold")
        runs = self.files("run")
        self.assertTrue(runs)
        for offset in (os.path.getsize(runs[0]) // 2, 40, os.path.getsize(runs[0]) - 20):
            self.flip(runs[0], offset)
            done = self.run_it("fsck", code=1)
            self.assertIn(os.path.basename(runs[0]), done.stdout + done.stderr)
            self.flip(runs[0], offset)
        self.run_it("fsck")

    def test_a_newer_or_damaged_file(self):
        self.run_it("fold")
        self.run_it("train", "--until", "2017-06-01")
        for kind in ("MANIFEST", "SALT", "lookups", "models", "playbooks"):
            names = self.files(kind)
            self.assertTrue(names, kind)
            with open(names[0], "rb") as file:
                kept = file.read()
            for damaged in (kept[:len(kept) // 2], b"", bytes(b ^ 0x55 for b in kept), kept[:4] + b"\xff" + kept[5:]):
                self.write(names[0], damaged)
                done = self.run_it("status", code=None)
                if kind != "MANIFEST":  # of which an older one may serve
                    self.assertIn(os.path.basename(names[0]), done.stderr, f"nobody noticed: {damaged[:40]}")
                if kind in ("SALT", "playbooks"):  # without a lookup or a model, the rest can be looked at
                    self.assertEqual(done.returncode, 1)
            self.write(names[0], kept)
        self.unharmed(self.before)

    def test_a_playbook_that_no_longer_fits(self):
        cases = {
            "misspelt trait": (PLAYBOOK.replace("when: orders >= 2", "when: ordres >= 2"), "orders"),
            "misspelt event": (PLAYBOOK.replace('count("Order Completed")', 'count("Order Complete")'), "Order Completed"),
            "changed type": (PLAYBOOK.replace("amount: money", "amount: text"), "revenue"),
            "no YAML": ("attune: 1\n\tname: x\n", ":2:"),
            "newer form": (PLAYBOOK.replace("attune: 1", "attune: 2"), "attune"),
        }
        for what, (text, says) in cases.items():
            self.write("changed.yaml", text)
            with self.subTest(what):
                self.assertIn("changed.yaml:", self.run_it("check", "changed.yaml", code=1).stdout)
                self.refuses(["status", "--playbook", "changed.yaml"], "changed.yaml", says)
                self.refuses(["ingest", "--playbook", "changed.yaml", "--data", "."], says)
                self.unharmed(self.before)
        self.write("changed.yaml", PLAYBOOK.replace("  orders:\n    file", "  sales:\n    file"))
        self.write("more.csv", HEADER)
        self.refuses(["ingest", "orders", "more.csv", "--playbook", "changed.yaml"], "no source orders")
        self.unharmed(self.before)

    def test_no_directory_and_no_playbook(self):
        self.refuses(["status", "--dir", "nowhere"], "nowhere")
        os.mkdir(self.path("empty"))
        self.refuses(["status", "--dir", "empty"], "empty")
        self.refuses(["status", "--playbook", "nowhere.yaml"], "nowhere.yaml")
        self.refuses(["fsck", "--dir", "nowhere"], "nowhere")
        self.refuses(["backup", self.path("data")], self.path("data"))
        self.refuses(["ingest", "--dir", "nowhere"], "nowhere is no data directory", "--playbook FILE")
        self.assertFalse(os.path.exists(self.path("nowhere")))
        self.unharmed(self.before)

    def test_a_second_writer(self):
        environment = {**os.environ, "ATTUNE_DIR": self.path("data")}
        first = subprocess.Popen([ATTUNE, "ingest", "orders", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
        try:
            first.stdin.write(HEADER)
            first.stdin.flush()
            while not self.is_held_by(first.pid):
                self.assertIsNone(first.poll(), "the first writer gave up")
            self.refuses(["fold"], self.path("data"), "is writing to this data directory", str(first.pid))
            self.run_it("status")  # readers may look on
        finally:
            first.communicate("s1,2017-01-01,a@x.example,,1.00,1\n", timeout=60)
        self.assertEqual(first.returncode, 0)
        self.unharmed(self.before + 1)

    def is_held_by(self, process):
        with open(self.path("data/LOCK"), encoding="utf-8") as file:
            return file.read().split() == [str(process)]


if __name__ == "__main__":
    ATTUNE, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
