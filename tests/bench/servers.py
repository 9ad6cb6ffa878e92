# SPDX-License-Identifier: MIT
"""The servers that are measured: how each is started, and which of its
processes count.  All of them echo over TLS 1.3 on a port of 127.0.0.1."""

import contextlib
import ctypes
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

READY_S = 20

CONFIG = """\
[wssd]
workers = {workers}
run_dir = {tmp}/run
max_connections_per_worker = 200000
io_uring = {io_uring}
{user}
{daemon}
[listen]
address = 127.0.0.1:0
transport = ssl
backlog = 65535
[context]
local_cert = {tmp}/{cert}.pem
local_pk = {tmp}/{cert}.key
[route /]
handler = echo
max_message = 16m
{route}
[route /broadcast]
handler = module
module = {module}
"""


PR_SET_PDEATHSIG = 1            # prctl(2)
LIBC = ctypes.CDLL(None)
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

started = []                    # what spawn() began and stop() has not ended


class Unable(Exception):
    """A server that cannot be had on this machine."""


def fail(text):
    sys.exit(f"bench: {text}")


def give_to(path, user):
    """As root: hands a folder and what is in it to somebody else."""
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam(user)
    for folder, _, names in os.walk(path):
        for name in ["", *names]:
            os.chown(os.path.join(folder, name), entry.pw_uid, entry.pw_gid)


def become(user):
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def descendants(pid):
    """The pids of all children of pid, and of theirs."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        found = [int(word) for word in f.read().split()]
    for child in list(found):
        found += descendants(child)
    return found


def pin(pid, cpus):
    """Puts every thread of a process on these CPUs."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(tid), cpus)


def spawn(command, before=None, **more):
    """Starts a process that ends with this one, however this one ends.
    before: what the child does before it is that program."""
    def prepare():
        if before is not None:
            before()
        # Last, because a change of user undoes it.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
    process = subprocess.Popen(command, preexec_fn=prepare, **more)
    started.append(process)
    return process


def dear(options):
    """What stands before a program whose system calls shall be dear."""
    price = getattr(options, "call_price", None)
    return [f"{options.build}/bin/bench-dear", str(price)] if price else []


def may_go_first():
    """Whether this process may let others wait (root may)."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


@contextlib.contextmanager
def going_first(server, busy=False):
    """What else the machine does waits for this server meanwhile, and does
    not stand in its latencies.  A busy one, that uses its whole CPU, only has
    the best nice value: of SCHED_FIFO the kernel takes 50 ms away in each
    second (sched_rt_runtime_us in sched(7))."""
    tids = [int(tid) for pid in server.pids
            for tid in os.listdir(f"/proc/{pid}/task")]
    first = may_go_first()
    policies = {tid: os.sched_getscheduler(tid) for tid in tids}
    for tid in tids if first else []:
        if busy:
            os.setpriority(os.PRIO_PROCESS, tid, -20)
        else:
            os.sched_setscheduler(tid, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield first
    finally:
        for tid in tids if first else []:
            os.setpriority(os.PRIO_PROCESS, tid, 0)
            os.sched_setscheduler(tid, policies[tid], os.sched_param(0))


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    forget(process)


def forget(process):
    """It has ended."""
    if process in started:
        started.remove(process)


def run(command, before=None):
    """Runs a program to its end: its exit code, output and errors."""
    process = spawn(command, before, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    forget(process)
    return process.returncode, out, err


def stop_all():
    """At the end, whatever it was: nothing that was started stays."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    for process in reversed(list(started)):
        stop(process)


def end_on_signals():
    """A signal is an exception like others, so that all is cleaned up."""
    def end(number, _):
        sys.exit(128 + number)
    for number in ENDS:
        signal.signal(number, end)


