# SPDX-License-Identifier: MIT
"""A copy of wssd and wssctl with the fake worker beside them.

The programs come from $WSSD_BIN (a build folder's bin/) and the fake worker
from $WSSD_FAKE_WORKER.  Readiness is waited for with a deadline, nothing
sleeps for a guessed time.
"""
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time

BIN = os.environ.get("WSSD_BIN", "bin")
FAKE = os.environ.get("WSSD_FAKE_WORKER",
                      os.path.join(BIN, "..", "tests", "fake-worker"))

# The daemon is searched for leaks at its end; wssctl, run hundreds of times,
# only where it becomes the daemon.
ENV = dict(os.environ, LC_ALL="C.UTF-8",
           ASAN_OPTIONS="detect_leaks=1:handle_segv=0")
CTL_ENV = dict(ENV, ASAN_OPTIONS="detect_leaks=0")

# What must never stand in a log, whatever a worker does.
FORBIDDEN = re.compile(r"fatal|ASSERT|Sanitizer|runtime error")


def wait_until(what, seconds=10.0):
    """Polls until what() is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: "
                                 f"{getattr(what, '__name__', what)}")
        time.sleep(0.01)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def free_port():
    """Below the ports that clients get, so that none of them takes it."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Daemon:
    """One daemon in a folder of its own."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.bin = os.path.join(self.folder, "bin")
        self.run_dir = os.path.join(self.folder, "run")
        self.ini = os.path.join(self.folder, "wssd.ini")
        self.log = os.path.join(self.folder, "wssd.log")
        self.process = None
        os.makedirs(self.bin)
        for name in ("wssd", "wssctl"):
            shutil.copy(os.path.join(BIN, name), self.bin)
        shutil.copy(FAKE, os.path.join(self.bin, "wssd-worker"))
        # The workers' user must be able to pass.
        os.chmod(self.folder, 0o755)
        self.config()

    def config(self, words="ok", listens=None, **settings):
        """Writes wssd.ini; listens is {name: address}."""
        values = {"workers": 2, "run_dir": self.run_dir, "log": self.log,
                  "user": "nobody", "group": "nogroup",
                  "stop_timeout": "2s", "drain_window": "1s"}
        values.update(settings)
        text = "[wssd]\n"
        for key, value in values.items():
            text += f"{key} = {value}\n"
        for name, address in (listens or {"a": "127.0.0.1:0"}).items():
            text += f"[listen {name}]\naddress = {address}\n"
            text += "transport = tcp\n"
        text += f"[route /]\nhandler = reply\ntext = {words}\n"
        with open(self.ini + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.ini + ".new", self.ini)

    # --- commands ---

    def ctl(self, *words, expect=0, timeout=60, **kwargs):
        """Runs wssctl; its exit code must be as expected (None: any)."""
        env = ENV if {"start", "restart"} & set(words) else CTL_ENV
        done = subprocess.run([os.path.join(self.bin, "wssctl"), "-c",
                               self.ini, *words], env=env, text=True,
                              stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=timeout, **kwargs)
        if expect is not None:
            assert done.returncode == expect, (done, self.read_log())
        return done

    def ctl_start(self, *words):
        return subprocess.Popen([os.path.join(self.bin, "wssctl"), "-c",
                                 self.ini, *words], env=ENV, text=True,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def foreground(self, *words, **env):
        """Starts wssd itself; what it is to the tests as a supervisor."""
        self.process = subprocess.Popen(
            [os.path.join(self.bin, "wssd"), "-c", self.ini, *words],
            env=dict(ENV, **env), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return self.process

    def start(self):
        self.ctl("start")
        return self.status()

    def status(self):
        return json.loads(self.ctl("status", "--json").stdout)

    def is_running(self):
        return self.ctl("status", expect=None).returncode == 0

    def end(self):
        """Stops it if it runs; the log must be clean."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        pid = self.pid()
        if pid:
            for worker in self.children(pid):
                os.kill(worker, signal.SIGCONT)
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not is_alive(pid))
        if self.process is not None:
            self.process.communicate(timeout=10)
        assert not FORBIDDEN.search(self.read_log()), self.read_log()

    # --- what it shows ---

    def pid(self):
        try:
            with open(os.path.join(self.run_dir, "wssd.pid"),
                      encoding="ascii") as f:
                pid = int(f.read() or 0)
        except (OSError, ValueError):
            return 0
        return pid if is_alive(pid) else 0

    @staticmethod
    def children(pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(word) for word in f.read().split()]

    def read_log(self):
        text = ""
        for path in (self.log, os.path.join(self.run_dir, "wssd.log")):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    text += f.read()
        return text

    def wait_log(self, text, seconds=10.0):
        def logged():
            return text in self.read_log()
        try:
            wait_until(logged, seconds)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in the log:\n"
                                 + self.read_log()) from None

    def workers(self, state=None):
        return [row for row in self.status()["workers"]
                if state is None or row["state"] == state]

    def wait_workers(self, count, state="running", seconds=10.0):
        def settled():
            rows = self.workers(state)
            return rows if len(rows) == count else None
        return wait_until(settled, seconds)

    def port(self, listen=0):
        address = self.status()["listens"][listen]["addresses"][0]
        return int(address.rsplit(":", 1)[1])


def hello(port):
    """Connects, and returns the socket and what the fake worker said."""
    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    s.settimeout(10)
    words = s.makefile("r").readline().split()
    assert len(words) == 6, words
    return s, {"slot": int(words[1]), "pid": int(words[3]),
               "generation": int(words[5])}
