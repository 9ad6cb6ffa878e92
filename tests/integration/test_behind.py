# SPDX-License-Identifier: MIT
"""Behind real nginx and real Apache, with the files of etc/, and behind
HAProxy, which speaks the PROXY protocol.

A minute of idling is not waited for: the proxy's timeout is cut to 2 s, and
wssd's pings come as often in relation to it as they do by default (30 s to
75 s).  That the timeout works is seen from a route without pings.
"""
import time

import pytest

from clients import BINARY, CLOSE, PING, PONG, TEXT, Client, close_payload, \
    request
from fronts import Front
from wait import until

MIB = 1 << 20
SHORT = 2  # seconds of silence that a proxy bears


@pytest.fixture(scope="module", params=["nginx", "apache"])
def front(request, leaf):
    made = Front(request.param, leaf)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(front, wssd_module):
    started = wssd_module({
        "wssd": {"workers": 2},
        "listen": front.listen(),
        "route /": None,
        "route /wss": {"handler": "echo", "max_message": "2m"},
        "route /wss/short": {"handler": "echo", "max_message": 100},
    }, tcp=True)
    front.start()
    return started


def connect(front, tls, path="/wss", extra=(), **more):
    client = Client(front.port, tls, **more)
    client.upgrade(path, extra=list(extra))
    return client


def test_echo(server, front, tls):
    with connect(front, tls) as client:
        client.echo("grüße")
        client.send_frame(BINARY, bytes(range(256)))
        client.expect(BINARY, bytes(range(256)))
        client.send_frame(PING, "x")
        client.expect(PONG, "x")
        for i in range(100):
            client.send_text(f"{i}")
        for i in range(100):
            client.expect(TEXT, f"{i}")
        client.close()


def test_large_messages(server, front, tls):
    with connect(front, tls, timeout=30) as client:
        for _ in range(3):
            client.echo("x" * MIB)
        client.close()


@pytest.mark.parametrize("code", [1000, 1001, 4001])
def test_close_code_of_the_client(server, front, tls, code):
    before = server.totals()
    with connect(front, tls) as client:
        client.send_frame(CLOSE, close_payload(code, "bye"))
        assert client.expect(CLOSE).code == code
    until(lambda: server.totals()["closed"] == before["closed"] + 1, "ended")
    assert server.totals()["closed_abnormal"] == before["closed_abnormal"]


def test_close_code_of_wssd(server, front, tls):
    with connect(front, tls, "/wss/short") as client:
        client.send_text("x" * 101)
        got = client.expect(CLOSE)
        assert got.code == 1009


def test_the_clients_address(server, front, tls):
    """Not the proxy's, and not what the client would like it to be."""
    lies = [("X-Real-IP", "198.51.100.1"),
            ("X-Forwarded-For", "198.51.100.2"),
            ("X-Forwarded-Proto", "http"),
            ("Forwarded", "for=198.51.100.3;proto=http")]
    for extra in [[], lies]:
        with connect(front, tls, extra=extra, source="127.0.0.77") as client:
            client.echo()
            row = server.connections()[-1]
            assert row["address"] == "127.0.0.77"
            assert row["via"] == "unix:"
            assert row["secure"] is True
            client.close()
        until(lambda: not server.connections(), "it has left")


def test_refusals_come_through(server, front, tls):
    with Client(front.port, tls) as client:
        answer = client.ask(request("/wss", version="12"))
        assert answer.status == 426
        assert answer.headers["sec-websocket-version"] == "13"
    with Client(front.port, tls) as client:
        client.send(request("/wss", upgrade=None, connection="close"))
        assert client.read_answer().status == 426


def test_reload_of_either(server, front, tls):
    """A connection outlives it, and new ones are served."""
    with connect(front, tls) as first:
        first.echo()
        server.reload()
        first.echo()
        with connect(front, tls) as second:
            second.echo()
            front.reload()
            first.echo("after the reload of the proxy")
            second.echo()
            with connect(front, tls) as third:
                third.echo()
                third.close()
            second.close()
        first.close()


