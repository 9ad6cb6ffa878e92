# SPDX-License-Identifier: MIT
"""What every file must have, and must not."""

import re

import tree

SOURCES = (".c", ".h", ".py", ".mjs")
MAX_LINES = {".c": 500, ".h": 200}
# The interface for others is half documentation, a unit test half tables, and
# each setting has a member in config.h.
LONGER = {"worker/include/wssd/handler.h": 400, "common/config.h": 300}
MAX_UNIT_TEST = 600

# Written so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def test_length():
    found = []
    for path in tree.files(*MAX_LINES):
        most = LONGER.get(str(path), MAX_LINES[path.suffix])
        if path.parts[:2] == ("tests", "unit"):
            most = MAX_UNIT_TEST
        n = len(tree.lines(path))
        if n > most:
            found.append(f"{path} has {n} lines, more than {most}")
    assert not found, "\n".join(found)


def test_licence():
    paths = (tree.files(*SOURCES) + tree.files(under="docs/man")
             + tree.scripts() + tree.programs())
    found = [str(path) for path in paths
             if not any("SPDX-License-Identifier: MIT" in line
                        for line in tree.lines(path)[:3])]
    assert not found, f"no SPDX line in: {' '.join(found)}"


def test_finished():
    found = []
    for path in tree.files():
        if path.name == "package-lock.json":
            continue
        try:
            lines = tree.lines(path)
        except UnicodeDecodeError:
            continue
        found += [f"{path}:{i}: {line.strip()}"
                  for i, line in enumerate(lines, 1)
                  if UNFINISHED.search(line)]
    assert not found, "\n".join(found)


def test_header_guards():
    """WSSD_FOLDER_NAME_H, so that no two are the same."""
    found = []
    for folder in ("common", "master", "worker"):
        for path in tree.files(".h", under=folder):
            if "include" in path.parts:
                continue
            guard = "WSSD_" + re.sub(r"[^A-Z0-9]", "_", str(path).upper())
            if f"#ifndef {guard}\n#define {guard}\n" not in tree.text(path):
                found.append(f"{path}: {guard}")
    assert not found, "\n".join(found)
