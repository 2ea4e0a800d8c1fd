#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of tools/tidy turns red once, and each exception holds. Prints TAP."""
import os
import shutil
import subprocess
import sys
import tempfile

TIDY = os.path.abspath(sys.argv[1])
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
LONG = "int f(void) {\n" + "    g();\n" * 69 + "}\n"
FITS = "int f(void) {\n" + "    g();\n" * 68 + "}\n"
DEEP = "void f(int n) {\n  for (;;) {\n    if (n) {\n      while (n) {\n        if (n) {\n        }\n      }\n    }\n  }\n}\n"
FLAT = "void f(int n) {\n  for (;;) {\n    if (n) {\n      do {\n        struct p p = {.a = {1, {2}}};\n      } while (n);\n    }\n  }\n}\n"

# name, path, text, the line and a part of each finding
CASES = [
    ("a clean file", "src/base/a.c", SPDX + '#include "base/a.h"\nint f(void) {\n    return 1;\n}\n', []),
    ("no licence", "src/base/a.c", "int a;\n", [(1, "SPDX")]),
    ("white space", "src/base/a.c", SPDX + "int a; \n\tint b;\n", [(2, "white space"), (3, "spaces")]),
    ("upward include", "src/base/a.c", SPDX + '#include "event/event.h"\n', [(2, "base may not include event")]),
    ("sibling include", "src/profile/a.c", SPDX + '#include "learn/x.h"\n', [(2, "profile may not include learn")]),
    ("store and playbook", "src/store/a.c", SPDX + '#include "playbook/x.h"\n', [(2, "store may not include playbook")]),
    ("decide and profile", "src/decide/a.c", SPDX + '#include "profile/x.h"\n#include "learn/y.h"\n', []),
    ("decide and store", "src/decide/a.c", SPDX + '#include "store/x.h"\n', [(2, "decide may not include store")]),
    ("engine and all", "src/engine/a.c", SPDX + '#include "store/x.h"\n#include "identity/y.h"\n#include "decide/z.h"\n', []),
    ("engine and cli", "src/engine/a.c", SPDX + '#include "cli/x.h"\n', [(2, "engine may not include cli")]),
    ("siblings of row 6", "src/measure/a.c", SPDX + '#include "decide/x.h"\n#include "insight/y.h"\n', [(3, "measure may not include insight")]),
    ("another folder's inside", "src/store/log/a.c", SPDX + '#include "store/view/view_internal.h"\n', [(2, "only sources in that folder")]),
    ("another room's inside", "src/engine/a.c", SPDX + '#include "store/store_internal.h"\n', [(2, "only sources in that folder")]),
    ("its own inside", "src/store/log/a.c", SPDX + '#include "store/store_internal.h"\n#include "store/log/log_internal.h"\n', []),
    ("a test of the inside", "tests/unit/store/a.c", SPDX + '#include "store/store_internal.h"\n', []),
    ("a name that says nothing", "src/store/private.h", SPDX, [(1, "says what it holds")]),
    ("unknown room", "src/cellar/a.c", SPDX, [(1, "not in the table")]),
    ("a long function", "src/base/a.c", SPDX + LONG, [(2, "f has 71 lines")]),
    ("a function that fits", "src/base/a.c", SPDX + FITS, []),
    ("an excused function", "src/base/a.c", SPDX + "/* tidy: one table of cases */\n" + LONG, []),
    ("a long file", "src/base/a.c", SPDX + "int a;\n" * 800, [(801, "the file has 801 lines")]),
    ("deep nesting", "src/base/a.c", SPDX + DEEP, [(6, "nests 4 blocks deep")]),
    ("literals do not nest", "src/base/a.c", SPDX + FLAT, []),
    ("strcpy", "src/base/a.c", SPDX + "void f(void) { strcpy(a, b); }\n", [(2, "strcpy is banned")]),
    ("malloc", "src/event/a.c", SPDX + "void f(void) { x = malloc(1); }\n", [(2, "malloc is banned")]),
    ("malloc at home", "src/base/memory.c", SPDX + "void f(void) { x = malloc(1); }\n", []),
    ("words that look like it", "src/event/a.c", SPDX + "void f(void) { memory_free(x); p->free(x); }\n// malloc(1)\n", []),
    ("in a string", "src/event/a.c", SPDX + 'void f(void) { g("time(x) \\" malloc("); }\n', []),
    ("the clock", "src/decide/a.c", SPDX + "void f(void) { clock_now_ms(); }\n", [(2, "clock_now_ms is banned")]),
    ("the clock of the engine", "src/engine/a.c", SPDX + "void f(void) { clock_now_ms(); }\n", []),
    ("time()", "src/engine/a.c", SPDX + "void f(void) { time(NULL); }\n", [(2, "time is banned")]),
    ("gmtime in a test", "tests/unit/base/a.c", SPDX + "void f(void) { gmtime(x); }\n", []),
    ("rand", "tests/unit/base/a.c", SPDX + "void f(void) { rand(); }\n", [(2, "rand is banned")]),
    ("the environment", "src/learn/a.c", SPDX + 'void f(void) { getenv("X"); }\n', [(2, "getenv is banned")]),
    ("an excused call", "src/learn/a.c", SPDX + '/* tidy: read once */\nvoid f(void) { getenv("X"); }\n', []),
    ("typedef", "src/learn/a.h", SPDX + "typedef struct a b;\n", [(2, "no typedef")]),
    ("a typedef of a function", "src/learn/a.h", SPDX + "typedef enum status visit_fn(struct a *a);\n", []),
    ("C++ that is no shim", "src/base/a.cpp", SPDX, [(1, "only for shims")]),
    ("a long shim", "src/base/a_shim.cpp", SPDX + "int a;\n" * 90, [(80, "at most a page")]),
]


