# SPDX-License-Identifier: MIT
"""What the workers' glibc is told of the processor."""
import pathlib
import re
import subprocess

import pytest

TUNABLE = "glibc.cpu.x86_rep_movsb_threshold"
NEVER = 1 << 30
AMD = "AuthenticAMD" in pathlib.Path("/proc/cpuinfo").read_text()


def tunables(one):
    """What a worker was given.  glibc has written into it meanwhile: the
    end of a string where one tunable ends."""
    path = pathlib.Path("/proc", str(one.worker_pids()[0]), "environ")
    text = path.read_text().replace("\0", ":")
    found = re.search(r"(?:^|:)GLIBC_TUNABLES=((?:glibc\.[^:]*:)*)", text)
    return found and found.group(1).rstrip(":") or None


@pytest.mark.parametrize("old, added", [
    (None, f"{TUNABLE}={NEVER}"),
    ("", f"{TUNABLE}={NEVER}"),
    ("glibc.malloc.arena_max=1",
     f"glibc.malloc.arena_max=1:{TUNABLE}={NEVER}"),
    (f"{TUNABLE}=4096", f"{TUNABLE}=4096"),
])
def test_only_amd_copies_without_rep_movsb(wssd, old, added):
    env = {} if old is None else {"GLIBC_TUNABLES": old}
    assert tunables(wssd(env=env)) == (added if AMD else old or None)


def test_glibc_knows_the_tunable():
    """When a new one does not, master/tune.c does nothing any more."""
    machine = pathlib.Path("/proc/self/maps").read_text()
    loader = next(line.split()[-1] for line in machine.splitlines()
                  if "/ld-linux" in line)
    told = subprocess.run(
        [loader, "--list-tunables"], capture_output=True, text=True,
        check=True, env={"GLIBC_TUNABLES": f"{TUNABLE}={NEVER}"}).stdout
    if "x86-64" in loader:
        line = next(line for line in told.splitlines() if TUNABLE in line)
        assert int(line.split()[1], 16) == NEVER
    else:
        assert TUNABLE not in told