def test_certificate_and_tls(server, front, tls):
    """Modern TLS, as the file says."""
    with connect(front, tls) as client:
        assert client.tls.version() == "TLSv1.3"
        client.close()


# ---- those with a proxy of their own --------------------------------------

@pytest.fixture(params=["nginx", "apache"])
def short(request, leaf):
    made = Front(request.param, leaf, timeout=SHORT)
    yield made
    made.stop()


def test_idle(short, wssd, tls):
    wssd({"listen": short.listen(),
          "route /": {"handler": "echo", "ping_interval": "800ms"},
          "route /wss/deaf": {"handler": "echo", "ping_interval": "0"}},
         tcp=True)
    short.start()
    with connect(short, tls) as quiet, \
            connect(short, tls, "/wss/deaf") as deaf:
        begin = time.monotonic()
        pings = 0
        while time.monotonic() < begin + 2.5 * SHORT:
            got = quiet.read_frame()
            assert got is not None and got.opcode == PING, got
            quiet.send_frame(PONG, got.payload)
            pings += 1
        assert pings >= 3
        quiet.echo()
        # The other one was cut off by the proxy meanwhile.
        assert deaf.read_frame() is None
        quiet.close()


def test_stop_and_absence(short, wssd, tls):
    """1001 arrives; without wssd the proxy says so; it comes back."""
    server = wssd({"listen": short.listen()}, tcp=True)
    short.start()
    with connect(short, tls) as client:
        server.process.terminate()
        got = client.expect(CLOSE)
        assert got.code == 1001
        client.send_frame(CLOSE, got.payload)
        assert server.wait() == 0
    with Client(short.port, tls) as client:
        assert client.ask(request("/wss")).status in (502, 503)
    server.start()

    def served():
        with Client(short.port, tls) as client:
            return client.ask(request("/wss")).status == 101
    until(served, "the proxy has found it again", 90, 0.5)


# ---- the PROXY protocol of HAProxy ------------------------------------------

@pytest.mark.parametrize("send", [
    "send-proxy", "send-proxy-v2", "send-proxy-v2-ssl",
    "send-proxy-v2-ssl-cn",
    "send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority,"
    "crc32c,unique-id"])
def test_haproxy_ends_tls(leaf, wssd, tls, send):
    front = Front("haproxy", leaf, send=send)
    try:
        server = wssd({"listen": {**front.listen(), "socket_mode": "0666",
                                  "proxy_protocol": "on"}}, tcp=True)
        front.start()
        with connect(front, tls, source="127.0.0.77") as client:
            client.echo("x" * 60000)
            row = server.connections()[-1]
            port = client.sock.getsockname()[1]
            assert row["address"] == f"127.0.0.77:{port}"
            assert row["secure"] is ("ssl" in send)
            assert row["via_tls"] == ("TLSv1.3" if "ssl" in send else "")
            client.close()
    finally:
        front.stop()


@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
def test_haproxy_passes_tls_through(leaf, wssd, tls, send):
    """The header in front of TLS; its health check is not a client."""
    server = wssd({"listen": {"proxy_protocol": "on",
                              "trusted_proxies": "127.0.0.1"}})
    front = Front("haproxy", leaf, ends_tls=False,
                  server=f"127.0.0.1:{server.port()}",
                  send=f"{send} check inter 200ms")
    try:
        front.start()
        with connect(front, tls, source="127.0.0.77") as client:
            client.echo()
            row = [r for r in server.connections()
                   if r["state"] == "open"][-1]
            assert row["address"].startswith("127.0.0.77:")
            assert row["tls"] == "TLSv1.3" and row["secure"] is True
            client.close()
        accepted = server.totals()["accepted"]
        until(lambda: server.totals()["accepted"] > accepted + 1, "checks")
        assert server.totals()["proxy_failed"] == 0
    finally:
        front.stop()
