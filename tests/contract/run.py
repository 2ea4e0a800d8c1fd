#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""schemathesis against the OpenAPI document that a server serves: every answer is one that the document allows.

usage: run.py ATTUNE [SECONDS]      make test-contract runs it

schemathesis is installed into a virtual environment outside the tree ($ATTUNE_CONTRACT_DIR, default the system's folder of temporary files).
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import venv

VERSION = "4.32.5"
HERE = os.path.dirname(os.path.abspath(__file__))
PLAYBOOK = os.path.join(HERE, "..", "clients", "playbook.yaml")


def schemathesis():
    folder = os.environ.get("ATTUNE_CONTRACT_DIR", os.path.join(tempfile.gettempdir(), "attune-contract"))
    program = os.path.join(folder, "bin", "schemathesis")
    if not os.path.exists(program):
        venv.create(folder, with_pip=True)
        subprocess.check_call([os.path.join(folder, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                               f"schemathesis=={VERSION}"])
    return program


def post(url, key, body):
    basic = base64.b64encode(f"{key}:".encode()).decode()
    request = urllib.request.Request(url, json.dumps(body).encode(), {"authorization": f"Basic {basic}", "content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status


def main():
    attune, seconds = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "60"
    program = schemathesis()
    with tempfile.TemporaryDirectory(prefix="attune-contract-") as folder:
        data = os.path.join(folder, "data")

        def key(*words):
            return json.loads(subprocess.check_output([attune, "key", "add", *words, "--dir", data, "--json"]))["key"]

        admin, write = key("--admin", "--name", "contract"), key("--write", "--source", "shop", "--name", "contract")
        with subprocess.Popen([attune, "serve", "--dir", data, "--playbook", PLAYBOOK, "--port", "0"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as server:
            url = server.stdout.readline().split()[-1]
            try:
                # What the document's examples name.
                post(url + "/v1/identify", write, {"userId": "ann", "traits": {"email": "ann@a.example", "plan": "gold"}})
                for step in range(30):
                    post(url + "/v1/track", write, {"userId": "ann", "event": "Product Viewed", "properties": {"sku": "a", "step": step}})
                code = subprocess.call([program, "run", url + "/openapi.json", "--max-time", seconds, "--checks", "all",
                                        "--exclude-checks", "positive_data_acceptance", "-H", f"Authorization: Bearer {admin}",
                                        "--exclude-path", "/v1/events/stream", "--continue-on-failure", "--no-color", "--warnings", "off"], cwd=folder)
                with urllib.request.urlopen(url + "/health/ready", timeout=30) as answer:
                    code = code or answer.status != 200
            finally:
                server.terminate()
                code = server.wait(60) or code
    return code


if __name__ == "__main__":
    sys.exit(main())
