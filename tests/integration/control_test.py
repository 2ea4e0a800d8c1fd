#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line beside a running server: each command that changes something gives what it gives without one.

usage: control_test.py ATTUNE
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import world

ATTUNE = "attune"


class Control(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="attune-control-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        world.make(self.folder)
        self.server = None

    def run_in(self, *words, code=0, data="data", text=None, folder=None):
        result = subprocess.run([ATTUNE, *words, "--dir", os.path.join(self.folder, data)], capture_output=True, text=True, input=text,
                                cwd=folder or self.folder, check=False)
        self.assertEqual(result.returncode, code, f"{words}: {result.stdout} {result.stderr}")
        return result

    def serve(self):
        self.server = subprocess.Popen([ATTUNE, "serve", "--playbook", "playbook.yaml", "--port", "0", "--dir", "data"], cwd=self.folder,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.stop)
        self.url = self.server.stdout.readline().split()[-1]

    def stop(self):
        if self.server is None:
            return
        server, self.server = self.server, None
        server.terminate()
        self.assertEqual(server.wait(60), 0)
        server.stdout.close()

    def test_same_words_with_a_server_and_without(self):
        self.run_in("ingest", "--playbook", "playbook.yaml", "--data", "files", data="alone")
        self.serve()
        commands = [["ingest", "--data", "files"], ["ingest", "--data", "files", "--json"], ["ingest", "nosuch"],
                    ["train", "redeem", "--until", "2017-10-01", "--quiet"], ["unmerge", "household:1029"], ["fold"], ["fold", "--merge", "--json"],
                    ["erase", "household:1030"], ["erase", "household:1030", "--yes"], ["erase", "--lift", "household:1030"],
                    ["quarantine", "replay"], ["check"]]
        self.run_in("ingest", "--data", "files")
        for words in commands:
            without = subprocess.run([ATTUNE, *words, "--dir", "alone"], cwd=self.folder, capture_output=True, text=True, check=False)
            beside = subprocess.run([ATTUNE, *words, "--dir", "data"], cwd=self.folder, capture_output=True, text=True, check=False)
            self.assertEqual(beside.returncode, without.returncode, words)
            self.assertEqual(beside.stderr.replace("data", "alone"), without.stderr.replace("data", "alone"), words)
            if "fold" not in words:  # how many runs there are may differ
                self.assertEqual(beside.stdout, without.stdout, words)

    def test_input_files_and_playbooks_are_the_callers(self):
        self.serve()
        self.run_in("ingest", "--data", "files")
        elsewhere = os.path.join(self.folder, "elsewhere")
        os.mkdir(elsewhere)
        line = json.dumps({"event": "Clicked", "anonymousId": "k-new", "button": "buy", "timestamp": "2017-06-01T10:00:00Z"}) + "\n"
        with open(os.path.join(elsewhere, "more.ndjson"), "w", encoding="utf-8") as file:
            file.write(line)
        self.assertIn("web", self.run_in("ingest", "web", "more.ndjson", folder=elsewhere).stdout)
        self.run_in("ingest", "web", "-", text=line.replace("k-new", "k-newer"), folder=elsewhere)
        for cookie in ("k-new", "k-newer"):
            self.assertIn("Clicked", self.run_in("customer", f"cookie:{cookie}").stdout)
        with open(os.path.join(self.folder, "playbook.yaml"), encoding="utf-8") as file:
            playbook = file.read()
        with open(os.path.join(elsewhere, "bad.yaml"), "w", encoding="utf-8") as file:
            file.write(playbook.replace("orders_90d >= 3", "orders_90 >= 3"))
        bad = self.run_in("ingest", "web", "more.ndjson", "--playbook", "bad.yaml", code=1, folder=elsewhere)
        self.assertIn("bad.yaml:", bad.stderr)
        self.assertIn("orders_90d", bad.stderr)
        with open(os.path.join(elsewhere, "good.yaml"), "w", encoding="utf-8") as file:
            file.write(playbook.replace("A small grocer", "A larger grocer"))
        self.run_in("ingest", "web", "more.ndjson", "--playbook", "good.yaml", folder=elsewhere)
        self.assertIn("A larger grocer", self.run_in("status").stdout)

    def test_a_caller_that_goes_away_cancels(self):
        self.serve()
        self.run_in("ingest", "--data", "files")
        fifo = os.path.join(self.folder, "pipe.ndjson")
        os.mkfifo(fifo)
        caller = subprocess.Popen([ATTUNE, "ingest", "web", fifo, "--dir", "data"], cwd=self.folder, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        writer = os.open(fifo, os.O_WRONLY)  # it has begun
        caller.send_signal(signal.SIGINT)
        time.sleep(.5)
        os.close(writer)
        self.assertEqual(caller.wait(30), 130)
        caller.stderr.close()
        self.assertIn("orders", self.run_in("ingest", "orders", "--data", "files").stdout)

    def read_silence(self, *words):
        """A command that reads a pipe into which nobody ever writes; gives it, and the other end."""
        silent, writer = os.pipe()
        self.addCleanup(os.close, writer)
        caller = subprocess.Popen([ATTUNE, *words, "--dir", "data"], cwd=self.folder, stdin=silent, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        os.close(silent)
        while not self.reads(silent_inode=os.fstat(writer).st_ino):
            self.assertIsNone(caller.poll())
            time.sleep(.05)
        return caller

    def reads(self, silent_inode):
        """Has the server opened the pipe?"""
        folder = f"/proc/{self.server.pid}/fd"
        for name in os.listdir(folder):
            try:
                if os.stat(os.path.join(folder, name)).st_ino == silent_inode:
                    return True
            except FileNotFoundError:
                pass
        return False

    def test_a_server_stops_beside_a_command_that_waits_for_input(self):
        self.serve()
        caller = self.read_silence("ingest", "web", "-")
        self.stop()
        self.assertEqual(caller.wait(60), 130)
        self.assertIn("cancelled", caller.stderr.read())
        caller.stderr.close()

    def test_a_caller_that_is_killed_leaves_the_way_free(self):
        self.serve()
        caller = self.read_silence("ingest", "web", "-")
        caller.kill()
        caller.wait(60)
        caller.stderr.close()
        self.run_in("fold")
        endless = subprocess.Popen([ATTUNE, "ingest", "web", "/dev/zero", "--dir", "data"], cwd=self.folder, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(.5)
        endless.kill()
        endless.wait(60)
        self.run_in("fold")

    def test_strangers_words_are_refused(self):
        self.serve()
        path = os.path.join(self.folder, "data", "control.sock")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        for said in (b"", b"x", b"GET / HTTP/1.1\r\n\r\n", b"ATTUNEC1" + b"\xff" * 8, os.urandom(4000)):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(path)
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
                try:
                    self.assertEqual(stranger.recv(10), b"")
                except ConnectionResetError:
                    pass  # closed with bytes unread
        with urllib.request.urlopen(self.url + "/health/live") as answer:
            self.assertEqual(answer.status, 200)
        self.run_in("ingest", "--data", "files")

    def test_after_a_death_the_socket_is_nobodys(self):
        self.serve()
        self.server.kill()
        self.server.wait(30)
        self.server.stdout.close()
        self.server = None
        self.assertTrue(os.path.exists(os.path.join(self.folder, "data", "control.sock")))
        self.run_in("ingest", "--data", "files")
        self.serve()
        self.run_in("fold")
        self.stop()
        self.assertFalse(os.path.exists(os.path.join(self.folder, "data", "control.sock")))


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
