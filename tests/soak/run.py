#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mixed load on one server for some minutes, with folds, reloads and backups in between: no error, flat memory, steady answers.

usage: run.py ATTUNE [SECONDS]      make test-soak runs it (600 seconds)

Prints a line a slice of time. Fails where any answer is an error, where the memory of the last third is more than a fifth above that of
the middle third, and where what was acknowledged is not there at the end.
"""
import base64
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PLAYBOOK = os.path.join(HERE, "..", "clients", "playbook.yaml")
WRITERS, DECIDERS, READERS = 2, 3, 1
CUSTOMERS, BATCH, SLICES = 20000, 50, 20


class Load:
    def __init__(self, url):
        self.host = url.split("//")[1]
        self.lock = threading.Lock()
        self.stops = threading.Event()
        self.acknowledged, self.decided, self.read, self.busy = 0, 0, 0, 0
        self.ids = set()  # asked twice within a millisecond, a customer gets one decision
        self.failures, self.times = [], []

    def run(self, work, *arguments):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        dice = random.Random(threading.get_ident())
        while not self.stops.is_set():
            try:
                work(connection, dice, *arguments)
            except Exception as error:  # pylint: disable=broad-except
                with self.lock:
                    self.failures.append(repr(error))
                connection.close()
        connection.close()

    def post(self, connection, path, key, body, method="POST"):
        text = None if body is None else json.dumps(body)
        start = time.monotonic()
        connection.request(method, path, text, {"authorization": key, "content-type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        took = time.monotonic() - start
        if answer.status == 503 and answer.headers.get("Retry-After"):
            with self.lock:
                self.busy += 1
            time.sleep(float(answer.headers["Retry-After"]))
            return None
        if answer.status == 200 and path == "/v1/decide":
            with self.lock:
                self.ids.add(json.loads(content)["decision"])
        if answer.status not in (200, 404):
            with self.lock:
                self.failures.append(f"{path}: {answer.status} {content[:200]}")
        return took if answer.status == 200 else 0.0

    def write(self, connection, dice, key):
        batch = [{"type": "track", "event": "Product Viewed", "userId": f"u{dice.randrange(CUSTOMERS)}", "messageId": f"{dice.getrandbits(96):x}",
                  "properties": {"sku": f"s{dice.randrange(100)}", "price": dice.randrange(1000) / 4}} for _ in range(BATCH)]
        took = self.post(connection, "/v1/batch", key, {"batch": batch})
        if took:
            with self.lock:
                self.acknowledged += BATCH

    def decide(self, connection, dice, key):
        took = self.post(connection, "/v1/decide", key, {"customer": f"user:u{dice.randrange(CUSTOMERS)}", "placement": "home_banner"})
        if took:
            with self.lock:
                self.decided += 1
                self.times.append(took)

    def look(self, connection, dice, key):
        path = dice.choice(["", "/timeline", "/traits", "/why-not?action=welcome"])
        self.post(connection, f"/v1/customers/user:u{dice.randrange(CUSTOMERS)}{path}", key, None, "GET")
        with self.lock:
            self.read += 1
        time.sleep(.01)

    def slice_times(self):
        with self.lock:
            times, self.times = sorted(self.times), []
        return times


def resident_mb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def anonymous_mb(process):
    """Memory that is no page of a file: stored files are mapped, and their pages are the system's to take back."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) / 1024


def percentile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))] * 1000 if times else float("nan")


def soak(attune, seconds, folder):
    data = os.path.join(folder, "data")

    def command(*words):
        return subprocess.run([attune, *words, "--dir", data], capture_output=True, text=True, check=False, timeout=600)

    def key(*words):
        return json.loads(command("key", "add", *words, "--name", "soak", "--json").stdout)["key"]

    write, decide, read = key("--write", "--source", "shop", "--per-second", "100000"), key("--decide", "--per-second", "100000"), key("--read")
    failures, memory = [], []
    with subprocess.Popen([attune, "serve", "--dir", data, "--playbook", PLAYBOOK, "--port", "0"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as server:
        load = Load(server.stdout.readline().split()[-1])
        basic = "Basic " + base64.b64encode(f"{write}:".encode()).decode()
        threads = [threading.Thread(target=load.run, args=work) for work in
                   [(load.write, basic)] * WRITERS + [(load.decide, f"Bearer {decide}")] * DECIDERS + [(load.look, f"Bearer {read}")] * READERS]
        for thread in threads:
            thread.start()
        print("seconds  events  decisions  busy  p50 ms  p99 ms  memory MB  of its own MB  meanwhile")
        start = time.monotonic()
        for number in range(SLICES):
            chores = {2: ["fold"], 5: ["fold", "--merge"], 8: ["backup", os.path.join(folder, f"backup{number}")]}
            chore = chores.get(number % 10)
            if chore is not None and command(*chore).returncode != 0:
                failures.append(f"{chore} failed")
            if number % 3 == 0:
                server.send_signal(1)  # SIGHUP
            time.sleep(max(0, start + seconds * (number + 1) / SLICES - time.monotonic()))
            times = load.slice_times()
            memory.append(anonymous_mb(server))
            print(f"{time.monotonic() - start:7.0f} {load.acknowledged:7} {load.decided:10} {load.busy:5} {percentile(times, .5):7.2f} "
                  f"{percentile(times, .99):7.2f} {resident_mb(server):10.1f} {memory[-1]:14.1f}  {' '.join(chore or [])[:6]}", flush=True)
        load.stops.set()
        for thread in threads:
            thread.join()
        stored = command("status", "--json")
        server.terminate()
        if server.wait(120) != 0:
            failures.append("the server did not end well")
    events = json.loads(stored.stdout)["events"]
    third = len(memory) // 3
    middle, last = max(memory[third:-third]), max(memory[-third:])
    if last > middle * 1.2 + 16:
        failures.append(f"memory grows: {middle:.0f} MB in the middle third, {last:.0f} MB in the last")
    if events != load.acknowledged + len(load.ids):
        failures.append(f"{load.acknowledged} events and {len(load.ids)} decisions were acknowledged, and {events} are there")
    failures += load.failures[:20]
    print(f"{load.acknowledged} events, {load.decided} decisions, {load.read} looks, {len(failures)} failures")
    return failures


def main():
    attune, seconds = os.path.abspath(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 600
    with tempfile.TemporaryDirectory(prefix="attune-soak-") as folder:
        failures = soak(attune, seconds, folder)
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
