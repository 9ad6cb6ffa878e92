# SPDX-License-Identifier: MIT
"""handler = proxy: what goes through to the server behind, and how."""
import json
import os
import socket
import threading

import pytest

from backends import FLOOD, Backend, Node, upstream_open
from clients import BINARY, CLOSE, CONT, PING, PONG, TEXT, Client, \
    close_payload, connect, random_text, request
from wait import stays, until

MIB = 1 << 20


def route(*backends, **more):
    urls = ", ".join(b if isinstance(b, str) else b.url for b in backends)
    return {"handler": "proxy", "upstream": urls, **more}


@pytest.fixture(scope="module")
def backend():
    with Backend(subprotocols=["b", "a"],
                 headers={"Set-Cookie": "sid=42"}) as one:
        yield one


@pytest.fixture(scope="module")
def proxy(wssd_module, backend):
    """In front of `backend`, by TLS."""
    return wssd_module({
        "route /": route(backend, max_message="2m"),
        "route /app": route(f"{backend.url}/in/", upstream_host="upstream"),
        "route /as": route(f"{backend.url}/", upstream_host="other.test:99"),
    })


def seen_by(client):
    """(target, {name: [values]}) of the request that the backend got."""
    client.send_text("headers")
    target, fields = json.loads(client.expect(TEXT).payload)
    found = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value)
    return target, found


# ---- messages -----------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, MIB])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_messages(proxy, tls, opcode, size):
    with connect(proxy.port(), tls) as client:
        payload = random_text(size).encode() if opcode == TEXT \
            else os.urandom(size)
        client.send_frame(opcode, payload)
        client.expect(opcode, payload)
        client.close()


def test_many_at_once(proxy, tls):
    with connect(proxy.port(), tls) as client:
        texts = [random_text(n * 7) for n in range(300)]
        for text in texts:
            client.send_text(text)
        for text in texts:
            client.expect(TEXT, text)


def test_fragments_become_one_message(proxy, tls):
    with connect(proxy.port(), tls) as client:
        client.send_frame(TEXT, "one, ", fin=False)
        client.send_frame(PING, "between")
        client.send_frame(CONT, "two", fin=True)
        client.expect(PONG, "between")
        client.expect(TEXT, "one, two")


def test_too_big_for_the_route(wssd, backend):
    one = wssd({"route /": route(backend, max_message="1k")}, tcp=True)
    with connect(one.port(), path="/too-big") as client:
        client.send_text("x" * 1025)
        client.expect_close(1009)
    assert backend.end_of("/too-big")[0] == 1009


def test_pings_are_answered_on_each_side(proxy, tls, backend):
    with connect(proxy.port(), tls) as client:
        client.send_text("ping")
        client.expect(TEXT, "pong")
        client.send_frame(PING, "mine")
        client.expect(PONG, "mine")


def test_it_pings_both_sides(wssd, backend):
    one = wssd({"route /": route(backend, ping_interval="200ms",
                                 ping_timeout="10s")}, tcp=True)
    with connect(one.port()) as client:
        client.expect(PING)
        client.send_frame(PONG)
        until(lambda: backend.open and client.echo() is None, "an echo")


# ---- the end, both ways ---------------------------------------------------

@pytest.mark.parametrize("code,reason", [
    (1000, ""), (1000, "bye"), (1001, "leaving"), (3000, "für immer"),
    (4999, "x" * 123)])
def test_close_of_the_client(proxy, tls, backend, code, reason):
    path = f"/close/{code}/{len(reason)}"
    with connect(proxy.port(), tls, path) as client:
        client.close(code, reason)
    assert backend.end_of(path) == (code, reason)


def test_close_of_the_client_without_a_code(proxy, tls, backend):
    with connect(proxy.port(), tls, "/no-code") as client:
        client.send_frame(CLOSE)
        client.expect(CLOSE, b"")
    assert backend.end_of("/no-code")[0] == 1005


@pytest.mark.parametrize("code,reason", [
    (1000, ""), (1001, "restart"), (1011, "oops"), (4001, "für dich")])
def test_close_of_the_backend(proxy, tls, code, reason):
    with connect(proxy.port(), tls) as client:
        client.send_text(f"close {code} {reason}")
        got = client.expect(CLOSE)
        assert (got.code, got.reason) == (code, reason)
        client.send_frame(CLOSE, close_payload(code))
        client.expect_end()


