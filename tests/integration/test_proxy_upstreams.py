# SPDX-License-Identifier: MIT
"""handler = proxy: kinds of upstreams, several of them, and their loss."""
import contextlib
import os
import re
import resource
import socket
import ssl
import threading

import pytest

from backends import FLOOD, Backend, Liar, Node, answer, free_port, \
    upstream_open
from clients import BINARY, CLOSE, TEXT, Client, close_payload, connect, \
    frame, random_text, request
from conftest import needs_root
from daemon import open_descriptors
from pki import DAY, Authority
from wait import until

MIB = 1 << 20


def route(*backends, **more):
    urls = ", ".join(b if isinstance(b, str) else b.url for b in backends)
    return {"handler": "proxy", "upstream": urls, **more}


def server_tls(leaf):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(leaf.cert, leaf.key)
    return tls


# ---- programs that nobody here wrote, each way to reach them ----------------

def talk(port, tls):
    """Small and large messages both ways, and the end."""
    with connect(port, tls) as client:
        client.timeout = 30
        for size in (0, 5, 70000, MIB):
            data = os.urandom(size)
            client.send_frame(BINARY, data)
            client.expect(BINARY, data)
        text = random_text(1000)
        client.send_text(text)
        client.expect(TEXT, text)
        client.close(1000, "bye")


@pytest.fixture
def by_way(tmp_path, leaf):
    """by_way("ws", "unix") is a running server of that kind."""
    made = []

    def make(kind, way):
        where = tmp_path / f"{kind}.sock" if way == "unix" else None
        if kind == "ws":
            one = Node(tmp_path, where or "0", leaf if way == "tls" else None)
        else:
            one = Backend(where, server_tls(leaf) if way == "tls" else None)
        made.append(one)
        return one
    yield make
    for one in made:
        one.__exit__()


@pytest.mark.parametrize("way", ["tcp", "unix", "tls"])
@pytest.mark.parametrize("kind", ["ws", "websockets"])
def test_kinds(wssd, tls, authority, by_way, kind, way):
    backend = by_way(kind, way)
    more = {"upstream_cafile": authority.path} if way == "tls" else {}
    one = wssd({"route /": route(backend, max_message="2m", **more)})
    talk(one.port(), tls)
    until(lambda: upstream_open(one) == 0, "nothing is left")


@pytest.mark.parametrize("way", ["tcp", "tls"])
def test_last_words_reach_a_slow_client(wssd, authority, by_way, way):
    """The upstream's messages, Close and end come while the client's queue is
    full."""
    backend = by_way("websockets", way)
    one = wssd({"route /": route(
        backend, output_high="64k", ping_interval="0",
        **({"upstream_cafile": authority.path} if way == "tls" else {}))},
        tcp=True)
    with connect(one.port(), receive_buffer=4096) as client:
        client.send_text("flood 150")
        client.send_text("close 4002 done")
        until(lambda: backend.flooded > 10, "it has begun")
        for _ in range(150):
            client.expect(BINARY, FLOOD)
        got = client.expect(CLOSE)
        assert (got.code, got.reason) == (4002, "done")


@pytest.mark.parametrize("way", ["tcp", "tls"])
def test_last_words_in_one_piece(wssd, authority, leaf, way):
    """All of it, with the end of the stream, before the first message has
    left for the client."""
    texts = [random_text(900) for _ in range(20)]

    def speak(sock, asked):
        if way == "tls":
            sock = server_tls(leaf).wrap_socket(sock, server_side=True)
            asked = sock.recv(65536)
        sock.sendall(answer(asked) + b"".join(
            frame(TEXT, text, mask=None) for text in texts) +
            frame(CLOSE, close_payload(4003, "all"), mask=None))
        if way == "tls":
            sock.unwrap()
        sock.shutdown(1)
        while sock.recv(65536):
            pass
    with Liar(speak, wait_for_head=way == "tcp") as liar:
        url = liar.url.replace("ws://127.0.0.1", "wss://localhost") \
            if way == "tls" else liar.url
        more = {"upstream_cafile": authority.path} if way == "tls" else {}
        one = wssd({"route /": route(url, output_high="1k", **more)},
                   tcp=True)
        with connect(one.port()) as client:
            for text in texts:
                client.expect(TEXT, text)
            got = client.expect(CLOSE)
            assert (got.code, got.reason) == (4003, "all")


