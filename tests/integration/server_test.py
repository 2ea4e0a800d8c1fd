#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""attune serve as its clients and whoever runs it meet it: health, keys, hosts, origins, reload, metrics, log, stop.

usage: server_test.py ATTUNE
"""
import base64
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import world
from serving import Serving

ATTUNE = "attune"


class Server(unittest.TestCase):
    maxDiff = None

    def folder(self):
        folder = tempfile.mkdtemp(prefix="attune-server-")
        self.addCleanup(shutil.rmtree, folder, True)
        world.write(folder, "playbook.yaml", world.PLAYBOOK)
        return folder

    def serve(self, *options, playbook=True, folder=None):
        given = ("--playbook", "playbook.yaml") if playbook else ()
        return Serving(ATTUNE, folder or self.folder(), *given, *options)

    def until(self, holds, what):
        """Waits for what another process does in its own time."""
        for _ in range(600):
            if holds():
                return
            time.sleep(.1)
        self.fail(f"it never happened: {what}")


class Health(Server):
    def test_live_and_ready(self):
        with self.serve() as server:
            live = server.ask("GET", "/health/live")
            self.assertEqual((live.code, live.json()), (200, {"status": "live"}))
            self.assertEqual(server.ask("GET", "/health/ready").json(), {"status": "ready"})
            self.assertEqual(live.headers["x-content-type-options"], "nosniff")
            self.assertEqual(live.headers["cache-control"], "no-store")

    def test_without_a_playbook_it_lives_and_is_not_ready(self):
        with self.serve(playbook=False) as server:
            self.assertEqual(server.ask("GET", "/health/live").code, 200)
            ready = server.ask("GET", "/health/ready")
            self.assertEqual((ready.code, ready.problem()), (503, "no-playbook"))
            key = server.key("--admin")
            self.until(lambda: server.ask("POST", "/v1/admin/playbook", world.PLAYBOOK, key).code == 200, "the key is known")
            self.assertEqual(server.ask("GET", "/health/ready").code, 200)

    def test_real_curl(self):
        with self.serve() as server:
            done = subprocess.run(["curl", "-sS", "--compressed", "-i", f"http://localhost:{server.port}/health/live"], capture_output=True, text=True, check=True)
            self.assertIn("200 OK", done.stdout)
            head = subprocess.run(["curl", "-sSI", f"http://127.0.0.1:{server.port}/health/live"], capture_output=True, text=True, check=True)
            self.assertIn("Content-Length: 17", head.stdout)


class Routes(Server):
    def test_methods_and_paths(self):
        with self.serve() as server:
            wrong = server.ask("POST", "/health/live", b"{}")
            self.assertEqual((wrong.code, wrong.problem(), wrong.headers["allow"]), (405, "method", "GET, HEAD, OPTIONS"))
            self.assertEqual(server.ask("PATCH", "/v1/admin/playbook").headers["allow"], "POST, OPTIONS")
            for path in ("/", "/nothing", "/health", "/health/live/x", "/" + "a/" * 20 + "a"):
                self.assertEqual(server.ask("GET", path).problem(), "no-route", path)
            options = server.ask("OPTIONS", "/health/live")
            self.assertEqual((options.code, options.headers["allow"]), (204, "GET, HEAD, OPTIONS"))
            self.assertEqual(server.raw(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").split(b" ")[1], b"204")
            absolute = server.raw(b"GET http://localhost/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertEqual(absolute.split(b" ")[1], b"200")

    def test_keep_alive_and_pipelining(self):
        one = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        with self.serve() as server:
            codes = re.findall(rb"HTTP/1\.1 (\d+)", server.raw(one * 50 + last))
            self.assertEqual(codes, [b"200"] * 50 + [b"404"])


class Keys(Server):
    def test_rights(self):
        folder = self.folder()
        with self.serve(folder=folder) as server:
            reads, admin = server.key("--read"), server.key("--admin")
            self.until(lambda: server.ask("GET", "/metrics", key=admin).code == 200, "the key is known")
            self.assertEqual(server.ask("GET", "/metrics", key=reads).code, 200)
            none = server.ask("GET", "/metrics")
            self.assertEqual((none.code, none.problem()), (401, "key"))
            self.assertEqual(none.headers["www-authenticate"], 'Bearer realm="attune"')
            self.assertEqual(server.ask("GET", "/metrics", key="atr_wrong").code, 401)
            forbidden = server.ask("POST", "/v1/admin/playbook", b"", reads)
            self.assertEqual((forbidden.code, forbidden.problem()), (403, "key-right"))
            basic = base64.b64encode(f"{reads}:".encode()).decode()
            self.assertEqual(server.ask("GET", "/metrics", Authorization=f"Basic {basic}").code, 200)
            basic = base64.b64encode(f":{reads}".encode()).decode()
            self.assertEqual(server.ask("GET", "/metrics", Authorization=f"basic {basic}").code, 200)
            for odd in ("Basic !!!", "Basic ", "Bearer", "Bearer  ", "Digest x", reads):
                self.assertEqual(server.ask("GET", "/metrics", Authorization=odd).code, 401, odd)

    def test_a_refusal_comes_before_the_body(self):
        with self.serve() as server:
            refused = server.ask("POST", "/v1/admin/playbook", b"x" * 900000)
            self.assertEqual(refused.problem(), "key")

    def test_rates(self):
        with self.serve() as server:
            key = server.key("--read", "--per-second", "1")
            self.until(lambda: server.ask("GET", "/metrics", key=key).code == 200, "the key is known")
            answers = [server.ask("GET", "/metrics", key=key) for _ in range(30)]
            slow = [answer for answer in answers if answer.code == 429]
            self.assertTrue(slow)
            self.assertEqual(slow[0].problem(), "rate")
            self.assertGreaterEqual(int(slow[0].headers["retry-after"]), 1)


class Hosts(Server):
    def test_only_known_hosts(self):
        with self.serve("--host", "Events.Shop.example") as server:
            for host in ("localhost", "127.0.0.1", f"127.0.0.1:{server.port}", "[::1]:80", "events.shop.example", "EVENTS.SHOP.EXAMPLE:443"):
                self.assertEqual(server.ask("GET", "/health/live", Host=host).code, 200, host)
            for host in ("evil.example", "127.0.0.1.evil.example", "localhost.", "xlocalhost", "10.0.0.1", ":80"):
                answer = server.ask("GET", "/health/live", Host=host)
                self.assertEqual((answer.code, answer.problem()), (421, "host"), host)
            two = server.raw(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertEqual(two.split(b" ")[1], b"400")
            other = server.raw(b"GET http://evil.example/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertEqual(other.split(b" ")[1], b"421")

    def test_wrong_names_do_not_start(self):
        """What could never match is refused, and not left for somebody to wonder about."""
        for options in (["--host", "https://shop.example"], ["--host", "shop.example:80"], ["--host", ""], ["--address", "nowhere.example"],
                        ["--origin", "shop.example"], ["--origin", "https://shop.example/"], ["--origin", "*"], ["--origin", "https://shop.example:443"],
                        ["--origin", "https://*.shop.example"], ["--proxy", "nginx.local"]):
            with self.assertRaisesRegex(AssertionError, "attune: .*" + options[0]), self.serve(*options):
                pass


class Proxy(Server):
    """The address of a client is believed from the proxy alone. It is seen by the rate that one address has with a public key."""

    def codes(self, server, key, addresses, own=""):
        head = f"POST /v1/track HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Length: 1\r\n"
        requests = [f"{head}{own.replace('*', str(i % 200))}X-Forwarded-For: 192.0.2.99, {addresses[i % len(addresses)]}\r\n\r\nx" for i in range(700)]
        requests[-1] = requests[-1].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
        return re.findall(rb"HTTP/1\.1 (\d+)", server.raw("".join(requests).encode()))

    def check(self, options, addresses, is_limited, own=""):
        folder = self.folder()
        world.write(folder, "playbook.yaml", "attune: 1\nname: Test\ncurrency: USD\nzone: UTC\ncustomer: { identifiers: { user_id: } }\n"
                    "sources: { web: { format: segment, arrives: live, key: { user_id: userId } } }\n")
        with self.serve(*options, folder=folder) as server:
            key = server.key("--write", "--source", "web", "--public", "--per-second", "100000")
            self.until(lambda: server.ask("POST", "/v1/track", b"x", key).code == 400, "the key is known")
            codes = self.codes(server, key, addresses, own)
            self.assertEqual(len(codes), 700)
            self.assertEqual(b"429" in codes, is_limited, options)

    def test_one_client_behind_the_proxy(self):
        self.check(["--proxy", "127.0.0.1"], ["198.51.100.1"], True)

    def test_one_client_that_claims_many_addresses(self):
        """The proxy's own line stands behind the client's."""
        self.check(["--proxy", "127.0.0.1"], ["198.51.100.1"], True, own="X-Forwarded-For: 203.0.113.*\r\n")

    def test_many_clients_behind_the_proxy(self):
        self.check(["--proxy", "127.0.0.1"], [f"198.51.100.{i}" for i in range(100)], False)

    def test_nobody_else_is_believed(self):
        self.check([], [f"198.51.100.{i}" for i in range(100)], True)
        self.check(["--proxy", "192.0.2.1"], [f"198.51.100.{i}" for i in range(100)], True)


class Origins(Server):
    def test_what_pages_may_send(self):
        with self.serve("--origin", "https://shop.example") as server:
            key = server.key("--admin")
            self.until(lambda: server.ask("POST", "/v1/admin/playbook", b"", key).code == 200, "the key is known")
            for origin in ("https://evil.example", "null", "https://shop.example", "http://shop.example"):
                refused = server.ask("POST", "/v1/admin/playbook", b"", key, Origin=origin)
                self.assertEqual((refused.code, refused.problem()), (403, "origin"), origin)
                self.assertNotIn("access-control-allow-origin", refused.headers)
            own = server.ask("POST", "/v1/admin/playbook", b"", key, Origin=f"http://127.0.0.1:{server.port}")
            self.assertEqual(own.code, 200)
            preflight = server.ask("OPTIONS", "/v1/admin/playbook", Origin="https://shop.example", Access_Control_Request_Method="POST")
            self.assertNotIn("access-control-allow-origin", preflight.headers)


class Reload(Server):
    def test_signal_and_api(self):
        folder = self.folder()
        with self.serve(folder=folder) as server:
            key = server.key("--admin")
            self.until(lambda: server.ask("POST", "/v1/admin/playbook", b"", key).code == 200, "the key is known")
            before = server.ask("POST", "/v1/admin/playbook", b"", key).json()["playbook"]
            world.write(folder, "playbook.yaml", world.PLAYBOOK + "# another one\n")
            server.process.send_signal(signal.SIGHUP)
            self.until(lambda: sum('"another playbook is in force"' in line for line in list(server.log)) >= 3, "it is told in the log")
            after = server.ask("POST", "/v1/admin/playbook", b"", key).json()["playbook"]
            self.assertNotEqual(before, after)
            self.assertEqual(server.ask("POST", "/v1/admin/playbook", world.PLAYBOOK, key).json()["playbook"], before)
            packed = gzip.compress((world.PLAYBOOK + "# another one\n").encode())
            self.assertEqual(server.ask("POST", "/v1/admin/playbook", packed, key).json()["playbook"], after)
            self.assertFalse([name for name in os.listdir(os.path.join(folder, "data")) if "incoming" in name])

    def test_a_bad_one_is_refused_with_all_errors(self):
        bad = world.PLAYBOOK.replace("goals: [redeem]", "goals: [redem]").replace("currency: USD", "currency: nothing")
        folder = self.folder()
        with self.serve(folder=folder) as server:
            key = server.key("--admin")
            self.until(lambda: server.ask("POST", "/v1/admin/playbook", b"", key).code == 200, "the key is known")
            before = server.ask("POST", "/v1/admin/playbook", b"", key).json()
            refused = server.ask("POST", "/v1/admin/playbook", bad, key)
            self.assertEqual((refused.code, refused.problem()), (400, "playbook"))
            self.assertEqual([error["line"] for error in refused.json()["errors"]], sorted(error["line"] for error in refused.json()["errors"]))
            self.assertGreaterEqual(len(refused.json()["errors"]), 2)
            world.write(folder, "playbook.yaml", bad)
            server.process.send_signal(signal.SIGHUP)
            self.until(lambda: any('refused' in line for line in list(server.log)), "it is told in the log")
            self.assertEqual(server.ask("GET", "/health/ready").code, 200)
            world.write(folder, "playbook.yaml", world.PLAYBOOK)
            self.assertEqual(server.ask("POST", "/v1/admin/playbook", b"", key).json(), before)


class Metrics(Server):
    LINE = re.compile(r'^([a-z_]+)(\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.e+-]+|\+Inf|NaN)$')

    def families(self, text):
        """Text format 0.0.4: HELP, TYPE, then the series of that family, each family once."""
        self.assertTrue(text.endswith("\n"))
        families, name, kind = {}, None, None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ")[2]
                self.assertNotIn(name, families)
                families[name] = {}
            elif line.startswith("# TYPE "):
                self.assertEqual(line.split(" ")[2], name)
                kind = line.split(" ")[3]
                self.assertIn(kind, ("counter", "gauge", "histogram"))
                self.assertEqual(kind == "counter", name.endswith("_total"), name)
            else:
                found = self.LINE.match(line)
                self.assertTrue(found, line)
                base = found.group(1)
                if kind == "histogram":
                    base = re.sub(r"_(bucket|sum|count)$", "", base)
                self.assertEqual(base, name, line)
                series = found.group(1) + (found.group(2) or "")
                self.assertNotIn(series, families[name])
                families[name][series] = float(found.group(4))
        return families

    def test_exposition(self):
        with self.serve() as server:
            key = server.key("--read")
            self.until(lambda: server.ask("GET", "/metrics", key=key).code == 200, "the key is known")
            for _ in range(5):
                server.ask("GET", "/health/live")
            server.ask("GET", "/nothing")
            answer = server.ask("GET", "/metrics", key=key)
            self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
            families = self.families(answer.body.decode())
            requests = families["attune_http_requests_total"]
            self.assertEqual(requests['attune_http_requests_total{method="GET",route="/health/live",code="200"}'], 5)
            self.assertEqual(requests['attune_http_requests_total{method="",route="none",code="404"}'], 1)
            seconds = families["attune_http_request_seconds"]
            labels = 'method="GET",route="/health/live"'
            buckets = [value for name, value in seconds.items() if name.startswith("attune_http_request_seconds_bucket{" + labels)]
            self.assertEqual(buckets, sorted(buckets))
            self.assertEqual(buckets[-1], 5)
            self.assertEqual(seconds["attune_http_request_seconds_count{" + labels + "}"], 5)
            self.assertEqual(families["attune_ready"]["attune_ready"], 1)
            for name in ("http_connections", "applier_waiting", "store_tail_events", "disk_free_bytes", "quarantine_rows"):
                self.assertIn("attune_" + name, families)


class Log(Server):
    def test_nothing_personal(self):
        secret = "anna@example.org"
        with self.serve("--log-requests") as server:
            key = server.key("--read")
            self.until(lambda: server.ask("GET", "/metrics", key=key).code == 200, "the key is known")
            server.ask("GET", f"/v1/customers/email:{secret}?at=2017&name={secret}", key=key, User_Agent=secret, Cookie=secret)
            server.ask("GET", f"/{secret}")
            server.ask("POST", "/v1/admin/playbook", json.dumps({"email": secret}), key="wrong")
        lines = [json.loads(line) for line in server.log]
        self.assertEqual([line["event"] for line in lines[-2:]], ["stopping", "stopped"])
        requests = [line for line in lines if line["event"] == "request"]
        self.assertIn("/v1/customers/{id}", [line["route"] for line in requests])
        for line in server.log:
            self.assertNotIn(secret, line)
            self.assertNotIn(key, line)
            self.assertNotIn("127.0.0.1", line)


class Start(Server):
    def check(self, folder, *options):
        return subprocess.run([ATTUNE, "serve", "--check", "--dir", "data", *options], cwd=folder, capture_output=True, text=True)

    def test_check_says_what_would_be_wrong(self):
        folder = self.folder()
        fine = self.check(folder, "--playbook", "playbook.yaml", "--port", "0")
        self.assertEqual((fine.returncode, fine.stdout.splitlines()[-1]), (0, "It would start."), fine.stderr)
        self.assertFalse(os.path.exists(os.path.join(folder, "data")))
        world.write(folder, "bad.yaml", world.PLAYBOOK.replace("goals: [redeem]", "goals: [redem]").replace("currency: USD", "currency: nothing"))
        bad = self.check(folder, "--playbook", "bad.yaml", "--port", "0")
        self.assertEqual(bad.returncode, 1)
        self.assertGreaterEqual(len(re.findall(r"^error:   \S*bad\.yaml:\d+:\d+: ", bad.stdout, re.M)), 2)
        with self.serve(folder=folder) as server:
            busy = self.check(folder, "--port", str(server.port))
            self.assertEqual(busy.returncode, 1)
            self.assertRegex(busy.stdout, r"error: .*in use by another process")
            self.assertRegex(busy.stdout, rf"error: .*port {server.port}")
            many = self.check(folder, "--port", "0", "--connections", "1000000")
            self.assertRegex(many.stdout, r"error: .*ulimit -n")

    def test_a_second_one_is_refused(self):
        folder = self.folder()
        with self.serve(folder=folder):
            with self.assertRaisesRegex(AssertionError, "attune: "), self.serve(folder=folder):
                pass

    def test_a_bad_playbook_does_not_start(self):
        folder = self.folder()
        world.write(folder, "playbook.yaml", world.PLAYBOOK.replace("goals: [redeem]", "goals: [redem]"))
        with self.assertRaisesRegex(AssertionError, r"playbook\.yaml:\d+:\d+: "), self.serve(folder=folder):
            pass

    def test_stop_and_start_again(self):
        folder = self.folder()
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve(folder=folder).start()
            idle = server.connect()
            self.assertEqual(server.ask("GET", "/health/ready").code, 200)
            self.assertEqual(server.stop(number), 0)
            idle.close()
        self.assertEqual(subprocess.run([ATTUNE, "fsck", "--dir", "data"], cwd=folder, capture_output=True).returncode, 0)


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