def run(path, text):
    with tempfile.TemporaryDirectory() as root:
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full))
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        result = subprocess.run([sys.executable, TIDY, path], cwd=root, capture_output=True, text=True, check=False)
    return result.returncode, [line for line in result.stdout.split("\n") if line.startswith(path)], result.stderr


ROOMS = "| 0 | `src/base` | x | – |\n| 1 | `src/event` | x | 0 |\n"
FOLDERS = "| `src/base` | `text/` words · `file/` bytes |\n"

# name, docs/architecture.md, folders of src, sources, a part of each finding
TREES = [
    ("a tree as it is told", ROOMS + FOLDERS, ["base/text", "base/file", "event"], {}, []),
    ("a room that is not told", ROOMS, ["base", "event", "learn"], {}, ["add src/learn to the table of rooms"]),
    ("a room that is not there", ROOMS, ["base"], {}, ["architecture.md:2: there is no room src/event"]),
    ("a room in another row", ROOMS.replace("| 1 ", "| 2 "), ["base", "event"], {}, ["src/event is in row 1"]),
    ("a folder that is not told", ROOMS, ["base/text", "event"], {}, ["add src/base/text"]),
    ("a folder that is not there", ROOMS + FOLDERS, ["base/text", "event"], {}, ["architecture.md:3: there is no folder src/base/file"]),
    ("functions that are long", ROOMS, ["base", "event"], {"base/a.c": SPDX + "int f(void) {\n" + "    g();\n" * 11 + "}\n"}, ["half of the functions have 13 lines"]),
]


def run_tree(architecture, folders, sources):
    with tempfile.TemporaryDirectory() as root:
        for folder in ["docs", "tools"] + [f"src/{folder}" for folder in folders]:
            os.makedirs(f"{root}/{folder}")
        for path, text in {"docs/architecture.md": architecture, **{f"src/{name}": text for name, text in sources.items()}}.items():
            with open(f"{root}/{path}", "w", encoding="utf-8") as file:
                file.write(text)
        shutil.copy(TIDY, f"{root}/tools/tidy")
        result = subprocess.run([sys.executable, f"{root}/tools/tidy"], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout.split("\n")[:-2], result.stderr


def tell(number, name, good, why):
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    if not good:
        print(f"# {why}")
    return not good


def main():
    failed = 0
    for number, (name, path, text, expected) in enumerate(CASES, 1):
        code, findings, errors = run(path, text)
        good = code == (1 if expected else 0) and len(findings) == len(expected)
        for finding, (line, part) in zip(findings, expected):
            good = good and finding.startswith(f"{path}:{line}: ") and part in finding
        failed += tell(number, name, good, f"exit code {code}, {findings}, expected {expected} {errors}")
    for number, (name, architecture, folders, sources, expected) in enumerate(TREES, len(CASES) + 1):
        code, findings, errors = run_tree(architecture, folders, sources)
        good = code == (1 if expected else 0) and len(findings) == len(expected)
        good = good and all(part in finding for finding, part in zip(findings, expected))
        failed += tell(number, name, good, f"exit code {code}, {findings}, expected {expected} {errors}")
    print(f"1..{len(CASES) + len(TREES)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
