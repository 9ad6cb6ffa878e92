# SPDX-License-Identifier: MIT
"""One wssd: its config, its life, what it says and what it leaves behind."""
import json
import os
import pathlib
import pwd
import re
import signal
import subprocess
import uuid

from wait import until

# What no log may contain, whatever a client did.
ALARMS = re.compile(
    r"fatal|ASSERT|runtime error:|AddressSanitizer|LeakSanitizer")
REFUSAL = re.compile(r"the sandbox refused|confined less than")
DEATH = re.compile(r"died of|was killed|exited with")
READY = re.compile(r"wssd \S+ runs, ")
MARK = "WSSD_TEST_MARK"


def bin_dir():
    """The folder with wssd, wssctl and wssd-worker."""
    return pathlib.Path(os.environ["WSSD_BIN"])


def ini(sections):
    """{"route /": {"handler": "echo"}} as the text of a config file.
    "route / #2" is another [route /]: keys of a dict are unique."""
    lines = []
    for name, keys in sections.items():
        lines.append(f"[{name.partition(' #')[0]}]")
        lines += [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def drop_to(user):
    """For preexec_fn: become that user, with its group and no other."""
    entry = pwd.getpwnam(user)

    def become():
        os.setgroups([])
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    return become


class Daemon:
    """`sections` are laid over a small config: one worker that echoes over
    TLS on a free port of 127.0.0.1; a section that is None is left out.

    env adds to the environment; preexec runs in the child before exec.
    deaths_expected: workers may die, the log is not blamed for it.
    refusals_expected: so may the sandbox refuse what they try.
    """

    def __init__(self, folder, leaf=None, sections=None, env=None,
                 preexec=None, binaries=None):
        self.folder = pathlib.Path(folder)
        self.bin = pathlib.Path(binaries or bin_dir())
        self.path = self.folder / "wssd.ini"
        self.stderr = self.folder / "stderr"
        self.deaths_expected = False
        self.refusals_expected = False
        self.process = None
        self.exit_code = None
        self.mark = uuid.uuid4().hex
        self.preexec = preexec
        self.launcher, self.pass_fds = [], []
        self.env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:"
                        "abort_on_error=1", **{MARK: self.mark})
        self.env.pop("NOTIFY_SOCKET", None)
        self.env.update(env or {})
        self.sections = {
            "wssd": {"workers": 1, "run_dir": self.folder / "run",
                     "stop_timeout": "3s", "drain_window": "1s"},
            "listen": {"address": "127.0.0.1:0"},
            "route /": {"handler": "echo"},
        }
        # The same tests, the other way to receive and send.
        if "WSSD_IO_URING" in os.environ:
            self.sections["wssd"]["io_uring"] = os.environ["WSSD_IO_URING"]
        # tests/coverage: who is confined cannot write what it counted.
        if "WSSD_TEST_SANDBOX" in os.environ:
            self.sections["wssd"]["sandbox"] = os.environ["WSSD_TEST_SANDBOX"]
        if os.geteuid() == 0 and preexec is None:
            self.sections["wssd"].update(user="nobody", group="nogroup")
        if leaf is not None:
            self.sections["context"] = {"local_cert": leaf.cert,
                                        "local_pk": leaf.key}
        else:
            self.sections["listen"]["transport"] = "tcp"
        self.set(sections or {})

    # ---- the config ----------------------------------------------------

    def set(self, sections):
        """Lays these over the config and writes the file."""
        for name, keys in sections.items():
            if keys is None:
                self.sections.pop(name, None)
            else:
                self.sections.setdefault(name, {}).update(keys)
        self.path.write_text(ini(self.sections))

    # ---- its life ------------------------------------------------------

    def spawn(self, *args):
        """Starts it in the foreground and does not wait."""
        with open(self.stderr, "ab") as out:
            self.process = subprocess.Popen(
                [*self.launcher, self.bin / "wssd", "-c", self.path, *args],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self.env, preexec_fn=self.preexec, pass_fds=self.pass_fds)
        self.exit_code = None
        return self

    def start(self):
        """Starts it and waits until all workers run."""
        before = len(READY.findall(self.log()))
        self.spawn()
        until(lambda: not self.alive() or
              len(READY.findall(self.log())) > before, "wssd is ready")
        assert self.alive(), f"wssd ended at its start:\n{self.log()}"
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=20):
        """Waits for its end; returns the exit code."""
        self.exit_code = self.process.wait(timeout)
        return self.exit_code

    def stop(self, timeout=20):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    # ---- what it says --------------------------------------------------

    def ctl(self, *args, timeout=30, **more):
        """Runs wssctl; the result has returncode, stdout and stderr."""
        return subprocess.run(
            [self.bin / "wssctl", "-c", self.path, *map(str, args)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=self.env, timeout=timeout, **more)

    def status(self):
        result = self.ctl("status", "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def totals(self):
        return self.status()["totals"]

    def connections(self):
        result = self.ctl("connections", "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)["connections"]

    def reload(self):
        result = self.ctl("reload")
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    def addresses(self, listen="default"):
        for row in self.status()["listens"]:
            if row["name"] == listen:
                return row["addresses"]
        raise AssertionError(f"there is no listen {listen}")

    def port(self, listen="default", n=0):
        return int(self.addresses(listen)[n].rpartition(":")[2])

    def worker_pids(self):
        """Those that are there now, one a running slot."""
        return [row["pid"] for row in self.status()["workers"]
                if row["pid"] is not None]

    def serving_pids(self):
        """Of the master, the workers, and the signer if there is one."""
        signer = self.status()["signer"]
        return [self.pid, *self.worker_pids()] + (
            [signer["pid"]] if signer else [])

    def log(self):
        """All it has logged: to stderr, and to its file if it has one."""
        text = ""
        target = str(self.sections.get("wssd", {}).get("log", ""))
        for path in [self.stderr] + (
                [pathlib.Path(target)] if target.startswith("/") else []):
            if path.is_file():  # not /dev/full
                text += path.read_text(errors="replace")
        return text

    def log_has(self, pattern):
        return re.search(pattern, self.log())

    def await_log(self, pattern, timeout=15):
        return until(lambda: self.log_has(pattern),
                     f"the log says {pattern!r}", timeout)

    # ---- what it leaves behind -----------------------------------------

    def check(self):
        """Nothing in the log is alarming, and it lives if it should."""
        log = self.log()
        alarm = ALARMS.search(log)
        assert not alarm, f"{alarm.group(0)!r} in the log:\n{log}"
        if not self.deaths_expected:
            assert not DEATH.search(log), f"a worker has died:\n{log}"
        if not self.refusals_expected:
            assert not REFUSAL.search(log), f"the sandbox is in the way:\n{log}"
        if self.process is not None and self.exit_code is None:
            assert self.alive(), f"wssd has ended:\n{log}"

    def processes(self):
        """The pids of all that was started by this object and lives."""
        want = f"{MARK}={self.mark}".encode()
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                env = pathlib.Path("/proc", entry, "environ").read_bytes()
            except OSError:
                continue
            if want in env.split(b"\0"):
                found.append(int(entry))
        return found

    def finish(self):
        """The end of a test: it stops with 0 and nothing is left of it."""
        try:
            self.check()
            if self.process is not None and self.exit_code is None:
                code = self.stop()
                assert code == 0, f"wssd exited with {code}:\n{self.log()}"
            self.check()
            until(lambda: not self.processes(),
                  "no process of wssd is left", 5)
        finally:
            self.kill()

    def kill(self):
        """Whatever happened before."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process is not None:
            self.process.wait(10)


# ---- a process, seen from outside --------------------------------------

def rss(pid):
    """Bytes of memory it holds."""
    pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def cpu_seconds(pid):
    """Processor time it has used."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def status_field(pid, name):
    """A line of /proc/PID/status, without its name."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return re.search(rf"^{name}:[ \t]*(.*)$", text, re.M).group(1)
