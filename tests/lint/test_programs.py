# SPDX-License-Identifier: MIT
"""What was built keeps its promises, and the documents theirs about it."""

import os
import re
import subprocess

import pytest

import tree

BIN = os.environ["WSSD_BIN"]

TRUSTED_LINKS_NOT = ("libssl", "libcrypto", "libevent_openssl", "llhttp")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          check=True).stdout


@pytest.mark.parametrize("program", ["wssd", "wssctl"])
def test_links_no_protocol(program):
    libraries = output("ldd", f"{BIN}/{program}")
    found = [name for name in TRUSTED_LINKS_NOT if name in libraries]
    assert not found


def commands():
    """{"stop": ["--graceful"], ...} as `wssctl help' has them."""
    found = {}
    for line in output(f"{BIN}/wssctl", "help").splitlines():
        match = re.match(r"  ([a-z-]+)"
                         r"((?: \[?--[a-z]+( [A-Z]+)?\]?| \[[A-Z]+(\.\.\.)?\])*)$",
                         line)
        if match:
            found[match[1]] = re.findall(r"--[a-z]+", match[2])
    return found


def test_help_is_understood():
    assert {"start", "stop", "status", "version", "help"} <= set(commands())
    assert commands()["stop"] == ["--graceful"]


def test_manual_has_commands():
    manual = tree.text("docs/man/wssctl.8")
    for command, options in commands().items():
        item = re.search(rf"^\.It Ic {command}\b(.*)$", manual, re.MULTILINE)
        assert item, f"wssctl.8 does not have {command}"
        for option in options:
            assert f"Fl {option[1:]}" in item[1], f"{command} {option}"


def test_manual_has_no_other_commands():
    manual = tree.text("docs/man/wssctl.8")
    known = commands()
    for name in re.findall(r"^\.It Ic ([a-z-]+)", manual, re.MULTILINE):
        assert name in known


def test_completion_has_commands():
    completion = tree.text("etc/bash-completion/wssctl")
    words = re.search(r'commands="([^"]*)"', completion)[1].split()
    assert sorted(words) == sorted(commands())
    for command, options in commands().items():
        if options:
            assert f"{command}) echo {' '.join(options)} ;;" in completion


@pytest.mark.parametrize("program", ["wssd", "wssctl"])
def test_manual_has_options(program):
    shown = output(f"{BIN}/{program}", "--help")
    manual = tree.text(f"docs/man/{program}.8")
    for option in re.findall(r"^ +(?:-[a-zA-Z], |    )--([a-z-]+)", shown,
                             re.MULTILINE):
        assert f"Fl -{option}" in manual, option
