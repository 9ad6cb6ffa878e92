# SPDX-License-Identifier: MIT
"""How connections end: in good order wherever the peer lets us, in bounded
time where it does not, and without anything left behind."""
import os
import ssl
import time

import pytest

from clients import (BINARY, CLOSE, PING, TEXT, Client, close_payload,
                     connect, frame, request)
from daemon import open_descriptors
from wait import until

MIB = 1 << 20
CONFIG = {
    "listen plain": {"address": "127.0.0.1:0", "transport": "tcp"},
    "route /": {"handler": "echo", "max_message": "8m",
                "close_timeout": "1s"},
    # Here the server begins the closing handshake.
    "route /idle": {"handler": "echo", "idle_timeout": "300ms",
                    "close_timeout": "1s"},
    "route /slow": {"handler": "echo", "max_message": "8m",
                    "ping_interval": "500ms", "ping_timeout": "500ms",
                    "close_timeout": "1s"},
}
LINGER = 2.0    # what the server waits for a FIN behind its own
LAYERS = ["tcp", "tls"]


@pytest.fixture(scope="module")
def server(wssd_module):
    return wssd_module(CONFIG)


@pytest.fixture(scope="module")
def ports(server):
    return {"tcp": server.port("plain"), "tls": server.port()}


@pytest.fixture
def dial(ports, tls):
    def to(layer, path=None, **more):
        use = tls if layer == "tls" else None
        if path is None:
            return Client(ports[layer], use, **more)
        return connect(ports[layer], use, path, **more)
    return to


@pytest.fixture(autouse=True)
def nothing_is_left(server):
    """After each test: no connection, and no descriptor of one."""
    worker, = server.worker_pids()
    before = open_descriptors(worker)
    yield
    assert server.worker_pids() == [worker], server.log()
    until(lambda: server.totals()["connections"] == 0,
          "all connections are gone", 5)
    assert server.totals()["open"] == 0
    until(lambda: open_descriptors(worker) <= before,
          "all descriptors are closed", 5)


def abnormal(server):
    return server.totals()["closed_abnormal"]


def seconds_until_end(client):
    """Reads until the end; how long that took."""
    start = time.monotonic()
    while client.recv():
        pass
    return time.monotonic() - start


def gone(server, before, after):
    """The server lets go of its only connection between these times."""
    start = time.monotonic()
    until(lambda: server.totals()["connections"] == 0, "it is gone",
          after + 1)
    took = time.monotonic() - start
    assert before <= took <= after, took


# ---- in good order --------------------------------------------------------

@pytest.mark.parametrize("layer", LAYERS)
def test_the_client_begins(server, dial, layer):
    before = abnormal(server)
    with dial(layer, "/") as client:
        client.send_frame(CLOSE, close_payload(1000, "bye"))
        client.expect_close(1000)
        if layer == "tls":
            client.unwrap()
    assert abnormal(server) == before


@pytest.mark.parametrize("layer", LAYERS)
def test_the_server_begins(server, dial, layer):
    before = abnormal(server)
    with dial(layer, "/idle") as client:
        got = client.expect(CLOSE)
        assert (got.code, got.reason) == (1001, "idle timeout")
        # RFC 6455, section 7.1.1: the server waits for the answer ...
        with pytest.raises(TimeoutError):
            client.recv(0.3)
        client.send_frame(CLOSE, close_payload(1001))
        # ... and then it is the server that hangs up.
        assert seconds_until_end(client) < 0.5
        assert client.end == ("close_notify" if layer == "tls" else "fin")
        if layer == "tls":
            client.unwrap()
    assert abnormal(server) == before


@pytest.mark.parametrize("layer", LAYERS)
def test_frames_behind_our_close_are_not_answered(dial, layer):
    with dial(layer, "/idle") as client:
        client.expect(CLOSE)
        client.send(frame(TEXT, "late") + frame(PING, "late") +
                    frame(CLOSE, close_payload(1001)))
        client.expect_end()


