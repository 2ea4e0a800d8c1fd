# SPDX-License-Identifier: Apache-2.0
"""What a page shows against what a command prints; shared by the tests that run the docs."""
import re


def squeezed(line):
    return re.sub(r"\s+", " ", line).strip()


def first_difference(shown, printed):
    """None where every shown line is printed, in order, blanks aside; else the pair that differs.

    A shown line "…" stands for any lines, and one that ends in "…" for any that begin so. What is shown ends where the page stops
    showing only behind a "…": else the command must print no more.
    """
    shown, printed = [squeezed(line) for line in shown], [squeezed(line) for line in printed]
    while shown and not shown[-1]:
        shown.pop()
    while printed and not printed[-1]:
        printed.pop()
    at = 0
    for index, line in enumerate(shown):
        if line == "…":
            if index + 1 == len(shown):
                return None
            following = shown[index + 1]
            while at < len(printed) and not matches(following, printed[at]):
                at += 1
            continue
        if at == len(printed) or not matches(line, printed[at]):
            return line, printed[at] if at < len(printed) else "(nothing)"
        at += 1
    return None if at == len(printed) else ("(nothing)", printed[at])


def matches(shown, printed):
    return printed.startswith(shown[:-1].rstrip()) if shown.endswith("…") else shown == printed
