#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What people met who tried the server for the first time: each test is something that misled them, or that they lost.

usage: first_use_test.py ATTUNE
"""
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import serving

ATTUNE = "attune"
PLAYBOOK = """attune: 1
name: Roastery
currency: EUR
customer: { identifiers: { user_id: { unique: true }, email: {}, anonymous_id: {} } }
sources:
  web: { format: segment, arrives: live, key: { user_id: userId, anonymous_id: anonymousId, email: traits.email } }
  calls:
    listen: /in/calls
    signature: { scheme: hmac_sha256, secret: env FIRST_USE_SECRET, header: X-Signature }
    event: Call Ended
    time: ended
    key: { user_id: customer }
    row_key: call
    properties_at: .
  erp:
    format: ndjson
    arrives: live
    event: Order Completed
    time: at
    key: { user_id: customer }
    row_key: id
    row_version: version
    retract_when: { deleted: "*" }
    types: { version: number }
    properties_at: .
events: { Call Ended: { minutes: number }, Order Completed: { tip: money } }
context: { page: text }
traits:
  minutes: sum("Call Ended".minutes)
  spend: sum("Order Completed".revenue)
  in_cart: context.page == "cart"
goals:
  order: { event: Order Completed, within: 14d, value: 12 EUR }
  dinner: { event: Order Completed, within: 14d, value: tip * 2 }
actions:
  beans: { title: Fresh beans, goal: order, starting_propensity: 5%, channels: [web] }
  mug: { title: A mug, goal: order, starting_propensity: 4%, weight: "if(in_cart, 3, 1)", channels: [web] }
  letter: { goal: order, starting_propensity: 4%, channels: [email] }
  dine: { goal: dinner, starting_propensity: 4%, channels: [app] }
placements:
  home: { channels: [web], slots: 1, sticky: visit, fallback: { headline: Welcome } }
  post: { channels: [email], fallback: none }
  table: { channels: [app] }
policies:
  - { after: Rejected, of: same action, wait: 30d }
  - { never_without: opt_in, channel: email }