@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_underway_comes_first(dial, layer):
    """A Close behind much that the client has not read."""
    body = os.urandom(4 * MIB)
    with dial(layer, "/", receive_buffer=4096) as client:
        client.send(frame(BINARY, body) +
                    frame(CLOSE, close_payload(1000)))
        client.expect(BINARY, body)
        client.expect_close(1000)


@pytest.mark.parametrize("layer", LAYERS)
def test_an_error_does_not_reset_the_last_words(dial, layer):
    """The client goes on sending: TCP must not throw away our Close."""
    with dial(layer, "/") as client:
        client.send_frame(TEXT, "x", rsv=1)
        try:
            for _ in range(200):
                client.send(b"\xff" * 10000)
        except OSError:
            pass
        client.expect_close(1002, "reserved bit")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_refusal_does_not_either(dial, layer):
    with dial(layer) as client:
        client.send(request(extra=[("Content-Length", "1000000")]))
        try:
            for _ in range(100):
                client.send(b"x" * 10000)
        except OSError:
            pass
        assert client.read_answer().status == 400
        client.expect_end()


# ---- the client does not do its part ----------------------------------------

@pytest.mark.parametrize("layer", LAYERS)
def test_a_close_that_is_never_answered(server, dial, layer):
    before = abnormal(server)
    with dial(layer, "/idle") as client:
        client.expect(CLOSE)
        took = seconds_until_end(client)
        assert 0.7 < took < 2, took
        gone(server, 0, 1)
    # It ended with the code of our Close, not without one.
    assert abnormal(server) == before


@pytest.mark.parametrize("layer", LAYERS)
def test_a_client_that_never_hangs_up(server, dial, layer):
    with dial(layer, "/") as client:
        client.send_frame(CLOSE, close_payload(1000))
        client.expect_close(1000)
        gone(server, 1, LINGER + 1)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_client_that_never_hangs_up_and_sends_on(server, dial, layer):
    """No byte after the end prolongs it."""
    with dial(layer, "/") as client:
        client.send_frame(CLOSE, close_payload(1000))
        client.expect_close(1000)
        start = time.monotonic()

        def ended():
            try:
                client.send_raw(b"\x17\x03\x03\0\x01x")
            except OSError:
                return True
            return False
        until(ended, "the server has closed", LINGER + 1, 0.1)
        assert time.monotonic() - start > 1


@pytest.mark.parametrize("layer", LAYERS)
def test_a_client_that_never_reads(server, dial, layer):
    """It is not read either, so its Close is never seen."""
    before = server.totals()
    with dial(layer, "/slow", receive_buffer=4096) as client:
        client.send(frame(BINARY, bytes(8 * MIB)))
        until(lambda: server.totals()["messages_out"] >
              before["messages_out"], "it is echoed")
        client.send(frame(CLOSE, close_payload(1000)))
        gone(server, 0, 3)
    assert server.totals()["slow_closed"] == before["slow_closed"] + 1


@pytest.mark.parametrize("layer", LAYERS)
def test_a_refused_one_that_never_hangs_up(server, dial, layer):
    with dial(layer) as client:
        assert client.ask(request(method="POST")).status == 405
        client.expect_end()
        gone(server, 1, LINGER + 1)


# ---- half-closed ---------------------------------------------------------------

def test_close_notify_without_a_close(server, dial):
    before = abnormal(server)
    with dial("tls", "/") as client:
        client.send_text("last")
        client.unwrap_begin = client.tls.unwrap
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        client._flush()
        # RFC 8446, section 6.1: what it had still to say is said.
        client.expect(TEXT, "last")
        client.expect_end("close_notify")
    assert abnormal(server) == before + 1


@pytest.mark.parametrize("layer", LAYERS)
def test_fin_without_a_close(server, dial, layer):
    before = abnormal(server)
    with dial(layer, "/") as client:
        client.send_text("last")
        client.shut()
        client.expect(TEXT, "last")
        assert client.read_frame() is None
        assert client.end in ("close_notify", "fin")
    until(lambda: abnormal(server) == before + 1, "it is counted")
    server.await_log("close 1006 ")


