# SPDX-License-Identifier: MIT
"""What a worker cannot do any more, tried by a module inside of it.

tests/unit/test_sandbox.c tries every system call; here are those that an
intruder would make, in a real worker, of root and of an ordinary user."""
import ctypes
import os
import pathlib
import platform
import pwd
import re
import shutil
import signal
import ssl
import struct
import subprocess

import pytest

import daemon as daemon_module
import intruder
import modules
from backends import free_port
from clients import TEXT, connect
from conftest import needs_root
from daemon import drop_to, status_field
from pki import Authority
from wait import until

# What, the message to the module.  {master}, {key} and {out} are filled in.
REFUSED = {
    "open a file": "openat -100 /etc/passwd 0",
    "read the key": "openat -100 {key} 0",
    "make a file": "openat -100 {out} 0x41 0600",
    "make a folder": "mkdirat -100 {out} 0700",
    "remove a file": "unlinkat -100 {key} 0",
    "make a socket": "socket 2 1 0",
    "make a netlink socket": "socket 16 3 0",
    "connect": "connect 0 / 16",
    "bind": "bind 0 / 16",
    "end the master": "kill {master} 15",
    "end its thread": "tgkill {master} {master} 15",
    "fork": "clone 17 0 0 0 0",
    "run what it wrote": "mmap 0 4096 7 0x22 -1 0",
    "be dumpable": "prctl 4 1 0 0 0",
    "become root": "setuid 0",
    "make a ring": "io_uring_setup 1 /",
    # What could stop the master, which has the same sockets and log.
    "hand the master a descriptor": "sendmsg 3 / 0",
    "hand it several": "sendmmsg 3 / 1 0",
    "make closing wait": "setsockopt 3 1 13 / 8",
    "make the log block": "fcntl 2 4 0",
}
DEADLY = {
    "run a program": "execve /bin/sh 0 0",
    "trace the master": "ptrace 16 {master} 0 0",
    "read the master": "process_vm_readv {master} 0 0 0 0 0",
    "mount": "mount /none / /tmpfs 0 0",
    "be root elsewhere": "unshare 0x10000000",
}


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("intruder")
    return modules.build(folder, intruder.SOURCE, "module", "-D_GNU_SOURCE")


def as_root(wssd, module, sandbox="on", **more):
    return wssd({"wssd": {"sandbox": sandbox},
                 "route /": modules.route(module)}, **more)


@pytest.fixture
def as_user(open_folder, module):
    """A daemon that an ordinary user started, with the whole file system."""
    made = []

    def make(sandbox="on"):
        home = open_folder / "home"
        home.mkdir()
        shutil.copy(module, open_folder / "module.so")
        (open_folder / "module.so").chmod(0o755)
        leaf = Authority(home).issue()
        preexec = None
        if os.geteuid() == 0:
            preexec = drop_to("nobody")
            nobody = pwd.getpwnam("nobody")
            for path in [home, *home.iterdir()]:
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        one = daemon_module.Daemon(
            home, leaf, {"wssd": {"sandbox": sandbox},
                         "route /": modules.route(open_folder / "module.so")},
            preexec=preexec, binaries=open_folder / "bin")
        made.append(one)
        return one.start()
    yield make
    for one in made:
        one.finish()


