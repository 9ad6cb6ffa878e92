# SPDX-License-Identifier: MIT
"""The sources of the Debian package agree with the rest of the tree; it is
built, and shown to lintian, by tests/systemd/run."""

import re

import tree

CONTROL = "etc/debian/control"


def test_version():
    built = re.search(r"^project\(wssd VERSION (\S+) ",
                      tree.text("CMakeLists.txt"), re.M)[1]
    packaged = re.match(r"wssd \((.*)-\d+\) ",
                        tree.text("etc/debian/changelog"))[1]
    assert packaged == built


def test_build_dependencies():
    """What the tests install to build, the package needs too."""
    wanted = re.search(r"# to build\n(.*?)\n\t#", tree.text("tests/run"),
                       re.S)[1].split()
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", tree.text(CONTROL),
                      re.M)[1]
    given = set(re.findall(r"[a-z][a-z0-9.+-]+", field))
    assert set(wanted) - given == {"build-essential"}


def test_libevent_is_the_mended_one():
    wanted = re.search(r"libevent-dev \(>= (\S+)\)", tree.text(CONTROL))[1]
    assert wanted in tree.text("README.md")


def test_licence():
    """In etc/debian/copyright, word for word."""
    words = tree.text("LICENSE").split("\n\n", 2)[2].split()
    copied = tree.text("etc/debian/copyright").partition(
        "License: Expat\n\n")[2].replace("\n .\n", "\n\n").split()
    assert copied[2:] == words
