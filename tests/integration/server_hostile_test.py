#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, or are broken: each gets a clear 4xx or is cut off, memory stays flat, and the service goes on.

usage: server_hostile_test.py ATTUNE
"""
import gzip
import os
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
import unittest

import world
from serving import Serving, read_all

ATTUNE = "attune"
GROWTH_KB = 24 << 10  # what a server may keep after an attack: buffers of a few connections, and no more
HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n\r\n"


def code_of(answer):
    found = re.match(rb"HTTP/1\.[01] (\d+) ", answer)
    return int(found.group(1)) if found else None


class Hostile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp(prefix="attune-hostile-")
        self.addCleanup(shutil.rmtree, folder, True)
        world.write(folder, "playbook.yaml", world.PLAYBOOK)
        self.server = Serving(ATTUNE, folder, "--playbook", "playbook.yaml", "--patience", "2").start()
        self.addCleanup(self.server.__exit__, None, None, None)
        self.key = self.server.key("--admin")
        for _ in range(100):
            if self.server.ask("GET", "/metrics", key=self.key).code == 200:
                break
            time.sleep(.1)
        self.before_kb = self.server.resident_kb()

    def tearDown(self):
        """The service goes on, and no attack was worth memory; a sanitizer keeps memory of its own for each thread and block."""
        self.assertEqual(self.server.ask("GET", "/health/ready").code, 200)
        if not self.server.is_sanitized():
            self.assertLess(self.server.resident_kb() - self.before_kb, GROWTH_KB)

    def post(self, body, *headers, path=b"/v1/admin/playbook", length=None):
        length = len(body) if length is None else length
        given = b"".join(header + b"\r\n" for header in headers)
        return (b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + self.key.encode() + b"\r\nContent-Length: " +
                str(length).encode() + b"\r\n" + given + CLOSE + body)

    def is_cut_off(self, connection):
        """Does the server close it? However long it takes; a server that never does fails the test's time limit."""
        connection.settimeout(120)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    # ---- slow ones ----

    def trickle(self, connection, data, ended):
        for byte in data:
            if ended.is_set():
                return
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return
            time.sleep(.1)

    def slowly(self, data, at_once=b""):
        with self.server.connect() as connection:
            connection.sendall(at_once)
            ended = threading.Event()
            sender = threading.Thread(target=self.trickle, args=(connection, data, ended))
            sender.start()
            got = b""
            connection.settimeout(120)
            try:
                while part := connection.recv(65536):
                    got += part
            except ConnectionResetError:
                pass
            ended.set()
            sender.join()
            return got

    def test_slow_head(self):
        self.assertEqual(self.slowly(b"GET /health/live HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 5000), b"")

    def test_slow_body(self):
        self.assertEqual(code_of(self.slowly(b"y" * 5000, at_once=self.post(b"", length=5000))), 408)

    def test_many_slow_ones_leave_room_for_others(self):
        connections = [self.server.connect() for _ in range(300)]
        for connection in connections:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: loc")
        self.assertEqual(self.server.ask("GET", "/health/live").code, 200)
        for connection in connections:
            self.assertTrue(self.is_cut_off(connection))
            connection.close()

    def test_one_that_says_nothing(self):
        with self.server.connect() as connection:
            self.assertTrue(self.is_cut_off(connection))

    # ---- large ones ----

    def test_large_heads(self):
        for head in (b"X: " + b"y" * 20000, b"\r\n".join(b"X%d: y" % i for i in range(3000)), b"X: " + b"y" * 200000):
            answer = self.server.raw(b"GET /health/live HTTP/1.1\r\n" + HOST + head + b"\r\n" + CLOSE)
            self.assertIn(code_of(answer), (431, 413, None), head[:20])
        self.assertIn(code_of(self.server.raw(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + CLOSE)), (414,))
        self.assertIn(code_of(self.server.raw(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + HOST + CLOSE)), (414, 431, None))

    def test_large_bodies(self):
        for bytes_count in (2 << 20, 20 << 20):
            answer = self.server.ask("POST", "/v1/admin/playbook", b"y" * bytes_count, self.key)
            self.assertEqual((answer.code, answer.problem()), (413, "body"))
        self.assertEqual(code_of(self.server.raw(self.post(b"", length=1 << 40))), 413)
        self.assertEqual(code_of(self.server.raw(self.post(b"", length=1 << 70))), 413)
        body = iter([b"y" * 65536] * 40)
        answer = self.server.ask("POST", "/v1/admin/playbook", body, self.key)
        self.assertEqual((answer.code, answer.problem()), (413, "body"))
        waiting = self.server.raw(self.post(b"", b"Expect: 100-continue", length=5 << 20))
        self.assertEqual(code_of(waiting), 413)

    def test_a_body_where_none_is_taken(self):
        self.assertEqual(self.server.ask("GET", "/health/live", b"{}").problem(), "body")

    # ---- gzip ----

    def test_gzip(self):
        whole = gzip.compress(b"y" * 1000)
        for body in (whole[:-1], whole[:-9], whole[:12], whole + b"tail", b"\x1f\x8b", b"\x1f\x8b" + os.urandom(500)):
            answer = self.server.ask("POST", "/v1/admin/playbook", body, self.key)
            self.assertEqual((answer.code, answer.problem()), (400, "gzip"), body[:20])
        plain = self.server.ask("POST", "/v1/admin/playbook", b"attune: 1", self.key, Content_Encoding="gzip")
        self.assertEqual(plain.problem(), "gzip")
        for encoding in ("br", "deflate", "gzip, gzip", "x"):
            answer = self.server.ask("POST", "/v1/admin/playbook", b"attune: 1", self.key, Content_Encoding=encoding)
            self.assertEqual((answer.code, answer.problem()), (415, "encoding"), encoding)

    def test_gzip_bombs(self):
        bomb = gzip.compress(bytes(500 << 20), 9)
        self.assertLess(len(bomb), 1 << 20)
        for _ in range(20):
            answer = self.server.ask("POST", "/v1/admin/playbook", bomb, self.key)
            self.assertEqual((answer.code, answer.problem()), (413, "inflated"))

    # ---- malformed ones ----

    def test_bytes_that_are_no_request(self):
        for data in (b"\r\n\r\n", b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                     b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", os.urandom(3000)):
            self.assertNotIn(code_of(self.server.raw(data)), (200, 500), data[:40])

    def test_half_requests(self):
        whole = self.post(world.PLAYBOOK.encode())
        for cut in (5, 40, 90, len(whole) // 2, len(whole) - 1):
            self.assertNotIn(code_of(self.server.raw(whole[:cut])), (200, 500))
        for _ in range(200):
            with self.server.connect() as connection:
                connection.sendall(whole[:len(whole) // 2])

    def test_lengths_that_contradict_each_other(self):
        for headers in ((b"Content-Length: 5", b"Content-Length: 6"), (b"Transfer-Encoding: chunked", b"Content-Length: 5"), (b"Content-Length: -1",),
                        (b"Content-Length: 5x",), (b"Transfer-Encoding: gzip",)):
            request = (b"POST /v1/admin/playbook HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + self.key.encode() + b"\r\n" +
                       b"".join(header + b"\r\n" for header in headers) + CLOSE + b"0\r\n\r\nGET /health/live HTTP/1.1\r\n" + HOST + CLOSE)
            answer = self.server.raw(request)
            self.assertNotIn(b" 200 ", answer, headers)

    def test_chunks(self):
        head = b"POST /v1/admin/playbook HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + self.key.encode() + b"\r\nTransfer-Encoding: chunked\r\n" + CLOSE
        text = world.PLAYBOOK.encode()
        whole = b"".join(b"%x\r\n%s\r\n" % (len(text[i:i + 100]), text[i:i + 100]) for i in range(0, len(text), 100)) + b"0\r\n\r\n"
        self.assertEqual(code_of(self.server.raw(head + whole)), 200)
        for chunks in (b"zz\r\n", b"ffffffffffffffffff\r\n", b"-5\r\nhello\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhe"):
            self.assertNotIn(code_of(self.server.raw(head + chunks)), (200, 500), chunks)

    def test_paths(self):
        for path in ("/../etc/passwd", "/%2e%2e/x", "/v1//admin", "/%00", "/%ff", "/%", "/v1/customers/%c0%ae", "/health/live//", "/./health/live"):
            answer = self.server.raw(f"GET {path} HTTP/1.1\r\n".encode() + HOST + CLOSE)
            self.assertEqual(code_of(answer), 400, path)
            self.assertIn(b"application/problem+json", answer)
        for path in ("/v1/customers/..%2f..%2fetc", "/v1/customers/" + "x" * 3000, "/v1/customers/'%20or%201=1", "/V1/CUSTOMERS/x", "/health/live/"):
            answer = self.server.ask("GET", path, key=self.key)
            self.assertIn(answer.code, (400, 404), path)

    def test_names_of_other_sites(self):
        answer = self.server.ask("POST", "/v1/admin/playbook", b"", self.key, Host="rebound.example")
        self.assertEqual((answer.code, answer.problem()), (421, "host"))

    def test_wrong_keys_at_speed(self):
        request = b"GET /metrics HTTP/1.1\r\n" + HOST + b"Authorization: Bearer ata_" + b"A" * 43 + b"\r\n\r\n"
        with self.server.connect() as connection:
            connection.sendall(request * 999 + request.replace(b"\r\n\r\n", b"\r\n" + CLOSE))
            codes = re.findall(rb"HTTP/1\.1 (\d+)", read_all(connection))
        self.assertEqual(set(codes), {b"401"})
        self.assertEqual(len(codes), 1000)

    def test_readers_that_do_not_read(self):
        request = b"GET /metrics HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + self.key.encode() + b"\r\n\r\n"
        connections = []
        for _ in range(50):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", self.server.port))
            connection.setblocking(False)
            try:
                connection.send(request * 2000)
            except BlockingIOError:
                pass
            connections.append(connection)
        self.assertEqual(self.server.ask("GET", "/health/live").code, 200)
        for connection in connections:
            connection.close()


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
