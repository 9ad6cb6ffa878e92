# SPDX-License-Identifier: MIT
"""Processes that die, hang, stop and are replaced, and what their clients
notice of it.  All of it under load: somebody always connects and talks."""
import contextlib
import datetime
import os
import re
import signal
import socket
import time

import pytest

import modules
from clients import Client, connect
from holder import Holder
from wait import stays, until

TWO = {"wssd": {"workers": 2}}
PLAIN = {"wssd": {"workers": 2},
         "listen": {"address": "127.0.0.1:0", "transport": "tcp"}}


def when(one, pattern, n=0):
    """The n-th time the log says so, in seconds."""
    found = re.findall(rf"^(\S+)Z \w+ +\w+ {pattern}", one.log(), re.M)
    return datetime.datetime.fromisoformat(found[n]).timestamp()


def by_worker(one, holder):
    """{worker: its connections}, of those the holder holds."""
    rows = {row["address"]: row["worker"] for row in one.connections()}
    found = {0: [], 1: []}
    for held in holder.held:
        port = held.writer.get_extra_info("sockname")[1]
        found[rows[f"127.0.0.1:{port}"]].append(held)
    return found


def client_of(one, worker, tls=None, path="/"):
    """A client whose connection that worker has."""
    with contextlib.ExitStack() as others:
        for _ in range(64):
            client = connect(one.port(), tls, path)
            local = "127.0.0.1:%d" % client.sock.getsockname()[1]
            if any(row["address"] == local and row["worker"] == worker
                   for row in one.connections()):
                return client
            others.callback(client.drop)
    raise AssertionError(f"64 connections, and none for worker {worker}")


def state(one, slot=0):
    return one.status()["workers"][slot]["state"]


def visit_all(holder, n, **more):
    """n visitors, one after the other; each must be served."""
    for _ in range(n):
        holder.run(holder.visit(**more))


# ---- a worker is lost -------------------------------------------------------

def test_worker_killed(wssd, tls):
    """Its own connections end, nobody else's; its place is filled at once."""
    one = wssd(TWO)
    one.deaths_expected = True
    with Holder(one.port(), tls) as holder:
        holder.open(100)
        mine = by_worker(one, holder)
        assert mine[0] and mine[1]
        stream = holder.stream(40)
        until(lambda: len(stream.served) > 10, "visitors are served")
        pids = one.worker_pids()
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: all(h.ended for h in mine[0]), "its clients notice")
        one.await_log(r"worker 0 \(pid (?!%d)\d+\) runs" % pids[0])
        died = when(one, r"worker 0 \(pid %d\) died of signal 9 \(Killed\)"
                    % pids[0])
        assert when(one, r"worker 0 \(pid (?!%d)\d+\) runs"
                    % pids[0]) - died < 1
        so_far = len(stream.served)
        until(lambda: len(stream.served) > so_far + 20, "it goes on")
        stream.stop()
        # Only who was with that worker at that moment.
        assert len(stream.failed) <= 5, stream.failed
        assert {h.ended for h in mine[0]} <= {"eof", "error"}
        assert all(h.open for h in mine[1])
        holder.say("still there?")
        until(lambda: all(h.texts for h in mine[1]), "the others' echoes")
    status = one.status()
    assert [w["restarts"] for w in status["workers"]] == [1, 0]
    assert status["workers"][1]["pid"] == pids[1]


def test_queued_connections_outlive_the_worker(wssd, tls):
    """The socket is the master's: who waits in it is served by the next."""
    one = wssd(TWO)
    one.deaths_expected = True
    with Holder(one.port(), tls) as holder:
        worker = one.worker_pids()[0]
        os.kill(worker, signal.SIGSTOP)
        visits = [holder.begin(holder.visit()) for _ in range(60)]

        def only_its_own_wait():
            done = [v.done() for v in visits]
            served = one.status()["workers"][1]["upgrades"]
            return 0 < sum(done) < 60 and sum(done) == served
        until(only_its_own_wait, "worker 1 has served its share")
        waiting = [v for v in visits if not v.done()]
        assert waiting
        os.kill(worker, signal.SIGKILL)
        for visit in visits:
            visit.result(20)  # raises if it was not served