"""
BAD = ({"event": "Order Completed", "messageId": "b1"}, {"userId": "null", "event": "Order Completed", "messageId": "b2"},
       {"userId": "ann", "messageId": "b3"})


class FirstUse(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="attune-first-use-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        with open(os.path.join(self.folder, "playbook.yaml"), "w", encoding="utf-8") as file:
            file.write(PLAYBOOK)
        serving.ENVIRONMENT["FIRST_USE_SECRET"] = "secret"
        self.server = self.serve()
        self.write = self.server.key("--write", "--source", "web")
        self.read = self.server.key("--read")
        self.decide = self.server.key("--decide")

    def serve(self, directory="data"):
        server = serving.Serving(ATTUNE, self.folder, "--playbook", "playbook.yaml", directory=directory).start()
        self.addCleanup(lambda: server.process.poll() is None and server.stop())
        return server

    def command(self, *words, code=0):
        done = subprocess.run([ATTUNE, *words], cwd=self.folder, capture_output=True, text=True, check=False, env=serving.ENVIRONMENT)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def track(self, **message):
        answer = self.server.ask("POST", "/v1/track", json.dumps(message), self.write)
        self.assertEqual(answer.code, 200, answer.body)
        return answer.json()

    def post(self, path, body, code=200):
        answer = self.server.ask("POST", path, json.dumps(body), self.decide, Content_Type="application/json")
        self.assertEqual(answer.code, code, answer.body)
        return answer.json()

    # ---- what lies in quarantine ----

    def rows(self):
        return self.command("quarantine", "list", "--dir", "data")

    def test_one_row_of_a_request_is_dropped_and_no_other(self):
        for message in BAD:
            self.assertEqual(self.track(**message)["quarantined"], 1)
        listed = re.findall(r"^ *1  web +(\d+) ", self.rows(), re.M)
        self.assertEqual(len(set(listed)), len(BAD), self.rows())
        shown = self.command("quarantine", "show", listed[1], "--dir", "data")
        self.assertIn('"b2"', shown)
        self.assertNotIn('"b1"', shown)
        refused = self.command("quarantine", "drop", "request:1", "--dir", "data", code=1)
        self.assertIn("3 rows", refused)
        self.assertIn("nothing was dropped", refused)
        self.assertIn("1 row.", self.command("quarantine", "drop", listed[1], "--dir", "data"))
        self.assertEqual(re.findall(r"^ *1  web +(\d+) ", self.rows(), re.M), [listed[0], listed[2]])

    def test_the_tail_gives_no_message_the_name_of_another(self):
        tail = subprocess.Popen([ATTUNE, "tail", f"http://127.0.0.1:{self.server.port}", "--messages", "3"], cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**serving.ENVIRONMENT, "ATTUNE_KEY": self.read})
        self.addCleanup(tail.kill)
        self.assertIn("what arrives", tail.stderr.readline())
        batch = [{"type": "track", "userId": "ann", "event": "Order Completed", "messageId": "m1"}, 7, {"type": "bogus", "messageId": "m2"}]
        answer = self.server.ask("POST", "/v1/batch", json.dumps({"batch": batch}), self.write)
        self.assertEqual(answer.json()["events"], 1, answer.body)
        out, failure = tail.communicate(timeout=60)
        seen = [line[9:].rstrip() for line in out.splitlines() if line[:1].isdigit()]
        self.assertEqual([line[:45].rstrip().split(None, 2)[2:] for line in seen], [["Order Completed"], [], ["bogus"]], out + failure)

    def test_erasing_finds_who_is_the_name_of_a_member(self):
        self.track(userId="ann", event="Order Completed", messageId="m1", traits={"email": "ann@example.org"})
        self.track(userId="bob", event="Order Completed", messageId="m2", properties={"revenue": "dear", "shared_with": {"Ann@example.org": True}})
        self.track(userId="bob", event="Order Completed", messageId="m3", properties={"revenue": "dear", "shared_with": {"cleo@example.org": True}})
        self.command("erase", "user_id:ann", "--yes", "--dir", "data")
        kept = b""
        for folder, _, names in os.walk(os.path.join(self.folder, "data")):
            for name in names:
                if name != "control.sock":
                    with open(os.path.join(folder, name), "rb") as file:
                        kept += file.read().lower()
        self.assertNotIn(b"ann@example.org", kept)
        self.assertIn(b"cleo@example.org", kept)

    # ---- webhooks ----

    def test_json_that_is_called_a_form_is_json(self):
        for call, more in (("c1", ""), ("c2", "; charset=utf-8")):
            body = json.dumps({"call": call, "customer": "ann", "ended": "2026-05-01T10:00:00Z", "minutes": 4})
            signature = hmac.new(b"secret", body.encode(), hashlib.sha256).hexdigest()
            answer = self.server.ask("POST", "/in/calls", body, None, X_Signature=signature, Content_Type="application/x-www-form-urlencoded" + more)
            self.assertEqual(answer.code, 200, answer.body)
        self.assertEqual(json.loads(self.command("traits", "user_id:ann", "--dir", "data", "--json"))["traits"]["minutes"], 8)
        body = "call=c3&customer=ann&ended=2026-05-01T10:00:00Z&minutes=4&note=%7Bdone%7D"
        signature = hmac.new(b"secret", body.encode(), hashlib.sha256).hexdigest()
        self.server.ask("POST", "/in/calls", body, None, X_Signature=signature, Content_Type="application/x-www-form-urlencoded")
        self.assertEqual(json.loads(self.command("traits", "user_id:ann", "--dir", "data", "--json"))["traits"]["minutes"], 12)

    def test_each_row_of_a_request_is_counted(self):
        key = self.server.key("--write", "--source", "erp")
        row = {"id": "7", "at": "2026-05-01T10:00:00Z", "customer": "ann"}
        told = []
        for more in ({"version": 2, "tip": "3.00"}, {"version": 2, "tip": "3.00"}, {"version": 1, "tip": "2.00"}, {"version": 3, "tip": "4.00"}):
            answer = self.server.ask("POST", "/v1/track", json.dumps({**row, **more}), key).json()
            told.append({name: value for name, value in answer.items() if value and name != "success"})
        self.assertEqual(told, [{"events": 1}, {"repeats": 1}, {"repeats": 1}, {"corrected": 1}])

    def test_rows_of_a_source_of_ones_own(self):
        key = self.server.key("--write", "--source", "erp")
        rows = [{"id": str(number), "at": "2026-05-01T10:00:00Z", "customer": "dan", "tip": "3.00", "version": 1} for number in range(6)]
        for path, body, count in (("track", rows[0], 1), ("batch", {"batch": rows[1:3]}, 2), ("batch", rows[3:5], 2), ("import", rows[5], 1),
                                  ("batch", {"writeKey": key, "batch": []}, 0)):
            for what in ("events", "repeats") if count else ():
                answer = self.server.ask("POST", f"/v1/{path}", json.dumps(body), key).json()
                self.assertEqual({name: value for name, value in answer.items() if value and name != "success"}, {what: count}, (path, body))
        events = self.server.ask("GET", "/v1/customers/user_id:dan/timeline", None, self.read).json()["events"]
        self.assertEqual(len(events), 6)
        self.assertFalse(any("receivedAt" in event["properties"] or "type" in event["properties"] for event in events), events)
        self.server.ask("POST", "/v1/track", json.dumps({**rows[0], "id": "k", "at": "never", "writeKey": key}))
        self.assertNotIn(key, self.command("quarantine", "list", "--dir", "data", "--json") + self.command(
            "quarantine", "show", re.findall(r"^ *1  erp +(\d+) ", self.rows(), re.M)[0], "--dir", "data"))

    def test_a_flag_that_says_yes_retracts(self):
        key = self.server.key("--write", "--source", "erp")
        for number, (flag, kept) in enumerate(((True, 0), ("yes", 0), ("True", 0), (1, 0), ("2026-05-02", 0), (False, 1), ("no", 1), (0, 1), (None, 1), ("", 1))):
            row = {"id": f"f{number}", "at": "2026-05-01T10:00:00Z", "customer": f"c{number}", "tip": "3.00"}
            for more in ({"version": 1}, {"version": 2, "deleted": flag}):
                answer = self.server.ask("POST", "/v1/track", json.dumps({**row, **more}), key)
            self.assertEqual("retracted" in answer.json(), not kept, (flag, answer.body))

    # ---- decisions ----

    def test_what_was_rejected_is_not_given_again(self):
        self.track(userId="ann", event="Order Completed", messageId="m1")
        ask = {"customer": "user_id:ann", "placement": "home", "context": {"page": "cart"}, "durable": True}
        first = self.post("/v1/decide", ask)
        self.assertEqual([slot["treatment"] for slot in first["placements"][0]["treatments"]], ["mug"])
        self.post("/v1/outcome", {"decision": first["decision"], "outcome": "shown"})
        again = self.post("/v1/decide", {**ask, "context": {}})
        self.assertTrue(again["again"])
        self.assertIn("A mug", again["reason"], "the reason is of what is given, and not of what would be decided now")
        self.assertNotIn("beans", again["reason"])
        self.post("/v1/outcome", {"decision": first["decision"], "outcome": "rejected"})
        other = self.post("/v1/decide", ask)
        self.assertFalse(other["again"])
        self.assertEqual([slot["treatment"] for slot in other["placements"][0]["treatments"]], ["beans"])

    def test_a_goal_without_a_known_value_is_told(self):
        self.track(userId="ann", event="Order Completed", messageId="m1")
        self.assertIn("the value of its goal is not known yet", self.post("/v1/decide", {"customer": "user_id:ann", "placement": "table"})["reason"])
        self.assertIn("it has no fallback", self.command("decide", "user_id:ann", "--placement", "table", "--dry-run", "--dir", "data"))
        self.assertIn("its fallback is shown", self.command("decide", "user_id:ann", "--placement", "post", "--dry-run", "--dir", "data"))

    def test_decisions_and_outcomes_are_counted(self):
        self.track(userId="ann", event="Order Completed", messageId="m1")
        ask = {"customer": "user_id:ann", "placement": "home", "durable": True}
        first = self.post("/v1/decide", ask)
        self.post("/v1/decide", ask)
        self.post("/v1/decide", {"customer": "user_id:ann", "placement": "home", "count": 1, "record": False, "at": "2026-05-01T10:00:00Z"})
        self.assertEqual(self.post("/v1/decide", {"customer": "user_id:ann", "placement": "post"})["placements"][0]["fallback"], {"text": "none"})
        for _ in range(2):
            self.post("/v1/outcome", {"decision": first["decision"], "outcome": "shown"})
        text = self.server.ask("GET", "/metrics", None, self.read).body.decode()
        counted = {name: int(re.search(rf"^attune_{name} (\d+)$", text, re.M).group(1)) for name in
                   ("decisions_total", "decisions_repeated_total", "dry_runs_total", "decisions_fallback_total", "outcomes_total")}
        self.assertEqual(counted, {"decisions_total": 2, "decisions_repeated_total": 1, "dry_runs_total": 1, "decisions_fallback_total": 1,
                                   "outcomes_total": 1})

    def test_a_sum_of_two_currencies_says_why_it_is_unknown(self):
        for number, currency in enumerate(("EUR", "USD")):
            self.track(userId="ann", event="Order Completed", messageId=f"m{number}", properties={"revenue": 10, "currency": currency})
        self.assertRegex(self.command("traits", "user_id:ann", "--dir", "data"), r"spend +unknown .*several\s+currencies")

    # ---- backup ----

    def test_a_restored_server_knows_its_clients(self):
        self.track(userId="ann", event="Order Completed", messageId="m1")
        with open(os.path.join(self.folder, "data", "script.js"), "w", encoding="utf-8") as file:
            file.write("// an SDK")
        self.command("backup", "first", "--dir", "data")
        self.command("backup", "second", "--since", "first", "--dir", "data")
        for copy in ("first", "second"):
            self.assertEqual(os.stat(os.path.join(self.folder, copy, "access.json")).st_mode & 0o077, 0)
            self.assertIn("sound", self.command("fsck", "--dir", copy))
        self.server.stop()
        self.server = self.serve("second")
        self.assertEqual(self.track(userId="ann", event="Order Completed", messageId="m1")["repeats"], 1)
        self.assertEqual(self.server.ask("GET", "/script.js").body, b"// an SDK")


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
