# SPDX-License-Identifier: MIT
"""bench-load: started on its CPU, and its reports."""

import json
import os
import subprocess

import servers


class Failed(Exception):
    """What bench-load said of why it could not measure."""


def _before(options, policy):
    def prepare():
        os.sched_setaffinity(0, options.load_cpus)
        os.sched_setscheduler(0, policy, os.sched_param(
            1 if policy == os.SCHED_FIFO else 0))
    return prepare


def _report(code, out, err):
    if code != 0:
        lines = err.splitlines() or [f"exit code {code}"]
        # What came first, and what it amounts to.
        raise Failed("; ".join(dict.fromkeys((lines[0], lines[-1]))))
    return json.loads(out.splitlines()[-1])


def run(options, arguments, policy=os.SCHED_OTHER):
    """Runs a load to its end; its report."""
    return _report(*servers.run([f"{options.build}/bin/bench-load",
                                 *arguments], _before(options, policy)))


def syscall_ns(options):
    """The price of a system call, for the servers."""
    return _report(*servers.run(
        [*servers.dear(options), f"{options.build}/bin/bench-load",
         "--mode", "syscall"]))["ns_per_call"]


def run_paced(options, server, arguments, busy=False):
    """For latencies: the server and this load before all else, if we may.
    busy: others take all that is left of the server's CPU."""
    with servers.going_first(server, busy) as first:
        return run(options, to(server, *arguments),
                   os.SCHED_FIFO if first else os.SCHED_OTHER)


class Load:
    """One that runs beside others."""

    def __init__(self, options, arguments, policy=os.SCHED_OTHER):
        self.process = servers.spawn(
            [f"{options.build}/bin/bench-load", *arguments],
            _before(options, policy), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        """The next report of one that goes on."""
        line = self.process.stdout.readline()
        if not line:
            return self.end()
        return json.loads(line)

    def end(self):
        """The last report, when it has ended by itself."""
        out, err = self.process.communicate()
        servers.forget(self.process)
        return _report(self.process.returncode, out, err)


def to(server, *arguments):
    """Arguments for a load on that server."""
    return [*arguments, "--port", str(server.port), *pids(server)]


def pids(server):
    return [word for pid in server.pids
            for word in ("--server-pid", str(pid))]
