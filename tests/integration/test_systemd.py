# SPDX-License-Identifier: MIT
"""Sockets from systemd, and sockets given to it; test_master.py has the rest
of the protocol, tests/systemd/run a real systemd."""
import os
import pathlib
import socket
import threading

import pytest

from clients import connect
from manager import Manager
from wait import until


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.close()


def listening(port=0, reuse_port=False):
    s = socket.socket()
    if reuse_port:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", port))
    s.listen(64)
    return s


def free_port():
    with listening() as s:
        return s.getsockname()[1]


def echo(port, tls=None, n=1):
    for _ in range(n):
        client = connect(port, tls)
        client.echo("hello")
        client.close()


# ---- sockets of a socket unit ------------------------------------------------

@pytest.mark.parametrize("workers", [1, 3])
def test_activation(wssd, manager, tls, workers):
    """One socket, as systemd makes it: all workers share it."""
    with listening() as s:
        port = s.getsockname()[1]
        one = wssd({"wssd": {"workers": workers},
                    "listen": {"address": f"127.0.0.1:{port}"}}, start=False)
        manager.attach(one, [("wssd.socket", s.fileno())]).start()
        assert one.addresses() == [f"127.0.0.1:{port}"]
        assert one.log_has(rf"127.0.0.1:{port}: taken over from the socket")
        echo(port, tls, 20)
        one.reload()
        echo(port, tls)
        manager.await_("READY")
        # The socket unit's are not stored: it has them anyway.
        assert not manager.store
        assert one.stop() == 0
        # Nobody is refused meanwhile.
        client = socket.create_connection(("127.0.0.1", port))
        manager.attach(one, [("wssd.socket", s.fileno())]).start()
        client.close()
        echo(port, tls)


def test_activation_a_socket_for_each_worker(wssd, manager, tls):
    with listening(reuse_port=True) as a:
        port = a.getsockname()[1]
        with listening(port=port, reuse_port=True) as b:
            one = wssd({"wssd": {"workers": 2},
                        "listen": {"address": f"127.0.0.1:{port}"}},
                       start=False)
            manager.attach(one, [("x", a.fileno()), ("x", b.fileno())])
            one.start()
            clients = [connect(port, tls) for _ in range(60)]
            counts = [row["open"] for row in one.status()["workers"]]
            assert sum(counts) == 60 and min(counts) > 0, counts
            for client in clients:
                client.close()


def test_activation_with_too_many(wssd, manager):
    """The kernel would give connections to one where nobody is."""
    with listening(reuse_port=True) as a:
        port = a.getsockname()[1]
        with listening(port=port, reuse_port=True) as b:
            one = wssd({"listen": {"address": f"127.0.0.1:{port}"}},
                       start=False)
            manager.attach(one, [("x", a.fileno()), ("x", b.fileno())])
            one.spawn()
            assert one.wait() == 1
            assert one.log_has(f"has 2 sockets for 127.0.0.1:{port}, and "
                               "1 can be used, one a worker")


def test_activation_of_one_of_two(wssd, manager, tls):
    """What the unit has not is opened as ever; what no [listen] has, said."""
    with listening() as a, listening() as b:
        ours, others = a.getsockname()[1], b.getsockname()[1]
        one = wssd({"listen": {"address":
                               f"127.0.0.1:{ours}, 127.0.0.1:0"}},
                   start=False)
        manager.attach(one, [("a", a.fileno()), ("b", b.fileno())]).start()
        echo(ours, tls)
        echo(one.port(n=1), tls)
        assert one.log_has(f"the socket unit has 127.0.0.1:{others}, which "
                           "no .listen. has")


def datagram(_):
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    return s


def not_listening(_):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s


def a_file(folder):
    return open(folder / "x", "w", encoding="ascii")


@pytest.mark.parametrize("make", [datagram, not_listening, a_file])
def test_activation_with_something_else(wssd, manager, tls, tmp_path, make):
    with make(tmp_path) as s:
        one = wssd(start=False)
        manager.attach(one, [("\x1b[31mn", s.fileno())]).start()
        assert one.log_has(r"the inherited descriptor 3 \(\\x1b\[31mn\) is "
                           "no listening TCP or unix socket: closed")
        echo(one.port(), tls)


@pytest.mark.parametrize("env", [
    {"LISTEN_FDS": "4000000000"}, {"LISTEN_FDS": "-1"}, {"LISTEN_FDS": "x"},
    {"LISTEN_FDS": ""}, {"LISTEN_FDS": "200"},
    {"LISTEN_FDNAMES": ":" * 5000}, {"LISTEN_FDNAMES": "\x1b[31m"},
])
def test_hostile_environment(wssd, manager, tls, env):
    with listening() as s:
        port = s.getsockname()[1]
        one = wssd({"listen": {"address": "127.0.0.1:0"}}, start=False)
        manager.attach(one, [("a", s.fileno())], **env).start()
        echo(one.port(), tls)
        names = [pathlib.Path(f"/proc/{pid}/environ").read_bytes()
                 for pid in one.worker_pids()]
        assert not any(b"LISTEN_" in name for name in names)
        assert port


def test_descriptors_of_another_process(wssd, tls):
    """A parent that forgot to unset them: $LISTEN_PID is not ours."""
    with listening() as s:
        one = wssd(start=False, env={"LISTEN_FDS": "1",
                                     "LISTEN_PID": str(os.getpid())})
        one.pass_fds = [s.fileno()]
        one.start()
        assert not one.log_has("inherited|taken over")
        echo(one.port(), tls)