def make_certificates(tmp):
    """ecdsa.pem and rsa.pem, with their keys."""
    kinds = {"ecdsa": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
             "rsa": ["rsa:2048"]}
    for name, kind in kinds.items():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *kind, "-nodes",
             "-days", "30", "-keyout", f"{tmp}/{name}.key",
             "-out", f"{tmp}/{name}.pem", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            check=True, stderr=subprocess.DEVNULL)
        os.chmod(f"{tmp}/{name}.key", 0o644)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """name, port, and pids: the processes whose CPU and memory count."""

    name = ""
    path = "/"                  # where it echoes
    broadcast = None            # where it broadcasts, if it does

    def __init__(self, options):
        self.options = options
        self.process = None
        self.port = 0
        self.pids = []

    def start(self, command, **more):
        self.process = spawn([*dear(self.options), *command], **more)

    def wait_port(self):
        """For servers that do not say when they are ready."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Unable(f"exit code {self.process.returncode}")
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        raise Unable("not ready in time")

    def pin(self):
        for pid in self.pids:
            pin(pid, self.options.server_cpus)

    def stop(self):
        if self.process is not None:
            stop(self.process)


class Limit(Server):
    name = "limit"
    broadcast = "/broadcast"
    arguments = []

    def __init__(self, options, tmp, cert="ecdsa"):
        super().__init__(options)
        self.start([f"{options.build}/bin/bench-limit",
                    "--cert", f"{tmp}/{cert}.pem",
                    "--key", f"{tmp}/{cert}.key", *self.arguments],
                   stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            fail("bench-limit did not start")
        self.port = int(line)
        self.pids = [self.process.pid]
        self.pin()


class Wssd(Server):
    name = "wssd"
    broadcast = "/broadcast"

    def __init__(self, options, tmp, cert="ecdsa", io_uring="auto",
                 workers=1, binaries=None, env=None, user=None, daemon=(),
                 route=(), affinity=True):
        super().__init__(options)
        binaries = binaries or f"{options.build}/bin"
        self.tmp = tempfile.mkdtemp(prefix="wssd-", dir=tmp)
        os.chmod(self.tmp, 0o755)
        for name in (f"{cert}.pem", f"{cert}.key"):
            shutil.copy(f"{tmp}/{name}", self.tmp)
        module = f"{options.build}/bin/bench-broadcast.so"
        self.config = f"{self.tmp}/wssd.ini"
        self.ctl = [f"{binaries}/wssctl", "-c", self.config]
        # Started by root it keeps root's user, but drops all else.
        root = os.geteuid() == 0 and user is None
        route = [*route, *getattr(options, "route_setting", [])]
        pathlib.Path(self.config).write_text(CONFIG.format(
            tmp=self.tmp, cert=cert, workers=workers, io_uring=io_uring,
            user="user = root\ngroup = root" if root else "",
            daemon="\n".join(daemon), route="\n".join(route),
            module=module), encoding="utf-8")
        before = None
        if user is not None and os.geteuid() == 0:
            give_to(self.tmp, user)
            before = lambda: become(user)
        # pylint: disable-next=consider-using-with
        self.log = open(f"{self.tmp}/log", "w+b")
        self.start([f"{binaries}/wssd", "-c", self.config, "--foreground"],
                   stdout=self.log, stderr=self.log, env=env,
                   before=before)
        self.wait_ready()
        status = self.status()
        address = status["listens"][0]["addresses"][0]
        self.port = int(re.search(r":(\d+)$", address).group(1))
        self.io_uring = status["workers"][0]["io_uring"]
        self.pids = descendants(self.process.pid)
        if affinity:
            self.pin()

    def die(self, text):
        self.stop()
        self.log.seek(0)
        fail(f"wssd: {text}\n" + self.log.read().decode(errors="replace"))

    def wait_ready(self):
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self.die(f"exit code {self.process.returncode}")
            # It answers while its workers are still starting, too.
            status = subprocess.run(self.ctl + ["status", "--json"],
                                    check=False, capture_output=True)
            if status.returncode == 0 and \
                    json.loads(status.stdout)["state"] == "running":
                return
            time.sleep(0.02)
        self.die("not ready in time")

    def status(self):
        answer = subprocess.run(self.ctl + ["status", "--json"], check=True,
                                capture_output=True)
        return json.loads(answer.stdout)


class WssdPlain(Wssd):
    """Without io_uring: what old kernels and sandboxes get."""

    name = "wssd, io_uring off"

    def __init__(self, options, tmp, cert="ecdsa", **more):
        super().__init__(options, tmp, cert, io_uring="off", **more)
