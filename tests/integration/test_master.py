# SPDX-License-Identifier: MIT
"""The master and wssctl, against a worker that misbehaves on demand."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from fake import Daemon, free_port, hello, is_alive, wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def daemon():
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory(prefix="wssd-test-") as folder:
        os.chmod(folder, 0o755)
        d = Daemon(os.path.join(folder, "d"))
        yield d
        d.end()


# --- start and stop ---------------------------------------------------------

def test_start_status_stop(daemon):
    assert daemon.ctl("status", expect=3).stderr == \
        "wssctl: wssd is not running\n"
    started = daemon.ctl("start")
    assert "wssd is running (pid" in started.stdout
    status = daemon.status()
    assert status["state"] == "running"
    assert [w["state"] for w in status["workers"]] == ["running"] * 2
    assert status["pid"] == daemon.pid()
    assert "already running" in daemon.ctl("start").stdout
    assert status["pid"] == daemon.status()["pid"]
    daemon.ctl("stop")
    assert not is_alive(status["pid"])
    assert os.listdir(daemon.run_dir) == []
    assert "not running" in daemon.ctl("stop").stdout
    daemon.ctl("status", expect=3)
    for command in ("reload", "reopen", "connections"):
        daemon.ctl(command, expect=7)
    daemon.ctl("restart", "--rolling", expect=7)


def test_start_leaves_the_terminal(daemon):
    """Nothing of the daemon holds wssctl's stdout, or run() would wait."""
    daemon.ctl("start", timeout=20)
    pid = daemon.pid()
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"


def test_background_log(daemon):
    daemon.config(log="stderr")
    out = daemon.ctl("start").stdout
    if not os.path.exists("/dev/log"):
        assert f"the log goes to {daemon.run_dir}/wssd.log" in out
        assert "wssd 0." in daemon.read_log()


def test_second_daemon(daemon):
    pid = daemon.start()["pid"]
    second = daemon.foreground()
    _, err = second.communicate(timeout=10)
    assert second.returncode == 1
    assert f"wssd is already running (pid {pid})" in err
    assert daemon.is_running()


def test_bad_config(daemon):
    with open(daemon.ini, "a", encoding="utf-8") as f:
        f.write("wrkers = 3\n[listn x]\n")
    failed = daemon.ctl("start", expect=6)
    assert failed.stderr.count(daemon.ini + ":") == 2, failed.stderr
    assert not os.path.exists(daemon.run_dir)
    failed = daemon.ctl("check", expect=6)
    assert failed.stderr.count(daemon.ini + ":") == 2
    foreground = daemon.foreground()
    _, err = foreground.communicate(timeout=10)
    assert foreground.returncode == 6
    assert err.count(daemon.ini + ":") == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
def test_unknown_user(daemon):
    daemon.config(user="no-such-user")
    failed = daemon.ctl("start", expect=6)
    assert 'there is no user "no-such-user"' in failed.stderr


@pytest.mark.parametrize("words, code, text", [
    ("fail", 6, "wssctl: wssd.ini:2: and once more"),
    ("fail@1", 6, "wssctl: wssd.ini:2: and once more"),
    ("exit-in-prepare@1", 1, "exited with code 5"),
    ("old-version", 1, "it is version 0.0.9"),
    ("wrong-generation", 1, "sent a wrong READY"),
    ("no-hello", 1, "sent READY"),
])
def test_worker_fails_at_start(daemon, words, code, text):
    daemon.config(words)
    failed = daemon.ctl("start", expect=code)
    assert text in failed.stderr
    daemon.ctl("status", expect=3)
    assert daemon.pid() == 0
    assert not os.path.exists(daemon.run_dir + "/control.sock")


@pytest.mark.parametrize("reuse", [False, True])
def test_busy_port(daemon, reuse):
    with socket.socket() as s:
        if reuse:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(("127.0.0.1", 0))
        s.listen()
        address = "127.0.0.1:%d" % s.getsockname()[1]
        daemon.config(listens={"a": address})
        failed = daemon.ctl("start", expect=1)
        assert f"cannot listen on {address}: Address already in use" in \
            failed.stderr
        daemon.ctl("check", expect=6)
    daemon.ctl("status", expect=3)


