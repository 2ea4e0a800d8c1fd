#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What comes in over HTTP: events as SDKs send them, the documents that they ask for, the live tail; each as the client sees it.

usage: take_test.py ATTUNE
"""
import base64
import gzip
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

ATTUNE = "attune"
PAGE = "http://shop.example"
PLAYBOOK = """attune: 1
name: A shop
currency: USD
zone: UTC
customer: { identifiers: { user_id: {}, anonymous_id: {}, email: {} } }
sources:
  web: { format: segment, arrives: live, key: { user_id: userId, anonymous_id: anonymousId, email: traits.email } }
  night: { format: segment, file: "night*.ndjson" }
events: { Clicked: { button: text, price: money } }
traits:
  clicks: count("Clicked")
  pages: count("Page Viewed")
"""


class Server:
    """A directory with keys, and the server over it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="attune-take-")
        with open(os.path.join(self.folder, "playbook.yaml"), "w", encoding="utf-8") as file:
            file.write(PLAYBOOK)
        self.start()
        self.server_key = self.key("--write", "--source", "web")
        self.page_key = self.key("--write", "--source", "web", "--public")
        self.night_key = self.key("--write", "--source", "night")
        self.read_key = self.key("--read")

    def run(self, *words):
        return subprocess.run([ATTUNE, *words], cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def key(self, *words):
        return self.run("key", "add", *words).strip()

    def start(self):
        self.process = subprocess.Popen([ATTUNE, "serve", "--playbook", "playbook.yaml", "--port", "0", "--origin", PAGE, "--first-party", "/assets/x1"],
                                        cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def stop(self, kill=False):
        self.process.kill() if kill else self.process.terminate()
        self.process.communicate(timeout=60)
        return self.process.returncode

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, True)

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.bytes = answer.read()
        connection.close()
        return answer

    def post(self, path, body, key=None, **headers):
        if key != "":
            headers.setdefault("Authorization", "Basic " + base64.b64encode(((key or self.server_key) + ":").encode()).decode())
        return self.ask("POST", path, body if isinstance(body, (bytes, str)) else json.dumps(body), **headers)

    def send(self, path, body, **headers):
        answer = self.post(path, body, **headers)
        assert answer.status == 200, (path, body, answer.status, answer.bytes)
        return json.loads(answer.bytes)

    def traits(self, customer):
        answer = self.ask("GET", f"/v1/customers/{customer}/traits", Authorization="Bearer " + self.read_key)
        return json.loads(answer.bytes)["traits"] if answer.status == 200 else None

    def clicks(self, customer):
        return (self.traits(customer) or {}).get("clicks")


class Tail:
    """The live tail, as any client of server-sent events reads it."""

    def __init__(self, server, query=""):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.connection.request("GET", "/v1/events/stream" + query, headers={"Authorization": "Bearer " + server.read_key})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.next()[0] == "open"

    def next(self):
        event, data = None, None
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif line == "" and event:
                return event, data

    def close(self):
        self.answer.close()
        self.connection.close()


class Take(unittest.TestCase):
    maxDiff = None
    server = None
    users = 0

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)

    def user(self):
        Take.users += 1
        return f"user-{Take.users}"

    def click(self, user, **members):
        return {"userId": user, "event": "Clicked", **members}

    def visit(self, device, **members):
        """What a page may say: a public key's event is of a device."""
        return {"anonymousId": device, "event": "Clicked", **members}

    def tail(self, query=""):
        tail = Tail(self.server, query)
        self.addCleanup(tail.close)
        return tail

    def test_every_path_and_its_short_form(self):
        user = self.user()
        for path in ("/v1/track", "/v1/t", "/assets/x1/v1/t", "/api/s/track", "/api/s/s2s/track"):
            self.assertEqual(self.server.send(path, self.click(user))["events"], 1, path)
        self.assertEqual(self.server.clicks("user_id:" + user), 5)
        for path in ("/v1/page", "/v1/p", "/v1/screen", "/v1/s", "/v1/identify", "/v1/i", "/v1/group", "/v1/g", "/v1/alias", "/v1/a", "/api/s/page"):
            self.assertEqual(self.server.send(path, {"userId": user, "previousId": "x", "groupId": "g"})["events"], 1, path)
        self.assertEqual(self.server.traits("user_id:" + user)["pages"], 3)
        for path in ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"):
            body = {"batch": [self.click(user, type="track"), {"type": "page", "userId": user}], "sentAt": "2026-01-01T00:00:00Z", "context": {}}
            self.assertEqual(self.server.send(path, body)["events"], 2, path)
        self.assertEqual(self.server.send("/v1/batch", [self.click(user, type="track")])["events"], 1)
        self.assertEqual(self.server.send("/v1/batch", {"batch": []})["events"], 0)
        self.assertEqual(self.server.clicks("user_id:" + user), 10)
        self.assertEqual(self.server.post("/api/s/nonsense", self.click(user)).status, 404)

    def test_where_a_key_may_stand(self):
        user, key = self.user(), self.server.page_key
        for headers in ({"Authorization": "Bearer " + key}, {"X_Write_Key": key}, {"X_Write_Key": "web:" + key}):
            self.assertEqual(self.server.post("/v1/track", self.visit(user), key="", **headers).status, 200, headers)
        self.assertEqual(self.server.post("/v1/track?writeKey=" + key, self.visit(user), key="").status, 200)
        self.assertEqual(self.server.post("/v1/track", self.visit(user, writeKey=key), key="", Content_Type="text/plain").status, 200)
        self.assertEqual(self.server.post("/v1/batch", {"batch": [self.visit(user, type="track")], "writeKey": key}, key="").status, 200)
        self.assertEqual(self.server.clicks("anonymous_id:" + user), 6)
        self.assertEqual(self.server.post("/v1/track", self.visit(user), key="").status, 401)
        self.assertEqual(self.server.post("/v1/track", self.visit(user), key="atw_unknown").status, 401)
        self.assertEqual(self.server.post("/v1/track", self.visit(user, writeKey=123), key="").status, 401)
        self.assertEqual(self.server.post("/v1/track", self.visit(user), key=self.server.read_key).status, 403)
        self.assertEqual(self.server.clicks("anonymous_id:" + user), 6)

    def test_a_public_key_learns_nothing(self):
        device = self.user()
        body = self.visit(device, messageId="p1")
        for _ in range(2):
            self.assertEqual(self.server.send("/v1/track", body, key=self.server.page_key), {"success": True})
        self.assertEqual(self.server.clicks("anonymous_id:" + device), 1)

    def test_a_repeat_counts_once(self):
        user = self.user()
        body = self.click(user, messageId="once-" + user, sentAt="2026-01-01T00:00:00Z", timestamp="2026-01-01T00:00:00Z")
        self.assertEqual(self.server.send("/v1/track", body)["events"], 1)
        self.assertEqual(self.server.send("/v1/track", {**body, "sentAt": "2026-01-01T00:00:05Z"})["repeats"], 1)
        self.assertEqual(self.server.send("/v1/batch", {"batch": [{**body, "type": "track"}] * 3})["repeats"], 3)
        self.assertEqual(self.server.clicks("user_id:" + user), 1)

    def test_what_was_acknowledged_survives_a_kill(self):
        user = self.user()
        for number in range(5):
            self.server.send("/v1/track", self.click(user, messageId=f"kill-{user}-{number}"))
        self.server.stop(kill=True)
        self.server.start()
        self.assertEqual(self.server.clicks("user_id:" + user), 5)
        self.assertEqual(self.server.send("/v1/track", self.click(user, messageId=f"kill-{user}-0"))["repeats"], 1)

    def test_one_bad_message_is_quarantined_and_never_a_4xx(self):
        user = self.user()
        batch = [self.click(user, type="track"), {"type": "track", "userId": None, "event": "Clicked"}, {"type": "nonsense", "userId": user},
                 self.click(user, type="track", properties={"price": "dear"}), 7, self.click(user, type="track")]
        answer = self.server.send("/v1/batch", {"batch": batch})
        self.assertEqual((answer["events"], answer["quarantined"]), (2, 1))  # the bad ones wait together, as a batch of their own
        self.assertEqual(self.server.send("/v1/track", {"userId": user})["quarantined"], 1)

    def test_a_bad_message_that_is_sent_again_waits_once(self):
        bad = {"userId": self.user(), "event": "Clicked", "properties": {"price": "dear"}}
        for second, quarantined in ((1, 1), (2, 0)):
            sent = f"2026-01-01T00:00:0{second}Z"
            self.assertEqual(self.server.send("/v1/track", {**bad, "sentAt": sent})["quarantined"], quarantined)
            self.assertEqual(self.server.send("/v1/batch", {"batch": [{**bad, "type": "track"}], "sentAt": sent})["quarantined"], quarantined)
        self.assertEqual(self.server.send("/v1/track", {**bad, "properties": {"price": "cheap"}})["quarantined"], 1)

    def test_no_key_is_stored(self):
        self.server.post("/v1/track", {"writeKey": self.server.page_key, "note": "it waits in quarantine"}, key="")
        self.server.post("/v1/batch", {"writeKey": self.server.page_key, "batch": [{"note": "it waits, too"}]}, key="")
        self.server.post("/v1/batch", {"writeKey": self.server.page_key, "batch": "no list"}, key="")
        self.server.post("/v1/batch", {"batch": [{"writeKey": self.server.server_key, "note": "in a message"}]})
        self.server.post("/v1/track", {"properties": {"writeKey": self.server.server_key}, "note": "in a property"})
        kept = b""
        for folder, _, names in os.walk(os.path.join(self.server.folder, "data")):
            for name in names:
                if not os.path.isfile(os.path.join(folder, name)):
                    continue  # a socket
                with open(os.path.join(folder, name), "rb") as file:
                    kept += file.read()
        self.assertIn(b"it waits in quarantine", kept)
        self.assertIn(b"it waits, too", kept)
        for note in (b"no list", b"in a message", b"in a property"):
            self.assertIn(note, kept)
        self.assertNotIn(self.server.page_key.encode(), kept)
        self.assertNotIn(self.server.server_key.encode(), kept)

    def test_bodies_that_can_not_be_read(self):
        gzipped = gzip.compress(json.dumps(self.click(self.user())).encode())
        self.assertEqual(self.server.send("/v1/track", gzipped, Content_Encoding="gzip")["events"], 1)
        self.assertEqual(self.server.send("/v1/track", gzipped, Content_Encoding="gzip", Content_Type="text/plain")["events"], 1)
        bomb = gzip.compress(b'{"userId":"u","event":"' + b"x" * (1 << 24) + b'"}')
        for body, headers, code in ((b"", {}, 400), (b"nonsense", {}, 400), (b"[1", {}, 400), (b'{"userId":', {}, 400), (b'"text"', {}, 400),
                                    (b'{"userId":"\xff"}', {}, 400), (b'{"userId":"\x00"}', {}, 400), (b'{"a":' * 2000 + b"1" + b"}" * 2000, {}, 400),
                                    (gzipped[:-9], {"Content_Encoding": "gzip"}, 400), (bomb, {"Content_Encoding": "gzip"}, 413),
                                    (b'{"event":"' + b"x" * (1 << 20) + b'"}', {}, 413)):
            answer = self.server.post("/v1/track", body, **headers)
            self.assertEqual(answer.status, code, (body[:30], answer.bytes))
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual(self.server.send("/v1/track", self.click(self.user()))["events"], 1)

    def test_a_key_of_a_source_that_is_not_live(self):
        answer = self.server.post("/v1/track", self.click(self.user()), key=self.server.night_key)
        self.assertEqual(answer.status, 503)
        self.assertTrue(int(answer.headers["Retry-After"]) > 0)
        self.assertIn("arrives: live", json.loads(answer.bytes)["detail"])

    def test_pages(self):
        user = self.user()
        asked = self.server.ask("OPTIONS", "/v1/t", Origin=PAGE, Access_Control_Request_Method="POST",
                                Access_Control_Request_Headers="authorization,content-type,x-retry-count")
        self.assertEqual((asked.status, asked.headers["Access-Control-Allow-Origin"]), (204, PAGE))
        self.assertIn("authorization", asked.headers["Access-Control-Allow-Headers"])
        sent = self.server.post("/v1/t", self.visit(user), key=self.server.page_key, Origin=PAGE)
        self.assertEqual((sent.status, sent.headers["Access-Control-Allow-Origin"]), (200, PAGE))
        self.assertEqual(self.server.post("/v1/t", self.visit(user), key=self.server.page_key, Origin="http://evil.example").status, 403)
        self.assertEqual(self.server.clicks("anonymous_id:" + user), 1)

    def test_the_pixel(self):
        user = self.user()
        message = json.dumps({**self.visit(user), "writeKey": self.server.page_key, "note": "ÿ?>~"}, ensure_ascii=False).encode()
        for data in (base64.b64encode(message).decode().replace("+", "%2B").replace("/", "%2F"), base64.urlsafe_b64encode(message).decode().rstrip("=")):
            answer = self.server.ask("GET", "/v1/pixel/track?data=" + data)
            self.assertEqual((answer.status, answer.headers["Content-Type"], answer.bytes[:6]), (200, "image/gif", b"GIF89a"))
        self.assertEqual(self.server.clicks("anonymous_id:" + user), 2)
        self.assertEqual(self.server.ask("GET", "/v1/pixel/track?data=!!!").status, 400)
        self.assertEqual(self.server.ask("GET", "/v1/pixel/track").status, 400)
        self.assertEqual(self.server.ask("GET", "/v1/pixel/track?data=" + base64.b64encode(b'{"userId":"u"}').decode()).status, 401)

    def test_events_are_counted_by_source(self):
        def counted():
            text = self.server.ask("GET", "/metrics", Authorization="Bearer " + self.server.read_key).bytes.decode()
            return {line.split('"')[3]: int(float(line.split()[-1])) for line in text.splitlines()
                    if line.startswith("attune_events_total") and 'source="web"' in line}
        before, user = counted(), self.user()
        body = {"batch": [self.click(user, type="track", messageId="count-1"), self.click(user, type="track", messageId="count-1"),
                          {"type": "track", "event": "Nobody Declared It", "userId": user}, {"type": "track", "event": "Clicked"}]}
        self.server.send("/v1/batch", body)
        self.assertEqual({verdict: count - before.get(verdict, 0) for verdict, count in counted().items() if count != before.get(verdict, 0)},
                         {"clean": 1, "repeated": 1, "dark": 1, "quarantined": 1})

    def test_settings_documents(self):
        for prefix in ("", "/assets/x1"):
            settings = json.loads(self.server.ask("GET", f"{prefix}/v1/projects/KEY/settings", Origin=PAGE).bytes)
            self.assertEqual(settings["integrations"]["Segment.io"]["apiHost"], f"127.0.0.1:{self.server.port}{prefix}/v1")
            self.assertEqual(settings["integrations"]["Segment.io"]["apiKey"], "KEY")
            config = json.loads(self.server.ask("GET", f"{prefix}/sourceConfig/?writeKey=KEY").bytes)
            self.assertEqual((config["source"]["writeKey"], config["source"]["enabled"], config["source"]["destinations"]), ("KEY", True, []))
            self.assertIsInstance(config["source"]["config"], dict)
        self.assertEqual(self.server.ask("GET", "/assets/x1/v1/customers/x/traits").status, 404)

    def test_a_head_of_the_pixel_stores_nothing(self):
        user = self.user()
        message = json.dumps({**self.visit(user), "writeKey": self.server.page_key}).encode()
        path = "/v1/pixel/track?data=" + base64.urlsafe_b64encode(message).decode().rstrip("=")
        for method in ("HEAD", "HEAD", "GET"):
            self.assertEqual(self.server.ask(method, path).status, 200)
        self.assertEqual(self.server.clicks("anonymous_id:" + user), 1)

    def test_the_script(self):
        self.assertEqual(self.server.ask("GET", "/script.js").status, 404)
        with open(os.path.join(self.server.folder, "data", "script.js"), "w", encoding="utf-8") as file:
            file.write("analytics = {}")
        for path in ("/script.js", "/assets/x1/script.js"):
            answer = self.server.ask("GET", path, Origin=PAGE)
            self.assertEqual((answer.status, answer.bytes), (200, b"analytics = {}"))
            self.assertTrue(answer.headers["Content-Type"].startswith("text/javascript"))
            self.assertEqual(self.server.ask("GET", path, If_None_Match=answer.headers["ETag"]).status, 304)

    def test_the_tail_shows_what_became_of_each(self):
        tail, user = self.tail(), self.user()
        self.server.send("/v1/track", {**self.click(user, messageId="t1"), "traits": {"email": "ann@shop.example"}})
        self.server.send("/v1/batch", {"batch": [self.click(user, type="track", messageId="t1"), self.click(user, type="track", messageId="t2"),
                                                 {"type": "track", "event": "Clicked", "messageId": "t3"},
                                                 self.click(user, type="track", messageId="t4", event="Cliked")]})
        self.server.post("/v1/track", "nonsense")
        seen = [tail.next()[1] for _ in range(6)]
        self.assertEqual([entry["verdict"] for entry in seen], ["clean", "repeated", "clean", "quarantined", "dark", "refused"])
        self.assertEqual([entry["message_id"] for entry in seen], ["t1", "t1", "t2", "t3", "t4", None])
        self.assertEqual(seen[0]["identifiers"], ["user_id:***" if len(user) < 8 else f"user_id:u***{user[-1]}", "email:a***@shop.example"])
        self.assertIn("nobody", seen[3]["reason"])
        self.assertNotIn("ann@", json.dumps(seen))

    def test_the_tail_filters(self):
        bad, pages = self.tail("?verdict=quarantined,refused"), self.tail("?name=Page*&source=web")
        self.server.send("/v1/track", self.click(self.user()))
        self.server.send("/v1/page", {"userId": self.user(), "messageId": "page-1"})
        self.server.send("/v1/track", {"event": "Clicked", "messageId": "bad-1"})
        self.assertEqual(bad.next()[1]["message_id"], "bad-1")
        self.assertEqual(pages.next()[1]["message_id"], "page-1")
        answer = self.server.ask("GET", "/v1/events/stream?verdict=nonsense", Authorization="Bearer " + self.server.read_key)
        self.assertEqual(answer.status, 400)
        self.assertEqual(self.server.ask("GET", "/v1/events/stream", Authorization="Bearer " + self.server.page_key).status, 403)

    def test_a_slow_reader_is_told_what_it_missed(self):
        tail, sent, seen, missed = self.tail(), 0, 0, 0
        while sent < 40000:  # more than the sockets of both sides hold
            batch = [self.click("slow", type="track", messageId=f"slow-{sent + n}-" + "x" * 80) for n in range(4000)]
            self.server.send("/v1/batch", {"batch": batch})
            sent += len(batch)
        while seen + missed < sent:
            event, data = tail.next()
            if event == "missed":
                missed += data["count"]
            else:
                seen += 1
            if event == "arrived" and seen + missed < sent and seen % 1000 == 0:
                self.server.send("/v1/track", self.click("slow"))  # so that the next can be told
                sent += 1
        self.assertEqual(seen + missed, sent)
        self.assertGreater(missed, 0)

    def test_a_revoked_key_sees_no_more(self):
        kept = self.server.read_key
        made = json.loads(self.server.run("key", "add", "--read", "--json"))
        self.server.read_key = made["key"]
        while self.server.ask("GET", "/metrics", Authorization="Bearer " + made["key"]).status == 401:
            time.sleep(.1)
        tail = self.tail()
        self.server.read_key = kept
        other = self.tail()
        self.server.run("key", "revoke", made["id"])
        while self.server.ask("GET", "/metrics", Authorization="Bearer " + made["key"]).status == 200:
            time.sleep(.1)
        self.assertNotIn(b"arrived", tail.answer.read())  # it ends
        self.server.send("/v1/track", self.click(self.user()))
        self.assertEqual(other.next()[0], "arrived")

    def test_the_server_stops_while_somebody_watches(self):
        tail = self.tail()
        self.assertEqual(self.server.stop(), 0)
        self.assertNotIn(b"event:", tail.answer.read())
        self.server.start()


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
