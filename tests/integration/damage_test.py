#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damaged data directories through the command line: each reading command gives the answer it gave before, or none.

Every case damages a copy of one small directory in one place. A command that touches the place must end with a code that is not 0, and
with words that name the file and what helps; one that does not need the place must answer exactly as before. No crash, no hang, and
no smaller answer.

usage: damage_test.py ATTUNE
"""
import glob
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

ATTUNE = "attune"
AT = "2017-07-01"

PLAYBOOK = """attune: 1
name: Shop
currency: USD
zone: UTC
customer: { identifiers: { email: {}, cookie: {} } }
sources:
  offer: { file: "offers*.csv", lookup: offer_id, types: { discount: number } }
  orders:
    file: "orders*.csv"
    event: Order Completed
    channel: store
    time: at
    key: { email: email, cookie: cookie }
    row_key: order_id
    types: { amount: money, items: number }
    properties: { order_id: order_id, revenue: amount, items: items, shop: shop }
  web: { file: "web*.ndjson", key: { cookie: anonymousId } }
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
  northern: count("Order Completed" where shop == "north" and items > 0)
goals: { order: { event: Order Completed, within: 5d, value: revenue } }
models: { order: { goal: order } }
scenarios: { regular: { when: orders >= 2, goals: [order] } }
actions:
  letter: { for_each: offer, goal: order, model: order, title: "Offer {offer_id}", cost: 0.10 USD, channels: [email] }
policies:
  - { at_most: 1, in: 3d, channel: email }
