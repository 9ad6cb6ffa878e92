# SPDX-License-Identifier: MIT
"""The files of the project, for the checks beside this one."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What a build, a tool or an editor has left.
LEFT_OUT = {".git", "node_modules", "__pycache__", ".pytest_cache"}


def files(*suffixes, under="."):
    """All files with one of the suffixes, relative to the root."""
    found = []
    for folder, folders, names in os.walk(ROOT / under):
        folders[:] = [name for name in folders if name not in LEFT_OUT
                      and not name.startswith("build")]
        for name in names:
            path = pathlib.Path(folder, name).relative_to(ROOT)
            if not suffixes or path.suffix in suffixes:
                found.append(path)
    return sorted(found)


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def lines(path):
    return text(path).splitlines()


def scripts():
    """Programs that a shell runs, whatever they are called."""
    found = [pathlib.Path("etc/bash-completion/wssctl")]
    for path in files():
        with open(ROOT / path, "rb") as file:
            first = file.readline(80)
        if first.startswith(b"#!") and first.rstrip().endswith(b"sh"):
            found.append(path)
    return found


def programs():
    """Programs in Python without a suffix."""
    found = []
    for path in files(""):
        with open(ROOT / path, "rb") as file:
            first = file.readline(80)
        if first.startswith(b"#!") and b"python" in first:
            found.append(path)
    return found
