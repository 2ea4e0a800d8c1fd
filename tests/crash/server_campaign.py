# SPDX-License-Identifier: Apache-2.0
"""server_campaign.py ATTUNE KILLS [SEED] -- what clients were told by `attune serve` is there after it died.

Clients send events, ask for decisions and tell outcomes over HTTP, and the server is killed by SIGKILL at random
moments and started again. A client whose request got no answer sends it again, as real ones do. In the end:

  - each acknowledged event, decision and outcome is on a timeline, and none is there twice
  - no event is there that nobody sent
  - each answered decision explains itself: `attune decide --replay ID` makes it again, equal to the bit

The last line is "N kills, N events, N decisions, N outcomes, 0 lost". Exit 1 on any loss. The engine's own campaign
(live_campaign) cuts the power; what the server adds is in the process, and is killed here."""
import base64
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = 4
CUSTOMERS = 24
KILL_AFTER_MAX = 0.3  # seconds
REPLAYS_MAX = 400
OUTCOMES = ("shown", "clicked", "accepted")
NAMES = {"shown": "Treatment Shown", "clicked": "Treatment Clicked", "accepted": "Treatment Accepted"}

PLAYBOOK = """attune: 1
name: Crash
currency: USD
zone: UTC
customer: { identifiers: { user_id: {}, anonymous_id: {} } }
sources:
  web: { file: "web*.ndjson", format: segment, arrives: live }
events: { Button Pressed: { number: text } }
goals: { order: { event: Order Completed, within: 3d } }
actions:
  letter: { goal: order, starting_propensity: 20%, channels: [email] }
  banner: { goal: order, starting_propensity: 10%, channels: [web] }
policies:
  - { at_most: 1, in: 10m, channel: email }
"""


class Server:
    """The process, its port and its keys."""

    def __init__(self, attune, folder):
        self.attune, self.folder = attune, folder
        self.data = os.path.join(folder, "data")
        self.playbook = os.path.join(folder, "playbook.yaml")
        self.log = open(os.path.join(folder, "log"), "ab")
        self.port, self.process = None, None
        with open(self.playbook, "w", encoding="utf-8") as file:
            file.write(PLAYBOOK)

    def run(self, *arguments):
        command = [self.attune, *arguments, "--dir", self.data]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def make_keys(self):
        """Needs the directory, which the first start makes."""
        shown = {}
        for right, arguments in {"write": ["--write", "--source", "web"], "decide": ["--decide"], "read": ["--read"]}.items():
            text = self.run("key", "add", *arguments, "--name", right, "--json")
            shown[right] = json.loads(text)["key"]
        return shown

    def start(self):
        """A port of the first start is kept, so that clients find it again."""
        port = self.port or free_port()
        command = [self.attune, "serve", "--dir", self.data, "--playbook", self.playbook, "--port", str(port), "--threads", "2"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.port = port
        for _ in range(600):
            try:
                if get(port, "/health/ready")[0] == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                sys.exit(f"the server ended by itself: exit {self.process.returncode}; see its log\n" + self.tail())
            time.sleep(0.02)
        sys.exit("the server did not get ready\n" + self.tail())

    def tail(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-10:])

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait()