# ---- unix sockets ------------------------------------------------------------

@pytest.fixture
def path(open_folder):
    return open_folder / "ws.sock"


def answers(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(path))
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return s.recv(100).startswith(b"HTTP/1.1 426")


def on_unix(wssd, path):
    return wssd({"wssd": {"workers": 2}, "listen": {"address": f"unix:{path}",
                                                    "socket_mode": "0666"}},
                start=False, tcp=True)


def test_activation_of_a_unix_socket(wssd, manager, path):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        s.listen()
        path.chmod(0o640)
        one = on_unix(wssd, path)
        manager.attach(one, [("wssd.socket", s.fileno())]).start()
        assert answers(path)
        # Mode and file are the unit's.
        assert path.stat().st_mode & 0o777 == 0o640
        one.stop()
        assert path.exists()


def test_store_of_a_unix_socket(wssd, manager, path):
    one = manager.attach(on_unix(wssd, path)).start()
    manager.await_("READY")
    assert manager.names() == \
        [f"wssd-listen-unix_{path}"]
    one.stop()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))        # while nobody runs
        again(one, manager)
        s.settimeout(20)
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 426")
    assert answers(path) and len(manager.store) == 1
    one.set({"listen": {"address": f"unix:{path}2"}})
    one.reload()
    until(lambda: manager.hear() and
          manager.names() == [f"wssd-listen-unix_{path}2"], "the other one")
    assert not path.exists()


def test_stored_unix_socket_whose_file_is_gone(wssd, manager, path):
    one = manager.attach(on_unix(wssd, path)).start()
    manager.await_("READY")
    one.stop()
    path.unlink()
    again(one, manager)
    assert answers(path) and len(manager.store) == 1


# ---- the descriptor store ----------------------------------------------------

def storing(wssd, manager, workers=2, **listens):
    port = free_port()
    one = wssd({"wssd": {"workers": workers},
                "listen": {"address": f"127.0.0.1:{port}"}, **listens},
               start=False)
    manager.attach(one).start()
    manager.await_("READY")
    return one, port


def again(one, manager):
    manager.attach(one, manager.store).start()
    manager.await_("READY")


def test_store(wssd, manager, tls):
    one, port = storing(wssd, manager)
    assert manager.names() == [f"wssd-listen-127.0.0.1_{port}"] * 2
    again_names = manager.names()
    one.stop()
    again(one, manager)
    assert one.log_has(f"127.0.0.1:{port}: taken over from the process "
                       "before this one")
    echo(port, tls, 10)
    assert manager.names() == again_names


def test_restart_refuses_nobody(wssd, manager, tls):
    """Clients that come all the time, also while there is no process."""
    one, port = storing(wssd, manager)
    done, served, failed = threading.Event(), [], []

    def come():
        while not done.is_set():
            try:
                client = connect(port, tls, timeout=30)
                client.close()
                served.append(1)
            except Exception as error:  # pylint: disable=broad-except
                failed.append(repr(error))

    threads = [threading.Thread(target=come) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            before = len(served)
            until(lambda: len(served) > before + 5, "clients are served")
            # What is being served then has its 503 or 1001; a SIGKILL
            # would cut it.  What waits in a queue is not touched.
            one.stop()
            again(one, manager)
        before = len(served)
        until(lambda: len(served) > before + 5, "clients are served")
    finally:
        done.set()
        for thread in threads:
            thread.join(40)
    refused = [text for text in failed if "refused" in text.lower()]
    assert not refused, refused


def test_waiting_ones_are_served(wssd, manager, tls):
    """Twenty connect while nobody runs, to whichever queue."""
    one, port = storing(wssd, manager)
    one.stop()
    waiting = [socket.create_connection(("127.0.0.1", port))
               for _ in range(20)]
    again(one, manager)
    for s in waiting:
        s.settimeout(30)
        with tls.wrap_socket(s, server_hostname="localhost") as ssl:
            ssl.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert ssl.recv(100).startswith(b"HTTP/1.1 426")


@pytest.mark.parametrize("before, after", [(1, 3), (3, 1)])
def test_other_number_of_workers(wssd, manager, tls, before, after):
    one, port = storing(wssd, manager, before)
    assert len(manager.store) == before
    one.stop()
    one.set({"wssd": {"workers": after}})
    again(one, manager)
    clients = [connect(port, tls) for _ in range(60)]
    counts = [row["open"] for row in one.status()["workers"]]
    assert sum(counts) == 60 and len(counts) == after
    assert min(counts) > 0, counts
    for client in clients:
        client.close()
    assert len(manager.store) == after


def test_reload_changes_the_store(wssd, manager, tls):
    one, port = storing(wssd, manager, 1)
    new = free_port()
    one.set({"listen": {"address": f"127.0.0.1:{new}"}})
    one.reload()
    until(lambda: manager.hear() and
          manager.names() == [f"wssd-listen-127.0.0.1_{new}"],
          "the store has the new address only")
    echo(new, tls)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_stored_and_wanted_no_more(wssd, manager, tls):
    """The address was changed while it did not run."""
    one, port = storing(wssd, manager, 1)
    one.stop()
    new = free_port()
    one.set({"listen": {"address": f"127.0.0.1:{new}"}})
    again(one, manager)
    assert manager.names() == [f"wssd-listen-127.0.0.1_{new}"]
    echo(new, tls)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_any_port_is_not_stored(wssd, manager, tls):
    one = manager.attach(wssd(start=False)).start()
    manager.await_("READY")
    assert not manager.store
    echo(one.port(), tls)