@needs_root
def test_a_socket_that_only_the_master_can_open(wssd, tmp_path):
    """The worker has an empty root and no rights: it is given the socket."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    with Backend(folder / "app.sock") as backend:
        os.chmod(folder / "app.sock", 0o600)
        one = wssd({"route /": route(f"{backend.url}:/in")}, tcp=True)
        with connect(one.port(), path="/x") as client:
            client.send_text("headers")
            got = client.expect(TEXT).payload.decode()
            assert '"/in/x"' in got
            client.echo()


def test_a_socket_that_is_not_there(wssd, tmp_path):
    one = wssd({"route /": route(f"ws+unix:{tmp_path}/none")}, tcp=True)
    with Client(one.port()) as client:
        assert client.ask(request()).status == 502
    one.await_log("/none fails: No such file or directory")


def test_a_unix_socket_with_a_full_queue(wssd, tmp_path):
    """EAGAIN, not EINPROGRESS: it is tried again until there is room."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        os.chmod(path, 0o666)
        s.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(path)
            one = wssd({"route /": route(f"ws+unix:{path}",
                                         connect_timeout="300ms")}, tcp=True)
            with Client(one.port()) as client:
                assert client.ask(request()).status == 504
            one.await_log("fails: no connection within connect_timeout")


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def test_no_descriptor_left_for_the_upstream(wssd):
    """The client's was the last one: it gets 502, and nobody else suffers."""
    with Backend() as backend, contextlib.ExitStack() as stack:
        one = wssd({"wssd": {"user": "nobody", "group": "nogroup"},
                    "route /": route(backend),
                    "route /echo": {"handler": "echo"}}, tcp=True,
                   preexec=few_files)
        port, pid = one.port(), one.worker_pids()[0]
        others = [stack.enter_context(connect(port))]
        while open_descriptors(pid) < 63:
            others.append(stack.enter_context(connect(port, path="/echo")))
        with Client(port) as client:
            assert client.ask(request()).status == 502
        one.await_log("fails: Too many open files")
        for other in others:
            other.echo()
        others.pop().close()
        until(lambda: open_descriptors(pid) < 63, "there is room again")
        with connect(port) as client:
            client.echo()


# ---- names ------------------------------------------------------------------

def test_a_name_is_looked_up(wssd):
    with Backend() as backend:
        one = wssd({"route /": route(f"ws://localhost:{backend.port}")},
                   tcp=True)
        with connect(one.port()) as client:
            client.echo()


def test_a_name_that_nobody_has(wssd):
    one = wssd({"route /": route("ws://no-such-host.invalid:1")}, tcp=True,
               start=False)
    result = one.ctl("check", one.path)
    assert result.returncode == 6, result
    assert re.search(r"wssd\.ini:\d+: upstream: cannot look up "
                     r"`no-such-host\.invalid': ", result.stderr), result
    with Backend() as backend:
        one.set({"route /": route(backend)})
        one.start()
        with connect(one.port()) as client:
            one.set({"route /": route("ws://no-such-host.invalid:1")})
            result = one.ctl("reload")
            assert result.returncode != 0
            assert "cannot look up `no-such-host.invalid'" in result.stderr
            client.echo()


# ---- TLS to the upstream: believed only with the right certificate ----------

@pytest.mark.parametrize("case,sentence", [
    ("other CA", "certificate signature failure"),
    ("other name", "hostname mismatch|IP address mismatch"),
    ("expired", "certificate has expired"),
    ("no TLS", "wrong version number|packet length too long|record"),
    ("hangs up", "hung up in the TLS handshake"),
])
def test_tls_that_is_not_right(wssd, tmp_path, authority, case, sentence):
    ca = authority
    if case == "other CA":
        (tmp_path / "ca").mkdir()
        ca = Authority(tmp_path / "ca")
    leaf = ca.issue(*(["other.test"] if case == "other name" else []),
                    **(dict(begins=-3 * DAY, ends=-1 * DAY)
                       if case == "expired" else {}))

    def speak(sock, _):
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
    if case in ("no TLS", "hangs up"):
        backend = Liar(speak if case == "no TLS" else
                       lambda sock, _: sock.shutdown(2), wait_for_head=False)
        url = f"wss://localhost:{backend.port}"
    else:
        backend = Backend(tls=server_tls(leaf))
        url = backend.url
    with backend:
        one = wssd({"route /": route(
            url, upstream_cafile=authority.path)}, tcp=True)
        with Client(one.port()) as client:
            assert client.ask(request()).status == 502
        one.await_log(rf"upstream {url} fails: .*({sentence})")


def test_tls_asks_for_the_name(wssd, authority, leaf):
    names = []
    tls = server_tls(leaf)
    tls.sni_callback = lambda sock, name, ctx: names.append(name)
    with Backend(tls=tls) as backend:
        one = wssd({
            "route /": route(backend, upstream_cafile=authority.path),
            "route /ip": route(f"wss://127.0.0.1:{backend.port}",
                               upstream_cafile=authority.path)}, tcp=True)
        for path in ("/", "/ip"):
            with connect(one.port(), path=path) as client:
                client.echo()
        assert names == ["localhost", None]