def client_of(one):
    """Whoever has issued the daemon's certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return connect(one.port(), context)


def words(one, message):
    key = one.sections["context"]["local_pk"]
    return message.format(master=one.pid, key=key,
                          out=one.folder / "made-by-worker")


def try_out(client, message):
    client.send_text(message)
    return client.expect(TEXT).payload.decode()


def confinement(one):
    return one.status()["workers"][0]["confined_by"]


def all_are_refused(one):
    """Each with EPERM, one line in the log a call, and all of them counted;
    the worker lives."""
    one.refusals_expected = True
    worker = one.worker_pids()
    with client_of(one) as client:
        for what, message in REFUSED.items():
            message = words(one, message)
            assert try_out(client, message) == "EPERM", what
        assert try_out(client, "getpid") == "done"
    until(lambda: one.totals()["sandbox_refused"] == len(REFUSED),
          "all are counted")
    for call in {message.split()[0] for message in REFUSED.values()}:
        lines = re.findall(f"the sandbox refused the system call {call} ",
                           one.log())
        assert len(lines) == 1, call
    assert one.worker_pids() == worker
    assert one.alive()
    assert not (one.folder / "made-by-worker").exists()
    assert pathlib.Path(one.sections["context"]["local_pk"]).exists()


@needs_root
def test_refused(wssd, module):
    one = as_root(wssd, module)
    assert confinement(one) == ["empty root", "seccomp", "landlock"]
    all_are_refused(one)


def test_refused_to_a_user(as_user):
    one = as_user()
    assert confinement(one) == ["seccomp", "landlock"]
    all_are_refused(one)


def test_without_it_they_could(as_user):
    """What the tests above show is the sandbox's doing."""
    one = as_user("off")
    assert confinement(one) == []
    assert status_field(one.worker_pids()[0], "Seccomp") == "0"
    with client_of(one) as client:
        for message in ("openat -100 /etc/passwd 0",
                        "openat -100 {key} 0",
                        "openat -100 {out} 0x41 0600",
                        "socket 2 1 0", "kill {master} 0",
                        "mmap 0 4096 7 0x22 -1 0"):
            assert try_out(client, words(one, message)) == "done", message
    assert (one.folder / "made-by-worker").exists()
    assert one.totals()["sandbox_refused"] == 0


@pytest.mark.parametrize("what", DEADLY)
def test_deadly(wssd, module, what):
    one = as_root(wssd, module)
    one.deaths_expected = True
    worker = one.worker_pids()[0]
    with client_of(one) as client:
        client.send_text(words(one, DEADLY[what]))
        assert client.read_frame() is None
    line = one.await_log(
        rf"worker 0 \(pid {worker}\) died of signal 31 \(a system call that "
        r"only an intruder makes\) in handler of route /\n")
    assert line
    until(lambda: one.worker_pids() not in ([], [worker]), "a new worker")
    with client_of(one) as client:
        assert try_out(client, "getpid") == "done"


def listening_fd(pid, port):
    """A process's descriptor of the socket that listens on the port."""
    inodes = {line.split()[9] for line in
              pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
              if line.split()[1].endswith(f":{port:04X}")
              and line.split()[3] == "0A"}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(link)[8:-1] in inodes:
            return int(link.name)
    raise AssertionError("it does not listen")


@needs_root
def test_a_socket_that_was_shut_down(wssd, module):
    """What it may do to its own share of the port ends with the worker: its
    successor is given a socket that listens.  (One of port 0 would come back
    with another port, so it is a real one here.)"""
    one = wssd({"listen": {"address": f"127.0.0.1:{free_port()}"},
                "route /": modules.route(module)})
    one.deaths_expected = True
    worker = one.worker_pids()[0]
    with client_of(one) as client:
        fd = listening_fd(worker, one.port())
        assert try_out(client, f"shutdown {fd} 0") == "done"
        with pytest.raises(ConnectionRefusedError):
            client_of(one)
    os.kill(worker, signal.SIGKILL)

    def is_replaced():
        row = one.status()["workers"][0]
        return row["state"] == "running" and row["pid"] != worker
    until(is_replaced, "a new worker")
    with client_of(one) as client:
        assert try_out(client, "getpid") == "done"


def test_what_the_kernel_says(wssd):
    one = wssd()
    pid = one.worker_pids()[0]
    assert status_field(pid, "Seccomp") == "2"
    assert status_field(pid, "NoNewPrivs") == "1"
    assert int(status_field(pid, "CapEff"), 16) == 0
    assert int(status_field(pid, "CapPrm"), 16) == 0


@needs_root
def test_nobody_looks_into_it(as_user):
    """The same user can neither trace a worker nor read its memory."""
    one = as_user()
    for name in ("mem", "environ", "maps"):
        done = subprocess.run(
            ["head", "-c1", f"/proc/{one.worker_pids()[0]}/{name}"],
            preexec_fn=drop_to("nobody"), capture_output=True, text=True)
        assert "Permission denied" in done.stderr, name


# ---- what must still work --------------------------------------------------

def test_reload_in_the_same_worker(wssd, authority, tls):
    one = wssd()
    worker = one.worker_pids()
    leaf = authority.issue()
    with connect(one.port(), tls) as old:
        one.set({"context": {"local_cert": leaf.cert, "local_pk": leaf.key},
                 "route /new": {"handler": "reply", "text": "new"}})
        one.reload()
        with connect(one.port(), tls, path="/new") as new:
            new.send_text("?")
            new.expect(TEXT, b"new")
        old.echo()
    assert one.worker_pids() == worker
    assert one.totals()["sandbox_refused"] == 0