def test_master_killed(daemon):
    """Workers end, the port is free, and stale files are no obstacle."""
    port = free_port()
    daemon.config(listens={"a": f"127.0.0.1:{port}"})
    status = daemon.start()
    pids = [w["pid"] for w in status["workers"]]
    os.kill(status["pid"], signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, pids)), 2)
    daemon.ctl("status", expect=3)
    assert os.path.exists(daemon.run_dir + "/wssd.pid")
    assert daemon.start()["pid"] != status["pid"]
    hello(port)[0].close()


def test_stop_cuts_those_that_do_not_drain(daemon):
    daemon.config("ignore-drain", stop_timeout="1s")
    status = daemon.start()
    before = time.monotonic()
    daemon.ctl("stop")
    assert 0.9 < time.monotonic() - before < 4
    assert not any(is_alive(w["pid"]) for w in status["workers"])
    assert "did not end in time: killed" in daemon.read_log()


def test_stop_gets_faster(daemon):
    """QUIT drains over its window, TERM does not wait, TERM again cuts."""
    daemon.config(stop_timeout="60s", drain_window="60s")
    status = daemon.start()
    held, _ = hello(daemon.port())
    os.kill(status["pid"], signal.SIGQUIT)
    daemon.wait_log("stopping gracefully")
    assert daemon.status()["state"] == "stopping"
    daemon.ctl("reload", expect=1)
    os.kill(status["pid"], signal.SIGTERM)
    wait_until(lambda: not is_alive(status["pid"]))
    assert held.recv(1) == b""
    daemon.config("ignore-drain", stop_timeout="60s")
    status = daemon.start()
    os.kill(status["pid"], signal.SIGTERM)
    daemon.wait_log("stopping now")
    os.kill(status["pid"], signal.SIGINT)
    wait_until(lambda: not is_alive(status["pid"]))


def test_stop_graceful_waits_for_the_window(daemon):
    daemon.config(stop_timeout="60s", drain_window="60s")
    daemon.start()
    daemon.ctl("stop", "--graceful")		# nobody is connected
    assert daemon.pid() == 0


def test_foreground(daemon):
    daemon.config(log="stderr")
    process = daemon.foreground("--foreground")
    wait_until(lambda: os.path.exists(daemon.run_dir + "/control.sock"))
    wait_until(lambda: daemon.status()["state"] == "running")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "runs, 2 workers" in err and "stopped" in err