def test_a_cafile_that_is_none(wssd, tmp_path, leaf):
    (tmp_path / "empty.pem").write_text("nothing\n")
    one = wssd({"route /": route(
        "wss://127.0.0.1:1", upstream_cafile=tmp_path / "empty.pem")},
        tcp=True, start=False)
    result = one.ctl("check", one.path)
    assert result.returncode == 6
    assert "empty.pem has no certificate in PEM form" in result.stderr
    one.set({"route /": {"upstream_cafile": tmp_path / "missing.pem"}})
    result = one.ctl("check", one.path)
    assert result.returncode == 6
    assert "cannot open upstream_cafile" in result.stderr


# ---- several upstreams --------------------------------------------------------

def closed(client):
    """Whether it was told so; one that was not still echoes."""
    client.send_text("there?")
    return client.read_frame().opcode == CLOSE


def test_least_connections(wssd):
    with Backend() as a, Backend() as b, Backend() as c:
        one = wssd({"route /": route(a, b, c)}, tcp=True)
        port = one.port()
        clients = [connect(port) for _ in range(9)]
        until(lambda: [len(x.open) for x in (a, b, c)] == [3, 3, 3],
              "they are spread")
        # Who has the fewest gets the next ones.
        b.run(b.close_all())
        for client in [x for x in clients if closed(x)]:
            clients.remove(client)
        assert len(clients) == 6
        until(lambda: upstream_open(one) == 6, "three are gone")
        clients += [connect(port) for _ in range(3)]
        until(lambda: [len(x.open) for x in (a, b, c)] == [3, 3, 3],
              "they are spread again")
        for client in clients:
            client.drop()


def serves(backends, client):
    """Which of the backends has this client alone."""
    client.echo()
    found = [i for i, b in enumerate(backends) if b.open]
    assert len(found) == 1
    return found[0]


def test_by_header(wssd):
    backends = [Backend() for _ in range(4)]
    try:
        one = wssd({"route /": route(*backends, balance="header",
                                     balance_header="X-User")}, tcp=True)
        port = one.port()

        def place(user):
            with connect(port, fields={"extra": [("X-User", user)]}) as c:
                got = serves(backends, c)
                c.close()
            until(lambda: not any(b.open for b in backends), "it is gone")
            return got
        first = {f"user{i}": place(f"user{i}") for i in range(24)}
        assert len(set(first.values())) == 4
        assert {u: place(u) for u in first} == first
        # One is taken out: only its own clients move.
        one.set({"route /": route(*backends[:3], balance="header",
                                  balance_header="X-User")})
        one.reload()
        for user, was in first.items():
            now = place(user)
            assert now == was if was != 3 else now in (0, 1, 2)
    finally:
        for backend in backends:
            backend.stop()


def test_by_address(wssd):
    """All of one address go to one upstream; a dead one is passed over."""
    backends = [Backend() for _ in range(3)]
    try:
        one = wssd({"route /": route(*backends, balance="address")},
                   tcp=True)
        port = one.port()
        clients = [connect(port) for _ in range(5)]
        for client in clients:
            client.echo()
        counts = [len(b.open) for b in backends]
        assert sorted(counts) == [0, 0, 5]
        for client in clients:
            client.drop()
        backends[counts.index(5)].kill()
        with connect(port) as client:
            client.echo()
    finally:
        for backend in backends:
            backend.stop()


def test_a_dead_one_is_passed_over(wssd):
    with Backend() as alive:
        dead = f"ws://127.0.0.1:{free_port()}"
        one = wssd({"route /": route(dead, alive)}, tcp=True)
        port = one.port()
        for _ in range(10):
            with connect(port) as client:
                client.echo()
        # Known to be dead, it is not asked again and again.
        assert one.totals()["upstream_failed"] <= 3
        assert len(re.findall(f"upstream {dead} fails", one.log())) <= 3


def test_one_that_hangs_is_passed_over(wssd):
    with Backend() as alive, Liar(lambda sock, head: None) as mute:
        one = wssd({"route /": route(mute, alive, upstream_timeout="200ms")},
                   tcp=True)
        port = one.port()
        for _ in range(3):
            with connect(port) as client:
                client.echo()
        one.await_log(f"upstream {mute.url} fails: no answer within")