def test_off_and_on_by_reload(wssd, module):
    """A filter cannot be taken off: the workers are replaced."""
    one = as_root(wssd, module)
    before = confinement(one)
    worker = one.worker_pids()
    one.set({"wssd": {"sandbox": "off"}})
    one.reload()
    assert "seccomp" not in confinement(one)
    assert one.worker_pids() != worker
    one.set({"wssd": {"sandbox": "on"}})
    one.reload()
    assert confinement(one) == before


def test_check_is_confined_too(wssd, module):
    """A module whose setup asks for too much fails where it is tried."""
    one = as_root(wssd, module, start=False)
    assert one.ctl("check").returncode == 0


def test_time_zone(wssd, module):
    """Its file is read before the worker cannot read files any more."""
    one = as_root(wssd, module, start=False)
    zone = one.folder / "zone"
    zone.write_bytes(
        struct.pack(">4s16x6l", b"TZif", 0, 0, 0, 0, 1, 4) +
        struct.pack(">lBB", 9 * 3600, 0, 0) + b"JST\0")
    one.env["TZ"] = f":{zone}"
    one.start()
    with client_of(one) as client:
        assert try_out(client, "zone") == str(9 * 3600)
    assert one.totals()["sandbox_refused"] == 0


def test_sanitizer_can_still_report(wssd, module, tmp_path_factory):
    """Or all tests would be blind for what happens in a worker."""
    symbols = subprocess.run(["nm", "-D", daemon_module.bin_dir() /
                              "wssd-worker"], capture_output=True, text=True)
    if "__asan_init" not in symbols.stdout:
        pytest.skip("this build has no sanitizer")
    path = modules.build(tmp_path_factory.mktemp("asan"), intruder.SOURCE,
                         "module", "-D_GNU_SOURCE", "-fsanitize=address")
    one = as_root(wssd, path)
    one.deaths_expected = one.refusals_expected = True
    with client_of(one) as client:
        client.send_text("overflow")
        assert client.read_frame() is None
    one.await_log("heap-buffer-overflow")
    one.await_log("died of signal 6")
    # It is what was asked for; finish() would take it for a defect.
    one.stop()
    one.stderr.write_text("")


# ---- a kernel that has none of it -------------------------------------------

def without_seccomp_and_landlock():
    """For preexec_fn: a filter under which both look as if they were not
    there."""
    seccomp, prctl = {"x86_64": (317, 157),
                      "aarch64": (277, 167)}[platform.machine()]
    landlock, set_seccomp, enosys, allow = 444, 22, 0x50026, 0x7fff0000
    load, equal, leave = 0x20, 0x15, 0x06
    lines = [
        (load, 0, 0, 0),                # the call
        (equal, 5, 0, seccomp),
        (equal, 4, 0, landlock),
        (equal, 0, 2, prctl),
        (load, 0, 0, 16),               # its first argument
        (equal, 1, 0, set_seccomp),
        (leave, 0, 0, allow),
        (leave, 0, 0, enosys),
    ]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        program = struct.pack("HxxxxxxP", len(lines),
                              ctypes.addressof(buffer))
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        assert libc.prctl(set_seccomp, 2, program, 0, 0) == 0
    buffer = ctypes.create_string_buffer(code, len(code))
    return install


@needs_root
def test_old_kernel(tmp_path, leaf, tls):
    """It says so, once a worker, and serves."""
    one = daemon_module.Daemon(
        tmp_path, leaf, {"wssd": {"user": "nobody", "group": "nogroup"},
                         "route /": {"idle_timeout": "2h"}},
        preexec=without_seccomp_and_landlock())
    one.refusals_expected = True
    try:
        one.start()
        assert confinement(one) == ["empty root"]
        with connect(one.port(), tls) as client:
            client.echo()
        one.set({"route /": {"idle_timeout": "1h"}})
        one.reload()
        said = re.findall(r"(\w+) confined less than it should be: (.*)",
                          one.log())
        worker = [text for who, text in said if who == "w0"]
        assert len(worker) == 2
        assert "Landlock" in worker[0] and "seccomp" in worker[1]
        # Two signers, one before and one behind the reload.
        assert [who for who, _ in said].count("signer") == 4
    finally:
        one.finish()