def test_a_client_that_vanishes_vanishes_there_too(proxy, backend, tls):
    client = connect(proxy.port(), tls, "/vanish")
    client.echo()
    client.reset()
    assert backend.end_of("/vanish")[0] == 1006


def test_a_backend_that_dies(wssd):
    with Backend() as backend:
        one = wssd({"route /": route(backend)}, tcp=True)
        with connect(one.port()) as client:
            client.echo()
            backend.kill()
            got = client.expect(CLOSE)
            assert (got.code, got.reason) == \
                (1012, "the server behind this one is gone")
        one.await_log(rf"route /: upstream {backend.url} is lost: ")
        with Client(one.port()) as client:
            assert client.ask(request()).status == 502
        one.await_log(rf"route /: upstream {backend.url} fails: "
                      "Connection refused")
        backend.start()
        with connect(one.port()) as client:
            client.echo()
        one.await_log(rf"upstream {backend.url} answers again")
        totals = one.totals()
        assert totals["upstream_lost"] == 1
        assert totals["upstream_failed"] == 1
        assert totals["upstream_ok"] == 2


def test_a_backend_that_does_not_answer_pings(wssd, tmp_path):
    with Node(tmp_path) as node:
        one = wssd({"route /": route(node, ping_interval="300ms",
                                     ping_timeout="500ms")}, tcp=True)
        with connect(one.port()) as client:
            client.echo()
            node.signal(19)  # SIGSTOP
            while (got := client.read_frame()).opcode != CLOSE:
                client.send_frame(PONG, got.payload)
            assert got.code == 1012
        one.await_log("is lost: no Pong within ping_timeout")


def test_stop_closes_both_sides(wssd, backend):
    one = wssd({"route /": route(backend)}, tcp=True)
    with connect(one.port(), path="/stop") as client:
        client.echo()
        one.signal(15)
        client.expect(CLOSE)
        client.send_frame(CLOSE, close_payload(1001))
        client.expect_end()
        client.drop()
        assert one.wait() == 0
    assert backend.end_of("/stop")[0] == 1001


def test_reload_keeps_it(wssd, backend):
    one = wssd({"route /": route(backend)}, tcp=True)
    with connect(one.port()) as client:
        client.echo()
        one.set({"route /": route("ws://127.0.0.1:1")})
        one.reload()
        client.echo()
        with Client(one.port()) as other:
            assert other.ask(request()).status == 502
        client.close()


# ---- the request ----------------------------------------------------------

def test_request_fields(proxy, tls):
    with Client(proxy.port(), tls) as client:
        client.upgrade("/room/7?token=a%20b&c", host="example.org:8443",
                       extra=[("Cookie", "a=1; b=2"),
                              ("Origin", "https://example.org"),
                              ("Authorization", "Bearer xyz"),
                              ("X-Custom", "one"), ("X-Custom", "two"),
                              ("User-Agent", "test/1")])
        target, fields = seen_by(client)
        assert target == "/room/7?token=a%20b&c"
        assert fields["host"] == ["example.org:8443"]
        assert fields["cookie"] == ["a=1; b=2"]
        assert fields["origin"] == ["https://example.org"]
        assert fields["authorization"] == ["Bearer xyz"]
        assert fields["x-custom"] == ["one", "two"]
        assert fields["x-real-ip"] == ["127.0.0.1"]
        assert fields["x-forwarded-for"] == ["127.0.0.1"]
        assert fields["x-forwarded-proto"] == ["https"]
        assert fields["x-forwarded-host"] == ["example.org:8443"]
        assert fields["connection"] == ["Upgrade"]
        assert len(fields["sec-websocket-key"]) == 1
        assert "sec-websocket-extensions" not in fields


@pytest.mark.parametrize("name", [
    "X-Forwarded-For", "x_forwarded_for", "X-Forwarded_Proto", "X-Real-IP",
    "X_REAL_IP", "Forwarded", "X-Forwarded-User", "X-SSL-Client-Verify",
    "Proxy-Authorization", "Keep-Alive", "TE", "Sec_WebSocket_Key"])
