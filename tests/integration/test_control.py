# SPDX-License-Identifier: MIT
"""wssctl, as an operator meets it: exit codes (those of the LSB), what it
prints, and what is left behind when something goes wrong."""
import contextlib
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import daemon as daemon_module
from clients import connect
from conftest import needs_root
from daemon import drop_to
from holder import Holder
from pki import DAY
from wait import until

PLAIN = {"listen": {"address": "127.0.0.1:0", "transport": "tcp"}}


@pytest.fixture
def service(wssd):
    """service() is a Daemon that `wssctl start' is to start: it logs to a
    file.  Stopped afterwards."""
    made = []

    def make(sections=None, **more):
        one = wssd(sections, start=False, **more)
        one.set({"wssd": {"log": one.folder / "log"}})
        made.append(one)
        return one
    yield make
    for one in made:
        assert one.ctl("stop").returncode == 0
        assert one.processes() == []


def pid_in(text):
    return int(re.search(r"\bpid (\d+)", text).group(1))


def is_running(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def run_dir(one):
    return pathlib.Path(one.sections["wssd"]["run_dir"])


def left_in(folder):
    return sorted(os.listdir(folder)) if folder.exists() else []


# ---- start, stop, restart ------------------------------------------------

def test_life(service, tls):
    one = service()
    status = one.ctl("status")
    assert (status.returncode, status.stdout) == (3, "")
    assert status.stderr == "wssctl: wssd is not running\n"

    start = one.ctl("start")
    assert (start.returncode, start.stderr) == (0, "")
    pid = pid_in(start.stdout)
    assert (run_dir(one) / "wssd.pid").read_text() == f"{pid}\n"
    with connect(one.port(), tls) as client:
        client.echo()
        again = one.ctl("start")
        assert again.returncode == 0
        assert again.stdout == f"wssd is already running (pid {pid})\n"
        assert one.ctl("status").returncode == 0
        client.echo()
        stop = one.ctl("stop")
        assert (stop.returncode, stop.stdout) == (0, "wssd has stopped\n")
        assert not is_running(pid)
        client.expect_close(1001)
    assert left_in(run_dir(one)) == []
    stop = one.ctl("stop")
    assert (stop.returncode, stop.stdout) == (0, "wssd is not running\n")
    assert one.ctl("status").returncode == 3


def test_start_leaves_no_strings(service):
    """A session of its own, no terminal, no folder kept busy; who waits for
    the end of its output does not wait for the daemon's."""
    one = service()
    pid = pid_in(one.ctl("start").stdout)
    proc = pathlib.Path("/proc", str(pid))
    assert os.getsid(pid) == pid
    assert os.readlink(proc / "cwd") == "/"
    for fd in "012":
        assert os.readlink(proc / "fd" / fd) in (
            "/dev/null", str(one.folder / "log"))


def test_log_without_stderr(wssd):
    """log = stderr has no meaning in the background, and it says where the
    lines go instead."""
    one = wssd(start=False)
    start = one.ctl("start")
    assert start.returncode == 0
    where = re.search(r"^the log goes to (.*)$", start.stdout, re.M).group(1)
    assert where in ("syslog", str(run_dir(one) / "wssd.log"))
    assert one.ctl("stop").returncode == 0
    if where != "syslog":
        assert "stopped" in pathlib.Path(where).read_text()


def test_restart(service):
    one = service()
    assert one.ctl("restart").returncode == 0  # of a stopped one: a start
    first = one.status()["pid"]
    restart = one.ctl("restart")
    assert restart.returncode == 0, restart.stderr
    second = one.status()["pid"]
    assert first != second and not is_running(first)

    one.set({"route /": {"handler": "ehco"}})
    restart = one.ctl("restart")
    assert restart.returncode == 6
    assert f"{one.path}:" in restart.stderr
    assert restart.stderr.endswith("wssctl: nothing was restarted\n")
    assert one.status()["pid"] == second


def test_restart_takes_new_settings(service):
    one = service({"wssd": {"workers": 1}})
    one.ctl("start")
    one.set({"wssd": {"workers": 3}})
    assert one.ctl("restart").returncode == 0
    assert len(one.worker_pids()) == 3


@pytest.mark.parametrize("command", [
    ("reload",), ("reopen",), ("connections",), ("connections", "--json"),
    ("restart", "--rolling")])
def test_not_running(wssd, command):
    result = wssd(start=False).ctl(*command)
    assert (result.returncode, result.stdout) == (7, "")
    assert result.stderr == "wssctl: wssd is not running\n"


def test_killed_master_is_no_obstacle(service):
    """A pid file and a socket that nobody owns any more."""
    one = service()
    first = pid_in(one.ctl("start").stdout)
    os.kill(first, signal.SIGKILL)
    until(lambda: one.processes() == [], "nothing is left", 10)
    assert left_in(run_dir(one)) == ["control.sock", "wssd.pid"]
    # A process that ends has no name any more before its sockets close.
    until(lambda: one.ctl("status").returncode == 3, "nobody answers", 10)
    assert one.ctl("stop").returncode == 0
    start = one.ctl("start")
    assert start.returncode == 0, start.stderr
    assert pid_in(start.stdout) != first


def test_second_daemon(service):
    """The same run_dir, told apart from `already running' by wssctl."""
    one = service()
    pid = pid_in(one.ctl("start").stdout)
    second = subprocess.run([one.bin / "wssd", "-c", one.path], env=one.env,
                            stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, timeout=30)
    assert second.returncode == 1
    assert f"wssd is already running (pid {pid})" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert one.ctl("status").returncode == 0


# ---- starts that fail ------------------------------------------------------

def busy(one, authority, stack):
    """Its owner has SO_REUSEPORT, which would let another in."""
    taken = stack.enter_context(
        socket.create_server(("127.0.0.1", 0), reuse_port=True))
    port = taken.getsockname()[1]
    one.set({"listen": {"address": f"127.0.0.1:{port}"}})
    return 1, [f"{one.path}:\\d+: .*127.0.0.1:{port}.*"
               "[Aa]ddress already in use"]


def foreign_address(one, authority, stack):
    one.set({"listen": {"address": "192.0.2.1:0"}})
    return 1, [f"{one.path}:\\d+: .*192.0.2.1:0.*[Cc]annot assign"]


def no_certificate(one, authority, stack):
    one.set({"context": {"local_cert": one.folder / "nowhere.pem"}})
    return 6, [f"{one.path}:\\d+: .*nowhere.pem.*No such file"]


def broken_certificate(one, authority, stack):
    (one.folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    one.set({"context": {"local_cert": one.folder / "broken.pem"}})
    return 6, [f"{one.path}:\\d+: .*broken.pem"]


def foreign_key(one, authority, stack):
    one.set({"context": {"local_pk": authority.issue("a.example").key}})
    return 6, [f"{one.path}:\\d+: the key in \\S+ does not belong to the "
               r"certificate in \S+"]


def no_user(one, authority, stack):
    one.set({"wssd": {"user": "nosuchuser"}})
    return 6, ["user.*nosuchuser"]


def no_group(one, authority, stack):
    one.set({"wssd": {"group": "nosuchgroup"}})
    return 6, ["group.*nosuchgroup"]


def five_errors(one, authority, stack):
    one.path.write_text(
        f"[wssd]\nuser = nobody\ngroup = nogroup\n"
        f"run_dir = {run_dir(one)}\nwrokers = 3\nstop_timeout = soon\n"
        "[listen]\naddress = 127.0.0.1:99999\ntransport = tcp\n"
        "[rute /x]\nhandler = echo\n[route /]\nhandler = ehco\n")
    at = re.escape(str(one.path))
    return 6, [f"{at}:5: unknown key `wrokers'.*did you mean `workers'",
               f"{at}:6: .*stop_timeout", f"{at}:8: .*127.0.0.1:99999",
               f"{at}:10: unknown section \\[rute.*did you mean \\[route",
               f"{at}:13: .*ehco.*did you mean `echo'"]


def no_file(one, authority, stack):
    one.path.unlink()
    return 6, [f"{one.path}.*No such file"]


def no_place_for_run_dir(one, authority, stack):
    (one.folder / "file").write_text("")
    one.set({"wssd": {"run_dir": one.folder / "file" / "run"}})
    return 1, [f"run_dir {one.folder}/file/run"]


def run_dir_is_file(one, authority, stack):
    (one.folder / "file").write_text("")
    one.set({"wssd": {"run_dir": one.folder / "file"}})
    return 1, [f"run_dir {one.folder}/file is no directory"]


def no_place_for_log(one, authority, stack):
    one.set({"wssd": {"log": one.folder / "nowhere" / "log"}})
    return 1, [f"cannot open the log {one.folder}/nowhere/log"]


def no_worker(one, authority, stack):
    """A package that is half installed."""
    one.bin = one.folder / "bin"
    one.bin.mkdir()
    for name in ("wssd", "wssctl"):
        shutil.copy(daemon_module.bin_dir() / name, one.bin)
    return 1, ["wssd-worker"]


FAILURES = [busy, foreign_address, no_certificate, broken_certificate,
            foreign_key,
            pytest.param(no_user, marks=needs_root),
            pytest.param(no_group, marks=needs_root),
            five_errors, no_file, no_place_for_run_dir, run_dir_is_file,
            no_place_for_log, no_worker]


@pytest.mark.parametrize("spoil", FAILURES)
def test_start_fails(wssd, authority, spoil):
    """One clear line for each error, and nothing is left running."""
    one = wssd({"wssd": {"workers": 2}}, start=False)
    with contextlib.ExitStack() as stack:
        code, patterns = spoil(one, authority, stack)
        result = one.ctl("start")
        assert result.returncode == code, result.stderr
        lines = result.stderr.splitlines()
        assert len(lines) == len(patterns), result.stderr
        for line, pattern in zip(lines, patterns):
            assert re.match(f"wssctl: .*{pattern}", line), (line, pattern)
        assert one.processes() == []
        if run_dir(one).is_dir():
            assert set(left_in(run_dir(one))) <= {"wssd.log"}

        # The same from wssd itself, whoever supervises it.
        one.spawn("--foreground")
        assert one.wait() == code
        lines = [line for line in one.stderr.read_text().splitlines()
                 if " info " not in line]
        assert len(lines) == len(patterns), lines
        for line, pattern in zip(lines, patterns):
            assert re.search(pattern, line), (line, pattern)
        assert one.processes() == []


# ---- check -----------------------------------------------------------------

def files_under(folder):
    return {path: path.lstat().st_mtime_ns
            for path in sorted(folder.rglob("*"))}


def test_check_touches_nothing(wssd):
    one = wssd(start=False)
    before = files_under(one.folder)
    check = one.ctl("check")
    assert (check.returncode, check.stdout) == (0, f"{one.path}: ok\n")
    assert one.processes() == [] and files_under(one.folder) == before
    check = one.ctl("check", one.path)
    assert (check.returncode, check.stdout) == (0, f"{one.path}: ok\n")


@pytest.mark.parametrize("spoil", [
    busy, no_certificate, broken_certificate, foreign_key,
    pytest.param(no_user, marks=needs_root), five_errors, no_file])
def test_check_fails(wssd, authority, spoil):
    one = wssd(start=False)
    with contextlib.ExitStack() as stack:
        _, patterns = spoil(one, authority, stack)
        check = one.ctl("check")
    assert (check.returncode, check.stdout) == (6, "")
    lines = check.stderr.splitlines()
    assert len(lines) == len(patterns), check.stderr
    for line, pattern in zip(lines, patterns):
        assert re.search(pattern, line), (line, pattern)
    assert one.processes() == [] and not run_dir(one).exists()


def test_check_beside_the_running_daemon(wssd):
    """Its own port is not busy, and it does not notice."""
    one = wssd()
    port = one.port()
    one.set({"listen": {"address": f"127.0.0.1:{port}"}})
    assert one.ctl("check").returncode == 0
    before = one.status()
    one.set({"route /": {"handler": "ehco"}})
    assert one.ctl("check").returncode == 6
    after = one.status()
    assert after["config"] == before["config"]
    assert one.worker_pids() == [row["pid"] for row in before["workers"]]


def test_check_knows_dates(wssd, authority):
    old = authority.issue(begins=-20 * DAY, ends=-DAY)
    one = wssd({"context": {"local_cert": old.cert, "local_pk": old.key}},
               start=False)
    check = one.ctl("check")
    assert check.returncode == 6
    assert re.fullmatch(f"{one.path}:\\d+: the certificate in {old.cert} "
                        r"expired on [-0-9: ]+ UTC\n", check.stderr)
    # A start with it serves, for those who must go on, and says so.
    one.start()
    assert one.log_has(f" warn .*{old.cert} expired on ")
    row = one.status()["contexts"][0]
    assert row["expires_in_days"] < 0
    assert "EXPIRED" in one.ctl("status").stdout


# ---- the rest of the command line --------------------------------------------

def test_usage(wssd):
    one = wssd(start=False)
    for args in ([], ["strat"], ["status", "now"], ["start", "--json"],
                 ["stop", "--rolling"], ["--nonsense"], ["config"],
                 ["--timeout", "soon", "status"]):
        result = one.ctl(*args)
        assert result.returncode == 2, args
        assert result.stderr and not result.stdout, args
    assert "did you mean `start'?" in one.ctl("strat").stderr
    version = one.ctl("version")
    assert version.returncode == 0
    assert re.fullmatch(r"wssctl \d+\.\d+\.\d+\n", version.stdout)
    help_text = one.ctl("help").stdout
    for command in ("start", "stop", "restart", "reload", "status",
                    "connections", "check", "reopen", "config", "version"):
        assert re.search(rf"^  {command}\b", help_text, re.M), command
    assert max(map(len, help_text.splitlines())) <= 80


def test_defaults_are_a_config(wssd, authority, leaf):
    """What it prints is taken back, once the certificate is there."""
    one = wssd(start=False)
    result = one.ctl("config", "--defaults")
    assert (result.returncode, result.stderr) == (0, "")
    # A value cannot be wrapped, its explanation can.
    assert all(len(line) <= 80 for line in result.stdout.splitlines()
               if line.startswith("#"))
    for key in ("workers", "address", "local_cert", "handler", "max_message"):
        assert re.search(rf"^[;# ]*{key} *=", result.stdout, re.M), key
    sections = set(re.findall(r"^\[(\w+)", result.stdout, re.M))
    assert sections == {"wssd", "listen", "context", "route"}


# ---- status --------------------------------------------------------------------

SHOWN = {
    "wssd": {"workers": 2},
    "listen": {"address": "127.0.0.1:0, [::1]:0"},
    "listen a_name_that_is_rather_long_for_a_table": {
        "address": "127.0.0.1:0", "transport": "tcp"},
    "route /": {"handler": "echo"},
    "route /a/path/that/is/rather/long/for/the/column/it/has": {
        "handler": "reply", "text": "ok"},
}


def test_status_table(wssd, tls):
    one = wssd(SHOWN)
    with Holder(one.port(), tls) as holder:
        holder.open(12).say("x" * 5000)
        until(lambda: all(h.texts for h in holder.held), "12 echoes")
        text = one.ctl("status").stdout
    # A path is as long as it is.
    for line in text.replace(str(one.path), "/etc/wssd.ini").splitlines():
        assert len(line) <= 80 and line == line.rstrip() or \
            line.startswith("log "), line
    pids = one.worker_pids()
    assert re.search(rf"^wssd \S+ is running, pid {one.pid}, up ", text)
    assert f"config  {one.path}, generation 1, loaded " in text
    assert f"\nsigner  pid {one.status()['signer']['pid']}, 0 restarts\n" \
        in text
    for slot in (0, 1):
        assert re.search(rf"^ +{slot} +{pids[slot]} running +\d+ +\d+ ",
                         text, re.M), text
    # 60,000 bytes in, and as many out
    assert re.search(r"^ +- +- all +12 +12 +12 +12 +59k +59k ", text,
                     re.M), text
    assert re.search(rf"^default +wss://127\.0\.0\.1:{one.port()}/ +12 +12$",
                     text, re.M), text
    assert re.search(r"^ +wss://\[::1\]:\d+/$", text, re.M), text
    assert re.search(r"^a_name_that_is_r +ws://127", text, re.M), text
    assert re.search(r"^default +localhost +in (9|10) days$", text, re.M), text
    assert re.search(r"^/ +echo +12 +12 +12$", text, re.M), text
    assert re.search(r"^/a/path/that\S* +reply +0 +0 +0$", text, re.M), text


def names_of(value, found):
    if isinstance(value, dict):
        for key, inner in value.items():
            found.add(key)
            names_of(inner, found)
    elif isinstance(value, list):
        for inner in value:
            names_of(inner, found)
    return found


def documented_names():
    """Everything between backquotes in the tables of the document."""
    source = pathlib.Path(os.environ.get(
        "WSSD_SOURCE", pathlib.Path(__file__).parents[2]))
    text = (source / "docs" / "status-json.md").read_text()
    return text, set(re.findall(r"^\| *`(\w+)`", text, re.M))


def test_status_json_is_documented(wssd, tls):
    one = wssd()
    with connect(one.port(), tls) as client:
        client.echo()
        status = one.status()
        connections = json.loads(one.ctl("connections", "--json").stdout)
    text, rows = documented_names()
    names = names_of(connections, names_of(status, set()))
    missing = {n for n in names if f"`{n}`" not in text}
    assert not missing
    assert rows <= names, rows - names


def test_status_json(wssd, tls):
    one = wssd(SHOWN)
    with connect(one.port(), tls) as client:
        client.echo("12345")
        status = one.status()
    assert status["ok"] is True and status["state"] == "running"
    assert status["pid"] == one.pid
    assert status["config"]["path"] == str(one.path)
    assert status["config"]["generation"] == 1
    assert status["config"]["last_error"] is None
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(stamp, status["config"]["loaded_at"])
    assert re.fullmatch(stamp, status["started_at"])
    assert [w["slot"] for w in status["workers"]] == [0, 1]
    assert all(w["state"] == "running" and w["restarts"] == 0 and
               w["rss_bytes"] > 1 << 20 for w in status["workers"])
    assert sum(w["open"] for w in status["workers"]) == 1
    totals = status["totals"]
    assert (totals["open"], totals["upgrades"], totals["tls_ok"]) == (1, 1, 1)
    assert (totals["messages_in"], totals["messages_out"]) == (1, 1)
    assert (totals["bytes_in"], totals["bytes_out"]) == (5, 5)
    listens = {row["name"]: row for row in status["listens"]}
    assert len(listens["default"]["addresses"]) == 2
    assert listens["default"]["accepted"] == 1
    route = {row["name"]: row for row in status["routes"]}["/"]
    assert (route["handler"], route["open"], route["upgrades"]) == \
        ("echo", 1, 1)
    assert status["contexts"][0]["handshakes"] == 1


def test_counters_survive_their_worker(wssd, tls):
    one = wssd()
    one.deaths_expected = True
    for _ in range(3):
        with connect(one.port(), tls) as client:
            client.echo("12345")
            client.close()
    worker = one.worker_pids()[0]
    os.kill(worker, signal.SIGKILL)
    until(lambda: one.worker_pids() not in ([], [worker]), "a new worker")
    status = one.status()
    assert status["totals"]["messages_in"] == 3
    assert status["totals"]["bytes_out"] == 15
    assert status["totals"]["open"] == 0
    assert status["workers"][0]["restarts"] == 1
    assert "signal 9" in status["workers"][0]["last_death"]


def test_status_watch(wssd):
    one = wssd()
    watch = subprocess.Popen(
        [one.bin / "wssctl", "-c", one.path, "status", "--watch"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        env=one.env)
    try:
        heads = 0
        while heads < 2:
            line = watch.stdout.readline()
            assert line, "it ended"
            heads += line.startswith("wssd ")
    finally:
        watch.send_signal(signal.SIGINT)
        watch.wait(10)
        watch.stdout.close()
    assert watch.returncode == -signal.SIGINT


# ---- the control socket, without wssctl ------------------------------------------

def dial(one):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(run_dir(one) / "control.sock"))
    return sock


def read_all(sock):
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def ask(one, line):
    with dial(one) as sock:
        sock.sendall(line)
        return read_all(sock)


def status_seconds(one):
    begin = time.monotonic()
    assert json.loads(ask(one, b"status\n"))["ok"]
    return time.monotonic() - begin


def test_status_is_quick_though_a_worker_is_stopped(wssd, tls):
    one = wssd({"wssd": {"workers": 2}})
    with connect(one.port(), tls) as client:
        client.echo()
        stopped = one.worker_pids()[0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            times = sorted(status_seconds(one) for _ in range(9))
            # The machine may be busy, the daemon must not be.
            assert times[0] < 0.05 and times[4] < 0.25, times
            # No worker is asked, and so none is waited for.
            begin = time.monotonic()
            assert one.ctl("status").returncode == 0
            assert time.monotonic() - begin < 2
        finally:
            os.kill(stopped, signal.SIGCONT)


@pytest.fixture(scope="module")
def crowd(wssd_module):
    """2,500 connections in two workers."""
    one = wssd_module(dict(PLAIN, wssd={"workers": 2}), tcp=True)
    with Holder(one.port()) as holder:
        holder.open(2500, at_once=200)
        yield one, holder


def test_connections_of_many(crowd):
    one, holder = crowd
    result = one.ctl("connections", "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    rows = answer["connections"]
    assert answer["ok"] is True and answer["complete"] is True
    assert len(rows) == 2500
    assert len({row["id"] for row in rows}) == 2500
    ports = {f"127.0.0.1:{h.writer.get_extra_info('sockname')[1]}"
             for h in holder.held}
    assert {row["address"] for row in rows} == ports
    assert {row["worker"] for row in rows} == {0, 1}
    assert {(row["state"], row["route"], row["listen"])
            for row in rows} == {("open", "/", "default")}

    lines = one.ctl("connections").stdout.splitlines()
    assert len(lines) == 2501
    assert lines[0].split() == ["ID", "ADDRESS", "STATE", "ROUTE", "AGE",
                                "MSG-IN", "OUT"]
    assert max(map(len, lines)) <= 80


def test_connections_of_a_stopped_worker(crowd):
    """The others' are listed, and the answer says that some are missing."""
    one, _ = crowd
    stopped = one.worker_pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        result = one.ctl("connections", "--json")
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert result.returncode == 1
    assert "not complete" in result.stderr
    answer = json.loads(result.stdout)
    assert answer["complete"] is False
    assert {row["worker"] for row in answer["connections"]} == {1}
    until(lambda: one.ctl("connections").returncode == 0, "it is back")


def test_control_socket_takes_anything(crowd):
    """Garbage, floods, silence and greed at once: the clients of the daemon
    and the next operator notice nothing of it."""
    one, holder = crowd
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(dial(one)) for _ in range(10)]
        greedy = [stack.enter_context(dial(one)) for _ in range(8)]
        for sock in greedy:  # a list of 700 KB each, which nobody reads
            sock.sendall(b"connections\n")
        for data in (b"\0" * 100 + b"\n", b"\xff\xfe\xfd\n", b"\n",
                     b"status; rm -rf /\n", b"status " * 500 + b"\n",
                     b"GET / HTTP/1.1\r\n\r\n"):
            answer = json.loads(ask(one, data))
            assert answer["ok"] is False and answer["exit"] == 2, data
            assert "\n" not in answer["error"]
        flood = stack.enter_context(dial(one))
        with contextlib.suppress(OSError):
            for _ in range(64):
                flood.sendall(b"x" * 65536)
        flood_answer = read_all(flood)  # or a reset has eaten it
        assert flood_answer == b"" or b"too long" in flood_answer
        assert status_seconds(one) < 2
        visit = holder.run(holder.visit())
        assert visit < 5
        # Silence is ended by the daemon, within 5 s and a bit.
        for sock in silent:
            assert json.loads(read_all(sock))["ok"] is False
    assert len(holder.open_ones()) == 2500
    assert one.ctl("status").returncode == 0


def test_too_many_control_clients(wssd):
    one = wssd(PLAIN, tcp=True)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(dial(one)) for _ in range(40)]
        answers = [json.loads(read_all(sock)) for sock in socks[32:]]
        assert all("too many" in a["error"] for a in answers)
        socks[0].sendall(b"status\n")
        assert json.loads(read_all(socks[0]))["ok"]
    until(lambda: one.ctl("status").returncode == 0, "it answers again")


# ---- who may talk to it --------------------------------------------------------

@pytest.fixture
def shared(open_folder):
    """A daemon of root whose config and programs everybody can read."""
    one = daemon_module.Daemon(
        open_folder, sections=dict(PLAIN, wssd={
            "user": "nobody", "group": "daemon", "workers": 1,
            "run_dir": open_folder / "run"}), binaries=open_folder / "bin")
    one.path.chmod(0o644)
    yield one.start()
    one.finish()


def in_group(name):
    gid = grp.getgrnam(name).gr_gid
    nobody = pwd.getpwnam("nobody").pw_uid

    def become():
        os.setgroups([gid])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(nobody, nobody, nobody)
    return become


@needs_root
def test_socket_mode(shared):
    sock = (run_dir(shared) / "control.sock").stat()
    assert sock.st_mode & 0o777 == 0o660
    assert sock.st_uid == 0
    assert sock.st_gid == grp.getgrnam("daemon").gr_gid
    assert run_dir(shared).stat().st_mode & 0o777 == 0o755
    pid = (run_dir(shared) / "wssd.pid").stat()
    assert pid.st_mode & 0o777 == 0o644


@needs_root
def test_strangers_are_refused(shared):
    nobody = drop_to("nobody")
    status = shared.ctl("status", preexec_fn=nobody)
    assert (status.returncode, status.stdout) == (4, "")
    assert len(status.stderr.splitlines()) == 1
    for command in ("reload", "stop", "connections", "reopen"):
        assert shared.ctl(command, preexec_fn=nobody).returncode == 4
    # Even when the file's mode would let them in, the kernel tells on them.
    (run_dir(shared) / "control.sock").chmod(0o666)
    for command in ("reload", "stop", "connections", "status"):
        result = shared.ctl(command, preexec_fn=nobody)
        assert result.returncode == 4, command
        assert "only root, the daemon's own user and its group" in \
            result.stderr
    assert shared.alive()


@needs_root
def test_the_group_may_look(shared):
    member = in_group("daemon")
    assert shared.ctl("status", preexec_fn=member).returncode == 0
    assert shared.ctl("connections", preexec_fn=member).returncode == 0
    for command in (["reload"], ["stop"], ["reopen"],
                    ["restart", "--rolling"], ["stop", "--graceful"]):
        result = shared.ctl(*command, preexec_fn=member)
        assert result.returncode == 4, command
        assert "only root and the daemon's own user" in result.stderr
    assert shared.alive()
    assert shared.status()["config"]["generation"] == 1


# ---- the log -----------------------------------------------------------------

@pytest.mark.parametrize("how", ["reopen", "SIGWINCH"])
def test_reopen(service, tls, how):
    """After a rotation the old file gets no line more, from no process."""
    one = service({"wssd": {"workers": 2, "log_level": "debug"}})
    one.ctl("start")
    log, old = one.folder / "log", one.folder / "log.1"
    log.rename(old)
    if how == "reopen":
        result = one.ctl("reopen")
        assert (result.returncode, result.stderr) == (0, "")
    else:
        os.kill(one.status()["pid"], signal.SIGWINCH)
    until(log.exists, "the new file is there")
    size = None

    def lines():
        """Without what a sanitizer says by itself on stderr."""
        return len(re.findall(r"^20\d\d-", old.read_text(), re.M))

    def settled():
        nonlocal size
        before, size = size, lines()
        return before == size
    until(settled, "the workers have heard of it", interval=0.2)
    with Holder(one.port(), tls) as holder:
        for _ in range(10):  # both workers
            holder.run(holder.visit())
    one.reload()
    assert one.ctl("stop").returncode == 0
    assert lines() == size
    text = log.read_text()
    for who in ("master", "w0", "w1"):
        assert f" {who} " in text, text
