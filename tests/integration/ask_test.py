#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Decisions, outcomes, customers, segments and flags over HTTP, against the real binary.

usage: ask_test.py ATTUNE
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request

ATTUNE = "attune"
PLAYBOOK = """attune: 1
name: Shop
currency: USD
customer: { identifiers: { user: { unique: yes }, email: {}, cookie: { per_customer: 50 } } }
sources:
  shop: { format: segment, arrives: live, key: { user: userId, cookie: anonymousId, email: traits.email } }
context: { page: text, basket: number }
traits:
  views: count("Page Viewed") in 30d
  keen: views >= 3
goals: { buy: { event: Order Completed, within: 7d, value: 20 USD } }
actions:
  coat: { title: A coat, goal: buy, starting_propensity: 20%, channels: { web: { content: { headline: Warm coats } }, email: {} } }
  boots: { title: Boots, goal: buy, starting_propensity: 10%, channels: [web], applicable: context.page != "boots" }
placements:
  banner: { slots: 1, channels: [web], fallback: Welcome, sticky: visit }
  side: { slots: 2, channels: [web], fallback: { headline: New in } }
  letter: { channels: [email] }
policies:
  - { at_most: 1, in: 7d, channel: email }
"""


class Ask(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-ask-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        with open(os.path.join(cls.folder, "playbook.yaml"), "w", encoding="utf-8") as file:
            file.write(PLAYBOOK)

    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="data-", dir=self.folder)
        self.keys = {right: self.add_key(f"--{right}") for right in ("decide", "read", "admin")}
        self.keys["write"] = self.add_key("--write", "--source", "shop")
        self.keys["page"] = self.add_key("--write", "--source", "shop", "--public")
        self.start()

    def add_key(self, *words):
        return json.loads(subprocess.check_output([ATTUNE, "key", "add", *words, "--name", "test", "--dir", self.data, "--json"]))["key"]

    def start(self):
        self.server = subprocess.Popen([ATTUNE, "serve", "--playbook", "playbook.yaml", "--port", "0", "--dir", self.data], cwd=self.folder,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.stop)
        self.url = self.server.stdout.readline().split()[-1]

    def stop(self):
        server, self.server = self.server, None
        if server is not None:
            server.terminate()
            self.assertEqual(server.wait(60), 0)
            server.stdout.close()

    def ask(self, right, path, body=None, code=200, headers=None):
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(),
                                         {"authorization": f"Bearer {self.keys[right]}", "content-type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text, self.headers = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                status, text, self.headers = error.code, error.read(), error.headers
        self.assertEqual(status, code, f"{path} {body} {text}")
        return json.loads(text) if text else None

    def track(self, user, event="Page Viewed", **more):
        return self.ask("write", "/v1/track", {"userId": user, "event": event, **more})

    def names(self, customer):
        events = self.ask("read", f"/v1/customers/{customer}/timeline?limit=1000")["events"]
        return [event["event"] for event in reversed(events)]

    # ---- decisions ----

    def test_placements_context_and_fallbacks(self):
        self.track("ann")
        answer = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placements": ["banner", "side"], "context": {"page": "home", "colour": "red"}})
        banner, side = answer["placements"]
        self.assertEqual([slot["treatment"] for slot in banner["treatments"]], ["coat"])
        self.assertEqual(banner["treatments"][0]["content"], {"headline": "Warm coats"})
        self.assertEqual([slot["treatment"] for slot in side["treatments"]], ["boots"], "no treatment stands twice")
        self.assertIsNone(side["fallback"])
        self.assertIn("colour", answer["left_out"])
        self.assertTrue(answer["recorded"])
        on_boots = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placement": "side", "context": {"page": "boots"}})
        self.assertEqual([slot["treatment"] for slot in on_boots["placements"][0]["treatments"]], ["coat"])
        on_coats = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placements": ["letter", "side"], "count": 1, "context": {"page": "boots"}})
        self.assertEqual(on_coats["placements"][1]["treatments"], [])
        self.assertEqual(on_coats["placements"][1]["fallback"], {"headline": "New in"})
        replayed = subprocess.run([ATTUNE, "decide", "--replay", answer["decision"], "--dir", self.data, "--json"], capture_output=True, text=True, check=False)
        self.assertTrue(json.loads(replayed.stdout)["replay"]["equal"], replayed.stdout + replayed.stderr)

    def test_count_and_trace(self):
        self.track("ann")
        both = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placement": "side", "trace": True, "record": False, "context": {"page": "home"}})
        self.assertEqual(len(both["placements"][0]["treatments"]), 2)
        self.assertEqual(len(both["trace"]["trace"]), 3)
        one = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placement": "side", "count": 1, "record": False, "context": {"page": "home"}})
        self.assertEqual(len(one["placements"][0]["treatments"]), 1)

    def test_sticky_for_the_visit(self):
        self.track("ann")
        ask = {"customer": "user:ann", "placement": "banner", "durable": True}  # readers see what is durable
        first, second = self.ask("decide", "/v1/decide", ask), self.ask("decide", "/v1/decide", ask)
        self.assertEqual(second["decision"], first["decision"])
        self.assertTrue(second["again"])
        self.assertEqual(second["placements"][0]["treatments"][0]["treatment"], first["placements"][0]["treatments"][0]["treatment"])
        self.assertEqual(self.names("user:ann").count("Decision Made"), 1)

    def test_sticky_for_one_of_several_placements(self):
        self.track("ann")
        def ask(names):
            answer = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placements": names, "durable": True})
            return answer, {at["placement"]: [slot["treatment"] for slot in at["treatments"]] for at in answer["placements"]}
        both, slots = ask(["side", "banner"])
        for names in (["banner"], ["banner", "side"]):
            again, now = ask(names)
            self.assertEqual((again["decision"], again["again"]), (both["decision"], True))
            self.assertEqual(now, {name: slots[name] for name in names})
        self.assertNotEqual(ask(["side"])[0]["decision"], both["decision"], "side is not sticky")
        self.assertEqual(self.names("user:ann").count("Decision Made"), 2)

    def test_at_most_one_letter_holds_for_many_at_once(self):
        self.track("ann", traits={})
        offered, lock = set(), threading.Lock()  # asked twice within a millisecond, a customer gets one decision

        def decide():
            answer = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placement": "letter"})
            with lock:
                if answer["placements"][0]["treatments"]:
                    offered.add(answer["decision"])

        threads = [threading.Thread(target=decide) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual(len(offered), 1)

    def test_a_list_of_customers(self):
        for user in ("ann", "bob"):
            self.track(user)
        answers = self.ask("decide", "/v1/decide", {"requests": [{"customer": f"user:{user}", "placement": "side"} for user in ("ann", "nobody", "bob")]})["answers"]
        self.assertEqual(["problem" in answer for answer in answers], [False, True, False])
        self.assertEqual(len({answer["decision"] for answer in (answers[0], answers[2])}), 2)
        self.ask("decide", "/v1/decide", {"requests": []}, 400)
        self.ask("decide", "/v1/decide", {"requests": [{"customer": "user:ann"}] * 101}, 400)

    def test_somebody_new(self):
        answer = self.ask("decide", "/v1/decide", {"identifiers": {"cookie": "k1"}, "placement": "banner", "durable": True})
        self.assertTrue(answer["recorded"])
        self.assertIn("Decision Made", self.names("cookie:k1"))
        unrecorded = self.ask("decide", "/v1/decide", {"identifiers": {"cookie": "k2"}, "placement": "banner", "record": False})
        self.assertEqual(len(unrecorded["placements"][0]["treatments"]), 1)
        self.ask("read", "/v1/customers/cookie:k2", code=404)

    def test_what_is_wrong_is_told(self):
        self.track("ann")
        for body, word in (({"custmer": "user:ann"}, "custmer is no member; did you mean customer"), ({"customer": "user:ann", "placement": "baner"}, "banner"),
                           ({"customer": "user:ann", "count": 0}, "count"), ({"customer": "user:ann", "at": "2026-01-01"}, "record"),
                           ({"customer": "usr:ann"}, "user"), ({}, "customer"), ({"customer": "user:ann", "identifiers": {}}, "either"),
                           ({"customer": 7}, "text"), ({"identifiers": {"cooky": "k"}}, "did you mean cookie")):
            code = 404 if word in ("banner", "user") else 400
            problem = self.ask("decide", "/v1/decide", body, code)
            self.assertIn(word, problem["detail"])
            self.assertEqual(problem["status"], code)
        self.ask("read", "/v1/decide", {"customer": "user:ann"}, 403)
        self.ask("write", "/v1/customers/user:ann", code=403)

    # ---- outcomes ----

    def test_outcomes_count_once(self):
        self.track("ann")
        answer = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placement": "side", "context": {"page": "home"}})
        tell = {"decision": answer["decision"], "outcome": "shown", "treatment": "boots"}
        self.assertEqual(self.ask("decide", "/v1/outcome", tell)["status"], "recorded")
        self.assertEqual(self.ask("decide", "/v1/outcome", tell)["status"], "repeat")
        told = self.ask("decide", "/v1/outcome", {"outcomes": [tell, {**tell, "outcome": "clicked"}, {**tell, "decision": "0" * 16}]})["outcomes"]
        self.assertEqual([one["status"] for one in told], ["repeat", "recorded", "not_found"])
        names = self.names("user:ann")
        self.assertEqual((names.count("Treatment Shown"), names.count("Treatment Clicked")), (1, 1))
        self.ask("decide", "/v1/outcome", {**tell, "outcome": "seen"}, 400)
        self.ask("decide", "/v1/outcome", {**tell, "treatment": "hat"}, 400)
        self.ask("decide", "/v1/outcome", {**tell, "decision": "x"}, 404)

    def test_an_evaluation_is_recorded_by_its_token(self):
        self.track("ann")
        answer = self.ask("decide", "/v1/decide", {"customer": "user:ann", "placement": "side", "record": False})
        self.assertEqual(self.names("user:ann"), ["Page Viewed"])
        self.assertTrue(self.ask("decide", "/v1/outcome", {"decision": answer["token"], "outcome": "shown"})["restored"])
        self.assertEqual(self.names("user:ann").count("Decision Made"), 1)
        forged = answer["token"][:-4] + ("AAAA" if answer["token"][-4:] != "AAAA" else "BBBB")
        self.ask("decide", "/v1/outcome", {"decision": forged, "outcome": "shown"}, 404)

    # ---- customers and segments ----

    def test_timeline_pages_agree_while_more_arrives(self):
        for number in range(25):
            self.track("ann", f"Page Viewed", messageId=f"m{number}", properties={"name": str(number)})
        seen, path = [], "/v1/customers/user:ann/timeline?limit=10"
        page = self.ask("read", path)
        while True:
            seen += [event["properties"]["name"] for event in page["events"]]
            if page["next"] is None:
                break
            self.track("ann", "Page Viewed", properties={"name": "later"})
            page = self.ask("read", path + "&cursor=" + urllib.parse.quote(page["next"]))
        self.assertEqual(seen, [str(number) for number in reversed(range(25))])
        for cursor in ("x", "1.2", "1.2.3.4", "-1.2.3", "1..3", "99999999999999999999.1.1"):
            self.ask("read", path + "&cursor=" + cursor, code=400)
        self.ask("read", "/v1/customers/user:ann/timeline?limit=0", code=400)

    def test_traits_segments_and_why_not(self):
        for user, views in (("ann", 3), ("bob", 1)):
            for _ in range(views):
                self.track(user)
        self.assertEqual(self.ask("read", "/v1/customers/user:ann/traits")["traits"]["views"], 3)
        whole = self.ask("read", "/v1/customers/user:ann")
        self.assertEqual((whole["segments"], whole["events"]), (["keen"], 3))
        count = self.ask("read", "/v1/segments/keen/count")
        self.assertEqual((count["value"], count["low"], count["high"], count["n"]), (1, 1, 1, 2))
        self.assertIn("keen", self.ask("read", "/v1/segments/ken/count", code=404)["detail"])
        why = self.ask("read", "/v1/customers/user:ann/why-not?action=boots")
        self.assertEqual([treatment["treatment"] for treatment in why["treatments"]], ["boots"])
        self.assertIn("coat", self.ask("read", "/v1/customers/user:ann/why-not?action=cot", code=404)["detail"])
        self.ask("read", "/v1/customers/user:ann/why-not", code=400)
        for query, words in (("action=coat&placement=letter", ["it can't stand at letter", ""]), ("action=boots&context=%7B%22page%22:%22boots%22%7D", ["applicable"]),
                             ("action=boots&placement=side&context=%7B%22page%22:%22home%22%7D", ["offered"])):
            why = self.ask("read", f"/v1/customers/user:ann/why-not?{query}")
            self.assertTrue(all(any(word in told["words"] for told in why["treatments"]) for word in words), why)
        self.assertIn("banner", self.ask("read", "/v1/customers/user:ann/why-not?action=boots&placement=baner", code=404)["detail"])
        for wrong in ("count=0", "context=7", "context=%7B"):
            self.ask("read", f"/v1/customers/user:ann/why-not?action=boots&{wrong}", code=400)
        self.ask("read", "/v1/customers/user:ann?at=yesterday", code=400)
        for path in ("customers/user:ann?tine=1", "customers/user:ann/timeline?limt=1", "customers/user:ann/traits?at=%FF", "customers/user:ann/why-not?action=boots&plce=side",
                     "segments/keen/count?when=now", "events/stream?sorce=web", "events/stream?source=%FF"):
            self.assertRegex(self.ask("read", f"/v1/{path}", code=400)["type"], "unknown-member$|invalid$")
        self.assertIn("at,limit,cursor", self.ask("read", "/v1/customers/user:ann/timeline?limt=1", code=400)["detail"])
        self.ask("read", "/v1/customers/user:ann?at=2001-01-01", code=404)

    def test_what_a_page_says_is_marked(self):
        self.track("ann")
        for body in ({"userId": "ann", "anonymousId": "k1", "event": "Page Viewed"}, {"anonymousId": "k1", "event": "Page Viewed"}):
            self.ask("page", "/v1/track", body)
        events = self.ask("read", "/v1/customers/user:ann/timeline")["events"]
        self.assertEqual([event["trust"] for event in events], ["claimed", "claimed", "verified"])

    # ---- flags ----

    def test_flags(self):
        self.track("ann")
        who = {"context": {"targetingKey": "user:ann", "page": "home"}}
        flag = self.ask("decide", "/ofrep/v1/evaluate/flags/banner", who)
        self.assertEqual((flag["value"], flag["variant"], flag["reason"]), ("coat", "coat", "TARGETING_MATCH"))
        self.assertIn("token", flag["metadata"])
        self.assertIs(self.ask("decide", "/ofrep/v1/evaluate/flags/keen", who)["value"], False)
        self.assertEqual(self.ask("decide", "/ofrep/v1/evaluate/flags/nosuch", who, 404)["errorCode"], "FLAG_NOT_FOUND")
        self.assertEqual(self.ask("decide", "/ofrep/v1/evaluate/flags/banner", {}, 400)["errorCode"], "TARGETING_KEY_MISSING")
        flags = self.ask("decide", "/ofrep/v1/evaluate/flags", who)["flags"]
        self.assertEqual({flag["key"] for flag in flags}, {"banner", "side", "letter", "keen"})
        tag = self.headers["ETag"]
        self.ask("decide", "/ofrep/v1/evaluate/flags", who, 304, {"If-None-Match": tag})
        for _ in range(3):
            self.track("ann")
        self.ask("decide", "/ofrep/v1/evaluate/flags", who, 200, {"If-None-Match": tag})
        self.assertEqual(set(self.names("user:ann")), {"Page Viewed"}, "evaluating records nothing")
        unknown = self.ask("decide", "/ofrep/v1/evaluate/flags/banner", {"context": {"targetingKey": "a-visitor"}})
        self.assertEqual(unknown["value"], "coat")


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