def test_crash_loop(wssd):
    """It is started again after 0, 1, 2, 4 ... seconds, and says so; the
    other worker takes its clients meanwhile."""
    one = wssd(PLAIN, tcp=True)
    one.deaths_expected = True
    with Holder(one.port()) as holder:
        for n, pause in enumerate([0, 1, 2, 4]):
            until(lambda: state(one) == "running", f"it runs, {n}")
            worker = one.worker_pids()[0]
            os.kill(worker, signal.SIGKILL)
            one.await_log(rf"worker 0 \(pid {worker}\) died of signal 9")
            if pause == 0:
                continue
            one.await_log(f"worker 0 is started again in {pause} s")
            until(lambda: state(one) == "backoff", "the back-off is shown")
            visit_all(holder, 30)
            assert state(one) == "backoff"
            row = one.status()["workers"][0]
            assert row["pid"] is None and row["restarts"] == n + 1
            assert f"(pid {worker}) died of signal 9" in row["last_death"]
            assert "backoff" in one.ctl("status").stdout
        one.await_log("worker 1 serves the sockets of worker 0 meanwhile")
        died = [when(one, r"worker 0 \(pid \d+\) died", n) for n in (0, 1, 2)]
        runs = [when(one, r"worker 0 \(pid \d+\) runs", n) for n in (1, 2, 3)]
        for pause, end, begin in zip([0, 1, 2], died, runs):
            assert pause <= begin - end + 0.05 < pause + 1.5
        # A stop does not wait for a back-off to end.
        begin = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - begin < 2


# ---- a worker that does not answer ---------------------------------------------

def test_stopped_worker_is_left_alone(wssd, tls):
    """Somebody holds it with a debugger: that is no reason to kill it."""
    one = wssd({"wssd": {"workers": 2, "worker_timeout": "1s"}})
    with client_of(one, 0, tls) as its, client_of(one, 1, tls) as other:
        worker = one.worker_pids()[0]
        os.kill(worker, signal.SIGSTOP)
        one.await_log(rf"worker 0 \(pid {worker}\) does not answer because "
                      "it is stopped")
        assert state(one) == "stopped"
        stays(lambda: state(one) == "stopped" and other.echo() is None,
              "it is left alone", 2.5)
        assert one.worker_pids()[0] == worker
        os.kill(worker, signal.SIGCONT)
        its.echo("and now?")
        until(lambda: state(one) == "running", "it is running again")
        stays(lambda: state(one) == "running", "and is not killed", 1.5)
        assert one.worker_pids()[0] == worker
        its.echo()
    assert len(re.findall("because it is stopped", one.log())) == 1


def test_stuck_worker(wssd, tls, tmp_path):
    """A handler that loops: the log names its route, the worker is replaced,
    and who connected meanwhile is served."""
    path = modules.build(tmp_path, modules.OBEDIENT)
    one = wssd({"wssd": {"workers": 2, "worker_timeout": "1s"},
                "route /module": modules.route(path)})
    one.deaths_expected = True
    with client_of(one, 0, tls, "/module") as its, \
            client_of(one, 1, tls) as other, \
            Holder(one.port(), tls) as holder:
        worker = one.worker_pids()[0]
        its.echo("hello")
        its.send_text("loop")
        begin = time.monotonic()
        visits = [holder.begin(holder.visit()) for _ in range(20)]
        one.await_log(rf"worker 0 \(pid {worker}\) did not answer for 1 s in "
                      "handler of route /module: killed")
        assert time.monotonic() - begin < 4
        one.await_log(rf"worker 0 \(pid (?!{worker})\d+\) runs")
        for visit in visits:
            visit.result(20)
        other.echo()
        assert its.read_frame() is None
        row = one.status()["workers"][0]
        assert "route /module" in row["last_death"] and row["restarts"] == 1


