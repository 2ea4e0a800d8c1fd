# SPDX-License-Identifier: Apache-2.0
"""A server of the real binary for tests: started on a free port of the loopback, stopped by SIGTERM.

  with Serving(attune, folder, "--playbook", "playbook.yaml") as server:
      answer = server.ask("GET", "/health/live")          # Answer: code, headers, body, json()
      key = server.key("--admin")
"""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "ATTUNE_DIR"}
# A binary with AddressSanitizer keeps freed memory aside, by default more than tests of flat memory allow.
ENVIRONMENT["ASAN_OPTIONS"] = ":".join(filter(None, [ENVIRONMENT.get("ASAN_OPTIONS"), "quarantine_size_mb=1"]))


class Answer:
    def __init__(self, response):
        self.code, self.body = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """The name of a problem document, which must be whole."""
        assert self.headers["content-type"] == "application/problem+json", self.headers
        document = self.json()
        assert document["status"] == self.code and document["title"] and document["detail"], document
        return document["type"].split("#")[1]


class Serving:
    def __init__(self, attune, folder, *options, directory="data"):
        self.attune, self.folder, self.directory = attune, folder, directory
        self.options = options
        self.log = []

    def start(self):
        self.process = subprocess.Popen([self.attune, "serve", "--dir", self.directory, "--port", "0", *self.options], cwd=self.folder,
                                        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()
        said = self.process.stdout.readline()
        found = re.search(r":(\d+)$", said)
        if not found:
            self.process.wait(timeout=60)
            self.close()
            raise AssertionError(f"it did not start: {said}{''.join(self.log)}")
        self.port = int(found.group(1))
        return self

    def stop(self, number=signal.SIGTERM):
        """Its exit code; negative where a signal ended it."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=120)
        self.close()
        return code

    def close(self):
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *failure):
        if self.process.poll() is None:
            code = self.stop()
            if failure == (None, None, None):
                assert code == 0, (code, self.log)

    def key(self, *options):
        """A new key; the server knows it once it has looked at the file again, within a second."""
        done = subprocess.run([self.attune, "key", "add", "--dir", self.directory, "--json", *options], cwd=self.folder, env=ENVIRONMENT,
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["key"]

    def connect(self, timeout=60):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def ask(self, method, path, body=None, key=None, **headers):
        """One request on a connection of its own. Names of headers are written with '_' for '-'."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            given["Authorization"] = f"Bearer {key}"
        try:
            connection.request(method, path, body=body, headers=given)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def raw(self, data):
        """Bytes as they are; all that comes back until the server closes, or has answered one request."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_all(connection)

    def is_sanitized(self):
        """Is it a build with a sanitizer? Its memory is mostly the sanitizer's own."""
        with open(f"/proc/{self.process.pid}/maps", encoding="utf-8", errors="replace") as file:
            return re.search(r"/lib[amt]san\.so", file.read()) is not None

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"^VmRSS:\s+(\d+)", file.read(), re.M).group(1))


def read_all(connection):
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the server has closed it already
    got = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return got
        if not part:
            return got
        got += part
