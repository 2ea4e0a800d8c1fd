#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recipes of examples/deploy against the real nginx, Caddy and systemd; each is skipped where its program is not installed.

usage: deploy_test.py ATTUNE SOURCE_ROOT
"""
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import world
from serving import Answer, Serving

ATTUNE, ROOT = "attune", "."
NAME = "events.shop.example"


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return unittest.skipIf(missing, f"not installed here: {', '.join(missing)}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def recipe(name):
    with open(os.path.join(ROOT, "examples", "deploy", name), encoding="utf-8") as file:
        return file.read()


class Deploy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="attune-deploy-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        os.chmod(self.folder, 0o755)  # a proxy may read as another user
        self.port = free_port()

    def serve(self):
        world.write(self.folder, "playbook.yaml", world.PLAYBOOK)
        server = Serving(ATTUNE, self.folder, "--playbook", "playbook.yaml", "--host", NAME, "--proxy", "127.0.0.1").start()
        self.addCleanup(server.__exit__, None, None, None)
        return server

    def run_proxy(self, arguments):
        with open(os.path.join(self.folder, "proxy.log"), "wb") as log:
            proxy = subprocess.Popen(arguments, cwd=self.folder, stdout=log, stderr=log, env=dict(os.environ, HOME=self.folder))
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.terminate)
        for _ in range(300):
            if proxy.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(.1)
        with open(os.path.join(self.folder, "proxy.log"), encoding="utf-8") as log:
            self.fail(f"the proxy did not start: {log.read()}")

    def changed(self, text, *changes):
        for pattern, by in changes:
            self.assertRegex(text, pattern)
            text = re.sub(pattern, by, text)
        return text

    def ask(self, method, path, body=None, secure=False, host=NAME, **headers):
        if secure:
            context = ssl.create_default_context(cafile=os.path.join(self.folder, "certificate.pem"))
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)
            connection.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 60), server_hostname=NAME)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body=body, headers={"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}})
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def check_proxy(self, server, secure):
        self.assertEqual(self.ask("GET", "/health/ready", secure=secure).json(), {"status": "ready"})
        self.assertEqual(self.ask("GET", "/nothing", secure=secure).problem(), "no-route")
        for inside in ("/metrics", "/v1/admin/playbook"):
            self.assertNotEqual(self.ask("GET", inside, secure=secure).headers.get("content-type"), "application/problem+json")
            self.assertEqual(self.ask("GET", inside, secure=secure).code, 404)
        # Each of its connections comes from a client of its own, whose word for its address is dropped.
        for _ in range(20):
            self.assertEqual(self.ask("GET", "/health/live", secure=secure, X_Forwarded_For="not an address").code, 200)
        large = self.ask("POST", "/health/live", b"y" * (5 << 20), secure=secure)
        self.assertIn(large.code, (405, 413))
        self.assertEqual(server.ask("GET", "/health/live").code, 200)

    @needs("nginx", "openssl")
    def test_nginx(self):
        server = self.serve()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "certificate.pem", "-days", "2",
                        "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"], cwd=self.folder, check=True, capture_output=True)
        text = self.changed(recipe("nginx.conf"), (r"server 127\.0\.0\.1:8420;", f"server 127.0.0.1:{server.port};"), (r"listen 443 ssl http2;", f"listen {self.port} ssl http2;"),
                            (r" *listen \[::\]:443 ssl http2;\n", ""), (r"/etc/letsencrypt\S*fullchain\.pem", f"{self.folder}/certificate.pem"),
                            (r"/etc/letsencrypt\S*privkey\.pem", f"{self.folder}/key.pem"))
        world.write(self.folder, "nginx.conf", f"daemon off; pid {self.folder}/pid; error_log stderr;\nevents {{}}\nhttp {{\n" + "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) + text + "}\n")
        self.run_proxy(["nginx", "-e", "stderr", "-p", self.folder, "-c", os.path.join(self.folder, "nginx.conf")])
        self.check_proxy(server, secure=True)

    @needs("caddy")
    def test_caddy(self):
        server = self.serve()
        text = self.changed(recipe("Caddyfile"), (rf"{re.escape(NAME)} {{", f"http://{NAME}:{self.port} {{"), (r"reverse_proxy 127\.0\.0\.1:8420", f"reverse_proxy 127.0.0.1:{server.port}"))
        world.write(self.folder, "Caddyfile", "{\n\tadmin off\n}\n" + text)
        self.run_proxy(["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"])
        self.check_proxy(server, secure=False)

    @needs("systemd-analyze")
    def test_systemd_unit(self):
        path = world.write(self.folder, "attune.service", self.changed(recipe("attune.service"), (r"/usr/bin/attune", ATTUNE)))
        verified = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
        self.assertEqual((verified.returncode, verified.stderr), (0, ""))
        judged = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", path], capture_output=True, text=True)
        self.assertEqual(judged.returncode, 0, judged.stdout[-200:] + judged.stderr)

    def test_the_unit_starts_what_there_is(self):
        """Each option of its command line is one of attune serve."""
        line = re.search(r"^ExecStart=\S+ (serve .*)$", recipe("attune.service"), re.M).group(1)
        told = subprocess.run([ATTUNE, "help", "serve"], capture_output=True, text=True, check=True).stdout
        for option in re.findall(r"--[a-z-]+", line):
            self.assertRegex(told, rf"(?m)^  {option}\b")


if __name__ == "__main__":
    ATTUNE, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