def test_crash_in_a_handler(wssd, tls, tmp_path):
    path = modules.build(tmp_path, modules.OBEDIENT)
    one = wssd({"wssd": {"workers": 2},
                "route /module": modules.route(path)})
    one.deaths_expected = True
    with client_of(one, 0, tls, "/module") as its, \
            client_of(one, 1, tls, "/module") as other:
        its.send_text("crash")
        one.await_log(r"worker 0 \(pid \d+\) died of signal 6 \(Aborted\) in "
                      "handler of route /module")
        assert its.read_frame() is None
        other.echo()


# ---- the master is lost ----------------------------------------------------------

def port_is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_master_killed(wssd, tls):
    """The clients are told, the port is free for the next, nobody stays."""
    one = wssd(TWO)
    port = one.port()
    with Holder(port, tls) as holder:
        holder.open(200)
        os.kill(one.pid, signal.SIGKILL)
        until(lambda: port_is_free(port), "the port is free", 2)
        assert one.wait() == -signal.SIGKILL
        until(lambda: not holder.open_ones(), "all clients know", 5)
        assert {(h.ended, h.code) for h in holder.held} == {("close", 1001)}
        until(lambda: not one.processes(), "no orphan", 5)
    # The same port at once, over what was left in run_dir.
    one.set({"listen": {"address": f"127.0.0.1:{port}"}})
    one.start()
    with connect(port, tls) as client:
        client.echo()


def test_master_killed_beside_a_stuck_worker(wssd, tls, tmp_path):
    path = modules.build(tmp_path, modules.OBEDIENT)
    one = wssd({"wssd": {"workers": 2},
                "route /module": modules.route(path)})
    one.deaths_expected = True
    port = one.port()
    with client_of(one, 0, tls, "/module") as its, \
            client_of(one, 1, tls) as other:
        its.send_text("loop")
        until(lambda: one.status()["routes"][1]["messages_in"] == 1,
              "it loops")
        os.kill(one.pid, signal.SIGKILL)
        until(lambda: port_is_free(port), "the port is free", 2)
        assert one.wait() == -signal.SIGKILL
        other.expect_close(1001)
        until(lambda: not one.processes(), "no orphan", 3)


def test_master_killed_and_nobody_answers_the_close(wssd, tls):
    one = wssd({"wssd": {"workers": 2, "stop_timeout": "2s"}})
    port = one.port()
    with Holder(port, tls, answers_close=False) as holder:
        holder.open(20)
        os.kill(one.pid, signal.SIGKILL)
        begin = time.monotonic()
        until(lambda: port_is_free(port), "the port is free", 2)
        assert one.wait() == -signal.SIGKILL
        until(lambda: not one.processes(), "no orphan", 5)
        assert time.monotonic() - begin < 4
        until(lambda: not holder.open_ones(), "all clients know")
        assert {h.code for h in holder.held} == {1001}


# ---- rolling restart ---------------------------------------------------------------

def spread(held, begin):
    """At which part of a second each of them ended."""
    return sorted(h.ended_at - begin for h in held)


