# SPDX-License-Identifier: MIT
"""Deadlines, each on a worker that has nothing else to do: a timer that
needs traffic to be noticed would be found here."""
import ssl
import time

import pytest

import modules
from clients import (CLOSE, PING, PONG, TEXT, Client, close_payload, connect,
                     frame, request)
from wait import until

CONFIG = {
    "listen": {"handshake_timeout": "1500ms"},
    "listen plain": {"address": "127.0.0.1:0", "transport": "tcp",
                     "handshake_timeout": "1500ms"},
    "route /": {"handler": "echo", "ping_interval": 0},
    "route /idle": {"handler": "echo", "ping_interval": "400ms",
                    "idle_timeout": "1500ms"},
    "route /ping": {"handler": "echo", "ping_interval": "1s",
                    "ping_timeout": "1s"},
    "route /many": {"handler": "echo", "ping_interval": "1s",
                    "ping_timeout": "3s"},
    "route /patient": {"handler": "echo", "ping_interval": "500ms",
                       "ping_timeout": 0},
}


@pytest.fixture
def server(wssd):
    return wssd(CONFIG)


def since(start):
    return time.monotonic() - start


def near(took, want):
    """The wheel turns every 100 ms; the rest is for busy machines."""
    assert want - 0.15 <= took <= want + 1, took


def wait_for_end(client):
    start = time.monotonic()
    while client.recv():
        pass
    return since(start)


# ---- the handshake ------------------------------------------------------------

def silent(port, tls):
    return Client(port)


def half_hello(port, tls):
    client = Client(port, tls, connect=False)
    client.sock.connect(("127.0.0.1", port))
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.send_raw(client._out.read()[:-20])
    return client


def whole_hello(port, tls):
    client = half_hello(port, tls)
    client.sock.close()
    client = Client(port, tls, connect=False)
    client.sock.connect(("127.0.0.1", port))
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client._flush()
    return client


def no_request(port, tls):
    return Client(port, tls)


def half_request(port, tls):
    client = Client(port, tls)
    client.send(request()[:-1])
    return client


@pytest.mark.parametrize("make,layer", [
    (silent, "tcp"), (silent, "tls"), (half_hello, "tls"),
    (whole_hello, "tls"), (no_request, "tls"), (half_request, "tls"),
    (half_request, "tcp")])
def test_handshake_timeout(server, tls, make, layer):
    port = server.port("default" if layer == "tls" else "plain")
    start = time.monotonic()
    with make(port, tls if layer == "tls" else None) as client:
        while True:
            try:
                if not client.sock.recv(65536):
                    break
            except ConnectionResetError:
                break
        near(since(start), 1.5)
    until(lambda: server.totals()["handshake_timeouts"] >= 1, "counted", 2)
    server.await_log(r"refused: no request within handshake_timeout")
    assert server.totals()["connections"] == 0


@pytest.mark.parametrize("layer", ["tcp", "tls"])
def test_a_request_that_trickles_in(server, tls, layer):
    """A byte now and then does not prolong it (the slow loris)."""
    port = server.port("default" if layer == "tls" else "plain")
    start = time.monotonic()
    with Client(port, tls if layer == "tls" else None) as client:
        data = iter(request(path="/" + "x" * 3000))

        def hung_up():
            try:
                client.send(bytes([next(data)]))
                client.recv(0.01)
            except TimeoutError:
                return False
            except OSError:
                return True
            return client.end is not None
        until(hung_up, "the server hangs up", 5, 0.1)
        near(since(start), 1.5)


# ---- idle ------------------------------------------------------------------------

def test_idle_timeout(server, tls):
    """Neither the server's pings nor answers to them are activity."""
    with connect(server.port(), tls, "/idle") as client:
        start = time.monotonic()
        pings = 0
        while (got := client.read_frame()).opcode == PING:
            client.send_frame(PONG, got.payload)
            pings += 1
        assert (got.opcode, got.code) == (CLOSE, 1001)
        near(since(start), 1.5)
        assert pings >= 2
        client.send_frame(CLOSE, close_payload(1001))
        client.expect_end()
    assert server.totals()["idle_timeouts"] == 1