def free_port():
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def get(port, path, key=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Client(threading.Thread):
    """Sends one request after the other, each until it has an answer that is final."""

    def __init__(self, campaign, number):
        super().__init__()
        self.campaign, self.number = campaign, number
        self.random = random.Random(campaign.seed * 1000 + number)
        self.connection, self.sent = None, 0
        self.events, self.decisions, self.outcomes = set(), {}, set()
        self.failures = []

    def post(self, path, body, key, basic):
        """(status, answer), or None where the campaign is over."""
        secret = base64.b64encode(f"{key}:".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {secret}" if basic else f"Bearer {key}"}
        while not self.campaign.over.is_set():
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.campaign.server.port, timeout=10)
                self.connection.request("POST", path, json.dumps(body), headers)
                answer = self.connection.getresponse()
                text = answer.read()
                if answer.status not in (429, 503):
                    return answer.status, text
            except (OSError, http.client.HTTPException):
                self.connection = None
            time.sleep(0.005)
        return None

    def user(self):
        return f"u{self.random.randrange(CUSTOMERS)}"

    def send_events(self):
        batch = []
        for _ in range(self.random.choice((1, 1, 3, 20))):
            number = f"{self.number}-{self.sent}"
            self.sent += 1
            batch.append({"type": "track", "messageId": f"m-{number}", "userId": self.user(),
                          "event": "Button Pressed", "properties": {"number": number}})
        answer = self.post("/v1/batch", {"batch": batch}, self.campaign.keys["write"], True)
        if answer is None:
            return
        if answer[0] == 200:
            self.events.update(one["properties"]["number"] for one in batch)
        else:
            self.failures.append(f"events: {answer}")

    def decide(self):
        who = self.user() if self.random.random() < 0.9 else f"new-{self.number}-{self.sent}"
        answer = self.post("/v1/decide", {"identifiers": {"user_id": who}}, self.campaign.keys["decide"], False)
        if answer is None:
            return
        if answer[0] != 200:
            self.failures.append(f"decide: {answer}")
            return
        decided = json.loads(answer[1])
        if not decided.get("recorded", True):
            return
        self.decisions[decided["decision"]] = who
        if has_treatment(decided) and self.random.random() < 0.7:
            self.tell(decided)

    def tell(self, decided):
        name = decided["decision"]
        if decided.get("token") and self.random.random() < 0.5:
            name = decided["token"]
        for outcome in OUTCOMES:
            if self.random.random() < 0.5:
                continue
            answer = self.post("/v1/outcome", {"decision": name, "outcome": outcome}, self.campaign.keys["decide"], False)
            if answer is None:
                return
            if answer[0] == 200:
                self.outcomes.add((decided["decision"], outcome))
            else:
                self.failures.append(f"outcome: {answer}")

    def run(self):
        while not self.campaign.over.is_set():
            self.random.choice((self.send_events, self.decide, self.decide))()


def has_treatment(decided):
    return '"treatment"' in json.dumps({name: member for name, member in decided.items() if name != "trace"})


class Campaign:
    def __init__(self, attune, kills, seed, folder):
        self.kills, self.seed = kills, seed
        self.random = random.Random(seed)
        self.server = Server(attune, folder)
        self.over = threading.Event()
        self.losses = []
        self.keys = {}

    def loss(self, what):
        self.losses.append(what)
        if len(self.losses) <= 20:
            print(what, flush=True)

    def run(self):
        self.server.start()
        self.keys = self.server.make_keys()
        time.sleep(1.2)  # a server hears of new keys within a second
        clients = [Client(self, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(self.kills):
            time.sleep(0.05 + self.random.random() * KILL_AFTER_MAX)
            self.server.end(signal.SIGKILL)
            self.server.start()
        time.sleep(0.3)
        self.over.set()
        for client in clients:
            client.join()
        self.verify(clients)
        return clients

    # ---- what is there ----

    def timeline(self, who):
        cursor, events = None, []
        while True:
            path = f"/v1/customers/user_id:{who}/timeline?limit=1000" + (f"&cursor={cursor}" if cursor else "")
            status, text = get(self.server.port, path, self.keys["read"])
            if status == 404:
                return events
            if status != 200:
                sys.exit(f"timeline of {who}: {status} {text[:300]}")
            page = json.loads(text)
            events += page["events"]
            cursor = page["next"]
            if cursor is None:
                return events

    def count(self, clients):
        """What is on the timelines: how often each."""
        there = {}
        people = {f"u{number}" for number in range(CUSTOMERS)}
        for client in clients:
            people.update(client.decisions.values())
        for who in sorted(people):
            for event in self.timeline(who):
                name, properties = event["event"], event.get("properties", {})
                if name == "Button Pressed":
                    what = ("event", properties["number"])
                elif name == "Decision Made":
                    what = ("decision", properties["decision"])
                elif name in NAMES.values():
                    what = (name, properties["decision"])
                else:
                    continue
                there[what] = there.get(what, 0) + 1
        return there

    def verify(self, clients):
        there = self.count(clients)
        for client in clients:
            for failure in client.failures:
                self.loss(f"a request was refused: {failure}")
            for number in client.events:
                self.once(there, ("event", number))
            for decision in client.decisions:
                self.once(there, ("decision", decision))
            for decision, outcome in client.outcomes:
                self.once(there, (NAMES[outcome], decision))
        sent = {client.number: client.sent for client in clients}
        for (kind, which), times in there.items():
            if times > 1:
                self.loss(f"{kind} {which} is there {times} times")
            if kind == "event":
                number, nth = re.fullmatch(r"(\d+)-(\d+)", which).groups()
                if int(nth) >= sent[int(number)]:
                    self.loss(f"event {which} was never sent")
        self.server.end(signal.SIGTERM)
        if self.server.process.returncode != 0:
            self.loss(f"the server did not stop in order: exit {self.server.process.returncode}")
        self.replay(clients)

    def once(self, there, what):
        if there.get(what, 0) == 0:
            self.loss(f"{what[0]} {what[1]} is lost")

    def replay(self, clients):
        decisions = sorted(decision for client in clients for decision in client.decisions)
        for decision in self.random.sample(decisions, min(len(decisions), REPLAYS_MAX)):
            verdict = json.loads(self.server.run("decide", "--replay", decision, "--json"))["replay"]["verdict"]
            if verdict != "equal":
                self.loss(f"decision {decision} can't be made again: {verdict}")


def main():
    attune, kills = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    with tempfile.TemporaryDirectory(prefix="attune-server-") as folder:
        campaign = Campaign(attune, kills, seed, folder)
        try:
            clients = campaign.run()
        finally:
            campaign.over.set()
            if campaign.server.process is not None and campaign.server.process.poll() is None:
                campaign.server.end(signal.SIGKILL)
    events, decisions, outcomes = (sum(len(getattr(client, name)) for client in clients) for name in ("events", "decisions", "outcomes"))
    print(f"{kills} kills, {events} events, {decisions} decisions, {outcomes} outcomes, {len(campaign.losses)} lost")
    sys.exit(bool(campaign.losses) or not (events and decisions and outcomes))


main()