def test_rolling_restart(wssd, tls):
    """1,000 clients are sent away with 1012, evenly over the window; the
    door is open all the time."""
    window = 4
    one = wssd({"wssd": {"workers": 2, "drain_window": f"{window}s"}})
    with Holder(one.port(), tls) as holder:
        holder.open(1000)
        old = one.worker_pids()
        stream = holder.stream(50)
        until(lambda: len(stream.served) > 10, "visitors are served")
        begin = time.monotonic()
        one.signal(signal.SIGUSR1)
        until(lambda: not holder.open_ones(), "all have been told", 15)
        until(lambda: sorted(one.processes()) ==
              sorted(one.serving_pids()), "the old ones are gone")
        stream.stop()
        assert stream.failed == []
        assert {(h.ended, h.code) for h in holder.held} == {("close", 1012)}
        times = spread(holder.held, begin)
        # The second worker's window begins a little later than the first's.
        assert times[-1] < window + 2.5
        for part in range(4):
            n = sum(1 for t in times if t < (part + 1) * window / 4)
            assert n <= 250 * (part + 1) + 50, times[::50]
        assert times[500] > window * 0.3
    assert not set(one.worker_pids()) & set(old)
    assert "rolling restart: done" in one.log()


def test_rolling_restart_by_wssctl(wssd, tls):
    """It returns when all are new, and does not wait for the old ones."""
    one = wssd({"wssd": {"workers": 2, "drain_window": "3s"}})
    old = one.worker_pids()
    with Holder(one.port(), tls) as holder:
        holder.open(50)
        result = one.ctl("restart", "--rolling")
        assert result.returncode == 0, result.stderr
        assert result.stdout == "all workers have been replaced\n"
        assert holder.open_ones()
        rows = one.status()["workers"]
        new = [row["pid"] for row in rows if row["state"] == "running"]
        draining = [row for row in rows if row["state"] == "draining"]
        assert len(new) == 2 and not set(new) & set(old)
        assert {row["pid"] for row in draining} <= set(old) and draining
        table = one.ctl("status").stdout
        assert len(re.findall(r"^ +\d+ +\d+ draining ", table, re.M)) >= 1
        visit_all(holder, 10)
        until(lambda: not holder.open_ones(), "all have been told", 10)
        assert {h.code for h in holder.held} == {1012}
        until(lambda: len(one.status()["workers"]) == 2, "two rows")
        assert one.totals()["upgrades"] == 60


# ---- the end ------------------------------------------------------------------------

def test_stop_does_not_wait_for_silent_clients(wssd, tls):
    """SIGTERM: everybody is told, and after stop_timeout it has ended,
    whoever does not answer, read, or even finish its handshake."""
    one = wssd({"wssd": {"workers": 2, "stop_timeout": "2s"}})
    port = one.port()
    with Holder(port, tls, answers_close=False) as holder, \
            contextlib.ExitStack() as stack:
        holder.open(100)
        for _ in range(10):
            stack.enter_context(socket.create_connection(
                ("127.0.0.1", port)))
            stack.enter_context(Client(port, tls))  # sends no request
            stack.enter_context(connect(port, tls))  # reads nothing
        begin = time.monotonic()
        one.signal(signal.SIGTERM)
        until(lambda: port_is_free(port), "the port is free", 1)
        assert one.wait(10) == 0
        assert time.monotonic() - begin < 3
        until(lambda: not holder.open_ones(), "all clients know")
        assert {(h.ended, h.code) for h in holder.held} == {("close", 1001)}


def test_stop_is_quick_when_clients_answer(wssd, tls):
    one = wssd({"wssd": {"workers": 2, "stop_timeout": "30s",
                         "drain_window": "30s"}})
    with Holder(one.port(), tls) as holder:
        holder.open(100)
        begin = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - begin < 3
        until(lambda: not holder.open_ones(), "all clients know")
        assert {(h.ended, h.code) for h in holder.held} == {("close", 1001)}


@pytest.mark.parametrize("how", ["SIGQUIT", "stop --graceful"])
def test_graceful_stop(wssd, tls, how):
    """Nobody new; the others are sent away over the window."""
    one = wssd({"wssd": {"workers": 2, "drain_window": "2s"}})
    port = one.port()
    with Holder(port, tls) as holder:
        holder.open(200)
        begin = time.monotonic()
        if how == "SIGQUIT":
            one.signal(signal.SIGQUIT)
        else:
            assert one.ctl("stop", "--graceful").returncode == 0
            assert not one.alive()
        if how == "SIGQUIT":
            until(lambda: port_is_free(port), "the port is free", 1)
            assert one.alive() and holder.open_ones()
        assert one.wait(10) == 0
        assert 1.5 < time.monotonic() - begin < 5
        until(lambda: not holder.open_ones(), "all clients know")
        assert {(h.ended, h.code) for h in holder.held} == {("close", 1001)}
        times = spread(holder.held, begin)
        assert times[50] > 0.2 and times[150] > 1.0 and times[-1] < 3.5


