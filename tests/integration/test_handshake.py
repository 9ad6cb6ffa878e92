# SPDX-License-Identifier: MIT
"""The opening handshake over the wire: every refusal with its status and
its reason, what is agreed to, and what the port makes of other protocols."""
import os
import signal
import ssl

import pytest

from clients import CLOSE, TEXT, Client, accept_of, connect, frame, request
from wait import until

CONFIG = {
    "listen": {"max_header_size": "2k", "max_headers": 20},
    "listen plain": {"address": "127.0.0.1:0", "transport": "tcp",
                     "max_header_size": "2k", "max_headers": 20},
    "listen hosts": {"address": "127.0.0.1:0", "transport": "tcp"},
    "route /": {"handler": "echo", "listen": "default, plain"},
    "route /protocols": {"handler": "echo",
                         "subprotocols": "chat.v2, chat.v1"},
    "route /origins": {"handler": "echo",
                       "origins": "https://example.org, null, "
                       "https://*.example.net, https://example.com:8443"},
    # There, other hosts find nothing at all.
    "route / #hosts": {"handler": "reply", "text": "x", "host": "only.me",
                       "listen": "hosts"},
}


@pytest.fixture(scope="module")
def server(wssd_module):
    return wssd_module(CONFIG)


@pytest.fixture(scope="module")
def plain(server):
    return server.port("plain")


@pytest.fixture(scope="module")
def secure(server):
    return server.port("default")


def refused(answer, status, reason):
    """A refusal is a whole answer in plain text that says why."""
    assert answer.status == status, answer
    assert reason in answer.body, answer
    assert "close" in answer.headers["connection"], answer
    assert answer.headers["content-type"].startswith("text/plain")
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert "sec-websocket-accept" not in answer.headers
    if status == 426:
        assert answer.headers["sec-websocket-version"] == "13"
        assert answer.headers["upgrade"].lower() == "websocket"
        assert "upgrade" in answer.headers["connection"].lower()
    if status == 405:
        assert answer.headers["allow"] == "GET"


def R(**fields):
    return request(**fields)


