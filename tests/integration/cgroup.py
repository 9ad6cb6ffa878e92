# SPDX-License-Identifier: MIT
"""A memory cgroup of our own, of either version, for some of the processes."""
import contextlib
import os
import pathlib
import re

import pytest

from wait import until

ROOT = pathlib.Path("/sys/fs/cgroup")


def place():
    """Where a group with a limit can be made, and the names of the limits;
    None: nowhere."""
    controllers = ROOT / "cgroup.controllers"
    if controllers.exists():
        below = (ROOT / "cgroup.subtree_control").read_text().split()
        return (ROOT, "memory.max", "memory.swap.max") \
            if "memory" in below else None
    if (ROOT / "memory" / "memory.limit_in_bytes").exists():
        return (ROOT / "memory", "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes")
    return None


class Group:
    def __init__(self, path):
        self.path = path

    def add(self, pid):
        """What the process asks for from now on counts here."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def kills(self):
        """How many the kernel has ended for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            if (self.path / name).exists():
                return int(re.search(r"^oom_kill (\d+)$",
                                     (self.path / name).read_text(),
                                     re.M).group(1))
        raise AssertionError("the kernel does not count them")

    def is_empty(self):
        return (self.path / "cgroup.procs").read_text() == ""


@contextlib.contextmanager
def memory(limit):
    """Skips the test where nobody can make one: not root, a container with
    /sys read-only, the memory controller off."""
    where = place()
    if where is None or not os.access(where[0], os.W_OK):
        pytest.skip("no memory cgroup can be made here")
    group = Group(where[0] / f"wssd-test-{os.getpid()}")
    try:
        group.path.mkdir()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        (group.path / where[1]).write_text(str(limit))
        # Where memory can be swapped out: none of it.
        with contextlib.suppress(FileNotFoundError):
            (group.path / where[2]).write_text(
                "0" if where[1] == "memory.max" else str(limit))
        yield group
        until(group.is_empty, "nobody is in the group")
    finally:
        with contextlib.suppress(OSError):
            group.path.rmdir()