def test_forged_fields_are_dropped(proxy, tls, name):
    with Client(proxy.port(), tls) as client:
        client.upgrade(extra=[(name, "203.0.113.66")])
        _, fields = seen_by(client)
        assert "203.0.113.66" not in sum(fields.values(), [])


def test_fields_for_one_hop_are_dropped(proxy, tls):
    with Client(proxy.port(), tls) as client:
        client.upgrade(connection="X-Secret, Upgrade ,x-other",
                       extra=[("X-Secret", "s"), ("X-Other", "o"),
                              ("X-Kept", "k")])
        _, fields = seen_by(client)
        assert "x-secret" not in fields and "x-other" not in fields
        assert fields["x-kept"] == ["k"]
        assert fields["connection"] == ["Upgrade"]


def test_without_tls_it_says_so(wssd, backend):
    one = wssd({"route /": route(backend)}, tcp=True)
    with connect(one.port()) as client:
        assert seen_by(client)[1]["x-forwarded-proto"] == ["http"]


@pytest.mark.parametrize("path,target", [
    ("/app", "/in/"), ("/app?q", "/in/?q"), ("/app/", "/in/"),
    ("/app/x/y?q", "/in/x/y?q"), ("/as", "/"), ("/as/x", "/x"),
    ("/appx", "/appx")])
def test_path_of_the_url(proxy, tls, path, target):
    with connect(proxy.port(), tls, path) as client:
        assert seen_by(client)[0] == target


@pytest.mark.parametrize("path,host", [
    ("/", "localhost"), ("/app", None), ("/as", "other.test:99")])
def test_host(proxy, tls, backend, path, host):
    with connect(proxy.port(), tls, path) as client:
        assert seen_by(client)[1]["host"] == \
            [host or f"127.0.0.1:{backend.port}"]


# ---- the answer -----------------------------------------------------------

@pytest.mark.parametrize("offered,chosen", [
    (["a"], "a"), (["c, b, d"], "b"), (["c", "a"], "a"), (["c"], None),
    ([], None)])
def test_the_backend_chooses_the_subprotocol(proxy, tls, offered, chosen):
    with Client(proxy.port(), tls) as client:
        answer = client.upgrade(
            extra=[("Sec-WebSocket-Protocol", o) for o in offered])
        assert answer.headers.get("sec-websocket-protocol") == chosen
        assert answer.headers["set-cookie"] == "sid=42"


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
def test_refusals_are_passed_back(proxy, tls, status):
    with Client(proxy.port(), tls) as client:
        answer = client.ask(request(f"/refuse/{status}"))
        assert answer.status == status
        assert answer.headers["set-cookie"] == "seen=1"
        assert answer.headers["x-why"] == "because"
        assert answer.headers["content-type"].startswith("text/plain")


def test_an_answer_that_is_none(proxy, tls):
    """A page instead of a WebSocket."""
    with Client(proxy.port(), tls) as client:
        assert client.ask(request("/refuse/200")).status == 502


def test_nobody_there(wssd):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # bound, so nobody else takes it
        one = wssd({"route /": route(
            f"ws://127.0.0.1:{s.getsockname()[1]}")}, tcp=True)
        with Client(one.port()) as client:
            answer = client.ask(request())
            assert answer.status == 502
            assert "cannot be reached" in answer.body
            client.expect_end()


def test_no_answer_in_time(wssd, backend):
    one = wssd({"route /": route(backend, upstream_timeout="300ms")},
               tcp=True)
    with Client(one.port()) as client:
        assert client.ask(request("/hang")).status == 504
    one.await_log("fails: no answer within upstream_timeout")