HOST = b"Host: localhost\r\n"
REST = (b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n")
GET = b"GET / HTTP/1.1\r\n"

REFUSALS = {
    # RFC 6455, section 4.2.1, item by item
    "post": (R(method="POST"), 405, "GET"),
    "head": (R(method="HEAD"), 405, "GET"),
    "options": (R(method="OPTIONS"), 405, "GET"),
    "lower-case-method": (R(method="get"), 400, ""),
    "unknown-method": (R(method="FOO"), 400, ""),
    "http-1.0": (R(protocol="HTTP/1.0"), 505, "HTTP/1.1"),
    "http-1.2": (R(protocol="HTTP/1.2"), 505, "HTTP/1.1"),
    "http-2.0": (R(protocol="HTTP/2.0"), 505, "HTTP/1.1"),
    "http-2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"),
    "http-0.9": (b"GET /\r\n\r\n", 400, "request line"),
    "no-upgrade": (R(upgrade=None), 426, "wss://"),
    "upgrade-h2c": (R(upgrade="h2c"), 426, "wss://"),
    "upgrade-similar": (R(upgrade="websockets"), 426, "wss://"),
    "nothing": (R(upgrade=None, connection=None, key=None, version=None),
                426, "wss://"),
    "no-connection": (R(connection=None), 400, "Connection"),
    "connection-close": (R(connection="close"), 400, "Connection"),
    "no-key": (R(key=None), 400, "Sec-WebSocket-Key"),
    "key-empty": (R(key=""), 400, "Sec-WebSocket-Key"),
    "key-15": (R(key="AAAAAAAAAAAAAAAAAAAA"), 400, "Sec-WebSocket-Key"),
    "key-17": (R(key="AAAAAAAAAAAAAAAAAAAAAAA="), 400, "Sec-WebSocket-Key"),
    "key-18": (R(key="A" * 24), 400, "Sec-WebSocket-Key"),
    "key-alphabet": (R(key="dGhlIHNhbXBsZSBub25_ZQ=="), 400,
                     "Sec-WebSocket-Key"),
    "key-twice": (R(extra=[("Sec-WebSocket-Key",
                            "dGhlIHNhbXBsZSBub25jZQ==")]), 400,
                  "Sec-WebSocket-Key"),
    "no-version": (R(version=None), 426, "13"),
    "version-8": (R(version="8"), 426, "13"),
    "version-list": (R(version="13, 8"), 426, "13"),
    "version-013": (R(version="013"), 426, "13"),
    "version-twice": (R(extra=[("Sec-WebSocket-Version", "13")]), 400,
                      "Sec-WebSocket-Version"),
    # Host: exactly once, and one
    "no-host": (R(host=None), 400, "Host"),
    "host-twice": (R(extra=[("Host", "localhost")]), 400, "Host"),
    "host-empty": (R(host=""), 400, "Host"),
    "host-port": (R(host="localhost:123456"), 400, "Host"),
    "host-slash": (R(host="a/b"), 400, "Host"),
    "host-user": (R(host="user@host"), 400, "Host"),
    "host-list": (R(host="a b"), 400, "Host"),
    "host-bracket": (R(host="[::1"), 400, "Host"),
    # the target
    "absolute-form": (R(path="http://localhost/"), 400, "target"),
    "authority-form": (R(path="localhost:443"), 400, "target"),
    "asterisk": (R(path="*"), 400, "target"),
    "fragment": (R(path="/#x"), 400, "target"),
    "two-spaces": (R(path=" /"), 400, "request line"),
    "space-inside": (R(path="/a b"), 400, "request line"),
    "tab": (b"GET\t/ HTTP/1.1\r\n" + HOST + REST + b"\r\n", 400, ""),
    "byte-above-127": (R(path="/\xff"), 400, ""),
    # bodies and their smuggling
    "body": (R(extra=[("Content-Length", "5")]) + b"hello", 400, "body"),
    "body-announced": (R(extra=[("Content-Length", "5")]), 400, "body"),
    "length-00": (R(extra=[("Content-Length", "00")]), 400, ""),
    "length-plus": (R(extra=[("Content-Length", "+0")]), 400, ""),
    "length-twice": (R(extra=[("Content-Length", "0"),
                              ("Content-Length", "5")]), 400, ""),
    "chunked": (R(extra=[("Transfer-Encoding", "chunked")]), 400, ""),
    "chunked-odd": (R(extra=[("Transfer-Encoding", "xchunked")]), 400, ""),
    "both": (R(extra=[("Content-Length", "0"),
                      ("Transfer-Encoding", "chunked")]), 400, ""),
    # lines
    "lf-only": (R().replace(b"\r\n", b"\n"), 400, "CRLF"),
    "one-lf": (GET + b"Host: localhost\n" + REST + b"\r\n", 400, "CRLF"),
    "cr-inside": (R(extra=["X: a\rb"]), 400, "CRLF"),
    "fold": (R(extra=["X: a\r\n b"]), 400, "folding"),
    "nul": (R(extra=["X: a\0b"]), 400, "control byte"),
    "escape": (R(extra=["X: a\x1b[2Jb"]), 400, "control byte"),
    "no-colon": (R(extra=["Nonsense"]), 400, ""),
    "space-before-colon": (R(extra=["X : y"]), 400, ""),
    "empty-name": (R(extra=[": y"]), 400, ""),
    "name-not-token": (R(extra=["X(Y): y"]), 400, ""),
    # size and count
    "long-head": (R(extra=[("X", "y" * 2048)]), 431, "2048"),
    "long-target": (R(path="/" + "x" * 2048), 431, "2048"),
    "endless-line": (b"GET /" + b"x" * 5000, 431, "2048"),
    "many-headers": (R(extra=[(f"X{i}", "y") for i in range(16)]), 431,
                     "20"),
    # what the route says
    "origin": (R(path="/origins", extra=[("Origin", "https://evil.org")]),
               403, "Origin"),
    "origin-http": (R(path="/origins",
                      extra=[("Origin", "http://example.org")]), 403, ""),
    "origin-suffix": (R(path="/origins", extra=[
        ("Origin", "https://example.org.evil.org")]), 403, ""),
    "origin-prefix": (R(path="/origins", extra=[
        ("Origin", "https://evilexample.net")]), 403, ""),
    "origin-bare": (R(path="/origins", extra=[
        ("Origin", "https://example.net")]), 403, ""),
    "origin-port": (R(path="/origins", extra=[
        ("Origin", "https://example.com")]), 403, ""),
    "origin-empty": (R(path="/origins", extra=[("Origin", "")]), 403, ""),
    "origin-twice": (R(path="/origins", extra=[
        ("Origin", "https://example.org"),
        ("Origin", "https://example.org")]), 400, "Origin"),
    "protocol-not-token": (R(extra=[("Sec-WebSocket-Protocol", "a b")]),
                           400, "Sec-WebSocket-Protocol"),
    "protocol-empty": (R(extra=[("Sec-WebSocket-Protocol", "")]), 400,
                       "Sec-WebSocket-Protocol"),
    "protocol-twice": (R(extra=[("Sec-WebSocket-Protocol", "a, a")]), 400,
                       "twice"),
    "extension-broken": (R(extra=[("Sec-WebSocket-Extensions", "a;;b")]),
                         400, "Sec-WebSocket-Extensions"),
    # RFC 6455, section 4.1: a client waits for the answer
    "frame-behind": (R() + frame(TEXT, "early"), 400, "behind"),
    "request-behind": (R() + R(), 400, "behind"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("layer", ["tcp", "tls"])
def test_refusal(plain, secure, tls, layer, name):
    data, status, reason = REFUSALS[name]
    port, use = (plain, None) if layer == "tcp" else (secure, tls)
    with Client(port, use) as client:
        client.send(data)
        answer = client.read_answer()
        refused(answer, status, reason)
        assert not client.recv(), "something behind the answer"
        assert client.end == ("close_notify" if use else "fin")


def test_refusals_in_single_bytes(plain):
    """The same answer, when the request trickles in.  What comes after the
    answer is known makes no difference, and no reset of the answer."""
    for name, (data, status, reason) in REFUSALS.items():
        if len(data) > 600 or name in ("frame-behind", "request-behind"):
            continue
        with Client(plain) as client:
            for i in range(len(data)):
                try:
                    client.send(data[i:i + 1])
                except (BrokenPipeError, ConnectionResetError):
                    break
            refused(client.read_answer(), status, reason)


def test_refusals_are_counted_and_logged(wssd):
    server = wssd(tcp=True)
    port = server.port()
    for name in ["no-host", "post", "version-8"]:
        with Client(port) as client:
            address = "%s:%d" % client.sock.getsockname()
            client.ask(REFUSALS[name][0])
            server.await_log(rf"{address} refused {REFUSALS[name][1]}: ")
    totals = server.totals()
    assert totals["http_refused"] == 3
    assert totals["upgrades"] == 0


def test_nothing_at_this_path(server):
    port = server.port("hosts")
    with Client(port) as client:
        refused(client.ask(request("/")), 404, "nothing at this path")
    with connect(port, fields={"host": "only.me"}) as client:
        client.send_text("hello")
        client.expect(TEXT, "x")


# ---- what is agreed to ---------------------------------------------------

ACCEPTED = {
    "case": R(upgrade="WebSocket", connection="uPGRADE"),
    "lists": R(upgrade="foo, websocket", connection="keep-alive, Upgrade"),
    "two-connections": R(extra=[("Connection", "keep-alive")]),
    "names-lower": R().replace(b"Sec-WebSocket", b"sec-websocket"),
    "spaces": R(extra=["X:    y   \t"]),
    "no-space": R(extra=["X:y"]),
    "empty-value": R(extra=["X:"]),
    "obs-text": R(extra=["X: \xe4\xf6"]),
    "length-0": R(extra=[("Content-Length", "0")]),
    "query": R(path="/?a=b&c=%20"),
    "path": R(path="/a/b/../c//d;e=f"),
    "ipv6-host": R(host="[::1]:8282"),
    "host-with-port": R(host="localhost:1"),
    "empty-line-first": b"\r\n" + R(),
    "no-origin": R(path="/origins"),
    "key-loose-bits": R(key="AAAAAAAAAAAAAAAAAAAAAB=="),
    "max-headers": R(extra=[(f"X{i}", "y") for i in range(15)]),
    "max-size": R(extra=[("X", "y" * (2048 - 4 - len(R()) - 1))]),
}
assert len(ACCEPTED["max-size"]) == 2048


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(plain, secure, tls, name):
    data = ACCEPTED[name]
    key = "AAAAAAAAAAAAAAAAAAAAAB==" if name == "key-loose-bits" else \
        "dGhlIHNhbXBsZSBub25jZQ=="
    for port, use in [(plain, None), (secure, tls)]:
        for send in [Client.send, Client.send_bytewise]:
            with Client(port, use) as client:
                send(client, data)
                answer = client.read_answer()
                assert answer.status == 101, answer
                assert answer.headers["sec-websocket-accept"] == \
                    accept_of(key)
                client.echo()


def test_split_everywhere(plain):
    data = R(path="/protocols", extra=[("Sec-WebSocket-Protocol",
                                        "chat.v1")])
    for at in range(1, len(data)):
        with Client(plain) as client:
            client.send(data[:at])
            client.send(data[at:])
            assert client.read_answer().status == 101


@pytest.mark.parametrize("offer,chosen", [
    ("chat.v1", "chat.v1"),
    ("chat.v1, chat.v2", "chat.v2"),
    ("other,chat.v1", "chat.v1"),
    ("other", None),
    ("CHAT.V1", None),
    (None, None),
])
def test_subprotocol(plain, offer, chosen):
    extra = [("Sec-WebSocket-Protocol", offer)] if offer else []
    with Client(plain) as client:
        answer = client.upgrade("/protocols", extra=extra)
        assert answer.headers.get("sec-websocket-protocol") == chosen
        client.echo()
    # A route without a list agrees to none.
    with Client(plain) as client:
        answer = client.upgrade("/", extra=extra)
        assert "sec-websocket-protocol" not in answer.headers


def test_subprotocols_in_two_fields(plain):
    with Client(plain) as client:
        answer = client.upgrade("/protocols", extra=[
            ("Sec-WebSocket-Protocol", "a, chat.v1"),
            ("Sec-WebSocket-Protocol", "chat.v2")])
        assert answer.headers["sec-websocket-protocol"] == "chat.v2"


@pytest.mark.parametrize("origin", [
    "https://example.org", "HTTPS://Example.ORG", "null",
    "https://a.example.net", "https://a.b.example.net",
    "https://example.com:8443"])
def test_origin_on_the_list(plain, origin):
    with Client(plain) as client:
        client.upgrade("/origins", extra=[("Origin", origin)])


def test_origin_without_a_list(plain):
    with Client(plain) as client:
        client.upgrade("/", extra=[("Origin", "https://anywhere.example")])


@pytest.mark.parametrize("offer", [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover, permessage-deflate",
    "x-webkit-deflate-frame",
    'foo; bar="baz"'])
def test_extensions_are_declined(plain, offer):
    with Client(plain) as client:
        client.upgrade(extra=[("Sec-WebSocket-Extensions", offer)])
        client.echo()
        # ... and so a compressed message is an error.
        client.send_frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)
        client.expect_close(1002, "reserved bit")


# ---- other protocols on the wss port --------------------------------------

def served(port, tls):
    with connect(port, tls) as client:
        client.echo()


@pytest.mark.parametrize("data", [
    request("/"), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000,
    b"G", b"HEAD / HTTP/1.0\r\n\r\n"], ids=range(5))
def test_http_on_the_wss_port(server, secure, tls, data):
    before = server.totals()["plain_on_tls"]
    with Client(secure) as client:
        client.send(data)
        answer = client.read_answer()
        refused(answer, 400, "wss://")
        assert not client.recv()
        assert client.end == "fin"
    assert server.totals()["plain_on_tls"] == before + 1
    served(secure, tls)


def test_https_without_upgrade(secure, tls):
    with Client(secure, tls) as client:
        refused(client.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                426, "wss://")
        assert not client.recv()
        assert client.end == "close_notify"
    served(secure, tls)


def client_hello(tls):
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = tls.wrap_bio(into, out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    return out.read()


GARBAGE = {
    "zeros": b"\0" * 1000,
    "random": bytes([0x16]) + os.urandom(3000),
    "record-too-long": b"\x16\x03\x01\xff\xff" + b"\x01" * 1000,
    "record-empty": b"\x16\x03\x01\0\0" * 1000,
    "alert": b"\x15\x03\x03\0\x02\x02\x28",
    "application-data": b"\x17\x03\x03\0\x10" + b"x" * 16,
    "sslv2": b"\x80\x2e\x01\x00\x02" + b"x" * 44,
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "smtp": b"EHLO localhost\r\n",
    "proxy-v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\0" * 12,
    "hello-then-rubbish": None,
    "hello-cut": None,
    "hello-twice": None,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_on_the_wss_port(secure, tls, name):
    data = GARBAGE[name]
    hello = client_hello(tls)
    if name == "hello-then-rubbish":
        data = hello + os.urandom(500)
    elif name == "hello-cut":
        data = hello[:-10]
    elif name == "hello-twice":
        data = hello + hello
    with Client(secure) as client:
        client.send(data)
        client.shut()
        while client.recv():
            pass
        # An alert of TLS or a sentence in text, no more.
        assert len(client.data) < 5000
    served(secure, tls)


def test_tls_in_single_bytes(secure, tls):
    """A ClientHello, then a request, a byte a segment."""
    with Client(secure, tls, connect=False) as client:
        client.sock.connect(("127.0.0.1", secure))
        flush = client._flush

        def slowly():
            data = client._out.read()
            for i in range(len(data)):
                client.send_raw(data[i:i + 1])
        client._flush = slowly
        client.handshake()
        client.upgrade()
        client.echo("x" * 300)
        client._flush = flush
        client.close()


def test_failed_handshakes_are_counted(wssd, tls):
    server = wssd()
    port = server.port()
    with Client(port) as client:
        client.send(b"\x16\x03\x01\xff\xff" + b"x" * 100)
        while client.recv():
            pass
    server.await_log("TLS handshake failed: ")
    assert server.totals()["tls_failed"] == 1
    served(port, tls)
    assert server.totals()["tls_ok"] == 1


def test_no_byte_of_the_peer_reaches_the_log_raw(wssd):
    server = wssd(tcp=True)
    port = server.port()
    for data in [request(path="/\x1b[31m\r\nx"),
                 request(host="\x1b]0;title\x07"),
                 request(extra=["X\x01: \x9b"]),
                 b"\x1b[2J\r\n\r\n"]:
        with Client(port) as client:
            client.send(data)
            while client.recv():
                pass
    text = server.log()
    assert all(c == "\n" or " " <= c < "\x7f" for c in text)


def test_a_port_that_was_only_touched(secure, tls):
    """Connections that say nothing and go, by FIN and by RST."""
    for ending in [Client.drop, Client.reset]:
        for _ in range(20):
            ending(Client(secure))
    served(secure, tls)


def test_a_handshake_during_a_drain(wssd):
    """It may end, and then has its Close; or else it is refused."""
    server = wssd({"wssd": {"drain_window": "2s"}}, tcp=True)
    port = server.port()
    data = request()
    with Client(port) as late, Client(port) as never:
        late.send(data[:-2])
        never.send(data[:-2])
        until(lambda: server.totals()["connections"] == 2, "both are seen")
        server.signal(signal.SIGQUIT)
        server.await_log("closing 2 connections with 1001")
        answer = late.ask(data[-2:])
        assert answer.status == 101
        late.echo()
        got = late.read_frame()
        assert (got.opcode, got.code) == (CLOSE, 1001)
        late.send(frame(CLOSE, got.payload))
        late.expect_end()
        assert never.read_answer().status == 503
        never.expect_end()
        never.drop()
        late.drop()
        assert server.wait() == 0
    with pytest.raises(OSError):
        Client(port)


def test_a_handshake_during_a_stop(wssd):
    """A stop lets nobody in any more."""
    server = wssd(tcp=True)
    port = server.port()
    with Client(port) as late:
        late.send(request()[:-2])
        until(lambda: server.totals()["connections"] == 1, "it is seen")
        server.signal(signal.SIGTERM)
        assert late.read_answer().status == 503
        late.expect_end()
        late.drop()
        assert server.wait() == 0