def test_stop_during_the_start(daemon):
    daemon.config("silent@1", log="stderr")
    process = daemon.foreground()
    wait_until(lambda: os.path.exists(daemon.run_dir + "/control.sock"))
    assert daemon.status()["state"] == "starting"
    daemon.ctl("reload", expect=1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "stopped before it was ready" in err


def test_stop_during_a_reload(daemon):
    daemon.start()
    daemon.config("silent")
    reload = daemon.ctl_start("reload")
    daemon.wait_log("reload: begins")
    waiting = daemon.ctl_start("restart", "--rolling")
    wait_until(lambda: "control socket: restart" in daemon.read_log())
    daemon.ctl("stop")
    for process in (reload, waiting):
        _, err = process.communicate(timeout=10)
        assert process.returncode == 1
        assert "wssd is stopping" in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes others")
def test_as_an_ordinary_user(daemon):
    os.chown(daemon.folder, 65534, 65534)
    # Which nobody can become.
    daemon.config(user="no-such-user", group="no-such-group")
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    daemon.ctl("check", **nobody)
    daemon.ctl("start", **nobody)
    assert os.stat(f"/proc/{daemon.pid()}").st_uid == 65534
    daemon.ctl("reload", **nobody)
    daemon.ctl("status", expect=4, user=65533, group=65534, extra_groups=[])
    # Root may do everything.
    daemon.ctl("restart", "--rolling")
    daemon.ctl("stop", **nobody)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
def test_as_an_ordinary_user_of_the_group(daemon):
    """As systemd starts it: the group's members may look, and no more."""
    os.chown(daemon.folder, 65534, 65534)
    daemon.ctl("start", user=65534, group=65534, extra_groups=[])
    member = {"user": 65533, "group": 65533, "extra_groups": [65534]}
    daemon.ctl("status", **member)
    daemon.ctl("stop", expect=4, **member)
    daemon.ctl("status", expect=4, user=65533, group=65533, extra_groups=[])
    daemon.ctl("stop")


def test_start_timeout(daemon):
    daemon.config("silent")
    failed = daemon.ctl("--timeout", "1", "start", expect=1)
    assert "not ready within 1 s" in failed.stderr
    assert daemon.pid() == 0


# --- death ------------------------------------------------------------------

def test_crash_is_explained_and_repaired(daemon):
    daemon.start()
    daemon.config("crash@1")
    daemon.ctl("reload")
    daemon.wait_log("died of signal 11 (Segmentation fault) in handler of "
                    "route /chat")
    daemon.wait_log("worker 1 is started again in 1 s")
    row = daemon.workers()[1]
    assert row["restarts"] >= 2
    assert "signal 11" in row["last_death"]
    # A reload makes it well again without waiting.
    daemon.config()
    daemon.ctl("reload")
    daemon.wait_workers(2)


def test_killed_worker_is_back_at_once(daemon):
    status = daemon.start()
    old = status["workers"][0]["pid"]
    os.kill(old, signal.SIGKILL)

    def back():
        row = daemon.workers()[0]
        return row["state"] == "running" and row["pid"] != old
    wait_until(back, 1)


def test_backoff_and_lent_sockets(daemon):
    """Slot 1 dies again and again; nobody who connects is lost."""
    daemon.config("exit@1")
    daemon.ctl("start")
    daemon.wait_log("started again in 2 s")
    assert [w["state"] for w in daemon.workers()] == ["running", "backoff"]
    port = daemon.port()
    for _ in range(30):
        s, who = hello(port)
        assert who["slot"] == 0
        s.close()
    assert "serves the sockets of worker 1 meanwhile" in daemon.read_log()
    # Taken back when the slot has a worker again.
    daemon.config()
    daemon.ctl("reload")
    daemon.wait_workers(2)

    def both():
        seen = set()
        for _ in range(40):
            s, who = hello(port)
            seen.add(who["slot"])
            s.close()
        return seen == {0, 1}
    wait_until(both)


@pytest.mark.parametrize("word, text", [
    ("say-hello", "sent HELLO (1) when it is running: killed"),
    ("say-commit", "sent COMMIT (10) when it is running: killed"),
    ("say-drained", "sent DRAINED (18) when it is running: killed"),
    ("say-pong", "sent a wrong PONG (not to the PING that was sent)"),
    ("say-answer", "sent a wrong ANSWER (malformed)"),
    ("say-failed", "sent a wrong FAILED (nothing was asked)"),
    ("say-nothing", "sent ? (0)"),
    ("say-65535", "sent ? (65535)"),
    ("say-fd", "sent DRAINED with a descriptor"),
    ("say-junk", "is killed: the peer sent 4 bytes, not a message"),
    ("ready-twice", "sent a wrong READY (nothing was asked)"),
])
def test_unexpected_message(daemon, word, text):
    pid = daemon.start()["pid"]
    daemon.config(word + "@1")
    daemon.ctl("reload", expect=None)
    daemon.wait_log(text)
    daemon.config()
    # It may die once more while the first of these is being prepared.
    wait_until(lambda: daemon.ctl("reload", expect=None).returncode == 0)
    daemon.wait_workers(2, seconds=2)
    assert daemon.status()["pid"] == pid


def test_closed_channel(daemon):
    daemon.start()
    daemon.config("close-channel@0")
    daemon.ctl("reload")
    old = daemon.workers()[0]["pid"]
    wait_until(lambda: not is_alive(old))


def test_stuck_worker(daemon):
    daemon.config(worker_timeout="1s")
    pid = daemon.start()["pid"]
    daemon.config("hang@0", worker_timeout="1s")
    daemon.ctl("reload")
    stuck = daemon.workers()[0]["pid"]
    daemon.wait_log("did not answer for 1 s: killed")
    before = time.monotonic()
    assert daemon.status()["pid"] == pid
    assert time.monotonic() - before < 2
    # SIGABRT is ignored by this one: SIGKILL comes two seconds later.
    wait_until(lambda: not is_alive(stuck), 5)


def test_stopped_worker_is_left_alone(daemon):
    daemon.config(worker_timeout="1s")
    daemon.start()
    pid = daemon.workers()[0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    daemon.wait_log("because it is stopped")
    assert daemon.workers()[0]["state"] == "stopped"
    ticks = time.monotonic() + 2.5	# two more periods
    wait_until(lambda: time.monotonic() > ticks)
    assert daemon.workers()[0]["pid"] == pid
    os.kill(pid, signal.SIGCONT)
    daemon.wait_log("goes on")
    wait_until(lambda: daemon.workers()[0]["state"] == "running")
    assert daemon.workers()[0]["pid"] == pid
    assert daemon.read_log().count("because it is stopped") == 1


# --- reload -----------------------------------------------------------------

def pids_of(daemon):
    return sorted(w["pid"] for w in daemon.workers("running"))


def test_reload_in_the_living(daemon):
    daemon.start()
    before = pids_of(daemon)
    held, who = hello(daemon.port())
    assert who["generation"] == 1
    out = daemon.ctl("reload").stdout
    assert out == "reloaded: generation 2\n"
    assert pids_of(daemon) == before
    s, who = hello(daemon.port())
    assert who["generation"] == 2
    s.close()
    held.settimeout(0.2)
    with pytest.raises(TimeoutError):
        held.recv(1)
    held.close()


def test_reload_changes_addresses(daemon):
    a, b = free_port(), free_port()
    daemon.config(listens={"a": f"127.0.0.1:{a}", "z": "127.0.0.1:0"})
    daemon.start()
    before = pids_of(daemon)
    kept = daemon.port(1)
    # a goes, b comes, z is called y now and keeps its sockets.
    daemon.config(listens={"b": f"127.0.0.1:{b}", "y": "127.0.0.1:0"})
    daemon.ctl("reload")
    assert [r["name"] for r in daemon.status()["listens"]] == ["b", "y"]
    assert daemon.port(1) == kept
    for port in (b, kept):
        for _ in range(8):
            hello(port)[0].close()

    def refused():
        try:
            socket.create_connection(("127.0.0.1", a), timeout=1).close()
        except ConnectionRefusedError:
            return True
        return False
    wait_until(refused)
    assert pids_of(daemon) == before


def test_reload_to_an_overlapping_address(daemon):
    port = free_port()
    daemon.config(listens={"a": f"0.0.0.0:{port}"})
    daemon.start()
    daemon.config(listens={"a": f"127.0.0.1:{port}"})
    daemon.ctl("check")
    daemon.ctl("reload")
    hello(port)[0].close()


@pytest.mark.parametrize("words", ["fail", "fail@1"])
def test_reload_refused(daemon, words):
    daemon.start()
    before = pids_of(daemon)
    port = daemon.port()
    new = free_port()
    daemon.config(words, listens={"a": "127.0.0.1:0",
                                  "b": f"127.0.0.1:{new}"})
    failed = daemon.ctl("reload", expect=6)
    assert "wssd.ini:1: the fake worker refuses\n" in failed.stderr
    assert "wssd.ini:2: and once more\n" in failed.stderr
    status = daemon.status()
    assert status["config"]["generation"] == 1
    assert "refuses" in status["config"]["last_error"]
    assert pids_of(daemon) == before
    assert "FAILED" in daemon.ctl("status").stdout
    s, who = hello(port)
    assert who["generation"] == 1
    s.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", new), timeout=1)
    daemon.config()
    daemon.ctl("reload")
    assert daemon.status()["config"]["last_error"] is None
    assert pids_of(daemon) == before


def test_reload_with_a_syntax_error(daemon):
    daemon.start()
    before = pids_of(daemon)
    with open(daemon.ini, "a", encoding="utf-8") as f:
        f.write("no equals sign\n")
    failed = daemon.ctl("reload", expect=6)
    assert daemon.ini + ":" in failed.stderr
    assert daemon.status()["config"]["generation"] == 1
    assert pids_of(daemon) == before
    # wssctl still finds it, and a restart does not take it down.
    failed = daemon.ctl("restart", expect=6)
    assert "nothing was restarted" in failed.stderr
    assert pids_of(daemon) == before


def test_reload_to_a_busy_port(daemon):
    daemon.start()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        daemon.config(listens={"a": "127.0.0.1:0",
                               "b": "127.0.0.1:%d" % s.getsockname()[1]})
        failed = daemon.ctl("reload", expect=1)
    assert "Address already in use" in failed.stderr
    assert daemon.status()["config"]["generation"] == 1
    hello(daemon.port())[0].close()


def test_worker_dies_in_prepare(daemon):
    daemon.start()
    daemon.config("exit-in-prepare@1")
    failed = daemon.ctl("reload", expect=1)
    assert "nothing was changed" in failed.stderr
    assert "exited with code 5" in failed.stderr
    # It is started again with the config that is in use.
    daemon.wait_workers(2)
    assert daemon.status()["config"]["generation"] == 1


def test_reload_takes_turns(daemon):
    """One runs (into its limit), one waits, the third is told so."""
    daemon.start()
    daemon.config("silent@1")
    first = daemon.ctl_start("reload")
    daemon.wait_log("reload: begins")
    daemon.config()
    second = daemon.ctl_start("reload")
    wait_until(lambda: daemon.read_log().count("control socket: reload")
               == 2)
    third = daemon.ctl("reload", expect=1)
    assert "busy" in third.stderr
    out, err = first.communicate(timeout=30)
    assert first.returncode == 1 and "within 10 s" in err
    out, err = second.communicate(timeout=30)
    assert second.returncode == 0 and "generation" in out


def test_reload_with_warnings_and_notices(daemon):
    daemon.start()
    daemon.config("warn", workers=3)
    done = daemon.ctl("reload")
    assert "workers: 2 -> 3 takes effect after wssctl restart" in done.stderr
    assert done.stderr.count("the certificate expires") == 1
    assert len(daemon.workers()) == 2
    daemon.ctl("restart")
    assert len(daemon.wait_workers(3)) == 3


def test_warnings_do_nothing_to_a_terminal(daemon):
    """Letters are fine; the commands of ECMA-48, in ASCII or not, are shown
    as what they are."""
    daemon.start()
    daemon.config("warn-terminal")
    done = daemon.ctl("reload")
    assert 'the "\u00e9" expires' in done.stderr
    assert "and \\xc2\\x9b2J" in done.stderr
    assert "and \\x1b[2J" in done.stderr


def test_reload_to_a_log_that_cannot_be(daemon):
    daemon.start()
    daemon.config(log="/proc/no-such-file")
    done = daemon.ctl("reload")
    assert "the log stays as it was: cannot open the log" in done.stderr
    daemon.wait_log("reload: done, generation 2")
    failed = daemon.ctl("reopen", expect=1)
    assert "cannot open the log" in failed.stderr


def test_reload_without_a_running_worker(daemon):
    daemon.config("exit")
    daemon.ctl("start", expect=None)
    wait_until(lambda: all(w["state"] == "backoff"
                           for w in daemon.workers()))
    daemon.config()
    daemon.ctl("reload")
    daemon.wait_workers(2, seconds=2)


def test_reload_refused_by_the_trial(daemon):
    daemon.config("exit")
    daemon.ctl("start", expect=None)
    wait_until(lambda: all(w["state"] == "backoff"
                           for w in daemon.workers()))
    daemon.config("fail")
    failed = daemon.ctl("reload", expect=6)
    assert "refuses" in failed.stderr


# --- rolling restart --------------------------------------------------------

def test_rolling_restart(daemon):
    daemon.config(workers=3, drain_window="60s")
    daemon.start()
    old = pids_of(daemon)
    port = daemon.port()
    held = [hello(port) for _ in range(6)]
    rolling = daemon.ctl_start("restart", "--rolling")
    while rolling.poll() is None:
        hello(port)[0].close()
    out, err = rolling.communicate()
    assert rolling.returncode == 0, err
    new = pids_of(daemon)
    assert not set(old) & set(new)
    # Who was connected stays so while his worker drains.
    draining = {w["pid"] for w in daemon.workers("draining")}
    for s, who in held:
        assert who["pid"] in draining
        s.close()
    assert sum(w["restarts"] for w in daemon.workers("running")) == 0


def test_rolling_restart_fails(daemon):
    daemon.start()
    before = pids_of(daemon)
    # The file has changed, and nobody has reloaded it: workers do not see it.
    daemon.config("fail")
    daemon.ctl("restart", "--rolling")
    between = pids_of(daemon)
    assert not set(before) & set(between)
    daemon.ctl("reload", expect=6)
    assert pids_of(daemon) == between


def test_drained_worker_is_bounded(daemon):
    daemon.config("ignore-drain", drain_window="1s", stop_timeout="1s")
    daemon.start()
    old = pids_of(daemon)
    daemon.ctl("restart", "--rolling")
    assert any(map(is_alive, old))
    wait_until(lambda: not any(map(is_alive, old)), 5)


def test_signals(daemon):
    pid = daemon.start()["pid"]
    before = pids_of(daemon)
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: daemon.status()["config"]["generation"] == 2)
    os.kill(pid, signal.SIGUSR1)
    daemon.wait_log("rolling restart: done")
    assert not set(before) & set(pids_of(daemon))
    os.rename(daemon.log, daemon.log + ".1")
    os.kill(pid, signal.SIGWINCH)
    wait_until(lambda: os.path.exists(daemon.log))
    daemon.wait_log("the log was reopened")
    os.rename(daemon.log, daemon.log + ".2")
    daemon.ctl("reopen")
    assert os.path.exists(daemon.log)
    os.kill(pid, signal.SIGUSR2)
    assert daemon.status()["pid"] == pid


# --- the control socket -----------------------------------------------------

def connect(daemon):
    s = socket.socket(socket.AF_UNIX)
    s.connect(daemon.run_dir + "/control.sock")
    s.settimeout(15)
    return s


def read_all(s):
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize("request_bytes, error", [
    (b"nonsense\n", "there is no such command"),
    (b"\n", "the request is empty"),
    (b"stop stop stop stop stop stop\n", "the request has more than 4 words"),
    (b"stop gracefully\n", "there is no such command"),
    (b"status x\n", "there is no such command"),
    (b"sta\0tus\n", "the request is no text"),
    (b"\xff\xfe\n", "the request is no text"),
    (b"x" * 4096, "the request is too long"),
    (b"x" * 100000, "the request is too long"),
])
def test_bad_request(daemon, request_bytes, error):
    daemon.start()
    with connect(daemon) as s:
        try:
            s.sendall(request_bytes)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = read_all(s)
    # A reset may have eaten it, when there was more than was read.
    if answer or len(request_bytes) <= 4096:
        assert json.loads(answer) == {"ok": False, "error": error, "exit": 2}
    assert daemon.is_running()


def test_half_closed_client_is_answered(daemon):
    daemon.start()
    with connect(daemon) as s:
        s.sendall(b"status\n")
        s.shutdown(socket.SHUT_WR)
        assert json.loads(read_all(s))["ok"] is True
    with connect(daemon) as s:
        s.sendall(b"restart rolling\n")
        s.shutdown(socket.SHUT_WR)
        assert json.loads(read_all(s))["ok"] is True


def test_silent_clients(daemon):
    """More than may be there at once; they are sent away in five seconds."""
    daemon.start()
    idle = [connect(daemon) for _ in range(40)]
    answers = [json.loads(read_all(s))["error"] for s in idle[32:]]
    assert set(answers) == {"too many control clients at once"}
    before = time.monotonic()
    answers = [json.loads(read_all(s))["error"] for s in idle[:32]]
    assert set(answers) == {"no request came within 5 s"}
    assert time.monotonic() - before < 7
    assert daemon.is_running()
    for s in idle:
        s.close()


def test_clients_that_do_not_read(daemon):
    """They are cut off; the daemon goes on meanwhile."""
    daemon.start()
    lazy = []
    for _ in range(20):
        s = connect(daemon)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        s.sendall(b"status\n" * 1000)
        lazy.append(s)
    for _ in range(20):
        assert daemon.is_running()
    for s in lazy:
        s.close()
    assert daemon.is_running()


def test_clients_that_leave(daemon):
    daemon.start()
    for _ in range(50):
        with connect(daemon) as s:
            s.sendall(b"reload\n")
        with connect(daemon) as s:
            s.sendall(b"connections\n")
        with connect(daemon) as s:
            s.sendall(b"stat")
    # The jobs of those who have left still come to their end.
    def idle():
        return daemon.ctl("reload", expect=None).returncode == 0
    wait_until(idle)


def test_socket_modes(daemon):
    daemon.start()
    socket_stat = os.stat(daemon.run_dir + "/control.sock")
    pid_stat = os.stat(daemon.run_dir + "/wssd.pid")
    assert os.stat(daemon.run_dir).st_mode & 0o7777 == 0o755
    assert pid_stat.st_mode & 0o7777 == 0o644
    assert socket_stat.st_mode & 0o7777 == \
        (0o660 if os.geteuid() == 0 else 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users")
def test_who_may_do_what(daemon):
    daemon.start()
    # A member of the group may look, nobody else may.
    group = {"user": 65534, "group": 65534, "extra_groups": []}
    other = {"user": 65534, "group": 1, "extra_groups": []}
    extra = {"user": 65533, "group": 1, "extra_groups": [65534]}
    for who in (group, extra):
        daemon.ctl("status", **who)
        daemon.ctl("connections", **who)
        for command in (["stop"], ["reload"], ["reopen"],
                        ["restart", "--rolling"]):
            refused = daemon.ctl(*command, expect=4, **who)
            assert "only root" in refused.stderr
    assert daemon.ctl("reload", expect=4, **other).stderr != ""
    daemon.ctl("status", expect=4, **other)
    # Even with the file's mode out of the way, the kernel says who it is.
    os.chmod(daemon.run_dir + "/control.sock", 0o666)
    refused = daemon.ctl("reload", expect=4, **other)
    assert "only root" in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users")
def test_somebody_elses_run_dir(daemon):
    os.mkdir(daemon.run_dir)
    os.chown(daemon.run_dir, 65534, 65534)
    failed = daemon.ctl("start", expect=1)
    assert "belongs to another user" in failed.stderr
    os.chown(daemon.run_dir, 0, 0)
    os.chmod(daemon.run_dir, 0o777)
    failed = daemon.ctl("start", expect=1)
    assert "written to by everybody" in failed.stderr


# --- connections ------------------------------------------------------------

def test_connections(daemon):
    daemon.start()
    listed = json.loads(daemon.ctl("connections", "--json").stdout)
    assert listed["complete"] is True
    assert sorted(c["id"] for c in listed["connections"]) == sorted(
        f"{slot}-{n}" for slot in (0, 1) for n in range(1, 7))
    assert daemon.ctl("connections").stdout.count("\n") == 13


@pytest.mark.parametrize("word, killed", [
    ("no-answer@1", False), ("answer-junk@1", False),
    ("answer-endless@1", False),
    ("answer-half@1", True), ("answer-loop@1", True),
    ("answer-zero@1", True), ("answer-other@1", True),
])
def test_connections_of_a_bad_worker(daemon, word, killed):
    daemon.config(word)
    daemon.start()
    pid = daemon.workers()[1]["pid"]
    done = daemon.ctl("connections", "--json", expect=1)
    listed = json.loads(done.stdout)
    assert listed["complete"] is False
    assert "0-6" in [c["id"] for c in listed["connections"]]
    if killed:
        daemon.wait_log("sent a wrong ANSWER")
        wait_until(lambda: not is_alive(pid))
    else:
        assert is_alive(pid)


# --- the rest ---------------------------------------------------------------

def test_check_touches_nothing(daemon):
    assert daemon.ctl("check").stdout == f"{daemon.ini}: ok\n"
    assert not os.path.exists(daemon.run_dir)
    assert not os.path.exists(daemon.log)
    port = free_port()
    daemon.config(listens={"a": f"127.0.0.1:{port}"})
    daemon.start()
    before = pids_of(daemon)
    assert daemon.ctl("check").stdout == f"{daemon.ini}: ok\n"
    assert pids_of(daemon) == before
    daemon.config("fail")
    failed = daemon.ctl("check", expect=6)
    assert failed.stderr == "wssd.ini:1: the fake worker refuses\n" \
        "wssd.ini:2: and once more\n"
    daemon.config("exit-in-prepare")
    failed = daemon.ctl("check", daemon.ini, expect=6)
    assert "exited with code 5" in failed.stderr


def test_restart(daemon):
    pid = daemon.start()["pid"]
    daemon.ctl("restart")
    assert daemon.status()["pid"] != pid
    daemon.ctl("stop")
    daemon.ctl("restart")
    assert daemon.is_running()


def test_usage(daemon):
    for words in ([], ["strat"], ["stop", "--rolling"], ["status", "x"],
                  ["--timeout", "x", "status"], ["--no-such"], ["config"]):
        daemon.ctl(*words, expect=2)
    assert "did you mean `start'" in daemon.ctl("strat", expect=2).stderr
    for words in (["help"], ["--help"], ["version"], ["--version"],
                  ["config", "--defaults"]):
        assert daemon.ctl(*words).stdout
    wssd = daemon.bin + "/wssd"
    for words, code in ((["-h"], 0), (["-V"], 0), (["--nope"], 2),
                        (["x"], 2), (["--ready-fd", "77"], 2)):
        assert subprocess.run([wssd, *words], capture_output=True,
                              check=False).returncode == code


def test_master_links_no_parser_of_the_wire(daemon):
    out = subprocess.run(["ldd", daemon.bin + "/wssd"], text=True,
                         capture_output=True, check=True).stdout
    for name in ("ssl", "crypto", "llhttp"):
        assert name not in out


def test_worker_has_only_what_it_was_given(daemon):
    with open(daemon.ini, encoding="utf-8") as inherited:
        os.set_inheritable(inherited.fileno(), True)
        subprocess.run([daemon.bin + "/wssctl", "-c", daemon.ini, "start"],
                       close_fds=False, check=True, capture_output=True)
    pid = daemon.workers()[0]["pid"]
    names = {fd: os.readlink(f"/proc/{pid}/fd/{fd}")
             for fd in os.listdir(f"/proc/{pid}/fd")}
    # The fake closes what it does not use: its channel and its socket stay.
    assert len(names) == 5, names
    assert names["0"] == "/dev/null" and "socket" in names["3"]
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        assert f.read().startswith(b"wssd-worker: slot 0\0")
    with open(f"/proc/{pid}/environ", "rb") as f:
        assert b"NOTIFY_SOCKET" not in f.read()


@pytest.mark.parametrize("abstract", [False, True])
def test_service_manager(daemon, abstract):
    name = "@wssd-test-%d" % os.getpid() if abstract else \
        daemon.folder + "/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.bind("\0" + name[1:] if abstract else name)
        seen = []

        def heard(text):
            while not any(text in line for line in seen):
                seen.append(s.recv(4096).decode())
            return True
        process = daemon.foreground(NOTIFY_SOCKET=name,
                                    WATCHDOG_USEC="200000")
        assert heard("READY=1\nSTATUS=running: 2 of 2 workers, 0 Web")
        assert heard("WATCHDOG=1")
        daemon.ctl("reload")
        assert heard("RELOADING=1\nSTATUS=reloading\nMONOTONIC_USEC=")
        daemon.ctl("stop")
        assert heard("STOPPING=1")
        assert process.wait(10) == 0


def test_many_files_and_workers(daemon):
    """More messages at the start than a channel's queue holds."""
    daemon.config(workers=8, listens={
        f"l{i}": "127.0.0.1:0" for i in range(60)})
    daemon.start()
    daemon.wait_workers(8)
    for i in range(60):
        hello(daemon.port(i))[0].close()
    os.kill(daemon.workers()[3]["pid"], signal.SIGKILL)
    daemon.wait_workers(8)
    daemon.ctl("restart", "--rolling")
    daemon.wait_workers(8)