def test_second_signal_does_not_wait(wssd, tls):
    one = wssd({"wssd": {"workers": 2, "stop_timeout": "30s"},
                "route /": {"close_timeout": "30s"}})
    with Holder(one.port(), tls, answers_close=False) as holder:
        holder.open(20)
        one.signal(signal.SIGTERM)
        until(lambda: not holder.open_ones(), "all have been told")
        assert one.alive()
        begin = time.monotonic()
        one.signal(signal.SIGTERM)
        assert one.wait(10) == 0
        assert time.monotonic() - begin < 1.5


def test_stop_during_a_graceful_stop(wssd, tls):
    one = wssd({"wssd": {"workers": 2, "drain_window": "60s"}})
    with Holder(one.port(), tls) as holder:
        holder.open(40)
        one.signal(signal.SIGQUIT)
        one.await_log("stopping gracefully")
        assert len(holder.open_ones()) > 30
        begin = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - begin < 3
        until(lambda: not holder.open_ones(), "all clients know")
        assert {(h.ended, h.code) for h in holder.held} == {("close", 1001)}


def test_stop_during_a_rolling_restart(wssd, tls):
    one = wssd({"wssd": {"workers": 2, "drain_window": "60s"}})
    with Holder(one.port(), tls) as holder:
        holder.open(40)
        assert one.ctl("restart", "--rolling").returncode == 0
        holder.open(10)
        begin = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - begin < 3
        until(lambda: not holder.open_ones(), "all clients know")
        assert {h.ended for h in holder.held} == {"close"}
        assert {h.code for h in holder.held[40:]} == {1001}


def test_stop_with_a_stopped_worker(wssd, tls):
    """It cannot say goodbye, but it cannot hold up the end either."""
    one = wssd({"wssd": {"workers": 2, "stop_timeout": "1s"}})
    one.deaths_expected = True
    with client_of(one, 1, tls) as other:
        os.kill(one.worker_pids()[0], signal.SIGSTOP)
        begin = time.monotonic()
        one.signal(signal.SIGTERM)
        other.expect_close(1001)
        assert one.wait(10) == 0
        assert time.monotonic() - begin < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_whole_group(wssd, tls, number):
    """Ctrl-C in a terminal: the workers get it too, and leave it to the
    master."""
    one = wssd({"wssd": dict(
        {"workers": 2}, **({"user": "nobody", "group": "nogroup"}
                           if os.geteuid() == 0 else {}))},
        preexec=os.setpgrp)
    with Holder(one.port(), tls) as holder:
        holder.open(50)
        os.killpg(one.pid, number)
        assert one.wait(10) == 0
        until(lambda: not holder.open_ones(), "all clients know")
        assert {(h.ended, h.code) for h in holder.held} == {("close", 1001)}


def test_other_signals_change_nothing(wssd, tls):
    """SIGHUP and SIGUSR1 to a worker are somebody's mistake."""
    one = wssd({"wssd": {"workers": 1}})
    pids = one.worker_pids()
    with connect(one.port(), tls) as client:
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH,
                       signal.SIGQUIT, signal.SIGTERM, signal.SIGINT,
                       signal.SIGPIPE):
            os.kill(pids[0], number)
        os.kill(one.pid, signal.SIGPIPE)
        os.kill(one.pid, signal.SIGUSR2)
        client.echo()
    assert one.worker_pids() == pids
