#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A data directory of manifest format 1 (before rows stood under keys): a merged run, a fresh run and a log, links and quarantine, written
by the program of then. It opens, answers as it did, is read without being changed, and knows its rows when they come again.

usage: old_directory_test.py ATTUNE
"""
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest

ATTUNE = "attune"
DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "directory-1.tar.gz")
# What the program of then said of these customers, at these times.
ANSWERS = {
    ("email:c1@a.example", "2018-01-01"): (11, 98.75, 3, 4),
    ("email:c1@a.example", "2017-05-15"): (5, 48.80, 2, 2),
    ("cookie:k7", "2018-01-01"): (11, 101.76, 4, 4),
    ("cookie:k7", "2017-05-15"): (6, 53.51, 2, 2),
    ("email:c20@a.example", "2018-01-01"): (10, 86.95, 5, 0),
}


def rows_of(part):
    """The files of one of the four loads; the last one is still in the log."""
    orders = ["order_id,at,email,cookie,amount"]
    for i in range(60):
        n = (part - 1) * 60 + i + 1
        who = n * 7 % 23
        cookie = "k%d" % who if n % 3 == 0 else ""
        orders.append("o%d,2017-%02d-%02dT10:00:00Z,c%d@a.example,%s,%d.%02d" % (n, part * 2, 1 + i % 28, who, cookie, 1 + n % 17, n % 100))
    web = [json.dumps({"type": "track", "event": "Clicked", "anonymousId": "k%d" % ((i * 5 + part) % 23), "messageId": "m%d-%d" % (part, i),
                       "timestamp": "2017-%02d-%02dT12:00:00Z" % (part * 2, 1 + i % 28), "properties": {"button": "buy" if i % 3 else "see"}})
           for i in range(40)]
    return "\n".join(orders) + "\n", "\n".join(web) + "\n"


class OldDirectory(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.at = self.folder.name
        with tarfile.open(DIRECTORY) as archive:
            archive.extractall(self.at)
        self.db = os.path.join(self.at, "db")

    def tearDown(self):
        self.folder.cleanup()

    def run_attune(self, *words, code=0):
        done = subprocess.run([ATTUNE, *words], cwd=self.at, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def check_answers(self):
        for (customer, at), (orders, spent, clicks, seen) in ANSWERS.items():
            traits = json.loads(self.run_attune("traits", customer, "--dir", "db", "--at", at, "--json"))["traits"]
            money = float(re.match(r"[0-9.]+", str(traits["spent"])).group())
            self.assertEqual((traits["orders"], money, traits["clicks"], traits["seen"]), (orders, spent, clicks, seen), (customer, at))

    def load(self, name, text):
        folder = os.path.join(self.at, "more")
        os.makedirs(folder, exist_ok=True)
        for old in os.listdir(folder):
            os.remove(os.path.join(folder, old))
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
        answer = json.loads(self.run_attune("ingest", "--dir", "db", "--data", "more", "--json"))
        sources = [s for s in answer["sources"] if s["files"]]
        return sum(s["events"] for s in sources), sum(s["repeats"] for s in sources)

    def test_reading_changes_nothing(self):
        with open(os.path.join(self.db, "MANIFEST"), "rb") as file:
            before = file.read()
        files = sorted(os.listdir(self.db))
        self.check_answers()
        self.run_attune("fsck", "--dir", "db")
        with open(os.path.join(self.db, "MANIFEST"), "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual([f for f in sorted(os.listdir(self.db)) if f != "LOCK"], [f for f in files if f != "LOCK"])

    def test_its_rows_are_known_when_they_come_again(self):
        for part in range(1, 5):
            orders, web = rows_of(part)
            self.assertEqual(self.load("orders.csv", orders), (0, 60), part)
            self.assertEqual(self.load("web.ndjson", web), (0, 40), part)
        # What they held is known from now on: with another time or another customer they are corrections, no new rows.
        moved = rows_of(1)[0].replace("T10:00", "T11:30").replace("c1@", "d1@")
        self.assertEqual(self.load("orders.csv", moved), (0, 0))
        self.assertEqual(self.load("orders.csv", moved), (0, 60))
        self.assertEqual(self.load("orders.csv", "order_id,at,email,cookie,amount\nnew,2017-09-01,c1@a.example,,1.00\n"), (1, 0))
        with open(os.path.join(self.db, "MANIFEST"), "rb") as file:
            self.assertTrue(file.read().startswith(b"attune manifest 3\n"))
        self.run_attune("fsck", "--dir", "db")

    def test_it_is_rebuilt_and_still_the_same(self):
        self.run_attune("rebuild", "--dir", "db")
        self.check_answers()
        self.run_attune("fsck", "--dir", "db")
        self.assertEqual(self.load("orders.csv", rows_of(4)[0]), (0, 60))

    def test_an_erasure_forgets_its_keys(self):
        self.run_attune("erase", "cookie:k7", "--dir", "db", "--yes")
        self.run_attune("fsck", "--dir", "db")
        events, repeats = self.load("web.ndjson", rows_of(1)[1])
        self.assertEqual(events, 0)
        self.assertGreater(repeats, 0)


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
