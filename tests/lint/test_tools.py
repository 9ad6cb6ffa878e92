# SPDX-License-Identifier: MIT
"""What other programs say of the files."""

import shutil
import subprocess

import pytest

import tree


def run(*command):
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is not installed")
    done = subprocess.run([str(word) for word in command], cwd=tree.ROOT,
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_shell():
    code, said = run("shellcheck", *tree.scripts())
    assert code == 0, said


def test_spelling():
    # These tests are full of mistakes that are meant.
    meant = (("tests", "unit"), ("tests", "integration"),
             ("tests", "conformance"), ("tests", "fuzz"))
    paths = [path for path in tree.files()
             if path.name not in ("package-lock.json", "LICENSE")
             and path.parts[:2] not in meant]
    # mdoc(7)'s macro for a description, and the header field TE
    code, said = run("codespell", "--ignore-words-list", "nd,te", *paths)
    assert code == 0, said


def test_manuals():
    manuals = tree.files(under="docs/man")
    assert {path.name for path in manuals} >= {"wssd.8", "wssctl.8",
                                               "wssd.ini.5"}
    for path in manuals:
        code, said = run("mandoc", "-Tlint", "-Wwarning", path)
        assert code == 0 and said == "", f"{path}: {said}"