def test_a_dead_one_comes_back(wssd):
    with Backend() as a, Backend(start=False, port=free_port()) as b:
        one = wssd({"route /": route(a, b)}, tcp=True)
        port = one.port()
        held = [connect(port) for _ in range(3)]
        one.await_log(f"upstream {b.url} fails")
        b.start()

        def both():
            held.append(connect(port))
            held[-1].echo()
            return b.open
        until(both, "the second one is used again", interval=0.1)
        assert one.log_has(f"upstream {b.url} answers again")
        for client in held:
            client.drop()


# ---- an application that restarts -----------------------------------------------

def again(**more):
    return dict(on_upstream_loss="reconnect", **more)


@pytest.mark.parametrize("how", ["kill", "shut"])
def test_idle_clients_stay(wssd, how):
    """kill: no Close comes; shut: a Close with 1001 does."""
    with Backend(subprotocols=["v1"]) as backend:
        one = wssd({"route /": route(backend, **again())}, tcp=True)
        port = one.port()
        clients = []
        for i in range(20):
            client = Client(port)
            client.upgrade(f"/u{i}?q", extra=[
                ("Sec-WebSocket-Protocol", "v1"), ("Cookie", f"id={i}")])
            client.echo()
            clients.append(client)
        getattr(backend, how)()
        until(lambda: upstream_open(one) == 0, "the loss is known")
        # What is said meanwhile waits.
        clients[0].send_text("in between")
        clients[0].send_text("and more")
        backend.start()
        clients[0].expect(TEXT, "in between")
        clients[0].expect(TEXT, "and more")
        for i, client in enumerate(clients):
            client.send_text("headers")
            got = client.expect(TEXT).payload.decode()
            assert f'"/u{i}?q"' in got and f"id={i}" in got
        for client in clients:
            client.close()


def test_it_does_not_wait_for_ever(wssd):
    with Backend() as backend:
        one = wssd({"route /": route(backend, **again(
            reconnect_timeout="500ms"))}, tcp=True)
        with connect(one.port()) as client:
            client.echo()
            backend.kill()
            got = client.expect(CLOSE)
            assert (got.code, got.reason) == \
                (1012, "the server behind this one has not come back")


def test_a_close_of_the_application_is_one(wssd):
    with Backend() as backend:
        one = wssd({"route /": route(backend, **again())}, tcp=True)
        with connect(one.port()) as client:
            client.send_text("close 4001 kicked")
            got = client.expect(CLOSE)
            assert (got.code, got.reason) == (4001, "kicked")


def test_a_client_may_leave_meanwhile(wssd):
    with Backend() as backend:
        one = wssd({"route /": route(backend, **again())}, tcp=True)
        with connect(one.port()) as client:
            client.echo()
            backend.kill()
            until(lambda: upstream_open(one) == 0, "the loss is known")
            client.close(1000)
        until(lambda: not one.connections(), "it is gone")


def test_a_session_that_is_refused_ends(wssd):
    """The application is there again, and does not want this client."""
    def refuse(sock, head):
        sock.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    with Backend() as backend:
        one = wssd({"route /": route(backend, **again())}, tcp=True)
        with connect(one.port()) as client:
            client.echo()
            backend.kill()
            with Liar(refuse, port=backend.port):
                got = client.expect(CLOSE)
            assert got.code == 1012
            assert "refused" in got.reason


def test_what_may_be_lost_is_not_hidden(wssd):
    """Messages that the application has not taken are gone with it: then the
    client hears of it."""
    with Backend() as backend:
        one = wssd({"route /": route(backend, ping_interval="0", **again())},
                   tcp=True)
        with connect(one.port()) as client:
            client.send_text("stall")

            def send():
                try:
                    for _ in range(400):
                        client.send_frame(BINARY, b"x" * 65536)
                except OSError:
                    pass
            sender = threading.Thread(target=send)
            sender.start()
            until(lambda: one.totals()["messages_in"] > 5, "they flow")
            last = []

            def stuck():
                last.append(one.totals()["messages_in"])
                return len(last) > 5 and last[-1] == last[-5]
            until(stuck, "the queue is full", interval=0.05)
            backend.kill()
            got = client.expect(CLOSE)
            assert got.code == 1012
            client.drop()
            sender.join()


def test_a_worker_replaced(wssd):
    """A rolling restart goes through with a proxy, too."""
    with Backend() as backend:
        one = wssd({"route /": route(backend, **again())}, tcp=True)
        with connect(one.port()) as client:
            client.echo()
            result = one.ctl("restart", "--rolling")
            assert result.returncode == 0, result
            got = client.expect(CLOSE)
            assert got.code == 1012
        with connect(one.port()) as client:
            client.echo()
