#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Long commands of the real binary: progress on terminals alone, and Ctrl-C that harms nothing, at moments that the test decides.

usage: jobs_test.py ATTUNE      a command whose output goes into a pipe that nobody reads is in the middle of its work for as long as the test likes.
"""
import fcntl
import hashlib
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import world

ATTUNE = "attune"
AT = "2017-12-05"
LONG = [["train", "redeem", "--until", "2017-10-01"], ["scenarios", "--at", "2018-01-01"], ["report", "--at", AT, "--out", "report"],
        ["evaluate", "redeem", "--from", "2017-10-01", "--until", "2018-01-01", "--out", "scores.csv"], ["traits", "--at", AT, "--out", "traits.csv"],
        ["decide", "--all", "--at", AT, "--dry-run", "--out", "decisions.csv"], ["fold", "--merge"], ["rebuild"]]


def state_of(folder):
    """All files below but the lock, which says who had it last; by content."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in set(names) - {"LOCK"}:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


class Jobs(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.prepared = tempfile.mkdtemp(prefix="attune-jobs-")
        cls.addClassCleanup(shutil.rmtree, cls.prepared, True)
        world.make(cls.prepared)
        cls.run_in(cls.prepared, "ingest", "--playbook", "playbook.yaml", "--data", "files/")
        cls.run_in(cls.prepared, "train", "redeem", "--until", "2017-09-01")

    @staticmethod
    def run_in(folder, *words, code=0):
        result = subprocess.run([ATTUNE, *words], capture_output=True, text=True, cwd=folder, check=False)
        assert code is None or result.returncode == code, f"{words}: {result.returncode} {result.stderr}"
        return result

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="attune-jobs-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        shutil.copytree(self.prepared, self.folder, dirs_exist_ok=True)
        self.data = os.path.join(self.folder, "data")

    def open_pipe(self):
        """A pipe of one page, for reading; the page is set before anybody writes."""
        fifo = os.path.join(self.folder, "pipe")
        os.mkfifo(fifo)
        reader = open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb")
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        fcntl.fcntl(reader, fcntl.F_SETFL, 0)  # from now on it waits
        return reader, fifo

    def wait_for_bytes(self, reader, process):
        while self.waiting_bytes(reader) == 0:  # then it is in the middle
            self.assertIsNone(process.poll())
            time.sleep(0.01)

    def caught_in_the_middle(self, words, how):
        """The command writes into a pipe of one page; `how` happens once it is full; then all is read. (exit status, what stderr got)"""
        reader, fifo = self.open_pipe()
        with reader:
            process = subprocess.Popen([ATTUNE, *words, "--out", fifo], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.wait_for_bytes(reader, process)
            how(process)
            time.sleep(1)  # the command looks for the signal ten times a second
            while reader.read(65536):
                pass
        _, told = process.communicate(timeout=60)
        return process.returncode, told.decode()

    @staticmethod
    def waiting_bytes(reader):
        import array
        import termios
        count = array.array("i", [0])
        fcntl.ioctl(reader, termios.FIONREAD, count)
        return count[0]

    def test_ctrl_c_in_the_middle(self):
        for words in (["traits", "--at", AT, "--json"], ["decide", "--all", "--at", AT, "--json"]):
            for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
                before = state_of(self.data)
                returned, told = self.caught_in_the_middle(words, lambda process, number=number: process.send_signal(number))
                self.assertEqual((returned, told), (code, "attune: cancelled; nothing of it was kept\n"), words)
                self.assertEqual(state_of(self.data), before, words)
                os.unlink(os.path.join(self.folder, "pipe"))
        again = json.loads(self.run_in(self.folder, "decide", "--all", "--at", AT, "--out", "decisions.csv", "--json").stdout)
        self.assertEqual(again["recorded_before"], 0)
        self.assertGreater(again["recorded"], 0)

    def test_a_second_ctrl_c_kills(self):
        def twice(process):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        returned, told = self.caught_in_the_middle(["traits", "--at", AT, "--json"], twice)
        self.assertEqual((returned, told), (-signal.SIGINT, ""))
        self.run_in(self.folder, "fsck")

    def test_a_file_named_by_out_is_as_it_was(self):
        """Whenever the signal comes, the file is the old one or the new one, whole, and no other file is there."""
        random.seed(7)
        for words in LONG:
            whole, codes = None, set()
            for _ in range(8):
                names = set(os.listdir(self.folder))
                process = subprocess.Popen([ATTUNE, *words], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                time.sleep(random.random() * 0.05)
                process.send_signal(signal.SIGINT)
                _, told = process.communicate(timeout=60)
                codes.add(process.returncode)
                # Before the job begins the signal ends the process at once; behind its end there is nothing to cancel.
                self.assertIn(process.returncode, (0, 130, -signal.SIGINT), f"{words}: {told.decode()}")
                left = set(os.listdir(self.folder)) - names - {"report", "scores.csv", "traits.csv", "decisions.csv"}
                self.assertEqual(left, set(), words)
                if process.returncode == 130:
                    self.assertEqual([name for name in state_of(self.data) if name.endswith(".tmp")], [], words)
            self.run_in(self.folder, "fsck")
            whole = self.run_in(self.folder, *words)
            self.assertEqual(whole.stderr, "", f"{words}: {codes}")

    def test_a_share_changes_no_answer(self):
        for words in (["scenarios", "--at", "2018-01-01"], ["evaluate", "redeem", "--from", "2017-09-01", "--until", "2018-01-01"]):
            answers = {self.run_in(self.folder, *words, "--json", *share).stdout for share in ([], ["--threads", "1"], ["--threads", "5", "--nice", "19"])}
            self.assertEqual(len(answers), 1, words)
        for option, value in (("--threads", "0"), ("--threads", "17"), ("--threads", "two"), ("--nice", "-1"), ("--nice", "20")):
            told = self.run_in(self.folder, "train", option, value, code=1).stderr
            self.assertRegex(told, rf"^attune: {option} {value}: write a number from \d+ to \d+\n$")
        self.assertEqual(json.loads(self.run_in(self.folder, "status", "--json").stdout)["models"][0]["version"], 1)

    def on_terminal(self, *words, environment=None):
        main, side = pty.openpty()
        process = subprocess.Popen([ATTUNE, *words], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=side, env=environment)
        os.close(side)
        pieces = []
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            pieces.append(piece)
        os.close(main)
        self.assertEqual(process.wait(), 0)
        return b"".join(pieces).decode()

    @staticmethod
    def read_terminal(main):
        try:
            return os.read(main, 65536).decode()
        except OSError:  # the other end is closed
            return ""

    def slow_on_terminal(self, *words):
        """What a terminal gets of a command whose output is read only once it has shown how far it is, or, with --quiet, after half a second."""
        main, side = pty.openpty()
        reader, fifo = self.open_pipe()
        told = ""
        with reader:
            process = subprocess.Popen([ATTUNE, *words, "--out", fifo], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=side)
            os.close(side)
            self.wait_for_bytes(reader, process)
            if "--quiet" in words:
                time.sleep(0.5)
            while "--quiet" not in words and not re.search(r"\d s$", told):
                told += self.read_terminal(main)
            while reader.read(65536):
                pass
        self.assertEqual(process.wait(), 0)
        piece = self.read_terminal(main)
        while piece:
            told += piece
            piece = self.read_terminal(main)
        os.close(main)
        os.unlink(fifo)
        return told

    def test_progress_is_for_terminals(self):
        told = self.slow_on_terminal("traits", "--at", AT, "--json")
        self.assertRegex(told, r"traits  [0-9,]+ customers written  \d+ s")
        self.assertTrue(told.endswith("\r\x1b[K"), "the line is wiped at the end")
        self.assertEqual(self.slow_on_terminal("traits", "--at", AT, "--json", "--quiet"), "")
        for words in LONG:
            self.assertEqual(self.run_in(self.folder, *words).stderr, "", words)
            self.assertEqual(re.sub(r"\x1b\[K|\r", "", self.on_terminal(*words, "--quiet")), "", words)


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0]], verbosity=1)