"""
HEADER = "order_id,at,email,cookie,amount,items,shop\n"


def orders(first, count):
    rows = (f"o{i},2017-{1 + i % 6:02}-{1 + i % 27:02}T10:00:00Z,p{i % 13}@x.example,{'k%d' % (i % 13) if i % 7 == 0 else ''},{i}.50,{i % 3},"
            f"{'north' if i % 2 else 'south'}\n" for i in range(first, first + count))
    return HEADER + "".join(rows) + f"bad{first},2017-01-01T10:00:00Z,p1@x.example,,1.00,many,north\n"


WEB = "".join(f'{{"event":"Clicked","anonymousId":"k{i}","messageId":"m{i}","timestamp":"2017-03-0{1 + i % 9}T08:00:00Z",'
              f'"properties":{{"button":"b{i}"}}}}\n' for i in range(20))
MAIL = "at,email,treatment\n" + "".join(
    f"2017-0{1 + i % 5}-{10 + i % 9}T08:00:00Z,p{i % 13}@x.example,letter/{7 + i % 2}\n" for i in range(80))

READING = (
    ["customer", "email:p1@x.example", "--at", AT],
    ["customer", "email:p1@x.example", "--at", AT, "--json"],
    ["traits", "--at", AT],
    ["traits", "email:p1@x.example", "--at", AT],
    ["scenarios", "--at", AT],
    ["decide", "--all", "--at", AT, "--dry-run"],
    ["decide", "email:p1@x.example", "--at", AT, "--dry-run", "--json"],
    ["why-not", "email:p1@x.example", "letter", "--at", AT],
    ["data"],
    ["quarantine", "list"],
    ["quarantine", "show", "ID"],
    ["evaluate", "order", "--from", "2017-03-01", "--until", "2017-06-01"],
    ["status"],
    ["train", "order", "--until", "2017-05-01"],
)
OPENING = ("customer", "decide", "quarantine", "train")  # enough where opening the directory fails already
REMEDIES = ("attune rebuild", "from a backup", "newer program", "attune train", "attune ingest")

# ---- bytes ----


def crc32c(*pieces):
    crc = 0xFFFFFFFF
    for byte in b"".join(pieces):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def flip(path, at, bit=4):
    data = bytearray(read(path))
    data[at] ^= 1 << bit
    write(path, bytes(data))


PART_SECTIONS = ("times", "types", "channels", "known times", "positions", "sources", "keys", "text heap", "property blocks", "block index")
TABLES = ("entry customers", "entry personas", "entry rows", "index bits", "index ranks", "index entries")


def run_places(path):
    """(name, offset, length) of all that a run consists of; docs/file-formats.md tells the bytes."""
    data = read(path)
    footer, footer_length = struct.unpack_from("<QQ", data, len(data) - 64)
    part_count, column_count = struct.unpack_from("<II", data, footer + 12)
    yield "header", 0, 64
    at = footer + 80
    for name in TABLES:
        yield (name,) + struct.unpack_from("<QQ", data, at)
        at += 40
    at += 8 * column_count + 64 * part_count
    for part in range(part_count):
        for name in PART_SECTIONS + tuple(f"column {i}" for i in range(column_count)):
            yield (f"{name} of part {part}",) + struct.unpack_from("<QQ", data, at)
            at += 40
    yield "footer", footer, footer_length
    yield "trailer", len(data) - 64, 64


def frame_places(path):
    """Offsets of the frames of a log, links or quarantine file."""
    data = read(path)
    at = 24
    while at < len(data):
        yield at
        at += 40 + struct.unpack_from("<I", data, at + 8)[0]


def without_sizes(said):
    """`attune data` tells bytes on the disk, which a fold changes."""
    return [line for line in said.splitlines() if not line.startswith("disk ")]


# ---- the cases ----


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-damage-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.good, cls.bad = os.path.join(cls.folder, "good"), os.path.join(cls.folder, "bad")
        for name, text in (("playbook.yaml", PLAYBOOK), ("orders1.csv", orders(0, 200)), ("orders2.csv", orders(200, 40)), ("web.ndjson", WEB),
                           ("orders3.csv", orders(240, 30)), ("mail.csv", MAIL), ("offers.csv", "offer_id,discount\n7,5\n8,10\n")):
            write(os.path.join(cls.folder, name), text.encode())
        cls.must("ingest", "orders", "orders1.csv", "--playbook", "playbook.yaml")
        for words in (("offer", "offers.csv"), ("web", "web.ndjson"), ("mail", "mail.csv")):
            cls.must("ingest", *words)
        cls.must("fold", "--merge")
        cls.must("train", "order", "--until", "2017-04-15")
        for name in ("orders2.csv", "orders3.csv"):
            cls.must("ingest", "orders", name)
        row_id = str(json.loads(cls.must("quarantine", "list", "--json").stdout)["reasons"][0]["first_id"])
        cls.commands = [[row_id if word == "ID" else word for word in words] for words in READING]
        cls.answers = [cls.ask(words, cls.good) for words in cls.commands]
        for words, answer in zip(cls.commands, cls.answers):
            assert answer.returncode == 0, f"attune {' '.join(words)}\n{answer.stdout}{answer.stderr}"
        cls.must("fsck")

    @classmethod
    def call(cls, directory, *words):
        environment = {**os.environ, "ATTUNE_DIR": directory}
        return subprocess.run([ATTUNE, *words], cwd=cls.folder, env=environment, capture_output=True, text=True, timeout=120)

    @classmethod
    def must(cls, *words):
        done = cls.call(cls.good, *words)
        assert done.returncode == 0, f"attune {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done

    @classmethod
    def ask(cls, words, directory):
        """What the command says of a directory, which stays as it is."""
        copy = os.path.join(cls.folder, "asked")
        shutil.rmtree(copy, True)
        shutil.copytree(directory, copy)
        return cls.call(copy, *words)

    def files(self, pattern):
        found = sorted(glob.glob(os.path.join(self.good, pattern)))
        self.assertTrue(found, pattern)
        return [os.path.relpath(path, self.good) for path in found]

    def at(self, name):
        return os.path.join(self.bad, name)

    def copy(self):
        shutil.rmtree(self.bad, True)
        shutil.copytree(self.good, self.bad)

    def refuses(self, done, what, name, *says):
        self.assertEqual(done.returncode, 1, f"{what}: code {done.returncode}\n{done.stdout[-400:]}{done.stderr}")
        self.assertIn(name, done.stderr, what)
        self.assertTrue(any(remedy in done.stderr for remedy in says or REMEDIES), f"{what} names no remedy: {done.stderr}")

    def judge(self, case, name, *says, told=False, only=None):
        """How many commands refuse, in the directory as it is now; the others give the answer they gave before.
        told: they may also answer without it, and say so."""
        refused = 0
        for words, answer in zip(self.commands, self.answers):
            if only is not None and words[0] not in only:
                continue
            what = f"{case}: attune {' '.join(words)}"
            done = self.ask(words, self.bad)
            self.assertGreaterEqual(done.returncode, 0, f"{what} was killed\n{done.stderr[-2000:]}")
            if done.returncode == 0 and told and name in done.stderr:
                self.assertTrue(any(remedy in done.stderr for remedy in REMEDIES), f"{what} names no remedy: {done.stderr}")
            elif done.returncode == 0:
                self.assertEqual(done.stdout, answer.stdout, f"{what} says something else\n{done.stderr}")
            else:
                self.refuses(done, what, name, *says)
                refused += 1
        return refused

    def all_refuse(self, case, name, *says):
        expected = sum(words[0] in OPENING for words in self.commands)
        self.assertEqual(self.judge(case, name, *says, only=OPENING), expected, f"{case}: somebody answers")

    def fsck_tells(self, case, name, *says):
        done = self.ask(["fsck"], self.bad)
        self.assertEqual(done.returncode, 1, f"{case}: {done.stdout}{done.stderr}")
        for words in (name, *says):
            self.assertIn(words, done.stdout + done.stderr, case)


class Runs(Case):
    def test_a_flipped_byte_in_each_place(self):
        run = self.files("runs/*.run")[0]
        name = os.path.basename(run)
        touched = 0
        for place, offset, length in run_places(os.path.join(self.good, run)):
            if length == 0:
                continue
            self.copy()
            flip(self.at(run), offset + length // 2)
            refused = self.judge(place, name)
            self.fsck_tells(place, name)
            at_open = " of part " not in place
            if at_open:
                self.assertEqual(refused, len(self.commands), place)
            touched += refused > 0
            if not at_open:
                self.loads_nothing_twice(place, name)
            self.rebuilds(place, run, may="text heap" in place or "column" in place)
        self.assertGreater(touched, 15)

    def rebuilds(self, case, run, may):
        """A rebuild brings back what are copies, and changes nothing where it can't."""
        done = self.call(self.bad, "rebuild")
        if may:
            self.assertEqual(done.returncode, 0, f"{case}: {done.stderr}")
            self.assertEqual(self.call(self.bad, "fsck").returncode, 0, case)
        else:
            self.refuses(done, f"{case}: rebuild", os.path.basename(run), "from a backup", "newer program")
            shutil.copy(os.path.join(self.good, run), self.at(run))
        for words, answer in zip(self.commands, self.answers):
            if words != ["status"]:
                said = self.ask(words, self.bad).stdout
                self.assertEqual(without_sizes(said), without_sizes(answer.stdout), f"{case}: attune {' '.join(words)} after a rebuild")

    def loads_nothing_twice(self, case, name):
        before = json.loads(self.call(self.bad, "status", "--json").stdout)["events"]
        done = self.call(self.bad, "ingest", "orders", "orders1.csv")
        if done.returncode != 0:
            self.refuses(done, f"{case}: ingest", name)
        self.assertEqual(json.loads(self.call(self.bad, "status", "--json").stdout)["events"], before, case)

    def test_a_run_that_is_cut(self):
        run = self.files("runs/*.run")[0]
        whole = os.path.getsize(os.path.join(self.good, run))
        for length in (0, 1, 63, 64, 127, 128, 192, whole // 3, whole // 2 // 64 * 64, whole - 64, whole - 1):
            self.copy()
            os.truncate(self.at(run), length)
            self.all_refuse(f"cut to {length} bytes", os.path.basename(run))
            self.fsck_tells(f"cut to {length} bytes", os.path.basename(run))

    def test_a_run_that_is_missing(self):
        run = self.files("runs/*.run")[0]
        self.copy()
        os.remove(self.at(run))
        self.all_refuse("missing", os.path.basename(run), "from a backup")
        self.fsck_tells("missing", os.path.basename(run))

    def test_a_run_of_a_newer_format(self):
        run = self.files("runs/*.run")[0]
        self.copy()
        data = bytearray(read(self.at(run)))
        struct.pack_into("<I", data, 8, 2)
        write(self.at(run), bytes(data))
        self.all_refuse("newer run", os.path.basename(run), "newer program")
        self.fsck_tells("newer run", os.path.basename(run))


class Logs(Case):
    def segments(self):
        found = self.files("log/*.log")
        self.assertGreaterEqual(len(found), 2)
        return found

    def test_a_flipped_byte_in_each_frame(self):
        for segment in self.segments():
            for at in frame_places(os.path.join(self.good, segment)):
                for offset in (at + 1, at + 17, at + 45):
                    self.copy()
                    if offset >= os.path.getsize(self.at(segment)):
                        continue
                    flip(self.at(segment), offset)
                    case = f"{segment}, byte {offset}"
                    is_mark = at + 68 >= os.path.getsize(self.at(segment))
                    if is_mark:
                        self.judge(case, os.path.basename(segment))  # only says that the frames before it were on the disk
                    else:
                        self.all_refuse(case, os.path.basename(segment), "from a backup")
                        self.fsck_tells(case, os.path.basename(segment))

    def test_a_damaged_header(self):
        for segment in self.segments():
            for offset in (0, 6, 9, 13, 17):
                self.copy()
                flip(self.at(segment), offset)
                self.all_refuse(f"{segment}, byte {offset}", os.path.basename(segment), "from a backup", "renamed or copied")

    def test_a_segment_before_another_is_cut_or_missing(self):
        segments = self.segments()
        whole = os.path.getsize(os.path.join(self.good, segments[0]))
        for length in (0, 24, whole // 2, whole - 80):
            self.copy()
            os.truncate(self.at(segments[0]), length)
            self.all_refuse(f"cut to {length} bytes", os.path.basename(segments[0]), "from a backup")
        self.copy()
        os.remove(self.at(segments[0]))
        self.all_refuse("missing", "log", "from a backup")
        self.fsck_tells("missing", "log")

    def test_a_log_of_a_newer_format(self):
        segment = self.segments()[0]
        self.copy()
        data = bytearray(read(self.at(segment)))
        struct.pack_into("<I", data, 8, 2)
        struct.pack_into("<I", data, 12, crc32c(bytes(data[:12]), bytes(data[16:24])))
        write(self.at(segment), bytes(data))
        self.all_refuse("newer log", os.path.basename(segment), "newer program")
        self.copy()
        data = bytearray(read(self.at(segment)))
        length = 40 + struct.unpack_from("<I", data, 24 + 8)[0]
        struct.pack_into("<H", data, 24 + 32, 3)  # one more than the format of today
        struct.pack_into("<I", data, 24 + 36, crc32c(bytes(data[24 + 8:24 + 36])))
        struct.pack_into("<I", data, 24 + 4, crc32c(bytes(data[24 + 8:24 + length])))
        write(self.at(segment), bytes(data))
        self.all_refuse("newer frame", os.path.basename(segment), "newer program")


class Others(Case):
    def test_a_damaged_manifest(self):
        data = read(os.path.join(self.good, "MANIFEST"))
        places = [line + 3 for line in range(len(data)) if line == 0 or data[line - 1:line] == b"\n"]
        for at in [place for place in places if place < len(data)] + [len(data) - 2]:
            self.copy()
            flip(self.at("MANIFEST"), at, 0)
            self.all_refuse(f"MANIFEST, byte {at}", "MANIFEST", "from a backup", "newer program")
            self.fsck_tells(f"MANIFEST, byte {at}", "MANIFEST")
        for length in (0, 10, len(data) // 2, len(data) - 1):
            self.copy()
            os.truncate(self.at("MANIFEST"), length)
            self.all_refuse(f"MANIFEST of {length} bytes", "MANIFEST", "from a backup")

    def test_a_missing_manifest(self):
        self.copy()
        os.remove(self.at("MANIFEST"))
        self.all_refuse("no MANIFEST", "MANIFEST", "from a backup")
        self.fsck_tells("no MANIFEST", "MANIFEST: is missing")
        self.assertEqual(sorted(os.listdir(self.at("runs"))), sorted(os.listdir(os.path.join(self.good, "runs"))))

    def test_a_manifest_of_a_newer_format(self):
        self.copy()
        body = read(self.at("MANIFEST")).replace(b"attune manifest 3", b"attune manifest 4").rsplit(b"checksum", 1)[0]
        write(self.at("MANIFEST"), body + b"checksum %08x\n" % crc32c(body))
        self.all_refuse("newer MANIFEST", "MANIFEST", "newer program")

    def test_links_and_quarantine(self):
        """A checkpoint stands for the links below it, so they are asked for only where it can't be used."""
        for pattern, with_checkpoint in (("links/*.links", False), ("links/*.links", True), ("quarantine/*.rows", True)):
            name = self.files(pattern)[0]
            for at in [2] + [frame + 45 for frame in frame_places(os.path.join(self.good, name))]:
                self.copy()
                if at >= os.path.getsize(self.at(name)):
                    continue
                if not with_checkpoint:
                    os.remove(self.at(self.files("links/*.checkpoint")[0]))
                flip(self.at(name), at)
                refused = self.judge(f"{name}, byte {at}", os.path.basename(name))
                if "links" not in name or not with_checkpoint:
                    self.assertGreater(refused, 0)
                self.fsck_tells(f"{name}, byte {at}", os.path.basename(name))
            self.copy()
            os.remove(self.at(name))
            self.assertGreater(self.judge(f"no {name}", os.path.basename(name)), 0)
            self.fsck_tells(f"no {name}", os.path.basename(name))

    def test_a_checkpoint(self):
        """It is derived: all answers stay, with a line that says so, and the next writer makes it anew."""
        name = self.files("links/*.checkpoint")[0]
        length = os.path.getsize(os.path.join(self.good, name))
        for at in (0, 9, 12, 20, 4096, length // 3, length // 2, length - 100, length - 60, length - 1, None):
            self.copy()
            case = f"{name}, byte {at}"
            if at is None:
                os.remove(self.at(name))
            else:
                flip(self.at(name), at)
            self.assertEqual(self.judge(case, name, only=OPENING), 0, case)
            read_only = self.ask(self.commands[0], self.bad)
            self.assertEqual(read_only.stderr.count("the checkpoint can't be used"), 1, read_only.stderr)
            self.assertIn(os.path.basename(name), read_only.stderr)
            self.fsck_tells(case, name, "attune rebuild")
            write(os.path.join(self.folder, "more.csv"), orders(300, 1).encode())
            done = self.call(self.bad, "ingest", "orders", "more.csv")
            self.assertEqual((done.returncode, done.stderr.count("the checkpoint can't be used")), (0, 1), done.stderr)
            found = [os.path.basename(path) for path in glob.glob(self.at("links/*.checkpoint"))]
            self.assertEqual(len(found), 1, found)
            self.assertNotEqual(found[0], os.path.basename(name))
            for words in (("fsck",), self.commands[0]):
                done = self.call(self.bad, *words)
                self.assertEqual((done.returncode, done.stderr), (0, ""), f"{case}: {words}")
        self.copy()
        flip(self.at(name), length // 2)
        self.assertEqual(self.call(self.bad, "rebuild").returncode, 0)
        self.assertEqual(self.call(self.bad, "fsck").returncode, 0)

    def test_a_damaged_salt(self):
        for at in (0, 9, 13, 20):
            self.copy()
            flip(self.at("SALT"), at)
            self.all_refuse(f"SALT, byte {at}", "SALT", "from a backup")
            self.fsck_tells(f"SALT, byte {at}", "SALT")
        self.copy()
        os.remove(self.at("SALT"))
        self.all_refuse("no SALT", "SALT", "from a backup")
        self.fsck_tells("no SALT", "SALT")

    def test_what_lies_beside(self):
        for pattern in ("playbooks/*", "lookups/*", "models/*"):
            name = self.files(pattern)[0]
            for at in (0, os.path.getsize(os.path.join(self.good, name)) // 2):
                self.copy()
                flip(self.at(name), at)
                self.judge(f"{name}, byte {at}", os.path.basename(name), told=True)
                self.fsck_tells(f"{name}, byte {at}", os.path.basename(name))
            self.copy()
            os.remove(self.at(name))
            self.judge(f"no {name}", os.path.basename(name), told=True)
            self.fsck_tells(f"no {name}", os.path.basename(name))

    def test_an_earlier_playbook(self):
        """It may be what a recorded decision is made again from, so it is held against its name."""
        self.copy()
        write(os.path.join(self.folder, "other.yaml"), PLAYBOOK.replace("items > 0", "items > 1").encode())
        before = self.files("playbooks/*")[0]
        done = self.call(self.bad, "fold", "--playbook", "other.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.call(self.bad, "fsck").returncode, 0)
        flip(self.at(before), read(self.at(before)).index(b"items > 0") + 8, bit=1)
        self.fsck_tells(f"{before}, another digit", os.path.basename(before))


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