def test_messages_put_the_idle_timeout_off(server):
    with connect(server.port("plain"), path="/idle") as client:
        start = time.monotonic()

        def talk():
            client.send_text("x")
            while client.read_frame().opcode == PING:
                pass
            return since(start) > 2
        until(talk, "2 seconds have passed", interval=0.3)
        last = time.monotonic()
        while (got := client.read_frame()).opcode == PING:
            client.send_frame(PONG, got.payload)
        assert (got.opcode, got.code) == (CLOSE, 1001)
        near(since(last), 1.5)


def test_messages_to_the_client_do_too(wssd, tmp_path):
    """A subscriber that only listens is not idle."""
    path = modules.build(tmp_path, modules.TICKING)
    one = wssd({"route /tick": {**modules.route(path),
                                "idle_timeout": "1s"}}, tcp=True)
    with connect(one.port(), path="/tick") as client:
        start = time.monotonic()
        while since(start) < 2.5:
            client.expect(TEXT, "tick")


# ---- ping and pong ------------------------------------------------------------------

@pytest.mark.parametrize("layer", ["tcp", "tls"])
def test_ping_after_silence(server, tls, layer):
    port = server.port("default" if layer == "tls" else "plain")
    with connect(port, tls if layer == "tls" else None, "/ping") as client:
        for _ in range(2):
            start = time.monotonic()
            ping = client.expect(PING)
            near(since(start), 1)
            client.send_frame(PONG, ping.payload)
        client.echo()


def test_any_bytes_are_a_sign_of_life(server):
    """RFC 6455 wants a Pong, but a client that sends something lives."""
    with connect(server.port("plain"), path="/ping") as client:
        client.expect(PING)
        start = time.monotonic()
        client.send_text("busy")
        client.expect(TEXT, "busy")
        client.expect(PING)
        near(since(start), 1)
        # A part of a frame is one, too.
        client.send(frame(TEXT, "slow")[:3])
        client.expect(PING)
        client.send(frame(TEXT, "slow")[3:])
        client.expect(TEXT, "slow")


@pytest.mark.parametrize("layer", ["tcp", "tls"])
def test_no_pong(server, tls, layer):
    port = server.port("default" if layer == "tls" else "plain")
    start = time.monotonic()
    with connect(port, tls if layer == "tls" else None, "/ping") as client:
        client.expect(PING)
        near(since(start), 1)
        assert client.read_frame() is None
        near(since(start), 2)
    totals = server.totals()
    assert totals["pong_timeouts"] == 1
    assert totals["closed_abnormal"] == 1
    assert totals["connections"] == 0
    server.await_log("close 1006 no Pong within ping_timeout")


def test_ping_timeout_of_0_is_never(server):
    with connect(server.port("plain"), path="/patient") as client:
        start = time.monotonic()
        client.expect(PING)
        near(since(start), 0.5)
        with pytest.raises(TimeoutError):
            while client.read_frame(max(0.01, 2 - since(start))) is not None:
                pass
        assert client.end is None, "gone although nothing was asked of it"
        client.echo()


def test_ping_interval_of_0_is_never(server):
    with connect(server.port("plain")) as client:
        with pytest.raises(TimeoutError):
            client.recv(2)
        client.echo()


def test_many_timers_at_once(server):
    """The wheel does not lose one of them."""
    port = server.port("plain")
    clients = [Client(port) for _ in range(100)]
    start = time.monotonic()
    for client in clients:
        client.send(request("/many"))
    for client in clients:
        assert client.read_answer().status == 101
    # Every other one answers, and is asked again; the rest are given up.
    for i, client in enumerate(clients):
        client.expect(PING)
        if i % 2 == 0:
            client.send_frame(PONG)
    for i, client in enumerate(clients):
        if i % 2:
            assert client.read_frame() is None
        else:
            client.expect(PING)
            client.send_frame(PONG)
    assert since(start) < 8
    assert server.totals()["pong_timeouts"] == 50
    for client in clients:
        client.drop()
