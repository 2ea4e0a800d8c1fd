#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tutorial_test.py ATTUNE PAGE -- runs docs/tutorial.md, or another page, in an empty folder, as a newcomer would.

Each `sh` block is run as a whole; of each `console` block the lines that begin with "$ ". Every command must exit 0, and print what the
page shows, blanks aside (shown.py says how "…" shortens it): a page that shows what no command prints any more is a defect. A command
under which the page shows nothing may print anything. What a page starts in the background, with its number in NAME.pid, is ended with
it. Prints a TAP line a command.
"""
import contextlib
import glob
import os
import re
import signal
import subprocess
import sys
import tempfile

from shown import first_difference

attune, page = os.path.abspath(sys.argv[1]), sys.argv[2]
count = failed = 0


def report(ok, name):
    global count, failed
    count, failed = count + 1, failed + (not ok)
    print("%s %d - %s" % ("ok" if ok else "not ok", count, name.replace("#", "")))


def run(script):
    shell = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def console(block):
    lines = block.split("\n")
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    for at, end in zip(starts, starts[1:] + [len(lines)]):
        name = lines[at][2:]
        result = run(name)
        if result.returncode != 0:
            print("# " + result.stderr.strip().replace("\n", "\n# "))
            report(False, name)
            continue
        differs = first_difference(lines[at + 1:end], (result.stdout or result.stderr).split("\n")) if end > at + 1 else None
        if differs:
            print("# shown:   %s\n# printed: %s" % differs)
        report(not differs, name)


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
    for name in glob.glob(os.path.join(folder, "*.pid")):
        with contextlib.suppress(ProcessLookupError), open(name, encoding="utf-8") as file:
            os.kill(int(file.read()), signal.SIGTERM)
print("1..%d" % count)
sys.exit(failed > 0)