@pytest.mark.parametrize("layer", LAYERS)
def test_fin_behind_much(dial, layer):
    """The client sends, hangs up its half, and then reads."""
    body = os.urandom(4 * MIB)
    with dial(layer, "/", receive_buffer=4096) as client:
        client.send_frame(BINARY, body)
        client.shut()
        client.expect(BINARY, body)
        assert client.read_frame() is None


@pytest.mark.parametrize("layer", LAYERS)
def test_fin_behind_a_close(dial, layer):
    with dial(layer, "/") as client:
        client.send(frame(TEXT, "last") +
                    frame(CLOSE, close_payload(1000)))
        client.shut()
        client.expect(TEXT, "last")
        client.expect_close(1000)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("data", [
    b"", b"GET", request()[:-1], request(), request() + b"x"],
    ids=["nothing", "word", "almost", "whole", "more"])
def test_fin_while_it_asks(server, dial, layer, data):
    with dial(layer) as client:
        client.send(data)
        client.shut()
        while client.recv():
            pass
        assert client.end in ("close_notify", "fin")


@pytest.mark.parametrize("layer", LAYERS)
def test_fin_inside_a_frame(server, dial, layer):
    with dial(layer, "/") as client:
        client.send(frame(TEXT, "x" * 1000)[:-1])
        client.shut()
        assert client.read_frame() is None


def test_fin_inside_a_record(server, dial):
    with dial("tls", "/") as client:
        client.send_raw(client.encrypt(frame(TEXT, "x" * 1000))[:-1])
        client.shut()
        assert client.read_frame() is None


# ---- reset in every state ---------------------------------------------------------

def hello_sent(client, tls):
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client._flush()


def test_reset_before_and_in_the_handshake(server, ports, tls, dial):
    for port in ports.values():
        Client(port).reset()
    client = Client(ports["tls"], tls, connect=False)
    client.sock.connect(("127.0.0.1", ports["tls"]))
    hello_sent(client, tls)
    client.reset()
    # The server's part of the handshake lies unread here.
    client = Client(ports["tls"], tls, connect=False)
    client.sock.connect(("127.0.0.1", ports["tls"]))
    hello_sent(client, tls)
    client.sock.recv(1)
    client.reset()
    served(dial)


def served(dial):
    for layer in LAYERS:
        with dial(layer, "/") as client:
            client.echo()
            client.close()


@pytest.mark.parametrize("layer", LAYERS)
def test_reset_while_it_asks(dial, layer):
    for data in [b"GET / HT", request()[:-1], request(),
                 request(method="POST")]:
        client = dial(layer)
        client.send(data)
        client.reset()
    served(dial)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("data", [
    b"", frame(TEXT, "x" * 50)[:-1], frame(TEXT, "x", fin=False),
    frame(BINARY, bytes(MIB)), frame(BINARY, bytes(MIB))[:-1],
    frame(TEXT, "x", rsv=1), frame(CLOSE),
    frame(BINARY, bytes(MIB)) + frame(CLOSE)],
    ids=["idle", "in-frame", "in-message", "echoed", "in-large-frame",
         "failed", "closed", "closed-behind-much"])
def test_reset_when_open(server, dial, layer, data):
    for read_first in [False, True]:
        client = dial(layer, "/")
        client.send(data)
        if read_first and len(data) > 6:
            try:
                client.recv(0.05)
            except TimeoutError:
                pass
        client.reset()
    served(dial)


@pytest.mark.parametrize("layer", LAYERS)
def test_reset_instead_of_an_answer(server, dial, layer):
    """The server has sent its Close and waits."""
    client = dial(layer, "/idle")
    client.expect(CLOSE)
    client.reset()
    gone(server, 0, 0.8)


@pytest.mark.parametrize("layer", LAYERS)
def test_reset_behind_the_end(server, dial, layer):
    """The server has said all and waits for the FIN."""
    client = dial(layer, "/")
    client.send_frame(CLOSE)
    client.expect(CLOSE)
    client.expect_end()
    client.reset()
    gone(server, 0, 0.8)