def test_no_connection_in_time(wssd):
    """A listener whose queue is full drops the SYN."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as s:
        others = [socket.socket() for _ in range(3)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(s.getsockname())
        one = wssd({"route /": route(
            f"ws://127.0.0.1:{s.getsockname()[1]}",
            connect_timeout="300ms")}, tcp=True)
        with Client(one.port()) as client:
            assert client.ask(request()).status == 504
        one.await_log("fails: no connection within connect_timeout")
        for other in others:
            other.close()


def test_the_listen_does_not_wait_longer(wssd, backend):
    one = wssd({"listen": {"handshake_timeout": "500ms"},
                "route /": route(backend, upstream_timeout="60s")},
               tcp=True)
    with Client(one.port()) as client:
        answer = client.ask(request("/hang"))
        assert answer.status == 504
        assert "handshake_timeout" in answer.body
    until(lambda: upstream_open(one) == 0 and
          not one.connections(), "nothing is left")


def test_a_client_that_does_not_wait(wssd, backend):
    one = wssd({"route /": route(backend, upstream_timeout="60s")}, tcp=True)
    requests = backend.requests
    client = Client(one.port())
    client.send(request("/hang"))
    until(lambda: backend.requests > requests, "the backend is asked")
    assert [c["state"] for c in one.connections()] == ["opening"]
    client.drop()
    until(lambda: not one.connections(), "the connection is gone")


def test_a_client_that_speaks_too_early(wssd, backend):
    one = wssd({"route /": route(backend, upstream_timeout="60s")}, tcp=True)
    requests = backend.requests
    with Client(one.port()) as client:
        client.send(request("/hang"))
        until(lambda: backend.requests > requests, "the backend is asked")
        client.send_text("early")
        answer = client.read_answer()
        assert answer.status == 400
        assert "before it was answered" in answer.body


def test_a_drain_does_not_wait(wssd, backend):
    one = wssd({"route /": route(backend, upstream_timeout="60s")}, tcp=True)
    requests = backend.requests
    with Client(one.port()) as client:
        client.send(request("/hang"))
        until(lambda: backend.requests > requests, "the backend is asked")
        one.signal(15)
        assert client.read_answer().status == 503
        client.drop()
        assert one.wait() == 0


# ---- at the pace of the slower side ----------------------------------------

def test_a_slow_client_holds_up_the_backend(wssd):
    """Only so much is taken from the backend: the sockets' buffers, and
    output_high."""
    n = 800  # 50 MiB
    with Backend() as backend:
        one = wssd({"route /": route(backend, output_high="256k",
                                     ping_interval="0")}, tcp=True)
        with connect(one.port(), receive_buffer=65536) as client:
            client.send_text(f"flood {n}")
            until(lambda: backend.flooded > 5, "it has begun")
            last = [0, 0]

            def still():
                last[:] = [backend.flooded,
                           last[1] + 1 if last[0] == backend.flooded else 0]
                return last[1] > 25
            until(still, "the backend cannot send on")
            assert backend.flooded < n // 2
            # Others are served meanwhile.
            with connect(one.port()) as other:
                other.echo()
            for _ in range(n):
                client.expect(BINARY, FLOOD)
            client.echo()


def test_a_slow_backend_holds_up_the_client(wssd):
    n = 500  # 31 MiB
    with Backend() as backend:
        one = wssd({"route /": route(backend, output_high="256k",
                                     ping_interval="0")}, tcp=True)
        with connect(one.port()) as client:
            client.timeout = 60
            client.send_text("stall")
            sent = []

            def send():
                for i in range(n):
                    client.send_frame(BINARY, FLOOD)
                    sent.append(i)
            sender = threading.Thread(target=send)
            sender.start()
            last = [0, 0]

            def still():
                last[:] = [len(sent),
                           last[1] + 1 if last[0] == len(sent) else 0]
                return last[1] > 25
            until(still, "the client cannot send on")
            assert len(sent) < n * 9 // 10
            backend.go()
            for _ in range(n):
                client.expect(BINARY, FLOOD)
            sender.join()
            client.echo()


def test_a_lot_both_ways_at_once(proxy, tls):
    """Neither direction waits for the other."""
    with connect(proxy.port(), tls) as client:
        client.send_text("flood 100")
        for _ in range(20):
            client.send_frame(BINARY, FLOOD)
        for _ in range(120):
            client.expect(BINARY, FLOOD)


def test_many_clients(wssd, backend):
    one = wssd({"wssd": {"workers": 2}, "route /": route(backend)}, tcp=True)
    port = one.port()
    clients = [Client(port) for _ in range(150)]
    for client in clients:
        client.send(request())
    for client in clients:
        assert client.read_answer().status == 101
        client.send_text("hello")
    for client in clients:
        client.expect(TEXT, "hello")
        client.drop()
    until(lambda: upstream_open(one) == 0, "all are gone")
