#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tutorial_test.py ATTUNE TUTORIAL -- runs docs/tutorial.md in an empty folder, as a newcomer would.

Each `sh` block is run as a whole; of each `console` block the lines that begin with "$ ". Every command must exit 0, and the
first line that a command prints must be the one that the page shows, blanks aside: a page that shows what no command prints
any more is a defect. Prints a TAP line a command.
"""
import os
import re
import subprocess
import sys
import tempfile

attune, page = os.path.abspath(sys.argv[1]), sys.argv[2]
count = failed = 0


def report(ok, name):
    global count, failed
    count, failed = count + 1, failed + (not ok)
    print("%s %d - %s" % ("ok" if ok else "not ok", count, name.replace("#", "")))


def run(script):
    shell = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def squeezed(line):
    return re.sub(r"\s+", " ", line).strip()


def console(block):
    lines = block.split("\n")
    for at, line in enumerate(lines):
        if not line.startswith("$ "):
            continue
        result = run(line[2:])
        name = line[2:]
        if result.returncode != 0:
            print("# " + result.stderr.strip().replace("\n", "\n# "))
            report(False, name)
            continue
        shown = lines[at + 1] if at + 1 < len(lines) and not lines[at + 1].startswith("$ ") else ""
        printed = (result.stdout or result.stderr).split("\n")[0]
        same = not shown or shown.startswith("…") or squeezed(shown) == squeezed(printed)
        if not same:
            print("# shown:   " + shown + "\n# printed: " + printed)
        report(same, name)


with tempfile.TemporaryDirectory() as folder:
    os.mkdir(os.path.join(folder, ".bin"))
    os.symlink(attune, os.path.join(folder, ".bin", "attune"))
    environment = dict(os.environ, PATH=os.path.join(folder, ".bin") + ":" + os.environ["PATH"])
    environment.pop("ATTUNE_DIR", None)
    text = open(page, encoding="utf-8").read()
    for language, block in re.findall(r"^```(sh|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "console":
            console(block.rstrip("\n"))
            continue
        result = run(block)
        if result.returncode != 0:
            print("# " + result.stderr.strip().replace("\n", "\n# "))
        report(result.returncode == 0, "block: " + block.split("\n")[0])
print("1..%d" % count)
sys.exit(failed > 0)
