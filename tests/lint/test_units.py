# SPDX-License-Identifier: MIT
"""What systemd says of its units, without running it."""

import os
import re
import shutil
import subprocess

import pytest

import tree

BIN = os.environ["WSSD_BIN"]
# The best of the daemons in Debian 12 is redis-server with 1.2; most of them
# have 8 to 10.  0.1 is for sched_setscheduler alone, since it is one of
# @resources.
MOST_EXPOSURE = 1.6


def analyze(*words):
    if shutil.which("systemd-analyze") is None:
        pytest.fail("systemd-analyze is not installed (package systemd)")
    done = subprocess.run(["systemd-analyze", "--no-pager", *map(str, words)],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def units(tmp_path):
    """With the programs that were built, and a user that exists."""
    text = tree.text("systemd/wssd.service.in")
    for name, value in {"CMAKE_INSTALL_FULL_SBINDIR": BIN,
                        "CMAKE_INSTALL_FULL_LIBEXECDIR": BIN,
                        "CMAKE_INSTALL_FULL_SYSCONFDIR": "/etc"}.items():
        text = text.replace(f"@{name}@", value)
    assert "@CMAKE" not in text
    (tmp_path / "wssd.service").write_text(
        re.sub(r"^(User|Group)=.*$", r"\1=daemon", text, flags=re.MULTILINE))
    shutil.copy(tree.ROOT / "systemd/wssd.socket", tmp_path)
    return tmp_path


@pytest.mark.parametrize("unit", ["wssd.service", "wssd.socket"])
def test_units_are_understood(units, unit):
    code, said = analyze("verify", "--man=no", units / unit)
    said = "\n".join(line for line in said.splitlines() if "wssd" in line)
    assert (code, said) == (0, ""), said


def test_exposure(units):
    code, said = analyze("security", "--offline=true", units / "wssd.service")
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert code == 0 and level, said
    assert float(level[1]) <= MOST_EXPOSURE, said


def test_never_root():
    text = tree.text("systemd/wssd.service.in")
    assert "\nUser=wssd\n" in text and "\nGroup=wssd\n" in text
    bounds = re.findall(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE)
    assert bounds == ["CAP_NET_BIND_SERVICE"]


def test_sysusers_and_tmpfiles(tmp_path):
    """In a root of its own, as a package's installation runs them."""
    (tmp_path / "etc").mkdir()
    for tool, name in (("systemd-sysusers", "wssd.sysusers"),
                       ("systemd-tmpfiles", "wssd.tmpfiles")):
        words = ["--create"] if "tmpfiles" in tool else []
        done = subprocess.run(
            [tool, f"--root={tmp_path}", *words,
             tree.ROOT / "systemd" / name], capture_output=True, text=True,
            check=False)
        if os.geteuid() != 0:
            continue
        assert done.returncode == 0, done.stderr
    if os.geteuid() == 0:
        passwd = (tmp_path / "etc/passwd").read_text()
        assert re.search(r"^wssd:x:\d+:\d+:.*:/usr/sbin/nologin$", passwd,
                         re.MULTILINE)
        group = (tmp_path / "etc/group").read_text()
        assert re.search(r"^ssl-cert:x:\d+:wssd$", group, re.MULTILINE)
        folder = tmp_path / "etc/wssd/tls"
        assert folder.stat().st_mode & 0o7777 == 0o750
